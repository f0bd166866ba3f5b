//! Tells nothing.
#![expect(clippy::unused_self, reason = "it stands for one that has something to tell")]

use std::time::Duration;

use crate::dispatch::Counters;
use crate::health::{JournalState, Load};
use crate::response::Response;
use crate::transport::Arrival;

pub(crate) struct Meter;

#[rustfmt::skip]
impl Meter {
    pub(crate) const fn new() -> Self { Self }
    pub(crate) fn begin(&self) {}
    pub(crate) fn end(&self) {}
    pub(crate) fn connected(&self, _is_connected: bool) {}
    pub(crate) fn received(&self, _arrival: Arrival) {}
    pub(crate) fn load(&self, _load: Load) {}
    pub(crate) fn memory(&self, _journal: JournalState, _kept_actions: usize) {}
    pub(crate) fn counted(&self, _before: &Counters, _now: &Counters) {}
    pub(crate) fn answered(&self, _response: &Response, _took: impl FnOnce() -> Duration) {}
}

#[cfg(feature = "client")]
#[rustfmt::skip]
impl Meter {
    pub(crate) fn frame(&self) {}
    pub(crate) fn connection_failed(&self) {}
    pub(crate) fn reconnected(&self, _gap: Duration) {}
    pub(crate) fn behind(&self, _is_behind: bool) {}

    pub(crate) fn parked(&self, _rooms: usize) {}
    pub(crate) fn fetched(&self, _events: u64) {}
    pub(crate) fn caught_up(&self, _skipped: u64, _took: Duration) {}
}

#[cfg(feature = "client")]
#[rustfmt::skip]
pub(crate) mod rest {
    use std::time::Duration;

    pub(crate) fn answered(_endpoint: &'static str, _status: Option<u16>, _took: Duration) {}
    pub(crate) fn tried_again() {}
    pub(crate) fn waits() {}
    pub(crate) fn waits_no_more() {}
}
