//! Watches a bot at work: each event's way through the layers, the routes, the actions and their retries.
//!
//! An [`Inspector`] that is given to a bot remembers its last events, and tells whoever [subscribes](Inspector::subscribe)
//! how each goes on. It is for development, and for looking at a bot that behaves oddly: a bot without one pays nothing
//! for it. The sandbox shows it beside its chat page.
//!
//! Layers of this crate and routes are seen by themselves. [`named`] shows any other layer.
//!
//! ```
//! use rocketbotte::dispatch::{Receipt, Serve};
//! use rocketbotte::event::{Event, Message, Room, RoomKind, User};
//! use rocketbotte::inspect::{EventOutcome, Inspector, named};
//! use rocketbotte::response::Action;
//! use rocketbotte::{BoxError, Router, layer::CommandLayer, transport};
//! use tower::limit::ConcurrencyLimitLayer;
//! use tower::{ServiceBuilder, service_fn};
//!
//! async fn ping() -> &'static str { "pong" }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), BoxError> {
//! let app = ServiceBuilder::new()
//!     .layer(named("ConcurrencyLimit", ConcurrencyLimitLayer::new(64)))
//!     .layer(CommandLayer::new("!"))
//!     .service(Router::new().command("ping", ping));
//! let message = Message::builder(Room::new("GENERAL", RoomKind::Channel), User::new("uA", "ann"), "!ping").build();
//! let events = transport::from_stream(futures_util::stream::iter([Event::from(message)]));
//! let sink = service_fn(|_: Action| async { Ok::<_, BoxError>(Receipt::default()) });
//!
//! let inspector = Inspector::new();
//! Serve::new(events, sink).inspector(inspector.clone()).run(app).await?;
//!
//! let seen = inspector.recent().into_iter().find(|seen| seen.event.kind == "message").unwrap();
//! assert_eq!(seen.outcome, Some(EventOutcome::Answered));
//! assert_eq!(seen.actions[0].text.as_deref(), Some("pong"));
//! let layers: Vec<_> = seen.layers.iter().map(|visit| &*visit.name).collect();
//! assert_eq!(layers, ["ConcurrencyLimit", "CommandLayer", "Router", "command ping"]);
//! # Ok(())
//! # }
//! ```

mod action;
mod feed;
mod layer;
mod record;
mod ring;
mod trail;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

pub(crate) use self::action::{ActionVisit, scope};
#[cfg(feature = "client")]
pub(crate) use self::action::{Waits, retries};
pub use self::feed::InspectionFeed;
pub use self::layer::{Named, NamedFuture, NamedLayer, named};
pub use self::record::{
    ActionState, EventOutcome, InspectedAction, InspectedCommand, InspectedEvent, Inspection, LayerVisit,
};
use self::ring::Ring;
pub(crate) use self::trail::{Visit, enter, enter_route, trail_of};

/// Remembers the last 500 events of a bot, and what became of them. Cheap to clone: all clones are the same one.
///
/// It is given to a bot by `BotBuilder::inspector` or [`Serve::inspector`](crate::dispatch::Serve::inspector). Texts are
/// shown as they were written, up to 2,000 characters of each: who may read an inspector may read the chat. Several bots
/// may share one.
#[derive(Clone)]
pub struct Inspector {
    ring: Arc<Mutex<Ring>>,
    changed: watch::Sender<u64>,
}

impl Inspector {
    /// One that has seen nothing.
    pub fn new() -> Self {
        Self {
            ring: Arc::default(),
            changed: watch::Sender::new(0),
        }
    }

    /// The events that it remembers, the oldest first.
    pub fn recent(&self) -> Vec<Inspection> {
        self.lock().all()
    }

    /// Each event that it remembers, and from then on each whenever something about it changes.
    pub fn subscribe(&self) -> InspectionFeed {
        InspectionFeed::new(self.clone())
    }

    fn lock(&self) -> MutexGuard<'_, Ring> {
        // Nothing that is done under the lock leaves it half done.
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the ring, and wakes whoever waits for that.
    fn change<T>(&self, change: impl FnOnce(&mut Ring) -> T) -> T {
        let (changed, version) = {
            let mut ring = self.lock();
            (change(&mut ring), ring.version())
        };
        self.changed.send_replace(version);
        changed
    }
}

impl Default for Inspector {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Inspector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inspector").finish_non_exhaustive()
    }
}
