//! What owners do to rooms and people: invite, remove, mute, roles, read-only, discussions.

use serde_json::{Map, Value, json};

use super::{
    State, date,
    messages::avatar,
    rooms::{NewRoom, Room, RoomKind},
};
use crate::sandbox::refusal::Refusal;

impl State {
    fn room_exists(&self, rid: &str, method: &str) -> Result<(), Refusal> {
        match self.rooms.contains_key(rid) {
            true => Ok(()),
            false => Err(Refusal::in_method("error-invalid-room", "Invalid room", method)),
        }
    }

    /// `by` brings `uid` in.
    pub(crate) fn invite(&mut self, rid: &str, by: &str, uid: &str) -> Result<(), Refusal> {
        self.room_exists(rid, "addUsersToRoom")?;
        if self.add_member(rid, uid, Vec::new()) {
            let name = self.username(uid);
            self.system_message(rid, by, "au", &name, Map::new());
        }
        Ok(())
    }

    /// `by` throws `uid` out.
    pub(crate) fn kick(&mut self, rid: &str, by: &str, uid: &str) -> Result<(), Refusal> {
        self.room_exists(rid, "removeUserFromRoom")?;
        if !self.remove_member(rid, uid) {
            let reason = "User is not in this room";
            return Err(Refusal::in_method(
                "error-user-not-in-room",
                reason,
                "removeUserFromRoom",
            ));
        }
        let name = self.username(uid);
        self.system_message(rid, by, "ru", &name, Map::new());
        Ok(())
    }

    /// Whoever acts for the room when the owner of the sandbox does something: its creator, or any member.
    pub(crate) fn actor(&self, rid: &str) -> Option<String> {
        let room = self.rooms.get(rid)?;
        let creator = room
            .creator
            .as_ref()
            .and_then(|u| u.get("_id"))
            .and_then(Value::as_str);
        creator
            .map(str::to_owned)
            .or_else(|| room.members.keys().next().cloned())
    }

    pub(crate) fn set_role(&mut self, rid: &str, uid: &str, role: &str, on: bool) -> Result<(), Refusal> {
        let now = self.now();
        let member = self
            .rooms
            .get_mut(rid)
            .and_then(|room| room.members.get_mut(uid))
            .ok_or_else(|| {
                Refusal::in_method("error-user-not-in-room", "User is not in this room", "setRole")
            })?;
        if member.roles.iter().any(|held| held == role) == on {
            return Ok(());
        }
        member.roles.retain(|held| held != role);
        if on {
            member.roles.push(role.to_owned());
        }
        member.updated = now.max(member.updated + 1);
        let name = self.username(uid);
        let by = self.actor(rid).unwrap_or_else(|| uid.to_owned());
        let kind = if on {
            "subscription-role-added"
        } else {
            "subscription-role-removed"
        };
        self.system_message(
            rid,
            &by,
            kind,
            &name,
            Map::from_iter([("role".to_owned(), json!(role))]),
        );
        let change = json!([{
            "type": if on { "added" } else { "removed" },
            "_id": role,
            "u": { "_id": uid, "username": name },
            "scope": rid,
        }]);
        self.emit("stream-notify-logged", "roles-change", &change);
        self.notify_subscription(rid, uid);
        Ok(())
    }

    pub(crate) fn set_muted(&mut self, rid: &str, uid: &str, on: bool) -> Result<(), Refusal> {
        self.room_exists(rid, "muteUserInRoom")?;
        let name = self.username(uid);
        let now = self.now();
        if let Some(room) = self.rooms.get_mut(rid) {
            let (into, from) = match on {
                true => (&mut room.muted, &mut room.unmuted),
                false => (&mut room.unmuted, &mut room.muted),
            };
            from.remove(&name);
            into.insert(name.clone());
            room.updated = now.max(room.updated + 1);
        }
        let by = self.actor(rid).unwrap_or_else(|| uid.to_owned());
        self.system_message(
            rid,
            &by,
            if on { "user-muted" } else { "user-unmuted" },
            &name,
            Map::new(),
        );
        self.notify_room(rid);
        Ok(())
    }

    pub(crate) fn set_read_only(&mut self, rid: &str, on: bool) -> Result<(), Refusal> {
        self.room_exists(rid, "saveRoomSettings")?;
        let now = self.now();
        if let Some(room) = self.rooms.get_mut(rid) {
            room.read_only = on;
            room.updated = now.max(room.updated + 1);
        }
        if let Some(by) = self.actor(rid) {
            let kind = if on {
                "room-set-read-only"
            } else {
                "room-removed-read-only"
            };
            self.system_message(rid, &by, kind, "", Map::new());
        }
        self.notify_room(rid);
        Ok(())
    }

    pub(crate) fn set_topic(&mut self, rid: &str, by: &str, topic: &str) -> Result<(), Refusal> {
        self.set_line(rid, by, Line::Topic, topic)
    }

    pub(crate) fn set_line(&mut self, rid: &str, by: &str, line: Line, text: &str) -> Result<(), Refusal> {
        self.room_exists(rid, "saveRoomSettings")?;
        let now = self.now();
        if let Some(room) = self.rooms.get_mut(rid) {
            *line.of(room) = Some(super::weight::kept(text));
            room.updated = now.max(room.updated + 1);
        }
        self.system_message(rid, by, line.told_as(), text, Map::new());
        self.notify_room(rid);
        Ok(())
    }

    /// `by`, or whoever acts for the room.
    pub(crate) fn rename(&mut self, rid: &str, name: &str, by: Option<String>) -> Result<(), Refusal> {
        self.room_exists(rid, "saveRoomSettings")?;
        self.check_room_name(name)?;
        let now = self.now();
        if let Some(room) = self.rooms.get_mut(rid) {
            room.name = Some(name.to_owned());
            room.fname = Some(name.to_owned());
            room.updated = now.max(room.updated + 1);
        }
        if let Some(by) = by.or_else(|| self.actor(rid)) {
            self.system_message(rid, &by, "r", name, Map::new());
        }
        self.notify_room(rid);
        Ok(())
    }

    /// A room beside a room, announced in the parent. Returns its id.
    pub(crate) fn create_discussion(
        &mut self,
        parent: &str,
        uid: &str,
        title: &str,
        members: Vec<String>,
        about: About<'_>,
    ) -> Result<String, Refusal> {
        let method = "createDiscussion";
        let room = self
            .rooms
            .get(parent)
            .filter(|room| room.members.contains_key(uid))
            .ok_or_else(|| Refusal::in_method("error-not-allowed", "Not allowed", method))?;
        let kind = match room.kind {
            RoomKind::Channel => RoomKind::Channel,
            RoomKind::Group | RoomKind::Direct => RoomKind::Group,
        };
        let topic = self.room_title(room, uid).1;
        let subject = match about.message {
            None => None,
            Some(id) => {
                let found = self.messages.get(id).filter(|message| message.rid == parent);
                let unknown = || Refusal::in_method("error-invalid-message", "Invalid message", method);
                Some(found.ok_or_else(unknown)?.clone())
            }
        };
        // Its name looks like an id, as on the real server; people read `fname`.
        let name = super::random_id();
        let new = NewRoom {
            name: Some(&name),
            fname: Some(&super::weight::kept(title)),
            parent: Some(parent),
            topic: Some(&topic),
            description: subject.as_ref().and_then(|message| message.text("msg")),
            creator: Some(uid),
            members,
            ..NewRoom::default()
        };
        let rid = self.create_room(kind, new)?;
        let quote = subject.map(|message| {
            let author = message.doc.get("u").cloned().unwrap_or_default();
            json!([{
                "text": message.text("msg"),
                "author_name": author.get("username"),
                "author_icon": avatar(&author),
                "message_link": format!("/channel/{topic}?msg={}", message.id),
                "ts": date(message.ts),
            }])
        });
        let quoted = quote.clone().unwrap_or_else(|| json!([]));
        let announcement = Map::from_iter([
            ("drid".to_owned(), json!(rid)),
            ("attachments".to_owned(), quoted),
        ]);
        self.system_message(parent, uid, "discussion-created", title, announcement);
        if let Some(quote) = quote {
            // It begins with what it is about, without a word.
            let first = Map::from_iter([("rid".to_owned(), json!(rid)), ("attachments".to_owned(), quote)]);
            self.insert(uid, first);
        }
        if let Some(reply) = about.reply.filter(|text| !text.is_empty()) {
            let reply = Map::from_iter([("rid".to_owned(), json!(rid)), ("msg".to_owned(), json!(reply))]);
            self.insert(uid, reply);
        }
        Ok(rid)
    }
}

/// A text of a room that its page shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Line {
    Topic,
    Announcement,
    Description,
}

impl Line {
    fn of(self, room: &mut Room) -> &mut Option<String> {
        match self {
            Self::Topic => &mut room.topic,
            Self::Announcement => &mut room.announcement,
            Self::Description => &mut room.description,
        }
    }

    /// The type of the message that says so in the room.
    fn told_as(self) -> &'static str {
        match self {
            Self::Topic => "room_changed_topic",
            Self::Announcement => "room_changed_announcement",
            Self::Description => "room_changed_description",
        }
    }
}

/// What a discussion begins with.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct About<'a> {
    /// The id of the message that it is about.
    pub(crate) message: Option<&'a str>,
    /// The first thing said in it.
    pub(crate) reply: Option<&'a str>,
}
