//! Work that goes on behind its handler.
#![cfg(all(feature = "client", feature = "sandbox", feature = "test-util"))]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test ends by them")]

mod support;

use std::time::Duration;

use rocketbotte::command::CommandLayer;
use rocketbotte::dispatch::SpawnError;
use rocketbotte::extract::{Args, Outbox, Tasks};
use rocketbotte::{BoxError, Request, Response, Router};
use support::{Log, after, after_secs, drive};
use tower::{Layer as _, Service};

/// Starts a task that takes so many seconds, and then says so.
async fn begin(Args(seconds): Args<u64>, tasks: Tasks, outbox: Outbox) -> Result<&'static str, BoxError> {
    tasks.spawn("work", async move {
        after_secs(seconds).await;
        outbox.send(format!("{seconds} seconds are over")).await.unwrap();
    })?;
    Ok("It begins.")
}

async fn panics(tasks: Tasks) -> Result<(), SpawnError> {
    tasks.spawn("broken", async { panic!("it broke") })
}

/// Ends as soon as the bot stops.
async fn patient(tasks: Tasks, outbox: Outbox) -> Result<(), SpawnError> {
    let task = tasks.clone();
    tasks.spawn("patient", async move {
        assert!(!task.is_stopping());
        task.stopping().await;
        outbox.send("bye").await.unwrap();
    })
}

async fn many(tasks: Tasks) -> String {
    let task = || after(Duration::from_secs(1));
    let started = (0..3000).take_while(|_| tasks.spawn("one of many", task()).is_ok());
    format!("{} run", started.count())
}

fn app() -> impl Service<Request, Response = Response, Error: Into<BoxError>, Future: Send> + Send {
    let router = Router::new()
        .command("begin", begin)
        .command("panics", panics)
        .command("patient", patient)
        .command("many", many);
    CommandLayer::new("!").layer(router)
}

#[tokio::test(start_paused = true)]
async fn a_stop_waits_for_tasks_and_cuts_off_what_takes_too_long() {
    for (tasks, done, aborted, is_complete) in [
        (vec!["!begin 3"], 1, 0, true),
        (vec!["!begin 3", "!begin 7"], 2, 0, true),
        (vec!["!begin 3", "!begin 60"], 1, 1, false),
        (vec!["!patient"], 1, 0, true),
        (vec![], 0, 0, true),
    ] {
        let bot = drive(app());
        for task in &tasks {
            bot.say(task);
        }
        after(Duration::from_millis(10)).await;
        let sent = bot.sent.clone();
        let report = bot.shut_down().await;
        assert_eq!(
            (report.tasks_done, report.tasks_aborted, report.is_complete()),
            (done, aborted, is_complete),
            "{tasks:?}: {report}"
        );
        assert_eq!(report.aborted, 0, "their handlers have ended");
        assert_eq!(report.to_string().contains("tasks done"), !tasks.is_empty());
        let said = sent.texts();
        assert!(!said.contains(&"60 seconds are over".to_owned()));
        assert_eq!(
            said.contains(&"3 seconds are over".to_owned()),
            tasks.contains(&"!begin 3")
        );
        assert_eq!(said.contains(&"bye".to_owned()), tasks.contains(&"!patient"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_source_that_ends_is_waited_for_too() {
    let bot = drive(app());
    bot.say("!begin 60");
    after(Duration::from_millis(10)).await;
    let report = bot.end().await;
    assert_eq!((report.tasks_done, report.tasks_aborted), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_task_that_panics_is_logged_and_takes_nothing_with_it() {
    let (log, _guard) = Log::start(tracing::Level::ERROR);
    let bot = drive(app());
    bot.say("!panics");
    bot.say("!begin 1");
    after_secs(2).await;
    let text = log.text();
    assert!(text.contains("broken") && text.contains("it broke"), "{text}");
    assert!(bot.sent.texts().contains(&"1 seconds are over".to_owned()));
    assert_eq!(bot.shut_down().await.tasks_done, 2);
}

#[tokio::test(start_paused = true)]
async fn there_is_a_bound_and_what_ends_makes_room() {
    let bot = drive(app());
    for _ in 0..2 {
        bot.say("!many");
        after_secs(2).await;
    }
    assert_eq!(bot.sent.texts(), ["1024 run", "1024 run"]);
    assert_eq!(bot.shut_down().await.tasks_done, 2048);
}

#[tokio::test(start_paused = true)]
async fn who_stops_at_once_waits_for_nothing() {
    let bot = drive(app());
    bot.say("!begin 60");
    after(Duration::from_millis(10)).await;
    bot.handle.shutdown();
    let report = bot.shut_down().await;
    assert_eq!(report.tasks_aborted, 1);
}
