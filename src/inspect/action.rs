//! An action on its way to the server. What happens below the sink finds it by the task that it is carried out in.

use std::future::Future;
#[cfg(feature = "client")]
use std::time::Duration;

#[cfg(feature = "client")]
use tokio::time::Instant;
use tower::BoxError;

use super::record::{ActionState, InspectedAction, shortened};
use super::trail::Trail;
use crate::dispatch::Receipt;
use crate::error_chain::Chain;

tokio::task_local! {
    static CURRENT: ActionVisit;
}

/// An action that is inspected.
#[derive(Clone, Debug)]
pub(crate) struct ActionVisit {
    trail: Trail,
    index: usize,
    begun_us: u64,
}

/// Carries an action out, seen by the inspector if it is inspected.
pub(crate) async fn scope(
    visit: Option<ActionVisit>,
    call: impl Future<Output = Result<Receipt, BoxError>>,
) -> Result<Receipt, BoxError> {
    let Some(visit) = visit else {
        return call.await;
    };
    visit.update(|action, _| {
        action.state = ActionState::Sending;
        action.attempts = 1;
    });
    let result = CURRENT.scope(visit.clone(), call).await;
    match &result {
        Ok(_) => visit.done(),
        Err(error) => visit.ended(ActionState::Failed, &Chain(&**error)),
    }
    result
}

impl ActionVisit {
    pub(super) fn new(trail: Trail, index: usize, begun_us: u64) -> Self {
        Self {
            trail,
            index,
            begun_us,
        }
    }

    fn update(&self, change: impl FnOnce(&mut InspectedAction, u64)) {
        self.trail.update_action(self.index, change);
    }

    pub(crate) fn done(&self) {
        let begun = self.begun_us;
        self.update(|action, now| {
            action.state = ActionState::Done;
            action.took_ms = Some(now.saturating_sub(begun) / 1000);
            action.error = None;
        });
    }

    /// It is not done now, and why.
    pub(crate) fn ended(&self, state: ActionState, why: &dyn std::fmt::Display) {
        let (begun, why) = (self.begun_us, shortened(&why.to_string()));
        self.update(|action, now| {
            action.state = state;
            action.took_ms = Some(now.saturating_sub(begun) / 1000);
            action.error = Some(why);
        });
    }
}

/// A call of the present action failed, and another follows.
#[cfg(feature = "client")]
pub(crate) fn retries(why: &str) {
    // Outside of an action that is inspected there is nothing to tell.
    let _ = CURRENT.try_with(|visit| {
        visit.update(|action, _| {
            action.state = ActionState::Retrying;
            action.attempts += 1;
            action.error = Some(shortened(why));
        });
    });
}

/// The present action may have to wait for a limit.
#[cfg(feature = "client")]
#[derive(Debug)]
pub(crate) struct Waits(Option<Instant>);

#[cfg(feature = "client")]
impl Waits {
    pub(crate) fn begin() -> Self {
        Self(CURRENT.try_with(|_| Instant::now()).ok())
    }

    pub(crate) fn end(&mut self) {
        let Some(waited) = self.0.take().map(|since| since.elapsed()) else {
            return;
        };
        if waited >= Duration::from_millis(1) {
            let waited = u64::try_from(waited.as_millis()).unwrap_or(u64::MAX);
            let _ = CURRENT.try_with(|visit| visit.update(|action, _| action.waited_ms += waited));
        }
    }
}
