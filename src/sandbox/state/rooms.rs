//! Rooms and who is in them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde_json::{Map, Value, json};

use super::{State, random_id};
use crate::sandbox::refusal::Refusal;

/// Rooms that may exist; creating more is refused.
const ROOMS_MAX: usize = 10_000;
/// Bytes of a room's name.
const NAME_MAX: usize = 1_000;
/// Memberships that ended, remembered for `subscriptions.get`.
const GONE_KEPT: usize = 10_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RoomKind {
    Channel,
    Group,
    Direct,
}

impl RoomKind {
    pub(crate) fn letter(self) -> &'static str {
        match self {
            Self::Channel => "c",
            Self::Group => "p",
            Self::Direct => "d",
        }
    }
}

/// The subscription of a user to a room.
#[derive(Debug, Clone)]
pub(crate) struct Member {
    pub(crate) id: String,
    pub(crate) roles: Vec<String>,
    pub(crate) open: bool,
    pub(crate) alert: bool,
    pub(crate) unread: u64,
    pub(crate) mentions: u64,
    pub(crate) group_mentions: u64,
    pub(crate) ts: i64,
    pub(crate) seen: Option<i64>,
    /// When this member last answered in a thread.
    pub(crate) replied: Option<i64>,
    pub(crate) updated: i64,
}

#[derive(Debug, Clone)]
pub(crate) struct Room {
    pub(crate) id: String,
    pub(crate) kind: RoomKind,
    pub(crate) name: Option<String>,
    pub(crate) fname: Option<String>,
    pub(crate) topic: Option<String>,
    pub(crate) announcement: Option<String>,
    pub(crate) description: Option<String>,
    /// The room of which this is a discussion.
    pub(crate) parent: Option<String>,
    pub(crate) creator: Option<Value>,
    pub(crate) read_only: bool,
    pub(crate) muted: BTreeSet<String>,
    /// Who was muted once and is not any more.
    pub(crate) unmuted: BTreeSet<String>,
    pub(crate) members: BTreeMap<String, Member>,
    pub(crate) ts: i64,
    pub(crate) updated: i64,
    pub(crate) last: Option<i64>,
    pub(crate) last_message: Option<String>,
    pub(crate) count: u64,
    pub(crate) messages: VecDeque<String>,
}

impl Room {
    pub(crate) fn is_public(&self) -> bool {
        self.kind == RoomKind::Channel
    }
}

/// A membership that ended.
#[derive(Debug)]
pub(crate) struct Gone {
    pub(crate) uid: String,
    pub(crate) rid: String,
    pub(crate) sub: String,
    pub(crate) at: i64,
}

/// What a new room is made from.
#[derive(Debug, Default)]
pub(crate) struct NewRoom<'a> {
    pub(crate) id: Option<String>,
    pub(crate) name: Option<&'a str>,
    pub(crate) fname: Option<&'a str>,
    pub(crate) parent: Option<&'a str>,
    pub(crate) topic: Option<&'a str>,
    pub(crate) description: Option<&'a str>,
    pub(crate) creator: Option<&'a str>,
    pub(crate) read_only: bool,
    pub(crate) members: Vec<String>,
}

impl State {
    /// A room by id or by name, with or without `#`.
    pub(crate) fn find_room(&self, name: &str) -> Option<&Room> {
        let bare = name.strip_prefix('#').unwrap_or(name);
        self.rooms.get(name).or_else(|| {
            self.rooms
                .values()
                .find(|room| room.name.as_deref() == Some(bare))
        })
    }

    /// A room of a user by its name, for clients that give names.
    pub(crate) fn find_rid(&self, name: &str) -> Option<String> {
        self.find_room(name).map(|room| room.id.clone())
    }

    pub(crate) fn check_room_name(&self, name: &str) -> Result<(), Refusal> {
        let fits = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_');
        let details = json!({ "function": "RocketChat.getValidRoomName", "channel_name": name });
        if name.is_empty() || name.len() > NAME_MAX || !name.chars().all(fits) {
            let reason = format!("{name} is not a valid room name.");
            return Err(Refusal::coded("error-invalid-room-name", &reason).with_details(details));
        }
        if self.rooms.values().any(|room| room.name.as_deref() == Some(name)) {
            let reason = format!("A channel with name '{name}' exists");
            return Err(Refusal::coded("error-duplicate-channel-name", &reason).with_details(details));
        }
        Ok(())
    }

    pub(crate) fn create_room(&mut self, kind: RoomKind, new: NewRoom<'_>) -> Result<String, Refusal> {
        if let Some(name) = new.name {
            self.check_room_name(name)?;
        }
        if self.rooms.len() >= ROOMS_MAX {
            return Err(Refusal::coded(
                "error-too-many-rooms",
                "The sandbox holds no more rooms",
            ));
        }
        let now = self.now();
        let id = new.id.unwrap_or_else(random_id);
        let creator = new
            .creator
            .and_then(|uid| self.users.get(uid))
            .map(super::people::User::short);
        let room = Room {
            id: id.clone(),
            kind,
            name: new.name.map(str::to_owned),
            fname: new.fname.or(new.name).map(str::to_owned),
            topic: new.topic.map(str::to_owned),
            announcement: None,
            description: new.description.map(str::to_owned),
            parent: new.parent.map(str::to_owned),
            creator,
            read_only: new.read_only,
            muted: BTreeSet::new(),
            unmuted: BTreeSet::new(),
            members: BTreeMap::new(),
            ts: now,
            updated: now,
            last: None,
            last_message: None,
            count: 0,
            messages: VecDeque::new(),
        };
        self.rooms.insert(id.clone(), room);
        if let Some(creator) = new.creator {
            let roles = if kind == RoomKind::Direct {
                Vec::new()
            } else {
                vec!["owner".to_owned()]
            };
            self.add_member(&id, creator, roles);
        }
        for uid in new.members {
            self.add_member(&id, &uid, Vec::new());
        }
        self.touch();
        Ok(id)
    }

    /// Puts a user into a room without a message; false if already there.
    pub(crate) fn add_member(&mut self, rid: &str, uid: &str, roles: Vec<String>) -> bool {
        let now = self.now();
        let known = self.users.contains_key(uid);
        let Some(room) = self.rooms.get_mut(rid) else {
            return false;
        };
        if !known || room.members.contains_key(uid) {
            return false;
        }
        let member = Member {
            id: random_id(),
            roles,
            open: true,
            alert: false,
            unread: 0,
            mentions: 0,
            group_mentions: 0,
            ts: now,
            seen: None,
            replied: None,
            updated: now,
        };
        room.members.insert(uid.to_owned(), member);
        room.updated = now.max(room.updated + 1);
        self.notify_membership(rid, uid, "inserted");
        true
    }

    /// Takes a user out without a message; subscriptions to the room end without `nosub`.
    pub(crate) fn remove_member(&mut self, rid: &str, uid: &str) -> bool {
        let now = self.now();
        let Some(room) = self.rooms.get_mut(rid) else {
            return false;
        };
        let Some(member) = room.members.remove(uid) else {
            return false;
        };
        room.updated = now.max(room.updated + 1);
        let public = room.is_public();
        self.notify_removal(rid, uid, &member.id);
        self.gone.push_back(Gone {
            uid: uid.to_owned(),
            rid: rid.to_owned(),
            sub: member.id,
            at: now,
        });
        if self.gone.len() > GONE_KEPT {
            self.gone.pop_front();
        }
        if !public || !self.may(uid, "preview-c-room", None) {
            for session in self
                .sessions
                .values_mut()
                .filter(|s| s.uid.as_deref() == Some(uid))
            {
                session
                    .subs
                    .retain(|sub| sub.event.split('/').next() != Some(rid));
            }
        }
        self.touch();
        true
    }

    /// Finds or makes the direct room of these users; the first one asked for it.
    pub(crate) fn direct_room(&mut self, uid: &str, usernames: &[&str]) -> Result<String, Refusal> {
        let mut uids = BTreeSet::from([uid.to_owned()]);
        for username in usernames {
            let username = username.trim().trim_start_matches('@');
            let user = self.user_by_name(username).ok_or_else(|| {
                Refusal::in_method("error-invalid-user", "Invalid user", "createDirectMessage")
            })?;
            uids.insert(user.id.clone());
        }
        if let Some(room) = self
            .rooms
            .values()
            .find(|room| room.kind == RoomKind::Direct && room.members.keys().eq(uids.iter()))
        {
            return Ok(room.id.clone());
        }
        if !self.may(uid, "create-d", None) {
            return Err(Refusal::in_method(
                "error-not-allowed",
                "Not allowed",
                "createDirectMessage",
            ));
        }
        // Two people have one room for ever, and its id says so; more get a random one.
        let id = (uids.len() == 2).then(|| uids.iter().map(String::as_str).collect::<String>());
        let new = NewRoom {
            id,
            members: uids.into_iter().collect(),
            ..NewRoom::default()
        };
        self.create_room(RoomKind::Direct, new)
    }

    /// A user walks into a public channel. True if that is new.
    pub(crate) fn join(&mut self, rid: &str, uid: &str, method: &str) -> Result<bool, Refusal> {
        let room = self
            .rooms
            .get(rid)
            .ok_or_else(|| Refusal::in_method("error-invalid-room", "Invalid room", method))?;
        if room.members.contains_key(uid) {
            return Ok(false);
        }
        if !room.is_public() || !self.may(uid, "view-c-room", None) {
            return Err(Refusal::in_method("error-not-allowed", "Not allowed", method));
        }
        self.add_member(rid, uid, Vec::new());
        let name = self.username(uid);
        self.system_message(rid, uid, "uj", &name, Map::new());
        Ok(true)
    }

    pub(crate) fn leave(&mut self, rid: &str, uid: &str) -> Result<(), Refusal> {
        let method = "leaveRoom";
        let room = self
            .rooms
            .get(rid)
            .ok_or_else(|| Refusal::in_method("error-invalid-room", "Invalid room", method))?;
        let Some(member) = room.members.get(uid) else {
            let reason = "You are not in this room";
            return Err(Refusal::in_method("error-user-not-in-room", reason, method));
        };
        if room.kind == RoomKind::Direct {
            return Err(Refusal::in_method("error-not-allowed", "Not allowed", method));
        }
        let owners = room
            .members
            .values()
            .filter(|m| m.roles.iter().any(|r| r == "owner"))
            .count();
        if member.roles.iter().any(|r| r == "owner") && owners == 1 && room.members.len() > 1 {
            let reason = "You are the last owner. Please set new owner before leaving the room.";
            return Err(Refusal::in_method("error-you-are-last-owner", reason, method));
        }
        let name = self.username(uid);
        self.remove_member(rid, uid);
        self.system_message(rid, uid, "ul", &name, Map::new());
        Ok(())
    }

    pub(crate) fn username(&self, uid: &str) -> String {
        self.users
            .get(uid)
            .map(|user| user.username.clone())
            .unwrap_or_default()
    }

    /// Marks a room as unread from a point of time on; false for who is not in it.
    pub(crate) fn unread_from(&mut self, rid: &str, uid: &str, first: i64) -> bool {
        let now = self.now();
        let Some(member) = self.rooms.get_mut(rid).and_then(|room| room.members.get_mut(uid)) else {
            return false;
        };
        member.alert = true;
        member.seen = Some(first.saturating_sub(1));
        member.updated = now.max(member.updated + 1);
        self.notify_subscription(rid, uid);
        true
    }

    /// Marks a room as read.
    pub(crate) fn read(&mut self, rid: &str, uid: &str) -> bool {
        let now = self.now();
        let Some(member) = self.rooms.get_mut(rid).and_then(|room| room.members.get_mut(uid)) else {
            return false;
        };
        member.alert = false;
        member.unread = 0;
        member.mentions = 0;
        member.group_mentions = 0;
        member.seen = Some(now);
        member.updated = now.max(member.updated + 1);
        self.notify_subscription(rid, uid);
        true
    }
}
