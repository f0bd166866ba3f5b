//! A layer from an async function.

use std::any::type_name;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_util::TryFutureExt;
use futures_util::future::BoxFuture;
use pin_project::pin_project;
use tower::{BoxError, Layer, Service};

use crate::inspect::{Visit, enter};
use crate::request::Request;
use crate::response::{IntoResponse, Response};

/// Makes a layer of an async function that gets each request and what comes [next](Next).
///
/// The function may change the request, answer by itself, run what comes next, and change what that answered. It
/// returns whatever [is a response](IntoResponse). The service inside has to be `Clone`, since the function may wait
/// before it runs it, while other requests go on.
///
/// ```
/// use rocketbotte::layer::from_fn::{Next, from_fn};
/// use rocketbotte::{BoxError, Request, Response, Router};
/// use tower::ServiceBuilder;
///
/// async fn polite(request: Request, next: Next) -> Result<Response, BoxError> {
///     let mut response = next.run(request).await?;
///     response.retain_actions(|action| action.name() != "delete");
///     Ok(response)
/// }
///
/// let app = ServiceBuilder::new().layer(from_fn(polite)).service(Router::new());
/// # fn is_service(_: impl tower::Service<rocketbotte::Request>) {}
/// # is_service(app);
/// ```
pub fn from_fn<F, Fut>(function: F) -> FromFnLayer<F>
where
    F: Fn(Request, Next) -> Fut,
    Fut: Future<Output: IntoResponse> + Send,
{
    FromFnLayer { function }
}

/// Like [`from_fn`], for a function that also gets a clone of a state.
///
/// ```
/// use std::sync::Arc;
/// use std::sync::atomic::{AtomicU64, Ordering};
/// use rocketbotte::layer::from_fn::{Next, from_fn_with_state};
/// use rocketbotte::{BoxError, Request, Response, Router};
/// use tower::ServiceBuilder;
///
/// async fn count(events: Arc<AtomicU64>, request: Request, next: Next) -> Result<Response, BoxError> {
///     events.fetch_add(1, Ordering::Relaxed);
///     next.run(request).await
/// }
///
/// let events = Arc::new(AtomicU64::new(0));
/// let app = ServiceBuilder::new().layer(from_fn_with_state(events, count)).service(Router::new());
/// # fn is_service(_: impl tower::Service<rocketbotte::Request>) {}
/// # is_service(app);
/// ```
pub fn from_fn_with_state<T, F, Fut>(
    state: T,
    function: F,
) -> FromFnLayer<impl Fn(Request, Next) -> Fut + Clone>
where
    T: Clone,
    F: Fn(T, Request, Next) -> Fut + Clone,
    Fut: Future<Output: IntoResponse> + Send,
{
    from_fn(move |request, next| function(state.clone(), request, next))
}

/// The name of a function without its path, as its type tells it; a closure's is that of the function around it.
fn function_name<F>() -> &'static str {
    let path = type_name::<F>().trim_end_matches("::{{closure}}");
    let path = path.split('<').next().unwrap_or(path);
    path.rsplit("::").next().unwrap_or(path)
}

/// A layer made by [`from_fn`].
#[derive(Clone, Copy)]
#[must_use]
pub struct FromFnLayer<F> {
    function: F,
}

impl<F> fmt::Debug for FromFnLayer<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FromFnLayer")
            .field("function", &type_name::<F>())
            .finish()
    }
}

impl<F: Clone, S> Layer<S> for FromFnLayer<F> {
    type Service = FromFn<S, F>;

    fn layer(&self, inner: S) -> Self::Service {
        FromFn {
            inner,
            function: self.function.clone(),
        }
    }
}

/// The service of a [`FromFnLayer`].
#[derive(Clone, Copy)]
pub struct FromFn<S, F> {
    inner: S,
    function: F,
}

super::accessors!(FromFn<F>);

impl<S, F> fmt::Debug for FromFn<S, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FromFn")
            .field("function", &type_name::<F>())
            .finish_non_exhaustive()
    }
}

impl<S, F, Fut> Service<Request> for FromFn<S, F>
where
    S: Service<Request, Response = Response> + Clone + Send + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send + 'static,
    F: Fn(Request, Next) -> Fut,
    Fut: Future<Output: IntoResponse>,
{
    type Response = Response;
    type Error = BoxError;
    type Future = ResponseFuture<Fut>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, mut request: Request) -> Self::Future {
        let visit = enter(&mut request, || function_name::<F>());
        // The service that is ready goes along; its clone stays, and is made ready for the next request.
        let clone = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, clone);
        let next = Next {
            run: Box::new(move |request| Box::pin(inner.call(request).map_err(Into::into))),
        };
        ResponseFuture {
            inner: (self.function)(request, next),
            visit,
        }
    }
}

/// What comes next: the service inside, ready for one request.
pub struct Next {
    run: Box<dyn FnOnce(Request) -> BoxFuture<'static, Result<Response, BoxError>> + Send>,
}

impl Next {
    /// Runs what comes next.
    ///
    /// # Errors
    ///
    /// What went wrong there.
    pub async fn run(self, request: Request) -> Result<Response, BoxError> {
        (self.run)(request).await
    }
}

impl fmt::Debug for Next {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Next").finish_non_exhaustive()
    }
}

/// The future of a [`FromFn`].
#[pin_project]
pub struct ResponseFuture<Fut> {
    #[pin]
    inner: Fut,
    visit: Visit,
}

impl<Fut> Future for ResponseFuture<Fut>
where
    Fut: Future<Output: IntoResponse>,
{
    type Output = Result<Response, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let result = ready!(this.inner.poll(cx)).into_response();
        this.visit.leave(&result);
        Poll::Ready(result)
    }
}

impl<Fut> fmt::Debug for ResponseFuture<Fut> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
