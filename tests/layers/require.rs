//! Who may do what, where.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::BoxFuture;
use rocketbotte::command::CommandLayer;
use rocketbotte::event::{Event, Room, RoomKind, UserId};
use rocketbotte::layer::handle_error::HandleErrorLayer;
use rocketbotte::layer::require::{RequireLayer, Roles, RoomRoles};
use rocketbotte::testing::{self, events};
use rocketbotte::{BoxError, Rejection, Request, Response, Router};
use tower::{Layer, Service, ServiceBuilder};

const NO: &str = "You are not allowed to do this here.";

async fn done() -> &'static str {
    "done"
}

async fn heard() -> &'static str {
    "heard"
}

fn router() -> Router {
    Router::new().command("do", done).on_message(heard)
}

async fn say<S>(app: S, event: Event) -> Vec<String>
where
    S: Service<Request, Response = Response, Error: Into<BoxError>>,
{
    let mut app = ServiceBuilder::new()
        .layer(HandleErrorLayer::new())
        .layer(CommandLayer::new("!"))
        .service(app);
    let response = testing::call(&mut app, event).await.unwrap();
    response.texts().map(str::to_owned).collect()
}

fn of_bob(text: &str) -> Event {
    events::message_of(events::bob(), events::general(), text)
}

#[tokio::test]
async fn around_a_router_commands_are_refused_and_listeners_run() {
    let mut app = RequireLayer::users(["uAnn"]).layer(router());
    assert_eq!(say(&mut app, events::message("!do")).await, ["done", "heard"]);
    assert_eq!(say(&mut app, of_bob("!do")).await, ["heard", NO]);
    assert_eq!(say(&mut app, of_bob("!other")).await, ["heard"], "of another bot");
    assert_eq!(say(&mut app, of_bob("hi")).await, ["heard"]);
}

#[tokio::test]
async fn around_routes_everything_is_refused() {
    let router = router()
        .route_layer(RequireLayer::users(["uAnn"]).message("Ask Ann."))
        .command("free", done);
    assert_eq!(
        say(router.clone(), events::message("!do")).await,
        ["done", "heard"]
    );
    assert_eq!(say(router.clone(), of_bob("!do")).await, ["Ask Ann."]);
    assert!(say(router.clone(), of_bob("hi")).await.is_empty());
    assert_eq!(say(router, of_bob("!free")).await, ["done"]);
}

#[tokio::test]
async fn around_a_group_its_commands_are_refused() {
    let group = Router::new()
        .command("do", done)
        .layer(RequireLayer::users(["uAnn"]));
    let router: Router = Router::new().nest("admin", group);
    assert_eq!(say(router.clone(), events::message("!admin do")).await, ["done"]);
    assert_eq!(say(router, of_bob("!admin do")).await, [NO]);
}

#[tokio::test]
async fn conditions_on_the_room() {
    let direct = RequireLayer::direct().layer(router());
    assert_eq!(
        say(direct.clone(), events::direct_message("do")).await,
        ["done", "heard"]
    );
    assert_eq!(say(direct, events::message("!do")).await, ["heard", NO]);

    let channel = RequireLayer::room_kind(RoomKind::Channel).layer(router());
    assert_eq!(
        say(channel.clone(), events::message("!do")).await,
        ["done", "heard"]
    );
    assert_eq!(say(channel, events::direct_message("do")).await, ["heard", NO]);
}

#[tokio::test]
async fn a_service_without_a_router_is_refused_early() {
    let service = tower::service_fn(async |_: Request| Ok::<_, BoxError>(Response::empty()));
    let app = RequireLayer::when(|_| false).reject_early().layer(service);
    let error = testing::call(app, events::message("hi")).await.unwrap_err();
    assert_eq!(Rejection::find(&error).unwrap().text(), NO);
}

#[tokio::test(start_paused = true)]
async fn an_async_condition_is_waited_for() {
    let layer = RequireLayer::check(async |request: Request| {
        tokio::time::sleep(Duration::from_secs(1)).await;
        request.author().is_some_and(|author| author.username() == "ann")
    });
    let around = layer.clone().layer(router());
    assert_eq!(
        say(around.clone(), events::message("!do")).await,
        ["done", "heard"]
    );
    assert_eq!(say(around.clone(), of_bob("!do")).await, ["heard", NO]);
    let inside = router().route_layer(layer.clone());
    assert_eq!(say(inside, of_bob("!do")).await, [NO]);

    let wrong_order = ServiceBuilder::new()
        .layer(layer)
        .layer(CommandLayer::new("!"))
        .service(router());
    let response = testing::call(wrong_order, events::message("!do")).await.unwrap();
    assert_eq!(response.texts().collect::<Vec<_>>(), ["heard"], "it fails closed");
}

/// `ann` owns every room.
#[derive(Clone, Default)]
struct AnnOwnsAll {
    asked: Arc<AtomicUsize>,
    fails: bool,
}

impl RoomRoles for AnnOwnsAll {
    fn roles(&self, _room: &Room) -> BoxFuture<'static, Result<Roles, BoxError>> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let fails = self.fails;
        Box::pin(async move {
            tokio::time::sleep(Duration::from_millis(100)).await;
            if fails {
                return Err("no permission".into());
            }
            Ok(HashMap::from([(UserId::from("uAnn"), vec!["owner".to_owned()])]))
        })
    }
}

#[tokio::test(start_paused = true)]
async fn room_roles_are_asked_for_once_a_minute() {
    let source = AnnOwnsAll::default();
    let layer = RequireLayer::room_roles(["moderator", "owner"]).looked_up_by(source.clone());
    let app = layer.layer(router());
    for _ in 0..3 {
        assert_eq!(say(app.clone(), events::message("!do")).await, ["done", "heard"]);
        assert_eq!(say(app.clone(), of_bob("!do")).await, ["heard", NO]);
        assert_eq!(say(app.clone(), of_bob("hi")).await, ["heard"]);
    }
    assert_eq!(source.asked.load(Ordering::Relaxed), 1);
    tokio::time::advance(Duration::from_secs(60)).await;
    say(app, events::message("!do")).await;
    assert_eq!(source.asked.load(Ordering::Relaxed), 2);
}

#[tokio::test(start_paused = true)]
async fn nobody_is_let_through_while_roles_are_unknown() {
    let source = AnnOwnsAll {
        fails: true,
        ..AnnOwnsAll::default()
    };
    let app = RequireLayer::room_roles(["owner"])
        .looked_up_by(source.clone())
        .layer(router());
    for _ in 0..3 {
        assert_eq!(say(app.clone(), events::message("!do")).await, ["heard", NO]);
    }
    assert_eq!(
        source.asked.load(Ordering::Relaxed),
        1,
        "a failure is not asked again at once"
    );

    let unconnected = RequireLayer::room_roles(["owner"]).layer(router());
    assert_eq!(say(unconnected, events::message("!do")).await, ["heard", NO]);
    let direct = RequireLayer::room_roles(["owner"])
        .looked_up_by(AnnOwnsAll::default())
        .layer(router());
    assert_eq!(say(direct, events::direct_message("do")).await, ["heard", NO]);
}
