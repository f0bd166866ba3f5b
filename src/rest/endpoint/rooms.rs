//! Calls about rooms.

use http::Method;
use serde::{Deserialize, Serialize};

use super::message_lists::iso;
use super::{Done, Endpoint, lenient};
use crate::event::{RoomId, RoomKind, Timestamp, UserId};
use crate::rest::{RestError, RestErrorKind};

/// `GET subscriptions.get`: the rooms that the account is in.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Subscriptions {
    /// Only what changed since then.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "iso")]
    pub updated_since: Option<Timestamp>,
}

/// Reply to [`Subscriptions`].
#[derive(Debug, Clone, Deserialize)]
#[non_exhaustive]
pub struct SubscriptionsReply {
    /// The rooms. An answer without them is none.
    #[serde(deserialize_with = "lenient::the_list")]
    pub update: Vec<Subscription>,
    /// What the account left, where a time was given.
    #[serde(default, deserialize_with = "lenient::list")]
    pub remove: Vec<RemovedSubscription>,
}

/// One room of the account.
#[derive(Debug, Clone, Deserialize)]
#[non_exhaustive]
pub struct Subscription {
    /// The room.
    #[serde(rename = "rid")]
    pub room_id: RoomId,
    /// `c` a channel, `p` a private one, `d` a direct conversation, `l` a livechat.
    #[serde(rename = "t", default, deserialize_with = "lenient::value")]
    pub kind: String,
    /// Its name; in a direct conversation the other's user name.
    #[serde(default, deserialize_with = "lenient::value")]
    pub name: Option<String>,
    /// Its name as shown.
    #[serde(rename = "fname", default, deserialize_with = "lenient::value")]
    pub display_name: Option<String>,
    /// The account's roles in the room.
    #[serde(default, deserialize_with = "lenient::value")]
    pub roles: Option<Vec<String>>,
    /// Since when the account is in the room. Direct conversations may have none.
    #[serde(rename = "ts", default, deserialize_with = "lenient::date")]
    pub joined_at: Option<Timestamp>,
    /// When something about it last changed: also when somebody else wrote in the room.
    #[serde(rename = "_updatedAt", default, deserialize_with = "lenient::date")]
    pub updated_at: Option<Timestamp>,
    /// `INVITED` or `BANNED`, where the account is not in the room.
    #[serde(default, deserialize_with = "lenient::value")]
    pub status: Option<String>,
}

impl Subscription {
    /// Whether the account is in the room, and not only invited to it or kept out of it.
    pub(crate) fn is_member(&self) -> bool {
        !matches!(self.status.as_deref(), Some("INVITED" | "BANNED"))
    }
}

/// A room that the account left: only the id of the subscription is known.
#[derive(Debug, Clone, Deserialize)]
#[non_exhaustive]
pub struct RemovedSubscription {
    /// Not the room's id.
    #[serde(rename = "_id")]
    pub id: String,
}

impl Endpoint for Subscriptions {
    const METHOD: Method = Method::GET;
    const PATH: &'static str = "subscriptions.get";
    const IDEMPOTENT: bool = true;
    type Reply = SubscriptionsReply;
}

/// `GET subscriptions.getOne`: whether the account is in a room, and what it is to it.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SubscriptionOf {
    pub(crate) room_id: RoomId,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct SubscriptionReply {
    /// `None` where it is not in the room.
    pub(crate) subscription: Option<Subscription>,
}

impl Endpoint for SubscriptionOf {
    const METHOD: Method = Method::GET;
    const PATH: &'static str = "subscriptions.getOne";
    const IDEMPOTENT: bool = true;
    type Reply = SubscriptionReply;
}

/// `GET rooms.info`: a room by its id or its name.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum RoomInfo {
    /// By id.
    RoomId(RoomId),
    /// By name, without a `#`.
    RoomName(String),
}

/// Reply to [`RoomInfo`].
#[derive(Debug, Clone, Deserialize)]
#[non_exhaustive]
pub struct RoomInfoReply {
    /// The room.
    pub room: RestRoom,
}

/// A room in a reply of the REST API.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct RestRoom {
    /// Its id.
    #[serde(rename = "_id")]
    pub id: RoomId,
    /// Its kind.
    #[serde(rename = "t", default, deserialize_with = "lenient::room_kind")]
    pub kind: RoomKind,
    /// Its name; direct conversations have none.
    #[serde(default, deserialize_with = "lenient::value")]
    pub name: Option<String>,
    /// Its name as shown.
    #[serde(rename = "fname", default, deserialize_with = "lenient::value")]
    pub display_name: Option<String>,
    /// What it is about now.
    #[serde(default, deserialize_with = "lenient::value")]
    pub topic: Option<String>,
    /// The line above its messages.
    #[serde(default, deserialize_with = "lenient::value")]
    pub announcement: Option<String>,
    /// What it is for.
    #[serde(default, deserialize_with = "lenient::value")]
    pub description: Option<String>,
    /// The user names of a direct conversation.
    #[serde(default, deserialize_with = "lenient::list")]
    pub usernames: Vec<String>,
    /// The user ids of a direct conversation, where the reply says them.
    #[serde(default, deserialize_with = "lenient::list")]
    pub uids: Vec<UserId>,
    /// How many users there are.
    #[serde(default, deserialize_with = "lenient::count")]
    pub users_count: Option<u64>,
    /// How many messages there are.
    #[serde(rename = "msgs", default, deserialize_with = "lenient::count")]
    pub message_count: Option<u64>,
    /// Whether only some may write.
    #[serde(rename = "ro", default, deserialize_with = "lenient::value")]
    pub is_read_only: Option<bool>,
    /// Whether nobody writes any more.
    #[serde(rename = "archived", default, deserialize_with = "lenient::value")]
    pub is_archived: Option<bool>,
    /// Whether it is end-to-end encrypted.
    #[serde(rename = "encrypted", default, deserialize_with = "lenient::value")]
    pub is_encrypted: Option<bool>,
    /// The room of which it is a discussion.
    #[serde(rename = "prid", default, deserialize_with = "lenient::value")]
    pub parent_id: Option<RoomId>,
    /// When it was made.
    #[serde(rename = "ts", default, deserialize_with = "lenient::date")]
    pub created_at: Option<Timestamp>,
    /// When its last message was written.
    #[serde(rename = "lm", default, deserialize_with = "lenient::date")]
    pub last_message_at: Option<Timestamp>,
}

impl Endpoint for RoomInfo {
    const METHOD: Method = Method::GET;
    const PATH: &'static str = "rooms.info";
    const IDEMPOTENT: bool = true;
    type Reply = RoomInfoReply;
}

/// `POST im.create`: the direct conversation with somebody; it is made if there is none.
#[derive(Debug, Clone, Serialize)]
pub struct CreateDirectMessage {
    /// The other's user name.
    pub username: String,
}

/// Reply to [`CreateDirectMessage`].
#[derive(Debug, Clone, Deserialize)]
#[non_exhaustive]
pub struct DirectMessageReply {
    /// The conversation.
    pub room: CreatedRoom,
}

/// A direct conversation, or a discussion.
#[derive(Debug, Clone, Deserialize)]
#[non_exhaustive]
pub struct CreatedRoom {
    /// Its id.
    #[serde(rename = "_id", default, deserialize_with = "lenient::value")]
    id: Option<RoomId>,
    #[serde(default, deserialize_with = "lenient::value")]
    rid: Option<RoomId>,
}

impl CreatedRoom {
    /// Its id.
    pub fn id(&self) -> Option<&RoomId> {
        self.rid.as_ref().or(self.id.as_ref())
    }

    /// Its id, where a caller can not do without it.
    pub(in crate::rest) fn into_id(self, path: &str) -> Result<RoomId, RestError> {
        let missing = || {
            RestError::new(
                RestErrorKind::UnexpectedReply,
                &format!("POST {path}"),
                "a room without an id",
            )
        };
        self.rid.or(self.id).ok_or_else(missing)
    }
}

impl Endpoint for CreateDirectMessage {
    const METHOD: Method = Method::POST;
    const PATH: &'static str = "im.create";
    const IDEMPOTENT: bool = true;
    type Reply = DirectMessageReply;
}

/// `POST subscriptions.read`: marks a room as read.
#[derive(Debug, Clone, Serialize)]
pub struct MarkRead {
    /// The room.
    #[serde(rename = "rid")]
    pub room_id: RoomId,
}

impl Endpoint for MarkRead {
    const METHOD: Method = Method::POST;
    const PATH: &'static str = "subscriptions.read";
    const IDEMPOTENT: bool = true;
    type Reply = Done;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_direct_conversation_has_its_id_in_one_of_two_fields() {
        for room in [r#"{"_id":"d1","rid":"d1"}"#, r#"{"rid":"d1"}"#, r#"{"_id":"d1"}"#] {
            let room: CreatedRoom = serde_json::from_str(room).expect("a room");
            assert_eq!(room.id(), Some(&"d1".into()));
        }
    }

    #[test]
    fn a_room_is_asked_for_by_id_or_name() {
        let json = |info: &RoomInfo| serde_json::to_string(info).expect("JSON");
        assert_eq!(json(&RoomInfo::RoomId("r".into())), r#"{"roomId":"r"}"#);
        assert_eq!(
            json(&RoomInfo::RoomName("ops".to_owned())),
            r#"{"roomName":"ops"}"#
        );
    }
}
