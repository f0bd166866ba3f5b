//! The recordings: JSON lines of what clients sent and what a real server answered.

use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

#[derive(Debug, Deserialize)]
pub(crate) struct Line {
    /// Milliseconds since the recording began.
    #[serde(default)]
    pub(crate) t: u64,
    #[serde(flatten)]
    pub(crate) what: Event,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum Event {
    Rest {
        request: Request,
        response: Response,
    },
    Frame {
        conn: String,
        dir: Direction,
        frame: Value,
    },
    Socket {
        conn: String,
        ev: String,
        path: Option<String>,
        code: Option<u16>,
    },
    /// A remark of who recorded it.
    Note {},
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Direction {
    In,
    Out,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) path: String,
    #[serde(default)]
    pub(crate) headers: std::collections::BTreeMap<String, Value>,
    #[serde(default)]
    pub(crate) body: Value,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Response {
    pub(crate) status: u16,
    #[serde(default)]
    pub(crate) headers: std::collections::BTreeMap<String, Value>,
    #[serde(default)]
    pub(crate) body: Value,
}

/// The lines of a file, as they are.
pub(crate) fn lines(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let parsed = |line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    text.lines().map(parsed).collect()
}

/// One recording, without the lines of a kind that nobody knows.
pub(crate) fn read(path: &Path) -> Vec<Line> {
    let line = |value| Line::deserialize(value).expect("a line of a recording");
    lines(path).into_iter().map(line).collect()
}
