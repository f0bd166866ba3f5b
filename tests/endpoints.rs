//! The calls of the REST API, each against the sandbox, and the table of them in the docs.
#![cfg(all(feature = "client", feature = "sandbox"))]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test ends by them")]

#[path = "support/every_call.rs"]
mod every_call;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::{Arc, Mutex};

use futures_util::future::BoxFuture;
use futures_util::{FutureExt as _, StreamExt as _, TryStreamExt as _};
use rocketbotte::args::{self, RoomArg, UserArg};
use rocketbotte::event::{Message, MessageId, RoomId, RoomKind, UserId};
use rocketbotte::extract::Args;
use rocketbotte::layer::CommandLayer;
use rocketbotte::rest::endpoint::{self, *};
use rocketbotte::rest::{Client, RestError, RestErrorKind, RoomRef, UserRef};
use rocketbotte::sandbox::{Inbound, Sandbox, UserSpec};
use rocketbotte::{Request, Router, Secret};
use serde_json::json;
use tower::{Layer as _, ServiceExt as _};

use every_call::{ROWS, Stage, builder, client_of};

fn called(stage: &Stage) -> BTreeSet<String> {
    let requests = stage.sandbox.frames_from_clients().into_iter();
    let calls = requests.filter_map(|inbound| match inbound {
        Inbound::Request { method, path, .. } => {
            let path = path.split('?').next()?;
            // What stands behind the name says of what it is.
            let name = path
                .strip_prefix("/api/v1/")
                .and_then(|path| path.split('/').next());
            Some(format!("{method} {}", name.unwrap_or(path)))
        }
        _ => None,
    });
    calls.collect()
}

/// Each call that has a type, and that it does what it says. The server refuses what the published validators refuse.
#[tokio::test]
async fn every_call_does_what_it_says() {
    for (call, run) in ROWS {
        println!("{call}");
        let typed = endpoint::all()
            .iter()
            .find(|typed| call.split_once(' ') == Some((typed.method.as_str(), typed.path)));
        // What there is no more was there.
        let stage = match typed.and_then(|typed| typed.until) {
            Some(_) => Stage::start(builder().version("6.3.0")),
            None => Stage::new(),
        };
        run(&stage).await;
        let called = called(&stage);
        assert!(called.contains(*call), "{call} is not among {called:?}");
    }
    let rows: BTreeSet<String> = ROWS.iter().map(|(call, _)| (*call).to_owned()).collect();
    assert_eq!(rows.len(), ROWS.len(), "a call has two rows");
    let typed = endpoint::all()
        .iter()
        .map(|call| format!("{} {}", call.method, call.path));
    assert_eq!(rows, typed.collect(), "each type has a row, and each row a type");
}

/// The table in the docs is what the types say. `REWRITE_DOCS=1` writes it anew.
#[test]
fn the_table_in_the_docs() {
    let mut table = String::from(
        "# All calls\n\n\
         What the types say: the first version of the server that has a call and the first that has it no more (empty: all \
         from 3.4 to 9.0), how often servers let an account without `api-bypass-rate-limit` make it, and whether it is made \
         again when a connection is lost.\n\n\
         | type | call | since | until | limit | again |\n|---|---|---|---|---|---|\n",
    );
    let version = |version: Option<_>| {
        version.map_or_else(String::new, |version: rocketbotte::rest::Version| {
            version.to_string()
        })
    };
    let mut rows: Vec<_> = endpoint::all().iter().collect();
    rows.sort_by_key(|row| (row.path, row.name));
    for row in rows {
        let link = row.name.split('<').next().unwrap_or_default().trim();
        writeln!(
            table,
            "| [`{}`]({link}) | `{} {}` | {} | {} | {} | {} |",
            row.name,
            row.method,
            row.path,
            version(row.since),
            version(row.until),
            row.limit,
            if row.is_idempotent { "yes" } else { "no" },
        )
        .expect("a text takes all");
    }
    let types: BTreeSet<&str> = endpoint::all().iter().map(|row| row.name).collect();
    assert_eq!(types.len(), endpoint::all().len(), "a type is listed twice");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/docs/endpoints.md");
    if std::env::var_os("REWRITE_DOCS").is_some() {
        std::fs::write(&path, &table).expect("written");
    }
    let written = std::fs::read_to_string(&path).expect("is there");
    assert!(
        written == table,
        "src/docs/endpoints.md is of before: run REWRITE_DOCS=1 cargo test --test endpoints"
    );
}

/// A call that is refused: who makes it, and what the error is.
struct Refused {
    what: &'static str,
    who: &'static str,
    call: for<'a> fn(&'a Stage, Client) -> BoxFuture<'a, Result<(), RestError>>,
    kind: RestErrorKind,
    /// Of servers before 9, some of which say `error-forbidden` instead.
    code: Option<&'static str>,
}

macro_rules! refused {
    ($($what:literal $who:literal $kind:ident $code:expr, |$s:ident, $client:ident| $body:expr;)*) => {
        [$(Refused {
            what: $what,
            who: $who,
            call: |$s: &Stage, $client: Client| async move {
                let _ = $s;
                $body.await.map(drop)
            }.boxed(),
            kind: RestErrorKind::$kind,
            code: $code,
        }),*]
    };
}

/// Who may do what, and how a refusal reads: on servers that refuse with 400, and on those that do with 403.
#[tokio::test]
async fn what_is_refused_has_its_kind_of_error() {
    let rows = refused! {
        "another's topic" "ann" Forbidden Some("error-action-not-allowed"),
            |s, client| client.room(s.room_id("ops")).set_topic("mine");
        "another's settings" "ann" Forbidden Some("error-action-not-allowed"),
            |s, client| client.room(s.room_id("ops")).set_read_only(true);
        "an invitation by a member" "ann" Forbidden Some("error-not-allowed"),
            |s, client| client.room(s.room_id("ops")).invite(&s.id("carl"));
        "a removal by a member" "ann" Forbidden Some("error-not-allowed"),
            |s, client| client.room(s.room_id("ops")).kick(&s.id("bob"));
        "removing who is not there" "rocketbotte" Api Some("error-user-not-in-room"),
            |s, client| client.room(s.room_id("ops")).kick(&s.id("carl"));
        "the last owner leaves" "rocketbotte" Api Some("error-you-are-last-owner"),
            |s, client| client.room(s.room_id("ops")).leave();
        "a name that is taken" "rocketbotte" Api Some("error-duplicate-channel-name"),
            |s, client| client.rooms().create_channel("ops");
        "a discussion by the role bot alone" "plainbot" Forbidden Some("error-action-not-allowed"),
            |s, client| client.room(s.room_id("ops")).create_discussion("x");
        "a report of nothing" "rocketbotte" NotFound Some("error-message-not-found"),
            |s, client| client.message(&"nothing".into()).report("x");
        "a star for nothing" "rocketbotte" NotFound Some("error-message-not-found"),
            |s, client| client.message(&"nothing".into()).star();
        "a thread of nothing" "rocketbotte" NotFound Some("error-invalid-message"),
            |s, client| client.message(&"nothing".into()).thread().try_collect::<Vec<_>>();
        "a message that is not there" "rocketbotte" NotFound None,
            |s, client| client.message(&"nothing".into()).get();
        "an update of nothing" "rocketbotte" NotFound None,
            |s, client| async {
                let (room_id, text) = (s.room_id("ops"), "x".to_owned());
                client.call(&UpdateMessage { room_id, message_id: "nothing".into(), text }).await
            };
        "a room that is not there" "rocketbotte" NotFound Some("error-room-not-found"),
            |s, client| client.rooms().by_name("nowhere");
        "history of a room that is not there" "rocketbotte" NotFound Some("error-room-not-found"),
            |s, client| client.room(RoomRef::new("nowhere", RoomKind::Channel)).history().try_collect::<Vec<_>>();
        "a direct conversation that is not there" "rocketbotte" NotFound Some("invalid-channel"),
            |s, client| client.room(RoomRef::new("nowhere", RoomKind::Direct)).history().try_collect::<Vec<_>>();
        "a group that one is not in" "bob" NotFound Some("error-room-not-found"),
            |s, client| client.room(RoomRef::new(s.room_id("secret"), RoomKind::Private)).members().try_collect::<Vec<_>>();
        "the same by its id" "bob" Forbidden Some("not-allowed"),
            |s, client| client.room(s.room_id("secret")).info();
        "what was said before one was there" "plainbot" Forbidden Some("error-not-allowed"),
            |s, client| client.room(s.room_id("open")).history().try_collect::<Vec<_>>();
        "a user that is not there" "rocketbotte" NotFound None,
            |s, client| client.user(UserId::from("nobody")).info();
        "the same by name" "rocketbotte" NotFound None,
            |s, client| client.user(UserRef::Username("nobody".to_owned())).status();
        "a conversation with nobody" "rocketbotte" NotFound Some("error-invalid-user"),
            |s, client| client.rooms().direct_with("nobody");
        "an invitation of nobody" "rocketbotte" NotFound Some("error-invalid-user"),
            |s, client| client.room(s.room_id("ops")).invite(&UserId::from("nobody"));
        "a status that there is not" "rocketbotte" Api Some("error-invalid-status"),
            |s, client| async { client.call(&SetStatus::new(Presence::Unknown)).await };
        "too long a text" "rocketbotte" TooLarge Some("error-message-size-exceeded"),
            |s, client| async {
                let message = OutgoingMessage::new("long", s.room_id("ops"), "x".repeat(5001));
                client.call(&SendMessage { message, preview_urls: None }).await
            };
        "a message to where one is not" "rocketbotte" Forbidden Some("error-not-allowed"),
            |s, client| async {
                let room = s.sandbox.create_group("others", &["ann"]).unwrap();
                let message = OutgoingMessage::new("elsewhere", room, "x");
                client.call(&SendMessage { message, preview_urls: None }).await
            };
        "another's message" "ann" Forbidden Some("error-action-not-allowed"),
            |s, client| async {
                let id = MessageId::from(s.user("bob").say("ops", "mine").await.as_str());
                client.call(&DeleteMessage { room_id: s.room_id("ops"), message_id: id }).await
            };
        "roles of a livechat" "rocketbotte" InvalidCall None,
            |s, client| client.room(RoomRef::new("x", RoomKind::Livechat)).set_topic("x");
        "a wrong password" "rocketbotte" Unauthorized None,
            |s, client| async { client.login("rocketbotte", &Secret::new("wrong")).await };
    };
    let mut wrong = Vec::new();
    for version in ["7.13.0", "8.8.1", "9.0.0"] {
        for row in &rows {
            let stage = Stage::start(builder().version(version));
            let error = match (row.call)(&stage, stage.as_user(row.who)).await {
                Ok(()) => {
                    wrong.push(format!("{version} {}: it was done", row.what));
                    continue;
                }
                Err(error) => error,
            };
            let code = error.code();
            let fits = code == row.code || version == "9.0.0" && code == Some("error-forbidden");
            if *error.kind() != row.kind || !fits || error.is_transient() {
                wrong.push(format!(
                    "{version} {}: {:?} {code:?} {error}",
                    row.what,
                    error.kind()
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Whom and what a command names, by name where no message mentions them.
#[tokio::test]
async fn arguments_are_resolved() {
    let stage = Stage::new();
    let (user, room) = args::parse::<(UserArg, RoomArg)>("@ann #ops").unwrap();
    assert_eq!((user.id(), room.id()), (None, None));
    let ann = user.resolve(&stage.bot).await.unwrap();
    assert_eq!((ann.id, ann.username.as_deref()), (stage.id("ann"), Some("ann")));
    let ops = room.resolve(&stage.bot).await.unwrap();
    assert_eq!(ops.name.as_deref(), Some("ops"));

    // By id where the message tells it, whatever name goes with it.
    let message = json!({
        "_id": "m1", "rid": "GENERAL", "msg": "!kick @anna #operations", "u": {"_id": "uA", "username": "bob"},
        "ts": {"$date": 1_795_334_400_000_i64},
        "mentions": [{"_id": stage.id("ann"), "username": "anna", "type": "user"}],
        "channels": [{"_id": ops.id, "name": "operations"}],
    });
    let message = Message::from_json(&message.to_string()).unwrap();
    let (user, room) = args_of(message).await;
    let found = user.resolve(&stage.bot).await.unwrap();
    assert_eq!(
        (found.id, found.username.as_deref()),
        (stage.id("ann"), Some("ann"))
    );
    assert_eq!(room.resolve(&stage.bot).await.unwrap().id, ops.id);

    let (user, room) = args::parse::<(UserArg, RoomArg)>("nobody nowhere").unwrap();
    let no_user = user.resolve(&stage.bot).await.unwrap_err();
    let no_room = room.resolve(&stage.bot).await.unwrap_err();
    assert_eq!(
        (no_user.kind(), no_room.kind()),
        (&RestErrorKind::NotFound, &RestErrorKind::NotFound)
    );
}

/// What a command takes from a message.
async fn args_of(message: Message) -> (UserArg, RoomArg) {
    let taken = Arc::new(Mutex::new(None));
    let takes = Arc::clone(&taken);
    let router = Router::new().command("kick", move |Args(args): Args<(UserArg, RoomArg)>| {
        *takes.lock().unwrap() = Some(args);
        std::future::ready(())
    });
    let app = CommandLayer::new("!").layer(router);
    app.oneshot(Request::new(message)).await.unwrap();
    taken.lock().unwrap().take().unwrap()
}

#[tokio::test]
async fn a_token_that_is_over() {
    let stage = Stage::new();
    let ann = stage.as_user("ann");
    ann.logout().await.unwrap();
    let error = ann.rooms().by_name("ops").await.unwrap_err();
    assert_eq!(*error.kind(), RestErrorKind::Unauthorized, "{error}");
}

/// A room with so many messages, which come in bursts within one millisecond.
async fn talked(messages: usize) -> Stage {
    let stage = Stage::new();
    let ann = stage.user("ann");
    for n in 0..messages {
        ann.say("ops", &format!("m{n}")).await;
    }
    stage
}

#[tokio::test]
async fn history_tells_each_message_once_while_others_are_written() {
    const MESSAGES: usize = 450;
    let stage = talked(MESSAGES).await;
    let mut history = stage.room("ops").history();
    let mut told = Vec::new();
    while let Some(message) = history.next().await {
        let message = message.unwrap();
        if told.len() % 50 == 0 {
            stage.said("ops", "meanwhile").await;
        }
        if message.text().starts_with('m') && message.system_type().is_none() && message.text() != "meanwhile"
        {
            told.push(message.text().to_owned());
        }
    }
    let expected: Vec<String> = (0..MESSAGES).rev().map(|n| format!("m{n}")).collect();
    assert_eq!(told, expected);
    assert!(history.next().await.is_none(), "it is over once");
}

/// Pages of a hundred that all lie in one millisecond go on by their place.
#[tokio::test]
async fn history_goes_through_what_has_one_time() {
    let at = 1_795_334_400_000_i64;
    let (connector, requests) = support::history_at(at, 350);
    let client = support::client(connector);
    let room = client.room(RoomRef::new("r", RoomKind::Channel));
    let told: Vec<_> = room.history().try_collect().await.unwrap();
    let ids: BTreeSet<_> = told.iter().map(|message| message.id().to_string()).collect();
    assert_eq!((told.len(), ids.len()), (350, 350));
    assert!(requests.lock().unwrap().len() <= 6);
}

#[tokio::test]
async fn history_between_two_times_and_without_replies() {
    let stage = talked(3).await;
    let root = stage.said("ops", "root").await;
    stage.user("ann").reply("ops", root.as_str(), "reply").await;
    let room = stage.room("ops");
    let all: Vec<_> = room.history().try_collect().await.unwrap();
    let of = |text: &str| {
        all.iter()
            .find(|message| message.text() == text)
            .unwrap()
            .created_at()
    };
    let since: Vec<_> = room.history().since(of("root")).try_collect().await.unwrap();
    assert!(
        since.iter().all(|message| message.created_at() >= of("root")),
        "{since:?}"
    );
    assert!(since.iter().any(|message| message.text() == "root"));
    let until: Vec<_> = room.history().until(of("m1")).try_collect().await.unwrap();
    assert!(
        until.iter().all(|message| message.created_at() <= of("m1")),
        "{until:?}"
    );
    assert!(until.iter().any(|message| message.text() == "m0"));
    let without: Vec<_> = room.history().without_replies().try_collect().await.unwrap();
    assert!(without.iter().all(|message| message.text() != "reply"));
    assert_eq!(without.len() + 1, all.len());
}

/// Members by offset, while some leave and some come: who stays is told once.
#[tokio::test]
async fn members_that_stay_are_told_once_while_others_come_and_go() {
    for (leave, come) in [(0, 0), (5, 0), (40, 0), (0, 60), (30, 30)] {
        let name = |n: usize| format!("u{n:04}");
        let mut builder = Sandbox::builder()
            .user("ann")
            .user_with(UserSpec::new("rocketbotte").roles(["user", "bot"]));
        for n in 0..350 {
            builder = builder.user(name(n));
        }
        let names: Vec<String> = (0..250).map(name).collect();
        let members: Vec<&str> = names.iter().map(String::as_str).chain(["rocketbotte"]).collect();
        let sandbox = builder.channel_with("big", &members).start_in_memory();
        let client = client_of(&sandbox, "rocketbotte");
        let room = client.room(RoomId::from(sandbox.room_id("big").unwrap()));
        let mut listing = room.members();
        let mut told: Vec<String> = Vec::new();
        for _ in 0..150 {
            told.push(listing.next().await.unwrap().unwrap().username.unwrap());
        }
        // Those that were told leave, so that all others move up.
        let gone: Vec<String> = told
            .iter()
            .filter(|name| name.starts_with('u'))
            .take(leave)
            .cloned()
            .collect();
        for name in &gone {
            sandbox.kick("big", name).unwrap();
        }
        for n in 250..250 + come {
            sandbox.invite("big", &name(n)).unwrap();
        }
        while let Some(user) = listing.next().await {
            told.push(user.unwrap().username.unwrap());
        }
        let once: BTreeSet<&String> = told.iter().collect();
        assert_eq!(once.len(), told.len(), "nobody twice with {leave} and {come}");
        for name in names.iter().filter(|name| !gone.contains(name)) {
            assert!(once.contains(name), "{name} is missing with {leave} and {come}");
        }
    }
}

/// What is dropped in the middle of a page goes on with the next call.
#[tokio::test]
async fn a_listing_that_is_interrupted_goes_on() {
    let stage = talked(250).await;
    let mut history = stage.room("ops").history();
    let mut told = Vec::new();
    loop {
        // Polled once and dropped, then in earnest.
        let _ = history.next().now_or_never().map(|message| told.extend(message));
        match history.next().await {
            Some(message) => told.push(message),
            None => break,
        }
    }
    let told: Vec<_> = told
        .into_iter()
        .map(Result::unwrap)
        .filter(|message| message.text().starts_with('m'))
        .collect();
    assert_eq!(told.len(), 250);
    let ids: BTreeSet<_> = told.iter().map(|message| message.id().to_string()).collect();
    assert_eq!(ids.len(), 250);
}

#[tokio::test]
async fn an_error_is_the_last_item() {
    let stage = Stage::new();
    let room = stage
        .as_user("bob")
        .room(RoomRef::new(stage.room_id("secret"), RoomKind::Private));
    let mut history = room.history();
    assert!(history.next().await.unwrap().is_err());
    assert!(history.next().await.is_none());
}

/// How a server pages a list: how many entries there are, and how many on a page at most; which can not be read, and what
/// it says how many there are.
#[derive(Clone, Copy)]
struct Paged {
    what: &'static str,
    entries: usize,
    most: usize,
    is_broken: fn(usize) -> bool,
    total: Option<usize>,
}

/// Whatever a server says, a list ends, and each entry that can be read is told once.
#[tokio::test(start_paused = true)]
async fn a_list_ends() {
    let none = |_: usize| false;
    #[rustfmt::skip]
    let rows = [
        Paged { what: "one of three", entries: 3, most: 100, is_broken: |n| n == 1, total: Some(3) },
        Paged { what: "the last ones", entries: 230, most: 100, is_broken: |n| n > 150, total: Some(230) },
        Paged { what: "a whole page", entries: 450, most: 100, is_broken: |n| (95..330).contains(&n), total: Some(450) },
        Paged { what: "every other", entries: 450, most: 100, is_broken: |n| n % 2 == 0, total: None },
        Paged { what: "all", entries: 250, most: 100, is_broken: |_| true, total: Some(250) },
        Paged { what: "small pages", entries: 45, most: 10, is_broken: none, total: Some(45) },
        Paged { what: "smaller ones", entries: 12, most: 3, is_broken: |n| n == 4, total: Some(12) },
        Paged { what: "one by one", entries: 4, most: 1, is_broken: none, total: Some(4) },
        Paged { what: "fewer than it says", entries: 150, most: 100, is_broken: none, total: Some(1000) },
        Paged { what: "nothing but a number", entries: 0, most: 100, is_broken: none, total: Some(5) },
    ];
    for row in rows {
        let expected: Vec<String> = (0..row.entries)
            .filter(|n| !(row.is_broken)(*n))
            .map(|n| format!("m{n}"))
            .collect();
        let what = row.what;
        let (connector, requests) = support::paged(row);
        let client = support::client(connector);
        let channels = async {
            let rooms: Vec<_> = client.rooms().channels().try_collect().await.unwrap();
            rooms.iter().map(|room| room.id.to_string()).collect::<Vec<_>>()
        };
        let thread = async {
            let thread = client.message(&"root".into()).thread();
            let messages: Vec<_> = thread.try_collect().await.unwrap();
            messages
                .iter()
                .map(|message| message.id().to_string())
                .collect::<Vec<_>>()
        };
        let hour = std::time::Duration::from_secs(3600);
        let told = tokio::time::timeout(hour, channels).await;
        assert_eq!(told.as_ref(), Ok(&expected), "{what}, channels");
        let told = tokio::time::timeout(hour, thread).await;
        assert_eq!(told.as_ref(), Ok(&expected), "{what}, thread");
        let requests = requests.lock().unwrap().len();
        assert!(requests <= 50, "{what}: {requests} requests");
    }
}

/// The same for the history, which goes by time: a page of which nothing can be read is not the end.
#[tokio::test(start_paused = true)]
async fn a_history_goes_on_behind_what_can_not_be_read() {
    let (connector, _) = support::paged(Paged {
        what: "history",
        entries: 350,
        most: 100,
        is_broken: |n| (5..230).contains(&n),
        total: None,
    });
    let room = support::client(connector).room(RoomRef::new("r", RoomKind::Channel));
    let told = tokio::time::timeout(
        std::time::Duration::from_secs(3600),
        room.history().try_collect::<Vec<_>>(),
    );
    let ids: Vec<_> = told
        .await
        .unwrap()
        .unwrap()
        .iter()
        .map(|message| message.id().to_string())
        .collect();
    let expected: Vec<_> = (0..5).chain(230..350).map(|n| format!("m{n}")).collect();
    assert_eq!(ids, expected);
}

/// A server that answers by script.
mod support {
    use std::sync::{Arc, Mutex};

    use rocketbotte::rest::Client;
    use rocketbotte::transport::Connector;
    use serde_json::json;

    #[path = "../support/pipes.rs"]
    mod pipes;

    pub(super) use pipes::Request;

    pub(super) fn client(connector: Connector) -> Client {
        Client::builder("https://chat.example.org".parse().unwrap(), connector).build()
    }

    /// Rooms, and messages of one time.
    pub(super) fn paged(list: super::Paged) -> (Connector, Arc<Mutex<Vec<Request>>>) {
        pipes::http(move |request| {
            let page: Vec<_> = (number(request, "offset=")..list.entries)
                .take(number(request, "count=").min(list.most))
                .map(|n| match (list.is_broken)(n) {
                    true => json!({}),
                    false => json!({"_id": format!("m{n}"), "rid": "r", "msg": "x", "ts": {"$date": 1_795_334_400_000_i64}, "u": {"_id": "u"}}),
                })
                .collect();
            let key = if request.line().contains("channels.list") {
                "channels"
            } else {
                "messages"
            };
            let mut reply = json!({key: page, "success": true});
            if let Some(total) = list.total {
                reply["total"] = json!(total);
            }
            pipes::json_response("200 OK", &reply)
        })
    }

    fn number(request: &Request, key: &str) -> usize {
        let value = request
            .line()
            .split(['?', '&', ' '])
            .find_map(|pair| pair.strip_prefix(key));
        value.map_or(0, |value| value.parse().unwrap())
    }

    /// So many messages of one time.
    pub(super) fn history_at(at: i64, messages: usize) -> (Connector, Arc<Mutex<Vec<Request>>>) {
        pipes::http(move |request| {
            let page: Vec<_> = (number(request, "offset=")..messages)
                .take(number(request, "count="))
                .map(|n| json!({"_id": format!("m{n}"), "rid": "r", "msg": "x", "ts": {"$date": at}, "u": {"_id": "u"}}))
                .collect();
            pipes::json_response("200 OK", &json!({"messages": page, "success": true}))
        })
    }
}
