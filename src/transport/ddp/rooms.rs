//! The subscriptions of single rooms in one session: which there are, and when the next one may be sent. Pure.
//!
//! They are many, and the server takes a few at a time: they go out as its limit allows, and nothing waits for them.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::transport::PerRoom;

/// The stream of all of them.
pub(super) const STREAM: &str = "stream-notify-room";

/// Servers count the subscriptions of a connection in windows of this length, which begin when they like. A little longer,
/// since theirs and ours are not measured at the same end.
const WINDOW: Duration = Duration::from_secs(41);
/// Of the 40 that they take in one.
const MOST_IN_WINDOW: usize = 36;
/// The server has to answer within this time; it may slow down what is over a limit.
const DEADLINE: Duration = Duration::from_secs(45);
/// What was refused is not asked for again before that, unless the bot came into the room anew.
const REFUSED_FOR: Duration = Duration::from_secs(600);

/// What can be subscribed to of a room, the most wanted first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    Deletions,
    Typing,
    Prunings,
}

impl What {
    const ALL: [Self; 3] = [Self::Deletions, Self::Typing, Self::Prunings];

    const fn name(self, has_activity: bool) -> &'static str {
        match self {
            Self::Deletions => "deleteMessage",
            Self::Typing if has_activity => "user-activity",
            Self::Typing => "typing",
            Self::Prunings => "deleteMessageBulk",
        }
    }

    const fn is_wanted(self, wanted: PerRoom) -> bool {
        match self {
            Self::Deletions | Self::Prunings => wanted.has_deletions,
            Self::Typing => wanted.has_typing,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Not wanted.
    None,
    /// In the queue.
    Waiting,
    Sent(u64),
    Ready(u64),
    /// Refused, not answered, or ended.
    Lost {
        until: Instant,
    },
}

#[derive(Clone, Debug)]
struct Key {
    room: Arc<str>,
    what: What,
}

/// One that is to be sent.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Due {
    pub(super) event: String,
}

#[derive(Debug)]
pub(super) struct RoomSubscriptions {
    wanted: PerRoom,
    /// Who is typing was told by another name in old versions.
    has_activity: bool,
    rooms: HashMap<Arc<str>, [State; What::ALL.len()]>,
    /// For each kind, what is still to be sent.
    queues: [VecDeque<Arc<str>>; What::ALL.len()],
    /// By the id under which it was sent.
    by_id: HashMap<u64, Key>,
    /// When those of the last window were sent.
    sent: VecDeque<Instant>,
    /// What is not answered yet, oldest first, with its deadline.
    unanswered: VecDeque<(Instant, u64)>,
    paused_until: Option<Instant>,
    has_warned: bool,
}

impl RoomSubscriptions {
    pub(super) fn new(wanted: PerRoom, has_activity: bool) -> Self {
        Self {
            wanted,
            has_activity,
            rooms: HashMap::new(),
            queues: Default::default(),
            by_id: HashMap::new(),
            sent: VecDeque::new(),
            unanswered: VecDeque::new(),
            paused_until: None,
            has_warned: false,
        }
    }

    /// The bot is in this room; `anew` where it came into it just now, so that what was refused may not be any more.
    pub(super) fn add(&mut self, room: &str, anew: bool, now: Instant) {
        if self.wanted.is_empty() {
            return;
        }
        let (room, states) = match self.rooms.get_key_value(room) {
            Some((room, states)) => (Arc::clone(room), *states),
            None if self.rooms.len() >= self.wanted.most_rooms => {
                if !std::mem::replace(&mut self.has_warned, true) {
                    let most = self.wanted.most_rooms;
                    tracing::warn!(
                        most,
                        "more rooms than are subscribed to: the others' deletions and typing are not heard"
                    );
                }
                return;
            }
            None => (Arc::from(room), [State::None; What::ALL.len()]),
        };
        let mut after = states;
        for (index, what) in What::ALL.into_iter().enumerate() {
            let is_due = match after[index] {
                State::None => what.is_wanted(self.wanted),
                State::Lost { until } => anew || now >= until,
                State::Waiting | State::Sent(_) | State::Ready(_) => false,
            };
            if is_due {
                after[index] = State::Waiting;
                self.queues[index].push_back(Arc::clone(&room));
            }
        }
        if after != states || !self.rooms.contains_key(&room) {
            self.rooms.insert(room, after);
        }
    }

    /// The bot is not in this room any more: the ids of what is to be given up.
    pub(super) fn remove(&mut self, room: &str) -> Vec<u64> {
        let Some((_, states)) = self.rooms.remove_entry(room) else {
            return Vec::new();
        };
        let mut ids = Vec::new();
        for (index, state) in states.into_iter().enumerate() {
            match state {
                State::Sent(id) | State::Ready(id) => {
                    self.by_id.remove(&id);
                    ids.push(id);
                }
                State::Waiting => self.queues[index].retain(|waiting| **waiting != *room),
                State::None | State::Lost { .. } => {}
            }
        }
        ids
    }

    /// Takes out the next that may be sent at `now`, under `id`.
    pub(super) fn next_due(&mut self, id: u64, now: Instant) -> Option<Due> {
        while self.sent.front().is_some_and(|at| now >= *at + WINDOW) {
            self.sent.pop_front();
        }
        if self.paused_until.is_some_and(|until| now < until) || self.sent.len() >= MOST_IN_WINDOW {
            return None;
        }
        self.paused_until = None;
        let index = self.queues.iter().position(|queue| !queue.is_empty())?;
        let room = self.queues[index].pop_front()?;
        let what = What::ALL[index];
        let due = Due {
            event: format!("{room}/{}", what.name(self.has_activity)),
        };
        if let Some(states) = self.rooms.get_mut(&room) {
            states[index] = State::Sent(id);
        }
        self.by_id.insert(id, Key { room, what });
        self.sent.push_back(now);
        self.unanswered.push_back((now + DEADLINE, id));
        Some(due)
    }

    pub(super) fn on_ready(&mut self, id: u64) {
        if let Some(state) = self.state(id)
            && *state == State::Sent(id)
        {
            *state = State::Ready(id);
        }
    }

    /// Refused, or ended. Whether it was one of these. `retry` where it was over the server's limit.
    pub(super) fn on_nosub(&mut self, id: u64, retry: Option<Instant>, now: Instant) -> bool {
        let Some(state) = self.state(id) else {
            return false;
        };
        *state = match retry {
            Some(_) => State::Waiting,
            None => State::Lost {
                until: now + REFUSED_FOR,
            },
        };
        if let Some(key) = self.by_id.remove(&id)
            && retry.is_some()
        {
            self.queues[key.what as usize].push_front(key.room);
        }
        self.paused_until = self.paused_until.max(retry);
        true
    }

    /// Gives up what is not answered in time; whether there was any.
    pub(super) fn on_timeout(&mut self, now: Instant) -> bool {
        let mut is_any = false;
        while let Some((until, id)) = self.unanswered.front().copied() {
            let is_open = matches!(self.state(id), Some(State::Sent(_)));
            if is_open && now < until {
                break;
            }
            self.unanswered.pop_front();
            if is_open {
                is_any = true;
                self.on_nosub(id, None, now);
            }
        }
        is_any
    }

    /// When there is something to do next.
    pub(super) fn next_timeout(&self) -> Option<Instant> {
        let is_waiting = self.queues.iter().any(|queue| !queue.is_empty());
        let due = is_waiting.then(|| {
            let window = self.sent.front().filter(|_| self.sent.len() >= MOST_IN_WINDOW);
            window.map(|at| *at + WINDOW).max(self.paused_until)
        });
        let deadline = self.unanswered.front().map(|(until, _)| *until);
        // Without a time it goes out with the next frame that is handled, which is the one that made it wait.
        due.flatten().into_iter().chain(deadline).min()
    }

    fn state(&mut self, id: u64) -> Option<&mut State> {
        let key = self.by_id.get(&id)?;
        let states = self.rooms.get_mut(&key.room)?;
        Some(&mut states[key.what as usize])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: PerRoom = PerRoom::new().deletions().typing();

    fn sent(rooms: &mut RoomSubscriptions, first: u64, now: Instant) -> Vec<String> {
        (first..)
            .map_while(|id| rooms.next_due(id, now))
            .map(|due| due.event)
            .collect()
    }

    #[test]
    fn no_window_has_more_than_the_server_takes() {
        let start = Instant::now();
        let mut rooms = RoomSubscriptions::new(ALL, true);
        for number in 0..100 {
            rooms.add(&format!("r{number}"), false, start);
        }
        let (mut at, mut id, mut times) = (start, 1, Vec::new());
        while times.len() < 300 {
            let events = sent(&mut rooms, id, at);
            for _ in &events {
                rooms.on_ready(id);
                times.push(at);
                id += 1;
            }
            rooms.on_timeout(at);
            match rooms.next_timeout() {
                Some(next) => at = next,
                None => break,
            }
        }
        assert_eq!(times.len(), 300);
        for (index, from) in times.iter().enumerate() {
            let within = times[index..]
                .iter()
                .take_while(|at| **at <= *from + Duration::from_secs(40));
            assert!(within.count() <= 40);
        }
        assert!(at - start <= WINDOW * 9, "{:?}", at - start);
        assert_eq!(rooms.next_timeout(), None);
    }

    #[test]
    fn deletions_of_all_rooms_come_before_typing() {
        let now = Instant::now();
        let mut rooms = RoomSubscriptions::new(ALL, true);
        rooms.add("a", false, now);
        rooms.add("b", false, now);
        rooms.add("a", false, now);
        assert_eq!(
            sent(&mut rooms, 1, now),
            [
                "a/deleteMessage",
                "b/deleteMessage",
                "a/user-activity",
                "b/user-activity",
                "a/deleteMessageBulk",
                "b/deleteMessageBulk"
            ]
        );
    }

    #[test]
    fn old_servers_tell_of_typing_by_another_name() {
        let now = Instant::now();
        let mut rooms = RoomSubscriptions::new(PerRoom::new().typing(), false);
        rooms.add("a", false, now);
        assert_eq!(sent(&mut rooms, 1, now), ["a/typing"]);
    }

    #[test]
    fn over_the_limit_it_is_sent_again_when_the_server_says() {
        let now = Instant::now();
        let mut rooms = RoomSubscriptions::new(PerRoom::new().typing(), true);
        rooms.add("a", false, now);
        assert_eq!(sent(&mut rooms, 1, now), ["a/user-activity"]);
        let retry = now + Duration::from_secs(30);
        assert!(rooms.on_nosub(1, Some(retry), now));
        assert_eq!(sent(&mut rooms, 2, now), Vec::<String>::new());
        assert_eq!(rooms.next_timeout(), Some(retry));
        assert_eq!(sent(&mut rooms, 2, retry), ["a/user-activity"]);
    }

    #[test]
    fn what_is_refused_is_asked_for_again_when_the_bot_comes_anew() {
        let now = Instant::now();
        let mut rooms = RoomSubscriptions::new(PerRoom::new().typing(), true);
        rooms.add("a", false, now);
        sent(&mut rooms, 1, now);
        assert!(rooms.on_nosub(1, None, now));
        assert!(!rooms.on_nosub(1, None, now), "it is no longer one of these");
        rooms.add("a", false, now);
        assert!(sent(&mut rooms, 2, now).is_empty());
        rooms.add("a", true, now);
        assert_eq!(sent(&mut rooms, 2, now).len(), 1);
        // Nor is what nobody answers.
        assert!(rooms.on_timeout(now + DEADLINE));
        rooms.add("a", false, now + DEADLINE);
        assert!(sent(&mut rooms, 3, now + DEADLINE).is_empty());
        let later = now + DEADLINE + REFUSED_FOR;
        rooms.add("a", false, later);
        assert_eq!(sent(&mut rooms, 3, later).len(), 1);
    }

    #[test]
    fn a_room_that_is_left_is_given_up_and_there_is_a_bound() {
        let now = Instant::now();
        let mut rooms = RoomSubscriptions::new(PerRoom::new().typing().max_rooms(2), true);
        for room in ["a", "b", "c"] {
            rooms.add(room, false, now);
        }
        assert_eq!(sent(&mut rooms, 1, now), ["a/user-activity", "b/user-activity"]);
        rooms.on_ready(1);
        assert_eq!(rooms.remove("a"), [1]);
        assert!(rooms.remove("a").is_empty());
        rooms.add("c", false, now);
        assert_eq!(rooms.remove("c"), Vec::<u64>::new());
        assert!(
            sent(&mut rooms, 3, now).is_empty(),
            "it was left before it was asked for"
        );
        let mut none = RoomSubscriptions::new(PerRoom::new(), true);
        none.add("a", true, now);
        assert!(none.next_due(1, now).is_none());
    }
}
