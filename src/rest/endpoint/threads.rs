//! Calls about threads.

use http::Method;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Endpoint, lenient};
use crate::event::MessageId;

/// `GET chat.getThreadMessages`: the replies of a thread, without its first message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct GetThreadMessages {
    /// The first message of the thread.
    #[serde(rename = "tmid")]
    pub thread_id: MessageId,
    /// How many at most. Servers give 100 at most, 50 unless asked for another number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<usize>,
    /// How many are left out before them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offset: Option<usize>,
    /// Their order, such as `{"ts":-1}` for the newest first. The oldest come first unless set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sort: Option<String>,
}

impl GetThreadMessages {
    /// The replies of a thread, the oldest first, as many as the server gives.
    pub fn of(thread_id: impl Into<MessageId>) -> Self {
        Self {
            thread_id: thread_id.into(),
            count: None,
            offset: None,
            sort: None,
        }
    }

    /// The last so many replies, the newest first.
    pub fn newest(thread_id: impl Into<MessageId>, count: usize) -> Self {
        Self {
            count: Some(count),
            sort: Some(r#"{"ts":-1}"#.to_owned()),
            ..Self::of(thread_id)
        }
    }
}

/// Reply to [`GetThreadMessages`].
#[derive(Debug, Clone, Default, Deserialize)]
#[non_exhaustive]
pub struct ThreadMessagesReply {
    /// Message objects. [`Message::from_json`](crate::event::Message::from_json) reads their text.
    pub messages: Vec<Value>,
    /// How many replies the thread has.
    #[serde(default, deserialize_with = "lenient::value")]
    pub total: usize,
}

impl Endpoint for GetThreadMessages {
    const METHOD: Method = Method::GET;
    const PATH: &'static str = "chat.getThreadMessages";
    const IDEMPOTENT: bool = true;
    type Reply = ThreadMessagesReply;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_are_asked_for_by_order() {
        assert_eq!(
            serde_json::to_string(&GetThreadMessages::newest("t1", 20)).expect("JSON"),
            r#"{"tmid":"t1","count":20,"sort":"{\"ts\":-1}"}"#
        );
        assert_eq!(
            serde_json::to_string(&GetThreadMessages::of("t1")).expect("JSON"),
            r#"{"tmid":"t1"}"#
        );
    }
}
