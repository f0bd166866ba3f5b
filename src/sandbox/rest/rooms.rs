//! Rooms over REST: looking at them, making them, joining and leaving.

use serde_json::{Value, json};

use super::{Call, Outcome, object, paged};
use crate::sandbox::{
    refusal::Refusal,
    state::{
        State,
        moderate::About,
        rooms::{NewRoom, Room, RoomKind},
    },
};

fn word(kind: RoomKind) -> &'static str {
    match kind {
        RoomKind::Channel => "channel",
        RoomKind::Group => "group",
        RoomKind::Direct => "im",
    }
}

pub(super) fn not_found(kind: RoomKind) -> Refusal {
    let word = word(kind);
    let reason = format!("The required \"roomId\" or \"roomName\" param provided does not match any {word}");
    Refusal::coded("error-room-not-found", &reason)
}

/// The room of this kind that query or body name.
pub(super) fn named<'a>(call: &'a Call<'_>, kind: RoomKind) -> Result<&'a Room, Refusal> {
    let id = call.query("roomId").or(call.text("roomId"));
    let name = call.query("roomName").or(call.text("roomName"));
    // Two people have one room, so that one of them names it to the other.
    let other = call.query("username").filter(|_| kind == RoomKind::Direct);
    let room = match (id, name, other) {
        (Some(id), ..) => call.state.rooms.get(id),
        (None, Some(name), _) => call.state.find_room(name),
        (None, None, Some(other)) => {
            let other = call.state.user_by_name(other).map(|user| user.id.as_str());
            let both = [Some(call.uid.as_str()), other];
            let has = |room: &&Room, uid: Option<&str>| uid.is_some_and(|uid| room.members.contains_key(uid));
            let mut direct = call.state.rooms.values().filter(|room| room.kind == kind);
            direct.find(|room| room.members.len() == 2 && both.iter().all(|uid| has(room, *uid)))
        }
        (None, None, None) => {
            let reason = "The parameter \"roomId\" or \"roomName\" is required";
            return Err(Refusal::coded("error-roomid-param-not-provided", reason));
        }
    };
    let room = room.filter(|room| room.kind == kind && call.state.can_access(&call.uid, room));
    room.ok_or_else(|| not_found(kind))
}

pub(super) fn info(call: &mut Call<'_>) -> Outcome {
    let room = match (call.query("roomId"), call.query("roomName")) {
        (Some(id), _) => call.state.rooms.get(id),
        (None, Some(name)) => call.state.find_room(name),
        (None, None) => {
            let reason = "The parameter \"roomId\" or \"roomName\" is required";
            return Err(Refusal::coded("error-roomid-param-not-provided", reason));
        }
    };
    let room = room.ok_or_else(|| not_found(RoomKind::Channel))?;
    if !call.state.can_access(&call.uid, room) {
        return Err(Refusal::coded("not-allowed", "Not Allowed"));
    }
    let mut answer = object([("room", call.state.room_json(room))]);
    if let Some(parent) = room.parent.as_ref().and_then(|id| call.state.rooms.get(id)) {
        let parent = json!({ "_id": parent.id, "name": parent.name, "fname": parent.fname, "t": parent.kind.letter() });
        answer.insert("parent".to_owned(), parent);
    }
    Ok(answer)
}

fn one(call: &Call<'_>, kind: RoomKind) -> Outcome {
    let room = named(call, kind)?;
    Ok(object([(word(kind), call.state.room_json(room))]))
}

pub(super) fn channel_info(call: &mut Call<'_>) -> Outcome {
    one(call, RoomKind::Channel)
}

pub(super) fn group_info(call: &mut Call<'_>) -> Outcome {
    one(call, RoomKind::Group)
}

fn members(call: &Call<'_>, kind: RoomKind) -> Outcome {
    let room = named(call, kind)?;
    let users = room.members.keys().filter_map(|uid| call.state.users.get(uid));
    let all: Vec<Value> = users.map(State::member_json).collect();
    Ok(paged(call, "members", &all))
}

pub(super) fn channel_members(call: &mut Call<'_>) -> Outcome {
    members(call, RoomKind::Channel)
}

pub(super) fn group_members(call: &mut Call<'_>) -> Outcome {
    members(call, RoomKind::Group)
}

pub(super) fn channel_roles(call: &mut Call<'_>) -> Outcome {
    let room = named(call, RoomKind::Channel)?;
    Ok(object([("roles", call.state.room_roles(room))]))
}

pub(super) fn group_roles(call: &mut Call<'_>) -> Outcome {
    let room = named(call, RoomKind::Group)?;
    Ok(object([("roles", call.state.room_roles(room))]))
}

pub(super) fn direct_members(call: &mut Call<'_>) -> Outcome {
    members(call, RoomKind::Direct)
}

fn rename(call: &mut Call<'_>, kind: RoomKind) -> Outcome {
    let (rid, name) = (named(call, kind)?.id.clone(), call.need("name")?);
    if !call.state.may(&call.uid, "edit-room", Some(&rid)) {
        let reason = "Editing room is not allowed";
        return Err(Refusal::in_method(
            "error-action-not-allowed",
            reason,
            "saveRoomSettings",
        ));
    }
    let uid = call.uid.clone();
    call.state.rename(&rid, &name, Some(uid))?;
    shown(call, kind, &rid)
}

pub(super) fn rename_channel(call: &mut Call<'_>) -> Outcome {
    rename(call, RoomKind::Channel)
}

pub(super) fn rename_group(call: &mut Call<'_>) -> Outcome {
    rename(call, RoomKind::Group)
}

fn list(call: &Call<'_>, kind: RoomKind, joined: bool, key: &str) -> Outcome {
    let rooms = call.state.rooms.values().filter(|room| room.kind == kind);
    let mut mine: Vec<&Room> = rooms
        .filter(|room| !joined || room.members.contains_key(&call.uid))
        .collect();
    mine.sort_by(|one, other| one.name.cmp(&other.name));
    let all: Vec<Value> = mine.into_iter().map(|room| call.state.room_json(room)).collect();
    Ok(paged(call, key, &all))
}

pub(super) fn channel_list(call: &mut Call<'_>) -> Outcome {
    list(call, RoomKind::Channel, false, "channels")
}

pub(super) fn channel_list_joined(call: &mut Call<'_>) -> Outcome {
    list(call, RoomKind::Channel, true, "channels")
}

pub(super) fn group_list(call: &mut Call<'_>) -> Outcome {
    list(call, RoomKind::Group, true, "groups")
}

pub(super) fn direct_list(call: &mut Call<'_>) -> Outcome {
    list(call, RoomKind::Direct, true, "ims")
}

pub(super) fn create_direct(call: &mut Call<'_>) -> Outcome {
    let names = match (call.text("username"), call.text("usernames")) {
        (Some(name), _) => name.to_owned(),
        (None, Some(names)) => names.to_owned(),
        (None, None) => {
            let reason =
                "The required \"username\" or \"usernames\" param provided does not match any direct message";
            return Err(Refusal::coded("error-room-not-found", reason));
        }
    };
    let names: Vec<&str> = names.split(',').collect();
    let uid = call.uid.clone();
    let rid = call.state.direct_room(&uid, &names)?;
    let room = call.state.rooms.get(&rid).ok_or(Refusal::Bare)?;
    let usernames: Vec<String> = room.members.keys().map(|uid| call.state.username(uid)).collect();
    Ok(object([(
        "room",
        json!({ "_id": rid, "rid": rid, "t": "d", "usernames": usernames }),
    )]))
}

fn create(call: &mut Call<'_>, kind: RoomKind, permission: &str) -> Outcome {
    let name = call.need("name")?;
    if !call.state.may(&call.uid, permission, None) {
        return Err(Refusal::coded(
            "error-unauthorized",
            "User does not have the permissions required for this action",
        )
        .with_status(403));
    }
    let listed = call
        .body
        .get("members")
        .and_then(Value::as_array)
        .into_iter()
        .flatten();
    let members = listed
        .filter_map(|name| Some(call.state.user_by_name(name.as_str()?)?.id.clone()))
        .collect();
    let (uid, read_only) = (call.uid.clone(), call.body.get("readOnly") == Some(&json!(true)));
    let new = NewRoom {
        name: Some(&name),
        creator: Some(&uid),
        read_only,
        members,
        ..NewRoom::default()
    };
    let rid = call.state.create_room(kind, new)?;
    let room = call.state.rooms.get(&rid).ok_or(Refusal::Bare)?;
    Ok(object([(word(kind), call.state.room_json(room))]))
}

pub(super) fn create_channel(call: &mut Call<'_>) -> Outcome {
    create(call, RoomKind::Channel, "create-c")
}

pub(super) fn create_group(call: &mut Call<'_>) -> Outcome {
    create(call, RoomKind::Group, "create-p")
}

pub(super) fn create_discussion(call: &mut Call<'_>) -> Outcome {
    let (parent, title) = (call.need("prid")?, call.need("t_name")?);
    if !call.state.may(&call.uid, "start-discussion", Some(&parent)) {
        return Err(Refusal::in_method(
            "error-action-not-allowed",
            "Not allowed",
            "createDiscussion",
        ));
    }
    let listed = call
        .body
        .get("users")
        .and_then(Value::as_array)
        .into_iter()
        .flatten();
    let members = listed
        .filter_map(|name| Some(call.state.user_by_name(name.as_str()?)?.id.clone()))
        .collect();
    let (uid, message, reply) = (
        call.uid.clone(),
        call.text("pmid").map(str::to_owned),
        call.text("reply").map(str::to_owned),
    );
    let about = About {
        message: message.as_deref(),
        reply: reply.as_deref(),
    };
    let rid = call
        .state
        .create_discussion(&parent, &uid, &title, members, about)?;
    let room = call
        .state
        .rooms
        .get(&rid)
        .map(|room| call.state.room_json(room))
        .unwrap_or_default();
    let mut discussion = room.as_object().cloned().unwrap_or_default();
    // As it was when it was made.
    discussion.remove("lastMessage");
    discussion.remove("lm");
    discussion.insert("rid".to_owned(), json!(rid));
    Ok(object([("discussion", Value::Object(discussion))]))
}

fn shown(call: &Call<'_>, kind: RoomKind, rid: &str) -> Outcome {
    let room = call.state.rooms.get(rid).ok_or_else(|| not_found(kind))?;
    Ok(object([(word(kind), call.state.room_json(room))]))
}

pub(super) fn join(call: &mut Call<'_>) -> Outcome {
    let (rid, uid) = (named(call, RoomKind::Channel)?.id.clone(), call.uid.clone());
    call.state.join(&rid, &uid, "joinRoom")?;
    shown(call, RoomKind::Channel, &rid)
}

fn leave(call: &mut Call<'_>, kind: RoomKind) -> Outcome {
    let (rid, uid) = (named(call, kind)?.id.clone(), call.uid.clone());
    call.state.leave(&rid, &uid)?;
    shown(call, kind, &rid)
}

pub(super) fn leave_channel(call: &mut Call<'_>) -> Outcome {
    leave(call, RoomKind::Channel)
}

pub(super) fn leave_group(call: &mut Call<'_>) -> Outcome {
    leave(call, RoomKind::Group)
}

/// The user that `userId` or `username` of the body name.
fn other(call: &Call<'_>) -> Result<String, Refusal> {
    let user = match (call.text("userId"), call.text("username")) {
        (Some(id), _) => call.state.users.get(id),
        (None, Some(name)) => call.state.user_by_name(name),
        (None, None) => None,
    };
    let reason = "The required \"userId\" or \"username\" param provided does not match any users";
    user.map(|user| user.id.clone())
        .ok_or_else(|| Refusal::coded("error-invalid-user", reason))
}

fn invite(call: &mut Call<'_>, kind: RoomKind) -> Outcome {
    let room = named(call, kind)?;
    let member = room.members.contains_key(&call.uid);
    if !member
        || !call
            .state
            .may(&call.uid, "add-user-to-joined-room", Some(&room.id))
    {
        return Err(Refusal::in_method(
            "error-not-allowed",
            "Not allowed",
            "addUsersToRoom",
        ));
    }
    let (rid, by, uid) = (room.id.clone(), call.uid.clone(), other(call)?);
    call.state.invite(&rid, &by, &uid)?;
    shown(call, kind, &rid)
}

pub(super) fn invite_channel(call: &mut Call<'_>) -> Outcome {
    invite(call, RoomKind::Channel)
}

pub(super) fn invite_group(call: &mut Call<'_>) -> Outcome {
    invite(call, RoomKind::Group)
}

fn kick(call: &mut Call<'_>, kind: RoomKind) -> Outcome {
    let rid = named(call, kind)?.id.clone();
    if !call.state.may(&call.uid, "remove-user", Some(&rid)) {
        return Err(Refusal::in_method(
            "error-not-allowed",
            "Not allowed",
            "removeUserFromRoom",
        ));
    }
    let (by, uid) = (call.uid.clone(), other(call)?);
    call.state.kick(&rid, &by, &uid)?;
    match kind {
        RoomKind::Channel => shown(call, kind, &rid),
        RoomKind::Group | RoomKind::Direct => Ok(object([])),
    }
}

pub(super) fn kick_channel(call: &mut Call<'_>) -> Outcome {
    kick(call, RoomKind::Channel)
}

pub(super) fn kick_group(call: &mut Call<'_>) -> Outcome {
    kick(call, RoomKind::Group)
}

fn set_topic(call: &mut Call<'_>, kind: RoomKind) -> Outcome {
    let (rid, topic) = (
        named(call, kind)?.id.clone(),
        call.text("topic").unwrap_or_default().to_owned(),
    );
    if !call.state.may(&call.uid, "edit-room", Some(&rid)) {
        return Err(Refusal::in_method(
            "error-action-not-allowed",
            "Editing room is not allowed",
            "saveRoomSettings",
        ));
    }
    let uid = call.uid.clone();
    call.state.set_topic(&rid, &uid, &topic)?;
    Ok(object([("topic", json!(topic))]))
}

pub(super) fn set_channel_topic(call: &mut Call<'_>) -> Outcome {
    set_topic(call, RoomKind::Channel)
}

pub(super) fn set_group_topic(call: &mut Call<'_>) -> Outcome {
    set_topic(call, RoomKind::Group)
}
