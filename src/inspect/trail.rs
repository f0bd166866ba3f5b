//! What a request carries with it where it is inspected, and what the parts of the pipeline write with that.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::record::{
    EventOutcome, InspectedAction, InspectedCommand, InspectedEvent, Inspection, LayerVisit, shortened,
};
use super::{ActionVisit, Inspector};
use crate::error_chain::Chain;
use crate::event::RoomId;
use crate::request::Request;
use crate::response::{Action, Outcome, Response, RouteKind, RouteName};
use crate::router::Explanation;

/// Layers that are remembered of one event.
const LAYERS: usize = 64;

/// Actions that are remembered of one event.
const ACTIONS: usize = 32;

/// Where an inspected request is.
#[derive(Clone)]
pub(crate) struct Trail {
    event: Arc<Inspected>,
    /// How many layers are around it.
    depth: u16,
}

/// An event that is inspected. With its last request it is over.
struct Inspected {
    inspector: Inspector,
    id: u64,
}

impl Inspected {
    fn update<T>(&self, change: impl FnOnce(&mut Inspection, u64) -> T) -> Option<T> {
        self.inspector.change(|ring| ring.update(self.id, change))
    }
}

impl Drop for Inspected {
    fn drop(&mut self) {
        self.update(|inspection, _| {
            inspection.outcome.get_or_insert(EventOutcome::Cancelled);
        });
    }
}

pub(crate) fn trail_of(request: &Request) -> Option<&Trail> {
    request.extensions().get()
}

/// An event enters a layer.
#[inline]
pub(crate) fn enter<N: Into<Cow<'static, str>>>(request: &mut Request, name: impl FnOnce() -> N) -> Visit {
    Visit(match request.extensions_mut().get_mut::<Trail>() {
        None => None,
        Some(trail) => trail.enter(name().into()),
    })
}

/// An event enters a route.
#[inline]
pub(crate) fn enter_route(request: &mut Request, kind: RouteKind, name: &RouteName) -> Visit {
    enter(request, || {
        let kind = match kind {
            RouteKind::Command => "command",
            RouteKind::Listener => "listener",
        };
        format!("{kind} {name}")
    })
}

impl Inspector {
    /// A request is to be inspected from now on.
    pub(crate) fn begin(&self, request: &mut Request) {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let at = u64::try_from(now.unwrap_or(Duration::ZERO).as_millis()).unwrap_or(u64::MAX);
        let event = InspectedEvent::of(request);
        let id = self.change(|ring| ring.begin(event, at));
        let event = Arc::new(Inspected {
            inspector: self.clone(),
            id,
        });
        request.extensions_mut().insert(Trail { event, depth: 0 });
    }
}

impl Trail {
    fn enter(&mut self, name: Cow<'static, str>) -> Option<Box<OpenVisit>> {
        let depth = self.depth;
        let index = self.event.update(|inspection, now| {
            let index = inspection.layers.len();
            (index < LAYERS).then(|| {
                inspection.layers.push(LayerVisit {
                    name,
                    depth,
                    entered_us: now,
                    left_us: None,
                    note: None,
                });
                index
            })
        });
        self.depth = self.depth.saturating_add(1);
        let event = Arc::clone(&self.event);
        Some(Box::new(OpenVisit {
            event,
            index: index.flatten()?,
        }))
    }

    /// A layer that only looks: it is done before the next one begins.
    pub(crate) fn looked_for_a_command(&self, request: &Request) {
        let (command, depth) = (InspectedCommand::of(request), self.depth);
        self.event.update(|inspection, now| {
            let note = match &command {
                Some(command) => shortened(&format!("{}{}", command.prefix, command.name)),
                None => "no command".to_owned(),
            };
            if inspection.layers.len() < LAYERS {
                inspection.layers.push(LayerVisit {
                    name: Cow::Borrowed("CommandLayer"),
                    depth,
                    entered_us: now,
                    left_us: Some(now),
                    note: Some(note.into()),
                });
            }
            inspection.command = command;
        });
    }

    pub(crate) fn explained(&self, explanation: Explanation) {
        let text = explanation.to_string();
        self.event.update(|inspection, _| {
            inspection.explanation = Some(Arc::new(explanation));
            inspection.explanation_text = Some(text.into());
        });
    }

    pub(crate) fn started(&self) {
        self.event
            .update(|inspection, now| inspection.waited_us = Some(now));
    }

    /// It does not go through the pipeline.
    pub(crate) fn left_out(&self, outcome: EventOutcome) {
        self.event
            .update(|inspection, _| inspection.outcome = Some(outcome));
    }

    /// The pipeline, or a route of it that was late, has answered.
    pub(crate) fn answered(&self, response: &Response) {
        let failure = response
            .outcomes()
            .map(|outcome| outcome.outcome())
            .find(|outcome| !matches!(outcome, Outcome::Handled));
        let outcome = match failure {
            Some(Outcome::Rejected(_)) => EventOutcome::Rejected,
            Some(_) => EventOutcome::Failed,
            None if response.actions().next().is_some() => EventOutcome::Answered,
            None => EventOutcome::Silent,
        };
        let error = failure.map(why);
        let failed = failure.is_some();
        let is_whole = response.running() == 0;
        self.event.update(|inspection, now| {
            let waited = inspection.waited_us.unwrap_or_default();
            if is_whole {
                inspection.took_us = Some(now.saturating_sub(waited));
            }
            let was_silent = matches!(inspection.outcome, None | Some(EventOutcome::Silent));
            let is_known = is_whole || outcome != EventOutcome::Silent;
            if is_known && (was_silent || failed) {
                inspection.outcome = Some(outcome);
            }
            if error.is_some() {
                inspection.error = error;
            }
        });
    }

    /// Something is to be done in answer.
    pub(crate) fn acts(&self, action: &Action) -> Option<ActionVisit> {
        let action = InspectedAction::of(action);
        let index = self.event.update(|inspection, now| {
            let index = inspection.actions.len();
            (index < ACTIONS).then(|| {
                inspection.actions.push(action);
                (index, now)
            })
        });
        let (index, begun_us) = index.flatten()?;
        Some(ActionVisit::new(self.clone(), index, begun_us))
    }

    pub(super) fn update_action(&self, index: usize, change: impl FnOnce(&mut InspectedAction, u64)) {
        self.event.update(|inspection, now| {
            if let Some(action) = inspection.actions.get_mut(index) {
                change(action, now);
            }
        });
    }

    /// The action for a room that is to be carried out next.
    pub(crate) fn next_action(&self, room_id: &RoomId) -> Option<ActionVisit> {
        let next = self.event.update(|inspection, now| {
            let is_next = |action: &InspectedAction| {
                action.state == super::ActionState::Waiting
                    && action.room_id.as_deref() == Some(room_id.as_str())
            };
            Some((inspection.actions.iter().position(is_next)?, now))
        });
        let (index, begun_us) = next.flatten()?;
        Some(ActionVisit::new(self.clone(), index, begun_us))
    }
}

impl fmt::Debug for Trail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trail")
            .field("id", &self.event.id)
            .finish_non_exhaustive()
    }
}

/// Why a route has not done what it was asked for.
fn why(failure: &Outcome) -> String {
    match failure {
        Outcome::Rejected(rejection) => shortened(rejection.text()),
        Outcome::Failed(error) => shortened(&Chain(&**error).to_string()),
        Outcome::Panicked(message) => shortened(&format!("panicked: {message}")),
        Outcome::TimedOut(after) => format!("took longer than {after:?}"),
        Outcome::Handled => String::new(),
    }
}

/// An event inside of a layer or a route; nothing where it is not inspected.
pub(crate) struct Visit(Option<Box<OpenVisit>>);

struct OpenVisit {
    event: Arc<Inspected>,
    index: usize,
}

impl Visit {
    pub(crate) const fn none() -> Self {
        Self(None)
    }

    /// Something worth a word, though the layer goes on.
    #[inline]
    pub(crate) fn note(&self, note: &'static str) {
        if let Some(open) = &self.0 {
            open.update(|visit, _| visit.note = Some(note.into()));
        }
    }

    #[inline]
    pub(crate) fn leave<T, E>(&mut self, result: &Result<T, E>) {
        if self.0.is_some() {
            self.close(result.is_err().then_some("failed"));
        }
    }

    /// The layer has answered by itself.
    #[inline]
    pub(crate) fn leave_with(&mut self, note: &'static str) {
        if self.0.is_some() {
            self.close(Some(note));
        }
    }

    #[cold]
    fn close(&mut self, note: Option<&'static str>) {
        let Some(open) = self.0.take() else { return };
        open.update(|visit, now| {
            visit.left_us = Some(now);
            if let Some(note) = note {
                visit.note.get_or_insert(note.into());
            }
        });
    }
}

impl OpenVisit {
    fn update(&self, change: impl FnOnce(&mut LayerVisit, u64)) {
        self.event.update(|inspection, now| {
            if let Some(visit) = inspection.layers.get_mut(self.index) {
                change(visit, now);
            }
        });
    }
}

impl Drop for Visit {
    #[inline]
    fn drop(&mut self) {
        self.leave_with("cancelled");
    }
}

impl fmt::Debug for Visit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Visit").finish_non_exhaustive()
    }
}
