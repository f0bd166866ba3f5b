//! Takes secrets out of what is recorded. Pure, and the same text becomes the same each time.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use serde_json::Value;

use super::words::{
    assignment, is_address, is_scheme, is_secret_name, is_token, names_a_secret, pieces, without_private_keys,
};
use crate::response::Action;

/// What stands in place of a secret.
pub(super) const HIDDEN: &str = "***";

/// Addresses that keep a number of their own; all others share one.
const ADDRESSES: usize = 10_000;
/// Shorter secrets would take common words out.
const SHORTEST_SECRET: usize = 4;
/// Fields that hold ids and names, which what is recorded hangs together by. The id of a direct conversation reads like
/// a token.
const IDS: &[&str] = &[
    "_id",
    "rid",
    "tmid",
    "drid",
    "room_id",
    "message_id",
    "thread",
    "emoji",
    "key",
    "username",
    "usernames",
    "kind",
];
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

    /// Hides what is secret in a value, at any depth. `also` is secret in this value alone, however short.
    pub(crate) fn value(&mut self, value: &mut Value, also: &[String]) {
        match value {
            Value::String(text) => self.text(text, also),
            Value::Array(list) => list.iter_mut().for_each(|value| self.value(value, also)),
            Value::Object(object) => {
                for (name, value) in object.iter_mut() {
                    if IDS.contains(&name.as_str()) {
                        continue;
                    }
                    if is_secret_name(name) {
                        hide_all(value);
                    } else {
                        self.value(value, also);
                    }
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
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

    fn answers(&mut self, value: &mut Value, also: &[String]) {
        match value {
            Value::String(text) => self.answer(text, also),
            Value::Array(list) => list.iter_mut().for_each(|value| self.answers(value, also)),
            Value::Object(object) => {
                let texts = object
                    .iter_mut()
                    .filter(|(name, _)| !IDS.contains(&name.as_str()));
                texts.for_each(|(_, value)| self.answers(value, also));
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    /// Hides what is secret in a text.
    pub(crate) fn text(&mut self, text: &mut String, also: &[String]) {
        hide(text, also, |character| !character.is_alphanumeric());
        for secret in &self.secrets {
            if text.contains(secret.as_str()) {
                *text = text.replace(secret.as_str(), HIDDEN);
            }
        }
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
            .any(|byte| matches!(byte, b'@' | b'=' | b':' | b'_' | b'-') || byte.is_ascii_digit())
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
        if let Some(redacted) = assignment(word) {
            return redacted;
        }
        if let Some((start, rest)) = word.split_once("://") {
            let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
            if let Some((_, host)) = authority.rsplit_once('@') {
                return format!("{start}://{HIDDEN}@{host}{}", &rest[authority.len()..]);
            }
            return word.to_owned();
        }
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

fn hide_all(value: &mut Value) {
    match value {
        Value::Array(list) => list.iter_mut().for_each(hide_all),
        Value::Object(object) => object.values_mut().for_each(hide_all),
        Value::Null => {}
        other => *other = Value::from(HIDDEN),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn redacted(text: &str) -> String {
        let mut text = text.to_owned();
        Redactor::default().text(&mut text, &[]);
        text
    }

    #[test]
    fn secrets_in_texts_are_hidden() {
        for (text, expected) in [
            ("password: hunter2 and so on", "password: *** and so on"),
            ("my password=hunter2, yours?", "my password=***, yours?"),
            ("!login --token=abc --user ann", "!login --token=*** --user ann"),
            ("API_KEY: \"abc\"", "API_KEY: \"***\""),
            ("Authorization: Bearer abc.def", "Authorization: Bearer ***"),
            ("curl -H 'X-Auth-Token: abc'", "curl -H 'X-Auth-Token: ***'"),
            (
                "https://example.org/file?rc_uid=u&rc_token=abc&x=1",
                "https://example.org/file?rc_uid=u&rc_token=***&x=1",
            ),
            ("https://ann:hunter2@example.org/x", "https://***@example.org/x"),
            ("it is ghp_0123456789abcdefghij.", "it is ***."),
            ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.x-y_z", "***"),
            ("9HqLlyZOugoStsXCUfD_0YdwnNnunAJF8V47U3QHXSq", "***"),
            (
                "-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----\nbye",
                "***\nbye",
            ),
            ("-----BEGIN PRIVATE KEY-----\nMIIE", "***"),
        ] {
            assert_eq!(redacted(text), expected, "{text}");
        }
    }

    #[test]
    fn ordinary_texts_stay() {
        for text in [
            "!ping 7",
            "@bot: deploy api, please",
            "the token of love",
            "what is your password?",
            "see https://example.org/a?b=c#d and 127.0.0.1:8080",
            "commit 9a2dd129df8ab0ca4d22d4ced61a6dde4e1004ed",
            "room GENERAL, message 7fPq2mKcXw3nTzR9d",
            "resume: tomorrow at 10:30",
            ":+1: :rocket:",
            "a/b/c@d",
        ] {
            assert_eq!(redacted(text), text);
        }
    }

    #[test]
    fn addresses_stay_addresses_and_stay_apart() {
        let mut redactor = Redactor::default();
        let mut text = "ann@example.org, bob@example.org <ann@example.org>".to_owned();
        redactor.text(&mut text, &[]);
        assert_eq!(
            text,
            "person1@example.invalid, person2@example.invalid <person1@example.invalid>"
        );
    }

    #[test]
    fn fields_of_objects_are_hidden_by_their_name_at_any_depth() {
        let mut value = json!({
            "msg": "hi",
            "password": "x",
            "u": { "_id": "u", "authToken": "y", "loginTokens": [{ "hashed": "z" }] },
            "emails": [{ "address": "ann@example.org" }],
            "secret": null,
        });
        Redactor::default().value(&mut value, &[]);
        assert_eq!(
            value,
            json!({
                "msg": "hi",
                "password": "***",
                "u": { "_id": "u", "authToken": "***", "loginTokens": [{ "hashed": "***" }] },
                "emails": [{ "address": "person1@example.invalid" }],
                "secret": null,
            })
        );
    }

    #[test]
    fn what_is_named_is_hidden_wherever_it_stands() {
        let mut redactor = Redactor::default();
        redactor.add_secret("hunter2");
        redactor.add_secret("hunter2000");
        redactor.add_rule(Arc::new(|text| text.replace("Falcon", "the project")));
        let mut text = "xhunter2000y hunter2 Falcon 42".to_owned();
        redactor.text(&mut text, &["42".to_owned()]);
        assert_eq!(text, "x***y *** the project ***");
    }

    proptest! {
        #[test]
        fn any_text_is_redacted_and_then_stays(text in ".{0,80}|([a-zA-Z0-9_@:=&?. -]{0,60})") {
            let mut redactor = Redactor::default();
            let mut once = text;
            redactor.text(&mut once, &[]);
            let mut twice = once.clone();
            redactor.text(&mut twice, &[]);
            prop_assert_eq!(once, twice);
        }
    }
}
