//! The sandbox has to satisfy clients that others wrote: they run here as they are, as programs of their own.
//!
//! `tests/clients/install.sh DIR` installs them, and `ROCKETBOTTE_CLIENTS=DIR` says where they are. Without it these
//! tests say that they were skipped; in CI that is a failure.
#![allow(clippy::expect_used, reason = "the helpers of a test may fail it")]

mod harness;
mod markdown;
mod node;
mod python;
mod typings;
