//! When a message may be edited again, so that there is always an edit left to say the last word. Pure: no clock.

use std::time::Duration;

use tokio::time::Instant;

/// What the server lets pass of edits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outlook {
    /// As many as one likes, as far as is known.
    Free,
    /// So many more until then.
    #[cfg_attr(
        not(any(feature = "client", test)),
        expect(dead_code, reason = "only the REST client knows limits")
    )]
    Window { left: u32, opens_at: Option<Instant> },
}

/// A window that nobody has told the end of.
const WINDOW: Duration = Duration::from_secs(60);

/// The edits of one reply.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    /// The least time between two of them.
    every: Duration,
    last: Option<Instant>,
}

impl Pace {
    pub(crate) const fn new(every: Duration) -> Self {
        Self { every, last: None }
    }

    /// A message was written.
    pub(crate) fn wrote(&mut self, now: Instant) {
        self.last = Some(now);
    }

    /// When the next edit may be made that is not the last one: what the server lets pass is spread over its window, and
    /// one call of it is left for a last one.
    pub(crate) fn next_at(&self, outlook: Outlook, now: Instant) -> Instant {
        let Some(last) = self.last else {
            return now;
        };
        let soonest = last + self.every;
        let Outlook::Window { left, opens_at } = outlook else {
            return soonest;
        };
        let not_before = match (left.saturating_sub(1), opens_at) {
            (0, opens_at) => opens_at.unwrap_or(last + WINDOW),
            // The next one begins a window.
            (_, None) => now,
            (left, Some(opens_at)) => last + opens_at.saturating_duration_since(last) / (left + 1),
        };
        soonest.max(not_before)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Whatever the server's limit and however long its windows: it never has to refuse an edit, one is always left,
        /// and all that it lets pass but that one is used where there is much to say.
        #[test]
        fn the_last_word_can_always_be_said(
            limit in 2_u32..40,
            seconds in 5_u64..120,
            every in 100_u64..3000,
            begins in 0_u64..60_000,
        ) {
            let start = Instant::now();
            let window = Duration::from_secs(seconds);
            let (mut pace, mut now) = (Pace::new(Duration::from_millis(every)), start + Duration::from_millis(begins));
            // The window that the server is in, and how many edits it has counted in it.
            let (mut opens_at, mut used) = (None::<Instant>, 0_u32);
            let mut in_windows = Vec::new();
            for _ in 0..200 {
                if opens_at.is_some_and(|at| at <= now) {
                    in_windows.push(used);
                    (opens_at, used) = (None, 0);
                }
                let at = pace.next_at(Outlook::Window { left: limit - used, opens_at }, now);
                if at > now {
                    // It asks again whenever something happens, at the latest then.
                    now = at.min(opens_at.unwrap_or(at));
                    continue;
                }
                opens_at.get_or_insert(now + window);
                used += 1;
                pace.wrote(now);
                prop_assert!(used < limit, "the last one is left");
            }
            let most = u32::try_from(u128::from(seconds) * 1000 / u128::from(every)).unwrap_or(u32::MAX);
            for used in in_windows {
                prop_assert!(used >= (limit - 1).min(most) / 2, "{} of {} used", used, limit);
            }
        }
    }

    #[test]
    fn edits_are_spread_over_the_window() {
        let now = Instant::now();
        let secs = Duration::from_secs;
        let mut pace = Pace::new(secs(1));
        assert_eq!(pace.next_at(Outlook::Free, now), now, "the first words at once");
        pace.wrote(now);
        assert_eq!(pace.next_at(Outlook::Free, now), now + secs(1));
        let of = |left, after| Outlook::Window {
            left,
            opens_at: Some(now + secs(after)),
        };
        assert_eq!(pace.next_at(of(10, 60), now), now + secs(6));
        assert_eq!(pace.next_at(of(100, 60), now), now + secs(1));
        assert_eq!(pace.next_at(of(1, 60), now), now + secs(60));
        assert_eq!(pace.next_at(of(0, 60), now), now + secs(60));
        assert_eq!(pace.next_at(of(2, 60), now), now + secs(30));
    }
}
