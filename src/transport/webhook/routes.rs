//! The HTTP side: who may call, with what, and what is answered.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Arc, Mutex, PoisonError};

use axum::body::Body;
use axum::extract::{Form, FromRequest as _, State};
use axum::response::{IntoResponse as _, Response};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;
use http::{Request, StatusCode, header};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};
use tokio::sync::{Semaphore, SemaphorePermit, mpsc};

use super::exchange::{Exchange, Reply};
use super::refused::Refused;
use super::{Post, WebhookBuilder};
use crate::transport::{Ack, Delivery};

/// Messages whose answers are remembered, for those who call again.
const REMEMBERED: usize = 1024;

/// Bytes of a body that any caller may have; messages rarely have more.
const SMALL: usize = 64 * 1024;

/// Longer bodies that are read at a time.
const MOST_LONG: usize = 16;

/// What the routes share.
pub(super) struct Calls {
    settings: WebhookBuilder,
    deliveries: mpsc::Sender<Delivery>,
    keeps: bool,
    long_bodies: Semaphore,
    refused: Refused,
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
    pub(super) fn new(settings: WebhookBuilder, deliveries: mpsc::Sender<Delivery>, keeps: bool) -> Self {
        Self {
            settings,
            deliveries,
            keeps,
            long_bodies: Semaphore::new(MOST_LONG),
            refused: Refused::default(),
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
            return (Arc::new(Exchange::new(Arc::clone(post), self.keeps)), true);
        };
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(exchange) = known
            .exchanges
            .get(&key)
            .filter(|exchange| !exchange.has_failed())
        {
            return (Arc::clone(exchange), false);
        }
        let exchange = Arc::new(Exchange::new(Arc::clone(post), self.keeps));
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

    /// The integration that a token is of. Others are refused.
    fn integration_of(&self, token: &str) -> Result<&str, Box<Response>> {
        self.settings.tokens.integration_of(token).ok_or_else(|| {
            self.refused.one();
            Box::new(refusal(StatusCode::FORBIDDEN, "the token is wrong"))
        })
    }

    async fn answer(&self, integration: &str, fields: Map<String, Value>) -> Response {
        let post = Arc::new(Post::new(integration, fields));
        let (exchange, is_new) = self.exchange(&post);
        // Before anybody can answer: it may be done before this goes on.
        let waits = exchange.wait();
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
        let reply = exchange.reply(self.settings.answer_within).await;
        drop(waits);
        match reply {
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
    let read = tokio::time::timeout(calls.settings.read_timeout, calls.read(request.into_body()));
    let (body, permit) = match read.await {
        Ok(Ok(read)) => read,
        Ok(Err(refused)) => return refused,
        Err(_) => return refusal(StatusCode::REQUEST_TIMEOUT, "this takes too long"),
    };
    let shown = match is_form {
        true => calls.form(body.clone()).await,
        false => calls.json(&body),
    };
    // It is parsed by now, and the answer may take its time.
    drop((body, permit));
    match shown {
        Ok((integration, fields)) => calls.answer(integration, fields).await,
        Err(refused) => *refused,
    }
}

/// The token of a body, for which nothing else of it is stored.
#[derive(Deserialize)]
struct Shown<'a> {
    #[serde(borrow, default)]
    token: Option<&'a RawValue>,
}

impl Calls {
    /// A body, of which only so many may be long at a time, as nobody knows yet whose it is.
    async fn read(&self, body: Body) -> Result<(Bytes, Option<SemaphorePermit<'_>>), Response> {
        let mut chunks = body.into_data_stream();
        let (mut read, mut permit) = (BytesMut::new(), None);
        while let Some(chunk) = chunks.next().await {
            let fits = |chunk: &Bytes| read.len() + chunk.len() <= self.settings.body_limit;
            let Some(chunk) = chunk.ok().filter(fits) else {
                let why = "this is too long, or was cut off";
                return Err(refusal(StatusCode::PAYLOAD_TOO_LARGE, why));
            };
            if permit.is_none() && read.len() + chunk.len() > SMALL {
                permit = Some(self.long_bodies.try_acquire().map_err(|_| come_again())?);
            }
            read.extend_from_slice(&chunk);
        }
        Ok((read.freeze(), permit))
    }

    /// Whose it is, and its fields.
    fn json(&self, body: &[u8]) -> Result<(&str, Map<String, Value>), Box<Response>> {
        // A struct could be an array too.
        if body.trim_ascii_start().first() != Some(&b'{') {
            return Err(rubbish());
        }
        let shown: Shown<'_> = serde_json::from_slice(body).map_err(|_| rubbish())?;
        let token = shown
            .token
            .and_then(|token| serde_json::from_str::<String>(token.get()).ok());
        let integration = self.integration_of(token.as_deref().unwrap_or_default())?;
        let fields = serde_json::from_slice(body).map_err(|_| rubbish())?;
        Ok((integration, fields))
    }

    async fn form(&self, body: Bytes) -> Result<(&str, Map<String, Value>), Box<Response>> {
        let request = Request::post("/")
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Body::from(body))
            .map_err(|_| rubbish())?;
        let Form(fields) = Form::<HashMap<String, String>>::from_request(request, &())
            .await
            .map_err(|_| rubbish())?;
        let integration = self.integration_of(fields.get("token").map_or("", String::as_str))?;
        let fields = fields.into_iter().map(|(name, text)| (name, Value::String(text)));
        Ok((integration, fields.collect()))
    }
}

fn rubbish() -> Box<Response> {
    Box::new(refusal(
        StatusCode::BAD_REQUEST,
        "this is neither a JSON object nor a form",
    ))
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
