//! Buckets by key, bounded. Pure: it takes the time, and has no clock.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::time::Duration;

use tokio::time::Instant;

use super::gcra::{Cell, Quota, Token};

/// How many keys are remembered.
pub(super) const MOST_KEYS: usize = 10_000;

/// A sixteenth is forgotten at once where none has expired, so that it happens rarely.
const FORGOTTEN: usize = MOST_KEYS / 16;

/// A bucket for each key. A key is a keyed hash of what it stands for: an id that is kept would keep the frame that it
/// is a slice of, and a known key costs no allocation.
#[derive(Debug, Default)]
pub(super) struct Buckets {
    by_key: HashMap<u64, Bucket, BuildHasherDefault<KeyIsHash>>,
}

/// The keys are hashes already, under a secret of the limiter: nobody can choose them to collide.
#[derive(Debug, Default)]
struct KeyIsHash(u64);

impl Hasher for KeyIsHash {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, key: u64) {
        self.0 = key;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[derive(Clone, Copy, Debug)]
struct Bucket {
    cell: Cell,
    /// Until when refusals are silent, since one was spoken.
    silent_until: Option<Instant>,
}

/// What becomes of a request.
#[derive(Clone, Copy, Debug)]
pub(super) enum Verdict {
    Passed(Token),
    Refused {
        wait: Duration,
        /// The first refusal of the window: `silent_until` before it.
        is_first: bool,
    },
}

impl Bucket {
    fn has_expired(&self, now: Instant) -> bool {
        self.cell.is_full(now) && self.silent_until.is_none_or(|until| until <= now)
    }
}

impl Buckets {
    pub(super) fn take(&mut self, key: u64, quota: &Quota, window: Duration, now: Instant) -> Verdict {
        if !self.by_key.contains_key(&key) && self.by_key.len() >= MOST_KEYS {
            self.make_room(now);
        }
        let bucket = self.by_key.entry(key).or_insert_with(|| Bucket {
            cell: Cell::new(now),
            silent_until: None,
        });
        match bucket.cell.take(quota, now) {
            Ok(token) => Verdict::Passed(token),
            Err(wait) => {
                let is_first = bucket.silent_until.is_none_or(|until| until <= now);
                if is_first {
                    bucket.silent_until = now.checked_add(window);
                }
                Verdict::Refused { wait, is_first }
            }
        }
    }

    /// Undoes what a request that was none of this bot's commands did.
    pub(super) fn undo(&mut self, key: u64, verdict: &Verdict, quota: &Quota, now: Instant) {
        let Some(bucket) = self.by_key.get_mut(&key) else {
            return;
        };
        match verdict {
            Verdict::Passed(token) => bucket.cell.give_back(token, quota, now),
            // Nobody has heard it: the next refusal is spoken.
            Verdict::Refused { is_first: true, .. } => bucket.silent_until = None,
            Verdict::Refused { .. } => {}
        }
    }

    /// Forgets the buckets that are full again; else those that are full soonest, which are the oldest or the least
    /// used.
    fn make_room(&mut self, now: Instant) {
        self.by_key.retain(|_, bucket| !bucket.has_expired(now));
        if self.by_key.len() < MOST_KEYS {
            return;
        }
        let mut ends: Vec<_> = self.by_key.values().map(|bucket| bucket.cell.full_at()).collect();
        let (_, limit, _) = ends.select_nth_unstable(FORGOTTEN);
        let limit = *limit;
        let mut left = FORGOTTEN;
        self.by_key.retain(|_, bucket| {
            let is_kept = left == 0 || bucket.cell.full_at() > limit;
            left -= usize::from(!is_kept);
            is_kept
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: Duration = Duration::from_secs(10);

    #[test]
    fn the_number_of_keys_is_bounded_and_the_busiest_stay() {
        let quota = Quota::new(1, WINDOW, 1);
        let now = Instant::now();
        let mut buckets = Buckets::default();
        for key in 0..3 * MOST_KEYS as u64 {
            let now = now + Duration::from_micros(key);
            buckets.take(key, &quota, WINDOW, now);
            assert!(buckets.by_key.len() <= MOST_KEYS);
        }
        let last = 3 * MOST_KEYS as u64 - 1;
        assert!(matches!(
            buckets.take(last, &quota, WINDOW, now + Duration::from_secs(1)),
            Verdict::Refused { .. }
        ));
    }

    #[test]
    fn full_buckets_are_forgotten_first() {
        let quota = Quota::new(1, WINDOW, 1);
        let now = Instant::now();
        let mut buckets = Buckets::default();
        for key in 0..MOST_KEYS as u64 {
            buckets.take(key, &quota, WINDOW, now);
        }
        buckets.take(u64::MAX, &quota, WINDOW, now + 2 * WINDOW);
        assert_eq!(buckets.by_key.len(), 1);
    }

    #[test]
    fn equal_times_are_forgotten_in_bounds() {
        let quota = Quota::new(1, WINDOW, 1);
        let now = Instant::now();
        let mut buckets = Buckets::default();
        for key in 0..=MOST_KEYS as u64 {
            buckets.take(key, &quota, WINDOW, now);
        }
        assert_eq!(buckets.by_key.len(), MOST_KEYS - FORGOTTEN + 1);
    }

    #[test]
    fn one_refusal_in_a_window_is_the_first() {
        let quota = Quota::new(1, WINDOW, 1);
        let now = Instant::now();
        let mut buckets = Buckets::default();
        let mut first = |millis| match buckets.take(1, &quota, WINDOW, now + Duration::from_millis(millis)) {
            Verdict::Passed(_) => None,
            Verdict::Refused { is_first, .. } => Some(is_first),
        };
        let seen = [
            first(0),
            first(1),
            first(2),
            first(10_000),
            first(10_001),
            first(10_002),
        ];
        assert_eq!(
            seen,
            [None, Some(true), Some(false), None, Some(true), Some(false)]
        );
    }
}
