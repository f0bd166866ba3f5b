//! Events, one function for each kind: in the channel `general`, by the user `ann`, unless the name says otherwise.
//!
//! ```
//! use rocketbotte::testing::events;
//!
//! let event = events::message("hello");
//! assert_eq!(event.author().unwrap().username(), "ann");
//! assert_eq!(event.room().unwrap().name(), Some("general"));
//! ```

use std::any::Any;
use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytestring::ByteString;

use super::Said;
use crate::context::Identity;
use crate::event::{
    Deleted, Edited, Event, Membership, Message, MessageBuilder, Pinned, RawEvent, Reaction, Reconnected,
    Room, RoomKind, Scheduled, Starred, ThreadUpdate, Timestamp, Typing, Updated, User,
};

/// The bot that [`testing::call`](super::call) runs a service as.
pub fn bot() -> Identity {
    Identity::new("uBot", "rocketbotte")
}

/// The user `ann`, with the id `uAnn`.
pub fn ann() -> User {
    User::new("uAnn", "ann").with_name("Ann")
}

/// The user `bob`, with the id `uBob`.
pub fn bob() -> User {
    User::new("uBob", "bob").with_name("Bob")
}

/// The channel `general`, with the id `GENERAL`.
pub fn general() -> Room {
    Room::new("GENERAL", RoomKind::Channel).with_name("general")
}

/// The direct conversation of a user with the bot alone.
pub fn direct_room(user: &User) -> Room {
    Room::new(format!("{}{}", user.id(), bot().id()), RoomKind::Direct)
}

/// The private group of this name, whose id is the name too.
pub fn private_room(name: &str) -> Room {
    Room::new(name, RoomKind::Private).with_name(name)
}

/// A discussion of the channel `general`: a room of its own, with an id for a name.
pub fn discussion() -> Room {
    Room::new("7rSEbJtL2vXwPqKnM", RoomKind::Channel).with_name("7rSEbJtL2vXwPqKnM")
}

/// A message to build on, in the form that a server gives it: `said("hi").by(bob()).in_thread("m1")`, or
/// `said("hi").edited()`.
pub fn said(text: impl Into<String>) -> Said {
    Said::new(text.into())
}

/// A message to build on: `events::build("hi").thread("m1").build()`.
pub fn build(text: impl Into<String>) -> MessageBuilder {
    Message::builder(general(), ann(), text)
}

/// A message.
pub fn message(text: impl Into<String>) -> Event {
    build(text).build().into()
}

/// A message of somebody, somewhere.
pub fn message_of(author: User, room: Room, text: impl Into<String>) -> Event {
    Message::builder(room, author, text).build().into()
}

/// A message to the bot alone.
pub fn direct_message(text: impl Into<String>) -> Event {
    message_of(ann(), direct_room(&ann()), text)
}

/// A message in the thread of another one.
pub fn thread_message(thread_id: &str, text: impl Into<String>) -> Event {
    build(text).thread(thread_id).build().into()
}

/// A message of another bot.
pub fn bot_message(text: impl Into<String>) -> Event {
    Message::builder(general(), User::new("uOther", "other.bot"), text)
        .from_bot()
        .build()
        .into()
}

/// A message of the bot itself.
pub fn own_message(text: impl Into<String>) -> Event {
    let bot = bot();
    message_of(User::new(bot.id().clone(), bot.username()), general(), text)
}

/// A message that the server wrote, of a type such as `uj`.
pub fn system(system_type: &str) -> Event {
    build("ann").system_type(system_type).build().into()
}

/// An end-to-end encrypted message.
pub fn encrypted() -> Event {
    build("").system_type("e2e").build().into()
}

/// A message in a livechat room.
pub fn livechat(text: impl Into<String>) -> Event {
    message_of(ann(), Room::new("livechat", RoomKind::Livechat), text)
}

/// A message after an edit.
pub fn edited(text: impl Into<String>) -> Event {
    Event::Edited(Arc::new(Edited::new(Arc::new(build(text).build()))))
}

/// A message that was deleted.
pub fn deleted(message_id: &str) -> Event {
    Event::Deleted(Arc::new(Deleted::new(message_id.into(), general().id().clone())))
}

/// A reaction of `bob` to a message of `ann`.
pub fn reaction(emoji: &str) -> Event {
    Event::Reaction(Arc::new(Reaction::new(
        Arc::new(build("hi").build()),
        emoji,
        "bob",
        true,
    )))
}

/// A reaction that `bob` took away.
pub fn reaction_removed(emoji: &str) -> Event {
    Event::Reaction(Arc::new(Reaction::new(
        Arc::new(build("hi").build()),
        emoji,
        "bob",
        false,
    )))
}

/// A message that was pinned or unpinned.
pub fn pinned(text: impl Into<String>) -> Event {
    Event::Pinned(Arc::new(Pinned::new(Arc::new(build(text).build()))))
}

/// A message that `bob` starred.
pub fn starred(text: impl Into<String>) -> Event {
    Event::Starred(Arc::new(Starred::new(
        Arc::new(build(text).build()),
        bob().id().clone(),
        true,
    )))
}

/// The first message of a thread that changed.
pub fn thread_update(text: impl Into<String>) -> Event {
    Event::ThreadUpdate(Arc::new(ThreadUpdate::new(Arc::new(build(text).build()))))
}

/// A message that changed in another way.
pub fn updated(text: impl Into<String>) -> Event {
    Event::Updated(Arc::new(Updated::new(Arc::new(build(text).build()))))
}

/// The bot came into a room, as the server confirms.
pub fn room_joined(room: Room) -> Event {
    Event::RoomJoined(Arc::new(Membership::new(room).verified()))
}

/// The bot left a room, as the server confirms.
pub fn room_left(room: Room) -> Event {
    Event::RoomLeft(Arc::new(Membership::new(room).verified()))
}

/// `ann` began to type, or stopped.
pub fn typing(is_typing: bool) -> Event {
    Event::Typing(Arc::new(Typing::new(general().id().clone(), "ann", is_typing)))
}

/// The bot is connected for the first time.
pub fn ready() -> Event {
    Event::Ready
}

/// The connection is back.
pub fn reconnected(gap: Duration) -> Event {
    Event::Reconnected(Reconnected::new(gap))
}

/// The bot is about to stop.
pub fn close() -> Event {
    Event::Close
}

/// An event that the program fires itself.
pub fn custom<T: Any + Send + Sync>(name: impl Into<Cow<'static, str>>, payload: T) -> Event {
    Event::custom(name, payload)
}

/// A run of a job that was due at this moment.
pub fn scheduled(job: &str) -> Event {
    let due = Timestamp::from_system_time(SystemTime::now()).unwrap_or(Timestamp::from_millis(0));
    Event::Scheduled(Arc::new(Scheduled::new(job, due)))
}

/// An event that is not modelled: a stream, its event, and the JSON array of its arguments.
pub fn raw(collection: &str, event_name: &str, args: &str) -> Event {
    let [collection, event_name, args] = [collection, event_name, args].map(ByteString::from);
    Event::Raw(Arc::new(RawEvent::new(collection, event_name, args)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::EventKind;

    #[test]
    fn there_is_one_of_each_kind() {
        let events = [
            message("hi"),
            livechat("hi"),
            encrypted(),
            system("uj"),
            edited("hi"),
            deleted("m"),
            reaction(":+1:"),
            pinned("hi"),
            starred("hi"),
            thread_update("hi"),
            updated("hi"),
            room_joined(general()),
            room_left(general()),
            typing(true),
            ready(),
            reconnected(Duration::from_secs(1)),
            close(),
            custom("deployed", 1),
            scheduled("standup"),
            raw("stream-notify-logged", "user-status", "[]"),
        ];
        assert_eq!(events.map(|event| event.kind()), EventKind::ALL);
    }

    #[test]
    fn a_direct_message_is_to_the_bot_alone() {
        assert!(crate::testing::request(direct_message("hi")).is_direct_with_bot());
        assert!(crate::testing::request(own_message("hi")).is_from_self());
        assert!(crate::testing::request(bot_message("hi")).is_from_bot());
    }
}
