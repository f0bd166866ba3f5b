//! The innermost service: the HTTP client, and the response body read to its end, up to a limit.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::response::Parts;
use http::{Request, Response};
use http_body_util::combinators::Collect as CollectBody;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper_util::client::legacy;
use pin_project::pin_project;
use tower::{BoxError, Service};

use crate::transport::Connector;

/// The longest response body. A list of all messages of a busy room fits.
const MAX_BODY: usize = 16 << 20;

pub(crate) type HttpClient = legacy::Client<Connector, Full<Bytes>>;

#[derive(Debug, Clone)]
pub(crate) struct Collect(pub(crate) HttpClient);

impl Service<Request<Full<Bytes>>> for Collect {
    type Response = Response<Bytes>;
    type Error = BoxError;
    type Future = CollectFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Full<Bytes>>) -> CollectFuture {
        CollectFuture(State::Request(self.0.request(request)))
    }
}

#[pin_project]
pub(crate) struct CollectFuture(#[pin] State);

// Not boxed: the future lives in the boxed one of the stack anyway.
#[expect(
    clippy::large_enum_variant,
    reason = "a call has one of them, and soon the larger one"
)]
#[pin_project(project = StateProj)]
enum State {
    Request(#[pin] legacy::ResponseFuture),
    /// The parts are there until the body is.
    Body(Option<Parts>, #[pin] CollectBody<Limited<Incoming>>),
}

impl Future for CollectFuture {
    type Output = Result<Response<Bytes>, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.project().0;
        loop {
            match state.as_mut().project() {
                StateProj::Request(response) => {
                    let (parts, body) = ready!(response.poll(cx))?.into_parts();
                    state.set(State::Body(Some(parts), Limited::new(body, MAX_BODY).collect()));
                }
                StateProj::Body(parts, body) => {
                    let body = ready!(body.poll(cx))?.to_bytes();
                    return match parts.take() {
                        Some(parts) => Poll::Ready(Ok(Response::from_parts(parts, body))),
                        // Polled after it was ready: there is nothing to wait for.
                        None => Poll::Pending,
                    };
                }
            }
        }
    }
}
