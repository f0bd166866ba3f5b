//! The request: an event on its way through the pipeline.

use std::borrow::Cow;
use std::num::NonZeroU64;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use http::Extensions;
use tokio::time::Instant;

use crate::command::Command;
use crate::context::Context;
use crate::event::{Event, EventKind, Message, Room, User};
use crate::extract::OutboxPlace;
use crate::handler::Place;
use crate::rejection::Rejection;
use crate::response::{RouteKind, RouteName};

/// An event on its way through the pipeline. Cheap to clone.
///
/// ```
/// use rocketbotte::Request;
/// use rocketbotte::event::{Message, Room, RoomKind, User};
///
/// let message = Message::builder(Room::new("GENERAL", RoomKind::Channel), User::new("uA", "ann"), "!ping").build();
/// let request = Request::new(message);
/// assert_eq!(request.author().unwrap().username(), "ann");
/// assert!(request.command().is_none(), "no `CommandLayer` has seen it yet");
/// ```
#[derive(Clone, Debug)]
pub struct Request {
    event: Event,
    /// For events that have no key of their own: made once, so that all their replies belong together.
    fresh_key: Option<Arc<str>>,
    command: Option<Command>,
    context: Context,
    extensions: Extensions,
    refusal: Option<Arc<Rejection>>,
    deadline: Option<Deadline>,
    hold: Option<Duration>,
    /// Its number among those that hold a lane.
    in_lane: Option<NonZeroU64>,
    route: Option<(RouteName, RouteKind)>,
    /// Where the route said that its answers go.
    place: Option<Arc<Place>>,
    outbox_place: OnceLock<Arc<OutboxPlace>>,
}

/// When the routes of a request have to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Deadline {
    pub(crate) at: Instant,
    pub(crate) after: Duration,
}

impl Request {
    /// A request without a bot behind it, for tests of services.
    pub fn new(event: impl Into<Event>) -> Self {
        Self::with_context(event, Context::detached())
    }

    /// A request with the handles of a bot.
    pub fn with_context(event: impl Into<Event>, context: Context) -> Self {
        let event = event.into();
        let kind = event.kind();
        let has_key = !matches!(
            kind,
            EventKind::Typing | EventKind::Ready | EventKind::Reconnected | EventKind::Close
        );
        let fresh_key = (!has_key).then(|| Arc::from(format!("{}/{}", kind.name(), crate::random::id())));
        Self {
            event,
            fresh_key,
            command: None,
            context,
            extensions: Extensions::new(),
            refusal: None,
            deadline: None,
            hold: None,
            in_lane: None,
            route: None,
            place: None,
            outbox_place: OnceLock::new(),
        }
    }

    /// What happened.
    pub fn event(&self) -> &Event {
        &self.event
    }

    /// Which kind of event it is.
    pub fn kind(&self) -> EventKind {
        self.event.kind()
    }

    /// What tells this event from every other, the same when it is delivered again: see [`Event::own_key`]. A fresh
    /// one, made with the request, where the event has none.
    pub fn key(&self) -> Cow<'_, str> {
        match &self.fresh_key {
            Some(key) => Cow::Borrowed(key),
            None => self.event.own_key().unwrap_or_default(),
        }
    }

    /// The command that a [`CommandLayer`](crate::command::CommandLayer) found in it.
    pub fn command(&self) -> Option<&Command> {
        self.command.as_ref()
    }

    /// Says which command it is: for layers that recognise commands in their own way.
    pub fn set_command(&mut self, command: Option<Command>) {
        self.command = command;
    }

    /// The handles.
    pub fn context(&self) -> &Context {
        &self.context
    }

    /// What layers left for handlers.
    pub fn extensions(&self) -> &Extensions {
        &self.extensions
    }

    /// A place for layers to leave something for handlers, who take it by the extractor
    /// [`Extension`](crate::extract::Extension).
    pub fn extensions_mut(&mut self) -> &mut Extensions {
        &mut self.extensions
    }

    /// The message that the event is about.
    pub fn message(&self) -> Option<&Arc<Message>> {
        self.event.message()
    }

    /// Who caused the event.
    pub fn author(&self) -> Option<&User> {
        self.event.author()
    }

    /// The room it happened in.
    pub fn room(&self) -> Option<&Room> {
        self.event.room()
    }

    /// Whether the bot itself caused the event.
    pub fn is_from_self(&self) -> bool {
        let identity = self.context.identity();
        let is_own_name =
            |name: &str| !name.is_empty() && (name == identity.username() || Some(name) == identity.name());
        match &self.event {
            Event::Reaction(reaction) => is_own_name(reaction.username()),
            Event::Typing(typing) => is_own_name(typing.username()),
            event => event
                .author()
                .is_some_and(|author| !author.id().as_str().is_empty() && author.id() == identity.id()),
        }
    }

    /// Whether a bot caused the event: this one, or another by its own account.
    pub fn is_from_bot(&self) -> bool {
        self.event.author().is_some() && self.message().is_some_and(|message| message.is_bot())
            || self.is_from_self()
    }

    /// Whether it was written in a direct conversation with the bot alone. A conversation of three is direct too, but
    /// has an id of its own; that of two is made of the two users' ids.
    pub fn is_direct_with_bot(&self) -> bool {
        let (Some(room), Some(author)) = (self.room(), self.author()) else {
            return false;
        };
        let (room, author, bot) = (room, author.id().as_str(), self.context.identity().id().as_str());
        if !room.is_direct() || bot.is_empty() {
            return false;
        }
        let id = room.id().as_str();
        id.len() == author.len() + bot.len()
            && (id.strip_prefix(author) == Some(bot) || id.strip_prefix(bot) == Some(author))
    }

    /// Refuses the request if it turns out to be a command of the router. Its listeners run all the same: what they do
    /// is no answer to a command. The first refusal stands.
    ///
    /// For layers that limit or permit commands, since a bot shares its prefix with other bots and only the router
    /// knows which commands are its own.
    pub fn refuse_command(&mut self, rejection: Rejection) {
        self.refusal.get_or_insert_with(|| Arc::new(rejection));
    }

    /// The refusal that [`refuse_command`](Self::refuse_command) left.
    pub fn refusal(&self) -> Option<&Rejection> {
        self.refusal.as_deref()
    }

    pub(crate) fn deadline(&self) -> Option<Deadline> {
        self.deadline
    }

    /// How long finished replies wait for the routes that have not finished, where whoever drives the pipeline says it.
    pub(crate) fn hold(&self) -> Option<Duration> {
        self.hold
    }

    pub(crate) fn set_hold(&mut self, hold: Duration) {
        self.hold = Some(hold);
    }

    pub(crate) fn set_in_lane(&mut self, number: NonZeroU64) {
        self.in_lane = Some(number);
    }

    /// Lets what comes next in its room or thread begin, although its own handler goes on.
    pub(crate) fn leave_lane(&self) {
        if let Some(number) = self.in_lane {
            self.context.shared().lane_exits.leave(number.get());
        }
    }

    pub(crate) fn place(&self) -> Option<&Place> {
        self.place.as_deref()
    }

    pub(crate) fn set_place(&mut self, place: Option<Arc<Place>>) {
        self.place = place;
    }

    pub(crate) fn set_deadline(&mut self, deadline: Deadline) {
        self.deadline = Some(deadline);
    }

    pub(crate) fn route(&self) -> Option<&RouteName> {
        self.route.as_ref().map(|(name, _)| name)
    }

    pub(crate) fn set_route(&mut self, route: RouteName, kind: RouteKind) {
        self.route = Some((route, kind));
        self.outbox_place = OnceLock::new();
    }

    pub(crate) fn is_inside_router(&self) -> bool {
        self.route.is_some()
    }

    /// Whether it is at a route that hears events, rather than at the one that the command is for.
    pub(crate) fn is_at_listener(&self) -> bool {
        matches!(self.route, Some((_, RouteKind::Listener)))
    }

    /// How far the route has got with what it sends while it runs; made only when asked for.
    pub(crate) fn outbox_place(&self) -> &Arc<OutboxPlace> {
        self.outbox_place.get_or_init(Arc::default)
    }

    /// How long ago the event happened, without the time in which the route waited for people.
    pub(crate) fn lateness(&self, now: Instant) -> Duration {
        let waited = self.outbox_place.get().map(|place| place.time_waited());
        self.context
            .lateness(now)
            .saturating_sub(waited.unwrap_or_default())
    }

    /// It waited for people so long.
    pub(crate) fn waited(&mut self, time: Duration) {
        self.context.waited(time);
    }
}

impl From<Event> for Request {
    fn from(event: Event) -> Self {
        Self::new(event)
    }
}

impl From<Message> for Request {
    fn from(message: Message) -> Self {
        Self::new(message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::context::Identity;
    use crate::event::RoomKind;

    static_assertions::assert_impl_all!(Request: Send, Sync, Clone);

    fn request(room: Room, author: &str) -> Request {
        let message = Message::builder(room, User::new(author, author), "hi").build();
        Request::with_context(message, Context::for_bot(Identity::new("bot1", "bot")))
    }

    #[test]
    fn a_direct_conversation_of_two_has_an_id_made_of_their_ids() {
        assert!(request(Room::new("ann1bot1", RoomKind::Direct), "ann1").is_direct_with_bot());
        assert!(request(Room::new("bot1ann1", RoomKind::Direct), "ann1").is_direct_with_bot());
        assert!(!request(Room::new("kd83nfk2", RoomKind::Direct), "ann1").is_direct_with_bot());
        assert!(!request(Room::new("ann1bot1", RoomKind::Channel), "ann1").is_direct_with_bot());
    }

    #[test]
    fn the_bot_is_known_by_its_id() {
        let room = Room::new("r", RoomKind::Channel);
        assert!(request(room.clone(), "bot1").is_from_self());
        assert!(!request(room, "bot").is_from_self());
    }

    #[test]
    fn the_first_refusal_stands() {
        let mut request = request(Room::new("r", RoomKind::Channel), "ann");
        request.refuse_command(Rejection::new("first"));
        request.refuse_command(Rejection::new("second"));
        assert_eq!(request.refusal().unwrap().text(), "first");
    }
}
