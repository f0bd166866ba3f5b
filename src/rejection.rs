//! What the person in the chat should read when a request is refused.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use tower::BoxError;

/// A refusal that is meant for the person who asked: bad arguments, not permitted, slow down.
///
/// Any other error is for the operator: it goes to the log, and the person reads a reference to it.
///
/// ```
/// use rocketbotte::Rejection;
///
/// async fn deploy() -> Result<&'static str, Rejection> {
///     Err(Rejection::new("Nothing is deployed on Fridays."))
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    kind: RejectionKind,
    text: Cow<'static, str>,
    is_silent: bool,
}

/// Why a request was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RejectionKind {
    /// The arguments of a command could not be read.
    BadArguments,
    /// The author may not do this.
    NotPermitted,
    /// The author asked too often.
    SlowDown {
        /// How long until the next try may pass.
        retry_after: Duration,
    },
    /// The command is running already, as often as it may.
    AlreadyRunning,
    /// A group of commands has no such sub-command.
    UnknownSubcommand,
    /// A handler's own reason.
    Other,
}

impl Rejection {
    /// A refusal in a handler's own words.
    pub fn new(text: impl Into<Cow<'static, str>>) -> Self {
        Self::of(RejectionKind::Other, text)
    }

    /// The arguments could not be read: one sentence that says what was expected and what was given.
    pub fn bad_arguments(text: impl Into<Cow<'static, str>>) -> Self {
        Self::of(RejectionKind::BadArguments, text)
    }

    /// The author may not do this. One neutral sentence, which tells nothing about who may.
    pub fn not_permitted() -> Self {
        Self::of(
            RejectionKind::NotPermitted,
            "You are not allowed to do this here.",
        )
    }

    /// The author asked too often.
    pub fn slow_down(retry_after: Duration) -> Self {
        // Rounded up: who waits as long as told must not be refused again.
        let seconds = retry_after.as_secs() + u64::from(retry_after.subsec_nanos() > 0);
        let plural = if seconds == 1 { "" } else { "s" };
        Self::of(
            RejectionKind::SlowDown { retry_after },
            format!("Slow down, please: try again in {seconds} second{plural}."),
        )
    }

    /// One that is always the same.
    pub(crate) const fn fixed(text: &'static str) -> Self {
        Self {
            kind: RejectionKind::Other,
            text: Cow::Borrowed(text),
            is_silent: false,
        }
    }

    pub(crate) fn of(kind: RejectionKind, text: impl Into<Cow<'static, str>>) -> Self {
        Self {
            kind,
            text: text.into(),
            is_silent: false,
        }
    }

    /// Refuses without a word in the room. It is still counted and logged.
    #[must_use]
    pub fn silent(mut self) -> Self {
        self.is_silent = true;
        self
    }

    /// Why.
    pub fn kind(&self) -> &RejectionKind {
        &self.kind
    }

    /// What the author reads.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether nothing is said in the room.
    pub fn is_silent(&self) -> bool {
        self.is_silent
    }

    /// Finds a rejection in an error or in what caused it.
    ///
    /// ```
    /// use rocketbotte::{BoxError, Rejection};
    ///
    /// let error: BoxError = Box::new(Rejection::not_permitted());
    /// assert!(Rejection::find(&error).is_some());
    /// assert!(Rejection::find(&BoxError::from("disk full")).is_none());
    /// ```
    pub fn find(error: &BoxError) -> Option<&Self> {
        let mut next: Option<&(dyn std::error::Error + 'static)> = Some(&**error);
        while let Some(error) = next {
            if let Some(rejection) = error.downcast_ref() {
                return Some(rejection);
            }
            next = error.source();
        }
        None
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Rejection {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_rounded_up_to_seconds() {
        assert!(
            Rejection::slow_down(Duration::from_millis(1200))
                .text()
                .contains("in 2 seconds")
        );
        assert!(
            Rejection::slow_down(Duration::from_secs(1))
                .text()
                .contains("in 1 second.")
        );
    }

    #[test]
    fn a_rejection_is_found_behind_a_cause() {
        #[derive(Debug, thiserror::Error)]
        #[error("while deploying")]
        struct Outer(#[source] Rejection);

        let error: BoxError = Box::new(Outer(Rejection::new("no")));
        assert_eq!(Rejection::find(&error).unwrap().text(), "no");
    }
}
