//! Jobs: handlers that run at their time, by interval or cron expression, once or again and again.
//!
//! A job enters the pipeline as an [event](crate::event::Event::Scheduled) and so passes the same layers as everything
//! else: it is traced, timed out and inspected like a command. Its event happened in no room, so its route says where
//! an answer goes.
//!
//! ```
//! use std::time::Duration;
//! use rocketbotte::Router;
//! use rocketbotte::handler::route;
//! use rocketbotte::schedule::{Missed, Overlap, Schedule};
//!
//! async fn backup() -> &'static str { "the backup is done" }
//!
//! let nightly = Schedule::every(Duration::from_secs(24 * 3600)).missed(Missed::Once).overlap(Overlap::Skip);
//! let router: Router = Router::new().schedule("backup", nightly, route(backup).to("GENERAL"));
//! ```
//!
//! With the feature `cron`, by the clock on the wall of a time zone:
//!
//! ```
//! # #[cfg(feature = "cron")]
//! # fn main() -> Result<(), rocketbotte::BoxError> {
//! use rocketbotte::{Router, handler::route, schedule::Schedule};
//!
//! async fn standup() -> &'static str { "Stand-up!" }
//!
//! let mornings = Schedule::cron("0 9 * * Mon-Fri")?.in_zone("Europe/Berlin")?;
//! let router: Router = Router::new().schedule("standup", mornings, route(standup).to("GENERAL"));
//! # Ok(())
//! # }
//! # #[cfg(not(feature = "cron"))]
//! # fn main() {}
//! ```
//!
//! # When jobs run
//!
//! No job runs before the bot is [ready](crate::event::Event::Ready), and none begins once it stops. A job that is due
//! while the connection is down runs all the same. Jobs of a router are known once its first event has reached it,
//! which is `Ready` unless a layer keeps that back.
//!
//! Each run has a time at which it was due, and a key made of the job and that time: the ids of what it posts are derived
//! from it, so the same run never posts a message twice.
//!
//! # What was missed
//!
//! A run is missed if it could not begin within a minute: the machine slept, the clock was put forward, or, with a
//! [journal](crate::journal), the bot was not running. What becomes of it says [`Missed`]. A run that the end of the
//! process cut off was missed too, unless that was less than a minute ago. Without a journal nobody knows
//! what was due while the bot was not running, and a job begins anew with each start. A run that was on its way at
//! three ends of the process is given up.
//!
//! # One-shot jobs
//!
//! [`Schedules`] plans single runs at any time, for people who ask for a reminder. With a journal they outlive the
//! process.

mod clock;
#[cfg(feature = "cron")]
mod cron;
mod error;
mod handle;
mod once;
mod timetable;

use std::fmt;
use std::time::Duration;

pub use self::clock::WallClock;
pub use self::error::{ScheduleError, ScheduleErrorKind};
pub use self::handle::Schedules;
pub(crate) use self::handle::Wakes;
pub use self::once::Once;
pub(crate) use self::once::{LONGEST_NAME, StoredOnce};
pub(crate) use self::timetable::JobState;
use crate::event::Timestamp;

/// The shortest interval.
const SHORTEST: Duration = Duration::from_secs(1);

/// The most runs that are made up for, or wait.
const MOST_RUNS: usize = 1000;

/// When a job runs, and what becomes of runs that were missed or overlap. Cheap to clone.
///
/// ```
/// use std::time::Duration;
/// use rocketbotte::schedule::{Overlap, Schedule};
///
/// let schedule = Schedule::every(Duration::from_secs(60)).overlap(Overlap::Queue(1)).jitter(Duration::from_secs(5));
/// assert_eq!(schedule.to_string(), "every 1m");
/// ```
#[derive(Clone, PartialEq)]
#[must_use]
pub struct Schedule {
    times: Times,
    missed: Missed,
    overlap: Overlap,
    jitter: Duration,
}

/// What becomes of the runs that were missed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Missed {
    /// They are left out.
    Skip,
    /// However many there were, the last one is made up for.
    #[default]
    Once,
    /// So many of the last ones are made up for, one after the other (at most 1000).
    All(usize),
}

/// What becomes of a run that is due while the one before it has not ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Overlap {
    /// It is left out.
    #[default]
    Skip,
    /// It waits for its turn, and so many may wait (at most 1000). Those above are left out.
    Queue(usize),
    /// Both run at the same time.
    Allow,
}

#[derive(Clone, PartialEq)]
enum Times {
    Every(Duration),
    #[cfg(feature = "cron")]
    Cron(std::sync::Arc<cron::CronTimes>),
}

impl Schedule {
    /// Again and again after this time, the first time when the bot has run for so long. At least a second.
    ///
    /// With a journal the times go on from one start to the next.
    pub fn every(interval: Duration) -> Self {
        Self::of(Times::Every(interval.max(SHORTEST)))
    }

    /// By a cron expression of five fields (minute, hour, day of the month, month, day of the week), of six with seconds
    /// in front, or one of `@hourly`, `@daily`, `@weekly`, `@monthly` and `@yearly`. In UTC unless
    /// [another zone](Self::in_zone) is named.
    ///
    /// Where both a day of the month and one of the week are named, either is enough.
    ///
    /// # Errors
    ///
    /// It can not be read, or names a time that never comes.
    #[cfg(feature = "cron")]
    pub fn cron(expression: &str) -> Result<Self, ScheduleError> {
        let times = cron::CronTimes::parse(expression)?;
        Ok(Self::of(Times::Cron(std::sync::Arc::new(times))))
    }

    /// Takes the expression by the clock on the wall of a time zone, by its name: `Europe/Berlin`. The zones of the
    /// machine are used, or where it has none, those compiled in.
    ///
    /// A time that the change to summer time leaves out is made up for right behind the gap, and one that comes twice
    /// counts once; expressions of the kind "every ten minutes" run through both hours and not in the gap.
    ///
    /// ```
    /// # fn main() -> Result<(), rocketbotte::schedule::ScheduleError> {
    /// use rocketbotte::schedule::Schedule;
    ///
    /// let schedule = Schedule::cron("30 8 * * *")?.in_zone("America/New_York")?;
    /// assert_eq!(schedule.to_string(), "30 8 * * * in America/New_York");
    /// assert!(Schedule::cron("30 8 * * *")?.in_zone("Mars/Olympus").is_err());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// There is no such zone, or the schedule is an interval, which no zone changes.
    #[cfg(feature = "cron")]
    pub fn in_zone(mut self, name: &str) -> Result<Self, ScheduleError> {
        match &self.times {
            Times::Cron(times) => self.times = Times::Cron(std::sync::Arc::new(times.in_zone(name)?)),
            Times::Every(_) => return Err(ScheduleError::interval_in_zone(name)),
        }
        Ok(self)
    }

    fn of(times: Times) -> Self {
        Self {
            times,
            missed: Missed::default(),
            overlap: Overlap::default(),
            jitter: Duration::ZERO,
        }
    }

    /// What becomes of runs that were missed: [the last one is made up for](Missed::Once) unless set.
    pub fn missed(mut self, missed: Missed) -> Self {
        self.missed = missed;
        self
    }

    /// What becomes of a run that is due while the one before it has not ended: it is [left out](Overlap::Skip) unless
    /// set.
    pub fn overlap(mut self, overlap: Overlap) -> Self {
        self.overlap = overlap;
        self
    }

    /// Begins each run up to this much later, by chance, so that many bots don't ask the same server at the full hour.
    /// Not at all unless set. The time at which a run is due stays as it is. It should be shorter than the time between
    /// two runs.
    pub fn jitter(mut self, jitter: Duration) -> Self {
        self.jitter = jitter;
        self
    }

    /// The next time behind this one; `None` where there is none.
    ///
    /// ```
    /// use std::time::Duration;
    /// use rocketbotte::{event::Timestamp, schedule::Schedule};
    ///
    /// let schedule = Schedule::every(Duration::from_secs(60));
    /// assert_eq!(schedule.next_after(Timestamp::from_millis(500)), Some(Timestamp::from_millis(60_500)));
    /// ```
    pub fn next_after(&self, at: Timestamp) -> Option<Timestamp> {
        match &self.times {
            Times::Every(interval) => Some(at.saturating_add(*interval)),
            #[cfg(feature = "cron")]
            Times::Cron(times) => times.next_after(at),
        }
    }

    /// The last times that are later than `after` and not later than `until`, in order; at most `most`, and whether there
    /// were more.
    fn times_between(&self, after: Timestamp, until: Timestamp, most: usize) -> (Vec<Timestamp>, bool) {
        match &self.times {
            Times::Every(interval) => {
                let interval = i64::try_from(interval.as_millis()).unwrap_or(i64::MAX).max(1);
                let count = until.as_millis().saturating_sub(after.as_millis()).max(0) / interval;
                let kept = count.min(i64::try_from(most).unwrap_or(i64::MAX));
                let time = |step: i64| {
                    Timestamp::from_millis(after.as_millis().saturating_add(interval.saturating_mul(step)))
                };
                ((count - kept + 1..=count).map(time).collect(), kept < count)
            }
            #[cfg(feature = "cron")]
            Times::Cron(times) => times.between(after, until, most),
        }
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.times {
            Times::Every(interval) => write!(f, "every {}", humantime::format_duration(*interval)),
            #[cfg(feature = "cron")]
            Times::Cron(times) => times.fmt(f),
        }
    }
}

impl fmt::Debug for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Schedule")
            .field("times", &self.to_string())
            .field("missed", &self.missed)
            .field("overlap", &self.overlap)
            .field("jitter", &self.jitter)
            .finish()
    }
}
