//! Looking around over REST and DDP: threads, marks, searches, people, commands, tokens.

use std::time::Duration;

use rocketbotte::sandbox::{Sandbox, UserSpec};
use serde_json::{Value, json};

use crate::client::{Ddp, Received, get, post, request, request_over};

fn stage() -> Sandbox {
    Sandbox::builder()
        .user("ann")
        .user("bob")
        .bot("rocketbotte")
        .channel_with("ops", &["ann", "rocketbotte"])
        .group_with("secret", &["bob"])
        .start_in_memory()
}

fn texts(list: &Value) -> Vec<&str> {
    let list = list.as_array().expect("a list").iter();
    list.map(|message| message["msg"].as_str().unwrap_or_default())
        .collect()
}

#[tokio::test]
async fn threads_and_what_changed_in_them() {
    let sandbox = stage();
    let (ann, bot) = (sandbox.user("ann"), sandbox.bot("rocketbotte"));
    let root = ann.say("ops", "root").await;
    ann.say("ops", "no thread").await;
    let (_, now) = get(&sandbox, &bot, &format!("chat.getMessage?msgId={root}")).await;
    let before = now["message"]["_updatedAt"].as_str().expect("a date").to_owned();
    // What changed is told apart by milliseconds.
    tokio::time::sleep(Duration::from_millis(5)).await;
    ann.reply("ops", &root, "first").await;
    bot.reply("ops", &root, "second").await;
    let ops = sandbox.room_id("ops").expect("is there");

    let (_, list) = get(&sandbox, &bot, &format!("chat.getThreadsList?rid={ops}")).await;
    assert_eq!(
        (texts(&list["threads"]), &list["total"]),
        (vec!["root"], &json!(1))
    );
    let (_, list) = get(
        &sandbox,
        &bot,
        &format!("chat.getThreadsList?rid={ops}&text=nothing"),
    )
    .await;
    assert_eq!(list["threads"], json!([]));
    let (_, list) = get(
        &sandbox,
        &bot,
        &format!("chat.getThreadsList?rid={ops}&type=following"),
    )
    .await;
    assert_eq!(texts(&list["threads"]), ["root"], "who answered follows");
    let (_, changed) = get(
        &sandbox,
        &bot,
        &format!("chat.syncThreadMessages?tmid={root}&updatedSince={before}"),
    )
    .await;
    assert_eq!(texts(&changed["messages"]["update"]), ["second", "first"]);
    let (_, changed) = get(
        &sandbox,
        &bot,
        &format!("chat.syncThreadsList?rid={ops}&updatedSince={before}"),
    )
    .await;
    assert_eq!(texts(&changed["threads"]["update"]), ["root"]);

    assert_eq!(
        post(&sandbox, &bot, "chat.unfollowMessage", json!({ "mid": root }))
            .await
            .0,
        200
    );
    let (_, list) = get(
        &sandbox,
        &bot,
        &format!("chat.getThreadsList?rid={ops}&type=following"),
    )
    .await;
    assert_eq!(list["threads"], json!([]));
    assert_eq!(
        post(&sandbox, &bot, "chat.followMessage", json!({ "mid": root }))
            .await
            .0,
        200
    );
    let (status, refused) = post(&sandbox, &bot, "chat.followMessage", json!({ "mid": "none" })).await;
    assert_eq!(
        (status, &refused["errorType"]),
        (400, &json!("error-message-not-found"))
    );
}

#[tokio::test]
async fn marks_and_searches() {
    let sandbox = stage();
    let (ann, bob, bot) = (
        sandbox.user("ann"),
        sandbox.user("bob"),
        sandbox.bot("rocketbotte"),
    );
    let named = ann.say("ops", "hey @rocketbotte, look").await;
    let other = ann.say("ops", "something else").await;
    let ops = sandbox.room_id("ops").expect("is there");
    let ids = async |endpoint: &str| -> Vec<String> {
        let (status, list) = get(&sandbox, &bot, &format!("{endpoint}?roomId={ops}")).await;
        assert_eq!(status, 200, "{endpoint} {list}");
        let list = list["messages"].as_array().expect("a list").iter();
        list.map(|message| message["_id"].as_str().expect("an id").to_owned())
            .collect()
    };
    assert_eq!(ids("chat.getMentionedMessages").await, [named.as_str()]);
    assert!(ids("chat.getStarredMessages").await.is_empty());
    for user in [&bot, &ann] {
        let star = json!({ "messageId": other });
        assert_eq!(post(&sandbox, user, "chat.starMessage", star).await.0, 200);
    }
    assert_eq!(ids("chat.getStarredMessages").await, [other.as_str()]);
    let (_, message) = get(&sandbox, &bot, &format!("chat.getMessage?msgId={other}")).await;
    assert_eq!(
        message["message"]["starred"],
        json!([{ "_id": bot.id() }]),
        "only one's own star"
    );
    assert_eq!(
        post(
            &sandbox,
            &bot,
            "chat.unStarMessage",
            json!({ "messageId": other })
        )
        .await
        .0,
        200
    );
    assert!(ids("chat.getStarredMessages").await.is_empty());
    ann.pin(&other).await;
    assert_eq!(ids("chat.getPinnedMessages").await, [other.as_str()]);
    let path = format!("chat.search?roomId={ops}&searchText=SOMETHING");
    assert_eq!(
        texts(&get(&sandbox, &bot, &path).await.1["messages"]),
        ["something else"]
    );
    ann.delete(&named).await;
    let path = format!("chat.getDeletedMessages?roomId={ops}&since=2020-01-01T00:00:00.000Z");
    assert_eq!(
        get(&sandbox, &bot, &path).await.1["messages"],
        json!([{ "_id": named }])
    );
    let (_, all) = get(&sandbox, &bot, &format!("channels.messages?roomId={ops}&count=1")).await;
    assert_eq!(
        (&all["count"], all["total"].as_u64() > Some(1)),
        (&json!(1), true)
    );

    // Nothing of a room that one is not in.
    let secret = bob.say("secret", "hidden").await;
    let room = sandbox.room_id("secret").expect("is there");
    for path in [
        format!("chat.search?roomId={room}&searchText=hidden"),
        format!("chat.getPinnedMessages?roomId={room}"),
        format!("chat.getThreadsList?rid={room}"),
        format!("groups.messages?roomId={room}"),
        format!("chat.getDeletedMessages?roomId={room}&since=2020-01-01T00:00:00.000Z"),
    ] {
        assert_eq!(get(&sandbox, &bot, &path).await.0, 400, "{path}");
    }
    let star = json!({ "messageId": secret });
    assert_eq!(post(&sandbox, &bot, "chat.starMessage", star).await.0, 400);
}

#[tokio::test]
async fn history_of_any_room_came_with_8_9() {
    for (version, there) in [("8.8.1", false), ("8.9.0", true), ("9.0.0", true)] {
        let sandbox = Sandbox::builder().version(version).start_in_memory();
        let bot = sandbox.bot("rocketbotte");
        let (status, _) = get(&sandbox, &bot, "rooms.history?roomId=GENERAL").await;
        assert_eq!(status == 200, there, "{version}");
    }
    let sandbox = Sandbox::builder()
        .user("ann")
        .bot("rocketbotte")
        .version("8.9")
        .start_in_memory();
    let bot = sandbox.bot("rocketbotte");
    for n in 0..5 {
        sandbox.user("ann").say("general", &n.to_string()).await;
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let (_, page) = get(&sandbox, &bot, "rooms.history?roomId=GENERAL&count=2").await;
    assert_eq!(texts(&page["messages"]), ["4", "3"]);
    let back = page["cursor"]["previous"].as_str().expect("there is more");
    let (_, page) = get(
        &sandbox,
        &bot,
        &format!("rooms.history?roomId=GENERAL&count=3&previous={back}"),
    )
    .await;
    assert_eq!(texts(&page["messages"]), ["2", "1", "0"]);
    let on = page["cursor"]["next"].as_str().expect("there is more");
    let (_, page) = get(
        &sandbox,
        &bot,
        &format!("rooms.history?roomId=GENERAL&count=3&next={on}"),
    )
    .await;
    assert_eq!(
        (texts(&page["messages"]), &page["cursor"]["next"]),
        (vec!["4", "3"], &Value::Null)
    );
}

#[tokio::test]
async fn people_and_rooms_are_found() {
    let sandbox = stage();
    let (ann, bot) = (sandbox.user("ann"), sandbox.bot("rocketbotte"));
    let (_, found) = get(&sandbox, &bot, "spotlight?query=o").await;
    let names = |list: &Value, key: &str| -> Vec<String> {
        let list = list.as_array().expect("a list").iter();
        list.map(|entry| entry[key].as_str().unwrap_or_default().to_owned())
            .collect()
    };
    let mut users = names(&found["users"], "username");
    users.sort();
    assert_eq!(
        (users, names(&found["rooms"], "name")),
        (
            vec!["bob".to_owned(), "rocketbotte".to_owned()],
            vec!["ops".to_owned()]
        )
    );
    let (_, found) = get(&sandbox, &bot, "spotlight?query=%23gen").await;
    assert_eq!(
        (&found["users"], names(&found["rooms"], "name")),
        (&json!([]), vec!["general".to_owned()])
    );
    let (_, found) = get(
        &sandbox,
        &bot,
        "users.autocomplete?selector=%7B%22term%22%3A%22an%22%7D",
    )
    .await;
    assert_eq!(names(&found["items"], "username"), ["ann"]);
    let (_, status) = get(&sandbox, &bot, "users.getStatus?username=ann").await;
    assert_eq!(
        (&status["_id"], &status["status"]),
        (&json!(ann.id()), &json!("offline"))
    );
    let (_, here) = get(&sandbox, &bot, &format!("users.presence?ids={}", ann.id())).await;
    assert_eq!(
        (names(&here["users"], "username"), &here["full"]),
        (vec!["ann".to_owned()], &json!(false))
    );
    let several = format!("users.presence?ids[]={}&ids[]={}", ann.id(), bot.id());
    let (_, here) = get(&sandbox, &bot, &several).await;
    assert_eq!(
        (names(&here["users"], "username").len(), &here["full"]),
        (2, &json!(false)),
        "{here}"
    );
    let ops = sandbox.room_id("ops").expect("is there");
    for (username, member) in [("ann", true), ("bob", false)] {
        let (_, answer) = get(
            &sandbox,
            &bot,
            &format!("rooms.isMember?roomId={ops}&username={username}"),
        )
        .await;
        assert_eq!(answer["isMember"], member, "{username}");
    }
    let (_, left) = post(&sandbox, &bot, "rooms.leave", json!({ "roomId": ops })).await;
    assert_eq!(left["success"], true);
    let (_, joined) = post(&sandbox, &bot, "rooms.join", json!({ "roomId": ops })).await;
    assert_eq!(joined["room"]["name"], "ops");
}

#[tokio::test]
async fn commands_of_the_server_and_methods_over_rest() {
    let sandbox = stage();
    let (ann, bot) = (sandbox.user("ann"), sandbox.bot("rocketbotte"));
    let (_, list) = get(&sandbox, &bot, "commands.list?count=2").await;
    assert_eq!(
        (list["commands"].as_array().map(Vec::len), &list["count"]),
        (Some(2), &json!(2))
    );
    let (_, shrug) = get(&sandbox, &bot, "commands.get?command=shrug").await;
    assert_eq!(shrug["command"]["command"], "shrug");
    for (command, params, said) in [("me", "waves", "_waves_"), ("shrug", "well", "well ¯\\_(ツ)_/¯")] {
        let run = json!({ "command": command, "roomId": "GENERAL", "params": params });
        assert_eq!(
            post(&sandbox, &bot, "commands.run", run).await,
            (200, json!({ "success": true }))
        );
        let last = sandbox.messages("general").pop().expect("something");
        assert_eq!(
            (last.text.as_str(), last.username.as_str()),
            (said, "rocketbotte")
        );
    }
    let unknown = json!({ "command": "nothing", "roomId": "GENERAL" });
    let (status, refused) = post(&sandbox, &bot, "commands.run", unknown).await;
    assert_eq!(
        (status, &refused["error"]),
        (
            400,
            &json!("The command provided does not exist (or is disabled).")
        )
    );
    let topic = json!({ "command": "topic", "roomId": "GENERAL", "params": "x" });
    assert_eq!(
        post(&sandbox, &ann, "commands.run", topic).await.0,
        400,
        "only who may edit the room"
    );

    let message = |method: &str, params: Value| {
        let frame = json!({ "msg": "method", "id": "1", "method": method, "params": params });
        json!({ "message": frame.to_string() })
    };
    let inner = |answer: &Value| -> Value {
        serde_json::from_str(answer["message"].as_str().expect("a frame")).expect("JSON")
    };
    let path = "method.call/rooms%2Fget";
    let (status, answer) = post(&sandbox, &bot, path, message("rooms/get", json!([]))).await;
    assert_eq!(
        (status, inner(&answer)["result"].as_array().map(Vec::len)),
        (200, Some(2))
    );
    let (status, answer) = post(
        &sandbox,
        &bot,
        "method.call/nothing",
        message("nothing", json!([])),
    )
    .await;
    assert_eq!(
        (status, &inner(&answer)["error"]["error"]),
        (200, &json!(404)),
        "faults are inside"
    );
    let login = message("login", json!([{ "resume": "bad" }])).to_string();
    let anybody = request(
        &sandbox,
        None,
        "POST",
        "/api/v1/method.callAnon/login",
        Some(&login),
    )
    .await;
    assert_eq!(inner(&anybody.expect("answers").json())["error"]["error"], 403);
}

#[tokio::test]
async fn personal_access_tokens() {
    let sandbox = Sandbox::builder()
        .user("ann")
        .user_with(UserSpec::new("plain").roles(["bot"]))
        .start_in_memory();
    let ann = sandbox.user("ann");
    let name = json!({ "tokenName": "mine", "bypassTwoFactor": true });
    let (_, made) = post(&sandbox, &ann, "users.generatePersonalAccessToken", name.clone()).await;
    let token = made["token"].as_str().expect("a token").to_owned();
    let mut ddp = Ddp::in_memory(&sandbox).await;
    ddp.handshake().await;
    let result = ddp.call("login", json!([{ "resume": token }])).await;
    assert_eq!(
        (&result["result"]["id"], &result["result"]["tokenExpires"]),
        (&json!(ann.id()), &json!({ "$date": null }))
    );
    let (status, twice) = post(&sandbox, &ann, "users.generatePersonalAccessToken", name.clone()).await;
    assert_eq!(
        (status, &twice["errorType"]),
        (400, &json!("error-token-already-exists"))
    );
    let (_, list) = get(&sandbox, &ann, "users.getPersonalAccessTokens").await;
    assert_eq!(list["tokens"][0]["name"], "mine");
    assert_eq!(
        post(&sandbox, &ann, "users.removePersonalAccessToken", name.clone())
            .await
            .0,
        200
    );
    // The connection that used it is closed without a word.
    loop {
        match ddp.receive().await {
            Received::Frame(_) => {}
            Received::Closed(frame) => break assert_eq!(frame.map(|f| u16::from(f.code)), Some(1000)),
            other => panic!("{other:?}"),
        }
    }
    let plain = sandbox.user("plain");
    let (status, refused) = post(&sandbox, &plain, "users.generatePersonalAccessToken", name).await;
    assert_eq!((status, &refused["errorType"]), (400, &json!("not-authorized")));
}

#[tokio::test]
async fn a_second_factor() {
    let spec = UserSpec::new("carol").password("secret").two_factor("123456");
    let sandbox = Sandbox::builder().user_with(spec).start_in_memory();
    let carol = sandbox.user("carol");
    let login = async |body: Value, headers: &[(&str, &str)]| -> (u16, Value) {
        let (body, stream) = (body.to_string(), sandbox.connect());
        let answer = request_over(stream, None, "POST", "/api/v1/login", Some(&body), headers).await;
        let answer = answer.expect("answers");
        (answer.status, answer.json())
    };
    let by_password = json!({ "user": "carol", "password": "secret" });
    let (status, refused) = login(by_password.clone(), &[]).await;
    assert_eq!(
        (status, &refused["error"], &refused["message"]),
        (401, &json!("totp-required"), &json!("TOTP Required"))
    );
    assert_eq!(refused["details"]["availableMethods"], json!(["totp"]));
    let (_, refused) = login(json!({ "user": "carol", "password": "secret", "code": "0" }), &[]).await;
    assert_eq!(refused["error"], "totp-invalid");
    let (_, refused) = login(
        json!({ "user": "carol", "password": "wrong", "code": "123456" }),
        &[],
    )
    .await;
    assert_eq!(refused["error"], "Unauthorized");
    assert_eq!(
        login(
            json!({ "user": "carol", "password": "secret", "code": "123456" }),
            &[]
        )
        .await
        .0,
        200
    );
    assert_eq!(login(by_password, &[("x-2fa-code", "123456")]).await.0, 200);
    assert_eq!(
        login(json!({ "resume": carol.token() }), &[]).await.0,
        200,
        "a token needs none"
    );

    let mut ddp = Ddp::in_memory(&sandbox).await;
    ddp.handshake().await;
    let inner = json!({ "user": { "username": "carol" }, "password": "secret" });
    let refused = ddp.call("login", json!([inner])).await;
    assert_eq!(refused["error"]["error"], "totp-required");
    let accepted = ddp
        .call("login", json!([{ "totp": { "login": inner, "code": "123456" } }]))
        .await;
    assert_eq!(accepted["result"]["id"], carol.id());
}
