//! Lists of messages over REST: of threads, pinned, starred, mentioning, found, deleted.

use serde_json::{Value, json};

use super::{Call, Outcome, object, paged, sync::readable};
use crate::sandbox::{
    refusal::Refusal,
    state::{Stored, history::parse_iso, rooms::RoomKind},
};

fn updated_since(call: &Call<'_>) -> Result<i64, Refusal> {
    let text = call.asked("updatedSince")?;
    parse_iso(&text).ok_or_else(|| {
        let reason = "The \"updatedSince\" query parameter must be a valid date.";
        Refusal::coded("error-updatedSince-param-invalid", reason)
    })
}

/// One page of the messages of a room that fit, newest first, under `key`.
fn of_room(call: &Call<'_>, rid: &str, key: &str, mut fits: impl FnMut(&Stored) -> bool) -> Outcome {
    readable(call, rid, key)?;
    let found = call
        .state
        .room_messages(rid)
        .rev()
        .filter(|message| fits(message));
    let all: Vec<Value> = found.map(|message| call.shown(message)).collect();
    Ok(paged(call, key, &all))
}

pub(super) fn threads(call: &mut Call<'_>) -> Outcome {
    let rid = call.asked("rid")?;
    let (mine, text) = (
        call.query("type") == Some("following"),
        call.query("text").map(str::to_lowercase),
    );
    let uid = json!(call.uid);
    of_room(call, &rid, "threads", |message| {
        let root = message.doc.contains_key("tcount");
        let followed = || {
            let followers = message.doc.get("replies").and_then(Value::as_array);
            followers.is_some_and(|followers| followers.contains(&uid))
        };
        let said = message.text("msg").unwrap_or_default().to_lowercase();
        root && (!mine || followed()) && text.as_ref().is_none_or(|text| said.contains(text.as_str()))
    })
}

/// What changed and what went among these messages.
fn changes(call: &Call<'_>, rid: &str, since: i64, fits: impl Fn(&Stored) -> bool) -> Value {
    let updated = call.state.updated_since(rid, since);
    let update: Vec<Value> = updated
        .into_iter()
        .filter(|message| fits(message))
        .map(|message| call.shown(message))
        .collect();
    json!({ "update": update, "remove": [] })
}

pub(super) fn changed_in_thread(call: &mut Call<'_>) -> Outcome {
    let (tmid, since) = (call.asked("tmid")?, updated_since(call)?);
    let parent = call.state.messages.get(&tmid);
    let rid = parent
        .ok_or_else(|| Refusal::coded("error-invalid-message", "Invalid Message"))?
        .rid
        .clone();
    readable(call, &rid, "getThreadMessages")?;
    let messages = changes(call, &rid, since, |message| {
        message.text("tmid") == Some(tmid.as_str())
    });
    Ok(object([("messages", messages)]))
}

pub(super) fn changed_threads(call: &mut Call<'_>) -> Outcome {
    let (rid, since) = (call.asked("rid")?, updated_since(call)?);
    readable(call, &rid, "getThreadsList")?;
    let threads = changes(call, &rid, since, |message| message.doc.contains_key("tcount"));
    Ok(object([("threads", threads)]))
}

pub(super) fn deleted(call: &mut Call<'_>) -> Outcome {
    let (rid, since) = (call.asked("roomId")?, call.asked("since")?);
    let at = parse_iso(&since).ok_or_else(|| {
        let reason = "The \"since\" query parameter must be a valid date.";
        Refusal::coded("error-since-param-invalid", reason)
    })?;
    readable(call, &rid, "getDeletedMessages")?;
    let gone = call.state.deleted_since(&rid, at);
    let all: Vec<Value> = gone.map(|(id, _)| json!({ "_id": id })).collect();
    Ok(paged(call, "messages", &all))
}

pub(super) fn pinned(call: &mut Call<'_>) -> Outcome {
    let rid = call.asked("roomId")?;
    of_room(call, &rid, "messages", |message| {
        message.doc.get("pinned") == Some(&json!(true))
    })
}

pub(super) fn starred(call: &mut Call<'_>) -> Outcome {
    let (rid, uid) = (call.asked("roomId")?, json!({ "_id": call.uid }));
    of_room(call, &rid, "messages", |message| {
        let by = message.doc.get("starred").and_then(Value::as_array);
        by.is_some_and(|by| by.contains(&uid))
    })
}

pub(super) fn mentioning(call: &mut Call<'_>) -> Outcome {
    let (rid, uid) = (call.asked("roomId")?, call.uid.clone());
    of_room(call, &rid, "messages", |message| {
        let mentions = message.doc.get("mentions").and_then(Value::as_array);
        let of_me = |mention: &Value| mention.get("_id").and_then(Value::as_str) == Some(uid.as_str());
        mentions.is_some_and(|mentions| mentions.iter().any(of_me))
    })
}

pub(super) fn search(call: &mut Call<'_>) -> Outcome {
    let (rid, text) = (call.asked("roomId")?, call.asked("searchText")?.to_lowercase());
    readable(call, &rid, "messageSearch")?;
    let (offset, count) = call.page();
    let fits = |message: &&Stored| {
        let said = message.text("msg").unwrap_or_default();
        !message.doc.contains_key("t") && said.to_lowercase().contains(&text)
    };
    let found = call.state.room_messages(&rid).rev().filter(fits);
    let page: Vec<Value> = found
        .skip(offset)
        .take(count)
        .map(|message| call.shown(message))
        .collect();
    Ok(object([("messages", json!(page))]))
}

fn messages(call: &Call<'_>, kind: RoomKind) -> Outcome {
    let rid = super::rooms::named(call, kind)?.id.clone();
    of_room(call, &rid, "messages", |_| true)
}

pub(super) fn of_channel(call: &mut Call<'_>) -> Outcome {
    messages(call, RoomKind::Channel)
}

pub(super) fn of_group(call: &mut Call<'_>) -> Outcome {
    messages(call, RoomKind::Group)
}

pub(super) fn of_direct(call: &mut Call<'_>) -> Outcome {
    messages(call, RoomKind::Direct)
}

/// `rooms.history`: one way for all kinds of rooms, with cursors in milliseconds.
pub(super) fn history(call: &mut Call<'_>) -> Outcome {
    let rid = call.asked("roomId")?;
    readable(call, &rid, "loadHistory")?;
    let number = |key: &str| call.query(key).and_then(|text| text.parse::<i64>().ok());
    let (next, previous) = (number("next"), number("previous"));
    let count = number("count")
        .and_then(|count| usize::try_from(count).ok())
        .unwrap_or(50)
        .min(100);
    let replies = call.query("showThreadMessages") != Some("false");
    let fits = |message: &&Stored| {
        let place = replies || !message.doc.contains_key("tmid") || message.doc.contains_key("tshow");
        place && next.is_none_or(|at| message.ts > at) && previous.is_none_or(|at| message.ts < at)
    };
    let found = call.state.room_messages(&rid).filter(fits);
    let mut page: Vec<&Stored> = match next {
        Some(_) => found.take(count).collect(),
        None => {
            let mut latest: Vec<&Stored> = found.rev().take(count).collect();
            latest.reverse();
            latest
        }
    };
    page.reverse();
    let full = page.len() == count;
    let edge = |message: Option<&&Stored>| message.filter(|_| full).map(|message| message.ts.to_string());
    let cursor = json!({ "next": edge(page.first()), "previous": edge(page.last()) });
    let list: Vec<Value> = page.into_iter().map(|message| call.shown(message)).collect();
    Ok(object([("messages", json!(list)), ("cursor", cursor)]))
}
