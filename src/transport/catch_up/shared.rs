//! The watermarks, which acknowledgements change from elsewhere, and their way into the journal.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::suspects::{Recovered, Settled, Suspicion};
use super::watermarks::Watermarks;
use crate::event::{Event, RoomId, Timestamp};
use crate::journal::Ledger;
use crate::transport::{self, Ack, Arrival, Delivery};

#[derive(Clone, Debug, Default)]
pub(super) struct SharedMarks {
    marks: Arc<Mutex<Watermarks>>,
    pub(super) settled: Arc<Settled>,
    /// What the bot remembers from one start to the next, if anything.
    pub(super) ledger: Option<Arc<Ledger>>,
}

impl SharedMarks {
    pub(super) fn new(ledger: Option<Arc<Ledger>>) -> Self {
        let shared = Self {
            ledger,
            ..Self::default()
        };
        if let Some(ledger) = &shared.ledger {
            let mut marks = shared.lock();
            for (room, place) in ledger.places() {
                marks.restore(&room, place);
            }
        }
        shared
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Watermarks> {
        // Nothing that is done under the lock leaves it half done.
        self.marks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A delivery that counts as unfinished until it is settled.
    pub(super) fn delivery(
        &self,
        event: Event,
        arrival: Arrival,
        room: &RoomId,
        revision: Timestamp,
        recovered: Option<Recovered>,
    ) -> Delivery {
        let key: Option<Box<str>> = self
            .ledger
            .as_ref()
            .and_then(|_| event.own_key().map(|key| (*key).into()));
        // A message that was changed since is new again only if it was written behind the watermark.
        let open_at = match event.message().filter(|_| event.is_new_message()) {
            Some(message) => revision.min(message.created_at()),
            None => revision,
        };
        let ticket = {
            let mut marks = self.lock();
            let ticket = marks.delivered(room, open_at);
            marks.passed(room, revision);
            self.keep(&marks, room, None);
            ticket
        };
        let suspicion = recovered.map(|_| {
            let (ledger, settled) = (self.ledger.clone(), Arc::clone(&self.settled));
            Arc::new(Suspicion::of(ledger, settled, key.clone()))
        });
        let handled = suspicion.clone();
        let (shared, room) = (self.clone(), room.clone());
        let ack = Ack::new(move |settled| {
            let key = key.as_deref();
            let mut marks = shared.lock();
            match (settled, &shared.ledger) {
                // It is there for the next process.
                (transport::Settled::Interrupted, Some(_)) => {
                    marks.interrupted(&room, open_at, ticket);
                    shared.keep(&marks, &room, None);
                }
                // What the pipeline gives up it gives up on purpose: it is not fetched again.
                (
                    transport::Settled::Done | transport::Settled::Dropped | transport::Settled::Interrupted,
                    _,
                ) => {
                    marks.settled(&room, open_at, ticket);
                    shared.keep(&marks, &room, key.map(|key| (revision, key)));
                }
            }
            drop(marks);
            if let Some(suspicion) = suspicion {
                suspicion.end();
            }
            shared.settled.notify_one();
        });
        let ack = match handled {
            Some(suspicion) => ack.on_handled(Arc::new(move || suspicion.end())),
            None => ack,
        };
        Delivery::live(event).arrived(arrival).with_ack(ack)
    }

    /// An event that is done without the pipeline.
    pub(super) fn pass(&self, event: &Event, room: &RoomId, revision: Timestamp) {
        let mut marks = self.lock();
        marks.passed(room, revision);
        self.keep(
            &marks,
            room,
            event.own_key().as_deref().map(|key| (revision, key)),
        );
    }

    /// Writes down how far a room is settled, under the lock, so that the last is the last.
    pub(super) fn keep(&self, marks: &Watermarks, room: &RoomId, finished: Option<(Timestamp, &str)>) {
        if let Some(ledger) = &self.ledger
            && let Some(place) = marks.place(room)
        {
            ledger.settle(room, place, finished);
        }
    }

    /// The bot may not read this room any more.
    pub(super) fn forget(&self, room: &RoomId) {
        self.lock().forget(room);
        if let Some(ledger) = &self.ledger {
            ledger.forget_room(room);
        }
    }

    /// Whether another suspect has to wait.
    pub(super) fn has_suspect(&self) -> bool {
        self.settled.has_suspect()
    }

    pub(super) fn suspect_goes(&self, key: &str) {
        self.settled.suspect_goes(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Message, Room, RoomKind, User};

    /// Somebody reacted to it before it was fetched. What is fetched again is what was changed behind the watermark, and
    /// new of that is what was written behind it.
    #[test]
    fn a_message_that_was_changed_is_open_from_its_writing_on() {
        let (marks, id) = (SharedMarks::default(), RoomId::from("r"));
        let [before, written, revision] = [10, 20, 30].map(Timestamp::from_millis);
        let message = |at| {
            let room = Room::new("r", RoomKind::Channel);
            let message = Message::builder(room, User::new("uA", "ann"), "text").created_at(at);
            Event::from(message.build())
        };
        let first = marks.delivery(message(before), Arrival::CaughtUp, &id, before, None);
        first.into_parts().2.done();
        let delivery = marks.delivery(message(written), Arrival::CaughtUp, &id, revision, None);
        let watermark = marks.lock().watermark(&id);
        assert!(
            watermark < Some(written) && watermark >= Some(before),
            "{watermark:?}"
        );
        delivery.into_parts().2.done();
        assert_eq!(marks.lock().watermark(&id), Some(revision));
        assert_eq!(marks.lock().unfinished(), 0);
    }
}
