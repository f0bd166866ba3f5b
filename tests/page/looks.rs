//! How it looks: narrow, dark, everything open. With `ROCKETBOTTE_SCREENSHOTS=folder` to be looked at.

use serde_json::{Value, json};

use super::webdriver::{Browser, key};
use super::{Scene, bot, people, scene};

/// A conversation with a bit of everything. Gives the id of the message with a thread.
async fn furnish(scene: &Scene) -> String {
    let sandbox = &scene.sandbox;
    let (ann, bob, robot) = (
        sandbox.user("ann"),
        sandbox.user("bob"),
        sandbox.bot("rocketbotte"),
    );
    ann.say("general", "Morning! Is `api-7` out yet?").await;
    ann.say(
        "general",
        "I promised it to the *support* people for today :sweat_smile:",
    )
    .await;
    let root = bob
        .say(
            "general",
            "Nearly. @rocketbotte watches the build, see https://ci.example.org/builds/7",
        )
        .await;
    let attachments = json!([{
        "color": "#2f9e63", "title": "Build 7 passed", "title_link": "https://ci.example.org/builds/7",
        "text": "214 tests in 3 min 12 s",
        "fields": [
            { "short": true, "title": "Branch", "value": "main" },
            { "short": true, "title": "Commit", "value": "`9a2dd12`" },
        ],
    }]);
    let done = robot
        .post(json!({ "rid": "general", "msg": "The build is green :tada:", "attachments": attachments }))
        .await;
    for (user, emoji) in [(&ann, ":tada:"), (&bob, ":tada:"), (&ann, ":rocket:")] {
        user.react(&done, emoji).await;
    }
    robot.reply("general", &root, "Started at 09:12.").await;
    ann.reply("general", &root, "Thanks, I watch it too.").await;
    bob.say(
        "general",
        "```sh\nkubectl rollout status deploy/api\n```\n> and then we wait\n- five minutes\n- at most",
    )
    .await;
    sandbox
        .create_discussion("general", "Release notes", &["ann", "bob", &scene.me().await])
        .unwrap();
    let me = scene.me().await;
    sandbox.user("bob").direct(&[&me]).await;
    root
}

/// No text or button reaches over the edge of the page.
async fn fits(browser: &Browser) {
    let wider = "
        const width = document.documentElement.clientWidth;
        return [...document.querySelectorAll('body *')]
          .filter((e) => e.checkVisibility({ visibilityProperty: true }) && !e.closest('pre, .sr, .skip, .sidebar'))
          .filter((e) => { const r = e.getBoundingClientRect(); return r.width > 0 && (r.right > width + 1 || r.left < -1); })
          .map((e) => e.outerHTML.slice(0, 200));
    ";
    assert_eq!(browser.js(wider).await, json!([]));
}

/// The contrast of all text against what is behind it, at least what WCAG asks for.
async fn contrasts(browser: &Browser, what: &str) {
    let poor = "
        const parse = (text) => { const p = text.match(/[\\d.]+/g).map(Number); return { rgb: p.slice(0, 3), a: p[3] ?? 1 } };
        const over = (top, below) => top.rgb.map((c, i) => c * top.a + below[i] * (1 - top.a));
        const light = (rgb) => { const [r, g, b] = rgb.map((c) => { c /= 255; return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4 }); return 0.2126 * r + 0.7152 * g + 0.0722 * b };
        const behind = (e) => { const stack = []; for (let n = e; n; n = n.parentElement) stack.unshift(parse(getComputedStyle(n).backgroundColor)); return stack.reduce((below, top) => over(top, below), parse(getComputedStyle(document.documentElement).backgroundColor).rgb) };
        const bad = [];
        for (const e of document.querySelectorAll('body *')) {
          const own = [...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim());
          if (!own || !e.checkVisibility({ opacityProperty: true, visibilityProperty: true }) || e.closest('.sr, .skip, :disabled, .pending')) continue;
          const rect = e.getBoundingClientRect();
          if (rect.width === 0) continue;
          const style = getComputedStyle(e);
          const back = behind(e);
          const [a, b] = [light(over(parse(style.color), back)), light(back)];
          const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
          const size = parseFloat(style.fontSize);
          const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
          if (ratio < (large ? 3 : 4.5)) bad.push(`${ratio.toFixed(2)} ${e.className} ${e.innerText.slice(0, 40)}`);
        }
        return bad;
    ";
    browser.rest().await;
    assert_eq!(browser.js(poor).await, json!([]), "{what}");
}

#[tokio::test]
async fn it_is_handsome_in_the_light_and_in_the_dark() {
    scene(people().channel("deploys"), async |scene| {
        let (sandbox, browser) = (&scene.sandbox, &scene.browser);
        let bot = bot(sandbox).await;
        scene.open().await;
        let root = furnish(scene).await;
        sandbox
            .user("ann")
            .say("deploys", &format!("@{} ready?", scene.me().await))
            .await;
        scene.say("!ping 7").await;
        browser.see("#timeline .message", "pong 7").await;
        browser.click(".event").await;
        browser.see(".action", "pong 7").await;
        sandbox.user("ann").typing("general", true).await;
        browser.see("#typing", "ann is typing").await;
        for (name, dark) in [("light", false), ("dark", true)] {
            browser.dark(dark).await;
            let scheme = "return document.documentElement.dataset.theme";
            browser
                .wait("the colours", &format!("{scheme} === '{name}'"))
                .await;
            contrasts(browser, name).await;
            fits(browser).await;
            browser.picture(&format!("inspector-{name}")).await;
        }
        browser.dark(false).await;
        browser.click(&format!("[data-id='{root}'] .thread-link")).await;
        browser.see("#thread .message", "I watch it too").await;
        browser.size(1720, 950).await;
        fits(browser).await;
        contrasts(browser, "thread").await;
        browser.picture("thread").await;
        browser.click("#tab-button-traffic").await;
        browser.see(".entry-rest", "chat.sendMessage").await;
        contrasts(browser, "traffic").await;
        browser.picture("traffic").await;
        browser.click("#tab-button-faults").await;
        browser.click("[data-fault='Slow REST']").await;
        browser.see(".active-faults", "REST slow").await;
        contrasts(browser, "faults").await;
        browser.picture("fault-in-progress").await;
        browser.click(".clear-faults").await;
        browser.see(".all-well", "Nothing").await;
        browser.size(1280, 800).await;
        browser.click("#tools-close").await;
        fits(browser).await;
        browser.picture("thread-1280").await;
        browser.click("#thread [aria-label='Close the thread']").await;
        browser.click("#new-direct").await;
        browser.see(".dialog", "New direct message").await;
        contrasts(browser, "dialog").await;
        browser.picture("dialog").await;
        browser.keys(key::ESCAPE).await;
        bot.shut_down().await;
    })
    .await;
}

#[tokio::test]
async fn the_choice_of_colours_is_remembered() {
    scene(people(), async |scene| {
        let browser = &scene.browser;
        scene.open().await;
        let theme = "return [document.documentElement.dataset.theme, getComputedStyle(document.body).colorScheme, getComputedStyle(document.documentElement).backgroundColor]";
        assert_eq!(browser.js(theme).await, json!(["light", "light", "rgb(255, 255, 255)"]));
        browser.click("#theme").await;
        assert_eq!(browser.js(theme).await, json!(["dark", "dark", "rgb(23, 24, 28)"]));
        scene.open().await;
        assert_eq!(browser.js(theme).await[0], "dark");
        browser.click("#theme").await;
        assert_eq!(browser.js(theme).await[0], "light");
    })
    .await;
}

#[tokio::test]
async fn it_fits_a_phone() {
    scene(people().channel("deploys"), async |scene| {
        let (sandbox, browser) = (&scene.sandbox, &scene.browser);
        let bot = bot(sandbox).await;
        browser.size(360, 740).await;
        scene.open().await;
        let root = furnish(scene).await;
        let long = format!("{} and {}", "x".repeat(300), "https://example.org/".repeat(20));
        sandbox.user("ann").say("general", &long).await;
        browser.see("#timeline .message", "xxxxx").await;
        fits(browser).await;
        sandbox.user("ann").delete(&scene.message(&long).await).await;
        browser.click("#composer").await;
        scene.say("!ping 7").await;
        browser.see("#timeline .message", "pong 7").await;
        browser.picture("phone").await;
        // Rooms in a drawer.
        assert_eq!(browser.js("return getComputedStyle(document.querySelector('#sidebar')).visibility").await, "hidden");
        browser.click("#rooms-button").await;
        let slid = "return document.querySelector('#sidebar').getBoundingClientRect().left === 0";
        browser.wait("the drawer is open", slid).await;
        browser.picture("phone-rooms").await;
        browser.click(".room[data-room=GENERAL]").await;
        let shut = "return getComputedStyle(document.querySelector('#sidebar')).visibility === 'hidden'";
        browser.wait("the drawer is shut", shut).await;
        // A thread fills the screen, the inspector is a sheet.
        browser.js("document.querySelector('#timeline .scroller').scrollTop = 0").await;
        browser.click(&format!("[data-id='{root}'] .thread-link")).await;
        browser.see("#thread .message", "I watch it too").await;
        fits(browser).await;
        browser.picture("phone-thread").await;
        browser.click("#thread [aria-label='Close the thread']").await;
        browser.click("#tools-button").await;
        browser.click(".event").await;
        browser.see(".detail .detail-text", "!ping 7").await;
        fits(browser).await;
        browser.picture("phone-inspector").await;
        browser.click("#tab-button-faults").await;
        browser.see("#tab-faults", "Sockets").await;
        fits(browser).await;
        browser.dark(true).await;
        browser.picture("phone-faults-dark").await;
        browser.click("#tools-close").await;
        let small = "return [...document.querySelectorAll('.room-head button, .composer button')].filter((e) => e.checkVisibility()).map((e) => e.getBoundingClientRect()).filter((r) => r.width < 32 || r.height < 28).length";
        assert_eq!(browser.js(small).await, Value::from(0));
        bot.shut_down().await;
    })
    .await;
}

#[tokio::test]
async fn without_a_token_it_says_how_to_get_one() {
    scene(people(), async |scene| {
        let browser = &scene.browser;
        browser.go(&scene.sandbox.url()).await;
        browser.see("h1", "A Rocket.Chat sandbox runs here").await;
        contrasts(browser, "no token").await;
        browser.picture("no-token").await;
    })
    .await;
}
