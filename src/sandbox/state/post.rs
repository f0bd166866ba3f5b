//! Posting: the checks in the server's order, and what becomes of a draft.

use serde_json::{Map, Value, json};

use super::{State, Stored, date, people::User, random_id, text};
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
        // Old versions let anybody.
        let is_guarded = self.version() >= (7, 2);
        if is_guarded
            && draft
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
        let newest = self.room_messages(&rid).next_back().map(|message| message.ts);
        let ts = now.max(newest.unwrap_or(now));
        doc.insert("_id".into(), json!(id));
        doc.entry("u").or_insert_with(|| {
            self.users
                .get(uid)
                .map_or_else(|| json!({ "_id": uid }), User::author)
        });
        doc.insert("ts".into(), date(ts));
        doc.insert("_updatedAt".into(), date(ts));
        // The first line of a discussion has no text at all, and nothing read out of it.
        if doc.contains_key("msg") && doc.get("t").is_none_or(|t| *t == json!("e2e")) {
            doc.insert("mentions".into(), json!(self.mentions(&msg)));
            doc.insert("channels".into(), json!(self.channels(&msg)));
            let quoted = self.quotations(uid, &msg);
            if !quoted.is_empty() {
                let all = doc.entry("attachments").or_insert_with(|| json!([]));
                if let Some(all) = all.as_array_mut() {
                    all.splice(0..0, quoted);
                }
            }
            if doc.get("parseUrls") != Some(&json!(false)) {
                doc.entry("urls").or_insert_with(|| json!(text::links(&msg)));
            }
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
        let shows = stored
            .text("t")
            .is_none_or(|t| matches!(t, "e2e" | "discussion-created"));
        self.store(stored);
        if let Some(room) = self.rooms.get_mut(&rid) {
            room.count += 1;
            room.updated = ts.max(room.updated + 1);
            // What the server itself says is no last message, but for a discussion.
            if shows {
                room.last = Some(ts);
                room.last_message = Some(id.clone());
            }
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
}
