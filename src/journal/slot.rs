//! A journal that one bot uses at a time, however many could.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::{Journal, JournalError, JournalErrorKind};

/// A journal that nobody uses, or somebody does.
#[derive(Clone)]
pub(crate) struct JournalSlot {
    journal: Arc<dyn Journal>,
    is_used: Arc<AtomicBool>,
}

impl JournalSlot {
    pub(crate) fn new(journal: impl Journal) -> Self {
        Self {
            journal: Arc::new(journal),
            is_used: Arc::default(),
        }
    }

    /// Until the result is dropped nobody else uses it.
    pub(crate) fn take(&self) -> Result<UsedJournal, JournalError> {
        if self.is_used.swap(true, Ordering::AcqRel) {
            return Err(JournalError::new(
                JournalErrorKind::Locked,
                "the journal is used by another bot of this process: give each a journal of its own, or wait until the other has ended",
            ));
        }
        Ok(UsedJournal(self.clone()))
    }
}

impl fmt::Debug for JournalSlot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JournalSlot").finish_non_exhaustive()
    }
}

/// A journal that is used by whoever has this.
pub(crate) struct UsedJournal(JournalSlot);

impl Deref for UsedJournal {
    type Target = dyn Journal;

    fn deref(&self) -> &Self::Target {
        &*self.0.journal
    }
}

impl Drop for UsedJournal {
    fn drop(&mut self) {
        self.0.is_used.store(false, Ordering::Release);
    }
}
