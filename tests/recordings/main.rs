//! What a real server was recorded to answer, against what the sandbox answers to the same: keys and types, at any depth.
//!
//! `fixtures` has the recordings, reduced to what is compared. They are of version 3.4, and the sandbox imitates version 8: each
//! difference is in a table, with its reason and how often it is met. Where `ROCKETBOTTE_TRANSCRIPTS` names the folder of the
//! whole recordings, the fixtures are compared with them; with `ROCKETBOTTE_FIXTURES=write` they are made anew.
#![allow(clippy::expect_used, reason = "the helpers of a test may fail it")]

mod accepted;
mod compare;
mod player;
mod recording;
mod reduce;
mod shape;
mod stage;

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use accepted::Part;
use compare::Verdict;
use player::{Played, Player};
use recording::Line;
use serde_json::Value;
use stage::Stage;

/// The recordings, in the order in which they were made, one after the other on one server.
const ALL: [&str; 7] = [
    "01-ddp-connect.jsonl",
    "02-ddp-login.jsonl",
    "03-stream-room-messages.jsonl",
    "04-stream-notify.jsonl",
    "05-methods.jsonl",
    "06-rest.jsonl",
    "07-rate-limit.jsonl",
];

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/recordings/fixtures")
        .join(name)
}

/// The time at which a recording began: no later than all that it says of the past. `None` if it says no time.
fn beginning(lines: &[Line]) -> Option<i64> {
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
    lines.iter().map(of).max().filter(|at| *at > 0)
}

/// Plays all recordings on one sandbox.
async fn play_all() -> Vec<(&'static str, Played)> {
    let recordings = ALL.map(|name| (name, recording::read(&fixture(name))));
    let begins = recordings.each_ref().map(|(_, lines)| beginning(lines));
    // The first says no time; it took less than two minutes.
    let first = begins.into_iter().flatten().min().expect("most say the time") - 120_000;
    let began = tokio::time::Instant::now();
    let mut stage = Stage::new(first);
    stage.furnish().await;
    stage = Player::new(stage).open_browser().await;
    let mut all = Vec::new();
    for ((name, lines), begins) in recordings.into_iter().zip(begins) {
        let begins = u64::try_from(begins.unwrap_or(first) - first).expect("not before the first");
        let pause = Duration::from_millis(begins).saturating_sub(began.elapsed());
        tokio::time::advance(pause).await;
        let (played, after) = Player::new(stage).play(lines).await;
        stage = after;
        all.push((name, played));
    }
    all
}

#[tokio::test(start_paused = true)]
async fn the_sandbox_answers_in_the_shapes_of_the_recordings() {
    let (table, mut verdict) = (accepted::table(), Verdict::default());
    for (name, played) in play_all().await {
        verdict.judge(&table, name, &played);
    }
    for part in [Part::Versions, Part::Scope, Part::Recording] {
        let rows = table.iter().filter(|row| row.part == part).count();
        println!("{rows} rows of {part:?}");
    }
    let faults = verdict.faults(&table);
    assert!(
        faults.is_empty(),
        "{} faults:\n{}",
        faults.len(),
        faults.join("\n")
    );
    assert!(verdict.compared > 1_200, "only {} compared", verdict.compared);
}

/// The comparison itself: whatever one answer lacks, has too much or has of another type is found.
#[tokio::test(start_paused = true)]
async fn one_difference_more_is_found() {
    let table = accepted::table();
    let mut all = play_all().await;
    let (_, calls) = &mut all[5];
    let me = calls
        .answers
        .iter_mut()
        .find(|answer| answer.request.starts_with("GET me ") && answer.actual.0 == 200);
    let me = me
        .expect("was asked")
        .actual
        .1
        .as_object_mut()
        .expect("an object");
    me.remove("roles");
    me.insert("surplus".to_owned(), true.into());
    me.insert("username".to_owned(), 5.into());
    let (_, frames) = &mut all[2];
    let ours = frames.frames.values_mut().map(|[_, ours]| ours);
    let deleted = ours
        .flatten()
        .find(|frame| frame["fields"]["args"][0]["t"] == "rm");
    deleted.expect("was sent")["fields"]["args"][0]["surplus"] = true.into();
    let mut verdict = Verdict::default();
    for (name, played) in &all {
        verdict.judge(&table, name, played);
    }
    let faults = verdict.faults(&table);
    let rows: Vec<&str> = faults.iter().filter_map(|fault| fault.lines().next()).collect();
    assert_eq!(
        rows,
        [
            "- 1 GET me 200 | roles",
            "+ 1 GET me 200 | surplus",
            "~ 1 GET me 200 | username",
            "+ 1 stream-room-messages rm | fields.args[].surplus",
        ]
    );
}

#[test]
fn the_fixtures_are_made_of_the_recordings() {
    let secret = |text: &str| {
        let long = |word: &str| {
            word.len() >= 40
                && word
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
        };
        text.contains("$2b$")
            || text
                .split(['"', ' ', '=', ';', '&'])
                .any(|word| long(word) && word.bytes().any(|byte| byte != b'z'))
    };
    let whole = std::env::var_os("ROCKETBOTTE_TRANSCRIPTS").map(PathBuf::from);
    for name in ALL {
        let reduced: Option<Vec<Value>> = whole.as_ref().map(|dir| {
            let lines = recording::lines(&dir.join(name));
            lines.iter().filter_map(reduce::reduced).collect()
        });
        if let (Some(reduced), Ok("write")) = (&reduced, std::env::var("ROCKETBOTTE_FIXTURES").as_deref()) {
            let text: String = reduced.iter().map(|line| format!("{line}\n")).collect();
            std::fs::write(fixture(name), text).expect("can be written");
        }
        let kept = recording::lines(&fixture(name));
        assert!(kept.len() > 50, "{name} has {} lines", kept.len());
        for line in &kept {
            assert_eq!(
                reduce::reduced(line).as_ref(),
                Some(line),
                "{name}: more than shapes is kept"
            );
        }
        for answer in kept.iter().filter(|line| line["dir"] != "out") {
            assert!(!secret(&answer["frame"].to_string()), "{name}: {answer}");
            assert!(!secret(&answer["response"].to_string()), "{name}: {answer}");
        }
        if let Some(reduced) = reduced {
            assert!(
                kept == reduced,
                "{name}: ROCKETBOTTE_FIXTURES=write makes it anew"
            );
        }
    }
}
