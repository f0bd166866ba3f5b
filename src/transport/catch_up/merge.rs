//! Makes one sequence of what was fetched of a room and what arrived live meanwhile. Pure.

use std::collections::HashMap;

use bytestring::ByteString;
use serde_json::Value;

use super::plan::RoomPlan;
use crate::event::classify::{Classifier, StreamEvent};
use crate::event::wire::WireMessage;
use crate::event::{Event, Timestamp, UserId};
use crate::rest::endpoint::SyncResult;
use crate::transport::Arrival;

/// A live event that was kept back.
#[derive(Clone, Debug)]
pub(super) struct Held {
    pub(super) event: StreamEvent,
    pub(super) revision: Timestamp,
}

/// An event that is to be delivered.
#[derive(Clone, Debug)]
pub(super) struct Sorted {
    pub(super) event: Event,
    pub(super) arrival: Arrival,
    pub(super) revision: Timestamp,
    /// When it was written; for a change, when that was made.
    pub(super) happened: Timestamp,
    /// Among those of the same time.
    place: usize,
    /// It is for the routes alone that hear events of any age.
    pub(super) is_too_old: bool,
}

/// What is too much.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds<'a> {
    /// What happened before is skipped.
    pub(super) oldest: Option<Timestamp>,
    /// Or delivered all the same, for some routes.
    pub(super) hears_any_age: bool,
    /// But nothing that happened up to here.
    pub(super) parked_to: Option<Timestamp>,
    /// How many events are too many.
    pub(super) events: usize,
    /// Which of too many.
    pub(super) keeps: Keep,
    /// What this user wrote is not counted as skipped.
    pub(super) own: Option<&'a UserId>,
}

/// What is done about too many events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keep {
    /// The oldest are skipped.
    Newest,
    /// The newest are left for later.
    Oldest,
}

/// What is to be done about a room.
#[derive(Debug)]
pub(super) struct Merged {
    /// In the order in which they happened.
    pub(super) events: Vec<Sorted>,
    pub(super) skipped: u64,
    /// From where on it is to be fetched again.
    pub(super) left_from: Option<Timestamp>,
}

enum Source {
    Fetched(ByteString),
    Live(StreamEvent),
}

struct Item {
    revision: Timestamp,
    written: Timestamp,
    source: Source,
}

impl Item {
    /// Its place among the others, where the rest of them is left for later: a new message that was changed since keeps
    /// the one that it had, or it would come behind what was said after it and be taken for an old one.
    fn place(&self, heard_to: Timestamp) -> Timestamp {
        match self.written > heard_to {
            true => self.written,
            false => self.revision,
        }
    }
}

/// What is to be delivered of a room.
///
/// The classifier hears of everything in the order in which the server wrote it, so that a message and its later edit
/// are told apart where both are known, and what was seen before is dropped. It remembers what is skipped too.
pub(super) fn merge(
    plan: &RoomPlan,
    fetched: &SyncResult,
    held: Vec<Held>,
    classifier: &mut Classifier,
    bounds: Bounds<'_>,
) -> Merged {
    // Servers send the newest first; of those with the same time the order is kept, also where one was changed since.
    let places: HashMap<&str, usize> = fetched
        .updated
        .iter()
        .rev()
        .enumerate()
        .filter_map(|(place, message)| Some((message.get("_id")?.as_str()?, place)))
        .collect();
    let mut items: Vec<Item> = fetched.updated.iter().rev().filter_map(item).collect();
    items.extend(held.into_iter().map(|held| Item {
        revision: held.revision,
        written: held.revision,
        source: Source::Live(held.event),
    }));
    items.sort_by_key(|item| (item.revision, item.written));
    let heard_to = plan.missed.after.max(plan.missed.floor);
    let left_from = match bounds.keeps {
        Keep::Newest => None,
        Keep::Oldest => first_behind(items.iter().map(|item| item.place(heard_to)), bounds.events),
    };
    // The classifier must not hear of what is fetched again.
    items.retain(|item| left_from.is_none_or(|left_from| item.place(heard_to) < left_from));
    let mut sorted: Vec<Sorted> = Vec::new();
    for Item { revision, source, .. } in items {
        let (events, arrival) = match source {
            Source::Fetched(json) => (
                classifier
                    .fetched(&json, &plan.wire(), plan.missed)
                    .unwrap_or_default(),
                Arrival::CaughtUp,
            ),
            Source::Live(event) => (classifier.classify(&event), Arrival::Live),
        };
        for event in events {
            let (happened, place) = match event.message() {
                Some(message) if event.is_new_message() => {
                    (message.created_at(), places.get(message.id().as_str()).copied())
                }
                _ => (revision, None),
            };
            let place = place.unwrap_or(fetched.updated.len() + sorted.len());
            sorted.push(Sorted {
                event,
                arrival,
                revision,
                happened,
                place,
                is_too_old: false,
            });
        }
    }
    for gone in &fetched.deleted {
        let at = gone.deleted_at.unwrap_or(plan.missed.after);
        if at > plan.missed.floor
            && left_from.is_none_or(|left_from| at < left_from)
            && let Some(event) = classifier.deleted(&gone.id, &plan.id)
        {
            sorted.push(Sorted {
                event,
                arrival: Arrival::CaughtUp,
                revision: at,
                happened: at,
                place: usize::MAX,
                is_too_old: false,
            });
        }
    }
    sorted.sort_by_key(|sorted| (sorted.happened, sorted.place));
    let (events, skipped) = bounded(sorted, bounds);
    Merged {
        events,
        skipped,
        left_from,
    }
}

fn bounded(mut sorted: Vec<Sorted>, bounds: Bounds<'_>) -> (Vec<Sorted>, u64) {
    let is_own = |event: &Event| {
        event
            .author()
            .is_some_and(|author| Some(author.id()) == bounds.own)
    };
    let mut skipped = 0;
    let mut skip = |event: &Event| skipped += u64::from(!is_own(event));
    for sorted in &mut sorted {
        sorted.is_too_old = sorted.arrival != Arrival::Live
            && bounds.oldest.is_some_and(|oldest| sorted.happened < oldest)
            && bounds
                .parked_to
                .is_none_or(|parked_to| sorted.happened > parked_to);
    }
    sorted.retain(|sorted| {
        let is_kept = !sorted.is_too_old || bounds.hears_any_age;
        if !is_kept {
            skip(&sorted.event);
        }
        is_kept
    });
    let too_many = match bounds.keeps {
        Keep::Newest => sorted.len().saturating_sub(bounds.events),
        Keep::Oldest => 0,
    };
    for sorted in sorted.drain(..too_many) {
        skip(&sorted.event);
    }
    (sorted, skipped)
}

/// The first place behind so many, and behind those that are at the same place as the last of them.
fn first_behind(places: impl Iterator<Item = Timestamp>, many: usize) -> Option<Timestamp> {
    let mut places: Vec<Timestamp> = places.collect();
    places.sort_unstable();
    let last = *places.get(many.checked_sub(1)?)?;
    places[many..].iter().copied().find(|place| *place > last)
}

fn item(message: &Value) -> Option<Item> {
    let json = ByteString::from(message.to_string());
    let (revision, written) = {
        let wire: WireMessage<'_> = serde_json::from_str(&json).ok()?;
        let written = wire.ts.timestamp();
        let revision = wire.updated_at.timestamp().or(written)?;
        (revision, written.unwrap_or(revision))
    };
    Some(Item {
        revision,
        written,
        source: Source::Fetched(json),
    })
}

#[cfg(test)]
mod tests;
