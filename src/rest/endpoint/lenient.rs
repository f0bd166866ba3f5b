//! Fields that take any JSON: what has a form that is not known is as good as absent, and loses nothing else.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::event::wire::Shape;
use crate::event::{Message, RoomKind, Timestamp};

/// A value, or the default of its type.
pub(super) fn value<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned + Default,
{
    Ok(T::deserialize(Value::deserialize(deserializer)?).unwrap_or_default())
}

/// A date in any form that servers write.
pub(super) fn date<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Timestamp>, D::Error> {
    Ok(Shape::deserialize(deserializer)?.timestamp())
}

/// A number of things.
pub(super) fn count<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    Ok(Value::deserialize(deserializer)?.as_u64())
}

/// The kind of a room by its letter.
pub(super) fn room_kind<'de, D: Deserializer<'de>>(deserializer: D) -> Result<RoomKind, D::Error> {
    Ok(RoomKind::from_letter(Value::deserialize(deserializer)?.as_str()))
}

/// Those of a list that can be read; nothing where it is no list.
pub(super) fn list<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned,
{
    Ok(read_list(deserializer, |value| T::deserialize(value).ok())?.unwrap_or_default())
}

/// The same for the list that a reply is about: without it, it is none.
pub(super) fn the_list<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned,
{
    read_list(deserializer, |value| T::deserialize(value).ok())?.ok_or_else(not_a_list)
}

/// The messages that a reply is about. Those without id or room are left out.
pub(super) fn messages<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Message>, D::Error> {
    read_list(deserializer, |value| Message::from_json(&value.to_string()).ok())?.ok_or_else(not_a_list)
}

/// A message that has at least an id and a room.
pub(super) fn message<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Message, D::Error> {
    let value = Value::deserialize(deserializer)?;
    Message::from_json(&value.to_string()).map_err(serde::de::Error::custom)
}

/// The same, if there is one.
pub(super) fn maybe_message<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Message>, D::Error> {
    let value = Value::deserialize(deserializer)?;
    Ok(Message::from_json(&value.to_string()).ok())
}

fn not_a_list<E: serde::de::Error>() -> E {
    E::custom("not a list")
}

fn read_list<'de, D: Deserializer<'de>, T>(
    deserializer: D,
    read: impl Fn(Value) -> Option<T>,
) -> Result<Option<Vec<T>>, D::Error> {
    let Value::Array(list) = Value::deserialize(deserializer)? else {
        return Ok(None);
    };
    let all = list.len();
    let read: Vec<T> = list.into_iter().filter_map(read).collect();
    if read.len() < all {
        tracing::debug!(
            left_out = all - read.len(),
            "entries of a list are of no known form"
        );
    }
    Ok(Some(read))
}
