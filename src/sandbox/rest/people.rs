//! Finding people and rooms over REST, who is there, and personal access tokens.

use serde_json::{Value, json};

use super::{Call, Outcome, object};
use crate::sandbox::{refusal::Refusal, state::State};

pub(super) fn presences(call: &mut Call<'_>) -> Outcome {
    let wanted: Vec<&str> = call.query_list("ids").flat_map(|ids| ids.split(',')).collect();
    let full = wanted.is_empty();
    let asked = |id: &str| full || wanted.contains(&id);
    let users: Vec<Value> = call
        .state
        .users
        .values()
        .filter(|user| asked(&user.id))
        .map(State::member_json)
        .collect();
    Ok(object([("users", json!(users)), ("full", json!(full))]))
}

/// The server's own emoji.
pub(super) fn emoji(call: &mut Call<'_>) -> Outcome {
    let emojis = json!({ "update": call.state.own_emoji(), "remove": [] });
    Ok(object([("emojis", emojis)]))
}

pub(super) fn autocomplete(call: &mut Call<'_>) -> Outcome {
    let selector = call.query("selector");
    let missing = || Refusal::plain("The 'selector' param is required");
    let selector: Value = serde_json::from_str(selector.ok_or_else(missing)?)
        .map_err(|_| Refusal::plain("Unexpected token in JSON at position 0"))?;
    let term = selector.get("term").and_then(Value::as_str).unwrap_or_default();
    Ok(object([("items", json!(call.state.people_named(term)))]))
}

pub(super) fn spotlight(call: &mut Call<'_>) -> Outcome {
    let query = call.query("query").unwrap_or_default();
    let (people, rooms) = match query.chars().next() {
        Some('@') => (true, false),
        Some('#') => (false, true),
        _ => (true, true),
    };
    let found = call
        .state
        .spotlight(&call.uid, query.trim_start_matches(['@', '#']), people, rooms);
    match found {
        Value::Object(found) => Ok(found),
        _ => Err(Refusal::Bare),
    }
}

/// The name of a token, for those who may have one, and who prove once more who they are.
fn token_name(call: &mut Call<'_>, method: &str) -> Result<String, Refusal> {
    if call.state.is_of_login(&call.token) {
        let (code, by) = (call.code.as_deref(), call.code_method.as_deref());
        call.state.prove(&call.uid, code, by)?;
    }
    let name = call.need("tokenName")?;
    match call.state.may(&call.uid, "create-personal-access-tokens", None) {
        true => Ok(name),
        false => Err(Refusal::in_method("not-authorized", "Not Authorized", method)),
    }
}

fn missing(method: &str) -> Refusal {
    Refusal::in_method("error-token-does-not-exists", "Token does not exist", method)
}

pub(super) fn make_token(call: &mut Call<'_>) -> Outcome {
    let method = "personalAccessTokens:generateToken";
    let (name, uid) = (token_name(call, method)?, call.uid.clone());
    let token = call.state.make_personal_token(&uid, &name);
    let known = || {
        Refusal::in_method(
            "error-token-already-exists",
            "A token with this name already exists",
            method,
        )
    };
    Ok(object([("token", json!(token.ok_or_else(known)?))]))
}

pub(super) fn remake_token(call: &mut Call<'_>) -> Outcome {
    let method = "personalAccessTokens:regenerateToken";
    let (name, uid) = (token_name(call, method)?, call.uid.clone());
    if !call.state.remove_personal_token(&uid, &name) {
        return Err(missing(method));
    }
    let token = call.state.make_personal_token(&uid, &name);
    Ok(object([("token", json!(token))]))
}

pub(super) fn tokens(call: &mut Call<'_>) -> Outcome {
    let user = call.state.users.get(&call.uid).ok_or(Refusal::NotLoggedIn)?;
    let all = user.tokens.iter().filter_map(|token| {
        let name = token.name.as_ref()?;
        let last = token.text.get(token.text.len().saturating_sub(6)..);
        Some(json!({ "name": name, "lastTokenPart": last, "bypassTwoFactor": true }))
    });
    Ok(object([("tokens", all.collect())]))
}

pub(super) fn remove_token(call: &mut Call<'_>) -> Outcome {
    let method = "personalAccessTokens:removeToken";
    let (name, uid) = (token_name(call, method)?, call.uid.clone());
    match call.state.remove_personal_token(&uid, &name) {
        true => Ok(object([])),
        false => Err(missing(method)),
    }
}
