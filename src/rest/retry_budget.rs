//! How fast calls may be made again, all together: a server that is down is not hammered by each of them. Pure: no clock.

use std::time::Duration;

use tokio::time::Instant;

/// Retries that may come at once.
const BURST: f64 = 20.0;
/// Retries a second that are always allowed.
const PER_SECOND: f64 = 2.0;
/// What a call that works adds: one retry more for every five calls.
const PER_CALL: f64 = 0.2;

/// A bucket of retries. It may be overdrawn: who does so waits until it would not be.
#[derive(Debug)]
pub(crate) struct RetryBudget {
    left: f64,
    at: Option<Instant>,
}

impl Default for RetryBudget {
    fn default() -> Self {
        Self {
            left: BURST,
            at: None,
        }
    }
}

impl RetryBudget {
    /// A call worked.
    pub(crate) fn deposit(&mut self) {
        self.left = (self.left + PER_CALL).min(BURST);
    }

    /// How long a retry that would be made after `pause` has to wait, that included; `None`, and nothing is taken, where
    /// that is longer than `longest`. A pause that is too long is cut: the last attempt is as late as may be.
    pub(crate) fn withdraw(&mut self, now: Instant, pause: Duration, longest: Duration) -> Option<Duration> {
        if let Some(at) = self.at {
            let earned = now.saturating_duration_since(at).as_secs_f64() * PER_SECOND;
            self.left = (self.left + earned).min(BURST);
        }
        self.at = Some(now);
        // What is earned until then is counted when it is there.
        let short = (1.0 - self.left).max(0.0) / PER_SECOND;
        let wait = pause.min(longest).max(Duration::from_secs_f64(short));
        if wait > longest || longest.is_zero() {
            return None;
        }
        self.left -= 1.0;
        Some(wait)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// However many calls fail, and whenever: no more retries go out in any stretch of time than the burst, what
        /// working calls earned, and what the seconds earn; and none waits longer than it may.
        #[test]
        fn retries_are_bounded(
            steps in prop::collection::vec((0_u64..3000, 0_u64..2000, any::<bool>()), 1..200),
            longest in 1_u64..300,
        ) {
            let longest = Duration::from_secs(longest);
            let start = Instant::now();
            let (mut budget, mut now, mut earned) = (RetryBudget::default(), start, 0.0);
            let mut sent = Vec::new();
            for (millis, pause, works) in steps {
                now += Duration::from_millis(millis);
                if works {
                    budget.deposit();
                    earned += PER_CALL;
                }
                if let Some(wait) = budget.withdraw(now, Duration::from_millis(pause), longest) {
                    // A pause is cut only where the time is over before it.
                    prop_assert!(wait <= longest && wait >= Duration::from_millis(pause).min(longest));
                    sent.push((now, now + wait));
                }
            }
            // By the time at which the bucket gave them: a pause of one's own only makes it later.
            for (count, (_, at)) in (1_u32..).zip(&sent) {
                let time = at.duration_since(start).as_secs_f64();
                prop_assert!(f64::from(count) <= time.mul_add(PER_SECOND, BURST + earned + 1e-6));
            }
        }
    }

    #[test]
    fn a_burst_is_free_and_the_rest_is_spread() {
        let mut budget = RetryBudget::default();
        let now = Instant::now();
        let longest = Duration::from_secs(3);
        let waits: Vec<_> = (0..40)
            .map(|_| budget.withdraw(now, Duration::ZERO, longest))
            .collect();
        assert!(waits[..20].iter().all(|wait| *wait == Some(Duration::ZERO)));
        assert_eq!(waits[20], Some(Duration::from_millis(500)));
        assert_eq!(waits[25], Some(longest));
        assert!(
            waits[26..].iter().all(Option::is_none),
            "nothing is taken for nothing"
        );
        assert_eq!(
            budget.withdraw(now + longest, Duration::ZERO, longest),
            Some(Duration::from_millis(500))
        );
    }
}
