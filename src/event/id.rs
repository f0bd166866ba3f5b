//! Ids as newtypes, so that a room's can not be passed where a message's belongs.

use std::fmt;

use bytestring::ByteString;
use serde::{Deserialize, Serialize};

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(ByteString);

        impl $name {
            /// The id as the server writes it.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl From<&str> for $name {
            fn from(id: &str) -> Self {
                Self(ByteString::from(id))
            }
        }

        impl From<String> for $name {
            fn from(id: String) -> Self {
                Self(ByteString::from(id))
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl PartialEq<str> for $name {
            fn eq(&self, other: &str) -> bool {
                self.as_str() == other
            }
        }

        impl PartialEq<&str> for $name {
            fn eq(&self, other: &&str) -> bool {
                self.as_str() == *other
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(self.as_str(), f)
            }
        }
    };
}

id! {
    /// The `_id` of a message.
    ///
    /// ```
    /// use rocketbotte::event::MessageId;
    ///
    /// let id = MessageId::from("7fPq2mKcXw3nTzR9d");
    /// assert_eq!(id.as_str(), "7fPq2mKcXw3nTzR9d");
    /// ```
    MessageId
}

id! {
    /// The `_id` of a room: a channel, a private group, a direct conversation or a discussion.
    ///
    /// ```
    /// use rocketbotte::event::RoomId;
    ///
    /// assert_eq!(RoomId::from("GENERAL"), "GENERAL");
    /// ```
    RoomId
}

id! {
    /// The `_id` of a user. Identity is this id, never the user name or the alias: any user may set an alias.
    ///
    /// ```
    /// use rocketbotte::event::UserId;
    ///
    /// assert_eq!(UserId::from("uA").to_string(), "uA");
    /// ```
    UserId
}

id! {
    /// The `_id` of an uploaded file.
    ///
    /// ```
    /// use rocketbotte::event::FileId;
    ///
    /// assert_eq!(FileId::from("f1").as_str(), "f1");
    /// ```
    FileId
}

id! {
    /// The `_id` of a team.
    ///
    /// ```
    /// use rocketbotte::event::TeamId;
    ///
    /// assert_eq!(TeamId::from("t1").as_str(), "t1");
    /// ```
    TeamId
}

macro_rules! cut_from_frames {
    ($($name:ident)*) => {$(
        impl $name {
            /// Wraps a slice of a frame without copying it.
            pub(crate) const fn from_slice(text: ByteString) -> Self {
                Self(text)
            }
        }
    )*};
}

cut_from_frames! { MessageId RoomId UserId }
