//! Why a bot can not be served.

use std::fmt;
use std::process::ExitCode;

use tower::BoxError;

use crate::journal::{JournalError, JournalErrorKind};
use crate::rest::{RestError, RestErrorKind};
use crate::transport::{TransportError, TransportErrorKind};

/// `EX_TEMPFAIL`
pub(super) const EXIT_AGAIN: u8 = 75;
/// `EX_NOPERM`
const EXIT_REFUSED: u8 = 77;
/// `EX_CONFIG`
const EXIT_CONFIGURATION: u8 = 78;
/// `EX_SOFTWARE`
const EXIT_OTHER: u8 = 70;

/// Why a bot ended, in one sentence that names the value and what to do.
pub struct BotError {
    kind: BotErrorKind,
    message: String,
    source: Option<BoxError>,
}

/// What kind of failure ended a bot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum BotErrorKind {
    /// A setting is missing or wrong: a variable, the address, a certificate.
    Configuration,
    /// The server refuses the account: a wrong, revoked or expired token, a wrong password.
    Refused,
    /// The server could not be reached within the limits that were set.
    Unreachable,
    /// The service said that it takes no more requests.
    Service,
}

impl BotError {
    pub(super) fn configuration(message: impl Into<String>) -> Self {
        Self {
            kind: BotErrorKind::Configuration,
            message: message.into(),
            source: None,
        }
    }

    pub(super) fn unreachable(message: impl Into<String>) -> Self {
        Self {
            kind: BotErrorKind::Unreachable,
            message: message.into(),
            source: None,
        }
    }

    pub(super) fn of_service(error: BoxError) -> Self {
        Self {
            kind: BotErrorKind::Service,
            message: format!("the pipeline failed: {error}"),
            source: Some(error),
        }
    }

    pub(super) fn refused(message: impl Into<String>, error: RestError) -> Self {
        Self {
            kind: BotErrorKind::Refused,
            message: message.into(),
            source: Some(error.into()),
        }
    }

    pub(super) fn with_source(mut self, source: impl Into<BoxError>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// What kind of failure it is.
    pub fn kind(&self) -> BotErrorKind {
        self.kind
    }

    /// Whether another process has the journal.
    fn is_locked(&self) -> bool {
        let error = self
            .source
            .as_ref()
            .and_then(|source| source.downcast_ref::<JournalError>());
        error.is_some_and(|error| error.kind() == JournalErrorKind::Locked)
    }

    /// The exit code that tells it: see [`Bot::run`](super::Bot::run).
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self.kind {
            // The other process ends some time.
            BotErrorKind::Configuration if self.is_locked() => EXIT_AGAIN,
            BotErrorKind::Configuration => EXIT_CONFIGURATION,
            BotErrorKind::Refused => EXIT_REFUSED,
            BotErrorKind::Unreachable | BotErrorKind::Service => EXIT_OTHER,
        })
    }
}

impl From<TransportError> for BotError {
    fn from(error: TransportError) -> Self {
        let kind = match error.kind() {
            TransportErrorKind::Configuration => BotErrorKind::Configuration,
            TransportErrorKind::Refused => BotErrorKind::Refused,
            TransportErrorKind::Broken | TransportErrorKind::Event => BotErrorKind::Unreachable,
        };
        Self {
            kind,
            message: error.to_string(),
            source: Some(error.into()),
        }
    }
}

impl From<JournalError> for BotError {
    fn from(error: JournalError) -> Self {
        Self::configuration(error.to_string()).with_source(error)
    }
}

impl From<RestError> for BotError {
    fn from(error: RestError) -> Self {
        let kind = match error.kind() {
            RestErrorKind::Unauthorized | RestErrorKind::TwoFactorRequired | RestErrorKind::Forbidden => {
                BotErrorKind::Refused
            }
            RestErrorKind::Transport | RestErrorKind::RateLimited { .. } => BotErrorKind::Unreachable,
            _ => BotErrorKind::Configuration,
        };
        let message = match error.status() {
            Some(status) => format!("{} (HTTP status {})", error.message(), status.as_u16()),
            None => error.message().to_owned(),
        };
        Self {
            kind,
            message,
            source: Some(error.into()),
        }
    }
}

impl fmt::Display for BotError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// The sentence too: `main` shows an error it returns by `Debug`.
impl fmt::Debug for BotError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for BotError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_ref().map(|source| &**source as _)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_journal_that_another_process_has_is_worth_another_start() {
        let code = |kind| format!("{:?}", BotError::from(JournalError::new(kind, "no")).exit_code());
        assert_eq!(
            code(JournalErrorKind::Locked),
            format!("{:?}", ExitCode::from(75))
        );
        assert_eq!(
            code(JournalErrorKind::Damaged),
            format!("{:?}", ExitCode::from(78))
        );
    }
}
