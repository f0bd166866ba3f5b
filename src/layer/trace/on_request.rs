//! What is done when an event comes.

use tracing::Span;

use crate::request::Request;

/// Does something when an event comes, inside of its span. Implemented for closures, and for `()`, which does nothing.
pub trait OnRequest {
    /// An event came.
    fn on_request(&self, request: &Request, span: &Span);
}

impl OnRequest for () {
    fn on_request(&self, _request: &Request, _span: &Span) {}
}

impl<F> OnRequest for F
where
    F: Fn(&Request, &Span),
{
    fn on_request(&self, request: &Request, span: &Span) {
        self(request, span);
    }
}

/// Says at DEBUG that an event came, and at TRACE the text of a message, unless it is a command that takes a
/// [`Secret`](crate::Secret).
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct DefaultOnRequest;

impl DefaultOnRequest {
    /// There is nothing to set.
    pub const fn new() -> Self {
        Self
    }
}

impl OnRequest for DefaultOnRequest {
    fn on_request(&self, request: &Request, _span: &Span) {
        tracing::debug!("received");
        if let Some(message) = request.message()
            && tracing::enabled!(tracing::Level::TRACE)
        {
            if request.context().shared().stack.is_secret(request) {
                tracing::trace!("the text of the message is not shown: a command with a secret");
            } else {
                tracing::trace!(text = message.text(), "the text of the message");
            }
        }
    }
}
