//! Every stock layer of `tower` that can apply works on the pipeline unchanged: around ours, and inside of them.

use std::future::ready;
use std::time::Duration;

use rocketbotte::command::CommandLayer;
use rocketbotte::layer::catch_panic::CatchPanicLayer;
use rocketbotte::layer::dedup::DedupLayer;
use rocketbotte::layer::from_fn::{Next, from_fn};
use rocketbotte::layer::handle_error::HandleErrorLayer;
use rocketbotte::layer::ignore::IgnoreLayer;
use rocketbotte::layer::rate_limit::RateLimitLayer;
use rocketbotte::layer::require::RequireLayer;
use rocketbotte::layer::timeout::TimeoutLayer;
use rocketbotte::layer::trace::TraceLayer;
use rocketbotte::testing::{self, events};
use rocketbotte::{BoxError, Request, Response, Router};
use tower::limit::ConcurrencyLimitLayer;
use tower::load_shed::LoadShedLayer;
use tower::spawn_ready::SpawnReadyLayer;
use tower::timeout::TimeoutLayer as StockTimeoutLayer;
use tower::util::{BoxCloneSyncService, BoxService};
use tower::{Service, ServiceBuilder, ServiceExt, service_fn};

const SECOND: Duration = Duration::from_secs(1);

async fn pong() -> &'static str {
    "pong"
}

fn router() -> Router {
    Router::new().command("ping", pong)
}

async fn assert_pongs<S>(app: S)
where
    S: Service<Request, Response = Response, Error: Into<BoxError>>,
{
    let response = testing::call(app, events::message("!ping")).await.unwrap();
    assert_eq!(response.texts().collect::<Vec<_>>(), ["pong"]);
}

/// A stock layer around ours, in the middle, and inside; a macro, since each stack is a type of its own.
macro_rules! works {
    ($name:ident, |$builder:ident| $layered:expr) => {
        #[tokio::test(start_paused = true)]
        async fn $name() {
            // Around.
            let $builder = ServiceBuilder::new();
            assert_pongs(
                $layered
                    .layer(TraceLayer::new())
                    .layer(HandleErrorLayer::new())
                    .layer(CatchPanicLayer::new())
                    .layer(DedupLayer::new(100))
                    .layer(IgnoreLayer::bots())
                    .layer(CommandLayer::new("!"))
                    .layer(RateLimitLayer::per_user(5, SECOND))
                    .layer(RequireLayer::users(["uAnn"]))
                    .layer(TimeoutLayer::new(SECOND))
                    .service(router()),
            )
            .await;
            // Inside.
            let $builder = ServiceBuilder::new()
                .layer(TraceLayer::new())
                .layer(HandleErrorLayer::new())
                .layer(CatchPanicLayer::new())
                .layer(DedupLayer::new(100))
                .layer(IgnoreLayer::bots())
                .layer(CommandLayer::new("!"))
                .layer(RateLimitLayer::per_user(5, SECOND))
                .layer(RequireLayer::users(["uAnn"]))
                .layer(TimeoutLayer::new(SECOND));
            assert_pongs($layered.service(router())).await;
            // In between.
            let $builder = ServiceBuilder::new()
                .layer(TraceLayer::new())
                .layer(HandleErrorLayer::new())
                .layer(CommandLayer::new("!"));
            assert_pongs(
                $layered
                    .layer(RateLimitLayer::per_user(5, SECOND))
                    .layer(TimeoutLayer::new(SECOND))
                    .service(router()),
            )
            .await;
        }
    };
}

works!(timeout, |builder| builder.timeout(SECOND));
works!(concurrency_limit, |builder| builder.concurrency_limit(1));
works!(load_shed, |builder| builder.load_shed());
works!(load_shed_over_concurrency_limit, |builder| builder
    .load_shed()
    .concurrency_limit(8));
works!(buffer, |builder| builder.buffer::<Request>(8));
works!(spawn_ready_under_buffer, |builder| builder
    .buffer::<Request>(8)
    .layer(SpawnReadyLayer::new()));
works!(filter, |builder| builder.filter(|request: Request| {
    if request.room().is_some() {
        Ok(request)
    } else {
        Err(BoxError::from("no room"))
    }
}));
works!(async_filter, |builder| builder
    .filter_async(|request: Request| ready(Ok::<_, BoxError>(request))));
works!(map_request, |builder| builder
    .map_request(|request: Request| request));
works!(map_response, |builder| builder
    .map_response(|response: Response| response));
works!(map_err, |builder| builder.map_err(BoxError::from));
works!(map_result, |builder| builder
    .map_result(|result: Result<Response, BoxError>| result)
    .map_err(BoxError::from));
works!(map_future, |builder| builder
    .map_future(tokio::task::unconstrained));
works!(then, |builder| builder
    .then(|result: Result<Response, BoxError>| ready(result))
    .map_err(BoxError::from));
works!(and_then, |builder| builder
    .and_then(|response: Response| ready(Ok::<_, BoxError>(response))));
works!(option_layer, |builder| builder
    .option_layer(Some(StockTimeoutLayer::new(SECOND)))
    .option_layer(None::<ConcurrencyLimitLayer>)
    .option_layer(Some(LoadShedLayer::new())));

#[tokio::test(start_paused = true)]
async fn layers_that_wait_work_with_stock_layers() {
    let app = ServiceBuilder::new()
        .load_shed()
        .concurrency_limit(4)
        .layer(CommandLayer::new("!"))
        .layer(RequireLayer::check(async |_: Request| true))
        .layer(from_fn(async |request: Request, next: Next| {
            next.run(request).await
        }))
        .concurrency_limit(4)
        .timeout(SECOND)
        .service(router());
    assert_pongs(app).await;
}

#[tokio::test(start_paused = true)]
async fn ours_are_optional_too() {
    let app = ServiceBuilder::new()
        .layer(CommandLayer::new("!"))
        .option_layer(Some(RateLimitLayer::per_user(5, SECOND)))
        .option_layer(None::<TimeoutLayer>)
        .service(router());
    assert_pongs(app).await;
}

#[tokio::test(start_paused = true)]
async fn boxed_services_work() {
    let stack = || {
        ServiceBuilder::new()
            .layer(TraceLayer::new())
            .layer(CommandLayer::new("!"))
            .service(router())
    };
    assert_pongs(BoxService::new(stack())).await;
    let boxed = BoxCloneSyncService::new(stack());
    assert_pongs(boxed.clone()).await;
    let outer = ServiceBuilder::new()
        .layer(HandleErrorLayer::new())
        .layer(RateLimitLayer::per_user(5, SECOND))
        .layer(TimeoutLayer::new(SECOND))
        .service(boxed);
    assert_pongs(outer).await;
}

#[tokio::test(start_paused = true)]
async fn stock_layers_are_layers_of_a_router_and_of_its_routes() {
    let router = router()
        .route_layer(StockTimeoutLayer::new(SECOND))
        .route_layer(ConcurrencyLimitLayer::new(1))
        .layer(LoadShedLayer::new());
    assert_pongs(
        ServiceBuilder::new()
            .layer(CommandLayer::new("!"))
            .service(router),
    )
    .await;
}

/// A service that can not be cloned.
struct Single(Router);

impl Service<Request> for Single {
    type Response = Response;
    type Error = BoxError;
    type Future = <Router as Service<Request>>::Future;

    fn poll_ready(&mut self, cx: &mut std::task::Context<'_>) -> std::task::Poll<Result<(), BoxError>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        self.0.call(request)
    }
}

#[tokio::test(start_paused = true)]
async fn layers_that_do_not_wait_take_services_that_are_not_clone() {
    let app = ServiceBuilder::new()
        .layer(TraceLayer::new())
        .layer(HandleErrorLayer::new())
        .layer(CatchPanicLayer::new())
        .layer(DedupLayer::new(100))
        .layer(IgnoreLayer::bots())
        .layer(CommandLayer::new("!"))
        .layer(RateLimitLayer::per_user(5, SECOND))
        .layer(RequireLayer::users(["uAnn"]))
        .layer(TimeoutLayer::new(SECOND))
        .service(Single(router()));
    assert_pongs(app).await;
}

#[tokio::test]
async fn any_error_that_becomes_a_box_error_will_do() {
    let service = service_fn(async |_: Request| Err::<Response, String>("plain text".to_owned()));
    let app = ServiceBuilder::new()
        .layer(TraceLayer::new())
        .layer(RateLimitLayer::per_user(5, SECOND))
        .layer(CatchPanicLayer::new())
        .service(service);
    let error = testing::call(app.boxed(), events::message("hi"))
        .await
        .unwrap_err();
    assert_eq!(error.to_string(), "plain text");
}

#[test]
fn auto_traits() {
    static_assertions::assert_impl_all!(TraceLayer: Clone, Send, Sync);
    static_assertions::assert_impl_all!(HandleErrorLayer: Clone, Send, Sync);
    static_assertions::assert_impl_all!(CatchPanicLayer: Clone, Send, Sync);
    static_assertions::assert_impl_all!(DedupLayer: Clone, Send, Sync);
    static_assertions::assert_impl_all!(IgnoreLayer: Clone, Send, Sync);
    static_assertions::assert_impl_all!(CommandLayer: Clone, Send, Sync);
    static_assertions::assert_impl_all!(RateLimitLayer: Clone, Send, Sync);
    static_assertions::assert_impl_all!(RequireLayer: Clone, Send, Sync);
    static_assertions::assert_impl_all!(TimeoutLayer: Clone, Send, Sync);
}
