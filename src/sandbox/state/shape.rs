//! Rooms, subscriptions and users as the JSON that clients see. Dates are EJSON here.

use serde_json::{Map, Value, json};

use super::{
    State, date,
    people::User,
    rooms::{Member, Room},
};

/// Entries of one answer to a search.
const FOUND_MAX: usize = 50;

fn put(object: &mut Map<String, Value>, key: &str, value: Option<Value>) {
    if let Some(value) = value {
        object.insert(key.to_owned(), value);
    }
}

impl State {
    /// A room as lists of one's own rooms and their changes have it: without what only its page shows.
    pub(crate) fn room_in_list(&self, room: &Room) -> Value {
        let mut value = self.room_json(room);
        if let Some(object) = value.as_object_mut() {
            object.remove("msgs");
            object.remove("ts");
        }
        value
    }

    pub(crate) fn room_json(&self, room: &Room) -> Value {
        let mut object = Map::new();
        object.insert("_id".into(), json!(room.id));
        object.insert("t".into(), json!(room.kind.letter()));
        put(&mut object, "name", room.name.as_deref().map(Value::from));
        put(&mut object, "fname", room.fname.as_deref().map(Value::from));
        put(&mut object, "topic", room.topic.as_deref().map(Value::from));
        put(
            &mut object,
            "announcement",
            room.announcement.as_deref().map(Value::from),
        );
        put(
            &mut object,
            "description",
            room.description.as_deref().map(Value::from),
        );
        put(&mut object, "prid", room.parent.as_deref().map(Value::from));
        put(&mut object, "u", room.creator.clone());
        object.insert("msgs".into(), json!(room.count));
        object.insert("usersCount".into(), json!(room.members.len()));
        object.insert("ts".into(), date(room.ts));
        object.insert("_updatedAt".into(), date(room.updated));
        put(&mut object, "lm", room.last.map(date));
        let last = room.last_message.as_ref().and_then(|id| self.messages.get(id));
        put(
            &mut object,
            "lastMessage",
            last.map(|message| Value::Object(message.doc.clone())),
        );
        if room.name.is_none() {
            let users = room.members.keys().filter_map(|uid| self.users.get(uid));
            let (uids, names): (Vec<_>, Vec<_>) =
                users.map(|user| (user.id.clone(), user.username.clone())).unzip();
            object.insert("uids".into(), json!(uids));
            object.insert("usernames".into(), json!(names));
        } else {
            object.insert("ro".into(), json!(room.read_only));
            object.insert("customFields".into(), json!({}));
        }
        if !room.muted.is_empty() || !room.unmuted.is_empty() {
            object.insert("muted".into(), json!(room.muted));
        }
        if !room.unmuted.is_empty() {
            object.insert("unmuted".into(), json!(room.unmuted));
        }
        Value::Object(object)
    }

    pub(crate) fn subscription_json(&self, room: &Room, uid: &str, member: &Member) -> Value {
        let mut object = Map::new();
        object.insert("_id".into(), json!(member.id));
        object.insert("rid".into(), json!(room.id));
        object.insert("t".into(), json!(room.kind.letter()));
        object.insert(
            "u".into(),
            self.users.get(uid).map(User::author).unwrap_or_default(),
        );
        let (name, fname) = self.room_title(room, uid);
        object.insert("name".into(), json!(name));
        object.insert("fname".into(), json!(fname));
        object.insert("open".into(), json!(member.open));
        object.insert("alert".into(), json!(member.alert));
        object.insert("unread".into(), json!(member.unread));
        object.insert("userMentions".into(), json!(member.mentions));
        object.insert("groupMentions".into(), json!(member.group_mentions));
        object.insert("ts".into(), date(member.ts));
        object.insert("_updatedAt".into(), date(member.updated));
        put(&mut object, "ls", member.seen.map(date));
        put(&mut object, "lr", member.replied.map(date));
        put(&mut object, "prid", room.parent.as_deref().map(Value::from));
        if !member.roles.is_empty() {
            object.insert("roles".into(), json!(member.roles));
        }
        Value::Object(object)
    }

    /// Name and friendly name of a room for one of its members: a direct room is named after the others.
    pub(crate) fn room_title(&self, room: &Room, uid: &str) -> (String, String) {
        if let Some(name) = &room.name {
            return (name.clone(), room.fname.clone().unwrap_or_else(|| name.clone()));
        }
        let others: Vec<&User> = room
            .members
            .keys()
            .filter(|other| room.members.len() == 1 || other.as_str() != uid)
            .filter_map(|other| self.users.get(other))
            .collect();
        let join = |pick: fn(&User) -> &str| others.iter().map(|u| pick(u)).collect::<Vec<_>>().join(", ");
        (join(|user| &user.username), join(|user| &user.name))
    }

    /// A user as lists of members have it.
    pub(crate) fn member_json(user: &User) -> Value {
        let mut object = Map::new();
        object.insert("_id".into(), json!(user.id));
        object.insert("username".into(), json!(user.username));
        object.insert("name".into(), json!(user.name));
        object.insert("status".into(), json!(user.presence.name()));
        if !user.status_text.is_empty() {
            object.insert("statusText".into(), json!(user.status_text));
        }
        put(&mut object, "utcOffset", user.utc_offset.map(Value::from));
        Value::Object(object)
    }

    /// A user for everybody, or with the private part for the user itself.
    pub(crate) fn user_json(&self, user: &User, private: bool) -> Value {
        let site = self
            .settings
            .get("Site_Url")
            .and_then(Value::as_str)
            .unwrap_or_default();
        let mut object = Map::new();
        object.insert("_id".into(), json!(user.id));
        object.insert("username".into(), json!(user.username));
        object.insert("name".into(), json!(user.name));
        let kind = if user.roles.iter().any(|role| role == "bot") {
            "bot"
        } else {
            "user"
        };
        object.insert("type".into(), json!(kind));
        object.insert("status".into(), json!(user.presence.name()));
        object.insert("active".into(), json!(true));
        if !user.status_text.is_empty() {
            object.insert("statusText".into(), json!(user.status_text));
        }
        put(&mut object, "utcOffset", user.utc_offset.map(Value::from));
        if private {
            object.insert("roles".into(), json!(user.roles));
            object.insert(
                "emails".into(),
                json!([{ "address": user.email(), "verified": false }]),
            );
            object.insert("createdAt".into(), date(user.created));
            object.insert("_updatedAt".into(), date(user.created));
            object.insert("statusConnection".into(), json!(user.presence.name()));
            object.insert("statusDefault".into(), json!(user.chosen.name()));
            object.insert(
                "avatarUrl".into(),
                json!(format!("{site}/avatar/{}", user.username)),
            );
            object.insert("settings".into(), json!({ "preferences": preferences() }));
            // The real server hands out a hash here; clients must not log it.
            object.insert(
                "services".into(),
                json!({ "password": { "bcrypt": "$2b$10$sandbox" }, "email2fa": { "enabled": false } }),
            );
        }
        Value::Object(object)
    }
}

/// What everybody has who never chose otherwise.
fn preferences() -> Value {
    json!({
        "enableAutoAway": true,
        "idleTimeLimit": 300,
        "desktopNotificationRequireInteraction": false,
        "desktopNotifications": "all",
        "pushNotifications": "all",
        "unreadAlert": true,
        "useEmojis": true,
        "convertAsciiEmoji": true,
        "autoImageLoad": true,
        "saveMobileBandwidth": true,
        "collapseMediaByDefault": false,
        "hideUsernames": false,
        "hideRoles": false,
        "hideFlexTab": false,
        "displayAvatars": true,
        "sidebarGroupByType": true,
        "sidebarViewMode": "medium",
        "sidebarDisplayAvatar": true,
        "sidebarShowUnread": false,
        "sidebarSortby": "activity",
        "sidebarShowFavorites": true,
        "sidebarSectionsOrder": [],
        "sendOnEnter": "normal",
        "emailNotificationMode": "mentions",
        "newRoomNotification": "door",
        "newMessageNotification": "chime",
        "muteFocusedConversations": true,
        "notificationsSoundVolume": 100,
        "themeAppearence": "auto",
        "language": "",
    })
}

impl State {
    /// What `rooms/get` gives: a list, or with a date what changed since.
    pub(crate) fn rooms_since(&self, uid: &str, since: Option<&Value>) -> Value {
        let at = since.and_then(super::history::parse_date);
        let update: Vec<Value> = self
            .rooms_of(uid, at)
            .map(|room| self.room_in_list(room))
            .collect();
        let Some(at) = at else { return json!(update) };
        json!({ "update": update, "remove": self.removed(uid, at, false) })
    }

    /// What `subscriptions/get` gives: a list, or with a date what changed since.
    pub(crate) fn subscriptions_since(&self, uid: &str, since: Option<&Value>) -> Value {
        let at = since.and_then(super::history::parse_date);
        let mine = self
            .rooms_of(uid, None)
            .filter_map(|room| Some((room, room.members.get(uid)?)));
        let changed = mine.filter(|(_, member)| at.is_none_or(|at| member.updated > at));
        let update: Vec<Value> = changed
            .map(|(room, member)| self.subscription_json(room, uid, member))
            .collect();
        let Some(at) = at else { return json!(update) };
        json!({ "update": update, "remove": self.removed(uid, at, true) })
    }

    fn removed(&self, uid: &str, since: i64, subscriptions: bool) -> Vec<Value> {
        self.gone
            .iter()
            .filter(|gone| gone.uid == uid && gone.at > since)
            .map(|gone| {
                let id = if subscriptions { &gone.sub } else { &gone.rid };
                json!({ "_id": id, "_deletedAt": date(gone.at) })
            })
            .collect()
    }

    /// Users whose name or username has the text in it.
    pub(crate) fn people_named(&self, text: &str) -> Vec<Value> {
        let text = text.to_lowercase();
        let fits = |name: &str| name.to_lowercase().contains(&text);
        let found = self.users.values();
        let found = found.filter(|user| fits(&user.username) || fits(&user.name));
        found.take(FOUND_MAX).map(Self::member_json).collect()
    }

    /// Users and public channels whose name has the text in it.
    pub(crate) fn spotlight(&self, uid: &str, text: &str, people: bool, rooms: bool) -> Value {
        let found: Vec<Value> = self
            .rooms
            .values()
            .filter(|room| rooms && room.is_public() && self.can_access(uid, room))
            .filter(|room| room.name.as_deref().is_some_and(|name| name.contains(text)))
            .take(FOUND_MAX)
            .map(|room| json!({ "_id": room.id, "t": room.kind.letter(), "name": room.name, "fname": room.fname }))
            .collect();
        // Who may not look beyond the own rooms finds nobody.
        let people = if people && self.may(uid, "view-outside-room", None) {
            self.people_named(text)
        } else {
            Vec::new()
        };
        json!({ "users": people, "rooms": found })
    }

    /// Who has a role in the room.
    pub(crate) fn room_roles(&self, room: &Room) -> Value {
        let held = room.members.iter().filter(|(_, member)| !member.roles.is_empty());
        let roles = held.filter_map(|(uid, member)| {
            let user = self.users.get(uid)?.short();
            Some(json!({ "_id": member.id, "rid": room.id, "u": user, "roles": member.roles }))
        });
        Value::Array(roles.collect())
    }
}
