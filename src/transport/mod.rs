//! Where events come from.
//!
//! A [`Transport`] is a stream of [`Delivery`]s and a way to stop it.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_core::Stream;
use tokio::time::Instant;

use crate::event::Event;

#[cfg(feature = "client")]
mod backoff;
#[cfg(feature = "client")]
mod catch_up;
#[cfg(feature = "client")]
mod connect;
#[cfg(feature = "client")]
pub(crate) mod connect_failure;
#[cfg(feature = "client")]
pub(crate) mod ddp;
mod error;
#[cfg(feature = "client")]
mod per_room;
#[cfg(feature = "client")]
mod proxy;
mod state;
mod stream;
#[cfg(feature = "client")]
mod tls;
#[cfg(feature = "webhook")]
pub mod webhook;

#[cfg(feature = "client")]
pub(crate) use self::backoff::{Backoff, BackoffConfig, Next as RetryDecision};
#[cfg(feature = "client")]
pub use self::connect::{Connector, Io};
#[cfg(feature = "client")]
pub use self::ddp::{DdpHandle, DdpTransport, DdpTransportBuilder};
pub use self::error::{TransportError, TransportErrorKind};
#[cfg(feature = "client")]
pub use self::per_room::PerRoom;
#[cfg(feature = "client")]
pub use self::proxy::{Proxy, ProxyError};
pub use self::state::ConnectionState;
pub use self::stream::{EventStream, from_stream};
#[cfg(feature = "client")]
pub use self::tls::{TlsError, TlsSettings};

/// A source of events.
///
/// The realtime connection to a server is one; so is any stream of events, by [`from_stream`].
pub trait Transport: Stream<Item = Result<Delivery, TransportError>> + Send + 'static {
    /// Asks the source to end: it gives up its connection, and the stream ends soon after.
    fn stop(self: Pin<&mut Self>);
}

/// What a pipeline tells a transport about itself, once it runs.
#[cfg(feature = "client")]
pub(crate) trait PipelineHints: Send + Sync + fmt::Debug {
    /// Whether any route never waits.
    fn has_urgent_routes(&self) -> bool;

    /// Whether the event never waits for those before it.
    fn is_urgent(&self, event: &Event) -> bool;

    /// Whether any route hears events of any age.
    fn hears_any_age(&self) -> bool;

    /// The event is not handed over: the process ended so often while it was running.
    fn given_up(&self, event: &Event, crashes: u8);
}

/// How an event reached the bot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Arrival {
    /// As it happened.
    #[default]
    Live,
    /// Later: it happened while the connection was down.
    CaughtUp,
    /// From a recording.
    Replayed,
}

impl fmt::Display for Arrival {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Live => "live",
            Self::CaughtUp => "caught up",
            Self::Replayed => "replayed",
        })
    }
}

/// An event, how it arrived, and the acknowledgement that the transport waits for.
#[derive(Debug)]
pub struct Delivery {
    event: Event,
    arrival: Arrival,
    ack: Ack,
    happened_at: Option<Instant>,
    is_too_old: bool,
    #[cfg(feature = "webhook")]
    exchange: Option<Arc<webhook::Exchange>>,
}

impl Delivery {
    /// An event that arrived as it happened, and that nobody waits for.
    pub fn live(event: Event) -> Self {
        Self {
            event,
            arrival: Arrival::Live,
            ack: Ack::none(),
            happened_at: None,
            is_too_old: false,
            #[cfg(feature = "webhook")]
            exchange: None,
        }
    }

    /// Says how long ago it happened. An answer that comes more than a minute later quotes what it answers.
    #[must_use]
    pub fn happened_ago(mut self, time: Duration) -> Self {
        self.happened_at = Instant::now().checked_sub(time);
        self
    }

    /// It is for the routes alone that hear events of any age.
    #[cfg(any(feature = "client", feature = "test-util"))]
    pub(crate) fn too_old(mut self, is_too_old: bool) -> Self {
        self.is_too_old = is_too_old;
        self
    }

    pub(crate) fn is_too_old(&self) -> bool {
        self.is_too_old
    }

    pub(crate) fn happened_at(&self) -> Option<Instant> {
        self.happened_at
    }

    /// Who waits for an answer to it.
    #[cfg(feature = "webhook")]
    pub(crate) fn with_exchange(mut self, exchange: Arc<webhook::Exchange>) -> Self {
        self.exchange = Some(exchange);
        self
    }

    #[cfg(feature = "webhook")]
    pub(crate) fn exchange(&self) -> Option<Arc<webhook::Exchange>> {
        self.exchange.clone()
    }

    /// Says how it arrived.
    #[must_use]
    pub fn arrived(mut self, arrival: Arrival) -> Self {
        self.arrival = arrival;
        self
    }

    /// Sets the acknowledgement.
    #[must_use]
    pub fn with_ack(mut self, ack: Ack) -> Self {
        self.ack = ack;
        self
    }

    /// The event.
    pub fn event(&self) -> &Event {
        &self.event
    }

    /// How it arrived.
    pub fn arrival(&self) -> Arrival {
        self.arrival
    }

    /// Takes it apart.
    pub fn into_parts(self) -> (Event, Arrival, Ack) {
        (self.event, self.arrival, self.ack)
    }
}

impl From<Event> for Delivery {
    fn from(event: Event) -> Self {
        Self::live(event)
    }
}

/// What became of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Settled {
    /// It was handled, and what it asked for was carried out. An error, a panic or a timeout counts as handled.
    Done,
    /// It was given up on purpose: its lane was full.
    Dropped,
    /// It was not brought to an end: the bot stopped first, or what it asked for could not be carried out.
    Interrupted,
}

/// Tells the transport what became of a delivery, exactly once: [`Settled::Interrupted`] if nobody says otherwise.
///
/// ```
/// use rocketbotte::transport::{Ack, Settled};
///
/// let (sender, mut receiver) = tokio::sync::oneshot::channel();
/// let ack = Ack::new(move |settled| drop(sender.send(settled)));
/// ack.done();
/// assert_eq!(receiver.try_recv().unwrap(), Settled::Done);
/// ```
pub struct Ack {
    settle: Option<Box<dyn FnOnce(Settled) + Send + Sync>>,
    handled: Option<Handled>,
}

/// Called when an event's handlers have ended, before what they answered is delivered.
pub(crate) type Handled = Arc<dyn Fn() + Send + Sync>;

impl Ack {
    /// Calls a function when the delivery is settled.
    pub fn new(settle: impl FnOnce(Settled) + Send + Sync + 'static) -> Self {
        Self {
            settle: Some(Box::new(settle)),
            handled: None,
        }
    }

    /// An acknowledgement that nobody waits for.
    pub const fn none() -> Self {
        Self {
            settle: None,
            handled: None,
        }
    }

    #[cfg(feature = "client")]
    pub(crate) fn on_handled(mut self, handled: Handled) -> Self {
        self.handled = Some(handled);
        self
    }

    pub(crate) fn handled(&self) -> Option<Handled> {
        self.handled.clone()
    }

    pub(crate) fn is_awaited(&self) -> bool {
        self.settle.is_some()
    }

    /// The event is done with.
    pub fn done(self) {
        self.settle(Settled::Done);
    }

    /// The event is given up on purpose.
    pub fn dropped(self) {
        self.settle(Settled::Dropped);
    }

    fn settle(mut self, settled: Settled) {
        if let Some(settle) = self.settle.take() {
            settle(settled);
        }
    }
}

impl Drop for Ack {
    fn drop(&mut self) {
        if let Some(settle) = self.settle.take() {
            settle(Settled::Interrupted);
        }
    }
}

impl fmt::Debug for Ack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Ack").field(&self.is_awaited()).finish()
    }
}
