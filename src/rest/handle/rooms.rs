//! All rooms: finding them, and making new ones.

use super::super::client::Client;
use super::super::endpoint::{
    Channel, CreateDirectMessage, CreateRoom, Direct, Endpoint, JoinedChannels, Private, RestRoom, RoomInfo,
    RoomList, RoomsReply,
};
use super::super::error::RestError;
use super::super::paging::{ByOffset, Counted, CountedReply, Listing, Page};
use crate::event::RoomId;

/// Calls about all rooms: [`Client::rooms`]. All fail as [`Client::call`] does.
#[derive(Clone, Debug)]
pub struct RoomsHandle {
    client: Client,
}

impl Client {
    /// Calls about all rooms.
    ///
    /// ```no_run
    /// # async fn example(client: rocketbotte::rest::Client) -> Result<(), rocketbotte::rest::RestError> {
    /// let ops = client.rooms().by_name("ops").await?;
    /// client.room(&ops).join().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn rooms(&self) -> RoomsHandle {
        RoomsHandle { client: self.clone() }
    }
}

impl RoomsHandle {
    fn list<E>(&self, call: impl Fn(usize, usize) -> E + Send + Sync + 'static) -> Listing<RestRoom>
    where
        E: Endpoint<Reply = RoomsReply> + Send + Sync + 'static,
    {
        let client = self.client.clone();
        let get = move |offset, count| {
            let (client, call) = (client.clone(), call(offset, count));
            async move {
                let CountedReply { reply, received } = client.call(&Counted(call)).await?;
                Ok(Page {
                    entries: reply.rooms,
                    received,
                    total: reply.total,
                })
            }
        };
        Listing::new(ByOffset::new(get, |room: &RestRoom| room.id.clone()))
    }

    /// All public channels that the account may see.
    pub fn channels(&self) -> Listing<RestRoom> {
        self.list(RoomList::<Channel>::page)
    }

    /// The public channels that the account is in.
    pub fn joined_channels(&self) -> Listing<RestRoom> {
        self.list(|offset, count| JoinedChannels { offset, count })
    }

    /// The private groups that the account is in.
    pub fn private(&self) -> Listing<RestRoom> {
        self.list(RoomList::<Private>::page)
    }

    /// The direct conversations of the account.
    pub fn direct(&self) -> Listing<RestRoom> {
        self.list(RoomList::<Direct>::page)
    }

    /// A room by its name, without a `#`.
    ///
    /// # Errors
    ///
    /// [`NotFound`](super::super::RestErrorKind::NotFound) where the account may see no room of this name.
    pub async fn by_name(&self, name: impl Into<String>) -> Result<RestRoom, RestError> {
        Ok(self.client.call(&RoomInfo::RoomName(name.into())).await?.room)
    }

    /// A new public channel, with the account as its owner.
    ///
    /// # Errors
    ///
    /// With the code `error-duplicate-channel-name` where there is one of this name.
    pub async fn create_channel(&self, name: impl Into<String>) -> Result<RestRoom, RestError> {
        Ok(self.client.call(&CreateRoom::<Channel>::new(name)).await?.room)
    }

    /// A new private group, with the account as its owner.
    ///
    /// # Errors
    ///
    /// As [`create_channel`](Self::create_channel).
    pub async fn create_private(&self, name: impl Into<String>) -> Result<RestRoom, RestError> {
        Ok(self.client.call(&CreateRoom::<Private>::new(name)).await?.room)
    }

    /// The direct conversation with a user, by user name; it is made if there is none.
    ///
    /// # Errors
    ///
    /// [`NotFound`](super::super::RestErrorKind::NotFound) where there is no such user.
    pub async fn direct_with(&self, username: impl Into<String>) -> Result<RoomId, RestError> {
        let call = CreateDirectMessage {
            username: username.into(),
        };
        self.client
            .call(&call)
            .await?
            .room
            .into_id(CreateDirectMessage::PATH)
    }
}
