//! Reduces a recording to what the comparison needs: what was asked as it was, of each answer only its keys and types, and the
//! ids, times and names by which answers belong together.

use serde_json::{Map, Value, json};

use crate::stage::is_name;

/// Headers that matter.
const ASKED: &[&str] = &[
    "Content-Type",
    "Content-Length",
    "X-User-Id",
    "X-Auth-Token",
    "Cookie",
    "X-Forwarded-For",
];
/// Fields of frames by which they are told apart. Of these, of numbers and of flags the values are kept.
const TELLING: &[&str] = &[
    "msg",
    "_id",
    "id",
    "collection",
    "eventName",
    "t",
    "rid",
    "methods",
    "subs",
    "args",
    "error",
    "version",
    "username",
    "usernames",
];

/// One line of a recording; `None` for a remark.
pub(crate) fn reduced(line: &Value) -> Option<Value> {
    let mut line = line.clone();
    if line.get("note").is_some() {
        return None;
    }
    if line["dir"] == "in" {
        line["frame"] = bare(&line["frame"], TELLING, "");
    }
    if let Some(response) = line.get_mut("response") {
        response["body"] = bare(&response["body"], &[], "");
        keep(&mut response["headers"], |name| {
            name == "date" || name.starts_with("x-ratelimit")
        });
        keep(&mut line["request"]["headers"], |name| ASKED.contains(&name));
    }
    Some(line)
}

fn keep(headers: &mut Value, wanted: impl Fn(&str) -> bool) {
    if let Some(headers) = headers.as_object_mut() {
        headers.retain(|name, value| {
            if name.starts_with("x-ratelimit") {
                *value = json!("");
            }
            wanted(name)
        });
    }
}

/// The value with its types alone, besides names and what stands under `kept`.
fn bare(value: &Value, kept: &[&str], key: &str) -> Value {
    match value {
        Value::String(text) if is_name(text) || text.starts_with("TOKEN-") || kept.contains(&key) => {
            value.clone()
        }
        Value::String(_) => json!(""),
        Value::Bool(_) | Value::Number(_) if !kept.is_empty() => value.clone(),
        Value::Bool(_) => json!(false),
        Value::Number(_) => json!(0),
        Value::Null => Value::Null,
        Value::Array(list) => {
            let mut items: Vec<Value> = Vec::new();
            for item in list {
                let item = bare(item, kept, key);
                // Once is enough of what teaches no name.
                if items.last() != Some(&item) || holds_name(&item) {
                    items.push(item);
                }
            }
            Value::Array(items)
        }
        Value::Object(object) => {
            let field = |(key, value): (&String, &Value)| (key.clone(), bare(value, kept, key));
            Value::Object(object.iter().map(field).collect::<Map<_, _>>())
        }
    }
}

fn holds_name(value: &Value) -> bool {
    match value {
        Value::String(text) => !text.is_empty(),
        Value::Array(list) => list.iter().any(holds_name),
        Value::Object(object) => object.contains_key("$date") || object.values().any(holds_name),
        _ => false,
    }
}
