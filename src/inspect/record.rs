//! What is remembered of one event.

use std::borrow::Cow;
use std::sync::Arc;

use serde::Serialize;

use crate::event::{Event, MessageId, RoomId};
use crate::request::Request;
use crate::response::{Action, Status};
use crate::router::Explanation;

/// Characters of a text that are kept.
const LONGEST_TEXT: usize = 2000;

/// One event, and what became of it so far.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Inspection {
    /// Counts the events of an inspector, from 1.
    pub id: u64,
    /// When it reached the pipeline, by this machine's clock: milliseconds since 1970.
    pub at: u64,
    /// What happened.
    pub event: InspectedEvent,
    /// How long it waited for its turn in its room or thread, in microseconds; `None` while it waits.
    pub waited_us: Option<u64>,
    /// How long the pipeline took, in microseconds; `None` until it has answered.
    pub took_us: Option<u64>,
    /// The layers and routes that it reached, in the order in which it did: 64 at most.
    pub layers: Vec<LayerVisit>,
    /// The command that was found in it.
    pub command: Option<InspectedCommand>,
    /// Why each route ran, or did not. Kept for the last 100 events.
    pub explanation: Option<Arc<Explanation>>,
    /// The same as text.
    pub explanation_text: Option<Arc<str>>,
    /// What became of it; `None` until it is known.
    pub outcome: Option<EventOutcome>,
    /// What went wrong.
    pub error: Option<String>,
    /// What the bot was told to do in answer, in order: 32 at most.
    pub actions: Vec<InspectedAction>,
}

/// What happened.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct InspectedEvent {
    /// The [kind](crate::event::EventKind::name).
    pub kind: &'static str,
    /// What tells it from others: [`Request::key`].
    pub key: String,
    /// The message that it is about.
    pub message_id: Option<String>,
    /// Its room.
    pub room_id: Option<String>,
    /// The room's name, where it is known.
    pub room: Option<String>,
    /// The user name of who caused it.
    pub user: Option<String>,
    /// The thread that it belongs to.
    pub thread_id: Option<String>,
    /// The message's text.
    pub text: Option<String>,
}

/// A layer or a route that an event reached. Times are in microseconds since the event reached the pipeline.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct LayerVisit {
    /// The layer, or the route.
    pub name: Cow<'static, str>,
    /// How many others it is inside of.
    pub depth: u16,
    /// When the event got there.
    pub entered_us: u64,
    /// When the layer had answered; `None` while it is at work.
    pub left_us: Option<u64>,
    /// What is worth a word: that it failed, refused the event, or was cancelled.
    pub note: Option<Cow<'static, str>>,
}

/// The command that was found in a message.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct InspectedCommand {
    /// Its name.
    pub name: String,
    /// What stood before it.
    pub prefix: String,
    /// What stood behind it.
    pub text: String,
}

/// What became of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum EventOutcome {
    /// The pipeline has something done about it.
    Answered,
    /// The pipeline had nothing to say.
    Silent,
    /// The command was refused: its arguments are wrong, it came too often, or it is not permitted.
    Rejected,
    /// A layer or a route failed, panicked or took too long.
    Failed,
    /// The bot stopped before the pipeline had answered.
    Cancelled,
    /// It was written by a bot, which no route asked for.
    Ignored,
    /// It was the answer in a [conversation](crate::conversation), which has it now.
    Heard,
    /// There was no room for it: it is gone, or comes again, by the [policy](crate::dispatch::Overflow).
    Dropped,
}

/// Something that the bot does in the chat.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct InspectedAction {
    /// The [kind](Action::name).
    pub kind: &'static str,
    /// Where.
    pub room_id: Option<String>,
    /// In which thread.
    pub thread_id: Option<String>,
    /// The text to post, or the emoji.
    pub text: Option<String>,
    /// The id of the message that is posted or changed.
    pub id: Option<String>,
    /// How far it is.
    pub state: ActionState,
    /// How many calls were made for it.
    pub attempts: u32,
    /// How long it waited for a limit of the server, in milliseconds.
    pub waited_ms: u64,
    /// How long it took in all, in milliseconds; `None` until it has ended.
    pub took_ms: Option<u64>,
    /// Why it failed, or is tried again.
    pub error: Option<String>,
}

/// How far an action is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ActionState {
    /// Others in its room go first.
    Waiting,
    /// It is on its way to the server.
    Sending,
    /// A call failed, and another follows.
    Retrying,
    /// The server has it.
    Done,
    /// It was given up.
    Failed,
    /// It is in the journal and goes out later.
    Kept,
    /// Its question was deleted.
    Withdrawn,
}

impl InspectedEvent {
    pub(super) fn of(request: &Request) -> Self {
        let (event, message) = (request.event(), request.message());
        Self {
            kind: request.kind().name(),
            key: request.key().into_owned(),
            message_id: message
                .map(|message| message.id())
                .or(match event {
                    Event::Deleted(deleted) => Some(deleted.message_id()),
                    _ => None,
                })
                .map(MessageId::to_string),
            room_id: event.room_id().map(RoomId::to_string),
            room: request.room().and_then(|room| room.name()).map(str::to_owned),
            user: request.author().map(|author| author.username().to_owned()),
            thread_id: event.thread_id().map(MessageId::to_string),
            text: message.map(|message| shortened(message.text())),
        }
    }
}

impl InspectedCommand {
    pub(super) fn of(request: &Request) -> Option<Self> {
        let command = request.command()?;
        Some(Self {
            name: shortened(command.name()),
            prefix: command.prefix().to_owned(),
            text: shortened(command.args()),
        })
    }
}

impl InspectedAction {
    pub(super) fn of(action: &Action) -> Self {
        let (thread_id, text, id) = match action {
            Action::Send(send) => (
                send.thread_id(),
                Some(send.content()),
                send.ids().map(|ids| ids.first()),
            ),
            Action::Upload(upload) => (upload.thread_id(), Some(upload.name()), None),
            Action::Edit(edit) => (None, Some(edit.content()), Some(edit.message_id())),
            Action::Delete(delete) => (None, None, Some(delete.message_id())),
            Action::React(react) => (None, Some(react.emoji()), react.message_id()),
            Action::Pin(pin) => (None, None, Some(pin.message_id())),
            Action::Unpin(unpin) => (None, None, Some(unpin.message_id())),
            Action::FollowThread(follow) => (follow.thread_id(), None, None),
            Action::UnfollowThread(unfollow) => (unfollow.thread_id(), None, None),
            Action::MarkRead(_) => (None, None, None),
            Action::SetStatus(status) => (
                None,
                status.content().or(status.status().map(Status::as_str)),
                None,
            ),
        };
        Self {
            kind: action.name(),
            room_id: action.lane().as_ref().map(RoomId::to_string),
            thread_id: thread_id.map(MessageId::to_string),
            text: text.map(shortened),
            id: id.map(MessageId::to_string),
            state: ActionState::Waiting,
            attempts: 0,
            waited_ms: 0,
            took_ms: None,
            error: None,
        }
    }
}

pub(super) fn shortened(text: &str) -> String {
    match text.char_indices().nth(LONGEST_TEXT) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
