//! A sandbox with the people and rooms of the recordings, and the names that both sides have for the same things.

use std::time::{SystemTime, UNIX_EPOCH};

use rocketbotte::sandbox::{Sandbox, UserSpec};
use serde_json::Value;

/// Users of the recordings: name, id there, roles.
const PEOPLE: &[(&str, &str, &[&str])] = &[
    ("admin", "sNZNrGtGeKw2fmFPi", &["admin"]),
    ("alice", "B4wdSbecZrrTxLJKn", &["user"]),
    ("bob", "CmtNTzJhYvx6YpdQs", &["user"]),
    ("botte", "rKy9v9n4yYWWjyyx5", &["bot"]),
    ("carol", "(no id)", &["user"]),
];

pub(crate) struct Stage {
    pub(crate) sandbox: Sandbox,
    /// What the recording calls it, and what the sandbox does; the longest first.
    names: Vec<(String, String)>,
}

impl Stage {
    /// `now` is the time of the first recording, in milliseconds.
    pub(crate) fn new(now: i64) -> Self {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
        let wall = i64::try_from(wall.as_millis()).expect("before the year 292 million");
        let mut builder = Sandbox::builder()
            .clock_offset(now - wall)
            .rate_limits(true)
            .trusted_proxies(1)
            .channel_with("chan1", &["admin", "alice", "bob", "botte"])
            .channel_with("chan2", &["admin", "alice"])
            .group_with("priv1", &["admin", "alice", "botte"])
            .group_with("privx", &["admin", "alice"]);
        for (name, _, roles) in PEOPLE {
            let user = UserSpec::new(*name).password(format!("{name}-pass-1"));
            let user = match *name {
                "carol" => user.two_factor("123456"),
                _ => user,
            };
            builder = builder.user_with(user.roles(roles.iter().copied()));
        }
        let sandbox = builder.start_in_memory();
        let mut stage = Self {
            sandbox,
            names: Vec::new(),
        };
        for (name, id, _) in PEOPLE {
            let user = stage.sandbox.user(name);
            stage.same(id, user.id());
            stage.same(&format!("TOKEN-{name}"), &user.token());
            stage.same(&format!("PAT-{name}"), &user.token());
        }
        for (name, id) in [
            ("chan1", "P3NFPWG27Hvw5z4Xw"),
            ("chan2", "FcdLuspkXgiJhpovX"),
            ("priv1", "r8NCXuFKiFRNJ6aXk"),
            ("privx", "HWHor9bFXzZZgTYzq"),
        ] {
            let rid = stage.sandbox.room_id(name).expect("is there");
            stage.same(id, &rid);
        }
        stage
    }

    /// The direct room that was there before the recordings.
    pub(crate) async fn furnish(&mut self) {
        let rid = self.sandbox.user("alice").direct(&["botte"]).await;
        self.same("B4wdSbecZrrTxLJKnrKy9v9n4yYWWjyyx5", &rid);
    }

    pub(crate) fn same(&mut self, theirs: &str, ours: &str) {
        if theirs != ours && !self.names.iter().any(|(known, _)| known == theirs) {
            self.names.push((theirs.to_owned(), ours.to_owned()));
            self.names
                .sort_by_key(|(theirs, _)| std::cmp::Reverse(theirs.len()));
        }
    }

    /// The text of the recording with our names in it.
    pub(crate) fn translate(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (theirs, ours) in &self.names {
            if text.contains(theirs.as_str()) {
                text = text.replace(theirs.as_str(), ours);
            }
        }
        text
    }

    pub(crate) fn translated(&self, value: &Value) -> Value {
        serde_json::from_str(&self.translate(&value.to_string())).expect("names have no quotes")
    }

    /// Learns from two answers to one request what is called how: ids, tokens and times.
    pub(crate) fn learn(&mut self, theirs: &Value, ours: &Value) {
        match (theirs, ours) {
            (Value::String(theirs), Value::String(ours)) if is_name(theirs) => self.same(theirs, ours),
            (Value::Array(theirs), Value::Array(ours)) if theirs.len() == ours.len() => {
                for (theirs, ours) in theirs.iter().zip(ours) {
                    self.learn(theirs, ours);
                }
            }
            (Value::Object(theirs), Value::Object(ours)) => {
                if let (Some(theirs), Some(ours)) = (theirs.get("$date"), ours.get("$date")) {
                    return self.same(&theirs.to_string(), &ours.to_string());
                }
                for (key, theirs) in theirs {
                    if let Some(ours) = ours.get(key) {
                        self.learn(theirs, ours);
                    }
                }
            }
            _ => {}
        }
    }
}

/// An id of Meteor, or a time of REST.
pub(crate) fn is_name(text: &str) -> bool {
    // Of two people, theirs together are the id of their room.
    let id = matches!(text.len(), 17 | 34) && text.chars().all(|c| c.is_ascii_alphanumeric());
    let time = text.len() == 24 && text.starts_with("20") && text.ends_with('Z');
    id || time
}
