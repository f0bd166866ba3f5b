//! What a session wants to be done.

use std::fmt;

use super::frame::DdpError;
use crate::event::classify::StreamEvent;
use crate::transport::state::ConnectionState;

/// What a session wants to be done.
#[derive(Debug)]
pub(crate) enum Output {
    /// Send this as a text frame.
    Send(OutgoingText),
    /// The session moved on.
    State(ConnectionState),
    /// When the token expires, in milliseconds since 1970.
    TokenExpires(i64),
    /// Everything is subscribed.
    Ready,
    /// A stream has news.
    Event(StreamEvent),
    /// The session is over; close the socket.
    Close(CloseReason),
}

/// The text of a frame. `Debug` hides it: it may be the login.
pub(crate) struct OutgoingText(pub(crate) String);

impl fmt::Debug for OutgoingText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OutgoingText({} bytes)", self.0.len())
    }
}

/// Why a session ended by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum CloseReason {
    /// Something did not come in time; this is what.
    Timeout(&'static str),
    /// The server wants this version of DDP.
    Version(String),
    /// The token is not accepted.
    TokenRefused(DdpError),
    /// The token belongs to this user and not to the configured one.
    OtherUser(String),
    /// Login failed for a reason that may pass.
    LoginFailed(DdpError),
    /// A stream that we cannot do without was refused, or ended.
    SubscriptionRefused {
        stream: &'static str,
        error: Option<DdpError>,
    },
}
