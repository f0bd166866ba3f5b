//! Bodies of requests: they come within a time, and all of them together hold no more than some memory.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::{
    body::{Body, Bytes, HttpBody},
    extract::Request,
    http::{HeaderValue, Response, StatusCode, header},
    middleware::Next,
    response::IntoResponse,
};
use hyper::body::{Frame, SizeHint};
use tokio::time::Sleep;

use super::http::Context as ConnectionContext;

/// How long a body may take, as on a real server.
const DEADLINE: Duration = Duration::from_secs(300);
/// Bytes of all bodies of requests that are not answered yet.
const BYTES_MAX: usize = 512 * 1024 * 1024;

/// What has become of a body that could not be read.
#[derive(Debug, Default)]
struct Fate {
    is_late: AtomicBool,
    is_too_much: AtomicBool,
}

struct Bounded {
    body: Body,
    deadline: Pin<Box<Sleep>>,
    fate: Arc<Fate>,
    held: Arc<Held>,
}

/// What a request holds of the memory for all, until it is answered: a handler may wait with the whole body in its hands.
struct Held {
    /// Of all connections.
    all: Arc<AtomicUsize>,
    own: AtomicUsize,
}

impl Held {
    /// Counts more. False if that is too much.
    fn take(&self, bytes: usize) -> bool {
        self.own.fetch_add(bytes, Ordering::Relaxed);
        self.all.fetch_add(bytes, Ordering::Relaxed) + bytes <= BYTES_MAX
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.all
            .fetch_sub(self.own.load(Ordering::Relaxed), Ordering::Relaxed);
    }
}

impl HttpBody for Bounded {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let this = self.get_mut();
        if this.deadline.as_mut().poll(cx).is_ready() {
            this.fate.is_late.store(true, Ordering::Relaxed);
            let error = io::Error::from(io::ErrorKind::TimedOut);
            return Poll::Ready(Some(Err(axum::Error::new(error))));
        }
        let frame = ready!(Pin::new(&mut this.body).poll_frame(cx));
        if let Some(Ok(frame)) = &frame
            && !this.held.take(frame.data_ref().map_or(0, Bytes::len))
        {
            this.fate.is_too_much.store(true, Ordering::Relaxed);
            let error = io::Error::from(io::ErrorKind::OutOfMemory);
            return Poll::Ready(Some(Err(axum::Error::new(error))));
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Answers for bodies that do not come.
pub(super) async fn bound(request: Request, next: Next) -> Response<Body> {
    let Some(context) = request.extensions().get::<ConnectionContext>() else {
        return next.run(request).await;
    };
    if request.body().is_end_stream() {
        return next.run(request).await;
    }
    let fate = Arc::<Fate>::default();
    let held = Arc::new(Held {
        all: Arc::clone(&context.shared.body_bytes),
        own: AtomicUsize::new(0),
    });
    let bounded = |body| {
        Body::new(Bounded {
            body,
            deadline: Box::pin(tokio::time::sleep(DEADLINE)),
            fate: Arc::clone(&fate),
            held: Arc::clone(&held),
        })
    };
    let response = next.run(request.map(bounded)).await;
    let status = if fate.is_late.load(Ordering::Relaxed) {
        StatusCode::REQUEST_TIMEOUT
    } else if fate.is_too_much.load(Ordering::Relaxed) {
        StatusCode::SERVICE_UNAVAILABLE
    } else {
        return response;
    };
    (status, [(header::CONNECTION, HeaderValue::from_static("close"))]).into_response()
}
