//! Calls that make rooms, change them, or change who is in them.

use std::marker::PhantomData;

use serde::{Deserialize, Serialize};

use super::Done;
use super::kind::{Channel, Direct, Private, endpoints};
use super::rooms::{CreatedRoom, RestRoom};
use crate::event::{MessageId, RoomId, UserId};

/// `POST channels.create`, `groups.create`: a new room, with the account as its owner.
///
/// ```no_run
/// # async fn example(client: rocketbotte::rest::Client) -> Result<(), rocketbotte::rest::RestError> {
/// use rocketbotte::rest::endpoint::{Channel, CreateRoom};
///
/// let room = client.call(&CreateRoom::<Channel>::new("incident-7").with_member("ann")).await?.room;
/// println!("made {}", room.id);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase", bound = "")]
pub struct CreateRoom<K> {
    name: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    members: Vec<String>,
    #[serde(rename = "readOnly", skip_serializing_if = "std::ops::Not::not")]
    is_read_only: bool,
    #[serde(skip)]
    kind: PhantomData<fn() -> K>,
}

impl<K> CreateRoom<K> {
    /// A room of this name, which is for letters, digits, `.`, `-` and `_`.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            members: Vec::new(),
            is_read_only: false,
            kind: PhantomData,
        }
    }

    /// With this user in it, by user name. Servers leave out whom they don't know.
    #[must_use]
    pub fn with_member(mut self, username: impl Into<String>) -> Self {
        self.members.push(username.into());
        self
    }

    /// In which only some may write.
    #[must_use]
    pub fn read_only(mut self) -> Self {
        self.is_read_only = true;
        self
    }
}

/// Reply with a room that was made, or changed.
#[derive(Debug, Clone, Deserialize)]
#[non_exhaustive]
pub struct RoomReply {
    /// The room.
    #[serde(alias = "channel", alias = "group")]
    pub room: RestRoom,
}

/// `POST im.create` for several people: the direct conversation of all of them; it is made if there is none.
#[derive(Debug, Clone, Serialize)]
pub struct CreateGroupConversation {
    usernames: String,
}

impl CreateGroupConversation {
    /// With these users, by user name, and the account itself.
    pub fn with<'a>(usernames: impl IntoIterator<Item = &'a str>) -> Self {
        let usernames: Vec<&str> = usernames.into_iter().collect();
        Self {
            usernames: usernames.join(","),
        }
    }
}

/// `POST channels.join`: goes into a public channel. Who is there already stays.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct JoinChannel {
    /// The channel.
    pub room_id: RoomId,
    /// The word that the channel asks for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub join_code: Option<String>,
}

/// `POST rooms.join`: goes into a room of any kind that lets the account in.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct JoinRoom {
    /// The room.
    pub room_id: RoomId,
    /// The word that the room asks for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub join_code: Option<String>,
}

/// `POST rooms.leave`: leaves a room. The last owner may not.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LeaveRoom {
    /// The room.
    pub room_id: RoomId,
}

macro_rules! of_member {
    ($($(#[$doc:meta])* $name:ident)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Serialize)]
        #[serde(rename_all = "camelCase", bound = "")]
        pub struct $name<K> {
            room_id: RoomId,
            user_id: UserId,
            #[serde(skip)]
            kind: PhantomData<fn() -> K>,
        }

        impl<K> $name<K> {
            /// This user, and this room.
            pub fn new(room_id: impl Into<RoomId>, user_id: impl Into<UserId>) -> Self {
                Self { room_id: room_id.into(), user_id: user_id.into(), kind: PhantomData }
            }
        }
    )*};
}

of_member! {
    /// `POST channels.invite`, `groups.invite`: brings a user into a room. Who is there already stays.
    Invite
    /// `POST channels.kick`, `groups.kick`: takes a user out of a room.
    Kick
}

macro_rules! texts {
    ($($(#[$doc:meta])* $name:ident $field:ident)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Serialize)]
        #[serde(rename_all = "camelCase", bound = "")]
        pub struct $name<K> {
            room_id: RoomId,
            $field: String,
            #[serde(skip)]
            kind: PhantomData<fn() -> K>,
        }

        impl<K> $name<K> {
            /// In this room, this text.
            pub fn new(room_id: impl Into<RoomId>, $field: impl Into<String>) -> Self {
                Self { room_id: room_id.into(), $field: $field.into(), kind: PhantomData }
            }
        }
    )*};
}

texts! {
    /// `POST channels.setTopic`, `groups.setTopic`, `im.setTopic`: what a room is about now.
    SetTopic topic
    /// `POST channels.setAnnouncement`, `groups.setAnnouncement`: a line above the messages of a room.
    SetAnnouncement announcement
    /// `POST channels.setDescription`, `groups.setDescription`: what a room is for.
    SetDescription description
    /// `POST channels.rename`, `groups.rename`: another name for a room.
    RenameRoom name
}

/// `POST rooms.saveRoomSettings`: changes several things of a room of any kind at once.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct SaveRoomSettings {
    /// The room.
    #[serde(rename = "rid")]
    pub room_id: RoomId,
    /// Its name.
    #[serde(rename = "roomName", skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What it is about now.
    #[serde(rename = "roomTopic", skip_serializing_if = "Option::is_none")]
    pub topic: Option<String>,
    /// The line above its messages.
    #[serde(rename = "roomAnnouncement", skip_serializing_if = "Option::is_none")]
    pub announcement: Option<String>,
    /// What it is for.
    #[serde(rename = "roomDescription", skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Whether only some may write.
    #[serde(rename = "readOnly", skip_serializing_if = "Option::is_none")]
    pub is_read_only: Option<bool>,
}

impl SaveRoomSettings {
    /// Changes nothing yet.
    pub fn of(room_id: impl Into<RoomId>) -> Self {
        Self {
            room_id: room_id.into(),
            name: None,
            topic: None,
            announcement: None,
            description: None,
            is_read_only: None,
        }
    }
}

/// `POST rooms.createDiscussion`: a room beside a room, which says so.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct CreateDiscussion {
    /// The room that it is beside.
    #[serde(rename = "prid")]
    pub parent_id: RoomId,
    /// What it is called.
    #[serde(rename = "t_name")]
    pub name: String,
    /// The message that it is about.
    #[serde(rename = "pmid", skip_serializing_if = "Option::is_none")]
    pub about: Option<MessageId>,
    /// The first thing said in it, where it is about a message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reply: Option<String>,
    /// Who is brought in, by user name.
    #[serde(rename = "users", skip_serializing_if = "Vec::is_empty")]
    pub usernames: Vec<String>,
}

impl CreateDiscussion {
    /// A discussion beside a room.
    pub fn new(parent_id: impl Into<RoomId>, name: impl Into<String>) -> Self {
        Self {
            parent_id: parent_id.into(),
            name: name.into(),
            about: None,
            reply: None,
            usernames: Vec::new(),
        }
    }
}

/// Reply to [`CreateDiscussion`].
#[derive(Debug, Clone, Deserialize)]
#[non_exhaustive]
pub struct DiscussionReply {
    /// The discussion.
    pub discussion: CreatedRoom,
}

/// `POST subscriptions.unread`: marks a room as not read, from its last message of another on.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MarkUnread {
    /// The room.
    pub room_id: RoomId,
}

endpoints! {
    CreateRoom<Channel>: POST "channels.create", once, RoomReply;
    CreateRoom<Private>: POST "groups.create", once, RoomReply;
    CreateGroupConversation: POST "im.create", again, super::DirectMessageReply;
    JoinChannel: POST "channels.join", again, Done;
    JoinRoom: POST "rooms.join" since 8 0, again, Done;
    LeaveRoom: POST "rooms.leave", again, Done;
    Invite<Channel>: POST "channels.invite", again, Done;
    Invite<Private>: POST "groups.invite", again, Done;
    Kick<Channel>: POST "channels.kick", again, Done;
    Kick<Private>: POST "groups.kick", again, Done;
    SetTopic<Channel>: POST "channels.setTopic", again, Done;
    SetTopic<Private>: POST "groups.setTopic", again, Done;
    SetTopic<Direct>: POST "im.setTopic", again, Done;
    SetAnnouncement<Channel>: POST "channels.setAnnouncement", again, Done;
    SetAnnouncement<Private>: POST "groups.setAnnouncement", again, Done;
    SetDescription<Channel>: POST "channels.setDescription", again, Done;
    SetDescription<Private>: POST "groups.setDescription", again, Done;
    RenameRoom<Channel>: POST "channels.rename", once, Done;
    RenameRoom<Private>: POST "groups.rename", once, Done;
    SaveRoomSettings: POST "rooms.saveRoomSettings" since 3 13, again, Done;
    CreateDiscussion: POST "rooms.createDiscussion", once, DiscussionReply;
    MarkUnread: POST "subscriptions.unread", again, Done;
}
