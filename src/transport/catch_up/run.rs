//! One catch-up: asks for the rooms, then for their messages, a few at a time.

use std::collections::{HashMap, HashSet, VecDeque};
use std::fmt;
use std::future::pending;
use std::pin::Pin;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tokio::time::Instant;

use super::calls::{ATTEMPTS, DOUBTS, Listing, Lost, Verdict, asked_pause, list, sync, verdict};
use super::merge::{Bounds, Held, Keep, Merged, merge};
use super::plan::{RoomPlan, Situation, plan};
use super::watermarks::{TICK, Watermarks};
use super::{Behind, CatchUp, Deliveries, RETRY};
use crate::event::classify::{Classifier, StreamEvent};
use crate::event::{Event, Reconnected, RoomId, Timestamp};
use crate::health::CaughtUp;
use crate::rest::endpoint::SyncResult;
use crate::rest::{Client, RestError};
use crate::transport::{Arrival, Delivery};

/// Calls at a time: servers look for the messages without an index.
const CALLS: usize = 4;

/// Live events that wait; more are fetched again later.
const HELD: usize = 4096;

/// What arrives live waits so long for what happened before it. Then it goes on, and what is missing comes later.
const HOLD: Duration = Duration::from_secs(60);

/// After this time it is tried once more to get what could not be had.
const GIVEN_UP: Duration = Duration::from_secs(60);

/// How often a catch-up that takes long says how far it is.
const PROGRESS: Duration = Duration::from_secs(5);

type Later<T> = Pin<Box<dyn Future<Output = T> + Send>>;
type Synced = (RoomPlan, Result<SyncResult, RestError>);

/// What happened in a catch-up.
pub(in crate::transport) enum News {
    /// It is time to look whether what was missed can be fetched.
    Retry,
    /// It is time to look for events that the server has not told.
    SafetySync,
    /// What arrives live has waited long enough.
    Release,
    Listed(Result<Listing, RestError>),
    Synced(Box<RoomPlan>, Result<SyncResult, RestError>),
}

/// What is fetched.
#[derive(Clone, Copy, Debug)]
pub(super) enum Purpose {
    /// What was said in an outage, and how long that was; `None` for the time until a first connection.
    Outage { lost: Lost, gap: Option<Duration> },
    /// What was missed though the connection stood.
    Missed,
    /// What the server has not told.
    Safety { since: Lost },
}

impl Purpose {
    fn since(self) -> Option<Lost> {
        match self {
            Self::Outage { lost, .. } => Some(lost),
            Self::Missed => None,
            Self::Safety { since } => Some(since),
        }
    }

    fn is_outage(self) -> bool {
        matches!(self, Self::Outage { .. })
    }
}

pub(super) struct Run {
    purpose: Purpose,
    /// Rooms of which something was missing when the list of rooms was asked for.
    missing: HashSet<RoomId>,
    /// How long live events wait, unless they go on.
    hold_until: Option<Instant>,
    /// Some of it could not be had.
    is_incomplete: bool,
    began: Instant,
    told_at: Instant,
    /// Until the rooms are known.
    listing: Option<Later<Result<Listing, RestError>>>,
    waiting: VecDeque<RoomPlan>,
    calls: FuturesUnordered<Later<Synced>>,
    /// The rooms that are not done, and since when they are fetched.
    rooms: HashMap<RoomId, Timestamp>,
    held: HashMap<RoomId, Vec<Held>>,
    held_count: usize,
    delivered: usize,
    room_count: usize,
}

impl Run {
    pub(super) fn new(client: &Client, purpose: Purpose, marks: &Watermarks, has_part: bool) -> Self {
        let now = Instant::now();
        Self {
            purpose,
            missing: marks.missing_rooms().cloned().collect(),
            hold_until: Some(now + HOLD),
            is_incomplete: false,
            began: now,
            told_at: now,
            listing: Some(Box::pin(list(client.clone(), purpose.since(), has_part))),
            waiting: VecDeque::new(),
            calls: FuturesUnordered::new(),
            rooms: HashMap::new(),
            held: HashMap::new(),
            held_count: 0,
            delivered: 0,
            room_count: 0,
        }
    }

    /// The same, when what arrives live has waited already.
    pub(super) fn without_hold(mut self) -> Self {
        self.hold_until = None;
        self
    }

    /// The same, when what arrives live has waited for so long in another one.
    pub(super) fn waited(mut self, time: Duration) -> Self {
        self.hold_until = match HOLD.saturating_sub(time) {
            Duration::ZERO => None,
            left => Some(self.began + left),
        };
        self
    }

    /// Whether live events of this room have to wait.
    pub(super) fn holds(&self, room: &RoomId, marks: &Watermarks) -> bool {
        if self.hold_until.is_none() {
            return false;
        }
        match self.listing {
            Some(_) => self.purpose.is_outage() || marks.has_missed(room),
            None => self.rooms.contains_key(room),
        }
    }

    /// False where too many wait already.
    pub(super) fn hold(&mut self, room: &RoomId, event: StreamEvent, revision: Timestamp) -> bool {
        if self.held_count >= HELD {
            return false;
        }
        self.held_count += 1;
        self.held
            .entry(room.clone())
            .or_default()
            .push(Held { event, revision });
        true
    }

    fn take_held(&mut self, room: &RoomId) -> Vec<Held> {
        let held = self.held.remove(room).unwrap_or_default();
        self.held_count -= held.len();
        held
    }

    /// The room to be asked for next: one in which something waits that was said since goes first, of those that were not
    /// fetched yet in this outage. The others have their turns, or those where most is said would have all of them.
    fn next_room(&mut self) -> Option<RoomPlan> {
        let is_awaited = |plan: &RoomPlan| plan.fetched_at.is_none() && self.held.contains_key(&plan.id);
        let at = self.waiting.iter().position(is_awaited).unwrap_or(0);
        self.waiting.remove(at)
    }

    pub(super) async fn next(&mut self) -> News {
        match self.hold_until {
            Some(at) => tokio::select! {
                biased;
                news = self.progress() => news,
                () = tokio::time::sleep_until(at) => News::Release,
            },
            None => self.progress().await,
        }
    }

    async fn progress(&mut self) -> News {
        if let Some(listing) = &mut self.listing {
            let listed = listing.await;
            self.listing = None;
            return News::Listed(listed);
        }
        match self.calls.next().await {
            Some((plan, result)) => News::Synced(Box::new(plan), result),
            None => pending().await,
        }
    }

    /// It is given up before its end: what it was to fetch is still missing. Whether that is all that is missing of an
    /// outage.
    pub(super) fn restore(self, marks: &mut Watermarks) -> bool {
        let is_known = self.purpose.is_outage() && self.listing.is_none() && !self.is_incomplete;
        for (room, after) in &self.rooms {
            marks.missed(room, after.saturating_add(TICK));
        }
        // Of too many some are forgotten.
        is_known && self.rooms.keys().all(|room| marks.has_missed(room))
    }

    fn call(&self, client: &Client, plan: RoomPlan) {
        self.calls.push(Box::pin(sync(client.clone(), plan)));
    }
}

impl CatchUp {
    pub(super) fn listed(
        &mut self,
        listing: Result<Listing, RestError>,
        classifier: &mut Classifier,
        deliveries: &Deliveries,
    ) {
        let Some(run) = &mut self.run else { return };
        match listing {
            Ok(listing) => {
                self.lists_part = listing.is_part;
                let mut marks = self.marks.lock();
                let started = self
                    .started
                    .or_else(|| self.client.clock().at(self.started_at))
                    .or(listing.lost)
                    .unwrap_or_default();
                let busy = self.outbox.rooms_above(self.limits.waiting_in_room() / 2);
                let busy = busy.cloned().collect();
                // What an outage of minutes finds unfinished is not too old by that; one of days is another matter.
                let keeps_parked = match run.purpose {
                    Purpose::Outage { gap, .. } => gap.is_none_or(|gap| gap < self.limits.age),
                    Purpose::Missed | Purpose::Safety { .. } => true,
                };
                let situation = Situation {
                    lost: listing.lost,
                    keeps_parked,
                    busy: &busy,
                    started,
                    subscriptions: &listing.subscriptions,
                    changed: &listing.changed,
                    limits: self.limits,
                };
                let parked: HashSet<RoomId> = marks.missing_rooms().cloned().collect();
                let mut rooms = plan(&situation, &mut marks);
                for plan in &mut rooms {
                    plan.fetched_at = self.fetched_in.get(&plan.id).copied();
                }
                if matches!(run.purpose, Purpose::Safety { .. }) && !parked.is_empty() {
                    // What was parked is fetched with the rest: what is said now waits for it, and none of it is too much.
                    run.hold_until.get_or_insert(Instant::now() + HOLD);
                    for plan in rooms.iter_mut().filter(|plan| parked.contains(&plan.id)) {
                        plan.parked_to = Some(Timestamp::from_millis(i64::MAX));
                    }
                }
                // After a cut in the middle all have their turns: first those that had none.
                rooms.sort_by_key(|plan| plan.fetched_at);
                run.waiting = rooms.into();
                run.room_count = run.waiting.len();
                for plan in &run.waiting {
                    let settled = marks.watermark(&plan.id);
                    tracing::debug!(room_id = %plan.id, after = %plan.missed.after, ?settled, "to be caught up");
                }
                run.rooms = run
                    .waiting
                    .iter()
                    .map(|plan| (plan.id.clone(), plan.missed.after))
                    .collect();
                let unlisted = run.waiting.iter().filter(|plan| !plan.is_known()).count();
                if unlisted > 0 && !listing.is_part {
                    tracing::warn!(
                        rooms = unlisted,
                        "rooms of which something may be missing are not in the server's list: each is asked for"
                    );
                }
                tracing::debug!(rooms = run.room_count, "catching up");
            }
            // This server does not have the call, or not for this account: the connection is back all the same.
            Err(error) if matches!(verdict(&error), Verdict::Forget | Verdict::Doubt) => {
                tracing::error!(%error, "what was said meanwhile can not be fetched from this server");
                let mut marks = self.marks.lock();
                for room in &run.missing {
                    marks.clear_missing(room);
                }
            }
            Err(error) => {
                // What arrives live goes on, but where something was missed before.
                let again_in = asked_pause(&error).map_or(GIVEN_UP, |asked| asked.min(GIVEN_UP));
                tracing::error!(%error, ?again_in, "what was said meanwhile can not be fetched yet");
                run.hold_until = None;
                run.is_incomplete = true;
                self.not_before = Some(Instant::now() + again_in);
            }
        }
        // The other rooms go on.
        let others: Vec<RoomId> = run
            .held
            .keys()
            .filter(|room| !run.rooms.contains_key(*room))
            .cloned()
            .collect();
        for room in others {
            self.go_on_with(&room, classifier, deliveries);
        }
    }

    /// What arrives live has waited long enough: it goes on, and what is missing comes later.
    pub(super) fn release(&mut self, classifier: &mut Classifier, deliveries: &Deliveries) {
        let Some(run) = &mut self.run else { return };
        run.hold_until = None;
        let rooms: Vec<RoomId> = run.held.keys().cloned().collect();
        if !rooms.is_empty() {
            tracing::warn!(
                rooms = rooms.len(),
                "what was said meanwhile takes long: what is said now goes on before it"
            );
        }
        for room in rooms {
            self.go_on_with(&room, classifier, deliveries);
        }
    }

    /// A room's live events that waited are delivered as if nothing had been; or are fetched later with what is before
    /// them.
    fn go_on_with(&mut self, room: &RoomId, classifier: &mut Classifier, deliveries: &Deliveries) {
        let held = self
            .run
            .as_mut()
            .map(|run| run.take_held(room))
            .unwrap_or_default();
        let mut marks = self.marks.lock();
        if marks.has_missed(room) {
            // It may be older than that: a change is written behind what is said next in the same millisecond.
            for held in &held {
                marks.missed(room, held.revision);
            }
            return;
        }
        drop(marks);
        for Held { event, revision } in held {
            let events = classifier.classify(&event);
            self.pass(events, Arrival::Live, room, revision, deliveries);
        }
    }

    pub(super) fn synced(
        &mut self,
        mut room: RoomPlan,
        result: Result<SyncResult, RestError>,
        classifier: &mut Classifier,
        deliveries: &Deliveries,
    ) {
        // A message may be of a clock that is ahead: the others would be too old by that.
        let now = self.client.clock().at(Instant::now()).or(self.newest);
        // Where the server limits the calls this takes minutes: nothing gets too old by that.
        let waited = match &self.run {
            Some(run) if run.purpose.is_outage() => self.behind.elapsed(),
            Some(run) => run.began.elapsed(),
            None => Duration::ZERO,
        };
        let age = self.limits.age.saturating_add(waited);
        let oldest = now.map(|now| now.saturating_sub(age));
        let Some(run) = &mut self.run else { return };
        let error = match result {
            Ok(result) => {
                run.rooms.remove(&room.id);
                let held = run.take_held(&room.id);
                let in_outage = self
                    .limits
                    .per_room
                    .min(self.limits.total.saturating_sub(run.delivered));
                // What was parked is neither too old nor too much: what has no place yet comes later.
                let (keeps, events) = match room.parked_to {
                    None => (Keep::Newest, in_outage),
                    Some(_) => {
                        let waits = self.outbox.len_of(&room.id);
                        let place = self.limits.waiting_in_room().saturating_sub(waits);
                        (Keep::Oldest, place.max(1))
                    }
                };
                let bounds = Bounds {
                    oldest,
                    hears_any_age: self.hints.as_ref().is_some_and(|hints| hints.hears_any_age()),
                    parked_to: room.parked_to,
                    events,
                    keeps,
                    own: self.client.user_id(),
                };
                let Merged {
                    events,
                    skipped,
                    left_from,
                } = merge(&room, &result, held, classifier, bounds);
                let left_from = left_from.into_iter().chain(room.pages.left_from()).min();
                if let Some(left_from) = left_from {
                    self.marks.lock().left(&room.id, left_from);
                }
                self.skipped += skipped + room.pages.skipped();
                run.delivered += events.len();
                let fetched = events.iter().filter(|sorted| sorted.arrival != Arrival::Live);
                let fetched = fetched.count() as u64;
                if run.purpose.is_outage() {
                    self.fetched += fetched;
                    self.fetched_in.insert(room.id.clone(), Instant::now());
                }
                self.vitals.fetched(fetched);
                if run.told_at.elapsed() >= PROGRESS {
                    run.told_at = Instant::now();
                    tracing::info!(rooms = run.room_count, left = run.rooms.len(), "catching up");
                }
                for sorted in events {
                    let age = now.map_or(Duration::ZERO, |now| now.saturating_since(sorted.happened));
                    self.push(&room.id, sorted, age);
                }
                let mut marks = self.marks.lock();
                marks.fetched(&room.id);
                self.marks.keep(&marks, &room.id, None);
                return;
            }
            Err(error) => error,
        };
        // Who waits for a limit has not failed.
        match asked_pause(&error) {
            Some(asked) => room.pause = asked,
            None => (room.failures, room.pause) = (room.failures + 1, Duration::ZERO),
        }
        let is_refused = match verdict(&error) {
            Verdict::Forget => true,
            Verdict::Doubt => room.failures >= DOUBTS,
            Verdict::Narrow | Verdict::Retry => false,
        };
        match verdict(&error) {
            _ if is_refused => {
                tracing::warn!(room_id = %room.id, %error, "a room can not be read any more");
                run.rooms.remove(&room.id);
                self.marks.forget(&room.id);
                self.go_on_with(&room.id, classifier, deliveries);
            }
            Verdict::Narrow if oldest.is_some_and(|oldest| oldest > room.missed.after) => {
                tracing::warn!(room_id = %room.id, %error, "too much was said: only the latest is fetched");
                // At least one, nobody knows how many.
                self.skipped += 1;
                room.missed.after = oldest.unwrap_or(room.missed.after);
                run.call(&self.client, room);
            }
            _ if room.failures < ATTEMPTS => {
                tracing::warn!(room_id = %room.id, %error, "a room can not be caught up yet, trying again");
                run.call(&self.client, room);
            }
            _ => {
                tracing::error!(room_id = %room.id, %error, "what was said in a room can not be fetched yet");
                run.rooms.remove(&room.id);
                run.is_incomplete = true;
                if !run.purpose.is_outage() {
                    // What waits here is fetched with it.
                    let missed = room.missed.after.saturating_add(TICK);
                    self.marks.lock().missed(&room.id, missed);
                }
                self.go_on_with(&room.id, classifier, deliveries);
            }
        }
    }

    /// Begins the next calls; ends the catch-up when none is left.
    pub(super) fn go_on(&mut self) {
        let Some(run) = &mut self.run else { return };
        while run.calls.len() < CALLS && self.outbox.len() <= self.limits.waiting / 2 {
            let Some(plan) = run.next_room() else {
                break;
            };
            run.call(&self.client, plan);
        }
        if run.calls.is_empty() && !run.waiting.is_empty() {
            // The pipeline has to take what waits first.
            self.retry_in(RETRY);
            return;
        }
        if run.listing.is_some() || !run.rooms.is_empty() {
            return;
        }
        if let Some(run) = self.run.take() {
            self.ended(&run);
        }
    }

    fn ended(&mut self, run: &Run) {
        let (events, rooms, took) = (run.delivered, run.room_count, run.began.elapsed());
        match run.purpose {
            // What is too old by then is left out then.
            Purpose::Outage { .. } if run.is_incomplete => return self.retry_in(GIVEN_UP),
            Purpose::Outage { gap, .. } => {
                self.lost = None;
                self.behind = Behind::default();
                self.fetched_in = HashMap::new();
                if let Some(gap) = gap {
                    self.gap = None;
                    let skipped = std::mem::take(&mut self.skipped);
                    tracing::info!(?gap, events, rooms, skipped, ?took, "caught up");
                    self.vitals.caught_up(CaughtUp {
                        events: std::mem::take(&mut self.fetched),
                        skipped,
                        took,
                    });
                    let event = Event::Reconnected(Reconnected::new(gap).with_skipped(skipped));
                    self.outbox.push_first(Delivery::live(event));
                    self.recovered();
                    self.is_alive_now();
                }
            }
            Purpose::Missed => {}
            Purpose::Safety { .. } => {
                if events > 0 {
                    tracing::warn!(events, rooms, "events that did not arrive were fetched");
                }
                if let Some(safety) = self.safety.as_mut().filter(|_| !run.is_incomplete) {
                    safety.done(run.began);
                }
            }
        }
        if self.marks.lock().is_any_missed() {
            self.retry_in(RETRY);
        }
    }

    /// Looks soon whether something can be fetched; not before the server's limit is over.
    pub(super) fn retry_in(&mut self, pause: Duration) {
        let at = Instant::now() + pause;
        let at = self.not_before.map_or(at, |not_before| at.max(not_before));
        self.retry_at = Some(self.retry_at.map_or(at, |retry_at| retry_at.min(at)));
    }
}

impl fmt::Debug for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Run")
            .field("purpose", &self.purpose)
            .field("rooms", &self.rooms.len())
            .field("held", &self.held_count)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
