//! A single run at a time.

use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{ScheduleError, ScheduleErrorKind};
use crate::event::{RoomId, Timestamp};

/// Bytes of a name or an id.
pub(crate) const LONGEST_NAME: usize = 256;

/// Bytes of a payload in JSON.
const LONGEST_PAYLOAD: usize = 8 * 1024;

/// A single run of a job, at a time: a reminder.
///
/// ```
/// use std::time::Duration;
/// use rocketbotte::schedule::Once;
///
/// let tea = Once::after("remind", Duration::from_secs(600)).payload(&"tea")?.id("m1");
/// # let _ = tea;
/// # Ok::<_, rocketbotte::schedule::ScheduleError>(())
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct Once {
    pub(super) job: String,
    pub(super) when: When,
    pub(super) id: Option<String>,
    pub(super) payload: Value,
    pub(super) room_id: Option<RoomId>,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum When {
    At(Timestamp),
    After(Duration),
}

impl Once {
    /// A run of the job of this name, at a time. What is past runs at once.
    pub fn at(job: impl Into<String>, time: SystemTime) -> Self {
        let at = Timestamp::from_system_time(time).unwrap_or(Timestamp::from_millis(i64::MAX));
        Self::new(job.into(), When::At(at))
    }

    /// A run of the job of this name, this much later than now.
    pub fn after(job: impl Into<String>, time: Duration) -> Self {
        Self::new(job.into(), When::After(time))
    }

    fn new(job: String, when: When) -> Self {
        Self {
            job,
            when,
            id: None,
            payload: Value::Null,
            room_id: None,
        }
    }

    /// What the handler is to know, as JSON of at most 8 KiB: it reads it by
    /// [`Scheduled::payload_as`](crate::event::Scheduled::payload_as).
    ///
    /// # Errors
    ///
    /// It has no form in JSON, or a longer one.
    pub fn payload<T: Serialize + ?Sized>(mut self, payload: &T) -> Result<Self, ScheduleError> {
        let text = serde_json::to_string(payload).map_err(|error| {
            ScheduleError::new(ScheduleErrorKind::Invalid, "the payload has no form in JSON")
                .with_source(error)
        })?;
        if text.len() > LONGEST_PAYLOAD {
            return Err(ScheduleError::new(
                ScheduleErrorKind::TooLong,
                format!(
                    "the payload has {} bytes of JSON, of {LONGEST_PAYLOAD} at most",
                    text.len()
                ),
            ));
        }
        // It was written a moment ago.
        self.payload = serde_json::from_str(&text).unwrap_or_default();
        Ok(self)
    }

    /// Tells it from the others of its job. Planned again with the id of one that waits, it takes its place: so a
    /// command that runs twice, after a crash, plans once. The id of the command's message is a good one. Random unless set.
    ///
    /// While one with this id runs, it waits behind it, so that a handler can plan itself again ("snooze"). Only what is the
    /// same in its time, its payload and its room is the one that runs, and plans nothing.
    pub fn id(mut self, id: impl Into<String>) -> Self {
        self.id = Some(id.into());
        self
    }

    /// Says which room it is about, so that what the handler returns goes there.
    pub fn in_room(mut self, room_id: impl Into<RoomId>) -> Self {
        self.room_id = Some(room_id.into());
        self
    }

    pub(super) fn check(&self) -> Result<(), ScheduleError> {
        let is_too_long = |name: &str| name.len() > LONGEST_NAME;
        if is_too_long(&self.job) || self.id.as_deref().is_some_and(is_too_long) {
            return Err(ScheduleError::new(
                ScheduleErrorKind::TooLong,
                format!("the name or the id of a job is longer than {LONGEST_NAME} bytes"),
            ));
        }
        Ok(())
    }
}

/// A single run as it is kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct StoredOnce {
    pub(crate) job: String,
    pub(crate) id: String,
    /// Milliseconds since 1970.
    pub(super) at: i64,
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub(super) payload: Value,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) room_id: Option<RoomId>,
    /// How often it was begun.
    #[serde(default)]
    pub(super) starts: u8,
    /// The one of this id that was planned while this ran.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) then: Option<Box<StoredOnce>>,
}

impl StoredOnce {
    pub(super) fn due(&self) -> Timestamp {
        Timestamp::from_millis(self.at)
    }

    /// Whether it asks for the same.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.at == other.at && self.payload == other.payload && self.room_id == other.room_id
    }

    #[cfg(test)]
    pub(crate) fn example(job: String, id: String, at: i64) -> Self {
        Self {
            job,
            id,
            at,
            payload: Value::from("tea"),
            room_id: Some(RoomId::from("r")),
            starts: 1,
            then: None,
        }
    }
}
