//! Any bytes as a frame from the server: session and classifier go on, and the message beside it arrives.
//!
//! `cargo +nightly fuzz run frame`

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| rocketbotte::fuzzing::frame(bytes));
