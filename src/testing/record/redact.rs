//! Takes secrets out of what is recorded. Pure, and the same text becomes the same each time.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use serde_json::Value;

use crate::response::Action;

/// What stands in place of a secret.
pub(super) const HIDDEN: &str = "***";

/// Addresses that keep a number of their own; all others share one.
const ADDRESSES: usize = 10_000;
/// Shorter secrets would take common words out.
const SHORTEST_SECRET: usize = 4;
/// From this length on, what mixes upper case, lower case and digits is taken for a token.
const TOKEN_LENGTH: usize = 32;

/// Names of fields, and words in a text, whose value is a secret: without `_` and `-`, in lower case.
const NAMES: &[&str] = &[
    "password",
    "passwd",
    "passphrase",
    "pwd",
    "pass",
    "secret",
    "clientsecret",
    "token",
    "apikey",
    "accesskey",
    "privatekey",
    "secretkey",
    "credential",
    "credentials",
    "authorization",
    "cookie",
    "setcookie",
    "resume",
    "digest",
    "bcrypt",
    "otp",
    "totp",
    "xauthtoken",
    "x2facode",
];
/// Of these only fields of objects: as words they stand in ordinary sentences.
const FIELDS_ONLY: &[&str] = &["pass", "resume", "digest", "cookie", "credential", "credentials"];
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
/// Beginnings of the tokens of well-known services.
const PREFIXES: &[&str] = &[
    "ghp_",
    "gho_",
    "ghs_",
    "ghu_",
    "github_pat_",
    "glpat-",
    "xoxb-",
    "xoxp-",
    "xoxa-",
    "xoxs-",
    "sk-",
    "AKIA",
    "ASIA",
    "npm_",
    "pypi-",
    "eyJ",
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

fn plain(name: &str) -> String {
    let letters = name.chars().filter(|character| character.is_alphanumeric());
    letters.flat_map(char::to_lowercase).collect()
}

fn is_secret_name(name: &str) -> bool {
    let name = plain(name);
    // `authToken`, `rc_token`, `hashedToken`, `db_password`.
    NAMES.contains(&name.as_str())
        || ["token", "tokens", "password", "secret", "apikey"]
            .iter()
            .any(|end| name.ends_with(end))
}

/// `password:`, or `password` at the end of a piece that ends in `=`.
fn names_a_secret(word: &str) -> bool {
    let Some(name) = word.strip_suffix([':', '=']) else {
        return false;
    };
    let name = name.trim_start_matches(|character: char| !character.is_alphanumeric());
    is_secret_name(name) && !FIELDS_ONLY.contains(&plain(name).as_str()) && name.len() <= 40
}

fn is_scheme(word: &str) -> bool {
    word == "Bearer"
}

/// `password=hunter2`, `--token=…`, `https://…?rc_token=…&x=1`: the value is hidden, the rest stays.
fn assignment(word: &str) -> Option<String> {
    let mut redacted = String::new();
    let mut is_hidden = false;
    for part in word.split_inclusive(['&', '?', ',', ';']) {
        let end = part.trim_end_matches(['&', '?', ',', ';']).len();
        let (part, separator) = part.split_at(end);
        let split = part.find(['=', ':']).filter(|at| at + 1 < part.len());
        match split {
            Some(at) if names_a_secret(&part[..=at]) && &part[at + 1..] != HIDDEN => {
                redacted.push_str(&part[..=at]);
                redacted.push_str(HIDDEN);
                is_hidden = true;
            }
            _ => redacted.push_str(part),
        }
        redacted.push_str(separator);
    }
    is_hidden.then_some(redacted)
}

fn is_address(word: &str) -> bool {
    let Some((name, host)) = word.split_once('@') else {
        return false;
    };
    let is_name = |character: char| character.is_alphanumeric() || "._%+-".contains(character);
    let is_host = |character: char| character.is_alphanumeric() || "-.".contains(character);
    !name.is_empty()
        && name.chars().all(is_name)
        && host.chars().all(is_host)
        && host.split('.').count() > 1
        && host.split('.').all(|label| !label.is_empty())
}

fn is_token(word: &str) -> bool {
    let is_plain = word
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"_-.+/=".contains(&byte));
    let known = PREFIXES
        .iter()
        .any(|prefix| word.starts_with(prefix) && word.len() >= prefix.len() + 12);
    let mixed = word.bytes().any(|byte| byte.is_ascii_uppercase())
        && word.bytes().any(|byte| byte.is_ascii_lowercase())
        && word.bytes().any(|byte| byte.is_ascii_digit());
    is_plain && (known || (word.len() >= TOKEN_LENGTH && mixed && !word.contains('/')))
}

fn without_private_keys(text: &str) -> Cow<'_, str> {
    const BEGIN: &str = "-----BEGIN ";
    const END: &str = "PRIVATE KEY-----";
    let Some(start) = text.find(BEGIN).filter(|start| text[*start..].contains(END)) else {
        return Cow::Borrowed(text);
    };
    let stop = text.rfind(END).map_or(text.len(), |end| end + END.len());
    if stop <= start + BEGIN.len() + END.len() + 16 {
        // The beginning alone: what follows is the key, whether its end is there or not.
        return Cow::Owned(format!("{}{HIDDEN}", &text[..start]));
    }
    Cow::Owned(format!("{}{HIDDEN}{}", &text[..start], &text[stop..]))
}

struct Piece<'t> {
    text: &'t str,
    is_space: bool,
}

/// Words and what stands between them: white space, and quotes and brackets.
fn pieces(text: &str) -> impl Iterator<Item = Piece<'_>> {
    let is_between = |character: char| character.is_whitespace() || "\"'`<>()[]{}|“”„".contains(character);
    let mut rest = text;
    std::iter::from_fn(move || {
        let first = rest.chars().next()?;
        let is_space = is_between(first);
        let end = rest
            .find(|character| is_between(character) != is_space)
            .unwrap_or(rest.len());
        let (piece, behind) = rest.split_at(end);
        rest = behind;
        Some(Piece {
            text: piece,
            is_space,
        })
    })
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
