//! Endpoints that take rooms of any kind.

use serde_json::json;

use super::{Call, Outcome, object, rooms::not_found};
use crate::sandbox::{refusal::Refusal, state::rooms::RoomKind};

/// The room of any kind that query or body name, if the caller may look into it.
pub(super) fn any(call: &Call<'_>) -> Result<String, Refusal> {
    let id = call.query("roomId").or(call.text("roomId"));
    let name = call.query("roomName").or(call.text("roomName"));
    let room = match (id, name) {
        (Some(id), _) => call.state.rooms.get(id),
        (None, Some(name)) => call.state.find_room(name),
        (None, None) => {
            return Err(Refusal::invalid_params("must have required property 'roomId'"));
        }
    };
    let room = room.filter(|room| call.state.can_access(&call.uid, room));
    room.map(|room| room.id.clone())
        .ok_or_else(|| not_found(RoomKind::Channel))
}

pub(super) fn is_member(call: &mut Call<'_>) -> Outcome {
    let rid = any(call)?;
    let user = match (call.query("userId"), call.query("username")) {
        (Some(id), _) => call.state.users.get(id),
        (None, Some(name)) => call.state.user_by_name(name),
        (None, None) => None,
    };
    let unknown = || Refusal::coded("error-user-not-found", "User not found");
    let uid = &user.ok_or_else(unknown)?.id;
    let room = call.state.rooms.get(&rid);
    let member = room.is_some_and(|room| room.members.contains_key(uid));
    Ok(object([("isMember", json!(member))]))
}

pub(super) fn join(call: &mut Call<'_>) -> Outcome {
    let (rid, uid) = (any(call)?, call.uid.clone());
    call.state.join(&rid, &uid, "joinRoom")?;
    let room = call.state.rooms.get(&rid).map(|room| call.state.room_json(room));
    Ok(object([("room", room.unwrap_or_default())]))
}

pub(super) fn leave(call: &mut Call<'_>) -> Outcome {
    let (rid, uid) = (any(call)?, call.uid.clone());
    call.state.leave(&rid, &uid)?;
    Ok(object([]))
}
