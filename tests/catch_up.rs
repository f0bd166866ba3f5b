//! Outages, over real sockets: what is said meanwhile is answered once and in order.
#![cfg(all(feature = "client", feature = "sandbox"))]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test ends by them")]

mod support;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use rocketbotte::BotBuilder;
use rocketbotte::dispatch::Overflow;
use rocketbotte::sandbox::{Inbound, RestFault, Sandbox};
use support::echo_bot::{Echo, cut, numbers, pause, people, restore, said, said_in, server};
use support::live::PATIENCE;
use tokio::sync::Notify;

#[tokio::test]
async fn everything_said_during_an_outage_is_answered_once_and_in_order() {
    let sandbox = server().await;
    let ann = sandbox.user("ann");
    let direct = ann.direct(&["rocketbotte"]).await;
    let root = ann.say("general", "a thread").await;
    let bot = Echo::on(&sandbox).await;
    let mut n = 0;
    for _ in 0..4 {
        bot.ask("general", n).await;
        cut(&sandbox).await;
        for _ in 0..5 {
            for room in ["dev", "ops", &direct] {
                bot.ask(room, n).await;
            }
            if n % 5 != 0 {
                bot.ask("general", n).await;
            }
            ann.reply("general", &root, &format!("!echo {n}")).await;
            n += 1;
        }
        bot.back().await;
    }
    for room in ["dev", "ops", &direct, "general"] {
        bot.expect(room, numbers(0..n)).await;
    }
    assert_eq!(said_in(&sandbox, "general", Some(&root)), numbers(0..n));
}

#[tokio::test]
async fn an_invite_into_a_room_with_history_answers_nothing_from_before() {
    let sandbox = server().await;
    sandbox.create_group("secret", &["ann", "bob"]).unwrap();
    let bot = Echo::on(&sandbox).await;
    cut(&sandbox).await;
    bot.ask("secret", "before").await;
    pause(5).await;
    sandbox.invite("secret", "rocketbotte").unwrap();
    pause(5).await;
    bot.ask("secret", "after").await;
    bot.back().await;
    bot.expect("secret", vec!["after".to_owned()]).await;
}

#[tokio::test]
async fn nothing_from_before_the_start_is_answered() {
    let sandbox = server().await;
    sandbox.user("ann").say("general", "!echo before").await;
    pause(5).await;
    let bot = Echo::on(&sandbox).await;
    cut(&sandbox).await;
    bot.ask("general", "after").await;
    bot.back().await;
    bot.expect("general", vec!["after".to_owned()]).await;
}

#[tokio::test]
async fn a_first_direct_message_during_an_outage_is_answered() {
    let sandbox = server().await;
    let bot = Echo::on(&sandbox).await;
    cut(&sandbox).await;
    let direct = sandbox.user("bob").direct(&["rocketbotte"]).await;
    sandbox.user("bob").say(&direct, "echo hello").await;
    bot.back().await;
    sandbox
        .wait_until(|sandbox| said(sandbox, &direct) == ["hello"], PATIENCE)
        .await
        .unwrap();
}

#[tokio::test]
async fn what_arrives_live_and_is_fetched_too_is_answered_once() {
    let sandbox = server().await;
    let bot = Echo::on(&sandbox).await;
    sandbox.duplicate_frames(true);
    cut(&sandbox).await;
    for n in 0..5 {
        bot.ask("general", n).await;
    }
    // The rooms are known late, the messages later: those of the meantime come on both ways.
    sandbox.fail_next("subscriptions.get", RestFault::Slow(Duration::from_millis(100)));
    sandbox.fail_next("chat.syncMessages", RestFault::Slow(Duration::from_millis(100)));
    bot.back().await;
    for n in 5..30 {
        bot.ask("general", n).await;
        bot.ask("dev", n).await;
        pause(10).await;
    }
    bot.expect("general", numbers(0..30)).await;
    bot.expect("dev", numbers(5..30)).await;
}

#[tokio::test]
async fn a_slow_handler_is_neither_lost_nor_doubled() {
    let sandbox = server().await;
    let gate = Arc::new(Notify::new());
    let bot = Echo::with(&sandbox, |bot| bot.hold(PATIENCE), Some(Arc::clone(&gate))).await;
    bot.ask("general", "wait").await;
    while bot.runs.load(Ordering::Relaxed) == 0 {
        pause(5).await;
    }
    for n in 0..3 {
        cut(&sandbox).await;
        bot.ask("general", n).await;
        bot.back().await;
    }
    pause(100).await;
    assert_eq!(said(&sandbox, "general"), [""; 0], "it is still at it");
    gate.notify_one();
    let mut answers = vec!["wait".to_owned()];
    answers.extend(numbers(0..3));
    bot.expect("general", answers).await;
    assert_eq!(bot.runs.load(Ordering::Relaxed), 5);
}

#[tokio::test]
async fn a_room_that_may_not_be_read_is_forgotten() {
    let sandbox = server().await;
    let bot = Echo::on(&sandbox).await;
    let asked = |sandbox: &Sandbox| {
        let is_sync = |inbound: &Inbound| matches!(inbound, Inbound::Request { path, .. } if path.contains("chat.syncMessages") && path.contains("roomId=GENERAL"));
        sandbox
            .frames_from_clients()
            .iter()
            .filter(|inbound| is_sync(inbound))
            .count()
    };
    for (n, status) in [403, 400].into_iter().enumerate() {
        cut(&sandbox).await;
        sandbox.user("ann").say("general", "nobody hears this").await;
        // Every room that changed in the last half minute, which is all of them.
        for _ in 0..3 {
            sandbox.fail_next("chat.syncMessages", RestFault::Status(status));
        }
        bot.back().await;
        sandbox
            .wait_until(|sandbox| asked(sandbox) > n, PATIENCE)
            .await
            .unwrap();
        pause(100).await;
        assert_eq!(asked(&sandbox), n + 1, "it is not asked for again");
        // What comes live in it goes on.
        bot.ask("general", n).await;
        let answered = |sandbox: &Sandbox| said(sandbox, "general").last() == Some(&n.to_string());
        sandbox.wait_until(answered, PATIENCE).await.unwrap();
        sandbox.clear_faults();
    }
    bot.expect("general", numbers(0..2)).await;
}

#[tokio::test]
async fn errors_that_pass_are_tried_again() {
    let sandbox = server().await;
    let bot = Echo::on(&sandbox).await;
    cut(&sandbox).await;
    bot.ask("general", 0).await;
    for (endpoint, fault) in [
        ("subscriptions.get", RestFault::CloseBeforeActing),
        ("rooms.get", RestFault::Status(503)),
        ("chat.syncMessages", RestFault::Status(500)),
        ("chat.syncMessages", RestFault::LoseReply),
        (
            "chat.syncMessages",
            RestFault::TooManyRequests {
                reset_after: Duration::from_millis(20),
            },
        ),
    ] {
        sandbox.fail_next(endpoint, fault);
    }
    bot.back().await;
    bot.ask("general", 1).await;
    bot.expect("general", numbers(0..2)).await;
}

#[tokio::test]
async fn a_second_cut_in_the_middle_of_a_catch_up() {
    let sandbox = server().await;
    let bot = Echo::on(&sandbox).await;
    cut(&sandbox).await;
    for n in 0..3 {
        bot.ask("general", n).await;
        bot.ask("dev", n).await;
    }
    for (n, endpoint) in [
        (3, "subscriptions.get"),
        (4, "rooms.get"),
        (5, "chat.syncMessages"),
    ] {
        sandbox.fail_next(endpoint, RestFault::Slow(Duration::from_millis(200)));
        bot.back().await;
        pause(50).await;
        bot.ask("general", n).await;
        bot.ask("dev", n).await;
        cut(&sandbox).await;
    }
    bot.ask("general", 6).await;
    bot.ask("dev", 6).await;
    bot.back().await;
    bot.expect("general", numbers(0..7)).await;
    bot.expect("dev", numbers(0..7)).await;
}

#[tokio::test]
async fn without_it_an_outage_stays_unheard() {
    let sandbox = server().await;
    let bot = Echo::with(&sandbox, BotBuilder::no_catch_up, None).await;
    cut(&sandbox).await;
    bot.ask("general", "lost").await;
    bot.back().await;
    bot.expect("general", vec![]).await;
}

#[tokio::test]
async fn fifty_cuts_and_somebody_who_never_stops_writing() {
    // The server's clock is right, and ten minutes before and behind ours.
    for (seed, offset) in [(1, 0), (2, 600_000), (3, -600_000)] {
        let mut rng = fastrand::Rng::with_seed(seed);
        let sandbox = people().clock_offset(offset).start().await.unwrap();
        let root = sandbox.user("ann").say("general", "a thread").await;
        let bot = Echo::on(&sandbox).await;
        let mut n = 0;
        for _ in 0..50 {
            for _ in 0..rng.usize(1..6) {
                bot.ask("general", n).await;
                bot.ask("ops", n).await;
                sandbox
                    .user("ann")
                    .reply("general", &root, &format!("!echo {n}"))
                    .await;
                n += 1;
                pause(rng.u64(0..8)).await;
            }
            match rng.u32(0..5) {
                0 => sandbox.drop_connections(),
                1 => sandbox.reset_connections(),
                2 => sandbox.close_connections(),
                3 => sandbox.send_half_frame(),
                _ => {
                    cut(&sandbox).await;
                    bot.ask("general", n).await;
                    bot.ask("ops", n).await;
                    sandbox
                        .user("ann")
                        .reply("general", &root, &format!("!echo {n}"))
                        .await;
                    n += 1;
                    pause(rng.u64(0..30)).await;
                    restore(&sandbox);
                }
            }
        }
        for room in ["general", "ops"] {
            bot.expect(room, numbers(0..n)).await;
        }
        assert_eq!(
            said_in(&sandbox, "general", Some(&root)),
            numbers(0..n),
            "seed {seed}"
        );
        // One run for each command, and one for each end.
        assert_eq!(bot.runs.load(Ordering::Relaxed), 3 * n + 2, "seed {seed}");
    }
}

#[tokio::test]
async fn more_than_a_lane_holds_is_answered() {
    let sandbox = server().await;
    let bot = Echo::with(&sandbox, |bot| bot.lane_capacity(8, Overflow::DropNewest), None).await;
    cut(&sandbox).await;
    for n in 0..120 {
        bot.ask("general", n).await;
    }
    bot.back().await;
    for n in 120..125 {
        bot.ask("general", n).await;
    }
    bot.expect("general", numbers(0..125)).await;
}
