//! Refuses commands while too many of them are still running.

use std::borrow::Cow;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;
use std::future::Future;
use std::hash::{BuildHasher, Hash, RandomState};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use futures_util::FutureExt;
use pin_project::pin_project;
use tower::{BoxError, Layer, Service};

use super::announce::{Announcement, announce};
use super::passage::Passage;
use crate::inspect::enter;
use crate::rejection::{Rejection, RejectionKind};
use crate::request::Request;
use crate::response::Response;

/// What the inspector says of it.
const BUSY_NOTE: &str = "already running";

/// What is said to who comes too early.
const BUSY: &str = "That is already running: wait until it has ended, please.";

/// Refuses a command while it is already running: so often at the same time for each user, in each room, or in all. Nobody
/// waits; `tower::limit::ConcurrencyLimitLayer` makes everybody wait instead.
///
/// It counts commands only, and for as long as their handlers run, also where a slow one was
/// [detached](crate::Router::hold). A clone of the layer shares its count, and so do all services that it made: around a
/// route it is the limit of that command, around several their common one.
///
/// As a [`route_layer`](crate::Router::route_layer), or around a group, it answers with one sentence. Around the router it
/// marks the request and passes it on, the listeners run, and the router answers the command, if it is one of its own; there
/// a command counts for as long as anything runs that its message has set off.
///
/// # Errors
///
/// The service fails with a [`Rejection`] inside of a router.
///
/// ```
/// use rocketbotte::Router;
/// use rocketbotte::layer::MaxConcurrencyLayer;
///
/// async fn deploy() -> &'static str { "deployed" }
///
/// let router: Router = Router::new()
///     .command("deploy", deploy)
///     .route_layer(MaxConcurrencyLayer::global(1).message("A deployment is running."));
/// ```
#[derive(Clone)]
#[must_use]
pub struct MaxConcurrencyLayer {
    limit: Arc<Limit>,
    refusal: Rejection,
}

type KeyOf = Box<dyn Fn(&Request, &RandomState) -> Option<u64> + Send + Sync>;

struct Limit {
    most: u32,
    shared_by: &'static str,
    key_of: KeyOf,
    hasher: RandomState,
    /// How many run for each key. What does not run has no entry, so it is bounded by what the bot runs at the same time.
    running: Mutex<HashMap<u64, u32>>,
}

impl MaxConcurrencyLayer {
    /// So many at the same time in all.
    pub fn global(most: u32) -> Self {
        Self::new(most, "in all", |_, _| Some(0))
    }

    /// So many at the same time for each user.
    pub fn per_user(most: u32) -> Self {
        Self::new(most, "for each person", |request, hasher| {
            Some(hasher.hash_one(request.author()?.id()))
        })
    }

    /// So many at the same time in each room.
    pub fn per_room(most: u32) -> Self {
        Self::new(most, "in each room", |request, hasher| {
            Some(hasher.hash_one(request.event().room_id()?))
        })
    }

    /// So many at the same time for each key. `None` passes without being counted.
    ///
    /// ```
    /// use rocketbotte::layer::MaxConcurrencyLayer;
    ///
    /// let one_of_a_user_in_a_room = MaxConcurrencyLayer::keyed_by(1, |request| {
    ///     Some((request.author()?.id().clone(), request.room()?.id().clone()))
    /// });
    /// # let _ = one_of_a_user_in_a_room;
    /// ```
    pub fn keyed_by<K: Hash>(
        most: u32,
        key_of: impl Fn(&Request) -> Option<K> + Send + Sync + 'static,
    ) -> Self {
        Self::new(most, "", move |request, hasher| {
            Some(hasher.hash_one(key_of(request)?))
        })
    }

    fn new(
        most: u32,
        shared_by: &'static str,
        key_of: impl Fn(&Request, &RandomState) -> Option<u64> + Send + Sync + 'static,
    ) -> Self {
        let limit = Limit {
            most,
            shared_by,
            key_of: Box::new(key_of),
            hasher: RandomState::new(),
            running: Mutex::default(),
        };
        Self {
            limit: Arc::new(limit),
            refusal: Rejection::of(RejectionKind::AlreadyRunning, BUSY),
        }
    }

    /// What who comes too early reads.
    pub fn message(mut self, text: impl Into<Cow<'static, str>>) -> Self {
        self.refusal = Rejection::of(RejectionKind::AlreadyRunning, text);
        self
    }
}

impl Limit {
    /// The place of a request among those that run; an error where there is none left.
    fn enter(self: &Arc<Self>, request: &Request) -> Result<Option<Place>, Full> {
        // A listener hears commands too, and what is refused already runs nothing.
        if request.command().is_none() || request.is_at_listener() || request.refusal().is_some() {
            return Ok(None);
        }
        // Around the router, another bot's command is none of ours.
        if !request.is_inside_router() && !request.context().shared().stack.is_own_command(request) {
            return Ok(None);
        }
        let Some(key) = (self.key_of)(request, &self.hasher) else {
            return Ok(None);
        };
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let count = running.get(&key).copied().unwrap_or(0);
        if count >= self.most {
            return Err(Full);
        }
        running.insert(key, count + 1);
        drop(running);
        Ok(Some(Place {
            limit: Arc::clone(self),
            key,
        }))
    }
}

/// As many run as may.
struct Full;

/// Counts as running until it is dropped.
struct Place {
    limit: Arc<Limit>,
    key: u64,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut running = self.limit.running.lock().unwrap_or_else(PoisonError::into_inner);
        if let Entry::Occupied(mut count) = running.entry(self.key) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
    }
}

impl fmt::Debug for MaxConcurrencyLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MaxConcurrencyLayer")
            .field("most", &self.limit.most)
            .finish_non_exhaustive()
    }
}

impl<S> Layer<S> for MaxConcurrencyLayer {
    type Service = MaxConcurrency<S>;

    fn layer(&self, inner: S) -> Self::Service {
        announce(|| {
            let words = format!("{} at the same time {}", self.limit.most, self.limit.shared_by);
            Announcement::Limits(words.trim_end().to_owned())
        });
        MaxConcurrency {
            inner,
            layer: self.clone(),
        }
    }
}

/// The service of a [`MaxConcurrencyLayer`].
#[derive(Clone, Debug)]
pub struct MaxConcurrency<S> {
    inner: S,
    layer: MaxConcurrencyLayer,
}

super::accessors!(MaxConcurrency);

impl<S> Service<Request> for MaxConcurrency<S>
where
    S: Service<Request, Response = Response>,
    S::Error: Into<BoxError>,
{
    type Response = Response;
    type Error = BoxError;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, mut request: Request) -> Self::Future {
        let visit = enter(&mut request, || "MaxConcurrencyLayer");
        let place = match self.layer.limit.enter(&request) {
            Ok(place) => place,
            // Inside a router nobody is left to look at the mark.
            Err(Full) if request.is_inside_router() => {
                return ResponseFuture {
                    passage: Passage::refused(self.layer.refusal.clone(), BUSY_NOTE, visit),
                    place: None,
                };
            }
            Err(Full) => {
                visit.note(BUSY_NOTE);
                request.refuse_command(self.layer.refusal.clone());
                None
            }
        };
        ResponseFuture {
            passage: Passage::passed(self.inner.call(request), visit),
            place,
        }
    }
}

/// The future of a [`MaxConcurrency`].
#[pin_project]
pub struct ResponseFuture<F> {
    #[pin]
    passage: Passage<F>,
    place: Option<Place>,
}

impl<F, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response, E>>,
    E: Into<BoxError>,
{
    type Output = Result<Response, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let mut result = ready!(this.passage.poll(cx));
        if let (Some(place), Ok(response)) = (this.place.take(), &mut result)
            && response.running() > 0
        {
            keep_place(response, &Arc::new(place));
        }
        Poll::Ready(result)
    }
}

/// The routes that still run hold the place until the last of them has ended.
fn keep_place(response: &mut Response, place: &Arc<Place>) {
    response.wrap_running(|future| {
        let place = Arc::clone(place);
        Box::pin(future.map(move |mut response| {
            keep_place(&mut response, &place);
            response
        }))
    });
}

impl<F> fmt::Debug for ResponseFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
