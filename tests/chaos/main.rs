//! Seeded faults of every kind while people talk to a bot: each command gets exactly one reply, in order within its
//! room or thread.
//!
//! A short run is part of `cargo test`. The long one, with at least 1,000 faults and 20,000 commands for each seed:
//!
//! ```text
//! ROCKETBOTTE_CHAOS=long cargo test --release --test chaos storm -- --nocapture
//! ```
//!
//! `ROCKETBOTTE_CHAOS_SEED` takes other seeds, with commas between them.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test ends by them")]

mod bot;
mod storm;
mod talk;

use std::time::Duration;

use rocketbotte::sandbox::Sandbox;

use self::bot::Echo;
use self::storm::Storm;
use self::talk::{BOT, People};

/// Without any progress for so long the run has failed.
const PATIENCE: Duration = Duration::from_secs(120);

/// Commands that may be open while the next faults come.
const BACKLOG: usize = 400;

/// One run.
#[derive(Clone, Copy, Debug)]
struct Plan {
    seed: u64,
    commands: usize,
    faults: usize,
    /// How many minutes the server's clock is ahead of ours.
    minutes_ahead: i64,
}

fn is_long() -> bool {
    std::env::var("ROCKETBOTTE_CHAOS").is_ok_and(|mode| mode == "long")
}

/// The runs for a difference of the clocks. Without other wishes each has its own seed.
fn plans(minutes_ahead: i64, seed: u64) -> Vec<Plan> {
    let seeds = match std::env::var("ROCKETBOTTE_CHAOS_SEED") {
        Ok(seeds) => seeds
            .split(',')
            .map(|seed| seed.trim().parse().expect("seeds are numbers"))
            .collect(),
        Err(_) => vec![seed],
    };
    let (commands, faults) = if is_long() { (20_000, 1_000) } else { (600, 60) };
    let plan = |seed| Plan {
        seed,
        commands,
        faults,
        minutes_ahead,
    };
    seeds.into_iter().map(plan).collect()
}

async fn run(plan: Plan) {
    println!("{plan:?}");
    let began = std::time::Instant::now();
    let sandbox = Sandbox::builder()
        .user("ann")
        .user("bob")
        .user("cat")
        .user("dan")
        .bot(BOT)
        .channel("dev")
        .group_with("ops", &["ann", "bob", "cat", BOT])
        .group_with("lab", &["dan", "bob", BOT])
        .clock_offset(plan.minutes_ahead * 60_000)
        .start()
        .await
        .unwrap();
    let people = People::of(&sandbox).await;
    let bot = Echo::start(&sandbox).await;

    let (allow, allowed) = tokio::sync::mpsc::unbounded_channel();
    let talking = tokio::spawn(people.clone().talk(plan.seed, allowed));
    let mut storm = Storm::new(&sandbox, plan.seed);
    let mut told = 0;
    for fault in 1..=plan.faults {
        let due = plan.commands * fault / plan.faults;
        allow.send(due - told).unwrap();
        told = due;
        storm.strike().await;
        // More than the server lets anybody fetch must not pile up.
        let _ = tokio::time::timeout(PATIENCE, people.answered_up_to(told.saturating_sub(BACKLOG))).await;
    }
    drop(allow);
    storm.calm();
    talking.await.unwrap();

    while people.answered() < plan.commands {
        let next = people.answered_up_to(people.answered() + 1);
        if tokio::time::timeout(PATIENCE, next).await.is_err() {
            println!("{:?}", bot.handle.counters());
            people.check();
            panic!("no progress");
        }
    }
    // One more outage: nothing is answered a second time.
    bot.reconnect(&sandbox).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    people.check();
    bot.report(&sandbox, &people, plan, began.elapsed());
}

async fn run_all(plans: Vec<Plan>) {
    for plan in plans {
        run(plan).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn storm_with_the_clocks_alike() {
    run_all(plans(0, 1)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn storm_with_the_server_ten_minutes_ahead() {
    run_all(plans(10, 2)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn storm_with_the_server_ten_minutes_behind() {
    run_all(plans(-10, 3)).await;
}
