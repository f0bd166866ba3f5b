//! Who the bot is towards the server.

use crate::event::UserId;
use crate::secret::Secret;

/// The user id of the bot's account and a token for it: a personal access token, or one from a login.
///
/// ```
/// use rocketbotte::Credentials;
///
/// let credentials = Credentials::new("rKy9v9n4yYWWjyyx5", "9HqLlyZOugoStsXCUfD_0YdwnNnunAJF8V47U3QHXSq")?;
/// assert_eq!(credentials.user_id().as_str(), "rKy9v9n4yYWWjyyx5");
/// # Ok::<(), rocketbotte::CredentialsError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    user_id: UserId,
    token: Secret,
}

impl Credentials {
    /// White space around the two is cut off: files often end with a line break.
    ///
    /// # Errors
    ///
    /// If one of them is empty or has characters that ids and tokens do not have.
    pub fn new(user_id: impl AsRef<str>, token: impl AsRef<str>) -> Result<Self, CredentialsError> {
        let (user_id, token) = (user_id.as_ref().trim(), token.as_ref().trim());
        if user_id.is_empty() {
            return Err(CredentialsError(
                "the user id is empty; copy it from where the token was made",
            ));
        }
        if token.is_empty() {
            return Err(CredentialsError(
                "the token is empty; make a personal access token for the bot",
            ));
        }
        // Both go into headers.
        if !user_id.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(CredentialsError(
                "the user id has characters that no id has; it is not the user name",
            ));
        }
        if !token.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(CredentialsError(
                "the token has characters that no token has; copy it again",
            ));
        }
        Ok(Self {
            user_id: user_id.into(),
            token: token.into(),
        })
    }

    #[cfg(feature = "client")]
    pub(crate) fn into_parts(self) -> (UserId, Secret) {
        (self.user_id, self.token)
    }

    /// The bot's user id.
    pub fn user_id(&self) -> &UserId {
        &self.user_id
    }

    /// The token.
    pub fn token(&self) -> &Secret {
        &self.token
    }
}

/// Credentials that cannot be right, in one sentence that does not repeat them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct CredentialsError(&'static str);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checked_and_trimmed() {
        let credentials = Credentials::new(" uA\n", "tok-en_1\r\n").expect("good");
        assert_eq!(
            (credentials.user_id().as_str(), credentials.token().expose()),
            ("uA", "tok-en_1")
        );
        for (user, token) in [("", "t"), ("u", " "), ("u v", "t"), ("u", "a\nb"), ("u", "tökén")] {
            let error = Credentials::new(user, token).expect_err("bad");
            assert!(!error.to_string().contains("tökén"));
        }
        assert!(!format!("{credentials:?}").contains("tok-en_1"));
    }
}
