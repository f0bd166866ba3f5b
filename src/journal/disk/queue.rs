//! What waits for the thread that writes.

use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::Entries;
use super::pending::Pending;
use crate::journal::{Change, JournalError, JournalErrorKind};

/// Told when what was written before is on the disk.
pub(super) type Flushed = oneshot::Receiver<Result<(), JournalError>>;

/// What the thread and those who write share.
#[derive(Debug, Default)]
pub(super) struct Queue {
    state: Mutex<State>,
    pub(super) wake: Condvar,
    failing_since: Mutex<Option<Instant>>,
}

#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) pending: Pending,
    pub(super) waiting: Vec<oneshot::Sender<Result<(), JournalError>>>,
    /// Those who want to know all that was written.
    pub(super) reading: Vec<SyncSender<Result<Entries, JournalError>>>,
    /// Whether the thread has a batch that is not on the disk yet.
    pub(super) is_writing: bool,
    pub(super) is_closed: bool,
    /// The thread has ended, so nothing is written any more.
    is_dead: bool,
    was_written_to: bool,
}

impl Queue {
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing that is done under the lock leaves it half done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Since when nothing can be written.
    pub(super) fn failing_since(&self) -> MutexGuard<'_, Option<Instant>> {
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
        state.was_written_to = true;
        let was_empty = state.pending.is_empty();
        for change in changes {
            state.pending.push(change);
        }
        drop(state);
        if was_empty {
            self.wake.notify_one();
        }
    }

    pub(super) fn was_written_to(&self) -> bool {
        self.lock().was_written_to
    }

    /// Waits for the thread, which reads all that was written.
    pub(super) fn read(&self) -> Result<Entries, JournalError> {
        let (sender, receiver) = sync_channel(1);
        let mut state = self.lock();
        if state.is_dead {
            return Err(closed());
        }
        state.reading.push(sender);
        drop(state);
        self.wake.notify_one();
        receiver.recv().unwrap_or_else(|_| Err(closed()))
    }

    /// `None` where there is nothing to wait for.
    pub(super) fn wait(&self) -> Result<Option<Flushed>, JournalError> {
        let mut state = self.lock();
        if state.is_dead {
            return Err(closed());
        }
        if state.pending.is_empty() && !state.is_writing {
            return Ok(None);
        }
        let (sender, receiver) = oneshot::channel();
        state.waiting.push(sender);
        drop(state);
        self.wake.notify_one();
        Ok(Some(receiver))
    }

    /// The thread writes what is left and ends.
    pub(super) fn close(&self) {
        self.lock().is_closed = true;
        self.wake.notify_one();
    }
}

/// While the thread runs. Whatever ends it, nobody waits for it from then on.
pub(super) struct Running(Arc<Queue>);

impl Running {
    pub(super) fn of(queue: Arc<Queue>) -> Self {
        Self(queue)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.is_dead = true;
        state.waiting.clear();
        state.reading.clear();
        let is_expected = state.is_closed;
        drop(state);
        if !is_expected {
            self.0.failing_since().get_or_insert_with(Instant::now);
            tracing::error!("the thread that writes the journal has ended: nothing is remembered any more");
        }
    }
}

pub(super) fn closed() -> JournalError {
    JournalError::new(JournalErrorKind::Io, "the journal was closed")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_waits_for_a_thread_that_is_gone() {
        let queue = Arc::new(Queue::default());
        queue.push(vec![Change::put(*b"a", *b"1")]);
        let mut waits = queue.wait().unwrap().unwrap();
        let running = Running::of(Arc::clone(&queue));
        let thread = std::thread::spawn(move || {
            let _running = running;
            panic!("a bug");
        });
        assert!(thread.join().is_err());
        assert!(waits.try_recv().is_err());
        assert!(queue.wait().is_err() && queue.read().is_err());
        assert!(queue.failing_for().is_some());
    }

    #[test]
    fn a_thread_that_was_told_to_end_does_not_fail() {
        let queue = Arc::new(Queue::default());
        queue.close();
        drop(Running::of(Arc::clone(&queue)));
        assert_eq!(queue.failing_for(), None);
    }
}
