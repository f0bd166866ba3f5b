//! How far each room is settled, which events behind that are done, and which were handed over again.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use super::{Ledger, State};
use crate::event::{RoomId, Timestamp};
use crate::journal::Change;
use crate::journal::stored::{Entry, Place};

/// Rooms that are remembered.
const ROOMS: usize = 10_000;

/// Events that are remembered as done, of one room and of all.
const FINISHED_IN_ROOM: usize = 1000;
const FINISHED: usize = 100_000;

/// Events that are remembered as handed over again.
const RECOVERED: usize = 20_000;

/// So far behind a room's watermark an event may still come again: servers of several instances have several clocks.
const OVERLAP: Duration = Duration::from_secs(30);

#[derive(Default)]
pub(super) struct Rooms {
    began: Option<Timestamp>,
    alive: Option<Timestamp>,
    rooms: HashMap<RoomId, Room>,
    finished: usize,
    recovered: HashMap<Box<str>, u8>,
}

#[derive(Default)]
struct Room {
    place: Option<Place>,
    finished: BTreeSet<(Timestamp, Box<str>)>,
}

impl Ledger {
    /// When the bot was started for the first time.
    pub(crate) fn began(&self) -> Option<Timestamp> {
        self.lock().rooms.began
    }

    pub(crate) fn set_began(&self, at: Timestamp) {
        let mut state = self.change();
        state.rooms.began = Some(at);
        state.put(Entry::Began(at));
    }

    /// Up to when everything was received; `None` at the very first start.
    pub(crate) fn alive(&self) -> Option<Timestamp> {
        self.lock().rooms.alive
    }

    pub(crate) fn set_alive(&self, at: Timestamp) {
        let mut state = self.change();
        if state.rooms.alive < Some(at) {
            state.rooms.alive = Some(at);
            state.put(Entry::Alive(at));
        }
    }

    /// All rooms, and how far they are settled.
    pub(crate) fn places(&self) -> Vec<(RoomId, Place)> {
        let state = self.lock();
        let rooms = state.rooms.rooms.iter();
        rooms
            .filter_map(|(room, remembered)| Some((room.clone(), remembered.place?)))
            .collect()
    }

    /// How far a room is settled now, and the event that this follows from if it is done.
    pub(crate) fn settle(&self, room: &RoomId, place: Place, finished: Option<(Timestamp, &str)>) {
        let mut state = self.change();
        let State { rooms, changes, .. } = &mut *state;
        rooms.settle(room, place, changes);
        if let Some((revision, key)) = finished {
            rooms.forget_recovered(key, changes);
            rooms.finish(room, revision, key, changes);
        }
        rooms.prune(room, changes);
    }

    /// The bot may not read this room any more.
    pub(crate) fn forget_room(&self, room: &RoomId) {
        let mut state = self.change();
        let State { rooms, changes, .. } = &mut *state;
        rooms.forget(room, changes);
    }

    /// Whether an event is done.
    pub(crate) fn is_finished(&self, room: &RoomId, key: &str) -> bool {
        let state = self.lock();
        let room = state.rooms.rooms.get(room);
        room.is_some_and(|room| room.finished.iter().any(|(_, finished)| **finished == *key))
    }

    /// The events that are done, the oldest first.
    pub(crate) fn finished(&self) -> Vec<(Timestamp, Box<str>)> {
        let state = self.lock();
        let rooms = state.rooms.rooms.values();
        let mut finished: Vec<_> = rooms.flat_map(|room| room.finished.iter().cloned()).collect();
        finished.sort_unstable();
        finished
    }

    /// How often an event was handed over again after a crash.
    pub(crate) fn crashes(&self, key: &str) -> u8 {
        self.lock().rooms.recovered.get(key).copied().unwrap_or_default()
    }

    /// An event that may have run before is handed over.
    pub(crate) fn recover(&self, key: &str) {
        let mut state = self.change();
        let times = state.rooms.recovered.get(key).copied().unwrap_or_default();
        if times > 0 || state.rooms.recovered.len() < RECOVERED {
            let times = times.saturating_add(1);
            state.rooms.recovered.insert(key.into(), times);
            state.put(Entry::Recovered(key.into(), times));
        }
    }

    /// The event did not end, but no crash is the reason.
    pub(crate) fn not_recovered(&self, key: &str) {
        let mut state = self.change();
        let times = state
            .rooms
            .recovered
            .get(key)
            .map(|times| times.saturating_sub(1));
        if let Some(times) = times {
            state.rooms.recovered.insert(key.into(), times);
            state.put(Entry::Recovered(key.into(), times));
        }
    }

    /// Events that did not come back are forgotten, but for those that are on their way.
    pub(crate) fn keep_recovered(&self, on_their_way: impl Fn(&str) -> bool) {
        let mut state = self.change();
        let State { rooms, changes, .. } = &mut *state;
        let known = rooms.recovered.keys();
        let gone: Vec<_> = known.filter(|key| !on_their_way(key)).cloned().collect();
        for key in gone {
            rooms.forget_recovered(&key, changes);
        }
    }

    /// Has everything kept at once, and does not wait for that.
    pub(crate) fn hurry(&self) {
        let journal = self.lock().journal.clone();
        drop(journal.map(|journal| journal.flush()));
    }
}

impl Rooms {
    pub(super) fn restore(&mut self, entry: Entry) {
        match entry {
            Entry::Began(at) => self.began = Some(at),
            Entry::Alive(at) => self.alive = Some(at),
            Entry::Room(room, place) => self.rooms.entry(room).or_default().place = Some(place),
            Entry::Finished(room, revision, key) => {
                let finished = &mut self.rooms.entry(room).or_default().finished;
                self.finished += usize::from(finished.insert((revision, key)));
            }
            Entry::Recovered(key, times) => {
                self.recovered.insert(key, times);
            }
            Entry::Secret(_) | Entry::Owner(_) | Entry::Claimed(..) | Entry::Undelivered(..) => {}
        }
    }

    fn settle(&mut self, room: &RoomId, place: Place, changes: &mut Vec<Change>) {
        if !self.rooms.contains_key(room) && self.rooms.len() >= ROOMS {
            // One with something open goes last.
            let quietest = self
                .rooms
                .iter()
                .min_by_key(|(_, room)| room.place.map(|place| (place.is_open, place.watermark)));
            if let Some(quietest) = quietest.map(|(room, _)| room.clone()) {
                self.forget(&quietest, changes);
            }
        }
        if self
            .rooms
            .get(room)
            .is_some_and(|known| known.place == Some(place))
        {
            return;
        }
        // An id cut from a frame would keep the whole frame alive.
        let key = || RoomId::from(room.as_str());
        self.rooms.entry(key()).or_default().place = Some(place);
        changes.push(Entry::Room(room.clone(), place).put());
    }

    fn finish(&mut self, room: &RoomId, revision: Timestamp, key: &str, changes: &mut Vec<Change>) {
        let Some(remembered) = self.rooms.get_mut(room) else {
            return;
        };
        let is_full = self.finished >= FINISHED || remembered.finished.len() >= FINISHED_IN_ROOM;
        let oldest = is_full.then(|| remembered.finished.pop_first()).flatten();
        if is_full && oldest.is_none() {
            return;
        }
        let is_new = remembered.finished.insert((revision, key.into()));
        if let Some((revision, key)) = oldest {
            self.finished -= 1;
            changes.push(Entry::Finished(room.clone(), revision, key).remove());
        }
        if is_new {
            self.finished += 1;
            changes.push(Entry::Finished(room.clone(), revision, key.into()).put());
        }
    }

    /// Forgets events that do not come again.
    fn prune(&mut self, room: &RoomId, changes: &mut Vec<Change>) {
        let Some(remembered) = self.rooms.get_mut(room) else {
            return;
        };
        let settled = remembered.place.map(|place| place.watermark).min(self.alive);
        let Some(until) = settled.map(|settled| settled.saturating_sub(OVERLAP)) else {
            return;
        };
        while remembered
            .finished
            .first()
            .is_some_and(|(revision, _)| *revision <= until)
        {
            let Some((revision, key)) = remembered.finished.pop_first() else {
                break;
            };
            self.finished -= 1;
            changes.push(Entry::Finished(room.clone(), revision, key).remove());
        }
    }

    fn forget(&mut self, room: &RoomId, changes: &mut Vec<Change>) {
        let Some(forgotten) = self.rooms.remove(room) else {
            return;
        };
        self.finished -= forgotten.finished.len();
        if let Some(place) = forgotten.place {
            changes.push(Entry::Room(room.clone(), place).remove());
        }
        for (revision, key) in forgotten.finished {
            changes.push(Entry::Finished(room.clone(), revision, key).remove());
        }
    }

    fn forget_recovered(&mut self, key: &str, changes: &mut Vec<Change>) {
        if let Some((key, times)) = self.recovered.remove_entry(key) {
            changes.push(Entry::Recovered(key, times).remove());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::journal::{Journal as _, JournalSlot, MemoryJournal};

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    #[derive(Clone, Debug)]
    enum Step {
        Settle(u8, i64, bool),
        Finish(u8, i64, i64),
        Alive(i64),
        Recover(u8),
        NotRecovered(u8),
        Forget(u8),
        Restart,
    }

    fn step() -> impl Strategy<Value = Step> {
        let time = || 0i64..200_000;
        prop_oneof![
            3 => (0u8..4, time(), any::<bool>()).prop_map(|(room, at, open)| Step::Settle(room, at, open)),
            6 => (0u8..4, time(), time()).prop_map(|(room, at, mark)| Step::Finish(room, at, mark)),
            2 => time().prop_map(Step::Alive),
            1 => (0u8..4).prop_map(Step::Recover),
            1 => (0u8..4).prop_map(Step::NotRecovered),
            1 => (0u8..4).prop_map(Step::Forget),
            1 => Just(Step::Restart),
        ]
    }

    proptest! {
        /// What is read back after a restart is what was there before, and an event that may come again (it is newer
        /// than the overlap behind what is settled) is still known to be done.
        #[test]
        fn a_restart_changes_nothing(steps in prop::collection::vec(step(), 0..120)) {
            let journal = MemoryJournal::new();
            let load = || Ledger::load(&JournalSlot::new(journal.clone()), None).unwrap();
            let mut ledger = load();
            let mut places = BTreeMap::new();
            let mut finished: Vec<(RoomId, i64)> = Vec::new();
            let mut alive = None;
            let mut crashes = BTreeMap::<String, u8>::new();
            let id = |room: u8| RoomId::from(room.to_string());
            for step in steps {
                match step {
                    Step::Settle(room, watermark, is_open) => {
                        let place = Place { watermark: at(watermark), is_open };
                        ledger.settle(&id(room), place, None);
                        places.insert(room, place);
                    }
                    Step::Finish(room, revision, watermark) => {
                        let place = Place { watermark: at(watermark), is_open: true };
                        ledger.settle(&id(room), place, Some((at(revision), &revision.to_string())));
                        places.insert(room, place);
                        crashes.remove(&revision.to_string());
                        finished.push((id(room), revision));
                    }
                    Step::Alive(time) => {
                        ledger.set_alive(at(time));
                        alive = alive.max(Some(time));
                    }
                    Step::Recover(key) => {
                        ledger.recover(&format!("r{key}"));
                        *crashes.entry(format!("r{key}")).or_default() += 1;
                    }
                    Step::NotRecovered(key) => {
                        ledger.not_recovered(&format!("r{key}"));
                        crashes.entry(format!("r{key}")).and_modify(|times| *times = times.saturating_sub(1));
                    }
                    Step::Forget(room) => {
                        ledger.forget_room(&id(room));
                        places.remove(&room);
                        finished.retain(|(known, _)| *known != id(room));
                    }
                    Step::Restart => ledger = load(),
                }
                // What was pruned stays so, wherever the watermark goes then.
                finished.retain(|(room, revision)| {
                    let watermark = places.iter().find(|(known, _)| id(**known) == *room).map(|(_, place)| place.watermark.as_millis());
                    watermark.min(alive).is_none_or(|until| *revision > until - 30_000)
                });
                let mut there = ledger.places();
                there.sort_by_key(|(room, _)| room.clone());
                let expected: Vec<_> = places.iter().map(|(room, place)| (id(*room), *place)).collect();
                prop_assert_eq!(there, expected);
                prop_assert_eq!(ledger.alive(), alive.map(at));
                for (room, revision) in &finished {
                    prop_assert!(ledger.is_finished(room, &revision.to_string()), "{room} {revision}");
                }
                for (key, times) in &crashes {
                    prop_assert_eq!(ledger.crashes(key), *times);
                }
            }
            let known = ledger.lock().rooms.finished;
            prop_assert_eq!(load().finished().len(), known);
        }
    }

    #[test]
    fn it_is_bounded() {
        let journal = MemoryJournal::new();
        let ledger = Ledger::load(&JournalSlot::new(journal.clone()), None).unwrap();
        let open = Place {
            watermark: at(0),
            is_open: true,
        };
        // Nothing is ever settled.
        for n in 0..FINISHED_IN_ROOM as i64 + 500 {
            ledger.settle(&"busy".into(), open, Some((at(n), &n.to_string())));
        }
        assert_eq!(ledger.finished().len(), FINISHED_IN_ROOM);
        assert_eq!(ledger.finished()[0].0, at(500));
        let idle = Place {
            watermark: at(1),
            is_open: false,
        };
        for n in 0..ROOMS + 10 {
            ledger.settle(&n.to_string().into(), idle, None);
        }
        let places = ledger.places();
        assert_eq!(places.len(), ROOMS);
        assert!(places.contains(&("busy".into(), open)), "what is open goes last");
        assert_eq!(journal.load().unwrap().len(), ROOMS + FINISHED_IN_ROOM);
    }
}
