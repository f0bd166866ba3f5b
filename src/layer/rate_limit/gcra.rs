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
    /// All that was ever given back: what was taken before comes back by so much earlier.
    given_back: Duration,
}

/// A token that was taken, to give it back.
#[derive(Clone, Copy, Debug)]
pub(super) struct Token {
    /// When it will have come back with time,
    until: Instant,
    /// if nothing more than this is given back before.
    given_back: Duration,
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
        Self {
            full_at: now,
            given_back: Duration::ZERO,
        }
    }

    pub(super) fn is_full(&self, now: Instant) -> bool {
        self.full_at <= now
    }

    pub(super) fn full_at(&self) -> Instant {
        self.full_at
    }

    /// Takes a token, or says how long until there is one.
    pub(super) fn take(&mut self, quota: &Quota, now: Instant) -> Result<Token, Duration> {
        let full_at = self.full_at.max(now);
        let ahead = full_at - now;
        if ahead > quota.tolerance {
            return Err(ahead - quota.tolerance);
        }
        // An interval beyond what the clock can count: the bucket stays as it is, and nothing more can be said.
        self.full_at = full_at.checked_add(quota.interval).unwrap_or(full_at);
        Ok(Token {
            until: self.full_at,
            given_back: self.given_back,
        })
    }

    /// Gives a token back, as far as it has not come back with time.
    pub(super) fn give_back(&mut self, token: &Token, quota: &Quota, now: Instant) {
        // Less than the truth where a later token was given back first: what is missing comes back with time.
        let earlier = self.given_back.saturating_sub(token.given_back);
        let open = token
            .until
            .saturating_duration_since(now)
            .saturating_sub(earlier)
            .min(quota.interval);
        if let Some(full_at) = self.full_at.checked_sub(open) {
            self.full_at = full_at.max(now);
            self.given_back = self.given_back.saturating_add(open);
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
        /// Whatever is given back, and however late, what is kept never passes the limit.
        #[test]
        fn no_window_lets_more_than_the_burst_and_the_rate_pass((quota, burst) in quota(), tries in tries()) {
            let mut now = Instant::now();
            let mut cell = Cell::new(now);
            let mut kept: Vec<(Instant, Token)> = Vec::new();
            for (millis, gives_back) in tries {
                now += Duration::from_millis(millis);
                if gives_back && !kept.is_empty() {
                    let (_, token) = kept.remove(usize::try_from(millis).unwrap() % kept.len());
                    cell.give_back(&token, &quota, now);
                } else if let Ok(token) = cell.take(&quota, now) {
                    kept.push((now, token));
                }
            }
            for (index, (start, _)) in kept.iter().enumerate() {
                for (count, (end, _)) in (1u128..).zip(&kept[index..]) {
                    let window = (*end - *start).as_nanos();
                    let allowed = u128::from(burst) + window / quota.interval.as_nanos().max(1);
                    prop_assert!(count <= allowed, "{count} passed in {window} ns");
                }
            }
        }

        #[test]
        fn what_was_taken_at_once_can_all_be_given_back(burst in 2u32..10) {
            let quota = Quota::new(1, Duration::from_secs(10), burst);
            let now = Instant::now();
            let mut cell = Cell::new(now);
            let tokens: Vec<_> = (0..burst).map(|_| cell.take(&quota, now).unwrap()).collect();
            prop_assert!(cell.take(&quota, now).is_err());
            tokens.iter().for_each(|token| cell.give_back(token, &quota, now));
            prop_assert!(cell.is_full(now));
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
                        cell.give_back(&token, &quota, now);
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
