//! The clock on the wall.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use tokio::time::Instant;

use crate::event::Timestamp;

/// A clock that was put by less than this goes on as it is: it is how exactly two clocks can be read one after the other.
const NOTHING_MS: i64 = 100;

/// The clock on the wall by which jobs run: the machine's, or one of a test.
///
/// ```
/// use std::time::{Duration, SystemTime};
/// use rocketbotte::schedule::WallClock;
///
/// let clock = WallClock::starting_at(SystemTime::UNIX_EPOCH);
/// assert_eq!(clock.now().as_millis() / 1000, 0);
/// clock.set(SystemTime::UNIX_EPOCH + Duration::from_secs(3600));
/// assert_eq!(clock.now().as_millis() / 1000, 3600);
/// ```
#[derive(Clone)]
pub struct WallClock {
    hands: Arc<Mutex<Hands>>,
}

struct Hands {
    /// What the clock showed at `anchor`.
    shown: Timestamp,
    anchor: Instant,
    /// What tells that the machine's clock was put, or the machine slept; none for a clock of its own.
    machine: Option<Machine>,
}

struct Machine {
    wall: SystemTime,
    monotonic: std::time::Instant,
    /// By how much the clock was put since.
    put_by: i64,
}

impl WallClock {
    /// The machine's clock. It follows tokio's clock, so it can be paused in a test, and the machine's where that is put
    /// forward or back, or runs on while the machine sleeps.
    pub fn system() -> Self {
        let wall = SystemTime::now();
        Self::of(Hands {
            shown: Timestamp::from_system_time(wall).unwrap_or(Timestamp::from_millis(0)),
            anchor: Instant::now(),
            machine: Some(Machine {
                wall,
                monotonic: std::time::Instant::now(),
                put_by: 0,
            }),
        })
    }

    /// A clock that shows this now, and goes on with tokio's: for tests with paused time, on the day when summer time
    /// begins.
    pub fn starting_at(time: SystemTime) -> Self {
        Self::of(Hands {
            shown: Timestamp::from_system_time(time).unwrap_or(Timestamp::from_millis(0)),
            anchor: Instant::now(),
            machine: None,
        })
    }

    fn of(hands: Hands) -> Self {
        Self {
            hands: Arc::new(Mutex::new(hands)),
        }
    }

    /// Puts it forward or back, as if the machine had slept or its clock had been put right. The bot sees it within a
    /// minute.
    pub fn set(&self, time: SystemTime) {
        let mut hands = self.lock();
        hands.shown = Timestamp::from_system_time(time).unwrap_or(Timestamp::from_millis(0));
        hands.anchor = Instant::now();
        hands.machine = None;
    }

    /// What it shows.
    pub fn now(&self) -> Timestamp {
        let mut hands = self.lock();
        let put_by = hands.machine.as_mut().map_or(0, Machine::put_by);
        let shown = hands.shown.saturating_add(hands.anchor.elapsed());
        Timestamp::from_millis(shown.as_millis().saturating_add(put_by))
    }

    fn lock(&self) -> MutexGuard<'_, Hands> {
        self.hands.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Machine {
    fn put_by(&mut self) -> i64 {
        let monotonic = i64::try_from(self.monotonic.elapsed().as_millis()).unwrap_or(i64::MAX);
        let wall = match SystemTime::now().duration_since(self.wall) {
            Ok(later) => i64::try_from(later.as_millis()).unwrap_or(i64::MAX),
            Err(earlier) => -i64::try_from(earlier.duration().as_millis()).unwrap_or(i64::MAX),
        };
        let put_by = wall.saturating_sub(monotonic);
        if put_by.abs_diff(self.put_by) >= NOTHING_MS.unsigned_abs() {
            self.put_by = put_by;
        }
        self.put_by
    }
}

impl Default for WallClock {
    fn default() -> Self {
        Self::system()
    }
}

impl fmt::Debug for WallClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("WallClock").field(&self.now()).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_goes_with_the_paused_clock() {
        let clock = WallClock::system();
        let before = clock.now();
        tokio::time::advance(Duration::from_secs(3600)).await;
        assert_eq!(clock.now().saturating_since(before), Duration::from_secs(3600));
    }

    #[test]
    fn it_follows_a_clock_that_is_put() {
        let clock = WallClock::system();
        for hours in [1, -1] {
            let before = clock.now().as_millis();
            let by = Duration::from_secs(3600);
            let mut hands = clock.lock();
            let machine = hands.machine.as_mut().unwrap();
            // As if the clock had been put the other way when it was read first.
            machine.wall = if hours > 0 {
                machine.wall - by
            } else {
                machine.wall + by
            };
            drop(hands);
            let moved = clock.now().as_millis() - before;
            assert!((moved - hours * 3_600_000).abs() < 60_000, "{moved}");
        }
    }
}
