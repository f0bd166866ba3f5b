//! How a bot ends that was not asked to.
#![cfg(all(feature = "client", feature = "sandbox"))]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test ends by them")]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rocketbotte::journal::MemoryJournal;
use rocketbotte::sandbox::RestFault;
use rocketbotte::transport::{ConnectionState, Connector};
use rocketbotte::{BotBuilder, BotErrorKind};
use support::chat::{Chat, bot_in, people};
use support::{after_secs, echo};

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
    let configure = |bot: BotBuilder| bot.connector(connector).no_catch_up();
    let chat = Chat::of(&sandbox, "rocketbotte", configure, echo()).await;
    is_broken.store(true, Ordering::Relaxed);
    sandbox.drop_connections();
    let ended = chat.serving.await.unwrap();
    assert!(ended.unwrap_err().to_string().contains("panicked"));
}

#[tokio::test(start_paused = true)]
async fn the_longest_time_to_stop_is_one_too() {
    let sandbox = people().start_in_memory();
    let configure = |bot: BotBuilder| bot.shutdown_timeout(Duration::MAX);
    let chat = Chat::of(&sandbox, "rocketbotte", configure, echo()).await;
    assert_eq!(chat.ask("!echo 1").await, ["1"]);
    chat.handle.shutdown();
    let report = chat.serving.await.unwrap().unwrap();
    assert!(report.is_complete());
}

/// A host that starts again while its server is being serviced.
#[tokio::test(start_paused = true)]
async fn a_server_that_is_known_is_waited_for() {
    let sandbox = people().start_in_memory();
    let journal = MemoryJournal::new();
    for is_known in [false, true] {
        sandbox.fail_next_calls("*", 6, RestFault::Html);
        let bot = bot_in(&sandbox, "rocketbotte").journal(journal.clone());
        let bot = bot.build().unwrap();
        let handle = bot.handle();
        let serving = tokio::spawn(bot.serve(echo()));
        after_secs(60).await;
        assert_eq!(serving.is_finished(), !is_known);
        if !is_known {
            assert_eq!(
                serving.await.unwrap().unwrap_err().kind(),
                BotErrorKind::Configuration
            );
            sandbox.clear_faults();
            let configure = |bot: BotBuilder| bot.journal(journal.clone());
            let chat = Chat::of(&sandbox, "rocketbotte", configure, echo()).await;
            chat.handle.shutdown();
            chat.serving.await.unwrap().unwrap();
        } else {
            assert_eq!(handle.state(), ConnectionState::Ready);
        }
    }
}
