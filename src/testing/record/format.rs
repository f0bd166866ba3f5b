//! The lines of a recording.

use serde::{Deserialize, Serialize};
use tower::BoxError;

use super::redact::Redactor;
use super::stored_event::StoredEvent;
use crate::event::{MessageId, Timestamp};
use crate::rejection::Rejection;
use crate::response::{Action, Outcome, Response, RouteKind};
use crate::transport::Arrival;

/// What this version writes. One that reads it refuses a higher one.
pub(super) const VERSION: u32 = 1;

/// One line of the file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "line", rename_all = "snake_case")]
pub(crate) enum Line {
    /// The first one.
    Recording(Header),
    /// An event, and what the pipeline answered.
    Event(Box<EventLine>),
    /// What an event led to later: a route that took longer than the others.
    Later(LaterLine),
    /// So many lines were lost here: they came faster than the disk took them, or the file was full.
    Lost {
        /// How many.
        lines: u64,
    },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Header {
    pub(crate) version: u32,
    /// When it began, by this machine's clock.
    pub(crate) began: Timestamp,
    pub(crate) bot_id: String,
    pub(crate) bot_username: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) bot_name: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct EventLine {
    /// Counts the events of the recording.
    pub(crate) number: u64,
    /// Milliseconds since it began.
    pub(crate) at_ms: u64,
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) arrival: StoredArrival,
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) is_too_old: bool,
    pub(crate) event: StoredEvent,
    pub(crate) answer: StoredAnswer,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct LaterLine {
    pub(crate) number: u64,
    pub(crate) answer: StoredAnswer,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum StoredArrival {
    #[default]
    Live,
    CaughtUp,
}

impl From<Arrival> for StoredArrival {
    fn from(arrival: Arrival) -> Self {
        match arrival {
            Arrival::CaughtUp => Self::CaughtUp,
            Arrival::Live | Arrival::Replayed => Self::Live,
        }
    }
}

/// What an event led to.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct StoredAnswer {
    /// What handlers sent while they ran.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) sent: Vec<StoredAction>,
    /// What the response asks for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) actions: Vec<StoredAction>,
    /// What became of the routes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) outcomes: Vec<StoredOutcome>,
    /// The bot stopped before it was answered.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) is_cut_off: bool,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct StoredAction {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) route: Option<String>,
    /// Of what a handler sent while it ran: which of its actions it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) position: Option<u32>,
    /// The message that it became.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) receipt: Option<MessageId>,
    pub(crate) action: Action,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct StoredOutcome {
    /// `None` for the service as a whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) route: Option<String>,
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) is_listener: bool,
    /// As [`Outcome::name`] says it.
    pub(crate) outcome: String,
    /// What a person reads who was refused. Errors stay out: nobody knows what they hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) rejection: Option<String>,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

impl StoredAnswer {
    pub(super) fn is_empty(&self) -> bool {
        self.sent.is_empty() && self.actions.is_empty() && self.outcomes.is_empty()
    }

    pub(crate) fn append(&mut self, mut other: Self) {
        self.sent.append(&mut other.sent);
        self.actions.append(&mut other.actions);
        self.outcomes.append(&mut other.outcomes);
        self.is_cut_off &= other.is_cut_off;
    }

    pub(super) fn add(&mut self, response: &Response) {
        let actions = response.routed_actions().map(|(route, action)| StoredAction {
            route: route.map(|route| route.as_str().to_owned()),
            position: None,
            receipt: None,
            action: action.clone(),
        });
        self.actions.extend(actions);
        let outcomes = response.outcomes().map(|outcome| {
            let is_listener = outcome.kind() == RouteKind::Listener;
            StoredOutcome::of(
                Some(outcome.route().as_str().to_owned()),
                is_listener,
                outcome.outcome(),
            )
        });
        self.outcomes.extend(outcomes);
    }

    pub(super) fn fail(&mut self, error: &BoxError) {
        let rejection = Rejection::find(error).map(|rejection| rejection.text().to_owned());
        let outcome = if rejection.is_some() { "rejected" } else { "failed" };
        self.outcomes.push(StoredOutcome {
            route: None,
            is_listener: false,
            outcome: outcome.to_owned(),
            rejection,
        });
    }

    /// Takes out what is secret: of the redactor's, and these.
    pub(crate) fn redact(&mut self, redactor: &mut Redactor, secrets: &[String]) {
        for stored in self.sent.iter_mut().chain(&mut self.actions) {
            redactor.action(&mut stored.action, secrets);
            stored.route.iter_mut().for_each(|route| redactor.id(route));
            if let Some(receipt) = &mut stored.receipt {
                let mut id = receipt.to_string();
                redactor.id(&mut id);
                *receipt = id.into();
            }
        }
        let routes = self
            .outcomes
            .iter_mut()
            .filter_map(|outcome| outcome.route.as_mut());
        routes.for_each(|route| redactor.id(route));
        let rejections = self
            .outcomes
            .iter_mut()
            .filter_map(|outcome| outcome.rejection.as_mut());
        for rejection in rejections {
            redactor.answer(rejection, secrets);
        }
    }
}

impl StoredOutcome {
    fn of(route: Option<String>, is_listener: bool, outcome: &Outcome) -> Self {
        let rejection = match outcome {
            Outcome::Rejected(rejection) => Some(rejection.text().to_owned()),
            Outcome::Handled | Outcome::Failed(_) | Outcome::TimedOut(_) | Outcome::Panicked(_) => None,
        };
        Self {
            route,
            is_listener,
            outcome: outcome.name().to_owned(),
            rejection,
        }
    }
}
