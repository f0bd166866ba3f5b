//! What a bot remembers from one start to the next.
//!
//! A [`Journal`] keeps small pairs of key and value: how far each room is settled, which events above that are done,
//! which routes that run at most once have begun, and what could not be
//! sent. [`MemoryJournal`] lives as long as the process; with the feature `journal` there is one in a file.

#[cfg(feature = "journal")]
mod disk;
mod error;
mod ledger;
mod memory;
mod slot;
mod stored;

use std::time::Duration;

use futures_util::future::BoxFuture;

#[cfg(feature = "journal")]
pub use self::disk::{DiskJournal, DiskJournalBuilder};
pub use self::error::{JournalError, JournalErrorKind};
pub(crate) use self::ledger::{Ledger, Owner};
pub use self::memory::MemoryJournal;
pub(crate) use self::slot::JournalSlot;
#[cfg(feature = "client")]
pub(crate) use self::stored::Place;
pub(crate) use self::stored::Undelivered;

/// Keeps what a bot remembers. What keys and values mean is the bot's affair; none is longer than some kilobytes, and
/// there are at most some hundred thousand.
///
/// ```
/// use rocketbotte::journal::{Change, Journal, MemoryJournal};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), rocketbotte::BoxError> {
/// let journal = MemoryJournal::new();
/// journal.write(vec![Change::put(*b"a", *b"1"), Change::put(*b"b", *b"2"), Change::remove(*b"a")]);
/// journal.flush().await?;
/// assert_eq!(journal.load()?, [(b"b".to_vec(), b"2".to_vec())]);
/// # Ok(())
/// # }
/// ```
pub trait Journal: Send + Sync + 'static {
    /// Everything that was put and not removed since, in any order, kept by now or not. Called once for each start of a
    /// bot, before that one writes anything: a program may serve a bot again with the same journal. It may block.
    ///
    /// # Errors
    ///
    /// What was kept can not be read.
    fn load(&self) -> Result<Vec<(Vec<u8>, Vec<u8>)>, JournalError>;

    /// Takes changes, in order. It is called for each event, so it must neither block nor wait for a disk. What is
    /// written with one call is kept together or not at all; a later call is never kept without the earlier ones.
    fn write(&self, changes: Vec<Change>);

    /// Waits until everything that was written before is kept, whatever happens to the process.
    ///
    /// # Errors
    ///
    /// It is not, for the time being: a full disk. The bot goes on.
    fn flush(&self) -> BoxFuture<'static, Result<(), JournalError>>;

    /// For how long nothing that was written is kept: a full disk. `None` while all is well, and unless implemented.
    /// [`Health`](crate::health::Health) tells it.
    fn failing_for(&self) -> Option<Duration> {
        None
    }
}

/// One change of what a [`Journal`] keeps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    key: Vec<u8>,
    value: Option<Vec<u8>>,
}

impl Change {
    /// A value for a key, instead of the one before.
    pub fn put(key: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) -> Self {
        Self {
            key: key.into(),
            value: Some(value.into()),
        }
    }

    /// The key goes.
    pub fn remove(key: impl Into<Vec<u8>>) -> Self {
        Self {
            key: key.into(),
            value: None,
        }
    }

    /// The key.
    pub fn key(&self) -> &[u8] {
        &self.key
    }

    /// Its new value; `None` where it goes.
    pub fn value(&self) -> Option<&[u8]> {
        self.value.as_deref()
    }

    /// Takes it apart.
    pub fn into_parts(self) -> (Vec<u8>, Option<Vec<u8>>) {
        (self.key, self.value)
    }
}
