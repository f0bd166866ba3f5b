//! What runs, what waits and what is delivered: everything the loop decides, without the waiting.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::future::{Future, poll_fn};
use std::num::NonZeroU64;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::Instant;
use tower::{BoxError, Layer, Service};

use super::dead_letter::DeadLetters;
use super::deliver::{Deliveries, DeliveryEnded, Sink};
use super::handle::BotHandle;
use super::lane_key::LaneKey;
use super::lanes::Lanes;
use super::serve::{OnReady, Overflow, Settings};
use super::settled::Piece;
use super::talking::{self, Talking};
use super::tasks::AbortOnDrop;
use super::vigil::Vigil;
use super::{Counters, ShutdownReport};
use crate::context::{Context, Shared};
use crate::conversation::waiters::Offer;
use crate::event::{Event, EventKind, RoomId};
use crate::handler::LaneUse;
use crate::health::Load;
use crate::inspect::{EventOutcome, trail_of};
use crate::layer::catch_panic::{CatchPanic, CatchPanicLayer};
use crate::layer::timeout::Elapsed;
use crate::request::{Deadline, Request};
use crate::response::{Action, Response, Send};
use crate::transport::{Ack, Delivery};

/// Events that wait past every bound; above it they wait like all others.
const MOST_URGENT: usize = 1024;

/// Rooms about which something was said in the log.
const MOST_ROOMS_IN_THE_LOG: usize = 1024;

type ServiceFuture<S> = <CatchPanic<S> as Service<Request>>::Future;

/// An event that waits for its turn.
pub(super) struct Pending {
    request: Request,
    ack: Ack,
}

/// A handler that ended, or one of its routes that ended later.
pub(super) struct Ended {
    pub(super) request: Request,
    pub(super) result: Result<Response, BoxError>,
    pub(super) piece: Option<Piece>,
    /// Of an event that has, or had, several handlers on their way: whoever drops the last one ends the event.
    pub(super) share: Option<Arc<()>>,
}

/// The parts that the loop waits for.
pub(super) struct Parts<'a, S> {
    pub(super) service: &'a mut CatchPanic<S>,
    pub(super) running: &'a mut JoinSet<Ended>,
    pub(super) deliveries: &'a mut Deliveries,
    pub(super) shared: &'a Shared,
}

/// Drives one service.
pub(super) struct Dispatcher<S: Service<Request>>
where
    S::Error: Into<BoxError>,
{
    /// First, so that it is dropped first: what is cut off says nothing more.
    _tasks: AbortOnDrop,
    service: CatchPanic<S>,
    /// A box for the future that is polled in place; only one that does not end at once takes it along into a task.
    slot: Option<Pin<Box<Option<ServiceFuture<S>>>>>,
    pub(super) shared: Arc<Shared>,
    settings: Settings,
    handle: BotHandle,
    on_ready: Option<OnReady>,
    pub(super) lanes: Lanes<LaneKey, Pending>,
    /// Events that wait for nothing but a service that is ready.
    urgent: VecDeque<Pending>,
    pub(super) running: JoinSet<Ended>,
    /// What each running task holds: its lane, until it is detached, and its place among the running.
    pub(super) tasks: HashMap<Id, Task>,
    /// When the tasks that hold a lane lose it, in order; the number tells those of the same instant apart.
    holds: BTreeMap<(Instant, u64), Id>,
    pub(super) deliveries: Deliveries,
    pub(super) counters: Counters,
    pub(super) done: u64,
    aborted: u64,
    not_started: u64,
    next_alone: u64,
    last_in_lane: u64,
    warned_of_shared_account: bool,
    /// Lanes whose people have read that the bot is busy, until one of their events starts.
    busy_rooms: HashSet<LaneKey>,
    rooms_in_the_log: HashSet<RoomId>,
    /// Actions that could not be carried out before the bot was stopped: they are not the stop's fault.
    undelivered_before_the_stop: u64,
    is_stopping: bool,
    vigil: Vigil,
}

pub(super) struct Task {
    pub(super) lane: Option<LaneKey>,
    /// Control routes are past every bound, so they do not count.
    pub(super) counts: bool,
    /// It would count, but it waits for people.
    pub(super) is_talking: bool,
    /// Its number, where it holds a lane.
    pub(super) in_lane: Option<NonZeroU64>,
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
        dead_letters: DeadLetters,
    ) -> Self {
        let deliveries = Deliveries::new(sink, dead_letters, shared.ledger.clone());
        Self {
            _tasks: AbortOnDrop(Arc::clone(&shared.tasks)),
            service: CatchPanicLayer::hidden().layer(service),
            slot: None,
            shared,
            lanes: Lanes::new(settings.bounds),
            settings,
            handle,
            on_ready,
            urgent: VecDeque::new(),
            running: JoinSet::new(),
            tasks: HashMap::new(),
            holds: BTreeMap::new(),
            deliveries,
            counters: Counters::default(),
            done: 0,
            aborted: 0,
            not_started: 0,
            next_alone: 0,
            last_in_lane: 0,
            warned_of_shared_account: false,
            busy_rooms: HashSet::new(),
            rooms_in_the_log: HashSet::new(),
            undelivered_before_the_stop: 0,
            is_stopping: false,
            vigil: Vigil::default(),
        }
    }

    pub(super) fn parts(&mut self) -> Parts<'_, S> {
        Parts {
            service: &mut self.service,
            running: &mut self.running,
            deliveries: &mut self.deliveries,
            shared: &self.shared,
        }
    }

    pub(super) fn handle(&self) -> &BotHandle {
        &self.handle
    }

    pub(super) fn publish(&self) {
        let counters = Counters {
            loops_broken: self.shared.loops.broken(),
            ..self.counters
        };
        let load = Load {
            lanes: self.lanes.in_use(),
            waiting: self.lanes.waiting() + self.urgent.len(),
            running: self.running.len(),
        };
        self.handle.publish(counters, load);
    }

    /// The loop turns, and what is kept is sent when its time has come.
    pub(super) fn beat(&mut self) {
        let waits = self.lanes.waiting() > 0 || !self.urgent.is_empty();
        self.vigil
            .beat(&self.handle, self.shared.ledger.as_deref(), waits);
        // No stop waits for attempts that nobody asked for.
        if !self.is_stopping {
            self.deliveries.resend(false, &mut self.counters);
        }
    }

    pub(super) fn report(&self) -> ShutdownReport {
        let (tasks_done, tasks_aborted) = self.shared.tasks.counts();
        ShutdownReport {
            done: self.done,
            aborted: self.aborted,
            not_started: self.not_started,
            undelivered: self.counters.undelivered,
            undelivered_at_the_stop: self.counters.undelivered - self.undelivered_before_the_stop,
            tasks_done,
            tasks_aborted,
        }
    }

    /// Whether nothing runs and nothing is to be delivered; and nothing waits, if it may still be started.
    pub(super) fn is_idle(&self, starts: bool) -> bool {
        let waits = self.lanes.waiting() > 0 || !self.urgent.is_empty();
        self.running.is_empty()
            && self.shared.tasks.is_empty()
            && self.deliveries.is_idle()
            && !(starts && waits)
    }

    pub(super) fn can_start(&self) -> bool {
        !self.urgent.is_empty() || (self.lanes.can_start() && !self.deliveries.is_full())
    }

    pub(super) fn hold_over_at(&self) -> Option<Instant> {
        self.holds.first_key_value().map(|((at, _), _)| *at)
    }

    /// Takes an event: it waits in its lane, or is ignored.
    pub(super) fn accept(&mut self, delivery: Delivery) {
        let (happened_at, is_too_old) = (delivery.happened_at(), delivery.is_too_old());
        #[cfg(feature = "webhook")]
        let exchange = delivery.exchange();
        let (event, arrival, ack) = delivery.into_parts();
        self.counters.received += 1;
        self.handle.vitals().received(arrival);
        self.shared.growing.heard(&event);
        self.shared.talks.heard(&event);
        match &event {
            Event::Deleted(deleted) => self.deliveries.note_deleted(deleted.message_id()),
            Event::Ready | Event::Reconnected(_) => self.deliveries.resend(true, &mut self.counters),
            Event::Encrypted(message) if self.is_first_of_its_kind(message.room().id()) => {
                tracing::info!(room_id = %message.room().id(), "the room is encrypted: a bot can not read it");
            }
            Event::Livechat(message) if self.is_first_of_its_kind(message.room().id()) => {
                tracing::info!(room_id = %message.room().id(), "a livechat room: no command or `on_message` hears it");
            }
            _ => {}
        }
        let context = Context::new(Arc::clone(&self.shared), arrival, Instant::now())
            .happened_at(happened_at)
            .too_old(is_too_old);
        #[cfg(feature = "webhook")]
        let context = context.answering(exchange);
        let mut request = Request::with_context(event, context);
        if let Some(inspector) = self.shared.inspector.as_ref().filter(|_| !request.is_from_self()) {
            inspector.begin(&mut request);
        }
        if request.is_from_bot() && !self.shared.hears_bots() {
            self.warn_of_shared_account(&request);
            self.counters.ignored += 1;
            if let Some(trail) = trail_of(&request) {
                trail.left_out(EventOutcome::Ignored);
            }
            ack.done();
            return;
        }
        if self.is_heard(&request) {
            self.done += 1;
            if let Some(trail) = trail_of(&request) {
                trail.left_out(EventOutcome::Heard);
            }
            ack.done();
            return;
        }
        let key = match self.shared.stack.lane_use(&request) {
            LaneUse::Control if self.urgent.len() < MOST_URGENT => {
                self.urgent.push_back(Pending { request, ack });
                return;
            }
            LaneUse::Concurrent => {
                self.next_alone += 1;
                LaneKey::Alone(self.next_alone)
            }
            LaneUse::InOrder | LaneUse::Control => LaneKey::of(request.event()),
        };
        self.wait(key, Pending { request, ack });
    }

    /// Whether somebody waits for just this, and nothing else is to hear it. Bots are heard by no conversation, and a
    /// command that never waits runs always, so that there is a way to stop.
    fn is_heard(&self, request: &Request) -> bool {
        let (conversations, stack) = (&self.shared.conversations, &self.shared.stack);
        if conversations.is_empty() || request.is_from_bot() || stack.is_control(request) {
            return false;
        }
        let offer = conversations.offer(request.event(), || stack.is_own_command(request));
        offer == Offer::Taken
    }

    /// Whether nothing was said in the log yet about a room that the bot can not serve.
    fn is_first_of_its_kind(&mut self, room_id: &RoomId) -> bool {
        self.rooms_in_the_log.len() < MOST_ROOMS_IN_THE_LOG
            && self.rooms_in_the_log.insert(RoomId::from(room_id.as_str()))
    }

    fn wait(&mut self, key: LaneKey, pending: Pending) {
        let Err(pending) = self.lanes.push(key.clone(), pending) else {
            return;
        };
        self.counters.overflowed += 1;
        if let Some(trail) = trail_of(&pending.request) {
            trail.left_out(EventOutcome::Dropped);
        }
        // At each power of two: a flood must not flood the log too.
        if self.counters.overflowed.is_power_of_two() {
            let (dropped, policy) = (self.counters.overflowed, self.settings.overflow);
            tracing::warn!(lane = ?key, ?policy, dropped, "too many events wait");
        }
        match self.settings.overflow {
            Overflow::Park | Overflow::DropNewest => pending.ack.dropped(),
            Overflow::DropOldest => {
                // Where all lanes together are full, this one may have nothing to drop.
                let unplaced = match self.lanes.drop_oldest(&key) {
                    Some(oldest) => {
                        oldest.ack.dropped();
                        self.lanes.push(key, pending).err()
                    }
                    None => Some(pending),
                };
                if let Some(pending) = unplaced {
                    pending.ack.dropped();
                }
            }
            Overflow::Busy => {
                let may_say = self.busy_rooms.insert(key) && !self.deliveries.is_full();
                if may_say && self.shared.stack.is_own_command(&pending.request) {
                    let mut response = Response::empty();
                    response.push(Action::from(Send::text(
                        "I'm busy right now, please try again in a moment.",
                    )));
                    self.answer(&pending.request, response, None);
                }
                pending.ack.dropped();
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
        self.vigil.moves();
        let Pending { mut request, ack } = pending;
        let in_lane = lane.as_ref().and_then(|_| self.number_in_lane());
        if let Some(number) = in_lane {
            request.set_in_lane(number);
        }
        if let Some(trail) = trail_of(&request) {
            trail.started();
        }
        let hold = self.hold_of(lane.as_ref());
        // A little shorter, so that a router hands over what has not finished before its lane goes on without it.
        request.set_hold(hold - hold / 20);
        if let Some(lane) = &lane {
            self.busy_rooms.remove(lane);
        }
        if let Some(after) = self.settings.route_timeout
            && let Some(at) = Instant::now().checked_add(after)
        {
            request.set_deadline(Deadline { at, after });
        }
        let is_ready_event = request.kind() == EventKind::Ready;
        let mut slot = self.slot.take().unwrap_or_else(|| Box::pin(None));
        slot.set(Some(self.service.call(request.clone())));
        // A router gives up its routes by itself; what is no router is given up as a whole.
        let limit = request.deadline().filter(|_| !self.shared.stack.has_router());
        let mut talking = Talking::new(&self.shared, limit);
        let polled = poll_fn(|cx| {
            let clock = &mut talking.timer.clock;
            Poll::Ready(clock.watch(|| poll_slot(slot.as_mut(), cx)))
        })
        .await;
        let is_talking = talking.is_waiting();
        if is_ready_event && let Some(on_ready) = self.on_ready.take() {
            on_ready(&self.shared.stack);
        }
        if is_ready_event {
            self.shared.schedules.start();
        }
        let piece = ack.is_awaited().then(|| Piece::of(ack));
        if is_talking {
            talking::settle(piece.as_ref());
        }
        match polled {
            Poll::Ready(result) => {
                slot.set(None);
                self.slot = Some(slot);
                let is_whole = self.handler_answered(Ended {
                    request,
                    result,
                    piece,
                    share: None,
                });
                if let Some(lane) = lane {
                    self.leave(&lane, is_whole || is_talking);
                }
                if counts {
                    self.lanes.finish();
                }
            }
            Poll::Pending => {
                let task = self.running.spawn(async move {
                    let result = poll_fn(|cx| {
                        let polled = talking.poll(piece.as_ref(), || poll_slot(slot.as_mut(), cx));
                        if polled.is_ready() {
                            return polled;
                        }
                        let over = talking.timer.poll(cx);
                        over.map(|after| Err(Elapsed::new(after).into()))
                    })
                    .await;
                    talking.ended(request, result, piece, None)
                });
                let id = task.id();
                // Whoever waits for people leaves both its lane and its place.
                let lane = match lane {
                    Some(lane) if is_talking => {
                        self.lanes.free(&lane);
                        None
                    }
                    lane => lane,
                };
                if is_talking && counts {
                    self.lanes.finish();
                }
                if lane.is_some()
                    && let Some(at) = Instant::now().checked_add(hold)
                {
                    self.holds.insert((at, self.next_alone), id);
                    self.next_alone += 1;
                }
                self.tasks.insert(
                    id,
                    Task {
                        lane,
                        counts: counts && !is_talking,
                        is_talking: counts && is_talking,
                        in_lane,
                    },
                );
            }
        }
    }

    /// How long the lane waits for the handler that is started: half as long for each one before it that had to be left
    /// behind, so that a room where every handler hangs is not slower than twice the hold time.
    fn hold_of(&self, lane: Option<&LaneKey>) -> Duration {
        let detached = lane.map_or(0, |lane| self.lanes.detached_in_a_row(lane));
        self.settings.hold / (1 << detached.min(10))
    }

    /// Lets a lane go on: behind a handler that has ended, or that left routes which still run.
    fn leave(&mut self, lane: &LaneKey, is_whole: bool) {
        if is_whole {
            self.lanes.free(lane);
        } else {
            self.lanes.detach(lane);
        }
    }

    /// The bot begins to stop.
    pub(super) fn stopping(&mut self) {
        self.undelivered_before_the_stop = self.counters.undelivered;
        self.is_stopping = true;
        self.shared.tasks.stop();
        self.shared.conversations.shut_down();
        self.shared
            .growing
            .shut_down(Instant::now() + self.settings.shutdown_timeout / 5 * 2);
    }

    pub(super) fn handler_ended(&mut self, ended: Result<(Id, Ended), JoinError>) {
        self.vigil.moves();
        // It may have left its lane just before.
        self.lanes_left();
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
        let is_whole = ended.is_none_or(|ended| self.handler_answered(ended));
        let Some(task) = self.tasks.remove(&id) else {
            return;
        };
        if let Some(lane) = task.lane {
            self.holds.retain(|_, held| *held != id);
            self.leave(&lane, is_whole);
        }
        if task.counts {
            self.lanes.finish();
        }
    }

    pub(super) fn delivery_ended(&mut self, ended: DeliveryEnded) {
        self.vigil.moves();
        self.deliveries.ended(ended, &mut self.counters);
    }

    /// Lets the lanes go on whose handler took longer than the hold time.
    pub(super) fn detach_held(&mut self) {
        let now = Instant::now();
        while let Some(held) = self.holds.first_entry().filter(|held| held.key().0 <= now) {
            let id = held.remove();
            if let Some(lane) = self.tasks.get_mut(&id).and_then(|task| task.lane.take()) {
                self.counters.detached += 1;
                tracing::debug!(?lane, "a slow handler goes on by itself");
                self.lanes.detach(&lane);
            }
        }
    }

    /// A number for a handler that holds a lane.
    fn number_in_lane(&mut self) -> Option<NonZeroU64> {
        self.last_in_lane += 1;
        NonZeroU64::new(self.last_in_lane)
    }

    /// Lets the lanes go on whose handlers have said that nobody has to wait for them.
    pub(super) fn lanes_left(&mut self) {
        for (id, is_waiting) in self.shared.lane_exits.take_waits() {
            self.talks(id, is_waiting);
        }
        for number in self.shared.lane_exits.take() {
            let number = NonZeroU64::new(number);
            let found = self
                .tasks
                .iter_mut()
                .find(|(_, task)| task.in_lane == number && task.lane.is_some());
            if let Some((id, task)) = found {
                let (id, lane) = (*id, task.lane.take());
                self.holds.retain(|_, held| *held != id);
                if let Some(lane) = lane {
                    self.lanes.free(&lane);
                }
            }
        }
    }

    /// A handler waits for people, or goes on: then it takes its place among those that run again, also past the bound.
    fn talks(&mut self, id: Id, is_waiting: bool) {
        let Some(task) = self.tasks.get_mut(&id) else {
            return;
        };
        if !is_waiting {
            if std::mem::take(&mut task.is_talking) {
                task.counts = true;
                self.lanes.occupy();
            }
            return;
        }
        if std::mem::take(&mut task.counts) {
            task.is_talking = true;
            self.lanes.finish();
        }
        if let Some(lane) = task.lane.take() {
            self.holds.retain(|_, held| *held != id);
            self.lanes.free(&lane);
        }
    }

    /// Ends what runs and forgets what waits, and counts both.
    pub(super) fn abort_handlers(&mut self) {
        self.shared.tasks.abort();
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
