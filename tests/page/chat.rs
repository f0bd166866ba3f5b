//! A person and a bot talk.

use serde_json::json;

use super::endpoints::Http;
use super::webdriver::key;
use super::{PATIENCE, bot, people, scene};

#[tokio::test]
async fn a_person_writes_and_the_bot_answers() {
    scene(people(), async |scene| {
        let bot = bot(&scene.sandbox).await;
        scene.open().await;
        scene.say("!ping 7").await;
        scene.browser.see("#timeline .message", "pong 7").await;
        scene.browser.see("#timeline .badge", "Bot").await;
        let said = scene
            .sandbox
            .wait_for(|message| message.text == "!ping 7", PATIENCE)
            .await
            .unwrap();
        assert_eq!(said.username, scene.me().await);
        // Who writes twice in a row has one name above both.
        scene.say("one").await;
        scene.say("two").await;
        scene.message("two").await;
        assert_eq!(scene.browser.count("#timeline .grouped").await, 1);
        bot.shut_down().await;
    })
    .await;
}

#[tokio::test]
async fn whoever_comes_back_is_the_same_person() {
    scene(people(), async |scene| {
        scene.open().await;
        let first = scene.me().await;
        scene.open().await;
        assert_eq!(scene.me().await, first);
        scene
            .browser
            .go(&format!("{}&person=Zoe", scene.sandbox.page_url()))
            .await;
        scene.arrived().await;
        assert_eq!(scene.me().await, "zoe");
    })
    .await;
}

#[tokio::test]
async fn threads_reactions_edits_deletions_typing_and_attachments() {
    scene(people(), async |scene| {
        let (sandbox, browser) = (&scene.sandbox, &scene.browser);
        let bot = bot(sandbox).await;
        scene.open().await;
        let me = scene.me().await;

        // A thread, in which the bot answers.
        scene.say("deploy it").await;
        let root = scene.message("deploy it").await;
        browser.click(&format!("[data-id='{root}']")).await;
        browser.keys("t").await;
        browser.see("#thread h2", "Thread").await;
        scene.say("!ping thread").await;
        browser.see("#thread .message", "pong thread").await;
        browser.see(&format!("#timeline [data-id='{root}'] .thread-link"), "2 replies").await;
        assert!(sandbox.messages("general").iter().filter(|m| m.thread_id.as_deref() == Some(&root)).count() == 2);
        // And one that goes to the room too.
        browser.click("#thread-composer-also").await;
        browser.click("#thread-composer").await;
        scene.say("for everybody").await;
        browser.see("#timeline .message", "for everybody").await;
        browser.keys(key::ESCAPE).await;
        browser.wait("the thread is closed", "return document.querySelector('#thread').hidden").await;

        // A reaction of somebody else, joined by a click, and one from the picker.
        sandbox.user("ann").react(&root, ":tada:").await;
        let reaction = format!("#timeline [data-id='{root}'] .reaction");
        browser.see(&reaction, "🎉").await;
        browser.click(&reaction).await;
        browser.see(&reaction, "2").await;
        let names = &sandbox.message(&root).unwrap().raw["reactions"][":tada:"]["usernames"];
        assert_eq!(*names, json!(["ann", me]));
        browser.click(&format!("[data-id='{root}'] .reaction-add")).await;
        browser.keys("rocket").await;
        browser.keys(key::ENTER).await;
        browser.see(&reaction, "🚀").await;
        browser.click(&format!("{reaction}[data-focus=':rocket:']")).await;
        browser.see_no_more(&reaction, "🚀").await;
        assert_eq!(sandbox.message(&root).unwrap().raw["reactions"].as_object().unwrap().len(), 1);

        // The last message is edited by the arrow key.
        browser.click("#composer").await;
        scene.say("helo").await;
        let typo = scene.message("helo").await;
        browser.keys(key::UP).await;
        browser.see(".composer-banner", "Editing").await;
        browser.js("document.querySelector('#composer').select()").await;
        scene.say("bye").await;
        browser.see(&format!("[data-id='{typo}']"), "bye").await;
        browser.see(&format!("[data-id='{typo}'] .edited"), "(edited)").await;
        assert_eq!(sandbox.message(&typo).unwrap().text, "bye");

        // Deleted here, and deleted by others.
        browser.click(&format!("[data-id='{typo}']")).await;
        browser.keys("\u{E017}").await;
        browser.see(".dialog", "Delete the message?").await;
        browser.click(".dialog .button-danger").await;
        browser.wait("it is gone", &format!("return !document.querySelector(\"[data-id='{typo}']\")")).await;
        assert!(sandbox.message(&typo).is_none());
        let theirs = sandbox.user("ann").say("general", "a slip").await;
        browser.see("#timeline .message", "a slip").await;
        sandbox.user("ann").delete(&theirs).await;
        browser.see_no_more("#timeline .message", "a slip").await;

        // A quote becomes an attachment.
        let quoted = sandbox.user("ann").say("general", "words to quote").await;
        browser.see("#timeline .message", "words to quote").await;
        browser.click(&format!("[data-id='{quoted}']")).await;
        browser.keys("q").await;
        browser.see(".composer-banner", "Quoting").await;
        scene.say("indeed").await;
        browser.see("#timeline .attachment-quote", "words to quote").await;

        // Typing, both ways.
        sandbox.user("ann").typing("general", true).await;
        browser.see("#typing", "ann is typing").await;
        sandbox.user("ann").typing("general", false).await;
        browser.see_no_more("#typing", "ann").await;
        browser.keys("wri").await;
        let typing = |sandbox: &super::Sandbox| {
            let told = sandbox.frames_from_clients();
            told.iter().any(|frame| format!("{frame:?}").contains(&format!("user-activity\\\",\\\"{me}\\\",[\\\"user-typing\\\"]")))
        };
        sandbox.wait_until(typing, PATIENCE).await.unwrap();

        // Attachments of a bot.
        let attachments = json!([
            { "color": "#2f9e63", "title": "Build 7", "title_link": "https://example.org/7", "text": "*green*",
              "fields": [{ "short": true, "title": "Branch", "value": "main" }] },
            { "title": "Details", "collapsed": true, "text": "what is inside" },
            { "image_url": "data:image/png;base64,iVBORw0KGgo=", "title": "no address of the web" },
        ]);
        sandbox.bot("rocketbotte").post(json!({ "rid": "general", "msg": "done", "attachments": attachments })).await;
        browser.see(".attachment .attachment-title a", "Build 7").await;
        browser.see(".attachment strong", "green").await;
        browser.see(".attachment .field", "main").await;
        let colour = "return getComputedStyle([...document.querySelectorAll('.attachment')].find((e) => e.innerText.includes('Build 7'))).borderLeftColor";
        assert_eq!(browser.js(colour).await, json!("rgb(47, 158, 99)"));
        assert_eq!(browser.js("return document.querySelector('.attachment details').open").await, json!(false));
        assert_eq!(browser.count(".attachment img").await, 0);
        bot.shut_down().await;
    })
    .await;
}

#[tokio::test]
async fn a_picture_is_shown() {
    scene(people(), async |scene| {
        scene.open().await;
        let icon = format!("{}/_sandbox/assets/icon.svg", scene.sandbox.url());
        let message = json!({ "rid": "general", "msg": "", "attachments": [{ "title": "the icon", "image_url": icon }] });
        scene.sandbox.user("ann").post(message).await;
        let loaded = "return (document.querySelector('img.picture')?.naturalWidth ?? 0) > 0";
        scene.browser.wait("the picture is loaded", loaded).await;
    })
    .await;
}

#[tokio::test]
async fn files_of_the_server_are_had_without_a_token_in_any_address() {
    scene(people(), async |scene| {
        let (sandbox, browser) = (&scene.sandbox, &scene.browser);
        scene.open().await;
        let (ann, http) = (sandbox.user("ann"), Http::new(sandbox));
        let (id, token) = (ann.id().to_owned(), ann.token());
        let account = [("X-User-Id", id.as_str()), ("X-Auth-Token", token.as_str())];
        let picture = "<svg xmlns='http://www.w3.org/2000/svg' width='40' height='30'><rect width='40' height='30'/></svg>";
        let form = format!(
            "--b1\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.svg\"\r\nContent-Type: image/svg+xml\r\n\r\n\
             {picture}\r\n--b1--\r\n"
        );
        let kind = ("Content-Type", "multipart/form-data; boundary=b1");
        let headers = [account[0], account[1], kind];
        let (status, _, answer) = http.raw("POST", "/api/v1/rooms.media/GENERAL", &headers, &form).await;
        assert_eq!(status, 200, "{answer}");
        let file: serde_json::Value = serde_json::from_str(&answer).unwrap();
        let confirm = format!("/api/v1/rooms.mediaConfirm/GENERAL/{}", file["file"]["_id"].as_str().unwrap());
        let headers = [account[0], account[1], ("Content-Type", "application/json")];
        let (status, _, answer) = http.raw("POST", &confirm, &headers, "{}").await;
        assert_eq!(status, 200, "{answer}");
        let loaded = "return document.querySelector('img.picture')?.naturalWidth === 40";
        browser.wait("the picture is loaded", loaded).await;
        // Its link saves it, and tells nobody who reads it.
        let saved = "
            window.saved = null;
            HTMLAnchorElement.prototype.click = function () { window.saved = [this.download, this.href.split(':')[0]] };
            document.querySelector('.attachment-title a').dispatchEvent(new MouseEvent('click', { bubbles: true, cancelable: true }));
        ";
        browser.js(saved).await;
        let saved = browser.wait("it is saved", "return window.saved").await;
        assert_eq!(saved, json!(["a.svg", "blob"]));
        let secrets = "
            const account = Object.values(localStorage).map((text) => JSON.parse(text)).find((one) => one.authToken);
            const page = document.documentElement.outerHTML;
            const asked = performance.getEntriesByType('resource').map((one) => one.name).join(' ');
            return [account.authToken.length > 20, page.includes(account.authToken), asked.includes(account.authToken)]
        ";
        assert_eq!(browser.js(secrets).await, json!([true, false, false]));
    })
    .await;
}

#[tokio::test]
async fn rooms_are_listed_joined_made_and_counted() {
    let builder = people().channel_with("ops", &["bob"]);
    scene(builder, async |scene| {
        let (sandbox, browser) = (&scene.sandbox, &scene.browser);
        scene.open().await;
        let me = scene.me().await;
        // Into a channel that exists.
        browser.click("#new-room").await;
        browser.click(".dialog .choice[aria-label=ops]").await;
        browser.see("#room-title", "ops").await;
        browser.see(".room[aria-current]", "ops").await;
        // A room of one's own.
        browser.click("#new-room").await;
        browser.keys("secret-plans").await;
        browser.click("#room-private").await;
        browser.keys(key::ENTER).await;
        browser.see("#room-title", "secret-plans").await;
        browser
            .see("section[aria-label=Private] .room", "secret-plans")
            .await;
        // Somebody alone.
        browser.click("#new-direct").await;
        browser.click(".dialog .choice[aria-label=rocketbotte]").await;
        browser.see("#room-title", "Rocketbotte").await;
        scene.say("between us").await;
        scene.message("between us").await;
        // What is unread elsewhere, and a mention.
        sandbox.user("ann").say("general", &format!("@{me} look")).await;
        browser.see(".room[data-room=GENERAL] .count-me", "1").await;
        browser.click(".room[data-room=GENERAL]").await;
        browser
            .see("#timeline .for-me .mention-me", &format!("@{me}"))
            .await;
        browser
            .wait(
                "it is read",
                "return !document.querySelector('.room[data-room=GENERAL] .count')",
            )
            .await;
        // A discussion.
        let rid = sandbox
            .create_discussion("general", "Where to eat", &["ann", &me])
            .unwrap();
        browser
            .see("section[aria-label=Discussions] .room", "Where to eat")
            .await;
        browser.click("#timeline .thread-link").await;
        browser.see("#room-title", "Where to eat").await;
        sandbox.user("ann").say(&rid, "pasta").await;
        browser.see("#timeline .message", "pasta").await;
        // Thrown out.
        sandbox.kick("ops", &me).unwrap();
        browser.see_no_more("#rooms .room", "ops").await;
    })
    .await;
}

#[tokio::test]
async fn what_strangers_write_stays_text() {
    scene(people(), async |scene| {
        let (sandbox, browser) = (&scene.sandbox, &scene.browser);
        scene.open().await;
        let html = "<img src=x onerror=\"window.owned=1\"><script>window.owned=1</script>";
        sandbox.user("ann").say("general", html).await;
        browser.see("#timeline .text", "<img src=x onerror=").await;
        let links = "[a](javascript:window.owned=1) [b](data:text/html,x) <javascript:window.owned=1|c> [ok](https://example.org/)";
        sandbox.user("ann").say("general", links).await;
        browser.see("#timeline .text a", "ok").await;
        let message = json!({
            "rid": "general", "msg": html, "alias": html, "emoji": html, "avatar": "javascript:window.owned=1",
            "attachments": [{
                "title": html, "title_link": "javascript:window.owned=1", "color": "red;background:url(//x)",
                "author_name": html, "author_link": "javascript:window.owned=1", "image_url": "javascript:window.owned=1",
                "fields": [{ "title": html, "value": html }], "text": html,
            }],
            "reactions": { html: { "usernames": [html] } },
        });
        sandbox.user("ann").post(message).await;
        browser.see("#timeline .attachment", "<script>").await;
        // What has no form that anybody thought of does not take the rest with it.
        for odd in [
            json!({ "rid": "general", "msg": { "not": "text" }, "mentions": 7, "alias": {}, "u": 7 }),
            json!({ "rid": "general", "msg": "odd", "reactions": { "x": null, "y": { "usernames": 7 } } }),
            json!({ "rid": "general", "msg": "odd", "attachments": [null, 7, { "fields": [null, 7] }, { "image_url": "http://[" }] }),
            json!({ "rid": "general", "msg": "odd", "t": {}, "tcount": "many", "md": 7, "drid": [], "editedAt": "never" }),
        ] {
            sandbox.user("ann").post(odd).await;
        }
        sandbox.user("ann").say("general", "last").await;
        scene.message("last").await;
        let hrefs = browser.js("return [...document.querySelectorAll('#timeline a')].map((a) => a.href)").await;
        assert_eq!(hrefs, json!(["https://example.org/"]));
        assert_eq!(browser.js("return window.owned ?? null").await, json!(null));
        assert_eq!(browser.count("#timeline script, #timeline [onerror], #timeline img").await, 0);
    })
    .await;
}

#[tokio::test]
async fn markdown_as_rocket_chat_has_it() {
    scene(people(), async |scene| {
        let (sandbox, browser) = (&scene.sandbox, &scene.browser);
        scene.open().await;
        let text = "*bold* _it_ ~no~ `a*b*` :rocket: @ann @nobody snake_case_name 2*3*4 https://example.org/a_b_c.\n> quoted\n- item\n```rust\nlet x = \"*1*\";\n```";
        sandbox.user("ann").say("general", text).await;
        browser.see("#timeline .text pre", "let x = \"*1*\";").await;
        let inner = "return document.querySelector('#timeline .text').innerHTML";
        let html = browser.js(inner).await;
        let html = html.as_str().unwrap();
        for expected in [
            "<strong>bold</strong>",
            "<em>it</em>",
            "<s>no</s>",
            "<code>a*b*</code>",
            "🚀",
            "class=\"mention\">@ann<",
            "@nobody snake_case_name 2*3*4 ",
            ">https://example.org/a_b_c</a>.",
            "<blockquote><p>quoted</p></blockquote>",
            "<li>item</li>",
        ] {
            assert!(html.contains(expected), "{expected} in {html}");
        }
    })
    .await;
}
