//! Methods that look back at messages, or make rooms, as far as version 8 still has them over DDP.

use serde_json::{Map, Value, json};

use super::methods::{Outcome, match_failed, text};
use crate::sandbox::{
    refusal::Refusal,
    state::{
        State, Stored,
        commands::Command,
        history::{Window, parse_date},
        people::User,
        rooms::{NewRoom, RoomKind},
    },
};

/// What this file answers.
pub(super) const METHODS: &[&str] = &[
    "addUsersToRoom",
    "createChannel",
    "createPrivateGroup",
    "followMessage",
    "getMessages",
    "getRoomNameById",
    "getSingleMessage",
    "getThreadMessages",
    "getThreadsList",
    "getUsersOfRoom",
    "loadHistory",
    "loadNextMessages",
    "messages/get",
    "pinMessage",
    "slashCommand",
    "spotlight",
    "starMessage",
    "unfollowMessage",
    "unpinMessage",
];

fn docs<'a>(messages: impl IntoIterator<Item = &'a Stored>) -> Value {
    let docs = messages
        .into_iter()
        .map(|message| Value::Object(message.doc.clone()));
    Value::Array(docs.collect())
}

fn number(params: &[Value], at: usize) -> usize {
    let given = params.get(at).and_then(Value::as_u64).unwrap_or(20);
    usize::try_from(given).unwrap_or(usize::MAX)
}

impl State {
    pub(super) fn look_by_method(&mut self, uid: &str, name: &str, params: &[Value]) -> Outcome {
        let object = || params.first().and_then(Value::as_object).ok_or_else(match_failed);
        let field = |key: &str| {
            object()?
                .get(key)
                .and_then(Value::as_str)
                .ok_or_else(match_failed)
        };
        match name {
            "loadHistory" | "loadNextMessages" => self.load(uid, name, params).map(Some),
            "messages/get" => self
                .messages_since(uid, text(params, 0)?, params.get(1))
                .map(Some),
            "getSingleMessage" => Ok(Some(
                docs([self.readable(uid, text(params, 0)?, name)?])[0].take(),
            )),
            "getMessages" => {
                let ids = params
                    .first()
                    .and_then(Value::as_array)
                    .ok_or_else(match_failed)?;
                let ids = ids.iter().filter_map(Value::as_str);
                let found = ids.filter_map(|id| self.readable(uid, id, name).ok());
                Ok(Some(docs(found)))
            }
            "getThreadMessages" => {
                let root = self.readable(uid, field("tmid")?, name)?;
                let replies = self.thread(&root.id);
                Ok(Some(docs(std::iter::once(root).chain(replies))))
            }
            "getThreadsList" => {
                let rid = field("rid")?;
                self.may_look(uid, rid, name)?;
                let limit = object()?.get("limit").and_then(Value::as_u64).unwrap_or(50);
                let roots = self
                    .room_messages(rid)
                    .rev()
                    .filter(|m| m.doc.contains_key("tcount"));
                Ok(Some(docs(roots.take(usize::try_from(limit).unwrap_or(50)))))
            }
            "getUsersOfRoom" => {
                let rid = text(params, 0)?;
                self.may_look(uid, rid, name)?;
                let members = self
                    .rooms
                    .get(rid)
                    .into_iter()
                    .flat_map(|room| room.members.keys());
                let records: Vec<Value> = members
                    .filter_map(|member| self.users.get(member).map(User::author))
                    .collect();
                Ok(Some(json!({ "total": records.len(), "records": records })))
            }
            "spotlight" => {
                let wanted = |kind: &str| {
                    let kinds = params.get(2).and_then(|kinds| kinds.get(kind)?.as_bool());
                    kinds.unwrap_or(true)
                };
                let query = text(params, 0)?;
                Ok(Some(self.spotlight(uid, query, wanted("users"), wanted("rooms"))))
            }
            "getRoomNameById" => {
                let rid = text(params, 0)?;
                self.may_look(uid, rid, name)?;
                Ok(self
                    .rooms
                    .get(rid)
                    .and_then(|room| room.name.clone())
                    .map(Value::from))
            }
            "createChannel" | "createPrivateGroup" => {
                let members = params.get(1).and_then(Value::as_array).ok_or_else(match_failed)?;
                self.create_by_method(uid, name, text(params, 0)?, members)
                    .map(Some)
            }
            "addUsersToRoom" => {
                let (rid, users) = (field("rid")?, object()?.get("users").and_then(Value::as_array));
                let room = self
                    .rooms
                    .get(rid)
                    .is_some_and(|room| room.members.contains_key(uid));
                if !room || !self.may(uid, "add-user-to-joined-room", Some(rid)) {
                    return Err(Refusal::in_method("error-not-allowed", "Not allowed", name));
                }
                for username in users.ok_or_else(match_failed)?.iter().filter_map(Value::as_str) {
                    let user = self.user_by_name(username);
                    let unknown = || Refusal::in_method("error-invalid-username", "Invalid username", name);
                    let user = user.ok_or_else(unknown)?.id.clone();
                    self.invite(rid, uid, &user)?;
                }
                Ok(Some(json!(true)))
            }
            "slashCommand" => {
                let message = object()?
                    .get("msg")
                    .and_then(Value::as_object)
                    .ok_or_else(match_failed)?;
                let of_message = |key: &str| message.get(key).and_then(Value::as_str);
                let command = Command {
                    name: field("cmd")?,
                    params: field("params").unwrap_or_default(),
                    rid: of_message("rid").ok_or_else(match_failed)?,
                    tmid: of_message("tmid"),
                    id: of_message("_id"),
                };
                match self.run_command(uid, &command) {
                    Err(refused) => {
                        // As errors of messages, it is told in the chat.
                        self.ephemeral(uid, command.rid, &refused.message());
                        Ok(None)
                    }
                    Ok(()) => Ok(None),
                }
            }
            "pinMessage" | "unpinMessage" => {
                let id = self.readable(uid, field("_id")?, name)?.id.clone();
                let said = self.pin(uid, &id, name == "pinMessage")?;
                let said = said.and_then(|said| self.messages.get(&said));
                Ok(Some(
                    said.map_or(json!(true), |said| Value::Object(said.doc.clone())),
                ))
            }
            "starMessage" => {
                let id = self.readable(uid, field("_id")?, name)?.id.clone();
                let on = object()?.get("starred") != Some(&json!(false));
                self.mark(&id, "starred", &json!({ "_id": uid }), on);
                Ok(Some(json!(1)))
            }
            _ => {
                let id = self.readable(uid, field("mid")?, name)?.id.clone();
                self.mark(&id, "replies", &json!(uid), name == "followMessage");
                Ok(None)
            }
        }
    }

    /// A room that the user may look into.
    fn may_look(&self, uid: &str, rid: &str, method: &str) -> Result<(), Refusal> {
        let room = self.rooms.get(rid).is_some_and(|room| self.can_access(uid, room));
        match room {
            true => Ok(()),
            false => Err(Refusal::in_method("error-not-allowed", "Not allowed", method)),
        }
    }

    /// A message that the user may see.
    fn readable(&self, uid: &str, id: &str, method: &str) -> Result<&Stored, Refusal> {
        let message = self.messages.get(id);
        let message =
            message.ok_or_else(|| Refusal::in_method("error-not-allowed", "Not allowed", method))?;
        self.may_look(uid, &message.rid, method)?;
        Ok(message)
    }

    /// Pages of the past: backwards from a time, or forwards.
    fn load(&self, uid: &str, name: &str, params: &[Value]) -> Result<Value, Refusal> {
        let room = self.rooms.get(text(params, 0)?);
        let Some(room) = room.filter(|room| self.can_preview(uid, room)) else {
            return Ok(json!(false));
        };
        let (at, count) = (params.get(1).and_then(parse_date), number(params, 2));
        if name == "loadNextMessages" {
            let later = self
                .room_messages(&room.id)
                .filter(|message| at.is_none_or(|at| message.ts > at));
            return Ok(json!({ "messages": docs(later.take(count)) }));
        }
        let window = Window {
            latest: at,
            count,
            threads: true,
            ..Window::default()
        };
        let mut answer = json!({ "messages": docs(self.history(&room.id, &window)) });
        let seen = params.get(3).and_then(parse_date);
        let unread = seen.map(|seen| self.unread(&room.id, seen, count));
        if let Some(object) = answer.as_object_mut() {
            let (first, not_loaded) = unread.unwrap_or((None, 0));
            if let Some(first) = first {
                object.insert("firstUnread".to_owned(), Value::Object(first.doc.clone()));
            }
            object.insert("unreadNotLoaded".to_owned(), json!(not_loaded));
        }
        Ok(answer)
    }

    /// What was written to or went since a time, or a part of the past.
    fn messages_since(&self, uid: &str, rid: &str, options: Option<&Value>) -> Result<Value, Refusal> {
        let method = "messages/get";
        self.may_look(uid, rid, method)?;
        let date = |key: &str| options.and_then(|options| options.get(key)).and_then(parse_date);
        if let Some(at) = date("lastUpdate") {
            let gone = self.deleted_since(rid, at);
            let deleted: Vec<Value> = gone
                .map(|(id, at)| json!({ "_id": id, "_deletedAt": crate::sandbox::state::date(at) }))
                .collect();
            return Ok(json!({ "updated": docs(self.updated_since(rid, at)), "deleted": deleted }));
        }
        let count = options
            .and_then(|options| options.get("count"))
            .and_then(Value::as_u64);
        let window = Window {
            latest: date("latestDate"),
            oldest: date("oldestDate"),
            count: count.and_then(|count| usize::try_from(count).ok()).unwrap_or(20),
            threads: true,
            ..Window::default()
        };
        Ok(json!({ "messages": docs(self.history(rid, &window)) }))
    }

    fn create_by_method(
        &mut self,
        uid: &str,
        method: &str,
        name: &str,
        members: &[Value],
    ) -> Result<Value, Refusal> {
        let (kind, permission) = match method {
            "createChannel" => (RoomKind::Channel, "create-c"),
            _ => (RoomKind::Group, "create-p"),
        };
        if !self.may(uid, permission, None) {
            return Err(Refusal::in_method("error-not-allowed", "Not allowed", method));
        }
        let members = members
            .iter()
            .filter_map(|name| Some(self.user_by_name(name.as_str()?)?.id.clone()))
            .collect();
        let new = NewRoom {
            name: Some(name),
            creator: Some(uid),
            members,
            ..NewRoom::default()
        };
        let rid = self.create_room(kind, new)?;
        let mut answer = match self.rooms.get(&rid).map(|room| self.room_json(room)) {
            Some(Value::Object(room)) => room,
            _ => Map::new(),
        };
        answer.insert("rid".to_owned(), json!(rid));
        Ok(Value::Object(answer))
    }
}
