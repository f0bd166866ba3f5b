//! The future of a request that a layer passed on or refused.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project::pin_project;
use tower::BoxError;

use crate::inspect::Visit;
use crate::rejection::Rejection;
use crate::response::Response;

/// The answer of the service inside, or the refusal.
#[pin_project]
pub(super) struct Passage<F> {
    #[pin]
    state: State<F>,
    visit: Visit,
}

#[pin_project(project = StateProj)]
enum State<F> {
    Passed(#[pin] F),
    Refused {
        rejection: Option<Rejection>,
        /// What the inspector says of it.
        why: &'static str,
    },
}

impl<F> Passage<F> {
    pub(super) fn passed(inner: F, visit: Visit) -> Self {
        Self {
            state: State::Passed(inner),
            visit,
        }
    }

    pub(super) fn refused(rejection: Rejection, why: &'static str, visit: Visit) -> Self {
        let rejection = Some(rejection);
        Self {
            state: State::Refused { rejection, why },
            visit,
        }
    }
}

impl<F, E> Future for Passage<F>
where
    F: Future<Output = Result<Response, E>>,
    E: Into<BoxError>,
{
    type Output = Result<Response, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        match this.state.project() {
            StateProj::Passed(inner) => {
                let result = ready!(inner.poll(cx));
                this.visit.leave(&result);
                Poll::Ready(result.map_err(Into::into))
            }
            StateProj::Refused { rejection, why } => {
                this.visit.leave_with(why);
                // Polled again after it was ready, which the contract of `Future` leaves open, it has nothing to say.
                Poll::Ready(
                    rejection
                        .take()
                        .map_or_else(|| Ok(Response::empty()), |rejection| Err(rejection.into())),
                )
            }
        }
    }
}
