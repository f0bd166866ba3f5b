//! The decision which routes an event runs: made here alone, for those who start the routes and those who explain.

use super::explain::Verdict;
use super::table::{Listener, Table, Target};
use super::unknown;
use crate::command::{Address, Command};
use crate::handler::Circumstances;
use crate::rejection::Rejection;
use crate::request::Request;
use crate::response::{Outcome, Response, RouteKind, RouteOutcome};
use crate::router::route::NamedRoute;

/// Hears what is decided of each route that an event might concern.
pub(super) trait Visitor<'a> {
    /// The route runs, with this command instead of the request's if there is one.
    fn run(&mut self, route: &'a NamedRoute, command: Option<Command>, request: &Request);

    /// A listener that was added at run time runs: it is not there for long enough to be kept.
    fn run_added(&mut self, listener: &Listener, request: &Request);

    /// The route does not run.
    fn pass(&mut self, _route: &'a NamedRoute, _why: Verdict) {}

    fn pass_added(&mut self, _listener: &Listener, _why: Verdict) {}

    /// The router answers by itself, in place of what it answered before.
    fn answer_with(&mut self, response: Response);

    fn has_answer(&self) -> bool;

    /// Whether no route runs so far.
    fn is_empty(&self) -> bool;

    fn mark_unknown_command(&mut self);
}

impl Table {
    /// Decides about every route that the event concerns, in order of registration.
    #[inline]
    pub(super) fn visit<'a>(&'a self, request: &mut Request, visitor: &mut impl Visitor<'a>) {
        let circumstances = Circumstances::of(request);
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
                    match (route.options.verdict(circumstances), request.refusal()) {
                        (Verdict::Runs, None) => command_route = Some((route, command, order)),
                        (Verdict::Runs, Some(rejection)) => {
                            visitor.pass(route, Verdict::Refused);
                            visitor.answer_with(refused(route, rejection));
                        }
                        (why, _) => visitor.pass(route, why),
                    }
                }
                Selected::Unknown(table) if asked.address() != Address::Direct => {
                    is_command = true;
                    let route = table.unknown_route(circumstances, visitor);
                    if table.hints(circumstances) {
                        let command = command.as_ref().unwrap_or(asked);
                        visitor.answer_with(unknown::answer(table, command, request));
                    }
                    match request.refusal() {
                        None => command_route = route.map(|route| (route, command, order)),
                        // A hint is an answer too: who is refused gets no more of them than of others.
                        Some(refusal) => {
                            if let Some(route) = route {
                                visitor.pass(route, Verdict::Refused);
                            }
                            if route.is_some() || visitor.has_answer() {
                                visitor.answer_with(unknown::refuse(table, refusal));
                            }
                        }
                    }
                    if table.path.is_empty() {
                        visitor.mark_unknown_command();
                    }
                }
                // A message in a direct conversation that begins with no command is just a message.
                Selected::Unknown(_) => {
                    request.set_command(None);
                    // A rate limit around the router took it for a command.
                    visitor.mark_unknown_command();
                }
            }
        }
        let request = &*request;
        let has_command_answer = command_route.is_some() || visitor.has_answer();
        for listener in self.listeners_of(request.kind()) {
            let route = &listener.route;
            match listener.verdict(request, circumstances, is_command) {
                Verdict::Runs => {
                    if let Some((route, command, _)) =
                        command_route.take_if(|(_, _, order)| *order < route.order)
                    {
                        visitor.run(route, command, request);
                    }
                    visitor.run(route, None, request);
                }
                why => visitor.pass(route, why),
            }
        }
        if let Some((route, command, _)) = command_route {
            visitor.run(route, command, request);
        }
        if hears_more(request) {
            request.context().shared().listeners.for_each(|listener| {
                match listener.verdict(request, circumstances, is_command) {
                    Verdict::Runs => visitor.run_added(listener, request),
                    why => visitor.pass_added(listener, why),
                }
            });
        }
        if let Some(fallback) = &self.fallback {
            match fallback.options.verdict(circumstances) {
                _ if has_command_answer || !visitor.is_empty() => visitor.pass(fallback, Verdict::NotNeeded),
                Verdict::Runs => visitor.run(fallback, None, request),
                why => visitor.pass(fallback, why),
            }
        }
    }

    /// Decides about the command alone: what a group does, whose listeners belong to the router around it.
    pub(super) fn visit_command<'a>(&'a self, request: &Request, visitor: &mut impl Visitor<'a>) {
        let circumstances = Circumstances::of(request);
        let Some(asked) = request.command() else {
            return;
        };
        let Selection { target, command, .. } = self.select(asked);
        match target {
            Selected::Route(route) => match (route.options.verdict(circumstances), request.refusal()) {
                (Verdict::Runs, None) => visitor.run(route, command, request),
                // By one of the group's layers: an earlier one did not get here.
                (Verdict::Runs, Some(rejection)) => {
                    visitor.pass(route, Verdict::Refused);
                    visitor.answer_with(refused(route, rejection));
                }
                (why, _) => visitor.pass(route, why),
            },
            Selected::Unknown(table) => {
                if let Some(route) = table.unknown_route(circumstances, visitor) {
                    visitor.run(route, command, request);
                } else if table.hints(circumstances) {
                    let command = command.as_ref().unwrap_or(asked);
                    visitor.answer_with(unknown::answer(table, command, request));
                }
            }
        }
    }

    /// What takes the commands that the table does not have, if it may.
    fn unknown_route<'a>(
        &'a self,
        circumstances: Circumstances,
        visitor: &mut impl Visitor<'a>,
    ) -> Option<&'a NamedRoute> {
        let route = self.unknown_command.as_ref()?;
        match route.options.verdict(circumstances) {
            Verdict::Runs => Some(route),
            why => {
                visitor.pass(route, why);
                None
            }
        }
    }

    /// Whether the table itself says something to a command that it does not have.
    fn hints(&self, circumstances: Circumstances) -> bool {
        self.unknown_command.is_none() && !circumstances.is_from_bot && !circumstances.is_too_old
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
}

impl Listener {
    #[inline]
    fn verdict(&self, request: &Request, circumstances: Circumstances, is_command: bool) -> Verdict {
        match self.route.options.verdict(circumstances) {
            Verdict::Runs => self.filter.verdict(request, is_command),
            why => why,
        }
    }
}

/// Whether listeners that were added at run time may hear the request.
#[inline]
pub(super) fn hears_more(request: &Request) -> bool {
    !request.is_inside_router() && request.context().shared().listeners.is_used()
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
