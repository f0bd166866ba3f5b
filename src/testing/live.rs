//! A bot on a sandbox, over real sockets.

use std::fmt;
use std::time::Duration;

use tokio::task::JoinHandle;
use tower::{BoxError, Service};

use crate::bot::{Bot, BotBuilder, BotError};
use crate::dispatch::{BotHandle, ShutdownReport};
use crate::event::{Event, Message, Room, RoomKind};
use crate::request::Request;
use crate::response::Response;
use crate::sandbox::{Sandbox, SandboxMessage};
use crate::transport::ConnectionState;

/// How long connecting may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long a reply may take.
const REPLY: Duration = Duration::from_secs(5);

/// Serves a pipeline on a [`Sandbox`], as one of its bots, and waits until it is connected. It ends with the handle.
///
/// ```
/// use rocketbotte::{Router, command::CommandLayer, sandbox::Sandbox, testing};
/// use tower::Layer;
///
/// async fn ping() -> &'static str { "pong" }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), rocketbotte::BoxError> {
/// let sandbox = Sandbox::start().await?;
/// let app = CommandLayer::new("!").layer(Router::new().command("ping", ping));
/// let bot = testing::serve(&sandbox, "rocketbotte", app).await;
/// assert_eq!(bot.ask("ann", "general", "!ping").await.text, "pong");
/// assert!(bot.shutdown().await.is_complete());
/// # Ok(())
/// # }
/// ```
///
/// # Panics
///
/// The sandbox has no bot of this name, or it does not get a connection.
pub async fn serve<S>(sandbox: &Sandbox, bot: &str, app: S) -> LiveBot
where
    S: Service<Request, Response = Response> + Send + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send + 'static,
{
    serve_with(sandbox, bot, app, |settings| settings).await
}

/// Like [`serve`], with settings of one's own. Those that are given to the function belong to the bot's account, leave
/// signals to the test, and have the bot connect again within 20 ms.
///
/// # Panics
///
/// As [`serve`], and where the settings are refused.
pub async fn serve_with<S>(
    sandbox: &Sandbox,
    bot: &str,
    app: S,
    configure: impl FnOnce(BotBuilder) -> BotBuilder,
) -> LiveBot
where
    S: Service<Request, Response = Response> + Send + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send + 'static,
{
    let account = sandbox.bot(bot);
    let settings = Bot::builder(sandbox.url())
        .token(account.id(), account.token())
        .max_retry_time(Duration::from_millis(20))
        .handle_signals(false);
    let bot = match configure(settings).build() {
        Ok(bot) => bot,
        Err(error) => panic!("the bot's settings are refused: {error}"),
    };
    let handle = bot.handle();
    let live = LiveBot {
        serving: Some(tokio::spawn(bot.serve(app))),
        handle,
        sandbox: sandbox.clone(),
    };
    live.connected().await
}

/// A bot on a [`Sandbox`], made by [`serve`]. It ends when this is dropped.
pub struct LiveBot {
    handle: BotHandle,
    sandbox: Sandbox,
    serving: Option<JoinHandle<Result<ShutdownReport, BotError>>>,
}

impl LiveBot {
    async fn connected(self) -> Self {
        let is_ready = self.is_in(ConnectionState::Ready).await;
        if !is_ready {
            let report = self.sandbox.report();
            match self.end().await {
                Some(Err(error)) => panic!("the bot has no connection: {error}\n{report}"),
                _ => panic!("the bot had no connection within {PATIENCE:?}\n{report}"),
            }
        }
        self
    }

    /// Whether it came to a state in time.
    async fn is_in(&self, state: ConnectionState) -> bool {
        let mut states = self.handle.watch_state();
        let there = states.wait_for(|now| *now == state || *now == ConnectionState::Closed);
        let there = tokio::time::timeout(PATIENCE, there).await;
        there.is_ok_and(|now| now.is_ok_and(|now| *now == state))
    }

    /// Waits until it is connected: at once if it is.
    ///
    /// # Panics
    ///
    /// It has ended, or is not connected within ten seconds.
    pub async fn ready(&self) {
        assert!(
            self.is_in(ConnectionState::Ready).await,
            "the bot is not connected\n{}",
            self.sandbox.report()
        );
    }

    /// Somebody says something in a room, and this is what somebody else says then, in its thread or in its room.
    ///
    /// # Panics
    ///
    /// The server refuses it, or nobody answers within five seconds. The message shows why the bot's routes run for it or
    /// do not, what was said instead, and what the server saw.
    pub async fn ask(&self, username: &str, room: &str, text: &str) -> SandboxMessage {
        let asked = self.sandbox.user(username).say(room, text).await;
        match self.sandbox.wait_for_reply(&asked, REPLY).await {
            Ok(reply) => reply,
            Err(error) => {
                let why = self.why(&asked);
                panic!("nobody answered {username} who said {text:?} in {room:?}: {error}\nwhy: {why}")
            }
        }
    }

    /// Why the bot's routes run for a message of the sandbox, or do not; empty where its pipeline has no router, or has
    /// seen no event yet.
    pub fn why(&self, message_id: &str) -> String {
        let Some(posted) = self.sandbox.message(message_id) else {
            return String::new();
        };
        let Ok(message) = Message::from_json(&posted.raw.to_string()) else {
            return String::new();
        };
        let (letter, name) = self.sandbox.room_kind(&posted.room_id);
        let room = Room::new(posted.room_id, RoomKind::from_letter(letter));
        let room = match name {
            Some(name) => room.with_name(name),
            None => room,
        };
        self.handle.explain_event(&Event::from(message.in_room(room)))
    }

    /// The bot's handle: to send, to fire events, to look at its state.
    pub fn handle(&self) -> &BotHandle {
        &self.handle
    }

    /// Stops the bot as its owner would, and waits for its end.
    ///
    /// # Panics
    ///
    /// It ended by an error, or panicked.
    pub async fn shutdown(self) -> ShutdownReport {
        let report = self.sandbox.report();
        match self.end().await {
            Some(Ok(done)) => done,
            Some(Err(error)) => panic!("the bot ended by an error: {error}\n{report}"),
            None => panic!("the bot panicked\n{report}"),
        }
    }

    /// `None` where it panicked.
    async fn end(mut self) -> Option<Result<ShutdownReport, BotError>> {
        // A second time it would end at once.
        self.handle.shutdown();
        self.serving.take()?.await.ok()
    }
}

impl Drop for LiveBot {
    fn drop(&mut self) {
        if let Some(serving) = &self.serving {
            serving.abort();
        }
    }
}

impl fmt::Debug for LiveBot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LiveBot")
            .field("state", &self.handle.state())
            .finish_non_exhaustive()
    }
}
