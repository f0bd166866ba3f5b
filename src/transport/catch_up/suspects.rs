//! Which events may have ended an earlier process: that they begin is kept before they do, and those that were there
//! at a crash run one at a time.

use std::collections::HashMap;
use std::fmt;
use std::future::pending;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::journal::Ledger;

/// A suspect that has lived so long holds up the others no more: it may never end.
const LIVED: Duration = Duration::from_secs(10);

/// An event that an earlier process may have begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Recovered {
    /// With the others.
    Together,
    /// It was there at a crash already: it is run alone, so that no other is suspected with it.
    Alone,
}

/// That an event which an earlier process may have begun is handed over has to be kept before it is.
#[derive(Debug)]
pub(super) struct Mark {
    key: Box<str>,
    recovered: Recovered,
    /// In which row the marks were written; `None` where this was not.
    number: Option<u64>,
}

impl Mark {
    pub(super) fn of(key: Box<str>, recovered: Recovered) -> Self {
        Self {
            key,
            recovered,
            number: None,
        }
    }

    pub(super) fn is_suspect(&self) -> bool {
        self.recovered == Recovered::Alone
    }

    pub(super) fn key(&self) -> &str {
        &self.key
    }

    fn is_to_be_written(&self, recovered: Recovered) -> bool {
        self.number.is_none() && self.recovered == recovered
    }

    fn write(&mut self, number: u64, ledger: &Ledger) {
        ledger.recover(&self.key);
        self.number = Some(number);
    }
}

/// The marks that were written, and how far they are kept.
#[derive(Default)]
pub(super) struct Marks {
    written: u64,
    kept: u64,
    /// While it is waited for that those up to a number are kept.
    flush: Option<(u64, Pin<Box<dyn Future<Output = ()> + Send>>)>,
}

impl Marks {
    /// Writes the next mark, if it is not written. Whether others go with it.
    pub(super) fn write(&mut self, next: &mut Mark, ledger: &Ledger) -> bool {
        if next.number.is_some() {
            return false;
        }
        self.written += 1;
        next.write(self.written, ledger);
        next.recovered == Recovered::Together
    }

    /// Writes those that go with the last one.
    pub(super) fn write_with_it<'a>(&self, marks: impl Iterator<Item = &'a mut Mark>, ledger: &Ledger) {
        for mark in marks.filter(|mark| mark.is_to_be_written(Recovered::Together)) {
            mark.write(self.written, ledger);
        }
    }

    /// Waits until a mark is kept. It goes on where this is dropped: what arrives meanwhile would begin it anew each
    /// time, and never end it.
    pub(super) async fn kept(&mut self, mark: &Mark, ledger: &Arc<Ledger>) {
        while mark.number > Some(self.kept) {
            let (written, flush) = self.flush.get_or_insert_with(|| {
                let ledger = Arc::clone(ledger);
                (self.written, Box::pin(async move { ledger.flush().await }))
            });
            flush.await;
            self.kept = *written;
            self.flush = None;
        }
    }
}

impl fmt::Debug for Marks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Marks")
            .field("written", &self.written)
            .field("kept", &self.kept)
            .finish_non_exhaustive()
    }
}

/// Told when something is settled, or another suspect may go.
#[derive(Debug, Default)]
pub(super) struct Settled {
    notify: Notify,
    /// The suspects in the pipeline, and since when. It takes no more of them than events.
    suspects: Mutex<HashMap<Box<str>, Instant>>,
}

impl Settled {
    fn suspects(&self) -> MutexGuard<'_, HashMap<Box<str>, Instant>> {
        // Nothing that is done under the lock leaves it half done.
        self.suspects.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn notify_one(&self) {
        self.notify.notify_one();
    }

    /// Waits until what could not be handed over may be looked at again.
    pub(super) async fn notified(&self) {
        let free_at = self.free_at();
        let lived = async {
            match free_at {
                Some(at) => tokio::time::sleep_until(at).await,
                None => pending().await,
            }
        };
        tokio::select! {
            () = self.notify.notified() => {}
            () = lived => {}
        }
    }

    /// When the suspects in the pipeline have lived long enough; `None` where they have.
    fn free_at(&self) -> Option<Instant> {
        let suspects = self.suspects();
        let free_at = suspects.values().max().map(|began| *began + LIVED);
        free_at.filter(|at| *at > Instant::now())
    }

    /// Whether another suspect has to wait.
    pub(super) fn has_suspect(&self) -> bool {
        self.free_at().is_some()
    }

    pub(super) fn suspect_goes(&self, key: &str) {
        self.suspects().insert(key.into(), Instant::now());
    }
}

/// That an event may be what ends the process: while its handlers run, and not while an answer is on its way, which may
/// take long.
pub(super) struct Suspicion {
    ledger: Option<Arc<Ledger>>,
    settled: Arc<Settled>,
    key: Option<Box<str>>,
    has_ended: AtomicBool,
}

impl Suspicion {
    pub(super) fn of(ledger: Option<Arc<Ledger>>, settled: Arc<Settled>, key: Option<Box<str>>) -> Self {
        Self {
            ledger,
            settled,
            key,
            has_ended: AtomicBool::new(false),
        }
    }

    /// It was not: the next process must not take its end for a crash.
    pub(super) fn end(&self) {
        if self.has_ended.swap(true, Ordering::Relaxed) {
            return;
        }
        if let (Some(ledger), Some(key)) = (&self.ledger, &self.key) {
            ledger.not_recovered(key);
            ledger.hurry();
            self.settled.suspects().remove(key);
        }
        self.settled.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_suspect_that_lives_holds_up_the_others_for_ten_seconds() {
        let settled = Arc::new(Settled::default());
        let began = Instant::now();
        assert!(!settled.has_suspect());
        settled.suspect_goes("one");
        assert!(settled.has_suspect());
        settled.notified().await;
        assert!(
            !settled.has_suspect() && began.elapsed() >= LIVED,
            "{:?}",
            began.elapsed()
        );
        // The next one holds them up again, and its end is heard at once.
        settled.suspect_goes("two");
        assert!(settled.has_suspect());
        let ledger = Arc::new(Ledger::in_memory());
        let suspicion = Suspicion::of(Some(ledger), Arc::clone(&settled), Some("two".into()));
        let began = Instant::now();
        tokio::join!(settled.notified(), async { suspicion.end() });
        assert!(!settled.has_suspect() && began.elapsed() < LIVED);
        assert_eq!(settled.suspects().len(), 1, "the first one still runs");
    }
}
