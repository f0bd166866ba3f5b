//! Runs the routes of one event: side by side, each with its own deadline and its own panic boundary.

use std::fmt;
use std::future::Future;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::future::BoxFuture;
use smallvec::SmallVec;
use tokio::time::{Instant, Sleep, sleep_until};
use tower::BoxError;
use tracing::level_filters::LevelFilter;

use super::route::NamedRoute;
use crate::conversation::pause::PausableClock;
use crate::handler::{Place, RouteDeadline};
use crate::inspect::{Visit, enter_route};
use crate::journal::Ledger;
use crate::layer::catch_panic::panic_message;
use crate::request::{Deadline, Request};
use crate::response::{Outcome, Response, RouteKind, RouteName, RouteOutcome, RunningRoute};

/// The routes of one event, while they run. Layers move it around by value, so it is kept small: what is needed only
/// when a route waits is boxed then.
pub(super) struct RunRoutes {
    routes: SmallVec<[ActiveRoute; 1]>,
    /// What is answered besides what the routes answer; then, while one of them waits, what those before it answered.
    answered: Option<Box<Response>>,
    is_unknown_command: bool,
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
    clock: PausableClock,
    state: ActiveState,
    visit: Visit,
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
            answered: None,
            is_unknown_command: false,
            hold: Some(hold),
            hand_over_at: inherited.map(|deadline| deadline.at),
            first_finished_at: None,
            timer: None,
        }
    }

    /// Starts a route: its future is made here, and polled with the others. Takes the request out of its place, so that
    /// it is moved once and no more: it is large.
    pub(super) fn start(&mut self, route: &NamedRoute, place: &mut Option<Request>) {
        let Some(request) = place else { return };
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
        let ledger = ledger_of(route, request);
        let mut visit = enter_route(request, route.kind, &route.name);
        let future = catch_unwind(AssertUnwindSafe(|| match ledger {
            None => place.take().map(|request| route.route.run(request)),
            Some(ledger) => place.take().map(|request| run_once(route, request, ledger)),
        }));
        let state = match future {
            Ok(None) => return,
            Ok(Some(future)) => ActiveState::Running(route.name.clone(), future),
            Err(payload) => {
                visit.leave_with("panicked");
                let mut part = Response::empty();
                let outcome = Outcome::Panicked(panic_message(&*payload));
                sign(&mut part, route.name.clone(), route.kind, None, outcome);
                ActiveState::Finished(Box::new(part))
            }
        };
        self.routes.push(ActiveRoute {
            kind: route.kind,
            place: route.options.place.clone(),
            clock: PausableClock::new(deadline),
            state,
            visit,
        });
    }

    pub(super) fn is_empty(&self) -> bool {
        self.routes.is_empty()
    }

    pub(super) fn answer_with(&mut self, response: Response) {
        self.answered = (!response.is_empty()).then(|| Box::new(response));
    }

    pub(super) fn mark_unknown_command(&mut self) {
        self.is_unknown_command = true;
    }

    /// What has been answered so far.
    pub(super) fn take_response(&mut self) -> Response {
        let mut response = self
            .answered
            .take()
            .map_or_else(Response::empty, |answered| *answered);
        if self.is_unknown_command {
            response.mark_unknown_command();
        }
        response
    }

    pub(super) fn has_answer(&self) -> bool {
        self.answered.is_some()
    }
}

/// Where it is written that a route begins, if it runs at most once. Events without a key of their own do not come again.
#[inline]
fn ledger_of(route: &NamedRoute, request: &Request) -> Option<Arc<Ledger>> {
    let shared = request.context().shared();
    if !route.options.at_most_once.unwrap_or(shared.at_most_once) {
        return None;
    }
    request.event().own_key()?;
    shared.ledger.clone()
}

fn run_once(
    route: &NamedRoute,
    request: Request,
    ledger: Arc<Ledger>,
) -> BoxFuture<'static, Result<Response, BoxError>> {
    let (name, route) = (route.name.clone(), route.route.clone());
    Box::pin(async move {
        // Where it can not be kept that it begins it does not: after a crash it would begin again.
        if !ledger
            .claim(request.event(), &request.key(), name.as_str())
            .await?
        {
            tracing::info!(route = %name, event = &*request.key(), "it has begun before, and runs at most once");
            return Ok(Response::empty());
        }
        route.run(request).await
    })
}

impl ActiveRoute {
    fn is_running(&self) -> bool {
        matches!(self.state, ActiveState::Running(..))
    }

    /// What it answers, once it has finished. A failure is an answer too: it is a result only because its future gives
    /// one, and a response is large enough for it to matter that it is not moved into another shape.
    #[inline]
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Response, BoxError>> {
        let ActiveState::Running(_, future) = &mut self.state else {
            return Poll::Pending;
        };
        // Written through the panic boundary, not returned by it, for the same reason.
        let mut polled = Poll::Pending;
        let clock = &mut self.clock;
        if let Err(payload) = catch_unwind(AssertUnwindSafe(|| {
            clock.watch(|| polled = future.as_mut().poll(cx))
        })) {
            return Poll::Ready(Ok(self.failed(Outcome::Panicked(panic_message(&*payload)))));
        }
        if let Poll::Ready(Ok(part)) = &mut polled {
            self.visit.leave(&Ok::<_, ()>(()));
            self.sign(part, Outcome::Handled);
            return polled;
        }
        match polled {
            Poll::Ready(Err(error)) => Poll::Ready(Ok(self.failed(Outcome::from_error(error)))),
            pending => pending,
        }
    }

    fn expire(&mut self, now: Instant) {
        if self.is_running()
            && let Some(deadline) = self.clock.deadline().filter(|deadline| deadline.at <= now)
        {
            let part = self.failed(Outcome::TimedOut(deadline.after));
            self.state = ActiveState::Finished(Box::new(part));
        }
    }

    fn failed(&mut self, outcome: Outcome) -> Response {
        self.visit.leave_with(outcome.name());
        let mut part = Response::empty();
        self.sign(&mut part, outcome);
        part
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
        let clock = self.clock.another();
        let run = RunRoutes {
            routes: SmallVec::from_buf([self]),
            answered: None,
            is_unknown_command: false,
            hold: None,
            hand_over_at: None,
            first_finished_at: None,
            timer: None,
        };
        RunningRoute {
            route,
            future: Box::pin(run),
            clock,
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
    /// Ready when the response is there; never with an error.
    #[inline]
    pub(super) fn poll_response(&mut self, cx: &mut Context<'_>) -> Poll<Result<Response, BoxError>> {
        let mut is_polled = false;
        // Nearly always there is one route and nothing else: then its answer is the response, moved as little as can be.
        if let [route] = self.routes.as_mut_slice()
            && self.answered.is_none()
        {
            let mut polled = route.poll(cx);
            if let Poll::Ready(answer) = &mut polled {
                self.routes.clear();
                if self.is_unknown_command
                    && let Ok(response) = answer
                {
                    response.mark_unknown_command();
                }
                return polled;
            }
            is_polled = true;
        }
        let mut response = self.take_response();
        loop {
            if !std::mem::take(&mut is_polled) {
                self.poll_routes(cx, &mut response);
            }
            let ControlFlow::Continue(wake_at) = self.wait(Instant::now()) else {
                break;
            };
            if self.poll_timer(wake_at, cx).is_pending() {
                self.answer_with(response);
                return Poll::Pending;
            }
        }
        for route in self.routes.drain(..) {
            match route.state {
                ActiveState::Answered => {}
                ActiveState::Finished(mut part) => response.append(&mut part),
                ActiveState::Running(ref name, _) => {
                    let name = name.clone();
                    response.push_running(route.into_running(name));
                }
            }
        }
        Poll::Ready(Ok(response))
    }

    /// What finishes is put into the response, or kept if it has to wait for the routes before it.
    fn poll_routes(&mut self, cx: &mut Context<'_>, response: &mut Response) {
        let mut is_next = true;
        for route in &mut self.routes {
            if let Poll::Ready(Ok(mut part)) = route.poll(cx) {
                if is_next {
                    response.append(&mut part);
                } else {
                    route.state = ActiveState::Finished(Box::new(part));
                }
            }
            is_next &= matches!(route.state, ActiveState::Answered);
        }
    }

    /// Breaks when there is nothing to wait for; else says until when it waits at the longest.
    fn wait(&mut self, now: Instant) -> ControlFlow<(), Option<Instant>> {
        for route in &mut self.routes {
            route.expire(now);
        }
        let (mut running, mut waiting) = (0, 0);
        for route in self.routes.iter().filter(|route| route.is_running()) {
            running += 1;
            waiting += usize::from(route.clock.is_waiting());
        }
        if running == 0 {
            return ControlFlow::Break(());
        }
        if running < self.routes.len() {
            self.first_finished_at.get_or_insert(now);
            // What people take their time for holds no reply back.
            if waiting == running && self.hold.is_some() {
                return ControlFlow::Break(());
            }
        }
        let hold_until = self
            .hold
            .zip(self.first_finished_at)
            .and_then(|(hold, at)| at.checked_add(hold));
        let hand_over_at = [hold_until, self.hand_over_at].into_iter().flatten().min();
        if hand_over_at.is_some_and(|at| at <= now) {
            return ControlFlow::Break(());
        }
        let next_deadline = self
            .routes
            .iter()
            .filter(|route| route.is_running())
            .filter_map(|route| Some(route.clock.deadline()?.at))
            .min();
        ControlFlow::Continue([hand_over_at, next_deadline].into_iter().flatten().min())
    }

    fn poll_timer(&mut self, wake_at: Option<Instant>, cx: &mut Context<'_>) -> Poll<()> {
        let Some(wake_at) = wake_at else {
            return Poll::Pending;
        };
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(wake_at)));
        if timer.deadline() != wake_at {
            timer.as_mut().reset(wake_at);
        }
        timer.as_mut().poll(cx)
    }
}

impl Future for RunRoutes {
    type Output = Response;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        // It never is an error.
        self.get_mut().poll_response(cx).map(Result::unwrap_or_default)
    }
}

impl fmt::Debug for RunRoutes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunRoutes")
            .field("routes", &self.routes.len())
            .finish_non_exhaustive()
    }
}
