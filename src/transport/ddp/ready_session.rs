//! A session that is ready, for the fuzz targets and for those who measure what a frame costs.

use bytestring::ByteString;
use tokio::time::Instant;

use super::output::Output;
use super::session::{Session, SessionConfig};
use crate::event::classify::StreamEvent;
use crate::secret::Secret;
use crate::transport::PerRoom;

pub(crate) struct ReadySession {
    session: Session,
    now: Instant,
    is_closed: bool,
}

impl ReadySession {
    pub(crate) fn new() -> Self {
        let now = Instant::now();
        let config = SessionConfig {
            user_id: "u".into(),
            token: Secret::new("TOKEN"),
            per_room: PerRoom::new(),
            has_activity: true,
        };
        let mut this = Self {
            session: Session::new(config, now),
            now,
            is_closed: false,
        };
        for frame in [
            r#"{"msg":"connected"}"#,
            r#"{"msg":"result","id":"1"}"#,
            r#"{"msg":"ready","subs":["2","3"]}"#,
        ] {
            this.handle(&frame.into()).for_each(drop);
        }
        this
    }

    /// The events of a frame.
    pub(crate) fn handle(&mut self, frame: &ByteString) -> impl Iterator<Item = StreamEvent> {
        self.session.handle(frame, self.now);
        std::iter::from_fn(|| self.session.poll_output()).filter_map(|output| match output {
            Output::Event(event) => Some(event),
            Output::Close(_) => {
                self.is_closed = true;
                None
            }
            Output::Send(_) | Output::State(_) | Output::TokenExpires(_) | Output::Ready => None,
        })
    }

    #[cfg(fuzzing)]
    pub(crate) fn is_closed(&self) -> bool {
        self.is_closed
    }
}
