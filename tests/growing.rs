//! Replies that grow: what people in the room see of them, while they do and when they end.
#![cfg(all(feature = "client", feature = "sandbox", feature = "test-util"))]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test ends by them")]

mod support;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::stream::{self, BoxStream, StreamExt as _};
use rocketbotte::extract::{Args, Outbox};
use rocketbotte::growing::{self, Ending, GrowOptions, Grown, Newer};
use rocketbotte::handler::route;
use rocketbotte::journal::MemoryJournal;
use rocketbotte::layer::{CommandLayer, TimeoutLayer};
use rocketbotte::response::{AllowedMentions, Thread};
use rocketbotte::sandbox::{Inbound, RestFault, Sandbox, SandboxBuilder, SandboxMessage};
use rocketbotte::transport::PerRoom;
use rocketbotte::{BoxError, Request, Response, Router};
use serde_json::Value;
use support::chat::{Chat, bot_in, people};
use support::{Log, after, after_secs};
use tower::{Service, ServiceBuilder};

/// What a model says: so many words, one each so many milliseconds.
#[derive(Clone, Copy)]
struct Words {
    count: usize,
    millis: u64,
}

/// Whether the stream was dropped.
#[derive(Clone, Default)]
struct Dropped(Arc<AtomicBool>);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn word(n: usize) -> String {
    format!("word{n}")
}

/// What a reply of so many words is.
fn whole(count: usize) -> String {
    (0..count).map(word).collect::<Vec<_>>().join(" ")
}

impl Words {
    fn stream(self) -> BoxStream<'static, String> {
        stream::iter(0..self.count)
            .then(move |n| async move {
                after(Duration::from_millis(self.millis)).await;
                format!("{}{}", if n == 0 { "" } else { " " }, word(n))
            })
            .boxed()
    }
}

/// What became of the replies, in order.
type Grew = Arc<Mutex<Vec<Grown>>>;

struct Setting {
    options: GrowOptions,
    grew: Grew,
    /// Set when a stream was dropped.
    dropped: Arc<AtomicBool>,
    runs: Arc<AtomicUsize>,
}

impl Setting {
    fn new(options: GrowOptions) -> Self {
        Self {
            options,
            grew: Grew::default(),
            dropped: Arc::default(),
            runs: Arc::default(),
        }
    }

    fn endings(&self) -> Vec<Ending> {
        self.grew
            .lock()
            .unwrap()
            .iter()
            .map(|grown| grown.ending)
            .collect()
    }

    /// A bot that says so many words, each after so many milliseconds: `!say 100 200`.
    fn app(
        &self,
    ) -> impl Service<Request, Response = Response, Error = BoxError, Future: Send> + Send + use<> {
        let (options, grew) = (self.options.clone(), Arc::clone(&self.grew));
        let (dropped, runs) = (Arc::clone(&self.dropped), Arc::clone(&self.runs));
        let say = move |Args((count, millis)): Args<(usize, u64)>, outbox: Outbox| {
            let (options, grew, guard) = (options.clone(), Arc::clone(&grew), Dropped(Arc::clone(&dropped)));
            let run = runs.fetch_add(1, Ordering::Relaxed);
            // A model does not say the same twice.
            let count = if run > 0 && count % 10 == 7 {
                count / 2
            } else {
                count
            };
            async move {
                let words = Words { count, millis }.stream().map(move |word| {
                    let _guard = &guard;
                    word
                });
                let grown = outbox.grow_with(&options, words).await?;
                grew.lock().unwrap().push(grown);
                Ok::<_, BoxError>(())
            }
        };
        let options = self.options.clone();
        let grew = Arc::clone(&self.grew);
        let fail = move |Args(how): Args<String>, outbox: Outbox| {
            let (options, grew) = (options.clone(), Arc::clone(&grew));
            async move {
                let words = stream::iter(["some ", "words"]).map(Ok::<_, BoxError>);
                let panics = how == "panic";
                let failure = stream::once(async move {
                    after_secs(3).await;
                    assert!(!panics, "the model is gone");
                    Err("the model is gone".into())
                });
                let words = match how.as_str() {
                    "early" => stream::once(async { Err("no model".into()) }).boxed(),
                    _ => words.chain(failure).boxed(),
                };
                let grown = outbox.grow_with(&options, words).await?;
                grew.lock().unwrap().push(grown);
                Ok::<_, BoxError>(())
            }
        };
        let options = self.options.clone();
        let greet = move |outbox: Outbox| {
            let options = options.clone();
            let pieces =
                stream::iter(["@ann @bo", "b @a", "ll @he", "re @annabel"]).then(|piece| async move {
                    after_secs(2).await;
                    piece
                });
            async move { outbox.grow_with(&options, pieces).await.map(drop) }
        };
        let router = Router::new()
            .command("say", say.clone())
            .command("long", route(say).no_timeout())
            .command("fail", fail)
            .command("greet", greet)
            .command("stop", growing::stop())
            .command("ping", || async { "pong" });
        ServiceBuilder::new()
            .layer(CommandLayer::new("!"))
            .layer(TimeoutLayer::new(Duration::from_secs(100)))
            .service(router)
    }
}

fn texts(chat: &Chat) -> Vec<String> {
    chat.said("general")
}

/// All edits and posts over the whole time, by endpoint.
fn calls(sandbox: &Sandbox, endpoint: &str) -> u64 {
    let requests = sandbox.requests();
    requests
        .iter()
        .filter(|(name, _)| name.contains(endpoint))
        .map(|(_, count)| count)
        .sum()
}

/// Whether the bot was shown as typing, each time that was said.
fn typing(sandbox: &Sandbox) -> Vec<bool> {
    let frames = sandbox.frames_from_clients();
    let calls = frames.iter().filter_map(|frame| {
        let Inbound::Frame { text, .. } = frame else {
            return None;
        };
        let frame: Value = serde_json::from_str(text).ok()?;
        frame["params"][0].as_str()?.strip_suffix("/user-activity")?;
        Some(!frame["params"][2].as_array()?.is_empty())
    });
    calls.collect()
}

#[tokio::test(start_paused = true)]
async fn it_is_posted_early_and_edited_as_text_comes() {
    let setting = Setting::new(GrowOptions::new());
    let chat = Chat::with(setting.app()).await;
    let asked = chat.sandbox.user("ann").say("general", "!say 50 500").await;
    after_secs(2).await;
    let early = texts(&chat);
    assert_eq!(early.len(), 1);
    assert!(
        early[0].starts_with("word0") && !early[0].contains("word9"),
        "{early:?}"
    );
    // The room goes on.
    assert_eq!(chat.ask("!ping").await, ["pong"]);
    after_secs(30).await;
    let said = chat.after_message("general", &asked);
    assert_eq!(said[0].text, whole(50));
    assert_eq!(said.len(), 2);
    assert_eq!(setting.endings(), [Ending::Complete]);
    let edits = calls(&chat.sandbox, "chat.update");
    assert!((20..=26).contains(&edits), "{edits} edits in 25 seconds");
}

#[tokio::test(start_paused = true)]
async fn typing_is_shown_until_the_first_words() {
    for (placeholder, expected) in [(None, vec![true, true, false]), (Some("…"), Vec::new())] {
        let mut options = GrowOptions::new();
        if let Some(text) = placeholder {
            options = options.placeholder(text);
        }
        let setting = Setting::new(options);
        let chat = Chat::with(setting.app()).await;
        chat.sandbox.forget_frames();
        let said = chat.ask("!say 2 12000").await;
        assert_eq!(said, placeholder.into_iter().collect::<Vec<_>>());
        after_secs(60).await;
        assert_eq!(typing(&chat.sandbox), expected);
        assert_eq!(texts(&chat), [whole(2)]);
    }
}

/// `|` is a character without width.
#[tokio::test(start_paused = true)]
async fn whom_it_mentions_is_what_the_bot_allows() {
    let none = AllowedMentions::none;
    for (allowed, expected, mentioned) in [
        (
            AllowedMentions::default(),
            "@ann @bob @|all @|here @annabel",
            &["ann", "bob"][..],
        ),
        (none(), "@|ann @|bob @|all @|here @|annabel", &[]),
        (
            AllowedMentions::author(),
            "@ann @|bob @|all @|here @|annabel",
            &["ann"],
        ),
        (
            AllowedMentions::users(["bob"]),
            "@|ann @bob @|all @|here @|annabel",
            &["bob"],
        ),
        (
            none().and_groups(),
            "@|ann @|bob @all @here @|annabel",
            &["all", "here"],
        ),
    ] {
        let setting = Setting::new(GrowOptions::new());
        let sandbox = people().start_in_memory();
        sandbox.set_room_role("general", "rocketbotte", "owner").unwrap();
        let configure = |bot: rocketbotte::BotBuilder| bot.allow_mentions(allowed.clone());
        let chat = Chat::of(&sandbox, "rocketbotte", configure, setting.app()).await;
        let asked = sandbox.user("ann").say("general", "!greet").await;
        after_secs(30).await;
        let said = chat.after_message("general", &asked);
        let texts: Vec<_> = said.iter().map(|message| message.text.as_str()).collect();
        assert_eq!(texts, [expected.replace('|', "\u{200B}")], "{allowed:?}");
        let mentions = said[0].raw["mentions"].as_array().unwrap().iter();
        let names: Vec<_> = mentions
            .map(|mention| mention["username"].as_str().unwrap())
            .collect();
        assert_eq!(names, mentioned, "{allowed:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_without_text_says_nothing() {
    for options in [GrowOptions::new(), GrowOptions::new().placeholder("one moment")] {
        let setting = Setting::new(options);
        let chat = Chat::with(setting.app()).await;
        chat.ask("!say 0 0").await;
        after_secs(5).await;
        assert!(texts(&chat).is_empty());
        assert_eq!(setting.endings(), [Ending::Complete]);
    }
}

/// Ten calls of each kind in a minute: a bot without the role that lifts the limits.
fn limited() -> SandboxBuilder {
    Sandbox::builder()
        .user("ann")
        .user("bob")
        .user_with(rocketbotte::sandbox::UserSpec::new("rocketbotte"))
        .version("8.0.0")
        .rate_limits(true)
}

#[tokio::test(start_paused = true)]
async fn with_ten_edits_a_minute_it_ends_with_the_whole_text() {
    for (words, millis, minutes) in [(300, 500, 5), (2000, 1, 5), (9000, 5, 8), (20, 1000, 2)] {
        let setting = Setting::new(GrowOptions::new());
        let chat = Chat::of(
            &limited().start_in_memory(),
            "rocketbotte",
            |bot| bot,
            setting.app(),
        )
        .await;
        let ann = chat.sandbox.user("ann");
        ann.say("general", &format!("!long {words} {millis}")).await;
        after_secs(u64::try_from(words).unwrap() * millis / 1000 + 4).await;
        let is_whole = || texts(&chat).join(" ") == whole(words);
        if words < 1000 {
            // An edit is left for the end: it need not wait for the next minute.
            assert!(is_whole(), "{words} words at once: {:?}", texts(&chat));
        }
        after_secs(60 * minutes).await;
        assert!(is_whole(), "{words} words");
        assert_eq!(setting.endings(), [Ending::Complete]);
        assert_eq!(chat.sandbox.refused_by_limits(), 0);
        chat.handle.shutdown();
        chat.serving.await.unwrap().unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_too_long_for_a_message_becomes_several() {
    let setting = Setting::new(GrowOptions::new());
    let chat = Chat::with(setting.app()).await;
    chat.ask("!say 6000 2").await;
    after_secs(60).await;
    let said = texts(&chat);
    assert!(said.concat().len() > 50_000 && said.len() > 10, "{}", said.len());
    assert!(said.iter().all(|text| text.len() <= 5000));
    assert_eq!(said.join(" "), whole(6000));
    assert_eq!(setting.grew.lock().unwrap()[0].messages.len(), said.len());
}

#[tokio::test(start_paused = true)]
async fn what_is_longer_than_the_bound_is_cut_with_a_note() {
    let setting = Setting::new(GrowOptions::new().max_messages(2));
    let chat = Chat::with(setting.app()).await;
    chat.ask("!say 6000 2").await;
    after_secs(60).await;
    let said = texts(&chat);
    assert_eq!(said.len(), 2);
    assert!(
        said[1].ends_with("_Cut: the rest is too long for the chat._"),
        "{}",
        said[1]
    );
    assert!(setting.dropped.load(Ordering::Relaxed));
    assert_eq!(setting.endings(), [Ending::TooLong]);
}

#[tokio::test(start_paused = true)]
async fn it_can_be_stopped() {
    for (how, note, ending) in [
        ("command", "\n\n_Stopped._", Ending::Stopped),
        ("command in the thread", "\n\n_Stopped._", Ending::Stopped),
        ("reaction to the reply", "\n\n_Stopped._", Ending::Stopped),
        ("reaction to the question", "\n\n_Stopped._", Ending::Stopped),
        (
            "deletion",
            "\n\n_Stopped: the question was deleted._",
            Ending::QuestionDeleted,
        ),
        ("deletion of the reply", "", Ending::ReplyDeleted),
    ] {
        let is_in_thread = how == "command in the thread";
        let mut options = GrowOptions::new();
        if is_in_thread {
            options = options.in_thread(Thread::Always);
        }
        let setting = Setting::new(options);
        let sandbox = people()
            .setting("Message_ShowDeletedStatus", true)
            .start_in_memory();
        let chat = Chat::on(&sandbox, setting.app()).await;
        let (ann, bob) = (sandbox.user("ann"), sandbox.user("bob"));
        let asked = ann.say("general", "!say 100 500").await;
        after_secs(3).await;
        let reply = chat.after_message("general", &asked).remove(0);
        // Others can't.
        bob.say("general", "!stop").await;
        bob.react(&reply.id, ":x:").await;
        ann.react(&reply.id, ":+1:").await;
        after_secs(2).await;
        assert!(setting.endings().is_empty(), "{how}");
        match how {
            "command" => drop(ann.say("general", "!stop").await),
            "command in the thread" => drop(ann.reply("general", &asked, "!stop").await),
            "reaction to the reply" => ann.react(&reply.id, ":x:").await,
            "reaction to the question" => ann.react(&asked, ":octagonal_sign:").await,
            "deletion" => ann.delete(&asked).await,
            _ => sandbox.bot("rocketbotte").delete(&reply.id).await,
        }
        after(Duration::from_millis(200)).await;
        assert_eq!(setting.endings(), [ending], "{how}");
        assert!(
            setting.dropped.load(Ordering::Relaxed),
            "{how}: the stream is dropped"
        );
        let text = sandbox.message(&reply.id).unwrap().text;
        if !note.is_empty() {
            assert!(
                text.starts_with("word0 ") && text.ends_with(note),
                "{how}: {text}"
            );
        }
        after_secs(60).await;
        assert_eq!(sandbox.message(&reply.id).unwrap().text, text, "{how}");
        let nothing = chat
            .said("general")
            .iter()
            .filter(|text| *text == "There is nothing to stop.")
            .count();
        assert_eq!(nothing, 1, "{how}: only bob reads that");
    }
}

#[tokio::test(start_paused = true)]
async fn a_question_that_is_deleted_before_the_first_words_gets_no_reply() {
    let setting = Setting::new(GrowOptions::new());
    let sandbox = people()
        .setting("Message_ShowDeletedStatus", true)
        .start_in_memory();
    let chat = Chat::on(&sandbox, setting.app()).await;
    let ann = sandbox.user("ann");
    let asked = ann.say("general", "!say 10 5000").await;
    after_secs(1).await;
    ann.delete(&asked).await;
    after_secs(60).await;
    assert!(chat.said("general").is_empty());
    assert_eq!(setting.endings(), [Ending::QuestionDeleted]);
}

#[tokio::test(start_paused = true)]
async fn a_newer_question_waits_or_cancels() {
    for (newer, expected, endings) in [
        (
            Newer::Queues,
            [whole(20), whole(3)],
            [Ending::Complete, Ending::Complete],
        ),
        (
            Newer::Cancels,
            [
                "word0 word1 word2\n\n_Stopped: there is a newer question._".to_owned(),
                whole(3),
            ],
            [Ending::NewerQuestion, Ending::Complete],
        ),
    ] {
        for place in ["room", "thread", "threads of their own"] {
            let mut options = GrowOptions::new().newer(newer);
            if place == "threads of their own" {
                options = options.in_thread(Thread::Always);
            }
            let in_thread = place == "thread";
            let setting = Setting::new(options);
            let chat = Chat::with(setting.app()).await;
            let (ann, bob) = (chat.sandbox.user("ann"), chat.sandbox.user("bob"));
            let root = ann.say("general", "a thread").await;
            let ask = async |who: &rocketbotte::sandbox::SandboxUser, text: &str| {
                if in_thread {
                    who.reply("general", &root, text).await
                } else {
                    who.say("general", text).await
                }
            };
            ask(&ann, "!say 20 500").await;
            after(Duration::from_millis(1600)).await;
            // In a thread it does not matter who asks: it is one talk.
            ask(if in_thread { &bob } else { &ann }, "!say 3 500").await;
            after_secs(30).await;
            assert_eq!(texts(&chat), expected, "{newer:?} in {place}");
            assert_eq!(setting.endings(), endings);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_newer_question_in_the_thread_of_an_answer_cancels_it() {
    let setting = Setting::new(GrowOptions::new().newer(Newer::Cancels).in_thread(Thread::Always));
    let chat = Chat::with(setting.app()).await;
    let ann = chat.sandbox.user("ann");
    let first = ann.say("general", "!say 20 500").await;
    after(Duration::from_millis(1600)).await;
    ann.reply("general", &first, "!say 3 500").await;
    after_secs(30).await;
    assert_eq!(setting.endings(), [Ending::NewerQuestion, Ending::Complete]);
    assert_eq!(texts(&chat)[1..], [whole(3)]);
}

#[tokio::test(start_paused = true)]
async fn who_asks_too_much_reads_it_and_others_are_answered() {
    for (is_in_threads, most) in [(false, 8), (true, 32)] {
        let setting = Setting::new(GrowOptions::new());
        let chat = Chat::with(setting.app()).await;
        let (ann, bob) = (chat.sandbox.user("ann"), chat.sandbox.user("bob"));
        for n in 0..40 {
            match is_in_threads {
                true => {
                    let root = ann.say("general", "a thread").await;
                    ann.reply("general", &root, "!long 1000 500").await
                }
                false => ann.say("general", "!long 1000 500").await,
            };
            after(Duration::from_millis(50)).await;
            assert_eq!(setting.runs.load(Ordering::Relaxed), n + 1);
        }
        let said = || chat.sandbox.messages("general").into_iter();
        let busy =
            said().filter(|message| message.text == "I'm busy right now, please try again in a moment.");
        assert_eq!(busy.count(), 40 - most, "in threads: {is_in_threads}");
        let asked = bob.say("general", "!say 3 10").await;
        after_secs(5).await;
        let answer = said().skip_while(|message| message.id != asked);
        assert!(answer.into_iter().any(|message| message.text == whole(3)));
        chat.handle.shutdown();
        after_secs(60).await;
    }
}

#[tokio::test(start_paused = true)]
async fn the_deletion_of_a_question_is_heard_where_the_bot_asks_for_deletions() {
    for (per_room, ending) in [
        (PerRoom::new(), Ending::Complete),
        (PerRoom::new().deletions(), Ending::QuestionDeleted),
    ] {
        let setting = Setting::new(GrowOptions::new());
        let sandbox = people().start_in_memory();
        let configure = |bot: rocketbotte::BotBuilder| bot.per_room(per_room);
        let _chat = Chat::of(&sandbox, "rocketbotte", configure, setting.app()).await;
        after_secs(5).await;
        let asked = sandbox.user("ann").say("general", "!say 20 500").await;
        after_secs(3).await;
        sandbox.user("ann").delete(&asked).await;
        after_secs(30).await;
        assert_eq!(setting.endings(), [ending]);
    }
}

#[tokio::test(start_paused = true)]
async fn two_people_in_a_room_are_answered_side_by_side() {
    let setting = Setting::new(GrowOptions::new().newer(Newer::Cancels));
    let chat = Chat::with(setting.app()).await;
    chat.sandbox.user("ann").say("general", "!say 20 500").await;
    chat.sandbox.user("bob").say("general", "!say 20 500").await;
    after_secs(12).await;
    assert_eq!(texts(&chat), [whole(20), whole(20)]);
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_fails_leaves_its_text_and_a_reference() {
    for (how, begins) in [
        ("late", "some words\n\n"),
        ("early", ""),
        ("panic", "some words\n\n"),
    ] {
        let setting = Setting::new(GrowOptions::new());
        let chat = Chat::with(setting.app()).await;
        let (log, _guard) = Log::start(tracing::Level::WARN);
        chat.ask(&format!("!fail {how}")).await;
        after_secs(10).await;
        let said = texts(&chat);
        assert_eq!(said.len(), 1, "{said:?}");
        let note = said[0].strip_prefix(begins).unwrap();
        let reference = note
            .strip_prefix("Something went wrong (ref ")
            .and_then(|rest| rest.strip_suffix(")."))
            .unwrap_or_else(|| panic!("{how}: {note}"));
        assert!(log.text().contains(reference), "{how}: {}", log.text());
        assert_eq!(setting.endings(), [Ending::Failed]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_stop_of_the_bot_ends_it_clean() {
    let setting = Setting::new(GrowOptions::new());
    let chat = Chat::with(setting.app()).await;
    chat.ask("!say 1000 500").await;
    after_secs(5).await;
    chat.handle.shutdown();
    let report = tokio::time::timeout(Duration::from_secs(10), chat.serving)
        .await
        .unwrap()
        .unwrap()
        .unwrap();
    assert!(report.is_complete(), "{report:?}");
    let said = chat.sandbox.messages("general").pop().unwrap().text;
    assert!(
        said.contains("word15") && said.ends_with("\n\n_Stopped: the bot is shutting down._"),
        "{said}"
    );
    assert_eq!(setting.endings(), [Ending::Shutdown]);
}

#[tokio::test(start_paused = true)]
async fn what_ends_soon_is_not_cut_off_by_a_stop() {
    let setting = Setting::new(GrowOptions::new());
    let chat = Chat::with(setting.app()).await;
    chat.ask("!say 8 500").await;
    chat.handle.shutdown();
    chat.serving.await.unwrap().unwrap();
    assert_eq!(chat.sandbox.messages("general").pop().unwrap().text, whole(8));
}

#[tokio::test(start_paused = true)]
async fn the_time_of_the_route_counts_unless_it_has_none() {
    let setting = Setting::new(GrowOptions::new());
    let chat = Chat::with(setting.app()).await;
    chat.ask("!say 300 1000").await;
    chat.sandbox.user("bob").say("general", "!long 300 1000").await;
    after_secs(400).await;
    let said = texts(&chat);
    assert_eq!(said.len(), 3, "{said:?}");
    assert!(
        said[0].contains("word90") && said[0].ends_with("\n\n_Stopped: it took too long._"),
        "{}",
        said[0]
    );
    assert_eq!(said[1], whole(300));
    assert!(said[2].contains("Something went wrong"), "{}", said[2]);
}

/// The chain that the bot's messages are, in whatever order they were posted.
fn chain(sandbox: &Sandbox) -> String {
    let messages = sandbox.messages("general").into_iter();
    let texts: Vec<String> = messages
        .filter(|message: &SandboxMessage| message.username == "rocketbotte")
        .map(|message| message.text)
        .collect();
    texts.join(" ")
}

#[tokio::test(start_paused = true)]
async fn trouble_makes_no_second_chain() {
    for fault in [
        RestFault::LoseReply,
        RestFault::HalfReply,
        RestFault::Status(500),
        RestFault::Status(503),
        RestFault::Proxy(502),
        RestFault::CloseBeforeActing,
        RestFault::TooManyRequests {
            reset_after: Duration::from_secs(20),
        },
    ] {
        let setting = Setting::new(GrowOptions::new());
        let chat = Chat::with(setting.app()).await;
        chat.sandbox.fail_next("chat.sendMessage", fault.clone());
        chat.ask("!long 2500 10").await;
        for _ in 0..3 {
            chat.sandbox.fail_next("chat.update", fault.clone());
            after_secs(7).await;
        }
        chat.sandbox.fail_next("chat.sendMessage", fault.clone());
        after_secs(200).await;
        assert!(chain(&chat.sandbox) == whole(2500), "{fault:?}");
        assert_eq!(setting.endings(), [Ending::Complete], "{fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_bot_that_is_killed_goes_on_with_the_same_messages() {
    // The second run says as much as the first would have said, or less than it had said.
    for (seconds, words, expected) in [
        (3, 2500, 2500),
        (15, 2500, 2500),
        (24, 2500, 2500),
        (24, 2507, 1253),
    ] {
        let (sandbox, journal) = (people().start_in_memory(), MemoryJournal::new());
        let setting = Setting::new(GrowOptions::new());
        let bot = bot_in(&sandbox, "rocketbotte")
            .journal(journal.clone())
            .build()
            .unwrap();
        let serving = tokio::spawn(bot.serve(setting.app()));
        after_secs(1).await;
        let first = sandbox
            .user("ann")
            .say("general", &format!("!say {words} 10"))
            .await;
        after_secs(seconds).await;
        let before = sandbox.messages("general");
        let reply = before
            .iter()
            .find(|message| message.username == "rocketbotte")
            .unwrap();
        assert!(setting.endings().is_empty());
        // As a process that is killed: nothing more is said.
        serving.abort();
        assert!(serving.await.unwrap_err().is_cancelled());

        let configure = |bot: rocketbotte::BotBuilder| bot.journal(journal.clone());
        let chat = Chat::of(&sandbox, "rocketbotte", configure, setting.app()).await;
        after_secs(60).await;
        assert!(chain(&sandbox) == whole(expected), "{seconds} {words}");
        assert_eq!(chat.after_message("general", &first)[0].id, reply.id);
        assert_eq!(setting.runs.load(Ordering::Relaxed), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn where_it_may_not_be_edited_it_goes_on_in_another_message() {
    let setting = Setting::new(GrowOptions::new());
    let chat = Chat::with(setting.app()).await;
    chat.ask("!say 40 500").await;
    after_secs(5).await;
    let blocked = r#"{"success":false,"error":"Message editing blocked [error-message-editing-blocked]","errorType":"error-message-editing-blocked"}"#;
    chat.sandbox
        .fail_next("chat.update", RestFault::Body(400, blocked.to_owned()));
    after_secs(30).await;
    let said = texts(&chat);
    assert_eq!(said.len(), 2, "{said:?}");
    assert_eq!(chain(&chat.sandbox), whole(40));
}

/// Edits may be switched off altogether: then the text comes in whole messages, and all of it.
#[tokio::test(start_paused = true)]
async fn where_nothing_may_be_edited_it_comes_in_few_messages() {
    let off = r#"{"success":false,"error":"Message editing not allowed [error-action-not-allowed]","errorType":"error-action-not-allowed"}"#;
    for (options, most) in [(GrowOptions::new(), 2), (GrowOptions::new().placeholder("…"), 2)] {
        let setting = Setting::new(options);
        let chat = Chat::with(setting.app()).await;
        for _ in 0..1000 {
            chat.sandbox
                .fail_next("chat.update", RestFault::Body(400, off.to_owned()));
        }
        chat.ask("!say 120 500").await;
        after_secs(90).await;
        let said = texts(&chat);
        assert!(said.len() <= most + 1, "{} messages: {said:?}", said.len());
        let words = said.join(" ");
        assert!(words.ends_with(&whole(120)[whole(120).len() - 40..]), "{words}");
        for word in 0..120 {
            assert!(
                words.contains(&format!("word{word}")),
                "word{word} is missing in {words}"
            );
        }
        assert!(calls(&chat.sandbox, "chat.update") <= 2);
        assert_eq!(setting.endings(), [Ending::Complete]);
    }
}

#[tokio::test(start_paused = true)]
async fn what_the_server_refuses_to_post_is_an_error() {
    let setting = Setting::new(GrowOptions::new());
    let chat = Chat::with(setting.app()).await;
    chat.sandbox.fail_next("chat.sendMessage", RestFault::Status(403));
    chat.ask("!say 3 10").await;
    after_secs(10).await;
    let said = texts(&chat);
    assert!(
        said.len() == 1 && said[0].starts_with("Something went wrong"),
        "{said:?}"
    );
    assert!(setting.endings().is_empty());
}
