//! Which rooms are to be caught up, and from when. Pure: the server's time only.

use std::collections::HashSet;
use std::time::Duration;

use tokio::time::Instant;

use crate::event::classify::Missed;
use crate::event::wire::{Shape, WireRoom};
use crate::event::{RoomId, Timestamp};
use crate::rest::endpoint::Subscription;

use super::pages::Pages;
use super::watermarks::Watermarks;

/// Servers of several instances have several clocks: so much earlier than needed is looked.
pub(super) const OVERLAP: Duration = Duration::from_secs(30);

/// How much is caught up.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Older messages are not answered any more.
    pub(crate) age: Duration,
    /// Events of one room.
    pub(crate) per_room: usize,
    /// Events of all rooms together.
    pub(crate) total: usize,
    /// Events of one room that the pipeline gets before the first of them is done.
    pub(crate) window: usize,
    /// The same of all rooms.
    pub(crate) in_pipeline: usize,
    /// An event that was running when the process ended so often is given up.
    pub(crate) crashes: Option<u8>,
    /// How often it is looked for events that the server has not told.
    pub(crate) safety_sync: Option<Duration>,
    /// How many events may wait to be handed over; more are fetched again later.
    pub(crate) waiting: usize,
    /// What the pipeline takes of what arrives live. `None` where it is all handed over, and dropped by the pipeline.
    pub(crate) live: Option<LiveBounds>,
}

impl Limits {
    /// How many events of one room may wait to be handed over, so that no room takes the place of the others.
    pub(super) fn waiting_in_room(&self) -> usize {
        (self.waiting / 8).max(1)
    }

    /// Whether a room, or all together, have so much in the pipeline that what arrives live has to wait.
    pub(super) fn is_reached(&self, room: &RoomId, marks: &Watermarks) -> bool {
        self.live.is_some_and(|live| {
            marks.unfinished_in(room) >= live.in_room || marks.unfinished() >= live.in_all
        })
    }
}

/// Of what arrives live so much is handed over before the first of it is done.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LiveBounds {
    /// Events of one room.
    pub(crate) in_room: usize,
    /// Events of all rooms together.
    pub(crate) in_all: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            age: Duration::from_secs(600),
            per_room: 1000,
            total: 10_000,
            window: 64,
            in_pipeline: 1024,
            safety_sync: None,
            waiting: 8192,
            live: None,
            crashes: Some(3),
        }
    }
}

/// A room that is to be caught up.
#[derive(Clone, Debug)]
pub(in crate::transport) struct RoomPlan {
    pub(super) id: RoomId,
    /// The letter that the server writes for it.
    kind: String,
    name: Option<String>,
    /// Whether the server said that the bot is in it.
    is_known: bool,
    /// What is asked for, and what counts as new.
    pub(super) missed: Missed,
    /// What happened up to here was missed though the connection stood: it is neither too old nor too much.
    pub(super) parked_to: Option<Timestamp>,
    /// When it was fetched for this outage before, and then the connection was cut again.
    pub(super) fetched_at: Option<Instant>,
    /// How often it failed.
    pub(super) failures: u32,
    /// How long the server wants us to wait.
    pub(super) pause: Duration,
    pub(super) limits: Limits,
    /// What is there of it.
    pub(super) pages: Pages,
}

impl RoomPlan {
    pub(super) fn is_known(&self) -> bool {
        self.is_known
    }

    /// What the server says of a room that was not in its list.
    pub(super) fn know(&mut self, subscription: &Subscription) {
        let is_direct = subscription.kind == "d";
        self.is_known = true;
        self.kind.clone_from(&subscription.kind);
        self.name = subscription.name.clone().filter(|_| !is_direct);
        // Nobody was in a direct conversation before it began.
        let joined = subscription.joined_at.filter(|_| !is_direct);
        self.missed.floor = joined.into_iter().fold(self.missed.floor, Timestamp::max);
    }

    pub(super) fn kind(&self) -> &str {
        &self.kind
    }

    /// What the stream would say about the room.
    pub(super) fn wire(&self) -> WireRoom<'_> {
        let text = |text: &str| Shape::Text(text.to_owned().into());
        WireRoom {
            kind: text(&self.kind),
            name: self.name.as_deref().map_or(Shape::Nothing, text),
            participant: Shape::Bool(true),
        }
    }
}

/// What the plan follows from.
pub(super) struct Situation<'a> {
    /// The server's time when the connection was lost; `None` where only what was missed since is fetched.
    pub(super) lost: Option<Timestamp>,
    /// The server's time when the bot was started.
    pub(super) started: Timestamp,
    /// All rooms that the bot is in.
    pub(super) subscriptions: &'a [Subscription],
    /// Rooms that the server names as changed since the connection was lost, less the overlap.
    pub(super) changed: &'a HashSet<RoomId>,
    /// Whether what was missed before counts as said just now.
    pub(super) keeps_parked: bool,
    /// Rooms of which so much waits already that more is fetched only after an outage.
    pub(super) busy: &'a HashSet<RoomId>,
    pub(super) limits: Limits,
}

/// The rooms to be fetched. What was missed in them counts as taken.
///
/// A list may be old, or have gaps: a room that is not in it is asked for all the same if something is known to be there.
pub(super) fn plan(situation: &Situation<'_>, marks: &mut Watermarks) -> Vec<RoomPlan> {
    let since = situation.lost.map(|lost| lost.saturating_sub(OVERLAP));
    // An edit of any message but the last one does not count as a change of its room: where there was something to change
    // a while ago, it is looked for.
    let warm = since.map(|since| since.saturating_sub(situation.limits.age));
    let listed: HashSet<&RoomId> = situation.subscriptions.iter().map(|room| &room.room_id).collect();
    let known = marks.missing_rooms().chain(marks.rooms_since(warm));
    let mut others: Vec<RoomId> = match since {
        Some(_) => known.chain(situation.changed).cloned().collect(),
        None => known.cloned().collect(),
    };
    others.retain(|room| !listed.contains(room));
    others.sort_unstable();
    others.dedup();
    let is_changed = |id: &RoomId, updated_at: Option<Timestamp>| {
        since.is_some_and(|since| situation.changed.contains(id) || updated_at.is_none_or(|at| at > since))
            || marks
                .newest(id)
                .zip(warm)
                .is_some_and(|(newest, warm)| newest > warm)
    };
    let changed: Vec<(&RoomId, Option<&Subscription>)> = situation
        .subscriptions
        .iter()
        .filter(|room| {
            let id = &room.room_id;
            marks.is_due(id) || is_changed(id, room.updated_at)
        })
        .map(|room| (&room.room_id, Some(room)))
        .chain(others.iter().map(|room| (room, None)))
        .filter(|(id, _)| since.is_some() || !situation.busy.contains(*id))
        .collect();
    changed
        .into_iter()
        .filter_map(|(id, subscription)| {
            let delivered_to = marks.delivered_to(id);
            let parked = marks.missing_since(id);
            marks.take_missed(id);
            let after = delivered_to.into_iter().chain(since).min()?;
            let mut plan = RoomPlan {
                id: id.clone(),
                kind: String::new(),
                name: None,
                is_known: false,
                missed: Missed {
                    after,
                    floor: situation.started,
                },
                parked_to: match situation.lost {
                    Some(lost) => parked.filter(|parked| *parked <= lost).map(|_| lost),
                    None => Some(Timestamp::from_millis(i64::MAX)),
                }
                .filter(|_| situation.keeps_parked),
                fetched_at: None,
                failures: 0,
                pause: Duration::ZERO,
                limits: situation.limits,
                pages: Pages::after(after),
            };
            if let Some(subscription) = subscription {
                plan.know(subscription);
            }
            Some(plan)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const LOST: i64 = 1_000_000_000;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    fn subscription(id: &str, kind: &str, joined: i64, updated: i64) -> Subscription {
        serde_json::from_value(json!({
            "rid": id, "t": kind, "name": "name", "ts": {"$date": joined}, "_updatedAt": {"$date": updated},
        }))
        .unwrap()
    }

    fn planned(
        subscriptions: &[Subscription],
        changed: &[&str],
        marks: &mut Watermarks,
        lost: Option<i64>,
    ) -> Vec<(String, i64, i64)> {
        let situation = Situation {
            lost: lost.map(at),
            started: at(5000),
            subscriptions,
            keeps_parked: true,
            busy: &["busy".into()].into(),
            changed: &changed.iter().map(|id| RoomId::from(*id)).collect(),
            limits: Limits::default(),
        };
        plan(&situation, marks)
            .into_iter()
            .map(|room| {
                (
                    room.id.to_string(),
                    room.missed.after.as_millis(),
                    room.missed.floor.as_millis(),
                )
            })
            .collect()
    }

    #[test]
    fn only_rooms_that_changed_or_were_lively_are_asked_for() {
        let mut marks = Watermarks::default();
        let ticket = marks.delivered(&"warm".into(), at(LOST - 60_000));
        marks.settled(&"warm".into(), at(LOST - 60_000), ticket);
        let ticket = marks.delivered(&"cold".into(), at(LOST - 86_400_000));
        marks.settled(&"cold".into(), at(LOST - 86_400_000), ticket);
        let subscriptions = [
            subscription("changed", "c", 0, 0),
            subscription("counted", "c", 0, LOST + 1),
            subscription("warm", "c", 0, 0),
            subscription("cold", "c", 0, 0),
            subscription("quiet", "c", 0, 0),
        ];
        let rooms = planned(&subscriptions, &["changed", "left"], &mut marks, Some(LOST));
        assert_eq!(
            rooms,
            [
                ("changed".to_owned(), LOST - 30_000, 5000),
                ("counted".to_owned(), LOST - 30_000, 5000),
                ("warm".to_owned(), LOST - 60_000, 5000),
                // The list does not name it: the server is asked for it.
                ("left".to_owned(), LOST - 30_000, 5000),
            ]
        );
    }

    #[test]
    fn a_room_that_is_not_in_the_list_is_asked_for() {
        let mut marks = Watermarks::default();
        let ticket = marks.delivered(&"warm".into(), at(LOST - 60_000));
        marks.settled(&"warm".into(), at(LOST - 60_000), ticket);
        let ticket = marks.delivered(&"cold".into(), at(LOST - 86_400_000));
        marks.settled(&"cold".into(), at(LOST - 86_400_000), ticket);
        marks.missed(&"missed".into(), at(LOST));
        let rooms = planned(&[], &["changed"], &mut marks, Some(LOST));
        let mut names: Vec<_> = rooms.iter().map(|(name, ..)| name.as_str()).collect();
        names.sort_unstable();
        assert_eq!(names, ["changed", "missed", "warm"]);
        marks.missed(&"missed".into(), at(LOST));
        assert_eq!(planned(&[], &["changed"], &mut marks, None).len(), 1);
    }

    #[test]
    fn nothing_from_before_the_bot_was_there() {
        let subscriptions = [
            subscription("invited", "p", LOST + 500, LOST + 500),
            subscription("direct", "d", LOST + 500, LOST + 500),
        ];
        let rooms = planned(&subscriptions, &[], &mut Watermarks::default(), Some(LOST));
        let floors: Vec<_> = rooms.iter().map(|(_, _, floor)| *floor).collect();
        assert_eq!(floors, [LOST + 500, 5000]);
    }

    #[test]
    fn what_was_missed_is_fetched_without_an_outage_too() {
        let mut marks = Watermarks::default();
        marks.missed(&"r".into(), at(LOST));
        let subscriptions = [
            subscription("r", "c", 0, LOST),
            subscription("other", "c", 0, LOST),
        ];
        let rooms = planned(&subscriptions, &["other"], &mut marks, None);
        assert_eq!(rooms, [("r".to_owned(), LOST - 1, 5000)]);
        assert!(!marks.is_any_missed());
    }

    #[test]
    fn a_room_that_is_busy_is_fetched_later() {
        let mut marks = Watermarks::default();
        marks.missed(&"busy".into(), at(LOST));
        let subscriptions = [subscription("busy", "c", 0, LOST)];
        assert_eq!(planned(&subscriptions, &[], &mut marks, None), []);
        assert!(marks.has_missed(&"busy".into()));
        assert_eq!(planned(&subscriptions, &[], &mut marks, Some(LOST)).len(), 1);
    }
}
