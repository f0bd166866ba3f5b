//! The future of a router.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::future::BoxFuture;
use pin_project::pin_project;
use tower::BoxError;

use super::run::RunRoutes;
use crate::inspect::Visit;
use crate::response::Response;

/// The future of a [`Router`](super::Router).
#[pin_project]
pub struct RouterFuture {
    #[pin]
    state: State,
    visit: Visit,
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
            visit: Visit::none(),
        }
    }

    #[inline]
    pub(super) fn of_routes(run: RunRoutes) -> Self {
        Self {
            state: State::Routes(run),
            visit: Visit::none(),
        }
    }

    pub(super) fn layered(future: BoxFuture<'static, Result<Response, BoxError>>) -> Self {
        Self {
            state: State::Layered(future),
            visit: Visit::none(),
        }
    }

    #[inline]
    pub(super) fn inspected(mut self, visit: Visit) -> Self {
        self.visit = visit;
        self
    }
}

impl Future for RouterFuture {
    type Output = Result<Response, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let polled = match this.state.project() {
            StateProj::Nothing => Poll::Ready(Ok(Response::empty())),
            StateProj::Routes(run) => run.poll_response(cx),
            StateProj::Layered(future) => future.poll(cx),
        };
        if let Poll::Ready(result) = &polled {
            this.visit.leave(result);
        }
        polled
    }
}

impl fmt::Debug for RouterFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RouterFuture").finish_non_exhaustive()
    }
}
