//! Work that goes on behind its handler, and that a stop waits for.

use std::fmt;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use futures_util::FutureExt as _;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::layer::catch_panic::panic_message;

/// Tasks that a bot's handlers may have at once.
const MOST: usize = 1024;

/// The tasks of one bot.
#[derive(Default)]
pub(crate) struct TaskPool {
    tracker: TaskTracker,
    running: AtomicUsize,
    done: AtomicU64,
    aborted: AtomicU64,
    stopping: CancellationToken,
    abort: CancellationToken,
}

/// Why a task was not started.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SpawnError {
    /// There is no place for another one.
    #[error("{MOST} tasks run already")]
    TooMany,
    /// The bot has stopped, or has no time left for tasks.
    #[error("the bot has stopped")]
    Stopped,
}

impl TaskPool {
    /// Runs a task of a handler. A panic ends the task and is logged by its name.
    pub(crate) fn spawn<F>(self: &Arc<Self>, name: &'static str, task: F) -> Result<(), SpawnError>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        if self.abort.is_cancelled() {
            return Err(SpawnError::Stopped);
        }
        let take = |running| (running < MOST).then_some(running + 1);
        self.running
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, take)
            .map_err(|_| SpawnError::TooMany)?;
        let place = Place(Arc::clone(self));
        let task = async move {
            let ended = place.0.abort.run_until_cancelled(guarded(name, task)).await;
            // The others are counted where they are ended.
            if ended.is_some() {
                place.0.done.fetch_add(1, Ordering::Relaxed);
            }
        };
        self.tracker.spawn(task);
        Ok(())
    }

    /// Runs what a handler waits for: a stop waits for it too, but it is a part of the handler and counts as that.
    pub(crate) fn spawn_part<F>(&self, name: &'static str, task: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let abort = self.abort.clone();
        self.tracker
            .spawn(async move { abort.run_until_cancelled(guarded(name, task)).await });
    }

    /// The bot begins to stop.
    pub(crate) fn stop(&self) {
        self.stopping.cancel();
    }

    /// Ends those that still run.
    pub(crate) fn abort(&self) {
        if self.abort.is_cancelled() {
            return;
        }
        self.abort.cancel();
        let running = self.running.load(Ordering::Relaxed);
        self.aborted
            .fetch_add(u64::try_from(running).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.tracker.is_empty()
    }

    /// Waits until none runs.
    pub(crate) async fn ended(&self) {
        self.tracker.close();
        self.tracker.wait().await;
    }

    pub(crate) fn stopping(&self) -> &CancellationToken {
        &self.stopping
    }

    /// How many ended by themselves, and how many were ended by the stop.
    pub(crate) fn counts(&self) -> (u64, u64) {
        (
            self.done.load(Ordering::Relaxed),
            self.aborted.load(Ordering::Relaxed),
        )
    }
}

impl fmt::Debug for TaskPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskPool")
            .field("running", &self.tracker.len())
            .finish_non_exhaustive()
    }
}

/// Ends the tasks of a bot that is not served any more.
pub(crate) struct AbortOnDrop(pub(crate) Arc<TaskPool>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// A task's place among those that run.
struct Place(Arc<TaskPool>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::Relaxed);
    }
}

async fn guarded(name: &'static str, task: impl Future<Output = ()>) {
    if let Err(payload) = AssertUnwindSafe(task).catch_unwind().await {
        let message = panic_message(&*payload);
        tracing::error!(task = name, %message, "a task panicked");
    }
}
