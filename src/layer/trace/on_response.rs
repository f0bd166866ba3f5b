//! What is done when an event is answered.

use std::time::Duration;

use tracing::Span;

use crate::response::Response;

/// Does something when an event is answered, inside of its span. Implemented for closures, and for `()`, which does
/// nothing.
pub trait OnResponse {
    /// An event was answered after this time.
    fn on_response(&self, response: &Response, latency: Duration, span: &Span);
}

impl OnResponse for () {
    fn on_response(&self, _response: &Response, _latency: Duration, _span: &Span) {}
}

impl<F> OnResponse for F
where
    F: Fn(&Response, Duration, &Span),
{
    fn on_response(&self, response: &Response, latency: Duration, span: &Span) {
        self(response, latency, span);
    }
}

/// Says at DEBUG how many routes ran, how many still run, and how many actions were asked for. Silent where no route
/// took the event.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct DefaultOnResponse;

impl DefaultOnResponse {
    /// There is nothing to set.
    pub const fn new() -> Self {
        Self
    }
}

impl OnResponse for DefaultOnResponse {
    fn on_response(&self, response: &Response, latency: Duration, _span: &Span) {
        if !response.is_empty() {
            tracing::debug!(
                routes = response.outcomes().count(),
                running = response.running(),
                actions = response.actions().count(),
                ?latency,
                "answered"
            );
        }
    }
}
