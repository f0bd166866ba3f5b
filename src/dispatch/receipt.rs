//! What the server made of an action.

use crate::event::MessageId;

/// An action was carried out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Receipt {
    message_id: Option<MessageId>,
}

impl Receipt {
    /// A receipt for an action that posted, or changed, a message.
    pub fn of_message(message_id: MessageId) -> Self {
        Self {
            message_id: Some(message_id),
        }
    }

    /// The message that was posted or changed.
    pub fn message_id(&self) -> Option<&MessageId> {
        self.message_id.as_ref()
    }
}
