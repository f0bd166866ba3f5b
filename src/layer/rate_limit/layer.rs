//! What a rate limit is configured with, and what its services share.

use std::fmt;
use std::hash::{BuildHasher, Hash, Hasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tower::Layer;

use super::RateLimit;
use super::buckets::{Buckets, Verdict};
use super::gcra::Quota;
use crate::layer::announce::{Announcement, announce};
use crate::request::Request;

/// Refuses commands that come too often: with `per_user(5, Duration::from_secs(10))` a user may send five at once, and
/// one more every two seconds.
///
/// Over the limit nothing is delayed: the request is marked and passed on, its listeners run, and the router answers
/// the command with the time to wait, if it is one of its own. The first refusal of a user (room, command, key) is
/// spoken, those that follow within the period are silent.
///
/// A clone of the layer shares its buckets, and so do all services that it made: one limit for several routes. At most
/// 10,000 keys are remembered; beyond that the ones that are full again, or will be soonest, are forgotten.
///
/// It goes inside of [`CommandLayer`](crate::command::CommandLayer), around the router. As a
/// [`route_layer`](crate::Router::route_layer) it limits the commands that are registered so far, not the listeners.
///
/// # Errors
///
/// The service fails with a [`Rejection`](crate::Rejection) where the limit is reached and no router inside looks at
/// the mark: with [`reject_early`](Self::reject_early), and as a `route_layer`.
///
/// ```
/// use std::time::Duration;
/// use rocketbotte::command::CommandLayer;
/// use rocketbotte::layer::rate_limit::RateLimitLayer;
/// use rocketbotte::Router;
/// use tower::ServiceBuilder;
///
/// let per_user = RateLimitLayer::per_user(5, Duration::from_secs(10))
///     .bypass(|request| request.author().is_some_and(|author| *author.id() == "uAdmin"));
/// let app = ServiceBuilder::new()
///     .layer(CommandLayer::new("!"))
///     .layer(per_user)
///     .layer(RateLimitLayer::per_room(20, Duration::from_secs(60)).burst(5))
///     .service(Router::new());
/// # fn is_service(_: impl tower::Service<rocketbotte::Request>) {}
/// # is_service(app);
/// ```
#[derive(Clone)]
#[must_use]
pub struct RateLimitLayer {
    limiter: Arc<Limiter>,
    rejects_early: bool,
}

type KeyOf = Arc<dyn Fn(&Request, &RandomState) -> Option<u64> + Send + Sync>;
type Bypass = Arc<dyn Fn(&Request) -> bool + Send + Sync>;

pub(super) struct Limiter {
    key_of: KeyOf,
    bypass: Option<Bypass>,
    hasher: RandomState,
    count: u32,
    /// The window in which only the first refusal is spoken.
    period: Duration,
    /// Who has a bucket, in words.
    shared_by: &'static str,
    quota: Quota,
    buckets: Mutex<Buckets>,
    rejected: AtomicU64,
}

impl RateLimitLayer {
    /// So many commands of each user in a period.
    pub fn per_user(count: u32, period: Duration) -> Self {
        Self::of_commands(count, period, "for each person", |request, hasher| {
            Some(hasher.hash_one(request.author()?.id()))
        })
    }

    /// So many commands in each room in a period.
    pub fn per_room(count: u32, period: Duration) -> Self {
        Self::of_commands(count, period, "in each room", |request, hasher| {
            Some(hasher.hash_one(request.event().room_id()?))
        })
    }

    /// So many uses of each command in a period, by all users in all rooms together. Around the router a command is
    /// the word as it was written, without regard to case: an alias counts by itself, a group as one. As a `route_layer`
    /// it is the route.
    pub fn per_command(count: u32, period: Duration) -> Self {
        Self::of_commands(count, period, "in all", |request, hasher| {
            let mut state = hasher.build_hasher();
            match request.route() {
                Some(route) => route.as_str().hash(&mut state),
                None => request
                    .command()?
                    .name()
                    .chars()
                    .flat_map(char::to_lowercase)
                    .for_each(|character| character.hash(&mut state)),
            }
            Some(state.finish())
        })
    }

    /// So many requests for each key in a period. The function is asked for every request: `None` passes without being
    /// counted. What is no command counts too if there is a key for it, but is refused only with
    /// [`reject_early`](Self::reject_early).
    ///
    /// ```
    /// use std::time::Duration;
    /// use rocketbotte::layer::rate_limit::RateLimitLayer;
    ///
    /// let per_user_and_room = RateLimitLayer::keyed_by(3, Duration::from_secs(10), |request| {
    ///     request.command()?;
    ///     Some((request.author()?.id().clone(), request.room()?.id().clone()))
    /// });
    /// # let _ = per_user_and_room;
    /// ```
    pub fn keyed_by<K: Hash>(
        count: u32,
        period: Duration,
        key_of: impl Fn(&Request) -> Option<K> + Send + Sync + 'static,
    ) -> Self {
        Self::new(count, period, "", move |request, hasher| {
            Some(hasher.hash_one(key_of(request)?))
        })
    }

    fn of_commands(
        count: u32,
        period: Duration,
        shared_by: &'static str,
        key_of: impl Fn(&Request, &RandomState) -> Option<u64> + Send + Sync + 'static,
    ) -> Self {
        Self::new(count, period, shared_by, move |request, hasher| {
            // A listener hears commands too, and answers none.
            if request.command().is_none() || request.is_at_listener() {
                return None;
            }
            key_of(request, hasher)
        })
    }

    fn new(
        count: u32,
        period: Duration,
        shared_by: &'static str,
        key_of: impl Fn(&Request, &RandomState) -> Option<u64> + Send + Sync + 'static,
    ) -> Self {
        Self {
            limiter: Arc::new(Limiter {
                key_of: Arc::new(key_of),
                bypass: None,
                hasher: RandomState::new(),
                count,
                period,
                shared_by,
                quota: Quota::new(count, period, count),
                buckets: Mutex::default(),
                rejected: AtomicU64::new(0),
            }),
            rejects_early: false,
        }
    }

    /// How many may come at once: as many as in a period unless set, one at least. The layer gets buckets of its own.
    pub fn burst(self, burst: u32) -> Self {
        self.with(|limiter| limiter.quota = Quota::new(limiter.count, limiter.period, burst))
    }

    /// Lets requests pass without being counted. The layer gets buckets of its own.
    pub fn bypass(self, bypass: impl Fn(&Request) -> bool + Send + Sync + 'static) -> Self {
        self.with(|limiter| limiter.bypass = Some(Arc::new(bypass)))
    }

    /// Fails with a [`Rejection`](crate::Rejection) instead of marking the request: for a service that is no router, or
    /// a prefix that no other bot has. No listener hears a request that is refused.
    pub fn reject_early(mut self) -> Self {
        self.rejects_early = true;
        self
    }

    /// How many requests were refused, by all services of the layer and its clones.
    pub fn rejected(&self) -> u64 {
        self.limiter.rejected()
    }

    fn with(mut self, change: impl FnOnce(&mut Limiter)) -> Self {
        // A clone that is in use keeps its limit and its buckets.
        let mut limiter = Limiter {
            key_of: Arc::clone(&self.limiter.key_of),
            bypass: self.limiter.bypass.clone(),
            hasher: RandomState::new(),
            count: self.limiter.count,
            period: self.limiter.period,
            shared_by: self.limiter.shared_by,
            quota: self.limiter.quota,
            buckets: Mutex::default(),
            rejected: AtomicU64::new(0),
        };
        change(&mut limiter);
        self.limiter = Arc::new(limiter);
        self
    }
}

impl Limiter {
    /// `5 in 10s for each person`
    fn words(&self) -> String {
        let words = format!(
            "{} in {} {}",
            self.count,
            humantime::format_duration(self.period),
            self.shared_by
        );
        words.trim_end().to_owned()
    }

    /// The bucket of a request; `None` where it is not limited.
    pub(super) fn key_of(&self, request: &Request) -> Option<u64> {
        let key = (self.key_of)(request, &self.hasher)?;
        let passes = self.bypass.as_ref().is_some_and(|bypass| bypass(request));
        (!passes).then_some(key)
    }

    pub(super) fn take(&self, key: u64) -> Verdict {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let verdict = buckets.take(key, &self.quota, self.period, Instant::now());
        if matches!(verdict, Verdict::Refused { .. }) {
            self.rejected.fetch_add(1, Ordering::Relaxed);
        }
        verdict
    }

    pub(super) fn undo(&self, key: u64, verdict: &Verdict) {
        self.buckets.lock().unwrap_or_else(PoisonError::into_inner).undo(
            key,
            verdict,
            &self.quota,
            Instant::now(),
        );
        if matches!(verdict, Verdict::Refused { .. }) {
            self.rejected.fetch_sub(1, Ordering::Relaxed);
        }
    }

    pub(super) fn rejected(&self) -> u64 {
        self.rejected.load(Ordering::Relaxed)
    }
}

impl<S> Layer<S> for RateLimitLayer {
    type Service = RateLimit<S>;

    fn layer(&self, inner: S) -> Self::Service {
        announce(|| Announcement::Limits(self.limiter.words()));
        RateLimit {
            inner,
            limiter: Arc::clone(&self.limiter),
            rejects_early: self.rejects_early,
        }
    }
}

impl fmt::Debug for RateLimitLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RateLimitLayer")
            .field("count", &self.limiter.count)
            .field("period", &self.limiter.period)
            .field("rejected", &self.rejected())
            .finish_non_exhaustive()
    }
}
