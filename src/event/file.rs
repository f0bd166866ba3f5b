//! Files and links that a message carries.

use serde_json::{Map, Value};

use super::FileId;
use super::rare::{count, object_text, text};

/// A file that was uploaded with a message.
///
/// ```
/// use rocketbotte::event::Message;
///
/// let json = r#"{"_id":"m1","rid":"GENERAL","msg":"","files":[{"_id":"f1","name":"a plan.pdf","type":"application/pdf","size":7}]}"#;
/// let file = Message::from_json(json)?.files().remove(0);
/// assert_eq!(file.path(), "/file-upload/f1/a%20plan.pdf");
/// assert_eq!(file.size, Some(7));
/// # Ok::<_, rocketbotte::event::MessageError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct File {
    /// The `_id` of the upload.
    pub id: FileId,
    /// The name that it was given. It comes from whoever uploaded it: it is no path to write to.
    pub name: String,
    /// The media type, such as `image/png`, as the uploader said.
    pub content_type: Option<String>,
    /// Bytes.
    pub size: Option<u64>,
}

impl File {
    pub(super) fn read(value: &Value) -> Option<Self> {
        Some(Self {
            id: FileId::from(object_text(value, "_id")?),
            name: object_text(value, "name").unwrap_or_default(),
            content_type: object_text(value, "type"),
            size: count(value, "size"),
        })
    }

    /// Where it is on the server, below the server's address. It is given out to those who may read the room.
    pub fn path(&self) -> String {
        let mut path = format!("/file-upload/{}/", encoded(self.id.as_str()));
        path.push_str(&encoded(&self.name));
        path
    }
}

/// As JavaScript's `encodeURIComponent`: what is left as it is has no meaning in a path.
fn encoded(text: &str) -> String {
    use std::fmt::Write as _;

    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'~' => out.push(char::from(byte)),
            // A name of dots would be a step up.
            b'.' if text.bytes().any(|byte| byte != b'.') => out.push('.'),
            // Writing to a `String` does not fail.
            _ => drop(write!(out, "%{byte:02X}")),
        }
    }
    out
}

/// A link in the text of a message.
///
/// ```
/// use rocketbotte::event::Message;
///
/// let json = r#"{"_id":"m1","rid":"GENERAL","urls":[{"url":"https://example.org","meta":{"pageTitle":"Example"}}]}"#;
/// let link = Message::from_json(json)?.links().remove(0);
/// assert_eq!(link.title().unwrap(), "Example");
/// # Ok::<_, rocketbotte::event::MessageError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Link {
    /// The address.
    pub url: String,
    /// What the page says of itself, as the server read it: `pageTitle`, `ogTitle`, `description` and the like.
    pub meta: Map<String, Value>,
    /// The page's media type, where the server asked.
    pub content_type: Option<String>,
}

impl Link {
    pub(super) fn read(value: &Value) -> Option<Self> {
        let object = |name: &str| value.get(name).and_then(Value::as_object).cloned();
        Some(Self {
            url: object_text(value, "url")?,
            meta: object("meta").unwrap_or_default(),
            content_type: value
                .get("headers")
                .and_then(|headers| object_text(headers, "contentType")),
        })
    }

    /// The page's title, where the server read one.
    pub fn title(&self) -> Option<&str> {
        self.first_of(&["ogTitle", "twitterTitle", "pageTitle", "oembedTitle"])
    }

    /// What the page says that it is about.
    pub fn description(&self) -> Option<&str> {
        self.first_of(&["ogDescription", "twitterDescription", "description"])
    }

    fn first_of(&self, names: &[&str]) -> Option<&str> {
        names.iter().find_map(|name| {
            let text = self.meta.get(*name)?.as_str()?;
            (!text.is_empty()).then_some(text)
        })
    }
}

/// Something that can be seen, heard or downloaded, in an attachment.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Media {
    /// Picture, sound or film.
    pub kind: MediaKind,
    /// Where it is: an address, or a path below the server's.
    pub url: String,
    /// The media type, such as `image/png`.
    pub content_type: Option<String>,
    /// Bytes.
    pub size: Option<u64>,
}

/// The kind of a [`Media`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum MediaKind {
    /// A picture.
    Image,
    /// Sound.
    Audio,
    /// A film.
    Video,
}

impl Media {
    pub(super) fn read(value: &Value) -> Option<Self> {
        let of = |kind, name: &str| {
            let url = text(value, &format!("{name}_url"))?.to_owned();
            Some(Self {
                kind,
                url,
                content_type: object_text(value, &format!("{name}_type")),
                size: count(value, &format!("{name}_size")),
            })
        };
        of(MediaKind::Image, "image")
            .or_else(|| of(MediaKind::Video, "video"))
            .or_else(|| of(MediaKind::Audio, "audio"))
    }
}
