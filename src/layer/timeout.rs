//! Gives up on what takes too long.
//!
//! Inside a [`Router`](crate::Router) each route has a deadline of its own: this layer sets it, so that a route that
//! hangs takes nothing from the others. It guards by itself what is no router.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use pin_project::pin_project;
use tokio::time::Instant;
use tower::{BoxError, Layer, Service};

use crate::conversation::pause::PausableTimer;
use crate::inspect::{Visit, enter};
use crate::request::{Deadline, Request};

/// Sets how long a request may take. A route may set a longer or a shorter time for itself.
///
/// The time in which a handler waits for people, in a [conversation](crate::conversation), does not count.
///
/// `tower::timeout` works too, and is the blunter tool: it gives up on the whole request, with everything that other
/// routes have answered, and counts all time.
///
/// ```
/// use std::time::Duration;
/// use rocketbotte::{Router, layer::timeout::TimeoutLayer};
/// use tower::ServiceBuilder;
///
/// let router: Router = Router::new();
/// let app = ServiceBuilder::new().layer(TimeoutLayer::new(Duration::from_secs(30))).service(router);
/// # let _ = app;
/// ```
#[derive(Clone, Copy, Debug)]
#[must_use]
pub struct TimeoutLayer {
    timeout: Duration,
}

impl TimeoutLayer {
    /// A limit for each request.
    pub const fn new(timeout: Duration) -> Self {
        Self { timeout }
    }
}

impl<S> Layer<S> for TimeoutLayer {
    type Service = Timeout<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Timeout {
            inner,
            timeout: self.timeout,
        }
    }
}

/// The service of a [`TimeoutLayer`].
#[derive(Clone, Debug)]
pub struct Timeout<S> {
    inner: S,
    timeout: Duration,
}

super::accessors!(Timeout);

impl<S> Service<Request> for Timeout<S>
where
    S: Service<Request>,
    S::Error: Into<BoxError>,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, mut request: Request) -> Self::Future {
        let visit = enter(&mut request, || "TimeoutLayer");
        // A limit beyond what the clock can count is no limit.
        let deadline = Instant::now().checked_add(self.timeout).map(|at| Deadline {
            at,
            after: self.timeout,
        });
        if let Some(deadline) = deadline {
            request.set_deadline(deadline);
        }
        ResponseFuture {
            inner: self.inner.call(request),
            timer: PausableTimer::new(deadline),
            visit,
        }
    }
}

/// The future of a [`Timeout`].
#[pin_project]
pub struct ResponseFuture<F> {
    #[pin]
    inner: F,
    timer: PausableTimer,
    visit: Visit,
}

impl<F, T, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<T, E>>,
    E: Into<BoxError>,
{
    type Output = Result<T, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        // A router inside answers at the deadline by itself, so it is asked first.
        if let Poll::Ready(result) = this.timer.clock.watch(|| this.inner.poll(cx)) {
            this.visit.leave(&result);
            return Poll::Ready(result.map_err(Into::into));
        }
        let after = ready!(this.timer.poll(cx));
        this.visit.leave_with("timed out");
        Poll::Ready(Err(Elapsed { after }.into()))
    }
}

impl<F> fmt::Debug for ResponseFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture")
            .field("timer", &self.timer)
            .finish_non_exhaustive()
    }
}

/// A request took too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Elapsed {
    after: Duration,
}

impl Elapsed {
    pub(crate) const fn new(after: Duration) -> Self {
        Self { after }
    }

    /// The limit.
    pub const fn after(&self) -> Duration {
        self.after
    }
}

impl fmt::Display for Elapsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "took longer than {:?}", self.after)
    }
}

impl std::error::Error for Elapsed {}
