//! The layer that holds a call back while the server would refuse it.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, header};
use hyper_util::client::legacy;
use pin_project::pin_project;
use tokio::time::{Instant, Sleep, sleep_until};
use tower::util::Oneshot;
use tower::{BoxError, Layer, Service, ServiceExt as _};

use super::call::Meta;
use super::limit;
use super::limiter::{LimitExceeded, Limiter, Pass, Patience, Place, Turn, Turned};
use super::quota::Answer;
use crate::inspect::Waits;

#[derive(Debug, Clone)]
pub(crate) struct LimitLayer {
    pub(crate) limiter: Limiter,
    pub(crate) longest_wait: Duration,
    /// Whether that counts from the call on, and not only while it is the first in its line.
    pub(crate) is_in_a_hurry: bool,
}

impl<S> Layer<S> for LimitLayer {
    type Service = Limit<S>;

    fn layer(&self, inner: S) -> Limit<S> {
        Limit {
            inner,
            config: self.clone(),
        }
    }
}

/// Always ready: a call waits by itself, so that it holds up no call of another endpoint.
#[derive(Debug, Clone)]
pub(crate) struct Limit<S> {
    inner: S,
    config: LimitLayer,
}

impl<S, B> Service<Request<B>> for Limit<S>
where
    S: Service<Request<B>, Response = Response<Bytes>, Error = BoxError> + Clone,
{
    type Response = Response<Bytes>;
    type Error = BoxError;
    type Future = LimitFuture<S, B>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> LimitFuture<S, B> {
        let is_anonymous = request
            .extensions()
            .get::<Meta>()
            .is_some_and(|meta| meta.anonymous);
        let patience = match self.config.is_in_a_hurry {
            true => Patience::Until(Instant::now() + self.config.longest_wait),
            false => Patience::AsFirst(self.config.longest_wait),
        };
        let place = request.extensions().get::<Turn>().map(|turn| {
            let limiter = self.config.limiter.clone();
            Place::new(limiter, request.method(), turn, is_anonymous, patience)
        });
        let waiting = Waiting {
            place,
            timer: None,
            waits: Waits::begin(),
            call: Some((self.inner.clone(), request)),
        };
        LimitFuture(State::Waiting(waiting))
    }
}

#[pin_project]
pub(crate) struct LimitFuture<S: Service<Request<B>>, B>(#[pin] State<S, B>);

struct Waiting<S, B> {
    /// None for a call that nobody counts.
    place: Option<Place>,
    timer: Option<(Instant, Pin<Box<Sleep>>)>,
    /// For whoever looks at the action.
    waits: Waits,
    call: Option<(S, Request<B>)>,
}

#[pin_project(project = StateProj)]
enum State<S: Service<Request<B>>, B> {
    Waiting(Waiting<S, B>),
    Calling(#[pin] Oneshot<S, Request<B>>, Option<Pass>),
}

impl<S, B> Waiting<S, B> {
    /// The call goes when it is its turn.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Pass>, LimitExceeded>> {
        let Some(place) = &mut self.place else {
            return Poll::Ready(Ok(None));
        };
        loop {
            let at = match place.ask(Instant::now(), cx.waker()) {
                Turned::Go(pass) => return Poll::Ready(Ok(pass)),
                Turned::GiveUp(error) => return Poll::Ready(Err(error)),
                // Behind others it is woken when it is its turn.
                Turned::Wait(at) => match at.into_iter().chain(place.until()).min() {
                    Some(at) => at,
                    None => return Poll::Pending,
                },
            };
            let (_, timer) = match &mut self.timer {
                Some((set, timer)) => {
                    if *set != at {
                        timer.as_mut().reset(at);
                        *set = at;
                    }
                    (set, timer)
                }
                none => {
                    let (set, timer) = none.insert((at, Box::pin(sleep_until(at))));
                    (set, timer)
                }
            };
            ready!(timer.as_mut().poll(cx));
        }
    }
}

impl<S, B> Future for LimitFuture<S, B>
where
    S: Service<Request<B>, Response = Response<Bytes>, Error = BoxError>,
{
    type Output = Result<Response<Bytes>, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.project().0;
        loop {
            match state.as_mut().project() {
                StateProj::Waiting(waiting) => {
                    let polled = ready!(waiting.poll(cx));
                    waiting.waits.end();
                    let pass = polled?;
                    let Some((inner, request)) = waiting.call.take() else {
                        // Polled after it was ready: there is nothing to wait for.
                        return Poll::Pending;
                    };
                    state.set(State::Calling(inner.oneshot(request), pass));
                }
                StateProj::Calling(call, pass) => {
                    let result = ready!(call.poll(cx));
                    if let Some(pass) = pass.take() {
                        pass.answered(answer_of(&result));
                    }
                    return Poll::Ready(result);
                }
            }
        }
    }
}

/// By chance, so that those who are refused together do not come back together.
fn least_wait() -> Duration {
    Duration::from_secs(1).mul_f64(1.0 + fastrand::f64())
}

/// What an answer says about the limit.
fn answer_of(result: &Result<Response<Bytes>, BoxError>) -> Answer {
    let response = match result {
        Ok(response) => response,
        Err(error) => {
            let is_connect = error
                .downcast_ref::<legacy::Error>()
                .is_some_and(legacy::Error::is_connect);
            return match is_connect {
                true => Answer::NotSent,
                false => Answer::Unknown,
            };
        }
    };
    let is_refused = limit::is_limited(response);
    match limit::window(response.headers()) {
        Some(window) if !is_refused => Answer::Counted { window, is_refused },
        Some(window)
            if window.until.is_some_and(|until| !until.is_zero())
                && !response.headers().contains_key(header::RETRY_AFTER) =>
        {
            Answer::Counted { window, is_refused }
        }
        // "At once" would be for ever: who is refused then too would not stop asking.
        _ if is_refused => Answer::Refused(limit::retry_after(response).max(least_wait())),
        // A proxy's page says nothing about the server.
        None if response.status().is_success() && limit::is_json(response) => Answer::Unlimited,
        _ => Answer::Unknown,
    }
}

#[cfg(test)]
mod tests;
