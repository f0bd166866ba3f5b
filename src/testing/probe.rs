//! A service that watches how it is used.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use pin_project::pin_project;
use tower::{BoxError, Service};

use crate::request::Request;
use crate::response::{Action, Response, Send};

/// The service that the [contract test](super::contract::check) puts inside of a layer. It has room for one request at
/// a time: being ready takes the place, and the end of the response's future gives it back.
pub struct Probe {
    shared: Arc<Mutex<Shared>>,
    /// Held while this instance is ready. A clone is another instance, and is not.
    place: Option<Place>,
}

/// How the probe answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Readiness {
    #[default]
    Open,
    /// Not ready for now.
    Busy,
    /// Never again.
    Broken,
}

#[derive(Default)]
struct Shared {
    readiness: Readiness,
    /// Whether responses never come.
    hangs: bool,
    is_taken: bool,
    calls: usize,
    wakers: Vec<Waker>,
    violations: Vec<&'static str>,
}

/// The one place.
struct Place(Arc<Mutex<Shared>>);

/// What the test sees and steers.
#[derive(Clone)]
pub(super) struct Handle(Arc<Mutex<Shared>>);

fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

fn wake_all(shared: &Mutex<Shared>) {
    let wakers = std::mem::take(&mut lock(shared).wakers);
    wakers.into_iter().for_each(Waker::wake);
}

impl Probe {
    pub(super) fn new() -> (Self, Handle) {
        let shared = Arc::<Mutex<Shared>>::default();
        let handle = Handle(Arc::clone(&shared));
        (Self { shared, place: None }, handle)
    }
}

impl Handle {
    pub(super) fn set_readiness(&self, readiness: Readiness) {
        lock(&self.0).readiness = readiness;
        wake_all(&self.0);
    }

    pub(super) fn set_hangs(&self, hangs: bool) {
        lock(&self.0).hangs = hangs;
    }

    pub(super) fn calls(&self) -> usize {
        lock(&self.0).calls
    }

    pub(super) fn is_taken(&self) -> bool {
        lock(&self.0).is_taken
    }

    pub(super) fn has_waker(&self) -> bool {
        !lock(&self.0).wakers.is_empty()
    }

    pub(super) fn take_violation(&self) -> Option<&'static str> {
        lock(&self.0).violations.pop()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        lock(&self.0).is_taken = false;
        wake_all(&self.0);
    }
}

impl Clone for Probe {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
            place: None,
        }
    }
}

impl fmt::Debug for Probe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Probe")
            .field("is_ready", &self.place.is_some())
            .finish_non_exhaustive()
    }
}

impl Service<Request> for Probe {
    type Response = Response;
    type Error = BoxError;
    type Future = ProbeFuture;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        let mut shared = lock(&self.shared);
        if shared.readiness == Readiness::Broken {
            return Poll::Ready(Err("the probe is broken".into()));
        }
        if self.place.is_some() {
            return Poll::Ready(Ok(()));
        }
        if shared.readiness == Readiness::Busy || shared.is_taken {
            shared.wakers.push(cx.waker().clone());
            return Poll::Pending;
        }
        shared.is_taken = true;
        self.place = Some(Place(Arc::clone(&self.shared)));
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _request: Request) -> Self::Future {
        let place = self.place.take();
        let mut shared = lock(&self.shared);
        shared.calls += 1;
        if place.is_none() {
            shared
                .violations
                .push("it called the service inside on an instance that was not made ready");
        }
        ProbeFuture {
            place,
            hangs: shared.hangs,
        }
    }
}

/// The future of a [`Probe`].
#[pin_project]
pub struct ProbeFuture {
    place: Option<Place>,
    hangs: bool,
}

impl Future for ProbeFuture {
    type Output = Result<Response, BoxError>;

    fn poll(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        if *this.hangs {
            return Poll::Pending;
        }
        *this.place = None;
        Poll::Ready(Ok(Response::from(Action::from(Send::text("probed")))))
    }
}

impl fmt::Debug for ProbeFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProbeFuture")
            .field("hangs", &self.hangs)
            .finish_non_exhaustive()
    }
}
