//! Ends conversations of bots that answer each other.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::event::{RoomId, UserId};
use crate::request::Request;

/// A bot that gets this many replies in a room within [`WINDOW`] seems to answer each of them.
const REPLIES: usize = 10;
const WINDOW: Duration = Duration::from_secs(10);

/// Pairs of a bot and a room that are watched.
const PAIRS: usize = 1024;

/// Counts the replies to each bot in each room.
#[derive(Default)]
pub(crate) struct LoopGuard {
    replies: Mutex<HashMap<(RoomId, UserId), VecDeque<Instant>>>,
    broken: AtomicU64,
}

impl LoopGuard {
    /// Whether a request may be replied to once more: two bots that answer each other would do so for ever.
    pub(crate) fn may_reply(&self, request: &Request, now: Instant) -> bool {
        let (Some(author), Some(room_id)) = (request.author(), request.event().room_id()) else {
            return true;
        };
        if !request.is_from_bot() || self.counts_within_bounds(room_id, author.id(), now) {
            return true;
        }
        self.broken.fetch_add(1, Ordering::Relaxed);
        tracing::warn!(%room_id, author = author.username(), "two bots seem to answer each other: a reply is dropped");
        false
    }

    /// How many replies were dropped.
    pub(super) fn broken(&self) -> u64 {
        self.broken.load(Ordering::Relaxed)
    }

    fn counts_within_bounds(&self, room_id: &RoomId, author: &UserId, now: Instant) -> bool {
        let is_recent = |at: &Instant| now.duration_since(*at) < WINDOW;
        let mut all = self.replies.lock().unwrap_or_else(PoisonError::into_inner);
        // What is over is forgotten only when it is too much.
        if all.len() >= PAIRS {
            all.retain(|_, replies| replies.back().is_some_and(is_recent));
        }
        if all.len() >= PAIRS {
            return false;
        }
        // Ids cut from a frame would keep the whole frame alive.
        let pair = (RoomId::from(room_id.as_str()), UserId::from(author.as_str()));
        let replies = all.entry(pair).or_default();
        while replies.front().is_some_and(|at| !is_recent(at)) {
            replies.pop_front();
        }
        if replies.len() >= REPLIES {
            return false;
        }
        replies.push_back(now);
        true
    }
}
