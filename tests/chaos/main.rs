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

mod book;
mod bot;
#[cfg(all(unix, feature = "journal"))]
mod killed;
mod plan;
#[cfg(all(unix, feature = "journal"))]
#[path = "../support/process.rs"]
mod process;
mod storm;
mod talk;

use std::sync::Arc;
use std::time::Duration;

use rocketbotte::sandbox::Sandbox;

use self::book::{Book, Summary};
use self::bot::Echo;
use self::plan::Plan;
use self::storm::Storm;
use self::talk::{BOT, Losing, People};

/// Without any progress for so long the run has failed.
const PATIENCE: Duration = Duration::from_secs(120);

/// Commands that may be open while the next faults come.
const BACKLOG: usize = 400;

/// Faults that last, so that they are met by everything meanwhile.
const LASTING: [&str; 3] = ["frame doubled", "frame out of order", "slow server"];

/// `RUST_LOG` shows what the bot does.
fn log() {
    let log = tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
        .with_ansi(false)
        .with_writer(std::io::stderr);
    // One of several tests is the first.
    let _ = log.try_init();
}

async fn server(plan: Plan) -> Sandbox {
    let all = ["ann", "bob", "cat", "dan", BOT];
    Sandbox::builder()
        .user("ann")
        .user("bob")
        .user("cat")
        .user("dan")
        .bot(BOT)
        .channel("dev")
        .group_with("ops", &["ann", "bob", "cat", BOT])
        .group_with("lab", &["dan", "bob", BOT])
        .group_with("door", &all)
        .group_with("hush", &all)
        .channel("gate")
        .channel("hall")
        .clock_offset(plan.minutes_ahead * 60_000)
        .start()
        .await
        .unwrap()
}

async fn run(plan: Plan) {
    log();
    println!("{plan:?}");
    let began = std::time::Instant::now();
    let sandbox = server(plan).await;
    let book = Arc::new(Book::new(plan.is_killed));
    let losing = Losing::default();
    let people = People::of(&sandbox, Arc::clone(&book), losing.clone()).await;
    let listening = tokio::spawn({
        let (book, sandbox) = (Arc::clone(&book), sandbox.clone());
        async move { book.listen(sandbox).await }
    });
    let mut bot = Subject::start(&sandbox, plan, &book).await;

    let (allow, allowed) = tokio::sync::mpsc::unbounded_channel();
    let talking = tokio::spawn(people.clone().talk(plan.seed, allowed));
    let mut storm = Storm::new(&sandbox, plan.seed, plan.loses_frames.then_some(losing));
    let mut told = 0;
    for fault in 1..=plan.faults {
        let due = plan.commands * fault / plan.faults;
        allow.send(due - told).unwrap();
        told = due;
        bot.keep_running();
        if plan.silences > 0 && fault % (plan.faults / plan.silences) == plan.faults / plan.silences / 2 {
            storm.long_silence().await;
        }
        if !bot.is_killed(&mut storm).await {
            storm.strike().await;
        }
        // More than the server lets anybody fetch must not pile up.
        let _ = book.settled_up_to(&sandbox, BACKLOG).await;
    }
    drop(allow);
    talking.await.unwrap();
    // What needs somebody to meet it, such as a call, may have met nobody.
    for _ in 0..20 {
        if storm.not_met().is_empty() {
            break;
        }
        storm.strike_what_is_not_met().await;
        people.ask_everywhere().await;
        storm.pause(200..500).await;
        bot.keep_running();
    }
    storm.calm();
    people.ask_everywhere().await;
    settled(&sandbox, &book, &mut bot).await;
    bot.is_flooded(&sandbox, &people, &book).await;
    // One more outage: nothing is answered a second time.
    bot.reconnect(&sandbox).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    let summary = book.check(&sandbox);
    report(&sandbox, &people, plan, &summary, began.elapsed());
    assert_eq!(storm.not_met(), [""; 0], "faults that nobody met");
    bot.check(&summary);
    listening.abort();
}

/// Waits until every command is settled.
async fn settled(sandbox: &Sandbox, book: &Book, bot: &mut Subject) {
    let all = book.settled(sandbox);
    tokio::pin!(all);
    let is_settled = loop {
        tokio::select! {
            settled = &mut all => break settled.is_ok(),
            () = tokio::time::sleep(Duration::from_millis(200)) => bot.keep_running(),
        }
    };
    if !is_settled {
        book.check(sandbox);
        panic!("no progress");
    }
}

/// Says what was met, and what it cost.
fn report(sandbox: &Sandbox, people: &People, plan: Plan, summary: &Summary, took: Duration) {
    let (met, requests) = (sandbox.faults_met(), sandbox.requests());
    let single = met.iter().filter(|(name, _)| !LASTING.contains(name));
    let all: u64 = single.map(|(_, times)| times).sum();
    println!(
        "seed {}, server {} minutes ahead, {took:.1?}:",
        plan.seed, plan.minutes_ahead
    );
    println!(
        "  faults: {}, met as {all} and those that last: {met:?}",
        plan.faults
    );
    println!("  in {} lanes", people.lanes());
    println!("{summary}");
    println!(
        "  calls of chat.sendMessage beyond one for each reply: {}",
        requests["chat.sendMessage"].saturating_sub(summary.replies)
    );
    println!("  calls: {requests:?}");
    let least = plan.least_faults();
    assert!(all >= least, "{all} faults were met of at least {least}");
    let commands: u64 = summary.commands.values().sum();
    assert!(commands >= plan.commands as u64);
}

/// The bot that is tried.
enum Subject {
    Here(Echo),
    #[cfg(all(unix, feature = "journal"))]
    Elsewhere(killed::Elsewhere),
}

impl Subject {
    async fn start(sandbox: &Sandbox, plan: Plan, book: &Arc<Book>) -> Self {
        #[cfg(all(unix, feature = "journal"))]
        if plan.is_killed {
            return Self::Elsewhere(killed::Elsewhere::start(sandbox, book).await);
        }
        assert!(!plan.is_killed);
        Self::Here(Echo::start(sandbox, plan, book).await)
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

    /// A room says more than the bot takes: it is fetched again, and where that can be seen, it is seen.
    async fn is_flooded(&mut self, sandbox: &Sandbox, people: &People, book: &Book) {
        let health = |bot: &Self| match bot {
            Self::Here(bot) => Some(bot.handle.health()),
            #[cfg(all(unix, feature = "journal"))]
            Self::Elsewhere(_) => None,
        };
        let before = health(self);
        people.flood().await;
        settled(sandbox, book, self).await;
        if let (Some(before), Some(after)) = (before, health(self)) {
            let parked = after.caught_up - before.caught_up;
            println!(
                "  parked and fetched again: {parked} of one flood, {} events fetched in all",
                after.caught_up
            );
            assert_eq!(after.reconnects, before.reconnects, "there was no outage");
            assert!(parked > 0, "too little was said at once");
        }
    }

    async fn reconnect(&mut self, sandbox: &Sandbox) {
        match self {
            Self::Here(bot) => bot.reconnect(sandbox).await,
            #[cfg(all(unix, feature = "journal"))]
            Self::Elsewhere(bot) => bot.start_again(sandbox).await,
        }
    }

    fn check(&self, summary: &Summary) {
        match self {
            Self::Here(bot) => bot.check(summary),
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
    run_all(Plan::all(0, 1)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn storm_with_the_server_ten_minutes_ahead() {
    run_all(Plan::all(10, 2)).await;
}

/// Besides, the server does not tell all that is said, and the bot looks for it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn storm_with_the_server_ten_minutes_behind() {
    let mut plans = Plan::all(-10, 3);
    plans.iter_mut().for_each(|plan| plan.loses_frames = true);
    run_all(plans).await;
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
    let mut plans = Plan::all(0, 4);
    plans.iter_mut().for_each(|plan| plan.is_killed = true);
    runtime.block_on(run_all(plans));
}
