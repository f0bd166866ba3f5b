//! Faults on demand: broken sockets, silence, limits, errors.

use std::{
    collections::{HashMap, VecDeque},
    time::Duration,
};

use super::{
    Sandbox,
    state::session::{Cut, Outgoing},
};

/// What happens to a REST call instead of the usual.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum RestFault {
    /// 429 with the limiter's headers and body; nothing is done.
    TooManyRequests {
        /// How long the caller is told to wait.
        reset_after: Duration,
    },
    /// This status with the body that the server gives for it; nothing is done.
    Status(u16),
    /// 200 and a page of HTML, as a proxy would answer; nothing is done.
    Html,
    /// The server does what was asked, then the connection ends without an answer.
    LoseReply,
    /// The answer comes, but late.
    Slow(Duration),
    /// The connection ends and nothing was done.
    CloseBeforeActing,
}

/// The faults that are switched on.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    pub(crate) duplicate: bool,
    pub(crate) reorder: bool,
    pub(crate) refuse: bool,
    rest: HashMap<String, VecDeque<RestFault>>,
}

impl Faults {
    /// The next fault for this endpoint, if one is waiting.
    pub(crate) fn take(&mut self, endpoint: &str) -> Option<RestFault> {
        let name = if self.rest.contains_key(endpoint) {
            endpoint
        } else {
            "*"
        };
        let queue = self.rest.get_mut(name)?;
        let fault = queue.pop_front();
        if queue.is_empty() {
            self.rest.remove(name);
        }
        fault
    }
}

impl Sandbox {
    /// Cuts every realtime connection: the client sees the stream end without a close frame.
    pub fn drop_connections(&self) {
        self.cut(Cut::Fin);
    }

    /// Cuts every realtime connection with a TCP reset. In memory it is an end of stream.
    pub fn reset_connections(&self) {
        self.cut(Cut::Reset);
    }

    fn cut(&self, how: Cut) {
        for session in self.state().sessions.values() {
            session.cut(how);
        }
    }

    /// Closes every realtime connection properly, with code 1000.
    pub fn close_connections(&self) {
        let mut state = self.state();
        let ids: Vec<u64> = state.sessions.keys().copied().collect();
        for id in ids {
            state.close_session(id);
        }
    }

    /// While on, new connections are reset as soon as they are made.
    pub fn refuse_connections(&self, on: bool) {
        self.state().faults.refuse = on;
    }

    /// While on, realtime connections stay open but are dead: nothing is read, sent or answered.
    ///
    /// What was to be sent meanwhile arrives late, when it is switched off.
    pub fn silence(&self, on: bool) {
        self.shared().silence.send_replace(on);
    }

    /// Sends this text to every realtime connection as one frame.
    pub fn send_raw(&self, text: &str) {
        for session in self.state().sessions.values() {
            session.push(Outgoing::Frame(text.into()));
        }
    }

    /// Sends the first half of a frame to every realtime connection, which then ends.
    pub fn send_half_frame(&self) {
        for session in self.state().sessions.values() {
            session.push(Outgoing::Half);
        }
    }

    /// While on, every stream frame comes twice.
    pub fn duplicate_frames(&self, on: bool) {
        self.state().faults.duplicate = on;
    }

    /// While on, stream frames come in swapped pairs. The first of a pair waits for the second, or for
    /// any other frame.
    pub fn reorder_frames(&self, on: bool) {
        let mut state = self.state();
        state.faults.reorder = on;
        for session in state.sessions.values_mut() {
            session.release();
        }
    }

    /// The next call of this endpoint (`"chat.sendMessage"`, `"info"` for `/api/info`, or `"*"` for any)
    /// meets the fault. Faults queue up: call it three times for three calls.
    pub fn fail_next(&self, endpoint: &str, fault: RestFault) {
        self.state()
            .faults
            .rest
            .entry(endpoint.to_owned())
            .or_default()
            .push_back(fault);
    }

    /// Forgets the REST faults that were not met yet.
    pub fn clear_faults(&self) {
        self.state().faults.rest.clear();
    }

    /// Takes every token of this user away, as removing a personal access token does: the sockets close
    /// with 1000 and no frame, and the next login is refused with 403.
    pub fn revoke_token(&self, username: &str) {
        let mut state = self.state();
        let tokens: Vec<String> = state
            .user_by_name(username)
            .into_iter()
            .flat_map(|user| user.tokens.iter().map(|token| token.text.clone()))
            .collect();
        for token in tokens {
            state.revoke(&token, None);
        }
    }
}
