//! What becomes of an answer: failures are answered for, late routes carried on, actions made complete and delivered.

use std::collections::HashMap;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::Context;

use smallvec::SmallVec;
use tokio::time::Instant;
use tower::{BoxError, Service};

use super::deliver::Batch;
use super::dispatcher::{Dispatcher, Ended, Task};
use super::resolve::Resolver;
use super::settled::Piece;
use super::talking::{self, Talking};
use crate::inspect::trail_of;
use crate::layer::handle_error::{answer_error, answer_failures};
use crate::request::Request;
use crate::response::{Action, Response, RouteName, RoutedAction};

impl<S> Dispatcher<S>
where
    S: Service<Request, Response = Response> + Send + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send + 'static,
{
    /// Takes what a handler answered. Whether it has ended, and left no route that still runs.
    pub(super) fn handler_answered(&mut self, ended: Ended) -> bool {
        let Ended {
            request,
            result,
            piece,
            share,
        } = ended;
        let mut response = match result {
            Ok(response) => response,
            Err(error) => answer_error(error, &request),
        };
        answer_failures(&mut response, &request);
        if let Some(trail) = trail_of(&request) {
            trail.answered(&response);
        }
        let took = || {
            request
                .context()
                .received_at()
                .map(|at| at.elapsed())
                .unwrap_or_default()
        };
        self.handle().vitals().meter.answered(&response, took);
        let share = share.or_else(|| (response.running() > 0).then(Arc::default));
        let is_whole = response.running() == 0;
        for route in response.take_running() {
            // A route that goes on behind the response still takes its place among the running, unless it waits for people.
            let is_talking = route.clock.is_waiting();
            if is_talking {
                talking::settle(piece.as_ref());
            } else {
                self.lanes.occupy();
            }
            let mut talking = Talking::new(&self.shared, None);
            talking.timer.clock = route.clock;
            let mut future = route.future;
            let (request, piece) = (request.clone(), piece.as_ref().map(Piece::another));
            let share = share.clone();
            let task = self.running.spawn(async move {
                let poll = |cx: &mut Context<'_>| talking.poll(piece.as_ref(), || future.as_mut().poll(cx));
                let response = poll_fn(poll).await;
                talking.ended(request, Ok(response), piece, share)
            });
            self.tasks.insert(
                task.id(),
                Task {
                    lane: None,
                    counts: !is_talking,
                    is_talking,
                    in_lane: None,
                },
            );
        }
        let handled = piece.as_ref().and_then(Piece::handled);
        self.answer(&request, response, piece);
        if share.is_none_or(|share| Arc::into_inner(share).is_some()) {
            self.done += 1;
            if let Some(handled) = handled {
                handled();
            }
        }
        is_whole
    }

    /// Has the actions of a response carried out.
    pub(super) fn answer(&mut self, request: &Request, mut response: Response, piece: Option<Piece>) {
        let actions = response.take_actions();
        if !actions.is_empty() && self.shared.loops.may_reply(request, Instant::now()) {
            let resolver = Resolver::of_returned(request);
            let mut positions = HashMap::<Option<&str>, u32>::new();
            let mut batches: SmallVec<[Batch; 1]> = SmallVec::new();
            for routed in &actions {
                let position = positions
                    .entry(routed.route.as_ref().map(|route| route.as_str()))
                    .or_default();
                match resolver.resolve(routed.action.clone(), routed.route.as_ref(), *position) {
                    Ok(resolved) => {
                        if let Some(trail) = trail_of(request) {
                            for action in &resolved {
                                trail.acts(action);
                            }
                        }
                        collect(
                            resolved,
                            routed.route.as_ref(),
                            request,
                            piece.as_ref(),
                            &mut batches,
                        );
                    }
                    Err(error) => {
                        self.counters.undelivered += 1;
                        let dead_letters = self.deliveries.dead_letters();
                        dead_letters.give_up(routed.clone(), error.into(), &request.key());
                    }
                }
                *position += 1;
            }
            for batch in batches {
                self.deliveries.push(batch, &mut self.counters);
            }
        }
        if let Some(piece) = piece {
            piece.done();
        }
    }
}

/// Puts actions with those for the same room.
fn collect(
    resolved: Vec<Action>,
    route: Option<&RouteName>,
    request: &Request,
    piece: Option<&Piece>,
    batches: &mut SmallVec<[Batch; 1]>,
) {
    for action in resolved {
        // The resolver says of every action where.
        let Some(room_id) = action.lane() else {
            continue;
        };
        let index = batches
            .iter()
            .position(|batch| batch.room_id == room_id)
            .unwrap_or_else(|| {
                batches.push(Batch {
                    room_id,
                    actions: SmallVec::new(),
                    request: request.clone(),
                    piece: piece.map(Piece::another),
                });
                batches.len() - 1
            });
        batches[index].actions.push(RoutedAction {
            route: route.cloned(),
            action,
        });
    }
}
