//! The layer that gives up an attempt without an answer in time. While a file goes up, the time counts from the last
//! part of it that left.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use http::Request;
use pin_project::pin_project;
use tokio::time::{Instant, Sleep, sleep};
use tower::timeout::error::Elapsed;
use tower::{BoxError, Layer, Service};

/// When something last went on. It travels in the request's extensions.
#[derive(Clone, Debug)]
pub(crate) struct Activity(Arc<Mutex<Instant>>);

impl Default for Activity {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(Instant::now())))
    }
}

impl Activity {
    pub(crate) fn note(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    fn last(&self) -> Instant {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct TimeoutLayer(pub(crate) Duration);

impl<S> Layer<S> for TimeoutLayer {
    type Service = Timeout<S>;

    fn layer(&self, inner: S) -> Timeout<S> {
        Timeout { inner, after: self.0 }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Timeout<S> {
    inner: S,
    after: Duration,
}

impl<S, B> Service<Request<B>> for Timeout<S>
where
    S: Service<Request<B>>,
    S::Error: Into<BoxError>,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = TimeoutFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let activity = request.extensions().get::<Activity>().cloned();
        if let Some(activity) = &activity {
            activity.note();
        }
        TimeoutFuture {
            inner: self.inner.call(request),
            sleep: sleep(self.after),
            after: self.after,
            activity,
        }
    }
}

#[pin_project]
#[derive(Debug)]
pub(crate) struct TimeoutFuture<F> {
    #[pin]
    inner: F,
    #[pin]
    sleep: Sleep,
    after: Duration,
    activity: Option<Activity>,
}

impl<F, T, E> Future for TimeoutFuture<F>
where
    F: Future<Output = Result<T, E>>,
    E: Into<BoxError>,
{
    type Output = Result<T, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        if let Poll::Ready(result) = this.inner.poll(cx) {
            return Poll::Ready(result.map_err(Into::into));
        }
        loop {
            ready!(this.sleep.as_mut().poll(cx));
            let until = this
                .activity
                .as_ref()
                .map(|activity| activity.last() + *this.after);
            match until.filter(|until| *until > Instant::now()) {
                Some(until) => this.sleep.as_mut().reset(until),
                None => return Poll::Ready(Err(Elapsed::new().into())),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tower::ServiceExt as _;

    use super::*;

    /// How long it takes until an attempt without an answer is given up, whose file went on for so many seconds.
    async fn given_up_after(active_for: Option<u64>) -> Duration {
        let second = Duration::from_secs(1);
        let service = TimeoutLayer(10 * second).layer(tower::service_fn(|_: Request<()>| {
            std::future::pending::<Result<(), BoxError>>()
        }));
        let mut request = Request::new(());
        if let Some(seconds) = active_for {
            let activity = Activity::default();
            request.extensions_mut().insert(activity.clone());
            tokio::spawn(async move {
                for _ in 0..seconds {
                    sleep(second).await;
                    activity.note();
                }
            });
        }
        let start = Instant::now();
        let error = service.oneshot(request).await.expect_err("no answer");
        assert!(error.is::<Elapsed>());
        start.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn a_file_that_goes_on_has_all_the_time_it_takes() {
        for (active_for, seconds) in [(None, 10), (Some(0), 10), (Some(3), 13), (Some(100), 110)] {
            assert_eq!(
                given_up_after(active_for).await.as_secs(),
                seconds,
                "{active_for:?}"
            );
        }
    }
}
