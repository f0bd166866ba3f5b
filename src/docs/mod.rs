//! Pages about running a bot.

#[doc = include_str!("deployment.md")]
pub mod deployment {}

#[doc = include_str!("observability.md")]
pub mod observability {}
