//! Which calls are made again, and when.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use hyper_util::client::legacy;
use pin_project::pin_project;
use serde::de::IgnoredAny;
use tokio::time::{Instant, Sleep};
use tower::BoxError;
use tower::retry::Policy;

use super::body::Body;
use super::call::Meta;
use super::collect::Streamed;
use super::file::form::SourceError;
use super::limit;
use super::retry_budget::RetryBudget;
use crate::health::meter;
use crate::inspect;
use crate::transport::connect_failure::root_cause;

const BASE: Duration = Duration::from_millis(250);
/// The longest pause of our own choice.
const MAX: Duration = Duration::from_secs(30);
/// A call is not tried again later than this behind its first failure: by then a message that it answers would be too
/// old to be answered.
const BUDGET: Duration = Duration::from_secs(10 * 60);
/// The same where the server itself says that it failed: that passes in seconds, as when its database elects, or not at
/// all, and the messages behind this one wait.
const OWN_TROUBLE: Duration = Duration::from_secs(30);

/// The same where a proxy answers in the server's place while it lets other calls pass: then it may be what the call
/// says that it does not like.
const REJECTED: Duration = Duration::from_secs(2 * 60);

/// The server's own web client, which servers before 4.0 send for a path that they don't know.
pub(super) const WEB_CLIENT: &[u8] = b"__meteor_runtime_config__";

/// What the database says where two requests race with the same message id.
const KNOWN_ID: &[u8] = b"E11000";

/// What the calls of a client have in common.
#[derive(Clone, Debug, Default)]
pub(crate) struct Retries(Arc<Common>);

#[derive(Debug, Default)]
struct Common {
    budget: Mutex<RetryBudget>,
    /// How often it has answered as a Rocket.Chat does.
    answers: AtomicU64,
}

impl Retries {
    fn budget(&self) -> MutexGuard<'_, RetryBudget> {
        // Nothing that is done under the lock leaves it half done.
        self.0.budget.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Which calls are made again: those that were refused for a limit, or for which no connection could be opened, as
/// nothing was done; and those that may be done twice, when nobody knows whether they were done: the connection or the
/// time was lost, a proxy answered (502, 503, 504, a web page, a redirect), or, for a shorter time, the server says that
/// it failed (500). Everything else is the server's word. What is given up after that is [`Transient`]. A file that is
/// read from a stream goes up once.
///
/// A host that is unknown or a certificate that is refused may be right again in a minute, so only those who connect
/// for the first time give up on them. A web page instead of the very first answer is no proxy's trouble: the address
/// is wrong.
#[derive(Debug, Clone)]
pub(crate) struct RetryPolicy {
    /// `None`: as often as the time allows.
    max_retries: Option<u32>,
    retries: Retries,
    done: u32,
    /// For the first time.
    failed_at: Option<Instant>,
    /// What the server had answered by then.
    answers_before: Option<u64>,
    /// Since when the server says itself that it failed, and nothing else.
    own_trouble_since: Option<Instant>,
}

/// Marks an answer after which the same call may work later.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Transient;

/// How long to wait for the next attempt.
enum Pause {
    /// As long as the limit says: the layer for that knows.
    Limit,
    /// So long at least, and behind the first failure of this kind no later than this.
    AtLeast(Duration, Duration),
}

impl RetryPolicy {
    pub(crate) fn new(max_retries: Option<u32>, retries: Retries) -> Self {
        Self {
            max_retries,
            retries,
            done: 0,
            failed_at: None,
            own_trouble_since: None,
            answers_before: None,
        }
    }

    /// All of it by chance: those who fail together do not come back together.
    fn backoff(&self) -> Duration {
        self.longest_pause().mul_f64(fastrand::f64())
    }

    fn longest_pause(&self) -> Duration {
        (BASE * 2_u32.pow(self.done.min(10))).min(MAX)
    }

    /// The pause before the next attempt and why, if there is to be one.
    fn next(&self, meta: Meta, result: &Result<Response<Bytes>, BoxError>) -> Option<(Pause, String)> {
        match result {
            Ok(response) if limit::is_limited(response) => {
                Some((Pause::Limit, "too many requests".to_owned()))
            }
            Ok(response) => {
                let longest = self.longest(response)?;
                meta.idempotent.then(|| {
                    let asked = limit::from_retry_after(response.headers()).unwrap_or_default();
                    let pause = self.backoff().max(asked.min(MAX));
                    (Pause::AtLeast(pause, longest), response.status().to_string())
                })
            }
            // It is this machine that can not read the file.
            Err(error) if SourceError::find(&**error).is_some() => None,
            Err(error) => {
                let is_connect = error
                    .downcast_ref::<legacy::Error>()
                    .is_some_and(legacy::Error::is_connect);
                let retry = is_connect || meta.idempotent && is_transport(&**error);
                retry.then(|| (Pause::AtLeast(self.backoff(), BUDGET), root_cause(&**error)))
            }
        }
    }

    /// For how long a call that was answered so is made again, if it may work later.
    fn longest(&self, response: &Response<Bytes>) -> Option<Duration> {
        if is_unavailable(response.status()) {
            return Some(BUDGET);
        }
        if self.is_of_a_proxy(response) {
            let others_pass = self.answers_before.is_some_and(|before| self.answers() > before);
            let is_rejected = others_pass && !response.status().is_server_error();
            return Some(if is_rejected { REJECTED } else { BUDGET });
        }
        is_internal_error(response).then_some(OWN_TROUBLE)
    }

    /// Whether a proxy answers in the place of a server that is not there, as the form of the answer shows.
    fn is_of_a_proxy(&self, response: &Response<Bytes>) -> bool {
        let status = response.status();
        if limit::contains(response.body(), WEB_CLIENT) {
            return false;
        }
        if status.is_server_error() {
            return limit::is_html(response);
        }
        // Before the first answer the address is wrong.
        if self.answers() == 0 || is_about_the_call(status) {
            return false;
        }
        match limit::is_json(response) {
            true => !status.is_success() && !has_the_server_s_form(response.body()),
            false => limit::is_html(response) || is_no_word(status),
        }
    }

    fn answers(&self) -> u64 {
        self.retries.0.answers.load(Ordering::Relaxed)
    }
}

/// Whether a refusal is of a Rocket.Chat, of which each has one of these. Gateways have forms of their own.
fn has_the_server_s_form(body: &[u8]) -> bool {
    #[derive(serde::Deserialize)]
    struct Refusal {
        success: Option<IgnoredAny>,
        status: Option<IgnoredAny>,
    }
    serde_json::from_slice::<Refusal>(body).is_ok_and(|form| form.success.is_some() || form.status.is_some())
}

/// What a proxy says about what it was given: it would say the same again.
fn is_about_the_call(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::PAYLOAD_TOO_LARGE
            | StatusCode::URI_TOO_LONG
            | StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE
    )
}

/// What no server says without JSON: a proxy has no route to it, waited too long, or sends elsewhere.
fn is_no_word(status: StatusCode) -> bool {
    status.is_success()
        || status.is_redirection()
        || matches!(
            status,
            StatusCode::NOT_FOUND | StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY
        )
}

/// What proxies answer for a server that is not there.
fn is_unavailable(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT
    )
}

/// The server's own trouble, such as a database that changes its leader. One that says why it is the same again is not.
fn is_internal_error(response: &Response<Bytes>) -> bool {
    let status = response.status();
    status.is_server_error()
        && status != StatusCode::NOT_IMPLEMENTED
        && !limit::contains(response.body(), KNOWN_ID)
}

/// Whether the connection or the time failed, and not the request or its answer.
fn is_transport(error: &(dyn std::error::Error + 'static)) -> bool {
    error.is::<legacy::Error>() || error.is::<hyper::Error>() || error.is::<tower::timeout::error::Elapsed>()
}

impl Policy<Request<Body>, Response<Bytes>, BoxError> for RetryPolicy {
    type Future = Wait;

    fn retry(
        &mut self,
        request: &mut Request<Body>,
        result: &mut Result<Response<Bytes>, BoxError>,
    ) -> Option<Wait> {
        let meta = *request.extensions().get::<Meta>()?;
        if let Ok(response) = result
            && response.extensions().get::<Streamed>().is_some()
        {
            return None;
        }
        if let Ok(response) = result
            && response.status().is_success()
            && limit::is_json(response)
        {
            self.retries.0.answers.fetch_add(1, Ordering::Relaxed);
            self.retries.budget().deposit();
            return None;
        }
        let answers = self.answers();
        self.answers_before.get_or_insert(answers);
        if let Ok(response) = result
            && self.longest(response).is_some()
        {
            response.extensions_mut().insert(Transient);
        }
        if self.max_retries.is_some_and(|most| self.done >= most) || !request.body().can_be_sent() {
            return None;
        }
        let (pause, why) = self.next(meta, result)?;
        let now = Instant::now();
        let since = now.saturating_duration_since(*self.failed_at.get_or_insert(now));
        let wait = match pause {
            Pause::Limit if since >= BUDGET => return None,
            Pause::Limit => Duration::ZERO,
            Pause::AtLeast(pause, longest) => {
                let mut left = BUDGET.saturating_sub(since);
                // Behind a proxy's trouble it has its time all the same: so a server comes back.
                self.own_trouble_since = (longest < BUDGET).then(|| self.own_trouble_since.unwrap_or(now));
                if let Some(began) = self.own_trouble_since {
                    left = left.min(longest.saturating_sub(now.saturating_duration_since(began)));
                }
                self.retries.budget().withdraw(now, pause, left)?
            }
        };
        self.done += 1;
        meter::rest::tried_again();
        inspect::retries(&why);
        tracing::warn!(path = request.uri().path(), why, ?wait, "trying a call again");
        Some(Wait(tokio::time::sleep(wait)))
    }

    fn clone_request(&mut self, request: &Request<Body>) -> Option<Request<Body>> {
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

    fn answer(status: u16, content_type: &str, body: &'static str) -> Result<Response<Bytes>, BoxError> {
        Ok(Response::builder()
            .status(status)
            .header("content-type", content_type)
            .body(Bytes::from_static(body.as_bytes()))
            .expect("a response"))
    }

    fn response(status: u16) -> Result<Response<Bytes>, BoxError> {
        answer(status, "application/json", r#"{"success":false}"#)
    }

    fn meta(idempotent: bool) -> Meta {
        Meta {
            idempotent,
            anonymous: false,
            sensitive: false,
        }
    }

    fn policy() -> RetryPolicy {
        RetryPolicy::new(None, Retries::default())
    }

    fn retried(result: &Result<Response<Bytes>, BoxError>, idempotent: bool) -> bool {
        policy().next(meta(idempotent), result).is_some()
    }

    #[test]
    fn what_is_retried() {
        for status in [500, 502, 503, 504, 520] {
            assert!(
                retried(&response(status), true) && !retried(&response(status), false),
                "{status}"
            );
        }
        // The server's word, which would be the same again.
        for status in [200, 301, 400, 401, 403, 404, 405, 408, 413, 425, 501] {
            assert!(!retried(&response(status), true), "{status}");
        }
        let known_id = answer(500, "application/json", r#"{"error":"E11000 duplicate key"}"#);
        assert!(!retried(&known_id, true));
        assert!(retried(&response(429), true) && retried(&response(429), false));
        let timeout = || Err(tower::timeout::error::Elapsed::new().into());
        assert!(retried(&timeout(), true) && !retried(&timeout(), false));
        assert!(!retried(&Err("too long".into()), true));
    }

    #[test]
    fn a_web_page_in_the_server_s_place_is_a_proxy_s() {
        let page = |status| answer(status, "Text/HTML; charset=utf-8", "<h1>Back soon</h1>");
        for status in [500, 502, 503, 504, 520, 530] {
            assert!(
                retried(&page(status), true) && !retried(&page(status), false),
                "{status}"
            );
        }
        for status in [302, 400, 401, 403, 404, 413] {
            assert!(!retried(&page(status), true), "{status}");
        }
        // The very first answer: the address is wrong.
        assert!(!retried(&page(200), true));
        let plain = |status| answer(status, "text/plain", "404 page not found");
        let mut policy = policy();
        let mut request = Request::new(Body::default());
        request.extensions_mut().insert(meta(true));
        assert!(policy.retry(&mut request, &mut response(200)).is_none());
        assert!(policy.next(meta(true), &page(200)).is_some());
        assert!(policy.next(meta(false), &page(200)).is_none());
        let web_client = answer(
            200,
            "text/html",
            "<!DOCTYPE html><script>__meteor_runtime_config__ = {}</script>",
        );
        assert!(policy.next(meta(true), &web_client).is_none());
        // A server that has answered is not gone for good because a proxy has no route to it for a while.
        for status in [302, 400, 401, 403, 404] {
            assert!(policy.next(meta(true), &page(status)).is_some(), "{status}");
            assert!(policy.next(meta(false), &page(status)).is_none(), "{status}");
        }
        for status in [200, 301, 307, 404, 408, 425] {
            assert!(policy.next(meta(true), &plain(status)).is_some(), "{status}");
        }
        for status in [413, 414, 431] {
            assert!(policy.next(meta(true), &page(status)).is_none(), "{status}");
        }
        for status in [400, 401, 403, 405, 413] {
            assert!(policy.next(meta(true), &plain(status)).is_none(), "{status}");
        }
        for status in [301, 400, 401, 403, 404, 405, 408, 413, 425, 501] {
            assert!(policy.next(meta(true), &response(status)).is_none(), "{status}");
        }
    }

    /// A gateway without a way to the server.
    #[test]
    fn a_refusal_in_another_form_is_a_gateway_s() {
        let kong = |status| {
            answer(
                status,
                "application/json",
                r#"{"message":"no Route matched with those values"}"#,
            )
        };
        assert!(
            policy().next(meta(true), &kong(404)).is_none(),
            "the address is wrong"
        );
        let mut policy = policy();
        let mut request = Request::new(Body::default());
        request.extensions_mut().insert(meta(true));
        assert!(policy.retry(&mut request, &mut response(200)).is_none());
        for status in [401, 403, 404] {
            assert!(policy.next(meta(true), &kong(status)).is_some(), "{status}");
            assert!(policy.next(meta(false), &kong(status)).is_none(), "{status}");
        }
        let unauthorized = answer(
            401,
            "application/json",
            r#"{"status":"error","message":"You must be logged in"}"#,
        );
        assert!(policy.next(meta(true), &unauthorized).is_none());
    }

    /// A firewall that does not like what somebody wrote.
    #[tokio::test(start_paused = true)]
    async fn what_a_proxy_rejects_while_others_pass_is_not_tried_for_long() {
        let page = || answer(403, "text/html", "<h1>Forbidden</h1>");
        for (others_pass, longest) in [(true, REJECTED), (false, BUDGET)] {
            let retries = Retries::default();
            let mut request = Request::new(Body::default());
            request.extensions_mut().insert(meta(true));
            let mut passes = RetryPolicy::new(None, retries.clone());
            assert!(passes.retry(&mut request, &mut response(200)).is_none());
            let mut policy = RetryPolicy::new(None, retries.clone());
            let start = Instant::now();
            while let Some(wait) = policy.retry(&mut request, &mut page()) {
                wait.await;
                if others_pass {
                    assert!(passes.retry(&mut request, &mut response(200)).is_none());
                }
            }
            assert!(start.elapsed() <= longest + MAX, "{:?}", start.elapsed());
            assert!(start.elapsed() >= longest - MAX, "{:?}", start.elapsed());
        }
    }

    /// What would be tried again if there were time is what may work later.
    #[test]
    fn transient_is_what_is_tried_again() {
        let url = "https://chat.example.org".parse().expect("an address");
        let mut policy = RetryPolicy::new(Some(0), Retries::default());
        let mut request = Request::new(Body::default());
        request.extensions_mut().insert(meta(true));
        assert!(policy.retry(&mut request, &mut response(200)).is_none());
        for content_type in ["application/json", "text/html", "text/plain"] {
            for status in 200..600 {
                let mut result = answer(status, content_type, r#"{"success":false}"#);
                assert!(policy.retry(&mut request, &mut result).is_none());
                let is_tried = policy.next(meta(true), &result).is_some();
                let error = crate::rest::reply::read::<crate::rest::endpoint::MeReply>(
                    "GET me",
                    &url,
                    &result.expect("an answer"),
                    false,
                )
                .expect_err("a failure");
                assert_eq!(error.is_transient(), is_tried, "{status} {content_type}");
            }
        }
    }

    #[test]
    fn pauses_grow_to_a_limit() {
        let mut policy = policy();
        assert_eq!(policy.longest_pause().as_millis(), 250);
        policy.done = 3;
        assert_eq!(policy.longest_pause().as_millis(), 2000);
        policy.done = u32::MAX;
        assert_eq!(policy.longest_pause(), MAX);
        let pauses: Vec<_> = (0..1000).map(|_| policy.backoff()).collect();
        assert!(pauses.iter().all(|pause| *pause <= MAX));
        // From nothing to all of it.
        assert!(pauses.iter().any(|pause| *pause < MAX / 10));
        assert!(pauses.iter().any(|pause| *pause > MAX / 10 * 9));
    }

    /// How often a call that always fails is tried again, and for how long.
    async fn tries(policy: RetryPolicy) -> (u32, Duration) {
        tries_at(policy, 503).await
    }

    async fn tries_at(mut policy: RetryPolicy, status: u16) -> (u32, Duration) {
        let start = Instant::now();
        let mut request = Request::new(Body::default());
        request.extensions_mut().insert(meta(true));
        while let Some(wait) = policy.retry(&mut request, &mut response(status)) {
            wait.await;
        }
        (policy.done, start.elapsed())
    }

    #[tokio::test(start_paused = true)]
    async fn it_is_tried_for_ten_minutes() {
        let (tries_made, time) = tries(policy()).await;
        assert!(
            tries_made > 10 && time > BUDGET - MAX && time <= BUDGET,
            "{tries_made} in {time:?}"
        );
        let (tries_made, time) = tries_at(policy(), 500).await;
        assert!(tries_made >= 3 && time <= OWN_TROUBLE, "{tries_made} in {time:?}");
        assert_eq!(tries(RetryPolicy::new(Some(2), Retries::default())).await.0, 2);
        assert_eq!(tries(RetryPolicy::new(Some(0), Retries::default())).await.0, 0);
    }

    /// A server that starts again: a proxy answers for it, then it fails itself for some seconds.
    #[tokio::test(start_paused = true)]
    async fn trouble_of_its_own_has_its_time_also_behind_that_of_a_proxy() {
        let start = Instant::now();
        let mut policy = policy();
        let mut request = Request::new(Body::default());
        request.extensions_mut().insert(meta(true));
        let mut retry = |status| policy.retry(&mut request, &mut response(status));
        while start.elapsed() < Duration::from_secs(120) {
            retry(502).expect("it is a proxy's trouble").await;
        }
        let own = Instant::now();
        while let Some(wait) = retry(500) {
            wait.await;
        }
        assert_eq!(own.elapsed(), OWN_TROUBLE);
        // Nothing is tried longer than ten minutes for that.
        while let Some(wait) = retry(503) {
            wait.await;
        }
        assert!(retry(500).is_none());
        assert!(start.elapsed() <= BUDGET);
    }

    #[tokio::test(start_paused = true)]
    async fn many_calls_together_try_little_more_often_than_one() {
        let retries = Retries::default();
        let calls = (0..500).map(|_| tries(RetryPolicy::new(None, retries.clone())));
        let all = futures_util::future::join_all(calls).await;
        let total: u32 = all.iter().map(|(tries_made, _)| tries_made).sum();
        // Twenty at once and two a second.
        assert!((900..=1225).contains(&total), "{total} retries in ten minutes");
        assert!(all.iter().all(|(_, time)| *time <= BUDGET));
    }
}
