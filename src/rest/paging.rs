//! Lists of the server page by page, as streams: no entry is lost or told twice because others come or go meanwhile.

use std::collections::{HashSet, VecDeque};
use std::fmt;
use std::hash::Hash;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_core::Stream;
use futures_core::future::BoxFuture;
use http::Method;
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use super::endpoint::{Endpoint, RateLimit};
use super::error::RestError;
use super::version::Version;

/// Entries that are asked for at once: what servers send at most, unless they are set otherwise.
pub(super) const PAGE: usize = 100;

/// Entries of the page before that are asked for again, to see that none was skipped.
const OVERLAP: usize = 10;

/// No server sends fewer than this at once if it has more.
pub(super) const SHORT: usize = 20;

/// How often a page is asked for again from further back.
const MAX_STEPS_BACK: u32 = 8;

/// Entries that are known again.
const MAX_KNOWN: usize = 1_000;

/// Pages with nothing new, one after the other, behind which there is nothing.
const MAX_STALE: u32 = 20;

/// Something that fetches one page after the other.
pub(super) trait Pages: Send + 'static {
    type Item: Send + 'static;

    /// The next entries, which may be none; `None` where there are no more.
    fn next(&mut self) -> impl Future<Output = Result<Option<Vec<Self::Item>>, RestError>> + Send;
}

/// Entries of a list of the server, fetched page by page as they are asked for.
///
/// At most a page of a hundred is held. An error is the last item. Dropping the future of a
/// `next()` loses nothing: what was under way goes on with the following one.
///
/// Entries that are added or taken away while it runs make no other appear twice or not at all, as long as they are less
/// than some hundred between two pages.
#[must_use = "streams do nothing unless they are polled"]
pub struct Listing<T> {
    ready: VecDeque<T>,
    state: State<T>,
}

enum State<T> {
    Idle(Fetch<T>),
    Fetching(BoxFuture<'static, (Fetch<T>, Result<Option<Vec<T>>, RestError>)>),
    Ended,
}

/// Fetches one page and gives itself back.
struct Fetch<T>(Box<dyn FetchNext<T>>);

trait FetchNext<T>: Send {
    fn next(self: Box<Self>) -> BoxFuture<'static, (Fetch<T>, Result<Option<Vec<T>>, RestError>)>;
}

impl<P: Pages> FetchNext<P::Item> for P {
    fn next(
        mut self: Box<Self>,
    ) -> BoxFuture<'static, (Fetch<P::Item>, Result<Option<Vec<P::Item>>, RestError>)> {
        Box::pin(async move {
            let page = Pages::next(&mut *self).await;
            (Fetch(self as Box<dyn FetchNext<P::Item>>), page)
        })
    }
}

impl<T> Listing<T> {
    pub(super) fn new(pages: impl Pages<Item = T>) -> Self
    where
        T: Send + 'static,
    {
        Self {
            ready: VecDeque::new(),
            state: State::Idle(Fetch(Box::new(pages))),
        }
    }
}

impl<T: Unpin> Stream for Listing<T> {
    type Item = Result<T, RestError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        loop {
            if let Some(entry) = this.ready.pop_front() {
                return Poll::Ready(Some(Ok(entry)));
            }
            match &mut this.state {
                State::Idle(_) => {
                    if let State::Idle(fetch) = std::mem::replace(&mut this.state, State::Ended) {
                        this.state = State::Fetching(fetch.0.next());
                    }
                }
                State::Fetching(page) => {
                    let (fetch, page) = ready!(page.as_mut().poll(cx));
                    this.state = State::Ended;
                    match page {
                        Ok(Some(entries)) => {
                            this.ready = entries.into();
                            this.state = State::Idle(fetch);
                        }
                        Ok(None) => {}
                        Err(error) => return Poll::Ready(Some(Err(error))),
                    }
                }
                State::Ended => return Poll::Ready(None),
            }
        }
    }
}

impl<T> fmt::Debug for Listing<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listing")
            .field("ready", &self.ready.len())
            .field("ended", &matches!(self.state, State::Ended))
            .finish_non_exhaustive()
    }
}

/// A page of a list that is asked for by its place.
pub(super) struct Page<T> {
    /// Those that can be read.
    pub(super) entries: Vec<T>,
    /// How many there were.
    pub(super) received: usize,
    pub(super) total: Option<u64>,
}

/// A call for a page, whose reply also says how many entries came: those that can not be read are left out of it.
#[derive(Serialize)]
#[serde(transparent)]
pub(super) struct Counted<E>(pub(super) E);

/// Reply to [`Counted`].
pub(super) struct CountedReply<R> {
    pub(super) reply: R,
    pub(super) received: usize,
}

/// What lists are called in replies.
const LISTS: [&str; 9] = [
    "messages",
    "threads",
    "rooms",
    "channels",
    "groups",
    "ims",
    "discussions",
    "users",
    "members",
];

impl<'de, R: DeserializeOwned> Deserialize<'de> for CountedReply<R> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let reply = Value::deserialize(deserializer)?;
        let list = LISTS.iter().find_map(|name| reply.get(name)?.as_array());
        let received = list.map_or(0, Vec::len);
        let reply = R::deserialize(reply).map_err(D::Error::custom)?;
        Ok(Self { reply, received })
    }
}

impl<E: Endpoint> Endpoint for Counted<E> {
    const METHOD: Method = E::METHOD;
    const PATH: &'static str = E::PATH;
    const IDEMPOTENT: bool = E::IDEMPOTENT;
    const SINCE: Option<Version> = E::SINCE;
    const UNTIL: Option<Version> = E::UNTIL;
    const LIMIT: RateLimit = E::LIMIT;
    const ANONYMOUS: bool = E::ANONYMOUS;
    const SENSITIVE: bool = E::SENSITIVE;
    type Reply = CountedReply<E::Reply>;
}

/// Goes through a list by offsets, with an overlap that shows whether entries moved up meanwhile.
pub(super) struct ByOffset<K, G, F> {
    get: G,
    key: F,
    offset: usize,
    /// The most that came at once: a server may send fewer than are asked for.
    page: usize,
    /// Pages with nothing new.
    stale: u32,
    /// The last ones told, in order.
    known: VecDeque<K>,
    is_last: bool,
}

impl<K, G, F> ByOffset<K, G, F> {
    /// `get` asks for entries from an offset on, at most so many; `key` tells one entry from another.
    pub(super) fn new(get: G, key: F) -> Self {
        Self {
            get,
            key,
            offset: 0,
            page: 0,
            stale: 0,
            known: VecDeque::new(),
            is_last: false,
        }
    }
}

impl<T, K, G, Fut, F> Pages for ByOffset<K, G, F>
where
    T: Send + 'static,
    K: PartialEq + Eq + Hash + Send + 'static,
    G: Fn(usize, usize) -> Fut + Send + 'static,
    Fut: Future<Output = Result<Page<T>, RestError>> + Send + 'static,
    F: Fn(&T) -> K + Send + 'static,
{
    type Item = T;

    async fn next(&mut self) -> Result<Option<Vec<T>>, RestError> {
        if self.is_last {
            return Ok(None);
        }
        let mut start = self.offset.saturating_sub(OVERLAP.min(self.page / 2));
        let mut steps = 0;
        loop {
            let page = (self.get)(start, PAGE).await?;
            self.page = self.page.max(page.received);
            let has_known = page
                .entries
                .iter()
                .any(|entry| self.known.contains(&(self.key)(entry)));
            // Entries before this page went away: what moved up is further back. One that can not be read may be known.
            let may_have_known = has_known || page.entries.len() < page.received;
            if start > 0
                && start < self.offset
                && !may_have_known
                && !self.known.is_empty()
                && steps < MAX_STEPS_BACK
            {
                steps += 1;
                start = start.saturating_sub((self.page / 2).max(1));
                continue;
            }
            let end = start + page.received;
            self.is_last = match page.total {
                _ if page.received == 0 => true,
                // It is where it was, whatever is said to be behind it.
                _ if steps == 0 && self.offset > 0 && end <= self.offset => true,
                Some(total) => usize::try_from(total).is_ok_and(|total| end >= total),
                // Servers that do not tell send no fewer than these if they have more.
                None => page.received < SHORT,
            };
            self.offset = end;
            let known: HashSet<&K> = self.known.iter().collect();
            let fresh: Vec<T> = page
                .entries
                .into_iter()
                .filter(|entry| !known.contains(&(self.key)(entry)))
                .collect();
            drop(known);
            self.stale = if fresh.is_empty() { self.stale + 1 } else { 0 };
            self.is_last |= self.stale == MAX_STALE;
            for entry in &fresh {
                if self.known.len() == MAX_KNOWN {
                    self.known.pop_front();
                }
                self.known.push_back((self.key)(entry));
            }
            return Ok(Some(fresh));
        }
    }
}
