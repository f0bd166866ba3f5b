//! Makes an explanation: listens to the decisions about an event instead of starting routes, then asks after each route.

use super::{
    Explanation, FoundCommand, LeadsTo, NoCommand, RouteExplanation, RouteRole, RouterAnswer, Verdict,
};
use crate::command::Command;
use crate::request::Request;
use crate::response::{Outcome, Response, RouteName};
use crate::router::route::NamedRoute;
use crate::router::table::{Group, Listener, Table, Target, fold};
use crate::router::visit::Visitor;

impl Table {
    pub(crate) fn explain(&self, request: &Request, has_layers: bool) -> Explanation {
        let asked = request.command().cloned();
        let mut request = request.clone();
        let mut notes = Notes::default();
        self.visit(&mut request, &mut notes);
        // What turned out to be just a message is a command no longer.
        let command = request.command().cloned();

        let mut listing = Listing {
            notes,
            request: &request,
            routes: Vec::new(),
        };
        listing.add_commands(self, 0, command.as_ref().ok_or(Verdict::NoCommand));
        for listener in self.listeners() {
            let route = &listener.route;
            // Only those that may hear this kind of event were asked.
            let verdict = listing.notes.verdict_of(route).unwrap_or(Verdict::OtherKind);
            listing.add(route.order, route, RouteRole::Listener, None, verdict);
        }
        if let Some(fallback) = &self.fallback {
            let verdict = listing.notes.verdict_of(fallback).unwrap_or(Verdict::NotNeeded);
            listing.add(fallback.order, fallback, RouteRole::Fallback, None, verdict);
        }
        let Listing {
            notes, mut routes, ..
        } = listing;
        routes.sort_by_key(|(order, _)| *order);
        let routes = routes.into_iter().map(|(_, route)| route);

        let no_command = if asked.is_none() { why_none(&request) } else { None };
        Explanation {
            event: request.kind(),
            prefixes: match no_command {
                Some(_) => request.context().shared().stack.prefixes(),
                None => Vec::new(),
            },
            command: match (&asked, no_command) {
                (Some(asked), _) => Ok(self.describe(asked, command.is_none())),
                (None, why) => Err(why.unwrap_or(NoCommand::TakenAway)),
            },
            has_layers,
            routes: routes.chain(notes.added).collect(),
            answer: notes.answer,
        }
    }

    fn describe(&self, asked: &Command, is_just_a_message: bool) -> FoundCommand {
        let (mut table, mut command) = (self, asked.clone());
        let leads_to = loop {
            match table
                .find(command.name(), command.folds_case())
                .map(|slot| &slot.target)
            {
                Some(Target::Command(_)) => break LeadsTo::Command,
                Some(Target::Group(group)) => {
                    table = &group.table;
                    command = command.descend();
                }
                None if is_just_a_message => break LeadsTo::JustAMessage,
                None if table.path.is_empty() => break LeadsTo::UnknownCommand,
                None => break LeadsTo::UnknownSubcommand,
            }
        };
        FoundCommand {
            name: asked.name().to_owned(),
            path: command.path().collect::<Vec<_>>().join(" "),
            prefix: asked.invocation().trim_end().to_owned(),
            address: asked.address(),
            leads_to,
        }
    }
}

/// Why the request has no command; `None` where a parser of the stack finds one.
fn why_none(request: &Request) -> Option<NoCommand> {
    let found = request.context().shared().stack.find_command(request);
    found.unwrap_or(Err(NoCommand::NoCommandLayer)).err()
}

/// What was decided.
#[derive(Default)]
struct Notes<'a> {
    verdicts: Vec<(&'a NamedRoute, Verdict)>,
    /// The listeners that were added at run time.
    added: Vec<RouteExplanation>,
    answer: Option<RouterAnswer>,
}

impl Notes<'_> {
    fn verdict_of(&self, route: &NamedRoute) -> Option<Verdict> {
        self.verdicts
            .iter()
            .find(|(noted, _)| std::ptr::eq(*noted, route))
            .map(|(_, verdict)| *verdict)
    }
}

impl<'a> Visitor<'a> for Notes<'a> {
    fn run(&mut self, route: &'a NamedRoute, _command: Option<Command>, _request: &Request) {
        self.verdicts.push((route, Verdict::Runs));
    }

    fn run_added(&mut self, listener: &Listener, _request: &Request) {
        self.pass_added(listener, Verdict::Runs);
    }

    fn pass(&mut self, route: &'a NamedRoute, why: Verdict) {
        self.verdicts.push((route, why));
    }

    fn pass_added(&mut self, listener: &Listener, why: Verdict) {
        self.added.push(RouteExplanation {
            name: listener.route.name.clone(),
            role: RouteRole::AddedListener,
            group: None,
            has_layers: false,
            verdict: why,
        });
    }

    fn answer_with(&mut self, response: Response) {
        self.answer = response.outcomes().next().map(|outcome| {
            let rejection = match outcome.outcome() {
                Outcome::Rejected(rejection) => Some(rejection),
                _ => None,
            };
            RouterAnswer {
                route: outcome.route().clone(),
                text: match rejection {
                    Some(rejection) => rejection.text().to_owned(),
                    None => response.texts().collect(),
                },
                is_refusal: rejection.is_some(),
                is_silent: rejection.is_some_and(|rejection| rejection.is_silent()),
            }
        });
    }

    fn has_answer(&self) -> bool {
        self.answer.is_some()
    }

    fn is_empty(&self) -> bool {
        !self
            .verdicts
            .iter()
            .map(|(_, verdict)| *verdict)
            .chain(self.added.iter().map(|route| route.verdict))
            .any(Verdict::runs)
    }

    fn mark_unknown_command(&mut self) {}
}

/// The routes with when they were registered.
struct Listing<'a, 'r> {
    notes: Notes<'a>,
    request: &'r Request,
    routes: Vec<(u32, RouteExplanation)>,
}

impl<'a> Listing<'a, '_> {
    fn add(
        &mut self,
        order: u32,
        route: &NamedRoute,
        role: RouteRole,
        group: Option<&Table>,
        verdict: Verdict,
    ) {
        self.routes.push((
            order,
            RouteExplanation {
                name: route.name.clone(),
                role,
                group: group.map(|group| group.path.clone()),
                has_layers: false,
                verdict,
            },
        ));
    }

    /// The commands of a table: `asked` is what is looked up in it, or why nothing is.
    fn add_commands(&mut self, table: &'a Table, first: u32, asked: Result<&Command, Verdict>) {
        let group = (!table.path.is_empty()).then_some(table);
        let found = asked
            .ok()
            .and_then(|command| table.find(command.name(), command.folds_case()));
        for slot in &table.slots {
            let asked = asked.and_then(|command| match found {
                Some(found) if std::ptr::eq(found, slot) => Ok(command),
                None if slot.names.iter().any(|name| fold(name) == fold(command.name())) => {
                    Err(Verdict::OtherCase)
                }
                _ => Err(Verdict::OtherCommand),
            });
            match &slot.target {
                Target::Command(route) => {
                    let verdict = match asked {
                        Ok(_) => self.notes.verdict_of(route).unwrap_or(Verdict::Refused),
                        Err(why) => why,
                    };
                    self.add(first + route.order, route, RouteRole::Command, group, verdict);
                }
                Target::Group(inner) => self.add_group(inner, group, first + inner.order, asked),
            }
        }
        if let Some(route) = &table.unknown_command {
            let verdict = match asked {
                Ok(_) if found.is_some() => Verdict::KnownCommand,
                Ok(_) => self.notes.verdict_of(route).unwrap_or(Verdict::Refused),
                Err(why) => why,
            };
            self.add(
                first + route.order,
                route,
                RouteRole::UnknownCommand,
                group,
                verdict,
            );
        }
        if let Some((group, fallback)) = group.zip(table.fallback.as_ref()) {
            let order = first + fallback.order;
            self.add(
                order,
                fallback,
                RouteRole::Fallback,
                Some(group),
                Verdict::FallbackOfGroup,
            );
        }
    }

    fn add_group(
        &mut self,
        group: &'a Group,
        outer: Option<&Table>,
        order: u32,
        asked: Result<&Command, Verdict>,
    ) {
        let table = &*group.table;
        let inner = asked.map(Command::descend).and_then(|inner| {
            let Some(layered) = &group.layered else {
                return Ok(inner);
            };
            match self.notes.verdict_of(layered).unwrap_or(Verdict::Refused) {
                Verdict::Runs => {
                    // What its layers do to the request is not known.
                    let mut request = self.request.clone();
                    request.set_command(Some(inner.clone()));
                    table.visit_command(&request, &mut self.notes);
                    Ok(inner)
                }
                why => Err(why),
            }
        });
        let verdict = match &inner {
            Ok(inner) if table.find(inner.name(), inner.folds_case()).is_none() => Verdict::UnknownSubcommand,
            Ok(_) => Verdict::Entered,
            Err(why) => *why,
        };
        self.routes.push((
            order,
            RouteExplanation {
                name: RouteName::new(&table.path),
                role: RouteRole::Group,
                group: outer.map(|outer| outer.path.clone()),
                has_layers: group.layered.is_some(),
                verdict,
            },
        ));
        self.add_commands(table, order, inner.as_ref().map_err(|why| *why));
    }
}
