//! `Option` and `Result` of extractors, for what may be missing.

use std::convert::Infallible;

use super::FromRequest;
use crate::args::ArgsInfo;
use crate::request::Request;

impl<S: Sync, T: FromRequest<S>> FromRequest<S> for Option<T> {
    type Rejection = Infallible;

    fn arguments() -> Option<ArgsInfo> {
        T::arguments()
    }

    async fn from_request(request: &Request, state: &S) -> Result<Self, Self::Rejection> {
        Ok(T::from_request(request, state).await.ok())
    }
}

impl<S: Sync, T: FromRequest<S>> FromRequest<S> for Result<T, T::Rejection> {
    type Rejection = Infallible;

    fn arguments() -> Option<ArgsInfo> {
        T::arguments()
    }

    async fn from_request(request: &Request, state: &S) -> Result<Self, Self::Rejection> {
        Ok(T::from_request(request, state).await)
    }
}
