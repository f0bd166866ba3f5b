//! Whom and which rooms a message mentions.

use serde_json::Value;

use super::rare::{object_text, text};
use super::{RoomId, TeamId, User};

/// Somebody, or a group of people, that a message mentions.
///
/// ```
/// use rocketbotte::event::{Mention, Message};
///
/// let json = r#"{"_id":"m1","rid":"GENERAL","msg":"@here @ann","mentions":[
///     {"_id":"here","username":"here"},{"_id":"uA","username":"ann","name":"Ann","type":"user"}]}"#;
/// let message = Message::from_json(json)?;
/// assert_eq!(message.mentions()[0], Mention::Here);
/// assert!(matches!(&message.mentions()[1], Mention::User(user) if user.username() == "ann"));
/// # Ok::<_, rocketbotte::event::MessageError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Mention {
    /// One person.
    User(User),
    /// `@all`: everybody in the room.
    All,
    /// `@here`: everybody in the room who is online.
    Here,
    /// A team, whose members are meant.
    Team {
        /// The team's id.
        id: TeamId,
        /// Its name, where the server sends it.
        name: Option<String>,
    },
}

impl Mention {
    /// `None` for what names nobody.
    pub(super) fn read(value: &Value) -> Option<Self> {
        let id = object_text(value, "_id")?;
        let username = object_text(value, "username");
        let name = object_text(value, "name").or_else(|| object_text(value, "fname"));
        Some(match &*id {
            "all" => Self::All,
            "here" => Self::Here,
            _ if text(value, "type") == Some("team") => Self::Team {
                id: id.into(),
                name: name.or(username),
            },
            _ => {
                let user = User::new(id, username.unwrap_or_default());
                Self::User(match name {
                    Some(name) => user.with_name(name),
                    None => user,
                })
            }
        })
    }

    /// The person, where it is one.
    pub fn user(&self) -> Option<&User> {
        match self {
            Self::User(user) => Some(user),
            _ => None,
        }
    }
}

/// A room that a message mentions: `#general`.
///
/// ```
/// use rocketbotte::event::Message;
///
/// let json = r##"{"_id":"m1","rid":"GENERAL","msg":"see #dev","channels":[{"_id":"r1","name":"dev"}]}"##;
/// assert_eq!(Message::from_json(json)?.channels()[0].name.as_deref(), Some("dev"));
/// # Ok::<_, rocketbotte::event::MessageError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ChannelMention {
    /// The room.
    pub room_id: RoomId,
    /// Its name, without `#`.
    pub name: Option<String>,
    /// Its name as shown.
    pub display_name: Option<String>,
}

impl ChannelMention {
    pub(super) fn read(value: &Value) -> Option<Self> {
        Some(Self {
            room_id: RoomId::from(object_text(value, "_id")?),
            name: object_text(value, "name"),
            display_name: object_text(value, "fname"),
        })
    }
}
