//! How a bot is doing: one plain value, for probes and for people.
//!
//! [`BotHandle::health`](crate::dispatch::BotHandle::health) gives a [`Health`]. What is logged and measured besides is in
//! [`docs::observability`](crate::docs::observability); how probes ask for it, in
//! `docs::deployment`.

pub(crate) mod meter;
mod vitals;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

#[cfg(feature = "client")]
pub(crate) use self::vitals::CaughtUp;
pub(crate) use self::vitals::{Load, Vitals};
use crate::dispatch::Counters;
use crate::transport::ConnectionState;

/// A loop that turns shows it every 5 seconds.
const LONGEST_TURN: Duration = Duration::from_secs(30);

/// The connection gives up by itself after a minute of silence.
const LONGEST_SILENCE: Duration = Duration::from_secs(120);

/// The longest that one action may keep its room waiting is ten minutes for trouble, behind ten for a limit.
const LONGEST_STALL: Duration = Duration::from_secs(1200);

/// What becomes of what a bot remembers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum JournalState {
    /// There is no [journal](crate::journal): it ends with the process.
    #[default]
    None,
    /// It is kept.
    Kept,
    /// For this long it could not be written: a full disk. The bot goes on; what it learned meanwhile would be lost with
    /// the process.
    Failing(Duration),
}

impl fmt::Display for JournalState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "none",
            Self::Kept => "kept",
            Self::Failing(_) => "failing",
        })
    }
}

/// How a bot is doing, at one moment.
///
/// Taking it costs some loads of atomic numbers and a few short locks, and does not wait for the bot: it may be taken as
/// often as anybody asks.
///
/// ```
/// use rocketbotte::dispatch::BotHandle;
///
/// /// What a probe is answered.
/// fn ready(bot: &BotHandle) -> (u16, String) {
///     let health = bot.health();
///     let status = if health.is_ready() { 200 } else { 503 };
///     (status, format!("{}, {} reconnects\n", health.state, health.reconnects))
/// }
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Health {
    /// The state of the connection.
    pub state: ConnectionState,
    /// How long ago the last frame came from the server, pings included: about 20 seconds at most while nothing is
    /// wrong. `None` before the first, and for a transport without frames.
    pub last_frame: Option<Duration>,
    /// How often the connection was lost and came back.
    pub reconnects: u64,
    /// How long the last outage of the connection was, from the last frame before it. `None` before the first.
    pub last_gap: Option<Duration>,
    /// Whether something that was said while there was no connection is still to be fetched.
    pub is_behind: bool,
    /// Rooms that said more than their handlers could take in time: the rest of it is fetched once there is room for it.
    pub parked_rooms: usize,
    /// How many events were fetched that were missed in the last outage that is caught up.
    pub last_caught_up: u64,
    /// How many events of the last outage were left out: too old, or too many.
    pub last_skipped: u64,
    /// How many events were fetched since the bot began, for outages and for handlers that were slower than the stream.
    pub caught_up: u64,
    /// How many events were left out since the bot began.
    pub skipped: u64,
    /// Rooms and threads with an event that runs or waits.
    pub lanes: usize,
    /// Events that wait in them for the one before, or for a place among the running.
    pub waiting: usize,
    /// Handlers that run.
    pub running: usize,
    /// REST calls that wait for the server's limits.
    pub waiting_for_limits: usize,
    /// What was counted since the bot began: among it the actions that were given up,
    /// [`undelivered`](Counters::undelivered).
    pub counters: Counters,
    /// Actions that wait in the journal for a server that takes them: they are tried again when the connection is back,
    /// after each that went through, and by themselves. What is said later in their rooms waits behind them.
    pub kept_actions: usize,
    /// What becomes of what the bot remembers.
    pub journal: JournalState,
    /// The server's version, such as `8.8`, where it tells. It is asked again after each reconnect.
    pub server_version: Option<Arc<str>>,
    /// How long ago the loop last showed that it turns: about 5 seconds at most, unless a handler blocks its thread.
    /// `None` until the bot is served, and while it has not reached the server for the first time.
    pub last_turn: Option<Duration>,
    /// For how long events have waited while none was started and nothing ended. `None` while something moves, or
    /// nothing waits.
    pub stalled: Option<Duration>,
}

impl Health {
    /// Whether the process does its work, or would if the server were there. Where it is not for more than a probe or
    /// two, starting it again is likely to help: the probe of a supervisor.
    ///
    /// It is not where the bot has ended, where its loop has not turned for 30 seconds (a handler blocks its thread),
    /// where the connection counts as ready and has been silent for two minutes (its task hangs), and where events have
    /// waited for twenty minutes while nothing began or ended (all handlers hang, or a layer is never ready). A server that
    /// can not be reached is no reason.
    pub fn is_live(&self) -> bool {
        let is_within = |time: Option<Duration>, longest| time.is_none_or(|time| time <= longest);
        let is_silent = self.state == ConnectionState::Ready && !is_within(self.last_frame, LONGEST_SILENCE);
        self.state != ConnectionState::Closed
            && is_within(self.last_turn, LONGEST_TURN)
            && is_within(self.stalled, LONGEST_STALL)
            && !is_silent
    }

    /// Whether the bot is connected, and has fetched what was said while it was not.
    pub fn is_ready(&self) -> bool {
        self.state == ConnectionState::Ready && !self.is_behind
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn health() -> Health {
        let mut health = Vitals::default().health(ConnectionState::Ready, Counters::default());
        health.last_turn = Some(Duration::from_secs(5));
        health.last_frame = Some(Duration::from_secs(20));
        health
    }

    #[test]
    fn a_server_that_is_gone_is_no_reason_to_start_again() {
        let mut health = health();
        assert!(health.is_live() && health.is_ready());
        health.state = ConnectionState::Off;
        health.last_frame = Some(Duration::from_secs(36_000));
        assert!(health.is_live() && !health.is_ready());
        // Nor is a bot that has not begun.
        health.last_turn = None;
        assert!(health.is_live());
        health.state = ConnectionState::Closed;
        assert!(!health.is_live());
    }

    #[test]
    fn what_hangs_is_not_live() {
        let seconds = |seconds| Some(Duration::from_secs(seconds));
        let with = |change: fn(&mut Health, Option<Duration>), time| {
            let mut health = health();
            change(&mut health, time);
            health.is_live()
        };
        let turn = |health: &mut Health, time| health.last_turn = time;
        let frame = |health: &mut Health, time| health.last_frame = time;
        let stall = |health: &mut Health, time| health.stalled = time;
        assert!(with(turn, seconds(30)) && !with(turn, seconds(31)));
        assert!(with(frame, seconds(120)) && !with(frame, seconds(121)));
        assert!(with(stall, seconds(1200)) && !with(stall, seconds(1201)));
        assert!(with(stall, None) && with(frame, None));
    }

    #[test]
    fn behind_is_not_ready() {
        let mut health = health();
        health.is_behind = true;
        assert!(health.is_live() && !health.is_ready());
    }
}
