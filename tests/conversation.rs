//! What a bot knows of a conversation: what was said before, and whether it is meant.
#![cfg(all(feature = "client", feature = "sandbox", feature = "test-util"))]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test ends by them")]

mod support;

use std::sync::Arc;

use rocketbotte::command::CommandLayer;
use rocketbotte::event::Message;
use rocketbotte::extract::{DirectedAtMe, ThreadHistory, directed_at_me};
use rocketbotte::response::{Send, Thread};
use rocketbotte::sandbox::{RestFault, Sandbox};
use rocketbotte::{BoxError, Request, Response, Router};
use support::after_secs;
use support::chat::{Chat, people};
use tower::{Layer as _, Service};

type Lines = Vec<String>;

fn lines<const M: usize, const C: usize>(history: &ThreadHistory<M, C>) -> String {
    let lines = history.messages().iter().map(|message| {
        let name = if message.is_me() {
            "I"
        } else {
            message.author().username()
        };
        format!("{name}: {}", message.text())
    });
    let mut lines: Lines = lines.collect();
    if history.is_cut() {
        lines.insert(0, "…".to_owned());
    }
    lines.join("|")
}

async fn all(history: ThreadHistory) -> String {
    lines(&history)
}

async fn few(history: ThreadHistory<3>) -> String {
    lines(&history)
}

async fn short(history: ThreadHistory<50, 20>) -> String {
    lines(&history)
}

fn app()
-> impl Service<Request, Response = Response, Error: Into<BoxError>, Future: std::marker::Send> + std::marker::Send
{
    let router = Router::new()
        .command("all", all)
        .command("few", few)
        .command("short", short)
        .command("ping", || async { "pong" });
    CommandLayer::new("!").layer(router)
}

#[tokio::test(start_paused = true)]
async fn a_thread_is_told_from_its_first_message_on() {
    let chat = Chat::with(app()).await;
    let (ann, bob) = (chat.sandbox.user("ann"), chat.sandbox.user("bob"));
    let root = ann.say("general", "a question").await;
    ann.say("general", "not in the thread").await;
    bob.reply("general", &root, "an answer").await;
    ann.reply("general", &root, "!ping").await;
    after_secs(1).await;
    let ask = async |text: &str| {
        let asked = ann.reply("general", &root, text).await;
        // What comes later is not a part of it.
        bob.reply("general", &root, "later").await;
        after_secs(1).await;
        chat.after_message("general", &asked)[0].text.clone()
    };
    assert_eq!(
        ask("!all").await,
        "ann: a question|bob: an answer|ann: !ping|I: pong|ann: !all"
    );
    assert_eq!(
        ask("!few").await,
        "…|bob: later|I: ann: a question|bob: an answer|ann: !ping|I: pong|ann: !all|ann: !few"
    );
    bob.reply("general", &root, "tiny").await;
    assert_eq!(ask("!short").await, "…|bob: tiny|ann: !short");
}

#[tokio::test(start_paused = true)]
async fn a_long_thread_is_read_by_pages() {
    let chat = Chat::with(CommandLayer::new("!").layer(
        Router::new().command("count", |history: ThreadHistory<1000, 1_000_000>| async move {
            history.messages().len().to_string()
        }),
    ))
    .await;
    let ann = chat.sandbox.user("ann");
    let root = ann.say("general", "a question").await;
    for n in 0..250 {
        ann.reply("general", &root, &n.to_string()).await;
    }
    let asked = ann.reply("general", &root, "!count").await;
    after_secs(2).await;
    assert_eq!(chat.after_message("general", &asked)[0].text, "252");
}

#[tokio::test(start_paused = true)]
async fn a_direct_conversation_is_told_and_a_channel_is_not() {
    let chat = Chat::with(app()).await;
    let ann = chat.sandbox.user("ann");
    let direct = ann.direct(&["rocketbotte"]).await;
    let first = ann.say(&direct, "hello").await;
    ann.reply(&direct, &first, "in a thread").await;
    assert_eq!(chat.ask_in(&direct, "!ping").await, ["pong"]);
    assert_eq!(
        chat.ask_in(&direct, "!all").await,
        ["ann: hello|ann: !ping|I: pong|ann: !all"]
    );
    ann.say("general", "hello").await;
    assert_eq!(chat.ask("!all").await, ["ann: !all"]);
}

#[tokio::test(start_paused = true)]
async fn a_history_that_can_not_be_read_is_an_error() {
    let chat = Chat::with(app()).await;
    let ann = chat.sandbox.user("ann");
    let root = ann.say("general", "a question").await;
    chat.sandbox
        .fail_next("chat.getThreadMessages", RestFault::Status(403));
    ann.reply("general", &root, "!all").await;
    after_secs(1).await;
    assert!(chat.said("general")[0].starts_with("Something went wrong (ref "));
}

#[tokio::test(start_paused = true)]
async fn a_message_is_meant_for_the_bot_where_it_says_so() {
    let answer = |message: Arc<Message>| async move { format!("to {}", message.text()) };
    let router = Router::new()
        .command("ping", || async { "pong" })
        .unknown_command(|| async {})
        .listen(directed_at_me, answer);
    let chat = Chat::with(CommandLayer::new("!").layer(router)).await;
    let ann = chat.sandbox.user("ann");
    let direct = ann.direct(&["rocketbotte"]).await;
    let group = ann.direct(&["rocketbotte", "bob"]).await;
    for (room, text, expected) in [
        ("general", "hello", vec![]),
        ("general", "hello @bob", vec![]),
        ("general", "hello @rocketbotte", vec!["to hello @rocketbotte"]),
        ("general", "!ping", vec!["pong"]),
        ("general", "@rocketbotte ping", vec!["pong"]),
        (&direct, "hello", vec!["to hello"]),
        (&direct, "!ping", vec!["pong"]),
        (&group, "hello", vec![]),
        (&group, "@rocketbotte hello", vec!["to @rocketbotte hello"]),
    ] {
        assert_eq!(chat.ask_in(room, text).await, expected, "{room}: {text}");
    }
}

/// Answers in a thread what is meant for it.
async fn converse(_: DirectedAtMe<true>, message: Arc<Message>) -> Send {
    Send::text(format!("to {}", message.text())).in_thread(Thread::Always)
}

async fn in_threads(sandbox: &Sandbox) -> Chat {
    Chat::on(
        sandbox,
        CommandLayer::new("!").layer(Router::new().unknown_command(|| async {}).on_message(converse)),
    )
    .await
}

#[tokio::test(start_paused = true)]
async fn a_thread_of_two_goes_on_without_mentions() {
    let sandbox = people().start_in_memory();
    let mut chat = in_threads(&sandbox).await;
    let (ann, bob) = (sandbox.user("ann"), sandbox.user("bob"));
    let reply = async |chat: &Chat, root: &str, text: &str| {
        let asked = ann.reply("general", root, text).await;
        after_secs(1).await;
        chat.after_message("general", &asked)
            .into_iter()
            .next()
            .map(|message| message.text)
    };
    let others = bob.say("general", "a thread of others").await;
    assert_eq!(reply(&chat, &others, "hi bob").await, None);
    let root = ann.say("general", "@rocketbotte hi").await;
    after_secs(1).await;
    assert_eq!(
        reply(&chat, &root, "and now?").await.as_deref(),
        Some("to and now?")
    );
    assert_eq!(
        reply(&chat, &root, "and then?").await.as_deref(),
        Some("to and then?")
    );
    let asked = sandbox.requests();
    let lookups = asked.iter().filter(|(name, _)| name.contains("chat.getMessage"));
    assert_eq!(
        lookups.map(|(_, count)| count).sum::<u64>(),
        2,
        "once for each thread"
    );
    // Another process knows it too.
    chat.handle.shutdown();
    chat.serving.await.unwrap().unwrap();
    chat = in_threads(&sandbox).await;
    assert_eq!(
        reply(&chat, &root, "still there?").await.as_deref(),
        Some("to still there?")
    );
    // A third one takes part: from now on who is meant has to be said.
    bob.reply("general", &root, "may I?").await;
    after_secs(1).await;
    assert_eq!(reply(&chat, &root, "bob, you may").await, None);
    assert_eq!(
        reply(&chat, &root, "@rocketbotte may he?").await.as_deref(),
        Some("to @rocketbotte may he?")
    );
}
