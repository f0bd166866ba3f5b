//! What is rarely asked for of a message: it stays in the frame until somebody does, so that chatter does not pay for it.
//!
//! A list is read one entry at a time: one that can not be read costs none of the others.

use serde_json::Value;
use serde_json::value::RawValue;

use super::{
    ChannelMention, File, Link, MarkdownNode, Mention, Message, MessageAttachment, RoomId, Timestamp, UserId,
};

impl Message {
    /// Who is mentioned. Empty where the server sends no list.
    pub fn mentions(&self) -> Vec<Mention> {
        self.list("mentions", Mention::read)
    }

    /// Which rooms are mentioned.
    pub fn channels(&self) -> Vec<ChannelMention> {
        self.list("channels", ChannelMention::read)
    }

    /// The links in the text. What their pages say of themselves comes later, with an
    /// [update](super::Event::Updated) of the message.
    pub fn links(&self) -> Vec<Link> {
        self.list("urls", Link::read)
    }

    /// The files that were uploaded with it. Of a picture the small form that the server made is one too.
    pub fn files(&self) -> Vec<File> {
        let files = self.list("files", File::read);
        if !files.is_empty() {
            return files;
        }
        // Old versions know one file for each message.
        let file = self.field::<Value>("file").ok().flatten();
        file.as_ref().and_then(File::read).into_iter().collect()
    }

    /// What is shown below the text: files, pictures, quotes, and what programs attach.
    pub fn attachments(&self) -> Vec<MessageAttachment> {
        self.list("attachments", MessageAttachment::read)
    }

    /// The text as the server parsed it; `None` where it did not.
    pub fn markdown(&self) -> Option<Vec<MarkdownNode>> {
        let tree = self.field::<Vec<Value>>("md").ok().flatten()?;
        Some(MarkdownNode::read_all(&tree))
    }

    /// The discussion, a room of its own, that this message opened or tells of.
    pub fn discussion_id(&self) -> Option<RoomId> {
        self.text_field("drid").map(RoomId::from)
    }

    /// Who has starred it. A star is private: the server tells of others' stars as little as it can.
    pub fn starred_by(&self) -> Vec<UserId> {
        self.list("starred", |value| object_text(value, "_id").map(UserId::from))
    }

    /// Whether it is a reply in a thread that is shown in the room too.
    pub fn is_shown_in_room(&self) -> bool {
        self.field::<Value>("tshow").ok().flatten() == Some(Value::Bool(true))
    }

    pub(super) fn text_field(&self, name: &str) -> Option<String> {
        match self.field::<Value>(name).ok().flatten()? {
            Value::String(text) if !text.is_empty() => Some(text),
            _ => None,
        }
    }

    fn list<T>(&self, name: &str, read: impl Fn(&Value) -> Option<T>) -> Vec<T> {
        let raw = self.field::<Box<RawValue>>(name).ok().flatten();
        let entries = raw
            .as_deref()
            .and_then(|raw| serde_json::from_str::<Vec<&RawValue>>(raw.get()).ok());
        let values = entries.into_iter().flatten();
        values
            .filter_map(|raw| serde_json::from_str::<Value>(raw.get()).ok())
            .filter_map(|value| read(&value))
            .collect()
    }
}

/// A text of an object; `None` where it is empty or something else.
pub(super) fn text<'a>(object: &'a Value, name: &str) -> Option<&'a str> {
    object.get(name)?.as_str().filter(|text| !text.is_empty())
}

pub(super) fn object_text(object: &Value, name: &str) -> Option<String> {
    text(object, name).map(str::to_owned)
}

/// A number that is no fraction; JavaScript may write it as one.
pub(super) fn count(object: &Value, name: &str) -> Option<u64> {
    let value = object.get(name)?;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "only what is in range is taken, and a float saturates"
    )]
    value.as_u64().or_else(|| {
        value
            .as_f64()
            .filter(|number| (0.0..=9e15).contains(number))
            .map(|number| number as u64)
    })
}

/// `{"$date": …}` of DDP, the text of REST, or a number of milliseconds.
pub(super) fn timestamp(object: &Value, name: &str) -> Option<Timestamp> {
    match object.get(name)? {
        Value::String(text) => Timestamp::parse(text),
        Value::Object(date) => date.get("$date")?.as_i64().map(Timestamp::from_millis),
        Value::Number(millis) => millis.as_i64().map(Timestamp::from_millis),
        _ => None,
    }
}
