//! Runs the routes of one event: side by side, each with its own deadline and its own panic boundary.

use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_util::future::BoxFuture;
use smallvec::SmallVec;
use tokio::time::{Instant, Sleep, sleep_until};
use tower::BoxError;

use super::route::NamedRoute;
use crate::handler::{Place, RouteDeadline};
use crate::layer::catch_panic::panic_message;
use crate::request::{Deadline, Request};
use crate::response::{Outcome, Response, RouteKind, RouteName, RouteOutcome, RunningRoute};

/// The routes of one event, while they run. Layers move it around by value, so it is kept small: what is needed only
/// when a route waits is boxed then.
pub(super) struct RunRoutes {
    routes: SmallVec<[ActiveRoute; 1]>,
    /// What is answered besides what the routes answer; then what they have answered so far, in their order.
    response: Response,
    /// How long finished replies wait for the routes that have not finished.
    hold: Option<Duration>,
    /// When the routes that may take longer are handed over, so that what is around the router has its answer.
    hand_over_at: Option<Instant>,
    first_finished_at: Option<Instant>,
    timer: Option<Pin<Box<Sleep>>>,
}

struct ActiveRoute {
    name: RouteName,
    kind: RouteKind,
    place: Option<Arc<Place>>,
    deadline: Option<Deadline>,
    state: ActiveState,
}

#[allow(
    clippy::large_enum_variant,
    reason = "a box would be an allocation for each route that runs"
)]
enum ActiveState {
    Running(BoxFuture<'static, Result<Response, BoxError>>),
    /// It waits for those before it.
    Finished(Box<Response>),
    /// Its answer is a part of the response.
    Answered,
}

impl RunRoutes {
    pub(super) fn new(response: Response, hold: Duration, inherited: Option<Deadline>) -> Self {
        Self {
            routes: SmallVec::new(),
            response,
            hold: Some(hold),
            hand_over_at: inherited.map(|deadline| deadline.at),
            first_finished_at: None,
            timer: None,
        }
    }

    /// Starts a route: its future is made here, and polled with the others.
    pub(super) fn start(&mut self, route: &NamedRoute, mut request: Request) {
        let deadline = match route.options.deadline {
            RouteDeadline::Inherited => request.deadline(),
            RouteDeadline::Never => None,
            RouteDeadline::After(after) => Instant::now().checked_add(after).map(|at| Deadline { at, after }),
        };
        request.set_route(route.name.clone(), route.kind);
        request.set_place(route.options.place.clone());
        if route.kind == RouteKind::Command {
            // The span of a `TraceLayer` around the router: only here it is sure that the word is a command's name, and
            // not what somebody wrote.
            tracing::Span::current().record("command", route.name.as_str());
        }
        let future = catch_unwind(AssertUnwindSafe(|| route.route.run(request)));
        let state = match future {
            Ok(future) => ActiveState::Running(future),
            Err(payload) => ActiveState::Finished(Box::new(finished(
                &route.name,
                route.kind,
                None,
                Err(Outcome::Panicked(panic_message(&*payload))),
            ))),
        };
        self.routes.push(ActiveRoute {
            name: route.name.clone(),
            kind: route.kind,
            place: route.options.place.clone(),
            deadline,
            state,
        });
    }

    pub(super) fn is_empty(&self) -> bool {
        self.routes.is_empty()
    }

    pub(super) fn answer_with(&mut self, response: Response) {
        self.response = response;
    }

    pub(super) fn into_response(self) -> Response {
        self.response
    }
}

impl ActiveRoute {
    fn is_running(&self) -> bool {
        matches!(self.state, ActiveState::Running(_))
    }

    /// What it has answered, if that is not known yet.
    fn poll(&mut self, cx: &mut Context<'_>) -> Option<Response> {
        let ActiveState::Running(future) = &mut self.state else {
            return None;
        };
        let result = match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
            Ok(Poll::Pending) => return None,
            Ok(Poll::Ready(result)) => result.map_err(Outcome::from_error),
            Err(payload) => Err(Outcome::Panicked(panic_message(&*payload))),
        };
        Some(self.finished(result))
    }

    fn expire(&mut self, now: Instant) {
        if let Some(deadline) = self.deadline.filter(|deadline| deadline.at <= now) {
            let response = self.finished(Err(Outcome::TimedOut(deadline.after)));
            self.state = ActiveState::Finished(Box::new(response));
        }
    }

    fn finished(&self, result: Result<Response, Outcome>) -> Response {
        finished(&self.name, self.kind, self.place.as_deref(), result)
    }

    /// A route that goes on behind the response.
    fn into_running(self) -> RunningRoute {
        let route = self.name.clone();
        let run = RunRoutes {
            routes: SmallVec::from_buf([self]),
            response: Response::empty(),
            hold: None,
            hand_over_at: None,
            first_finished_at: None,
            timer: None,
        };
        RunningRoute {
            route,
            future: Box::pin(run),
        }
    }
}

/// The part of the response that a route is answerable for.
fn finished(
    route: &RouteName,
    kind: RouteKind,
    place: Option<&Place>,
    result: Result<Response, Outcome>,
) -> Response {
    let (mut response, outcome) = match result {
        Ok(response) => (response, Outcome::Handled),
        Err(outcome) => (Response::empty(), outcome),
    };
    response.claim_actions(route);
    if let Some(place) = place {
        response.actions_mut().for_each(|action| place.apply(action));
    }
    // A group of commands has run its own routes: their outcomes are there already, or come when they are done.
    let speaks_for_itself = response.outcomes().next().is_some() || response.running() > 0;
    if !speaks_for_itself || !matches!(outcome, Outcome::Handled) {
        response.push_outcome(RouteOutcome::new(route.clone(), kind, outcome));
    }
    response
}

impl Future for RunRoutes {
    type Output = Response;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        loop {
            let mut is_next = true;
            for route in &mut this.routes {
                if let Some(part) = route.poll(cx) {
                    route.state = if is_next {
                        this.response.append(part);
                        ActiveState::Answered
                    } else {
                        ActiveState::Finished(Box::new(part))
                    };
                }
                is_next &= matches!(route.state, ActiveState::Answered);
            }
            if this.routes.iter().all(|route| !route.is_running()) {
                break;
            }
            let now = Instant::now();
            for route in this.routes.iter_mut().filter(|route| route.is_running()) {
                route.expire(now);
            }
            let running = this.routes.iter().filter(|route| route.is_running()).count();
            if running == 0 {
                break;
            }
            if running < this.routes.len() {
                this.first_finished_at.get_or_insert(now);
            }
            let hold_until = this
                .hold
                .zip(this.first_finished_at)
                .and_then(|(hold, at)| at.checked_add(hold));
            let hand_over_at = [hold_until, this.hand_over_at].into_iter().flatten().min();
            if hand_over_at.is_some_and(|at| at <= now) {
                break;
            }
            let next_deadline = this
                .routes
                .iter()
                .filter(|route| route.is_running())
                .filter_map(|route| Some(route.deadline?.at))
                .min();
            let Some(wake_at) = [hand_over_at, next_deadline].into_iter().flatten().min() else {
                return Poll::Pending;
            };
            let timer = this.timer.get_or_insert_with(|| Box::pin(sleep_until(wake_at)));
            if timer.deadline() != wake_at {
                timer.as_mut().reset(wake_at);
            }
            ready!(timer.as_mut().poll(cx));
        }
        let mut response = std::mem::take(&mut this.response);
        for route in this.routes.drain(..) {
            match route.state {
                ActiveState::Answered => {}
                ActiveState::Finished(part) => response.append(*part),
                ActiveState::Running(_) => response.push_running(route.into_running()),
            }
        }
        Poll::Ready(response)
    }
}

impl fmt::Debug for RunRoutes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunRoutes")
            .field(
                "routes",
                &self.routes.iter().map(|route| &route.name).collect::<Vec<_>>(),
            )
            .finish_non_exhaustive()
    }
}
