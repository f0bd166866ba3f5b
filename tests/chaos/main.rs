//! Seeded faults of every kind while people talk to a bot: each command gets exactly one reply, in order within its
//! room or thread.
//!
//! A short run is part of `cargo test`. The long one, with at least 1,000 faults and 20,000 commands for each seed:
//!
//! ```text
//! ROCKETBOTTE_CHAOS=long cargo test --release --test chaos -- --nocapture
//! ```
//!
//! `ROCKETBOTTE_CHAOS_SEED` takes other seeds, with commas between them.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test ends by them")]

mod bot;
#[cfg(all(unix, feature = "journal"))]
mod killed;
#[cfg(all(unix, feature = "journal"))]
#[path = "../support/process.rs"]
mod process;
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
    /// Whether the bot is another process that is killed now and then.
    is_killed: bool,
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
        is_killed: false,
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
    let mut bot = Subject::start(&sandbox, plan).await;

    let (allow, allowed) = tokio::sync::mpsc::unbounded_channel();
    let talking = tokio::spawn(people.clone().talk(plan.seed, allowed));
    let mut storm = Storm::new(&sandbox, plan.seed);
    let mut told = 0;
    for fault in 1..=plan.faults {
        let due = plan.commands * fault / plan.faults;
        allow.send(due - told).unwrap();
        told = due;
        bot.keep_running();
        if !bot.is_killed(&mut storm).await {
            storm.strike().await;
        }
        // More than the server lets anybody fetch must not pile up.
        let _ = tokio::time::timeout(PATIENCE, people.answered_up_to(told.saturating_sub(BACKLOG))).await;
    }
    drop(allow);
    storm.calm();
    talking.await.unwrap();

    while people.answered() < plan.commands {
        bot.keep_running();
        let next = people.answered_up_to(people.answered() + 1);
        if tokio::time::timeout(PATIENCE, next).await.is_err() {
            people.check();
            panic!("no progress");
        }
    }
    // One more outage: nothing is answered a second time.
    bot.reconnect(&sandbox).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    people.check();
    report(&sandbox, &people, plan, began.elapsed());
    bot.check();
}

/// Says what was met, and what it cost.
fn report(sandbox: &Sandbox, people: &People, plan: Plan, took: Duration) {
    let (met, requests) = (sandbox.faults_met(), sandbox.requests());
    let all: u64 = met.values().sum();
    println!(
        "seed {}, server {} minutes ahead, {took:.1?}:",
        plan.seed, plan.minutes_ahead
    );
    println!("  faults: {}, met as {all}: {met:?}", plan.faults);
    println!(
        "  commands: {} in {} lanes, replies: {}",
        plan.commands,
        people.lanes(),
        people.answered()
    );
    println!(
        "  calls of chat.sendMessage beyond one for each reply: {}",
        requests["chat.sendMessage"].saturating_sub(plan.commands as u64)
    );
    println!("  calls: {requests:?}");
}

/// The bot that is tried.
enum Subject {
    Here(Echo),
    #[cfg(all(unix, feature = "journal"))]
    Elsewhere(killed::Elsewhere),
}

impl Subject {
    async fn start(sandbox: &Sandbox, plan: Plan) -> Self {
        #[cfg(all(unix, feature = "journal"))]
        if plan.is_killed {
            return Self::Elsewhere(killed::Elsewhere::start(sandbox).await);
        }
        assert!(!plan.is_killed);
        Self::Here(Echo::start(sandbox).await)
    }

    /// By chance, and where it can be, it is killed and started again.
    async fn is_killed(&mut self, storm: &mut Storm) -> bool {
        match self {
            Self::Here(_) => false,
            #[cfg(all(unix, feature = "journal"))]
            Self::Elsewhere(bot) => {
                let is_killed = storm.chance(10);
                if is_killed {
                    bot.kill(storm).await;
                }
                is_killed
            }
        }
    }

    fn keep_running(&mut self) {
        match self {
            Self::Here(_) => {}
            #[cfg(all(unix, feature = "journal"))]
            Self::Elsewhere(bot) => bot.keep_running(),
        }
    }

    async fn reconnect(&mut self, sandbox: &Sandbox) {
        match self {
            Self::Here(bot) => bot.reconnect(sandbox).await,
            #[cfg(all(unix, feature = "journal"))]
            Self::Elsewhere(bot) => bot.start_again(sandbox).await,
        }
    }

    fn check(&self) {
        match self {
            Self::Here(bot) => bot.check(),
            #[cfg(all(unix, feature = "journal"))]
            Self::Elsewhere(bot) => bot.check(),
        }
    }
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

/// The bot is another process, killed at any moment and started again with its journal.
#[cfg(all(unix, feature = "journal"))]
#[test]
fn storm_with_kills() {
    if let Some(part) = process::part() {
        return killed::serve(&part);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let mut plans = plans(0, 4);
    for plan in &mut plans {
        plan.is_killed = true;
    }
    runtime.block_on(run_all(plans));
}
