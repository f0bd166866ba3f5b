//! Which words of a text are secrets, or say that the next one is. Pure.

use std::borrow::Cow;

use super::redact::HIDDEN;

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

fn plain(name: &str) -> String {
    let letters = name.chars().filter(|character| character.is_alphanumeric());
    letters.flat_map(char::to_lowercase).collect()
}

pub(super) fn is_secret_name(name: &str) -> bool {
    let name = plain(name);
    // `authToken`, `rc_token`, `hashedToken`, `db_password`.
    NAMES.contains(&name.as_str())
        || ["token", "tokens", "password", "secret", "apikey"]
            .iter()
            .any(|end| name.ends_with(end))
}

/// `password:`, or `password` at the end of a piece that ends in `=`.
pub(super) fn names_a_secret(word: &str) -> bool {
    let Some(name) = word.strip_suffix([':', '=']) else {
        return false;
    };
    let name = name.trim_start_matches(|character: char| !character.is_alphanumeric());
    is_secret_name(name) && !FIELDS_ONLY.contains(&plain(name).as_str()) && name.len() <= 40
}

pub(super) fn is_scheme(word: &str) -> bool {
    word == "Bearer"
}

/// `password=hunter2`, `--token=…`, `https://…?rc_token=…&x=1`: the value is hidden, the rest stays.
pub(super) fn assignment(word: &str) -> Option<String> {
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

pub(super) fn is_address(word: &str) -> bool {
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

fn has_prefix(word: &str) -> bool {
    PREFIXES
        .iter()
        .any(|prefix| word.starts_with(prefix) && word.len() >= prefix.len() + 12)
}

pub(super) fn is_token(word: &str) -> bool {
    let is_plain = word
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"_-.+/=".contains(&byte));
    let mixed = word.bytes().any(|byte| byte.is_ascii_uppercase())
        && word.bytes().any(|byte| byte.is_ascii_lowercase())
        && word.bytes().any(|byte| byte.is_ascii_digit());
    is_plain && (has_prefix(word) || (word.len() >= TOKEN_LENGTH && mixed && !word.contains('/')))
}

/// An id as the server makes them: 17 letters and digits, or twice as many of a direct conversation.
pub(super) fn is_id(word: &str) -> bool {
    word.len() <= 34 && word.bytes().all(|byte| byte.is_ascii_alphanumeric()) && !has_prefix(word)
}

/// Hides each key from its beginning to its end, or to the end of the text: one that is cut off is a key all the same.
pub(super) fn without_private_keys(text: &str) -> Cow<'_, str> {
    if !text.contains(KEY) {
        return Cow::Borrowed(text);
    }
    let mut redacted = String::with_capacity(text.len());
    let mut rest = text;
    // The beginning may stand in the message before.
    if let Some((start, stop, _)) = key_line(rest, "-----END ")
        && key_line(rest, "-----BEGIN ").is_none_or(|(begin, ..)| start < begin)
    {
        redacted.push_str(HIDDEN);
        rest = &rest[stop..];
    }
    while let Some((start, stop, label)) = key_line(rest, "-----BEGIN ") {
        redacted.push_str(&rest[..start]);
        redacted.push_str(HIDDEN);
        let end = format!("-----END {label}-----");
        rest = rest[stop..].split_once(&end).map_or("", |(_, behind)| behind);
    }
    redacted.push_str(rest);
    Cow::Owned(redacted)
}

/// What the lines around a private key say, also those of PGP.
const KEY: &str = "PRIVATE KEY";

/// The first line of this kind around a private key: where it begins, where it ends, and which key it says that it is.
fn key_line<'t>(text: &'t str, begin: &str) -> Option<(usize, usize, &'t str)> {
    text.match_indices(begin).find_map(|(start, _)| {
        let inside = start + begin.len();
        let label = &text[inside..inside + text[inside..].find("-----")?];
        let is_key = label.contains(KEY) && !label.contains('\n');
        is_key.then_some((start, inside + label.len() + 5, label))
    })
}

pub(super) struct Piece<'t> {
    pub(super) text: &'t str,
    pub(super) is_space: bool,
}

/// Words and what stands between them: white space, and quotes and brackets.
pub(super) fn pieces(text: &str) -> impl Iterator<Item = Piece<'_>> {
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
