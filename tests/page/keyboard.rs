//! The page without a mouse.

use serde_json::json;

use super::webdriver::key;
use super::{bot, people, scene};

#[tokio::test]
async fn everything_goes_by_keys() {
    scene(people().user("cleo"), async |scene| {
        let (sandbox, browser) = (&scene.sandbox, &scene.browser);
        let bot = bot(sandbox).await;
        sandbox.user("ann").say("general", "first").await;
        sandbox.user("ann").say("general", "second").await;
        scene.open().await;
        // The slash leads to the field from wherever the focus is.
        browser.js("document.activeElement.blur()").await;
        browser.keys("/").await;
        scene.say("hello").await;
        browser.see("#timeline .message", "world").await;
        // From the field back to the messages, and among them.
        let own = scene.message("hello").await;
        browser.chord(key::SHIFT, key::TAB).await;
        for _ in 0..4 {
            let inside = "return document.activeElement === document.querySelector('#timeline .scroller')";
            if browser.js(inside).await == json!(true) {
                break;
            }
            browser.chord(key::SHIFT, key::TAB).await;
        }
        browser.keys(key::UP).await;
        browser.keys(key::UP).await;
        assert_eq!(browser.js("return document.activeElement.dataset.id").await, json!(own));
        let outlined = "const s = getComputedStyle(document.activeElement); return s.outlineStyle !== 'none' && parseFloat(s.outlineWidth) > 1";
        assert_eq!(browser.js(outlined).await, json!(true));
        // The menu, to the emoji, to a reaction.
        browser.keys(key::ENTER).await;
        browser.see("[role=menu]", "Reply in thread").await;
        browser.keys(key::ENTER).await;
        browser.wait("the picker", "return document.activeElement.matches('.picker input')").await;
        browser.keys("+1").await;
        browser.keys(key::ENTER).await;
        browser.see(&format!("[data-id='{own}'] .reaction"), "👍").await;
        // A thread and back.
        browser.wait("the focus is back", &format!("return document.activeElement.dataset.id === '{own}'")).await;
        browser.keys("t").await;
        browser.wait("the field of the thread", "return document.activeElement.id === 'thread-composer'").await;
        scene.say("by keys").await;
        browser.see("#thread .message", "by keys").await;
        browser.keys(key::ESCAPE).await;
        browser.wait("the focus is back again", &format!("return document.activeElement.dataset.id === '{own}'")).await;
        // Panes and help.
        browser.chord(key::ALT, "f").await;
        browser.see("#tab-faults", "Sockets").await;
        browser.chord(key::ALT, "f").await;
        browser.wait("closed", "return document.querySelector('#tools').hidden").await;
        browser.keys(key::F6).await;
        browser.keys("?").await;
        browser.see(".dialog", "Keys").await;
        browser.keys(key::ESCAPE).await;
        browser.wait("closed", "return !document.querySelector('dialog')").await;
        // Another room: found, made of a person, left by Alt and an arrow.
        browser.click("#new-direct").await;
        browser.keys("cleo").await;
        browser.keys(key::TAB).await;
        browser.keys(key::ENTER).await;
        browser.see("#room-title", "Cleo").await;
        browser.chord(key::ALT, key::UP).await;
        browser.see("#room-title", "general").await;
        browser.chord(key::ALT, key::DOWN).await;
        browser.see("#room-title", "Cleo").await;
        bot.shut_down().await;
    })
    .await;
}

#[tokio::test]
async fn what_is_there_has_names_and_roles() {
    scene(people(), async |scene| {
        let (sandbox, browser) = (&scene.sandbox, &scene.browser);
        sandbox.user("ann").say("general", "hi").await;
        scene.open().await;
        browser.click("#tab-button-faults").await;
        let nameless = "return [...document.querySelectorAll('button, input, select, textarea')].filter((e) => !(e.innerText.trim() || e.getAttribute('aria-label') || e.labels?.length)).map((e) => e.outerHTML)";
        assert_eq!(browser.js(nameless).await, json!([]));
        let twice = "const ids = [...document.querySelectorAll('[id]')].map((e) => e.id); return ids.filter((id, at) => ids.indexOf(id) !== at)";
        assert_eq!(browser.js(twice).await, json!([]));
        assert_eq!(browser.count("main").await, 1);
        assert_eq!(browser.count("h1").await, 1);
        let article = browser.js("return document.querySelector('#timeline [role=article]:not(.system)').getAttribute('aria-label')").await;
        assert!(article.as_str().unwrap().ends_with(": hi"), "{article}");
        sandbox.user("ann").say("general", "read this out").await;
        browser.see("#timeline .message", "read this out").await;
        let live = "return document.querySelector('#live').innerText.includes('ann: read this out')";
        browser.wait("it is read out", live).await;
    })
    .await;
}
