//! The HTTP side: who may call, with what, and what is answered.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Form, FromRequest as _, State};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use http::{Request, StatusCode, header};
use serde_json::{Map, Value, json};
use tokio::sync::mpsc;

use super::exchange::{Exchange, Reply};
use super::{Post, Tokens};
use crate::transport::{Ack, Delivery};

/// Messages whose answers are remembered, for those who call again.
const REMEMBERED: usize = 1024;

/// What the routes share.
pub(super) struct Calls {
    tokens: Tokens,
    deliveries: mpsc::Sender<Delivery>,
    body_limit: usize,
    answer_within: Duration,
    known: Mutex<Known>,
    hasher: RandomState,
}

/// The last messages, by integration, id and text.
#[derive(Default)]
struct Known {
    exchanges: HashMap<Arc<str>, Arc<Exchange>>,
    order: VecDeque<Arc<str>>,
}

impl Calls {
    pub(super) fn new(
        tokens: Tokens,
        deliveries: mpsc::Sender<Delivery>,
        body_limit: usize,
        answer_within: Duration,
    ) -> Self {
        Self {
            tokens,
            deliveries,
            body_limit,
            answer_within,
            known: Mutex::default(),
            hasher: RandomState::new(),
        }
    }

    /// What tells the message from all others; none for what has no id.
    fn key_of(&self, post: &Post) -> Option<Arc<str>> {
        let id = post.message_id()?;
        let edit = match post.is_edited() {
            true => self.hasher.hash_one(post.text()),
            false => 0,
        };
        Some(format!("{}\n{id}\n{edit}", post.integration()).into())
    }

    /// The exchange of a message, and whether it is a new one.
    fn exchange(&self, post: &Arc<Post>) -> (Arc<Exchange>, bool) {
        let Some(key) = self.key_of(post) else {
            return (Arc::new(Exchange::new(Arc::clone(post))), true);
        };
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(exchange) = known
            .exchanges
            .get(&key)
            .filter(|exchange| !exchange.has_failed())
        {
            return (Arc::clone(exchange), false);
        }
        let exchange = Arc::new(Exchange::new(Arc::clone(post)));
        if known
            .exchanges
            .insert(Arc::clone(&key), Arc::clone(&exchange))
            .is_none()
        {
            known.order.push_back(key);
        }
        if known.order.len() > REMEMBERED
            && let Some(oldest) = known.order.pop_front()
        {
            known.exchanges.remove(&oldest);
        }
        (exchange, true)
    }

    async fn answer(&self, fields: Map<String, Value>) -> Response {
        let token = fields.get("token").and_then(Value::as_str).unwrap_or_default();
        let Some(integration) = self.tokens.integration_of(token) else {
            tracing::warn!("a call with a wrong token was refused");
            return refusal(StatusCode::FORBIDDEN, "the token is wrong");
        };
        let post = Arc::new(Post::new(integration, fields));
        let (exchange, is_new) = self.exchange(&post);
        if is_new {
            let event = match post.event() {
                Ok(event) => event,
                Err(error) => {
                    tracing::warn!(%error, "what the server posted can not be read");
                    exchange.settled(crate::transport::Settled::Dropped);
                    return refusal(StatusCode::BAD_REQUEST, "this is no message");
                }
            };
            let of_ack = Arc::clone(&exchange);
            let delivery = Delivery::live(event)
                .with_exchange(Arc::clone(&exchange))
                .with_ack(Ack::new(move |settled| of_ack.settled(settled)));
            // What is not taken is dropped, and says that it failed.
            if self.deliveries.try_send(delivery).is_err() {
                return come_again();
            }
        }
        match exchange.reply(self.answer_within).await {
            Reply::Message(message) => json_body(StatusCode::OK, message.to_string()),
            // The server takes an empty body for a failure.
            Reply::Nothing | Reply::Open => json_body(StatusCode::OK, "{}".to_owned()),
            Reply::Failed => come_again(),
        }
    }
}

/// A call of the server.
pub(super) async fn call(State(calls): State<Arc<Calls>>, request: Request<Body>) -> Response {
    let is_form = request
        .headers()
        .get(header::CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok())
        .is_some_and(|kind| kind.starts_with("application/x-www-form-urlencoded"));
    let Ok(body) = axum::body::to_bytes(request.into_body(), calls.body_limit).await else {
        return refusal(StatusCode::PAYLOAD_TOO_LARGE, "this is too long, or was cut off");
    };
    let fields = match is_form {
        true => form(body).await,
        false => serde_json::from_slice::<Map<String, Value>>(&body).ok(),
    };
    match fields {
        Some(fields) => calls.answer(fields).await,
        None => refusal(
            StatusCode::BAD_REQUEST,
            "this is neither a JSON object nor a form",
        ),
    }
}

async fn form(body: Bytes) -> Option<Map<String, Value>> {
    let request = Request::post("/")
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(Body::from(body))
        .ok()?;
    let Form(fields) = Form::<HashMap<String, String>>::from_request(request, &())
        .await
        .ok()?;
    Some(
        fields
            .into_iter()
            .map(|(name, text)| (name, Value::String(text)))
            .collect(),
    )
}

fn refusal(status: StatusCode, why: &str) -> Response {
    json_body(status, json!({ "error": why }).to_string())
}

/// Not 500, after which the server does not call again, nor 410, after which it never does.
fn come_again() -> Response {
    let mut response = refusal(StatusCode::SERVICE_UNAVAILABLE, "the bot can not take it now");
    response
        .headers_mut()
        .insert(header::RETRY_AFTER, http::HeaderValue::from_static("1"));
    response
}

fn json_body(status: StatusCode, body: String) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json")], body).into_response()
}
