//! What people in the room see by default: one test for each case, against the sandbox over pipes, in paused time.
#![cfg(all(feature = "client", feature = "sandbox", feature = "test-util"))]
#![allow(clippy::unwrap_used, reason = "a test ends by it")]

mod support;

use std::sync::Arc;
use std::time::Duration;

use rocketbotte::command::CommandLayer;
use rocketbotte::event::{EventKind, Message};
use rocketbotte::extract::{Args, Quoted};
use rocketbotte::handler::route;
use rocketbotte::layer::rate_limit::RateLimitLayer;
use rocketbotte::layer::require::RequireLayer;
use rocketbotte::response::{Send, Thread};
use rocketbotte::sandbox::{Sandbox, UserSpec};
use rocketbotte::{BoxError, Request, Response, Router};
use serde_json::json;
use tower::{Service, ServiceBuilder};

use self::support::chat::{Chat, people};
use self::support::{Log, after_secs};

const NOTHING: [&str; 0] = [];

async fn ping(Args(text): Args<String>) -> String {
    format!("pong {text}")
}

async fn roll(Args((count, sides)): Args<(u32, u32)>) -> String {
    format!("{count} dice of {sides}")
}

async fn boom() -> &'static str {
    panic!("the disk is on fire")
}

async fn fail() -> Result<&'static str, BoxError> {
    Err("the disk is on fire".into())
}

async fn hang() -> &'static str {
    std::future::pending().await
}

async fn echo(message: Arc<Message>) -> String {
    format!("heard {}", message.text())
}

/// Takes a second more than a reply may be late.
async fn slow() -> &'static str {
    after_secs(61).await;
    "at last"
}

fn commands() -> Router {
    Router::new().command("ping", ping).command("roll", roll).help()
}

/// The stack of the bare line.
fn bare(
    router: Router,
) -> impl Service<Request, Response = Response, Error = BoxError, Future: std::marker::Send> + std::marker::Send
{
    ServiceBuilder::new()
        .layer(CommandLayer::new("!"))
        .service(router)
}

#[tokio::test(start_paused = true)]
async fn an_unknown_command_in_a_channel_is_met_with_silence() {
    let chat = Chat::with(bare(commands())).await;
    assert_eq!(chat.ask("!pong").await, NOTHING);
    assert_eq!(chat.ask("!").await, NOTHING);
    assert_eq!(chat.ask("!ping").await, ["pong "], "it is there, though");
}

#[tokio::test(start_paused = true)]
async fn an_unknown_command_by_mention_gets_the_nearest_one_and_help() {
    let chat = Chat::with(bare(commands())).await;
    let line =
        "I don't know `pin`. Did you mean `@rocketbotte ping`? Say `@rocketbotte help` for what I can do.";
    assert_eq!(chat.ask("@rocketbotte pin").await, [line]);
    let line = "I don't know `dance`. Say `@rocketbotte help` for what I can do.";
    assert_eq!(chat.ask("@rocketbotte dance").await, [line]);
}

#[tokio::test(start_paused = true)]
async fn an_unknown_command_in_a_direct_message_gets_the_nearest_one_and_help() {
    let chat = Chat::with(bare(commands())).await;
    let room = chat.sandbox.user("ann").direct(&["rocketbotte"]).await;
    let line = "I don't know `pin`. Did you mean `!ping`? Say `!help` for what I can do.";
    assert_eq!(chat.ask_in(&room, "!pin").await, [line]);
    // Of three people in a direct conversation the others may mean each other.
    let room = chat.sandbox.user("ann").direct(&["rocketbotte", "bob"]).await;
    assert_eq!(chat.ask_in(&room, "!pin").await, NOTHING);
    assert_eq!(chat.ask_in(&room, "!ping").await, ["pong "]);
}

#[tokio::test(start_paused = true)]
async fn a_bare_mention_gets_the_help_line() {
    let chat = Chat::with(bare(commands())).await;
    for text in ["@rocketbotte", "@rocketbotte:", " @rocketbotte "] {
        assert_eq!(
            chat.ask(text).await,
            ["Say `@rocketbotte help` for what I can do."],
            "{text:?}"
        );
    }
    let help = chat.ask("@rocketbotte help").await;
    assert!(help[0].contains("ping") && help[0].contains("roll"), "{help:?}");
}

#[tokio::test(start_paused = true)]
async fn bad_arguments_get_a_sentence_and_the_usage() {
    let chat = Chat::with(bare(commands())).await;
    for text in ["!roll two 6", "!roll 2", "!roll 2 6 7"] {
        let replies = chat.ask(text).await;
        assert_eq!(replies.len(), 1, "{replies:?}");
        let lines: Vec<_> = replies[0].lines().collect();
        assert_eq!(lines.len(), 2, "{replies:?}");
        assert!(lines[0].ends_with('.'), "{replies:?}");
        assert!(lines[1].contains("!roll <number> <number>"), "{replies:?}");
    }
    assert_eq!(chat.ask("!roll 2 6").await, ["2 dice of 6"]);
}

#[tokio::test(start_paused = true)]
async fn who_is_not_permitted_gets_one_neutral_sentence() {
    let router = Router::new()
        .command("deploy", ping)
        .route_layer(RequireLayer::users(["somebody-else"]))
        .command("ping", ping);
    let chat = Chat::with(bare(router)).await;
    assert_eq!(
        chat.ask("!deploy").await,
        ["You are not allowed to do this here."]
    );
    assert_eq!(chat.ask("!ping").await, ["pong "]);
}

#[tokio::test(start_paused = true)]
async fn who_asks_too_often_gets_one_reply_and_then_silence() {
    let limit = RateLimitLayer::per_user(2, Duration::from_secs(60));
    let app = ServiceBuilder::new()
        .layer(CommandLayer::new("!"))
        .layer(limit.clone())
        .service(commands().on_message(|| async { "heard" }));
    let chat = Chat::with(app).await;
    for _ in 0..2 {
        assert_eq!(chat.ask("!ping").await, ["pong ", "heard"]);
    }
    let refused = chat.ask("!ping").await;
    assert_eq!(refused.len(), 2, "{refused:?}");
    assert!(refused[1].contains("second"), "{refused:?}");
    assert_eq!(chat.ask("!ping").await, ["heard"]);
    assert_eq!(chat.ask("!unknown").await, ["heard"]);
    assert_eq!(limit.rejected(), 2);
    // Another person has a bucket of their own.
    let asked = chat.sandbox.user("bob").say("general", "!ping").await;
    after_secs(60).await;
    assert_eq!(chat.after_message("general", &asked)[0].text, "pong ");
    assert_eq!(chat.ask("!ping").await, ["pong ", "heard"]);
}

#[tokio::test(start_paused = true)]
async fn a_command_that_fails_says_so_and_the_cause_is_only_in_the_log() {
    let (log, _guard) = Log::start(tracing::Level::ERROR);
    let router = Router::new()
        .command("boom", boom)
        .command("fail", fail)
        .command("hang", route(hang).timeout(Duration::from_millis(500)));
    let chat = Chat::with(bare(router)).await;
    for text in ["!boom", "!fail", "!hang"] {
        let replies = chat.ask(text).await;
        assert_eq!(replies.len(), 1, "{text}: {replies:?}");
        let reference = replies[0]
            .strip_prefix("Something went wrong (ref ")
            .and_then(|rest| rest.strip_suffix(")."))
            .unwrap();
        assert_eq!(reference.len(), 4, "{reference}");
        assert!(log.text().contains(reference), "{}", log.text());
    }
    assert_eq!(
        log.text().matches("the disk is on fire").count(),
        2,
        "{}",
        log.text()
    );
}

#[tokio::test(start_paused = true)]
async fn a_listener_that_fails_says_nothing() {
    let (log, _guard) = Log::start(tracing::Level::ERROR);
    let router = Router::new()
        .on_message(boom)
        .on_message(fail)
        .on_message(route(hang).timeout(Duration::from_millis(500)))
        .on_command(boom);
    let chat = Chat::with(bare(router)).await;
    assert_eq!(chat.ask("hello").await, NOTHING);
    assert_eq!(chat.ask("!unknown").await, NOTHING);
    assert_eq!(
        log.text().matches("the disk is on fire").count(),
        5,
        "{}",
        log.text()
    );
}

#[tokio::test(start_paused = true)]
async fn a_reply_goes_where_it_was_asked_and_mentions_nobody() {
    let chat = Chat::with(bare(commands())).await;
    assert_eq!(chat.ask("!ping").await, ["pong "]);
    let root = chat.sandbox.user("ann").say("general", "a topic").await;
    let asked = chat
        .sandbox
        .user("ann")
        .reply("general", &root, "!ping in a thread")
        .await;
    after_secs(1).await;
    let replies = chat.after_message("general", &asked);
    assert_eq!(replies.len(), 1);
    assert_eq!(replies[0].thread_id.as_ref(), Some(&root));
    assert_eq!(replies[0].text, "pong in a thread");
    let in_room: Vec<_> = chat
        .sandbox
        .messages("general")
        .into_iter()
        .filter(|message| message.username == "rocketbotte" && message.thread_id.is_none())
        .collect();
    assert_eq!(in_room.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_reply_can_always_go_into_a_thread_or_never() {
    let router = Router::new()
        .command("always", || async {
            Send::text("always").in_thread(Thread::Always)
        })
        .command("never", || async { Send::text("never").in_thread(Thread::Never) });
    let chat = Chat::with(bare(router)).await;
    let ann = chat.sandbox.user("ann");
    let asked = ann.say("general", "!always").await;
    let inside = ann.reply("general", &asked, "!always").await;
    let outside = ann.reply("general", &asked, "!never").await;
    after_secs(1).await;
    let threads: Vec<_> = chat
        .after_message("general", &asked)
        .into_iter()
        .map(|message| (message.text, message.thread_id))
        .collect();
    assert_eq!(
        threads
            .iter()
            .filter(|(text, thread)| text == "always" && thread.as_ref() == Some(&asked))
            .count(),
        2,
        "{threads:?} {inside} {outside}"
    );
    assert!(threads.contains(&("never".to_owned(), None)), "{threads:?}");
}

#[tokio::test(start_paused = true)]
async fn a_late_reply_quotes_what_it_answers() {
    let chat = Chat::with(bare(commands().command("slow", slow))).await;
    let asked = chat.sandbox.user("ann").say("general", "!slow").await;
    assert_eq!(chat.ask("!ping").await, NOTHING, "the room waits for a moment");
    after_secs(5).await;
    assert_eq!(chat.said("general"), ["pong "]);
    after_secs(60).await;
    let reply = chat.said("general").pop().unwrap();
    let link = format!("[ ]({}/channel/general?msg={asked}) ", chat.sandbox.url());
    assert_eq!(reply, format!("{link}at last"));
}

#[tokio::test(start_paused = true)]
async fn an_edit_is_no_command() {
    let chat = Chat::with(bare(commands().on_message(echo))).await;
    let ann = chat.sandbox.user("ann");
    let asked = ann.say("general", "!pin").await;
    after_secs(1).await;
    ann.edit(&asked, "!ping").await;
    after_secs(1).await;
    assert_eq!(chat.said("general"), ["heard !pin"]);
}

#[tokio::test(start_paused = true)]
async fn an_edit_is_a_command_where_that_is_asked_for() {
    let app = ServiceBuilder::new()
        .layer(CommandLayer::new("!").edits(true))
        .service(commands());
    let chat = Chat::with(app).await;
    let ann = chat.sandbox.user("ann");
    let asked = ann.say("general", "!pin").await;
    after_secs(1).await;
    ann.edit(&asked, "!ping").await;
    after_secs(1).await;
    assert_eq!(chat.said("general"), ["pong "]);
}

#[tokio::test(start_paused = true)]
async fn the_reply_to_a_question_that_was_deleted_is_dropped() {
    let sandbox = people()
        .setting("Message_ShowDeletedStatus", true)
        .start_in_memory();
    let chat = Chat::on(&sandbox, bare(commands().command("slow", slow))).await;
    let ann = sandbox.user("ann");
    let asked = ann.say("general", "!slow").await;
    after_secs(2).await;
    ann.delete(&asked).await;
    after_secs(70).await;
    assert_eq!(chat.said("general"), NOTHING);
    assert_eq!(chat.handle.counters().withdrawn, 1);
}

#[tokio::test(start_paused = true)]
async fn a_command_that_listeners_hear_too_runs_them_all() {
    let router = Router::new()
        .on_message(echo)
        .command("ping", ping)
        .on_command(|| async { "a command" })
        .on_message(|| async { "me too" });
    let chat = Chat::with(bare(router)).await;
    assert_eq!(
        chat.ask("!ping").await,
        ["heard !ping", "pong ", "a command", "me too"]
    );
    assert_eq!(
        chat.ask("!unknown").await,
        ["heard !unknown", "a command", "me too"]
    );
    assert_eq!(chat.ask("hello").await, ["heard hello", "me too"]);
}

#[tokio::test(start_paused = true)]
async fn bots_are_not_heard_and_ours_are_marked() {
    let chat = Chat::with(bare(commands().on_message(echo))).await;
    let bot = chat.sandbox.user("bob");
    for text in ["!ping", "hello", "@rocketbotte"] {
        let marked = json!({"rid": "general", "msg": text, "bot": {"i": "another"}});
        bot.post(marked).await;
        chat.sandbox.bot("rocketbotte").say("general", text).await;
    }
    after_secs(1).await;
    let own: Vec<_> = chat.said("general");
    assert_eq!(own, ["!ping", "hello", "@rocketbotte"], "what was said by hand");
    let asked = chat.sandbox.user("ann").say("general", "!ping").await;
    after_secs(1).await;
    for reply in chat.after_message("general", &asked) {
        assert_eq!(reply.raw["bot"], json!({"i": "rocketbotte"}));
    }
}

#[tokio::test(start_paused = true)]
async fn bots_that_hear_each_other_stop_after_ten_replies() {
    let sandbox = Sandbox::builder()
        .user("ann")
        .bot("one")
        .bot("two")
        .start_in_memory();
    let app = || bare(Router::new().on_message(route(echo).from_bots()));
    // Each hears itself too, as it asked for.
    let one = Chat::of(&sandbox, "one", |bot| bot, app()).await;
    let two = Chat::of(&sandbox, "two", |bot| bot, app()).await;
    sandbox.user("ann").say("general", "hello").await;
    after_secs(5).await;
    for bot in [&one, &two] {
        assert!(bot.handle.counters().loops_broken > 0);
    }
    // To Ann once, to each of the two bots ten times.
    assert_eq!(one.said("general").len(), 21);
    assert_eq!(two.said("general").len(), 21);
}

#[tokio::test(start_paused = true)]
async fn all_and_here_are_neutralised_unless_the_action_allows_them() {
    let router = || {
        Router::new()
            .command("all", || async { "@all hands, @here and @ALL" })
            .command("allowed", || async {
                Send::text("@all hands").allow_group_mentions()
            })
    };
    // The account may not mention groups: the server would refuse the whole message.
    let sandbox = Sandbox::builder()
        .user("ann")
        .user_with(UserSpec::new("rocketbotte").roles(["bot"]))
        .start_in_memory();
    let chat = Chat::on(&sandbox, bare(router())).await;
    assert_eq!(
        chat.ask("!all").await,
        ["@\u{200B}all hands, @\u{200B}here and @\u{200B}ALL"]
    );
    assert_eq!(chat.ask("!allowed").await, NOTHING);
    assert_eq!(chat.handle.counters().undelivered, 1);
    let chat = Chat::with(bare(router())).await;
    assert_eq!(chat.ask("!allowed").await, ["@all hands"]);
}

#[tokio::test(start_paused = true)]
async fn a_command_is_recognised_behind_a_quote_white_space_and_a_mention() {
    async fn quoted(Args(text): Args<String>, Quoted(messages): Quoted) -> String {
        format!("{text} of {messages:?}")
    }
    let chat = Chat::with(bare(commands().command("quoted", quoted))).await;
    for text in [
        "  !ping 7",
        "\n!ping 7",
        "@rocketbotte ping 7",
        "@rocketbotte: ping 7",
        "@rocketbotte, ping 7",
        "@RocketBotte ping 7",
        "[ ](http://localhost/channel/general?msg=abc) !ping 7",
        "[ ](http://localhost/channel/general?msg=abc) @rocketbotte ping 7",
    ] {
        assert_eq!(chat.ask(text).await, ["pong 7"], "{text:?}");
    }
    let replies = chat
        .ask("[ ](http://localhost/channel/general?msg=abc) !quoted this")
        .await;
    assert!(
        replies[0].starts_with("this of ") && replies[0].contains("abc"),
        "{replies:?}"
    );
    // Somebody else is meant.
    for text in ["@rocketbottes ping 7", "@ann ping 7", "ping @rocketbotte"] {
        assert_eq!(chat.ask(text).await, NOTHING, "{text:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_direct_message_needs_no_prefix_with_the_bot_alone_and_for_known_commands() {
    let chat = Chat::with(bare(commands().on_message(echo))).await;
    let ann = chat.sandbox.user("ann");
    let alone = ann.direct(&["rocketbotte"]).await;
    assert_eq!(chat.ask_in(&alone, "ping 7").await, ["pong 7", "heard ping 7"]);
    assert_eq!(
        chat.ask_in(&alone, "good morning").await,
        ["heard good morning"],
        "what is no command is a message"
    );
    let three = ann.direct(&["rocketbotte", "bob"]).await;
    assert_eq!(chat.ask_in(&three, "ping 7").await, ["heard ping 7"]);
    assert_eq!(chat.ask("ping 7").await, ["heard ping 7"]);
}

#[tokio::test(start_paused = true)]
async fn an_encrypted_message_is_an_event_and_a_line_in_the_log() {
    let (log, _guard) = Log::start(tracing::Level::INFO);
    let router = commands()
        .on_message(echo)
        .on(EventKind::Encrypted, || async { "an encrypted message" });
    let chat = Chat::with(bare(router)).await;
    let message = json!({"rid": "general", "msg": "!ping", "t": "e2e"});
    chat.sandbox.user("ann").post(message).await;
    after_secs(1).await;
    assert_eq!(chat.said("general"), ["an encrypted message"]);
    assert_eq!(
        log.text().matches("the room is encrypted").count(),
        1,
        "{}",
        log.text()
    );
}

/// A message in a livechat room, as the server announces it; the sandbox has no such rooms.
fn livechat(text: &str) -> String {
    json!({"msg": "changed", "collection": "stream-room-messages", "id": "id", "fields": {
        "eventName": "__my_messages__",
        "args": [
            {"_id": text, "rid": "LIVECHAT", "msg": text, "ts": {"$date": 1_795_334_400_000_u64},
             "u": {"_id": "visitor", "username": "guest-1"}, "_updatedAt": {"$date": 1_795_334_400_042_u64}},
            {"roomParticipant": true, "roomType": "l"},
        ],
    }})
    .to_string()
}

#[tokio::test(start_paused = true)]
async fn a_livechat_message_is_an_event_and_a_line_in_the_log() {
    let (log, _guard) = Log::start(tracing::Level::INFO);
    let router = commands()
        .on_message(route(echo).to("GENERAL"))
        .on(EventKind::Livechat, route(|| async { "a visitor" }).to("GENERAL"));
    let chat = Chat::with(bare(router)).await;
    chat.sandbox.send_raw(&livechat("!ping"));
    after_secs(1).await;
    assert_eq!(chat.said("general"), ["a visitor"]);
    assert_eq!(chat.handle.counters().undelivered, 0);
    assert_eq!(log.text().matches("a livechat room").count(), 1, "{}", log.text());
}

#[tokio::test(start_paused = true)]
async fn a_reply_of_more_than_three_parts_is_cut_with_a_note() {
    let router = Router::new().command("say", |Args(lines): Args<usize>| async move {
        "0123456789 0123456789 0123456789 012345\n".repeat(lines)
    });
    let sandbox = people().setting("Message_MaxAllowedSize", 400).start_in_memory();
    let chat = Chat::on(&sandbox, bare(router)).await;
    assert_eq!(chat.ask("!say 5").await.len(), 1);
    let parts = chat.ask("!say 25").await;
    assert_eq!(parts.len(), 3);
    assert_eq!(parts.iter().map(|part| part.lines().count()).sum::<usize>(), 25);
    let parts = chat.ask("!say 100").await;
    assert_eq!(parts.len(), 3);
    assert!(
        parts[2].ends_with("(cut: the rest is too long for the chat)"),
        "{parts:?}"
    );
    assert!(parts.iter().all(|part| part.chars().count() <= 400));
}
