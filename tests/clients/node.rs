//! Clients written in JavaScript.

use rocketbotte::sandbox::Sandbox;
use serde_json::json;

use crate::harness::{PATIENCE, Program, installed, sees};

fn said_by(sandbox: &Sandbox, username: &str) -> Vec<String> {
    let all = sandbox.messages("general").into_iter();
    all.filter(|message| message.username == username)
        .map(|message| message.text)
        .collect()
}

#[tokio::test]
async fn a_bot_on_the_ddp_client() {
    let Some(dir) = installed() else { return };
    let sandbox = Sandbox::start().await.expect("starts");
    let (ann, bot) = (sandbox.user("ann"), sandbox.bot("rocketbotte"));
    let mut program = Program::node(&dir, "ddp_client_bot.js", &bot, &sandbox);
    assert_eq!(program.says("status").await, "connecting");
    assert_eq!(program.says("status").await, "connected");
    assert_eq!(
        program.says("refused").await,
        "403 You've been logged out by the server. Please log in again."
    );
    assert_eq!(
        program.says("logged in").await,
        format!("{} rocketbotte", bot.id())
    );
    let nosub = program.says("nosub nosub").await;
    assert!(nosub.contains("not-allowed"), "{nosub}");
    program.says("listening").await;
    assert_eq!(program.says("rooms").await, "GENERAL");
    assert_eq!(
        program.says("unknown").await,
        "404 Method 'no-such-method' not found"
    );
    assert_eq!(program.says("me").await, "rocketbotte");

    ann.say("general", "one").await;
    assert_eq!(program.says("heard").await, "one general true true");
    assert_eq!(program.says("answered").await, "by method: one / by REST: one");

    // It comes back by itself, logs in again and asks for the same stream.
    sandbox.drop_connections();
    assert_eq!(program.says("status").await, "disconnected");
    assert_eq!(program.says("status").await, "reconnecting");
    assert_eq!(program.says("status connected").await, "");
    sees(&sandbox, &program, "its subscription again", |sandbox| {
        let here = |(user, stream, _): &(String, String, String)| {
            user == bot.id() && stream == "stream-room-messages"
        };
        sandbox.subscriptions().iter().any(here)
    })
    .await;
    ann.say("general", "two").await;
    assert_eq!(program.says("heard").await, "two general true true");
    assert_eq!(program.says("answered").await, "by method: two / by REST: two");

    ann.say("general", "stop").await;
    assert_eq!(program.says("logged out").await, "undefined");
    assert_eq!(program.says("closed").await, "1005");
    program.ends_well().await;
    assert_eq!(
        said_by(&sandbox, "rocketbotte"),
        ["by method: one", "by REST: one", "by method: two", "by REST: two"]
    );
}

#[tokio::test]
async fn a_bot_on_the_sdk() {
    let Some(dir) = installed() else { return };
    let sandbox = Sandbox::start().await.expect("starts");
    let (ann, bot) = (sandbox.user("ann"), sandbox.bot("rocketbotte"));
    let mut program = Program::node(&dir, "sdk_bot.js", &bot, &sandbox);
    program.says("connected").await;
    assert_eq!(program.says("logged in").await, bot.id());
    assert_eq!(program.says("joined").await, "general");
    program.says("listening").await;

    let asked = ann.say("general", "one").await;
    assert_eq!(program.says("heard").await, "one");
    assert_eq!(program.says("answered").await, "answer to one");
    let answer = sandbox.wait_for_reply(&asked, PATIENCE).await.expect("answers");
    assert_eq!(answer.text, "answer to one");
    assert_eq!(
        sandbox.message(&asked).expect("is there").raw["reactions"],
        json!({ ":tada:": { "usernames": ["rocketbotte"] } })
    );

    ann.say("general", "stop").await;
    program.says("done").await;
    program.ends_well().await;
    assert_eq!(
        said_by(&sandbox, "rocketbotte"),
        ["answer to one", "answer to stop"]
    );
}
