//! What a bot says of its health, in whatever happens to it: in paused time, over pipes.
#![cfg(all(feature = "client", feature = "sandbox"))]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test ends by them")]

mod support;

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use rocketbotte::Router;
use rocketbotte::command::CommandLayer;
use rocketbotte::dispatch::BotHandle;
use rocketbotte::health::JournalState;
use rocketbotte::journal::{Change, Journal, JournalError, MemoryJournal};
use rocketbotte::sandbox::{RestFault, Sandbox, UserSpec};
use rocketbotte::transport::ConnectionState;
use tokio::sync::mpsc;
use tower::ServiceBuilder;

use support::chat::{Chat, bot_in, people};
use support::{Log, after, after_secs};

macro_rules! app {
    ($router:expr) => {
        ServiceBuilder::new()
            .layer(CommandLayer::new("!"))
            .service($router)
    };
}

fn ping() -> Router {
    Router::new().command("ping", async || "pong")
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[tokio::test(start_paused = true)]
async fn a_bot_from_its_start_to_its_end() {
    let sandbox = people().start_in_memory();
    sandbox.go_down().await;
    let bot = bot_in(&sandbox, "rocketbotte").build().unwrap();
    let handle = bot.handle();
    let health = handle.health();
    assert_eq!((health.state, health.last_turn), (ConnectionState::Off, None));
    assert!(health.is_live() && !health.is_ready());

    // A server that is not there is no reason to start the bot again.
    let serving = tokio::spawn(bot.serve(app!(ping())));
    after_secs(3600).await;
    assert!(handle.health().is_live() && !handle.health().is_ready());

    sandbox.come_back().await;
    after_secs(120).await;
    let health = handle.health();
    assert!(health.is_live() && health.is_ready(), "{health:?}");
    assert_eq!(health.state, ConnectionState::Ready);
    assert!(health.last_turn.unwrap() <= seconds(5), "{health:?}");
    // The bot pings when nothing came for 20 s.
    assert!(health.last_frame.unwrap() <= seconds(21), "{health:?}");
    assert_eq!((health.reconnects, health.last_gap), (0, None));
    assert_eq!(health.server_version.as_deref(), Some("8.0"));

    handle.shutdown();
    serving.await.unwrap().unwrap();
    let health = handle.health();
    assert_eq!(health.state, ConnectionState::Closed);
    assert!(!health.is_live() && !health.is_ready());
    assert_eq!((health.lanes, health.waiting, health.running), (0, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_bot_that_is_never_served_is_not_live() {
    let sandbox = people().start_in_memory();
    let bot = bot_in(&sandbox, "rocketbotte").build().unwrap();
    let handle = bot.handle();
    drop(bot);
    assert!(!handle.health().is_live());
}

#[tokio::test(start_paused = true)]
async fn an_outage_is_over_when_what_was_missed_is_fetched() {
    let sandbox = people().start_in_memory();
    let chat = Chat::on(&sandbox, app!(ping())).await;
    sandbox.go_down().await;
    after_secs(1).await;
    let health = chat.handle.health();
    assert!(
        health.is_live() && !health.is_ready() && health.is_behind,
        "{health:?}"
    );
    for _ in 0..3 {
        sandbox.user("ann").say("general", "!ping").await;
    }
    after_secs(20).await;

    sandbox.slow_rest(seconds(10));
    sandbox.come_back().await;
    let mut state = chat.handle.watch_state();
    state
        .wait_for(|state| *state == ConnectionState::Ready)
        .await
        .unwrap();
    let health = chat.handle.health();
    assert!(health.is_behind && !health.is_ready(), "{health:?}");
    assert_eq!((health.reconnects, health.caught_up), (1, 0));

    sandbox.slow_rest(Duration::ZERO);
    after_secs(60).await;
    let health = chat.handle.health();
    assert!(!health.is_behind && health.is_ready(), "{health:?}");
    assert_eq!((health.last_caught_up, health.last_skipped), (3, 0));
    // What is late by more than a minute has a quote before it.
    let said = chat.said("general");
    assert!(
        said.len() == 3 && said.iter().all(|text| text.ends_with("pong")),
        "{said:?}"
    );
    let gap = health.last_gap.unwrap();
    assert!(gap >= seconds(21) && gap < seconds(100), "{gap:?}");

    // Half an hour is more than is answered.
    sandbox.go_down().await;
    sandbox.user("ann").say("general", "!ping").await;
    after_secs(1800).await;
    sandbox.user("ann").say("general", "!ping").await;
    sandbox.user("ann").say("general", "!ping").await;
    sandbox.come_back().await;
    after_secs(120).await;
    let health = chat.handle.health();
    assert_eq!((health.last_caught_up, health.last_skipped), (2, 1), "{health:?}");
    assert_eq!((health.caught_up, health.skipped, health.reconnects), (5, 1, 2));
    assert!(health.last_gap.unwrap() >= seconds(1800), "{health:?}");
}

#[tokio::test(start_paused = true)]
async fn while_nothing_can_be_fetched_it_is_behind() {
    let sandbox = people().start_in_memory();
    let chat = Chat::on(&sandbox, app!(ping())).await;
    sandbox.go_down().await;
    sandbox.fail_next_calls("subscriptions.get", 40, RestFault::Proxy(502));
    sandbox.come_back().await;
    after_secs(30).await;
    assert_eq!(chat.handle.state(), ConnectionState::Ready);
    assert!(!chat.handle.health().is_ready());
    after_secs(600).await;
    assert!(chat.handle.health().is_ready(), "{:?}", chat.handle.health());
}

#[tokio::test(start_paused = true)]
async fn silence_is_seen_before_the_connection_is_given_up() {
    let sandbox = people().start_in_memory();
    let chat = Chat::on(&sandbox, app!(ping())).await;
    sandbox.silence(true);
    after_secs(45).await;
    let health = chat.handle.health();
    assert_eq!(health.state, ConnectionState::Ready);
    assert!(health.last_frame.unwrap() >= seconds(44), "{health:?}");
    assert!(health.is_live());
    after_secs(20).await;
    assert_ne!(chat.handle.state(), ConnectionState::Ready);
    assert!(chat.handle.health().is_live());
}

#[tokio::test(start_paused = true)]
async fn what_runs_and_what_waits_is_counted() {
    let sandbox = people().channel("dev").start_in_memory();
    let router = Router::new().command("slow", async || {
        after_secs(3).await;
        "done"
    });
    let chat = Chat::on(&sandbox, app!(router)).await;
    for _ in 0..4 {
        sandbox.user("ann").say("general", "!slow").await;
    }
    sandbox.user("ann").say("dev", "!slow").await;
    after_secs(1).await;
    let health = chat.handle.health();
    assert_eq!((health.lanes, health.waiting, health.running), (2, 3, 2));
    assert_eq!(health.stalled, None);
    after_secs(30).await;
    let health = chat.handle.health();
    assert_eq!((health.lanes, health.waiting, health.running), (0, 0, 0));
    assert_eq!(health.counters.delivered, 5);
}

#[tokio::test(start_paused = true)]
async fn handlers_that_all_hang_are_not_live() {
    let sandbox = people().channel("dev").start_in_memory();
    let router = Router::new()
        .command("hang", async || pending::<()>().await)
        .command("ping", async || "pong");
    let configure = |bot: rocketbotte::BotBuilder| bot.max_running(1).route_timeout(None);
    let chat = Chat::of(&sandbox, "rocketbotte", configure, app!(router)).await;
    sandbox.user("ann").say("general", "!hang").await;
    after_secs(3600).await;
    // Nothing waits for it.
    assert!(chat.handle.health().is_live());
    assert_eq!(chat.handle.health().stalled, None);

    sandbox.user("ann").say("dev", "!ping").await;
    after_secs(1190).await;
    let health = chat.handle.health();
    assert!(
        health.is_live() && health.stalled.unwrap() > seconds(1170),
        "{health:?}"
    );
    let (log, _guard) = Log::start(tracing::Level::ERROR);
    after_secs(60).await;
    assert!(!chat.handle.health().is_live());
    after_secs(300).await;
    assert_eq!(log.text().matches("the bot hangs").count(), 1, "{}", log.text());
}

/// The handler keeps the thread for 40 seconds of the paused time.
#[tokio::test(start_paused = true)]
async fn a_handler_that_blocks_the_loop_is_seen() {
    let sandbox = people().start_in_memory();
    let (handles, mut to_handler) = mpsc::channel::<BotHandle>(1);
    let (seen, mut has_seen) = mpsc::unbounded_channel();
    let bot = bot_in(&sandbox, "rocketbotte").build().unwrap();
    let handle = bot.handle();
    handles.send(handle.clone()).await.unwrap();
    let handle_inside = to_handler.recv().await.unwrap();
    let router = Router::new().command("block", async move || {
        // Done by the first poll, before anything else can run.
        let _ = tokio::time::advance(Duration::from_secs(40)).now_or_never();
        seen.send(handle_inside.health()).unwrap();
    });
    let _serving = tokio::spawn(bot.serve(app!(router)));
    after_secs(1).await;
    sandbox.user("ann").say("general", "!block").await;
    let health = has_seen.recv().await.unwrap();
    assert!(health.last_turn.unwrap() >= seconds(40), "{health:?}");
    assert!(!health.is_live());
    after_secs(1).await;
    assert!(handle.health().is_live(), "{:?}", handle.health());
}

#[tokio::test(start_paused = true)]
async fn a_bot_that_goes_on_where_another_ended_is_ready_when_it_has_caught_up() {
    let sandbox = people().start_in_memory();
    let journal = MemoryJournal::new();
    let first = journal.clone();
    let chat = Chat::of(&sandbox, "rocketbotte", |bot| bot.journal(first), app!(ping())).await;
    assert_eq!(chat.ask("!ping").await, ["pong"]);
    chat.handle.shutdown();
    chat.serving.await.unwrap().unwrap();
    sandbox.user("ann").say("general", "!ping").await;
    after_secs(30).await;

    sandbox.fail_next("chat.syncMessages", RestFault::Slow(seconds(20)));
    let bot = bot_in(&sandbox, "rocketbotte").journal(journal).build().unwrap();
    let handle = bot.handle();
    let _serving = tokio::spawn(bot.serve(app!(ping())));
    after_secs(5).await;
    let health = handle.health();
    assert_eq!(health.state, ConnectionState::Ready);
    assert!(health.is_behind && !health.is_ready(), "{health:?}");
    after_secs(60).await;
    let health = handle.health();
    assert!(health.is_ready() && health.last_caught_up >= 1, "{health:?}");
    assert_eq!(
        (health.journal, health.reconnects, health.last_gap),
        (JournalState::Kept, 0, None)
    );
}

/// Of any stream of events: there are no frames, and nothing to catch up.
#[tokio::test(start_paused = true)]
async fn a_bot_without_a_server_has_health_too() {
    let bot = support::drive(app!(ping()));
    bot.say("!ping");
    after_secs(60).await;
    let health = bot.handle.health();
    assert!(health.is_live() && health.is_ready(), "{health:?}");
    assert_eq!((health.counters.received, health.counters.delivered), (2, 1));
    assert_eq!((health.last_frame, health.server_version.clone()), (None, None));
    assert!(health.last_turn.unwrap() <= seconds(5), "{health:?}");
    let handle = bot.handle.clone();
    bot.shut_down().await;
    assert!(!handle.health().is_live());
}

/// A journal that can not be written for the time being.
struct FullDisk(Arc<AtomicBool>);

impl Journal for FullDisk {
    fn load(&self) -> Result<Vec<(Vec<u8>, Vec<u8>)>, JournalError> {
        Ok(Vec::new())
    }

    fn write(&self, _changes: Vec<Change>) {}

    fn flush(&self) -> BoxFuture<'static, Result<(), JournalError>> {
        Box::pin(std::future::ready(Ok(())))
    }

    fn failing_for(&self) -> Option<Duration> {
        self.0.load(Ordering::Relaxed).then_some(seconds(7))
    }
}

#[tokio::test(start_paused = true)]
async fn a_journal_that_can_not_be_written_is_told() {
    let chat = Chat::with(app!(ping())).await;
    assert_eq!(chat.handle.health().journal, JournalState::None);

    let is_full = Arc::new(AtomicBool::new(true));
    let sandbox = people().start_in_memory();
    let journal = FullDisk(Arc::clone(&is_full));
    let chat = Chat::of(&sandbox, "rocketbotte", |bot| bot.journal(journal), app!(ping())).await;
    let health = chat.handle.health();
    assert_eq!(health.journal, JournalState::Failing(seconds(7)));
    // It answers all the same.
    assert!(health.is_live() && health.is_ready());
    is_full.store(false, Ordering::Relaxed);
    assert_eq!(chat.handle.health().journal, JournalState::Kept);
}

#[tokio::test(start_paused = true)]
async fn actions_that_could_not_be_sent_are_counted() {
    let sandbox = people().start_in_memory();
    let chat = Chat::of(
        &sandbox,
        "rocketbotte",
        |bot| bot.journal(MemoryJournal::new()),
        app!(ping()),
    )
    .await;
    sandbox.user("ann").say("general", "!ping").await;
    sandbox.fail_next_calls("chat.sendMessage", 1000, RestFault::Proxy(502));
    after_secs(660).await;
    let health = chat.handle.health();
    assert_eq!(
        (health.kept_actions, health.counters.delivered),
        (1, 0),
        "{health:?}"
    );
    sandbox.clear_faults();
    sandbox.drop_connections();
    after_secs(120).await;
    let health = chat.handle.health();
    assert_eq!(
        (health.kept_actions, health.counters.delivered),
        (0, 1),
        "{health:?}"
    );
}

/// A server with limits, and a bot whose account they hold for.
fn limited() -> Sandbox {
    Sandbox::builder()
        .user("ann")
        .user_with(UserSpec::new("rocketbotte").roles(["user"]))
        .rate_limits(true)
        .version("8.7.2")
        .start_in_memory()
}

#[tokio::test(start_paused = true)]
async fn calls_that_wait_for_a_limit_are_counted() {
    let sandbox = limited();
    let chat = Chat::on(&sandbox, app!(ping())).await;
    for _ in 0..14 {
        sandbox.user("ann").say("general", "!ping").await;
        after(Duration::from_millis(10)).await;
    }
    after_secs(5).await;
    let health = chat.handle.health();
    assert!(health.waiting_for_limits > 0, "{health:?}");
    after_secs(180).await;
    assert_eq!(chat.handle.health().waiting_for_limits, 0);
    assert_eq!(chat.said("general").len(), 14);
}

#[tokio::test(start_paused = true)]
async fn the_version_is_asked_for_again_after_a_reconnect() {
    let sandbox = limited();
    let (log, _guard) = Log::start(tracing::Level::INFO);
    let chat = Chat::on(&sandbox, app!(ping())).await;
    let version = || chat.handle.health().server_version.unwrap();
    assert_eq!(&*version(), "8.7");
    assert_eq!(
        log.text().matches("10 messages a minute").count(),
        1,
        "{}",
        log.text()
    );

    sandbox.go_down().await;
    sandbox.come_back().await;
    after_secs(60).await;
    assert_eq!(&*version(), "8.7");
    assert!(!log.text().contains("another version"), "{}", log.text());

    sandbox.go_down().await;
    sandbox.set_version("8.8.0");
    sandbox.come_back().await;
    after_secs(60).await;
    assert_eq!(&*version(), "8.8");
    let text = log.text();
    let told = "the server has another version than before version=\"8.8\" before=\"8.7\"";
    assert_eq!(text.matches(told).count(), 1, "{text}");
    assert_eq!(text.matches("5 messages a second").count(), 1, "{text}");
    assert_eq!(chat.ask("!ping").await, ["pong"]);
}

#[tokio::test(start_paused = true)]
async fn a_version_that_is_not_told_at_first_is_told_later() {
    let sandbox = people().start_in_memory();
    sandbox.fail_next("info", RestFault::Status(404));
    sandbox.fail_next("info", RestFault::Proxy(502));
    let chat = Chat::on(&sandbox, app!(ping())).await;
    after_secs(60).await;
    assert_eq!(chat.handle.health().server_version.as_deref(), Some("8.0"));
}

#[tokio::test(start_paused = true)]
async fn every_minute_the_log_says_how_it_is() {
    let (log, _guard) = Log::start(tracing::Level::DEBUG);
    let chat = Chat::with(app!(ping())).await;
    after_secs(600).await;
    let text = log.text();
    let lines: Vec<_> = text
        .lines()
        .filter(|line| line.contains(" health state=READY "))
        .collect();
    assert_eq!(lines.len(), 10, "{text}");
    for field in [
        "last_frame=",
        "reconnects=0",
        "is_behind=false",
        "caught_up=0",
        "skipped=0",
        "lanes=0",
        "waiting=0",
        "running=0",
        "waiting_for_limits=0",
        "received=",
        "delivered=0",
        "undelivered=0",
        "server=\"8.0\"",
    ] {
        assert!(lines[0].contains(field), "{field}: {}", lines[0]);
    }
    assert!(text.contains("connection state=READY"), "{text}");
    drop(chat);
}
