//! Extractors for the request itself and for what layers left in it.

use std::convert::Infallible;

use super::{FromRequest, MissingPart};
use crate::command::Command;
use crate::context::{Context, Identity};
use crate::request::Request;
use crate::transport::Arrival;

macro_rules! always_there {
    ($($type:ty, $request:ident => $value:expr;)*) => {$(
        impl<S: Sync> FromRequest<S> for $type {
            type Rejection = Infallible;

            async fn from_request($request: &Request, _state: &S) -> Result<Self, Self::Rejection> {
                Ok($value)
            }
        }
    )*};
}

always_there! {
    Request, request => request.clone();
    Context, request => request.context().clone();
    Identity, request => request.context().identity().clone();
    Arrival, request => request.context().arrival();
}

impl<S: Sync> FromRequest<S> for Command {
    type Rejection = MissingPart;

    async fn from_request(request: &Request, _state: &S) -> Result<Self, Self::Rejection> {
        request
            .command()
            .cloned()
            .ok_or_else(|| MissingPart::new("command", request))
    }
}

/// The REST client of the bot's account.
#[cfg(feature = "client")]
impl<S: Sync> FromRequest<S> for crate::rest::Client {
    type Rejection = MissingPart;

    async fn from_request(request: &Request, _state: &S) -> Result<Self, Self::Rejection> {
        request
            .context()
            .client()
            .cloned()
            .ok_or_else(|| MissingPart::new("connection to a server", request))
    }
}

/// What a layer left in the request's extensions.
///
/// ```
/// use rocketbotte::extract::Extension;
/// use rocketbotte::Request;
/// use tower::ServiceBuilder;
///
/// #[derive(Clone)]
/// struct Team(&'static str);
///
/// async fn whose(Extension(Team(team)): Extension<Team>) -> &'static str { team }
///
/// let router: rocketbotte::Router = rocketbotte::Router::new().on_message(whose);
/// let app = ServiceBuilder::new()
///     .map_request(|mut request: Request| {
///         request.extensions_mut().insert(Team("ops"));
///         request
///     })
///     .service(router);
/// # let _ = app;
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extension<T>(pub T);

impl<S: Sync, T: Clone + Send + Sync + 'static> FromRequest<S> for Extension<T> {
    type Rejection = MissingPart;

    async fn from_request(request: &Request, _state: &S) -> Result<Self, Self::Rejection> {
        let value = request.extensions().get::<T>().cloned();
        value
            .map(Self)
            .ok_or_else(|| MissingPart::new(std::any::type_name::<Self>(), request))
    }
}
