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

/// The first SIGINT or SIGTERM stops the bot gracefully, the second at once. Watched from now on: none that comes while
/// the bot still connects is missed.
pub(super) fn shut_down_on_signals(handle: BotHandle) -> Option<Signals> {
    let mut watch = match Watch::new() {
        Ok(watch) => watch,
        Err(error) => {
            tracing::warn!(%error, "signals can not be watched: the bot does not stop on them");
            return None;
        }
    };
    Some(Signals(tokio::spawn(async move {
        while let Some(signal) = watch.next().await {
            tracing::info!(signal, "stopping");
            handle.shutdown();
        }
    })))
}

#[cfg(unix)]
struct Watch {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Watch {
    fn new() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};

        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    async fn next(&mut self) -> Option<&'static str> {
        tokio::select! {
            signal = self.interrupt.recv() => signal.map(|()| "SIGINT"),
            signal = self.terminate.recv() => signal.map(|()| "SIGTERM"),
        }
    }
}

#[cfg(not(unix))]
struct Watch;

#[cfg(not(unix))]
impl Watch {
    fn new() -> io::Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) -> Option<&'static str> {
        tokio::signal::ctrl_c().await.ok().map(|()| "Ctrl-C")
    }
}
