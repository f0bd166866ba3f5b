//! Stopping on signals.

use tokio::task::JoinHandle;

use crate::dispatch::BotHandle;

/// Ends the task when it is dropped.
pub(super) struct Signals(JoinHandle<()>);

impl Drop for Signals {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// The first SIGINT or SIGTERM stops the bot gracefully, the second at once.
pub(super) fn shut_down_on_signals(handle: BotHandle) -> Signals {
    Signals(tokio::spawn(async move {
        loop {
            match signal().await {
                Ok(name) => {
                    tracing::info!(signal = name, "stopping");
                    handle.shutdown();
                }
                Err(error) => {
                    tracing::warn!(%error, "signals can not be watched: the bot does not stop on them");
                    return;
                }
            }
        }
    }))
}

#[cfg(unix)]
async fn signal() -> std::io::Result<&'static str> {
    use tokio::signal::unix::{SignalKind, signal};

    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    tokio::select! {
        _ = interrupt.recv() => Ok("SIGINT"),
        _ = terminate.recv() => Ok("SIGTERM"),
    }
}

#[cfg(not(unix))]
async fn signal() -> std::io::Result<&'static str> {
    tokio::signal::ctrl_c().await.map(|()| "Ctrl-C")
}
