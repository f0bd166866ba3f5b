//! Turns errors into replies.
//!
//! What the person who asked should read is a [`Rejection`](crate::Rejection); everything else is for the operator: it
//! goes to the log with a reference, and the person reads the reference. A served bot does the same outside of the
//! whole stack; a layer in the stack takes its place, for other words.

mod answer;
mod future;

use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use tower::{BoxError, Layer, Service};

pub use self::answer::Failure;
use self::answer::{Answer, Asked};
pub use self::future::ResponseFuture;
use crate::inspect::enter;
use crate::request::Request;
use crate::response::{Action, Response};

/// Answers what no layer of the stack has answered, outside of it: the failures of routes.
pub(crate) fn answer_failures(response: &mut Response, request: &Request) {
    if Asked::concerns(response) {
        answer::answer_failures(response, &Asked::new(request, None));
    }
}

/// Answers an error of the whole stack, outside of it.
pub(crate) fn answer_error(error: BoxError, request: &Request) -> Response {
    answer::answer_error(error, &Asked::new(request, None))
}

/// Turns errors of the service inside, and failures of a router's routes, into replies: see [`Failure`] for what is
/// said by default. The service never fails; only its readiness may.
///
/// It goes outside of everything that may fail, inside of [`TraceLayer`](super::trace::TraceLayer).
///
/// ```
/// use rocketbotte::{Router, command::CommandLayer, layer::handle_error::HandleErrorLayer};
/// use tower::ServiceBuilder;
///
/// let app = ServiceBuilder::new()
///     .layer(HandleErrorLayer::new())
///     .layer(CommandLayer::new("!"))
///     .service(Router::new());
/// # fn is_service(_: impl tower::Service<rocketbotte::Request>) {}
/// # is_service(app);
/// ```
#[derive(Clone, Default)]
#[must_use]
pub struct HandleErrorLayer {
    answer: Option<Answer>,
}

impl HandleErrorLayer {
    /// Says what a served bot says by itself.
    pub const fn new() -> Self {
        Self { answer: None }
    }

    /// Says what a function returns for a failure, nothing for `None`. Failures of listeners are asked about too.
    ///
    /// ```
    /// use rocketbotte::layer::handle_error::HandleErrorLayer;
    /// use rocketbotte::response::Send;
    ///
    /// let layer = HandleErrorLayer::with(|failure| match failure.reference() {
    ///     Some(reference) => Some(Send::text(format!("Das ging schief ({reference}).")).into()),
    ///     None => failure.default_action(),
    /// });
    /// # let _ = layer;
    /// ```
    pub fn with(answer: impl Fn(&Failure<'_>) -> Option<Action> + Send + Sync + 'static) -> Self {
        Self {
            answer: Some(Arc::new(answer)),
        }
    }
}

impl fmt::Debug for HandleErrorLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HandleErrorLayer")
            .field("is_default", &self.answer.is_none())
            .finish()
    }
}

impl<S> Layer<S> for HandleErrorLayer {
    type Service = HandleError<S>;

    fn layer(&self, inner: S) -> Self::Service {
        HandleError {
            inner,
            layer: self.clone(),
        }
    }
}

/// The service of a [`HandleErrorLayer`].
#[derive(Clone, Debug)]
pub struct HandleError<S> {
    inner: S,
    layer: HandleErrorLayer,
}

super::accessors!(HandleError);

impl<S> Service<Request> for HandleError<S>
where
    S: Service<Request, Response = Response>,
    S::Error: Into<BoxError>,
{
    type Response = Response;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request) -> Self::Future {
        let visit = enter(&mut request, || "HandleErrorLayer");
        let asked = Asked::new(&request, self.layer.answer.clone());
        ResponseFuture::new(self.inner.call(request), asked, visit)
    }
}
