//! Calls about rooms.

use http::Method;
use serde::{Deserialize, Serialize};

use super::sync::date;
use super::{Done, Endpoint};
use crate::event::{RoomId, Timestamp, UserId};

/// A user in a reply of the REST API.
#[derive(Debug, Clone, Deserialize)]
#[non_exhaustive]
pub struct RestUser {
    /// The user id.
    #[serde(rename = "_id")]
    pub id: UserId,
    /// The user name.
    pub username: Option<String>,
    /// The name shown.
    pub name: Option<String>,
}

/// `GET subscriptions.get`: the rooms that the account is in.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Subscriptions {
    /// Only what changed since then, as `2026-11-22T08:00:00.000Z`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub updated_since: Option<String>,
}

/// Reply to [`Subscriptions`].
#[derive(Debug, Clone, Deserialize)]
#[non_exhaustive]
pub struct SubscriptionsReply {
    /// The rooms. An answer without them is none.
    pub update: Vec<Subscription>,
    /// What the account left, where a time was given.
    #[serde(default)]
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
    #[serde(rename = "t", default)]
    pub kind: String,
    /// Its name; in a direct conversation the other's user name.
    pub name: Option<String>,
    /// Its name as shown.
    #[serde(rename = "fname")]
    pub display_name: Option<String>,
    /// The account's roles in the room.
    #[serde(default)]
    pub roles: Option<Vec<String>>,
    /// Since when the account is in the room. Direct conversations may have none.
    #[serde(rename = "ts", default, deserialize_with = "date")]
    pub joined_at: Option<Timestamp>,
    /// When something about it last changed: also when somebody else wrote in the room.
    #[serde(rename = "_updatedAt", default, deserialize_with = "date")]
    pub updated_at: Option<Timestamp>,
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
    /// `c` a channel, `p` a private one, `d` a direct conversation, `l` a livechat.
    #[serde(rename = "t", default)]
    pub kind: String,
    /// Its name; direct conversations have none.
    pub name: Option<String>,
    /// Its name as shown.
    #[serde(rename = "fname")]
    pub display_name: Option<String>,
    /// The user names of a direct conversation.
    #[serde(default)]
    pub usernames: Vec<String>,
    /// How many users there are.
    pub users_count: Option<u64>,
    /// Whether only some may write.
    #[serde(rename = "ro", default)]
    pub is_read_only: Option<bool>,
    /// Whether it is end-to-end encrypted.
    #[serde(rename = "encrypted", default)]
    pub is_encrypted: Option<bool>,
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

/// A direct conversation.
#[derive(Debug, Clone, Deserialize)]
#[non_exhaustive]
pub struct CreatedRoom {
    /// Its id.
    #[serde(rename = "_id")]
    id: Option<RoomId>,
    #[serde(rename = "rid")]
    rid: Option<RoomId>,
}

impl CreatedRoom {
    /// Its id.
    pub fn id(&self) -> Option<&RoomId> {
        self.rid.as_ref().or(self.id.as_ref())
    }
}

impl Endpoint for CreateDirectMessage {
    const METHOD: Method = Method::POST;
    const PATH: &'static str = "im.create";
    const IDEMPOTENT: bool = true;
    type Reply = DirectMessageReply;
}

/// `GET channels.roles`: who has which role in a channel. Works without special permissions.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ChannelRoles {
    /// The channel.
    pub room_id: RoomId,
}

/// `GET groups.roles`: who has which role in a private channel.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GroupRoles {
    /// The private channel.
    pub room_id: RoomId,
}

/// Reply to [`ChannelRoles`] and [`GroupRoles`].
#[derive(Debug, Clone, Deserialize)]
#[non_exhaustive]
pub struct RolesReply {
    /// Only users with at least one role.
    #[serde(default)]
    pub roles: Vec<RoleHolder>,
}

/// A user with roles in a room.
#[derive(Debug, Clone, Deserialize)]
#[non_exhaustive]
pub struct RoleHolder {
    /// The user.
    #[serde(rename = "u")]
    pub user: RestUser,
    /// Such as `owner`, `moderator`, `leader`.
    #[serde(default)]
    pub roles: Vec<String>,
}

impl Endpoint for ChannelRoles {
    const METHOD: Method = Method::GET;
    const PATH: &'static str = "channels.roles";
    const IDEMPOTENT: bool = true;
    type Reply = RolesReply;
}

impl Endpoint for GroupRoles {
    const METHOD: Method = Method::GET;
    const PATH: &'static str = "groups.roles";
    const IDEMPOTENT: bool = true;
    type Reply = RolesReply;
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
