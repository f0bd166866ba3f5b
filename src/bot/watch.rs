//! A task beside the bot: it asks for the server's version after each reconnect, and says so when the bot hangs.

use std::future::pending;
use std::pin::Pin;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;

use super::connect::Session;
use super::limits;
use crate::dispatch::BotHandle;
use crate::rest::endpoint::Info;
use crate::rest::{Client, RestError};
use crate::transport::ConnectionState;

/// How often it is looked whether the bot is live.
const LOOK_EVERY: Duration = Duration::from_secs(15);

/// Ends the task when it is dropped.
pub(super) struct Watch(JoinHandle<()>);

impl Drop for Watch {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Watches a bot and its connection.
pub(super) fn watch(
    session: &Session,
    handle: BotHandle,
    mut connection: watch::Receiver<ConnectionState>,
) -> Watch {
    if let Some(version) = &session.server_version {
        handle.vitals().set_server_version(version);
    }
    let mut server = Server {
        client: session.client.clone(),
        roles: session.roles.clone(),
        handle: handle.clone(),
        // It was asked a moment ago, and answered.
        is_known: session.server_version.is_some(),
    };
    Watch(tokio::spawn(async move {
        let mut look = tokio::time::interval(LOOK_EVERY);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut asking: Option<Pin<Box<dyn Future<Output = Option<String>> + Send>>> = None;
        let mut was_live = true;
        loop {
            let answer = async {
                match &mut asking {
                    Some(asking) => asking.await,
                    None => pending().await,
                }
            };
            tokio::select! {
                changed = connection.changed() => match changed {
                    Ok(()) => asking = match *connection.borrow_and_update() {
                        ConnectionState::Ready => server.ask(),
                        _ => None,
                    },
                    // The connection has ended for good.
                    Err(_) => return,
                },
                version = answer => {
                    asking = None;
                    if let Some(version) = version {
                        server.is_now(&version);
                    }
                }
                _ = look.tick() => was_live = tell_if_it_hangs(&handle, was_live),
            }
        }
    }))
}

/// Once, until it is well again.
fn tell_if_it_hangs(handle: &BotHandle, was_live: bool) -> bool {
    let health = handle.health();
    let is_live = health.is_live();
    if was_live && !is_live {
        tracing::error!(
            state = %health.state,
            last_turn = ?health.last_turn,
            last_frame = ?health.last_frame,
            stalled = ?health.stalled,
            running = health.running,
            waiting = health.waiting,
            "the bot hangs: a handler blocks its thread, or all of them wait for something that does not come"
        );
    }
    is_live
}

/// What is known of the server.
struct Server {
    client: Client,
    roles: Vec<String>,
    handle: BotHandle,
    is_known: bool,
}

impl Server {
    /// Asks for the version: behind an outage there may be another.
    fn ask(&mut self) -> Option<Pin<Box<dyn Future<Output = Option<String>> + Send>>> {
        if std::mem::take(&mut self.is_known) {
            return None;
        }
        let client = self.client.clone();
        Some(Box::pin(async move {
            let version = |error: RestError| {
                tracing::debug!(%error, "the server does not tell its version");
                None
            };
            let info = client.call(&Info {}).await;
            info.map_or_else(version, |info| info.version().map(str::to_owned))
        }))
    }

    fn is_now(&self, version: &str) {
        let limiter = self.client.limiter();
        let warning = |version| limits::warning(limiter.account(), &self.roles, version);
        let unknown = self.handle.vitals().server_version().is_none();
        let Some(before) = self.handle.vitals().set_server_version(version) else {
            if unknown {
                tracing::info!(version, "the server tells its version");
            }
            return;
        };
        tracing::info!(
            version,
            before = &*before,
            "the server has another version than before"
        );
        // The sentence depends on the version, the rest on what the server says from now on.
        let sentence = warning(Some(version));
        if let Some(sentence) = sentence.filter(|sentence| Some(sentence) != warning(Some(&before)).as_ref())
        {
            tracing::warn!("{sentence}");
        }
        limiter.server_changed();
    }
}
