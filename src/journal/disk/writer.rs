//! The thread that writes: all that came meanwhile goes into one transaction.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use redb::Database;
use tokio::sync::oneshot;

use super::file::{self, Bytes, ENTRIES, Opened};
use super::pending::{Batch, Pending};
use crate::journal::{Change, JournalError, JournalErrorKind};

/// So often it is written, unless somebody waits for it.
const PAUSE: Duration = Duration::from_millis(100);

/// After a failure it is tried again, at first soon and then less often.
const RETRY: Duration = Duration::from_millis(200);
const LONGEST_RETRY: Duration = Duration::from_secs(10);

/// So often it is said that nothing is written.
const ALARM: Duration = Duration::from_secs(300);

/// What the thread and those who write share.
#[derive(Debug, Default)]
pub(super) struct Queue {
    state: Mutex<State>,
    wake: Condvar,
    failing_since: Mutex<Option<Instant>>,
}

#[derive(Debug, Default)]
struct State {
    pending: Pending,
    waiting: Vec<oneshot::Sender<Result<(), JournalError>>>,
    /// Whether the thread has a batch that is not on the disk yet.
    is_writing: bool,
    is_closed: bool,
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing that is done under the lock leaves it half done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Since when nothing can be written.
    fn failing_since(&self) -> MutexGuard<'_, Option<Instant>> {
        // A value is put there as a whole.
        self.failing_since.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn failing_for(&self) -> Option<Duration> {
        self.failing_since().map(|since| since.elapsed())
    }

    pub(super) fn know(&self, keys: impl Iterator<Item = Vec<u8>>) {
        let mut state = self.lock();
        for key in keys {
            state.pending.is_on_disk(&key);
        }
    }

    pub(super) fn push(&self, changes: Vec<Change>) {
        let mut state = self.lock();
        let was_empty = state.pending.is_empty();
        for change in changes {
            state.pending.push(change);
        }
        drop(state);
        if was_empty {
            self.wake.notify_one();
        }
    }

    /// `None` where there is nothing to wait for.
    pub(super) fn wait(&self) -> Option<oneshot::Receiver<Result<(), JournalError>>> {
        let mut state = self.lock();
        if state.pending.is_empty() && !state.is_writing {
            return None;
        }
        let (sender, receiver) = oneshot::channel();
        state.waiting.push(sender);
        drop(state);
        self.wake.notify_one();
        Some(receiver)
    }

    /// The thread writes what is left and ends.
    pub(super) fn close(&self) {
        self.lock().is_closed = true;
        self.wake.notify_one();
    }
}

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
        let (path, bytes, slot) = (&self.path, &self.bytes, &mut self.database);
        let database = match slot.take() {
            Some(database) => Ok(database),
            None => catch_unwind(AssertUnwindSafe(|| {
                file::database(bytes).map_err(redb::Error::from)
            }))
            .unwrap_or_else(|_| Err(redb::Error::Corrupted("it contradicts itself".to_owned()))),
        };
        let database = database.map_err(|error| file::of_redb(path, error))?;
        // After a failure the database has to be opened anew, and is closed here; the lock on the file stays.
        let written = catch_unwind(AssertUnwindSafe(move || {
            write(&database, batch).map(|()| database)
        }))
        .unwrap_or_else(|_| Err(redb::Error::Corrupted("it contradicts itself".to_owned())));
        *slot = Some(written.map_err(|error| file::of_redb(path, error))?);
        Ok(())
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
