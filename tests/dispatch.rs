//! The dispatcher: order, bounds, isolation, delivery, stopping. In paused time, without any socket.
#![allow(clippy::unwrap_used, reason = "a test ends by it")]
#![cfg(feature = "test-util")]

mod support;

use std::collections::HashSet;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::{self, BoxStream, Stream, StreamExt as _};
use rocketbotte::command::CommandLayer;
use rocketbotte::dispatch::{NotRunning, Overflow, Serve, ServeError};
use rocketbotte::event::{CustomEvent, EventKind, Message, Room, RoomKind};
use rocketbotte::extract::{Args, Outbox, Payload};
use rocketbotte::handler::route;
use rocketbotte::response::Send;
use rocketbotte::router::EventSelector;
use rocketbotte::testing::events;
use rocketbotte::transport::{
    ConnectionState, Delivery, Settled, Transport, TransportError, TransportErrorKind,
};
use rocketbotte::{BoxError, Request, Response, Router};
use tower::{Layer, Service, ServiceBuilder};

use self::support::{Driven, Log, Recorder, after, after_secs, drive, drive_with, message_in, settled};

/// `!sleep 3` takes three seconds.
async fn sleep(Args(seconds): Args<u64>) -> String {
    after_secs(seconds).await;
    format!("slept {seconds}")
}

async fn ping(Args(text): Args<String>) -> String {
    format!("pong {text}")
}

async fn boom() -> &'static str {
    panic!("boom")
}

async fn hang() -> &'static str {
    std::future::pending().await
}

fn commands() -> Router {
    Router::new()
        .command("sleep", sleep)
        .command("ping", ping)
        .command("boom", boom)
}

fn prefixed<S>(
    app: S,
) -> impl Service<Request, Response = Response, Error = S::Error, Future: std::marker::Send>
+ std::marker::Send
+ 'static
where
    S: Service<Request, Response = Response> + std::marker::Send + 'static,
    S::Future: std::marker::Send,
    S::Error: Into<BoxError>,
{
    CommandLayer::new("!").layer(app)
}

fn timed(of: &[(u64, &str)]) -> Vec<(u64, String)> {
    of.iter()
        .map(|(second, text)| (*second, (*text).to_owned()))
        .collect()
}

mod lanes {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_room_is_answered_in_order() {
        let bot = drive(prefixed(commands()));
        bot.say("!sleep 2");
        bot.say("!sleep 1");
        bot.say("!ping");
        after_secs(10).await;
        assert_eq!(
            bot.sent.timed(),
            timed(&[(2, "slept 2"), (3, "slept 1"), (3, "pong ")])
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_room_where_every_handler_hangs_is_no_slower_than_twice_the_hold_time() {
        let bot = drive(prefixed(commands().on_message(hang)));
        for number in 0..20 {
            bot.say(&format!("!ping {number}"));
        }
        after_secs(10).await;
        let expected: Vec<_> = (0..20).map(|number| format!("pong {number}")).collect();
        assert_eq!(bot.sent.texts(), expected);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_no_router_is_given_up_as_a_whole() {
        let hanging = tower::service_fn(|_: Request| std::future::pending::<Result<Response, BoxError>>());
        let bot = drive_with(
            Recorder::new(),
            |serve| serve.max_running(1).route_timeout(Some(Duration::from_secs(60))),
            prefixed(hanging),
        );
        let fate = bot.say_in("A", "!ping");
        after_secs(200).await;
        assert_eq!(fate.get(), [Settled::Done]);
        assert!(
            bot.sent.texts()[0].starts_with("Something went wrong"),
            "{:?}",
            bot.sent.texts()
        );
    }

    #[tokio::test(start_paused = true)]
    async fn rooms_and_threads_are_answered_side_by_side() {
        let bot = drive(prefixed(commands()));
        bot.say("!sleep 2");
        bot.say_in("OTHER", "!sleep 2");
        bot.deliver(events::thread_message("m1", "!sleep 2"));
        bot.deliver(events::thread_message("m2", "!sleep 2"));
        bot.deliver(events::thread_message("m2", "!sleep 1"));
        after_secs(10).await;
        let seconds: Vec<_> = bot.sent.timed().into_iter().map(|(second, _)| second).collect();
        assert_eq!(seconds, [2, 2, 2, 2, 3]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_handler_is_detached_and_its_reply_comes_later() {
        let bot = drive(prefixed(commands()));
        bot.say("!sleep 20");
        bot.say("!ping");
        after_secs(30).await;
        assert_eq!(bot.sent.timed(), timed(&[(5, "pong "), (20, "slept 20")]));
        assert_eq!(bot.handle.counters().detached, 1);
    }

    #[tokio::test(start_paused = true)]
    async fn the_hold_time_can_be_set() {
        let bot = drive_with(
            Recorder::new(),
            |serve| serve.hold(Duration::from_secs(1)),
            prefixed(commands()),
        );
        for text in ["!sleep 20", "!sleep 10", "!ping"] {
            bot.say(text);
        }
        after_secs(30).await;
        assert_eq!(
            bot.sent.timed(),
            timed(&[(1, "pong "), (11, "slept 10"), (20, "slept 20")])
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_concurrent_route_waits_for_nobody_in_its_room() {
        let router = commands().command("quick", route(ping).concurrent());
        let bot = drive(prefixed(router));
        bot.say("!sleep 4");
        bot.say("!quick now");
        bot.say("!ping");
        after_secs(10).await;
        assert_eq!(
            bot.sent.timed(),
            timed(&[(0, "pong now"), (4, "slept 4"), (4, "pong ")])
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_concurrent_route_lets_nobody_wait_and_keeps_to_the_bounds() {
        let router = commands().command("nap", route(sleep).concurrent());
        let bot = drive_with(Recorder::new(), |serve| serve.max_running(2), prefixed(router));
        for text in ["!nap 4", "!nap 4", "!nap 1", "!ping"] {
            bot.say(text);
        }
        after_secs(10).await;
        let mut seconds = bot.sent.timed();
        seconds.sort();
        assert_eq!(
            seconds,
            timed(&[(4, "pong "), (4, "slept 4"), (4, "slept 4"), (5, "slept 1")])
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_control_route_runs_at_once_in_a_busy_room_and_at_the_bound() {
        let router = commands().command("stop", route(ping).control());
        let bot = drive_with(
            Recorder::new(),
            |serve| {
                serve
                    .max_running(1)
                    .max_waiting(1)
                    .lane_capacity(1, Overflow::DropNewest)
            },
            prefixed(router),
        );
        bot.say("!sleep 4");
        bot.say("!ping waits");
        settled().await;
        bot.say("!stop it");
        bot.say("!stop again");
        after_secs(10).await;
        assert_eq!(
            bot.sent.timed(),
            timed(&[
                (0, "pong it"),
                (0, "pong again"),
                (4, "slept 4"),
                (4, "pong waits")
            ])
        );
        assert_eq!(bot.handle.counters().overflowed, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_route_of_a_group_may_be_a_control_route() {
        let group = || Router::new().command("stop", route(ping).control()).alias("halt");
        let router = commands()
            .nest("admin", group())
            .nest("layered", group().layer(tower::layer::util::Identity::new()));
        let bot = drive(prefixed(router));
        settled().await;
        bot.say("!sleep 4");
        for text in [
            "!admin stop 1",
            "!ADMIN halt 2",
            "!layered stop 3",
            "@rocketbotte admin stop 4",
        ] {
            bot.say(text);
        }
        after_secs(1).await;
        assert_eq!(bot.sent.texts(), ["pong 1", "pong 2", "pong 3", "pong 4"]);
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_run_at_once_than_allowed() {
        let bot = drive_with(
            Recorder::new(),
            |serve| serve.max_running(2),
            prefixed(commands()),
        );
        for room in ["A", "B", "C", "D", "E"] {
            bot.say_in(room, "!sleep 1");
        }
        after_secs(10).await;
        let seconds: Vec<_> = bot.sent.timed().into_iter().map(|(second, _)| second).collect();
        assert_eq!(seconds, [1, 1, 2, 2, 3]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_listener_runs_in_order_unless_all_of_its_kind_are_concurrent() {
        async fn slow() -> &'static str {
            after_secs(2).await;
            "heard"
        }
        let concurrent = drive(Router::new().on_message(route(slow).concurrent()));
        let mixed = drive(
            Router::new()
                .on_message(route(slow).concurrent())
                .on_message(|| std::future::ready(())),
        );
        for bot in [&concurrent, &mixed] {
            bot.say("one");
            bot.say("two");
        }
        after_secs(10).await;
        assert_eq!(concurrent.sent.timed(), timed(&[(2, "heard"), (2, "heard")]));
        assert_eq!(mixed.sent.timed(), timed(&[(2, "heard"), (4, "heard")]));
    }
}

mod overflow {
    use super::*;

    /// One runs and two wait where one may; what became of each, and what was said.
    async fn overflow(policy: Overflow, last: &str) -> (Vec<String>, [Vec<Settled>; 3], Driven) {
        let bot = drive_with(
            Recorder::new(),
            |serve| serve.lane_capacity(1, policy),
            prefixed(commands()),
        );
        let fates = ["!sleep 2", "!ping one", last].map(|text| bot.say_in("A", text));
        // Another room is not concerned.
        bot.say_in("B", "!ping B");
        after_secs(10).await;
        (bot.sent.texts(), fates.map(|fate| fate.get()), bot)
    }

    #[tokio::test(start_paused = true)]
    async fn the_newest_is_dropped() {
        let (texts, fates, bot) = overflow(Overflow::DropNewest, "!ping two").await;
        assert_eq!(texts, ["pong B", "slept 2", "pong one"]);
        assert_eq!(fates, [[Settled::Done], [Settled::Done], [Settled::Dropped]]);
        assert_eq!(bot.handle.counters().overflowed, 1);
    }

    #[tokio::test(start_paused = true)]
    async fn the_oldest_is_dropped() {
        let (texts, fates, bot) = overflow(Overflow::DropOldest, "!ping two").await;
        assert_eq!(texts, ["pong B", "slept 2", "pong two"]);
        assert_eq!(fates, [[Settled::Done], [Settled::Dropped], [Settled::Done]]);
        assert_eq!(bot.handle.counters().overflowed, 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_command_is_answered_that_the_bot_is_busy() {
        let (texts, fates, bot) = overflow(Overflow::Busy, "!ping two").await;
        assert!(texts.iter().any(|text| text.starts_with("I'm busy")), "{texts:?}");
        assert_eq!(texts.len(), 4, "{texts:?}");
        assert_eq!(fates, [[Settled::Done], [Settled::Done], [Settled::Dropped]]);
        assert_eq!(bot.handle.counters().overflowed, 1);
        let report = bot.shut_down().await;
        // Ready, the three that ran, and Close.
        assert_eq!(report.done, 5, "what was dropped is not done");
    }

    #[tokio::test(start_paused = true)]
    async fn chatter_that_finds_the_bot_busy_is_not_answered() {
        for last in ["what is for lunch?", "!unknown"] {
            let (texts, _, bot) = overflow(Overflow::Busy, last).await;
            assert_eq!(texts, ["pong B", "slept 2", "pong one"]);
            assert_eq!(bot.handle.counters().overflowed, 1);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn all_rooms_together_have_a_bound() {
        let bot = drive_with(
            Recorder::new(),
            |serve| serve.max_running(2).max_waiting(2),
            prefixed(commands()),
        );
        let fates = ["A", "B", "A", "B", "C"].map(|room| bot.say_in(room, "!sleep 1"));
        after_secs(10).await;
        let fates = fates.map(|fate| fate.get());
        assert_eq!(
            fates
                .iter()
                .flatten()
                .filter(|fate| **fate == Settled::Done)
                .count(),
            4
        );
        assert_eq!(fates[4], [Settled::Dropped]);
        assert_eq!(bot.handle.counters().overflowed, 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_room_that_can_be_served_at_once_is_not_dropped_for_those_that_wait() {
        let bot = drive_with(
            Recorder::new(),
            |serve| serve.max_waiting(2),
            prefixed(commands()),
        );
        for _ in 0..3 {
            bot.say_in("A", "!sleep 1");
        }
        bot.say_in("B", "!ping B");
        after_secs(10).await;
        assert_eq!(bot.sent.texts()[0], "pong B");
        assert_eq!(bot.handle.counters().overflowed, 0);
    }
}

mod delivery {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn replies_keep_their_order_in_a_room_and_rooms_do_not_wait_for_each_other() {
        let slow_first = Recorder::with(|action| {
            let is_slow =
                matches!(action, rocketbotte::response::Action::Send(send) if send.content() == "pong slow");
            Box::pin(async move {
                if is_slow {
                    after_secs(3).await;
                }
                Ok(())
            })
        });
        let bot = drive_with(slow_first, |serve| serve, prefixed(commands()));
        for (room, text) in [
            ("A", "!ping slow"),
            ("A", "!ping two"),
            ("B", "!ping B"),
            ("A", "!ping three"),
        ] {
            bot.say_in(room, text);
        }
        after_secs(10).await;
        assert_eq!(
            bot.sent.timed(),
            timed(&[
                (0, "pong B"),
                (3, "pong slow"),
                (3, "pong two"),
                (3, "pong three")
            ])
        );
        assert_eq!(bot.handle.counters().delivered, 4);
    }

    #[tokio::test(start_paused = true)]
    async fn a_reply_that_fails_keeps_nothing_back() {
        let refusing = Recorder::with(|action| {
            let is_bad =
                matches!(action, rocketbotte::response::Action::Send(send) if send.content() == "pong bad");
            Box::pin(async move { if is_bad { Err("refused".into()) } else { Ok(()) } })
        });
        let bot = drive_with(refusing, |serve| serve, prefixed(commands()));
        let fate = bot.say_in("A", "!ping bad");
        bot.say_in("A", "!ping good");
        settled().await;
        assert_eq!(bot.sent.texts(), ["pong good"]);
        assert_eq!(fate.get(), [Settled::Done]);
        assert_eq!(
            (bot.handle.counters().delivered, bot.handle.counters().undelivered),
            (1, 1)
        );
        let report = bot.end().await;
        assert_eq!(report.undelivered, 1);
        assert!(
            report.is_complete(),
            "the stop is not to blame for what was refused before"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_sink_that_panics_keeps_nothing_back() {
        let panicking = Recorder::with(|action| {
            let is_bad =
                matches!(action, rocketbotte::response::Action::Send(send) if send.content() == "pong bad");
            Box::pin(async move {
                assert!(!is_bad, "a sink that panics");
                Ok(())
            })
        });
        let bot = drive_with(panicking, |serve| serve, prefixed(commands()));
        let fate = bot.say_in("A", "!ping bad");
        bot.say_in("A", "!ping good");
        settled().await;
        assert_eq!(bot.sent.texts(), ["pong good"]);
        assert_eq!(fate.get().len(), 1);
        assert_eq!(bot.end().await.undelivered, 1);
    }

    #[tokio::test(start_paused = true)]
    async fn an_event_is_settled_once_when_its_reply_is_delivered() {
        let slow = Recorder::with(|_| {
            Box::pin(async {
                after_secs(2).await;
                Ok(())
            })
        });
        let bot = drive_with(slow, |serve| serve, prefixed(commands()));
        let (answered, panicked, ignored) = (
            bot.say_in("A", "!ping"),
            bot.say_in("B", "!boom"),
            bot.say_in("C", "chatter"),
        );
        let own = bot.deliver_awaited(events::own_message("!ping"));
        after_secs(1).await;
        assert_eq!((answered.get(), panicked.get()), (vec![], vec![]));
        assert_eq!(
            (ignored.get(), own.get()),
            (vec![Settled::Done], vec![Settled::Done])
        );
        after_secs(2).await;
        assert_eq!(
            (answered.get(), panicked.get()),
            (vec![Settled::Done], vec![Settled::Done])
        );
        bot.shut_down().await;
        assert_eq!((answered.get().len(), ignored.get().len()), (1, 1));
    }

    #[tokio::test(start_paused = true)]
    async fn an_event_is_settled_only_when_all_of_its_routes_have_ended() {
        async fn slow() -> &'static str {
            after_secs(20).await;
            "finally"
        }
        let bot = drive(prefixed(commands().on_message(slow)));
        let fate = bot.say_in("A", "!ping");
        after_secs(6).await;
        // The router hands over a little before the hold time is over.
        assert_eq!(bot.sent.timed(), timed(&[(4, "pong ")]));
        assert_eq!(fate.get(), []);
        after_secs(20).await;
        assert_eq!(bot.sent.timed(), timed(&[(4, "pong "), (20, "finally")]));
        assert_eq!(fate.get(), [Settled::Done]);
        // Ready, the message, Close: however many routes a message ran, it is one event.
        assert_eq!(bot.shut_down().await.done, 3);
    }

    #[tokio::test(start_paused = true)]
    async fn the_reply_to_a_deleted_question_is_withdrawn() {
        let bot = drive(prefixed(commands()));
        let fate = bot.deliver_awaited(events::build("!sleep 2").id("m1").build());
        bot.deliver(events::build("!ping").id("m2").build());
        after_secs(1).await;
        bot.deliver(events::deleted("m1"));
        after_secs(5).await;
        assert_eq!(bot.sent.texts(), ["pong "]);
        assert_eq!(bot.handle.counters().withdrawn, 1);
        assert_eq!(fate.get(), [Settled::Done]);
    }
}

mod isolation {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_listener_that_panics_costs_nobody_a_reply() {
        let router = Router::new()
            .on_message(boom)
            .command("ping", ping)
            .on_message(|| async { "heard" });
        let bot = drive(prefixed(router));
        bot.say("!ping 1");
        bot.say("!ping 2");
        settled().await;
        assert_eq!(bot.sent.texts(), ["pong 1", "heard", "pong 2", "heard"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_listener_that_hangs_costs_nobody_a_reply() {
        let router = Router::new()
            .on_message(hang)
            .command("ping", ping)
            .hold(Duration::from_secs(1));
        let bot = drive(prefixed(router));
        for text in ["1", "2", "3"] {
            bot.say(&format!("!ping {text}"));
        }
        after_secs(10).await;
        assert_eq!(
            bot.sent.timed(),
            timed(&[(1, "pong 1"), (2, "pong 2"), (3, "pong 3")])
        );
    }

    #[tokio::test(start_paused = true)]
    async fn what_hangs_ends_at_its_deadline_and_makes_room() {
        let router = Router::new().on_message(hang).command("ping", ping);
        let bot = drive_with(
            Recorder::new(),
            |serve| serve.max_running(1).route_timeout(Some(Duration::from_secs(3))),
            prefixed(router),
        );
        bot.say("!ping 1");
        bot.say("!ping 2");
        after_secs(10).await;
        assert_eq!(bot.sent.timed(), timed(&[(3, "pong 1"), (6, "pong 2")]));
    }

    #[tokio::test(start_paused = true)]
    async fn a_command_that_hangs_or_panics_is_answered() {
        let router = commands().command("hang", hang);
        let bot = drive_with(
            Recorder::new(),
            |serve| serve.route_timeout(Some(Duration::from_secs(3))),
            prefixed(router),
        );
        bot.say_in("A", "!hang");
        bot.say_in("B", "!boom");
        bot.say_in("B", "!ping");
        after_secs(10).await;
        let texts = bot.sent.timed();
        assert!(texts[0].1.starts_with("Something went wrong (ref "), "{texts:?}");
        assert_eq!(texts[1], (0, "pong ".to_owned()));
        assert!(
            texts[2].0 == 3 && texts[2].1.starts_with("Something went wrong (ref "),
            "{texts:?}"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_service_that_panics_when_called_is_called_again() {
        let calls = AtomicU64::new(0);
        let bot = drive(tower::service_fn(move |request: Request| {
            assert_ne!(calls.fetch_add(1, Ordering::Relaxed), 1, "the second call panics");
            let text = request.message().map(|message| message.text().to_owned());
            async move {
                Ok::<_, BoxError>(
                    text.map_or_else(Response::empty, |text| Response::empty().and(Send::text(text))),
                )
            }
        }));
        bot.say("one");
        bot.say("two");
        settled().await;
        assert_eq!(bot.sent.texts(), ["two"]);
    }
}

mod shutdown {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_runs_ends_and_replies_go_out_and_close_is_fired_once() {
        let closed = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&closed);
        let router = commands().on_close(move || {
            count.fetch_add(1, Ordering::Relaxed);
            std::future::ready(())
        });
        let bot = drive(prefixed(router));
        bot.say("!sleep 3");
        bot.say("!ping waits");
        settled().await;
        bot.handle.shutdown();
        settled().await;
        assert_eq!(bot.handle.state(), ConnectionState::Closing);
        bot.say("!ping too late");
        let (handle, sent) = (bot.handle.clone(), bot.sent.clone());
        let report = bot.result().await.unwrap();
        assert_eq!(sent.timed(), timed(&[(3, "slept 3"), (3, "pong waits")]));
        assert!(report.is_complete(), "{report}");
        assert_eq!(report.done, 4, "Ready, two messages, Close");
        assert_eq!(closed.load(Ordering::Relaxed), 1);
        assert_eq!(handle.state(), ConnectionState::Closed);
        handle.ended().await;
    }

    #[tokio::test(start_paused = true)]
    async fn the_close_listener_can_say_goodbye() {
        async fn bye() -> &'static str {
            "bye"
        }
        let bot = drive(Router::new().on_close(route(bye).to("GENERAL")));
        settled().await;
        let sent = bot.sent.clone();
        assert!(bot.shut_down().await.is_complete());
        assert_eq!(sent.texts(), ["bye"]);
    }

    #[tokio::test(start_paused = true)]
    async fn what_does_not_end_in_time_is_cut_off_and_counted() {
        let began = tokio::time::Instant::now();
        let bot = drive_with(
            Recorder::new(),
            |serve| serve.hold(Duration::from_secs(1000)),
            prefixed(commands()),
        );
        let running = bot.say_in("A", "!sleep 100");
        let waiting = [bot.say_in("A", "!ping"), bot.say_in("A", "!ping")];
        settled().await;
        let report = bot.shut_down().await;
        assert_eq!(
            (report.done, report.aborted, report.not_started),
            (2, 1, 2),
            "{report}"
        );
        assert_eq!(report.undelivered, 0);
        assert!(!report.is_complete());
        settled().await;
        assert_eq!(running.get(), [Settled::Interrupted]);
        assert_eq!(
            waiting.map(|fate| fate.get()),
            [[Settled::Interrupted], [Settled::Interrupted]]
        );
        assert_eq!(began.elapsed().as_secs(), 8);
    }

    #[tokio::test(start_paused = true)]
    async fn replies_that_are_not_delivered_in_time_are_counted_once() {
        let stuck = Recorder::with(|_| Box::pin(std::future::pending()));
        let router = commands().command("three", || async {
            Response::empty()
                .and(Send::text("1"))
                .and(Send::text("2"))
                .and(Send::text("3"))
        });
        let bot = drive_with(
            stuck,
            |serve| serve.shutdown_timeout(Duration::from_secs(5)),
            prefixed(router),
        );
        let fates = [
            bot.say_in("A", "!ping"),
            bot.say_in("A", "!ping"),
            bot.say_in("B", "!three"),
            bot.say_in("C", "!ping"),
        ];
        settled().await;
        let handle = bot.handle.clone();
        let report = bot.shut_down().await;
        assert_eq!(
            (report.undelivered, report.undelivered_at_the_stop),
            (6, 6),
            "{report}"
        );
        assert_eq!(handle.counters().undelivered, 6);
        settled().await;
        assert_eq!(
            fates.map(|fate| fate.get()),
            [const { [Settled::Interrupted] }; 4]
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_second_shutdown_ends_it_at_once() {
        let began = tokio::time::Instant::now();
        let bot = drive(prefixed(commands()));
        bot.say("!sleep 100");
        settled().await;
        bot.handle.shutdown();
        after_secs(1).await;
        assert!(!bot.has_ended());
        let report = bot.shut_down().await;
        assert_eq!((report.aborted, began.elapsed().as_secs()), (1, 1));
    }

    #[tokio::test(start_paused = true)]
    async fn a_bot_that_was_stopped_before_it_began_ends_at_once() {
        let serve = Serve::new(
            rocketbotte::transport::from_stream(stream::pending::<Delivery>()),
            Recorder::new(),
        );
        serve.handle().shutdown();
        let report = tokio::time::timeout(Duration::from_secs(60), serve.run(commands()))
            .await
            .unwrap()
            .unwrap();
        assert!(report.is_complete());
    }

    #[tokio::test(start_paused = true)]
    async fn a_source_that_ends_lets_everything_be_done() {
        let bot = drive(prefixed(commands()));
        bot.say("!sleep 60");
        bot.say("!ping");
        let sent = bot.sent.clone();
        let report = bot.end().await;
        assert!(report.is_complete(), "{report}");
        assert_eq!(sent.timed(), timed(&[(5, "pong "), (60, "slept 60")]));
    }

    #[tokio::test(start_paused = true)]
    async fn a_bot_whose_task_is_ended_from_outside_has_ended() {
        let serve = Serve::new(
            rocketbotte::transport::from_stream(stream::pending::<Delivery>()),
            Recorder::new(),
        );
        let handle = serve.handle();
        let serving = tokio::spawn(serve.run(commands()));
        settled().await;
        serving.abort();
        tokio::time::timeout(Duration::from_secs(60), handle.ended())
            .await
            .unwrap();
        assert_eq!(handle.state(), ConnectionState::Closed);
    }
}

mod failures {
    use super::*;

    /// A source that fails now and then.
    struct Failing(BoxStream<'static, Result<Delivery, TransportError>>);

    impl Stream for Failing {
        type Item = Result<Delivery, TransportError>;

        fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
            self.0.poll_next_unpin(cx)
        }
    }

    impl Transport for Failing {
        fn stop(mut self: Pin<&mut Self>) {
            self.0 = stream::empty().boxed();
        }
    }

    fn failing(kind: TransportErrorKind) -> Failing {
        let items = [
            Ok(Delivery::live(events::ready())),
            Ok(Delivery::live(message_in("A", "!sleep 1"))),
            Err(TransportError::new(kind, "the frame is torn")),
            Ok(Delivery::live(message_in("B", "!ping after"))),
        ];
        Failing(stream::iter(items).boxed())
    }

    #[tokio::test(start_paused = true)]
    async fn an_event_that_can_not_be_read_ends_nothing() {
        let sent = Recorder::new();
        let serve = Serve::new(failing(TransportErrorKind::Event), sent.clone());
        let report = serve.run(prefixed(commands())).await.unwrap();
        assert!(report.is_complete());
        assert_eq!(sent.texts(), ["pong after", "slept 1"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_broken_source_ends_the_bot_when_what_runs_has_ended() {
        let sent = Recorder::new();
        let serve = Serve::new(failing(TransportErrorKind::Broken), sent.clone());
        let error = serve.run(prefixed(commands())).await.unwrap_err();
        assert!(matches!(&error, ServeError::Transport(error) if error.kind() == TransportErrorKind::Broken));
        assert_eq!(error.to_string(), "the frame is torn");
        assert_eq!(sent.texts(), ["slept 1"]);
    }

    /// Takes two requests, then fails for good.
    struct Mortal(u32);

    impl Service<Request> for Mortal {
        type Response = Response;
        type Error = BoxError;
        type Future = BoxFuture<'static, Result<Response, BoxError>>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
            if self.0 == 0 {
                return Poll::Ready(Err("the pool is gone".into()));
            }
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, _: Request) -> Self::Future {
            self.0 -= 1;
            Box::pin(async {
                after_secs(1).await;
                Ok(Response::empty().and(Send::text("still here").to("A")))
            })
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_service_that_takes_no_more_ends_the_bot() {
        let bot = drive(Mortal(2));
        for room in ["A", "B", "C"] {
            bot.say_in(room, "hi");
        }
        let sent = bot.sent.clone();
        let error = bot.result().await.unwrap_err();
        assert!(matches!(error, ServeError::Service(_)));
        assert_eq!(error.to_string(), "the pipeline failed: the pool is gone");
        assert_eq!(sent.texts(), ["still here", "still here"], "what ran has ended");
    }
}

mod readiness {
    use super::*;

    /// The bot with a sink that takes two seconds, and two rooms in which somebody asks.
    async fn asked_in_two_rooms(
        app: impl Service<Request, Response = Response, Error: Into<BoxError>, Future: std::marker::Send>
        + std::marker::Send
        + 'static,
    ) -> Vec<(u64, String)> {
        let slow = Recorder::with(|_| {
            Box::pin(async {
                after_secs(2).await;
                Ok(())
            })
        });
        let bot = drive_with(slow, |serve| serve, app);
        for (room, text) in [("A", "!ping A"), ("B", "!sleep 10"), ("C", "!ping C")] {
            bot.say_in(room, text);
        }
        after_secs(20).await;
        bot.sent.timed()
    }

    #[tokio::test(start_paused = true)]
    async fn a_stack_that_is_not_ready_stops_dispatch_but_not_deliveries() {
        let limited = ServiceBuilder::new()
            .concurrency_limit(1)
            .service(prefixed(commands()));
        assert_eq!(
            asked_in_two_rooms(limited).await,
            timed(&[(2, "pong A"), (12, "slept 10"), (12, "pong C")])
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_buffer_works() {
        let buffered = ServiceBuilder::new().buffer(1).service(prefixed(commands()));
        assert_eq!(
            asked_in_two_rooms(buffered).await,
            timed(&[(2, "pong A"), (2, "pong C"), (12, "slept 10")])
        );
    }
}

mod program {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn listeners_come_and_go_while_the_bot_runs() {
        let bot = drive(prefixed(commands()));
        bot.say("hello");
        settled().await;
        let listener = bot.handle.add_listener(EventKind::Message, || async { "heard" });
        let on_command = bot
            .handle
            .add_listener(EventSelector::command(), || async { "a command" });
        for text in ["hello", "!ping", "!no.such"] {
            bot.say(text);
        }
        settled().await;
        assert_eq!(
            bot.sent.texts(),
            ["heard", "pong ", "heard", "a command", "heard", "a command"]
        );
        assert!(listener.remove() && on_command.remove());
        assert!(!listener.remove(), "it is gone");
        bot.say("hello");
        settled().await;
        assert_eq!(bot.sent.texts().len(), 6);
    }

    #[tokio::test(start_paused = true)]
    async fn a_listener_that_is_added_may_hear_bots() {
        let bot = drive(prefixed(commands()));
        settled().await;
        bot.handle
            .add_listener(EventKind::Message, route(|| async { "a bot" }).from_bots());
        bot.handle
            .add_listener(EventKind::Message, || async { "a person" });
        bot.deliver(events::bot_message("hi"));
        settled().await;
        assert_eq!(bot.sent.texts(), ["a bot"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_fallback_may_hear_bots() {
        let bot = drive(Router::new().fallback(route(|| async { "fallback" }).from_bots()));
        settled().await;
        bot.deliver(events::bot_message("hi"));
        settled().await;
        let texts = bot.sent.texts();
        assert_eq!(texts.last().unwrap(), "fallback", "{texts:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_group_that_hears_bots_explains_itself_only_to_people() {
        let group = Router::new()
            .command("robot", route(|| async { "hello, robot" }).from_bots())
            .layer(tower::layer::util::Identity::new());
        let bot = drive(prefixed(Router::new().nest("admin", group)));
        settled().await;
        for text in ["!admin robot", "!admin nonsense"] {
            bot.deliver(events::bot_message(text));
        }
        settled().await;
        assert_eq!(bot.sent.texts(), ["hello, robot"]);
    }

    async fn deployed(Payload(version): Payload<String>) -> String {
        format!("{version} is live")
    }

    #[tokio::test(start_paused = true)]
    async fn fired_events_carry_a_payload_to_the_listeners_of_their_name() {
        let router = Router::new()
            .on_custom("deployed", deployed)
            .on_custom("other", boom)
            .on_custom("deployed", route(deployed).named("copy").to("OPS"));
        let bot = drive(router);
        let event = CustomEvent::new("deployed", "v1.2".to_owned()).in_room("GENERAL");
        bot.handle.fire(event).await.unwrap();
        settled().await;
        let rooms: Vec<_> = bot
            .sent
            .all()
            .iter()
            .map(|sent| (sent.action.room_id().unwrap().to_string(), sent.text().to_owned()))
            .collect();
        let text = "v1.2 is live".to_owned();
        assert_eq!(
            rooms,
            [("GENERAL".to_owned(), text.clone()), ("OPS".to_owned(), text)]
        );
    }

    #[tokio::test(start_paused = true)]
    async fn text_for_an_event_without_a_room_is_an_error_that_names_the_route() {
        let (log, _guard) = Log::start(tracing::Level::ERROR);
        let bot = drive(Router::new().on_custom("deployed", deployed));
        bot.handle
            .fire(CustomEvent::new("deployed", "v1.2".to_owned()))
            .await
            .unwrap();
        settled().await;
        assert!(bot.sent.all().is_empty());
        assert_eq!(bot.handle.counters().undelivered, 1);
        let log = log.text();
        assert!(
            log.contains("custom/deployed") && log.contains(".to(room)"),
            "{log}"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_program_can_send_by_itself() {
        let bot = drive(commands());
        settled().await;
        bot.handle
            .send_message("GENERAL", "good morning, @all")
            .await
            .unwrap();
        let sent = bot.sent.all();
        assert_eq!(sent[0].text(), "good morning, @\u{200B}all");
        assert_eq!(sent[0].action.room_id().unwrap(), &"GENERAL");
        let (handle, sink) = (bot.handle.clone(), bot.sent.clone());
        bot.shut_down().await;
        assert!(handle.fire(CustomEvent::new("late", ())).await.is_err());
        let error = handle.send_message("GENERAL", "late").await.unwrap_err();
        assert!(error.is::<NotRunning>(), "{error}");
        assert_eq!(sink.all().len(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn ready_is_fired_once_and_first() {
        async fn up() -> &'static str {
            "up"
        }
        let bot = drive(prefixed(commands().on_ready(route(up).to("OPS"))));
        bot.say("!ping");
        settled().await;
        assert_eq!(bot.sent.texts(), ["up", "pong "]);
    }
}

mod ids {
    use super::*;

    async fn report(outbox: Outbox) -> Result<Response, BoxError> {
        outbox.send("working").await?;
        outbox.send("still working").await?;
        Ok(Response::empty().and(Send::text("done")).and(Send::text("bye")))
    }

    /// The ids of the replies to one event.
    async fn ids(app: Router, id: &str) -> Vec<String> {
        let bot = drive(prefixed(app));
        bot.deliver(events::build("!report").id(id).build());
        settled().await;
        let ids = bot.sent.ids();
        bot.shut_down().await;
        ids
    }

    #[tokio::test(start_paused = true)]
    async fn an_event_that_is_delivered_again_is_answered_under_the_same_ids() {
        let app = || {
            Router::new()
                .command("report", report)
                .on_message(|| async { "heard" })
        };
        let first = ids(app(), "m1").await;
        assert_eq!(first.len(), 5);
        let mut unique = first.clone();
        unique.sort();
        unique.dedup();
        assert_eq!(unique.len(), 5, "each message has an id of its own");
        assert_eq!(ids(app(), "m1").await, first);
        let other = ids(app(), "m2").await;
        assert!(other.iter().all(|id| !first.contains(id)));
    }

    #[tokio::test(start_paused = true)]
    async fn ids_do_not_depend_on_what_else_is_registered() {
        let alone = ids(Router::new().command("report", report), "m1").await;
        let beside = Router::new()
            .on_message(|| async { "heard" })
            .command("other", ping)
            .command("report", report);
        let beside = ids(beside, "m1").await;
        assert!(alone.iter().all(|id| beside.contains(id)), "{alone:?} {beside:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn an_event_that_is_fired_again_under_its_key_is_answered_under_the_same_ids() {
        let bot = drive(Router::new().on_custom("due", || async { "it is time" }));
        let due = || CustomEvent::new("due", ()).in_room("GENERAL");
        for event in [
            due().with_key("job-7"),
            due().with_key("job-7"),
            due().with_key("job-8"),
            due(),
            due(),
        ] {
            bot.handle.fire(event).await.unwrap();
        }
        settled().await;
        let ids = bot.sent.ids();
        assert_eq!((ids.len(), &ids[0]), (5, &ids[1]));
        let unique: HashSet<_> = ids.iter().collect();
        assert_eq!(unique.len(), 4, "{ids:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn another_secret_gives_other_ids() {
        let id_with = async |secret: &'static [u8]| {
            let bot = drive_with(
                Recorder::new(),
                |serve| serve.id_secret(secret),
                prefixed(commands()),
            );
            bot.deliver(events::build("!ping").id("m1").build());
            settled().await;
            bot.sent.ids().remove(0)
        };
        assert_ne!(id_with(b"one").await, id_with(b"two").await);
        assert_eq!(id_with(b"one").await, id_with(b"one").await);
    }
}

mod bots {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_bot_hears_neither_itself_nor_other_bots() {
        let bot = drive(prefixed(commands().on_message(|| async { "heard" })));
        bot.deliver(events::own_message("!ping"));
        bot.deliver(events::bot_message("!ping"));
        bot.deliver(events::bot_message("hello"));
        settled().await;
        assert_eq!(bot.sent.texts(), [""; 0]);
        assert_eq!(bot.handle.counters().ignored, 3);
    }

    #[tokio::test(start_paused = true)]
    async fn only_routes_that_ask_for_it_hear_bots() {
        let router = commands()
            .on_message(|| async { "a person" })
            .on_message(route(|| async { "a bot" }).from_bots())
            .command("robot", route(|| async { "hello, robot" }).from_bots());
        let bot = drive(prefixed(router));
        settled().await;
        bot.deliver(events::bot_message("!ping"));
        bot.deliver(events::bot_message("!robot"));
        settled().await;
        assert_eq!(bot.sent.texts(), ["a bot", "a bot", "hello, robot"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_loop_of_two_bots_ends() {
        let bot = drive(Router::new().on_message(route(|| async { "and you?" }).from_bots()));
        settled().await;
        for _ in 0..12 {
            bot.deliver(events::bot_message("how are you?"));
        }
        // A person, and another room, are not concerned.
        bot.say("hello");
        let elsewhere = Message::builder(
            Room::new("OTHER", RoomKind::Channel),
            rocketbotte::event::User::new("uOther", "other.bot"),
            "hi",
        );
        bot.deliver(elsewhere.from_bot().build());
        settled().await;
        assert_eq!(bot.sent.all().len(), 12);
        assert_eq!(bot.handle.counters().loops_broken, 2);
        after_secs(11).await;
        bot.deliver(events::bot_message("still there?"));
        settled().await;
        assert_eq!(bot.sent.all().len(), 13);
    }

    #[tokio::test(start_paused = true)]
    async fn a_loop_through_the_outbox_ends_too() {
        async fn talk(outbox: Outbox) -> Result<(), BoxError> {
            outbox.send("and you?").await?;
            Ok(())
        }
        let bot = drive(Router::new().on_message(route(talk).from_bots()));
        settled().await;
        for _ in 0..12 {
            bot.deliver(events::bot_message("how are you?"));
        }
        bot.say("hello");
        settled().await;
        assert_eq!(bot.sent.all().len(), 11);
        assert_eq!(bot.handle.counters().loops_broken, 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_command_from_the_bots_own_account_is_warned_of_once() {
        let (log, _guard) = Log::start(tracing::Level::WARN);
        let bot = drive(prefixed(commands()));
        settled().await;
        for _ in 0..3 {
            bot.deliver(events::own_message("!ping"));
        }
        settled().await;
        let log = log.text();
        assert_eq!(log.matches("use a separate account").count(), 1, "{log}");
    }
}

#[tokio::test(start_paused = true)]
async fn chatter_is_settled_without_any_time_passing() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&seen);
    let bot = drive(Router::new().on_message(move |message: Arc<Message>| {
        log.lock().unwrap().push(message.text().to_owned());
        std::future::ready(())
    }));
    for number in 0..1000 {
        bot.say_in("A", &number.to_string());
    }
    after(Duration::from_millis(1)).await;
    let expected: Vec<_> = (0..1000).map(|number| number.to_string()).collect();
    assert_eq!(*seen.lock().unwrap(), expected);
}

mod places {
    use super::*;
    use rocketbotte::response::Thread;

    #[tokio::test(start_paused = true)]
    async fn a_route_or_the_whole_bot_answers_in_threads() {
        let router = || Router::new().command("ping", route(ping).in_thread(Thread::Always));
        let bot = drive(prefixed(router()));
        bot.deliver(events::build("!ping").id("m1").build());
        let whole = drive_with(
            Recorder::new(),
            |serve| serve.reply_in_thread(true),
            prefixed(commands()),
        );
        whole.deliver(events::build("!ping").id("m1").build());
        settled().await;
        for sent in [bot.sent.all(), whole.sent.all()] {
            assert_eq!(sent[0].thread(), Some("m1".to_owned()));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_goes_through_the_outbox_goes_where_the_route_says() {
        async fn greet(outbox: Outbox) -> Result<(), BoxError> {
            outbox.send("hello").await.map(drop)
        }
        let bot = drive(Router::new().on_ready(route(greet).to("ops")));
        settled().await;
        assert_eq!(bot.sent.all()[0].room(), "ops");
    }

    #[tokio::test(start_paused = true)]
    async fn an_empty_text_is_not_posted() {
        async fn say(Args(text): Args<String>) -> String {
            text
        }
        let bot = drive(prefixed(Router::new().command("say", say)));
        let fate = bot.say_in("A", "!say");
        settled().await;
        assert!(bot.sent.all().is_empty());
        assert_eq!(fate.get(), [Settled::Done]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_pipeline_without_a_router_hears_bots_if_it_is_told_to() {
        let echo = tower::service_fn(|request: Request| async move {
            use rocketbotte::IntoResponse as _;
            request
                .message()
                .map(|message| message.text().to_owned())
                .into_response()
        });
        for (hears, expected) in [(false, 0), (true, 1)] {
            let bot = drive_with(Recorder::new(), |serve| serve.hear_bots(hears), echo);
            bot.deliver(events::bot_message("beep"));
            settled().await;
            assert_eq!(bot.sent.all().len(), expected);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn listeners_of_one_function_have_ids_of_their_own() {
        fn watch(
            word: &'static str,
        ) -> impl Fn(Arc<Message>) -> std::future::Ready<Option<&'static str>> + Clone {
            move |message| std::future::ready(message.text().contains(word).then_some(word))
        }
        let bot = drive(commands());
        bot.handle.add_listener(EventKind::Message, watch("tea"));
        bot.handle.add_listener(EventKind::Message, watch("milk"));
        bot.say("tea with milk");
        settled().await;
        let ids = bot.sent.ids();
        assert_eq!(bot.sent.texts(), ["tea", "milk"]);
        assert_ne!(ids[0], ids[1]);
    }
}
