//! The watermarks, which acknowledgements change from elsewhere, and their way into the journal.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::watermarks::Watermarks;
use crate::event::{Event, RoomId, Timestamp};
use crate::journal::Ledger;
use crate::transport::{Ack, Arrival, Delivery, Settled};

#[derive(Clone, Debug, Default)]
pub(super) struct SharedMarks {
    marks: Arc<Mutex<Watermarks>>,
    pub(super) settled: Arc<Notify>,
    /// What the bot remembers from one start to the next, if anything.
    pub(super) ledger: Option<Arc<Ledger>>,
    /// Events in the pipeline that may have ended earlier processes.
    suspects: Arc<AtomicUsize>,
}

/// An event that an earlier process may have begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Recovered {
    /// With the others.
    Together,
    /// It was there at a crash already: it is run alone, so that no other is suspected with it.
    Alone,
}

/// That an event may be what ends the process: while its handlers run, and not while an answer is on its way, which may
/// take long.
struct Suspicion {
    shared: SharedMarks,
    recovered: Recovered,
    key: Option<Box<str>>,
    has_ended: AtomicBool,
}

impl Suspicion {
    fn of(shared: SharedMarks, recovered: Recovered, key: Option<Box<str>>) -> Self {
        Self {
            shared,
            recovered,
            key,
            has_ended: AtomicBool::new(false),
        }
    }

    /// It was not: the next process must not take its end for a crash.
    fn end(&self) {
        if self.has_ended.swap(true, Ordering::Relaxed) {
            return;
        }
        if let (Some(ledger), Some(key)) = (&self.shared.ledger, &self.key) {
            ledger.not_recovered(key);
            ledger.hurry();
        }
        if self.recovered == Recovered::Alone {
            // One that was never handed over was not counted.
            let _ = self
                .shared
                .suspects
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |count| count.checked_sub(1));
        }
        self.shared.settled.notify_one();
    }
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
        let ticket = {
            let mut marks = self.lock();
            let ticket = marks.delivered(room, revision);
            self.keep(&marks, room, None);
            ticket
        };
        let suspicion =
            recovered.map(|recovered| Arc::new(Suspicion::of(self.clone(), recovered, key.clone())));
        let handled = suspicion.clone();
        let (shared, room) = (self.clone(), room.clone());
        let ack = Ack::new(move |settled| {
            let key = key.as_deref();
            let mut marks = shared.lock();
            match (settled, &shared.ledger) {
                // It is there for the next process.
                (Settled::Interrupted, Some(_)) => {
                    marks.interrupted(&room, revision, ticket);
                    shared.keep(&marks, &room, None);
                }
                // What the pipeline gives up it gives up on purpose: it is not fetched again.
                (Settled::Done | Settled::Dropped | Settled::Interrupted, _) => {
                    marks.settled(&room, revision, ticket);
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

    pub(super) fn has_suspect(&self) -> bool {
        self.suspects.load(Ordering::Relaxed) > 0
    }

    pub(super) fn suspect_goes(&self) {
        self.suspects.fetch_add(1, Ordering::Relaxed);
    }
}
