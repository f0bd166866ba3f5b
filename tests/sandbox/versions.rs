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

#[tokio::test]
async fn the_limiter_of_rest_has_a_switch() {
    let sandbox = Sandbox::builder().user("ann").rate_limits(true).start_in_memory();
    let ann = sandbox.user("ann");
    for on in [true, false, true] {
        sandbox.set_setting("API_Enable_Rate_Limiter", on);
        let answer = request(&sandbox, Some(&ann), "GET", "/api/v1/me", None).await;
        let answer = answer.expect("answers");
        assert_eq!(answer.headers.contains_key("x-ratelimit-limit"), on);
    }
}

/// A method with a rule of its own is exempt from those that go by the name of a method.
#[tokio::test(start_paused = true)]
async fn messages_of_a_bot_have_no_limit_by_name() {
    let sandbox = Sandbox::builder()
        .bot("rocketbotte")
        .rate_limits(true)
        .start_in_memory();
    let mut ddp = Ddp::in_memory(&sandbox).await;
    ddp.log_in(&sandbox.bot("rocketbotte")).await;
    for at in 0..30 {
        let sent = ddp
            .call("sendMessage", json!([{ "rid": "GENERAL", "msg": "x" }]))
            .await;
        assert_eq!(sent["result"]["msg"], "x", "{at}");
    }
    for at in 0..12 {
        let asked = ddp.call("getRoomIdByNameOrId", json!(["general"])).await;
        assert_eq!(asked["error"].is_null(), at < 10, "{at}: {asked}");
    }
}

#[tokio::test]
async fn a_whole_list_of_rooms_has_none_that_are_gone() {
    let sandbox = server("8.0.0");
    let ann = sandbox.user("ann");
    let room = sandbox.create_channel("short", &["ann"]).expect("is made");
    let before = "2020-01-01T00:00:00.000Z";
    ann.leave(&room).await;
    for list in ["rooms.get", "subscriptions.get"] {
        for (query, gone) in [(String::new(), 0), (format!("?updatedSince={before}"), 1)] {
            let answer = request(
                &sandbox,
                Some(&ann),
                "GET",
                &format!("/api/v1/{list}{query}"),
                None,
            )
            .await;
            let answer = answer.expect("answers").json();
            assert_eq!(
                answer["remove"].as_array().map(Vec::len),
                Some(gone),
                "{list}{query} {answer}"
            );
            assert_eq!(
                answer["update"].as_array().map(Vec::len),
                Some(1),
                "{list}{query} {answer}"
            );
        }
    }
}

/// Endpoints get what the validator made of a query.
#[tokio::test]
async fn a_query_is_used_as_it_was_made_to_fit() {
    let sandbox = server("8.0.0");
    let ann = sandbox.user("ann");
    for number in 0..5 {
        ann.say("general", &format!("{number}")).await;
    }
    for (count, shown) in [("3", 3), ("%203%20", 3), ("2.0", 2), ("", 0), ("x", 0)] {
        let path = format!("/api/v1/channels.history?roomId=GENERAL&count={count}");
        let answer = request(&sandbox, Some(&ann), "GET", &path, None)
            .await
            .expect("answers");
        let messages = answer.json()["messages"].as_array().map_or(0, Vec::len);
        // Nothing is the number 0: all there is.
        let expected = if count.is_empty() {
            (200, 5)
        } else if shown == 0 {
            (400, 0)
        } else {
            (200, shown)
        };
        assert_eq!((answer.status, messages), expected, "{count:?}");
    }
}
