//! One message: looking at it, and marks on it.

use serde_json::Value;

use super::super::client::Client;
use super::super::endpoint::{
    FollowMessage, GetMessage, GetThreadMessages, PinMessage, ReportMessage, StarMessage, UnfollowMessage,
    UnpinMessage, UnstarMessage,
};
use super::super::error::RestError;
use super::super::paging::{ByOffset, Counted, CountedReply, Listing, Page};
use crate::event::{Message, MessageId};

/// Calls about one message: [`Client::message`]. All fail as [`Client::call`] does.
#[derive(Clone, Debug)]
pub struct MessageHandle {
    client: Client,
    id: MessageId,
}

impl Client {
    /// Calls about one message.
    ///
    /// ```no_run
    /// # async fn example(client: rocketbotte::rest::Client, message: rocketbotte::event::Message) -> Result<(), rocketbotte::rest::RestError> {
    /// client.message(message.id()).pin().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn message(&self, id: &MessageId) -> MessageHandle {
        MessageHandle {
            client: self.clone(),
            id: id.clone(),
        }
    }
}

impl MessageHandle {
    /// As the server has it now. The kind of its room is not part of it.
    ///
    /// # Errors
    ///
    /// [`NotFound`](super::super::RestErrorKind::NotFound) where there is no such message.
    pub async fn get(&self) -> Result<Message, RestError> {
        let message_id = self.id.clone();
        Ok(self.client.call(&GetMessage { message_id }).await?.message)
    }

    /// The replies in its thread, the oldest first, without itself.
    pub fn thread(&self) -> Listing<Message> {
        let (client, thread_id) = (self.client.clone(), self.id.clone());
        let get = move |offset, count| {
            let (client, thread_id) = (client.clone(), thread_id.clone());
            async move {
                let mut call = GetThreadMessages::of(thread_id);
                (call.offset, call.count) = (Some(offset), Some(count));
                let CountedReply { reply, received } = client.call(&Counted(call)).await?;
                let read = |message: &Value| Message::from_json(&message.to_string()).ok();
                Ok(Page {
                    entries: reply.messages.iter().filter_map(read).collect(),
                    received,
                    total: u64::try_from(reply.total).ok().filter(|total| *total > 0),
                })
            }
        };
        Listing::new(ByOffset::new(get, |message: &Message| message.id().clone()))
    }

    /// Pins it to its room. Needs the permission `pin-message`.
    ///
    /// # Errors
    ///
    /// As [`Client::call`].
    pub async fn pin(&self) -> Result<(), RestError> {
        let message_id = self.id.clone();
        self.client.call(&PinMessage { message_id }).await.map(drop)
    }

    /// Takes the pin away.
    ///
    /// # Errors
    ///
    /// As [`Client::call`].
    pub async fn unpin(&self) -> Result<(), RestError> {
        let message_id = self.id.clone();
        self.client.call(&UnpinMessage { message_id }).await.map(drop)
    }

    /// Gives it a star that only the account sees.
    ///
    /// # Errors
    ///
    /// As [`Client::call`].
    pub async fn star(&self) -> Result<(), RestError> {
        let message_id = self.id.clone();
        self.client.call(&StarMessage { message_id }).await.map(drop)
    }

    /// Takes the account's star away.
    ///
    /// # Errors
    ///
    /// As [`Client::call`].
    pub async fn unstar(&self) -> Result<(), RestError> {
        let message_id = self.id.clone();
        self.client.call(&UnstarMessage { message_id }).await.map(drop)
    }

    /// Follows its thread.
    ///
    /// # Errors
    ///
    /// As [`Client::call`].
    pub async fn follow(&self) -> Result<(), RestError> {
        let message_id = self.id.clone();
        self.client.call(&FollowMessage { message_id }).await.map(drop)
    }

    /// Follows its thread no more.
    ///
    /// # Errors
    ///
    /// As [`Client::call`].
    pub async fn unfollow(&self) -> Result<(), RestError> {
        let message_id = self.id.clone();
        self.client.call(&UnfollowMessage { message_id }).await.map(drop)
    }

    /// Tells the moderators of it, and why.
    ///
    /// # Errors
    ///
    /// As [`Client::call`].
    pub async fn report(&self, why: impl Into<String>) -> Result<(), RestError> {
        let call = ReportMessage {
            message_id: self.id.clone(),
            description: why.into(),
        };
        self.client.call(&call).await.map(drop)
    }
}
