//! What a bot did until it stopped, and why it failed.

use std::fmt;

use tower::BoxError;

use crate::journal::JournalError;
use crate::transport::TransportError;

/// What was done, and what was not, when a bot stopped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ShutdownReport {
    /// Events that were handled to their end, replies delivered.
    pub done: u64,
    /// Handlers that were still running when the time was up.
    pub aborted: u64,
    /// Events that had not started.
    pub not_started: u64,
    /// Replies that were not delivered when the time was up, or that the server refused.
    pub undelivered: u64,
    /// Of these, the ones that the stop is to blame for: a message that was refused last week is none of them.
    pub undelivered_at_the_stop: u64,
    /// [Tasks](crate::extract::Tasks) that ran to their end.
    pub tasks_done: u64,
    /// Tasks that were still running when the time was up.
    pub tasks_aborted: u64,
}

impl ShutdownReport {
    /// Whether nothing was cut off by the stop.
    pub fn is_complete(&self) -> bool {
        self.aborted == 0
            && self.not_started == 0
            && self.undelivered_at_the_stop == 0
            && self.tasks_aborted == 0
    }
}

impl fmt::Display for ShutdownReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} events done, {} handlers aborted, {} events not started, {} replies undelivered",
            self.done, self.aborted, self.not_started, self.undelivered
        )?;
        match self.tasks_done + self.tasks_aborted {
            0 => Ok(()),
            _ => write!(
                f,
                ", {} tasks done, {} tasks aborted",
                self.tasks_done, self.tasks_aborted
            ),
        }
    }
}

/// What was counted since the bot began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counters {
    /// Events that were taken from the transport.
    pub received: u64,
    /// Events of the bot itself or of other bots, which were not passed on.
    pub ignored: u64,
    /// Events that were dropped because their lane, or all of them together, were full.
    pub overflowed: u64,
    /// Handlers that took longer than the hold time, so that their lane went on without them.
    pub detached: u64,
    /// Actions that were carried out.
    pub delivered: u64,
    /// Actions that were given up. What is kept in a journal for later is none of them.
    pub undelivered: u64,
    /// Replies that were dropped because the question had been deleted.
    pub withdrawn: u64,
    /// Replies to a bot that were dropped because the two seemed to talk for ever.
    pub loops_broken: u64,
}

/// Why a bot ended.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// The source of events failed for good.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// The pipeline said that it will take no more requests.
    #[error("the pipeline failed: {0}")]
    Service(#[source] BoxError),
    /// The journal can not be read, is used by another bot, or belongs to another account.
    #[error(transparent)]
    Journal(#[from] JournalError),
}
