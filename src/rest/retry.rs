//! Which calls are made again, and when.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use hyper_util::client::legacy;
use pin_project::pin_project;
use tokio::time::Sleep;
use tower::BoxError;
use tower::retry::Policy;

use super::call::Meta;
use super::limit;
use crate::transport::connect_failure::{ConnectFailure, root_cause};

const BASE: Duration = Duration::from_millis(250);
const MAX: Duration = Duration::from_secs(10);

/// A limit is always waited for, and a connection that could not be opened is always tried again: nothing was done. When
/// nobody knows whether it was done, only what may be done twice is repeated.
#[derive(Debug, Clone)]
pub(crate) struct RetryPolicy {
    left: u32,
    done: u32,
}

impl RetryPolicy {
    pub(crate) fn new(max_retries: u32) -> Self {
        Self {
            left: max_retries,
            done: 0,
        }
    }

    /// Half of the time is fixed, half by chance.
    fn backoff(&self) -> Duration {
        let wait = (BASE * 2_u32.pow(self.done.min(10))).min(MAX);
        wait / 2 + (wait / 2).mul_f64(fastrand::f64())
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
            Ok(response) => {
                let passes = [
                    StatusCode::BAD_GATEWAY,
                    StatusCode::SERVICE_UNAVAILABLE,
                    StatusCode::GATEWAY_TIMEOUT,
                ]
                .contains(&response.status());
                (passes && meta.idempotent).then(|| {
                    let asked = limit::from_retry_after(response.headers()).unwrap_or_default();
                    (self.backoff().max(asked.min(MAX)), response.status().to_string())
                })
            }
            Err(error) => {
                let is_connect = error
                    .downcast_ref::<legacy::Error>()
                    .is_some_and(legacy::Error::is_connect);
                let retry = match is_connect {
                    true => !ConnectFailure::of(&**error).is_permanent(),
                    false => meta.idempotent && is_transport(&**error),
                };
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
        let left = self.left.checked_sub(1)?;
        let (wait, why) = self.next(meta, result)?;
        self.left = left;
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

    fn retried(result: &Result<Response<Bytes>, BoxError>, idempotent: bool) -> bool {
        let meta = Meta {
            idempotent,
            anonymous: false,
            sensitive: false,
        };
        RetryPolicy::new(8).next(meta, result).is_some()
    }

    #[test]
    fn what_is_retried() {
        for status in [502, 503, 504] {
            assert!(
                retried(&response(status), true) && !retried(&response(status), false),
                "{status}"
            );
        }
        for status in [200, 400, 401, 403, 404, 500] {
            assert!(!retried(&response(status), true), "{status}");
        }
        assert!(retried(&response(429), true) && retried(&response(429), false));
        let timeout = || Err(tower::timeout::error::Elapsed::new().into());
        assert!(retried(&timeout(), true) && !retried(&timeout(), false));
        assert!(!retried(&Err("too long".into()), true));
    }

    #[test]
    fn waits_grow_to_a_limit() {
        let policy = RetryPolicy { left: 1, done: 0 };
        assert!((125..=250).contains(&policy.backoff().as_millis()));
        let policy = RetryPolicy {
            left: 1,
            done: u32::MAX,
        };
        assert!((5_000..=10_000).contains(&policy.backoff().as_millis()));
    }
}
