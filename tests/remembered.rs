//! What a journal is for besides catching up: what runs at most once, and what could not be sent.
#![cfg(all(feature = "client", feature = "sandbox", feature = "test-util"))]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test ends by them")]

mod support;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use futures_util::future::BoxFuture;
use rocketbotte::command::CommandLayer;
use rocketbotte::dispatch::{DeadLetter, ServeError};
use rocketbotte::event::Event;
use rocketbotte::handler::route;
use rocketbotte::journal::{Change, Journal, JournalError, JournalErrorKind, MemoryJournal};
use rocketbotte::response::{Action, Send};
use rocketbotte::sandbox::{RestFault, Sandbox};
use rocketbotte::testing::events;
use rocketbotte::{Identity, Request, Response, Router};
use support::chat::{Chat, people};
use support::{Recorder, after_secs, drive_with, settled};
use tower::Layer;

/// Which commands ran.
type Runs = Arc<Mutex<Vec<&'static str>>>;

fn ran(runs: &Runs, name: &'static str) -> impl Fn() -> std::future::Ready<&'static str> + Clone + use<> {
    let runs = Arc::clone(runs);
    move || {
        runs.lock().unwrap().push(name);
        std::future::ready(name)
    }
}

fn app(
    runs: &Runs,
) -> impl tower::Service<
    Request,
    Response = Response,
    Error: Into<rocketbotte::BoxError>,
    Future: std::marker::Send,
> + std::marker::Send
+ use<> {
    CommandLayer::new("!").layer(
        Router::new()
            .command("once", route(ran(runs, "once")).at_most_once())
            .command("again", route(ran(runs, "again")).at_least_once())
            .command("default", ran(runs, "default")),
    )
}

#[tokio::test(start_paused = true)]
async fn what_runs_at_most_once_does_not_begin_again() {
    let (runs, journal) = (Runs::default(), MemoryJournal::new());
    let commands = ["!once", "!again", "!default"].map(events::message);
    for (is_default, expected) in [
        (false, vec!["once", "again", "default", "again", "default"]),
        (true, vec!["again", "default", "again"]),
        (true, vec!["again", "again"]),
    ] {
        let bot = drive_with(
            Recorder::new(),
            |serve| serve.journal(journal.clone()).at_most_once(is_default),
            app(&runs),
        );
        // Each comes twice, as after a crash.
        for command in commands.iter().chain(&commands) {
            bot.deliver(command.clone());
        }
        settled().await;
        assert!(bot.end().await.is_complete());
        assert_eq!(std::mem::take(&mut *runs.lock().unwrap()), expected);
    }
    // Another message is another event, and without a journal the process remembers.
    let bot = drive_with(Recorder::new(), |serve| serve, app(&runs));
    bot.say("!once");
    for _ in 0..2 {
        bot.deliver(commands[0].clone());
    }
    bot.end().await;
    assert_eq!(*runs.lock().unwrap(), ["once", "once"]);
}

/// A journal that keeps something only when it is told to.
#[derive(Clone, Default)]
struct Slow {
    journal: MemoryJournal,
    is_open: Arc<tokio::sync::Notify>,
    is_broken: Arc<AtomicBool>,
}

impl Journal for Slow {
    fn load(&self) -> Result<Vec<(Vec<u8>, Vec<u8>)>, JournalError> {
        self.journal.load()
    }

    fn write(&self, changes: Vec<Change>) {
        self.journal.write(changes);
    }

    fn flush(&self) -> BoxFuture<'static, Result<(), JournalError>> {
        let (open, is_broken) = (Arc::clone(&self.is_open), Arc::clone(&self.is_broken));
        Box::pin(async move {
            if is_broken.load(Ordering::Relaxed) {
                return Err(JournalError::new(JournalErrorKind::Io, "no space left"));
            }
            open.notified().await;
            Ok(())
        })
    }
}

#[tokio::test(start_paused = true)]
async fn that_it_begins_is_kept_before_it_begins() {
    let (runs, journal) = (Runs::default(), Slow::default());
    let bot = drive_with(
        Recorder::new(),
        |serve| serve.journal(journal.clone()),
        app(&runs),
    );
    bot.say("!once");
    after_secs(1).await;
    assert!(runs.lock().unwrap().is_empty());
    let kept = journal.load().unwrap();
    assert!(
        kept.iter().any(|(_, value)| value.ends_with(b"\nonce")),
        "{kept:?}"
    );
    journal.is_open.notify_one();
    after_secs(1).await;
    assert_eq!(*runs.lock().unwrap(), ["once"]);
    // Where that can not be kept it does not begin: after a crash it would begin again. The others do.
    journal.is_broken.store(true, Ordering::Relaxed);
    let again = events::message("!once");
    bot.deliver(again.clone());
    bot.say("!again");
    after_secs(1).await;
    assert_eq!(*runs.lock().unwrap(), ["once", "again"]);
    // There is room again, and it has not begun.
    journal.is_broken.store(false, Ordering::Relaxed);
    journal.is_open.notify_one();
    bot.deliver(again);
    after_secs(1).await;
    assert_eq!(*runs.lock().unwrap(), ["once", "again", "once"]);
    journal.is_broken.store(true, Ordering::Relaxed);
    bot.end().await;
}

fn echo()
-> impl tower::Service<Request, Response = Response, Error: Into<rocketbotte::BoxError>, Future: std::marker::Send>
+ std::marker::Send {
    let router = Router::new()
        .command("hi", || async { "hello" })
        .command("two", || async {
            Response::empty().and(Send::text("one")).and(Send::text("two"))
        });
    CommandLayer::new("!").layer(router)
}

type Letters = Arc<Mutex<Vec<DeadLetter>>>;

async fn bot_with(sandbox: &Sandbox, journal: &MemoryJournal) -> (Chat, Letters) {
    let letters = Letters::default();
    let told = Arc::clone(&letters);
    let configure = |bot: rocketbotte::BotBuilder| {
        bot.journal(journal.clone())
            .on_dead_letter(move |letter| told.lock().unwrap().push(letter))
    };
    (Chat::of(sandbox, "rocketbotte", configure, echo()).await, letters)
}

async fn stop(chat: Chat) {
    chat.handle.shutdown();
    chat.serving.await.unwrap().unwrap();
}

/// What the bot said in `#general`, without quotes.
fn said(chat: &Chat) -> Vec<String> {
    let texts = chat.said("general").into_iter();
    texts
        .map(|text| match text.strip_prefix("[ ](") {
            Some(quoting) => quoting.split_once(") ").unwrap().1.to_owned(),
            None => text,
        })
        .collect()
}

fn fail(sandbox: &Sandbox, status: u16) {
    for _ in 0..10_000 {
        sandbox.fail_next("chat.sendMessage", RestFault::Status(status));
    }
}

#[tokio::test(start_paused = true)]
async fn what_the_server_does_not_take_is_sent_when_it_does() {
    let (sandbox, journal) = (people().start_in_memory(), MemoryJournal::new());
    let (chat, letters) = bot_with(&sandbox, &journal).await;
    fail(&sandbox, 503);
    assert!(chat.ask("!two").await.is_empty());
    after_secs(1500).await;
    // It is not given up: it is kept.
    let counters = chat.handle.counters();
    assert_eq!((counters.delivered, counters.undelivered), (0, 0));
    assert_eq!(chat.handle.health().kept_actions, 2);
    // Another process, in which the server is still away.
    stop(chat).await;
    let (chat, more_letters) = bot_with(&sandbox, &journal).await;
    after_secs(1500).await;
    assert!(chat.said("general").is_empty());
    sandbox.clear_faults();
    sandbox.drop_connections();
    after_secs(60).await;
    assert_eq!(said(&chat), ["one", "two"]);
    // And it is done with that.
    stop(chat).await;
    let (chat, _) = bot_with(&sandbox, &journal).await;
    after_secs(60).await;
    assert_eq!(said(&chat), ["one", "two"]);
    assert!(letters.lock().unwrap().is_empty() && more_letters.lock().unwrap().is_empty());
    stop(chat).await;
}

#[tokio::test(start_paused = true)]
async fn what_was_said_later_comes_later() {
    let (sandbox, journal) = (people().start_in_memory(), MemoryJournal::new());
    let (chat, _) = bot_with(&sandbox, &journal).await;
    fail(&sandbox, 503);
    assert!(chat.ask("!two").await.is_empty());
    after_secs(1500).await;
    sandbox.clear_faults();
    // The next reply takes the others along, and goes behind them.
    chat.ask("!hi").await;
    after_secs(60).await;
    assert_eq!(said(&chat), ["one", "two", "hello"]);
    stop(chat).await;
}

#[tokio::test(start_paused = true)]
async fn what_the_server_refuses_is_told_and_not_repeated() {
    let (sandbox, journal) = (people().start_in_memory(), MemoryJournal::new());
    let (chat, letters) = bot_with(&sandbox, &journal).await;
    fail(&sandbox, 503);
    let asked = sandbox.user("ann").say("general", "!hi").await;
    after_secs(1500).await;
    // Meanwhile the room became read only.
    sandbox.clear_faults();
    fail(&sandbox, 403);
    sandbox.drop_connections();
    after_secs(60).await;
    {
        let letters = letters.lock().unwrap();
        let [letter] = &**letters else {
            panic!("{letters:?}")
        };
        assert_eq!(
            (letter.event_key.as_str(), letter.error.is_transient()),
            (&*asked, false)
        );
        assert_eq!(letter.route.as_ref().unwrap().as_str(), "hi");
        assert!(matches!(&letter.action, Some(Action::Send(send)) if send.content().ends_with("hello")));
    }
    sandbox.clear_faults();
    sandbox.drop_connections();
    after_secs(60).await;
    assert!(chat.said("general").is_empty());
    assert_eq!(letters.lock().unwrap().len(), 1);
    stop(chat).await;
}

#[tokio::test]
async fn a_journal_that_can_not_be_read_is_an_error() {
    struct Broken;

    impl Journal for Broken {
        fn load(&self) -> Result<Vec<(Vec<u8>, Vec<u8>)>, JournalError> {
            Err(JournalError::new(JournalErrorKind::Damaged, "it is torn"))
        }

        fn write(&self, _: Vec<Change>) {}

        fn flush(&self) -> BoxFuture<'static, Result<(), JournalError>> {
            Box::pin(std::future::ready(Ok(())))
        }
    }

    let source = rocketbotte::transport::from_stream(futures_util::stream::empty::<Event>());
    let serve = rocketbotte::dispatch::Serve::new(source, Recorder::new()).journal(Broken);
    let error = serve.run(app(&Runs::default())).await.unwrap_err();
    let ServeError::Journal(error) = error else {
        panic!("{error}")
    };
    assert_eq!(error.kind(), JournalErrorKind::Damaged);
}

#[tokio::test]
async fn a_journal_belongs_to_an_account_whenever_that_is_said() {
    let journal = MemoryJournal::new();
    for (id, is_refused) in [("uA", false), ("uB", true), ("uA", false)] {
        let source = rocketbotte::transport::from_stream(futures_util::stream::empty::<Event>());
        let serve = rocketbotte::dispatch::Serve::new(source, Recorder::new())
            .journal(journal.clone())
            .identity(Identity::new(id, "rocketbotte"));
        let served = serve.run(app(&Runs::default())).await;
        assert_eq!(matches!(served, Err(ServeError::Journal(_))), is_refused);
    }
}
