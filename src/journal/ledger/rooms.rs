//! How far each room is settled, which events behind that are done, and which were handed over again.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use super::claims::Claims;
use super::{Ledger, State};
use crate::event::{RoomId, Timestamp};
use crate::journal::Change;
use crate::journal::stored::{Entry, Place};

/// Rooms that are remembered.
const ROOMS: usize = 10_000;

/// Events that are remembered as done.
const FINISHED: usize = 100_000;

/// So many are forgotten at once where there are too many: all of one room.
const FORGOTTEN: usize = FINISHED / 100;

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
    finished: Finished,
}

/// The events of a room that are done, and may come again.
#[derive(Default)]
struct Finished {
    by_time: BTreeSet<(Timestamp, Arc<str>)>,
    times: HashMap<Arc<str>, Timestamp>,
}

impl Finished {
    fn len(&self) -> usize {
        self.times.len()
    }

    /// False where it is known, as late or later.
    fn insert(&mut self, at: Timestamp, key: &str, room: &RoomId, changes: &mut Vec<Change>) -> bool {
        if self.times.get(key).is_some_and(|known| *known >= at) {
            return false;
        }
        self.remove(key, room, changes);
        let key: Arc<str> = key.into();
        self.by_time.insert((at, Arc::clone(&key)));
        self.times.insert(key, at);
        true
    }

    fn remove(&mut self, key: &str, room: &RoomId, changes: &mut Vec<Change>) {
        if let Some((key, at)) = self.times.remove_entry(key) {
            changes.push(Entry::Finished(room.clone(), at, (*key).into()).remove());
            self.by_time.remove(&(at, key));
        }
    }

    fn pop_first(&mut self, room: &RoomId, changes: &mut Vec<Change>) {
        if let Some((_, key)) = self.by_time.first().cloned() {
            self.remove(&key, room, changes);
        }
    }

    fn first(&self) -> Option<Timestamp> {
        self.by_time.first().map(|(at, _)| *at)
    }
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

    /// The times of before were those of a clock that was wrong.
    pub(crate) fn set_back(&self, began: Timestamp, alive: Timestamp) {
        let mut state = self.change();
        (state.rooms.began, state.rooms.alive) = (Some(began), Some(alive));
        state.put(Entry::Began(began));
        state.put(Entry::Alive(alive));
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
        let State {
            rooms,
            claims,
            changes,
            ..
        } = &mut *state;
        rooms.settle(room, place, changes);
        if let Some((revision, key)) = finished {
            rooms.forget_recovered(key, changes);
            rooms.finish(room, revision, key, changes);
        }
        rooms.prune(room, claims, changes);
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
        room.is_some_and(|room| room.finished.times.contains_key(key))
    }

    /// The newest event that is known to have been received. A room's place may go back, where it is fetched again from
    /// before it on; this does not, or what is fetched after a crash would be older than what is remembered as done.
    pub(crate) fn newest(&self) -> Option<Timestamp> {
        let state = self.lock();
        let rooms = state.rooms.rooms.values();
        rooms
            .flat_map(|room| {
                let place = room.place.map(|place| place.watermark);
                let done = room.finished.by_time.last().map(|(at, _)| *at);
                place.into_iter().chain(done)
            })
            .max()
    }

    /// The events that are done, the oldest first.
    pub(crate) fn finished(&self) -> Vec<(Timestamp, Arc<str>)> {
        let state = self.lock();
        let rooms = state.rooms.rooms.values();
        let mut finished: Vec<_> = rooms
            .flat_map(|room| room.finished.by_time.iter().cloned())
            .collect();
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
                let finished = &mut self.rooms.entry(room.clone()).or_default().finished;
                let before = finished.len();
                // What was written is right: no key is there twice.
                finished.insert(revision, &key, &room, &mut Vec::new());
                self.finished += finished.len() - before;
            }
            Entry::Recovered(key, times) => {
                self.recovered.insert(key, times);
            }
            Entry::Secret(_)
            | Entry::Owner(_)
            | Entry::Claimed(..)
            | Entry::Undelivered(..)
            | Entry::Job(..)
            | Entry::Once(_) => {}
        }
    }

    fn settle(&mut self, room: &RoomId, place: Place, changes: &mut Vec<Change>) {
        if !self.rooms.contains_key(room) && self.rooms.len() >= ROOMS {
            // One with something open goes last.
            let quietest = self
                .rooms
                .iter()
                .min_by_key(|(_, room)| room.place.map(|place| (place.is_open, place.watermark)));
            if let Some((quietest, is_open)) =
                quietest.map(|(id, room)| (id.clone(), room.place.is_some_and(|place| place.is_open)))
            {
                if is_open {
                    tracing::warn!(
                        room_id = %quietest,
                        "too many rooms: one is forgotten in which something is not done, and a crash now loses that"
                    );
                }
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
        if self.finished >= FINISHED {
            self.forget_finished(changes);
        }
        let Some(remembered) = self.rooms.get_mut(room) else {
            return;
        };
        let before = remembered.finished.len();
        if remembered.finished.insert(revision, key, room, changes) {
            changes.push(Entry::Finished(room.clone(), revision, key.into()).put());
        }
        self.finished += remembered.finished.len() - before;
    }

    /// Makes room for others: where most are remembered, the oldest go. Their handlers may run again.
    fn forget_finished(&mut self, changes: &mut Vec<Change>) {
        let fullest = self.rooms.iter_mut().max_by_key(|(_, room)| room.finished.len());
        let Some((id, room)) = fullest else { return };
        let before = room.finished.len();
        for _ in 0..FORGOTTEN {
            room.finished.pop_first(id, changes);
        }
        self.finished -= before - room.finished.len();
        tracing::warn!(room_id = %id, "too many events wait for an older one of their room: handlers of those that are done may run again");
    }

    /// Up to where nothing of a room comes again.
    fn settled(&self, room: &Room) -> Option<Timestamp> {
        let settled = room.place.map(|place| place.watermark).min(self.alive);
        settled.map(|settled| settled.saturating_sub(OVERLAP))
    }

    /// Whether somebody says how far a room is settled.
    pub(super) fn is_settled(&self, room: &RoomId) -> bool {
        self.rooms.get(room).is_some_and(|room| room.place.is_some())
    }

    pub(super) fn alive(&self) -> Option<Timestamp> {
        self.alive
    }

    /// Forgets events that do not come again.
    fn prune(&mut self, room: &RoomId, claims: &mut Claims, changes: &mut Vec<Change>) {
        let until = self.rooms.get(room).and_then(|room| self.settled(room));
        let (Some(until), Some(remembered)) = (until, self.rooms.get_mut(room)) else {
            return;
        };
        let before = remembered.finished.len();
        while remembered.finished.first().is_some_and(|first| first <= until) {
            remembered.finished.pop_first(room, changes);
        }
        self.finished -= before - remembered.finished.len();
        claims.prune(room, until, changes);
    }

    /// The same in all rooms: quiet ones are not settled anew.
    pub(super) fn prune_all(&mut self, claims: &mut Claims, changes: &mut Vec<Change>) {
        let rooms: Vec<_> = self.rooms.keys().cloned().collect();
        for room in rooms {
            self.prune(&room, claims, changes);
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
        for (revision, key) in forgotten.finished.by_time {
            changes.push(Entry::Finished(room.clone(), revision, (*key).into()).remove());
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

    /// All rooms are fetched again from before their places on, and the process ends.
    #[test]
    fn the_newest_event_stays_where_places_go_back() {
        let journal = MemoryJournal::new();
        let load = || Ledger::load(&JournalSlot::new(journal.clone()), None).unwrap();
        let place = |watermark, is_open| Place {
            watermark: at(watermark),
            is_open,
        };
        let ledger = load();
        let room = RoomId::from("r");
        ledger.set_alive(at(100_000));
        ledger.settle(&room, place(90_000, false), Some((at(90_000), "m")));
        ledger.settle(&room, place(62_000, true), None);
        drop(ledger);
        let ledger = load();
        assert_eq!(ledger.places(), [(room, place(62_000, true))]);
        assert_eq!(ledger.newest(), Some(at(90_000)));
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
    fn what_is_done_inside_the_overlap_is_known_however_much_it_is() {
        let journal = MemoryJournal::new();
        let load = || Ledger::load(&JournalSlot::new(journal.clone()), None).unwrap();
        let ledger = load();
        for n in 0..5000 {
            let watermark = at(100_000 + n);
            ledger.set_alive(watermark);
            let place = Place {
                watermark,
                is_open: false,
            };
            ledger.settle(&"busy".into(), place, Some((watermark, &n.to_string())));
        }
        let ledger = load();
        assert!((0..5000).all(|n| ledger.is_finished(&"busy".into(), &n.to_string())));
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
        for n in 0..FINISHED as i64 + 1 {
            ledger.settle(&"busy".into(), open, Some((at(n), &n.to_string())));
        }
        assert_eq!(ledger.finished().len(), FINISHED + 1 - FORGOTTEN);
        assert_eq!(ledger.finished()[0].0, at(FORGOTTEN as i64));
        // Another room pays nothing for that.
        ledger.settle(&"other".into(), open, Some((at(1), "other")));
        assert!(ledger.is_finished(&"other".into(), "other"));
        ledger.forget_room(&"other".into());
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
        assert_eq!(journal.load().unwrap().len(), ROOMS + FINISHED + 1 - FORGOTTEN);
    }
}
