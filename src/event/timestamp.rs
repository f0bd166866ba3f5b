//! Points in time as the server counts them.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

/// A point in the server's time: milliseconds since 1970-01-01T00:00:00Z.
///
/// It is the server's clock, which may differ from this machine's: compare timestamps with timestamps.
///
/// ```
/// use rocketbotte::event::Timestamp;
///
/// let created = Timestamp::from_millis(1_795_334_400_000);
/// assert_eq!(created.to_string(), "2026-11-22T08:00:00.000Z");
/// assert_eq!(Timestamp::parse("2026-11-22T08:00:00.000Z"), Some(created));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(i64);

impl Timestamp {
    /// A timestamp from milliseconds since the Unix epoch.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the Unix epoch.
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// Reads the form that REST uses, `2026-11-22T08:00:00.000Z`; `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        humantime::parse_rfc3339(text)
            .ok()
            .and_then(Self::from_system_time)
    }

    /// The same point as a [`SystemTime`]; `None` where it lies outside what that can hold.
    pub fn to_system_time(self) -> Option<SystemTime> {
        let distance = Duration::from_millis(self.0.unsigned_abs());
        if self.0 >= 0 {
            UNIX_EPOCH.checked_add(distance)
        } else {
            UNIX_EPOCH.checked_sub(distance)
        }
    }

    /// A point of this machine's time; `None` where it is too far away to be counted in milliseconds.
    pub fn from_system_time(time: SystemTime) -> Option<Self> {
        let millis = match time.duration_since(UNIX_EPOCH) {
            Ok(since) => i64::try_from(since.as_millis()).ok()?,
            Err(before) => -i64::try_from(before.duration().as_millis()).ok()?,
        };
        Some(Self(millis))
    }

    /// This much later.
    pub(crate) fn saturating_add(self, time: Duration) -> Self {
        Self(
            self.0
                .saturating_add(i64::try_from(time.as_millis()).unwrap_or(i64::MAX)),
        )
    }

    /// This much earlier.
    pub(crate) fn saturating_sub(self, time: Duration) -> Self {
        Self(
            self.0
                .saturating_sub(i64::try_from(time.as_millis()).unwrap_or(i64::MAX)),
        )
    }

    /// How long after `earlier` this is; zero if it is not.
    pub fn saturating_since(self, earlier: Self) -> Duration {
        u64::try_from(self.0.saturating_sub(earlier.0)).map_or(Duration::ZERO, Duration::from_millis)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // humantime knows the years 1970 to 9999; a server may send anything.
        match self.to_system_time() {
            Some(time) if (0..253_402_300_800_000).contains(&self.0) => {
                fmt::Display::fmt(&humantime::format_rfc3339_millis(time), f)
            }
            _ => write!(f, "{} ms", self.0),
        }
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_number_can_be_shown(millis: i64) {
            prop_assert!(!Timestamp::from_millis(millis).to_string().is_empty());
        }

        #[test]
        fn what_is_shown_reads_back(millis in 0i64..253_402_300_800_000) {
            let time = Timestamp::from_millis(millis);
            prop_assert_eq!(Timestamp::parse(&time.to_string()), Some(time));
        }

        #[test]
        fn any_text_is_read_or_refused(text: String) {
            let _ = Timestamp::parse(&text);
        }
    }
}
