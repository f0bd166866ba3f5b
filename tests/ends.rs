//! How a bot ends that was not asked to.
#![cfg(all(feature = "client", feature = "sandbox"))]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test ends by them")]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rocketbotte::transport::Connector;
use support::chat::{Chat, people};
use support::echo;

/// A bug in the connection, or in what a program puts there, is no end in peace: no supervisor would start the bot again.
#[tokio::test(start_paused = true)]
async fn a_panic_in_the_connection_is_an_error() {
    let sandbox = people().start_in_memory();
    let is_broken = Arc::new(AtomicBool::new(false));
    let (pipes, breaks) = (sandbox.clone(), Arc::clone(&is_broken));
    let connector = Connector::from_fn(move |_| {
        let (io, breaks) = (pipes.connect(), Arc::clone(&breaks));
        async move {
            assert!(!breaks.load(Ordering::Relaxed), "a bug");
            Ok::<_, std::io::Error>(io)
        }
    });
    let configure = |bot: rocketbotte::BotBuilder| bot.connector(connector).no_catch_up();
    let chat = Chat::of(&sandbox, "rocketbotte", configure, echo()).await;
    is_broken.store(true, Ordering::Relaxed);
    sandbox.drop_connections();
    let ended = chat.serving.await.unwrap();
    assert!(ended.unwrap_err().to_string().contains("panicked"));
}

#[tokio::test(start_paused = true)]
async fn the_longest_time_to_stop_is_one_too() {
    let sandbox = people().start_in_memory();
    let configure = |bot: rocketbotte::BotBuilder| bot.shutdown_timeout(Duration::MAX);
    let chat = Chat::of(&sandbox, "rocketbotte", configure, echo()).await;
    assert_eq!(chat.ask("!echo 1").await, ["1"]);
    chat.handle.shutdown();
    let report = chat.serving.await.unwrap().unwrap();
    assert!(report.is_complete());
}
