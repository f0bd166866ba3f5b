//! What is done to messages, threads, rooms and the account besides writing.

use super::known;
use crate::dispatch::Receipt;
use crate::event::MessageId;
use crate::response::{FollowThread, MarkRead, Pin, SetStatus, UnfollowThread, Unpin};
use crate::rest::endpoint::{self, FollowMessage, GetMessage, PinMessage, UnfollowMessage, UnpinMessage};
use crate::rest::{Client, RestError, RestErrorKind};

/// How often a message is pinned for which nobody knows whether it is.
const PIN_TRIES: u32 = 3;

/// The room is told each time that a message is pinned, also of one that is pinned already: so it is looked at before.
pub(super) async fn pin(client: &Client, action: Pin) -> Result<Receipt, RestError> {
    let message_id = action.message_id;
    let mut tries = 0;
    loop {
        match is_pinned(client, &message_id).await {
            Ok(false) => {}
            Ok(true) => {
                tracing::debug!(%message_id, "the message is pinned already");
                return Ok(Receipt::of_message(message_id));
            }
            // Nobody knows.
            Err(error) if error.is_transient() => return Err(error),
            // What is wrong with the message, the server says when it is to be pinned.
            Err(_) => {}
        }
        tries += 1;
        let pin = PinMessage {
            message_id: message_id.clone(),
        };
        match client.call(&pin).await {
            Ok(_) => return Ok(Receipt::of_message(message_id)),
            Err(error) if error.is_transient() && tries < PIN_TRIES => {
                tracing::debug!(%message_id, %error, "it may be pinned now");
            }
            Err(error) => return Err(error),
        }
    }
}

async fn is_pinned(client: &Client, message_id: &MessageId) -> Result<bool, RestError> {
    let found = client
        .call(&GetMessage {
            message_id: message_id.clone(),
        })
        .await?;
    Ok(found.message.is_pinned())
}

pub(super) async fn unpin(client: &Client, action: Unpin) -> Result<Receipt, RestError> {
    let message_id = action.message_id;
    let call = UnpinMessage {
        message_id: message_id.clone(),
    };
    unless_gone(client.call(&call).await, "the message to unpin")?;
    Ok(Receipt::of_message(message_id))
}

pub(super) async fn follow(client: &Client, action: FollowThread) -> Result<Receipt, RestError> {
    let message_id = known(action.thread_id(), "follow_thread", "thread")?.clone();
    client.call(&FollowMessage { message_id }).await?;
    Ok(Receipt::default())
}

pub(super) async fn unfollow(client: &Client, action: UnfollowThread) -> Result<Receipt, RestError> {
    let message_id = known(action.thread_id(), "unfollow_thread", "thread")?.clone();
    unless_gone(
        client.call(&UnfollowMessage { message_id }).await,
        "the thread to follow no more",
    )?;
    Ok(Receipt::default())
}

pub(super) async fn mark_read(client: &Client, action: MarkRead) -> Result<Receipt, RestError> {
    let room_id = known(action.room_id.as_ref(), "mark_read", "room")?.clone();
    let call = endpoint::MarkRead {
        room_id: room_id.clone(),
    };
    client.call(&call).await?;
    Ok(Receipt::default().in_room(room_id))
}

pub(super) async fn set_status(client: &Client, action: SetStatus) -> Result<Receipt, RestError> {
    client.call(&endpoint::SetStatus::from(action)).await?;
    Ok(Receipt::default())
}

/// Undoing something about what is gone is no error.
pub(super) fn unless_gone<T>(result: Result<T, RestError>, what: &str) -> Result<(), RestError> {
    match result {
        Ok(_) => Ok(()),
        Err(error) if *error.kind() == RestErrorKind::NotFound => {
            tracing::debug!(what, "it is gone already");
            Ok(())
        }
        Err(error) => Err(error),
    }
}
