use std::collections::HashSet;

use proptest::prelude::*;
use serde_json::json;

use super::super::plan::{Limits, Situation, plan};
use super::super::watermarks::{TICK, Watermarks};
use super::*;
use crate::event::EventKind;
use crate::event::classify::head;

const LOST: i64 = 1_000_000_000;
const STARTED: i64 = LOST - 100_000;

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

fn room() -> RoomPlan {
    let subscription = serde_json::from_value(json!({
        "rid": "r", "t": "c", "name": "general", "ts": {"$date": 0}, "_updatedAt": {"$date": LOST},
    }))
    .unwrap();
    let situation = Situation {
        lost: Some(at(LOST)),
        started: at(STARTED),
        subscriptions: &[subscription],
        changed: &HashSet::new(),
        keeps_parked: true,
        busy: &HashSet::new(),
        limits: Limits::default(),
    };
    plan(&situation, &mut Watermarks::default())
        .pop()
        .unwrap_or_else(|| {
            let situation = Situation {
                changed: &HashSet::from(["r".into()]),
                ..situation
            };
            plan(&situation, &mut Watermarks::default()).pop().unwrap()
        })
}

fn message(id: &str, written: i64, revision: i64) -> Value {
    json!({
        "_id": id, "rid": "r", "msg": id, "u": {"_id": "uA", "username": "ann"},
        "ts": {"$date": written}, "_updatedAt": {"$date": revision},
    })
}

fn with(mut message: Value, key: &str, value: Value) -> Value {
    message[key] = value;
    message
}

fn live(message: &Value) -> Held {
    let event = StreamEvent {
        collection: "stream-room-messages".into(),
        event_name: "__my_messages__".into(),
        args: json!([message, {"roomParticipant": true, "roomType": "c"}])
            .to_string()
            .into(),
    };
    let revision = head(&event).unwrap().revision;
    Held { event, revision }
}

fn fetched(updated: &[Value]) -> SyncResult {
    serde_json::from_value(json!({"updated": updated})).unwrap()
}

const ALL: Bounds<'_> = Bounds {
    oldest: None,
    hears_any_age: false,
    events: usize::MAX,
    keeps: Keep::Newest,
    parked_to: None,
    own: None,
};

fn told(events: &[Sorted]) -> Vec<(EventKind, String)> {
    events
        .iter()
        .map(|sorted| {
            let id = match &sorted.event {
                Event::Deleted(deleted) => deleted.message_id().to_string(),
                event => event.message().unwrap().id().to_string(),
            };
            (sorted.event.kind(), id)
        })
        .collect()
}

#[test]
fn what_happened_in_the_gap_becomes_the_events_that_it_would_have_been() {
    let mut classifier = Classifier::new(false);
    // Seen before the outage.
    classifier.classify(&live(&message("seen", LOST - 5000, LOST - 5000)).event);
    let updated = vec![
        with(
            message("posted and edited", LOST + 400, LOST + 70_000),
            "editedAt",
            json!({"$date": LOST + 70_000}),
        ),
        with(
            message("posted and reacted to", LOST + 300, LOST + 90_000),
            "reactions",
            json!({":+1:": {"usernames": ["bob"]}}),
        ),
        with(
            message("old and edited", LOST - 80_000, LOST + 200),
            "editedAt",
            json!({"$date": LOST + 200}),
        ),
        message("before the bot", STARTED - 10, LOST + 100),
        message("seen", LOST - 5000, LOST - 5000),
    ];
    let mut result = fetched(&updated);
    result.deleted = serde_json::from_value(json!([
        {"_id": "gone", "_deletedAt": {"$date": LOST + 350}},
        {"_id": "gone", "_deletedAt": {"$date": LOST + 350}},
    ]))
    .unwrap();
    let Merged { events, skipped, .. } = merge(&room(), &result, Vec::new(), &mut classifier, ALL);
    assert_eq!(skipped, 0);
    assert_eq!(
        told(&events),
        [
            // It changed, nobody knows how: it is no new message.
            (EventKind::Updated, "before the bot".to_owned()),
            (EventKind::Edited, "old and edited".to_owned()),
            (EventKind::Message, "posted and reacted to".to_owned()),
            (EventKind::Deleted, "gone".to_owned()),
            (EventKind::Message, "posted and edited".to_owned()),
        ]
    );
    // Fetched once more: nothing is left.
    let events = merge(&room(), &result, Vec::new(), &mut classifier, ALL).events;
    assert_eq!(told(&events), []);
}

#[test]
fn a_live_version_and_a_later_fetched_one_are_told_apart() {
    let mut classifier = Classifier::new(false);
    let edited = with(
        message("m", LOST + 10, LOST + 20),
        "editedAt",
        json!({"$date": LOST + 20}),
    );
    let held = vec![live(&message("m", LOST + 10, LOST + 10))];
    let events = merge(&room(), &fetched(&[edited]), held, &mut classifier, ALL).events;
    assert_eq!(
        told(&events),
        [
            (EventKind::Message, "m".to_owned()),
            (EventKind::Edited, "m".to_owned())
        ]
    );
    assert_eq!(events[0].arrival, Arrival::Live);
    assert_eq!(events[1].arrival, Arrival::CaughtUp);
}

#[test]
fn those_of_one_millisecond_are_in_the_order_of_the_server() {
    let mut classifier = Classifier::new(false);
    let first = with(
        message("first", LOST + 10, LOST + 30),
        "reactions",
        json!({":+1:": {"usernames": ["bob"]}}),
    );
    let (second, third) = (
        message("second", LOST + 10, LOST + 10),
        message("third", LOST + 10, LOST + 10),
    );
    // Fetched before the third was written, which came live as the second did.
    let held = vec![live(&second), live(&third)];
    let result = fetched(&[second, first]);
    let events = merge(&room(), &result, held, &mut classifier, ALL).events;
    let ids: Vec<_> = told(&events).into_iter().map(|(_, id)| id).collect();
    assert_eq!(ids, ["first", "second", "third"]);
}

#[test]
fn what_is_too_old_or_too_much_is_skipped_and_counted_once() {
    let mut classifier = Classifier::new(false);
    let updated: Vec<Value> = (0..10)
        .rev()
        .map(|n| message(&n.to_string(), LOST + n, LOST + n))
        .collect();
    let own = with(
        message("own", LOST + 1, LOST + 1),
        "u",
        json!({"_id": "uB", "username": "bot"}),
    );
    let result = fetched(&updated.into_iter().chain([own]).collect::<Vec<_>>());
    let bounds = Bounds {
        oldest: Some(at(LOST + 4)),
        hears_any_age: false,
        events: 5,
        keeps: Keep::Newest,
        parked_to: None,
        own: Some(&"uB".into()),
    };
    let Merged { events, skipped, .. } = merge(&room(), &result, Vec::new(), &mut classifier, bounds);
    let ids: Vec<_> = told(&events).into_iter().map(|(_, id)| id).collect();
    assert_eq!(ids, ["5", "6", "7", "8", "9"]);
    assert_eq!(skipped, 5);
    let Merged { events, skipped, .. } = merge(&room(), &result, Vec::new(), &mut classifier, bounds);
    assert_eq!((events.len(), skipped), (0, 0));
}

#[test]
fn of_what_was_parked_the_rest_is_left_for_later() {
    let messages = [("a", 1), ("b", 2), ("c", 2), ("d", 3), ("e", 4)]
        .map(|(id, after)| message(id, LOST + after, LOST + after));
    let newest_first: Vec<_> = messages.iter().rev().cloned().collect();
    let mut classifier = Classifier::new(false);
    let two = Bounds {
        events: 2,
        keeps: Keep::Oldest,
        ..ALL
    };
    let first = merge(&room(), &fetched(&newest_first), Vec::new(), &mut classifier, two);
    // Those of one millisecond stay together.
    assert_eq!(told(&first.events).len(), 3);
    assert_eq!((first.skipped, first.left_from), (0, Some(at(LOST + 3))));
    let rest = merge(&room(), &fetched(&newest_first), Vec::new(), &mut classifier, ALL);
    assert_eq!(
        told(&rest.events).len(),
        2,
        "the first three were seen, the others not"
    );
    assert_eq!(rest.left_from, None);
}

fn parked(many: usize) -> Bounds<'static> {
    Bounds {
        events: many,
        keeps: Keep::Oldest,
        ..ALL
    }
}

/// Somebody reacted to it meanwhile: it has its place by when it was written.
#[test]
fn of_what_was_parked_nothing_loses_its_place_to_a_change() {
    let mut classifier = Classifier::new(false);
    let touched = with(
        message("a", LOST + 1, LOST + 9),
        "reactions",
        json!({":+1:": {"usernames": ["bob"]}}),
    );
    let later = [("b", 2), ("c", 3)].map(|(id, after)| message(id, LOST + after, LOST + after));
    let [b, c] = later;
    let result = fetched(&[c, b, touched]);
    let first = merge(&room(), &result, Vec::new(), &mut classifier, parked(1));
    assert_eq!(told(&first.events), [(EventKind::Message, "a".to_owned())]);
    let mut again = room();
    again.missed.after = first.left_from.unwrap().saturating_sub(TICK);
    let rest = merge(&again, &result, Vec::new(), &mut classifier, ALL);
    let ids: Vec<_> = told(&rest.events).into_iter().map(|(_, id)| id).collect();
    assert_eq!(ids, ["b", "c"]);
}

proptest! {
    /// However much of what was parked has a place at a time, and whatever was changed meanwhile: each message is new
    /// exactly once, in the order in which they were written, and it comes to an end.
    #[test]
    fn what_was_parked_comes_in_parts(
        all in prop::collection::vec((0i64..3, prop::option::of(0i64..20)), 1..30),
        parts in prop::collection::vec(1usize..5, 40),
    ) {
        let mut classifier = Classifier::new(false);
        let mut time = LOST;
        let mut all: Vec<(i64, Value)> = all.into_iter().enumerate().map(|(n, (gap, changed))| {
            time += gap;
            let revision = time + changed.unwrap_or_default();
            let message = message(&n.to_string(), time, revision);
            (revision, match changed {
                Some(_) => with(message, "reactions", json!({":+1:": {"usernames": ["bob"]}})),
                None => message,
            })
        }).collect();
        all.reverse();
        let mut room = room();
        let mut written = Vec::new();
        for many in parts.into_iter().cycle() {
            let newer = all.iter().filter(|(revision, _)| *revision > room.missed.after.as_millis());
            let result = fetched(&newer.map(|(_, message)| message.clone()).collect::<Vec<_>>());
            let Merged { events, left_from, .. } = merge(&room, &result, Vec::new(), &mut classifier, parked(many));
            written.extend(events.iter().filter(|sorted| sorted.event.is_new_message()).map(|sorted| sorted.happened));
            let Some(left_from) = left_from else { break };
            let after = left_from.saturating_sub(TICK);
            prop_assert!(after > room.missed.after, "it gets on");
            room.missed.after = after;
        }
        prop_assert!(written.is_sorted());
        prop_assert_eq!(written.len(), all.len());
    }

    /// Whatever part of a room's messages arrived live before, during or after the fetch, in whatever order and however
    /// often: each is new exactly once, and those of one merge are in the order in which they were written.
    #[test]
    fn every_message_is_new_exactly_once(
        fates in prop::collection::vec((any::<bool>(), any::<bool>(), any::<bool>()), 1..40),
        shuffle in any::<u64>(),
        gaps in prop::collection::vec(0i64..3, 40),
    ) {
        let mut classifier = Classifier::new(false);
        let mut time = LOST;
        let all: Vec<_> = fates.iter().zip(gaps).enumerate().map(|(n, (fate, gap))| {
            time += gap;
            (message(&n.to_string(), time, time), *fate)
        }).collect();
        let mut new: Vec<String> = Vec::new();
        let mut hear = |events: &[Event]| new.extend(events.iter().filter(|event| event.is_new_message())
            .map(|event| event.message().unwrap().id().to_string()));
        for (message, _) in all.iter().filter(|(_, (before, ..))| *before) {
            hear(&classifier.classify(&live(message).event));
        }
        let mut held: Vec<Held> = all.iter().filter(|(_, (_, during, _))| *during).map(|(message, _)| live(message)).collect();
        fastrand::Rng::with_seed(shuffle).shuffle(&mut held);
        // A snapshot has a beginning, and what is missing at its end comes live.
        let snapshot: Vec<Value> = all.iter().rev().map(|(message, _)| message.clone()).collect();
        let result = fetched(&snapshot);
        let Merged { events, skipped, .. } = merge(&room(), &result, held, &mut classifier, ALL);
        prop_assert_eq!(skipped, 0);
        let written: Vec<_> = events.iter().map(|sorted| sorted.event.message().unwrap().created_at()).collect();
        prop_assert!(written.is_sorted());
        hear(&events.into_iter().map(|sorted| sorted.event).collect::<Vec<_>>());
        for (message, _) in all.iter().filter(|(_, (.., after))| *after) {
            hear(&classifier.classify(&live(message).event));
        }
        let unique: HashSet<_> = new.iter().collect();
        prop_assert_eq!(unique.len(), new.len());
        prop_assert_eq!(unique.len(), all.len());
    }
}
