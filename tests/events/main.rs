//! Every event: from the frames of a real server, and from what people do on the sandbox, to the listener that hears it.
//!
//! `recorded.jsonl` is what a Rocket.Chat 3.4 sent to a bot, in its order; `documented.jsonl` is what later versions send,
//! by their sources.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test ends by them")]

#[path = "../support/mod.rs"]
mod support;

mod damaged;
mod forged;
mod from_frames;
mod listeners;
mod on_the_sandbox;
mod per_room;

use rocketbotte::event::Event;
use rocketbotte::testing::parse::{Frame, FrameParser};

const RECORDED: &str = include_str!("recorded.jsonl");
const DOCUMENTED: &str = include_str!("documented.jsonl");

/// The events of frames that come one after the other.
fn events(frames: &str) -> Vec<Event> {
    let mut parser = FrameParser::new();
    let frames = frames.lines().map(Frame::new);
    frames
        .flat_map(|frame| parser.events(&frame).collect::<Vec<_>>())
        .collect()
}
