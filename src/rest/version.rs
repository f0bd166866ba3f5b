//! The server's version, as far as calls depend on it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The first version whose pages of `chat.syncMessages` are known to begin with the oldest. Those of 7.1 may begin with
/// the newest, and what is between two such pages is never told.
const CURSORS: (u32, u32) = (7, 2);

/// What all clones of a client know about the server's version.
#[derive(Clone, Debug, Default)]
pub(crate) struct ServerVersion(Arc<Mutex<Known>>);

#[derive(Debug, Default)]
struct Known {
    version: Option<(u32, u32)>,
    /// The server refused them whatever its version is.
    refuses_cursors: bool,
}

impl ServerVersion {
    fn lock(&self) -> MutexGuard<'_, Known> {
        // Nothing that is done under the lock leaves it half done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the server says: `8.7` or `8.7.2`. Text of another form is no version.
    pub(crate) fn learn(&self, text: &str) {
        let version = parse(text);
        let mut known = self.lock();
        if known.version != version {
            *known = Known {
                version,
                refuses_cursors: false,
            };
        }
    }

    /// Whether `chat.syncMessages` may have pages: where the version is not known it is worth a try.
    pub(crate) fn may_have_cursors(&self) -> bool {
        let known = self.lock();
        !known.refuses_cursors && known.version.is_none_or(|version| version >= CURSORS)
    }

    /// This server has none, until it has another version.
    pub(crate) fn refuses_cursors(&self) {
        self.lock().refuses_cursors = true;
    }
}

fn parse(text: &str) -> Option<(u32, u32)> {
    let mut parts = text.split('.');
    let major = parts.next()?.parse().ok()?;
    let minor = parts.next()?;
    let digits = minor
        .find(|c: char| !c.is_ascii_digit())
        .map_or(minor, |end| &minor[..end]);
    Some((major, digits.parse().ok()?))
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
}
