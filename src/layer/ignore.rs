//! Drops events that the bot shall not hear.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime};

use tower::{Layer, Service};

pub use super::dropping::ResponseFuture;
use crate::event::{Event, RoomId, Timestamp, UserId};
use crate::inspect::enter;
use crate::request::Request;
use crate::response::Response;

/// Drops the events that a rule picks: no route sees them, and they are answered with an empty response.
///
/// Several rules are several layers. They go outside of everything that counts or answers.
///
/// ```
/// use std::time::Duration;
/// use rocketbotte::{Router, layer::ignore::IgnoreLayer};
/// use tower::ServiceBuilder;
///
/// let app = ServiceBuilder::new()
///     .layer(IgnoreLayer::bots())
///     .layer(IgnoreLayer::older_than(Duration::from_secs(600)))
///     .layer(IgnoreLayer::when(|request| request.room().is_some_and(|room| room.name() == Some("lounge"))))
///     .service(Router::new());
/// # fn is_service(_: impl tower::Service<rocketbotte::Request>) {}
/// # is_service(app);
/// ```
#[derive(Clone)]
#[must_use]
pub struct IgnoreLayer {
    rule: Rule,
}

#[derive(Clone)]
enum Rule {
    Bots,
    Own,
    System,
    OlderThan {
        age: Duration,
        /// The newest timestamp seen, in milliseconds.
        newest: Arc<AtomicI64>,
    },
    Users(Arc<HashSet<UserId>>),
    Rooms(Arc<HashSet<RoomId>>),
    When(Arc<dyn Fn(&Request) -> bool + Send + Sync>),
}

/// How far a server's clock may be ahead of this machine's before its timestamps are not believed: one of them would
/// make every event after it look old.
const MOST_AHEAD: Duration = Duration::from_secs(24 * 60 * 60);

impl IgnoreLayer {
    /// Messages of bots: of this one, and of others by their own account.
    pub fn bots() -> Self {
        Self { rule: Rule::Bots }
    }

    /// What the bot itself caused.
    pub fn own() -> Self {
        Self { rule: Rule::Own }
    }

    /// Messages that the server wrote: somebody joined, the topic changed.
    pub fn system() -> Self {
        Self { rule: Rule::System }
    }

    /// Messages, and changes of messages, that happened so long before the newest one seen. Both times are the
    /// server's; this machine's clock is only asked whether a timestamp lies more than a day in the future, which is
    /// not believed. Events without a message pass.
    pub fn older_than(age: Duration) -> Self {
        Self {
            rule: Rule::OlderThan {
                age,
                newest: Arc::new(AtomicI64::new(i64::MIN)),
            },
        }
    }

    /// What these users caused, by their ids. A reaction names no user id: it passes.
    pub fn users<I>(ids: I) -> Self
    where
        I: IntoIterator,
        I::Item: Into<UserId>,
    {
        Self {
            rule: Rule::Users(Arc::new(ids.into_iter().map(Into::into).collect())),
        }
    }

    /// What happens in these rooms, by their ids.
    pub fn rooms<I>(ids: I) -> Self
    where
        I: IntoIterator,
        I::Item: Into<RoomId>,
    {
        Self {
            rule: Rule::Rooms(Arc::new(ids.into_iter().map(Into::into).collect())),
        }
    }

    /// What a predicate picks.
    pub fn when(predicate: impl Fn(&Request) -> bool + Send + Sync + 'static) -> Self {
        Self {
            rule: Rule::When(Arc::new(predicate)),
        }
    }
}

impl Rule {
    fn ignores(&self, request: &Request) -> bool {
        match self {
            Self::Bots => request.is_from_bot(),
            Self::Own => request.is_from_self(),
            Self::System => matches!(request.event(), Event::System(_)),
            Self::OlderThan { age, newest } => happened_at(request).is_some_and(|at| {
                let limit = SystemTime::now()
                    .checked_add(MOST_AHEAD)
                    .and_then(Timestamp::from_system_time);
                let newest = if limit.is_none_or(|limit| at <= limit) {
                    newest.fetch_max(at.as_millis(), Ordering::Relaxed)
                } else {
                    newest.load(Ordering::Relaxed)
                };
                Timestamp::from_millis(newest).saturating_since(at) > *age
            }),
            Self::Users(ids) => request.author().is_some_and(|author| ids.contains(author.id())),
            Self::Rooms(ids) => request.event().room_id().is_some_and(|id| ids.contains(id)),
            Self::When(predicate) => predicate(request),
        }
    }

    const fn name(&self) -> &'static str {
        match self {
            Self::Bots => "bots",
            Self::Own => "own",
            Self::System => "system",
            Self::OlderThan { .. } => "older_than",
            Self::Users(_) => "users",
            Self::Rooms(_) => "rooms",
            Self::When(_) => "when",
        }
    }
}

fn happened_at(request: &Request) -> Option<Timestamp> {
    let message = request.message()?;
    Some(match request.event() {
        Event::Message(_) | Event::Livechat(_) | Event::Encrypted(_) | Event::System(_) => {
            message.created_at()
        }
        _ => message.updated_at().unwrap_or_else(|| message.created_at()),
    })
}

impl fmt::Debug for IgnoreLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IgnoreLayer")
            .field("rule", &self.rule.name())
            .finish()
    }
}

impl<S> Layer<S> for IgnoreLayer {
    type Service = Ignore<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Ignore {
            inner,
            layer: self.clone(),
        }
    }
}

/// The service of an [`IgnoreLayer`].
#[derive(Clone, Debug)]
pub struct Ignore<S> {
    inner: S,
    layer: IgnoreLayer,
}

super::accessors!(Ignore);

impl<S> Service<Request> for Ignore<S>
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
        let visit = enter(&mut request, || "IgnoreLayer");
        let is_heard = !self.layer.rule.ignores(&request);
        ResponseFuture {
            inner: is_heard.then(|| self.inner.call(request)),
            visit,
        }
    }
}
