//! Rocket.Chat bots as tower services.

#[cfg(feature = "sandbox")]
pub mod sandbox;
