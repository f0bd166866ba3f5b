//! Marks on messages: stars, following a thread, reports.

use serde_json::json;

use super::{Call, Outcome, object};
use crate::sandbox::refusal::Refusal;

/// The message that this key of the body names, if the caller may see it.
fn message(call: &Call<'_>, key: &str) -> Result<String, Refusal> {
    let id = call.need(key)?;
    let stored = call.state.messages.get(&id);
    let seen = stored.and_then(|stored| call.state.rooms.get(&stored.rid));
    match seen.is_some_and(|room| call.state.can_access(&call.uid, room)) {
        true => Ok(id),
        false => {
            let reason = format!("The provided \"{key}\" does not match any existing message.");
            Err(Refusal::coded("error-message-not-found", &reason))
        }
    }
}

fn set_star(call: &mut Call<'_>, on: bool) -> Outcome {
    let id = message(call, "messageId")?;
    let entry = json!({ "_id": call.uid });
    call.state.mark(&id, "starred", &entry, on);
    Ok(object([]))
}

pub(super) fn star(call: &mut Call<'_>) -> Outcome {
    set_star(call, true)
}

pub(super) fn unstar(call: &mut Call<'_>) -> Outcome {
    set_star(call, false)
}

fn set_follow(call: &mut Call<'_>, on: bool) -> Outcome {
    let id = message(call, "mid")?;
    let entry = json!(call.uid);
    call.state.mark(&id, "replies", &entry, on);
    Ok(object([]))
}

pub(super) fn follow(call: &mut Call<'_>) -> Outcome {
    set_follow(call, true)
}

pub(super) fn unfollow(call: &mut Call<'_>) -> Outcome {
    set_follow(call, false)
}

pub(super) fn report(call: &mut Call<'_>) -> Outcome {
    call.need("description")?;
    message(call, "messageId")?;
    Ok(object([]))
}
