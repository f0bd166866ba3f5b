//! Carries out what the pipeline answered: in order within a room, rooms side by side.

use std::collections::{HashMap, VecDeque};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::FutureExt as _;
use smallvec::SmallVec;
use tokio::task::{JoinError, JoinSet};
use tokio::time::Instant;
use tower::util::BoxCloneSyncService;
use tower::{BoxError, ServiceExt};

use super::dead_letter::{DeadLetterError, DeadLetters};
use super::lanes::{LaneBounds, Lanes};
use super::resolve::QUOTE_AFTER;
use super::settled::Piece;
use super::text::utf16_length;
use super::{Counters, Receipt};
use crate::error_chain::Chain;
use crate::event::{Event, MessageId, RoomId};
use crate::journal::{Ledger, Undelivered};
use crate::request::Request;
use crate::response::{Action, RouteName, RoutedAction};

/// The service that carries out resolved actions.
pub(crate) type Sink = BoxCloneSyncService<Action, Receipt, BoxError>;

/// Rooms that are delivered to at once.
const ROOMS_AT_ONCE: usize = 32;

/// Batches that wait; above this no further event is started until some are gone.
const WAITING: usize = 4096;

/// Deleted questions that are remembered.
const DELETED: usize = 1024;

/// Actions for one room, of one route or several, in order.
pub(super) struct Batch {
    pub(super) room_id: RoomId,
    pub(super) actions: SmallVec<[RoutedAction; 1]>,
    /// Their numbers in the ledger, where they come from there.
    pub(super) kept: Vec<u64>,
    /// What is answered.
    pub(super) request: Request,
    pub(super) piece: Option<Piece>,
}

impl Batch {
    fn quote_if_late(&mut self, now: Instant) {
        let context = self.request.context();
        let is_late = context.lateness(now) > QUOTE_AFTER;
        if !is_late || self.request.event().room_id() != Some(&self.room_id) {
            return;
        }
        let first = self.actions.first_mut().map(|first| &mut first.action);
        let (Some(quote), Some(Action::Send(send))) = (context.shared().quote_of(&self.request), first)
        else {
            return;
        };
        let text = format!("{quote}{}", send.content());
        if utf16_length(&text) <= context.shared().message_size_limit() {
            send.set_text(text);
        }
    }
}

/// What is being delivered and what waits for it.
pub(super) struct Deliveries {
    sink: Sink,
    rooms: Lanes<RoomId, Batch>,
    tasks: JoinSet<()>,
    task_rooms: HashMap<tokio::task::Id, RoomId>,
    progress: Arc<Progress>,
    deleted: VecDeque<MessageId>,
    dead_letters: DeadLetters,
}

impl Deliveries {
    pub(super) fn new(sink: Sink, dead_letters: DeadLetters) -> Self {
        let bounds = LaneBounds {
            running: ROOMS_AT_ONCE,
            waiting_in_lane: usize::MAX,
            waiting: usize::MAX,
        };
        Self {
            sink,
            rooms: Lanes::new(bounds),
            tasks: JoinSet::new(),
            task_rooms: HashMap::new(),
            progress: Arc::default(),
            deleted: VecDeque::new(),
            dead_letters,
        }
    }

    pub(super) fn dead_letters(&self) -> &DeadLetters {
        &self.dead_letters
    }

    /// Whether so much waits that no event should be started.
    pub(super) fn is_full(&self) -> bool {
        self.rooms.waiting() >= WAITING
    }

    pub(super) fn is_idle(&self) -> bool {
        self.tasks.is_empty() && self.rooms.waiting() == 0
    }

    /// A question was deleted: its reply is not sent any more.
    pub(super) fn note_deleted(&mut self, message_id: &MessageId) {
        if self.deleted.len() == DELETED {
            self.deleted.pop_front();
        }
        // A copy: the id is a slice of its frame, and would keep it.
        self.deleted.push_back(MessageId::from(message_id.as_str()));
    }

    pub(super) fn push(&mut self, batch: Batch, counters: &mut Counters) {
        // There is no bound to meet: what may wait is bounded by the events that are started.
        if self.rooms.push(batch.room_id.clone(), batch).is_ok() {
            self.start(counters);
        }
    }

    /// Carries out what could not be carried out before.
    pub(super) fn resend(&mut self, request: &Request, counters: &mut Counters) {
        let Some(ledger) = &request.context().shared().ledger else {
            return;
        };
        let mut batches: Vec<Batch> = Vec::new();
        for (number, undelivered) in ledger.take_undelivered() {
            let Some(room_id) = undelivered.action.room_id().cloned() else {
                continue;
            };
            let known = batches.iter().position(|batch| batch.room_id == room_id);
            let index = known.unwrap_or_else(|| {
                batches.push(Batch {
                    room_id,
                    actions: SmallVec::new(),
                    kept: Vec::new(),
                    request: request.clone(),
                    piece: None,
                });
                batches.len() - 1
            });
            let batch = &mut batches[index];
            batch.kept.push(number);
            batch.actions.push(RoutedAction {
                route: undelivered.route.as_deref().map(RouteName::new),
                action: undelivered.action,
            });
        }
        for batch in batches {
            self.push(batch, counters);
        }
    }

    /// Waits for a delivery to end; for ever if none runs.
    pub(super) async fn next(&mut self) -> Result<(tokio::task::Id, ()), JoinError> {
        match self.tasks.join_next_with_id().await {
            Some(ended) => ended,
            None => std::future::pending().await,
        }
    }

    pub(super) fn ended(&mut self, ended: Result<(tokio::task::Id, ()), JoinError>, counters: &mut Counters) {
        let id = match ended {
            Ok((id, ())) => id,
            Err(error) => {
                tracing::error!(%error, "a delivery ended without a result");
                error.id()
            }
        };
        self.progress.take(counters);
        if let Some(room_id) = self.task_rooms.remove(&id) {
            self.rooms.free(&room_id);
        }
        self.rooms.finish();
        self.start(counters);
    }

    /// Gives up what is not delivered, and counts it.
    pub(super) async fn abort(&mut self, counters: &mut Counters) {
        for batch in self.rooms.clear_waiting() {
            drop(Open::new(batch, &self.dead_letters, &self.progress));
        }
        self.tasks.shutdown().await;
        for room_id in std::mem::take(&mut self.task_rooms).into_values() {
            self.rooms.free(&room_id);
            self.rooms.finish();
        }
        self.progress.take(counters);
    }

    fn start(&mut self, counters: &mut Counters) {
        while let Some((room_id, mut batch)) = self.rooms.start() {
            if matches!(batch.request.event(), Event::Message(question) if self.deleted.contains(question.id()))
            {
                tracing::debug!(%room_id, "the question was deleted: its reply is dropped");
                counters.withdrawn += batch.actions.len() as u64;
                if let Some(piece) = batch.piece {
                    piece.done();
                }
                self.rooms.free(&room_id);
                self.rooms.finish();
                continue;
            }
            batch.quote_if_late(Instant::now());
            let open = Open::new(batch, &self.dead_letters, &self.progress);
            let task = self.tasks.spawn(deliver(self.sink.clone(), open));
            self.task_rooms.insert(task.id(), room_id);
        }
    }
}

/// What became of actions, also of those in a delivery that is given up or panics.
#[derive(Default)]
struct Progress {
    delivered: AtomicU64,
    undelivered: AtomicU64,
}

impl Progress {
    fn take(&self, counters: &mut Counters) {
        counters.delivered += self.delivered.swap(0, Ordering::Relaxed);
        counters.undelivered += self.undelivered.swap(0, Ordering::Relaxed);
    }
}

/// The actions of a delivery whose fate is open. Dropped, it gives them up.
struct Open {
    actions: smallvec::IntoIter<[RoutedAction; 1]>,
    kept: std::vec::IntoIter<u64>,
    /// The one that is on its way, and its number in the ledger if it comes from there.
    current: Option<RoutedAction>,
    number: Option<u64>,
    request: Request,
    piece: Option<Piece>,
    /// Whether something is left to be done if the event is delivered again.
    is_unfinished: bool,
    dead_letters: DeadLetters,
    progress: Arc<Progress>,
}

impl Open {
    fn new(batch: Batch, dead_letters: &DeadLetters, progress: &Arc<Progress>) -> Self {
        Self {
            actions: batch.actions.into_iter(),
            kept: batch.kept.into_iter(),
            current: None,
            number: None,
            request: batch.request,
            piece: batch.piece,
            is_unfinished: false,
            dead_letters: dead_letters.clone(),
            progress: Arc::clone(progress),
        }
    }

    /// The next action, to be carried out.
    fn next(&mut self) -> Option<Action> {
        self.current = self.actions.next();
        self.number = self.kept.next();
        self.current.as_ref().map(|current| current.action.clone())
    }

    fn delivered(&mut self) {
        self.current = None;
        if let (Some(number), Some(ledger)) = (self.number, self.ledger()) {
            ledger.forget_undelivered(number);
        }
        self.progress.delivered.fetch_add(1, Ordering::Relaxed);
    }

    fn undelivered(&mut self, error: DeadLetterError) {
        let Some(action) = self.current.take() else {
            return;
        };
        self.progress.undelivered.fetch_add(1, Ordering::Relaxed);
        match (self.number, self.ledger()) {
            (Some(number), Some(ledger)) if error.is_transient() => ledger.release_undelivered(number),
            (Some(number), Some(ledger)) => {
                if let Some(kept) = ledger.forget_undelivered(number) {
                    self.dead_letters.give_up(action, error, &kept.event_key);
                }
            }
            (None, Some(ledger)) if ledger.is_kept() && is_for_later(&error) => {
                self.keep(ledger, action, &error);
            }
            _ => {
                let is_done = self.dead_letters.give_up(action, error, &self.request.key());
                self.is_unfinished |= !is_done;
            }
        }
    }

    fn ledger(&self) -> Option<&Ledger> {
        self.request.context().shared().ledger.as_deref()
    }

    /// Has it carried out later. Its event is done with that.
    fn keep(&self, ledger: &Ledger, action: RoutedAction, error: &DeadLetterError) {
        tracing::warn!(
            action = action.action.name(),
            room_id = action.action.room_id().map(tracing::field::display),
            error = %Chain(error),
            "not delivered yet: it is kept in the journal"
        );
        let oldest = ledger.keep_undelivered(Undelivered {
            route: action.route.as_ref().map(ToString::to_string),
            action: action.action,
            event_key: self.request.key().into_owned(),
        });
        if let Some(oldest) = oldest {
            let action = RoutedAction {
                route: oldest.route.as_deref().map(RouteName::new),
                action: oldest.action,
            };
            let error = DeadLetterError::Failed("too many actions wait for the server".into());
            self.dead_letters.give_up(action, error, &oldest.event_key);
        }
    }
}

/// What the stop cut off belongs to an event that is not done.
fn is_for_later(error: &DeadLetterError) -> bool {
    error.is_transient() && !matches!(error, DeadLetterError::Stopped)
}

impl Drop for Open {
    fn drop(&mut self) {
        while self.current.is_some() || self.next().is_some() {
            self.undelivered(DeadLetterError::Stopped);
        }
    }
}

/// One action after the other; what fails is told and does not keep back what follows.
async fn deliver(sink: Sink, mut open: Open) {
    while let Some(action) = open.next() {
        // A sink that panics harms its action only.
        match AssertUnwindSafe(sink.clone().oneshot(action))
            .catch_unwind()
            .await
        {
            Ok(Ok(_receipt)) => open.delivered(),
            Ok(Err(error)) => open.undelivered(DeadLetterError::Failed(error)),
            Err(_panic) => open.undelivered(DeadLetterError::Panicked),
        }
    }
    // A refusal is final; what the network has lost is not done.
    if let Some(piece) = open.piece.take().filter(|_| !open.is_unfinished) {
        piece.done();
    }
}
