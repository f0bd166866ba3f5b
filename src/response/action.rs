//! What a bot does in a chat, as values.

use serde::{Deserialize, Serialize};

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
}

impl Action {
    /// The room it happens in, once it is known.
    pub fn room_id(&self) -> Option<&RoomId> {
        match self {
            Self::Send(send) => send.room_id(),
            Self::Edit(edit) => edit.room_id.as_ref(),
            Self::Delete(delete) => delete.room_id.as_ref(),
            Self::React(react) => react.room_id.as_ref(),
        }
    }

    pub(crate) fn set_room_id(&mut self, room_id: RoomId) {
        let room = match self {
            Self::Send(send) => &mut send.room_id,
            Self::Edit(edit) => &mut edit.room_id,
            Self::Delete(delete) => &mut delete.room_id,
            Self::React(react) => &mut react.room_id,
        };
        *room = Some(room_id);
    }

    /// What people will read.
    #[cfg(feature = "test-util")]
    pub(crate) fn text_mut(&mut self) -> Option<&mut String> {
        match self {
            Self::Send(send) => Some(&mut send.text),
            Self::Edit(edit) => Some(&mut edit.text),
            Self::Delete(_) | Self::React(_) => None,
        }
    }

    #[cfg(feature = "test-util")]
    pub(crate) fn text_length(&self) -> usize {
        match self {
            Self::Send(send) => send.text.len(),
            Self::Edit(edit) => edit.text.len(),
            Self::Delete(_) | Self::React(_) => 0,
        }
    }

    /// The same without the ids that it goes out under.
    #[cfg(feature = "test-util")]
    pub(crate) fn without_ids(mut self) -> Self {
        if let Self::Send(send) = &mut self {
            send.ids = None;
        }
        self
    }

    /// What it does, in one word for logs: `send`.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Send(_) => "send",
            Self::Edit(_) => "edit",
            Self::Delete(_) => "delete",
            Self::React(_) => "react",
        }
    }
}

/// In which thread a message goes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Thread {
    /// In the thread of the message that is answered, if it is in one, else in the room.
    #[default]
    AsAsked,
    /// Always in a thread: that of the message that is answered, or a new one below it.
    Always,
    /// In the room, also when asked in a thread.
    Never,
    /// In the thread of this message.
    Of(MessageId),
}

/// Posts a message.
///
/// ```
/// use rocketbotte::response::{Send, Thread};
///
/// let report = Send::text("Build 17 is green.").to("GENERAL").in_thread(Thread::Never);
/// assert_eq!(report.room_id().unwrap(), &"GENERAL");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Send {
    text: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    room_id: Option<RoomId>,
    #[serde(default)]
    thread: Thread,
    #[serde(default)]
    allows_group_mentions: bool,
    /// Boxed, since it is set only when the action goes out: until then every response would carry its size around.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ids: Option<Box<DerivedIds>>,
}

/// The ids under which a message goes out: the second is for when somebody else holds the first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DerivedIds {
    pub(crate) first: MessageId,
    pub(crate) second: MessageId,
}

impl DerivedIds {
    /// The id that is tried first.
    pub fn first(&self) -> &MessageId {
        &self.first
    }

    /// The id that is tried when the first is taken by a message that is not ours.
    pub fn second(&self) -> &MessageId {
        &self.second
    }
}

impl Send {
    /// A message with a text in Rocket.Chat's markdown.
    pub fn text(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            room_id: None,
            thread: Thread::AsAsked,
            allows_group_mentions: false,
            ids: None,
        }
    }

    /// Sends it to a room by its id, instead of where the event happened.
    #[must_use]
    pub fn to(mut self, room_id: impl Into<RoomId>) -> Self {
        self.room_id = Some(room_id.into());
        self
    }

    /// Says in which thread it goes.
    #[must_use]
    pub fn in_thread(mut self, thread: Thread) -> Self {
        self.thread = thread;
        self
    }

    /// Lets `@all` and `@here` in the text notify everybody. They are neutralised otherwise; an account without the
    /// permission `mention-all` or `mention-here` has the whole message refused.
    #[must_use]
    pub fn allow_group_mentions(mut self) -> Self {
        self.allows_group_mentions = true;
        self
    }

    /// The text.
    pub fn content(&self) -> &str {
        &self.text
    }

    /// The room; `None` while it is where the event happened.
    pub fn room_id(&self) -> Option<&RoomId> {
        self.room_id.as_ref()
    }

    /// In which thread.
    pub fn thread(&self) -> &Thread {
        &self.thread
    }

    /// The thread's message, once the action is resolved.
    pub fn thread_id(&self) -> Option<&MessageId> {
        match &self.thread {
            Thread::Of(id) => Some(id),
            Thread::AsAsked | Thread::Always | Thread::Never => None,
        }
    }

    /// Whether `@all` and `@here` are left as they are.
    pub fn allows_group_mentions(&self) -> bool {
        self.allows_group_mentions
    }

    /// The ids it goes out under, once the action is resolved.
    pub fn ids(&self) -> Option<&DerivedIds> {
        self.ids.as_deref()
    }

    pub(crate) fn set_ids(&mut self, ids: DerivedIds) {
        self.ids = Some(Box::new(ids));
    }

    pub(crate) fn set_text(&mut self, text: String) {
        self.text = text;
    }

    pub(crate) fn set_thread(&mut self, thread: Thread) {
        self.thread = thread;
    }
}

/// Replaces the text of one of the bot's messages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Edit {
    pub(crate) message_id: MessageId,
    pub(crate) text: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) room_id: Option<RoomId>,
}

impl Edit {
    /// A new text for a message of the room where the event happened.
    pub fn new(message_id: impl Into<MessageId>, text: impl Into<String>) -> Self {
        Self {
            message_id: message_id.into(),
            text: text.into(),
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

    /// Its new text.
    pub fn content(&self) -> &str {
        &self.text
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

into_action!(Send, Edit, Delete, React);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stored_form_reads_back() {
        let actions = [
            Action::from(
                Send::text("hi")
                    .to("r")
                    .in_thread(Thread::Of("m".into()))
                    .allow_group_mentions(),
            ),
            Action::from(Edit::new("m", "new").in_room("r")),
            Action::from(Delete::new("m")),
            Action::from(React::with(":+1:").to("m")),
        ];
        for action in actions {
            let stored = serde_json::to_string(&action).unwrap();
            assert_eq!(serde_json::from_str::<Action>(&stored).unwrap(), action);
        }
    }
}
