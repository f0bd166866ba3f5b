//! What is said about a failure: the rules, apart from the layer, since a served bot applies them too.

use std::sync::Arc;

use tower::BoxError;

use crate::dispatch::resolve::NO_ROUTE;
use crate::error_chain::{Chain, causes};
use crate::request::Request;
use crate::response::{Action, Outcome, Response, RouteKind, RouteName, RouteOutcome, Send};

/// A failure of a route, or of what is around the routes.
///
/// By default a command's author reads the text of a [`Rejection`](crate::Rejection), and "Something went wrong (ref 7f3a)" for an error,
/// a panic or a timeout, whose cause goes to the log with the same reference. If the bot sheds load, the author reads
/// that it is busy. A listener's failure is only logged, since nobody asked.
#[derive(Debug)]
pub struct Failure<'a> {
    route: &'a RouteName,
    kind: RouteKind,
    outcome: &'a Outcome,
    reference: Option<String>,
    is_overload: bool,
}

impl<'a> Failure<'a> {
    fn new(route: &'a RouteName, kind: RouteKind, outcome: &'a Outcome) -> Self {
        let is_overload = matches!(outcome, Outcome::Failed(error) if is_overload(error));
        let is_refusal = matches!(outcome, Outcome::Rejected(_));
        let reference = (!is_refusal && !is_overload && kind == RouteKind::Command)
            .then(|| format!("{:04x}", fastrand::u16(..)));
        Self {
            route,
            kind,
            outcome,
            reference,
            is_overload,
        }
    }

    /// Which route failed; `service` where it was none of a router.
    pub fn route(&self) -> &RouteName {
        self.route
    }

    /// Whether somebody waits for an answer.
    pub fn kind(&self) -> RouteKind {
        self.kind
    }

    /// What became of it.
    pub fn outcome(&self) -> &Outcome {
        self.outcome
    }

    /// The four hexadecimal digits by which the cause is found in the log; `None` for a refusal, an overload, and the
    /// failure of a listener.
    pub fn reference(&self) -> Option<&str> {
        self.reference.as_deref()
    }

    /// What is said unless a function says otherwise.
    pub fn default_action(&self) -> Option<Action> {
        if self.kind != RouteKind::Command {
            return None;
        }
        let text = match self.outcome {
            Outcome::Handled => return None,
            Outcome::Rejected(rejection) if rejection.is_silent() => return None,
            Outcome::Rejected(rejection) => rejection.text().to_owned(),
            _ if self.is_overload => "I'm busy right now, please try again in a moment.".to_owned(),
            _ => match self.reference() {
                Some(reference) => format!("Something went wrong (ref {reference})."),
                None => "Something went wrong.".to_owned(),
            },
        };
        Some(Action::from(Send::text(text)))
    }

    fn log(&self) {
        let (route, reference) = (self.route.as_str(), self.reference());
        match self.outcome {
            Outcome::Handled => {}
            Outcome::Rejected(rejection) => {
                tracing::debug!(route, reason = rejection.text(), "refused");
            }
            Outcome::Failed(error) if self.is_overload => {
                tracing::warn!(route, error = %Chain(&**error), "overloaded");
            }
            Outcome::Failed(error) => tracing::error!(route, reference, error = %Chain(&**error), "failed"),
            Outcome::TimedOut(after) => tracing::error!(route, reference, ?after, "timed out"),
            Outcome::Panicked(message) => tracing::error!(route, reference, %message, "panicked"),
        }
    }
}

/// Says what is posted for a failure; `None` for nothing.
pub(super) type Answer = Arc<dyn Fn(&Failure<'_>) -> Option<Action> + std::marker::Send + Sync>;

/// What is known about a request when its answer is there.
#[derive(Clone)]
pub(super) struct Asked {
    request: Request,
    answer: Option<Answer>,
}

impl Asked {
    pub(super) fn new(request: &Request, answer: Option<Answer>) -> Self {
        Self {
            request: request.clone(),
            answer,
        }
    }

    /// Whether there is anything to answer.
    pub(super) fn concerns(response: &Response) -> bool {
        response.running() > 0 || response.outcomes().any(is_open)
    }

    /// The layer may stand outside of the one that recognises commands, so the stack is asked. A command that is no
    /// bot's of this stack gets no answer: other bots share the prefix.
    fn kind(&self) -> RouteKind {
        let stack = &self.request.context().shared().stack;
        if stack.is_own_command(&self.request) {
            RouteKind::Command
        } else {
            RouteKind::Listener
        }
    }

    fn answer(&self, failure: &Failure<'_>) -> Option<Action> {
        failure.log();
        match &self.answer {
            Some(answer) => answer(failure),
            None => failure.default_action(),
        }
    }
}

fn is_open(outcome: &RouteOutcome) -> bool {
    !outcome.is_answered() && !matches!(outcome.outcome(), Outcome::Handled)
}

/// Answers the failures in a response that no layer has answered, also of routes that still run.
pub(super) fn answer_failures(response: &mut Response, asked: &Asked) {
    let mut answers = Vec::new();
    for outcome in response.outcomes_mut() {
        if !is_open(outcome) {
            continue;
        }
        let failure = Failure::new(outcome.route(), outcome.kind(), outcome.outcome());
        if let Some(action) = asked.answer(&failure) {
            answers.push((outcome.route().clone(), action));
        }
        outcome.mark_answered();
    }
    for (route, action) in answers {
        response.push_routed(Some(route), action);
    }
    if response.running() > 0 {
        let asked = asked.clone();
        response.map_running(move |mut response| {
            answer_failures(&mut response, &asked);
            response
        });
    }
}

/// Answers an error of the whole stack.
pub(super) fn answer_error(error: BoxError, asked: &Asked) -> Response {
    let outcome = RouteOutcome::new(RouteName::new(NO_ROUTE), asked.kind(), Outcome::from_error(error));
    let mut response = Response::empty();
    response.push_outcome(outcome);
    answer_failures(&mut response, asked);
    response
}

fn is_overload(error: &BoxError) -> bool {
    causes(&**error).any(|cause| cause.is::<tower::load_shed::error::Overloaded>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rejection::Rejection;

    #[derive(Debug, thiserror::Error)]
    #[error("saving")]
    struct Saving(#[source] std::io::Error);

    #[test]
    fn a_chain_names_each_cause_once() {
        let error: BoxError = Saving(std::io::Error::other("disk full")).into();
        assert_eq!(Chain(&*error).to_string(), "saving: disk full");
        assert_eq!(Chain(&*BoxError::from("alone")).to_string(), "alone");
    }

    #[test]
    fn what_a_command_and_a_listener_say() {
        let route = RouteName::new("ping");
        let text = |kind, outcome: Outcome| {
            let failure = Failure::new(&route, kind, &outcome);
            let action = failure.default_action()?;
            let Action::Send(send) = action else { return None };
            Some(send.content().to_owned())
        };
        let refused = || Outcome::Rejected(Rejection::new("no"));
        assert_eq!(text(RouteKind::Command, refused()).as_deref(), Some("no"));
        assert_eq!(text(RouteKind::Listener, refused()), None);
        let silent = Outcome::Rejected(Rejection::new("no").silent());
        assert_eq!(text(RouteKind::Command, silent), None);
        let failed = text(RouteKind::Command, Outcome::Failed("disk".into())).unwrap();
        assert!(failed.starts_with("Something went wrong (ref ") && !failed.contains("disk"));
        assert_eq!(text(RouteKind::Listener, Outcome::Panicked("boom".into())), None);
        assert_eq!(text(RouteKind::Command, Outcome::Handled), None);
    }
}
