//! What the page is told as it happens: bounded, remembered for who comes later.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use bytes::Bytes;
use tokio::sync::broadcast;

/// Records of bots that are kept, and entries of the traffic.
const KEPT: usize = 500;
/// Notes that a slow page may be behind; then it gets what is remembered again.
const BEHIND: usize = 1024;

/// Notes for all pages that are open, each as a server-sent event.
#[derive(Debug)]
pub(crate) struct Hub {
    memory: Mutex<Memory>,
    feed: broadcast::Sender<Bytes>,
    watched: AtomicBool,
}

#[derive(Debug, Default)]
struct Memory {
    /// By bot and by the number that the bot gave.
    inspections: BTreeMap<(u64, u64), Bytes>,
    /// In the order of their first note.
    order: VecDeque<(u64, u64)>,
    traffic: VecDeque<Bytes>,
    sources: u64,
    entries: u64,
}

/// A server-sent event. JSON has no line breaks of its own.
fn note(event: &str, data: &str) -> Bytes {
    format!("event: {event}\ndata: {data}\n\n").into()
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
    pub(super) fn new_source(&self) -> u64 {
        let mut memory = self.memory();
        memory.sources += 1;
        memory.sources
    }

    /// What a bot did with an event, again whenever it changed.
    pub(super) fn inspection(&self, source: u64, id: u64, record: &str) {
        let note = note(
            "inspection",
            &format!("{{\"source\":{source},\"record\":{record}}}"),
        );
        let mut memory = self.memory();
        if memory.inspections.insert((source, id), note.clone()).is_none() {
            memory.order.push_back((source, id));
        }
        while memory.order.len() > KEPT {
            if let Some(oldest) = memory.order.pop_front() {
                memory.inspections.remove(&oldest);
            }
        }
        // Nobody may be looking. Sent under the lock, so that nothing overtakes what is remembered.
        let _ = self.feed.send(note);
    }

    /// A call or a frame of a client. `describe` gets its number.
    pub(super) fn traffic(&self, describe: impl FnOnce(u64) -> String) {
        let mut memory = self.memory();
        memory.entries += 1;
        let note = note("traffic", &describe(memory.entries));
        memory.traffic.push_back(note.clone());
        if memory.traffic.len() > KEPT {
            memory.traffic.pop_front();
        }
        let _ = self.feed.send(note);
    }

    /// The faults changed.
    pub(super) fn faults(&self, state: &str) {
        let _memory = self.memory();
        let _ = self.feed.send(note("faults", state));
    }

    /// What is remembered, and everything that comes after it.
    pub(super) fn subscribe(&self) -> (VecDeque<Bytes>, broadcast::Receiver<Bytes>) {
        let memory = self.memory();
        let inspections = memory.order.iter().filter_map(|key| memory.inspections.get(key));
        let all = std::iter::once(note("begin", "{}"))
            .chain(inspections.cloned())
            .chain(memory.traffic.iter().cloned());
        (all.collect(), self.feed.subscribe())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_forgets_the_oldest_and_keeps_one_of_each() {
        let hub = Hub::default();
        let source = hub.new_source();
        for id in 0..600 {
            hub.inspection(source, id, "1");
            hub.inspection(source, id, "2");
            hub.traffic(|number| number.to_string());
        }
        let (remembered, _) = hub.subscribe();
        let texts: Vec<&str> = remembered
            .iter()
            .map(|note| std::str::from_utf8(note).unwrap_or_default())
            .collect();
        assert_eq!(texts.len(), 1 + 2 * KEPT);
        assert!(texts[0].starts_with("event: begin\n"));
        assert_eq!(
            texts[1],
            "event: inspection\ndata: {\"source\":1,\"record\":2}\n\n"
        );
        assert_eq!(texts[2 * KEPT], "event: traffic\ndata: 600\n\n");
    }
}
