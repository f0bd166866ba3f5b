//! What a bot does in a chat, as values.

use serde::{Deserialize, Serialize};

use super::{
    AllowedMentions, FollowThread, MarkRead, Pin, Send, SetStatus, Thread, UnfollowThread, Unpin, Upload,
};
use crate::event::{MessageId, RoomId};

/// Something to do in a chat. A value: it can be compared, stored and carried out later, again, or not at all.
///
/// ```
/// use rocketbotte::response::{Action, Send};
///
/// let reply = Action::from(Send::text("done"));
/// assert_eq!(reply, Action::from(Send::text("done")));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Action {
    /// Posts a message.
    Send(Send),
    /// Replaces the text of one of the bot's messages.
    Edit(Edit),
    /// Deletes a message.
    Delete(Delete),
    /// Adds a reaction to a message, or takes it away.
    React(React),
    /// Pins a message to its room.
    Pin(Pin),
    /// Takes a message from those that are pinned.
    Unpin(Unpin),
    /// Follows a thread.
    FollowThread(FollowThread),
    /// Follows a thread no more.
    UnfollowThread(UnfollowThread),
    /// Marks a room as read.
    MarkRead(MarkRead),
    /// Sets the status of the account.
    SetStatus(SetStatus),
    /// Posts a file.
    Upload(Upload),
}

/// Where what happens in no room waits for its turn. No room has such an id.
const ACCOUNT: &str = "(account)";

impl Action {
    /// What a recording has of it: a stream is over once it was sent.
    #[cfg(feature = "test-util")]
    pub(crate) fn as_recorded(&self) -> Self {
        #[cfg(feature = "client")]
        if let Self::Upload(upload) = self {
            let recorded = upload.clone().map_source(|source| source.as_recorded());
            return Self::Upload(recorded);
        }
        self.clone()
    }

    /// The room it happens in, once it is known; `None` for what happens in no room, and for what goes to somebody or
    /// to a room by its name.
    pub fn room_id(&self) -> Option<&RoomId> {
        match self {
            Self::Send(send) => send.room_id(),
            Self::Edit(edit) => edit.room_id.as_ref(),
            Self::Delete(delete) => delete.room_id.as_ref(),
            Self::React(react) => react.room_id.as_ref(),
            Self::Pin(pin) => pin.room_id.as_ref(),
            Self::Unpin(unpin) => unpin.room_id.as_ref(),
            Self::FollowThread(follow) => follow.room_id.as_ref(),
            Self::UnfollowThread(unfollow) => unfollow.room_id.as_ref(),
            Self::MarkRead(read) => read.room_id.as_ref(),
            Self::SetStatus(_) => None,
            Self::Upload(upload) => upload.room_id(),
        }
    }

    /// Says where it happens, if that is a room by its id.
    pub(crate) fn set_room_id(&mut self, room_id: RoomId) {
        let room = match self {
            Self::Send(send) => send.room_id_mut(),
            Self::Edit(edit) => &mut edit.room_id,
            Self::Delete(delete) => &mut delete.room_id,
            Self::React(react) => &mut react.room_id,
            Self::Pin(pin) => &mut pin.room_id,
            Self::Unpin(unpin) => &mut unpin.room_id,
            Self::FollowThread(follow) => &mut follow.room_id,
            Self::UnfollowThread(unfollow) => &mut unfollow.room_id,
            Self::MarkRead(read) => &mut read.room_id,
            Self::SetStatus(_) => return,
            Self::Upload(upload) => &mut upload.fields.room_id,
        };
        *room = Some(room_id);
    }

    /// What it waits in line with: all that has the same is done in order. The room, or what stands for it. `None` while
    /// it says nothing of where it happens.
    pub(crate) fn lane(&self) -> Option<RoomId> {
        match self {
            Self::Send(send) => send.room_id().cloned().or_else(|| {
                let destination = send.destination()?;
                Some(RoomId::from(destination.to_string()))
            }),
            Self::Upload(upload) => upload.room_id().cloned().or_else(|| {
                let destination = upload.destination()?;
                Some(RoomId::from(destination.to_string()))
            }),
            Self::SetStatus(_) => Some(RoomId::from(ACCOUNT)),
            other => other.room_id().cloned(),
        }
    }

    /// The same without the ids that it goes out under.
    #[cfg(feature = "test-util")]
    pub(crate) fn without_ids(self) -> Self {
        match self {
            Self::Send(send) => Self::Send(send.without_ids()),
            Self::Upload(mut upload) => {
                upload.fields.ids = None;
                Self::Upload(upload)
            }
            other => other,
        }
    }

    /// In which thread it posts something, where it does.
    pub(crate) fn thread_mut(&mut self) -> Option<&mut Thread> {
        match self {
            Self::Send(send) => Some(send.thread_mut()),
            Self::Upload(upload) => Some(&mut upload.fields.thread),
            _ => None,
        }
    }

    /// Whether a journal keeps it.
    pub(crate) fn is_storable(&self) -> bool {
        match self {
            Self::Upload(upload) => upload.is_storable(),
            _ => true,
        }
    }

    /// What it does, in one word for logs: `send`.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Send(_) => "send",
            Self::Edit(_) => "edit",
            Self::Delete(_) => "delete",
            Self::React(_) => "react",
            Self::Pin(_) => "pin",
            Self::Unpin(_) => "unpin",
            Self::FollowThread(_) => "follow_thread",
            Self::UnfollowThread(_) => "unfollow_thread",
            Self::MarkRead(_) => "mark_read",
            Self::SetStatus(_) => "set_status",
            Self::Upload(_) => "upload",
        }
    }
}

/// Replaces the text of one of the bot's messages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Edit {
    pub(crate) message_id: MessageId,
    pub(crate) text: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) room_id: Option<RoomId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) allowed_mentions: Option<Box<AllowedMentions>>,
}

impl Edit {
    /// A new text for a message of the room where the event happened.
    pub fn new(message_id: impl Into<MessageId>, text: impl Into<String>) -> Self {
        Self {
            message_id: message_id.into(),
            text: text.into(),
            room_id: None,
            allowed_mentions: None,
        }
    }

    /// Says whom the text may mention, in the place of what the bot allows by default.
    #[must_use]
    pub fn allow_mentions(mut self, allowed: AllowedMentions) -> Self {
        self.allowed_mentions = Some(Box::new(allowed));
        self
    }

    /// Says that the message is in another room.
    #[must_use]
    pub fn in_room(mut self, room_id: impl Into<RoomId>) -> Self {
        self.room_id = Some(room_id.into());
        self
    }

    /// Which message.
    pub fn message_id(&self) -> &MessageId {
        &self.message_id
    }

    /// Its new text.
    pub fn content(&self) -> &str {
        &self.text
    }

    /// Who may be mentioned; `None` where that is up to the bot.
    pub fn allowed_mentions(&self) -> Option<&AllowedMentions> {
        self.allowed_mentions.as_deref()
    }
}

/// Deletes a message. Deleting another's needs a permission, and the role `bot` alone may not delete its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delete {
    pub(crate) message_id: MessageId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) room_id: Option<RoomId>,
}

impl Delete {
    /// Deletes a message of the room where the event happened.
    pub fn new(message_id: impl Into<MessageId>) -> Self {
        Self {
            message_id: message_id.into(),
            room_id: None,
        }
    }

    /// Says that the message is in another room.
    #[must_use]
    pub fn in_room(mut self, room_id: impl Into<RoomId>) -> Self {
        self.room_id = Some(room_id.into());
        self
    }

    /// Which message.
    pub fn message_id(&self) -> &MessageId {
        &self.message_id
    }
}

/// Adds a reaction to a message, or takes it away. Doing it twice is doing it once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct React {
    pub(crate) emoji: String,
    pub(crate) is_added: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) message_id: Option<MessageId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) room_id: Option<RoomId>,
}

impl React {
    /// Adds a reaction to the message that is answered, by the emoji's short name (`:+1:` or `+1`; a Unicode emoji is
    /// refused by the server).
    pub fn with(emoji: impl Into<String>) -> Self {
        Self {
            emoji: emoji.into(),
            is_added: true,
            message_id: None,
            room_id: None,
        }
    }

    /// Takes a reaction of the bot away.
    pub fn without(emoji: impl Into<String>) -> Self {
        Self {
            is_added: false,
            ..Self::with(emoji)
        }
    }

    /// Reacts to another message than the one that is answered.
    #[must_use]
    pub fn to(mut self, message_id: impl Into<MessageId>) -> Self {
        self.message_id = Some(message_id.into());
        self
    }

    /// The emoji's short name.
    pub fn emoji(&self) -> &str {
        &self.emoji
    }

    /// Whether it is added; taken away otherwise.
    pub fn is_added(&self) -> bool {
        self.is_added
    }

    /// Which message; `None` while it is the one that is answered.
    pub fn message_id(&self) -> Option<&MessageId> {
        self.message_id.as_ref()
    }
}

macro_rules! into_action {
    ($($type:ident),*) => {$(
        impl From<$type> for Action {
            fn from(action: $type) -> Self {
                Self::$type(action)
            }
        }
    )*};
}

into_action!(
    Send,
    Edit,
    Delete,
    React,
    Pin,
    Unpin,
    FollowThread,
    UnfollowThread,
    MarkRead,
    SetStatus,
    Upload
);

#[cfg(test)]
mod tests;
