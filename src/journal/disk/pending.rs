//! Changes that wait for the disk: the last one of each key counts. Pure.

use std::collections::{HashMap, HashSet};
use std::hash::BuildHasher as _;

use crate::journal::Change;

/// Bounded by what is kept: a key that the disk never saw and that goes again leaves no trace.
#[derive(Debug, Default)]
pub(super) struct Pending {
    changes: HashMap<Vec<u8>, Option<Vec<u8>>, foldhash::fast::RandomState>,
    /// The keys that are, or may be, on the disk. Where two have the same number, one is removed in vain.
    on_disk: HashSet<u64, foldhash::fast::RandomState>,
    hasher: foldhash::fast::RandomState,
}

pub(super) type Batch = Vec<(Vec<u8>, Option<Vec<u8>>)>;

impl Pending {
    pub(super) fn is_on_disk(&mut self, key: &[u8]) {
        self.on_disk.insert(self.hasher.hash_one(key));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    pub(super) fn push(&mut self, change: Change) {
        let (key, value) = change.into_parts();
        if value.is_none() && !self.on_disk.contains(&self.hasher.hash_one(&key)) {
            self.changes.remove(&key);
        } else {
            self.changes.insert(key, value);
        }
    }

    /// What is not on the disk yet.
    pub(super) fn waiting(&self) -> Batch {
        let changes = self.changes.iter();
        changes.map(|(key, value)| (key.clone(), value.clone())).collect()
    }

    /// What is to be written now. From here on it may be on the disk.
    pub(super) fn take(&mut self) -> Batch {
        let batch: Batch = self.changes.drain().collect();
        for (key, _) in &batch {
            self.on_disk.insert(self.hasher.hash_one(key));
        }
        batch
    }

    /// It was written.
    pub(super) fn is_written(&mut self, batch: &Batch) {
        for (key, value) in batch {
            // A key that came again since is put back when it is written.
            if value.is_none() {
                self.on_disk.remove(&self.hasher.hash_one(key));
            }
        }
    }

    /// It could not be written. What came later goes before it.
    pub(super) fn put_back(&mut self, batch: Batch) {
        for (key, value) in batch {
            self.changes.entry(key).or_insert(value);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Whatever is written, and however often that fails, the disk has in the end what was said last; and what
        /// waits is never more than the keys that are there now or were on the disk.
        #[test]
        fn the_last_word_counts(steps in prop::collection::vec((0u8..6, any::<u8>(), 0u8..6), 0..200)) {
            let mut pending = Pending::default();
            let mut disk = BTreeMap::<Vec<u8>, Vec<u8>>::new();
            let mut model = BTreeMap::<Vec<u8>, Vec<u8>>::new();
            let mut write = |pending: &mut Pending, works: bool| {
                let batch = pending.take();
                if !works {
                    return pending.put_back(batch);
                }
                for (key, value) in batch.clone() {
                    match value {
                        Some(value) => disk.insert(key, value),
                        None => disk.remove(&key),
                    };
                }
                pending.is_written(&batch);
            };
            for (step, key, value) in steps {
                let key = vec![key % 8];
                match step {
                    0 => write(&mut pending, true),
                    1 => write(&mut pending, false),
                    2 | 3 => {
                        model.insert(key.clone(), vec![value]);
                        pending.push(Change::put(key, vec![value]));
                    }
                    _ => {
                        model.remove(&key);
                        pending.push(Change::remove(key));
                    }
                }
                prop_assert!(pending.changes.len() <= 8);
            }
            write(&mut pending, true);
            prop_assert_eq!(disk, model);
        }

        #[test]
        fn what_comes_and_goes_before_the_disk_leaves_no_trace(keys: Vec<Vec<u8>>) {
            let mut pending = Pending::default();
            for key in keys {
                pending.push(Change::put(key.clone(), *b"x"));
                pending.push(Change::remove(key));
                prop_assert!(pending.is_empty());
            }
        }
    }
}
