//! Outages of every kind in paused time, over pipes: how long they take to heal, and that nothing is lost in them.
#![cfg(all(feature = "client", feature = "sandbox"))]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test ends by them")]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rocketbotte::event::EventKind;
use rocketbotte::sandbox::{RestFault, Sandbox, SandboxBuilder, Step};
use rocketbotte::transport::{ConnectionState, Connector};
use tokio::sync::watch;
use tokio::time::Instant;

use support::chat::{Chat, ask, bot_in, counted_pipes, people, said};
use support::{after, after_secs, echo};

fn rooms() -> SandboxBuilder {
    people().channel("dev").group_with("ops", &["ann", "rocketbotte"])
}

fn server() -> Sandbox {
    rooms().start_in_memory()
}

async fn cut(sandbox: &Sandbox) {
    sandbox.drop_connections();
    after(Duration::from_millis(1)).await;
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_is_cut_at_any_step_of_its_beginning() {
    let sandbox = server();
    let chat = Chat::on(&sandbox, echo()).await;
    let mut n = 0;
    for step in [
        Step::Upgrade,
        Step::Connect,
        Step::Login,
        Step::Subscribe,
        Step::Ping,
    ] {
        for _ in 0..3 {
            sandbox.cut_at(step);
        }
        cut(&sandbox).await;
        for _ in 0..200 {
            ask(&sandbox, "general", n).await;
            n += 1;
            after_secs(1).await;
        }
    }
    after_secs(120).await;
    assert_eq!(said(&sandbox, "general"), (0..n).collect::<Vec<_>>());
    let met = sandbox.faults_met();
    for name in [
        "cut at upgrade",
        "cut at connect",
        "cut at login",
        "cut at subscribe",
        "cut at ping",
    ] {
        assert_eq!(met[name], 3, "{name}");
    }
    drop(chat);
}

#[tokio::test(start_paused = true)]
async fn where_nothing_is_too_old_a_long_outage_is_answered() {
    let sandbox = server();
    let chat = Chat::of(
        &sandbox,
        "rocketbotte",
        |bot| bot.catch_up_age(Duration::MAX),
        echo(),
    )
    .await;
    sandbox.go_down().await;
    ask(&sandbox, "general", 0).await;
    after_secs(3600).await;
    sandbox.slow_rest(Duration::from_millis(500));
    sandbox.come_back().await;
    after_secs(120).await;
    ask(&sandbox, "general", 1).await;
    after_secs(1).await;
    assert_eq!(said(&sandbox, "general"), [0, 1]);
    drop(chat);
}

/// Much is said before the connection is back: it belongs behind what was said in the gap.
#[tokio::test(start_paused = true)]
async fn what_arrives_before_the_connection_is_ready_waits_its_turn() {
    let sandbox = server();
    let chat = Chat::on(&sandbox, echo()).await;
    sandbox.go_down().await;
    for n in 0..10 {
        ask(&sandbox, "general", n).await;
    }
    sandbox.come_back().await;
    for n in 10..700 {
        ask(&sandbox, "general", n).await;
        tokio::task::yield_now().await;
    }
    after_secs(60).await;
    assert_eq!(said(&sandbox, "general"), (0..700).collect::<Vec<_>>());
    drop(chat);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_troubled_for_long_after_an_outage_loses_nothing() {
    for endpoint in ["*", "subscriptions.get", "rooms.get", "chat.syncMessages"] {
        for fault in [
            RestFault::Proxy(502),
            RestFault::Status(503),
            RestFault::Html,
            RestFault::LoseReply,
            RestFault::HalfReply,
            RestFault::CloseBeforeActing,
            RestFault::Slow(Duration::from_secs(40)),
            RestFault::TooManyRequests {
                reset_after: Duration::from_secs(3),
            },
        ] {
            let sandbox = server();
            let chat = Chat::on(&sandbox, echo()).await;
            sandbox.go_down().await;
            for n in 0..5 {
                ask(&sandbox, "general", n).await;
                ask(&sandbox, "ops", n).await;
            }
            // With "*" the replies meet it too.
            if !(endpoint == "*" && fault == RestFault::Html) {
                let calls = if matches!(fault, RestFault::Slow(_)) {
                    2
                } else {
                    12
                };
                sandbox.fail_next_calls(endpoint, calls, fault.clone());
            }
            sandbox.come_back().await;
            for n in 5..10 {
                after_secs(2).await;
                ask(&sandbox, "general", n).await;
                ask(&sandbox, "ops", n).await;
            }
            after_secs(1500).await;
            for room in ["general", "ops"] {
                let all: Vec<_> = (0..10).collect();
                assert_eq!(said(&sandbox, room), all, "{room}, {endpoint} {fault:?}");
            }
            drop(chat);
        }
    }
}

/// Somebody reacts to a command of the gap before that could be fetched.
#[tokio::test(start_paused = true)]
async fn a_command_that_is_touched_before_it_is_fetched() {
    let sandbox = server();
    let chat = Chat::on(&sandbox, echo()).await;
    sandbox.go_down().await;
    let question = ask(&sandbox, "general", 0).await;
    sandbox.fail_next_calls("subscriptions.get", 40, RestFault::Status(503));
    sandbox.come_back().await;
    after_secs(40).await;
    sandbox.user("bob").react(&question, ":eyes:").await;
    after_secs(600).await;
    assert_eq!(said(&sandbox, "general"), [0]);
    drop(chat);
}

/// The end of an outage, the longest pause, and the calls: then everything is answered.
#[tokio::test(start_paused = true)]
async fn the_time_to_heal_is_the_longest_pause_and_the_catch_up() {
    const PAUSE: Duration = Duration::from_secs(20);
    const CALL: Duration = Duration::from_millis(500);
    for outage in [1, 30, 300, 500] {
        let sandbox = server();
        let chat = Chat::of(&sandbox, "rocketbotte", |bot| bot.max_retry_time(PAUSE), echo()).await;
        sandbox.go_down().await;
        after_secs(outage).await;
        for room in ["general", "dev", "ops"] {
            ask(&sandbox, room, 0).await;
        }
        sandbox.slow_rest(CALL);
        sandbox.come_back().await;
        let began = Instant::now();
        let answered = |sandbox: &Sandbox| {
            ["general", "dev", "ops"]
                .iter()
                .all(|room| said(sandbox, room) == [0])
        };
        sandbox
            .wait_until(answered, Duration::from_secs(600))
            .await
            .unwrap();
        // Two lists, the rooms side by side, and the reply.
        let most = PAUSE + 4 * CALL + Duration::from_millis(100);
        assert!(
            began.elapsed() <= most,
            "{outage} s: healed in {:?}",
            began.elapsed()
        );
        println!("an outage of {outage} s healed in {:?}", began.elapsed());
        drop(chat);
    }
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_messages_are_fetched_with_a_few_calls_at_a_time() {
    let sandbox = server();
    let names: Vec<String> = (0..100).map(|n| format!("room{n}")).collect();
    for name in &names {
        sandbox.create_channel(name, &["ann", "rocketbotte"]).unwrap();
    }
    let chat = Chat::on(&sandbox, echo()).await;
    sandbox.go_down().await;
    for n in 0..100 {
        for name in &names {
            ask(&sandbox, name, n).await;
        }
    }
    sandbox.slow_rest(Duration::from_millis(20));
    sandbox.come_back().await;
    let (began, real) = (Instant::now(), std::time::Instant::now());
    while chat.handle.counters().delivered < 10_000 {
        assert!(began.elapsed() < Duration::from_secs(30), "it takes too long");
        after(Duration::from_millis(500)).await;
    }
    println!(
        "10,000 commands of 100 rooms after {:?}, {:?} of them ours",
        began.elapsed(),
        real.elapsed()
    );
    for name in &names {
        assert_eq!(said(&sandbox, name), (0..100).collect::<Vec<_>>(), "{name}");
    }
    let most = sandbox.most_calls_at_once("chat.syncMessages");
    assert!((2..=4).contains(&most), "{most} calls at once");
    // The three other rooms are asked for too: something was said there not long ago.
    assert_eq!(sandbox.requests()["chat.syncMessages"], 103);
    drop(chat);
}

/// The reply is on its way when the server goes, for longer than a call is tried by itself.
#[tokio::test(start_paused = true)]
async fn a_reply_outlasts_a_long_outage() {
    for outage in [60, 290, 420, 540] {
        let sandbox = server();
        let chat = Chat::on(&sandbox, echo()).await;
        sandbox.fail_next_calls("chat.sendMessage", 3, RestFault::CloseBeforeActing);
        for n in 0..3 {
            ask(&sandbox, "general", n).await;
        }
        after(Duration::from_millis(20)).await;
        sandbox.go_down().await;
        after_secs(outage).await;
        sandbox.come_back().await;
        after_secs(120).await;
        assert_eq!(said(&sandbox, "general"), [0, 1, 2], "after {outage} s");
        drop(chat);
    }
}

/// Every fault that a reply can meet, several times in a row.
#[tokio::test(start_paused = true)]
async fn replies_survive_bursts_of_every_fault() {
    let sandbox = server();
    let chat = Chat::on(&sandbox, echo()).await;
    let mut n = 0;
    for fault in [
        RestFault::Status(500),
        RestFault::Status(503),
        RestFault::Proxy(502),
        RestFault::Proxy(504),
        RestFault::Html,
        RestFault::LoseReply,
        RestFault::HalfReply,
        RestFault::CloseBeforeActing,
        RestFault::Slow(Duration::from_secs(35)),
        RestFault::TooManyRequests {
            reset_after: Duration::from_secs(30),
        },
    ] {
        for endpoint in ["chat.sendMessage", "chat.getMessage", "*"] {
            sandbox.fail_next_calls(endpoint, 4, fault.clone());
            sandbox.fail_next("chat.sendMessage", RestFault::LoseReply);
            for _ in 0..3 {
                ask(&sandbox, "general", n).await;
                n += 1;
            }
            after_secs(300).await;
            sandbox.clear_faults();
            assert_eq!(
                said(&sandbox, "general"),
                (0..n).collect::<Vec<_>>(),
                "{endpoint} {fault:?}"
            );
            assert_eq!(chat.handle.counters().undelivered, 0, "{endpoint} {fault:?}");
        }
    }
}

/// The bot is there, its first connection is not yet.
#[tokio::test(start_paused = true)]
async fn what_is_said_between_the_start_and_the_first_connection() {
    for step in [Step::Upgrade, Step::Connect, Step::Login, Step::Subscribe] {
        let sandbox = server();
        ask(&sandbox, "general", 100).await;
        after_secs(60).await;
        for _ in 0..6 {
            sandbox.cut_at(step);
        }
        let bot = bot_in(&sandbox, "rocketbotte").build().unwrap();
        let handle = bot.handle();
        let serving = tokio::spawn(bot.serve(echo()));
        for n in 0..10 {
            after(Duration::from_millis(300)).await;
            ask(&sandbox, "general", n).await;
        }
        after_secs(120).await;
        assert_eq!(said(&sandbox, "general"), (0..10).collect::<Vec<_>>(), "{step:?}");
        handle.shutdown();
        serving.await.unwrap().unwrap();
    }
}

/// Nothing fails at the start, but the first connection takes its time.
#[tokio::test(start_paused = true)]
async fn what_is_said_while_the_first_connection_takes_long() {
    let sandbox = server();
    ask(&sandbox, "general", 100).await;
    after_secs(120).await;
    let (server, opened) = (sandbox.clone(), Arc::<AtomicUsize>::default());
    let connector = Connector::from_fn(move |_| {
        // The calls go first.
        let is_slow = opened.fetch_add(1, Ordering::Relaxed) > 0;
        let io = server.connect();
        async move {
            after_secs(if is_slow { 8 } else { 0 }).await;
            Ok::<_, std::io::Error>(io)
        }
    });
    let bot = bot_in(&sandbox, "rocketbotte").connector(connector).build();
    let bot = bot.unwrap();
    let handle = bot.handle();
    let serving = tokio::spawn(bot.serve(echo()));
    after_secs(1).await;
    for n in 0..5 {
        ask(&sandbox, "general", n).await;
        after_secs(1).await;
    }
    assert_ne!(handle.state(), ConnectionState::Ready);
    after_secs(120).await;
    assert_eq!(said(&sandbox, "general"), (0..5).collect::<Vec<_>>());
    handle.shutdown();
    serving.await.unwrap().unwrap();
}

/// A proxy before a server that is starting.
#[tokio::test(start_paused = true)]
async fn a_start_in_the_middle_of_trouble() {
    for fault in [
        RestFault::Proxy(502),
        RestFault::Proxy(503),
        RestFault::Status(503),
        RestFault::LoseReply,
        RestFault::HalfReply,
        RestFault::CloseBeforeActing,
        RestFault::TooManyRequests {
            reset_after: Duration::from_secs(3),
        },
    ] {
        let sandbox = server();
        sandbox.fail_next_calls("*", 8, fault.clone());
        sandbox.cut_at(Step::Login);
        let bot = bot_in(&sandbox, "rocketbotte").build().unwrap();
        let handle = bot.handle();
        let serving = tokio::spawn(bot.serve(echo()));
        let mut state = handle.watch_state();
        let is_ready = state.wait_for(|state| *state == ConnectionState::Ready);
        let is_ready = tokio::time::timeout(Duration::from_secs(120), is_ready)
            .await
            .is_ok();
        assert!(is_ready, "{fault:?}");
        after_secs(60).await;
        sandbox.clear_faults();
        ask(&sandbox, "general", 0).await;
        after_secs(5).await;
        assert_eq!(said(&sandbox, "general"), [0], "{fault:?}");
        handle.shutdown();
        serving.await.unwrap().unwrap();
    }
}

/// Thrown out and invited again: what was said between is none of its business.
#[tokio::test(start_paused = true)]
async fn rooms_that_the_bot_loses_during_an_outage() {
    let sandbox = rooms()
        .group_with("lab", &["ann", "rocketbotte"])
        .start_in_memory();
    let chat = Chat::on(&sandbox, echo()).await;
    after_secs(60).await;
    sandbox.go_down().await;
    for room in ["general", "ops", "lab"] {
        ask(&sandbox, room, 0).await;
    }
    after_secs(1).await;
    sandbox.kick("ops", "rocketbotte").unwrap();
    sandbox.kick("lab", "rocketbotte").unwrap();
    ask(&sandbox, "lab", 1).await;
    after_secs(1).await;
    sandbox.invite("lab", "rocketbotte").unwrap();
    after_secs(1).await;
    ask(&sandbox, "lab", 2).await;
    sandbox.come_back().await;
    after_secs(120).await;
    ask(&sandbox, "lab", 3).await;
    ask(&sandbox, "general", 1).await;
    after_secs(5).await;
    assert_eq!(said(&sandbox, "general"), [0, 1]);
    assert_eq!(said(&sandbox, "lab"), [2, 3]);
    assert_eq!(said(&sandbox, "ops"), [0; 0]);
    drop(chat);
}

/// A day in which the connection is lost every minute.
#[test]
fn a_day_of_cuts_leaves_nothing_behind() {
    const HOURS: usize = 24;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .unwrap();
    let sandbox = server();
    let (told, reconnects) = watch::channel(0_usize);
    let (connector, open) = counted_pipes(&sandbox);
    let sockets = || open.load(Ordering::Relaxed);
    let chat = runtime.block_on(async {
        let chat = Chat::of(&sandbox, "rocketbotte", |bot| bot.connector(connector), echo()).await;
        chat.handle.add_listener(EventKind::Reconnected, move || {
            told.send_modify(|count| *count += 1);
            std::future::ready(())
        });
        chat
    });
    let minute = async |n: usize| {
        let question = ask(&sandbox, "general", n).await;
        let reply = sandbox
            .wait_for_reply(&question, Duration::from_secs(30))
            .await
            .unwrap();
        assert_eq!(reply.text, n.to_string());
        // The server keeps what is said, which is none of the bot's memory.
        sandbox.user("ann").delete(&question).await;
        sandbox.bot("rocketbotte").delete(&reply.id).await;
        after_secs(60).await;
    };
    // Idle REST connections are closed after a while.
    let quiet = async || {
        after_secs(120).await;
        sandbox.forget_frames();
        let tasks = runtime.metrics().num_alive_tasks();
        (
            tasks,
            sockets(),
            sandbox.connections(),
            sandbox.subscriptions().len(),
        )
    };
    let at_the_start = runtime.block_on(async {
        minute(0).await;
        assert!(sockets() >= 2, "REST has its own");
        quiet().await
    });
    assert_eq!(
        (at_the_start.1, at_the_start.2),
        (1, 1),
        "the realtime connection alone"
    );
    let mut n = 1;
    let mut hour = || {
        let measured = allocation_counter::measure(|| {
            let now = runtime.block_on(async {
                for _ in 0..60 {
                    sandbox.drop_connections();
                    minute(n).await;
                    n += 1;
                }
                quiet().await
            });
            assert_eq!(now, at_the_start, "tasks, sockets, connections, subscriptions");
        });
        measured.bytes_current
    };
    let mut growth: Vec<i64> = (0..HOURS).map(|_| hour()).collect();
    println!(
        "tasks, sockets, connections, subscriptions {at_the_start:?}, bytes that stayed of each hour: {growth:?}"
    );
    assert_eq!(*reconnects.borrow(), HOURS * 60);
    // The messages that the bot remembers are bounded, but not reached in a day; the server remembers deletions.
    assert!(
        growth.iter().sum::<i64>() < 1024 * (HOURS * 60) as i64,
        "{growth:?}"
    );
    growth.sort_unstable();
    assert!(growth[HOURS / 2] < 32 * 1024, "{growth:?}");
    drop(chat);
}
