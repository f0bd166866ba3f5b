//! The server's limits, and what becomes of actions that can not be carried out.
#![cfg(feature = "client")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test ends by them")]

#[path = "support/pipes.rs"]
mod http_pipes;
mod support;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rocketbotte::command::CommandLayer;
use rocketbotte::dispatch::{DeadLetter, DeadLetterError};
use rocketbotte::extract::Args;
use rocketbotte::{BoxError, Request, Response, Router};
use tower::{Service, ServiceBuilder};

use support::after_secs;

async fn echo(Args(text): Args<String>) -> String {
    text
}

fn app(
    router: Router,
) -> impl Service<Request, Response = Response, Error = BoxError, Future: Send> + Send + 'static {
    ServiceBuilder::new()
        .layer(CommandLayer::new("!"))
        .service(router)
}

/// A function for dead letters, and what it was told: error, text, event key, route and room.
#[derive(Clone, Default)]
struct Letters(Arc<Mutex<Vec<DeadLetter>>>);

impl Letters {
    fn hook(&self) -> impl Fn(DeadLetter) + Send + Sync + 'static {
        let letters = self.clone();
        move |letter| letters.0.lock().unwrap().push(letter)
    }

    fn take(&self) -> Vec<DeadLetter> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

fn text(letter: &DeadLetter) -> &str {
    match letter.action.as_ref().unwrap() {
        rocketbotte::response::Action::Send(send) => send.content(),
        _ => "",
    }
}

fn numbers(range: std::ops::Range<usize>) -> Vec<String> {
    range.map(|n| n.to_string()).collect()
}

/// A real client against a scripted server.
mod client {
    use futures_util::StreamExt as _;
    use rocketbotte::Credentials;
    use rocketbotte::dispatch::Serve;
    use rocketbotte::rest::{Client, RestSink};
    use rocketbotte::testing::events;
    use rocketbotte::transport::{self, Delivery};
    use serde_json::json;
    use tokio::time::Instant;

    use super::http_pipes::{http, json_response, response};
    use super::support::{Log, Recorder, drive_with, message_in};
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_room_that_is_tried_again_holds_up_no_other() {
        let began = Instant::now();
        let posted = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&posted);
        let (connector, _) = http(move |request| {
            let message = &request.json()["message"];
            let room = message["rid"].as_str().unwrap().to_owned();
            if room == "A" && began.elapsed() < Duration::from_secs(30) {
                return response("503 Service Unavailable", &[], "");
            }
            let text = message["msg"].as_str().unwrap().to_owned();
            log.lock().unwrap().push((room, text, began.elapsed().as_secs()));
            json_response(
                "200 OK",
                &json!({"success": true, "message": {"_id": message["_id"]}}),
            )
        });
        let client = Client::builder("https://chat.example.org".parse().unwrap(), connector)
            .credentials(Credentials::new("uBot", "s3cret").unwrap())
            .build();
        let asked = (0..20).flat_map(|n| ["A", "B"].map(|room| message_in(room, &format!("!echo {n}"))));
        let asked = futures_util::stream::iter(asked.map(Delivery::live).collect::<Vec<_>>());
        let report = Serve::new(transport::from_stream(asked.boxed()), RestSink::new(client))
            .identity(events::bot())
            .run(app(Router::new().command("echo", echo)))
            .await
            .unwrap();
        assert!(report.is_complete(), "{report}");
        let posted = posted.lock().unwrap();
        let of = |room: &str| {
            let of_room = posted.iter().filter(|(posted_in, _, _)| posted_in == room);
            of_room
                .map(|(_, text, second)| (text.clone(), *second))
                .collect::<Vec<_>>()
        };
        let texts = |room| of(room).into_iter().map(|(text, _)| text).collect::<Vec<_>>();
        assert_eq!((texts("A"), texts("B")), (numbers(0..20), numbers(0..20)));
        assert!(of("B").iter().all(|(_, second)| *second == 0));
        assert!(of("A").iter().all(|(_, second)| *second >= 30));
    }

    #[tokio::test(start_paused = true)]
    async fn what_the_sink_does_not_do_is_told_once() {
        let (log, _guard) = Log::start(tracing::Level::ERROR);
        let letters = Letters::default();
        let sink = Recorder::with(|action| {
            let action = action.clone();
            Box::pin(async move {
                let text = match &action {
                    rocketbotte::response::Action::Send(send) => send.content().to_owned(),
                    _ => String::new(),
                };
                match text.as_str() {
                    "fail" => Err("it is full".into()),
                    "panic" => panic!("a sink that panics"),
                    "hang" => std::future::pending().await,
                    _ => Ok(()),
                }
            })
        });
        let router = Router::new().command("echo", echo).on_ready(async || "to whom?");
        let hook = letters.hook();
        let bot = drive_with(
            sink,
            |serve| {
                serve
                    .on_dead_letter(hook)
                    .shutdown_timeout(Duration::from_secs(5))
            },
            app(router),
        );
        for text in [
            "!echo fail",
            "!echo panic",
            "!echo fine",
            "!echo hang",
            "!echo behind",
        ] {
            bot.say(text);
        }
        after_secs(1).await;
        assert_eq!(bot.sent.texts(), ["fine"]);
        let told = letters.take();
        assert_eq!(told.len(), 3, "{told:?}");
        let of = |wanted: &str| told.iter().find(|letter| text(letter) == wanted).unwrap();
        assert!(matches!(of("to whom?").error, DeadLetterError::Incomplete(_)));
        assert_eq!(of("to whom?").room_id, None);
        let failed = of("fail");
        assert!(matches!(&failed.error, DeadLetterError::Failed(error) if error.to_string() == "it is full"));
        assert_eq!(
            failed.route.as_ref().map(ToString::to_string).as_deref(),
            Some("echo")
        );
        assert_eq!(
            failed.room_id.as_ref().map(ToString::to_string).as_deref(),
            Some("GENERAL")
        );
        assert!(!failed.event_key.is_empty());
        assert!(matches!(of("panic").error, DeadLetterError::Panicked));
        let report = bot.shut_down().await;
        assert_eq!((report.undelivered, report.undelivered_at_the_stop), (5, 2));
        let told = letters.take();
        let told: Vec<_> = told
            .iter()
            .map(|letter| {
                assert!(matches!(letter.error, DeadLetterError::Stopped) && letter.error.is_transient());
                text(letter)
            })
            .collect();
        assert_eq!(told.len(), 2);
        assert!(told.contains(&"hang") && told.contains(&"behind"), "{told:?}");
        assert_eq!(log.text().matches("not delivered").count(), 5, "{}", log.text());
    }

    #[tokio::test(start_paused = true)]
    async fn a_function_that_panics_harms_nothing() {
        let sink = Recorder::with(|_| Box::pin(async { Err("no".into()) }));
        let bot = drive_with(
            sink,
            |serve| serve.on_dead_letter(|_| panic!("not my day")),
            app(Router::new().command("echo", echo)),
        );
        for n in 0..3 {
            bot.say(&format!("!echo {n}"));
        }
        let report = bot.end().await;
        assert_eq!((report.undelivered, report.is_complete()), (3, true));
    }
}

/// A bot on a sandbox whose limiters are on, in paused time.
#[cfg(feature = "sandbox")]
mod server {
    use super::support::chat::{Chat, people};
    use super::*;
    use rocketbotte::rest::{RestError, RestErrorKind};
    use rocketbotte::sandbox::{RestFault, Sandbox, UserSpec};

    /// The account of the bot has no role that lifts the limits.
    fn limited(rooms: usize) -> Sandbox {
        let mut sandbox = Sandbox::builder()
            .user("ann")
            .user_with(UserSpec::new("rocketbotte").roles(["user"]))
            .rate_limits(true);
        for room in 0..rooms {
            sandbox = sandbox.channel(format!("room{room}"));
        }
        sandbox.start_in_memory()
    }

    fn by_rooms(sandbox: &Sandbox, rooms: usize) -> HashMap<usize, Vec<String>> {
        let said = |room: usize| {
            let messages = sandbox.messages(&format!("room{room}")).into_iter();
            messages
                .filter(|message| message.username == "rocketbotte")
                .map(|message| message.text)
                .collect()
        };
        (0..rooms).map(|room| (room, said(room))).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_that_would_be_refused_waits_instead() {
        let sandbox = limited(3);
        let chat = Chat::on(&sandbox, app(Router::new().command("echo", echo))).await;
        let ann = sandbox.user("ann");
        for n in 0..15 {
            for room in 0..3 {
                ann.say(&format!("room{room}"), &format!("!echo {n}")).await;
            }
        }
        let answered = |sandbox: &Sandbox| by_rooms(sandbox, 3).values().map(Vec::len).sum::<usize>();
        // Ten in each minute.
        for minute in 0..5 {
            after_secs(1).await;
            assert_eq!(
                answered(&sandbox),
                45.min(10 * (minute + 1)),
                "in minute {minute}"
            );
            after_secs(60).await;
        }
        for (room, said) in by_rooms(&sandbox, 3) {
            let said: Vec<_> = said
                .iter()
                // What comes late quotes what it answers.
                .map(|text| text.rsplit(' ').next().unwrap().to_owned())
                .collect();
            assert_eq!(said, numbers(0..15), "room {room}");
        }
        assert_eq!(sandbox.refused_by_limits(), 0);
        assert_eq!(chat.handle.counters().undelivered, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn after_a_burst_of_refusals_all_is_said_once_and_in_order() {
        let sandbox = people().channel("room0").channel("room1").start_in_memory();
        let chat = Chat::on(&sandbox, app(Router::new().command("echo", echo))).await;
        for seconds in [5, 3, 7, 5, 2] {
            let reset_after = Duration::from_secs(seconds);
            sandbox.fail_next("chat.sendMessage", RestFault::TooManyRequests { reset_after });
        }
        let ann = sandbox.user("ann");
        for n in 0..20 {
            for room in 0..2 {
                ann.say(&format!("room{room}"), &format!("!echo {n}")).await;
            }
        }
        after_secs(30).await;
        for (room, said) in by_rooms(&sandbox, 2) {
            assert_eq!(said, numbers(0..20), "room {room}");
        }
        // Each message once, and the five that were refused.
        assert_eq!(sandbox.requests()["chat.sendMessage"], 45);
        assert_eq!(chat.handle.counters().undelivered, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn what_the_server_refuses_for_good_is_told() {
        let letters = Letters::default();
        let sandbox = people().channel("room0").start_in_memory();
        let hook = letters.hook();
        let chat = Chat::of(
            &sandbox,
            "rocketbotte",
            |bot| bot.on_dead_letter(hook),
            app(Router::new().command("echo", echo)),
        )
        .await;
        sandbox.set_muted("room0", "rocketbotte", true).unwrap();
        let asked = sandbox.user("ann").say("room0", "!echo hello").await;
        after_secs(1).await;
        let told = letters.take();
        assert_eq!(told.len(), 1, "{told:?}");
        let letter = &told[0];
        assert_eq!((text(letter), letter.event_key.contains(&asked)), ("hello", true));
        assert_eq!(
            letter.room_id.as_ref().map(ToString::to_string),
            sandbox.room_id("room0")
        );
        assert!(!letter.error.is_transient());
        let DeadLetterError::Failed(error) = &letter.error else {
            panic!("{letter:?}");
        };
        let error = error.downcast_ref::<RestError>().unwrap();
        assert_eq!(error.kind(), &RestErrorKind::Forbidden);
        assert_eq!(chat.handle.counters().undelivered, 1);
    }

    #[tokio::test(start_paused = true)]
    async fn what_can_not_be_sent_for_ten_minutes_is_told() {
        let letters = Letters::default();
        let sandbox = people().start_in_memory();
        let hook = letters.hook();
        let chat = Chat::of(
            &sandbox,
            "rocketbotte",
            |bot| bot.on_dead_letter(hook),
            app(Router::new().command("echo", echo)),
        )
        .await;
        for _ in 0..1000 {
            sandbox.fail_next("chat.sendMessage", RestFault::Status(503));
        }
        chat.ask("!echo hello").await;
        after_secs(500).await;
        assert!(letters.take().is_empty());
        after_secs(160).await;
        let told = letters.take();
        assert_eq!(told.len(), 1);
        assert!(told[0].error.is_transient(), "{told:?}");
        let sent = sandbox.requests()["chat.sendMessage"];
        assert!((10..100).contains(&sent), "{sent}");
        // It goes on behind it.
        sandbox.clear_faults();
        assert_eq!(chat.ask("!echo again").await, ["again"]);
    }

    #[tokio::test(start_paused = true)]
    async fn typing_stays_below_the_limit_and_fails_nobody() {
        let sandbox = people().rate_limits(true).start_in_memory();
        let router = Router::new().command("work", async |request: Request| {
            let room_id = request.event().room_id().unwrap();
            for n in 0..200 {
                request.context().typing(room_id, None, n % 3 != 2);
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
            "done"
        });
        let chat = Chat::on(&sandbox, app(router)).await;
        sandbox.user("ann").say("general", "!work").await;
        after_secs(60).await;
        assert_eq!(chat.said("general"), ["done"]);
        let typed = sandbox
            .frames_from_clients()
            .iter()
            .filter(|frame| format!("{frame:?}").contains("user-activity"))
            .count();
        assert!((20..=45).contains(&typed), "{typed}");
        assert_eq!(sandbox.refused_by_limits(), 0);
    }
}
