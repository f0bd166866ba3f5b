//! What the pairs of a journal mean. Pure.

use serde::{Deserialize, Serialize};

use super::Change;
use crate::event::{RoomId, Timestamp};
use crate::response::Action;
use crate::schedule::{JobState, StoredOnce};

/// One thing that is remembered.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Entry {
    /// What ids are derived with.
    Secret(Vec<u8>),
    /// Whose journal it is.
    Owner(String),
    /// When the bot was started for the first time: what is older is none of its business.
    Began(Timestamp),
    /// Everything up to here was received.
    Alive(Timestamp),
    Room(RoomId, Place),
    /// An event that is done.
    Finished(RoomId, Timestamp, Box<str>),
    /// An event that was handed over again after a crash, and how often.
    Recovered(Box<str>, u8),
    /// A route that runs at most once for an event has begun, and where the event is.
    Claimed(u64, Option<(RoomId, Timestamp)>, Box<str>),
    /// An action that could not be carried out.
    Undelivered(u64, Box<Undelivered>),
    /// How far a job has come.
    Job(Box<str>, Box<JobState>),
    /// A single run that is planned.
    Once(Box<StoredOnce>),
}

/// How far a room is settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// Everything up to here is done.
    pub(crate) watermark: Timestamp,
    /// Whether something behind it is not.
    pub(crate) is_open: bool,
}

/// An action that could not be carried out, complete: with its room, its thread and its ids.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Undelivered {
    pub(crate) action: Action,
    /// The event that it answers.
    pub(crate) event_key: String,
    /// The route that asked for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) route: Option<String>,
    /// When it was kept, in milliseconds since 1970 by this machine's clock; none where an earlier version kept it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) kept_at: Option<u64>,
}

impl Undelivered {
    /// Whether it is the same, whenever it was kept.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.action == other.action && self.event_key == other.event_key && self.route == other.route
    }
}

const SECRET: u8 = b's';
const OWNER: u8 = b'o';
const BEGAN: u8 = b'g';
const ALIVE: u8 = b'a';
const ROOM: u8 = b'r';
const FINISHED: u8 = b'f';
const RECOVERED: u8 = b'b';
const CLAIMED: u8 = b'm';
const UNDELIVERED: u8 = b'u';
const JOB: u8 = b'j';
const ONCE: u8 = b'n';

impl Entry {
    pub(super) fn key(&self) -> Vec<u8> {
        let mut key = Vec::with_capacity(64);
        match self {
            Self::Secret(_) => key.push(SECRET),
            Self::Owner(_) => key.push(OWNER),
            Self::Began(_) => key.push(BEGAN),
            Self::Alive(_) => key.push(ALIVE),
            Self::Room(room, _) => {
                key.push(ROOM);
                key.extend_from_slice(room.as_str().as_bytes());
            }
            Self::Finished(room, revision, event) => {
                key.push(FINISHED);
                put_place(&mut key, room, *revision);
                key.extend_from_slice(event.as_bytes());
            }
            Self::Recovered(event, _) => {
                key.push(RECOVERED);
                key.extend_from_slice(event.as_bytes());
            }
            Self::Claimed(number, ..) => {
                key.push(CLAIMED);
                key.extend_from_slice(&number.to_be_bytes());
            }
            Self::Undelivered(number, _) => {
                key.push(UNDELIVERED);
                key.extend_from_slice(&number.to_be_bytes());
            }
            Self::Job(name, _) => {
                key.push(JOB);
                key.extend_from_slice(name.as_bytes());
            }
            Self::Once(once) => return once_key(&once.job, &once.id),
        }
        key
    }

    pub(super) fn put(self) -> Change {
        let key = self.key();
        let value = match self {
            Self::Secret(secret) => secret,
            Self::Owner(owner) => owner.into_bytes(),
            Self::Began(at) | Self::Alive(at) => at.as_millis().to_be_bytes().to_vec(),
            Self::Room(_, place) => {
                let mut value = place.watermark.as_millis().to_be_bytes().to_vec();
                value.push(u8::from(place.is_open));
                value
            }
            Self::Finished(..) => Vec::new(),
            Self::Recovered(_, times) => vec![times],
            Self::Claimed(_, place, claim) => {
                let mut value = vec![u8::from(place.is_some())];
                if let Some((room, at)) = place {
                    put_place(&mut value, &room, at);
                }
                value.extend_from_slice(claim.as_bytes());
                value
            }
            // Ids and text have a form in JSON, whatever they hold.
            Self::Undelivered(_, undelivered) => serde_json::to_vec(&undelivered).unwrap_or_default(),
            Self::Job(_, state) => serde_json::to_vec(&state).unwrap_or_default(),
            Self::Once(once) => serde_json::to_vec(&once).unwrap_or_default(),
        };
        Change::put(key, value)
    }

    pub(super) fn remove(&self) -> Change {
        Change::remove(self.key())
    }

    /// `None` for what is not known: a later version may have written it.
    pub(super) fn read(key: &[u8], value: &[u8]) -> Option<Self> {
        let (kind, rest) = key.split_first()?;
        let text = |bytes: &[u8]| std::str::from_utf8(bytes).ok().map(Box::<str>::from);
        let number = |bytes: &[u8]| Some(u64::from_be_bytes(bytes.try_into().ok()?));
        Some(match *kind {
            SECRET => Self::Secret(value.to_vec()),
            OWNER => Self::Owner(text(value)?.into()),
            BEGAN => Self::Began(timestamp(value)?),
            ALIVE => Self::Alive(timestamp(value)?),
            ROOM => {
                let (at, is_open) = value.split_at_checked(8)?;
                let place = Place {
                    watermark: timestamp(at)?,
                    is_open: *is_open.first()? != 0,
                };
                Self::Room(RoomId::from(&*text(rest)?), place)
            }
            FINISHED => {
                let (room, revision, event) = read_place(rest)?;
                Self::Finished(room, revision, text(event)?)
            }
            RECOVERED => Self::Recovered(text(rest)?, *value.first()?),
            CLAIMED => match value.split_first()? {
                (0, claim) => Self::Claimed(number(rest)?, None, text(claim)?),
                (_, value) => {
                    let (room, at, claim) = read_place(value)?;
                    Self::Claimed(number(rest)?, Some((room, at)), text(claim)?)
                }
            },
            UNDELIVERED => {
                let undelivered = serde_json::from_slice(value).ok()?;
                Self::Undelivered(number(rest)?, Box::new(undelivered))
            }
            JOB => Self::Job(text(rest)?, Box::new(serde_json::from_slice(value).ok()?)),
            ONCE => Self::Once(Box::new(serde_json::from_slice(value).ok()?)),
            _ => return None,
        })
    }
}

/// The number in a key, whether its value is understood or not: it must not be used again.
pub(super) fn number(key: &[u8]) -> Option<u64> {
    match key.split_first()? {
        (&(CLAIMED | UNDELIVERED), number) => Some(u64::from_be_bytes(number.try_into().ok()?)),
        _ => None,
    }
}

/// The length tells where the job's name ends, whatever it is made of.
pub(super) fn once_key(job: &str, id: &str) -> Vec<u8> {
    let mut key = vec![ONCE];
    key.extend_from_slice(&u32::try_from(job.len()).unwrap_or(u32::MAX).to_be_bytes());
    key.extend_from_slice(job.as_bytes());
    key.extend_from_slice(id.as_bytes());
    key
}

/// The key of what is kept of a job.
pub(super) fn job_key(name: &str) -> Vec<u8> {
    [&[JOB], name.as_bytes()].concat()
}

/// The length tells where the room ends, whatever it is made of.
fn put_place(bytes: &mut Vec<u8>, room: &RoomId, at: Timestamp) {
    let room = room.as_str().as_bytes();
    bytes.extend_from_slice(&u32::try_from(room.len()).unwrap_or(u32::MAX).to_be_bytes());
    bytes.extend_from_slice(room);
    bytes.extend_from_slice(&at.as_millis().to_be_bytes());
}

/// A place, and what is behind it.
fn read_place(bytes: &[u8]) -> Option<(RoomId, Timestamp, &[u8])> {
    let (length, rest) = bytes.split_at_checked(4)?;
    let length = usize::try_from(u32::from_be_bytes(length.try_into().ok()?)).ok()?;
    let (room, rest) = rest.split_at_checked(length)?;
    let (at, rest) = rest.split_at_checked(8)?;
    Some((
        RoomId::from(std::str::from_utf8(room).ok()?),
        timestamp(at)?,
        rest,
    ))
}

fn timestamp(bytes: &[u8]) -> Option<Timestamp> {
    Some(Timestamp::from_millis(i64::from_be_bytes(bytes.try_into().ok()?)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::response::Send;

    fn entry() -> impl Strategy<Value = Entry> {
        let at = || any::<i64>().prop_map(Timestamp::from_millis);
        let text = || any::<String>().prop_map(Box::<str>::from);
        let room = || any::<String>().prop_map(RoomId::from);
        prop_oneof![
            any::<Vec<u8>>().prop_map(Entry::Secret),
            any::<String>().prop_map(Entry::Owner),
            at().prop_map(Entry::Began),
            at().prop_map(Entry::Alive),
            (room(), at(), any::<bool>())
                .prop_map(|(room, watermark, is_open)| Entry::Room(room, Place { watermark, is_open })),
            (room(), at(), text()).prop_map(|(room, at, key)| Entry::Finished(room, at, key)),
            (text(), any::<u8>()).prop_map(|(key, times)| Entry::Recovered(key, times)),
            (any::<u64>(), prop::option::of((room(), at())), text())
                .prop_map(|(number, place, claim)| Entry::Claimed(number, place, claim)),
            (text(), any::<i64>(), any::<(i64, u8)>())
                .prop_map(|(name, seen, open)| Entry::Job(name, Box::new(JobState::example(seen, [open])))),
            (any::<String>(), any::<String>(), any::<i64>())
                .prop_map(|(job, id, at)| Entry::Once(Box::new(StoredOnce::example(job, id, at)))),
            (
                any::<u64>(),
                any::<String>(),
                any::<String>(),
                any::<Option<u64>>()
            )
                .prop_map(|(number, text, event_key, kept_at)| {
                    let action = Action::from(Send::text(text).to("r"));
                    Entry::Undelivered(
                        number,
                        Box::new(Undelivered {
                            action,
                            event_key,
                            route: Some("ping".to_owned()),
                            kept_at,
                        }),
                    )
                }),
        ]
    }

    proptest! {
        #[test]
        fn what_is_stored_reads_back(entry in entry()) {
            let (key, value) = entry.clone().put().into_parts();
            prop_assert_eq!(Entry::read(&key, &value.unwrap()), Some(entry));
        }

        /// Two things that are different in more than their value have different keys.
        #[test]
        fn keys_tell_things_apart(a in entry(), b in entry()) {
            let same_thing = match (&a, &b) {
                (Entry::Secret(_), Entry::Secret(_)) | (Entry::Owner(_), Entry::Owner(_))
                | (Entry::Began(_), Entry::Began(_)) | (Entry::Alive(_), Entry::Alive(_)) => true,
                (Entry::Room(a, _), Entry::Room(b, _)) => a == b,
                (Entry::Recovered(a, _), Entry::Recovered(b, _)) => a == b,
                (Entry::Claimed(a, ..), Entry::Claimed(b, ..)) => a == b,
                (Entry::Undelivered(a, _), Entry::Undelivered(b, _)) => a == b,
                (Entry::Finished(..), Entry::Finished(..)) => a == b,
                _ => false,
            };
            prop_assert_eq!(a.key() == b.key(), same_thing);
        }

        #[test]
        fn any_bytes_are_read_or_left_alone(key: Vec<u8>, value: Vec<u8>) {
            let _ = Entry::read(&key, &value);
        }
    }
}
