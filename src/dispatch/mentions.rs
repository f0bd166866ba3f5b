//! Takes the effect of mentions in a text that nobody allowed, and leaves its looks. Pure.

use std::borrow::Cow;

use crate::response::AllowedMentions;

/// A character without width. Behind an `@` it makes what follows no name.
const BREAK: char = '\u{200B}';

/// What calls everybody in a room, or everybody who is there.
const GROUPS: [&str; 2] = ["all", "here"];

/// Who may be mentioned by a text, the author of the question by name.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mentionable<'a> {
    allowed: &'a AllowedMentions,
    author: Option<&'a str>,
    groups: bool,
}

impl<'a> Mentionable<'a> {
    /// `groups`: also where the policy says otherwise.
    pub(crate) fn new(allowed: &'a AllowedMentions, author: Option<&'a str>, groups: bool) -> Self {
        Self {
            allowed,
            author,
            groups: groups || allowed.allows_groups(),
        }
    }

    /// Puts a character without width behind the `@` of each mention that is not allowed: it reads the same and notifies
    /// nobody. Of a mention that is allowed it separates what might be read as a part of the name.
    ///
    /// Servers differ in what they take for a name: ASCII letters, digits and `-_.` by default, others by a setting, and
    /// newer ones show any letter as a part of it; `@name@server` and `@name:server` are people of other servers. So
    /// whatever looks like a mention to one of them is none here.
    pub(crate) fn neutralise(self, text: &str) -> Cow<'_, str> {
        let users = self.allowed.named();
        if users.is_none() && self.groups {
            return Cow::Borrowed(text);
        }
        let mut neutral = String::new();
        let mut copied = 0;
        for (at, _) in text.match_indices('@') {
            let name_at = at + 1;
            let name = &text[name_at..];
            // A name that was separated from what follows is no address any more.
            let is_in_address = copied != at && is_in_address(&text[..at]);
            if is_in_address || !may_begin_name(name) {
                continue;
            }
            let break_at = match users {
                _ if is_group(name) && !self.groups => Some(name_at),
                None => None,
                Some(users) => match self.allowed_name(users, name) {
                    Some(allowed) => (!allowed.ends).then_some(name_at + allowed.length),
                    None => Some(name_at),
                },
            };
            if let Some(break_at) = break_at {
                neutral.push_str(&text[copied..break_at]);
                neutral.push(BREAK);
                copied = break_at;
            }
        }
        if copied == 0 {
            return Cow::Borrowed(text);
        }
        neutral.push_str(&text[copied..]);
        Cow::Owned(neutral)
    }

    /// The same for a text that is kept as it is in place.
    pub(crate) fn neutralise_in_place(self, text: &mut String) {
        if let Cow::Owned(neutral) = self.neutralise(text) {
            *text = neutral;
        }
    }

    /// The name at the start of a text that is allowed; the longest if several are.
    fn allowed_name(self, users: &[String], text: &str) -> Option<Allowed> {
        let author = self.author.filter(|_| self.allowed.allows_author());
        let groups = GROUPS.iter().copied().filter(|_| self.groups);
        let names = users.iter().map(String::as_str).chain(author).chain(groups);
        let found = names.filter_map(|name| {
            let (start, behind) = text.split_at_checked(name.len())?;
            if name.is_empty() || !start.eq_ignore_ascii_case(name) {
                return None;
            }
            let ends = !behind.starts_with(|c: char| !c.is_ascii() && c != BREAK || is_in_name(c));
            let goes_on = behind
                .trim_start_matches(|c: char| !c.is_ascii_alphanumeric() && is_in_name(c))
                .starts_with(|c: char| c.is_ascii_alphanumeric());
            (ends || !goes_on).then_some(Allowed {
                length: name.len(),
                ends,
            })
        });
        found.max_by_key(|found| found.length)
    }
}

/// Who may be mentioned by a text that comes bit by bit.
#[derive(Clone, Debug, Default)]
pub(crate) struct KeptMentions {
    pub(crate) allowed: AllowedMentions,
    pub(crate) author: Option<String>,
}

impl KeptMentions {
    /// See [`Mentionable::neutralise`].
    pub(crate) fn neutralise<'t>(&self, text: &'t str) -> Cow<'t, str> {
        Mentionable::new(&self.allowed, self.author.as_deref(), false).neutralise(text)
    }
}

/// A name that may be mentioned.
struct Allowed {
    length: usize,
    /// Whether no server takes what follows for a part of it.
    ends: bool,
}

/// ASCII only: all else is a part of the name for some servers, and not for others.
fn is_in_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ':' | '@')
}

/// Whether an `@` behind this text belongs to an address or a URL.
fn is_in_address(before: &str) -> bool {
    before.ends_with(|c: char| c.is_ascii_alphanumeric() || c == '/')
}

/// Whether a name may stand at the start of the text, on any server.
fn may_begin_name(text: &str) -> bool {
    text.starts_with(|c: char| {
        c.is_ascii_alphanumeric()
            || matches!(c, '-' | '_' | '.')
            || !c.is_ascii() && c != BREAK && !c.is_whitespace()
    })
}

/// Whether the name at the start of the text is that of a group. `@all.` is one at the end of a sentence.
fn is_group(text: &str) -> bool {
    let rest = GROUPS.into_iter().find_map(|group| {
        let (name, rest) = text.split_at_checked(group.len())?;
        name.eq_ignore_ascii_case(group).then_some(rest)
    });
    rest.is_some_and(|rest| {
        !rest
            .trim_start_matches(['-', '_', '.'])
            .starts_with(|c: char| c.is_ascii_alphanumeric())
    })
}

#[cfg(test)]
mod tests;
