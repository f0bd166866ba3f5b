//! Which replies grow at this moment, and what stops them.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use smallvec::SmallVec;
use tokio::sync::watch;
use tokio::time::Instant;

use super::Ending;
use crate::event::{Event, MessageId, RoomId, UserId};
use crate::rejection::Rejection;

/// Replies that grow or wait for that at once.
const MOST: usize = 1024;

/// Those of them that one person asked for, wherever: others are to be answered too.
const MOST_OF_PERSON: usize = 32;

/// Those of a talk that are not to end already.
const MOST_OF_TALK: usize = 8;

/// A reply is to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stop {
    pub(crate) ending: Ending,
    /// When, if it has not ended by itself until then.
    pub(crate) at: Instant,
}

/// Replies of which one grows at a time: those of a thread, or where there is none, of a person in a room. The reply to a
/// question that opens a thread belongs to both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Talk {
    Thread(MessageId),
    Person(RoomId, Option<UserId>),
}

/// Where a reply stands.
#[derive(Debug)]
pub(crate) struct Subject {
    pub(crate) talk: Talk,
    pub(crate) room_id: RoomId,
    pub(crate) question: Option<MessageId>,
    /// Who asked: the id, and the user name, which is all that reactions tell.
    pub(crate) asker: Option<(UserId, String)>,
    /// The reactions that stop it.
    pub(crate) emojis: Arc<[String]>,
}

#[derive(Debug)]
struct Entry {
    number: u64,
    subject: Subject,
    /// Its messages, as far as they are posted.
    posted: SmallVec<[MessageId; 2]>,
    stop: watch::Sender<Option<Stop>>,
}

/// All replies of a bot that grow.
#[derive(Default)]
pub(crate) struct GrowingReplies {
    entries: Mutex<Entries>,
    /// How many there are, without the lock: nearly always none.
    count: AtomicUsize,
    /// Grows with each one that ends.
    ended: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Entries {
    /// In the order in which they came.
    all: Vec<Entry>,
    last_number: u64,
    shut_down_at: Option<Instant>,
}

/// So many replies grow, or so many of one person or in one talk, that there is no place for another one. Whoever asked for
/// it reads that the bot is busy: a [`Rejection`] is the cause.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many replies grow already")]
#[non_exhaustive]
pub struct TooManyReplies {
    #[source]
    rejection: Rejection,
}

impl TooManyReplies {
    fn new() -> Self {
        Self {
            rejection: Rejection::new("I'm busy right now, please try again in a moment."),
        }
    }
}

/// A reply's place among those that grow. Dropped, it is free.
pub(crate) struct Ticket {
    replies: Arc<GrowingReplies>,
    number: u64,
    stop: watch::Receiver<Option<Stop>>,
}

impl Subject {
    /// Whose questions in the room it is one of, where it was not asked in a thread: each may be answered in a thread of
    /// its own.
    fn person(&self) -> Option<(&RoomId, Option<&UserId>)> {
        match &self.talk {
            Talk::Person(room_id, asker) => Some((room_id, asker.as_ref())),
            Talk::Thread(id) if self.question.as_ref() == Some(id) => Some((&self.room_id, self.asker_id())),
            Talk::Thread(_) => None,
        }
    }

    /// Whether only one of the two may grow at a time.
    fn shares_talk(&self, other: &Self) -> bool {
        self.talk == other.talk || self.person().is_some_and(|person| other.person() == Some(person))
    }

    fn asker_id(&self) -> Option<&UserId> {
        self.asker.as_ref().map(|(id, _)| id)
    }
}

impl GrowingReplies {
    fn lock(&self) -> MutexGuard<'_, Entries> {
        // Nothing that is done under the lock leaves it half done.
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A reply is to grow, behind those of its talk; with `cancels` these are ended.
    pub(crate) fn begin(self: &Arc<Self>, subject: Subject, cancels: bool) -> Result<Ticket, TooManyReplies> {
        let mut entries = self.lock();
        let is_full = entries.all.len() >= MOST;
        let of_person = entries
            .all
            .iter()
            .filter(|entry| subject.asker.is_some() && entry.subject.asker_id() == subject.asker_id());
        if is_full || of_person.count() >= MOST_OF_PERSON {
            return Err(TooManyReplies::new());
        }
        let of_talk = entries
            .all
            .iter()
            .filter(|entry| entry.subject.shares_talk(&subject));
        if cancels {
            let stop = Stop {
                ending: Ending::NewerQuestion,
                at: Instant::now(),
            };
            of_talk.for_each(|entry| entry.stop(stop));
        } else if of_talk.filter(|entry| !entry.is_stopped()).count() >= MOST_OF_TALK {
            return Err(TooManyReplies::new());
        }
        entries.last_number += 1;
        let number = entries.last_number;
        let shut_down = entries.shut_down_at.map(Stop::shut_down);
        let (sender, stop) = watch::channel(shut_down);
        entries.all.push(Entry {
            number,
            subject,
            posted: SmallVec::new(),
            stop: sender,
        });
        self.count.store(entries.all.len(), Ordering::Release);
        Ok(Ticket {
            replies: Arc::clone(self),
            number,
            stop,
        })
    }

    /// An event came, and may be the end of some of them. This is before any lane.
    pub(crate) fn heard(&self, event: &Event) {
        if self.count.load(Ordering::Acquire) == 0 {
            return;
        }
        match event {
            Event::Deleted(deleted) => {
                let id = deleted.message_id();
                self.stop(Ending::QuestionDeleted, |entry| {
                    entry.subject.question.as_ref() == Some(id)
                });
                self.stop(Ending::ReplyDeleted, |entry| entry.posted.contains(id));
            }
            Event::Reaction(reaction) if reaction.is_added() => {
                let id = reaction.message().id();
                self.stop(Ending::Stopped, |entry| {
                    let subject = &entry.subject;
                    let is_askers = subject
                        .asker
                        .as_ref()
                        .is_some_and(|(_, username)| username == reaction.username());
                    is_askers
                        && (subject.question.as_ref() == Some(id) || entry.posted.contains(id))
                        && subject.emojis.iter().any(|emoji| emoji == reaction.emoji())
                });
            }
            _ => {}
        }
    }

    /// Stops those of a room, or of one of its threads, that one person asked for or that anybody did. Returns how many.
    pub(crate) fn stop_in(
        &self,
        room_id: &RoomId,
        thread_id: Option<&MessageId>,
        asker: Option<&UserId>,
    ) -> usize {
        self.stop(Ending::Stopped, |entry| {
            let subject = &entry.subject;
            let is_there = thread_id.is_none_or(|thread| {
                matches!(&subject.talk, Talk::Thread(id) if id == thread)
                    || subject.question.as_ref() == Some(thread)
            });
            let is_theirs =
                asker.is_none_or(|asker| subject.asker.as_ref().is_some_and(|(id, _)| id == asker));
            subject.room_id == *room_id && is_there && is_theirs
        })
    }

    fn stop(&self, ending: Ending, which: impl Fn(&Entry) -> bool) -> usize {
        let stop = Stop {
            ending,
            at: Instant::now(),
        };
        let entries = self.lock();
        let stopped = entries.all.iter().filter(|entry| which(entry));
        stopped.map(|entry| entry.stop(stop)).count()
    }

    /// The bot stops: what does not end by itself until then is ended.
    pub(crate) fn shut_down(&self, at: Instant) {
        let mut entries = self.lock();
        entries.shut_down_at = Some(at);
        for entry in &entries.all {
            entry.stop(Stop::shut_down(at));
        }
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.count.load(Ordering::Acquire)
    }
}

impl fmt::Debug for GrowingReplies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GrowingReplies")
            .field("count", &self.len())
            .finish_non_exhaustive()
    }
}

impl Stop {
    fn shut_down(at: Instant) -> Self {
        Self {
            ending: Ending::Shutdown,
            at,
        }
    }
}

impl Entry {
    fn is_stopped(&self) -> bool {
        self.stop.borrow().is_some()
    }

    /// The soonest end counts.
    fn stop(&self, stop: Stop) {
        self.stop.send_if_modified(|known| {
            let is_sooner = known.is_none_or(|known| stop.at < known.at);
            if is_sooner {
                *known = Some(stop);
            }
            is_sooner
        });
    }
}

impl Ticket {
    /// A message of it was posted.
    pub(crate) fn posted(&self, id: &MessageId) {
        let mut entries = self.replies.lock();
        let entry = entries.all.iter_mut().find(|entry| entry.number == self.number);
        if let Some(entry) = entry.filter(|entry| !entry.posted.contains(id)) {
            entry.posted.push(id.clone());
        }
    }

    /// Waits until those of the same talk have ended that came before.
    pub(crate) async fn turn(&self) {
        let mut ended = self.replies.ended.subscribe();
        while !self.is_first() {
            // The sender lives as long as this.
            if ended.changed().await.is_err() {
                return;
            }
        }
    }

    fn is_first(&self) -> bool {
        let entries = self.replies.lock();
        let mut older = entries.all.iter().take_while(|entry| entry.number < self.number);
        // They are in the order of their numbers.
        let own = entries.all.iter().find(|entry| entry.number == self.number);
        own.is_none_or(|own| !older.any(|entry| entry.subject.shares_talk(&own.subject)))
    }

    /// What is to end it, and when.
    pub(crate) fn stop(&self) -> watch::Receiver<Option<Stop>> {
        self.stop.clone()
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut entries = self.replies.lock();
        entries.all.retain(|entry| entry.number != self.number);
        self.replies.count.store(entries.all.len(), Ordering::Release);
        drop(entries);
        self.replies.ended.send_modify(|ended| *ended += 1);
    }
}
