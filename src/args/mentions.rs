//! Finds users and rooms through what a message mentions. Pure.

use super::error::ArgsError;
use crate::event::{Mention, Message};

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
        let mut people = mentions.iter().filter_map(Mention::user);
        people.find(|user| user.username() == name)
    };
    let trimmed = name.trim_end_matches(PUNCTUATION);
    if let Some(user) = find(name).or_else(|| find(trimmed)) {
        return Ok([
            user.username().to_owned(),
            user.id().to_string(),
            user.name().unwrap_or_default().to_owned(),
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

/// Name and id; the id is empty where the message does not tell it.
pub(super) fn room(text: &str, message: Option<&Message>) -> Result<[String; 2], ArgsError> {
    let invalid = || ArgsError::invalid(ROOM, text);
    let name = plain_name(text, '#').ok_or_else(invalid)?;
    let channels = message.map(Message::channels).unwrap_or_default();
    let find = |name: &str| {
        let mut channels = channels.iter();
        channels.find(|channel| channel.name.as_deref() == Some(name))
    };
    let trimmed = name.trim_end_matches(PUNCTUATION);
    if let Some(channel) = find(name).or_else(|| find(trimmed)) {
        let name = channel.name.clone().unwrap_or_default();
        return Ok([name, channel.room_id.to_string()]);
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
