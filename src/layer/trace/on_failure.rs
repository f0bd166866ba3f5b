//! What is done when a route fails.

use std::fmt;
use std::time::Duration;

use tower::BoxError;
use tracing::Span;

use crate::error_chain::Chain;
use crate::layer::catch_panic::Panicked;
use crate::layer::timeout::Elapsed;
use crate::rejection::Rejection;
use crate::response::{Outcome, RouteName, RouteOutcome};

/// Does something when a route fails, or what is around the routes, inside of the event's span. Implemented for
/// closures, and for `()`, which does nothing.
pub trait OnFailure {
    /// Something failed, this time after the event came.
    fn on_failure(&self, failure: &Failure<'_>, latency: Duration, span: &Span);
}

impl OnFailure for () {
    fn on_failure(&self, _failure: &Failure<'_>, _latency: Duration, _span: &Span) {}
}

impl<F> OnFailure for F
where
    F: Fn(&Failure<'_>, Duration, &Span),
{
    fn on_failure(&self, failure: &Failure<'_>, latency: Duration, span: &Span) {
        self(failure, latency, span);
    }
}

/// What failed.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Failure<'a> {
    /// A route of the router.
    Route(&'a RouteOutcome),
    /// The service inside, as a whole.
    Service(&'a BoxError),
}

impl Failure<'_> {
    /// Which route; `None` for the service as a whole.
    pub fn route(&self) -> Option<&RouteName> {
        match self {
            Self::Route(outcome) => Some(outcome.route()),
            Self::Service(_) => None,
        }
    }

    /// In one word: `rejected`, `failed`, `timed out` or `panicked`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Route(outcome) => outcome.outcome().name(),
            Self::Service(error) if Rejection::find(error).is_some() => "rejected",
            Self::Service(error) if error.is::<Panicked>() => "panicked",
            Self::Service(error) if error.is::<Elapsed>() => "timed out",
            Self::Service(error) if error.is::<tower::timeout::error::Elapsed>() => "timed out",
            Self::Service(_) => "failed",
        }
    }

    /// Whether it is a refusal, which is no fault of the bot.
    pub fn is_rejection(&self) -> bool {
        match self {
            Self::Route(outcome) => matches!(outcome.outcome(), Outcome::Rejected(_)),
            Self::Service(error) => Rejection::find(error).is_some(),
        }
    }

    /// Whether a layer has logged and answered it already.
    pub fn is_answered(&self) -> bool {
        match self {
            Self::Route(outcome) => outcome.is_answered(),
            Self::Service(_) => false,
        }
    }
}

impl fmt::Display for Failure<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Route(outcome) => match outcome.outcome() {
                Outcome::Handled => f.write_str("handled"),
                Outcome::Rejected(rejection) => fmt::Display::fmt(rejection, f),
                Outcome::Failed(error) => fmt::Display::fmt(&Chain(&**error), f),
                Outcome::TimedOut(after) => write!(f, "took longer than {after:?}"),
                Outcome::Panicked(message) => write!(f, "panicked: {message}"),
            },
            Self::Service(error) => fmt::Display::fmt(&Chain(&***error), f),
        }
    }
}

/// Says at WARN what failed; at DEBUG what was refused, and what a
/// [`HandleErrorLayer`](crate::layer::handle_error::HandleErrorLayer) has already logged with a reference.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct DefaultOnFailure;

impl DefaultOnFailure {
    /// There is nothing to set.
    pub const fn new() -> Self {
        Self
    }
}

impl OnFailure for DefaultOnFailure {
    fn on_failure(&self, failure: &Failure<'_>, latency: Duration, _span: &Span) {
        let route = failure.route().map(RouteName::as_str);
        let outcome = failure.name();
        if failure.is_rejection() || failure.is_answered() {
            tracing::debug!(route, outcome, reason = %failure, ?latency, "not handled");
        } else {
            tracing::warn!(route, outcome, error = %failure, ?latency, "not handled");
        }
    }
}
