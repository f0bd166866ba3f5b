//! Extractors for what happened, where, and by whom.

use std::any::Any;
use std::convert::Infallible;
use std::ops::Deref;
use std::sync::Arc;

use super::{FromRequest, MissingPart};
use crate::event::{
    CustomEvent, Deleted, Edited, Event, Membership, Message, MessageId, Pinned, RawEvent, Reaction,
    Reconnected, Room, RoomId, Scheduled, Starred, SystemMessage, ThreadUpdate, Typing, Updated, User,
};
use crate::request::Request;

macro_rules! event_part {
    ($($(#[$doc:meta])* $part:literal, $type:ty, $request:ident => $value:expr;)*) => {$(
        $(#[$doc])*
        impl<S: Sync> FromRequest<S> for $type {
            type Rejection = MissingPart;

            async fn from_request($request: &Request, _state: &S) -> Result<Self, Self::Rejection> {
                $value.ok_or_else(|| MissingPart::new($part, $request))
            }
        }
    )*};
}

macro_rules! payload {
    ($request:ident, $variant:ident) => {
        match $request.event() {
            Event::$variant(payload) => Some(payload.clone()),
            _ => None,
        }
    };
}

event_part! {
    "message", Arc<Message>, request => request.message().cloned();
    "room", Room, request => request.room().cloned();
    "room", RoomId, request => request.event().room_id().cloned();
    "edit", Arc<Edited>, request => payload!(request, Edited);
    "deletion", Arc<Deleted>, request => payload!(request, Deleted);
    "reaction", Arc<Reaction>, request => payload!(request, Reaction);
    "pin", Arc<Pinned>, request => payload!(request, Pinned);
    "star", Arc<Starred>, request => payload!(request, Starred);
    "system message", SystemMessage, request => match request.event() {
        Event::System(message) => message.system(),
        _ => None,
    };
    "thread update", Arc<ThreadUpdate>, request => payload!(request, ThreadUpdate);
    "update", Arc<Updated>, request => payload!(request, Updated);
    "typing", Arc<Typing>, request => payload!(request, Typing);
    "reconnection", Reconnected, request => payload!(request, Reconnected);
    "custom event", Arc<CustomEvent>, request => payload!(request, Custom);
    "run of a job", Arc<Scheduled>, request => payload!(request, Scheduled);
    "raw event", Arc<RawEvent>, request => payload!(request, Raw);
    "membership", Arc<Membership>, request => match request.event() {
        Event::RoomJoined(membership) | Event::RoomLeft(membership) => Some(Arc::clone(membership)),
        _ => None,
    };
    "author", Author, request => request.author().cloned().map(Author);
}

/// The whole event.
impl<S: Sync> FromRequest<S> for Event {
    type Rejection = Infallible;

    async fn from_request(request: &Request, _state: &S) -> Result<Self, Self::Rejection> {
        Ok(request.event().clone())
    }
}

/// Who wrote the message.
///
/// ```
/// use rocketbotte::extract::Author;
///
/// async fn greet(author: Author) -> String { format!("hello {}", author.mention()) }
/// # let _ = rocketbotte::Router::<()>::new().command("greet", greet);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Author(pub User);

impl Deref for Author {
    type Target = User;

    fn deref(&self) -> &User {
        &self.0
    }
}

/// The payload of a [custom event](Event::custom) that is a `T`.
///
/// ```
/// use rocketbotte::extract::Payload;
///
/// async fn deployed(Payload(version): Payload<String>) -> String { format!("{version} is live") }
/// # let _ = rocketbotte::Router::<()>::new().on_custom("deployed", deployed);
/// ```
#[derive(Debug)]
pub struct Payload<T>(pub Arc<T>);

impl<T> Clone for Payload<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<S: Sync, T: Any + Send + Sync> FromRequest<S> for Payload<T> {
    type Rejection = MissingPart;

    async fn from_request(request: &Request, _state: &S) -> Result<Self, Self::Rejection> {
        match request.event() {
            Event::Custom(event) => event.payload_arc(),
            _ => None,
        }
        .map(Self)
        .ok_or_else(|| MissingPart::new(std::any::type_name::<T>(), request))
    }
}

/// The messages that the text quotes: a client puts links to them in front of it.
///
/// ```
/// use rocketbotte::extract::Quoted;
///
/// async fn summarise(Quoted(messages): Quoted) -> String { format!("{} messages quoted", messages.len()) }
/// # let _ = rocketbotte::Router::<()>::new().command("summarise", summarise);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Quoted(pub Vec<MessageId>);

impl<S: Sync> FromRequest<S> for Quoted {
    type Rejection = MissingPart;

    async fn from_request(request: &Request, _state: &S) -> Result<Self, Self::Rejection> {
        let message = request
            .message()
            .ok_or_else(|| MissingPart::new("message", request))?;
        let ids = crate::command::quotes(message.text()).filter_map(|link| {
            let (_, id) = link.rsplit_once("msg=")?;
            let id = id.split(['&', '#']).next()?;
            (!id.is_empty()).then(|| MessageId::from(id))
        });
        Ok(Self(ids.collect()))
    }
}
