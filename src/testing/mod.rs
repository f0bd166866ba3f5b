//! What bots and layers are tested with: events without a server, a way to run a service on one, and the contract that
//! a layer has to keep.
//!
//! ```
//! use rocketbotte::testing::{self, events};
//! use rocketbotte::{Router, command::CommandLayer};
//! use tower::ServiceBuilder;
//!
//! async fn ping() -> &'static str { "pong" }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), rocketbotte::BoxError> {
//! let app = ServiceBuilder::new().layer(CommandLayer::new("!")).service(Router::new().command("ping", ping));
//! let response = testing::call(app, events::message("!ping")).await?;
//! assert_eq!(response.texts().collect::<Vec<_>>(), ["pong"]);
//! # Ok(())
//! # }
//! ```

pub mod contract;
pub mod events;
#[cfg(all(feature = "client", feature = "sandbox"))]
mod live;
#[cfg(feature = "client")]
pub mod parse;
mod probe;

use tower::{BoxError, Service, ServiceExt};

#[cfg(all(feature = "client", feature = "sandbox"))]
pub use self::live::{LiveBot, serve, serve_with};
pub use self::probe::{Probe, ProbeFuture};
use crate::context::Context;
use crate::event::Event;
use crate::request::Request;
use crate::response::Response;

/// Runs a service on an event: makes it ready, calls it, and waits for the routes that take longer than the hold time.
/// The bot is [`events::bot`]. For several events pass `&mut service`.
///
/// # Errors
///
/// What the service fails with.
pub async fn call<S>(service: S, event: impl Into<Event>) -> Result<Response, BoxError>
where
    S: Service<Request, Response = Response>,
    S::Error: Into<BoxError>,
{
    call_request(service, request(event)).await
}

/// Like [`call`], for a request that is there already.
///
/// # Errors
///
/// What the service fails with.
pub async fn call_request<S>(mut service: S, request: Request) -> Result<Response, BoxError>
where
    S: Service<Request, Response = Response>,
    S::Error: Into<BoxError>,
{
    let service = service.ready().await.map_err(Into::into)?;
    let response = service.call(request).await.map_err(Into::into)?;
    Ok(response.finish().await)
}

/// A request to the bot [`events::bot`].
pub fn request(event: impl Into<Event>) -> Request {
    Request::with_context(event, Context::for_bot(events::bot()))
}
