//! The body of a request: bytes, or the form that a file goes up in.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::{Body as HttpBody, Frame, SizeHint};

use super::file::form::{Form, SourceError};

/// The body of a request. A copy begins anew.
#[derive(Clone, Debug)]
pub(crate) enum Body {
    Full(Full<Bytes>),
    Form(Box<Form>),
}

impl Body {
    /// Whether it can be sent, once more or at all.
    pub(crate) fn can_be_sent(&self) -> bool {
        match self {
            Self::Full(_) => true,
            Self::Form(form) => form.can_be_sent(),
        }
    }
}

impl Default for Body {
    fn default() -> Self {
        Self::from(Bytes::new())
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        Self::Full(Full::new(bytes))
    }
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = SourceError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, SourceError>>> {
        match self.get_mut() {
            Self::Full(full) => Pin::new(full).poll_frame(cx).map_err(|never| match never {}),
            Self::Form(form) => Pin::new(form.as_mut()).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Full(full) => full.is_end_stream(),
            Self::Form(form) => form.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Full(full) => full.size_hint(),
            Self::Form(form) => form.size_hint(),
        }
    }
}
