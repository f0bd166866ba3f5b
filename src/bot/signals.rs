//! Stopping on signals.

use std::io;

use tokio::task::JoinHandle;

use crate::dispatch::BotHandle;

/// Ends the task when it is dropped.
pub(super) struct Signals(JoinHandle<()>);

impl Drop for Signals {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// The first SIGINT or SIGTERM stops the bot gracefully, the second at once. `None` where they can not be watched.
pub(super) fn shut_down_on_signals(handle: BotHandle) -> Option<Signals> {
    // From here on none is lost, neither before the task begins nor between two.
    let mut watched = match Watched::new() {
        Ok(watched) => watched,
        Err(error) => {
            tracing::warn!(%error, "signals can not be watched: the bot does not stop on them");
            return None;
        }
    };
    Some(Signals(tokio::spawn(async move {
        while let Some(name) = watched.next().await {
            tracing::info!(signal = name, "stopping");
            handle.shutdown();
        }
    })))
}

#[cfg(unix)]
struct Watched {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Watched {
    fn new() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};

        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    async fn next(&mut self) -> Option<&'static str> {
        tokio::select! {
            Some(()) = self.interrupt.recv() => Some("SIGINT"),
            Some(()) = self.terminate.recv() => Some("SIGTERM"),
            else => None,
        }
    }
}

#[cfg(not(unix))]
struct Watched(tokio::signal::windows::CtrlC);

#[cfg(not(unix))]
impl Watched {
    fn new() -> io::Result<Self> {
        tokio::signal::windows::ctrl_c().map(Self)
    }

    async fn next(&mut self) -> Option<&'static str> {
        self.0.recv().await.map(|()| "Ctrl-C")
    }
}
