//! Carries out what the pipeline answered: in order within a room, rooms side by side.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use smallvec::SmallVec;
use tokio::task::{JoinError, JoinSet};
use tokio::time::Instant;
use tower::util::BoxCloneSyncService;
use tower::{BoxError, ServiceExt};

use super::lanes::{LaneBounds, Lanes};
use super::settled::Piece;
use super::{Counters, Receipt};
use crate::error_chain::Chain;
use crate::event::{MessageId, RoomId, UserId};
use crate::response::Action;

/// The service that carries out resolved actions.
pub(crate) type Sink = BoxCloneSyncService<Action, Receipt, BoxError>;

/// Rooms that are delivered to at once.
const ROOMS_AT_ONCE: usize = 32;

/// Batches that wait; above this no further event is started until some are gone.
const WAITING: usize = 4096;

/// Deleted questions that are remembered.
const DELETED: usize = 1024;

/// A bot that gets this many replies in a room within [`LOOP_WINDOW`] seems to answer each of them.
const LOOP_REPLIES: usize = 10;
const LOOP_WINDOW: Duration = Duration::from_secs(10);

/// Pairs of a bot and a room that are watched for loops.
const LOOPS: usize = 1024;

/// Actions for one room, of one route or several, in order.
pub(super) struct Batch {
    pub(super) room_id: RoomId,
    pub(super) actions: SmallVec<[Action; 1]>,
    /// The message that is answered.
    pub(super) question: Option<MessageId>,
    pub(super) piece: Option<Piece>,
}

/// What is being delivered and what waits for it.
pub(super) struct Deliveries {
    sink: Sink,
    rooms: Lanes<RoomId, Batch>,
    tasks: JoinSet<(u64, u64)>,
    task_rooms: HashMap<tokio::task::Id, RoomId>,
    deleted: VecDeque<MessageId>,
    replies_to_bots: HashMap<(RoomId, UserId), VecDeque<Instant>>,
}

impl Deliveries {
    pub(super) fn new(sink: Sink) -> Self {
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
            deleted: VecDeque::new(),
            replies_to_bots: HashMap::new(),
        }
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
        self.deleted.push_back(message_id.clone());
    }

    /// Whether the bot may reply to another bot once more.
    pub(super) fn may_reply_to_bot(&mut self, room_id: &RoomId, author: &UserId, now: Instant) -> bool {
        let is_recent = |at: &Instant| now.duration_since(*at) < LOOP_WINDOW;
        if self.replies_to_bots.len() >= LOOPS {
            self.replies_to_bots
                .retain(|_, replies| replies.back().is_some_and(is_recent));
        }
        if self.replies_to_bots.len() >= LOOPS {
            return false;
        }
        let replies = self
            .replies_to_bots
            .entry((room_id.clone(), author.clone()))
            .or_default();
        while replies.front().is_some_and(|at| !is_recent(at)) {
            replies.pop_front();
        }
        if replies.len() >= LOOP_REPLIES {
            return false;
        }
        replies.push_back(now);
        true
    }

    pub(super) fn push(&mut self, batch: Batch, counters: &mut Counters) {
        // There is no bound to meet: what may wait is bounded by the events that are started.
        if self.rooms.push(batch.room_id.clone(), batch).is_ok() {
            self.start(counters);
        }
    }

    /// Waits for a delivery to end; for ever if none runs.
    pub(super) async fn next(&mut self) -> Result<(tokio::task::Id, (u64, u64)), JoinError> {
        match self.tasks.join_next_with_id().await {
            Some(ended) => ended,
            None => std::future::pending().await,
        }
    }

    pub(super) fn ended(
        &mut self,
        ended: Result<(tokio::task::Id, (u64, u64)), JoinError>,
        counters: &mut Counters,
    ) {
        let id = match ended {
            Ok((id, (delivered, undelivered))) => {
                counters.delivered += delivered;
                counters.undelivered += undelivered;
                id
            }
            Err(error) => {
                tracing::error!(%error, "a delivery ended without a result");
                counters.undelivered += 1;
                error.id()
            }
        };
        if let Some(room_id) = self.task_rooms.remove(&id) {
            self.rooms.free(&room_id);
        }
        self.rooms.finish();
        self.start(counters);
    }

    /// Gives up what is not delivered, and counts it.
    pub(super) fn abort(&mut self) -> u64 {
        let running = self.tasks.len();
        self.tasks.abort_all();
        (self.rooms.clear_waiting().len() + running) as u64
    }

    fn start(&mut self, counters: &mut Counters) {
        while let Some((room_id, batch)) = self.rooms.start() {
            if batch
                .question
                .as_ref()
                .is_some_and(|question| self.deleted.contains(question))
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
            let task = self.tasks.spawn(deliver(self.sink.clone(), batch));
            self.task_rooms.insert(task.id(), room_id);
        }
    }
}

/// One action after the other; what fails is logged and does not keep back what follows.
async fn deliver(sink: Sink, batch: Batch) -> (u64, u64) {
    let (mut delivered, mut undelivered) = (0, 0);
    for action in batch.actions {
        let name = action.name();
        match sink.clone().oneshot(action).await {
            Ok(_receipt) => delivered += 1,
            Err(error) => {
                undelivered += 1;
                tracing::error!(action = name, room_id = %batch.room_id, error = %Chain(&*error), "not delivered");
            }
        }
    }
    if let Some(piece) = batch.piece {
        piece.done();
    }
    (delivered, undelivered)
}
