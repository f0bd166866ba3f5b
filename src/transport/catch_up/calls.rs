//! The calls of a catch-up, tried again while there is hope.

use std::collections::HashSet;
use std::time::Duration;

use http::StatusCode;
use tokio::time::Instant;

use super::fetch::fetch;
use super::plan::{OVERLAP, RoomPlan};
use crate::event::{RoomId, Timestamp};
use crate::rest::endpoint::{Info, Rooms, Subscription, SubscriptionOf, Subscriptions, SyncResult};
use crate::rest::{Client, RestError, RestErrorKind};

/// How often a room is asked for until it is left for later: for a minute or two.
pub(super) const ATTEMPTS: u32 = 30;

/// How long one attempt to get the list of rooms may take.
const LISTING_TIMEOUT: Duration = Duration::from_secs(15);

/// A refusal without a reason is taken for one after so many attempts.
pub(super) const DOUBTS: u32 = 5;

/// A limit that is lifted within this time is waited for.
const SHORT: Duration = Duration::from_secs(5);

/// Where nothing tells the time, the bot does not wait longer for it than this.
const BASELINE_TIMEOUT: Duration = Duration::from_secs(5);

/// Messages of the last minute before the start could be taken for missed ones.
const BASELINE: Duration = Duration::from_secs(60);

/// What the server tells about the rooms after an outage.
pub(in crate::transport) struct Listing {
    pub(super) subscriptions: Vec<Subscription>,
    /// All of them are more than fits into an answer: these are those that changed.
    pub(super) is_part: bool,
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

/// What to do about a call that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The bot may not do this any more: the server itself says so.
    Forget,
    /// It is refused, and not said why: nothing but several attempts tells whether it is for good.
    Doubt,
    /// There is more than fits into an answer.
    Narrow,
    Retry,
}

pub(super) fn verdict(error: &RestError) -> Verdict {
    match error.kind() {
        // With a code it is the server's word. A gateway in its place has none, and says so of everything while the server
        // is started again.
        RestErrorKind::Forbidden | RestErrorKind::NotFound => match error.code() {
            Some(_) if error.status() != Some(StatusCode::NOT_FOUND) => Verdict::Forget,
            _ => Verdict::Doubt,
        },
        // It was cut. What was read to its end has a status, and is no answer of a Rocket.Chat.
        RestErrorKind::UnexpectedReply if error.status().is_none() => Verdict::Narrow,
        // Without a code it may be an exception inside it.
        RestErrorKind::Api if error.status() == Some(StatusCode::BAD_REQUEST) => match error.code() {
            Some(_) => Verdict::Forget,
            None => Verdict::Doubt,
        },
        // A proxy's page may have any status while a server starts again.
        _ => Verdict::Retry,
    }
}

/// The pause before the attempt after so many failures. What arrives live waits too, so it does not grow long. Half of
/// it by chance: those who lost their connections together do not come back together.
pub(super) fn pause(failures: u32) -> Duration {
    let longest = match failures {
        0 => Duration::ZERO,
        n @ 1..=30 => Duration::from_millis(250) * 2_u32.pow((n - 1).min(4)),
        _ => Duration::from_secs(30),
    };
    longest.mul_f64(0.5 + fastrand::f64() / 2.0)
}

/// The pause that an error asks for, where the server said so.
pub(super) fn asked_pause(error: &RestError) -> Option<Duration> {
    match error.kind() {
        RestErrorKind::RateLimited { retry_after } => Some(*retry_after),
        _ => None,
    }
}

/// All rooms, or only a part where all are too many, and those that changed since the connection was lost. Trouble that
/// passes is waited for; a limit is not, since what arrives live waits for this.
pub(super) async fn list(
    client: Client,
    lost: Option<Lost>,
    mut is_part: bool,
) -> Result<Listing, RestError> {
    let client = client.in_a_hurry(SHORT);
    let mut subscriptions = None;
    let mut failures = 0;
    loop {
        // A server that is slow gets more time each time, and does not have to say twice what it said.
        let time = LISTING_TIMEOUT * (failures + 1).min(20);
        let listing = list_once(&client, lost, is_part, &mut subscriptions);
        let error = match tokio::time::timeout(time, listing).await {
            Ok(Ok(listing)) => return Ok(listing),
            Ok(Err(error)) => error,
            Err(_) => RestError::new(RestErrorKind::Transport, "GET rooms.get", "no answer in time"),
        };
        let asked = asked_pause(&error);
        let is_refused = match verdict(&error) {
            Verdict::Forget => true,
            Verdict::Doubt => failures >= DOUBTS,
            Verdict::Narrow if !is_part => {
                tracing::warn!(%error, "there are too many rooms for one list: only those that changed are asked for");
                is_part = true;
                continue;
            }
            // The same would be fetched again and again.
            Verdict::Narrow => true,
            Verdict::Retry => false,
        };
        if is_refused || asked.is_some_and(|asked| asked > SHORT) {
            return Err(error);
        }
        failures += 1;
        tracing::warn!(%error, "the rooms to catch up are not known yet, trying again");
        tokio::time::sleep(asked.unwrap_or_default().max(pause(failures))).await;
    }
}

async fn list_once(
    client: &Client,
    lost: Option<Lost>,
    is_part: bool,
    known: &mut Option<Vec<Subscription>>,
) -> Result<Listing, RestError> {
    let at = |lost: Option<Lost>| lost.and_then(|lost| lost.server.or_else(|| client.clock().at(lost.at)));
    let since = |lost: Option<Lost>| at(lost).map(|lost| lost.saturating_sub(OVERLAP));
    let subscriptions = match known {
        Some(subscriptions) => subscriptions,
        // What was missed is known without a list.
        None if is_part && lost.is_none() => known.insert(Vec::new()),
        None => {
            let updated_since = since(lost).filter(|_| is_part);
            known.insert(client.call(&Subscriptions { updated_since }).await?.update)
        }
    };
    let changed = match since(lost) {
        Some(since) => {
            let updated_since = Some(since);
            match client.call(&Rooms { updated_since }).await {
                Ok(rooms) => rooms.update.into_iter().map(|room| room.id).collect(),
                // The other list tells nearly the same.
                Err(error) if verdict(&error) == Verdict::Narrow => {
                    tracing::warn!(%error, "too many rooms changed for one list");
                    HashSet::new()
                }
                Err(error) => return Err(error),
            }
        }
        None => HashSet::new(),
    };
    Ok(Listing {
        subscriptions: std::mem::take(subscriptions),
        is_part,
        changed,
        lost: at(lost),
    })
}

/// What changed in one room.
pub(super) async fn sync(client: Client, mut plan: RoomPlan) -> (RoomPlan, Result<SyncResult, RestError>) {
    tokio::time::sleep(plan.pause.max(pause(plan.failures))).await;
    let client = client.with_max_retries(Some(0));
    let result = match know(&client, &mut plan).await {
        Ok(()) => fetch(&client, &mut plan).await,
        Err(error) => Err(error),
    };
    (plan, result)
}

/// What a room is that was not in the list, if the bot is in it at all: a channel tells everybody what is said there.
async fn know(client: &Client, plan: &mut RoomPlan) -> Result<(), RestError> {
    if plan.is_known() {
        return Ok(());
    }
    let room_id = plan.id.clone();
    match client.call(&SubscriptionOf { room_id }).await?.subscription {
        Some(subscription) => {
            plan.know(&subscription);
            Ok(())
        }
        None => Err(RestError::new(
            RestErrorKind::Forbidden,
            "GET subscriptions.getOne",
            "the account is not in this room",
        )),
    }
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
            .map(|now| now.saturating_sub(BASELINE));
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
