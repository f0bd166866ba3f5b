//! Actions and events that are given up: why, and who is told.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use tower::BoxError;

use super::ResolveError;
use crate::error_chain::Chain;
#[cfg(feature = "client")]
use crate::event::Event;
use crate::event::RoomId;
use crate::response::{Action, RouteName, RoutedAction};

/// An action that was not carried out, or an event whose handlers did not run, and that nobody will try again: what
/// there is to know of it.
///
/// Told to the function of `on_dead_letter`, for what handlers return. What a handler sends by itself, and what the
/// program sends through a [`BotHandle`](super::BotHandle), is told to the one who sends it instead. A reply that is
/// dropped on purpose, because its question was deleted or two bots talk without end, is none.
#[derive(Debug)]
#[non_exhaustive]
pub struct DeadLetter {
    /// What was to be done. Complete, with its room, thread and ids, unless the error is
    /// [`Incomplete`](DeadLetterError::Incomplete). None where it is the event that was given up: see
    /// [`Crashed`](DeadLetterError::Crashed).
    pub action: Option<Action>,
    /// Why it was not.
    pub error: DeadLetterError,
    /// The key of the event, which the action answers: the same whenever the event is delivered.
    pub event_key: String,
    /// The route that asked for it; none for a service without a router, and for an event.
    pub route: Option<RouteName>,
    /// The room that it was for, or that the event is of.
    pub room_id: Option<RoomId>,
}

/// Why an action was given up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DeadLetterError {
    /// It says not where, or to what.
    #[error(transparent)]
    Incomplete(#[from] ResolveError),
    /// The sink's error: a [`RestError`](crate::rest::RestError) for a bot on a server.
    #[error(transparent)]
    Failed(BoxError),
    /// The sink panicked.
    #[error("the sink panicked")]
    Panicked,
    /// The bot was stopped before. Whether an action that was on its way was carried out nobody knows.
    #[error("the bot was stopped before it was carried out")]
    Stopped,
    /// The process ended each time that the event was running, so often: see `BotBuilder::max_crashes`.
    #[error("the process ended {times} times while the event was running")]
    Crashed {
        /// How often.
        times: u8,
    },
}

impl DeadLetterError {
    /// Whether the same action may work later: the server could not be reached or asked to wait, or the bot was
    /// stopped. Everything else is the server's word, or a mistake in the program.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Failed(error) => is_transient(error),
            Self::Stopped => true,
            Self::Incomplete(_) | Self::Panicked | Self::Crashed { .. } => false,
        }
    }

    /// Whether the server, or a proxy, has answered that it failed, rather than not at all: it may be about the action.
    pub(super) fn is_answered_failure(&self) -> bool {
        matches!(self, Self::Failed(error) if is_answered_failure(error))
    }

    /// Whether it says nothing about the action: there are too many calls.
    pub(super) fn is_limit(&self) -> bool {
        matches!(self, Self::Failed(error) if is_limit(error))
    }
}

#[cfg(feature = "client")]
fn is_transient(error: &BoxError) -> bool {
    use crate::rest::{RestError, RestErrorKind};

    error.downcast_ref::<RestError>().is_some_and(|error| {
        // A token is replaced by another, and a certificate that has expired or a name that is unknown are set right by
        // somebody: the server has had no say in it.
        let is_curable = matches!(
            error.kind(),
            RestErrorKind::Unauthorized | RestErrorKind::Configuration
        );
        error.is_transient() || is_curable
    })
}

#[cfg(feature = "client")]
fn is_answered_failure(error: &BoxError) -> bool {
    use crate::rest::{RestError, RestErrorKind};

    let error = error.downcast_ref::<RestError>();
    error.is_some_and(|error| {
        let is_answer = matches!(
            error.kind(),
            RestErrorKind::Api
                | RestErrorKind::Forbidden
                | RestErrorKind::NotFound
                | RestErrorKind::NotRocketChat
        );
        is_answer && error.is_transient()
    })
}

/// Only the REST sink tells one failure from another.
#[cfg(not(feature = "client"))]
fn is_transient(_error: &BoxError) -> bool {
    false
}

#[cfg(not(feature = "client"))]
fn is_answered_failure(_error: &BoxError) -> bool {
    false
}

#[cfg(feature = "client")]
fn is_limit(error: &BoxError) -> bool {
    use crate::rest::{RestError, RestErrorKind};

    let error = error.downcast_ref::<RestError>();
    error.is_some_and(|error| matches!(error.kind(), RestErrorKind::RateLimited { .. }))
}

#[cfg(not(feature = "client"))]
fn is_limit(_error: &BoxError) -> bool {
    false
}

/// Who is told of what is given up.
#[derive(Clone, Default)]
pub(crate) struct DeadLetters(Option<Arc<dyn Fn(DeadLetter) + Send + Sync>>);

impl DeadLetters {
    pub(crate) fn to(hook: impl Fn(DeadLetter) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(hook)))
    }

    /// Every action that was not carried out comes here, and from nowhere else is one given up: it is logged, and its
    /// owner is told. Whether its event counts as done all the same: what the server refuses for good is not refused
    /// less if the event is delivered again, but what it did not hear is still open.
    pub(super) fn give_up(&self, action: RoutedAction, error: DeadLetterError, event_key: &str) -> bool {
        let RoutedAction { route, action } = action;
        let is_done = !error.is_transient();
        let letter = DeadLetter {
            room_id: action.room_id().cloned(),
            action: Some(action),
            error,
            event_key: event_key.to_owned(),
            route,
        };
        tracing::error!(
            action = letter.action.as_ref().map(Action::name),
            room_id = letter.room_id.as_ref().map(tracing::field::display),
            route = letter.route.as_ref().map(tracing::field::display),
            event = letter.event_key,
            error = %Chain(&letter.error),
            "not delivered"
        );
        self.tell(letter);
        is_done
    }

    /// The transport gave up an event, and said so in the log.
    #[cfg(feature = "client")]
    pub(super) fn give_up_event(&self, event: &Event, times: u8) {
        self.tell(DeadLetter {
            action: None,
            error: DeadLetterError::Crashed { times },
            event_key: event.own_key().unwrap_or_default().into_owned(),
            route: None,
            room_id: event.room_id().cloned(),
        });
    }

    fn tell(&self, letter: DeadLetter) {
        if let Some(hook) = &self.0 {
            // It is somebody else's code, and may run while another panic unwinds.
            let told = catch_unwind(AssertUnwindSafe(|| hook(letter)));
            if told.is_err() {
                tracing::error!("the function for dead letters panicked");
            }
        }
    }
}

impl fmt::Debug for DeadLetters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("DeadLetters").field(&self.0.is_some()).finish()
    }
}
