//! What actions become on a server.
#![cfg(all(feature = "client", feature = "sandbox", feature = "test-util"))]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test ends by them")]

#[path = "../support/mod.rs"]
mod support;

mod each;
mod mentions;
mod message;
mod places;
mod world;
