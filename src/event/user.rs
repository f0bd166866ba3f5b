//! Who wrote a message.

use bytestring::ByteString;

use super::UserId;
use super::wire::WireUser;

/// A user as a message names it.
///
/// ```
/// use rocketbotte::event::User;
///
/// let ann = User::new("uA", "ann");
/// assert_eq!(ann.mention(), "@ann");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct User {
    id: UserId,
    username: ByteString,
    name: Option<ByteString>,
}

impl User {
    /// A user with an id and a user name.
    pub fn new(id: impl Into<UserId>, username: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            username: ByteString::from(username.into()),
            name: None,
        }
    }

    /// Adds the display name.
    #[must_use]
    pub fn with_name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(ByteString::from(name.into()));
        self
    }

    /// The id, which is the user's identity.
    pub fn id(&self) -> &UserId {
        &self.id
    }

    /// The user name, without `@`. Empty for a deleted user or a livechat guest.
    pub fn username(&self) -> &str {
        &self.username
    }

    /// The display name, where the server sends it.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// The text that mentions this user: `@ann`.
    pub fn mention(&self) -> String {
        format!("@{}", self.username)
    }

    pub(crate) fn from_wire(wire: &WireUser<'_>, frame: &ByteString) -> Self {
        Self {
            id: UserId::from_slice(wire.id.share(frame).unwrap_or_default()),
            username: wire.username.share(frame).unwrap_or_default(),
            name: wire.name.share(frame),
        }
    }
}
