//! `chat.*`: posting and changing messages.

use serde_json::{Map, Value, json};

use super::{Call, Outcome, object};
use crate::sandbox::{refusal::Refusal, state::messages::no_message};

pub(super) fn message(call: &Call<'_>, id: &str) -> Value {
    call.state
        .messages
        .get(id)
        .map(|message| call.shown(message))
        .unwrap_or_default()
}

pub(super) fn send(call: &mut Call<'_>) -> Outcome {
    let Some(Value::Object(draft)) = call.body.remove("message") else {
        return Err(Refusal::invalid_params("must have required property 'message'"));
    };
    let (uid, rid) = (
        call.uid.clone(),
        draft
            .get("rid")
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned(),
    );
    match call.state.send_message(&uid, draft) {
        Ok(Some(id)) => Ok(object([("message", message(call, &id))])),
        // A known `_id` makes the endpoint stumble over the message that it did not get.
        Ok(None) => Err(Refusal::plain(
            "Cannot read properties of undefined (reading 'starred')",
        )),
        Err(refused) => {
            // From the check of the room onwards the user hears of it in the chat, too.
            if let Refusal::Plain(text) = &refused {
                call.state.ephemeral(&uid, &rid, text);
            }
            Err(refused)
        }
    }
}

/// The rooms that `chat.postMessage` is told, each an id, a name, `#name` or `@user`.
fn targets(call: &mut Call<'_>) -> Result<Vec<(String, String)>, Refusal> {
    let invalid = || Refusal::coded("invalid-channel", "");
    let given = call
        .body
        .get("roomId")
        .or(call.body.get("channel"))
        .cloned()
        .ok_or_else(invalid)?;
    let names: Vec<String> = match given {
        Value::String(name) => vec![name],
        Value::Array(list) => list.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        _ => return Err(invalid()),
    };
    let uid = call.uid.clone();
    let mut rooms = Vec::new();
    for name in names.into_iter().take(100) {
        let rid = match name.strip_prefix('@') {
            Some(username) => call.state.direct_room(&uid, &[username]).map_err(|_| invalid())?,
            None => call.state.find_rid(&name).ok_or_else(invalid)?,
        };
        rooms.push((name, rid));
    }
    if rooms.is_empty() {
        Err(invalid())
    } else {
        Ok(rooms)
    }
}

pub(super) fn post(call: &mut Call<'_>) -> Outcome {
    let rooms = targets(call)?;
    let text = call
        .body
        .get("text")
        .and_then(Value::as_str)
        .unwrap_or_default()
        .trim()
        .to_owned();
    let attachments = call
        .body
        .get("attachments")
        .filter(|list| list.is_array())
        .cloned();
    let asked = call.body.get("parseUrls").and_then(Value::as_bool);
    let parse_urls = asked.unwrap_or(attachments.is_none());
    let (uid, mut first) = (call.uid.clone(), None);
    for (name, rid) in rooms {
        call.state.may_post(&uid, &rid, &call.body)?;
        call.state.check_size(&text, "sendMessage")?;
        call.state.may_call_everybody(&uid, &rid, &text)?;
        // A public channel is joined on the way.
        let public = call
            .state
            .rooms
            .get(&rid)
            .is_some_and(super::super::state::rooms::Room::is_public);
        if public {
            call.state.join(&rid, &uid, "joinRoom")?;
        }
        let mut draft = object([
            ("rid", json!(rid)),
            ("msg", json!(text)),
            ("alias", json!("")),
            ("groupable", json!(false)),
            ("parseUrls", json!(parse_urls)),
            ("attachments", attachments.clone().unwrap_or_else(|| json!([]))),
        ]);
        for key in ["alias", "avatar", "emoji", "customFields", "tmid", "tshow"] {
            if let Some(value) = call.body.get(key) {
                draft.insert(key.to_owned(), value.clone());
            }
        }
        let id = call.state.insert(&uid, draft);
        first.get_or_insert((name, id));
    }
    let (name, id) = first.ok_or_else(|| Refusal::coded("invalid-channel", ""))?;
    // A number here, unlike everywhere else.
    let ts = call.state.now();
    Ok(object([
        ("ts", json!(ts)),
        ("channel", json!(name)),
        ("message", message(call, &id)),
    ]))
}

pub(super) fn get(call: &mut Call<'_>) -> Outcome {
    let Some(id) = call.query("msgId") else {
        return Err(Refusal::invalid_params("must have required property 'msgId'"));
    };
    let stored = call.state.messages.get(id).ok_or(Refusal::Bare)?;
    let room = call.state.rooms.get(&stored.rid);
    if !room.is_some_and(|room| call.state.can_access(&call.uid, room)) {
        return Err(Refusal::in_method(
            "error-not-allowed",
            "Not allowed",
            "getSingleMessage",
        ));
    }
    Ok(object([("message", message(call, id))]))
}

/// The message of `msgId`, which must be in the room of `roomId`.
fn own(call: &Call<'_>) -> Result<String, Refusal> {
    let (rid, id) = (call.need("roomId")?, call.need("msgId")?);
    let stored = call.state.messages.get(&id).ok_or_else(|| no_message(&id))?;
    if stored.rid != rid {
        return Err(elsewhere());
    }
    Ok(id)
}

fn elsewhere() -> Refusal {
    Refusal::plain("The room id provided does not match where the message is from.")
}

pub(super) fn update(call: &mut Call<'_>) -> Outcome {
    let id = own(call)?;
    let Some(Value::String(text)) = call.body.get("text").cloned() else {
        return Err(Refusal::invalid_params("must have required property 'text'"));
    };
    let mut extra = Map::new();
    if let Some(fields) = call.body.get("customFields") {
        extra.insert("customFields".to_owned(), fields.clone());
    }
    let uid = call.uid.clone();
    call.state.edit(&uid, &id, &text, extra)?;
    Ok(object([("message", message(call, &id))]))
}

/// The message to delete: by its id, or from 8.7 on by that of the file it shows.
fn to_delete(call: &Call<'_>) -> Result<String, Refusal> {
    let file = call.text("fileId").filter(|_| call.state.version() >= (8, 7));
    let Some(file) = file.filter(|_| call.text("msgId").is_none()) else {
        return own(call);
    };
    let shown = call.state.files.get(file).and_then(|file| file.message());
    let id = shown.ok_or_else(|| no_message(""))?.to_owned();
    let rid = call.state.messages.get(&id).map(|stored| stored.rid.as_str());
    if call.text("roomId").is_some_and(|asked| Some(asked) != rid) {
        return Err(elsewhere());
    }
    Ok(id)
}

pub(super) fn delete(call: &mut Call<'_>) -> Outcome {
    let id = to_delete(call)?;
    let stored = call.state.messages.get(&id).ok_or_else(|| no_message(&id))?;
    let about = json!({ "_id": id, "rid": stored.rid, "u": stored.doc.get("u") });
    let (uid, author) = (call.uid.clone(), stored.author().to_owned());
    // `asUser` deletes in the name of the author, which only an administrator may do for others.
    if call.body.get("asUser") == Some(&json!(true)) && author != uid {
        let text = "Unauthorized. You must have the permission \"force-delete-message\" to delete other's message as them.";
        return Err(Refusal::plain(text));
    }
    call.state.delete(&uid, &id)?;
    let ts = call.state.now().to_string();
    Ok(object([
        ("_id", json!(id)),
        ("ts", json!(ts)),
        ("message", about),
    ]))
}

pub(super) fn react(call: &mut Call<'_>) -> Outcome {
    let id = call.need("messageId")?;
    if !call.state.messages.contains_key(&id) {
        let reason = "The provided \"messageId\" does not match any existing message.";
        return Err(Refusal::coded("error-message-not-found", reason));
    }
    let Some(emoji) = call.text("emoji").or(call.text("reaction")).map(str::to_owned) else {
        let reason = "The required \"emoji\" param is missing.";
        return Err(Refusal::coded("error-emoji-param-not-provided", reason));
    };
    let want = call.body.get("shouldReact").and_then(Value::as_bool);
    let uid = call.uid.clone();
    call.state.react(&uid, &id, &emoji, want)?;
    Ok(object([]))
}

fn pinned(call: &mut Call<'_>, on: bool) -> Outcome {
    let id = call.need("messageId")?;
    if !call.state.messages.contains_key(&id) {
        let reason = "The provided \"messageId\" does not match any existing message.";
        return Err(Refusal::coded("error-message-not-found", reason));
    }
    let uid = call.uid.clone();
    // The answer is the line in the room, not what was pinned.
    Ok(match call.state.pin(&uid, &id, on)? {
        Some(said) => object([("message", message(call, &said))]),
        None => object([]),
    })
}

pub(super) fn pin(call: &mut Call<'_>) -> Outcome {
    pinned(call, true)
}

pub(super) fn unpin(call: &mut Call<'_>) -> Outcome {
    pinned(call, false)
}
