//! Why something can not be planned.

use std::fmt;

use tower::BoxError;

/// Why something can not be planned, in one sentence.
pub struct ScheduleError {
    kind: ScheduleErrorKind,
    message: String,
    source: Option<BoxError>,
}

/// What kind of failure it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ScheduleErrorKind {
    /// The expression or the time zone can not be read.
    Invalid,
    /// Another job has the name.
    Taken,
    /// The name, the id or the payload is too long.
    TooLong,
    /// As much is planned as can be.
    Full,
    /// The journal can not keep it for the time being.
    NotKept,
    /// The bot has ended.
    NotRunning,
}

impl ScheduleError {
    pub(super) fn new(kind: ScheduleErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            source: None,
        }
    }

    pub(super) fn with_source(mut self, source: impl Into<BoxError>) -> Self {
        self.source = Some(source.into());
        self
    }

    #[cfg(feature = "cron")]
    pub(super) fn expression(expression: &str, error: &croner::errors::CronError) -> Self {
        let message = format!("`{expression}` is no cron expression: {error}");
        Self::new(ScheduleErrorKind::Invalid, message)
    }

    #[cfg(feature = "cron")]
    pub(super) fn never(expression: &str) -> Self {
        let message = format!("`{expression}` names a time that never comes");
        Self::new(ScheduleErrorKind::Invalid, message)
    }

    #[cfg(feature = "cron")]
    pub(super) fn zone(name: &str, error: jiff::Error) -> Self {
        let message = format!("there is no time zone `{name}`: they have names such as `Europe/Berlin`");
        Self::new(ScheduleErrorKind::Invalid, message).with_source(error)
    }

    #[cfg(feature = "cron")]
    pub(super) fn interval_in_zone(name: &str) -> Self {
        let message = format!("an interval is the same in every time zone, also in `{name}`");
        Self::new(ScheduleErrorKind::Invalid, message)
    }

    pub(super) fn not_running() -> Self {
        Self::new(ScheduleErrorKind::NotRunning, "the bot has ended")
    }

    /// What kind of failure it is.
    pub fn kind(&self) -> ScheduleErrorKind {
        self.kind
    }
}

impl fmt::Display for ScheduleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl fmt::Debug for ScheduleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScheduleError")
            .field("kind", &self.kind)
            .field("message", &self.message)
            .field("source", &self.source)
            .finish()
    }
}

impl std::error::Error for ScheduleError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_ref().map(|source| &**source as _)
    }
}
