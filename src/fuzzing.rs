//! What the fuzz targets call. Not part of the API: it exists only when the crate is built for fuzzing.

#![allow(
    missing_docs,
    clippy::missing_panics_doc,
    reason = "seen by the fuzz targets alone"
)]

use bytes::Bytes;
use http::Response;

use crate::event::Event;
use crate::event::classify::Classifier;

/// Bytes as a frame to a session that is ready; then a message, which has to arrive.
pub fn frame(bytes: &[u8]) {
    let mut session = crate::transport::ddp::ready_session::ReadySession::new();
    let mut classifier = Classifier::new(true);
    let frame = String::from_utf8_lossy(bytes).into_owned().into();
    for event in session.handle(&frame) {
        let _ = classifier.classify(&event);
    }
    if session.is_closed() {
        // The frame refused the subscription, or offered another version: that is its right.
        return;
    }
    let beside = r#"{"msg":"changed","collection":"stream-room-messages","id":"id","fields":{"eventName":"__my_messages__","args":[{"_id":"beside-the-fuzz","rid":"r","msg":"hi","ts":{"$date":1795334400000},"u":{"_id":"uA","username":"ann"},"_updatedAt":{"$date":1795334400042}},{"roomParticipant":true,"roomType":"c"}]}}"#;
    let events: Vec<Event> = session
        .handle(&beside.into())
        .flat_map(|event| classifier.classify(&event))
        .collect();
    assert!(matches!(events[..], [Event::Message(_)]), "{events:?}");
}

/// Bytes as frames to the sandbox.
#[cfg(feature = "sandbox")]
pub fn sandbox_frames(bytes: &[u8]) {
    crate::sandbox::fuzzing::frames(bytes);
}

/// Bytes as a call of the sandbox.
#[cfg(feature = "sandbox")]
pub fn sandbox_call(bytes: &[u8]) {
    crate::sandbox::fuzzing::call(bytes);
}

/// A status and the bytes of a body as the answer to a REST call.
pub fn reply(bytes: &[u8]) {
    let Some((status, body)) = bytes.split_first() else {
        return;
    };
    let Ok(response) = Response::builder()
        .status(200 + u16::from(*status) * 2)
        .body(Bytes::copy_from_slice(body))
    else {
        return;
    };
    if let Ok(url) = "https://chat.example.org".parse() {
        crate::rest::fuzzing(&url, &response);
    }
}
