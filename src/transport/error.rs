//! Why a source of events failed.

use std::error::Error as StdError;
use std::fmt;

use tower::BoxError;

/// Why a source of events failed, in one sentence that names the value and what to do.
#[derive(Debug)]
pub struct TransportError {
    kind: TransportErrorKind,
    message: String,
    source: Option<BoxError>,
}

/// What a failure means for the bot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TransportErrorKind {
    /// The configuration is wrong: a URL that is no Rocket.Chat, a certificate that is not trusted. Ends `serve`.
    Configuration,
    /// The server refused the account: a wrong or expired token. Ends `serve`.
    Refused,
    /// The source is broken for good in another way. Ends `serve`.
    Broken,
    /// One event could not be read; the source goes on.
    Event,
}

impl TransportError {
    /// A failure in one sentence.
    pub fn new(kind: TransportErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            source: None,
        }
    }

    /// Adds what caused it.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<BoxError>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// What it means for the bot.
    pub fn kind(&self) -> TransportErrorKind {
        self.kind
    }

    /// Whether the source gives no more events.
    pub fn is_fatal(&self) -> bool {
        self.kind != TransportErrorKind::Event
    }
}

impl fmt::Display for TransportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl StdError for TransportError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_ref().map(|source| &**source as _)
    }
}
