//! Any lines as frames to the sandbox: it answers, and the connection lives.
//!
//! `cargo +nightly fuzz run sandbox_frames`

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| rocketbotte::fuzzing::sandbox_frames(bytes));
