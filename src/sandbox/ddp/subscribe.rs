//! Subscriptions: who may read which stream.

use serde_json::{Value, json};

use super::{frame, limiter_name};
use crate::sandbox::{
    refusal::{self, Refusal},
    state::{
        State,
        notify::MY_MESSAGES,
        session::{SUBSCRIPTIONS_MAX, Subscription},
    },
};

/// Publications without events that clients ask for by habit.
const QUIET: &[&str] = &[
    "meteor.loginServiceConfiguration",
    "meteor_autoupdate_clientVersions",
    "userData",
    "activeUsers",
];

/// Bytes of a subscription's id, and of its event.
const NAMES_MAX: usize = 1_024;

impl State {
    pub(super) fn sub(&mut self, id: u64, message: Value) {
        let sub = message.get("id").and_then(Value::as_str);
        let name = message.get("name").and_then(Value::as_str);
        let no_params = Vec::new();
        let params = match message.get("params") {
            None => Some(&no_params),
            Some(params) => params.as_array(),
        };
        let (Some(sub), Some(name), Some(params)) = (sub, name, params) else {
            return self.reply(id, frame::error("Malformed subscription", Some(message)));
        };
        let event = params.first().and_then(Value::as_str).unwrap_or_default();
        if sub.len() > NAMES_MAX || event.len() > NAMES_MAX {
            // It would be kept, a thousand times for each connection.
            return self.reply(id, frame::error("Malformed subscription", None));
        }
        let Some(session) = self.sessions.get(&id) else {
            return;
        };
        // An id that is in use is ignored: no second `ready`.
        if session.subs.iter().any(|known| known.id == sub) {
            return;
        }
        let (uid, full) = (session.uid.clone(), session.subs.len() >= SUBSCRIPTIONS_MAX);
        let verdict = self
            .limits
            .ddp(id, uid.as_deref(), "subscription", limiter_name(name));
        if let Some(reset) = verdict.err().or(full.then_some(10_000)) {
            let what = format!("the subscription to {name}");
            self.note_refusal(uid.as_deref(), &what, "too many requests");
            return self.reply(id, frame::nosub(sub, Some(&refusal::too_many_requests(reset))));
        }
        if QUIET.contains(&name) {
            return self.reply(id, frame::ready(sub));
        }
        let event = match self.check_subscription(uid.as_deref(), name, params) {
            Ok(event) => event,
            Err(refusal) => {
                let what = format!("the subscription to {name}");
                self.note_refusal(uid.as_deref(), &what, &refusal.message());
                return self.reply(id, frame::nosub(sub, Some(&refusal)));
            }
        };
        let with_collection = match &params[1] {
            Value::Object(options) => options.get("useCollection") == Some(&json!(true)),
            other => *other == json!(true),
        };
        if with_collection {
            let added = json!({ "msg": "added", "collection": name, "id": "id", "fields": {} });
            self.reply(id, frame::text(&added));
        }
        let subscription = Subscription {
            id: sub.to_owned(),
            stream: name.to_owned(),
            event,
        };
        if let Some(session) = self.sessions.get_mut(&id) {
            session.subs.push(subscription);
        }
        self.reply(id, frame::ready(sub));
        self.touch();
    }

    /// The event, if the parameters have the form that streams ask for and the user may read it.
    fn check_subscription(
        &self,
        uid: Option<&str>,
        stream: &str,
        params: &[Value],
    ) -> Result<String, Refusal> {
        let known = matches!(
            stream,
            "stream-room-messages"
                | "stream-notify-room"
                | "stream-notify-user"
                | "stream-notify-logged"
                | "stream-notify-all"
                | "stream-notify-room-users"
                | "stream-user-presence"
                | "stream-room-data"
                | "stream-roles"
        );
        if !known {
            return Err(Refusal::coded(404, &format!("Subscription '{stream}' not found")));
        }
        let (Some(event), Some(Value::Bool(_) | Value::Object(_))) = (params.first(), params.get(1)) else {
            return Err(Refusal::coded(400, "Match failed"));
        };
        let event = event
            .as_str()
            .ok_or_else(|| Refusal::coded(400, "Match failed"))?;
        if event.is_empty() && stream != "stream-user-presence" {
            return Err(Refusal::coded("invalid-event-name", ""));
        }
        match self.may_read(uid, stream, event) {
            true => Ok(event.to_owned()),
            false => Err(Refusal::coded("not-allowed", "")),
        }
    }

    fn may_read(&self, uid: Option<&str>, stream: &str, event: &str) -> bool {
        // Anybody may ask for all messages; each one is checked when it is sent.
        if stream == "stream-notify-all" || (stream == "stream-room-messages" && event == MY_MESSAGES) {
            return true;
        }
        let Some(uid) = uid else { return false };
        let first = event.split('/').next().unwrap_or_default();
        match stream {
            "stream-notify-user" | "stream-notify-room-users" => first == uid,
            "stream-room-messages" | "stream-notify-room" | "stream-room-data" => self
                .rooms
                .get(first)
                .is_some_and(|room| self.can_preview(uid, room)),
            _ => true,
        }
    }

    pub(super) fn unsub(&mut self, id: u64, message: Value) {
        let Some(sub) = message.get("id").and_then(Value::as_str) else {
            return self.reply(id, frame::error("Malformed subscription", Some(message)));
        };
        if let Some(session) = self.sessions.get_mut(&id) {
            session.subs.retain(|known| known.id != sub);
        }
        self.reply(id, frame::nosub(sub, None));
        self.touch();
    }

    /// After a login or logout every subscription is judged again.
    pub(super) fn rerun_subscriptions(&mut self, id: u64) {
        let Some(session) = self.sessions.get(&id) else {
            return;
        };
        let (uid, subs) = (session.uid.clone(), session.subs.clone());
        let (kept, ended): (Vec<_>, Vec<_>) = subs
            .into_iter()
            .partition(|sub| self.may_read(uid.as_deref(), &sub.stream, &sub.event));
        for sub in &kept {
            self.reply(id, frame::ready(&sub.id));
        }
        for sub in &ended {
            self.reply(id, frame::nosub(&sub.id, None));
        }
        if let Some(session) = self.sessions.get_mut(&id) {
            session.subs = kept;
        }
        self.touch();
    }
}
