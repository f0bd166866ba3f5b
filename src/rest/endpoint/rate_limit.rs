//! How often servers let an endpoint be called.

use std::fmt;
use std::time::Duration;

use crate::rest::Version;

/// How many calls of an endpoint a server lets pass in a window of time, where it is not set otherwise.
///
/// Servers count by the caller's address, and do not count accounts with the permission `api-bypass-rate-limit`. Once a
/// server has told its own limit, that one counts.
///
/// ```
/// use std::time::Duration;
/// use rocketbotte::rest::endpoint::{RateLimit, SendMessage};
/// use rocketbotte::rest::{Endpoint, Version};
///
/// assert_eq!(RateLimit::DEFAULT.to_string(), "10 in 60 s");
/// assert_eq!(SendMessage::LIMIT.to_string(), "5 in 1 s since 8.8, before 10 in 60 s");
/// assert_eq!(SendMessage::LIMIT.calls(), 5);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimit {
    calls: u32,
    window: Duration,
    since: Option<Version>,
}

impl RateLimit {
    /// What servers have for endpoints without a limit of their own: ten calls a minute.
    pub const DEFAULT: Self = Self::new(10, Duration::from_secs(60));

    /// So many calls in such a window.
    pub const fn new(calls: u32, window: Duration) -> Self {
        Self {
            calls,
            window,
            since: None,
        }
    }

    /// Only since this version; servers before it have [`RateLimit::DEFAULT`].
    #[must_use]
    pub const fn since(self, version: Version) -> Self {
        Self {
            since: Some(version),
            ..self
        }
    }

    /// How many calls pass in a window.
    pub const fn calls(self) -> u32 {
        self.calls
    }

    /// How long the window is.
    pub const fn window(self) -> Duration {
        self.window
    }

    /// What a server of this version has; of a version that nobody knows, what none of them refuses.
    pub(crate) fn in_version(self, version: Option<Version>) -> Self {
        match (self.since, version) {
            (None, _) => self,
            (Some(since), Some(version)) if version >= since => Self::new(self.calls, self.window),
            (Some(_), Some(_)) => Self::DEFAULT,
            (Some(_), None) => Self::new(
                self.calls.min(Self::DEFAULT.calls),
                self.window.max(Self::DEFAULT.window),
            ),
        }
    }
}

impl Default for RateLimit {
    fn default() -> Self {
        Self::DEFAULT
    }
}

impl fmt::Display for RateLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} in {} s", self.calls, self.window.as_secs_f64())?;
        match self.since {
            Some(since) => write!(f, " since {since}, before {}", Self::DEFAULT),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_depends_on_the_version() {
        let limit = RateLimit::new(5, Duration::from_secs(1)).since(Version::new(8, 8));
        let minute = Duration::from_secs(60);
        for (version, expected) in [
            (Some(Version::new(8, 7)), RateLimit::DEFAULT),
            (
                Some(Version::new(8, 8)),
                RateLimit::new(5, Duration::from_secs(1)),
            ),
            (None, RateLimit::new(5, minute)),
        ] {
            assert_eq!(limit.in_version(version), expected, "{version:?}");
            assert_eq!(RateLimit::DEFAULT.in_version(version), RateLimit::DEFAULT);
        }
    }
}
