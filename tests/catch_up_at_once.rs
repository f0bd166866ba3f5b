//! The cases of `catch_up` on a server whose `chat.syncMessages` has no pages.
#![cfg(all(feature = "client", feature = "sandbox"))]

#[path = "catch_up.rs"]
mod cases;
