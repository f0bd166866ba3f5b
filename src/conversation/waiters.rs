//! Who waits for what, found by where it was said and by whom: not by asking all of them for each event.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use smallvec::SmallVec;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};

use super::ConversationEnded;
use super::pause::Waiting;
use crate::event::{Event, Message, MessageId, Reaction, RoomId, Timestamp, UserId};

/// Waits of a bot at once.
const MOST: usize = 10_000;

/// Waits at once that one person has begun.
const MOST_OF_ONE: usize = 100;

/// What was waited for.
#[derive(Clone, Debug)]
pub(crate) enum Heard {
    Message(Arc<Message>),
    Reaction(Arc<Reaction>),
}

/// Where something is waited for. The ids are copies: one of an event would keep its frame.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Key {
    /// In a thread, or in the room outside of threads; of one author, or of anybody.
    Message(RoomId, Option<MessageId>, Option<UserId>),
    /// To a message.
    Reaction(MessageId),
}

impl Key {
    pub(super) fn message(room: &RoomId, thread: Option<&MessageId>, author: Option<&UserId>) -> Self {
        Self::Message(
            RoomId::from(room.as_str()),
            thread.map(|id| MessageId::from(id.as_str())),
            author.map(|id| UserId::from(id.as_str())),
        )
    }

    pub(super) fn reaction(message: &MessageId) -> Self {
        Self::Reaction(MessageId::from(message.as_str()))
    }
}

/// What somebody waits for.
#[derive(Debug)]
pub(super) struct Wait {
    pub(super) keys: SmallVec<[Key; 3]>,
    /// Who began the conversation.
    pub(super) asker: Option<UserId>,
    /// The only one whose reactions count, by user name: the server tells no more.
    pub(super) reactions_of: Option<String>,
    /// Nothing counts that was written before.
    pub(super) since: Option<Timestamp>,
    /// What it takes goes its usual way as well.
    pub(super) passes_on: bool,
    /// It takes no commands of this bot.
    pub(super) leaves_commands: bool,
}

/// What becomes of an event that was offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Offer {
    /// Nobody waits for it.
    Left,
    /// Somebody has it, and it goes its usual way as well.
    Shared,
    /// Somebody has it, and nobody else is to hear it.
    Taken,
}

/// All waits of a bot.
#[derive(Default)]
pub(crate) struct Waiters {
    state: Mutex<State>,
    /// How many there are, without the lock: nearly always none.
    count: AtomicUsize,
}

#[derive(Default)]
struct State {
    waits: HashMap<u64, Entry>,
    /// In the order in which they began.
    by_key: HashMap<Key, SmallVec<[u64; 1]>>,
    by_asker: HashMap<Option<UserId>, usize>,
    last_number: u64,
    is_closed: bool,
}

struct Entry {
    wait: Wait,
    sender: oneshot::Sender<Heard>,
}

impl State {
    fn remove(&mut self, number: u64) -> Option<Entry> {
        let entry = self.waits.remove(&number)?;
        for key in &entry.wait.keys {
            if let Some(numbers) = self.by_key.get_mut(key) {
                numbers.retain(|known| *known != number);
                if numbers.is_empty() {
                    self.by_key.remove(key);
                }
            }
        }
        if let Some(count) = self.by_asker.get_mut(&entry.wait.asker) {
            *count -= 1;
            if *count == 0 {
                self.by_asker.remove(&entry.wait.asker);
            }
        }
        Some(entry)
    }

    /// The newest one that fits.
    fn find(&self, keys: &[Key], fits: impl Fn(&Wait) -> bool) -> Option<u64> {
        let of_key = |key: &Key| {
            let numbers = self.by_key.get(key)?;
            let fits = |number: &&u64| self.waits.get(number).is_some_and(|entry| fits(&entry.wait));
            numbers.iter().rev().find(fits).copied()
        };
        keys.iter().filter_map(of_key).max()
    }
}

impl Waiters {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing that is done under the lock leaves it half done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.count.load(Ordering::Acquire) == 0
    }

    /// Begins to wait: what is said from here on is heard.
    pub(super) fn begin(self: &Arc<Self>, wait: Wait) -> Result<Ticket, ConversationEnded> {
        let mut state = self.lock();
        if state.is_closed {
            return Err(ConversationEnded::ShuttingDown);
        }
        let of_asker = state.by_asker.get(&wait.asker).copied().unwrap_or_default();
        if state.waits.len() >= MOST || of_asker >= MOST_OF_ONE {
            return Err(ConversationEnded::TooMany);
        }
        state.last_number += 1;
        let number = state.last_number;
        for key in &wait.keys {
            state.by_key.entry(key.clone()).or_default().push(number);
        }
        *state.by_asker.entry(wait.asker.clone()).or_default() += 1;
        let (sender, heard) = oneshot::channel();
        state.waits.insert(number, Entry { wait, sender });
        self.count.store(state.waits.len(), Ordering::Release);
        Ok(Ticket {
            waiters: Arc::clone(self),
            number,
            heard,
        })
    }

    /// Gives an event to the newest wait that it fits, if there is one. `is_command` says whether it is a command of this
    /// bot, and is asked only where that matters.
    pub(crate) fn offer(&self, event: &Event, is_command: impl Fn() -> bool) -> Offer {
        let mut keys = SmallVec::<[Key; 2]>::new();
        let heard = match event {
            Event::Message(message) => {
                let (room, thread) = (message.room().id(), message.thread_id());
                let author = message.author().id();
                keys.push(Key::Message(room.clone(), thread.cloned(), Some(author.clone())));
                keys.push(Key::Message(room.clone(), thread.cloned(), None));
                Heard::Message(Arc::clone(message))
            }
            Event::Reaction(reaction) if reaction.is_added() => {
                keys.push(Key::Reaction(reaction.message().id().clone()));
                Heard::Reaction(Arc::clone(reaction))
            }
            _ => return Offer::Left,
        };
        let fits = |wait: &Wait| match &heard {
            Heard::Message(message) => {
                wait.since.is_none_or(|since| message.created_at() >= since)
                    && !(wait.leaves_commands && is_command())
            }
            Heard::Reaction(reaction) => wait
                .reactions_of
                .as_ref()
                .is_none_or(|username| username == reaction.username()),
        };
        let mut state = self.lock();
        while let Some(number) = state.find(&keys, fits) {
            let Some(entry) = state.remove(number) else {
                break;
            };
            self.count.store(state.waits.len(), Ordering::Release);
            // Whoever does not wait any more has not heard it.
            if entry.sender.send(heard.clone()).is_ok() {
                return match entry.wait.passes_on {
                    true => Offer::Shared,
                    false => Offer::Taken,
                };
            }
        }
        Offer::Left
    }

    /// The bot stops: nobody waits any more.
    pub(crate) fn shut_down(&self) {
        let mut state = self.lock();
        *state = State {
            is_closed: true,
            last_number: state.last_number,
            ..State::default()
        };
        self.count.store(0, Ordering::Release);
    }
}

impl fmt::Debug for Waiters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Waiters")
            .field("count", &self.count)
            .finish_non_exhaustive()
    }
}

/// A place among those who wait. Dropped, it is free.
#[derive(Debug)]
pub(super) struct Ticket {
    waiters: Arc<Waiters>,
    number: u64,
    heard: oneshot::Receiver<Heard>,
}

impl Ticket {
    /// It may also be said there.
    pub(super) fn also(&self, key: Key) {
        let mut state = self.waiters.lock();
        let State { waits, by_key, .. } = &mut *state;
        let Some(entry) = waits.get_mut(&self.number) else {
            return;
        };
        if entry.wait.keys.contains(&key) {
            return;
        }
        let numbers = by_key.entry(key.clone()).or_default();
        let behind = numbers.partition_point(|number| *number < self.number);
        numbers.insert(behind, self.number);
        entry.wait.keys.push(key);
    }

    /// Waits until it is said, or the time is over; `None` is for ever.
    pub(super) async fn heard(mut self, until: Option<Instant>) -> Result<Heard, ConversationEnded> {
        let _waiting = Waiting::begin();
        let heard = match until {
            None => (&mut self.heard).await,
            Some(until) => match timeout_at(until, &mut self.heard).await {
                Ok(heard) => heard,
                Err(_) => {
                    self.leave();
                    // It may have been said at the last moment, and then nobody else has it.
                    return self.heard.try_recv().map_err(|_| ConversationEnded::TimedOut);
                }
            },
        };
        // Only the end of the bot drops the other side.
        heard.map_err(|_| ConversationEnded::ShuttingDown)
    }

    fn leave(&self) {
        let mut state = self.waiters.lock();
        if state.remove(self.number).is_some() {
            self.waiters.count.store(state.waits.len(), Ordering::Release);
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.leave();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Room, RoomKind, User};

    fn wait(asker: &str) -> Wait {
        let (room, asker) = (RoomId::from("r"), UserId::from(asker));
        Wait {
            keys: SmallVec::from_iter([Key::message(&room, None, Some(&asker))]),
            asker: Some(asker),
            reactions_of: None,
            since: None,
            passes_on: false,
            leaves_commands: false,
        }
    }

    fn message(author: &str) -> Event {
        let room = Room::new("r", RoomKind::Channel);
        Event::from(Message::builder(room, User::new(author, author), "hi").build())
    }

    #[tokio::test]
    async fn waits_are_bounded_for_each_person_and_in_all_and_leave_nothing_behind() {
        let waiters = Arc::<Waiters>::default();
        let mut tickets = Vec::new();
        for person in 0..MOST / MOST_OF_ONE {
            for _ in 0..MOST_OF_ONE {
                tickets.push(waiters.begin(wait(&person.to_string())).unwrap());
            }
            let too_many = waiters.begin(wait(&person.to_string()));
            assert!(matches!(too_many, Err(ConversationEnded::TooMany)));
        }
        assert!(matches!(
            waiters.begin(wait("new")),
            Err(ConversationEnded::TooMany)
        ));
        tickets.truncate(1);
        waiters.begin(wait("new")).unwrap();
        drop(tickets);
        let state = waiters.lock();
        assert!(waiters.is_empty() && state.waits.is_empty());
        assert!(state.by_key.is_empty() && state.by_asker.is_empty());
    }

    #[tokio::test]
    async fn the_newest_takes_it_and_the_one_before_the_next() {
        let waiters = Arc::<Waiters>::default();
        let first = waiters.begin(wait("ann")).unwrap();
        let second = waiters.begin(wait("ann")).unwrap();
        assert_eq!(waiters.offer(&message("bob"), || false), Offer::Left);
        assert_eq!(waiters.offer(&message("ann"), || false), Offer::Taken);
        second.heard(None).await.unwrap();
        assert_eq!(waiters.offer(&message("ann"), || false), Offer::Taken);
        first.heard(None).await.unwrap();
        assert_eq!(waiters.offer(&message("ann"), || false), Offer::Left);
    }
}
