//! The future of a trace.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_util::FutureExt;
use pin_project::pin_project;
use tokio::time::Instant;
use tower::BoxError;
use tracing::{Instrument, Span};

use super::{Failure, OnFailure, OnResponse};
use crate::inspect::Visit;
use crate::response::{Outcome, Response};

/// The future of a [`Trace`](super::Trace).
#[pin_project]
pub struct ResponseFuture<F, OnResp, OnFail> {
    #[pin]
    inner: F,
    record: Record,
    on_response: OnResp,
    on_failure: OnFail,
    visit: Visit,
}

/// The span, and what is recorded in it if the future is dropped before it is ready.
struct Record {
    span: Span,
    start: Instant,
    is_finished: bool,
}

impl Record {
    fn finish(&mut self, outcome: &str) {
        if !self.is_finished {
            self.is_finished = true;
            if !self.span.is_disabled() {
                self.span.record("outcome", outcome);
                let latency = self.start.elapsed().as_secs_f64() * 1e3;
                self.span.record("latency_ms", latency);
            }
        }
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        self.finish("cancelled");
    }
}

impl<F, OnResp, OnFail> ResponseFuture<F, OnResp, OnFail> {
    pub(super) fn new(
        inner: F,
        span: Span,
        start: Instant,
        on_response: OnResp,
        on_failure: OnFail,
        visit: Visit,
    ) -> Self {
        Self {
            inner,
            record: Record {
                span,
                start,
                is_finished: false,
            },
            on_response,
            on_failure,
            visit,
        }
    }
}

impl<F, E, OnResp, OnFail> Future for ResponseFuture<F, OnResp, OnFail>
where
    F: Future<Output = Result<Response, E>>,
    E: Into<BoxError>,
    OnResp: OnResponse,
    OnFail: OnFailure + Clone + Send + 'static,
{
    type Output = Result<Response, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let record = this.record;
        // A clone, since the record is written to below. It counts a reference, no more.
        let span = record.span.clone();
        let _entered = span.enter();
        let result = ready!(this.inner.poll(cx));
        this.visit.leave(&result);
        let latency = record.start.elapsed();
        Poll::Ready(match result {
            Ok(mut response) => {
                record.finish(outcome(&response));
                this.on_response.on_response(&response, latency, &span);
                report(&response, this.on_failure, latency, &span);
                follow_running(&mut response, this.on_failure, record.start, &span);
                Ok(response)
            }
            Err(error) => {
                let error = error.into();
                let failure = Failure::Service(&error);
                record.finish(failure.name());
                this.on_failure.on_failure(&failure, latency, &span);
                Err(error)
            }
        })
    }
}

/// In one word what became of an event: the first failure if there is one.
fn outcome(response: &Response) -> &'static str {
    let failure = response
        .outcomes()
        .map(|outcome| outcome.outcome())
        .find(|outcome| !matches!(outcome, Outcome::Handled));
    match failure {
        Some(outcome) => outcome.name(),
        None if response.running() > 0 => "running",
        None if !response.is_empty() => "handled",
        None if response.is_unknown_command() => "unknown command",
        None => "ignored",
    }
}

fn report(response: &Response, on_failure: &impl OnFailure, latency: Duration, span: &Span) {
    for outcome in response.outcomes() {
        if !matches!(outcome.outcome(), Outcome::Handled) {
            on_failure.on_failure(&Failure::Route(outcome), latency, span);
        }
    }
}

/// Routes that still run stay in the span, and their failures are reported when they are there.
fn follow_running<OnFail>(response: &mut Response, on_failure: &OnFail, start: Instant, span: &Span)
where
    OnFail: OnFailure + Clone + Send + 'static,
{
    response.wrap_running(|future| {
        let (on_failure, own_span) = (on_failure.clone(), span.clone());
        let future = future.map(move |mut response| {
            report(&response, &on_failure, start.elapsed(), &own_span);
            follow_running(&mut response, &on_failure, start, &own_span);
            response
        });
        Box::pin(future.instrument(span.clone()))
    });
}

impl<F, OnResp, OnFail> fmt::Debug for ResponseFuture<F, OnResp, OnFail> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture")
            .field("span", &self.record.span)
            .finish_non_exhaustive()
    }
}
