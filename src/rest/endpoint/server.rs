//! Calls about the server.

use http::Method;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Endpoint, lenient};

/// `GET /api/info`: the server's version. Needs no account; some proxies block it.
#[derive(Debug, Clone, Serialize)]
pub struct Info {}

/// Reply to [`Info`].
#[derive(Debug, Clone, Deserialize)]
#[non_exhaustive]
pub struct InfoReply {
    /// Major and minor version such as `8.8`, or more for accounts that may see it.
    #[serde(default, deserialize_with = "lenient::value")]
    version: Option<String>,
    #[serde(default, deserialize_with = "lenient::value")]
    info: Option<Version>,
}

#[derive(Debug, Clone, Deserialize)]
struct Version {
    version: Option<String>,
}

impl InfoReply {
    /// The server's version such as `8.8`, if it tells.
    pub fn version(&self) -> Option<&str> {
        self.version
            .as_deref()
            .or_else(|| self.info.as_ref()?.version.as_deref())
    }
}

impl Endpoint for Info {
    const METHOD: Method = Method::GET;
    const PATH: &'static str = "/api/info";
    const IDEMPOTENT: bool = true;
    const ANONYMOUS: bool = true;
    type Reply = InfoReply;
}

/// `GET settings.public`: settings that anybody may read, where the server does not ask even for those who is asking.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct PublicSettings {
    /// The ids, separated by commas: `Message_MaxAllowedSize,UI_Use_Real_Name`.
    #[serde(rename = "_id", skip_serializing_if = "Option::is_none")]
    pub ids: Option<String>,
    /// A query of the database as JSON, which later servers refuse or ignore.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub query: Option<String>,
    /// How many at most.
    pub count: u32,
}

impl PublicSettings {
    /// These settings.
    pub fn of<'a>(ids: impl IntoIterator<Item = &'a str>) -> Self {
        let ids: Vec<&str> = ids.into_iter().collect();
        // Without a count servers send no more than 50.
        Self {
            count: u32::try_from(ids.len()).unwrap_or(u32::MAX).max(1),
            ids: Some(ids.join(",")),
            query: None,
        }
    }

    /// The same as old servers understand it: they ignore the ids, and send the first settings that there are.
    pub fn query_of<'a>(ids: impl IntoIterator<Item = &'a str>) -> Self {
        let ids: Vec<&str> = ids.into_iter().collect();
        Self {
            count: u32::try_from(ids.len()).unwrap_or(u32::MAX).max(1),
            ids: None,
            query: Some(serde_json::json!({"_id": {"$in": ids}}).to_string()),
        }
    }
}

/// Reply to [`PublicSettings`].
#[derive(Debug, Clone, Deserialize)]
#[non_exhaustive]
pub struct SettingsReply {
    /// Those that exist.
    #[serde(default, deserialize_with = "lenient::list")]
    pub settings: Vec<Setting>,
}

impl SettingsReply {
    /// The value of one of them.
    pub fn get(&self, id: &str) -> Option<&Value> {
        self.settings
            .iter()
            .find(|setting| setting.id == id)
            .map(|setting| &setting.value)
    }
}

/// A setting of the server.
#[derive(Debug, Clone, Deserialize)]
#[non_exhaustive]
pub struct Setting {
    /// Its id, such as `Message_MaxAllowedSize`.
    #[serde(rename = "_id")]
    pub id: String,
    /// Its value.
    #[serde(default)]
    pub value: Value,
}

impl Endpoint for PublicSettings {
    const METHOD: Method = Method::GET;
    const PATH: &'static str = "settings.public";
    const IDEMPOTENT: bool = true;
    type Reply = SettingsReply;
}
