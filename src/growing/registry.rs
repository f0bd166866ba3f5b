//! Which replies grow at this moment, and what stops them.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use smallvec::SmallVec;
use tokio::sync::watch;
use tokio::time::Instant;

use super::Ending;
use crate::event::{Event, MessageId, RoomId, UserId};

/// Replies that grow or wait for that at once.
const MOST: usize = 1024;

/// A reply is to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stop {
    pub(crate) ending: Ending,
    /// When, if it has not ended by itself until then.
    pub(crate) at: Instant,
}

/// Replies of which one grows at a time: those of a thread, or where there is none, of a person in a room.
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

/// So many replies grow that there is no place for another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{MOST} replies grow already")]
pub struct TooManyReplies;

/// A reply's place among those that grow. Dropped, it is free.
pub(crate) struct Ticket {
    replies: Arc<GrowingReplies>,
    number: u64,
    talk: Talk,
    stop: watch::Receiver<Option<Stop>>,
}

impl GrowingReplies {
    fn lock(&self) -> MutexGuard<'_, Entries> {
        // Nothing that is done under the lock leaves it half done.
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A reply is to grow, behind those of its talk; with `cancels` these are ended.
    pub(crate) fn begin(self: &Arc<Self>, subject: Subject, cancels: bool) -> Result<Ticket, TooManyReplies> {
        let mut entries = self.lock();
        if entries.all.len() >= MOST {
            return Err(TooManyReplies);
        }
        if cancels {
            let stop = Stop {
                ending: Ending::NewerQuestion,
                at: Instant::now(),
            };
            for entry in &entries.all {
                if entry.subject.talk == subject.talk {
                    entry.stop(stop);
                }
            }
        }
        entries.last_number += 1;
        let number = entries.last_number;
        let shut_down = entries.shut_down_at.map(Stop::shut_down);
        let (sender, stop) = watch::channel(shut_down);
        let talk = subject.talk.clone();
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
            talk,
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
        let mut of_talk = entries.all.iter().filter(|entry| entry.subject.talk == self.talk);
        of_talk.next().is_none_or(|first| first.number == self.number)
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
