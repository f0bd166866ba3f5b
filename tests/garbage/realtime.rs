//! DDP: any frame, and any bytes where frames should be.

use futures_util::{SinkExt as _, StreamExt as _};
use proptest::prelude::*;
use rocketbotte::sandbox::Sandbox;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::{Message, protocol::frame::coding::CloseCode};

use super::client::{Ddp, PATIENCE, Received};
use super::values::{anything, changed, changes, damaged, damages, word};
use super::{assert_works, config, run, sandbox};

/// Frames that are right.
fn frames() -> Vec<Value> {
    let method =
        |name: &str, params: Value| json!({ "msg": "method", "id": "7", "method": name, "params": params });
    let sub = |name: &str, event: &str| json!({ "msg": "sub", "id": "s", "name": name, "params": [event, { "useCollection": false, "args": [] }] });
    vec![
        json!({ "msg": "connect", "version": "1", "support": ["1", "pre2"] }),
        json!({ "msg": "ping", "id": "p" }),
        json!({ "msg": "pong" }),
        method("login", json!([{ "resume": "token" }])),
        method(
            "login",
            json!([{ "user": { "username": "ann" }, "password": { "digest": "x", "algorithm": "sha-256" } }]),
        ),
        method("logout", json!([])),
        method(
            "sendMessage",
            json!([{ "_id": "abcdefghijklmnopq", "rid": "GENERAL", "msg": "hi @all", "tmid": "x" }]),
        ),
        method(
            "updateMessage",
            json!([{ "_id": "abcdefghijklmnopq", "rid": "GENERAL", "msg": "new" }]),
        ),
        method("deleteMessage", json!([{ "_id": "abcdefghijklmnopq" }])),
        method("setReaction", json!([":+1:", "abcdefghijklmnopq", true])),
        method("joinRoom", json!(["GENERAL"])),
        method("createDirectMessage", json!(["ann"])),
        method("rooms/get", json!([{ "$date": 0 }])),
        method("subscriptions/get", json!([{ "$date": 1_795_334_400_000_u64 }])),
        method(
            "loadHistory",
            json!(["GENERAL", null, 50, { "$date": 1_795_334_400_000_u64 }]),
        ),
        method("loadMissedMessages", json!(["GENERAL", { "$date": 0 }])),
        method("getRoomRoles", json!(["GENERAL"])),
        method(
            "stream-notify-room",
            json!(["GENERAL/user-activity", "rocketbotte", ["user-typing"], {}]),
        ),
        sub("stream-room-messages", "__my_messages__"),
        sub("stream-room-messages", "GENERAL"),
        sub("stream-notify-user", "u/notification"),
        sub("stream-notify-room", "GENERAL/user-activity"),
        sub("stream-notify-logged", "user-status"),
        json!({ "msg": "unsub", "id": "s" }),
    ]
}

async fn logged_in(sandbox: &Sandbox) -> Ddp<DuplexStream> {
    let mut ddp = Ddp::in_memory(sandbox).await;
    ddp.log_in(&sandbox.bot("rocketbotte")).await;
    ddp.my_messages().await;
    ddp
}

/// Whether the connection is still there, everything before being answered.
async fn is_alive(ddp: &mut Ddp<DuplexStream>) -> bool {
    let ping = json!({ "msg": "ping", "id": "alive?" }).to_string();
    if ddp.socket.send(Message::text(ping)).await.is_err() {
        return false;
    }
    loop {
        match ddp.receive().await {
            Received::Frame(frame) if frame["id"] == "alive?" && frame["msg"] == "pong" => return true,
            Received::Frame(frame) => {
                assert!(frame.is_object(), "{frame}");
            }
            Received::Closed(_) | Received::Ended | Received::Broken(_) => return false,
        }
    }
}

/// One that the server may end the connection for.
fn ends_the_connection(frame: &Value) -> bool {
    frame["msg"] == "disconnect" || (frame["msg"] == "method" && frame["method"] == "logout")
}

proptest! {
    #![proptest_config(config(48))]

    #[test]
    fn frames_that_are_nearly_right_leave_the_connection_alive(
        picks in prop::collection::vec((any::<prop::sample::Index>(), changes()), 1..20),
        is_logged_in: bool,
    ) {
        run(async {
            let sandbox = sandbox();
            let mut ddp = if is_logged_in { logged_in(&sandbox).await } else { Ddp::in_memory(&sandbox).await };
            if !is_logged_in {
                ddp.handshake().await;
            }
            let all = frames();
            let frames: Vec<Value> = picks.iter().map(|(pick, changes)| changed(pick.get(&all).clone(), changes)).collect();
            // Behind one that may end the connection nothing can be said of it.
            let end = frames.iter().position(ends_the_connection);
            for frame in &frames[..end.unwrap_or(frames.len())] {
                ddp.send(frame.clone()).await;
            }
            assert!(is_alive(&mut ddp).await, "{frames:?}");
            if let Some(end) = end {
                ddp.send(frames[end].clone()).await;
            }
            assert_works(&sandbox).await;
        });
    }

    #[test]
    fn any_text_and_any_bytes_in_a_frame_are_answered(
        frames in prop::collection::vec(
            prop_oneof![
                word().prop_map(Message::text),
                anything().prop_map(|value| Message::text(value.to_string())),
                prop::collection::vec(any::<u8>(), 0..300).prop_map(Message::binary),
                Just(Message::text("[".repeat(100_000))),
                Just(Message::text(format!("{{\"msg\":{}", "{\"a\":".repeat(50_000)))),
            ],
            1..20,
        ),
    ) {
        run(async {
            let sandbox = sandbox();
            let mut ddp = logged_in(&sandbox).await;
            for frame in frames {
                let text = frame.clone().into_text().map(|text| text.to_string()).unwrap_or_default();
                let value = serde_json::from_str::<Value>(&text).unwrap_or_default();
                ddp.socket.send(frame).await.expect("sends");
                if ends_the_connection(&value) {
                    break;
                }
                assert!(is_alive(&mut ddp).await, "{text}");
            }
            assert_works(&sandbox).await;
        });
    }

    #[test]
    fn damaged_bytes_end_one_connection_and_no_other(
        pick: prop::sample::Index,
        damages in damages(),
        bytes in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        run(async {
            let sandbox = sandbox();
            let mut other = logged_in(&sandbox).await;
            // A frame as clients send them: masked, with a mask that changes nothing.
            let text = pick.get(&frames()).to_string();
            let mut frame = vec![0x81, 0x80 | 126];
            frame.extend_from_slice(&u16::try_from(text.len()).expect("is short").to_be_bytes());
            frame.extend_from_slice(&[0; 4]);
            frame.extend_from_slice(text.as_bytes());
            let mut frame = damaged(frame, &damages);
            frame.extend_from_slice(&bytes);

            let mut stream = sandbox.connect();
            let upgrade = "GET /websocket HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
                           sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
            stream.write_all(upgrade.as_bytes()).await.expect("is read");
            let _ = timeout(PATIENCE, stream.write_all(&frame)).await.expect("is read");
            let _ = stream.shutdown().await;
            let mut answer = Vec::new();
            let _ = timeout(PATIENCE, stream.read_to_end(&mut answer)).await.expect("ends");
            assert!(answer.starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(&answer));
            assert!(is_alive(&mut other).await);
            assert_works(&sandbox).await;
        });
    }

    #[test]
    fn damaged_upgrades_are_refused_or_end_the_connection(damages in damages()) {
        run(async {
            let sandbox = sandbox();
            let upgrade = "GET /websocket HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
                           sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
            let mut stream = sandbox.connect();
            let _ = stream.write_all(&damaged(upgrade.as_bytes().to_vec(), &damages)).await;
            let _ = stream.shutdown().await;
            let mut answer = Vec::new();
            let _ = timeout(PATIENCE, stream.read_to_end(&mut answer)).await.expect("ends");
            let answer = String::from_utf8_lossy(&answer);
            assert!(answer.is_empty() || answer.starts_with("HTTP/1.") && !answer.starts_with("HTTP/1.1 5"), "{answer}");
            assert_works(&sandbox).await;
        });
    }
}

#[test]
fn malformed_frames_get_the_error_that_is_documented() {
    run(async {
        let sandbox = sandbox();
        let mut ddp = Ddp::in_memory(&sandbox).await;
        let expect = async |ddp: &mut Ddp<DuplexStream>, frame: &str, reason: &str| {
            ddp.send_text(frame).await;
            let error = ddp.find(|frame| frame["msg"] == "error").await;
            assert_eq!(error["reason"], reason, "{frame}: {error}");
            let offending = serde_json::from_str::<Value>(frame).ok();
            assert_eq!(error.get("offendingMessage"), offending.as_ref(), "{frame}");
        };
        expect(
            &mut ddp,
            r#"{"msg":"method","id":"1","method":"x"}"#,
            "Must connect first",
        )
        .await;
        ddp.handshake().await;
        for (frame, reason) in [
            ("no JSON", "Bad request"),
            ("[]", "Bad request"),
            ("7", "Bad request"),
            (r#"{"msg":7}"#, "Bad request"),
            (r#"{"msg":"telepathy"}"#, "Bad request"),
            (
                r#"{"msg":"connect","version":"1","support":["1"]}"#,
                "Already connected",
            ),
            (
                r#"{"msg":"method","id":1,"method":"login","params":[]}"#,
                "Malformed method invocation",
            ),
            (
                r#"{"msg":"method","id":"1","method":"login","params":{}}"#,
                "Malformed method invocation",
            ),
            (r#"{"msg":"sub","id":"1","name":7}"#, "Malformed subscription"),
            (
                r#"{"msg":"sub","name":"stream-room-messages"}"#,
                "Malformed subscription",
            ),
            (r#"{"msg":"unsub"}"#, "Malformed subscription"),
        ] {
            expect(&mut ddp, frame, reason).await;
        }
        assert!(is_alive(&mut ddp).await);
    });
}

#[test]
fn a_frame_that_is_too_large_ends_its_connection() {
    run(async {
        let sandbox = sandbox();
        let mut ddp = logged_in(&sandbox).await;
        let large = Message::text("x".repeat(17 * 1024 * 1024));
        // It may be closed while it is written.
        let _ = timeout(PATIENCE, ddp.socket.send(large)).await.expect("ends");
        loop {
            match timeout(PATIENCE, ddp.socket.next()).await.expect("ends") {
                Some(Ok(Message::Close(Some(frame)))) => {
                    assert_eq!(frame.code, CloseCode::Size);
                }
                Some(Ok(_)) => {}
                Some(Err(_)) | None => break,
            }
        }
        assert_works(&sandbox).await;
    });
}

#[test]
fn who_does_not_read_is_cut_off_before_it_takes_much_memory() {
    run(async {
        let sandbox = sandbox();
        let mut ddp = logged_in(&sandbox).await;
        let file = json!({ "rid": "general", "attachments": [{ "text": "x".repeat(4 * 1024 * 1024) }] });
        for _ in 0..40 {
            sandbox.user("ann").post(file.clone()).await;
        }
        let gone = sandbox.wait_until(|sandbox| sandbox.connections() == 0, PATIENCE);
        gone.await.expect("is cut off");
        let mut frames = 0;
        while let Some(Ok(_)) = timeout(PATIENCE, ddp.socket.next()).await.expect("ends") {
            frames += 1;
        }
        assert!(frames < 20, "{frames}");
        assert_works(&sandbox).await;
    });
}

#[test]
fn subscriptions_of_a_connection_are_bounded() {
    run(async {
        let sandbox = sandbox();
        let mut ddp = logged_in(&sandbox).await;
        for n in 0..1_500 {
            let sub = json!({ "msg": "sub", "id": format!("s{n}"), "name": "stream-notify-logged", "params": [format!("event{n}"), false] });
            ddp.send(sub).await;
        }
        let refused = ddp.find(|frame| frame["msg"] == "nosub").await;
        assert_eq!(refused["error"]["error"], "too-many-requests", "{refused}");
        assert!(is_alive(&mut ddp).await);
        assert_eq!(sandbox.subscriptions().len(), 1_000);
        let long = json!({ "msg": "sub", "id": "x".repeat(2_000), "name": "stream-notify-logged", "params": ["e", false] });
        ddp.send(long).await;
        let error = ddp.find(|frame| frame["msg"] == "error").await;
        assert_eq!(error["reason"], "Malformed subscription");
        assert_works(&sandbox).await;
    });
}
