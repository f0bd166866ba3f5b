//! Which item may run next: one at a time and in order within a lane, lanes side by side, all within bounds. Pure.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;

/// Items wait in lanes until they may start.
#[derive(Debug)]
pub(crate) struct Lanes<K, T> {
    lanes: HashMap<K, Lane<T>>,
    /// Lanes whose first item may start as soon as there is room for another running one.
    startable: VecDeque<K>,
    bounds: LaneBounds,
    running: usize,
    waiting: usize,
}

/// How much may run and wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LaneBounds {
    /// Items that run at once.
    pub(crate) running: usize,
    /// Items that wait in one lane.
    pub(crate) waiting_in_lane: usize,
    /// Items that wait in all lanes together.
    pub(crate) waiting: usize,
}

#[derive(Debug)]
struct Lane<T> {
    waiting: VecDeque<T>,
    is_busy: bool,
    /// How many items in a row had to be detached from it.
    detached_in_a_row: u32,
}

impl<K: Clone + Eq + Hash, T> Lanes<K, T> {
    pub(crate) fn new(bounds: LaneBounds) -> Self {
        Self {
            lanes: HashMap::new(),
            startable: VecDeque::new(),
            bounds,
            running: 0,
            waiting: 0,
        }
    }

    /// Adds an item at the end of its lane; gives it back if the lane, or all of them together, are full.
    pub(crate) fn push(&mut self, key: K, item: T) -> Result<(), T> {
        let lane = self.lanes.get(&key);
        let waits = lane.is_some_and(|lane| lane.is_busy || !lane.waiting.is_empty());
        let is_lane_full = lane.is_some_and(|lane| lane.waiting.len() >= self.bounds.waiting_in_lane);
        // An item that can start at once does not wait: what waits in other lanes is no reason to refuse it.
        let starts_at_once = !waits && self.running + self.startable.len() < self.bounds.running;
        if (waits && is_lane_full) || (self.waiting >= self.bounds.waiting && !starts_at_once) {
            return Err(item);
        }
        let lane = self.lanes.entry(key.clone()).or_insert_with(|| Lane {
            waiting: VecDeque::new(),
            is_busy: false,
            detached_in_a_row: 0,
        });
        if !waits {
            self.startable.push_back(key);
        }
        lane.waiting.push_back(item);
        self.waiting += 1;
        Ok(())
    }

    /// Takes the item out of a lane that has waited longest.
    pub(crate) fn drop_oldest(&mut self, key: &K) -> Option<T> {
        let lane = self.lanes.get_mut(key)?;
        let oldest = lane.waiting.pop_front()?;
        self.waiting -= 1;
        if lane.waiting.is_empty() && !lane.is_busy {
            self.lanes.remove(key);
            self.startable.retain(|startable| startable != key);
        }
        Some(oldest)
    }

    /// Whether an item may start now.
    pub(crate) fn can_start(&self) -> bool {
        self.running < self.bounds.running && !self.startable.is_empty()
    }

    /// Takes the next item that may start. Its lane is busy until [`free`](Self::free), and it counts as running until
    /// [`finish`](Self::finish).
    pub(crate) fn start(&mut self) -> Option<(K, T)> {
        if self.running >= self.bounds.running {
            return None;
        }
        let key = self.startable.pop_front()?;
        let lane = self.lanes.get_mut(&key)?;
        let item = lane.waiting.pop_front()?;
        lane.is_busy = true;
        self.waiting -= 1;
        self.running += 1;
        Some((key, item))
    }

    /// How many items of a lane in a row had to be detached before the one that runs now.
    pub(crate) fn detached_in_a_row(&self, key: &K) -> u32 {
        self.lanes.get(key).map_or(0, |lane| lane.detached_in_a_row)
    }

    /// Lets the next item of a lane start although the one before still runs.
    pub(crate) fn detach(&mut self, key: &K) {
        if let Some(lane) = self.lanes.get_mut(key) {
            lane.detached_in_a_row = lane.detached_in_a_row.saturating_add(1);
        }
        self.next_of(key);
    }

    /// Lets the next item of a lane start: the one before has ended.
    pub(crate) fn free(&mut self, key: &K) {
        if let Some(lane) = self.lanes.get_mut(key) {
            lane.detached_in_a_row = 0;
        }
        self.next_of(key);
    }

    fn next_of(&mut self, key: &K) {
        let Some(lane) = self.lanes.get_mut(key) else {
            return;
        };
        lane.is_busy = false;
        if lane.waiting.is_empty() {
            self.lanes.remove(key);
        } else {
            self.startable.push_back(key.clone());
        }
    }

    /// Counts something as running that came out of no lane. It may pass the bound: it is there already.
    pub(crate) fn occupy(&mut self) {
        self.running += 1;
    }

    /// An item has run to its end.
    pub(crate) fn finish(&mut self) {
        self.running = self.running.saturating_sub(1);
    }

    /// Gives up everything that waits.
    pub(crate) fn clear_waiting(&mut self) -> Vec<T> {
        self.startable.clear();
        self.waiting = 0;
        let items = self
            .lanes
            .values_mut()
            .flat_map(|lane| std::mem::take(&mut lane.waiting))
            .collect();
        self.lanes.retain(|_, lane| lane.is_busy);
        items
    }

    /// How many items run.
    #[cfg(test)]
    fn running(&self) -> usize {
        self.running
    }

    /// How many items wait.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting
    }

    /// How many lanes are in use.
    pub(crate) fn in_use(&self) -> usize {
        self.lanes.len()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BOUNDS: LaneBounds = LaneBounds {
        running: 2,
        waiting_in_lane: 3,
        waiting: 6,
    };

    #[test]
    fn a_lane_runs_one_at_a_time_and_lanes_run_side_by_side() {
        let mut lanes = Lanes::new(BOUNDS);
        for (key, item) in [("a", 1), ("a", 2), ("b", 3)] {
            lanes.push(key, item).unwrap();
        }
        assert_eq!(lanes.start(), Some(("a", 1)));
        assert_eq!(lanes.start(), Some(("b", 3)));
        assert_eq!(lanes.start(), None);
        lanes.free(&"a");
        lanes.finish();
        assert_eq!(lanes.start(), Some(("a", 2)));
    }

    #[test]
    fn a_detached_item_frees_its_lane_and_still_counts() {
        let mut lanes = Lanes::new(BOUNDS);
        for (key, item) in [("a", 1), ("a", 2), ("a", 3)] {
            lanes.push(key, item).unwrap();
        }
        assert_eq!(lanes.start(), Some(("a", 1)));
        lanes.free(&"a");
        assert_eq!(lanes.start(), Some(("a", 2)));
        lanes.free(&"a");
        assert!(!lanes.can_start(), "two run");
        lanes.finish();
        assert_eq!(lanes.start(), Some(("a", 3)));
    }

    #[test]
    fn a_full_lane_gives_the_item_back() {
        let mut lanes = Lanes::new(BOUNDS);
        lanes.push("a", 0).unwrap();
        lanes.start();
        for item in 1..=3 {
            lanes.push("a", item).unwrap();
        }
        assert_eq!(lanes.push("a", 4), Err(4));
        assert_eq!(lanes.drop_oldest(&"a"), Some(1));
        lanes.push("a", 4).unwrap();
    }

    #[test]
    fn what_waits_in_a_lane_keeps_nothing_out_of_another() {
        let mut lanes = Lanes::new(LaneBounds { waiting: 2, ..BOUNDS });
        lanes.push("a", 0).unwrap();
        lanes.start();
        for item in 1..=2 {
            lanes.push("a", item).unwrap();
        }
        assert_eq!(lanes.push("a", 3), Err(3));
        lanes.push("b", 4).unwrap();
        assert_eq!(lanes.push("c", 5), Err(5), "it would be the third to run");
        assert_eq!(lanes.start(), Some(("b", 4)));
    }

    #[derive(Clone, Debug)]
    enum Step {
        Push(u8),
        Start,
        Detach(usize),
        Finish(usize),
        DropOldest(u8),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => (0u8..4).prop_map(Step::Push),
            3 => Just(Step::Start),
            1 => (0usize..4).prop_map(Step::Detach),
            2 => (0usize..4).prop_map(Step::Finish),
            1 => (0u8..4).prop_map(Step::DropOldest),
        ]
    }

    proptest! {
        /// Within a lane items start in the order in which they were pushed, at most one is attached at a time, no
        /// bound is passed, every item starts, is dropped or still waits, and an empty lane takes no memory.
        #[test]
        fn lanes_keep_their_promises(steps in prop::collection::vec(step(), 0..200)) {
            let mut lanes = Lanes::new(BOUNDS);
            let (mut next, mut accepted, mut gone) = (0u32, 0usize, 0usize);
            let mut last_started = HashMap::<u8, u32>::new();
            let mut running: Vec<(u8, bool)> = Vec::new();
            for step in steps {
                match step {
                    Step::Push(key) => {
                        next += 1;
                        accepted += usize::from(lanes.push(key, next).is_ok());
                    }
                    Step::Start => if let Some((key, item)) = lanes.start() {
                        prop_assert!(last_started.insert(key, item).is_none_or(|last| last < item));
                        prop_assert!(!running.contains(&(key, true)), "two attached in a lane");
                        running.push((key, true));
                        gone += 1;
                    },
                    Step::Detach(index) => if let Some((key, attached)) = running.get_mut(index)
                        && std::mem::take(attached)
                    {
                        lanes.free(key);
                    },
                    Step::Finish(index) => if index < running.len() {
                        let (key, attached) = running.remove(index);
                        if attached {
                            lanes.free(&key);
                        }
                        lanes.finish();
                    },
                    Step::DropOldest(key) => gone += usize::from(lanes.drop_oldest(&key).is_some()),
                }
                prop_assert_eq!(lanes.running(), running.len());
                prop_assert!(lanes.running() <= BOUNDS.running);
                prop_assert_eq!(lanes.waiting(), accepted - gone);
                // Above the bound are only those that may start at once.
                prop_assert!(lanes.waiting() <= BOUNDS.waiting + BOUNDS.running);
            }
            while !running.is_empty() || lanes.can_start() {
                while let Some((key, _)) = lanes.start() {
                    running.push((key, true));
                }
                if let Some((key, attached)) = running.pop() {
                    if attached {
                        lanes.free(&key);
                    }
                    lanes.finish();
                }
            }
            prop_assert_eq!(lanes.waiting(), 0);
            prop_assert_eq!(lanes.in_use(), 0);
        }
    }
}
