//! Pages about running a bot.

#[cfg(feature = "client")]
#[doc = include_str!("deployment.md")]
pub mod deployment {}

#[cfg(feature = "client")]
#[doc = include_str!("events.md")]
pub mod events {}

#[doc = include_str!("observability.md")]
pub mod observability {}
