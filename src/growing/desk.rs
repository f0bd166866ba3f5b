//! The messages of one place of a route: posted under derived ids, edited, deleted, at once.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::time::{Instant, Interval};
use tower::BoxError;

use super::pace::Outlook;
use crate::context::{Perform, Shared};
use crate::dispatch::Receipt;
use crate::dispatch::mentions::KeptMentions;
use crate::dispatch::resolve::Resolver;
use crate::event::{MessageId, RoomId};
use crate::inspect::{scope, trail_of};
use crate::request::Request;
use crate::response::{Action, Delete, Edit, Send};

/// Clients forget after 15 seconds that somebody is typing.
const TYPING_AGAIN: Duration = Duration::from_secs(10);

/// Writes messages for a route while it runs.
pub(crate) struct Desk {
    request: Request,
    perform: Arc<dyn Perform>,
    resolver: Resolver,
    /// Where the messages go.
    place: Send,
    room_id: RoomId,
    position: u32,
}

/// Why a message was not written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// It may work later.
    Later,
    /// There is no such message any more.
    Gone,
    /// The server does not allow it.
    Refused,
}

impl Desk {
    pub(crate) fn open(request: &Request, mut send: Send, position: u32) -> Result<Self, BoxError> {
        let shared = request.context().shared();
        let perform = shared.perform.clone().ok_or("this bot has no way to send")?;
        let now = Instant::now();
        if !shared.loops.may_reply(request, now) {
            return Err("this bot and another seem to answer each other".into());
        }
        if let Some(place) = request.place() {
            let mut action = Action::Send(send.clone());
            place.apply(&mut action);
            if let Action::Send(placed) = action {
                send = placed;
            }
        }
        let delay = request.lateness(now);
        let resolver = Resolver::of_outbox(request).late_by(delay, request);
        let place = resolver.place(send, request.route())?;
        let room_id = place.room_id().cloned().ok_or("the message has no room")?;
        Ok(Self {
            request: request.clone(),
            perform,
            resolver,
            place,
            room_id,
            position,
        })
    }

    pub(crate) fn request(&self) -> &Request {
        &self.request
    }

    fn shared(&self) -> &Arc<Shared> {
        self.request.context().shared()
    }

    pub(crate) fn room_id(&self) -> &RoomId {
        &self.room_id
    }

    pub(crate) fn thread_id(&self) -> Option<&MessageId> {
        self.place.thread_id()
    }

    /// UTF-16 units of a message.
    pub(crate) fn limit(&self) -> usize {
        self.shared().message_size_limit()
    }

    /// What a reply begins with that comes late.
    pub(crate) fn quote(&self) -> &str {
        self.resolver.quote()
    }

    /// Who may be mentioned.
    pub(crate) fn mentions(&self) -> KeptMentions {
        self.resolver.kept_mentions()
    }

    fn part(&self, part: u32, text: String) -> Send {
        let route = self.request.route();
        self.resolver
            .part(self.place.clone(), route, self.position, part, text)
    }

    /// The id that a part is posted under, unless somebody else holds it.
    pub(crate) fn id(&self, part: u32) -> Option<MessageId> {
        Some(self.part(part, String::new()).ids()?.first().clone())
    }

    pub(crate) fn post(&self, part: u32, text: String) -> BoxFuture<'static, Result<Receipt, BoxError>> {
        self.perform(Action::Send(self.part(part, text)))
    }

    pub(crate) fn edit(&self, id: &MessageId, text: String) -> BoxFuture<'static, Result<Receipt, BoxError>> {
        self.perform(Action::Edit(
            Edit::new(id.clone(), text).in_room(self.room_id.clone()),
        ))
    }

    pub(crate) fn delete(&self, id: &MessageId) -> BoxFuture<'static, Result<Receipt, BoxError>> {
        self.perform(Action::Delete(
            Delete::new(id.clone()).in_room(self.room_id.clone()),
        ))
    }

    fn perform(&self, action: Action) -> BoxFuture<'static, Result<Receipt, BoxError>> {
        let visit = trail_of(&self.request).and_then(|trail| trail.acts(&action));
        Box::pin(scope(visit, self.perform.perform(action)))
    }

    /// What the server lets pass of edits.
    #[cfg(feature = "client")]
    pub(crate) fn outlook(&self, now: Instant) -> Outlook {
        let client = self.shared().client.as_ref();
        client.map_or(Outlook::Free, |client| {
            client.limiter().outlook(http::Method::POST, "chat.update", now)
        })
    }

    /// Only the REST client knows limits.
    #[cfg(not(feature = "client"))]
    #[expect(clippy::unused_self, reason = "as with a client")]
    pub(crate) fn outlook(&self, _now: Instant) -> Outlook {
        Outlook::Free
    }

    /// Shows that the bot is typing there, until it is dropped.
    pub(crate) fn typing(&self) -> Typing {
        Typing {
            request: self.request.clone(),
            room_id: self.room_id.clone(),
            thread_id: self.thread_id().cloned(),
            again: tokio::time::interval(TYPING_AGAIN),
        }
    }
}

/// Why the server did not take it.
#[cfg(feature = "client")]
pub(crate) fn refusal(error: &BoxError) -> Refusal {
    use crate::rest::{RestError, RestErrorKind};

    match error.downcast_ref::<RestError>() {
        Some(error) if error.is_transient() => Refusal::Later,
        Some(error) if *error.kind() == RestErrorKind::NotFound => Refusal::Gone,
        _ => Refusal::Refused,
    }
}

/// Only the REST sink tells one failure from another.
#[cfg(not(feature = "client"))]
pub(crate) fn refusal(_error: &BoxError) -> Refusal {
    Refusal::Refused
}

/// That the bot is typing. To be shown again and again.
pub(crate) struct Typing {
    request: Request,
    room_id: RoomId,
    thread_id: Option<MessageId>,
    again: Interval,
}

impl Typing {
    /// Shows it at once, and whenever it would be forgotten.
    pub(crate) async fn show(&mut self) {
        loop {
            self.again.tick().await;
            self.say(true);
        }
    }

    fn say(&self, is_typing: bool) {
        let context = self.request.context();
        context.typing(&self.room_id, self.thread_id.as_ref(), is_typing);
    }
}

impl Drop for Typing {
    fn drop(&mut self) {
        self.say(false);
    }
}
