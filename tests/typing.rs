//! That a bot is typing is shown while it works, and not a moment longer.
#![cfg(all(feature = "client", feature = "sandbox", feature = "test-util"))]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test ends by them")]

mod support;

use std::time::Duration;

use rocketbotte::extract::Args;
use rocketbotte::layer::{CommandLayer, TypingLayer};
use rocketbotte::sandbox::Inbound;
use rocketbotte::{BoxError, Request, Response, Router};
use serde_json::Value;
use support::chat::Chat;
use support::{after, after_secs};
use tower::{Service, ServiceBuilder};

/// Works for so many milliseconds.
async fn work(Args(millis): Args<u64>) -> Result<&'static str, BoxError> {
    after(Duration::from_millis(millis)).await;
    match millis {
        7777 => Err("it broke".into()),
        _ => Ok("done"),
    }
}

fn app() -> impl Service<Request, Response = Response, Error = BoxError, Future: Send> + Send + 'static {
    ServiceBuilder::new()
        .layer(CommandLayer::new("!"))
        .layer(TypingLayer::new())
        .service(Router::new().command("work", work).on_message(|| async {}))
}

/// What was said of typing since the last time: where, and whether.
fn shown(chat: &Chat) -> Vec<(String, bool)> {
    let frames = chat.sandbox.frames_from_clients();
    chat.sandbox.forget_frames();
    let calls = frames.iter().filter_map(|frame| {
        let Inbound::Frame { text, .. } = frame else {
            return None;
        };
        let frame: Value = serde_json::from_str(text).ok()?;
        let place = frame["params"][0].as_str()?.strip_suffix("/user-activity")?;
        let thread = frame["params"][3]["tmid"]
            .as_str()
            .map(|thread| format!("/{thread}"));
        let is_typing = !frame["params"][2].as_array()?.is_empty();
        Some((format!("{place}{}", thread.unwrap_or_default()), is_typing))
    });
    calls.collect()
}

#[tokio::test(start_paused = true)]
async fn it_is_shown_while_a_handler_works() {
    let chat = Chat::with(app()).await;
    let room = || "GENERAL".to_owned();
    chat.ask("hello").await;
    chat.ask("!work 200").await;
    assert_eq!(shown(&chat), [], "who is quick shows nothing");
    chat.ask("!work 900").await;
    assert_eq!(shown(&chat), [(room(), true), (room(), false)]);
    // Longer than a lane holds: the router hands it over.
    chat.ask("!work 25000").await;
    after_secs(30).await;
    assert_eq!(
        shown(&chat),
        [(room(), true), (room(), true), (room(), true), (room(), false)]
    );
    // What fails ends it too.
    chat.ask("!work 7777").await;
    after_secs(30).await;
    assert_eq!(shown(&chat), [(room(), true), (room(), false)]);
}

#[tokio::test(start_paused = true)]
async fn two_at_work_in_a_room_end_it_together_and_a_thread_is_a_place_of_its_own() {
    let chat = Chat::with(app()).await;
    let ann = chat.sandbox.user("ann");
    ann.say("general", "!work 8000").await;
    let asked = ann.say("general", "!work 2000").await;
    after_secs(6).await;
    assert!(shown(&chat).last().unwrap().1);
    after_secs(20).await;
    let places = shown(&chat);
    assert_eq!(
        places.iter().filter(|(_, is_typing)| !is_typing).count(),
        1,
        "{places:?}"
    );
    ann.reply("general", &asked, "!work 1000").await;
    after_secs(5).await;
    let place = format!("GENERAL/{asked}");
    assert_eq!(shown(&chat), [(place.clone(), true), (place, false)]);
}

#[tokio::test(start_paused = true)]
async fn a_bot_that_stops_shows_it_no_more() {
    let chat = Chat::with(app()).await;
    chat.ask("!work 60000").await;
    assert_eq!(shown(&chat).len(), 1);
    chat.handle.shutdown();
    chat.handle.shutdown();
    after_secs(5).await;
    assert!(chat.serving.is_finished());
    assert_eq!(chat.said("general"), Vec::<String>::new());
}
