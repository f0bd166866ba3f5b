//! From settings to a session: the account is checked and the server asked what a bot has to know, over REST.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use super::BotBuilder;
use super::builder::Account;
use super::error::BotError;
use crate::context::Identity;
use crate::credentials::Credentials;
use crate::dispatch::{BotHandle, Stop};
use crate::rest::endpoint::{Info, Me, MeReply, PublicSettings, Subscriptions};
use crate::rest::{Client, RestError, RestErrorKind};
use crate::secret::Secret;
use crate::server_url::ServerUrl;
use crate::transport::{Backoff, Connector, RetryDecision};

/// The server's own default for `Message_MaxAllowedSize`.
const DEFAULT_MESSAGE_SIZE_LIMIT: usize = 5000;

/// What is known of server and account once the server has answered.
pub(super) struct Session {
    pub(super) url: ServerUrl,
    pub(super) connector: Connector,
    pub(super) client: Client,
    pub(super) credentials: Credentials,
    pub(super) identity: Identity,
    pub(super) roles: Vec<String>,
    pub(super) server_version: Option<String>,
    pub(super) room_count: Option<usize>,
    pub(super) message_size_limit: usize,
    pub(super) site_url: String,
    uses_real_names: bool,
    /// A token that a password was exchanged for is given back at the end.
    password: Option<Secret>,
}

impl Session {
    /// The name that the server takes for typing notifications: it silently drops any other.
    pub(super) fn typing_name(&self) -> &str {
        match self.identity.name() {
            Some(name) if self.uses_real_names => name,
            _ => self.identity.username(),
        }
    }

    /// What the ids of replies are derived with: the part of the configuration that nobody else knows and that stays
    /// the same from start to start.
    pub(super) fn id_secret(&self) -> &str {
        self.password
            .as_ref()
            .unwrap_or_else(|| self.credentials.token())
            .expose()
    }

    /// Gives a login token back: it would be valid for months. A personal access token would be deleted by this. A
    /// server that does not answer is not waited for beyond `time`, nor beyond the second request to stop.
    pub(super) async fn end(&self, handle: &BotHandle, time: Duration) {
        if self.password.is_none() {
            return;
        }
        let mut stop = handle.watch_stop();
        tokio::select! {
            biased;
            _ = stop.wait_for(|stop| *stop == Stop::AtOnce) => {
                tracing::debug!("the login token was not given back: the bot was to end at once");
            }
            logged_out = tokio::time::timeout(time, self.client.logout()) => match logged_out {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::debug!(%error, "the login token could not be given back"),
                Err(error) => tracing::debug!(%error, "the login token could not be given back in time"),
            },
        }
    }
}

/// `None` where the bot was stopped before the server could be reached.
pub(super) async fn connect(settings: &BotBuilder, handle: &BotHandle) -> Result<Option<Session>, BotError> {
    let mut stop = handle.watch_stop();
    tokio::select! {
        biased;
        () = is_stopped(&mut stop) => Ok(None),
        session = connect_or_fail(settings) => session.map(Some),
    }
}

async fn is_stopped(stop: &mut watch::Receiver<Stop>) {
    if stop.wait_for(|stop| *stop != Stop::No).await.is_err() {
        // The handle lives longer than the bot.
        std::future::pending::<()>().await;
    }
}

async fn connect_or_fail(settings: &BotBuilder) -> Result<Session, BotError> {
    let url = settings.server_url()?;
    let connector = settings.make_connector()?;
    warn_of_plain_http(&url);
    // Each failure is counted and logged here, so the client does not try again by itself.
    let anonymous = Client::builder(url.clone(), connector.clone())
        .rest_api(settings.rest_api.clone())
        .max_retries(0)
        .build();
    let mut backoff = Backoff::new(settings.backoff, Instant::now());
    let (client, me) = loop {
        let error = match log_in(settings, &anonymous).await? {
            Ok(logged_in) => break logged_in,
            Err(error) => error,
        };
        if !error.is_transient() {
            return Err(refusal(settings, error));
        }
        match backoff.failed(Instant::now(), fastrand::f64()) {
            RetryDecision::Retry(wait) => {
                let wait = match error.kind() {
                    RestErrorKind::RateLimited { retry_after } => wait.max(*retry_after),
                    _ => wait,
                };
                tracing::warn!(%error, ?wait, "the server can not be reached, trying again");
                tokio::time::sleep(wait).await;
            }
            RetryDecision::GiveUp { attempts, off } => {
                let message = format!("gave up after {attempts} attempts in {off:?}: {error}");
                return Err(BotError::unreachable(message).with_source(error));
            }
        }
    };
    // `log_in` gave the client its credentials.
    let Some(credentials) = client.credentials().cloned() else {
        return Err(BotError::configuration("the bot has no account"));
    };
    let client = Client::builder(url.clone(), connector.clone())
        .rest_api(settings.rest_api.clone())
        .credentials(credentials.clone())
        .build();
    let mut identity = Identity::new(credentials.user_id().clone(), me.username);
    if let Some(name) = me.name {
        identity = identity.with_name(name);
    }
    let known = ask(&client).await;
    Ok(Session {
        site_url: url.to_string(),
        url,
        connector,
        client,
        credentials,
        identity,
        roles: me.roles,
        server_version: known.version,
        room_count: known.rooms,
        message_size_limit: known.message_size_limit.unwrap_or(DEFAULT_MESSAGE_SIZE_LIMIT),
        uses_real_names: known.uses_real_names,
        password: match &settings.account {
            Some(Account::Password { password, .. }) => Some(password.clone()),
            _ => None,
        },
    })
}

/// The outer error is the configuration's, the inner one the server's.
async fn log_in(
    settings: &BotBuilder,
    anonymous: &Client,
) -> Result<Result<(Client, MeReply), RestError>, BotError> {
    let client = match (settings.credentials()?, &settings.account) {
        (Some(credentials), _) => anonymous.with_credentials(credentials),
        (None, Some(Account::Password { user, password })) => match anonymous.login(user, password).await {
            Ok(client) => client,
            Err(error) => return Ok(Err(error)),
        },
        (None, _) => return Err(BotError::configuration("the bot has no account")),
    };
    Ok(client.call(&Me {}).await.map(|me| (client, me)))
}

/// The sentence for an account that the server does not take.
fn refusal(settings: &BotBuilder, error: RestError) -> BotError {
    let url = &settings.url;
    match (error.kind(), &settings.account) {
        (RestErrorKind::Unauthorized, Some(Account::Token { user_id, .. })) => BotError::refused(
            format!(
                "{url} refuses the token of the user id \"{user_id}\": it is wrong, expired or revoked, or belongs to another user; make a new personal access token"
            ),
            error,
        ),
        (RestErrorKind::Unauthorized, Some(Account::Password { user, .. })) => BotError::refused(
            format!("{url} refuses the password of the user \"{user}\": check both"),
            error,
        ),
        (RestErrorKind::TwoFactorRequired, Some(Account::Password { user, .. })) => BotError::refused(
            format!(
                "{url} wants a second factor for the user \"{user}\": use a personal access token instead of the password"
            ),
            error,
        ),
        _ => error.into(),
    }
}

/// What is good to know and not worth failing for: some proxies block one or the other.
#[derive(Default)]
struct Known {
    version: Option<String>,
    rooms: Option<usize>,
    message_size_limit: Option<usize>,
    uses_real_names: bool,
}

async fn ask(client: &Client) -> Known {
    let settings = PublicSettings::of(["Message_MaxAllowedSize", "UI_Use_Real_Name"]);
    let (info, settings, rooms) = tokio::join!(
        client.call(&Info {}),
        client.call(&settings),
        client.call(&Subscriptions { updated_since: None }),
    );
    let mut known = Known::default();
    match info {
        Ok(info) => known.version = info.version().map(str::to_owned),
        Err(error) => tracing::debug!(%error, "the server does not tell its version"),
    }
    match rooms {
        Ok(rooms) => known.rooms = Some(rooms.update.len()),
        Err(error) => tracing::debug!(%error, "the server does not tell the bot's rooms"),
    }
    match settings {
        Ok(settings) => {
            known.message_size_limit = settings
                .get("Message_MaxAllowedSize")
                .and_then(serde_json::Value::as_u64)
                .and_then(|limit| usize::try_from(limit).ok())
                .filter(|limit| *limit > 0);
            known.uses_real_names = settings
                .get("UI_Use_Real_Name")
                .and_then(serde_json::Value::as_bool)
                .unwrap_or_default();
        }
        Err(error) => tracing::debug!(%error, "the server does not tell its settings"),
    }
    known
}

fn warn_of_plain_http(url: &ServerUrl) {
    let host = url.host().trim_matches(['[', ']']);
    let is_local = host == "localhost" || host.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback());
    if !url.is_tls() && !is_local {
        tracing::warn!(%url, "the token goes over the network in plain text: use https");
    }
}
