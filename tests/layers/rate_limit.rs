//! Limits on commands.

use std::time::Duration;

use rocketbotte::command::CommandLayer;
use rocketbotte::event::{Event, Room, RoomKind};
use rocketbotte::layer::handle_error::HandleErrorLayer;
use rocketbotte::layer::rate_limit::RateLimitLayer;
use rocketbotte::testing::{self, events};
use rocketbotte::{BoxError, Rejection, RejectionKind, Request, Response, Router};
use tower::{Layer, Service, ServiceBuilder};

const TEN_SECONDS: Duration = Duration::from_secs(10);

async fn pong() -> &'static str {
    "pong"
}

async fn heard() -> &'static str {
    "heard"
}

fn stack(
    limit: RateLimitLayer,
    router: Router,
) -> impl Service<Request, Response = Response, Error: Into<BoxError>> + Clone {
    ServiceBuilder::new()
        .layer(HandleErrorLayer::new())
        .layer(CommandLayer::new("!"))
        .layer(limit)
        .service(router)
}

fn router() -> Router {
    Router::new()
        .command("ping", pong)
        .alias("p")
        .command("pong", pong)
}

async fn say<S>(app: &mut S, event: Event) -> Vec<String>
where
    S: Service<Request, Response = Response, Error: Into<BoxError>>,
{
    let response = testing::call(app, event).await.unwrap_or_default();
    response.texts().map(str::to_owned).collect()
}

fn ping() -> Event {
    events::message("!ping")
}

fn ping_of_bob() -> Event {
    events::message_of(events::bob(), events::general(), "!ping")
}

#[tokio::test(start_paused = true)]
async fn over_the_limit_one_reply_says_how_long_to_wait() {
    let limit = RateLimitLayer::per_user(2, TEN_SECONDS);
    let mut app = stack(limit.clone(), router());
    assert_eq!(say(&mut app, ping()).await, ["pong"]);
    assert_eq!(say(&mut app, ping()).await, ["pong"]);
    let refused = "Slow down, please: try again in 5 seconds.";
    assert_eq!(say(&mut app, ping()).await, [refused]);
    assert!(
        say(&mut app, ping()).await.is_empty(),
        "the second refusal is silent"
    );
    assert_eq!(limit.rejected(), 2);
    assert_eq!(
        say(&mut app, ping_of_bob()).await,
        ["pong"],
        "others have limits of their own"
    );

    tokio::time::advance(Duration::from_secs(5)).await;
    assert_eq!(
        say(&mut app, ping()).await,
        ["pong"],
        "the wait that was said suffices"
    );
    assert!(
        say(&mut app, ping()).await.is_empty(),
        "still in the window of the refusal"
    );
    tokio::time::advance(Duration::from_secs(10)).await;
    assert_eq!(say(&mut app, ping()).await, ["pong"]);
    assert_eq!(say(&mut app, ping()).await, ["pong"]);
    assert_eq!(say(&mut app, ping()).await.len(), 1, "a new window, a new reply");
}

#[tokio::test(start_paused = true)]
async fn chatter_is_not_counted_and_listeners_hear_what_is_refused() {
    let limit = RateLimitLayer::per_user(1, TEN_SECONDS);
    let mut app = stack(limit, router().on_message(heard));
    for _ in 0..10 {
        assert_eq!(say(&mut app, events::message("hi")).await, ["heard"]);
    }
    assert_eq!(say(&mut app, ping()).await, ["pong", "heard"]);
    say(&mut app, ping()).await;
    assert_eq!(say(&mut app, ping()).await, ["heard"]);
}

#[tokio::test(start_paused = true)]
async fn commands_of_other_bots_cost_nothing() {
    let limit = RateLimitLayer::per_user(1, TEN_SECONDS);
    let mut app = stack(limit.clone(), router());
    for _ in 0..10 {
        assert!(say(&mut app, events::message("!other")).await.is_empty());
    }
    assert_eq!(say(&mut app, ping()).await, ["pong"]);
    // Refused, but nobody answers for it, so that the reply is still owed.
    assert!(say(&mut app, events::message("!other")).await.is_empty());
    assert_eq!(limit.rejected(), 0);
    assert_eq!(
        say(&mut app, ping()).await,
        ["Slow down, please: try again in 10 seconds."]
    );
}

#[tokio::test(start_paused = true)]
async fn what_is_just_talk_with_the_bot_costs_nothing() {
    let limit = RateLimitLayer::per_user(1, TEN_SECONDS);
    let mut app = stack(limit, router().on_message(heard));
    for _ in 0..3 {
        assert_eq!(
            say(&mut app, events::direct_message("good morning")).await,
            ["heard"]
        );
    }
    assert_eq!(
        say(&mut app, events::direct_message("ping")).await,
        ["pong", "heard"]
    );
}

#[tokio::test(start_paused = true)]
async fn the_burst_is_apart_from_the_rate() {
    let mut app = stack(RateLimitLayer::per_user(10, TEN_SECONDS).burst(1), router());
    assert_eq!(say(&mut app, ping()).await, ["pong"]);
    assert_eq!(
        say(&mut app, ping()).await,
        ["Slow down, please: try again in 1 second."]
    );
    tokio::time::advance(Duration::from_secs(1)).await;
    assert_eq!(say(&mut app, ping()).await, ["pong"]);
}

#[tokio::test(start_paused = true)]
async fn a_limit_is_per_room_or_per_command_or_per_key() {
    let elsewhere = || events::message_of(events::ann(), Room::new("other", RoomKind::Channel), "!ping");

    let mut app = stack(RateLimitLayer::per_room(1, TEN_SECONDS), router());
    assert_eq!(say(&mut app, ping()).await, ["pong"]);
    assert_ne!(say(&mut app, ping_of_bob()).await, ["pong"]);
    assert_eq!(say(&mut app, elsewhere()).await, ["pong"]);

    let mut app = stack(RateLimitLayer::per_command(1, TEN_SECONDS), router());
    assert_eq!(say(&mut app, ping()).await, ["pong"]);
    assert_ne!(say(&mut app, events::message("!PING")).await, ["pong"]);
    assert_eq!(say(&mut app, events::message("!pong")).await, ["pong"]);

    let limit = RateLimitLayer::keyed_by(1, TEN_SECONDS, |request| {
        request.command()?;
        Some((request.author()?.id().clone(), request.room()?.id().clone()))
    });
    let mut app = stack(limit, router());
    assert_eq!(say(&mut app, ping()).await, ["pong"]);
    assert_ne!(say(&mut app, ping()).await, ["pong"]);
    assert_eq!(say(&mut app, ping_of_bob()).await, ["pong"]);
    assert_eq!(say(&mut app, elsewhere()).await, ["pong"]);
}

#[tokio::test(start_paused = true)]
async fn clones_of_a_layer_share_their_buckets() {
    let limit = RateLimitLayer::per_user(1, TEN_SECONDS);
    let router = Router::new()
        .command("ping", pong)
        .route_layer(limit.clone())
        .command("pong", pong)
        .on_message(heard)
        .route_layer(limit);
    let mut app = ServiceBuilder::new()
        .layer(HandleErrorLayer::new())
        .layer(CommandLayer::new("!"))
        .service(router);
    // The second layer is around `ping` too: together they take two tokens of it.
    assert_eq!(say(&mut app, events::message("!pong")).await, ["pong", "heard"]);
    assert_eq!(
        say(&mut app, ping()).await,
        ["heard", "Slow down, please: try again in 10 seconds."],
        "as a route's layer it answers by itself, and lets listeners alone"
    );
}

#[tokio::test(start_paused = true)]
async fn some_are_not_limited() {
    let limit = RateLimitLayer::per_user(1, TEN_SECONDS)
        .bypass(|request| request.author().is_some_and(|author| *author.id() == "uBob"));
    let mut app = stack(limit, router());
    for _ in 0..5 {
        assert_eq!(say(&mut app, ping_of_bob()).await, ["pong"]);
    }
    assert_eq!(say(&mut app, ping()).await, ["pong"]);
    assert_ne!(say(&mut app, ping()).await, ["pong"]);
}

#[tokio::test(start_paused = true)]
async fn a_service_without_a_router_is_refused_early() {
    let service = tower::service_fn(async |_: Request| Ok::<_, BoxError>(Response::empty()));
    let limit = RateLimitLayer::keyed_by(1, TEN_SECONDS, |request| Some(request.author()?.id().clone()));
    let mut app = limit.reject_early().layer(service);
    testing::call(&mut app, ping()).await.unwrap();
    let error = testing::call(&mut app, ping()).await.unwrap_err();
    let rejection = Rejection::find(&error).unwrap();
    assert_eq!(
        *rejection.kind(),
        RejectionKind::SlowDown {
            retry_after: TEN_SECONDS
        }
    );
    assert!(!rejection.is_silent());
    let error = testing::call(&mut app, ping()).await.unwrap_err();
    assert!(Rejection::find(&error).unwrap().is_silent());
    assert_eq!(app.rejected(), 2);
}

#[tokio::test(start_paused = true)]
async fn hints_are_answers_and_are_limited_too() {
    let limit = RateLimitLayer::per_user(1, TEN_SECONDS);
    let mut app = stack(limit.clone(), router());
    assert!(say(&mut app, events::message("@rocketbotte pnig")).await[0].contains("Did you mean"));
    let refused = ["Slow down, please: try again in 10 seconds."];
    assert_eq!(say(&mut app, events::message("@rocketbotte pnig")).await, refused);
    assert!(
        say(&mut app, events::message("@rocketbotte pnig"))
            .await
            .is_empty()
    );

    let router = router().unknown_command(async || "What?");
    let mut app = stack(RateLimitLayer::per_user(1, TEN_SECONDS), router);
    assert_eq!(say(&mut app, events::message("!x")).await, ["What?"]);
    assert_eq!(say(&mut app, events::message("!x")).await, refused);
}
