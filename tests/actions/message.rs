//! What a message may have besides its text.

use std::sync::Arc;

use rocketbotte::Router;
use rocketbotte::layer::CommandLayer;
use rocketbotte::response::{Attachment, Send, Thread};
use rocketbotte::sandbox::Inbound;
use serde_json::{Value, json};
use tower::Layer;

use crate::support::after_secs;
use crate::support::chat::{Chat, people};

/// A bot that answers `!do` so.
async fn bot_that(answers: impl Fn() -> Send + std::marker::Send + Sync + 'static) -> Chat {
    let answers = Arc::new(answers);
    let router = Router::new().command("do", move || {
        let answers = Arc::clone(&answers);
        async move { answers() }
    });
    Chat::with(CommandLayer::new("!").layer(router)).await
}

/// What the server has of the answers, in the room or in the thread of the question.
async fn answers(answers: impl Fn() -> Send + std::marker::Send + Sync + 'static) -> (Chat, Vec<Value>) {
    let chat = bot_that(answers).await;
    chat.ask("!do").await;
    let said = chat.sandbox.messages("general").into_iter();
    let said = said.filter(|message| message.username == "rocketbotte");
    let said = said.map(|message| message.raw).collect();
    (chat, said)
}

/// The fields that a row names, and nothing of the others.
fn picked(message: &Value, row: &Value) -> Value {
    let names = row.as_object().unwrap().keys();
    names.map(|name| (name.clone(), message[name].clone())).collect()
}

#[tokio::test(start_paused = true)]
async fn everything_that_a_message_may_have() {
    type Row = (fn() -> Send, Value);
    let rows: [Row; 7] = [
        (
            || Send::text("hi"),
            json!({"msg": "hi", "alias": null, "tmid": null, "attachments": null}),
        ),
        (
            || Send::text("hi").alias("Deploy"),
            json!({"msg": "hi", "alias": "Deploy"}),
        ),
        (
            || Send::text("hi").avatar_emoji(":robot:"),
            json!({"emoji": ":robot:"}),
        ),
        (
            || Send::text("hi").avatar_url("https://example.org/a.png"),
            json!({"avatar": "https://example.org/a.png"}),
        ),
        (
            || Send::text("hi").also_in_room(),
            json!({"tmid": null, "tshow": null}),
        ),
        (
            || {
                Send::text("").attachment(
                    Attachment::new()
                        .pretext("p")
                        .color("#2de0a5")
                        .author_name("ci")
                        .author_link("https://example.org")
                        .author_icon("https://example.org/i.png")
                        .title("t")
                        .title_link("https://example.org/17")
                        .text("*green*")
                        .field("a", "1")
                        .short_field("b", "2")
                        .image_url("https://example.org/b.png")
                        .thumb_url("https://example.org/c.png")
                        .collapsed(),
                )
            },
            json!({"msg": "", "attachments": [{
                "pretext": "p", "color": "#2de0a5", "author_name": "ci", "author_link": "https://example.org",
                "author_icon": "https://example.org/i.png", "title": "t", "title_link": "https://example.org/17",
                "text": "*green*", "image_url": "https://example.org/b.png", "thumb_url": "https://example.org/c.png",
                "fields": [{"title": "a", "value": "1", "short": false}, {"title": "b", "value": "2", "short": true}],
                "collapsed": true,
            }]}),
        ),
        (
            || {
                Send::text("a")
                    .attachment(Attachment::new().text("x"))
                    .attachment(Attachment::new().text("y"))
            },
            json!({"msg": "a", "attachments": [{"text": "x"}, {"text": "y"}]}),
        ),
    ];
    for (send, row) in rows {
        let (_chat, said) = answers(send).await;
        assert_eq!(said.len(), 1);
        assert_eq!(picked(&said[0], &row), row);
    }
}

#[tokio::test(start_paused = true)]
async fn a_reply_in_a_thread_is_shown_in_the_room_too() {
    let (_chat, said) = answers(|| Send::text("hi").in_thread(Thread::Always).also_in_room()).await;
    assert!(said[0]["tmid"].is_string());
    assert_eq!(said[0]["tshow"], true);
}

/// In each kind of room, as the server makes it of the link.
#[tokio::test(start_paused = true)]
async fn a_quotation_shows_what_was_asked() {
    let sandbox = people()
        .group_with("ops", &["ann", "rocketbotte"])
        .start_in_memory();
    let direct = sandbox.user("ann").direct(&["rocketbotte"]).await;
    let three = sandbox.user("ann").direct(&["bob", "rocketbotte"]).await;
    let router = Router::new().command("do", || async { Send::text("fine").quoting() });
    let chat = Chat::on(&sandbox, CommandLayer::new("!").layer(router)).await;
    for (room, path) in [
        ("general", "channel/general".to_owned()),
        ("ops", "group/ops".to_owned()),
        (&direct, format!("direct/{direct}")),
        (&three, format!("direct/{three}")),
    ] {
        let asked = sandbox.user("ann").say(room, "!do").await;
        after_secs(1).await;
        let said = chat.after_message(room, &asked).pop().unwrap().raw;
        let link = format!("{}/{path}?msg={asked}", sandbox.url());
        assert_eq!(said["msg"], format!("[ ]({link}) fine"));
        let [quote] = &said["attachments"].as_array().unwrap()[..] else {
            panic!("{said}");
        };
        assert_eq!(
            (&quote["text"], &quote["author_name"], &quote["message_link"]),
            (&json!("!do"), &json!("ann"), &json!(link))
        );
        assert_eq!(quote["author_icon"], "/avatar/ann");
        assert_eq!(quote["ts"], sandbox.message(&asked).unwrap().raw["ts"]);
    }
}

/// The quotation begins the first part, what is shown instead of the account is the same for all.
#[tokio::test(start_paused = true)]
async fn a_long_text_quotes_once() {
    let long = || {
        Send::text("word ".repeat(1500))
            .quoting()
            .avatar_emoji(":robot:")
            .attachment(Attachment::new().text("x"))
    };
    let (_chat, said) = answers(long).await;
    let texts: Vec<&str> = said
        .iter()
        .map(|message| message["msg"].as_str().unwrap())
        .collect();
    assert_eq!(said.len(), 2);
    assert!(texts[0].starts_with("[ ](http") && texts[1].starts_with("word"));
    let attachments = said
        .iter()
        .map(|message| message["attachments"].as_array().map_or(0, Vec::len));
    assert_eq!(attachments.collect::<Vec<_>>(), [1, 1]);
    assert_eq!(said[0]["attachments"][0]["text"], "!do");
    assert_eq!(said[1]["attachments"][0]["text"], "x");
    assert!(said.iter().all(|message| message["emoji"] == ":robot:"));
}

/// What is still too long after three is cut, and the rest of the message is complete.
#[tokio::test(start_paused = true)]
async fn a_text_of_more_than_three_parts_is_cut_with_a_note() {
    let long = || {
        Send::text("word ".repeat(4000))
            .in_thread(Thread::Always)
            .attachment(Attachment::new().text("x"))
    };
    let (_chat, said) = answers(long).await;
    assert_eq!(said.len(), 3);
    assert!(said[2]["msg"].as_str().unwrap().contains("… (cut"));
    assert_eq!(said[2]["attachments"][0]["text"], "x");
    assert!(said.iter().all(|message| message["tmid"].is_string()));
}

#[tokio::test(start_paused = true)]
async fn what_belongs_to_the_whole_comes_with_the_last_part() {
    let long = || {
        Send::text("word ".repeat(1500))
            .alias("Deploy")
            .attachment(Attachment::new().text("x"))
    };
    let (_chat, said) = answers(long).await;
    assert_eq!(said.len(), 2);
    assert_eq!(
        (&said[0]["alias"], &said[1]["alias"]),
        (&json!("Deploy"), &json!("Deploy"))
    );
    assert!(said[0]["attachments"].is_null());
    assert_eq!(said[1]["attachments"][0]["text"], "x");
}

#[tokio::test(start_paused = true)]
async fn previews_are_left_to_the_server_unless_they_are_not_wanted() {
    for (send, expected) in [
        (
            (|| Send::text("https://example.org")) as fn() -> Send,
            Value::Null,
        ),
        (|| Send::text("https://example.org").without_previews(), json!([])),
    ] {
        let (chat, _) = answers(send).await;
        let bodies = chat
            .sandbox
            .frames_from_clients()
            .into_iter()
            .filter_map(|inbound| match inbound {
                Inbound::Request { path, body, .. } if path.ends_with("chat.sendMessage") => Some(body),
                _ => None,
            });
        let bodies: Vec<Value> = bodies.map(|body| serde_json::from_str(&body).unwrap()).collect();
        assert_eq!(bodies.len(), 1);
        assert_eq!(bodies[0]["previewUrls"], expected);
    }
}
