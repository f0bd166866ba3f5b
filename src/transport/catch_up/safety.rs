//! The sync now and then of a server that may not tell everything: of several instances, some events get lost between
//! them.

use std::time::Duration;

use tokio::time::Instant;

use super::calls::Lost;

/// After so many events it is forgotten what happened before the last so many: the classifier, which tells what was
/// heard already, remembers twice as many.
const EVENTS: usize = 4000;

/// When to look for lost events, and since when.
#[derive(Debug)]
pub(super) struct SafetySync {
    every: Duration,
    at: Option<Instant>,
    /// Up to here it has been looked, or so many events ago.
    since: Option<Instant>,
    /// When the last so many events, and those before them, began to be counted.
    marks: [Option<Instant>; 2],
    events: usize,
}

impl SafetySync {
    pub(super) fn new(every: Duration) -> Self {
        Self {
            every,
            at: None,
            since: None,
            marks: [None, None],
            events: 0,
        }
    }

    pub(super) fn at(&self) -> Option<Instant> {
        self.at
    }

    /// The connection is ready, or back: an outage is caught up by itself.
    pub(super) fn begin(&mut self, now: Instant) {
        self.since.get_or_insert(now);
        self.at = now.checked_add(self.every);
    }

    /// The connection is lost.
    pub(super) fn stop(&mut self) {
        self.at = None;
    }

    /// An event arrived.
    pub(super) fn heard(&mut self, now: Instant) {
        self.events += 1;
        if self.events >= EVENTS {
            self.events = 0;
            self.marks = [self.marks[1], Some(now)];
        }
    }

    /// It is time: since when something may be missing.
    pub(super) fn next(&mut self, now: Instant) -> Lost {
        let since = self.since.into_iter().chain(self.marks[0]).max();
        self.at = now.checked_add(self.every);
        Lost {
            at: since.unwrap_or(now),
            server: None,
        }
    }

    /// All that happened up to here was fetched.
    pub(super) fn done(&mut self, up_to: Instant) {
        self.since = Some(up_to);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_looks_back_to_the_last_time_and_no_further_than_is_remembered() {
        let began = Instant::now();
        let at = |secs: u64| began + Duration::from_secs(secs);
        let mut safety = SafetySync::new(Duration::from_secs(60));
        assert_eq!(safety.at(), None);
        safety.begin(began);
        assert_eq!(safety.at(), Some(at(60)));
        assert_eq!(safety.next(at(60)).at, began);
        // That did not work.
        assert_eq!(safety.next(at(90)).at, began);
        safety.done(at(90));
        assert_eq!(safety.next(at(120)).at, at(90));
        for second in 121..=123 {
            (0..EVENTS).for_each(|_| safety.heard(at(second)));
        }
        assert_eq!(safety.next(at(180)).at, at(122));
        safety.stop();
        assert_eq!(safety.at(), None);
    }
}
