//! What a bot remembers, in memory: asked in no time, and written to its [`Journal`] as it changes.
//!
//! Replies go out under ids that are derived from their event, and a server ignores an id that it knows. So nothing is
//! answered twice where this forgets that an event is done: its handlers run again, and that is all. What must not be
//! forgotten is that something is *not* done: a watermark never passes it.

mod claims;
#[cfg(feature = "client")]
mod rooms;

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use self::claims::Claims;
use super::slot::UsedJournal;
use super::stored::{self, Entry, Undelivered};
use super::{Change, JournalError, JournalErrorKind, JournalSlot};
use crate::event::{Event, RoomId, Timestamp};
use crate::health::JournalState;
use crate::schedule::{JobState, StoredOnce};

/// Actions that wait for a server that takes them.
const UNDELIVERED: usize = 1000;

/// A bot's memory.
pub(crate) struct Ledger {
    state: Mutex<State>,
    /// Whether it is the journal that somebody asked for.
    is_kept: bool,
    /// Whether a failure to keep it was told already.
    is_told: AtomicBool,
}

/// Whose memory it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Owner<'a> {
    pub(crate) id: &'a str,
    /// Where the account is: a copy of a server has the same ones. `None` where there is no server.
    pub(crate) server: Option<&'a str>,
}

#[derive(Default)]
struct State {
    /// Where it is kept: nowhere, or not any more, where there is none.
    journal: Option<Arc<UsedJournal>>,
    secret: Option<Vec<u8>>,
    #[cfg(feature = "client")]
    rooms: rooms::Rooms,
    claims: Claims,
    undelivered: BTreeMap<u64, Undelivered>,
    /// Those that are on their way.
    taken: HashSet<u64>,
    next_number: u64,
    /// What was kept of jobs, until the bot asks for it.
    jobs: Vec<(String, JobState)>,
    onces: Vec<StoredOnce>,
    /// Changes that are not written yet.
    changes: Vec<Change>,
}

impl Ledger {
    /// For a bot without a journal.
    pub(crate) fn in_memory() -> Self {
        Self {
            state: Mutex::default(),
            is_kept: false,
            is_told: AtomicBool::new(false),
        }
    }

    /// Whether it outlives the bot.
    pub(crate) fn is_kept(&self) -> bool {
        self.is_kept
    }

    /// What a journal holds. `owner` is the account that it is used for.
    pub(crate) fn load(journal: &JournalSlot, owner: Option<Owner<'_>>) -> Result<Self, JournalError> {
        let journal = journal.take()?;
        let mut state = State::default();
        let (mut known_owner, mut unknown) = (None, 0_usize);
        for (key, value) in journal.load()? {
            state.next_number = state.next_number.max(stored::number(&key).unwrap_or_default());
            match Entry::read(&key, &value) {
                Some(Entry::Owner(owner)) => known_owner = Some(owner),
                Some(entry) => state.restore(entry),
                None => unknown += 1,
            }
        }
        if unknown > 0 {
            tracing::warn!(
                entries = unknown,
                "a part of the journal is not understood: it is left as it is"
            );
        }
        if let Some(owner) = owner {
            let known = known_owner.as_deref().map(Owner::read);
            owner.may_use(known)?;
            if known.is_none_or(|known| known.server.is_none()) && known != Some(owner) {
                state.put(Entry::Owner(owner.to_string()));
            }
        }
        state.journal = Some(Arc::new(journal));
        let ledger = Self {
            state: Mutex::new(state),
            is_kept: true,
            is_told: AtomicBool::new(false),
        };
        drop(ledger.change());
        Ok(ledger)
    }

    /// Whether what a journal holds was written by a bot on this server.
    #[cfg(feature = "client")]
    pub(crate) fn was_used_on(journal: &JournalSlot, server: &str) -> bool {
        let entries = journal.take().and_then(|journal| journal.load());
        entries
            .unwrap_or_default()
            .iter()
            .any(|(key, value)| match Entry::read(key, value) {
                Some(Entry::Owner(owner)) => Owner::read(&owner).server == Some(server),
                _ => false,
            })
    }

    /// The bot has ended: its journal is somebody else's from here on. What still changes is forgotten.
    pub(crate) fn close(&self) {
        let journal = self.lock().journal.take();
        // It may take a while.
        drop(journal);
    }

    /// The secret that ids are derived with; the first time it is this one.
    pub(crate) fn secret(&self, first: impl FnOnce() -> Vec<u8>) -> Vec<u8> {
        let mut state = self.change();
        if let Some(secret) = &state.secret {
            return secret.clone();
        }
        let secret = first();
        state.secret = Some(secret.clone());
        state.put(Entry::Secret(secret.clone()));
        secret
    }

    /// Whether a route that runs at most once has begun for an event: it does not run for it again.
    pub(crate) fn has_claimed(&self, event_key: &str, route: &str) -> bool {
        let state = self.lock();
        !state.claims.is_empty() && state.claims.contains(&claim_name(event_key, route))
    }

    /// Whether a route that runs at most once may run now. It is kept that it has begun before this says so; where that
    /// can not be kept it is an error, and it has not begun.
    pub(crate) async fn claim(
        &self,
        event: &Event,
        event_key: &str,
        route: &str,
    ) -> Result<bool, JournalError> {
        let name = claim_name(event_key, route);
        let place = {
            let state = self.lock();
            #[cfg(feature = "client")]
            let place = state.place_of(event);
            // Nobody says how far a room is settled.
            #[cfg(not(feature = "client"))]
            let place = {
                let _ = (event, state);
                None
            };
            place
        };
        self.claim_at(place, name).await
    }

    /// The same for what has no place in a room: it is remembered until there are too many.
    #[cfg(feature = "client")]
    pub(crate) async fn claim_anywhere(&self, key: &str, route: &str) -> Result<bool, JournalError> {
        self.claim_at(None, claim_name(key, route)).await
    }

    /// What was claimed has surely not been done.
    #[cfg(feature = "client")]
    pub(crate) fn unclaim(&self, key: &str, route: &str) {
        let mut state = self.change();
        let State { claims, changes, .. } = &mut *state;
        claims.remove(&claim_name(key, route), changes);
    }

    async fn claim_at(&self, place: Option<(RoomId, Timestamp)>, name: String) -> Result<bool, JournalError> {
        if !self.change().claim(place, &name)? {
            return Ok(false);
        }
        if let Err(error) = self.try_flush().await {
            let mut state = self.change();
            let State { claims, changes, .. } = &mut *state;
            claims.remove(&name, changes);
            return Err(error);
        }
        Ok(true)
    }

    /// Keeps an action that could not be carried out. Gives the oldest back where there are too many, and one that has no
    /// stored form, or too large a one.
    pub(crate) fn keep_undelivered(&self, undelivered: Undelivered) -> Option<Undelivered> {
        if !undelivered.action.is_storable() {
            return Some(undelivered);
        }
        let mut state = self.change();
        // The same message may be given up twice, by two runs of its handler.
        if state
            .undelivered
            .values()
            .any(|known| known.is_same(&undelivered))
        {
            return None;
        }
        let number = state.number();
        state.put(Entry::Undelivered(number, Box::new(undelivered.clone())));
        state.undelivered.insert(number, undelivered);
        if state.undelivered.len() <= UNDELIVERED {
            return None;
        }
        let (number, oldest) = state.undelivered.pop_first()?;
        state.taken.remove(&number);
        let change = Entry::Undelivered(number, Box::new(oldest.clone())).remove();
        state.changes.push(change);
        Some(oldest)
    }

    /// How many actions wait for a server that takes them.
    pub(crate) fn undelivered(&self) -> usize {
        self.lock().undelivered.len()
    }

    /// How the journal is doing that was asked for.
    pub(crate) fn journal_state(&self) -> JournalState {
        let journal = self.lock().journal.clone();
        match journal.and_then(|journal| journal.failing_for()) {
            _ if !self.is_kept => JournalState::None,
            None => JournalState::Kept,
            Some(time) => JournalState::Failing(time),
        }
    }

    pub(crate) fn has_undelivered(&self) -> bool {
        let state = self.lock();
        state.undelivered.len() > state.taken.len()
    }

    /// It is still to be carried out.
    pub(crate) fn release_undelivered(&self, number: u64) {
        self.lock().taken.remove(&number);
    }

    /// What could not be carried out before and is not on its way, in the order in which it was asked for.
    pub(crate) fn take_undelivered(&self) -> Vec<(u64, Undelivered)> {
        let mut state = self.lock();
        let State {
            undelivered, taken, ..
        } = &mut *state;
        undelivered
            .iter()
            .filter(|(number, _)| taken.insert(**number))
            .map(|(number, undelivered)| (*number, undelivered.clone()))
            .collect()
    }

    /// It was carried out, or never will be.
    pub(crate) fn forget_undelivered(&self, number: u64) -> Option<Undelivered> {
        let mut state = self.change();
        state.taken.remove(&number);
        let undelivered = state.undelivered.remove(&number)?;
        let change = Entry::Undelivered(number, Box::new(undelivered.clone())).remove();
        state.changes.push(change);
        Some(undelivered)
    }

    /// What was kept of jobs and single runs.
    pub(crate) fn take_schedules(&self) -> (Vec<(String, JobState)>, Vec<StoredOnce>) {
        let mut state = self.lock();
        (std::mem::take(&mut state.jobs), std::mem::take(&mut state.onces))
    }

    pub(crate) fn keep_job(&self, name: &str, job: JobState) {
        self.change().put(Entry::Job(name.into(), Box::new(job)));
    }

    pub(crate) fn forget_job(&self, name: &str) {
        self.change().changes.push(Change::remove(stored::job_key(name)));
    }

    pub(crate) fn keep_once(&self, once: StoredOnce) {
        self.change().put(Entry::Once(Box::new(once)));
    }

    pub(crate) fn forget_once(&self, job: &str, id: &str) {
        self.change()
            .changes
            .push(Change::remove(stored::once_key(job, id)));
    }

    /// Waits until all this is kept, for those who tell somebody so.
    pub(crate) async fn kept(&self) -> Result<(), JournalError> {
        self.try_flush().await
    }

    /// Waits until all this is kept. Where that can not be done the bot goes on without, and says so.
    pub(crate) async fn flush(&self) {
        let _ = self.try_flush().await;
    }

    /// The same, for those who do not go on.
    async fn try_flush(&self) -> Result<(), JournalError> {
        if !self.is_kept {
            return Ok(());
        }
        let journal = self.lock().journal.clone();
        let flushed = journal.map(|journal| journal.flush());
        let Some(flushed) = flushed else {
            return Err(JournalError::new(JournalErrorKind::Io, "the bot has ended"));
        };
        let result = flushed.await;
        match &result {
            Ok(()) => self.is_told.store(false, Ordering::Relaxed),
            Err(error) => {
                if !self.is_told.swap(true, Ordering::Relaxed) {
                    tracing::error!(%error, "the journal is not kept: a crash now may repeat what ran");
                }
            }
        }
        result
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing that is done under the lock leaves it half done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self) -> Changing<'_> {
        Changing { state: self.lock() }
    }
}

/// The state while it changes. What changed is written before another may change it, so that the order is kept.
struct Changing<'a> {
    state: MutexGuard<'a, State>,
}

impl std::ops::Deref for Changing<'_> {
    type Target = State;

    fn deref(&self) -> &State {
        &self.state
    }
}

impl std::ops::DerefMut for Changing<'_> {
    fn deref_mut(&mut self) -> &mut State {
        &mut self.state
    }
}

impl Drop for Changing<'_> {
    fn drop(&mut self) {
        if self.state.changes.is_empty() {
            return;
        }
        let changes = std::mem::take(&mut self.state.changes);
        if let Some(journal) = &self.state.journal {
            journal.write(changes);
        }
    }
}

impl State {
    fn put(&mut self, entry: Entry) {
        self.changes.push(entry.put());
    }

    fn number(&mut self) -> u64 {
        self.next_number += 1;
        self.next_number
    }

    fn restore(&mut self, entry: Entry) {
        match entry {
            Entry::Secret(secret) => self.secret = Some(secret),
            Entry::Owner(_) => {}
            Entry::Job(name, state) => self.jobs.push((name.into(), *state)),
            Entry::Once(once) => self.onces.push(*once),
            Entry::Claimed(number, place, name) => self.claims.insert(number, place, &name),
            Entry::Undelivered(number, undelivered) => {
                self.undelivered.insert(number, *undelivered);
            }
            #[cfg(feature = "client")]
            entry => self.rooms.restore(entry),
            // Only a bot on a server has rooms; what another wrote stays as it is.
            #[cfg(not(feature = "client"))]
            _ => {}
        }
    }

    fn claim(&mut self, place: Option<(RoomId, Timestamp)>, name: &str) -> Result<bool, JournalError> {
        if self.claims.contains(name) {
            return Ok(false);
        }
        if self.claims.is_full() {
            self.forget_claims();
        }
        if self.claims.is_full() {
            return Err(JournalError::new(
                JournalErrorKind::Full,
                "too many events that run at most once are not settled: the oldest of their rooms have to be done first",
            ));
        }
        let number = self.number();
        self.put(Entry::Claimed(number, place.clone(), name.into()));
        self.claims.insert(number, place, name);
        Ok(true)
    }

    #[cfg(feature = "client")]
    fn place_of(&self, event: &Event) -> Option<(RoomId, Timestamp)> {
        let at = match event.message() {
            Some(message) => message.updated_at().max(Some(message.created_at())),
            // It has no time of its own: it is not older than what was received before it.
            None => self.rooms.alive(),
        };
        // An id cut from a frame would keep the whole frame alive.
        Some((RoomId::from(event.room_id()?.as_str()), at?))
    }

    /// Makes room for others: what does not come back first, then the oldest of what nobody says that of.
    fn forget_claims(&mut self) {
        #[cfg(feature = "client")]
        {
            self.rooms.prune_all(&mut self.claims, &mut self.changes);
            if self.claims.is_full() {
                let rooms = &self.rooms;
                self.claims
                    .forget_oldest(|room| rooms.is_settled(room), &mut self.changes);
            }
        }
        #[cfg(not(feature = "client"))]
        self.claims.forget_oldest(|_| false, &mut self.changes);
    }
}

fn claim_name(event_key: &str, route: &str) -> String {
    format!("{event_key}\n{route}")
}

impl<'a> Owner<'a> {
    fn read(stored: &'a str) -> Self {
        match stored.split_once('\n') {
            Some((id, server)) => Self {
                id,
                server: Some(server),
            },
            None => Self {
                id: stored,
                server: None,
            },
        }
    }

    /// Whether what `known` wrote is its own.
    fn may_use(self, known: Option<Owner<'_>>) -> Result<(), JournalError> {
        let Some(known) = known else { return Ok(()) };
        let is_elsewhere = matches!((known.server, self.server), (Some(a), Some(b)) if a != b);
        if known.id == self.id && !is_elsewhere {
            return Ok(());
        }
        let place = |server: Option<&str>| server.map_or_else(String::new, |server| format!(" at {server}"));
        Err(JournalError::new(
            JournalErrorKind::OtherAccount,
            format!(
                "the journal belongs to the account {}{}, and the bot is {}{}: give each account a journal of its own",
                known.id,
                place(known.server),
                self.id,
                place(self.server)
            ),
        ))
    }
}

impl fmt::Display for Owner<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.server {
            Some(server) => write!(f, "{}\n{server}", self.id),
            None => f.write_str(self.id),
        }
    }
}

impl fmt::Debug for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ledger").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
