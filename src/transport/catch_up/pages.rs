//! What is there of a room that is fetched in pages: no more than is needed, each message once. Pure.

use std::collections::{HashMap, VecDeque};

use serde_json::Value;

use super::merge::Keep;
use super::plan::{OVERLAP, RoomPlan};
use super::watermarks::TICK;
use crate::event::wire::WireMessage;
use crate::event::{Timestamp, UserId};
use crate::rest::endpoint::{DeletedMessage, SyncResult};

/// Messages of a page.
const PAGE: usize = 500;

/// A page that grows since all of it happened at one time.
const LARGEST_PAGE: usize = 8 * PAGE;

/// Pages of a room; what comes behind is left for later.
const PAGES: u32 = 2000;

/// So much text of messages is kept of a room: twice as much as one answer may have.
const BYTES: usize = 32 << 20;

/// How the messages of a room are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// All in one answer.
    AtOnce,
    ByCursor,
    /// New messages alone, from the newest on.
    ByHistory,
}

/// A message that was fetched.
#[derive(Clone, Debug)]
pub(super) struct Fetched {
    id: String,
    revision: Timestamp,
    written: Timestamp,
    bytes: usize,
    is_own: bool,
    message: Value,
}

/// What was fetched of a room so far. It outlives a failure, so that each page is asked for once.
#[derive(Clone, Debug)]
pub(super) struct Pages {
    pub(super) after: Timestamp,
    pub(super) way: Option<Way>,
    /// All in one answer was too much.
    pub(super) is_too_much: bool,
    /// Up to here everything is there; by history, from here on.
    pub(super) place: Timestamp,
    /// How many messages the next page may have.
    pub(super) count: usize,
    /// Where an answer was too large, pages have to be smaller than that.
    too_many: usize,
    pub(super) asked: u32,
    pub(super) is_complete: bool,
    /// The oldest first.
    kept: VecDeque<Fetched>,
    bytes: usize,
    /// The last revision of each that is kept.
    latest: HashMap<String, Timestamp>,
    /// Old ones that did not fit.
    skipped: u64,
    left_from: Option<Timestamp>,
}

impl Pages {
    pub(super) fn after(after: Timestamp) -> Self {
        Self {
            after,
            way: None,
            is_too_much: false,
            place: after,
            count: PAGE,
            too_many: usize::MAX,
            asked: 0,
            is_complete: false,
            kept: VecDeque::new(),
            bytes: 0,
            latest: HashMap::new(),
            skipped: 0,
            left_from: None,
        }
    }

    /// Events that were dropped, as there were too many.
    pub(super) fn skipped(&self) -> u64 {
        self.skipped
    }

    /// From where on the room is to be fetched again.
    pub(super) fn left_from(&self) -> Option<Timestamp> {
        self.left_from
    }

    pub(super) fn begin(&mut self, way: Way) {
        *self = Self {
            way: Some(way),
            is_too_much: self.is_too_much,
            ..Self::after(self.after)
        };
    }

    /// Whether another page may be asked for.
    pub(super) fn asks(&mut self) -> bool {
        self.asked += 1;
        self.asked <= PAGES
    }

    /// An answer was too large: whether a smaller one helps.
    pub(super) fn shrinks(&mut self) -> bool {
        self.too_many = self.count;
        self.count /= 2;
        self.count > 0
    }

    /// Takes a message that is not known yet. By cursor they come from the oldest on.
    fn take(&mut self, fetched: Fetched, is_older: bool) {
        let known = self.latest.get(&fetched.id);
        if known.is_some_and(|known| *known >= fetched.revision) {
            return;
        }
        self.latest.insert(fetched.id.clone(), fetched.revision);
        self.bytes += fetched.bytes;
        match is_older {
            true => self.kept.push_front(fetched),
            false => self.kept.push_back(fetched),
        }
    }

    fn dropped(&mut self, dropped: &Fetched) -> bool {
        self.bytes -= dropped.bytes;
        let is_latest = self.latest.get(&dropped.id) == Some(&dropped.revision);
        if is_latest {
            self.latest.remove(&dropped.id);
        }
        is_latest
    }

    fn is_above(&self, most: usize) -> bool {
        self.kept.len() > most || self.bytes > BYTES && self.kept.len() > 1
    }

    /// A page by cursor. False where the server's pages do not begin with the oldest.
    pub(super) fn page(&mut self, messages: Vec<Value>, has_more: bool, own: Option<&UserId>) -> bool {
        let page: Vec<Fetched> = messages
            .into_iter()
            .filter_map(|message| fetched(message, own))
            .collect();
        if has_more && !page.is_sorted_by_key(|fetched| fetched.revision) {
            return false;
        }
        let last = page.last().map(|fetched| fetched.revision);
        for fetched in page {
            self.take(fetched, false);
        }
        let Some(last) = last.filter(|_| has_more) else {
            self.is_complete = true;
            return true;
        };
        // There may be more of the same time, which the server leaves out where it is asked for what came later.
        let before = Timestamp::from_millis(last.as_millis().saturating_sub(1));
        let larger = self.count * 2;
        if before > self.place {
            self.place = before;
        } else if larger < self.too_many && larger <= LARGEST_PAGE {
            self.count = larger;
        } else {
            tracing::warn!(at = %last, count = self.count, "more messages of one time than a page has");
            self.place = last;
        }
        true
    }

    /// Keeps the newest of too many; or leaves the newest for later.
    pub(super) fn bound(&mut self, plan: &Bound) {
        match plan.keeps {
            Keep::Newest => {
                while self.is_above(plan.most)
                    && let Some(oldest) = self.kept.pop_front()
                {
                    let is_news = oldest.revision > plan.news_after && !oldest.is_own;
                    if self.dropped(&oldest) && is_news {
                        self.skipped += 1;
                    }
                }
            }
            Keep::Oldest => {
                let first = self.kept.front().map(|fetched| fetched.revision);
                let is_enough = self.is_above(plan.most) && first.is_some_and(|first| first <= self.place);
                if is_enough && !self.is_complete {
                    self.leave_rest();
                }
            }
        }
    }

    /// What `latest` has to be for the next page by history.
    pub(super) fn latest(&self) -> Option<Timestamp> {
        (!self.latest.is_empty()).then_some(self.place)
    }

    /// A page by history, the newest first.
    pub(super) fn history_page(&mut self, mut page: Vec<Fetched>, is_full: bool, bound: &Bound) {
        page.reverse();
        page.sort_by_key(|fetched| fetched.written);
        match page.first().map(|fetched| fetched.written) {
            Some(first) if is_full => {
                // More of the same time may be behind the edge of the page.
                let behind = first.saturating_add(TICK);
                if self.latest().is_none_or(|latest| behind < latest) {
                    self.place = behind;
                } else {
                    self.skipped += 1;
                    self.place = first;
                }
            }
            _ => self.is_complete = true,
        }
        for fetched in page.into_iter().rev() {
            self.take(fetched, true);
        }
        match bound.keeps {
            Keep::Newest if self.is_above(bound.most) => {
                if !self.is_complete {
                    self.leave_old();
                }
                self.bound(bound);
            }
            Keep::Newest => {}
            Keep::Oldest => {
                while self.is_above(bound.most)
                    && let Some(newest) = self.kept.pop_back()
                {
                    self.dropped(&newest);
                    let left_from = self
                        .left_from
                        .map_or(newest.revision, |at| at.min(newest.revision));
                    self.left_from = Some(left_from);
                }
            }
        }
    }

    /// What is older is not looked at.
    pub(super) fn leave_old(&mut self) {
        // At least one, nobody knows how many.
        self.skipped += 1;
        self.is_complete = true;
    }

    /// What is not there yet is fetched another time.
    pub(super) fn leave_rest(&mut self) {
        self.is_complete = true;
        self.left_from = Some(self.place.saturating_add(TICK));
    }

    /// What was fetched, in the form in which servers tell it at once: the newest first.
    pub(super) fn result(&mut self, deleted: Vec<DeletedMessage>) -> SyncResult {
        let latest = std::mem::take(&mut self.latest);
        let mut kept: Vec<Fetched> = std::mem::take(&mut self.kept).into();
        kept.retain(|fetched| latest.get(&fetched.id) == Some(&fetched.revision));
        kept.sort_by_key(|fetched| fetched.written);
        SyncResult {
            updated: kept.into_iter().rev().map(|fetched| fetched.message).collect(),
            deleted,
        }
    }
}

/// How much is kept of a room.
pub(super) struct Bound {
    keeps: Keep,
    most: usize,
    /// What was before has been heard.
    news_after: Timestamp,
}

impl Bound {
    pub(super) fn of(plan: &RoomPlan) -> Self {
        // What was parked is not too much: what has no place yet comes later.
        let keeps = match plan.parked_to {
            None => Keep::Newest,
            Some(_) => Keep::Oldest,
        };
        Self {
            keeps,
            most: match keeps {
                // Some of them were heard before.
                Keep::Newest => plan.limits.per_room.saturating_mul(2).saturating_add(PAGE),
                Keep::Oldest => plan.limits.waiting_in_room(),
            },
            news_after: plan.missed.after.saturating_add(OVERLAP).max(plan.missed.floor),
        }
    }
}

pub(super) fn fetched(message: Value, own: Option<&UserId>) -> Option<Fetched> {
    let json = message.to_string();
    let wire: WireMessage<'_> = serde_json::from_str(&json).ok()?;
    let written = wire.ts.timestamp();
    let revision = wire.updated_at.timestamp().or(written)?;
    Some(Fetched {
        id: message.get("_id")?.as_str()?.to_owned(),
        revision,
        written: written.unwrap_or(revision),
        bytes: json.len(),
        is_own: own.is_some_and(|own| message["u"]["_id"].as_str() == Some(own.as_str())),
        message,
    })
}

#[cfg(test)]
mod tests;
