//! Replays a [recording](super::record) and tells what is otherwise now.
//!
//! The events go through the whole bot again, without a server: its lanes, its deadlines, its rate limits, in the order
//! in which they came and with the pauses between them. In a test with paused time
//! (`#[tokio::test(start_paused = true)]`) the pauses take no time; [`Replay::at_once`] leaves them out. Handlers run for
//! real, what they do outside of the chat too; [`Context::arrival`](crate::Context::arrival) tells them that it is a
//! replay, and there is no REST client. The example is at the [module that records](super::record).

mod report;

use std::collections::HashMap;
use std::fmt;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_core::Stream;
use futures_util::future::ready;
use tokio::time::{Instant, Sleep, sleep_until};
use tower::{BoxError, Layer, Service};

pub use self::report::{Difference, ReplayReport};
use super::record::format::{EventLine, Header, StoredAnswer, StoredArrival};
use super::record::job::{EventName, Memory, Names, Outlet};
use super::record::{Damage, RecordLayer, Recording, RecordingError, Redactor};
use crate::context::Identity;
use crate::dispatch::{Serve, ServeError};
use crate::event::{Event, MessageId};
use crate::request::Request;
use crate::response::{Action, Response};
use crate::transport::{Arrival, Delivery, Transport, TransportError};

/// A recording that is replayed: see the [module](self).
#[must_use = "it does nothing until it is run"]
pub struct Replay {
    recording: Recording,
    keeps_pauses: bool,
    redactor: Redactor,
}

impl Replay {
    /// Reads a recording.
    ///
    /// # Errors
    ///
    /// The file can not be read, is no recording or that of a later version, or a line of it is damaged.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, RecordingError> {
        Self::read(BufReader::new(File::open(path)?))
    }

    /// Reads a recording from anywhere.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open).
    pub fn read(from: impl BufRead) -> Result<Self, RecordingError> {
        Recording::read(from, false).map(Self::new)
    }

    /// Reads a recording and leaves out the lines that are damaged, such as the last one of a process that was killed:
    /// [`damages`](Self::damages) tells which.
    ///
    /// # Errors
    ///
    /// The file can not be read, or does not begin as a recording of this version or an earlier one.
    pub fn open_damaged(path: impl AsRef<Path>) -> Result<Self, RecordingError> {
        Recording::read(BufReader::new(File::open(path)?), true).map(Self::new)
    }

    fn new(recording: Recording) -> Self {
        Self {
            recording,
            keeps_pauses: true,
            redactor: Redactor::default(),
        }
    }

    /// Leaves the pauses between the events out. Limits by time then see them all at once.
    pub fn at_once(mut self) -> Self {
        self.keeps_pauses = false;
        self
    }

    /// Takes a text out of what the bot answers now, as [`RecorderBuilder::secret`](super::record::RecorderBuilder::secret)
    /// did then.
    pub fn secret(mut self, secret: impl Into<crate::Secret>) -> Self {
        self.redactor.add_secret(secret.into().expose());
        self
    }

    /// Changes every text that the bot answers now, as
    /// [`RecorderBuilder::redact`](super::record::RecorderBuilder::redact) did then.
    pub fn redact(mut self, rule: impl Fn(&str) -> String + Send + Sync + 'static) -> Self {
        self.redactor.add_rule(Arc::new(rule));
        self
    }

    /// How many events it has.
    pub fn events(&self) -> usize {
        self.recording.events.len()
    }

    /// The lines that were left out.
    pub fn damages(&self) -> &[Damage] {
        &self.recording.damages
    }

    /// Sends the events through a pipeline, and compares what it answers with what was answered then.
    ///
    /// # Errors
    ///
    /// The pipeline says that it takes no more requests.
    pub async fn run<S>(self, service: S) -> Result<ReplayReport, ServeError>
    where
        S: Service<Request, Response = Response> + Send + 'static,
        S::Error: Into<BoxError>,
        S::Future: Send + 'static,
    {
        let Self {
            recording,
            keeps_pauses,
            mut redactor,
        } = self;
        let Recording {
            header,
            events: lines,
            lost,
            damages,
        } = recording;
        let mut then = Then::new(lines);
        let memory = Arc::new(Memory::new(std::mem::take(&mut then.receipts)));
        let layer = RecordLayer::new(Outlet::Memory(Arc::clone(&memory)));
        let transport = Recorded::new(std::mem::take(&mut then.deliveries), keeps_pauses);
        // A server that takes everything, and keeps nothing.
        let nowhere =
            tower::service_fn(|action: Action| ready(Ok::<_, BoxError>(super::bot::receipt_of(&action))));
        let serve = Serve::new(transport, nowhere).identity(identity(&header));
        let handle = serve.handle();
        // Everything that is recorded reached the pipeline then.
        serve.hear_bots(true).run(layer.layer(service)).await?;

        let mut now = HashMap::<u64, (EventName, Request, StoredAnswer)>::new();
        let mut names = Names::default();
        for mut job in memory.take() {
            job.answer.redact(&mut redactor, &job.secrets);
            match now.get_mut(&job.number) {
                Some((.., answer)) => answer.append(job.answer),
                None => {
                    let name = names.next(job.request.event());
                    now.insert(job.number, (name, job.request, job.answer));
                }
            }
        }
        let now = now
            .into_values()
            .map(|(name, request, answer)| (name, (request, answer)))
            .collect();
        Ok(report::compare(&header, then, now, &handle, lost, damages))
    }
}

impl fmt::Debug for Replay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Replay")
            .field("events", &self.events())
            .field("damages", &self.damages().len())
            .finish_non_exhaustive()
    }
}

fn identity(header: &Header) -> Identity {
    let identity = Identity::new(header.bot_id.clone(), header.bot_username.clone());
    match &header.bot_name {
        Some(name) => identity.with_name(name.clone()),
        None => identity,
    }
}

/// What was recorded.
struct Then {
    deliveries: Vec<(Duration, Delivery)>,
    receipts: HashMap<EventName, HashMap<(String, u32), MessageId>>,
    lines: Vec<(EventName, Event, EventLine)>,
    /// Events that can not be delivered again, and why.
    skipped: Vec<String>,
}

impl Then {
    fn new(events: Vec<EventLine>) -> Self {
        let mut then = Self {
            deliveries: Vec::new(),
            receipts: HashMap::new(),
            lines: Vec::new(),
            skipped: Vec::new(),
        };
        let mut names = Names::default();
        for line in events {
            let event = match line.event.restore() {
                Ok(event) => event,
                Err(why) => {
                    then.skipped.push(why);
                    continue;
                }
            };
            let name = names.next(&event);
            let receipts = line.answer.sent.iter().filter_map(|sent| {
                let route = sent.route.clone().unwrap_or_default();
                Some(((route, sent.position?), sent.receipt.clone()?))
            });
            let receipts: HashMap<_, _> = receipts.collect();
            if !receipts.is_empty() {
                then.receipts.insert(name.clone(), receipts);
            }
            // The bot says by itself that it stops.
            if !matches!(event, Event::Close) {
                let arrival = match line.arrival {
                    StoredArrival::Live => Arrival::Replayed,
                    StoredArrival::CaughtUp => Arrival::CaughtUp,
                };
                let delivery = Delivery::live(event.clone())
                    .arrived(arrival)
                    .too_old(line.is_too_old);
                then.deliveries
                    .push((Duration::from_millis(line.at_ms), delivery));
            }
            then.lines.push((name, event, line));
        }
        then
    }
}

/// The events of a recording as a transport.
struct Recorded {
    deliveries: std::vec::IntoIter<(Duration, Delivery)>,
    next: Option<(Duration, Delivery)>,
    /// When it began, and the pause until the next event.
    clock: Option<(Instant, Pin<Box<Sleep>>)>,
    keeps_pauses: bool,
    is_stopped: bool,
}

impl Recorded {
    fn new(deliveries: Vec<(Duration, Delivery)>, keeps_pauses: bool) -> Self {
        Self {
            deliveries: deliveries.into_iter(),
            next: None,
            clock: None,
            keeps_pauses,
            is_stopped: false,
        }
    }
}

impl Stream for Recorded {
    type Item = Result<Delivery, TransportError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        if this.is_stopped {
            return Poll::Ready(None);
        }
        if this.next.is_none() {
            this.next = this.deliveries.next();
        }
        let Some((at, _)) = &this.next else {
            return Poll::Ready(None);
        };
        if this.keeps_pauses {
            let (began, sleep) = this.clock.get_or_insert_with(|| {
                let now = Instant::now();
                (now, Box::pin(sleep_until(now)))
            });
            // One that is too far away is due at once.
            let due = began.checked_add(*at).unwrap_or(*began);
            if sleep.deadline() != due {
                sleep.as_mut().reset(due);
            }
            if sleep.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
        }
        Poll::Ready(this.next.take().map(|(_, delivery)| Ok(delivery)))
    }
}

impl Transport for Recorded {
    fn stop(self: Pin<&mut Self>) {
        self.get_mut().is_stopped = true;
    }
}
