//! Accounts: a second factor, tokens that end while the bot runs, what is given back, and several bots in one program.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test ends by them")]

#[path = "support/process.rs"]
mod process;
mod support;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rocketbotte::dispatch::Overflow;
use rocketbotte::event::EventKind;
use rocketbotte::rest::endpoint::Me;
use rocketbotte::rest::{Client, RestErrorKind, TwoFactorRequest};
use rocketbotte::sandbox::{Inbound, RestFault, Sandbox, SandboxBuilder, UserSpec};
use rocketbotte::transport::ConnectionState;
use rocketbotte::{BotBuilder, BotError, BotErrorKind, BoxError, Context, Secret};
use support::chat::{Chat, ask, bot_in, people, pipes, said};
use support::live::{Live, bot_at};
use support::{Log, after, after_secs, echo, settled};

fn by_password(sandbox: &Sandbox, bot: BotBuilder) -> BotBuilder {
    bot.password("rocketbotte", sandbox.bot("rocketbotte").password())
}

async fn bot_on(sandbox: &Sandbox) -> Chat {
    Chat::of(sandbox, "rocketbotte", |bot| by_password(sandbox, bot), echo()).await
}

fn calls(sandbox: &Sandbox, name: &str) -> u64 {
    sandbox.requests().get(name).copied().unwrap_or_default()
}

async fn end(chat: Chat) {
    chat.handle.shutdown();
    assert!(chat.serving.await.unwrap().unwrap().is_complete());
}

/// How many connections logged in.
fn logins_of_connections(sandbox: &Sandbox) -> usize {
    let frames = sandbox.frames_from_clients().into_iter();
    frames
        .filter(
            |inbound| matches!(inbound, Inbound::Frame { text, .. } if text.contains(r#""method":"login""#)),
        )
        .count()
}

mod second_factor {
    use super::*;

    /// Answers with these codes, one after the other, and tells what it was asked.
    fn answering(
        codes: &'static [Result<&'static str, &'static str>],
    ) -> (
        impl Fn(TwoFactorRequest) -> std::future::Ready<Result<&'static str, BoxError>> + Send + Sync + 'static,
        Arc<Mutex<Vec<String>>>,
    ) {
        let asked = Arc::<Mutex<Vec<String>>>::default();
        let tells = Arc::clone(&asked);
        let answer = move |request: TwoFactorRequest| {
            let mut asked = tells.lock().unwrap();
            let code = codes[asked.len().min(codes.len() - 1)];
            asked.push(format!("{} {}", request.method().as_str(), request.attempt()));
            std::future::ready(code.map_err(Into::into))
        };
        (answer, asked)
    }

    fn people(by_email: bool) -> Sandbox {
        let bot = UserSpec::new("rocketbotte")
            .roles(["user", "bot"])
            .password("pw-0");
        let bot = match by_email {
            true => bot.two_factor_by_email("123456"),
            false => bot.two_factor("123456"),
        };
        Sandbox::builder().user("ann").user_with(bot).start_in_memory()
    }

    #[tokio::test(start_paused = true)]
    async fn a_code_is_asked_for_at_the_login() {
        for (by_email, codes, expected) in [
            (false, &[Ok("123456")][..], &["totp 1"][..]),
            (false, &[Ok("0"), Ok(" 123456\n")], &["totp 1", "totp 2"]),
            (
                true,
                &[Ok("0"), Ok("1"), Ok("123456")],
                &["email 1", "email 2", "email 3"],
            ),
        ] {
            let sandbox = people(by_email);
            let (answer, asked) = answering(codes);
            let bot = |bot: BotBuilder| bot.password("rocketbotte", "pw-0").two_factor(answer);
            let chat = Chat::of(&sandbox, "rocketbotte", bot, echo()).await;
            assert_eq!(chat.ask("!echo 1").await, ["1"]);
            assert_eq!(*asked.lock().unwrap(), expected);
            // It is asked once more for the next token.
            sandbox.expire_tokens("rocketbotte");
            assert_eq!(chat.ask("!echo 2").await, ["2"]);
            assert_eq!(asked.lock().unwrap().len(), expected.len() + 1);
            end(chat).await;
            assert_eq!(sandbox.valid_logins("rocketbotte"), 0);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn without_the_right_code_the_bot_ends() {
        for (codes, attempts, logins, sentence) in [
            (None, 0, 1, "set two_factor, or use a personal access token"),
            (
                Some(&[Ok("1"), Ok("2"), Ok("3"), Ok("123456")][..]),
                3,
                4,
                "TOTP Invalid",
            ),
            (Some(&[Err("the app is locked")][..]), 1, 1, "the app is locked"),
        ] {
            let sandbox = people(false);
            let mut bot = bot_in(&sandbox, "rocketbotte").password("rocketbotte", "pw-0");
            let mut asks = None;
            if let Some(codes) = codes {
                let (answer, asked) = answering(codes);
                bot = bot.two_factor(answer);
                asks = Some(asked);
            }
            let error = bot.build().unwrap().serve(echo()).await.unwrap_err();
            let text = error.to_string();
            assert_eq!(error.kind(), BotErrorKind::Refused, "{text}");
            assert!(
                text.contains("\"rocketbotte\"") && text.contains(sentence),
                "{text}"
            );
            assert!(!text.contains("pw-0"), "{text}");
            assert_eq!(asks.map_or(0, |asked| asked.lock().unwrap().len()), attempts);
            assert_eq!(calls(&sandbox, "login"), logins);
        }
    }

    /// Some calls want a code though there is a token.
    #[tokio::test(start_paused = true)]
    async fn a_code_is_asked_for_by_other_calls() {
        for (codes, is_made, asks) in [
            (&[Ok("123456"), Ok("0"), Ok("123456")][..], true, 3),
            (&[Ok("123456"), Ok("0"), Ok("1"), Ok("2")], false, 4),
            (&[Ok("123456"), Err("nobody is there")], false, 2),
        ] {
            let ann = UserSpec::new("ann").password("pw-0").two_factor("123456");
            let sandbox = Sandbox::builder().user_with(ann).start_in_memory();
            let (answer, asked) = answering(codes);
            let client = Client::builder(sandbox.url().parse().unwrap(), pipes(&sandbox)).two_factor(answer);
            let client = client.build().login("ann", &Secret::new("pw-0")).await.unwrap();
            let body = serde_json::json!({"tokenName": "x"});
            let call = client.call_raw(
                http::Method::POST,
                "users.generatePersonalAccessToken",
                &[],
                Some(&body),
            );
            match call.await {
                Ok(made) => assert!(is_made && made["token"].is_string()),
                Err(error) => {
                    assert!(!is_made, "{error}");
                    assert_eq!(error.kind(), &RestErrorKind::TwoFactorRequired);
                }
            }
            assert_eq!(asked.lock().unwrap().len(), asks);
        }
    }
}

mod renewal {
    use super::*;

    /// REST finds out first, or the connection does.
    #[tokio::test(start_paused = true)]
    async fn a_token_that_ends_is_replaced() {
        for is_revoked in [false, true] {
            let sandbox = people().start_in_memory();
            let chat = bot_on(&sandbox).await;
            assert_eq!(chat.ask("!echo 1").await, ["1"]);
            for round in 2..5 {
                match is_revoked {
                    true => sandbox.revoke_token("rocketbotte"),
                    false => sandbox.expire_tokens("rocketbotte"),
                }
                ask(&sandbox, "general", round).await;
                // What is refused again soon is renewed a little later each time.
                after_secs(30).await;
            }
            assert_eq!(said(&sandbox, "general"), [1, 2, 3, 4], "{is_revoked}");
            assert_eq!(calls(&sandbox, "login"), 4, "{is_revoked}");
            assert_eq!(chat.handle.state(), ConnectionState::Ready);
            assert_eq!(sandbox.valid_logins("rocketbotte"), 1);
            assert!(
                logins_of_connections(&sandbox) >= 4,
                "the connection too has the new one"
            );
            end(chat).await;
            assert_eq!(sandbox.valid_logins("rocketbotte"), 0);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn no_message_is_lost_or_said_twice_meanwhile() {
        for round in 0..8_u64 {
            let sandbox = people().channel("one").channel("two").start_in_memory();
            sandbox.slow_rest(Duration::from_millis(round));
            let chat = bot_on(&sandbox).await;
            let rooms = ["general", "one", "two"];
            for n in 0..30 {
                ask(&sandbox, rooms[n % 3], n).await;
                if n as u64 % 11 == round % 11 {
                    match n % 2 {
                        0 => sandbox.expire_tokens("rocketbotte"),
                        _ => sandbox.revoke_token("rocketbotte"),
                    }
                }
                after(Duration::from_millis(round * 7 % 50)).await;
            }
            after_secs(120).await;
            for (at, room) in rooms.iter().enumerate() {
                let expected: Vec<usize> = (0..30).filter(|n| n % 3 == at).collect();
                assert_eq!(said(&sandbox, room), expected, "round {round}, {room}");
            }
            let logins = calls(&sandbox, "login");
            assert!((2..=4).contains(&logins), "round {round}: {logins}");
            end(chat).await;
            assert_eq!(sandbox.valid_logins("rocketbotte"), 0, "round {round}");
        }
    }

    /// The answer to a message is lost, and with it the token: the next attempt has the same id.
    #[tokio::test(start_paused = true)]
    async fn ids_stay_the_same() {
        let sandbox = people().start_in_memory();
        let chat = bot_on(&sandbox).await;
        sandbox.fail_next("chat.sendMessage", RestFault::LoseReply);
        ask(&sandbox, "general", 1).await;
        sandbox
            .wait_until(|sandbox| said(sandbox, "general") == [1], Duration::from_secs(5))
            .await
            .unwrap();
        sandbox.expire_tokens("rocketbotte");
        after_secs(60).await;
        assert!(calls(&sandbox, "chat.sendMessage") >= 2);
        assert_eq!(calls(&sandbox, "login"), 2);
        assert_eq!(said(&sandbox, "general"), [1]);
        end(chat).await;
    }

    /// Before it ends: nothing is refused.
    #[tokio::test(start_paused = true)]
    async fn a_token_is_renewed_before_it_expires() {
        let hour = Duration::from_secs(3600);
        for clock in [0, -86_400_000, 86_400_000] {
            let sandbox = people()
                .login_expiration(hour)
                .clock_offset(clock)
                .start_in_memory();
            let chat = bot_on(&sandbox).await;
            for n in 0..50 {
                ask(&sandbox, "general", n).await;
                after_secs(300).await;
            }
            let expected: Vec<usize> = (0..50).collect();
            assert_eq!(said(&sandbox, "general"), expected);
            // 250 minutes, a new one after 54 each time.
            assert_eq!(calls(&sandbox, "login"), 5, "{clock}");
            assert_eq!(
                calls(&sandbox, "chat.sendMessage"),
                50,
                "none was refused: {clock}"
            );
            assert_eq!(
                sandbox.valid_logins("rocketbotte"),
                1,
                "those before are given back"
            );
            end(chat).await;
            assert_eq!(sandbox.valid_logins("rocketbotte"), 0);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_without_logins_is_waited_for() {
        let reset_after = Duration::from_secs(40);
        for (fault, times, least) in [
            (RestFault::Status(503), 4, 1),
            (RestFault::Html, 3, 1),
            (RestFault::TooManyRequests { reset_after }, 1, 40),
            (
                RestFault::Body(
                    401,
                    r#"{"status":"error","error":"error-login-blocked-for-user","message":"blocked"}"#
                        .to_owned(),
                ),
                1,
                60,
            ),
        ] {
            let sandbox = people().start_in_memory();
            let chat = bot_on(&sandbox).await;
            after_secs(600).await;
            sandbox.fail_next_calls("login", times, fault.clone());
            sandbox.expire_tokens("rocketbotte");
            let began = tokio::time::Instant::now();
            ask(&sandbox, "general", 7).await;
            while said(&sandbox, "general").is_empty() {
                after_secs(1).await;
                assert!(began.elapsed() < Duration::from_secs(300), "{fault:?}");
            }
            assert!(
                began.elapsed().as_secs() >= least,
                "{fault:?}: {:?}",
                began.elapsed()
            );
            assert_eq!(calls(&sandbox, "login"), 2 + times as u64, "{fault:?}");
            assert_eq!(said(&sandbox, "general"), [7], "{fault:?}");
            end(chat).await;
        }
    }

    async fn failure(chat: Chat) -> BotError {
        let ended = tokio::time::timeout(Duration::from_secs(300), chat.serving).await;
        ended.expect("it ends").unwrap().unwrap_err()
    }

    #[tokio::test(start_paused = true)]
    async fn another_password_ends_it() {
        for is_revoked in [true, false] {
            let sandbox = people().start_in_memory();
            let (password, chat) = (sandbox.bot("rocketbotte").password(), bot_on(&sandbox).await);
            sandbox.set_password("rocketbotte", "an0ther");
            match is_revoked {
                true => sandbox.revoke_token("rocketbotte"),
                false => {
                    sandbox.expire_tokens("rocketbotte");
                    ask(&sandbox, "general", 1).await;
                }
            }
            let error = failure(chat).await;
            let text = error.to_string();
            assert_eq!(error.kind(), BotErrorKind::Refused, "{text}");
            assert!(
                text.contains("\"rocketbotte\"") && text.contains("check name and password"),
                "{text}"
            );
            assert!(!text.contains(&password), "{text}");
            assert_eq!(calls(&sandbox, "login"), 2);
        }
    }

    /// Somebody logs the account out again and again.
    #[tokio::test(start_paused = true)]
    async fn tokens_that_are_taken_back_at_once_end_it() {
        let sandbox = people().start_in_memory();
        let chat = bot_on(&sandbox).await;
        let began = tokio::time::Instant::now();
        let takes = sandbox.clone();
        let taking = tokio::spawn(async move {
            loop {
                takes.revoke_token("rocketbotte");
                settled().await;
            }
        });
        let error = failure(chat).await;
        taking.abort();
        assert_eq!(error.kind(), BotErrorKind::Refused, "{error}");
        assert!(error.to_string().contains("takes back each token"), "{error}");
        assert_eq!(calls(&sandbox, "login"), 6);
        assert!(began.elapsed().as_secs() >= 5, "{:?}", began.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_of_ones_own_does_so_too() {
        let sandbox = people().start_in_memory();
        let anonymous = Client::builder(sandbox.url().parse().unwrap(), pipes(&sandbox)).build();
        let password = Secret::new(sandbox.user("ann").password());
        let client = anonymous.login("ann", &password).await.unwrap();
        let before = client.credentials().unwrap();
        sandbox.expire_tokens("ann");
        let all = (0..20).map(|_| async { client.call(&Me {}).await.unwrap().username });
        assert_eq!(futures_util::future::join_all(all).await, ["ann"; 20]);
        assert_eq!(calls(&sandbox, "login"), 2, "one login for all");
        let after = client.credentials().unwrap();
        assert_eq!(before.user_id(), after.user_id());
        assert_ne!(before.token(), after.token());
        client.logout().await.unwrap();
        let error = client.call(&Me {}).await.unwrap_err();
        assert_eq!(error.kind(), &RestErrorKind::Unauthorized);
        assert_eq!(calls(&sandbox, "login"), 2, "who is logged out stays so");
        assert_eq!(sandbox.valid_logins("ann"), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn no_secret_is_logged() {
        let (log, _guard) = Log::start(tracing::Level::TRACE);
        let bot = UserSpec::new("rocketbotte")
            .roles(["user", "bot"])
            .password("pw-hunter2");
        let sandbox = Sandbox::builder()
            .user("ann")
            .user_with(bot.two_factor("918273"))
            .start_in_memory();
        let configure = |bot: BotBuilder| {
            let bot = bot.password("rocketbotte", "pw-hunter2");
            bot.two_factor(async |_| Ok::<_, BoxError>("918273"))
        };
        let chat = Chat::of(&sandbox, "rocketbotte", configure, echo()).await;
        let tokens = Arc::<Mutex<Vec<String>>>::default();
        let keeps = Arc::clone(&tokens);
        chat.handle
            .add_listener(EventKind::Message, move |context: Context| {
                let credentials = context.client().and_then(|client| client.credentials());
                let token = credentials.map(|credentials| credentials.token().expose().to_owned());
                keeps.lock().unwrap().extend(token);
                std::future::ready(())
            });
        for n in 1..3 {
            sandbox.expire_tokens("rocketbotte");
            ask(&sandbox, "general", n).await;
            after_secs(30).await;
        }
        assert_eq!(said(&sandbox, "general"), [1, 2]);
        let tokens = tokens.lock().unwrap().clone();
        assert_eq!(tokens.len(), 2);
        end(chat).await;
        let log = log.text();
        assert!(log.contains("the account has a new login token") && log.contains("TRACE"));
        for secret in tokens.iter().map(String::as_str).chain(["pw-hunter2", "918273"]) {
            assert!(!log.contains(secret), "{secret} is in the log");
        }
    }
}

mod given_back {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn when_the_service_fails() {
        let sandbox = people().start_in_memory();
        let dead = Arc::new(AtomicBool::new(false));
        let dies = Arc::clone(&dead);
        let service = tower::util::MapErr::new(echo(), |error: BoxError| error);
        let service = support_dead::Dying { inner: service, dies };
        let chat = Chat::of(&sandbox, "rocketbotte", |bot| by_password(&sandbox, bot), service).await;
        dead.store(true, Ordering::Relaxed);
        ask(&sandbox, "general", 1).await;
        let error = chat.serving.await.unwrap().unwrap_err();
        assert_eq!(error.kind(), BotErrorKind::Service);
        assert_eq!(sandbox.valid_logins("rocketbotte"), 0);
    }

    mod support_dead {
        use std::sync::Arc;
        use std::sync::atomic::{AtomicBool, Ordering};
        use std::task::{Context, Poll};

        use rocketbotte::{BoxError, Request, Response};
        use tower::Service;

        /// A stack that takes no more requests from some time on.
        pub(super) struct Dying<S> {
            pub(super) inner: S,
            pub(super) dies: Arc<AtomicBool>,
        }

        impl<S> Service<Request> for Dying<S>
        where
            S: Service<Request, Response = Response, Error = BoxError>,
        {
            type Response = Response;
            type Error = BoxError;
            type Future = S::Future;

            fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
                match self.dies.load(Ordering::Relaxed) {
                    true => Poll::Ready(Err("dead".into())),
                    false => self.inner.poll_ready(cx),
                }
            }

            fn call(&mut self, request: Request) -> S::Future {
                self.inner.call(request)
            }
        }
    }

    /// Whoever runs the bot drops it.
    #[tokio::test(start_paused = true)]
    async fn when_the_bot_is_dropped() {
        let sandbox = people().start_in_memory();
        let chat = bot_on(&sandbox).await;
        sandbox.expire_tokens("rocketbotte");
        assert_eq!(chat.ask("!echo 1").await, ["1"]);
        assert_eq!(sandbox.valid_logins("rocketbotte"), 1);
        chat.serving.abort();
        after_secs(3).await;
        assert_eq!(sandbox.valid_logins("rocketbotte"), 0);
    }

    /// A login is under way when the bot is stopped: its token too.
    #[tokio::test(start_paused = true)]
    async fn when_it_comes_too_late() {
        let sandbox = people().start_in_memory();
        let chat = bot_on(&sandbox).await;
        sandbox.fail_next("login", RestFault::Slow(Duration::from_millis(500)));
        sandbox.revoke_token("rocketbotte");
        after(Duration::from_millis(200)).await;
        assert_eq!(calls(&sandbox, "login"), 2);
        chat.handle.shutdown();
        chat.serving.await.unwrap().unwrap();
        assert_eq!(sandbox.valid_logins("rocketbotte"), 0);
    }
}

#[cfg(feature = "journal")]
mod several_bots {
    use super::*;
    use rocketbotte::journal::DiskJournal;

    fn people() -> SandboxBuilder {
        Sandbox::builder().user("ann").bot("rocketbotte").bot("other")
    }

    fn journal_of(folder: &process::Folder, name: &str) -> DiskJournal {
        DiskJournal::open(folder.path(name)).unwrap()
    }

    /// On one runtime, with a connector and an account each, and a journal each.
    #[tokio::test]
    async fn the_end_of_one_harms_no_other() {
        for is_refused in [false, true] {
            let (sandbox, folder) = (people().start().await.unwrap(), process::Folder::new());
            let bot = |name: &str| bot_at(&sandbox, name).journal(journal_of(&folder, name));
            let one = Live::of(&sandbox, bot("rocketbotte"), echo()).await;
            let other = Live::of(
                &sandbox,
                bot("other").lane_capacity(4, Overflow::DropOldest),
                echo(),
            )
            .await;
            let both_say = async |text: &str| {
                sandbox.user("ann").say("general", &format!("!echo {text}")).await;
                for bot in [&one, &other] {
                    let name = if std::ptr::eq(bot, &one) {
                        "rocketbotte"
                    } else {
                        "other"
                    };
                    let said = sandbox
                        .wait_until(
                            |sandbox| {
                                let said = sandbox.messages("general");
                                said.iter()
                                    .any(|message| message.username == name && message.text == text)
                            },
                            support::live::PATIENCE,
                        )
                        .await;
                    said.unwrap();
                }
            };
            both_say("a").await;
            both_say("b").await;
            match is_refused {
                true => {
                    sandbox.revoke_token("rocketbotte");
                    assert_eq!(one.result().await.unwrap_err().kind(), BotErrorKind::Refused);
                }
                false => assert!(one.shut_down().await.is_complete()),
            }
            assert_eq!(other.handle.state(), ConnectionState::Ready);
            let asked = sandbox.user("ann").say("general", "!echo c").await;
            assert_eq!(other.reply_to(&asked).await.text, "c");
            other.reconnect().await;
            other.shut_down().await;
            // Each answered once, and none the other.
            let said = |name: &str| {
                let messages = sandbox.messages("general").into_iter();
                let of = messages.filter(|message| message.username == name);
                of.map(|message| message.text).collect::<Vec<_>>()
            };
            assert_eq!(said("rocketbotte"), ["a", "b"]);
            assert_eq!(said("other"), ["a", "b", "c"]);
            // The files are free again, also that of the one that was refused.
            for name in ["rocketbotte", "other"] {
                drop(journal_of(&folder, name));
            }
        }
    }

    /// One connector, and so one TLS configuration, for both.
    #[tokio::test]
    async fn they_may_share_a_connector() {
        let (tls, ca_pem) = support::live::authority_of_ones_own();
        let sandbox = people().tls(tls).start().await.unwrap();
        let settings = rocketbotte::transport::TlsSettings::new().ca_pem(ca_pem).unwrap();
        let connector = rocketbotte::transport::Connector::tcp(&settings).unwrap();
        let mut bots = Vec::new();
        for name in ["rocketbotte", "other"] {
            let bot = bot_at(&sandbox, name).connector(connector.clone());
            bots.push(Live::of(&sandbox, bot, echo()).await);
        }
        for bot in bots {
            assert!(!bot.ask("!echo 1").await.is_empty());
            bot.shut_down().await;
        }
    }
}
