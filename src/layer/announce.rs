//! What layers tell of themselves while they are put around a route, so that the help knows who may run a command and
//! how often.
//!
//! A layer is opaque to the router, and a stack of several is one; so whoever wants to be known says so when its
//! service is made.

use std::cell::RefCell;
use std::fmt;

use super::require::Condition;

/// What a layer tells.
#[derive(Clone)]
pub(crate) enum Announcement {
    /// Who may, and where.
    Requires(Condition),
    /// How often, in words.
    Limits(String),
}

impl fmt::Debug for Announcement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Requires(_) => "Requires",
            Self::Limits(_) => "Limits",
        })
    }
}

thread_local! {
    static COLLECTED: RefCell<Option<Vec<Announcement>>> = const { RefCell::new(None) };
}

/// Tells whoever puts the layer around something, if anybody listens.
pub(crate) fn announce(announcement: impl FnOnce() -> Announcement) {
    COLLECTED.with_borrow_mut(|collected| {
        if let Some(collected) = collected {
            collected.push(announcement());
        }
    });
}

/// Runs a function, and hands out what was told meanwhile.
pub(crate) fn collect<T>(make: impl FnOnce() -> T) -> (T, Vec<Announcement>) {
    let outer = COLLECTED.replace(Some(Vec::new()));
    let made = make();
    (made, COLLECTED.replace(outer).unwrap_or_default())
}
