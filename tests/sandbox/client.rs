//! Raw clients: a websocket that speaks JSON, and single HTTP requests. None of them is ours.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use http_body_util::{BodyExt, Full};
use hyper::{Request, body::Bytes, header::HeaderMap};
use hyper_util::rt::TokioIo;
use rocketbotte::sandbox::{Sandbox, SandboxUser};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncRead, AsyncWrite, DuplexStream},
    net::TcpStream,
    time::timeout,
};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{Error, Message, protocol::CloseFrame},
};

pub(crate) const PATIENCE: Duration = Duration::from_secs(5);

pub(crate) struct Ddp<S = TcpStream> {
    pub(crate) socket: WebSocketStream<S>,
    calls: u64,
}

#[derive(Debug)]
pub(crate) enum Received {
    Frame(Value),
    Closed(Option<CloseFrame>),
    Ended,
    Broken(Error),
}

impl Ddp {
    pub(crate) async fn open(sandbox: &Sandbox) -> Self {
        let address = sandbox.addr().expect("served over TCP");
        let stream = TcpStream::connect(address).await.expect("connects");
        Self::over(&sandbox.url().replacen("http", "ws", 1), stream).await
    }

    /// Connected and logged in.
    pub(crate) async fn login(sandbox: &Sandbox, user: &SandboxUser) -> Self {
        let mut ddp = Self::open(sandbox).await;
        ddp.log_in(user).await;
        ddp
    }
}

impl Ddp<DuplexStream> {
    pub(crate) async fn in_memory(sandbox: &Sandbox) -> Self {
        Self::over("ws://localhost", sandbox.connect()).await
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Ddp<S> {
    pub(crate) async fn over(base: &str, stream: S) -> Self {
        let (socket, _) = client_async(format!("{base}/websocket"), stream)
            .await
            .expect("upgrades");
        Self { socket, calls: 0 }
    }

    pub(crate) async fn log_in(&mut self, user: &SandboxUser) {
        self.handshake().await;
        let result = self.call("login", json!([{ "resume": user.token() }])).await;
        assert_eq!(result["result"]["id"], user.id());
        assert_eq!(
            self.find(|frame| frame["msg"] == "updated").await["methods"],
            json!(["c1"])
        );
    }

    pub(crate) async fn handshake(&mut self) {
        self.send(json!({ "msg": "connect", "version": "1", "support": ["1"] }))
            .await;
        self.find(|frame| frame["msg"] == "connected").await;
    }

    pub(crate) async fn send(&mut self, frame: Value) {
        self.send_text(&frame.to_string()).await;
    }

    pub(crate) async fn send_text(&mut self, text: &str) {
        self.socket.send(Message::text(text)).await.expect("sends");
    }

    pub(crate) async fn receive(&mut self) -> Received {
        loop {
            return match timeout(PATIENCE, self.socket.next())
                .await
                .expect("something arrives in time")
            {
                None => Received::Ended,
                Some(Err(error)) => Received::Broken(error),
                Some(Ok(Message::Close(frame))) => Received::Closed(frame),
                Some(Ok(Message::Text(text))) => {
                    Received::Frame(serde_json::from_str(&text).expect("is JSON"))
                }
                Some(Ok(_)) => continue,
            };
        }
    }

    /// The code that the server closes with. Has no deadline of its own.
    pub(crate) async fn closed(&mut self) -> Option<u16> {
        loop {
            match self.socket.next().await {
                Some(Ok(Message::Close(frame))) => return frame.map(|frame| u16::from(frame.code)),
                Some(Ok(Message::Text(text))) => panic!("closed was expected, not {text}"),
                Some(Ok(_)) => {}
                None | Some(Err(_)) => return None,
            }
        }
    }

    pub(crate) async fn next(&mut self) -> Value {
        match self.receive().await {
            Received::Frame(frame) => frame,
            other => panic!("expected a frame, got {other:?}"),
        }
    }

    pub(crate) async fn find(&mut self, fits: impl Fn(&Value) -> bool) -> Value {
        loop {
            let frame = self.next().await;
            if fits(&frame) {
                return frame;
            }
        }
    }

    pub(crate) async fn call(&mut self, method: &str, params: Value) -> Value {
        self.calls += 1;
        let id = format!("c{}", self.calls);
        self.send(json!({ "msg": "method", "id": id, "method": method, "params": params }))
            .await;
        self.find(|frame| frame["msg"] == "result" && frame["id"] == id.as_str())
            .await
    }

    /// The answer to a subscription: `ready` or `nosub`.
    pub(crate) async fn sub(&mut self, id: &str, stream: &str, params: Value) -> Value {
        self.send(json!({ "msg": "sub", "id": id, "name": stream, "params": params }))
            .await;
        self.find(|frame| frame["subs"] == json!([id]) || (frame["msg"] == "nosub" && frame["id"] == id))
            .await
    }

    pub(crate) async fn my_messages(&mut self) {
        let ready = self
            .sub("mine", "stream-room-messages", json!(["__my_messages__", false]))
            .await;
        assert_eq!(ready["msg"], "ready");
    }

    /// The arguments of the next stream event.
    pub(crate) async fn event(&mut self) -> Vec<Value> {
        let frame = self.find(|frame| frame["msg"] == "changed").await;
        assert_eq!(frame["id"], "id");
        frame["fields"]["args"]
            .as_array()
            .expect("args are a list")
            .clone()
    }

    /// Everything sent before is answered once the pong is here; what else came is returned.
    pub(crate) async fn settle(&mut self) -> Vec<Value> {
        self.calls += 1;
        let id = format!("p{}", self.calls);
        self.send(json!({ "msg": "ping", "id": id })).await;
        let mut frames = Vec::new();
        loop {
            let frame = self.next().await;
            if frame["msg"] == "pong" && frame["id"] == id.as_str() {
                return frames;
            }
            frames.push(frame);
        }
    }
}

pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("no JSON: {}", self.text))
    }
}

pub(crate) async fn request(
    sandbox: &Sandbox,
    user: Option<&SandboxUser>,
    verb: &str,
    path: &str,
    body: Option<&str>,
) -> Result<Answer, hyper::Error> {
    request_over(
        sandbox.connect(),
        user,
        verb,
        path,
        body,
        &[("host", "localhost")],
    )
    .await
}

pub(crate) async fn request_over<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    stream: S,
    user: Option<&SandboxUser>,
    verb: &str,
    path: &str,
    body: Option<&str>,
    headers: &[(&str, &str)],
) -> Result<Answer, hyper::Error> {
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let mut request = Request::builder().method(verb).uri(path);
    if !headers.iter().any(|(name, _)| *name == "content-type") {
        request = request.header("content-type", "application/json");
    }
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    if let Some(user) = user {
        request = request
            .header("x-auth-token", user.token())
            .header("x-user-id", user.id());
    }
    let body = Full::new(Bytes::from(body.unwrap_or_default().to_owned()));
    let response = timeout(
        PATIENCE,
        sender.send_request(request.body(body).expect("is a request")),
    );
    let response = response.await.expect("answered in time")?;
    let (parts, body) = response.into_parts();
    let bytes = body.collect().await?.to_bytes();
    let text = String::from_utf8(bytes.to_vec()).expect("is text");
    Ok(Answer {
        status: parts.status.as_u16(),
        headers: parts.headers,
        text,
    })
}

pub(crate) async fn get(sandbox: &Sandbox, user: &SandboxUser, path: &str) -> (u16, Value) {
    let answer = request(sandbox, Some(user), "GET", &format!("/api/v1/{path}"), None)
        .await
        .expect("answers");
    (answer.status, answer.json())
}

pub(crate) async fn post(sandbox: &Sandbox, user: &SandboxUser, path: &str, body: Value) -> (u16, Value) {
    let body = body.to_string();
    let answer = request(
        sandbox,
        Some(user),
        "POST",
        &format!("/api/v1/{path}"),
        Some(&body),
    )
    .await;
    let answer = answer.expect("answers");
    (answer.status, answer.json())
}

/// Sends a message as a client of REST does and returns it.
pub(crate) async fn send(sandbox: &Sandbox, user: &SandboxUser, message: Value) -> Value {
    let (status, mut body) = post(sandbox, user, "chat.sendMessage", json!({ "message": message })).await;
    assert_eq!((status, &body["success"]), (200, &json!(true)), "{body}");
    body["message"].take()
}

/// The names and kinds of the fields of an object.
pub(crate) fn shape(value: &Value) -> Vec<(String, &'static str)> {
    let kind = |value: &Value| match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(object) if object.len() == 1 && object.contains_key("$date") => "date",
        Value::Object(_) => "object",
    };
    let object = value.as_object().expect("is an object");
    object
        .iter()
        .map(|(key, value)| (key.clone(), kind(value)))
        .collect()
}
