//! What is known of the server's limit for one endpoint, and whether one more call would pass it. Pure: no clock.
//!
//! A server counts the calls of an endpoint in windows of a fixed length, refused calls too, and tells in each answer
//! how many are left and when the window ends. It does not tell accounts that it does not limit. What holds:
//!
//! - No more calls are let through than the server lets pass in a window, as long as nobody else calls from the same
//!   address: what it said to be left, less what was sent and is not answered.
//! - A call waits only while the window is used up, or while calls under way may still use it up, or while the server
//!   has refused one.
//! - Where nothing is under way, it is known when the next call may go.

use std::time::Duration;

use tokio::time::Instant;

use super::endpoint::RateLimit;
use super::limit::{MAX, Window};

/// Resets of one window that the server computed for several answers differ by a few milliseconds.
const SAME: u64 = 250;

/// The server's window is over a little later than it said.
const MARGIN: Duration = Duration::from_millis(20);

/// What ends so soon when it is told may be over: times are cut to seconds.
const OVER: Duration = Duration::from_secs(2);

/// What became of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    /// The server counted it.
    Counted { window: Window, is_refused: bool },
    /// Refused by something that only says how long to wait.
    Refused(Duration),
    /// It was done, and not counted.
    Unlimited,
    /// It was not sent.
    NotSent,
    /// Nobody knows whether it was counted.
    Unknown,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Knowledge {
    /// No answer has come yet.
    Nothing,
    Unlimited,
    Limited,
}

/// Why a call has to wait. Any answer may end it before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hold {
    /// Until then at the latest: it is time to ask again.
    Until(Instant),
    /// Until a call under way is answered.
    Answer,
}

/// A call that was let through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ticket {
    number: u64,
    at: Instant,
}

#[derive(Debug)]
pub(crate) struct Quota {
    knowledge: Knowledge,
    limit: u32,
    /// What the server has left in this window by its lowest word.
    left: u32,
    under_way: u32,
    /// Calls that may have been counted though no answer said so, and the number of the next call when the last of them
    /// was lost: what is said to a call that went out later includes them.
    lost: u32,
    lost_before: u64,
    lost_at: Option<Instant>,
    next_number: u64,
    /// The end of this window by the server's clock; `None` before the first answer in it.
    reset: Option<u64>,
    /// The end of the last window of which that is known.
    past_reset: u64,
    /// The end of this window by ours, or at most a second later.
    opens_at: Option<Instant>,
    refused_until: Option<Instant>,
    /// The length of a window where nothing told one.
    default_window: Duration,
    /// The longest time from the sending of a call to the end of its window: the length of a window, or a little more.
    longest: Duration,
}

impl Quota {
    /// Nothing is known yet but what servers have by default.
    pub(crate) fn new(default: RateLimit) -> Self {
        let limit = default.calls().max(1);
        Self {
            knowledge: Knowledge::Nothing,
            limit,
            left: limit,
            under_way: 0,
            lost: 0,
            lost_before: 0,
            lost_at: None,
            next_number: 0,
            reset: None,
            past_reset: 0,
            opens_at: None,
            refused_until: None,
            default_window: default.window().min(MAX),
            longest: Duration::ZERO,
        }
    }

    /// As if nothing were known, but for the calls that are under way.
    pub(crate) fn learn_anew(&mut self, default: RateLimit) {
        *self = Self {
            under_way: self.under_way,
            next_number: self.next_number,
            ..Self::new(default)
        };
    }

    pub(crate) fn knowledge(&self) -> Knowledge {
        self.knowledge
    }

    pub(crate) fn limit(&self) -> u32 {
        self.limit
    }

    /// How many more calls the server lets pass, and when it begins to count anew; none where it counts none, or nothing
    /// is known yet.
    pub(crate) fn left(&self, now: Instant) -> Option<(u32, Option<Instant>)> {
        if let Some(until) = self.refused_until.filter(|at| *at > now) {
            return Some((0, Some(until)));
        }
        if self.knowledge != Knowledge::Limited {
            return None;
        }
        let left = match self.opens_at {
            Some(at) if at <= now => return Some((self.limit.saturating_sub(self.under_way), None)),
            _ => self.left.saturating_sub(self.lost),
        };
        Some((left.saturating_sub(self.under_way), self.opens_at))
    }

    /// Whether it may be forgotten: nothing is under way, and a new one would say the same.
    pub(crate) fn is_idle(&self, now: Instant) -> bool {
        let is_over = |at: Option<Instant>| at.is_none_or(|at| at <= now);
        self.under_way == 0 && is_over(self.opens_at) && is_over(self.refused_until)
    }

    /// Takes a place for one more call, if the server would let it pass. To be told when it is
    /// [answered](Self::answered).
    pub(crate) fn take(&mut self, now: Instant) -> Result<Ticket, Hold> {
        self.roll(now);
        if let Some(until) = self.refused_until {
            return Err(Hold::Until(until));
        }
        let left = self.left.saturating_sub(self.lost);
        if self.knowledge != Knowledge::Unlimited && left <= self.under_way {
            return Err(self.opens_at.map_or(Hold::Answer, Hold::Until));
        }
        self.under_way += 1;
        let number = self.next_number;
        self.next_number += 1;
        Ok(Ticket { number, at: now })
    }

    /// The call has ended.
    pub(crate) fn answered(&mut self, ticket: Ticket, answer: Answer, now: Instant) {
        self.under_way = self.under_way.saturating_sub(1);
        self.roll(now);
        match answer {
            Answer::Counted { window, is_refused } => self.counted(ticket, window, is_refused, now),
            Answer::Refused(wait) => self.refuse(now + wait.min(MAX)),
            Answer::Unlimited => {
                self.knowledge = Knowledge::Unlimited;
                self.close_window();
                self.lost = 0;
            }
            Answer::NotSent => {}
            Answer::Unknown => {
                if self.knowledge == Knowledge::Limited {
                    self.lost += 1;
                    self.lost_before = self.next_number;
                    self.lost_at = Some(now);
                    if self.reset.is_none() {
                        // It may have begun a window.
                        self.opens_at = Some(now + self.length());
                    }
                }
            }
        }
    }

    fn length(&self) -> Duration {
        match self.longest.is_zero() {
            true => self.default_window,
            false => self.longest,
        }
    }

    fn counted(&mut self, ticket: Ticket, window: Window, is_refused: bool, now: Instant) {
        self.knowledge = Knowledge::Limited;
        self.limit = window.limit.max(1);
        let until = window.until.unwrap_or_else(|| self.length()).min(MAX);
        let length = until + now.saturating_duration_since(ticket.at);
        self.longest = self.longest.max(length).min(MAX);
        let ends_at = now + until + MARGIN;
        let remaining = if is_refused {
            0
        } else {
            window.remaining.min(self.limit)
        };
        match self.reset {
            Some(reset) if window.reset.abs_diff(reset) <= SAME => {
                self.left = self.left.min(remaining);
                self.opens_at = Some(self.opens_at.map_or(ends_at, |at| at.min(ends_at)));
            }
            // Of a window that is over, or of another instance of the server.
            Some(reset) if window.reset < reset => return self.stale(is_refused, ends_at),
            None if window.reset <= self.past_reset.saturating_add(SAME) && until <= OVER => {
                return self.stale(is_refused, ends_at);
            }
            _ => {
                self.reset = Some(window.reset);
                self.left = remaining;
                self.opens_at = Some(ends_at);
            }
        }
        if ticket.number >= self.lost_before {
            self.lost = 0;
        }
    }

    fn stale(&mut self, is_refused: bool, ends_at: Instant) {
        if is_refused {
            self.refuse(ends_at);
        }
    }

    fn refuse(&mut self, until: Instant) {
        let later = self.refused_until.map_or(until, |at| at.max(until));
        self.refused_until = Some(later);
    }

    /// Begins a new window when the old one is over.
    fn roll(&mut self, now: Instant) {
        self.refused_until = self.refused_until.filter(|at| *at > now);
        let Some(over) = self.opens_at.filter(|at| *at <= now) else {
            return;
        };
        // What was lost about the end of a window may have begun the next one.
        let lost_at = self.lost_at.take();
        let may_have_begun = lost_at.filter(|lost_at| self.reset.is_some() && *lost_at + OVER > over);
        self.close_window();
        self.opens_at = may_have_begun
            .map(|lost_at| lost_at + self.length())
            .filter(|at| *at > now);
        if self.opens_at.is_none() {
            self.lost = 0;
        }
    }

    fn close_window(&mut self) {
        self.left = self.limit;
        self.opens_at = None;
        self.past_reset = self.reset.take().unwrap_or(self.past_reset);
    }
}

#[cfg(test)]
mod tests;
