//! What handlers take: parts of the request, by type.
//!
//! Extractors read the request and take nothing away, so a handler may have up to eight in any order.

mod directed;
mod event;
mod option;
mod outbox;
mod request;
mod state;
mod tasks;
#[cfg(feature = "client")]
mod thread_history;

use std::future::Future;

use tower::BoxError;

pub use self::directed::{DirectedAtMe, directed_at_me};
pub use self::event::{Author, Payload, Quoted};
pub use self::outbox::Outbox;
pub(crate) use self::outbox::OutboxPlace;
pub use self::request::Extension;
pub use self::state::{FromRef, State};
pub use self::tasks::Tasks;
#[cfg(feature = "client")]
pub use self::thread_history::{HistoryError, HistoryMessage, ThreadHistory};
pub use crate::args::Args;
use crate::args::ArgsInfo;
pub use crate::conversation::Conversation;
use crate::request::Request;

/// A part of a request that a handler takes as an argument.
///
/// ```
/// use rocketbotte::{Request, Router};
/// use rocketbotte::extract::FromRequest;
///
/// /// How many words the message has.
/// struct WordCount(usize);
///
/// impl<S: Sync> FromRequest<S> for WordCount {
///     type Rejection = rocketbotte::Rejection;
///
///     async fn from_request(request: &Request, _state: &S) -> Result<Self, Self::Rejection> {
///         Ok(Self(request.message().map_or(0, |message| message.text().split_whitespace().count())))
///     }
/// }
///
/// async fn count(WordCount(words): WordCount) -> String { format!("{words} words") }
///
/// let router: Router = Router::new().on_message(count);
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an extractor",
    label = "a handler can not take this",
    note = "handlers take `State`, `Args`, `Author`, `Room`, `Arc<Message>`, `Command`, `Extension`, `Outbox` and others of `rocketbotte::extract`",
    note = "implement `FromRequest` to make it one"
)]
pub trait FromRequest<S>: Sized {
    /// Why it is not there: a [`Rejection`](crate::Rejection) if the author should read it, else an error for the log.
    type Rejection: Into<BoxError> + Send;

    /// Reads it from the request.
    ///
    /// # Errors
    ///
    /// The request does not have it.
    fn from_request(
        request: &Request,
        state: &S,
    ) -> impl Future<Output = Result<Self, Self::Rejection>> + Send;

    /// What it reads of the text behind a command, for the help; `None` for what does not read it. An extractor that
    /// holds an [`Args`] hands on what that says.
    fn arguments() -> Option<ArgsInfo> {
        None
    }
}

/// The request has no such part.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a `{event}` event has no {part}")]
pub struct MissingPart {
    part: &'static str,
    event: &'static str,
}

impl MissingPart {
    pub(crate) fn new(part: &'static str, request: &Request) -> Self {
        Self {
            part,
            event: request.kind().name(),
        }
    }
}
