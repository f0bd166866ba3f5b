//! Login and logout, users, settings, the server itself.

use serde_json::{Value, json};

use super::{Call, Outcome, object, paged};
use crate::sandbox::{
    refusal::Refusal,
    state::people::{Presence, User},
};

/// Settings that are not public.
const PRIVATE: &[&str] = &["API_Allow_Infinite_Count", "API_Upper_Count_Limit"];

pub(super) fn info(call: &mut Call<'_>) -> Outcome {
    if call.uid.is_empty() || !call.state.may(&call.uid, "view-statistics", None) {
        // Major and minor version are all that anybody may see.
        let parts: Vec<&str> = call.state.server_version.splitn(3, '.').take(2).collect();
        return Ok(object([("version", json!(parts.join(".")))]));
    }
    let version = &call.state.server_version;
    Ok(object([
        ("version", json!(version)),
        ("info", json!({ "version": version })),
    ]))
}

pub(super) fn login(call: &mut Call<'_>) -> Outcome {
    let login = if let Some(token) = call.body.get("resume").and_then(Value::as_str) {
        call.state.login_resume(token)
    } else {
        let name = ["user", "username", "email"]
            .iter()
            .find_map(|key| call.text(key))
            .map(str::to_owned);
        match (name, call.body.get("password").cloned()) {
            (Some(name), Some(password)) => {
                let code = call.text("code").map(str::to_owned).or_else(|| call.code.clone());
                call.state.login_password(&name, &password, code.as_deref())
            }
            _ => Err(Refusal::coded(400, "Unrecognized options for login request")),
        }
    };
    let login = login.map_err(|refused| Refusal::Login(Box::new(refused)))?;
    let me = call
        .state
        .users
        .get(&login.uid)
        .map(|user| call.state.user_json(user, true));
    let data = json!({ "userId": login.uid, "authToken": login.token, "me": me });
    Ok(object([("status", json!("success")), ("data", data)]))
}

pub(super) fn logout(call: &mut Call<'_>) -> Outcome {
    let token = call.token.clone();
    call.state.revoke(&token, None);
    let data = json!({ "message": "You've been logged out!" });
    Ok(object([("status", json!("success")), ("data", data)]))
}

pub(super) fn me(call: &mut Call<'_>) -> Outcome {
    let user = call.state.users.get(&call.uid).ok_or(Refusal::NotLoggedIn)?;
    match call.state.user_json(user, true) {
        Value::Object(me) => Ok(me),
        _ => Err(Refusal::Bare),
    }
}

fn asked<'a>(call: &'a Call<'_>) -> Result<&'a User, Refusal> {
    let user = match (call.query("userId"), call.query("username")) {
        (Some(id), _) => call.state.users.get(id),
        (None, Some(name)) => call.state.user_by_name(name),
        (None, None) => {
            let reason = "The required \"userId\" or \"username\" param was not provided";
            return Err(Refusal::coded("error-user-param-not-provided", reason));
        }
    };
    user.ok_or_else(|| Refusal::plain("User not found."))
}

pub(super) fn user_info(call: &mut Call<'_>) -> Outcome {
    let user = asked(call)?;
    let private = user.id == call.uid || call.state.may(&call.uid, "view-full-other-user-info", None);
    Ok(object([("user", call.state.user_json(user, private))]))
}

pub(super) fn user_list(call: &mut Call<'_>) -> Outcome {
    let mut users: Vec<&User> = call.state.users.values().collect();
    users.sort_by(|one, other| one.username.cmp(&other.username));
    let users: Vec<Value> = users
        .into_iter()
        .map(|user| call.state.user_json(user, false))
        .collect();
    Ok(paged(call, "users", &users))
}

pub(super) fn presence(call: &mut Call<'_>) -> Outcome {
    let user = match call.query("userId").or(call.query("username")) {
        Some(_) => asked(call)?,
        None => call.state.users.get(&call.uid).ok_or(Refusal::NotLoggedIn)?,
    };
    Ok(object([("presence", json!(user.presence.name()))]))
}

pub(super) fn status(call: &mut Call<'_>) -> Outcome {
    let user = match call.query("userId").or(call.query("username")) {
        Some(_) => asked(call)?,
        None => call.state.users.get(&call.uid).ok_or(Refusal::NotLoggedIn)?,
    };
    Ok(object([
        ("_id", json!(user.id)),
        ("status", json!(user.presence.name())),
        ("message", json!(user.status_text)),
        ("connectionStatus", json!(user.presence.name())),
    ]))
}

pub(super) fn set_status(call: &mut Call<'_>) -> Outcome {
    let presence = match call.body.get("status") {
        None => None,
        Some(status) => {
            let parsed = status.as_str().and_then(Presence::parse);
            let refused = || {
                let reason = "Valid status types include online, away, offline, and busy.";
                Refusal::in_method("error-invalid-status", reason, "users.setStatus")
            };
            Some(parsed.ok_or_else(refused)?)
        }
    };
    let message = call
        .body
        .get("message")
        .and_then(Value::as_str)
        .map(str::to_owned);
    if presence.is_none() && message.is_none() {
        return Err(Refusal::invalid_params("must have required property 'message'"));
    }
    let uid = call.uid.clone();
    call.state.set_status(&uid, presence, message.as_deref());
    Ok(object([]))
}

pub(super) fn settings(call: &mut Call<'_>) -> Outcome {
    let wanted: Option<Vec<&str>> = call.query("_id").map(|ids| ids.split(',').collect());
    let all: Vec<Value> = call
        .state
        .settings
        .iter()
        .filter(|(name, _)| {
            let is_wanted = wanted
                .as_ref()
                .is_none_or(|wanted| wanted.contains(&name.as_str()));
            is_wanted && !PRIVATE.contains(&name.as_str())
        })
        .map(|(name, value)| json!({ "_id": name, "value": value }))
        .collect();
    Ok(paged(call, "settings", &all))
}
