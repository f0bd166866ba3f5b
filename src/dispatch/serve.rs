//! Settings of a bot that is driven by any transport, and its start.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tower::{BoxError, Service, ServiceExt};

use super::dead_letter::{DeadLetter, DeadLetters};
use super::deliver::Sink;
use super::dispatcher::Dispatcher;
use super::handle::{BotHandle, Fired};
use super::ids::IdSource;
use super::lanes::LaneBounds;
use super::run::{Sources, run};
use super::stack_info::StackInfo;
use super::vigil;
use super::{Receipt, ServeError, ShutdownReport};
use crate::context::{Identity, Perform, Shared};
use crate::inspect::Inspector;
use crate::journal::{Journal, JournalSlot, Ledger, Owner};
use crate::request::Request;
use crate::response::{Action, AllowedMentions, DEFAULT_HOLD, Response};
use crate::schedule::WallClock;
use crate::transport::{ConnectionState, Transport};

/// What happens to an event whose lane is full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Overflow {
    /// The event is forgotten, and fetched from the server once there is room for it: nothing is lost to a slow
    /// handler. What says that it [never waits](crate::handler::Configured::control) passes all the same, while fewer
    /// events than [`max_waiting`](Serve::max_waiting) wait in front of the pipeline.
    ///
    /// This needs a transport that can fetch: a bot's can, unless it is switched off. With any other it is
    /// [`DropNewest`](Self::DropNewest).
    #[default]
    Park,
    /// The event is dropped.
    DropNewest,
    /// The event that has waited longest in the lane is dropped.
    DropOldest,
    /// The event is dropped, and a person whose command it is reads that the bot is busy.
    Busy,
}

/// How events are driven through a pipeline.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    pub(crate) hold: Duration,
    pub(crate) bounds: LaneBounds,
    pub(crate) overflow: Overflow,
    pub(crate) route_timeout: Option<Duration>,
    pub(crate) shutdown_timeout: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            hold: DEFAULT_HOLD,
            bounds: LaneBounds {
                running: 256,
                waiting_in_lane: 256,
                waiting: 8192,
            },
            overflow: Overflow::Park,
            route_timeout: Some(Duration::from_secs(120)),
            shutdown_timeout: Duration::from_secs(10),
        }
    }
}

/// Called once with what the pipeline told about itself, when the first event went through it.
pub(crate) type OnReady = Box<dyn FnOnce(&StackInfo) + Send>;

/// Drives the events of any [`Transport`] through a pipeline, and what it answers into any sink.
///
/// A bot on a Rocket.Chat server is built by `Bot`, which uses this; with a transport of one's own, or a recorder for
/// a sink, it is used by itself.
///
/// ```
/// use rocketbotte::dispatch::{Receipt, Serve};
/// use rocketbotte::event::{Event, Message, Room, RoomKind, User};
/// use rocketbotte::response::Action;
/// use rocketbotte::{BoxError, Router, command::CommandLayer, transport};
/// use tower::{Layer, service_fn};
///
/// async fn ping() -> &'static str { "pong" }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), BoxError> {
/// let message = Message::builder(Room::new("GENERAL", RoomKind::Channel), User::new("uA", "ann"), "!ping").build();
/// let events = futures_util::stream::iter([Event::from(message)]);
/// let sink = service_fn(|action: Action| async move {
///     println!("{action:?}");
///     Ok::<_, BoxError>(Receipt::default())
/// });
/// let app = CommandLayer::new("!").layer(Router::new().command("ping", ping));
/// let report = Serve::new(transport::from_stream(events), sink).run(app).await?;
/// assert!(report.is_complete());
/// # Ok(())
/// # }
/// ```
#[must_use = "it does nothing until it is run"]
pub struct Serve<T> {
    transport: T,
    sink: Sink,
    shared: Shared,
    settings: Settings,
    id_secret: Option<Box<[u8]>>,
    journal: Option<JournalSlot>,
    handle: BotHandle,
    fired: Fired,
    connection: Option<watch::Receiver<ConnectionState>>,
    on_ready: Option<OnReady>,
    dead_letters: DeadLetters,
}

impl<T: Transport> Serve<T> {
    /// Events from a transport, and a sink that carries out resolved actions: they have their room, their thread, and
    /// the ids that they go out under.
    pub fn new<K>(transport: T, sink: K) -> Self
    where
        K: Service<Action, Response = Receipt> + Clone + Send + Sync + 'static,
        K::Error: Into<BoxError>,
        K::Future: Send + 'static,
    {
        let (handle, fired) = BotHandle::new();
        Self::with_handle(transport, Sink::new(sink.map_err(Into::into)), handle, fired)
    }

    pub(crate) fn with_handle(transport: T, sink: Sink, handle: BotHandle, fired: Fired) -> Self {
        let mut shared = Shared::new(Identity::new("", ""));
        shared.listeners = Arc::clone(handle.listeners());
        shared.schedules = handle.schedules();
        shared.perform = Some(Arc::new(PerformBySink(sink.clone())));
        shared.ledger = Some(Arc::new(Ledger::in_memory()));
        Self {
            transport,
            sink,
            shared,
            settings: Settings::default(),
            id_secret: None,
            journal: None,
            handle,
            fired,
            connection: None,
            on_ready: None,
            dead_letters: DeadLetters::default(),
        }
    }

    /// Who the bot is: so that it does not hear itself, and knows its mentions and its direct conversations.
    pub fn identity(mut self, identity: Identity) -> Self {
        self.shared.identity = identity;
        self
    }

    /// The key that the ids of replies are derived with, so that nobody else can compute one and occupy it. With the
    /// same key and [`identity`](Self::identity) an event that is delivered again is answered under the same ids.
    /// Random otherwise.
    pub fn id_secret(mut self, secret: &[u8]) -> Self {
        self.id_secret = Some(secret.into());
        self
    }

    /// Where it is written what [runs at most once](crate::handler::Configured::at_most_once) and what could not be
    /// carried out, and which key ids are derived with where [`id_secret`](Self::id_secret) does not say it.
    /// Without one, this lives as long as the bot.
    /// It is read by [`run`](Self::run).
    pub fn journal(mut self, journal: impl Journal) -> Self {
        self.journal = Some(JournalSlot::new(journal));
        self
    }

    /// Whether every route [runs at most once](crate::handler::Configured::at_most_once) for an event, unless it says
    /// otherwise. They do not unless switched on.
    pub fn at_most_once(mut self, is_on: bool) -> Self {
        self.shared.at_most_once = is_on;
        self
    }

    /// Whether messages of the bot itself and of other bots go through the pipeline. They do not unless a route asks
    /// for them by [`from_bots`](crate::handler::Configured::from_bots); a pipeline without a router hears them by this.
    pub fn hear_bots(mut self, is_on: bool) -> Self {
        self.shared.hears_bots = is_on;
        self
    }

    /// Whether replies always go in a thread, below the message that they answer. They go where they were asked for
    /// unless switched on.
    pub fn reply_in_thread(mut self, is_on: bool) -> Self {
        self.shared.always_in_thread = is_on;
        self
    }

    /// Whom texts may mention that say nothing of it themselves: all users but no groups unless set.
    pub fn allow_mentions(mut self, allowed: AllowedMentions) -> Self {
        self.shared.allowed_mentions = allowed;
        self
    }

    /// How long an event waits for the one before it in its room or thread: 5 s unless set. A handler that takes
    /// longer goes on by itself, and its reply comes when it is ready.
    pub fn hold(mut self, hold: Duration) -> Self {
        self.settings.hold = hold;
        self
    }

    /// How many handlers run at once: 256 unless set, at least 1.
    pub fn max_running(mut self, handlers: usize) -> Self {
        self.settings.bounds.running = handlers.max(1);
        self
    }

    /// How many events wait in one room or thread (256 unless set, at least 1), and what happens to those above: they are
    /// [parked](Overflow::Park) unless set.
    pub fn lane_capacity(mut self, events: usize, overflow: Overflow) -> Self {
        self.settings.bounds.waiting_in_lane = events.max(1);
        self.settings.overflow = overflow;
        self
    }

    /// How many events wait in all rooms together: 8192 unless set, at least 1.
    pub fn max_waiting(mut self, events: usize) -> Self {
        self.settings.bounds.waiting = events.max(1);
        self
    }

    /// How long a route may take where no [`TimeoutLayer`](crate::layer::timeout::TimeoutLayer) says it: two minutes
    /// unless set, `None` for no limit.
    pub fn route_timeout(mut self, timeout: Option<Duration>) -> Self {
        self.settings.route_timeout = timeout;
        self
    }

    /// How long stopping may take: 10 s unless set. Handlers have four fifths of it, replies the rest.
    pub fn shutdown_timeout(mut self, timeout: Duration) -> Self {
        self.settings.shutdown_timeout = timeout;
        self
    }

    /// What is told of each action that was given up, besides the log. It is called by the bot itself: it must not
    /// block, and puts aside what takes long.
    ///
    /// ```
    /// # use rocketbotte::dispatch::{DeadLetter, Serve};
    /// # fn example<T: rocketbotte::transport::Transport>(serve: Serve<T>) {
    /// let (letters, mut undelivered) = tokio::sync::mpsc::channel::<DeadLetter>(1024);
    /// let serve = serve.on_dead_letter(move |letter| {
    ///     // Whoever reads them is behind: it is in the log.
    ///     let _ = letters.try_send(letter);
    /// });
    /// # }
    /// ```
    pub fn on_dead_letter(mut self, hook: impl Fn(DeadLetter) + Send + Sync + 'static) -> Self {
        self.dead_letters = DeadLetters::to(hook);
        self
    }

    /// Who looks at what becomes of each event. None unless set: it costs some microseconds for each.
    pub fn inspector(mut self, inspector: Inspector) -> Self {
        self.shared.inspector = Some(inspector);
        self
    }

    /// The clock by which [jobs](crate::schedule) run: the machine's unless set.
    pub fn wall_clock(self, clock: WallClock) -> Self {
        self.shared.schedules.set_clock(clock);
        self
    }

    /// A handle to the bot.
    pub fn handle(&self) -> BotHandle {
        self.handle.clone()
    }

    #[cfg(feature = "client")]
    pub(crate) fn configure(mut self, configure: impl FnOnce(&mut Shared, &mut Settings)) -> Self {
        configure(&mut self.shared, &mut self.settings);
        self
    }

    #[cfg(feature = "client")]
    pub(crate) fn dead_letters(mut self, dead_letters: DeadLetters) -> Self {
        self.dead_letters = dead_letters;
        self
    }

    #[cfg(feature = "client")]
    pub(crate) fn connection(mut self, state: watch::Receiver<ConnectionState>) -> Self {
        self.connection = Some(state);
        self
    }

    #[cfg(feature = "client")]
    pub(crate) fn on_ready(mut self, on_ready: OnReady) -> Self {
        self.on_ready = Some(on_ready);
        self
    }

    /// Serves until the transport ends or [`BotHandle::shutdown`] is called.
    ///
    /// # Errors
    ///
    /// The transport failed for good, the pipeline says that it will take no more requests, or the
    /// [journal](Self::journal) can not be read or belongs to another [identity](Self::identity).
    pub async fn run<S>(self, service: S) -> Result<ShutdownReport, ServeError>
    where
        S: Service<Request, Response = Response> + Send + 'static,
        S::Error: Into<BoxError>,
        S::Future: Send + 'static,
    {
        let mut shared = self.shared;
        let mut id_secret = self.id_secret;
        if let Some(journal) = &self.journal {
            let id = shared.identity.id().as_str();
            let owner = (!id.is_empty()).then_some(Owner { id, server: None });
            let ledger = Ledger::load(journal, owner)?;
            id_secret.get_or_insert_with(|| ledger.secret(|| crate::random::id().into_bytes()).into());
            shared.ledger = Some(Arc::new(ledger));
        }
        // Dropped behind everything that still writes to it.
        let remembers = Remembers(shared.ledger.clone());
        if let Some(secret) = &id_secret {
            shared.ids = IdSource::new(shared.identity.id(), secret);
        }
        shared.schedules.begin(shared.ledger.as_ref());
        let shared = Arc::new(shared);
        self.handle.set_shared(Arc::clone(&shared));
        let sources = Sources {
            transport: Box::pin(self.transport),
            fired: self.fired,
            stop: self.handle.watch_stop(),
            connection: self.connection,
            job_at: None,
            beat: vigil::interval(),
        };
        self.handle.vitals().begin();
        let shutdown_timeout = self.settings.shutdown_timeout;
        let dispatcher = Dispatcher::new(
            service,
            self.sink,
            shared,
            self.settings,
            self.handle,
            self.on_ready,
            self.dead_letters,
        );
        let report = run(dispatcher, sources, shutdown_timeout).await;
        if let Some(ledger) = &remembers.0 {
            ledger.flush().await;
        }
        report
    }
}

/// While the bot runs. Whoever has a handle to it then keeps no journal open.
struct Remembers(Option<Arc<Ledger>>);

impl Drop for Remembers {
    fn drop(&mut self) {
        if let Some(ledger) = &self.0 {
            ledger.close();
        }
    }
}

impl<T> fmt::Debug for Serve<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Serve")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

/// What handlers send while they run goes straight to the sink.
struct PerformBySink(Sink);

impl Perform for PerformBySink {
    fn perform(&self, action: Action) -> futures_util::future::BoxFuture<'static, Result<Receipt, BoxError>> {
        Box::pin(self.0.clone().oneshot(action))
    }
}
