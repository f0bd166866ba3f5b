//! Whose turn it is to call an endpoint: first come, first served, and no more than the server lets pass.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::Duration;

use http::Method;
use tokio::time::Instant;

use super::endpoint::RateLimit;
use super::limit;
use super::quota::{Answer, Hold, Knowledge, Quota, Ticket};
use super::version::Version;
use crate::growing::pace::Outlook;
use crate::health::meter;

/// No call is the first in its line for longer than this, unless it is told otherwise. How long the line before it takes
/// is no trouble: many rooms share few calls a minute, and no more than [`MAX_WAITING`] wait.
pub(crate) const LONGEST_WAIT: Duration = Duration::from_secs(10 * 60);

/// Calls that wait, of all endpoints together.
pub(super) const MAX_WAITING: usize = 1024;

/// Endpoints that are known; calls of others are not held back.
pub(super) const MAX_ENDPOINTS: usize = 512;

/// Where a call stands. It travels in the request's extensions, so that a call that is made again keeps its place.
#[derive(Debug, Clone)]
pub(crate) struct Turn {
    /// As the server counts it: `rooms.media` for all rooms.
    pub(crate) route: Cow<'static, str>,
    /// Lower comes first.
    pub(crate) order: u64,
    pub(crate) limit: Estimate,
}

/// What the limit of an endpoint is taken to be before the server tells.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Estimate {
    pub(crate) limit: RateLimit,
    /// The server's version, if it is known.
    pub(crate) version: Option<Version>,
}

impl Estimate {
    fn quota(self) -> Quota {
        Quota::new(self.limit.in_version(self.version))
    }
}

impl Turn {
    pub(crate) fn new(path: Cow<'static, str>, order: u64, limit: Estimate) -> Self {
        let end = route_end(&path);
        let route = match path {
            Cow::Borrowed(path) => Cow::Borrowed(&path[..end]),
            Cow::Owned(mut path) => {
                path.truncate(end);
                Cow::Owned(path)
            }
        };
        Self { route, order, limit }
    }
}

/// A path as the server counts it.
pub(crate) fn route_of(path: &str) -> &str {
    &path[..route_end(path)]
}

/// Where the parameters of a path begin: behind the first part with a dot in it.
fn route_end(path: &str) -> usize {
    let Some(dot) = path.find('.') else {
        return path.len();
    };
    path[dot..].find('/').map_or(path.len(), |slash| dot + slash)
}

/// A call that waited too long, or that there was no place to wait for.
#[derive(Debug, thiserror::Error)]
#[error("too many calls wait for the server's limit of {limit}")]
pub(crate) struct LimitExceeded {
    limit: u32,
    pub(crate) retry_after: Duration,
}

/// What is known of the server's limits. Clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Limiter(Arc<Mutex<Endpoints>>);

#[derive(Debug, Default)]
struct Endpoints {
    lines: HashMap<Key, Line>,
    waiting: usize,
    orders: u64,
}

type Key = (Method, Cow<'static, str>);

#[derive(Debug)]
struct Line {
    quota: Quota,
    /// What servers have by default.
    limit: RateLimit,
    waiting: BTreeMap<u64, Option<Waker>>,
    is_anonymous: bool,
    /// The window of which the log says that it is used up.
    told_until: Option<Instant>,
}

impl Line {
    fn new(estimate: Estimate, is_anonymous: bool) -> Self {
        Self {
            quota: estimate.quota(),
            limit: estimate.limit,
            waiting: BTreeMap::new(),
            is_anonymous,
            told_until: None,
        }
    }

    /// The waker of the first that waits, to be woken behind the lock.
    fn first(&mut self) -> Option<Waker> {
        self.waiting.first_entry()?.get_mut().take()
    }

    fn tell(&mut self, key: &Key, until: Instant, now: Instant) {
        if self.told_until.is_some_and(|told| now < told) {
            return;
        }
        self.told_until = Some(until);
        let (method, route) = key;
        let wait = until.saturating_duration_since(now);
        let (limit, waiting) = (self.quota.limit(), self.waiting.len());
        tracing::info!(call = %format_args!("{method} {route}"), limit, waiting, ?wait, "calls wait for the server's limit");
    }
}

impl Limiter {
    fn lock(&self) -> MutexGuard<'_, Endpoints> {
        // Nothing that is done under the lock leaves it half done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The place of a new call, behind all that were made before.
    pub(crate) fn next_order(&self) -> u64 {
        let mut endpoints = self.lock();
        endpoints.orders += 1;
        endpoints.orders
    }

    /// How many calls wait.
    pub(crate) fn waiting(&self) -> usize {
        self.lock().waiting
    }

    /// The server is another one than before, or of another version: what is known of its limits may be wrong, so it is
    /// learned anew. Its counters began anew with it.
    pub(crate) fn server_changed(&self) {
        let first: Vec<_> = {
            let mut endpoints = self.lock();
            let lines = endpoints.lines.iter_mut();
            lines
                .filter_map(|(_, line)| {
                    line.quota.learn_anew(line.limit.in_version(None));
                    line.told_until = None;
                    line.first()
                })
                .collect()
        };
        first.into_iter().for_each(Waker::wake);
    }

    /// What the server lets pass of calls of an endpoint, less those that wait and are under way.
    pub(crate) fn outlook(&self, method: Method, route: &'static str, now: Instant) -> Outlook {
        let endpoints = self.lock();
        let key = (method, Cow::Borrowed(route));
        let Some(line) = endpoints.lines.get(&key) else {
            return Outlook::Free;
        };
        match line.quota.left(now) {
            None => Outlook::Free,
            Some((left, opens_at)) => Outlook::Window {
                left: left.saturating_sub(u32::try_from(line.waiting.len()).unwrap_or(u32::MAX)),
                opens_at,
            },
        }
    }

    /// Whether the server limits the account.
    pub(crate) fn account(&self) -> AccountLimit {
        let endpoints = self.lock();
        let lines = endpoints.lines.values().filter(|line| !line.is_anonymous);
        lines
            .map(|line| match line.quota.knowledge() {
                Knowledge::Nothing => AccountLimit::Unknown,
                Knowledge::Unlimited => AccountLimit::None,
                Knowledge::Limited => AccountLimit::Calls(line.quota.limit()),
            })
            .max()
            .unwrap_or(AccountLimit::Unknown)
    }
}

/// What the answers so far say about the limits of the account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum AccountLimit {
    /// None of them tells.
    Unknown,
    /// It has none.
    None,
    /// So many calls of a kind in a window.
    Calls(u32),
}

impl Endpoints {
    /// The line of an endpoint, if there is room for one more.
    fn line(&mut self, key: &Key, new: Estimate, is_anonymous: bool, now: Instant) -> Option<&mut Line> {
        if !self.lines.contains_key(key) {
            if self.lines.len() >= MAX_ENDPOINTS {
                self.lines
                    .retain(|_, line| !line.waiting.is_empty() || !line.quota.is_idle(now));
            }
            if self.lines.len() >= MAX_ENDPOINTS {
                return None;
            }
        }
        let line = self.lines.entry(key.clone());
        Some(line.or_insert_with(|| Line::new(new, is_anonymous)))
    }
}

/// A call that is under way. Dropped, nobody knows what became of it.
#[derive(Debug)]
pub(super) struct Pass {
    limiter: Limiter,
    key: Key,
    ticket: Ticket,
    is_answered: bool,
}

impl Pass {
    pub(super) fn answered(mut self, answer: Answer) {
        self.is_answered = true;
        self.end(answer);
    }

    fn end(&self, answer: Answer) {
        let first = self.limiter.lock().lines.get_mut(&self.key).and_then(|line| {
            line.quota.answered(self.ticket, answer, Instant::now());
            line.first()
        });
        wake(first);
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        if !self.is_answered {
            self.end(Answer::Unknown);
        }
    }
}

/// A call's place in the line of its endpoint. Dropped, it is free.
#[derive(Debug)]
pub(super) struct Place {
    limiter: Limiter,
    key: Key,
    order: u64,
    estimate: Estimate,
    is_anonymous: bool,
    patience: Patience,
    is_in_line: bool,
}

/// How long a call waits for its turn.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Patience {
    /// Until then, wherever it is in its line.
    Until(Instant),
    /// So long once it is the first in its line.
    AsFirst(Duration),
}

/// What a call may do.
pub(super) enum Turned {
    Go(Option<Pass>),
    /// Asks again then, or when it is woken.
    Wait(Option<Instant>),
    GiveUp(LimitExceeded),
}

impl Place {
    pub(super) fn new(
        limiter: Limiter,
        method: &Method,
        turn: &Turn,
        is_anonymous: bool,
        patience: Patience,
    ) -> Self {
        Self {
            limiter,
            key: (method.clone(), turn.route.clone()),
            order: turn.order,
            estimate: turn.limit,
            is_anonymous,
            patience,
            is_in_line: false,
        }
    }

    /// When it gives up, as far as that is known.
    pub(super) fn until(&self) -> Option<Instant> {
        match self.patience {
            Patience::Until(at) => Some(at),
            Patience::AsFirst(_) => None,
        }
    }

    /// Whether it would still have to wait when its time is up.
    fn is_hopeless(&self, hold: Result<Ticket, Hold>, now: Instant) -> bool {
        self.until()
            .is_some_and(|until| now >= until || hold_end(hold).is_some_and(|at| at > until))
    }

    pub(super) fn ask(&mut self, now: Instant, waker: &Waker) -> Turned {
        let limiter = self.limiter.clone();
        let mut endpoints = limiter.lock();
        let is_full = endpoints.waiting >= MAX_WAITING;
        let Some(line) = endpoints.line(&self.key, self.estimate, self.is_anonymous, now) else {
            return Turned::Go(None);
        };
        let is_next = line
            .waiting
            .keys()
            .next()
            .is_none_or(|first| *first >= self.order);
        if let Patience::AsFirst(time) = self.patience
            && is_next
        {
            self.patience = Patience::Until(now + time);
        }
        let hold = match is_next {
            true => line.quota.take(now),
            false => Err(Hold::Answer),
        };
        match hold {
            Ok(ticket) => {
                line.waiting.remove(&self.order);
                // It may be the next one's turn too.
                let next = line.first();
                if std::mem::take(&mut self.is_in_line) {
                    endpoints.waiting -= 1;
                    meter::rest::waits_no_more();
                }
                drop(endpoints);
                wake(next);
                Turned::Go(Some(Pass {
                    limiter,
                    key: self.key.clone(),
                    ticket,
                    is_answered: false,
                }))
            }
            Err(_) if self.is_hopeless(hold, now) || !self.is_in_line && is_full => {
                Turned::GiveUp(LimitExceeded {
                    limit: line.quota.limit(),
                    retry_after: hold_end(hold)
                        .map_or(limit::DEFAULT, |at| at.saturating_duration_since(now)),
                })
            }
            Err(_) => {
                let at = hold_end(hold);
                let before = line.waiting.insert(self.order, Some(waker.clone()));
                if let Some(at) = at {
                    line.tell(&self.key, at, now);
                }
                if !std::mem::replace(&mut self.is_in_line, true) {
                    endpoints.waiting += 1;
                    meter::rest::waits();
                }
                drop(endpoints);
                drop(before);
                Turned::Wait(at)
            }
        }
    }
}

fn hold_end(hold: Result<Ticket, Hold>) -> Option<Instant> {
    match hold {
        Err(Hold::Until(at)) => Some(at),
        Ok(_) | Err(Hold::Answer) => None,
    }
}

/// Never under the lock: what a waker runs is not ours.
fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        waker.wake();
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if !self.is_in_line {
            return;
        }
        let mut endpoints = self.limiter.lock();
        endpoints.waiting -= 1;
        meter::rest::waits_no_more();
        let freed = endpoints.lines.get_mut(&self.key).map(|line| {
            let own = line.waiting.remove(&self.order);
            (own, line.first())
        });
        drop(endpoints);
        if let Some((_own, first)) = freed {
            wake(first);
        }
    }
}

#[cfg(test)]
impl Limiter {
    /// How many endpoints are known, and how many calls wait.
    pub(super) fn counts(&self) -> (usize, usize) {
        let endpoints = self.lock();
        let in_lines: usize = endpoints.lines.values().map(|line| line.waiting.len()).sum();
        assert_eq!(endpoints.waiting, in_lines);
        (endpoints.lines.len(), in_lines)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routes_have_no_parameters() {
        for (path, route) in [
            ("chat.sendMessage", "chat.sendMessage"),
            ("rooms.media/GENERAL", "rooms.media"),
            ("rooms.mediaConfirm/r.x/f.y", "rooms.mediaConfirm"),
            ("livechat/room.visitor/x", "livechat/room.visitor"),
            ("/api/info", "/api/info"),
            ("me", "me"),
        ] {
            assert_eq!(
                Turn::new(Cow::Borrowed(path), 0, Estimate::default()).route,
                route
            );
            assert_eq!(
                Turn::new(Cow::Owned(path.to_owned()), 0, Estimate::default()).route,
                route
            );
        }
    }
}
