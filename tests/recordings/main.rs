//! What a real server was recorded to answer, against what the sandbox answers to the same: keys and types, at any depth.
//!
//! The recordings lie beside the checkout: `ROCKETBOTTE_TRANSCRIPTS` says where; without it these tests say that they were
//! skipped. They are of version 3.4, and the sandbox imitates version 8: each difference is in a table, with its reason.
#![allow(clippy::expect_used, reason = "the helpers of a test may fail it")]

mod accepted;
mod compare;
mod player;
mod recording;
mod shape;
mod stage;

use std::{collections::BTreeMap, path::PathBuf};

use player::{Played, Player};
use recording::Line;
use serde_json::Value;
use stage::Stage;

fn recordings() -> Option<PathBuf> {
    let dir = std::env::var_os("ROCKETBOTTE_TRANSCRIPTS").map(PathBuf::from);
    if dir.is_none() {
        println!("skipped: set ROCKETBOTTE_TRANSCRIPTS to the folder of the recordings");
    }
    dir
}

/// The time at which a recording began: no later than all that it says of the past.
fn beginning(lines: &[Line]) -> i64 {
    fn latest(value: &Value, newest: &mut i64) {
        match value {
            Value::Object(object) => {
                for (key, value) in object {
                    if let ("ts" | "_updatedAt", Some(date)) = (key.as_str(), value["$date"].as_i64()) {
                        *newest = (*newest).max(date);
                    }
                    latest(value, newest);
                }
            }
            Value::Array(list) => list.iter().for_each(|value| latest(value, newest)),
            _ => {}
        }
    }
    let of = |line: &Line| {
        let mut newest = 0;
        match &line.what {
            recording::Event::Frame {
                frame,
                dir: recording::Direction::In,
                ..
            } => latest(frame, &mut newest),
            recording::Event::Rest { response, .. } => {
                // REST has text; the header's second is near enough.
                let date = response.headers.get("date").and_then(Value::as_str);
                newest = date.map_or(0, compare::header_date);
            }
            _ => {}
        }
        newest - i64::try_from(line.t).expect("a recording of minutes")
    };
    lines
        .iter()
        .map(of)
        .max()
        .filter(|at| *at > 0)
        .unwrap_or(1_795_334_000_000)
}

async fn play(name: &str, limits: bool) -> Option<Played> {
    let lines = recording::read(&recordings()?, name);
    let mut stage = Stage::new(beginning(&lines), limits);
    stage.furnish(name.starts_with("06")).await;
    Some(Player::new(stage).play(lines).await)
}

/// The recordings, and whether the limits are on.
const ALL: &[(&str, bool)] = &[
    ("01-ddp-connect.jsonl", false),
    ("02-ddp-login.jsonl", true),
    ("03-stream-room-messages.jsonl", false),
    ("04-stream-notify.jsonl", false),
    ("05-methods.jsonl", false),
    ("06-rest.jsonl", false),
    ("07-rate-limit.jsonl", true),
];

async fn holds(recording: usize) {
    let (name, limits) = ALL[recording];
    let Some(played) = play(name, limits).await else {
        return;
    };
    compare::judge(name, &played);
}

#[tokio::test(start_paused = true)]
async fn connecting() {
    holds(0).await;
}

#[tokio::test(start_paused = true)]
async fn logging_in() {
    holds(1).await;
}

#[tokio::test(start_paused = true)]
async fn messages() {
    holds(2).await;
}

#[tokio::test(start_paused = true)]
async fn notifications() {
    holds(3).await;
}

#[tokio::test(start_paused = true)]
async fn methods() {
    holds(4).await;
}

#[tokio::test(start_paused = true)]
async fn calls() {
    holds(5).await;
}

#[tokio::test(start_paused = true)]
async fn limits() {
    holds(6).await;
}

/// A difference that is not there any more has no place in the table, and one that is there more often than the table says is
/// another one.
#[tokio::test(start_paused = true)]
async fn every_accepted_difference_is_there() {
    let mut met: BTreeMap<usize, usize> = BTreeMap::new();
    for &(name, limits) in ALL {
        let Some(played) = play(name, limits).await else {
            return;
        };
        for (at, times) in compare::judge(name, &played) {
            *met.entry(at).or_default() += times;
        }
    }
    let other: Vec<String> = accepted::DIFFERENCES
        .iter()
        .enumerate()
        .map(|(at, known)| (met.get(&at).copied().unwrap_or(0), at, known))
        .filter(|(times, _, known)| *times != known.times)
        .map(|(times, at, known)| {
            let (place, path, request) = (known.place, known.path, known.request);
            format!(
                "row {at}, {place} {path} {request}: {times} times, not {}: {}",
                known.times, known.reason
            )
        })
        .collect();
    // A status that differs hides the whole answer: such a row names its request.
    for known in accepted::DIFFERENCES {
        assert!(
            !known.path.starts_with("(status") || !known.request.is_empty(),
            "{} {} is for any request",
            known.place,
            known.path
        );
    }
    assert!(other.is_empty(), "met more or less often:\n{}", other.join("\n"));
}
