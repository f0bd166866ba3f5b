//! The contract of a layer, as a test that anyone can run on a layer of their own.
//!
//! `tower` asks that a service is made ready before it is called, on the very instance that is called, and that
//! whoever drops a future leaves nothing behind. A layer that breaks this works until the day that a limit stands
//! inside of it.

use std::fmt;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use tower::{BoxError, Layer, Service};

use super::probe::{Handle, Probe, Readiness};
use super::{events, request};
use crate::command::CommandLayer;
use crate::request::Request;
use crate::response::Response;

/// How long a response may take whose service inside answers at once.
const PATIENCE: Duration = Duration::from_secs(5);

/// Checks that a layer keeps the contract of `tower::Service`:
///
/// 1. the service inside is only called on an instance that was made ready;
/// 2. a clone of a ready service is not ready, and takes nothing from the one that is;
/// 3. a response's future that is dropped, before or after its first poll, gives back what it holds;
/// 4. a service inside that is not ready makes the whole not ready, and wakes it later;
/// 5. a service inside that is broken makes the whole fail.
///
/// A layer that answers for a busy service, as `tower`'s load shedding does, breaks the fourth on purpose.
///
/// The function is called several times, for a fresh layer each. It runs in a `tokio` test, paused time or not.
///
/// # Panics
///
/// The layer breaks the contract.
///
/// ```
/// use std::time::Duration;
/// use rocketbotte::layer::timeout::TimeoutLayer;
/// use rocketbotte::testing::contract;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// contract::check(|| TimeoutLayer::new(Duration::from_secs(1))).await;
/// # }
/// ```
#[track_caller]
pub fn check<L>(make_layer: impl Fn() -> L) -> impl Future<Output = ()>
where
    L: Layer<Probe>,
    L::Service: Service<Request, Response = Response> + Clone,
    <L::Service as Service<Request>>::Error: Into<BoxError>,
{
    let caller = std::panic::Location::caller();
    async move {
        if let Err(violation) = try_check(make_layer).await {
            panic!("{violation} (checked at {caller})");
        }
    }
}

/// Like [`check`], for tests of tests.
///
/// # Errors
///
/// What the layer does wrong.
pub async fn try_check<L>(make_layer: impl Fn() -> L) -> Result<(), Violation>
where
    L: Layer<Probe>,
    L::Service: Service<Request, Response = Response> + Clone,
    <L::Service as Service<Request>>::Error: Into<BoxError>,
{
    for (name, request) in requests() {
        let test = || Test::new(&make_layer(), name, request.clone());
        test().calls_what_is_ready().await?;
        test().does_not_clone_readiness().await?;
        test().gives_back_when_dropped().await?;
        test().passes_pending_readiness_on().await?;
        test().passes_broken_readiness_on()?;
    }
    Ok(())
}

/// What layers treat differently: a command, a message that is none, and an event without a message.
fn requests() -> [(&'static str, Request); 3] {
    let mut command = request(events::message("!ping now"));
    let parsed = CommandLayer::new("!").parse(&command);
    command.set_command(parsed);
    [
        ("a command", command),
        ("a message", request(events::message("hello"))),
        ("an event without a message", request(events::ready())),
    ]
}

/// How a layer breaks the contract.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    layer: &'static str,
    request: &'static str,
    what: &'static str,
}

impl Violation {
    /// What it does wrong.
    pub fn what(&self) -> &str {
        self.what
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { layer, request, what } = self;
        write!(
            f,
            "the layer `{layer}` breaks the contract with {request}: {what}"
        )
    }
}

impl std::error::Error for Violation {}

/// Counts how often it was woken.
#[derive(Default)]
struct CountWakes(AtomicUsize);

impl Wake for CountWakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

struct Test<S> {
    service: S,
    probe: Handle,
    wakes: Arc<CountWakes>,
    waker: Waker,
    layer: &'static str,
    name: &'static str,
    request: Request,
}

impl<S> Test<S>
where
    S: Service<Request, Response = Response> + Clone,
    S::Error: Into<BoxError>,
{
    fn new<L: Layer<Probe, Service = S>>(layer: &L, name: &'static str, request: Request) -> Self {
        let (probe, handle) = Probe::new();
        let wakes = Arc::<CountWakes>::default();
        Self {
            service: layer.layer(probe),
            probe: handle,
            waker: Waker::from(Arc::clone(&wakes)),
            wakes,
            layer: std::any::type_name::<L>(),
            name,
            request,
        }
    }

    fn violation(&self, what: &'static str) -> Violation {
        Violation {
            layer: self.layer,
            request: self.name,
            what,
        }
    }

    fn ensure(&self, holds: bool, what: &'static str) -> Result<(), Violation> {
        match self.probe.take_violation() {
            Some(violation) => Err(self.violation(violation)),
            None if holds => Ok(()),
            None => Err(self.violation(what)),
        }
    }

    fn poll_ready(&self, service: &mut S) -> Poll<Result<(), BoxError>> {
        service
            .poll_ready(&mut Context::from_waker(&self.waker))
            .map_err(Into::into)
    }

    fn make_ready(&self, service: &mut S, otherwise: &'static str) -> Result<(), Violation> {
        let is_ready = matches!(self.poll_ready(service), Poll::Ready(Ok(())));
        self.ensure(is_ready, otherwise)
    }

    /// Waits for a response. An error is one too: some layers refuse.
    async fn respond(&self, future: S::Future) -> Result<(), Violation> {
        let is_there = tokio::time::timeout(PATIENCE, future).await.is_ok();
        self.ensure(
            is_there,
            "its response did not come, though the service inside answered",
        )
    }

    /// Calls it several times, ready each time.
    async fn calls_what_is_ready(mut self) -> Result<(), Violation> {
        let mut service = self.service.clone();
        for _ in 0..3 {
            self.make_ready(&mut service, "it was not ready, though the service inside was")?;
            let future = service.call(self.request.clone());
            self.respond(future).await?;
            // Asked again before it is used again: what is ready stays ready.
            self.make_ready(&mut service, "it was not ready a second time")?;
            self.make_ready(&mut service, "it was ready, and then, asked again, it was not")?;
        }
        self.service = service;
        Ok(())
    }

    async fn does_not_clone_readiness(mut self) -> Result<(), Violation> {
        let mut service = self.service.clone();
        self.make_ready(&mut service, "it was not ready, though the service inside was")?;
        let mut clone = service.clone();
        self.ensure(
            self.poll_ready(&mut clone).is_pending(),
            "a clone of a ready service was ready, though there was place for one only",
        )?;
        drop(clone);
        self.make_ready(&mut service, "its readiness was lost when a clone was dropped")?;
        let mut clone = service.clone();
        let future = service.call(self.request.clone());
        self.respond(future).await?;
        drop(service);
        self.make_ready(
            &mut clone,
            "a clone could not be made ready after the first was done",
        )?;
        let future = clone.call(self.request.clone());
        self.respond(future).await?;
        self.service = clone;
        Ok(())
    }

    async fn gives_back_when_dropped(mut self) -> Result<(), Violation> {
        let mut service = self.service.clone();
        self.make_ready(&mut service, "it was not ready, though the service inside was")?;
        drop(service.call(self.request.clone()));
        self.make_ready(
            &mut service,
            "a response that was dropped before its first poll kept the place",
        )?;

        self.probe.set_hangs(true);
        {
            let mut future = pin!(service.call(self.request.clone()));
            let _ = future.as_mut().poll(&mut Context::from_waker(&self.waker));
        }
        self.probe.set_hangs(false);
        self.make_ready(
            &mut service,
            "a response that was dropped while it waited kept the place",
        )?;
        let future = service.call(self.request.clone());
        self.respond(future).await?;

        self.make_ready(&mut service, "it was not ready after a response was dropped")?;
        drop(service);
        self.service = self.service.clone();
        self.ensure(
            !self.probe.is_taken(),
            "a ready service that was dropped kept the place",
        )
    }

    async fn passes_pending_readiness_on(mut self) -> Result<(), Violation> {
        let mut service = self.service.clone();
        self.probe.set_readiness(Readiness::Busy);
        self.ensure(
            self.poll_ready(&mut service).is_pending(),
            "it was ready, though the service inside was not",
        )?;
        self.ensure(self.probe.has_waker(), "it did not ask to be woken")?;
        let before = self.wakes.0.load(Ordering::Relaxed);
        self.probe.set_readiness(Readiness::Open);
        let is_woken = self.wakes.0.load(Ordering::Relaxed) > before;
        self.ensure(is_woken, "it did not wake who waited for it to be ready")?;
        self.make_ready(
            &mut service,
            "it was not ready when the service inside became ready",
        )?;
        let calls = self.probe.calls();
        let future = service.call(self.request.clone());
        self.respond(future).await?;
        self.ensure(
            self.probe.calls() <= calls + 1,
            "it called the service inside more than once",
        )?;
        self.service = service;
        Ok(())
    }

    fn passes_broken_readiness_on(mut self) -> Result<(), Violation> {
        let mut service = self.service.clone();
        self.probe.set_readiness(Readiness::Broken);
        let is_error = matches!(self.poll_ready(&mut service), Poll::Ready(Err(_)));
        self.service = service;
        self.ensure(is_error, "it hid that the service inside is broken")
    }
}
