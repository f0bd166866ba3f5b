//! Deliveries that wait for the pipeline, in order within a room. Bounded by whoever fills it.

use std::collections::{HashMap, VecDeque};

use crate::event::RoomId;
use crate::transport::Delivery;

#[derive(Debug, Default)]
pub(super) struct Outbox {
    rooms: HashMap<RoomId, VecDeque<Delivery>>,
    /// The rooms with something to deliver; each gets its turn.
    turns: VecDeque<RoomId>,
    /// What belongs to no room goes first.
    first: VecDeque<Delivery>,
    len: usize,
}

impl Outbox {
    pub(super) fn push(&mut self, room: &RoomId, delivery: Delivery) {
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

    /// Puts the next room in front for which `may` says so, given how many of its deliveries wait here. False where
    /// there is none.
    pub(super) fn seek(&mut self, mut may: impl FnMut(&RoomId, usize) -> bool) -> bool {
        if !self.first.is_empty() {
            return true;
        }
        for _ in 0..self.turns.len() {
            let Some(room) = self.turns.front() else { break };
            let waiting = self.rooms.get(room).map_or(0, VecDeque::len);
            if may(room, waiting) {
                return true;
            }
            self.turns.rotate_left(1);
        }
        false
    }

    /// Takes what [`seek`](Self::seek) found.
    pub(super) fn pop(&mut self) -> Option<Delivery> {
        if let Some(delivery) = self.first.pop_front() {
            return Some(delivery);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Event, Message, Room, RoomKind, User};

    fn delivery(room: &str, text: &str) -> Delivery {
        let room = Room::new(room, RoomKind::Channel);
        let message = Message::builder(room, User::new("uA", "ann"), text).build();
        Delivery::live(Event::from(message))
    }

    #[test]
    fn rooms_take_turns_and_keep_their_order() {
        let mut outbox = Outbox::default();
        for (room, text) in [("a", "a1"), ("a", "a2"), ("b", "b1"), ("c", "c1")] {
            outbox.push(&room.into(), delivery(room, text));
        }
        outbox.push_first(Delivery::live(Event::Ready));
        let mut order = Vec::new();
        // The room c has no place at the moment.
        while outbox.seek(|room, _| *room != "c") {
            let delivery = outbox.pop().unwrap();
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
}
