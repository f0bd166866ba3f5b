//! The methods that are called over DDP.

use serde_json::{Map, Value, json};

use super::{frame, looking};
use crate::sandbox::{
    refusal::{self, Refusal},
    state::{State, history::parse_date, people::Presence},
};

pub(super) type Outcome = Result<Option<Value>, Refusal>;

pub(super) fn match_failed() -> Refusal {
    Refusal::coded(400, "Match failed")
}

pub(super) fn text(params: &[Value], at: usize) -> Result<&str, Refusal> {
    params.get(at).and_then(Value::as_str).ok_or_else(match_failed)
}

impl State {
    /// Runs one method for a connection.
    pub(super) fn call(&mut self, id: u64, uid: Option<&str>, name: &str, params: &[Value]) -> Outcome {
        match name {
            "login" => return self.login(id, params.first()),
            "logout" => return Ok(self.logout(id)),
            // These two answer with nothing instead of a refusal.
            "rooms/get" | "subscriptions/get" if uid.is_none() => return Ok(Some(json!([]))),
            _ => {}
        }
        let looks = looking::METHODS.contains(&name);
        let known = matches!(
            name,
            "rooms/get"
                | "subscriptions/get"
                | "sendMessage"
                | "updateMessage"
                | "deleteMessage"
                | "setReaction"
                | "joinRoom"
                | "leaveRoom"
                | "createDirectMessage"
                | "readMessages"
                | "getRoomIdByNameOrId"
                | "getRoomRoles"
                | "loadMissedMessages"
                | "stream-notify-room"
                | "stream-notify-user"
                | "stream-notify-logged"
                | "stream-notify-all"
                | "stream-room-messages"
                | "userSetUtcOffset"
                | "UserPresence:online"
                | "UserPresence:away"
                | "UserPresence:setDefaultStatus"
        );
        // These went before the others.
        let gone = matches!(name, "setReaction" | "deleteMessage") && self.version() >= (8, 7);
        if gone || !known && !looks {
            return Err(Refusal::coded(404, &format!("Method '{name}' not found")));
        }
        let uid = uid.ok_or_else(|| Refusal::in_method("error-invalid-user", "Invalid user", name))?;
        if looks {
            return self.look_by_method(uid, name, params);
        }
        match name {
            "rooms/get" => Ok(Some(self.rooms_since(uid, params.first()))),
            "subscriptions/get" => Ok(Some(self.subscriptions_since(uid, params.first()))),
            "sendMessage" => self.send_by_method(uid, params.first()),
            "updateMessage" | "deleteMessage" => {
                let given = params
                    .first()
                    .and_then(Value::as_object)
                    .ok_or_else(match_failed)?;
                let message = given
                    .get("_id")
                    .and_then(Value::as_str)
                    .ok_or_else(match_failed)?;
                if name == "deleteMessage" {
                    if !self.messages.contains_key(message) {
                        let details = json!({ "method": name, "action": "Delete_message" });
                        return Err(
                            Refusal::coded("error-action-not-allowed", "Not allowed").with_details(details)
                        );
                    }
                    self.delete(uid, message)?;
                } else if self.messages.contains_key(message) {
                    let msg = given.get("msg").and_then(Value::as_str).unwrap_or_default();
                    self.edit(uid, message, msg, Map::new())?;
                }
                Ok(None)
            }
            "setReaction" => {
                let want = params.get(2).and_then(Value::as_bool);
                self.react(uid, text(params, 1)?, text(params, 0)?, want)?;
                Ok(None)
            }
            "joinRoom" => Ok(self
                .join(text(params, 0)?, uid, name)?
                .then_some(Value::Bool(true))),
            "leaveRoom" => self.leave(text(params, 0)?, uid).map(|()| None),
            "createDirectMessage" => {
                let names: Option<Vec<&str>> = params
                    .iter()
                    .take_while(|p| !p.is_boolean())
                    .map(Value::as_str)
                    .collect();
                let rid = self.direct_room(uid, &names.ok_or_else(match_failed)?)?;
                let usernames = self.rooms.get(&rid).map(|room| {
                    room.members
                        .keys()
                        .map(|uid| self.username(uid))
                        .collect::<Vec<_>>()
                });
                Ok(Some(json!({ "t": "d", "rid": rid, "usernames": usernames })))
            }
            "readMessages" => {
                self.read(text(params, 0)?, uid);
                Ok(None)
            }
            "getRoomIdByNameOrId" => {
                let room = self
                    .find_room(text(params, 0)?)
                    .filter(|room| self.can_access(uid, room));
                let refused = || Refusal::in_method("error-not-allowed", "Not allowed", name);
                Ok(Some(json!(room.ok_or_else(refused)?.id)))
            }
            "getRoomRoles" => {
                let room = self
                    .rooms
                    .get(text(params, 0)?)
                    .filter(|room| self.can_access(uid, room));
                let refused = || Refusal::in_method("error-not-allowed", "Not allowed", name);
                Ok(Some(self.room_roles(room.ok_or_else(refused)?)))
            }
            "loadMissedMessages" => {
                let rid = text(params, 0)?;
                let at = params.get(1).and_then(parse_date).ok_or_else(match_failed)?;
                let allowed = self
                    .rooms
                    .get(rid)
                    .is_some_and(|room| self.can_preview(uid, room));
                if !allowed {
                    return Ok(Some(json!(false)));
                }
                let missed = self
                    .room_messages(rid)
                    .rev()
                    .filter(|m| m.ts > at)
                    .map(|m| m.doc.clone());
                Ok(Some(Value::Array(missed.map(Value::Object).collect())))
            }
            "stream-notify-room" => {
                self.write_room(id, uid, params);
                Ok(None)
            }
            // Any logged-in user may write to any other one.
            "stream-notify-user" => {
                let (event, args) = (
                    text(params, 0)?.to_owned(),
                    json!(params.get(1..).unwrap_or_default()),
                );
                self.emit_except(name, &event, &args, Some(id));
                Ok(None)
            }
            // Only the server writes to these, which is not said.
            "stream-notify-logged" | "stream-notify-all" | "stream-room-messages" => Ok(None),
            "userSetUtcOffset" => {
                let offset = params.first().and_then(Value::as_f64).ok_or_else(match_failed)?;
                if let Some(user) = self.users.get_mut(uid) {
                    user.utc_offset = Some(offset);
                }
                Ok(Some(json!(1)))
            }
            "UserPresence:away" => {
                self.set_status(uid, Some(Presence::Away), None);
                Ok(None)
            }
            "UserPresence:online" => {
                self.set_status(uid, Some(Presence::Online), None);
                Ok(None)
            }
            _ => {
                if let Some(presence) = params.first().and_then(Value::as_str).and_then(Presence::parse) {
                    self.set_status(uid, Some(presence), None);
                }
                Ok(None)
            }
        }
    }

    fn login(&mut self, id: u64, options: Option<&Value>) -> Outcome {
        let unrecognized = || Refusal::coded(400, "Unrecognized options for login request");
        let options = options.and_then(Value::as_object).ok_or_else(unrecognized)?;
        // With a second factor the login itself is inside.
        let totp = options.get("totp").and_then(Value::as_object);
        let code = totp.and_then(|totp| totp.get("code")).and_then(Value::as_str);
        let inner = totp.and_then(|totp| totp.get("login")).and_then(Value::as_object);
        let options = inner.unwrap_or(options);
        let login = if let Some(token) = options.get("resume") {
            self.login_resume(token.as_str().ok_or_else(match_failed)?)?
        } else if let (Some(user), Some(password)) = (options.get("user"), options.get("password")) {
            let name = ["username", "email"]
                .iter()
                .find_map(|key| user.get(key)?.as_str());
            self.login_password(name.ok_or_else(match_failed)?, password, code)?
        } else {
            return Err(unrecognized());
        };
        // Over REST there is no connection that it could log in.
        let Some(session) = self.sessions.get_mut(&id) else {
            return Ok(Some(login.to_ddp()));
        };
        let before = session.uid.replace(login.uid.clone());
        session.token = Some(login.token.clone());
        if let Some(before) = before.filter(|before| *before != login.uid) {
            self.reply(
                id,
                frame::text(&json!({ "msg": "removed", "collection": "users", "id": before })),
            );
            self.refresh_presence(&before);
        }
        if let Some(user) = self.users.get(&login.uid) {
            let fields = json!({
                "username": user.username,
                "emails": [{ "address": user.email(), "verified": false }],
            });
            let added = json!({ "msg": "added", "collection": "users", "id": login.uid, "fields": fields });
            self.reply(id, frame::text(&added));
        }
        self.refresh_presence(&login.uid);
        Ok(Some(login.to_ddp()))
    }

    fn logout(&mut self, id: u64) -> Option<Value> {
        let session = self.sessions.get_mut(&id)?;
        let (uid, token) = (session.uid.take(), session.token.take());
        if let Some(uid) = uid {
            self.reply(
                id,
                frame::text(&json!({ "msg": "removed", "collection": "users", "id": uid })),
            );
            if let Some(token) = token {
                self.revoke(&token, Some(id));
            }
            self.refresh_presence(&uid);
        }
        None
    }

    /// The method hides most errors: its result is empty and the text goes to the user's own stream.
    fn send_by_method(&mut self, uid: &str, draft: Option<&Value>) -> Outcome {
        let draft = draft.and_then(Value::as_object).ok_or_else(match_failed)?.clone();
        if !self.may(uid, "send-many-messages", None) {
            self.limits.send(uid).map_err(refusal::too_many_requests)?;
        }
        let rid = draft
            .get("rid")
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned();
        match self.send_message(uid, draft) {
            Ok(Some(id)) => Ok(self
                .messages
                .get(&id)
                .map(|message| Value::Object(message.doc.clone()))),
            Ok(None) => Ok(None),
            Err(Refusal::Plain(text)) if text == "error-not-allowed" => {
                Err(Refusal::coded("error-not-allowed", "").with_details(json!({ "method": "sendMessage" })))
            }
            Err(refused) => {
                let text = match &refused {
                    Refusal::Plain(text) => text.clone(),
                    other => other.message(),
                };
                self.ephemeral(uid, &rid, &text);
                Ok(None)
            }
        }
    }

    /// Typing. What is not allowed is dropped without a word.
    fn write_room(&mut self, id: u64, uid: &str, params: &[Value]) {
        let Some(event) = params.first().and_then(Value::as_str) else {
            return;
        };
        let Some((rid, "user-activity")) = event.split_once('/') else {
            return;
        };
        let Some(room) = self.rooms.get(rid) else { return };
        let Some(user) = self.users.get(uid) else { return };
        let name = if self.setting_on("UI_Use_Real_Name") {
            &user.name
        } else {
            &user.username
        };
        let named = params.get(1).and_then(Value::as_str) == Some(name.as_str());
        if named && self.can_access(uid, room) {
            let args = json!(params.get(1..).unwrap_or_default());
            self.emit_except("stream-notify-room", event, &args, Some(id));
        }
    }
}
