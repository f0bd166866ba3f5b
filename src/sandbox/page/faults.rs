//! The faults over HTTP, for the buttons of the page and for tests in any language.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use axum::{
    Json,
    body::{Body, Bytes},
    http::{Response, StatusCode},
    response::IntoResponse,
};
use serde_json::{Value, json};

use super::refused;
use crate::sandbox::{RestFault, Shared, Step, faults::Reorder, server::Connection, state::session::Cut};

const SECONDS_MAX: f64 = 600.0;
const MILLISECONDS_MAX: u64 = 600_000;
const CALLS_MAX: usize = 1_000;
/// Faults that may wait for calls or steps at the same time.
const WAITING_MAX: usize = 10_000;
/// The answer to the order has so long to go out before the server is gone.
const LAST_WORDS: Duration = Duration::from_millis(100);

/// The faults that end by themselves. Each order has a number, so that an older one does not end a newer one.
#[derive(Debug, Default)]
pub(super) struct Timers {
    silence: AtomicU64,
    refuse: AtomicU64,
    going: AtomicBool,
}

#[derive(Debug, serde::Deserialize)]
#[serde(tag = "fault", rename_all = "snake_case", deny_unknown_fields)]
enum Order {
    Drop {},
    Reset {},
    Close {},
    HalfFrame {},
    Silence {
        seconds: f64,
    },
    Gone {
        seconds: f64,
    },
    Refuse {
        seconds: f64,
    },
    Rest {
        kind: Kind,
        endpoint: Option<String>,
        calls: Option<usize>,
        status: Option<u16>,
        milliseconds: Option<u64>,
    },
    Slow {
        milliseconds: u64,
    },
    Duplicate {
        on: bool,
    },
    Lose {
        on: bool,
    },
    Reorder {
        how: How,
    },
    CutAt {
        step: At,
    },
}

#[derive(Debug, Clone, Copy, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    TooManyRequests,
    Status,
    Proxy,
    Html,
    LoseReply,
    HalfReply,
    LoseCall,
    HalfCall,
    Slow,
}

#[derive(Debug, Clone, Copy, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
enum How {
    Off,
    Pairs,
    Rooms,
}

#[derive(Debug, Clone, Copy, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
enum At {
    Upgrade,
    Connect,
    Login,
    Subscribe,
    Ping,
}

/// A fault that waits, in a word or two.
fn shown(fault: &RestFault) -> String {
    match fault {
        RestFault::Status(status) => status.to_string(),
        RestFault::Proxy(status) => format!("{status} as a page"),
        other => other.name().to_owned(),
    }
}

/// What is on, what waits, what was met.
pub(super) fn state(shared: &Shared) -> Value {
    let (silence, up) = (*shared.silence.borrow(), *shared.up.borrow());
    let state = shared.lock();
    let faults = &state.faults;
    let waiting: Vec<Value> = faults
        .rest
        .iter()
        .map(|(endpoint, queue)| {
            let next = queue.front().map(shown);
            json!({ "endpoint": endpoint, "calls": queue.len(), "next": next })
        })
        .collect();
    let steps: Vec<&str> = faults.steps.iter().map(|step| step.name()).collect();
    json!({
        "active": {
            "silence": silence,
            "gone": !up,
            "refuse": faults.refuse,
            "slow_ms": u64::try_from(faults.slow.as_millis()).unwrap_or(u64::MAX),
            "duplicate": faults.duplicate,
            "lose": faults.lose,
            "reorder": match faults.reorder {
                Reorder::Off => "off",
                Reorder::Pairs => "pairs",
                Reorder::Rooms => "rooms",
            },
        },
        "waiting": { "rest": waiting, "steps": steps },
        "met": faults.met,
        "connections": state.sessions.len(),
    })
}

fn tell(shared: &Shared) -> Response<Body> {
    let now = state(shared);
    shared.page.hub.faults(&now.to_string());
    let mut body = json!({ "success": true });
    body["faults"] = now;
    Json(body).into_response()
}

/// `GET _sandbox/faults`
pub(super) async fn show(context: Connection) -> Response<Body> {
    Json(json!({ "success": true, "faults": state(&context.shared) })).into_response()
}

/// `DELETE _sandbox/faults`
pub(super) async fn clear(context: Connection) -> Response<Body> {
    let shared = &context.shared;
    let timers = &shared.page.timers;
    timers.silence.fetch_add(1, Ordering::Relaxed);
    timers.refuse.fetch_add(1, Ordering::Relaxed);
    shared.clear_faults();
    tell(shared)
}

/// `POST _sandbox/faults`
pub(super) async fn switch(context: Connection, body: Bytes) -> Response<Body> {
    let outcome = serde_json::from_slice::<Order>(&body)
        .map_err(|error| (StatusCode::BAD_REQUEST, "invalid-fault", error.to_string()))
        .and_then(|order| obey(&context.shared, order));
    match outcome {
        Ok(()) => tell(&context.shared),
        Err((status, code, text)) => refused(status, code, &text),
    }
}

type Refused = (StatusCode, &'static str, String);

fn out_of_range(text: &str) -> Refused {
    (StatusCode::BAD_REQUEST, "out-of-range", text.to_owned())
}

fn seconds(seconds: f64) -> Result<Duration, Refused> {
    let fits = seconds > 0.0 && seconds <= SECONDS_MAX;
    let duration = fits.then(|| Duration::try_from_secs_f64(seconds).ok()).flatten();
    duration.ok_or_else(|| out_of_range("`seconds` is more than 0 and at most 600"))
}

fn milliseconds(milliseconds: u64) -> Result<Duration, Refused> {
    match milliseconds <= MILLISECONDS_MAX {
        true => Ok(Duration::from_millis(milliseconds)),
        false => Err(out_of_range("`milliseconds` is at most 600000")),
    }
}

fn obey(shared: &Arc<Shared>, order: Order) -> Result<(), Refused> {
    match order {
        Order::Drop {} => shared.cut_all(Cut::Fin),
        Order::Reset {} => shared.cut_all(Cut::Reset),
        Order::Close {} => shared.close_all(),
        Order::HalfFrame {} => shared.halve_all(),
        Order::Silence { seconds: given } => {
            let time = seconds(given)?;
            shared.silence_all(true);
            later(
                shared,
                time,
                |timers| &timers.silence,
                |shared| shared.silence_all(false),
            );
        }
        Order::Refuse { seconds: given } => {
            let time = seconds(given)?;
            shared.lock().faults.refuse = true;
            let end = |shared: &Shared| shared.lock().faults.refuse = false;
            later(shared, time, |timers| &timers.refuse, end);
        }
        Order::Gone { seconds: given } => gone(shared, seconds(given)?)?,
        Order::Rest {
            kind,
            endpoint,
            calls,
            status,
            milliseconds: given,
        } => {
            let fault = rest_fault(kind, status, given)?;
            let calls = calls.unwrap_or(1);
            if calls == 0 || calls > CALLS_MAX {
                return Err(out_of_range("`calls` is 1 to 1000"));
            }
            let endpoint = endpoint.unwrap_or_else(|| "*".to_owned());
            let mut state = shared.lock();
            let waiting: usize = state
                .faults
                .rest
                .values()
                .map(std::collections::VecDeque::len)
                .sum();
            if waiting + calls > WAITING_MAX || endpoint.len() > 100 {
                return Err(out_of_range("so many faults can not wait"));
            }
            let queue = state.faults.rest.entry(endpoint).or_default();
            queue.extend(std::iter::repeat_n(fault, calls));
        }
        Order::Slow { milliseconds: given } => shared.lock().faults.slow = milliseconds(given)?,
        Order::Duplicate { on } => shared.lock().faults.duplicate = on,
        Order::Lose { on } => shared.lock().faults.lose = on,
        Order::Reorder { how } => shared.lock().reorder(match how {
            How::Off => Reorder::Off,
            How::Pairs => Reorder::Pairs,
            How::Rooms => Reorder::Rooms,
        }),
        Order::CutAt { step } => {
            let mut state = shared.lock();
            if state.faults.steps.len() >= WAITING_MAX {
                return Err(out_of_range("so many faults can not wait"));
            }
            state.faults.steps.push_back(match step {
                At::Upgrade => Step::Upgrade,
                At::Connect => Step::Connect,
                At::Login => Step::Login,
                At::Subscribe => Step::Subscribe,
                At::Ping => Step::Ping,
            });
        }
    }
    Ok(())
}

fn rest_fault(kind: Kind, status: Option<u16>, given: Option<u64>) -> Result<RestFault, Refused> {
    let needs_status = matches!(kind, Kind::Status | Kind::Proxy);
    if needs_status != status.is_some() || status.is_some_and(|status| !(400..=599).contains(&status)) {
        return Err(out_of_range(
            "`status` is 400 to 599, for the kinds `status` and `proxy`",
        ));
    }
    let needs_time = matches!(kind, Kind::TooManyRequests | Kind::Slow);
    if needs_time != given.is_some() {
        return Err(out_of_range(
            "`milliseconds` is for the kinds `too_many_requests` and `slow`",
        ));
    }
    let time = milliseconds(given.unwrap_or_default())?;
    let status = status.unwrap_or_default();
    Ok(match kind {
        Kind::TooManyRequests => RestFault::TooManyRequests { reset_after: time },
        Kind::Status => RestFault::Status(status),
        Kind::Proxy => RestFault::Proxy(status),
        Kind::Html => RestFault::Html,
        Kind::LoseReply => RestFault::LoseReply,
        Kind::HalfReply => RestFault::HalfReply,
        Kind::LoseCall => RestFault::CloseBeforeActing,
        Kind::HalfCall => RestFault::CloseWhileReading,
        Kind::Slow => RestFault::Slow(time),
    })
}

/// Ends a fault after a time, unless a later order changed it.
fn later(
    shared: &Arc<Shared>,
    time: Duration,
    timer: fn(&Timers) -> &AtomicU64,
    end: impl FnOnce(&Shared) + Send + 'static,
) {
    let number = timer(&shared.page.timers).fetch_add(1, Ordering::Relaxed) + 1;
    let shared = Arc::clone(shared);
    let mut stop = shared.stop.subscribe();
    tokio::spawn(async move {
        tokio::select! {
            () = tokio::time::sleep(time) => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
        drop(stop);
        if timer(&shared.page.timers).load(Ordering::Relaxed) == number {
            end(&shared);
            shared.page.hub.faults(&state(&shared).to_string());
        }
    });
}

fn gone(shared: &Arc<Shared>, time: Duration) -> Result<(), Refused> {
    if shared.page.timers.going.swap(true, Ordering::Relaxed) {
        let text = "the server is about to be gone already".to_owned();
        return Err((StatusCode::CONFLICT, "already-gone", text));
    }
    let shared = Arc::clone(shared);
    tokio::spawn(async move {
        let mut stop = shared.stop.subscribe();
        let down = async {
            tokio::time::sleep(LAST_WORDS).await;
            shared.go_down().await;
            tokio::time::sleep(time).await;
            shared.come_back().await;
        };
        tokio::select! {
            () = down => {}
            _ = stop.wait_for(|stop| *stop) => {}
        }
        shared.page.timers.going.store(false, Ordering::Relaxed);
    });
    Ok(())
}
