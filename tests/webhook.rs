//! Outgoing webhooks: who may call, what becomes an event, and what the server is answered. Over real sockets.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test ends by them")]

mod support;

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Wake, Waker};
use std::time::{Duration, Instant};

use proptest::prelude::*;
use rocketbotte::command::CommandLayer;
use rocketbotte::dispatch::{DeadLetter, Serve, ShutdownReport};
use rocketbotte::event::{Event, EventKind, Message, RoomKind};
use rocketbotte::extract::{Args, Outbox};
use rocketbotte::handler::route;
use rocketbotte::response::{Attachment, React, Send, Thread};
use rocketbotte::transport::webhook::{NoAccount, Post, Webhook, WebhookBuilder, WebhookError};
use rocketbotte::{BoxError, Router};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinHandle;
use tower::Layer as _;

const PATIENCE: Duration = Duration::from_secs(30);

/// What a server of version 7 posts for `!echo hi` in a channel.
const POSTED: &str = r#"{"token":"first","bot":false,"trigger_word":"!echo","channel_id":"GENERAL","channel_name":"general","message_id":"2Jd8eZ7hfEoAYFe3Q","timestamp":"2026-05-04T10:11:12.345Z","user_id":"rocket.cat","user_name":"ann","text":"!echo hi","siteUrl":"https://chat.example.org"}"#;

fn posted(id: &str, text: &str) -> Value {
    let mut post: Value = serde_json::from_str(POSTED).unwrap();
    post["message_id"] = json!(id);
    post["text"] = json!(text);
    post
}

/// A bot behind a webhook.
struct Hooked {
    address: String,
    letters: Arc<Mutex<Vec<String>>>,
    heard: Arc<Mutex<Vec<Event>>>,
    release: Arc<Notify>,
    stop: oneshot::Sender<()>,
    serving: JoinHandle<ShutdownReport>,
}

fn builder() -> WebhookBuilder {
    Webhook::builder().token("ops", "first").token("dev", "second")
}

impl Hooked {
    async fn start(builder: WebhookBuilder) -> Self {
        let release = Arc::new(Notify::new());
        let (letters, heard) = (
            Arc::<Mutex<Vec<String>>>::default(),
            Arc::<Mutex<Vec<Event>>>::default(),
        );
        let app = {
            let (waits, log) = (Arc::clone(&release), Arc::clone(&heard));
            Router::new()
                .command("echo", async |Args(text): Args<String>| text)
                .command("wait", async move || {
                    waits.notified().await;
                    "at last"
                })
                .command("silent", async || {})
                .command("twice", async || vec![Send::text("one"), Send::text("two")])
                .command("react", async || React::with(":+1:"))
                .command("elsewhere", async || Send::text("psst").to("OTHER"))
                .command("outbox", async |outbox: Outbox| {
                    outbox.send("from the outbox").await?;
                    Ok::<_, BoxError>(())
                })
                .command("rich", async || {
                    Send::text("look")
                        .alias("Deputy")
                        .avatar_emoji(":robot:")
                        .in_thread(Thread::Always)
                        .attachment(Attachment::new().title("a box"))
                })
                .command("fields", async |post: Arc<Post>| {
                    format!(
                        "{} {:?} {:?}",
                        post.integration(),
                        post.trigger_word(),
                        post.site_url()
                    )
                })
                .listen(
                    |_| true,
                    route(async move |event: Event| log.lock().unwrap().push(event)).named("all"),
                )
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (routes, transport) = builder.build().unwrap().into_parts();
        tokio::spawn(async move { axum::serve(listener, routes).await });
        let log = Arc::clone(&letters);
        let serve = Serve::new(transport, NoAccount)
            .on_dead_letter(move |letter: DeadLetter| log.lock().unwrap().push(letter.error.to_string()));
        let handle = serve.handle();
        let (stop, stopped) = oneshot::channel();
        let serving = tokio::spawn(async move {
            let running = serve.run(CommandLayer::new("!").layer(app));
            let stopping = async {
                stopped.await.unwrap();
                handle.shutdown();
            };
            tokio::join!(running, stopping).0.unwrap()
        });
        Self {
            address,
            letters,
            heard,
            release,
            stop,
            serving,
        }
    }

    async fn post(&self, post: &Value) -> (u16, Value) {
        self.call("application/json", post.to_string().as_bytes()).await
    }

    async fn say(&self, id: &str, text: &str) -> (u16, Value) {
        self.post(&posted(id, text)).await
    }

    async fn call(&self, kind: &str, body: &[u8]) -> (u16, Value) {
        call(&self.address, kind, body).await
    }

    async fn end(self) -> ShutdownReport {
        self.stop.send(()).unwrap();
        self.serving.await.unwrap()
    }
}

async fn call(address: &str, kind: &str, body: &[u8]) -> (u16, Value) {
    let exchange = async {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let head = format!(
            "POST / HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\ncontent-type: {kind}\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        // Who refuses a long body does not read all of it.
        let _ = stream.write_all(body).await;
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        String::from_utf8(answer).unwrap()
    };
    let answer = tokio::time::timeout(PATIENCE, exchange)
        .await
        .expect("an answer in time");
    let (head, body) = answer
        .split_once("\r\n\r\n")
        .unwrap_or_else(|| panic!("{answer:?}"));
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    assert!(
        head.to_ascii_lowercase()
            .contains("content-type: application/json"),
        "{head}"
    );
    (status, serde_json::from_str(body).unwrap())
}

async fn until(what: impl Fn() -> bool) {
    let begun = Instant::now();
    while !what() {
        assert!(begun.elapsed() < PATIENCE, "not in time");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn what_is_returned_is_the_answer() {
    let bot = Hooked::start(builder()).await;
    let needs_account = |action: &str| format!("`{action}` needs an account");
    let rows = [
        ("!echo hi", json!({ "text": "hi" }), None),
        ("just talk", json!({}), None),
        ("!silent", json!({}), None),
        ("!unknown", json!({}), None),
        ("!twice", json!({ "text": "one" }), Some(needs_account("send"))),
        ("!react", json!({}), Some(needs_account("react"))),
        ("!elsewhere", json!({}), Some(needs_account("send"))),
        ("!outbox", json!({ "text": "from the outbox" }), None),
        (
            "!fields",
            json!({ "text": "ops Some(\"!echo\") Some(\"https://chat.example.org\")" }),
            None,
        ),
        (
            "!rich",
            json!({
                "text": "look", "alias": "Deputy", "emoji": ":robot:", "tmid": "9",
                "attachments": [{ "title": "a box" }],
            }),
            None,
        ),
    ];
    for (index, (text, expected, letter)) in rows.into_iter().enumerate() {
        let answer = bot.say(&index.to_string(), text).await;
        assert_eq!(answer, (200, expected), "{text}");
        let letters = std::mem::take(&mut *bot.letters.lock().unwrap());
        match letter {
            Some(letter) => {
                // The answer goes out before the rest of it.
                let bot = &bot;
                until(|| !bot.letters.lock().unwrap().is_empty() || !letters.is_empty()).await;
                let letters = [letters, std::mem::take(&mut *bot.letters.lock().unwrap())].concat();
                assert!(letters[0].contains(&letter), "{text}: {letters:?}");
            }
            None => assert_eq!(letters, Vec::<String>::new(), "{text}"),
        }
    }
    assert!(bot.end().await.is_complete());
}

#[tokio::test]
async fn what_the_server_posts_is_the_event_that_it_is() {
    let bot = Hooked::start(builder()).await;
    bot.call("application/json; charset=utf-8", POSTED.as_bytes())
        .await;
    let form = "token=second&bot=false&channel_id=c%201&channel_name=dev&message_id=f1&timestamp=2026-05-04T10:11:12.345Z&user_id=u1&user_name=bob&text=a+b%26c&tmid=root";
    assert_eq!(
        bot.call("application/x-www-form-urlencoded", form.as_bytes())
            .await,
        (200, json!({}))
    );
    let mut edited = posted("m3", "corrected");
    edited["isEdited"] = json!(true);
    edited["alias"] = json!("Annie");
    bot.post(&edited).await;
    let mut direct = posted("m4", "for you");
    direct["channel_id"] = json!("annrocket.cat");
    direct.as_object_mut().unwrap().remove("channel_name");
    bot.post(&direct).await;
    let file = json!({
        "token": "first", "bot": false, "channel_id": "GENERAL", "channel_name": "general", "message_id": "m5",
        "timestamp": "2026-05-04T10:11:12.345Z", "user_id": "u1", "user_name": "ann", "text": "",
        "user": { "_id": "u1" }, "room": { "_id": "GENERAL" },
        "message": { "_id": "m5", "rid": "GENERAL", "msg": "", "file": { "_id": "f", "name": "a.png" }, "u": { "_id": "u1" } },
    });
    bot.post(&file).await;
    let joined = json!({
        "token": "first", "bot": false, "timestamp": "2026-05-04T10:11:12.345Z", "channel_id": "GENERAL",
        "channel_name": "general", "user_id": "u1", "user_name": "ann", "user": {}, "room": {},
    });
    assert_eq!(bot.post(&joined).await, (200, json!({})));
    let from_bot = {
        let mut post = posted("m6", "!echo loop");
        post["bot"] = json!(true);
        post
    };
    assert_eq!(
        bot.post(&from_bot).await,
        (200, json!({})),
        "another bot is not heard"
    );

    let heard = bot.heard.lock().unwrap().clone();
    let kinds: Vec<_> = heard.iter().map(Event::kind).collect();
    assert_eq!(
        kinds,
        [
            EventKind::Ready,
            EventKind::Message,
            EventKind::Message,
            EventKind::Edited,
            EventKind::Message,
            EventKind::Message,
            EventKind::Raw
        ]
    );
    let message = |index: usize| -> Arc<Message> { heard[index].message().unwrap().clone() };
    let first = message(1);
    assert_eq!(first.id(), &"2Jd8eZ7hfEoAYFe3Q");
    assert_eq!(first.text(), "!echo hi");
    assert_eq!(
        (first.author().id().as_str(), first.author().username()),
        ("rocket.cat", "ann")
    );
    assert_eq!(
        (first.room().id().as_str(), first.room().name()),
        ("GENERAL", Some("general"))
    );
    assert_eq!(first.created_at().to_string(), "2026-05-04T10:11:12.345Z");
    assert_eq!(heard[1].own_key().unwrap(), "2Jd8eZ7hfEoAYFe3Q");
    let second = message(2);
    assert_eq!((second.text(), second.room().id().as_str()), ("a b&c", "c 1"));
    assert_eq!(second.thread_id().unwrap(), &"root");
    assert_eq!(
        (message(3).text(), message(3).alias()),
        ("corrected", Some("Annie"))
    );
    assert!(message(4).room().is_direct());
    assert!(message(5).json().contains("a.png"));
    // Nobody finds the token in what was heard.
    assert!(!format!("{heard:?}").contains("second"));
    assert!(
        heard
            .iter()
            .filter_map(Event::message)
            .all(|message| !message.json().contains("token"))
    );
    bot.end().await;
}

#[tokio::test]
async fn who_has_no_token_is_refused_and_learns_nothing() {
    let bot = Hooked::start(builder()).await;
    let refused = (403, json!({ "error": "the token is wrong" }));
    for token in [
        json!(""),
        json!("firs"),
        json!("first "),
        json!(1),
        json!(null),
        json!(["first"]),
    ] {
        let mut post = posted("m", "!echo hi");
        post["token"] = token;
        assert_eq!(bot.post(&post).await, refused, "{post}");
    }
    let mut post = posted("m", "!echo hi");
    post.as_object_mut().unwrap().remove("token");
    assert_eq!(bot.post(&post).await, refused);
    assert_eq!(bot.heard.lock().unwrap().len(), 1, "only that it is ready");
    for (builder, error) in [
        (Webhook::builder(), WebhookError::NoToken),
        (builder().token("x", ""), WebhookError::EmptyToken("x".to_owned())),
        (builder().path("hook"), WebhookError::Path("hook".to_owned())),
        (builder().path("/{a"), WebhookError::Path("/{a".to_owned())),
    ] {
        assert_eq!(builder.build().unwrap_err(), error);
    }
    bot.end().await;
}

#[tokio::test]
async fn what_is_too_long_or_rubbish_is_refused_and_harms_nobody() {
    let bot = Hooked::start(builder().body_limit(10_000)).await;
    let long = posted("m", &"x".repeat(20_000)).to_string();
    assert_eq!(bot.call("application/json", long.as_bytes()).await.0, 413);
    for body in [
        "",
        "[]",
        "null",
        "{",
        "\"text\"",
        "{\"token\":\"first\"} x",
        "\u{0}",
    ] {
        assert_eq!(
            bot.call("application/json", body.as_bytes()).await.0,
            400,
            "{body:?}"
        );
    }
    // Any bytes are a form; this one has no token.
    assert_eq!(
        bot.call("application/x-www-form-urlencoded", b"%ff%fe=\xff")
            .await
            .0,
        403
    );
    assert_eq!(
        bot.say("after", "!echo well").await,
        (200, json!({ "text": "well" }))
    );
    bot.end().await;
}

/// A post with some of its fields missing, or of other types.
fn damaged() -> impl Strategy<Value = Value> {
    let rubbish = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        ".{0,20}".prop_map(Value::from),
        Just(json!([1, "a"])),
        Just(json!({ "$date": "x" })),
    ];
    let fields = [
        "bot",
        "channel_id",
        "channel_name",
        "message_id",
        "timestamp",
        "user_id",
        "user_name",
        "text",
        "siteUrl",
        "trigger_word",
        "alias",
        "isEdited",
        "tmid",
        "message",
        "room",
        "user",
    ];
    let changes = prop::collection::vec(
        (prop::sample::select(fields.to_vec()), prop::option::of(rubbish)),
        1..5,
    );
    changes.prop_map(|changes| {
        let mut post = posted("m", "!echo hi");
        for (field, value) in changes {
            let object = post.as_object_mut().unwrap();
            match value {
                Some(value) => drop(object.insert(field.to_owned(), value)),
                None => drop(object.remove(field)),
            }
        }
        post
    })
}

#[test]
fn no_damage_of_a_post_harms_the_bot() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let bot = runtime.block_on(Hooked::start(builder()));
    let config = ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(200)
    };
    proptest!(config, |(post in damaged(), bytes in prop::collection::vec(any::<u8>(), 0..200))| {
        runtime.block_on(async {
            let (status, answer) = bot.post(&post).await;
            prop_assert!(status == 200 || status == 400, "{} {}: {}", status, answer, post);
            let (status, _) = bot.call("application/json", &bytes).await;
            prop_assert!(status == 400, "{}", status);
            Ok(())
        })?;
    });
    runtime.block_on(async {
        assert_eq!(
            bot.say("after all", "!echo well").await,
            (200, json!({ "text": "well" }))
        );
        assert!(bot.end().await.is_complete());
    });
}

#[tokio::test]
async fn whatever_is_true_is_a_bot() {
    let bot = Hooked::start(builder()).await;
    let rows = [
        (json!(true), true),
        (json!("true"), true),
        // Of older servers.
        (json!({ "i": "Wx7hQ" }), true),
        (json!({}), true),
        (json!([]), true),
        (json!(1), true),
        (json!("[object Object]"), true),
        (json!(false), false),
        (json!("false"), false),
        (json!(""), false),
        (json!(0), false),
        (json!(null), false),
    ];
    for (index, (mark, is_bot)) in rows.into_iter().enumerate() {
        let mut post = posted(&format!("m{index}"), "!echo hi");
        post["bot"] = mark.clone();
        let answer = if is_bot {
            json!({})
        } else {
            json!({ "text": "hi" })
        };
        assert_eq!(bot.post(&post).await, (200, answer), "{mark}");
    }
    bot.end().await;
}

#[tokio::test]
async fn a_room_is_of_the_kind_that_the_server_tells() {
    let bot = Hooked::start(builder()).await;
    let rows = [
        (json!({}), RoomKind::Unknown),
        (json!({ "room": { "t": "c" } }), RoomKind::Channel),
        (json!({ "room": { "t": "p" } }), RoomKind::Private),
        (json!({ "room": { "t": 1 } }), RoomKind::Unknown),
        (json!({ "room": "p" }), RoomKind::Unknown),
        (
            json!({ "channel_name": null, "room": { "t": "d" } }),
            RoomKind::Direct,
        ),
        (
            json!({ "channel_name": null, "room": { "t": "l" } }),
            RoomKind::Livechat,
        ),
        // Of more than two, or of livechat.
        (json!({ "channel_name": null }), RoomKind::Unknown),
        (
            json!({ "channel_name": null, "channel_id": "annIdrocket.cat" }),
            RoomKind::Direct,
        ),
        (json!({ "channel_id": "annIdrocket.cat" }), RoomKind::Unknown),
    ];
    for (index, (fields, kind)) in rows.into_iter().enumerate() {
        let mut post = posted(&format!("m{index}"), "talk");
        for (name, value) in fields.as_object().unwrap() {
            post[name] = value.clone();
        }
        assert_eq!(bot.post(&post).await.0, 200);
        let heard = bot.heard.lock().unwrap();
        let message = heard.last().unwrap().message().unwrap();
        assert_eq!(message.room().kind(), kind, "{fields}");
    }
    bot.end().await;
}

/// Runs a future within whatever call wakes it.
struct InPlace {
    future: Mutex<Option<Pin<Box<dyn Future<Output = ()> + std::marker::Send>>>>,
    is_woken: AtomicBool,
}

impl Wake for InPlace {
    fn wake(self: Arc<Self>) {
        self.is_woken.store(true, Ordering::SeqCst);
        while self.is_woken.load(Ordering::SeqCst) {
            // Whoever has it sees that it is woken.
            let Ok(mut place) = self.future.try_lock() else {
                return;
            };
            self.is_woken.store(false, Ordering::SeqCst);
            let waker = Waker::from(Arc::clone(&self));
            let mut cx = std::task::Context::from_waker(&waker);
            if place
                .as_mut()
                .is_some_and(|future| future.as_mut().poll(&mut cx).is_ready())
            {
                *place = None;
            }
        }
    }
}

#[tokio::test]
async fn an_answer_that_is_there_at_once_is_not_lost() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (routes, transport) = builder().build().unwrap().into_parts();
    tokio::spawn(async move { axum::serve(listener, routes).await });
    let letters = Arc::<Mutex<Vec<String>>>::default();
    let log = Arc::clone(&letters);
    let serve = Serve::new(transport, NoAccount)
        .on_dead_letter(move |letter: DeadLetter| log.lock().unwrap().push(letter.error.to_string()));
    let app =
        CommandLayer::new("!").layer(Router::new().command("echo", async |Args(text): Args<String>| text));
    // The pipeline runs while the call is being handed over to it, as on another core.
    let running = Box::pin(async move { drop(serve.run(app).await) });
    Waker::from(Arc::new(InPlace {
        future: Mutex::new(Some(running)),
        is_woken: AtomicBool::new(false),
    }))
    .wake();
    for n in 0..5 {
        let post = posted(&n.to_string(), "!echo hi").to_string();
        let answer = call(&address, "application/json", post.as_bytes()).await;
        assert_eq!(answer, (200, json!({ "text": "hi" })), "{n}");
    }
    assert!(letters.lock().unwrap().is_empty());
}

/// A webhook that serves by itself, with a command that waits.
struct Served {
    address: String,
    release: Arc<Notify>,
    began: Arc<Notify>,
    stop: oneshot::Sender<()>,
    serving: JoinHandle<ShutdownReport>,
}

impl Served {
    async fn start(builder: WebhookBuilder) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (release, began) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let (waits, begins) = (Arc::clone(&release), Arc::clone(&began));
        let router = Router::new()
            .command("echo", async |Args(text): Args<String>| text)
            .command("wait", async move || {
                begins.notify_one();
                waits.notified().await;
                "at last"
            });
        let (stop, stopped) = oneshot::channel::<()>();
        let webhook = builder.build().unwrap();
        let serving = tokio::spawn(async move {
            let app = CommandLayer::new("!").layer(router);
            let served = webhook.serve(listener, app, async { stopped.await.unwrap() });
            served.await.unwrap()
        });
        Self {
            address,
            release,
            began,
            stop,
            serving,
        }
    }

    async fn say(&self, id: &str, text: &str) -> (u16, Value) {
        let post = posted(id, text).to_string();
        call(&self.address, "application/json", post.as_bytes()).await
    }

    /// Sends a part of a call.
    async fn begin(&self, length: usize, part: &str) -> TcpStream {
        let mut stream = TcpStream::connect(&self.address).await.unwrap();
        let head = match length {
            0 => String::new(),
            length => format!("POST / HTTP/1.1\r\nhost: h\r\ncontent-length: {length}\r\n\r\n"),
        };
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(part.as_bytes()).await.unwrap();
        stream
    }

    async fn end(self) {
        self.stop.send(()).unwrap();
        let ended = tokio::time::timeout(PATIENCE, self.serving).await.unwrap();
        assert!(ended.unwrap().is_complete());
    }
}

async fn rest_of(mut stream: TcpStream) -> String {
    let mut rest = Vec::new();
    let read = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut rest)).await;
    let _ = read.expect("it is closed in time");
    String::from_utf8(rest).unwrap()
}

#[tokio::test]
async fn an_answer_is_kept_for_a_call_that_comes_when_the_first_was_cut_off() {
    let bot = Served::start(builder()).await;
    let body = posted("m1", "!wait").to_string();
    let cut = bot.begin(body.len(), &body).await;
    bot.began.notified().await;
    drop(cut);
    // The end of the connection is there before the answer.
    tokio::time::sleep(Duration::from_millis(200)).await;
    bot.release.notify_one();
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(bot.say("m1", "!wait").await, (200, json!({ "text": "at last" })));
    bot.end().await;
}

#[tokio::test]
async fn whoever_calls_half_is_cut_off_and_leaves_room_for_others() {
    let bot = Served::start(
        builder()
            .max_connections(2)
            .read_timeout(Duration::from_millis(500)),
    )
    .await;
    for (part, length, expected) in [
        ("", 0, ""),
        ("POST / HTTP/1.1\r\nhost: h\r\nx-", 0, ""),
        ("{\"token\":", 100, "HTTP/1.1 408 "),
    ] {
        let begun = Instant::now();
        let half = [bot.begin(length, part).await, bot.begin(length, part).await];
        // A third one has its turn when they are gone.
        let answer = bot.say("m", "!echo well").await;
        assert_eq!(answer, (200, json!({ "text": "well" })), "{part:?}");
        assert!(begun.elapsed() >= Duration::from_millis(400), "{part:?}");
        for stream in half {
            let rest = rest_of(stream).await;
            assert!(rest.starts_with(expected), "{part:?}: {rest:?}");
        }
    }
    // Who waits for an answer is not cut off by that.
    let body = posted("slow", "!wait").to_string();
    let waits = bot.begin(body.len(), &body).await;
    bot.began.notified().await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    bot.release.notify_one();
    let rest = rest_of(waits).await;
    assert!(rest.contains("at last"), "{rest}");
    bot.end().await;
}

#[tokio::test]
async fn only_so_many_long_bodies_are_read_at_a_time() {
    let bot = Served::start(builder()).await;
    let long = "x".repeat(100_000);
    let mut half = Vec::new();
    for _ in 0..16 {
        half.push(bot.begin(200_000, &long).await);
    }
    let refused = (503, json!({ "error": "the bot can not take it now" }));
    let mut tries = 0;
    let begun = Instant::now();
    // They are read some time.
    loop {
        tries += 1;
        let answer = bot.say(&tries.to_string(), &format!("!echo {long}")).await;
        if answer == refused {
            break;
        }
        assert!(begun.elapsed() < Duration::from_secs(8), "{}", answer.0);
    }
    assert_eq!(
        bot.say("short", "!echo well").await,
        (200, json!({ "text": "well" }))
    );
    drop(half);
    let begun = Instant::now();
    loop {
        tries += 1;
        let (status, _) = bot.say(&tries.to_string(), &format!("!echo {long}")).await;
        if status == 200 {
            break;
        }
        assert!(begun.elapsed() < PATIENCE, "{status}");
    }
    bot.end().await;
}

#[tokio::test]
async fn wrong_tokens_do_not_flood_the_log() {
    let (log, _guard) = support::Log::start(tracing::Level::WARN);
    let bot = Hooked::start(builder()).await;
    for n in 0..20 {
        let mut post = posted("m", "!echo hi");
        post["token"] = json!(n.to_string());
        assert_eq!(bot.post(&post).await.0, 403);
    }
    let lines = log.text().matches("wrong token").count();
    assert_eq!(lines, 1, "{}", log.text());
    bot.end().await;
}

#[tokio::test]
async fn a_slow_answer_is_none_and_says_so() {
    let bot = Hooked::start(builder().answer_within(Duration::from_millis(100))).await;
    assert_eq!(bot.say("slow", "!wait").await, (200, json!({})));
    bot.release.notify_one();
    until(|| !bot.letters.lock().unwrap().is_empty()).await;
    assert!(bot.letters.lock().unwrap()[0].contains("needs an account"));
    // Asked again it is the same, and the handler does not run again.
    assert_eq!(bot.say("slow", "!wait").await, (200, json!({})));
    bot.end().await;
}

#[tokio::test]
async fn a_message_that_comes_again_is_answered_the_same_and_handled_once() {
    let bot = Arc::new(Hooked::start(builder()).await);
    let first = bot.say("m1", "!echo once").await;
    assert_eq!(bot.say("m1", "!echo once").await, first);
    // Also while the first call has not been answered, and after that one was cut.
    let (one, other) = (Arc::clone(&bot), Arc::clone(&bot));
    let cut = tokio::spawn(async move { one.say("m2", "!wait").await });
    until(|| bot.heard.lock().unwrap().len() >= 3).await;
    cut.abort();
    let again = tokio::spawn(async move { other.say("m2", "!wait").await });
    // It is answered whenever the second call arrives, before or after.
    tokio::time::sleep(Duration::from_millis(50)).await;
    bot.release.notify_one();
    assert_eq!(again.await.unwrap(), (200, json!({ "text": "at last" })));
    let commands = bot
        .heard
        .lock()
        .unwrap()
        .iter()
        .filter(|event| event.message().is_some())
        .count();
    assert_eq!(commands, 2);
    // Another integration asks by itself.
    let mut dev = posted("m1", "!echo once");
    dev["token"] = json!("second");
    assert_eq!(bot.post(&dev).await, first);
    assert_eq!(
        bot.heard
            .lock()
            .unwrap()
            .iter()
            .filter(|event| event.message().is_some())
            .count(),
        3
    );
}

#[tokio::test]
async fn a_bot_that_stops_has_the_server_come_again() {
    let bot = Hooked::start(builder()).await;
    let address = bot.address.clone();
    let waits = tokio::spawn(async move {
        call(
            &address,
            "application/json",
            posted("m1", "!wait").to_string().as_bytes(),
        )
        .await
    });
    until(|| bot.heard.lock().unwrap().len() == 2).await;
    let (address, release) = (bot.address.clone(), Arc::clone(&bot.release));
    let ending = tokio::spawn(bot.end());
    // What runs may end.
    tokio::time::sleep(Duration::from_millis(50)).await;
    release.notify_one();
    assert_eq!(waits.await.unwrap(), (200, json!({ "text": "at last" })));
    assert!(ending.await.unwrap().is_complete());
    let (status, answer) = call(&address, "application/json", POSTED.as_bytes()).await;
    assert_eq!(
        (status, answer),
        (503, json!({ "error": "the bot can not take it now" }))
    );
}

#[tokio::test]
async fn the_convenience_serves_until_it_is_stopped_and_frees_the_port() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let app =
        CommandLayer::new("!").layer(Router::new().command("echo", async |Args(text): Args<String>| text));
    let (stop, stopped) = oneshot::channel::<()>();
    let webhook = builder().build().unwrap();
    let serving = tokio::spawn(webhook.serve(listener, app, async { stopped.await.unwrap() }));
    assert_eq!(
        call(&address, "application/json", POSTED.as_bytes()).await,
        (200, json!({ "text": "hi" }))
    );
    stop.send(()).unwrap();
    assert!(serving.await.unwrap().unwrap().is_complete());
    assert!(TcpStream::connect(&address).await.is_err());
}

#[cfg(feature = "sandbox")]
#[tokio::test]
async fn a_server_and_a_bot_talk_without_an_account() {
    use rocketbotte::sandbox::{OutgoingWebhook, Sandbox};

    let sandbox = Sandbox::builder()
        .user("ann")
        .bot("rocketbotte")
        .channel("dev")
        .start()
        .await
        .unwrap();
    let bot = Hooked::start(builder()).await;
    let url = format!("http://{}/", bot.address);
    let hook = OutgoingWebhook::new(&url, "first")
        .room("general")
        .trigger_word("!");
    sandbox.add_outgoing_webhook(hook).unwrap();
    let ann = sandbox.user("ann");
    ann.say("general", "no trigger").await;
    ann.say("dev", "!echo elsewhere").await;
    let asked = ann.say("general", "!echo over http").await;
    let answer = sandbox
        .wait_for(|message| message.text == "over http", PATIENCE)
        .await
        .unwrap();
    assert_eq!(answer.username, "rocketbotte");
    assert!(answer.raw["bot"]["i"].is_string());
    ann.say("general", "!rich").await;
    let rich = sandbox
        .wait_for(|message| message.text == "look", PATIENCE)
        .await
        .unwrap();
    assert_eq!(rich.raw["attachments"][0]["title"], "a box");
    assert_eq!(rich.raw["alias"], "Deputy");
    assert!(rich.thread_id.is_some());
    let heard: Vec<_> = bot
        .heard
        .lock()
        .unwrap()
        .iter()
        .filter_map(|event| Some(event.message()?.id().to_string()))
        .collect();
    assert!(heard.contains(&asked), "{heard:?}");
    assert_eq!(
        heard.len(),
        2,
        "neither what has no trigger word, nor another room, nor its own answers"
    );

    // An older server shows of bots an object: without a trigger word the bot hears itself too.
    let older = OutgoingWebhook::new(&url, "second").room("dev").bot_as_object();
    sandbox.add_outgoing_webhook(older).unwrap();
    ann.say("dev", "!echo !echo again").await;
    for text in ["!echo again", "the end"] {
        sandbox
            .wait_for(|message| message.text == text, PATIENCE)
            .await
            .unwrap();
        ann.say("dev", "!echo the end").await;
    }
    assert!(
        sandbox
            .messages("dev")
            .iter()
            .all(|message| message.text != "again")
    );
    for hook in [
        OutgoingWebhook::new("https://example.org", "t"),
        OutgoingWebhook::new(&url, "t").room("nowhere"),
        OutgoingWebhook::new(&url, "t").username("nobody"),
    ] {
        assert!(sandbox.add_outgoing_webhook(hook).is_err());
    }
    bot.end().await;
    sandbox.shutdown().await;
}
