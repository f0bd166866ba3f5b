//! The buttons that break things.

use super::webdriver::{Browser, key};
use super::{PATIENCE, bot, people, played, scene};

/// From now on `window.lost` counts the losses of the connection: one may be too short to be seen.
async fn count_losses(browser: &Browser) {
    let script = "
        window.lost = 0;
        const status = document.querySelector('#status');
        new MutationObserver(() => { if (status.dataset.state === 'lost') window.lost += 1 }).observe(status, { attributes: true });
    ";
    browser.js(script).await;
}

#[tokio::test]
async fn page_and_bot_come_back_after_a_fault_that_its_button_made() {
    // Of half a frame the browser tells itself.
    played(people(), &NETWORK[1..], async |scene| {
        let (sandbox, browser) = (&scene.sandbox, &scene.browser);
        let bot = bot(sandbox).await;
        scene.open().await;
        browser.click("#tab-button-faults").await;
        browser.see(".all-well", "Nothing is broken").await;
        for (button, met) in [
            ("Drop", "cut by an end of stream"),
            ("Reset", "cut by a reset"),
            ("Close", "closed"),
            ("Half a frame", "half a frame"),
        ] {
            count_losses(browser).await;
            browser.click(&format!("[data-fault='{button}']")).await;
            browser
                .wait("the connection is lost", "return window.lost > 0")
                .await;
            let back = "return document.querySelector('#status').dataset.state === 'ready'";
            browser.wait("the page is connected again", back).await;
            assert!(sandbox.faults_met()[met] >= 2, "{:?}", sandbox.faults_met());
            bot.ready().await;
            browser.click("#composer").await;
            scene.say(&format!("!ping {button}")).await;
            browser.see("#timeline .message", &format!("pong {button}")).await;
        }
        browser.see(".met", "cut by a reset").await;
        bot.shut_down().await;
    })
    .await;
}

/// What the browser itself tells of attempts to reach a server that is not there.
const NETWORK: [&str; 2] = ["net::ERR_", "WebSocket connection to"];

#[tokio::test]
async fn the_server_is_gone_for_a_while_by_a_button() {
    played(people(), &NETWORK, async |scene| {
        let (sandbox, browser) = (&scene.sandbox, &scene.browser);
        let bot = bot(sandbox).await;
        scene.open().await;
        browser.click("#tab-button-faults").await;
        browser
            .js("document.querySelector('#fault-seconds').value = '1'")
            .await;
        count_losses(browser).await;
        browser.click("[data-fault='Gone']").await;
        browser
            .wait("the connection is lost", "return window.lost > 0")
            .await;
        let met = |sandbox: &super::Sandbox| sandbox.faults_met().contains_key("server gone");
        sandbox.wait_until(met, PATIENCE).await.unwrap();
        browser
            .wait("it is back", "return document.querySelector('#offline').hidden")
            .await;
        browser.see(".met", "server gone").await;
        browser.click("#composer").await;
        scene.say("!ping again").await;
        browser.see("#timeline .message", "pong again").await;
        bot.shut_down().await;
    })
    .await;
}

#[tokio::test]
async fn what_was_said_meanwhile_is_there_afterwards_and_what_was_written_goes_out_once() {
    played(people(), &NETWORK, async |scene| {
        let (sandbox, browser) = (&scene.sandbox, &scene.browser);
        scene.open().await;
        let deleted = sandbox.user("ann").say("general", "to be deleted").await;
        scene.message("to be deleted").await;
        sandbox.go_down().await;
        browser
            .wait("it tells", "return !document.querySelector('#offline').hidden")
            .await;
        sandbox.user("ann").say("general", "said meanwhile").await;
        sandbox.user("ann").delete(&deleted).await;
        browser.click("#composer").await;
        scene.say("written meanwhile").await;
        browser.see("#timeline .pending", "written meanwhile").await;
        browser.picture("offline").await;
        sandbox.come_back().await;
        browser.see("#timeline .message", "said meanwhile").await;
        scene.message("written meanwhile").await;
        browser.see_no_more("#timeline .message", "to be deleted").await;
        browser
            .wait(
                "it tells no more",
                "return document.querySelector('#offline').hidden",
            )
            .await;
        let written = sandbox
            .messages("general")
            .iter()
            .filter(|m| m.text == "written meanwhile")
            .count();
        assert_eq!(written, 1);
    })
    .await;
}

#[tokio::test]
async fn faults_of_rest_and_frames_are_switched_shown_and_cleared() {
    scene(people(), async |scene| {
        let (sandbox, browser) = (&scene.sandbox, &scene.browser);
        let bot = bot(sandbox).await;
        scene.open().await;
        browser.click("#tab-button-faults").await;
        browser.click("[data-fault='Duplicate']").await;
        browser.see(".active-faults", "frames twice").await;
        browser.click("[data-fault='503']").await;
        browser.see(".active-faults", "chat.sendMessage: 503 × 3").await;
        browser.see("#broken", "2 faults").await;
        browser.picture("faults").await;
        // The bot tries until it works, and the doubled frames are one message.
        browser.click("#composer").await;
        scene.say("!ping hard").await;
        browser.see("#timeline .message", "pong hard").await;
        let pongs = "return [...document.querySelectorAll('#timeline .text')].filter((e) => e.innerText === 'pong hard').length";
        assert_eq!(browser.js(pongs).await, 1);
        browser.click("#tab-button-inspector").await;
        // It is listed once it is done, which may be after its answer was seen.
        browser.see(".event", "!ping hard").await;
        browser.click(".event").await;
        browser.see(".action", "4 attempts").await;
        browser.click("#tab-button-faults").await;
        browser.click(".clear-faults").await;
        browser.see(".all-well", "Nothing is broken").await;
        browser.wait("the sign is gone", "return document.querySelector('#broken').hidden").await;
        bot.shut_down().await;
    })
    .await;
}

#[tokio::test]
async fn a_message_that_the_server_refuses_says_so() {
    scene(people(), async |scene| {
        let (sandbox, browser) = (&scene.sandbox, &scene.browser);
        scene.open().await;
        let me = scene.me().await;
        sandbox.set_muted("general", &me, true).unwrap();
        scene.say("can you hear me").await;
        browser.see("#timeline .failed", "Not sent").await;
        browser.click("#timeline .failed .link").await;
        browser.see_no_more("#timeline .message", "can you hear me").await;
        browser.keys(key::ESCAPE).await;
        let heard = sandbox
            .messages("general")
            .iter()
            .any(|m| m.text == "can you hear me");
        assert!(!heard);
        sandbox.set_muted("general", &me, false).unwrap();
        browser.click("#composer").await;
        scene.say("and now").await;
        scene.message("and now").await;
        sandbox.wait_for(|m| m.text == "and now", PATIENCE).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn the_page_of_a_server_that_was_started_anew_says_so() {
    let tolerated = [NETWORK[0], NETWORK[1], "401 (Unauthorized)"];
    played(people(), &tolerated, async |scene| {
        let browser = &scene.browser;
        scene.open().await;
        let port = scene.sandbox.url().rsplit_once(':').unwrap().1.parse().unwrap();
        scene.sandbox.shutdown().await;
        browser
            .wait("it tells", "return !document.querySelector('#offline').hidden")
            .await;
        let anew = people().port(port).start().await.unwrap();
        browser
            .see("#offline", "open the address that it prints now")
            .await;
        browser.see("#status", "Started anew").await;
        // It does not try again: nothing that the browser would complain of.
        browser.log().await;
        // With a try still to come these events would make it at once.
        let tries = "
            let tries = 0;
            for (const name of ['WebSocket', 'EventSource']) {
              const Real = window[name];
              window[name] = class extends Real { constructor(...given) { tries += 1; super(...given); } };
            }
            dispatchEvent(new Event('online'));
            document.dispatchEvent(new Event('visibilitychange'));
            return tries
        ";
        assert_eq!(browser.js(tries).await, 0);
        assert_eq!(browser.log().await, Vec::<String>::new());
        assert_eq!(
            browser
                .js("return document.querySelector('#composer').disabled")
                .await,
            true
        );
        // Nor is anybody locked out: the address of now works in the same browser.
        browser.go(&anew.page_url()).await;
        scene.arrived().await;
        anew.shutdown().await;
    })
    .await;
}

#[tokio::test]
async fn a_login_that_fails_for_now_keeps_the_account() {
    played(people(), &[], async |scene| {
        let (sandbox, browser) = (&scene.sandbox, &scene.browser);
        scene.open().await;
        let me = scene.me().await;
        // The next two logins are answered as by a server that stumbles, and by a limiter.
        let stumbles = "
            const Real = WebSocket;
            const errors = [500, 'too-many-requests'];
            window.failed = 0;
            window.WebSocket = class extends Real {
              set onmessage(hear) {
                super.onmessage = (event) => {
                  const frame = JSON.parse(event.data);
                  if (!frame.result?.token || errors.length === 0) return hear(event);
                  window.failed += 1;
                  return hear({ data: JSON.stringify({ msg: 'result', id: frame.id, error: { error: errors.shift(), reason: 'not now' } }) });
                };
              }
            };
        ";
        browser.js(stumbles).await;
        sandbox.drop_connections();
        browser.wait("both failed", "return window.failed === 2").await;
        let back = "return document.querySelector('#status').dataset.state === 'ready'";
        browser.wait("the page is connected again", back).await;
        assert_eq!(scene.me().await, me);
        browser.click("#composer").await;
        scene.say("still me").await;
        let id = scene.message("still me").await;
        assert_eq!(sandbox.message(&id).unwrap().username, me);
    })
    .await;
}
