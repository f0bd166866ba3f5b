//! Who may be mentioned by what a bot writes.

use serde::{Deserialize, Serialize};

/// Whom a text may mention, so that words of strangers which a bot repeats notify nobody by surprise. Whoever is not
/// allowed is still shown in the text, but not notified: a character without width stands behind the `@`.
///
/// It goes for the text and the attachments of a [`Send`](super::Send) and the text of an [`Edit`](super::Edit). Where
/// neither says anything, the bot's own policy holds, which allows all users but no groups (`@all`, `@here`) unless
/// [set](crate::Bot::builder).
///
/// ```
/// use std::sync::Arc;
/// use rocketbotte::event::Message;
/// use rocketbotte::extract::Args;
/// use rocketbotte::response::{AllowedMentions, Send};
///
/// /// Says what it is told, and calls nobody for that.
/// async fn say(Args(text): Args<String>) -> Send {
///     Send::text(text).allow_mentions(AllowedMentions::none())
/// }
///
/// /// Mentions who asked, whatever the text is.
/// async fn echo(message: Arc<Message>, Args(text): Args<String>) -> Send {
///     Send::text(format!("{} said: {text}", message.author().mention()))
///         .allow_mentions(AllowedMentions::author())
/// }
/// # let _ = rocketbotte::Router::<()>::new().command("say", say).command("echo", echo);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AllowedMentions {
    /// `None`: every user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    users: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    author: bool,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    groups: bool,
}

impl AllowedMentions {
    /// Nobody.
    pub const fn none() -> Self {
        Self {
            users: Some(Vec::new()),
            author: false,
            groups: false,
        }
    }

    /// These users, by their user names; an `@` before a name does not matter.
    pub fn users<N: Into<String>>(usernames: impl IntoIterator<Item = N>) -> Self {
        Self::none().and_users(usernames)
    }

    /// Whoever caused the event that is answered: the author of the message, whoever reacted.
    pub fn author() -> Self {
        Self::none().and_author()
    }

    /// Every user, but no groups.
    pub fn all_users() -> Self {
        Self {
            users: None,
            author: true,
            groups: false,
        }
    }

    /// Allows these users too.
    #[must_use]
    pub fn and_users<N: Into<String>>(mut self, usernames: impl IntoIterator<Item = N>) -> Self {
        if let Some(users) = &mut self.users {
            users.extend(
                usernames
                    .into_iter()
                    .map(|name| super::send::without_sign(name.into(), '@')),
            );
        }
        self
    }

    /// Allows whoever caused the event that is answered.
    #[must_use]
    pub fn and_author(mut self) -> Self {
        self.author = true;
        self
    }

    /// Allows `@all` and `@here`. An account without the permissions `mention-all` and `mention-here` has the whole
    /// message refused.
    #[must_use]
    pub fn and_groups(mut self) -> Self {
        self.groups = true;
        self
    }

    /// The users that are allowed by name; `None` for every user.
    pub fn named(&self) -> Option<&[String]> {
        self.users.as_deref()
    }

    /// Whether whoever caused the event is allowed.
    pub fn allows_author(&self) -> bool {
        self.author || self.users.is_none()
    }

    /// Whether `@all` and `@here` are allowed.
    pub fn allows_groups(&self) -> bool {
        self.groups
    }
}

/// Every user, but no groups.
impl Default for AllowedMentions {
    fn default() -> Self {
        Self::all_users()
    }
}
