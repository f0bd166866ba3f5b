//! What is told beside the messages: typing, deletions, and the rooms that the bot comes into and leaves.

use std::collections::VecDeque;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::value::RawValue;
use smallvec::smallvec;

use super::{Classifier, Events, StreamEvent};
use crate::event::wire::{self, Field, Shape, Wire};
use crate::event::{Event, Membership, MessageId, Room, RoomId, RoomKind, Typing};

impl Classifier {
    /// `None` where it is nothing that we model.
    pub(super) fn notify_room(&mut self, stream: &StreamEvent) -> Option<Events> {
        let (room_id, event) = stream.event_name.split_once('/')?;
        let room_id = RoomId::from(room_id);
        let args: Vec<&RawValue> = serde_json::from_str(&stream.args).ok()?;
        let first = args.first()?.get();
        match event {
            "user-activity" => {
                let activities: Vec<&RawValue> = serde_json::from_str(args.get(1)?.get()).ok()?;
                let is_typing = activities
                    .iter()
                    .any(|activity| activity.get() == r#""user-typing""#);
                let typing = Typing::new(room_id, serde_json::from_str::<String>(first).ok()?, is_typing);
                let thread = args.get(2).and_then(|more| {
                    let thread: Thread = serde_json::from_str(more.get()).ok()?;
                    thread.tmid.filter(|id| !id.is_empty())
                });
                Some(smallvec![Event::Typing(Arc::new(match thread {
                    Some(thread) => typing.in_thread(thread),
                    None => typing,
                }))])
            }
            // Servers before 4.
            "typing" => {
                let username: String = serde_json::from_str(first).ok()?;
                let is_typing: bool = serde_json::from_str(args.get(1)?.get()).ok()?;
                let typing = Typing::new(room_id, username, is_typing);
                Some(smallvec![Event::Typing(Arc::new(typing))])
            }
            "deleteMessage" => {
                let Id { id } = serde_json::from_str(first).ok()?;
                let deleted = self.deleted(&MessageId::from(id), &room_id);
                Some(deleted.into_iter().collect())
            }
            // Which ones is said only where they were picked; else by time and author, and they stay a raw event.
            "deleteMessageBulk" => {
                let Ids { ids } = serde_json::from_str(first).ok()?;
                let ids: Vec<Option<MessageId>> = ids
                    .into_iter()
                    .map(|id| serde_json::from_str::<String>(id.get()).ok().map(MessageId::from))
                    .collect();
                let known = ids.iter().flatten();
                let mut events: Events = known.filter_map(|id| self.deleted(id, &room_id)).collect();
                // None is named, or not all can be read: what else it says must not be lost.
                if ids.is_empty() || ids.contains(&None) {
                    events.push(stream.raw());
                }
                Some(events)
            }
            _ => None,
        }
    }

    /// `None` where it is nothing that we model.
    pub(super) fn notify_user(&mut self, event_name: &str, args: &str) -> Option<Events> {
        if event_name.split_once('/')?.1 != "subscriptions-changed" {
            return None;
        }
        let raw: Vec<&RawValue> = serde_json::from_str(args).ok()?;
        let action: String = serde_json::from_str(raw.first()?.get()).ok()?;
        let subscription: WireSubscription<'_> = wire::read(raw.get(1)?.get()).ok()?;
        let room_id = subscription.rid.as_str().filter(|id| !id.is_empty())?;
        let mut room = Room::new(room_id, RoomKind::from_letter(subscription.t.as_str()));
        if let Some(name) = subscription.name.as_str().filter(|_| !room.is_direct()) {
            room = room.with_name(name);
        }
        let id = subscription.id.as_str().unwrap_or(room_id);
        let membership = |what: &str| Arc::new(Membership::with_key(room, format!("{id}/{what}")));
        match (&*action, subscription.status.as_str()) {
            // Somebody invited the bot: it is not in the room yet.
            ("inserted" | "updated" | "changed", Some("INVITED")) => {
                self.invitations.add(id);
                Some(Events::new())
            }
            // Somebody keeps it out.
            ("inserted", Some("BANNED")) => Some(Events::new()),
            ("inserted", _) => Some(smallvec![Event::RoomJoined(membership("inserted"))]),
            ("updated" | "changed", None) if self.invitations.remove(id) => {
                Some(smallvec![Event::RoomJoined(membership("accepted"))])
            }
            // Unread counters move with every message.
            ("updated" | "changed", _) => Some(Events::new()),
            // It was declined or taken back: the bot was never in the room.
            ("removed", _) if self.invitations.remove(id) => Some(Events::new()),
            ("removed", _) => Some(smallvec![Event::RoomLeft(membership("removed"))]),
            _ => None,
        }
    }
}

/// Invitations that are open at once; of more the oldest are forgotten.
const MOST_INVITATIONS: usize = 256;

/// The rooms that the bot is invited to: the ids of its subscriptions.
#[derive(Debug, Default)]
pub(super) struct Invitations(VecDeque<Box<str>>);

impl Invitations {
    fn add(&mut self, id: &str) {
        self.remove(id);
        if self.0.len() == MOST_INVITATIONS {
            self.0.pop_front();
        }
        self.0.push_back(id.into());
    }

    /// Whether there was one.
    fn remove(&mut self, id: &str) -> bool {
        let before = self.0.len();
        self.0.retain(|known| &**known != id);
        self.0.len() < before
    }
}

#[derive(Deserialize)]
struct Thread {
    tmid: Option<String>,
}

#[derive(Deserialize)]
struct Id {
    #[serde(rename = "_id")]
    id: String,
}

#[derive(Deserialize)]
struct Ids<'a> {
    #[serde(borrow)]
    ids: Vec<&'a RawValue>,
}

/// A subscription, which is a user's membership of a room, as far as it says whether there is one.
#[derive(Default, Deserialize)]
#[serde(default)]
struct WireSubscription<'a> {
    #[serde(borrow, rename = "_id")]
    id: Shape<'a>,
    #[serde(borrow)]
    rid: Shape<'a>,
    #[serde(borrow)]
    t: Shape<'a>,
    #[serde(borrow)]
    name: Shape<'a>,
    #[serde(borrow)]
    status: Shape<'a>,
}

impl<'a> Wire<'a> for WireSubscription<'a> {
    fn field(&mut self, name: &str) -> Option<Field<'_, 'a>> {
        Some(Field::Shape(match name {
            "_id" => &mut self.id,
            "rid" => &mut self.rid,
            "t" => &mut self.t,
            "name" => &mut self.name,
            "status" => &mut self.status,
            _ => return None,
        }))
    }
}
