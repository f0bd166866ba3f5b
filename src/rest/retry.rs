//! Which calls are made again, and when.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper_util::client::legacy;
use pin_project::pin_project;
use tokio::time::{Instant, Sleep};
use tower::BoxError;
use tower::retry::Policy;

use super::call::Meta;
use super::limit;
use crate::transport::connect_failure::root_cause;

const BASE: Duration = Duration::from_millis(250);
/// The longest pause of our own choice.
const MAX: Duration = Duration::from_secs(30);
/// A call is not tried again later than this behind its first failure: long enough for a server that starts again.
const BUDGET: Duration = Duration::from_secs(5 * 60);

/// A limit is always waited for, and a connection that could not be opened is always tried again: nothing was done. A
/// host that is unknown or a certificate that is refused may be right again in a minute, so only those who connect for
/// the first time give up on them. When nobody knows whether it was done, only what may be done twice is repeated.
#[derive(Debug, Clone)]
pub(crate) struct RetryPolicy {
    /// `None`: as often as the time allows.
    max_retries: Option<u32>,
    done: u32,
    /// From the first failure on.
    until: Option<Instant>,
}

impl RetryPolicy {
    pub(crate) fn new(max_retries: Option<u32>) -> Self {
        Self {
            max_retries,
            done: 0,
            until: None,
        }
    }

    /// All of it by chance: those who fail together do not come back together.
    fn backoff(&self) -> Duration {
        self.longest_pause().mul_f64(fastrand::f64())
    }

    fn longest_pause(&self) -> Duration {
        (BASE * 2_u32.pow(self.done.min(10))).min(MAX)
    }

    /// The wait before the next attempt and why, if there is to be one.
    fn next(&self, meta: Meta, result: &Result<Response<Bytes>, BoxError>) -> Option<(Duration, String)> {
        match result {
            Ok(response) if limit::is_limited(response) => {
                // Those who wait for the same moment must not come back in the same moment.
                let spread = Duration::from_millis(250).mul_f64(fastrand::f64());
                Some((
                    limit::retry_after(response) + spread,
                    "too many requests".to_owned(),
                ))
            }
            Ok(response) => (response.status().is_server_error() && meta.idempotent).then(|| {
                let asked = limit::from_retry_after(response.headers()).unwrap_or_default();
                (self.backoff().max(asked.min(MAX)), response.status().to_string())
            }),
            Err(error) => {
                let is_connect = error
                    .downcast_ref::<legacy::Error>()
                    .is_some_and(legacy::Error::is_connect);
                let retry = is_connect || meta.idempotent && is_transport(&**error);
                retry.then(|| (self.backoff(), root_cause(&**error)))
            }
        }
    }
}

/// Whether the connection or the time failed, and not the request or its answer.
fn is_transport(error: &(dyn std::error::Error + 'static)) -> bool {
    error.is::<legacy::Error>() || error.is::<hyper::Error>() || error.is::<tower::timeout::error::Elapsed>()
}

impl Policy<Request<Full<Bytes>>, Response<Bytes>, BoxError> for RetryPolicy {
    type Future = Wait;

    fn retry(
        &mut self,
        request: &mut Request<Full<Bytes>>,
        result: &mut Result<Response<Bytes>, BoxError>,
    ) -> Option<Wait> {
        let meta = *request.extensions().get::<Meta>()?;
        if self.max_retries.is_some_and(|most| self.done >= most) {
            return None;
        }
        let (wait, why) = self.next(meta, result)?;
        let now = Instant::now();
        if now + wait > *self.until.get_or_insert(now + BUDGET) {
            return None;
        }
        self.done += 1;
        tracing::warn!(path = request.uri().path(), why, ?wait, "trying a call again");
        Some(Wait(tokio::time::sleep(wait)))
    }

    fn clone_request(&mut self, request: &Request<Full<Bytes>>) -> Option<Request<Full<Bytes>>> {
        Some(request.clone())
    }
}

/// The time until the next attempt.
#[pin_project]
pub(crate) struct Wait(#[pin] Sleep);

impl Future for Wait {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.project().0.poll(cx)
    }
}

impl fmt::Debug for Wait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wait").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn response(status: u16) -> Result<Response<Bytes>, BoxError> {
        Ok(Response::builder()
            .status(status)
            .body(Bytes::new())
            .expect("a response"))
    }

    fn meta(idempotent: bool) -> Meta {
        Meta {
            idempotent,
            anonymous: false,
            sensitive: false,
        }
    }

    fn retried(result: &Result<Response<Bytes>, BoxError>, idempotent: bool) -> bool {
        RetryPolicy::new(None).next(meta(idempotent), result).is_some()
    }

    #[test]
    fn what_is_retried() {
        for status in [500, 502, 503, 504, 520] {
            assert!(
                retried(&response(status), true) && !retried(&response(status), false),
                "{status}"
            );
        }
        for status in [200, 400, 401, 403, 404] {
            assert!(!retried(&response(status), true), "{status}");
        }
        assert!(retried(&response(429), true) && retried(&response(429), false));
        let timeout = || Err(tower::timeout::error::Elapsed::new().into());
        assert!(retried(&timeout(), true) && !retried(&timeout(), false));
        assert!(!retried(&Err("too long".into()), true));
    }

    #[test]
    fn pauses_grow_to_a_limit() {
        let mut policy = RetryPolicy::new(None);
        assert_eq!(policy.longest_pause().as_millis(), 250);
        policy.done = 3;
        assert_eq!(policy.longest_pause().as_millis(), 2000);
        policy.done = u32::MAX;
        assert_eq!(policy.longest_pause(), MAX);
        assert!((0..100).all(|_| policy.backoff() <= MAX));
    }

    /// How often a call that always fails is tried again, and for how long.
    async fn tries(mut policy: RetryPolicy, status: u16) -> (u32, Duration) {
        let start = Instant::now();
        let mut request = Request::new(Full::default());
        request.extensions_mut().insert(meta(true));
        while let Some(wait) = policy.retry(&mut request, &mut response(status)) {
            wait.await;
        }
        (policy.done, start.elapsed())
    }

    #[tokio::test(start_paused = true)]
    async fn it_is_tried_for_five_minutes() {
        let (tries_made, time) = tries(RetryPolicy::new(None), 503).await;
        assert!(
            tries_made > 10 && time > BUDGET - MAX && time <= BUDGET,
            "{tries_made} in {time:?}"
        );
        assert_eq!(tries(RetryPolicy::new(Some(2)), 503).await.0, 2);
        assert_eq!(tries(RetryPolicy::new(Some(0)), 503).await.0, 0);
        // A minute each, as the answer says nothing.
        assert_eq!(tries(RetryPolicy::new(None), 429).await.0, 4);
    }
}
