//! Server-sent events: what happens, for the page.

use std::{collections::VecDeque, convert::Infallible, sync::Arc, time::Duration};

use axum::{
    body::Body,
    http::{Response, header},
    response::IntoResponse,
};
use bytes::Bytes;
use tokio::{sync::broadcast::error::RecvError, time::timeout};

use super::{Hub, faults, hub::Note};
use crate::sandbox::server::Connection;

/// After so long without a note a comment says that the stream lives.
const QUIET: Duration = Duration::from_secs(15);

/// Everything remembered, then everything new.
pub(super) async fn serve(context: Connection) -> Response<Body> {
    let page = &context.shared.page;
    page.hub.watch();
    let (mut waiting, feed) = page.hub.subscribe();
    let now = faults::state(&context.shared).to_string();
    waiting.push_back(Note::new("faults", &now));
    let reader = Reader {
        hub: Arc::clone(&page.hub),
        waiting,
        feed,
    };
    let stream = futures_util::stream::unfold(reader, async |mut reader| {
        Some((Ok::<_, Infallible>(reader.next().await?), reader))
    });
    let headers = [
        (header::CONTENT_TYPE, "text/event-stream"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    (headers, Body::from_stream(Box::pin(stream))).into_response()
}

struct Reader {
    hub: Arc<Hub>,
    waiting: VecDeque<Note>,
    feed: tokio::sync::broadcast::Receiver<Note>,
}

impl Reader {
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if let Some(note) = self.waiting.pop_front() {
                return Some(note.into_text());
            }
            match timeout(QUIET, self.feed.recv()).await {
                Ok(Ok(note)) => return Some(note.into_text()),
                Ok(Err(RecvError::Lagged(_))) => (self.waiting, self.feed) = self.hub.subscribe(),
                Ok(Err(RecvError::Closed)) => return None,
                Err(_) => return Some(Bytes::from_static(b": still here\n\n")),
            }
        }
    }
}
