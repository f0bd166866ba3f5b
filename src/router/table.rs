//! The routes of a router, indexed so that an event costs nothing for the routes that it does not concern.

use std::collections::HashMap;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use super::future::RouterFuture;
use super::route::{NamedRoute, Route};
use super::run::RunRoutes;
use super::unknown;
use crate::command::{Address, Command};
use crate::event::{Event, EventKind};
use crate::handler::{Circumstances, Hears, LaneUse, RouteOptions};
use crate::layer::catch_panic::panic_message;
use crate::rejection::Rejection;
use crate::request::Request;
use crate::response::{DEFAULT_HOLD, Outcome, Response, RouteKind, RouteOutcome};

/// Which events a listener hears.
#[derive(Clone)]
pub(super) enum Filter {
    Kind(EventKind),
    Custom(Box<str>),
    /// Every recognised command, known or not.
    Command,
    Predicate(Arc<dyn Fn(&Request) -> bool + Send + Sync>),
}

impl Filter {
    pub(super) fn may_hear(&self, kind: EventKind) -> bool {
        match self {
            Self::Kind(own) => *own == kind,
            Self::Custom(_) => kind == EventKind::Custom,
            Self::Command => {
                matches!(kind, EventKind::Message | EventKind::Edited | EventKind::Livechat)
            }
            Self::Predicate(_) => true,
        }
    }

    pub(super) fn matches(&self, request: &Request, is_command: bool) -> bool {
        match self {
            Self::Kind(kind) => *kind == request.kind(),
            Self::Custom(name) => matches!(request.event(), Event::Custom(event) if event.name() == &**name),
            Self::Command => is_command,
            Self::Predicate(predicate) => {
                // A predicate that panics picks nothing: it must not cost the other routes their replies.
                catch_unwind(AssertUnwindSafe(|| predicate(request))).unwrap_or_else(|payload| {
                    tracing::error!(panic = %panic_message(&*payload), "a listener's predicate panicked");
                    false
                })
            }
        }
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
    pub(super) target: Target,
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
    fallback: Option<NamedRoute>,
    unknown_command: Option<NamedRoute>,
    /// The words in front of this table's commands: `admin` for the table of that group.
    pub(super) path: Box<str>,
    /// How long finished replies wait, where the router says it itself.
    pub(super) hold: Option<Duration>,
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
        } = parts;
        let by_name = slots
            .iter()
            .enumerate()
            .flat_map(|(index, slot)| slot.names.iter().map(move |name| (fold(name).into(), index)))
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
        (folds_case || slot.names.iter().any(|known| &**known == name)).then_some(slot)
    }

    /// How the event waits for its turn in the room or thread.
    pub(crate) fn lane_use(&self, request: &Request, command: Option<&Command>) -> LaneUse {
        if let Some(command) = command {
            match self
                .find(command.name(), command.folds_case())
                .map(|slot| &slot.target)
            {
                Some(Target::Command(route)) => return route.options.lane,
                Some(Target::Group(group)) => {
                    return group.table.lane_use(request, Some(&command.descend()));
                }
                None => {}
            }
        }
        let listeners = &self.by_kind[request.kind().index()];
        listeners
            .iter()
            .map(|index| self.listeners[*index].route.options.lane)
            .min()
            .unwrap_or_default()
    }

    /// Runs every route that the event concerns.
    #[inline]
    pub(super) fn run(&self, mut request: Request) -> RouterFuture {
        let listeners = &self.by_kind[request.kind().index()];
        let hears_more = !request.is_inside_router() && request.context().shared().listeners.is_used();
        if request.command().is_none() && listeners.is_empty() && self.fallback.is_none() && !hears_more {
            return RouterFuture::nothing();
        }

        let circumstances = Circumstances::of(&request);
        let may_run = |route: &NamedRoute| route.options.admits(circumstances);
        let may_hint = !circumstances.is_from_bot && !circumstances.is_too_old;

        let mut run = RunRoutes::new(self.hold_of(&request), request.deadline());
        let mut starts = Starts::new(&mut run);
        let mut command_route = None;
        let mut is_command = false;
        if let Some(asked) = request.command() {
            let Selection {
                target,
                command,
                order,
            } = self.select(asked);
            match target {
                Selected::Route(route) => {
                    is_command = true;
                    if may_run(route) {
                        match request.refusal() {
                            Some(rejection) => starts.run.answer_with(refused(route, rejection)),
                            None => command_route = Some((route, command, order)),
                        }
                    }
                }
                Selected::Unknown(table) if asked.address() != Address::Direct => {
                    is_command = true;
                    match &table.unknown_command {
                        Some(route) if may_run(route) => command_route = Some((route, command, order)),
                        None if may_hint => {
                            let command = command.as_ref().unwrap_or(asked);
                            starts.run.answer_with(unknown::answer(table, command, &request));
                        }
                        _ => {}
                    }
                    // A hint is an answer too: who is refused gets no more of them than of others.
                    if let Some(refusal) = request.refusal()
                        && (command_route.take().is_some() || starts.run.has_answer())
                    {
                        starts.run.answer_with(unknown::refuse(table, refusal));
                    }
                    if table.path.is_empty() {
                        starts.run.mark_unknown_command();
                    }
                }
                // A message in a direct conversation that begins with no command is just a message.
                Selected::Unknown(_) => {
                    request.set_command(None);
                    // A rate limit around the router took it for a command.
                    starts.run.mark_unknown_command();
                }
            }
        }
        let has_command_answer = command_route.is_some() || starts.run.has_answer();
        for index in listeners {
            let listener = &self.listeners[*index];
            if may_run(&listener.route) && listener.filter.matches(&request, is_command) {
                if let Some((route, command, _)) =
                    command_route.take_if(|(_, _, order)| *order < listener.route.order)
                {
                    starts.push(route, command, &request);
                }
                starts.push(&listener.route, None, &request);
            }
        }
        if let Some((route, command, _)) = command_route {
            starts.push(route, command, &request);
        }
        if hears_more {
            request.context().shared().listeners.for_each(|listener| {
                if may_run(&listener.route) && listener.filter.matches(&request, is_command) {
                    starts.start_now(&listener.route, &request);
                }
            });
        }
        if let Some(fallback) = self.fallback.as_ref().filter(|route| may_run(route))
            && starts.is_empty()
            && !has_command_answer
        {
            starts.push(fallback, None, &request);
        }
        starts.start(&mut Some(request));
        RouterFuture::of_routes(run)
    }

    /// Runs the command alone: what a group does, whose listeners belong to the router around it.
    pub(super) fn run_command(&self, mut request: Request) -> RouterFuture {
        let circumstances = Circumstances::of(&request);
        let may_run = |route: &NamedRoute| route.options.admits(circumstances);
        let may_hint = !circumstances.is_from_bot && !circumstances.is_too_old;

        let mut run = RunRoutes::new(self.hold_of(&request), request.deadline());
        let Some(asked) = request.command() else {
            return RouterFuture::of_routes(run);
        };
        let Selection { target, command, .. } = self.select(asked);
        let route = match target {
            Selected::Route(route) if may_run(route) => match request.refusal() {
                // By one of the group's layers: an earlier one did not get here.
                Some(rejection) => {
                    run.answer_with(refused(route, rejection));
                    None
                }
                None => Some(route),
            },
            Selected::Route(_) => None,
            Selected::Unknown(table) => match &table.unknown_command {
                Some(route) if may_run(route) => Some(route),
                None if may_hint => {
                    let command = command.as_ref().unwrap_or(asked);
                    run.answer_with(unknown::answer(table, command, &request));
                    None
                }
                _ => None,
            },
        };
        if let Some(route) = route {
            if command.is_some() {
                request.set_command(command);
            }
            run.start(route, &mut Some(request));
        }
        RouterFuture::of_routes(run)
    }

    /// What a command leads to.
    fn select<'a>(&'a self, asked: &Command) -> Selection<'a> {
        match self
            .find(asked.name(), asked.folds_case())
            .map(|slot| &slot.target)
        {
            Some(Target::Command(route)) => Selection {
                target: Selected::Route(route),
                command: None,
                order: route.order,
            },
            Some(Target::Group(group)) => {
                let inner = asked.descend();
                let mut selection = group.table.select(&inner);
                selection.order += group.order;
                if let Some(layered) = &group.layered {
                    selection.target = Selected::Route(layered);
                    selection.command = Some(inner);
                } else {
                    selection.command.get_or_insert(inner);
                }
                selection
            }
            None => Selection {
                target: Selected::Unknown(self),
                command: None,
                order: self.unknown_command.as_ref().map_or(0, |route| route.order),
            },
        }
    }

    /// The group's table behind its layers, as a service.
    pub(super) fn command_service(self: &Arc<Self>) -> Route {
        let table = Arc::clone(self);
        Route::from_service(tower::service_fn(move |request| table.run_command(request)))
    }
}

/// A command that did not run, for a reason that its author should read.
fn refused(route: &NamedRoute, rejection: &Rejection) -> Response {
    let mut response = Response::empty();
    response.push_outcome(RouteOutcome::new(
        route.name.clone(),
        RouteKind::Command,
        Outcome::Rejected(rejection.clone()),
    ));
    response
}

/// What a command leads to.
struct Selection<'a> {
    target: Selected<'a>,
    /// The command as it reads in its group; `None` where it is read as it was asked.
    command: Option<Command>,
    /// When that was registered, compared with the listeners of the table that was asked.
    order: u32,
}

enum Selected<'a> {
    Route(&'a NamedRoute),
    /// The table that does not have it: the router's own, or that of a group.
    Unknown(&'a Table),
}

/// Starts routes one behind, so that the last one gets the request itself: only the others pay for a clone.
struct Starts<'a, 'r> {
    run: &'r mut RunRoutes,
    next: Option<(&'a NamedRoute, Option<Command>)>,
}

impl<'a, 'r> Starts<'a, 'r> {
    fn new(run: &'r mut RunRoutes) -> Self {
        Self { run, next: None }
    }

    fn is_empty(&self) -> bool {
        self.next.is_none() && self.run.is_empty()
    }

    #[inline]
    fn push(&mut self, route: &'a NamedRoute, command: Option<Command>, request: &Request) {
        self.start_next(request);
        self.next = Some((route, command));
    }

    /// For routes that are not there for long enough.
    fn start_now(&mut self, route: &NamedRoute, request: &Request) {
        self.start_next(request);
        self.run.start(route, &mut Some(request.clone()));
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
