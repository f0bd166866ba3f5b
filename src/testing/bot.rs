//! A whole bot without a server: events go in at one end, and what it does comes out at the other.

use std::collections::{HashMap, HashSet, VecDeque};
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_core::Stream;
use futures_util::future::{Ready, ready};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tower::{BoxError, Service};

use super::answer::Answer;
use super::{events, lines};
use crate::dispatch::{BotHandle, Receipt, Serve, ServeError, ShutdownReport};
use crate::event::{Event, MessageId};
use crate::request::Request;
use crate::response::{Action, Response};
use crate::transcript::Transcript;
use crate::transport::{Ack, Delivery, Settled, Transport, TransportError};

/// How long an event may take, by the clock on the wall.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long in paused time, in which that takes no time.
const PATIENCE_IN_PAUSED_TIME: Duration = Duration::from_secs(3600);

/// A whole bot without a server, for tests: with its order in each room, its deadlines, its replies to what fails, the
/// ids of its messages and its deliveries. Only the connection and the REST calls are not there. It is the bot
/// [`events::bot`], and has no name for anybody else.
///
/// In a test with paused time (`#[tokio::test(start_paused = true)]`) no deadline and no pause takes time.
///
/// ```
/// use rocketbotte::testing::{TestBot, events};
/// use rocketbotte::{Router, command::CommandLayer, extract::Args};
/// use tower::Layer;
///
/// async fn add(Args((a, b)): Args<(i64, i64)>) -> String { (a + b).to_string() }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let bot = TestBot::new(CommandLayer::new("!").layer(Router::new().command("add", add)));
/// bot.ask(events::message("!add 1 2")).await.says(["3"]);
/// bot.ask(events::message("just talk")).await.is_silent();
/// bot.transcript().assert_eq("
///     #general ann: !add 1 2
///     #general rocketbotte: 3
///     #general ann: just talk
/// ");
/// assert!(bot.shutdown().await.is_complete());
/// # }
/// ```
pub struct TestBot {
    handle: BotHandle,
    stage: Arc<Stage>,
    deliveries: mpsc::UnboundedSender<Delivery>,
    serving: JoinHandle<Result<ShutdownReport, ServeError>>,
    name: String,
}

impl TestBot {
    /// Serves a pipeline with the settings of a bot that nobody configured.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    pub fn new<S>(app: S) -> Self
    where
        S: Service<Request, Response = Response> + Send + 'static,
        S::Error: Into<BoxError>,
        S::Future: Send + 'static,
    {
        Self::with(app, |serve| serve)
    }

    /// Serves a pipeline with settings of one's own: `TestBot::with(app, |serve| serve.hold(…).journal(…))`. Its
    /// identity is [`events::bot`] and stays so.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    pub fn with<S>(app: S, configure: impl FnOnce(Serve<TestTransport>) -> Serve<TestTransport>) -> Self
    where
        S: Service<Request, Response = Response> + Send + 'static,
        S::Error: Into<BoxError>,
        S::Future: Send + 'static,
    {
        let (sender, receiver) = mpsc::unbounded_channel();
        let stage = Arc::<Stage>::default();
        let transport = TestTransport {
            deliveries: receiver,
            is_stopped: false,
        };
        let serve = Serve::new(transport, TestSink(Arc::clone(&stage))).id_secret(b"test");
        let serve = configure(serve).identity(events::bot());
        Self {
            handle: serve.handle(),
            stage,
            deliveries: sender,
            serving: tokio::spawn(serve.run(app)),
            name: events::bot().username().to_owned(),
        }
    }

    /// Delivers an event and does not wait: what became of it tells [`Delivered::settled`]. An event that is delivered
    /// again, a clone of it, has the same key.
    pub fn deliver(&self, event: impl Into<Event>) -> Delivered {
        self.hand_over(Delivery::live(event.into()))
    }

    /// Delivers an event that arrives in a special way: caught up after an outage, say. Its acknowledgement is the
    /// test's.
    pub fn hand_over(&self, delivery: Delivery) -> Delivered {
        let event = delivery.event().clone();
        let (settle, settled) = oneshot::channel();
        let ack = Ack::new(move |outcome| {
            // Nobody may wait for it.
            let _ = settle.send(outcome);
        });
        self.stage.happens(&event);
        // A bot that has ended drops the acknowledgement, which says so.
        let _ = self.deliveries.send(delivery.with_ack(ack));
        Delivered { settled, event }
    }

    /// Delivers an event, and waits until the bot has done all that it led to. With several events on their way at
    /// once the answer has what the bot did meanwhile for the others, too.
    ///
    /// # Panics
    ///
    /// The event is not done within ten seconds (in paused time: within an hour of it), or the bot has ended. The message
    /// shows what was done, and why the routes run or do not.
    pub async fn ask(&self, event: impl Into<Event>) -> Answer {
        let begun = self.stage.lock().actions.len();
        let delivered = self.deliver(event);
        let event = delivered.event.clone();
        let outcome = delivered.within_patience().await;
        let (actions, mut notes) = {
            let log = self.stage.lock();
            (log.actions[begun..].to_vec(), log.refusals.clone())
        };
        let why = self.why(&event);
        notes.push(if why.is_empty() {
            why
        } else {
            format!("why: {why}")
        });
        let answer = Answer::new(event, &self.name, actions, notes);
        match outcome {
            Some(Settled::Done) => answer,
            Some(Settled::Dropped) => panic!("the bot dropped the event\n{answer}\n{}", answer.why()),
            Some(Settled::Interrupted) => {
                panic!(
                    "the bot did not bring the event to an end\n{answer}\n{}",
                    answer.why()
                )
            }
            None => panic!(
                "the event is not done within {PATIENCE:?}\n{answer}\n{}",
                answer.why()
            ),
        }
    }

    /// Why the routes of the pipeline run for an event, or do not; empty where it has no router, or has seen no event
    /// yet.
    pub fn why(&self, event: &Event) -> String {
        self.handle.explain_event(event)
    }

    /// The bot's handle: to send, to fire events, to add listeners, to look at its counters.
    pub fn handle(&self) -> &BotHandle {
        &self.handle
    }

    /// All that the bot did so far, complete: with its rooms, its threads, and the ids of its messages. A message that is
    /// sent again under an id that is known is not there twice, as on a server.
    pub fn actions(&self) -> Vec<Action> {
        self.stage.lock().actions.clone()
    }

    /// What happened and what the bot did, in all rooms: `#general ann: hello`.
    pub fn transcript(&self) -> Transcript {
        let log = self.stage.lock();
        let lines = log.entries.iter().map(|(room, line)| match room {
            Some(room) => format!("{} {line}", log.label(room)),
            None => line.clone(),
        });
        Transcript::new(lines).with_notes(log.refusals.join("\n"))
    }

    /// What happened and what the bot did in one room, given by name or id: `ann: hello`.
    pub fn transcript_of(&self, room: &str) -> Transcript {
        let log = self.stage.lock();
        let is_there = |id: &str| {
            id == room
                || log
                    .names
                    .get(id)
                    .is_some_and(|name| name.trim_start_matches('#') == room)
        };
        let entries = log.entries.iter();
        let lines = entries.filter(|(id, _)| id.as_deref().is_some_and(is_there));
        Transcript::new(lines.map(|(_, line)| line.clone())).with_notes(log.refusals.join("\n"))
    }

    /// The next action is refused with this error, as by a server. Call it twice for the next two.
    pub fn refuse_next(&self, error: impl Into<String>) {
        self.stage.lock().refuse.push_back(error.into());
    }

    /// Waits until the bot has done all that was delivered, and ends it as its owner would.
    ///
    /// # Panics
    ///
    /// The bot panicked, or ended by an error.
    pub async fn shutdown(self) -> ShutdownReport {
        // The source of events ends, and with it the bot, once it has done what was delivered.
        drop(self.deliveries);
        match self.serving.await {
            Ok(Ok(report)) => report,
            Ok(Err(error)) => panic!("the bot ended by an error: {error}"),
            Err(error) => panic!("the bot panicked: {error}"),
        }
    }
}

impl fmt::Debug for TestBot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestBot")
            .field("state", &self.handle.state())
            .finish_non_exhaustive()
    }
}

/// An event that was delivered to a [`TestBot`].
#[derive(Debug)]
pub struct Delivered {
    settled: oneshot::Receiver<Settled>,
    event: Event,
}

impl Delivered {
    /// The event.
    pub fn event(&self) -> &Event {
        &self.event
    }

    /// Waits until the event is done, or given up.
    pub async fn settled(self) -> Settled {
        self.settled.await.unwrap_or(Settled::Interrupted)
    }

    /// `None` where it takes too long. Paused time runs ahead of the clock on the wall, which must not end a test.
    async fn within_patience(mut self) -> Option<Settled> {
        let (wall, paused) = (std::time::Instant::now(), tokio::time::Instant::now());
        loop {
            tokio::select! {
                settled = &mut self.settled => return Some(settled.unwrap_or(Settled::Interrupted)),
                () = tokio::time::sleep(Duration::from_secs(1)) => {}
            }
            if wall.elapsed() > PATIENCE || paused.elapsed() > PATIENCE_IN_PAUSED_TIME {
                return None;
            }
        }
    }
}

/// What happened, and what was done.
#[derive(Default)]
struct Stage(Mutex<Log>);

#[derive(Default)]
struct Log {
    /// Lines with the rooms they belong to.
    entries: Vec<(Option<String>, String)>,
    actions: Vec<Action>,
    known: HashSet<MessageId>,
    /// What people call the rooms.
    names: HashMap<String, String>,
    refuse: VecDeque<String>,
    refusals: Vec<String>,
}

impl Stage {
    fn lock(&self) -> MutexGuard<'_, Log> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn happens(&self, event: &Event) {
        let mut log = self.lock();
        let id = event.room_id().map(|id| id.as_str().to_owned());
        if let Some(id) = &id
            && let Some(label) = lines::room_label(event.room(), None)
        {
            log.names.insert(id.clone(), label);
        }
        log.entries.push((id, lines::of_event(event)));
    }

    fn perform(&self, action: Action) -> Result<Receipt, BoxError> {
        let mut log = self.lock();
        let id = action.lane().map(|id| id.as_str().to_owned());
        let line = lines::of_action(events::bot().username(), &action, id.as_deref());
        if let Some(error) = log.refuse.pop_front() {
            log.refusals.push(format!("refused with {error:?}: {line}"));
            return Err(error.into());
        }
        let receipt = receipt_of(&action);
        let is_known = match &action {
            Action::Send(send) => send
                .ids()
                .is_some_and(|ids| !log.known.insert(ids.first().clone())),
            // The server gives it another id each time; a bot on one posts it once all the same.
            Action::Upload(upload) => {
                (upload.fields.ids.as_ref()).is_some_and(|ids| !log.known.insert(ids.first().clone()))
            }
            _ => false,
        };
        if !is_known {
            log.entries.push((id, line));
            log.actions.push(action);
        }
        Ok(receipt)
    }
}

impl Log {
    fn label(&self, room: &str) -> String {
        self.names
            .get(room)
            .cloned()
            .unwrap_or_else(|| match room.starts_with(['#', '@', '(']) {
                // It is a name already.
                true => room.to_owned(),
                false => format!("#{room}"),
            })
    }
}

/// What a server would answer.
pub(super) fn receipt_of(action: &Action) -> Receipt {
    let id = match action {
        Action::Send(send) => send.ids().map(|ids| ids.first().clone()),
        Action::Upload(upload) => upload.fields.ids.as_ref().map(|ids| ids.first().clone()),
        Action::Edit(edit) => Some(edit.message_id().clone()),
        _ => None,
    };
    id.map_or_else(Receipt::default, Receipt::of_message)
}

/// Where a [`TestBot`] gets its events from.
pub struct TestTransport {
    deliveries: mpsc::UnboundedReceiver<Delivery>,
    is_stopped: bool,
}

impl Stream for TestTransport {
    type Item = Result<Delivery, TransportError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.is_stopped {
            return Poll::Ready(None);
        }
        self.deliveries.poll_recv(cx).map(|delivery| delivery.map(Ok))
    }
}

impl Transport for TestTransport {
    fn stop(mut self: Pin<&mut Self>) {
        self.is_stopped = true;
    }
}

impl fmt::Debug for TestTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestTransport").finish_non_exhaustive()
    }
}

#[derive(Clone)]
struct TestSink(Arc<Stage>);

impl Service<Action> for TestSink {
    type Response = Receipt;
    type Error = BoxError;
    type Future = Ready<Result<Receipt, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, action: Action) -> Self::Future {
        ready(self.0.perform(action))
    }
}
