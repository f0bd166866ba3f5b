//! All that the server knows: users, rooms, messages, open connections. No sockets in here.

pub(crate) mod commands;
mod counters;
mod emoji;
pub(crate) mod files;
pub(crate) mod history;
pub(crate) mod messages;
pub(crate) mod moderate;
pub(crate) mod notify;
pub(crate) mod people;
pub(crate) mod permissions;
mod post;
mod quote;
pub(crate) mod rooms;
pub(crate) mod session;
pub(crate) mod shape;
pub(crate) mod text;
mod weight;

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde_json::{Map, Value, json};
use tokio::{
    sync::{broadcast, watch},
    time::Instant,
};

use super::{
    faults::Faults,
    limits::Limits,
    observe::{Log, SandboxMessage},
    page::Hub,
};
use people::{Tokens, User};
use rooms::{Gone, Room};
use session::Session;

/// How long Meteor waits for a packet before it pings, and how long again before it closes.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// Deletions remembered for `chat.syncMessages`.
const DELETIONS_KEPT: usize = 10_000;

/// A message as stored: a JSON object whose dates are EJSON.
#[derive(Debug, Clone)]
pub(crate) struct Stored {
    pub(crate) id: String,
    pub(crate) rid: String,
    pub(crate) ts: i64,
    pub(crate) updated: i64,
    pub(crate) doc: Map<String, Value>,
}

impl Stored {
    pub(crate) fn text(&self, key: &str) -> Option<&str> {
        self.doc.get(key).and_then(Value::as_str)
    }

    /// The id of the author.
    pub(crate) fn author(&self) -> &str {
        self.doc
            .get("u")
            .and_then(|u| u.get("_id"))
            .and_then(Value::as_str)
            .unwrap_or_default()
    }
}

/// A hard deletion, as `chat.syncMessages` reports it.
#[derive(Debug)]
pub(crate) struct Deletion {
    pub(crate) id: String,
    pub(crate) rid: String,
    pub(crate) at: i64,
    /// When the message was last written to before.
    pub(crate) updated: i64,
}

#[derive(Debug)]
pub(crate) struct State {
    pub(crate) users: BTreeMap<String, User>,
    pub(crate) rooms: BTreeMap<String, Room>,
    pub(crate) gone: VecDeque<Gone>,
    pub(crate) messages: HashMap<String, Stored>,
    order: VecDeque<String>,
    /// About what all messages hold.
    message_bytes: usize,
    pub(crate) deletions: VecDeque<Deletion>,
    pub(crate) files: files::Files,
    pub(crate) sessions: BTreeMap<u64, Session>,
    pub(crate) settings: BTreeMap<String, Value>,
    /// Short names of the emoji that only this server has.
    pub(crate) own_emoji: Vec<String>,
    pub(crate) limits: Limits,
    pub(crate) faults: Faults,
    pub(crate) log: Log,
    pub(crate) tokens: Tokens,
    /// How long the token of a login is valid, in milliseconds.
    pub(crate) token_life: i64,
    /// What the page is told.
    pub(crate) hub: Arc<Hub>,
    pub(crate) server_id_frame: bool,
    /// Between two looks whether a connection has sent anything; how long a ping may go without an answer.
    pub(crate) heartbeat: Duration,
    /// How many addresses at the end of `X-Forwarded-For` are believed.
    pub(crate) trusted_proxies: usize,
    /// What the server says that it is.
    pub(crate) server_version: String,
    next_session: u64,
    started: (i64, Instant),
    feed: broadcast::Sender<SandboxMessage>,
    version: watch::Sender<u64>,
}

impl State {
    pub(crate) fn new(settings: BTreeMap<String, Value>, limits: bool, server_id_frame: bool) -> Self {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self {
            users: BTreeMap::new(),
            rooms: BTreeMap::new(),
            gone: VecDeque::new(),
            messages: HashMap::new(),
            order: VecDeque::new(),
            message_bytes: 0,
            deletions: VecDeque::new(),
            files: files::Files::default(),
            sessions: BTreeMap::new(),
            settings,
            own_emoji: Vec::new(),
            limits: Limits::new(limits),
            faults: Faults::default(),
            log: Log::default(),
            tokens: Tokens::new(),
            token_life: people::TOKEN_LIFE_MS,
            hub: Arc::default(),
            server_id_frame,
            heartbeat: HEARTBEAT,
            trusted_proxies: 0,
            server_version: "8.0.0".to_owned(),
            next_session: 0,
            started: (
                i64::try_from(wall.as_millis()).unwrap_or_default(),
                Instant::now(),
            ),
            feed: broadcast::channel(1024).0,
            version: watch::Sender::new(0),
        }
    }

    /// Major and minor version of the server.
    pub(crate) fn version(&self) -> (u32, u32) {
        let mut numbers = self
            .server_version
            .split('.')
            .map(|number| number.parse().unwrap_or(0));
        (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
    }

    /// Milliseconds since 1970. Follows tokio's clock, so it stands still when a test pauses that.
    pub(crate) fn now(&self) -> i64 {
        let elapsed = self.started.1.elapsed().as_millis();
        self.started.0 + i64::try_from(elapsed).unwrap_or_default()
    }

    /// How many milliseconds the clock is ahead of this machine's.
    pub(crate) fn set_clock_offset(&mut self, milliseconds: i64) {
        self.started.0 = self.started.0.saturating_add(milliseconds);
    }

    /// Wakes everybody who waits for something to change.
    pub(crate) fn touch(&self) {
        self.version
            .send_modify(|version| *version = version.wrapping_add(1));
    }

    pub(crate) fn watch(&self) -> watch::Receiver<u64> {
        self.version.subscribe()
    }

    pub(crate) fn feed(&self) -> broadcast::Receiver<SandboxMessage> {
        self.feed.subscribe()
    }

    /// Ends the feeds that were handed out: what is posted later is told to nobody.
    pub(crate) fn end_feeds(&mut self) {
        self.feed = broadcast::Sender::new(1);
    }

    pub(crate) fn next_session_id(&mut self) -> u64 {
        self.next_session += 1;
        self.next_session
    }

    pub(crate) fn setting_on(&self, name: &str) -> bool {
        self.settings.get(name).and_then(Value::as_bool).unwrap_or(false)
    }

    /// Stores a new message and forgets the oldest if there are too many.
    fn store(&mut self, message: Stored) {
        if let Some(room) = self.rooms.get_mut(&message.rid) {
            room.messages.push_back(message.id.clone());
        }
        self.order.push_back(message.id.clone());
        self.message_bytes += weight::of(&message.doc);
        if let Some(before) = self.messages.insert(message.id.clone(), message) {
            self.message_bytes -= weight::of(&before.doc);
        }
        self.forget_oldest();
    }

    /// Removes a message from the store; its place in `order` is skipped later.
    fn forget(&mut self, id: &str) -> Option<Stored> {
        let message = self.messages.remove(id)?;
        if message.doc.contains_key("file") {
            self.forget_files(id);
        }
        self.message_bytes -= weight::of(&message.doc);
        if let Some(room) = self.rooms.get_mut(&message.rid) {
            if room.messages.front().is_some_and(|first| first == id) {
                room.messages.pop_front();
            } else {
                room.messages.retain(|known| known != id);
            }
        }
        Some(message)
    }

    fn remember_deletion(&mut self, id: &str, rid: &str, updated: i64) {
        let at = self.now();
        self.deletions.push_back(Deletion {
            id: id.to_owned(),
            rid: rid.to_owned(),
            at,
            updated,
        });
        if self.deletions.len() > DELETIONS_KEPT {
            self.deletions.pop_front();
        }
        // A deleted id may come again, so the queue must not keep it.
        self.order.retain(|known| known != id);
    }

    /// The messages of a room in the order in which they were posted.
    pub(crate) fn room_messages(&self, rid: &str) -> impl DoubleEndedIterator<Item = &Stored> {
        self.rooms
            .get(rid)
            .into_iter()
            .flat_map(|room| room.messages.iter())
            .filter_map(|id| self.messages.get(id))
    }

    /// The latest messages of all rooms, the last one first.
    pub(crate) fn latest(&self, count: usize) -> Vec<&Stored> {
        let messages = self.order.iter().rev().filter_map(|id| self.messages.get(id));
        messages.take(count).collect()
    }

    /// Notes a refusal for whoever reads a failed test.
    pub(crate) fn note_refusal(&mut self, uid: Option<&str>, what: &str, why: &str) {
        let who = uid
            .and_then(|uid| self.users.get(uid))
            .map(|user| user.username.as_str());
        self.log.refuse(who, what, why);
    }

    /// Writes into a message: sets `_updatedAt`, which never stands still for one message.
    pub(crate) fn modify(&mut self, id: &str, change: impl FnOnce(&mut Map<String, Value>)) -> bool {
        let now = self.now();
        let Some(message) = self.messages.get_mut(id) else {
            return false;
        };
        let before = weight::of(&message.doc);
        change(&mut message.doc);
        message.updated = now.max(message.updated + 1);
        message.doc.insert("_updatedAt".into(), date(message.updated));
        self.message_bytes = self.message_bytes + weight::of(&message.doc) - before;
        self.forget_oldest();
        true
    }
}

/// A date as DDP writes it.
pub(crate) fn date(ms: i64) -> Value {
    json!({ "$date": ms })
}

const ID_CHARACTERS: &[u8] = b"23456789ABCDEFGHJKLMNPQRSTWXYZabcdefghijkmnopqrstuvwxyz";

/// A random id in Meteor's form: 17 characters that people cannot confuse.
pub(crate) fn random_id() -> String {
    (0..17)
        .map(|_| char::from(ID_CHARACTERS[fastrand::usize(..ID_CHARACTERS.len())]))
        .collect()
}
