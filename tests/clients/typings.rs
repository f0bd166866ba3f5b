//! The validators that Rocket.Chat publishes: what our client sends satisfies them, and the sandbox refuses what they refuse.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use http::Method;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use rocketbotte::command::CommandLayer;
use rocketbotte::event::{MessageId, RoomId, Timestamp};
use rocketbotte::response::Attachment;
use rocketbotte::rest::{Client, endpoint};
use rocketbotte::sandbox::{Inbound, Sandbox, SandboxUser, UserSpec};
use rocketbotte::transport::{Connector, TlsSettings};
use rocketbotte::{Bot, Credentials, Router};
use serde_json::{Map, Value, json};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
    time::timeout,
};
use tower::ServiceBuilder;

use crate::harness::{PATIENCE, here, installed};

/// Node with the validators in it.
struct Validators {
    _child: Child,
    ask: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
    names: Vec<String>,
}

impl Validators {
    async fn start(dir: &Path) -> Self {
        let mut child = Command::new("node")
            .arg(here().join("validate.js"))
            .env("NODE_PATH", dir.join("node/node_modules"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("starts");
        let ask = child.stdin.take().expect("piped");
        let answers = BufReader::new(child.stdout.take().expect("piped")).lines();
        let mut validators = Self {
            _child: child,
            ask,
            answers,
            names: Vec::new(),
        };
        let names = validators.answer().await;
        validators.names = serde_json::from_value(names).expect("names");
        validators
    }

    async fn answer(&mut self) -> Value {
        let line = timeout(PATIENCE, self.answers.next_line())
            .await
            .expect("answers in time");
        let line = line.expect("a pipe").expect("node still runs");
        serde_json::from_str(&line).expect("JSON")
    }

    /// What is wrong with it, if anything.
    async fn judge(&mut self, validator: &str, data: &Value) -> Result<(), String> {
        assert!(
            self.names.iter().any(|name| name == validator),
            "there is no {validator}"
        );
        let line = json!({ "validator": validator, "data": data }).to_string() + "\n";
        self.ask
            .write_all(line.as_bytes())
            .await
            .expect("node still runs");
        let answer = self.answer().await;
        match answer["valid"].as_bool() {
            Some(true) => Ok(()),
            _ => Err(answer["errors"].to_string()),
        }
    }
}

/// Which validator an endpoint of the sandbox has on the real server.
const VALIDATORS: &[(&str, &str)] = &[
    ("channels.create", "isChannelsCreateProps"),
    ("channels.history", "isChannelsHistoryProps"),
    ("channels.join", "isChannelsJoinProps"),
    ("channels.kick", "isChannelsKickProps"),
    ("channels.leave", "isChannelsLeaveProps"),
    ("channels.list", "isChannelsListProps"),
    ("channels.messages", "isChannelsMessagesProps"),
    ("channels.roles", "isChannelsRolesProps"),
    ("channels.setAnnouncement", "isChannelsSetAnnouncementProps"),
    ("chat.delete", "isChatDeleteProps"),
    ("chat.getDeletedMessages", "isChatGetDeletedMessagesProps"),
    ("chat.getMentionedMessages", "isChatGetMentionedMessagesProps"),
    ("chat.getMessage", "isChatGetMessageProps"),
    ("chat.getPinnedMessages", "isChatGetPinnedMessagesProps"),
    ("chat.getStarredMessages", "isChatGetStarredMessagesProps"),
    ("chat.getThreadMessages", "isChatGetThreadMessagesProps"),
    ("chat.getThreadsList", "isChatGetThreadsListProps"),
    ("chat.postMessage", "isChatPostMessageProps"),
    ("chat.react", "isChatReactProps"),
    ("chat.reportMessage", "isChatReportMessageProps"),
    ("chat.search", "isChatSearchProps"),
    ("chat.sendMessage", "isChatSendMessageProps"),
    ("chat.syncMessages", "isChatSyncMessagesProps"),
    ("chat.syncThreadMessages", "isChatSyncThreadMessagesProps"),
    ("chat.syncThreadsList", "isChatSyncThreadsListProps"),
    ("chat.update", "isChatUpdateProps"),
    ("groups.create", "isGroupsCreateProps"),
    ("groups.history", "isGroupsHistoryProps"),
    ("groups.info", "isGroupsInfoProps"),
    ("groups.invite", "isGroupsInviteProps"),
    ("groups.kick", "isGroupsKickProps"),
    ("groups.leave", "isGroupsLeaveProps"),
    ("groups.members", "isGroupsMembersProps"),
    ("groups.messages", "isGroupsMessagesProps"),
    ("groups.rename", "isGroupsRenameProps"),
    ("groups.roles", "isGroupsRolesProps"),
    ("groups.setAnnouncement", "isGroupsSetAnnouncementProps"),
    ("groups.setDescription", "isGroupsSetDescriptionProps"),
    ("groups.setTopic", "isGroupsSetTopicProps"),
    ("im.create", "isDmCreateProps"),
    ("im.history", "isDmHistoryProps"),
    ("im.members", "isDmMemberProps"),
    ("im.messages", "isDmMessagesProps"),
    ("method.call", "isMeteorCall"),
    ("method.callAnon", "isMeteorCall"),
    ("rooms.createDiscussion", "isRoomsCreateDiscussionProps"),
    ("rooms.info", "isRoomsInfoProps"),
    ("rooms.isMember", "isRoomsIsMemberProps"),
    ("rooms.join", "isRoomsJoinProps"),
    ("rooms.membersOrderedByRole", "isRoomsMembersOrderedByRoleProps"),
    ("rooms.saveRoomSettings", "isRoomsSaveRoomSettingsProps"),
    ("settings.public", "isSettingsPublicWithPaginationProps"),
    ("spotlight", "isSpotlightProps"),
    ("subscriptions.get", "isSubscriptionsGetProps"),
    ("subscriptions.getOne", "isSubscriptionsGetOneProps"),
    ("subscriptions.read", "isSubscriptionsReadProps"),
    ("subscriptions.unread", "isSubscriptionsUnreadProps"),
    ("users.autocomplete", "isUsersAutocompleteProps"),
    ("users.getPresence", "isUsersGetPresenceParamsGET"),
    ("users.getStatus", "isUsersGetStatusParamsGET"),
    ("users.info", "isUsersInfoParamsGetProps"),
    ("users.list", "isUsersListParamsGET"),
    ("users.presence", "isUsersPresenceParamsGET"),
];

/// Endpoints of the sandbox that have a validator by their name and are not compared, and why.
const NOT_COMPARED: &[(&str, &str)] = &[
    ("groups.list", "its schema is empty: it takes anything"),
    (
        "login",
        "the route takes `user` as text and `resume`, as recordings show, and its validator neither",
    ),
];

/// The endpoints that the sandbox serves, as its table names them.
fn served() -> Vec<String> {
    let table = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/sandbox/rest/endpoints.rs");
    let table = std::fs::read_to_string(table).expect("is there");
    let (_, table) = table.split_once("ENDPOINTS: &[Endpoint]").expect("a table");
    let calls = ["get(\"", "post(\""];
    let names = table.lines().filter_map(|line| {
        let named = calls.iter().find_map(|call| line.split_once(call));
        let (name, _) = named?.1.split_once('"')?;
        Some(name.to_owned())
    });
    names.collect()
}

/// Whether a validator is named after an endpoint: `isChannelsListProps` after `channels.list`, `isDmMemberProps` after `im.members`.
fn is_of(validator: &str, endpoint: &str) -> bool {
    let name = endpoint.replacen("im.", "dm.", 1).replace('.', "").to_lowercase();
    let validator = validator.trim_start_matches("is").to_lowercase();
    let ends = [
        "",
        "props",
        "params",
        "payload",
        "paramsget",
        "paramspost",
        "paramsgetprops",
        "paramspostprops",
        "withpaginationprops",
    ];
    let names = [name.as_str(), name.trim_end_matches('s')];
    let rests = names.iter().filter_map(|name| validator.strip_prefix(name));
    rests.into_iter().any(|rest| ends.contains(&rest))
}

#[tokio::test]
async fn what_has_a_validator_is_compared() {
    let Some(dir) = installed() else { return };
    let validators = Validators::start(&dir).await;
    let served = served();
    assert!(served.len() >= 80, "{} endpoints", served.len());
    let excepted = |name: &str| NOT_COMPARED.iter().any(|(endpoint, _)| *endpoint == name);
    let mut missing = Vec::new();
    for name in &served {
        let theirs: Vec<&String> = validators
            .names
            .iter()
            .filter(|theirs| is_of(theirs, name))
            .collect();
        if !theirs.is_empty() && validator(name).is_none() && !excepted(name) {
            missing.push(format!("{name}: {theirs:?}"));
        }
        assert!(
            validator(name).is_none() || !excepted(name),
            "{name} is compared, and an exception"
        );
        assert!(
            !excepted(name) || !theirs.is_empty(),
            "{name} is no exception any more"
        );
    }
    assert!(missing.is_empty(), "not compared:\n{}", missing.join("\n"));
    let named = VALIDATORS.iter().map(|(name, _)| *name);
    for name in named.chain(NOT_COMPARED.iter().map(|(name, _)| *name)) {
        assert!(served.iter().any(|served| served == name), "{name} is not served");
    }
}

/// What is in the body of `method.call` has a validator of its own.
#[tokio::test]
async fn the_frames_of_methods_over_rest_are_compared() {
    let Some(dir) = installed() else { return };
    let mut validators = Validators::start(&dir).await;
    let sandbox = stage();
    let ann = sandbox.user("ann");
    let frame = json!({ "msg": "method", "id": "1", "method": "getRoomRoles", "params": ["GENERAL"] });
    let mut refused = 0;
    for (endpoint, validator) in [
        ("method.call", "isMethodCallProps"),
        ("method.callAnon", "isMethodCallAnonProps"),
    ] {
        for frame in mutated(&frame, false) {
            let theirs = validators.judge(validator, &frame).await;
            let body = json!({ "message": frame.to_string() });
            let (status, answer) = call(&sandbox, &ann, endpoint, &body).await;
            let taken = status == 200;
            assert_eq!(
                taken,
                theirs.is_ok(),
                "{endpoint} {frame}: {theirs:?}, here {status} {answer}"
            );
            assert!(taken || answer["error"] == "Invalid request", "{answer}");
            refused += u32::from(!taken);
        }
    }
    assert!(refused > 50, "{refused}");
}

fn validator(endpoint: &str) -> Option<&'static str> {
    let found = VALIDATORS.iter().find(|(name, _)| *name == endpoint);
    found.map(|(_, validator)| *validator)
}

/// A query as JSON, lists from `key[]`.
fn query(path: &str) -> Value {
    let uri: http::Uri = path.parse().expect("a path");
    let pairs = axum::extract::Query::<Vec<(String, String)>>::try_from_uri(&uri);
    let mut object = Map::new();
    for (key, value) in pairs.expect("a query").0 {
        object.insert(key, json!(value));
    }
    Value::Object(object)
}

/// Endpoint and data of each REST request that a client sent.
fn sent(sandbox: &Sandbox) -> Vec<(String, Value)> {
    let requests = sandbox
        .frames_from_clients()
        .into_iter()
        .filter_map(|inbound| match inbound {
            Inbound::Request {
                path, body, method, ..
            } => {
                let name = path.split('?').next()?.trim_start_matches("/api/v1/").to_owned();
                let data = match method.as_str() {
                    "GET" => query(&path),
                    _ if body.is_empty() => json!({}),
                    _ => serde_json::from_str(&body).expect("our client sends JSON"),
                };
                Some((name, data))
            }
            _ => None,
        });
    requests.collect()
}

#[tokio::test]
async fn what_our_client_sends_is_valid() {
    let Some(dir) = installed() else { return };
    let mut validators = Validators::start(&dir).await;
    assert!(
        validators.names.len() >= 380,
        "{} validators",
        validators.names.len()
    );
    let sandbox = Sandbox::builder()
        .user("ann")
        .bot("rocketbotte")
        .group_with("secret", &["ann", "rocketbotte"])
        .start()
        .await
        .expect("starts");
    let (ann, bot) = (sandbox.user("ann"), sandbox.bot("rocketbotte"));
    let credentials = Credentials::new(bot.id(), bot.token()).expect("credentials");
    let url = sandbox.url().parse().expect("a URL");
    let connector = Connector::tcp(&TlsSettings::new()).expect("no TLS is needed");
    let client = Client::builder(url, connector).credentials(credentials).build();
    let asked = ann.say("general", "hi").await;

    everything(&client, &asked, &sandbox).await;

    let mut without = Vec::new();
    let mut with = BTreeMap::new();
    for (name, data) in sent(&sandbox) {
        match validator(&name) {
            Some(validator) => {
                let verdict = validators.judge(validator, &data).await;
                assert_eq!(verdict, Ok(()), "{name} {data}");
                *with.entry(name).or_insert(0) += 1;
            }
            None => without.push(name),
        }
    }
    without.sort();
    without.dedup();
    // These have no validator: they take nothing, or are validated nowhere.
    assert_eq!(without, ["/api/info", "me", "rooms.get"]);
    assert!(with.len() >= 13, "{with:?}");
}

/// Every endpoint that our client knows, once, and what a bot does by itself after an outage.
async fn everything(client: &Client, asked: &str, sandbox: &Sandbox) {
    let (room, asked) = (RoomId::from("GENERAL"), MessageId::from(asked));
    let id = MessageId::from("ours");
    let plain = endpoint::OutgoingMessage::new("plain", room.clone(), "plain");
    let mut message = endpoint::OutgoingMessage::new(id.clone(), room.clone(), "in a thread");
    message.thread_id = Some(asked.clone());
    message.is_also_in_room = true;
    message.alias = Some("Deploy".to_owned());
    message.emoji = Some(":robot:".to_owned());
    message.avatar = Some("https://example.org/a.png".to_owned());
    message.attachments = vec![
        Attachment::new()
            .title("a")
            .text("b")
            .field("c", "d")
            .color("#00aa00"),
    ];
    for (message, preview_urls) in [(plain, None), (message, Some(Vec::new()))] {
        let send = endpoint::SendMessage {
            message,
            preview_urls,
        };
        client.call(&send).await.expect("answers");
    }
    client.call(&endpoint::Info {}).await.expect("answers");
    client.call(&endpoint::Me {}).await.expect("answers");
    let message_id = id.clone();
    client
        .call(&endpoint::GetMessage { message_id })
        .await
        .expect("answers");
    let update = endpoint::UpdateMessage {
        room_id: room.clone(),
        message_id: id.clone(),
        text: "changed".to_owned(),
    };
    client.call(&update).await.expect("answers");
    for should_react in [true, false] {
        let react = endpoint::React {
            message_id: asked.clone(),
            emoji: ":tada:".to_owned(),
            should_react,
        };
        client.call(&react).await.expect("answers");
    }
    let delete = endpoint::DeleteMessage {
        room_id: room.clone(),
        message_id: id,
    };
    client.call(&delete).await.expect("answers");
    for updated_since in [None, Some(Timestamp::from_millis(1_795_334_400_000))] {
        let since = updated_since;
        client
            .call(&endpoint::Subscriptions { updated_since })
            .await
            .expect("answers");
        client
            .call(&endpoint::Rooms { updated_since: since })
            .await
            .expect("answers");
    }
    client
        .call(&endpoint::RoomInfo::RoomId(room.clone()))
        .await
        .expect("answers");
    client
        .call(&endpoint::RoomInfo::RoomName("general".to_owned()))
        .await
        .expect("answers");
    let username = "ann".to_owned();
    client
        .call(&endpoint::CreateDirectMessage { username })
        .await
        .expect("answers");
    client
        .call(&endpoint::RoomRoles::<endpoint::Channel>::of(room.clone()))
        .await
        .expect("answers");
    client
        .call(&endpoint::MarkRead {
            room_id: room.clone(),
        })
        .await
        .expect("answers");
    let group = sandbox.room_id("secret").expect("is there");
    let room_id = RoomId::from(group);
    client
        .call(&endpoint::RoomRoles::<endpoint::Private>::of(room_id))
        .await
        .expect("answers");
    client
        .call(&endpoint::PublicSettings::of(["Site_Url"]))
        .await
        .expect("answers");
    client
        .call(&endpoint::PublicSettings::query_of(["Site_Url"]))
        .await
        .expect("answers");
    let sync = endpoint::SyncMessages {
        room_id: room,
        last_update: Timestamp::from_millis(1_795_334_400_000),
    };
    client.call(&sync).await.expect("answers");

    // A bot that answers, is away while much is said, and catches up.
    let bot = Router::new().command("ping", async || "pong");
    let app = ServiceBuilder::new().layer(CommandLayer::new("!")).service(bot);
    let bot = sandbox.bot("rocketbotte");
    let serving = Bot::builder(sandbox.url())
        .token(bot.id(), bot.token())
        .max_retry_time(Duration::from_millis(20))
        .handle_signals(false)
        .build()
        .expect("a bot");
    let serving = tokio::spawn(serving.serve(app));
    let ask = async || {
        let asked = sandbox.user("ann").say("general", "!ping").await;
        sandbox.wait_for_reply(&asked, PATIENCE).await.expect("answers");
    };
    let listens = |sandbox: &Sandbox| !sandbox.subscriptions().is_empty();
    sandbox.wait_until(listens, PATIENCE).await.expect("connects");
    ask().await;
    sandbox.refuse_connections(true);
    sandbox.drop_connections();
    let gone = |sandbox: &Sandbox| sandbox.connections() == 0;
    sandbox.wait_until(gone, PATIENCE).await.expect("is gone");
    // More than one answer may hold.
    let long = "x".repeat(4900);
    for _ in 0..3_600 {
        sandbox.user("ann").say("general", &long).await;
    }
    sandbox.refuse_connections(false);
    ask().await;
    serving.abort();
}

/// A body or query that is in order, for each endpoint that has a validator.
fn in_order(sandbox: &Sandbox, message: &str) -> Vec<(&'static str, Vec<Value>)> {
    let (ann, bob) = (sandbox.user("ann"), sandbox.user("bob"));
    let room = sandbox.room_id("ops").expect("is there");
    let group = sandbox.room_id("secret").expect("is there");
    let date = "2026-11-22T08:00:00.000Z";
    let page = json!({ "roomId": room, "count": "5", "offset": "0", "sort": "{}" });
    let mut both = [ann.id(), bob.id()];
    both.sort_unstable();
    let direct = both.concat();
    let method =
        json!({ "msg": "method", "id": "1", "method": "getRoomRoles", "params": [room] }).to_string();
    let by_name = |name: &str| vec![json!({ "roomName": name })];
    vec![
        (
            "channels.create",
            vec![
                json!({ "name": "fresh", "members": ["bob"], "readOnly": false, "customFields": {}, "excludeSelf": false, "extraData": { "topic": "x" } }),
            ],
        ),
        (
            "channels.history",
            vec![
                json!({ "roomId": room, "latest": date, "oldest": date, "inclusive": "true", "unreads": "false", "showThreadMessages": "true", "count": "5", "offset": "0" }),
                json!({ "roomName": "ops" }),
            ],
        ),
        (
            "channels.join",
            vec![
                json!({ "roomId": room, "joinCode": "x" }),
                json!({ "roomName": "ops" }),
            ],
        ),
        (
            "channels.kick",
            vec![json!({ "roomId": room, "userId": bob.id() })],
        ),
        ("channels.leave", by_name("ops")),
        (
            "channels.list",
            vec![
                json!({ "_id": room, "query": "{}", "fields": "{}", "count": "5", "offset": "0", "sort": "{}" }),
            ],
        ),
        (
            "channels.messages",
            vec![
                json!({ "roomId": room, "mentionIds": "x", "starredIds": "x", "pinned": "true", "query": "{}", "count": "5", "offset": "0", "sort": "{}" }),
            ],
        ),
        ("channels.roles", vec![json!({ "roomId": room })]),
        (
            "channels.setAnnouncement",
            vec![json!({ "roomId": room, "announcement": "x" })],
        ),
        (
            "chat.delete",
            vec![json!({ "roomId": room, "msgId": message, "asUser": true })],
        ),
        (
            "chat.getDeletedMessages",
            vec![json!({ "roomId": room, "since": date, "count": "5" })],
        ),
        ("chat.getMentionedMessages", vec![page.clone()]),
        ("chat.getMessage", vec![json!({ "msgId": message })]),
        ("chat.getPinnedMessages", vec![page.clone()]),
        ("chat.getStarredMessages", vec![page]),
        (
            "chat.getThreadMessages",
            vec![json!({ "tmid": message, "count": "5", "offset": "0" })],
        ),
        (
            "chat.getThreadsList",
            vec![json!({ "rid": room, "type": "following", "text": "x", "count": "5" })],
        ),
        (
            "chat.postMessage",
            vec![
                json!({ "roomId": room, "text": "x", "alias": "A", "emoji": ":x:", "avatar": "https://example.org/a.png", "attachments": [{ "text": "x" }], "tmid": message, "customFields": {}, "parseUrls": true }),
                json!({ "channel": "#ops", "text": "x" }),
                json!({ "channel": ["#ops", "@bob"], "text": "x" }),
            ],
        ),
        (
            "chat.react",
            vec![
                json!({ "messageId": message, "emoji": ":tada:", "shouldReact": true }),
                json!({ "messageId": message, "reaction": "tada" }),
            ],
        ),
        (
            "chat.reportMessage",
            vec![json!({ "messageId": message, "description": "x" })],
        ),
        (
            "chat.search",
            vec![json!({ "roomId": room, "searchText": "x", "count": "5" })],
        ),
        (
            "chat.sendMessage",
            vec![json!({
                "message": { "rid": room, "msg": "x", "tmid": message, "tshow": true, "alias": "A", "emoji": ":x:", "attachments": [{ "text": "x" }], "customFields": {} },
                "previewUrls": [],
            })],
        ),
        (
            "chat.syncMessages",
            vec![
                json!({ "roomId": room, "lastUpdate": date }),
                json!({ "roomId": room, "type": "UPDATED", "next": "0", "count": "5" }),
            ],
        ),
        (
            "chat.syncThreadMessages",
            vec![json!({ "tmid": message, "updatedSince": date })],
        ),
        (
            "chat.syncThreadsList",
            vec![json!({ "rid": room, "updatedSince": date })],
        ),
        (
            "chat.update",
            vec![
                json!({ "roomId": room, "msgId": message, "text": "x", "previewUrls": [], "customFields": {} }),
            ],
        ),
        (
            "groups.create",
            vec![
                json!({ "name": "closed", "members": ["bob"], "readOnly": false, "excludeSelf": false, "customFields": {} }),
            ],
        ),
        (
            "groups.history",
            vec![
                json!({ "roomId": group, "latest": date, "oldest": date, "inclusive": "true", "unreads": "false", "showThreadMessages": "true", "count": "5", "offset": "0", "sort": "{}" }),
                json!({ "roomName": "secret", "inclusive": "x" }),
            ],
        ),
        ("groups.info", by_name("secret")),
        (
            "groups.invite",
            vec![json!({ "roomId": group, "userId": bob.id() })],
        ),
        (
            "groups.kick",
            vec![json!({ "roomName": "secret", "username": "bob" })],
        ),
        ("groups.leave", by_name("secret")),
        (
            "groups.members",
            vec![
                json!({ "roomId": group, "offset": "0", "count": "5", "filter": "x" }),
                json!({ "roomName": "secret", "status": "online" }),
            ],
        ),
        (
            "groups.messages",
            vec![
                json!({ "roomId": group, "mentionIds": "x", "starredIds": "x", "pinned": "true", "query": "{}", "count": "5", "offset": "0", "sort": "{}" }),
                json!({ "roomName": "secret" }),
                json!({ "roomName": "secret", "roomId": group }),
            ],
        ),
        (
            "groups.rename",
            vec![json!({ "roomId": group, "name": "secret2" })],
        ),
        ("groups.roles", vec![json!({ "roomId": group })]),
        (
            "groups.setAnnouncement",
            vec![json!({ "roomId": group, "announcement": "x" })],
        ),
        (
            "groups.setDescription",
            vec![json!({ "roomName": "secret", "description": "x" })],
        ),
        ("groups.setTopic", vec![json!({ "roomId": group, "topic": "x" })]),
        (
            "im.create",
            vec![
                json!({ "username": "bob" }),
                json!({ "usernames": "bob,rocketbotte", "excludeSelf": false }),
            ],
        ),
        (
            "im.history",
            vec![json!({ "roomId": room, "latest": date, "count": "5" })],
        ),
        (
            "im.members",
            vec![
                json!({ "roomId": direct, "filter": "x", "query": "{}", "sort": "{}", "count": "5", "offset": "0" }),
                json!({ "username": "bob", "status": "online" }),
            ],
        ),
        (
            "im.messages",
            vec![
                json!({ "roomId": direct, "mentionIds": "x", "starredIds": "x", "pinned": "true", "fields": "{}", "query": "{}", "sort": "{}", "count": "5", "offset": "0" }),
                json!({ "username": "bob" }),
            ],
        ),
        ("method.call", vec![json!({ "message": method })]),
        ("method.callAnon", vec![json!({ "message": method })]),
        (
            "rooms.createDiscussion",
            vec![
                json!({ "prid": room, "pmid": message, "t_name": "about", "users": ["bob"], "encrypted": false, "reply": "x" }),
            ],
        ),
        (
            "rooms.info",
            vec![json!({ "roomId": room }), json!({ "roomName": "ops" })],
        ),
        (
            "rooms.isMember",
            vec![json!({ "roomId": room, "userId": ann.id() })],
        ),
        ("rooms.join", vec![json!({ "roomId": room, "joinCode": "x" })]),
        (
            "rooms.membersOrderedByRole",
            vec![json!({ "roomId": room, "filter": "x", "count": "5", "offset": "0", "sort": "{}" })],
        ),
        (
            "rooms.saveRoomSettings",
            vec![
                json!({ "rid": room, "roomTopic": "x", "readOnly": false, "systemMessages": ["uj"], "retentionMaxAge": 5,
                    "favorite": { "defaultValue": true, "favorite": false }, "roomCustomFields": {} }),
            ],
        ),
        (
            "settings.public",
            vec![json!({ "_id": "Site_Url", "count": "5", "offset": "0" })],
        ),
        (
            "spotlight",
            vec![json!({ "query": "ann", "usernames": "x", "rid": room })],
        ),
        ("subscriptions.get", vec![json!({ "updatedSince": date })]),
        ("subscriptions.getOne", vec![json!({ "roomId": room })]),
        (
            "subscriptions.read",
            vec![
                json!({ "rid": room, "readThreads": true }),
                json!({ "roomId": room }),
            ],
        ),
        (
            "subscriptions.unread",
            vec![
                json!({ "roomId": room }),
                json!({ "firstUnreadMessage": { "_id": message } }),
            ],
        ),
        (
            "users.autocomplete",
            vec![json!({ "selector": "{\"term\":\"a\"}" })],
        ),
        ("users.getPresence", vec![json!({ "userId": ann.id() })]),
        ("users.getStatus", vec![json!({ "username": "ann" })]),
        (
            "users.info",
            vec![
                json!({ "userId": ann.id(), "includeUserRooms": "true" }),
                json!({ "username": "ann" }),
            ],
        ),
        (
            "users.list",
            vec![
                json!({ "fields": "{}", "query": "{}", "count": "5", "offset": "0", "sort": "{}", "email": "x" }),
            ],
        ),
        ("users.presence", vec![json!({ "ids": ann.id(), "from": date })]),
    ]
}

/// The same with one thing changed: a key away, one too many, values of other types.
fn mutated(valid: &Value, is_query: bool) -> Vec<Value> {
    let object = valid.as_object().expect("an object");
    let mut all = vec![valid.clone(), json!({})];
    let mut more = object.clone();
    more.insert("unknown".to_owned(), json!("x"));
    all.push(Value::Object(more));
    let others: &[Value] = if is_query {
        &[json!(""), json!("x"), json!("5"), json!("true")]
    } else {
        &[
            json!(null),
            json!(""),
            json!("x"),
            json!(5),
            json!(1),
            json!(0),
            json!(true),
            json!(false),
            json!({}),
            json!({ "a": 1 }),
            json!([]),
            json!(["x"]),
            json!([5]),
            json!([{}]),
            json!([[]]),
        ]
    };
    for key in object.keys() {
        let mut less = object.clone();
        less.remove(key);
        all.push(Value::Object(less));
        for other in others {
            let mut changed = object.clone();
            changed.insert(key.clone(), other.clone());
            all.push(Value::Object(changed));
        }
        if let Some(Value::Object(inner)) = object.get(key) {
            for changed in mutated(&Value::Object(inner.clone()), false) {
                let mut whole = object.clone();
                whole.insert(key.clone(), changed);
                all.push(Value::Object(whole));
            }
        }
    }
    all
}

fn is_query(endpoint: &str) -> bool {
    let posts = [
        "create",
        "join",
        "kick",
        "leave",
        "delete",
        "postMessage",
        "react",
        "reportMessage",
        "sendMessage",
        "update",
        "invite",
        "rename",
        "setTopic",
        "createDiscussion",
        "read",
        "call",
        "callAnon",
    ];
    !posts
        .iter()
        .any(|word| endpoint.rsplit('.').next() == Some(*word))
}

/// Where the sandbox refuses with the words of a validator what theirs takes, by endpoint and words, and why.
const DIFFERENCES: &[(&str, &str, &str)] = &[
    (
        "chat.sendMessage",
        "tshow provided but missing tmid",
        "a check of the server itself has the same code",
    ),
    (
        "chat.syncMessages",
        "must be a cursor in milliseconds",
        "what the server makes of a cursor that is no number is not known",
    ),
];

#[tokio::test]
async fn the_sandbox_refuses_what_they_refuse() {
    let Some(dir) = installed() else { return };
    let mut validators = Validators::start(&dir).await;
    let (mut judged, mut differ) = (0, Vec::new());
    let names: Vec<&str> = {
        let sandbox = stage();
        let valid = in_order(&sandbox, "none");
        valid.into_iter().map(|(name, _)| name).collect()
    };
    assert_eq!(
        names,
        VALIDATORS.iter().map(|(name, _)| *name).collect::<Vec<_>>()
    );
    for (at, name) in names.iter().enumerate() {
        let validator = validator(name).expect("has one");
        // A server of its own, as some of it changes things.
        let sandbox = stage();
        let ann = sandbox.user("ann");
        let message = ann.say("ops", "x").await;
        for valid in &in_order(&sandbox, &message)[at].1 {
            for data in mutated(valid, is_query(name)) {
                let theirs = validators.judge(validator, &data).await;
                let (status, answer) = call(&sandbox, &ann, name, &data).await;
                let invalid = status == 400 && answer["errorType"] == "invalid-params";
                let agree = match &theirs {
                    // Refused for whatever reason: an unknown room is a reason, too.
                    Err(_) => status >= 400,
                    Ok(()) => !invalid,
                };
                judged += 1;
                let words = answer["error"].as_str().unwrap_or_default();
                let mut known = DIFFERENCES.iter();
                let known = known.any(|(endpoint, part, _)| endpoint == name && words.contains(part));
                if !agree && !known {
                    differ.push(format!("{name} {data}: {theirs:?}, here {status} {answer}"));
                }
                assert!(status < 500, "{name} {data}: {status} {answer}");
            }
        }
    }
    println!("{judged} bodies and queries judged by both");
    assert!(judged > 1_500, "{judged}");
    assert!(
        differ.is_empty(),
        "{} of {judged} differ:\n{}",
        differ.len(),
        differ.join("\n")
    );
}

fn stage() -> Sandbox {
    Sandbox::builder()
        .user_with(UserSpec::new("ann").roles(["user", "admin"]))
        .user("bob")
        .bot("rocketbotte")
        .channel_with("ops", &["ann", "bob"])
        .group_with("secret", &["ann", "bob"])
        .direct(&["ann", "bob"])
        .start_in_memory()
}

async fn call(sandbox: &Sandbox, user: &SandboxUser, endpoint: &str, data: &Value) -> (u16, Value) {
    let io = TokioIo::new(sandbox.connect());
    let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await.expect("connects");
    let connection = tokio::spawn(connection);
    let query = is_query(endpoint);
    let mut path = format!("/api/v1/{endpoint}");
    if endpoint.starts_with("method.") {
        path.push_str("/getRoomRoles");
    }
    if query {
        let pairs = data.as_object().expect("an object").iter();
        let pairs: Vec<String> = pairs
            .map(|(key, value)| format!("{key}={}", percent_encoded(value.as_str().unwrap_or_default())))
            .collect();
        path = format!("{path}?{}", pairs.join("&"));
    }
    let request = http::Request::builder()
        .method(if query { Method::GET } else { Method::POST })
        .uri(path)
        .header("content-type", "application/json")
        .header("x-user-id", user.id())
        .header("x-auth-token", user.token());
    let body = if query { String::new() } else { data.to_string() };
    let request = request.body(Full::new(Bytes::from(body))).expect("a request");
    let response = sender.send_request(request).await.expect("an answer");
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.expect("a body").to_bytes();
    connection.abort();
    let answer = serde_json::from_slice(&body).unwrap_or_else(|_| json!(String::from_utf8_lossy(&body)));
    (status, answer)
}

fn percent_encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}
