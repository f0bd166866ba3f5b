//! Calls about messages.

use std::time::Duration;

use http::Method;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{Done, Endpoint, RateLimit, lenient};
use crate::event::{Message, MessageId, RoomId};
use crate::response::Attachment;
use crate::rest::Version;

/// `POST chat.sendMessage`: posts a message under an id of our choice. The server ignores an id that it knows, so
/// repeating it cannot post twice; but it then answers with the status 400.
#[derive(Debug, Clone, Serialize)]
pub struct SendMessage {
    /// The message.
    pub message: OutgoingMessage,
    /// The addresses in the text of which the server may show a preview; all where it is none. Old servers do not
    /// know it.
    #[serde(rename = "previewUrls", skip_serializing_if = "Option::is_none")]
    pub preview_urls: Option<Vec<String>>,
}

/// A message to be posted.
#[derive(Debug, Clone, Serialize)]
pub struct OutgoingMessage {
    /// Its id, unique in the whole server.
    #[serde(rename = "_id")]
    pub id: MessageId,
    /// The room, by its id.
    #[serde(rename = "rid")]
    pub room_id: RoomId,
    /// The text.
    #[serde(rename = "msg")]
    pub text: String,
    /// The first message of the thread that it goes into.
    #[serde(rename = "tmid", skip_serializing_if = "Option::is_none")]
    pub thread_id: Option<MessageId>,
    /// Whether a message of a thread is shown in the room too. The server refuses it without a thread.
    #[serde(rename = "tshow", skip_serializing_if = "std::ops::Not::not")]
    pub is_also_in_room: bool,
    /// A name that is shown instead of the account's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alias: Option<String>,
    /// An emoji that is shown in the place of the avatar.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub emoji: Option<String>,
    /// The address of another avatar.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub avatar: Option<String>,
    /// Boxes below the text.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub attachments: Vec<Attachment>,
    /// Tells other bots not to answer.
    pub bot: BotMark,
}

impl OutgoingMessage {
    /// A message with a text and nothing else.
    pub fn new(id: impl Into<MessageId>, room_id: impl Into<RoomId>, text: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            room_id: room_id.into(),
            text: text.into(),
            thread_id: None,
            is_also_in_room: false,
            alias: None,
            emoji: None,
            avatar: None,
            attachments: Vec::new(),
            bot: BotMark::default(),
        }
    }
}

/// Marks a message as written by a bot of this library.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct BotMark {
    i: &'static str,
}

impl Default for BotMark {
    fn default() -> Self {
        Self { i: "rocketbotte" }
    }
}

/// Reply with a message.
#[derive(Debug, Clone, Deserialize)]
#[non_exhaustive]
pub struct MessageReply {
    /// The message. The kind of its room is not part of it. Where a thread's message is in another room, its room is
    /// that, and not the one asked for.
    #[serde(deserialize_with = "lenient::message")]
    pub message: Message,
}

/// Reply to [`SendMessage`].
#[derive(Debug, Clone, Deserialize)]
#[non_exhaustive]
pub struct SentReply {
    message: Option<Box<RawValue>>,
}

impl SentReply {
    /// Whether the server shows the message: it does not if it ignored it.
    pub fn has_message(&self) -> bool {
        self.message.is_some()
    }

    /// The room that it is in: a reply in a thread goes to the room of the thread, whatever was asked for.
    pub fn room_id(&self) -> Option<RoomId> {
        #[derive(Deserialize)]
        struct Sent {
            rid: RoomId,
        }

        // It was posted, whatever the answer looks like.
        let sent: Sent = serde_json::from_str(self.message.as_deref()?.get()).ok()?;
        Some(sent.rid)
    }
}

impl Endpoint for SendMessage {
    const METHOD: Method = Method::POST;
    const PATH: &'static str = "chat.sendMessage";
    const IDEMPOTENT: bool = true;
    const LIMIT: RateLimit = RateLimit::new(5, Duration::from_secs(1)).since(Version::new(8, 8));
    type Reply = SentReply;
}

/// `GET chat.getMessage`: a message by its id. Unknown ones are refused with the status 400 and no reason.
#[derive(Debug, Clone, Serialize)]
pub struct GetMessage {
    /// The id.
    #[serde(rename = "msgId")]
    pub message_id: MessageId,
}

impl Endpoint for GetMessage {
    const METHOD: Method = Method::GET;
    const PATH: &'static str = "chat.getMessage";
    const IDEMPOTENT: bool = true;
    type Reply = MessageReply;
}

/// `POST chat.update`: another text for a message of one's own.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct UpdateMessage {
    /// The room.
    pub room_id: RoomId,
    /// The message.
    #[serde(rename = "msgId")]
    pub message_id: MessageId,
    /// The new text.
    pub text: String,
}

impl Endpoint for UpdateMessage {
    const METHOD: Method = Method::POST;
    const PATH: &'static str = "chat.update";
    const IDEMPOTENT: bool = true;
    type Reply = Done;
}

/// `POST chat.delete`: deletes a message. The role `bot` alone may not delete its own.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DeleteMessage {
    /// The room.
    pub room_id: RoomId,
    /// The message.
    #[serde(rename = "msgId")]
    pub message_id: MessageId,
}

impl Endpoint for DeleteMessage {
    const METHOD: Method = Method::POST;
    const PATH: &'static str = "chat.delete";
    const IDEMPOTENT: bool = true;
    type Reply = Done;
}

/// `POST chat.react`: adds a reaction or takes it away.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct React {
    /// The message.
    pub message_id: MessageId,
    /// A short name such as `:+1:`; a Unicode emoji is refused.
    pub emoji: String,
    /// Whether it is added. Always sent: without it the server toggles.
    pub should_react: bool,
}

impl Endpoint for React {
    const METHOD: Method = Method::POST;
    const PATH: &'static str = "chat.react";
    const IDEMPOTENT: bool = true;
    type Reply = Done;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rest::endpoint::{FollowMessage, PinMessage};

    #[test]
    fn bodies() {
        let send = |thread_id| SendMessage {
            message: OutgoingMessage {
                thread_id,
                ..OutgoingMessage::new("m1", "GENERAL", "hi")
            },
            preview_urls: None,
        };
        let json = |value: &SendMessage| serde_json::to_string(value).expect("JSON");
        assert_eq!(
            json(&send(None)),
            r#"{"message":{"_id":"m1","rid":"GENERAL","msg":"hi","bot":{"i":"rocketbotte"}}}"#
        );
        assert_eq!(
            json(&send(Some("t1".into()))),
            r#"{"message":{"_id":"m1","rid":"GENERAL","msg":"hi","tmid":"t1","bot":{"i":"rocketbotte"}}}"#
        );
        let react = React {
            message_id: "m1".into(),
            emoji: ":+1:".to_owned(),
            should_react: false,
        };
        assert_eq!(
            serde_json::to_string(&react).expect("JSON"),
            r#"{"messageId":"m1","emoji":":+1:","shouldReact":false}"#
        );
        let pin = PinMessage {
            message_id: "m1".into(),
        };
        assert_eq!(
            serde_json::to_string(&pin).expect("JSON"),
            r#"{"messageId":"m1"}"#
        );
        let follow = FollowMessage {
            message_id: "m1".into(),
        };
        assert_eq!(serde_json::to_string(&follow).expect("JSON"), r#"{"mid":"m1"}"#);
    }
}
