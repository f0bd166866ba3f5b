//! Work that goes on behind the handler.

use std::convert::Infallible;
use std::future::Future;
use std::sync::Arc;

use super::FromRequest;
use crate::dispatch::SpawnError;
use crate::dispatch::tasks::TaskPool;
use crate::request::Request;

/// Starts tasks that outlive the handler, and that a stop of the bot waits for.
///
/// When the bot stops they have as long as handlers have, and are cut off then: four fifths of the time that stopping may
/// take. [`stopping`](Self::stopping) tells those that could end sooner. A panic ends the task and is logged. How many
/// ended, and how many were cut off, is in the [`ShutdownReport`](crate::dispatch::ShutdownReport).
///
/// The event counts as done when its handler ends: what a task has not done when the process is killed is not done again.
///
/// ```
/// use rocketbotte::BoxError;
/// use rocketbotte::extract::{Outbox, Tasks};
///
/// async fn backup(tasks: Tasks, outbox: Outbox) -> Result<&'static str, BoxError> {
///     tasks.spawn("backup", async move {
///         // … the work …
///         if let Err(error) = outbox.send("The backup is done.").await {
///             eprintln!("{error}");
///         }
///     })?;
///     Ok("It begins.")
/// }
/// # let _ = rocketbotte::Router::<()>::new().command("backup", backup);
/// ```
#[derive(Clone, Debug)]
pub struct Tasks(Arc<TaskPool>);

impl Tasks {
    /// Starts a task. The name is for the log.
    ///
    /// # Errors
    ///
    /// 1024 tasks of the bot run already, or it has no time left for tasks because it stops.
    ///
    /// # Panics
    ///
    /// It is called outside of a tokio runtime.
    pub fn spawn<F>(&self, name: &'static str, task: F) -> Result<(), SpawnError>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.0.spawn(name, task)
    }

    /// Waits until the bot begins to stop.
    pub async fn stopping(&self) {
        self.0.stopping().cancelled().await;
    }

    /// Whether the bot has begun to stop.
    pub fn is_stopping(&self) -> bool {
        self.0.stopping().is_cancelled()
    }
}

impl<S: Sync> FromRequest<S> for Tasks {
    type Rejection = Infallible;

    async fn from_request(request: &Request, _state: &S) -> Result<Self, Self::Rejection> {
        Ok(Self(Arc::clone(&request.context().shared().tasks)))
    }
}
