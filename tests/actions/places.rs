//! Messages to people and to rooms by name: each once, also where names change hands, and nothing else is lost.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use rocketbotte::dispatch::DeadLetterError;
use rocketbotte::extract::Outbox;
use rocketbotte::journal::MemoryJournal;
use rocketbotte::layer::CommandLayer;
use rocketbotte::response::{Action, Send, Thread};
use rocketbotte::rest::{RestError, RestErrorKind};
use rocketbotte::sandbox::{RestFault, Sandbox};
use rocketbotte::{BoxError, Request, Response, Router};
use tower::{Layer, Service};

use crate::support::chat::{Chat, people};
use crate::support::{after, after_secs};

fn sandbox() -> Sandbox {
    people()
        .channel_with("dev", &["bob", "rocketbotte"])
        .group_with("secret", &["bob"])
        .start_in_memory()
}

/// Answers `!do` with these.
fn does(
    actions: impl Fn() -> Vec<Action> + std::marker::Send + Sync + 'static,
) -> impl Service<Request, Response = Response, Error = BoxError, Future: std::marker::Send>
+ std::marker::Send
+ 'static {
    let actions = Arc::new(actions);
    let router = Router::new().command("do", move || {
        let actions = Arc::clone(&actions);
        async move { actions() }
    });
    CommandLayer::new("!").layer(router)
}

fn calls(sandbox: &Sandbox, endpoint: &str) -> u64 {
    sandbox.requests().get(endpoint).copied().unwrap_or_default()
}

#[tokio::test(start_paused = true)]
async fn who_is_not_there_costs_nobody_else_a_message() {
    let sandbox = sandbox();
    let letters: Arc<Mutex<Vec<(String, RestErrorKind)>>> = Arc::default();
    let told = Arc::clone(&letters);
    let configure = |bot: rocketbotte::BotBuilder| {
        bot.on_dead_letter(move |letter| {
            let Some(Action::Send(send)) = &letter.action else {
                panic!("a message");
            };
            let DeadLetterError::Failed(error) = &letter.error else {
                panic!("{:?}", letter.error);
            };
            let kind = error.downcast_ref::<RestError>().unwrap().kind().clone();
            assert_eq!(letter.room_id, None);
            told.lock()
                .unwrap()
                .push((send.destination().unwrap().to_string(), kind));
        })
    };
    let app = does(|| {
        let said = |text: &str| Send::text(text);
        vec![
            said("1").to_user("nobody").into(),
            said("2").to_user_id("nobody").into(),
            said("3").to_room_named("nowhere").into(),
            said("4").to_room_named("secret").into(),
            said("5").to_user("bob").into(),
            said("6").to_room_named("#dev").into(),
            said("7").into(),
        ]
    });
    let chat = Chat::of(&sandbox, "rocketbotte", configure, app).await;
    assert_eq!(chat.ask("!do").await, ["7"]);
    assert_eq!(chat.said("dev"), ["6"]);
    let bob = sandbox.user("rocketbotte").direct(&["bob"]).await;
    assert_eq!(chat.said(&bob), ["5"]);
    let mut letters = letters.lock().unwrap().clone();
    letters.sort_by(|one, other| one.0.cmp(&other.0));
    assert_eq!(
        letters,
        [
            ("#nowhere".to_owned(), RestErrorKind::NotFound),
            ("#secret".to_owned(), RestErrorKind::Forbidden),
            ("@(nobody)".to_owned(), RestErrorKind::NotFound),
            ("@nobody".to_owned(), RestErrorKind::NotFound),
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_room_is_looked_up_now_and_then() {
    let sandbox = sandbox();
    let app = does(|| {
        vec![
            Send::text("hi").to_room_named("dev").into(),
            Send::text("hi").to_user("bob").into(),
        ]
    });
    let chat = Chat::on(&sandbox, app).await;
    for _ in 0..3 {
        chat.ask("!do").await;
    }
    assert_eq!(
        (calls(&sandbox, "rooms.info"), calls(&sandbox, "im.create")),
        (1, 1)
    );
    after_secs(5 * 60).await;
    chat.ask("!do").await;
    assert_eq!(
        (calls(&sandbox, "rooms.info"), calls(&sandbox, "im.create")),
        (2, 2)
    );
    assert_eq!(chat.said("dev").len(), 4);
}

#[tokio::test(start_paused = true)]
async fn a_name_that_changed_hands_is_looked_up_again() {
    let sandbox = sandbox();
    sandbox.create_group("ops", &["bob", "rocketbotte"]).unwrap();
    let app = does(|| vec![Send::text("hi").to_room_named("ops").into()]);
    let chat = Chat::on(&sandbox, app).await;
    chat.ask("!do").await;
    assert_eq!(chat.said("ops"), ["hi"]);
    sandbox.kick("ops", "rocketbotte").unwrap();
    sandbox.rename("ops", "old").unwrap();
    sandbox.create_group("ops", &["ann", "rocketbotte"]).unwrap();
    chat.ask("!do").await;
    assert_eq!((chat.said("old").len(), chat.said("ops").len()), (1, 1));
}

/// The process ends while a message is on its way that the server has taken: the next one knows it again, also where the
/// name leads elsewhere by then.
#[tokio::test(start_paused = true)]
async fn a_crash_doubles_nothing() {
    for is_renamed in [false, true] {
        let sandbox = sandbox();
        let journal = MemoryJournal::new();
        let serve = async || {
            let configure = |bot: rocketbotte::BotBuilder| bot.journal(journal.clone());
            let app = does(|| {
                vec![
                    Send::text("to dev").to_room_named("dev").into(),
                    Send::text("to ann").to_user("ann").into(),
                ]
            });
            Chat::of(&sandbox, "rocketbotte", configure, app).await
        };
        let first = serve().await;
        sandbox.fail_next_calls("chat.sendMessage", 2, RestFault::LoseReply);
        sandbox.user("ann").say("general", "!do").await;
        after(Duration::from_millis(5)).await;
        first.serving.abort();
        let _ = first.serving.await;
        // The server has them, and the bot does not know.
        let ann = sandbox.user("ann").direct(&["rocketbotte"]).await;
        let posted = [sandbox.messages("dev"), sandbox.messages(&ann)].map(|messages| messages.len());
        assert_eq!(posted, [1, 1]);
        if is_renamed {
            sandbox.rename("dev", "old").unwrap();
            sandbox.create_channel("dev", &["bob", "rocketbotte"]).unwrap();
        }
        sandbox.clear_faults();
        let second = serve().await;
        after_secs(60).await;
        let old = if is_renamed {
            second.said("old")
        } else {
            Vec::new()
        };
        let said = [old, second.said("dev"), second.said(&ann)].concat();
        assert_eq!(said, ["to dev", "to ann"], "{is_renamed}");
        second.serving.abort();
    }
}

/// Wherever it went: also in a thread, whose room the server knows better.
#[tokio::test(start_paused = true)]
async fn what_was_posted_can_be_edited_and_deleted() {
    let sandbox = sandbox();
    let ann = sandbox.user("ann").direct(&["rocketbotte"]).await;
    for room in ["general", "dev", &ann] {
        sandbox.set_room_role(room, "rocketbotte", "owner").unwrap();
    }
    let root = sandbox.user("bob").say("dev", "root").await;
    let router = Router::new().command("do", move |outbox: Outbox| {
        let root = root.clone();
        async move {
            for send in [
                Send::text("first"),
                Send::text("first").to_user("ann"),
                Send::text("first").to_room_named("dev"),
                Send::text("first").in_thread(Thread::Of(root.as_str().into())),
            ] {
                let posted = outbox.perform(send.clone()).await?;
                outbox.perform(posted.edit("edited").ok_or("no message")?).await?;
                let posted = outbox.perform(send).await?;
                outbox.perform(posted.delete().ok_or("no message")?).await?;
            }
            Ok::<_, BoxError>("done")
        }
    });
    let chat = Chat::on(&sandbox, CommandLayer::new("!").layer(router)).await;
    assert_eq!(chat.ask("!do").await, ["edited", "done"]);
    // Whoever gives a role in a direct room, the server lets one of the two say it.
    let said = |room: &str| {
        let messages = sandbox.messages(room).into_iter();
        let own =
            messages.filter(|message| message.username == "rocketbotte" && message.raw.get("t").is_none());
        own.map(|message| message.text).collect::<Vec<_>>()
    };
    assert_eq!(said(&ann), ["edited"]);
    assert_eq!(said("dev"), ["edited", "edited"]);
}

#[tokio::test(start_paused = true)]
async fn a_limit_of_the_lookup_is_waited_for() {
    let sandbox = people().user("robot").rate_limits(true).start_in_memory();
    let app = does(|| {
        vec![
            Send::text("hi").to_user("ann").into(),
            Send::text("ho").to_room_named("general").into(),
        ]
    });
    let chat = Chat::of(&sandbox, "robot", |bot| bot, app).await;
    let reset_after = Duration::from_secs(40);
    sandbox.fail_next("im.create", RestFault::TooManyRequests { reset_after });
    sandbox.fail_next("rooms.info", RestFault::TooManyRequests { reset_after });
    chat.ask("!do").await;
    assert_eq!(chat.said("general").len(), 0);
    after_secs(45).await;
    assert_eq!(chat.said("general"), ["ho"]);
    let ann = sandbox.user("ann").direct(&["robot"]).await;
    assert_eq!(chat.said(&ann), ["hi"]);
}
