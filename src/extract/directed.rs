//! Whether a message is meant for the bot.

use tower::BoxError;

use super::FromRequest;
use crate::event::{Event, Mention, Message, MessageId};
use crate::growing::talks::ThreadTalk;
use crate::rejection::Rejection;
use crate::request::Request;

/// Whether a message is meant for the bot: it was written in a direct conversation with the bot alone, or mentions it. No
/// command of the bot is: that has a route of its own. For `Router::listen`.
///
/// What follows a mention is a command where there is one of that name. For all other words the router says that it does
/// not know the command: a bot that answers freely switches that off by
/// [`unknown_command`](crate::Router::unknown_command).
///
/// A thread in which the bot talks with somebody is known only where the server is asked: take
/// [`DirectedAtMe`] for that.
///
/// ```
/// use rocketbotte::Router;
/// use rocketbotte::extract::directed_at_me;
///
/// async fn answer() -> &'static str { "You called?" }
///
/// let router: Router = Router::new().listen(directed_at_me, answer).unknown_command(async || {});
/// ```
pub fn directed_at_me(request: &Request) -> bool {
    let Event::Message(message) = request.event() else {
        return false;
    };
    let is_mine = !request.is_from_self() && !request.context().shared().stack.is_own_command(request);
    is_mine && (request.is_direct_with_bot() || mentions_me(message, request))
}

fn mentions_me(message: &Message, request: &Request) -> bool {
    let bot = request.context().identity();
    if bot.id().as_str().is_empty() {
        return false;
    }
    let mentions = message.mentions();
    if mentions.is_empty() {
        // Not every way to post a message makes the list.
        return has_mention(message.text(), bot.username());
    }
    mentions
        .iter()
        .any(|mention| matches!(mention, Mention::User(user) if user.id() == bot.id()))
}

/// Whether a text has `@name` as a word.
fn has_mention(text: &str, name: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-');
    !name.is_empty()
        && text.match_indices('@').any(|(at, _)| {
            let (before, behind) = (&text[..at], &text[at + 1..]);
            let rest = behind
                .get(..name.len())
                .filter(|word| word.eq_ignore_ascii_case(name))
                .map(|_| behind[name.len()..].trim_start_matches('.'));
            !before.ends_with(|c: char| is_part(c) || matches!(c, '.' | '/'))
                && rest.is_some_and(|rest| !rest.starts_with(is_part))
        })
}

/// Lets a listener hear only what is [meant for the bot](directed_at_me); with `IN_THREADS` also what a person writes in a
/// thread that nobody but this person and the bot have written in, so that a conversation goes on without mentions.
/// Whoever else writes there has to mention the bot, and from then on everybody does.
///
/// Who has written in a thread is asked of the server once (`chat.getMessage`), and followed from then on.
///
/// ```
/// use std::sync::Arc;
/// use rocketbotte::Router;
/// use rocketbotte::event::Message;
/// use rocketbotte::extract::DirectedAtMe;
/// use rocketbotte::response::{Send, Thread};
///
/// async fn answer(_: DirectedAtMe<true>, message: Arc<Message>) -> Send {
///     Send::text(format!("You said: {}", message.text())).in_thread(Thread::Always)
/// }
///
/// let router: Router = Router::new().on_message(answer);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DirectedAtMe<const IN_THREADS: bool = false>;

impl<S: Sync, const IN_THREADS: bool> FromRequest<S> for DirectedAtMe<IN_THREADS> {
    type Rejection = BoxError;

    async fn from_request(request: &Request, _state: &S) -> Result<Self, Self::Rejection> {
        if directed_at_me(request) || IN_THREADS && is_in_own_thread(request).await? {
            return Ok(Self);
        }
        Err(Rejection::new("it is not meant for the bot").silent().into())
    }
}

/// Whether a message is in a thread in which nobody has written but its author and the bot.
async fn is_in_own_thread(request: &Request) -> Result<bool, BoxError> {
    let Event::Message(message) = request.event() else {
        return Ok(false);
    };
    let shared = request.context().shared();
    let Some(thread_id) = message.thread_id() else {
        return Ok(false);
    };
    if request.is_from_self() || shared.stack.is_own_command(request) {
        return Ok(false);
    }
    let bot = request.context().identity().id();
    let talk = match shared.talks.get_or_listen(thread_id) {
        Some(talk) => talk,
        None => {
            let Some(told) = ask(request, thread_id).await? else {
                return Ok(false);
            };
            shared.talks.learn(thread_id, told)
        }
    };
    Ok(talk.is_of(message.author().id(), bot))
}

/// Who has written in a thread, as the server tells with its first message.
#[cfg(feature = "client")]
async fn ask(request: &Request, thread_id: &MessageId) -> Result<Option<ThreadTalk>, BoxError> {
    use super::thread_history::message_object;

    let Some(client) = request.context().client() else {
        return Ok(None);
    };
    let root = message_object(client, thread_id).await?;
    Ok(root.and_then(|root| ThreadTalk::of_root(&root)))
}

/// There is no server to ask.
#[cfg(not(feature = "client"))]
#[expect(clippy::unused_async, reason = "as with a client")]
async fn ask(_request: &Request, _thread_id: &MessageId) -> Result<Option<ThreadTalk>, BoxError> {
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mention_is_a_word() {
        for (text, is_mention) in [
            ("@bot hi", true),
            ("hi @Bot!", true),
            ("is it so, @bot.", true),
            ("@bot: hi", true),
            ("@bottle", false),
            ("@bot-2", false),
            ("mail@bot.example", false),
            ("bot", false),
            ("@bo", false),
            ("@böt", false),
            ("@", false),
        ] {
            assert_eq!(has_mention(text, "bot"), is_mention, "{text}");
        }
    }
}
