//! The error of a REST call.

use std::fmt;
use std::time::Duration;

use http::StatusCode;
use hyper_util::client::legacy;
use tower::BoxError;

use super::call::InvalidPath;
use super::file::form::SourceError;
use super::limiter::LimitExceeded;
use super::two_factor::TwoFactorMethod;
use super::version::Version;
use crate::excerpt::excerpt;
use crate::server_url::ServerUrl;
use crate::transport::connect_failure::{ConnectFailure, root_cause};

/// A REST call that failed. Its text is one sentence with the call, the status and what the server said.
///
/// ```no_run
/// # async fn example(client: rocketbotte::rest::Client) {
/// use rocketbotte::rest::{RestErrorKind, endpoint::Me};
///
/// if let Err(error) = client.call(&Me {}).await {
///     match error.kind() {
///         RestErrorKind::Unauthorized => eprintln!("the token is no good"),
///         RestErrorKind::RateLimited { retry_after } => eprintln!("again in {retry_after:?}"),
///         _ => eprintln!("{error}"),
///     }
/// }
/// # }
/// ```
#[derive(Debug)]
pub struct RestError(Box<Inner>);

#[derive(Debug)]
struct Inner {
    kind: RestErrorKind,
    /// `POST chat.sendMessage`
    call: Box<str>,
    status: Option<StatusCode>,
    code: Option<Box<str>>,
    message: Box<str>,
    source: Option<BoxError>,
    /// Whether the answer was one after which the call is made again.
    is_transient: bool,
    /// What the server asks for, where a code could help.
    two_factor: Option<TwoFactorMethod>,
}

/// What kind of failure a [`RestError`] is.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum RestErrorKind {
    /// The server does not accept the credentials (status 401).
    Unauthorized,
    /// The account has two-factor authentication and wants a code.
    TwoFactorRequired,
    /// The account may not do this.
    Forbidden,
    /// There is no such room, message or user, or the account may not know of it.
    NotFound,
    /// Too many calls, also after waiting; or so many wait that this one was not sent.
    RateLimited {
        /// How long the server wants us to wait.
        retry_after: Duration,
    },
    /// The message is longer, or the file larger, than is allowed.
    TooLarge,
    /// This version of the server does not have the call: not before `since`, no more from `until` on.
    Unsupported {
        /// The first version that has it, where not all do.
        since: Option<Version>,
        /// The first version that has it no more.
        until: Option<Version>,
    },
    /// The server does not take files of this type.
    UnsupportedType,
    /// The connection was lost in the middle of a file, and it could not go on from there. There is no part of it
    /// anywhere.
    Cut,
    /// The file is on the server, and nobody knows whether its message was posted: the answer was lost, and the message
    /// was not to be found. It is not tried again, since that might post it twice.
    Unconfirmed,
    /// The file on this machine, or the stream, could not be read or written.
    LocalFile,
    /// The server refused it for another reason, or failed (status 5xx).
    Api,
    /// What answered is no Rocket.Chat: a web page, a redirect, no JSON.
    NotRocketChat,
    /// The answer has not the form that was expected.
    UnexpectedReply,
    /// No connection, and only a change of the configuration can cure that: an unknown host, TLS.
    Configuration,
    /// No connection, it was lost, or no answer came in time.
    Transport,
    /// The call itself is wrong, nothing was sent.
    InvalidCall,
}

impl RestError {
    pub(crate) fn new(kind: RestErrorKind, call: &str, message: impl Into<Box<str>>) -> Self {
        Self(Box::new(Inner {
            kind,
            call: call.into(),
            status: None,
            code: None,
            message: message.into(),
            source: None,
            is_transient: false,
            two_factor: None,
        }))
    }

    pub(crate) fn transient(mut self, is_transient: bool) -> Self {
        self.0.is_transient = is_transient;
        self
    }

    /// The same call and status, for what the answer means beyond its own words.
    pub(crate) fn into_kind(mut self, kind: RestErrorKind, message: impl Into<Box<str>>) -> Self {
        self.0.kind = kind;
        self.0.message = message.into();
        self.0.is_transient = false;
        self
    }

    pub(crate) fn with_status(mut self, status: StatusCode) -> Self {
        self.0.status = Some(status);
        self
    }

    pub(crate) fn with_code(mut self, code: Option<&str>) -> Self {
        self.0.code = code.map(Into::into);
        self
    }

    pub(crate) fn with_two_factor(mut self, method: Option<TwoFactorMethod>) -> Self {
        self.0.two_factor = method;
        self
    }

    pub(crate) fn with_source(mut self, source: impl Into<BoxError>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// An error of the stack: no answer was received.
    pub(crate) fn from_stack(call: &str, url: &ServerUrl, error: BoxError) -> Self {
        if let Some(InvalidPath(path)) = error.downcast_ref() {
            let message = InvalidPath(excerpt(path, 80)).to_string();
            return Self::new(RestErrorKind::InvalidCall, call, message);
        }
        if let Some(exceeded) = error.downcast_ref::<LimitExceeded>() {
            let retry_after = exceeded.retry_after;
            return Self::new(
                RestErrorKind::RateLimited { retry_after },
                call,
                exceeded.to_string(),
            );
        }
        if error.is::<http::Error>() {
            return Self::new(RestErrorKind::InvalidCall, call, "it does not fit into a request")
                .with_source(error);
        }
        if let Some(failed) = SourceError::find(&*error) {
            let kind = match failed {
                SourceError::TooLarge(_) => RestErrorKind::TooLarge,
                SourceError::Read(_) | SourceError::OtherLength(_) | SourceError::Spent => {
                    RestErrorKind::LocalFile
                }
            };
            return Self::new(kind, call, failed.to_string()).with_source(failed.clone());
        }
        if error.is::<http_body_util::LengthLimitError>() {
            return Self::new(
                RestErrorKind::UnexpectedReply,
                call,
                "the reply is longer than 16 MiB",
            )
            .with_source(error);
        }
        if error
            .downcast_ref::<legacy::Error>()
            .is_some_and(legacy::Error::is_connect)
        {
            let failure = ConnectFailure::of(&*error);
            let kind = match failure.is_permanent() {
                true => RestErrorKind::Configuration,
                false => RestErrorKind::Transport,
            };
            let message = failure.sentence(&url.to_string(), url.host(), &*error);
            return Self::new(kind, call, message).with_source(error);
        }
        let message = match error.is::<tower::timeout::error::Elapsed>() {
            true => format!("{url} did not answer in time"),
            false => format!("the connection to {url} was lost: {}", root_cause(&*error)),
        };
        Self::new(RestErrorKind::Transport, call, message).with_source(error)
    }

    /// The second factor that the server asks for; `None` also where no other code is taken any more.
    pub fn two_factor(&self) -> Option<&TwoFactorMethod> {
        self.0.two_factor.as_ref()
    }

    /// What kind of failure it is.
    pub fn kind(&self) -> &RestErrorKind {
        &self.0.kind
    }

    /// The HTTP status, if there was an answer.
    pub fn status(&self) -> Option<StatusCode> {
        self.0.status
    }

    /// The server's code for it, such as `error-not-allowed`.
    pub fn code(&self) -> Option<&str> {
        self.0.code.as_deref()
    }

    /// What the server said, without call and status.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// Whether it may work later: connection, limit, the server's own trouble, or a proxy's in its place. A call that may
    /// be done twice was tried again before it failed so.
    pub fn is_transient(&self) -> bool {
        self.0.is_transient
            || matches!(
                self.0.kind,
                RestErrorKind::Transport | RestErrorKind::RateLimited { .. }
            )
    }
}

impl fmt::Display for RestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.0.call)?;
        if let Some(status) = self.0.status {
            write!(f, "{}: ", status.as_u16())?;
        }
        f.write_str(&self.0.message)?;
        match self.code() {
            Some(code) if !self.0.message.contains(code) => write!(f, " [{code}]"),
            _ => Ok(()),
        }
    }
}

impl std::error::Error for RestError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_ref().map(|source| &**source as _)
    }
}
