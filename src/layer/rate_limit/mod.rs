//! Refuses commands that come too often.
//!
//! Nothing is delayed: who asks too often reads once how long to wait, and then nothing until the window is over. Only
//! commands count, and only those of this bot: a command that the router does not have is given back, since other bots
//! share the prefix. A message in the room that is no command costs nothing.

mod buckets;
mod future;
mod gcra;
mod layer;

use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use tower::{BoxError, Service};

use self::buckets::Verdict;
pub use self::future::ResponseFuture;
use self::layer::Limiter;
pub use self::layer::RateLimitLayer;
use crate::inspect::enter;
use crate::rejection::Rejection;
use crate::request::Request;
use crate::response::Response;

/// The service of a [`RateLimitLayer`].
#[derive(Clone)]
pub struct RateLimit<S> {
    inner: S,
    limiter: Arc<Limiter>,
    rejects_early: bool,
}

super::accessors!(RateLimit);

impl<S> RateLimit<S> {
    /// How many requests were refused, by all services of the layer and its clones.
    pub fn rejected(&self) -> u64 {
        self.limiter.rejected()
    }
}

impl<S> fmt::Debug for RateLimit<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RateLimit")
            .field("rejected", &self.rejected())
            .finish_non_exhaustive()
    }
}

impl<S> Service<Request> for RateLimit<S>
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
        let visit = enter(&mut request, || "RateLimitLayer");
        // What is refused already runs nothing that would have to be limited.
        let runs_nothing = request.command().is_some() && request.refusal().is_some();
        let key = if runs_nothing {
            None
        } else {
            self.limiter.key_of(&request)
        };
        let Some(key) = key else {
            return ResponseFuture::passed(self.inner.call(request), None, visit);
        };
        let verdict = self.limiter.take(key);
        if let Verdict::Refused { wait, is_first } = &verdict {
            let mut rejection = Rejection::slow_down(*wait);
            if !is_first {
                rejection = rejection.silent();
            }
            // Inside a router nobody is left to look at the mark.
            if self.rejects_early || request.is_inside_router() {
                return ResponseFuture::refused(rejection, visit);
            }
            visit.note("too often");
            request.refuse_command(rejection);
        }
        let taken = Taken {
            limiter: Arc::clone(&self.limiter),
            key,
            verdict,
        };
        ResponseFuture::passed(self.inner.call(request), Some(taken), visit)
    }
}

/// What a request did to its bucket.
struct Taken {
    limiter: Arc<Limiter>,
    key: u64,
    verdict: Verdict,
}

impl Taken {
    fn undo(&self) {
        self.limiter.undo(self.key, &self.verdict);
    }
}
