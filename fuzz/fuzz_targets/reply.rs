//! Any bytes as the answer to a REST call: a reply or an error, never a panic.
//!
//! `cargo +nightly fuzz run reply`

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| rocketbotte::fuzzing::reply(bytes));
