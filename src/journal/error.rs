//! Why a journal can not be used.

use std::fmt;

use tower::BoxError;

/// Why a journal can not be used, in one sentence that names the file and what to do.
pub struct JournalError {
    kind: JournalErrorKind,
    message: String,
    source: Option<BoxError>,
}

/// What kind of failure it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum JournalErrorKind {
    /// Another process, or another journal of this one, has the file open.
    Locked,
    /// It was a journal, and something has changed it. It is left as it is.
    Damaged,
    /// It is something else. It is left as it is.
    Foreign,
    /// A later version of this library wrote it.
    NewerFormat,
    /// It belongs to another account.
    OtherAccount,
    /// The file may not be read or written.
    Permission,
    /// There is more to be remembered than it may hold.
    Full,
    /// Reading or writing failed: a full disk, a missing folder.
    Io,
}

impl JournalError {
    /// An error with a sentence of one's own, for implementations of [`Journal`](super::Journal).
    pub fn new(kind: JournalErrorKind, message: impl Into<String>) -> Self {
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

    /// What kind of failure it is.
    pub fn kind(&self) -> JournalErrorKind {
        self.kind
    }
}

impl fmt::Display for JournalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// The sentence too: `main` shows an error it returns by `Debug`.
impl fmt::Debug for JournalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for JournalError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_ref().map(|source| &**source as _)
    }
}
