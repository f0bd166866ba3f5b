//! Whom the server takes for mentioned by what a bot says.

use std::sync::Arc;

use rocketbotte::layer::CommandLayer;
use rocketbotte::response::{Action, AllowedMentions, Attachment, Edit, Send};
use rocketbotte::{BotBuilder, Router};
use serde_json::{Value, json};
use tower::Layer;

use crate::support::chat::{Chat, people};

/// What strangers write, and what becomes of it under policies; `|` is a character without width.
const TEXT: &str = "@ann @bob. @all, @annabel a@bob.example";

struct Row {
    allowed: Option<AllowedMentions>,
    by_default: Option<AllowedMentions>,
    text: &'static str,
    mentioned: &'static [&'static str],
}

fn rows() -> Vec<Row> {
    let row = |allowed, by_default, text, mentioned| Row {
        allowed,
        by_default,
        text,
        mentioned,
    };
    let none = AllowedMentions::none;
    vec![
        row(
            None,
            None,
            "@ann @bob. @|all, @annabel a@bob.example",
            &["ann", "bob"],
        ),
        row(
            Some(none()),
            None,
            "@|ann @|bob. @|all, @|annabel a@bob.example",
            &[],
        ),
        row(
            Some(AllowedMentions::users(["bob"])),
            None,
            "@|ann @bob|. @|all, @|annabel a@bob.example",
            &["bob"],
        ),
        row(
            Some(AllowedMentions::author()),
            None,
            "@ann @|bob. @|all, @|annabel a@bob.example",
            &["ann"],
        ),
        row(
            Some(none().and_groups()),
            None,
            "@|ann @|bob. @all, @|annabel a@bob.example",
            &["all"],
        ),
        row(
            None,
            Some(none()),
            "@|ann @|bob. @|all, @|annabel a@bob.example",
            &[],
        ),
        row(
            Some(AllowedMentions::all_users()),
            Some(none()),
            "@ann @bob. @|all, @annabel a@bob.example",
            &["ann", "bob"],
        ),
    ]
}

/// The message as the server has it, after ann asked and it was done.
async fn done(
    action: impl Fn(&str) -> Action + std::marker::Send + Sync + 'static,
    by_default: Option<AllowedMentions>,
) -> Value {
    let sandbox = people().start_in_memory();
    sandbox.set_room_role("general", "rocketbotte", "owner").unwrap();
    let mine = sandbox.user("rocketbotte").say("general", "mine").await;
    let action = Arc::new(action(&mine));
    let router = Router::new().command("do", move || {
        let action = Arc::clone(&action);
        async move { (*action).clone() }
    });
    let configure = |bot: BotBuilder| match by_default {
        Some(allowed) => bot.allow_mentions(allowed),
        None => bot,
    };
    let chat = Chat::of(
        &sandbox,
        "rocketbotte",
        configure,
        CommandLayer::new("!").layer(router),
    )
    .await;
    chat.ask("!do").await;
    let said = sandbox.messages("general").into_iter();
    let mut said = said.filter(|message| message.username == "rocketbotte");
    said.next_back().unwrap().raw
}

fn check(message: &Value, row: &Row) {
    let expected = row.text.replace('|', "\u{200B}");
    assert_eq!(message["msg"], expected);
    let mentions = message["mentions"].as_array().unwrap();
    let names: Vec<&str> = mentions
        .iter()
        .map(|mention| mention["username"].as_str().unwrap())
        .collect();
    assert_eq!(names, row.mentioned);
}

#[tokio::test(start_paused = true)]
async fn of_a_message_and_its_attachments() {
    for row in rows() {
        let allowed = row.allowed.clone();
        let send = move |_: &str| {
            let attachment = Attachment::new()
                .pretext(TEXT)
                .author_name(TEXT)
                .title(TEXT)
                .text(TEXT)
                .field(TEXT, TEXT)
                .title_link("https://example.org/@ann");
            let send = Send::text(TEXT).attachment(attachment);
            match allowed.clone() {
                Some(allowed) => send.allow_mentions(allowed).into(),
                None => send.into(),
            }
        };
        let message = done(send, row.by_default.clone()).await;
        check(&message, &row);
        let shown = row.text.replace('|', "\u{200B}");
        assert_eq!(
            message["attachments"],
            json!([{
                "pretext": shown, "author_name": shown, "title": shown, "text": shown,
                "fields": [{"title": shown, "value": shown, "short": false}],
                "title_link": "https://example.org/@ann",
            }])
        );
    }
}

#[tokio::test(start_paused = true)]
async fn of_an_edit() {
    for row in rows() {
        let allowed = row.allowed.clone();
        let edit = move |mine: &str| {
            let edit = Edit::new(mine, TEXT);
            match allowed.clone() {
                Some(allowed) => edit.allow_mentions(allowed).into(),
                None => edit.into(),
            }
        };
        let message = done(edit, row.by_default.clone()).await;
        check(&message, &row);
    }
}
