//! Events and actions as lines that people read.

use std::fmt::Write as _;

use crate::event::{Event, Message, MessageId, Room};
use crate::response::{Action, Thread};

/// Characters of a message that another line refers to.
const EXCERPT: usize = 40;

/// What happened, in one line.
pub(crate) fn of_event(event: &Event) -> String {
    let said = |message: &Message| {
        let thread = message
            .thread_id()
            .map(|id| format!(" (in the thread of {id})"))
            .unwrap_or_default();
        format!("{}{thread}: {}", message.author().username(), message.text())
    };
    match event {
        Event::Message(message) => said(message),
        Event::Livechat(message) => format!("{} (livechat)", said(message)),
        Event::Encrypted(message) => format!("{}: (encrypted)", message.author().username()),
        Event::System(message) => format!(
            "{} (system message {:?})",
            said(message),
            message.system_type().unwrap_or_default()
        ),
        Event::Edited(event) => format!("{} (edited)", said(event.message())),
        Event::Deleted(event) => format!("(the message {} is deleted)", event.message_id()),
        Event::Reaction(event) => {
            let verb = if event.is_added() {
                "reacts"
            } else {
                "no longer reacts"
            };
            let (username, emoji) = (event.username(), event.emoji());
            format!("{username} {verb} {emoji} to {}", excerpt(event.message().text()))
        }
        Event::Pinned(event) if event.is_pinned() => format!("{} (pinned)", said(event.message())),
        Event::Pinned(event) => format!("{} (no longer pinned)", said(event.message())),
        Event::Starred(event) if event.is_starred() => format!("{} (starred)", said(event.message())),
        Event::Starred(event) => format!("{} (no longer starred)", said(event.message())),
        Event::ThreadUpdate(event) => format!("{} (its thread changed)", said(event.message())),
        Event::Updated(event) => format!("{} (changed)", said(event.message())),
        Event::RoomJoined(_) => "(the bot comes into the room)".to_owned(),
        Event::RoomLeft(_) => "(the bot leaves the room)".to_owned(),
        Event::Typing(event) if event.is_typing() => format!("{} is typing", event.username()),
        Event::Typing(event) => format!("{} is no longer typing", event.username()),
        Event::Ready => "(ready)".to_owned(),
        Event::Reconnected(event) => format!("(the connection is back after {:?})", event.gap()),
        Event::Close => "(the bot stops)".to_owned(),
        Event::Custom(event) => format!("(the program fires {:?})", event.name()),
        Event::Scheduled(event) => format!("(the job {:?} is due)", event.job()),
        Event::Raw(event) => format!("({} {:?})", event.collection(), event.event_name()),
    }
}

/// What a bot does, in one line that says all of it but the ids that it goes out under. `room_id` is where it is asked.
pub(crate) fn of_action(bot: &str, action: &Action, room_id: Option<&str>) -> String {
    let mut line = match action {
        Action::Send(send) => {
            let thread = match send.thread() {
                Thread::AsAsked => String::new(),
                Thread::Always => " (in a thread)".to_owned(),
                // Where it was worked out where it goes, the room is nothing special.
                Thread::Never if send.ids().is_some() => String::new(),
                Thread::Never => " (in no thread)".to_owned(),
                Thread::Of(id) => format!(" (in the thread of {id})"),
            };
            let mentions = if send.allows_group_mentions() {
                " (may notify all)"
            } else {
                ""
            };
            let mut line = format!("{bot}{thread}{mentions}: {}", send.content());
            if let Some(Ok(extras)) = send.extras().map(serde_json::to_string) {
                let _ = write!(line, " {extras}");
            }
            line
        }
        Action::Upload(upload) => {
            let thread = match upload.thread_id() {
                Some(id) => format!(" (in the thread of {id})"),
                None => String::new(),
            };
            let size = match upload.bytes() {
                Some(bytes) => format!(" ({} bytes)", bytes.len()),
                None => String::new(),
            };
            let mut line = format!("{bot}{thread} uploads {}{size}", upload.name());
            for text in [upload.content(), upload.description().unwrap_or_default()] {
                if !text.is_empty() {
                    let _ = write!(line, ": {text}");
                }
            }
            line
        }
        Action::Edit(edit) => format!("{bot} edits {}: {}", edit.message_id(), edit.content()),
        Action::Delete(delete) => format!("{bot} deletes {}", delete.message_id()),
        Action::React(react) => {
            let verb = if react.is_added() {
                "reacts"
            } else {
                "no longer reacts"
            };
            let mut line = format!("{bot} {verb} {}", react.emoji());
            if let Some(id) = react.message_id() {
                let _ = write!(line, " to {id}");
            }
            line
        }
        Action::Pin(pin) => format!("{bot} pins {}", pin.message_id()),
        Action::Unpin(unpin) => format!("{bot} unpins {}", unpin.message_id()),
        Action::FollowThread(follow) => format!("{bot} follows {}", thread(follow.thread_id())),
        Action::UnfollowThread(unfollow) => {
            format!("{bot} no longer follows {}", thread(unfollow.thread_id()))
        }
        Action::MarkRead(_) => format!("{bot} marks the room as read"),
        Action::SetStatus(status) => {
            let mut line = format!("{bot} sets its status");
            if let Some(status) = status.status() {
                let _ = write!(line, " to {}", status.as_str());
            }
            if let Some(text) = status.content() {
                let _ = write!(line, ": {text}");
            }
            line
        }
    };
    if let Some(room) = action.room_id().filter(|room| Some(room.as_str()) != room_id) {
        let _ = write!(line, " (in the room {room})");
    }
    line
}

fn thread(id: Option<&MessageId>) -> String {
    id.map_or_else(|| "the thread".to_owned(), |id| format!("the thread of {id}"))
}

/// How people call a room: by its name.
pub(crate) fn room_label(room: Option<&Room>, id: Option<&str>) -> Option<String> {
    let name = room.and_then(Room::name).or(id)?;
    Some(format!("#{name}"))
}

fn excerpt(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    match line.char_indices().nth(EXCERPT) {
        Some((end, _)) => format!("\"{}…\"", &line[..end]),
        None => format!("{line:?}"),
    }
}
