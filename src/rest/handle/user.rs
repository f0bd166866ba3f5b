//! One user, and all of them.

use super::super::client::Client;
use super::super::endpoint::{RestUser, StatusReply, UserInfo, UserStatus, Users};
use super::super::error::RestError;
use super::super::paging::{ByOffset, Counted, CountedReply, Listing, Page};
use crate::event::{User, UserId};

/// A user by id or by name.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum UserRef {
    /// By id: the user's identity.
    Id(UserId),
    /// By user name, without an `@`. Somebody else may have it tomorrow.
    Username(String),
}

impl From<&User> for UserRef {
    fn from(user: &User) -> Self {
        Self::Id(user.id().clone())
    }
}

impl From<UserId> for UserRef {
    fn from(id: UserId) -> Self {
        Self::Id(id)
    }
}

impl From<&UserId> for UserRef {
    fn from(id: &UserId) -> Self {
        Self::Id(id.clone())
    }
}

/// Calls about one user: [`Client::user`]. All fail as [`Client::call`] does.
#[derive(Clone, Debug)]
pub struct UserHandle {
    client: Client,
    user: UserRef,
}

impl Client {
    /// Calls about one user.
    ///
    /// ```no_run
    /// # async fn example(client: rocketbotte::rest::Client, message: rocketbotte::event::Message) -> Result<(), rocketbotte::rest::RestError> {
    /// let author = client.user(message.author()).info().await?;
    /// println!("{:?}", author.status);
    /// # Ok(())
    /// # }
    /// ```
    pub fn user(&self, user: impl Into<UserRef>) -> UserHandle {
        UserHandle {
            client: self.clone(),
            user: user.into(),
        }
    }

    /// All users, where the account may see them.
    pub fn users(&self) -> Listing<RestUser> {
        let client = self.clone();
        let get = move |offset, count| {
            let client = client.clone();
            async move {
                let call = Counted(Users { offset, count });
                let CountedReply { reply, received } = client.call(&call).await?;
                Ok(Page {
                    entries: reply.users,
                    received,
                    total: reply.total,
                })
            }
        };
        Listing::new(ByOffset::new(get, |user: &RestUser| user.id.clone()))
    }
}

impl UserHandle {
    /// Who it is. The global roles only where the account may see them.
    ///
    /// # Errors
    ///
    /// [`NotFound`](super::super::RestErrorKind::NotFound) where there is no such user.
    pub async fn info(&self) -> Result<RestUser, RestError> {
        let call = match self.user.clone() {
            UserRef::Id(id) => UserInfo::UserId(id),
            UserRef::Username(name) => UserInfo::Username(name),
        };
        Ok(self.client.call(&call).await?.user)
    }

    /// Whether the user is there, and what the user says about it.
    ///
    /// # Errors
    ///
    /// As [`info`](Self::info).
    pub async fn status(&self) -> Result<StatusReply, RestError> {
        let call = match self.user.clone() {
            UserRef::Id(id) => UserStatus::UserId(id),
            UserRef::Username(name) => UserStatus::Username(name),
        };
        self.client.call(&call).await
    }
}
