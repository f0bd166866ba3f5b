//! A Rocket.Chat server in the process: for tests, for examples, for a first look.
//!
//! [`Sandbox`] speaks the realtime API (DDP on a websocket) and the REST API well enough for bots that
//! were not written for it. It lives in memory, starts in milliseconds, binds only to the loopback
//! interface, and can be told to misbehave: see [`Sandbox::drop_connections`] and [`RestFault`].
//!
//! It imitates version 8.0 as one process, with the limiters switched off. Clients in other languages that know nothing of
//! it run against it in its tests as they are, what it answers has the shapes of recordings of a real server, and it
//! refuses the requests that the validators of the real server refuse.
//!
//! # Where other versions differ
//!
//! [`SandboxBuilder::version`] makes it one of these, as far as the table goes; all else stays as in 8.0.
//!
//! | since | what differs |
//! |---|---|
//! | 6.12 | files go up by `rooms.media` and `rooms.mediaConfirm` too |
//! | 7.1 | `chat.syncMessages` has pages with cursors; before, only `lastUpdate` |
//! | 8.0 | a 401 has `success: false` and an `error`, a login says `success`; before, neither |
//! | 8.0 | `rooms.upload` is gone: files go up by `rooms.media` and `rooms.mediaConfirm` |
//! | 8.0 | `rooms.join`; `users.setStatus` five times a minute |
//! | 8.7 | the methods `setReaction` and `deleteMessage` are gone: `chat.react`, `chat.delete` |
//! | 8.8 | `chat.sendMessage` has a limit of five a second instead of ten a minute |
//! | 8.9 | `rooms.history` |
//! | 9.0 | what is not allowed is a 403 with `errorType: "error-forbidden"`; before, a 400 with its own code |
//!
//! Three things depend on how a server is run, and have switches of their own: whether `{"server_id":"0"}` comes first
//! ([`SandboxBuilder::server_id_frame`]), how soon it pings ([`SandboxBuilder::heartbeat`]), and whose word it takes for the
//! address of a caller ([`SandboxBuilder::trusted_proxies`]).
//!
//! Differences that are not imitated, as no bot should depend on them: servers before 7 take bodies that no schema would
//! take and answer unknown endpoints with the page of the web client; a server behind the separate process for streams
//! closes connections where this one answers with `error`. A short name of an emoji is always a known one here, nothing is
//! looked up behind a link, only pictures of at most 32 pixels have a preview, which is the picture itself, and commands are
//! only those of the server itself.

mod accounts;
mod arrange;
mod builder;
mod ddp;
mod error;
mod faults;
#[cfg(fuzzing)]
pub(crate) mod fuzzing;
mod limits;
mod observe;
mod outgoing;
mod page;
mod refusal;
mod rest;
mod scene;
mod server;
mod state;
mod transcript;
mod user;

use std::{
    fmt,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::AtomicUsize},
};

use tokio::{io::DuplexStream, sync::watch};

pub use builder::{SandboxBuilder, UserSpec};
pub use error::{SandboxError, SandboxRefusal, WaitError};
pub use faults::{RestFault, Step};
pub use observe::{Inbound, MessageFeed, SandboxMessage};
pub use outgoing::OutgoingWebhook;
pub use user::SandboxUser;

pub use crate::transcript::{Transcript, TranscriptMismatch};

use page::Page;
use server::{Site, Wire};
use state::State;

/// Bytes in flight on an in-memory connection before the writer waits.
const MEMORY_BUFFER: usize = 64 * 1024;

/// What all connections of a server share.
#[derive(Debug)]
pub(crate) struct Shared {
    state: Mutex<State>,
    /// True once the server has stopped.
    pub(crate) stop: watch::Sender<bool>,
    pub(crate) silence: watch::Sender<bool>,
    /// Whether the server is meant to be there.
    pub(crate) up: watch::Sender<bool>,
    /// Whether it takes connections.
    pub(crate) listening: watch::Sender<bool>,
    /// Bytes of the bodies that are being read.
    pub(crate) body_bytes: Arc<AtomicUsize>,
    /// Whether there is a socket to come back to.
    pub(crate) has_listener: bool,
    pub(crate) page: Page,
}

impl Shared {
    fn new(mut state: State, has_listener: bool) -> Self {
        let page = Page::new(state.tokens.make(), Arc::clone(&state.hub));
        Self {
            state: Mutex::new(state),
            stop: watch::Sender::new(false),
            silence: watch::Sender::new(false),
            up: watch::Sender::new(true),
            listening: watch::Sender::new(true),
            body_bytes: Arc::default(),
            has_listener,
            page,
        }
    }

    /// Resolves when the server has stopped, or is down.
    pub(crate) async fn gone(&self) {
        let (mut stop, mut up) = (self.stop.subscribe(), self.up.subscribe());
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => {}
            _ = up.wait_for(|up| !up) => {}
        }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        // A panic in a test's predicate must not take the server down with it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Inner {
    site: Site,
    address: Option<SocketAddr>,
    url: String,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.site.shared.stop.send_replace(true);
    }
}

/// A Rocket.Chat server in the process. The handle is cheap to clone; the server stops with the last one.
///
/// ```
/// use std::time::Duration;
/// use rocketbotte::sandbox::Sandbox;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let sandbox = Sandbox::builder().user("ann").bot("rocketbotte").start().await?;
/// // A bot connects to `sandbox.url()` with `sandbox.bot("rocketbotte").token()`; here a human talks.
/// let asked = sandbox.user("ann").say("general", "hello").await;
/// sandbox.bot("rocketbotte").reply("general", &asked, "world").await;
///
/// let answer = sandbox.wait_for_reply(&asked, Duration::from_secs(1)).await?;
/// assert_eq!(answer.text, "world");
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Sandbox(Arc<Inner>);

impl fmt::Debug for Sandbox {
    // The state holds passwords and tokens, which have no place in a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sandbox")
            .field("url", &self.0.url)
            .finish_non_exhaustive()
    }
}

impl Sandbox {
    fn new(site: Site, address: Option<SocketAddr>, url: String) -> Self {
        Self(Arc::new(Inner { site, address, url }))
    }

    /// A server to describe before it starts.
    pub fn builder() -> SandboxBuilder {
        SandboxBuilder::default()
    }

    /// Starts a server with a human `ann` and a bot `rocketbotte` in `#general`.
    ///
    /// # Errors
    ///
    /// As [`SandboxBuilder::start`].
    pub async fn start() -> Result<Self, SandboxError> {
        Self::builder().start().await
    }

    /// Where the server is: `http://127.0.0.1:PORT`, with the subpath if there is one.
    pub fn url(&self) -> String {
        self.0.url.clone()
    }

    /// The address of the listener; `None` in memory.
    pub fn addr(&self) -> Option<SocketAddr> {
        self.0.address
    }

    /// A new connection in memory, served by the runtime of the caller like one over TCP, without TLS.
    ///
    /// It takes part in tests with paused time, since no other thread is in it.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    pub fn connect(&self) -> DuplexStream {
        let (ours, theirs) = tokio::io::duplex(MEMORY_BUFFER);
        if !self.state().faults.refuses() && *self.shared().up.borrow() {
            tokio::spawn(server::serve(self.0.site.clone(), Wire::memory(ours), false));
        }
        theirs
    }

    /// Stops the server, cuts all connections and waits until they are gone.
    pub async fn shutdown(&self) {
        self.shared().stop.send_replace(true);
        self.shared().stop.closed().await;
        self.state().end_feeds();
    }

    pub(crate) fn shared(&self) -> &Shared {
        &self.0.site.shared
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.shared().lock()
    }
}
