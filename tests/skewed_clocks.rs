//! A bot that starts again with its journal, where the clocks of the server do not agree with each other. In paused time.
#![cfg(all(feature = "client", feature = "sandbox"))]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test ends by them")]

mod support;

use rocketbotte::journal::MemoryJournal;
use rocketbotte::sandbox::Sandbox;
use serde_json::json;

use support::chat::{Chat, ask, people, said};
use support::{after_secs, echo};

async fn start(sandbox: &Sandbox, journal: &MemoryJournal) -> Chat {
    let journal = journal.clone();
    Chat::of(sandbox, "rocketbotte", |bot| bot.journal(journal), echo()).await
}

/// As a crash ends it.
async fn kill(chat: Chat) {
    chat.serving.abort();
    after_secs(1).await;
}

/// Another instance, whose clock is two minutes ahead, tells of a message.
#[tokio::test(start_paused = true)]
async fn a_clock_that_is_ahead_does_not_say_until_when_all_was_heard() {
    let (sandbox, journal) = (people().start_in_memory(), MemoryJournal::new());
    let chat = start(&sandbox, &journal).await;
    ask(&sandbox, "general", 0).await;
    after_secs(5).await;
    let last = sandbox.messages("general").pop().unwrap().raw;
    let ahead = last["ts"]["$date"].as_i64().unwrap() + 120_000;
    sandbox.send_raw(
        &json!({"msg": "changed", "collection": "stream-room-messages", "id": "id", "fields": {
            "eventName": "__my_messages__",
            "args": [
                {"_id": "ahead", "rid": last["rid"], "msg": "hello", "ts": {"$date": ahead},
                 "u": {"_id": "uA", "username": "ann"}, "_updatedAt": {"$date": ahead}},
                {"roomParticipant": true, "roomType": "c", "roomName": "general"},
            ],
        }})
        .to_string(),
    );
    after_secs(5).await;
    kill(chat).await;
    for n in 1..4 {
        after_secs(10).await;
        ask(&sandbox, "general", n).await;
    }
    let _chat = start(&sandbox, &journal).await;
    after_secs(60).await;
    assert_eq!(said(&sandbox, "general"), [0, 1, 2, 3]);
}

/// The server's clock was an hour ahead, and is set right while the bot is away.
#[tokio::test(start_paused = true)]
async fn a_clock_that_is_set_back() {
    let sandbox = people().channel("dev").clock_offset(3_600_000).start_in_memory();
    let journal = MemoryJournal::new();
    sandbox.move_clock(3_600_000);
    let chat = start(&sandbox, &journal).await;
    ask(&sandbox, "general", 0).await;
    after_secs(5).await;
    kill(chat).await;
    sandbox.move_clock(-3_600_000);
    // Where nobody has written yet: in a room the server's times never go back.
    for n in 1..4 {
        after_secs(10).await;
        ask(&sandbox, "dev", n).await;
    }
    let chat = start(&sandbox, &journal).await;
    after_secs(60).await;
    assert_eq!(said(&sandbox, "dev"), [1, 2, 3]);
    // From now on its time is known again.
    kill(chat).await;
    ask(&sandbox, "dev", 4).await;
    after_secs(60).await;
    ask(&sandbox, "dev", 5).await;
    let _chat = start(&sandbox, &journal).await;
    after_secs(60).await;
    assert_eq!(said(&sandbox, "dev"), [1, 2, 3, 4, 5]);
    assert_eq!(said(&sandbox, "general"), [0]);
}
