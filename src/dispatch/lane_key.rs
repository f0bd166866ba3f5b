//! In which lane an event waits for its turn.

use crate::event::{Event, EventKind, MessageId, RoomId};

/// The thread if there is one, else the room; what happens in no room has lanes of its own.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum LaneKey {
    Thread(MessageId),
    Room(RoomId),
    /// Custom events of a name.
    Custom(String),
    /// A run of a job: whether runs overlap is decided before they come here.
    Run(String),
    Kind(EventKind),
    /// A lane that only this event uses.
    Alone(u64),
}

impl LaneKey {
    pub(super) fn of(event: &Event) -> Self {
        if let Some(thread_id) = event.thread_id() {
            return Self::Thread(thread_id.clone());
        }
        if let Some(room_id) = event.room_id() {
            return Self::Room(room_id.clone());
        }
        match event {
            Event::Custom(custom) => Self::Custom(custom.name().to_owned()),
            Event::Scheduled(scheduled) => Self::Run(scheduled.key().to_owned()),
            event => Self::Kind(event.kind()),
        }
    }
}
