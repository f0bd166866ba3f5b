//! Rocket.Chat's outgoing webhooks: a bot that the server calls over HTTP, and that needs no user account.
//!
//! An administrator makes an integration (`Outgoing WebHook`, event `Message Sent`) with the address of this bot and a
//! token. From then on the server posts each message that it hears, or that begins with one of its trigger words, and
//! posts what the bot answers in the room, as the integration's user.
//!
//! ```no_run
//! use rocketbotte::transport::webhook::Webhook;
//! use rocketbotte::{BoxError, Router, command::CommandLayer};
//! use tower::Layer;
//!
//! async fn ping() -> &'static str { "pong" }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), BoxError> {
//! let app = CommandLayer::new("!").layer(Router::new().command("ping", ping));
//! let webhook = Webhook::builder().token("ops", std::env::var("WEBHOOK_TOKEN")?).build()?;
//! let listener = tokio::net::TcpListener::bind("0.0.0.0:8080").await?;
//! // Until it is stopped: here, by Ctrl-C.
//! webhook.serve(listener, app, async { drop(tokio::signal::ctrl_c().await) }).await?;
//! # Ok(())
//! # }
//! ```
//!
//! In an axum application of one's own, with settings of one's own, and with an account for what a webhook can not do:
//! [`Webhook::into_parts`].
//!
//! # What can be answered
//!
//! The server's call takes one message for an answer, in the room that was asked in. It is the first text that is
//! returned, or sent through the [`Outbox`](crate::extract::Outbox), with its attachments, its thread and what name it is
//! shown under. Everything else (a second message, another room, a reaction) goes to the sink: [`NoAccount`] makes a failure
//! of it that says so, a [`RestSink`](crate::rest::RestSink) carries it out. So does what comes later than
//! [`answer_within`](WebhookBuilder::answer_within), since the server does not wait for ever.
//!
//! # Called again
//!
//! The server calls again, where its integration is set so, after an answer that says that something failed: this is said
//! while the bot stops or has too much to do, so that nothing is lost by that. It does not call again where it could not
//! connect. A message that comes again while it is remembered (the last 1024) is not handled
//! again, and gets the same answer.
//!
//! # Strangers
//!
//! The server shows its token in the body, so a body is read of whoever can connect. What that may hold and how long it
//! may take is bounded ([`body_limit`](WebhookBuilder::body_limit), [`read_timeout`](WebhookBuilder::read_timeout), and for
//! [`Webhook::serve`] [`max_connections`](WebhookBuilder::max_connections)), it is parsed only behind a right token, and wrong
//! ones are logged once a minute. Let none but the server reach it where you can.

mod exchange;
mod listen;
mod no_account;
mod post;
mod refused;
mod routes;
mod tokens;

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::routing::{Router, post};
use futures_core::Stream;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use tower::{BoxError, Service};

pub(crate) use self::exchange::Exchange;
pub use self::no_account::{NeedsAccount, NoAccount};
pub use self::post::Post;
use self::routes::Calls;
use self::tokens::Tokens;
use super::{Delivery, Transport, TransportError};
use crate::dispatch::{Serve, ServeError, ShutdownReport};
use crate::event::Event;
use crate::request::Request;
use crate::response::Response;
use crate::secret::Secret;

/// The server gives up after 20 seconds.
const ANSWER_WITHIN: Duration = Duration::from_secs(15);

/// Bytes of a call: a message of the longest kind, with the object of its file.
const BODY_LIMIT: usize = 1024 * 1024;

/// A call of the server comes as a whole.
const READ_TIMEOUT: Duration = Duration::from_secs(10);

/// Connections at a time.
const MOST_CONNECTIONS: usize = 256;

/// Calls that wait for the pipeline.
const MOST_WAITING: usize = 1024;

/// Connections that are not done have this long when the bot has ended.
const TIME_TO_CLOSE: Duration = Duration::from_secs(5);

/// Settings of a [`Webhook`].
#[derive(Clone, Debug)]
#[must_use]
pub struct WebhookBuilder {
    tokens: Tokens,
    path: String,
    body_limit: usize,
    answer_within: Duration,
    max_waiting: usize,
    max_connections: usize,
    read_timeout: Duration,
}

/// Why a webhook can not be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WebhookError {
    /// Everybody could call it.
    #[error("the webhook has no token: give it the one of the server's integration")]
    NoToken,
    /// A token that everybody knows.
    #[error("the token of the integration `{0}` is empty")]
    EmptyToken(String),
    /// The path is none.
    #[error("`{0}` is no path: it has to begin with a slash and have neither braces nor blanks")]
    Path(String),
}

impl WebhookBuilder {
    /// A token that the server shows of its integration, and a name for that: [`Post::integration`] tells it. Several
    /// may be given, one for each integration; a token that is being replaced may be given beside the new one.
    pub fn token(mut self, integration: impl Into<String>, token: impl Into<Secret>) -> Self {
        self.tokens.push(integration.into(), token.into());
        self
    }

    /// The path that the server calls: `/` unless set.
    pub fn path(mut self, path: impl Into<String>) -> Self {
        self.path = path.into();
        self
    }

    /// Bytes that a call may have: a mebibyte unless set. What is longer is refused.
    pub fn body_limit(mut self, bytes: usize) -> Self {
        self.body_limit = bytes;
        self
    }

    /// How long the server waits for an answer: 15 s unless set, since it gives up after 20. What takes longer is no
    /// answer any more.
    pub fn answer_within(mut self, time: Duration) -> Self {
        self.answer_within = time;
        self
    }

    /// How many calls wait for the pipeline (1024 unless set, at least 1). More are asked to come again.
    pub fn max_waiting(mut self, calls: usize) -> Self {
        self.max_waiting = calls.max(1);
        self
    }

    /// How many connections [`Webhook::serve`] has at a time (256 unless set, at least 1). More wait until one is closed.
    pub fn max_connections(mut self, connections: usize) -> Self {
        self.max_connections = connections.max(1);
        self
    }

    /// How long a caller may take for the head of a call, and again for its body: 10 s each unless set. A connection
    /// without a call is closed after this too. In an application of one's own it is the body only.
    pub fn read_timeout(mut self, time: Duration) -> Self {
        self.read_timeout = time;
        self
    }

    /// The webhook.
    ///
    /// # Errors
    ///
    /// There is no token, one is empty, or the path is none.
    pub fn build(self) -> Result<Webhook, WebhookError> {
        self.tokens.check()?;
        let is_path = self.path.starts_with('/')
            && !self
                .path
                .contains(|c: char| c.is_whitespace() || c.is_control() || "{}*?#".contains(c));
        if !is_path {
            return Err(WebhookError::Path(self.path));
        }
        Ok(Webhook { settings: self })
    }
}

/// An outgoing webhook's other end.
#[derive(Debug)]
#[must_use]
pub struct Webhook {
    settings: WebhookBuilder,
}

impl Webhook {
    /// Settings for a webhook.
    pub fn builder() -> WebhookBuilder {
        WebhookBuilder {
            tokens: Tokens::default(),
            path: "/".to_owned(),
            body_limit: BODY_LIMIT,
            answer_within: ANSWER_WITHIN,
            max_waiting: MOST_WAITING,
            max_connections: MOST_CONNECTIONS,
            read_timeout: READ_TIMEOUT,
        }
    }

    /// The routes, to be merged into an application of one's own, and the transport that they feed.
    ///
    /// ```
    /// # fn main() -> Result<(), rocketbotte::BoxError> {
    /// use rocketbotte::dispatch::Serve;
    /// use rocketbotte::transport::webhook::{NoAccount, Webhook};
    ///
    /// let (routes, transport) = Webhook::builder().token("ops", "s3cr3t").path("/chat").build()?.into_parts();
    /// let web: axum::Router = axum::Router::new().merge(routes);
    /// // Or, with an account for everything else, `RestSink::new(client)`.
    /// let bot = Serve::new(transport, NoAccount);
    /// # let _ = (web, bot);
    /// # Ok(())
    /// # }
    /// ```
    pub fn into_parts(self) -> (Router, WebhookTransport) {
        self.parts(false)
    }

    fn parts(self, keeps: bool) -> (Router, WebhookTransport) {
        let settings = self.settings;
        let (sender, deliveries) = mpsc::channel(settings.max_waiting);
        let path = settings.path.clone();
        let calls = Arc::new(Calls::new(settings, sender, keeps));
        let routes = Router::new().route(&path, post(routes::call).with_state(calls));
        let transport = WebhookTransport {
            deliveries,
            was_ready: false,
        };
        (routes, transport)
    }

    /// Listens and serves a pipeline until `stop` resolves. Then no new call is taken, what runs may end, and its answers
    /// go out.
    ///
    /// # Errors
    ///
    /// As [`Serve::run`].
    pub async fn serve<S>(
        self,
        listener: TcpListener,
        service: S,
        stop: impl Future<Output = ()> + Send,
    ) -> Result<ShutdownReport, ServeError>
    where
        S: Service<Request, Response = Response> + Send + 'static,
        S::Error: Into<BoxError>,
        S::Future: Send + 'static,
    {
        let (connections, read_timeout) = (self.settings.max_connections, self.settings.read_timeout);
        let (routes, transport) = self.parts(true);
        let serve = Serve::new(transport, NoAccount);
        let handle = serve.handle();
        let (ended, has_ended) = oneshot::channel::<()>();
        // It ends also where nobody says so.
        let closed = async { drop(has_ended.await) };
        let listening = tokio::spawn(listen::listen(
            listener,
            routes,
            connections,
            read_timeout,
            closed,
        ));
        // Dropped half-way, nobody listens any more.
        let listening = AbortOnDrop(listening);
        let mut running = std::pin::pin!(serve.run(service));
        let report = tokio::select! {
            report = &mut running => report,
            () = stop => {
                handle.shutdown();
                running.await
            }
        };
        drop(ended);
        let mut listening = listening;
        if tokio::time::timeout(TIME_TO_CLOSE, &mut listening.0)
            .await
            .is_err()
        {
            tracing::debug!("connections were still open when the bot had ended");
        }
        report
    }
}

struct AbortOnDrop<T>(tokio::task::JoinHandle<T>);

impl<T> Drop for AbortOnDrop<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// What the server posts to a [`Webhook`].
pub struct WebhookTransport {
    deliveries: mpsc::Receiver<Delivery>,
    was_ready: bool,
}

impl Stream for WebhookTransport {
    type Item = Result<Delivery, TransportError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if !std::mem::replace(&mut self.was_ready, true) {
            return Poll::Ready(Some(Ok(Delivery::live(Event::Ready))));
        }
        self.deliveries.poll_recv(cx).map(|delivery| delivery.map(Ok))
    }
}

impl Transport for WebhookTransport {
    fn stop(mut self: Pin<&mut Self>) {
        self.deliveries.close();
        // Their callers are told to come again.
        while self.deliveries.try_recv().is_ok() {}
    }
}

impl fmt::Debug for WebhookTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebhookTransport").finish_non_exhaustive()
    }
}
