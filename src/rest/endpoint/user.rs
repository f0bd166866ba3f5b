//! Calls about users: who they are, whether they are there, and the bot's own status.

use std::time::Duration;

use http::Method;
use serde::{Deserialize, Deserializer, Serialize};

use super::kind::endpoints;
use super::{Done, Endpoint, RateLimit, lenient};
use crate::event::{Timestamp, UserId};
use crate::response;
use crate::rest::Version;

/// A user in a reply of the REST API.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct RestUser {
    /// The user id.
    #[serde(rename = "_id")]
    pub id: UserId,
    /// The user name.
    #[serde(default, deserialize_with = "lenient::value")]
    pub username: Option<String>,
    /// The name shown.
    #[serde(default, deserialize_with = "lenient::value")]
    pub name: Option<String>,
    /// Whether the user is there, where the reply says it.
    #[serde(default, deserialize_with = "lenient::value")]
    pub status: Option<Presence>,
    /// What the user says about it.
    #[serde(default, deserialize_with = "lenient::value")]
    pub status_text: Option<String>,
    /// The global roles, such as `admin`. Only [`UserInfo`] tells them, to who has the permission
    /// `view-full-other-user-info`, and of oneself.
    #[serde(default, deserialize_with = "lenient::value")]
    pub roles: Option<Vec<String>>,
    /// `user`, `bot` or `app`.
    #[serde(rename = "type", default, deserialize_with = "lenient::value")]
    pub kind: Option<String>,
    /// Whether the account may log in.
    #[serde(rename = "active", default, deserialize_with = "lenient::value")]
    pub is_active: Option<bool>,
    /// Hours ahead of UTC.
    #[serde(default, deserialize_with = "lenient::value")]
    pub utc_offset: Option<f64>,
    /// When the account was made.
    #[serde(default, deserialize_with = "lenient::date")]
    pub created_at: Option<Timestamp>,
    /// When it last logged in, where the reply says it.
    #[serde(default, deserialize_with = "lenient::date")]
    pub last_login: Option<Timestamp>,
}

/// Whether somebody is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Presence {
    /// There.
    Online,
    /// Connected, and idle for a while.
    Away,
    /// There, and not to be disturbed.
    Busy,
    /// Not connected, or wants to look so.
    Offline,
    /// A word that this version does not know. The server refuses it as a status to set.
    #[default]
    Unknown,
}

impl<'de> Deserialize<'de> for Presence {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Ok(match text.as_str() {
            "online" => Self::Online,
            "away" => Self::Away,
            "busy" => Self::Busy,
            "offline" => Self::Offline,
            _ => Self::Unknown,
        })
    }
}

/// `GET users.info`: a user by id or by name.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum UserInfo {
    /// By id.
    UserId(UserId),
    /// By user name, without an `@`.
    Username(String),
}

/// Reply with a user.
#[derive(Debug, Clone, Deserialize)]
#[non_exhaustive]
pub struct UserReply {
    /// The user.
    pub user: RestUser,
}

impl Endpoint for UserInfo {
    const METHOD: Method = Method::GET;
    const PATH: &'static str = "users.info";
    const IDEMPOTENT: bool = true;
    // Old servers send the account's own password hash.
    const SENSITIVE: bool = true;
    type Reply = UserReply;
}

/// `GET users.list`: all users, for accounts that may see them. One page: [`Client::users`](crate::rest::Client::users) goes
/// through all.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Users {
    /// How many to leave out.
    pub offset: usize,
    /// How many at most; servers send a hundred at most.
    pub count: usize,
}

/// A page of users. An answer without them is none.
#[derive(Debug, Clone, Deserialize)]
#[non_exhaustive]
pub struct UsersReply {
    /// The users.
    #[serde(alias = "members", deserialize_with = "lenient::the_list")]
    pub users: Vec<RestUser>,
    /// How many there are on all pages.
    #[serde(default, deserialize_with = "lenient::count")]
    pub total: Option<u64>,
}

impl Endpoint for Users {
    const METHOD: Method = Method::GET;
    const PATH: &'static str = "users.list";
    const IDEMPOTENT: bool = true;
    // For an administrator the list holds what others must not see.
    const SENSITIVE: bool = true;
    type Reply = UsersReply;
}

/// `GET users.getPresence`: whether a user is there.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum UserPresence {
    /// By id.
    UserId(UserId),
    /// By user name.
    Username(String),
}

/// Reply to [`UserPresence`].
#[derive(Debug, Clone, Copy, Deserialize)]
#[non_exhaustive]
pub struct PresenceReply {
    /// Whether the user is there.
    #[serde(default, deserialize_with = "lenient::value")]
    pub presence: Presence,
}

/// `GET users.getStatus`: whether a user is there, and what the user says about it.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum UserStatus {
    /// By id.
    UserId(UserId),
    /// By user name.
    Username(String),
}

/// Reply to [`UserStatus`].
#[derive(Debug, Clone, Deserialize)]
#[non_exhaustive]
pub struct StatusReply {
    /// Whose it is.
    #[serde(rename = "_id", default, deserialize_with = "lenient::value")]
    pub user_id: Option<UserId>,
    /// Whether the user is there.
    #[serde(default, deserialize_with = "lenient::value")]
    pub status: Presence,
    /// What the user says about it; empty where nothing.
    #[serde(default, deserialize_with = "lenient::value")]
    pub message: String,
}

/// `GET users.presence`: whether several users are there.
#[derive(Debug, Clone, Serialize)]
pub struct Presences {
    ids: String,
}

impl Presences {
    /// Of these users.
    pub fn of<'a>(users: impl IntoIterator<Item = &'a UserId>) -> Self {
        let ids: Vec<&str> = users.into_iter().map(UserId::as_str).collect();
        Self { ids: ids.join(",") }
    }
}

endpoints! {
    UserPresence: GET "users.getPresence", again, PresenceReply;
    UserStatus: GET "users.getStatus", again, StatusReply;
    Presences: GET "users.presence", again, UsersReply;
}

/// `POST users.setStatus`: the bot's own status and what it says about it.
///
/// ```no_run
/// # async fn example(client: rocketbotte::rest::Client) -> Result<(), rocketbotte::rest::RestError> {
/// use rocketbotte::rest::endpoint::{Presence, SetStatus};
///
/// client.call(&SetStatus::new(Presence::Busy).with_text("deploying")).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Serialize)]
pub struct SetStatus {
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<Presence>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
}

impl SetStatus {
    /// This status; what was said about it stays.
    pub fn new(status: Presence) -> Self {
        Self {
            status: Some(status),
            message: None,
        }
    }

    /// This text; the status stays.
    pub fn text(text: impl Into<String>) -> Self {
        Self {
            status: None,
            message: Some(text.into()),
        }
    }

    /// With this text; an empty one takes away what was said.
    #[must_use]
    pub fn with_text(mut self, text: impl Into<String>) -> Self {
        self.message = Some(text.into());
        self
    }
}

impl From<response::SetStatus> for SetStatus {
    fn from(action: response::SetStatus) -> Self {
        Self {
            status: action.status.map(Presence::from),
            message: action.text,
        }
    }
}

impl From<response::Status> for Presence {
    fn from(status: response::Status) -> Self {
        match status {
            response::Status::Online => Self::Online,
            response::Status::Away => Self::Away,
            response::Status::Busy => Self::Busy,
            response::Status::Offline => Self::Offline,
        }
    }
}

impl Endpoint for SetStatus {
    const METHOD: Method = Method::POST;
    const PATH: &'static str = "users.setStatus";
    const IDEMPOTENT: bool = true;
    const LIMIT: RateLimit = RateLimit::new(5, Duration::from_secs(60)).since(Version::new(8, 0));
    type Reply = Done;
}
