//! One room of any kind: the call is chosen by its kind.

use std::sync::{Arc, OnceLock};

use super::super::client::Client;
use super::super::endpoint::{
    Channel, CreateDiscussion, CreatedRoom, Direct, Discussions, Endpoint, Invite, IsMember, JoinChannel,
    JoinRoom, Kick, LeaveRoom, MarkRead, MarkUnread, Member, MembersByRole, MentioningMessages,
    MessagesReply, OnlyThreads, PinnedMessages, Private, RenameRoom, RestRoom, RestUser, RoleHolder,
    RoomInfo, RoomMembers, RoomRoles, SaveRoomSettings, SearchMessages, SetAnnouncement, SetDescription,
    SetTopic, StarredMessages, Threads,
};
use super::super::error::{RestError, RestErrorKind};
use super::super::history::History;
use super::super::paging::{ByOffset, Counted, CountedReply, Listing, Page};
use crate::event::{Message, Room, RoomId, RoomKind, UserId};

/// A room as calls need it: its id, and its kind if that is known.
///
/// ```
/// use rocketbotte::event::{Room, RoomId, RoomKind};
/// use rocketbotte::rest::RoomRef;
///
/// let room = Room::new("GENERAL", RoomKind::Channel);
/// assert_eq!(RoomRef::from(&room).kind(), RoomKind::Channel);
/// // The first call that needs the kind asks the server for it.
/// assert_eq!(RoomRef::from(RoomId::from("GENERAL")).kind(), RoomKind::Unknown);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoomRef {
    id: RoomId,
    kind: RoomKind,
}

impl RoomRef {
    /// A room of this kind.
    pub fn new(id: impl Into<RoomId>, kind: RoomKind) -> Self {
        Self { id: id.into(), kind }
    }

    /// The id.
    pub fn id(&self) -> &RoomId {
        &self.id
    }

    /// The kind.
    pub fn kind(&self) -> RoomKind {
        self.kind
    }
}

impl From<&Room> for RoomRef {
    fn from(room: &Room) -> Self {
        Self::new(room.id().clone(), room.kind())
    }
}

impl From<&RestRoom> for RoomRef {
    fn from(room: &RestRoom) -> Self {
        Self::new(room.id.clone(), room.kind)
    }
}

impl From<RoomId> for RoomRef {
    fn from(id: RoomId) -> Self {
        Self::new(id, RoomKind::Unknown)
    }
}

impl From<&RoomId> for RoomRef {
    fn from(id: &RoomId) -> Self {
        Self::new(id.clone(), RoomKind::Unknown)
    }
}

/// Calls about one room of any kind: [`Client::room`].
///
/// Each method is one call of the server, of those of the module [`endpoint`](crate::rest::endpoint); the first that
/// depends on the kind of the room asks for it if it is not known. All fail as [`Client::call`] does.
#[derive(Clone, Debug)]
pub struct RoomHandle {
    client: Client,
    id: RoomId,
    kind: Arc<OnceLock<RoomKind>>,
}

/// Makes the call of the kind of a room; what has no such call is an error.
macro_rules! by_kind {
    ($room:expr, $what:literal, $($kind:ident => $call:expr),*) => {
        match $room.known_kind().await? {
            $(RoomKind::$kind => $room.client.call(&$call).await,)*
            _ => Err($room.has_no($what)),
        }
    };
}

impl Client {
    /// Calls about one room, of any kind.
    ///
    /// ```no_run
    /// # async fn example(client: rocketbotte::rest::Client, message: rocketbotte::event::Message) -> Result<(), rocketbotte::rest::RestError> {
    /// let room = client.room(message.room());
    /// room.set_topic("Release day").await?;
    /// room.invite(message.author().id()).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn room(&self, room: impl Into<RoomRef>) -> RoomHandle {
        let RoomRef { id, kind } = room.into();
        let known = OnceLock::new();
        if kind != RoomKind::Unknown {
            // A new lock is empty.
            let _ = known.set(kind);
        }
        RoomHandle {
            client: self.clone(),
            id,
            kind: Arc::new(known),
        }
    }
}

impl RoomHandle {
    /// Its id.
    pub fn id(&self) -> &RoomId {
        &self.id
    }

    pub(in crate::rest) fn client(&self) -> &Client {
        &self.client
    }

    pub(in crate::rest) async fn known_kind(&self) -> Result<RoomKind, RestError> {
        match self.kind.get() {
            Some(kind) => Ok(*kind),
            None => Ok(self.info().await?.kind),
        }
    }

    pub(in crate::rest) fn has_no(&self, what: &str) -> RestError {
        let kind = self.kind.get().copied().unwrap_or_default();
        let message = format!("a room of this kind ({kind}) has no {what}");
        RestError::new(RestErrorKind::InvalidCall, what, message)
    }

    /// What it is.
    ///
    /// # Errors
    ///
    /// [`RestErrorKind::NotFound`] where there is no such room, [`RestErrorKind::Forbidden`] where the account may not see it.
    pub async fn info(&self) -> Result<RestRoom, RestError> {
        let room = self.client.call(&RoomInfo::RoomId(self.id.clone())).await?.room;
        if room.kind != RoomKind::Unknown {
            // The kind of a room is the same for whoever asked first.
            let _ = self.kind.set(room.kind);
        }
        Ok(room)
    }

    /// What was said in it, the newest first.
    pub fn history(&self) -> History {
        History::of(self.clone())
    }

    /// Who is in it.
    pub fn members(&self) -> Listing<RestUser> {
        let room = self.clone();
        let get = move |offset, count| {
            let room = room.clone();
            async move {
                let id = room.id.clone();
                let CountedReply { reply, received } = by_kind!(
                    room,
                    "list of members",
                    Channel => Counted(RoomMembers::<Channel>::page(id, offset, count)),
                    Private => Counted(RoomMembers::<Private>::page(id, offset, count)),
                    Direct => Counted(RoomMembers::<Direct>::page(id, offset, count))
                )?;
                Ok(Page {
                    entries: reply.users,
                    received,
                    total: reply.total,
                })
            }
        };
        Listing::new(ByOffset::new(get, |user: &RestUser| user.id.clone()))
    }

    /// Who is in it, owners and moderators first, with their roles in it. Servers have this since 7.3.
    pub fn members_by_role(&self) -> Listing<Member> {
        let room = self.clone();
        let get = move |offset, count| {
            let (client, room_id) = (room.client.clone(), room.id.clone());
            async move {
                let call = Counted(MembersByRole {
                    room_id,
                    offset,
                    count,
                });
                let CountedReply { reply, received } = client.call(&call).await?;
                Ok(Page {
                    entries: reply.members,
                    received,
                    total: reply.total,
                })
            }
        };
        Listing::new(ByOffset::new(get, |member: &Member| member.user.id.clone()))
    }

    /// Who has which role in it: only those with at least one. A direct conversation has no roles.
    ///
    /// # Errors
    ///
    /// As [`Client::call`].
    pub async fn roles(&self) -> Result<Vec<RoleHolder>, RestError> {
        if self.known_kind().await? == RoomKind::Direct {
            return Ok(Vec::new());
        }
        let id = self.id.clone();
        let reply = by_kind!(
            self,
            "roles",
            Channel => RoomRoles::<Channel>::of(id),
            Private => RoomRoles::<Private>::of(id)
        )?;
        Ok(reply.roles)
    }

    /// Whether a user is in it. Servers have this since 6.4.
    ///
    /// # Errors
    ///
    /// As [`Client::call`].
    pub async fn is_member(&self, user_id: &UserId) -> Result<bool, RestError> {
        let call = IsMember {
            room_id: self.id.clone(),
            user_id: user_id.clone(),
        };
        Ok(self.client.call(&call).await?.is_member)
    }

    /// Goes into it; nothing changes where the account is in it. Other rooms than public channels have this since 8.0.
    ///
    /// # Errors
    ///
    /// As [`Client::call`].
    pub async fn join(&self) -> Result<(), RestError> {
        let (room_id, join_code) = (self.id.clone(), None);
        match self.known_kind().await? {
            RoomKind::Channel => self.client.call(&JoinChannel { room_id, join_code }).await?,
            _ => self.client.call(&JoinRoom { room_id, join_code }).await?,
        };
        Ok(())
    }

    /// Leaves it.
    ///
    /// # Errors
    ///
    /// With the code `error-you-are-last-owner` where the account is.
    pub async fn leave(&self) -> Result<(), RestError> {
        let room_id = self.id.clone();
        self.client.call(&LeaveRoom { room_id }).await.map(drop)
    }

    /// Brings a user in; nothing changes where the user is in it.
    ///
    /// # Errors
    ///
    /// As [`Client::call`].
    pub async fn invite(&self, user_id: &UserId) -> Result<(), RestError> {
        let (room, user) = (self.id.clone(), user_id.clone());
        by_kind!(
            self,
            "invitation",
            Channel => Invite::<Channel>::new(room, user),
            Private => Invite::<Private>::new(room, user)
        )
        .map(drop)
    }

    /// Takes a user out.
    ///
    /// # Errors
    ///
    /// As [`Client::call`].
    pub async fn kick(&self, user_id: &UserId) -> Result<(), RestError> {
        let (room, user) = (self.id.clone(), user_id.clone());
        by_kind!(
            self,
            "way to remove somebody",
            Channel => Kick::<Channel>::new(room, user),
            Private => Kick::<Private>::new(room, user)
        )
        .map(drop)
    }

    /// Says what it is about now.
    ///
    /// # Errors
    ///
    /// As [`Client::call`].
    pub async fn set_topic(&self, topic: impl Into<String>) -> Result<(), RestError> {
        let (room, topic) = (self.id.clone(), topic.into());
        by_kind!(
            self,
            "topic",
            Channel => SetTopic::<Channel>::new(room, topic),
            Private => SetTopic::<Private>::new(room, topic),
            Direct => SetTopic::<Direct>::new(room, topic)
        )
        .map(drop)
    }

    /// Puts a line above its messages; an empty one takes it away.
    ///
    /// # Errors
    ///
    /// As [`Client::call`].
    pub async fn set_announcement(&self, announcement: impl Into<String>) -> Result<(), RestError> {
        let (room, text) = (self.id.clone(), announcement.into());
        by_kind!(
            self,
            "announcement",
            Channel => SetAnnouncement::<Channel>::new(room, text),
            Private => SetAnnouncement::<Private>::new(room, text)
        )
        .map(drop)
    }

    /// Says what it is for.
    ///
    /// # Errors
    ///
    /// As [`Client::call`].
    pub async fn set_description(&self, description: impl Into<String>) -> Result<(), RestError> {
        let (room, text) = (self.id.clone(), description.into());
        by_kind!(
            self,
            "description",
            Channel => SetDescription::<Channel>::new(room, text),
            Private => SetDescription::<Private>::new(room, text)
        )
        .map(drop)
    }

    /// Gives it another name.
    ///
    /// # Errors
    ///
    /// As [`Client::call`].
    pub async fn rename(&self, name: impl Into<String>) -> Result<(), RestError> {
        let (room, name) = (self.id.clone(), name.into());
        by_kind!(
            self,
            "name",
            Channel => RenameRoom::<Channel>::new(room, name),
            Private => RenameRoom::<Private>::new(room, name)
        )
        .map(drop)
    }

    /// Lets only some write in it, or all. Servers have this since 3.13.
    ///
    /// # Errors
    ///
    /// As [`Client::call`].
    pub async fn set_read_only(&self, is_read_only: bool) -> Result<(), RestError> {
        let mut call = SaveRoomSettings::of(self.id.clone());
        call.is_read_only = Some(is_read_only);
        self.client.call(&call).await.map(drop)
    }

    /// Marks it as read.
    ///
    /// # Errors
    ///
    /// As [`Client::call`].
    pub async fn mark_read(&self) -> Result<(), RestError> {
        let room_id = self.id.clone();
        self.client.call(&MarkRead { room_id }).await.map(drop)
    }

    /// Marks it as not read, from the last message of another on.
    ///
    /// # Errors
    ///
    /// As [`Client::call`].
    pub async fn mark_unread(&self) -> Result<(), RestError> {
        let room_id = self.id.clone();
        self.client.call(&MarkUnread { room_id }).await.map(drop)
    }

    /// Makes a discussion beside it, and tells its id.
    ///
    /// # Errors
    ///
    /// As [`Client::call`], and [`RestErrorKind::UnexpectedReply`] where the server does not tell the id.
    pub async fn create_discussion(&self, name: impl Into<String>) -> Result<RoomId, RestError> {
        let call = CreateDiscussion::new(self.id.clone(), name);
        let made: CreatedRoom = self.client.call(&call).await?.discussion;
        made.into_id(CreateDiscussion::PATH)
    }

    /// The discussions beside it.
    pub fn discussions(&self) -> Listing<RestRoom> {
        let room = self.clone();
        let get = move |offset, count| {
            let (client, room_id) = (room.client.clone(), room.id.clone());
            async move {
                let call = Counted(Discussions {
                    room_id,
                    offset,
                    count,
                });
                let CountedReply { reply, received } = client.call(&call).await?;
                Ok(Page {
                    entries: reply.rooms,
                    received,
                    total: reply.total,
                })
            }
        };
        Listing::new(ByOffset::new(get, |room: &RestRoom| room.id.clone()))
    }

    /// A list of messages by the call that has a page of it.
    fn messages<E>(
        &self,
        call: impl Fn(RoomId, usize, usize) -> E + Send + Sync + 'static,
    ) -> Listing<Message>
    where
        E: Endpoint<Reply = MessagesReply> + Send + Sync + 'static,
    {
        let room = self.clone();
        let call = Arc::new(call);
        let get = move |offset, count| {
            let (room, call) = (room.clone(), Arc::clone(&call));
            async move {
                let call = Counted(call(room.id.clone(), offset, count));
                let CountedReply { reply, received } = room.client.call(&call).await?;
                let kind = room.kind.get().copied().unwrap_or_default();
                let in_room = |message: Message| message.in_room(Room::new(room.id.clone(), kind));
                Ok(Page {
                    entries: reply.messages.into_iter().map(in_room).collect(),
                    received,
                    total: reply.total,
                })
            }
        };
        Listing::new(ByOffset::new(get, |message: &Message| message.id().clone()))
    }

    /// Its messages that have threads.
    pub fn threads(&self) -> Listing<Message> {
        self.messages(|room_id, offset, count| Threads {
            room_id,
            only: None,
            text: None,
            offset,
            count,
        })
    }

    /// The same, of threads that the account follows or has not read.
    pub fn only_threads(&self, only: OnlyThreads) -> Listing<Message> {
        self.messages(move |room_id, offset, count| Threads {
            room_id,
            only: Some(only),
            text: None,
            offset,
            count,
        })
    }

    /// What is pinned to it.
    pub fn pinned(&self) -> Listing<Message> {
        self.messages(|room_id, offset, count| PinnedMessages {
            room_id,
            offset,
            count,
        })
    }

    /// What the account starred in it.
    pub fn starred(&self) -> Listing<Message> {
        self.messages(|room_id, offset, count| StarredMessages {
            room_id,
            offset,
            count,
        })
    }

    /// What mentions the account in it.
    pub fn mentioning_me(&self) -> Listing<Message> {
        self.messages(|room_id, offset, count| MentioningMessages {
            room_id,
            offset,
            count,
        })
    }

    /// Its messages with a text in them. Between slashes the text is a regular expression of the server.
    pub fn search(&self, text: impl Into<String>) -> Listing<Message> {
        let text = text.into();
        self.messages(move |room_id, offset, count| SearchMessages {
            room_id,
            text: text.clone(),
            offset,
            count,
        })
    }
}
