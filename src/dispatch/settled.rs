//! When an event is done with: all its routes have ended, and all that they asked for was carried out.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::transport::{Ack, Handled};

/// An event's acknowledgement, shared by the pieces of work that it became.
pub(super) struct EventWork {
    /// None where it was settled before.
    ack: Mutex<Option<Ack>>,
    was_given_up: AtomicBool,
}

impl Drop for EventWork {
    fn drop(&mut self) {
        let ack = self.ack.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(ack) = ack.filter(|_| !*self.was_given_up.get_mut()) {
            ack.done();
        }
    }
}

/// One piece of an event's work. Dropped before it is [done](Self::done), it leaves the event interrupted.
pub(super) struct Piece {
    work: Arc<EventWork>,
    is_done: bool,
}

impl Piece {
    /// The first piece of an event.
    pub(super) fn of(ack: Ack) -> Self {
        let work = EventWork {
            ack: Mutex::new(Some(ack)),
            was_given_up: AtomicBool::new(false),
        };
        Self {
            work: Arc::new(work),
            is_done: false,
        }
    }

    /// Another piece of the same event.
    pub(super) fn another(&self) -> Self {
        Self {
            work: Arc::clone(&self.work),
            is_done: false,
        }
    }

    /// What is to be called when all handlers of the event have ended.
    pub(super) fn handled(&self) -> Option<Handled> {
        self.lock().as_ref()?.handled()
    }

    /// Has the event be done already, whatever becomes of its pieces.
    pub(super) fn settle(&self) {
        let ack = self.lock().take();
        if let Some(ack) = ack {
            ack.done();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Ack>> {
        self.work.ack.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn done(mut self) {
        self.is_done = true;
    }
}

impl Drop for Piece {
    fn drop(&mut self) {
        if !self.is_done {
            self.work.was_given_up.store(true, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::transport::Settled;

    fn piece() -> (Piece, Arc<Mutex<Vec<Settled>>>) {
        let settled = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&settled);
        (
            Piece::of(Ack::new(move |outcome| log.lock().unwrap().push(outcome))),
            settled,
        )
    }

    #[test]
    fn an_event_is_done_when_its_last_piece_is() {
        let (first, settled) = piece();
        let second = first.another();
        first.done();
        assert!(settled.lock().unwrap().is_empty());
        second.done();
        assert_eq!(*settled.lock().unwrap(), [Settled::Done]);
    }

    #[test]
    fn what_is_settled_early_stays_so() {
        let (first, settled) = piece();
        let second = first.another();
        second.settle();
        assert_eq!(*settled.lock().unwrap(), [Settled::Done]);
        drop(first);
        second.settle();
        second.done();
        assert_eq!(*settled.lock().unwrap(), [Settled::Done]);
    }

    #[test]
    fn a_piece_that_is_given_up_interrupts_the_event() {
        let (first, settled) = piece();
        let second = first.another();
        drop(first);
        second.done();
        assert_eq!(*settled.lock().unwrap(), [Settled::Interrupted]);
    }
}
