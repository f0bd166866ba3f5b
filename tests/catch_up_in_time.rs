//! Outages in paused time: what waits for what is fetched, and for how long.
#![cfg(all(feature = "client", feature = "sandbox"))]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test ends by them")]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rocketbotte::event::EventKind;
use rocketbotte::sandbox::{RestFault, Sandbox};
use support::chat::pipes;
use support::echo_bot::{Echo, cut, numbers, pause, people, said};

/// In paused time, where an hour is nothing.
async fn in_memory() -> (Sandbox, Echo) {
    let sandbox = people().start_in_memory();
    let connector = pipes(&sandbox);
    let bot = Echo::with(&sandbox, |bot| bot.connector(connector), None).await;
    pause(3_600_000).await;
    (sandbox, bot)
}

#[tokio::test(start_paused = true)]
async fn other_rooms_go_on_while_one_is_fetched() {
    let (sandbox, bot) = in_memory().await;
    cut(&sandbox).await;
    bot.ask("general", 0).await;
    sandbox.fail_next("chat.syncMessages", RestFault::Slow(Duration::from_secs(10)));
    bot.back().await;
    pause(1000).await;
    bot.ask("general", 1).await;
    bot.ask("dev", 2).await;
    pause(1000).await;
    assert_eq!(said(&sandbox, "dev"), ["2"]);
    assert_eq!(said(&sandbox, "general"), [""; 0]);
    pause(20_000).await;
    assert_eq!(said(&sandbox, "general"), ["0", "1"]);
}

#[tokio::test(start_paused = true)]
async fn what_arrives_is_heard_also_where_nothing_can_be_fetched() {
    let (sandbox, bot) = in_memory().await;
    cut(&sandbox).await;
    bot.ask("general", 0).await;
    sandbox.fail_next_calls("subscriptions.get", 100, RestFault::Html);
    bot.back().await;
    pause(30_000).await;
    bot.ask("general", 1).await;
    pause(20_000).await;
    assert_eq!(said(&sandbox, "general"), [""; 0], "it waits for what was before");
    // After a minute it does not any more.
    pause(20_000).await;
    assert_eq!(said(&sandbox, "general"), ["1"]);
    sandbox.clear_faults();
    pause(30_000).await;
    let answers = said(&sandbox, "general");
    assert!(answers.len() == 2 && answers[1].ends_with('0'), "{answers:?}");
}

/// In paused time: a limit of the calls holds nobody up who speaks now.
#[tokio::test(start_paused = true)]
async fn what_arrives_is_heard_also_where_the_calls_are_limited() {
    let (sandbox, bot) = in_memory().await;
    cut(&sandbox).await;
    bot.ask("general", 0).await;
    let reset_after = Duration::from_secs(50);
    sandbox.fail_next("subscriptions.get", RestFault::TooManyRequests { reset_after });
    bot.back().await;
    pause(1000).await;
    bot.ask("general", 1).await;
    pause(1000).await;
    assert_eq!(said(&sandbox, "general"), ["1"]);
    pause(60_000).await;
    assert_eq!(said(&sandbox, "general"), ["1", "0"]);
}

/// In paused time: a server that refuses the listing for good.
#[tokio::test(start_paused = true)]
async fn the_connection_is_back_also_on_a_server_that_tells_no_rooms() {
    let (sandbox, bot) = in_memory().await;
    let reconnected = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&reconnected);
    bot.handle.add_listener(EventKind::Reconnected, move || {
        counter.fetch_add(1, Ordering::Relaxed);
        std::future::ready(())
    });
    cut(&sandbox).await;
    for _ in 0..20 {
        sandbox.fail_next("subscriptions.get", RestFault::Status(404));
    }
    bot.back().await;
    bot.ask("general", 0).await;
    // It may be a gateway that says so: the server is asked several times.
    pause(10_000).await;
    assert_eq!(said(&sandbox, "general"), ["0"]);
    assert_eq!(reconnected.load(Ordering::Relaxed), 1);
}

/// In paused time: a minute of silence, and what was said in it.
#[tokio::test(start_paused = true)]
async fn a_connection_that_dies_in_silence() {
    let (sandbox, bot) = in_memory().await;
    sandbox.silence(true);
    let question = bot.ask("general", 0).await;
    for n in 1..4 {
        pause(20_000).await;
        bot.ask("general", n).await;
    }
    pause(20_000).await;
    sandbox.silence(false);
    bot.ask("general", 4).await;
    pause(120_000).await;
    let answers = said(&sandbox, "general");
    let last_characters: Vec<_> = answers
        .iter()
        .map(|text| text[text.len() - 1..].to_owned())
        .collect();
    assert_eq!(last_characters, numbers(0..5));
    // It is more than a minute late, the last is not.
    assert!(answers[0].contains(&question), "{answers:?}");
    assert_eq!(answers[4], "4");
}
