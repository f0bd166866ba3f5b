//! The thread that writes: all that came meanwhile goes into one transaction.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use redb::Database;
use tokio::sync::oneshot;

use super::Entries;
use super::file::{self, Bytes, ENTRIES, Opened};
use super::pending::Batch;
use super::queue::Queue;
use crate::journal::{JournalError, JournalErrorKind};

/// So often it is written, unless somebody waits for it.
const PAUSE: Duration = Duration::from_millis(100);

/// After a failure it is tried again, at first soon and then less often.
const RETRY: Duration = Duration::from_millis(200);
const LONGEST_RETRY: Duration = Duration::from_secs(10);

/// So often it is said that nothing is written.
const ALARM: Duration = Duration::from_secs(300);

/// What the thread owns.
pub(super) struct Writer {
    pub(super) queue: Arc<Queue>,
    pub(super) path: Box<Path>,
    bytes: Bytes,
    /// `None` after a failure, until it is opened again.
    database: Option<Database>,
    failure: Option<Failure>,
}

/// Since when nothing can be written.
struct Failure {
    since: Instant,
    told_at: Instant,
    retry_at: Instant,
    pause: Duration,
}

impl Writer {
    pub(super) fn new(queue: Arc<Queue>, path: &Path, opened: Opened) -> Self {
        Self {
            queue,
            path: path.into(),
            bytes: opened.bytes,
            database: Some(opened.database),
            failure: None,
        }
    }

    pub(super) fn run(mut self) {
        let queue = Arc::clone(&self.queue);
        let mut written_at: Option<Instant> = None;
        let mut state = queue.lock();
        loop {
            if !state.reading.is_empty() {
                let reading = std::mem::take(&mut state.reading);
                let waits_for_disk = state.pending.waiting();
                drop(state);
                for reads in reading {
                    // Whoever is gone reads no more.
                    let _ = reads.send(self.read(&waits_for_disk));
                }
                state = queue.lock();
                continue;
            }
            let now = Instant::now();
            let has_work = !state.pending.is_empty();
            let is_urgent = !state.waiting.is_empty() || state.is_closed;
            let retry_at = self.failure.as_ref().map(|failure| failure.retry_at);
            let at = match retry_at {
                // Whoever waits is not left waiting for a disk that is full.
                Some(at) if at > now && !state.waiting.is_empty() => {
                    let waiting = std::mem::take(&mut state.waiting);
                    waiting.into_iter().for_each(|waits| self.refuse(waits));
                    continue;
                }
                Some(at) if !state.is_closed => Some(at),
                _ if is_urgent => None,
                _ => written_at.map(|at| at + PAUSE),
            };
            if !has_work && state.is_closed {
                break;
            }
            if !has_work && state.waiting.is_empty() {
                state = queue.wake.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            if let Some(wait) = at
                .and_then(|at| at.checked_duration_since(now))
                .filter(|wait| !wait.is_zero())
            {
                let (woken, _) = queue
                    .wake
                    .wait_timeout(state, wait)
                    .unwrap_or_else(PoisonError::into_inner);
                state = woken;
                continue;
            }
            let batch = state.pending.take();
            let waiting = std::mem::take(&mut state.waiting);
            state.is_writing = true;
            drop(state);
            let result = self.commit(&batch);
            written_at = Some(Instant::now());
            state = queue.lock();
            state.is_writing = false;
            match result {
                Ok(()) => {
                    state.pending.is_written(&batch);
                    self.recovered();
                    // Whoever is gone waits no more.
                    waiting.into_iter().for_each(|waits| drop(waits.send(Ok(()))));
                }
                Err(error) => {
                    state.pending.put_back(batch);
                    self.failed(&error);
                    waiting.into_iter().for_each(|waits| self.refuse(waits));
                    if state.is_closed {
                        break;
                    }
                }
            }
        }
    }

    fn commit(&mut self, batch: &Batch) -> Result<(), JournalError> {
        if batch.is_empty() && self.failure.is_none() {
            return Ok(());
        }
        let database = self.database()?;
        // After a failure the database has to be opened anew, and is closed here; the lock on the file stays.
        let written = unpanicked(move || write(&database, batch).map(|()| database));
        self.database = Some(written.map_err(|error| file::of_redb(&self.path, error))?);
        Ok(())
    }

    /// Takes the database, which is opened again where a failure closed it.
    fn database(&mut self) -> Result<Database, JournalError> {
        let database = match self.database.take() {
            Some(database) => return Ok(database),
            None => unpanicked(|| file::database(&self.bytes).map_err(redb::Error::from)),
        };
        database.map_err(|error| file::of_redb(&self.path, error))
    }

    /// All that was written, whether the disk has it or not.
    fn read(&mut self, waits_for_disk: &Batch) -> Result<Entries, JournalError> {
        let database = self.database()?;
        let read = unpanicked(move || file::read_entries(&database).map(|entries| (database, entries)));
        let (database, entries) = read.map_err(|error| file::of_redb(&self.path, error))?;
        self.database = Some(database);
        let mut entries: HashMap<_, _> = entries.into_iter().collect();
        for (key, value) in waits_for_disk.iter().cloned() {
            match value {
                Some(value) => entries.insert(key, value),
                None => entries.remove(&key),
            };
        }
        Ok(entries.into_iter().collect())
    }

    fn refuse(&self, waits: oneshot::Sender<Result<(), JournalError>>) {
        let message = format!("the journal {} can not be written", self.path.display());
        drop(waits.send(Err(JournalError::new(JournalErrorKind::Io, message))));
    }

    fn failed(&mut self, error: &JournalError) {
        let now = Instant::now();
        self.queue.failing_since().get_or_insert(now);
        let failure = self.failure.get_or_insert_with(|| {
            tracing::error!(%error, "the journal is not written: the bot goes on and remembers in memory only");
            Failure {
                since: now,
                told_at: now,
                retry_at: now,
                pause: RETRY,
            }
        });
        failure.retry_at = now + failure.pause;
        failure.pause = (failure.pause * 2).min(LONGEST_RETRY);
        if now.duration_since(failure.told_at) >= ALARM {
            failure.told_at = now;
            let since = failure.since.elapsed();
            tracing::error!(%error, ?since, "the journal is still not written: a crash now may repeat what ran");
        }
    }

    fn recovered(&mut self) {
        if let Some(failure) = self.failure.take() {
            *self.queue.failing_since() = None;
            tracing::warn!(after = ?failure.since.elapsed(), "the journal is written again");
        }
    }
}

/// The library panics over some of what a disk may return.
fn unpanicked<T>(work: impl FnOnce() -> Result<T, redb::Error>) -> Result<T, redb::Error> {
    catch_unwind(AssertUnwindSafe(work))
        .unwrap_or_else(|_| Err(redb::Error::Corrupted("it contradicts itself".to_owned())))
}

fn write(database: &Database, batch: &Batch) -> Result<(), redb::Error> {
    let transaction = file::begin(database)?;
    {
        let mut table = transaction.open_table(ENTRIES)?;
        for (key, value) in batch {
            match value {
                Some(value) => drop(table.insert(&**key, &**value)?),
                None => drop(table.remove(&**key)?),
            }
        }
    }
    Ok(transaction.commit()?)
}
