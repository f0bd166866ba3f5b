//! A file to be posted.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use serde::de::Error as _;
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::send::without_sign;
use super::{DerivedIds, Destination, Thread};
use crate::event::{MessageId, RoomId};

/// The largest file of bytes that a journal keeps until the server takes it. Files on disk are kept by their path.
const MOST_KEPT: usize = 256 * 1024;

/// Posts a file, from bytes or from a path, with or without a text.
///
/// A value like the other actions: a handler returns it, tests compare it, and the file is read when it is carried out.
/// Where a journal is used and the server can not be reached, a file on disk is kept by its path, and bytes as they are up
/// to 256 KiB; larger ones are given up.
///
/// The id of a file's message is the server's choice. So, unlike a text, it is posted at most once: when an answer is
/// lost the message is looked for, and what was begun before a crash, as far as a journal tells, is not begun again.
///
/// ```
/// use rocketbotte::response::{Thread, Upload};
///
/// let report = Upload::from_bytes("report.csv", "name,count\nann,3\n")
///     .message("Here it is.")
///     .described("Messages of this week")
///     .in_thread(Thread::Always);
/// assert_eq!(report.name(), "report.csv");
///
/// let plan = Upload::from_path("/srv/plans/house.pdf").named("plan.pdf");
/// assert_eq!(plan.name(), "plan.pdf");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Upload<S = FileSource> {
    pub(crate) source: S,
    #[serde(flatten)]
    pub(crate) fields: Box<UploadFields>,
}

/// What a file is read from: bytes, or a path on this machine. A relative path begins where the process runs. In an action
/// that a sink is given it may be a stream: see [`Upload::is_stream`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileSource(pub(crate) UploadSource);

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum UploadSource {
    Bytes(Bytes),
    Path(PathBuf),
    /// A stream of which no more is known: in recordings.
    Stream,
    /// On its way from a handler that runs to the sink. Copies are of the same stream.
    #[cfg(feature = "client")]
    Transfer(Box<crate::rest::file::Transfer>),
}

/// All but the file itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct UploadFields {
    pub(crate) name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) content_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) description: Option<String>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) text: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) room_id: Option<RoomId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) destination: Option<Destination>,
    pub(crate) thread: Thread,
    pub(crate) allows_group_mentions: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ids: Option<DerivedIds>,
}

impl Upload {
    /// A file with these bytes.
    pub fn from_bytes(name: impl Into<String>, bytes: impl Into<Bytes>) -> Self {
        Self::with(FileSource(UploadSource::Bytes(bytes.into())), name.into())
    }

    /// A file on this machine, under its own name. It is read when it is sent, and has to be there until then.
    pub fn from_path(path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        let name = path
            .file_name()
            .map_or(Cow::Borrowed("file"), |name| name.to_string_lossy());
        let name = name.into_owned();
        Self::with(FileSource(UploadSource::Path(path)), name)
    }

    /// The path, for a file on this machine.
    pub fn path(&self) -> Option<&Path> {
        match self.source.value()? {
            UploadSource::Path(path) => Some(path),
            _ => None,
        }
    }

    /// The bytes, for a file that is made of them.
    pub fn bytes(&self) -> Option<&Bytes> {
        match self.source.value()? {
            UploadSource::Bytes(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// Whether it is read from a stream, which only a sink sees, of what a handler gives to
    /// [`Outbox::upload`](crate::extract::Outbox::upload). Copies of the action share the stream: whichever is sent first
    /// reads it, for the others it is an error. It is equal to its copies only, and its stored form has nothing to read.
    pub fn is_stream(&self) -> bool {
        self.source.value().is_none()
    }

    /// Whether a journal keeps it.
    pub(crate) fn is_storable(&self) -> bool {
        match &self.source.0 {
            UploadSource::Bytes(bytes) => bytes.len() <= MOST_KEPT,
            UploadSource::Path(path) => path.to_str().is_some(),
            UploadSource::Stream => false,
            #[cfg(feature = "client")]
            UploadSource::Transfer(_) => false,
        }
    }
}

impl FileSource {
    /// Bytes or path, if that is what it is in the end.
    fn value(&self) -> Option<&UploadSource> {
        match &self.0 {
            #[cfg(feature = "client")]
            UploadSource::Transfer(transfer) => transfer.value(),
            UploadSource::Stream => None,
            value => Some(value),
        }
    }

    /// What a recording has of it.
    #[cfg(all(feature = "client", feature = "test-util"))]
    pub(crate) fn as_recorded(&self) -> Self {
        Self(self.value().cloned().unwrap_or(UploadSource::Stream))
    }
}

impl<S> Upload<S> {
    pub(crate) fn with(source: S, name: String) -> Self {
        let fields = Box::new(UploadFields {
            name,
            ..UploadFields::default()
        });
        Self { source, fields }
    }

    /// Gives it another name. The server makes the type of the file out of what it ends with, unless
    /// [`content_type`](Self::content_type) says it.
    #[must_use]
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.fields.name = name.into();
        self
    }

    /// Says the media type, such as `text/csv`; by default it follows from the name. A server may refuse some.
    #[must_use]
    pub fn content_type(mut self, content_type: impl Into<String>) -> Self {
        self.fields.content_type = Some(content_type.into());
        self
    }

    /// Describes the file, in the box below the text.
    #[must_use]
    pub fn described(mut self, description: impl Into<String>) -> Self {
        self.fields.description = Some(description.into());
        self
    }

    /// The text of the message that shows the file.
    #[must_use]
    pub fn message(mut self, text: impl Into<String>) -> Self {
        self.fields.text = text.into();
        self
    }

    /// Posts it to a room by its id, instead of where the event happened.
    #[must_use]
    pub fn to(mut self, room_id: impl Into<RoomId>) -> Self {
        self.fields.room_id = Some(room_id.into());
        self.fields.destination = None;
        self
    }

    /// Posts it to the direct conversation with somebody, by the user name; it is made if there is none. As an action, not
    /// by [`Client::upload`](crate::rest::Client::upload), which says itself where.
    #[must_use]
    pub fn to_user(self, username: impl Into<String>) -> Self {
        self.destined_for(Destination::User(without_sign(username.into(), '@')))
    }

    /// Posts it to a room by its name. As [`to_user`](Self::to_user), as an action.
    #[must_use]
    pub fn to_room_named(self, name: impl Into<String>) -> Self {
        self.destined_for(Destination::RoomNamed(without_sign(name.into(), '#')))
    }

    fn destined_for(mut self, destination: Destination) -> Self {
        self.fields.room_id = None;
        self.fields.destination = Some(destination);
        self
    }

    /// Says in which thread it goes. Outside of a handler only [`Thread::Of`] means anything.
    #[must_use]
    pub fn in_thread(mut self, thread: Thread) -> Self {
        self.fields.thread = thread;
        self
    }

    /// Lets `@all` and `@here` in text and description notify everybody. They are neutralised otherwise.
    #[must_use]
    pub fn allow_group_mentions(mut self) -> Self {
        self.fields.allows_group_mentions = true;
        self
    }

    /// The name of the file.
    pub fn name(&self) -> &str {
        &self.fields.name
    }

    /// The text of the message.
    pub fn content(&self) -> &str {
        &self.fields.text
    }

    /// What describes the file.
    pub fn description(&self) -> Option<&str> {
        self.fields.description.as_deref()
    }

    /// The room; `None` while it is where the event happened.
    pub fn room_id(&self) -> Option<&RoomId> {
        self.fields.room_id.as_ref()
    }

    /// Where it goes by something else than a room's id.
    pub fn destination(&self) -> Option<&Destination> {
        self.fields.destination.as_ref()
    }

    /// In which thread.
    pub fn thread(&self) -> &Thread {
        &self.fields.thread
    }

    /// The thread's message, once the action is resolved.
    pub fn thread_id(&self) -> Option<&MessageId> {
        self.fields.thread.id()
    }

    /// The same file, from something else to read.
    #[cfg(feature = "client")]
    pub(crate) fn map_source<T>(self, map: impl FnOnce(S) -> T) -> Upload<T> {
        Upload {
            source: map(self.source),
            fields: self.fields,
        }
    }
}

/// How it is stored. Bytes are Base64.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum StoredForm<'a> {
    Bytes(Cow<'a, str>),
    Path(Cow<'a, str>),
    Stream,
}

impl Serialize for FileSource {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let form = match self.value().unwrap_or(&UploadSource::Stream) {
            UploadSource::Bytes(bytes) => StoredForm::Bytes(data_encoding::BASE64.encode(bytes).into()),
            UploadSource::Path(path) => match path.to_str() {
                Some(path) => StoredForm::Path(path.into()),
                None => return Err(S::Error::custom("a path that is no Unicode has no stored form")),
            },
            UploadSource::Stream => StoredForm::Stream,
            // Of a value there is the value.
            #[cfg(feature = "client")]
            UploadSource::Transfer(_) => StoredForm::Stream,
        };
        form.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for FileSource {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self(match StoredForm::deserialize(deserializer)? {
            StoredForm::Path(path) => UploadSource::Path(path.into_owned().into()),
            StoredForm::Stream => UploadSource::Stream,
            StoredForm::Bytes(text) => {
                let bytes = data_encoding::BASE64.decode(text.as_bytes());
                UploadSource::Bytes(bytes.map_err(D::Error::custom)?.into())
            }
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_journal_keeps_paths_and_small_files() {
        let bytes = |length| Upload::from_bytes("x", vec![0; length]);
        assert!(bytes(MOST_KEPT).is_storable() && !bytes(MOST_KEPT + 1).is_storable());
        assert!(Upload::from_path("/a/large.iso").is_storable());
    }

    #[test]
    fn a_path_names_its_file() {
        for (path, name) in [
            ("/a/b.pdf", "b.pdf"),
            ("b.pdf", "b.pdf"),
            ("/", "file"),
            ("..", "file"),
        ] {
            assert_eq!(Upload::from_path(path).name(), name, "{path}");
        }
    }
}
