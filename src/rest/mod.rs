//! The REST client: a stack of tower services over one HTTP client.
//!
//! ```text
//! Call ─▶ trace ─▶ encode ─▶ retry ─▶ auth ─▶ timeout ─▶ concurrency limit ─▶ hyper
//! ```
//!
//! A call that is refused because of too many requests waits as long as the server says. A connection that cannot be
//! opened is tried again. A call whose fate is unknown is repeated only where doing it twice is doing it once.

mod auth;
mod call;
mod client;
mod clock;
mod collect;
mod error;
mod limit;
mod reply;
mod retry;
mod sink;
mod trace;

pub mod endpoint;

pub use self::client::{Client, ClientBuilder};
pub use self::endpoint::Endpoint;
pub use self::error::{RestError, RestErrorKind};
pub use self::sink::{RestSink, SinkFuture};

#[cfg(fuzzing)]
pub(crate) fn fuzzing(url: &crate::ServerUrl, response: &http::Response<bytes::Bytes>) {
    if let Err(error) = reply::read::<endpoint::MeReply>("GET me", url, response, true) {
        let _ = error.to_string();
    }
}
