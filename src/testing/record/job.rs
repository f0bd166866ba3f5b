//! What is on its way from the pipeline to a recording.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{mpsc, oneshot};

use super::format::StoredAnswer;
use super::writer::Written;
use crate::event::MessageId;
use crate::request::Request;
use crate::response::Action;

/// An event and what it led to, or led to later.
pub(crate) struct Job {
    /// Counts the events.
    pub(crate) number: u64,
    pub(crate) at_ms: u64,
    pub(crate) request: Request,
    pub(crate) is_first: bool,
    pub(crate) answer: StoredAnswer,
    /// What is secret in this event.
    pub(crate) secrets: Vec<String>,
}

impl Job {
    /// About what it holds.
    fn bytes(&self) -> usize {
        let event = self.request.message().map_or(0, |message| message.json().len());
        let actions = self.answer.sent.iter().chain(&self.answer.actions);
        let texts = actions.map(|stored| match &stored.action {
            Action::Send(send) => send.content().len() + 4096 * send.attachments().len(),
            Action::Edit(edit) => edit.content().len(),
            Action::Upload(upload) => {
                upload.content().len() + upload.bytes().map_or(0, |bytes| 2 * bytes.len())
            }
            _ => 0,
        });
        event + texts.sum::<usize>() + 256
    }
}

/// Where jobs go.
#[derive(Clone)]
pub(crate) enum Outlet {
    /// To a thread that writes them.
    Queue(Arc<Queue>),
    /// To a replay.
    Memory(Arc<Memory>),
}

impl Outlet {
    /// Hands a job over, or counts it as lost. Never waits.
    pub(crate) fn put(&self, job: Job) {
        match self {
            Self::Queue(queue) => queue.put(job),
            Self::Memory(memory) => memory.lock().push(job),
        }
    }

    /// In a replay: what the server answered to what handlers sent, by route and position.
    pub(super) fn receipts_of(&self, request: &Request) -> HashMap<(String, u32), MessageId> {
        match self {
            Self::Queue(_) => HashMap::new(),
            Self::Memory(memory) => memory.receipts(request),
        }
    }
}

/// A bounded queue to the thread that writes.
pub(crate) struct Queue {
    sender: mpsc::Sender<Message>,
    pub(super) load: Arc<QueueLoad>,
    bytes_max: usize,
}

/// What the two ends of a queue share.
#[derive(Default)]
pub(super) struct QueueLoad {
    bytes: AtomicUsize,
    /// Not yet said in the file.
    lost: AtomicU64,
    lost_in_all: AtomicU64,
}

/// What the thread is told.
pub(super) enum Message {
    Job(Box<Job>, usize),
    /// Everything up to here is to be in the file.
    Flush(oneshot::Sender<std::io::Result<Written>>),
}

impl Queue {
    pub(super) fn new(jobs: usize, bytes_max: usize) -> (Self, mpsc::Receiver<Message>) {
        let (sender, receiver) = mpsc::channel(jobs.max(1));
        let queue = Self {
            sender,
            load: Arc::default(),
            bytes_max,
        };
        (queue, receiver)
    }

    fn put(&self, job: Job) {
        let bytes = job.bytes();
        let waiting = self.load.bytes.fetch_add(bytes, Ordering::Relaxed);
        let is_taken = waiting + bytes <= self.bytes_max
            && self.sender.try_send(Message::Job(Box::new(job), bytes)).is_ok();
        if !is_taken {
            self.load.taken(bytes);
            self.load.lose();
        }
    }

    pub(super) async fn flush(&self) -> std::io::Result<Written> {
        let gone = || std::io::Error::other("the thread that writes the recording has ended");
        let (reply, written) = oneshot::channel();
        let sent = self.sender.send(Message::Flush(reply)).await;
        sent.map_err(|_| gone())?;
        written.await.map_err(|_| gone())?
    }
}

impl QueueLoad {
    /// So many bytes wait no longer.
    pub(super) fn taken(&self, bytes: usize) {
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
    }

    pub(super) fn lose(&self) {
        self.lost.fetch_add(1, Ordering::Relaxed);
        let lost = self.lost_in_all.fetch_add(1, Ordering::Relaxed) + 1;
        // At each power of two: a flood must not flood the log too.
        if lost.is_power_of_two() {
            tracing::warn!(lost, "lines of the recording were lost");
        }
    }

    pub(super) fn lost_in_all(&self) -> u64 {
        self.lost_in_all.load(Ordering::Relaxed)
    }

    /// What was lost since it was asked last.
    pub(super) fn take_lost(&self) -> u64 {
        self.lost.swap(0, Ordering::Relaxed)
    }
}

/// Which event of a recording it is: its kind, its key, and the how manieth of them. Events that happen again and again
/// have no key.
pub(crate) type EventName = (&'static str, String, usize);

/// What a replay collects.
#[derive(Default)]
pub(crate) struct Memory {
    jobs: Mutex<Vec<Job>>,
    names: Mutex<Names>,
    receipts: HashMap<EventName, HashMap<(String, u32), MessageId>>,
}

impl Memory {
    pub(crate) fn new(receipts: HashMap<EventName, HashMap<(String, u32), MessageId>>) -> Self {
        Self {
            receipts,
            ..Self::default()
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Job>> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Everything so far, in the order of the events.
    pub(crate) fn take(&self) -> Vec<Job> {
        let mut jobs = std::mem::take(&mut *self.lock());
        jobs.sort_by_key(|job| job.number);
        jobs
    }

    fn receipts(&self, request: &Request) -> HashMap<(String, u32), MessageId> {
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        let name = names.next(request.event());
        self.receipts.get(&name).cloned().unwrap_or_default()
    }
}

/// Tells events with the same key apart.
#[derive(Default)]
pub(crate) struct Names(HashMap<(&'static str, String), usize>);

impl Names {
    /// The name of the next event.
    pub(crate) fn next(&mut self, event: &crate::event::Event) -> EventName {
        let (kind, key) = (
            event.kind().name(),
            event.own_key().unwrap_or_default().into_owned(),
        );
        let times = self.0.entry((kind, key.clone())).or_default();
        *times += 1;
        (kind, key, *times)
    }
}
