//! The realtime side: DDP frames in, frames out.

pub(crate) mod frame;
mod looking;
mod methods;
pub(crate) mod socket;
mod subscribe;

use std::borrow::Cow;

use serde_json::{Value, json};

use super::{
    faults::Step,
    observe::{Inbound, cut},
    refusal,
    state::{State, random_id, session::Cut},
};

const VERSIONS: &[&str] = &["1", "pre2", "pre1"];

/// Names no limiter knows share one counter, so that they cannot fill it.
fn limiter_name(name: &str) -> &str {
    if name.len() <= 64 { name } else { "" }
}

/// The frame without what a login is made with: passwords and tokens have no place in a record.
fn without_login(text: &str) -> Cow<'_, str> {
    // Most frames need no second look; the word may be spelt with escapes.
    if !text.contains("login") && !text.contains("\\u") {
        return Cow::Borrowed(text);
    }
    match serde_json::from_str::<Value>(text) {
        Ok(mut frame) if frame["method"] == "login" => {
            frame["params"] = json!([]);
            Cow::Owned(frame.to_string())
        }
        _ => Cow::Borrowed(text),
    }
}

impl State {
    /// Answers one frame of a connection.
    pub(crate) fn receive(&mut self, id: u64, text: &str) {
        self.log.push(Inbound::Frame {
            connection: id,
            text: cut(&without_login(text)),
        });
        self.show_frame(id, "in", text);
        self.touch();
        let Ok(message) = serde_json::from_str::<Value>(text) else {
            return self.reply(id, frame::error("Bad request", None));
        };
        let Some(kind) = message.get("msg").and_then(Value::as_str) else {
            return self.reply(id, frame::error("Bad request", Some(message)));
        };
        let connected = self
            .sessions
            .get(&id)
            .is_some_and(|session| session.ddp.is_some());
        let method = message.get("method").and_then(Value::as_str);
        if Step::of(kind, method).is_some_and(|step| self.faults.take_step(step)) {
            if let Some(session) = self.sessions.get(&id) {
                session.cut(Cut::Fin);
            }
            return;
        }
        match kind {
            "connect" if connected => self.reply(id, frame::error("Already connected", Some(message))),
            "connect" => self.connect(id, &message),
            _ if !connected => self.reply(id, frame::error("Must connect first", Some(message))),
            "ping" => {
                let mut pong = json!({ "msg": "pong" });
                if let (Some(ping), Some(object)) = (message.get("id"), pong.as_object_mut()) {
                    object.insert("id".into(), ping.clone());
                }
                self.reply(id, frame::text(&pong));
            }
            "pong" => {}
            "method" => self.method(id, message),
            "sub" => self.sub(id, message),
            "unsub" => self.unsub(id, message),
            // A client of Meteor 3.5 says good-bye before it closes.
            "disconnect" => self.close_session(id),
            _ => self.reply(id, frame::error("Bad request", Some(message))),
        }
    }

    pub(crate) fn reply(&mut self, id: u64, frame: tokio_tungstenite::tungstenite::Utf8Bytes) {
        self.show_frame(id, "out", &frame);
        if let Some(session) = self.sessions.get_mut(&id) {
            session.send(frame);
        }
    }

    fn connect(&mut self, id: u64, message: &Value) {
        let version = message.get("version").and_then(Value::as_str);
        let supported = message.get("support").and_then(Value::as_array);
        let offered = supported.is_some_and(|list| list.iter().any(|v| v.as_str() == version));
        if let Some(version) = version.filter(|version| VERSIONS.contains(version) && offered) {
            let session_id = random_id();
            tracing::trace!(connection = id, version, "connected");
            if let Some(session) = self.sessions.get_mut(&id) {
                session.ddp = Some(session_id.clone());
            }
            self.reply(
                id,
                frame::text(&json!({ "msg": "connected", "session": session_id })),
            );
            self.touch();
        } else {
            self.reply(id, frame::text(&json!({ "msg": "failed", "version": "1" })));
            self.close_session(id);
        }
    }

    /// Runs a method that came over REST, and gives the frame that DDP would have answered with. Who has the same token counts
    /// as one connection, and so do all who have none.
    pub(crate) fn method_by_rest(
        &mut self,
        uid: Option<&str>,
        token: &str,
        message: &Value,
    ) -> Result<String, refusal::Refusal> {
        let name = message.get("method").and_then(Value::as_str);
        let (Some(name), Some(id)) = (name, message.get("id").and_then(Value::as_str)) else {
            return Err(refusal::Refusal::plain("Invalid request"));
        };
        let params = message.get("params").and_then(Value::as_array).cloned();
        let connection = format!("REST {}", uid.map_or("", |_| token));
        let outcome = match self.limits.ddp(connection, uid, "method", limiter_name(name)) {
            Err(reset) => Err(refusal::too_many_requests(reset)),
            // No realtime connection has this number.
            Ok(()) => self.call(0, uid, name, &params.unwrap_or_default()),
        };
        if let Err(refused) = &outcome {
            self.note_refusal(uid, &format!("the method {name}"), &refused.message());
        }
        Ok(frame::result(id, outcome).as_str().to_owned())
    }

    fn method(&mut self, id: u64, message: Value) {
        let call = message.get("id").and_then(Value::as_str);
        let name = message.get("method").and_then(Value::as_str);
        let no_params = Vec::new();
        let params = match message.get("params") {
            None => Some(&no_params),
            Some(params) => params.as_array(),
        };
        let (Some(call), Some(name), Some(params)) = (call, name, params) else {
            return self.reply(id, frame::error("Malformed method invocation", Some(message)));
        };
        let uid = self.sessions.get(&id).and_then(|session| session.uid.clone());
        let outcome = match self.limits.ddp(id, uid.as_deref(), "method", limiter_name(name)) {
            Err(reset) => Err(refusal::too_many_requests(reset)),
            Ok(()) => self.call(id, uid.as_deref(), name, params),
        };
        if let Err(refused) = &outcome {
            self.note_refusal(uid.as_deref(), &format!("the method {name}"), &refused.message());
        }
        self.reply(id, frame::result(call, outcome));
        self.reply(id, frame::updated(call));
        if name == "login" || name == "logout" {
            self.rerun_subscriptions(id);
        }
    }
}
