//! The future of a router.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::future::BoxFuture;
use pin_project::pin_project;
use tower::BoxError;

use super::run::RunRoutes;
use crate::response::Response;

/// The future of a [`Router`](super::Router).
#[pin_project]
pub struct RouterFuture {
    #[pin]
    state: State,
}

#[pin_project(project = StateProj)]
enum State {
    /// Nothing concerns the event.
    Nothing,
    /// No route concerns the event, but something was said.
    Ready(Option<Response>),
    Routes(RunRoutes),
    /// The router's own layers are around its routes.
    Layered(#[pin] BoxFuture<'static, Result<Response, BoxError>>),
}

impl RouterFuture {
    pub(super) fn nothing() -> Self {
        Self {
            state: State::Nothing,
        }
    }

    #[inline]
    pub(super) fn of_routes(mut run: RunRoutes) -> Self {
        let state = if run.is_empty() {
            State::Ready(Some(run.take_response()))
        } else {
            State::Routes(run)
        };
        Self { state }
    }

    pub(super) fn layered(future: BoxFuture<'static, Result<Response, BoxError>>) -> Self {
        Self {
            state: State::Layered(future),
        }
    }
}

impl Future for RouterFuture {
    type Output = Result<Response, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().state.project() {
            StateProj::Nothing => Poll::Ready(Ok(Response::empty())),
            StateProj::Ready(response) => {
                // Polled again after it was ready, which the contract of `Future` leaves open, it has nothing to say.
                Poll::Ready(Ok(response.take().unwrap_or_default()))
            }
            StateProj::Routes(run) => run.poll_done(cx).map(|()| Ok(run.take_response())),
            StateProj::Layered(future) => future.poll(cx),
        }
    }
}

impl fmt::Debug for RouterFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RouterFuture").finish_non_exhaustive()
    }
}
