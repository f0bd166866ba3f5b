//! Every layer of ours keeps the contract, and the test finds the ones that don't.

use std::task::{Context, Poll};
use std::time::Duration;

use rocketbotte::command::CommandLayer;
use rocketbotte::layer::catch_panic::CatchPanicLayer;
use rocketbotte::layer::dedup::DedupLayer;
use rocketbotte::layer::from_fn::{Next, from_fn, from_fn_with_state};
use rocketbotte::layer::handle_error::HandleErrorLayer;
use rocketbotte::layer::ignore::IgnoreLayer;
use rocketbotte::layer::max_concurrency::MaxConcurrencyLayer;
use rocketbotte::layer::rate_limit::RateLimitLayer;
use rocketbotte::layer::require::RequireLayer;
use rocketbotte::layer::timeout::TimeoutLayer;
use rocketbotte::layer::trace::TraceLayer;
use rocketbotte::layer::typing::TypingLayer;
use rocketbotte::testing::contract;
use rocketbotte::{Request, Response};
use tower::{Layer, Service, ServiceExt, layer::layer_fn};

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn layers_that_pass_on() {
    contract::check(|| CommandLayer::new("!")).await;
    contract::check(TraceLayer::new).await;
    contract::check(CatchPanicLayer::new).await;
    contract::check(|| TimeoutLayer::new(60 * SECOND)).await;
    contract::check(HandleErrorLayer::new).await;
    contract::check(TypingLayer::new).await;
}

#[tokio::test(start_paused = true)]
async fn layers_that_refuse_or_drop() {
    contract::check(|| DedupLayer::new(10)).await;
    contract::check(|| IgnoreLayer::when(|_| true)).await;
    contract::check(IgnoreLayer::bots).await;
    contract::check(|| RateLimitLayer::per_user(100, SECOND)).await;
    contract::check(|| RateLimitLayer::per_user(1, SECOND)).await;
    contract::check(|| RateLimitLayer::per_user(1, SECOND).reject_early()).await;
    contract::check(|| MaxConcurrencyLayer::global(1)).await;
    contract::check(|| MaxConcurrencyLayer::per_user(0)).await;
    contract::check(|| RequireLayer::when(|_| true)).await;
    contract::check(|| RequireLayer::when(|_| false)).await;
    contract::check(|| RequireLayer::when(|_| false).reject_early()).await;
}

#[tokio::test(start_paused = true)]
async fn layers_that_wait_before_they_call() {
    contract::check(|| {
        RequireLayer::check(async |_: Request| {
            tokio::time::sleep(SECOND).await;
            true
        })
    })
    .await;
    contract::check(|| RequireLayer::check(async |_| false).reject_early()).await;
    contract::check(|| RequireLayer::room_roles(["owner"])).await;
    contract::check(|| from_fn(async |request: Request, next: Next| next.run(request).await)).await;
    contract::check(|| from_fn(async |_: Request, _: Next| "answered without asking")).await;
    contract::check(|| {
        from_fn_with_state(1, async |_: u8, request: Request, next: Next| {
            next.run(request).await
        })
    })
    .await;
}

/// Makes a service of a function on what is inside, for layers that do it wrong.
#[derive(Clone)]
struct Wrong<S, P, C> {
    inner: S,
    poll_ready: P,
    call: C,
}

impl<S, P, C, F> Service<Request> for Wrong<S, P, C>
where
    S: Service<Request>,
    P: FnMut(&mut S, &mut Context<'_>) -> Poll<Result<(), S::Error>>,
    C: FnMut(&mut S, Request) -> F,
    F: Future<Output = Result<Response, S::Error>>,
{
    type Response = Response;
    type Error = S::Error;
    type Future = F;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        (self.poll_ready)(&mut self.inner, cx)
    }

    fn call(&mut self, request: Request) -> F {
        (self.call)(&mut self.inner, request)
    }
}

async fn violation<L>(layer: L) -> String
where
    L: Layer<contract_probe::Probe> + Clone,
    L::Service: Service<Request, Response = Response> + Clone,
    <L::Service as Service<Request>>::Error: Into<rocketbotte::BoxError>,
{
    contract::try_check(|| layer.clone())
        .await
        .unwrap_err()
        .what()
        .to_owned()
}

use contract_probe::Probe;
use rocketbotte::testing as contract_probe;

#[tokio::test(start_paused = true)]
async fn a_layer_that_calls_a_clone_is_found() {
    let layer = layer_fn(|inner: Probe| Wrong {
        inner,
        poll_ready: |inner: &mut Probe, cx: &mut Context<'_>| inner.poll_ready(cx),
        call: |inner: &mut Probe, request| inner.clone().call(request),
    });
    assert!(violation(layer).await.contains("was not made ready"));
}

#[tokio::test(start_paused = true)]
async fn a_layer_that_is_always_ready_is_found() {
    let layer = layer_fn(|inner: Probe| Wrong {
        inner,
        poll_ready: |_: &mut Probe, _: &mut Context<'_>| Poll::Ready(Ok(())),
        call: |inner: &mut Probe, request| inner.clone().oneshot(request),
    });
    assert!(
        violation(layer)
            .await
            .contains("a clone of a ready service was ready")
    );
}

#[tokio::test(start_paused = true)]
async fn a_layer_that_forgets_the_waker_is_found() {
    let layer = layer_fn(|inner: Probe| Wrong {
        inner,
        poll_ready: |inner: &mut Probe, _: &mut Context<'_>| {
            let mut cx = Context::from_waker(std::task::Waker::noop());
            inner.poll_ready(&mut cx)
        },
        call: |inner: &mut Probe, request| inner.call(request),
    });
    assert!(violation(layer).await.contains("did not wake"));
}

#[tokio::test(start_paused = true)]
async fn a_layer_that_keeps_running_what_was_dropped_is_found() {
    let layer = layer_fn(|inner: Probe| Wrong {
        inner,
        poll_ready: |inner: &mut Probe, cx: &mut Context<'_>| inner.poll_ready(cx),
        call: |inner: &mut Probe, request| {
            let task = tokio::spawn(inner.call(request));
            async move { task.await.unwrap() }
        },
    });
    assert!(violation(layer).await.contains("kept the place"));
}
