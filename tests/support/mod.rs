//! What the tests of the whole share: a bot on a stream of events with a recorder for a sink, and collected logs.

#![allow(
    dead_code,
    unused_imports,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "each test uses a part, and a test ends by them"
)]

#[cfg(all(feature = "client", feature = "sandbox"))]
pub mod chat;
#[cfg(all(feature = "client", feature = "sandbox"))]
pub mod echo_bot;
#[cfg(all(feature = "client", feature = "sandbox"))]
pub mod heard;
#[cfg(all(feature = "client", feature = "sandbox"))]
pub mod live;
mod log;

use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::{BoxStream, StreamExt as _, poll_fn};
use rocketbotte::command::CommandLayer;
use rocketbotte::dispatch::{BotHandle, Receipt, Serve, ServeError, ShutdownReport};
use rocketbotte::event::{Event, Message, Room, RoomKind};
use rocketbotte::extract::Args;
use rocketbotte::response::Action;
use rocketbotte::testing::events;
use rocketbotte::transport::{self, Ack, Delivery, EventStream, Settled};
use rocketbotte::{BoxError, Request, Response, Router};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tower::{Service, ServiceBuilder};

pub(crate) use self::log::Log;

/// An action that was carried out, and how many seconds after the recorder was made.
#[derive(Clone, Debug)]
pub struct Recorded {
    pub second: u64,
    pub action: Action,
}

impl Recorded {
    pub fn text(&self) -> &str {
        match &self.action {
            Action::Send(send) => send.content(),
            _ => "",
        }
    }

    pub fn room(&self) -> String {
        self.action.room_id().unwrap().to_string()
    }

    pub fn thread(&self) -> Option<String> {
        match &self.action {
            Action::Send(send) => send.thread_id().map(ToString::to_string),
            _ => None,
        }
    }

    /// The id that a message went out under.
    pub fn id(&self) -> String {
        match &self.action {
            Action::Send(send) => send.ids().unwrap().first().to_string(),
            _ => String::new(),
        }
    }
}

type Before = Arc<dyn Fn(&Action) -> BoxFuture<'static, Result<(), BoxError>> + Send + Sync>;

/// A sink that keeps what it is given.
#[derive(Clone)]
pub struct Recorder {
    began: Instant,
    log: Arc<Mutex<Vec<Recorded>>>,
    before: Before,
}

impl Recorder {
    pub fn new() -> Self {
        Self::with(|_| Box::pin(std::future::ready(Ok(()))))
    }

    /// What is done, or waited for, before an action is recorded; with an error it is not.
    pub fn with(
        before: impl Fn(&Action) -> BoxFuture<'static, Result<(), BoxError>> + Send + Sync + 'static,
    ) -> Self {
        Self {
            began: Instant::now(),
            log: Arc::default(),
            before: Arc::new(before),
        }
    }

    pub fn all(&self) -> Vec<Recorded> {
        self.log.lock().unwrap().clone()
    }

    pub fn texts(&self) -> Vec<String> {
        self.all().iter().map(|sent| sent.text().to_owned()).collect()
    }

    /// The texts with the second in which each was sent.
    pub fn timed(&self) -> Vec<(u64, String)> {
        self.all()
            .iter()
            .map(|sent| (sent.second, sent.text().to_owned()))
            .collect()
    }

    pub fn ids(&self) -> Vec<String> {
        self.all().iter().map(Recorded::id).collect()
    }
}

impl Service<Action> for Recorder {
    type Response = Receipt;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Receipt, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, action: Action) -> Self::Future {
        let (log, began, before) = (Arc::clone(&self.log), self.began, (self.before)(&action));
        Box::pin(async move {
            before.await?;
            let second = began.elapsed().as_secs();
            log.lock().unwrap().push(Recorded { second, action });
            Ok(Receipt::default())
        })
    }
}

/// A stack whose command `!echo` repeats what it is told.
pub fn echo() -> impl Service<Request, Response = Response, Error = BoxError, Future: Send> + Send + 'static {
    let router = Router::new().command("echo", async |Args(text): Args<String>| text);
    ServiceBuilder::new()
        .layer(CommandLayer::new("!"))
        .service(router)
}

pub type Events = EventStream<BoxStream<'static, Delivery>>;

/// A bot that is driven by a test.
pub struct Driven {
    pub handle: BotHandle,
    pub sent: Recorder,
    events: Option<mpsc::UnboundedSender<Delivery>>,
    serving: JoinHandle<Result<ShutdownReport, ServeError>>,
}

/// Serves an app with the default settings.
pub fn drive<S>(app: S) -> Driven
where
    S: Service<Request, Response = Response> + Send + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send + 'static,
{
    drive_with(Recorder::new(), |serve| serve, app)
}

pub fn drive_with<S>(sent: Recorder, configure: impl FnOnce(Serve<Events>) -> Serve<Events>, app: S) -> Driven
where
    S: Service<Request, Response = Response> + Send + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send + 'static,
{
    let (events, mut receiver) = mpsc::unbounded_channel();
    let stream = poll_fn(move |cx| receiver.poll_recv(cx)).boxed();
    let serve = Serve::new(transport::from_stream(stream), sent.clone())
        .identity(events::bot())
        .id_secret(b"secret");
    let serve = configure(serve);
    let handle = serve.handle();
    Driven {
        handle,
        sent,
        events: Some(events),
        serving: tokio::spawn(serve.run(app)),
    }
}

impl Driven {
    pub fn deliver(&self, event: impl Into<Event>) {
        self.hand_over(Delivery::live(event.into()));
    }

    /// Delivers an event and is told what became of it.
    pub fn deliver_awaited(&self, event: impl Into<Event>) -> Fate {
        let fate = Fate::default();
        self.hand_over(Delivery::live(event.into()).with_ack(fate.ack()));
        fate
    }

    fn hand_over(&self, delivery: Delivery) {
        let _ = self.events.as_ref().unwrap().send(delivery);
    }

    /// Ann says something in the channel `general`.
    pub fn say(&self, text: &str) {
        self.deliver(events::message(text));
    }

    /// Ann says something in a channel, and it is told what became of it.
    pub fn say_in(&self, room: &str, text: &str) -> Fate {
        self.deliver_awaited(message_in(room, text))
    }

    /// The source ends, and the bot with it.
    pub async fn end(mut self) -> ShutdownReport {
        self.events = None;
        self.result().await.unwrap()
    }

    pub async fn shut_down(self) -> ShutdownReport {
        self.handle.shutdown();
        self.result().await.unwrap()
    }

    pub async fn result(self) -> Result<ShutdownReport, ServeError> {
        self.serving.await.unwrap()
    }

    /// Ends it at once, as the end of the process would: nothing that is on its way is settled.
    pub async fn kill(self) {
        self.serving.abort();
        let _ = self.serving.await;
    }

    pub fn has_ended(&self) -> bool {
        self.serving.is_finished()
    }
}

pub fn message_in(room: &str, text: &str) -> Event {
    Message::builder(Room::new(room, RoomKind::Channel), events::ann(), text)
        .build()
        .into()
}

/// How often, and how, a delivery was settled.
#[derive(Clone, Debug, Default)]
pub struct Fate(Arc<Mutex<Vec<Settled>>>);

impl Fate {
    pub fn ack(&self) -> Ack {
        let log = Arc::clone(&self.0);
        Ack::new(move |settled| log.lock().unwrap().push(settled))
    }

    pub fn get(&self) -> Vec<Settled> {
        self.0.lock().unwrap().clone()
    }
}

/// In paused time: everything that can happen by then has happened.
pub async fn after(time: Duration) {
    tokio::time::sleep(time).await;
}

pub async fn after_secs(seconds: u64) {
    after(Duration::from_secs(seconds)).await;
}

/// In paused time: whatever needs no time has happened.
pub async fn settled() {
    after(Duration::from_millis(1)).await;
}
