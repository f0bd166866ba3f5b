//! Any text as the arguments of a command: values or an error, never a panic.
//!
//! `cargo +nightly fuzz run args`

#![no_main]

use std::time::Duration;

use rocketbotte::args::{Arg, CodeBlock, Line, Rest, RoomArg, UserArg, parse};
use rocketbotte::event::Timestamp;
use serde::Deserialize;

#[derive(Deserialize)]
#[allow(dead_code)]
struct Everything {
    user: UserArg,
    #[serde(default)]
    count: i8,
    after: Option<Arg<Duration>>,
    force: bool,
    tags: Vec<String>,
    title: Line,
    text: Option<Rest>,
}

libfuzzer_sys::fuzz_target!(|text: &str| {
    let _ = parse::<Everything>(text);
    let _ = parse::<(Line, Line<f64>, Rest<u8>)>(text);
    let _ = parse::<(Option<RoomArg>, Vec<CodeBlock>, Arg<Timestamp>)>(text);
    let _ = parse::<Vec<Arg<http::Uri>>>(text);
});
