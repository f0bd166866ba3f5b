//! REST: any method, path, headers and body.

use proptest::prelude::*;
use rocketbotte::sandbox::{Sandbox, SandboxUser};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::timeout;

use super::client::{PATIENCE, request};
use super::values::{anything, changed, changes, damaged, damages, word};
use super::{assert_works, config, run, sandbox};

/// Calls that are right, but for the ids: `M` is a message of the bot, `U` a user, `T` a token that is none.
const CALLS: &str = r##"
POST login { "user": "ann", "password": "ann-password" }
POST login { "resume": "T" }
POST login { "user": { "username": "ann" }, "password": { "digest": "x", "algorithm": "sha-256" } }
POST chat.sendMessage { "message": { "_id": "abcdefghijklmnopq", "rid": "GENERAL", "msg": "hi", "tmid": "M", "attachments": [{ "text": "t" }], "alias": "a", "emoji": ":x:" } }
POST chat.postMessage { "roomId": "GENERAL", "channel": "#general", "text": "hi", "attachments": [{ "title": "t" }], "tmid": "M" }
POST chat.update { "roomId": "GENERAL", "msgId": "M", "text": "new" }
POST chat.delete { "roomId": "GENERAL", "msgId": "M", "asUser": true }
POST chat.react { "messageId": "M", "emoji": ":+1:", "shouldReact": true }
POST chat.pinMessage { "messageId": "M" }
POST chat.unPinMessage { "messageId": "M" }
POST users.setStatus { "status": "busy", "message": "m" }
POST im.create { "username": "ann", "usernames": "ann,rocketbotte" }
POST channels.create { "name": "new-room", "members": ["ann"], "readOnly": false }
POST groups.create { "name": "new-group", "members": ["ann"] }
POST channels.join { "roomId": "GENERAL" }
POST channels.leave { "roomId": "GENERAL" }
POST channels.invite { "roomId": "GENERAL", "userId": "U" }
POST channels.kick { "roomId": "GENERAL", "userId": "U" }
POST channels.setTopic { "roomId": "GENERAL", "topic": "t" }
POST subscriptions.read { "rid": "GENERAL", "readThreads": true }
POST rooms.createDiscussion { "prid": "GENERAL", "t_name": "talk", "users": ["ann"], "pmid": "M", "reply": "r" }
POST rooms.media/GENERAL {}
POST rooms.upload/GENERAL {}
POST logout {}
GET chat.syncMessages { "roomId": "GENERAL", "lastUpdate": "2026-11-22T08:00:00.000Z", "next": "1795334400000", "previous": "1", "type": "UPDATED", "count": "10" }
GET chat.getMessage { "msgId": "M" }
GET chat.getThreadMessages { "tmid": "M", "count": "5", "offset": "0", "sort": "{\"ts\":1}", "query": "{}" }
GET channels.history { "roomId": "GENERAL", "latest": "2026-11-22T08:00:00.000Z", "oldest": "x", "count": "5", "inclusive": "true", "unreads": "true" }
GET rooms.get { "updatedSince": "2026-11-22T08:00:00.000Z" }
GET subscriptions.get { "updatedSince": "2026-11-22T08:00:00.000Z" }
GET subscriptions.getOne { "roomId": "GENERAL" }
GET rooms.info { "roomId": "GENERAL", "roomName": "general" }
GET channels.members { "roomId": "GENERAL", "count": "2", "offset": "1", "filter": "a", "status[]": "online" }
GET channels.list { "count": "2", "offset": "1", "query": "{}", "fields": "{}" }
GET users.info { "username": "ann", "userId": "U" }
GET users.list { "count": "0", "offset": "9" }
GET settings.public { "_id": "Site_Url", "query": "{\"_id\":{\"$in\":[]}}", "count": "1" }
GET me {}
"##;

/// Verb, endpoint and fields of each of these lines.
pub(super) fn orders(lines: &'static str) -> Vec<(&'static str, &'static str, Value)> {
    let order = |line: &'static str| {
        let mut parts = line.splitn(3, ' ');
        let mut part = || parts.next().expect("a verb, an endpoint and fields");
        let (verb, name, fields) = (part(), part(), part());
        (verb, name, serde_json::from_str(fields).expect("JSON"))
    };
    lines.trim().lines().map(order).collect()
}

fn calls() -> Vec<(&'static str, &'static str, Value)> {
    orders(CALLS)
}

/// A form of a URL.
fn query(fields: &Value) -> String {
    let encode = |text: &str| {
        text.bytes()
            .map(|byte| format!("%{byte:02X}"))
            .collect::<String>()
    };
    let fields = fields.as_object().into_iter().flatten().map(|(name, value)| {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        format!("{}={}", encode(name), encode(&text))
    });
    fields.collect::<Vec<_>>().join("&")
}

fn with_ids(mut value: Value, message: &str, user: &str) -> Value {
    match &mut value {
        Value::String(text) if text == "M" => *text = message.to_owned(),
        Value::String(text) if text == "U" => *text = user.to_owned(),
        Value::Array(list) => list
            .iter_mut()
            .for_each(|value| *value = with_ids(value.take(), message, user)),
        Value::Object(object) => object
            .values_mut()
            .for_each(|value| *value = with_ids(value.take(), message, user)),
        _ => {}
    }
    value
}

pub(super) struct Scene {
    pub(super) sandbox: Sandbox,
    pub(super) bot: SandboxUser,
    message: String,
}

impl Scene {
    pub(super) async fn new() -> Self {
        let sandbox = sandbox();
        let bot = sandbox.bot("rocketbotte");
        let message = bot.say("general", "something").await;
        Self {
            sandbox,
            bot,
            message,
        }
    }

    fn ids(&self, value: Value) -> Value {
        with_ids(value, &self.message, self.sandbox.user("ann").id())
    }

    /// Asks as the bot, unless other headers say otherwise, on a connection of its own. `None` if it ended without an answer.
    pub(super) async fn ask(&self, line: &str, headers: &str, body: &[u8]) -> Option<(u16, String)> {
        let length = body.len();
        let head = format!(
            "{line} HTTP/1.1\r\nhost: localhost\r\n{headers}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n"
        );
        let answer = self.exchange(&[head.as_bytes(), body].concat(), false).await;
        let answer = String::from_utf8_lossy(&answer);
        let status = answer.get(9..12)?.parse().ok()?;
        let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        Some((status, body.to_owned()))
    }

    /// The headers of the bot.
    pub(super) fn bots(&self, content_type: &str) -> String {
        let (id, token) = (self.bot.id(), self.bot.token());
        format!("x-user-id: {id}\r\nx-auth-token: {token}\r\ncontent-type: {content_type}")
    }

    /// Writes bytes, says that there are no more if they do not ask for the end themselves, and reads what comes.
    pub(super) async fn exchange(&self, bytes: &[u8], ends: bool) -> Vec<u8> {
        let mut stream = self.sandbox.connect();
        // It may have been closed before all was written.
        let _ = timeout(PATIENCE, stream.write_all(bytes)).await.expect("is read");
        if ends {
            let _ = stream.shutdown().await;
        }
        let mut answer = Vec::new();
        let _ = timeout(PATIENCE, stream.read_to_end(&mut answer))
            .await
            .expect("ends");
        answer
    }
}

/// What an error looks like: a page, or JSON that says that it is one.
pub(super) fn assert_documented(status: u16, body: &str) {
    assert!(status < 500, "{status}: {body}");
    if let (400.., Ok(body)) = (status, serde_json::from_str::<Value>(body)) {
        let is_error = body["success"] == json!(false) || body["status"] == "error";
        assert!(is_error, "{status}: {body}");
        if let Some(kind) = body.get("errorType") {
            assert!(kind.is_string(), "{body}");
        }
    }
}

proptest! {
    #![proptest_config(config(48))]

    #[test]
    fn calls_that_are_nearly_right_get_an_answer(
        picks in prop::collection::vec((any::<prop::sample::Index>(), changes(), 0..8_u8), 1..12),
    ) {
        run(async {
            let scene = Scene::new().await;
            let calls = calls();
            for (pick, changes, how) in picks {
                let (verb, name, fields) = pick.get(&calls).clone();
                let fields = changed(scene.ids(fields), &changes);
                let user = (how != 0).then_some(&scene.bot);
                // The query of a GET; now and then of the other kind.
                let (path, body) = match (verb, how) {
                    ("GET", 0..7) | ("POST", 7) => (format!("/api/v1/{name}?{}", query(&fields)), None),
                    _ => (format!("/api/v1/{name}"), Some(fields.to_string())),
                };
                // Our client has no longer ones.
                if path.len() > 60_000 {
                    continue;
                }
                let answer = request(&scene.sandbox, user, verb, &path, body.as_deref()).await.expect("answers");
                assert_documented(answer.status, &answer.text);
            }
            assert_works(&scene.sandbox).await;
        });
    }

    #[test]
    fn any_call_gets_an_answer(
        verb in prop_oneof![prop::sample::select(vec!["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"]).prop_map(str::to_owned), "[A-Z]{1,9}"],
        path in prop_oneof!["/api/v1/[a-z.]{0,20}", "/[a-zA-Z0-9/%._-]{0,40}", word().prop_map(|word| format!("/api/v1/{}", query(&json!({ word: "" })))), Just("/websocket".to_owned())],
        token in prop_oneof![Just(None), "[ -~]{0,60}".prop_map(Some)],
        content_type in prop_oneof![Just("application/json"), Just("application/json; charset=latin-1"), Just("text/plain"), Just("multipart/form-data; boundary=x"), Just("multipart/form-data"), Just("")],
        body in prop_oneof![anything().prop_map(|value| value.to_string().into_bytes()), prop::collection::vec(any::<u8>(), 0..200), Just(vec![b'['; 5000])],
    ) {
        run(async {
            let scene = Scene::new().await;
            let headers = match token {
                Some(token) => format!("x-user-id: {}\r\nx-auth-token: {token}\r\ncontent-type: {content_type}", scene.bot.id()),
                None => scene.bots(content_type),
            };
            let answer = scene.ask(&format!("{verb} {path}"), &headers, &body).await;
            let (status, body) = answer.expect("an answer");
            assert_documented(status, &body);
            assert_works(&scene.sandbox).await;
        });
    }

    #[test]
    fn damaged_bytes_are_answered_or_end_the_connection(
        pick: prop::sample::Index,
        damages in damages(),
        is_chunked: bool,
    ) {
        run(async {
            let scene = Scene::new().await;
            let (verb, name, fields) = pick.get(&calls()).clone();
            let body = scene.ids(fields).to_string();
            let (length, body) = if is_chunked {
                ("transfer-encoding: chunked".to_owned(), format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len()))
            } else {
                (format!("content-length: {}", body.len()), body)
            };
            let (token, id) = (scene.bot.token(), scene.bot.id());
            let bytes = format!(
                "{verb} /api/v1/{name}?count=1 HTTP/1.1\r\nhost: localhost\r\nx-auth-token: {token}\r\nx-user-id: {id}\r\n\
                 content-type: application/json\r\n{length}\r\n\r\n{body}"
            );
            let answer = scene.exchange(&damaged(bytes.into_bytes(), &damages), true).await;
            if !answer.is_empty() {
                let answer = String::from_utf8_lossy(&answer);
                assert!(answer.starts_with("HTTP/1."), "{answer}");
                assert!(!answer.starts_with("HTTP/1.1 5"), "{answer}");
            }
            assert_works(&scene.sandbox).await;
        });
    }
}

#[test]
fn what_is_too_large_is_refused() {
    run(async {
        let scene = Scene::new().await;
        let text = "x".repeat(9 * 1024 * 1024);
        let body = json!({ "message": { "rid": "GENERAL", "msg": text } }).to_string();
        let answer = request(
            &scene.sandbox,
            Some(&scene.bot),
            "POST",
            "/api/v1/chat.sendMessage",
            Some(&body),
        );
        assert_eq!(answer.await.expect("answers").status, 413);
        // A message that is only too long has its own error.
        let body = json!({ "message": { "rid": "GENERAL", "msg": "x".repeat(5001) } }).to_string();
        let answer = request(
            &scene.sandbox,
            Some(&scene.bot),
            "POST",
            "/api/v1/chat.sendMessage",
            Some(&body),
        )
        .await
        .expect("answers");
        assert_eq!(answer.status, 400);
        assert_eq!(answer.json()["errorType"], "error-message-size-exceeded");
        let head = format!(
            "GET /api/info HTTP/1.1\r\nhost: localhost\r\nx-long: {}\r\n\r\n",
            "x".repeat(1024 * 1024)
        );
        let answer = scene.exchange(head.as_bytes(), true).await;
        assert!(
            String::from_utf8_lossy(&answer).starts_with("HTTP/1.1 431"),
            "{answer:?}"
        );
        let head = format!("GET /{} HTTP/1.1\r\nhost: localhost\r\n\r\n", "x".repeat(100_000));
        let answer = scene.exchange(head.as_bytes(), true).await;
        assert!(
            String::from_utf8_lossy(&answer).starts_with("HTTP/1.1 414"),
            "{answer:?}"
        );
        assert_works(&scene.sandbox).await;
    });
}

#[test]
fn errors_are_those_that_are_documented() {
    run(async {
        let scene = Scene::new().await;
        let call = async |verb: &str, path: &str, user: Option<&SandboxUser>, body: Option<&str>| {
            let answer = request(&scene.sandbox, user, verb, path, body)
                .await
                .expect("answers");
            (
                answer.status,
                answer.headers["content-type"]
                    .to_str()
                    .expect("is text")
                    .to_owned(),
                answer.text,
            )
        };
        let bot = Some(&scene.bot);
        let (status, kind, text) = call("POST", "/api/v1/chat.sendMessage", bot, Some("{no JSON")).await;
        assert_eq!((status, kind.starts_with("text/html")), (400, true), "{text}");
        let (status, _, text) = call("POST", "/api/v1/chat.sendMessage", None, Some("{}")).await;
        assert_eq!(status, 401);
        let body: Value = serde_json::from_str(&text).expect("is JSON");
        let sentence = "You must be logged in to do this.";
        assert_eq!(
            body,
            json!({ "success": false, "status": "error", "error": sentence, "message": sentence })
        );
        let (status, _, text) = call("GET", "/api/v1/chat.sendMessage", bot, None).await;
        assert_eq!(status, 405, "{text}");
        assert!(text.contains("API endpoint does not exist"), "{text}");
        for body in [
            "{}",
            "[]",
            "null",
            "7",
            "\"text\"",
            "{\"message\":7}",
            "{\"message\":{\"rid\":7}}",
        ] {
            let (status, _, text) = call("POST", "/api/v1/chat.sendMessage", bot, Some(body)).await;
            assert_eq!(status, 400, "{body}: {text}");
            let answer: Value = serde_json::from_str(&text).expect("is JSON");
            assert_eq!(answer["success"], false, "{body}: {text}");
        }
    });
}
