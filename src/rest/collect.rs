//! The innermost service: the HTTP client, and the response body read to its end, up to a limit. That of a download is
//! left to who asked for it.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::response::Parts;
use http::{Request, Response, StatusCode, header};
use http_body_util::combinators::Collect as CollectBody;
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use hyper_util::client::legacy;
use pin_project::pin_project;
use tower::{BoxError, Service};

use super::body::Body;
use super::limit;
use crate::transport::Connector;

/// The longest response body. A list of all messages of a busy room fits.
const MAX_BODY: usize = 16 << 20;

pub(crate) type HttpClient = legacy::Client<Connector, Body>;

/// Asks for the body of the response as it comes. It travels in the request's extensions.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AsStream;

/// The server's word on a request for a [stream](AsStream), with the body that is still to be read. It travels in the
/// response's extensions, which have to be `Clone`.
#[derive(Clone, Debug)]
pub(crate) struct Streamed(Arc<Mutex<Option<Incoming>>>);

impl Streamed {
    /// The body, for who comes first.
    pub(crate) fn take(&self) -> Option<Incoming> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// Whether an answer to a request for a file is the server's: the file, a way to it, or that there is none. What else may
/// come is read to its end, and may be a proxy's, such as a page; a page that was uploaded says that it is a file.
fn is_of_a_file(response: &Response<()>) -> bool {
    let is_page = limit::is_html(response) && !response.headers().contains_key(header::CONTENT_DISPOSITION);
    match response.status() {
        StatusCode::FORBIDDEN
        | StatusCode::NOT_FOUND
        | StatusCode::GONE
        | StatusCode::RANGE_NOT_SATISFIABLE => !is_page,
        status if status.is_redirection() => response.headers().contains_key(header::LOCATION),
        status => status.is_success() && !is_page,
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Collect(pub(crate) HttpClient);

impl Service<Request<Body>> for Collect {
    type Response = Response<Bytes>;
    type Error = BoxError;
    type Future = CollectFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> CollectFuture {
        let as_stream = request.extensions().get::<AsStream>().is_some();
        CollectFuture(State::Request(self.0.request(request), as_stream))
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
    /// And whether the body is left alone.
    Request(#[pin] legacy::ResponseFuture, bool),
    /// The parts are there until the body is.
    Body(Option<Parts>, #[pin] CollectBody<Limited<Incoming>>),
}

impl Future for CollectFuture {
    type Output = Result<Response<Bytes>, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.project().0;
        loop {
            match state.as_mut().project() {
                StateProj::Request(response, as_stream) => {
                    let (mut parts, body) = ready!(response.poll(cx))?.into_parts();
                    if *as_stream {
                        let head = Response::from_parts(parts, ());
                        let is_of_a_file = is_of_a_file(&head);
                        parts = head.into_parts().0;
                        if is_of_a_file {
                            let body = Streamed(Arc::new(Mutex::new(Some(body))));
                            parts.extensions.insert(body);
                            return Poll::Ready(Ok(Response::from_parts(parts, Bytes::new())));
                        }
                    }
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
