//! What a handler answers: actions as values, and what became of each route.

mod action;
mod attachment;
mod into_response;
mod marks;
mod mentions;
mod outcome;
mod send;
mod status;
mod upload;

use std::fmt;
use std::future::Future;

use std::time::Duration;

use futures_util::FutureExt;
use smallvec::SmallVec;

use crate::conversation::pause::PausableClock;

pub use self::action::{Action, Delete, Edit, React};
pub use self::attachment::Attachment;
pub use self::into_response::IntoResponse;
pub use self::marks::{FollowThread, MarkRead, Pin, UnfollowThread, Unpin};
pub use self::mentions::AllowedMentions;
pub use self::outcome::{Outcome, RouteKind, RouteName, RouteOutcome};
pub use self::send::{DerivedIds, Destination, Send, Thread};
pub use self::status::{SetStatus, Status};
pub use self::upload::{FileSource, Upload};
#[cfg(feature = "client")]
pub(crate) use self::upload::{UploadFields, UploadSource};

/// The answer to a request: what to do in the chat, and what became of each route that ran.
///
/// Nothing is done yet: the actions are values, carried out after the pipeline returned. So a timeout or a panic
/// cancels before anything was half sent, and tests compare values.
///
/// ```
/// use rocketbotte::response::{Action, Response, Send};
///
/// let response = Response::from(Action::from(Send::text("done")));
/// assert_eq!(response.actions().count(), 1);
/// ```
#[derive(Default)]
pub struct Response {
    actions: SmallVec<[RoutedAction; 1]>,
    outcomes: SmallVec<[RouteOutcome; 1]>,
    running: Vec<RunningRoute>,
    is_unknown_command: bool,
}

/// An action and the route that asked for it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct RoutedAction {
    pub(crate) route: Option<RouteName>,
    pub(crate) action: Action,
}

/// A route that had not finished when the response was due.
pub(crate) struct RunningRoute {
    pub(crate) route: RouteName,
    pub(crate) future: RunningFuture,
    /// Whether it waits for people.
    pub(crate) clock: PausableClock,
}

pub(crate) type RunningFuture = std::pin::Pin<Box<dyn Future<Output = Response> + std::marker::Send>>;

impl Response {
    /// Nothing to do.
    pub fn empty() -> Self {
        Self::default()
    }

    /// Adds an action.
    #[must_use]
    pub fn and(mut self, action: impl Into<Action>) -> Self {
        self.push(action.into());
        self
    }

    /// Adds an action.
    pub fn push(&mut self, action: Action) {
        self.actions.push(RoutedAction { route: None, action });
    }

    /// What to do, in order.
    pub fn actions(&self) -> impl Iterator<Item = &Action> {
        self.actions.iter().map(|routed| &routed.action)
    }

    /// What to do, and which route asked for it.
    #[cfg(feature = "test-util")]
    pub(crate) fn routed_actions(&self) -> impl Iterator<Item = (Option<&RouteName>, &Action)> {
        self.actions
            .iter()
            .map(|routed| (routed.route.as_ref(), &routed.action))
    }

    /// Lets a layer change what will be done.
    pub fn actions_mut(&mut self) -> impl Iterator<Item = &mut Action> {
        self.actions.iter_mut().map(|routed| &mut routed.action)
    }

    /// Keeps only the actions that a layer lets pass.
    pub fn retain_actions(&mut self, mut keep: impl FnMut(&Action) -> bool) {
        self.actions.retain(|routed| keep(&routed.action));
    }

    /// The texts that will be posted, in order.
    ///
    /// ```
    /// use rocketbotte::response::IntoResponse;
    ///
    /// let response = "world".into_response()?;
    /// assert_eq!(response.texts().collect::<Vec<_>>(), ["world"]);
    /// # Ok::<_, rocketbotte::BoxError>(())
    /// ```
    pub fn texts(&self) -> impl Iterator<Item = &str> {
        self.actions().filter_map(|action| match action {
            Action::Send(send) => Some(send.content()),
            _ => None,
        })
    }

    /// What became of each route that ran, in order of registration. Empty for a response that no router made.
    pub fn outcomes(&self) -> impl Iterator<Item = &RouteOutcome> {
        self.outcomes.iter()
    }

    /// Whether the request was a command that the router does not have, or, in a direct conversation, just a message
    /// that might have been one.
    pub fn is_unknown_command(&self) -> bool {
        self.is_unknown_command
    }

    /// Whether no route ran and nothing is to be done.
    pub fn is_empty(&self) -> bool {
        self.actions.is_empty() && self.outcomes.is_empty() && self.running.is_empty()
    }

    /// How many routes still run: those that were slower than the hold time. [`finish`](Self::finish) waits for them;
    /// a served bot carries them on by itself and delivers what they answer when it is ready.
    pub fn running(&self) -> usize {
        self.running.len()
    }

    /// Waits for the routes that still run.
    pub async fn finish(mut self) -> Self {
        while !self.running.is_empty() {
            for route in std::mem::take(&mut self.running) {
                self.append(&mut route.future.await);
            }
        }
        self
    }

    /// Takes everything out of another one.
    pub(crate) fn append(&mut self, other: &mut Self) {
        append(&mut self.actions, &mut other.actions);
        append(&mut self.outcomes, &mut other.outcomes);
        self.running.append(&mut other.running);
        self.is_unknown_command |= other.is_unknown_command;
    }

    pub(crate) fn push_routed(&mut self, route: Option<RouteName>, action: Action) {
        self.actions.push(RoutedAction { route, action });
    }

    /// Names the route of every action that has none yet.
    pub(crate) fn claim_actions(&mut self, route: &RouteName) {
        for routed in &mut self.actions {
            routed.route.get_or_insert_with(|| route.clone());
        }
    }

    pub(crate) fn push_outcome(&mut self, outcome: RouteOutcome) {
        self.outcomes.push(outcome);
    }

    pub(crate) fn push_running(&mut self, running: RunningRoute) {
        self.running.push(running);
    }

    pub(crate) fn outcomes_mut(&mut self) -> impl Iterator<Item = &mut RouteOutcome> {
        self.outcomes.iter_mut()
    }

    pub(crate) fn mark_unknown_command(&mut self) {
        self.is_unknown_command = true;
    }

    pub(crate) fn take_actions(&mut self) -> SmallVec<[RoutedAction; 1]> {
        std::mem::take(&mut self.actions)
    }

    pub(crate) fn take_running(&mut self) -> Vec<RunningRoute> {
        std::mem::take(&mut self.running)
    }

    /// Wraps the futures of routes that still run.
    pub(crate) fn wrap_running(&mut self, mut wrap: impl FnMut(RunningFuture) -> RunningFuture) {
        for running in &mut self.running {
            let future = std::mem::replace(&mut running.future, Box::pin(std::future::ready(Self::empty())));
            running.future = wrap(future);
        }
    }

    /// Runs a function on the responses of routes that still run, once they are there.
    pub(crate) fn map_running<F>(&mut self, map: F)
    where
        F: Fn(Self) -> Self + Clone + std::marker::Send + 'static,
    {
        self.wrap_running(|future| Box::pin(future.map(map.clone())));
    }
}

/// Nearly always the first part is the only one, and moved as it is.
fn append<A: smallvec::Array>(all: &mut SmallVec<A>, part: &mut SmallVec<A>) {
    if part.is_empty() {
        return;
    }
    if all.is_empty() {
        std::mem::swap(all, part);
    } else {
        all.append(part);
    }
}

impl From<Action> for Response {
    fn from(action: Action) -> Self {
        let mut response = Self::empty();
        response.push(action);
        response
    }
}

impl FromIterator<Action> for Response {
    fn from_iter<I: IntoIterator<Item = Action>>(actions: I) -> Self {
        let mut response = Self::empty();
        for action in actions {
            response.push(action);
        }
        response
    }
}

impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Response")
            .field(
                "actions",
                &self
                    .actions
                    .iter()
                    .map(|routed| routed.action.name())
                    .collect::<Vec<_>>(),
            )
            .field("outcomes", &self.outcomes)
            .field(
                "running",
                &self
                    .running
                    .iter()
                    .map(|running| &running.route)
                    .collect::<Vec<_>>(),
            )
            .finish_non_exhaustive()
    }
}

/// The longest that finished replies wait for a slower route of the same event, and the next event of a lane for a
/// slow one, unless told otherwise.
pub const DEFAULT_HOLD: Duration = Duration::from_secs(5);
