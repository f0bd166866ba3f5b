//! The command that stops what the bot is saying.

use std::sync::Arc;

use tower::BoxError;

use crate::handler::{Configured, Handler, route};
use crate::request::Request;
use crate::response::{IntoResponse as _, Response};

/// A handler for a command that stops replies while they grow: those that the one who asks for it asked for, in the
/// thread if it is asked in one, else in the room. The replies say so themselves.
///
/// It never waits for its turn. `stop().description(…)` and the other settings of a route go on top.
///
/// ```
/// use rocketbotte::{Router, growing};
///
/// let router: Router = Router::new().command("stop", growing::stop());
/// ```
pub fn stop() -> Configured<StopGrowing> {
    route(StopGrowing { of_anybody: false })
        .control()
        .description("Stops the answer that is being written")
}

/// The handler that [`stop`] makes.
#[derive(Clone, Copy, Debug)]
pub struct StopGrowing {
    of_anybody: bool,
}

impl StopGrowing {
    /// Stops the replies to everybody, for a command that only some may use. To be wrapped by
    /// `route(…).control()`.
    pub const fn of_anybody() -> Self {
        Self { of_anybody: true }
    }

    fn stop(self, request: &Request) -> Option<&'static str> {
        let (event, asker) = (request.event(), request.author().map(|author| author.id()));
        let asker = asker.filter(|_| !self.of_anybody);
        if asker.is_none() && !self.of_anybody {
            return None;
        }
        let replies = &request.context().shared().growing;
        let stopped = replies.stop_in(event.room_id()?, event.thread_id(), asker);
        (stopped == 0).then_some("There is nothing to stop.")
    }
}

/// Marks the handler of [`stop`].
#[derive(Debug)]
pub struct IsStop(());

#[diagnostic::do_not_recommend]
impl<S: Send + Sync + 'static> Handler<IsStop, S> for StopGrowing {
    fn call(
        self,
        request: Request,
        _state: Arc<S>,
    ) -> impl Future<Output = Result<Response, BoxError>> + Send + 'static {
        std::future::ready(self.stop(&request).into_response())
    }
}
