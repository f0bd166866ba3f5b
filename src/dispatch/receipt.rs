//! What the server made of an action.

use crate::event::{MessageId, RoomId};
use crate::response::{Delete, Edit};

/// An action was carried out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Receipt {
    message_id: Option<MessageId>,
    room_id: Option<RoomId>,
    /// The message was posted before, maybe with another text.
    is_old: bool,
}

impl Receipt {
    /// A receipt for an action that posted, or changed, a message.
    pub fn of_message(message_id: MessageId) -> Self {
        Self {
            message_id: Some(message_id),
            room_id: None,
            is_old: false,
        }
    }

    /// Says in which room that is.
    #[must_use]
    pub fn in_room(mut self, room_id: RoomId) -> Self {
        self.room_id = Some(room_id);
        self
    }

    /// Says that the message was there before.
    #[cfg(feature = "client")]
    pub(crate) fn posted_before(mut self) -> Self {
        self.is_old = true;
        self
    }

    pub(crate) fn is_old(&self) -> bool {
        self.is_old
    }

    /// The message that was posted or changed.
    pub fn message_id(&self) -> Option<&MessageId> {
        self.message_id.as_ref()
    }

    /// The room that it is in, where it is known.
    pub fn room_id(&self) -> Option<&RoomId> {
        self.room_id.as_ref()
    }

    /// Another text for the message; `None` where the action posted none.
    ///
    /// ```
    /// use rocketbotte::{BoxError, extract::Outbox};
    ///
    /// async fn count(outbox: Outbox) -> Result<(), BoxError> {
    ///     let posted = outbox.send("counting").await?;
    ///     // … the work …
    ///     if let Some(edit) = posted.edit("counted: 42") {
    ///         outbox.perform(edit).await?;
    ///     }
    ///     Ok(())
    /// }
    /// # let _ = rocketbotte::Router::<()>::new().command("count", count);
    /// ```
    pub fn edit(&self, text: impl Into<String>) -> Option<Edit> {
        let edit = Edit::new(self.message_id.clone()?, text);
        Some(match &self.room_id {
            Some(room_id) => edit.in_room(room_id.clone()),
            None => edit,
        })
    }

    /// Deletes the message; `None` where the action posted none.
    pub fn delete(&self) -> Option<Delete> {
        let delete = Delete::new(self.message_id.clone()?);
        Some(match &self.room_id {
            Some(room_id) => delete.in_room(room_id.clone()),
            None => delete,
        })
    }
}
