//! Connections that begin and do not go on. Time is paused: what takes a minute takes no time.

use std::time::Duration;

use futures_util::StreamExt as _;
use rocketbotte::sandbox::Sandbox;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
use tokio::time::{Instant, timeout};

use super::client::Ddp;
use super::{assert_works, count_panics, sandbox};

/// What comes until the server ends the connection, and how long that takes.
async fn end_of(stream: &mut DuplexStream) -> (String, Duration) {
    let began = Instant::now();
    let mut answer = Vec::new();
    let _ = timeout(Duration::from_secs(3600), stream.read_to_end(&mut answer))
        .await
        .expect("ends within an hour");
    (String::from_utf8_lossy(&answer).into_owned(), began.elapsed())
}

async fn begun(sandbox: &Sandbox, bytes: &str) -> DuplexStream {
    let mut stream = sandbox.connect();
    stream.write_all(bytes.as_bytes()).await.expect("is read");
    stream
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_says_nothing_is_ended() {
    count_panics();
    let sandbox = sandbox();
    let (answer, after) = end_of(&mut begun(&sandbox, "").await).await;
    assert!(answer.is_empty() && after <= Duration::from_secs(61), "{after:?}");
    assert_works(&sandbox).await;
}

#[tokio::test(start_paused = true)]
async fn headers_that_come_byte_by_byte_are_given_a_minute() {
    count_panics();
    let sandbox = sandbox();
    let mut stream = begun(&sandbox, "GET /api/info HTTP/1.1\r\nhost: localhost\r\n").await;
    let began = Instant::now();
    while stream.write_all(b"x: y\r\n").await.is_ok() {
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert!(began.elapsed() < Duration::from_secs(120), "it is still read");
    }
    assert_works(&sandbox).await;
}

#[tokio::test(start_paused = true)]
async fn a_body_that_does_not_come_is_not_waited_for_for_ever() {
    count_panics();
    let sandbox = sandbox();
    let head = "POST /api/v1/login HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{";
    let (answer, after) = end_of(&mut begun(&sandbox, head).await).await;
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    assert!(after <= Duration::from_secs(301), "{after:?}");
    assert_works(&sandbox).await;
}

#[tokio::test(start_paused = true)]
async fn a_body_that_comes_byte_by_byte_is_not_either() {
    count_panics();
    let sandbox = sandbox();
    let head = "POST /api/v1/login HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n";
    let mut stream = begun(&sandbox, head).await;
    let began = Instant::now();
    while stream.write_all(b"1\r\n \r\n").await.is_ok() {
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert!(began.elapsed() < Duration::from_secs(400), "it is still read");
    }
    assert_works(&sandbox).await;
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_is_kept_and_not_used_is_ended() {
    count_panics();
    let sandbox = sandbox();
    let request = "GET /api/info HTTP/1.1\r\nhost: localhost\r\n\r\n";
    let (answer, after) = end_of(&mut begun(&sandbox, request).await).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(after <= Duration::from_secs(61), "{after:?}");
}

#[tokio::test(start_paused = true)]
async fn a_websocket_that_says_nothing_is_ended() {
    count_panics();
    let sandbox = sandbox();
    // Not even the handshake of the protocol.
    let silent = Ddp::in_memory(&sandbox).await;
    let mut changes = 0;
    let gone = sandbox.wait_until(
        |sandbox| {
            changes += 1;
            sandbox.connections() == 0
        },
        Duration::from_secs(120),
    );
    gone.await.expect("is ended");
    drop(silent);
    assert_works(&sandbox).await;
}

#[tokio::test(start_paused = true)]
async fn a_thousand_of_them_leave_room_for_others() {
    count_panics();
    let sandbox = sandbox();
    let mut held = Vec::new();
    for n in 0..1_000 {
        held.push(
            begun(
                &sandbox,
                [
                    "",
                    "G",
                    "GET / HTTP/1.1\r\n",
                    "POST / HTTP/1.1\r\ncontent-length: 9\r\n\r\n",
                ][n % 4],
            )
            .await,
        );
    }
    assert_works(&sandbox).await;
    tokio::time::sleep(Duration::from_secs(400)).await;
    for mut stream in held {
        let mut rest = Vec::new();
        let _ = timeout(Duration::from_secs(1), stream.read_to_end(&mut rest))
            .await
            .expect("has ended");
    }
}

/// The heartbeat's own frames are counted like all others.
#[tokio::test(start_paused = true)]
async fn a_connection_that_only_answers_pings_lives_on_and_hears_what_is_said() {
    count_panics();
    let sandbox = sandbox();
    let mut ddp = Ddp::in_memory(&sandbox).await;
    ddp.log_in(&sandbox.user("ann")).await;
    ddp.my_messages().await;
    for _ in 0..20 {
        // It comes after fifteen seconds, which is longer than other frames take.
        let ping = ddp.socket.next().await.expect("is open").expect("is a frame");
        assert_eq!(ping.into_text().expect("is text").as_str(), r#"{"msg":"ping"}"#);
        ddp.send(serde_json::json!({ "msg": "pong" })).await;
    }
    sandbox.bot("rocketbotte").say("general", "still there?").await;
    assert_eq!(ddp.event().await[0]["msg"], "still there?");
    assert_works(&sandbox).await;
}
