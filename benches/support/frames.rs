//! Frames as a server sends them, of several sizes.

/// A chatter message of at least `bytes`: text, the parsed form of the text (`md`) that servers send beside it, and the
/// link preview that makes long messages long. Real servers take two or three times the text's length for `md`.
pub(crate) fn message(id: &str, bytes: usize) -> String {
    let mut words = 4;
    loop {
        let text = vec!["lorem ipsum"; words].join(" ");
        let frame = format!(
            r#"{{"msg":"changed","collection":"stream-room-messages","id":"id","fields":{{"eventName":"__my_messages__","args":[{{"_id":"{id}","rid":"P3NFPWG27Hvw5z4Xw","msg":"{text}","ts":{{"$date":1795334151953}},"u":{{"_id":"rKy9v9n4yYWWjyyx5","username":"ann","name":"Ann"}},"mentions":[],"channels":[],"md":[{{"type":"PARAGRAPH","value":[{{"type":"PLAIN_TEXT","value":"{text}"}}]}}],"urls":[{{"url":"https://example.org","meta":{{"description":"{text}"}}}}],"_updatedAt":{{"$date":1795334151967}}}},{{"roomParticipant":true,"roomType":"c","roomName":"chan1"}}]}}}}"#,
        );
        if frame.len() >= bytes {
            return frame;
        }
        words += (bytes - frame.len()).div_ceil(36).max(1);
    }
}
