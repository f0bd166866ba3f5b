//! What the events other than plain messages carry.

use std::any::Any;
use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytestring::ByteString;

use super::{Message, MessageId, Room, RoomId, UserId};

/// A message whose text was edited.
///
/// ```
/// use std::sync::Arc;
/// use rocketbotte::Router;
/// use rocketbotte::event::{Edited, EventKind};
///
/// async fn notice(edit: Arc<Edited>) -> Option<String> {
///     Some(format!("it was {:?}, and is {:?}", edit.before()?, edit.message().text()))
/// }
///
/// let router: Router = Router::new().on(EventKind::Edited, notice);
/// ```
#[derive(Clone)]
pub struct Edited {
    message: Arc<Message>,
    before: Option<Box<str>>,
}

impl Edited {
    /// An edit, with the message as it is now.
    pub fn new(message: Arc<Message>) -> Self {
        Self {
            message,
            before: None,
        }
    }

    /// Says what the text was before.
    #[must_use]
    pub fn with_before(mut self, text: impl Into<String>) -> Self {
        self.before = Some(text.into().into());
        self
    }

    /// The text before the edit, where it is known: the server does not tell it. Of the last messages, a million bytes of
    /// text in all, it is remembered; nothing is from before the bot started.
    pub fn before(&self) -> Option<&str> {
        self.before.as_deref()
    }

    /// The message as it is now.
    pub fn message(&self) -> &Arc<Message> {
        &self.message
    }
}

impl fmt::Debug for Edited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What people write stays out.
        f.debug_struct("Edited")
            .field("message", &self.message)
            .finish_non_exhaustive()
    }
}

/// A message that was deleted.
///
/// ```
/// use std::sync::Arc;
/// use rocketbotte::{Bot, Router, transport::PerRoom};
/// use rocketbotte::event::{Deleted, EventKind};
///
/// async fn notice(deletion: Arc<Deleted>) {
///     println!("{} is gone: {:?}", deletion.message_id(), deletion.before());
/// }
///
/// let router: Router = Router::new().on(EventKind::Deleted, notice);
/// // Without it most servers tell nobody.
/// let bot = Bot::builder("https://chat.example.org").per_room(PerRoom::new().deletions());
/// # let _ = (router, bot);
/// ```
#[derive(Clone)]
pub struct Deleted {
    message_id: MessageId,
    room_id: RoomId,
    message: Option<Arc<Message>>,
    before: Option<Box<str>>,
}

impl Deleted {
    /// A deletion.
    pub fn new(message_id: MessageId, room_id: RoomId) -> Self {
        Self {
            message_id,
            room_id,
            message: None,
            before: None,
        }
    }

    /// A deletion after which the server still shows that there was a message.
    pub fn of_message(message: Arc<Message>) -> Self {
        Self {
            message_id: message.id().clone(),
            room_id: message.room().id().clone(),
            message: Some(message),
            before: None,
        }
    }

    /// Says what the text was.
    #[must_use]
    pub fn with_before(mut self, text: impl Into<String>) -> Self {
        self.before = Some(text.into().into());
        self
    }

    /// The text that is gone, where it is known: as with [`Edited::before`].
    pub fn before(&self) -> Option<&str> {
        self.before.as_deref()
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

impl fmt::Debug for Deleted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deleted")
            .field("message_id", &self.message_id)
            .field("room_id", &self.room_id)
            .finish_non_exhaustive()
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

/// A message that somebody starred, or took the star from. Stars are private: which of them the server tells depends on
/// its version.
///
/// ```
/// use std::sync::Arc;
/// use rocketbotte::{Context, Router};
/// use rocketbotte::event::{EventKind, Starred};
///
/// async fn notice(star: Arc<Starred>, context: Context) {
///     let is_own = star.user_id() == context.identity().id();
///     println!("{}: {} (own: {is_own})", star.message().id(), if star.is_starred() { "starred" } else { "not any more" });
/// }
///
/// let router: Router = Router::new().on(EventKind::Starred, notice);
/// ```
#[derive(Clone, Debug)]
pub struct Starred {
    message: Arc<Message>,
    user_id: UserId,
    is_starred: bool,
}

impl Starred {
    /// A star of a user.
    pub fn new(message: Arc<Message>, user_id: impl Into<UserId>, is_starred: bool) -> Self {
        Self {
            message,
            user_id: user_id.into(),
            is_starred,
        }
    }

    /// The message as it is now.
    pub fn message(&self) -> &Arc<Message> {
        &self.message
    }

    /// Whose star.
    pub fn user_id(&self) -> &UserId {
        &self.user_id
    }

    /// Whether it was starred; the star was taken away otherwise.
    pub fn is_starred(&self) -> bool {
        self.is_starred
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
///
/// Old servers let any user tell the bot that it was added to a room or removed from it: a served bot asks the server
/// before it believes it, and what is not so is no event.
///
/// ```
/// use std::sync::Arc;
/// use rocketbotte::Router;
/// use rocketbotte::event::{EventKind, Membership};
///
/// async fn greet(membership: Arc<Membership>) -> Option<&'static str> {
///     membership.is_verified().then_some("hello everybody")
/// }
///
/// let router: Router = Router::new().on(EventKind::RoomJoined, greet);
/// ```
#[derive(Clone, Debug)]
pub struct Membership {
    room: Room,
    key: String,
    is_verified: bool,
}

impl Membership {
    /// A membership of a room.
    pub fn new(room: Room) -> Self {
        Self {
            room,
            key: crate::random::id(),
            is_verified: false,
        }
    }

    /// The room.
    pub fn room(&self) -> &Room {
        &self.room
    }

    /// A membership with a key of one's own: delivered again with the same key, its replies are not sent twice.
    pub fn with_key(room: Room, key: String) -> Self {
        Self {
            room,
            key,
            is_verified: false,
        }
    }

    /// Says that the server was asked, and confirmed it.
    #[must_use]
    pub fn verified(mut self) -> Self {
        self.is_verified = true;
        self
    }

    /// Whether the server was asked, and confirmed it. Always for a served bot; never for a transport that has no client
    /// to ask with.
    pub fn is_verified(&self) -> bool {
        self.is_verified
    }

    pub(crate) fn key(&self) -> &str {
        &self.key
    }
}

/// Somebody who is typing, or stopped. Clients say it again every few seconds, and forget it after 15.
///
/// ```
/// use std::sync::Arc;
/// use rocketbotte::{Bot, Router, transport::PerRoom};
/// use rocketbotte::event::{EventKind, Typing};
///
/// async fn notice(typing: Arc<Typing>) {
///     println!("{} {}", typing.username(), if typing.is_typing() { "types" } else { "stopped" });
/// }
///
/// let router: Router = Router::new().on(EventKind::Typing, notice);
/// let bot = Bot::builder("https://chat.example.org").per_room(PerRoom::new().typing());
/// # let _ = (router, bot);
/// ```
#[derive(Clone, Debug)]
pub struct Typing {
    room_id: RoomId,
    thread_id: Option<MessageId>,
    username: ByteString,
    is_typing: bool,
}

impl Typing {
    /// A user who began or stopped typing in a room.
    pub fn new(room_id: RoomId, username: impl Into<String>, is_typing: bool) -> Self {
        Self {
            room_id,
            thread_id: None,
            username: ByteString::from(username.into()),
            is_typing,
        }
    }

    /// Says in which thread.
    #[must_use]
    pub fn in_thread(mut self, thread_id: impl Into<MessageId>) -> Self {
        self.thread_id = Some(thread_id.into());
        self
    }

    /// In which thread, where it is one.
    pub fn thread_id(&self) -> Option<&MessageId> {
        self.thread_id.as_ref()
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
