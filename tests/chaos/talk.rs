//! People who number their commands, and those who moderate the rooms.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rocketbotte::sandbox::Sandbox;
use serde_json::json;
use tokio::sync::mpsc;

use crate::book::{Book, Excuse, Kind, Place};

pub(crate) const BOT: &str = "rocketbotte";

/// How many commands one person says at once now and then: more than the bot takes of a room.
pub(crate) const FLOOD: usize = 60;

/// So many bursts of talk lie between two things that moderators do.
const MODERATION: usize = 12;

/// Longer than what the server's clock shows as one moment.
const MOMENT: Duration = Duration::from_millis(5);

/// Where commands are answered in order: a room, or a thread in it.
struct Lane {
    place: Place,
    people: Vec<&'static str>,
}

/// What moderators do to the bot in a room.
#[derive(Clone, Copy)]
enum Moderation {
    Remove,
    Mute,
    ReadOnly,
}

/// Rooms in which the bot is not always welcome.
const MODERATED: [(&str, Moderation); 4] = [
    ("door", Moderation::Remove),
    ("hush", Moderation::Mute),
    ("gate", Moderation::Remove),
    ("hall", Moderation::ReadOnly),
];

/// Whether the server tells what is said. Odd while it does not.
#[derive(Clone, Debug, Default)]
pub(crate) struct Losing(Arc<AtomicU64>);

impl Losing {
    pub(crate) fn turn(&self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }

    fn now(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }
}

/// What people call a room; none if it is a direct conversation.
pub(crate) fn name_of(sandbox: &Sandbox, room: &str) -> &'static str {
    let names = ["general", "dev", "ops", "lab", "door", "hush", "gate", "hall"];
    let is_it = |name: &&str| sandbox.room_id(name).as_deref() == Some(room);
    names.into_iter().find(is_it).unwrap_or("a direct conversation")
}

#[derive(Clone)]
pub(crate) struct People {
    sandbox: Sandbox,
    book: Arc<Book>,
    losing: Losing,
    lanes: Arc<Vec<Lane>>,
}

impl People {
    pub(crate) async fn of(sandbox: &Sandbox, book: Arc<Book>, losing: Losing) -> Self {
        let all = vec!["ann", "bob", "cat", "dan"];
        let mut rooms = vec![
            ("general".to_owned(), all.clone()),
            ("dev".to_owned(), all.clone()),
            ("ops".to_owned(), vec!["ann", "bob", "cat"]),
            ("lab".to_owned(), vec!["dan", "bob"]),
        ];
        for person in ["ann", "dan"] {
            rooms.push((sandbox.user(person).direct(&[BOT]).await, vec![person]));
        }
        rooms.extend(MODERATED.map(|(room, _)| (room.to_owned(), all.clone())));
        let mut lanes = Vec::new();
        for (at, (room, people)) in rooms.into_iter().enumerate() {
            let room = sandbox.room_id(&room).unwrap();
            for _ in 0..at % 3 {
                let root = sandbox.user(people[0]).say(&room, "a thread").await;
                lanes.push(Lane {
                    place: (room.clone(), Some(root)),
                    people: people.clone(),
                });
            }
            lanes.push(Lane {
                place: (room, None),
                people,
            });
        }
        Self {
            sandbox: sandbox.clone(),
            book,
            losing,
            lanes: Arc::new(lanes),
        }
    }

    /// Says so many commands whenever it is allowed to, by four people who know nothing of each other.
    pub(crate) async fn talk(self, seed: u64, mut allowed: mpsc::UnboundedReceiver<usize>) {
        let mut talk = Talk {
            rng: fastrand::Rng::with_seed(seed ^ 0x7a1c),
            excuses: HashMap::new(),
            people: self,
        };
        let mut bursts = 0;
        while let Some(commands) = allowed.recv().await {
            let mut left = commands;
            while left > 0 {
                bursts += 1;
                if bursts % MODERATION == 0 {
                    talk.moderate(bursts / MODERATION).await;
                }
                // Mostly here and there, sometimes all in one place.
                let (burst, in_one_place) = match talk.rng.u32(0..60) {
                    0 => (FLOOD, true),
                    _ => (talk.rng.usize(1..=8).min(left), talk.rng.bool()),
                };
                while left < burst
                    && let Some(more) = allowed.recv().await
                {
                    left += more;
                }
                let burst = burst.min(left);
                left -= burst;
                talk.burst(burst, in_one_place).await;
                tokio::time::sleep(Duration::from_millis(talk.rng.u64(0..4))).await;
            }
        }
        for at in 0..MODERATED.len() {
            talk.relent(at).await;
        }
    }

    /// Says more in one room than the bot takes of it at once.
    pub(crate) async fn flood(&self) {
        let mut rng = fastrand::Rng::with_seed(1);
        let lane = &self.lanes[0];
        for n in 0..2 * FLOOD {
            let kind = if n == 0 { Kind::Slow } else { Kind::Echo };
            self.command(lane, kind, None, &mut rng).await;
        }
    }

    /// Each lane is asked once more.
    pub(crate) async fn ask_everywhere(&self) {
        let mut rng = fastrand::Rng::with_seed(2);
        for lane in self.lanes.iter() {
            self.command(lane, Kind::Echo, None, &mut rng).await;
        }
    }

    pub(crate) fn lanes(&self) -> usize {
        self.lanes.len()
    }

    /// Says a command. Its id, and who said it.
    async fn command(
        &self,
        lane: &Lane,
        kind: Kind,
        excuse: Option<Excuse>,
        rng: &mut fastrand::Rng,
    ) -> (String, &'static str) {
        let number = self.book.next_number(&lane.place);
        let text = match kind {
            Kind::Slow => format!("!slow {} {number}", rng.u32(0..300)),
            Kind::Echo | Kind::Once => format!("!{} {number}", kind.name()),
        };
        let id: String = std::iter::repeat_with(fastrand::alphanumeric).take(17).collect();
        self.book.asks(&id, kind, &lane.place, excuse);
        let before = self.losing.now();
        let person = lane.people[rng.usize(..lane.people.len())];
        self.write(person, lane, Some(&id), &text).await;
        if before % 2 == 1 || before != self.losing.now() {
            self.book.may_come_late(&id);
        }
        (id, person)
    }

    /// Says something also where only the owners of a room may.
    async fn write(&self, person: &str, lane: &Lane, id: Option<&str>, text: &str) -> String {
        let mut message = json!({ "rid": lane.place.0, "msg": text });
        if let Some(id) = id {
            message["_id"] = json!(id);
        }
        if let Some(thread) = &lane.place.1 {
            message["tmid"] = json!(thread);
        }
        self.sandbox.user(person).post(message).await
    }
}

struct Talk {
    people: People,
    rng: fastrand::Rng,
    /// What is excused in which room while moderators are at it.
    excuses: HashMap<String, Excuse>,
}

impl Talk {
    async fn burst(&mut self, commands: usize, in_one_place: bool) {
        let lanes = Arc::clone(&self.people.lanes);
        let place = self.rng.usize(..lanes.len());
        for _ in 0..commands {
            let place = match in_one_place {
                true => place,
                false => self.rng.usize(..lanes.len()),
            };
            self.ask(&lanes[place]).await;
        }
    }

    async fn ask(&mut self, lane: &Lane) {
        let kind = match self.rng.u32(0..20) {
            0 => Kind::Slow,
            1..=3 => Kind::Once,
            _ => Kind::Echo,
        };
        let excuse = self.excuses.get(&lane.place.0).copied();
        let (id, person) = self.people.command(lane, kind, excuse, &mut self.rng).await;
        if excuse.is_some() {
            return;
        }
        // What happens to a message makes it come again, and must not be taken for another command.
        let someone = self.people.sandbox.user(person);
        match self.rng.u32(0..20) {
            0 => someone.react(&id, ":eyes:").await,
            1 if lane.place.1.is_none() => drop(someone.reply(&lane.place.0, &id, "see here").await),
            2 => {
                let chatter = self.people.write(person, lane, None, "just talk").await;
                someone.edit(&chatter, "just talk, better put").await;
            }
            3 => {
                let chatter = self.people.write(person, lane, None, "never mind").await;
                someone.delete(&chatter).await;
            }
            // Deleted before it is answered, or right behind that.
            4 => {
                tokio::time::sleep(Duration::from_millis(self.rng.u64(0..8))).await;
                if !self.people.book.is_replied(&id) {
                    self.people.book.excuse(&id, Excuse::Deleted);
                    someone.delete(&id).await;
                }
            }
            _ => {}
        }
    }

    /// In one room after the other the moderators begin something, or end it.
    async fn moderate(&mut self, turn: usize) {
        let at = turn % MODERATED.len();
        let (name, moderation) = MODERATED[at];
        let sandbox = self.people.sandbox.clone();
        let room = sandbox.room_id(name).unwrap();
        if self.excuses.contains_key(&room) {
            return self.relent(at).await;
        }
        let (unanswered, meanwhile) = match moderation {
            // A channel can be read from outside, so while it is fetched, what is said there may be heard for a moment more.
            Moderation::Remove if name == "gate" => (Excuse::Removed, Excuse::Removed),
            Moderation::Remove => (Excuse::Removed, Excuse::Out),
            Moderation::Mute | Moderation::ReadOnly => (Excuse::Silenced, Excuse::Silenced),
        };
        self.people.book.excuse_room(&room, unanswered);
        match moderation {
            Moderation::Remove => sandbox.kick(&room, BOT).unwrap(),
            Moderation::Mute => sandbox.set_muted(&room, BOT, true).unwrap(),
            Moderation::ReadOnly => sandbox.set_read_only(&room, true).unwrap(),
        }
        self.excuses.insert(room, meanwhile);
        tokio::time::sleep(MOMENT).await;
    }

    async fn relent(&mut self, at: usize) {
        let (name, moderation) = MODERATED[at];
        let sandbox = &self.people.sandbox;
        let room = sandbox.room_id(name).unwrap();
        if self.excuses.remove(&room).is_none() {
            return;
        }
        tokio::time::sleep(MOMENT).await;
        match moderation {
            Moderation::Remove => sandbox.invite(&room, BOT).unwrap(),
            Moderation::Mute => sandbox.set_muted(&room, BOT, false).unwrap(),
            Moderation::ReadOnly => sandbox.set_read_only(&room, false).unwrap(),
        }
        tokio::time::sleep(MOMENT).await;
    }
}
