//! One DDP session as a state machine without sockets: frames and the time go in, what to do comes out.

use std::collections::VecDeque;
use std::time::Duration;

use bytestring::ByteString;
use tokio::time::Instant;

use super::frame::{DdpError, Framing, Inbound};
use super::outbound::{Outbound, Params, Resume, Thread};
use super::output::{CloseReason, OutgoingText, Output};
use super::rooms::{self, RoomSubscriptions};
use super::subscription::{Reply, Subscriptions};
use super::typing::TypingCalls;
use crate::event::UserId;
use crate::event::classify::StreamEvent;
use crate::excerpt::excerpt;
use crate::secret::Secret;
use crate::transport::PerRoom;
use crate::transport::state::ConnectionState;

/// The server has to answer `connect` within this time.
const CONNECT_DEADLINE: Duration = Duration::from_secs(15);
/// The result of `login` has to come within this time.
const LOGIN_DEADLINE: Duration = Duration::from_secs(30);
/// Every subscription has to be ready within this time. Servers may slow down what is over a limit.
const SUBSCRIBE_DEADLINE: Duration = Duration::from_secs(45);
/// Proxies cut connections that are idle for a minute, and servers show silent users as offline.
const PING_EVERY: Duration = Duration::from_secs(20);
/// Without any frame for this long the connection is dead.
const SILENCE: Duration = Duration::from_secs(60);
/// When a limit does not say how long it lasts.
const DEFAULT_LIMIT: Duration = Duration::from_secs(10);
/// Longest time that a limit is waited for.
const MAX_LIMIT: Duration = Duration::from_secs(120);
/// Events kept back until the session is ready, so that `Ready` comes first. More than that pass at once.
const MAX_HELD: usize = 256;

/// What a session needs to know.
#[derive(Debug, Clone)]
pub(crate) struct SessionConfig {
    pub(crate) user_id: UserId,
    pub(crate) token: Secret,
    pub(crate) per_room: PerRoom,
    /// Whether the server tells of typing as one activity among others: from version 4 on.
    pub(crate) has_activity: bool,
}

#[derive(Debug)]
pub(crate) struct Session {
    config: SessionConfig,
    phase: Phase,
    outputs: VecDeque<Output>,
    held: VecDeque<StreamEvent>,
    subscriptions: Subscriptions,
    rooms: RoomSubscriptions,
    typing: TypingCalls,
    next_id: u64,
    last_frame: Instant,
    next_ping: Instant,
}

#[derive(Debug)]
enum Phase {
    Connecting {
        until: Instant,
    },
    LoggingIn {
        id: u64,
        until: Instant,
    },
    /// Login was over a limit.
    LoginPaused {
        until: Instant,
    },
    Subscribing,
    Ready,
    Closed,
}

impl Session {
    /// Begins a session: the first output is the `connect` frame.
    pub(crate) fn new(config: SessionConfig, now: Instant) -> Self {
        let mut session = Self {
            subscriptions: Subscriptions::new(config.user_id.as_str()),
            rooms: RoomSubscriptions::new(config.per_room, config.has_activity),
            config,
            phase: Phase::Connecting {
                until: now + CONNECT_DEADLINE,
            },
            outputs: VecDeque::new(),
            held: VecDeque::new(),
            typing: TypingCalls::default(),
            next_id: 1,
            last_frame: now,
            next_ping: now + PING_EVERY,
        };
        session.send(&Outbound::CONNECT);
        session
    }

    /// The next thing to do, until there is none.
    pub(crate) fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Anything arrived on the socket, also what is no text: the connection lives.
    pub(crate) fn alive(&mut self, now: Instant) {
        self.last_frame = now;
    }

    /// A text frame arrived.
    pub(crate) fn handle(&mut self, text: &ByteString, now: Instant) {
        self.alive(now);
        match Framing::of(text) {
            Framing::Plain => self.handle_frame(text, now),
            Framing::Packed(frames) => {
                for frame in frames {
                    self.handle_frame(&frame.into(), now);
                }
            }
            Framing::Nothing => {}
        }
    }

    fn handle_frame(&mut self, text: &ByteString, now: Instant) {
        match Inbound::parse(text) {
            Inbound::Ping { id } => self.send(&Outbound::Pong { id: id.as_deref() }),
            Inbound::Connected => self.on_connected(now),
            Inbound::Failed { version } => self.close(CloseReason::Version(excerpt(&version, 20))),
            Inbound::Result { id, error, result } => self.on_result(&id, error, result, now),
            Inbound::Ready { subs } => {
                for id in subs {
                    self.subscriptions.on_ready(&id);
                    if let Ok(id) = id.parse() {
                        self.rooms.on_ready(id);
                    }
                }
                self.check_ready();
            }
            Inbound::NoSub { id, error } => self.on_nosub(&id, error, now),
            Inbound::Changed {
                collection,
                event_name,
                args,
            } => {
                self.on_event(StreamEvent {
                    collection: slice(text, &collection),
                    event_name: slice(text, &event_name),
                    args: slice(text, args),
                });
            }
            Inbound::Error { reason } => {
                tracing::warn!(
                    reason = excerpt(&reason, 200),
                    "the server did not understand a frame"
                );
            }
            Inbound::Ignored => {}
        }
    }

    /// When [`handle_timeout`](Self::handle_timeout) is due.
    pub(crate) fn next_timeout(&self) -> Option<Instant> {
        let phase = match self.phase {
            Phase::Closed => return None,
            Phase::Connecting { until } | Phase::LoggingIn { until, .. } | Phase::LoginPaused { until } => {
                Some(until)
            }
            Phase::Subscribing => self.subscriptions.next_timeout(),
            Phase::Ready => {
                let timeouts = [self.subscriptions.next_timeout(), self.rooms.next_timeout()];
                timeouts.into_iter().flatten().min()
            }
        };
        let heartbeat = self.next_ping.min(self.last_frame + SILENCE);
        Some(phase.map_or(heartbeat, |phase| phase.min(heartbeat)))
    }

    /// Does what is due at `now`.
    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        if now >= self.last_frame + SILENCE {
            return self.close(CloseReason::Timeout("any frame within 60 s"));
        }
        match self.phase {
            Phase::Closed => return,
            Phase::Connecting { until } if now >= until => {
                return self.close(CloseReason::Timeout("an answer to connect within 15 s"));
            }
            Phase::LoggingIn { until, .. } if now >= until => {
                return self.close(CloseReason::Timeout("the result of the login within 30 s"));
            }
            Phase::LoginPaused { until } if now >= until => self.login(now),
            Phase::Subscribing | Phase::Ready => {
                while let Some(overdue) = self.subscriptions.next_overdue(now) {
                    if self.give_up(&overdue, "no answer within 45 s") {
                        return self.close(CloseReason::Timeout("an answer to a subscription within 45 s"));
                    }
                }
                self.subscribe(now);
                if self.rooms.on_timeout(now) {
                    tracing::warn!(
                        "subscriptions of single rooms were not answered within 45 s: they are given up"
                    );
                }
                self.subscribe_rooms(now);
            }
            _ => {}
        }
        // No pings before the handshake is done: servers refuse them.
        if now >= self.next_ping {
            self.next_ping = now + PING_EVERY;
            if !matches!(self.phase, Phase::Connecting { .. }) {
                let id = self.fresh_id().to_string();
                self.send(&Outbound::Ping { id: &id });
            }
        }
    }

    /// Shows the bot as typing in a room, or no longer. Best effort: dropped when the session is not ready, where it
    /// would change nothing, and where it would be over the server's limit.
    pub(crate) fn typing(
        &mut self,
        room: &str,
        thread: Option<&str>,
        name: &str,
        on: bool,
        now: Instant,
    ) -> bool {
        let id = self.next_id;
        if !matches!(self.phase, Phase::Ready) || !self.typing.may_send(id, room, thread, on, now) {
            return false;
        }
        self.next_id += 1;
        let event = format!("{room}/user-activity");
        let activities: &[&str] = if on { &["user-typing"] } else { &[] };
        self.send(&Outbound::Method {
            id: &id.to_string(),
            method: "stream-notify-room",
            params: Params::Activity(&event, name, activities, Thread { tmid: thread }),
        });
        true
    }

    /// The bot is in this room: what is wanted of single rooms is subscribed to. `anew` where it came into it just now.
    pub(crate) fn add_room(&mut self, room: &str, anew: bool, now: Instant) {
        self.rooms.add(room, anew, now);
        self.subscribe_rooms(now);
    }

    /// The bot is not in this room any more.
    pub(crate) fn remove_room(&mut self, room: &str) {
        for id in self.rooms.remove(room) {
            self.send(&Outbound::Unsub { id: &id.to_string() });
        }
    }

    /// Sends the subscriptions of single rooms that may be sent now.
    fn subscribe_rooms(&mut self, now: Instant) {
        if !matches!(self.phase, Phase::Ready) {
            return;
        }
        while let Some(due) = self.rooms.next_due(self.next_id, now) {
            let id = self.fresh_id().to_string();
            self.send(&Outbound::Sub {
                id: &id,
                name: rooms::STREAM,
                params: (&due.event, false),
            });
        }
    }

    fn on_connected(&mut self, now: Instant) {
        if matches!(self.phase, Phase::Connecting { .. }) {
            self.outputs.push_back(Output::State(ConnectionState::Connected));
            self.login(now);
        }
    }

    fn login(&mut self, now: Instant) {
        let id = self.fresh_id();
        self.phase = Phase::LoggingIn {
            id,
            until: now + LOGIN_DEADLINE,
        };
        let text = Outbound::Method {
            id: &id.to_string(),
            method: "login",
            params: Params::Login([Resume {
                resume: self.config.token.expose(),
            }]),
        }
        .to_json();
        self.outputs.push_back(Output::Send(OutgoingText(text)));
    }

    fn on_result(&mut self, id: &str, error: Option<DdpError>, result: Option<&str>, now: Instant) {
        let Ok(id) = id.parse::<u64>() else { return };
        if let Phase::LoggingIn { id: login, .. } = self.phase
            && login == id
        {
            return self.on_login(error, result, now);
        }
        if self.typing.ended(id)
            && let Some(error) = error
        {
            tracing::debug!(%error, "a typing notification was refused");
            if error.is_too_many_requests() {
                self.typing.pause(now + limit(&error));
            }
        }
    }

    fn on_login(&mut self, error: Option<DdpError>, result: Option<&str>, now: Instant) {
        if let Some(error) = error {
            if error.is_too_many_requests() {
                let wait = limit(&error);
                tracing::warn!(?wait, "login is over the server's limit, it is tried again");
                self.phase = Phase::LoginPaused { until: now + wait };
                return;
            }
            return self.close(match is_refusal(&error) {
                true => CloseReason::TokenRefused(error),
                false => CloseReason::LoginFailed(error),
            });
        }
        #[derive(serde::Deserialize)]
        struct LoginResult {
            id: String,
            /// A date, nothing, or a date of nothing.
            #[serde(rename = "tokenExpires")]
            token_expires: Option<serde_json::Value>,
        }
        let result = result.and_then(|result| serde_json::from_str::<LoginResult>(result).ok());
        let (id, expires) = match result {
            Some(login) => (Some(login.id), login.token_expires),
            None => (None, None),
        };
        if let Some(id) = id
            && self.config.user_id != *id.as_str()
        {
            return self.close(CloseReason::OtherUser(excerpt(&id, 40)));
        }
        self.phase = Phase::Subscribing;
        let expires = expires.as_ref().and_then(|date| date.get("$date")?.as_i64());
        self.outputs.extend(expires.map(Output::TokenExpires));
        self.outputs.push_back(Output::State(ConnectionState::LoggedIn));
        self.outputs
            .push_back(Output::State(ConnectionState::Subscribing));
        self.subscribe(now);
    }

    /// Sends every subscription that is due: new, or held back by a limit that has ended.
    fn subscribe(&mut self, now: Instant) {
        while let Some(index) = self.subscriptions.next_due(now) {
            let id = self.fresh_id().to_string();
            let (name, event) = self.subscriptions.sent(index, &id, now + SUBSCRIBE_DEADLINE);
            let frame = Outbound::Sub {
                id: &id,
                name,
                params: (event, false),
            }
            .to_json();
            self.outputs.push_back(Output::Send(OutgoingText(frame)));
        }
    }

    fn on_nosub(&mut self, id: &str, error: Option<DdpError>, now: Instant) {
        let retry = error
            .as_ref()
            .filter(|error| error.is_too_many_requests())
            .map(|error| now + limit(error));
        if let Ok(number) = id.parse()
            && self.rooms.on_nosub(number, retry, now)
        {
            // A room that the bot may not read, or is not in any more: nothing else is concerned.
            tracing::debug!(
                error = error.map(tracing::field::display),
                "no subscription of a single room"
            );
            return;
        }
        match self.subscriptions.on_nosub(id, retry) {
            Reply::Unknown => {}
            Reply::Retry(stream) => {
                tracing::warn!(
                    stream,
                    "a subscription is over the server's limit, it is tried again"
                );
                self.check_ready();
            }
            lost @ Reply::Lost { stream, .. } => {
                let reason = error
                    .as_ref()
                    .map_or_else(|| "no reason given".to_owned(), ToString::to_string);
                if self.give_up(&lost, &reason) {
                    self.close(CloseReason::SubscriptionRefused { stream, error });
                }
            }
        }
    }

    /// Goes on without a subscription; whether that is not possible.
    fn give_up(&mut self, lost: &Reply, reason: &str) -> bool {
        match lost {
            Reply::Lost { required: true, .. } => return true,
            Reply::Lost { stream, .. } => {
                tracing::warn!(
                    stream,
                    reason,
                    "no subscription: the bot runs without these events"
                );
                self.check_ready();
            }
            Reply::Unknown | Reply::Retry(_) => {}
        }
        false
    }

    fn check_ready(&mut self) {
        if matches!(self.phase, Phase::Subscribing) && self.subscriptions.all_settled() {
            self.phase = Phase::Ready;
            self.outputs.push_back(Output::State(ConnectionState::Ready));
            self.outputs.push_back(Output::Ready);
            self.outputs.extend(self.held.drain(..).map(Output::Event));
        }
    }

    fn on_event(&mut self, event: StreamEvent) {
        match self.phase {
            Phase::Subscribing if self.held.len() < MAX_HELD => self.held.push_back(event),
            Phase::Closed => {}
            _ => {
                self.outputs.extend(self.held.drain(..).map(Output::Event));
                self.outputs.push_back(Output::Event(event));
            }
        }
    }

    fn close(&mut self, reason: CloseReason) {
        if !matches!(self.phase, Phase::Closed) {
            self.phase = Phase::Closed;
            self.outputs.push_back(Output::Close(reason));
        }
    }

    fn send(&mut self, frame: &Outbound<'_>) {
        self.outputs
            .push_back(Output::Send(OutgoingText(frame.to_json())));
    }

    fn fresh_id(&mut self) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        id
    }
}

/// Whether only a person can cure it: the token, the account or the way to log in. All else may be the server's own
/// trouble, and a block by address or by attempts ends by itself.
fn is_refusal(error: &DdpError) -> bool {
    let code = error.code.as_str();
    matches!(
        code,
        "400" | "401" | "403" | "error-user-is-not-activated" | "error-app-user-is-not-allowed-to-login"
    ) || code.starts_with("totp-")
}

fn limit(error: &DdpError) -> Duration {
    error.time_to_reset.unwrap_or(DEFAULT_LIMIT).min(MAX_LIMIT)
}

/// `part` without a copy if it lies in `frame`; it does unless it had escapes.
fn slice(frame: &ByteString, part: &str) -> ByteString {
    let inside = frame.as_bytes().as_ptr_range();
    if part.as_bytes().as_ptr_range().start >= inside.start
        && part.as_bytes().as_ptr_range().end <= inside.end
    {
        frame.slice_ref(part)
    } else {
        ByteString::from(part)
    }
}

#[cfg(test)]
mod tests;
