//! What an earlier process left: caught up at the start as if the time between the two had been an outage.

use std::collections::HashSet;
use std::time::Duration;

use tokio::time::Instant;

use super::calls::Lost;
use super::merge::Sorted;
use super::suspects::Recovered;
use super::watermarks::TICK;
use super::{CatchUp, earlier};
use crate::event::classify::Classifier;
use crate::event::{RoomId, Timestamp};
use crate::transport::{Arrival, Delivery};

/// So often it is written down that the connection lives.
const ALIVE: Duration = Duration::from_secs(1);

/// The server tells its time no better than this.
const EXACT: Duration = Duration::from_secs(2);

/// While what an earlier process left is caught up.
#[derive(Debug, Default)]
pub(super) struct Recovery {
    /// The events that were handed over, or are to be.
    seen: HashSet<Box<str>>,
}

impl CatchUp {
    /// Goes on where an earlier process ended. The first one begins now.
    pub(super) async fn recall(&mut self, classifier: &mut Classifier) {
        let Some(ledger) = self.marks.ledger.clone() else {
            return;
        };
        let Some(alive) = ledger.alive() else {
            if let Some(now) = self.started {
                ledger.set_began(now);
                ledger.set_alive(now);
                // A crash right after the first event must find that this was before.
                ledger.flush().await;
            }
            return;
        };
        for (revision, key) in ledger.finished() {
            classifier.recall(&key, revision);
        }
        // Messages of a clock that was ahead are no proof of the time.
        let clock = self.client.clock().at(Instant::now());
        let now = clock.or(self.started).unwrap_or(alive);
        let lost = if alive > now.saturating_add(EXACT) {
            // The server's clock was set back, so the times of before say nothing: what is not too old is looked for.
            let lost = now.saturating_sub(self.limits.age);
            tracing::warn!(%alive, %now, "the server's clock is behind the time at which it was heard last");
            let began = ledger.began().map_or(lost, |began| began.min(lost));
            ledger.set_back(began, lost);
            self.started = Some(began);
            self.newest = Some(now);
            lost
        } else {
            self.started = ledger.began().or(self.started);
            self.newest = self.newest.max(Some(alive));
            let last = ledger.newest();
            let lost = last.map_or(alive, |last| earlier(alive, last, self.limits));
            lost.min(now)
        };
        self.lost = Some(Lost {
            at: Instant::now(),
            server: Some(lost),
        });
        self.gap = Some(now.saturating_since(alive));
        self.recovery = Some(Recovery::default());
    }

    /// Where the server did not tell its time at the first start, its first event does.
    pub(super) fn begin_at(&self, revision: Timestamp) {
        if let Some(ledger) = &self.marks.ledger
            && ledger.alive().is_none()
        {
            let before = revision.saturating_sub(TICK);
            ledger.set_began(before);
            ledger.set_alive(before);
        }
    }

    /// Everything up to the newest event was received, unless the clock that wrote it is ahead of the server's.
    pub(super) fn is_alive_now(&self) {
        let clock = self.client.clock().at(Instant::now());
        self.is_alive(clock.into_iter().chain(self.newest).min());
    }

    /// Everything up to here was received, if nothing is to be caught up.
    pub(super) fn is_alive(&self, at: Option<Timestamp>) {
        if let (Some(ledger), Some(at)) = (&self.marks.ledger, at)
            && self.lost.is_none()
        {
            ledger.set_alive(at);
        }
    }

    /// The connection showed life.
    pub(in crate::transport) fn heard(&mut self, now: Instant) {
        if self.marks.ledger.is_none() || !self.is_connected {
            return;
        }
        if self
            .alive_at
            .is_none_or(|at| now.saturating_duration_since(at) >= ALIVE)
        {
            self.alive_at = Some(now);
            self.is_alive(self.client.clock().at(now));
        }
    }

    /// An event that was fetched, or waited for that.
    pub(super) fn push(&mut self, room: &RoomId, sorted: Sorted, age: Duration) {
        let Sorted {
            event,
            arrival,
            revision,
            is_too_old,
            ..
        } = sorted;
        let late = |delivery: Delivery| delivery.happened_ago(age).too_old(is_too_old);
        let key = event.own_key();
        let (Some(ledger), Some(recovery), Some(key), Arrival::CaughtUp) =
            (self.marks.ledger.clone(), &mut self.recovery, key, arrival)
        else {
            let delivery = self.marks.delivery(event, arrival, room, revision, None);
            self.outbox.push(room, late(delivery).into());
            return;
        };
        if ledger.is_finished(room, &key) {
            return;
        }
        let Some(limit) = self.limits.crashes else {
            let delivery = self.marks.delivery(event.clone(), arrival, room, revision, None);
            self.outbox.push(room, late(delivery).into());
            return;
        };
        let crashes = ledger.crashes(&key);
        // The first time it ran together with others: it may have been any of them.
        if crashes > limit {
            tracing::error!(
                event_key = &*key,
                room_id = %room,
                crashes,
                "the process ended each time that this event was running: it is given up"
            );
            if let Some(hints) = &self.hints {
                hints.given_up(&event, crashes);
            }
            return self.marks.pass(&event, room, revision);
        }
        let recovered = match crashes {
            0 => Recovered::Together,
            _ => Recovered::Alone,
        };
        recovery.seen.insert((*key).into());
        let delivery = self
            .marks
            .delivery(event.clone(), arrival, room, revision, Some(recovered));
        self.outbox.push_recovered(room, late(delivery), recovered);
    }

    /// All that an earlier process left has been found.
    pub(super) fn recovered(&mut self) {
        if let (Some(ledger), Some(recovery)) = (&self.marks.ledger, self.recovery.take()) {
            ledger.keep_recovered(|key| recovery.seen.contains(key));
        }
    }
}
