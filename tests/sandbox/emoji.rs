//! Which short names are taken as a reaction, and the list of the server's own.

use rocketbotte::sandbox::Sandbox;
use serde_json::json;

use crate::client::{Ddp, get, post};

fn server() -> Sandbox {
    let builder = Sandbox::builder().user("ann").bot("rocketbotte");
    builder.emoji(":party_parrot:").start_in_memory()
}

#[tokio::test]
async fn only_known_short_names_are_reactions() {
    let sandbox = server();
    let bot = sandbox.bot("rocketbotte");
    let id = sandbox.user("ann").say("general", "hi").await;
    for (emoji, is_known) in [
        (":+1:", true),
        ("thumbsup", true),
        (":slight_smile:", true),
        (":wave_tone3:", true),
        (":handshake_tone1_tone5:", true),
        (":party_parrot:", true),
        (":nosuch:", false),
        (":wave_tone6:", false),
        (":_tone1:", false),
        ("👍", false),
        (":", false),
    ] {
        let react = json!({ "messageId": id, "emoji": emoji, "shouldReact": true });
        let (status, body) = post(&sandbox, &bot, "chat.react", react).await;
        let known = (200, json!({ "success": true }));
        let unknown = json!({
            "success": false,
            "error": "Invalid emoji provided. [error-not-allowed]",
            "errorType": "error-not-allowed",
            "details": { "method": "setReaction" },
        });
        assert_eq!(
            (status, body),
            if is_known { known } else { (400, unknown) },
            "{emoji}"
        );
    }
    let mut ddp = Ddp::in_memory(&sandbox).await;
    ddp.log_in(&bot).await;
    let refused = ddp.call("setReaction", json!([":nosuch:", id, true])).await;
    assert_eq!(refused["error"]["reason"], "Invalid emoji provided.");
}

#[tokio::test]
async fn the_servers_own_are_listed() {
    let sandbox = server();
    let (status, body) = get(&sandbox, &sandbox.bot("rocketbotte"), "emoji-custom.list").await;
    assert_eq!(status, 200);
    let own = &body["emojis"]["update"];
    assert_eq!(
        (&own[0]["name"], own.as_array().map(Vec::len)),
        (&json!("party_parrot"), Some(1))
    );
    assert_eq!(body["emojis"]["remove"], json!([]));
    let plain = Sandbox::builder().bot("rocketbotte").start_in_memory();
    let (_, body) = get(&plain, &plain.bot("rocketbotte"), "emoji-custom.list").await;
    assert_eq!(
        body,
        json!({ "emojis": { "update": [], "remove": [] }, "success": true })
    );
}
