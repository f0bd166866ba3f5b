//! Looking back over REST: history, threads, `chat.syncMessages`, `subscriptions.*`.

use serde_json::{Map, Value, json};

use super::{Call, Outcome, object};
use crate::sandbox::{
    refusal::Refusal,
    state::{
        Stored, date,
        history::{Window, parse_iso},
        rooms::RoomKind,
    },
};

fn docs(call: &Call<'_>, messages: &[&Stored]) -> Value {
    Value::Array(messages.iter().map(|message| call.shown(message)).collect())
}

/// A room that the caller may look into.
pub(super) fn readable(call: &Call<'_>, rid: &str, method: &str) -> Result<(), Refusal> {
    let room = call.state.rooms.get(rid);
    let room =
        room.ok_or_else(|| Refusal::in_method("error-invalid-room", "Invalid room", "canAccessRoom"))?;
    match call.state.can_access(&call.uid, room) {
        true => Ok(()),
        false => Err(Refusal::in_method("error-not-allowed", "Not allowed", method)),
    }
}

pub(super) fn messages(call: &mut Call<'_>) -> Outcome {
    let missing = |code: &str, name: &str| {
        Refusal::coded(code, &format!("The required \"{name}\" query param is missing."))
    };
    let rid = call
        .query("roomId")
        .ok_or_else(|| missing("error-param-required", "roomId"))?
        .to_owned();
    // Since 7.1 there are pages.
    if call.state.version() < (7, 1) && call.query("lastUpdate").is_none() {
        return Err(missing("error-lastUpdate-param-not-provided", "lastUpdate"));
    }
    let cursors = [call.query("next"), call.query("previous")];
    let result = match (call.query("lastUpdate"), call.query("type")) {
        (Some(_), _) if cursors.iter().any(Option::is_some) => {
            let reason = "The attributes \"next\", \"previous\" and \"lastUpdate\" cannot be used together";
            return Err(Refusal::coded("error-cursor-and-lastUpdate-conflict", reason));
        }
        (Some(text), _) => {
            let invalid = || {
                let reason = "The \"lastUpdate\" query parameter must be a valid date.";
                Refusal::coded("error-lastUpdate-param-invalid", reason)
            };
            let at = parse_iso(text).ok_or_else(invalid)?;
            readable(call, &rid, "messages/get")?;
            let gone = call.state.deleted_since(&rid, at);
            let deleted: Vec<Value> = gone
                .map(|(id, at)| json!({ "_id": id, "_deletedAt": date(at) }))
                .collect();
            json!({ "updated": docs(call, &call.state.updated_since(&rid, at)), "deleted": deleted })
        }
        (None, Some(kind)) => by_cursor(call, &rid, kind, cursors)?,
        (None, None) if cursors.iter().any(Option::is_some) => {
            return Err(missing("error-type-param-required", "type"));
        }
        (None, None) => return Err(missing("error-param-required", "lastUpdate")),
    };
    Ok(object([("result", result)]))
}

/// The second mode: pages of what was updated or deleted, by a cursor in milliseconds.
fn by_cursor(call: &Call<'_>, rid: &str, kind: &str, cursors: [Option<&str>; 2]) -> Result<Value, Refusal> {
    let (backwards, cursor) = match cursors {
        [Some(_), Some(_)] => {
            let reason = "You cannot provide both \"next\" and \"previous\" parameters";
            return Err(Refusal::coded("error-cursor-conflict", reason));
        }
        [Some(next), None] => (false, next),
        [None, Some(previous)] => (true, previous),
        // Without a cursor the real server falls back to something that gives nothing.
        [None, None] => return Ok(json!({})),
    };
    let invalid = || Refusal::invalid_params("must be a cursor in milliseconds");
    let cursor: i64 = cursor.parse().map_err(|_| invalid())?;
    let count = call
        .query("count")
        .and_then(|count| count.parse().ok())
        .unwrap_or(20usize);
    readable(call, rid, "messages/get")?;
    // Sorted by the last write also where they were deleted since, when the cursor is the time of that.
    let mut all: Vec<(i64, i64, Value)> = match kind {
        "UPDATED" => call
            .state
            .room_messages(rid)
            .map(|message| (message.updated, message.updated, call.shown(message)))
            .collect(),
        "DELETED" => {
            let gone = call.state.deletions.iter().filter(|gone| gone.rid == rid);
            gone.map(|gone| {
                let entry = json!({ "_id": gone.id, "_deletedAt": date(gone.at) });
                (gone.at, gone.updated, entry)
            })
            .collect()
        }
        _ => {
            let reason = "The \"type\" query parameter must be \"UPDATED\" or \"DELETED\"";
            return Err(Refusal::coded("error-type-param-not-supported", reason));
        }
    };
    all.retain(|(at, ..)| if backwards { *at < cursor } else { *at > cursor });
    all.sort_by_key(|(_, updated, _)| {
        if backwards {
            updated.saturating_neg()
        } else {
            *updated
        }
    });
    let has_more = all.len() > count;
    all.truncate(count);
    let edge = |entry: Option<&(i64, i64, Value)>| entry.map(|(at, ..)| at.to_string());
    let (first, last) = (edge(all.first()), edge(all.last()));
    // The direction that was walked has no cursor where there is no more.
    let (next, previous) = match backwards {
        false => (last.filter(|_| has_more), first),
        true => (first, last.filter(|_| has_more)),
    };
    let list: Vec<Value> = all.into_iter().map(|(_, _, value)| value).collect();
    let (updated, deleted) = match kind {
        "UPDATED" => (list, Vec::new()),
        _ => (Vec::new(), list),
    };
    let cursor = json!({ "next": next, "previous": previous });
    Ok(json!({ "updated": updated, "deleted": deleted, "cursor": cursor }))
}

pub(super) fn thread(call: &mut Call<'_>) -> Outcome {
    let tmid = call
        .query("tmid")
        .ok_or_else(|| Refusal::invalid_params("must have required property 'tmid'"))?;
    let parent = call.state.messages.get(tmid);
    let parent = parent.ok_or_else(|| Refusal::coded("error-invalid-message", "Invalid Message"))?;
    readable(call, &parent.rid, "getThreadMessages")?;
    let (offset, count) = call.page();
    let mut all = call.state.thread(tmid);
    if newest_first(call) {
        all.reverse();
    }
    let page: Vec<&Stored> = all.iter().skip(offset).take(count).copied().collect();
    Ok(object([
        ("messages", docs(call, &page)),
        ("count", json!(page.len())),
        ("offset", json!(offset)),
        ("total", json!(all.len())),
    ]))
}

/// Whether the caller wants a list by time and backwards.
fn newest_first(call: &Call<'_>) -> bool {
    let sort = call
        .query("sort")
        .and_then(|sort| serde_json::from_str::<Value>(sort).ok());
    sort.is_some_and(|sort| sort.get("ts").and_then(Value::as_i64) == Some(-1))
}

fn history(call: &Call<'_>, kind: RoomKind, word: &str) -> Outcome {
    let room = match (call.query("roomId"), call.query("roomName")) {
        (Some(id), _) => call.state.rooms.get(id),
        (None, Some(name)) => call.state.find_room(name),
        (None, None) => None,
    };
    let found = room.filter(|room| room.kind == kind);
    let found = found.filter(|room| room.is_public() || room.members.contains_key(&call.uid));
    let Some(room) = found else {
        if kind == RoomKind::Direct {
            return Err(Refusal::coded("invalid-channel", ""));
        }
        let reason =
            format!("The required \"roomId\" or \"roomName\" param provided does not match any {word}");
        return Err(Refusal::coded("error-room-not-found", &reason));
    };
    if !call.state.can_preview(&call.uid, room) {
        return Err(Refusal::in_method(
            "error-not-allowed",
            "Not allowed",
            "getChannelHistory",
        ));
    }
    // A date that cannot be read is ignored.
    let window = Window {
        oldest: call.query("oldest").and_then(parse_iso),
        latest: call.query("latest").and_then(parse_iso),
        inclusive: call.query("inclusive") == Some("true"),
        offset: call
            .query("offset")
            .and_then(|text| text.parse().ok())
            .unwrap_or(0),
        count: call
            .query("count")
            .and_then(|text| text.parse().ok())
            .unwrap_or(20),
        threads: call.query("showThreadMessages") != Some("false"),
    };
    let found = call.state.history(&room.id, &window);
    let mut answer = object([("messages", docs(call, &found))]);
    if call.query("unreads") == Some("true") {
        answer.extend(unreads(call, &room.id, &window));
    }
    Ok(answer)
}

/// The first message that was not there at the last look, and how many came before the page.
fn unreads(call: &Call<'_>, rid: &str, window: &Window) -> Map<String, Value> {
    let member = call
        .state
        .rooms
        .get(rid)
        .and_then(|room| room.members.get(&call.uid));
    let seen = window
        .oldest
        .or_else(|| member.and_then(|member| member.seen.or(Some(member.ts))));
    let Some(seen) = seen else { return Map::new() };
    let (first, not_loaded) = call.state.unread(rid, seen, window.count);
    let mut answer = object([("unreadNotLoaded", json!(not_loaded))]);
    if let Some(first) = first {
        answer.insert("firstUnread".to_owned(), call.shown(first));
    }
    answer
}

pub(super) fn channel_history(call: &mut Call<'_>) -> Outcome {
    history(call, RoomKind::Channel, "channel")
}

pub(super) fn group_history(call: &mut Call<'_>) -> Outcome {
    history(call, RoomKind::Group, "group")
}

pub(super) fn direct_history(call: &mut Call<'_>) -> Outcome {
    history(call, RoomKind::Direct, "direct message")
}

/// `updatedSince`.
fn since(call: &Call<'_>) -> Result<Option<Value>, Refusal> {
    match call.query("updatedSince") {
        None => Ok(None),
        Some(text) => parse_iso(text).map(|at| Some(date(at))).ok_or_else(|| {
            let reason = "The \"updatedSince\" query parameter must be a valid date.";
            Refusal::coded("error-updatedSince-param-invalid", reason)
        }),
    }
}

/// What changed; of a mere list nothing is gone.
fn changes(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(object) => object,
        all => object([("update", all), ("remove", json!([]))]),
    }
}

pub(super) fn rooms(call: &mut Call<'_>) -> Outcome {
    let since = since(call)?;
    Ok(changes(call.state.rooms_since(&call.uid, since.as_ref())))
}

pub(super) fn subscriptions(call: &mut Call<'_>) -> Outcome {
    let since = since(call)?;
    Ok(changes(call.state.subscriptions_since(&call.uid, since.as_ref())))
}

pub(super) fn subscription(call: &mut Call<'_>) -> Outcome {
    let rid = call.query("roomId");
    let rid = rid.ok_or_else(|| Refusal::coded("error-invalid-params", "The 'roomId' param is required"))?;
    let found = call.state.rooms.get(rid).and_then(|room| {
        let member = room.members.get(&call.uid)?;
        Some(call.state.subscription_json(room, &call.uid, member))
    });
    Ok(object([("subscription", json!(found))]))
}

pub(super) fn read(call: &mut Call<'_>) -> Outcome {
    let rid = call.need("rid").or_else(|_| call.need("roomId"));
    let rid = rid.map_err(|_| Refusal::invalid_params("must have required property 'rid'"))?;
    let uid = call.uid.clone();
    if !call.state.read(&rid, &uid) {
        return Err(Refusal::coded(
            "error-invalid-subscription",
            "Invalid subscription",
        ));
    }
    Ok(object([]))
}
