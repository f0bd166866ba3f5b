//! The sandbox against raw clients: what it sends is checked against the protocol, not against our client.
#![cfg(feature = "sandbox")]
#![allow(clippy::expect_used, reason = "the helpers of a test may fail it")]

#[path = "sandbox/accounts.rs"]
mod accounts;
#[path = "sandbox/bridge.rs"]
mod bridge;
#[path = "sandbox/client.rs"]
mod client;
#[path = "sandbox/emoji.rs"]
mod emoji;
#[path = "sandbox/faults.rs"]
mod faults;
#[path = "sandbox/files.rs"]
mod files;
#[path = "sandbox/looking.rs"]
mod looking;
#[path = "sandbox/methods.rs"]
mod methods;
#[path = "sandbox/pages.rs"]
mod pages;
#[path = "sandbox/realtime.rs"]
mod realtime;
#[path = "sandbox/rest.rs"]
mod rest;
#[path = "sandbox/settings.rs"]
mod settings;
#[path = "sandbox/transcripts.rs"]
mod transcripts;
#[path = "sandbox/trouble.rs"]
mod trouble;
#[path = "sandbox/versions.rs"]
mod versions;
