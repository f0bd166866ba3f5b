//! The second step of an upload: the message that shows the file, at most once.

use std::borrow::Cow;
use std::time::Duration;

use hyper_util::client::legacy;
use serde_json::Value;

use super::upload::{Media, Uploaded, Words};
use crate::event::{MessageId, RoomId};
use crate::response::UploadFields;
use crate::rest::client::Client;
use crate::rest::endpoint::{ConfirmMedia, SyncMessages};
use crate::rest::error::{RestError, RestErrorKind};

const CALL: &str = "POST rooms.mediaConfirm";

/// How long after each other a message is looked for whose posting was not answered: a slow server may still be at it.
const LOOKS: [Duration; 4] = [
    Duration::ZERO,
    Duration::from_secs(1),
    Duration::from_secs(3),
    Duration::from_secs(6),
];

/// The date of an answer has no milliseconds.
const DATE_IS_CUT: Duration = Duration::from_secs(2);

/// Whether a call that failed so may have been done.
pub(super) fn may_be_done(error: &RestError) -> bool {
    let source = std::error::Error::source(error);
    let is_connect = source
        .and_then(|source| source.downcast_ref::<legacy::Error>())
        .is_some_and(legacy::Error::is_connect);
    match error.kind() {
        RestErrorKind::InvalidCall
        | RestErrorKind::LocalFile
        | RestErrorKind::Configuration
        | RestErrorKind::RateLimited { .. } => false,
        RestErrorKind::Transport => !is_connect,
        RestErrorKind::Unconfirmed | RestErrorKind::Cut => true,
        // A refusal without a code may be a program that failed behind the post.
        _ => !error.status().is_some_and(|status| status.is_client_error()) || error.code().is_none(),
    }
}

/// Whether the server has said no, whatever the reason is.
fn is_refused(error: &RestError) -> bool {
    error.status().is_some_and(|status| status.is_client_error()) && !error.is_transient()
}

impl Client {
    /// Posts the message that shows a file.
    pub(super) async fn show_file(
        &self,
        room_id: &RoomId,
        media: &Media,
        fields: &UploadFields,
    ) -> Result<Uploaded, RestError> {
        let words = Words::of(fields);
        let call = ConfirmMedia {
            room_id: room_id.clone(),
            file_id: media.file_id.clone(),
            text: Some(words.text.into_owned()).filter(|text| !text.is_empty()),
            description: words.description.map(Cow::into_owned),
            thread_id: words.thread_id.cloned(),
        };
        let uploaded = |message_id| Uploaded {
            message_id,
            file_id: media.file_id.clone(),
            path: media.path.clone(),
        };
        let error = match self.call_at(Cow::Owned(call.path()), &call).await {
            Ok(reply) => match reply.message.id {
                Some(id) => return Ok(uploaded(id)),
                None => RestError::new(RestErrorKind::UnexpectedReply, CALL, "the reply has no message"),
            },
            Err(error) if may_be_done(&error) => error,
            Err(error) => return Err(error),
        };
        let looks = if is_refused(&error) { &LOOKS[..1] } else { &LOOKS };
        for pause in looks {
            tokio::time::sleep(*pause).await;
            if let Some(message_id) = self.message_with(room_id, media).await {
                tracing::debug!(%message_id, "the file was posted, its receipt was lost");
                return Ok(uploaded(message_id));
            }
        }
        if is_refused(&error) {
            return Err(error);
        }
        let message = format!(
            "nobody knows whether the message of the file {} was posted",
            media.file_id
        );
        Err(RestError::new(RestErrorKind::Unconfirmed, CALL, message).with_source(error))
    }

    /// The message that shows a file, if there is one.
    async fn message_with(&self, room_id: &RoomId, media: &Media) -> Option<MessageId> {
        let since = media.at?.saturating_sub(DATE_IS_CUT);
        let changes = SyncMessages {
            room_id: room_id.clone(),
            last_update: since,
        };
        let messages = match self.call(&changes).await {
            Ok(reply) => reply.result.updated,
            Err(error) => {
                tracing::debug!(%error, "the message of a file can not be looked for");
                return None;
            }
        };
        let credentials = self.credentials()?;
        let own = credentials.user_id().as_str();
        let found = messages
            .iter()
            .find(|message| message["u"]["_id"] == own && shows(message, media.file_id.as_str()))?;
        found["_id"].as_str().map(MessageId::from)
    }
}

/// Whether a message shows the file, in the form of any version.
fn shows(message: &Value, file_id: &str) -> bool {
    let in_list = |list: &Value, key: &str| {
        let entries = list.as_array().map(Vec::as_slice).unwrap_or_default();
        entries.iter().any(|entry| entry[key] == file_id)
    };
    message["file"]["_id"] == file_id
        || in_list(&message["files"], "_id")
        || in_list(&message["attachments"], "fileId")
}
