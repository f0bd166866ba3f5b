//! What the server itself sees of its clients: the only look at a bot that was not written with this crate.

use std::{sync::Arc, time::Instant};

use axum::http::{StatusCode, request::Parts};
use bytes::Bytes;
use serde_json::{Value, json};

use super::{Hub, hub::Note};
use crate::sandbox::{server::HttpContext, state::State};

/// Characters shown of a frame's text.
const SHOWN: usize = 120;
/// Bytes of a frame that is kept until it is read of.
const FRAME_KEPT: usize = 64 * 1024;

fn shortened(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// A REST call, which is told of when it is answered or given up.
#[derive(Debug)]
pub(crate) struct Called {
    hub: Arc<Hub>,
    entry: Option<Value>,
    began: Instant,
}

impl Called {
    pub(crate) fn now(context: &HttpContext, endpoint: &str, parts: &Parts, body: &Bytes) -> Self {
        let hub = Arc::clone(&context.shared.page.hub);
        let entry = hub.is_watched().then(|| {
            let text = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok());
            let state = context.shared.lock();
            // Whoever anybody claims to be is nobody without the token.
            let uid = text("x-user-id").zip(text("x-auth-token"));
            let uid = uid.and_then(|(uid, token)| state.holder(uid, token));
            json!({
                "at": state.now(),
                "kind": "rest",
                "user": uid.map(|uid| state.username(&uid)),
                "what": format!("{} {}", parts.method, shortened(endpoint)),
                "bytes": body.len(),
            })
        });
        Self {
            hub,
            entry,
            began: Instant::now(),
        }
    }

    pub(crate) fn answered(mut self, status: StatusCode) {
        if let Some(Value::Object(entry)) = &mut self.entry {
            entry.insert("status".to_owned(), json!(status.as_u16()));
        }
    }
}

impl Drop for Called {
    fn drop(&mut self) {
        let Some(Value::Object(mut entry)) = self.entry.take() else {
            return;
        };
        let took = u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX);
        entry.insert("took_us".to_owned(), json!(took));
        self.hub.traffic(|number| {
            entry.insert("id".to_owned(), json!(number));
            Note::new("traffic", &Value::Object(entry).to_string())
        });
    }
}

/// A frame of a client, or to one, as it was: only who reads of it has it described.
#[derive(Debug)]
pub(super) struct Frame {
    number: u64,
    at: i64,
    direction: &'static str,
    connection: u64,
    user: Option<String>,
    bytes: usize,
    /// Nothing of one that is too long to be kept.
    text: Option<String>,
}

impl Frame {
    pub(super) fn to_json(&self) -> String {
        let described = self.text.as_deref().map(|text| {
            serde_json::from_str::<Value>(text)
                .map_or_else(|_| "no JSON".to_owned(), |frame| shortened(&described(&frame)))
        });
        json!({
            "id": self.number,
            "at": self.at,
            "kind": self.direction,
            "connection": self.connection,
            "user": self.user,
            "what": described.unwrap_or_else(|| "a long frame".to_owned()),
            "bytes": self.bytes,
        })
        .to_string()
    }
}

/// One line about a frame. Nothing that may hold a password or a token is shown.
fn described(frame: &Value) -> String {
    let text = |key| frame.get(key).and_then(Value::as_str);
    let kind = text("msg").unwrap_or("?");
    let said = |message: Option<&Value>| {
        let text = message.and_then(|message| message.get("msg")?.as_str());
        text.map(|text| format!(" {}", shortened(text)))
            .unwrap_or_default()
    };
    let first = |list: &str| frame.get(list).and_then(|list| list.get(0));
    match kind {
        "method" => {
            let name = text("method").unwrap_or_default();
            let shown = if name == "login" {
                String::new()
            } else {
                said(first("params"))
            };
            format!("method {name}{shown}")
        }
        "sub" => {
            let event = first("params").and_then(Value::as_str).unwrap_or_default();
            format!("sub {} {event}", text("name").unwrap_or_default())
        }
        "changed" => {
            let fields = frame.get("fields");
            let event = fields.and_then(|fields| fields.get("eventName")?.as_str());
            let message = fields.and_then(|fields| fields.get("args")?.get(0));
            let stream = text("collection").unwrap_or_default();
            // Whose stream it is goes without saying.
            let own = |event: &'_ str| stream == "stream-notify-user" && event.contains('/');
            let event = event.unwrap_or_default();
            let event = match event.split_once('/') {
                Some((_, name)) if own(event) => name,
                _ => event,
            };
            format!("{stream} {event}{}", said(message))
        }
        "result" | "nosub" => {
            let error = frame.get("error").map(|error| {
                let said = error.get("message").and_then(Value::as_str);
                format!(" {}", said.unwrap_or("error"))
            });
            format!(
                "{kind} {}{}",
                text("id").unwrap_or_default(),
                error.unwrap_or_default()
            )
        }
        "ready" => format!(
            "ready {}",
            first("subs").and_then(Value::as_str).unwrap_or_default()
        ),
        other => shortened(other),
    }
}

impl State {
    /// Tells the page of a frame: `in` from a client, `out` to it.
    pub(crate) fn show_frame(&self, connection: u64, direction: &'static str, text: &str) {
        if !self.hub.is_watched() {
            return;
        }
        let session = self.sessions.get(&connection);
        let uid = session.and_then(|session| session.uid.as_deref());
        let (at, user) = (self.now(), uid.map(|uid| self.username(uid)));
        self.hub.traffic(|number| {
            Note::Frame(Arc::new(Frame {
                number,
                at,
                direction,
                connection,
                user,
                bytes: text.len(),
                text: (text.len() <= FRAME_KEPT).then(|| text.to_owned()),
            }))
        });
    }
}
