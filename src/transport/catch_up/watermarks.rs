//! How far each room is settled, in the server's time. Pure.
//!
//! The invariants, which the tests at the end hold it to:
//!
//! 1. A room's watermark is before every event of the room that was delivered and is not settled.
//! 2. It is before every event of the room that was missed and not fetched since, and before every one that the
//!    pipeline was interrupted in.
//! 3. If there is no such event, it is the newest event that was delivered in the room.
//! 4. The place from which a room is fetched is before every event that is missing, and where there is none it is the
//!    newest that was delivered: what is unfinished is still with this process and need not be fetched.
//! 5. Never are more rooms remembered than the bound says, and a room that is not remembered has nothing that is
//!    unfinished or missed, unless all rooms have.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use crate::event::{RoomId, Timestamp};
use crate::journal::Place;

/// Rooms that are remembered. One that is forgotten is caught up from the disconnection on, which is right for a room
/// of which nothing is unfinished.
const ROOMS: usize = 10_000;

/// The shortest step of the server's time.
pub(super) const TICK: Duration = Duration::from_millis(1);

/// A delivery that was counted, to be given back when it is settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ticket(u64);

#[derive(Debug)]
pub(crate) struct Watermarks {
    rooms: HashMap<RoomId, Marks>,
    bound: usize,
    next_ticket: u64,
    unfinished: usize,
    /// Rooms in which something was missed.
    missed: usize,
}

#[derive(Debug)]
struct Marks {
    /// The newest event that was delivered.
    newest: Timestamp,
    /// Bounded by what the pipeline takes and the hand-over queue holds.
    unfinished: BTreeSet<(Timestamp, u64)>,
    /// The oldest event that could not be delivered. Those after it wait until it is fetched.
    missed: Option<Timestamp>,
    /// The oldest event that is being fetched, or will be some time: those after it go on.
    due: Option<Timestamp>,
    /// The oldest event that the pipeline did not bring to an end. It is for the next process.
    interrupted: Option<Timestamp>,
}

impl Marks {
    fn watermark(&self) -> Timestamp {
        self.up_to(self.open())
    }

    /// The oldest event that is not done.
    fn open(&self) -> Option<Timestamp> {
        let unfinished = self.unfinished.first().map(|(revision, _)| *revision);
        unfinished
            .into_iter()
            .chain(self.missing())
            .chain(self.interrupted)
            .min()
    }

    /// The oldest event that is not here.
    fn missing(&self) -> Option<Timestamp> {
        self.missed.into_iter().chain(self.due).min()
    }

    fn up_to(&self, open: Option<Timestamp>) -> Timestamp {
        open.map_or(self.newest, |open| self.newest.min(open.saturating_sub(TICK)))
    }
}

impl Default for Watermarks {
    fn default() -> Self {
        Self::bounded(ROOMS)
    }
}

impl Watermarks {
    fn bounded(bound: usize) -> Self {
        Self {
            rooms: HashMap::new(),
            bound,
            next_ticket: 0,
            unfinished: 0,
            missed: 0,
        }
    }

    /// An event of a room goes to the pipeline. `revision` is when the server wrote it.
    pub(crate) fn delivered(&mut self, room: &RoomId, revision: Timestamp) -> Ticket {
        self.next_ticket += 1;
        let ticket = Ticket(self.next_ticket);
        self.unfinished += 1;
        let marks = self.marks(room, revision);
        marks.newest = marks.newest.max(revision);
        marks.unfinished.insert((revision, ticket.0));
        ticket
    }

    /// What an earlier process knew of a room.
    pub(crate) fn restore(&mut self, room: &RoomId, place: Place) {
        let due = place.is_open.then(|| place.watermark.saturating_add(TICK));
        self.marks(room, place.watermark).due = due;
    }

    /// How far a room is settled; `None` where nothing is known of it. A process that starts again begins here.
    pub(crate) fn place(&self, room: &RoomId) -> Option<Place> {
        let marks = self.rooms.get(room)?;
        Some(Place {
            watermark: marks.watermark(),
            is_open: marks.open().is_some(),
        })
    }

    /// The pipeline did not bring an event to an end, and will not.
    pub(crate) fn interrupted(&mut self, room: &RoomId, revision: Timestamp, ticket: Ticket) {
        self.settled(room, revision, ticket);
        if let Some(marks) = self.rooms.get_mut(room) {
            marks.interrupted = marks.interrupted.into_iter().chain([revision]).min();
        }
    }

    /// An event needs not go to the pipeline.
    pub(crate) fn passed(&mut self, room: &RoomId, revision: Timestamp) {
        let marks = self.marks(room, revision);
        marks.newest = marks.newest.max(revision);
    }

    /// The pipeline is done with an event, or has given it up.
    pub(crate) fn settled(&mut self, room: &RoomId, revision: Timestamp, ticket: Ticket) {
        if let Some(marks) = self.rooms.get_mut(room)
            && marks.unfinished.remove(&(revision, ticket.0))
        {
            self.unfinished -= 1;
        }
    }

    /// An event of a room could not be delivered: it has to be fetched.
    pub(crate) fn missed(&mut self, room: &RoomId, revision: Timestamp) {
        let marks = self.marks(room, revision.saturating_sub(TICK));
        let before = marks.missed.replace(revision);
        marks.missed = Some(before.map_or(revision, |before| before.min(revision)));
        self.missed += usize::from(before.is_none());
    }

    /// Of what was missed in a room everything before this is here: the rest has to be fetched.
    pub(crate) fn left(&mut self, room: &RoomId, from: Timestamp) {
        // Also where nothing of it was delivered, since an earlier process was done with it: or the same would be fetched
        // again and again.
        self.passed(room, from.saturating_sub(TICK));
        self.missed(room, from);
    }

    /// What was missed in a room is going to be fetched, and is due until it is. What comes after it does not wait.
    pub(crate) fn take_missed(&mut self, room: &RoomId) -> Option<Timestamp> {
        let marks = self.rooms.get_mut(room)?;
        marks.due = marks.missing();
        let missed = marks.missed.take();
        self.missed -= usize::from(missed.is_some());
        missed
    }

    /// What was due in a room is here.
    pub(crate) fn fetched(&mut self, room: &RoomId) {
        if let Some(marks) = self.rooms.get_mut(room) {
            marks.due = None;
        }
    }

    /// What is missing in a room can not be fetched.
    pub(crate) fn clear_missing(&mut self, room: &RoomId) {
        if let Some(marks) = self.rooms.get_mut(room) {
            marks.due = None;
            self.missed -= usize::from(marks.missed.take().is_some());
        }
    }

    /// Whether something of the room was missed and not fetched yet.
    pub(crate) fn has_missed(&self, room: &RoomId) -> bool {
        self.rooms.get(room).is_some_and(|marks| marks.missed.is_some())
    }

    /// Whether something of the room is to be fetched.
    pub(crate) fn is_due(&self, room: &RoomId) -> bool {
        self.rooms
            .get(room)
            .is_some_and(|marks| marks.missing().is_some())
    }

    /// Whether any room has missed something.
    pub(crate) fn is_any_missed(&self) -> bool {
        self.missed > 0
    }

    /// How many rooms have missed something.
    pub(crate) fn missed_rooms(&self) -> usize {
        self.missed
    }

    /// The rooms of which something is to be fetched.
    pub(crate) fn missing_rooms(&self) -> impl Iterator<Item = &RoomId> {
        let missing = self.rooms.iter().filter(|(_, marks)| marks.missing().is_some());
        missing.map(|(room, _)| room)
    }

    /// The rooms in which something was delivered since; none where no time is given.
    pub(crate) fn rooms_since(&self, since: Option<Timestamp>) -> impl Iterator<Item = &RoomId> {
        let is_newer = move |marks: &Marks| since.is_some_and(|since| marks.newest > since);
        let newer = self.rooms.iter().filter(move |(_, marks)| is_newer(marks));
        newer.map(|(room, _)| room)
    }

    /// Since when something of the room is to be fetched.
    pub(crate) fn missing_since(&self, room: &RoomId) -> Option<Timestamp> {
        self.rooms.get(room).and_then(Marks::missing)
    }

    /// How far a room is settled; `None` where nothing is known of it. A process that starts again would begin here.
    pub(crate) fn watermark(&self, room: &RoomId) -> Option<Timestamp> {
        self.rooms.get(room).map(Marks::watermark)
    }

    /// Up to where everything of a room was delivered; `None` where nothing is known of it.
    pub(crate) fn delivered_to(&self, room: &RoomId) -> Option<Timestamp> {
        let marks = self.rooms.get(room)?;
        Some(marks.up_to(marks.missing()))
    }

    /// The newest event that was delivered in a room.
    pub(crate) fn newest(&self, room: &RoomId) -> Option<Timestamp> {
        self.rooms.get(room).map(|marks| marks.newest)
    }

    /// Events of a room that the pipeline has.
    pub(crate) fn unfinished_in(&self, room: &RoomId) -> usize {
        self.rooms.get(room).map_or(0, |marks| marks.unfinished.len())
    }

    /// Events of all rooms that the pipeline has.
    pub(crate) fn unfinished(&self) -> usize {
        self.unfinished
    }

    /// The bot may not read this room any more.
    pub(crate) fn forget(&mut self, room: &RoomId) {
        if let Some(marks) = self.rooms.remove(room) {
            self.unfinished -= marks.unfinished.len();
            self.missed -= usize::from(marks.missed.is_some());
        }
    }

    fn marks(&mut self, room: &RoomId, newest: Timestamp) -> &mut Marks {
        if self.rooms.len() >= self.bound && !self.rooms.contains_key(room) {
            self.evict();
        }
        // An id cut from a frame would keep the whole frame alive.
        let key = || RoomId::from(room.as_str());
        self.rooms.entry(key()).or_insert_with(|| Marks {
            newest,
            unfinished: BTreeSet::new(),
            missed: None,
            due: None,
            interrupted: None,
        })
    }

    /// Forgets the room that has been quiet for longest, if possible one with nothing open.
    fn evict(&mut self) {
        let quietest = self
            .rooms
            .iter()
            .min_by_key(|(_, marks)| (marks.open().is_some(), marks.newest))
            .map(|(room, _)| room.clone());
        if let Some(room) = quietest {
            if self.rooms.get(&room).is_some_and(|marks| marks.open().is_some()) {
                tracing::warn!(
                    %room, rooms = self.bound,
                    "too many rooms have something unfinished: this one is forgotten, and not caught up before the next outage"
                );
            }
            self.forget(&room);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    #[test]
    fn it_waits_for_what_is_unfinished() {
        let (mut marks, room) = (Watermarks::default(), RoomId::from("r"));
        assert_eq!(marks.watermark(&room), None);
        let first = marks.delivered(&room, at(10));
        let second = marks.delivered(&room, at(20));
        marks.settled(&room, at(20), second);
        assert_eq!(marks.watermark(&room), Some(at(9)));
        marks.settled(&room, at(10), first);
        assert_eq!(marks.watermark(&room), Some(at(20)));
        // Settled twice is settled once.
        marks.settled(&room, at(10), first);
        assert_eq!(marks.unfinished(), 0);
    }

    #[test]
    fn it_waits_for_what_was_missed() {
        let (mut marks, room) = (Watermarks::default(), RoomId::from("r"));
        marks.missed(&room, at(30));
        marks.missed(&room, at(25));
        assert_eq!(marks.watermark(&room), Some(at(24)));
        assert_eq!(marks.take_missed(&room), Some(at(25)));
        assert!(!marks.is_any_missed());
    }

    #[derive(Clone, Debug)]
    enum Step {
        Deliver(u8, i64),
        Settle(usize),
        Miss(u8, i64),
        Take(u8),
        Fetch(u8),
        Interrupt(usize),
        Forget(u8),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => (0u8..6, 0i64..100).prop_map(|(room, revision)| Step::Deliver(room, revision)),
            3 => (0usize..8).prop_map(Step::Settle),
            1 => (0u8..6, 0i64..100).prop_map(|(room, revision)| Step::Miss(room, revision)),
            1 => (0u8..6).prop_map(Step::Take),
            1 => (0u8..6).prop_map(Step::Fetch),
            1 => (0usize..8).prop_map(Step::Interrupt),
            1 => (0u8..6).prop_map(Step::Forget),
        ]
    }

    proptest! {
        /// The invariants of the module, against a model that keeps everything.
        #[test]
        fn the_invariants_hold(steps in prop::collection::vec(step(), 0..200), bound in 1usize..8) {
            let mut marks = Watermarks::bounded(bound);
            let mut open: Vec<(RoomId, Timestamp, Ticket)> = Vec::new();
            let mut missed: Vec<(RoomId, Timestamp)> = Vec::new();
            let mut due: Vec<(RoomId, Timestamp)> = Vec::new();
            let mut interrupted: Vec<(RoomId, Timestamp)> = Vec::new();
            let mut newest: HashMap<RoomId, Timestamp> = HashMap::new();
            let id = |room: u8| RoomId::from(room.to_string());
            for step in steps {
                match step {
                    Step::Deliver(room, revision) => {
                        let (room, revision) = (id(room), at(revision));
                        let ticket = marks.delivered(&room, revision);
                        newest.entry(room.clone()).and_modify(|n| *n = (*n).max(revision)).or_insert(revision);
                        open.push((room, revision, ticket));
                    }
                    Step::Settle(index) => if index < open.len() {
                        let (room, revision, ticket) = open.remove(index);
                        marks.settled(&room, revision, ticket);
                    },
                    Step::Miss(room, revision) => {
                        marks.missed(&id(room), at(revision));
                        newest.entry(id(room)).or_insert(at(revision - 1));
                        missed.push((id(room), at(revision)));
                    }
                    Step::Take(room) => {
                        let room = id(room);
                        let taken = marks.take_missed(&room);
                        let oldest = missed.iter().filter(|(r, _)| *r == room).map(|(_, at)| *at).min();
                        prop_assert_eq!(taken, oldest);
                        let (taken, left) = missed.into_iter().partition::<Vec<_>, _>(|(r, _)| *r == room);
                        missed = left;
                        due.extend(taken);
                    }
                    Step::Fetch(room) => {
                        marks.fetched(&id(room));
                        due.retain(|(r, _)| *r != id(room));
                    }
                    Step::Interrupt(index) => if index < open.len() {
                        let (room, revision, ticket) = open.remove(index);
                        marks.interrupted(&room, revision, ticket);
                        interrupted.push((room, revision));
                    },
                    Step::Forget(room) => marks.forget(&id(room)),
                }
                // What the structure forgot, by its bound or when told to, the model forgets too.
                prop_assert!(marks.rooms.len() <= bound);
                open.retain(|(room, _, ticket)| marks.rooms.get(room)
                    .is_some_and(|marks| marks.unfinished.iter().any(|(_, n)| *n == ticket.0)));
                for missing in [&mut missed, &mut due, &mut interrupted] {
                    missing.retain(|(room, _)| marks.rooms.contains_key(room));
                }
                newest.retain(|room, _| marks.rooms.contains_key(room));
                prop_assert_eq!(marks.unfinished(), open.len());
                for (room, newest) in &newest {
                    let watermark = marks.watermark(room).unwrap();
                    let first = open.iter().filter(|(r, ..)| r == room).map(|(_, at, _)| *at)
                        .chain([&missed, &due, &interrupted].into_iter().flatten()
                            .filter(|(r, _)| r == room).map(|(_, at)| *at))
                        .min();
                    prop_assert_eq!(marks.place(room).unwrap(), Place { watermark, is_open: first.is_some() });
                    match first {
                        Some(first) => prop_assert!(watermark < first),
                        None => prop_assert_eq!(watermark, *newest),
                    }
                    let delivered = marks.delivered_to(room).unwrap();
                    let missing = [&missed, &due].into_iter().flatten();
                    match missing.filter(|(r, _)| r == room).map(|(_, at)| *at).min() {
                        Some(missed) => prop_assert!(delivered < missed),
                        None => prop_assert_eq!(delivered, *newest),
                    }
                    prop_assert!(watermark <= delivered);
                }
            }
        }

        /// A room with something open is only forgotten where every room has something open.
        #[test]
        fn idle_rooms_are_forgotten_first(count in 1u8..20) {
            let mut marks = Watermarks::bounded(4);
            let busy = RoomId::from("busy");
            let _ticket = marks.delivered(&busy, at(0));
            for room in 0..count {
                let room = RoomId::from(room.to_string());
                let ticket = marks.delivered(&room, at(1));
                marks.settled(&room, at(1), ticket);
            }
            prop_assert_eq!(marks.watermark(&busy), Some(at(-1)));
        }
    }
}
