//! What the layers that drop events answer with.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project::pin_project;

use crate::inspect::Visit;
use crate::response::Response;

/// The future of a layer that drops events: empty for one that is dropped.
#[pin_project]
pub struct ResponseFuture<F> {
    /// `None` for an event that is dropped.
    #[pin]
    pub(super) inner: Option<F>,
    pub(super) visit: Visit,
}

impl<F, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response, E>>,
{
    type Output = Result<Response, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let result = match this.inner.as_pin_mut() {
            Some(inner) => ready!(inner.poll(cx)),
            None => {
                this.visit.leave_with("dropped");
                Ok(Response::empty())
            }
        };
        this.visit.leave(&result);
        Poll::Ready(result)
    }
}

impl<F> fmt::Debug for ResponseFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture")
            .field("is_dropped", &self.inner.is_none())
            .finish_non_exhaustive()
    }
}
