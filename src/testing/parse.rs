//! What a server sends, and the events that a bot makes of it: for measuring, and for events as a real server words them.
//!
//! ```
//! use rocketbotte::event::Event;
//! use rocketbotte::testing::parse::{Frame, FrameParser};
//!
//! let frame = Frame::new(
//!     r#"{"msg":"changed","collection":"stream-room-messages","id":"id","fields":{"eventName":"__my_messages__","args":[
//!         {"_id":"m1","rid":"GENERAL","msg":"hello","ts":{"$date":1795334151953},"u":{"_id":"uAnn","username":"ann"}},
//!         {"roomParticipant":true,"roomType":"c","roomName":"general"}]}}"#,
//! );
//! let mut parser = FrameParser::new();
//! let events: Vec<_> = parser.events(&frame).collect();
//! assert!(matches!(&events[..], [Event::Message(message)] if message.text() == "hello"));
//! assert_eq!(parser.events(&frame).count(), 0, "a message that comes again is dropped");
//! ```

use std::fmt;

use bytestring::ByteString;

use crate::event::Event;
use crate::event::classify::Classifier;
use crate::transport::ddp::ready_session::ReadySession;

/// A text frame as it comes off the websocket: counted, so that events can be slices of it.
#[derive(Clone, Debug)]
pub struct Frame(ByteString);

impl Frame {
    /// A frame with this text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into().into())
    }
}

/// The way of a frame from the websocket to the dispatcher, without either: a session that is logged in and has
/// subscribed, and the classifier behind it. It is the code that a connected bot runs.
pub struct FrameParser {
    session: ReadySession,
    classifier: Classifier,
}

impl FrameParser {
    /// A session that is ready, and has seen no message.
    pub fn new() -> Self {
        Self {
            session: ReadySession::new(),
            classifier: Classifier::new(false),
        }
    }

    /// The events of a frame. As in a bot a message that was seen is dropped when it comes again, and so is all that
    /// comes from rooms which the bot has not joined.
    pub fn events(&mut self, frame: &Frame) -> impl Iterator<Item = Event> {
        self.session
            .handle(&frame.0)
            .flat_map(|event| self.classifier.classify(&event))
    }
}

impl Default for FrameParser {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for FrameParser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FrameParser").finish_non_exhaustive()
    }
}
