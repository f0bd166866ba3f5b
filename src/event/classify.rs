//! Derives the event from a message that the server sent, or sent again. Pure: no socket, no clock.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use bytestring::ByteString;
use serde::Deserialize;
use serde_json::value::RawValue;
use smallvec::{SmallVec, smallvec};

use super::wire::{Shape, WireMessage, WireRoom};
use super::{
    Deleted, Edited, Event, Membership, Message, MessageId, Pinned, RawEvent, Reaction, Room, RoomId,
    RoomKind, ThreadUpdate, Timestamp, Typing, Updated,
};

/// Messages remembered to tell a new one from one sent again.
const REMEMBERED_MESSAGES: usize = 10_000;

/// A message that was never seen and was written this long before its last change is an old one that changed: the
/// server stamps a new message and its `_updatedAt` in the same request, and accepts a client's `ts` only from the
/// last minute.
const NEW_MESSAGE_AGE: Duration = Duration::from_secs(60);

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
    let wire: WireMessage<'_> = serde_json::from_str(&message).ok()?;
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
    with_unjoined_rooms: bool,
}

/// What is remembered of a message: enough to see what changed.
#[derive(Debug)]
struct Seen {
    updated_at: Option<Timestamp>,
    edited_at: Option<Timestamp>,
    reactions: Option<Box<str>>,
    is_pinned: bool,
    is_deleted: bool,
    reply_count: u32,
    /// Whether it was an event as a new message.
    was_new: bool,
}

impl Classifier {
    pub(crate) fn new(with_unjoined_rooms: bool) -> Self {
        Self {
            seen: HashMap::new(),
            order: VecDeque::new(),
            with_unjoined_rooms,
        }
    }

    /// The events that a stream event stands for. Nothing is lost: what is not understood becomes a raw event.
    pub(crate) fn classify(&mut self, stream: &StreamEvent) -> Events {
        let events = match &*stream.collection {
            "stream-room-messages" => self.room_message(&stream.args),
            "stream-notify-room" => notify_room(&stream.event_name, &stream.args),
            "stream-notify-user" => notify_user(&stream.event_name, &stream.args),
            _ => None,
        };
        events.unwrap_or_else(|| {
            smallvec![Event::Raw(Arc::new(RawEvent::from_slices(
                stream.collection.clone(),
                stream.event_name.clone(),
                stream.args.clone(),
            )))]
        })
    }

    /// `None` where the arguments are no message.
    fn room_message(&mut self, args: &ByteString) -> Option<Events> {
        let (message, room) = message_args(args)?;
        let wire: WireMessage<'_> = serde_json::from_str(&message).ok()?;
        if room.participant == Shape::Bool(false) && !self.with_unjoined_rooms {
            return Some(Events::new());
        }
        let reactions = wire.reactions.map(RawValue::get).filter(|raw| raw.len() > 2);
        let parsed = Message::from_wire(&message, &wire, &room, args).ok()?;
        Some(self.message(parsed, reactions, None))
    }

    /// The events that a message stands for which was fetched because it may have been missed. `None` where it is no
    /// message.
    pub(crate) fn fetched(
        &mut self,
        json: &ByteString,
        room: &WireRoom<'_>,
        missed: Missed,
    ) -> Option<Events> {
        let wire: WireMessage<'_> = serde_json::from_str(json).ok()?;
        let reactions = wire.reactions.map(RawValue::get).filter(|raw| raw.len() > 2);
        let parsed = Message::from_wire(json, &wire, room, json).ok()?;
        Some(self.message(parsed, reactions, Some(missed)))
    }

    /// The event of a deletion that the server tells about later; `None` if it is known.
    pub(crate) fn deleted(&mut self, id: &MessageId, room_id: &RoomId) -> Option<Event> {
        match self.seen.get_mut(id.as_str()) {
            Some(seen) if seen.is_deleted => return None,
            Some(seen) => seen.is_deleted = true,
            None => self.remember(
                id,
                Seen {
                    updated_at: None,
                    edited_at: None,
                    reactions: None,
                    is_pinned: false,
                    is_deleted: true,
                    reply_count: 0,
                    was_new: false,
                },
            ),
        }
        Some(Event::Deleted(Arc::new(Deleted::new(
            id.clone(),
            room_id.clone(),
        ))))
    }

    fn message(&mut self, message: Message, reactions: Option<&str>, missed: Option<Missed>) -> Events {
        let mut now = Seen {
            updated_at: message.updated_at(),
            edited_at: message.edited_at(),
            reactions: reactions.map(Into::into),
            is_pinned: message.is_pinned(),
            is_deleted: is_soft_deleted(&message),
            reply_count: message.reply_count(),
            was_new: is_new(&message),
        };
        let Some(before) = self.seen.get_mut(message.id().as_str()) else {
            let message = Arc::new(message);
            let events = match missed {
                Some(missed) => late_sighting(Arc::clone(&message), missed),
                None => smallvec![first_sighting(Arc::clone(&message))],
            };
            now.was_new |= events.iter().any(Event::is_new_message);
            self.remember(message.id(), now);
            return events;
        };
        // The stream's order is not that of the writes: what is older than what was seen says nothing new, unless it
        // is the message itself, which an edit has overtaken.
        if now.updated_at <= before.updated_at {
            let was_overtaken = now.updated_at < before.updated_at && !before.is_deleted;
            if !was_overtaken || !now.was_new || before.was_new {
                return Events::new();
            }
            before.was_new = true;
            return smallvec![Event::from(message)];
        }
        now.was_new |= before.was_new;
        let before = std::mem::replace(before, now);
        // `before` was just replaced by what the map now holds.
        let Some(now) = self.seen.get(message.id().as_str()) else {
            return Events::new();
        };
        changes(&Arc::new(message), &before, now)
    }

    fn remember(&mut self, id: &MessageId, seen: Seen) {
        // An id cut from a frame would keep the whole frame alive.
        let id = Arc::<str>::from(id.as_str());
        if self.order.len() == REMEMBERED_MESSAGES
            && let Some(oldest) = self.order.pop_front()
        {
            self.seen.remove(&oldest);
        }
        self.order.push_back(Arc::clone(&id));
        self.seen.insert(id, seen);
    }
}

/// Whether it is as somebody has just written it.
fn is_new(message: &Message) -> bool {
    let is_old = message
        .updated_at()
        .is_some_and(|updated| updated.saturating_since(message.created_at()) > NEW_MESSAGE_AGE);
    !is_soft_deleted(message) && message.edited_at().is_none() && !is_old
}

fn is_soft_deleted(message: &Message) -> bool {
    message.system_type() == Some("rm")
}

fn first_sighting(message: Arc<Message>) -> Event {
    if is_new(&message) {
        Event::from(message)
    } else if is_soft_deleted(&message) {
        Event::Deleted(Arc::new(Deleted::of_message(message)))
    } else if message.edited_at().is_some() {
        Event::Edited(Arc::new(Edited::new(message)))
    } else {
        // Nothing tells what changed: the message as it was before is not known.
        Event::Updated(Arc::new(Updated::new(message)))
    }
}

/// A message that was fetched and never seen.
fn late_sighting(message: Arc<Message>, missed: Missed) -> Events {
    let written = message.created_at();
    let revision = message.updated_at().unwrap_or(written);
    if revision <= missed.floor {
        return Events::new();
    }
    if written > missed.after.max(missed.floor) && !is_soft_deleted(&message) {
        return smallvec![Event::from(message)];
    }
    match first_sighting(message) {
        // Written before the bot was there.
        event if written <= missed.floor && event.is_new_message() => Events::new(),
        event => smallvec![event],
    }
}

fn changes(message: &Arc<Message>, before: &Seen, now: &Seen) -> Events {
    let mut events = Events::new();
    if now.is_deleted {
        if !before.is_deleted {
            events.push(Event::Deleted(Arc::new(Deleted::of_message(Arc::clone(message)))));
        }
        return events;
    }
    if now.is_pinned != before.is_pinned {
        // Old versions set `editedAt` when a message is pinned: a pin is no edit.
        events.push(Event::Pinned(Arc::new(Pinned::new(Arc::clone(message)))));
    } else if now.edited_at > before.edited_at {
        events.push(Event::Edited(Arc::new(Edited::new(Arc::clone(message)))));
    }
    if now.reactions != before.reactions {
        reaction_changes(
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

#[derive(Default, Deserialize)]
struct ReactionUsers {
    #[serde(default)]
    usernames: Vec<String>,
}

/// The server sends who reacts with what now; the difference is what happened.
fn reaction_changes(message: &Arc<Message>, before: Option<&str>, now: Option<&str>, events: &mut Events) {
    fn pairs(json: Option<&str>) -> Vec<(String, String)> {
        let reactions: std::collections::BTreeMap<String, ReactionUsers> = json
            .and_then(|json| serde_json::from_str(json).ok())
            .unwrap_or_default();
        let mut pairs: Vec<_> = reactions
            .into_iter()
            .flat_map(|(emoji, users)| users.usernames.into_iter().map(move |user| (emoji.clone(), user)))
            .collect();
        pairs.sort_unstable();
        pairs
    }
    let (before, now) = (pairs(before), pairs(now));
    let mut push = |(emoji, username): &(String, String), is_added| {
        events.push(Event::Reaction(Arc::new(Reaction::new(
            Arc::clone(message),
            emoji,
            username,
            is_added,
        ))));
    };
    for gone in before.iter().filter(|pair| now.binary_search(pair).is_err()) {
        push(gone, false);
    }
    for new in now.iter().filter(|pair| before.binary_search(pair).is_err()) {
        push(new, true);
    }
}

/// Cuts the message out of the arguments and reads what is said about its room.
fn message_args(args: &ByteString) -> Option<(ByteString, WireRoom<'_>)> {
    let raw: Vec<&RawValue> = serde_json::from_str(args).ok()?;
    let message = args.slice_ref(raw.first()?.get());
    let room = raw
        .get(1)
        .and_then(|raw| serde_json::from_str(raw.get()).ok())
        .unwrap_or_default();
    Some((message, room))
}

/// `None` where it is nothing that we model.
fn notify_room(event_name: &str, args: &str) -> Option<Events> {
    let (room_id, event) = event_name.split_once('/')?;
    let room_id = RoomId::from(room_id);
    match event {
        "user-activity" => {
            let args: Vec<&RawValue> = serde_json::from_str(args).ok()?;
            let username: String = serde_json::from_str(args.first()?.get()).ok()?;
            let activities: Vec<String> = serde_json::from_str(args.get(1)?.get()).ok()?;
            let is_typing = activities.iter().any(|activity| activity == "user-typing");
            Some(smallvec![Event::Typing(Arc::new(Typing::new(
                room_id, username, is_typing
            )))])
        }
        "deleteMessage" => {
            #[derive(Deserialize)]
            struct Id {
                #[serde(rename = "_id")]
                id: String,
            }
            let [Id { id }] = serde_json::from_str(args).ok()?;
            Some(smallvec![Event::Deleted(Arc::new(Deleted::new(
                MessageId::from(id),
                room_id
            )))])
        }
        _ => None,
    }
}

/// `None` where it is nothing that we model.
fn notify_user(event_name: &str, args: &str) -> Option<Events> {
    if event_name.split_once('/')?.1 != "subscriptions-changed" {
        return None;
    }
    #[derive(Deserialize)]
    struct Subscription<'a> {
        #[serde(borrow, default, rename = "_id")]
        id: Shape<'a>,
        #[serde(borrow, default)]
        rid: Shape<'a>,
        #[serde(borrow, default)]
        t: Shape<'a>,
        #[serde(borrow, default)]
        name: Shape<'a>,
    }
    let raw: Vec<&RawValue> = serde_json::from_str(args).ok()?;
    let action: String = serde_json::from_str(raw.first()?.get()).ok()?;
    let subscription: Subscription<'_> = serde_json::from_str(raw.get(1)?.get()).ok()?;
    let mut room = Room::new(
        subscription.rid.as_str()?,
        RoomKind::from_letter(subscription.t.as_str()),
    );
    if let Some(name) = subscription.name.as_str().filter(|_| !room.is_direct()) {
        room = room.with_name(name);
    }
    let key = format!(
        "{}/{action}",
        subscription.id.as_str().unwrap_or_else(|| room.id().as_str())
    );
    let membership = Arc::new(Membership::with_key(room, key));
    match &*action {
        "inserted" => Some(smallvec![Event::RoomJoined(membership)]),
        "removed" => Some(smallvec![Event::RoomLeft(membership)]),
        // Unread counters move with every message.
        "updated" | "changed" => Some(Events::new()),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
