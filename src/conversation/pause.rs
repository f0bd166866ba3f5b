//! Time in which a handler waits for people, and which counts against no deadline.
//!
//! Whoever polls a handler sees by a counter of the thread whether it began, or ceased, to wait meanwhile: so all that is
//! around it knows, whatever it is made of, and an event that nobody waits in costs nothing but two looks at it.

use std::cell::Cell;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

use crate::request::Deadline;

thread_local! {
    /// Only how it changes during a poll says something: what waits may begin on one thread and end on another.
    static WAITING: Cell<i32> = const { Cell::new(0) };
}

/// A handler waits for somebody, until this is dropped.
#[derive(Debug)]
pub(super) struct Waiting(());

impl Waiting {
    pub(super) fn begin() -> Self {
        WAITING.set(WAITING.get().wrapping_add(1));
        Self(())
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        WAITING.set(WAITING.get().wrapping_sub(1));
    }
}

/// A clock that stands still while what it is for waits for people.
#[derive(Clone, Debug)]
pub(crate) struct PausableClock {
    deadline: Option<Deadline>,
    /// Made when something waits for the first time: nearly nothing does.
    waits: Option<Box<Waits>>,
}

#[derive(Clone, Copy, Debug)]
struct Waits {
    /// How many do.
    now: i32,
    since: Instant,
    /// How long it did in all, before that.
    before: Duration,
}

impl PausableClock {
    #[inline]
    pub(crate) const fn new(deadline: Option<Deadline>) -> Self {
        Self {
            deadline,
            waits: None,
        }
    }

    /// Polls something, and sees whether it waits.
    #[inline]
    pub(crate) fn watch<T>(&mut self, poll: impl FnOnce() -> T) -> T {
        let before = WAITING.get();
        let polled = poll();
        let change = WAITING.get().wrapping_sub(before);
        if change != 0 {
            self.change(change);
        }
        polled
    }

    #[cold]
    fn change(&mut self, change: i32) {
        let now = Instant::now();
        let waits = self.waits.get_or_insert_with(|| {
            Box::new(Waits {
                now: 0,
                since: now,
                before: Duration::ZERO,
            })
        });
        let waited = waits.now > 0;
        waits.now = waits.now.saturating_add(change);
        match (waited, waits.now > 0) {
            (false, true) => waits.since = now,
            (true, false) => {
                let time = now.saturating_duration_since(waits.since);
                waits.before = waits.before.saturating_add(time);
                if let Some(deadline) = &mut self.deadline {
                    // Later than the clock can count is never.
                    match deadline.at.checked_add(time) {
                        Some(at) => deadline.at = at,
                        None => self.deadline = None,
                    }
                }
            }
            _ => {}
        }
    }

    #[inline]
    pub(crate) fn is_waiting(&self) -> bool {
        self.waits.as_ref().is_some_and(|waits| waits.now > 0)
    }

    /// How long it has waited, without the time in which it still does.
    pub(crate) fn waited(&self) -> Duration {
        self.waits.as_ref().map_or(Duration::ZERO, |waits| waits.before)
    }

    /// What is to be done in time; `None` where there is no limit, or it waits.
    #[inline]
    pub(crate) fn deadline(&self) -> Option<Deadline> {
        self.deadline.filter(|_| !self.is_waiting())
    }

    /// Another one for the same, without a limit.
    pub(crate) fn another(&self) -> Self {
        Self {
            deadline: None,
            waits: self.waits.clone(),
        }
    }
}

/// Says when the time of a clock is over.
#[derive(Debug)]
pub(crate) struct PausableTimer {
    pub(crate) clock: PausableClock,
    /// Made when the first poll did not finish: most requests need no timer, and none carries its size around.
    sleep: Option<Pin<Box<Sleep>>>,
}

impl PausableTimer {
    pub(crate) const fn new(deadline: Option<Deadline>) -> Self {
        Self {
            clock: PausableClock::new(deadline),
            sleep: None,
        }
    }

    /// Ready when the time is over, with how long it was.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Duration> {
        let Some(Deadline { at, after }) = self.clock.deadline() else {
            return Poll::Pending;
        };
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(sleep_until(at)));
        if sleep.deadline() != at {
            sleep.as_mut().reset(at);
        }
        sleep.as_mut().poll(cx).map(|()| after)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_clock_stands_still_while_anything_waits() {
        let after = Duration::from_secs(10);
        let at = Instant::now() + after;
        let mut outer = PausableClock::new(Some(Deadline { at, after }));
        let mut inner = PausableClock::new(None);
        let mut one = None;
        let mut two = None;
        outer.watch(|| inner.watch(|| one = Some(Waiting::begin())));
        tokio::time::advance(Duration::from_secs(60)).await;
        outer.watch(|| inner.watch(|| two = Some(Waiting::begin())));
        outer.watch(|| inner.watch(|| drop(one.take())));
        assert!(outer.is_waiting() && inner.is_waiting());
        assert_eq!(outer.deadline(), None);
        tokio::time::advance(Duration::from_secs(60)).await;
        outer.watch(|| inner.watch(|| drop(two.take())));
        assert!(!outer.is_waiting() && !inner.is_waiting());
        let minutes = Duration::from_secs(120);
        assert_eq!((outer.waited(), inner.waited()), (minutes, minutes));
        assert_eq!(outer.deadline().unwrap().at, at + minutes);
    }
}
