//! Carries out what the pipeline answered: in order within a room, rooms side by side.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use smallvec::SmallVec;
use tokio::task::{JoinError, JoinSet};
use tokio::time::Instant;
use tower::BoxError;
use tower::util::BoxCloneSyncService;

use super::dead_letter::DeadLetters;
use super::kept::Kept;
use super::lanes::{LaneBounds, Lanes};
use super::open::{Item, Open, Progress, Stuck, deliver};
use super::resolve::QUOTE_AFTER;
use super::settled::Piece;
use super::text::utf16_length;
use super::{Counters, Receipt};
use crate::error_chain::Chain;
use crate::event::{Event, MessageId, RoomId};
use crate::inspect::{ActionState, trail_of};
use crate::journal::Ledger;
use crate::request::Request;
use crate::response::{Action, RoutedAction};

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
    /// What is answered.
    pub(super) request: Request,
    pub(super) piece: Option<Piece>,
}

impl Batch {
    fn is_late(&self, now: Instant) -> bool {
        self.request.context().lateness(now) > QUOTE_AFTER
    }
}

/// Has an action say which question it answers, if that was in the same room.
pub(super) fn quote(action: &mut RoutedAction, room_id: &RoomId, request: &Request) -> bool {
    let shared = request.context().shared();
    if request.event().room_id() != Some(room_id) {
        return false;
    }
    let Some(quote) = request.message().and_then(|message| shared.quote_of(message)) else {
        return false;
    };
    let send = match &mut action.action {
        Action::Send(send) => send,
        Action::Upload(upload) => {
            let text = format!("{quote}{}", upload.content());
            let fits = utf16_length(&text) <= shared.message_size_limit();
            if fits {
                upload.fields.text = text;
            }
            return fits;
        }
        _ => return false,
    };
    if send.extras().is_some_and(|extras| extras.is_quoting) {
        return true;
    }
    let text = format!("{quote}{}", send.content());
    let fits = utf16_length(&text) <= shared.message_size_limit();
    if fits {
        send.set_text(text);
    }
    fits
}

/// Tells the inspector, if it looks, what becomes of actions that are not tried.
fn mark_all(batch: &Batch, state: ActionState, why: &dyn std::fmt::Display) {
    let Some(trail) = trail_of(&batch.request) else {
        return;
    };
    for _ in &batch.actions {
        if let Some(visit) = trail.next_action(&batch.room_id) {
            visit.ended(state, why);
        }
    }
}

/// What waits for its turn in a room.
#[expect(
    clippy::large_enum_variant,
    reason = "nearly all are answers; a box would cost each an allocation"
)]
enum Waiting {
    Answer(Batch),
    /// Another attempt with what is kept.
    Kept,
}

/// What is being delivered and what waits for it.
pub(super) struct Deliveries {
    sink: Sink,
    rooms: Lanes<RoomId, Waiting>,
    kept: Kept,
    tasks: JoinSet<Option<Box<Stuck>>>,
    task_rooms: HashMap<tokio::task::Id, RoomId>,
    progress: Arc<Progress>,
    deleted: VecDeque<MessageId>,
    dead_letters: DeadLetters,
}

impl Deliveries {
    pub(super) fn new(sink: Sink, dead_letters: DeadLetters, ledger: Option<Arc<Ledger>>) -> Self {
        let bounds = LaneBounds {
            running: ROOMS_AT_ONCE,
            waiting_in_lane: usize::MAX,
            waiting: usize::MAX,
        };
        Self {
            sink,
            rooms: Lanes::new(bounds),
            kept: Kept::new(ledger, dead_letters.clone()),
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
        let room_id = batch.room_id.clone();
        self.wait(room_id, Waiting::Answer(batch), counters);
    }

    fn wait(&mut self, room_id: RoomId, waiting: Waiting, counters: &mut Counters) {
        // There is no bound to meet: what may wait is bounded by the events that are started.
        if self.rooms.push(room_id, waiting).is_ok() {
            self.start(counters);
        }
    }

    /// Makes another attempt with what is kept, in the rooms where it is time for one: in all of them where the server
    /// seems to take again what it is given.
    pub(super) fn resend(&mut self, all: bool, counters: &mut Counters) {
        for room_id in self.kept.due(Instant::now(), all) {
            self.wait(room_id, Waiting::Kept, counters);
        }
    }

    /// Waits for a delivery to end; for ever if none runs.
    pub(super) async fn next(&mut self) -> DeliveryEnded {
        match self.tasks.join_next_with_id().await {
            Some(ended) => DeliveryEnded(ended),
            None => std::future::pending().await,
        }
    }

    pub(super) fn ended(&mut self, DeliveryEnded(ended): DeliveryEnded, counters: &mut Counters) {
        let (id, stuck) = match ended {
            Ok(ended) => ended,
            Err(error) => {
                tracing::error!(%error, "a delivery ended without a result");
                self.kept.adopt();
                (error.id(), None)
            }
        };
        let takes = self.progress.take(counters);
        if takes {
            self.kept.takes();
        }
        if let Some(room_id) = self.task_rooms.remove(&id) {
            match stuck {
                Some(stuck) => self.stuck(&room_id, *stuck, counters),
                None => self.kept.ended(&room_id),
            }
            self.rooms.free(&room_id);
        }
        self.rooms.finish();
        self.start(counters);
        if takes {
            // The server takes what it is given again.
            self.resend(true, counters);
        }
    }

    /// What is left of a delivery goes out later, before all else in its room.
    fn stuck(&mut self, room_id: &RoomId, stuck: Stuck, counters: &mut Counters) {
        let Stuck { mut open, error } = stuck;
        let left = open.take_left();
        tracing::warn!(
            actions = left.len(),
            %room_id,
            error = %Chain(&error),
            "not delivered yet: it is kept in the journal, and what follows in the room waits behind it"
        );
        let now = Instant::now();
        let Some(request) = open.request.take() else {
            counters.undelivered += self.kept.failed(room_id, left.into_iter(), error, now);
            return;
        };
        let mut actions: SmallVec<[RoutedAction; 1]> = left.into_iter().map(|item| item.routed).collect();
        if !open.is_quoted
            && let Some(first) = actions.first_mut()
        {
            quote(first, room_id, &request);
        }
        counters.undelivered += self.kept.keep(actions, &request.key());
        counters.undelivered += self.kept.failed(room_id, std::iter::empty(), error, now);
        open.finish();
    }

    /// Keeps an answer behind what is kept in its room already, if anything is. Its event is done with that.
    fn keep(&mut self, batch: Batch, is_late: bool, counters: &mut Counters) {
        mark_all(&batch, ActionState::Kept, &"it is in the journal");
        let Batch {
            room_id,
            mut actions,
            request,
            piece,
        } = batch;
        if is_late && let Some(first) = actions.first_mut() {
            quote(first, &room_id, &request);
        }
        counters.undelivered += self.kept.keep(actions, &request.key());
        if let Some(piece) = piece {
            piece.done();
        }
    }

    /// Gives up what is not delivered, and counts it; with a journal it is kept there.
    pub(super) async fn abort(&mut self, counters: &mut Counters) {
        self.tasks.shutdown().await;
        // What was on its way has gone into the journal by that, if there is one: what waited comes behind it.
        for waiting in self.rooms.clear_waiting() {
            match waiting {
                Waiting::Kept => {}
                Waiting::Answer(batch) => drop(self.open(batch)),
            }
        }
        for room_id in std::mem::take(&mut self.task_rooms).into_values() {
            self.rooms.free(&room_id);
            self.rooms.finish();
        }
        self.kept.adopt();
        self.kept.stop_trying();
        self.progress.take(counters);
    }

    fn open(&self, batch: Batch) -> Open {
        let Batch {
            actions,
            request,
            piece,
            ..
        } = batch;
        let items = actions
            .into_iter()
            .map(|routed| Item { routed, number: None })
            .collect();
        self.open_items(items, Some(request), piece)
    }

    fn open_items(&self, items: SmallVec<[Item; 1]>, request: Option<Request>, piece: Option<Piece>) -> Open {
        let ledger = self.kept.ledger();
        Open::new(items, request, piece, ledger, &self.dead_letters, &self.progress)
    }

    fn start(&mut self, counters: &mut Counters) {
        while let Some((room_id, waiting)) = self.rooms.start() {
            let open = match waiting {
                Waiting::Answer(batch) => self.begin(batch, counters),
                Waiting::Kept => self.begin_kept(&room_id, counters),
            };
            let Some(open) = open else {
                self.rooms.free(&room_id);
                self.rooms.finish();
                continue;
            };
            let task = self.tasks.spawn(deliver(self.sink.clone(), open));
            self.task_rooms.insert(task.id(), room_id);
        }
    }

    /// The next delivery to a room, if there is one.
    fn begin(&mut self, mut batch: Batch, counters: &mut Counters) -> Option<Open> {
        let room_id = batch.room_id.clone();
        if matches!(batch.request.event(), Event::Message(question) if self.deleted.contains(question.id())) {
            tracing::debug!(%room_id, "the question was deleted: its reply is dropped");
            counters.withdrawn += batch.actions.len() as u64;
            mark_all(&batch, ActionState::Withdrawn, &"the question was deleted");
            if let Some(piece) = batch.piece {
                piece.done();
            }
            return None;
        }
        if self.kept.holds(&room_id) {
            // It may be long until then.
            self.keep(batch, true, counters);
            return self.begin_kept(&room_id, counters);
        }
        let is_late = batch.is_late(Instant::now());
        if self.is_claimed(&batch) {
            // Nobody will say it again.
            self.keep(batch, is_late, counters);
            return self.begin_kept(&room_id, counters);
        }
        let is_quoted = is_late
            && batch
                .actions
                .first_mut()
                .is_some_and(|first| quote(first, &room_id, &batch.request));
        let mut open = self.open(batch);
        open.is_quoted = is_quoted;
        Some(open)
    }

    /// Whether a route that runs at most once has a part in it.
    fn is_claimed(&self, batch: &Batch) -> bool {
        let Some(ledger) = self.kept.ledger() else {
            return false;
        };
        let routes = batch.actions.iter().filter_map(|routed| routed.route.as_ref());
        let key = batch.request.key();
        routes
            .into_iter()
            .any(|route| ledger.has_claimed(&key, route.as_str()))
    }

    fn begin_kept(&mut self, room_id: &RoomId, counters: &mut Counters) -> Option<Open> {
        let taken = self.kept.take(room_id, &self.deleted, Instant::now());
        counters.withdrawn += taken.withdrawn;
        counters.undelivered += taken.given_up;
        (!taken.items.is_empty()).then(|| self.open_items(taken.items, None, None))
    }
}

/// A delivery that ended.
pub(super) struct DeliveryEnded(Result<(tokio::task::Id, Option<Box<Stuck>>), JoinError>);

#[cfg(all(test, feature = "client"))]
mod tests;
