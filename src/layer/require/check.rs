//! Conditions that need time.

use std::borrow::Cow;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use pin_project::pin_project;

use crate::request::Request;

/// A condition that may wait for something: a lookup, a database.
pub trait Check: Clone {
    /// Whether the request may pass.
    type Future: Future<Output = bool>;

    /// Asks for a request.
    fn check(&self, request: &Request) -> Self::Future;
}

/// An async function as a [`Check`].
#[derive(Clone)]
pub struct FnCheck<F> {
    pub(super) function: F,
}

impl<F, Fut> Check for FnCheck<F>
where
    F: Fn(Request) -> Fut + Clone,
    Fut: Future<Output = bool>,
{
    type Future = Fut;

    fn check(&self, request: &Request) -> Self::Future {
        (self.function)(request.clone())
    }
}

impl<F> fmt::Debug for FnCheck<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FnCheck").finish_non_exhaustive()
    }
}

/// A condition that is known at once.
#[derive(Clone)]
pub struct Predicate {
    /// In words; empty where nobody said.
    pub(super) description: Cow<'static, str>,
    pub(super) holds: Arc<dyn Fn(&Request) -> bool + Send + Sync>,
}

impl fmt::Debug for Predicate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Predicate").finish_non_exhaustive()
    }
}

/// A condition that is asked for before the service runs.
#[pin_project]
pub(super) struct Checking<Fut> {
    #[pin]
    pub(super) check: Fut,
    pub(super) request: Option<Request>,
}

impl<Fut: Future<Output = bool>> Future for Checking<Fut> {
    /// `None` if it was polled again after it was ready.
    type Output = Option<(bool, Request)>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        if this.request.is_none() {
            return Poll::Ready(None);
        }
        this.check
            .poll(cx)
            .map(|holds| this.request.take().map(|request| (holds, request)))
    }
}
