//! How long to wait before the next attempt to connect. Pure: time and chance come from outside.

use std::time::Duration;

use tokio::time::Instant;

/// The first retry after a healthy connection comes within this time.
const FIRST: Duration = Duration::from_millis(50);
/// The upper end of the next wait; it doubles with each failure.
const BASE: Duration = Duration::from_millis(500);
/// A connection that was ready for this long counts as stable: the waits begin anew.
const STABLE: Duration = Duration::from_secs(60);
/// One that was ready for shorter takes a doubling back for each such time.
const STEP: Duration = Duration::from_secs(10);

/// When to give up, and how long to wait at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BackoffConfig {
    /// Longest wait between two attempts.
    pub(crate) max_retry_time: Duration,
    /// Attempts in a row without success; `None` is without end.
    pub(crate) max_retry: Option<u32>,
    /// Time without a connection; `None` is without end.
    pub(crate) max_off_time: Option<Duration>,
}

impl Default for BackoffConfig {
    fn default() -> Self {
        Self {
            max_retry_time: Duration::from_secs(60),
            max_retry: None,
            max_off_time: None,
        }
    }
}

/// What to do after a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    /// Try again after this time.
    Retry(Duration),
    /// So many attempts failed, over this time: the configured limit.
    GiveUp { attempts: u32, off: Duration },
}

#[derive(Debug)]
pub(crate) struct Backoff {
    config: BackoffConfig,
    /// Waits since the last stable connection: the exponent.
    waits: u32,
    /// Failed attempts since the last ready connection.
    attempts: u32,
    off_since: Instant,
    ready_since: Option<Instant>,
}

impl Backoff {
    pub(crate) fn new(config: BackoffConfig, now: Instant) -> Self {
        Self {
            config,
            waits: 0,
            attempts: 0,
            off_since: now,
            ready_since: None,
        }
    }

    /// The connection is ready.
    pub(crate) fn ready(&mut self, now: Instant) {
        self.ready_since = Some(now);
    }

    /// An attempt failed, or the connection was lost. `chance` is in `0.0..1.0`.
    pub(crate) fn failed(&mut self, now: Instant, chance: f64) -> Next {
        let was_ready = self.ready_since.take();
        if let Some(since) = was_ready {
            self.attempts = 0;
            self.off_since = now;
            let held = now.saturating_duration_since(since);
            self.waits = match held >= STABLE {
                true => 0,
                false => {
                    let steps = u32::try_from(held.as_secs() / STEP.as_secs()).unwrap_or(u32::MAX);
                    self.waits.saturating_sub(steps)
                }
            };
        } else {
            self.attempts = self.attempts.saturating_add(1);
        }
        let off = now.saturating_duration_since(self.off_since);
        let over = self.config.max_retry.is_some_and(|max| self.attempts >= max)
            || self.config.max_off_time.is_some_and(|max| off >= max);
        if over {
            return Next::GiveUp {
                attempts: self.attempts,
                off,
            };
        }
        let cap = if was_ready.is_some() && self.waits == 0 {
            FIRST
        } else {
            let doublings = self.waits.saturating_sub(1).min(20);
            BASE * 2_u32.pow(doublings)
        };
        self.waits = self.waits.saturating_add(1);
        let mut wait = cap
            .min(self.config.max_retry_time)
            .mul_f64(chance.clamp(0.0, 1.0));
        if let Some(max) = self.config.max_off_time {
            wait = wait.min(max.saturating_sub(off));
        }
        Next::Retry(wait)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn secs(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    fn wait(next: Next) -> Duration {
        match next {
            Next::Retry(wait) => wait,
            Next::GiveUp { .. } => panic!("gave up"),
        }
    }

    #[test]
    fn first_retry_after_a_healthy_connection_is_quick() {
        let start = Instant::now();
        let mut backoff = Backoff::new(BackoffConfig::default(), start);
        backoff.ready(start);
        assert_eq!(wait(backoff.failed(start + secs(5), 1.0)), FIRST);
        // Not stable: the second loss waits longer.
        backoff.ready(start + secs(6));
        assert_eq!(wait(backoff.failed(start + secs(7), 1.0)), BASE);
        // Stable: it begins anew.
        backoff.ready(start + secs(8));
        assert_eq!(wait(backoff.failed(start + secs(68), 1.0)), FIRST);
    }

    /// As a proxy does it that limits how long a connection lasts: the time until it is ready is not ready time.
    #[test]
    fn a_connection_that_is_cut_every_minute_comes_back_quickly() {
        let start = Instant::now();
        let mut backoff = Backoff::new(BackoffConfig::default(), start);
        for minute in 0..1440 {
            let cut = start + secs(60 * (minute + 1));
            backoff.ready(start + secs(60 * minute) + FIRST);
            assert_eq!(wait(backoff.failed(cut, 1.0)), FIRST, "minute {minute}");
        }
        // Every few seconds: something is wrong, and it is not made worse.
        let mut now = start + secs(86_400);
        let waits: Vec<_> = (0..8)
            .map(|_| {
                backoff.ready(now);
                now += secs(5);
                wait(backoff.failed(now, 1.0)).as_millis()
            })
            .collect();
        assert_eq!(waits, [500, 1000, 2000, 4000, 8000, 16000, 32000, 60000]);
    }

    #[test]
    fn waits_double_up_to_the_cap() {
        let start = Instant::now();
        let mut backoff = Backoff::new(BackoffConfig::default(), start);
        let caps: Vec<_> = (0..10)
            .map(|_| wait(backoff.failed(start, 1.0)).as_millis())
            .collect();
        assert_eq!(
            caps,
            [500, 500, 1000, 2000, 4000, 8000, 16000, 32000, 60000, 60000]
        );
    }

    #[test]
    fn limits_end_it() {
        let start = Instant::now();
        let config = BackoffConfig {
            max_retry: Some(2),
            ..BackoffConfig::default()
        };
        let two_attempts = |mut backoff: Backoff| {
            assert!(matches!(backoff.failed(start, 0.5), Next::Retry(_)));
            assert!(matches!(
                backoff.failed(start, 0.5),
                Next::GiveUp { attempts: 2, .. }
            ));
        };
        two_attempts(Backoff::new(config, start));
        // As many after a loss as at the start: the loss itself is no attempt.
        let mut backoff = Backoff::new(config, start);
        backoff.ready(start);
        assert!(matches!(backoff.failed(start, 0.5), Next::Retry(_)));
        two_attempts(backoff);

        let config = BackoffConfig {
            max_off_time: Some(secs(120)),
            ..BackoffConfig::default()
        };
        let mut backoff = Backoff::new(config, start);
        backoff.ready(start);
        assert!(matches!(backoff.failed(start + secs(500), 0.5), Next::Retry(_)));
        assert!(matches!(backoff.failed(start + secs(600), 0.5), Next::Retry(_)));
        assert!(matches!(
            backoff.failed(start + secs(620), 0.5),
            Next::GiveUp { .. }
        ));
    }

    proptest! {
        #[test]
        fn never_over_the_cap_and_never_panics(
            steps in prop::collection::vec((0_u64..200, any::<bool>(), 0.0_f64..1.0), 0..200),
            cap in 0_u64..100,
        ) {
            let mut now = Instant::now();
            let config = BackoffConfig { max_retry_time: secs(cap), ..BackoffConfig::default() };
            let mut backoff = Backoff::new(config, now);
            for (passed, ready, chance) in steps {
                if ready {
                    backoff.ready(now);
                }
                now += secs(passed);
                let waited = wait(backoff.failed(now, chance));
                prop_assert!(waited <= secs(cap));
                if ready && passed >= 60 {
                    prop_assert!(waited <= FIRST);
                }
            }
        }
    }
}
