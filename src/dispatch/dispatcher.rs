//! What runs, what waits and what is delivered: everything the loop decides, without the waiting.

use std::collections::{HashMap, VecDeque};
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;

use smallvec::SmallVec;
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::Instant;
use tower::{BoxError, Layer, Service};

use super::deliver::{Batch, Deliveries, Sink};
use super::handle::BotHandle;
use super::lane_key::LaneKey;
use super::lanes::Lanes;
use super::resolve::Resolver;
use super::serve::{OnReady, Overflow, Settings};
use super::settled::Piece;
use super::{Counters, ShutdownReport};
use crate::context::{Context, Shared};
use crate::error_chain::Chain;
use crate::event::{Event, EventKind};
use crate::handler::LaneUse;
use crate::layer::catch_panic::{CatchPanic, CatchPanicLayer};
use crate::layer::handle_error::{answer_error, answer_failures};
use crate::request::{Deadline, Request};
use crate::response::{Action, Response, Send};
use crate::transport::{Ack, Delivery};

type ServiceFuture<S> = <CatchPanic<S> as Service<Request>>::Future;

/// An event that waits for its turn.
struct Pending {
    request: Request,
    ack: Ack,
}

/// A handler that ended, or one of its routes that ended later.
pub(super) struct Ended {
    request: Request,
    result: Result<Response, BoxError>,
    piece: Option<Piece>,
    /// Of an event that has, or had, several handlers on their way: whoever drops the last one ends the event.
    share: Option<Arc<()>>,
}

/// The parts that the loop waits for.
pub(super) struct Parts<'a, S> {
    pub(super) service: &'a mut CatchPanic<S>,
    pub(super) running: &'a mut JoinSet<Ended>,
    pub(super) deliveries: &'a mut Deliveries,
}

/// Drives one service.
pub(super) struct Dispatcher<S: Service<Request>>
where
    S::Error: Into<BoxError>,
{
    service: CatchPanic<S>,
    /// A box for the future that is polled in place; only one that does not end at once takes it along into a task.
    slot: Option<Pin<Box<Option<ServiceFuture<S>>>>>,
    shared: Arc<Shared>,
    settings: Settings,
    handle: BotHandle,
    on_ready: Option<OnReady>,
    lanes: Lanes<LaneKey, Pending>,
    /// Events that wait for nothing but a service that is ready.
    urgent: VecDeque<Pending>,
    running: JoinSet<Ended>,
    /// What each running task holds: its lane, until it is detached, and its place among the running.
    tasks: HashMap<Id, Task>,
    /// When the tasks that hold a lane lose it, in order.
    holds: VecDeque<(Instant, Id)>,
    deliveries: Deliveries,
    counters: Counters,
    done: u64,
    aborted: u64,
    not_started: u64,
    next_alone: u64,
    warned_of_shared_account: bool,
}

struct Task {
    lane: Option<LaneKey>,
    /// Control routes are past every bound, so they do not count.
    counts: bool,
}

impl<S> Dispatcher<S>
where
    S: Service<Request, Response = Response> + std::marker::Send + 'static,
    S::Error: Into<BoxError>,
    S::Future: std::marker::Send + 'static,
{
    pub(super) fn new(
        service: S,
        sink: Sink,
        shared: Arc<Shared>,
        settings: Settings,
        handle: BotHandle,
        on_ready: Option<OnReady>,
    ) -> Self {
        Self {
            service: CatchPanicLayer::new().layer(service),
            slot: None,
            shared,
            lanes: Lanes::new(settings.bounds),
            settings,
            handle,
            on_ready,
            urgent: VecDeque::new(),
            running: JoinSet::new(),
            tasks: HashMap::new(),
            holds: VecDeque::new(),
            deliveries: Deliveries::new(sink),
            counters: Counters::default(),
            done: 0,
            aborted: 0,
            not_started: 0,
            next_alone: 0,
            warned_of_shared_account: false,
        }
    }

    pub(super) fn parts(&mut self) -> Parts<'_, S> {
        Parts {
            service: &mut self.service,
            running: &mut self.running,
            deliveries: &mut self.deliveries,
        }
    }

    pub(super) fn handle(&self) -> &BotHandle {
        &self.handle
    }

    pub(super) fn publish_counters(&self) {
        self.handle.set_counters(self.counters);
    }

    pub(super) fn report(&self) -> ShutdownReport {
        ShutdownReport {
            done: self.done,
            aborted: self.aborted,
            not_started: self.not_started,
            undelivered: self.counters.undelivered,
        }
    }

    /// Whether nothing runs and nothing is to be delivered; and nothing waits, if it may still be started.
    pub(super) fn is_idle(&self, starts: bool) -> bool {
        let waits = self.lanes.waiting() > 0 || !self.urgent.is_empty();
        self.running.is_empty() && self.deliveries.is_idle() && !(starts && waits)
    }

    pub(super) fn can_start(&self) -> bool {
        !self.urgent.is_empty() || (self.lanes.can_start() && !self.deliveries.is_full())
    }

    pub(super) fn hold_over_at(&self) -> Option<Instant> {
        self.holds.front().map(|(at, _)| *at)
    }

    /// Takes an event: it waits in its lane, or is ignored.
    pub(super) fn accept(&mut self, delivery: Delivery) {
        let happened_at = delivery.happened_at();
        let (event, arrival, ack) = delivery.into_parts();
        self.counters.received += 1;
        match &event {
            Event::Deleted(deleted) => self.deliveries.note_deleted(deleted.message_id()),
            Event::Encrypted(message) => {
                tracing::info!(room_id = %message.room().id(), "an encrypted message, which a bot can not read");
            }
            Event::Livechat(message) => {
                tracing::info!(room_id = %message.room().id(), "a livechat message, which no command or `on_message` hears");
            }
            _ => {}
        }
        let context =
            Context::new(Arc::clone(&self.shared), arrival, Instant::now()).happened_at(happened_at);
        let request = Request::with_context(event, context);
        if request.is_from_bot() && !self.shared.hears_bots() {
            self.warn_of_shared_account(&request);
            self.counters.ignored += 1;
            ack.done();
            return;
        }
        let key = match self.shared.stack.lane_use(&request) {
            LaneUse::Control => {
                self.urgent.push_back(Pending { request, ack });
                return;
            }
            LaneUse::Concurrent => {
                self.next_alone += 1;
                LaneKey::Alone(self.next_alone)
            }
            LaneUse::InOrder => LaneKey::of(request.event()),
        };
        self.wait(key, Pending { request, ack });
    }

    fn wait(&mut self, key: LaneKey, pending: Pending) {
        let Err(pending) = self.lanes.push(key.clone(), pending) else {
            return;
        };
        self.counters.overflowed += 1;
        tracing::warn!(lane = ?key, policy = ?self.settings.overflow, "too many events wait: one is dropped");
        match self.settings.overflow {
            Overflow::DropNewest => drop(pending),
            Overflow::DropOldest => {
                // Where all lanes together are full, this one may have nothing to drop.
                if self.lanes.drop_oldest(&key).is_some() {
                    drop(self.lanes.push(key, pending));
                }
            }
            Overflow::Busy => {
                if self.shared.stack.is_own_command(&pending.request) {
                    let mut response = Response::empty();
                    response.push(Action::from(Send::text(
                        "I'm busy right now, please try again in a moment.",
                    )));
                    self.answer(&pending.request, response, None);
                }
            }
        }
    }

    /// The service is ready: calls it with what is next, and polls the answer once in place.
    pub(super) async fn start_next(&mut self) {
        let (lane, counts, pending) = match self.urgent.pop_front() {
            Some(pending) => (None, false, pending),
            None => match self.lanes.start() {
                Some((lane, pending)) => (Some(lane), true, pending),
                None => return,
            },
        };
        let Pending { mut request, ack } = pending;
        if let Some(after) = self.settings.route_timeout
            && let Some(at) = Instant::now().checked_add(after)
        {
            request.set_deadline(Deadline { at, after });
        }
        let is_ready_event = request.kind() == EventKind::Ready;
        let mut slot = self.slot.take().unwrap_or_else(|| Box::pin(None));
        slot.set(Some(self.service.call(request.clone())));
        let polled = poll_fn(|cx| Poll::Ready(poll_slot(slot.as_mut(), cx))).await;
        if is_ready_event && let Some(on_ready) = self.on_ready.take() {
            on_ready(&self.shared.stack);
        }
        let piece = ack.is_awaited().then(|| Piece::of(ack));
        match polled {
            Poll::Ready(result) => {
                slot.set(None);
                self.slot = Some(slot);
                self.handler_answered(Ended {
                    request,
                    result,
                    piece,
                    share: None,
                });
                if let Some(lane) = lane {
                    self.lanes.free(&lane);
                }
                if counts {
                    self.lanes.finish();
                }
            }
            Poll::Pending => {
                let task = self.running.spawn(async move {
                    let result = poll_fn(|cx| poll_slot(slot.as_mut(), cx)).await;
                    Ended {
                        request,
                        result,
                        piece,
                        share: None,
                    }
                });
                let id = task.id();
                if let Some(at) = lane
                    .as_ref()
                    .and_then(|_| Instant::now().checked_add(self.settings.hold))
                {
                    self.holds.push_back((at, id));
                }
                self.tasks.insert(id, Task { lane, counts });
            }
        }
    }

    pub(super) fn handler_ended(&mut self, ended: Result<(Id, Ended), JoinError>) {
        let (id, ended) = match ended {
            Ok((id, ended)) => (id, Some(ended)),
            // The service's panics are caught; what is left is one in a destructor, or a task that was aborted.
            Err(error) => {
                if error.is_panic() {
                    tracing::error!(%error, "a handler's task ended without a result");
                }
                (error.id(), None)
            }
        };
        if let Some(ended) = ended {
            self.handler_answered(ended);
        }
        let Some(task) = self.tasks.remove(&id) else {
            return;
        };
        if let Some(lane) = task.lane {
            self.holds.retain(|(_, held)| *held != id);
            self.lanes.free(&lane);
        }
        if task.counts {
            self.lanes.finish();
        }
    }

    pub(super) fn delivery_ended(&mut self, ended: Result<(Id, ()), JoinError>) {
        self.deliveries.ended(ended, &mut self.counters);
    }

    /// Lets the lanes go on whose handler took longer than the hold time.
    pub(super) fn detach_held(&mut self) {
        let now = Instant::now();
        while let Some((_, id)) = self.holds.front().copied().filter(|(at, _)| *at <= now) {
            self.holds.pop_front();
            if let Some(lane) = self.tasks.get_mut(&id).and_then(|task| task.lane.take()) {
                self.counters.detached += 1;
                tracing::debug!(?lane, "a slow handler goes on by itself");
                self.lanes.free(&lane);
            }
        }
    }

    /// Ends what runs and forgets what waits, and counts both.
    pub(super) fn abort_handlers(&mut self) {
        self.aborted += self.running.len() as u64;
        self.running.abort_all();
        self.running.detach_all();
        for (_, task) in self.tasks.drain() {
            if let Some(lane) = task.lane {
                self.lanes.free(&lane);
            }
            if task.counts {
                self.lanes.finish();
            }
        }
        self.holds.clear();
        self.not_started +=
            (self.lanes.clear_waiting().len() + std::mem::take(&mut self.urgent).len()) as u64;
    }

    pub(super) async fn abort_deliveries(&mut self) {
        self.deliveries.abort(&mut self.counters).await;
    }

    fn handler_answered(&mut self, ended: Ended) {
        let Ended {
            request,
            result,
            piece,
            share,
        } = ended;
        let mut response = match result {
            Ok(response) => response,
            Err(error) => answer_error(error, &request),
        };
        answer_failures(&mut response, &request);
        let share = share.or_else(|| (response.running() > 0).then(Arc::default));
        for route in response.take_running() {
            // A route that goes on behind the response still takes its place among the running.
            self.lanes.occupy();
            let (request, piece) = (request.clone(), piece.as_ref().map(Piece::another));
            let share = share.clone();
            let task = self.running.spawn(async move {
                let response = route.future.await;
                Ended {
                    request,
                    result: Ok(response),
                    piece,
                    share,
                }
            });
            self.tasks.insert(
                task.id(),
                Task {
                    lane: None,
                    counts: true,
                },
            );
        }
        self.answer(&request, response, piece);
        if share.is_none_or(|share| Arc::into_inner(share).is_some()) {
            self.done += 1;
        }
    }

    /// Has the actions of a response carried out.
    fn answer(&mut self, request: &Request, mut response: Response, piece: Option<Piece>) {
        let actions = response.take_actions();
        let now = Instant::now();
        if !actions.is_empty() && self.may_reply(request, now) {
            let delay = request.context().lateness(now);
            let resolver = Resolver::of_returned(request).late_by(delay, request);
            let mut positions = HashMap::<Option<&str>, u32>::new();
            let mut batches: SmallVec<[Batch; 1]> = SmallVec::new();
            for routed in &actions {
                let position = positions
                    .entry(routed.route.as_ref().map(|route| route.as_str()))
                    .or_default();
                match resolver.resolve(routed.action.clone(), routed.route.as_ref(), *position) {
                    Ok(resolved) => self.collect(resolved, request, piece.as_ref(), &mut batches),
                    Err(error) => {
                        self.counters.undelivered += 1;
                        tracing::error!(error = %Chain(&error), "not delivered");
                    }
                }
                *position += 1;
            }
            for batch in batches {
                self.deliveries.push(batch, &mut self.counters);
            }
        }
        if let Some(piece) = piece {
            piece.done();
        }
    }

    /// Puts actions with those for the same room.
    #[expect(clippy::unused_self, reason = "it belongs to `answer`, which is long enough")]
    fn collect(
        &self,
        resolved: Vec<Action>,
        request: &Request,
        piece: Option<&Piece>,
        batches: &mut SmallVec<[Batch; 1]>,
    ) {
        for action in resolved {
            // The resolver gives every action its room.
            let Some(room_id) = action.room_id().cloned() else {
                continue;
            };
            let index = batches
                .iter()
                .position(|batch| batch.room_id == room_id)
                .unwrap_or_else(|| {
                    batches.push(Batch {
                        room_id,
                        actions: SmallVec::new(),
                        question: match request.event() {
                            Event::Message(message) => Some(message.id().clone()),
                            _ => None,
                        },
                        piece: piece.map(Piece::another),
                    });
                    batches.len() - 1
                });
            batches[index].actions.push(action);
        }
    }

    /// Two bots that answer each other would do so for ever.
    fn may_reply(&mut self, request: &Request, now: Instant) -> bool {
        let (Some(author), Some(room_id)) = (request.author(), request.event().room_id()) else {
            return true;
        };
        if !request.is_from_bot() || self.deliveries.may_reply_to_bot(room_id, author.id(), now) {
            return true;
        }
        self.counters.loops_broken += 1;
        tracing::warn!(%room_id, author = author.username(), "two bots seem to answer each other: a reply is dropped");
        false
    }

    /// A person who writes from the bot's own account gets no answer, and should know why.
    fn warn_of_shared_account(&mut self, request: &Request) {
        let is_typed_by_a_person = request.is_from_self()
            && matches!(request.event(), Event::Message(message)
                if !message.is_bot() && self.shared.stack.is_command(message.text()));
        if is_typed_by_a_person && !std::mem::replace(&mut self.warned_of_shared_account, true) {
            tracing::warn!(
                "a command came from the bot's own account and is ignored: use a separate account for the bot"
            );
        }
    }
}

/// The slot is filled before it is polled, and emptied only after it was ready.
fn poll_slot<F: Future>(slot: Pin<&mut Option<F>>, cx: &mut std::task::Context<'_>) -> Poll<F::Output> {
    match slot.as_pin_mut() {
        Some(future) => future.poll(cx),
        None => Poll::Pending,
    }
}
