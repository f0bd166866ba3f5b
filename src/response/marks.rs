//! What a bot does to messages, threads and rooms besides writing: pinning, following, reading.

use serde::{Deserialize, Serialize};

use crate::event::{MessageId, RoomId};

/// Pins a message to its room, which says so in the room. It needs the permission `pin-message`, which owners and
/// moderators of a room have, and the role `bot` has not.
///
/// A message that is pinned already stays as it is. One that is gone is an error.
///
/// ```
/// use std::sync::Arc;
/// use rocketbotte::event::Message;
/// use rocketbotte::response::{Pin, React, Response};
///
/// async fn keep(message: Arc<Message>) -> Response {
///     Response::empty()
///         .and(Pin::new(message.id().clone()))
///         .and(React::with(":pushpin:"))
/// }
/// # let _ = rocketbotte::Router::<()>::new().command("keep", keep);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pin {
    pub(crate) message_id: MessageId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) room_id: Option<RoomId>,
}

/// Takes a message from those that are pinned to its room. Doing it twice is doing it once, and of a message that is gone
/// nothing is pinned.
///
/// It needs the same permission as [`Pin`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unpin {
    pub(crate) message_id: MessageId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) room_id: Option<RoomId>,
}

/// Has the server tell the bot's account what is new in a thread. It follows threads by itself in which it wrote, or was
/// mentioned. Doing it twice is doing it once; a thread that is gone is an error.
///
/// ```
/// use rocketbotte::response::FollowThread;
///
/// /// Of the message that is answered, whether it is in a thread already or not.
/// async fn watch() -> FollowThread {
///     FollowThread::new()
/// }
/// # let _ = rocketbotte::Router::<()>::new().command("watch", watch);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FollowThread {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) thread_id: Option<MessageId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) room_id: Option<RoomId>,
}

/// Has the server tell the bot's account no more of what is new in a thread. Doing it twice is doing it once, also where
/// the thread is gone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnfollowThread {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) thread_id: Option<MessageId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) room_id: Option<RoomId>,
}

/// Marks a room as read by the bot's account, with all that is in it. Doing it twice is doing it once; a room that the
/// account is not in is an error.
///
/// ```
/// use rocketbotte::response::MarkRead;
///
/// async fn seen() -> MarkRead {
///     MarkRead::new()
/// }
/// # let _ = rocketbotte::Router::<()>::new().on_message(seen);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MarkRead {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) room_id: Option<RoomId>,
}

macro_rules! in_room {
    ($($type:ident: $what:literal;)*) => {$(
        impl $type {
            #[doc = concat!("Says that ", $what, " in another room than the one where the event happened.")]
            #[must_use]
            pub fn in_room(mut self, room_id: impl Into<RoomId>) -> Self {
                self.room_id = Some(room_id.into());
                self
            }
        }
    )*};
}

in_room! {
    Pin: "the message is";
    Unpin: "the message is";
    FollowThread: "the thread is";
    UnfollowThread: "the thread is";
    MarkRead: "it is to be done";
}

macro_rules! of_message {
    ($($type:ident: $does:literal;)*) => {$(
        impl $type {
            #[doc = concat!($does, " a message of the room where the event happened.")]
            pub fn new(message_id: impl Into<MessageId>) -> Self {
                Self {
                    message_id: message_id.into(),
                    room_id: None,
                }
            }

            /// Which message.
            pub fn message_id(&self) -> &MessageId {
                &self.message_id
            }
        }
    )*};
}

of_message! {
    Pin: "Pins";
    Unpin: "Unpins";
}

macro_rules! of_thread {
    ($($type:ident: $does:literal;)*) => {$(
        impl $type {
            #[doc = concat!($does, " the thread of the message that is answered, or the one that would begin with it.")]
            pub fn new() -> Self {
                Self::default()
            }

            /// Another thread than that of the message that is answered, by its first message.
            #[must_use]
            pub fn of(mut self, message_id: impl Into<MessageId>) -> Self {
                self.thread_id = Some(message_id.into());
                self
            }

            /// Which thread; `None` while it is that of the message that is answered.
            pub fn thread_id(&self) -> Option<&MessageId> {
                self.thread_id.as_ref()
            }
        }
    )*};
}

of_thread! {
    FollowThread: "Follows";
    UnfollowThread: "Follows no more";
}

impl MarkRead {
    /// Marks the room where the event happened.
    pub fn new() -> Self {
        Self::default()
    }
}
