//! The span of an event.

use tracing::field::{self, Empty};
use tracing::{Level, Span};

use crate::request::Request;

/// Makes the span of an event. Implemented for closures.
pub trait MakeSpan {
    /// The span.
    fn make_span(&self, request: &Request) -> Span;
}

impl<F> MakeSpan for F
where
    F: Fn(&Request) -> Span,
{
    fn make_span(&self, request: &Request) -> Span {
        self(request)
    }
}

/// A span `event` with the fields of the [module](super), at the level INFO unless set.
#[derive(Clone, Copy, Debug)]
#[must_use]
pub struct DefaultMakeSpan {
    level: Level,
}

impl DefaultMakeSpan {
    /// At the level INFO.
    pub const fn new() -> Self {
        Self { level: Level::INFO }
    }

    /// At another level.
    pub const fn level(mut self, level: Level) -> Self {
        self.level = level;
        self
    }
}

impl Default for DefaultMakeSpan {
    fn default() -> Self {
        Self::new()
    }
}

impl MakeSpan for DefaultMakeSpan {
    fn make_span(&self, request: &Request) -> Span {
        let event = request.event();
        // The macro takes constant levels only. It looks at the fields only if somebody is interested.
        macro_rules! span {
            ($level:expr) => {
                tracing::span!(
                    $level,
                    "event",
                    event = event.kind().name(),
                    key = %request.key(),
                    message_id = event.message().map(|message| field::display(message.id())),
                    room_id = event.room_id().map(field::display),
                    thread_id = event.thread_id().map(field::display),
                    user_id = event.author().map(|author| field::display(author.id())),
                    arrival = %request.context().arrival(),
                    command = Empty,
                    outcome = Empty,
                    latency_ms = Empty,
                )
            };
        }
        match self.level {
            Level::ERROR => span!(Level::ERROR),
            Level::WARN => span!(Level::WARN),
            Level::INFO => span!(Level::INFO),
            Level::DEBUG => span!(Level::DEBUG),
            Level::TRACE => span!(Level::TRACE),
        }
    }
}
