//! The look into a bot.

use serde_json::json;

use super::{bot, people, scene};

#[tokio::test]
async fn an_event_is_followed_through_layers_routes_and_actions() {
    scene(people(), async |scene| {
        let browser = &scene.browser;
        let bot = bot(&scene.sandbox).await;
        scene.open().await;
        scene.say("!ping 7").await;
        browser.see(".event", "!ping 7").await;
        browser.see(".event .chip", "answered").await;
        browser.click(".event").await;
        let layers = "return [...document.querySelectorAll('.layer-name')].map((e) => e.innerText)";
        browser.wait("the layers", "return document.querySelectorAll('.layer').length > 3").await;
        let names = browser.js(layers).await;
        let names: Vec<&str> = names.as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
        for name in ["TraceLayer", "CommandLayer", "RateLimitLayer", "TimeoutLayer", "Router", "command ping"] {
            assert!(names.contains(&name), "{name} in {names:?}");
        }
        browser.see(".layer-time", "s").await;
        let bars = "return [...document.querySelectorAll('.bar')].every((e) => e.getBoundingClientRect().width >= 1)";
        assert_eq!(browser.js(bars).await, json!(true));
        browser.see(".command", "ping").await;
        browser.see(".routes .runs", "ping").await;
        browser.see(".routes", "another command was asked for").await;
        browser.see(".action", "pong 7").await;
        browser.see(".action .chip", "done").await;
        browser.see(".action", "1 attempt").await;

        // What fails says why, and the menu of a message leads there.
        browser.click("#composer").await;
        scene.say("!boom").await;
        browser.see(".event .chip", "failed").await;
        let id = scene.message("!boom").await;
        browser.click("#tools-close").await;
        browser.click(&format!("[data-id='{id}']")).await;
        browser.keys("w").await;
        browser.see(".detail .detail-text", "!boom").await;
        browser.see(".detail .problem", "the boiler burst").await;

        // Nothing to see is explained too.
        browser.click("#composer").await;
        scene.say("no bot cares").await;
        browser.see(".event", "no bot cares").await;
        browser.click(".event").await;
        browser.see(".detail .chip", "silent").await;
        browser.see(".routes", "the event is no command").await;
        browser.click("#inspector-silent").await;
        browser.see_no_more(".event", "no bot cares").await;
        bot.shut_down().await;
    })
    .await;
}

#[tokio::test]
async fn of_bots_without_an_inspector_the_server_tells_what_it_sees() {
    scene(people(), async |scene| {
        let browser = &scene.browser;
        scene.open().await;
        browser.see(".inspector .empty", "Give it an inspector").await;
        let bot = super::Live::of(
            &scene.sandbox,
            super::bot_at(&scene.sandbox, "rocketbotte"),
            super::app(),
        )
        .await;
        scene.say("!ping 7").await;
        browser.see("#timeline .message", "pong 7").await;
        browser.click("#tab-button-traffic").await;
        browser.see(".entry-rest", "POST chat.sendMessage").await;
        browser.see(".entry-rest .entry-end", "200").await;
        browser.see(".entry-in", "method login").await;
        browser
            .see(".entry-out", "stream-room-messages __my_messages__ !ping 7")
            .await;
        let me = scene.me().await;
        browser.see_no_more(".entry-who", &me).await;
        browser.click("#traffic-all").await;
        browser.see(".entry-who", &me).await;
        bot.shut_down().await;
    })
    .await;
}
