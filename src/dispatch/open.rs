//! A delivery that is under way: one action after the other, and what becomes of those that are left.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::FutureExt as _;
use smallvec::SmallVec;
use tokio::time::Instant;
use tower::ServiceExt as _;

use super::Counters;
use super::dead_letter::{DeadLetterError, DeadLetters};
use super::deliver::{Sink, quote};
use super::kept::{routed_of, unix_millis, why_not_kept};
use super::settled::Piece;
use crate::inspect::{ActionState, ActionVisit, scope, trail_of};
use crate::journal::{Ledger, Undelivered};
use crate::request::Request;
use crate::response::{Action, RoutedAction};

/// One action.
pub(super) struct Item {
    pub(super) routed: RoutedAction,
    /// Where it is in the journal, if it is.
    pub(super) number: Option<Box<Number>>,
}

/// An action's place in the journal.
pub(super) struct Number {
    pub(super) number: u64,
    pub(super) event_key: Box<str>,
    /// From then on nobody waits for it any more.
    pub(super) until: Instant,
}

/// What became of actions, also of those in a delivery that is given up or panics.
#[derive(Default)]
pub(super) struct Progress {
    delivered: AtomicU64,
    undelivered: AtomicU64,
}

impl Progress {
    /// Whether anything was carried out.
    pub(super) fn take(&self, counters: &mut Counters) -> bool {
        let delivered = self.delivered.swap(0, Ordering::Relaxed);
        counters.delivered += delivered;
        counters.undelivered += self.undelivered.swap(0, Ordering::Relaxed);
        delivered > 0
    }
}

/// The actions of a delivery whose fate is open. Dropped, it gives them up; what is in the journal stays there.
pub(super) struct Open {
    /// The one that is on its way.
    current: Option<Item>,
    items: smallvec::IntoIter<[Item; 1]>,
    /// What is answered; none for what comes out of the journal.
    pub(super) request: Option<Request>,
    pub(super) piece: Option<Piece>,
    /// Whether the one that is on its way quotes its question already.
    pub(super) is_quoted: bool,
    /// Whether something is left to be done if the event is delivered again.
    is_unfinished: bool,
    /// Where what fails is kept for later, if it is.
    ledger: Option<Arc<Ledger>>,
    dead_letters: DeadLetters,
    progress: Arc<Progress>,
}

impl Open {
    pub(super) fn new(
        items: SmallVec<[Item; 1]>,
        request: Option<Request>,
        piece: Option<Piece>,
        ledger: Option<&Arc<Ledger>>,
        dead_letters: &DeadLetters,
        progress: &Arc<Progress>,
    ) -> Self {
        let mut items = items.into_iter();
        Self {
            current: items.next(),
            items,
            request,
            piece,
            is_quoted: false,
            is_unfinished: false,
            ledger: ledger.cloned(),
            dead_letters: dead_letters.clone(),
            progress: Arc::clone(progress),
        }
    }

    /// What is to be carried out now.
    fn current(&self) -> Option<Action> {
        self.current.as_ref().map(|item| item.routed.action.clone())
    }

    /// Whether somebody waits for the answer, and this is it.
    fn answers(&self, action: &Action) -> bool {
        let request = self.request.as_ref();
        request.is_some_and(|request| request.context().answers(action))
    }

    /// Where the inspector has it, if it looks.
    fn visit(&self, action: &Action) -> Option<ActionVisit> {
        trail_of(self.request.as_ref()?)?.next_action(&action.lane()?)
    }

    fn pop(&mut self) -> Option<Item> {
        self.is_quoted = false;
        std::mem::replace(&mut self.current, self.items.next())
    }

    /// All that is left, with the one that was on its way.
    pub(super) fn take_left(&mut self) -> SmallVec<[Item; 1]> {
        self.current.take().into_iter().chain(&mut self.items).collect()
    }

    fn delivered(&mut self) {
        let number = self.pop().and_then(|item| item.number);
        if let (Some(number), Some(ledger)) = (number, &self.ledger) {
            ledger.forget_undelivered(number.number);
        }
        self.progress.delivered.fetch_add(1, Ordering::Relaxed);
    }

    /// Nobody will try it again, unless it is in the journal and its time will come.
    fn undelivered(&mut self, error: DeadLetterError) {
        let Some(Item { routed, number }) = self.pop() else {
            return;
        };
        if let (Some(number), Some(ledger)) = (&number, &self.ledger) {
            if error.is_transient() {
                ledger.release_undelivered(number.number);
                return;
            }
            ledger.forget_undelivered(number.number);
        }
        self.progress.undelivered.fetch_add(1, Ordering::Relaxed);
        let is_done = match (&number, &self.request) {
            (Some(number), _) => self.dead_letters.give_up(routed, error, &number.event_key),
            (None, Some(request)) => self.dead_letters.give_up(routed, error, &request.key()),
            // What answers nothing comes out of the journal.
            (None, None) => self.dead_letters.give_up(routed, error, ""),
        };
        self.is_unfinished |= !is_done;
    }

    /// Whether the rest is for later.
    fn is_stopped_by(&self, error: &DeadLetterError) -> bool {
        self.ledger.is_some() && error.is_transient()
    }

    /// All actions are carried out, given up or kept. A refusal is final; what the network has lost is not done.
    pub(super) fn finish(&mut self) {
        if let Some(piece) = self.piece.take().filter(|_| !self.is_unfinished) {
            piece.done();
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        if let (Some(ledger), Some(request)) = (&self.ledger.clone(), self.request.take()) {
            return self.keep(ledger, &request);
        }
        while self.current.is_some() {
            self.undelivered(DeadLetterError::Stopped);
        }
    }
}

impl Open {
    /// Leaves what is left to the next process. Its event is done with that.
    fn keep(&mut self, ledger: &Ledger, request: &Request) {
        let is_quoted = std::mem::replace(&mut self.is_quoted, true);
        for (index, Item { mut routed, .. }) in self.take_left().into_iter().enumerate() {
            if let (0, false, Some(room_id)) = (index, is_quoted, routed.action.room_id().cloned()) {
                // It may be long until then.
                quote(&mut routed, &room_id, request);
            }
            let oldest = ledger.keep_undelivered(Undelivered {
                route: routed.route.as_ref().map(ToString::to_string),
                action: routed.action,
                event_key: request.key().into_owned(),
                kept_at: Some(unix_millis()),
            });
            if let Some(oldest) = oldest {
                self.progress.undelivered.fetch_add(1, Ordering::Relaxed);
                let (key, why) = (oldest.event_key.clone(), why_not_kept(&oldest));
                self.dead_letters.give_up(routed_of(oldest), why, &key);
            }
        }
        self.finish();
    }
}

/// A delivery that can't go on for now.
pub(super) struct Stuck {
    pub(super) open: Open,
    pub(super) error: DeadLetterError,
}

/// One action after the other. What fails for good is told and does not keep back what follows; what may work later
/// does if there is a journal, so that a room reads its replies in order.
pub(super) async fn deliver(sink: Sink, mut open: Open) -> Option<Box<Stuck>> {
    while let Some(action) = open.current() {
        // A sink that panics harms its action only.
        let visit = open.visit(&action);
        if open.answers(&action) {
            if let Some(visit) = visit {
                visit.done();
            }
            open.delivered();
            continue;
        }
        match AssertUnwindSafe(scope(visit.clone(), sink.clone().oneshot(action)))
            .catch_unwind()
            .await
        {
            Ok(Ok(_receipt)) => open.delivered(),
            Ok(Err(error)) => {
                let error = DeadLetterError::Failed(error);
                if open.is_stopped_by(&error) {
                    if let Some(visit) = visit {
                        visit.ended(ActionState::Kept, &error);
                    }
                    return Some(Box::new(Stuck { open, error }));
                }
                open.undelivered(error);
            }
            Err(_panic) => {
                if let Some(visit) = visit {
                    visit.ended(ActionState::Failed, &DeadLetterError::Panicked);
                }
                open.undelivered(DeadLetterError::Panicked);
            }
        }
    }
    open.finish();
    None
}
