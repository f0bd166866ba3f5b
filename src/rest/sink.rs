//! The sink: carries out actions over REST.

mod marks;
mod places;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::StatusCode;
use tokio::time::Instant;
use tower::Service;

use self::places::Places;
use super::client::Client;
use super::endpoint::{DeleteMessage, GetMessage, OutgoingMessage, React, SendMessage, UpdateMessage};
use super::error::{RestError, RestErrorKind};
use super::file;
use crate::dispatch::Receipt;
use crate::event::{Message, MessageId, RoomId, UserId};
use crate::journal::Ledger;
use crate::response::{Action, Delete, Edit, Send, Upload};

/// Carries out resolved actions: those that have their room, thread and ids.
///
/// A message is posted under its derived id. The server ignores an id that it knows, so a retried message is never
/// posted twice. If another's message has that id, ours goes out once under the second derived id.
///
/// Where a message goes to somebody, or to a room by its name, the room is looked up first and remembered for five
/// minutes. Its id does not depend on what is found.
///
/// Deleting a message that is gone already is no error. A [file](crate::response::Upload) is posted at most once.
#[derive(Clone)]
pub struct RestSink {
    client: Client,
    places: Places,
    /// Where it is kept that a file's message is about to be posted.
    ledger: Option<Arc<Ledger>>,
}

impl RestSink {
    /// A sink over this client.
    pub fn new(client: Client) -> Self {
        Self {
            client,
            places: Places::default(),
            ledger: None,
        }
    }

    pub(crate) fn kept_in(mut self, ledger: Option<Arc<Ledger>>) -> Self {
        self.ledger = ledger;
        self
    }

    /// The client.
    pub fn client(&self) -> &Client {
        &self.client
    }
}

impl fmt::Debug for RestSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RestSink")
            .field("client", &self.client)
            .finish_non_exhaustive()
    }
}

impl Service<Action> for RestSink {
    type Response = Receipt;
    type Error = RestError;
    type Future = SinkFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), RestError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, action: Action) -> SinkFuture {
        let (client, ledger) = (self.client.clone(), self.ledger.clone());
        let places = self.places.clone();
        SinkFuture(Box::pin(async move {
            match action {
                Action::Send(action) => send(&client, &places, &action).await,
                Action::Edit(action) => edit(&client, &action).await,
                Action::Delete(action) => delete(&client, &action).await,
                Action::React(action) => {
                    let message_id = known(action.message_id(), "react", "message")?.clone();
                    let react = React {
                        message_id: message_id.clone(),
                        emoji: action.emoji().to_owned(),
                        should_react: action.is_added(),
                    };
                    client.call(&react).await?;
                    Ok(Receipt::of_message(message_id))
                }
                Action::Pin(action) => marks::pin(&client, action).await,
                Action::Unpin(action) => marks::unpin(&client, action).await,
                Action::FollowThread(action) => marks::follow(&client, action).await,
                Action::UnfollowThread(action) => marks::unfollow(&client, action).await,
                Action::MarkRead(action) => marks::mark_read(&client, action).await,
                Action::SetStatus(action) => marks::set_status(&client, action).await,
                Action::Upload(action) => upload(&client, &places, ledger.as_ref(), action).await,
            }
        }))
    }
}

/// The future of [`RestSink`].
pub struct SinkFuture(Pin<Box<dyn Future<Output = Result<Receipt, RestError>> + std::marker::Send>>);

impl Future for SinkFuture {
    type Output = Result<Receipt, RestError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.as_mut().poll(cx)
    }
}

impl fmt::Debug for SinkFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SinkFuture").finish_non_exhaustive()
    }
}

/// Part of an action that has to be resolved before it comes here.
fn known<'a, T>(value: Option<&'a T>, action: &str, what: &str) -> Result<&'a T, RestError> {
    value.ok_or_else(|| RestError::new(RestErrorKind::InvalidCall, action, format!("it has no {what}")))
}

async fn edit(client: &Client, action: &Edit) -> Result<Receipt, RestError> {
    let update = UpdateMessage {
        room_id: known(action.room_id.as_ref(), "edit", "room")?.clone(),
        message_id: action.message_id().clone(),
        text: action.content().to_owned(),
    };
    client.call(&update).await?;
    Ok(Receipt::of_message(update.message_id).in_room(update.room_id))
}

async fn delete(client: &Client, action: &Delete) -> Result<Receipt, RestError> {
    let delete = DeleteMessage {
        room_id: known(action.room_id.as_ref(), "delete", "room")?.clone(),
        message_id: action.message_id().clone(),
    };
    marks::unless_gone(client.call(&delete).await, "the message to delete")?;
    Ok(Receipt::of_message(delete.message_id).in_room(delete.room_id))
}

/// The room is looked up where it is not known. What is not there any more is no trouble of the next attempt.
async fn upload(
    client: &Client,
    places: &Places,
    ledger: Option<&Arc<Ledger>>,
    mut action: Upload,
) -> Result<Receipt, RestError> {
    let destination = action
        .destination()
        .filter(|_| action.room_id().is_none())
        .cloned();
    if let Some(destination) = &destination {
        let room_id = match places.known(destination, Instant::now()) {
            Some(room_id) => room_id,
            None => places.look_up(client, destination).await?,
        };
        action = action.to(room_id);
    }
    let done = file::perform(client, ledger, action.into()).await;
    if let (Some(destination), Err(error)) = (&destination, &done)
        && *error.kind() == RestErrorKind::NotFound
    {
        places.forget(destination);
    }
    done
}

async fn send(client: &Client, places: &Places, action: &Send) -> Result<Receipt, RestError> {
    let Some(destination) = action.destination().filter(|_| action.room_id().is_none()) else {
        let room_id = known(action.room_id(), "send", "room")?;
        return send_to(client, action, room_id).await;
    };
    let is_elsewhere =
        |error: &RestError| matches!(error.kind(), RestErrorKind::NotFound | RestErrorKind::Forbidden);
    let mut before = None;
    if let Some(room_id) = places.known(destination, Instant::now()) {
        match send_to(client, action, &room_id).await {
            // Another room may have the name now.
            Err(error) if is_elsewhere(&error) => {
                tracing::debug!(%destination, %room_id, %error, "looking it up again");
                places.forget(destination);
                before = Some((room_id, error));
            }
            done => return done,
        }
    }
    let room_id = places.look_up(client, destination).await?;
    let sent = match before {
        Some((known, error)) if known == room_id => Err(error),
        _ => send_to(client, action, &room_id).await,
    };
    if sent.as_ref().is_err_and(is_elsewhere) {
        places.forget(destination);
    }
    sent
}

async fn send_to(client: &Client, action: &Send, room_id: &RoomId) -> Result<Receipt, RestError> {
    let ids = known(action.ids(), "send", "id")?;
    let mut refusal = None;
    for message_id in [ids.first(), ids.second()] {
        let receipt = Receipt::of_message(message_id.clone());
        match send_as(client, action, room_id, message_id).await? {
            Posted::New(in_room) => return Ok(receipt.in_room(in_room)),
            Posted::Before(in_room) => {
                tracing::debug!(%message_id, "the message was posted before, its receipt was lost");
                return Ok(receipt.in_room(in_room).posted_before());
            }
            Posted::Taken(error) => {
                tracing::warn!(%message_id, %room_id, "a message of another has the id of ours");
                refusal.get_or_insert(error);
            }
        }
    }
    // Two ids by chance are less likely than one reason for which the server refuses both.
    Err(refusal.unwrap_or_else(|| {
        RestError::new(
            RestErrorKind::Api,
            "POST chat.sendMessage",
            "both ids of the message are taken",
        )
    }))
}

/// What the server did with a message and its id.
enum Posted {
    /// It is in this room.
    New(RoomId),
    /// It had posted the same message before, in this room.
    Before(RoomId),
    /// Another message has the id; this is what the server said to ours.
    Taken(RestError),
}

async fn send_as(
    client: &Client,
    action: &Send,
    room_id: &RoomId,
    message_id: &MessageId,
) -> Result<Posted, RestError> {
    let mut message = OutgoingMessage::new(message_id.clone(), room_id.clone(), action.content());
    message.thread_id = action.thread_id().cloned();
    let mut preview_urls = None;
    if let Some(extras) = action.extras() {
        message.is_also_in_room = extras.is_also_in_room && message.thread_id.is_some();
        message.alias.clone_from(&extras.alias);
        message.emoji.clone_from(&extras.emoji);
        message.avatar.clone_from(&extras.avatar);
        message.attachments.clone_from(&extras.attachments);
        preview_urls = extras.has_no_previews.then(Vec::new);
    }
    let call = SendMessage {
        message,
        preview_urls,
    };
    let error = match client.call(&call).await {
        Ok(sent) if sent.has_message() => {
            return Ok(Posted::New(sent.room_id().unwrap_or_else(|| room_id.clone())));
        }
        Ok(_) => RestError::new(
            RestErrorKind::UnexpectedReply,
            "POST chat.sendMessage",
            "the server ignored the message",
        ),
        Err(error) if may_exist(&error) => error,
        Err(error) => return Err(error),
    };
    match client
        .call(&GetMessage {
            message_id: message_id.clone(),
        })
        .await
    {
        Ok(found) => {
            // Where it was looked up, another room may have the name since.
            let may_be_elsewhere = action.destination().is_some();
            Ok(
                if is_ours(&found.message, client.user_id(), room_id, may_be_elsewhere) {
                    Posted::Before(found.message.room().id().clone())
                } else {
                    Posted::Taken(error)
                },
            )
        }
        // It exists, in a room that the bot may not read: not ours. Unless that is the room in which it may not write any
        // more: then nobody knows.
        Err(not_found)
            if *not_found.kind() == RestErrorKind::Forbidden && *error.kind() != RestErrorKind::Forbidden =>
        {
            Ok(Posted::Taken(error))
        }
        // No such message: the refusal had another reason, which is the one to tell.
        Err(not_found)
            if not_found.status().is_some_and(|status| status.is_client_error())
                && !not_found.is_transient() =>
        {
            Err(error)
        }
        Err(other) => Err(other),
    }
}

/// The server puts a reply in a thread into the room of the thread, whatever room we say, and below the thread's root,
/// whichever of its messages we say.
fn is_ours(message: &Message, user_id: Option<&UserId>, room_id: &RoomId, may_be_elsewhere: bool) -> bool {
    let is_there = may_be_elsewhere || message.room().id() == room_id || message.thread_id().is_some();
    is_there && Some(message.author().id()) == user_id
}

/// A known id is answered with the status 400 and the text of a failed program, and without a code; two requests that
/// race with the error of the database. Where the bot may not write, an attempt before may have come through while it
/// still might, here or in an earlier process.
fn may_exist(error: &RestError) -> bool {
    if *error.kind() == RestErrorKind::Forbidden {
        return true;
    }
    match error.status() {
        Some(StatusCode::BAD_REQUEST) => error.code().is_none(),
        Some(StatusCode::INTERNAL_SERVER_ERROR) => error.message().contains("E11000"),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_below_a_thread_s_root_is_ours() {
        let is_found = |fields: &str, author: &str| {
            let message = format!(r#"{{"_id":"m","u":{{"_id":"{author}","username":"x"}},{fields}}}"#);
            let message = Message::from_json(&message).expect("a message");
            is_ours(
                &message,
                Some(&UserId::from("bot")),
                &RoomId::from("asked"),
                false,
            )
        };
        assert!(is_found(r#""rid":"asked""#, "bot"));
        // Asked for a thread below a reply: the server made it one below the root, in the room of that.
        assert!(is_found(r#""rid":"asked","tmid":"root""#, "bot"));
        assert!(is_found(r#""rid":"other","tmid":"root""#, "bot"));
        assert!(!is_found(r#""rid":"other""#, "bot"));
        assert!(!is_found(r#""rid":"asked","tmid":"root""#, "ann"));
    }
}
