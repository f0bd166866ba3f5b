//! What differs between the versions that a sandbox can be.

use rocketbotte::sandbox::{Sandbox, UserSpec};
use serde_json::{Value, json};

use crate::client::{Ddp, post, request};

fn server(version: &str) -> Sandbox {
    Sandbox::builder()
        .user("ann")
        .user_with(UserSpec::new("plain").roles(["bot"]))
        .version(version)
        .start_in_memory()
}

#[tokio::test]
async fn who_is_not_logged_in_is_told_so_in_other_words() {
    let text = "You must be logged in to do this.";
    for (version, body) in [
        ("7.10.0", json!({ "status": "error", "message": text })),
        (
            "8.0.0",
            json!({ "status": "error", "message": text, "error": text, "success": false }),
        ),
    ] {
        let sandbox = server(version);
        let answer = request(&sandbox, None, "GET", "/api/v1/me", None)
            .await
            .expect("answers");
        assert_eq!((answer.status, answer.json()), (401, body), "{version}");
    }
}

#[tokio::test]
async fn a_login_says_success_since_8() {
    for (version, said) in [("7.10.0", Value::Null), ("8.0.0", json!(true))] {
        let sandbox = server(version);
        for (password, success) in [("ann-password", &said), ("wrong", &Value::Null)] {
            let body = json!({ "user": "ann", "password": password }).to_string();
            let answer = request(&sandbox, None, "POST", "/api/v1/login", Some(&body)).await;
            let answer = answer.expect("answers").json();
            let expected = if password == "wrong" && version == "8.0.0" {
                &json!(false)
            } else {
                success
            };
            assert_eq!(&answer["success"], expected, "{version} {answer}");
        }
    }
}

#[tokio::test]
async fn a_refusal_is_a_403_since_9() {
    for (version, status, code) in [
        ("8.9.0", 400, "not-authorized"),
        ("9.0.0", 403, "error-forbidden"),
    ] {
        let sandbox = server(version);
        let id = sandbox.user("ann").say("general", "x").await;
        let pin = json!({ "messageId": id });
        let (got, answer) = post(&sandbox, &sandbox.user("plain"), "chat.pinMessage", pin).await;
        assert_eq!((got, &answer["errorType"]), (status, &json!(code)), "{version}");
        // What is no refusal stays what it was.
        let unknown = json!({ "messageId": "none" });
        let (got, answer) = post(&sandbox, &sandbox.user("plain"), "chat.pinMessage", unknown).await;
        assert_eq!(
            (got, &answer["errorType"]),
            (400, &json!("error-message-not-found"))
        );
    }
}

#[tokio::test]
async fn some_methods_went_with_8_7() {
    for (version, there) in [("8.6.0", true), ("8.7.0", false)] {
        let sandbox = server(version);
        let id = sandbox.user("ann").say("general", "x").await;
        let mut ddp = Ddp::in_memory(&sandbox).await;
        ddp.log_in(&sandbox.user("ann")).await;
        let result = ddp.call("setReaction", json!([":tada:", id, true])).await;
        assert_eq!(result["error"]["error"] == 404, !there, "{version}");
        let result = ddp.call("deleteMessage", json!([{ "_id": id }])).await;
        assert_eq!(result["error"]["error"] == 404, !there, "{version}");
    }
}

#[tokio::test]
async fn messages_have_a_limit_of_their_own_since_8_8() {
    for (version, limit) in [("8.7.0", "10"), ("8.8.0", "5")] {
        let sandbox = Sandbox::builder()
            .user("ann")
            .version(version)
            .rate_limits(true)
            .start_in_memory();
        let ann = sandbox.user("ann");
        let body = json!({ "message": { "rid": "GENERAL", "msg": "x" } }).to_string();
        let answer = request(
            &sandbox,
            Some(&ann),
            "POST",
            "/api/v1/chat.sendMessage",
            Some(&body),
        )
        .await;
        let answer = answer.expect("answers");
        assert_eq!(answer.headers["x-ratelimit-limit"], limit, "{version}");
    }
}

#[tokio::test]
async fn joining_any_room_came_with_8() {
    for (version, status) in [("7.10.0", 404), ("8.0.0", 200)] {
        let sandbox = server(version);
        let join = json!({ "roomId": "GENERAL" });
        let (got, _) = post(&sandbox, &sandbox.user("ann"), "rooms.join", join).await;
        assert_eq!(got, status, "{version}");
    }
}
