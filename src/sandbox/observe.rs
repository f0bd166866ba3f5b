//! Looking at the server from a test: messages, connections, what clients sent.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use serde_json::Value;
use tokio::sync::broadcast;

use super::{Sandbox, WaitError, state::Stored, transcript::REFUSALS_KEPT};

/// Inbound frames and requests kept.
const LOG_KEPT: usize = 10_000;
/// Bytes kept of one of them, and of all together.
const LOG_TEXT_MAX: usize = 64 * 1024;
const LOG_BYTES_MAX: usize = 16 * 1024 * 1024;

/// A message as the server has it.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct SandboxMessage {
    /// The `_id`.
    pub id: String,
    /// The room's id.
    pub room_id: String,
    /// The text, `msg`.
    pub text: String,
    /// The name of the author.
    pub username: String,
    /// The message that this one answers in a thread.
    pub thread_id: Option<String>,
    /// The whole message; dates are `{"$date": ms}`.
    pub raw: Value,
}

impl SandboxMessage {
    pub(crate) fn new(message: &Stored) -> Self {
        let user = message
            .doc
            .get("u")
            .and_then(|u| u.get("username"))
            .and_then(Value::as_str);
        Self {
            id: message.id.clone(),
            room_id: message.rid.clone(),
            text: message.text("msg").unwrap_or_default().to_owned(),
            username: user.unwrap_or_default().to_owned(),
            thread_id: message.text("tmid").map(str::to_owned),
            raw: Value::Object(message.doc.clone()),
        }
    }
}

/// Something that a client sent.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Inbound {
    /// A frame of the realtime connection with this number.
    Frame {
        /// Counts the realtime connections of this server from 1.
        connection: u64,
        /// The text of the frame; of logins without the parameters.
        text: String,
    },
    /// A REST request.
    Request {
        /// The verb.
        method: String,
        /// Path and query.
        path: String,
        /// The body as text; the bodies of logins are left out.
        body: String,
    },
}

impl Inbound {
    fn bytes(&self) -> usize {
        match self {
            Self::Frame { text, .. } => text.len(),
            Self::Request { method, path, body } => method.len() + path.len() + body.len(),
        }
    }
}

/// A bounded record of what clients sent.
#[derive(Debug, Default)]
pub(crate) struct Log {
    inbound: VecDeque<Inbound>,
    bytes: usize,
    requests: BTreeMap<String, u64>,
    calls: BTreeMap<String, Calls>,
    refusals: VecDeque<String>,
}

/// Calls of one endpoint.
#[derive(Debug, Default)]
struct Calls {
    under_way: usize,
    most: usize,
}

impl Log {
    pub(crate) fn push(&mut self, inbound: Inbound) {
        self.bytes += inbound.bytes();
        self.inbound.push_back(inbound);
        while self.inbound.len() > LOG_KEPT || self.bytes > LOG_BYTES_MAX {
            let Some(oldest) = self.inbound.pop_front() else {
                break;
            };
            self.bytes -= oldest.bytes();
        }
    }

    pub(crate) fn count(&mut self, endpoint: &str) {
        *self.requests.entry(endpoint.to_owned()).or_default() += 1;
    }

    /// A call or a subscription was refused: who asked for what, and why not.
    pub(crate) fn refuse(&mut self, who: Option<&str>, what: &str, why: &str) {
        if self.refusals.len() == REFUSALS_KEPT {
            self.refusals.pop_front();
        }
        let what: String = what.chars().take(100).collect();
        let why: String = why.chars().take(300).collect();
        self.refusals.push_back(format!(
            "{what} of {}: {why}",
            who.unwrap_or("nobody who is logged in")
        ));
    }

    pub(super) fn refusals(&self) -> &VecDeque<String> {
        &self.refusals
    }

    pub(super) fn requests(&self) -> &BTreeMap<String, u64> {
        &self.requests
    }

    pub(crate) fn begin(&mut self, endpoint: &str) {
        let calls = self.calls.entry(endpoint.to_owned()).or_default();
        calls.under_way += 1;
        calls.most = calls.most.max(calls.under_way);
    }

    pub(crate) fn end(&mut self, endpoint: &str) {
        if let Some(calls) = self.calls.get_mut(endpoint) {
            calls.under_way -= 1;
        }
    }
}

/// The beginning of a text, as much as the log keeps.
pub(crate) fn cut(text: &str) -> String {
    let end = (0..=LOG_TEXT_MAX.min(text.len()))
        .rev()
        .find(|at| text.is_char_boundary(*at));
    text[..end.unwrap_or(0)].to_owned()
}

/// New messages of all rooms, from [`Sandbox::subscribe`].
#[derive(Debug)]
pub struct MessageFeed(broadcast::Receiver<SandboxMessage>);

impl MessageFeed {
    /// The next message; `None` when the server is gone. Skips what came too fast for the reader.
    pub async fn next(&mut self) -> Option<SandboxMessage> {
        loop {
            match self.0.recv().await {
                Ok(message) => return Some(message),
                Err(broadcast::error::RecvError::Lagged(_)) => {}
                Err(broadcast::error::RecvError::Closed) => return None,
            }
        }
    }
}

impl Sandbox {
    /// The messages of a room in the order in which they were posted, system messages too.
    pub fn messages(&self, room: &str) -> Vec<SandboxMessage> {
        let state = self.state();
        let Some(rid) = state.find_rid(room) else {
            return Vec::new();
        };
        state.room_messages(&rid).map(SandboxMessage::new).collect()
    }

    /// The id of a room, given by name or id.
    pub fn room_id(&self, room: &str) -> Option<String> {
        self.state().find_rid(room)
    }

    /// The letter of a room's kind, and its name.
    #[cfg(all(feature = "client", feature = "test-util"))]
    pub(crate) fn room_kind(&self, id: &str) -> (Option<&'static str>, Option<String>) {
        let state = self.state();
        let room = state.rooms.get(id);
        (
            room.map(|room| room.kind.letter()),
            room.and_then(|room| room.name.clone()),
        )
    }

    /// One message by its id.
    pub fn message(&self, id: &str) -> Option<SandboxMessage> {
        self.state().messages.get(id).map(SandboxMessage::new)
    }

    /// Every message posted from now on, in any room.
    pub fn subscribe(&self) -> MessageFeed {
        MessageFeed(self.state().feed())
    }

    /// Open realtime connections.
    pub fn connections(&self) -> usize {
        self.state().sessions.len()
    }

    /// The live subscriptions: user id (empty before login), stream and event.
    pub fn subscriptions(&self) -> Vec<(String, String, String)> {
        let state = self.state();
        let all = state.sessions.values().flat_map(|session| {
            let uid = session.uid.clone().unwrap_or_default();
            session
                .subs
                .iter()
                .map(move |sub| (uid.clone(), sub.stream.clone(), sub.event.clone()))
        });
        all.collect()
    }

    /// How often each REST endpoint was called.
    pub fn requests(&self) -> BTreeMap<String, u64> {
        self.state().log.requests.clone()
    }

    /// How many calls of this endpoint were under way at the same time, at most. Calls are short: to see it, make them
    /// [slow](Sandbox::slow_rest).
    pub fn most_calls_at_once(&self, endpoint: &str) -> usize {
        self.state().log.calls.get(endpoint).map_or(0, |calls| calls.most)
    }

    /// How many calls, REST and realtime, were refused by [a limiter](super::SandboxBuilder::rate_limits).
    pub fn refused_by_limits(&self) -> u64 {
        self.state().limits.refused
    }

    /// What clients sent, oldest first; the last 10,000 frames and requests.
    pub fn frames_from_clients(&self) -> Vec<Inbound> {
        self.state().log.inbound.iter().cloned().collect()
    }

    /// Forgets what clients sent so far.
    pub fn forget_frames(&self) {
        let log = &mut self.state().log;
        (log.inbound, log.bytes) = (VecDeque::new(), 0);
    }

    /// Waits until the condition holds. It is asked again whenever something changes in the server.
    ///
    /// # Errors
    ///
    /// [`WaitError`] after `timeout`; its text shows what the server saw.
    pub async fn wait_until(
        &self,
        mut condition: impl FnMut(&Self) -> bool,
        timeout: Duration,
    ) -> Result<(), WaitError> {
        self.wait(|sandbox| condition(sandbox).then_some(()), timeout)
            .await
    }

    /// Waits for a message in any room that fits, old or new.
    ///
    /// # Errors
    ///
    /// [`WaitError`] after `timeout`; its text shows the latest messages.
    pub async fn wait_for(
        &self,
        mut predicate: impl FnMut(&SandboxMessage) -> bool,
        timeout: Duration,
    ) -> Result<SandboxMessage, WaitError> {
        let find = |sandbox: &Self| {
            let rooms: Vec<String> = sandbox.state().rooms.keys().cloned().collect();
            rooms
                .iter()
                .flat_map(|room| sandbox.messages(room))
                .find(&mut predicate)
        };
        self.wait(find, timeout).await
    }

    /// Waits for what somebody else wrote after this message, in its thread or in its room.
    ///
    /// # Errors
    ///
    /// [`WaitError`] after `timeout`; its text shows the latest messages.
    pub async fn wait_for_reply(
        &self,
        message_id: &str,
        timeout: Duration,
    ) -> Result<SandboxMessage, WaitError> {
        let find = |sandbox: &Self| {
            let state = sandbox.state();
            let asked = state.messages.get(message_id)?;
            let mut later = state
                .room_messages(&asked.rid)
                .skip_while(|m| m.id != asked.id)
                .skip(1);
            let thread = asked.text("tmid");
            let reply = later.find(|message| {
                let place = message.text("tmid") == thread || message.text("tmid") == Some(&asked.id);
                place && message.author() != asked.author() && message.text("t").is_none()
            });
            reply.map(SandboxMessage::new)
        };
        self.wait(find, timeout).await
    }

    async fn wait<T>(
        &self,
        mut find: impl FnMut(&Self) -> Option<T>,
        timeout: Duration,
    ) -> Result<T, WaitError> {
        let mut changes = self.state().watch();
        let found = tokio::time::timeout(timeout, async {
            loop {
                changes.mark_unchanged();
                if let Some(found) = find(self) {
                    return found;
                }
                if changes.changed().await.is_err() {
                    // The handle keeps the sender alive, so this waits for the timeout.
                    std::future::pending::<()>().await;
                }
            }
        });
        let found = found.await;
        found.map_err(|_| WaitError {
            after: timeout,
            transcript: self.report(),
        })
    }
}
