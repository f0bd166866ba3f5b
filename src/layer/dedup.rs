//! Drops events that were seen before.
//!
//! The transport of a served bot already drops what the server repeats. This layer is for other sources of events, and
//! for rules of one's own.

use std::collections::{HashSet, VecDeque};
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::Instant;
use tower::{Layer, Service};

pub use super::dropping::ResponseFuture;
use crate::inspect::enter;
use crate::request::Request;
use crate::response::Response;

/// Drops an event whose [key](Request::key) is among the last ones seen. It is answered with an empty response.
///
/// Events without a key of their own (typing, `Ready`, `Close`, `Reconnected`) always pass. A clone of the layer shares
/// its memory, and so do all services that it made.
///
/// It goes outside of everything that counts or answers, next to the ignoring layers.
///
/// ```
/// use std::time::Duration;
/// use rocketbotte::{Router, layer::dedup::DedupLayer};
/// use tower::ServiceBuilder;
///
/// let app = ServiceBuilder::new()
///     .layer(DedupLayer::new(1_000).within(Duration::from_secs(600)))
///     .service(Router::new());
/// # fn is_service(_: impl tower::Service<rocketbotte::Request>) {}
/// # is_service(app);
/// ```
#[derive(Clone)]
#[must_use]
pub struct DedupLayer {
    seen: Arc<Mutex<Seen>>,
    within: Option<Duration>,
}

/// The keys seen last, as keyed hashes: nobody outside can make two keys that share one, and an id that is kept would
/// keep the frame that it is a slice of.
struct Seen {
    hasher: RandomState,
    hashes: HashSet<u64>,
    /// Oldest first.
    order: VecDeque<(u64, Instant)>,
    limit: usize,
}

impl DedupLayer {
    /// Remembers so many events; one at least.
    pub fn new(limit: usize) -> Self {
        Self {
            seen: Arc::new(Mutex::new(Seen {
                hasher: RandomState::new(),
                hashes: HashSet::new(),
                order: VecDeque::new(),
                limit: limit.max(1),
            })),
            within: None,
        }
    }

    /// Forgets an event after this time.
    pub fn within(mut self, time: Duration) -> Self {
        self.within = Some(time);
        self
    }
}

impl Seen {
    /// Whether a key is new.
    fn insert(&mut self, key: &str, within: Option<Duration>, now: Instant) -> bool {
        if let Some(within) = within {
            while let Some((hash, at)) = self.order.front() {
                if now.saturating_duration_since(*at) < within {
                    break;
                }
                self.hashes.remove(hash);
                self.order.pop_front();
            }
        }
        let hash = self.hasher.hash_one(key);
        if !self.hashes.insert(hash) {
            return false;
        }
        if self.order.len() >= self.limit
            && let Some((oldest, _)) = self.order.pop_front()
        {
            self.hashes.remove(&oldest);
        }
        self.order.push_back((hash, now));
        true
    }
}

impl fmt::Debug for DedupLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DedupLayer")
            .field("within", &self.within)
            .finish_non_exhaustive()
    }
}

impl<S> Layer<S> for DedupLayer {
    type Service = Dedup<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Dedup {
            inner,
            layer: self.clone(),
        }
    }
}

/// The service of a [`DedupLayer`].
#[derive(Clone, Debug)]
pub struct Dedup<S> {
    inner: S,
    layer: DedupLayer,
}

super::accessors!(Dedup);

impl<S> Service<Request> for Dedup<S>
where
    S: Service<Request, Response = Response>,
{
    type Response = Response;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request) -> Self::Future {
        let visit = enter(&mut request, || "DedupLayer");
        // What has no key of its own is never the same twice.
        let is_new = request.event().own_key().is_none_or(|key| {
            let mut seen = self.layer.seen.lock().unwrap_or_else(PoisonError::into_inner);
            seen.insert(&key, self.layer.within, Instant::now())
        });
        ResponseFuture {
            inner: is_new.then(|| self.inner.call(request)),
            visit,
        }
    }
}
