//! Which typing notifications are sent: those that change something, and no more than the server takes. Pure.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

/// Servers count the calls of a connection in windows of this length, which begin when they like.
const WINDOW: Duration = Duration::from_secs(40);
/// Calls that they take in one.
const CALLS: usize = 40;
/// Of these, for what says something new: that the bot began to type, or that it ended.
const RESERVED: usize = 10;
/// Again in the same room before that, it changes nothing.
const FRESH: Duration = Duration::from_secs(4);
/// After this time clients forget by themselves that somebody is typing.
const FORGOTTEN: Duration = Duration::from_secs(15);

/// The notifications of one connection.
#[derive(Debug, Default)]
pub(super) struct TypingCalls {
    /// Those of the last window, oldest first; never more than the server takes in one.
    sent: VecDeque<Sent>,
    paused_until: Option<Instant>,
}

#[derive(Debug)]
struct Sent {
    id: u64,
    at: Instant,
    room: Box<str>,
    thread: Option<Box<str>>,
    is_on: bool,
    is_ended: bool,
}

impl TypingCalls {
    /// Whether a notification is to be sent at `now`; it counts as sent then.
    pub(super) fn may_send(
        &mut self,
        id: u64,
        room: &str,
        thread: Option<&str>,
        is_on: bool,
        now: Instant,
    ) -> bool {
        let age = |sent: &Sent| now.saturating_duration_since(sent.at);
        while self.sent.front().is_some_and(|sent| age(sent) > WINDOW) {
            self.sent.pop_front();
        }
        self.paused_until = self.paused_until.filter(|until| now < *until);
        if self.paused_until.is_some() {
            return false;
        }
        let mut of_room = self.sent.iter().rev();
        let last = of_room.find(|sent| *sent.room == *room && sent.thread.as_deref() == thread);
        let is_shown = last.filter(|last| last.is_on && age(last) < FORGOTTEN);
        let changes = is_on != is_shown.is_some();
        let is_useful = changes || is_on && is_shown.is_some_and(|shown| age(shown) >= FRESH);
        let most = match changes {
            true => CALLS,
            false => CALLS - RESERVED,
        };
        if !is_useful || self.sent.len() >= most {
            return false;
        }
        self.sent.push_back(Sent {
            id,
            at: now,
            room: room.into(),
            thread: thread.map(Into::into),
            is_on,
            is_ended: false,
        });
        true
    }

    /// The result of a call came; whether it was one of these.
    pub(super) fn ended(&mut self, id: u64) -> bool {
        let call = self.sent.iter_mut().find(|sent| sent.id == id && !sent.is_ended);
        call.map(|call| call.is_ended = true).is_some()
    }

    /// The server refused one: nothing is sent until then.
    pub(super) fn pause(&mut self, until: Instant) {
        self.paused_until = Some(until);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Whatever is asked for, and however the server's windows lie: it takes all that is sent. And nothing is
        /// dropped that says something new while a quarter of the calls is left.
        #[test]
        fn the_server_takes_all_that_is_sent(
            steps in prop::collection::vec((0_u64..3000, 0_u8..30, any::<bool>(), any::<bool>()), 1..400),
            begins in 0_u64..40_000,
        ) {
            let start = Instant::now();
            let (mut calls, mut now, mut sent) = (TypingCalls::default(), start, Vec::new());
            for (id, (millis, room, in_thread, is_on)) in (0_u64..).zip(steps) {
                now += Duration::from_millis(millis);
                let (room, thread) = (room.to_string(), in_thread.then_some("t"));
                if calls.may_send(id, &room, thread, is_on, now) {
                    sent.push(now);
                }
                prop_assert!(calls.sent.len() <= CALLS);
            }
            let mut windows = std::collections::HashMap::<u128, usize>::new();
            for at in sent {
                let window = (at.duration_since(start).as_millis() + u128::from(begins)) / 40_000;
                *windows.entry(window).or_default() += 1;
            }
            prop_assert!(windows.values().all(|count| *count <= CALLS));
        }
    }

    fn secs(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn what_changes_nothing_is_not_sent() {
        let (mut calls, now) = (TypingCalls::default(), Instant::now());
        assert!(!calls.may_send(1, "r", None, false, now), "nobody was told");
        assert!(calls.may_send(2, "r", None, true, now));
        assert!(!calls.may_send(3, "r", None, true, now + secs(3)));
        assert!(
            calls.may_send(4, "r", Some("t"), true, now + secs(3)),
            "another place"
        );
        assert!(calls.may_send(5, "r", None, true, now + secs(5)));
        assert!(calls.may_send(6, "r", None, false, now + secs(6)));
        assert!(!calls.may_send(7, "r", None, false, now + secs(7)));
        assert!(calls.may_send(8, "r", None, true, now + secs(7)));
        assert!(
            !calls.may_send(9, "r", None, false, now + secs(22)),
            "it is forgotten by itself"
        );
    }

    #[test]
    fn what_is_new_has_room_when_repetitions_have_none() {
        let (mut calls, now) = (TypingCalls::default(), Instant::now());
        let mut at = now;
        let mut sent = 0;
        // Ten rooms in which the bot types all the time.
        for id in 0..40 {
            at = now + secs(id / 10 * 5);
            sent += usize::from(calls.may_send(id, &(id % 10).to_string(), None, true, at));
        }
        assert_eq!(sent, CALLS - RESERVED);
        assert!(calls.may_send(100, "0", None, false, at));
        assert!(calls.may_send(101, "new", None, true, at));
        assert!(!calls.may_send(102, "1", None, true, at + secs(5)));
        assert!(calls.may_send(103, "1", None, true, now + secs(41)));
    }

    #[test]
    fn a_refusal_pauses() {
        let (mut calls, now) = (TypingCalls::default(), Instant::now());
        assert!(calls.may_send(1, "r", None, true, now));
        assert!(calls.ended(1) && !calls.ended(1) && !calls.ended(2));
        calls.pause(now + secs(10));
        assert!(!calls.may_send(2, "s", None, true, now + secs(9)));
        assert!(calls.may_send(3, "s", None, true, now + secs(10)));
    }
}
