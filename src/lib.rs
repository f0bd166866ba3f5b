#![cfg_attr(all(feature = "client", feature = "test-util"), doc = include_str!("../README.md"))]
#![cfg_attr(
    not(all(feature = "client", feature = "test-util")),
    doc = "Rocket.Chat bots as tower services: a chat event is a request, an answer is a response."
)]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod context;
#[cfg(feature = "client")]
mod credentials;
mod error_chain;
#[cfg(feature = "client")]
mod excerpt;
#[cfg(all(fuzzing, feature = "client"))]
#[doc(hidden)]
pub mod fuzzing;
mod random;
mod rejection;
mod request;
mod secret;
#[cfg(feature = "client")]
mod server_url;
#[cfg(any(feature = "sandbox", feature = "test-util"))]
mod transcript;

pub mod args;
#[cfg(feature = "client")]
pub mod bot;
pub mod command;
pub mod conversation;
pub mod dispatch;
pub mod docs;
pub mod event;
pub mod extract;
pub mod growing;
pub mod handler;
pub mod health;
pub mod inspect;
pub mod journal;
pub mod layer;
pub mod markdown;
pub mod response;
#[cfg(feature = "client")]
pub mod rest;
pub mod router;
#[cfg(feature = "sandbox")]
pub mod sandbox;
pub mod schedule;
#[cfg(feature = "test-util")]
pub mod testing;
pub mod transport;

pub use tower::BoxError;

#[cfg(feature = "client")]
pub use self::bot::{Bot, BotBuilder, BotError, BotErrorKind};
pub use self::context::{Context, Identity};
#[cfg(feature = "client")]
pub use self::credentials::{Credentials, CredentialsError};
pub use self::rejection::{Rejection, RejectionKind};
pub use self::request::Request;
pub use self::response::{IntoResponse, Response};
pub use self::router::Router;
pub use self::secret::Secret;
#[cfg(feature = "client")]
pub use self::server_url::{ServerUrl, ServerUrlError};
