//! What people read when something fails, and what they don't.

use std::time::Duration;

use rocketbotte::command::CommandLayer;
use rocketbotte::event::Event;
use rocketbotte::handler::route;
use rocketbotte::layer::catch_panic::CatchPanicLayer;
use rocketbotte::layer::handle_error::HandleErrorLayer;
use rocketbotte::layer::timeout::TimeoutLayer;
use rocketbotte::response::{Outcome, RouteKind, Send};
use rocketbotte::testing::{self, events};
use rocketbotte::{BoxError, Rejection, Request, Response, Router};
use tower::{Service, ServiceBuilder};

async fn fails() -> Result<(), BoxError> {
    Err("disk full".into())
}

async fn panics() {
    panic!("boom");
}

async fn refuses() -> Rejection {
    Rejection::new("Not on Fridays.")
}

async fn refuses_silently() -> Rejection {
    Rejection::new("Not on Fridays.").silent()
}

async fn hangs() {
    std::future::pending::<()>().await;
}

fn router() -> Router {
    Router::new()
        .command("fail", fails)
        .command("panic", panics)
        .command("refuse", refuses)
        .command("silent", refuses_silently)
        .command("hang", route(hangs).timeout(Duration::from_secs(5)))
}

async fn say<S>(app: S, event: Event) -> Vec<String>
where
    S: Service<Request, Response = Response, Error: Into<BoxError>>,
{
    let response = testing::call(app, event).await.unwrap();
    assert!(
        response
            .outcomes()
            .all(|outcome| outcome.is_answered() || matches!(outcome.outcome(), Outcome::Handled)),
        "nothing is left for a layer outside"
    );
    response.texts().map(str::to_owned).collect()
}

fn is_reference(text: &str) -> bool {
    text.strip_prefix("Something went wrong (ref ")
        .and_then(|rest| rest.strip_suffix(")."))
        .is_some_and(|hex| hex.len() == 4 && hex.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

#[tokio::test(start_paused = true)]
async fn a_command_that_fails_says_a_reference_and_no_cause() {
    let mut app = ServiceBuilder::new()
        .layer(HandleErrorLayer::new())
        .layer(CommandLayer::new("!"))
        .service(router());
    for text in ["!fail", "!panic", "!hang"] {
        let said = say(&mut app, events::message(text)).await;
        assert!(said.len() == 1 && is_reference(&said[0]), "{text}: {said:?}");
    }
    assert_eq!(
        say(&mut app, events::message("!refuse")).await,
        ["Not on Fridays."]
    );
    assert!(say(&mut app, events::message("!silent")).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_listener_that_fails_says_nothing() {
    let router = Router::new()
        .on_message(fails)
        .on_message(panics)
        .on_message(refuses)
        .command("ping", async || "pong");
    let mut app = ServiceBuilder::new()
        .layer(HandleErrorLayer::new())
        .layer(CommandLayer::new("!"))
        .service(router);
    assert!(say(&mut app, events::message("hi")).await.is_empty());
    assert_eq!(say(&mut app, events::message("!ping")).await, ["pong"]);
}

#[tokio::test(start_paused = true)]
async fn a_route_that_fails_after_the_hold_time_is_answered_too() {
    async fn fails_late() -> Result<(), BoxError> {
        tokio::time::sleep(Duration::from_secs(60)).await;
        fails().await
    }
    let router = Router::new()
        .command("late", fails_late)
        .on_message(async || "heard")
        .hold(Duration::from_secs(1));
    let mut app = ServiceBuilder::new()
        .layer(HandleErrorLayer::new())
        .layer(CommandLayer::new("!"))
        .service(router);
    let said = say(&mut app, events::message("!late")).await;
    assert_eq!(said[0], "heard");
    assert!(is_reference(&said[1]), "{said:?}");
}

#[tokio::test(start_paused = true)]
async fn an_error_of_the_whole_stack_is_answered_to_commands_of_this_bot_only() {
    let mut app = ServiceBuilder::new()
        .layer(HandleErrorLayer::new())
        .layer(CommandLayer::new("!"))
        .map_result(|result: Result<Response, BoxError>| result.and(Err("disk full".into())))
        .service(router());
    let said = say(&mut app, events::message("!fail")).await;
    assert!(said.len() == 1 && is_reference(&said[0]), "{said:?}");
    assert!(say(&mut app, events::message("!other")).await.is_empty());
    assert!(say(&mut app, events::message("hi")).await.is_empty());
    assert!(
        say(&mut app, events::direct_message("good morning"))
            .await
            .is_empty()
    );
    assert_eq!(say(&mut app, events::direct_message("fail")).await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_service_without_a_router_is_answered_for() {
    let service = tower::service_fn(async |request: Request| match request.command() {
        Some(command) if command.name() == "panic" => panic!("boom"),
        Some(command) if command.name() == "hang" => std::future::pending().await,
        Some(_) => Err(BoxError::from(Rejection::new("No."))),
        None => Err("only commands".into()),
    });
    let mut app = ServiceBuilder::new()
        .layer(HandleErrorLayer::new())
        .layer(CommandLayer::new("!"))
        .layer(TimeoutLayer::new(Duration::from_secs(5)))
        .layer(CatchPanicLayer::new())
        .service(service);
    assert!(is_reference(&say(&mut app, events::message("!panic")).await[0]));
    assert!(is_reference(&say(&mut app, events::message("!hang")).await[0]));
    assert_eq!(say(&mut app, events::message("!x")).await, ["No."]);
    assert!(say(&mut app, events::message("x")).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn who_is_shed_reads_that_the_bot_is_busy() {
    let mut app = ServiceBuilder::new()
        .layer(HandleErrorLayer::new())
        .layer(CommandLayer::new("!"))
        .load_shed()
        .concurrency_limit(1)
        .service(router());
    let mut busy = app.clone();
    let first = testing::call(&mut busy, events::message("!hang"));
    let second = async {
        tokio::task::yield_now().await;
        say(&mut app, events::message("!fail")).await
    };
    let (_, second) = tokio::join!(first, second);
    assert_eq!(second, ["I'm busy right now, please try again in a moment."]);
}

#[tokio::test(start_paused = true)]
async fn the_words_can_be_replaced() {
    let layer = HandleErrorLayer::with(|failure| {
        assert_eq!(
            failure.reference().is_some(),
            failure.kind() == RouteKind::Command
        );
        match failure.outcome() {
            Outcome::Panicked(_) => None,
            _ => Some(Send::text(format!("{} failed", failure.route())).into()),
        }
    });
    let mut app = ServiceBuilder::new()
        .layer(layer)
        .layer(CommandLayer::new("!"))
        .service(router().on_message(fails));
    assert_eq!(say(&mut app, events::message("!fail")).await[0], "fail failed");
    assert_eq!(
        say(&mut app, events::message("!panic")).await.len(),
        1,
        "of the listener"
    );
}

#[tokio::test]
async fn a_broken_service_stays_broken() {
    let (service, handle) = tower_test::mock::pair::<Request, Response>();
    drop(handle);
    let mut app = ServiceBuilder::new()
        .layer(HandleErrorLayer::new())
        .service(service);
    assert!(testing::call(&mut app, events::message("hi")).await.is_err());
}
