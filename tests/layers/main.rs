//! The layers, on the public API.

mod contract;
mod dedup;
mod from_fn;
mod handle_error;
mod ignore;
mod rate_limit;
mod require;
mod stock;
mod trace;
