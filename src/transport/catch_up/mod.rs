//! What was said while there was no connection: fetched over REST, and brought into one sequence with what arrives.
//!
//! After each reconnect the rooms that changed are asked for, a few at a time. The live events of such a room wait
//! until it has been fetched; those of other rooms go on. What was seen before is dropped by the same classifier that
//! hears the live events, so nothing is told twice. A room's place is its [watermark](watermarks): server time only.

mod calls;
mod fetch;
mod merge;
mod outbox;
mod pages;
mod plan;
mod recover;
mod run;
mod safety;
mod shared;
mod suspects;
mod watermarks;

use std::collections::HashMap;
use std::convert::Infallible;
use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;
use tokio::time::Instant;

use self::calls::Lost;
use self::outbox::Outbox;
pub(crate) use self::plan::{Limits, LiveBounds};
use self::recover::Recovery;
pub(super) use self::run::News;
use self::run::{Purpose, Run};
use self::safety::SafetySync;
use self::shared::SharedMarks;
use super::{Arrival, Delivery, PipelineHints, TransportError};
use crate::event::classify::{Classifier, Events, Head, StreamEvent, head};
use crate::event::{Event, RoomId, Timestamp};
use crate::health::Vitals;
use crate::journal::Ledger;
use crate::rest::Client;

/// How long after something was missed it is looked whether the pipeline has room again.
const RETRY: Duration = Duration::from_millis(100);

/// A first connection that takes no longer has missed nothing that was said since the start.
const AT_ONCE: Duration = Duration::from_secs(1);

pub(super) type Deliveries = mpsc::Sender<Result<Delivery, TransportError>>;

/// Brings a transport up to date.
#[derive(Debug)]
pub(super) struct CatchUp {
    client: Client,
    limits: Limits,
    hints: Option<Arc<dyn PipelineHints>>,
    marks: SharedMarks,
    outbox: Outbox,
    /// The newest server time that was seen.
    newest: Option<Timestamp>,
    /// The server's time when the bot was started: older messages are none of its business.
    started: Option<Timestamp>,
    started_at: Instant,
    /// Since when something may be missing.
    lost: Option<Lost>,
    /// How long the outage was that is not caught up yet.
    gap: Option<Duration>,
    /// How long it has been caught up.
    behind: Behind,
    /// The rooms that were fetched for it, and when.
    fetched_in: HashMap<RoomId, Instant>,
    is_connected: bool,
    /// When it was last written down that the connection lives.
    alive_at: Option<Instant>,
    run: Option<Run>,
    /// While what an earlier process left is caught up.
    recovery: Option<Recovery>,
    /// All rooms are more than fits into an answer.
    lists_part: bool,
    /// When to fetch what was missed though the connection stood.
    retry_at: Option<Instant>,
    /// The server wants to be left alone until then.
    not_before: Option<Instant>,
    safety: Option<SafetySync>,
    skipped: u64,
    /// Events that were fetched for the outage that is not caught up yet.
    fetched: u64,
    vitals: Arc<Vitals>,
    /// What was dropped and can not be fetched.
    overflow: Arc<AtomicU64>,
}

impl CatchUp {
    pub(super) fn new(
        client: Client,
        limits: Limits,
        hints: Option<Arc<dyn PipelineHints>>,
        overflow: Arc<AtomicU64>,
        ledger: Option<Arc<Ledger>>,
    ) -> Self {
        Self {
            overflow,
            gap: None,
            behind: Behind::default(),
            fetched_in: HashMap::new(),
            client,
            safety: limits.safety_sync.map(SafetySync::new),
            limits,
            hints,
            marks: SharedMarks::new(ledger),
            recovery: None,
            outbox: Outbox::default(),
            newest: None,
            started: None,
            started_at: Instant::now(),
            lost: None,
            is_connected: false,
            alive_at: None,
            run: None,
            lists_part: false,
            retry_at: None,
            not_before: None,
            skipped: 0,
            fetched: 0,
            vitals: Arc::default(),
        }
    }

    /// Where it is told what was caught up.
    pub(super) fn tells(mut self, vitals: Arc<Vitals>) -> Self {
        self.vitals = vitals;
        self
    }

    /// Whether something of an outage is still to be fetched.
    pub(super) fn is_behind(&self) -> bool {
        self.lost.is_some() || self.gap.is_some()
    }

    /// Before the first connection: learns what is too old to be answered.
    pub(super) async fn begin(&mut self, classifier: &mut Classifier) {
        self.started_at = Instant::now();
        self.started = calls::baseline(&self.client).await;
        self.newest = self.started;
        self.recall(classifier).await;
    }

    /// The first connection is ready: there is nothing to catch up but what an earlier process left. Where it was not the
    /// first attempt, or a slow one, the start is a while ago.
    pub(super) fn ready(&mut self, is_first_attempt: bool) {
        self.is_connected = true;
        if let Some(safety) = &mut self.safety {
            safety.begin(Instant::now());
        }
        let is_late = !is_first_attempt || self.started_at.elapsed() > AT_ONCE;
        if self.lost.is_none() && is_late {
            self.lost = Some(Lost {
                at: self.started_at,
                server: self.started,
            });
        }
        if let Some(lost) = self.lost {
            self.behind.goes_on(Instant::now());
            let gap = self.gap;
            self.fetch(Purpose::Outage { lost, gap });
        } else if self.marks.lock().is_any_missed() {
            self.retry_in(RETRY);
        }
    }

    fn fetch(&mut self, purpose: Purpose) {
        let run = Run::new(&self.client, purpose, &self.marks.lock(), self.lists_part);
        // A cut does not begin the wait anew: what is said now would never be heard where there are many.
        let waited = match purpose {
            Purpose::Outage { .. } => self.behind.elapsed(),
            Purpose::Missed | Purpose::Safety { .. } => Duration::ZERO,
        };
        self.run = Some(run.waited(waited));
    }

    /// The connection is lost; the last sign of life was at `at`.
    pub(super) fn lost(&mut self, at: Instant) {
        self.is_connected = false;
        self.behind.pauses(at);
        self.retry_at = None;
        if let Some(safety) = &mut self.safety {
            safety.stop();
        }
        if let Some(run) = self.run.take() {
            // What is left of the outage is missing in its rooms now; the others have lost nothing but what is said from
            // now on. So what was fetched is not fetched again and again.
            if run.restore(&mut self.marks.lock()) {
                self.lost = None;
            }
        }
        if self.lost.is_none() {
            let server = match (self.client.clock().at(at), self.newest) {
                (Some(clock), Some(newest)) => Some(earlier(clock, newest, self.limits)),
                (clock, newest) => clock.or(newest),
            };
            self.lost = Some(Lost { at, server });
        }
    }

    /// The connection is back, after this time.
    pub(super) fn reconnected(&mut self, gap: Duration) {
        self.is_connected = true;
        if let Some(safety) = &mut self.safety {
            safety.begin(Instant::now());
        }
        // The one before may not be caught up yet.
        let gap = self.gap.map_or(gap, |before| before.max(gap));
        self.gap = Some(gap);
        if let Some(lost) = self.lost {
            self.behind.goes_on(Instant::now());
            let gap = Some(gap);
            self.fetch(Purpose::Outage { lost, gap });
        }
    }

    /// A live event: it is delivered, or waits for what happened before it.
    pub(super) fn live(&mut self, event: StreamEvent, classifier: &mut Classifier, deliveries: &Deliveries) {
        let Some(head) = head(&event) else {
            for event in classifier.classify(&event) {
                self.tell(event, deliveries);
            }
            return;
        };
        if let Some(safety) = &mut self.safety {
            safety.heard(Instant::now());
        }
        self.begin_at(head.revision);
        self.newest = self.newest.max(Some(head.revision));
        self.take(&head, event, classifier, deliveries);
        let marks = self.marks.lock();
        self.marks.keep(&marks, &head.room_id, None);
        self.vitals.parked(marks.missed_rooms());
        drop(marks);
        self.is_alive_now();
    }

    /// A live event that is in no room's order.
    pub(super) fn tell(&mut self, event: Event, deliveries: &Deliveries) {
        let has_to_wait = self.outbox.first_len() > 0;
        self.send(None, Delivery::live(event), has_to_wait, deliveries);
    }

    fn take(
        &mut self,
        head: &Head,
        event: StreamEvent,
        classifier: &mut Classifier,
        deliveries: &Deliveries,
    ) {
        if self.is_urgent(head, &event, classifier) {
            let events = classifier.classify(&event);
            return self.pass(events, Arrival::Live, &head.room_id, head.revision, deliveries);
        }
        let mut marks = self.marks.lock();
        // It has to wait for what happened in the outage, and is fetched with that.
        if self.lost.is_some() && !self.is_connected {
            marks.missed(&head.room_id, head.revision);
            return;
        }
        if let Some(run) = &mut self.run
            && run.holds(&head.room_id, &marks)
        {
            if !run.hold(&head.room_id, event, head.revision) {
                marks.missed(&head.room_id, head.revision);
            }
            return;
        }
        // What comes behind something that is still to be fetched is fetched with it.
        let is_full = match self.outbox.has(&head.room_id) || self.limits.is_reached(&head.room_id, &marks) {
            true => {
                self.outbox.len() >= self.limits.waiting
                    || self.outbox.len_of(&head.room_id) >= self.limits.waiting_in_room()
            }
            false => deliveries.capacity() == 0,
        };
        if is_full || marks.has_missed(&head.room_id) {
            if !marks.is_any_missed() {
                tracing::warn!("the pipeline does not take events in time: they will be fetched later");
            }
            marks.missed(&head.room_id, head.revision);
            drop(marks);
            return self.retry_in(RETRY);
        }
        drop(marks);
        let events = classifier.classify(&event);
        self.pass(events, Arrival::Live, &head.room_id, head.revision, deliveries);
    }

    /// Whether it never waits, where others of its room have to.
    fn is_urgent(&self, head: &Head, event: &StreamEvent, classifier: &Classifier) -> bool {
        let Some(hints) = self.hints.as_ref().filter(|hints| hints.has_urgent_routes()) else {
            return false;
        };
        let marks = self.marks.lock();
        let has_to_wait = self
            .run
            .as_ref()
            .is_some_and(|run| run.holds(&head.room_id, &marks))
            || marks.has_missed(&head.room_id)
            || self.outbox.has(&head.room_id)
            || self.limits.is_reached(&head.room_id, &marks);
        drop(marks);
        has_to_wait
            && classifier
                .preview(event)
                .is_some_and(|event| hints.is_urgent(&event))
    }

    fn pass(
        &mut self,
        events: Events,
        arrival: Arrival,
        room: &RoomId,
        revision: Timestamp,
        deliveries: &Deliveries,
    ) {
        for event in events {
            let has_to_wait = match &self.hints {
                Some(hints) if hints.is_urgent(&event) => false,
                _ => self.outbox.has(room) || self.limits.is_reached(room, &self.marks.lock()),
            };
            let delivery = self.marks.delivery(event, arrival, room, revision, None);
            self.send(Some(room), delivery, has_to_wait, deliveries);
        }
    }

    /// Hands over at once what does not have to wait.
    fn send(
        &mut self,
        room: Option<&RoomId>,
        delivery: Delivery,
        has_to_wait: bool,
        deliveries: &Deliveries,
    ) {
        let delivery = match has_to_wait {
            true => delivery,
            false => match deliveries.try_send(Ok(delivery)) {
                Err(TrySendError::Full(Ok(delivery))) => delivery,
                // It is taken, or nobody reads any more.
                _ => return,
            },
        };
        match room {
            Some(room) => self.outbox.push(room, delivery.into()),
            None if self.outbox.first_len() < self.limits.waiting => self.outbox.push_first(delivery),
            None => {
                let dropped = self.overflow.fetch_add(1, Ordering::Relaxed) + 1;
                // Once for each power of two: a flood must not flood the log too.
                if dropped.is_power_of_two() {
                    tracing::error!(dropped, "events were dropped that can not be fetched");
                }
            }
        }
    }

    /// Hands over what waits, as the pipeline takes it. Never ends; nothing is lost where it is dropped.
    pub(super) async fn hand_over(&mut self, deliveries: Option<&Deliveries>) -> Infallible {
        hand_over(&mut self.outbox, &self.marks, self.limits, deliveries).await
    }

    /// The next thing that is to be [handled](Self::handle). Hands over meanwhile. Nothing is lost where it is dropped.
    pub(super) async fn next(&mut self, deliveries: Option<&Deliveries>) -> News {
        let run = async {
            match &mut self.run {
                Some(run) => run.next().await,
                None => pending().await,
            }
        };
        let retry = async {
            match self.retry_at {
                Some(at) => tokio::time::sleep_until(at).await,
                None => pending().await,
            }
        };
        let safety = async {
            match self.safety.as_ref().and_then(SafetySync::at) {
                Some(at) => tokio::time::sleep_until(at).await,
                None => pending().await,
            }
        };
        tokio::select! {
            biased;
            never = hand_over(&mut self.outbox, &self.marks, self.limits, deliveries) => match never {},
            news = run => news,
            () = retry => News::Retry,
            () = safety => News::SafetySync,
        }
    }

    pub(super) fn handle(&mut self, news: News, classifier: &mut Classifier, deliveries: &Deliveries) {
        match news {
            News::Retry => self.retry(deliveries),
            News::SafetySync => self.look_for_lost_events(),
            News::Release => self.release(classifier, deliveries),
            News::Listed(listing) => self.listed(listing, classifier, deliveries),
            News::Synced(plan, result) => self.synced(*plan, result, classifier, deliveries),
        }
        self.go_on();
        self.vitals.parked(self.marks.lock().missed_rooms());
    }

    /// Fetches what the server has not told, if there is nothing else to fetch.
    fn look_for_lost_events(&mut self) {
        let Some(safety) = &mut self.safety else { return };
        if self.run.is_some() || self.lost.is_some() {
            // That looks for them too; what was before is looked for the next time.
            safety.begin(Instant::now());
            return;
        }
        let since = safety.next(Instant::now());
        // What arrives meanwhile does not wait: nearly always there is nothing to wait for.
        let run = Run::new(
            &self.client,
            Purpose::Safety { since },
            &self.marks.lock(),
            self.lists_part,
        );
        self.run = Some(run.without_hold());
    }

    /// Fetches what was missed, once the pipeline has room for it.
    fn retry(&mut self, deliveries: &Deliveries) {
        self.retry_at = None;
        if self.run.is_some() || !self.is_connected {
            return;
        }
        if let Some(lost) = self.lost {
            let gap = self.gap;
            let run = Run::new(
                &self.client,
                Purpose::Outage { lost, gap },
                &self.marks.lock(),
                self.lists_part,
            );
            self.run = Some(run.without_hold());
            return;
        }
        let marks = self.marks.lock();
        let share = self.limits.waiting_in_room();
        let is_due = marks.is_any_missed();
        let has_room = deliveries.capacity() > deliveries.max_capacity() / 2
            && self.outbox.len() <= self.limits.waiting / 2
            && marks
                .missing_rooms()
                .any(|room| self.outbox.len_of(room) <= share / 2);
        drop(marks);
        if is_due && has_room {
            self.fetch(Purpose::Missed);
        } else if is_due {
            self.retry_in(RETRY);
        }
    }
}

/// For how long an outage has been caught up: of that nothing gets too old. The times without a connection do not count.
#[derive(Clone, Copy, Debug, Default)]
struct Behind {
    before: Duration,
    /// Since when the connection is back.
    since: Option<Instant>,
}

impl Behind {
    fn goes_on(&mut self, now: Instant) {
        self.since.get_or_insert(now);
    }

    fn pauses(&mut self, at: Instant) {
        if let Some(since) = self.since.take() {
            self.before = self.before.saturating_add(at.saturating_duration_since(since));
        }
    }

    fn elapsed(self) -> Duration {
        let now = self.since.map_or(Duration::ZERO, |since| since.elapsed());
        self.before.saturating_add(now)
    }
}

/// When at the latest everything had arrived, by a clock and by the last event: either may be ahead, the clock of a proxy
/// or that of another instance. Of a server where nothing was said for long the clock alone is believed.
fn earlier(clock: Timestamp, newest: Timestamp, limits: Limits) -> Timestamp {
    clock.min(newest).max(clock.saturating_sub(limits.age))
}

async fn hand_over(
    outbox: &mut Outbox,
    marks: &SharedMarks,
    limits: Limits,
    deliveries: Option<&Deliveries>,
) -> Infallible {
    let Some(deliveries) = deliveries else {
        return pending().await;
    };
    loop {
        let has_suspect = marks.has_suspect();
        let has_next = {
            let marks = marks.lock();
            let in_pipeline = marks.unfinished().saturating_sub(outbox.len());
            outbox.seek(|room, next, waiting| {
                // What waits here counts as unfinished too.
                in_pipeline < limits.in_pipeline
                    && marks.unfinished_in(room).saturating_sub(waiting) < limits.window
                    && !(has_suspect && next.is_suspect())
            })
        };
        if !has_next {
            marks.settled.notified().await;
            continue;
        }
        if let Some(ledger) = &marks.ledger {
            outbox.mark_next(ledger, limits.window).await;
        }
        match deliveries.reserve().await {
            Ok(permit) => {
                if let Some(next) = outbox.pop() {
                    if let Some(key) = next.suspect() {
                        marks.suspect_goes(key);
                    }
                    permit.send(Ok(next.delivery));
                }
            }
            // Nobody reads any more.
            Err(_) => pending().await,
        }
    }
}
