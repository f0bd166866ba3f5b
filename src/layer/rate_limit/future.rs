//! The future of a rate limit.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project::pin_project;
use tower::BoxError;

use super::Taken;
use crate::inspect::Visit;
use crate::layer::passage::Passage;
use crate::rejection::Rejection;
use crate::response::{Response, RouteKind};

/// The future of a [`RateLimit`](super::RateLimit).
#[pin_project]
pub struct ResponseFuture<F> {
    #[pin]
    passage: Passage<F>,
    taken: Option<Taken>,
}

impl<F> ResponseFuture<F> {
    pub(super) fn passed(inner: F, taken: Option<Taken>, visit: Visit) -> Self {
        Self {
            passage: Passage::passed(inner, visit),
            taken,
        }
    }

    pub(super) fn refused(rejection: Rejection, visit: Visit) -> Self {
        Self {
            passage: Passage::refused(rejection, "too often", visit),
            taken: None,
        }
    }
}

impl<F, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response, E>>,
    E: Into<BoxError>,
{
    type Output = Result<Response, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let result = ready!(this.passage.poll(cx));
        if let (Some(taken), Ok(response)) = (this.taken.take(), &result)
            && is_of_another_bot(response)
        {
            taken.undo();
        }
        Poll::Ready(result)
    }
}

/// Whether the router neither has the command, nor said anything about it.
fn is_of_another_bot(response: &Response) -> bool {
    response.is_unknown_command()
        && response
            .outcomes()
            .all(|outcome| outcome.kind() != RouteKind::Command)
}

impl<F> fmt::Debug for ResponseFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
