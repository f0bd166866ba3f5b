//! What is shown below the text of a message that came in.

use serde_json::Value;

use super::rare::{object_text, text, timestamp};
use super::{FileId, Media, MessageId, Timestamp};

/// An attachment of a message that came in. What a program sends is a
/// [`response::Attachment`](crate::response::Attachment).
///
/// Every field may be missing or be something else than it should: then it is `None`, and the others are there.
///
/// ```
/// use rocketbotte::event::{AttachmentKind, Message};
///
/// let json = r#"{"_id":"m1","rid":"GENERAL","attachments":[
///     {"text":"what was said","author_name":"ann","message_link":"https://chat.example.org/channel/general?msg=m0"}]}"#;
/// let quote = Message::from_json(json)?.attachments().remove(0);
/// assert_eq!(quote.kind(), AttachmentKind::Quote);
/// assert_eq!(quote.quoted_message_id().unwrap(), "m0");
/// # Ok::<_, rocketbotte::event::MessageError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct MessageAttachment(Value);

/// What a [`MessageAttachment`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AttachmentKind {
    /// An uploaded file.
    File,
    /// A file that was deleted.
    RemovedFile,
    /// Another message, quoted.
    Quote,
    /// Text, fields, a picture, buttons: what programs attach.
    Other,
}

/// A short piece of text with a title, in an attachment.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AttachmentField {
    /// The title.
    pub title: String,
    /// The text.
    pub value: String,
    /// Whether it may stand beside another one.
    pub is_short: bool,
}

/// A button of an attachment.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AttachmentAction {
    /// What it says.
    pub text: String,
    /// The address that it opens.
    pub url: Option<String>,
    /// The text that it writes.
    pub message: Option<String>,
}

impl MessageAttachment {
    pub(super) fn read(value: &Value) -> Option<Self> {
        value.is_object().then(|| Self(value.clone()))
    }

    /// What it is.
    pub fn kind(&self) -> AttachmentKind {
        match self.get_text("type") {
            Some("file") => AttachmentKind::File,
            Some("removed-file") => AttachmentKind::RemovedFile,
            _ if self.get_text("message_link").is_some() => AttachmentKind::Quote,
            _ => AttachmentKind::Other,
        }
    }

    /// The title; of a file its name.
    pub fn title(&self) -> Option<&str> {
        self.get_text("title")
    }

    /// Where the title leads to; of a file where it is on the server, below the server's address.
    pub fn title_link(&self) -> Option<&str> {
        self.get_text("title_link")
    }

    /// The text; of a quote what was said.
    pub fn text(&self) -> Option<&str> {
        self.get_text("text")
    }

    /// What is said of a file.
    pub fn description(&self) -> Option<&str> {
        self.get_text("description")
    }

    /// What stands above.
    pub fn pretext(&self) -> Option<&str> {
        self.get_text("pretext")
    }

    /// The author's name; of a quote the user name of who said it. Anybody may write any: it is no identity.
    pub fn author_name(&self) -> Option<&str> {
        self.get_text("author_name")
    }

    /// The colour of its edge, as CSS writes it.
    pub fn color(&self) -> Option<&str> {
        self.get_text("color")
    }

    /// When it was made; of a quote when it was said.
    pub fn created_at(&self) -> Option<Timestamp> {
        timestamp(&self.0, "ts")
    }

    /// The upload, where it is one and the server names it here (from 6.x on; else see
    /// [`Message::files`](super::Message::files)).
    pub fn file_id(&self) -> Option<FileId> {
        object_text(&self.0, "fileId").map(FileId::from)
    }

    /// The picture, sound or film in it.
    pub fn media(&self) -> Option<Media> {
        Media::read(&self.0)
    }

    /// The message that a quote quotes.
    pub fn quoted_message_id(&self) -> Option<MessageId> {
        let (_, id) = self.get_text("message_link")?.rsplit_once("msg=")?;
        let id = id.split(['&', '#']).next().filter(|id| !id.is_empty())?;
        Some(MessageId::from(id))
    }

    /// Its short pieces of text with titles.
    pub fn fields(&self) -> Vec<AttachmentField> {
        let read = |value: &Value| {
            Some(AttachmentField {
                title: object_text(value, "title")?,
                value: object_text(value, "value").unwrap_or_default(),
                is_short: value.get("short") == Some(&Value::Bool(true)),
            })
        };
        self.list("fields").filter_map(read).collect()
    }

    /// Its buttons.
    pub fn actions(&self) -> Vec<AttachmentAction> {
        let read = |value: &Value| {
            Some(AttachmentAction {
                text: object_text(value, "text")?,
                url: object_text(value, "url"),
                message: object_text(value, "msg"),
            })
        };
        self.list("actions").filter_map(read).collect()
    }

    /// What is attached to it in turn: of a quote the attachments of what was quoted.
    pub fn attachments(&self) -> Vec<Self> {
        self.list("attachments").filter_map(Self::read).collect()
    }

    /// Any other field.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    fn get_text(&self, name: &str) -> Option<&str> {
        text(&self.0, name)
    }

    fn list(&self, name: &str) -> impl Iterator<Item = &Value> {
        self.0.get(name).and_then(Value::as_array).into_iter().flatten()
    }
}
