//! Ten thousand messages.

use rocketbotte::Router;
use rocketbotte::extract::Args;
use rocketbotte::inspect::Inspector;
use rocketbotte::layer::CommandLayer;
use serde_json::json;
use tower::ServiceBuilder;

use super::{Live, PATIENCE, bot, bot_at, people, scene};

const MESSAGES: usize = 10_000;
/// Rows that may be in the document at once: what is near the screen.
const ROWS_MAX: u64 = 120;

#[tokio::test]
async fn ten_thousand_messages_stay_a_bounded_page() {
    scene(people(), async |scene| {
        let (sandbox, browser) = (&scene.sandbox, &scene.browser);
        for number in 0..MESSAGES {
            let user = if number % 3 == 0 { "bob" } else { "ann" };
            sandbox.user(user).say("general", &format!("message {number}")).await;
        }
        browser.go(&sandbox.page_url()).await;
        let last = format!("message {}", MESSAGES - 1);
        browser.see("#timeline .message", &last).await;
        assert!(browser.count("#timeline .message").await < ROWS_MAX);

        // To the beginning, page by page.
        browser.js("window.most = 0; window.climb = setInterval(() => { const s = document.querySelector('#timeline .scroller'); s.scrollTop = 0; window.most = Math.max(window.most, document.querySelectorAll('#timeline .message').length) }, 5)").await;
        let begun = std::time::Instant::now();
        browser.see("#timeline .intro h2", "#general").await;
        browser.js("clearInterval(window.climb)").await;
        let climbed = begun.elapsed();
        browser.see("#timeline .message", "message 0").await;
        let most = browser.js("return window.most").await;
        assert!(most.as_u64().unwrap() < ROWS_MAX, "{most}");

        // All of it is there, in order and once: as seen by walking through it.
        let walk = "
            window.seen = [];
            const scroller = document.querySelector('#timeline .scroller');
            const step = () => {
              const shown = [...document.querySelectorAll('#timeline .text')].map((e) => Number(e.textContent.slice(8)));
              window.most = Math.max(window.most, shown.length);
              for (const number of shown) if (!window.seen.length || number > window.seen.at(-1)) window.seen.push(number);
              // The next step when the rows of this one are there.
              if (window.seen.at(-1) !== 9999) { scroller.scrollTop += 900; requestAnimationFrame(() => requestAnimationFrame(step)); }
            };
            step();
        ";
        browser.js(walk).await;
        browser.wait("the end", "return window.seen.at(-1) === 9999").await;
        let gaps = "return window.seen.filter((number, at) => at > 0 && number !== window.seen[at - 1] + 1)";
        assert_eq!(browser.js(gaps).await, json!([]));
        assert!(browser.js("return window.most").await.as_u64().unwrap() < ROWS_MAX);

        // Frames while it is scrolled through, and while a bot floods the room.
        let frames = "
            window.frames_seen = [];
            let before = performance.now();
            const scroller = document.querySelector('#timeline .scroller');
            const step = (now) => {
              window.frames_seen.push(now - before);
              before = now;
              if (window.flood) { if (window.frames_seen.length < 2000) requestAnimationFrame(step); return; }
              scroller.scrollTop = (scroller.scrollTop + 4111) % scroller.scrollHeight;
              if (window.frames_seen.length < 120) requestAnimationFrame(step);
            };
            requestAnimationFrame(step);
        ";
        browser.js(frames).await;
        browser.wait("120 frames", "return window.frames_seen.length >= 120").await;
        let median = "return [...window.frames_seen].sort((a, b) => a - b)[60]";
        let scrolling = browser.js(median).await;
        browser.click("#timeline .pill").await;
        browser.see("#timeline .message", &last).await;
        let begun = std::time::Instant::now();
        for number in 0..2000 {
            sandbox.bot("rocketbotte").say("general", &format!("flood {number}")).await;
        }
        browser.see("#timeline .message", "flood 1999").await;
        let flooded = begun.elapsed();
        assert!(browser.count("#timeline .message").await < ROWS_MAX);
        let nodes = browser.count("*").await;
        assert!(nodes < 5000, "{nodes}");
        // A figure for people, no assertion: machines differ.
        eprintln!(
            "to the beginning of {MESSAGES} messages in {climbed:?}, a frame of scrolling in {scrolling} ms (median), \
             2000 new ones in {flooded:?}, {nodes} nodes"
        );
    })
    .await;
}

#[tokio::test]
async fn who_reads_above_stays_there_while_others_write() {
    scene(people(), async |scene| {
        let (sandbox, browser) = (&scene.sandbox, &scene.browser);
        for number in 0..300 {
            sandbox.user("ann").say("general", &format!("message {number}\nwith a second line")).await;
        }
        browser.go(&sandbox.page_url()).await;
        browser.see("#timeline .message", "message 299").await;
        browser.js("document.querySelector('#timeline .scroller').scrollTop -= 1500").await;
        browser.see("#timeline .pill", "Latest messages").await;
        let top = "const s = document.querySelector('#timeline .scroller').getBoundingClientRect().top; const e = [...document.querySelectorAll('#timeline .message')].find((e) => e.getBoundingClientRect().top >= s); return [e.dataset.id, Math.round(e.getBoundingClientRect().top)]";
        let before = browser.js(top).await;
        for number in 0..5 {
            sandbox.user("bob").say("general", &format!("new {number}")).await;
        }
        browser.see("#timeline .pill-new", "5 new messages").await;
        assert_eq!(browser.js(top).await, before);
        browser.click("#timeline .pill").await;
        browser.see("#timeline .message", "new 4").await;
        browser.wait("the pill is gone", "return document.querySelector('#timeline .pill').hidden").await;
    })
    .await;
}

#[tokio::test]
async fn a_huge_text_of_a_bot_does_not_hold_up_the_page() {
    scene(people(), async |scene| {
        let (sandbox, browser) = (&scene.sandbox, &scene.browser);
        scene.open().await;
        let http = super::endpoints::Http::new(sandbox);
        let bot = sandbox.bot("rocketbotte");
        let (id, token) = (bot.id(), bot.token());
        let headers = [
            ("X-User-Id", id),
            ("X-Auth-Token", token.as_str()),
            ("Content-Type", "application/json"),
        ];
        // The longest time in which the page did nothing else.
        let held = "
            window.held = 0;
            let before = performance.now();
            setInterval(() => { const now = performance.now(); window.held = Math.max(window.held, now - before); before = now }, 5);
        ";
        browser.js(held).await;
        for (number, signs) in ["`", "**a ", "__a ", "[](", "<http://a|", "> ", "~~a ", "http://a", "@.", "#-"].iter().enumerate() {
            let text = signs.repeat(1_000_000 / signs.len());
            let field = json!({ "title": text[..100_000], "value": text[..200_000] });
            let body = json!({
                "roomId": "GENERAL",
                "text": format!("huge {number}"),
                "attachments": [{ "text": text, "pretext": text, "fields": [field] }],
            });
            let (status, _, answer) = http.raw("POST", "/api/v1/chat.postMessage", &headers, &body.to_string()).await;
            assert_eq!(status, 200, "{answer}");
            browser.see("#timeline .message", &format!("huge {number}")).await;
        }
        browser.see("#timeline .message .attachment button", "characters more").await;
        let held = browser.js("return window.held").await.as_f64().unwrap();
        let nodes = browser.count("*").await;
        eprintln!("held up for {held} ms, {nodes} nodes");
        assert!(held < 5_000.0, "{held} ms");
        assert!(nodes < 100_000, "{nodes}");

        // The rest of it is there for who wants it, as plain text.
        browser.js("document.querySelector('#timeline .attachment button.link').click()").await;
        let rest = "return (document.querySelector('.as-it-is')?.textContent.length ?? 0) >= 190000";
        browser.wait("the rest", rest).await;
    })
    .await;
}

#[tokio::test]
async fn what_is_read_of_an_event_stays_while_a_flood_of_others_comes() {
    const COMMANDS: usize = 1500;
    scene(people(), async |scene| {
        let (sandbox, browser) = (&scene.sandbox, &scene.browser);
        let inspector = Inspector::new();
        sandbox.inspect(&inspector);
        let router = Router::new().command("ping", async |Args(text): Args<String>| format!("pong {text}"));
        let app = ServiceBuilder::new().layer(CommandLayer::new("!")).service(router);
        let bot = Live::of(sandbox, bot_at(sandbox, "rocketbotte").inspector(inspector), app).await;
        browser.size(1440, 500).await;
        scene.open().await;
        let asked = sandbox.user("ann").say("general", "!ping first").await;
        sandbox.wait_for_reply(&asked, PATIENCE).await.unwrap();
        browser.see(".event .chip", "answered").await;
        browser.click(".event").await;
        browser.see(".action .chip", "done").await;
        let read = "
            const detail = document.querySelector('.detail');
            window.button = detail.querySelector('.action button.link');
            window.button.focus();
            getSelection().selectAllChildren(detail.querySelector('.action-text'));
            detail.scrollTop = 150;
            return detail.scrollTop
        ";
        let scrolled = browser.js(read).await;
        assert!(scrolled.as_f64().unwrap() > 50.0, "{scrolled}");

        let begun = std::time::Instant::now();
        let mut last = String::new();
        for number in 0..COMMANDS {
            last = sandbox.user("ann").say("general", &format!("!ping {number}")).await;
        }
        sandbox.wait_for_reply(&last, PATIENCE).await.unwrap();
        browser.see(".event", &format!("!ping {}", COMMANDS - 1)).await;
        let flooded = begun.elapsed();
        let now = "
            return [document.activeElement === window.button, window.button.isConnected, getSelection().toString(), document.querySelector('.detail').scrollTop]
        ";
        assert_eq!(browser.js(now).await, json!([true, true, "pong first", scrolled]));
        let (events, nodes) = (browser.count(".event").await, browser.count("*").await);
        eprintln!("{COMMANDS} commands in {flooded:?}, {events} events, {nodes} nodes");
        assert!(events <= 501, "{events}");
        assert!(nodes < 12_000, "{nodes}");

        // It follows another one that is chosen.
        browser.js("document.querySelector('.event').click()").await;
        browser.see(".detail .detail-text", &format!("!ping {}", COMMANDS - 1)).await;
        bot.shut_down().await;
    })
    .await;
}

#[tokio::test]
async fn many_tabs_do_not_stop_each_other() {
    scene(people(), async |scene| {
        let (sandbox, browser) = (&scene.sandbox, &scene.browser);
        let bot = bot(sandbox).await;
        scene.open().await;
        for number in 0..7 {
            browser.new_tab().await;
            browser.size(1440, 900).await;
            browser
                .go(&format!("{}&person=tab{number}", sandbox.page_url()))
                .await;
            scene.arrived().await;
        }
        // Each has a stream only while it is looked at; the one in front has the inspector and can still ask the server.
        scene.say("!ping 7").await;
        browser.see("#timeline .message", "pong 7").await;
        browser.see(".event", "!ping 7").await;
        browser
            .js("window.asked = 0; fetch(location.href).then(() => (window.asked = 1))")
            .await;
        browser.wait("an answer", "return window.asked === 1").await;
        bot.shut_down().await;
    })
    .await;
}

#[tokio::test]
async fn the_traffic_of_a_flood_stays_a_bounded_list_whose_rows_are_kept() {
    const MESSAGES: usize = 3000;
    scene(people(), async |scene| {
        let (sandbox, browser) = (&scene.sandbox, &scene.browser);
        scene.open().await;
        let bot = bot(sandbox).await;
        browser.click("#tab-button-traffic").await;
        browser
            .see(".entry .entry-what", "sub stream-room-messages")
            .await;
        // Rows that are made and those that are there, at each change.
        let counts = "
            window.made = new Set();
            window.most = 0;
            const list = document.querySelector('.traffic');
            new MutationObserver((changes) => {
              for (const change of changes) for (const node of change.addedNodes) window.made.add(node);
              window.most = Math.max(window.most, list.childElementCount);
            }).observe(list, { childList: true });
        ";
        browser.js(counts).await;
        for number in 0..MESSAGES {
            sandbox
                .user("ann")
                .say("general", &format!("flood {number}"))
                .await;
        }
        let last = format!("flood {}", MESSAGES - 1);
        browser.see(".entry .entry-what", &last).await;
        let counted = browser.js("return [window.most, window.made.size]").await;
        let (most, made) = (counted[0].as_u64().unwrap(), counted[1].as_u64().unwrap());
        let nodes = browser.count("*").await;
        eprintln!("{MESSAGES} frames: {most} rows at most, {made} made, {nodes} nodes");
        assert!(most <= 200, "{most}");
        // Each frame has one row, however often the list changed: none is made twice.
        assert!(made <= MESSAGES as u64 + 1000, "{made}");
        assert!(nodes < 5000, "{nodes}");
        bot.shut_down().await;
    })
    .await;
}
