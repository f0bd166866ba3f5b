//! Who opens the page becomes a person of the chat.

use axum::{
    Json,
    body::{Body, Bytes},
    http::{Response, StatusCode},
    response::IntoResponse,
};
use serde_json::json;

use super::refused;
use crate::sandbox::{
    server::Connection,
    state::{State, rooms::Room},
};

/// People that the page may bring in.
const PEOPLE_MAX: usize = 100;
/// Characters of a name.
const NAME_MAX: usize = 30;
/// Names for who gives none.
const NAMES: &[&str] = &[
    "ada", "grace", "alan", "edsger", "barbara", "linus", "margaret", "ken",
];

#[derive(Debug, Default, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Wish {
    name: Option<String>,
}

/// The username that a name gives: what Rocket.Chat takes for one.
fn username(name: &str) -> Option<String> {
    let name = name.trim();
    if name.is_empty() || name.chars().count() > NAME_MAX {
        return None;
    }
    let lower = name.to_lowercase();
    let characters = lower.chars().map(|c| if c == ' ' { '.' } else { c });
    let username: String = characters.collect();
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    (username.chars().all(fits) && !matches!(username.as_str(), "all" | "here")).then_some(username)
}

/// The name itself, or with a number if somebody has it.
fn free(state: &State, name: &str) -> String {
    let numbered = (2..).map(|number| format!("{name}{number}"));
    std::iter::once(name.to_owned())
        .chain(numbered)
        .find(|name| state.user_by_name(name).is_none())
        .unwrap_or_default()
}

/// `POST _sandbox/join`: an account in the channels where everybody is.
pub(super) async fn join(context: Connection, body: Bytes) -> Response<Body> {
    let wish = match body.is_empty() {
        true => Ok(Wish::default()),
        false => serde_json::from_slice::<Wish>(&body),
    };
    let wish = match wish {
        Ok(wish) => wish,
        Err(error) => return refused(StatusCode::BAD_REQUEST, "invalid-params", &error.to_string()),
    };
    let mut people = context.shared.page.people();
    if people.len() >= PEOPLE_MAX {
        let text = "The sandbox takes no more people from its page: start it again.";
        return refused(StatusCode::CONFLICT, "too-many-people", text);
    }
    let (wanted, shown) = match &wish.name {
        None => {
            let name = NAMES[people.len() % NAMES.len()];
            (Some(name.to_owned()), None)
        }
        Some(name) => (username(name), Some(name.trim())),
    };
    let Some(wanted) = wanted else {
        let text = "A name has 1 to 30 letters, digits, blanks, or `.`, `-`, `_`.";
        return refused(StatusCode::BAD_REQUEST, "invalid-name", text);
    };
    let mut state = context.shared.lock();
    let username = free(&state, &wanted);
    let name = shown.map_or_else(|| capitalized(&username), str::to_owned);
    let everybody = state.users.len();
    let password = state.tokens.make();
    let uid = state.add_user(&username, &name, &password, vec!["user".to_owned()]);
    let open = |room: &&Room| room.is_public() && (room.id == "GENERAL" || room.members.len() >= everybody);
    let rooms: Vec<String> = state
        .rooms
        .values()
        .filter(open)
        .map(|room| room.id.clone())
        .collect();
    for rid in rooms {
        // It cannot be refused: the room is public, and people may see public rooms.
        let _ = state.join(&rid, &uid, "joinRoom");
    }
    let token = state.users.get(&uid).and_then(|user| user.tokens.front());
    let token = token.map(|token| token.text.clone());
    people.push(uid.clone());
    let body =
        json!({ "success": true, "userId": uid, "authToken": token, "username": username, "name": name });
    Json(body).into_response()
}

fn capitalized(text: &str) -> String {
    let mut characters = text.chars();
    characters
        .next()
        .map(|first| first.to_uppercase().chain(characters).collect())
        .unwrap_or_default()
}
