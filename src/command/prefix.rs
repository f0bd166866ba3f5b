//! Finds a command at the start of a text. Pure.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use super::{Address, Command, as_u32};
use crate::event::{Event, Message, Room};
use crate::request::Request;
use crate::router::NoCommand;

/// A prefix for one room, instead of the ones for all.
pub(super) type RoomPrefix = Arc<dyn Fn(&Room) -> Option<String> + Send + Sync>;

/// What counts as a command.
#[derive(Clone)]
pub(crate) struct CommandParser {
    /// Longest first, so that `!!` is not read as `!` and a word that begins with `!`.
    pub(super) prefixes: Vec<String>,
    pub(super) room_prefix: Option<RoomPrefix>,
    pub(super) mention: bool,
    pub(super) direct_without_prefix: bool,
    pub(super) folds_case: bool,
    pub(super) edits: bool,
    pub(super) own_messages: bool,
    pub(super) livechat: bool,
}

impl CommandParser {
    pub(super) fn add_prefix(&mut self, prefix: &str) {
        if !self.prefixes.iter().any(|known| known == prefix) {
            self.prefixes.push(prefix.to_owned());
            self.prefixes
                .sort_by_key(|prefix| std::cmp::Reverse(prefix.len()));
        }
    }

    /// The prefixes for all rooms, in the order in which they are tried.
    pub(crate) fn prefixes(&self) -> &[String] {
        &self.prefixes
    }

    /// The command that the request is.
    pub(crate) fn parse(&self, request: &Request) -> Option<Command> {
        self.find(request).ok()
    }

    /// The command that the request is, or why it is none.
    #[inline]
    pub(crate) fn find(&self, request: &Request) -> Result<Command, NoCommand> {
        let message = match request.event() {
            Event::Message(message) => message,
            Event::Livechat(message) if self.livechat => message,
            Event::Edited(edited) if self.edits => edited.message(),
            Event::Livechat(_) => return Err(NoCommand::Livechat),
            Event::Edited(_) => return Err(NoCommand::Edit),
            _ => return Err(NoCommand::OtherKind),
        };
        if message.text().len() > u32::MAX as usize {
            return Err(NoCommand::TooLong);
        }
        if !self.own_messages && request.is_from_self() {
            return Err(NoCommand::OwnMessage);
        }
        self.find_in(message, request)
    }

    fn find_in(&self, message: &Arc<Message>, request: &Request) -> Result<Command, NoCommand> {
        let text = message.text();
        let body = trim_start(skip_quotes(text));
        if let Some(rest) = self.strip_mention(body, request.context().identity().username()) {
            let after = trim_start(rest);
            // `@bot !ping` is what people write who know both ways.
            let after = self.strip_prefix(after, message.room()).unwrap_or(after);
            let after = after.trim_start_matches(is_invisible);
            return Ok(self.command(message, Address::Mention, body, rest, after));
        }
        if let Some(after) = self.strip_prefix(body, message.room()) {
            let word = after.trim_start_matches(is_invisible);
            if first_word(word).is_empty() {
                return Err(NoCommand::NoWord);
            }
            // An empty prefix is none: in a direct conversation the words are mostly just talk.
            let is_bare = after.len() == body.len() && request.is_direct_with_bot();
            let address = if is_bare { Address::Direct } else { Address::Prefix };
            return Ok(self.command(message, address, body, after, word));
        }
        if self.direct_without_prefix && request.is_direct_with_bot() && !first_word(body).is_empty() {
            return Ok(self.command(message, Address::Direct, body, body, body));
        }
        Err(NoCommand::NoPrefix)
    }

    /// All three are tails of the text: with the prefix, behind it, and from the command's word on.
    fn command(
        &self,
        message: &Arc<Message>,
        address: Address,
        body: &str,
        rest: &str,
        word: &str,
    ) -> Command {
        let length = message.text().len();
        let start = as_u32(length - word.len());
        Command {
            message: Arc::clone(message),
            address,
            folds_case: self.folds_case,
            prefix: as_u32(length - body.len())..as_u32(length - rest.len()),
            path_start: start,
            name: start..start + as_u32(first_word(word).len()),
        }
    }

    fn strip_prefix<'a>(&self, text: &'a str, room: &Room) -> Option<&'a str> {
        // A program's own function: it must not end the bot, which asks outside of the pipeline too.
        let own = self.room_prefix.as_ref().and_then(|prefix_of| {
            catch_unwind(AssertUnwindSafe(|| prefix_of(room))).unwrap_or_else(|_| {
                tracing::error!(room_id = %room.id(), "the function that gives rooms their prefix panicked");
                None
            })
        });
        if let Some(prefix) = own {
            return self.strip_one_prefix(text, &prefix);
        }
        self.prefixes
            .iter()
            .find_map(|prefix| self.strip_one_prefix(text, prefix))
    }

    fn strip_one_prefix<'a>(&self, text: &'a str, prefix: &str) -> Option<&'a str> {
        let rest = strip(text, prefix, self.folds_case)?;
        // A prefix that is a word ends where the word ends: `bot` is none in `bottle`.
        if prefix.ends_with(char::is_alphanumeric) {
            return rest.starts_with(is_blank).then(|| trim_start(rest));
        }
        Some(if prefix.ends_with(is_blank) {
            trim_start(rest)
        } else {
            rest
        })
    }

    fn strip_mention<'a>(&self, text: &'a str, username: &str) -> Option<&'a str> {
        if !self.mention || username.is_empty() {
            return None;
        }
        let rest = strip(text.strip_prefix('@')?, username, true)?;
        // `@bot`, `@bot:` and `@bot,`, but not `@bottle` and not `@bot.two`, which are other users.
        let behind = rest.strip_prefix([':', ',']).unwrap_or(rest);
        (behind.is_empty() || behind.starts_with(is_blank)).then_some(behind)
    }
}

impl fmt::Debug for CommandParser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CommandParser")
            .field("prefixes", &self.prefixes)
            .finish_non_exhaustive()
    }
}

/// White space, and the characters without width that phones and copied text leave around words.
pub(crate) fn is_blank(character: char) -> bool {
    character.is_whitespace() || is_invisible(character)
}

/// A character without width. Inside a word it is part of it: Persian is written with them.
pub(crate) fn is_invisible(character: char) -> bool {
    matches!(character, '\u{200B}'..='\u{200F}' | '\u{2060}'..='\u{2064}' | '\u{FEFF}' | '\u{00AD}')
}

pub(super) fn trim_start(text: &str) -> &str {
    text.trim_start_matches(is_blank)
}

pub(super) fn trim(text: &str) -> &str {
    text.trim_matches(is_blank)
}

/// The word at the start of a text, up to white space.
pub(super) fn first_word(text: &str) -> &str {
    text.split(char::is_whitespace)
        .next()
        .unwrap_or_default()
        .trim_end_matches(is_invisible)
}

pub(super) fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(char::is_whitespace)
        .map(trim)
        .filter(|word| !word.is_empty())
}

/// The links that a client puts in front of a reply: `[ ](https://chat.example.org/channel/general?msg=ID) text`.
pub(crate) fn quotes(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let (link, tail) = split_quote(rest)?;
        rest = tail;
        Some(link)
    })
}

fn skip_quotes(text: &str) -> &str {
    let mut rest = text;
    while let Some((_, tail)) = split_quote(rest) {
        rest = tail;
    }
    rest
}

fn split_quote(text: &str) -> Option<(&str, &str)> {
    let inside = trim_start(text).strip_prefix('[')?;
    let target = trim_start(inside).strip_prefix("](")?;
    let (link, tail) = target.split_once(')')?;
    (link.contains("msg=") && !link.contains(char::is_whitespace)).then_some((link, tail))
}

/// What stands behind `prefix`, compared character by character when case is folded.
fn strip<'a>(text: &'a str, prefix: &str, folds_case: bool) -> Option<&'a str> {
    if let Some(rest) = text.strip_prefix(prefix) {
        return Some(rest);
    }
    if !folds_case {
        return None;
    }
    let mut characters = text.chars();
    for expected in prefix.chars() {
        let found = characters.next()?;
        if found != expected && !found.to_lowercase().eq(expected.to_lowercase()) {
            return None;
        }
    }
    Some(characters.as_str())
}
