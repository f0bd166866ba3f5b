//! Lets requests through that fulfil a condition: where it happens, who asks, what a function says.

mod check;
mod condition;
mod future;
#[cfg(feature = "client")]
mod rest;
mod room_roles;
mod switch;

use std::future::Future;
use std::sync::Arc;
use std::task::{Context, Poll};

use tower::{BoxError, Layer, Service};

use self::check::Checking;
pub use self::check::{Check, FnCheck, Predicate};
pub use self::condition::{AsCondition, Condition, ConditionFuture};
pub use self::future::{CheckFuture, ResponseFuture};
pub use self::room_roles::{Roles, RoomRoles, RoomRolesCheck, RoomRolesFuture};
pub use self::switch::CommandSwitch;
use crate::event::{RoomKind, UserId};
use crate::inspect::enter;
use crate::layer::announce::{Announcement, announce};
use crate::rejection::{Rejection, RejectionKind};
use crate::request::Request;
use crate::response::Response;

/// Lets the requests through that fulfil a condition. Several conditions are several layers.
///
/// Around a router it refuses commands: the request is marked and passed on, its listeners run, and the router answers
/// the command with one neutral sentence, if it is one of its own. Around some of the routes, as a
/// [`route_layer`](crate::Router::route_layer) or a layer of a [nested](crate::Router::nest) router, it refuses
/// everything: a command is answered, a listener just does not run. Around a service that is no router, nobody looks at
/// the mark: use [`reject_early`](Self::reject_early).
///
/// Conditions on the room and lists of ids come first: they need no permission and no call. Identity is the user id; a
/// user name may change its owner. [`check`](RequireLayer::check) and [`room_roles`](RequireLayer::room_roles) may
/// wait, so the service inside has to be `Clone`; the others take any service.
///
/// It goes inside of [`CommandLayer`](crate::command::CommandLayer); around it, `check` and `room_roles` refuse every
/// command.
///
/// # Errors
///
/// The service fails with a [`Rejection`] where it refuses by itself.
///
/// ```
/// use rocketbotte::Router;
/// use rocketbotte::layer::require::RequireLayer;
///
/// async fn ban() -> &'static str { "banned" }
/// async fn topic() -> &'static str { "changed" }
/// async fn ping() -> &'static str { "pong" }
///
/// let router: Router = Router::new()
///     .nest("admin", Router::new().command("ban", ban).layer(RequireLayer::users(["uAnn", "uBob"])))
///     .command("topic", topic)
///     .route_layer(RequireLayer::room_roles(["owner", "moderator"]).message("Ask a moderator."))
///     .command("ping", ping);
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct RequireLayer<C = Predicate> {
    condition: C,
    refusal: Rejection,
    rejects_early: bool,
}

impl RequireLayer {
    /// What a predicate says.
    pub fn when(holds: impl Fn(&Request) -> bool + Send + Sync + 'static) -> Self {
        Self::new(Predicate {
            description: "".into(),
            holds: Arc::new(holds),
        })
    }

    /// Says in words who may, for the help of the [router](crate::Router::help): `the team on duty`.
    pub fn described(mut self, description: impl Into<std::borrow::Cow<'static, str>>) -> Self {
        self.condition.description = description.into();
        self
    }

    /// In rooms of a kind.
    pub fn room_kind(kind: RoomKind) -> Self {
        Self::of_known(Condition::room_kind(kind))
    }

    /// In a direct conversation with the bot alone.
    pub fn direct() -> Self {
        Self::of_known(Condition::direct())
    }

    /// By these users, by their ids.
    pub fn users<I>(ids: I) -> Self
    where
        I: IntoIterator,
        I::Item: Into<UserId>,
    {
        Self::of_known(Condition::users(ids))
    }

    /// A condition that asks nobody.
    fn of_known(condition: Condition) -> Self {
        let description = condition.to_string();
        Self::when(move |request| condition.known(request).unwrap_or(false)).described(description)
    }
}

impl RequireLayer<Condition> {
    /// What a [`Condition`] says: several of them, joined by and, or, and not.
    pub fn that(condition: Condition) -> Self {
        Self::new(condition)
    }
}

impl RequireLayer<RoomRolesCheck> {
    /// By users who have one of these roles in the room: `owner`, `moderator`, `leader`. Direct conversations have no
    /// roles, so nobody is let through there.
    ///
    /// The server is asked once a minute for a room. If it does not answer, nobody is let through, and the log says
    /// once what is missing.
    pub fn room_roles<I>(roles: I) -> Self
    where
        I: IntoIterator,
        I::Item: Into<String>,
    {
        Self::new(RoomRolesCheck::new(roles.into_iter().map(Into::into).collect()))
    }

    /// Asks somebody else than the server: a test, or a bot that knows the roles from elsewhere.
    pub fn looked_up_by(mut self, source: impl RoomRoles) -> Self {
        self.condition.set_source(Arc::new(source));
        self
    }
}

impl<F, Fut> RequireLayer<FnCheck<F>>
where
    F: Fn(Request) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = bool> + Send + 'static,
{
    /// What an async function says. The function should have a limit of its own for what it waits for; inside of a
    /// [`TimeoutLayer`](super::timeout::TimeoutLayer) it has that one.
    ///
    /// ```
    /// use rocketbotte::{Request, layer::require::RequireLayer};
    ///
    /// async fn is_on_call(request: Request) -> bool {
    ///     // … asks the rota …
    ///     request.author().is_some()
    /// }
    ///
    /// let layer = RequireLayer::check(is_on_call);
    /// # let _ = layer;
    /// ```
    pub fn check(function: F) -> Self {
        Self::new(FnCheck { function })
    }
}

impl<C> RequireLayer<C> {
    fn new(condition: C) -> Self {
        Self {
            condition,
            refusal: Rejection::not_permitted(),
            rejects_early: false,
        }
    }

    /// What the author reads instead of the neutral sentence.
    pub fn message(mut self, text: impl Into<std::borrow::Cow<'static, str>>) -> Self {
        self.refusal = Rejection::of(RejectionKind::NotPermitted, text);
        self
    }

    /// Fails with a [`Rejection`] instead of marking the request: for a service that is no router. No listener hears a
    /// request that is refused.
    pub fn reject_early(mut self) -> Self {
        self.rejects_early = true;
        self
    }
}

impl<S, C: Clone + AsCondition> Layer<S> for RequireLayer<C> {
    type Service = Require<S, C>;

    fn layer(&self, inner: S) -> Self::Service {
        announce(|| Announcement::Requires(self.condition.condition()));
        Require {
            inner,
            layer: self.clone(),
        }
    }
}

/// The service of a [`RequireLayer`].
#[derive(Clone, Debug)]
pub struct Require<S, C = Predicate> {
    inner: S,
    layer: RequireLayer<C>,
}

super::accessors!(Require<C>);

/// How a request is refused.
#[derive(Clone, Debug)]
struct Refusal {
    rejection: Rejection,
    rejects_early: bool,
}

impl Refusal {
    /// The request to pass on, or the error to fail with.
    fn apply(self, mut request: Request) -> Result<Request, Rejection> {
        // Inside a router nobody is left to look at the mark.
        if self.rejects_early || request.is_inside_router() {
            return Err(self.rejection);
        }
        request.refuse_command(self.rejection);
        Ok(request)
    }
}

impl<C> RequireLayer<C> {
    fn refusal(&self) -> Refusal {
        Refusal {
            rejection: self.refusal.clone(),
            rejects_early: self.rejects_early,
        }
    }
}

/// What the inspector says of an event whose command may not run.
const REFUSED: &str = "not permitted";

impl<S> Service<Request> for Require<S, Predicate>
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
        let visit = enter(&mut request, || "RequireLayer");
        if (self.layer.condition.holds)(&request) {
            return ResponseFuture::passed(self.inner.call(request), visit);
        }
        match self.layer.refusal().apply(request) {
            Ok(request) => {
                visit.note(REFUSED);
                ResponseFuture::passed(self.inner.call(request), visit)
            }
            Err(rejection) => ResponseFuture::refused(rejection, visit),
        }
    }
}

macro_rules! impl_service_for_check {
    ($check:ty $(, $parameter:ident: $bound:path, $future:ident)?) => {
        impl<S $(, $parameter, $future)?> Service<Request> for Require<S, $check>
        where
            S: Service<Request, Response = Response> + Clone,
            S::Error: Into<BoxError>,
            $($parameter: Fn(Request) -> $future + $bound, $future: Future<Output = bool>,)?
        {
            type Response = Response;
            type Error = BoxError;
            type Future = CheckFuture<S, <$check as Check>::Future>;

            fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
                self.inner.poll_ready(cx).map_err(Into::into)
            }

            fn call(&mut self, mut request: Request) -> Self::Future {
                let visit = enter(&mut request, || "RequireLayer");
                if !self.layer.rejects_early && !request.is_inside_router() && request.command().is_none() {
                    // Only commands can be refused here, so nobody is asked. The mark is for a `CommandLayer` that was
                    // put inside by mistake: its commands are refused, rather than let through unchecked.
                    request.refuse_command(self.layer.refusal.clone());
                    return CheckFuture::unchecked(self.inner.call(request), visit);
                }
                // The service that is ready waits with the check; its clone stays for the next request.
                let clone = self.inner.clone();
                let inner = std::mem::replace(&mut self.inner, clone);
                let checking = Checking {
                    check: self.layer.condition.check(&request),
                    request: Some(request),
                };
                CheckFuture::new(checking, inner, self.layer.refusal(), visit)
            }
        }
    };
}

impl_service_for_check!(RoomRolesCheck);
impl_service_for_check!(Condition);
impl_service_for_check!(FnCheck<F>, F: Clone, Fut);
