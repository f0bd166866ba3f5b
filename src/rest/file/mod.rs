//! Files, up and down, as streams: however large one is, some hundred kilobytes of it are in memory.
//!
//! ```no_run
//! # async fn example(client: rocketbotte::rest::Client) -> Result<(), rocketbotte::rest::RestError> {
//! use rocketbotte::response::Upload;
//!
//! let report = Upload::from_path("report.pdf").message("The report of this week.");
//! let sent = client.upload("GENERAL", report.on_progress(|sent| println!("{} bytes", sent.bytes))).await?;
//!
//! client.download(sent.path()).await?.save_to("copy.pdf").await?;
//! # Ok(())
//! # }
//! ```
//!
//! # Up
//!
//! A file goes up in two steps: it is sent, which shows it to nobody, and then a message is posted that shows it. If the
//! first step is cut there is no message, and the server forgets the rest. It is made again as other calls are, where the
//! file can be read from its beginning: from bytes or a path, and never from a stream.
//!
//! The second step can not be repeated, since the server would post a second message. Where its answer is lost the
//! message is looked for in the room, by the id of the file; if it is not to be found,
//! [`Unconfirmed`](super::RestErrorKind::Unconfirmed) says that nobody knows. So the message is posted at most once.
//!
//! Servers before 6.12 have one step for both. What is lost on the way of that is not looked for.
//!
//! # Down
//!
//! A download that is cut goes on from there, if the server can do so, and is an error otherwise.
//! [`save_to`](Download::save_to) writes beside the file and gives it its name at the end, so there is never half a file.
//!
//! Credentials go to the server of the client and to no other host, whatever a message links to and wherever a redirect
//! leads.

mod confirm;
mod download;
pub(super) mod form;
pub(super) mod limits;
mod link;
mod perform;
mod save;
mod transfer;
mod upload;

pub use self::download::{Download, DownloadReader};
pub use self::link::FileLink;
pub(crate) use self::perform::perform;
pub use self::transfer::Transfer;
pub use self::upload::Uploaded;

/// How far a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// How many bytes of it have moved. When an upload is made again it begins at the start.
    pub bytes: u64,
    /// How many there are, where that is known.
    pub total: Option<u64>,
}
