//! Methods over DDP that look back, make rooms, mark messages; and the heartbeat.

use std::time::Duration;

use rocketbotte::sandbox::Sandbox;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::client::{Ddp, Received};

#[tokio::test]
async fn looking_back() {
    let sandbox = Sandbox::builder()
        .user("ann")
        .bot("rocketbotte")
        .group_with("secret", &["ann"])
        .start_in_memory();
    let (ann, bot) = (sandbox.user("ann"), sandbox.bot("rocketbotte"));
    let root = ann.say("general", "root").await;
    tokio::time::sleep(Duration::from_millis(2)).await;
    let reply = ann.reply("general", &root, "reply").await;
    let secret = sandbox.room_id("secret").expect("is there");
    let mut ddp = Ddp::in_memory(&sandbox).await;
    ddp.log_in(&bot).await;
    let ids = |list: &Value| -> Vec<String> {
        let list = list.as_array().expect("a list").iter();
        list.map(|message| message["_id"].as_str().expect("an id").to_owned())
            .collect()
    };
    let past = ddp
        .call("loadHistory", json!(["GENERAL", null, 1, { "$date": 0 }]))
        .await;
    assert_eq!(ids(&past["result"]["messages"]), [reply.as_str()]);
    assert_eq!(
        (
            &past["result"]["firstUnread"]["_id"],
            &past["result"]["unreadNotLoaded"]
        ),
        (&json!(root), &json!(1))
    );
    let at = sandbox.message(&root).expect("is there").raw["ts"].clone();
    let later = ddp.call("loadNextMessages", json!(["GENERAL", at, 10])).await;
    assert_eq!(ids(&later["result"]["messages"]), [reply.as_str()]);
    let since = ddp
        .call(
            "messages/get",
            json!(["GENERAL", { "lastUpdate": { "$date": 0 } }]),
        )
        .await;
    assert_eq!(ids(&since["result"]["updated"]).len(), 2);
    let thread = ddp.call("getThreadMessages", json!([{ "tmid": root }])).await;
    assert_eq!(ids(&thread["result"]), [root.as_str(), reply.as_str()]);
    let threads = ddp
        .call("getThreadsList", json!([{ "rid": "GENERAL", "limit": 5 }]))
        .await;
    assert_eq!(ids(&threads["result"]), [root.as_str()]);
    let one = ddp.call("getSingleMessage", json!([root])).await;
    assert_eq!(one["result"]["msg"], "root");
    let some = ddp.call("getMessages", json!([[root, "none", reply]])).await;
    assert_eq!(ids(&some["result"]).len(), 2);
    assert_eq!(
        ddp.call("getRoomNameById", json!(["GENERAL"])).await["result"],
        "general"
    );

    for (method, params, answer) in [
        ("loadHistory", json!([secret, null, 5, null]), json!(false)),
        ("loadNextMessages", json!([secret, null, 5]), json!(false)),
        ("getRoomNameById", json!([secret]), json!("error-not-allowed")),
        (
            "messages/get",
            json!([secret, { "lastUpdate": { "$date": 0 } }]),
            json!("error-not-allowed"),
        ),
        (
            "getThreadMessages",
            json!([{ "tmid": "none" }]),
            json!("error-not-allowed"),
        ),
        ("getThreadMessages", json!([5]), json!(400)),
        ("loadHistory", json!([]), json!(400)),
        ("createChannel", json!(["x"]), json!(400)),
    ] {
        let result = ddp.call(method, params).await;
        let got = if result["error"].is_null() {
            &result["result"]
        } else {
            &result["error"]["error"]
        };
        assert_eq!(*got, answer, "{method}");
    }
}

#[tokio::test]
async fn rooms_marks_and_commands() {
    let sandbox = Sandbox::builder()
        .user("ann")
        .user("bob")
        .bot("rocketbotte")
        .start_in_memory();
    let bot = sandbox.bot("rocketbotte");
    let mut ddp = Ddp::in_memory(&sandbox).await;
    ddp.log_in(&bot).await;
    let made = ddp.call("createChannel", json!(["fresh", ["ann"], false])).await;
    let rid = made["result"]["rid"].as_str().expect("a room").to_owned();
    assert_eq!(sandbox.room_id("fresh"), Some(rid.clone()));
    let twice = ddp.call("createChannel", json!(["fresh", []])).await;
    assert_eq!(twice["error"]["error"], "error-duplicate-channel-name");
    let added = ddp
        .call("addUsersToRoom", json!([{ "rid": rid, "users": ["bob"] }]))
        .await;
    assert_eq!(added["result"], true);
    sandbox.user("bob").say("fresh", "hi").await;
    let refused = ddp
        .call("addUsersToRoom", json!([{ "rid": "GENERAL", "users": ["bob"] }]))
        .await;
    assert_eq!(
        refused["error"]["error"], "error-not-allowed",
        "not an owner there"
    );

    let id = sandbox.user("ann").say("fresh", "mark me").await;
    let pinned = ddp.call("pinMessage", json!([{ "_id": id }])).await;
    assert_eq!(pinned["result"]["t"], "message_pinned");
    assert_eq!(
        ddp.call("starMessage", json!([{ "_id": id, "starred": true }]))
            .await["error"],
        Value::Null
    );
    assert_eq!(
        ddp.call("followMessage", json!([{ "mid": id }])).await["error"],
        Value::Null
    );
    let now = sandbox.message(&id).expect("is there").raw;
    assert_eq!(
        (&now["pinned"], &now["starred"], &now["replies"]),
        (&json!(true), &json!([{ "_id": bot.id() }]), &json!([bot.id()]))
    );
    ddp.call("unpinMessage", json!([{ "_id": id }])).await;
    ddp.call("unfollowMessage", json!([{ "mid": id }])).await;
    let now = sandbox.message(&id).expect("is there").raw;
    assert_eq!((&now["pinned"], &now["replies"]), (&json!(false), &json!([])));

    let command =
        json!([{ "cmd": "me", "params": "waves", "msg": { "_id": "mine", "rid": rid, "msg": "/me waves" } }]);
    assert_eq!(ddp.call("slashCommand", command).await["error"], Value::Null);
    assert_eq!(sandbox.message("mine").expect("is there").text, "_waves_");
    // Writing to the streams of the server does nothing, which is not said.
    let written = ddp.call("stream-notify-logged", json!(["user-status", []])).await;
    assert_eq!(
        (&written["result"], &written["error"]),
        (&Value::Null, &Value::Null)
    );
}

#[tokio::test(start_paused = true)]
async fn the_heartbeat_begins_with_the_handshake() {
    let sandbox = Sandbox::builder()
        .heartbeat(Duration::from_secs(2))
        .start_in_memory();
    let mut ddp = Ddp::in_memory(&sandbox).await;
    ddp.handshake().await;
    let began = Instant::now();
    let ping = ddp.find(|frame| frame["msg"] == "ping").await;
    assert_eq!((began.elapsed().as_secs(), ping), (2, json!({ "msg": "ping" })));
    // Whatever is sent behind it comes as before.
    ddp.send(json!({ "msg": "pong" })).await;
    let nobody = ddp.call("rooms/get", json!([])).await;
    assert_eq!(nobody["result"], json!([]));

    // It looks every two seconds whether anything came since: only an interval without anything is answered by a ping.
    let mut quiet = Ddp::in_memory(&sandbox).await;
    quiet.handshake().await;
    let began = Instant::now();
    tokio::time::sleep(Duration::from_secs(1)).await;
    quiet.send(json!({ "msg": "pong" })).await;
    quiet.find(|frame| frame["msg"] == "ping").await;
    assert_eq!(began.elapsed().as_secs(), 4);
    assert_eq!(quiet.closed().await, Some(1000));
    assert_eq!(began.elapsed().as_secs(), 6);

    let mut quiet = Ddp::in_memory(&sandbox).await;
    let began = Instant::now();
    assert!(matches!(quiet.receive().await, Received::Frame(frame) if frame == json!({ "server_id": "0" })));
    let closed = tokio::time::timeout(Duration::from_secs(90), quiet.closed()).await;
    assert_eq!(closed, Ok(Some(1000)), "closed without a ping");
    assert!(
        began.elapsed() >= Duration::from_secs(45),
        "{:?}",
        began.elapsed()
    );
}

#[tokio::test]
async fn presence_is_told_to_who_watches() {
    let sandbox = Sandbox::builder()
        .user("ann")
        .user("bob")
        .bot("rocketbotte")
        .start_in_memory();
    let (ann, bob, bot) = (
        sandbox.user("ann"),
        sandbox.user("bob"),
        sandbox.bot("rocketbotte"),
    );
    let mut ddp = Ddp::in_memory(&sandbox).await;
    ddp.log_in(&bot).await;
    let stream = "stream-user-presence";
    let ready = ddp
        .sub("p1", stream, json!(["", { "added": [ann.id()], "removed": [] }]))
        .await;
    assert_eq!(ready["msg"], "ready");
    let mut theirs = Ddp::in_memory(&sandbox).await;
    theirs.log_in(&ann).await;
    let told = ddp.find(|frame| frame["collection"] == stream).await;
    let fields = json!({ "uid": ann.id(), "eventName": ann.id(), "args": [["ann", 1, ""]] });
    assert_eq!((&told["id"], &told["fields"]), (&json!(ann.id()), &fields));
    // A second one changes the list of the first and ends at once.
    let ended = ddp
        .sub(
            "p2",
            stream,
            json!(["", { "added": [bob.id()], "removed": [ann.id()] }]),
        )
        .await;
    assert_eq!((&ended["msg"], &ended["error"]), (&json!("nosub"), &Value::Null));
    theirs.call("UserPresence:away", json!([])).await;
    let mut others = Ddp::in_memory(&sandbox).await;
    others.log_in(&bob).await;
    let told = ddp.find(|frame| frame["collection"] == stream).await;
    assert_eq!(told["id"], bob.id(), "nothing more of the first one");
}

#[tokio::test]
async fn what_has_happened_before_the_start() {
    let sandbox = Sandbox::builder()
        .user("ann")
        .user("bob")
        .bot("rocketbotte")
        .channel_with("ops", &["ann", "rocketbotte"])
        .direct(&["ann", "rocketbotte"])
        .discussion("ops", "What now?", &["ann", "rocketbotte"])
        .history("ops", &[("ann", "one"), ("rocketbotte", "two")])
        .history("@ann,rocketbotte", &[("ann", "between us")])
        .history("What now?", &[("ann", "who knows")])
        .thread(
            "general",
            &[("bob", "root"), ("rocketbotte", "reply"), ("bob", "thanks")],
        )
        .history("nowhere", &[("ann", "lost")])
        .start_in_memory();
    let bot = sandbox.bot("rocketbotte");
    let mut ddp = Ddp::in_memory(&sandbox).await;
    ddp.log_in(&bot).await;
    let rooms = ddp.call("rooms/get", json!([])).await;
    let rooms = rooms["result"].as_array().expect("a list").clone();
    let last = |fits: &dyn Fn(&Value) -> bool| -> String {
        let room = rooms.iter().find(|room| fits(room)).expect("is there");
        room["lastMessage"]["msg"].as_str().unwrap_or_default().to_owned()
    };
    assert_eq!(rooms.len(), 4, "general, ops, the discussion, the direct room");
    assert_eq!(last(&|room| room["name"] == "ops"), "two");
    assert_eq!(last(&|room| room["t"] == "d"), "between us");
    assert_eq!(last(&|room| room["fname"] == "What now?"), "who knows");
    let thread = sandbox.messages("general");
    let texts: Vec<&str> = thread.iter().map(|message| message.text.as_str()).collect();
    assert_eq!(texts, ["root", "reply", "thanks"]);
    assert!(
        thread[1..]
            .iter()
            .all(|reply| reply.thread_id.as_deref() == Some(thread[0].id.as_str()))
    );
    assert_eq!(thread[0].raw["tcount"], 2);
}
