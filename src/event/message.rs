//! A chat message: the fields that most handlers need, and the frame behind it for the rest.

use std::fmt;

use bytestring::ByteString;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::wire::{self, WireMessage, WireRoom};
use super::{MessageId, Room, Timestamp, User};

/// A message as the server sent it.
///
/// Handlers get it as `Arc<Message>`. What is rarely asked for ([attachments](Self::attachments), [files](Self::files),
/// [mentions](Self::mentions), the [parsed text](Self::markdown)) stays in the frame until somebody does; whatever has no
/// name here is read by [`field`](Self::field).
///
/// ```
/// use rocketbotte::event::{Message, Room, RoomKind, User};
///
/// let message = Message::builder(Room::new("GENERAL", RoomKind::Channel), User::new("uA", "ann"), "hello").build();
/// assert_eq!(message.text(), "hello");
/// assert_eq!(message.author().username(), "ann");
/// ```
#[derive(Clone)]
pub struct Message {
    json: ByteString,
    id: MessageId,
    room: Room,
    author: User,
    text: ByteString,
    created_at: Timestamp,
    updated_at: Option<Timestamp>,
    edited_at: Option<Timestamp>,
    thread_id: Option<MessageId>,
    system_type: Option<ByteString>,
    alias: Option<ByteString>,
    is_bot: bool,
    is_pinned: bool,
    is_verified: bool,
    reply_count: u32,
}

/// Why a JSON object is no message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MessageError {
    /// It is not JSON, or no object, or has a key twice.
    #[error("not a message object: {0}")]
    Json(String),
    /// A field without which a message can not be answered is missing or has the wrong type.
    #[error("a message without `{0}`")]
    Missing(&'static str),
}

impl Message {
    /// Reads a message object as DDP and REST send it. The room's kind is not part of it.
    ///
    /// # Errors
    ///
    /// [`MessageError`] where the text is no JSON object, or has no `_id` or `rid`.
    ///
    /// ```
    /// use rocketbotte::event::Message;
    ///
    /// let message = Message::from_json(r#"{"_id":"m1","rid":"GENERAL","msg":"hi","u":{"_id":"uA","username":"ann"}}"#)?;
    /// assert_eq!(message.text(), "hi");
    /// # Ok::<_, rocketbotte::event::MessageError>(())
    /// ```
    pub fn from_json(json: &str) -> Result<Self, MessageError> {
        let json = ByteString::from(json);
        let wire: WireMessage<'_> =
            wire::read(&json).map_err(|error| MessageError::Json(error.to_string()))?;
        Self::from_wire(&json, &wire, &WireRoom::default(), &json)
    }

    /// A message made by a program: for tests and for transports of one's own.
    pub fn builder(room: Room, author: User, text: impl Into<String>) -> MessageBuilder {
        MessageBuilder(Self {
            json: ByteString::from_static("{}"),
            id: MessageId::from(crate::random::id()),
            room,
            author,
            text: ByteString::from(text.into()),
            created_at: Timestamp::from_system_time(std::time::SystemTime::now()).unwrap_or_default(),
            updated_at: None,
            edited_at: None,
            thread_id: None,
            system_type: None,
            alias: None,
            is_bot: false,
            is_pinned: false,
            is_verified: false,
            reply_count: 0,
        })
    }

    /// `json` is the message object that `wire` borrows from, `frame` what `room` borrows from.
    pub(crate) fn from_wire(
        json: &ByteString,
        wire: &WireMessage<'_>,
        room: &WireRoom<'_>,
        frame: &ByteString,
    ) -> Result<Self, MessageError> {
        let id = wire
            .id
            .share(json)
            .filter(|id| !id.is_empty())
            .ok_or(MessageError::Missing("_id"))?;
        let room_id = wire
            .rid
            .share(json)
            .filter(|id| !id.is_empty())
            .ok_or(MessageError::Missing("rid"))?;
        let updated_at = wire.updated_at.timestamp();
        Ok(Self {
            id: MessageId::from_slice(id),
            room: Room::from_wire(super::RoomId::from_slice(room_id), room, frame),
            author: User::from_wire(&wire.user(), json),
            text: wire.msg.share(json).unwrap_or_default(),
            created_at: wire.ts.timestamp().or(updated_at).unwrap_or_default(),
            updated_at,
            edited_at: wire.edited_at.timestamp(),
            thread_id: wire
                .tmid
                .share(json)
                .filter(|id| !id.is_empty())
                .map(MessageId::from_slice),
            system_type: wire.t.share(json).filter(|t| !t.is_empty()),
            alias: wire.alias.share(json),
            is_bot: wire.bot.is_truthy(),
            is_pinned: wire.pinned.is_truthy(),
            is_verified: false,
            reply_count: wire.tcount.count(),
            json: json.clone(),
        })
    }

    /// Says that it came from a server that lets nobody else write what it says.
    #[cfg(any(feature = "client", feature = "test-util"))]
    pub(crate) fn verified(mut self) -> Self {
        self.is_verified = true;
        self
    }

    /// Says in which room it was written, with its kind and name.
    #[cfg(any(feature = "test-util", feature = "webhook"))]
    pub(crate) fn in_room(mut self, room: Room) -> Self {
        self.room = room;
        self
    }

    /// The `_id`.
    pub fn id(&self) -> &MessageId {
        &self.id
    }

    /// The room it was written in.
    pub fn room(&self) -> &Room {
        &self.room
    }

    /// Who wrote it.
    pub fn author(&self) -> &User {
        &self.author
    }

    /// The text as written; empty for a message with only a file, a removed one and an encrypted one.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// When it was written.
    pub fn created_at(&self) -> Timestamp {
        self.created_at
    }

    /// When the server last wrote it: by an edit, a reaction, a pin or a reply in its thread.
    pub fn updated_at(&self) -> Option<Timestamp> {
        self.updated_at
    }

    /// When its text was last edited.
    pub fn edited_at(&self) -> Option<Timestamp> {
        self.edited_at
    }

    /// The message whose thread it is part of.
    pub fn thread_id(&self) -> Option<&MessageId> {
        self.thread_id.as_ref()
    }

    /// How many replies its own thread has.
    pub fn reply_count(&self) -> u32 {
        self.reply_count
    }

    /// The type of a system message, such as `uj` for "joined" ([the list](https://developer.rocket.chat/docs/message-object)).
    /// [`system`](Self::system) has it typed.
    pub fn system_type(&self) -> Option<&str> {
        self.system_type.as_deref()
    }

    /// Whether it is certain that the server itself wrote this [system message](Self::system). It is not before version
    /// 7.2, where any user may send one over REST, nor while the server does not say which version it is, nor for types that
    /// this crate does not know. `false` for what people write.
    pub fn is_verified(&self) -> bool {
        self.is_verified
    }

    /// The name shown instead of the author's. Anybody may set one: it is no identity.
    pub fn alias(&self) -> Option<&str> {
        self.alias.as_deref()
    }

    /// Whether a bot wrote it, by its own account (the field `bot`).
    pub fn is_bot(&self) -> bool {
        self.is_bot
    }

    /// Whether it is pinned.
    pub fn is_pinned(&self) -> bool {
        self.is_pinned
    }

    /// Whether it is end-to-end encrypted, so that its text can not be read.
    pub fn is_encrypted(&self) -> bool {
        self.system_type() == Some("e2e")
    }

    /// Reads any other field of the message object; `None` where it is absent or null.
    ///
    /// # Errors
    ///
    /// The field is there and is no `T`.
    ///
    /// ```
    /// use rocketbotte::event::Message;
    ///
    /// let message = Message::from_json(r#"{"_id":"m1","rid":"GENERAL","emoji":":robot:"}"#)?;
    /// assert_eq!(message.field::<String>("emoji")?.as_deref(), Some(":robot:"));
    /// assert_eq!(message.field::<String>("avatar")?, None);
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    pub fn field<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, serde_json::Error> {
        struct Field<'a, T>(&'a str, std::marker::PhantomData<T>);

        impl<'de, T: Deserialize<'de>> serde::de::Visitor<'de> for Field<'_, T> {
            type Value = Option<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a message object")
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut found = None;
                while let Some(key) = map.next_key::<std::borrow::Cow<'de, str>>()? {
                    if key == self.0 {
                        found = map.next_value::<Option<T>>()?;
                    } else {
                        map.next_value::<serde::de::IgnoredAny>()?;
                    }
                }
                Ok(found)
            }
        }

        use serde::Deserializer as _;
        serde_json::Deserializer::from_str(&self.json).deserialize_map(Field(name, std::marker::PhantomData))
    }

    /// The message object as the server sent it; `{}` for a message that a program made.
    pub fn json(&self) -> &str {
        &self.json
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The text stays out: what people write is logged at TRACE only, on purpose.
        f.debug_struct("Message")
            .field("id", &self.id)
            .field("room", &self.room.id())
            .field("author", &self.author.id())
            .field("text_bytes", &self.text.len())
            .finish_non_exhaustive()
    }
}

/// Builds a [`Message`].
#[derive(Clone, Debug)]
#[must_use]
pub struct MessageBuilder(Message);

impl MessageBuilder {
    /// Sets the `_id`; a random one otherwise.
    pub fn id(mut self, id: impl Into<MessageId>) -> Self {
        self.0.id = id.into();
        self
    }

    /// Makes it a reply in a thread.
    pub fn thread(mut self, thread_id: impl Into<MessageId>) -> Self {
        self.0.thread_id = Some(thread_id.into());
        self
    }

    /// Marks it as a bot's.
    pub fn from_bot(mut self) -> Self {
        self.0.is_bot = true;
        self
    }

    /// Makes it a system message of a type such as `uj`.
    pub fn system_type(mut self, system_type: impl Into<String>) -> Self {
        self.0.system_type = Some(ByteString::from(system_type.into()));
        self
    }

    /// Marks it as written by the server for certain: see [`Message::is_verified`].
    pub fn verified(mut self) -> Self {
        self.0.is_verified = true;
        self
    }

    /// Sets the time of writing; now otherwise.
    pub fn created_at(mut self, created_at: Timestamp) -> Self {
        self.0.created_at = created_at;
        self
    }

    /// Sets when the server last wrote it.
    pub fn updated_at(mut self, updated_at: Timestamp) -> Self {
        self.0.updated_at = Some(updated_at);
        self
    }

    /// The message.
    pub fn build(self) -> Message {
        self.0
    }
}
