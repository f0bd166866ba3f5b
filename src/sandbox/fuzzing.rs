//! What the fuzz targets call: bytes as frames of the realtime API and as calls of REST.

use std::sync::{Arc, atomic::AtomicUsize};

use axum::{body::Bytes, http};
use serde_json::json;
use tokio::sync::{mpsc, watch};

use super::{
    Sandbox, rest,
    server::{HttpContext, Line},
    state::session::Outgoing,
};

/// Each line is a frame of a bot that is logged in; then a ping, which has to be answered unless it has said good-bye.
pub(crate) fn frames(bytes: &[u8]) {
    let sandbox = Sandbox::builder().start_in_memory();
    let token = sandbox.bot("rocketbotte").token();
    let (out, mut outgoing) = mpsc::channel(16 * 1024);
    let (cut, _is_cut) = watch::channel(None);
    let id = sandbox
        .state()
        .open_session(out, Arc::<AtomicUsize>::default(), cut);
    let login = json!({ "msg": "method", "id": "1", "method": "login", "params": [{ "resume": token }] });
    let sub = json!({ "msg": "sub", "id": "2", "name": "stream-room-messages", "params": ["__my_messages__", false] });
    let connect = json!({ "msg": "connect", "version": "1", "support": ["1"] });
    for frame in [connect, login, sub] {
        sandbox.state().receive(id, &frame.to_string());
    }
    for line in bytes.split(|byte| *byte == b'\n').take(64) {
        sandbox.state().receive(id, &String::from_utf8_lossy(line));
        let is_closed =
            std::iter::from_fn(|| outgoing.try_recv().ok()).any(|next| matches!(next, Outgoing::Close));
        if is_closed {
            return;
        }
    }
    sandbox.state().receive(id, r#"{"msg":"ping","id":"alive?"}"#);
    let is_answered = std::iter::from_fn(|| outgoing.try_recv().ok())
        .any(|next| matches!(next, Outgoing::Frame(frame) if frame.contains("alive?")));
    assert!(is_answered, "the connection is dead");
}

/// The first line is the endpoint with its query, the second one the body.
pub(crate) fn call(bytes: &[u8]) {
    let Some((verb, rest_of)) = bytes.split_first() else {
        return;
    };
    let mut lines = rest_of.splitn(2, |byte| *byte == b'\n');
    let line = String::from_utf8_lossy(lines.next().unwrap_or_default()).into_owned();
    let body = Bytes::copy_from_slice(lines.next().unwrap_or_default());
    let sandbox = Sandbox::builder().start_in_memory();
    let bot = sandbox.bot("rocketbotte");
    let request = http::Request::builder()
        .method(if verb % 2 == 0 { "GET" } else { "POST" })
        .uri(format!("/api/v1/{line}"))
        .header("content-type", "application/json")
        .header("x-user-id", bot.id())
        .header("x-auth-token", bot.token())
        .body(());
    let Ok(request) = request else { return };
    let (parts, ()) = request.into_parts();
    let endpoint = parts.uri.path().trim_start_matches("/api/v1/").to_owned();
    let context = HttpContext {
        shared: Arc::clone(&sandbox.0.site.shared),
        line: Arc::<Line>::default(),
        guarded: false,
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build();
    let Ok(runtime) = runtime else { return };
    let answer = runtime.block_on(rest::serve(&context, &endpoint, &parts, body));
    assert!(answer.status().as_u16() < 500, "{} {line}", answer.status());
}
