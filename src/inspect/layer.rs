//! Shows any layer to the inspector.

use std::borrow::Cow;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project::pin_project;
use tower::{Layer, Service};

use super::{Visit, enter};
use crate::request::Request;

/// Shows a layer, of tower's or one's own, to the [`Inspector`](super::Inspector) under a name. Without an inspector it
/// is that layer. The example is at the [module](super).
pub fn named<L>(name: impl Into<Cow<'static, str>>, layer: L) -> NamedLayer<L> {
    NamedLayer {
        name: name.into(),
        layer,
    }
}

/// A layer with a name: see [`named`].
#[derive(Clone, Debug)]
#[must_use]
pub struct NamedLayer<L> {
    name: Cow<'static, str>,
    layer: L,
}

impl<S, L: Layer<S>> Layer<S> for NamedLayer<L> {
    type Service = Named<L::Service>;

    fn layer(&self, inner: S) -> Self::Service {
        Named {
            name: self.name.clone(),
            inner: self.layer.layer(inner),
        }
    }
}

/// The service of a [`NamedLayer`].
#[derive(Clone, Debug)]
pub struct Named<S> {
    name: Cow<'static, str>,
    inner: S,
}

crate::layer::accessors!(Named);

impl<S: Service<Request>> Service<Request> for Named<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = NamedFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request) -> Self::Future {
        let visit = enter(&mut request, || self.name.clone());
        NamedFuture {
            inner: self.inner.call(request),
            visit,
        }
    }
}

/// The future of a [`Named`] service.
#[pin_project]
pub struct NamedFuture<F> {
    #[pin]
    inner: F,
    visit: Visit,
}

impl<F: Future<Output = Result<T, E>>, T, E> Future for NamedFuture<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let result = ready!(this.inner.poll(cx));
        this.visit.leave(&result);
        Poll::Ready(result)
    }
}

impl<F> fmt::Debug for NamedFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NamedFuture").finish_non_exhaustive()
    }
}
