//! A session survives whatever comes.

use proptest::prelude::*;

use super::*;
use crate::event::Event;
use crate::event::classify::Classifier;

/// Frames that once were, or easily could be, trouble.
const CORPUS: &[&str] = &[
    "",
    "o",
    "h",
    "a",
    "a[",
    "a[null]",
    r#"c[3000,"Go away!"]"#,
    "null",
    "0",
    "[]",
    "{}",
    "{\"msg\"",
    r#"{"msg":"changed"}"#,
    r#"{"msg":"changed","collection":null,"fields":null}"#,
    r#"{"msg":"changed","collection":"stream-room-messages","id":"id","fields":{"eventName":"__my_messages__","args":null}}"#,
    r#"{"msg":"changed","collection":"stream-room-messages","id":"id","fields":{"eventName":"","args":[]}}"#,
    r#"{"msg":"changed","collection":"stream-room-messages","id":"id","fields":{"eventName":"\u0000","args":[{"_id":1,"rid":[],"u":"x"}]}}"#,
    r#"{"msg":"changed","collection":"stream-notify-user","id":"id","fields":{"eventName":"x/subscriptions-changed","args":["removed",{}]}}"#,
    r#"{"msg":"changed","collection":"stream-user-presence","id":"u","fields":{"uid":"u","eventName":"u","args":[["ann",1,"text"]]}}"#,
    r#"{"msg":"ready"}"#,
    r#"{"msg":"ready","subs":"2"}"#,
    r#"{"msg":"ready","subs":[2,null,"2"]}"#,
    r#"{"msg":"nosub"}"#,
    r#"{"msg":"nosub","id":7}"#,
    r#"{"msg":"result","id":7,"result":1}"#,
    r#"{"msg":"result","id":"99999999999999999999999"}"#,
    r#"{"msg":"updated"}"#,
    r#"{"msg":"added","collection":"users"}"#,
    r#"{"msg":"removed","collection":"users","id":"u"}"#,
    r#"{"msg":"error","reason":"Bad request","offendingMessage":{"msg":"nonsense"}}"#,
    r#"{"msg":"error","reason":{"a":1}}"#,
    r#"{"msg":"ping","id":{"a":1}}"#,
    r#"{"msg":"connected","session":7}"#,
    r#"{"msg":["ping"]}"#,
    "\u{feff}{\"msg\":\"ping\"}",
];

/// A ready session goes on whatever comes, and the message beside it arrives.
fn survives(frame: &str) {
    let mut driver = Driver::ready();
    let mut classifier = Classifier::new(false);
    let out = driver.frame(frame);
    assert!(out.closed.is_none(), "{frame}");
    for event in &out.events {
        let _ = classifier.classify(event);
    }
    let out = driver.frame(&message("beside"));
    assert_eq!(out.events.len(), 1, "{frame}");
    assert!(
        matches!(classifier.classify(&out.events[0])[..], [Event::Message(_)]),
        "{frame}"
    );
    let _ = driver.pass(secs(20));
}

#[test]
fn the_corpus_is_survived() {
    for frame in CORPUS {
        survives(frame);
    }
    survives(&format!(
        "{{\"msg\":\"ready\",\"subs\":{}{}}}",
        "[".repeat(10_000),
        "]".repeat(10_000)
    ));
    survives(&message(&"x".repeat(1 << 20)));
}

/// JSON values with the keys and words of the protocol, so that they get past the first look.
fn json() -> impl Strategy<Value = serde_json::Value> {
    use serde_json::Value;
    let word = prop::sample::select(vec![
        "msg",
        "changed",
        "result",
        "ready",
        "ping",
        "nosub",
        "connected",
        "updated",
        "error",
        "id",
        "2x",
        "4",
        "subs",
        "fields",
        "eventName",
        "args",
        "collection",
        "stream-room-messages",
        "stream-notify-user",
        "__my_messages__",
        "_id",
        "rid",
        "u",
        "ts",
        "$date",
        "reactions",
        "t",
        "rm",
        "_updatedAt",
        "inserted",
    ]);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        word.clone().prop_map(Value::from),
        ".{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 48, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::vec((word.clone(), inner), 0..6)
                .prop_map(|pairs| Value::Object(pairs.into_iter().map(|(k, v)| (k.to_owned(), v)).collect())),
        ]
    })
}

proptest! {
    #[test]
    fn arbitrary_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        survives(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn arbitrary_json_is_survived(value in json()) {
        survives(&value.to_string());
    }

    #[test]
    fn arbitrary_messages_are_survived(args in prop::collection::vec(json(), 0..3)) {
        let frame = serde_json::json!({
            "msg": "changed", "collection": "stream-room-messages", "id": "id",
            "fields": {"eventName": "__my_messages__", "args": args},
        });
        survives(&frame.to_string());
    }

    #[test]
    fn half_a_frame_is_survived(cut in 0_usize..300) {
        let frame = message("m1");
        survives(&frame[..cut.min(frame.len() - 1)]);
    }

    #[test]
    fn any_order_of_frames_and_times_is_survived(
        steps in prop::collection::vec((prop::sample::select(CORPUS), 0_u64..70), 0..40),
    ) {
        let mut driver = Driver::new();
        for (frame, passed) in steps {
            driver.frame(frame);
            driver.pass(secs(passed));
            prop_assert!(driver.session.next_timeout().is_none_or(|at| at > driver.now));
        }
    }
}
