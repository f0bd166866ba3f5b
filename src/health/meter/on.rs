//! Counts and measures through the recorder that the program has installed.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use metrics::{Counter, Gauge, Histogram, Unit};

use crate::dispatch::Counters;
use crate::health::{JournalState, Load};
use crate::response::{Outcome, Response};
use crate::transport::Arrival;

/// Names, units and descriptions, each once.
macro_rules! names {
    ($($kind:ident $constant:ident = $name:literal, $unit:ident, $description:literal;)*) => {
        $(
            #[cfg_attr(not(feature = "client"), allow(dead_code, reason = "without a connection there is less to tell"))]
            const $constant: &str = $name;
        )*

        fn describe() {
            $(names!(@ $kind)($name.into(), Some(Unit::$unit), $description.into());)*
        }

        #[cfg(test)]
        const ALL: &[(&str, &str)] = &[$((stringify!($kind), $name)),*];
    };
    (@ counter) => { |name, unit, text| metrics::with_recorder(|to| to.describe_counter(name, unit, text)) };
    (@ gauge) => { |name, unit, text| metrics::with_recorder(|to| to.describe_gauge(name, unit, text)) };
    (@ histogram) => { |name, unit, text| metrics::with_recorder(|to| to.describe_histogram(name, unit, text)) };
}

names! {
    counter EVENTS_RECEIVED = "rocketbotte_events_received_total", Count,
        "Events taken from the transport, by how they arrived.";
    counter EVENTS_IGNORED = "rocketbotte_events_ignored_total", Count,
        "Events of the bot itself or of other bots, which were not passed on.";
    counter EVENTS_OVERFLOWED = "rocketbotte_events_overflowed_total", Count,
        "Events for which there was no place, and which are not fetched again.";
    counter EVENTS_CAUGHT_UP = "rocketbotte_events_caught_up_total", Count,
        "Events fetched after they were missed.";
    counter EVENTS_SKIPPED = "rocketbotte_events_skipped_total", Count,
        "Missed events that were left out: too old, or too many.";
    counter HANDLERS_DETACHED = "rocketbotte_handlers_detached_total", Count,
        "Handlers that took longer than the hold time.";
    counter ROUTE_OUTCOMES = "rocketbotte_route_outcomes_total", Count,
        "What became of routes that ran, by route and outcome.";
    counter ACTIONS_DELIVERED = "rocketbotte_actions_delivered_total", Count,
        "Actions that were carried out.";
    counter ACTIONS_UNDELIVERED = "rocketbotte_actions_undelivered_total", Count,
        "Actions that were given up.";
    counter ACTIONS_WITHDRAWN = "rocketbotte_actions_withdrawn_total", Count,
        "Replies dropped because their question was deleted.";
    counter LOOPS_BROKEN = "rocketbotte_loops_broken_total", Count,
        "Replies to a bot dropped because the two seemed to talk for ever.";
    counter FRAMES_RECEIVED = "rocketbotte_frames_received_total", Count,
        "Frames from the server, pings included.";
    counter CONNECTION_FAILURES = "rocketbotte_connection_failures_total", Count,
        "Connections that were lost and attempts that failed.";
    counter RECONNECTS = "rocketbotte_reconnects_total", Count,
        "Connections that came back.";
    counter REST_RETRIES = "rocketbotte_rest_retries_total", Count,
        "REST calls that were made again.";
    gauge CONNECTED = "rocketbotte_connected", Count,
        "1 while events arrive, else 0.";
    gauge BEHIND = "rocketbotte_behind", Count,
        "1 while something missed is still to be fetched, else 0.";
    gauge ROOMS_PARKED = "rocketbotte_rooms_parked", Count,
        "Rooms that said more than their handlers could take in time: the rest is fetched later.";
    gauge LAST_FRAME = "rocketbotte_last_frame_timestamp_seconds", Seconds,
        "When the last frame came, since 1970 by this machine's clock.";
    gauge LANES = "rocketbotte_lanes", Count,
        "Rooms and threads with an event that runs or waits.";
    gauge EVENTS_WAITING = "rocketbotte_events_waiting", Count,
        "Events that wait for the one before or for a place among the running.";
    gauge HANDLERS_RUNNING = "rocketbotte_handlers_running", Count,
        "Handlers that run.";
    gauge ACTIONS_KEPT = "rocketbotte_actions_kept", Count,
        "Actions that wait for a server that takes them.";
    gauge JOURNAL_FAILING = "rocketbotte_journal_failing", Count,
        "1 while the journal can not be written, else 0.";
    gauge REST_CALLS_WAITING = "rocketbotte_rest_calls_waiting", Count,
        "REST calls that wait for the server's limits.";
    histogram EVENT_DURATION = "rocketbotte_event_duration_seconds", Seconds,
        "From taking an event to its answer, waiting included.";
    histogram CONNECTION_GAP = "rocketbotte_connection_gap_seconds", Seconds,
        "How long an outage was, from the last frame before it.";
    histogram CATCH_UP_DURATION = "rocketbotte_catch_up_duration_seconds", Seconds,
        "From the return of the connection to having fetched what was missed.";
    histogram REST_CALL_DURATION = "rocketbotte_rest_call_duration_seconds", Seconds,
        "REST calls from the first attempt to the end of the last, waiting included, by endpoint and status.";
}

/// What one bot tells. Several bots in a process add up.
pub(crate) struct Meter(OnceLock<Handles>);

struct Handles {
    received: [Counter; 3],
    ignored: Counter,
    overflowed: Counter,
    detached: Counter,
    delivered: Counter,
    undelivered: Counter,
    withdrawn: Counter,
    loops_broken: Counter,
    connected: Level,
    behind: Level,
    rooms_parked: Level,
    lanes: Level,
    waiting: Level,
    running: Level,
    kept: Level,
    journal_failing: Level,
    event_duration: Histogram,
    #[cfg(feature = "client")]
    connection: Connection,
}

/// Of a connection.
#[cfg(feature = "client")]
struct Connection {
    frames: Counter,
    failures: Counter,
    reconnects: Counter,
    caught_up: Counter,
    skipped: Counter,
    last_frame: Gauge,
    gap: Histogram,
    catch_up_duration: Histogram,
}

#[cfg(feature = "client")]
impl Connection {
    fn new() -> Self {
        Self {
            frames: counter(FRAMES_RECEIVED),
            failures: counter(CONNECTION_FAILURES),
            reconnects: counter(RECONNECTS),
            caught_up: counter(EVENTS_CAUGHT_UP),
            skipped: counter(EVENTS_SKIPPED),
            last_frame: metrics::gauge!(LAST_FRAME),
            gap: metrics::histogram!(CONNECTION_GAP),
            catch_up_duration: metrics::histogram!(CATCH_UP_DURATION),
        }
    }
}

/// A part of a gauge, which others have parts of too.
struct Level {
    gauge: Gauge,
    own: AtomicU64,
}

impl Level {
    fn new(name: &'static str) -> Self {
        let gauge = metrics::gauge!(name);
        // So that it is there before anything happens.
        gauge.increment(0.0);
        Self {
            gauge,
            own: AtomicU64::new(0),
        }
    }

    fn set(&self, value: u64) {
        let before = self.own.swap(value, Ordering::Relaxed);
        if value > before {
            self.gauge.increment(float(value - before));
        } else if value < before {
            self.gauge.decrement(float(before - value));
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "nothing here comes near 2^52")]
fn float(value: u64) -> f64 {
    value as f64
}

fn counter(name: &'static str) -> Counter {
    let counter = metrics::counter!(name);
    counter.increment(0);
    counter
}

impl Handles {
    fn new() -> Self {
        describe();
        let received =
            |arrival: Arrival| metrics::counter!(EVENTS_RECEIVED, "arrival" => arrival_name(arrival));
        Self {
            received: [Arrival::Live, Arrival::CaughtUp, Arrival::Replayed].map(received),
            ignored: counter(EVENTS_IGNORED),
            overflowed: counter(EVENTS_OVERFLOWED),
            detached: counter(HANDLERS_DETACHED),
            delivered: counter(ACTIONS_DELIVERED),
            undelivered: counter(ACTIONS_UNDELIVERED),
            withdrawn: counter(ACTIONS_WITHDRAWN),
            loops_broken: counter(LOOPS_BROKEN),
            connected: Level::new(CONNECTED),
            behind: Level::new(BEHIND),
            rooms_parked: Level::new(ROOMS_PARKED),
            lanes: Level::new(LANES),
            waiting: Level::new(EVENTS_WAITING),
            running: Level::new(HANDLERS_RUNNING),
            kept: Level::new(ACTIONS_KEPT),
            journal_failing: Level::new(JOURNAL_FAILING),
            event_duration: metrics::histogram!(EVENT_DURATION),
            #[cfg(feature = "client")]
            connection: Connection::new(),
        }
    }
}

const fn arrival_name(arrival: Arrival) -> &'static str {
    match arrival {
        Arrival::Live => "live",
        Arrival::CaughtUp => "caught_up",
        Arrival::Replayed => "replayed",
    }
}

impl Meter {
    pub(crate) const fn new() -> Self {
        Self(OnceLock::new())
    }

    fn with(&self, tell: impl FnOnce(&Handles)) {
        if let Some(handles) = self.0.get() {
            tell(handles);
        }
    }

    /// From here on it tells, to the recorder that is installed by now.
    pub(crate) fn begin(&self) {
        self.0.get_or_init(Handles::new);
    }

    /// Takes its part of the gauges back.
    pub(crate) fn end(&self) {
        self.with(|to| {
            let running = [&to.lanes, &to.waiting, &to.running];
            for level in running.into_iter().chain([
                &to.connected,
                &to.behind,
                &to.rooms_parked,
                &to.kept,
                &to.journal_failing,
            ]) {
                level.set(0);
            }
        });
    }

    pub(crate) fn connected(&self, is_connected: bool) {
        self.with(|to| to.connected.set(is_connected.into()));
    }

    pub(crate) fn received(&self, arrival: Arrival) {
        let index = match arrival {
            Arrival::Live => 0,
            Arrival::CaughtUp => 1,
            Arrival::Replayed => 2,
        };
        self.with(|to| to.received[index].increment(1));
    }

    pub(crate) fn load(&self, load: Load) {
        self.with(|to| {
            to.lanes.set(load.lanes as u64);
            to.waiting.set(load.waiting as u64);
            to.running.set(load.running as u64);
        });
    }

    pub(crate) fn memory(&self, journal: JournalState, kept_actions: usize) {
        self.with(|to| {
            to.journal_failing
                .set(matches!(journal, JournalState::Failing(_)).into());
            to.kept.set(kept_actions as u64);
        });
    }

    /// What was counted since it was told last.
    pub(crate) fn counted(&self, before: &Counters, now: &Counters) {
        if before == now {
            return;
        }
        self.with(|to| {
            for (counter, before, now) in [
                (&to.ignored, before.ignored, now.ignored),
                (&to.overflowed, before.overflowed, now.overflowed),
                (&to.detached, before.detached, now.detached),
                (&to.delivered, before.delivered, now.delivered),
                (&to.undelivered, before.undelivered, now.undelivered),
                (&to.withdrawn, before.withdrawn, now.withdrawn),
                (&to.loops_broken, before.loops_broken, now.loops_broken),
            ] {
                if now > before {
                    counter.increment(now - before);
                }
            }
        });
    }

    /// A handler has answered. The names of routes are the program's own, so there are not many.
    pub(crate) fn answered(&self, response: &Response, took: impl FnOnce() -> Duration) {
        self.with(|to| {
            to.event_duration.record(took());
            for outcome in response.outcomes() {
                let route = outcome.route().as_str().to_owned();
                let name = match outcome.outcome() {
                    Outcome::TimedOut(_) => "timed_out",
                    other => other.name(),
                };
                metrics::counter!(ROUTE_OUTCOMES, "route" => route, "outcome" => name).increment(1);
            }
        });
    }
}

#[cfg(feature = "client")]
impl Meter {
    fn with_connection(&self, tell: impl FnOnce(&Connection)) {
        self.with(|to| tell(&to.connection));
    }

    pub(crate) fn frame(&self) {
        self.with_connection(|to| {
            to.frames.increment(1);
            let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
            to.last_frame.set(now.unwrap_or_default());
        });
    }

    pub(crate) fn connection_failed(&self) {
        self.with_connection(|to| to.failures.increment(1));
    }

    pub(crate) fn reconnected(&self, gap: Duration) {
        self.with_connection(|to| {
            to.reconnects.increment(1);
            to.gap.record(gap);
        });
    }

    pub(crate) fn behind(&self, is_behind: bool) {
        self.with(|to| to.behind.set(is_behind.into()));
    }

    pub(crate) fn parked(&self, rooms: usize) {
        self.with(|to| to.rooms_parked.set(rooms as u64));
    }

    pub(crate) fn fetched(&self, events: u64) {
        self.with_connection(|to| to.caught_up.increment(events));
    }

    pub(crate) fn caught_up(&self, skipped: u64, took: Duration) {
        self.with_connection(|to| {
            to.skipped.increment(skipped);
            to.catch_up_duration.record(took);
        });
    }
}

/// What REST clients tell, of whatever bot, or of none.
#[cfg(feature = "client")]
pub(crate) mod rest {
    use std::borrow::Cow;

    use super::{Duration, REST_CALL_DURATION, REST_CALLS_WAITING, REST_RETRIES};

    /// `status` is none where no answer came.
    pub(crate) fn answered(endpoint: &'static str, status: Option<u16>, took: Duration) {
        let status = status.map_or(Cow::Borrowed("none"), |status| status.to_string().into());
        metrics::histogram!(REST_CALL_DURATION, "endpoint" => endpoint, "status" => status).record(took);
    }

    pub(crate) fn tried_again() {
        metrics::counter!(REST_RETRIES).increment(1);
    }

    pub(crate) fn waits() {
        metrics::gauge!(REST_CALLS_WAITING).increment(1.0);
    }

    pub(crate) fn waits_no_more() {
        metrics::gauge!(REST_CALLS_WAITING).decrement(1.0);
    }
}

#[cfg(test)]
mod tests {
    use super::ALL;

    #[test]
    fn every_metric_is_in_the_table_and_nothing_else() {
        let page = include_str!("../../docs/observability.md");
        let rows = page.lines().filter(|line| line.starts_with("| `rocketbotte_"));
        let documented: Vec<(&str, &str)> = rows
            .map(|row| {
                let mut cells = row.split('|').map(str::trim).skip(1);
                let name = cells.next().unwrap_or_default().trim_matches('`');
                (cells.next().unwrap_or_default(), name)
            })
            .collect();
        let mut all = ALL.to_vec();
        all.sort_unstable_by_key(|(_, name)| *name);
        let mut sorted = documented.clone();
        sorted.sort_unstable_by_key(|(_, name)| *name);
        assert_eq!(sorted, all);
    }
}
