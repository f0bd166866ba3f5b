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
    pub(super) fn of_routes(run: RunRoutes) -> Self {
        Self {
            state: State::Routes(run),
        }
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
            StateProj::Routes(run) => run.poll_response(cx),
            StateProj::Layered(future) => future.poll(cx),
        }
    }
}

impl fmt::Debug for RouterFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RouterFuture").finish_non_exhaustive()
    }
}
