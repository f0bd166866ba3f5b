//! Faults on demand: broken sockets, silence, limits, errors.
//!
//! Each fault is a method of [`Sandbox`], and [`Sandbox::faults_met`] counts what came of them.

mod frames;
mod outage;
mod rest;
mod sockets;

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    time::Duration,
};

use super::Sandbox;
pub use rest::RestFault;
pub use sockets::Step;

/// How stream frames change their order.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Reorder {
    #[default]
    Off,
    /// Every pair is swapped.
    Pairs,
    /// Only frames of different rooms overtake each other.
    Rooms,
}

/// The faults that are switched on.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    pub(crate) duplicate: bool,
    pub(crate) lose: bool,
    pub(crate) reorder: Reorder,
    pub(crate) refuse: bool,
    pub(crate) slow: Duration,
    pub(crate) steps: VecDeque<Step>,
    pub(crate) rest: HashMap<String, VecDeque<RestFault>>,
    pub(crate) met: BTreeMap<&'static str, u64>,
}

impl Faults {
    /// Whether a call of this endpoint is to be cut while its body is read.
    pub(crate) fn take_cut(&mut self, endpoint: &str) -> bool {
        let queue = self.rest.get(endpoint).or_else(|| self.rest.get("*"));
        let is_next = queue.is_some_and(|queue| queue.front() == Some(&RestFault::CloseWhileReading));
        is_next && self.take(endpoint).is_some()
    }

    /// The next fault for this endpoint, if one is waiting.
    pub(crate) fn take(&mut self, endpoint: &str) -> Option<RestFault> {
        let name = if self.rest.contains_key(endpoint) {
            endpoint
        } else {
            "*"
        };
        let queue = self.rest.get_mut(name)?;
        let fault = queue.pop_front();
        if queue.is_empty() {
            self.rest.remove(name);
        }
        if let Some(fault) = &fault {
            self.count(fault.name(), 1);
        }
        fault
    }

    /// Whether a connection at this step is to be cut.
    pub(crate) fn take_step(&mut self, step: Step) -> bool {
        let waiting = self.steps.iter().position(|waiting| *waiting == step);
        let is_cut = waiting.and_then(|at| self.steps.remove(at)).is_some();
        if is_cut {
            self.count(step.name(), 1);
        }
        is_cut
    }

    /// Whether a connection that comes now is refused.
    pub(crate) fn refuses(&mut self) -> bool {
        self.count("connection refused", usize::from(self.refuse));
        self.refuse
    }

    /// How long a call takes that comes now.
    pub(crate) fn slowness(&mut self) -> Duration {
        self.count("slow server", usize::from(!self.slow.is_zero()));
        self.slow
    }

    pub(crate) fn met(&self) -> &BTreeMap<&'static str, u64> {
        &self.met
    }

    pub(crate) fn count(&mut self, name: &'static str, times: usize) {
        if times > 0 {
            *self.met.entry(name).or_default() += u64::try_from(times).unwrap_or(u64::MAX);
        }
    }
}

impl Sandbox {
    /// How often each kind of fault was met so far: by a connection, a frame or a call.
    pub fn faults_met(&self) -> BTreeMap<&'static str, u64> {
        self.state().faults.met.clone()
    }
}
