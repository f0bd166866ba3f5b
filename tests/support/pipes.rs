//! Peers over in-memory pipes on the test's own runtime, so that paused time works: bytes for HTTP, frames for DDP.

#![allow(dead_code, unreachable_pub, reason = "each test uses a part")]

use std::sync::{Arc, Mutex};

use futures_util::{SinkExt as _, StreamExt as _};
use rocketbotte::transport::Connector;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
use tokio::sync::mpsc;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

/// A connector, and the other ends of what it opens.
pub fn pipes() -> (Connector, mpsc::UnboundedReceiver<DuplexStream>) {
    let (accepted, accept) = mpsc::unbounded_channel();
    let connector = Connector::from_fn(move |_uri| {
        let (client, server) = tokio::io::duplex(64 * 1024);
        let open = accepted.send(server).is_ok();
        async move {
            if open {
                Ok(client)
            } else {
                Err(std::io::Error::from(std::io::ErrorKind::ConnectionRefused))
            }
        }
    });
    (connector, accept)
}

/// A request as it came.
#[derive(Debug, Clone)]
pub struct Request {
    /// Request line and headers.
    pub head: String,
    pub body: String,
}

impl Request {
    pub fn line(&self) -> &str {
        self.head.lines().next().unwrap_or_default()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).expect("a JSON body")
    }
}

pub async fn read_request(stream: &mut DuplexStream) -> Option<Request> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break end + 4;
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8(bytes[..end].to_vec()).expect("a head of text");
    let mut request = Request {
        head,
        body: String::new(),
    };
    let length = request
        .header("content-length")
        .map_or(0, |length| length.parse().expect("a length"));
    while bytes.len() < end + length {
        stream.read_buf(&mut bytes).await.ok()?;
    }
    request.body = String::from_utf8(bytes[end..].to_vec()).expect("a body of text");
    Some(request)
}

/// What the server does with a request.
pub enum Reply {
    /// Raw bytes of a response.
    Raw(String),
    /// The same, and then the connection ends, whatever was promised.
    Half(String),
    /// Closes the connection without a word.
    Drop,
    /// Never answers.
    Hang,
}

pub fn response(status: &str, headers: &[(&str, &str)], body: &str) -> Reply {
    let mut raw = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n", body.len());
    for (name, value) in headers {
        raw.push_str(&format!("{name}: {value}\r\n"));
    }
    Reply::Raw(format!("{raw}\r\n{body}"))
}

pub fn json_response(status: &str, body: &Value) -> Reply {
    response(status, &[("content-type", "application/json")], &body.to_string())
}

/// An HTTP server: a function from requests to replies. Gives a connector and the requests so far.
pub fn http(
    handler: impl FnMut(&Request) -> Reply + Send + 'static,
) -> (Connector, Arc<Mutex<Vec<Request>>>) {
    let (connector, mut accept) = pipes();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let requests = Arc::clone(&seen);
    let handler = Arc::new(Mutex::new(handler));
    tokio::spawn(async move {
        while let Some(mut stream) = accept.recv().await {
            let (handler, seen) = (Arc::clone(&handler), Arc::clone(&seen));
            tokio::spawn(async move {
                while let Some(request) = read_request(&mut stream).await {
                    let reply = (handler.lock().expect("no panic"))(&request);
                    seen.lock().expect("no panic").push(request);
                    match reply {
                        Reply::Raw(raw) => stream.write_all(raw.as_bytes()).await.expect("a client"),
                        Reply::Half(raw) => {
                            stream.write_all(raw.as_bytes()).await.expect("a client");
                            return;
                        }
                        Reply::Drop => return,
                        Reply::Hang => std::future::pending().await,
                    }
                }
            });
        }
    });
    (connector, requests)
}

/// The server's end of a DDP connection.
pub struct Ddp {
    socket: WebSocketStream<DuplexStream>,
}

pub const USER: &str = "rKy9v9n4yYWWjyyx5";

impl Ddp {
    /// Takes the next connection and shakes hands on the websocket.
    pub async fn accept(accept: &mut mpsc::UnboundedReceiver<DuplexStream>) -> Self {
        let stream = accept.recv().await.expect("a connection");
        Self {
            socket: tokio_tungstenite::accept_async(stream)
                .await
                .expect("a websocket"),
        }
    }

    /// The same, and everything up to `ready` of both subscriptions.
    pub async fn accept_ready(accept: &mut mpsc::UnboundedReceiver<DuplexStream>) -> Self {
        let mut ddp = Self::accept(accept).await;
        ddp.send(json!({"server_id": "0"})).await;
        assert_eq!(
            ddp.next().await,
            json!({"msg": "connect", "version": "1", "support": ["1"]})
        );
        ddp.send(json!({"msg": "connected", "session": "s"})).await;
        let login = ddp.next().await;
        assert_eq!(
            (&login["method"], &login["params"]),
            (&json!("login"), &json!([{"resume": "TOKEN"}]))
        );
        ddp.send(json!({"msg": "result", "id": login["id"], "result": {"id": USER, "token": "TOKEN"}}))
            .await;
        let (first, second) = (ddp.next().await, ddp.next().await);
        assert_eq!(first["name"], "stream-room-messages");
        assert_eq!(first["params"], json!(["__my_messages__", false]));
        assert_eq!(
            second["params"],
            json!([format!("{USER}/subscriptions-changed"), false])
        );
        ddp.send(json!({"msg": "ready", "subs": [first["id"], second["id"]]}))
            .await;
        ddp
    }

    pub async fn send(&mut self, frame: Value) {
        self.send_raw(Message::text(frame.to_string())).await;
    }

    pub async fn send_raw(&mut self, message: Message) {
        self.socket.send(message).await.expect("a client");
    }

    /// A message of a human user in a room that the bot is in.
    pub async fn send_message(&mut self, id: &str, text: &str) {
        self.send_message_from(id, text, true).await;
    }

    pub async fn send_message_from(&mut self, id: &str, text: &str, participant: bool) {
        self.send(
            json!({"msg": "changed", "collection": "stream-room-messages", "id": "id", "fields": {
                "eventName": "__my_messages__",
                "args": [
                    {"_id": id, "rid": "GENERAL", "msg": text, "ts": {"$date": 1_795_334_400_000_u64},
                     "u": {"_id": "uA", "username": "ann"}, "_updatedAt": {"$date": 1_795_334_400_042_u64}},
                    {"roomParticipant": participant, "roomType": "c", "roomName": "general"},
                ],
            }}),
        )
        .await;
    }

    /// The next frame, pings aside, which are answered.
    pub async fn next(&mut self) -> Value {
        loop {
            let frame = self.next_any().await.expect("a frame");
            if frame["msg"] == "ping" {
                self.send(json!({"msg": "pong", "id": frame["id"]})).await;
            } else {
                return frame;
            }
        }
    }

    /// The next frame, whatever it is; `None` when the client closed.
    pub async fn next_any(&mut self) -> Option<Value> {
        loop {
            match self.socket.next().await? {
                Ok(Message::Text(text)) => return Some(serde_json::from_str(&text).expect("JSON")),
                Ok(Message::Close(_)) | Err(_) => return None,
                Ok(_) => {}
            }
        }
    }
}
