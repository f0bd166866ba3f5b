//! What a bot's parts tell about themselves as they work: numbers that anybody may read at any time.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::meter::Meter;
use super::{Health, JournalState};
use crate::dispatch::Counters;
use crate::transport::{Arrival, ConnectionState};

/// Each number has one writer, and none follows from another: no order is needed between them.
const ORDER: Ordering = Ordering::Relaxed;

/// Written by the parts of one bot, read by [`Health`].
pub(crate) struct Vitals {
    /// What points in time are counted from.
    origin: Instant,
    last_frame: Moment,
    last_turn: Moment,
    stalled_since: Moment,
    reconnects: AtomicU64,
    /// In milliseconds.
    last_gap: AtomicU64,
    is_behind: AtomicBool,
    parked_rooms: AtomicUsize,
    last_caught_up: AtomicU64,
    last_skipped: AtomicU64,
    caught_up: AtomicU64,
    skipped: AtomicU64,
    lanes: AtomicUsize,
    waiting: AtomicUsize,
    running: AtomicUsize,
    server_version: Mutex<Option<Arc<str>>>,
    pub(crate) meter: Meter,
}

/// What the dispatcher has to do at a moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Load {
    pub(crate) lanes: usize,
    pub(crate) waiting: usize,
    pub(crate) running: usize,
}

/// What a catch-up came to.
#[cfg(feature = "client")]
#[derive(Clone, Copy, Debug)]
pub(crate) struct CaughtUp {
    pub(crate) events: u64,
    pub(crate) skipped: u64,
    pub(crate) took: Duration,
}

/// A point in time, or none.
#[derive(Default)]
struct Moment(AtomicU64);

impl Moment {
    fn set(&self, at: Option<Instant>, origin: Instant) {
        let millis = at.map_or(0, |at| millis(at.saturating_duration_since(origin)) + 1);
        self.0.store(millis, ORDER);
    }

    fn ago(&self, now: Instant, origin: Instant) -> Option<Duration> {
        let millis = self.0.load(ORDER).checked_sub(1)?;
        Some(now.saturating_duration_since(origin + Duration::from_millis(millis)))
    }
}

/// More than a process lives.
fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX / 2)
}

impl Default for Vitals {
    fn default() -> Self {
        Self {
            origin: Instant::now(),
            last_frame: Moment::default(),
            last_turn: Moment::default(),
            stalled_since: Moment::default(),
            reconnects: AtomicU64::default(),
            last_gap: AtomicU64::default(),
            is_behind: AtomicBool::default(),
            parked_rooms: AtomicUsize::default(),
            last_caught_up: AtomicU64::default(),
            last_skipped: AtomicU64::default(),
            caught_up: AtomicU64::default(),
            skipped: AtomicU64::default(),
            lanes: AtomicUsize::default(),
            waiting: AtomicUsize::default(),
            running: AtomicUsize::default(),
            server_version: Mutex::default(),
            meter: Meter::new(),
        }
    }
}

/// What the dispatcher tells.
impl Vitals {
    /// The bot begins to be served.
    pub(crate) fn begin(&self) {
        self.meter.begin();
    }

    /// The bot has ended.
    pub(crate) fn end(&self) {
        self.load(Load::default());
        self.meter.end();
    }

    pub(crate) fn state(&self, state: ConnectionState) {
        tracing::debug!(%state, "connection");
        self.meter.connected(state == ConnectionState::Ready);
    }

    pub(crate) fn received(&self, arrival: Arrival) {
        self.meter.received(arrival);
    }

    pub(crate) fn load(&self, load: Load) {
        self.lanes.store(load.lanes, ORDER);
        self.waiting.store(load.waiting, ORDER);
        self.running.store(load.running, ORDER);
        self.meter.load(load);
    }

    /// The loop turns; since when nothing moves although something waits.
    pub(crate) fn turns(&self, now: Instant, stalled_since: Option<Instant>) {
        self.last_turn.set(Some(now), self.origin);
        self.stalled_since.set(stalled_since, self.origin);
    }

    pub(crate) fn memory(&self, journal: JournalState, kept_actions: usize) {
        self.meter.memory(journal, kept_actions);
    }

    /// All of it, but for what others know.
    pub(crate) fn health(&self, state: ConnectionState, counters: Counters) -> Health {
        let now = Instant::now();
        let reconnects = self.reconnects.load(ORDER);
        let last_gap = Duration::from_millis(self.last_gap.load(ORDER));
        Health {
            state,
            last_frame: self.last_frame.ago(now, self.origin),
            reconnects,
            last_gap: (reconnects > 0).then_some(last_gap),
            is_behind: self.is_behind.load(ORDER),
            parked_rooms: self.parked_rooms.load(ORDER),
            last_caught_up: self.last_caught_up.load(ORDER),
            last_skipped: self.last_skipped.load(ORDER),
            caught_up: self.caught_up.load(ORDER),
            skipped: self.skipped.load(ORDER),
            lanes: self.lanes.load(ORDER),
            waiting: self.waiting.load(ORDER),
            running: self.running.load(ORDER),
            waiting_for_limits: 0,
            counters,
            kept_actions: 0,
            journal: JournalState::None,
            server_version: self.server_version(),
            last_turn: self.last_turn.ago(now, self.origin),
            stalled: self.stalled_since.ago(now, self.origin),
        }
    }

    pub(crate) fn server_version(&self) -> Option<Arc<str>> {
        // A value is put there as a whole.
        let version = self.server_version.lock();
        version.unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// What the connection tells.
#[cfg(feature = "client")]
impl Vitals {
    pub(crate) fn frame(&self, now: Instant) {
        self.last_frame.set(Some(now), self.origin);
        self.meter.frame();
    }

    /// An attempt to connect failed, or a connection was lost.
    pub(crate) fn connection_failed(&self) {
        self.meter.connection_failed();
    }

    pub(crate) fn reconnected(&self, gap: Duration) {
        self.last_gap.store(millis(gap), ORDER);
        self.reconnects.fetch_add(1, ORDER);
        self.meter.reconnected(gap);
    }

    /// Whether something is still to be fetched.
    pub(crate) fn behind(&self, is_behind: bool) {
        self.is_behind.store(is_behind, ORDER);
        self.meter.behind(is_behind);
    }

    /// So many rooms say more than the pipeline takes.
    pub(crate) fn parked(&self, rooms: usize) {
        if self.parked_rooms.swap(rooms, ORDER) != rooms {
            self.meter.parked(rooms);
        }
    }

    /// Events were fetched and are handed over.
    pub(crate) fn fetched(&self, events: u64) {
        self.caught_up.fetch_add(events, ORDER);
        self.meter.fetched(events);
    }

    /// An outage is caught up.
    pub(crate) fn caught_up(&self, result: CaughtUp) {
        let CaughtUp {
            events,
            skipped,
            took,
        } = result;
        self.last_caught_up.store(events, ORDER);
        self.last_skipped.store(skipped, ORDER);
        self.skipped.fetch_add(skipped, ORDER);
        self.meter.caught_up(skipped, took);
    }

    /// What the server says about itself; the version before, if that was another.
    pub(crate) fn set_server_version(&self, version: &str) -> Option<Arc<str>> {
        let mut current = self.server_version.lock().unwrap_or_else(PoisonError::into_inner);
        if current.as_deref() == Some(version) {
            return None;
        }
        current.replace(Arc::from(version))
    }
}

impl fmt::Debug for Vitals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vitals").finish_non_exhaustive()
    }
}
