//! What bots are tested with: a handler by itself, a whole bot without sockets, and what a failure says.
#![cfg(feature = "test-util")]
#![allow(clippy::unwrap_used, reason = "a test ends by a panic")]

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::FutureExt as _;
use rocketbotte::command::CommandLayer;
use rocketbotte::event::{Event, EventKind};
use rocketbotte::extract::{Args, Outbox};
use rocketbotte::response::{Action, Edit, React, Send, Thread};
use rocketbotte::testing::events::{self, bob, private_room, said};
use rocketbotte::testing::{self, TestBot};
use rocketbotte::transport::{Arrival, Delivery, Settled};
use rocketbotte::{BoxError, Rejection, Request, Response, Router};
use tower::{Layer, Service};

async fn ping(Args(text): Args<String>) -> String {
    format!("pong {text}").trim().to_owned()
}

async fn add(Args((a, b)): Args<(i64, i64)>) -> String {
    (a + b).to_string()
}

async fn fails() -> Result<(), BoxError> {
    Err("no database".into())
}

async fn refuses() -> Result<(), Rejection> {
    Err(Rejection::new("Not on Fridays."))
}

async fn panics() {
    panic!("at the disco");
}

async fn deploys(outbox: Outbox) -> Result<Response, BoxError> {
    let receipt = outbox.send("building").await?;
    let id = receipt.message_id().ok_or("no id")?.clone();
    outbox.perform(Edit::new(id, "built")).await?;
    Ok(Response::empty()
        .and(React::with(":rocket:"))
        .and(Send::text("deployed")))
}

async fn slow() -> &'static str {
    tokio::time::sleep(Duration::from_secs(60)).await;
    "a minute is over"
}

async fn never() {
    std::future::pending::<()>().await;
}

fn app() -> impl Service<Request, Response = Response, Error = BoxError, Future: std::marker::Send>
+ Clone
+ std::marker::Send
+ 'static {
    CommandLayer::new("!").layer(
        Router::new()
            .command("ping", ping)
            .command("add", add)
            .command("fails", fails)
            .command("refuses", refuses)
            .command("panics", panics)
            .command("deploy", deploys)
            .command("slow", slow),
    )
}

/// What a test says that fails.
async fn failure(test: impl Future<Output = ()>) -> String {
    let panic = AssertUnwindSafe(test).catch_unwind().await.unwrap_err();
    panic.downcast_ref::<String>().unwrap().clone()
}

mod a_service {
    use super::*;

    #[tokio::test]
    async fn answers_as_a_served_bot_does() {
        let mut app = app();
        testing::ask(&mut app, events::message("!ping 7"))
            .await
            .says(["pong 7"]);
        testing::ask(&mut app, events::message("chatter"))
            .await
            .is_silent();
        testing::ask(&mut app, events::message("!unknown"))
            .await
            .is_silent();
        testing::ask(&mut app, events::message("!fails"))
            .await
            .says(["Something went wrong (ref …)."]);
        testing::ask(&mut app, events::message("!panics"))
            .await
            .says(["Something went wrong (ref …)."]);
        testing::ask(&mut app, events::message("!refuses"))
            .await
            .says(["Not on Fridays."]);
        let answer = testing::ask(&mut app, events::message("!add one 2")).await;
        assert!(answer.texts()[0].contains("Usage: `!add <number> <number>`"));
    }

    #[tokio::test]
    async fn what_handlers_send_while_they_run_comes_first() {
        let answer = testing::ask(app(), events::message("!deploy")).await;
        answer.says(["building", "deployed"]);
        let edited = match &answer.actions()[1] {
            Action::Edit(edit) => edit.clone(),
            other => panic!("{other:?}"),
        };
        assert_eq!(edited.content(), "built");
        assert_eq!(answer.actions().len(), 4);
    }

    #[tokio::test]
    async fn actions_are_compared_whole() {
        async fn reports() -> Send {
            Send::text("green").to("BUILDS").in_thread(Thread::Never)
        }
        let app = || CommandLayer::new("!").layer(Router::new().command("report", reports));
        let expected = || Send::text("green").to("BUILDS");
        let answer = testing::ask(app(), events::message("!report")).await;
        answer.does([expected().in_thread(Thread::Never)]);
        let failure = failure(async {
            testing::ask(app(), events::message("!report"))
                .await
                .does([expected()]);
        });
        let failure = failure.await;
        assert!(
            failure
                .contains("- rocketbotte: green (in the room BUILDS)\n+ rocketbotte (in no thread): green"),
            "{failure}"
        );
    }

    #[tokio::test]
    async fn a_failure_explains_why_nothing_was_said() {
        let failure = failure(async {
            testing::ask(app(), events::message("!pnig 7"))
                .await
                .says(["pong 7"]);
        });
        let failure = failure.await;
        for part in [
            "  ann: !pnig 7\n- rocketbotte: pong 7",
            "why: message: the command `pnig` behind `!`, which the router does not have",
            "- command ping     another command was asked for",
        ] {
            assert!(failure.contains(part), "{part} in {failure}");
        }
    }

    #[tokio::test]
    async fn a_failure_shows_the_errors_that_people_do_not_see() {
        let failure = failure(async {
            testing::ask(app(), events::message("!fails"))
                .await
                .says(["done"]);
        });
        let failure = failure.await;
        assert!(
            failure.contains("the route fails failed: no database"),
            "{failure}"
        );
        assert!(
            failure.contains("+ rocketbotte: Something went wrong (ref …)."),
            "{failure}"
        );
    }

    #[tokio::test]
    async fn what_is_no_router_is_asked_too() {
        let echo = tower::service_fn(|request: Request| async move {
            let text = request
                .message()
                .map(|message| message.text().to_owned())
                .ok_or("no text")?;
            Ok::<_, BoxError>(Response::from(Action::from(Send::text(text))))
        });
        testing::ask(echo, events::message("hi")).await.says(["hi"]);
        testing::ask(echo, events::ready()).await.is_silent();
    }
}

mod events_of_every_kind {
    use super::*;

    #[test]
    fn a_message_becomes_any_of_them() {
        let hi = || said("hi").by(bob()).in_room(private_room("ops")).id("m1");
        let all: [(Event, EventKind); 13] = [
            (hi().into(), EventKind::Message),
            (hi().in_thread("m0").into(), EventKind::Message),
            (hi().in_room(events::discussion()).into(), EventKind::Message),
            (hi().system_type("uj").into(), EventKind::System),
            (hi().system_type("e2e").into(), EventKind::Encrypted),
            (hi().edited(), EventKind::Edited),
            (hi().deleted(), EventKind::Deleted),
            (hi().reaction(":+1:", "ann"), EventKind::Reaction),
            (hi().reaction_removed(":+1:", "ann"), EventKind::Reaction),
            (hi().pinned(), EventKind::Pinned),
            (hi().unpinned(), EventKind::Pinned),
            (hi().thread_update(2), EventKind::ThreadUpdate),
            (hi().updated(), EventKind::Updated),
        ];
        for (event, kind) in all {
            assert_eq!(event.kind(), kind);
            let room = event.room_id().unwrap().as_str();
            assert!(["ops", "7rSEbJtL2vXwPqKnM"].contains(&room), "{event:?}");
        }
    }

    #[test]
    fn it_has_the_form_that_a_server_gives_it() {
        let message = said("hi @bob")
            .mentioning(&[bob()])
            .with("attachments", serde_json::json!([{ "title": "log" }]))
            .from_bot()
            .message();
        assert_eq!(message.mentions().len(), 1);
        assert!(message.is_bot() && message.json().contains("attachments"));
        assert!(message.updated_at().is_some());
        let edited = said("hi").edited();
        assert!(edited.message().unwrap().edited_at().is_some());
        let Event::ThreadUpdate(update) = said("hi").thread_update(2) else {
            panic!("another kind");
        };
        assert_eq!(update.reply_count(), 2);
    }
}

mod a_whole_bot {
    use super::*;

    #[tokio::test]
    async fn answers_in_its_rooms_and_threads() {
        let bot = TestBot::new(app());
        bot.ask(events::message("!ping 1")).await.says(["pong 1"]);
        bot.ask(
            said("!ping 2")
                .by(bob())
                .in_room(private_room("ops"))
                .in_thread("m1"),
        )
        .await
        .says(["pong 2"]);
        bot.ask(events::direct_message("add 1 2")).await.says(["3"]);
        bot.ask(events::bot_message("!ping")).await.is_silent();
        bot.transcript_of("ops").assert_eq(
            "
            bob (in the thread of m1): !ping 2
            rocketbotte (in the thread of m1): pong 2
            ",
        );
        let direct = events::direct_room(&events::ann());
        bot.transcript().assert_eq(&format!(
            "
            #general ann: !ping 1
            #general rocketbotte: pong 1
            #ops bob (in the thread of m1): !ping 2
            #ops rocketbotte (in the thread of m1): pong 2
            #{direct} ann: add 1 2
            #{direct} rocketbotte: 3
            #general other.bot: !ping
            ",
            direct = direct.id()
        ));
        let report = bot.shutdown().await;
        assert!(report.is_complete());
    }

    #[tokio::test]
    async fn an_event_that_comes_again_is_answered_under_the_same_id() {
        let bot = TestBot::new(app());
        let event = events::message("!ping");
        bot.ask(event.clone()).await.says(["pong"]);
        bot.ask(event).await.is_silent();
        assert_eq!(bot.actions().len(), 1);
        let Action::Send(send) = &bot.actions()[0] else {
            panic!("another action");
        };
        assert!(send.ids().is_some() && send.room_id().is_some_and(|room| *room == "GENERAL"));
    }

    #[tokio::test]
    async fn failures_read_as_people_see_them() {
        let bot = TestBot::new(app());
        bot.ask(events::message("!fails"))
            .await
            .says(["Something went wrong (ref …)."]);
        bot.ask(events::message("!panics"))
            .await
            .says(["Something went wrong (ref …)."]);
        bot.ask(events::message("!deploy"))
            .await
            .says(["building", "deployed"]);
        let failure = failure(async {
            bot.ask(events::message("!pnig")).await.says(["pong"]);
        });
        let failure = failure.await;
        assert!(failure.contains("which the router does not have"), "{failure}");
    }

    #[tokio::test(start_paused = true)]
    async fn order_deadlines_and_the_hold_time_are_those_of_a_bot() {
        let bot = TestBot::with(app(), |serve| serve.hold(Duration::from_secs(5)));
        let first = bot.deliver(events::message("!slow"));
        let second = bot.deliver(events::message("!ping"));
        testing::pass(Duration::from_secs(4)).await;
        assert!(bot.actions().is_empty(), "the room keeps its order");
        testing::pass(Duration::from_secs(2)).await;
        assert_eq!(bot.actions().len(), 1);
        assert_eq!(second.settled().await, Settled::Done);
        assert_eq!(first.settled().await, Settled::Done);
        bot.transcript_of("general").last(2).assert_eq(
            "
            rocketbotte: pong
            rocketbotte: a minute is over
            ",
        );
        // A minute of it takes no time.
        bot.ask(events::message("!slow")).await.says(["a minute is over"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_handler_that_hangs_is_given_up_as_in_a_bot() {
        let bot = TestBot::new(CommandLayer::new("!").layer(Router::new().command("never", never)));
        bot.ask(events::message("!never"))
            .await
            .says(["Something went wrong (ref …)."]);
    }

    #[tokio::test(start_paused = true)]
    async fn an_event_that_is_never_done_ends_the_test_with_what_is_known() {
        let app = CommandLayer::new("!").layer(Router::new().command("never", never));
        let bot = TestBot::with(app, |serve| serve.route_timeout(None));
        let failure = failure(async {
            let _ = bot.ask(events::message("!never")).await;
        });
        let failure = failure.await;
        assert!(failure.contains("is not done within"), "{failure}");
        assert!(failure.contains("+ command never  runs"), "{failure}");
    }

    #[tokio::test]
    async fn what_the_server_refuses_is_said() {
        let bot = TestBot::new(app());
        bot.refuse_next("the room is read-only");
        let failure = failure(async {
            bot.ask(events::message("!ping")).await.says(["pong"]);
        });
        let failure = failure.await;
        assert!(
            failure.contains("refused with \"the room is read-only\": rocketbotte: pong"),
            "{failure}"
        );
    }

    #[tokio::test]
    async fn events_arrive_in_any_way_and_the_program_fires_its_own() {
        async fn tell(arrival: Arrival) -> String {
            format!("it was {arrival}")
        }
        use rocketbotte::handler::route;
        let router = Router::new()
            .on_message(tell)
            .on_custom("deployed", route(|| async { "a new version" }).to("GENERAL"));
        let bot = TestBot::new(router);
        let late = Delivery::live(events::message("hi")).arrived(Arrival::CaughtUp);
        assert_eq!(bot.hand_over(late).settled().await, Settled::Done);
        bot.ask(events::custom("deployed", ()))
            .await
            .says(["a new version"]);
        bot.transcript().assert_eq(
            r#"
            #general ann: hi
            #general rocketbotte: it was caught up
            (the program fires "deployed")
            #general rocketbotte: a new version
            "#,
        );
    }

    #[tokio::test]
    async fn what_was_delivered_is_done_before_it_ends() {
        let bot = TestBot::new(app());
        let delivered: Vec<_> = (0..100)
            .map(|n| bot.deliver(events::message(format!("!ping {n}"))))
            .collect();
        let report = bot.shutdown().await;
        assert_eq!(report.done, 101, "with the event that says it stops");
        for event in delivered {
            assert_eq!(event.settled().await, Settled::Done);
        }
    }
}
