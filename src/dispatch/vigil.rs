//! Whether the loop turns, and something moves in it: told every few seconds.

use std::time::Duration;

use tokio::time::{Instant, Interval, MissedTickBehavior};

use super::handle::BotHandle;
use crate::journal::Ledger;

const EVERY: Duration = Duration::from_secs(5);

/// Every so many beats the log says how the bot is doing.
const TOLD_EVERY: u32 = 12;

/// One tick for each beat. The first is at once.
pub(super) fn interval() -> Interval {
    let mut interval = tokio::time::interval(EVERY);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    interval
}

#[derive(Debug, Default)]
pub(super) struct Vigil {
    has_moved: bool,
    stalled_since: Option<Instant>,
    beats: u32,
}

impl Vigil {
    /// An event was started, or something that was under way has ended.
    pub(super) fn moves(&mut self) {
        self.has_moved = true;
    }

    /// `waits`: whether there is anything to be started.
    pub(super) fn beat(&mut self, handle: &BotHandle, ledger: Option<&Ledger>, waits: bool) {
        let now = Instant::now();
        if std::mem::take(&mut self.has_moved) || !waits {
            self.stalled_since = None;
        } else {
            self.stalled_since.get_or_insert(now);
        }
        handle.vitals().turns(now, self.stalled_since);
        if let Some(ledger) = ledger {
            handle
                .vitals()
                .memory(ledger.journal_state(), ledger.undelivered());
        }
        self.beats = (self.beats + 1) % TOLD_EVERY;
        if self.beats == 0 {
            tell(handle);
        }
    }
}

fn tell(handle: &BotHandle) {
    if !tracing::enabled!(tracing::Level::DEBUG) {
        return;
    }
    let health = handle.health();
    tracing::debug!(
        state = %health.state,
        last_frame = ?health.last_frame,
        reconnects = health.reconnects,
        last_gap = ?health.last_gap,
        is_behind = health.is_behind,
        parked_rooms = health.parked_rooms,
        caught_up = health.caught_up,
        skipped = health.skipped,
        lanes = health.lanes,
        waiting = health.waiting,
        running = health.running,
        waiting_for_limits = health.waiting_for_limits,
        received = health.counters.received,
        overflowed = health.counters.overflowed,
        delivered = health.counters.delivered,
        undelivered = health.counters.undelivered,
        kept_actions = health.kept_actions,
        journal = %health.journal,
        stalled = ?health.stalled,
        server = health.server_version.as_deref(),
        "health"
    );
}
