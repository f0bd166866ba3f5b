//! What is not to be heard.

use std::time::{Duration, SystemTime};

use rocketbotte::Router;
use rocketbotte::event::{Event, EventKind, Room, RoomKind, Timestamp};
use rocketbotte::handler::route;
use rocketbotte::layer::ignore::IgnoreLayer;
use rocketbotte::testing::{self, events};
use tower::Layer;

async fn heard() -> &'static str {
    "heard"
}

async fn hears(layer: &IgnoreLayer, event: Event) -> bool {
    let router: Router = Router::new().listen(|_| true, route(heard).from_bots());
    let response = testing::call(layer.layer(router), event).await.unwrap();
    !response.is_empty()
}

#[tokio::test]
async fn by_who_wrote_it() {
    let bots = IgnoreLayer::bots();
    assert!(!hears(&bots, events::bot_message("hi")).await);
    assert!(!hears(&bots, events::own_message("hi")).await);
    assert!(hears(&bots, events::message("hi")).await);

    let own = IgnoreLayer::own();
    assert!(hears(&own, events::bot_message("hi")).await);
    assert!(!hears(&own, events::own_message("hi")).await);

    let users = IgnoreLayer::users(["uBob"]);
    assert!(!hears(&users, events::message_of(events::bob(), events::general(), "hi")).await);
    assert!(hears(&users, events::message("hi")).await);
}

#[tokio::test]
async fn by_what_and_where_it_is() {
    assert!(!hears(&IgnoreLayer::system(), events::system("uj")).await);
    assert!(hears(&IgnoreLayer::system(), events::message("hi")).await);

    let rooms = IgnoreLayer::rooms(["GENERAL"]);
    assert!(!hears(&rooms, events::typing(true)).await);
    let elsewhere = Room::new("other", RoomKind::Channel);
    assert!(hears(&rooms, events::message_of(events::ann(), elsewhere, "hi")).await);

    let when = IgnoreLayer::when(|request| request.kind() == EventKind::Ready);
    assert!(!hears(&when, events::ready()).await);
    assert!(hears(&when, events::close()).await);
}

#[tokio::test]
async fn by_the_servers_time() {
    let now = Timestamp::from_system_time(SystemTime::now())
        .unwrap()
        .as_millis();
    let message = |seconds: i64| {
        let at = Timestamp::from_millis(now + 1000 * seconds);
        Event::from(events::build("hi").created_at(at).build())
    };
    let old = IgnoreLayer::older_than(Duration::from_secs(60));
    assert!(
        hears(&old, message(-1000)).await,
        "the first one seen is the newest"
    );
    assert!(hears(&old, message(0)).await);
    assert!(hears(&old, message(-60)).await);
    assert!(!hears(&old, message(-61)).await);
    assert!(hears(&old, events::ready()).await);
    assert!(hears(&old, message(1_000_000)).await);
    assert!(
        hears(&old, message(1)).await,
        "a clock that runs wild silences nothing"
    );
}
