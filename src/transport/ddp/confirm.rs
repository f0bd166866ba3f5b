//! What only the server itself is believed: that the bot came into a room or left it, and in which rooms it is.
//!
//! On old servers any user may write to the stream that tells it. So the server is asked, by REST.

use std::fmt;
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;

use crate::event::classify::StreamEvent;
use crate::event::{Event, Membership, RawEvent, Room, RoomId, RoomKind};
use crate::rest::endpoint::{Subscription, SubscriptionOf, Subscriptions};
use crate::rest::{Client, RestError};

/// Questions that wait for an answer. Who floods the bot with what is not so gets no more asked.
const MOST: usize = 64;

/// For so long the answer is waited for.
const PATIENCE: Duration = Duration::from_secs(20);

/// What a server says of a room that is gone, or that the account is not in. Most say `null` instead.
const NO_MEMBER: [&str; 3] = [
    "error-room-not-found",
    "error-invalid-subscription",
    "error-user-not-in-room",
];

/// What the server said.
#[derive(Debug)]
pub(super) enum Answer {
    /// The event, as it is true. `None`: it is not.
    Membership(Option<Event>),
    /// The rooms that the bot is in.
    Rooms(Vec<RoomId>),
    /// They could not be found out.
    NoRooms,
}

/// The questions to the server.
pub(super) struct Confirmations {
    client: Client,
    asked: FuturesUnordered<BoxFuture<'static, Answer>>,
}

impl Confirmations {
    pub(super) fn new(client: Client) -> Self {
        Self {
            client,
            asked: FuturesUnordered::new(),
        }
    }

    /// Asks whether it is so. What is too much is raw at once.
    pub(super) fn membership(&self, event: Event, stream: StreamEvent) -> Option<Event> {
        let (membership, is_join) = match &event {
            Event::RoomJoined(membership) => (Arc::clone(membership), true),
            Event::RoomLeft(membership) => (Arc::clone(membership), false),
            _ => return Some(event),
        };
        if self.asked.len() >= MOST {
            tracing::warn!(
                "too many rooms at once are said to be joined or left: it is passed on unconfirmed, as raw events"
            );
            return Some(raw(stream));
        }
        let client = self.client.clone();
        self.asked.push(Box::pin(async move {
            let answer = tokio::time::timeout(PATIENCE, ask(&client, membership.room().id())).await;
            Answer::Membership(match answer {
                Ok(Ok(found)) => settle(&membership, is_join, found.as_ref()),
                Ok(Err(error)) => {
                    tracing::warn!(%error, "whether the bot is in a room could not be asked: the event is raw");
                    Some(raw(stream))
                }
                Err(_) => {
                    tracing::warn!("whether the bot is in a room was not answered in time: the event is raw");
                    Some(raw(stream))
                }
            })
        }));
        None
    }

    /// Asks for all rooms.
    pub(super) fn rooms(&self) {
        let client = self.client.clone();
        self.asked.push(Box::pin(async move {
            match client
                .call(&Subscriptions {
                    updated_since: None,
                })
                .await
            {
                Ok(reply) => {
                    let rooms = reply.update.into_iter().filter(Subscription::is_member);
                    Answer::Rooms(rooms.map(|room| room.room_id).collect())
                }
                Err(error) => {
                    tracing::warn!(%error, "the rooms are not known: each is subscribed to when something is said in it");
                    Answer::NoRooms
                }
            }
        }));
    }

    /// The next answer. Never resolves while nothing is asked.
    pub(super) async fn next(&mut self) -> Answer {
        match self.asked.next().await {
            Some(answer) => answer,
            None => pending().await,
        }
    }
}

/// `None` where the bot is not in the room.
async fn ask(client: &Client, room_id: &RoomId) -> Result<Option<Subscription>, RestError> {
    let call = SubscriptionOf {
        room_id: room_id.clone(),
    };
    match client.call(&call).await {
        Ok(reply) => Ok(reply.subscription.filter(Subscription::is_member)),
        // Any other refusal says nothing of the membership: a permission may be missing, or the call itself.
        Err(error) if error.code().is_some_and(|code| NO_MEMBER.contains(&code)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// What is true of it, in the server's words.
fn settle(told: &Membership, is_join: bool, found: Option<&Subscription>) -> Option<Event> {
    let key = told.key().to_owned();
    match (is_join, found) {
        (true, Some(subscription)) => {
            let kind = RoomKind::from_letter(Some(&subscription.kind));
            let room = Room::new(subscription.room_id.clone(), kind);
            let room = match &subscription.name {
                Some(name) if !room.is_direct() => room.with_name(name),
                _ => room,
            };
            Some(Event::RoomJoined(Arc::new(
                Membership::with_key(room, key).verified(),
            )))
        }
        (false, None) => Some(Event::RoomLeft(Arc::new(
            Membership::with_key(told.room().clone(), key).verified(),
        ))),
        _ => {
            tracing::debug!(
                room = %told.room().id(),
                "the bot was told that it {} a room, which is not so, or not any more",
                if is_join { "is in" } else { "left" }
            );
            None
        }
    }
}

fn raw(stream: StreamEvent) -> Event {
    Event::Raw(Arc::new(RawEvent::from_slices(
        stream.collection,
        stream.event_name,
        stream.args,
    )))
}

impl fmt::Debug for Confirmations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Confirmations")
            .field("asked", &self.asked.len())
            .finish_non_exhaustive()
    }
}
