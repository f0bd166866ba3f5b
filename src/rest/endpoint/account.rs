//! Calls about the bot's own account.

use http::Method;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Done, Endpoint, lenient};
use crate::secret::Secret;

/// `POST login`: a token for a user name and a password.
#[derive(Debug, Clone, Serialize)]
pub struct Login {
    /// User name or e-mail address.
    pub user: String,
    /// The password.
    #[serde(serialize_with = "expose")]
    pub password: Secret,
    /// The code of the second factor.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "expose_some")]
    pub code: Option<Secret>,
}

fn expose<S: Serializer>(secret: &Secret, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(secret.expose())
}

#[expect(clippy::ref_option, reason = "serde asks for this signature")]
fn expose_some<S: Serializer>(secret: &Option<Secret>, serializer: S) -> Result<S::Ok, S::Error> {
    secret.as_ref().map(Secret::expose).serialize(serializer)
}

/// Reply to [`Login`].
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct LoginReply {
    pub(crate) user_id: String,
    pub(crate) auth_token: SecretText,
}

/// A secret that `Credentials` can take.
#[derive(Debug, Clone)]
pub(crate) struct SecretText(Secret);

impl AsRef<str> for SecretText {
    fn as_ref(&self) -> &str {
        self.0.expose()
    }
}

impl LoginReply {
    /// The id of the account.
    pub fn user_id(&self) -> &str {
        &self.user_id
    }

    /// The token.
    pub fn auth_token(&self) -> &Secret {
        &self.auth_token.0
    }
}

impl<'de> Deserialize<'de> for LoginReply {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Wire {
            data: Data,
        }

        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Data {
            user_id: String,
            auth_token: String,
        }

        let Data { user_id, auth_token } = Wire::deserialize(deserializer)?.data;
        Ok(Self {
            user_id,
            auth_token: SecretText(Secret::new(auth_token)),
        })
    }
}

impl Endpoint for Login {
    const METHOD: Method = Method::POST;
    const PATH: &'static str = "login";
    // Each login leaves a token behind.
    const IDEMPOTENT: bool = false;
    const ANONYMOUS: bool = true;
    const SENSITIVE: bool = true;
    type Reply = LoginReply;
}

/// `POST logout`: ends the validity of the token in use, also of a personal access token.
#[derive(Debug, Clone, Serialize)]
pub struct Logout {}

impl Endpoint for Logout {
    const METHOD: Method = Method::POST;
    const PATH: &'static str = "logout";
    const IDEMPOTENT: bool = false;
    const SENSITIVE: bool = true;
    type Reply = Done;
}

/// `GET me`: whose token it is.
#[derive(Debug, Clone, Serialize)]
pub struct Me {}

/// Reply to [`Me`].
#[derive(Debug, Clone, Deserialize)]
#[non_exhaustive]
pub struct MeReply {
    /// The user id.
    #[serde(rename = "_id")]
    pub id: String,
    /// The user name.
    #[serde(default, deserialize_with = "lenient::value")]
    pub username: String,
    /// The name shown, where it is another.
    #[serde(default, deserialize_with = "lenient::value")]
    pub name: Option<String>,
    /// The global roles, such as `user` and `bot`.
    #[serde(default, deserialize_with = "lenient::list")]
    pub roles: Vec<String>,
}

impl Endpoint for Me {
    const METHOD: Method = Method::GET;
    const PATH: &'static str = "me";
    const IDEMPOTENT: bool = true;
    // The reply holds password hashes on old servers.
    const SENSITIVE: bool = true;
    type Reply = MeReply;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn login_shows_no_secret() {
        let login = Login {
            user: "bot".to_owned(),
            password: "hunter2".into(),
            code: None,
        };
        assert_eq!(
            serde_json::to_string(&login).expect("JSON"),
            r#"{"user":"bot","password":"hunter2"}"#
        );
        let reply: LoginReply = serde_json::from_str(
            r#"{"status":"success","data":{"userId":"u","authToken":"t0ken","me":{"x":1}}}"#,
        )
        .expect("a reply");
        assert_eq!((reply.user_id(), reply.auth_token().expose()), ("u", "t0ken"));
        let shown = format!("{login:?} {reply:?}");
        assert!(!shown.contains("hunter2") && !shown.contains("t0ken"), "{shown}");
    }
}
