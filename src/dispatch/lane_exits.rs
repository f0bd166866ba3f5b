//! Handlers that say themselves that nobody has to wait for them any more.

use std::sync::{Mutex, PoisonError};

use tokio::sync::Notify;
use tokio::task::Id;

/// Which handlers have left their lanes. Each does it once, and those that run are bounded.
#[derive(Debug, Default)]
pub(crate) struct LaneExits {
    left: Mutex<Vec<u64>>,
    /// Tasks that have begun to wait for people, or have gone on.
    waits: Mutex<Vec<(Id, bool)>>,
    any: Notify,
}

impl LaneExits {
    /// A handler leaves its lane, by its number.
    pub(crate) fn leave(&self, handler: u64) {
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        left.push(handler);
        drop(left);
        self.any.notify_one();
    }

    /// A task waits for people, or does not any more: while it does it takes no place among those that run.
    pub(super) fn waits(&self, task: Id, is_waiting: bool) {
        let mut waits = self.waits.lock().unwrap_or_else(PoisonError::into_inner);
        waits.push((task, is_waiting));
        drop(waits);
        self.any.notify_one();
    }

    pub(super) fn take_waits(&self) -> Vec<(Id, bool)> {
        std::mem::take(&mut self.waits.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Waits until any has.
    pub(super) async fn any(&self) {
        self.any.notified().await;
    }

    pub(super) fn take(&self) -> Vec<u64> {
        std::mem::take(&mut self.left.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
