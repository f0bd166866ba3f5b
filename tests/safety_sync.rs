//! A server that does not tell everything, as several instances that do not reach each other.
#![cfg(all(feature = "client", feature = "sandbox"))]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test ends by them")]

mod support;

use std::time::Duration;

use rocketbotte::Router;
use rocketbotte::command::CommandLayer;
use rocketbotte::dispatch::Overflow;
use rocketbotte::extract::Args;
use rocketbotte::sandbox::RestFault;
use support::after_secs;
use support::chat::{Chat, people};
use tower::ServiceBuilder;

async fn echo(Args(text): Args<String>) -> String {
    text
}

async fn chat(every: Option<Duration>) -> Chat {
    let app = ServiceBuilder::new()
        .layer(CommandLayer::new("!"))
        .service(Router::new().command("echo", echo));
    let configure = |bot: rocketbotte::BotBuilder| match every {
        Some(every) => bot.safety_sync(every),
        None => bot,
    };
    Chat::of(&people().start_in_memory(), "rocketbotte", configure, app).await
}

async fn say(chat: &Chat, texts: &[&str], is_lost: bool) {
    chat.sandbox.lose_frames(is_lost);
    for text in texts {
        chat.sandbox.user("ann").say("general", text).await;
    }
    chat.sandbox.lose_frames(false);
}

fn said(chat: &Chat) -> Vec<String> {
    let messages = chat.sandbox.messages("general").into_iter();
    messages
        .filter(|message| message.username == "rocketbotte")
        .map(|message| message.text)
        .collect()
}

#[tokio::test(start_paused = true)]
async fn what_the_server_does_not_tell_is_found() {
    let chat = chat(Some(Duration::from_secs(60))).await;
    for round in 0..5 {
        say(&chat, &[&format!("!echo lost {round}")], true).await;
        say(&chat, &[&format!("!echo told {round}")], false).await;
        after_secs(45).await;
    }
    after_secs(60).await;
    let mut said = said(&chat);
    let told: Vec<_> = said
        .iter()
        .filter(|text| text.starts_with("told"))
        .cloned()
        .collect();
    assert_eq!(told, ["told 0", "told 1", "told 2", "told 3", "told 4"]);
    said.sort();
    assert_eq!(said.len(), 10, "each once: {said:?}");
    said.dedup();
    assert_eq!(said.len(), 10, "each once: {said:?}");
    assert_eq!(chat.sandbox.connections(), 1);
}

#[tokio::test(start_paused = true)]
async fn it_is_asked_for() {
    let chat = chat(None).await;
    say(&chat, &["!echo lost"], true).await;
    say(&chat, &["!echo told"], false).await;
    after_secs(600).await;
    assert_eq!(said(&chat), ["told"]);
}

#[tokio::test(start_paused = true)]
async fn an_outage_between_two_syncs_is_caught_up_as_ever() {
    let chat = chat(Some(Duration::from_secs(60))).await;
    say(&chat, &["!echo 1"], true).await;
    after_secs(10).await;
    chat.sandbox.drop_connections();
    after_secs(10).await;
    say(&chat, &["!echo 2"], true).await;
    after_secs(130).await;
    let mut said = said(&chat);
    said.sort();
    assert_eq!(said, ["1", "2"]);
}

/// It is looked for lost events while a room says more than its handlers take: what is said now still waits for what was
/// said before.
#[tokio::test(start_paused = true)]
async fn a_room_that_is_parked_keeps_its_order() {
    let (gate, is_open) = tokio::sync::watch::channel(false);
    let echo = move |Args(text): Args<String>| {
        let mut is_open = is_open.clone();
        async move {
            is_open.wait_for(|is_open| *is_open).await.unwrap();
            text
        }
    };
    let app = ServiceBuilder::new()
        .layer(CommandLayer::new("!"))
        .service(Router::new().command("echo", echo));
    let configure = |bot: rocketbotte::BotBuilder| {
        bot.safety_sync(Duration::from_secs(10))
            .lane_capacity(4, Overflow::Park)
            .max_waiting(32)
            .hold(Duration::MAX)
    };
    let chat = Chat::of(&people().start_in_memory(), "rocketbotte", configure, app).await;
    let ask = async |numbers: std::ops::Range<usize>| {
        for n in numbers {
            chat.sandbox
                .user("ann")
                .say("general", &format!("!echo {n}"))
                .await;
        }
    };
    ask(0..60).await;
    let slow = RestFault::Slow(Duration::from_secs(5));
    chat.sandbox.fail_next("chat.syncMessages", slow);
    after_secs(11).await;
    // It does not hear its own replies, which would park the room again.
    chat.sandbox.lose_frames(true);
    gate.send_replace(true);
    after_secs(1).await;
    chat.sandbox.lose_frames(false);
    for n in 60..90 {
        ask(n..n + 1).await;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    after_secs(120).await;
    // What came late has its question before it.
    let said = said(&chat);
    let words = said.iter().map(|text| text.split_whitespace().last().unwrap());
    let numbers: Vec<usize> = words.map(|word| word.parse().unwrap()).collect();
    assert_eq!(numbers, (0..90).collect::<Vec<_>>());
}
