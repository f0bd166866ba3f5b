//! A page in the browser: one more client of the server, and beside it what bots did and buttons for the faults.
//!
//! The page itself is plain HTML, CSS and JavaScript in `assets`. It is a person of the chat, over the realtime and the
//! REST API like everybody else; only what no client of a real server has goes over `_sandbox/…`. It loads nothing from
//! other hosts but the pictures that somebody posts with an address there.

mod assets;
mod faults;
mod hub;
mod people;
mod stream;
pub(crate) mod traffic;

use std::sync::{Arc, Mutex, PoisonError};

use axum::{
    Json, Router,
    extract::{Query, Request},
    http::{Response, StatusCode},
    middleware::{self, Next},
    response::IntoResponse,
    routing::{get, post},
};
use serde_json::json;

use super::{Sandbox, server::Connection};
use crate::inspect::Inspector;
use axum::body::Body;
use faults::Timers;
pub(crate) use hub::Hub;

/// The header that carries the token of the page.
const TOKEN_HEADER: &str = "x-sandbox-token";

/// What the server keeps for its page.
#[derive(Debug)]
pub(crate) struct Page {
    token: String,
    hub: Arc<Hub>,
    timers: Timers,
    /// Who came in through the page.
    people: Mutex<Vec<String>>,
}

impl Page {
    pub(crate) fn new(token: String, hub: Arc<Hub>) -> Self {
        Self {
            token,
            hub,
            timers: Timers::default(),
            people: Mutex::default(),
        }
    }

    fn people(&self) -> std::sync::MutexGuard<'_, Vec<String>> {
        self.people.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Compares without telling by its time how much of the token is right.
    fn is_token(&self, given: &str) -> bool {
        let pairs = self.token.bytes().zip(given.bytes());
        let differences = pairs.fold(0, |sum, (ours, theirs)| sum | (ours ^ theirs));
        given.len() == self.token.len() && differences == 0
    }
}

/// The routes of the page, below the subpath of the server.
pub(crate) fn router(subpath: &str) -> Router {
    let prefix: Arc<str> = subpath.into();
    let root = move |context, request| assets::page(prefix.clone(), context, request);
    let own = Router::new()
        .route("/_sandbox/join", post(people::join))
        .route("/_sandbox/inspector", get(stream::serve))
        .route(
            "/_sandbox/faults",
            get(faults::show).post(faults::switch).delete(faults::clear),
        )
        .route_layer(middleware::from_fn(demand_token));
    Router::new()
        .route("/", get(root))
        .route("/_sandbox/assets/{name}", get(assets::asset))
        .merge(own)
}

#[derive(Debug, Default, serde::Deserialize)]
struct Given {
    #[serde(default)]
    token: String,
}

/// The token of a request, in the query or in the header.
fn token_of(request: &Request) -> String {
    let header = request.headers().get(TOKEN_HEADER);
    if let Some(token) = header.and_then(|value| value.to_str().ok()) {
        return token.to_owned();
    }
    Query::<Given>::try_from_uri(request.uri())
        .map(|given| given.0.token)
        .unwrap_or_default()
}

async fn demand_token(context: Connection, request: Request, next: Next) -> Response<Body> {
    if context.shared.page.is_token(&token_of(&request)) {
        return next.run(request).await;
    }
    let text = "The token is missing or wrong: it is a part of the page's address, which the program prints that runs \
                the sandbox. Send it as `X-Sandbox-Token` or as `?token=`.";
    refused(StatusCode::UNAUTHORIZED, "unauthorized", text)
}

/// An error of an endpoint of the page.
fn refused(status: StatusCode, code: &str, text: &str) -> Response<Body> {
    let body = json!({ "success": false, "error": text, "errorType": code });
    (status, Json(body)).into_response()
}

impl Sandbox {
    /// The address of the page where a person chats with the bots of this server, watches what they do, and breaks
    /// things. It has a random token in it, so give it only to who may do that.
    ///
    /// The page is served by the sandbox itself. Scripts, styles and data come from nowhere else; pictures and avatars that
    /// somebody posts by address are loaded from that address, so its host learns that the page is open, but no token.
    /// Everybody who opens it is a person of their own: up to 100. From the first call of this method on, the server remembers for the page the last 500
    /// calls and frames of its clients.
    ///
    /// What a bot does with each event is to be seen once it has [an inspector](Self::inspect); of bots in other
    /// languages the page shows what the server sees of them.
    ///
    /// The faults of the page can be switched by a test in any language too, with the token as header
    /// `X-Sandbox-Token`:
    ///
    /// ```sh
    /// curl -H "X-Sandbox-Token: $TOKEN" -H 'Content-Type: application/json' \
    ///   -d '{"fault": "gone", "seconds": 5}' http://127.0.0.1:3000/_sandbox/faults
    /// ```
    ///
    /// | body | what happens |
    /// |---|---|
    /// | `{"fault": "drop"}`, `"reset"`, `"close"`, `"half_frame"` | ends all realtime connections: an end of stream, a TCP reset, a proper close, in the middle of a frame |
    /// | `{"fault": "silence", "seconds": 10}` | realtime connections stay open and are dead |
    /// | `{"fault": "gone", "seconds": 5}` | nothing listens, then the server is back with all it knows |
    /// | `{"fault": "refuse", "seconds": 5}` | new connections are reset, those that are open stay |
    /// | `{"fault": "rest", "kind": "status", "status": 503, "endpoint": "chat.sendMessage", "calls": 3}` | the next calls of the endpoint (`"*"`, the default, for any; 1 call by default) are answered so |
    /// | … `"kind": "too_many_requests", "milliseconds": 1000` | 429, come back after so long |
    /// | … `"kind": "proxy", "status": 502` or `"html"` | a page of HTML with that status, or with 200 |
    /// | … `"kind": "lose_reply"`, `"half_reply"`, `"lose_call"` | done without an answer, with half of it, or not done |
    /// | … `"kind": "slow", "milliseconds": 2000` | the answer comes late |
    /// | `{"fault": "slow", "milliseconds": 500}` | every REST call takes so long; 0 ends it |
    /// | `{"fault": "duplicate", "on": true}`, `"lose"` | stream frames come twice, or not at all |
    /// | `{"fault": "reorder", "how": "pairs"}`, `"rooms"`, `"off"` | stream frames change their order |
    /// | `{"fault": "cut_at", "step": "login"}` | the next connection ends there: `upgrade`, `connect`, `login`, `subscribe`, `ping` |
    ///
    /// `GET` tells what is on and what was met so far, `DELETE` ends all of it but `gone`, while which nothing listens. Seconds are at most 600, milliseconds
    /// at most 600,000, calls at most 1,000. What is wrong with a body is said with 400 and an `errorType`.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let sandbox = rocketbotte::sandbox::Sandbox::start().await?;
    /// assert!(sandbox.page_url().starts_with(&format!("{}/?token=", sandbox.url())));
    /// # Ok(())
    /// # }
    /// ```
    pub fn page_url(&self) -> String {
        let page = &self.shared().page;
        page.hub.watch();
        let url = self.url();
        let path = url.split_once("://").is_some_and(|(_, rest)| rest.contains('/'));
        format!("{url}{}?token={}", if path { "" } else { "/" }, page.token)
    }
    /// Shows on [the page](Self::page_url) what a bot does with each event: the bot that this inspector was given to.
    ///
    /// ```
    /// use rocketbotte::{inspect::Inspector, sandbox::Sandbox};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let sandbox = Sandbox::start().await?;
    /// let inspector = Inspector::new();
    /// sandbox.inspect(&inspector);
    /// // `Bot::builder(sandbox.url()).inspector(inspector)`
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    pub fn inspect(&self, inspector: &Inspector) {
        let mut feed = inspector.subscribe();
        let hub = Arc::clone(&self.shared().page.hub);
        let mut stop = self.shared().stop.subscribe();
        let source = hub.new_source(inspector);
        tokio::spawn(async move {
            loop {
                let inspection = tokio::select! {
                    inspection = feed.next() => inspection,
                    _ = stop.wait_for(|stop| *stop) => return,
                };
                hub.inspection(source, inspection);
            }
        });
    }
}
