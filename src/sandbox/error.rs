//! The errors that a user of the sandbox sees.

use std::{fmt, io, time::Duration};

use super::refusal::Refusal;

/// The sandbox could not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SandboxError {
    /// The port could not be bound.
    #[error("the sandbox cannot listen on {address}: {source}")]
    Bind {
        /// The address that was tried.
        address: std::net::SocketAddr,
        /// Why not.
        source: io::Error,
    },
}

/// The server refused what a user of the sandbox tried to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the sandbox refused: {message}")]
pub struct SandboxRefusal {
    code: Option<String>,
    message: String,
}

impl SandboxRefusal {
    /// The error code, such as `error-not-allowed`, if there is one.
    pub fn code(&self) -> Option<&str> {
        self.code.as_deref()
    }

    /// The text of the error.
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl From<Refusal> for SandboxRefusal {
    fn from(refusal: Refusal) -> Self {
        Self {
            code: refusal.code(),
            message: refusal.message(),
        }
    }
}

/// What was waited for did not happen in time.
///
/// Its text has the latest messages and what the server saw, so that a failed test explains itself.
#[derive(Debug, Clone)]
pub struct WaitError {
    pub(crate) after: Duration,
    pub(crate) transcript: String,
}

impl fmt::Display for WaitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "nothing matched within {:?}\n{}", self.after, self.transcript)
    }
}

impl std::error::Error for WaitError {}
