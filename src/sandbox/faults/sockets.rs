//! Faults of realtime connections: how they end, or die without an end.

use crate::sandbox::{
    Sandbox, Shared,
    state::{
        State,
        session::{Cut, Outgoing},
    },
};

/// A step of a realtime connection, for [`Sandbox::cut_at`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Step {
    /// The upgrade of HTTP to a websocket.
    Upgrade,
    /// The frame `connect`.
    Connect,
    /// The call of the method `login`.
    Login,
    /// A subscription.
    Subscribe,
    /// A ping of the client.
    Ping,
}

impl Step {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Upgrade => "cut at upgrade",
            Self::Connect => "cut at connect",
            Self::Login => "cut at login",
            Self::Subscribe => "cut at subscribe",
            Self::Ping => "cut at ping",
        }
    }

    /// The step that a frame of a client is.
    pub(crate) fn of(kind: &str, method: Option<&str>) -> Option<Self> {
        match (kind, method) {
            ("connect", _) => Some(Self::Connect),
            ("method", Some("login")) => Some(Self::Login),
            ("sub", _) => Some(Self::Subscribe),
            ("ping", _) => Some(Self::Ping),
            _ => None,
        }
    }
}

impl Sandbox {
    /// Cuts every realtime connection: the client sees the stream end without a close frame.
    pub fn drop_connections(&self) {
        self.shared().cut_all(Cut::Fin);
    }

    /// Cuts every realtime connection with a TCP reset. In memory it is an end of stream.
    pub fn reset_connections(&self) {
        self.shared().cut_all(Cut::Reset);
    }

    /// Closes every realtime connection properly, with code 1000.
    pub fn close_connections(&self) {
        self.shared().close_all();
    }

    /// The next realtime connection that comes to this step ends there, without an answer. Call it three times for
    /// three connections.
    pub fn cut_at(&self, step: Step) {
        self.state().faults.steps.push_back(step);
    }

    /// Sends the first half of a frame to every realtime connection, which then ends: within a character of several
    /// bytes.
    pub fn send_half_frame(&self) {
        self.shared().halve_all();
    }

    /// While on, realtime connections stay open but are dead: nothing is read, sent or answered, no ping either.
    /// Those that are opened meanwhile get no further than the upgrade.
    ///
    /// What was to be sent meanwhile arrives late, when it is switched off.
    pub fn silence(&self, on: bool) {
        self.shared().silence_all(on);
    }
}

impl Shared {
    pub(crate) fn cut_all(&self, how: Cut) {
        let mut state = self.lock();
        for session in state.sessions.values() {
            session.cut(how);
        }
        let name = match how {
            Cut::Fin => "cut by an end of stream",
            Cut::Reset => "cut by a reset",
        };
        count_all(&mut state, name);
    }

    pub(crate) fn close_all(&self) {
        let mut state = self.lock();
        let ids: Vec<u64> = state.sessions.keys().copied().collect();
        count_all(&mut state, "closed");
        for id in ids {
            state.close_session(id);
        }
    }

    pub(crate) fn halve_all(&self) {
        let mut state = self.lock();
        for session in state.sessions.values() {
            session.push(Outgoing::Half);
        }
        count_all(&mut state, "half a frame");
    }

    pub(crate) fn silence_all(&self, on: bool) {
        self.silence.send_replace(on);
        if on {
            count_all(&mut self.lock(), "silence");
        }
    }
}

/// Every connection meets the fault.
fn count_all(state: &mut State, name: &'static str) {
    let connections = state.sessions.len();
    state.faults.count(name, connections);
}
