//! The layer that records.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use pin_project::pin_project;
use tokio::time::Instant;
use tower::{BoxError, Layer, Service};

use super::job::Outlet;
use super::tap::Tap;
use crate::request::Request;
use crate::response::Response;

/// Records every event that passes, and what the pipeline inside answers: from [`Recorder::layer`](super::Recorder::layer).
#[derive(Clone)]
pub struct RecordLayer {
    outlet: Outlet,
    began: Instant,
    number: Arc<AtomicU64>,
}

impl RecordLayer {
    pub(crate) fn new(outlet: Outlet) -> Self {
        Self {
            outlet,
            began: Instant::now(),
            number: Arc::default(),
        }
    }
}

impl<S> Layer<S> for RecordLayer {
    type Service = Record<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Record {
            inner,
            layer: self.clone(),
        }
    }
}

impl fmt::Debug for RecordLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecordLayer")
            .field("events", &self.number)
            .finish_non_exhaustive()
    }
}

/// The service of a [`RecordLayer`].
#[derive(Clone, Debug)]
pub struct Record<S> {
    inner: S,
    layer: RecordLayer,
}

impl<S> Service<Request> for Record<S>
where
    S: Service<Request, Response = Response>,
    S::Error: Into<BoxError>,
{
    type Response = Response;
    type Error = BoxError;
    type Future = RecordFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, mut request: Request) -> Self::Future {
        let number = self.layer.number.fetch_add(1, Ordering::Relaxed) + 1;
        let at_ms = u64::try_from(self.layer.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        let tap = Tap::new(self.layer.outlet.clone(), request.clone(), number, at_ms);
        request.extensions_mut().insert(tap.clone());
        RecordFuture {
            inner: self.inner.call(request),
            tap,
        }
    }
}

/// The future of a [`Record`].
#[pin_project]
pub struct RecordFuture<F> {
    #[pin]
    inner: F,
    tap: Tap,
}

impl<F, E> Future for RecordFuture<F>
where
    F: Future<Output = Result<Response, E>>,
    E: Into<BoxError>,
{
    type Output = Result<Response, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let result = ready!(this.inner.poll(cx)).map_err(Into::into);
        Poll::Ready(match result {
            Ok(mut response) => {
                this.tap.answered(&response);
                let tap = this.tap.clone();
                response.map_running(move |response| {
                    tap.ended_later(&response);
                    response
                });
                Ok(response)
            }
            Err(error) => {
                this.tap.failed(&error);
                Err(error)
            }
        })
    }
}

impl<F> fmt::Debug for RecordFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecordFuture")
            .field("tap", &self.tap)
            .finish_non_exhaustive()
    }
}
