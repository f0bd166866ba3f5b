//! Conversations: a handler asks, and waits for the answer.
//!
//! A handler takes a [`Conversation`] and waits with it for the next message of whoever caused its event, for a reaction,
//! for a choice, for a yes or a no. While it waits it holds nothing up: it has left its room's order and its place among
//! the handlers that run, and no deadline of a route counts the time.
//!
//! ```
//! use std::time::Duration;
//!
//! use rocketbotte::command::CommandLayer;
//! use rocketbotte::conversation::Conversation;
//! use rocketbotte::sandbox::Sandbox;
//! use rocketbotte::{BoxError, Router, testing};
//! use tower::Layer;
//!
//! const PIZZAS: [&str; 3] = ["Margherita", "Funghi", "Diavola"];
//!
//! async fn order(conversation: Conversation) -> Result<String, BoxError> {
//!     let conversation = conversation.timeout(Duration::from_secs(60));
//!     let pizza = conversation.choose("Which one?", PIZZAS).await?;
//!     let street = conversation.ask("Where do you live?").await?;
//!     let question = format!("A {} to {}?", PIZZAS[pizza], street.text());
//!     Ok(match conversation.confirm(question).await? {
//!         true => "It is on its way.".to_owned(),
//!         false => "Another time, then.".to_owned(),
//!     })
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), BoxError> {
//! let sandbox = Sandbox::start().await?;
//! let app = CommandLayer::new("!").layer(Router::new().command("order", order));
//! let bot = testing::serve(&sandbox, "rocketbotte", app).await;
//! assert_eq!(
//!     bot.ask("ann", "general", "!order").await.text,
//!     "Which one?\n1. Margherita\n2. Funghi\n3. Diavola"
//! );
//! assert_eq!(bot.ask("ann", "general", "funghi").await.text, "Where do you live?");
//! assert_eq!(bot.ask("ann", "general", "Elm Street 5").await.text, "A Funghi to Elm Street 5?");
//! assert_eq!(bot.ask("ann", "general", "yes").await.text, "It is on its way.");
//! # bot.shutdown().await;
//! # Ok(())
//! # }
//! ```
//!
//! # Who is heard, and where
//!
//! - A conversation is with the author of the event, in the thread of the event; where it is in none, in the room, and in a
//!   thread below the event's message or below the question. Others, [anybody](Conversation::of_anyone) or
//!   [another thread](Conversation::in_thread) have to be asked for.
//! - People are heard, and neither bots nor the bot itself. An edit is no answer, nor is what the server writes.
//! - Of several waits that a message fits the newest has it: the last question is the one that is answered. Then it is the
//!   turn of the one before.
//! - What happened while the connection was down is heard as well, in its order: a conversation goes on where it stood.
//!
//! # What becomes of what was heard
//!
//! It goes no further: neither command nor listener runs for it, and no layer sees it. So a `!ping` that is typed meanwhile
//! is an answer. [`leaving_commands`](Conversation::leaving_commands) lets commands of this bot run instead, and
//! [`passing_on`](Conversation::passing_on) has everything run that would have. A command whose route is
//! [`control`](crate::handler::Configured::control) is never an answer, so that there is a way to stop the bot.
//!
//! Between two waits a handler hears nothing: what is said then goes its usual way.
//!
//! # How long it may take
//!
//! A wait ends after five minutes, or after another [time](Conversation::timeout). The deadline of the route, that of a
//! [`TimeoutLayer`](crate::layer::timeout::TimeoutLayer) or of the bot, stands still meanwhile, and goes on with what was
//! left of it. `tower::timeout` knows nothing of that, and ends a handler that waits as any other.
//!
//! There may be 10,000 waits, and 100 that one person has begun.
//!
//! # How it ends without an answer
//!
//! By a [`ConversationEnded`]. Given on with `?` it becomes one sentence for whoever asked, as any other
//! [`Rejection`](crate::Rejection): that the time is over, that the answer was not understood, or that the bot stops. A bot
//! that stops ends all waits at once.
//!
//! A conversation lives in the memory of the process. With the first wait its event is done with: when the process is
//! killed, the conversation is over, and its command does not run again.

mod ask;
mod error;
pub(crate) mod pause;
pub(crate) mod waiters;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use smallvec::SmallVec;
use tokio::time::Instant;

pub use self::error::ConversationEnded;
use self::waiters::{Heard, Key, Ticket, Wait};
use crate::event::{Message, MessageId, Reaction, RoomId, User};
use crate::extract::{FromRequest, MissingPart, Outbox};
use crate::request::Request;

/// How long a wait lasts if nothing else is said, so that none lasts for ever.
const TIMEOUT: Duration = Duration::from_secs(5 * 60);

/// Waits, within a handler, for what somebody says next: see the [module](self).
///
/// A clone is another conversation with the same settings. Several may wait at once, also within one handler.
///
/// ```
/// use std::time::Duration;
/// use rocketbotte::conversation::Conversation;
/// use rocketbotte::{BoxError, Router};
///
/// async fn quiz(conversation: Conversation) -> Result<String, BoxError> {
///     let anyone = conversation.of_anyone().timeout(Duration::from_secs(30));
///     let answer = anyone.ask("What is the answer to everything?").await?;
///     Ok(match answer.text() {
///         "42" => format!("{} knows it.", answer.author().mention()),
///         _ => "No.".to_owned(),
///     })
/// }
///
/// let router: Router = Router::new().command("quiz", quiz);
/// ```
#[derive(Clone)]
#[must_use]
pub struct Conversation {
    request: Request,
    outbox: Outbox,
    room_id: RoomId,
    /// `None` for anybody.
    person: Option<User>,
    thread_id: Option<MessageId>,
    timeout: Duration,
    passes_on: bool,
    leaves_commands: bool,
}

impl Conversation {
    /// Says how long each wait lasts at most: five minutes if nothing else is said.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Hears anybody in the room or thread who is no bot. Where nobody caused the event, as with a job, it always does.
    ///
    /// A reaction tells the user name of whoever reacted and nothing else: that of another bot counts as well.
    pub fn of_anyone(mut self) -> Self {
        self.person = None;
        self
    }

    /// Hears this person.
    pub fn of(mut self, person: User) -> Self {
        self.person = Some(person);
        self
    }

    /// Hears what is said in this thread of the room, given by its first message, and nothing else.
    pub fn in_thread(mut self, thread_id: impl Into<MessageId>) -> Self {
        self.thread_id = Some(thread_id.into());
        self
    }

    /// Has what it hears go its usual way as well: commands and listeners run for it.
    pub fn passing_on(mut self) -> Self {
        self.passes_on = true;
        self
    }

    /// Does not hear commands of this bot: they run, and it goes on waiting.
    pub fn leaving_commands(mut self) -> Self {
        self.leaves_commands = true;
        self
    }

    /// Waits for the next message.
    ///
    /// # Errors
    ///
    /// Nobody said anything in time, the bot stops, or too many conversations wait.
    pub async fn next_message(&self) -> Result<Arc<Message>, ConversationEnded> {
        let ticket = self.begin(self.message_keys())?;
        match self.heard(ticket).await? {
            Heard::Message(message) => Ok(message),
            // Nothing else was waited for.
            Heard::Reaction(_) => Err(ConversationEnded::NothingToAnswer),
        }
    }

    /// Waits for somebody to react to a message. A reaction that is taken away is none.
    ///
    /// ```
    /// use rocketbotte::conversation::Conversation;
    /// use rocketbotte::extract::Outbox;
    /// use rocketbotte::{BoxError, Router};
    ///
    /// async fn rate(conversation: Conversation, outbox: Outbox) -> Result<String, BoxError> {
    ///     let posted = outbox.send("How was it?").await?;
    ///     let Some(id) = posted.message_id() else { return Ok(String::new()) };
    ///     let reaction = conversation.reaction_to(id.clone()).await?;
    ///     Ok(format!("It was {}", reaction.emoji()))
    /// }
    /// # let _ = Router::<()>::new().command("rate", rate);
    /// ```
    ///
    /// # Errors
    ///
    /// As [`next_message`](Self::next_message).
    pub async fn reaction_to(
        &self,
        message_id: impl Into<MessageId>,
    ) -> Result<Arc<Reaction>, ConversationEnded> {
        let keys = SmallVec::from_iter([Key::reaction(&message_id.into())]);
        let ticket = self.begin(keys)?;
        match self.heard(ticket).await? {
            Heard::Reaction(reaction) => Ok(reaction),
            // Nothing else was waited for.
            Heard::Message(_) => Err(ConversationEnded::NothingToAnswer),
        }
    }

    /// Where an answer may be said.
    fn message_keys(&self) -> SmallVec<[Key; 3]> {
        let author = self.person.as_ref().map(User::id);
        let key = |thread: Option<&MessageId>| Key::message(&self.room_id, thread, author);
        let event = self.request.event();
        let thread_id = self.thread_id.as_ref();
        if let Some(thread_id) = thread_id.or_else(|| event.thread_id().filter(|_| self.is_at_event())) {
            return SmallVec::from_iter([key(Some(thread_id))]);
        }
        let mut keys = SmallVec::from_iter([key(None)]);
        if let Some(message) = event.message().filter(|_| self.is_at_event()) {
            keys.push(key(Some(message.id())));
        }
        keys
    }

    /// Whether it is in the room of the event.
    fn is_at_event(&self) -> bool {
        self.request.event().room_id() == Some(&self.room_id)
    }

    fn begin(&self, keys: SmallVec<[Key; 3]>) -> Result<Ticket, ConversationEnded> {
        let wait = Wait {
            keys,
            asker: self.request.author().map(|author| author.id().as_str().into()),
            reactions_of: self.person.as_ref().map(|person| person.username().to_owned()),
            since: self.request.message().map(|message| message.created_at()),
            passes_on: self.passes_on,
            leaves_commands: self.leaves_commands,
        };
        self.request.context().shared().conversations.begin(wait)
    }

    async fn heard(&self, ticket: Ticket) -> Result<Heard, ConversationEnded> {
        let begun = Instant::now();
        let heard = ticket.heard(begun.checked_add(self.timeout)).await;
        // A reply is not late because a person took their time.
        self.request.outbox_place().waited(begun.elapsed());
        heard
    }
}

impl fmt::Debug for Conversation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Conversation")
            .field("room_id", &self.room_id)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

impl<S: Sync> FromRequest<S> for Conversation {
    type Rejection = MissingPart;

    async fn from_request(request: &Request, _state: &S) -> Result<Self, Self::Rejection> {
        let place = request.place().and_then(|place| place.room_id.as_ref());
        let room_id = place.or_else(|| request.event().room_id()).cloned();
        Ok(Self {
            room_id: room_id.ok_or_else(|| MissingPart::new("room", request))?,
            person: request.author().cloned(),
            // Made before the clone, which shares it then.
            outbox: Outbox::of(request),
            request: request.clone(),
            thread_id: None,
            timeout: TIMEOUT,
            passes_on: false,
            leaves_commands: false,
        })
    }
}
