//! A bot on a sandbox over real sockets. Nothing is waited for by time alone: each wait is for an event.

use std::sync::Arc;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rocketbotte::dispatch::{BotHandle, ShutdownReport};
use rocketbotte::event::EventKind;
use rocketbotte::sandbox::{Sandbox, SandboxMessage};
use rocketbotte::transport::ConnectionState;
use rocketbotte::{Bot, BotBuilder, BotError, BoxError, Request, Response};
use tokio::task::JoinHandle;
use tower::Service;

/// How long an event may take on a busy machine before the test fails.
pub const PATIENCE: Duration = Duration::from_secs(30);

pub async fn in_time<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(PATIENCE, future).await.expect("in time")
}

/// A bot for one of the accounts of a server, quick to try again.
pub fn bot_at(sandbox: &Sandbox, name: &str) -> BotBuilder {
    let account = sandbox.bot(name);
    Bot::builder(sandbox.url())
        .token(account.id(), account.token())
        .max_retry_time(Duration::from_millis(20))
        .handle_signals(false)
}

pub struct Live {
    pub sandbox: Sandbox,
    pub handle: BotHandle,
    serving: JoinHandle<Result<ShutdownReport, BotError>>,
}

impl Live {
    /// The bot `rocketbotte` on a server, once it is connected.
    pub async fn on<S>(sandbox: &Sandbox, app: S) -> Self
    where
        S: Service<Request, Response = Response> + Send + 'static,
        S::Error: Into<BoxError>,
        S::Future: Send + 'static,
    {
        Self::of(sandbox, bot_at(sandbox, "rocketbotte"), app).await
    }

    pub async fn of<S>(sandbox: &Sandbox, bot: BotBuilder, app: S) -> Self
    where
        S: Service<Request, Response = Response> + Send + 'static,
        S::Error: Into<BoxError>,
        S::Future: Send + 'static,
    {
        let live = Self::starting(sandbox, bot, app);
        live.ready().await;
        live
    }

    /// The bot, which may not be connected yet.
    pub fn starting<S>(sandbox: &Sandbox, bot: BotBuilder, app: S) -> Self
    where
        S: Service<Request, Response = Response> + Send + 'static,
        S::Error: Into<BoxError>,
        S::Future: Send + 'static,
    {
        let bot = bot.build().unwrap();
        Self {
            sandbox: sandbox.clone(),
            handle: bot.handle(),
            serving: tokio::spawn(bot.serve(app)),
        }
    }

    pub async fn ready(&self) {
        self.state(ConnectionState::Ready).await;
    }

    pub async fn state(&self, wanted: ConnectionState) {
        let mut state = self.handle.watch_state();
        in_time(state.wait_for(|state| *state == wanted)).await.unwrap();
    }

    /// Loses the connection and waits for the next one.
    pub async fn reconnect(&self) {
        let (back, mut is_back) = tokio::sync::watch::channel(false);
        let listener = self.handle.add_listener(EventKind::Reconnected, move || {
            back.send_replace(true);
            std::future::ready(())
        });
        self.sandbox.drop_connections();
        in_time(is_back.wait_for(|is_back| *is_back)).await.unwrap();
        listener.remove();
    }

    /// Ann says something in `#general`, and somebody answers.
    pub async fn ask(&self, text: &str) -> String {
        self.ask_in("general", text).await
    }

    pub async fn ask_in(&self, room: &str, text: &str) -> String {
        let asked = self.sandbox.user("ann").say(room, text).await;
        self.reply_to(&asked).await.text
    }

    pub async fn reply_to(&self, message_id: &str) -> SandboxMessage {
        self.sandbox.wait_for_reply(message_id, PATIENCE).await.unwrap()
    }

    /// All that a user said in a room.
    pub fn said_by(&self, username: &str, room: &str) -> Vec<String> {
        let messages = self.sandbox.messages(room).into_iter();
        messages
            .filter(|message| message.username == username && message.raw.get("t").is_none())
            .map(|message| message.text)
            .collect()
    }

    pub async fn shut_down(self) -> ShutdownReport {
        self.handle.shutdown();
        self.result().await.unwrap()
    }

    pub async fn result(self) -> Result<ShutdownReport, BotError> {
        in_time(self.serving).await.unwrap()
    }
}

/// A server's TLS settings for the loopback interface, and the PEM of the authority that signed its certificate.
pub fn authority_of_ones_own() -> (Arc<rustls::ServerConfig>, String) {
    let mut ca = CertificateParams::new(Vec::new()).unwrap();
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca_key = KeyPair::generate().unwrap();
    let ca_pem = ca.self_signed(&ca_key).unwrap().pem();
    let key = KeyPair::generate().unwrap();
    let cert = CertificateParams::new(vec!["127.0.0.1".to_owned()])
        .unwrap()
        .signed_by(&key, &Issuer::new(ca, ca_key))
        .unwrap();
    let config =
        rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                vec![cert.der().clone()],
                rustls::pki_types::PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
            )
            .unwrap();
    (Arc::new(config), ca_pem)
}
