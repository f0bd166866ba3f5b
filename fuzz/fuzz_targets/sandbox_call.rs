//! Any bytes as a call of the sandbox's REST API: an answer below 500, never a panic.
//!
//! `cargo +nightly fuzz run sandbox_call`

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| rocketbotte::fuzzing::sandbox_call(bytes));
