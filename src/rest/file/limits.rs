//! What the server says about files before one is sent: how large, and of which types.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

use crate::rest::client::Client;
use crate::rest::endpoint::{PublicSettings, SettingsReply};
use crate::rest::error::{RestError, RestErrorKind};

/// What was read is believed for so long. The server has the last word anyway.
const FRESH: Duration = Duration::from_secs(60);

/// Reading them holds no file up for longer.
const LONGEST_WAIT: Duration = Duration::from_secs(2);

const MAX_SIZE: &str = "FileUpload_MaxFileSize";
const ACCEPTED: &str = "FileUpload_MediaTypeWhiteList";
const REFUSED: &str = "FileUpload_MediaTypeBlackList";

/// What clones of a client know of it.
#[derive(Clone, Debug, Default)]
pub(crate) struct FileLimits(Arc<Mutex<Option<(Arc<Known>, Instant)>>>);

#[derive(Debug, Default, PartialEq)]
pub(super) struct Known {
    pub(super) most: Option<u64>,
    accepted: Vec<String>,
    refused: Vec<String>,
}

impl FileLimits {
    fn fresh(&self) -> Option<Arc<Known>> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (known, read_at) = known.as_ref()?;
        (read_at.elapsed() < FRESH).then(|| Arc::clone(known))
    }

    fn learn(&self, known: Arc<Known>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((known, Instant::now()));
    }
}

impl Known {
    fn of(settings: &SettingsReply) -> Self {
        let list = |id: &str| -> Vec<String> {
            let text = settings.get(id).and_then(Value::as_str).unwrap_or_default();
            let entries = text.split(',').map(|entry| entry.trim().to_ascii_lowercase());
            entries.filter(|entry| !entry.is_empty()).collect()
        };
        Self {
            // -1 is none.
            most: settings.get(MAX_SIZE).and_then(Value::as_u64),
            accepted: list(ACCEPTED),
            refused: list(REFUSED),
        }
    }

    /// Whether files of this type are taken: an entry may end in `/*`, and a list of those accepted wins.
    pub(super) fn takes(&self, content_type: &str) -> bool {
        let content_type = content_type
            .split(';')
            .next()
            .unwrap_or_default()
            .trim()
            .to_ascii_lowercase();
        let fits = |entry: &String| match entry.strip_suffix('*') {
            Some(start) => content_type.starts_with(start),
            None => *entry == content_type,
        };
        match self.accepted.is_empty() {
            false => self.accepted.iter().any(fits),
            true => !self.refused.iter().any(fits),
        }
    }
}

pub(super) fn too_large(call: &str, size: u64, most: u64) -> RestError {
    let message = format!("the file has {size} bytes, and no more than {most} are allowed");
    RestError::new(RestErrorKind::TooLarge, call, message)
}

impl Client {
    /// What the server says about files; nothing where it does not say.
    pub(super) async fn known_file_limits(&self) -> Arc<Known> {
        if let Some(known) = self.file_limits().fresh() {
            return known;
        }
        let ids = [MAX_SIZE, ACCEPTED, REFUSED];
        let client = self.in_a_hurry(LONGEST_WAIT);
        let mut settings = client.call(&PublicSettings::of(ids)).await;
        if settings
            .as_ref()
            .is_ok_and(|settings| settings.get(MAX_SIZE).is_none())
        {
            settings = client.call(&PublicSettings::query_of(ids)).await;
        }
        match settings {
            Ok(settings) => {
                let known = Arc::new(Known::of(&settings));
                self.file_limits().learn(Arc::clone(&known));
                known
            }
            Err(error) => {
                tracing::debug!(%error, "the server's limits for files are not known");
                Arc::default()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types() {
        let known = |accepted: &str, refused: &str| {
            let settings = serde_json::json!({"settings": [
                {"_id": ACCEPTED, "value": accepted}, {"_id": REFUSED, "value": refused}, {"_id": MAX_SIZE, "value": -1},
            ]});
            Known::of(&serde_json::from_value(settings).expect("settings"))
        };
        for (accepted, refused, content_type, takes) in [
            ("", "", "text/plain", true),
            ("", "image/svg+xml", "image/svg+xml", false),
            ("", "image/svg+xml", "Image/SVG+xml; charset=utf-8", false),
            ("", "image/svg+xml", "image/png", true),
            ("image/*, application/pdf", "", "image/png", true),
            ("image/*, application/pdf", "", "application/pdf", true),
            ("image/*", "", "video/mp4", false),
            ("image/*", "image/png", "image/png", true),
        ] {
            assert_eq!(
                known(accepted, refused).takes(content_type),
                takes,
                "{accepted} {refused} {content_type}"
            );
        }
        assert_eq!(known("", "").most, None);
    }
}
