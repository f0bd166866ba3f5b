//! Uploaded files: what is kept of them, who may have them, and the message that shows one.

use std::collections::{BTreeMap, VecDeque};

use axum::body::Bytes;
use base64::prelude::{BASE64_STANDARD, Engine as _};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value, json};

use super::{State, random_id};
use crate::sandbox::refusal::Refusal;

/// Bytes and files kept; beyond it the oldest are forgotten.
const BYTES_KEPT: usize = 256 * 1024 * 1024;
const FILES_KEPT: usize = 10_000;
/// An upload that nobody confirms is gone after a day.
const UNCONFIRMED_MS: i64 = 24 * 60 * 60 * 1000;
/// Pixels and bytes of a picture that is small enough to be its own preview.
const PREVIEW_PIXELS: usize = 32;
const PREVIEW_BYTES: usize = 8 * 1024;
/// Characters kept of a name.
const NAME_MAX: usize = 255;

/// A file as it was sent.
#[derive(Debug, Clone)]
pub(crate) struct Upload {
    pub(crate) name: String,
    /// The media type.
    pub(crate) kind: String,
    pub(crate) bytes: Bytes,
}

#[derive(Debug)]
pub(crate) struct StoredFile {
    pub(crate) upload: Upload,
    pub(crate) uid: String,
    pub(crate) rid: String,
    at: i64,
    /// The messages that show it; empty until it is confirmed.
    messages: Vec<String>,
}

/// All files, oldest first in `order`.
#[derive(Debug, Default)]
pub(crate) struct Files {
    by_id: BTreeMap<String, StoredFile>,
    order: VecDeque<String>,
    bytes: usize,
}

impl Files {
    pub(crate) fn get(&self, id: &str) -> Option<&StoredFile> {
        self.by_id.get(id)
    }

    fn insert(&mut self, id: String, file: StoredFile) {
        self.bytes += file.upload.bytes.len();
        self.order.push_back(id.clone());
        self.by_id.insert(id, file);
        while self.bytes > BYTES_KEPT || self.by_id.len() > FILES_KEPT {
            let Some(oldest) = self.order.front().cloned() else {
                break;
            };
            self.remove(&oldest);
        }
    }

    fn remove(&mut self, id: &str) {
        if let Some(file) = self.by_id.remove(id) {
            self.bytes -= file.upload.bytes.len();
            self.order.retain(|known| known != id);
        }
    }

    /// Forgets what nobody confirmed in time.
    fn expire(&mut self, now: i64) {
        let late = |file: &StoredFile| file.messages.is_empty() && now - file.at >= UNCONFIRMED_MS;
        while let Some(oldest) = self.order.iter().find(|id| self.by_id.get(*id).is_some_and(late)) {
            let oldest = oldest.clone();
            self.remove(&oldest);
        }
    }
}

impl StoredFile {
    /// The path of the download, below the root of the server.
    pub(crate) fn path(&self, id: &str) -> String {
        format!("/file-upload/{id}/{}", encoded(&self.upload.name))
    }

    /// The message that showed it last.
    pub(crate) fn message(&self) -> Option<&str> {
        self.messages.last().map(String::as_str)
    }

    /// What the message says of the file itself.
    fn about(&self, id: &str) -> Value {
        json!({
            "_id": id,
            "name": self.upload.name,
            "type": self.upload.kind,
            "size": self.upload.bytes.len(),
            "format": "",
        })
    }

    fn attachment(&self, id: &str, description: Option<&str>) -> Value {
        let path = self.path(id);
        let (name, kind, size) = (&self.upload.name, &self.upload.kind, self.upload.bytes.len());
        let mut attachment = json!({
            "title": name,
            "type": "file",
            "title_link": path,
            "title_link_download": true,
            "fileId": id,
        });
        let more = match kind.split('/').next() {
            Some("image") => {
                let mut image = json!({ "image_url": path, "image_type": kind, "image_size": size });
                if let Ok(size) = imagesize::blob_size(&self.upload.bytes) {
                    image["image_dimensions"] = json!({ "width": size.width, "height": size.height });
                    let is_small = size.width <= PREVIEW_PIXELS && size.height <= PREVIEW_PIXELS;
                    if is_small && self.upload.bytes.len() <= PREVIEW_BYTES {
                        image["image_preview"] = json!(BASE64_STANDARD.encode(&self.upload.bytes));
                    }
                }
                image
            }
            Some("audio") => json!({ "audio_url": path, "audio_type": kind, "audio_size": size }),
            Some("video") => json!({ "video_url": path, "video_type": kind, "video_size": size }),
            _ => {
                let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
                json!({ "format": extension.to_uppercase(), "size": size })
            }
        };
        if let (Some(object), Value::Object(more)) = (attachment.as_object_mut(), more) {
            object.extend(more);
            if let Some(description) = description {
                object.insert("description".into(), json!(description));
            }
        }
        attachment
    }
}

/// What `encodeURI` of JavaScript leaves as it is, without the signs that would end the path.
const IN_PATH: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'!')
    .remove(b'~')
    .remove(b'*')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')');

/// A name as part of a path.
fn encoded(name: &str) -> String {
    utf8_percent_encode(name, IN_PATH).to_string()
}

impl State {
    /// Keeps a file for a room. Returns its id.
    pub(crate) fn upload(&mut self, uid: &str, rid: &str, mut upload: Upload) -> Result<String, Refusal> {
        let size = upload.bytes.len();
        if size == 0 {
            let reason = "File size (size = 0) is too small (min = 1)";
            return Err(Refusal::coded("file-too-small", reason));
        }
        let most = self
            .settings
            .get("FileUpload_MaxFileSize")
            .and_then(Value::as_u64);
        if most.is_some_and(|most| size as u64 > most) {
            return Err(Refusal::coded("error-file-too-large", ""));
        }
        self.check_media_type(&upload.kind)?;
        if upload.name.chars().count() > NAME_MAX {
            upload.name = upload.name.chars().take(NAME_MAX).collect();
        }
        let (id, at) = (random_id(), self.now());
        let file = StoredFile {
            upload,
            uid: uid.to_owned(),
            rid: rid.to_owned(),
            at,
            messages: Vec::new(),
        };
        self.files.expire(at);
        self.files.insert(id.clone(), file);
        self.touch();
        Ok(id)
    }

    /// The white list wins over the black list; an entry may end in `/*`.
    fn check_media_type(&self, kind: &str) -> Result<(), Refusal> {
        let list = |setting: &str| {
            let text = self
                .settings
                .get(setting)
                .and_then(Value::as_str)
                .unwrap_or_default();
            text.split(',')
                .map(|entry| entry.trim().to_owned())
                .filter(|entry| !entry.is_empty())
                .collect::<Vec<_>>()
        };
        let fits = |entry: &String| match entry.strip_suffix('*') {
            Some(start) => kind.starts_with(start),
            None => entry == kind,
        };
        let (white, black) = (
            list("FileUpload_MediaTypeWhiteList"),
            list("FileUpload_MediaTypeBlackList"),
        );
        let accepted = match white.is_empty() {
            false => white.iter().any(fits),
            true => !black.iter().any(fits),
        };
        match accepted {
            true => Ok(()),
            false => Err(Refusal::coded(
                "error-invalid-file-type",
                "File type is not accepted.",
            )),
        }
    }

    /// Shows an uploaded file in its room; `draft` has the text and whatever else the message shall have. Done twice, it is
    /// shown twice.
    pub(crate) fn show_file(
        &mut self,
        uid: &str,
        rid: &str,
        id: &str,
        mut draft: Map<String, Value>,
    ) -> Result<String, Refusal> {
        let now = self.now();
        self.files.expire(now);
        let own = |file: &&StoredFile| file.uid == uid && file.rid == rid;
        let file = self.files.get(id).filter(own);
        let file = file.ok_or_else(|| Refusal::coded("invalid-file", ""))?;
        let description = draft.remove("description");
        let description = description.as_ref().and_then(Value::as_str);
        self.check_size(description.unwrap_or_default(), "sendFileMessage")?;
        // The message shows it by this name; its address keeps the one it came with.
        let renamed = draft.remove("fileName");
        let name = renamed
            .as_ref()
            .and_then(Value::as_str)
            .filter(|name| !name.is_empty());
        let (mut about, mut attachment) = (file.about(id), file.attachment(id, description));
        if let Some(name) = name {
            about["name"] = json!(name);
            attachment["title"] = json!(name);
        }
        draft.insert("rid".into(), json!(rid));
        draft.entry("msg").or_insert_with(|| json!(""));
        draft.entry("groupable").or_insert_with(|| json!(false));
        draft.insert("attachments".into(), json!([attachment]));
        draft.insert("files".into(), json!([about]));
        draft.insert("file".into(), about);
        let message = self.send_message(uid, draft)?.ok_or(Refusal::Bare)?;
        if let Some(file) = self.files.by_id.get_mut(id) {
            file.messages.push(message.clone());
        }
        Ok(message)
    }

    /// A message is gone: so is the file that no other one shows.
    pub(crate) fn forget_files(&mut self, message: &str) {
        let mut ended = Vec::new();
        for (id, file) in &mut self.files.by_id {
            if file.messages.iter().any(|shown| shown == message) {
                file.messages.retain(|shown| shown != message);
                if file.messages.is_empty() {
                    ended.push(id.clone());
                }
            }
        }
        for id in ended {
            self.files.remove(&id);
        }
    }

    /// Whether a caller, or nobody, may have the file.
    pub(crate) fn may_download(&self, uid: Option<&str>, file: &StoredFile) -> bool {
        if self.settings.get("FileUpload_ProtectFiles") == Some(&json!(false)) {
            return true;
        }
        let Some(uid) = uid else { return false };
        let members_only = self.settings.get("FileUpload_Restrict_to_room_members") != Some(&json!(false));
        let member = self
            .rooms
            .get(&file.rid)
            .is_some_and(|room| room.members.contains_key(uid));
        member || !members_only
    }
}
