//! Handlers as services, and services as handlers.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::future::BoxFuture;
use pin_project::pin_project;
use tower::util::Oneshot;
use tower::{BoxError, Service, ServiceExt};

use super::Handler;
use crate::request::Request;
use crate::response::Response;

/// Lets a `tower::Service` stand where a handler goes.
///
/// ```
/// use rocketbotte::handler::{route, service};
/// use rocketbotte::response::{IntoResponse, Response};
/// use rocketbotte::{BoxError, Request, Router};
///
/// let echo = tower::service_fn(|request: Request| async move {
///     request.command().map(|command| command.args().to_owned()).into_response()
/// });
/// let router: Router = Router::new()
///     .command_service("echo", echo)
///     .command("shout", route(service(echo)).description("The same, described"));
/// ```
pub fn service<T>(service: T) -> ServiceAsHandler<T> {
    ServiceAsHandler(service)
}

/// A service that stands where a handler goes, made by [`service`].
#[derive(Clone, Debug)]
pub struct ServiceAsHandler<T>(T);

/// Marks the handlers that are services.
#[derive(Debug)]
pub struct IsService(());

#[diagnostic::do_not_recommend]
impl<T, S> Handler<IsService, S> for ServiceAsHandler<T>
where
    T: Service<Request, Response = Response> + Clone + Send + Sync + 'static,
    T::Error: Into<BoxError>,
    T::Future: Send + 'static,
    S: Send + Sync + 'static,
{
    fn call(
        self,
        request: Request,
        _state: Arc<S>,
    ) -> impl Future<Output = Result<Response, BoxError>> + Send + 'static {
        ServiceCall {
            inner: self.0.oneshot(request),
        }
    }

    fn name() -> &'static str {
        std::any::type_name::<T>()
    }
}

#[pin_project]
struct ServiceCall<T: Service<Request>> {
    #[pin]
    inner: Oneshot<T, Request>,
}

impl<T> Future for ServiceCall<T>
where
    T: Service<Request, Response = Response>,
    T::Error: Into<BoxError>,
{
    type Output = Result<Response, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.project().inner.poll(cx).map_err(Into::into)
    }
}

/// A handler as a service: for a bot of one handler and no router.
///
/// ```
/// use rocketbotte::handler::HandlerService;
/// use rocketbotte::Request;
/// use tower::{Service, ServiceExt};
///
/// async fn hello() -> &'static str { "world" }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), rocketbotte::BoxError> {
/// let service = HandlerService::new(hello, ());
/// let response = service.oneshot(Request::new(rocketbotte::event::Event::Ready)).await?;
/// assert_eq!(response.texts().next(), Some("world"));
/// # Ok(())
/// # }
/// ```
pub struct HandlerService<H, T, S> {
    handler: H,
    state: Arc<S>,
    arguments: std::marker::PhantomData<fn() -> T>,
}

impl<H, T, S> HandlerService<H, T, S>
where
    H: Handler<T, S>,
{
    /// A service that runs the handler.
    pub fn new(handler: H, state: S) -> Self {
        Self {
            handler,
            state: Arc::new(state),
            arguments: std::marker::PhantomData,
        }
    }
}

impl<H: Clone, T, S> Clone for HandlerService<H, T, S> {
    fn clone(&self) -> Self {
        Self {
            handler: self.handler.clone(),
            state: Arc::clone(&self.state),
            arguments: self.arguments,
        }
    }
}

impl<H, T, S> fmt::Debug for HandlerService<H, T, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HandlerService")
            .field("handler", &std::any::type_name::<H>())
            .finish_non_exhaustive()
    }
}

impl<H, T, S> Service<Request> for HandlerService<H, T, S>
where
    H: Handler<T, S>,
    S: Send + Sync + 'static,
{
    type Response = Response;
    type Error = BoxError;
    type Future = ResponseFuture;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> Self::Future {
        ResponseFuture {
            inner: Box::pin(self.handler.clone().call(request, Arc::clone(&self.state))),
        }
    }
}

/// The future of a [`HandlerService`].
#[pin_project]
pub struct ResponseFuture {
    #[pin]
    inner: BoxFuture<'static, Result<Response, BoxError>>,
}

impl Future for ResponseFuture {
    type Output = Result<Response, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.project().inner.poll(cx)
    }
}

impl fmt::Debug for ResponseFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
