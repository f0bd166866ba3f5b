//! A bot that ends and starts again with its journal: what was said meanwhile is answered, and nothing twice.
#![cfg(all(unix, feature = "client", feature = "sandbox"))]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test ends by them")]

#[path = "support/process.rs"]
mod process;

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use process::{Folder, Other, say, text};
use rocketbotte::command::CommandLayer;
use rocketbotte::dispatch::{BotHandle, DeadLetterError, ShutdownReport};
use rocketbotte::event::{Event, EventKind};
use rocketbotte::extract::Args;
use rocketbotte::journal::{DiskJournal, MemoryJournal};
use rocketbotte::sandbox::{RestFault, Sandbox, SandboxBuilder};
use rocketbotte::transport::ConnectionState;
use rocketbotte::{Bot, BotBuilder, BotError, BotErrorKind, Request, Router};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tower::ServiceBuilder;

const PATIENCE: Duration = Duration::from_secs(60);

fn people() -> SandboxBuilder {
    Sandbox::builder()
        .user("ann")
        .user("bob")
        .bot("rocketbotte")
        .bot("other")
        .channel("dev")
        .group_with("ops", &["ann", "rocketbotte"])
}

fn said(sandbox: &Sandbox, room: &str) -> Vec<String> {
    said_in(sandbox, room, None)
}

fn said_in(sandbox: &Sandbox, room: &str, thread: Option<&str>) -> Vec<String> {
    sandbox
        .messages(room)
        .into_iter()
        .filter(|message| message.username == "rocketbotte" && message.thread_id.as_deref() == thread)
        .map(|message| message.text)
        .collect()
}

fn numbers(range: std::ops::Range<usize>) -> Vec<String> {
    range.map(|n| n.to_string()).collect()
}

async fn until(sandbox: &Sandbox, what: impl Fn(&Sandbox) -> bool) {
    sandbox.wait_until(what, PATIENCE).await.expect("in time");
}

fn bot_at(url: &str, user_id: &str, token: &str) -> BotBuilder {
    Bot::builder(url)
        .token(user_id, token)
        .handle_signals(false)
        .max_retry_time(Duration::from_millis(50))
}

fn settings(sandbox: &Sandbox) -> BotBuilder {
    let account = sandbox.bot("rocketbotte");
    bot_at(&sandbox.url(), account.id(), &account.token())
}

/// A bot that repeats what it is told.
struct Echo {
    handle: BotHandle,
    serving: JoinHandle<Result<ShutdownReport, BotError>>,
    /// What its handler was told, and the events that are no messages.
    heard: Arc<Mutex<Vec<String>>>,
}

impl Echo {
    async fn on(sandbox: &Sandbox, journal: &MemoryJournal) -> Self {
        let bot = Self::starting(sandbox, journal, |bot| bot, None);
        bot.ready().await;
        bot
    }

    fn starting(
        sandbox: &Sandbox,
        journal: &MemoryJournal,
        configure: impl FnOnce(BotBuilder) -> BotBuilder,
        gate: Option<Arc<Notify>>,
    ) -> Self {
        Self::serving(configure(settings(sandbox).journal(journal.clone())), gate)
    }

    fn serving(settings: BotBuilder, gate: Option<Arc<Notify>>) -> Self {
        let bot = settings.build().unwrap();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let (log, events) = (Arc::clone(&heard), Arc::clone(&heard));
        let echo = move |Args(text): Args<String>| {
            log.lock().unwrap().push(text.clone());
            let gate = gate.clone();
            async move {
                if let Some(gate) = gate {
                    gate.notified().await;
                }
                text
            }
        };
        let other = move |request: Request| {
            if !matches!(request.event(), Event::Message(_)) {
                let what = match request.event() {
                    Event::Reconnected(back) => format!("reconnected, {} skipped", back.skipped()),
                    event => event.kind().name().to_owned(),
                };
                events.lock().unwrap().push(what);
            }
            std::future::ready(())
        };
        let router = Router::new()
            .command("echo", echo)
            .on_ready(other.clone())
            .listen(|request: &Request| request.kind() != EventKind::Ready, other);
        let app = ServiceBuilder::new()
            .layer(CommandLayer::new("!"))
            .service(router);
        Self {
            handle: bot.handle(),
            serving: tokio::spawn(bot.serve(app)),
            heard,
        }
    }

    async fn ready(&self) {
        let mut state = self.handle.watch_state();
        let ready = state.wait_for(|state| *state == ConnectionState::Ready);
        tokio::time::timeout(PATIENCE, ready)
            .await
            .expect("in time")
            .unwrap();
    }

    fn heard(&self) -> Vec<String> {
        self.heard.lock().unwrap().clone()
    }

    async fn stop(self) -> ShutdownReport {
        self.handle.shutdown();
        tokio::time::timeout(PATIENCE, self.serving)
            .await
            .expect("in time")
            .unwrap()
            .unwrap()
    }
}

async fn ask(sandbox: &Sandbox, room: &str, text: impl std::fmt::Display) -> String {
    sandbox.user("ann").say(room, &format!("!echo {text}")).await
}

#[tokio::test]
async fn what_was_said_between_two_starts_is_answered_once_and_in_order() {
    let sandbox = people().start().await.unwrap();
    let ann = sandbox.user("ann");
    let direct = ann.direct(&["rocketbotte"]).await;
    let root = ann.say("general", "a thread").await;
    let journal = MemoryJournal::new();
    ask(&sandbox, "general", "before the first start").await;
    let mut n = 0;
    for _ in 0..3 {
        let bot = Echo::on(&sandbox, &journal).await;
        let first = n;
        for room in ["general", "dev", "ops", &direct] {
            ask(&sandbox, room, n).await;
        }
        ann.reply("general", &root, &format!("!echo {n}")).await;
        n += 1;
        for room in ["general", "dev", "ops", &direct] {
            until(&sandbox, |sandbox| said(sandbox, room).len() == n).await;
        }
        until(&sandbox, |sandbox| {
            said_in(sandbox, "general", Some(&root)).len() == n
        })
        .await;
        let heard = bot.heard();
        assert!(bot.stop().await.is_complete());
        // What the process before answered is not heard again, and "ready" comes before what was said meanwhile.
        let commands = heard.iter().filter(|heard| heard.parse::<usize>().is_ok());
        assert!(
            commands.clone().all(|n| n.parse::<usize>().unwrap() + 4 > first),
            "{heard:?}"
        );
        assert_eq!(commands.count(), if first == 0 { 5 } else { 20 }, "{heard:?}");
        assert_eq!(heard[0], "ready");
        assert_eq!(
            heard.contains(&"reconnected, 0 skipped".to_owned()),
            first > 0,
            "{heard:?}"
        );
        for _ in 0..3 {
            for room in ["general", "dev", "ops", &direct] {
                ask(&sandbox, room, n).await;
            }
            ann.reply("general", &root, &format!("!echo {n}")).await;
            n += 1;
        }
    }
    let bot = Echo::on(&sandbox, &journal).await;
    for room in ["general", "dev", "ops", &direct] {
        until(&sandbox, |sandbox| said(sandbox, room).len() >= n).await;
    }
    bot.stop().await;
    for room in ["general", "dev", "ops", &direct] {
        assert_eq!(said(&sandbox, room), numbers(0..n), "{room}");
    }
    assert_eq!(said_in(&sandbox, "general", Some(&root)), numbers(0..n));
}

#[tokio::test]
async fn what_the_stop_interrupted_is_answered_by_the_next_start() {
    let sandbox = people().start().await.unwrap();
    let journal = MemoryJournal::new();
    let gate = Arc::new(Notify::new());
    let bot = Echo::starting(
        &sandbox,
        &journal,
        |bot| bot.shutdown_timeout(Duration::from_millis(100)),
        Some(gate),
    );
    bot.ready().await;
    for n in 0..5 {
        ask(&sandbox, "general", n).await;
        ask(&sandbox, "dev", n).await;
    }
    while bot.heard().len() < 3 {
        tokio::task::yield_now().await;
    }
    let report = bot.stop().await;
    assert!(!report.is_complete(), "{report}");
    assert!(said(&sandbox, "general").is_empty());
    let bot = Echo::on(&sandbox, &journal).await;
    for room in ["general", "dev"] {
        until(&sandbox, |sandbox| said(sandbox, room).len() >= 5).await;
        assert_eq!(said(&sandbox, room), numbers(0..5));
    }
    bot.stop().await;
    // That was no crash, and nothing is left.
    let bot = Echo::on(&sandbox, &journal).await;
    ask(&sandbox, "general", 5).await;
    until(&sandbox, |sandbox| said(sandbox, "general").len() == 6).await;
    assert_eq!(
        bot.heard()
            .iter()
            .filter(|heard| heard.parse::<usize>().is_ok())
            .count(),
        1
    );
    bot.stop().await;
}

#[tokio::test]
async fn an_answered_command_that_was_edited_meanwhile_is_an_edit() {
    let sandbox = people().start().await.unwrap();
    let ann = sandbox.user("ann");
    let journal = MemoryJournal::new();
    let bot = Echo::on(&sandbox, &journal).await;
    let id = ask(&sandbox, "general", "one").await;
    until(&sandbox, |sandbox| said(sandbox, "general").len() == 1).await;
    bot.stop().await;
    ann.edit(&id, "!echo two").await;
    let bot = Echo::on(&sandbox, &journal).await;
    ask(&sandbox, "general", "three").await;
    until(&sandbox, |sandbox| said(sandbox, "general").len() >= 2).await;
    assert_eq!(said(&sandbox, "general"), ["one", "three"]);
    let heard = bot.heard();
    assert!(
        heard.contains(&"edited".to_owned()) && !heard.contains(&"one".to_owned()),
        "{heard:?}"
    );
    bot.stop().await;
}

/// What is no message and no start, once there is so much of it.
async fn changes(bot: &Echo, count: usize) -> Vec<String> {
    let changes = || -> Vec<String> {
        let is_change = |heard: &String| {
            [
                EventKind::Edited,
                EventKind::Reaction,
                EventKind::Pinned,
                EventKind::Starred,
                EventKind::ThreadUpdate,
                EventKind::Updated,
                EventKind::Deleted,
            ]
            .iter()
            .any(|kind| kind.name() == heard)
        };
        bot.heard().into_iter().filter(is_change).collect()
    };
    let all = async {
        while changes().len() < count {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let in_time = tokio::time::timeout(PATIENCE, all).await;
    in_time.unwrap_or_else(|_| panic!("{:?}", changes()));
    changes()
}

#[tokio::test]
async fn what_was_told_of_a_message_is_not_told_again_by_the_next_start() {
    let sandbox = people().start().await.unwrap();
    let (ann, bob) = (sandbox.user("ann"), sandbox.user("bob"));
    // Who pins has to be something.
    sandbox.set_room_role("general", "ann", "owner").unwrap();
    let journal = MemoryJournal::new();
    let bot = Echo::on(&sandbox, &journal).await;
    let id = ask(&sandbox, "general", "one").await;
    until(&sandbox, |sandbox| said(sandbox, "general").len() == 1).await;
    ann.react(&id, ":+1:").await;
    bob.react(&id, ":x:").await;
    bob.unreact(&id, ":x:").await;
    ann.edit(&id, "!echo edited").await;
    ann.pin(&id).await;
    let told = ["reaction", "reaction", "reaction", "edited", "pinned"];
    assert_eq!(changes(&bot, told.len()).await, told);
    bot.stop().await;

    // What happens to it while the bot is away, and then while it runs, is told: and nothing else.
    bob.react(&id, ":tada:").await;
    let bot = Echo::on(&sandbox, &journal).await;
    assert_eq!(changes(&bot, 1).await, ["reaction"]);
    bot.stop().await;
    let bot = Echo::on(&sandbox, &journal).await;
    bob.reply("general", &id, "a reply").await;
    ann.edit(&id, "!echo edited again").await;
    ask(&sandbox, "general", "two").await;
    until(&sandbox, |sandbox| said(sandbox, "general").len() >= 2).await;
    assert_eq!(changes(&bot, 2).await, [EventKind::ThreadUpdate.name(), "edited"]);
    bot.stop().await;
}

#[tokio::test]
async fn a_journal_belongs_to_one_account() {
    let sandbox = people().start().await.unwrap();
    let journal = MemoryJournal::new();
    Echo::on(&sandbox, &journal).await.stop().await;
    let other = sandbox.bot("other");
    let bot = bot_at(&sandbox.url(), other.id(), &other.token())
        .journal(journal)
        .build()
        .unwrap();
    let error = bot.serve(Router::new()).await.unwrap_err();
    assert_eq!(error.kind(), BotErrorKind::Configuration);
    assert!(error.to_string().contains(other.id()), "{error}");
}

#[tokio::test]
async fn a_program_serves_its_bot_again_with_one_journal() {
    let sandbox = people().start().await.unwrap();
    let folder = Folder::new();
    let path = folder.path("journal");
    let settings = settings(&sandbox).journal(DiskJournal::open(&path).unwrap());
    let mut handles = Vec::new();
    for n in 0..3 {
        let bot = Echo::serving(settings.clone(), None);
        bot.ready().await;
        handles.push(bot.handle.clone());
        // Two at once would write over each other.
        let second = settings.clone().build().unwrap();
        let error = second.serve(Router::new()).await.unwrap_err();
        assert_eq!(error.kind(), BotErrorKind::Configuration);
        assert!(
            error.to_string().contains("used by another bot of this process"),
            "{error}"
        );
        until(&sandbox, |sandbox| said(sandbox, "general").len() == n).await;
        // What was answered is not heard again.
        let expected: Vec<_> = numbers(n.saturating_sub(1)..n);
        let heard = bot.heard();
        let commands = heard.iter().filter(|heard| heard.parse::<usize>().is_ok());
        assert_eq!(commands.cloned().collect::<Vec<_>>(), expected, "{heard:?}");
        bot.stop().await;
        ask(&sandbox, "general", n).await;
    }
    // A handle keeps no file open.
    drop(settings);
    drop(DiskJournal::open(&path).unwrap());
    drop(handles);
    assert_eq!(said(&sandbox, "general"), numbers(0..2));
}

/// Where a bot writes down which events it gave up.
fn given_up_beside(journal: &Path) -> PathBuf {
    journal.with_file_name("given-up")
}

/// The ids of the messages that were given up.
fn given_up(folder: &Folder) -> Vec<String> {
    let written = std::fs::read_to_string(given_up_beside(&folder.path("journal"))).unwrap_or_default();
    written.lines().map(str::to_owned).collect()
}

/// In the other process: a bot that repeats what it is told, until it is killed.
#[tokio::main]
async fn serve_until_killed(part: &[String]) {
    let [url, user_id, token, path, max_crashes] = part else {
        panic!("five parts")
    };
    if std::env::var_os("RUST_LOG").is_some() {
        tracing_subscriber::fmt()
            .with_writer(std::io::stderr)
            .with_ansi(false)
            .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
            .init();
    }
    let given_up = given_up_beside(Path::new(path));
    let journal = DiskJournal::builder(path)
        .wait_for_lock(Duration::from_secs(30))
        .open()
        .unwrap();
    let bot = bot_at(url, user_id, token)
        .journal(journal)
        .max_crashes(max_crashes.parse().ok())
        .on_dead_letter(move |letter| {
            assert!(letter.action.is_none() && letter.room_id.is_some());
            assert!(matches!(letter.error, DeadLetterError::Crashed { times: 4 }));
            let mut file = std::fs::File::options()
                .append(true)
                .create(true)
                .open(&given_up)
                .unwrap();
            writeln!(file, "{}", letter.event_key).unwrap();
        })
        .build()
        .unwrap();
    let router = Router::new()
        .on_ready(|| async { say("ready") })
        .command("poison", || async {
            drop(
                std::process::Command::new("kill")
                    .args(["-9", &std::process::id().to_string()])
                    .status(),
            )
        })
        .command("echo", |Args(text): Args<String>| async move {
            if fastrand::bool() {
                tokio::time::sleep(Duration::from_millis(fastrand::u64(..10))).await;
            }
            text
        });
    let app = ServiceBuilder::new()
        .layer(CommandLayer::new("!"))
        .service(router);
    bot.serve(app).await.unwrap();
}

fn start_bot(sandbox: &Sandbox, test: &str, folder: &Folder, max_crashes: &str) -> Other {
    let account = sandbox.bot("rocketbotte");
    let path = text(&folder.path("journal"));
    Other::start(
        test,
        &[&sandbox.url(), account.id(), &account.token(), &path, max_crashes],
    )
}

#[test]
fn killed_at_any_moment_it_loses_no_command_and_answers_none_twice() {
    if let Some(part) = process::part() {
        return serve_until_killed(&part);
    }
    killed_at_any_moment(
        "killed_at_any_moment_it_loses_no_command_and_answers_none_twice",
        "none",
        process::seed(),
    );
}

/// With the limit that a bot has by itself. Chance may kill it three times while the same event runs: that one is given
/// up then, as it should be, and told.
#[test]
fn killed_at_any_moment_it_gives_up_nothing_in_silence() {
    if let Some(part) = process::part() {
        return serve_until_killed(&part);
    }
    killed_at_any_moment(
        "killed_at_any_moment_it_gives_up_nothing_in_silence",
        "3",
        process::seed(),
    );
}

#[tokio::main]
async fn killed_at_any_moment(test: &str, max_crashes: &str, seed: u64) {
    let mut random = fastrand::Rng::with_seed(seed);
    let kills = std::env::var("ROCKETBOTTE_KILLS").map_or(10_usize, |kills| kills.parse().unwrap());
    let sandbox = people().start().await.unwrap();
    let ann = sandbox.user("ann");
    let direct = ann.direct(&["rocketbotte"]).await;
    let root = ann.say("general", "a thread").await;
    let folder = Folder::new();
    let start = || start_bot(&sandbox, test, &folder, max_crashes);
    // A first start answers nothing older than itself.
    let mut bot = start();
    assert_eq!(bot.hear().as_deref(), Some("ready"));
    bot.kill();
    bot = start();

    let asked = Arc::new(Mutex::new(BTreeMap::<String, Vec<(String, String)>>::new()));
    let (log, asking, mut chance) = (Arc::clone(&asked), sandbox.clone(), random.fork());
    let (rooms, thread) = (
        ["general".to_owned(), "dev".to_owned(), "ops".to_owned(), direct],
        root.clone(),
    );
    let talk = tokio::spawn(async move {
        for n in 0.. {
            tokio::time::sleep(Duration::from_millis(chance.u64(..8))).await;
            let (ann, command) = (asking.user("ann"), format!("!echo {n}"));
            let place = chance.usize(..=rooms.len());
            let (place, id) = match rooms.get(place) {
                Some(room) => (room.clone(), ann.say(room, &command).await),
                None => ("thread".to_owned(), ann.reply("general", &thread, &command).await),
            };
            let mut log = log.lock().unwrap();
            log.entry(place).or_default().push((id, n.to_string()));
        }
    });
    let mut were_ready = 0;
    for _ in 0..kills {
        // While it starts, or while it works: how long a start takes depends on the machine.
        if random.bool() {
            assert_eq!(bot.hear().as_deref(), Some("ready"));
            were_ready += 1;
        }
        tokio::time::sleep(Duration::from_millis(random.u64(..400))).await;
        bot.kill();
        bot = start();
    }
    bot.silence();
    talk.abort();
    let _ = talk.await;
    let asked = asked.lock().unwrap().clone();
    let answered = |sandbox: &Sandbox, place: &str| match place {
        "thread" => said_in(sandbox, "general", Some(&root)),
        room => said(sandbox, room),
    };
    // One that was given up may have been answered before.
    let expected = |asked: &[(String, String)], answered: &[String]| {
        let given_up = given_up(&folder);
        let expected = asked
            .iter()
            .filter(|(id, n)| !given_up.contains(id) || answered.contains(n));
        expected.map(|(_, n)| n.clone()).collect::<Vec<_>>()
    };
    let missing = |sandbox: &Sandbox| {
        asked.iter().any(|(place, asked)| {
            let answered = answered(sandbox, place);
            answered.len() < expected(asked, &answered).len()
        })
    };
    let in_time = sandbox.wait_until(|sandbox| !missing(sandbox), PATIENCE).await;
    // A second answer would come now.
    tokio::time::sleep(Duration::from_millis(200)).await;
    for (place, asked) in &asked {
        let answered = answered(&sandbox, place);
        assert_eq!(answered, expected(asked, &answered), "in {place}");
    }
    in_time.unwrap();
    let given_up = given_up(&folder);
    assert!(given_up.len() <= kills / 2, "{given_up:?}");
    let commands: usize = asked.values().map(Vec::len).sum();
    println!(
        "{commands} commands, {kills} kills, {were_ready} of them certainly when it was ready, {} given up",
        given_up.len()
    );
}

#[test]
fn what_ends_the_process_three_times_is_given_up() {
    if let Some(part) = process::part() {
        return serve_until_killed(&part);
    }
    three_times();
}

#[tokio::main]
async fn three_times() {
    let sandbox = people().start().await.unwrap();
    let folder = Folder::new();
    let start = || {
        start_bot(
            &sandbox,
            "what_ends_the_process_three_times_is_given_up",
            &folder,
            "3",
        )
    };
    let mut bot = start();
    assert_eq!(bot.hear().as_deref(), Some("ready"));
    bot.kill();
    // All of them are there when the process dies for the first time.
    for n in 0..3 {
        ask(&sandbox, "general", n).await;
        ask(&sandbox, "dev", n).await;
    }
    let poison = sandbox.user("ann").say("dev", "!poison").await;
    for n in 3..6 {
        ask(&sandbox, "general", n).await;
        ask(&sandbox, "dev", n).await;
    }
    let mut crashes = 0;
    loop {
        bot = start();
        bot.silence();
        while !bot.has_ended() && said(&sandbox, "dev").len() < 6 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        if !bot.has_ended() {
            break;
        }
        crashes += 1;
        assert!(crashes <= 4);
    }
    // Once with the others, and three times alone.
    assert_eq!(crashes, 4);
    assert_eq!(given_up(&folder), [poison]);
    for room in ["general", "dev"] {
        until(&sandbox, |sandbox| said(sandbox, room).len() >= 6).await;
        assert_eq!(said(&sandbox, room), numbers(0..6), "{room}");
    }
}

#[test]
fn a_reply_that_is_on_its_way_at_a_crash_is_no_reason_for_it() {
    if let Some(part) = process::part() {
        return serve_until_killed(&part);
    }
    five_times_on_its_way();
}

#[tokio::main]
async fn five_times_on_its_way() {
    let sandbox = people().start().await.unwrap();
    let folder = Folder::new();
    let test = "a_reply_that_is_on_its_way_at_a_crash_is_no_reason_for_it";
    let start = || start_bot(&sandbox, test, &folder, "3");
    // The first start answers nothing from before.
    let mut bot = start();
    assert_eq!(bot.hear().as_deref(), Some("ready"));
    bot.silence();
    sandbox.fail_next_calls("chat.sendMessage", 10_000, RestFault::Status(503));
    for n in 0..3 {
        ask(&sandbox, "general", n).await;
    }
    let tries = |sandbox: &Sandbox| {
        sandbox
            .requests()
            .get("chat.sendMessage")
            .copied()
            .unwrap_or_default()
    };
    for _ in 0..6 {
        let before = tries(&sandbox);
        // It is tried again: the first time was a while ago.
        until(&sandbox, |sandbox| tries(sandbox) >= before + 2).await;
        bot.kill();
        bot = start();
        bot.silence();
    }
    sandbox.clear_faults();
    until(&sandbox, |sandbox| said(sandbox, "general").len() >= 3).await;
    assert_eq!(said(&sandbox, "general"), numbers(0..3));
}
