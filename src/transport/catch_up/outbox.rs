//! Deliveries that wait for the pipeline, in order within a room. Bounded by whoever fills it.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::Arc;

use super::suspects::{Mark, Marks, Recovered};
use crate::event::RoomId;
use crate::journal::Ledger;
use crate::transport::Delivery;

/// A delivery that waits.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) delivery: Delivery,
    mark: Option<Mark>,
}

impl Waiting {
    /// The key of an event that was there at a crash.
    pub(super) fn suspect(&self) -> Option<&str> {
        let mark = self.mark.as_ref().filter(|mark| mark.is_suspect());
        mark.map(Mark::key)
    }

    pub(super) fn is_suspect(&self) -> bool {
        self.suspect().is_some()
    }
}

impl From<Delivery> for Waiting {
    fn from(delivery: Delivery) -> Self {
        Self { delivery, mark: None }
    }
}

#[derive(Default)]
pub(super) struct Outbox {
    rooms: HashMap<RoomId, VecDeque<Waiting>>,
    /// The rooms with something to deliver; each gets its turn.
    turns: VecDeque<RoomId>,
    /// What belongs to no room goes first.
    first: VecDeque<Delivery>,
    len: usize,
    marks: Marks,
}

impl Outbox {
    /// An event that an earlier process may have begun.
    pub(super) fn push_recovered(&mut self, room: &RoomId, delivery: Delivery, recovered: Recovered) {
        let key = delivery.event().own_key().unwrap_or_default().into();
        let mark = Some(Mark::of(key, recovered));
        self.push(room, Waiting { delivery, mark });
    }

    /// Waits until it is kept that what [`seek`](Self::seek) found is handed over. Nothing is lost where this is
    /// dropped.
    pub(super) async fn mark_next(&mut self, ledger: &Arc<Ledger>, window: usize) {
        if !self.first.is_empty() {
            return;
        }
        let Some(room) = self.turns.front() else { return };
        let Some(next) = mark_of(&mut self.rooms, room) else {
            return;
        };
        if self.marks.write(next, ledger) {
            // All that go with it are kept with one write.
            let waiting = self
                .rooms
                .values_mut()
                .flat_map(|room| room.iter_mut().take(window));
            self.marks
                .write_with_it(waiting.filter_map(|waiting| waiting.mark.as_mut()), ledger);
        }
        if let Some(next) = mark_of(&mut self.rooms, room) {
            self.marks.kept(next, ledger).await;
        }
    }

    pub(super) fn push(&mut self, room: &RoomId, delivery: Waiting) {
        let waiting = self.rooms.entry(room.clone()).or_default();
        if waiting.is_empty() {
            self.turns.push_back(room.clone());
        }
        waiting.push_back(delivery);
        self.len += 1;
    }

    pub(super) fn push_first(&mut self, delivery: Delivery) {
        self.first.push_back(delivery);
    }

    /// How many wait that belong to no room.
    pub(super) fn first_len(&self) -> usize {
        self.first.len()
    }

    /// How many wait in all rooms together.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// How many of this room wait.
    pub(super) fn len_of(&self, room: &RoomId) -> usize {
        self.rooms.get(room).map_or(0, VecDeque::len)
    }

    /// The rooms of which more than so many wait.
    pub(super) fn rooms_above(&self, many: usize) -> impl Iterator<Item = &RoomId> {
        let above = self.rooms.iter().filter(move |(_, waiting)| waiting.len() > many);
        above.map(|(room, _)| room)
    }

    /// Whether something of this room waits.
    pub(super) fn has(&self, room: &RoomId) -> bool {
        self.rooms.contains_key(room)
    }

    /// Puts the next room in front for which `may` says so, given the first of its deliveries and how many wait here.
    /// False where there is none.
    pub(super) fn seek(&mut self, mut may: impl FnMut(&RoomId, &Waiting, usize) -> bool) -> bool {
        if !self.first.is_empty() {
            return true;
        }
        for _ in 0..self.turns.len() {
            let Some(room) = self.turns.front() else { break };
            if let Some(waiting) = self.rooms.get(room)
                && let Some(next) = waiting.front()
                && may(room, next, waiting.len())
            {
                return true;
            }
            self.turns.rotate_left(1);
        }
        false
    }

    /// Takes what [`seek`](Self::seek) found.
    pub(super) fn pop(&mut self) -> Option<Waiting> {
        if let Some(delivery) = self.first.pop_front() {
            return Some(delivery.into());
        }
        let room = self.turns.pop_front()?;
        let waiting = self.rooms.get_mut(&room)?;
        let delivery = waiting.pop_front();
        self.len -= usize::from(delivery.is_some());
        if waiting.is_empty() {
            self.rooms.remove(&room);
        } else {
            self.turns.push_back(room);
        }
        delivery
    }
}

/// What has to be kept before the next of a room is handed over.
fn mark_of<'a>(rooms: &'a mut HashMap<RoomId, VecDeque<Waiting>>, room: &RoomId) -> Option<&'a mut Mark> {
    rooms.get_mut(room)?.front_mut()?.mark.as_mut()
}

impl fmt::Debug for Outbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outbox")
            .field("len", &self.len)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures_util::future::BoxFuture;

    use super::*;
    use crate::event::{Event, Message, Room, RoomKind, User};
    use crate::journal::{Change, Journal, JournalError, JournalSlot, MemoryJournal};

    fn delivery(room: &str, text: &str) -> Delivery {
        let room = Room::new(room, RoomKind::Channel);
        let message = Message::builder(room, User::new("uA", "ann"), text).build();
        Delivery::live(Event::from(message))
    }

    #[test]
    fn rooms_take_turns_and_keep_their_order() {
        let mut outbox = Outbox::default();
        for (room, text) in [("a", "a1"), ("a", "a2"), ("b", "b1"), ("c", "c1")] {
            outbox.push(&room.into(), delivery(room, text).into());
        }
        outbox.push_first(Delivery::live(Event::Ready));
        let mut order = Vec::new();
        // The room c has no place at the moment.
        while outbox.seek(|room, _, _| *room != "c") {
            let delivery = outbox.pop().unwrap().delivery;
            order.push(
                delivery
                    .event()
                    .message()
                    .map_or_else(String::new, |m| m.text().to_owned()),
            );
        }
        assert_eq!(order, ["", "a1", "b1", "a2"]);
        assert!(outbox.len() == 1 && outbox.has(&"c".into()) && !outbox.has(&"a".into()));
    }

    /// A journal that takes some time.
    struct Slow(MemoryJournal);

    impl Journal for Slow {
        fn load(&self) -> Result<Vec<(Vec<u8>, Vec<u8>)>, JournalError> {
            self.0.load()
        }

        fn write(&self, changes: Vec<Change>) {
            self.0.write(changes);
        }

        fn flush(&self) -> BoxFuture<'static, Result<(), JournalError>> {
            Box::pin(async {
                tokio::time::sleep(Duration::from_millis(10)).await;
                Ok(())
            })
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_arrives_meanwhile_does_not_hold_up_a_recovered_event() {
        let ledger = Arc::new(Ledger::load(&JournalSlot::new(Slow(MemoryJournal::new())), None).unwrap());
        let mut outbox = Outbox::default();
        for text in ["a1", "a2"] {
            outbox.push_recovered(&"a".into(), delivery("a", text), Recovered::Together);
        }
        let mut interruptions = 0;
        loop {
            assert!(outbox.seek(|_, _, _| true));
            // A frame comes before the disk is done, again and again.
            tokio::select! {
                () = outbox.mark_next(&ledger, 64) => break,
                () = tokio::time::sleep(Duration::from_millis(1)) => interruptions += 1,
            }
        }
        assert!((5..=10).contains(&interruptions), "{interruptions}");
        let first = outbox.pop().unwrap();
        assert_eq!(ledger.crashes(&first.delivery.event().own_key().unwrap()), 1);
        // The second was kept with the first.
        assert!(outbox.seek(|_, _, _| true));
        tokio::time::timeout(Duration::ZERO, outbox.mark_next(&ledger, 64))
            .await
            .unwrap();
    }
}
