//! What a bot remembers, in memory: asked in no time, and written to its [`Journal`] as it changes.
//!
//! Replies go out under ids that are derived from their event, and a server ignores an id that it knows. So nothing is
//! answered twice where this forgets that an event is done: its handlers run again, and that is all. What must not be
//! forgotten is that something is *not* done: a watermark never passes it.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::stored::{Entry, Place, Undelivered};
use super::{Change, Journal, JournalError, JournalErrorKind, MemoryJournal};
use crate::event::{RoomId, Timestamp, UserId};

/// Rooms that are remembered.
const ROOMS: usize = 10_000;

/// Events that are remembered as done, of one room and of all.
const FINISHED_IN_ROOM: usize = 1000;
const FINISHED: usize = 100_000;

/// Events that are remembered as handed over again.
const RECOVERED: usize = 20_000;

/// Routes that are remembered as begun.
const CLAIMED: usize = 20_000;

/// Actions that wait for a server that takes them.
const UNDELIVERED: usize = 1000;

/// So far behind a room's watermark an event may still come again: servers of several instances have several clocks.
const OVERLAP: Duration = Duration::from_secs(30);

/// A bot's memory.
pub(crate) struct Ledger {
    state: Mutex<State>,
    journal: Arc<dyn Journal>,
    /// Whether it is the journal that somebody asked for.
    is_kept: bool,
    /// Whether a failure to keep it was told already.
    is_told: AtomicBool,
}

#[derive(Default)]
struct State {
    secret: Option<Vec<u8>>,
    began: Option<Timestamp>,
    alive: Option<Timestamp>,
    rooms: HashMap<RoomId, Room>,
    finished: usize,
    recovered: HashMap<Box<str>, u8>,
    claimed: HashSet<Box<str>>,
    claims: VecDeque<(u64, Box<str>)>,
    undelivered: BTreeMap<u64, Undelivered>,
    /// Those that are on their way.
    taken: HashSet<u64>,
    next_number: u64,
    /// Changes that are not written yet.
    changes: Vec<Change>,
}

#[derive(Default)]
struct Room {
    place: Option<Place>,
    finished: BTreeSet<(Timestamp, Box<str>)>,
}

impl Ledger {
    /// For a bot without a journal.
    pub(crate) fn in_memory() -> Self {
        Self {
            state: Mutex::default(),
            journal: Arc::new(MemoryJournal::new()),
            is_kept: false,
            is_told: AtomicBool::new(false),
        }
    }

    /// Whether it outlives the bot.
    pub(crate) fn is_kept(&self) -> bool {
        self.is_kept
    }

    /// What a journal holds. `owner` is the account that it is used for.
    pub(crate) fn load(journal: Arc<dyn Journal>, owner: Option<&UserId>) -> Result<Self, JournalError> {
        let mut state = State::default();
        let mut known_owner = None;
        for (key, value) in journal.load()? {
            match Entry::read(&key, &value) {
                Some(Entry::Owner(owner)) => known_owner = Some(owner),
                Some(entry) => state.restore(entry),
                None => tracing::debug!(length = key.len(), "an entry of the journal is not understood"),
            }
        }
        match (known_owner, owner) {
            (Some(known), Some(owner)) if known != owner.as_str() => {
                return Err(JournalError::new(
                    JournalErrorKind::OtherAccount,
                    format!(
                        "the journal belongs to the account {known}, and the bot is {owner}: give each account a journal of its own"
                    ),
                ));
            }
            (None, Some(owner)) => state.put(Entry::Owner(owner.to_string())),
            _ => {}
        }
        state.claims.make_contiguous().sort_unstable();
        let ledger = Self {
            state: Mutex::new(state),
            journal,
            is_kept: true,
            is_told: AtomicBool::new(false),
        };
        drop(ledger.change());
        Ok(ledger)
    }

    /// The secret that ids are derived with; the first time it is this one.
    pub(crate) fn secret(&self, first: impl FnOnce() -> Vec<u8>) -> Vec<u8> {
        let mut state = self.change();
        if let Some(secret) = &state.secret {
            return secret.clone();
        }
        let secret = first();
        state.secret = Some(secret.clone());
        state.put(Entry::Secret(secret.clone()));
        secret
    }

    /// When the bot was started for the first time.
    pub(crate) fn began(&self) -> Option<Timestamp> {
        self.lock().began
    }

    pub(crate) fn set_began(&self, at: Timestamp) {
        let mut state = self.change();
        state.began = Some(at);
        state.put(Entry::Began(at));
    }

    /// Up to when everything was received; `None` at the very first start.
    pub(crate) fn alive(&self) -> Option<Timestamp> {
        self.lock().alive
    }

    pub(crate) fn set_alive(&self, at: Timestamp) {
        let mut state = self.change();
        if state.alive < Some(at) {
            state.alive = Some(at);
            state.put(Entry::Alive(at));
        }
    }

    /// All rooms, and how far they are settled.
    pub(crate) fn places(&self) -> Vec<(RoomId, Place)> {
        let state = self.lock();
        let rooms = state.rooms.iter();
        rooms
            .filter_map(|(room, remembered)| Some((room.clone(), remembered.place?)))
            .collect()
    }

    /// How far a room is settled now. The event that this follows from is `finished`, if there is one.
    pub(crate) fn settle(&self, room: &RoomId, place: Place, finished: Option<(Timestamp, &str)>) {
        let mut state = self.change();
        state.settle(room, place);
        if let Some((revision, key)) = finished {
            state.finish(room, revision, key);
        }
        state.prune(room);
    }

    /// The bot may not read this room any more.
    pub(crate) fn forget_room(&self, room: &RoomId) {
        self.change().forget_room(room);
    }

    /// Whether an event is done.
    pub(crate) fn is_finished(&self, room: &RoomId, key: &str) -> bool {
        let state = self.lock();
        let room = state.rooms.get(room);
        room.is_some_and(|room| room.finished.iter().any(|(_, finished)| **finished == *key))
    }

    /// The events that are done, the oldest first.
    pub(crate) fn finished(&self) -> Vec<(Timestamp, Box<str>)> {
        let state = self.lock();
        let mut finished: Vec<_> = state
            .rooms
            .values()
            .flat_map(|room| room.finished.iter().cloned())
            .collect();
        finished.sort_unstable();
        finished
    }

    /// How often an event was handed over again after a crash.
    pub(crate) fn crashes(&self, key: &str) -> u8 {
        self.lock().recovered.get(key).copied().unwrap_or_default()
    }

    /// An event that may have run before is handed over.
    pub(crate) fn recover(&self, key: &str) {
        let mut state = self.change();
        let times = state.recovered.get(key).copied().unwrap_or_default();
        if times > 0 || state.recovered.len() < RECOVERED {
            state.recovered.insert(key.into(), times.saturating_add(1));
            state.put(Entry::Recovered(key.into(), times.saturating_add(1)));
        }
    }

    /// The event did not end, but no crash is the reason.
    pub(crate) fn not_recovered(&self, key: &str) {
        let mut state = self.change();
        if let Some(times) = state.recovered.get(key).map(|times| times.saturating_sub(1)) {
            state.recovered.insert(key.into(), times);
            state.put(Entry::Recovered(key.into(), times));
        }
    }

    /// Events that did not come back are forgotten, but for those that are on their way.
    pub(crate) fn keep_recovered(&self, on_their_way: impl Fn(&str) -> bool) {
        let mut state = self.change();
        let gone: Vec<_> = state
            .recovered
            .keys()
            .filter(|key| !on_their_way(key))
            .cloned()
            .collect();
        for key in gone {
            state.forget_recovered(&key);
        }
    }

    /// Whether a route that runs at most once may run now. It is kept that it has begun before this says so.
    pub(crate) async fn claim(&self, event_key: &str, route: &str) -> bool {
        let claim: Box<str> = format!("{event_key}\n{route}").into();
        if !self.change().claim(claim) {
            return false;
        }
        self.flush().await;
        true
    }

    /// Keeps an action that could not be carried out. Gives the oldest back where there are too many.
    pub(crate) fn keep_undelivered(&self, undelivered: Undelivered) -> Option<Undelivered> {
        let mut state = self.change();
        // The same message may be given up twice, by two runs of its handler.
        if state.undelivered.values().any(|known| *known == undelivered) {
            return None;
        }
        let number = state.number();
        state.put(Entry::Undelivered(number, Box::new(undelivered.clone())));
        state.undelivered.insert(number, undelivered);
        if state.undelivered.len() <= UNDELIVERED {
            return None;
        }
        let (number, oldest) = state.undelivered.pop_first()?;
        state.taken.remove(&number);
        let change = Entry::Undelivered(number, Box::new(oldest.clone())).remove();
        state.changes.push(change);
        Some(oldest)
    }

    pub(crate) fn has_undelivered(&self) -> bool {
        let state = self.lock();
        state.undelivered.len() > state.taken.len()
    }

    /// It is still to be carried out.
    pub(crate) fn release_undelivered(&self, number: u64) {
        self.lock().taken.remove(&number);
    }

    /// What could not be carried out before and is not on its way, in the order in which it was asked for.
    pub(crate) fn take_undelivered(&self) -> Vec<(u64, Undelivered)> {
        let mut state = self.lock();
        let State {
            undelivered, taken, ..
        } = &mut *state;
        undelivered
            .iter()
            .filter(|(number, _)| taken.insert(**number))
            .map(|(number, undelivered)| (*number, undelivered.clone()))
            .collect()
    }

    /// It was carried out, or never will be.
    pub(crate) fn forget_undelivered(&self, number: u64) -> Option<Undelivered> {
        let mut state = self.change();
        state.taken.remove(&number);
        let undelivered = state.undelivered.remove(&number)?;
        let change = Entry::Undelivered(number, Box::new(undelivered.clone())).remove();
        state.changes.push(change);
        Some(undelivered)
    }

    /// Waits until all this is kept. Where that can not be done the bot goes on without, and says so.
    pub(crate) async fn flush(&self) {
        match self.journal.flush().await {
            Ok(()) => self.is_told.store(false, Ordering::Relaxed),
            Err(error) => {
                if !self.is_told.swap(true, Ordering::Relaxed) {
                    tracing::error!(%error, "the journal is not kept: a crash now may repeat what ran");
                }
            }
        }
    }

    /// Has it kept at once, and does not wait for that.
    pub(crate) fn hurry(&self) {
        drop(self.journal.flush());
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing that is done under the lock leaves it half done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self) -> Changing<'_> {
        Changing {
            state: self.lock(),
            journal: &*self.journal,
        }
    }
}

/// The state while it changes. What changed is written before another may change it, so that the order is kept.
struct Changing<'a> {
    state: MutexGuard<'a, State>,
    journal: &'a dyn Journal,
}

impl std::ops::Deref for Changing<'_> {
    type Target = State;

    fn deref(&self) -> &State {
        &self.state
    }
}

impl std::ops::DerefMut for Changing<'_> {
    fn deref_mut(&mut self) -> &mut State {
        &mut self.state
    }
}

impl Drop for Changing<'_> {
    fn drop(&mut self) {
        if !self.state.changes.is_empty() {
            self.journal.write(std::mem::take(&mut self.state.changes));
        }
    }
}

impl State {
    fn put(&mut self, entry: Entry) {
        self.changes.push(entry.put());
    }

    fn number(&mut self) -> u64 {
        self.next_number += 1;
        self.next_number
    }

    fn restore(&mut self, entry: Entry) {
        match entry {
            Entry::Secret(secret) => self.secret = Some(secret),
            Entry::Owner(_) => {}
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
            Entry::Claimed(number, claim) => {
                self.next_number = self.next_number.max(number);
                self.claimed.insert(claim.clone());
                self.claims.push_back((number, claim));
            }
            Entry::Undelivered(number, undelivered) => {
                self.next_number = self.next_number.max(number);
                self.undelivered.insert(number, *undelivered);
            }
        }
    }

    fn settle(&mut self, room: &RoomId, place: Place) {
        if !self.rooms.contains_key(room) && self.rooms.len() >= ROOMS {
            let quietest = self
                .rooms
                .iter()
                .min_by_key(|(_, room)| room.place.map(|place| (place.is_open, place.watermark)));
            if let Some(quietest) = quietest.map(|(room, _)| room.clone()) {
                self.forget_room(&quietest);
            }
        }
        let known = self.rooms.entry(RoomId::from(room.as_str())).or_default();
        if known.place != Some(place) {
            known.place = Some(place);
            self.put(Entry::Room(room.clone(), place));
        }
    }

    fn finish(&mut self, room: &RoomId, revision: Timestamp, key: &str) {
        if self.recovered.contains_key(key) {
            self.forget_recovered(key);
        }
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
            self.changes
                .push(Entry::Finished(room.clone(), revision, key).remove());
        }
        if is_new {
            self.finished += 1;
            self.put(Entry::Finished(room.clone(), revision, key.into()));
        }
    }

    /// Forgets events that do not come again.
    fn prune(&mut self, room: &RoomId) {
        let Some(remembered) = self.rooms.get_mut(room) else {
            return;
        };
        let settled = remembered.place.map(|place| place.watermark).min(self.alive);
        let Some(until) = settled.map(|settled| before(settled, OVERLAP)) else {
            return;
        };
        while let Some((revision, key)) = remembered.finished.pop_first() {
            if revision > until {
                remembered.finished.insert((revision, key));
                break;
            }
            self.finished -= 1;
            self.changes
                .push(Entry::Finished(room.clone(), revision, key).remove());
        }
    }

    fn forget_room(&mut self, room: &RoomId) {
        let Some(forgotten) = self.rooms.remove(room) else {
            return;
        };
        self.finished -= forgotten.finished.len();
        if let Some(place) = forgotten.place {
            self.changes.push(Entry::Room(room.clone(), place).remove());
        }
        for (revision, key) in forgotten.finished {
            self.changes
                .push(Entry::Finished(room.clone(), revision, key).remove());
        }
    }

    fn forget_recovered(&mut self, key: &str) {
        if let Some((key, times)) = self.recovered.remove_entry(key) {
            self.changes.push(Entry::Recovered(key, times).remove());
        }
    }

    fn claim(&mut self, claim: Box<str>) -> bool {
        if !self.claimed.insert(claim.clone()) {
            return false;
        }
        let number = self.number();
        self.put(Entry::Claimed(number, claim.clone()));
        self.claims.push_back((number, claim));
        if self.claims.len() > CLAIMED
            && let Some((number, oldest)) = self.claims.pop_front()
        {
            self.claimed.remove(&oldest);
            self.changes.push(Entry::Claimed(number, oldest).remove());
        }
        true
    }
}

fn before(at: Timestamp, time: Duration) -> Timestamp {
    let millis = i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
    Timestamp::from_millis(at.as_millis().saturating_sub(millis))
}

impl fmt::Debug for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ledger").finish_non_exhaustive()
    }
}
