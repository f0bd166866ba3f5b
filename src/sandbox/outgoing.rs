//! Outgoing webhooks: the server posts what people say to a program, and in the room what that answers.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use serde_json::{Map, Value, json};

use super::observe::SandboxMessage;
use super::refusal::Refusal;
use super::state::{history::iso, random_id, rooms::RoomKind};
use super::{Sandbox, SandboxRefusal};

/// The server gives up on a call after this.
const PATIENCE: Duration = Duration::from_secs(20);

/// As many times it calls again, as the form for an integration has it.
const RETRIES: u32 = 6;

/// Bytes of an answer.
const ANSWER_MAX: usize = 1024 * 1024;

/// An integration of the kind `Outgoing WebHook`, for the event `Message Sent`: see [`Sandbox::add_outgoing_webhook`].
#[derive(Debug, Clone)]
#[must_use]
pub struct OutgoingWebhook {
    id: String,
    url: String,
    token: String,
    username: String,
    room: Option<String>,
    trigger_words: Vec<String>,
    sends_bot_object: bool,
}

impl OutgoingWebhook {
    /// Calls this address (`http`) with this token, and posts the answers as the user `rocketbotte`.
    pub fn new(url: impl Into<String>, token: impl Into<String>) -> Self {
        Self {
            id: random_id(),
            url: url.into(),
            token: token.into(),
            username: "rocketbotte".to_owned(),
            room: None,
            trigger_words: Vec::new(),
            sends_bot_object: false,
        }
    }

    /// Posts the field `bot` as older servers do: of messages of bots the object that the message has, not `true`.
    pub fn bot_as_object(mut self) -> Self {
        self.sends_bot_object = true;
        self
    }

    /// As whom the answers are posted.
    pub fn username(mut self, username: impl Into<String>) -> Self {
        self.username = username.into();
        self
    }

    /// Only what is said in this room, by its name or id; in all public channels unless set.
    pub fn room(mut self, room: impl Into<String>) -> Self {
        self.room = Some(room.into());
        self
    }

    /// Only what begins with this, or another one of such words.
    pub fn trigger_word(mut self, word: impl Into<String>) -> Self {
        self.trigger_words.push(word.into());
        self
    }
}

struct Integration {
    hook: OutgoingWebhook,
    uid: String,
    /// The room that it is for.
    rid: Option<String>,
    sandbox: Sandbox,
    client: Client<HttpConnector, Full<Bytes>>,
    /// Until an answer says that there is nothing here.
    is_enabled: AtomicBool,
}

impl Sandbox {
    /// Adds an integration that posts what people say from now on to a program, as the server does: with the fields of
    /// its event in JSON, calls again after 0.1 s, 1 s, 10 s and so on where the answer is empty or a failure (but not after
    /// 500, nor where nobody listens; and never again after 410), and posts the text and the attachments of the answer in
    /// the room, marked as those of a bot.
    ///
    /// # Errors
    ///
    /// There is no such user or room, or the address is none of the scheme `http`.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    pub fn add_outgoing_webhook(&self, hook: OutgoingWebhook) -> Result<(), SandboxRefusal> {
        let is_http = hook
            .url
            .parse::<hyper::Uri>()
            .is_ok_and(|url| url.scheme_str() == Some("http"));
        if !is_http {
            return Err(Refusal::plain(format!("{:?} is no address of the scheme http", hook.url)).into());
        }
        let (uid, rid) = {
            let state = self.state();
            let user = state.user_by_name(&hook.username);
            let uid = user.map(|user| user.id.clone());
            let uid = uid.ok_or_else(|| Refusal::plain(format!("there is no user {:?}", hook.username)))?;
            let rid = match &hook.room {
                None => None,
                Some(room) => Some(
                    state
                        .find_rid(room)
                        .ok_or_else(|| Refusal::plain(format!("there is no room {room:?}")))?,
                ),
            };
            (uid, rid)
        };
        let mut feed = self.subscribe();
        let integration = Arc::new(Integration {
            hook,
            uid,
            rid,
            sandbox: self.clone(),
            client: Client::builder(TokioExecutor::new()).build_http(),
            is_enabled: AtomicBool::new(true),
        });
        let mut stopped = self.shared().stop.subscribe();
        tokio::spawn(async move {
            while integration.is_enabled.load(Ordering::Relaxed) {
                let message = tokio::select! {
                    message = feed.next() => message,
                    _ = stopped.wait_for(|stopped| *stopped) => return,
                };
                let Some(message) = message else { return };
                if let Some(body) = integration.body_for(&message) {
                    let integration = Arc::clone(&integration);
                    tokio::spawn(async move { integration.execute(&message, body).await });
                }
            }
        });
        Ok(())
    }
}

impl Integration {
    /// What is posted for a message; none if the integration is not for it.
    fn body_for(&self, message: &SandboxMessage) -> Option<Bytes> {
        let state = self.sandbox.state();
        let room = state.rooms.get(&message.room_id)?;
        let is_here = match &self.rid {
            Some(rid) => *rid == message.room_id,
            None => room.kind == RoomKind::Channel,
        };
        if !is_here || message.raw.get("t").is_some() {
            return None;
        }
        let words = &self.hook.trigger_words;
        let word = words.iter().find(|word| message.text.starts_with(word.as_str()));
        if word.is_none() && !words.is_empty() {
            return None;
        }
        let raw = |name: &str| message.raw.get(name);
        let at = raw("ts")
            .and_then(|ts| ts.get("$date")?.as_i64())
            .unwrap_or_default();
        let bot = match raw("bot") {
            Some(bot) if self.hook.sends_bot_object => bot.clone(),
            bot => json!(bot.is_some()),
        };
        let mut data = Map::from_iter([
            ("token".to_owned(), json!(self.hook.token)),
            ("bot".to_owned(), bot),
            ("channel_id".to_owned(), json!(message.room_id)),
            ("message_id".to_owned(), json!(message.id)),
            ("timestamp".to_owned(), json!(iso(at))),
            ("user_id".to_owned(), json!(raw("u").and_then(|u| u.get("_id")))),
            ("user_name".to_owned(), json!(message.username)),
            ("text".to_owned(), json!(message.text)),
            ("siteUrl".to_owned(), json!(state.settings.get("Site_Url"))),
        ]);
        let optional = [
            ("trigger_word", word.map(|word| json!(word))),
            ("channel_name", room.name.as_ref().map(|name| json!(name))),
            ("alias", raw("alias").cloned()),
            ("tmid", raw("tmid").cloned()),
        ];
        data.extend(
            optional
                .into_iter()
                .filter_map(|(name, value)| Some((name.to_owned(), value?))),
        );
        Some(Value::Object(data).to_string().into())
    }

    async fn execute(&self, message: &SandboxMessage, body: Bytes) {
        for tries in 0..=RETRIES {
            let Some((status, answer)) = self.call(body.clone()).await else {
                // Where nobody listens, or answers, it is left at that.
                return;
            };
            if !answer.is_empty() && [200, 201, 202].contains(&status) {
                return self.post_answer(message, &answer);
            }
            if !answer.is_empty() && status == 410 {
                self.is_enabled.store(false, Ordering::Relaxed);
            }
            if !answer.is_empty() && [410, 500].contains(&status) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10_u64.pow(tries + 2))).await;
        }
    }

    async fn call(&self, body: Bytes) -> Option<(u16, Bytes)> {
        let request = hyper::Request::post(&self.hook.url)
            .header("content-type", "application/json")
            .header("user-agent", "Mozilla/5.0 (X11; Linux x86_64)")
            .body(Full::new(body))
            .ok()?;
        let exchange = async {
            let response = self.client.request(request).await.ok()?;
            let status = response.status().as_u16();
            let is_json = response
                .headers()
                .get("content-type")
                .and_then(|kind| kind.to_str().ok())
                .is_some_and(|kind| kind.starts_with("application/json"));
            let body = Limited::new(response.into_body(), ANSWER_MAX)
                .collect()
                .await
                .ok()?;
            let body = body.to_bytes();
            // What is no JSON is no message, and no failure either.
            let body = if is_json || body.is_empty() {
                body
            } else {
                Bytes::from_static(b"{}")
            };
            Some((status, body))
        };
        tokio::time::timeout(PATIENCE, exchange).await.ok()?
    }

    fn post_answer(&self, message: &SandboxMessage, answer: &[u8]) {
        let Ok(Value::Object(answer)) = serde_json::from_slice(answer) else {
            return;
        };
        let text = |name: &str| {
            answer
                .get(name)
                .and_then(Value::as_str)
                .filter(|text| !text.is_empty())
        };
        let attachments = answer
            .get("attachments")
            .filter(|attachments| attachments.is_array());
        if text("text").is_none() && attachments.is_none() {
            return;
        }
        let mut draft = Map::from_iter([
            ("rid".to_owned(), json!(message.room_id)),
            ("msg".to_owned(), json!(text("text").unwrap_or_default().trim())),
            ("bot".to_owned(), json!({ "i": self.hook.id })),
            ("groupable".to_owned(), json!(false)),
        ]);
        if let Some(attachments) = attachments {
            draft.insert("attachments".to_owned(), attachments.clone());
        }
        let shown = [
            ("alias", text("username").or(text("alias"))),
            ("tmid", text("tmid")),
            ("avatar", text("icon_url").or(text("avatar"))),
            ("emoji", text("icon_emoji").or(text("emoji"))),
        ];
        for (name, text) in shown {
            if let Some(text) = text {
                draft.insert(name.to_owned(), json!(text));
            }
        }
        let mut state = self.sandbox.state();
        let size = state.check_size(text("text").unwrap_or_default(), "sendMessage");
        let posted = size.and_then(|()| state.may_post(&self.uid, &message.room_id, &Map::new()));
        match posted {
            Ok(()) => drop(state.insert(&self.uid, draft)),
            Err(refused) => tracing::warn!(reason = refused.message(), "an answer was not posted"),
        }
    }
}
