//! The calls of the REST API that a bot needs, one type for each.
//!
//! Fields of replies that a server leaves out, or writes in a form that is not known, are empty or `None`: versions differ
//! in what they send.
//!
#![doc = include_str!("../../docs/endpoints.md")]

mod account;
mod chat;
mod kind;
mod lenient;
mod marks;
mod media;
mod message_lists;
mod rate_limit;
mod room_changes;
mod room_lists;
mod rooms;
mod server;
mod sync;
mod table;
mod threads;
mod user;

use http::Method;
use serde::Serialize;
use serde::de::DeserializeOwned;

pub use self::account::{Login, LoginReply, Logout, Me, MeReply};
pub use self::chat::{
    BotMark, DeleteMessage, GetMessage, MessageReply, OutgoingMessage, React, SendMessage, SentReply,
    UpdateMessage,
};
pub use self::kind::{Channel, Direct, Private};
pub use self::marks::{
    FollowMessage, PinMessage, PinnedReply, ReportMessage, StarMessage, UnfollowMessage, UnpinMessage,
    UnstarMessage,
};
pub use self::media::{
    ConfirmMedia, MediaFile, MediaReply, PostedFile, PostedFileReply, UploadInOneStep, UploadMedia,
};
pub use self::message_lists::{
    HistoryCursor, HistoryPage, HistoryPageReply, MentioningMessages, MessagesReply, OnlyThreads,
    PinnedMessages, RoomHistory, SearchMessages, StarredMessages, Threads,
};
pub use self::rate_limit::RateLimit;
pub use self::room_changes::{
    CreateDiscussion, CreateGroupConversation, CreateRoom, DiscussionReply, Invite, JoinChannel, JoinRoom,
    Kick, LeaveRoom, MarkUnread, RenameRoom, RoomReply, SaveRoomSettings, SetAnnouncement, SetDescription,
    SetTopic,
};
pub use self::room_lists::{
    Discussions, IsMember, IsMemberReply, JoinedChannels, Member, MembersByRole, MembersByRoleReply,
    RoleHolder, RolesReply, RoomList, RoomMembers, RoomRoles, RoomsReply,
};
pub(crate) use self::rooms::SubscriptionOf;
pub use self::rooms::{
    CreateDirectMessage, CreatedRoom, DirectMessageReply, MarkRead, RemovedSubscription, RestRoom, RoomInfo,
    RoomInfoReply, Subscription, Subscriptions, SubscriptionsReply,
};
pub use self::server::{Info, InfoReply, PublicSettings, Setting, SettingsReply};
pub use self::sync::{ChangedRoom, ChangedRooms, DeletedMessage, Rooms, SyncMessages, SyncReply, SyncResult};
pub(crate) use self::sync::{Changes, Page, SyncPage};
pub(crate) use self::table::limit_of;
pub use self::table::{EndpointInfo, all};
pub use self::threads::{GetThreadMessages, ThreadMessagesReply};
pub use self::user::{
    Presence, PresenceReply, Presences, RestUser, SetStatus, StatusReply, UserInfo, UserPresence, UserReply,
    UserStatus, Users, UsersReply,
};
use super::Version;

/// One call of the REST API. Its fields are the JSON body, or the query of a `GET`.
///
/// Implement it for a call that is missing here:
///
/// ```
/// use http::Method;
/// use rocketbotte::rest::Endpoint;
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Serialize)]
/// #[serde(rename_all = "camelCase")]
/// struct Archive<'a> {
///     room_id: &'a str,
/// }
///
/// #[derive(Deserialize)]
/// struct Done {}
///
/// impl Endpoint for Archive<'_> {
///     const METHOD: Method = Method::POST;
///     const PATH: &'static str = "channels.archive";
///     const IDEMPOTENT: bool = true;
///     type Reply = Done;
/// }
/// ```
pub trait Endpoint: Serialize {
    /// The HTTP method.
    const METHOD: Method;
    /// Such as `chat.sendMessage`. One that begins with a slash does not get the API's path before it.
    const PATH: &'static str;
    /// Whether doing it twice is doing it once, so that it may be repeated when a connection is lost and nobody knows
    /// whether it was done.
    const IDEMPOTENT: bool;
    /// The first version of the server that has it; `None` for all that there are. A call that a server is too old for
    /// fails with [`Unsupported`](super::RestErrorKind::Unsupported).
    const SINCE: Option<Version> = None;
    /// The first version that has it no more.
    const UNTIL: Option<Version> = None;
    /// How often servers let it be called, until they tell otherwise.
    const LIMIT: RateLimit = RateLimit::DEFAULT;
    /// Whether it goes out without credentials.
    const ANONYMOUS: bool = false;
    /// Whether request or reply hold secrets: then neither is ever logged.
    const SENSITIVE: bool = false;
    /// What the server answers.
    type Reply: DeserializeOwned;
}

/// A reply that says nothing but that it worked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[non_exhaustive]
pub struct Done {}
