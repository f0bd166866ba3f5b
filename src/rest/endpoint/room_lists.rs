//! Lists of rooms, and of who is in them.

use std::marker::PhantomData;

use serde::{Deserialize, Serialize};

use super::kind::{Channel, Direct, Private, endpoints};
use super::lenient;
use super::rooms::RestRoom;
use super::user::{RestUser, UsersReply};
use crate::event::{RoomId, UserId};

/// `GET channels.list`, `groups.list`, `im.list`: all public channels that the account may see, or the private groups or
/// direct conversations that it is in. One page: [`Client::rooms`](crate::rest::Client::rooms) goes through all.
#[derive(Debug, Clone, Serialize)]
#[serde(bound = "")]
pub struct RoomList<K> {
    offset: usize,
    count: usize,
    #[serde(skip)]
    kind: PhantomData<fn() -> K>,
}

impl<K> RoomList<K> {
    /// So many after leaving out `offset`; servers send a hundred at most.
    pub fn page(offset: usize, count: usize) -> Self {
        Self {
            offset,
            count,
            kind: PhantomData,
        }
    }
}

/// `GET channels.list.joined`: the public channels that the account is in.
#[derive(Debug, Clone, Serialize)]
pub struct JoinedChannels {
    /// How many to leave out.
    pub offset: usize,
    /// How many at most; servers send a hundred at most.
    pub count: usize,
}

/// A page of rooms. An answer without them is none.
#[derive(Debug, Clone, Deserialize)]
#[non_exhaustive]
pub struct RoomsReply {
    /// The rooms.
    #[serde(
        alias = "channels",
        alias = "groups",
        alias = "ims",
        alias = "discussions",
        deserialize_with = "lenient::the_list"
    )]
    pub rooms: Vec<RestRoom>,
    /// How many there are on all pages.
    #[serde(default, deserialize_with = "lenient::count")]
    pub total: Option<u64>,
}

/// `GET rooms.getDiscussions`: the discussions beside a room.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Discussions {
    /// The room.
    pub room_id: RoomId,
    /// How many to leave out.
    pub offset: usize,
    /// How many at most; servers send a hundred at most.
    pub count: usize,
}

/// `GET channels.members`, `groups.members`, `im.members`: who is in a room. One page:
/// [`RoomHandle::members`](crate::rest::RoomHandle::members) goes through all, for any kind of room.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase", bound = "")]
pub struct RoomMembers<K> {
    room_id: RoomId,
    offset: usize,
    count: usize,
    #[serde(skip)]
    kind: PhantomData<fn() -> K>,
}

impl<K> RoomMembers<K> {
    /// So many after leaving out `offset`; servers send a hundred at most.
    pub fn page(room_id: impl Into<RoomId>, offset: usize, count: usize) -> Self {
        Self {
            room_id: room_id.into(),
            offset,
            count,
            kind: PhantomData,
        }
    }
}

/// `GET rooms.membersOrderedByRole`: who is in a room, owners and moderators first, with their roles in it.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MembersByRole {
    /// The room.
    pub room_id: RoomId,
    /// How many to leave out.
    pub offset: usize,
    /// How many at most; servers send a hundred at most.
    pub count: usize,
}

/// Reply to [`MembersByRole`].
#[derive(Debug, Clone, Deserialize)]
#[non_exhaustive]
pub struct MembersByRoleReply {
    /// The users.
    #[serde(deserialize_with = "lenient::the_list")]
    pub members: Vec<Member>,
    /// How many there are on all pages.
    #[serde(default, deserialize_with = "lenient::count")]
    pub total: Option<u64>,
}

/// A user with roles in the room that was asked about.
#[derive(Debug, Clone, Deserialize)]
#[non_exhaustive]
pub struct Member {
    /// The user.
    #[serde(flatten)]
    pub user: RestUser,
    /// Such as `owner`, `moderator`, `leader`.
    #[serde(rename = "roles", default, deserialize_with = "lenient::list")]
    pub room_roles: Vec<String>,
}

/// `GET channels.roles`, `groups.roles`: who has which role in a room. Works without special permissions.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase", bound = "")]
pub struct RoomRoles<K> {
    room_id: RoomId,
    #[serde(skip)]
    kind: PhantomData<fn() -> K>,
}

impl<K> RoomRoles<K> {
    /// In this room.
    pub fn of(room_id: impl Into<RoomId>) -> Self {
        Self {
            room_id: room_id.into(),
            kind: PhantomData,
        }
    }
}

/// Reply to [`RoomRoles`].
#[derive(Debug, Clone, Deserialize)]
#[non_exhaustive]
pub struct RolesReply {
    /// Only users with at least one role.
    #[serde(deserialize_with = "lenient::the_list")]
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
    #[serde(default, deserialize_with = "lenient::list")]
    pub roles: Vec<String>,
}

/// `GET rooms.isMember`: whether a user is in a room that the account may see.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct IsMember {
    /// The room.
    pub room_id: RoomId,
    /// The user.
    pub user_id: UserId,
}

/// Reply to [`IsMember`].
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct IsMemberReply {
    /// Whether the user is there. An answer without it is none.
    pub is_member: bool,
}

endpoints! {
    RoomList<Channel>: GET "channels.list", again, RoomsReply;
    RoomList<Private>: GET "groups.list", again, RoomsReply;
    RoomList<Direct>: GET "im.list", again, RoomsReply;
    JoinedChannels: GET "channels.list.joined", again, RoomsReply;
    Discussions: GET "rooms.getDiscussions", again, RoomsReply;
    RoomMembers<Channel>: GET "channels.members", again, UsersReply;
    RoomMembers<Private>: GET "groups.members", again, UsersReply;
    RoomMembers<Direct>: GET "im.members", again, UsersReply;
    MembersByRole: GET "rooms.membersOrderedByRole" since 7 3, again, MembersByRoleReply;
    RoomRoles<Channel>: GET "channels.roles", again, RolesReply;
    RoomRoles<Private>: GET "groups.roles", again, RolesReply;
    IsMember: GET "rooms.isMember" since 6 4, again, IsMemberReply;
}
