//! Settings of a room over REST, its members by role, its discussions, and marking it as unread.

use serde_json::{Value, json};

use super::{
    Call, Outcome, any_room, object, paged,
    rooms::{named, not_found},
};
use crate::sandbox::{
    refusal::Refusal,
    state::{
        State,
        moderate::Line,
        rooms::{Member, RoomKind},
    },
};

fn may_edit(call: &Call<'_>, rid: &str) -> Result<(), Refusal> {
    match call.state.may(&call.uid, "edit-room", Some(rid)) {
        true => Ok(()),
        false => Err(Refusal::in_method(
            "error-action-not-allowed",
            "Editing room is not allowed",
            "saveRoomSettings",
        )),
    }
}

fn set_line(call: &mut Call<'_>, kind: RoomKind, line: Line, key: &str) -> Outcome {
    let (rid, text) = (named(call, kind)?.id.clone(), call.need(key)?);
    may_edit(call, &rid)?;
    let uid = call.uid.clone();
    call.state.set_line(&rid, &uid, line, &text)?;
    Ok(object([(key, json!(text))]))
}

pub(super) fn set_direct_topic(call: &mut Call<'_>) -> Outcome {
    set_line(call, RoomKind::Direct, Line::Topic, "topic")
}

pub(super) fn set_channel_announcement(call: &mut Call<'_>) -> Outcome {
    set_line(call, RoomKind::Channel, Line::Announcement, "announcement")
}

pub(super) fn set_group_announcement(call: &mut Call<'_>) -> Outcome {
    set_line(call, RoomKind::Group, Line::Announcement, "announcement")
}

pub(super) fn set_channel_description(call: &mut Call<'_>) -> Outcome {
    set_line(call, RoomKind::Channel, Line::Description, "description")
}

pub(super) fn set_group_description(call: &mut Call<'_>) -> Outcome {
    set_line(call, RoomKind::Group, Line::Description, "description")
}

/// `rooms.saveRoomSettings`: those that the sandbox keeps; of the others it only checks the form.
pub(super) fn save(call: &mut Call<'_>) -> Outcome {
    let rid = call.need("rid")?;
    let Some(room) = call.state.rooms.get(&rid) else {
        return Err(Refusal::in_method(
            "error-invalid-room",
            "Invalid room",
            "saveRoomSettings",
        ));
    };
    let (topic, name) = (room.topic.clone(), room.name.clone());
    let (announcement, description) = (room.announcement.clone(), room.description.clone());
    let is_read_only = room.read_only;
    may_edit(call, &rid)?;
    let uid = call.uid.clone();
    let given = |key: &str| call.body.get(key).and_then(Value::as_str).map(str::to_owned);
    let lines = [
        (Line::Topic, given("roomTopic"), topic),
        (Line::Announcement, given("roomAnnouncement"), announcement),
        (Line::Description, given("roomDescription"), description),
    ];
    let new_name = given("roomName").filter(|new| Some(new) != name.as_ref());
    let read_only = call.body.get("readOnly").and_then(Value::as_bool);
    if let Some(name) = new_name {
        call.state.rename(&rid, &name, Some(uid.clone()))?;
    }
    for (line, text, before) in lines {
        if let Some(text) = text.filter(|text| *text != before.unwrap_or_default()) {
            call.state.set_line(&rid, &uid, line, &text)?;
        }
    }
    if let Some(on) = read_only.filter(|on| *on != is_read_only) {
        call.state.set_read_only(&rid, on)?;
    }
    Ok(object([("rid", json!(rid))]))
}

/// Owners come before moderators, and these before all others.
fn rank(member: &Member) -> usize {
    let has = |role: &str| member.roles.iter().any(|held| held == role);
    ["owner", "moderator"]
        .iter()
        .position(|role| has(role))
        .unwrap_or(2)
}

pub(super) fn members_by_role(call: &mut Call<'_>) -> Outcome {
    if call.query("roomId").or(call.query("roomName")).is_none() {
        // An empty id is one, of no room.
        return Err(not_found(RoomKind::Channel));
    }
    let rid = any_room::any(call)?;
    let members = call.state.rooms.get(&rid).map(|room| &room.members);
    let mut all: Vec<_> = members
        .into_iter()
        .flatten()
        .filter_map(|(uid, member)| Some((member, call.state.users.get(uid)?)))
        .collect();
    all.sort_by_key(|(member, user)| (rank(member), user.username.clone()));
    let all: Vec<Value> = all
        .into_iter()
        .map(|(member, user)| {
            let mut json = State::member_json(user);
            json["roles"] = json!(member.roles);
            json
        })
        .collect();
    Ok(paged(call, "members", &all))
}

pub(super) fn discussions(call: &mut Call<'_>) -> Outcome {
    let rid = any_room::any(call)?;
    let rooms = call.state.rooms.values();
    let mut beside: Vec<_> = rooms
        .filter(|room| room.parent.as_ref() == Some(&rid) && call.state.can_access(&call.uid, room))
        .collect();
    beside.sort_by_key(|room| (room.fname.clone(), room.id.clone()));
    let all: Vec<Value> = beside
        .into_iter()
        .map(|room| call.state.room_json(room))
        .collect();
    Ok(paged(call, "discussions", &all))
}

/// `subscriptions.unread`: from the last message of another on, or from the one that is named.
pub(super) fn unread(call: &mut Call<'_>) -> Outcome {
    let method = "unreadMessages";
    let named = call
        .body
        .get("firstUnreadMessage")
        .and_then(|message| message["_id"].as_str());
    let (rid, first) = match (call.text("roomId"), named) {
        (Some(rid), _) => {
            let by_others = |uid: &str| uid != call.uid;
            let last = call.state.room_messages(rid).rev().find(|message| {
                message
                    .doc
                    .get("u")
                    .and_then(|u| u["_id"].as_str())
                    .is_some_and(by_others)
            });
            let none = || {
                Refusal::in_method(
                    "error-no-message-for-unread",
                    "There are no messages to mark unread",
                    method,
                )
            };
            (rid.to_owned(), last.ok_or_else(none)?.ts)
        }
        (None, Some(id)) => {
            let found = call.state.messages.get(id);
            let unknown = || Refusal::in_method("error-action-not-allowed", "Not allowed", method);
            let message = found.ok_or_else(unknown)?;
            (message.rid.clone(), message.ts)
        }
        (None, None) => return Err(Refusal::invalid_params("must have required property 'roomId'")),
    };
    let uid = call.uid.clone();
    match call.state.unread_from(&rid, &uid, first) {
        true => Ok(object([])),
        false => Err(Refusal::in_method(
            "error-not-subscribed",
            "Not subscribed",
            method,
        )),
    }
}
