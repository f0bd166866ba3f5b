//! Marks on messages: pins, stars, followed threads.

use serde::{Deserialize, Serialize};

use super::kind::endpoints;
use super::{Done, lenient};
use crate::event::{Message, MessageId};

macro_rules! marks {
    ($($(#[$doc:meta])* $name:ident $key:literal)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Serialize)]
        pub struct $name {
            /// The message.
            #[serde(rename = $key)]
            pub message_id: MessageId,
        }
    )*};
}

marks! {
    /// `POST chat.pinMessage`: pins a message to its room. It needs the permission `pin-message`, which the role `bot` lacks.
    /// The room is told each time, also of what is pinned already.
    PinMessage "messageId"
    /// `POST chat.unPinMessage`: takes the pin away.
    UnpinMessage "messageId"
    /// `POST chat.starMessage`: a star that only the account sees.
    StarMessage "messageId"
    /// `POST chat.unStarMessage`: takes the account's star away.
    UnstarMessage "messageId"
    /// `POST chat.followMessage`: follows the thread of a message.
    FollowMessage "mid"
    /// `POST chat.unfollowMessage`: follows it no more.
    UnfollowMessage "mid"
}

/// Reply to [`PinMessage`].
#[derive(Debug, Clone, Deserialize)]
#[non_exhaustive]
pub struct PinnedReply {
    /// What the server says about it in the room, where it does.
    #[serde(default, deserialize_with = "lenient::maybe_message")]
    pub message: Option<Message>,
}

/// `POST chat.reportMessage`: tells the moderators of a message.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ReportMessage {
    /// The message.
    pub message_id: MessageId,
    /// Why.
    pub description: String,
}

endpoints! {
    PinMessage: POST "chat.pinMessage", once, PinnedReply;
    UnpinMessage: POST "chat.unPinMessage", again, Done;
    StarMessage: POST "chat.starMessage", again, Done;
    UnstarMessage: POST "chat.unStarMessage", again, Done;
    FollowMessage: POST "chat.followMessage", again, Done;
    UnfollowMessage: POST "chat.unfollowMessage", again, Done;
    ReportMessage: POST "chat.reportMessage", once, Done;
}
