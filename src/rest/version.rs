//! The server's version, as far as calls depend on it.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::endpoint::{Endpoint as _, UploadMedia};

/// The first version whose pages of `chat.syncMessages` are known to begin with the oldest. Those of 7.1 may begin with
/// the newest, and what is between two such pages is never told.
const CURSORS: Version = Version::new(7, 2);

/// What was heard longer ago is no reason to refuse a call: the server may have been upgraded since.
const SURE: Duration = Duration::from_secs(10 * 60);

/// A version of Rocket.Chat: major and minor, which is what the API depends on.
///
/// ```
/// use rocketbotte::rest::Version;
///
/// const NEEDED: Version = Version::new(8, 9);
/// assert_eq!(Version::parse("8.10.2"), Some(Version::new(8, 10)));
/// assert!(Version::new(8, 10) > NEEDED);
/// assert_eq!(NEEDED.to_string(), "8.9");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version {
    major: u32,
    minor: u32,
}

impl Version {
    /// Such as 8.9.
    pub const fn new(major: u32, minor: u32) -> Self {
        Self { major, minor }
    }

    /// Reads what servers say: `8.7`, `8.7.2` or `8.7.0-rc.1`; `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('.');
        let major = parts.next()?.parse().ok()?;
        let minor = parts.next()?;
        let digits = minor
            .find(|c: char| !c.is_ascii_digit())
            .map_or(minor, |end| &minor[..end]);
        Some(Self::new(major, digits.parse().ok()?))
    }

    /// The 8 of 8.9.
    pub const fn major(self) -> u32 {
        self.major
    }

    /// The 9 of 8.9.
    pub const fn minor(self) -> u32 {
        self.minor
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// The first version that is known to let nobody send what looks like the server's own messages.
const GUARDED_SYSTEM_MESSAGES: Version = Version::new(7, 2);

/// The first version that tells of typing as one activity among others.
const ACTIVITY: Version = Version::new(4, 0);

/// What all clones of a client know about the server's version.
#[derive(Clone, Debug, Default)]
pub(crate) struct ServerVersion(Arc<Mutex<Known>>);

#[derive(Debug, Default)]
struct Known {
    version: Option<Version>,
    heard_at: Option<Instant>,
    /// The server refused them whatever its version is.
    refuses_cursors: bool,
}

impl ServerVersion {
    fn lock(&self) -> MutexGuard<'_, Known> {
        // Nothing that is done under the lock leaves it half done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the server says. Text of another form than [`Version::parse`] reads is no version.
    pub(crate) fn learn(&self, text: &str) {
        let version = Version::parse(text);
        let mut known = self.lock();
        if known.version != version {
            *known = Known {
                version,
                ..Known::default()
            };
        }
        known.heard_at = Some(Instant::now());
    }

    /// What the server last said that it is.
    pub(crate) fn known(&self) -> Option<Version> {
        self.lock().version
    }

    /// The same, if it said so a short while ago.
    pub(crate) fn sure(&self) -> Option<Version> {
        let known = self.lock();
        known
            .version
            .filter(|_| known.heard_at.is_some_and(|at| at.elapsed() <= SURE))
    }

    /// Whether `chat.syncMessages` may have pages: where the version is not known it is worth a try.
    pub(crate) fn may_have_cursors(&self) -> bool {
        let known = self.lock();
        !known.refuses_cursors && known.version.is_none_or(|version| version >= CURSORS)
    }

    /// Whether typing is told of as an activity: so it is where the version is not known.
    pub(crate) fn has_activity(&self) -> bool {
        self.lock().version.is_none_or(|version| version >= ACTIVITY)
    }

    /// Whether nobody but the server writes its system messages: not where the version is not known.
    pub(crate) fn guards_system_messages(&self) -> bool {
        let known = self.lock();
        known
            .version
            .is_some_and(|version| version >= GUARDED_SYSTEM_MESSAGES)
    }

    /// Whether files go up in two steps: all that are not known to be too old.
    pub(super) fn has_two_step_upload(&self) -> bool {
        self.lock()
            .version
            .is_none_or(|version| UploadMedia::SINCE.is_none_or(|since| version >= since))
    }

    /// This server has none, until it has another version.
    pub(crate) fn refuses_cursors(&self) {
        self.lock().refuses_cursors = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_that_have_pages() {
        for (text, maybe) in [
            ("3.4.0", false),
            ("6.13", false),
            ("7.1.9", false),
            ("7.2", true),
            ("7.10.1", true),
            ("8.0.0-rc.1", true),
            ("9.0-develop", true),
            ("", true),
            ("8", true),
            ("newest.1", true),
        ] {
            let version = ServerVersion::default();
            version.learn(text);
            assert_eq!(version.may_have_cursors(), maybe, "{text}");
        }
    }

    #[test]
    fn a_refusal_holds_until_an_upgrade() {
        let version = ServerVersion::default();
        version.learn("8.0");
        version.refuses_cursors();
        version.learn("8.0.1");
        assert!(!version.may_have_cursors());
        version.learn("8.1");
        assert!(version.may_have_cursors());
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_heard_long_ago_is_not_sure() {
        let version = ServerVersion::default();
        assert_eq!(version.sure(), None);
        version.learn("8.0.1");
        assert_eq!(version.sure(), Some(Version::new(8, 0)));
        tokio::time::advance(SURE + Duration::from_secs(1)).await;
        assert_eq!(
            (version.sure(), version.known()),
            (None, Some(Version::new(8, 0)))
        );
        version.learn("8.0.1");
        assert_eq!(version.sure(), Some(Version::new(8, 0)));
    }
}
