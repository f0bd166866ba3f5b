//! Conversations, as the people in the room have them: who is heard, what becomes of it, and how they end.
#![cfg(all(feature = "client", feature = "sandbox", feature = "test-util"))]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test ends by them")]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rocketbotte::command::CommandLayer;
use rocketbotte::conversation::{Conversation, ConversationEnded};
use rocketbotte::event::{EventKind, Message, Reaction, User};
use rocketbotte::extract::{Args, Outbox};
use rocketbotte::handler::route;
use rocketbotte::inspect::{EventOutcome, Inspector};
use rocketbotte::journal::MemoryJournal;
use rocketbotte::layer::TimeoutLayer;
use rocketbotte::sandbox::{RestFault, Sandbox};
use rocketbotte::{BotBuilder, BoxError, Rejection, Request, Response, Router};
use support::chat::{Chat, bot_in, people};
use support::{after, after_secs};
use tower::{Layer, Service, ServiceBuilder, service_fn};

const MINUTES: Duration = Duration::from_secs(600);
/// The deadline of each route.
const DEADLINE: Duration = Duration::from_secs(10);

fn said(message: &Message) -> String {
    format!("{} said {:?}", message.author().username(), message.text())
}

async fn next(conversation: Conversation) -> Result<String, BoxError> {
    Ok(said(&*conversation.next_message().await?))
}

async fn anyone(conversation: Conversation) -> Result<String, BoxError> {
    Ok(said(&*conversation.of_anyone().next_message().await?))
}

/// `!of bob`
async fn of(
    Args(name): Args<String>,
    conversation: Conversation,
    message: Arc<Message>,
) -> Result<String, BoxError> {
    // The id of whom it names, as the server tells it.
    let mention = message.mentions().first().and_then(|mention| match mention {
        rocketbotte::event::Mention::User(user) => Some(user.clone()),
        _ => None,
    });
    let id = mention.map(|user| user.id().clone()).ok_or("nobody")?;
    let person = User::new(id, name.trim_start_matches('@'));
    Ok(said(&*conversation.of(person).next_message().await?))
}

async fn wine(conversation: Conversation) -> Result<String, Rejection> {
    let index = conversation.choose("Which?", ["Red", "White", "None"]).await?;
    Ok(format!("number {index}"))
}

async fn sure(conversation: Conversation) -> Result<String, ConversationEnded> {
    Ok(conversation.confirm("Sure?").await?.to_string())
}

async fn rate(conversation: Conversation, outbox: Outbox) -> Result<String, BoxError> {
    let posted = outbox.send("How was it?").await?;
    let id = posted.message_id().unwrap().clone();
    let reaction = conversation.timeout(MINUTES).reaction_to(id).await?;
    Ok(format!("{} by {}", reaction.emoji(), reaction.username()))
}

async fn votes(conversation: Conversation, outbox: Outbox) -> Result<String, BoxError> {
    let posted = outbox.send("And you?").await?;
    let id = posted.message_id().unwrap().clone();
    let reaction = conversation.of_anyone().reaction_to(id).await?;
    Ok(format!("{} by {}", reaction.emoji(), reaction.username()))
}

async fn both(conversation: Conversation) -> Result<String, BoxError> {
    let anyone = conversation.clone().of_anyone();
    let (own, any) = tokio::try_join!(conversation.next_message(), anyone.next_message())?;
    Ok(format!("{} and {}", own.text(), any.text()))
}

async fn twice(conversation: Conversation) -> Result<String, BoxError> {
    let name = conversation.ask("Your name?").await?;
    let age = conversation.ask(format!("Your age, {}?", name.text())).await?;
    Ok(format!("{} is {}", name.text(), age.text()))
}

async fn share(conversation: Conversation) -> Result<String, BoxError> {
    Ok(said(&*conversation.passing_on().next_message().await?))
}

async fn leave(conversation: Conversation) -> Result<String, BoxError> {
    Ok(said(&*conversation.leaving_commands().next_message().await?))
}

/// Works for six seconds, waits, and works for as many again as it is told.
async fn work(Args(more): Args<u64>, conversation: Conversation) -> Result<&'static str, BoxError> {
    after_secs(6).await;
    conversation.timeout(MINUTES).next_message().await?;
    after_secs(more).await;
    Ok("done")
}

async fn nothing(conversation: Conversation) -> Result<String, BoxError> {
    let none: [&str; 0] = [];
    Ok(conversation.choose("Which?", none).await?.to_string())
}

async fn short(conversation: Conversation) -> Result<String, BoxError> {
    let conversation = conversation.timeout(Duration::from_secs(20));
    Ok(conversation.ask("Quick?").await?.text().to_owned())
}

fn router() -> Router {
    Router::new()
        .command("next", next)
        .command("anyone", anyone)
        .command("of", of)
        .command("wine", wine)
        .command("sure", sure)
        .command("rate", rate)
        .command("votes", votes)
        .command("both", both)
        .command("twice", twice)
        .command("share", share)
        .command("leave", leave)
        .command("work", work)
        .command("nothing", nothing)
        .command("short", short)
        .command("ping", || async { "pong" })
        .command("stop", route(|| async { "stopped" }).control())
        .on_message(|message: Arc<Message>| async move {
            (message.text() == "hello").then(|| format!("hello, {}", message.author().username()))
        })
        .on(EventKind::Reaction, |reaction: Arc<Reaction>| async move {
            (reaction.emoji() == ":tada:").then_some("hurray")
        })
}

fn app() -> impl Service<Request, Response = Response, Error = BoxError, Future: Send> + Send {
    ServiceBuilder::new()
        .layer(CommandLayer::new("!"))
        .layer(TimeoutLayer::new(DEADLINE))
        .service(router())
}

/// Plays what people do in `#general`: `ann: text` says something, `ann> text` does in a thread below the last line of the
/// bot, `ann reacts :x:` to it, `(5)` waits so many seconds. The other lines are the bot's.
async fn play(chat: &Chat, script: &[&str]) {
    let bots_last = || {
        let messages = chat.sandbox.messages("general").into_iter().rev();
        let mut of_bot = messages.filter(|message| message.username == "rocketbotte");
        of_bot.next().unwrap().id
    };
    let mut expected = Vec::new();
    for line in script {
        if let Some(seconds) = line.strip_prefix('(').and_then(|line| line.strip_suffix(')')) {
            after_secs(seconds.parse().unwrap()).await;
        } else if let Some((name, emoji)) = line.split_once(" reacts ") {
            chat.sandbox.user(name).react(&bots_last(), emoji).await;
        } else if let Some((name, text)) = line.split_once("> ") {
            chat.sandbox.user(name).reply("general", &bots_last(), text).await;
            expected.push(format!("{name}: {text}"));
        } else {
            expected.push((*line).to_owned());
            match line.split_once(": ") {
                Some((name @ ("ann" | "bob"), text)) => {
                    chat.sandbox.user(name).say("general", text).await;
                }
                _ => continue,
            }
        }
        after_secs(1).await;
    }
    let messages = chat.sandbox.messages("general").into_iter();
    let lines: Vec<String> = messages
        .filter(|message| message.raw.get("t").is_none())
        .map(|message| {
            format!(
                "{}: {}",
                message.username.replace("rocketbotte", "bot"),
                message.text
            )
        })
        .collect();
    assert_eq!(lines, expected, "{script:#?}");
}

const WINES: &str = "bot: Which?\n1. Red\n2. White\n3. None";
const WINES_AGAIN: &str = "bot: That is none of them: please answer with a name, or a number from 1 to 3.\nWhich?\n1. Red\n2. White\n3. None";
const TIME_IS_OVER: &str = "bot: I heard no answer in time, so I stopped waiting for one.";

#[tokio::test(start_paused = true)]
async fn each_kind_of_wait_hears_what_it_is_for() {
    let scripts: &[&[&str]] = &[
        // The next message of the author, and of nobody else.
        &[
            "ann: !next",
            "bob: hello",
            "bot: hello, bob",
            "ann: hello",
            "bot: ann said \"hello\"",
            "ann: hello",
            "bot: hello, ann",
        ],
        // Below the question as well.
        &[
            "ann: !twice",
            "bot: Your name?",
            "ann> Ann",
            "bot: Your age, Ann?",
            "ann: 7",
            "bot: Ann is 7",
        ],
        &["ann: !anyone", "bob: me", "bot: bob said \"me\""],
        &["ann: !of @bob", "ann: no", "bob: me", "bot: bob said \"me\""],
        // By name, by number, by reaction; what fits none is asked again.
        &["ann: !wine", WINES, "ann: white", "bot: number 1"],
        &["ann: !wine", WINES, "ann: 3", "bot: number 2"],
        &[
            "ann: !wine",
            WINES,
            "bob reacts :two:",
            "ann reacts :one:",
            "bot: number 0",
        ],
        &[
            "ann: !wine",
            WINES,
            "ann: beer",
            WINES_AGAIN,
            "ann reacts :x:",
            WINES_AGAIN,
            "ann: RED",
            "bot: number 0",
        ],
        &[
            "ann: !wine",
            WINES,
            "ann: a",
            WINES_AGAIN,
            "ann: b",
            WINES_AGAIN,
            "ann: c",
            "bot: I did not understand the answer: please begin again.",
            "ann: 1",
        ],
        &["ann: !sure", "bot: Sure?", "ann: Yes!", "bot: true"],
        &["ann: !sure", "bot: Sure?", "ann reacts :-1:", "bot: false"],
        &[
            "ann: !sure",
            "bot: Sure?",
            "ann: why",
            "bot: Please answer yes or no.\nSure?",
            "ann reacts :+1:",
            "bot: true",
        ],
        // A reaction is that of the author, unless anybody's is asked for.
        &[
            "ann: !rate",
            "bot: How was it?",
            "bob reacts :tada:",
            "bot: hurray",
        ],
        &[
            "ann: !rate",
            "bot: How was it?",
            "ann reacts :tada:",
            "bot: :tada: by ann",
        ],
        &[
            "ann: !votes",
            "bot: And you?",
            "bob reacts :x:",
            "bot: :x: by bob",
        ],
        // Two waits in one handler: the newer one has the first message.
        &["ann: !both", "ann: one", "ann: two", "bot: two and one"],
        &["ann: !both", "bob: one", "ann: two", "bot: two and one"],
        // Two people, each in a conversation.
        &[
            "ann: !twice",
            "bot: Your name?",
            "bob: !twice",
            "bot: Your name?",
            "bob: Bob",
            "bot: Your age, Bob?",
            "ann: Ann",
            "bot: Your age, Ann?",
            "bob: 8",
            "bot: Bob is 8",
            "ann: 9",
            "bot: Ann is 9",
        ],
        // A person in two: the newer one is answered first.
        &["ann: !anyone", "ann: again", "bot: ann said \"again\""],
        &[
            "ann: !next",
            "bob: !anyone",
            "ann: one",
            "bot: ann said \"one\"",
            "ann: two",
            "bot: ann said \"two\"",
        ],
        // What is taken is no command, unless it is said so, or the command never waits.
        &[
            "ann: !next",
            "ann: !ping",
            "bot: ann said \"!ping\"",
            "ann: !ping",
            "bot: pong",
        ],
        &[
            "ann: !share",
            "ann: !ping",
            "bot: pong",
            "bot: ann said \"!ping\"",
        ],
        &[
            "ann: !leave",
            "ann: !ping",
            "bot: pong",
            "ann: !unknown",
            "bot: ann said \"!unknown\"",
        ],
        &[
            "ann: !next",
            "ann: !stop",
            "bot: stopped",
            "ann: go",
            "bot: ann said \"go\"",
        ],
        // Others are not kept waiting.
        &[
            "ann: !next",
            "bob: !ping",
            "bot: pong",
            "bob: !ping",
            "bot: pong",
            "ann: go",
            "bot: ann said \"go\"",
        ],
        // In time, at the last moment, and too late.
        &["ann: !short", "bot: Quick?", "(17)", "ann: yes", "bot: yes"],
        &[
            "ann: !short",
            "bot: Quick?",
            "(18)",
            "(2)",
            TIME_IS_OVER,
            "ann: yes",
        ],
        &["ann: !next", "(290)", "ann: yes", "bot: ann said \"yes\""],
        &["ann: !next", "(301)", TIME_IS_OVER, "ann: yes"],
        // The deadline stands still while it waits, and goes on with what was left of it.
        &["ann: !work 3", "(100)", "ann: go", "(3)", "bot: done"],
    ];
    for script in scripts {
        let chat = Chat::with(app()).await;
        play(&chat, script).await;
        chat.handle.shutdown();
        let report = chat.serving.await.unwrap().unwrap();
        assert!(report.is_complete(), "{script:?}: {report:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_left_of_the_deadline_still_counts() {
    // With a router, with the bot's own limit, and where there is no router at all.
    let plain = || {
        let service = service_fn(|request: Request| async move {
            use rocketbotte::extract::FromRequest as _;
            let starts = request
                .message()
                .is_some_and(|message| message.text() == "!work 5");
            if !starts {
                return Ok(Response::empty());
            }
            let conversation = Conversation::from_request(&request, &()).await?;
            work(Args(5), conversation).await.and_then(|text| {
                use rocketbotte::IntoResponse as _;
                text.into_response()
            })
        });
        CommandLayer::new("!").layer(service)
    };
    let sandboxes: [(&str, Chat); 4] = [
        ("a layer around a router", Chat::with(app()).await),
        ("a route", {
            let router = Router::new().command("work", route(work).timeout(DEADLINE));
            Chat::with(CommandLayer::new("!").layer(router)).await
        }),
        (
            "a layer around a service",
            Chat::with(TimeoutLayer::new(DEADLINE).layer(plain())).await,
        ),
        ("the bot around a service", {
            let sandbox = people().start_in_memory();
            let configure = |bot: BotBuilder| bot.route_timeout(Some(DEADLINE));
            Chat::of(&sandbox, "rocketbotte", configure, plain()).await
        }),
    ];
    for (what, chat) in sandboxes {
        assert!(chat.ask("!work 5").await.is_empty(), "{what}");
        after_secs(200).await;
        assert!(chat.said("general").is_empty(), "{what}");
        chat.ask("go").await;
        after_secs(2).await;
        assert!(chat.said("general").is_empty(), "{what}");
        after_secs(2).await;
        let said = chat.said("general");
        let is_over = said.iter().all(|text| text.contains("Something went wrong"));
        assert!(said.len() == 1 && is_over, "{what}: {said:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_person_talks_in_two_rooms_and_in_a_thread_at_once() {
    let sandbox = people().channel("ops").start_in_memory();
    let chat = Chat::on(&sandbox, app()).await;
    let ann = sandbox.user("ann");
    let root = ann.say("general", "look here").await;
    ann.say("general", "!next").await;
    ann.say("ops", "!next").await;
    ann.reply("general", &root, "!next").await;
    after_secs(1).await;
    ann.reply("general", &root, "in the thread").await;
    ann.say("ops", "in the room").await;
    after_secs(1).await;
    assert_eq!(chat.said("general"), ["ann said \"in the thread\""]);
    assert_eq!(chat.said("ops"), ["ann said \"in the room\""]);
    ann.say("general", "outside").await;
    after_secs(1).await;
    assert_eq!(chat.said("general")[1..], ["ann said \"outside\""]);
}

#[tokio::test(start_paused = true)]
async fn neither_bots_nor_edits_answer() {
    let sandbox = people().bot("other").start_in_memory();
    let chat = Chat::on(&sandbox, app()).await;
    let early = sandbox.user("ann").say("general", "early").await;
    chat.ask("!anyone").await;
    sandbox
        .bot("other")
        .post(serde_json::json!({ "rid": "GENERAL", "msg": "beep", "bot": { "i": "x" } }))
        .await;
    sandbox.user("ann").edit(&early, "later").await;
    after_secs(1).await;
    assert!(chat.said("general").is_empty());
    assert_eq!(chat.ask("now").await, ["ann said \"now\""]);
}

#[tokio::test(start_paused = true)]
async fn whoever_waits_takes_no_place_among_those_that_run() {
    let sandbox = people().start_in_memory();
    let configure = |bot: BotBuilder| bot.max_running(1);
    let chat = Chat::of(&sandbox, "rocketbotte", configure, app()).await;
    for _ in 0..5 {
        chat.ask("!next").await;
        // It waits after the first poll, and in a task.
        sandbox.user("bob").say("general", "!sure").await;
        after_secs(1).await;
        assert_eq!(chat.ask("yes").await, ["ann said \"yes\""]);
        sandbox.user("bob").say("general", "no").await;
        after_secs(1).await;
        assert_eq!(chat.ask("!ping").await, ["pong"]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_reply_behind_a_wait_is_not_late() {
    let chat = Chat::with(app()).await;
    chat.ask("!twice").await;
    after_secs(200).await;
    assert_eq!(chat.ask("Ann").await, ["Your age, Ann?"]);
    after_secs(200).await;
    assert_eq!(chat.ask("7").await, ["Ann is 7"]);
}

#[tokio::test(start_paused = true)]
async fn listeners_of_the_same_message_are_not_held_back() {
    let router = router()
        .on_message(|message: Arc<Message>| async move { (message.text() == "!next").then_some("heard") });
    let chat = Chat::with(CommandLayer::new("!").layer(router)).await;
    assert_eq!(chat.ask("!next").await, ["heard"]);
    assert_eq!(chat.ask("!ping").await, ["ann said \"!ping\""]);
    assert_eq!(chat.ask("!ping").await, ["pong"]);
}

#[tokio::test(start_paused = true)]
async fn it_goes_on_across_an_outage() {
    let chat = Chat::with(app()).await;
    let sandbox = chat.sandbox.clone();
    assert_eq!(chat.ask("!twice").await, ["Your name?"]);
    sandbox.refuse_connections(true);
    sandbox.drop_connections();
    after_secs(5).await;
    sandbox.user("ann").say("general", "Ann").await;
    after_secs(100).await;
    assert_eq!(chat.said("general"), ["Your name?"]);
    sandbox.refuse_connections(false);
    after_secs(60).await;
    assert_eq!(chat.said("general"), ["Your name?", "Your age, Ann?"]);
    // And once more, while it is connected.
    assert_eq!(chat.ask("7").await, ["Ann is 7"]);
    assert_eq!(chat.ask("!ping").await, ["pong"]);
}

#[tokio::test(start_paused = true)]
async fn a_bot_that_stops_says_so_at_once() {
    let chat = Chat::with(app()).await;
    chat.ask("!next").await;
    chat.handle.shutdown();
    let report = tokio::time::timeout(Duration::from_secs(2), chat.serving)
        .await
        .unwrap();
    assert!(report.unwrap().unwrap().is_complete());
    let last = chat.sandbox.messages("general").pop().unwrap().text;
    assert_eq!(
        last,
        "I have to stop now and can't wait for an answer: please ask me again in a moment."
    );
}

#[tokio::test(start_paused = true)]
async fn a_crash_ends_it_and_nothing_runs_again() {
    // Whether it waits after its first poll or later.
    for (command, question) in [("!count", None), ("!ask", Some("Well?"))] {
        let (sandbox, journal) = (people().start_in_memory(), MemoryJournal::new());
        let runs = Arc::<AtomicUsize>::default();
        let app = || {
            let (counts, asks) = (Arc::clone(&runs), Arc::clone(&runs));
            let router = Router::new()
                .command("count", move |conversation: Conversation| {
                    counts.fetch_add(1, Ordering::Relaxed);
                    async move { Ok::<_, BoxError>(said(&*conversation.next_message().await?)) }
                })
                .command("ask", move |conversation: Conversation| {
                    asks.fetch_add(1, Ordering::Relaxed);
                    async move { Ok::<_, BoxError>(said(&*conversation.ask("Well?").await?)) }
                })
                .command("ping", || async { "pong" });
            CommandLayer::new("!").layer(router)
        };
        let bot = bot_in(&sandbox, "rocketbotte")
            .journal(journal.clone())
            .build()
            .unwrap();
        let serving = tokio::spawn(bot.serve(app()));
        after_secs(1).await;
        sandbox.user("ann").say("general", command).await;
        after_secs(2).await;
        serving.abort();
        assert!(serving.await.unwrap_err().is_cancelled());
        sandbox.user("ann").say("general", "!ping").await;

        let configure = |bot: BotBuilder| bot.journal(journal.clone());
        let chat = Chat::of(&sandbox, "rocketbotte", configure, app()).await;
        after_secs(60).await;
        let expected: Vec<&str> = question.into_iter().chain(["pong"]).collect();
        assert_eq!(chat.said("general"), expected, "{command}");
        assert_eq!(runs.load(Ordering::Relaxed), 1, "{command}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_heard_is_done_and_seen_by_the_inspector() {
    let (sandbox, journal, inspector) = (people().start_in_memory(), MemoryJournal::new(), Inspector::new());
    let configure = |bot: BotBuilder| bot.journal(journal.clone()).inspector(inspector.clone());
    let chat = Chat::of(&sandbox, "rocketbotte", configure, app()).await;
    chat.ask("!next").await;
    assert_eq!(chat.ask("!ping").await, ["ann said \"!ping\""]);
    let seen = inspector.recent();
    let heard: Vec<_> = seen
        .iter()
        .filter(|seen| seen.outcome == Some(EventOutcome::Heard))
        .map(|seen| seen.event.text.clone().unwrap())
        .collect();
    assert_eq!(heard, ["!ping"]);
    chat.serving.abort();
    let configure = |bot: BotBuilder| bot.journal(journal.clone());
    let chat = Chat::of(&sandbox, "rocketbotte", configure, app()).await;
    after_secs(60).await;
    assert_eq!(chat.said("general"), ["ann said \"!ping\""]);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_asked_is_told() {
    let chat = Chat::with(app()).await;
    for command in ["!nothing", "!twice", "!wine"] {
        if command != "!nothing" {
            let refused = RestFault::Status(400);
            chat.sandbox.fail_next("chat.sendMessage", refused);
        }
        let said = chat.ask(command).await;
        let is_told =
            |text: &String| text.contains("Something went wrong") || text.contains("I could not ask");
        assert!(said.len() == 1 && said.iter().all(is_told), "{command}: {said:?}");
        // Nothing waits.
        assert_eq!(chat.ask("!ping").await, ["pong"]);
    }
}

#[tokio::test(start_paused = true)]
async fn one_person_has_a_bounded_number_of_them() {
    let chat = Chat::with(app()).await;
    for _ in 0..100 {
        chat.sandbox.user("bob").say("general", "!leave").await;
        after(Duration::from_millis(50)).await;
    }
    after_secs(1).await;
    assert!(chat.said("general").is_empty());
    chat.sandbox.user("bob").say("general", "!leave").await;
    after_secs(1).await;
    assert_eq!(
        chat.said("general"),
        ["Too many questions wait for an answer already: please try again later."]
    );
    // Nobody else has to do with it.
    chat.ask("!next").await;
    assert_eq!(chat.ask("hi").await, ["ann said \"hi\""]);
}

#[tokio::test]
async fn over_real_sockets_it_is_the_same() {
    let sandbox = Sandbox::builder()
        .user("ann")
        .bot("rocketbotte")
        .start()
        .await
        .unwrap();
    let bot = rocketbotte::testing::serve(&sandbox, "rocketbotte", app()).await;
    assert_eq!(bot.ask("ann", "general", "!twice").await.text, "Your name?");
    assert_eq!(bot.ask("ann", "general", "Ann").await.text, "Your age, Ann?");
    assert_eq!(bot.ask("ann", "general", "7").await.text, "Ann is 7");
    assert!(bot.shutdown().await.is_complete());
}
