//! Ends talks of the bot with another bot, or with itself, that would go on for ever.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::event::{Event, RoomId, UserId};
use crate::request::Request;

/// So many replies within the window, and it seems to be a loop.
const REPLIES: usize = 10;
const WINDOW: Duration = Duration::from_secs(10);

/// Pairs of a room and a partner that are watched.
const WATCHED: usize = 1024;

/// Counts the replies to what may be an echo of the bot's own words.
#[derive(Debug, Default)]
pub(crate) struct LoopBreaker {
    replies: Mutex<HashMap<(RoomId, Partner), VecDeque<Instant>>>,
    broken: AtomicU64,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Partner {
    Bot(UserId),
    /// The bot's own replies change a message, which is an event without an author.
    Itself,
}

impl LoopBreaker {
    /// Whether the bot may reply once more. People are always answered.
    pub(crate) fn may_reply(&self, request: &Request, now: Instant) -> bool {
        let Some(room_id) = request.event().room_id() else {
            return true;
        };
        let partner = match (request.event(), request.author()) {
            (Event::ThreadUpdate(_) | Event::Updated(_) | Event::Pinned(_) | Event::Starred(_), _) => {
                Partner::Itself
            }
            // Copies: an id of an event is a slice of its frame, and would keep it.
            (_, Some(author)) if request.is_from_bot() => Partner::Bot(UserId::from(author.id().as_str())),
            _ => return true,
        };
        let may_reply = self.count((RoomId::from(room_id.as_str()), partner), now);
        if !may_reply {
            self.broken.fetch_add(1, Ordering::Relaxed);
            tracing::warn!(%room_id, "a talk with a bot seems to go on for ever: a reply is dropped");
        }
        may_reply
    }

    /// How many replies were dropped.
    pub(super) fn broken(&self) -> u64 {
        self.broken.load(Ordering::Relaxed)
    }

    fn count(&self, talk: (RoomId, Partner), now: Instant) -> bool {
        let is_recent = |at: &Instant| now.duration_since(*at) < WINDOW;
        let mut talks = self.replies.lock().unwrap_or_else(PoisonError::into_inner);
        if talks.len() >= WATCHED {
            talks.retain(|_, replies| replies.back().is_some_and(is_recent));
        }
        if talks.len() >= WATCHED {
            return false;
        }
        let replies = talks.entry(talk).or_default();
        while replies.front().is_some_and(|at| !is_recent(at)) {
            replies.pop_front();
        }
        let may_reply = replies.len() < REPLIES;
        if may_reply {
            replies.push_back(now);
        }
        may_reply
    }
}
