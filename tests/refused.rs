//! Rooms in which the bot may not write: what is refused is reported, once, and nothing is that was said.
#![cfg(all(feature = "client", feature = "sandbox"))]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test ends by them")]

mod support;

use std::time::Duration;

use rocketbotte::sandbox::{RestFault, Sandbox};
use support::chat::{Chat, ask, said};
use support::{Log, after_secs, echo};

fn server() -> Sandbox {
    support::chat::people()
        .channel("dev")
        .group_with("ops", &["ann", "rocketbotte"])
        .start_in_memory()
}

/// The bot may not write there: it is said and counted, and the others get their replies.
#[tokio::test(start_paused = true)]
async fn a_room_in_which_the_bot_may_not_write_is_reported() {
    let (log, _guard) = Log::start(tracing::Level::WARN);
    let sandbox = server();
    let chat = Chat::on(&sandbox, echo()).await;
    sandbox.go_down().await;
    for n in 0..3 {
        for room in ["general", "dev", "ops"] {
            ask(&sandbox, room, n).await;
        }
    }
    sandbox.set_muted("dev", "rocketbotte", true).unwrap();
    sandbox.set_read_only("ops", true).unwrap();
    sandbox.come_back().await;
    after_secs(60).await;
    assert_eq!(said(&sandbox, "general"), [0, 1, 2]);
    assert_eq!((said(&sandbox, "dev"), said(&sandbox, "ops")), (vec![], vec![]));
    assert_eq!(chat.handle.counters().undelivered, 6);
    let log = log.text();
    for room in ["dev", "ops"] {
        let room_id = sandbox.room_id(room).unwrap();
        let lines = log
            .lines()
            .filter(|line| line.contains("not delivered") && line.contains(&room_id));
        assert_eq!(lines.count(), 3, "{room}: {log}");
    }
    // Once it may, it does.
    sandbox.set_muted("dev", "rocketbotte", false).unwrap();
    sandbox.set_read_only("ops", false).unwrap();
    for room in ["dev", "ops"] {
        ask(&sandbox, room, 3).await;
    }
    after_secs(5).await;
    assert_eq!((said(&sandbox, "dev"), said(&sandbox, "ops")), (vec![3], vec![3]));
}

/// The reply was said, and nobody heard of that; when it is tried again the bot may not write any more.
#[tokio::test(start_paused = true)]
async fn what_was_said_before_the_bot_was_silenced_is_not_reported() {
    for silence in ["mute", "read only", "removal"] {
        let sandbox = server();
        let chat = Chat::on(&sandbox, echo()).await;
        sandbox.fail_next("chat.sendMessage", RestFault::LoseReply);
        let reset_after = Duration::from_secs(5);
        sandbox.fail_next("chat.sendMessage", RestFault::TooManyRequests { reset_after });
        // A channel can be read by all: it is known what was said there.
        ask(&sandbox, "dev", 0).await;
        after_secs(2).await;
        match silence {
            "mute" => sandbox.set_muted("dev", "rocketbotte", true).unwrap(),
            "read only" => sandbox.set_read_only("dev", true).unwrap(),
            _ => sandbox.kick("dev", "rocketbotte").unwrap(),
        }
        after_secs(30).await;
        assert_eq!(said(&sandbox, "dev"), [0], "{silence}");
        let counters = chat.handle.counters();
        assert_eq!((counters.delivered, counters.undelivered), (1, 0), "{silence}");
    }
}

/// Removed from a room that only its members see, the bot can not know: it is reported, and not said twice when it is
/// back.
#[tokio::test(start_paused = true)]
async fn what_nobody_knows_is_reported_and_not_said_twice() {
    let sandbox = server();
    let chat = Chat::on(&sandbox, echo()).await;
    sandbox.fail_next("chat.sendMessage", RestFault::LoseReply);
    let reset_after = Duration::from_secs(5);
    sandbox.fail_next("chat.sendMessage", RestFault::TooManyRequests { reset_after });
    ask(&sandbox, "ops", 0).await;
    after_secs(2).await;
    sandbox.kick("ops", "rocketbotte").unwrap();
    // Invited again while the bot asks what became of it.
    sandbox.fail_next("chat.getMessage", RestFault::Slow(Duration::from_secs(3)));
    after_secs(5).await;
    sandbox.invite("ops", "rocketbotte").unwrap();
    after_secs(30).await;
    assert_eq!(said(&sandbox, "ops"), [0]);
    let counters = chat.handle.counters();
    assert_eq!(counters.delivered + counters.undelivered, 1, "{counters:?}");
}
