//! The rooms after an outage, as a server or what stands before it tells them wrongly: nothing is lost by that. In paused
//! time.
#![cfg(all(feature = "client", feature = "sandbox"))]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test ends by them")]

mod support;

use rocketbotte::sandbox::{RestFault, Sandbox};

use support::chat::{Chat, ask, people, said};
use support::{Log, after_secs, echo};

const ROOMS: [&str; 3] = ["general", "dev", "ops"];

fn server() -> Sandbox {
    people()
        .channel("dev")
        .group_with("ops", &["ann", "rocketbotte"])
        .start_in_memory()
}

/// An outage in which each room is told a number; then the server is back.
async fn outage(sandbox: &Sandbox, n: usize) {
    sandbox.go_down().await;
    for room in ROOMS {
        ask(sandbox, room, n).await;
    }
    sandbox.come_back().await;
}

fn all_said(sandbox: &Sandbox, up_to: usize, what: &str) {
    for room in ROOMS {
        assert_eq!(
            said(sandbox, room),
            (0..up_to).collect::<Vec<_>>(),
            "{room}, {what}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn rooms_that_are_not_in_the_list() {
    for list in [
        r#"{"success":true,"update":[],"remove":[]}"#,
        r#"{"success":true}"#,
    ] {
        let (log, _guard) = Log::start(tracing::Level::WARN);
        let sandbox = server();
        let chat = Chat::on(&sandbox, echo()).await;
        sandbox.fail_next("subscriptions.get", RestFault::Body(200, list.to_owned()));
        outage(&sandbox, 0).await;
        after_secs(60).await;
        all_said(&sandbox, 1, list);
        // The next one is whole.
        outage(&sandbox, 1).await;
        after_secs(60).await;
        all_said(&sandbox, 2, list);
        assert!(log.text().contains("rooms"), "{}", log.text());
        drop(chat);
    }
}

/// A direct conversation that is not in the list is one all the same: commands need no prefix there.
#[tokio::test(start_paused = true)]
async fn a_room_that_is_not_in_the_list_is_of_its_kind() {
    let sandbox = server();
    let chat = Chat::on(&sandbox, echo()).await;
    let room = sandbox.user("ann").direct(&["rocketbotte"]).await;
    sandbox.user("ann").say(&room, "echo 0").await;
    after_secs(60).await;
    assert_eq!(said(&sandbox, &room), [0]);
    let empty = r#"{"success":true,"update":[],"remove":[]}"#;
    sandbox.fail_next("subscriptions.get", RestFault::Body(200, empty.to_owned()));
    sandbox.go_down().await;
    sandbox.user("ann").say(&room, "echo 1").await;
    sandbox.come_back().await;
    after_secs(60).await;
    assert_eq!(said(&sandbox, &room), [0, 1]);
    drop(chat);
}

/// Anybody may read the channel, but the bot is not there any more.
#[tokio::test(start_paused = true)]
async fn a_channel_that_the_bot_had_to_leave() {
    let sandbox = server();
    let chat = Chat::on(&sandbox, echo()).await;
    ask(&sandbox, "dev", 0).await;
    after_secs(60).await;
    sandbox.go_down().await;
    sandbox.kick("dev", "rocketbotte").unwrap();
    ask(&sandbox, "dev", 1).await;
    ask(&sandbox, "general", 0).await;
    sandbox.come_back().await;
    after_secs(120).await;
    assert_eq!(
        (said(&sandbox, "dev"), said(&sandbox, "general")),
        (vec![0], vec![0])
    );
    drop(chat);
}

/// While the server is started again, a gateway answers in its place.
#[tokio::test(start_paused = true)]
async fn a_gateway_is_not_the_server() {
    for (status, body) in [
        (404, r#"{"message":"no Route matched with those values"}"#),
        (403, r#"{"message":"Forbidden"}"#),
        (404, r#"{"success":false,"error":"Resource not found"}"#),
    ] {
        for endpoint in ["subscriptions.get", "rooms.get", "chat.syncMessages"] {
            let sandbox = server();
            let chat = Chat::on(&sandbox, echo()).await;
            // As often for each room.
            let calls = if endpoint == "chat.syncMessages" { 6 } else { 2 };
            sandbox.fail_next_calls(endpoint, calls, RestFault::Body(status, body.to_owned()));
            outage(&sandbox, 0).await;
            after_secs(60).await;
            all_said(&sandbox, 1, &format!("{endpoint} {status} {body}"));
            drop(chat);
        }
    }
}

/// The list of all rooms is larger than any answer that is taken. It is fetched once and never again.
#[tokio::test(start_paused = true)]
async fn a_list_of_rooms_that_is_too_large() {
    let sandbox = server();
    let chat = Chat::on(&sandbox, echo()).await;
    let large = "x".repeat(17 << 20);
    let large = format!(r#"{{"success":true,"update":[],"remove":[],"more":"{large}"}}"#);
    sandbox.fail_next("subscriptions.get", RestFault::Body(200, large));
    for n in 0..3 {
        sandbox.forget_frames();
        outage(&sandbox, n).await;
        after_secs(60).await;
        all_said(&sandbox, n + 1, "too large");
        let lists: Vec<bool> = sandbox
            .frames_from_clients()
            .iter()
            .map(|frame| format!("{frame:?}"))
            .filter(|frame| frame.contains("subscriptions.get"))
            .map(|frame| frame.contains("updatedSince"))
            .collect();
        // Of the first one only what changed is asked for.
        match n {
            0 => assert_eq!(lists, [false, true]),
            _ => assert_eq!(lists, [true]),
        }
        after_secs(600).await;
    }
    drop(chat);
}
