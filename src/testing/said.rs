//! A message that is built as a sentence, and the events that it can become.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::events;
use crate::event::{
    Deleted, Edited, Event, Message, MessageId, Pinned, Reaction, Room, ThreadUpdate, Timestamp, Updated,
    User,
};

/// A message to build on, from [`events::said`]: it is a message event by itself, and becomes any other by the methods
/// that say what happens to it. It has the form that a server gives it.
///
/// ```
/// use rocketbotte::event::EventKind;
/// use rocketbotte::testing::events::{self, bob, direct_room, private_room, said};
///
/// let asked = said("!deploy api").by(bob()).in_room(private_room("ops")).in_thread("m1");
/// assert_eq!(asked.message().thread_id().unwrap(), &"m1");
///
/// let secret = said("!status").by(bob()).in_room(direct_room(&bob()));
/// let wished = said("well done").mentioning(&[bob()]).with("alias", "The Boss").reaction(":+1:", "bob");
/// assert_eq!(wished.kind(), EventKind::Reaction);
/// # let _ = secret;
/// ```
#[derive(Clone, Debug)]
#[must_use = "it becomes an event where one is asked for"]
pub struct Said {
    room: Room,
    author: User,
    fields: Map<String, Value>,
}

impl Said {
    pub(super) fn new(text: String) -> Self {
        let now = Timestamp::from_system_time(std::time::SystemTime::now()).unwrap_or_default();
        let said = Self {
            room: events::general(),
            author: events::ann(),
            fields: Map::new(),
        };
        said.with("_id", crate::random::id())
            .with("msg", text)
            .with("mentions", json!([]))
            .with("channels", json!([]))
            .at(now)
    }

    /// Who wrote it: `ann` otherwise.
    pub fn by(mut self, author: User) -> Self {
        self.author = author;
        self
    }

    /// Where: in `general` otherwise.
    pub fn in_room(mut self, room: Room) -> Self {
        self.room = room;
        self
    }

    /// In the thread of this message.
    pub fn in_thread(self, message_id: impl Into<MessageId>) -> Self {
        self.with("tmid", message_id.into().as_str())
    }

    /// Gives it an id; a random one otherwise.
    pub fn id(self, id: impl Into<MessageId>) -> Self {
        self.with("_id", id.into().as_str())
    }

    /// When it was written: now otherwise.
    pub fn at(self, at: Timestamp) -> Self {
        let date = json!({ "$date": at.as_millis() });
        self.with("ts", date.clone()).with("_updatedAt", date)
    }

    /// Marks it as written by a bot.
    pub fn from_bot(self) -> Self {
        self.with("bot", json!({ "i": "other.bot" }))
    }

    /// Makes it a message that the server wrote, of a type such as `uj`.
    pub fn system_type(self, system_type: &str) -> Self {
        self.with("t", system_type)
    }

    /// Who is mentioned in it, as the server lists them.
    pub fn mentioning(self, users: &[User]) -> Self {
        let mentions: Vec<Value> = users
            .iter()
            .map(|user| json!({ "_id": user.id(), "username": user.username(), "type": "user" }))
            .collect();
        self.with("mentions", mentions)
    }

    /// Sets any other field of the message, such as `attachments`.
    pub fn with(mut self, field: &str, value: impl Into<Value>) -> Self {
        self.fields.insert(field.to_owned(), value.into());
        self
    }

    /// The message.
    pub fn message(&self) -> Message {
        let mut fields = self.fields.clone();
        let mut user = json!({ "_id": self.author.id(), "username": self.author.username() });
        if let (Some(name), Some(user)) = (self.author.name(), user.as_object_mut()) {
            user.insert("name".to_owned(), json!(name));
        }
        fields.insert("rid".to_owned(), json!(self.room.id()));
        fields.insert("u".to_owned(), user);
        // It is an object with an id, a room and an author, whatever the other fields are.
        match Message::from_json(&Value::Object(fields).to_string()) {
            Ok(message) => message.in_room(self.room.clone()),
            Err(error) => panic!("no message: {error}"),
        }
    }

    fn shared(&self) -> Arc<Message> {
        Arc::new(self.message())
    }

    /// Its author edits it: this is the new text.
    pub fn edited(self) -> Event {
        let now = self.fields.get("ts").cloned().unwrap_or_default();
        let message = self.with("editedAt", now).shared();
        Event::Edited(Arc::new(Edited::new(message)))
    }

    /// It is deleted.
    pub fn deleted(self) -> Event {
        let message = self.message();
        let deleted = Deleted::new(message.id().clone(), message.room().id().clone());
        Event::Deleted(Arc::new(deleted))
    }

    /// Somebody reacts to it.
    pub fn reaction(self, emoji: &str, username: &str) -> Event {
        let said = self.with("reactions", json!({ emoji: { "usernames": [username] } }));
        Event::Reaction(Arc::new(Reaction::new(said.shared(), emoji, username, true)))
    }

    /// Somebody takes a reaction back.
    pub fn reaction_removed(self, emoji: &str, username: &str) -> Event {
        Event::Reaction(Arc::new(Reaction::new(self.shared(), emoji, username, false)))
    }

    /// It is pinned.
    pub fn pinned(self) -> Event {
        let said = self.with("pinned", true);
        Event::Pinned(Arc::new(Pinned::new(said.shared())))
    }

    /// It is no longer pinned.
    pub fn unpinned(self) -> Event {
        Event::Pinned(Arc::new(Pinned::new(self.shared())))
    }

    /// Its thread got a reply, and has so many now.
    pub fn thread_update(self, replies: u32) -> Event {
        let said = self.with("tcount", replies);
        Event::ThreadUpdate(Arc::new(ThreadUpdate::new(said.shared())))
    }

    /// It changed in another way: a preview of its link came, say.
    pub fn updated(self) -> Event {
        Event::Updated(Arc::new(Updated::new(self.shared())))
    }
}

impl From<Said> for Event {
    /// A new message, of the kind that its fields say.
    fn from(said: Said) -> Self {
        said.message().into()
    }
}

impl From<Said> for crate::Request {
    fn from(said: Said) -> Self {
        super::request(said)
    }
}
