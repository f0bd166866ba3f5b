//! A server that goes away, steps at which connections end, proxies in between, and the counts of it all.

use std::{io, time::Duration};

use rocketbotte::sandbox::{RestFault, Sandbox, Step};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::client::{Ddp, PATIENCE, Received, get, post, request};

async fn sandbox() -> Sandbox {
    Sandbox::start().await.expect("starts")
}

fn is_end(received: &Received) -> bool {
    matches!(received, Received::Broken(_) | Received::Ended)
}

#[tokio::test]
async fn a_server_that_is_gone_refuses_and_comes_back_with_all_it_knew() {
    let sandbox = sandbox().await;
    let bot = sandbox.bot("rocketbotte");
    let address = sandbox.addr().expect("is TCP");
    let mut ddp = Ddp::login(&sandbox, &bot).await;
    // A connection of REST that is kept open.
    let mut idle = TcpStream::connect(address).await.expect("connects");
    idle.write_all(b"GET /api/info HTTP/1.1\r\nhost: localhost\r\n\r\n")
        .await
        .expect("sends");
    let mut buffer = vec![0; 4096];
    assert!(idle.read(&mut buffer).await.expect("is answered") > 0);
    for _ in 0..3 {
        sandbox.go_down().await;
        assert_eq!(sandbox.connections(), 0);
        let error = TcpStream::connect(address).await.expect_err("nobody listens");
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
        sandbox.user("ann").say("general", "who is there?").await;
        sandbox.come_back().await;
        assert_eq!(get(&sandbox, &bot, "me").await.0, 200);
    }
    assert!(is_end(&ddp.receive().await));
    assert!(!matches!(idle.read(&mut buffer).await, Ok(1..)), "it has ended");
    Ddp::login(&sandbox, &bot).await;
    assert_eq!(sandbox.messages("general").len(), 3);
    assert_eq!(sandbox.faults_met()["server gone"], 3);
}

#[tokio::test(start_paused = true)]
async fn a_server_in_memory_goes_away_too() {
    let sandbox = Sandbox::builder()
        .user("ann")
        .bot("rocketbotte")
        .start_in_memory();
    let mut ddp = Ddp::in_memory(&sandbox).await;
    ddp.handshake().await;
    sandbox.go_down().await;
    assert!(is_end(&ddp.receive().await));
    assert_eq!(sandbox.connect().read(&mut [0; 8]).await.expect("ends"), 0);
    sandbox.come_back().await;
    Ddp::in_memory(&sandbox).await.handshake().await;
}

#[tokio::test]
async fn one_that_was_shut_down_stays_so() {
    let sandbox = sandbox().await;
    sandbox.shutdown().await;
    sandbox.come_back().await;
    let address = sandbox.addr().expect("is TCP");
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn connections_are_cut_at_a_step() {
    let sandbox = sandbox().await;
    let bot = sandbox.bot("rocketbotte");
    for step in [Step::Connect, Step::Login, Step::Subscribe, Step::Ping] {
        sandbox.cut_at(step);
        let mut ddp = Ddp::open(&sandbox).await;
        assert_eq!(ddp.next().await, json!({ "server_id": "0" }));
        let frames = [
            (
                Step::Connect,
                json!({ "msg": "connect", "version": "1", "support": ["1"] }),
            ),
            (
                Step::Login,
                json!({ "msg": "method", "id": "1", "method": "login", "params": [{ "resume": bot.token() }] }),
            ),
            (
                Step::Subscribe,
                json!({ "msg": "sub", "id": "2", "name": "stream-room-messages", "params": ["GENERAL", false] }),
            ),
            (Step::Ping, json!({ "msg": "ping" })),
        ];
        for (at, frame) in frames {
            ddp.send(frame).await;
            let received = ddp.receive().await;
            assert_eq!(is_end(&received), at == step, "{step:?} {at:?}: {received:?}");
            if at == step {
                break;
            }
            if at == Step::Login {
                // What comes with the result.
                ddp.find(|frame| frame["msg"] == "updated").await;
            }
        }
    }
    sandbox.cut_at(Step::Upgrade);
    let stream = TcpStream::connect(sandbox.addr().expect("is TCP"))
        .await
        .expect("connects");
    let refused = tokio_tungstenite::client_async("ws://localhost/websocket", stream).await;
    assert!(refused.is_err());
    // Each counts for one connection.
    Ddp::login(&sandbox, &bot).await.my_messages().await;
    let met = sandbox.faults_met();
    for name in [
        "cut at upgrade",
        "cut at connect",
        "cut at login",
        "cut at subscribe",
        "cut at ping",
    ] {
        assert_eq!(met[name], 1, "{name}");
    }
    sandbox.cut_at(Step::Login);
    sandbox.clear_faults();
    Ddp::login(&sandbox, &bot).await;
}

#[tokio::test]
async fn half_a_frame_ends_within_a_character() {
    let sandbox = sandbox().await;
    let mut ddp = Ddp::login(&sandbox, &sandbox.bot("rocketbotte")).await;
    sandbox.send_half_frame();
    let mut bytes = Vec::new();
    let stream = ddp.socket.get_mut();
    tokio::time::timeout(PATIENCE, stream.read_to_end(&mut bytes))
        .await
        .expect("in time")
        .expect("ends");
    // Behind the two bytes of the frame's head.
    let error = std::str::from_utf8(&bytes[2..]).expect_err("is cut within a character");
    assert!(error.valid_up_to() > 10 && error.error_len().is_none(), "{error}");
}

#[tokio::test]
async fn proxies_answer_with_pages_and_replies_are_cut() {
    let sandbox = sandbox().await;
    let bot = sandbox.bot("rocketbotte");
    let message = |id: &str| json!({ "message": { "_id": id, "rid": "GENERAL", "msg": id } }).to_string();
    let path = "/api/v1/chat.sendMessage";
    for status in [502, 503, 504] {
        sandbox.fail_next("chat.sendMessage", RestFault::Proxy(status));
        let answer = request(&sandbox, Some(&bot), "POST", path, Some(&message("a"))).await;
        let answer = answer.expect("answers");
        assert_eq!(answer.status, status);
        assert!(answer.text.starts_with("<html>"), "{}", answer.text);
    }
    assert!(sandbox.messages("general").is_empty());
    sandbox.fail_next("chat.sendMessage", RestFault::HalfReply);
    let answer = request(&sandbox, Some(&bot), "POST", path, Some(&message("a"))).await;
    assert!(answer.is_err());
    assert_eq!(sandbox.messages("general").len(), 1, "it was done");
    // The next connection is whole.
    let body = json!({ "message": { "rid": "GENERAL", "msg": "b" } });
    assert_eq!(post(&sandbox, &bot, "chat.sendMessage", body).await.0, 200);
    let met = sandbox.faults_met();
    assert_eq!((met["page of a proxy"], met["half a reply"]), (3, 1));
}

#[tokio::test]
async fn bursts_and_slow_calls_are_counted() {
    let sandbox = sandbox().await;
    let bot = sandbox.bot("rocketbotte");
    sandbox.fail_next_calls("me", 3, RestFault::Status(503));
    for expected in [503, 503, 503, 200] {
        assert_eq!(get(&sandbox, &bot, "me").await.0, expected);
    }
    sandbox.fail_next_calls("me", 0, RestFault::Html);
    assert_eq!(sandbox.most_calls_at_once("me"), 1);
    let delay = Duration::from_millis(100);
    sandbox.slow_rest(delay);
    let began = std::time::Instant::now();
    let calls = (0..5).map(|_| get(&sandbox, &bot, "me"));
    let answers = futures_util::future::join_all(calls).await;
    assert!(answers.iter().all(|(status, _)| *status == 200));
    assert!(began.elapsed() >= delay);
    assert_eq!(sandbox.most_calls_at_once("me"), 5);
    assert_eq!(sandbox.most_calls_at_once("info"), 0);
}

#[tokio::test]
async fn messages_of_different_rooms_overtake_each_other_and_those_of_one_do_not() {
    let sandbox = Sandbox::builder()
        .user("ann")
        .bot("rocketbotte")
        .channel("dev")
        .start()
        .await
        .expect("starts");
    let ann = sandbox.user("ann");
    let mut ddp = Ddp::login(&sandbox, &sandbox.bot("rocketbotte")).await;
    ddp.my_messages().await;
    sandbox.reorder_rooms(true);
    let mut said = Vec::new();
    for n in 0..30 {
        let room = ["general", "dev"][usize::from(n % 3 == 0)];
        said.push(format!("{room} {n}"));
        ann.say(room, &said[n]).await;
    }
    sandbox.reorder_rooms(false);
    let mut heard = Vec::new();
    for _ in 0..30 {
        heard.push(ddp.event().await[0]["msg"].as_str().expect("is text").to_owned());
    }
    assert_ne!(heard, said);
    for room in ["general", "dev"] {
        let of_room = |list: &[String]| -> Vec<String> {
            list.iter()
                .filter(|text| text.starts_with(room))
                .cloned()
                .collect()
        };
        assert_eq!(of_room(&heard), of_room(&said), "{room}");
    }
    assert!(sandbox.faults_met()["frame out of order"] >= 5);
    sandbox.duplicate_frames(true);
    ann.say("general", "twice").await;
    assert_eq!(ddp.event().await, ddp.event().await);
    assert_eq!(sandbox.faults_met()["frame doubled"], 1);
}

#[tokio::test]
async fn what_clients_sent_can_be_forgotten() {
    let sandbox = sandbox().await;
    get(&sandbox, &sandbox.bot("rocketbotte"), "me").await;
    assert_eq!(sandbox.frames_from_clients().len(), 1);
    sandbox.forget_frames();
    assert!(sandbox.frames_from_clients().is_empty());
    assert_eq!(sandbox.requests()["me"], 1);
}
