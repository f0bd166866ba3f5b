//! Who has written in the threads that the bot was asked in.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::event::{Event, MessageId, UserId};

/// Threads that are known at once; when there are more it begins anew.
const MOST: usize = 1024;

/// A thread with more people is nobody's own.
const MOST_PEOPLE: usize = 3;

/// Who has written in a thread.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ThreadTalk {
    /// The first few.
    people: Vec<UserId>,
}

impl ThreadTalk {
    /// As the first message of a thread tells.
    #[cfg(feature = "client")]
    pub(crate) fn of_root(root: &serde_json::Value) -> Option<Self> {
        let id = |value: &serde_json::Value| value.as_str().map(UserId::from);
        let mut talk = Self::default();
        talk.add(&id(root.get("u")?.get("_id")?)?);
        // Besides those who have replied these are the people whom a reply has mentioned: they take part as well.
        let replies = root.get("replies").and_then(serde_json::Value::as_array);
        for id in replies.into_iter().flatten().filter_map(id) {
            talk.add(&id);
        }
        Some(talk)
    }

    fn add(&mut self, id: &UserId) {
        if self.people.len() < MOST_PEOPLE && !self.people.contains(id) {
            // A copy: the id is a slice of its frame.
            self.people.push(UserId::from(id.as_str()));
        }
    }

    /// Whether these two have written in it, and nobody else.
    pub(crate) fn is_of(&self, person: &UserId, bot: &UserId) -> bool {
        self.people.contains(bot) && self.people.iter().all(|id| id == person || id == bot)
    }
}

/// The threads that somebody wanted to know of.
#[derive(Debug, Default)]
pub(crate) struct ThreadTalks {
    threads: Mutex<HashMap<MessageId, ThreadTalk>>,
}

impl ThreadTalks {
    fn lock(&self) -> MutexGuard<'_, HashMap<MessageId, ThreadTalk>> {
        self.threads.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn get(&self, thread_id: &MessageId) -> Option<ThreadTalk> {
        self.lock().get(thread_id).cloned()
    }

    pub(crate) fn learn(&self, thread_id: &MessageId, talk: ThreadTalk) {
        let mut threads = self.lock();
        if threads.len() >= MOST {
            threads.clear();
        }
        threads.insert(MessageId::from(thread_id.as_str()), talk);
    }

    /// Somebody has written, the bot itself as well; or something may have been missed.
    pub(crate) fn heard(&self, event: &Event) {
        match event {
            Event::Message(message) => {
                let Some(thread_id) = message.thread_id() else {
                    return;
                };
                let mut threads = self.lock();
                if let Some(talk) = threads.get_mut(thread_id) {
                    talk.add(message.author().id());
                }
            }
            Event::Reconnected(_) => self.lock().clear(),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_is_of_two_until_a_third_writes() {
        let (ann, bob, bot) = (UserId::from("ann"), UserId::from("bob"), UserId::from("bot"));
        let mut talk = ThreadTalk::default();
        talk.add(&ann);
        assert!(!talk.is_of(&ann, &bot), "the bot has not answered");
        talk.add(&bot);
        assert!(talk.is_of(&ann, &bot) && !talk.is_of(&bob, &bot));
        talk.add(&bob);
        assert!(!talk.is_of(&ann, &bot) && !talk.is_of(&bob, &bot));
    }
}
