//! What a handler streams while it runs goes the way of all actions: to anywhere, with the bot's rules, through its sink.

use std::sync::{Arc, Mutex};

use futures_util::StreamExt as _;
use rocketbotte::command::CommandLayer;
use rocketbotte::dispatch::Serve;
use rocketbotte::event::{Event, Message, Room, RoomKind, User};
use rocketbotte::extract::Outbox;
use rocketbotte::inspect::{ActionState, Inspector};
use rocketbotte::response::{Action, AllowedMentions, Upload};
use rocketbotte::rest::RestSink;
use rocketbotte::rest::file::Transfer;
use rocketbotte::sandbox::{Sandbox, SandboxMessage};
use rocketbotte::{BoxError, Router, testing, transport};
use tower::{Layer as _, ServiceExt as _, service_fn};

use crate::{client, files_in};

fn lines() -> Upload<Transfer> {
    let lines = futures_util::stream::iter(["one\n", "two\n"]).map(Ok::<_, BoxError>);
    Upload::from_stream("lines.txt", lines)
}

async fn sandbox() -> Sandbox {
    Sandbox::builder()
        .user("ann")
        .user("bob")
        .bot("rocketbotte")
        .channel_with("ops", &["rocketbotte", "ann"])
        .start()
        .await
        .unwrap()
}

fn own(sandbox: &Sandbox, room: &str) -> Vec<SandboxMessage> {
    let messages = sandbox.messages(room).into_iter();
    messages
        .filter(|message| message.username == "rocketbotte")
        .collect()
}

type Make = fn(Upload<Transfer>) -> Upload<Transfer>;

/// What an upload says of itself, and where it is then with which texts.
#[tokio::test]
async fn it_is_completed_as_what_is_returned() {
    let sandbox = sandbox().await;
    let direct = sandbox.user("ann").direct(&["rocketbotte"]).await;
    let rows: [(&str, Make, &str, Vec<String>); 5] = [
        (
            "here",
            |upload| upload.message("x"),
            "general",
            vec!["x".to_owned()],
        ),
        (
            "user",
            |upload| upload.message("for you").to_user("@ann"),
            &direct,
            vec!["for you".to_owned()],
        ),
        (
            "room",
            |upload| upload.message("for all").to_room_named("#ops"),
            "ops",
            vec!["for all".to_owned()],
        ),
        (
            "mention",
            |upload| upload.message("@bob, @all").described("@bob"),
            "general",
            vec!["@\u{200B}bob, @\u{200B}all".to_owned()],
        ),
        (
            "long",
            |upload| upload.message(format!("{}\n{}", "a".repeat(4000), "b".repeat(2000))),
            "general",
            vec!["a".repeat(4000), "b".repeat(2000)],
        ),
    ];
    let mut router = Router::new();
    for (name, make, ..) in &rows {
        let make = *make;
        router = router.command(name, async move |outbox: Outbox| {
            let receipt = outbox.upload(make(lines())).await?;
            let id = receipt.message_id().ok_or("no receipt")?.to_string();
            Ok::<_, BoxError>(format!("done {id}"))
        });
    }
    let app = CommandLayer::new("!").layer(router);
    let configure = |bot: rocketbotte::BotBuilder| bot.allow_mentions(AllowedMentions::none());
    let bot = testing::serve_with(&sandbox, "rocketbotte", app, configure).await;
    for (name, _, room, texts) in rows {
        let (files, before) = (files_in(&sandbox, room).len(), own(&sandbox, room).len());
        sandbox.user("ann").say("general", &format!("!{name}")).await;
        let done = |sandbox: &Sandbox| {
            own(sandbox, room).len() >= before + texts.len() && files_in(sandbox, room).len() > files
        };
        let waited = sandbox.wait_until(done, crate::bot::PATIENCE / 6).await;
        let said: Vec<_> = own(&sandbox, room)[before..].to_vec();
        assert!(waited.is_ok(), "{name}: {said:?}");
        let beside: Vec<_> = said
            .iter()
            .filter(|message| !message.text.starts_with("done "))
            .collect();
        let told: Vec<_> = beside.iter().map(|message| message.text.clone()).collect();
        assert_eq!(told, texts, "{name}");
        let shown = &files_in(&sandbox, room)[files..];
        assert_eq!(shown.len(), 1, "{name}");
        assert_eq!(shown[0].id, beside[0].id, "{name}");
        let receipt = format!("done {}", shown[0].id);
        let answers = |sandbox: &Sandbox| {
            own(sandbox, "general")
                .iter()
                .any(|message| message.text == receipt)
        };
        sandbox.wait_until(answers, crate::bot::PATIENCE).await.unwrap();
        if name == "mention" {
            assert_eq!(shown[0].raw["attachments"][0]["description"], "@\u{200B}bob");
        }
    }
    bot.shutdown().await;
}

/// Without a `Bot`: a sink of one's own in front of that over REST sees it, and so does the inspector.
#[tokio::test]
async fn the_sink_and_the_inspector_see_it() {
    let sandbox = sandbox().await;
    let room = sandbox.room_id("ops").unwrap();
    let said = |text: &str| {
        let room = Room::new(room.as_str(), RoomKind::Channel);
        Event::from(Message::builder(room, User::new("uA", "ann"), text).build())
    };
    let seen = Arc::new(Mutex::new(Vec::new()));
    let (log, rest) = (Arc::clone(&seen), RestSink::new(client(&sandbox)));
    let sink = service_fn(move |action: Action| {
        log.lock().unwrap().push(action.clone());
        rest.clone().oneshot(action)
    });
    let router = Router::new().command("backup", async |outbox: Outbox| {
        outbox.upload(lines().message("The backup")).await?;
        Ok::<_, BoxError>(())
    });
    let inspector = Inspector::new();
    let events = transport::from_stream(futures_util::stream::iter([said("!backup")]));
    Serve::new(events, sink)
        .inspector(inspector.clone())
        .run(CommandLayer::new("!").layer(router))
        .await
        .unwrap();
    assert_eq!(files_in(&sandbox, "ops").len(), 1);
    let inspection = inspector
        .recent()
        .into_iter()
        .find(|seen| seen.event.kind == "message")
        .unwrap();
    let [action] = &inspection.actions[..] else {
        panic!("{:?}", inspection.actions);
    };
    assert_eq!((action.kind, action.state), ("upload", ActionState::Done));
    let seen = seen.lock().unwrap().clone();
    let [Action::Upload(upload)] = &seen[..] else {
        panic!("{seen:?}");
    };
    assert_eq!((upload.name(), upload.content()), ("lines.txt", "The backup"));
    assert_eq!(upload.room_id().unwrap().as_str(), room);
    assert!(upload.is_stream() && upload.bytes().is_none());
}
