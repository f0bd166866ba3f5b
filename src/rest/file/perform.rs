//! An upload as an action: posted at most once, also when the process ends in between and its handler runs again.

use std::sync::Arc;

use super::confirm::may_be_done;
use super::transfer::Transfer;
use crate::dispatch::Receipt;
use crate::journal::Ledger;
use crate::response::Upload;
use crate::rest::client::Client;
use crate::rest::error::{RestError, RestErrorKind};

/// Posts a file that has its room and its ids. Where there is a journal it keeps that the message is about to be posted.
pub(crate) async fn perform(
    client: &Client,
    ledger: Option<&Arc<Ledger>>,
    upload: Upload<Transfer>,
) -> Result<Receipt, RestError> {
    const CALL: &str = "upload";
    let Some(room_id) = upload.fields.room_id.clone() else {
        return Err(RestError::new(RestErrorKind::InvalidCall, CALL, "it has no room"));
    };
    let mark = match (ledger, &upload.fields.ids) {
        (Some(ledger), Some(ids)) => Some(Mark {
            ledger,
            id: ids.first().as_str().to_owned(),
        }),
        _ => None,
    };
    if mark.as_ref().is_some_and(Mark::is_set) {
        tracing::warn!(%room_id, file = upload.name(), "a file's message was begun before the process ended: it is not posted again");
        return Ok(Receipt::default());
    }
    let prepared = client.prepare_upload(upload).await?;
    let result = if client.has_two_steps().await {
        let (media, fields) = client.send_file(&room_id, prepared).await?;
        set(mark.as_ref()).await?;
        client.show_file(&room_id, &media, &fields).await
    } else {
        set(mark.as_ref()).await?;
        client.upload_in_one_step(&room_id, prepared).await
    };
    match result {
        Ok(uploaded) => Ok(Receipt::of_message(uploaded.message_id)),
        Err(error) => {
            if let Some(mark) = mark.filter(|_| !may_be_done(&error)) {
                mark.take_back();
            }
            Err(error)
        }
    }
}

/// What a journal keeps of a file's message.
struct Mark<'a> {
    ledger: &'a Arc<Ledger>,
    id: String,
}

/// No command's path begins with a blank.
const NAME: &str = " upload";

impl Mark<'_> {
    fn is_set(&self) -> bool {
        self.ledger.has_claimed(&self.id, NAME)
    }

    fn take_back(&self) {
        self.ledger.unclaim(&self.id, NAME);
    }
}

async fn set(mark: Option<&Mark<'_>>) -> Result<(), RestError> {
    let Some(mark) = mark else { return Ok(()) };
    let kept = mark.ledger.claim_anywhere(&mark.id, NAME).await;
    kept.map(drop).map_err(|error| {
        let message = "the journal can not keep that the message is about to be posted";
        RestError::new(RestErrorKind::LocalFile, "upload", message).with_source(error)
    })
}
