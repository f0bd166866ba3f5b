//! A quota against a server that counts in fixed windows, at any rate of calls and with any delays.

use proptest::prelude::*;

use super::*;

/// What a server does: a window begins with the first call after the last one.
struct Server {
    limit: u32,
    window: u64,
    /// What its clock is ahead of ours.
    offset: u64,
    ends: u64,
    count: u32,
}

impl Server {
    fn new(limit: u32, window: u64) -> Self {
        Self {
            limit,
            window,
            offset: 1_795_334_400_000,
            ends: 0,
            count: 0,
        }
    }

    /// Counts a call that arrives at `now`, in milliseconds.
    fn count(&mut self, now: u64) -> Counted {
        // Strictly behind the end, as real ones.
        if self.count == 0 || now > self.ends {
            self.ends = now + self.window;
            self.count = 0;
        }
        self.count += 1;
        Counted {
            limit: self.limit,
            remaining: self.limit.saturating_sub(self.count),
            reset: self.offset + self.ends,
            is_refused: self.count > self.limit,
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct Counted {
    limit: u32,
    remaining: u32,
    reset: u64,
    is_refused: bool,
}

impl Counted {
    /// What the client reads when the server sends it at `now`.
    fn answer(self, server: &Server, now: u64) -> Answer {
        let date = (server.offset + now) / 1000 * 1000;
        Answer::Counted {
            window: Window {
                limit: self.limit,
                remaining: self.remaining,
                reset: self.reset,
                until: Some(Duration::from_millis(self.reset.saturating_sub(date))),
            },
            is_refused: self.is_refused,
        }
    }
}

/// A call on its way: it arrives, is answered, and its answer is read.
#[derive(Debug, Clone, Copy)]
struct OnItsWay {
    ticket: Ticket,
    arrives: u64,
    answered: u64,
    read: u64,
    is_lost: bool,
    counted: Option<Counted>,
}

#[derive(Debug, Clone, Copy)]
struct Plan {
    /// Behind the call before it.
    after: u64,
    there: u64,
    works: u64,
    back: u64,
    is_lost: bool,
}

fn plan(losses: bool) -> impl Strategy<Value = Plan> {
    let after = prop_oneof![4 => 0_u64..50, 2 => 0_u64..2000, 1 => 0_u64..30_000];
    (after, 0_u64..200, 0_u64..1500, 0_u64..200, 0_u8..10).prop_map(
        move |(after, there, works, back, lost)| Plan {
            after,
            there,
            works,
            back,
            is_lost: losses && lost == 0,
        },
    )
}

/// Makes all calls, in order, each as soon as the quota lets it. Gives how many the server refused, and how long each
/// had to wait though the server would have let it pass.
fn simulate(plans: &[Plan], mut server: Server, default_limit: u32) -> (u32, Vec<u64>, u64) {
    let start = Instant::now();
    let at = |millis: u64| start + Duration::from_millis(millis);
    let mut quota = Quota::new(RateLimit::new(default_limit, Duration::from_secs(60)));
    let mut on_their_way: Vec<OnItsWay> = Vec::new();
    let (mut now, mut wanted, mut next, mut refused) = (0_u64, 0_u64, 0, 0);
    let mut needless = Vec::new();
    let (mut held, mut last_read) = (None, 0);
    if let Some(first) = plans.first() {
        wanted = first.after;
    }
    loop {
        // What happens until now, in the order of time.
        on_their_way.sort_by_key(|call| call.arrives);
        for call in &mut on_their_way {
            if call.arrives <= now && call.counted.is_none() {
                let counted = server.count(call.arrives);
                refused += u32::from(counted.is_refused);
                call.counted = Some(counted);
            }
        }
        on_their_way.sort_by_key(|call| call.read);
        while let Some(call) = on_their_way.first().copied().filter(|call| call.read <= now) {
            on_their_way.remove(0);
            // Calls under way may use the window up: until they were answered nobody knows.
            last_read = call.read;
            let answer = match (call.is_lost, call.counted) {
                (false, Some(counted)) => counted.answer(&server, call.answered),
                _ => Answer::Unknown,
            };
            quota.answered(call.ticket, answer, at(call.read));
        }
        let mut timer = None;
        while next < plans.len() && wanted <= now {
            match quota.take(at(now)) {
                Ok(ticket) => {
                    let plan = plans[next];
                    if let Some(since) = held.take() {
                        // The time in which nothing was under way and the window was over.
                        let under_way = on_their_way.iter().map(|call| call.read).max();
                        let idle_since = server.ends.max(since).max(last_read).max(under_way.unwrap_or(0));
                        needless.push(now.saturating_sub(idle_since));
                    }
                    on_their_way.push(OnItsWay {
                        ticket,
                        arrives: now + plan.there,
                        answered: now + plan.there + plan.works,
                        read: now + plan.there + plan.works + plan.back,
                        is_lost: plan.is_lost,
                        counted: None,
                    });
                    next += 1;
                    wanted = now + plans.get(next).map_or(0, |plan| plan.after);
                }
                Err(hold) => {
                    held.get_or_insert(now);
                    timer = match hold {
                        Hold::Until(until) => {
                            assert!(until > at(now), "a time that is over is no reason to wait");
                            let wait = until.duration_since(start);
                            Some(u64::try_from(wait.as_micros().div_ceil(1000)).expect("short"))
                        }
                        Hold::Answer => {
                            assert!(!on_their_way.is_empty(), "it waits for nothing");
                            None
                        }
                    };
                    break;
                }
            }
        }
        let events = on_their_way.iter().flat_map(|call| {
            let arrives = call.counted.is_none().then_some(call.arrives);
            [arrives, Some(call.read)]
        });
        let wanted_at = (next < plans.len() && wanted > now).then_some(wanted);
        let Some(soonest) = events
            .flatten()
            .chain(timer)
            .chain(wanted_at)
            .filter(|time| *time > now)
            .min()
        else {
            return (refused, needless, now);
        };
        now = soonest;
    }
}

proptest! {
    /// The server refuses nothing, whatever the delays; not even the first calls, where its limit is not lower than was
    /// thought. And what waits goes as soon as the window is over and known to be: times come cut to seconds.
    #[test]
    fn no_call_is_refused_and_none_waits_for_nothing(
        plans in prop::collection::vec(plan(false), 1..120),
        (limit, default) in (1_u32..20).prop_flat_map(|limit| (Just(limit), 1..=limit)),
        window in prop_oneof![Just(1000_u64), Just(5000), Just(60_000)],
    ) {
        let (refused, needless, _) = simulate(&plans, Server::new(limit, window), default);
        prop_assert_eq!(refused, 0);
        for wait in needless {
            prop_assert!(wait <= 1000 + 200 + 25, "waited {wait} ms for nothing");
        }
    }

    /// The same where answers get lost: nothing is refused, and it goes on.
    #[test]
    fn lost_answers_count_as_calls(
        plans in prop::collection::vec(plan(true), 1..120),
        limit in 1_u32..20,
        window in prop_oneof![Just(5000_u64), Just(60_000)],
    ) {
        // Nothing counts as lost while no limit is known.
        let mut plans = plans;
        plans[0].is_lost = false;
        let count = plans.len() as u64;
        let (refused, _, end) = simulate(&plans, Server::new(limit, window), 1);
        prop_assert_eq!(refused, 0);
        let wanted: u64 = plans.iter().map(|plan| plan.after).sum();
        // Each call at worst in a window of its own.
        prop_assert!(end <= wanted + count * (window + 5000), "{end} {wanted} {count}");
    }

    /// Any answer at any time, also wrong ones: what waits knows until when, and never longer than two minutes.
    #[test]
    fn it_never_waits_for_nothing_or_for_ever(
        steps in prop::collection::vec((0_u64..100_000, 0_u8..6, any::<u32>(), 0_u32..20, any::<u64>(), any::<u64>()), 1..100),
    ) {
        let mut quota = Quota::new(RateLimit::new(10, Duration::from_secs(60)));
        let mut now = Instant::now();
        let mut under_way = Vec::new();
        for (millis, what, limit, remaining, reset, until) in steps {
            now += Duration::from_millis(millis);
            match quota.take(now) {
                Ok(number) => under_way.push(number),
                Err(Hold::Until(until)) => {
                    prop_assert!(until > now && until <= now + MAX + MARGIN);
                }
                Err(Hold::Answer) => prop_assert!(!under_way.is_empty()),
            }
            let answer = match what {
                0 => Answer::NotSent,
                1 => Answer::Unknown,
                2 => Answer::Unlimited,
                3 => Answer::Refused(Duration::from_millis(until)),
                what => Answer::Counted {
                    window: Window {
                        limit: limit % 30,
                        remaining,
                        reset: reset % 4_000_000_000_000,
                        until: (until % 3 > 0).then(|| Duration::from_millis(until % 200_000)),
                    },
                    is_refused: what == 5,
                },
            };
            if let Some(number) = under_way.pop() {
                quota.answered(number, answer, now);
            }
        }
        while let Some(number) = under_way.pop() {
            quota.answered(number, Answer::Unknown, now);
        }
        if let Err(hold) = quota.take(now) {
            prop_assert!(matches!(hold, Hold::Until(until) if until <= now + MAX + MARGIN), "{hold:?}");
        }
    }
}

const NOW: u64 = 1_795_334_400_000;

fn counted(limit: u32, remaining: u32, reset: u64, seconds: u64, is_refused: bool) -> Answer {
    Answer::Counted {
        window: Window {
            limit,
            remaining,
            reset,
            until: Some(Duration::from_secs(seconds)),
        },
        is_refused,
    }
}

#[test]
fn an_account_without_limits_never_waits() {
    let (mut quota, now) = (
        Quota::new(RateLimit::new(5, Duration::from_secs(60))),
        Instant::now(),
    );
    let first: Vec<_> = (0..5).map(|_| quota.take(now).expect("free")).collect();
    assert_eq!(quota.take(now), Err(Hold::Answer));
    quota.answered(first[0], Answer::Unlimited, now);
    let more: Vec<_> = (0..100).map(|_| quota.take(now).expect("no limit")).collect();
    // Answers that got lost are no reason to wait.
    for ticket in first.into_iter().skip(1).chain(more) {
        quota.answered(ticket, Answer::Unknown, now);
    }
    assert!(quota.take(now).is_ok());
    assert_eq!(quota.knowledge(), Knowledge::Unlimited);
}

#[test]
fn a_server_that_is_down_is_no_limit() {
    let (mut quota, now) = (
        Quota::new(RateLimit::new(5, Duration::from_secs(60))),
        Instant::now(),
    );
    for _ in 0..20 {
        let ticket = quota.take(now).expect("a place");
        quota.answered(ticket, Answer::Unknown, now);
    }
    assert_eq!(quota.knowledge(), Knowledge::Nothing);
}

#[test]
fn a_refusal_holds_back_all_others() {
    let (mut quota, now) = (
        Quota::new(RateLimit::new(10, Duration::from_secs(60))),
        Instant::now(),
    );
    let (first, second) = (quota.take(now).expect("free"), quota.take(now).expect("free"));
    quota.answered(first, counted(10, 0, NOW + 37_000, 37, true), now);
    let seconds = Duration::from_secs;
    assert_eq!(quota.take(now), Err(Hold::Until(now + seconds(37) + MARGIN)));
    quota.answered(second, Answer::Refused(seconds(50)), now);
    assert_eq!(quota.take(now + seconds(40)), Err(Hold::Until(now + seconds(50))));
    let third = quota.take(now + seconds(50)).expect("it is over");
    // Never longer than two minutes.
    quota.answered(third, Answer::Refused(seconds(9999)), now + seconds(50));
    assert_eq!(
        quota.take(now + seconds(50)),
        Err(Hold::Until(now + seconds(50) + MAX))
    );
}

#[test]
fn another_role_is_noticed() {
    let (mut quota, now) = (
        Quota::new(RateLimit::new(10, Duration::from_secs(60))),
        Instant::now(),
    );
    let ticket = quota.take(now).expect("free");
    quota.answered(ticket, counted(10, 1, NOW + 60_000, 60, false), now);
    let ticket = quota.take(now).expect("one is left");
    assert!(quota.take(now).is_err());
    quota.answered(ticket, Answer::Unlimited, now);
    let ticket = quota.take(now).expect("no limit");
    quota.answered(ticket, counted(10, 0, NOW + 60_000, 60, false), now);
    assert!(quota.take(now).is_err());
}

#[test]
fn an_answer_of_a_window_that_is_over_says_nothing_about_the_next() {
    let (mut quota, now) = (
        Quota::new(RateLimit::new(10, Duration::from_secs(60))),
        Instant::now(),
    );
    let slow = quota.take(now).expect("free");
    let ticket = quota.take(now).expect("free");
    quota.answered(ticket, counted(10, 1, NOW + 60_000, 60, false), now);
    let later = now + Duration::from_secs(61);
    let ticket = quota.take(later).expect("a new window");
    quota.answered(slow, counted(10, 0, NOW + 60_000, 0, false), later);
    quota.answered(ticket, counted(10, 9, NOW + 121_000, 60, false), later);
    for _ in 0..9 {
        assert!(quota.take(later).is_ok());
    }
    assert_eq!(
        quota.take(later),
        Err(Hold::Until(later + Duration::from_secs(60) + MARGIN))
    );
    assert!(!quota.is_idle(later));
}
