//! The session and the classifier over recordings of a real server.

use super::*;
use crate::event::Event;
use crate::event::classify::Classifier;

/// The recordings whose names end like this, line by line: without texts, or whole from another folder.
fn recordings(ending: &str) -> Vec<serde_json::Value> {
    let reduced = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/recordings/fixtures");
    let folder = std::env::var_os("ROCKETBOTTE_TRANSCRIPTS").unwrap_or_else(|| reduced.into());
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .expect("the folder of recordings")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.to_string_lossy().ends_with(ending))
        .collect();
    files.sort();
    let lines: Vec<_> = files
        .iter()
        .flat_map(|file| {
            let text = std::fs::read_to_string(file).expect("a recording");
            let lines: Vec<_> = text
                .lines()
                .map(|line| serde_json::from_str::<serde_json::Value>(line).expect("a line of JSON"))
                .collect();
            lines
        })
        .collect();
    assert!(!lines.is_empty(), "no recording {ending} in the folder");
    lines
}

/// How far our session gets with what a real server said to others, by connection. Where a login succeeds the server
/// then accepts our subscriptions.
fn handshakes(ending: &str) -> std::collections::BTreeMap<String, String> {
    struct Connection {
        driver: Driver,
        /// Under which id the other client logged in first.
        login: Option<String>,
        outcome: String,
    }

    let mut connections = std::collections::BTreeMap::<String, Connection>::new();
    for line in recordings(ending) {
        let Some(name) = line["conn"].as_str() else {
            continue;
        };
        let connection = connections.entry(name.to_owned()).or_insert_with(|| Connection {
            driver: Driver::new(),
            login: None,
            outcome: "open".to_owned(),
        });
        let mut frame = line["frame"].clone();
        if line["dir"] == "out" && frame["method"] == "login" && connection.login.is_none() {
            connection.login = frame["id"].as_str().map(str::to_owned);
        }
        if line["dir"] != "in" {
            continue;
        }
        if frame["msg"] == "result" {
            let is_login = connection.login.is_some() && frame["id"].as_str() == connection.login.as_deref();
            frame["id"] = if is_login {
                "1"
            } else {
                "a call of the other client"
            }
            .into();
        }
        let mut out = connection.driver.frame(&frame.to_string());
        if out.states.contains(&ConnectionState::LoggedIn) {
            out.ready += connection
                .driver
                .frame(r#"{"msg":"ready","subs":["2","3"]}"#)
                .ready;
        }
        match out.closed {
            Some(CloseReason::Version(version)) => connection.outcome = format!("version {version}"),
            Some(CloseReason::TokenRefused(error)) => connection.outcome = format!("refused {}", error.code),
            Some(CloseReason::OtherUser(_)) => connection.outcome = "another user".to_owned(),
            Some(other) => connection.outcome = format!("{other:?}"),
            None if out.ready > 0 => connection.outcome = "ready".to_owned(),
            None if out.states.contains(&ConnectionState::Connected) => {
                connection.outcome = "connected".to_owned();
            }
            None => {}
        }
    }
    connections
        .into_iter()
        .map(|(name, connection)| (name, connection.outcome))
        .collect()
}

fn assert_outcomes(found: &std::collections::BTreeMap<String, String>, expected: &[(&str, &str)]) {
    let found: Vec<_> = found
        .iter()
        .map(|(name, outcome)| (&**name, &**outcome))
        .collect();
    assert_eq!(found, expected);
}

#[test]
fn recorded_connects_go_as_they_should() {
    assert_outcomes(
        &handshakes("01-ddp-connect.jsonl"),
        &[
            ("A", "connected"),
            ("B-1", "version 1"),
            ("B-2", "version 1"),
            ("B-99", "version 1"),
            ("B-pre1", "connected"),
            ("B-pre2", "connected"),
            ("B2", "version 1"),
            ("C", "open"),
            ("D", "open"),
            ("E", "connected"),
            ("E2", "connected"),
            ("F", "connected"),
            ("answers-pings", "connected"),
            ("idle", "connected"),
        ],
    );
}

#[test]
fn recorded_logins_go_as_they_should() {
    assert_outcomes(
        &handshakes("02-ddp-login.jsonl"),
        &[
            ("2fa", "refused totp-required"),
            ("after-logout", "refused 403"),
            ("bad-alg", "refused 403"),
            ("dora", "another user"),
            ("dora2", "refused error-user-is-not-activated"),
            ("logout", "ready"),
            ("pw-email", "ready"),
            ("pw-plain", "ready"),
            ("pw-username", "ready"),
            ("resume", "ready"),
            ("resume-bad", "refused 403"),
            ("resume-pat", "ready"),
        ],
    );
}

#[test]
fn recorded_messages_become_these_events() {
    let mut driver = Driver::ready();
    let mut classifier = Classifier::new(false);
    let mut kinds = std::collections::BTreeMap::<String, usize>::new();
    for line in recordings("03-stream-room-messages.jsonl") {
        if line["conn"] == "bot-my2" && line["dir"] == "in" && line["frame"]["msg"] == "changed" {
            let out = driver.frame(&line["frame"].to_string());
            for event in out.events.iter().flat_map(|event| classifier.classify(event)) {
                *kinds.entry(format!("{:?}", event.kind())).or_default() += 1;
            }
        }
    }
    let kinds: Vec<_> = kinds.iter().map(|(kind, count)| (&**kind, *count)).collect();
    // Messages of rooms that the bot is not in are none; three counts of discussions change nothing that has an event of
    // its own.
    assert_eq!(
        kinds,
        [
            ("Deleted", 1),
            ("Edited", 2),
            ("Message", 27),
            ("Pinned", 2),
            ("Reaction", 3),
            ("Starred", 1),
            ("System", 14),
            ("ThreadUpdate", 2),
            ("Updated", 3),
        ]
    );
}

/// Every recorded frame of a real server passes through a ready session and the classifier.
#[test]
fn recordings_pass() {
    let mut connections = std::collections::HashMap::new();
    for line in recordings(".jsonl") {
        if line["dir"] != "in" {
            continue;
        }
        let frame = line["frame"].to_string();
        let (driver, classifier) = connections
            .entry(line["conn"].to_string())
            .or_insert_with(|| (Driver::ready(), Classifier::new(true)));
        let out = driver.frame(&frame);
        if line["frame"]["msg"] == "failed" {
            assert!(matches!(out.closed, Some(CloseReason::Version(_))), "{frame}");
            *driver = Driver::ready();
            continue;
        }
        assert!(out.closed.is_none(), "{frame}");
        let is_event = line["frame"]["msg"] == "changed";
        assert_eq!(out.events.len(), usize::from(is_event), "{frame}");
        for event in out.events {
            let understood = event.collection == "stream-room-messages"
                || event.event_name.ends_with("/subscriptions-changed");
            let events = classifier.classify(&event);
            let raw = events.iter().any(|event| matches!(event, Event::Raw(_)));
            assert!(!(raw && understood), "{frame}");
        }
    }
}
