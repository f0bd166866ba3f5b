//! Takes secrets out of what is recorded. Pure, and the same text becomes the same each time.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::links::{is_link, without_hooks, without_user_info};
use super::stored_event::{OWN_IDS, PAYLOAD};
use super::words::{
    assignment, is_address, is_id, is_scheme, is_secret_name, is_token, names_a_secret, pieces,
    without_private_keys,
};
use crate::response::Action;

/// What stands in place of a secret.
pub(super) const HIDDEN: &str = "***";

/// Addresses that keep a number of their own; all others share one.
const ADDRESSES: usize = 10_000;
/// Shorter secrets would take common words out.
const SHORTEST_SECRET: usize = 4;
/// Fields of the server that hold its ids, at any depth. The id of a direct conversation reads like a token.
const SERVER_IDS: &[&str] = &["_id", "rid", "tmid", "drid"];
/// Fields of an action that hold ids and names.
const ACTION_IDS: &[&str] = &["message_id", "room_id", "thread", "emoji", "ids"];
/// A rule of one's own: the text without what should not be kept.
pub(crate) type Rule = Arc<dyn Fn(&str) -> String + Send + Sync>;

/// What is secret, and what stands in place of it.
#[derive(Clone, Default)]
pub(crate) struct Redactor {
    secrets: Vec<String>,
    rules: Vec<Rule>,
    addresses: HashMap<String, usize>,
}

impl Redactor {
    /// Hides a text wherever it stands.
    pub(crate) fn add_secret(&mut self, secret: &str) {
        let is_new = || !self.secrets.iter().any(|known| known == secret);
        if secret.len() >= SHORTEST_SECRET && is_new() {
            self.secrets.push(secret.to_owned());
            // A secret may be part of another one.
            self.secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        }
    }

    pub(crate) fn add_rule(&mut self, rule: Rule) {
        self.rules.push(rule);
    }

    /// Hides what is named as secret, and nothing else: in the ids and names that what is recorded hangs together by.
    pub(crate) fn id(&self, text: &mut String) {
        for secret in &self.secrets {
            if text.contains(secret.as_str()) {
                *text = text.replace(secret.as_str(), HIDDEN);
            }
        }
    }

    /// Hides what is secret in a value, at any depth. `also` is secret in this value alone, however short.
    pub(crate) fn value(&mut self, value: &mut Value, also: &[String]) {
        match value {
            Value::String(text) => self.text(text, also),
            Value::Array(list) => list.iter_mut().for_each(|value| self.value(value, also)),
            Value::Object(object) => {
                self.names(object);
                for (name, value) in object.iter_mut() {
                    match value {
                        Value::String(id) if SERVER_IDS.contains(&name.as_str()) && is_id(id) => self.id(id),
                        value if is_secret_name(name) => self.hide_all(value),
                        value => self.value(value, also),
                    }
                }
            }
            Value::Number(number) => {
                let number = number.to_string();
                if self.secrets.contains(&number) {
                    *value = Value::from(HIDDEN);
                }
            }
            Value::Null | Value::Bool(_) => {}
        }
    }

    fn hide_all(&mut self, value: &mut Value) {
        match value {
            Value::Array(list) => list.iter_mut().for_each(|value| self.hide_all(value)),
            Value::Object(object) => {
                self.names(object);
                object.values_mut().for_each(|value| self.hide_all(value));
            }
            Value::Null => {}
            other => *other = Value::from(HIDDEN),
        }
    }

    /// Hides what is secret in the names of fields: they may be anybody's, such as addresses. What an argument or a rule
    /// says is about texts: `msg` is the name of a field too.
    fn names(&mut self, object: &mut Map<String, Value>) {
        let mut names = object
            .keys()
            .map(|name| (name.clone(), name.clone()))
            .collect::<Vec<_>>();
        for (_, name) in &mut names {
            self.id(name);
            if let Cow::Owned(redacted) = self.scan(name) {
                *name = redacted;
            }
        }
        if names.iter().all(|(before, now)| before == now) {
            return;
        }
        for (value, (_, mut name)) in std::mem::take(object).into_values().zip(names) {
            while object.contains_key(&name) {
                name.push('*');
            }
            object.insert(name, value);
        }
    }

    /// The same for a message as the server sent it: who wrote it where is kept.
    pub(crate) fn message(&mut self, message: &mut Value, also: &[String]) {
        let mut kept = self.take_ids(message, SERVER_IDS);
        let author = message
            .get_mut("u")
            .map(|author| self.take_ids(author, &["_id", "username"]));
        self.value(message, also);
        if let (Some(Value::Object(user)), Some(mut author)) = (message.get_mut("u"), author) {
            user.append(&mut author);
        }
        if let Value::Object(message) = message {
            message.append(&mut kept);
        }
    }

    /// The same for what is recorded of an event besides its message.
    pub(crate) fn more(&mut self, more: &mut Map<String, Value>, also: &[String]) {
        for (name, value) in more.iter_mut() {
            match value {
                Value::String(id) if OWN_IDS.contains(&name.as_str()) => self.id(id),
                // Its type has a name of ours.
                Value::Object(payload) if name == PAYLOAD => {
                    payload.values_mut().for_each(|value| self.value(value, also));
                }
                value => self.value(value, also),
            }
        }
    }

    /// Takes ids out of an object, without what is named as secret.
    fn take_ids(&self, value: &mut Value, names: &[&str]) -> Map<String, Value> {
        let Value::Object(object) = value else {
            return Map::new();
        };
        let mut ids = Map::new();
        for name in names {
            if let Some(Value::String(id)) = object.get_mut(*name) {
                let mut id = std::mem::take(id);
                self.id(&mut id);
                ids.insert((*name).to_owned(), Value::String(id));
            }
        }
        ids
    }

    /// Hides what is secret in what the bot answered. A short argument is secret where it is quoted: anywhere else it may
    /// be any word.
    pub(crate) fn answer(&mut self, text: &mut String, also: &[String]) {
        hide(text, also, |character| "`'\"“”„‘’".contains(character));
        self.text(text, &[]);
    }

    /// The same for all texts of an action.
    pub(crate) fn action(&mut self, action: &mut Action, also: &[String]) {
        let Ok(mut value) = serde_json::to_value(&*action) else {
            return;
        };
        self.answers(&mut value, also);
        // Texts became other texts: it has the same form.
        match serde_json::from_value(value) {
            Ok(redacted) => *action = redacted,
            Err(_) => *action = Action::from(crate::response::Send::text(HIDDEN)),
        }
    }

    /// `value` is an action: its kind, and what that has.
    fn answers(&mut self, value: &mut Value, also: &[String]) {
        let kinds = value.as_object_mut().into_iter().flat_map(Map::values_mut);
        let fields = kinds.filter_map(Value::as_object_mut).flatten();
        for (name, value) in fields {
            if ACTION_IDS.contains(&name.as_str()) {
                for_each_text(value, &mut |id| self.id(id));
            } else {
                for_each_text(value, &mut |text| self.answer(text, also));
            }
        }
    }

    /// Hides what is secret in a text.
    pub(crate) fn text(&mut self, text: &mut String, also: &[String]) {
        hide(text, also, |character| !character.is_alphanumeric());
        self.id(text);
        if let Cow::Owned(redacted) = self.scan(text) {
            *text = redacted;
        }
        for rule in &self.rules {
            *text = rule(text);
        }
    }

    /// Looks at each word: addresses, tokens, and what stands behind `password:`.
    fn scan<'t>(&mut self, text: &'t str) -> Cow<'t, str> {
        if !text
            .bytes()
            .any(|byte| matches!(byte, b'@' | b'=' | b':' | b'_' | b'-' | b'/') || byte.is_ascii_digit())
        {
            return Cow::Borrowed(text);
        }
        let text = without_private_keys(text);
        let mut redacted = String::with_capacity(text.len());
        // What the word before says of the next one.
        let mut is_value = false;
        for piece in pieces(&text) {
            if piece.is_space {
                redacted.push_str(piece.text);
                continue;
            }
            if std::mem::take(&mut is_value) && !piece.text.is_empty() {
                // `Authorization: Bearer …`
                is_value = is_scheme(piece.text);
                redacted.push_str(if is_value { piece.text } else { HIDDEN });
                continue;
            }
            is_value = names_a_secret(piece.text) || is_scheme(piece.text);
            redacted.push_str(&self.word(piece.text));
        }
        if redacted == text {
            match text {
                Cow::Borrowed(text) => Cow::Borrowed(text),
                Cow::Owned(text) => Cow::Owned(text),
            }
        } else {
            Cow::Owned(redacted)
        }
    }

    fn word(&mut self, word: &str) -> String {
        let word = assignment(word).unwrap_or_else(|| word.to_owned());
        let word = without_user_info(&word).unwrap_or(word);
        let parts = word.split_inclusive(['&', '?', ',', ';', '|']);
        parts.map(|part| self.part(part)).collect()
    }

    /// Of a word, what stands between commas and the like.
    fn part(&mut self, part: &str) -> String {
        let part = if is_link(part) {
            without_hooks(part)
        } else {
            part.to_owned()
        };
        let words = part.split_inclusive(['/', ':', '=', '#']);
        words.map(|word| self.core(word)).collect()
    }

    /// A bare word, perhaps with signs around it.
    fn core(&mut self, word: &str) -> String {
        let is_edge = |character: char| !character.is_alphanumeric();
        let core = word.trim_matches(|character: char| is_edge(character) && !"_-".contains(character));
        if core.is_empty() {
            return word.to_owned();
        }
        if is_address(core) {
            return word.replace(core, &self.address(core));
        }
        if is_token(core) {
            return word.replace(core, HIDDEN);
        }
        word.to_owned()
    }

    /// Another address in its place, the same for the same one: it still reads as one.
    fn address(&mut self, address: &str) -> String {
        if address.ends_with("@example.invalid") {
            return address.to_owned();
        }
        let next = self.addresses.len() + 1;
        let number = match self.addresses.get(address) {
            Some(number) => *number,
            None if next > ADDRESSES => 0,
            None => {
                self.addresses.insert(address.to_owned(), next);
                next
            }
        };
        format!("person{number}@example.invalid")
    }
}

/// Long ones wherever they stand, short ones between edges.
fn hide(text: &mut String, secrets: &[String], is_edge: impl Fn(char) -> bool + Copy) {
    for secret in secrets.iter().filter(|secret| !secret.is_empty()) {
        if secret.len() >= SHORTEST_SECRET {
            *text = text.replace(secret.as_str(), HIDDEN);
        } else {
            *text = replace_between(text, secret, is_edge);
        }
    }
}

fn replace_between(text: &str, secret: &str, is_edge: impl Fn(char) -> bool) -> String {
    let mut result = String::with_capacity(text.len());
    let mut at = 0;
    while let Some(found) = text[at..].find(secret) {
        let (start, end) = (at + found, at + found + secret.len());
        let before = text[..start].chars().next_back().is_none_or(&is_edge);
        let behind = text[end..].chars().next().is_none_or(&is_edge);
        result.push_str(&text[at..start]);
        result.push_str(if before && behind { HIDDEN } else { secret });
        at = end;
    }
    result.push_str(&text[at..]);
    result
}

fn for_each_text(value: &mut Value, change: &mut impl FnMut(&mut String)) {
    match value {
        Value::String(text) => change(text),
        Value::Array(list) => list.iter_mut().for_each(|value| for_each_text(value, change)),
        Value::Object(object) => object.values_mut().for_each(|value| for_each_text(value, change)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[cfg(test)]
mod tests;
