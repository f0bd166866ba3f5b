//! REST: bodies, codes, `_id` semantics, looking back, limits.

use std::time::Duration;

use rocketbotte::sandbox::{Sandbox, UserSpec};
use serde_json::{Value, json};
use tokio::net::TcpStream;

use crate::client::{get, post, request, request_over, send, shape};

async fn sandbox() -> Sandbox {
    Sandbox::builder()
        .user("ann")
        .user("bob")
        .bot("rocketbotte")
        .user_with(UserSpec::new("plain").roles(["bot"]))
        .start()
        .await
        .expect("starts")
}

fn ids(list: &Value) -> Vec<&str> {
    list.as_array()
        .expect("is a list")
        .iter()
        .filter_map(|entry| entry["_id"].as_str())
        .collect()
}

#[tokio::test]
async fn anybody_may_ask_for_the_version() {
    let sandbox = sandbox().await;
    let answer = request(&sandbox, None, "GET", "/api/info", None)
        .await
        .expect("answers");
    assert_eq!(answer.status, 200);
    assert_eq!(
        answer.json(),
        json!({"version": "8.0", "success": true}),
        "no more than major and minor"
    );
    assert_eq!(answer.headers["content-type"], "application/json");
}

#[tokio::test]
async fn login_answers_as_the_server_does() {
    let sandbox = sandbox().await;
    for body in [
        json!({ "user": "ann", "password": "ann-password" }),
        json!({ "username": "ann", "password": "ann-password" }),
        json!({ "email": "ann@example.org", "password": "ann-password" }),
        json!({ "resume": sandbox.user("ann").token() }),
        json!({ "user": "ann", "password": {
            "digest": "d647b953d69265817d41cf45fe2176044d5016fa95360b13030083865bafefe6",
            "algorithm": "sha-256",
        } }),
    ] {
        let answer = request(&sandbox, None, "POST", "/api/v1/login", Some(&body.to_string())).await;
        let json = answer.expect("answers").json();
        assert_eq!(json["status"], "success", "{body}");
        assert_eq!(json["data"]["userId"], sandbox.user("ann").id());
        assert_eq!(json["data"]["authToken"].as_str().map(str::len), Some(43));
        assert_eq!(json["data"]["me"]["username"], "ann");
    }
    for (body, error, message) in [
        (
            json!({ "user": "ann", "password": "wrong" }),
            json!("Unauthorized"),
            "Unauthorized",
        ),
        (
            json!({ "user": "nobody", "password": "x" }),
            json!("Unauthorized"),
            "Unauthorized",
        ),
        (json!({}), json!(400), "Unrecognized options for login request"),
        (
            json!({ "resume": "x" }),
            json!(403),
            "You've been logged out by the server. Please log in again.",
        ),
    ] {
        let answer = request(&sandbox, None, "POST", "/api/v1/login", Some(&body.to_string())).await;
        let answer = answer.expect("answers");
        assert_eq!(answer.status, 401);
        let expected = json!({ "success": false, "status": "error", "error": error, "message": message });
        assert_eq!(answer.json(), expected);
    }
}

#[tokio::test]
async fn a_token_needs_its_user_and_ends_with_logout() {
    let sandbox = sandbox().await;
    let ann = sandbox.user("ann");
    let unauthorized = json!({
        "success": false,
        "status": "error",
        "error": "You must be logged in to do this.",
        "message": "You must be logged in to do this.",
    });
    let nobody = request(&sandbox, None, "GET", "/api/v1/me", None)
        .await
        .expect("answers");
    assert_eq!((nobody.status, nobody.json()), (401, unauthorized.clone()));
    let bob = sandbox.user("bob");
    let token = ann.token();
    let headers = [
        ("host", "localhost"),
        ("x-auth-token", &*token),
        ("x-user-id", bob.id()),
    ];
    let mixed = request_over(sandbox.connect(), None, "GET", "/api/v1/me", None, &headers).await;
    assert_eq!(mixed.expect("answers").status, 401);
    let (status, me) = get(&sandbox, &ann, "me").await;
    assert_eq!(
        (status, &me["_id"], &me["roles"]),
        (200, &json!(ann.id()), &json!(["user"]))
    );
    assert_eq!(
        post(&sandbox, &ann, "logout", json!({})).await.1["data"]["message"],
        "You've been logged out!"
    );
    assert_eq!(ann.token(), "");
}

#[tokio::test]
async fn unknown_paths_verbs_and_bodies() {
    let sandbox = sandbox().await;
    let bot = sandbox.bot("rocketbotte");
    let (status, body) = get(&sandbox, &bot, "no.such.method").await;
    assert_eq!(
        (status, body),
        (404, json!({ "success": false, "error": "Resource not found" }))
    );
    let (status, body) = get(&sandbox, &bot, "chat.postMessage").await;
    assert_eq!(
        (status, &body["message"]),
        (405, &json!("API endpoint does not exist"))
    );
    let page = request(&sandbox, None, "GET", "/channel/general", None)
        .await
        .expect("answers");
    assert_eq!(page.status, 200);
    assert_eq!(page.headers["content-type"], "text/html; charset=utf-8");
    let broken = request(
        &sandbox,
        Some(&bot),
        "POST",
        "/api/v1/chat.postMessage",
        Some("{bad"),
    )
    .await;
    let broken = broken.expect("answers");
    assert_eq!(broken.status, 400);
    assert!(
        broken.headers["content-type"]
            .to_str()
            .expect("is text")
            .starts_with("text/html")
    );
    let (status, body) = post(&sandbox, &bot, "chat.postMessage", json!([])).await;
    assert_eq!((status, &body["errorType"]), (400, &json!("invalid-params")));
    let plain = request(&sandbox, None, "GET", "/websocket", None)
        .await
        .expect("answers");
    assert_eq!(plain.status, 400);
}

#[tokio::test]
async fn only_this_machine_is_answered_over_tcp() {
    let sandbox = sandbox().await;
    let address = sandbox.addr().expect("is TCP");
    for (name, value, status) in [
        ("host", "127.0.0.1:3000", 200),
        ("host", "[::1]:3000", 200),
        ("host", "evil.example", 403),
        ("origin", "http://localhost:8080", 200),
        ("origin", "http://evil.example", 403),
        ("origin", "null", 403),
    ] {
        let stream = TcpStream::connect(address).await.expect("connects");
        let answer = request_over(stream, None, "GET", "/api/info", None, &[(name, value)]).await;
        assert_eq!(answer.expect("answers").status, status, "{name}: {value}");
    }
}

#[tokio::test]
async fn a_sent_message_comes_back_whole() {
    let sandbox = sandbox().await;
    let bot = sandbox.bot("rocketbotte");
    let message = send(
        &sandbox,
        &bot,
        json!({ "rid": "GENERAL", "msg": "hi", "foo": { "a": 1 }, "u": "forged" }),
    )
    .await;
    let fields = [
        ("_id", "string"),
        ("_updatedAt", "string"),
        ("channels", "array"),
        ("foo", "object"),
        ("md", "array"),
        ("mentions", "array"),
        ("msg", "string"),
        ("rid", "string"),
        ("ts", "string"),
        ("u", "object"),
        ("urls", "array"),
    ];
    assert_eq!(
        shape(&message),
        fields.map(|(name, kind)| (name.to_owned(), kind))
    );
    assert_eq!(
        message["u"],
        json!({ "_id": bot.id(), "username": "rocketbotte", "name": "Rocketbotte" })
    );
    assert_eq!(
        message["ts"].as_str().map(str::len),
        Some("2026-11-22T08:00:00.000Z".len())
    );
}

#[tokio::test]
async fn a_known_id_is_stored_once_and_answered_with_a_type_error() {
    let sandbox = sandbox().await;
    let (ann, bot) = (sandbox.user("ann"), sandbox.bot("rocketbotte"));
    let message = json!({ "_id": "k3Jd0PqYtZb8uWn5s", "rid": "GENERAL", "msg": "once" });
    send(&sandbox, &bot, message.clone()).await;
    let stumble = json!({
        "success": false,
        "error": "Cannot read properties of undefined (reading 'starred')",
    });
    // Neither the author nor the room matters.
    for user in [&bot, &ann] {
        let answer = post(&sandbox, user, "chat.sendMessage", json!({ "message": message })).await;
        assert_eq!(answer, (400, stumble.clone()));
    }
    assert_eq!(sandbox.messages("general").len(), 1);
    let (status, found) = get(&sandbox, &bot, "chat.getMessage?msgId=k3Jd0PqYtZb8uWn5s").await;
    assert_eq!((status, &found["message"]["u"]["_id"]), (200, &json!(bot.id())));
    // After a deletion the id is free again.
    let gone = json!({ "roomId": "GENERAL", "msgId": "k3Jd0PqYtZb8uWn5s" });
    let (status, deleted) = post(&sandbox, &bot, "chat.delete", gone).await;
    assert_eq!((status, deleted["ts"].is_string()), (200, true));
    send(&sandbox, &bot, message).await;
}

#[tokio::test]
async fn racing_sends_of_one_id_store_one_message() {
    let sandbox = sandbox().await;
    let bot = sandbox.bot("rocketbotte");
    let message = json!({ "message": { "_id": "racing", "rid": "GENERAL", "msg": "x" } });
    let sends = (0..10).map(|_| post(&sandbox, &bot, "chat.sendMessage", message.clone()));
    let answers = futures_util::future::join_all(sends).await;
    assert_eq!(answers.iter().filter(|(status, _)| *status == 200).count(), 1);
    assert_eq!(sandbox.messages("general").len(), 1);
}

#[tokio::test]
async fn refused_messages_have_the_bodies_of_the_server() {
    let sandbox = sandbox().await;
    let (ann, plain) = (sandbox.user("ann"), sandbox.user("plain"));
    sandbox.create_group("secret", &["ann"]).expect("creates");
    sandbox.create_channel("quiet", &["bob", "ann"]).expect("creates");
    sandbox.set_read_only("quiet", true).expect("is set");
    let secret = sandbox.user("ann").say("secret", "x").await;
    let secret = sandbox.message(&secret).expect("is there").room_id;
    let quiet = get(&sandbox, &ann, "rooms.info?roomName=quiet").await.1["room"]["_id"].clone();
    let long = "ä".repeat(5001);
    for (user, message, error, code) in [
        (
            &plain,
            json!({ "rid": "nope", "msg": "x" }),
            "error-invalid-room",
            None,
        ),
        (
            &plain,
            json!({ "rid": secret, "msg": "x" }),
            "error-not-allowed",
            None,
        ),
        (
            &plain,
            json!({ "msg": "x" }),
            "The 'rid' property on the message object is missing.",
            None,
        ),
        (
            &ann,
            json!({ "rid": "GENERAL", "msg": "x", "alias": "Z" }),
            "Not enough permission",
            None,
        ),
        (
            &ann,
            json!({ "rid": quiet, "msg": "x" }),
            "You can't send messages because the room is readonly.",
            None,
        ),
        (
            &plain,
            json!({ "rid": "GENERAL", "msg": "x", "tmid": "nope" }),
            "Cannot read properties of undefined (reading 'tmid')",
            None,
        ),
        (
            &plain,
            json!({ "rid": "GENERAL", "msg": long }),
            "Message size exceeds Message_MaxAllowedSize [error-message-size-exceeded]",
            Some("error-message-size-exceeded"),
        ),
        (
            &plain,
            json!({ "rid": "GENERAL", "msg": "x", "ts": { "$date": 1 } }),
            "Message timestamp is out of sync [error-message-ts-out-of-sync]",
            Some("error-message-ts-out-of-sync"),
        ),
        (
            &plain,
            json!({ "rid": "GENERAL", "msg": "@here bot" }),
            "Notify here in this room not allowed [error-action-not-allowed]",
            Some("error-action-not-allowed"),
        ),
    ] {
        let (status, body) = post(&sandbox, user, "chat.sendMessage", json!({ "message": message })).await;
        assert_eq!((status, &body["error"]), (400, &json!(error)), "{message}");
        assert_eq!(body.get("errorType").and_then(Value::as_str), code, "{message}");
    }
    sandbox.set_muted("general", "ann", true).expect("mutes");
    let muted = ann.try_say("general", "x").await.expect_err("is refused");
    assert_eq!(muted.message(), "You_have_been_muted");
    // The role `user` beside `bot` brings the permission to call everybody.
    send(
        &sandbox,
        &sandbox.bot("rocketbotte"),
        json!({ "rid": "GENERAL", "msg": "@here all of you" }),
    )
    .await;
    let (_, body) = post(&sandbox, &plain, "chat.sendMessage", json!({ "rid": "GENERAL" })).await;
    assert_eq!(body["errorType"], "invalid-params");
    let t = json!({ "message": { "rid": "GENERAL", "msg": "x", "t": "uj" } });
    assert_eq!(post(&sandbox, &plain, "chat.sendMessage", t).await.0, 400);
}

#[tokio::test]
async fn threads_have_one_root() {
    let sandbox = sandbox().await;
    let (ann, bot) = (sandbox.user("ann"), sandbox.bot("rocketbotte"));
    let root = ann.say("general", "root").await;
    let first = send(
        &sandbox,
        &bot,
        json!({ "rid": "GENERAL", "msg": "a", "tmid": root }),
    )
    .await;
    // An answer to an answer goes to the root, and to the room of the root.
    let second = send(
        &sandbox,
        &bot,
        json!({ "rid": "nope", "msg": "b", "tmid": first["_id"] }),
    )
    .await;
    assert_eq!(
        (&second["tmid"], &second["rid"]),
        (&json!(root), &json!("GENERAL"))
    );
    let (_, thread) = get(
        &sandbox,
        &bot,
        &format!("chat.getThreadMessages?tmid={root}&count=1&offset=1"),
    )
    .await;
    assert_eq!((&thread["total"], &thread["count"]), (&json!(2), &json!(1)));
    assert_eq!(
        ids(&thread["messages"]),
        [second["_id"].as_str().expect("is text")]
    );
    let (_, newest) = get(
        &sandbox,
        &bot,
        &format!("chat.getThreadMessages?tmid={root}&count=1&sort=%7B%22ts%22%3A-1%7D"),
    )
    .await;
    assert_eq!(ids(&newest["messages"]), ids(&thread["messages"]));
    assert_eq!(sandbox.message(&root).expect("is there").raw["tcount"], 2);
}

#[tokio::test]
async fn post_message_finds_rooms_by_any_name() {
    let sandbox = sandbox().await;
    let bot = sandbox.bot("rocketbotte");
    sandbox.create_channel("lobby", &["ann"]).expect("creates");
    for channel in ["#general", "general", "GENERAL", "@ann", "#lobby"] {
        let (status, body) = post(
            &sandbox,
            &bot,
            "chat.postMessage",
            json!({ "channel": channel, "text": " x " }),
        )
        .await;
        assert_eq!(
            (status, &body["channel"], &body["message"]["msg"]),
            (200, &json!(channel), &json!("x"))
        );
        assert!(body["ts"].is_i64());
    }
    // The public channel was joined on the way.
    assert_eq!(sandbox.messages("lobby")[0].raw["t"], "uj");
    for channel in ["#nope", "@nope"] {
        let (status, body) = post(
            &sandbox,
            &bot,
            "chat.postMessage",
            json!({ "channel": channel, "text": "x" }),
        )
        .await;
        assert_eq!((status, &body["errorType"]), (400, &json!("invalid-channel")));
    }
    let threaded = json!({ "channel": "#general", "text": "x", "tmid": "y" });
    assert_eq!(
        post(&sandbox, &bot, "chat.postMessage", threaded).await.1["errorType"],
        "invalid-params"
    );
}

#[tokio::test]
async fn edit_delete_and_react_check_who_asks() {
    let sandbox = sandbox().await;
    let (ann, plain, bot) = (
        sandbox.user("ann"),
        sandbox.user("plain"),
        sandbox.bot("rocketbotte"),
    );
    let id = send(&sandbox, &plain, json!({ "rid": "GENERAL", "msg": "one" })).await["_id"].clone();
    let (status, body) = post(
        &sandbox,
        &plain,
        "chat.update",
        json!({ "roomId": "GENERAL", "msgId": id, "text": "two" }),
    )
    .await;
    assert_eq!((status, &body["message"]["msg"]), (200, &json!("two")));
    let (status, body) = post(
        &sandbox,
        &ann,
        "chat.update",
        json!({ "roomId": "GENERAL", "msgId": id, "text": "hack" }),
    )
    .await;
    assert_eq!(
        (status, &body["errorType"]),
        (400, &json!("error-action-not-allowed"))
    );
    // The role `bot` alone lacks delete-own-message.
    let (status, body) = post(
        &sandbox,
        &plain,
        "chat.delete",
        json!({ "roomId": "GENERAL", "msgId": id }),
    )
    .await;
    assert_eq!(
        (status, &body["errorType"]),
        (400, &json!("error-action-not-allowed"))
    );
    let (_, body) = post(
        &sandbox,
        &bot,
        "chat.delete",
        json!({ "roomId": "GENERAL", "msgId": "nope" }),
    )
    .await;
    assert_eq!(
        body,
        json!({ "success": false, "error": "No message found with the id of \"nope\"." })
    );
    let (_, body) = post(
        &sandbox,
        &bot,
        "chat.update",
        json!({ "roomId": "x", "msgId": id, "text": "y" }),
    )
    .await;
    assert_eq!(
        body["error"],
        "The room id provided does not match where the message is from."
    );
    for (emoji, want) in [
        ("tada", json!(true)),
        (":tada:", json!(true)),
        (":tada:", Value::Null),
    ] {
        let react = json!({ "messageId": id, "emoji": emoji, "shouldReact": want });
        assert_eq!(
            post(&sandbox, &bot, "chat.react", react).await,
            (200, json!({ "success": true }))
        );
    }
    // On, still on, and off by the toggle.
    let raw = sandbox
        .message(id.as_str().expect("is text"))
        .expect("is there")
        .raw;
    assert_eq!(raw.get("reactions"), None);
    for (message, emoji, code) in [
        ("nope", "tada", "error-message-not-found"),
        (id.as_str().expect("is text"), "🎉", "error-not-allowed"),
        (
            id.as_str().expect("is text"),
            "",
            "error-emoji-param-not-provided",
        ),
    ] {
        let (status, body) = post(
            &sandbox,
            &bot,
            "chat.react",
            json!({ "messageId": message, "emoji": emoji }),
        )
        .await;
        assert_eq!((status, &body["errorType"]), (400, &json!(code)));
    }
    let (status, _) = post(&sandbox, &bot, "chat.pinMessage", json!({ "messageId": id })).await;
    assert_eq!(status, 400);
    sandbox
        .set_room_role("general", "rocketbotte", "owner")
        .expect("is set");
    let (status, body) = post(&sandbox, &bot, "chat.pinMessage", json!({ "messageId": id })).await;
    assert_eq!(
        (status, &body["message"]["t"]),
        (200, &json!("message_pinned")),
        "the answer is the line that says so"
    );
    assert_eq!(
        sandbox
            .message(id.as_str().expect("an id"))
            .expect("is there")
            .raw["pinned"],
        json!(true)
    );
    let (_, roles) = get(&sandbox, &bot, "channels.roles?roomId=GENERAL").await;
    assert_eq!(roles["roles"][0]["roles"], json!(["owner"]));
    assert_eq!(
        roles["roles"][0]["u"],
        json!({ "_id": bot.id(), "username": "rocketbotte" })
    );
    assert_eq!(roles["roles"][0]["rid"], "GENERAL");
}

#[tokio::test]
async fn get_message_tells_unknown_from_forbidden() {
    let sandbox = sandbox().await;
    let bot = sandbox.bot("rocketbotte");
    sandbox.create_group("secret", &["ann"]).expect("creates");
    let id = sandbox.user("ann").say("secret", "x").await;
    assert_eq!(
        get(&sandbox, &bot, "chat.getMessage?msgId=nope").await,
        (400, json!({ "success": false }))
    );
    let (status, body) = get(&sandbox, &bot, &format!("chat.getMessage?msgId={id}")).await;
    assert_eq!((status, &body["errorType"]), (400, &json!("error-not-allowed")));
    assert_eq!(
        get(&sandbox, &bot, "chat.getMessage").await.1["errorType"],
        "invalid-params"
    );
}

#[tokio::test]
async fn sync_messages_has_two_modes() {
    let sandbox = sandbox().await;
    let (ann, bot) = (sandbox.user("ann"), sandbox.bot("rocketbotte"));
    let kept = ann.say("general", "kept").await;
    let gone = ann.say("general", "gone").await;
    ann.edit(&kept, "edited").await;
    ann.delete(&gone).await;
    let since = "chat.syncMessages?roomId=GENERAL&lastUpdate=2020-01-01T00:00:00.000Z";
    let (_, all) = get(&sandbox, &bot, since).await;
    assert_eq!(ids(&all["result"]["updated"]), [&kept]);
    assert_eq!(ids(&all["result"]["deleted"]), [&gone]);
    assert!(all["result"]["deleted"][0]["_deletedAt"].is_string());
    // The bound is strict.
    let at = all["result"]["updated"][0]["_updatedAt"]
        .as_str()
        .expect("is text");
    let (_, none) = get(
        &sandbox,
        &bot,
        &format!("chat.syncMessages?roomId=GENERAL&lastUpdate={at}"),
    )
    .await;
    assert_eq!(none["result"]["updated"], json!([]));

    let (_, page) = get(
        &sandbox,
        &bot,
        "chat.syncMessages?roomId=GENERAL&type=UPDATED&next=0&count=1",
    )
    .await;
    assert_eq!(ids(&page["result"]["updated"]), [&kept]);
    assert_eq!(page["result"]["cursor"]["next"], Value::Null, "there is no more");
    // Pages tell apart what was written in different milliseconds only.
    tokio::time::sleep(Duration::from_millis(5)).await;
    let later = ann.say("general", "later").await;
    let (_, page) = get(
        &sandbox,
        &bot,
        "chat.syncMessages?roomId=GENERAL&type=UPDATED&next=0&count=1",
    )
    .await;
    assert_eq!(ids(&page["result"]["updated"]), [&kept]);
    let next = page["result"]["cursor"]["next"].as_str().expect("there is more");
    let (_, last) = get(
        &sandbox,
        &bot,
        &format!("chat.syncMessages?roomId=GENERAL&type=UPDATED&next={next}&count=5"),
    )
    .await;
    assert_eq!(
        (ids(&last["result"]["updated"]), &last["result"]["cursor"]["next"]),
        (vec![later.as_str()], &Value::Null)
    );
    let (_, deleted) = get(
        &sandbox,
        &bot,
        "chat.syncMessages?roomId=GENERAL&type=DELETED&next=0",
    )
    .await;
    assert_eq!(ids(&deleted["result"]["deleted"]), [&gone]);
    assert_eq!(deleted["result"]["cursor"]["next"], Value::Null);

    for (query, code) in [
        ("", "error-param-required"),
        ("&lastUpdate=garbage", "error-lastUpdate-param-invalid"),
        ("&next=0", "error-type-param-required"),
        ("&type=OTHER&next=0", "error-type-param-not-supported"),
        ("&type=UPDATED&next=0&previous=1", "error-cursor-conflict"),
        (
            "&lastUpdate=2020-01-01&next=0",
            "error-cursor-and-lastUpdate-conflict",
        ),
    ] {
        let (status, body) = get(
            &sandbox,
            &bot,
            &format!("chat.syncMessages?roomId=GENERAL{query}"),
        )
        .await;
        assert_eq!((status, &body["errorType"]), (400, &json!(code)), "{query}");
    }
    let (_, body) = get(
        &sandbox,
        &bot,
        "chat.syncMessages?roomId=nope&lastUpdate=2020-01-01",
    )
    .await;
    assert_eq!(body["errorType"], "error-invalid-room");
    sandbox.set_version("7.0.5");
    let page = "chat.syncMessages?roomId=GENERAL&type=UPDATED&next=0";
    let (status, body) = get(&sandbox, &bot, page).await;
    let code = json!("error-lastUpdate-param-not-provided");
    assert_eq!((status, &body["errorType"]), (400, &code), "it has no pages");
}

#[tokio::test]
async fn history_is_newest_first_and_bounded() {
    let sandbox = sandbox().await;
    let (ann, bot) = (sandbox.user("ann"), sandbox.bot("rocketbotte"));
    let mut said = Vec::new();
    for n in 0..25 {
        said.push(ann.say("general", &n.to_string()).await);
    }
    let (_, page) = get(&sandbox, &bot, "channels.history?roomId=GENERAL").await;
    let newest: Vec<&str> = said.iter().rev().take(20).map(String::as_str).collect();
    assert_eq!(ids(&page["messages"]), newest);
    let (_, all) = get(
        &sandbox,
        &bot,
        "channels.history?roomName=general&count=0&oldest=garbage",
    )
    .await;
    assert_eq!(ids(&all["messages"]).len(), 25);
    let (_, offset) = get(
        &sandbox,
        &bot,
        "channels.history?roomId=GENERAL&count=1&offset=24",
    )
    .await;
    assert_eq!(ids(&offset["messages"]), [&said[0]]);
    let (_, unread) = get(
        &sandbox,
        &bot,
        "channels.history?roomId=GENERAL&unreads=true&count=5",
    )
    .await;
    assert!(unread["unreadNotLoaded"].is_u64() || unread.get("firstUnread").is_none());
    for path in ["groups.history?roomId=GENERAL", "channels.history?roomId=nope"] {
        assert_eq!(
            get(&sandbox, &bot, path).await.1["errorType"],
            "error-room-not-found"
        );
    }
    let dm = ann.direct(&["rocketbotte"]).await;
    let id = ann.say(&dm, "hi").await;
    let (_, direct) = get(&sandbox, &bot, &format!("im.history?roomId={dm}")).await;
    assert_eq!(ids(&direct["messages"]), [&id]);
    // Without `user` a bot may not look into public channels that it has not joined.
    sandbox.create_channel("lobby", &["ann"]).expect("creates");
    let (status, _) = get(
        &sandbox,
        &sandbox.user("plain"),
        "channels.history?roomName=lobby",
    )
    .await;
    assert_eq!(status, 400);
}

#[tokio::test]
async fn rooms_and_subscriptions_since() {
    let sandbox = sandbox().await;
    let (ann, bot) = (sandbox.user("ann"), sandbox.bot("rocketbotte"));
    sandbox
        .create_group("ops", &["ann", "rocketbotte"])
        .expect("creates");
    let (_, subscriptions) = get(&sandbox, &bot, "subscriptions.get").await;
    assert_eq!(subscriptions["update"].as_array().map(Vec::len), Some(2));
    let fields = shape(&subscriptions["update"][0]);
    for field in [
        "_id",
        "rid",
        "name",
        "t",
        "u",
        "open",
        "alert",
        "unread",
        "ts",
        "_updatedAt",
    ] {
        assert!(fields.iter().any(|(name, _)| name == field), "{field}");
    }
    let (_, rooms) = get(&sandbox, &bot, "rooms.get").await;
    assert_eq!(rooms["update"].as_array().map(Vec::len), Some(2));
    let (_, none) = get(&sandbox, &bot, "rooms.get?updatedSince=2999-01-01T00:00:00.000Z").await;
    assert_eq!((&none["update"], &none["remove"]), (&json!([]), &json!([])));
    ann.say("ops", "@rocketbotte").await;
    let rid = &sandbox.messages("ops")[0].room_id;
    let (_, one) = get(&sandbox, &bot, &format!("subscriptions.getOne?roomId={rid}")).await;
    assert_eq!(
        (&one["subscription"]["unread"], &one["subscription"]["alert"]),
        (&json!(1), &json!(true))
    );
    assert_eq!(
        post(&sandbox, &bot, "subscriptions.read", json!({ "rid": rid }))
            .await
            .0,
        200
    );
    let (_, one) = get(&sandbox, &bot, &format!("subscriptions.getOne?roomId={rid}")).await;
    assert_eq!(one["subscription"]["unread"], 0);
    sandbox.kick("ops", "rocketbotte").expect("kicks");
    let (_, since) = get(
        &sandbox,
        &bot,
        "subscriptions.get?updatedSince=2020-01-01T00:00:00Z",
    )
    .await;
    assert_eq!(since["remove"].as_array().map(Vec::len), Some(1));
    let (_, one) = get(&sandbox, &bot, &format!("subscriptions.getOne?roomId={rid}")).await;
    assert_eq!(one["subscription"], Value::Null);
}

#[tokio::test]
async fn rooms_are_made_joined_and_left() {
    let sandbox = sandbox().await;
    let (ann, bot) = (sandbox.user("ann"), sandbox.bot("rocketbotte"));
    let (status, body) = post(
        &sandbox,
        &bot,
        "channels.create",
        json!({ "name": "ops", "members": ["ann"] }),
    )
    .await;
    assert_eq!((status, &body["channel"]["usersCount"]), (200, &json!(2)));
    let rid = body["channel"]["_id"].clone();
    let (_, again) = post(&sandbox, &bot, "channels.create", json!({ "name": "ops" })).await;
    assert_eq!(again["errorType"], "error-duplicate-channel-name");
    let (_, bad) = post(&sandbox, &bot, "groups.create", json!({ "name": "bad name!" })).await;
    assert_eq!(bad["errorType"], "error-invalid-room-name");
    let invite = json!({ "roomId": rid, "userId": sandbox.user("bob").id() });
    assert_eq!(post(&sandbox, &bot, "channels.invite", invite).await.0, 200);
    let (_, last) = post(&sandbox, &bot, "channels.leave", json!({ "roomId": rid })).await;
    assert_eq!(last["errorType"], "error-you-are-last-owner");
    assert_eq!(
        post(&sandbox, &ann, "channels.leave", json!({ "roomId": rid }))
            .await
            .0,
        200
    );
    let (_, joined) = post(&sandbox, &ann, "channels.join", json!({ "roomId": rid })).await;
    assert_eq!(joined["channel"]["usersCount"], 3);
    let (_, direct) = post(&sandbox, &bot, "im.create", json!({ "username": "ann" })).await;
    let (_, same) = post(&sandbox, &ann, "im.create", json!({ "usernames": "rocketbotte" })).await;
    assert_eq!(direct["room"]["_id"], same["room"]["_id"]);
    assert_eq!(direct["room"]["t"], "d");
    let (_, unknown) = post(&sandbox, &bot, "im.create", json!({ "username": "no-such" })).await;
    assert_eq!(unknown["errorType"], "error-invalid-user");
    let (status, info) = get(&sandbox, &bot, "rooms.info?roomName=ops").await;
    assert_eq!((status, &info["room"]["_id"]), (200, &rid));
    assert_eq!(
        get(&sandbox, &bot, "rooms.info?roomId=nope").await.1["errorType"],
        "error-room-not-found"
    );
}

#[tokio::test]
async fn users_and_settings() {
    let sandbox = sandbox().await;
    let (ann, bot) = (sandbox.user("ann"), sandbox.bot("rocketbotte"));
    let (_, other) = get(&sandbox, &bot, "users.info?username=ann").await;
    assert_eq!(
        (&other["user"]["_id"], other["user"].get("roles")),
        (&json!(ann.id()), None)
    );
    let (_, own) = get(&sandbox, &bot, &format!("users.info?userId={}", bot.id())).await;
    assert_eq!(own["user"]["roles"], json!(["user", "bot"]));
    let (status, unknown) = get(&sandbox, &bot, "users.info?username=nobody").await;
    assert_eq!((status, &unknown["error"]), (400, &json!("User not found.")));
    let (status, _) = post(
        &sandbox,
        &bot,
        "users.setStatus",
        json!({ "status": "busy", "message": "m" }),
    )
    .await;
    assert_eq!(status, 200);
    assert_eq!(
        get(&sandbox, &ann, "users.info?username=rocketbotte").await.1["user"]["statusText"],
        "m"
    );
    let (_, bad) = post(&sandbox, &bot, "users.setStatus", json!({ "status": "asleep" })).await;
    assert_eq!(bad["errorType"], "error-invalid-status");
    let (_, settings) = get(
        &sandbox,
        &bot,
        "settings.public?_id=Message_MaxAllowedSize,UI_Use_Real_Name",
    )
    .await;
    assert_eq!(
        settings["settings"],
        json!([
            { "_id": "Message_MaxAllowedSize", "value": 5000 },
            { "_id": "UI_Use_Real_Name", "value": false },
        ])
    );
    let (_, settings) = get(
        &sandbox,
        &bot,
        "settings.public?_id=Site_Url,API_Upper_Count_Limit",
    )
    .await;
    assert_eq!(
        (&settings["total"], &settings["settings"][0]["_id"]),
        (&json!(1), &json!("Site_Url")),
        "the other is not public"
    );
}

#[tokio::test]
async fn limits_count_by_the_address_that_a_believed_proxy_tells() {
    let at = |left: [&str; 2]| left.map(str::to_owned);
    for (believed, expected) in [
        (0, [at(["10.1.2.3", "8"]), at(["10.1.2.4, 10.1.2.3", "7"])]),
        (1, [at(["10.1.2.3", "9"]), at(["10.1.2.4, 10.1.2.3", "8"])]),
        (2, [at(["10.1.2.3", "8"]), at(["10.1.2.4, 10.1.2.3", "9"])]),
    ] {
        let sandbox = Sandbox::builder()
            .user("ann")
            .rate_limits(true)
            .trusted_proxies(believed)
            .start_in_memory();
        let ann = sandbox.user("ann");
        let left = async |headers: &[(&str, &str)]| {
            let me = request_over(sandbox.connect(), Some(&ann), "GET", "/api/v1/me", None, headers);
            let me = me.await.expect("answers");
            me.headers["x-ratelimit-remaining"]
                .to_str()
                .expect("is text")
                .to_owned()
        };
        assert_eq!(left(&[]).await, "9", "{believed}");
        for [from, expected] in expected {
            let remaining = left(&[("x-forwarded-for", &from)]).await;
            assert_eq!(remaining, expected, "{believed} {from}");
        }
    }
}

#[tokio::test]
async fn a_message_lists_its_links_with_nothing_found_behind_them() {
    let sandbox = sandbox().await;
    let ann = sandbox.user("ann");
    let link = |url: &str| json!([{ "url": url, "meta": {} }]);
    let body = json!({ "_id": "l1", "rid": "GENERAL", "msg": "see https://example.org/a." });
    let sent = send(&sandbox, &ann, body).await;
    assert_eq!(sent["urls"], link("https://example.org/a"));
    let edit = json!({ "roomId": "GENERAL", "msgId": "l1", "text": "no, http://b.c" });
    let (_, edited) = post(&sandbox, &ann, "chat.update", edit).await;
    assert_eq!(edited["message"]["urls"], link("http://b.c"));
    let wanted = [(json!(null), true), (json!(true), true), (json!(false), false)];
    for (parse, expected) in wanted {
        let mut body = json!({ "roomId": "GENERAL", "text": "http://d.e" });
        if !parse.is_null() {
            body["parseUrls"] = parse.clone();
        }
        let (_, posted) = post(&sandbox, &ann, "chat.postMessage", body).await;
        let urls = posted["message"].get("urls");
        assert_eq!(urls, expected.then(|| link("http://d.e")).as_ref(), "{parse}");
    }
}

#[tokio::test]
async fn limits_count_by_route_and_spare_the_bot() {
    let sandbox = Sandbox::builder()
        .user("ann")
        .bot("rocketbotte")
        .rate_limits(true)
        .start()
        .await
        .expect("starts");
    let (ann, bot) = (sandbox.user("ann"), sandbox.bot("rocketbotte"));
    for left in (0..10).rev() {
        let answer = request(&sandbox, Some(&ann), "GET", "/api/v1/me", None)
            .await
            .expect("answers");
        assert_eq!(answer.status, 200);
        assert_eq!(answer.headers["x-ratelimit-limit"], "10");
        assert_eq!(answer.headers["x-ratelimit-remaining"], left.to_string().as_str());
    }
    let answer = request(&sandbox, Some(&ann), "GET", "/api/v1/me", None)
        .await
        .expect("answers");
    assert_eq!(answer.status, 429);
    let reset: i64 = answer.headers["x-ratelimit-reset"]
        .to_str()
        .expect("is text")
        .parse()
        .expect("is a number");
    assert!(reset > 1_700_000_000_000, "milliseconds, not seconds: {reset}");
    assert!(answer.headers.get("retry-after").is_none());
    let text = answer.json()["error"].as_str().expect("is text").to_owned();
    assert!(
        text.starts_with("Error, too many requests. Please slow down. You must wait"),
        "{text}"
    );
    assert!(
        text.ends_with("before trying this endpoint again. [error-too-many-requests]"),
        "{text}"
    );
    assert_eq!(answer.json().get("errorType"), None);
    let other = request(&sandbox, Some(&ann), "GET", "/api/v1/rooms.get", None)
        .await
        .expect("answers");
    assert_eq!(other.status, 200);
    let spared = request(&sandbox, Some(&bot), "GET", "/api/v1/me", None)
        .await
        .expect("answers");
    assert_eq!(spared.status, 200);
    assert!(spared.headers.get("x-ratelimit-limit").is_none());
}
