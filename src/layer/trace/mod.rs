//! A `tracing` span for each event, and what became of it.
//!
//! The span has the fields `event` (the kind), `key`, `message_id`, `room_id`, `thread_id`, `user_id`, `arrival` (how it
//! arrived), `command` (the name of the route, once the router knows it), and at the end `outcome` and `latency_ms`.
//! What people write is never part of it: the text of a message is logged by itself, at the level TRACE only. Without a
//! subscriber that is interested, an event costs no allocation.
//!
//! What is done at each step can be replaced: by a closure, by a type with the trait of the step, by `()` for nothing.

mod future;
mod layer;
mod make_span;
mod on_failure;
mod on_request;
mod on_response;

use std::task::{Context, Poll};

use tokio::time::Instant;
use tower::{BoxError, Service};

pub use self::future::ResponseFuture;
pub use self::layer::TraceLayer;
pub use self::make_span::{DefaultMakeSpan, MakeSpan};
pub use self::on_failure::{DefaultOnFailure, Failure, OnFailure};
pub use self::on_request::{DefaultOnRequest, OnRequest};
pub use self::on_response::{DefaultOnResponse, OnResponse};
use crate::inspect::enter;
use crate::request::Request;
use crate::response::Response;

/// The service of a [`TraceLayer`].
#[derive(Clone, Copy, Debug)]
pub struct Trace<
    S,
    M = DefaultMakeSpan,
    OnReq = DefaultOnRequest,
    OnResp = DefaultOnResponse,
    OnFail = DefaultOnFailure,
> {
    inner: S,
    make_span: M,
    on_request: OnReq,
    on_response: OnResp,
    on_failure: OnFail,
}

super::accessors!(Trace<M, OnReq, OnResp, OnFail>);

impl<S, M, OnReq, OnResp, OnFail> Service<Request> for Trace<S, M, OnReq, OnResp, OnFail>
where
    S: Service<Request, Response = Response>,
    S::Error: Into<BoxError>,
    M: MakeSpan,
    OnReq: OnRequest,
    OnResp: OnResponse + Clone,
    OnFail: OnFailure + Clone + Send + 'static,
{
    type Response = Response;
    /// Not the inner error: a refusal is told from a failure by looking inside.
    type Error = BoxError;
    type Future = ResponseFuture<S::Future, OnResp, OnFail>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, mut request: Request) -> Self::Future {
        let visit = enter(&mut request, || "TraceLayer");
        let start = Instant::now();
        let span = self.make_span.make_span(&request);
        let inner = {
            // What the service does before its future is made belongs to the span too.
            let _entered = span.enter();
            self.on_request.on_request(&request, &span);
            self.inner.call(request)
        };
        ResponseFuture::new(
            inner,
            span,
            start,
            self.on_response.clone(),
            self.on_failure.clone(),
            visit,
        )
    }
}
