//! What is seen twice is dropped once.

use std::time::Duration;

use rocketbotte::event::Event;
use rocketbotte::layer::dedup::DedupLayer;
use rocketbotte::testing::{self, events};
use rocketbotte::{Router, event::EventKind};
use tower::Layer;

async fn heard() -> &'static str {
    "heard"
}

fn router() -> Router {
    Router::new().on_message(heard).on(EventKind::Typing, heard)
}

fn message(id: &str) -> Event {
    events::build("hi").id(id).build().into()
}

async fn is_heard(app: &mut impl testing_service::App, event: Event) -> bool {
    app.hears(event).await
}

/// Services by reference, without naming their types.
mod testing_service {
    use super::*;
    use rocketbotte::{BoxError, Request, Response};

    pub(super) trait App {
        fn hears(&mut self, event: Event) -> impl Future<Output = bool>;
    }

    impl<S> App for S
    where
        S: tower::Service<Request, Response = Response>,
        S::Error: Into<BoxError>,
    {
        async fn hears(&mut self, event: Event) -> bool {
            testing::call(self, event)
                .await
                .is_ok_and(|response| !response.is_empty())
        }
    }
}

#[tokio::test]
async fn an_event_is_heard_once() {
    let mut app = DedupLayer::new(2).layer(router());
    assert!(is_heard(&mut app, message("a")).await);
    assert!(!is_heard(&mut app, message("a")).await);
    let mut clone = app.clone();
    assert!(
        !is_heard(&mut clone, message("a")).await,
        "clones share the memory"
    );
}

#[tokio::test]
async fn the_memory_is_bounded() {
    let mut app = DedupLayer::new(2).layer(router());
    for id in ["a", "b", "c"] {
        assert!(is_heard(&mut app, message(id)).await);
    }
    assert!(is_heard(&mut app, message("a")).await, "the oldest is forgotten");
    assert!(!is_heard(&mut app, message("c")).await);
}

#[tokio::test(start_paused = true)]
async fn an_event_is_forgotten_after_a_time() {
    let mut app = DedupLayer::new(10)
        .within(Duration::from_secs(60))
        .layer(router());
    assert!(is_heard(&mut app, message("a")).await);
    tokio::time::advance(Duration::from_secs(59)).await;
    assert!(!is_heard(&mut app, message("a")).await);
    tokio::time::advance(Duration::from_secs(1)).await;
    assert!(is_heard(&mut app, message("a")).await);
}

#[tokio::test]
async fn events_without_a_key_always_pass() {
    let mut app = DedupLayer::new(10).layer(router());
    assert!(is_heard(&mut app, events::typing(true)).await);
    assert!(is_heard(&mut app, events::typing(true)).await);
}
