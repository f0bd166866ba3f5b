//! Input of any shape, over both protocols: the server answers as documented, or ends the connection, nothing panics,
//! and it works on for everybody else.
#![cfg(feature = "sandbox")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test ends by them")]

#[path = "../sandbox/client.rs"]
#[allow(dead_code, reason = "each test uses a part")]
mod client;
mod forms;
mod half_open;
mod page;
mod realtime;
mod rest;
mod values;

use std::panic;
use std::sync::Once;
use std::sync::atomic::{AtomicUsize, Ordering};

use proptest::test_runner::Config;
use rocketbotte::sandbox::Sandbox;
use serde_json::json;

use self::client::{Ddp, post};

static PANICS: AtomicUsize = AtomicUsize::new(0);

/// From now on it is counted what panics in the server, where nobody else would see it: anywhere but in these tests.
fn count_panics() {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            let is_the_servers = info
                .location()
                .is_some_and(|place| !place.file().contains("tests/garbage"));
            if is_the_servers {
                PANICS.fetch_add(1, Ordering::SeqCst);
            }
            before(info);
        }));
    });
}

/// So many cases, or as many as `PROPTEST_CASES` says.
fn config(cases: u32) -> Config {
    let default = Config::default();
    let is_set = std::env::var_os("PROPTEST_CASES").is_some();
    Config {
        cases: if is_set { default.cases } else { cases },
        failure_persistence: None,
        ..default
    }
}

fn run<F: Future>(test: F) -> F::Output {
    count_panics();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(test)
}

/// A server in memory with people in it. Nothing that is generated names carol.
fn sandbox() -> Sandbox {
    Sandbox::builder()
        .user("ann")
        .user("carol")
        .bot("rocketbotte")
        .start_in_memory()
}

/// Somebody else can still log in and write, and is heard.
async fn assert_works(sandbox: &Sandbox) {
    let carol = sandbox.user("carol");
    let room = sandbox.create_channel(&format!("room-{}", fastrand::u64(..)), &["carol"]);
    let room = room.expect("makes a room");
    let mut ddp = Ddp::in_memory(sandbox).await;
    ddp.handshake().await;
    let login = ddp.call("login", json!([{ "resume": carol.token() }])).await;
    assert_eq!(login["result"]["id"], carol.id(), "carol cannot log in: {login}");
    ddp.my_messages().await;
    let message = json!({ "message": { "rid": room, "msg": "still here?" } });
    let (status, body) = post(sandbox, &carol, "chat.sendMessage", message).await;
    assert_eq!(status, 200, "{body}");
    ddp.find(|frame| frame["fields"]["args"][0]["msg"] == "still here?")
        .await;
    assert_eq!(PANICS.load(Ordering::SeqCst), 0, "something panicked");
}

#[test]
#[should_panic(expected = "carol cannot log in")]
fn a_login_that_no_longer_works_is_seen() {
    run(async {
        let sandbox = sandbox();
        let (status, body) = post(&sandbox, &sandbox.user("carol"), "logout", json!({})).await;
        // No panic that is expected.
        if status != 200 {
            eprintln!("{body}");
            return;
        }
        assert_works(&sandbox).await;
    });
}
