//! Follows an inspector.

use tokio::sync::watch;

use super::{Inspection, Inspector};

/// The events of an [`Inspector`], each as often as something about it changes. Who is slow sees the latest state of each,
/// not every step.
#[derive(Debug)]
pub struct InspectionFeed {
    inspector: Inspector,
    changed: watch::Receiver<u64>,
    seen: u64,
}

impl InspectionFeed {
    pub(super) fn new(inspector: Inspector) -> Self {
        Self {
            changed: inspector.changed.subscribe(),
            inspector,
            seen: 0,
        }
    }

    /// Waits for the next change. Its future may be dropped: nothing is missed by that.
    pub async fn next(&mut self) -> Inspection {
        loop {
            self.changed.mark_unchanged();
            if let Some(inspection) = self.try_next() {
                return inspection;
            }
            if self.changed.changed().await.is_err() {
                // The sender is the inspector's, which this feed holds.
                std::future::pending::<()>().await;
            }
        }
    }

    /// What has changed already.
    pub fn try_next(&mut self) -> Option<Inspection> {
        let (inspection, version) = self.inspector.lock().changed_after(self.seen)?;
        self.seen = version;
        Some(inspection)
    }
}
