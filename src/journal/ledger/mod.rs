//! What a bot remembers, in memory: asked in no time, and written to its [`Journal`] as it changes.
//!
//! Replies go out under ids that are derived from their event, and a server ignores an id that it knows. So nothing is
//! answered twice where this forgets that an event is done: its handlers run again, and that is all. What must not be
//! forgotten is that something is *not* done: a watermark never passes it.

#[cfg(feature = "client")]
mod rooms;

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::slot::UsedJournal;
use super::stored::{Entry, Undelivered};
use super::{Change, JournalError, JournalErrorKind, JournalSlot};
use crate::health::JournalState;

/// Routes that are remembered as begun.
const CLAIMED: usize = 20_000;

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
    claimed: HashSet<Box<str>>,
    claims: VecDeque<(u64, Box<str>)>,
    undelivered: BTreeMap<u64, Undelivered>,
    /// Those that are on their way.
    taken: HashSet<u64>,
    next_number: u64,
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
        let mut known_owner = None;
        for (key, value) in journal.load()? {
            match Entry::read(&key, &value) {
                Some(Entry::Owner(owner)) => known_owner = Some(owner),
                Some(entry) => state.restore(entry),
                None => tracing::debug!(length = key.len(), "an entry of the journal is not understood"),
            }
        }
        if let Some(owner) = owner {
            let known = known_owner.as_deref().map(Owner::read);
            owner.may_use(known)?;
            if known.is_none_or(|known| known.server.is_none()) && known != Some(owner) {
                state.put(Entry::Owner(owner.to_string()));
            }
        }
        state.claims.make_contiguous().sort_unstable();
        state.journal = Some(Arc::new(journal));
        let ledger = Self {
            state: Mutex::new(state),
            is_kept: true,
            is_told: AtomicBool::new(false),
        };
        drop(ledger.change());
        Ok(ledger)
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

    /// Whether a route that runs at most once may run now. It is kept that it has begun before this says so.
    pub(crate) async fn claim(&self, event_key: &str, route: &str) -> bool {
        let claim: Box<str> = format!("{event_key}\n{route}").into();
        if !self.change().claim(claim) {
            return false;
        }
        self.flush().await;
        true
    }

    /// Keeps an action that could not be carried out. Gives the oldest back where there are too many.
    pub(crate) fn keep_undelivered(&self, undelivered: Undelivered) -> Option<Undelivered> {
        let mut state = self.change();
        // The same message may be given up twice, by two runs of its handler.
        if state.undelivered.values().any(|known| *known == undelivered) {
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
            Entry::Claimed(number, claim) => {
                self.next_number = self.next_number.max(number);
                self.claimed.insert(claim.clone());
                self.claims.push_back((number, claim));
            }
            Entry::Undelivered(number, undelivered) => {
                self.next_number = self.next_number.max(number);
                self.undelivered.insert(number, *undelivered);
            }
            #[cfg(feature = "client")]
            entry => self.rooms.restore(entry),
            // Only a bot on a server has rooms; what another wrote stays as it is.
            #[cfg(not(feature = "client"))]
            _ => {}
        }
    }

    fn claim(&mut self, claim: Box<str>) -> bool {
        if !self.claimed.insert(claim.clone()) {
            return false;
        }
        let number = self.number();
        self.put(Entry::Claimed(number, claim.clone()));
        self.claims.push_back((number, claim));
        if self.claims.len() > CLAIMED
            && let Some((number, oldest)) = self.claims.pop_front()
        {
            self.claimed.remove(&oldest);
            self.changes.push(Entry::Claimed(number, oldest).remove());
        }
        true
    }
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
mod tests {
    use super::*;
    use crate::journal::{Journal as _, MemoryJournal};
    use crate::response::{Action, Send};

    fn undelivered(text: &str) -> Undelivered {
        Undelivered {
            action: Action::from(Send::text(text).to("r")),
            event_key: "m".to_owned(),
            route: None,
        }
    }

    fn texts(ledger: &Ledger) -> Vec<String> {
        let taken = ledger.take_undelivered().into_iter();
        taken
            .map(|(number, kept)| {
                ledger.release_undelivered(number);
                match kept.action {
                    Action::Send(send) => send.content().to_owned(),
                    other => format!("{other:?}"),
                }
            })
            .collect()
    }

    #[test]
    fn what_could_not_be_sent_is_kept_in_order_and_bounded() {
        let journal = MemoryJournal::new();
        let load = || Ledger::load(&JournalSlot::new(journal.clone()), None).unwrap();
        let ledger = load();
        for n in 0..UNDELIVERED {
            // Given up by two runs of one handler it is one message.
            for _ in 0..2 {
                assert_eq!(ledger.keep_undelivered(undelivered(&n.to_string())), None);
            }
        }
        let oldest = ledger.keep_undelivered(undelivered("one more"));
        assert_eq!(oldest, Some(undelivered("0")));
        let ledger = load();
        assert_eq!(texts(&ledger).len(), UNDELIVERED);
        let taken = ledger.take_undelivered();
        assert!(ledger.take_undelivered().is_empty() && !ledger.has_undelivered());
        for (number, _) in &taken[2..] {
            assert!(ledger.forget_undelivered(*number).is_some());
        }
        assert_eq!(texts(&load()), ["1", "2"]);
    }

    #[tokio::test]
    async fn claims_outlive_the_process_and_the_oldest_go_first() {
        let journal = MemoryJournal::new();
        let ledger = Ledger::load(&JournalSlot::new(journal.clone()), None).unwrap();
        for n in 0..=CLAIMED {
            assert!(ledger.claim(&n.to_string(), "pay").await);
        }
        let ledger = Ledger::load(&JournalSlot::new(journal.clone()), None).unwrap();
        assert!(!ledger.claim("1", "pay").await);
        assert!(ledger.claim("1", "other").await);
        assert!(ledger.claim("0", "pay").await);
        assert_eq!(journal.load().unwrap().len(), CLAIMED);
    }

    #[tokio::test]
    async fn one_uses_it_at_a_time() {
        let slot = JournalSlot::new(MemoryJournal::new());
        let ledger = Ledger::load(&slot, None).unwrap();
        assert_eq!(
            Ledger::load(&slot.clone(), None).unwrap_err().kind(),
            JournalErrorKind::Locked
        );
        ledger.close();
        assert!(ledger.try_flush().await.is_err());
        Ledger::load(&slot, None).unwrap();
    }

    #[test]
    fn the_secret_stays() {
        let journal = MemoryJournal::new();
        for first in [b"one", b"two"] {
            let ledger = Ledger::load(&JournalSlot::new(journal.clone()), None).unwrap();
            assert_eq!(ledger.secret(|| first.to_vec()), b"one");
        }
    }

    #[test]
    fn it_belongs_to_one_account() {
        let journal = MemoryJournal::new();
        let load = |id, server| {
            let owner = Owner { id, server };
            Ledger::load(&JournalSlot::new(journal.clone()), Some(owner)).map_err(|error| error.kind())
        };
        load("uA", None).unwrap();
        assert_eq!(load("uB", None).unwrap_err(), JournalErrorKind::OtherAccount);
        // From here on it is known where that is.
        for _ in 0..2 {
            load("uA", Some("chat.example.org/sub")).unwrap();
        }
        let copy = load("uA", Some("staging.example.org"));
        assert_eq!(copy.unwrap_err(), JournalErrorKind::OtherAccount);
        load("uA", None).unwrap();
        assert!(load("uA", Some("staging.example.org")).is_err());
    }
}
