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
    /// Whether the server has told who wrote before it was listened to.
    is_whole: bool,
}

impl ThreadTalk {
    /// As the first message of a thread tells.
    #[cfg(feature = "client")]
    pub(crate) fn of_root(root: &serde_json::Value) -> Option<Self> {
        let id = |value: &serde_json::Value| value.as_str().map(UserId::from);
        let mut talk = Self {
            is_whole: true,
            ..Self::default()
        };
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

    /// Who has written in it, where that is known. Where it is not, who writes from now on is remembered: the answer
    /// of the server, which is to be [learned](Self::learn), may be older.
    pub(crate) fn get_or_listen(&self, thread_id: &MessageId) -> Option<ThreadTalk> {
        let mut threads = self.lock();
        if let Some(talk) = threads.get(thread_id) {
            return talk.is_whole.then(|| talk.clone());
        }
        if threads.len() >= MOST {
            threads.clear();
        }
        threads.insert(MessageId::from(thread_id.as_str()), ThreadTalk::default());
        None
    }

    /// What the server told, and who has written since it was asked. It is kept only if nothing was missed meanwhile.
    pub(crate) fn learn(&self, thread_id: &MessageId, mut told: ThreadTalk) -> ThreadTalk {
        let mut threads = self.lock();
        if let Some(talk) = threads.get_mut(thread_id) {
            for id in &talk.people {
                told.add(id);
            }
            talk.clone_from(&told);
        }
        told
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
    use std::time::Duration;

    use super::*;
    use crate::event::{Message, Reconnected};

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

    fn told(people: &[&str]) -> ThreadTalk {
        let mut talk = ThreadTalk {
            is_whole: true,
            ..ThreadTalk::default()
        };
        for id in people {
            talk.add(&UserId::from(*id));
        }
        talk
    }

    fn reply(author: &str) -> Event {
        let message = serde_json::json!({
            "_id": "m", "rid": "r", "tmid": "root", "msg": "hi", "u": {"_id": author, "username": author},
        });
        Event::from(Message::from_json(&message.to_string()).expect("a message"))
    }

    #[test]
    fn who_writes_while_the_server_is_asked_takes_part() {
        let (ann, bot, root) = (UserId::from("ann"), UserId::from("bot"), MessageId::from("root"));
        for (meanwhile, is_of_two) in [(vec![], true), (vec!["ann", "bot"], true), (vec!["bob"], false)] {
            let talks = ThreadTalks::default();
            assert_eq!(talks.get_or_listen(&root), None);
            for author in &meanwhile {
                talks.heard(&reply(author));
            }
            assert_eq!(talks.get_or_listen(&root), None, "two may ask at once");
            for learned in [
                talks.learn(&root, told(&["ann", "bot"])),
                talks.learn(&root, told(&["ann", "bot"])),
                talks.get_or_listen(&root).expect("it is known"),
            ] {
                assert_eq!(learned.is_of(&ann, &bot), is_of_two, "{meanwhile:?}");
            }
        }
    }

    #[test]
    fn an_answer_from_before_a_gap_is_not_kept() {
        let (ann, bot, root) = (UserId::from("ann"), UserId::from("bot"), MessageId::from("root"));
        let talks = ThreadTalks::default();
        assert_eq!(talks.get_or_listen(&root), None);
        talks.heard(&Event::Reconnected(Reconnected::new(Duration::from_secs(1))));
        assert!(talks.learn(&root, told(&["ann", "bot"])).is_of(&ann, &bot));
        assert_eq!(talks.get_or_listen(&root), None);
    }
}
