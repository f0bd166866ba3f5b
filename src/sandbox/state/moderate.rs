//! What owners do to rooms and people: invite, remove, mute, roles, read-only, discussions.

use serde_json::{Map, Value, json};

use super::{
    State,
    rooms::{NewRoom, RoomKind},
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
            match on {
                true => room.muted.insert(name.clone()),
                false => room.muted.remove(&name),
            };
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
        self.room_exists(rid, "saveRoomSettings")?;
        if let Some(room) = self.rooms.get_mut(rid) {
            room.topic = Some(super::weight::kept(topic));
        }
        self.system_message(rid, by, "room_changed_topic", topic, Map::new());
        self.notify_room(rid);
        Ok(())
    }

    pub(crate) fn rename(&mut self, rid: &str, name: &str) -> Result<(), Refusal> {
        self.room_exists(rid, "saveRoomSettings")?;
        self.check_room_name(name)?;
        let now = self.now();
        if let Some(room) = self.rooms.get_mut(rid) {
            room.name = Some(name.to_owned());
            room.fname = Some(name.to_owned());
            room.updated = now.max(room.updated + 1);
        }
        if let Some(by) = self.actor(rid) {
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
        // Its name looks like an id, as on the real server; people read `fname`.
        let name = super::random_id();
        let new = NewRoom {
            name: Some(&name),
            fname: Some(&super::weight::kept(title)),
            parent: Some(parent),
            creator: Some(uid),
            members,
            ..NewRoom::default()
        };
        let rid = self.create_room(kind, new)?;
        let announcement = Map::from_iter([("drid".to_owned(), json!(rid))]);
        self.system_message(parent, uid, "discussion-created", title, announcement);
        Ok(rid)
    }
}
