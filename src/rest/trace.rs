//! The layer that logs each call: how it ended and how long it took, retries included.

use std::borrow::Cow;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{Response, StatusCode};
use pin_project::pin_project;
use tokio::time::Instant;
use tower::{BoxError, Layer, Service};
use tracing::Span;

use super::call::Call;
use crate::health::meter;

#[derive(Debug, Clone, Copy)]
pub(crate) struct TraceLayer;

impl<S> Layer<S> for TraceLayer {
    type Service = Trace<S>;

    fn layer(&self, inner: S) -> Trace<S> {
        Trace { inner }
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Trace<S> {
    inner: S,
}

impl<S> Service<Call> for Trace<S>
where
    S: Service<Call, Response = Response<Bytes>, Error = BoxError>,
{
    type Response = Response<Bytes>;
    type Error = BoxError;
    type Future = TraceFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, call: Call) -> Self::Future {
        let span = tracing::debug_span!("rest", method = %call.method, path = %call.path);
        let sensitive = call.meta.sensitive;
        // What has no type of its own may have an id in it.
        let endpoint = match call.path {
            Cow::Borrowed(path) => path,
            Cow::Owned(_) => "other",
        };
        if let Some(body) = &call.body
            && !sensitive
        {
            // Texts of messages: only for those who ask for everything.
            tracing::trace!(parent: &span, body = %String::from_utf8_lossy(body), "request");
        }
        let inner = span.in_scope(|| self.inner.call(call));
        TraceFuture {
            inner,
            span,
            sensitive,
            endpoint,
            start: Instant::now(),
        }
    }
}

#[pin_project]
#[derive(Debug)]
pub(crate) struct TraceFuture<F> {
    #[pin]
    inner: F,
    span: Span,
    sensitive: bool,
    endpoint: &'static str,
    start: Instant,
}

impl<F> Future for TraceFuture<F>
where
    F: Future<Output = Result<Response<Bytes>, BoxError>>,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let _entered = this.span.enter();
        let result = ready!(this.inner.poll(cx));
        let latency = this.start.elapsed();
        let status = result.as_ref().ok().map(|response| response.status().as_u16());
        meter::rest::answered(this.endpoint, status, latency);
        match &result {
            Ok(response) => {
                tracing::debug!(status = response.status().as_u16(), ?latency, "answered");
                if !*this.sensitive && response.status() != StatusCode::UNAUTHORIZED {
                    tracing::trace!(body = %String::from_utf8_lossy(response.body()), "response");
                }
            }
            Err(error) => tracing::debug!(error = %error, ?latency, "failed"),
        }
        Poll::Ready(result)
    }
}
