//! What is in the log, and what is not.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use rocketbotte::command::CommandLayer;
use rocketbotte::event::Event;
use rocketbotte::extract::Args;
use rocketbotte::layer::handle_error::HandleErrorLayer;
use rocketbotte::layer::trace::{DefaultMakeSpan, Failure, TraceLayer};
use rocketbotte::testing::{self, TestBot, events};
use rocketbotte::{BoxError, Request, Response, Router, Secret};
use tower::{Service, ServiceBuilder};
use tracing::{Level, Span};

use crate::log::Log;

/// The log of a service that runs on an event.
async fn log_of<S>(level: Level, app: S, event: Event) -> String
where
    S: Service<Request, Response = Response, Error: Into<BoxError>>,
{
    let (log, _guard) = Log::start(level);
    let _ = testing::call(app, event).await;
    log.text()
}

async fn secret_work() -> &'static str {
    tracing::info!("working");
    "done"
}

async fn fails() -> Result<(), BoxError> {
    Err("disk full".into())
}

fn router() -> Router {
    Router::new().command("work", secret_work).command("fail", fails)
}

fn stack(
    router: Router,
) -> impl Service<Request, Response = Response, Error: Into<BoxError>, Future: Send> + Send + 'static {
    ServiceBuilder::new()
        .layer(TraceLayer::new())
        .layer(CommandLayer::new("!"))
        .service(router)
}

fn message(text: &str) -> Event {
    events::build(text).id("m1").thread("t1").build().into()
}

#[tokio::test]
async fn a_span_has_the_ids_the_command_and_the_outcome() {
    let log = log_of(Level::DEBUG, stack(router()), message("!work hunter2")).await;
    for field in [
        "event=\"message\"",
        "key=m1",
        "message_id=m1",
        "room_id=GENERAL",
        "thread_id=t1",
        "user_id=uAnn",
        "arrival=live",
        "command=\"work\"",
        "outcome=\"handled\"",
        "latency_ms=",
    ] {
        assert!(log.contains(field), "{field} is missing in {log}");
    }
    let inside = log.lines().find(|line| line.contains("working")).unwrap();
    assert!(
        inside.contains("room_id=GENERAL") && inside.contains("command=\"work\""),
        "{inside}"
    );
}

#[tokio::test]
async fn what_people_write_is_logged_at_trace_only() {
    for text in ["!work hunter2", "!hunter2", "hunter2", "!fail hunter2"] {
        let log = log_of(Level::DEBUG, stack(router()), message(text)).await;
        assert!(!log.is_empty() && !log.contains("hunter2"), "{log}");
        let log = log_of(Level::TRACE, stack(router()), message(text)).await;
        assert!(log.contains("hunter2"), "{log}");
    }
    let direct = log_of(Level::DEBUG, stack(router()), events::direct_message("hunter2")).await;
    assert!(!direct.contains("hunter2"), "{direct}");
}

#[tokio::test]
async fn a_secret_among_the_arguments_is_not_logged_at_all() {
    async fn login(Args((user, secret)): Args<(String, Secret)>) -> String {
        format!("{user}, {}", secret.expose().len())
    }
    let router = Router::new()
        .command("login", login)
        .nest("account", Router::new().command("login", login));
    let bot = TestBot::new(stack(router));
    // As `Ready` does in a bot that is connected: the stack makes itself known with its first event.
    bot.ask(events::said("hello")).await.is_silent();
    for text in [
        "!login ann hunter2",
        "!account login ann hunter2",
        "@rocketbotte LOGIN ann hunter2",
    ] {
        let (log, _guard) = Log::start(Level::TRACE);
        bot.ask(events::said(text)).await.says(["ann, 7"]);
        let log = log.text();
        assert!(log.contains("not shown") && !log.contains("hunter2"), "{log}");
    }
    for (text, said) in [
        ("!login hunter2 hunter2 hunter2", "There are too many"),
        ("!login hunter2", "is missing"),
    ] {
        let (log, _guard) = Log::start(Level::TRACE);
        let answer = bot.ask(events::said(text)).await;
        let texts = answer.texts().join("\n");
        assert!(texts.contains(said) && !texts.contains("hunter2"), "{texts}");
        assert!(!log.text().contains("hunter2"), "{}", log.text());
    }
}

#[tokio::test]
async fn what_became_of_it_is_one_word() {
    for (text, outcome) in [
        ("!other", "unknown command"),
        ("hi", "ignored"),
        ("!work", "handled"),
    ] {
        let log = log_of(Level::INFO, stack(router()), message(text)).await;
        assert!(log.contains(&format!("outcome=\"{outcome}\"")), "{text}: {log}");
    }
}

#[tokio::test]
async fn routes_that_failed_are_reported() {
    let log = log_of(Level::INFO, stack(router()), message("!fail")).await;
    assert!(
        log.contains("WARN") && log.contains("disk full") && log.contains("route=\"fail\""),
        "{log}"
    );
    assert!(log.contains("outcome=\"failed\""), "{log}");

    let answered = ServiceBuilder::new()
        .layer(TraceLayer::new())
        .layer(HandleErrorLayer::new())
        .layer(CommandLayer::new("!"))
        .service(router());
    let log = log_of(Level::INFO, answered, message("!fail")).await;
    assert!(log.contains("ERROR") && log.contains("reference="), "{log}");
    assert!(!log.contains("WARN"), "logged once: {log}");
}

#[tokio::test(start_paused = true)]
async fn routes_that_take_longer_stay_in_the_span() {
    let slow = async || {
        tokio::time::sleep(Duration::from_secs(60)).await;
        tracing::info!("late");
        fails().await
    };
    let router = Router::new()
        .command("slow", slow)
        .on_message(async || "heard")
        .hold(Duration::from_secs(1));
    let log = log_of(Level::INFO, stack(router), message("!slow")).await;
    let late = log.lines().find(|line| line.contains("late")).unwrap();
    assert!(late.contains("room_id=GENERAL"), "{log}");
    assert!(log.contains("disk full"), "{log}");
}

#[tokio::test(start_paused = true)]
async fn what_is_cancelled_is_said_so() {
    let hanging = router().command("hang", std::future::pending::<()>);
    let app = ServiceBuilder::new()
        .timeout(Duration::from_secs(1))
        .service(stack(hanging));
    let log = log_of(Level::INFO, app, message("!hang")).await;
    assert!(log.contains("outcome=\"cancelled\""), "{log}");
}

#[tokio::test]
async fn each_step_can_be_replaced() {
    let steps = Arc::new(Mutex::new(Vec::new()));
    let push = |step: &'static str| {
        let steps = Arc::clone(&steps);
        move || steps.lock().unwrap().push(step)
    };
    let (made, asked, answered, failed) = (push("made"), push("asked"), push("answered"), push("failed"));
    let trace = TraceLayer::new()
        .make_span_with(move |_: &Request| {
            made();
            Span::none()
        })
        .on_request(move |_: &Request, _: &Span| asked())
        .on_response(move |_: &Response, _: Duration, _: &Span| answered())
        .on_failure(move |failure: &Failure<'_>, _: Duration, _: &Span| {
            assert_eq!(failure.name(), "failed");
            failed();
        });
    let app = ServiceBuilder::new()
        .layer(trace)
        .layer(CommandLayer::new("!"))
        .service(router());
    testing::call(app, message("!fail")).await.unwrap();
    assert_eq!(*steps.lock().unwrap(), ["made", "asked", "answered", "failed"]);

    let quiet = ServiceBuilder::new()
        .layer(
            TraceLayer::new()
                .make_span_with(DefaultMakeSpan::new().level(Level::TRACE))
                .on_request(())
                .on_response(())
                .on_failure(()),
        )
        .layer(CommandLayer::new("!"))
        .service(router());
    assert_eq!(log_of(Level::DEBUG, quiet, message("!fail")).await, "");
}
