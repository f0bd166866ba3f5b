//! Turns a panic into an error.
//!
//! The routes of a [`Router`](crate::Router) have panic boundaries of their own; this layer guards what is no router.

use std::any::Any;
use std::borrow::Cow;
use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project::pin_project;
use tower::{BoxError, Layer, Service};

use crate::inspect::{Visit, enter};
use crate::request::Request;

/// Turns a panic of the service inside into the error [`Panicked`].
///
/// ```
/// use rocketbotte::layer::catch_panic::{CatchPanicLayer, Panicked};
/// use rocketbotte::{BoxError, Request, Response, event::Event};
/// use tower::{Service, ServiceBuilder, ServiceExt};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let service = ServiceBuilder::new()
///     .layer(CatchPanicLayer::new())
///     .service_fn(|_: Request| async { panic!("boom") as Result<Response, BoxError> });
/// let error = service.oneshot(Request::new(Event::Ready)).await.unwrap_err();
/// assert!(error.is::<Panicked>());
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default)]
#[must_use]
pub struct CatchPanicLayer {
    /// One that the bot adds by itself is not shown to the inspector.
    is_hidden: bool,
}

impl CatchPanicLayer {
    /// The layer; there is nothing to set.
    pub const fn new() -> Self {
        Self { is_hidden: false }
    }

    pub(crate) const fn hidden() -> Self {
        Self { is_hidden: true }
    }
}

impl<S> Layer<S> for CatchPanicLayer {
    type Service = CatchPanic<S>;

    fn layer(&self, inner: S) -> Self::Service {
        CatchPanic {
            inner,
            is_hidden: self.is_hidden,
        }
    }
}

/// The service of a [`CatchPanicLayer`].
#[derive(Clone, Debug)]
pub struct CatchPanic<S> {
    inner: S,
    is_hidden: bool,
}

super::accessors!(CatchPanic);

impl<S> Service<Request> for CatchPanic<S>
where
    S: Service<Request>,
    S::Error: Into<BoxError>,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        match catch_unwind(AssertUnwindSafe(|| self.inner.poll_ready(cx))) {
            Ok(ready) => ready.map_err(Into::into),
            Err(payload) => Poll::Ready(Err(Panicked::new(&*payload).into())),
        }
    }

    fn call(&mut self, mut request: Request) -> Self::Future {
        let visit = match self.is_hidden {
            true => Visit::none(),
            false => enter(&mut request, || "CatchPanicLayer"),
        };
        let state = match catch_unwind(AssertUnwindSafe(|| self.inner.call(request))) {
            Ok(future) => State::Running(future),
            Err(payload) => State::Panicked(Some(Panicked::new(&*payload))),
        };
        ResponseFuture { state, visit }
    }
}

/// The future of a [`CatchPanic`].
#[pin_project]
pub struct ResponseFuture<F> {
    #[pin]
    state: State<F>,
    visit: Visit,
}

#[pin_project(project = StateProj)]
enum State<F> {
    Running(#[pin] F),
    Panicked(Option<Panicked>),
}

impl<F, T, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<T, E>>,
    E: Into<BoxError>,
{
    type Output = Result<T, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let panicked = match this.state.project() {
            StateProj::Running(future) => match catch_unwind(AssertUnwindSafe(|| future.poll(cx))) {
                Ok(poll) => {
                    let result = ready!(poll);
                    this.visit.leave(&result);
                    return Poll::Ready(result.map_err(Into::into));
                }
                Err(payload) => Panicked::new(&*payload),
            },
            StateProj::Panicked(panicked) => panicked.take().unwrap_or_else(|| Panicked::new(&())),
        };
        this.visit.leave_with("caught a panic");
        Poll::Ready(Err(panicked.into()))
    }
}

impl<F> fmt::Debug for ResponseFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}

/// A service panicked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Panicked {
    message: Cow<'static, str>,
}

impl Panicked {
    fn new(payload: &(dyn Any + Send)) -> Self {
        Self {
            message: panic_message(payload),
        }
    }

    /// What the panic said.
    pub fn message(&self) -> &str {
        &self.message
    }

    pub(crate) fn into_message(self) -> Cow<'static, str> {
        self.message
    }
}

impl fmt::Display for Panicked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "panicked: {}", self.message)
    }
}

impl std::error::Error for Panicked {}

pub(crate) fn panic_message(payload: &(dyn Any + Send)) -> Cow<'static, str> {
    if let Some(message) = payload.downcast_ref::<&'static str>() {
        Cow::Borrowed(message)
    } else if let Some(message) = payload.downcast_ref::<String>() {
        Cow::Owned(message.clone())
    } else {
        Cow::Borrowed("a panic without a message")
    }
}
