//! Users and rooms as arguments, found through what the message mentions.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, SeqAccess, Visitor};

use super::marker;
use crate::event::{RoomId, UserId};

/// A user by name: `@ann` or `ann`. Of whom the message mentions the id is known at once.
///
/// Rights belong to ids, never to names: [`resolve`](Self::resolve) before anything is granted.
///
/// ```
/// use rocketbotte::Router;
/// use rocketbotte::args::UserArg;
/// use rocketbotte::extract::Args;
///
/// async fn greet(Args((user,)): Args<(UserArg,)>) -> String { format!("hello {}", user.mention()) }
///
/// let router: Router = Router::new().command("greet", greet);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserArg {
    username: String,
    id: Option<UserId>,
    name: Option<String>,
}

impl UserArg {
    /// The user name, without `@`.
    pub fn username(&self) -> &str {
        &self.username
    }

    /// The id, where the message mentions the user.
    pub fn id(&self) -> Option<&UserId> {
        self.id.as_ref()
    }

    /// The display name, where the message mentions the user and the server tells it.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// `@ann`
    pub fn mention(&self) -> String {
        format!("@{}", self.username)
    }
}

/// A room by name: `#dev` or `dev`. Of which the message names with `#` the id is known at once.
///
/// ```
/// use rocketbotte::Router;
/// use rocketbotte::args::{Rest, RoomArg};
/// use rocketbotte::extract::Args;
///
/// async fn announce(Args((room, Rest(text))): Args<(RoomArg, Rest)>) -> String {
///     format!("to {}: {text}", room.mention())
/// }
///
/// let router: Router = Router::new().command("announce", announce);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoomArg {
    name: String,
    id: Option<RoomId>,
}

impl RoomArg {
    /// The name, without `#`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The id, where the message names the room.
    pub fn id(&self) -> Option<&RoomId> {
        self.id.as_ref()
    }

    /// `#dev`
    pub fn mention(&self) -> String {
        format!("#{}", self.name)
    }
}

#[cfg(feature = "client")]
mod resolve {
    use super::{RoomArg, UserArg};
    use crate::rest::{Client, RestError, endpoint};

    impl UserArg {
        /// Asks the server for the user: by id where it is known, else by name.
        ///
        /// ```
        /// use rocketbotte::BoxError;
        /// use rocketbotte::args::UserArg;
        /// use rocketbotte::extract::Args;
        /// use rocketbotte::rest::Client;
        ///
        /// async fn who(Args((user,)): Args<(UserArg,)>, client: Client) -> Result<String, BoxError> {
        ///     let user = user.resolve(&client).await?;
        ///     Ok(format!("{} is called {}", user.id, user.name.unwrap_or_default()))
        /// }
        /// # let _ = rocketbotte::Router::<()>::new().command("who", who);
        /// ```
        ///
        /// # Errors
        ///
        /// There is none that the bot may see, or the call failed.
        pub async fn resolve(&self, client: &Client) -> Result<endpoint::RestUser, RestError> {
            let by = match &self.id {
                Some(id) => endpoint::UserInfo::UserId(id.clone()),
                None => endpoint::UserInfo::Username(self.username.clone()),
            };
            Ok(client.call(&by).await?.user)
        }
    }

    impl RoomArg {
        /// Asks the server for the room: by id where it is known, else by name.
        ///
        /// # Errors
        ///
        /// There is none that the bot may see, or the call failed.
        pub async fn resolve(&self, client: &Client) -> Result<endpoint::RestRoom, RestError> {
            let by = match &self.id {
                Some(id) => endpoint::RoomInfo::RoomId(id.clone()),
                None => endpoint::RoomInfo::RoomName(self.name.clone()),
            };
            Ok(client.call(&by).await?.room)
        }
    }
}

struct UserVisitor;

impl<'de> Visitor<'de> for UserVisitor {
    type Value = UserArg;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a user such as `@ann`")
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<UserArg, D::Error> {
        deserializer.deserialize_str(self)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<UserArg, E> {
        Ok(UserArg {
            username: text.trim_start_matches('@').to_owned(),
            id: None,
            name: None,
        })
    }

    /// User name, id and display name, as the arguments of a command give them.
    fn visit_seq<A: SeqAccess<'de>>(self, mut parts: A) -> Result<UserArg, A::Error> {
        let username = parts.next_element()?.unwrap_or_default();
        let id = parts.next_element()?.filter(|id: &String| !id.is_empty());
        let name = parts.next_element()?.filter(|name: &String| !name.is_empty());
        Ok(UserArg {
            username,
            id: id.map(UserId::from),
            name,
        })
    }
}

impl<'de> Deserialize<'de> for UserArg {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_newtype_struct(marker::USER, UserVisitor)
    }
}

struct RoomVisitor;

impl<'de> Visitor<'de> for RoomVisitor {
    type Value = RoomArg;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a room such as `#dev`")
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<RoomArg, D::Error> {
        deserializer.deserialize_str(self)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<RoomArg, E> {
        Ok(RoomArg {
            name: text.trim_start_matches('#').to_owned(),
            id: None,
        })
    }

    /// Name and id, as the arguments of a command give them.
    fn visit_seq<A: SeqAccess<'de>>(self, mut parts: A) -> Result<RoomArg, A::Error> {
        let name = parts.next_element()?.unwrap_or_default();
        let id = parts.next_element()?.filter(|id: &String| !id.is_empty());
        Ok(RoomArg {
            name,
            id: id.map(RoomId::from),
        })
    }
}

impl<'de> Deserialize<'de> for RoomArg {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_newtype_struct(marker::ROOM, RoomVisitor)
    }
}
