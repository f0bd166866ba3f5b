//! What became of a route.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tower::BoxError;

use crate::Rejection;

/// The name of a route, which its messages' ids are derived from: a command's path (`admin ban`), or a listener's
/// event and name (`on_message/hello`). It never depends on the position, so a deploy does not change it.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RouteName(Arc<str>);

impl RouteName {
    /// A name.
    pub fn new(name: &str) -> Self {
        Self(Arc::from(name))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RouteName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for RouteName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// What a route is registered for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RouteKind {
    /// A command: its author waits for an answer, and hears of a failure.
    Command,
    /// A listener: nobody asked, so a failure is only logged.
    Listener,
}

/// What became of a route that ran.
#[derive(Debug)]
#[non_exhaustive]
pub enum Outcome {
    /// It answered, perhaps with nothing.
    Handled,
    /// It refused, with a reason for the person who asked.
    Rejected(Rejection),
    /// It failed, with an error for the operator.
    Failed(BoxError),
    /// It took longer than its deadline.
    TimedOut(Duration),
    /// It panicked, with this message.
    Panicked(Cow<'static, str>),
}

impl Outcome {
    /// Tells rejections from other errors.
    pub(crate) fn from_error(error: BoxError) -> Self {
        if let Some(rejection) = Rejection::find(&error) {
            return Self::Rejected(rejection.clone());
        }
        match error.downcast::<crate::layer::catch_panic::Panicked>() {
            Ok(panicked) => Self::Panicked(panicked.into_message()),
            Err(error) => match error.downcast_ref::<crate::layer::timeout::Elapsed>() {
                Some(elapsed) => Self::TimedOut(elapsed.after()),
                None => Self::Failed(error),
            },
        }
    }

    /// In one word, for logs and metrics: `handled`.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Handled => "handled",
            Self::Rejected(_) => "rejected",
            Self::Failed(_) => "failed",
            Self::TimedOut(_) => "timed out",
            Self::Panicked(_) => "panicked",
        }
    }
}

/// What became of one route.
#[derive(Debug)]
pub struct RouteOutcome {
    route: RouteName,
    kind: RouteKind,
    outcome: Outcome,
    is_answered: bool,
}

impl RouteOutcome {
    pub(crate) fn new(route: RouteName, kind: RouteKind, outcome: Outcome) -> Self {
        Self {
            route,
            kind,
            outcome,
            is_answered: false,
        }
    }

    /// Which route.
    pub fn route(&self) -> &RouteName {
        &self.route
    }

    /// Whether it is a command or a listener.
    pub fn kind(&self) -> RouteKind {
        self.kind
    }

    /// What became of it.
    pub fn outcome(&self) -> &Outcome {
        &self.outcome
    }

    /// Whether a layer has already turned the failure into a reply, or decided that there is none.
    pub fn is_answered(&self) -> bool {
        self.is_answered
    }

    pub(crate) fn mark_answered(&mut self) {
        self.is_answered = true;
    }
}
