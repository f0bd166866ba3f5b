//! A run of a job.

use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{RoomId, Timestamp};

/// A run of a job that was due: see [`schedule`](crate::schedule).
#[derive(Clone, Debug, PartialEq)]
pub struct Scheduled {
    job: Arc<str>,
    due: Timestamp,
    key: String,
    id: Option<String>,
    payload: Value,
    room_id: Option<RoomId>,
}

impl Scheduled {
    /// A run of a job that was due at this time.
    ///
    /// ```
    /// use rocketbotte::event::{Scheduled, Timestamp};
    ///
    /// let run = Scheduled::new("standup", Timestamp::from_millis(0));
    /// assert_eq!((run.job(), run.due().as_millis()), ("standup", 0));
    /// ```
    pub fn new(job: impl Into<Arc<str>>, due: Timestamp) -> Self {
        let job = job.into();
        Self {
            key: format!("schedule/{job}/{}", due.as_millis()),
            job,
            due,
            id: None,
            payload: Value::Null,
            room_id: None,
        }
    }

    /// Makes it a single run, by its id.
    #[must_use]
    pub fn with_id(mut self, id: impl Into<String>) -> Self {
        let id = id.into();
        self.key = format!("schedule/{}/once/{id}", self.job);
        self.id = Some(id);
        self
    }

    /// Adds what its handler is to know.
    #[must_use]
    pub fn with_payload(mut self, payload: Value) -> Self {
        self.payload = payload;
        self
    }

    /// Says which room it is about, so that what a handler returns goes there.
    #[must_use]
    pub fn in_room(mut self, room_id: impl Into<RoomId>) -> Self {
        self.room_id = Some(room_id.into());
        self
    }

    /// The name of the job.
    pub fn job(&self) -> &str {
        &self.job
    }

    /// When it was due.
    pub fn due(&self) -> Timestamp {
        self.due
    }

    /// The id of a single run.
    pub fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    /// What its handler is to know; null where nobody said anything.
    pub fn payload(&self) -> &Value {
        &self.payload
    }

    /// The payload as a value of one's own.
    ///
    /// # Errors
    ///
    /// It has another form.
    pub fn payload_as<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        T::deserialize(&self.payload)
    }

    /// The room it is about.
    pub fn room_id(&self) -> Option<&RoomId> {
        self.room_id.as_ref()
    }

    pub(crate) fn key(&self) -> &str {
        &self.key
    }
}
