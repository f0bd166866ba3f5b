//! How much memory is kept: of messages, and of texts that nothing else bounds.

use serde_json::{Map, Value};

use super::State;

/// Messages kept in all; beyond it the oldest are forgotten.
const MESSAGES_KEPT: usize = 100_000;
/// About the bytes that they hold together.
const BYTES_KEPT: usize = if cfg!(test) { 8 } else { 512 } * 1024 * 1024;
/// Characters of a topic, or of a discussion's title.
const TEXT_MAX: usize = 10_000;

/// About how many bytes a message takes.
pub(super) fn of(doc: &Map<String, Value>) -> usize {
    doc.iter()
        .map(|(name, value)| 64 + name.len() + of_value(value))
        .sum()
}

fn of_value(value: &Value) -> usize {
    match value {
        Value::String(text) => 32 + text.len(),
        Value::Array(list) => 32 + list.iter().map(of_value).sum::<usize>(),
        Value::Object(object) => of(object),
        Value::Null | Value::Bool(_) | Value::Number(_) => 32,
    }
}

/// As much of a text as is kept.
pub(super) fn kept(text: &str) -> String {
    text.chars().take(TEXT_MAX).collect()
}

impl State {
    /// Forgets the oldest messages if there are too many, or they hold too much.
    pub(super) fn forget_oldest(&mut self) {
        while self.messages.len() > MESSAGES_KEPT || self.message_bytes > BYTES_KEPT {
            let Some(oldest) = self.order.pop_front() else {
                break;
            };
            self.forget(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::sandbox::Sandbox;

    #[tokio::test]
    async fn messages_are_weighed_as_they_come_change_and_go() {
        let sandbox = Sandbox::builder().start_in_memory();
        let ann = sandbox.user("ann");
        let kept = || {
            let state = sandbox.state();
            let all = state.messages.values().map(|message| of(&message.doc));
            (state.message_bytes, all.sum::<usize>())
        };
        let first = ann.say("general", "hello").await;
        ann.react(&first, ":+1:").await;
        ann.edit(&first, &"x".repeat(1000)).await;
        let second = ann.say("general", "bye").await;
        ann.reply("general", &second, "really").await;
        let (counted, there) = kept();
        assert!(counted == there && counted > 1000);
        ann.delete(&first).await;
        let (counted, there) = kept();
        assert!(counted == there && counted < 10_000, "{counted} {there}");
    }

    #[tokio::test]
    async fn large_messages_make_the_oldest_go() {
        let sandbox = Sandbox::builder().start_in_memory();
        let ann = sandbox.user("ann");
        let file = json!([{ "text": "x".repeat(128 * 1024) }]);
        let mut ids = Vec::new();
        for _ in 0..70 {
            ids.push(ann.post(json!({ "rid": "general", "attachments": file })).await);
        }
        assert!(sandbox.state().message_bytes <= BYTES_KEPT);
        assert!(sandbox.message(&ids[0]).is_none() && sandbox.message(&ids[69]).is_some());
        assert!(sandbox.state().messages.len() >= 60);
    }
}
