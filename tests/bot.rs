//! The bot as people run it: `Bot` on the sandbox, over real sockets unless time has to be paused.
#![cfg(all(feature = "client", feature = "sandbox", feature = "test-util"))]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test ends by them")]

mod support;

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rocketbotte::command::CommandLayer;
use rocketbotte::event::{EventKind, Message};
use rocketbotte::extract::Args;
use rocketbotte::handler::route;
use rocketbotte::layer::require::RequireLayer;
use rocketbotte::sandbox::{RestFault, Sandbox, UserSpec};
use rocketbotte::transport::{ConnectionState, Connector};
use rocketbotte::{Bot, BotBuilder, BotError, BotErrorKind, BoxError, Request, Response, Router};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::{mpsc, watch};
use tower::{Service, ServiceBuilder};

use self::support::chat::{self, Chat, people};
use self::support::live::{Live, PATIENCE, authority_of_ones_own, bot_at, in_time};
use self::support::{Log, after_secs};

async fn ping(Args(text): Args<String>) -> String {
    format!("pong {text}")
}

async fn add(Args((a, b)): Args<(i64, i64)>) -> String {
    (a + b).to_string()
}

async fn boom() -> &'static str {
    panic!("boom")
}

async fn echo(message: Arc<Message>) -> String {
    format!("heard {}", message.text())
}

fn commands() -> Router {
    Router::new()
        .command("ping", ping)
        .command("add", add)
        .command("boom", boom)
}

fn bare(
    router: Router,
) -> impl Service<Request, Response = Response, Error = BoxError, Future: Send> + Send + 'static {
    ServiceBuilder::new()
        .layer(CommandLayer::new("!"))
        .service(router)
}

/// The exit code that a program with this bot has.
async fn exit_code(bot: Result<Bot, BotError>, app: Router) -> ExitCode {
    match bot {
        Ok(bot) => in_time(bot.run(app)).await,
        Err(error) => error.exit_code(),
    }
}

/// Exit codes can not be compared otherwise.
#[track_caller]
fn assert_code(code: ExitCode, expected: u8) {
    assert_eq!(format!("{code:?}"), format!("{:?}", ExitCode::from(expected)));
}

async fn failure(bot: BotBuilder) -> BotError {
    let bot = match bot.build() {
        Ok(bot) => bot,
        Err(error) => return error,
    };
    in_time(bot.serve(commands()))
        .await
        .expect_err("it can not be served")
}

mod pipeline {
    use super::*;

    #[tokio::test]
    async fn the_bare_line_answers_and_survives() {
        let sandbox = people().start().await.unwrap();
        let app = ServiceBuilder::new()
            .layer(CommandLayer::new("!"))
            .service(commands().on_message(|message: Arc<Message>| async move {
                // It would answer its own reply.
                message.text().contains("pong").then_some("I hear myself")
            }));
        let bot = Live::on(&sandbox, app).await;
        assert_eq!(bot.ask("!ping 7").await, "pong 7");
        assert!(bot.ask("!add one two").await.contains("!add <number> <number>"));
        assert!(bot.ask("!boom").await.starts_with("Something went wrong (ref "));
        assert_eq!(bot.ask("!add 1 2").await, "3");
        let said = bot.said_by("rocketbotte", "general");
        assert_eq!(said.len(), 4, "{said:?}");
        assert!(bot.shut_down().await.is_complete());
        let gone = sandbox.wait_until(|sandbox| sandbox.connections() == 0, PATIENCE);
        gone.await.unwrap();
    }

    #[tokio::test]
    async fn two_echo_bots_in_a_room_stay_silent_towards_each_other() {
        let sandbox = Sandbox::builder()
            .user("ann")
            .bot("one")
            .bot("two")
            .start()
            .await
            .unwrap();
        let app = || bare(Router::new().on_message(echo));
        let one = Live::of(&sandbox, bot_at(&sandbox, "one"), app()).await;
        let two = Live::of(&sandbox, bot_at(&sandbox, "two"), app()).await;
        for text in ["hello", "bye"] {
            sandbox.user("ann").say("general", text).await;
            // What the other said came before this, so it was ignored.
            sandbox
                .wait_until(
                    |_| {
                        let heard = format!("heard {text}");
                        let both = [&one, &two].map(|bot| bot.said_by("one", "general"));
                        both[0].contains(&heard) && two.said_by("two", "general").contains(&heard)
                    },
                    PATIENCE,
                )
                .await
                .unwrap();
        }
        assert_eq!(one.said_by("one", "general"), ["heard hello", "heard bye"]);
        assert_eq!(two.said_by("two", "general"), ["heard hello", "heard bye"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_handler_that_takes_a_minute_delays_its_room_by_no_more_than_the_hold_time() {
        let router = commands().command("minute", || async {
            after_secs(60).await;
            "a minute is over"
        });
        let chat = Chat::with(bare(router)).await;
        let ann = chat.sandbox.user("ann");
        ann.say("general", "!minute").await;
        ann.say("general", "!ping").await;
        after_secs(4).await;
        assert_eq!(chat.said("general").len(), 0);
        after_secs(2).await;
        assert_eq!(chat.said("general"), ["pong "]);
        after_secs(60).await;
        assert_eq!(chat.said("general"), ["pong ", "a minute is over"]);
    }

    #[tokio::test]
    async fn the_state_goes_from_off_to_closed() {
        let sandbox = people().start().await.unwrap();
        let bot = bot_at(&sandbox, "rocketbotte").build().unwrap();
        let handle = bot.handle();
        assert_eq!(handle.state(), ConnectionState::Off);
        let (mut watched, states) = (handle.watch_state(), Arc::new(Mutex::new(Vec::new())));
        let log = Arc::clone(&states);
        let watching = tokio::spawn(async move {
            while watched.changed().await.is_ok() {
                let state = *watched.borrow_and_update();
                log.lock().unwrap().push(state);
                if state == ConnectionState::Closed {
                    return;
                }
            }
        });
        let serving = tokio::spawn(bot.serve(commands()));
        let mut ready = handle.watch_state();
        in_time(ready.wait_for(|state| *state == ConnectionState::Ready))
            .await
            .unwrap();
        handle.shutdown();
        in_time(serving).await.unwrap().unwrap();
        in_time(watching).await.unwrap();
        let states = states.lock().unwrap().clone();
        assert!(states.is_sorted(), "{states:?}");
        assert!(states.contains(&ConnectionState::Ready), "{states:?}");
        assert_eq!(states.last(), Some(&ConnectionState::Closed));
    }

    #[tokio::test(start_paused = true)]
    async fn a_bot_that_is_stopping_does_not_say_that_it_is_ready_again() {
        let router = commands().command("slow", || async {
            after_secs(5).await;
            "done"
        });
        let chat = Chat::with(bare(router)).await;
        chat.sandbox.user("ann").say("general", "!slow").await;
        after_secs(1).await;
        chat.handle.shutdown();
        chat.sandbox.drop_connections();
        let mut watched = chat.handle.watch_state();
        let mut states = Vec::new();
        while states.last() != Some(&ConnectionState::Closed) {
            in_time(watched.changed()).await.unwrap();
            states.push(*watched.borrow_and_update());
        }
        assert_eq!(states, [ConnectionState::Closing, ConnectionState::Closed]);
        assert_eq!(chat.said("general"), ["done"]);
    }

    #[tokio::test]
    async fn roles_in_a_room_are_asked_of_the_server() {
        let router = Router::new()
            .command("deploy", || async { "deployed" })
            .route_layer(RequireLayer::room_roles(["moderator"]));
        let sandbox = people().start().await.unwrap();
        sandbox.set_room_role("general", "bob", "moderator").unwrap();
        let bot = Live::on(&sandbox, bare(router)).await;
        assert_eq!(bot.ask("!deploy").await, "You are not allowed to do this here.");
        let asked = sandbox.user("bob").say("general", "!deploy").await;
        assert_eq!(bot.reply_to(&asked).await.text, "deployed");
    }

    #[tokio::test(start_paused = true)]
    async fn what_its_owner_should_know_is_warned_of() {
        let (log, _guard) = Log::start(tracing::Level::WARN);
        let sandbox = Sandbox::builder()
            .user("ann")
            .user_with(UserSpec::new("rocketbotte").roles(["user"]))
            .rate_limits(true)
            .start_in_memory();
        sandbox.kick("general", "rocketbotte").unwrap();
        let account = sandbox.bot("rocketbotte");
        let bot = Bot::builder("http://chat.example.org")
            .token(account.id(), account.token())
            .connector(chat::pipes(&sandbox))
            .handle_signals(false)
            .build()
            .unwrap();
        let handle = bot.handle();
        let serving = tokio::spawn(bot.serve(bare(commands())));
        after_secs(1).await;
        sandbox.invite("general", "rocketbotte").unwrap();
        account.say("general", "!ping").await;
        after_secs(1).await;
        handle.shutdown();
        serving.await.unwrap().unwrap();
        let log = log.text();
        for warning in [
            "in plain text: use https",
            "the bot is in no room: invite it",
            "the server limits the account: it may send ",
            "use a separate account",
        ] {
            assert_eq!(log.matches(warning).count(), 1, "{warning}: {log}");
        }
        assert_eq!(log.lines().count(), 4, "{log}");
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn a_second_signal_ends_it_at_once() {
        let terminate = || {
            let pid = std::process::id().to_string();
            let sent = std::process::Command::new("kill")
                .args(["-s", "TERM", &pid])
                .status();
            assert!(sent.unwrap().success());
        };
        let sandbox = people().start().await.unwrap();
        let (started, mut hangs) = watch::channel(false);
        let router = commands().command("hang", move || {
            started.send_replace(true);
            std::future::pending::<()>()
        });
        // The only bot in this program that hears signals.
        let bot = bot_at(&sandbox, "rocketbotte")
            .handle_signals(true)
            .shutdown_timeout(Duration::from_secs(24 * 3600));
        let bot = Live::of(&sandbox, bot, bare(router)).await;
        sandbox.user("ann").say("general", "!hang").await;
        in_time(hangs.wait_for(|hangs| *hangs)).await.unwrap();
        terminate();
        bot.state(ConnectionState::Closing).await;
        terminate();
        assert_eq!(bot.result().await.unwrap().aborted, 1);
    }

    #[tokio::test]
    async fn one_line_says_what_is_ready() {
        let (log, _guard) = Log::start(tracing::Level::INFO);
        let sandbox = people().start().await.unwrap();
        let bot = Live::on(&sandbox, bare(commands())).await;
        bot.ask("!ping").await;
        let log = log.text();
        let line = log.lines().find(|line| line.contains("ready")).unwrap_or(&log);
        for part in [
            "rocketbotte",
            "server=\"8",
            "rooms=1",
            "prefix=\"!\"",
            "ping, add, boom",
        ] {
            assert!(line.contains(part), "{part}: {log}");
        }
        assert!(!log.contains("WARN"), "{log}");
    }
}

mod connection {
    use super::*;

    /// How often each stream is subscribed.
    fn subscriptions(sandbox: &Sandbox) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for (_, _, event) in sandbox.subscriptions() {
            *counts.entry(event).or_default() += 1;
        }
        counts
    }

    #[tokio::test]
    async fn after_fifty_drops_it_is_subscribed_once_and_has_answered_everything_once() {
        let sandbox = people().start().await.unwrap();
        let (reconnects, mut reconnected) = watch::channel(0_u32);
        let router = commands().on(EventKind::Reconnected, move || {
            reconnects.send_modify(|count| *count += 1);
            std::future::ready(())
        });
        let ready = Arc::new(AtomicU32::new(0));
        let count = Arc::clone(&ready);
        let router = router.on_ready(move || {
            count.fetch_add(1, Ordering::Relaxed);
            std::future::ready(())
        });
        let bot = Live::on(&sandbox, bare(router)).await;
        let expected = subscriptions(&sandbox);
        assert!(expected.values().all(|count| *count == 1), "{expected:?}");
        let mut asked = vec![sandbox.user("ann").say("general", "!ping start").await];
        for round in 1..=50 {
            match round % 3 {
                0 => sandbox.drop_connections(),
                1 => sandbox.close_connections(),
                _ => sandbox.reset_connections(),
            }
            in_time(reconnected.wait_for(|count| *count == round))
                .await
                .unwrap();
            assert_eq!(
                (sandbox.connections(), subscriptions(&sandbox)),
                (1, expected.clone())
            );
            asked.push(
                sandbox
                    .user("ann")
                    .say("general", &format!("!ping {round}"))
                    .await,
            );
            bot.reply_to(asked.last().unwrap()).await;
        }
        let replies = bot.said_by("rocketbotte", "general");
        let mut unique = replies.clone();
        unique.sort();
        unique.dedup();
        assert_eq!((replies.len(), unique.len()), (51, 51), "{replies:?}");
        assert_eq!(ready.load(Ordering::Relaxed), 1);
        assert!(bot.shut_down().await.is_complete());
    }

    #[tokio::test]
    async fn a_server_that_comes_up_later_is_waited_for() {
        let (log, _guard) = Log::start(tracing::Level::WARN);
        let sandbox = people().start().await.unwrap();
        sandbox.refuse_connections(true);
        let bot = Live::starting(&sandbox, bot_at(&sandbox, "rocketbotte"), bare(commands()));
        in_time(async {
            while !log.text().contains("trying again") {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await;
        assert_eq!(bot.handle.state(), ConnectionState::Off);
        sandbox.refuse_connections(false);
        bot.ready().await;
        assert_eq!(bot.ask("!ping").await, "pong ");
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_is_not_well_yet_is_waited_for() {
        let sandbox = people().start_in_memory();
        let reset_after = Duration::from_secs(5);
        for fault in [
            RestFault::Status(503),
            RestFault::TooManyRequests { reset_after },
            RestFault::CloseBeforeActing,
        ] {
            sandbox.fail_next("me", fault);
        }
        let bot = chat::bot_in(&sandbox, "rocketbotte").build().unwrap();
        let handle = bot.handle();
        let serving = tokio::spawn(bot.serve(bare(commands())));
        after_secs(60).await;
        assert_eq!(handle.state(), ConnectionState::Ready);
        handle.shutdown();
        serving.await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn a_server_that_does_not_come_up_is_given_up_after_the_set_attempts() {
        let sandbox = people().start().await.unwrap();
        sandbox.refuse_connections(true);
        let error = failure(bot_at(&sandbox, "rocketbotte").max_retry(3)).await;
        assert_eq!(error.kind(), BotErrorKind::Unreachable, "{error}");
        let text = error.to_string();
        assert!(
            text.contains("3 attempts") && text.contains(&sandbox.url()),
            "{text}"
        );
        assert_code(error.exit_code(), 70);
    }

    #[tokio::test]
    async fn a_bot_that_waits_for_its_server_can_be_stopped() {
        let sandbox = people().start().await.unwrap();
        sandbox.refuse_connections(true);
        let bot = bot_at(&sandbox, "rocketbotte")
            .max_retry_time(Duration::from_secs(3600))
            .build()
            .unwrap();
        let handle = bot.handle();
        let serving = tokio::spawn(bot.serve(commands()));
        handle.shutdown();
        assert!(in_time(serving).await.unwrap().unwrap().is_complete());
        in_time(handle.ended()).await;
    }

    #[tokio::test]
    async fn below_a_path() {
        let sandbox = people().subpath("/team/chat").start().await.unwrap();
        let bot = Live::on(&sandbox, bare(commands())).await;
        assert_eq!(bot.ask("!ping").await, "pong ");
        let trailing = Bot::builder(format!("{}/", sandbox.url()))
            .token(
                sandbox.bot("rocketbotte").id(),
                sandbox.bot("rocketbotte").token(),
            )
            .handle_signals(false);
        bot.shut_down().await;
        let bot = Live::of(&sandbox, trailing, bare(commands())).await;
        assert_eq!(bot.ask("!ping again").await, "pong again");
    }

    #[tokio::test]
    async fn over_tls_with_an_authority_of_ones_own() {
        let (config, ca) = authority_of_ones_own();
        let sandbox = people().tls(config).start().await.unwrap();
        let file = std::path::Path::new(env!("CARGO_TARGET_TMPDIR"))
            .join(format!("bot-ca-{}.pem", std::process::id()));
        std::fs::write(&file, ca).unwrap();

        let bot = bot_at(&sandbox, "rocketbotte").ca_file(&file);
        let bot = Live::of(&sandbox, bot, bare(commands())).await;
        assert_eq!(bot.ask("!ping over TLS").await, "pong over TLS");
        assert!(bot.shut_down().await.is_complete());

        let error = failure(bot_at(&sandbox, "rocketbotte")).await;
        assert_eq!(error.kind(), BotErrorKind::Configuration, "{error}");
        let text = error.to_string();
        assert!(
            text.contains(&sandbox.url()) && text.contains("CA file"),
            "{text}"
        );

        let careless = bot_at(&sandbox, "rocketbotte").danger_accept_invalid_certs(true);
        let bot = Live::of(&sandbox, careless, bare(commands())).await;
        assert_eq!(bot.ask("!ping unchecked").await, "pong unchecked");

        std::fs::remove_file(&file).unwrap();

        let missing = bot_at(&sandbox, "rocketbotte").ca_file("/no/such/ca.pem");
        let error = failure(missing).await;
        assert!(error.to_string().contains("/no/such/ca.pem"), "{error}");
        assert_code(error.exit_code(), 78);
    }

    #[tokio::test]
    async fn rooms_joined_later_and_new_direct_messages_are_heard() {
        let sandbox = people().start().await.unwrap();
        let bot = Live::on(&sandbox, bare(commands())).await;
        let before = subscriptions(&sandbox);
        sandbox.create_group("ops", &["ann"]).unwrap();
        sandbox.invite("ops", "rocketbotte").unwrap();
        assert_eq!(bot.ask_in("ops", "!ping group").await, "pong group");
        let direct = sandbox.user("ann").direct(&["rocketbotte"]).await;
        assert_eq!(bot.ask_in(&direct, "ping direct").await, "pong direct");
        assert_eq!(subscriptions(&sandbox), before);
    }

    #[tokio::test]
    async fn channels_that_it_has_not_joined_are_ignored_unless_asked_for() {
        for unjoined in [false, true] {
            let sandbox = people().start().await.unwrap();
            sandbox.create_channel("others", &["ann", "bob"]).unwrap();
            let (heard, mut texts) = mpsc::unbounded_channel();
            let router = commands().on_message(move |message: Arc<Message>| {
                let _ = heard.send(message.text().to_owned());
                std::future::ready(())
            });
            let bot = bot_at(&sandbox, "rocketbotte").unjoined_rooms(unjoined);
            let bot = Live::of(&sandbox, bot, bare(router)).await;
            sandbox.user("ann").say("others", "elsewhere").await;
            bot.ask("!ping").await;
            let first = in_time(texts.recv()).await.unwrap();
            assert_eq!(first, if unjoined { "elsewhere" } else { "!ping" });
        }
    }
}

mod delivery {
    use super::*;

    async fn once_in_spite_of(fault: RestFault) {
        let sandbox = people().start().await.unwrap();
        let bot = Live::on(&sandbox, bare(commands())).await;
        sandbox.fail_next("chat.sendMessage", fault.clone());
        assert_eq!(bot.ask("!ping first").await, "pong first", "{fault:?}");
        assert_eq!(bot.ask("!ping second").await, "pong second", "{fault:?}");
        // Also the retry that came too late is through: replies keep their order.
        let report = bot.shut_down().await;
        assert!(report.is_complete(), "{fault:?}: {report}");
        let replies = sandbox.messages("general").into_iter();
        let replies: Vec<_> = replies
            .filter(|message| message.username == "rocketbotte")
            .map(|message| message.text)
            .collect();
        assert_eq!(replies, ["pong first", "pong second"], "{fault:?}");
        let sent = sandbox.requests()["chat.sendMessage"];
        assert!(sent >= 3, "{fault:?}: it was tried again ({sent})");
    }

    #[tokio::test]
    async fn a_reply_whose_answer_is_lost_appears_once() {
        once_in_spite_of(RestFault::LoseReply).await;
    }

    #[tokio::test]
    async fn a_reply_to_a_server_that_is_unavailable_appears_once() {
        once_in_spite_of(RestFault::Status(503)).await;
    }

    #[tokio::test]
    async fn a_reply_on_a_connection_that_closes_appears_once() {
        once_in_spite_of(RestFault::CloseBeforeActing).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_limit_of_the_server_is_waited_for() {
        let chat = Chat::with(bare(commands())).await;
        let reset_after = Duration::from_secs(20);
        chat.sandbox
            .fail_next("chat.sendMessage", RestFault::TooManyRequests { reset_after });
        let asked = chat.sandbox.user("ann").say("general", "!ping").await;
        after_secs(15).await;
        assert_eq!(chat.after_message("general", &asked).len(), 0);
        after_secs(10).await;
        assert_eq!(chat.after_message("general", &asked).len(), 1);
        assert_eq!(chat.handle.counters().undelivered, 0);
    }

    #[tokio::test]
    async fn a_flood_is_answered_in_order_and_once() {
        let sandbox = people().start().await.unwrap();
        let bot = Live::on(&sandbox, bare(commands())).await;
        let ann = sandbox.user("ann");
        for number in 1..100 {
            ann.say("general", &format!("!ping {number}")).await;
        }
        let last = ann.say("general", "!ping 100").await;
        let is_answered = |sandbox: &Sandbox| {
            let messages = sandbox.messages("general").into_iter();
            messages
                .filter(|message| message.username == "rocketbotte")
                .count()
                >= 100
        };
        sandbox.wait_until(is_answered, PATIENCE).await.unwrap();
        let expected: Vec<_> = (1..=100).map(|number| format!("pong {number}")).collect();
        assert_eq!(bot.said_by("rocketbotte", "general"), expected);
        bot.reply_to(&last).await;
        let counters = bot.handle.counters();
        assert_eq!((counters.overflowed, counters.undelivered), (0, 0));
    }

    #[tokio::test]
    async fn what_the_program_sends_is_split_and_disturbs_nobody() {
        let sandbox = people()
            .setting("Message_MaxAllowedSize", 300)
            .start()
            .await
            .unwrap();
        let bot = Live::on(&sandbox, bare(commands())).await;
        let text = format!("@here {}", "0123456789\n".repeat(50));
        let receipt = bot.handle.send_message("GENERAL", text).await.unwrap();
        let said = bot.said_by("rocketbotte", "general");
        assert_eq!(said.len(), 2);
        assert!(said[0].starts_with("@\u{200B}here"));
        let last = sandbox.message(receipt.message_id().unwrap().as_str()).unwrap();
        assert_eq!(last.text, said[1]);
    }
}

mod account {
    use super::*;

    #[tokio::test]
    async fn a_wrong_token_is_refused_in_a_sentence_that_does_not_repeat_it() {
        let sandbox = people().start().await.unwrap();
        let id = sandbox.bot("rocketbotte").id().to_owned();
        let bot = Bot::builder(sandbox.url())
            .token(&id, "n0t-the-t0ken")
            .handle_signals(false);
        let error = failure(bot.clone()).await;
        assert_eq!(error.kind(), BotErrorKind::Refused);
        let (text, debug) = (error.to_string(), format!("{error:?} {bot:?}"));
        assert!(text.contains(&id) && text.contains(&sandbox.url()), "{text}");
        assert!(
            !text.contains("n0t-the-t0ken") && !debug.contains("n0t-the-t0ken"),
            "{debug}"
        );
        assert_code(error.exit_code(), 77);
        assert_code(exit_code(bot.build(), commands()).await, 77);
    }

    #[tokio::test]
    async fn a_token_that_is_revoked_while_it_runs_ends_it() {
        let sandbox = people().start().await.unwrap();
        let bot = Live::on(&sandbox, bare(commands())).await;
        sandbox.revoke_token("rocketbotte");
        let error = bot.result().await.unwrap_err();
        assert_eq!(error.kind(), BotErrorKind::Refused, "{error}");
        assert!(error.to_string().contains("token"), "{error}");
    }

    #[tokio::test]
    async fn a_user_and_password_log_in_and_out() {
        let sandbox = people().start().await.unwrap();
        let password = sandbox.bot("rocketbotte").password();
        let by_password = |password: &str| {
            Bot::builder(sandbox.url())
                .password("rocketbotte", password)
                .handle_signals(false)
        };
        let bot = Live::of(&sandbox, by_password(&password), bare(commands())).await;
        assert_eq!(bot.ask("!ping").await, "pong ");
        assert_eq!(sandbox.requests().get("logout"), None);
        bot.shut_down().await;
        assert_eq!(
            (sandbox.requests()["login"], sandbox.requests()["logout"]),
            (1, 1)
        );

        let error = failure(by_password("wr0ng")).await;
        assert_eq!(error.kind(), BotErrorKind::Refused, "{error}");
        let text = error.to_string();
        assert!(
            text.contains("\"rocketbotte\"") && !text.contains("wr0ng"),
            "{text}"
        );
    }

    /// A bot with a password whose server does not answer, and when it was told to stop.
    async fn stopping_without_an_answer(fault: Option<RestFault>) -> (Chat, tokio::time::Instant) {
        let sandbox = people().start_in_memory();
        let password = sandbox.bot("rocketbotte").password();
        let by_password = |bot: BotBuilder| bot.password("rocketbotte", password);
        let chat = Chat::of(&sandbox, "rocketbotte", by_password, bare(commands())).await;
        match fault {
            Some(fault) => sandbox.fail_next("logout", fault),
            None => {
                sandbox.refuse_connections(true);
                sandbox.drop_connections();
            }
        }
        chat.handle.shutdown();
        (chat, tokio::time::Instant::now())
    }

    fn answers() -> [Option<RestFault>; 3] {
        let reset_after = Duration::from_secs(3600);
        [
            None,
            Some(RestFault::Slow(Duration::from_secs(3600))),
            Some(RestFault::TooManyRequests { reset_after }),
        ]
    }

    #[tokio::test(start_paused = true)]
    async fn logging_out_does_not_hold_up_the_end() {
        for fault in answers() {
            let (chat, stopped_at) = stopping_without_an_answer(fault.clone()).await;
            assert!(chat.serving.await.unwrap().unwrap().is_complete());
            let took = stopped_at.elapsed();
            assert!(took.as_secs() <= 10, "{fault:?}: {took:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn logging_out_is_given_up_at_a_second_shutdown() {
        for fault in answers() {
            let (chat, stopped_at) = stopping_without_an_answer(fault.clone()).await;
            support::after(Duration::from_millis(10)).await;
            chat.handle.shutdown();
            assert!(chat.serving.await.unwrap().unwrap().is_complete());
            let took = stopped_at.elapsed();
            assert!(took.as_millis() <= 20, "{fault:?}: {took:?}");
        }
    }

    #[tokio::test]
    async fn one_login_is_enough_and_is_given_back_on_every_way_out() {
        let counts = |sandbox: &Sandbox| {
            let requests = sandbox.requests();
            ["login", "logout"].map(|name| requests.get(name).copied().unwrap_or_default())
        };
        let by_password = |sandbox: &Sandbox| {
            Bot::builder(sandbox.url())
                .password("rocketbotte", sandbox.bot("rocketbotte").password())
                .max_retry_time(Duration::from_millis(20))
                .handle_signals(false)
        };
        // The account can be asked for only later.
        let sandbox = people().start().await.unwrap();
        for _ in 0..3 {
            sandbox.fail_next("me", RestFault::Status(503));
        }
        let bot = Live::of(&sandbox, by_password(&sandbox), bare(commands())).await;
        assert_eq!(counts(&sandbox), [1, 0]);
        bot.shut_down().await;
        assert_eq!(counts(&sandbox), [1, 1]);

        // It is refused, or given up.
        for status in [403, 503] {
            let sandbox = people().start().await.unwrap();
            for _ in 0..3 {
                sandbox.fail_next("me", RestFault::Status(status));
            }
            failure(by_password(&sandbox).max_retry(2)).await;
            assert_eq!(counts(&sandbox), [1, 1], "{status}");
        }

        // It is stopped meanwhile, and at once.
        for (stops, logouts) in [(1, 1), (2, 0)] {
            let sandbox = people().start().await.unwrap();
            sandbox.fail_next("me", RestFault::Slow(PATIENCE));
            let bot = Live::starting(&sandbox, by_password(&sandbox), bare(commands()));
            in_time(async {
                while !sandbox.requests().contains_key("me") {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            })
            .await;
            for _ in 0..stops {
                bot.handle.shutdown();
            }
            bot.result().await.unwrap();
            assert_eq!(counts(&sandbox), [1, logouts]);
        }
    }

    #[tokio::test]
    async fn a_personal_access_token_is_not_logged_out() {
        let sandbox = people().start().await.unwrap();
        Live::on(&sandbox, bare(commands())).await.shut_down().await;
        assert_eq!(sandbox.requests().get("logout"), None);
    }

    #[tokio::test]
    async fn no_secret_is_logged() {
        let (log, _guard) = Log::start(tracing::Level::TRACE);
        let sandbox = people().start().await.unwrap();
        let (password, token) = (
            sandbox.bot("rocketbotte").password(),
            sandbox.bot("rocketbotte").token(),
        );
        let by_password = Bot::builder(sandbox.url())
            .password("rocketbotte", password.as_str())
            .handle_signals(false);
        let mut tokens = Vec::new();
        for bot in [by_password, bot_at(&sandbox, "rocketbotte")] {
            let bot = Live::of(&sandbox, bot, bare(commands())).await;
            tokens.extend(sandbox.bot("rocketbotte").login_tokens());
            bot.ask("!ping").await;
            bot.reconnect().await;
            bot.ask("!boom").await;
            bot.shut_down().await;
        }
        let wrong = Bot::builder(sandbox.url())
            .token("somebody", "wr0ng-t0ken")
            .handle_signals(false);
        failure(wrong).await;
        let log = log.text();
        assert!(log.contains("chat.sendMessage") && log.contains("TRACE"));
        assert!(
            tokens.len() >= 3,
            "the token of the password, and twice the other"
        );
        for secret in tokens
            .iter()
            .chain([&password, &token, &"wr0ng-t0ken".to_owned()])
        {
            assert!(!log.contains(secret.as_str()), "{secret} is in the log");
        }
    }
}

mod configuration {
    use super::*;

    /// A server that answers every request with the same bytes.
    async fn answering(response: &'static str) -> String {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move {
            while let Ok((mut socket, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let mut request = Vec::new();
                    while !request.windows(4).any(|window| window == b"\r\n\r\n") {
                        if socket.read_buf(&mut request).await.unwrap_or(0) == 0 {
                            return;
                        }
                    }
                    let _ = socket.write_all(response.as_bytes()).await;
                });
            }
        });
        url
    }

    #[tokio::test]
    async fn what_is_no_rocket_chat_is_said_to_be_none() {
        for response in [
            "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 22\r\nconnection: close\r\n\r\n<html>It works!</html>",
            "HTTP/1.1 404 Not Found\r\ncontent-type: text/html\r\ncontent-length: 9\r\nconnection: close\r\n\r\nnot found",
            "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
            "HTTP/1.1 301 Moved\r\nlocation: https://elsewhere.example/\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
        ] {
            let url = answering(response).await;
            let bot = Bot::builder(&url).token("id", "s3cret").handle_signals(false);
            let error = failure(bot).await;
            assert_eq!(error.kind(), BotErrorKind::Configuration, "{response}: {error}");
            let text = error.to_string();
            assert!(text.contains(&url), "{response}: {text}");
            assert!(!text.contains('\n') && !text.contains("s3cret"), "{text}");
            if response.contains("elsewhere") {
                assert!(text.contains("https://elsewhere.example"), "{text}");
            }
            assert_code(error.exit_code(), 78);
        }
    }

    #[tokio::test]
    async fn an_address_without_a_scheme_is_corrected() {
        for (url, corrected) in [
            ("chat.example.org", "https://chat.example.org"),
            ("wss://chat.example.org/websocket", "https://chat.example.org"),
        ] {
            let error = failure(Bot::builder(url).token("id", "s3cret")).await;
            assert_eq!(error.kind(), BotErrorKind::Configuration);
            assert!(error.to_string().contains(corrected), "{error}");
            assert_code(error.exit_code(), 78);
        }
    }

    #[tokio::test]
    async fn an_unknown_host_ends_it() {
        let unknown = Connector::from_fn(|_| async {
            Err::<tokio::io::DuplexStream, _>(std::io::Error::other(
                "failed to lookup address information: Name or service not known",
            ))
        });
        let bot = Bot::builder("https://chat.exmaple.org")
            .token("id", "s3cret")
            .connector(unknown)
            .handle_signals(false);
        let error = failure(bot).await;
        assert_eq!(error.kind(), BotErrorKind::Configuration, "{error}");
        assert!(error.to_string().contains("chat.exmaple.org"), "{error}");
    }

    #[tokio::test]
    async fn a_bot_without_an_account_says_so() {
        let error = failure(Bot::builder("https://chat.example.org")).await;
        assert_eq!(error.kind(), BotErrorKind::Configuration);
        assert!(error.to_string().contains("no account"), "{error}");
    }
}

mod exit_codes {
    use super::*;

    /// Serves, and stops as soon as the handler `!hang` runs or, without it, as soon as the bot is ready.
    async fn stopped(sandbox: &Sandbox, asks: bool) -> ExitCode {
        let (started, mut running) = watch::channel(false);
        let router = commands().command("hang", move || {
            let _ = started.send(true);
            std::future::pending::<()>()
        });
        let bot = chat::bot_in(sandbox, "rocketbotte").build().unwrap();
        let handle = bot.handle();
        let serving = tokio::spawn(bot.run(bare(router)));
        let mut state = handle.watch_state();
        state
            .wait_for(|state| *state == ConnectionState::Ready)
            .await
            .unwrap();
        if asks {
            sandbox.user("ann").say("general", "!hang").await;
            running.wait_for(|running| *running).await.unwrap();
        }
        handle.shutdown();
        serving.await.unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn zero_if_nothing_was_cut_off() {
        assert_code(stopped(&people().start_in_memory(), false).await, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn another_if_something_was() {
        assert_code(stopped(&people().start_in_memory(), true).await, 75);
    }
}

mod classifier {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_happens_to_a_message_is_an_event_of_its_own_and_no_command() {
        let kinds = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&kinds);
        let router = commands().listen(
            |_| true,
            move |request: Request| {
                log.lock().unwrap().push(request.kind());
                std::future::ready(())
            },
        );
        let sandbox = people()
            .setting("Message_ShowDeletedStatus", true)
            .channel_with("lab", &["ann", "bob", "rocketbotte"])
            .start_in_memory();
        let chat = Chat::on(&sandbox, bare(router)).await;
        let ann = sandbox.user("ann");
        let happened = async || {
            after_secs(1).await;
            let mut kinds = kinds.lock().unwrap();
            let kinds = std::mem::take(&mut *kinds);
            kinds.into_iter().map(EventKind::name).collect::<Vec<_>>()
        };
        assert_eq!(happened().await, ["ready"]);

        let id = ann.say("lab", "!pin").await;
        assert_eq!(happened().await, ["message"]);
        ann.edit(&id, "!ping").await;
        assert_eq!(happened().await, ["edited"]);
        ann.react(&id, ":+1:").await;
        assert_eq!(happened().await, ["reaction"]);
        ann.unreact(&id, ":+1:").await;
        assert_eq!(happened().await, ["reaction"]);
        let answer = ann.reply("lab", &id, "in the thread").await;
        assert_eq!(happened().await, ["message", "thread_update"]);
        ann.pin(&id).await;
        let after_pin = happened().await;
        assert!(after_pin.contains(&"pinned"), "{after_pin:?}");
        assert!(
            !after_pin.contains(&"message") && !after_pin.contains(&"edited"),
            "{after_pin:?}"
        );
        ann.delete(&answer).await;
        let after_deletion = happened().await;
        assert!(after_deletion.contains(&"deleted"), "{after_deletion:?}");
        assert!(!after_deletion.contains(&"message"), "{after_deletion:?}");
        ann.post(json!({"rid": "lab", "msg": "!ping", "t": "e2e"})).await;
        assert_eq!(happened().await, ["encrypted"]);
        sandbox.user("bob").leave("lab").await;
        assert_eq!(happened().await, ["system"]);

        assert_eq!(chat.said("lab"), [""; 0], "none of it is a command");
    }

    #[tokio::test(start_paused = true)]
    async fn frames_that_come_twice_or_in_disorder_are_answered_once() {
        let chat = Chat::with(bare(commands())).await;
        chat.sandbox.duplicate_frames(true);
        assert_eq!(chat.ask("!ping twice").await, ["pong twice"]);
        chat.sandbox.reorder_frames(true);
        let ann = chat.sandbox.user("ann");
        for number in 0..4 {
            let id = ann.say("general", &format!("!ping {number}")).await;
            ann.react(&id, ":+1:").await;
        }
        chat.sandbox.reorder_frames(false);
        after_secs(1).await;
        let mut said = chat.said("general");
        said.sort();
        assert_eq!(said, ["pong 0", "pong 1", "pong 2", "pong 3", "pong twice"]);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_no_event_harms_nobody() {
        let chat = Chat::with(bare(commands().on_message(route(echo).from_bots()))).await;
        let connections = chat.sandbox.connections();
        for frame in [
            "",
            "{",
            "null",
            "[1, 2]",
            "{\"msg\": 7}",
            "{\"msg\": \"no such thing\"}",
            "{\"msg\": \"changed\"}",
            "{\"msg\": \"changed\", \"collection\": \"stream-room-messages\", \"fields\": {}}",
            "{\"msg\": \"changed\", \"collection\": \"stream-room-messages\", \"fields\": {\"eventName\": \"__my_messages__\", \"args\": [{\"_id\": 7}, 8]}}",
            "{\"msg\": \"result\", \"id\": \"9999\"}",
        ] {
            chat.sandbox.send_raw(frame);
        }
        let replies = chat.ask("!ping").await;
        assert_eq!(replies[..2], ["pong ", "heard !ping"]);
        assert_eq!(
            chat.sandbox.connections(),
            connections,
            "it is the same connection"
        );
    }
}

/// The bot has a thread of its own, so that what it holds is counted, and not what the server holds.
#[test]
fn memory_does_not_grow_with_reconnects() {
    let server = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let sandbox = server.block_on(people().start()).unwrap();
    let bot = bot_at(&sandbox, "rocketbotte").build().unwrap();
    let handle = bot.handle();
    let (reconnects, mut reconnected) = watch::channel(0_u32);
    let caught_up = reconnected.clone();
    let router = commands().on(EventKind::Reconnected, move || {
        reconnects.send_modify(|count| *count += 1);
        std::future::ready(())
    });
    let counting = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let serving = runtime.spawn(bot.serve(bare(router)));
        let mut until = |count: u32| {
            runtime
                .block_on(in_time(reconnected.wait_for(|reconnects| *reconnects >= count)))
                .map(drop)
                .unwrap();
        };
        // What is made once is made by then.
        until(10);
        let grown = allocation_counter::measure(|| until(60));
        runtime.block_on(async {
            handle.shutdown();
            in_time(serving).await.unwrap().unwrap();
        });
        grown
    });
    let mut connected = 0;
    while !counting.is_finished() {
        // Each connection is dropped once it is subscribed and what was missed is there.
        let is_ready = sandbox.subscriptions().len() >= 2 && *caught_up.borrow() >= connected;
        if is_ready {
            sandbox.drop_connections();
            connected += 1;
        }
        server.block_on(async {
            let _ = sandbox.wait_until(|_| false, Duration::from_millis(2)).await;
        });
    }
    assert!(connected >= 60);
    let grown = counting.join().unwrap();
    // Less than one allocation for each reconnect, and less than two connections: one may be on its way.
    assert!(
        grown.count_current < 50 && grown.bytes_current < 256 * 1024,
        "{grown:?}"
    );
}
