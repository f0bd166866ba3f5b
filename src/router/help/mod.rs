//! What is known of the commands without running them, and the command that tells it.

mod answer;
mod page;

use std::sync::Arc;

pub use self::answer::HelpPage;
pub(super) use self::answer::{Help, HelpRenderer};
use super::route::NamedRoute;
use super::table::{CommandSlot, Table, Target};
use crate::args::ArgsInfo;
use crate::layer::announce::Announcement;
use crate::layer::require::Condition;

/// What is known of a command without running it.
///
/// ```
/// use std::time::Duration;
/// use rocketbotte::Router;
/// use rocketbotte::args::{Arg, UserArg};
/// use rocketbotte::extract::Args;
/// use rocketbotte::handler::route;
/// use rocketbotte::layer::RequireLayer;
///
/// async fn mute(_: Args<(UserArg, Arg<Duration>)>) -> &'static str { "muted" }
///
/// let router: Router = Router::new()
///     .command("mute", route(mute).description("Silences somebody for a while"))
///     .route_layer(RequireLayer::room_roles(["moderator"]));
/// let mute = &router.commands()[0];
/// assert_eq!(mute.usage(), "<@user> <duration>");
/// assert_eq!(mute.examples().collect::<Vec<_>>(), ["mute @ann 10m"]);
/// assert_eq!(mute.requirements().collect::<Vec<_>>(), ["`moderator` of the room"]);
/// ```
#[derive(Clone, Debug)]
pub struct CommandInfo {
    path: String,
    aliases: Vec<String>,
    description: Option<String>,
    examples: Vec<String>,
    args: Option<Arc<ArgsInfo>>,
    is_hidden: bool,
    around: Vec<Announcement>,
    /// Every name that it may be called by, for each of its words.
    words: Vec<Vec<String>>,
}

impl CommandInfo {
    fn new(
        slot: &CommandSlot,
        route: &NamedRoute,
        around: Vec<Announcement>,
        words: Vec<Vec<String>>,
    ) -> Self {
        let options = &route.options;
        let path = route.name.as_str().to_owned();
        let mut examples: Vec<_> = options
            .examples
            .iter()
            .map(|example| example.to_string())
            .collect();
        if examples.is_empty() {
            let made = options.arguments.as_ref().and_then(|args| args.example());
            examples.extend(
                made.filter(|made| !made.is_empty())
                    .map(|made| format!("{path} {made}")),
            );
        }
        Self {
            aliases: slot.names[1..].iter().map(|alias| alias.to_string()).collect(),
            description: options.description.as_ref().map(|text| text.clone().into_owned()),
            examples,
            args: options.arguments.clone(),
            is_hidden: options.is_hidden,
            around,
            words,
            path,
        }
    }

    /// The words that call it, without a prefix: `ping`, or `admin ban` for a sub-command of a group.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The group that it is in: `admin` for `admin ban`; empty outside of groups.
    pub fn group(&self) -> &str {
        self.path.rsplit_once(' ').map_or("", |(group, _)| group)
    }

    /// The other names of its last word, without the [hidden](super::Router::hidden_alias) ones.
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

    /// How its arguments are written; empty where there are none, or nobody knows.
    pub fn usage(&self) -> &str {
        self.args.as_ref().map_or("", |args| args.usage())
    }

    /// How it may be called, without a prefix: what was [given](crate::handler::Configured::example), else one that is made
    /// of the types of its arguments.
    pub fn examples(&self) -> impl Iterator<Item = &str> {
        self.examples.iter().map(String::as_str)
    }

    /// Whether the help does not list it.
    pub fn is_hidden(&self) -> bool {
        self.is_hidden
    }

    /// Who may run it and where, in words, from the [`RequireLayer`](crate::layer::RequireLayer)s around it and its groups
    /// that say it. All of them have to hold.
    pub fn requirements(&self) -> impl Iterator<Item = String> {
        self.conditions().filter_map(Condition::words)
    }

    /// How often it may be run, in words, from the [`RateLimitLayer`](crate::layer::RateLimitLayer)s around it and its
    /// groups: `5 in 10s for each person`.
    pub fn limits(&self) -> impl Iterator<Item = &str> {
        self.around.iter().filter_map(|announcement| match announcement {
            Announcement::Limits(words) => Some(words.as_str()),
            Announcement::Requires(_) => None,
        })
    }

    fn conditions(&self) -> impl Iterator<Item = &Condition> {
        self.around.iter().filter_map(|announcement| match announcement {
            Announcement::Requires(condition) => Some(condition),
            Announcement::Limits(_) => None,
        })
    }

    /// Whether these words, without regard to case, call it.
    fn is_called(&self, words: &str) -> bool {
        self.words.len() == words.split_whitespace().count() && self.begins_with(words)
    }

    /// Whether these words call it or a group that it is in.
    fn begins_with(&self, words: &str) -> bool {
        let mut known = self.words.iter();
        words.split_whitespace().all(|word| {
            let names = known.next();
            names.is_some_and(|names| names.contains(&super::table::fold(word)))
        })
    }
}

impl Table {
    /// The commands, in order of registration; a group's stand where the group was registered.
    pub(crate) fn commands(&self) -> Vec<CommandInfo> {
        let mut commands = Vec::new();
        let words: Vec<_> = self
            .path
            .split_whitespace()
            .map(|word| vec![super::table::fold(word)])
            .collect();
        self.collect_commands(&[], &words, &mut commands);
        commands
    }

    fn collect_commands(
        &self,
        around: &[Announcement],
        words: &[Vec<String>],
        commands: &mut Vec<CommandInfo>,
    ) {
        for slot in &self.slots {
            let mut words = words.to_vec();
            words.push(slot.all_names().map(super::table::fold).collect());
            match &slot.target {
                Target::Group(group) => {
                    let around = [around, &group.announced].concat();
                    group.table.collect_commands(&around, &words, commands);
                }
                Target::Command(route) => {
                    let around = [around, &route.announced].concat();
                    commands.push(CommandInfo::new(slot, route, around, words));
                }
            }
        }
    }
}

/// A list of commands as a Markdown table, for the documentation of a bot.
///
/// ```
/// use rocketbotte::Router;
/// use rocketbotte::handler::route;
/// use rocketbotte::router::markdown_of;
///
/// async fn ping() -> &'static str { "pong" }
///
/// let router: Router = Router::new().command("ping", route(ping).description("Answers")).alias("p");
/// assert_eq!(
///     markdown_of(&router.commands()),
///     "| command | what it does | who |\n| --- | --- | --- |\n| `ping`, `p` | Answers |  |\n"
/// );
/// ```
pub fn markdown_of(commands: &[CommandInfo]) -> String {
    let cell = |text: &str| text.replace('|', "\\|").replace('\n', " ");
    let mut table = "| command | what it does | who |\n| --- | --- | --- |\n".to_owned();
    for command in commands.iter().filter(|command| !command.is_hidden) {
        let mut call = format!("`{}`", page::with_usage(&command.path, command.usage()));
        for alias in command.aliases() {
            call.push_str(&format!(", `{alias}`"));
        }
        let who = command.requirements().collect::<Vec<_>>().join("; ");
        let cells = [call.as_str(), command.description().unwrap_or_default(), &who].map(cell);
        table.push_str(&format!("| {} |\n", cells.join(" | ")));
    }
    table
}
