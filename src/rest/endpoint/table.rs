//! All endpoints there are, as rows of a table.

use super::*;
use crate::rest::Version;

/// What the type of a call says about it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct EndpointInfo {
    /// The name of the type, with the kind of room where there is one for each.
    pub name: &'static str,
    /// See [`Endpoint::METHOD`].
    pub method: Method,
    /// See [`Endpoint::PATH`].
    pub path: &'static str,
    /// See [`Endpoint::SINCE`].
    pub since: Option<Version>,
    /// See [`Endpoint::UNTIL`].
    pub until: Option<Version>,
    /// See [`Endpoint::LIMIT`].
    pub limit: RateLimit,
    /// See [`Endpoint::IDEMPOTENT`].
    pub is_idempotent: bool,
}

impl EndpointInfo {
    const fn of<E: Endpoint>(name: &'static str) -> Self {
        Self {
            name,
            method: E::METHOD,
            path: E::PATH,
            since: E::SINCE,
            until: E::UNTIL,
            limit: E::LIMIT,
            is_idempotent: E::IDEMPOTENT,
        }
    }
}

macro_rules! table {
    ($($endpoint:ty),* $(,)?) => {
        static ALL: &[EndpointInfo] = &[$(EndpointInfo::of::<$endpoint>(stringify!($endpoint))),*];
    };
}

table![
    Login,
    Logout,
    Me,
    Info,
    PublicSettings,
    SendMessage,
    GetMessage,
    UpdateMessage,
    DeleteMessage,
    React,
    PinMessage,
    UnpinMessage,
    StarMessage,
    UnstarMessage,
    FollowMessage,
    UnfollowMessage,
    ReportMessage,
    SyncMessages,
    GetThreadMessages,
    Rooms,
    Subscriptions,
    RoomInfo,
    RoomList<Channel>,
    RoomList<Private>,
    RoomList<Direct>,
    JoinedChannels,
    Discussions,
    RoomMembers<Channel>,
    RoomMembers<Private>,
    RoomMembers<Direct>,
    MembersByRole,
    IsMember,
    RoomRoles<Channel>,
    RoomRoles<Private>,
    RoomHistory<Channel>,
    RoomHistory<Private>,
    RoomHistory<Direct>,
    HistoryPage,
    Threads,
    PinnedMessages,
    StarredMessages,
    MentioningMessages,
    SearchMessages,
    CreateRoom<Channel>,
    CreateRoom<Private>,
    CreateDirectMessage,
    CreateGroupConversation,
    CreateDiscussion,
    JoinChannel,
    JoinRoom,
    LeaveRoom,
    Invite<Channel>,
    Invite<Private>,
    Kick<Channel>,
    Kick<Private>,
    SetTopic<Channel>,
    SetTopic<Private>,
    SetTopic<Direct>,
    SetAnnouncement<Channel>,
    SetAnnouncement<Private>,
    SetDescription<Channel>,
    SetDescription<Private>,
    RenameRoom<Channel>,
    RenameRoom<Private>,
    SaveRoomSettings,
    UploadMedia,
    ConfirmMedia,
    UploadInOneStep,
    MarkRead,
    MarkUnread,
    UserInfo,
    Users,
    UserPresence,
    UserStatus,
    Presences,
    SetStatus,
];

/// All calls that have a type, with what their types say.
///
/// ```
/// use rocketbotte::rest::endpoint;
///
/// let send = endpoint::all().iter().find(|call| call.path == "chat.sendMessage");
/// assert!(send.is_some_and(|send| send.is_idempotent));
/// ```
pub fn all() -> &'static [EndpointInfo] {
    ALL
}

/// The limit of a call that is known by its path only.
pub(crate) fn limit_of(method: &Method, route: &str) -> RateLimit {
    let found = ALL.iter().find(|row| row.method == *method && row.path == route);
    found.map_or(RateLimit::DEFAULT, |row| row.limit)
}
