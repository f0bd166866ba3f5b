//! Values that are nearly right, and values that are not.

use proptest::prelude::*;
use serde_json::{Map, Value, json};

const WORDS: &[&str] = &[
    "msg",
    "id",
    "name",
    "method",
    "params",
    "sub",
    "unsub",
    "connect",
    "ping",
    "login",
    "logout",
    "sendMessage",
    "updateMessage",
    "deleteMessage",
    "setReaction",
    "joinRoom",
    "leaveRoom",
    "createDirectMessage",
    "rooms/get",
    "subscriptions/get",
    "loadMissedMessages",
    "loadHistory",
    "stream-notify-room",
    "stream-notify-user",
    "stream-room-messages",
    "stream-room-data",
    "GENERAL/user-activity",
    "user-typing",
    "GENERAL",
    "rid",
    "_id",
    "tmid",
    "ts",
    "$date",
    "resume",
    "user",
    "password",
    "digest",
    "username",
    "ann",
    "general",
    "@all",
    "@ann",
    "#general",
    "__my_messages__",
    "message",
    "roomId",
    "msgId",
    "messageId",
    "text",
    "emoji",
    ":+1:",
    "lastUpdate",
    "type",
    "UPDATED",
    "DELETED",
    "next",
    "count",
    "offset",
    "2026-11-22T08:00:00.000Z",
    "attachments",
    "bot",
    "alias",
    "reactions",
    "connected",
    "version",
    "support",
    "1",
    "pre1",
    "m1",
    "NaN",
    "Infinity",
    "-0",
    "1e999",
    "+262143-01-01T00:00:00.000Z",
    "-271821-04-20T00:00:00.000Z",
];

pub(crate) fn word() -> impl Strategy<Value = String> {
    prop_oneof![
        8 => prop::sample::select(WORDS).prop_map(str::to_owned),
        2 => ".{0,12}",
        1 => "(x|é|😀){0,6000}",
    ]
}

fn number() -> impl Strategy<Value = Value> {
    prop_oneof![
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        prop::sample::select(vec![
            i64::MIN,
            i64::MIN + 1,
            -1,
            0,
            1,
            50,
            8_640_000_000_000_000,
            i64::MAX - 1,
            i64::MAX
        ])
        .prop_map(Value::from),
    ]
}

/// Any JSON.
pub(crate) fn anything() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        number(),
        number().prop_map(|number| json!({ "$date": number })),
        word().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::vec((word(), inner), 0..5)
                .prop_map(|fields| Value::Object(fields.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

/// A change of a value: at the how manieth place, and what stands there then; nothing for its removal.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    place: usize,
    value: Option<Value>,
}

pub(crate) fn changes() -> impl Strategy<Value = Vec<Change>> {
    let change = (
        any::<prop::sample::Index>(),
        prop::option::weighted(0.8, anything()),
    );
    let change = change.prop_map(|(place, value)| Change {
        place: place.index(40),
        value,
    });
    prop::collection::vec(change, 0..4)
}

/// A right value with changes.
pub(crate) fn changed(mut value: Value, changes: &[Change]) -> Value {
    for change in changes {
        let places = count(&value);
        let mut place = change.place % places;
        replace(&mut value, &mut place, change.value.as_ref());
    }
    value
}

fn count(value: &Value) -> usize {
    1 + match value {
        Value::Array(list) => list.iter().map(count).sum::<usize>(),
        Value::Object(object) => object.values().map(count).sum::<usize>(),
        _ => 0,
    }
}

/// Whether it has been done.
fn replace(value: &mut Value, place: &mut usize, with: Option<&Value>) -> bool {
    if *place == 0 {
        *value = with.cloned().unwrap_or_default();
        return true;
    }
    *place -= 1;
    match value {
        Value::Array(list) => list.iter_mut().any(|value| replace(value, place, with)),
        Value::Object(object) => {
            let keys: Vec<String> = object.keys().cloned().collect();
            for key in keys {
                let is_it = *place == 0;
                if is_it && with.is_none() {
                    object.remove(&key);
                    return true;
                }
                if object
                    .get_mut(&key)
                    .is_some_and(|value| replace(value, place, with))
                {
                    return true;
                }
            }
            false
        }
        _ => false,
    }
}

/// Changes of bytes: cut, doubled, turned over, thrown in.
#[derive(Clone, Debug)]
pub(crate) enum Damage {
    Cut(prop::sample::Index),
    Flip(prop::sample::Index, u8),
    Insert(prop::sample::Index, Vec<u8>),
    Remove(prop::sample::Index, usize),
}

pub(crate) fn damages() -> impl Strategy<Value = Vec<Damage>> {
    let place = any::<prop::sample::Index>;
    let damage = prop_oneof![
        1 => place().prop_map(Damage::Cut),
        3 => (place(), 1..=255_u8).prop_map(|(at, bits)| Damage::Flip(at, bits)),
        2 => (place(), prop::collection::vec(any::<u8>(), 1..20)).prop_map(|(at, bytes)| Damage::Insert(at, bytes)),
        2 => (place(), 1..20_usize).prop_map(|(at, length)| Damage::Remove(at, length)),
    ];
    prop::collection::vec(damage, 1..4)
}

pub(crate) fn damaged(mut bytes: Vec<u8>, damages: &[Damage]) -> Vec<u8> {
    for damage in damages {
        if bytes.is_empty() {
            break;
        }
        let length = bytes.len();
        match damage {
            Damage::Cut(at) => bytes.truncate(at.index(length)),
            Damage::Flip(at, bits) => bytes[at.index(length)] ^= bits,
            Damage::Insert(at, more) => {
                let at = at.index(length);
                bytes.splice(at..at, more.iter().copied());
            }
            Damage::Remove(at, many) => {
                let at = at.index(length);
                bytes.drain(at..(at + many).min(length));
            }
        }
    }
    bytes
}
