//! What people read: rooms as lines, and what the server saw, when a test fails.

use std::time::Duration;

use futures_util::FutureExt as _;
use rocketbotte::sandbox::Sandbox;
use serde_json::json;

use crate::client::{Ddp, PATIENCE, post};

fn sandbox() -> Sandbox {
    Sandbox::builder()
        .user("ann")
        .user("bob")
        .bot("rocketbotte")
        .start_in_memory()
}

#[tokio::test]
async fn a_room_reads_as_lines() {
    let sandbox = sandbox();
    let (ann, bob, bot) = (
        sandbox.user("ann"),
        sandbox.user("bob"),
        sandbox.bot("rocketbotte"),
    );
    let asked = ann
        .say("general", "!deploy the service that everybody waits for")
        .await;
    bot.reply("general", &asked, "building\nand testing").await;
    let spoken = bob.say("general", "really?").await;
    bob.edit(&spoken, "really!").await;
    bot.react(&asked, ":rocket:").await;
    bob.react(&asked, ":rocket:").await;
    let file = json!({ "rid": "general", "msg": "", "attachments": [{ "title": "log.txt" }] });
    bot.post(file).await;
    let deleted = bob.say("general", "never mind").await;
    bob.delete(&deleted).await;
    bob.leave("general").await;
    sandbox.transcript("general").assert_eq(
        r#"
        ann: !deploy the service that everybody waits for [:rocket: rocketbotte, bob]
        rocketbotte (in the thread of "!deploy the service that everybody waits…"): building
            and testing
        bob: really! (edited)
        rocketbotte: [attachment "log.txt"]
        bob: bob (system message "ul")
        "#,
    );
    assert!(sandbox.transcript("general").check("ann: !deploy").is_err());
}

#[tokio::test]
async fn a_room_that_is_not_there_is_said() {
    let mismatch = sandbox().transcript("nowhere").check("ann: hello");
    let mismatch = mismatch.expect_err("no room").to_string();
    assert!(mismatch.contains("- ann: hello"), "{mismatch}");
    assert!(mismatch.contains(r#"there is no room "nowhere""#), "{mismatch}");
}

#[tokio::test]
async fn the_report_says_who_hears_what_and_what_was_refused() {
    let sandbox = sandbox();
    let bot = sandbox.bot("rocketbotte");
    let nobody = sandbox.report();
    assert!(
        nobody.contains("the bot rocketbotte is not logged in"),
        "{nobody}"
    );
    assert!(nobody.contains("calls of REST: none"), "{nobody}");
    assert!(nobody.contains("no message was posted"), "{nobody}");

    let mut ddp = Ddp::in_memory(&sandbox).await;
    ddp.log_in(&bot).await;
    let deaf = sandbox.report();
    assert!(deaf.contains("hears nothing: it has no subscription"), "{deaf}");
    ddp.my_messages().await;
    ddp.sub("s", "stream-notify-room", json!(["SECRET/user-activity", false]))
        .await;
    ddp.call("noSuchMethod", json!([])).await;
    post(
        &sandbox,
        &bot,
        "chat.sendMessage",
        json!({ "message": { "rid": "nowhere", "msg": "hi" } }),
    )
    .await;
    let _waiting = Ddp::in_memory(&sandbox).await;
    let report = sandbox.report();
    for part in [
        r#"the bot rocketbotte is logged in (connection 1) and hears stream-room-messages "__my_messages__""#,
        "connections: 2, of which 1 are not logged in",
        "calls of REST: chat.sendMessage 1",
        "refused: the subscription to stream-notify-room of rocketbotte: [not-allowed]",
        "refused: the method noSuchMethod of rocketbotte: ",
        "refused: the call chat.sendMessage of rocketbotte: ",
    ] {
        assert!(report.contains(part), "{part} in {report}");
    }
    assert!(!report.contains(&bot.token()) && !report.contains(&bot.password()));
}

#[tokio::test]
async fn refusals_are_bounded() {
    let sandbox = sandbox();
    let mut ddp = Ddp::in_memory(&sandbox).await;
    ddp.log_in(&sandbox.bot("rocketbotte")).await;
    let long = "x".repeat(100_000);
    for _ in 0..100 {
        ddp.call(&long, json!([])).await;
    }
    let report = sandbox.report();
    assert_eq!(report.matches("refused:").count(), 10);
    assert!(report.len() < 20_000, "{}", report.len());
}

#[tokio::test(start_paused = true)]
async fn waiting_for_lines_ends_with_them_or_shows_what_was_there() {
    let sandbox = sandbox();
    let (ann, bot) = (sandbox.user("ann"), sandbox.bot("rocketbotte"));
    ann.say("general", "long ago").await;
    let expected = "ann: !ping\nrocketbotte: pong";
    let talk = async {
        ann.say("general", "!ping").await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        bot.say("general", "pong").await;
    };
    let (waited, ()) = tokio::join!(sandbox.wait_for_transcript("general", expected, PATIENCE), talk);
    waited.expect("is there");
    let waited = sandbox.wait_for_transcript("general", "ann: !ping\nrocketbotte: ping", PATIENCE);
    let error = waited.await.expect_err("is not there").to_string();
    for part in [
        "- rocketbotte: ping",
        "+ rocketbotte: pong",
        "  ann: !ping",
        "is not logged in",
    ] {
        assert!(error.contains(part), "{part} in {error}");
    }
}

#[tokio::test(start_paused = true)]
async fn who_asks_in_vain_is_told_what_there_was_instead() {
    let sandbox = sandbox();
    let ann = sandbox.user("ann");
    let asking = std::panic::AssertUnwindSafe(ann.ask("general", "!ping")).catch_unwind();
    let panic = asking.await.expect_err("nobody answers");
    let message = panic.downcast_ref::<String>().expect("is a text");
    for part in [
        "nobody answered ann who said \"!ping\"",
        "within 5s",
        "is not logged in",
        "#general ann: !ping",
    ] {
        assert!(message.contains(part), "{part} in {message}");
    }
}

#[tokio::test]
async fn a_restart_ends_connections_and_keeps_what_was_said() {
    let sandbox = Sandbox::start().await.expect("starts");
    let (url, bot) = (sandbox.url(), sandbox.bot("rocketbotte"));
    Ddp::login(&sandbox, &bot).await;
    sandbox.user("ann").say("general", "before").await;
    sandbox.restart().await;
    assert_eq!((sandbox.connections(), sandbox.url()), (0, url));
    Ddp::login(&sandbox, &bot).await;
    sandbox.transcript("general").assert_eq("ann: before");
}
