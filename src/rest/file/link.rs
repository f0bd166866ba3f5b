//! Links to files: which of them the client follows, and with which limits. Pure.

use std::fmt;
use std::sync::Arc;

use http::Uri;
use http::uri::Scheme;

use super::Progress;
use super::form::OnProgress;
use super::upload::is_segment;
use crate::event::File;
use crate::rest::error::{RestError, RestErrorKind};
use crate::server_url::{ServerUrl, push_encoded};

pub(super) const CALL: &str = "GET file-upload";

/// A file to download, by the link that a message has: `/file-upload/ID/NAME`, or the whole address.
///
/// Anybody can write a message with any link. So by default only files of the client's own server are fetched, and of
/// it only what lies where files lie; nothing else that the bot may read there.
///
/// ```
/// use rocketbotte::rest::file::FileLink;
///
/// let link = FileLink::new("/file-upload/A2rXsQfPmD9JXwBtv/note.txt").at_most(1 << 20);
/// ```
#[derive(Clone)]
#[must_use]
pub struct FileLink {
    link: String,
    pub(super) most: Option<u64>,
    allows_other_hosts: bool,
    pub(super) on_progress: Option<OnProgress>,
}

impl FileLink {
    /// The link as it stands in the message.
    pub fn new(link: impl Into<String>) -> Self {
        Self {
            link: link.into(),
            most: None,
            allows_other_hosts: false,
            on_progress: None,
        }
    }

    /// The largest file that is taken, in bytes: any unless set. A larger one is an error before it is read, where the
    /// server says how large it is, and in the middle otherwise.
    pub fn at_most(mut self, bytes: u64) -> Self {
        self.most = Some(bytes);
        self
    }

    /// Also fetches from other hosts, without credentials. Whoever writes a message then has the bot call any address that
    /// it can reach, also within its network: only for links that somebody trustworthy made.
    pub fn from_other_hosts(mut self) -> Self {
        self.allows_other_hosts = true;
        self
    }

    /// Has a function told how far it is, with each piece. It must not block.
    pub fn on_progress(mut self, on_progress: impl Fn(Progress) + Send + Sync + 'static) -> Self {
        self.on_progress = Some(Arc::new(on_progress));
        self
    }

    /// Where it leads.
    pub(super) fn resolve(&self, server: &ServerUrl) -> Result<Uri, RestError> {
        let refuse = |why: &str| {
            let link = self.link.split(['?', '#']).next().unwrap_or_default();
            let message = format!("{:?} {why}", crate::excerpt::excerpt(link, 120));
            Err(RestError::new(RestErrorKind::InvalidCall, CALL, message))
        };
        let own = match self.link.split_once("://") {
            None => Some(self.link.as_str()),
            Some(_) => match self.link.parse::<Uri>() {
                Ok(uri) if server.is_origin_of(&uri) => {
                    Some(&self.link[self.link.find("://").map_or(0, |at| at + 3)..])
                        .map(|rest| rest.find('/').map_or("", |at| &rest[at..]))
                }
                Ok(uri) if self.allows_other_hosts && is_web(&uri) => return Ok(uri),
                Ok(_) if self.allows_other_hosts => return refuse("is no address of the web"),
                Ok(_) => return refuse("is on another host"),
                Err(_) => return refuse("is no address"),
            },
        };
        let path = own
            .unwrap_or_default()
            .split(['?', '#'])
            .next()
            .unwrap_or_default();
        let path = path.strip_prefix(server.subpath()).unwrap_or(path);
        let Some((id, name)) = id_and_name(path) else {
            return refuse("is no file of the server");
        };
        let path = format!("file-upload/{id}/{name}");
        server
            .rest_uri(&path, &[])
            .or_else(|_| refuse("is no file of the server"))
    }
}

fn is_web(uri: &Uri) -> bool {
    let is_web = uri.scheme() == Some(&Scheme::HTTP) || uri.scheme() == Some(&Scheme::HTTPS);
    // User names and passwords are not sent, and not shown in errors.
    is_web
        && uri
            .authority()
            .is_some_and(|authority| !authority.as_str().contains('@'))
}

/// The id of a file and its name, encoded anew: a name may be made of dots and slashes.
fn id_and_name(path: &str) -> Option<(&str, String)> {
    let path = path.strip_prefix('/').unwrap_or(path);
    let rest = match path.strip_prefix("ufs/") {
        // The address of before, with the name of a store. Later servers do not have it.
        Some(rest) => rest.split_once('/')?.1,
        None => path.strip_prefix("file-upload/")?,
    };
    let (id, name) = rest.split_once('/').unwrap_or((rest, ""));
    let is_id = is_segment(id) && id != "." && id != "..";
    is_id.then(|| (id, encoded(&decoded(name))))
}

fn decoded(text: &str) -> Vec<u8> {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let hex = (*byte == b'%').then(|| text.get(at + 1..at + 3)).flatten();
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) => {
                out.push(byte);
                at += 3;
            }
            None => {
                out.push(*byte);
                at += 1;
            }
        }
    }
    out
}

/// A name as one part of a path. The server finds a file by its id alone.
fn encoded(name: &[u8]) -> String {
    let name = String::from_utf8_lossy(name);
    if name.chars().all(|character| character == '.') {
        return "file".to_owned();
    }
    let mut out = String::new();
    push_encoded(&mut out, &name);
    out
}

/// Where a file lies.
pub(super) fn path_of(id: &str, name: &str) -> String {
    format!("/file-upload/{id}/{}", encoded(name.as_bytes()))
}

impl fmt::Debug for FileLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileLink")
            .field("link", &self.link.split('?').next())
            .field("most", &self.most)
            .finish_non_exhaustive()
    }
}

impl From<&str> for FileLink {
    fn from(link: &str) -> Self {
        Self::new(link)
    }
}

impl From<String> for FileLink {
    fn from(link: String) -> Self {
        Self::new(link)
    }
}

/// A file that a message carries.
///
/// ```
/// use rocketbotte::event::Message;
/// use rocketbotte::rest::file::FileLink;
///
/// let json = r#"{"_id":"m1","rid":"GENERAL","msg":"","file":{"_id":"f1","name":"plan.pdf"}}"#;
/// let file = Message::from_json(json)?.files().remove(0);
/// let link = FileLink::from(&file).at_most(1 << 20);
/// # Ok::<_, rocketbotte::event::MessageError>(())
/// ```
impl From<&File> for FileLink {
    fn from(file: &File) -> Self {
        Self::new(file.path())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_links_lead() {
        let server: ServerUrl = "https://example.org/chat".parse().expect("an address");
        for (link, leads) in [
            ("/file-upload/F1/a.txt", Some("/file-upload/F1/a.txt")),
            ("/chat/file-upload/F1/a.txt", Some("/file-upload/F1/a.txt")),
            (
                "https://example.org/chat/file-upload/F1/a%20b.txt",
                Some("/file-upload/F1/a%20b.txt"),
            ),
            (
                "https://example.org/file-upload/F1/a?rc_token=x#y",
                Some("/file-upload/F1/a"),
            ),
            ("/ufs/GridFS:Uploads/F1/a.txt", Some("/file-upload/F1/a.txt")),
            ("/file-upload/F1", Some("/file-upload/F1/file")),
            ("/file-upload/F1/..", Some("/file-upload/F1/file")),
            ("/file-upload/F1/%2e%2e", Some("/file-upload/F1/file")),
            (
                "/file-upload/F1/../../api/v1/me",
                Some("/file-upload/F1/..%2F..%2Fapi%2Fv1%2Fme"),
            ),
            (
                "/file-upload/F1/a%2f..%ff%",
                Some("/file-upload/F1/a%2F..%EF%BF%BD%25"),
            ),
            ("/file-upload/../api/v1/me", None),
            ("/file-upload/%2e%2e/api/v1/me", None),
            ("/file-upload//a", None),
            ("/api/v1/me", None),
            ("/avatar/ann", None),
            ("", None),
            ("https://example.org", None),
            ("https://example.org:444/chat/file-upload/F1/a", None),
            ("http://example.org/chat/file-upload/F1/a", None),
            ("https://evil.example/file-upload/F1/a", None),
            ("https://example.org@evil.example/file-upload/F1/a", None),
            ("//evil.example/file-upload/F1/a", None),
            ("file:///etc/passwd", None),
            ("http://[broken/", None),
        ] {
            let uri = FileLink::new(link).resolve(&server);
            let leads = leads.map(|path| format!("https://example.org/chat{path}"));
            assert_eq!(
                uri.as_ref().ok().map(ToString::to_string),
                leads,
                "{link}: {uri:?}"
            );
        }
        let other = |link: &str| FileLink::new(link).from_other_hosts().resolve(&server).is_ok();
        assert!(
            other("http://files.example/x?y")
                && !other("file:///etc/passwd")
                && !other("https://a:b@x.example/")
        );
    }
}
