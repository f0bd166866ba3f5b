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
use tracing::level_filters::LevelFilter;

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
    kind: RouteKind,
    place: Option<Arc<Place>>,
    deadline: Option<Deadline>,
    state: ActiveState,
}

enum ActiveState {
    Running(RouteName, BoxFuture<'static, Result<Response, BoxError>>),
    /// It waits for those before it.
    Finished(Box<Response>),
    /// Its answer is a part of the response.
    Answered,
}

impl RunRoutes {
    pub(super) fn new(hold: Duration, inherited: Option<Deadline>) -> Self {
        Self {
            routes: SmallVec::new(),
            response: Response::empty(),
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
        if route.kind == RouteKind::Command && LevelFilter::current() != LevelFilter::OFF {
            // The span of a `TraceLayer` around the router: only here it is sure that the word is a command's name, and
            // not what somebody wrote.
            tracing::Span::current().record("command", route.name.as_str());
        }
        let future = catch_unwind(AssertUnwindSafe(|| route.route.run(request)));
        let state = match future {
            Ok(future) => ActiveState::Running(route.name.clone(), future),
            Err(payload) => {
                let mut part = Response::empty();
                let outcome = Outcome::Panicked(panic_message(&*payload));
                sign(&mut part, route.name.clone(), route.kind, None, outcome);
                ActiveState::Finished(Box::new(part))
            }
        };
        self.routes.push(ActiveRoute {
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

    pub(super) fn mark_unknown_command(&mut self) {
        self.response.mark_unknown_command();
    }

    pub(super) fn take_response(&mut self) -> Response {
        std::mem::take(&mut self.response)
    }

    pub(super) fn has_answer(&self) -> bool {
        !self.response.is_empty()
    }
}

impl ActiveRoute {
    fn is_running(&self) -> bool {
        matches!(self.state, ActiveState::Running(..))
    }

    /// Puts what it answers into the response, or keeps it if that has to wait for the routes before it.
    fn poll(&mut self, cx: &mut Context<'_>, response: Option<&mut Response>) {
        let ActiveState::Running(_, future) = &mut self.state else {
            return;
        };
        let polled = catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx)));
        let (mut part, outcome) = match polled {
            Ok(Poll::Pending) => return,
            Ok(Poll::Ready(Ok(part))) => (part, Outcome::Handled),
            Ok(Poll::Ready(Err(error))) => (Response::empty(), Outcome::from_error(error)),
            Err(payload) => (Response::empty(), Outcome::Panicked(panic_message(&*payload))),
        };
        self.sign(&mut part, outcome);
        match response {
            Some(response) => response.append(&mut part),
            None => self.state = ActiveState::Finished(Box::new(part)),
        }
    }

    fn expire(&mut self, now: Instant) {
        if let Some(deadline) = self.deadline.filter(|deadline| deadline.at <= now) {
            let mut part = Response::empty();
            let outcome = Outcome::TimedOut(deadline.after);
            self.sign(&mut part, outcome);
            self.state = ActiveState::Finished(Box::new(part));
        }
    }

    /// It runs no longer: its future is dropped, and its name goes into its part of the response.
    fn sign(&mut self, part: &mut Response, outcome: Outcome) {
        if let ActiveState::Running(name, future) = std::mem::replace(&mut self.state, ActiveState::Answered)
        {
            drop(future);
            sign(part, name, self.kind, self.place.as_deref(), outcome);
        }
    }

    /// A route that goes on behind the response.
    fn into_running(self, route: RouteName) -> RunningRoute {
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

/// Makes a route answerable for its part of the response.
fn sign(response: &mut Response, route: RouteName, kind: RouteKind, place: Option<&Place>, outcome: Outcome) {
    response.claim_actions(&route);
    if let Some(place) = place {
        response.actions_mut().for_each(|action| place.apply(action));
    }
    // A group of commands has run its own routes: their outcomes are there already, or come when they are done.
    let speaks_for_itself = response.outcomes().next().is_some() || response.running() > 0;
    if !speaks_for_itself || !matches!(outcome, Outcome::Handled) {
        response.push_outcome(RouteOutcome::new(route, kind, outcome));
    }
}

impl RunRoutes {
    /// Ready when the response is there.
    pub(super) fn poll_done(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let this = self;
        loop {
            let mut is_next = true;
            for route in &mut this.routes {
                route.poll(cx, is_next.then_some(&mut this.response));
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
        for route in this.routes.drain(..) {
            match route.state {
                ActiveState::Answered => {}
                ActiveState::Finished(mut part) => this.response.append(&mut part),
                ActiveState::Running(ref name, _) => {
                    let name = name.clone();
                    this.response.push_running(route.into_running(name));
                }
            }
        }
        Poll::Ready(())
    }
}

impl Future for RunRoutes {
    type Output = Response;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        this.poll_done(cx).map(|()| this.take_response())
    }
}

impl fmt::Debug for RunRoutes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunRoutes")
            .field("routes", &self.routes.len())
            .finish_non_exhaustive()
    }
}
