//! What people see of the bot's account: its presence and its status text.

use serde::{Deserialize, Serialize};

/// Whether somebody is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Status {
    /// There.
    Online,
    /// Not there for the moment.
    Away,
    /// There, and not to be disturbed.
    Busy,
    /// Shown as not there. Servers may forbid it.
    Offline,
}

impl Status {
    /// As the server calls it: `online`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Online => "online",
            Self::Away => "away",
            Self::Busy => "busy",
            Self::Offline => "offline",
        }
    }
}

/// Sets the status of the bot's account, or the text beside its name, or both. It happens in no room, so it may answer any
/// event. Doing it twice is doing it once.
///
/// ```
/// use rocketbotte::{Router, response::{SetStatus, Status}};
///
/// async fn ready() -> SetStatus {
///     SetStatus::to(Status::Online).with_text("ask me for `!help`")
/// }
///
/// let router: Router = Router::new().on_ready(ready);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetStatus {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) status: Option<Status>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) text: Option<String>,
}

impl SetStatus {
    /// Another status; the text stays as it is.
    pub fn to(status: Status) -> Self {
        Self {
            status: Some(status),
            text: None,
        }
    }

    /// Another text; the status stays as it is. An empty one takes it away.
    pub fn text(text: impl Into<String>) -> Self {
        Self {
            status: None,
            text: Some(text.into()),
        }
    }

    /// Another text too.
    #[must_use]
    pub fn with_text(mut self, text: impl Into<String>) -> Self {
        self.text = Some(text.into());
        self
    }

    /// The new status; `None` where it stays as it is.
    pub fn status(&self) -> Option<Status> {
        self.status
    }

    /// The new text; `None` where it stays as it is.
    pub fn content(&self) -> Option<&str> {
        self.text.as_deref()
    }
}
