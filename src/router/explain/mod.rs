//! Why each route of a router runs for an event, or does not.

mod command;
mod make;
mod text;

#[cfg(test)]
mod tests;

use std::fmt;

use serde::ser::{Serialize, SerializeStruct, Serializer};

pub use self::command::{FoundCommand, LeadsTo, NoCommand};
use crate::event::EventKind;
use crate::response::RouteName;

/// Why each route of a router runs for an event, or does not: made by [`Router::explain`](super::Router::explain).
///
/// As text (`Display`) it has a line for each route; as data (`serde::Serialize`) it holds the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    event: EventKind,
    command: Result<FoundCommand, NoCommand>,
    /// What commands begin with, where none was found.
    prefixes: Vec<String>,
    has_layers: bool,
    routes: Vec<RouteExplanation>,
    answer: Option<RouterAnswer>,
}

impl Explanation {
    /// Which kind of event it is.
    pub fn event(&self) -> EventKind {
        self.event
    }

    /// The command that was found in it.
    ///
    /// # Errors
    ///
    /// Why there is none, as far as the router knows.
    pub fn command(&self) -> Result<&FoundCommand, NoCommand> {
        self.command.as_ref().map_err(|why| *why)
    }

    /// Whether the router has layers of its own. They are not asked: they may answer before any route runs.
    pub fn has_layers(&self) -> bool {
        self.has_layers
    }

    /// Every route in order of registration, those of groups behind their group; then the listeners that were added at
    /// run time.
    pub fn routes(&self) -> &[RouteExplanation] {
        &self.routes
    }

    /// The routes that run.
    pub fn running(&self) -> impl Iterator<Item = &RouteExplanation> {
        self.routes.iter().filter(|route| route.verdict.runs())
    }

    /// The first route of this name.
    pub fn route(&self, name: &str) -> Option<&RouteExplanation> {
        self.routes.iter().find(|route| route.name.as_str() == name)
    }

    /// What the router answers by itself: a hint to who asked for an unknown command, or a refusal.
    pub fn answer(&self) -> Option<&RouterAnswer> {
        self.answer.as_ref()
    }
}

impl Serialize for Explanation {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("Explanation", 6)?;
        fields.serialize_field("event", self.event.name())?;
        fields.serialize_field("command", &self.command.as_ref().ok())?;
        fields.serialize_field("no_command", &self.command.as_ref().err())?;
        fields.serialize_field("has_layers", &self.has_layers)?;
        fields.serialize_field("routes", &self.routes)?;
        fields.serialize_field("answer", &self.answer)?;
        fields.end()
    }
}

/// Why one route runs, or does not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteExplanation {
    name: RouteName,
    role: RouteRole,
    group: Option<Box<str>>,
    has_layers: bool,
    verdict: Verdict,
}

impl RouteExplanation {
    /// Its name, as in [`RouteOutcome::route`](crate::response::RouteOutcome::route).
    pub fn name(&self) -> &RouteName {
        &self.name
    }

    /// What it was registered for.
    pub fn role(&self) -> RouteRole {
        self.role
    }

    /// The group of commands that it belongs to: `admin` for `admin ban`.
    pub fn group(&self) -> Option<&str> {
        self.group.as_deref()
    }

    /// Whether it is a group with layers of its own. They are not asked: they may answer before a command of it runs.
    pub fn has_layers(&self) -> bool {
        self.has_layers
    }

    /// Whether it runs, or why not.
    pub fn verdict(&self) -> Verdict {
        self.verdict
    }
}

impl Serialize for RouteExplanation {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("RouteExplanation", 6)?;
        fields.serialize_field("name", self.name.as_str())?;
        fields.serialize_field("role", &self.role)?;
        fields.serialize_field("group", &self.group)?;
        fields.serialize_field("has_layers", &self.has_layers)?;
        fields.serialize_field("runs", &self.verdict.runs())?;
        fields.serialize_field("verdict", &self.verdict)?;
        fields.end()
    }
}

/// What a route was registered for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum RouteRole {
    /// A command.
    Command,
    /// A group of commands.
    Group,
    /// Events of some kind.
    Listener,
    /// The same, added while the bot runs.
    AddedListener,
    /// Commands that the router does not have.
    UnknownCommand,
    /// Events that no other route takes.
    Fallback,
}

impl fmt::Display for RouteRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Command => "command",
            Self::Group => "group",
            Self::Listener => "listener",
            Self::AddedListener => "added listener",
            Self::UnknownCommand => "unknown command",
            Self::Fallback => "fallback",
        })
    }
}

/// Whether a route runs, or why not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Verdict {
    /// It runs. The layers around it are not asked: they may still answer before it does.
    Runs,
    /// It is the command's group: which of its commands runs, their own verdicts say.
    Entered,
    /// It is the command's group, which does not have the sub-command.
    UnknownSubcommand,
    /// A layer refused the command, for the reason that [`Explanation::answer`] tells.
    Refused,
    /// The event is no command.
    NoCommand,
    /// Another command was asked for.
    OtherCommand,
    /// The command was written with other capital letters, and the `CommandLayer` tells them apart.
    OtherCase,
    /// The command is known, so that of unknown commands is not needed.
    KnownCommand,
    /// It hears another kind of event.
    OtherKind,
    /// It hears custom events of another name.
    OtherName,
    /// It hears the runs of another job.
    OtherJob,
    /// Its predicate does not pick the event.
    NotPicked,
    /// Its predicate panicked, which picks nothing.
    PredicatePanicked,
    /// The event is from a bot, and the route does not say `from_bots`.
    FromBot,
    /// The event was fetched after an outage, and the route says `live_only`.
    CaughtUp,
    /// The event is older than the age up to which the bot answers, and the route does not say `any_age`.
    TooOld,
    /// Another route took the event.
    NotNeeded,
    /// It is the fallback of a group: what nobody takes is for the fallback of the router around it.
    FallbackOfGroup,
}

impl Verdict {
    /// Whether the route runs.
    #[inline]
    pub fn runs(self) -> bool {
        matches!(self, Self::Runs)
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Runs => "runs",
            Self::Entered => "the command is in this group",
            Self::UnknownSubcommand => "this group has no such sub-command",
            Self::Refused => "a layer refused the command",
            Self::NoCommand => "the event is no command",
            Self::OtherCommand => "another command was asked for",
            Self::OtherCase => "the case of its name differs, and the CommandLayer is case-sensitive",
            Self::KnownCommand => "the command is known",
            Self::OtherKind => "it hears another kind of event",
            Self::OtherName => "it hears custom events of another name",
            Self::OtherJob => "it hears another job",
            Self::NotPicked => "its predicate does not pick the event",
            Self::PredicatePanicked => "its predicate panicked",
            Self::FromBot => "the event is from a bot, and the route does not say `from_bots`",
            Self::CaughtUp => "the event was fetched after an outage, and the route says `live_only`",
            Self::TooOld => "the event is too old, and the route does not say `any_age`",
            Self::NotNeeded => "another route took the event",
            Self::FallbackOfGroup => "the fallback of a group is not used",
        })
    }
}

/// What the router answers by itself, without a route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouterAnswer {
    route: RouteName,
    text: String,
    is_refusal: bool,
    is_silent: bool,
}

impl RouterAnswer {
    /// The name that it goes under among the outcomes.
    pub fn route(&self) -> &RouteName {
        &self.route
    }

    /// What it says.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether it is a refusal, rather than a hint.
    pub fn is_refusal(&self) -> bool {
        self.is_refusal
    }

    /// Whether it is only counted and logged, and not said in the room.
    pub fn is_silent(&self) -> bool {
        self.is_silent
    }
}

impl Serialize for RouterAnswer {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("RouterAnswer", 4)?;
        fields.serialize_field("route", self.route.as_str())?;
        fields.serialize_field("text", &self.text)?;
        fields.serialize_field("is_refusal", &self.is_refusal)?;
        fields.serialize_field("is_silent", &self.is_silent)?;
        fields.end()
    }
}
