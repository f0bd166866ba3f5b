//! Rocket.Chat bots as tower services.

mod random;
mod rejection;

pub mod event;
pub mod response;
pub mod transport;

pub use tower::BoxError;

pub use self::rejection::{Rejection, RejectionKind};
