//! The calls that files go up by. [`Client::upload`](crate::rest::Client::upload) makes them.

use http::Method;
use serde::{Deserialize, Serialize};

use super::{Endpoint, lenient};
use crate::event::{FileId, MessageId, RoomId};
use crate::rest::Version;

/// `POST rooms.media/ROOM`: sends a file, which shows it to nobody. A form with the file, which
/// [`Client::upload`](crate::rest::Client::upload) writes.
#[derive(Debug, Clone, Copy, Serialize)]
pub enum UploadMedia {}

/// Reply to [`UploadMedia`].
#[derive(Debug, Clone, Deserialize)]
#[non_exhaustive]
pub struct MediaReply {
    /// The file. An answer without it is none.
    pub file: MediaFile,
}

/// A file that was sent.
#[derive(Debug, Clone, Deserialize)]
#[non_exhaustive]
pub struct MediaFile {
    /// Its id.
    #[serde(rename = "_id")]
    pub id: FileId,
    /// Where it can be downloaded, below the server's address.
    #[serde(default, deserialize_with = "lenient::value")]
    pub url: Option<String>,
}

impl Endpoint for UploadMedia {
    const METHOD: Method = Method::POST;
    const PATH: &'static str = "rooms.media";
    // A file that is there twice and that nobody sees is forgotten by the server.
    const IDEMPOTENT: bool = true;
    const SINCE: Option<Version> = Some(Version::new(6, 12));
    const SENSITIVE: bool = true;
    type Reply = MediaReply;
}

/// `POST rooms.mediaConfirm/ROOM/FILE`: posts the message that shows a file, each time that it is called. By
/// [`Client::upload`](crate::rest::Client::upload).
#[derive(Debug, Clone, Serialize)]
pub struct ConfirmMedia {
    #[serde(skip)]
    pub(in crate::rest) room_id: RoomId,
    #[serde(skip)]
    pub(in crate::rest) file_id: FileId,
    #[serde(rename = "msg", skip_serializing_if = "Option::is_none")]
    pub(in crate::rest) text: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::rest) description: Option<String>,
    #[serde(rename = "tmid", skip_serializing_if = "Option::is_none")]
    pub(in crate::rest) thread_id: Option<MessageId>,
}

impl ConfirmMedia {
    pub(in crate::rest) fn path(&self) -> String {
        format!("{}/{}/{}", Self::PATH, self.room_id, self.file_id)
    }
}

/// Reply to [`ConfirmMedia`] and [`UploadInOneStep`].
#[derive(Debug, Clone, Deserialize)]
#[non_exhaustive]
pub struct PostedFileReply {
    /// The message that shows the file.
    #[serde(default, deserialize_with = "lenient::value")]
    pub message: PostedFile,
}

/// The message that shows a file.
#[derive(Debug, Clone, Default, Deserialize)]
#[non_exhaustive]
pub struct PostedFile {
    /// Its id.
    #[serde(rename = "_id", default, deserialize_with = "lenient::value")]
    pub id: Option<MessageId>,
    #[serde(default, deserialize_with = "lenient::value")]
    file: Option<MediaFile>,
}

impl PostedFile {
    /// The id of the file, where the message tells it.
    pub fn file_id(&self) -> Option<&FileId> {
        self.file.as_ref().map(|file| &file.id)
    }
}

impl Endpoint for ConfirmMedia {
    const METHOD: Method = Method::POST;
    const PATH: &'static str = "rooms.mediaConfirm";
    const IDEMPOTENT: bool = false;
    const SINCE: Option<Version> = UploadMedia::SINCE;
    const SENSITIVE: bool = true;
    type Reply = PostedFileReply;
}

/// `POST rooms.upload/ROOM`: posts a file in one step. A form, which [`Client::upload`](crate::rest::Client::upload) writes
/// for servers that have no [`UploadMedia`].
#[derive(Debug, Clone, Copy, Serialize)]
pub enum UploadInOneStep {}

impl Endpoint for UploadInOneStep {
    const METHOD: Method = Method::POST;
    const PATH: &'static str = "rooms.upload";
    const IDEMPOTENT: bool = false;
    const UNTIL: Option<Version> = Some(Version::new(8, 0));
    const SENSITIVE: bool = true;
    type Reply = PostedFileReply;
}
