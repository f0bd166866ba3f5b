//! DDP: handshake, login, subscriptions, streams.

use std::time::Duration;

use rocketbotte::sandbox::Sandbox;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use crate::client::{Ddp, PATIENCE, Received, send, shape};

async fn sandbox() -> Sandbox {
    Sandbox::builder()
        .user("ann")
        .user("bob")
        .bot("rocketbotte")
        .start()
        .await
        .expect("starts")
}

#[tokio::test]
async fn server_id_comes_first_and_connect_is_answered() {
    let sandbox = sandbox().await;
    let mut ddp = Ddp::open(&sandbox).await;
    assert_eq!(ddp.next().await, json!({ "server_id": "0" }));
    ddp.send(json!({ "msg": "connect", "version": "1", "support": ["1"] }))
        .await;
    let connected = ddp.next().await;
    assert_eq!(connected["msg"], "connected");
    assert_eq!(connected["session"].as_str().map(str::len), Some(17));

    let quiet = Sandbox::builder()
        .server_id_frame(false)
        .start()
        .await
        .expect("starts");
    let mut ddp = Ddp::open(&quiet).await;
    ddp.send(json!({ "msg": "connect", "version": "1", "support": ["1", "pre2"] }))
        .await;
    assert_eq!(ddp.next().await["msg"], "connected");
}

#[tokio::test]
async fn a_wrong_version_fails_and_closes() {
    let sandbox = sandbox().await;
    for connect in [
        json!({ "msg": "connect", "version": "99", "support": ["99", "1"] }),
        json!({ "msg": "connect", "version": 1, "support": [1] }),
        json!({ "msg": "connect", "version": "1", "support": ["pre2"] }),
        json!({ "msg": "connect" }),
    ] {
        let mut ddp = Ddp::open(&sandbox).await;
        ddp.next().await;
        ddp.send(connect).await;
        assert_eq!(ddp.next().await, json!({ "msg": "failed", "version": "1" }));
        match ddp.receive().await {
            Received::Closed(Some(frame)) => assert_eq!(frame.code, CloseCode::Normal),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn malformed_frames_get_an_error_and_never_close() {
    let sandbox = sandbox().await;
    let mut ddp = Ddp::open(&sandbox).await;
    ddp.next().await;
    let early = json!({ "msg": "method", "id": "1", "method": "login", "params": [] });
    ddp.send(early.clone()).await;
    assert_eq!(
        ddp.next().await,
        json!({ "msg": "error", "reason": "Must connect first", "offendingMessage": early })
    );
    ddp.handshake().await;
    ddp.send_text("this is not json").await;
    assert_eq!(
        ddp.next().await,
        json!({ "msg": "error", "reason": "Bad request" })
    );
    for (frame, reason) in [
        (json!([1, 2]), "Bad request"),
        (json!({}), "Bad request"),
        (json!({ "msg": 7 }), "Bad request"),
        (json!({ "msg": "nonsense" }), "Bad request"),
        (
            json!({ "msg": "connect", "version": "1", "support": ["1"] }),
            "Already connected",
        ),
        (
            json!({ "msg": "method", "method": "login", "params": [] }),
            "Malformed method invocation",
        ),
        (
            json!({ "msg": "method", "id": 1, "method": "login", "params": [] }),
            "Malformed method invocation",
        ),
        (
            json!({ "msg": "method", "id": "1", "method": "login", "params": {} }),
            "Malformed method invocation",
        ),
        (
            json!({ "msg": "sub", "name": "stream-notify-all", "params": ["x", false] }),
            "Malformed subscription",
        ),
    ] {
        ddp.send(frame.clone()).await;
        assert_eq!(
            ddp.next().await,
            json!({ "msg": "error", "reason": reason, "offendingMessage": frame })
        );
    }
    ddp.send(json!({ "msg": "ping" })).await;
    assert_eq!(ddp.next().await, json!({ "msg": "pong" }));
    ddp.send(json!({ "msg": "ping", "id": "abc-1" })).await;
    assert_eq!(ddp.next().await, json!({ "msg": "pong", "id": "abc-1" }));
}

#[tokio::test]
async fn deep_nesting_and_binary_frames_do_no_harm() {
    let sandbox = sandbox().await;
    let mut ddp = Ddp::open(&sandbox).await;
    ddp.handshake().await;
    ddp.send_text(&"[".repeat(100_000)).await;
    assert_eq!(ddp.next().await["reason"], "Bad request");
    use futures_util::SinkExt;
    let binary = tokio_tungstenite::tungstenite::Message::binary(vec![0xff, 0xfe]);
    ddp.socket.send(binary).await.expect("sends");
    assert_eq!(ddp.next().await["reason"], "Bad request");
}

#[tokio::test]
async fn login_by_token_publishes_the_user_before_the_result() {
    let sandbox = sandbox().await;
    let bot = sandbox.bot("rocketbotte");
    let mut ddp = Ddp::open(&sandbox).await;
    ddp.handshake().await;
    ddp.send(json!({ "msg": "method", "id": "1", "method": "login", "params": [{ "resume": bot.token() }] }))
        .await;
    let added = ddp.next().await;
    assert_eq!(
        (&added["msg"], &added["collection"], &added["id"]),
        (&json!("added"), &json!("users"), &json!(bot.id()))
    );
    assert_eq!(added["fields"]["username"], "rocketbotte");
    assert_eq!(
        ddp.next().await,
        json!({
            "msg": "result",
            "id": "1",
            "result": { "id": bot.id(), "token": bot.token(), "tokenExpires": { "$date": null }, "type": "resume" },
        })
    );
    assert_eq!(ddp.next().await, json!({ "msg": "updated", "methods": ["1"] }));
}

#[tokio::test]
async fn login_by_password_takes_the_digest() {
    let sandbox = sandbox().await;
    let ann = sandbox.user("ann");
    // sha256 of "ann-password".
    assert_eq!(ann.password(), "ann-password");
    let digest = "7e6ec2c5e24d4fd49ef1a85bd17a2d5bcb0dd8bb4c54b1a70da3ac9a3fb4c5b5";
    let mut ddp = Ddp::open(&sandbox).await;
    ddp.handshake().await;
    let wrong =
        json!([{ "user": { "username": "ann" }, "password": { "digest": digest, "algorithm": "sha-256" } }]);
    let refused = ddp.call("login", wrong).await;
    assert_eq!(refused["error"]["error"], 403);
    assert_eq!(refused["error"]["reason"], "User not found");
    let plain = json!([{ "user": { "email": "ann@example.org" }, "password": "ann-password" }]);
    let result = ddp.call("login", plain).await;
    assert_eq!(result["result"]["type"], "password");
    assert!(result["result"]["tokenExpires"]["$date"].is_i64());
}

#[tokio::test]
async fn refused_logins_have_the_codes_of_the_server() {
    let sandbox = sandbox().await;
    let mut ddp = Ddp::open(&sandbox).await;
    ddp.handshake().await;
    let bad = ddp.call("login", json!([{ "resume": "nope" }])).await;
    let reason = "You've been logged out by the server. Please log in again.";
    assert_eq!(
        bad["error"],
        json!({
            "isClientSafe": true,
            "error": 403,
            "reason": reason,
            "message": format!("{reason} [403]"),
            "errorType": "Meteor.Error",
        })
    );
    let empty = ddp.call("login", json!([{}])).await;
    assert_eq!(
        (&empty["error"]["error"], &empty["error"]["reason"]),
        (&json!(400), &json!("Unrecognized options for login request"))
    );
    let unknown = ddp.call("no-such-method", json!([1])).await;
    assert_eq!(
        unknown["error"]["message"],
        "Method 'no-such-method' not found [404]"
    );
}

#[tokio::test]
async fn before_login_most_is_empty_or_refused() {
    let sandbox = sandbox().await;
    let bot = sandbox.bot("rocketbotte");
    let mut ddp = Ddp::open(&sandbox).await;
    ddp.handshake().await;
    assert_eq!(ddp.call("rooms/get", json!([])).await["result"], json!([]));
    assert_eq!(
        ddp.call("subscriptions/get", json!([])).await["result"],
        json!([])
    );
    let refused = ddp
        .call("sendMessage", json!([{ "rid": "GENERAL", "msg": "x" }]))
        .await;
    assert_eq!(refused["error"]["error"], "error-invalid-user");
    let own = format!("{}/message", bot.id());
    assert_eq!(
        ddp.sub("a", "stream-notify-user", json!([own, false])).await["msg"],
        "nosub"
    );
    assert_eq!(
        ddp.sub("b", "stream-notify-logged", json!(["user-status", false]))
            .await["msg"],
        "nosub"
    );
    assert_eq!(
        ddp.sub("c", "stream-notify-all", json!(["x", false])).await["msg"],
        "ready"
    );
    ddp.my_messages().await;
    // The early subscription is confirmed again at login, and delivers from then on.
    ddp.call("login", json!([{ "resume": bot.token() }])).await;
    ddp.find(|frame| frame["subs"] == json!(["mine"])).await;
    sandbox.user("ann").say("general", "hello").await;
    assert_eq!(ddp.event().await[0]["msg"], "hello");
}

#[tokio::test]
async fn subscriptions_are_refused_in_the_servers_forms() {
    let sandbox = sandbox().await;
    sandbox.create_group("secret", &["ann"]).expect("creates");
    let rid = sandbox.messages("secret");
    assert!(rid.is_empty());
    let bot = sandbox.bot("rocketbotte");
    let mut ddp = Ddp::login(&sandbox, &bot).await;
    let unknown = ddp.sub("1", "no-such-sub", json!([1])).await;
    assert_eq!(
        unknown["error"]["message"],
        "Subscription 'no-such-sub' not found [404]"
    );
    let incomplete = ddp
        .sub("2", "stream-room-messages", json!(["__my_messages__"]))
        .await;
    assert_eq!(incomplete["error"]["error"], 400);
    let other = format!("{}/message", sandbox.user("ann").id());
    let refused = ddp.sub("3", "stream-notify-user", json!([other, false])).await;
    assert_eq!(refused["error"]["error"], "not-allowed");
    assert_eq!(
        ddp.sub("4", "stream-room-messages", json!(["nope", false])).await["msg"],
        "nosub"
    );
    // The same id again is ignored; an `unsub` is answered, known or not.
    ddp.my_messages().await;
    ddp.send(json!({ "msg": "sub", "id": "mine", "name": "stream-notify-all", "params": ["x", false] }))
        .await;
    assert_eq!(ddp.settle().await, Vec::<Value>::new());
    assert_eq!(sandbox.subscriptions().len(), 1);
    for id in ["mine", "zzz"] {
        ddp.send(json!({ "msg": "unsub", "id": id })).await;
        assert_eq!(ddp.next().await, json!({ "msg": "nosub", "id": id }));
    }
    assert!(sandbox.subscriptions().is_empty());
}

#[tokio::test]
async fn a_message_has_the_shape_of_version_8() {
    let sandbox = sandbox().await;
    let (ann, bot) = (sandbox.user("ann"), sandbox.bot("rocketbotte"));
    let mut ddp = Ddp::login(&sandbox, &bot).await;
    ddp.my_messages().await;
    assert_eq!(
        sandbox.subscriptions(),
        [(
            bot.id().to_owned(),
            "stream-room-messages".to_owned(),
            "__my_messages__".to_owned()
        )]
    );
    let id = ann.say("general", "@rocketbotte see #general, @all").await;
    let args = ddp.event().await;
    assert_eq!(
        args[1],
        json!({ "roomParticipant": true, "roomType": "c", "roomName": "general" })
    );
    let message = &args[0];
    let fields = [
        ("_id", "string"),
        ("_updatedAt", "date"),
        ("channels", "array"),
        ("md", "array"),
        ("mentions", "array"),
        ("msg", "string"),
        ("rid", "string"),
        ("ts", "date"),
        ("u", "object"),
        ("urls", "array"),
    ];
    assert_eq!(shape(message), fields.map(|(name, kind)| (name.to_owned(), kind)));
    assert_eq!(message["_id"], id.as_str());
    assert_eq!(
        message["u"],
        json!({ "_id": ann.id(), "username": "ann", "name": "Ann" })
    );
    assert_eq!(
        message["mentions"],
        json!([
            { "_id": bot.id(), "username": "rocketbotte", "name": "Rocketbotte", "type": "user" },
            { "_id": "all", "username": "all" },
        ])
    );
    assert_eq!(message["channels"][0]["_id"], "GENERAL");
    assert_eq!(message["md"][0]["type"], "PARAGRAPH");
    assert_eq!(message["md"][0]["value"][0]["type"], "MENTION_USER");
    // Own messages come back, too.
    send(&sandbox, &bot, json!({ "rid": "GENERAL", "msg": "mine" })).await;
    assert_eq!(ddp.event().await[0]["u"]["_id"], bot.id());
}

#[tokio::test]
async fn updates_are_the_whole_message_again_without_a_type() {
    let sandbox = sandbox().await;
    let (ann, bob) = (sandbox.user("ann"), sandbox.user("bob"));
    let mut ddp = Ddp::login(&sandbox, &sandbox.bot("rocketbotte")).await;
    ddp.my_messages().await;
    let id = ann.say("general", "one").await;
    let mut updated = ddp.event().await[0]["_updatedAt"]["$date"].as_i64();
    let mut newer = |message: &Value| {
        let now = message["_updatedAt"]["$date"].as_i64();
        assert!(now > updated, "{message}");
        updated = now;
    };
    ann.edit(&id, "two @bob").await;
    let edited = ddp.event().await[0].clone();
    assert_eq!((&edited["_id"], &edited["msg"]), (&json!(id), &json!("two @bob")));
    assert_eq!(edited["editedBy"], json!({ "_id": ann.id(), "username": "ann" }));
    assert_eq!(edited["mentions"][0]["username"], "bob");
    newer(&edited);
    bob.react(&id, ":+1:").await;
    let reacted = ddp.event().await[0].clone();
    assert_eq!(reacted["reactions"], json!({ ":+1:": { "usernames": ["bob"] } }));
    newer(&reacted);
    bob.unreact(&id, ":+1:").await;
    let unreacted = ddp.event().await[0].clone();
    assert_eq!(unreacted.get("reactions"), None);
    newer(&unreacted);
    bob.reply("general", &id, "in thread").await;
    assert_eq!(ddp.event().await[0]["tmid"], id.as_str());
    let parent = ddp.event().await[0].clone();
    assert_eq!(
        (&parent["tcount"], &parent["replies"]),
        (&json!(1), &json!([bob.id()]))
    );
    assert!(parent["tlm"]["$date"].is_i64());
    newer(&parent);
}

#[tokio::test]
async fn deletions_are_seen_where_the_server_shows_them() {
    let sandbox = sandbox().await;
    let ann = sandbox.user("ann");
    let mut ddp = Ddp::login(&sandbox, &sandbox.bot("rocketbotte")).await;
    ddp.my_messages().await;
    assert_eq!(
        ddp.sub("d", "stream-notify-room", json!(["GENERAL/deleteMessage", false]))
            .await["msg"],
        "ready"
    );
    let hard = ann.say("general", "gone").await;
    ann.delete(&hard).await;
    assert_eq!(ddp.event().await[0]["msg"], "gone");
    assert_eq!(ddp.event().await, [json!({ "_id": hard })]);
    sandbox.set_setting("Message_ShowDeletedStatus", true);
    let soft = ann.say("general", "hidden").await;
    ann.delete(&soft).await;
    ddp.event().await;
    let removed = ddp.event().await[0].clone();
    assert_eq!(
        (&removed["_id"], &removed["t"], &removed["msg"]),
        (&json!(soft), &json!("rm"), &json!(""))
    );
    assert_eq!(removed["reactions"], json!([]));
    assert!(removed["editedAt"]["$date"].is_i64());
}

#[tokio::test]
async fn my_messages_covers_rooms_as_they_come_and_go() {
    let sandbox = sandbox().await;
    let (ann, bob, bot) = (
        sandbox.user("ann"),
        sandbox.user("bob"),
        sandbox.bot("rocketbotte"),
    );
    let mut ddp = Ddp::login(&sandbox, &bot).await;
    ddp.my_messages().await;
    // A public channel the bot is not in.
    sandbox.create_channel("lobby", &["ann"]).expect("creates");
    ann.say("lobby", "psst").await;
    assert_eq!(ddp.event().await[1]["roomParticipant"], false);
    bot.join("lobby").await;
    let joined = ddp.event().await;
    assert_eq!(
        (&joined[0]["t"], &joined[0]["msg"]),
        (&json!("uj"), &json!("rocketbotte"))
    );
    assert_eq!(joined[1]["roomParticipant"], true);
    bot.leave("lobby").await;
    assert_eq!(ddp.event().await[0]["t"], "ul");
    // A private group: nothing before the invitation or after the kick.
    sandbox.create_group("secret", &["ann"]).expect("creates");
    ann.say("secret", "unheard").await;
    sandbox.invite("secret", "rocketbotte").expect("invites");
    assert_eq!(ddp.event().await[0]["t"], "au");
    ann.say("secret", "heard").await;
    assert_eq!(ddp.event().await[1]["roomType"], "p");
    sandbox.kick("secret", "rocketbotte").expect("kicks");
    ann.say("secret", "unheard again").await;
    // Direct rooms have no name.
    let dm = bob.direct(&["rocketbotte"]).await;
    bob.say(&dm, "direct").await;
    let direct = ddp.event().await;
    assert_eq!(
        (&direct[0]["msg"], &direct[1]),
        (
            &json!("direct"),
            &json!({ "roomParticipant": true, "roomType": "d" })
        )
    );
    let group = ann.direct(&["bob", "rocketbotte"]).await;
    ann.say(&group, "three of us").await;
    assert_eq!(ddp.event().await[0]["rid"], group.as_str());
    let rid = sandbox
        .create_discussion("general", "A talk", &["ann", "rocketbotte"])
        .expect("creates");
    let announced = ddp.event().await[0].clone();
    assert_eq!(
        (&announced["t"], &announced["drid"]),
        (&json!("discussion-created"), &json!(rid))
    );
    ann.say(&rid, "inside").await;
    assert_eq!(ddp.event().await[0]["rid"], rid.as_str());
    let counted = ddp.event().await[0].clone();
    assert_eq!(
        (&counted["_id"], &counted["dcount"]),
        (&announced["_id"], &json!(1))
    );
}

#[tokio::test]
async fn the_users_own_streams_tell_of_rooms_and_errors() {
    let sandbox = sandbox().await;
    let (ann, bot) = (sandbox.user("ann"), sandbox.bot("rocketbotte"));
    let mut ddp = Ddp::login(&sandbox, &bot).await;
    for event in ["subscriptions-changed", "notification", "message"] {
        let own = format!("{}/{event}", bot.id());
        let ready = ddp
            .sub(
                event,
                "stream-notify-user",
                json!([own, { "useCollection": false, "args": [] }]),
            )
            .await;
        assert_eq!(ready["msg"], "ready");
    }
    sandbox
        .create_group("ops", &["ann", "rocketbotte"])
        .expect("creates");
    let inserted = ddp.event().await;
    assert_eq!(inserted[0], "inserted");
    assert_eq!(
        (&inserted[1]["name"], &inserted[1]["t"]),
        (&json!("ops"), &json!("p"))
    );
    ann.say("ops", "hi @rocketbotte").await;
    let updated = ddp.event().await;
    assert_eq!(
        (&updated[0], &updated[1]["userMentions"]),
        (&json!("updated"), &json!(1))
    );
    let notification = ddp.event().await;
    assert_eq!(notification[0]["title"], "#ops");
    assert_eq!(notification[0]["payload"]["message"]["msg"], "hi @rocketbotte");
    // The method hides its errors: they come as a message that only the bot sees.
    let result = ddp
        .call("sendMessage", json!([{ "rid": "nope", "msg": "x" }]))
        .await;
    assert_eq!((result.get("result"), result.get("error")), (None, None));
    sandbox.kick("ops", "rocketbotte").expect("kicks");
    let removed = ddp.find(|frame| frame["fields"]["args"][0] == "removed").await;
    assert_eq!(removed["fields"]["args"][1]["t"], "p");
}

#[tokio::test]
async fn the_ephemeral_error_names_the_reason() {
    let sandbox = sandbox().await;
    let bot = sandbox.bot("rocketbotte");
    let mut ddp = Ddp::login(&sandbox, &bot).await;
    let own = format!("{}/message", bot.id());
    ddp.sub("m", "stream-notify-user", json!([own, false])).await;
    ddp.send(json!({ "msg": "method", "id": "x", "method": "sendMessage", "params": [{ "rid": "nope" }] }))
        .await;
    let ephemeral = ddp.event().await;
    assert_eq!(ephemeral[0]["msg"], "error-invalid-room");
    assert_eq!(ephemeral[0]["private"], true);
    assert_eq!(
        ddp.find(|frame| frame["msg"] == "result").await,
        json!({ "msg": "result", "id": "x" })
    );
}

#[tokio::test]
async fn typing_is_passed_on_under_the_own_name_only() {
    let sandbox = sandbox().await;
    let (ann, bot) = (sandbox.user("ann"), sandbox.bot("rocketbotte"));
    let mut watcher = Ddp::login(&sandbox, &ann).await;
    let ready = watcher
        .sub("t", "stream-notify-room", json!(["GENERAL/user-activity", false]))
        .await;
    assert_eq!(ready["msg"], "ready");
    let mut ddp = Ddp::login(&sandbox, &bot).await;
    let activity = "GENERAL/user-activity";
    for name in ["ann", "rocketbotte"] {
        let params = json!([activity, name, ["user-typing"], {}]);
        let result = ddp.call("stream-notify-room", params).await;
        assert_eq!((result.get("result"), result.get("error")), (None, None));
    }
    assert_eq!(
        watcher.event().await,
        [json!("rocketbotte"), json!(["user-typing"]), json!({})]
    );
    assert_eq!(watcher.settle().await, Vec::<Value>::new());
}

#[tokio::test]
async fn presence_follows_the_connections() {
    let sandbox = sandbox().await;
    let (ann, bot) = (sandbox.user("ann"), sandbox.bot("rocketbotte"));
    let mut watcher = Ddp::login(&sandbox, &ann).await;
    watcher
        .sub("p", "stream-notify-logged", json!(["user-status", false]))
        .await;
    let ddp = Ddp::login(&sandbox, &bot).await;
    let online = watcher.event().await;
    assert_eq!(
        (&online[0][0], &online[0][1], &online[0][2]),
        (&json!(bot.id()), &json!("rocketbotte"), &json!(1))
    );
    drop(ddp);
    assert_eq!(watcher.event().await[0][2], 0);
}

#[tokio::test]
async fn methods_of_other_clients_work() {
    let sandbox = sandbox().await;
    let bot = sandbox.bot("rocketbotte");
    let mut ddp = Ddp::login(&sandbox, &bot).await;
    let rooms = ddp.call("rooms/get", json!([])).await;
    assert_eq!(rooms["result"][0]["_id"], "GENERAL");
    let since = ddp
        .call(
            "subscriptions/get",
            json!([{ "$date": i64::from(i32::MAX) * 1_000_000 }]),
        )
        .await;
    assert_eq!(since["result"], json!({ "update": [], "remove": [] }));
    let message = json!([{ "_id": "own-id-0001", "rid": "GENERAL", "msg": "first" }]);
    assert_eq!(
        ddp.call("sendMessage", message.clone()).await["result"]["msg"],
        "first"
    );
    // The same id again: no result, no error, nothing stored.
    let again = ddp.call("sendMessage", message).await;
    assert_eq!((again.get("result"), again.get("error")), (None, None));
    assert_eq!(sandbox.messages("general").len(), 1);
    let missed = ddp
        .call("loadMissedMessages", json!(["GENERAL", { "$date": 0 }]))
        .await;
    assert_eq!(missed["result"][0]["_id"], "own-id-0001");
    assert_eq!(
        ddp.call("getRoomIdByNameOrId", json!(["general"])).await["result"],
        "GENERAL"
    );
    let direct = ddp.call("createDirectMessage", json!(["ann"])).await;
    assert_eq!(direct["result"]["t"], "d");
}

#[tokio::test]
async fn logout_ends_the_token_and_a_second_login_changes_the_user() {
    let sandbox = sandbox().await;
    let (ann, bot) = (sandbox.user("ann"), sandbox.bot("rocketbotte"));
    let mut ddp = Ddp::login(&sandbox, &bot).await;
    ddp.send(json!({ "msg": "method", "id": "2", "method": "login", "params": [{ "resume": ann.token() }] }))
        .await;
    assert_eq!(
        ddp.next().await,
        json!({ "msg": "removed", "collection": "users", "id": bot.id() })
    );
    assert_eq!(ddp.next().await["id"], ann.id());
    let token = ann.token();
    ddp.call("logout", json!([])).await;
    let refused = ddp.call("login", json!([{ "resume": token }])).await;
    assert_eq!(refused["error"]["error"], 403);
}

#[tokio::test]
async fn the_in_memory_server_works_with_paused_time() {
    let sandbox = Sandbox::builder().start_in_memory();
    let mut ddp = Ddp::in_memory(&sandbox).await;
    ddp.log_in(&sandbox.bot("rocketbotte")).await;
    tokio::time::pause();
    // Nothing is sent, so time jumps: after 15 s the server has still seen the login, after 30 s it pings, and 15 s later it ends.
    let began = tokio::time::Instant::now();
    use futures_util::StreamExt;
    let mut frames = Vec::new();
    while let Some(Ok(message)) = ddp.socket.next().await {
        frames.push(message);
    }
    assert_eq!(frames[0].to_text().expect("is text"), r#"{"msg":"ping"}"#);
    assert!(frames[1].is_close());
    let waited = began.elapsed();
    assert!(
        // The silence began a moment before time stood still.
        waited > Duration::from_secs(44) && waited < Duration::from_secs(46),
        "{waited:?}"
    );
    tokio::time::resume();
    sandbox
        .wait_until(|sandbox| sandbox.connections() == 0, PATIENCE)
        .await
        .expect("is forgotten");
}
