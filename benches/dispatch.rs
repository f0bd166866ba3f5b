//! From a request to its response, without a socket: `cargo bench --bench dispatch`.
//!
//! Everything here is polled in place by hand, ours and what it is compared with, so that no runtime is measured.
//! Requests are made before the clock runs, and dropped with their responses while it does.

#![allow(missing_docs, reason = "criterion's macros make public items")]
#![allow(clippy::expect_used, reason = "a bench fails by a panic")]

use std::collections::HashMap;
use std::convert::Infallible;
use std::future::{Future, ready};
use std::hint::black_box;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use axum::body::Body;
use axum::extract::RawQuery;
use criterion::measurement::WallTime;
use criterion::{BatchSize, BenchmarkGroup, Criterion, criterion_group, criterion_main};
use rocketbotte::command::{Command, CommandLayer};
use rocketbotte::event::{Message, Room};
use rocketbotte::extract::{Args, Author, State};
use rocketbotte::layer::rate_limit::RateLimitLayer;
use rocketbotte::layer::timeout::TimeoutLayer;
use rocketbotte::layer::trace::TraceLayer;
use rocketbotte::response::IntoResponse;
use rocketbotte::testing::{self, events};
use rocketbotte::transport::Arrival;
use rocketbotte::{BoxError, Request, Response, Router};
use tower::{Layer, Service, ServiceBuilder};

type Group<'a> = BenchmarkGroup<'a, WallTime>;

/// As many requests at once as stay in the cache, where a request that was just made is.
const BATCH: BatchSize = BatchSize::NumIterations(64);

const CHATTER: &str = "good morning, has anybody seen the build?";
const COMMAND: &str = "!command7 with some arguments";

async fn nothing() {}

fn chatter() -> Request {
    testing::request(events::message(CHATTER))
}

fn command() -> Request {
    testing::request(events::message(COMMAND))
}

/// For a router that has no layer in front of it.
fn parsed(request: Request) -> Request {
    let mut parsed = request;
    let command = CommandLayer::new("!").parse(&parsed);
    parsed.set_command(command);
    parsed
}

fn router(commands: usize) -> Router {
    (0..commands).fold(Router::new(), |router, number| {
        router.command(&format!("command{number}"), nothing)
    })
}

/// Readiness, call and the first poll, which is the last.
fn run<S, R>(service: &mut S, request: R)
where
    S: Service<R>,
{
    let mut cx = Context::from_waker(Waker::noop());
    assert!(service.poll_ready(&mut cx).is_ready());
    drop(black_box(poll_once(service.call(request))));
}

fn poll_once<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("nothing here waits"),
    }
}

fn measure<S>(group: &mut Group<'_>, name: &str, mut service: S, request: &Request)
where
    S: Service<Request, Response = Response>,
{
    group.bench_function(name, |bencher| {
        bencher.iter_batched(|| request.clone(), |request| run(&mut service, request), BATCH);
    });
}

fn design_stack<S>(
    router: S,
) -> impl Service<Request, Response = Response, Error = BoxError, Future: Send> + Clone
where
    S: Service<Request, Response = Response, Error = BoxError, Future: Send> + Clone,
{
    ServiceBuilder::new()
        .layer(TraceLayer::new())
        .layer(CommandLayer::new("!"))
        .layer(RateLimitLayer::per_user(u32::MAX, Duration::from_secs(1)))
        .layer(TimeoutLayer::new(Duration::from_secs(30)))
        .service(router)
}

/// What each part of the stack adds.
fn stacks(criterion: &mut Criterion) {
    let router = router(1_000);
    for (kind, request) in [("chatter", chatter()), ("command", command())] {
        let mut group = criterion.benchmark_group(format!("stack/{kind}"));
        measure(&mut group, "router", router.clone(), &parsed(request.clone()));
        let one = ServiceBuilder::new()
            .layer(CommandLayer::new("!"))
            .service(router.clone());
        measure(&mut group, "one layer", one, &request);
        let untraced = ServiceBuilder::new()
            .layer(CommandLayer::new("!"))
            .layer(RateLimitLayer::per_user(u32::MAX, Duration::from_secs(1)))
            .layer(TimeoutLayer::new(Duration::from_secs(30)))
            .service(router.clone());
        measure(&mut group, "three layers", untraced, &request);
        measure(&mut group, "four layers", design_stack(router.clone()), &request);
        group.finish();
    }
}

/// The number of commands is to cost nothing.
fn sizes(criterion: &mut Criterion) {
    for (kind, request) in [("chatter", chatter()), ("command", command())] {
        let mut group = criterion.benchmark_group(format!("commands/{kind}"));
        for commands in [10, 1_000, 10_000] {
            let stack = design_stack(router(commands));
            measure(&mut group, &commands.to_string(), stack, &request);
        }
        group.finish();
    }
}

async fn two(State(_): State<u64>, Args(text): Args<String>) {
    black_box(text);
}

#[allow(clippy::too_many_arguments, reason = "that many extractors are measured")]
async fn eight(
    State(_): State<u64>,
    Args(text): Args<String>,
    _author: Author,
    _room: Room,
    _message: Arc<Message>,
    _command: Command,
    _context: rocketbotte::Context,
    _arrival: Arrival,
) {
    black_box(text);
}

fn extractors(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("extractors");
    let request = command();
    let router = Router::new();
    for (name, router) in [
        ("0", router.clone().command("command7", nothing)),
        ("2", router.clone().command("command7", two)),
        ("8", router.command("command7", eight)),
    ] {
        measure(
            &mut group,
            name,
            design_stack(router.with_state::<()>(7_u64)),
            &request,
        );
    }
    group.finish();
}

async fn axum_two(axum::extract::State(_): axum::extract::State<u64>, RawQuery(text): RawQuery) {
    black_box(text);
}

fn axum_request() -> http::Request<Body> {
    http::Request::get("/command7?with=some&arguments")
        .body(Body::empty())
        .expect("a request")
}

fn measure_axum(group: &mut Group<'_>, name: &str, mut router: axum::Router) {
    // That it is the handler which is measured, and not a 404.
    let answer = poll_once(router.call(axum_request()));
    assert!(answer.is_ok_and(|response| response.status().is_success()));
    group.bench_function(name, |bencher| {
        bencher.iter_batched(axum_request, |request| run(&mut router, request), BATCH);
    });
}

/// A router of ours and one of axum: as many routes, and a handler that does the same.
fn against_axum(criterion: &mut Criterion) {
    type Axum = axum::Router<u64>;

    for routes in [100, 1_000] {
        let mut group = criterion.benchmark_group(format!("against axum/{routes} routes"));
        let ours = |add: fn(Router<u64>, &str) -> Router<u64>| {
            let names = (0..routes).map(|number| format!("command{number}"));
            names
                .fold(Router::new(), |router, name| add(router, &name))
                .with_state::<()>(7)
        };
        let axums = |add: fn(Axum, &str) -> Axum| {
            let paths = (0..routes).map(|number| format!("/command{number}"));
            paths
                .fold(Axum::new(), |router, path| add(router, &path))
                .with_state::<()>(7)
        };
        let request = command();
        for (name, ours, axum) in [
            (
                "0 extractors",
                ours(|router, name| router.command(name, nothing)),
                axums(|router, path| router.route(path, axum::routing::get(nothing))),
            ),
            (
                "2 extractors",
                ours(|router, name| router.command(name, two)),
                axums(|router, path| router.route(path, axum::routing::get(axum_two))),
            ),
        ] {
            // axum's request has been parsed before the router sees it, so ours is measured both ways.
            measure(
                &mut group,
                &format!("ours, {name}"),
                ours.clone(),
                &parsed(request.clone()),
            );
            let ours = CommandLayer::new("!").layer(ours);
            measure(
                &mut group,
                &format!("ours with CommandLayer, {name}"),
                ours,
                &request,
            );
            measure_axum(&mut group, &format!("axum, {name}"), axum);
        }
        group.finish();
    }
}

type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;
type PlainHandler = Arc<dyn Fn(Request) -> BoxFuture<Result<Response, BoxError>> + Send + Sync>;

/// A bot as one writes it on tower alone: a table of boxed handlers, a prefix, a span, a limit and a timeout. No panic
/// boundaries, no listeners, no answers to bad input, no aliases, no case folding.
fn plain_tower(commands: usize) -> impl Service<Request, Response = Response, Error = BoxError> {
    let table: HashMap<String, PlainHandler> = (0..commands)
        .map(|number| {
            let handler: PlainHandler = Arc::new(|_| {
                Box::pin(async {
                    nothing().await;
                    ().into_response()
                })
            });
            (format!("command{number}"), handler)
        })
        .collect();
    let table = Arc::new(table);
    let lookup = tower::service_fn(move |request: Request| {
        let handler = request.message().and_then(|message| {
            let name = message.text().strip_prefix('!')?.split(' ').next()?;
            table.get(name)
        });
        let future = handler.map(|handler| handler(request.clone()));
        async move {
            match future {
                Some(future) => future.await,
                None => Ok(Response::empty()),
            }
        }
    });
    ServiceBuilder::new()
        .map_future(|future| tracing::Instrument::instrument(future, tracing::info_span!("event")))
        .concurrency_limit(1_000_000)
        .timeout(Duration::from_secs(30))
        .service(lookup)
}

fn against_plain_tower(criterion: &mut Criterion) {
    // tower's timeout makes its timer at once, which needs a runtime around it.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .expect("a runtime");
    let _inside = runtime.enter();
    for (kind, request) in [("chatter", chatter()), ("command", command())] {
        let mut group = criterion.benchmark_group(format!("against plain tower/{kind}"));
        measure(&mut group, "ours", design_stack(router(1_000)), &request);
        measure(&mut group, "plain tower", plain_tower(1_000), &request);
        group.finish();
    }
}

/// How much of the figures is the harness: an empty service.
fn harness(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("harness");
    let empty = tower::service_fn(|_: Request| ready(Ok::<_, Infallible>(Response::empty())));
    measure(&mut group, "empty service", empty, &chatter());
    group.finish();
}

criterion_group!(
    benches,
    harness,
    stacks,
    sizes,
    extractors,
    against_axum,
    against_plain_tower
);
criterion_main!(benches);
