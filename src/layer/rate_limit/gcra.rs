//! The generic cell rate algorithm. Pure: it takes the time, and has no clock.

use std::time::Duration;

use tokio::time::Instant;

/// How much may pass: `burst` at once, then one in each interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Quota {
    interval: Duration,
    /// How far ahead of the time a bucket may be.
    tolerance: Duration,
}

/// Ten years: no bot runs that long, and clocks can count some billions of them.
const LONGEST: Duration = Duration::from_secs(10 * 365 * 24 * 60 * 60);

/// When a bucket will be full again. Everything about it follows from that one instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cell {
    full_at: Instant,
}

/// A token that was taken, to give it back.
#[derive(Clone, Copy, Debug)]
pub(super) struct Token {
    before: Cell,
    after: Cell,
}

impl Quota {
    /// So many in each period. A count of 0 is taken for 1.
    pub(super) fn new(count: u32, period: Duration, burst: u32) -> Self {
        let interval = (period / count.max(1)).min(LONGEST);
        Self {
            interval,
            tolerance: interval.saturating_mul(burst.max(1) - 1),
        }
    }
}

impl Cell {
    /// A full bucket.
    pub(super) fn new(now: Instant) -> Self {
        Self { full_at: now }
    }

    pub(super) fn is_full(&self, now: Instant) -> bool {
        self.full_at <= now
    }

    pub(super) fn full_at(&self) -> Instant {
        self.full_at
    }

    /// Takes a token, or says how long until there is one.
    pub(super) fn take(&mut self, quota: &Quota, now: Instant) -> Result<Token, Duration> {
        let before = *self;
        let full_at = self.full_at.max(now);
        let ahead = full_at - now;
        if ahead > quota.tolerance {
            return Err(ahead - quota.tolerance);
        }
        // An interval beyond what the clock can count: the bucket stays as it is, and nothing more can be said.
        self.full_at = full_at.checked_add(quota.interval).unwrap_or(full_at);
        Ok(Token { before, after: *self })
    }

    /// Gives a token back. Only the last one that was taken can be given back exactly: if others were taken since, this
    /// one is lost, and comes back with time.
    pub(super) fn give_back(&mut self, token: &Token) {
        if *self == token.after {
            *self = token.before;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn quota() -> impl Strategy<Value = (Quota, u32)> {
        (1u32..20, 1u64..100_000, 1u32..20).prop_map(|(count, millis, burst)| {
            (Quota::new(count, Duration::from_millis(millis), burst), burst)
        })
    }

    /// Milliseconds between tries, and whether the token is given back at the next one.
    fn tries() -> impl Strategy<Value = Vec<(u64, bool)>> {
        prop::collection::vec((0u64..5_000, prop::bool::weighted(0.2)), 1..200)
    }

    proptest! {
        #[test]
        fn no_window_lets_more_than_the_burst_and_the_rate_pass((quota, burst) in quota(), tries in tries()) {
            let mut now = Instant::now();
            let mut cell = Cell::new(now);
            let mut passed = Vec::new();
            let mut returned: Option<Token> = None;
            for (millis, is_returned) in tries {
                now += Duration::from_millis(millis);
                if let Some(token) = returned.take() {
                    // It counts as passed unless it really came back.
                    let is_exact = cell == token.after;
                    cell.give_back(&token);
                    if is_exact {
                        passed.pop();
                    }
                }
                if let Ok(token) = cell.take(&quota, now) {
                    passed.push(now);
                    returned = is_returned.then_some(token);
                }
            }
            for (index, start) in passed.iter().enumerate() {
                for (count, end) in (1u128..).zip(&passed[index..]) {
                    let window = (*end - *start).as_nanos();
                    let allowed = u128::from(burst) + window / quota.interval.as_nanos().max(1);
                    prop_assert!(count <= allowed, "{count} passed in {window} ns");
                }
            }
        }

        #[test]
        fn the_wait_that_is_announced_suffices((quota, _) in quota(), tries in tries()) {
            let mut now = Instant::now();
            let mut cell = Cell::new(now);
            for (millis, _) in tries {
                now += Duration::from_millis(millis);
                if let Err(wait) = cell.take(&quota, now) {
                    prop_assert!(cell.clone().take(&quota, now + wait).is_ok());
                    prop_assert!(wait.is_zero() || cell.clone().take(&quota, now + wait - Duration::from_nanos(1)).is_err());
                }
            }
        }

        #[test]
        fn a_token_that_was_given_back_was_never_taken((quota, _) in quota(), tries in tries()) {
            let mut now = Instant::now();
            let mut cell = Cell::new(now);
            let mut twin = cell;
            for (millis, is_returned) in tries {
                now += Duration::from_millis(millis);
                if is_returned {
                    if let Ok(token) = cell.take(&quota, now) {
                        cell.give_back(&token);
                    }
                } else {
                    prop_assert_eq!(cell.take(&quota, now).is_ok(), twin.take(&quota, now).is_ok());
                }
            }
        }

        #[test]
        fn any_quota_is_usable(count: u32, period: Duration, burst: u32) {
            let quota = Quota::new(count, period, burst);
            let now = Instant::now();
            prop_assert!(Cell::new(now).take(&quota, now).is_ok());
        }
    }
}
