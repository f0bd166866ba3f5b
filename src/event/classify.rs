//! Derives the event from a message that the server sent, or sent again. Pure: no socket, no clock.

mod diff;
mod notify;
mod recalled;
mod texts;

use std::cmp::Ordering;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use bytestring::ByteString;
use serde_json::value::RawValue;
use smallvec::{SmallVec, smallvec};

use self::notify::Invitations;
use self::recalled::Recalled;
use self::texts::{Place, Texts};
use super::wire::{self, Shape, WireMessage, WireRoom};
use super::{
    Deleted, Edited, Event, Message, MessageId, Pinned, RawEvent, RoomId, ThreadUpdate, Timestamp, Updated,
    system,
};
use crate::rest::ServerVersion;

/// Messages remembered to tell a new one from one sent again.
/// More than one catch-up brings, with what was said before.
const REMEMBERED_MESSAGES: usize = 32_768;

/// A message that was never seen and was written this long before its last change is an old one that changed: the
/// server stamps a new message and its `_updatedAt` in the same request.
const NEW_MESSAGE_AGE: Duration = Duration::from_secs(10);

/// An event of a stream: slices of the frame it came in.
#[derive(Clone, Debug)]
pub(crate) struct StreamEvent {
    /// `stream-room-messages`
    pub(crate) collection: ByteString,
    /// `__my_messages__`
    pub(crate) event_name: ByteString,
    /// The text of a JSON array.
    pub(crate) args: ByteString,
}

impl StreamEvent {
    /// For what is not understood.
    fn raw(&self) -> Event {
        Event::Raw(Arc::new(RawEvent::from_slices(
            self.collection.clone(),
            self.event_name.clone(),
            self.args.clone(),
        )))
    }
}

/// The events of one frame: nearly always none or one.
pub(crate) type Events = SmallVec<[Event; 1]>;

/// What counts as new among messages that were fetched because they may have been missed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Missed {
    /// Everything in the room up to here was delivered. A message that was written later and never seen is new, also
    /// if it was edited or got a reaction since.
    pub(crate) after: Timestamp,
    /// Nothing up to here concerns the bot: it was not there yet.
    pub(crate) floor: Timestamp,
}

/// What has to be known of a stream event before it is classified.
#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) room_id: RoomId,
    /// When the server wrote it.
    pub(crate) revision: Timestamp,
}

/// Room and revision of a message of a room that the bot is in; `None` for anything else.
pub(crate) fn head(stream: &StreamEvent) -> Option<Head> {
    if &*stream.collection != "stream-room-messages" {
        return None;
    }
    let (message, room) = message_args(&stream.args)?;
    let wire: WireMessage<'_> = wire::read(&message).ok()?;
    if room.participant == Shape::Bool(false) {
        return None;
    }
    Some(Head {
        room_id: RoomId::from(wire.rid.as_str().filter(|id| !id.is_empty())?),
        revision: wire.updated_at.timestamp().or(wire.ts.timestamp())?,
    })
}

/// Tells new messages, edits, reactions and the rest apart, and drops what repeats.
#[derive(Debug)]
pub(crate) struct Classifier {
    seen: HashMap<Arc<str>, Seen>,
    order: VecDeque<Arc<str>>,
    texts: Texts,
    invitations: Invitations,
    with_unjoined_rooms: bool,
    /// Of the server that the events come from; nothing is known of it where there is none.
    version: Option<ServerVersion>,
}

/// What is remembered of a message: enough to see what changed.
#[derive(Debug)]
struct Seen {
    /// Whether it was given as a new message, which happens once.
    is_announced: bool,
    updated_at: Option<Timestamp>,
    content: Content,
    text: Option<Place>,
    /// Until it is seen: what an earlier process told of it, which is all that is known.
    recalled: Option<Box<Recalled>>,
}

/// What a change may change.
#[derive(Debug, Default, PartialEq)]
struct Content {
    edited_at: Option<Timestamp>,
    reactions: Option<Box<str>>,
    is_pinned: bool,
    starred: Option<Box<str>>,
    is_deleted: bool,
    /// Replies in its thread.
    reply_count: u32,
    /// Messages in the discussion that it opened.
    discussion_count: u32,
}

impl Content {
    fn of(message: &Message, wire: &WireMessage<'_>) -> Self {
        Self {
            edited_at: message.edited_at(),
            reactions: filled(wire.reactions).map(Into::into),
            is_pinned: message.is_pinned(),
            starred: filled(wire.starred).map(Into::into),
            is_deleted: message.system_type() == Some("rm"),
            reply_count: message.reply_count(),
            discussion_count: wire.dcount.count(),
        }
    }

    /// As somebody sends it: nobody has done anything with it yet.
    fn is_untouched(&self) -> bool {
        *self == Self::default()
    }

    fn deleted() -> Self {
        Self {
            is_deleted: true,
            ..Self::default()
        }
    }
}

/// A list or an object with something in it.
fn filled(raw: Option<&RawValue>) -> Option<&str> {
    let json = raw?.get();
    let inside = json.strip_prefix(['[', '{'])?.strip_suffix([']', '}'])?;
    (!inside.trim_ascii().is_empty()).then_some(json)
}

impl Classifier {
    pub(crate) fn new(with_unjoined_rooms: bool) -> Self {
        Self {
            seen: HashMap::new(),
            order: VecDeque::new(),
            texts: Texts::default(),
            invitations: Invitations::default(),
            with_unjoined_rooms,
            version: None,
        }
    }

    /// Says what is known of the server's version.
    pub(crate) fn of_server(mut self, version: Option<ServerVersion>) -> Self {
        self.version = version;
        self
    }

    fn read(
        &self,
        json: &ByteString,
        wire: &WireMessage<'_>,
        room: &WireRoom<'_>,
        frame: &ByteString,
    ) -> Option<Message> {
        let message = Message::from_wire(json, wire, room, frame).ok()?;
        let is_verified = message.system_type().is_some_and(system::is_registered)
            && self
                .version
                .as_ref()
                .is_some_and(ServerVersion::guards_system_messages);
        Some(match is_verified {
            true => message.verified(),
            false => message,
        })
    }

    /// The events that a stream event stands for. Nothing is lost: what is not understood becomes a raw event.
    pub(crate) fn classify(&mut self, stream: &StreamEvent) -> Events {
        let events = match &*stream.collection {
            "stream-room-messages" => self.room_message(&stream.args),
            "stream-notify-room" => self.notify_room(stream),
            "stream-notify-user" => self.notify_user(&stream.event_name, &stream.args),
            _ => None,
        };
        events.unwrap_or_else(|| smallvec![stream.raw()])
    }

    /// `None` where the arguments are no message.
    fn room_message(&mut self, args: &ByteString) -> Option<Events> {
        let (message, room) = message_args(args)?;
        let wire: WireMessage<'_> = wire::read(&message).ok()?;
        if room.participant == Shape::Bool(false) && !self.with_unjoined_rooms {
            return Some(Events::new());
        }
        let parsed = self.read(&message, &wire, &room, args)?;
        let content = Content::of(&parsed, &wire);
        Some(self.message(parsed, content, None))
    }

    /// The new message that a stream event stands for, without remembering it; `None` for anything else, and for what was
    /// seen.
    pub(crate) fn preview(&self, stream: &StreamEvent) -> Option<Event> {
        let (json, room) = message_args(&stream.args)?;
        let wire: WireMessage<'_> = wire::read(&json).ok()?;
        let message = self.read(&json, &wire, &room, &stream.args)?;
        let is_new = Content::of(&message, &wire).is_untouched() && !is_old(&message);
        let is_known = self.seen.contains_key(message.id().as_str());
        (is_new && !is_known).then(|| Event::from(message))
    }

    /// The events that a message stands for which was fetched because it may have been missed. `None` where it is no
    /// message.
    pub(crate) fn fetched(
        &mut self,
        json: &ByteString,
        room: &WireRoom<'_>,
        missed: Missed,
    ) -> Option<Events> {
        let wire = wire::read::<WireMessage<'_>>(json).ok()?;
        let parsed = self.read(json, &wire, room, json)?;
        let content = Content::of(&parsed, &wire);
        Some(self.message(parsed, content, Some(missed)))
    }

    /// The event of a deletion that the server tells about later; `None` if it is known.
    pub(crate) fn deleted(&mut self, id: &MessageId, room_id: &RoomId) -> Option<Event> {
        let mut deleted = Deleted::new(id.clone(), room_id.clone());
        match self.seen.get_mut(id.as_str()) {
            Some(seen) if seen.content.is_deleted => return None,
            Some(seen) => {
                seen.content.is_deleted = true;
                if let Some(text) = seen.text.take().and_then(|place| self.texts.get(place)) {
                    deleted = deleted.with_before(text);
                }
            }
            None => self.remember(
                id,
                Seen {
                    is_announced: false,
                    updated_at: None,
                    content: Content::deleted(),
                    text: None,
                    recalled: None,
                },
            ),
        }
        Some(Event::Deleted(Arc::new(deleted)))
    }

    fn message(&mut self, message: Message, content: Content, missed: Option<Missed>) -> Events {
        let is_new = content.is_untouched() && !is_old(&message);
        let updated_at = message.updated_at();
        let Some(before) = self.seen.get_mut(message.id().as_str()) else {
            let id = message.id().clone();
            let text = self.texts.keep(message.text());
            let events = match missed {
                Some(missed) => late_sighting(message, &content, is_new, missed),
                None => smallvec![sighting(message, &content, is_new)],
            };
            let seen = Seen {
                is_announced: is_new || events.iter().any(Event::is_new_message),
                updated_at,
                content,
                text,
                recalled: None,
            };
            self.remember(&id, seen);
            return events;
        };
        // A change of it was heard, and nothing of the message itself, which was written while nobody listened.
        if let Some(missed) = missed
            && !before.is_announced
            && !content.is_deleted
            && !before.content.is_deleted
            && message.created_at() > missed.after.max(missed.floor)
        {
            before.is_announced = true;
            before.updated_at = updated_at.max(before.updated_at);
            before.content = content;
            before.text = self.texts.keep(message.text());
            return smallvec![Event::from(message)];
        }
        // The stream's order is not that of the writes: where the server says when, it is compared.
        let order = updated_at
            .zip(before.updated_at)
            .map(|(now, before)| now.cmp(&before));
        if !matches!(order, Some(Ordering::Less | Ordering::Equal))
            && let Some(recalled) = before.recalled.take()
        {
            before.content = recalled.before(&message, &content, before.content.is_deleted);
        }
        match order {
            // What happened to the message overtook the message itself, which comes now.
            Some(Ordering::Less | Ordering::Equal)
                if is_new && !before.is_announced && !before.content.is_deleted =>
            {
                before.is_announced = true;
                smallvec![Event::from(message)]
            }
            Some(Ordering::Less | Ordering::Equal) => Events::new(),
            None if before.content == content => Events::new(),
            Some(Ordering::Greater) | None => {
                let text = before.text.and_then(|place| self.texts.get(place));
                let is_same_text = text == Some(message.text());
                let message = Arc::new(message);
                let events = changes(&message, &before.content, &content, text);
                if !is_same_text {
                    before.text = self.texts.keep(message.text());
                }
                before.updated_at = updated_at.or(before.updated_at);
                before.content = content;
                events
            }
        }
    }

    /// An earlier process was done with this event: see [`Event::own_key`]. The oldest come first.
    pub(crate) fn recall(&mut self, key: &str, revision: Timestamp) {
        let (id, change) = match key.split_once('/') {
            Some((id, change)) => (id, Some(change)),
            None => (key, None),
        };
        match (self.seen.get_mut(id), change) {
            (Some(seen), change) => {
                seen.updated_at = seen.updated_at.max(Some(revision));
                seen.content.is_deleted |= change == Some("deleted");
                if let (Some(recalled), Some(change)) = (&mut seen.recalled, change) {
                    recalled.note(change, revision);
                }
            }
            (None, None) => self.remember(
                &MessageId::from(id),
                Seen {
                    is_announced: true,
                    updated_at: Some(revision),
                    // How it was is not known: what was told of it says more.
                    content: Content::default(),
                    text: None,
                    recalled: Some(Box::new(Recalled::new(revision))),
                },
            ),
            // Whether the message itself was heard is not known: it may be the one that was not.
            (None, Some(_)) => {}
        }
    }

    fn remember(&mut self, id: &MessageId, seen: Seen) {
        // An id cut from a frame would keep the whole frame alive.
        let id: Arc<str> = Arc::from(id.as_str());
        if self.order.len() == REMEMBERED_MESSAGES
            && let Some(oldest) = self.order.pop_front()
        {
            self.seen.remove(&oldest);
        }
        self.order.push_back(id.clone());
        self.seen.insert(id, seen);
    }
}

fn is_old(message: &Message) -> bool {
    message
        .updated_at()
        .is_some_and(|updated| updated.saturating_since(message.created_at()) > NEW_MESSAGE_AGE)
}

/// The event of a message that was never seen and is not new.
fn first_sighting(message: Arc<Message>, content: &Content) -> Event {
    if content.is_deleted {
        Event::Deleted(Arc::new(Deleted::of_message(message)))
    } else if content.edited_at.is_some() {
        Event::Edited(Arc::new(Edited::new(message)))
    } else {
        // Nothing tells what changed: the message as it was before is not known.
        Event::Updated(Arc::new(Updated::new(message)))
    }
}

/// The event of a message that was never seen before.
fn sighting(message: Message, content: &Content, is_new: bool) -> Event {
    match is_new {
        true => Event::from(message),
        false => first_sighting(Arc::new(message), content),
    }
}

/// A message that was fetched and never seen.
fn late_sighting(message: Message, content: &Content, is_new: bool, missed: Missed) -> Events {
    let written = message.created_at();
    let revision = message.updated_at().unwrap_or(written);
    if revision <= missed.floor {
        return Events::new();
    }
    if written > missed.after.max(missed.floor) && !content.is_deleted {
        return smallvec![Event::from(message)];
    }
    // Written before the bot was there.
    if written <= missed.floor && is_new {
        return Events::new();
    }
    smallvec![sighting(message, content, is_new)]
}

fn changes(message: &Arc<Message>, before: &Content, now: &Content, text: Option<&str>) -> Events {
    let mut events = Events::new();
    if now.is_deleted {
        if !before.is_deleted {
            let deleted = Deleted::of_message(Arc::clone(message));
            events.push(Event::Deleted(Arc::new(match text {
                Some(text) => deleted.with_before(text),
                None => deleted,
            })));
        }
        return events;
    }
    if now.is_pinned != before.is_pinned {
        // Old versions set `editedAt` when a message is pinned: a pin is no edit.
        events.push(Event::Pinned(Arc::new(Pinned::new(Arc::clone(message)))));
    } else if now.edited_at > before.edited_at
        // Twice within a millisecond.
        || now.edited_at.is_some()
            && now.edited_at == before.edited_at
            && text.is_some_and(|text| text != message.text())
    {
        let edited = Edited::new(Arc::clone(message));
        events.push(Event::Edited(Arc::new(match text {
            Some(text) => edited.with_before(text),
            None => edited,
        })));
    }
    if now.starred != before.starred {
        diff::stars(
            message,
            before.starred.as_deref(),
            now.starred.as_deref(),
            &mut events,
        );
    }
    if now.reactions != before.reactions {
        diff::reactions(
            message,
            before.reactions.as_deref(),
            now.reactions.as_deref(),
            &mut events,
        );
    }
    if now.reply_count != before.reply_count {
        events.push(Event::ThreadUpdate(Arc::new(ThreadUpdate::new(Arc::clone(
            message,
        )))));
    }
    if events.is_empty() {
        events.push(Event::Updated(Arc::new(Updated::new(Arc::clone(message)))));
    }
    events
}

/// Cuts the message out of the arguments and reads what is said about its room.
fn message_args(args: &ByteString) -> Option<(ByteString, WireRoom<'_>)> {
    let raw: Vec<&RawValue> = serde_json::from_str(args).ok()?;
    let message = args.slice_ref(raw.first()?.get());
    let room = raw
        .get(1)
        .and_then(|raw| wire::read(raw.get()).ok())
        .unwrap_or_default();
    Some((message, room))
}

#[cfg(test)]
mod tests;
