//! Clients written in Python.

use std::time::Duration;

use rocketbotte::sandbox::Sandbox;
use serde_json::{Value, json};

use crate::harness::{PATIENCE, Program, installed, sees};

/// The answer to what `ann` says.
async fn answer_to(sandbox: &Sandbox, program: &Program, text: &str) -> String {
    let asked = sandbox.user("ann").say("general", text).await;
    match sandbox.wait_for_reply(&asked, PATIENCE).await {
        Ok(answer) => answer.text,
        Err(error) => panic!(
            "no answer to `{text}`: {error}\nthe bot said:\n{}",
            program.transcript()
        ),
    }
}

/// It takes the first frame for the answer to `connect`, and the second one for a reason to log in.
#[tokio::test]
async fn the_readme_of_rocketbotte() {
    let Some(dir) = installed() else { return };
    let sandbox = Sandbox::builder()
        .user("ann")
        .bot("rocketbotte")
        .channel("ops")
        .server_id_frame(false)
        .heartbeat(Duration::from_millis(200))
        .start()
        .await
        .expect("starts");
    let bot = sandbox.bot("rocketbotte");
    let program = Program::python(&dir, "rocketbotte_readme.py", &bot, &sandbox);
    sees(&sandbox, &program, "its subscriptions", |sandbox| {
        sandbox.subscriptions().len() == 2
    })
    .await;

    assert_eq!(answer_to(&sandbox, &program, "well hello").await, "world ");
    assert_eq!(
        answer_to(&sandbox, &program, "!test a b").await,
        "response to a b"
    );
    // An edit is no message, nor is what the bot said.
    let edited = sandbox.user("ann").say("ops", "nothing").await;
    sandbox.user("ann").edit(&edited, "hello").await;
    let asked = sandbox.user("ann").say("ops", "!test last").await;
    let answer = sandbox.wait_for_reply(&asked, PATIENCE).await.expect("answers");
    assert_eq!(answer.text, "response to last");
    let said = sandbox.messages("ops");
    assert_eq!(said.len(), 3, "{said:?}\n{}", program.transcript());
}

#[tokio::test]
async fn a_bot_on_rocketchat_async() {
    let Some(dir) = installed() else { return };
    let sandbox = Sandbox::start().await.expect("starts");
    let (ann, bot) = (sandbox.user("ann"), sandbox.bot("rocketbotte"));
    let mut program = Program::python(&dir, "rocketchat_async_bot.py", &bot, &sandbox);
    assert_eq!(program.says("refused").await, "User not found");
    assert_eq!(program.says("resumed").await, bot.id());
    assert_eq!(program.says("logged in").await, bot.id());
    assert_eq!(program.says("rooms").await, "GENERAL:c");
    assert_eq!(program.says("listening").await, "True");
    sees(&sandbox, &program, "both subscriptions", |sandbox| {
        sandbox.subscriptions().len() == 2
    })
    .await;

    let asked = ann.say("general", "ping").await;
    assert_eq!(program.says("heard").await, "ping");
    assert_eq!(program.says("answered").await, "ping");
    let answer = sandbox.wait_for_reply(&asked, PATIENCE).await.expect("answers");
    assert_eq!(answer.text, "you said ping");
    let asked_now = sandbox.message(&asked).expect("is there");
    assert_eq!(
        asked_now.raw["reactions"],
        json!({ ":thumbsup:": { "usernames": ["rocketbotte"] } })
    );

    let root = ann.say("general", "a thread").await;
    let asked = ann.reply("general", &root, "in it").await;
    assert_eq!(program.says("answered").await, "a thread");
    assert_eq!(program.says("answered").await, "in it");
    let answer = sandbox.wait_for_reply(&asked, PATIENCE).await.expect("answers");
    assert_eq!(answer.thread_id.as_deref(), Some(root.as_str()));

    let direct = ann.direct(&["rocketbotte"]).await;
    program.says(&format!("changed {direct} d")).await;
    ann.say("general", "stop").await;
    program.says("done").await;
    program.ends_well().await;
}

#[tokio::test]
async fn calls_of_rocketchat_api() {
    let Some(dir) = installed() else { return };
    let sandbox = Sandbox::start().await.expect("starts");
    let bot = sandbox.bot("rocketbotte");
    let mut program = Program::python(&dir, "rocketchat_api_script.py", &bot, &sandbox);
    let mut told = async |word: &str| -> Value {
        let said = program.says(word).await;
        serde_json::from_str(&said).expect("JSON")
    };
    assert_eq!(told("refused").await, true);
    assert_eq!(told("info").await["version"], "8.0");
    let me = told("me").await;
    assert_eq!((&me["_id"], &me["success"]), (&json!(bot.id()), &json!(true)));
    assert_eq!(told("rooms").await, json!(["GENERAL"]));
    assert_eq!(told("channels").await, json!(["general"]));
    assert_eq!(told("members").await, json!(["ann", "rocketbotte"]));

    let posted = told("posted").await;
    assert_eq!(told("sent").await, "chosenByTheClient");
    let twice = told("twice").await;
    assert!(
        twice
            .as_str()
            .is_some_and(|text| text.contains("Cannot read properties")),
        "{twice}"
    );
    assert_eq!(told("history").await, json!(["sent", "posted"]));
    assert_eq!(
        told("reactions").await,
        json!({ ":tada:": { "usernames": ["rocketbotte"] } })
    );
    assert_eq!(told("updated").await, "changed");

    let media = told("media").await;
    let (id, url) = (&media["_id"], &media["url"]);
    assert_eq!(
        *url,
        format!("/file-upload/{}/report.txt", id.as_str().expect("an id"))
    );
    let confirmed = told("confirmed").await;
    assert_eq!(confirmed["msg"], "see");
    assert_eq!(
        confirmed["file"],
        json!({ "_id": id, "name": "report.txt", "type": "text/plain", "size": 12, "format": "" })
    );
    let attachment = &confirmed["attachments"][0];
    assert_eq!(
        (&attachment["title_link"], &attachment["description"]),
        (url, &json!("the report"))
    );
    assert_eq!(
        told("download").await,
        json!([200, "text/plain", "all is well\n"])
    );
    assert_eq!(told("stranger").await, 403);

    assert_eq!(told("deleted").await, "chosenByTheClient");
    told("gone").await;
    assert_eq!(told("synced").await, json!([2, ["chosenByTheClient"]]));
    assert_eq!(told("logout").await, "success");
    assert_eq!(told("done").await, true);
    program.ends_well().await;

    // The server's side of the same.
    let said: Vec<(String, String)> = sandbox
        .messages("general")
        .into_iter()
        .map(|m| (m.id, m.text))
        .collect();
    let [first, second] = said.as_slice() else {
        panic!("{said:?}")
    };
    assert_eq!(
        (json!(first.0), first.1.as_str(), second.1.as_str()),
        (posted, "posted", "see")
    );
    assert_eq!(
        sandbox.message(&first.0).expect("is there").raw["alias"],
        "Deploy"
    );
}
