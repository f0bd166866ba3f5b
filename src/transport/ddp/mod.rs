//! The realtime transport: DDP on a websocket.

mod confirm;
mod connection;
mod frame;
mod lenient;
mod outbound;
mod output;
#[cfg(any(fuzzing, feature = "test-util"))]
pub(crate) mod ready_session;
mod rooms;
mod session;
mod subscription;
mod typing;
mod worker;

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytestring::ByteString;
use futures_core::Stream;
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinError, JoinHandle};

use self::worker::{Phase, TypingCall, Worker};
use super::backoff::BackoffConfig;
use super::catch_up::{Limits, LiveBounds};
use super::connect::Connector;
use super::state::ConnectionState;
use super::{Delivery, PerRoom, PipelineHints, Transport, TransportError, TransportErrorKind};
use crate::context::ShowTyping;
use crate::credentials::Credentials;
use crate::event::{MessageId, RoomId};
use crate::health::Vitals;
use crate::journal::Ledger;
use crate::rest::Client;
use crate::rest::token_source::TokenSource;
use crate::server_url::ServerUrl;

/// Typing notifications that wait to be sent. They are worthless a moment later.
const TYPING_QUEUE: usize = 32;

/// Events from a Rocket.Chat server, over its realtime API.
///
/// One subscription brings every message of every room the bot is in, also of rooms joined later. The connection lives
/// in a task of its own: heartbeats never wait for a handler. A lost connection is opened again, after a pause that
/// grows with each failure; [`Event::Ready`](crate::event::Event::Ready) comes with the first,
/// [`Event::Reconnected`](crate::event::Event::Reconnected) with each later one. What was sent in between is not repeated by the
/// server: with [`catch_up`](DdpTransportBuilder::catch_up) it is fetched.
///
/// Until the first connection is ready, an error that only a change of the configuration can cure ends the stream:
/// an address that is no Rocket.Chat, TLS that fails, an unknown host. A refused token always does. Everything else is
/// logged and tried again.
///
/// ```no_run
/// use rocketbotte::Credentials;
/// use rocketbotte::transport::{Connector, DdpTransport, TlsSettings};
///
/// let url = "https://chat.example.org".parse()?;
/// let credentials = Credentials::new("rKy9v9n4yYWWjyyx5", std::env::var("TOKEN")?)?;
/// let connector = Connector::tcp(&TlsSettings::new())?;
/// let transport = DdpTransport::builder(url, credentials, connector).build();
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Logs
///
/// Nothing here logs a token. The websocket library does, through the crate `log`, at its level `TRACE`: it writes whole
/// frames, the login among them. Whoever logs everything leaves it out with a filter such as
/// `trace,tungstenite=debug`; a warning says so.
///
/// # Panics
///
/// If it is first polled outside of a tokio runtime.
#[must_use = "a transport does nothing unless it is polled"]
pub struct DdpTransport {
    /// Until the first poll.
    worker: Option<Box<Worker>>,
    /// From then on, until it has ended.
    running: Option<JoinHandle<()>>,
    deliveries: mpsc::Receiver<Result<Delivery, TransportError>>,
    phase: watch::Sender<Phase>,
    handle: DdpHandle,
}

impl DdpTransport {
    /// Begins to build a transport for this account. Nothing is connected before the first poll.
    pub fn builder(url: ServerUrl, credentials: Credentials, connector: Connector) -> DdpTransportBuilder {
        let tokens = TokenSource::given(credentials);
        DdpTransportBuilder {
            url,
            tokens,
            connector,
            backoff: BackoffConfig::default(),
            typing_as: None,
            unjoined_rooms: false,
            queue: 1024,
            client: None,
            per_room: PerRoom::new(),
            catch_up: None,
            limits: Limits::default(),
            hints: None,
            ledger: None,
            vitals: Arc::default(),
        }
    }

    /// A handle to the connection, for typing notifications and its state.
    pub fn handle(&self) -> DdpHandle {
        self.handle.clone()
    }
}

impl Stream for DdpTransport {
    type Item = Result<Delivery, TransportError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Some(worker) = self.worker.take() {
            self.running = Some(tokio::spawn(worker.run()));
        }
        if let Some(delivery) = ready!(self.deliveries.poll_recv(cx)) {
            return Poll::Ready(Some(delivery));
        }
        // Nothing comes any more: an end that was not meant is no end in peace.
        let Some(running) = &mut self.running else {
            return Poll::Ready(None);
        };
        let ended = ready!(Pin::new(running).poll(cx));
        self.running = None;
        Poll::Ready(ended.err().filter(JoinError::is_panic).map(|error| {
            let message =
                "the connection's task panicked: this is a bug, or one in a journal or connector of your own";
            Err(TransportError::new(TransportErrorKind::Broken, message).with_source(error))
        }))
    }
}

impl Transport for DdpTransport {
    /// Says good-bye to the server and closes the connection. No event that arrives later is delivered; the stream ends
    /// when the connection is closed, within a second.
    fn stop(self: Pin<&mut Self>) {
        let this = self.get_mut();
        this.phase.send_replace(Phase::Stopping);
        // Never polled: nobody else would end the stream.
        this.worker = None;
    }
}

impl fmt::Debug for DdpTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DdpTransport")
            .field("handle", &self.handle)
            .finish_non_exhaustive()
    }
}

/// Settings of a [`DdpTransport`].
#[derive(Debug, Clone)]
#[must_use]
pub struct DdpTransportBuilder {
    url: ServerUrl,
    tokens: TokenSource,
    connector: Connector,
    backoff: BackoffConfig,
    typing_as: Option<ByteString>,
    unjoined_rooms: bool,
    queue: usize,
    client: Option<Client>,
    per_room: PerRoom,
    catch_up: Option<Client>,
    limits: Limits,
    hints: Option<Arc<dyn PipelineHints>>,
    ledger: Option<Arc<Ledger>>,
    vitals: Arc<Vitals>,
}

impl DdpTransportBuilder {
    /// The name for typing notifications: the bot's `username`, or its `name` where the server's setting
    /// `UI_Use_Real_Name` is on. The server silently drops any other. Without a name none are sent.
    pub fn typing_as(mut self, name: impl Into<String>) -> Self {
        self.typing_as = Some(ByteString::from(name.into()));
        self
    }

    /// Whether messages of public channels that the bot is not in are delivered too. They are not by default.
    pub fn unjoined_rooms(mut self, yes: bool) -> Self {
        self.unjoined_rooms = yes;
        self
    }

    /// How often it tries in a row before it gives up. Without end by default.
    pub fn max_retry(mut self, attempts: u32) -> Self {
        self.backoff.max_retry = Some(attempts);
        self
    }

    /// The longest pause between two attempts. 60 seconds by default.
    pub fn max_retry_time(mut self, pause: Duration) -> Self {
        self.backoff.max_retry_time = pause;
        self
    }

    /// How long it goes on without a connection before it gives up. Without end by default.
    pub fn max_off_time(mut self, time: Duration) -> Self {
        self.backoff.max_off_time = Some(time);
        self
    }

    /// Asks the server, with a client of the same account, before it is believed that the bot was added to a room or
    /// removed from it: old servers let any user say so. [`catch_up`](Self::catch_up) does it too. Without a client such
    /// an event is [not verified](crate::event::Membership::is_verified).
    pub fn client(mut self, client: Client) -> Self {
        self.client = Some(client);
        self
    }

    /// What to ask for in each room: nothing unless set. Without a [`client`](Self::client) a room is known from the
    /// first message in it on.
    pub fn per_room(mut self, per_room: PerRoom) -> Self {
        self.per_room = per_room;
        self
    }

    /// Fetches over REST what was said during an outage, with a client of the same account.
    ///
    /// After each reconnect the rooms that changed are asked for, four at a time, and what is new is delivered with
    /// [`Arrival::CaughtUp`](super::Arrival::CaughtUp) in the order in which it was written; so are the edits, reactions
    /// and deletions of that time. What arrives live in such a room waits until it has been fetched. Nothing is
    /// delivered that is older than the bot's start, or than its joining a room. Events that the pipeline does not take
    /// in time are fetched again later, and not dropped.
    ///
    /// At most 1,000 events of a room and 10,000 in all are delivered after an outage, the newest of each room. How many
    /// were left out tells [`Reconnected::skipped`](crate::event::Reconnected::skipped).
    ///
    /// Each delivery has to be settled: of a room no more than 64 are handed over before the first of them is.
    ///
    /// ```no_run
    /// use rocketbotte::Credentials;
    /// use rocketbotte::rest::Client;
    /// use rocketbotte::transport::{Connector, DdpTransport, TlsSettings};
    ///
    /// let url: rocketbotte::ServerUrl = "https://chat.example.org".parse()?;
    /// let credentials = Credentials::new("rKy9v9n4yYWWjyyx5", std::env::var("TOKEN")?)?;
    /// let connector = Connector::tcp(&TlsSettings::new())?;
    /// let client = Client::builder(url.clone(), connector.clone()).credentials(credentials.clone()).build();
    /// let transport = DdpTransport::builder(url, credentials, connector).catch_up(client).build();
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn catch_up(mut self, client: Client) -> Self {
        self.catch_up = Some(client);
        self
    }

    /// The token that a client shares, also where that logs in again.
    pub(crate) fn tokens(mut self, tokens: Option<&TokenSource>) -> Self {
        if let Some(tokens) = tokens {
            self.tokens = tokens.clone();
        }
        self
    }

    /// How old a message may be, by the server's time, to be delivered after an outage: ten minutes by default.
    pub fn catch_up_age(mut self, age: Duration) -> Self {
        self.limits.age = age;
        self
    }

    /// What the bot remembers from one start to the next: with it, what an earlier process left is caught up too.
    pub(crate) fn ledger(mut self, ledger: Option<Arc<Ledger>>) -> Self {
        self.ledger = ledger;
        self
    }

    /// How often the process may end while an event is running before that is given up.
    pub(crate) fn max_crashes(mut self, crashes: Option<u8>) -> Self {
        self.limits.crashes = crashes;
        self
    }

    /// Looks this often for events that did not arrive though the connection stood, as happens on servers of several
    /// instances that do not reach each other: what is found is delivered with
    /// [`Arrival::CaughtUp`](super::Arrival::CaughtUp), after what came later. Off by default, since it costs the server
    /// two calls each time and one for each room where something was said. It needs [`catch_up`](Self::catch_up).
    pub fn safety_sync(mut self, every: Duration) -> Self {
        self.limits.safety_sync = Some(every);
        self
    }

    /// How many events the pipeline takes of one room, and of all. If it parks, what is too much is fetched later;
    /// else it decides itself what to drop.
    pub(crate) fn pipeline_takes(mut self, in_room: usize, in_all: usize, parks: bool) -> Self {
        self.limits.window = self.limits.window.min(in_room).max(1);
        self.limits.in_pipeline = self.limits.in_pipeline.min(in_all / 2).max(1);
        if parks {
            self.limits.waiting = self.limits.waiting.min(in_all).max(1);
            self.limits.live = Some(LiveBounds { in_room, in_all });
        }
        self
    }

    /// Where it is told how the connection is doing.
    pub(crate) fn vitals(mut self, vitals: Arc<Vitals>) -> Self {
        self.vitals = vitals;
        self
    }

    pub(crate) fn hints(mut self, hints: Arc<dyn PipelineHints>) -> Self {
        self.hints = Some(hints);
        self
    }

    /// How many events may wait for the pipeline: 1024 by default, at least 1. More are dropped, counted and logged,
    /// unless they can be [fetched](Self::catch_up) later.
    pub fn queue(mut self, events: usize) -> Self {
        self.queue = events.max(1);
        self
    }

    /// The transport.
    pub fn build(self) -> DdpTransport {
        let (deliveries_tx, deliveries) = mpsc::channel(self.queue);
        let (typing_tx, typing) = mpsc::channel(TYPING_QUEUE);
        let (phase_tx, phase) = watch::channel(Phase::Running);
        let (state_tx, state) = watch::channel(ConnectionState::Off);
        let overflow = Arc::new(AtomicU64::new(0));
        let handle = DdpHandle {
            typing: typing_tx,
            state,
            overflow: Arc::clone(&overflow),
        };
        let worker = Worker::new(self, deliveries_tx, typing, phase, state_tx, overflow);
        DdpTransport {
            running: None,
            worker: Some(Box::new(worker)),
            deliveries,
            phase: phase_tx,
            handle,
        }
    }
}

/// A handle to the realtime connection. Cheap to clone; it does not keep the connection open.
#[derive(Clone)]
pub struct DdpHandle {
    typing: mpsc::Sender<TypingCall>,
    state: watch::Receiver<ConnectionState>,
    overflow: Arc<AtomicU64>,
}

impl DdpHandle {
    /// Shows the bot as typing in a room or thread, or no longer.
    ///
    /// Best effort: dropped without a word when there is no connection, where it would change nothing (the room was told
    /// less than four seconds ago, or was never told that the bot is typing), and where it would be over the server's
    /// limit of 40 in 40 seconds. Of these, a quarter is kept for rooms that were not told yet and for the end of
    /// typing. Clients forget it after 15 seconds, so repeat it every 5 to 10.
    pub fn typing(&self, room_id: RoomId, thread_id: Option<MessageId>, on: bool) {
        // A full queue means that nothing can be sent at the moment.
        let _ = self.typing.try_send(TypingCall {
            room_id,
            thread_id,
            on,
        });
    }

    /// The state of the connection, and its changes.
    pub fn state(&self) -> watch::Receiver<ConnectionState> {
        self.state.clone()
    }

    /// How many events were dropped because the pipeline did not take them in time.
    pub fn overflowed(&self) -> u64 {
        self.overflow.load(Ordering::Relaxed)
    }
}

impl ShowTyping for DdpHandle {
    fn show_typing(&self, room_id: &RoomId, thread_id: Option<&MessageId>, is_typing: bool) {
        self.typing(room_id.clone(), thread_id.cloned(), is_typing);
    }
}

impl fmt::Debug for DdpHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DdpHandle")
            .field("state", &*self.state.borrow())
            .field("overflowed", &self.overflowed())
            .finish_non_exhaustive()
    }
}
