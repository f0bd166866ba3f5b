//! What the page is told as it happens: bounded, remembered for who comes later.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use bytes::Bytes;
use tokio::sync::broadcast;

use super::traffic::Frame;
use crate::inspect::{Inspection, Inspector};

/// Records of bots that a page gets, and entries of the traffic that are kept.
const KEPT: usize = 500;
/// Notes that a slow page may be behind; then it gets what is remembered again.
const BEHIND: usize = 1024;

/// Notes for all pages that are open, each as a server-sent event.
#[derive(Debug)]
pub(crate) struct Hub {
    memory: Mutex<Memory>,
    feed: broadcast::Sender<Note>,
    watched: AtomicBool,
}

#[derive(Debug, Default)]
struct Memory {
    /// They remember what their bots did; a bot's number is its place.
    inspectors: Vec<Inspector>,
    traffic: VecDeque<Note>,
    entries: u64,
}

/// What a page is told. What a bot did, and a frame, become text only for a page that reads it: of a bot with a thousand routes
/// it is large, and it changes a dozen times; and frames come by the thousand.
#[derive(Clone, Debug)]
pub(super) enum Note {
    Text(Bytes),
    Inspection(usize, Arc<Inspection>),
    Frame(Arc<Frame>),
}

impl Note {
    /// A server-sent event. JSON has no line breaks of its own.
    pub(super) fn new(event: &str, data: &str) -> Self {
        Self::Text(Self::text(event, data))
    }

    fn text(event: &str, data: &str) -> Bytes {
        format!("event: {event}\ndata: {data}\n\n").into()
    }

    pub(super) fn into_text(self) -> Bytes {
        let (source, inspection) = match self {
            Self::Text(text) => return text,
            Self::Frame(frame) => return Self::text("traffic", &frame.to_json()),
            Self::Inspection(source, inspection) => (source, inspection),
        };
        let mut record = Arc::unwrap_or_clone(inspection);
        if record.explanation.is_some() {
            // The same once more.
            record.explanation_text = None;
        }
        match serde_json::to_string(&record) {
            Ok(record) => {
                format!("event: inspection\ndata: {{\"source\":{source},\"record\":{record}}}\n\n").into()
            }
            Err(error) => {
                tracing::warn!(%error, "the page can not be told of an event");
                Bytes::from_static(b": an event that can not be told\n\n")
            }
        }
    }
}

impl Default for Hub {
    fn default() -> Self {
        Self {
            memory: Mutex::default(),
            feed: broadcast::Sender::new(BEHIND),
            watched: AtomicBool::new(false),
        }
    }
}

impl Hub {
    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on the traffic is remembered.
    pub(super) fn watch(&self) {
        self.watched.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_watched(&self) -> bool {
        self.watched.load(Ordering::Relaxed)
    }

    /// A number for a bot that reports.
    pub(super) fn new_source(&self, inspector: &Inspector) -> usize {
        let mut memory = self.memory();
        memory.inspectors.push(inspector.clone());
        memory.inspectors.len()
    }

    /// What a bot did with an event, again whenever it changed. Who comes later hears it from the inspector.
    pub(super) fn inspection(&self, source: usize, inspection: Inspection) {
        // Nobody may be looking.
        let _ = self.feed.send(Note::Inspection(source, Arc::new(inspection)));
    }

    /// A call or a frame of a client. `note` gets its number.
    pub(super) fn traffic(&self, note: impl FnOnce(u64) -> Note) {
        let mut memory = self.memory();
        memory.entries += 1;
        let note = note(memory.entries);
        memory.traffic.push_back(note.clone());
        if memory.traffic.len() > KEPT {
            memory.traffic.pop_front();
        }
        // Sent under the lock, so that nothing overtakes what is remembered.
        let _ = self.feed.send(note);
    }

    /// The faults changed.
    pub(super) fn faults(&self, state: &str) {
        let _memory = self.memory();
        let _ = self.feed.send(Note::new("faults", state));
    }

    /// What is remembered, and everything that comes after it.
    pub(super) fn subscribe(&self) -> (VecDeque<Note>, broadcast::Receiver<Note>) {
        let memory = self.memory();
        // First, so that what changes meanwhile is told again.
        let feed = self.feed.subscribe();
        let mut inspections: Vec<(usize, Inspection)> = (1..)
            .zip(&memory.inspectors)
            .flat_map(|(source, inspector)| inspector.recent().into_iter().map(move |one| (source, one)))
            .collect();
        inspections.sort_by_key(|(_, inspection)| inspection.at);
        let too_many = inspections.len().saturating_sub(KEPT);
        let inspections = inspections
            .into_iter()
            .skip(too_many)
            .map(|(source, inspection)| Note::Inspection(source, Arc::new(inspection)));
        let all = std::iter::once(Note::new("begin", "{}"))
            .chain(inspections)
            .chain(memory.traffic.iter().cloned());
        (all.collect(), feed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_forgets_the_oldest() {
        let hub = Hub::default();
        for _ in 0..600 {
            hub.traffic(|number| Note::new("traffic", &number.to_string()));
        }
        let (remembered, _) = hub.subscribe();
        let texts: Vec<Bytes> = remembered.into_iter().map(Note::into_text).collect();
        assert_eq!(texts.len(), 1 + KEPT);
        assert!(texts[0].starts_with(b"event: begin\n"));
        assert_eq!(texts[1], "event: traffic\ndata: 101\n\n");
        assert_eq!(texts[KEPT], "event: traffic\ndata: 600\n\n");
    }
}
