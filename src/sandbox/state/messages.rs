//! Editing, deleting, reacting, pinning.

use serde_json::{Map, Value, json};

use super::{State, date, people::User, text};
use crate::sandbox::refusal::Refusal;

impl State {
    pub(crate) fn edit(
        &mut self,
        uid: &str,
        id: &str,
        text: &str,
        extra: Map<String, Value>,
    ) -> Result<(), Refusal> {
        let message = self.messages.get(id).ok_or_else(|| no_message(id))?;
        let (rid, old) = (
            message.rid.clone(),
            message.text("msg").unwrap_or_default().to_owned(),
        );
        if message.author() != uid && !self.may(uid, "edit-message", Some(&rid)) {
            let details = json!({ "method": "updateMessage", "action": "Message_editing" });
            return Err(
                Refusal::coded("error-action-not-allowed", "Message editing not allowed")
                    .with_details(details),
            );
        }
        if old == text && extra.is_empty() {
            return Ok(());
        }
        let editor = self.users.get(uid).map(User::short).unwrap_or_default();
        let (mentions, channels) = (self.mentions(text), self.channels(text));
        let now = date(self.now());
        self.modify(id, |doc| {
            doc.extend(extra);
            doc.insert("msg".into(), json!(text));
            doc.insert("md".into(), text::markdown(text));
            doc.insert("urls".into(), json!(text::links(text)));
            doc.insert("mentions".into(), json!(mentions));
            doc.insert("channels".into(), json!(channels));
            doc.insert("editedAt".into(), now);
            doc.insert("editedBy".into(), editor);
        });
        self.publish(id);
        self.touch();
        Ok(())
    }

    pub(crate) fn delete(&mut self, uid: &str, id: &str) -> Result<(), Refusal> {
        let message = self.messages.get(id).ok_or_else(|| no_message(id))?;
        let (rid, updated) = (message.rid.clone(), message.updated);
        let own = message.author() == uid && self.may(uid, "delete-own-message", Some(&rid));
        if !own && !self.may(uid, "delete-message", Some(&rid)) {
            let details = json!({ "method": "deleteMessage", "action": "Delete_message" });
            return Err(Refusal::coded("error-action-not-allowed", "Not allowed").with_details(details));
        }
        let parent = message.doc.contains_key("tcount");
        if parent || self.setting_on("Message_ShowDeletedStatus") {
            let editor = self.users.get(uid).map(User::short).unwrap_or_default();
            let now = date(self.now());
            self.modify(id, |doc| {
                doc.insert("t".into(), json!("rm"));
                doc.insert("msg".into(), json!(""));
                for list in ["urls", "mentions", "attachments", "reactions"] {
                    doc.insert(list.into(), json!([]));
                }
                doc.remove("md");
                doc.insert("editedAt".into(), now);
                doc.insert("editedBy".into(), editor);
            });
            self.publish(id);
        } else {
            self.forget(id);
            self.remember_deletion(id, &rid, updated);
            let now = self.now();
            let last = self
                .room_messages(&rid)
                .rfind(|message| !message.doc.contains_key("t"))
                .map(|message| message.id.clone());
            if let Some(room) = self.rooms.get_mut(&rid) {
                room.last_message = last;
                room.updated = now.max(room.updated + 1);
            }
            self.emit(
                "stream-notify-room",
                &format!("{rid}/deleteMessage"),
                &json!([{ "_id": id }]),
            );
        }
        self.notify_room(&rid);
        self.touch();
        Ok(())
    }

    /// Adds to a list of a message, or takes away, and sends the message again.
    pub(crate) fn mark(&mut self, id: &str, list: &str, entry: &Value, on: bool) {
        let changed = self.modify(id, |doc| {
            let mut all = match doc.remove(list) {
                Some(Value::Array(all)) => all,
                _ => Vec::new(),
            };
            all.retain(|known| known != entry);
            if on {
                all.push(entry.clone());
            }
            doc.insert(list.to_owned(), Value::Array(all));
        });
        if changed {
            self.publish(id);
        }
    }

    /// `want`: on, off, or the other way round.
    pub(crate) fn react(
        &mut self,
        uid: &str,
        id: &str,
        emoji: &str,
        want: Option<bool>,
    ) -> Result<(), Refusal> {
        let method = "setReaction";
        let bare = emoji.trim_matches(':');
        if !self.is_emoji(bare) {
            return Err(Refusal::in_method(
                "error-not-allowed",
                "Invalid emoji provided.",
                method,
            ));
        }
        let message = self
            .messages
            .get(id)
            .ok_or_else(|| Refusal::in_method("error-not-allowed", "Not allowed", method))?;
        self.may_post(uid, &message.rid, &Map::new())?;
        let (key, name) = (format!(":{bare}:"), self.username(uid));
        let names = message
            .doc
            .get("reactions")
            .and_then(|all| all.get(&key)?.get("usernames")?.as_array());
        let has = names.is_some_and(|names| names.contains(&json!(name)));
        let want = want.unwrap_or(!has);
        if want == has {
            return Ok(());
        }
        self.modify(id, |doc| {
            let mut all = match doc.remove("reactions") {
                Some(Value::Object(all)) => all,
                _ => Map::new(),
            };
            let mut names = match all
                .remove(&key)
                .and_then(|mut entry| entry.get_mut("usernames").map(Value::take))
            {
                Some(Value::Array(names)) => names,
                _ => Vec::new(),
            };
            names.retain(|known| *known != json!(name));
            if want {
                names.push(json!(name));
            }
            if !names.is_empty() {
                all.insert(key, json!({ "usernames": names }));
            }
            // The key itself vanishes with the last reaction.
            if !all.is_empty() {
                doc.insert("reactions".into(), Value::Object(all));
            }
        });
        self.publish(id);
        self.touch();
        Ok(())
    }

    /// Pins or unpins. Returns the id of the line that says so in the room.
    pub(crate) fn pin(&mut self, uid: &str, id: &str, on: bool) -> Result<Option<String>, Refusal> {
        let message = self.messages.get(id).ok_or_else(|| no_message(id))?;
        let rid = message.rid.clone();
        if !self.may(uid, "pin-message", Some(&rid)) {
            return Err(Refusal::in_method(
                "not-authorized",
                "Not Authorized",
                "pinMessage",
            ));
        }
        let text = message.text("msg").unwrap_or_default().to_owned();
        let (author, ts) = (message.doc.get("u").cloned().unwrap_or_default(), message.ts);
        let attachments = message
            .doc
            .get("attachments")
            .cloned()
            .unwrap_or_else(|| json!([]));
        let by = self.users.get(uid).map(User::short).unwrap_or_default();
        let now = date(self.now());
        self.modify(id, |doc| {
            doc.insert("pinned".into(), json!(on));
            doc.insert("pinnedAt".into(), now);
            doc.insert("pinnedBy".into(), by);
        });
        self.publish(id);
        let said = on.then(|| {
            let quote = json!([{
                "text": text,
                "author_name": author.get("username"),
                "author_icon": avatar(&author),
                "ts": date(ts),
                "attachments": attachments,
            }]);
            let quote = Map::from_iter([("attachments".into(), quote)]);
            self.system_message(&rid, uid, "message_pinned", "", quote)
        });
        self.touch();
        Ok(said)
    }
}

/// Where the picture of an author is.
pub(crate) fn avatar(author: &Value) -> String {
    let username = author.get("username").and_then(Value::as_str);
    format!("/avatar/{}", username.unwrap_or_default())
}

/// The text that edits and deletes give for an unknown id.
pub(crate) fn no_message(id: &str) -> Refusal {
    Refusal::plain(format!("No message found with the id of \"{id}\"."))
}
