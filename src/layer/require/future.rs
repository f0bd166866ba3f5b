//! The futures of a condition.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project::pin_project;
use tower::{BoxError, Service};

use super::check::Checking;
use super::{REFUSED, Refusal};
use crate::inspect::Visit;
use crate::layer::passage::Passage;
use crate::rejection::Rejection;
use crate::request::Request;
use crate::response::Response;

/// The future of a [`Require`](super::Require) that knows at once.
#[pin_project]
pub struct ResponseFuture<F>(#[pin] Passage<F>);

impl<F> ResponseFuture<F> {
    pub(super) fn passed(inner: F, visit: Visit) -> Self {
        Self(Passage::passed(inner, visit))
    }

    pub(super) fn refused(rejection: Rejection, visit: Visit) -> Self {
        Self(Passage::refused(rejection, REFUSED, visit))
    }
}

impl<F, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response, E>>,
    E: Into<BoxError>,
{
    type Output = Result<Response, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.project().0.poll(cx)
    }
}

impl<F> fmt::Debug for ResponseFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}

/// The future of a [`Require`](super::Require) that has to ask.
#[pin_project]
pub struct CheckFuture<S, Fut>
where
    S: Service<Request>,
{
    #[pin]
    state: CheckState<S, Fut>,
    visit: Visit,
}

#[pin_project(project = CheckStateProj)]
#[expect(
    clippy::large_enum_variant,
    reason = "the request waits for the check in place: a box would cost an allocation for each"
)]
enum CheckState<S, Fut>
where
    S: Service<Request>,
{
    Checking {
        #[pin]
        checking: Checking<Fut>,
        inner: S,
        refusal: Option<Refusal>,
    },
    Calling(#[pin] S::Future),
    Finished,
}

impl<S, Fut> CheckFuture<S, Fut>
where
    S: Service<Request>,
{
    pub(super) fn new(checking: Checking<Fut>, inner: S, refusal: Refusal, visit: Visit) -> Self {
        Self {
            state: CheckState::Checking {
                checking,
                inner,
                refusal: Some(refusal),
            },
            visit,
        }
    }
}

impl<S, Fut> CheckFuture<S, Fut>
where
    S: Service<Request>,
{
    pub(super) fn unchecked(inner: S::Future, visit: Visit) -> Self {
        Self {
            state: CheckState::Calling(inner),
            visit,
        }
    }
}

impl<S, Fut> Future for CheckFuture<S, Fut>
where
    S: Service<Request, Response = Response>,
    S::Error: Into<BoxError>,
    Fut: Future<Output = bool>,
{
    type Output = Result<Response, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let mut state = this.state;
        loop {
            let next = match state.as_mut().project() {
                CheckStateProj::Checking {
                    checking,
                    inner,
                    refusal,
                } => {
                    let request = match (ready!(checking.poll(cx)), refusal.take()) {
                        (Some((true, request)), _) => Ok(request),
                        (Some((false, request)), Some(refusal)) => {
                            this.visit.note(REFUSED);
                            refusal.apply(request)
                        }
                        // Polled again after it was ready, which the contract of `Future` leaves open.
                        (None, _) | (_, None) => return Poll::Ready(Ok(Response::empty())),
                    };
                    match request {
                        Ok(request) => CheckState::Calling(inner.call(request)),
                        Err(rejection) => {
                            // The service was ready for nothing: what it holds is given back.
                            state.set(CheckState::Finished);
                            this.visit.leave_with(REFUSED);
                            return Poll::Ready(Err(rejection.into()));
                        }
                    }
                }
                CheckStateProj::Calling(future) => {
                    let result = ready!(future.poll(cx));
                    this.visit.leave(&result);
                    return Poll::Ready(result.map_err(Into::into));
                }
                CheckStateProj::Finished => return Poll::Ready(Ok(Response::empty())),
            };
            state.set(next);
        }
    }
}

impl<S, Fut> fmt::Debug for CheckFuture<S, Fut>
where
    S: Service<Request>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CheckFuture").finish_non_exhaustive()
    }
}
