//! What happens in a chat: the events that travel through the pipeline as requests.
//!
//! The wire carries no event type: the same stream sends a message again, whole, for an edit, a reaction, a pin or a
//! reply in its thread. The classifier of the transport tells them apart, and what arrives here is typed.
//!
//! The page `docs::events` has a table of all of them, with where they come from, who hears them, and who is believed.

mod attachment;
mod file;
mod id;
mod kinds;
mod markdown;
mod mention;
mod message;
mod rare;
mod room;
mod scheduled;
mod system;
mod timestamp;
mod user;

#[cfg(feature = "client")]
pub(crate) mod classify;
pub(crate) mod wire;

use std::borrow::Cow;
use std::sync::Arc;

pub use self::attachment::{AttachmentAction, AttachmentField, AttachmentKind, MessageAttachment};
pub use self::file::{File, Link, Media, MediaKind};
pub use self::id::{FileId, MessageId, RoomId, TeamId, UserId};
pub use self::kinds::{
    CustomEvent, Deleted, Edited, Membership, Pinned, RawEvent, Reaction, Reconnected, Starred, ThreadUpdate,
    Typing, Updated,
};
pub use self::markdown::{MarkdownItem, MarkdownNode, MarkdownTask};
pub use self::mention::{ChannelMention, Mention};
pub use self::message::{Message, MessageBuilder, MessageError};
pub use self::room::{Room, RoomKind};
pub use self::scheduled::Scheduled;
pub use self::system::SystemMessage;
pub use self::timestamp::Timestamp;
pub use self::user::User;

/// Something that happened in a chat, or with the connection to it. Cheap to clone.
///
/// ```
/// use rocketbotte::event::{Event, EventKind, Message, Room, RoomKind, User};
///
/// let message = Message::builder(Room::new("GENERAL", RoomKind::Channel), User::new("uA", "ann"), "hello").build();
/// let event = Event::from(message);
/// assert_eq!(event.kind(), EventKind::Message);
/// assert_eq!(event.room_id().unwrap(), &"GENERAL");
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event {
    /// A new message.
    Message(Arc<Message>),
    /// A new message in a livechat (omnichannel) room.
    Livechat(Arc<Message>),
    /// A new end-to-end encrypted message, whose text can not be read.
    Encrypted(Arc<Message>),
    /// A message that the server wrote: somebody joined, the topic changed, and so on.
    System(Arc<Message>),
    /// A message's text was edited.
    Edited(Arc<Edited>),
    /// A message was deleted. Where the server keeps no trace of deleted messages in the room it tells only those who
    /// subscribed to each room: see [`PerRoom::deletions`](crate::transport::PerRoom::deletions).
    Deleted(Arc<Deleted>),
    /// A reaction was added or removed.
    Reaction(Arc<Reaction>),
    /// A message was pinned or unpinned.
    Pinned(Arc<Pinned>),
    /// A message was starred, or a star taken away.
    Starred(Arc<Starred>),
    /// A thread got a reply, or lost one: its first message was sent again.
    ThreadUpdate(Arc<ThreadUpdate>),
    /// A message changed in another way: a URL preview came, a discussion's counters.
    Updated(Arc<Updated>),
    /// The bot was added to a room, or a direct conversation with it began.
    RoomJoined(Arc<Membership>),
    /// The bot left a room, or was removed from it.
    RoomLeft(Arc<Membership>),
    /// Somebody is typing, or stopped. The server tells it only those who subscribed to each room: see
    /// [`PerRoom::typing`](crate::transport::PerRoom::typing).
    Typing(Arc<Typing>),
    /// The bot is connected for the first time in this run. Fires once.
    Ready,
    /// The connection is back after an outage.
    Reconnected(Reconnected),
    /// The bot is about to stop.
    Close,
    /// An event that the program fired itself.
    Custom(Arc<CustomEvent>),
    /// A run of a [job](crate::schedule) is due.
    Scheduled(Arc<Scheduled>),
    /// Something that this version does not model, as the server sent it.
    Raw(Arc<RawEvent>),
}

/// Which kind of [`Event`], without its content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
#[repr(u8)]
#[expect(
    missing_docs,
    reason = "each is documented at the variant of `Event` of the same name"
)]
pub enum EventKind {
    Message,
    Livechat,
    Encrypted,
    System,
    Edited,
    Deleted,
    Reaction,
    Pinned,
    Starred,
    ThreadUpdate,
    Updated,
    RoomJoined,
    RoomLeft,
    Typing,
    Ready,
    Reconnected,
    Close,
    Custom,
    Scheduled,
    Raw,
}

impl EventKind {
    /// Every kind, in the order of [`Event`]'s variants.
    pub const ALL: [Self; 20] = [
        Self::Message,
        Self::Livechat,
        Self::Encrypted,
        Self::System,
        Self::Edited,
        Self::Deleted,
        Self::Reaction,
        Self::Pinned,
        Self::Starred,
        Self::ThreadUpdate,
        Self::Updated,
        Self::RoomJoined,
        Self::RoomLeft,
        Self::Typing,
        Self::Ready,
        Self::Reconnected,
        Self::Close,
        Self::Custom,
        Self::Scheduled,
        Self::Raw,
    ];

    /// The name in logs and in route names: `message`, `thread_update`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Message => "message",
            Self::Livechat => "livechat",
            Self::Encrypted => "encrypted",
            Self::System => "system",
            Self::Edited => "edited",
            Self::Deleted => "deleted",
            Self::Reaction => "reaction",
            Self::Pinned => "pinned",
            Self::Starred => "starred",
            Self::ThreadUpdate => "thread_update",
            Self::Updated => "updated",
            Self::RoomJoined => "room_joined",
            Self::RoomLeft => "room_left",
            Self::Typing => "typing",
            Self::Ready => "ready",
            Self::Reconnected => "reconnected",
            Self::Close => "close",
            Self::Custom => "custom",
            Self::Scheduled => "scheduled",
            Self::Raw => "raw",
        }
    }

    pub(crate) const fn index(self) -> usize {
        self as usize
    }
}

impl Event {
    /// An event that the program fires itself, with any payload.
    ///
    /// ```
    /// use rocketbotte::event::{Event, EventKind};
    ///
    /// let event = Event::custom("deployed", "v1.2".to_owned());
    /// assert_eq!(event.kind(), EventKind::Custom);
    /// ```
    pub fn custom<T: std::any::Any + Send + Sync>(name: impl Into<Cow<'static, str>>, payload: T) -> Self {
        Self::Custom(Arc::new(CustomEvent::new(name, payload)))
    }

    /// The kind.
    pub fn kind(&self) -> EventKind {
        match self {
            Self::Message(_) => EventKind::Message,
            Self::Livechat(_) => EventKind::Livechat,
            Self::Encrypted(_) => EventKind::Encrypted,
            Self::System(_) => EventKind::System,
            Self::Edited(_) => EventKind::Edited,
            Self::Deleted(_) => EventKind::Deleted,
            Self::Reaction(_) => EventKind::Reaction,
            Self::Pinned(_) => EventKind::Pinned,
            Self::Starred(_) => EventKind::Starred,
            Self::ThreadUpdate(_) => EventKind::ThreadUpdate,
            Self::Updated(_) => EventKind::Updated,
            Self::RoomJoined(_) => EventKind::RoomJoined,
            Self::RoomLeft(_) => EventKind::RoomLeft,
            Self::Typing(_) => EventKind::Typing,
            Self::Ready => EventKind::Ready,
            Self::Reconnected(_) => EventKind::Reconnected,
            Self::Close => EventKind::Close,
            Self::Custom(_) => EventKind::Custom,
            Self::Scheduled(_) => EventKind::Scheduled,
            Self::Raw(_) => EventKind::Raw,
        }
    }

    /// The message that the event is about.
    pub fn message(&self) -> Option<&Arc<Message>> {
        match self {
            Self::Message(message)
            | Self::Livechat(message)
            | Self::Encrypted(message)
            | Self::System(message) => Some(message),
            Self::Edited(event) => Some(event.message()),
            Self::Deleted(event) => event.message(),
            Self::Reaction(event) => Some(event.message()),
            Self::Pinned(event) => Some(event.message()),
            Self::Starred(event) => Some(event.message()),
            Self::ThreadUpdate(event) => Some(event.message()),
            Self::Updated(event) => Some(event.message()),
            Self::RoomJoined(_)
            | Self::RoomLeft(_)
            | Self::Typing(_)
            | Self::Ready
            | Self::Reconnected(_)
            | Self::Close
            | Self::Custom(_)
            | Self::Scheduled(_)
            | Self::Raw(_) => None,
        }
    }

    /// Whether it is a message that nobody has seen before.
    #[cfg(feature = "client")]
    pub(crate) fn is_new_message(&self) -> bool {
        matches!(
            self,
            Self::Message(_) | Self::Livechat(_) | Self::Encrypted(_) | Self::System(_)
        )
    }

    /// The room it happened in.
    pub fn room_id(&self) -> Option<&RoomId> {
        match self {
            Self::RoomJoined(membership) | Self::RoomLeft(membership) => Some(membership.room().id()),
            Self::Typing(typing) => Some(typing.room_id()),
            Self::Deleted(deleted) => Some(deleted.room_id()),
            Self::Custom(custom) => custom.room_id(),
            Self::Scheduled(scheduled) => scheduled.room_id(),
            _ => self.room().map(Room::id),
        }
    }

    /// The room it happened in, with its kind and name, where the event carries them.
    pub fn room(&self) -> Option<&Room> {
        match self {
            Self::RoomJoined(membership) | Self::RoomLeft(membership) => Some(membership.room()),
            _ => self.message().map(|message| message.room()),
        }
    }

    /// The thread it happened in.
    pub fn thread_id(&self) -> Option<&MessageId> {
        match self {
            Self::ThreadUpdate(event) => Some(event.message().id()),
            Self::Typing(event) => event.thread_id(),
            _ => self.message().and_then(|message| message.thread_id()),
        }
    }

    /// Who caused it: the author of a message, not the one who reacted to it (the server names that one only by user
    /// name, see [`Reaction::username`]).
    pub fn author(&self) -> Option<&User> {
        match self {
            Self::Reaction(_)
            | Self::Pinned(_)
            | Self::Starred(_)
            | Self::ThreadUpdate(_)
            | Self::Updated(_)
            | Self::Deleted(_) => None,
            _ => self.message().map(|message| message.author()),
        }
    }

    /// What tells this event from every other, the same when it is delivered again. Replies' ids are derived from it.
    /// `None` for what may happen again and again with nothing to tell it by: typing, and the connection's events.
    ///
    /// A new message's key is its id; of what happens to a message later, the id, the kind and the revision; of an
    /// event that the program fires, an id made when it was made; of a run of a job, the job and the time at which it was due,
    /// or the id of a single run.
    pub fn own_key(&self) -> Option<Cow<'_, str>> {
        fn revision(message: &Message) -> i64 {
            message
                .updated_at()
                .unwrap_or_else(|| message.created_at())
                .as_millis()
        }
        Some(match self {
            Self::Message(message)
            | Self::Livechat(message)
            | Self::Encrypted(message)
            | Self::System(message) => Cow::Borrowed(message.id().as_str()),
            Self::Reaction(event) => Cow::Owned(format!(
                "{}/{}/{}/{}/{}",
                event.message().id(),
                if event.is_added() { "react" } else { "unreact" },
                event.username(),
                event.emoji(),
                revision(event.message())
            )),
            Self::Starred(event) => Cow::Owned(format!(
                "{}/{}/{}/{}",
                event.message().id(),
                if event.is_starred() { "star" } else { "unstar" },
                event.user_id(),
                revision(event.message())
            )),
            Self::Deleted(event) => Cow::Owned(format!("{}/deleted", event.message_id())),
            Self::Edited(_) | Self::Pinned(_) | Self::ThreadUpdate(_) | Self::Updated(_) => {
                match self.message() {
                    Some(message) => Cow::Owned(format!(
                        "{}/{}/{}",
                        message.id(),
                        self.kind().name(),
                        revision(message)
                    )),
                    None => Cow::Borrowed(self.kind().name()),
                }
            }
            Self::RoomJoined(membership) | Self::RoomLeft(membership) => Cow::Borrowed(membership.key()),
            Self::Custom(event) => Cow::Borrowed(event.key()),
            Self::Scheduled(event) => Cow::Borrowed(event.key()),
            Self::Raw(event) => Cow::Borrowed(event.key()),
            Self::Typing(_) | Self::Ready | Self::Reconnected(_) | Self::Close => return None,
        })
    }
}

impl From<Message> for Event {
    fn from(message: Message) -> Self {
        Self::from(Arc::new(message))
    }
}

impl From<Arc<Message>> for Event {
    /// A new message, of the kind that its fields say.
    fn from(message: Arc<Message>) -> Self {
        if message.is_encrypted() {
            Self::Encrypted(message)
        } else if message.system_type().is_some() {
            Self::System(message)
        } else if message.room().kind() == RoomKind::Livechat {
            Self::Livechat(message)
        } else {
            Self::Message(message)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_in_the_order_of_their_indices() {
        for (index, kind) in EventKind::ALL.into_iter().enumerate() {
            assert_eq!(kind.index(), index);
        }
    }

    static_assertions::assert_impl_all!(Event: Send, Sync, Clone);
}
