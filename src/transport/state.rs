//! The state of the connection.

use std::fmt;

/// Where a connection stands. Shown with the names that the Python library used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
#[non_exhaustive]
pub enum ConnectionState {
    /// No connection: not begun, or waiting for the next attempt.
    #[default]
    Off,
    /// The server answered; the bot is not logged in yet.
    Connected,
    /// Logged in.
    LoggedIn,
    /// Asking for the streams.
    Subscribing,
    /// Events arrive.
    Ready,
    /// Stopping: no new events, replies still go out.
    Closing,
    /// Ended for good.
    Closed,
}

impl fmt::Display for ConnectionState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Off => "OFF",
            Self::Connected => "CONNECTED",
            Self::LoggedIn => "LOGGED",
            // The spelling of the Python library.
            Self::Subscribing => "SUSCRIBING",
            Self::Ready => "READY",
            Self::Closing => "CLOSING",
            Self::Closed => "CLOSED",
        })
    }
}
