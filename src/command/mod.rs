//! Commands: a prefix and a word at the start of a message.

mod layer;
mod prefix;

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

pub use self::layer::{CommandLayer, CommandService};
pub(crate) use self::prefix::{CommandParser, is_blank, is_invisible, quotes};
use crate::event::Message;

/// How a command was addressed to the bot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Address {
    /// By a prefix: `!ping`.
    Prefix,
    /// By a mention: `@bot ping`.
    Mention,
    /// By nothing but the word, in a direct conversation with the bot alone: `ping`.
    Direct,
}

/// A command that was found in a message: byte ranges into its text.
///
/// ```
/// use rocketbotte::command::CommandLayer;
/// use rocketbotte::event::{Message, Room, RoomKind, User};
/// use rocketbotte::Request;
///
/// let message = Message::builder(Room::new("r", RoomKind::Channel), User::new("uA", "ann"), "!deploy api now").build();
/// let command = CommandLayer::new("!").parse(&Request::new(message)).unwrap();
/// assert_eq!(command.name(), "deploy");
/// assert_eq!(command.args(), "api now");
/// ```
#[derive(Clone)]
pub struct Command {
    message: Arc<Message>,
    address: Address,
    folds_case: bool,
    prefix: Range<u32>,
    path_start: u32,
    name: Range<u32>,
}

impl Command {
    /// The command's word as it was written, without the prefix; in a group of commands, that of the sub-command.
    /// Empty for a mention of the bot with nothing behind it.
    pub fn name(&self) -> &str {
        self.slice(&self.name)
    }

    /// All the command's words: `admin ban` for a sub-command of a group.
    pub fn path(&self) -> impl Iterator<Item = &str> {
        prefix::words(self.slice(&(self.path_start..self.name.end)))
    }

    /// What stands behind the command's words, without white space at its ends. It may have several lines.
    pub fn args(&self) -> &str {
        prefix::trim(&self.message.text()[self.name.end as usize..])
    }

    /// The prefix as it was written, or the mention; empty for [`Address::Direct`].
    pub fn prefix(&self) -> &str {
        self.slice(&self.prefix)
    }

    /// How it was addressed to the bot.
    pub fn address(&self) -> Address {
        self.address
    }

    /// Whether `Ping` and `ping` are the same command.
    pub fn folds_case(&self) -> bool {
        self.folds_case
    }

    /// The message that it was found in.
    pub fn message(&self) -> &Arc<Message> {
        &self.message
    }

    /// The command whose name is the next word, for a group of commands. Its name is empty where there is none.
    #[must_use]
    pub fn descend(&self) -> Self {
        let end = self.name.end as usize;
        let text = self.message.text();
        let start = end + (text.len() - end - prefix::trim_start(&text[end..]).len());
        let length = prefix::first_word(&text[start..]).len();
        Self {
            name: as_u32(start)..as_u32(start + length),
            ..self.clone()
        }
    }

    /// What stands in front of a command's word when it is said the way this one was: `!`, `@bot ` or nothing.
    pub(crate) fn invocation(&self) -> String {
        let prefix = self.prefix();
        match self.address {
            Address::Mention => format!("{} ", prefix.trim_end_matches([':', ','])),
            Address::Prefix | Address::Direct => {
                let word = prefix.trim_end_matches(is_blank);
                let space = if prefix.ends_with(char::is_whitespace) {
                    " "
                } else {
                    ""
                };
                format!("{word}{space}")
            }
        }
    }

    fn slice(&self, range: &Range<u32>) -> &str {
        &self.message.text()[range.start as usize..range.end as usize]
    }
}

/// A message is at most a frame long, and frames are far below 4 GiB; a longer text is no command.
fn as_u32(offset: usize) -> u32 {
    u32::try_from(offset).unwrap_or(u32::MAX)
}

impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The arguments stay out: what people write is logged at TRACE only, on purpose.
        f.debug_struct("Command")
            .field("name", &self.name())
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::context::{Context, Identity};
    use crate::event::{Room, RoomKind, User};
    use crate::request::Request;

    fn parse(layer: &CommandLayer, room: Room, text: &str) -> Command {
        let message = Message::builder(room, User::new("uA", "ann"), text).build();
        let context = Context::for_bot(Identity::new("uB", "bot"));
        layer
            .parse(&Request::with_context(message, context))
            .expect("a command")
    }

    #[test]
    fn an_invocation_is_what_stands_in_front_of_the_word() {
        let layer = CommandLayer::new("!").or_prefix("bot").or_prefix("hey, ");
        for (text, invocation) in [
            ("!ping", "!"),
            ("!\u{200b}ping", "!"),
            ("bot \n ping", "bot "),
            ("hey,   ping", "hey, "),
            ("@bot: ping", "@bot "),
            ("@bot, !ping", "@bot "),
            ("@Bot", "@Bot "),
        ] {
            let command = parse(&layer, Room::new("r", RoomKind::Channel), text);
            assert_eq!(command.invocation(), invocation, "{text:?}");
        }
        let direct = parse(&layer, Room::new("uAuB", RoomKind::Direct), "ping");
        assert_eq!(direct.invocation(), "");
    }
}
