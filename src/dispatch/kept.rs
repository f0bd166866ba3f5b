//! What the server did not take, by room: it is in the journal, and goes out before whatever is answered there later.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use smallvec::SmallVec;
use tokio::time::Instant;

use super::dead_letter::{DeadLetterError, DeadLetters};
use super::open::{Item, Number};
use crate::event::{MessageId, RoomId};
use crate::journal::{Ledger, Undelivered};
use crate::response::{RouteName, RoutedAction};

/// Actions that are kept. The journal holds as many.
const MOST: usize = 1000;

/// The first pause behind an attempt that failed; each one after it is twice as long.
const FIRST_PAUSE: Duration = Duration::from_secs(30);
const LONGEST_PAUSE: Duration = Duration::from_secs(5 * 60);

/// Behind an attempt that failed there is none for so long, whatever speaks for one.
const LEAST_PAUSE: Duration = Duration::from_secs(5);

/// Nobody waits for an answer any more that is older.
const TOO_OLD: Duration = Duration::from_secs(24 * 60 * 60);

/// How often an action may fail while the server takes others. Then the trouble is its own, and its room goes on.
const MOST_TRIES: u32 = 5;

/// How often the server, or a proxy before it, may answer that it failed, each time for half a minute at least. With the
/// pauses that is most of an hour: longer than a server takes to get well, and as long as a message that it can't digest
/// may hold up a bot's only room.
const MOST_FAILURES: u32 = 12;

/// Rooms with actions that are still to be carried out.
pub(super) struct Kept {
    /// None for a bot without a journal.
    ledger: Option<Arc<Ledger>>,
    rooms: HashMap<RoomId, Room>,
    dead_letters: DeadLetters,
    /// How often the server took something.
    taken: u64,
}

struct Room {
    /// In order, without those that are on their way.
    actions: VecDeque<Action>,
    failures: u32,
    not_before: Instant,
    retry_at: Instant,
    /// Whether its next attempt waits for its turn, or is made.
    is_trying: bool,
    /// The action that failed last.
    head: Head,
}

/// How an action fares that all others of its room wait for.
#[derive(Default)]
struct Head {
    number: u64,
    /// How often it failed after the server took others.
    tries: u32,
    /// How much the server had taken when it failed last.
    taken: u64,
    /// How often there was an answer, and it said that something failed.
    failures: u32,
}

struct Action {
    number: u64,
    event_key: Box<str>,
    routed: RoutedAction,
    /// From then on nobody waits for it any more.
    until: Instant,
}

impl Kept {
    pub(super) fn new(ledger: Option<Arc<Ledger>>, dead_letters: DeadLetters) -> Self {
        let mut kept = Self {
            ledger: ledger.filter(|ledger| ledger.is_kept()),
            rooms: HashMap::new(),
            dead_letters,
            taken: 0,
        };
        kept.adopt();
        kept
    }

    pub(super) fn ledger(&self) -> Option<&Arc<Ledger>> {
        self.ledger.as_ref()
    }

    /// Whether something has to go out to a room before anything else does.
    pub(super) fn holds(&self, room_id: &RoomId) -> bool {
        self.rooms.contains_key(room_id)
    }

    /// Keeps actions behind what is kept already. Gives the number of those that were given up for it.
    pub(super) fn keep(&mut self, actions: impl IntoIterator<Item = RoutedAction>, event_key: &str) -> u64 {
        let Some(ledger) = self.ledger.clone() else {
            return 0;
        };
        let mut given_up = 0;
        for routed in actions {
            if ledger.undelivered() >= MOST {
                given_up += 1;
                if !self.give_up_oldest(&ledger) {
                    self.dead_letters.give_up(routed, too_many(), event_key);
                    continue;
                }
            }
            let oldest = ledger.keep_undelivered(Undelivered {
                route: routed.route.as_ref().map(ToString::to_string),
                action: routed.action,
                event_key: event_key.to_owned(),
                kept_at: Some(unix_millis()),
            });
            if let Some(oldest) = oldest {
                given_up += 1;
                let (key, why) = (oldest.event_key.clone(), why_not_kept(&oldest));
                self.dead_letters.give_up(routed_of(oldest), why, &key);
            }
            self.adopt();
        }
        given_up
    }

    /// Makes room for one more. What is on its way may be delivered yet, so it stays.
    fn give_up_oldest(&mut self, ledger: &Ledger) -> bool {
        let oldest = self
            .rooms
            .values_mut()
            .filter(|room| !room.actions.is_empty())
            .min_by_key(|room| room.actions.front().map(|action| action.number));
        let Some(oldest) = oldest.and_then(|room| room.actions.pop_front()) else {
            return false;
        };
        ledger.forget_undelivered(oldest.number);
        self.dead_letters
            .give_up(oldest.routed, too_many(), &oldest.event_key);
        true
    }

    /// Takes over what the journal holds and nobody has on its way.
    pub(super) fn adopt(&mut self) {
        let Some(ledger) = self.ledger.as_ref().filter(|ledger| ledger.has_undelivered()) else {
            return;
        };
        let now = Instant::now();
        for (number, undelivered) in ledger.take_undelivered() {
            // It was resolved before it was kept, so it says where.
            let Some(room_id) = undelivered.action.lane() else {
                continue;
            };
            let room = self.rooms.entry(room_id).or_insert_with(|| Room {
                actions: VecDeque::new(),
                failures: 0,
                not_before: now,
                retry_at: now + FIRST_PAUSE,
                is_trying: false,
                head: Head::default(),
            });
            let action = Action {
                number,
                event_key: undelivered.event_key.as_str().into(),
                until: now + TOO_OLD.saturating_sub(age(undelivered.kept_at)),
                routed: routed_of(undelivered),
            };
            let behind = room.actions.partition_point(|known| known.number < number);
            room.actions.insert(behind, action);
        }
    }

    /// What is to go out to a room now; nothing where the last attempt has just failed.
    pub(super) fn take(&mut self, room_id: &RoomId, deleted: &VecDeque<MessageId>, now: Instant) -> Taken {
        let mut taken = Taken::default();
        let (Some(ledger), Some(room)) = (&self.ledger, self.rooms.get_mut(room_id)) else {
            return taken;
        };
        room.is_trying = false;
        if now < room.not_before {
            return taken;
        }
        for action in std::mem::take(&mut room.actions) {
            if deleted
                .iter()
                .any(|question| *question.as_str() == *action.event_key)
            {
                ledger.forget_undelivered(action.number);
                taken.withdrawn += 1;
            } else if now >= action.until {
                ledger.forget_undelivered(action.number);
                let error = DeadLetterError::Failed("the server did not take it for a day".into());
                self.dead_letters.give_up(action.routed, error, &action.event_key);
                taken.given_up += 1;
            } else {
                taken.items.push(Item {
                    routed: action.routed,
                    number: Some(Box::new(Number {
                        number: action.number,
                        event_key: action.event_key,
                        until: action.until,
                    })),
                });
            }
        }
        room.is_trying = !taken.items.is_empty();
        if taken.items.is_empty() {
            self.rooms.remove(room_id);
        }
        taken
    }

    /// The server takes what it is given.
    pub(super) fn takes(&mut self) {
        self.taken += 1;
    }

    /// An attempt has failed: these are still to be carried out. Gives the number of those that were given up.
    pub(super) fn failed(
        &mut self,
        room_id: &RoomId,
        left: impl DoubleEndedIterator<Item = Item>,
        error: DeadLetterError,
        now: Instant,
    ) -> u64 {
        let (Some(ledger), Some(room)) = (&self.ledger, self.rooms.get_mut(room_id)) else {
            return 0;
        };
        for Item { routed, number } in left.rev() {
            if let Some(number) = number {
                let Number {
                    number,
                    event_key,
                    until,
                } = *number;
                room.actions.push_front(Action {
                    number,
                    event_key,
                    routed,
                    until,
                });
            }
        }
        room.is_trying = false;
        let head = room.actions.front().map_or(0, |action| action.number);
        if head != room.head.number {
            // What went out before it was taken.
            room.failures = 0;
            room.head = Head {
                number: head,
                tries: 0,
                taken: self.taken,
                failures: 0,
            };
        } else if self.taken > room.head.taken && !error.is_limit() {
            room.head.tries += 1;
            room.head.taken = self.taken;
        }
        if error.is_answered_failure() {
            room.head.failures += 1;
        }
        let pause = (FIRST_PAUSE * (1 << room.failures.min(8))).min(LONGEST_PAUSE);
        room.failures = room.failures.saturating_add(1);
        room.not_before = now + LEAST_PAUSE;
        room.retry_at = now + pause;
        if room.head.tries < MOST_TRIES && room.head.failures < MOST_FAILURES {
            return 0;
        }
        let Some(action) = room.actions.pop_front() else {
            return 0;
        };
        ledger.forget_undelivered(action.number);
        self.dead_letters.give_up(action.routed, error, &action.event_key);
        if room.actions.is_empty() {
            self.rooms.remove(room_id);
        }
        1
    }

    /// A delivery to a room has ended, and it did not [fail](Self::failed).
    pub(super) fn ended(&mut self, room_id: &RoomId) {
        if let Some(room) = self.rooms.get_mut(room_id) {
            room.is_trying = false;
            if room.actions.is_empty() {
                self.rooms.remove(room_id);
            }
        }
    }

    /// The rooms for which it is time for another attempt: all where the server seems to take again what it is given.
    pub(super) fn due(&mut self, now: Instant, all: bool) -> Vec<RoomId> {
        let is_due =
            |room: &Room| !room.is_trying && now >= if all { room.not_before } else { room.retry_at };
        let due = self.rooms.iter_mut().filter(|(_, room)| is_due(room));
        due.map(|(room_id, room)| {
            room.is_trying = true;
            room_id.clone()
        })
        .collect()
    }

    /// No attempt waits for its turn any more.
    pub(super) fn stop_trying(&mut self) {
        for room in self.rooms.values_mut() {
            room.is_trying = false;
        }
    }
}

/// What is to go out to a room, and what of it is not any more.
#[derive(Default)]
pub(super) struct Taken {
    pub(super) items: SmallVec<[Item; 1]>,
    pub(super) withdrawn: u64,
    pub(super) given_up: u64,
}

pub(super) fn routed_of(kept: Undelivered) -> RoutedAction {
    RoutedAction {
        route: kept.route.as_deref().map(RouteName::new),
        action: kept.action,
    }
}

pub(super) fn unix_millis() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    u64::try_from(since.unwrap_or_default().as_millis()).unwrap_or(u64::MAX)
}

/// How long ago it was kept. A clock that was set back makes it as new as can be.
fn age(kept_at: Option<u64>) -> Duration {
    Duration::from_millis(kept_at.map_or(0, |kept_at| unix_millis().saturating_sub(kept_at)))
}

/// Why the journal gives an action back.
pub(super) fn why_not_kept(undelivered: &Undelivered) -> DeadLetterError {
    match undelivered.action.is_storable() {
        true => too_many(),
        false => {
            DeadLetterError::Failed("the server did not take it, and it is too large for the journal".into())
        }
    }
}

fn too_many() -> DeadLetterError {
    DeadLetterError::Failed("too many actions wait for the server".into())
}
