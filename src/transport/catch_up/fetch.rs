//! Asks for what changed in one room: in one answer, and where that would be huge, in pages if the server has them.
//!
//! By update time from the oldest on: what is changed meanwhile moves to the end, and is met there. In the other
//! direction it would be passed by. `fromTs` is not used: it leaves out old messages, and with them what changed of them.
//! Nor is `rooms.history`: servers that have it have the pages of `chat.syncMessages` too, which tell more.

use http::Method;
use serde_json::Value;

use super::pages::{Bound, Pages, Way, fetched};
use super::plan::RoomPlan;
use crate::event::Timestamp;
use crate::rest::endpoint::{Changes, DeletedMessage, Page, SyncMessages, SyncPage, SyncResult};
use crate::rest::{Client, RestError, RestErrorKind};

/// Deletions are small, and their pages have no order in which they could be read one after the other: all are asked
/// for at once, and if there are more, so many.
const DELETIONS: [usize; 2] = [10_000, 100_000];

/// Why there is no page.
enum NoPage {
    /// This server has none, or not as they should be.
    Unsupported,
    Failed(RestError),
}

fn is_too_large(error: &RestError) -> bool {
    match error.kind() {
        RestErrorKind::TooLarge => true,
        // It was cut; one that was read to its end has a status.
        RestErrorKind::UnexpectedReply => error.status().is_none(),
        _ => false,
    }
}

impl From<RestError> for NoPage {
    fn from(error: RestError) -> Self {
        let is_parameter = error
            .code()
            .is_some_and(|code| code.contains("param") || code.contains("cursor"));
        match *error.kind() == RestErrorKind::Api && is_parameter {
            true => Self::Unsupported,
            false => Self::Failed(error),
        }
    }
}

/// What changed in a room.
pub(super) async fn fetch(client: &Client, plan: &mut RoomPlan) -> Result<SyncResult, RestError> {
    if plan.pages.after != plan.missed.after {
        plan.pages = Pages::after(plan.missed.after);
    }
    let bound = Bound::of(plan);
    loop {
        // Pages are in order of the last change: of messages of one millisecond, one that was changed since loses its
        // place. One answer keeps it, and takes one call instead of two.
        let way = plan.pages.way.unwrap_or(Way::AtOnce);
        plan.pages.way = Some(way);
        match way {
            Way::AtOnce => {
                let call = SyncMessages {
                    room_id: plan.id.clone(),
                    last_update: plan.missed.after,
                };
                match client.call(&call).await {
                    Err(error) if is_too_large(&error) && !plan.pages.is_too_much => {
                        tracing::info!(room_id = %plan.id, "too much was said for one answer: it is fetched in pages");
                        plan.pages.is_too_much = true;
                        plan.pages.begin(match client.version().may_have_cursors() {
                            true => Way::ByCursor,
                            false => Way::ByHistory,
                        });
                    }
                    result => return result.map(|reply| reply.result),
                }
            }
            Way::ByCursor => match by_cursor(client, plan, &bound).await {
                Ok(result) => return Ok(result),
                Err(NoPage::Failed(error)) => return Err(error),
                Err(NoPage::Unsupported) => {
                    tracing::debug!(room_id = %plan.id, "the server has no pages of what changed");
                    client.version().refuses_cursors();
                    plan.pages.begin(match plan.pages.is_too_much {
                        true => Way::ByHistory,
                        false => Way::AtOnce,
                    });
                }
            },
            Way::ByHistory => return by_history(client, plan, &bound).await,
        }
    }
}

async fn by_cursor(client: &Client, plan: &mut RoomPlan, bound: &Bound) -> Result<SyncResult, NoPage> {
    let own = client.user_id();
    while !plan.pages.is_complete {
        if !plan.pages.asks() {
            plan.pages.leave_rest();
            break;
        }
        let page = match page(client, plan, Changes::Updated, plan.pages.place, plan.pages.count).await {
            Err(NoPage::Failed(error)) if is_too_large(&error) && plan.pages.shrinks() => continue,
            page => page?,
        };
        let cursor = page.cursor.ok_or(NoPage::Unsupported)?;
        if !plan.pages.page(page.updated, cursor.next.is_some(), own) {
            return Err(NoPage::Unsupported);
        }
        plan.pages.bound(bound);
        // It gets on: that is no reason to give it up.
        plan.failures = 0;
    }
    let deleted = deletions(client, plan).await?;
    Ok(plan.pages.result(deleted))
}

async fn page(
    client: &Client,
    plan: &RoomPlan,
    changes: Changes,
    after: Timestamp,
    count: usize,
) -> Result<Page, NoPage> {
    let call = SyncPage {
        room_id: plan.id.clone(),
        changes,
        next: after.as_millis().to_string(),
        count,
    };
    Ok(client.call(&call).await?.result)
}

async fn deletions(client: &Client, plan: &RoomPlan) -> Result<Vec<DeletedMessage>, NoPage> {
    let mut deleted = Vec::new();
    for count in DELETIONS {
        let page = page(client, plan, Changes::Deleted, plan.missed.after, count).await?;
        deleted = page.deleted;
        if page.cursor.ok_or(NoPage::Unsupported)?.next.is_none() {
            return Ok(deleted);
        }
        if deleted.len() < count {
            // The server has a bound of its own.
            return Err(NoPage::Unsupported);
        }
    }
    tracing::warn!(room_id = %plan.id, "too many messages were deleted: some of it is not told");
    Ok(deleted)
}

/// Where nothing else can be had in parts: what is new. The server orders it by the time of writing, which no change
/// moves, so it can be read from the newest on.
async fn by_history(client: &Client, plan: &mut RoomPlan, bound: &Bound) -> Result<SyncResult, RestError> {
    let path = match plan.kind() {
        "c" => "channels.history",
        "p" => "groups.history",
        "d" => "im.history",
        _ => {
            let message = "it is too large, and this kind of room has no history";
            return Err(RestError::new(
                RestErrorKind::UnexpectedReply,
                "GET chat.syncMessages",
                message,
            ));
        }
    };
    if plan.pages.asked == 0 {
        tracing::warn!(
            room_id = %plan.id,
            "this server tells only the new messages of so many, not what was changed or deleted"
        );
    }
    let own = client.user_id();
    let oldest = plan.missed.after.to_string();
    while !plan.pages.is_complete {
        let pages = &mut plan.pages;
        if !pages.asks() {
            pages.leave_old();
            break;
        }
        let count = pages.count.to_string();
        let latest = pages.latest().map(|latest| latest.to_string());
        let mut query = vec![
            ("roomId", plan.id.as_str()),
            ("oldest", &oldest),
            ("count", &count),
        ];
        query.extend(latest.as_deref().map(|latest| ("latest", latest)));
        let reply = match client.call_raw(Method::GET, path, &query, None).await {
            Err(error) if is_too_large(&error) && pages.shrinks() => continue,
            reply => reply?,
        };
        let messages = reply.get("messages").and_then(Value::as_array);
        let messages = messages.map_or(&[][..], Vec::as_slice);
        let is_full = messages.len() >= pages.count;
        let page = messages
            .iter()
            .filter_map(|message| fetched(message.clone(), own))
            .collect();
        pages.history_page(page, is_full, bound);
        plan.failures = 0;
    }
    Ok(plan.pages.result(Vec::new()))
}
