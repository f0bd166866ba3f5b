//! A message that tells how a long job gets on.
#![cfg(all(feature = "client", feature = "sandbox", feature = "test-util"))]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test ends by them")]

mod support;

use std::time::Duration;

use rocketbotte::extract::{Args, Outbox};
use rocketbotte::layer::CommandLayer;
use rocketbotte::response::AllowedMentions;
use rocketbotte::sandbox::{RestFault, Sandbox, UserSpec};
use rocketbotte::{BoxError, Request, Response, Router};
use support::chat::{Chat, people};
use support::{after, after_secs};
use tower::{Layer as _, Service};

/// Tells each percent, one each tenth of a second, and the end by the word that it is told.
async fn work(Args((percents, end)): Args<(u32, String)>, outbox: Outbox) -> Result<(), BoxError> {
    let progress = outbox.progress("Working…").await?;
    for percent in 1..=percents {
        progress.set(format!("Working… {percent} %"));
        after(Duration::from_millis(100)).await;
    }
    match end.as_str() {
        // What was set last is shown.
        "drop" => {}
        // Nobody waits for it to the end.
        "hurry" => drop(tokio::time::timeout(Duration::from_millis(1), progress.finish("Done.")).await),
        "long" => drop(progress.finish("word ".repeat(2500)).await?),
        "all" => drop(progress.finish("@all Done.").await?),
        "greet" => {
            progress.set("@ann @bob @here");
            after_secs(3).await;
            progress.finish("Done, @ann, @bob, @all.").await?;
        }
        _ => drop(progress.finish("Done.").await?),
    }
    Ok(())
}

fn app() -> impl Service<Request, Response = Response, Error: Into<BoxError>, Future: Send> + Send {
    CommandLayer::new("!").layer(Router::new().command("work", work))
}

fn edits(sandbox: &Sandbox) -> u64 {
    let requests = sandbox.requests().into_iter();
    requests
        .filter(|(name, _)| name.contains("chat.update"))
        .map(|(_, count)| count)
        .sum()
}

#[tokio::test(start_paused = true)]
async fn one_message_tells_the_latest() {
    let chat = Chat::with(app()).await;
    assert_eq!(chat.ask("!work 0 now").await, ["Done."]);
    let first = edits(&chat.sandbox);
    let asked = chat.sandbox.user("ann").say("general", "!work 80 now").await;
    after(Duration::from_millis(4050)).await;
    let said = chat.after_message("general", &asked);
    assert_eq!(said.len(), 1);
    let percent: u32 = said[0]
        .text
        .strip_prefix("Working… ")
        .and_then(|rest| rest.strip_suffix(" %"))
        .and_then(|percent| percent.parse().ok())
        .unwrap();
    assert!((28..=40).contains(&percent), "{percent}: nothing queues up");
    after_secs(10).await;
    let said = chat.after_message("general", &asked);
    assert_eq!((said.len(), said[0].text.as_str()), (1, "Done."));
    let edits = edits(&chat.sandbox) - first;
    assert!((7..=10).contains(&edits), "{edits} edits in 8 seconds");
}

#[tokio::test(start_paused = true)]
async fn the_end_is_told_however_it_comes() {
    for (end, last) in [
        ("now", "Done.".to_owned()),
        ("hurry", "Done.".to_owned()),
        ("drop", "Working… 35 %".to_owned()),
        ("all", "@\u{200B}all Done.".to_owned()),
    ] {
        for fault in [
            None,
            Some(RestFault::LoseReply),
            Some(RestFault::Status(503)),
            Some(RestFault::TooManyRequests {
                reset_after: Duration::from_secs(5),
            }),
        ] {
            let chat = Chat::with(app()).await;
            chat.sandbox
                .user("ann")
                .say("general", &format!("!work 35 {end}"))
                .await;
            after(Duration::from_millis(3400)).await;
            if let Some(fault) = &fault {
                chat.sandbox.fail_next("chat.update", fault.clone());
            }
            after_secs(30).await;
            assert_eq!(chat.said("general"), [last.as_str()], "{end} {fault:?}");
        }
    }
}

/// `|` is a character without width.
#[tokio::test(start_paused = true)]
async fn whom_it_mentions_is_what_the_bot_allows() {
    let none = AllowedMentions::none;
    for (allowed, meanwhile, end) in [
        (
            AllowedMentions::default(),
            "@ann @bob @|here",
            "Done, @ann, @bob, @|all.",
        ),
        (none(), "@|ann @|bob @|here", "Done, @|ann, @|bob, @|all."),
        (
            AllowedMentions::author(),
            "@ann @|bob @|here",
            "Done, @ann, @|bob, @|all.",
        ),
        (
            none().and_groups(),
            "@|ann @|bob @here",
            "Done, @|ann, @|bob, @all|.",
        ),
    ] {
        let sandbox = people().start_in_memory();
        sandbox.set_room_role("general", "rocketbotte", "owner").unwrap();
        let configure = |bot: rocketbotte::BotBuilder| bot.allow_mentions(allowed.clone());
        let chat = Chat::of(&sandbox, "rocketbotte", configure, app()).await;
        let asked = sandbox.user("ann").say("general", "!work 0 greet").await;
        for expected in [meanwhile, end] {
            after_secs(2).await;
            let said = chat.after_message("general", &asked);
            let texts: Vec<_> = said.iter().map(|message| message.text.as_str()).collect();
            assert_eq!(texts, [expected.replace('|', "\u{200B}")], "{allowed:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_long_end_becomes_several_messages() {
    let chat = Chat::with(app()).await;
    chat.ask("!work 3 long").await;
    after_secs(5).await;
    let said = chat.said("general");
    assert_eq!(said.len(), 3);
    assert_eq!(said.join(" ").split_whitespace().count(), 2500);
}

#[tokio::test(start_paused = true)]
async fn with_ten_edits_a_minute_it_ends_at_once() {
    let sandbox = Sandbox::builder()
        .user("ann")
        .user_with(UserSpec::new("rocketbotte"))
        .rate_limits(true)
        .start_in_memory();
    let chat = Chat::on(&sandbox, app()).await;
    chat.ask("!work 900 now").await;
    after_secs(91).await;
    assert_eq!(chat.said("general"), ["Done."]);
    assert_eq!(sandbox.refused_by_limits(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_message_that_was_deleted_is_not_edited_and_the_end_is_said() {
    let chat = Chat::with(app()).await;
    let asked = chat.sandbox.user("ann").say("general", "!work 60 now").await;
    after_secs(2).await;
    let id = chat.after_message("general", &asked)[0].id.clone();
    chat.sandbox.bot("rocketbotte").delete(&id).await;
    after_secs(10).await;
    assert_eq!(chat.said("general"), ["Done."]);
}

#[tokio::test(start_paused = true)]
async fn a_stop_leaves_what_was_set_last() {
    let chat = Chat::with(app()).await;
    chat.ask("!work 1000 now").await;
    chat.handle.shutdown();
    let report = chat.serving.await.unwrap().unwrap();
    assert_eq!(report.aborted, 1);
    let last = chat.sandbox.messages("general").pop().unwrap().text;
    let percent = last
        .strip_prefix("Working… ")
        .and_then(|rest| rest.strip_suffix(" %"))
        .unwrap_or_else(|| panic!("{last}"));
    assert!(percent.parse::<u32>().unwrap() > 80, "{last}");
}
