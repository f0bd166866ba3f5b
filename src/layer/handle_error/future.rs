//! The future of an error handler.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project::pin_project;
use tower::BoxError;

use super::answer::{Asked, answer_error, answer_failures};
use crate::inspect::Visit;
use crate::response::Response;

/// The future of a [`HandleError`](super::HandleError).
#[pin_project]
pub struct ResponseFuture<F> {
    #[pin]
    inner: F,
    asked: Asked,
    visit: Visit,
}

impl<F> ResponseFuture<F> {
    pub(super) fn new(inner: F, asked: Asked, visit: Visit) -> Self {
        Self { inner, asked, visit }
    }
}

impl<F, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response, E>>,
    E: Into<BoxError>,
{
    type Output = Result<Response, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let response = match ready!(this.inner.poll(cx)) {
            Ok(mut response) => {
                answer_failures(&mut response, this.asked);
                response
            }
            Err(error) => {
                this.visit.leave_with("answered an error");
                answer_error(error.into(), this.asked)
            }
        };
        this.visit.leave(&Ok::<_, ()>(()));
        Poll::Ready(Ok(response))
    }
}

impl<F> fmt::Debug for ResponseFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
