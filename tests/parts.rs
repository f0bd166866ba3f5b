//! What a room's handlers could not take at once is fetched in parts: all of it comes, whatever an earlier process had
//! done of it.
#![cfg(all(feature = "client", feature = "sandbox"))]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test ends by them")]

mod support;

use std::time::Duration;

use rocketbotte::command::CommandLayer;
use rocketbotte::dispatch::Overflow;
use rocketbotte::extract::Args;
use rocketbotte::handler::route;
use rocketbotte::journal::MemoryJournal;
use rocketbotte::{BoxError, Request, Response, Router};
use support::after_secs;
use support::chat::{Chat, people};
use tower::{Service, ServiceBuilder};

fn app(
    is_stuck: bool,
) -> impl Service<Request, Response = Response, Error = BoxError, Future: Send> + Send + 'static {
    let wait = move || async move {
        if is_stuck {
            std::future::pending::<()>().await;
        }
        "waited"
    };
    let router = Router::new()
        .command("echo", async |Args(text): Args<String>| text)
        .command("wait", route(wait).no_timeout());
    ServiceBuilder::new()
        .layer(CommandLayer::new("!"))
        .service(router)
}

/// The first of a room's commands is still running when the process ends, and more than a part of what comes behind it
/// is done.
#[tokio::test(start_paused = true)]
async fn what_is_done_already_does_not_hold_up_the_rest() {
    let sandbox = people().channel("dev").start_in_memory();
    let journal = MemoryJournal::new();
    let start = async |is_stuck| {
        let configure = |bot: rocketbotte::BotBuilder| {
            bot.journal(journal.clone())
                .lane_capacity(64, Overflow::Park)
                .max_waiting(64)
                .hold(Duration::from_millis(10))
                .shutdown_timeout(Duration::ZERO)
        };
        Chat::of(&sandbox, "rocketbotte", configure, app(is_stuck)).await
    };
    let first = start(true).await;
    first.ask("!wait").await;
    for n in 0..40 {
        assert_eq!(first.ask(&format!("!echo {n}")).await, [n.to_string()]);
    }
    // In another room everything is done.
    assert_eq!(first.ask_in("dev", "!echo done").await, ["done"]);
    first.handle.shutdown();
    first.serving.await.unwrap().unwrap();
    for n in 40..100 {
        sandbox.user("ann").say("general", &format!("!echo {n}")).await;
    }
    let second = start(false).await;
    after_secs(60).await;
    // What came late has its question before it.
    let said = second.said("general");
    let mut words: Vec<_> = said
        .iter()
        .map(|text| text.split_whitespace().last().unwrap())
        .collect();
    assert_eq!(words.len(), 101, "{said:?}");
    assert_eq!(words.remove(40), "waited");
    assert!(words.iter().map(|word| word.parse::<usize>().unwrap()).eq(0..100));
}
