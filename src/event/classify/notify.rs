//! What is told beside the messages: typing, deletions, and the rooms that the bot comes into and leaves.

use std::sync::Arc;

use bytestring::ByteString;
use serde::Deserialize;
use serde_json::value::RawValue;
use smallvec::smallvec;

use super::{Classifier, Events};
use crate::event::wire::{self, Field, Shape, Wire};
use crate::event::{Event, Membership, MessageId, Room, RoomId, RoomKind, Typing};

impl Classifier {
    /// `None` where it is nothing that we model.
    pub(super) fn notify_room(&mut self, event_name: &str, args: &str) -> Option<Events> {
        let (room_id, event) = event_name.split_once('/')?;
        let room_id = RoomId::from(room_id);
        let args: Vec<&RawValue> = serde_json::from_str(args).ok()?;
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
                let ids = ids.into_iter().map(MessageId::from);
                Some(ids.filter_map(|id| self.deleted(&id, &room_id)).collect())
            }
            _ => None,
        }
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
struct Ids {
    ids: Vec<String>,
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

/// `None` where it is nothing that we model.
pub(super) fn user(event_name: &ByteString, args: &ByteString) -> Option<Events> {
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
    let key = format!(
        "{}/{action}",
        subscription.id.as_str().unwrap_or_else(|| room.id().as_str())
    );
    let membership = Arc::new(Membership::with_key(room, key));
    match &*action {
        // Somebody invited the bot, or keeps it out: it is in the room in neither case.
        "inserted" if matches!(subscription.status.as_str(), Some("INVITED" | "BANNED")) => {
            Some(Events::new())
        }
        "inserted" => Some(smallvec![Event::RoomJoined(membership)]),
        "removed" => Some(smallvec![Event::RoomLeft(membership)]),
        // Unread counters move with every message.
        "updated" | "changed" => Some(Events::new()),
        _ => None,
    }
}
