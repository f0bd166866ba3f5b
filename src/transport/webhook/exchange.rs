//! A call of the server that waits for its answer.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Map, Value, json};
use tokio::sync::watch;

use super::Post;
use crate::event::RoomId;
use crate::response::{Action, Send};
use crate::transport::Settled;

/// What the server is told.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Reply {
    /// Nothing yet.
    Open,
    /// This message is the answer.
    Message(Arc<str>),
    /// There is none.
    Nothing,
    /// Come again.
    Failed,
}

/// A call and its answer. Those who call again for the same message share it.
pub(crate) struct Exchange {
    post: Arc<Post>,
    room_id: Option<RoomId>,
    reply: watch::Sender<Reply>,
    /// Callers that wait.
    waiting: AtomicUsize,
    /// There is no other way for an answer: it is kept for those who call again, also where nobody waits.
    keeps: bool,
}

impl Exchange {
    pub(super) fn new(post: Arc<Post>, keeps: bool) -> Self {
        Self {
            room_id: post.channel_id(),
            post,
            reply: watch::Sender::new(Reply::Open),
            waiting: AtomicUsize::new(0),
            keeps,
        }
    }

    pub(crate) fn post(&self) -> &Arc<Post> {
        &self.post
    }

    /// Takes an action for the answer, if it can be: the first message in the room, while somebody waits for it.
    pub(crate) fn takes(&self, action: &Action) -> bool {
        let Action::Send(send) = action else {
            return false;
        };
        let is_there = self.room_id.is_some() && send.room_id() == self.room_id.as_ref();
        let is_awaited = self.waiting.load(Ordering::Acquire) > 0;
        if !is_there || !(is_awaited || self.keeps) {
            return false;
        }
        let is_first = self.set(|| Reply::Message(json_of(send).into()));
        // What is only kept goes to the sink too, which says that nobody has it yet.
        is_first && is_awaited
    }

    /// What became of the event.
    pub(super) fn settled(&self, how: Settled) {
        self.set(|| match how {
            Settled::Done => Reply::Nothing,
            Settled::Dropped | Settled::Interrupted => Reply::Failed,
        });
    }

    /// Whether it was open.
    fn set(&self, reply: impl FnOnce() -> Reply) -> bool {
        self.reply.send_if_modified(|known| {
            let is_open = *known == Reply::Open;
            if is_open {
                *known = reply();
            }
            is_open
        })
    }

    pub(super) fn has_failed(&self) -> bool {
        *self.reply.borrow() == Reply::Failed
    }

    /// Somebody waits for the answer: from before it can be there, until this is dropped, as whoever calls may be gone.
    pub(super) fn wait(&self) -> Waits<'_> {
        self.waiting.fetch_add(1, Ordering::AcqRel);
        Waits(&self.waiting)
    }

    /// Waits for the answer; what comes later is none any more.
    pub(super) async fn reply(&self, within: Duration) -> Reply {
        let mut reply = self.reply.subscribe();
        let answered = reply.wait_for(|reply| *reply != Reply::Open);
        match tokio::time::timeout(within, answered).await {
            Ok(Ok(reply)) => reply.clone(),
            // The sender is here.
            Ok(Err(_)) => Reply::Failed,
            Err(_) => {
                self.set(|| Reply::Nothing);
                self.reply.borrow().clone()
            }
        }
    }
}

/// Somebody waits.
#[must_use]
pub(super) struct Waits<'a>(&'a AtomicUsize);

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// A message in the form in which the server takes it from an integration.
fn json_of(send: &Send) -> String {
    let mut message = Map::from_iter([("text".to_owned(), json!(send.content()))]);
    let extras = send.extras();
    let attachments = send.attachments();
    let more = [
        (
            "attachments",
            (!attachments.is_empty()).then(|| json!(attachments)),
        ),
        ("tmid", send.thread_id().map(|id| json!(id))),
        ("alias", send.shown_name().map(|name| json!(name))),
        (
            "emoji",
            extras
                .and_then(|extras| extras.emoji.as_ref())
                .map(|emoji| json!(emoji)),
        ),
        (
            "avatar",
            extras
                .and_then(|extras| extras.avatar.as_ref())
                .map(|url| json!(url)),
        ),
        (
            "parseUrls",
            extras
                .is_some_and(|extras| extras.has_no_previews)
                .then_some(Value::Bool(false)),
        ),
    ];
    message.extend(
        more.into_iter()
            .filter_map(|(name, value)| Some((name.to_owned(), value?))),
    );
    Value::Object(message).to_string()
}

impl fmt::Debug for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exchange")
            .field("post", &self.post)
            .finish_non_exhaustive()
    }
}
