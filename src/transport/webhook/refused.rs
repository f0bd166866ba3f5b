//! Calls with a wrong token, which are logged, but not each of them.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// One line in so much time.
const EVERY: Duration = Duration::from_secs(60);

#[derive(Default)]
pub(super) struct Refused(Mutex<Counted>);

#[derive(Default)]
struct Counted {
    said_at: Option<Instant>,
    /// Since then.
    more: u64,
}

impl Refused {
    pub(super) fn one(&self) {
        let mut counted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if counted.said_at.is_some_and(|at| now.duration_since(at) < EVERY) {
            counted.more += 1;
            return;
        }
        let unsaid = std::mem::take(&mut counted.more);
        counted.said_at = Some(now);
        drop(counted);
        tracing::warn!(unsaid, "a call with a wrong token was refused");
    }
}
