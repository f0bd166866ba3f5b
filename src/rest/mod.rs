//! The REST client: a stack of tower services over one HTTP client.
//!
//! ```text
//! Call ─▶ trace ─▶ encode ─▶ retry ─▶ limit ─▶ auth ─▶ timeout ─▶ concurrency limit ─▶ hyper
//! ```
//!
//! # Calls
//!
//! What they are about comes first: [`Client::room`] for a room of any kind, [`Client::rooms`], [`Client::message`],
//! [`Client::user`], [`Client::users`]. Each method is one call of the module [`endpoint`], which has those that have no method
//! too: [`Client::call`] makes them, and [`Client::call_raw`] what has no type. Lists are streams. In a handler the client
//! is an extractor.
//!
//! ```no_run
//! use futures_util::TryStreamExt;
//! use rocketbotte::event::Message;
//! use rocketbotte::rest::Client;
//! use rocketbotte::{BoxError, Router};
//! use std::sync::Arc;
//!
//! async fn who(message: Arc<Message>, client: Client) -> Result<String, BoxError> {
//!     let members: Vec<_> = client.room(message.room()).members().try_collect().await?;
//!     let names = members.into_iter().filter_map(|user| user.username);
//!     Ok(names.collect::<Vec<_>>().join(", "))
//! }
//!
//! let bot: Router = Router::new().command("who", who);
//! ```
//!
//! # Limits
//!
//! A server lets an account without the permission `api-bypass-rate-limit` (the roles `bot` and `admin` have it) make
//! ten calls of an endpoint a minute, counted by address, and says with each answer how many are left. A call that would
//! be refused waits until the server counts anew, by the server's clock; those of an endpoint go in the order in which
//! they were made, those of others are not held up. Where it is refused all the same (others may use the same address),
//! it and all others of that endpoint wait as long as the server says, two minutes at most. No call is the first in its
//! line for longer than ten minutes, and no more than 1,024 wait: the others fail with
//! [`RestErrorKind::RateLimited`]. Accounts with the permission never wait. Before the first answer the limit of the
//! type counts ([`Endpoint::LIMIT`]).
//!
//! # Retries
//!
//! For up to ten minutes, with pauses by chance that grow to 30 seconds, a call is made again
//!
//! - when it was refused because of too many requests (429), or no connection could be opened: nothing was done;
//! - and if doing it twice is doing it once ([`Endpoint::IDEMPOTENT`]; a message goes out under the same id): when the
//!   connection or the answer was lost, no answer came in time, or a proxy answered in the server's place, with 502, 503,
//!   504 or a web page, or, once the server has answered, with a redirect or without JSON; for up to
//!   30 seconds also when the server itself says that it failed (500).
//!
//! All calls of a client together are made again twenty times at once and then twice a second at most, besides one for
//! every five calls that work, so that a server that is down is not hammered. Any other status is the server's word, and
//! an error at once.

mod account_policy;
mod auth;
mod body;
mod call;
mod client;
mod clock;
mod collect;
mod error;
pub mod file;
mod handle;
mod history;
mod limit;
mod limit_layer;
mod limiter;
mod paging;
mod quota;
mod reply;
mod retry;
mod retry_budget;
mod sink;
mod timeout;
pub(crate) mod token_source;
mod trace;
pub(crate) mod two_factor;
mod version;

pub mod endpoint;

pub use self::client::{Client, ClientBuilder};
pub use self::endpoint::Endpoint;
pub use self::error::{RestError, RestErrorKind};
pub use self::handle::{MessageHandle, RoomHandle, RoomRef, RoomsHandle, UserHandle, UserRef};
pub use self::history::History;
pub(crate) use self::limiter::AccountLimit;
pub use self::paging::Listing;
pub use self::sink::{RestSink, SinkFuture};
pub use self::two_factor::{TwoFactorMethod, TwoFactorRequest};
pub(crate) use self::version::ServerVersion;
pub use self::version::Version;

#[cfg(fuzzing)]
pub(crate) fn fuzzing(url: &crate::ServerUrl, response: &http::Response<bytes::Bytes>) {
    if let Err(error) = reply::read::<endpoint::MeReply>("GET me", url, response, true) {
        let _ = error.to_string();
    }
}
