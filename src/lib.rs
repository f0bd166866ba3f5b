//! Rocket.Chat bots as tower services.
