//! Where a message was written.

use std::fmt;

use bytestring::ByteString;

use super::RoomId;
use super::wire::WireRoom;

/// The kind of a room, which the server writes as one letter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RoomKind {
    /// A public channel (`c`), also a public discussion or team.
    Channel,
    /// A private group (`p`), also a private discussion or team.
    Private,
    /// A direct conversation of two or more people (`d`).
    Direct,
    /// A livechat room (`l`), or another omnichannel kind.
    Livechat,
    /// The server did not say, or said something that this version does not know.
    #[default]
    Unknown,
}

impl RoomKind {
    pub(crate) fn from_letter(letter: Option<&str>) -> Self {
        match letter {
            Some("c") => Self::Channel,
            Some("p") => Self::Private,
            Some("d") => Self::Direct,
            Some("l" | "v") => Self::Livechat,
            _ => Self::Unknown,
        }
    }

    /// The letter that the server writes, empty for [`RoomKind::Unknown`].
    pub const fn letter(self) -> &'static str {
        match self {
            Self::Channel => "c",
            Self::Private => "p",
            Self::Direct => "d",
            Self::Livechat => "l",
            Self::Unknown => "",
        }
    }
}

impl fmt::Display for RoomKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Channel => "channel",
            Self::Private => "private group",
            Self::Direct => "direct conversation",
            Self::Livechat => "livechat",
            Self::Unknown => "unknown",
        })
    }
}

/// A room as an event names it.
///
/// ```
/// use rocketbotte::event::{Room, RoomKind};
///
/// let general = Room::new("GENERAL", RoomKind::Channel).with_name("general");
/// assert_eq!(general.name(), Some("general"));
/// assert!(!general.is_direct());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Room {
    id: RoomId,
    kind: RoomKind,
    name: Option<ByteString>,
    is_member: bool,
}

impl Room {
    /// A room that the bot is a member of.
    pub fn new(id: impl Into<RoomId>, kind: RoomKind) -> Self {
        Self {
            id: id.into(),
            kind,
            name: None,
            is_member: true,
        }
    }

    /// Adds the name.
    #[must_use]
    pub fn with_name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(ByteString::from(name.into()));
        self
    }

    /// The id.
    pub fn id(&self) -> &RoomId {
        &self.id
    }

    /// The kind.
    pub fn kind(&self) -> RoomKind {
        self.kind
    }

    /// The name, without `#`. Direct conversations have none.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// Whether this is a direct conversation. A conversation of three people is one too.
    pub fn is_direct(&self) -> bool {
        self.kind == RoomKind::Direct
    }

    /// Whether the bot is a member: the server also sends the messages of public channels that it could join.
    pub fn is_member(&self) -> bool {
        self.is_member
    }

    /// Says whether the bot is a member.
    #[cfg(feature = "test-util")]
    pub(crate) fn joined(mut self, is_member: bool) -> Self {
        self.is_member = is_member;
        self
    }

    pub(crate) fn from_wire(id: RoomId, wire: &WireRoom<'_>, frame: &ByteString) -> Self {
        Self {
            id,
            kind: RoomKind::from_letter(wire.kind.as_str()),
            name: wire.name.share(frame),
            // Some versions left the second argument out; only an explicit `false` means "not joined".
            is_member: wire.participant != super::wire::Shape::Bool(false),
        }
    }
}
