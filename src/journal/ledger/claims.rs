//! Which routes that run at most once have begun: known for as long as their event may come back.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use crate::event::{RoomId, Timestamp};
use crate::journal::Change;
use crate::journal::stored::Entry;

/// Routes that are remembered as begun.
pub(super) const CLAIMED: usize = 100_000;

/// So many are forgotten at once, where any may be.
const FORGOTTEN: usize = CLAIMED / 100;

#[derive(Default)]
pub(super) struct Claims {
    /// By the event and the route.
    claims: HashMap<Arc<str>, Claim>,
    /// Those of events that have a place in a room.
    in_rooms: HashMap<RoomId, BTreeSet<(Timestamp, Arc<str>)>>,
}

struct Claim {
    /// Later ones have higher numbers.
    number: u64,
    place: Option<(RoomId, Timestamp)>,
}

impl Claim {
    fn entry(&self, name: &str) -> Entry {
        Entry::Claimed(self.number, self.place.clone(), name.into())
    }
}

impl Claims {
    pub(super) fn contains(&self, name: &str) -> bool {
        self.claims.contains_key(name)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.claims.is_empty()
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.claims.len()
    }

    pub(super) fn is_full(&self) -> bool {
        self.claims.len() >= CLAIMED
    }

    pub(super) fn insert(&mut self, number: u64, place: Option<(RoomId, Timestamp)>, name: &str) {
        let name: Arc<str> = name.into();
        if let Some((room, at)) = &place {
            let in_room = self.in_rooms.entry(room.clone()).or_default();
            in_room.insert((*at, Arc::clone(&name)));
        }
        self.claims.insert(name, Claim { number, place });
    }

    pub(super) fn remove(&mut self, name: &str, changes: &mut Vec<Change>) {
        let Some((name, claim)) = self.claims.remove_entry(name) else {
            return;
        };
        changes.push(claim.entry(&name).remove());
        let Some((room, at)) = claim.place else { return };
        if let Some(in_room) = self.in_rooms.get_mut(&room) {
            in_room.remove(&(at, name));
            if in_room.is_empty() {
                self.in_rooms.remove(&room);
            }
        }
    }

    /// Events of this room up to here do not come back.
    #[cfg(feature = "client")]
    pub(super) fn prune(&mut self, room: &RoomId, until: Timestamp, changes: &mut Vec<Change>) {
        while let Some((at, name)) = self.in_rooms.get(room).and_then(BTreeSet::first)
            && *at <= until
        {
            let name = Arc::clone(name);
            self.remove(&name, changes);
        }
    }

    /// Forgets the oldest of those of which nobody says whether they come back: their room is not settled by anyone.
    pub(super) fn forget_oldest(&mut self, is_settled: impl Fn(&RoomId) -> bool, changes: &mut Vec<Change>) {
        let claims = self.claims.iter();
        let mut oldest: Vec<_> = claims
            .filter(|(_, claim)| !claim.place.as_ref().is_some_and(|(room, _)| is_settled(room)))
            .map(|(name, claim)| (claim.number, Arc::clone(name)))
            .collect();
        oldest.sort_unstable();
        oldest.truncate(FORGOTTEN);
        for (_, name) in oldest {
            self.remove(&name, changes);
        }
    }
}
