//! A journal in a file.
#![expect(
    clippy::result_large_err,
    reason = "the library's own errors are as large as they are"
)]

mod file;
mod overlay;
mod pending;
#[cfg(test)]
mod power_loss;
mod queue;
mod writer;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;

use self::file::Opened;
use self::queue::Queue;
use self::writer::Writer;
use super::{Change, Journal, JournalError, JournalErrorKind};

/// All pairs of key and value.
type Entries = Vec<(Vec<u8>, Vec<u8>)>;

/// So often it is looked whether the lock is free.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// A journal in one file, which only its owner may read.
///
/// The file is a [redb](https://docs.rs/redb) database. A crash at any point leaves it readable, with everything that
/// was flushed. What changes is written ten times a second in one transaction, or at once where something waits for
/// it. While the disk is full the bot goes on and remembers in memory; the log says so, and it is tried again.
///
/// One process has it open at a time. A file that is damaged, or no journal, is never written.
///
/// ```no_run
/// use std::time::Duration;
/// use rocketbotte::journal::DiskJournal;
///
/// let journal = DiskJournal::builder("/var/lib/bot/journal").wait_for_lock(Duration::from_secs(30)).open()?;
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
pub struct DiskJournal {
    path: PathBuf,
    queue: Arc<Queue>,
    /// What the file held when it was opened, until it is asked for.
    entries: Mutex<Option<Entries>>,
    writer: Option<JoinHandle<()>>,
}

/// How a [`DiskJournal`] is opened.
#[derive(Clone, Debug)]
#[must_use]
pub struct DiskJournalBuilder {
    path: PathBuf,
    wait_for_lock: Duration,
}

impl DiskJournal {
    /// Opens a journal, or makes a new one where there is no file. It looks through the whole file before it uses it,
    /// and blocks the thread while it does.
    ///
    /// # Errors
    ///
    /// It is open already, damaged, no journal, of a later version, or can not be read and written.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, JournalError> {
        Self::builder(path).open()
    }

    /// Settings for opening it.
    pub fn builder(path: impl Into<PathBuf>) -> DiskJournalBuilder {
        DiskJournalBuilder {
            path: path.into(),
            wait_for_lock: Duration::ZERO,
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn of(path: PathBuf, opened: Opened) -> Result<Self, JournalError> {
        let entries = file::read_entries(&opened.database).map_err(|error| file::of_redb(&path, error))?;
        let queue = Arc::new(Queue::default());
        queue.know(entries.iter().map(|(key, _)| key.clone()));
        let writer = Writer::new(Arc::clone(&queue), &path, opened);
        let writer = std::thread::Builder::new()
            .name("journal".to_owned())
            .spawn(|| {
                let _running = queue::Running::of(Arc::clone(&writer.queue));
                writer.run();
            })
            .map_err(|error| file::of_io(&path, error))?;
        Ok(Self {
            path,
            queue,
            entries: Mutex::new(Some(entries)),
            writer: Some(writer),
        })
    }
}

impl DiskJournalBuilder {
    /// How long to wait for another process to end that has the journal open: for a deployment that starts the new
    /// process before it stops the old one. Not at all unless set.
    pub fn wait_for_lock(mut self, time: Duration) -> Self {
        self.wait_for_lock = time;
        self
    }

    /// Opens it: see [`DiskJournal::open`].
    ///
    /// # Errors
    ///
    /// As there; still open elsewhere after the time to wait.
    pub fn open(self) -> Result<DiskJournal, JournalError> {
        let began = Instant::now();
        let mut is_told = false;
        loop {
            match file::open(&self.path) {
                Ok(opened) => return DiskJournal::of(self.path, opened),
                Err(error) if error.kind() == JournalErrorKind::Locked => {
                    let left = self.wait_for_lock.saturating_sub(began.elapsed());
                    if left.is_zero() {
                        return Err(error);
                    }
                    if !std::mem::replace(&mut is_told, true) {
                        tracing::info!(path = %self.path.display(), "the journal is in use, waiting for it");
                    }
                    std::thread::sleep(LOOK_AGAIN.min(left));
                }
                Err(error) => return Err(error),
            }
        }
    }
}

impl Journal for DiskJournal {
    fn load(&self) -> Result<Vec<(Vec<u8>, Vec<u8>)>, JournalError> {
        // A value is taken as a whole.
        let opened = self.entries.lock().unwrap_or_else(PoisonError::into_inner).take();
        match opened {
            Some(entries) if !self.queue.was_written_to() => Ok(entries),
            _ => self.queue.read(),
        }
    }

    fn write(&self, changes: Vec<Change>) {
        self.queue.push(changes);
    }

    fn flush(&self) -> BoxFuture<'static, Result<(), JournalError>> {
        let waits = self.queue.wait();
        Box::pin(async move {
            match waits? {
                Some(waits) => waits.await.unwrap_or_else(|_| Err(queue::closed())),
                None => Ok(()),
            }
        })
    }

    fn failing_for(&self) -> Option<Duration> {
        self.queue.failing_for()
    }
}

impl Drop for DiskJournal {
    /// Writes what is left, and gives up the lock.
    fn drop(&mut self) {
        self.queue.close();
        if let Some(writer) = self.writer.take()
            && writer.join().is_err()
        {
            tracing::error!(path = %self.path.display(), "the journal was not closed in order");
        }
    }
}

impl fmt::Debug for DiskJournal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DiskJournal")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}
