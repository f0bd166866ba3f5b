//! Records what a bot hears and answers, as lines of JSON, to [replay](super::replay) it later.
//!
//! A [`Recorder`] has a layer, which goes before all others: it sees each event as the server sent it, and what the
//! pipeline inside answers. Secrets are taken out before anything is written:
//!
//! - wherever they stand, also in ids, in names of rooms and routes, and in the names of fields: the bot's own token, and
//!   what [`RecorderBuilder::secret`] names;
//! - in all texts of the same event: what handlers take as [`Secret`](crate::Secret);
//! - in texts and fields, by how it looks: passwords, tokens, private keys, addresses, and what stands behind the host of
//!   a webhook's link. Left as they are are the ids and names that a recording hangs together by: the ids of a message,
//!   of its room and thread, and of who wrote it, the key of an event, and the names of rooms and routes.
//!
//! What looks like nothing special is not found: [`RecorderBuilder::secret`] and [`RecorderBuilder::redact`] are for
//! that. People's names and what else they wrote is kept: a recording is as private as the rooms that it is of. The file
//! can be read by its owner only.
//!
//! ```
//! use rocketbotte::testing::record::Recorder;
//! use rocketbotte::testing::replay::Replay;
//! use rocketbotte::testing::{TestBot, events};
//! use rocketbotte::{Router, command::CommandLayer};
//! use tower::ServiceBuilder;
//!
//! async fn ping() -> &'static str { "pong" }
//! async fn pong() -> &'static str { "ping" }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), rocketbotte::BoxError> {
//! # let path = std::env::temp_dir().join(format!("recording-{}.jsonl", std::process::id()));
//! let app = |router| ServiceBuilder::new().layer(CommandLayer::new("!")).service(router);
//!
//! // Where the bot runs:
//! let recorder = Recorder::to_file(&path)?;
//! let router = Router::new().command("ping", ping);
//! let bot = TestBot::new(ServiceBuilder::new().layer(recorder.layer()).service(app(router)));
//! bot.ask(events::message("!ping")).await;
//! bot.shutdown().await;
//! assert_eq!(recorder.finish().await?.lost, 0);
//!
//! // Where it is changed:
//! let report = Replay::open(&path)?.run(app(Router::new().command("ping", ping))).await?;
//! assert!(report.is_same(), "{report}");
//! let report = Replay::open(&path)?.run(app(Router::new().command("ping", pong))).await?;
//! assert!(report.to_string().contains("- [ping] rocketbotte: pong\n+ [ping] rocketbotte: ping"), "{report}");
//! # std::fs::remove_file(&path)?;
//! # Ok(())
//! # }
//! ```

pub(crate) mod format;
pub(crate) mod job;
mod layer;
mod links;
mod read;
mod redact;
mod stored_event;
pub(crate) mod tap;
mod words;
mod writer;

use std::fmt;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use self::job::{Outlet, Queue};
pub use self::layer::{Record, RecordFuture, RecordLayer};
pub(crate) use self::read::Recording;
pub use self::read::{Damage, RecordingError};
pub(crate) use self::redact::Redactor;
use self::writer::Writer;
pub use self::writer::Written;
use crate::event::Timestamp;

/// Events that wait to be written, and about how many bytes they may hold.
const JOBS: usize = 4096;
const JOBS_BYTES: usize = 32 * 1024 * 1024;
/// Bytes of a file, unless set.
const FILE_BYTES: u64 = 1024 * 1024 * 1024;

/// Records what a bot hears and answers: see the [module](self). It never holds up the bot: what comes faster than it
/// can be written is lost, counted, and said in the file and in the log.
///
/// What the program sends by itself, through a [`BotHandle`](crate::dispatch::BotHandle), is not recorded: no event
/// leads to it.
pub struct Recorder {
    queue: Arc<Queue>,
    layer: RecordLayer,
}

impl Recorder {
    /// Settings of a recorder.
    pub fn builder() -> RecorderBuilder {
        RecorderBuilder::default()
    }

    /// Records into a new file, which only its owner can read.
    ///
    /// # Errors
    ///
    /// As [`RecorderBuilder::to_file`].
    pub fn to_file(path: impl AsRef<Path>) -> io::Result<Self> {
        Self::builder().to_file(path)
    }

    /// The layer. It goes before all others, so that it sees what all of them did.
    pub fn layer(&self) -> RecordLayer {
        self.layer.clone()
    }

    /// Events that are not in the file, or not with all that they led to.
    pub fn lost(&self) -> u64 {
        self.queue.load.lost_in_all()
    }

    /// Waits until everything that was recorded so far is in the file. Recording goes on.
    ///
    /// # Errors
    ///
    /// The file could not be written: the disk is full, say. Nothing is recorded from then on.
    pub async fn finish(&self) -> io::Result<Written> {
        self.queue.flush().await
    }
}

impl fmt::Debug for Recorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recorder")
            .field("lost", &self.lost())
            .finish_non_exhaustive()
    }
}

/// Settings of a [`Recorder`].
#[must_use]
pub struct RecorderBuilder {
    redactor: Redactor,
    bytes_max: u64,
    jobs: usize,
}

impl Default for RecorderBuilder {
    fn default() -> Self {
        Self {
            redactor: Redactor::default(),
            bytes_max: FILE_BYTES,
            jobs: JOBS,
        }
    }
}

impl RecorderBuilder {
    /// Takes a text out wherever it stands: a key of another service, say. It has at least four bytes; shorter ones are
    /// passed over.
    pub fn secret(mut self, secret: impl Into<crate::Secret>) -> Self {
        self.redactor.add_secret(secret.into().expose());
        self
    }

    /// Changes every text before it is written, after secrets were taken out: for what else should not be kept. What it
    /// has changed once it should leave as it is.
    pub fn redact(mut self, rule: impl Fn(&str) -> String + Send + Sync + 'static) -> Self {
        self.redactor.add_rule(Arc::new(rule));
        self
    }

    /// How large the file may get: a gigabyte unless set. What comes then is lost, and counted.
    pub fn max_bytes(mut self, bytes: u64) -> Self {
        self.bytes_max = bytes;
        self
    }

    /// How many events may wait to be written: 4096 unless set, at least one. They hold no more than 32 MiB.
    pub fn queue(mut self, events: usize) -> Self {
        self.jobs = events;
        self
    }

    /// Records into a new file, which only its owner can read.
    ///
    /// # Errors
    ///
    /// There is a file of this name, or it can not be made.
    pub fn to_file(self, path: impl AsRef<Path>) -> io::Result<Recorder> {
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        self.to_writer(options.open(path)?)
    }

    /// Records into anything that can be written to. It is written by a thread of its own, which ends when the recorder
    /// and its layers are gone.
    ///
    /// # Errors
    ///
    /// The thread can not be started.
    pub fn to_writer(self, out: impl Write + Send + 'static) -> io::Result<Recorder> {
        let (queue, jobs) = Queue::new(self.jobs, JOBS_BYTES);
        let began = Timestamp::from_system_time(SystemTime::now()).unwrap_or_default();
        let writer = Writer::new(out, self.redactor, began, Arc::clone(&queue.load), self.bytes_max);
        std::thread::Builder::new()
            .name("rocketbotte-recorder".to_owned())
            .spawn(move || writer.run(jobs))?;
        let queue = Arc::new(queue);
        Ok(Recorder {
            layer: RecordLayer::new(Outlet::Queue(Arc::clone(&queue))),
            queue,
        })
    }
}

impl fmt::Debug for RecorderBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The secrets have no place in a log.
        f.debug_struct("RecorderBuilder")
            .field("bytes_max", &self.bytes_max)
            .field("jobs", &self.jobs)
            .finish_non_exhaustive()
    }
}
