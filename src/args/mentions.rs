//! Finds users and rooms through what a message mentions. Pure.

use serde::Deserialize;

use super::error::ArgsError;
use crate::event::Message;

const USER: &str = "a user such as `@ann`";
const ROOM: &str = "a room such as `#dev`";

/// What may follow a name without being part of it: `@ann, @bob: hello`.
const PUNCTUATION: [char; 6] = [',', ':', ';', '.', '!', '?'];

/// User name, id and display name; the latter are empty where the message does not tell them.
pub(super) fn user(text: &str, message: Option<&Message>) -> Result<[String; 3], ArgsError> {
    let invalid = || ArgsError::invalid(USER, text);
    let name = plain_name(text, '@').ok_or_else(invalid)?;
    let mentions = message.map(Message::mentions).unwrap_or_default();
    let find = |name: &str| {
        let is_it = |mentioned: Option<&str>| mentioned.is_some_and(|mentioned| mentioned == name);
        mentions
            .iter()
            .find(|mention| is_it(mention.username.as_deref()) && !is_group(mention.id.as_str()))
    };
    let trimmed = name.trim_end_matches(PUNCTUATION);
    if let Some(mention) = find(name).or_else(|| find(trimmed)) {
        return Ok([
            mention.username.clone().unwrap_or_default(),
            mention.id.to_string(),
            mention.name.clone().unwrap_or_default(),
        ]);
    }
    if trimmed.is_empty() || is_group(trimmed) {
        return Err(invalid());
    }
    Ok([trimmed.to_owned(), String::new(), String::new()])
}

/// `@all` and `@here` are no users.
fn is_group(name: &str) -> bool {
    matches!(name, "all" | "here")
}

/// A room that a message names with `#`.
#[derive(Deserialize)]
struct Channel {
    #[serde(rename = "_id", default)]
    id: String,
    #[serde(default)]
    name: String,
}

/// Name and id; the id is empty where the message does not tell it.
pub(super) fn room(text: &str, message: Option<&Message>) -> Result<[String; 2], ArgsError> {
    let invalid = || ArgsError::invalid(ROOM, text);
    let name = plain_name(text, '#').ok_or_else(invalid)?;
    let channels: Vec<Channel> = message
        .and_then(|message| message.field("channels").ok().flatten())
        .unwrap_or_default();
    let find = |name: &str| channels.iter().find(|channel| channel.name == name);
    let trimmed = name.trim_end_matches(PUNCTUATION);
    if let Some(channel) = find(name).or_else(|| find(trimmed)) {
        return Ok([channel.name.clone(), channel.id.clone()]);
    }
    if trimmed.is_empty() {
        return Err(invalid());
    }
    Ok([trimmed.to_owned(), String::new()])
}

/// The name behind its mark; `None` for what can be no name.
fn plain_name(text: &str, mark: char) -> Option<&str> {
    let name = text.strip_prefix(mark).unwrap_or(text);
    let is_name = !name.is_empty()
        && !name.contains(|character: char| {
            character.is_whitespace() || character.is_control() || character == mark
        });
    is_name.then_some(name)
}
