//! Faults of REST calls.

use std::time::Duration;

use super::Reorder;
use crate::sandbox::{Sandbox, Shared};

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
    /// This status with a page of HTML, as a proxy answers for a server that it cannot reach; nothing is done.
    Proxy(u16),
    /// This status with this body of JSON, as something in the server's place may answer; nothing is done.
    Body(u16, String),
    /// 200 and a page of HTML, as a proxy would answer; nothing is done.
    Html,
    /// The server does what was asked, then the connection ends without an answer.
    LoseReply,
    /// The server does what was asked, then the connection ends in the middle of the answer.
    HalfReply,
    /// The answer comes, but late.
    Slow(Duration),
    /// The connection ends and nothing was done.
    CloseBeforeActing,
    /// The connection ends in the middle of the body of the request, and nothing was done. For a call with no body it is
    /// the same as [`CloseBeforeActing`](Self::CloseBeforeActing).
    CloseWhileReading,
    /// 302 to this address, as for a file that lies in a storage.
    Redirect(String),
}

impl RestFault {
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::TooManyRequests { .. } => "429",
            Self::Status(_) => "status",
            Self::Proxy(_) => "page of a proxy",
            Self::Body(..) => "body of another",
            Self::Html => "page with 200",
            Self::LoseReply => "reply lost",
            Self::HalfReply => "half a reply",
            Self::Slow(_) => "slow call",
            Self::CloseBeforeActing => "call lost",
            Self::CloseWhileReading => "half a call",
            Self::Redirect(_) => "redirect",
        }
    }
}

impl Sandbox {
    /// The next call of this endpoint (`"chat.sendMessage"`, `"info"` for `/api/info`, `"file-upload"` for a download, or
    /// `"*"` for any) meets the fault. Faults queue up: call it three times for three calls.
    pub fn fail_next(&self, endpoint: &str, fault: RestFault) {
        self.fail_next_calls(endpoint, 1, fault);
    }

    /// So many calls of this endpoint meet the fault, behind those that wait already.
    pub fn fail_next_calls(&self, endpoint: &str, calls: usize, fault: RestFault) {
        let mut state = self.state();
        let waiting = state.faults.rest.entry(endpoint.to_owned()).or_default();
        waiting.extend(std::iter::repeat_n(fault, calls));
        if waiting.is_empty() {
            state.faults.rest.remove(endpoint);
        }
    }

    /// Every call takes this long, until it is set to zero.
    pub fn slow_rest(&self, delay: Duration) {
        self.state().faults.slow = delay;
    }

    /// Ends all faults that are switched on, and forgets those that were not met yet, of calls and of
    /// [steps](Self::cut_at). A server that [is down](Self::go_down) stays down.
    pub fn clear_faults(&self) {
        self.shared().clear_faults();
    }
}

impl Shared {
    pub(crate) fn clear_faults(&self) {
        self.silence_all(false);
        let mut state = self.lock();
        state.faults.rest.clear();
        state.faults.steps.clear();
        (state.faults.duplicate, state.faults.lose, state.faults.refuse) = (false, false, false);
        state.faults.slow = Duration::ZERO;
        state.reorder(Reorder::Off);
    }
}
