//! The layer in front of a server that counts in fixed windows, in paused time.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, join_all};
use http::StatusCode;

use super::*;
use crate::rest::endpoint::RateLimit;
use crate::rest::limiter::{AccountLimit, Estimate, LONGEST_WAIT, MAX_ENDPOINTS, MAX_WAITING};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
/// `Sun, 22 Nov 2026 08:00:00 GMT`
const EPOCH: u64 = 1_795_334_400_000;

/// A server that lets ten calls of an endpoint pass in a minute.
#[derive(Clone)]
struct Server {
    began: Instant,
    windows: Arc<Mutex<HashMap<String, (Instant, u32)>>>,
    /// The order of each call that passed, and the second.
    passed: Arc<Mutex<Vec<(u64, u64)>>>,
    refused: Arc<AtomicU32>,
    is_limited: bool,
}

impl Server {
    fn new(is_limited: bool) -> Self {
        Self {
            began: Instant::now(),
            windows: Arc::default(),
            passed: Arc::default(),
            refused: Arc::default(),
            is_limited,
        }
    }

    fn passed(&self) -> Vec<(u64, u64)> {
        self.passed.lock().unwrap().clone()
    }

    fn refused(&self) -> u32 {
        self.refused.load(Ordering::Relaxed)
    }

    fn response(&self, order: u64, path: &str) -> Response<Bytes> {
        let now = Instant::now();
        let response = Response::builder().header("content-type", "application/json");
        let passes = || {
            self.passed
                .lock()
                .unwrap()
                .push((order, (now - self.began).as_secs()));
        };
        if !self.is_limited {
            passes();
            return response.body(Bytes::from_static(b"{}")).unwrap();
        }
        let mut windows = self.windows.lock().unwrap();
        let (ends, count) = windows.entry(path.to_owned()).or_insert((now, 0));
        if now >= *ends {
            (*ends, *count) = (now + MINUTE, 0);
        }
        *count += 1;
        let millis = |at: Instant| EPOCH + u64::try_from((at - self.began).as_millis()).unwrap();
        let seconds = (now - self.began).as_secs();
        let date = format!(
            "Sun, 22 Nov 2026 {:02}:{:02}:{:02} GMT",
            8 + seconds / 3600,
            seconds / 60 % 60,
            seconds % 60
        );
        let status = match *count <= 10 {
            true => {
                passes();
                StatusCode::OK
            }
            false => {
                self.refused.fetch_add(1, Ordering::Relaxed);
                StatusCode::TOO_MANY_REQUESTS
            }
        };
        response
            .status(status)
            .header("date", date)
            .header("x-ratelimit-limit", "10")
            .header("x-ratelimit-remaining", 10_u32.saturating_sub(*count))
            .header("x-ratelimit-reset", millis(*ends))
            .body(Bytes::from_static(b"{}"))
            .unwrap()
    }
}

impl Service<Request<()>> for Server {
    type Response = Response<Bytes>;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Response<Bytes>, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<()>) -> Self::Future {
        let server = self.clone();
        Box::pin(async move {
            tokio::time::sleep(Duration::from_millis(30)).await;
            let order = request.extensions().get::<Turn>().unwrap().order;
            let response = server.response(order, request.uri().path());
            tokio::time::sleep(Duration::from_millis(70)).await;
            Ok(response)
        })
    }
}

fn request(route: &'static str, order: u64) -> Request<()> {
    let meta = Meta {
        idempotent: true,
        anonymous: false,
        sensitive: false,
    };
    let mut request = Request::get(format!("/{route}")).body(()).unwrap();
    request.extensions_mut().insert(meta);
    request
        .extensions_mut()
        .insert(Turn::new(Cow::Borrowed(route), order, Estimate::default()));
    request
}

fn limited(server: &Server) -> Limit<Server> {
    let layer = LimitLayer {
        limiter: Limiter::default(),
        longest_wait: LONGEST_WAIT,
        is_in_a_hurry: false,
    };
    layer.layer(server.clone())
}

/// A server that was upgraded began to count anew, and by other rules.
#[tokio::test(start_paused = true)]
async fn calls_that_wait_for_a_server_of_before_go() {
    let server = Server::new(true);
    let service = limited(&server);
    let limiter = service.config.limiter.clone();
    let calls = (0..15).map(|order| service.clone().oneshot(request("rooms.info", order)));
    let calls = tokio::spawn(join_all(calls));
    tokio::time::sleep(SECOND).await;
    assert_eq!((server.passed().len(), limiter.waiting()), (10, 5));
    assert_eq!(limiter.account(), AccountLimit::Calls(10));

    server.windows.lock().unwrap().clear();
    limiter.server_changed();
    assert_eq!(limiter.account(), AccountLimit::Unknown);
    tokio::time::sleep(SECOND).await;
    assert_eq!((server.passed().len(), limiter.waiting()), (15, 0));
    let statuses = calls
        .await
        .unwrap()
        .into_iter()
        .map(|result| result.unwrap().status());
    assert!(statuses.into_iter().all(|status| status == 200));
    assert_eq!(
        (server.refused(), limiter.account()),
        (0, AccountLimit::Calls(10))
    );
}

#[tokio::test(start_paused = true)]
async fn first_come_first_served_and_none_refused() {
    let server = Server::new(true);
    let service = limited(&server);
    let calls = (0..35).map(|order| service.clone().oneshot(request("chat.sendMessage", order)));
    for result in join_all(calls).await {
        assert_eq!(result.unwrap().status(), 200);
    }
    assert_eq!(server.refused(), 0);
    let passed = server.passed();
    let orders: Vec<_> = passed.iter().map(|(order, _)| *order).collect();
    assert_eq!(orders, (0..35).collect::<Vec<_>>());
    // As soon as each window is over: times are cut to seconds.
    for (count, (_, second)) in passed.iter().enumerate() {
        let windows = count as u64 / 10;
        assert!(
            (windows * 60..=windows * 62).contains(second),
            "call {count} in second {second}"
        );
    }
    assert_eq!(service.config.limiter.counts(), (1, 0));
    assert_eq!(service.config.limiter.account(), AccountLimit::Calls(10));
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_is_used_up_holds_up_no_other() {
    let server = Server::new(true);
    let service = limited(&server);
    let many = join_all((0..15).map(|order| service.clone().oneshot(request("rooms.get", order))));
    let other = async {
        tokio::time::sleep(2 * SECOND).await;
        let began = Instant::now();
        service.clone().oneshot(request("rooms.info", 15)).await.unwrap();
        assert!(began.elapsed() < SECOND);
    };
    let (all, ()) = tokio::join!(many, other);
    assert!(all.iter().all(Result::is_ok));
    assert_eq!((server.passed().len(), server.refused()), (16, 0));
}

#[tokio::test(start_paused = true)]
async fn an_account_without_limits_does_not_wait() {
    let server = Server::new(false);
    let service = limited(&server);
    assert_eq!(service.config.limiter.account(), AccountLimit::Unknown);
    let calls = (0..500).map(|order| service.clone().oneshot(request("chat.sendMessage", order)));
    join_all(calls).await;
    // One answer tells it.
    assert!(server.began.elapsed() <= Duration::from_millis(200));
    assert_eq!(service.config.limiter.account(), AccountLimit::None);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_given_up_gives_its_place() {
    let server = Server::new(true);
    let service = limited(&server);
    join_all((0..10).map(|order| service.clone().oneshot(request("me", order)))).await;
    let mut first = Box::pin(service.clone().oneshot(request("me", 10)));
    let mut second = Box::pin(service.clone().oneshot(request("me", 11)));
    assert!(first.as_mut().now_or_never().is_none());
    assert!(second.as_mut().now_or_never().is_none());
    drop(first);
    second.await.unwrap();
    assert!(server.began.elapsed() <= MINUTE + 2 * SECOND);
    assert_eq!(server.passed().last().unwrap().0, 11);
    assert_eq!(service.config.limiter.counts().1, 0);
}

#[tokio::test(start_paused = true)]
async fn one_that_is_dropped_on_its_way_counts() {
    let server = Server::new(true);
    let service = limited(&server);
    join_all((0..8).map(|order| service.clone().oneshot(request("me", order)))).await;
    for order in 8..10 {
        let call = service.clone().oneshot(request("me", order));
        assert!(
            tokio::time::timeout(Duration::from_millis(50), call)
                .await
                .is_err()
        );
    }
    let began = Instant::now();
    service.clone().oneshot(request("me", 10)).await.unwrap();
    assert!(began.elapsed() > 58 * SECOND);
    assert_eq!(server.refused(), 0);
}

#[tokio::test(start_paused = true)]
async fn one_that_is_made_again_goes_before_those_that_came_later() {
    let server = Server::new(true);
    let service = limited(&server);
    join_all((100..110).map(|order| service.clone().oneshot(request("me", order)))).await;
    let later = join_all((200..205).map(|order| service.clone().oneshot(request("me", order))));
    let again = async {
        tokio::time::sleep(SECOND).await;
        service.clone().oneshot(request("me", 1)).await
    };
    let (_, again) = tokio::join!(later, again);
    again.unwrap();
    assert_eq!(server.passed()[10].0, 1);
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_for_ever_and_not_too_many_wait() {
    let server = Server::new(true);
    let service = limited(&server);
    let calls = (0..1200).map(|order| {
        service
            .clone()
            .oneshot(request("me", order))
            .map(move |result| (server.began.elapsed(), result))
    });
    let all = join_all(calls).await;
    let failed: Vec<_> = all.iter().filter(|(_, result)| result.is_err()).collect();
    // Those for which there is no place, at once. All others have their turn, ten in each minute, however late.
    assert_eq!(failed.len(), 1200 - 10 - MAX_WAITING);
    assert!(failed.iter().all(|(at, _)| at.is_zero()));
    assert!(all.iter().all(|(at, _)| *at <= 104 * MINUTE));
    assert_eq!(server.refused(), 0);
    for (_, result) in failed {
        let error = result.as_ref().unwrap_err();
        let exceeded = error.downcast_ref::<LimitExceeded>().unwrap();
        assert!(exceeded.retry_after <= 62 * SECOND);
    }
    assert_eq!(service.config.limiter.counts().1, 0);
}

#[tokio::test(start_paused = true)]
async fn to_come_back_at_once_is_no_hot_loop() {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let times = Arc::clone(&asked);
    let server = tower::service_fn(move |_: Request<()>| {
        times.lock().unwrap().push(Instant::now());
        let refusal = Response::builder().status(429).header("retry-after", "0");
        std::future::ready(Ok::<_, BoxError>(refusal.body(Bytes::new()).unwrap()))
    });
    let layer = LimitLayer {
        limiter: Limiter::default(),
        longest_wait: LONGEST_WAIT,
        is_in_a_hurry: false,
    };
    let service = layer.layer(server);
    for _ in 0..100 {
        service.clone().oneshot(request("me", 1)).await.unwrap();
    }
    let asked = asked.lock().unwrap();
    let pauses: Vec<_> = asked.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(
        pauses
            .iter()
            .all(|pause| (SECOND..=2 * SECOND + SECOND / 100).contains(pause))
    );
    assert!(pauses.iter().max() > pauses.iter().min(), "{pauses:?}");
}

#[tokio::test(start_paused = true)]
async fn one_in_a_hurry_learns_at_once_that_it_would_wait() {
    let server = Server::new(true);
    let mut service = limited(&server);
    join_all((0..10).map(|order| service.clone().oneshot(request("me", order)))).await;
    (service.config.longest_wait, service.config.is_in_a_hurry) = (5 * SECOND, true);
    let began = Instant::now();
    let error = service.clone().oneshot(request("me", 10)).await.unwrap_err();
    let retry_after = error.downcast_ref::<LimitExceeded>().unwrap().retry_after;
    assert!(
        (58 * SECOND..=61 * SECOND).contains(&retry_after),
        "{retry_after:?}"
    );
    assert!(began.elapsed().is_zero());
    tokio::time::sleep(57 * SECOND).await;
    service.clone().oneshot(request("me", 11)).await.unwrap();
    assert_eq!(server.refused(), 0);
}

#[tokio::test(start_paused = true)]
async fn the_number_of_endpoints_is_bounded() {
    let server = Server::new(true);
    let service = limited(&server);
    for number in 0..1000 {
        let route: &'static str = Box::leak(format!("x.{number}").into_boxed_str());
        service.clone().oneshot(request(route, number)).await.unwrap();
    }
    assert!(service.config.limiter.counts().0 <= MAX_ENDPOINTS);
    assert_eq!(server.passed().len(), 1000);
}

/// Before the first answer the limit of the type counts, and it costs those that are not limited nothing but that answer.
#[tokio::test(start_paused = true)]
async fn a_new_endpoint_has_the_limit_of_its_type() {
    let limit = RateLimit::new(3, Duration::from_secs(60));
    for (is_limited, at_once) in [(true, 3), (false, 12)] {
        let server = Server::new(is_limited);
        let service = limited(&server);
        let calls = (0..12).map(|order| {
            let mut request = request("rooms.info", order);
            let estimate = Estimate { limit, version: None };
            let turn = Turn::new(Cow::Borrowed("rooms.info"), order, estimate);
            request.extensions_mut().insert(turn);
            service.clone().oneshot(request)
        });
        let calls = tokio::spawn(join_all(calls));
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert_eq!(server.passed().len(), 3);
        tokio::time::sleep(Duration::from_millis(150)).await;
        // The server of these tests says ten.
        let most = if is_limited { 10 } else { at_once };
        assert_eq!(server.passed().len(), most, "{is_limited}");
        calls.abort();
    }
}
