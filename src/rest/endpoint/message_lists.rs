//! Lists of messages: history, threads, pinned, starred, mentioning, found.

use std::marker::PhantomData;

use serde::{Deserialize, Serialize};

use super::kind::{Channel, Direct, Private, endpoints};
use super::lenient;
use crate::event::{Message, RoomId, Timestamp};

#[expect(clippy::ref_option, reason = "serde asks for this signature")]
pub(super) fn iso<S: serde::Serializer>(time: &Option<Timestamp>, serializer: S) -> Result<S::Ok, S::Error> {
    time.map(|time| time.to_string()).serialize(serializer)
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for this signature")]
fn inverse<S: serde::Serializer>(flag: &bool, serializer: S) -> Result<S::Ok, S::Error> {
    word(&!flag, serializer)
}

// Some of the servers take words only.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for this signature")]
fn word<S: serde::Serializer>(flag: &bool, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(if *flag { "true" } else { "false" })
}

/// `GET channels.history`, `groups.history`, `im.history`: what was said in a room, the newest first. One page:
/// [`RoomHandle::history`](crate::rest::RoomHandle::history) goes through all, for any kind of room.
///
/// What was said in a public channel before the account was in it is only for accounts with the permission
/// `preview-c-room`.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase", bound = "")]
pub struct RoomHistory<K> {
    room_id: RoomId,
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "iso")]
    latest: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "iso")]
    oldest: Option<Timestamp>,
    #[serde(serialize_with = "word")]
    inclusive: bool,
    count: usize,
    #[serde(skip_serializing_if = "is_zero")]
    offset: usize,
    #[serde(
        rename = "showThreadMessages",
        skip_serializing_if = "std::ops::Not::not",
        serialize_with = "inverse"
    )]
    has_no_replies: bool,
    #[serde(skip)]
    kind: PhantomData<fn() -> K>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for this signature")]
fn is_zero(number: &usize) -> bool {
    *number == 0
}

impl<K> RoomHistory<K> {
    /// The last messages of a room.
    pub fn of(room_id: impl Into<RoomId>, count: usize) -> Self {
        Self {
            room_id: room_id.into(),
            latest: None,
            oldest: None,
            inclusive: true,
            count,
            offset: 0,
            has_no_replies: false,
            kind: PhantomData,
        }
    }

    /// Only what was written then or before.
    #[must_use]
    pub fn until(mut self, latest: Timestamp) -> Self {
        self.latest = Some(latest);
        self
    }

    /// Only what was written then or later.
    #[must_use]
    pub fn since(mut self, oldest: Timestamp) -> Self {
        self.oldest = Some(oldest);
        self
    }

    /// Leaves out so many of the newest.
    #[must_use]
    pub fn skip(mut self, messages: usize) -> Self {
        self.offset = messages;
        self
    }

    /// Without what was said in threads, unless it was also shown in the room. Servers before 6.5 don't know this.
    #[must_use]
    pub fn without_replies(mut self) -> Self {
        self.has_no_replies = true;
        self
    }
}

/// A page of messages. An answer without them is none; messages without id or room are left out.
#[derive(Debug, Clone, Deserialize)]
#[non_exhaustive]
pub struct MessagesReply {
    /// The messages. The kind of their room is not part of it.
    #[serde(alias = "threads", deserialize_with = "lenient::messages")]
    pub messages: Vec<Message>,
    /// How many there are on all pages, where the reply says it.
    #[serde(default, deserialize_with = "lenient::count")]
    pub total: Option<u64>,
}

/// `GET rooms.history`: what was said in a room of any kind, the newest first, by cursors.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct HistoryPage {
    /// The room.
    pub room_id: RoomId,
    /// How many messages at most.
    pub count: usize,
    /// What was written after this: the cursor of a page before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    /// What was written before this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub previous: Option<String>,
}

impl HistoryPage {
    /// The last messages of a room.
    pub fn of(room_id: impl Into<RoomId>, count: usize) -> Self {
        Self {
            room_id: room_id.into(),
            count,
            next: None,
            previous: None,
        }
    }
}

/// Reply to [`HistoryPage`].
#[derive(Debug, Clone, Deserialize)]
#[non_exhaustive]
pub struct HistoryPageReply {
    /// The messages, the newest first.
    #[serde(deserialize_with = "lenient::messages")]
    pub messages: Vec<Message>,
    /// Where there is more.
    #[serde(default, deserialize_with = "lenient::value")]
    pub cursor: HistoryCursor,
}

/// Where the history goes on.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct HistoryCursor {
    /// To what is newer.
    #[serde(default, deserialize_with = "lenient::value")]
    pub next: Option<String>,
    /// To what is older.
    #[serde(default, deserialize_with = "lenient::value")]
    pub previous: Option<String>,
}

/// `GET chat.getThreadsList`: the messages of a room that have threads.
#[derive(Debug, Clone, Serialize)]
pub struct Threads {
    /// The room.
    #[serde(rename = "rid")]
    pub room_id: RoomId,
    /// Only those that the account follows, or in which it has not read all.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub only: Option<OnlyThreads>,
    /// Only those of a message with this text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// How many to leave out.
    pub offset: usize,
    /// How many at most; servers send a hundred at most.
    pub count: usize,
}

/// Which threads [`Threads`] lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum OnlyThreads {
    /// Those that the account follows.
    Following,
    /// Those in which the account has not read all.
    Unread,
}

macro_rules! of_room {
    ($($(#[$doc:meta])* $name:ident)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Serialize)]
        #[serde(rename_all = "camelCase")]
        pub struct $name {
            /// The room.
            pub room_id: RoomId,
            /// How many to leave out.
            pub offset: usize,
            /// How many at most; servers send a hundred at most.
            pub count: usize,
        }
    )*};
}

of_room! {
    /// `GET chat.getPinnedMessages`: what is pinned in a room.
    PinnedMessages
    /// `GET chat.getStarredMessages`: what the account starred in a room.
    StarredMessages
    /// `GET chat.getMentionedMessages`: what mentions the account in a room.
    MentioningMessages
}

/// `GET chat.search`: messages of a room with a text in them.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SearchMessages {
    /// The room.
    pub room_id: RoomId,
    /// The text. Between slashes it is a regular expression.
    #[serde(rename = "searchText")]
    pub text: String,
    /// How many to leave out.
    pub offset: usize,
    /// How many at most.
    pub count: usize,
}

endpoints! {
    RoomHistory<Channel>: GET "channels.history", again, MessagesReply;
    RoomHistory<Private>: GET "groups.history", again, MessagesReply;
    RoomHistory<Direct>: GET "im.history", again, MessagesReply;
    HistoryPage: GET "rooms.history" since 8 9, again, HistoryPageReply;
    Threads: GET "chat.getThreadsList", again, MessagesReply;
    PinnedMessages: GET "chat.getPinnedMessages", again, MessagesReply;
    StarredMessages: GET "chat.getStarredMessages", again, MessagesReply;
    MentioningMessages: GET "chat.getMentionedMessages", again, MessagesReply;
    SearchMessages: GET "chat.search", again, MessagesReply;
}
