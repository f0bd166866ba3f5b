//! The last events, bounded.

use std::collections::VecDeque;

use tokio::time::Instant;

use super::record::{InspectedEvent, Inspection};

/// Events that are remembered.
const EVENTS: usize = 500;

/// Of so many the explanation is kept: of a bot with a thousand routes each is large.
const EXPLAINED: usize = 100;

#[derive(Debug, Default)]
pub(super) struct Ring {
    events: VecDeque<Remembered>,
    last_id: u64,
    /// Counts the changes.
    version: u64,
}

#[derive(Debug)]
struct Remembered {
    inspection: Inspection,
    began: Instant,
    /// The version of its last change.
    changed: u64,
}

impl Ring {
    pub(super) fn version(&self) -> u64 {
        self.version
    }

    pub(super) fn all(&self) -> Vec<Inspection> {
        self.events.iter().map(|event| event.inspection.clone()).collect()
    }

    /// What was changed first behind a version, and the version of that change.
    pub(super) fn changed_after(&self, version: u64) -> Option<(Inspection, u64)> {
        let changed = self.events.iter().filter(|event| event.changed > version);
        let first = changed.min_by_key(|event| event.changed)?;
        Some((first.inspection.clone(), first.changed))
    }

    /// Takes an event; its id.
    pub(super) fn begin(&mut self, event: InspectedEvent, at: u64) -> u64 {
        if self.events.len() == EVENTS {
            self.events.pop_front();
        }
        self.last_id += 1;
        self.version += 1;
        let inspection = Inspection {
            id: self.last_id,
            at,
            event,
            waited_us: None,
            took_us: None,
            layers: Vec::new(),
            command: None,
            explanation: None,
            explanation_text: None,
            outcome: None,
            error: None,
            actions: Vec::new(),
        };
        self.events.push_back(Remembered {
            inspection,
            began: Instant::now(),
            changed: self.version,
        });
        let unexplained = self.events.len().checked_sub(EXPLAINED + 1);
        if let Some(event) = unexplained.and_then(|index| self.events.get_mut(index)) {
            event.inspection.explanation = None;
            event.inspection.explanation_text = None;
        }
        self.last_id
    }

    /// Changes an event, if it is still remembered. The change is told how many microseconds after the event's begin it
    /// happens.
    pub(super) fn update<T>(&mut self, id: u64, change: impl FnOnce(&mut Inspection, u64) -> T) -> Option<T> {
        let first = self.events.front()?.inspection.id;
        let index = usize::try_from(id.checked_sub(first)?).ok()?;
        let event = self.events.get_mut(index)?;
        let now = u64::try_from(event.began.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.version += 1;
        event.changed = self.version;
        Some(change(&mut event.inspection, now))
    }
}
