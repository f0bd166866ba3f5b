//! The list of a router's commands.

use std::fmt::Write as _;
use std::sync::{Arc, Weak};

use tower::BoxError;

use super::table::{Table, Target};
use crate::args::ArgsInfo;
use crate::command::Command;
use crate::handler::Handler;
use crate::request::Request;
use crate::response::{IntoResponse, Response};

/// What is known of a command without running it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandInfo {
    path: String,
    aliases: Vec<String>,
    description: Option<String>,
    args: Option<Arc<ArgsInfo>>,
}

impl CommandInfo {
    /// The words that call it, without a prefix: `ping`, or `admin ban` for a sub-command of a group.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The other names of its last word.
    pub fn aliases(&self) -> impl Iterator<Item = &str> {
        self.aliases.iter().map(String::as_str)
    }

    /// What it does.
    pub fn description(&self) -> Option<&str> {
        self.description.as_deref()
    }

    /// What stands behind its name, where its handler says so by its types; `None` where it takes no
    /// [`Args`](crate::extract::Args).
    pub fn args(&self) -> Option<&ArgsInfo> {
        self.args.as_deref()
    }
}

impl Table {
    /// The commands, in order of registration; a group's stand where the group was registered.
    pub(crate) fn commands(&self) -> Vec<CommandInfo> {
        let mut commands = Vec::new();
        self.collect_commands(&mut commands);
        commands
    }

    fn collect_commands(&self, commands: &mut Vec<CommandInfo>) {
        for slot in &self.slots {
            match &slot.target {
                Target::Group(group) => group.table.collect_commands(commands),
                Target::Command(route) => commands.push(CommandInfo {
                    path: route.name.as_str().to_owned(),
                    aliases: slot.names[1..].iter().map(|alias| alias.to_string()).collect(),
                    description: route
                        .options
                        .description
                        .as_ref()
                        .map(|text| text.clone().into_owned()),
                    args: route.options.arguments.clone(),
                }),
            }
        }
    }
}

/// Answers with the list of the router that it is a command of.
#[derive(Clone, Debug)]
pub(super) struct Help {
    table: Weak<Table>,
}

impl Help {
    pub(super) fn new(table: Weak<Table>) -> Self {
        Self { table }
    }

    fn text(&self, request: &Request) -> String {
        let invocation = request.command().map(Command::invocation).unwrap_or_default();
        let commands = self
            .table
            .upgrade()
            .map(|table| table.commands())
            .unwrap_or_default();
        let mut text = String::new();
        for command in commands {
            let _ = write!(text, "`{invocation}{}`", command.path);
            for alias in &command.aliases {
                let _ = write!(text, ", `{alias}`");
            }
            if let Some(description) = &command.description {
                let _ = write!(text, " – {description}");
            }
            text.push('\n');
        }
        text.truncate(text.trim_end().len());
        text
    }
}

/// Marks the handler that lists the commands.
pub(super) struct IsHelp;

impl<S: Send + Sync + 'static> Handler<IsHelp, S> for Help {
    async fn call(self, request: Request, _state: Arc<S>) -> Result<Response, BoxError> {
        self.text(&request).into_response()
    }
}
