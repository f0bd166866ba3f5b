//! The sink of a bot without an account.

use std::future::{Ready, ready};
use std::task::{Context, Poll};

use tower::Service;

use crate::dispatch::Receipt;
use crate::response::Action;

/// Carries out nothing: the sink of a webhook's bot that has no account. What would need one fails by [`NeedsAccount`].
#[derive(Clone, Copy, Debug, Default)]
pub struct NoAccount;

/// Something that can not be the answer to the server's call, so that it would need an account.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{action}` needs an account: a webhook answers with one message, in the room that was asked in and in time; give `Serve` a `RestSink` for the rest"
)]
pub struct NeedsAccount {
    action: &'static str,
}

impl Service<Action> for NoAccount {
    type Response = Receipt;
    type Error = NeedsAccount;
    type Future = Ready<Result<Receipt, NeedsAccount>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), NeedsAccount>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, action: Action) -> Self::Future {
        ready(Err(NeedsAccount {
            action: action.name(),
        }))
    }
}
