//! Changing the server under a running bot: rooms, members, roles.

use super::{
    Sandbox, SandboxRefusal,
    refusal::Refusal,
    state::{
        State,
        moderate::About,
        rooms::{NewRoom, RoomKind},
    },
};

fn uid(state: &State, username: &str) -> Result<String, Refusal> {
    let user = state.user_by_name(username);
    user.map(|user| user.id.clone())
        .ok_or_else(|| Refusal::plain(format!("there is no user {username:?}")))
}

fn rid(state: &State, room: &str) -> Result<String, Refusal> {
    state
        .find_rid(room)
        .ok_or_else(|| Refusal::plain(format!("there is no room {room:?}")))
}

impl Sandbox {
    fn create(&self, kind: RoomKind, name: &str, members: &[&str]) -> Result<String, SandboxRefusal> {
        let mut state = self.state();
        let mut members = members
            .iter()
            .map(|name| uid(&state, name))
            .collect::<Result<Vec<_>, _>>()?;
        let creator = (!members.is_empty()).then(|| members.remove(0));
        let new = NewRoom {
            name: Some(name),
            creator: creator.as_deref(),
            members,
            ..NewRoom::default()
        };
        Ok(state.create_room(kind, new)?)
    }

    /// Makes a public channel; the first member owns it. Returns its id.
    ///
    /// # Errors
    ///
    /// A bad or taken name, or an unknown user.
    pub fn create_channel(&self, name: &str, members: &[&str]) -> Result<String, SandboxRefusal> {
        self.create(RoomKind::Channel, name, members)
    }

    /// Makes a private group; the first member owns it. Returns its id.
    ///
    /// # Errors
    ///
    /// A bad or taken name, or an unknown user.
    pub fn create_group(&self, name: &str, members: &[&str]) -> Result<String, SandboxRefusal> {
        self.create(RoomKind::Group, name, members)
    }

    /// Makes a discussion in a room; the first member, who must be in that room, owns it. Returns its id.
    ///
    /// # Errors
    ///
    /// An unknown room or user, or nobody to own it.
    pub fn create_discussion(
        &self,
        parent: &str,
        title: &str,
        members: &[&str],
    ) -> Result<String, SandboxRefusal> {
        let mut state = self.state();
        let parent = rid(&state, parent)?;
        let mut members = members
            .iter()
            .map(|name| uid(&state, name))
            .collect::<Result<Vec<_>, _>>()?;
        if members.is_empty() {
            return Err(Refusal::plain("a discussion needs somebody who begins it").into());
        }
        let owner = members.remove(0);
        Ok(state.create_discussion(&parent, &owner, title, members, About::default())?)
    }

    fn with_member(
        &self,
        room: &str,
        username: &str,
        act: impl FnOnce(&mut State, &str, &str) -> Result<(), Refusal>,
    ) -> Result<(), SandboxRefusal> {
        let mut state = self.state();
        let (rid, uid) = (rid(&state, room)?, uid(&state, username)?);
        act(&mut state, &rid, &uid)?;
        state.touch();
        Ok(())
    }

    /// Brings a user into a room, as its owner would.
    ///
    /// # Errors
    ///
    /// An unknown room or user.
    pub fn invite(&self, room: &str, username: &str) -> Result<(), SandboxRefusal> {
        self.with_member(room, username, |state, rid, uid| {
            let by = state.actor(rid).unwrap_or_else(|| uid.to_owned());
            state.invite(rid, &by, uid)
        })
    }

    /// Throws a user out of a room, as its owner would.
    ///
    /// # Errors
    ///
    /// An unknown room or user, or one who is not in it.
    pub fn kick(&self, room: &str, username: &str) -> Result<(), SandboxRefusal> {
        self.with_member(room, username, |state, rid, uid| {
            let by = state.actor(rid).unwrap_or_else(|| uid.to_owned());
            state.kick(rid, &by, uid)
        })
    }

    /// Gives a user a role in a room: `owner`, `moderator` or `leader`.
    ///
    /// # Errors
    ///
    /// An unknown room or user, or one who is not in it.
    pub fn set_room_role(&self, room: &str, username: &str, role: &str) -> Result<(), SandboxRefusal> {
        self.with_member(room, username, |state, rid, uid| {
            state.set_role(rid, uid, role, true)
        })
    }

    /// Takes a role in a room away.
    ///
    /// # Errors
    ///
    /// An unknown room or user, or one who is not in it.
    pub fn remove_room_role(&self, room: &str, username: &str, role: &str) -> Result<(), SandboxRefusal> {
        self.with_member(room, username, |state, rid, uid| {
            state.set_role(rid, uid, role, false)
        })
    }

    /// Mutes a user in a room, or lets the user speak again.
    ///
    /// # Errors
    ///
    /// An unknown room or user.
    pub fn set_muted(&self, room: &str, username: &str, on: bool) -> Result<(), SandboxRefusal> {
        self.with_member(room, username, |state, rid, uid| state.set_muted(rid, uid, on))
    }

    /// Makes a room read-only, or writable again.
    ///
    /// # Errors
    ///
    /// An unknown room.
    pub fn set_read_only(&self, room: &str, on: bool) -> Result<(), SandboxRefusal> {
        let mut state = self.state();
        let rid = rid(&state, room)?;
        Ok(state.set_read_only(&rid, on)?)
    }

    /// Gives a room another name.
    ///
    /// # Errors
    ///
    /// An unknown room, or a bad or taken name.
    pub fn rename(&self, room: &str, name: &str) -> Result<(), SandboxRefusal> {
        let mut state = self.state();
        let rid = rid(&state, room)?;
        Ok(state.rename(&rid, name, None)?)
    }

    /// Changes a public setting while the server runs.
    pub fn set_setting(&self, name: &str, value: impl Into<serde_json::Value>) {
        let mut state = self.state();
        let value = value.into();
        let before = state.settings.insert(name.to_owned(), value.clone());
        if before.as_ref() == Some(&value) {
            return;
        }
        let change = serde_json::json!(["updated", { "_id": name, "value": value }]);
        state.emit("stream-notify-all", "public-settings-changed", &change);
    }
}
