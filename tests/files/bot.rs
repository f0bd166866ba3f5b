//! Files as what handlers return and send.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::StreamExt as _;
use rocketbotte::command::CommandLayer;
use rocketbotte::extract::Outbox;
use rocketbotte::journal::MemoryJournal;
use rocketbotte::response::{Action, Send, Thread, Upload};
use rocketbotte::sandbox::{RestFault, Sandbox, SandboxMessage};
use rocketbotte::testing::{self, LiveBot, TestBot, events};
use rocketbotte::transport::Connector;
use rocketbotte::{Bot, BotBuilder, BoxError, Router};
use serde_json::json;
use tower::Layer as _;

use crate::process::{Folder, Other, part, text};
use crate::{client, files_in, numbered};

pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

async fn report() -> Upload {
    Upload::from_bytes("report.csv", "name,count\nann,3\n")
        .message("Here, @all.")
        .described("Messages")
}

async fn streamed(outbox: Outbox) -> Result<(), BoxError> {
    let lines = futures_util::stream::iter(["one\n", "two\n"]).map(Ok::<_, BoxError>);
    outbox
        .upload(Upload::from_stream("lines.txt", lines).message("from a stream"))
        .await?;
    let told = Arc::new(Mutex::new(0));
    let log = Arc::clone(&told);
    let value = Upload::from_bytes("b.bin", numbered(1000)).in_thread(Thread::Always);
    let receipt = outbox
        .upload(value.on_progress(move |progress| *log.lock().unwrap() = progress.bytes))
        .await?;
    assert!(receipt.message_id().is_some());
    assert_eq!(*told.lock().unwrap(), 1000);
    Ok(())
}

/// More than three messages.
fn long() -> String {
    (0..4000).map(|line| format!("line {line}\n")).collect()
}

fn router() -> Router {
    Router::new()
        .command("report", report)
        .command("streamed", streamed)
        .command("long", async || long())
        .command("file", async || Send::text(long()).as_file_if_long())
        .command("short", async || Send::text("short").as_file_if_long())
        .command("direct", async || {
            Upload::from_bytes("a.txt", "for you").to_user("@ann")
        })
        .command("ping", async || "pong")
}

fn app() -> rocketbotte::command::CommandService<Router> {
    CommandLayer::new("!").layer(router())
}

async fn live(sandbox: &Sandbox, configure: impl FnOnce(BotBuilder) -> BotBuilder) -> LiveBot {
    testing::serve_with(sandbox, "rocketbotte", app(), configure).await
}

async fn file(sandbox: &Sandbox, message: &SandboxMessage) -> bytes::Bytes {
    let link = message.raw["attachments"][0]["title_link"].as_str().unwrap();
    client(sandbox)
        .download(link)
        .await
        .unwrap()
        .bytes()
        .await
        .unwrap()
}

#[tokio::test]
async fn a_handler_returns_a_file() {
    // As a value, without a network.
    let expected = Action::from(report().await.to(events::general().id().as_str()));
    let bot = TestBot::new(app());
    let answer = bot.ask(events::said("!report")).await;
    let [Action::Upload(upload)] = answer.actions() else {
        panic!("{:?}", answer.actions());
    };
    assert_eq!(
        (upload.name(), upload.content()),
        ("report.csv", "Here, @\u{200B}all.")
    );
    assert_eq!(upload.bytes().unwrap(), "name,count\nann,3\n");
    assert_eq!(upload.room_id(), expected.room_id());

    let sandbox = Sandbox::builder()
        .user("ann")
        .bot("rocketbotte")
        .start()
        .await
        .unwrap();
    let bot = live(&sandbox, |bot| bot).await;
    let reply = bot.ask("ann", "general", "!report").await;
    assert_eq!(reply.text, "Here, @\u{200B}all.");
    let about = &reply.raw["attachments"][0];
    assert_eq!(
        (&about["title"], &about["description"]),
        (&json!("report.csv"), &json!("Messages"))
    );
    assert_eq!(reply.raw["file"]["type"], "text/csv");
    assert_eq!(file(&sandbox, &reply).await, "name,count\nann,3\n");
    // Asked in a thread, answered there.
    let ann = sandbox.user("ann");
    let root = ann.say("general", "a thread").await;
    let asked = ann.reply("general", &root, "!report").await;
    let reply = sandbox.wait_for_reply(&asked, PATIENCE).await.unwrap();
    assert_eq!(reply.thread_id.as_deref(), Some(&*root));

    // To somebody.
    ann.say("general", "!direct").await;
    let arrives = |sandbox: &Sandbox| {
        let rooms = [
            ann.id().to_owned() + sandbox.bot("rocketbotte").id(),
            sandbox.bot("rocketbotte").id().to_owned() + ann.id(),
        ];
        rooms.iter().any(|room| files_in(sandbox, room).len() == 1)
    };
    sandbox.wait_until(arrives, PATIENCE).await.unwrap();
}

#[tokio::test]
async fn a_handler_streams_files_while_it_runs() {
    let sandbox = Sandbox::builder()
        .user("ann")
        .bot("rocketbotte")
        .start()
        .await
        .unwrap();
    let _bot = live(&sandbox, |bot| bot).await;
    let asked = sandbox.user("ann").say("general", "!streamed").await;
    sandbox
        .wait_until(|sandbox| files_in(sandbox, "general").len() == 2, PATIENCE)
        .await
        .unwrap();
    let files = files_in(&sandbox, "general");
    assert_eq!(
        (files[0].text.as_str(), files[0].thread_id.as_deref()),
        ("from a stream", None)
    );
    assert_eq!(file(&sandbox, &files[0]).await, "one\ntwo\n");
    assert_eq!(files[1].thread_id.as_deref(), Some(&*asked));
    assert_eq!(file(&sandbox, &files[1]).await, numbered(1000));
}

/// What is said, by which switch, and what it becomes: the messages, and whether there is a file.
#[tokio::test]
async fn a_long_reply_becomes_a_file_where_it_is_asked_for() {
    for (for_all, command, messages, is_file) in [
        (false, "long", 3, false),
        (false, "file", 1, true),
        (false, "short", 1, false),
        (true, "long", 1, true),
        (true, "ping", 1, false),
    ] {
        let sandbox = Sandbox::builder()
            .user("ann")
            .bot("rocketbotte")
            .start()
            .await
            .unwrap();
        let bot = live(&sandbox, |bot| bot.long_replies_as_files(for_all)).await;
        bot.ask("ann", "general", &format!("!{command}")).await;
        bot.shutdown().await;
        let own = sandbox
            .messages("general")
            .into_iter()
            .filter(|message| message.username == "rocketbotte");
        assert_eq!(own.count(), messages, "{command}");
        let files = files_in(&sandbox, "general");
        assert_eq!(files.len(), usize::from(is_file), "{command}");
        for message in files {
            assert_eq!(message.raw["file"]["name"], "reply.txt");
            assert_eq!(file(&sandbox, &message).await, long());
        }
    }
}

/// What the server does not take is kept, if it is small, and posted when it is back: once.
#[tokio::test(start_paused = true)]
async fn a_journal_keeps_small_files_and_paths() {
    let folder = Folder::new();
    let path = folder.path("large.bin");
    std::fs::write(&path, numbered(300_000)).unwrap();
    let sandbox = Sandbox::builder()
        .user("ann")
        .bot("rocketbotte")
        .start_in_memory();
    let given_up = Arc::new(Mutex::new(Vec::new()));
    let (log, server) = (Arc::clone(&given_up), sandbox.clone());
    let router = router()
        .command("bytes", async || {
            Upload::from_bytes("large.bin", numbered(300_000))
        })
        .command("path", async move || Upload::from_path(path.clone()));
    let app = CommandLayer::new("!").layer(router);
    let bot = testing::serve_with(&sandbox, "rocketbotte", app, |bot| {
        bot.journal(MemoryJournal::new())
            .connector(Connector::from_fn(move |_| {
                let connection = server.connect();
                async move { Ok::<_, std::io::Error>(connection) }
            }))
            .on_dead_letter(move |letter| log.lock().unwrap().push(letter.error.to_string()))
    });
    let bot = bot.await;
    let ann = sandbox.user("ann");
    sandbox.fail_next_calls("rooms.media", 10_000, RestFault::Proxy(503));
    for command in ["report", "path", "bytes"] {
        ann.say("general", &format!("!{command}")).await;
    }
    // For ten minutes it is tried; then the room waits.
    tokio::time::sleep(Duration::from_secs(700)).await;
    assert_eq!(bot.handle().health().kept_actions, 2);
    assert_eq!(given_up.lock().unwrap().len(), 1);
    assert!(given_up.lock().unwrap()[0].contains("too large for the journal"));
    assert!(files_in(&sandbox, "general").is_empty());
    sandbox.clear_faults();
    tokio::time::sleep(Duration::from_secs(700)).await;
    let names: Vec<_> = files_in(&sandbox, "general")
        .iter()
        .map(|message| message.raw["file"]["name"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(names, ["report.csv", "large.bin"]);
    assert_eq!(bot.handle().health().kept_actions, 0);
}

/// The bot in another process.
async fn serve(url: &str, id: &str, token: &str, journal: &str) {
    let bot = Bot::builder(url)
        .token(id, token)
        .journal(rocketbotte::journal::DiskJournal::open(journal).unwrap())
        .max_retry_time(Duration::from_millis(50))
        .build()
        .unwrap();
    bot.serve(app()).await.unwrap();
}

/// Where the process is killed, and how often the file is posted in the end: never twice.
#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn a_kill_posts_no_file_twice() {
    if let Some(part) = part() {
        let [url, id, token, journal] = &part[..] else {
            panic!("another part");
        };
        return serve(url, id, token, journal).await;
    }
    let slow = || RestFault::Slow(Duration::from_secs(3600));
    for (endpoint, faults, files) in [
        // The file is on its way: nothing was posted, so it is after the start.
        ("rooms.media", vec![("rooms.media", slow())], 1),
        // Nobody knows whether the message is there.
        ("rooms.mediaConfirm", vec![("rooms.mediaConfirm", slow())], 0),
        // It is there, and the answer was lost.
        (
            "rooms.mediaConfirm",
            vec![
                ("rooms.mediaConfirm", RestFault::LoseReply),
                ("chat.syncMessages", slow()),
            ],
            1,
        ),
    ] {
        let folder = Folder::new();
        let sandbox = Sandbox::builder()
            .user("ann")
            .bot("rocketbotte")
            .start()
            .await
            .unwrap();
        let account = sandbox.bot("rocketbotte");
        let (url, token, journal) = (sandbox.url(), account.token(), text(&folder.path("journal")));
        let start = || {
            let part = [&*url, account.id(), &token, &journal];
            let mut other = Other::start("bot::a_kill_posts_no_file_twice", &part);
            other.silence();
            other
        };
        let ann = sandbox.user("ann");
        let mut bot = start();
        until_it_is_there(&sandbox).await;
        for (endpoint, fault) in faults {
            sandbox.fail_next(endpoint, fault);
        }
        let before = files_in(&sandbox, "general").len();
        assert_eq!(before, 0);
        ann.say("general", "!report").await;
        let begun = |sandbox: &Sandbox| {
            sandbox.requests().contains_key(endpoint)
                && (endpoint == "rooms.media" || files == 0 || files_in(sandbox, "general").len() == 1)
        };
        sandbox.wait_until(begun, PATIENCE).await.unwrap();
        bot.kill();
        sandbox.clear_faults();
        let mut bot = start();
        // What is said later is answered later.
        let asked = ann.say("general", "!ping").await;
        sandbox.wait_for_reply(&asked, PATIENCE).await.unwrap();
        let settled = |sandbox: &Sandbox| files_in(sandbox, "general").len() >= files;
        sandbox.wait_until(settled, PATIENCE).await.unwrap();
        bot.kill();
        assert_eq!(files_in(&sandbox, "general").len(), files, "killed at {endpoint}");
    }
}

/// The bot is there.
async fn until_it_is_there(sandbox: &Sandbox) {
    let is_there = |sandbox: &Sandbox| !sandbox.subscriptions().is_empty();
    sandbox.wait_until(is_there, PATIENCE).await.unwrap();
    loop {
        let asked = sandbox.user("ann").say("general", "!ping").await;
        if sandbox
            .wait_for_reply(&asked, Duration::from_secs(2))
            .await
            .is_ok()
        {
            return;
        }
    }
}
