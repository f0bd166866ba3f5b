//! A bot that is driven through traffic and outages, and what a recorder of the crate `metrics` hears: in paused time.
#![cfg(all(feature = "client", feature = "metrics", feature = "sandbox"))]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test ends by them")]

mod support;

use std::collections::BTreeMap;
use std::time::Duration;

use metrics::Unit;
use metrics_util::debugging::{DebugValue, DebuggingRecorder, Snapshotter};
use rocketbotte::command::CommandLayer;
use rocketbotte::sandbox::{RestFault, Sandbox, UserSpec};
use rocketbotte::{Router, transport::ConnectionState};
use tower::ServiceBuilder;

use support::chat::{Chat, people};
use support::{after, after_secs};

/// What a recorder heard so far: each metric by its name and labels. A snapshot takes the values out, so they are
/// kept here.
struct Heard {
    snapshotter: Snapshotter,
    values: BTreeMap<String, f64>,
    histograms: BTreeMap<String, Vec<f64>>,
    units: BTreeMap<String, Option<Unit>>,
}

impl Heard {
    /// Of this thread, until the guard is dropped.
    fn start() -> (Self, metrics::LocalRecorderGuard<'static>) {
        let recorder: &'static DebuggingRecorder = Box::leak(Box::default());
        let heard = Self {
            snapshotter: recorder.snapshotter(),
            values: BTreeMap::new(),
            histograms: BTreeMap::new(),
            units: BTreeMap::new(),
        };
        (heard, metrics::set_default_local_recorder(recorder))
    }

    fn listen(&mut self) {
        for (key, unit, description, value) in self.snapshotter.snapshot().into_vec() {
            let key = key.key();
            let labels: Vec<String> = key
                .labels()
                .map(|label| format!("{}={}", label.key(), label.value()))
                .collect();
            let name = format!("{}{{{}}}", key.name(), labels.join(","));
            if unit.is_some() {
                assert!(description.is_some(), "{name}");
            }
            self.units.insert(key.name().to_owned(), unit);
            match value {
                // Both begin anew from zero after each snapshot.
                DebugValue::Counter(count) => *self.values.entry(name).or_default() += count as f64,
                DebugValue::Gauge(value) if name.contains("timestamp") => {
                    self.values.insert(name, value.into_inner());
                }
                DebugValue::Gauge(value) => *self.values.entry(name).or_default() += value.into_inner(),
                DebugValue::Histogram(values) => self
                    .histograms
                    .entry(name)
                    .or_default()
                    .extend(values.into_iter().map(f64::from)),
            }
        }
    }

    #[track_caller]
    fn value(&self, name: &str) -> f64 {
        *self
            .values
            .get(name)
            .unwrap_or_else(|| panic!("no {name} in {:#?}", self.values))
    }

    #[track_caller]
    fn histogram(&self, name: &str) -> &[f64] {
        self.histograms
            .get(name)
            .unwrap_or_else(|| panic!("no {name} in {:#?}", self.histograms.keys()))
    }
}

fn app() -> impl tower::Service<
    rocketbotte::Request,
    Response = rocketbotte::Response,
    Error = rocketbotte::BoxError,
    Future: Send,
> + Send
+ 'static {
    let router = Router::new()
        .command("ping", async || "pong")
        .command(
            "hang",
            rocketbotte::handler::route(async || std::future::pending::<()>().await)
                .timeout(Duration::from_secs(1)),
        )
        .command("fail", async || {
            Err::<(), _>(rocketbotte::BoxError::from("broken"))
        })
        .command("slow", async || {
            after_secs(3).await;
            "done"
        });
    ServiceBuilder::new()
        .layer(CommandLayer::new("!"))
        .service(router)
}

#[tokio::test(start_paused = true)]
async fn traffic_and_an_outage_are_measured() {
    let (mut heard, _guard) = Heard::start();
    let sandbox = people().channel("dev").start_in_memory();
    let chat = Chat::on(&sandbox, app()).await;
    heard.listen();
    assert_eq!(heard.value("rocketbotte_connected{}"), 1.0);
    // What has not happened is there, with zero.
    for name in [
        "rocketbotte_reconnects_total{}",
        "rocketbotte_events_skipped_total{}",
        "rocketbotte_events_caught_up_total{}",
        "rocketbotte_actions_undelivered_total{}",
        "rocketbotte_behind{}",
        "rocketbotte_lanes{}",
    ] {
        assert_eq!(heard.value(name), 0.0, "{name}");
    }

    assert_eq!(chat.ask("!ping").await, ["pong"]);
    chat.ask("!fail").await;
    chat.ask("!hang").await;
    for room in ["general", "general", "dev"] {
        sandbox.user("ann").say(room, "!slow").await;
    }
    after_secs(1).await;
    heard.listen();
    assert_eq!(heard.value("rocketbotte_lanes{}"), 2.0);
    assert_eq!(heard.value("rocketbotte_events_waiting{}"), 1.0);
    assert_eq!(heard.value("rocketbotte_handlers_running{}"), 2.0);
    after_secs(10).await;

    sandbox.go_down().await;
    after_secs(1).await;
    heard.listen();
    assert_eq!(heard.value("rocketbotte_connected{}"), 0.0);
    assert_eq!(heard.value("rocketbotte_behind{}"), 1.0);
    for _ in 0..3 {
        sandbox.user("ann").say("general", "!ping").await;
    }
    after_secs(30).await;
    sandbox.fail_next("chat.syncMessages", RestFault::Proxy(502));
    sandbox.fail_next("chat.sendMessage", RestFault::Proxy(502));
    sandbox.come_back().await;
    after_secs(120).await;
    heard.listen();

    let counted = chat.handle.counters();
    for (name, value) in [
        ("rocketbotte_connected{}", 1),
        ("rocketbotte_behind{}", 0),
        ("rocketbotte_lanes{}", 0),
        ("rocketbotte_events_waiting{}", 0),
        ("rocketbotte_handlers_running{}", 0),
        ("rocketbotte_reconnects_total{}", 1),
        ("rocketbotte_events_caught_up_total{}", 3),
        ("rocketbotte_events_received_total{arrival=caught_up}", 3),
        (
            "rocketbotte_events_received_total{arrival=live}",
            counted.received - 3,
        ),
        ("rocketbotte_events_ignored_total{}", counted.ignored),
        ("rocketbotte_route_outcomes_total{route=ping,outcome=handled}", 4),
        ("rocketbotte_route_outcomes_total{route=fail,outcome=failed}", 1),
        (
            "rocketbotte_route_outcomes_total{route=hang,outcome=timed_out}",
            1,
        ),
        ("rocketbotte_route_outcomes_total{route=slow,outcome=handled}", 3),
        ("rocketbotte_actions_delivered_total{}", 9),
        ("rocketbotte_actions_undelivered_total{}", 0),
        ("rocketbotte_rest_retries_total{}", 1),
    ] {
        assert_eq!(heard.value(name), value as f64, "{name}");
    }
    assert_eq!(counted.delivered, 9);
    assert!(heard.value("rocketbotte_frames_received_total{}") > 10.0);
    assert!(heard.value("rocketbotte_connection_failures_total{}") >= 2.0);
    assert!(heard.value("rocketbotte_last_frame_timestamp_seconds{}") > 1.7e9);
    let [gap] = heard.histogram("rocketbotte_connection_gap_seconds{}") else {
        panic!("one gap");
    };
    assert!((31.0..100.0).contains(gap), "{gap}");
    assert_eq!(
        heard.histogram("rocketbotte_catch_up_duration_seconds{}").len(),
        1
    );
    assert!(
        heard
            .histogram("rocketbotte_event_duration_seconds{}")
            .iter()
            .any(|took| (3.0..7.0).contains(took))
    );
    let sends =
        heard.histogram("rocketbotte_rest_call_duration_seconds{endpoint=chat.sendMessage,status=200}");
    assert_eq!(sends.len(), 9);

    chat.handle.shutdown();
    chat.serving.await.unwrap().unwrap();
    heard.listen();
    assert_eq!(heard.value("rocketbotte_connected{}"), 0.0);
    assert_eq!(
        heard.units["rocketbotte_connection_gap_seconds"],
        Some(Unit::Seconds)
    );
    assert_eq!(heard.units["rocketbotte_reconnects_total"], Some(Unit::Count));
    assert!(
        heard.units.keys().all(|name| name.starts_with("rocketbotte_")),
        "{:?}",
        heard.units
    );
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_a_limit_and_what_is_skipped_are_measured() {
    let (mut heard, _guard) = Heard::start();
    let sandbox = Sandbox::builder()
        .user("ann")
        .user_with(UserSpec::new("rocketbotte").roles(["user"]))
        .rate_limits(true)
        .start_in_memory();
    let chat = Chat::on(&sandbox, app()).await;
    for _ in 0..14 {
        sandbox.user("ann").say("general", "!ping").await;
        after(Duration::from_millis(10)).await;
    }
    after_secs(5).await;
    heard.listen();
    let waiting = chat.handle.health().waiting_for_limits;
    assert!(waiting > 0);
    assert_eq!(heard.value("rocketbotte_rest_calls_waiting{}"), waiting as f64);
    after_secs(180).await;
    heard.listen();
    assert_eq!(heard.value("rocketbotte_rest_calls_waiting{}"), 0.0);

    sandbox.go_down().await;
    sandbox.user("ann").say("general", "!ping").await;
    after_secs(1800).await;
    sandbox.come_back().await;
    after_secs(300).await;
    assert_eq!(chat.handle.state(), ConnectionState::Ready);
    heard.listen();
    assert_eq!(heard.value("rocketbotte_events_skipped_total{}"), 1.0);
    // However much happens, there are not more series than these.
    assert!(
        heard.values.len() + heard.histograms.len() < 60,
        "{:#?}",
        heard.values
    );
}

#[tokio::test(start_paused = true)]
async fn two_bots_add_up() {
    let (mut heard, _guard) = Heard::start();
    let first = people().start_in_memory();
    let second = people().start_in_memory();
    let (one, other) = (Chat::on(&first, app()).await, Chat::on(&second, app()).await);
    for chat in [&one, &other] {
        assert_eq!(chat.ask("!ping").await, ["pong"]);
    }
    heard.listen();
    assert_eq!(heard.value("rocketbotte_connected{}"), 2.0);
    assert_eq!(heard.value("rocketbotte_actions_delivered_total{}"), 2.0);
    one.serving.abort();
    after_secs(1).await;
    heard.listen();
    assert_eq!(heard.value("rocketbotte_connected{}"), 1.0);
}
