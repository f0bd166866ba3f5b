//! The frames that the server sends.

use serde_json::{Map, Value, json};
use tokio_tungstenite::tungstenite::Utf8Bytes;

use crate::sandbox::refusal::Refusal;

pub(crate) fn text(frame: &Value) -> Utf8Bytes {
    frame.to_string().into()
}

pub(crate) fn changed(collection: &str, event: &str, args: &Value) -> Utf8Bytes {
    text(&json!({
        "msg": "changed",
        "collection": collection,
        "id": "id",
        "fields": { "eventName": event, "args": args },
    }))
}

/// A protocol error; the connection stays.
pub(crate) fn error(reason: &str, offending: Option<Value>) -> Utf8Bytes {
    let mut frame = json!({ "msg": "error", "reason": reason });
    if let (Some(offending), Some(object)) = (offending, frame.as_object_mut()) {
        object.insert("offendingMessage".into(), offending);
    }
    text(&frame)
}

pub(crate) fn result(id: &str, outcome: Result<Option<Value>, Refusal>) -> Utf8Bytes {
    let mut frame = Map::from_iter([("msg".to_owned(), json!("result")), ("id".to_owned(), json!(id))]);
    match outcome {
        Ok(Some(value)) => {
            frame.insert("result".into(), value);
        }
        // A method that returns nothing leaves the key out.
        Ok(None) => {}
        Err(refusal) => {
            frame.insert("error".into(), refusal.to_ddp());
        }
    }
    text(&Value::Object(frame))
}

pub(crate) fn updated(id: &str) -> Utf8Bytes {
    text(&json!({ "msg": "updated", "methods": [id] }))
}

pub(crate) fn ready(id: &str) -> Utf8Bytes {
    text(&json!({ "msg": "ready", "subs": [id] }))
}

pub(crate) fn nosub(id: &str, refusal: Option<&Refusal>) -> Utf8Bytes {
    let mut frame = json!({ "msg": "nosub", "id": id });
    if let (Some(refusal), Some(object)) = (refusal, frame.as_object_mut()) {
        object.insert("error".into(), refusal.to_ddp());
    }
    text(&frame)
}
