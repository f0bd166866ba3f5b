//! What the events other than plain messages carry.

use std::any::Any;
use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytestring::ByteString;

use super::{Message, MessageId, Room, RoomId};

/// A message whose text was edited.
#[derive(Clone, Debug)]
pub struct Edited {
    message: Arc<Message>,
}

impl Edited {
    /// An edit, with the message as it is now.
    pub fn new(message: Arc<Message>) -> Self {
        Self { message }
    }

    /// The message as it is now.
    pub fn message(&self) -> &Arc<Message> {
        &self.message
    }
}

/// A message that was deleted.
#[derive(Clone, Debug)]
pub struct Deleted {
    message_id: MessageId,
    room_id: RoomId,
    message: Option<Arc<Message>>,
}

impl Deleted {
    /// A deletion.
    pub fn new(message_id: MessageId, room_id: RoomId) -> Self {
        Self {
            message_id,
            room_id,
            message: None,
        }
    }

    /// A deletion after which the server still shows that there was a message.
    pub fn of_message(message: Arc<Message>) -> Self {
        Self {
            message_id: message.id().clone(),
            room_id: message.room().id().clone(),
            message: Some(message),
        }
    }

    /// Which message.
    pub fn message_id(&self) -> &MessageId {
        &self.message_id
    }

    /// In which room.
    pub fn room_id(&self) -> &RoomId {
        &self.room_id
    }

    /// What is left of it, without its text, where the server keeps deleted messages visible.
    pub fn message(&self) -> Option<&Arc<Message>> {
        self.message.as_ref()
    }
}

/// A reaction that was added to a message or removed from it.
#[derive(Clone, Debug)]
pub struct Reaction {
    message: Arc<Message>,
    emoji: ByteString,
    username: ByteString,
    is_added: bool,
}

impl Reaction {
    /// A reaction of a user.
    pub fn new(
        message: Arc<Message>,
        emoji: impl Into<String>,
        username: impl Into<String>,
        is_added: bool,
    ) -> Self {
        Self {
            message,
            emoji: ByteString::from(emoji.into()),
            username: ByteString::from(username.into()),
            is_added,
        }
    }

    /// The message as it is now.
    pub fn message(&self) -> &Arc<Message> {
        &self.message
    }

    /// The emoji's short name with colons: `:+1:`.
    pub fn emoji(&self) -> &str {
        &self.emoji
    }

    /// Who reacted: the server names only the user name here.
    pub fn username(&self) -> &str {
        &self.username
    }

    /// Whether it was added; removed otherwise.
    pub fn is_added(&self) -> bool {
        self.is_added
    }
}

/// A message that was pinned or unpinned.
#[derive(Clone, Debug)]
pub struct Pinned {
    message: Arc<Message>,
}

impl Pinned {
    /// A message as it is after it was pinned or unpinned.
    pub fn new(message: Arc<Message>) -> Self {
        Self { message }
    }

    /// The message as it is now.
    pub fn message(&self) -> &Arc<Message> {
        &self.message
    }

    /// Whether it is pinned now.
    pub fn is_pinned(&self) -> bool {
        self.message.is_pinned()
    }
}

/// The first message of a thread, sent again because the thread changed.
#[derive(Clone, Debug)]
pub struct ThreadUpdate {
    message: Arc<Message>,
}

impl ThreadUpdate {
    /// The first message of a thread as it is now.
    pub fn new(message: Arc<Message>) -> Self {
        Self { message }
    }

    /// The first message of the thread.
    pub fn message(&self) -> &Arc<Message> {
        &self.message
    }

    /// How many replies the thread has.
    pub fn reply_count(&self) -> u32 {
        self.message.reply_count()
    }
}

/// A message that changed in a way that is no edit, reaction, pin or thread reply.
#[derive(Clone, Debug)]
pub struct Updated {
    message: Arc<Message>,
}

impl Updated {
    /// A message as it is now.
    pub fn new(message: Arc<Message>) -> Self {
        Self { message }
    }

    /// The message as it is now.
    pub fn message(&self) -> &Arc<Message> {
        &self.message
    }
}

/// The bot's membership of a room, which began or ended.
#[derive(Clone, Debug)]
pub struct Membership {
    room: Room,
    key: String,
}

impl Membership {
    /// A membership of a room.
    pub fn new(room: Room) -> Self {
        Self {
            room,
            key: crate::random::id(),
        }
    }

    /// The room.
    pub fn room(&self) -> &Room {
        &self.room
    }

    /// A membership with a key of one's own: delivered again with the same key, its replies are not sent twice.
    pub fn with_key(room: Room, key: String) -> Self {
        Self { room, key }
    }

    pub(crate) fn key(&self) -> &str {
        &self.key
    }
}

/// Somebody who is typing, or stopped.
#[derive(Clone, Debug)]
pub struct Typing {
    room_id: RoomId,
    username: ByteString,
    is_typing: bool,
}

impl Typing {
    /// A user who began or stopped typing in a room.
    pub fn new(room_id: RoomId, username: impl Into<String>, is_typing: bool) -> Self {
        Self {
            room_id,
            username: ByteString::from(username.into()),
            is_typing,
        }
    }

    /// Where.
    pub fn room_id(&self) -> &RoomId {
        &self.room_id
    }

    /// Who: the server names only the user name (or the display name, by a setting) here.
    pub fn username(&self) -> &str {
        &self.username
    }

    /// Whether typing goes on; stopped otherwise.
    pub fn is_typing(&self) -> bool {
        self.is_typing
    }
}

/// The connection is back after an outage, and what was said meanwhile has been fetched.
///
/// It comes when the last room has been asked for; what was fetched arrives around it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reconnected {
    gap: Duration,
    skipped: u64,
}

impl Reconnected {
    /// An outage of this length, by this machine's clock.
    pub const fn new(gap: Duration) -> Self {
        Self { gap, skipped: 0 }
    }

    /// Says how much of what happened meanwhile is not delivered.
    #[must_use]
    pub const fn with_skipped(mut self, skipped: u64) -> Self {
        self.skipped = skipped;
        self
    }

    /// How many events of the outage are not delivered, because they were too old or too many. Not counted is what the
    /// bot wrote itself. Zero where nothing is caught up.
    pub const fn skipped(&self) -> u64 {
        self.skipped
    }

    /// From the last frame before the outage to the connection being ready again.
    pub const fn gap(&self) -> Duration {
        self.gap
    }
}

/// An event that the program fired itself.
pub struct CustomEvent {
    name: Cow<'static, str>,
    key: String,
    room_id: Option<RoomId>,
    payload: Arc<dyn Any + Send + Sync>,
}

impl CustomEvent {
    /// An event with a name and any payload.
    pub fn new<T: Any + Send + Sync>(name: impl Into<Cow<'static, str>>, payload: T) -> Self {
        Self {
            name: name.into(),
            key: crate::random::id(),
            room_id: None,
            payload: Arc::new(payload),
        }
    }

    /// Gives it a key of one's own: fired again with the same key, its replies are not sent twice.
    #[must_use]
    pub fn with_key(mut self, key: impl Into<String>) -> Self {
        self.key = key.into();
        self
    }

    /// Says which room it is about, so that what a listener returns goes there.
    #[must_use]
    pub fn in_room(mut self, room_id: impl Into<RoomId>) -> Self {
        self.room_id = Some(room_id.into());
        self
    }

    /// The name that listeners are registered for.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The room it is about.
    pub fn room_id(&self) -> Option<&RoomId> {
        self.room_id.as_ref()
    }

    /// The payload, where it is a `T`.
    ///
    /// ```
    /// use rocketbotte::event::CustomEvent;
    ///
    /// let event = CustomEvent::new("deployed", 7_u32);
    /// assert_eq!(event.payload::<u32>(), Some(&7));
    /// assert_eq!(event.payload::<String>(), None);
    /// ```
    pub fn payload<T: Any>(&self) -> Option<&T> {
        self.payload.downcast_ref()
    }

    /// The payload as a shared handle, where it is a `T`.
    pub fn payload_arc<T: Any + Send + Sync>(&self) -> Option<Arc<T>> {
        Arc::clone(&self.payload).downcast().ok()
    }

    pub(crate) fn key(&self) -> &str {
        &self.key
    }
}

impl fmt::Debug for CustomEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CustomEvent")
            .field("name", &self.name)
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}

/// Something that this version does not model, as the server sent it.
#[derive(Clone)]
pub struct RawEvent {
    collection: ByteString,
    event_name: ByteString,
    args: ByteString,
    key: String,
}

impl RawEvent {
    /// An event of a stream, with the text of a JSON array.
    pub fn new(
        collection: impl Into<String>,
        event_name: impl Into<String>,
        args: impl Into<String>,
    ) -> Self {
        Self::from_slices(
            ByteString::from(collection.into()),
            ByteString::from(event_name.into()),
            ByteString::from(args.into()),
        )
    }

    pub(crate) fn from_slices(collection: ByteString, event_name: ByteString, args: ByteString) -> Self {
        Self {
            collection,
            event_name,
            args,
            key: crate::random::id(),
        }
    }

    /// Gives it the key that it had when it was recorded.
    #[cfg(feature = "test-util")]
    pub(crate) fn with_key(mut self, key: String) -> Self {
        self.key = key;
        self
    }

    /// The stream: `stream-notify-logged`.
    pub fn collection(&self) -> &str {
        &self.collection
    }

    /// The event of the stream: `user-status`.
    pub fn event_name(&self) -> &str {
        &self.event_name
    }

    /// The arguments: the text of a JSON array.
    pub fn args(&self) -> &str {
        &self.args
    }

    pub(crate) fn key(&self) -> &str {
        &self.key
    }
}

impl fmt::Debug for RawEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The arguments stay out: they may hold what people wrote, or an account's secrets.
        f.debug_struct("RawEvent")
            .field("collection", &self.collection)
            .field("event_name", &self.event_name)
            .field("args_bytes", &self.args.len())
            .finish_non_exhaustive()
    }
}
