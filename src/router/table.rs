//! The routes of a router, indexed so that an event costs nothing for the routes that it does not concern.

use std::collections::HashMap;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use super::explain::Verdict;
use super::future::RouterFuture;
use super::route::{NamedRoute, Route};
use super::run::RunRoutes;
use super::visit::{Visitor, hears_more};
use crate::command::Command;
use crate::event::{Event, EventKind};
use crate::handler::{Hears, LaneUse, RouteOptions};
use crate::layer::announce::Announcement;
use crate::layer::catch_panic::panic_message;
use crate::request::Request;
use crate::response::{DEFAULT_HOLD, Response};
use crate::schedule::Schedule;

/// Which events a listener hears.
#[derive(Clone)]
pub(super) enum Filter {
    Kind(EventKind),
    Custom(Box<str>),
    /// The runs of a job, and when it runs where the router says that.
    Job(Box<str>, Option<Box<Schedule>>),
    /// Every recognised command, known or not.
    Command,
    Predicate(Arc<dyn Fn(&Request) -> bool + Send + Sync>),
}

impl Filter {
    pub(super) fn may_hear(&self, kind: EventKind) -> bool {
        match self {
            Self::Kind(own) => *own == kind,
            Self::Custom(_) => kind == EventKind::Custom,
            Self::Job(..) => kind == EventKind::Scheduled,
            Self::Command => {
                matches!(kind, EventKind::Message | EventKind::Edited | EventKind::Livechat)
            }
            Self::Predicate(_) => true,
        }
    }

    #[inline]
    pub(super) fn verdict(&self, request: &Request, is_command: bool) -> Verdict {
        let (is_heard, otherwise) = match self {
            Self::Kind(kind) => (*kind == request.kind(), Verdict::OtherKind),
            Self::Custom(name) => match request.event() {
                Event::Custom(event) => (event.name() == &**name, Verdict::OtherName),
                _ => (false, Verdict::OtherKind),
            },
            Self::Job(job, _) => match request.event() {
                Event::Scheduled(scheduled) => (scheduled.job() == &**job, Verdict::OtherJob),
                _ => (false, Verdict::OtherKind),
            },
            Self::Command => (is_command, Verdict::NoCommand),
            // A predicate that panics picks nothing: it must not cost the other routes their replies.
            Self::Predicate(predicate) => match catch_unwind(AssertUnwindSafe(|| predicate(request))) {
                Ok(is_picked) => (is_picked, Verdict::NotPicked),
                Err(payload) => {
                    tracing::error!(panic = %panic_message(&*payload), "a listener's predicate panicked");
                    (false, Verdict::PredicatePanicked)
                }
            },
        };
        if is_heard { Verdict::Runs } else { otherwise }
    }
}

#[derive(Clone)]
pub(super) struct Listener {
    pub(super) filter: Filter,
    pub(super) route: NamedRoute,
}

/// A command's word and what stands behind it.
#[derive(Clone)]
pub(super) struct CommandSlot {
    /// The name, then the aliases.
    pub(super) names: Vec<Box<str>>,
    /// Names that it is called by and not known by.
    pub(super) hidden_names: Vec<Box<str>>,
    pub(super) target: Target,
}

impl CommandSlot {
    pub(super) fn all_names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().chain(&self.hidden_names).map(|name| &**name)
    }
}

#[derive(Clone)]
pub(super) enum Target {
    Command(NamedRoute),
    Group(Group),
}

/// A group of commands under one word.
#[derive(Clone)]
pub(super) struct Group {
    pub(super) table: Arc<Table>,
    /// The table behind the group's layers, if it has any.
    pub(super) layered: Option<NamedRoute>,
    /// What those layers tell.
    pub(super) announced: Vec<Announcement>,
    /// Where the orders of its commands begin.
    pub(super) order: u32,
}

/// The routes of a router that can run.
pub(crate) struct Table {
    pub(super) slots: Vec<CommandSlot>,
    /// From a name in lower case to its slot. The hash is a fast one, since the names are the program's own: what people
    /// write is looked up, never put in.
    by_name: HashMap<Box<str>, usize, foldhash::fast::RandomState>,
    listeners: Vec<Listener>,
    /// For each kind of event, the listeners that may hear it, in order of registration.
    by_kind: [Vec<usize>; EventKind::ALL.len()],
    pub(super) fallback: Option<NamedRoute>,
    pub(super) unknown_command: Option<NamedRoute>,
    /// The words in front of this table's commands: `admin` for the table of that group.
    pub(super) path: Box<str>,
    /// How long finished replies wait, where the router says it itself.
    pub(super) hold: Option<Duration>,
    /// Whether a command that it does not have is answered with the nearest also where other bots may share the prefix.
    pub(super) suggests: bool,
    hears_bots: bool,
    hears_any_age: bool,
    /// Whether any route asked not to wait for its turn.
    skips_lanes: bool,
}

pub(super) struct TableParts {
    pub(super) slots: Vec<CommandSlot>,
    pub(super) listeners: Vec<Listener>,
    pub(super) fallback: Option<NamedRoute>,
    pub(super) unknown_command: Option<NamedRoute>,
    pub(super) path: Box<str>,
    pub(super) hold: Option<Duration>,
    pub(super) suggests: bool,
}

impl Table {
    pub(super) fn new(parts: TableParts) -> Self {
        let TableParts {
            slots,
            listeners,
            fallback,
            unknown_command,
            path,
            hold,
            suggests,
        } = parts;
        let by_name = slots
            .iter()
            .enumerate()
            .flat_map(|(index, slot)| slot.all_names().map(move |name| (fold(name).into(), index)))
            .collect();
        let by_kind = EventKind::ALL.map(|kind| {
            (0..listeners.len())
                .filter(|index| listeners[*index].filter.may_hear(kind))
                .collect()
        });
        let any = |is: fn(&RouteOptions) -> bool, of_group: fn(&Table) -> bool| {
            [&fallback, &unknown_command]
                .into_iter()
                .flatten()
                .chain(listeners.iter().map(|listener| &listener.route))
                .any(|route| is(&route.options))
                || slots.iter().any(|slot| match &slot.target {
                    Target::Command(route) => is(&route.options),
                    Target::Group(group) => of_group(&group.table),
                })
        };
        let hears_bots = any(|options| options.hears_bots, |group| group.hears_bots);
        let hears_any_age = any(
            |options| options.hears == Hears::AnyAge,
            |group| group.hears_any_age,
        );
        let skips_lanes = listeners
            .iter()
            .any(|listener| listener.route.options.lane != LaneUse::InOrder)
            || slots.iter().any(|slot| match &slot.target {
                Target::Command(route) => route.options.lane != LaneUse::InOrder,
                Target::Group(group) => group.table.skips_lanes,
            });
        Self {
            slots,
            by_name,
            listeners,
            by_kind,
            fallback,
            unknown_command,
            path,
            hold,
            suggests,
            hears_bots,
            hears_any_age,
            skips_lanes,
        }
    }

    /// Whether any route asked for the messages of bots.
    pub(crate) fn hears_bots(&self) -> bool {
        self.hears_bots
    }

    /// Whether any route hears events of any age.
    pub(crate) fn hears_any_age(&self) -> bool {
        self.hears_any_age
    }

    fn hold_of(&self, request: &Request) -> Duration {
        self.hold.or_else(|| request.hold()).unwrap_or(DEFAULT_HOLD)
    }

    /// Whether the command's first word is one of this router's.
    pub(crate) fn knows(&self, command: &Command) -> bool {
        self.find(command.name(), command.folds_case()).is_some()
    }

    /// Whether [`lane_use`](Self::lane_use) says anything but "in order" for any event.
    pub(crate) fn skips_lanes(&self) -> bool {
        self.skips_lanes
    }

    pub(super) fn find(&self, name: &str, folds_case: bool) -> Option<&CommandSlot> {
        let is_lower = !name
            .bytes()
            .any(|byte| byte.is_ascii_uppercase() || !byte.is_ascii());
        let index = if is_lower {
            self.by_name.get(name).copied()
        } else {
            self.by_name.get(&*fold(name)).copied()
        };
        let slot = &self.slots[index?];
        (folds_case || slot.all_names().any(|known| known == name)).then_some(slot)
    }

    /// Whether the arguments of a command hold a secret.
    pub(crate) fn is_secret(&self, command: &Command) -> bool {
        let slot = self.find(command.name(), command.folds_case());
        match slot.map(|slot| &slot.target) {
            Some(Target::Command(route)) => route
                .options
                .arguments
                .as_ref()
                .is_some_and(|arguments| arguments.has_secrets()),
            Some(Target::Group(group)) => group.table.is_secret(&command.descend()),
            None => false,
        }
    }

    /// How the event waits for its turn in the room or thread.
    pub(crate) fn lane_use(&self, request: &Request, command: Option<&Command>) -> LaneUse {
        if let Some(lane) = command.and_then(|command| self.lane_of(request, command)) {
            return lane;
        }
        let listeners = &self.by_kind[request.kind().index()];
        listeners
            .iter()
            .map(|index| self.listeners[*index].route.options.lane)
            .min()
            .unwrap_or_default()
    }

    /// The same for a command; `None` where it is none of this router.
    pub(crate) fn lane_of(&self, request: &Request, command: &Command) -> Option<LaneUse> {
        let slot = self.find(command.name(), command.folds_case())?;
        Some(match &slot.target {
            Target::Command(route) => route.options.lane,
            Target::Group(group) => group.table.lane_use(request, Some(&command.descend())),
        })
    }

    /// The listeners, in order of registration.
    pub(super) fn listeners(&self) -> &[Listener] {
        &self.listeners
    }

    /// The jobs that the router runs.
    pub(crate) fn jobs(&self) -> impl Iterator<Item = (&str, &Schedule)> {
        self.listeners
            .iter()
            .filter_map(|listener| match &listener.filter {
                Filter::Job(job, Some(schedule)) => Some((&**job, &**schedule)),
                _ => None,
            })
    }

    /// Those that may hear a kind of event.
    #[inline]
    pub(super) fn listeners_of(&self, kind: EventKind) -> impl Iterator<Item = &Listener> {
        self.by_kind[kind.index()]
            .iter()
            .map(|index| &self.listeners[*index])
    }

    /// Runs every route that the event concerns.
    #[inline]
    pub(super) fn run(&self, mut request: Request) -> RouterFuture {
        let is_heard = !self.by_kind[request.kind().index()].is_empty();
        if request.command().is_none() && !is_heard && self.fallback.is_none() && !hears_more(&request) {
            return RouterFuture::nothing();
        }
        let mut run = RunRoutes::new(self.hold_of(&request), request.deadline());
        let mut starts = Starts::new(&mut run);
        self.visit(&mut request, &mut starts);
        starts.start(&mut Some(request));
        RouterFuture::of_routes(run)
    }

    /// Runs the command alone: what a group does, whose listeners belong to the router around it.
    pub(super) fn run_command(&self, request: Request) -> RouterFuture {
        let mut run = RunRoutes::new(self.hold_of(&request), request.deadline());
        let mut starts = Starts::new(&mut run);
        self.visit_command(&request, &mut starts);
        starts.start(&mut Some(request));
        RouterFuture::of_routes(run)
    }

    /// The group's table behind its layers, as a service.
    pub(super) fn command_service(self: &Arc<Self>) -> Route {
        let table = Arc::clone(self);
        Route::from_service(tower::service_fn(move |request| table.run_command(request)))
    }
}

/// Starts routes one behind, so that the last one gets the request itself: only the others pay for a clone.
struct Starts<'a, 'r> {
    run: &'r mut RunRoutes,
    next: Option<(&'a NamedRoute, Option<Command>)>,
}

impl<'r> Starts<'_, 'r> {
    fn new(run: &'r mut RunRoutes) -> Self {
        Self { run, next: None }
    }

    fn start_next(&mut self, request: &Request) {
        if self.next.is_some() {
            self.start(&mut Some(request.clone()));
        }
    }

    #[inline]
    fn start(&mut self, request: &mut Option<Request>) {
        if let Some((route, command)) = self.next.take() {
            if let Some(request) = request.as_mut().filter(|_| command.is_some()) {
                request.set_command(command);
            }
            self.run.start(route, request);
        }
    }
}

impl<'a> Visitor<'a> for Starts<'a, '_> {
    #[inline]
    fn run(&mut self, route: &'a NamedRoute, command: Option<Command>, request: &Request) {
        self.start_next(request);
        self.next = Some((route, command));
    }

    fn run_added(&mut self, listener: &Listener, request: &Request) {
        self.start_next(request);
        self.run.start(&listener.route, &mut Some(request.clone()));
    }

    fn answer_with(&mut self, response: Response) {
        self.run.answer_with(response);
    }

    #[inline]
    fn has_answer(&self) -> bool {
        self.run.has_answer()
    }

    #[inline]
    fn is_empty(&self) -> bool {
        self.next.is_none() && self.run.is_empty()
    }

    fn mark_unknown_command(&mut self) {
        self.run.mark_unknown_command();
    }
}

/// The form in which names are compared when case is folded.
pub(super) fn fold(name: &str) -> String {
    name.to_lowercase()
}

impl fmt::Debug for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Table")
            .field(
                "commands",
                &self.slots.iter().map(|slot| &slot.names[0]).collect::<Vec<_>>(),
            )
            .field(
                "listeners",
                &self
                    .listeners
                    .iter()
                    .map(|listener| &listener.route.name)
                    .collect::<Vec<_>>(),
            )
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_may_hear_its_own_kind_and_no_other() {
        for kind in EventKind::ALL {
            for other in EventKind::ALL {
                assert_eq!(Filter::Kind(kind).may_hear(other), kind == other);
            }
            let predicate = Filter::Predicate(Arc::new(|_| true));
            assert!(predicate.may_hear(kind));
            let custom = Filter::Custom("x".into());
            assert_eq!(custom.may_hear(kind), kind == EventKind::Custom);
        }
    }
}
