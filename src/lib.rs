//! Rocket.Chat bots as tower services.

mod context;
mod random;
mod rejection;
mod request;

pub mod args;
pub mod command;
pub mod dispatch;
pub mod event;
pub mod extract;
pub mod handler;
pub mod layer;
pub mod response;
pub mod router;
#[cfg(feature = "test-util")]
pub mod testing;
pub mod transport;

pub use tower::BoxError;

pub use self::context::{Context, Identity};
pub use self::rejection::{Rejection, RejectionKind};
pub use self::request::Request;
pub use self::response::{IntoResponse, Response};
pub use self::router::Router;
