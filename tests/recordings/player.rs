//! Plays a recording against the sandbox: sends what was sent, at the same times, and gathers what comes back.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use http_body_util::{BodyExt as _, Full};
use hyper::{Request as HttpRequest, body::Bytes};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::{io::DuplexStream, time::Instant};
use tokio_tungstenite::{WebSocketStream, client_async, tungstenite::Message};

use crate::{
    recording::{Direction, Event, Line, Request, Response},
    stage::Stage,
};

/// Virtual time in which nothing more comes.
const QUIET: Duration = Duration::from_millis(1);
/// The clock goes in steps, so that timers fire one after the other.
const STEP: Duration = Duration::from_millis(500);

/// The beginning of a PNG of one pixel.
const PICTURE: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x02\0\0\0\x90wS\xde";

/// A request over REST and both answers to it.
pub(crate) struct Answered {
    pub(crate) request: String,
    pub(crate) recorded: (u16, Value),
    pub(crate) actual: (u16, Value),
    /// Names of the limiter's headers, there and here.
    pub(crate) limits: (Vec<String>, Vec<String>),
}

/// All that came of one recording.
#[derive(Default)]
pub(crate) struct Played {
    pub(crate) answers: Vec<Answered>,
    /// For each connection the frames that came, there (in our names) and here; its end is a frame as well.
    pub(crate) frames: BTreeMap<String, [Vec<Value>; 2]>,
    /// The names of methods by connection and id.
    pub(crate) methods: BTreeMap<(String, String), String>,
    /// What has no part in the sandbox.
    pub(crate) left_out: Vec<String>,
}

pub(crate) struct Player {
    stage: Stage,
    sockets: BTreeMap<String, WebSocketStream<DuplexStream>>,
    played: Played,
    began: Instant,
    /// The token of the last login with a password: all recorded ones are hidden.
    hidden: Option<String>,
}

impl Player {
    pub(crate) fn new(stage: Stage) -> Self {
        Self {
            stage,
            sockets: BTreeMap::new(),
            played: Played::default(),
            began: Instant::now(),
            hidden: None,
        }
    }

    /// The administrator had a browser open before, which told the server its clock.
    pub(crate) async fn open_browser(mut self) -> Stage {
        let headers = [
            ("X-User-Id", "sNZNrGtGeKw2fmFPi"),
            ("X-Auth-Token", "TOKEN-admin"),
        ];
        let request = Request {
            method: "POST".to_owned(),
            path: "/api/v1/method.call/userSetUtcOffset".to_owned(),
            headers: headers
                .map(|(name, value)| (name.to_owned(), json!(value)))
                .into(),
            body: Value::Null,
        };
        let call = json!({ "msg": "method", "id": "1", "method": "userSetUtcOffset", "params": [0] });
        let body = json!({ "message": call.to_string() }).to_string();
        let (_, answer, _) = self
            .http_as(&request, &request.path, body, "application/json")
            .await;
        assert_eq!(answer["success"], true, "{answer}");
        self.stage
    }

    /// All that came, and the stage for the next recording.
    pub(crate) async fn play(mut self, lines: Vec<Line>) -> (Played, Stage) {
        for line in lines {
            if let Event::Frame { conn, .. } | Event::Socket { conn, .. } = &line.what {
                // An account that is made and ended on the way.
                if conn.starts_with("dora") {
                    self.played.left_out.push(format!("connection {conn}"));
                    continue;
                }
            }
            self.wait_until(Duration::from_millis(line.t)).await;
            match line.what {
                Event::Note {} => {}
                Event::Socket {
                    conn, ev, path, code, ..
                } => self.socket(conn, &ev, path, code).await,
                Event::Frame {
                    conn,
                    dir: Direction::Out,
                    frame,
                } => self.send(&conn, frame).await,
                Event::Frame { conn, frame, .. } => self.recorded(&conn, frame).await,
                Event::Rest { request, response } => self.rest(request, response).await,
            }
            self.gather().await;
        }
        self.gather().await;
        for pair in self.played.frames.values_mut() {
            for frame in &mut pair[0] {
                *frame = self.stage.translated(frame);
            }
        }
        (self.played, self.stage)
    }

    async fn wait_until(&mut self, at: Duration) {
        while let Some(left) = at
            .checked_sub(self.began.elapsed())
            .filter(|left| !left.is_zero())
        {
            tokio::time::advance(left.min(STEP)).await;
            if left > STEP {
                self.gather().await;
            }
        }
    }

    fn both(&mut self, conn: &str) -> &mut [Vec<Value>; 2] {
        self.played.frames.entry(conn.to_owned()).or_default()
    }

    async fn socket(&mut self, conn: String, ev: &str, path: Option<String>, code: Option<u16>) {
        if ev == "open" {
            let path = path.unwrap_or_default();
            let url = format!("ws://localhost{path}");
            match client_async(url, self.stage.sandbox.connect()).await {
                Ok((socket, _)) => {
                    self.sockets.insert(conn, socket);
                }
                Err(_) => self.played.left_out.push(format!("the websocket at {path}")),
            }
            return;
        }
        self.gather().await;
        // Whoever closes first: the client's close has no reason.
        if let Some(mut socket) = self.sockets.remove(&conn) {
            let _ = socket.close(None).await;
            let ours = self.both(&conn);
            ours[0].push(json!({ "msg": "(open)" }));
            ours[1].push(json!({ "msg": "(open)" }));
        } else {
            self.both(&conn)[0].push(json!({ "msg": "(closed)", "code": code }));
        }
    }

    async fn send(&mut self, conn: &str, frame: Value) {
        let text = match &frame {
            Value::String(raw) => raw.clone(),
            frame => frame.to_string(),
        };
        let mut text = self.stage.translate(&text);
        if let Some(hidden) = &self.hidden {
            text = text.replace("TOKEN-REDACTED", hidden);
        }
        if let (Some(id), Some(method)) = (frame["id"].as_str(), frame["method"].as_str()) {
            let key = (conn.to_owned(), id.to_owned());
            self.played.methods.insert(key, method.to_owned());
        }
        if let (Some(id), Some(name)) = (frame["id"].as_str(), frame["name"].as_str()) {
            let key = (conn.to_owned(), id.to_owned());
            self.played.methods.insert(key, format!("sub {name}"));
        }
        if self.by_handle(&frame) {
            return;
        }
        if let Some(socket) = self.sockets.get_mut(conn) {
            let _ = socket.send(Message::text(text)).await;
        }
    }

    /// Methods that version 8 has not any more, but whose effect the recording needs. True if it was one.
    fn by_handle(&self, frame: &Value) -> bool {
        let on = match frame["method"].as_str() {
            Some("muteUserInRoom") => true,
            Some("unmuteUserInRoom") => false,
            _ => return false,
        };
        let about = &frame["params"][0];
        let room = self.stage.translate(about["rid"].as_str().unwrap_or_default());
        let username = about["username"].as_str().unwrap_or_default();
        let done = self.stage.sandbox.set_muted(&room, username, on);
        done.expect("the sandbox can do it");
        true
    }

    /// What came to a connection there; with what came here we learn its names.
    async fn recorded(&mut self, conn: &str, frame: Value) {
        self.gather().await;
        let key = frame["msg"].as_str().zip(frame["id"].as_str());
        if let Some(("result", id)) = key {
            let ours = self.both(conn)[1]
                .iter()
                .rev()
                .find(|ours| ours["msg"] == "result" && ours["id"] == id)
                .cloned();
            if let Some(ours) = ours {
                if frame["result"]["token"] == "TOKEN-REDACTED" {
                    self.hidden = ours["result"]["token"].as_str().map(str::to_owned);
                }
                self.stage.learn(&frame, &ours);
            }
        }
        self.both(conn)[0].push(frame);
    }

    /// Takes everything that came to any connection.
    async fn gather(&mut self) {
        let names: Vec<String> = self.sockets.keys().cloned().collect();
        for conn in names {
            while let Some(socket) = self.sockets.get_mut(&conn) {
                let came = match tokio::time::timeout(QUIET, socket.next()).await {
                    Err(_) => break,
                    Ok(Some(Ok(Message::Text(text)))) => {
                        serde_json::from_str(&text).expect("the sandbox sends JSON")
                    }
                    Ok(Some(Ok(Message::Close(frame)))) => {
                        let code = frame.map(|frame| u16::from(frame.code));
                        self.sockets.remove(&conn);
                        json!({ "msg": "(closed)", "code": code })
                    }
                    Ok(Some(Ok(_))) => continue,
                    Ok(None | Some(Err(_))) => {
                        self.sockets.remove(&conn);
                        break;
                    }
                };
                self.both(&conn)[1].push(came);
            }
        }
    }

    async fn rest(&mut self, request: Request, response: Response) {
        // All of them, and of these the same rooms: which come first depends on names made by chance.
        let some = "channels.list?count=2";
        let of_all = request.path.ends_with(some);
        let path = request.path.replace(some, "channels.list?count=20");
        let path = self.stage.translate(&path);
        let endpoint = path
            .trim_start_matches("/api/v1/")
            .split(['?', '/'])
            .next()
            .unwrap_or_default();
        let label = format!("{} {endpoint}", request.method);
        if self.in_our_way(endpoint, &request).await {
            self.played.left_out.push(label);
            return;
        }
        let (status, mut actual, headers) = if endpoint == "rooms.upload" {
            self.upload(&request).await
        } else {
            let text = match &request.body {
                Value::Null => String::new(),
                Value::String(raw) => raw.clone(),
                body => body.to_string(),
            };
            let text = self.stage.translate(&text);
            self.http(&request, &path, text).await
        };
        if response.body.get("begins").is_some() {
            self.played.left_out.push(format!("{label} (its body was cut)"));
            return;
        }
        if of_all {
            let theirs = self.stage.translated(&response.body["channels"]).to_string();
            let channels = actual["channels"].as_array_mut().expect("a list");
            channels.retain(|room| theirs.contains(&room["_id"].to_string()));
            assert_eq!(channels.len(), 2, "{theirs}");
        }
        self.stage.learn(&response.body, &actual);
        let limiter = |names: &mut dyn Iterator<Item = &str>| {
            let mut names: Vec<String> = names
                .filter(|name| name.starts_with("x-ratelimit"))
                .map(str::to_owned)
                .collect();
            names.sort();
            names
        };
        let theirs = limiter(&mut response.headers.keys().map(String::as_str));
        let ours = limiter(&mut headers.iter().map(String::as_str));
        let mut body = request.body.to_string();
        body.truncate(body.char_indices().nth(120).map_or(body.len(), |(at, _)| at));
        self.played.answers.push(Answered {
            request: format!("{label} {} {body}", request.path),
            recorded: (response.status, response.body),
            actual: (status, actual),
            limits: (theirs, ours),
        });
    }

    /// What the sandbox is told by its own handle, not by REST. True if that was it.
    async fn in_our_way(&self, endpoint: &str, request: &Request) -> bool {
        let (sandbox, body) = (&self.stage.sandbox, &request.body);
        let room = body["roomId"].as_str().map(|rid| self.stage.translate(rid));
        let done = match (endpoint, room) {
            ("settings", _) => {
                let name = request.path.rsplit('/').next().unwrap_or_default();
                sandbox.set_setting(name, body["value"].clone());
                Ok(())
            }
            ("channels.setReadOnly", Some(room)) => sandbox.set_read_only(&room, body["readOnly"] == true),
            ("channels.addOwner", Some(room)) => sandbox.set_room_role(&room, "alice", "owner"),
            (
                "users.update"
                | "users.create"
                | "users.setActiveStatus"
                | "users.removeOtherTokens"
                | "channels.archive"
                | "channels.unarchive"
                | "channels.delete",
                _,
            ) => Ok(()),
            _ => return false,
        };
        done.expect("the sandbox can do it");
        true
    }

    /// One step there, two here.
    async fn upload(&mut self, request: &Request) -> (u16, Value, Vec<String>) {
        let rid = self
            .stage
            .translate(request.path.rsplit('/').next().unwrap_or_default());
        let sent = request.headers.get("Content-Length").and_then(Value::as_u64);
        // Only the length was recorded; it tells them apart.
        let (part, name, kind, content) = match sent {
            Some(124) => ("wrong", "a.txt", "text/plain", &b"x"[..]),
            Some(123)
                if rid != "nope" && self.played.answers.len() > 100 && self.seen("rooms.upload") == 4 =>
            {
                ("file", "empty.txt", "text/plain", &b""[..])
            }
            Some(184) => ("file", "a.png", "image/png", PICTURE),
            _ => ("file", "note.txt", "text/plain", &b"hello"[..]),
        };
        let thread = self.stage.translate("restown1795334362484");
        let form = format!(
            "--b1\r\nContent-Disposition: form-data; name=\"{part}\"; filename=\"{name}\"\r\n\
             Content-Type: {kind}\r\n\r\n"
        );
        let form = [form.as_bytes(), content, b"\r\n--b1--\r\n"].concat();
        let (path, kind) = (
            format!("/api/v1/rooms.media/{rid}"),
            "multipart/form-data; boundary=b1",
        );
        let (status, body, headers) = self.http_as(request, &path, form, kind).await;
        let Some(id) = body["file"]["_id"].as_str() else {
            return (status, body, headers);
        };
        let draft = match sent {
            Some(328) => json!({ "msg": "m", "description": "d", "tmid": thread }),
            Some(267) => json!({ "msg": "upload msg", "description": "descr" }),
            _ => json!({}),
        };
        let path = format!("/api/v1/rooms.mediaConfirm/{rid}/{id}");
        self.http_as(request, &path, draft.to_string(), "application/json")
            .await
    }

    fn seen(&self, endpoint: &str) -> usize {
        let all = self.played.answers.iter();
        all.filter(|answer| answer.request.contains(endpoint)).count()
    }

    async fn http(&mut self, request: &Request, path: &str, body: String) -> (u16, Value, Vec<String>) {
        let kind = request
            .headers
            .get("Content-Type")
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned();
        self.http_as(request, path, body, &kind).await
    }

    async fn http_as(
        &mut self,
        request: &Request,
        path: &str,
        body: impl Into<Bytes>,
        kind: &str,
    ) -> (u16, Value, Vec<String>) {
        let stream = TokioIo::new(self.stage.sandbox.connect());
        let (mut sender, connection) = hyper::client::conn::http1::handshake(stream)
            .await
            .expect("connects");
        let connection = tokio::spawn(connection);
        let mut http = HttpRequest::builder().method(request.method.as_str()).uri(path);
        if !kind.is_empty() {
            http = http.header("content-type", kind);
        }
        for name in ["X-User-Id", "X-Auth-Token", "Cookie", "X-Forwarded-For"] {
            if let Some(text) = request.headers.get(name).and_then(Value::as_str) {
                let mut text = self.stage.translate(text);
                if let Some(hidden) = &self.hidden {
                    text = text.replace("TOKEN-REDACTED", hidden);
                }
                http = http.header(name, text);
            }
        }
        let http = http.body(Full::new(body.into())).expect("a request");
        let response = sender.send_request(http).await.expect("an answer");
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.expect("a body").to_bytes();
        connection.abort();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let value: Value = serde_json::from_str(&text).unwrap_or(Value::String(text));
        if let Some(token) = value["data"]["authToken"].as_str() {
            self.hidden = Some(token.to_owned());
        }
        let headers = parts
            .headers
            .keys()
            .map(|name| name.as_str().to_owned())
            .collect();
        (parts.status.as_u16(), value, headers)
    }
}
