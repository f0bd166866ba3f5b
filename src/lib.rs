//! Rocket.Chat bots as tower services.

#[cfg(feature = "client")]
mod credentials;
#[cfg(feature = "client")]
mod excerpt;
mod random;
mod rejection;
#[cfg(feature = "client")]
mod secret;
#[cfg(feature = "client")]
mod server_url;

pub mod event;
pub mod response;
#[cfg(feature = "client")]
pub mod rest;
pub mod transport;

pub use tower::BoxError;

#[cfg(feature = "client")]
pub use self::credentials::{Credentials, CredentialsError};
pub use self::rejection::{Rejection, RejectionKind};
#[cfg(feature = "client")]
pub use self::secret::Secret;
#[cfg(feature = "client")]
pub use self::server_url::{ServerUrl, ServerUrlError};
