//! Input of any shape: the server answers or ignores it, and goes on.

use proptest::{
    prelude::*,
    strategy::ValueTree,
    test_runner::{Config, TestRunner},
};
use rocketbotte::sandbox::Sandbox;
use serde_json::{Map, Value, json};

use crate::client::{Ddp, request};

const WORDS: &[&str] = &[
    "msg",
    "id",
    "name",
    "method",
    "params",
    "sub",
    "unsub",
    "connect",
    "ping",
    "login",
    "logout",
    "sendMessage",
    "updateMessage",
    "deleteMessage",
    "setReaction",
    "joinRoom",
    "leaveRoom",
    "createDirectMessage",
    "rooms/get",
    "subscriptions/get",
    "loadMissedMessages",
    "stream-notify-room",
    "stream-notify-user",
    "stream-room-messages",
    "GENERAL/user-activity",
    "GENERAL",
    "rid",
    "_id",
    "tmid",
    "ts",
    "$date",
    "resume",
    "user",
    "password",
    "digest",
    "username",
    "ann",
    "general",
    "@all",
    "#general",
    "__my_messages__",
    "message",
    "roomId",
    "msgId",
    "messageId",
    "text",
    "emoji",
    ":+1:",
    "lastUpdate",
    "type",
    "UPDATED",
    "next",
    "count",
    "2026-11-22T08:00:00.000Z",
    "attachments",
];

fn word() -> impl Strategy<Value = String> {
    prop_oneof![4 => prop::sample::select(WORDS).prop_map(str::to_owned), 1 => ".{0,12}"]
}

fn anything() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        word().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::vec((word(), inner), 0..5)
                .prop_map(|fields| Value::Object(fields.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

fn samples(count: usize) -> Vec<(String, Value)> {
    let mut runner = TestRunner::new(Config::default());
    let strategy = (word(), anything());
    (0..count)
        .map(|_| strategy.new_tree(&mut runner).expect("generates").current())
        .collect()
}

#[tokio::test]
async fn frames_of_any_shape_leave_the_connection_alive() {
    let sandbox = Sandbox::builder().start_in_memory();
    let mut ddp = Ddp::in_memory(&sandbox).await;
    ddp.log_in(&sandbox.bot("rocketbotte")).await;
    ddp.my_messages().await;
    for (name, value) in samples(1_500) {
        let frames = [
            json!({ "msg": "method", "id": "x", "method": name, "params": [value] }),
            json!({ "msg": "sub", "id": name, "name": "stream-room-messages", "params": [name, value] }),
            json!({ "msg": name, "id": value, "params": value }),
            value,
        ];
        for frame in frames {
            ddp.send(frame).await;
        }
        ddp.settle().await;
    }
}

#[tokio::test]
async fn requests_of_any_shape_are_answered() {
    let sandbox = Sandbox::builder().bot("rocketbotte").start_in_memory();
    let bot = sandbox.bot("rocketbotte");
    let posts = [
        "login",
        "chat.sendMessage",
        "chat.postMessage",
        "chat.update",
        "chat.delete",
        "chat.react",
        "im.create",
        "channels.create",
        "channels.invite",
        "users.setStatus",
        "subscriptions.read",
        "rooms.createDiscussion",
    ];
    let gets = [
        "chat.syncMessages",
        "channels.history",
        "rooms.get",
        "users.info",
        "chat.getThreadMessages",
    ];
    for (n, (name, value)) in samples(400).into_iter().enumerate() {
        let body = match &value {
            Value::Object(_) if n % 2 == 0 => {
                json!({ "message": value, "roomId": "GENERAL", "messageId": value })
            }
            _ => value.clone(),
        };
        let path = format!("/api/v1/{}", posts[n % posts.len()]);
        let answer = request(&sandbox, Some(&bot), "POST", &path, Some(&body.to_string()))
            .await
            .expect("answers");
        assert!(answer.status < 500, "{body}");
        let encoded: String = name.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let path = format!(
            "/api/v1/{}?roomId=GENERAL&lastUpdate={encoded}&count={encoded}&updatedSince={encoded}&oldest={encoded}",
            gets[n % gets.len()],
        );
        let answer = request(&sandbox, Some(&bot), "GET", &path, None)
            .await
            .expect("answers");
        assert!(answer.status < 500, "{path}");
    }
}
