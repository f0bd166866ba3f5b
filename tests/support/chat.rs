//! A bot on a sandbox over in-memory pipes, so that time can be paused: whatever was to be said by then is said.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use rocketbotte::dispatch::{BotHandle, ShutdownReport};
use rocketbotte::sandbox::{Sandbox, SandboxBuilder, SandboxMessage};
use rocketbotte::transport::{ConnectionState, Connector};
use rocketbotte::{Bot, BotBuilder, BotError, BoxError, Request, Response};
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};
use tokio::task::JoinHandle;
use tower::Service;

use super::after_secs;

/// Ann, Bob and the bot, who are all in `#general`.
pub fn people() -> SandboxBuilder {
    Sandbox::builder().user("ann").user("bob").bot("rocketbotte")
}

/// Ann asks the bot for the echo of a number.
pub async fn ask(sandbox: &Sandbox, room: &str, n: usize) -> String {
    sandbox.user("ann").say(room, &format!("!echo {n}")).await
}

/// The numbers that the bot said in a room, without the quotes of what came late.
pub fn said(sandbox: &Sandbox, room: &str) -> Vec<usize> {
    let last_word = |text: &str| {
        text.split_whitespace()
            .last()
            .unwrap_or_default()
            .parse()
            .unwrap()
    };
    let messages = sandbox.messages(room).into_iter();
    messages
        .filter(|message| message.username == "rocketbotte" && message.raw.get("t").is_none())
        .map(|message| last_word(&message.text))
        .collect()
}

pub fn pipes(sandbox: &Sandbox) -> Connector {
    let sandbox = sandbox.clone();
    Connector::from_fn(move |_| {
        let io = sandbox.connect();
        async { Ok::<_, std::io::Error>(io) }
    })
}

/// The same, and how many are open.
pub fn counted_pipes(sandbox: &Sandbox) -> (Connector, Arc<AtomicUsize>) {
    let (sandbox, open) = (sandbox.clone(), Arc::<AtomicUsize>::default());
    let counts = Arc::clone(&open);
    let connector = Connector::from_fn(move |_| {
        counts.fetch_add(1, Ordering::Relaxed);
        let io = Counted {
            io: sandbox.connect(),
            open: Arc::clone(&counts),
        };
        async { Ok::<_, std::io::Error>(io) }
    });
    (connector, open)
}

/// A pipe that is counted while it is open.
struct Counted {
    io: DuplexStream,
    open: Arc<AtomicUsize>,
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.open.fetch_sub(1, Ordering::Relaxed);
    }
}

impl AsyncRead for Counted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl AsyncWrite for Counted {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

/// A bot for one of the accounts of a server in memory.
pub fn bot_in(sandbox: &Sandbox, name: &str) -> BotBuilder {
    let account = sandbox.bot(name);
    Bot::builder(sandbox.url())
        .token(account.id(), account.token())
        .connector(pipes(sandbox))
        .handle_signals(false)
}

/// A bot that is connected.
pub struct Chat {
    pub sandbox: Sandbox,
    pub handle: BotHandle,
    pub serving: JoinHandle<Result<ShutdownReport, BotError>>,
    name: Arc<str>,
}

impl Chat {
    pub async fn with<S>(app: S) -> Self
    where
        S: Service<Request, Response = Response> + Send + 'static,
        S::Error: Into<BoxError>,
        S::Future: Send + 'static,
    {
        Self::on(&people().start_in_memory(), app).await
    }

    pub async fn on<S>(sandbox: &Sandbox, app: S) -> Self
    where
        S: Service<Request, Response = Response> + Send + 'static,
        S::Error: Into<BoxError>,
        S::Future: Send + 'static,
    {
        Self::of(sandbox, "rocketbotte", |bot| bot, app).await
    }

    pub async fn of<S>(
        sandbox: &Sandbox,
        name: &str,
        configure: impl FnOnce(BotBuilder) -> BotBuilder,
        app: S,
    ) -> Self
    where
        S: Service<Request, Response = Response> + Send + 'static,
        S::Error: Into<BoxError>,
        S::Future: Send + 'static,
    {
        let bot = configure(bot_in(sandbox, name)).build().unwrap();
        let chat = Self {
            sandbox: sandbox.clone(),
            handle: bot.handle(),
            serving: tokio::spawn(bot.serve(app)),
            name: name.into(),
        };
        after_secs(1).await;
        assert_eq!(chat.handle.state(), ConnectionState::Ready);
        chat
    }

    /// Ann says something in `#general`; what the bot then says there.
    pub async fn ask(&self, text: &str) -> Vec<String> {
        self.ask_in("general", text).await
    }

    pub async fn ask_in(&self, room: &str, text: &str) -> Vec<String> {
        let id = self.sandbox.user("ann").say(room, text).await;
        after_secs(1).await;
        self.after_message(room, &id)
            .into_iter()
            .map(|message| message.text)
            .collect()
    }

    /// All that the bot said in a room behind a message.
    pub fn after_message(&self, room: &str, id: &str) -> Vec<SandboxMessage> {
        let messages = self.sandbox.messages(room).into_iter();
        messages
            .skip_while(|message| message.id != id)
            .filter(|message| message.username == *self.name)
            .collect()
    }

    /// All that the bot said in a room.
    pub fn said(&self, room: &str) -> Vec<String> {
        let messages = self.sandbox.messages(room).into_iter();
        messages
            .filter(|message| message.username == *self.name)
            .map(|message| message.text)
            .collect()
    }
}
