//! Handlers that wait for people: they hold no lane, no place among those that run, and no event open.

use std::sync::Arc;
use std::task::Poll;

use super::dispatcher::Ended;
use super::settled::Piece;
use crate::context::Shared;
use crate::conversation::pause::PausableTimer;
use crate::request::{Deadline, Request};
use crate::response::Response;
use tower::BoxError;

/// Sees whether a handler waits, and tells the loop.
pub(super) struct Talking {
    shared: Arc<Shared>,
    pub(super) timer: PausableTimer,
}

impl Talking {
    pub(super) fn new(shared: &Arc<Shared>, limit: Option<Deadline>) -> Self {
        Self {
            shared: Arc::clone(shared),
            timer: PausableTimer::new(limit),
        }
    }

    pub(super) fn is_waiting(&self) -> bool {
        self.timer.clock.is_waiting()
    }

    /// Polls the handler, in its task.
    pub(super) fn poll<T>(&mut self, piece: Option<&Piece>, poll: impl FnOnce() -> Poll<T>) -> Poll<T> {
        let was_waiting = self.is_waiting();
        let polled = self.timer.clock.watch(poll);
        let is_waiting = self.is_waiting();
        if is_waiting != was_waiting
            && let Some(task) = tokio::task::try_id()
        {
            // First, so that whoever sees that it has left its place finds the event done.
            if is_waiting {
                settle(piece);
            }
            self.shared.lane_exits.waits(task, is_waiting);
        }
        polled
    }

    /// The handler has ended.
    pub(super) fn ended(
        &self,
        mut request: Request,
        result: Result<Response, BoxError>,
        piece: Option<Piece>,
        share: Option<Arc<()>>,
    ) -> Ended {
        let waited = self.timer.clock.waited();
        if !waited.is_zero() {
            request.waited(waited);
        }
        Ended {
            request,
            result,
            piece,
            share,
        }
    }
}

/// With the first wait the event is done: what was said cannot be said again to a handler that begins anew.
pub(super) fn settle(piece: Option<&Piece>) {
    if let Some(piece) = piece {
        piece.settle();
    }
}
