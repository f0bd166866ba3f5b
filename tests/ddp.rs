//! The realtime transport against a server on the other end of in-memory pipes, with paused time.
#![cfg(feature = "client")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test ends by them")]

#[path = "support/pipes.rs"]
mod pipes;

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::{FutureExt as _, StreamExt as _};
use rocketbotte::Credentials;
use rocketbotte::event::Event;
use rocketbotte::transport::{
    ConnectionState, Connector, DdpTransport, DdpTransportBuilder, Transport as _, TransportError,
    TransportErrorKind,
};
use serde_json::json;
use tokio::io::{AsyncWriteExt as _, DuplexStream};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::Message;

use pipes::{Ddp, USER, pipes, read_request};

fn builder(connector: Connector) -> DdpTransportBuilder {
    let url = "https://chat.example.org/sub".parse().unwrap();
    DdpTransport::builder(url, Credentials::new(USER, "TOKEN").unwrap(), connector)
}

fn transport() -> (DdpTransport, mpsc::UnboundedReceiver<DuplexStream>) {
    let (connector, accept) = pipes();
    (builder(connector).build(), accept)
}

async fn event(transport: &mut DdpTransport) -> Event {
    transport
        .next()
        .await
        .expect("not the end")
        .expect("no error")
        .into_parts()
        .0
}

async fn error(mut transport: DdpTransport) -> TransportError {
    let error = transport
        .next()
        .await
        .expect("not the end")
        .expect_err("an error");
    assert!(transport.next().await.is_none(), "nothing after a fatal error");
    assert_eq!(*transport.handle().state().borrow(), ConnectionState::Closed);
    error
}

fn text_of(event: &Event) -> &str {
    match event {
        Event::Message(message) => message.text(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn events_arrive_and_states_follow() {
    let (mut transport, mut accept) = transport();
    let mut state = transport.handle().state();
    assert_eq!(*state.borrow_and_update(), ConnectionState::Off);
    let server = tokio::spawn(async move {
        let mut ddp = Ddp::accept_ready(&mut accept).await;
        ddp.send_message("m1", "hello").await;
        // Not in the room.
        ddp.send_message_from("m2", "elsewhere", false).await;
        ddp.send_raw(Message::binary(vec![0xff, 0])).await;
        ddp.send_raw(Message::text("{\"msg\":\"chan")).await;
        ddp.send_message("m3", "world").await;
        ddp
    });
    assert!(matches!(event(&mut transport).await, Event::Ready));
    assert_eq!(*state.borrow_and_update(), ConnectionState::Ready);
    assert_eq!(text_of(&event(&mut transport).await), "hello");
    assert_eq!(text_of(&event(&mut transport).await), "world");
    drop(server.await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn the_websocket_is_asked_for_at_exactly_its_path() {
    let (transport, mut accept) = transport();
    let client = tokio::spawn(error(transport));
    let mut stream = accept.recv().await.unwrap();
    let request = read_request(&mut stream).await.unwrap();
    assert_eq!(request.line(), "GET /sub/websocket HTTP/1.1");
    assert_eq!(request.header("host"), Some("chat.example.org"));
    assert!(!request.head.contains("TOKEN"));
    stream
        .write_all(b"HTTP/1.1 404 Not Found\r\ncontent-length: 9\r\n\r\nnot found")
        .await
        .unwrap();
    assert_eq!(client.await.unwrap().kind(), TransportErrorKind::Configuration);
}

#[tokio::test(start_paused = true)]
async fn fifty_drops_in_a_row() {
    let (connector, mut accept) = pipes();
    let mut transport = builder(connector).max_retry_time(Duration::from_secs(1)).build();
    let server = tokio::spawn(async move {
        for round in 0..=50 {
            let mut ddp = Ddp::accept_ready(&mut accept).await;
            ddp.send_message(&format!("m{round}"), &round.to_string()).await;
            // Nothing is subscribed twice: the next thing that comes is a ping.
            assert_eq!(ddp.next_any().await.unwrap()["msg"], "ping");
        }
        accept
    });
    for round in 0..=50 {
        match event(&mut transport).await {
            Event::Ready => assert_eq!(round, 0),
            Event::Reconnected(back) => {
                // The last frame came up to 20 seconds before the ping at which the server hangs up.
                assert!(round > 0 && back.gap() <= Duration::from_secs(22), "{back:?}")
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(text_of(&event(&mut transport).await), round.to_string());
    }
    assert!(
        server.await.unwrap().try_recv().is_err(),
        "one connection at a time"
    );
}

#[tokio::test(start_paused = true)]
async fn the_first_retry_after_a_healthy_connection_is_quick() {
    let (mut transport, mut accept) = transport();
    let server = tokio::spawn(async move {
        drop(Ddp::accept_ready(&mut accept).await);
        let lost = Instant::now();
        let ddp = Ddp::accept_ready(&mut accept).await;
        (lost.elapsed(), ddp)
    });
    event(&mut transport).await;
    assert!(matches!(event(&mut transport).await, Event::Reconnected(_)));
    assert!(server.await.unwrap().0 <= Duration::from_millis(50));
}

#[tokio::test(start_paused = true)]
async fn a_silent_server_is_left_after_a_minute() {
    let (mut transport, mut accept) = transport();
    let server = tokio::spawn(async move {
        let mut ddp = Ddp::accept_ready(&mut accept).await;
        let start = Instant::now();
        let mut pings = 0;
        // Reads, but never says anything.
        while let Some(frame) = ddp.next_any().await {
            assert_eq!(frame["msg"], "ping");
            pings += 1;
        }
        assert_eq!(pings, 2);
        let silence = start.elapsed();
        (silence, Ddp::accept_ready(&mut accept).await)
    });
    event(&mut transport).await;
    assert!(matches!(event(&mut transport).await, Event::Reconnected(_)));
    assert_eq!(server.await.unwrap().0.as_secs(), 60);
}

#[tokio::test(start_paused = true)]
async fn a_pipeline_that_takes_nothing_harms_only_itself() {
    let (connector, mut accept) = pipes();
    let mut transport = builder(connector).queue(4).build();
    let handle = transport.handle();
    let server = tokio::spawn(async move { Ddp::accept_ready(&mut accept).await });
    assert!(matches!(event(&mut transport).await, Event::Ready));
    let mut ddp = server.await.unwrap();
    for n in 0..20 {
        ddp.send_message(&format!("m{n}"), "flood").await;
    }
    ddp.send(json!({"msg": "ping", "id": "still there?"})).await;
    assert_eq!(ddp.next().await, json!({"msg": "pong", "id": "still there?"}));
    assert_eq!(handle.overflowed(), 16);
    assert_eq!(*handle.state().borrow(), ConnectionState::Ready);
    for _ in 0..4 {
        assert_eq!(text_of(&event(&mut transport).await), "flood");
    }
    drop(ddp);
}

#[tokio::test(start_paused = true)]
async fn stopping_says_goodbye_and_then_ends_the_stream() {
    for drops in [false, true] {
        let (mut transport, mut accept) = transport();
        let handle = transport.handle();
        let server = tokio::spawn(async move { Ddp::accept_ready(&mut accept).await });
        event(&mut transport).await;
        let mut ddp = server.await.unwrap();
        if drops {
            drop(transport);
        } else {
            Pin::new(&mut transport).stop();
            assert!(
                transport.next().now_or_never().is_none(),
                "the connection is still open"
            );
            let server = tokio::spawn(async move {
                assert_eq!(ddp.next_any().await, Some(json!({"msg": "disconnect"})));
                assert!(ddp.next_any().await.is_none(), "a close frame");
                ddp
            });
            assert!(transport.next().await.is_none());
            assert_eq!(*handle.state().borrow(), ConnectionState::Closed);
            ddp = server
                .now_or_never()
                .expect("the server saw the end first")
                .unwrap();
            drop(ddp);
            continue;
        }
        assert_eq!(ddp.next_any().await, Some(json!({"msg": "disconnect"})));
        assert!(ddp.next_any().await.is_none());
        handle
            .state()
            .wait_for(|state| *state == ConnectionState::Closed)
            .await
            .unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_does_not_answer_holds_up_the_end_for_a_second_at_most() {
    let (mut transport, mut accept) = transport();
    let server = tokio::spawn(async move { Ddp::accept_ready(&mut accept).await });
    event(&mut transport).await;
    let ddp = server.await.unwrap();
    let start = Instant::now();
    Pin::new(&mut transport).stop();
    assert!(transport.next().await.is_none());
    assert_eq!(start.elapsed(), Duration::from_secs(1));
    drop(ddp);
}

#[tokio::test(start_paused = true)]
async fn typing_is_sent_with_the_name_and_the_thread() {
    let (connector, mut accept) = pipes();
    let mut transport = builder(connector).typing_as("bot").build();
    let server = tokio::spawn(async move { Ddp::accept_ready(&mut accept).await });
    event(&mut transport).await;
    let mut ddp = server.await.unwrap();
    let handle = transport.handle();
    handle.typing("r1".into(), Some("t1".into()), true);
    handle.typing("r1".into(), Some("t1".into()), false);
    for activities in [json!(["user-typing"]), json!([])] {
        let call = ddp.next().await;
        assert_eq!(call["method"], "stream-notify-room");
        assert!(call["id"].is_string());
        assert_eq!(
            call["params"],
            json!(["r1/user-activity", "bot", activities, {"tmid": "t1"}])
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_refused_token_ends_it() {
    let (transport, mut accept) = transport();
    let server = tokio::spawn(async move {
        let mut ddp = Ddp::accept(&mut accept).await;
        ddp.next().await;
        ddp.send(json!({"msg": "connected", "session": "s"})).await;
        ddp.next().await;
        ddp.send(json!({"msg": "result", "id": "1", "error": {
            "isClientSafe": true, "error": 403, "errorType": "Meteor.Error",
            "reason": "You've been logged out by the server. Please log in again.",
            "message": "You've been logged out by the server. Please log in again. [403]",
        }}))
        .await;
        ddp
    });
    let error = error(transport).await;
    assert_eq!(error.kind(), TransportErrorKind::Refused);
    assert_eq!(
        error.to_string(),
        format!(
            "https://chat.example.org/sub refused the token of user {USER}: You've been logged out by the server. Please \
             log in again. [403]; make a new token for this user"
        )
    );
    drop(server.await.unwrap());
}

/// A connector whose connections answer the websocket handshake with these bytes, one after the other; behind them a
/// server that works.
fn answering(answers: &[&'static str]) -> (Connector, mpsc::UnboundedReceiver<DuplexStream>) {
    let (working, accept) = mpsc::unbounded_channel();
    let answers = Arc::new(Mutex::new(answers.iter().copied().collect::<VecDeque<_>>()));
    let connector = Connector::from_fn(move |_| {
        let answer = answers.lock().unwrap().pop_front();
        let working = working.clone();
        async move {
            let (client, mut server) = tokio::io::duplex(64 * 1024);
            match answer {
                Some("refused") => return Err(std::io::ErrorKind::ConnectionRefused.into()),
                Some("unknown host") => {
                    return Err(std::io::Error::other(
                        "failed to lookup address information: Name or service not known",
                    ));
                }
                Some("works") | None => drop(working.send(server)),
                Some(answer) => {
                    tokio::spawn(async move {
                        read_request(&mut server).await;
                        server.write_all(answer.as_bytes()).await.unwrap();
                    });
                }
            }
            Ok(client)
        }
    });
    (connector, accept)
}

#[tokio::test(start_paused = true)]
async fn a_wrong_configuration_ends_it_before_the_first_success() {
    for (answer, parts) in [
        (
            "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\n\r\n<!DOCTYPE html>\n<title>Home</title>",
            &[
                "https://chat.example.org/sub/websocket answered 200 OK",
                "<!DOCTYPE html> <title>",
                "check that",
            ][..],
        ),
        (
            "HTTP/1.1 404 Not Found\r\n\r\n",
            &["answered 404 Not Found", "check that"],
        ),
        (
            "HTTP/1.1 301 Moved Permanently\r\nlocation: https://other.example.org/websocket\r\n\r\n",
            &[
                "redirects to https://other.example.org;",
                "write that as the server address",
            ],
        ),
        (
            "SSH-2.0-OpenSSH_9.6\r\n\r\n",
            &["did not answer as a websocket", "check the server address"],
        ),
        (
            "unknown host",
            &[
                "the host chat.example.org of https://chat.example.org/sub is unknown",
                "check the spelling",
            ],
        ),
    ] {
        let (connector, _accept) = answering(&[answer]);
        let error = error(builder(connector).build()).await;
        assert_eq!(error.kind(), TransportErrorKind::Configuration, "{error}");
        for part in parts {
            assert!(error.to_string().contains(part), "{error}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_may_pass_is_tried_again_before_the_first_success() {
    let (connector, mut accept) = answering(&[
        "refused",
        "HTTP/1.1 503 Service Unavailable\r\n\r\n",
        "HTTP/1.1 429 Too Many Requests\r\n\r\n",
        "",
    ]);
    let mut transport = builder(connector).build();
    let server = tokio::spawn(async move { Ddp::accept_ready(&mut accept).await });
    assert!(matches!(event(&mut transport).await, Event::Ready));
    drop(server.await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn everything_is_tried_again_after_the_first_success() {
    let (connector, mut accept) = answering(&[
        "works",
        "HTTP/1.1 404 Not Found\r\n\r\n",
        "HTTP/1.1 200 OK\r\n\r\n<html>",
        "unknown host",
    ]);
    let mut transport = builder(connector).build();
    let server = tokio::spawn(async move {
        drop(Ddp::accept_ready(&mut accept).await);
        Ddp::accept_ready(&mut accept).await
    });
    assert!(matches!(event(&mut transport).await, Event::Ready));
    assert!(matches!(event(&mut transport).await, Event::Reconnected(_)));
    drop(server.await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn it_gives_up_where_it_is_told_to() {
    let refusing = || {
        Connector::from_fn(|_| async {
            Err::<DuplexStream, _>(std::io::Error::from(std::io::ErrorKind::ConnectionRefused))
        })
    };
    let error_of = async |builder: DdpTransportBuilder| error(builder.build()).await;
    let error = error_of(builder(refusing()).max_retry(3)).await;
    assert_eq!(error.kind(), TransportErrorKind::Broken);
    assert!(
        error
            .to_string()
            .contains("gave up on https://chat.example.org/sub after 3 failed attempts"),
        "{error}"
    );
    assert!(
        error
            .to_string()
            .contains("was refused; check that the server runs"),
        "{error}"
    );

    let start = Instant::now();
    error_of(builder(refusing()).max_off_time(Duration::from_secs(120))).await;
    assert_eq!(start.elapsed().as_secs(), 120);
}

#[tokio::test(start_paused = true)]
async fn it_can_be_stopped_while_it_waits() {
    let (connector, _accept) = answering(&["refused"; 20]);
    let mut transport = builder(connector).build();
    assert!(transport.next().now_or_never().is_none());
    tokio::task::yield_now().await;
    Pin::new(&mut transport).stop();
    assert!(transport.next().await.is_none());

    let (connector, _accept) = answering(&[]);
    let mut never_polled = builder(connector).build();
    Pin::new(&mut never_polled).stop();
    assert!(never_polled.next().await.is_none());
}
