//! The command `help`.

use std::sync::{Arc, Weak};

use tower::BoxError;

use super::{CommandInfo, page};
use crate::args::shown;
use crate::command::Command;
use crate::handler::Handler;
use crate::rejection::Rejection;
use crate::request::Request;
use crate::response::{IntoResponse, Response, RouteKind, RouteName};
use crate::router::table::Table;

/// What is left of a message's limit for what stands around a page.
const AROUND: usize = 200;

/// What the help is about to say: what a renderer of one's own is given.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct HelpPage {
    /// The commands that whoever asks may run here.
    pub commands: Vec<CommandInfo>,
    /// Whether it is all about the one command, which was asked for by its name.
    pub is_about_one: bool,
    /// What stands before a command's words where the question was asked: `!`, or `@bot `.
    pub invocation: String,
    /// How the help itself was called: `!help`.
    pub call: String,
    /// How many UTF-16 units a message may have.
    pub message_size_limit: usize,
    /// The page that was asked for, counted from 1.
    pub page: usize,
}

pub(in crate::router) type HelpRenderer = Arc<dyn Fn(HelpPage) -> Result<Response, BoxError> + Send + Sync>;

/// Answers with what is known of the router that it is a command of.
#[derive(Clone)]
pub(in crate::router) struct Help {
    table: Weak<Table>,
    renderer: HelpRenderer,
}

/// What was asked for.
enum Topic<'a> {
    All { page: usize },
    Named(&'a str),
}

impl Help {
    pub(in crate::router) fn new(table: Weak<Table>, renderer: HelpRenderer) -> Self {
        Self { table, renderer }
    }

    /// The texts of the crate.
    pub(in crate::router) fn plain() -> HelpRenderer {
        Arc::new(|page| page.text().into_response())
    }

    async fn answer(self, request: Request) -> Result<Response, BoxError> {
        let table = self.table.upgrade();
        let commands = table.as_ref().map(|table| table.commands());
        // In a group its commands may be named without it.
        let group = table.map_or_else(String::new, |table| table.path.to_string());
        let command = request.command();
        let asked = command.map(Command::args).unwrap_or_default().trim().to_owned();
        let invocation = command.map(Command::invocation).unwrap_or_default();
        let topic = match asked.parse() {
            _ if asked.is_empty() => Topic::All { page: 1 },
            Ok(page) => Topic::All { page },
            Err(_) => Topic::Named(strip(&asked, &invocation)),
        };
        let (candidates, page) = match &topic {
            Topic::All { page } => {
                let listed = |command: &CommandInfo| !command.is_hidden;
                (chosen(commands, listed), *page)
            }
            Topic::Named(words) => {
                let in_group = format!("{group} {words}");
                let is_meant =
                    |command: &CommandInfo| is_meant(command, words) || is_meant(command, &in_group);
                (chosen(commands, is_meant), 1)
            }
        };
        let mut permitted = Vec::with_capacity(candidates.len());
        for command in candidates {
            if may_run(&command, &request).await {
                permitted.push(command);
            }
        }
        let is_about_one = match topic {
            Topic::All { .. } => false,
            // Who may not run it is told the same as who asks for what there is not.
            Topic::Named(words) if permitted.is_empty() => {
                let text = format!("There is no `{}` that you can run here.", shown(words));
                return Err(Rejection::new(text).into());
            }
            Topic::Named(words) => {
                let in_group = format!("{group} {words}");
                let is_called =
                    |command: &CommandInfo| command.is_called(words) || command.is_called(&in_group);
                if let Some(index) = permitted.iter().position(is_called) {
                    permitted = vec![permitted.swap_remove(index)];
                }
                permitted.len() == 1
            }
        };
        (self.renderer)(HelpPage {
            commands: permitted,
            is_about_one,
            call: format!(
                "{invocation}{}",
                command
                    .map(|command| command.path().collect::<Vec<_>>().join(" "))
                    .unwrap_or_default()
            ),
            invocation,
            message_size_limit: request.context().shared().message_size_limit(),
            page,
        })
    }
}

fn chosen(commands: Option<Vec<CommandInfo>>, is_wanted: impl Fn(&CommandInfo) -> bool) -> Vec<CommandInfo> {
    commands.into_iter().flatten().filter(is_wanted).collect()
}

/// A command by its name, also a hidden one; or a group by its word.
fn is_meant(command: &CommandInfo, words: &str) -> bool {
    command.is_called(words) || (command.begins_with(words) && !command.is_hidden)
}

/// People write `!help !ban`.
fn strip<'a>(words: &'a str, invocation: &str) -> &'a str {
    words.strip_prefix(invocation).unwrap_or(words).trim()
}

/// Whether every condition around a command holds for who asks, here.
async fn may_run(command: &CommandInfo, request: &Request) -> bool {
    let mut request = request.clone();
    request.set_route(RouteName::new(&command.path), RouteKind::Command);
    for condition in command.conditions() {
        if !condition.holds(&request).await {
            return false;
        }
    }
    true
}

impl HelpPage {
    /// What the help says unless a renderer says something else.
    pub fn text(&self) -> String {
        if self.is_about_one
            && let [command] = &*self.commands
        {
            return page::details(command, &self.invocation);
        }
        let longest = self.message_size_limit.saturating_sub(AROUND).max(AROUND);
        let pages = page::list(&self.commands, &self.invocation, longest);
        let count = pages.len();
        let number = self.page.clamp(1, count);
        // There is one at least, and the number is one of them.
        let text = pages.into_iter().nth(number - 1).unwrap_or_default();
        match number {
            _ if count == 1 => text,
            last if last == count => format!("{text}\n(page {number} of {count})"),
            _ => {
                let next = format!("{} {}", self.call, number + 1);
                format!("{text}\n(page {number} of {count}; `{next}` for the next)")
            }
        }
    }
}

/// Marks the handler that lists the commands.
pub(in crate::router) struct IsHelp;

impl<S: Send + Sync + 'static> Handler<IsHelp, S> for Help {
    async fn call(self, request: Request, _state: Arc<S>) -> Result<Response, BoxError> {
        self.answer(request).await
    }
}
