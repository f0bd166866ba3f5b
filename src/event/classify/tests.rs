use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::event::EventKind;

const WRITTEN_AT: i64 = 1_795_334_400_000;

fn stream(collection: &str, event_name: &str, args: &Value) -> StreamEvent {
    StreamEvent {
        collection: collection.into(),
        event_name: event_name.into(),
        args: args.to_string().into(),
    }
}

fn sighting(message: &Value) -> StreamEvent {
    let room = json!({"roomParticipant": true, "roomType": "c", "roomName": "general"});
    stream("stream-room-messages", "__my_messages__", &json!([message, room]))
}

/// A message as it was when it changed last, so many milliseconds after it was written.
fn message(changed_after: i64) -> Value {
    json!({
        "_id": "m1", "rid": "GENERAL", "msg": "!ping", "u": {"_id": "uA", "username": "ann"},
        "ts": {"$date": WRITTEN_AT}, "_updatedAt": {"$date": WRITTEN_AT + changed_after},
    })
}

fn with(mut message: Value, changes: &Value) -> Value {
    for (name, value) in changes.as_object().into_iter().flatten() {
        message[name] = value.clone();
    }
    message
}

fn edited(changed_after: i64) -> Value {
    let edit = json!({"msg": "!pong", "editedAt": {"$date": WRITTEN_AT + changed_after}});
    with(message(changed_after), &edit)
}

fn reacted(message: Value) -> Value {
    with(message, &json!({"reactions": {":+1:": {"usernames": ["bob"]}}}))
}

fn kinds(events: &Events) -> Vec<EventKind> {
    events.iter().map(Event::kind).collect()
}

fn kinds_of(classifier: &mut Classifier, sightings: &[Value]) -> Vec<EventKind> {
    sightings
        .iter()
        .flat_map(|seen| kinds(&classifier.classify(&sighting(seen))))
        .collect()
}

fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 5, |inner| {
        let name = prop_oneof!["[_a-z$]{0,8}", Just("_id".to_owned()), Just("$date".to_owned())];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::hash_map(name, inner, 0..5)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

/// A message with any values in the fields that are looked at.
fn odd_message() -> impl Strategy<Value = Value> {
    let name = prop::sample::select(vec![
        "_id",
        "rid",
        "msg",
        "ts",
        "_updatedAt",
        "editedAt",
        "u",
        "t",
        "tmid",
        "alias",
        "bot",
        "pinned",
        "tcount",
        "reactions",
    ]);
    prop::collection::vec((name, json_value()), 0..4).prop_map(|fields| {
        let mut odd = message(1);
        for (name, value) in fields {
            odd[name] = value;
        }
        odd
    })
}

fn collection() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("stream-room-messages".to_owned()),
        Just("stream-notify-room".to_owned()),
        Just("stream-notify-user".to_owned()),
        ".{0,12}",
    ]
}

fn event_name() -> impl Strategy<Value = String> {
    let name = prop::sample::select(vec![
        "__my_messages__",
        "GENERAL",
        "GENERAL/user-activity",
        "GENERAL/deleteMessage",
        "uB/subscriptions-changed",
    ]);
    prop_oneof![name.prop_map(str::to_owned), ".{0,12}"]
}

proptest! {
    #[test]
    fn any_text_as_arguments_is_an_event_or_nothing(
        collection in collection(),
        event_name in event_name(),
        args in ".{0,60}",
    ) {
        let stream = StreamEvent {
            collection: collection.into(),
            event_name: event_name.into(),
            args: args.into(),
        };
        prop_assert!(Classifier::new(true).classify(&stream).len() <= 1);
    }

    #[test]
    fn any_json_as_arguments_is_an_event_or_nothing(
        collection in collection(),
        event_name in event_name(),
        args in prop::collection::vec(json_value(), 0..4),
    ) {
        let stream = stream(&collection, &event_name, &Value::from(args));
        prop_assert!(Classifier::new(true).classify(&stream).len() <= 1);
    }

    #[test]
    fn an_odd_field_loses_no_message(odd in odd_message()) {
        let events = Classifier::new(true).classify(&sighting(&odd));
        prop_assert_eq!(events.len(), 1);
        // A key for what is not there would be the same for two messages.
        let has_ids = [&odd["_id"], &odd["rid"]]
            .into_iter()
            .all(|id| id.as_str().is_some_and(|id| !id.is_empty()));
        prop_assert_eq!(events[0].kind() == EventKind::Raw, !has_ids, "{:?}", events);
    }

    #[test]
    fn what_repeats_is_dropped(odd in odd_message()) {
        let mut classifier = Classifier::new(true);
        let first = classifier.classify(&sighting(&odd));
        prop_assume!(first[0].kind() != EventKind::Raw);
        prop_assert!(classifier.classify(&sighting(&odd)).is_empty());
    }

    /// In whatever order what happens to a message is seen, and however often: it is new once.
    #[test]
    fn in_every_order_a_message_is_new_once(
        order in Just([0_usize, 1, 2]).prop_shuffle(),
        repeated in prop::collection::vec(0_usize..3, 0..4),
        is_edited_first: bool,
    ) {
        let versions = if is_edited_first {
            [message(0), edited(10), reacted(with(edited(10), &message(20)))]
        } else {
            [message(0), reacted(message(10)), reacted(edited(20))]
        };
        let seen: Vec<_> = order.iter().chain(&repeated).map(|index| versions[*index].clone()).collect();
        let kinds = kinds_of(&mut Classifier::new(true), &seen);
        let new = kinds.iter().filter(|kind| **kind == EventKind::Message).count();
        prop_assert_eq!(new, 1, "{:?}", kinds);
    }
}

#[test]
fn an_edit_that_overtakes_its_message_does_not_lose_it() {
    let mut classifier = Classifier::new(false);
    let seen = kinds_of(&mut classifier, &[edited(10), message(0), message(0), edited(10)]);
    assert_eq!(seen, [EventKind::Edited, EventKind::Message]);
}

#[test]
fn an_edit_of_a_message_that_nobody_saw_is_not_new() {
    let mut classifier = Classifier::new(false);
    let later = with(
        edited(3_600_000),
        &json!({"_updatedAt": {"$date": WRITTEN_AT + 3_600_010}}),
    );
    let seen = kinds_of(&mut classifier, &[edited(3_600_000), reacted(later)]);
    assert_eq!(seen, [EventKind::Edited, EventKind::Reaction]);
}

#[test]
fn what_was_deleted_is_not_new_any_more() {
    let deleted = with(message(10), &json!({"t": "rm", "msg": ""}));
    let seen = kinds_of(&mut Classifier::new(false), &[deleted, message(0)]);
    assert_eq!(seen, [EventKind::Deleted]);
}

#[test]
fn a_reaction_that_goes_takes_its_field_along() {
    let mut classifier = Classifier::new(false);
    let seen = kinds_of(&mut classifier, &[message(0), reacted(message(10)), message(20)]);
    assert_eq!(
        seen,
        [EventKind::Message, EventKind::Reaction, EventKind::Reaction]
    );
}

#[test]
fn a_change_of_an_old_message_is_not_new() {
    let seen = kinds_of(&mut Classifier::new(false), &[reacted(message(86_400_000))]);
    assert_eq!(seen, [EventKind::Updated]);
}

#[test]
fn rooms_that_the_bot_is_not_in_are_heard_where_it_is_asked_for() {
    let room = json!({"roomParticipant": false, "roomType": "c"});
    let elsewhere = stream(
        "stream-room-messages",
        "__my_messages__",
        &json!([message(0), room]),
    );
    assert!(Classifier::new(false).classify(&elsewhere).is_empty());
    assert_eq!(
        kinds(&Classifier::new(true).classify(&elsewhere)),
        [EventKind::Message]
    );
    // Some versions do not say it.
    let unsaid = stream("stream-room-messages", "__my_messages__", &json!([message(0)]));
    assert_eq!(
        kinds(&Classifier::new(false).classify(&unsaid)),
        [EventKind::Message]
    );
}

#[test]
fn no_more_messages_are_remembered_than_the_bound() {
    let mut classifier = Classifier::new(false);
    for number in 0..REMEMBERED_MESSAGES + 10 {
        let other = with(message(0), &json!({"_id": format!("m{number}")}));
        classifier.classify(&sighting(&other));
    }
    let remembered = (classifier.seen.len(), classifier.order.len());
    assert_eq!(remembered, (REMEMBERED_MESSAGES, REMEMBERED_MESSAGES));
}
