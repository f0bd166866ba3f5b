//! Calls that tell what changed since a time.

use http::Method;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::message_lists::iso;
use super::{Endpoint, lenient};
use crate::event::{MessageId, RoomId, Timestamp};

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for this signature")]
fn text<S: serde::Serializer>(time: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(time)
}

/// `GET chat.syncMessages`: the messages of a room that were written or changed after a time, and those that were
/// deleted. Not paged: a server sends them all.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SyncMessages {
    /// The room.
    pub room_id: RoomId,
    /// What has this very time is left out.
    #[serde(serialize_with = "text")]
    pub last_update: Timestamp,
}

/// Reply to [`SyncMessages`].
#[derive(Debug, Clone, Deserialize)]
#[non_exhaustive]
pub struct SyncReply {
    /// What changed.
    pub result: SyncResult,
}

/// What changed in a room.
#[derive(Debug, Clone, Default, Deserialize)]
#[non_exhaustive]
pub struct SyncResult {
    /// Message objects as the server has them now, the newest first. [`Message::from_json`](crate::event::Message::from_json)
    /// reads their text.
    #[serde(default)]
    pub updated: Vec<Value>,
    /// Messages that are gone.
    #[serde(default, deserialize_with = "lenient::list")]
    pub deleted: Vec<DeletedMessage>,
}

/// A message that is gone.
#[derive(Debug, Clone, Deserialize)]
#[non_exhaustive]
pub struct DeletedMessage {
    /// Its id.
    #[serde(rename = "_id")]
    pub id: MessageId,
    /// When it was deleted.
    #[serde(rename = "_deletedAt", default, deserialize_with = "lenient::date")]
    pub deleted_at: Option<Timestamp>,
}

impl Endpoint for SyncMessages {
    const METHOD: Method = Method::GET;
    const PATH: &'static str = "chat.syncMessages";
    const IDEMPOTENT: bool = true;
    type Reply = SyncReply;
}

/// One page of `GET chat.syncMessages`, as servers since 7.1 have it.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SyncPage {
    pub(crate) room_id: RoomId,
    #[serde(rename = "type")]
    pub(crate) changes: Changes,
    /// In milliseconds. What has this very time is left out.
    pub(crate) next: String,
    pub(crate) count: usize,
}

/// What a [`SyncPage`] is of.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum Changes {
    Updated,
    Deleted,
}

/// Reply to [`SyncPage`].
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct SyncPageReply {
    pub(crate) result: Page,
}

#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct Page {
    /// The oldest change first.
    #[serde(default)]
    pub(crate) updated: Vec<Value>,
    /// In no useful order.
    #[serde(default)]
    pub(crate) deleted: Vec<DeletedMessage>,
    /// Missing where the server has no pages.
    pub(crate) cursor: Option<Cursor>,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Cursor {
    /// Where there is more.
    pub(crate) next: Option<String>,
}

impl Endpoint for SyncPage {
    const METHOD: Method = Method::GET;
    const PATH: &'static str = "chat.syncMessages";
    const IDEMPOTENT: bool = true;
    type Reply = SyncPageReply;
}

/// `GET rooms.get`: the rooms that the account is in.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Rooms {
    /// Only what changed since then.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "iso")]
    pub updated_since: Option<Timestamp>,
}

/// Reply to [`Rooms`].
#[derive(Debug, Clone, Default, Deserialize)]
#[non_exhaustive]
pub struct ChangedRooms {
    /// The rooms. An answer without them is none.
    #[serde(deserialize_with = "lenient::the_list")]
    pub update: Vec<ChangedRoom>,
}

/// A room that changed.
#[derive(Debug, Clone, Deserialize)]
#[non_exhaustive]
pub struct ChangedRoom {
    /// Its id.
    #[serde(rename = "_id")]
    pub id: RoomId,
    /// When its last message was written.
    #[serde(rename = "lm", default, deserialize_with = "lenient::date")]
    pub last_message_at: Option<Timestamp>,
}

impl Endpoint for Rooms {
    const METHOD: Method = Method::GET;
    const PATH: &'static str = "rooms.get";
    const IDEMPOTENT: bool = true;
    type Reply = ChangedRooms;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_come_in_two_forms_and_may_be_missing() {
        let room = |json: &str| {
            serde_json::from_str::<ChangedRoom>(json)
                .expect("a room")
                .last_message_at
        };
        let expected = Some(Timestamp::from_millis(1_795_334_400_000));
        assert_eq!(room(r#"{"_id":"r","lm":"2026-11-22T08:00:00.000Z"}"#), expected);
        assert_eq!(room(r#"{"_id":"r","lm":{"$date":1795334400000}}"#), expected);
        assert_eq!(room(r#"{"_id":"r"}"#), None);
        assert_eq!(room(r#"{"_id":"r","lm":[1]}"#), None);
    }

    #[test]
    fn a_room_is_asked_for_by_id_and_time() {
        let call = SyncMessages {
            room_id: "r".into(),
            last_update: Timestamp::from_millis(1_795_334_400_000),
        };
        assert_eq!(
            serde_json::to_string(&call).expect("JSON"),
            r#"{"roomId":"r","lastUpdate":"2026-11-22T08:00:00.000Z"}"#
        );
        let page = SyncPage {
            room_id: "r".into(),
            changes: Changes::Deleted,
            next: "1795334400000".to_owned(),
            count: 5,
        };
        assert_eq!(
            serde_json::to_string(&page).expect("JSON"),
            r#"{"roomId":"r","type":"DELETED","next":"1795334400000","count":5}"#
        );
    }
}
