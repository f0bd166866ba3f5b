//! Posting, editing, deleting, reacting, pinning, and the threads around it.

use serde_json::{Map, Value, json};

use super::{State, Stored, date, random_id, rooms::RoomKind, text};
use crate::sandbox::refusal::Refusal;

/// Message types that only the server may write.
const SYSTEM_TYPES: &[&str] = &[
    "uj",
    "ul",
    "ru",
    "au",
    "ui",
    "uir",
    "ut",
    "wm",
    "r",
    "rm",
    "mute_unmute",
    "user-muted",
    "user-unmuted",
    "user-banned",
    "user-unbanned",
    "subscription-role-added",
    "subscription-role-removed",
    "new-owner",
    "owner-removed",
    "new-moderator",
    "moderator-removed",
    "new-leader",
    "leader-removed",
    "room-archived",
    "room-unarchived",
    "room_changed_privacy",
    "room_changed_description",
    "room_changed_announcement",
    "room_changed_avatar",
    "room_changed_topic",
    "room_e2e_enabled",
    "room_e2e_disabled",
    "room-removed-read-only",
    "room-set-read-only",
    "room-allowed-reacting",
    "room-disallowed-reacting",
    "command",
    "videoconf",
    "message_pinned",
    "message_pinned_e2e",
    "discussion-created",
    "ujt",
    "ult",
];

/// A clock that is wrong by more than this is refused.
const CLOCK_SKEW_MS: u64 = 60_000;

fn units(text: &str) -> usize {
    text.encode_utf16().count()
}

impl State {
    pub(crate) fn check_size(&self, text: &str, method: &str) -> Result<(), Refusal> {
        let limit = self
            .settings
            .get("Message_MaxAllowedSize")
            .and_then(Value::as_u64)
            .unwrap_or(5000);
        if units(text) as u64 > limit {
            let reason = "Message size exceeds Message_MaxAllowedSize";
            return Err(Refusal::in_method("error-message-size-exceeded", reason, method));
        }
        Ok(())
    }

    /// What `chat.sendMessage` and the method `sendMessage` do. `None`: the `_id` was known, nothing was done.
    pub(crate) fn send_message(
        &mut self,
        uid: &str,
        mut draft: Map<String, Value>,
    ) -> Result<Option<String>, Refusal> {
        let method = "sendMessage";
        // Nobody writes in another one's name.
        draft.remove("u");
        if draft
            .get("t")
            .and_then(Value::as_str)
            .is_some_and(|t| SYSTEM_TYPES.contains(&t))
        {
            return Err(Refusal::plain(
                "Cannot send system messages using 'chat.sendMessage'",
            ));
        }
        let tmid = draft.get("tmid").and_then(Value::as_str).map(str::to_owned);
        if draft.get("tshow").is_some_and(|show| *show == json!(true)) && tmid.is_none() {
            return Err(Refusal::in_method(
                "invalid-params",
                "tshow provided but missing tmid",
                method,
            ));
        }
        if let Some(ts) = draft.remove("ts") {
            let given = ts
                .get("$date")
                .and_then(Value::as_i64)
                .or_else(|| super::history::parse_date(&ts));
            let now = self.now();
            if given.is_none_or(|given| given.abs_diff(now) > CLOCK_SKEW_MS) {
                let details = json!({ "method": method, "message_ts": ts, "server_ts": now });
                let reason = "Message timestamp is out of sync";
                return Err(Refusal::coded("error-message-ts-out-of-sync", reason).with_details(details));
            }
        }
        let msg = match draft.get("msg") {
            None | Some(Value::Null) => String::new(),
            Some(Value::String(text)) => text.clone(),
            // The server's validator coerces scalars.
            Some(Value::Number(number)) => number.to_string(),
            Some(Value::Bool(flag)) => flag.to_string(),
            Some(Value::Array(_) | Value::Object(_)) => {
                return Err(Refusal::invalid_params("must be string"));
            }
        };
        self.check_size(&msg, method)?;
        draft.insert("msg".into(), json!(msg));
        if let Some(tmid) = &tmid {
            let parent = self
                .messages
                .get(tmid)
                .ok_or_else(|| Refusal::plain("Cannot read properties of undefined (reading 'tmid')"))?;
            draft.insert("rid".into(), json!(parent.rid));
            if let Some(root) = parent.text("tmid") {
                draft.insert("tmid".into(), json!(root));
            }
        }
        let rid = draft
            .get("rid")
            .and_then(Value::as_str)
            .map(str::to_owned)
            .ok_or_else(|| Refusal::plain("The 'rid' property on the message object is missing."))?;
        self.may_post(uid, &rid, &draft)?;
        self.may_call_everybody(uid, &rid, &msg)?;
        let id = match draft.get("_id") {
            None | Some(Value::Null) => random_id(),
            Some(Value::String(id)) if id.is_empty() => {
                let text = "Meteor requires document _id fields to be non-empty strings or ObjectIDs";
                return Err(Refusal::plain(text));
            }
            Some(Value::String(id)) => id.clone(),
            Some(_) => return Err(Refusal::plain("Match error: Expected string in field _id")),
        };
        if self.messages.contains_key(&id) {
            return Ok(None);
        }
        draft.insert("_id".into(), json!(id));
        Ok(Some(self.insert(uid, draft)))
    }

    /// Whether the user may write into the room at all.
    pub(crate) fn may_post(&self, uid: &str, rid: &str, draft: &Map<String, Value>) -> Result<(), Refusal> {
        let room = self
            .rooms
            .get(rid)
            .ok_or_else(|| Refusal::plain("error-invalid-room"))?;
        if !self.can_access(uid, room) {
            return Err(Refusal::plain("error-not-allowed"));
        }
        if room.muted.contains(&self.username(uid)) {
            return Err(Refusal::plain("You_have_been_muted"));
        }
        if room.read_only && !self.may(uid, "post-readonly", Some(rid)) {
            return Err(Refusal::plain(
                "You can't send messages because the room is readonly.",
            ));
        }
        let set = |key| {
            draft
                .get(key)
                .is_some_and(|v| v.as_str().is_some_and(|text| !text.is_empty()))
        };
        if (set("alias") || set("avatar")) && !self.may(uid, "message-impersonate", Some(rid)) {
            return Err(Refusal::plain("Not enough permission"));
        }
        Ok(())
    }

    /// `@all` and `@here` need a permission; without it the whole message is refused.
    pub(crate) fn may_call_everybody(&mut self, uid: &str, rid: &str, msg: &str) -> Result<(), Refusal> {
        let Some(name) = text::calls_everybody(msg) else {
            return Ok(());
        };
        let permission = if name == "all" {
            "mention-all"
        } else {
            "mention-here"
        };
        if self.may(uid, permission, Some(rid)) {
            return Ok(());
        }
        let (method, action) = match name {
            "all" => ("filterATAllTag", "Notify_all_in_this_room"),
            _ => ("filterATHereTag", "Notify_active_in_this_room"),
        };
        self.ephemeral(uid, rid, &format!("Notify {name} in this room is not allowed"));
        let reason = format!("Notify {name} in this room not allowed");
        Err(Refusal::coded("error-action-not-allowed", &reason)
            .with_details(json!({ "method": method, "action": action })))
    }

    /// Stores and publishes a message without any check. Fills in what is missing.
    pub(crate) fn insert(&mut self, uid: &str, mut doc: Map<String, Value>) -> String {
        let now = self.now();
        let id = doc
            .get("_id")
            .and_then(Value::as_str)
            .map_or_else(random_id, str::to_owned);
        let rid = doc
            .get("rid")
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned();
        let msg = doc
            .get("msg")
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned();
        // Of two messages in one millisecond the later one must not look older than the room.
        let ts = now.max(self.rooms.get(&rid).and_then(|room| room.last).unwrap_or(now));
        doc.insert("_id".into(), json!(id));
        doc.entry("u").or_insert_with(|| {
            self.users
                .get(uid)
                .map_or_else(|| json!({ "_id": uid }), super::people::User::author)
        });
        doc.insert("ts".into(), date(ts));
        doc.insert("_updatedAt".into(), date(ts));
        if doc.get("t").is_none_or(|t| *t == json!("e2e")) {
            doc.insert("mentions".into(), json!(self.mentions(&msg)));
            doc.insert("channels".into(), json!(self.channels(&msg)));
            doc.entry("urls").or_insert_with(|| json!([]));
            if !msg.is_empty() {
                doc.entry("md").or_insert_with(|| text::markdown(&msg));
            }
        }
        let stored = Stored {
            id: id.clone(),
            rid: rid.clone(),
            ts,
            updated: ts,
            doc,
        };
        let (thread, author) = (stored.text("tmid").map(str::to_owned), stored.author().to_owned());
        let system = stored.doc.contains_key("t");
        self.store(stored);
        if let Some(room) = self.rooms.get_mut(&rid) {
            room.count += 1;
            room.last = Some(ts);
            room.updated = ts.max(room.updated + 1);
            room.last_message = Some(id.clone());
        }
        self.publish(&id);
        if let Some(thread) = thread {
            self.count_reply(&thread, &author, ts);
        }
        self.count_in_discussion(&rid, ts);
        if !system {
            self.count_unread(&rid, &id, &author);
        }
        self.notify_room(&rid);
        self.announce(&id);
        id
    }

    /// The parent of a thread is sent again with its new counters.
    fn count_reply(&mut self, parent: &str, author: &str, ts: i64) {
        let found = self.modify(parent, |doc| {
            let count = doc.get("tcount").and_then(Value::as_u64).unwrap_or(0) + 1;
            doc.insert("tcount".into(), json!(count));
            doc.insert("tlm".into(), date(ts));
            let replies = doc.entry("replies").or_insert_with(|| json!([]));
            if let Some(list) = replies.as_array_mut().filter(|l| !l.contains(&json!(author))) {
                list.push(json!(author));
            }
        });
        if found {
            self.publish(parent);
        }
    }

    /// The announcement of a discussion counts what is written there.
    fn count_in_discussion(&mut self, rid: &str, ts: i64) {
        let Some(parent) = self.rooms.get(rid).and_then(|room| room.parent.clone()) else {
            return;
        };
        let announcement = self
            .room_messages(&parent)
            .find(|message| message.text("drid") == Some(rid))
            .map(|message| message.id.clone());
        let Some(announcement) = announcement else { return };
        self.modify(&announcement, |doc| {
            let count = doc.get("dcount").and_then(Value::as_u64).unwrap_or(0) + 1;
            doc.insert("dcount".into(), json!(count));
            doc.insert("dlm".into(), date(ts));
        });
        self.publish(&announcement);
    }

    /// A line of the server itself: somebody joined, the topic changed.
    pub(crate) fn system_message(
        &mut self,
        rid: &str,
        uid: &str,
        kind: &str,
        msg: &str,
        extra: Map<String, Value>,
    ) -> String {
        let mut doc = extra;
        doc.insert("rid".into(), json!(rid));
        doc.insert("t".into(), json!(kind));
        doc.insert("msg".into(), json!(msg));
        doc.insert("groupable".into(), json!(false));
        self.insert(uid, doc)
    }

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
        let editor = self
            .users
            .get(uid)
            .map(super::people::User::short)
            .unwrap_or_default();
        let (mentions, channels) = (self.mentions(text), self.channels(text));
        let now = date(self.now());
        self.modify(id, |doc| {
            doc.extend(extra);
            doc.insert("msg".into(), json!(text));
            doc.insert("md".into(), text::markdown(text));
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
        let rid = message.rid.clone();
        let own = message.author() == uid && self.may(uid, "delete-own-message", Some(&rid));
        if !own && !self.may(uid, "delete-message", Some(&rid)) {
            let details = json!({ "method": "deleteMessage", "action": "Delete_message" });
            return Err(Refusal::coded("error-action-not-allowed", "Not allowed").with_details(details));
        }
        let parent = message.doc.contains_key("tcount");
        if parent || self.setting_on("Message_ShowDeletedStatus") {
            let editor = self
                .users
                .get(uid)
                .map(super::people::User::short)
                .unwrap_or_default();
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
            self.remember_deletion(id, &rid);
            let now = self.now();
            let last = self
                .room_messages(&rid)
                .next_back()
                .map(|message| message.id.clone());
            if let Some(room) = self.rooms.get_mut(&rid) {
                room.last_message = last;
                room.updated = now.max(room.updated + 1);
            }
            self.emit(
                "stream-notify-room",
                &format!("{rid}/deleteMessage"),
                json!([{ "_id": id }]),
            );
        }
        self.notify_room(&rid);
        self.touch();
        Ok(())
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
        let known = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '+');
        if bare.is_empty() || !bare.chars().all(known) {
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

    pub(crate) fn pin(&mut self, uid: &str, id: &str, on: bool) -> Result<(), Refusal> {
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
        let by = self
            .users
            .get(uid)
            .map(super::people::User::short)
            .unwrap_or_default();
        let now = date(self.now());
        self.modify(id, |doc| {
            doc.insert("pinned".into(), json!(on));
            doc.insert("pinnedAt".into(), now);
            doc.insert("pinnedBy".into(), by);
        });
        self.publish(id);
        if on {
            let quote = json!([{
                "text": text,
                "author_name": author.get("username"),
                "message_link": format!("/channel/{rid}?msg={id}"),
                "ts": date(ts),
            }]);
            self.system_message(
                &rid,
                uid,
                "message_pinned",
                "",
                Map::from_iter([("attachments".into(), quote)]),
            );
        }
        self.touch();
        Ok(())
    }

    /// Unread counters of everybody else in the room.
    fn count_unread(&mut self, rid: &str, id: &str, author: &str) {
        let Some(message) = self.messages.get(id) else {
            return;
        };
        let mentioned: Vec<String> = message
            .doc
            .get("mentions")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(|mention| mention.get("_id")?.as_str().map(str::to_owned))
            .collect();
        let everybody = mentioned.iter().any(|id| matches!(id.as_str(), "all" | "here"));
        let Some(room) = self.rooms.get_mut(rid) else {
            return;
        };
        let direct = room.kind == RoomKind::Direct;
        let ts = room.last.unwrap_or_default();
        let mut changed = Vec::new();
        for (uid, member) in &mut room.members {
            if uid == author {
                member.alert = false;
                member.unread = 0;
                member.mentions = 0;
                member.group_mentions = 0;
                member.seen = Some(ts);
            } else {
                let named = mentioned.contains(uid);
                member.alert = true;
                member.unread += u64::from(direct || named || everybody);
                member.mentions += u64::from(named);
                member.group_mentions += u64::from(everybody);
            }
            member.updated = ts.max(member.updated + 1);
            changed.push(uid.clone());
        }
        for uid in changed {
            self.notify_subscription(rid, &uid);
            if uid != author {
                self.notify_desktop(rid, &uid, id);
            }
        }
    }
}

/// The text that edits and deletes give for an unknown id.
pub(crate) fn no_message(id: &str) -> Refusal {
    Refusal::plain(format!("No message found with the id of \"{id}\"."))
}
