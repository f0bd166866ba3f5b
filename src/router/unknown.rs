//! What is answered to a command that the router does not have.

use super::table::{CommandSlot, Table, Target, fold};
use crate::args::shown;
use crate::command::{Address, Command};
use crate::layer::announce::Announcement;
use crate::rejection::{Rejection, RejectionKind};
use crate::request::Request;
use crate::response::{Action, Outcome, Response, RouteKind, RouteName, RouteOutcome, Send};

/// How alike two names have to be, from 0 to 1, for one to be offered for the other.
const ALIKE: f64 = 0.6;

/// How many names are listed in one line.
const LISTED: usize = 12;

/// Nothing in a channel, where another bot may have the same prefix. A line for who speaks to this bot alone, or names
/// one of its groups of commands.
pub(super) fn answer(table: &Table, command: &Command, request: &Request) -> Response {
    let mut response = Response::empty();
    if !table.path.is_empty() {
        let rejection = unknown_subcommand(table, command, request);
        let outcome = Outcome::Rejected(rejection);
        response.push_outcome(RouteOutcome::new(route_name(table), RouteKind::Command, outcome));
        return response;
    }
    // A bot that only listens is mentioned in talk, and has nothing to offer.
    if table.slots.is_empty() {
        return response;
    }
    let text = match command.address() {
        Address::Mention if command.name().is_empty() => help_line(table, command, request),
        Address::Mention => unknown_command(table, command, request),
        Address::Prefix if request.is_direct_with_bot() => unknown_command(table, command, request),
        Address::Prefix if table.suggests => match nearest(table, command.name(), request) {
            Some(known) => suggestion(command, known),
            None => return response,
        },
        Address::Prefix | Address::Direct => return response,
    };
    let route = route_name(table);
    response.push_routed(Some(route.clone()), Action::from(Send::text(text)));
    response.push_outcome(RouteOutcome::new(route, RouteKind::Command, Outcome::Handled));
    response
}

/// What is answered instead to who may not, or not so often.
pub(super) fn refuse(table: &Table, refusal: &Rejection) -> Response {
    let mut response = Response::empty();
    response.push_outcome(RouteOutcome::new(
        route_name(table),
        RouteKind::Command,
        Outcome::Rejected(refusal.clone()),
    ));
    response
}

fn route_name(table: &Table) -> RouteName {
    if table.path.is_empty() {
        RouteName::new("unknown command")
    } else {
        RouteName::new(&table.path)
    }
}

fn unknown_command(table: &Table, command: &Command, request: &Request) -> String {
    let name = shown(command.name());
    match nearest(table, command.name(), request) {
        Some(known) => format!(
            "{} {}",
            suggestion(command, known),
            help_line(table, command, request)
        ),
        None => format!("I don't know `{name}`. {}", help_line(table, command, request)),
    }
}

fn suggestion(command: &Command, known: &str) -> String {
    let name = shown(command.name());
    format!(
        "I don't know `{name}`. Did you mean `{}{known}`?",
        command.invocation()
    )
}

fn unknown_subcommand(table: &Table, command: &Command, request: &Request) -> Rejection {
    let path = &table.path;
    let known = names(table, request);
    let text = if command.name().is_empty() {
        format!("`{path}` needs one of: {known}.")
    } else {
        let name = shown(command.name());
        match nearest(table, command.name(), request) {
            Some(near) => format!("There is no `{path} {name}`. Did you mean `{path} {near}`?"),
            None => format!("There is no `{path} {name}`. There is: {known}."),
        }
    };
    Rejection::of(RejectionKind::UnknownSubcommand, text)
}

fn help_line(table: &Table, command: &Command, request: &Request) -> String {
    let invocation = command.invocation();
    if table.find("help", true).is_some() {
        return format!("Say `{invocation}help` for what I can do.");
    }
    format!("I know: {}.", names(table, request))
}

fn names(table: &Table, request: &Request) -> String {
    let mut told = told(table, request);
    let names: Vec<_> = told
        .by_ref()
        .take(LISTED)
        .map(|slot| format!("`{}`", slot.names[0]))
        .collect();
    let more = if told.next().is_some() { " and more" } else { "" };
    format!("{}{more}", names.join(", "))
}

/// The commands of which may be spoken to anybody who asks: not the hidden ones, nor those that they may not run, or of which
/// that would have to be asked.
fn told<'a>(table: &'a Table, request: &'a Request) -> impl Iterator<Item = &'a CommandSlot> {
    table.slots.iter().filter(|slot| {
        let (is_hidden, announced) = match &slot.target {
            Target::Command(route) => (route.options.is_hidden, &route.announced),
            Target::Group(group) => (false, &group.announced),
        };
        let may = |announcement: &Announcement| match announcement {
            Announcement::Requires(condition) => condition.known(request) == Some(true),
            Announcement::Limits(_) => true,
        };
        !is_hidden && announced.iter().all(may)
    })
}

fn nearest<'a>(table: &'a Table, name: &str, request: &'a Request) -> Option<&'a str> {
    // The comparison takes the product of the lengths: nobody means a command by a word of that length.
    if name.is_empty() || name.len() > 64 {
        return None;
    }
    let name = fold(name);
    let score = |known: &str| strsim::normalized_damerau_levenshtein(&name, &fold(known));
    told(table, request)
        .flat_map(|slot| slot.names.iter())
        .map(|known| (score(known), &**known))
        .filter(|(score, _)| *score >= ALIKE)
        .max_by(|(one, _), (other, _)| one.total_cmp(other))
        .map(|(_, known)| known)
}
