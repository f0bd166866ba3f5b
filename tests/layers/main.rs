//! The layers, on the public API.

#![expect(clippy::unwrap_used, reason = "in tests a panic is the report")]

mod contract;
mod dedup;
mod from_fn;
mod handle_error;
mod ignore;
#[path = "../support/log.rs"]
mod log;
mod max_concurrency;
mod rate_limit;
mod require;
mod stock;
mod trace;
