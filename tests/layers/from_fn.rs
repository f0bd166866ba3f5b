//! Layers from functions.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rocketbotte::extract::Extension;
use rocketbotte::layer::from_fn::{Next, from_fn, from_fn_with_state};
use rocketbotte::response::Action;
use rocketbotte::testing::{self, events};
use rocketbotte::{BoxError, Request, Response, Router};
use tower::ServiceBuilder;

async fn greeting(Extension(name): Extension<&'static str>) -> String {
    format!("hello {name}")
}

fn router() -> Router {
    Router::new().on_message(greeting)
}

async fn name(mut request: Request, next: Next) -> Result<Response, BoxError> {
    request.extensions_mut().insert("ann");
    next.run(request).await
}

#[tokio::test]
async fn it_changes_the_request_and_the_response() {
    let shout = from_fn(async |request: Request, next: Next| {
        let response = next.run(request).await?;
        let texts: Vec<String> = response.texts().map(str::to_uppercase).collect();
        Ok::<_, BoxError>(texts)
    });
    let app = ServiceBuilder::new()
        .layer(shout)
        .layer(from_fn(name))
        .service(router());
    let response = testing::call(app, events::message("hi")).await.unwrap();
    assert_eq!(response.texts().collect::<Vec<_>>(), ["HELLO ANN"]);
}

#[tokio::test]
async fn it_answers_by_itself() {
    let closed = from_fn(async |_: Request, _: Next| "closed");
    let app = ServiceBuilder::new().layer(closed).service(router());
    let response = testing::call(app, events::message("hi")).await.unwrap();
    assert_eq!(response.texts().collect::<Vec<_>>(), ["closed"]);
}

#[tokio::test]
async fn it_is_a_layer_of_a_router_and_of_a_route() {
    let router = router()
        .route_layer(from_fn(name))
        .layer(from_fn(async |request: Request, next: Next| {
            let mut response = next.run(request).await?;
            response.retain_actions(|action| matches!(action, Action::Send(_)));
            Ok::<_, BoxError>(response)
        }));
    let response = testing::call(router, events::message("hi")).await.unwrap();
    assert_eq!(response.texts().collect::<Vec<_>>(), ["hello ann"]);
}

#[tokio::test]
async fn it_gets_a_state() {
    async fn count(seen: Arc<AtomicUsize>, request: Request, next: Next) -> Result<Response, BoxError> {
        seen.fetch_add(1, Ordering::Relaxed);
        next.run(request).await
    }
    let seen = Arc::new(AtomicUsize::new(0));
    let mut app = ServiceBuilder::new()
        .layer(from_fn_with_state(Arc::clone(&seen), count))
        .layer(from_fn(name))
        .service(router());
    for _ in 0..2 {
        testing::call(&mut app, events::message("hi")).await.unwrap();
    }
    assert_eq!(seen.load(Ordering::Relaxed), 2);
}
