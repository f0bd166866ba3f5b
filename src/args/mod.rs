//! Typed arguments of commands.

use serde::de::DeserializeOwned;

use crate::extract::{FromRequest, MissingPart};
use crate::rejection::Rejection;
use crate::request::Request;

/// The arguments of a command.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Args<T>(pub T);

impl<S: Sync, T: DeserializeOwned> FromRequest<S> for Args<T> {
    type Rejection = tower::BoxError;

    async fn from_request(request: &Request, _state: &S) -> Result<Self, Self::Rejection> {
        let command = request
            .command()
            .ok_or_else(|| MissingPart::new("command", request))?;
        let _ = command;
        Err(Rejection::bad_arguments("").into())
    }
}
