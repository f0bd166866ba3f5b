//! Handlers that say themselves that nobody has to wait for them any more.

use std::sync::{Mutex, PoisonError};

use tokio::sync::Notify;

/// Which handlers have left their lanes. Each does it once, and those that run are bounded.
#[derive(Debug, Default)]
pub(crate) struct LaneExits {
    left: Mutex<Vec<u64>>,
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

    /// Waits until any has.
    pub(super) async fn any(&self) {
        self.any.notified().await;
    }

    pub(super) fn take(&self) -> Vec<u64> {
        std::mem::take(&mut self.left.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
