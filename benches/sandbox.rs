//! The sandbox: how long it takes to start, and how many messages it takes: `cargo bench --bench sandbox`.
//!
//! Clients are bare connections, none of ours: each sends its next message when the one before was answered, over one
//! connection that it keeps. A websocket hears all of them, and the clock stops when it has heard the last one.

#![allow(missing_docs, reason = "criterion's macros make public items")]
#![allow(clippy::expect_used, reason = "a bench fails by a panic")]

use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use futures_util::{SinkExt as _, StreamExt as _};
use http_body_util::{BodyExt as _, Full};
use hyper::Request;
use hyper::body::Bytes;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use rocketbotte::sandbox::{Sandbox, SandboxUser};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{WebSocketStream, client_async};

const MESSAGES: u64 = 1_000;

/// A connection for REST.
struct Client {
    sender: SendRequest<Full<Bytes>>,
    token: String,
    id: String,
}

impl Client {
    async fn connect(sandbox: &Sandbox, user: &SandboxUser) -> Self {
        let address = sandbox.addr().expect("served over TCP");
        let stream = TcpStream::connect(address).await.expect("connects");
        stream.set_nodelay(true).expect("is set");
        let (sender, connection) = handshake(TokioIo::new(stream)).await.expect("connects");
        tokio::spawn(connection);
        Self {
            sender,
            token: user.token(),
            id: user.id().to_owned(),
        }
    }

    async fn send(&mut self, text: &str) {
        let body = json!({ "message": { "rid": "GENERAL", "msg": text } }).to_string();
        let request = Request::post("/api/v1/chat.sendMessage")
            .header("host", "localhost")
            .header("content-type", "application/json")
            .header("x-auth-token", &self.token)
            .header("x-user-id", &self.id)
            .body(Full::new(Bytes::from(body)))
            .expect("is a request");
        let response = self.sender.send_request(request).await.expect("is answered");
        assert_eq!(response.status(), 200);
        response.into_body().collect().await.expect("is whole");
    }
}

/// A websocket that is logged in and hears all messages.
async fn listen(sandbox: &Sandbox, user: &SandboxUser) -> WebSocketStream<TcpStream> {
    let address = sandbox.addr().expect("served over TCP");
    let stream = TcpStream::connect(address).await.expect("connects");
    let (mut socket, _) = client_async(format!("ws://{address}/websocket"), stream)
        .await
        .expect("upgrades");
    for frame in [
        json!({ "msg": "connect", "version": "1", "support": ["1"] }),
        json!({ "msg": "method", "id": "1", "method": "login", "params": [{ "resume": user.token() }] }),
        json!({ "msg": "sub", "id": "2", "name": "stream-room-messages", "params": ["__my_messages__", false] }),
    ] {
        socket
            .send(Message::text(frame.to_string()))
            .await
            .expect("is sent");
    }
    while let Some(Ok(Message::Text(text))) = socket.next().await {
        if text.contains("\"ready\"") && text.contains("\"2\"") {
            break;
        }
    }
    socket
}

/// Waits for so many messages.
async fn hear(socket: &mut WebSocketStream<TcpStream>, mut messages: u64) {
    while messages > 0 {
        if let Message::Text(text) = socket.next().await.expect("is open").expect("is a frame") {
            let frame: Value = serde_json::from_str(&text).expect("is JSON");
            messages -= u64::from(frame["collection"] == "stream-room-messages");
        }
    }
}

async fn storm(clients: usize) -> Duration {
    let sandbox = (0..clients)
        .fold(Sandbox::builder().bot("listener"), |builder, n| {
            builder.bot(format!("bot{n}"))
        })
        .start()
        .await
        .expect("starts");
    let mut socket = listen(&sandbox, &sandbox.bot("listener")).await;
    let mut senders = Vec::new();
    for n in 0..clients {
        senders.push(Client::connect(&sandbox, &sandbox.bot(&format!("bot{n}"))).await);
    }
    let began = Instant::now();
    let share = MESSAGES / clients as u64;
    let sending: Vec<_> = senders
        .into_iter()
        .map(|mut sender| {
            tokio::spawn(async move {
                for n in 0..share {
                    sender
                        .send(&format!("message {n}, of the usual length of what people say"))
                        .await;
                }
            })
        })
        .collect();
    hear(&mut socket, share * clients as u64).await;
    let took = began.elapsed();
    for sending in sending {
        sending.await.expect("sends all");
    }
    took
}

fn runtime() -> Runtime {
    Runtime::new().expect("a runtime")
}

fn start(criterion: &mut Criterion) {
    let runtime = runtime();
    let mut group = criterion.benchmark_group("start");
    group.bench_function("until it listens", |bencher| {
        bencher
            .to_async(&runtime)
            .iter(|| async { Sandbox::start().await.expect("starts") });
    });
    group.bench_function("until a client has heard", |bencher| {
        bencher.to_async(&runtime).iter(|| async {
            let sandbox = Sandbox::start().await.expect("starts");
            let bot = sandbox.bot("rocketbotte");
            let mut socket = listen(&sandbox, &bot).await;
            sandbox.user("ann").say("general", "hello").await;
            hear(&mut socket, 1).await;
        });
    });
    group.finish();
}

fn messages(criterion: &mut Criterion) {
    let runtime = runtime();
    let mut group = criterion.benchmark_group("messages");
    group.throughput(Throughput::Elements(MESSAGES)).sample_size(10);
    for clients in [1, 8, 40] {
        group.bench_function(format!("{clients} clients and a listener"), |bencher| {
            bencher.iter_custom(|times| {
                runtime.block_on(async {
                    let mut took = Duration::ZERO;
                    for _ in 0..times {
                        took += storm(clients).await;
                    }
                    took
                })
            });
        });
    }
    group.finish();
}

criterion_group!(benches, start, messages);
criterion_main!(benches);
