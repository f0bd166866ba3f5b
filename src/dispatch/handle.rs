//! The handle of a running bot.

use std::fmt;
use std::sync::{Arc, OnceLock};

use tokio::sync::{mpsc, watch};
#[cfg(feature = "client")]
use tokio::time::Instant;
use tower::BoxError;

#[cfg(feature = "client")]
use super::DeadLetters;
use super::{Counters, Receipt};
use crate::context::Shared;
use crate::event::{CustomEvent, RoomId};
use crate::handler::Handler;
use crate::health::{Health, Load, Vitals};
#[cfg(any(feature = "client", feature = "test-util"))]
use crate::request::Request;
use crate::response::{Action, Send};
use crate::router::runtime_listeners::RuntimeListeners;
use crate::router::{EventSelector, ListenerHandle};
use crate::schedule::{Schedules, Wakes};
use crate::transport::ConnectionState;
#[cfg(feature = "client")]
use crate::{
    context::Context,
    event::Event,
    handler::LaneUse,
    transport::{Arrival, PipelineHints},
};

/// Fired events that wait for the pipeline.
const FIRED_QUEUE: usize = 1024;

/// A handle to a bot: to send, to fire events, to stop it. Cheap to clone; it does not keep the bot running.
#[derive(Clone)]
pub struct BotHandle {
    inner: Arc<Inner>,
}

struct Inner {
    fired: mpsc::Sender<CustomEvent>,
    stop: watch::Sender<Stop>,
    state: watch::Sender<ConnectionState>,
    counters: watch::Sender<Counters>,
    vitals: Arc<Vitals>,
    listeners: Arc<RuntimeListeners>,
    schedules: Schedules,
    shared: OnceLock<Arc<Shared>>,
    /// Who is told of what the transport gives up.
    #[cfg(feature = "client")]
    dead_letters: OnceLock<DeadLetters>,
}

/// How far stopping has got.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stop {
    #[default]
    No,
    Gracefully,
    AtOnce,
}

/// The bot has ended, or has not begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the bot is not running")]
pub struct NotRunning;

impl BotHandle {
    pub(crate) fn new() -> (Self, Fired) {
        let (fired, receiver) = mpsc::channel(FIRED_QUEUE);
        let (schedules, wakes) = Schedules::new();
        let inner = Inner {
            fired,
            stop: watch::Sender::default(),
            state: watch::Sender::new(ConnectionState::Off),
            counters: watch::Sender::default(),
            vitals: Arc::default(),
            listeners: Arc::default(),
            schedules,
            shared: OnceLock::new(),
            #[cfg(feature = "client")]
            dead_letters: OnceLock::new(),
        };
        let handle = Self {
            inner: Arc::new(inner),
        };
        let fired = Fired {
            receiver,
            wakes,
            handle: handle.clone(),
        };
        (handle, fired)
    }

    /// Posts a text to a room, by the room's id. `@all` and `@here` in it notify nobody, and what is longer than a
    /// message may be becomes several.
    ///
    /// # Errors
    ///
    /// The bot has not begun, or has ended, or the server refused the message or could not be reached for too long.
    pub async fn send_message(
        &self,
        room_id: impl Into<RoomId>,
        text: impl Into<String>,
    ) -> Result<Receipt, BoxError> {
        self.perform(Send::text(text).to(room_id)).await
    }

    /// Carries out an action that names its room. The receipt is that of the last message it became.
    ///
    /// # Errors
    ///
    /// As [`send_message`](Self::send_message), and for an action that names no room.
    pub async fn perform(&self, action: impl Into<Action>) -> Result<Receipt, BoxError> {
        if self.state() == ConnectionState::Closed {
            return Err(NotRunning.into());
        }
        let shared = self.inner.shared.get().ok_or(NotRunning)?;
        let perform = shared.perform.clone().ok_or(NotRunning)?;
        let mut receipt = Receipt::default();
        for action in super::resolve::Resolver::of_program(shared).resolve(action.into(), None, 0)? {
            receipt = perform.perform(action).await?;
        }
        Ok(receipt)
    }

    /// Fires an event of one's own: the listeners of that name hear it, with the payload.
    ///
    /// ```
    /// # async fn example(bot: rocketbotte::dispatch::BotHandle) -> Result<(), rocketbotte::BoxError> {
    /// use rocketbotte::event::CustomEvent;
    ///
    /// bot.fire(CustomEvent::new("deployed", "v1.2".to_owned()).in_room("GENERAL")).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// The bot has ended.
    pub async fn fire(&self, event: CustomEvent) -> Result<(), NotRunning> {
        self.inner.fired.send(event).await.map_err(|_| NotRunning)
    }

    /// Adds a listener, from the next event on. It runs after the listeners of the router; a pipeline without a router
    /// runs none.
    ///
    /// ```
    /// # fn example(bot: rocketbotte::dispatch::BotHandle) {
    /// use rocketbotte::event::EventKind;
    ///
    /// async fn once() -> &'static str { "I heard you" }
    ///
    /// let listener = bot.add_listener(EventKind::Message, once);
    /// assert!(listener.remove());
    /// # }
    /// ```
    pub fn add_listener<H, T>(&self, event: impl Into<EventSelector>, handler: H) -> ListenerHandle
    where
        H: Handler<T, ()>,
        T: 'static,
    {
        self.inner.listeners.add(event.into(), handler)
    }

    /// The jobs of the bot: to plan single runs, and to add and remove jobs.
    pub fn schedules(&self) -> Schedules {
        self.inner.schedules.clone()
    }

    /// The state of the connection.
    pub fn state(&self) -> ConnectionState {
        *self.inner.state.borrow()
    }

    /// The state of the connection, to watch it change.
    pub fn watch_state(&self) -> watch::Receiver<ConnectionState> {
        self.inner.state.subscribe()
    }

    /// Waits until the bot has ended, by itself or by [`shutdown`](Self::shutdown).
    pub async fn ended(&self) {
        let mut state = self.watch_state();
        // The sender lives in this handle.
        let _ = state.wait_for(|state| *state == ConnectionState::Closed).await;
    }

    /// What was counted since the bot began.
    pub fn counters(&self) -> Counters {
        *self.inner.counters.borrow()
    }

    /// How the bot is doing, at this moment: for probes, and for people.
    pub fn health(&self) -> Health {
        let mut health = self.inner.vitals.health(self.state(), self.counters());
        #[cfg(feature = "client")]
        if let Some(client) = self.inner.shared.get().and_then(|shared| shared.client.as_ref()) {
            health.waiting_for_limits = client.limiter().waiting();
        }
        if let Some(ledger) = self.inner.shared.get().and_then(|shared| shared.ledger.as_ref()) {
            health.journal = ledger.journal_state();
            health.kept_actions = ledger.undelivered();
        }
        health
    }

    /// Why the routes of the pipeline run for an event, or do not; empty where there is no router, or it has seen no
    /// event yet.
    #[cfg(feature = "test-util")]
    pub(crate) fn explain_event(&self, event: &crate::event::Event) -> String {
        let Some(shared) = self.inner.shared.get() else {
            return String::new();
        };
        let (arrival, now) = (crate::transport::Arrival::Live, tokio::time::Instant::now());
        let context = crate::context::Context::new(Arc::clone(shared), arrival, now);
        shared.explain(&Request::with_context(event.clone(), context))
    }

    /// The same for a request.
    #[cfg(feature = "test-util")]
    pub(crate) fn explain(&self, request: &Request) -> String {
        let shared = self.inner.shared.get();
        shared.map_or_else(String::new, |shared| shared.explain(request))
    }

    /// Stops the bot: nothing new is taken, what runs may end, replies go out. Called again, it ends at once.
    pub fn shutdown(&self) {
        self.inner.stop.send_modify(|stop| {
            *stop = if *stop == Stop::No {
                Stop::Gracefully
            } else {
                Stop::AtOnce
            };
        });
    }

    pub(crate) fn watch_stop(&self) -> watch::Receiver<Stop> {
        let mut stop = self.inner.stop.subscribe();
        // It may have been stopped before it began.
        stop.mark_changed();
        stop
    }

    pub(crate) fn listeners(&self) -> &Arc<RuntimeListeners> {
        &self.inner.listeners
    }

    pub(crate) fn set_shared(&self, shared: Arc<Shared>) {
        // A bot is served once.
        let _ = self.inner.shared.set(shared);
    }

    #[cfg(feature = "client")]
    pub(crate) fn set_dead_letters(&self, dead_letters: DeadLetters) {
        // A bot is served once.
        let _ = self.inner.dead_letters.set(dead_letters);
    }

    pub(crate) fn set_state(&self, state: ConnectionState) {
        let is_new = self
            .inner
            .state
            .send_if_modified(|current| std::mem::replace(current, state) != state);
        if is_new {
            self.inner.vitals.state(state);
        }
    }

    /// What was counted, and what there is to do at this moment.
    pub(crate) fn publish(&self, counters: Counters, load: Load) {
        let before = self.inner.counters.send_replace(counters);
        self.inner.vitals.meter.counted(&before, &counters);
        self.inner.vitals.load(load);
    }

    pub(crate) fn vitals(&self) -> &Arc<Vitals> {
        &self.inner.vitals
    }
}

/// What the program tells its bot.
pub(super) enum Told {
    Fired(CustomEvent),
    /// Something was planned, or a run of a job has ended.
    Planned,
}

/// What was fired through a handle, for the bot that it is a handle of: the bot has ended when this is gone, however
/// it ended.
pub(crate) struct Fired {
    receiver: mpsc::Receiver<CustomEvent>,
    wakes: Wakes,
    handle: BotHandle,
}

impl Fired {
    pub(super) async fn next(&mut self) -> Option<Told> {
        tokio::select! {
            biased;
            Some(()) = self.wakes.next() => Some(Told::Planned),
            event = self.receiver.recv() => event.map(Told::Fired),
        }
    }

    /// Takes no more, and gives what was fired before.
    pub(super) fn close(&mut self) -> Vec<CustomEvent> {
        self.receiver.close();
        std::iter::from_fn(|| self.receiver.try_recv().ok()).collect()
    }
}

impl Drop for Fired {
    fn drop(&mut self) {
        self.handle.set_state(ConnectionState::Closed);
        self.handle.inner.vitals.end();
        self.handle.inner.schedules.end();
    }
}

#[cfg(feature = "client")]
impl PipelineHints for BotHandle {
    fn has_urgent_routes(&self) -> bool {
        let shared = self.inner.shared.get();
        shared.is_some_and(|shared| shared.stack.skips_lanes())
    }

    fn is_urgent(&self, event: &Event) -> bool {
        let Some(shared) = self.inner.shared.get() else {
            return false;
        };
        let context = Context::new(Arc::clone(shared), Arrival::Live, Instant::now());
        let request = Request::with_context(event.clone(), context);
        shared.stack.lane_use(&request) == LaneUse::Control
    }

    fn hears_any_age(&self) -> bool {
        let shared = self.inner.shared.get();
        shared.is_some_and(|shared| shared.stack.hears_any_age() || self.inner.listeners.hear_any_age())
    }

    fn given_up(&self, event: &Event, crashes: u8) {
        if let Some(dead_letters) = self.inner.dead_letters.get() {
            dead_letters.give_up_event(event, crashes);
        }
    }
}

impl fmt::Debug for BotHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BotHandle")
            .field("state", &self.state())
            .finish_non_exhaustive()
    }
}
