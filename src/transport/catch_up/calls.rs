//! The calls of a catch-up, tried again while there is hope.

use std::collections::HashSet;
use std::time::Duration;

use tokio::time::Instant;

use super::plan::{OVERLAP, RoomPlan};
use crate::event::{RoomId, Timestamp};
use crate::rest::endpoint::{Info, Rooms, Subscription, Subscriptions, SyncMessages, SyncResult};
use crate::rest::{Client, RestError, RestErrorKind};

/// How often a call is made before it is given up, besides what the client repeats by itself.
pub(super) const ATTEMPTS: u32 = 6;

/// How long what arrives live waits for the list of rooms.
const LISTING_TIMEOUT: Duration = Duration::from_secs(15);

/// Where nothing tells the time, the bot does not wait longer for it than this.
const BASELINE_TIMEOUT: Duration = Duration::from_secs(5);

/// Messages of the last minute before the start could be taken for missed ones.
const BASELINE: Duration = Duration::from_secs(60);

/// What the server tells about the rooms after an outage.
pub(in crate::transport) struct Listing {
    pub(super) subscriptions: Vec<Subscription>,
    pub(super) changed: HashSet<RoomId>,
    /// The server's time when the connection was lost.
    pub(super) lost: Option<Timestamp>,
}

/// When the connection was lost.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lost {
    /// By our clock.
    pub(super) at: Instant,
    /// By the server's, if it was known then: it goes on while this machine sleeps.
    pub(super) server: Option<Timestamp>,
}

/// What to do about a room whose messages could not be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The bot may not read it any more.
    Forget,
    /// There is more than fits into an answer.
    Narrow,
    Retry,
}

pub(super) fn verdict(error: &RestError) -> Verdict {
    let is_refused = error.status().is_some_and(|status| status.is_client_error());
    match error.kind() {
        RestErrorKind::Unauthorized | RestErrorKind::RateLimited { .. } => Verdict::Retry,
        RestErrorKind::UnexpectedReply => Verdict::Narrow,
        _ if is_refused => Verdict::Forget,
        _ => Verdict::Retry,
    }
}

/// The pause before the attempt after so many failures.
pub(super) fn pause(failures: u32) -> Duration {
    match failures {
        0 => Duration::ZERO,
        n => Duration::from_millis(250) * 2_u32.pow((n - 1).min(6)),
    }
}

/// All rooms, and those that changed since the connection was lost. What arrives live waits for this, so it is not
/// waited for long: where the server limits the calls, what was missed comes later.
pub(super) async fn list(client: Client, lost: Option<Lost>) -> Result<Listing, RestError> {
    let client = client.with_max_retries(Some(0));
    match tokio::time::timeout(LISTING_TIMEOUT, list_with_retries(&client, lost)).await {
        Ok(result) => result,
        Err(_) => Err(RestError::new(
            RestErrorKind::Transport,
            "GET rooms.get",
            "no answer in time",
        )),
    }
}

async fn list_with_retries(client: &Client, lost: Option<Lost>) -> Result<Listing, RestError> {
    let mut failures = 0;
    loop {
        match list_once(client, lost).await {
            Err(error) if failures + 1 < ATTEMPTS && verdict(&error) != Verdict::Forget => {
                failures += 1;
                tracing::warn!(%error, "the rooms to catch up are not known yet, trying again");
                tokio::time::sleep(pause(failures)).await;
            }
            result => return result,
        }
    }
}

async fn list_once(client: &Client, lost: Option<Lost>) -> Result<Listing, RestError> {
    let subscriptions = client.call(&Subscriptions::default()).await?.update;
    let lost = lost.and_then(|lost| lost.server.or_else(|| client.clock().at(lost.at)));
    let changed = match lost {
        Some(lost) => {
            let since = lost.saturating_sub(OVERLAP);
            let rooms = Rooms {
                updated_since: Some(since.to_string()),
            };
            let changed = client.call(&rooms).await?.update;
            changed.into_iter().map(|room| room.id).collect()
        }
        None => HashSet::new(),
    };
    Ok(Listing {
        subscriptions,
        changed,
        lost,
    })
}

/// What changed in one room.
pub(super) async fn sync(client: Client, plan: RoomPlan) -> (RoomPlan, Result<SyncResult, RestError>) {
    tokio::time::sleep(pause(plan.failures)).await;
    let call = SyncMessages {
        room_id: plan.id.clone(),
        last_update: plan.missed.after.to_string(),
    };
    let result = client.call(&call).await.map(|reply| reply.result);
    (plan, result)
}

/// The server's time now, and not before the last message that is there already.
pub(super) async fn baseline(client: &Client) -> Option<Timestamp> {
    let ask = async {
        if client.clock().at(Instant::now()).is_none() {
            client.call(&Info {}).await?;
        }
        let updated_since = client
            .clock()
            .at(Instant::now())
            .map(|now| now.saturating_sub(BASELINE).to_string());
        client.call(&Rooms { updated_since }).await
    };
    let rooms = match tokio::time::timeout(BASELINE_TIMEOUT, ask).await {
        Ok(Ok(rooms)) => rooms.update,
        Ok(Err(error)) => {
            tracing::debug!(%error, "the server does not tell which messages are old");
            Vec::new()
        }
        Err(_) => Vec::new(),
    };
    let last = rooms.into_iter().filter_map(|room| room.last_message_at).max();
    last.max(client.clock().at(Instant::now()))
}
