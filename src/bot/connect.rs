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
use crate::rest::endpoint::{Info, Me, MeReply, PublicSettings, SettingsReply, Subscriptions};
use crate::rest::token_source::{BLOCKED_PAUSE, is_blocked};
use crate::rest::{Client, RestError, RestErrorKind};
use crate::server_url::ServerUrl;
use crate::transport::{Backoff, Connector, RetryDecision};

/// The server's own default for `Message_MaxAllowedSize`.
const DEFAULT_MESSAGE_SIZE_LIMIT: usize = 5000;

/// The server has this long to tell what is good to know.
const ASK_TIMEOUT: Duration = Duration::from_secs(5);

/// Giving a token back is a courtesy that must not hold up the end.
const LOGOUT_TIMEOUT: Duration = Duration::from_secs(2);

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
    login: Login,
}

/// The token that a password was exchanged for, if there was one. It would be valid for months, so it is given back.
#[derive(Default)]
struct Login(Option<Client>);

/// A bot that is dropped gives it back too, where there is a runtime still.
impl Drop for Login {
    fn drop(&mut self) {
        if let (Some(client), Ok(runtime)) = (self.0.take(), tokio::runtime::Handle::try_current()) {
            runtime.spawn(async move {
                let _ = tokio::time::timeout(LOGOUT_TIMEOUT, client.logout()).await;
            });
        }
    }
}

impl Login {
    /// Not for a personal access token: it would be deleted by this.
    async fn end(mut self, handle: &BotHandle) {
        let Some(client) = self.0.take() else { return };
        let mut stop = handle.watch_stop();
        let log_out = tokio::time::timeout(LOGOUT_TIMEOUT, client.logout());
        let failed = tokio::select! {
            biased;
            () = reached(&mut stop, Stop::AtOnce) => "the bot stopped at once".to_owned(),
            done = log_out => match done {
                Ok(Ok(())) => return,
                Ok(Err(error)) => error.to_string(),
                Err(_) => "no answer in time".to_owned(),
            },
        };
        tracing::debug!(failed, "the login token was not given back");
    }
}

impl Session {
    /// The name that the server takes for typing notifications: it silently drops any other.
    pub(super) fn typing_name(&self) -> &str {
        match self.identity.name() {
            Some(name) if self.uses_real_names => name,
            _ => self.identity.username(),
        }
    }

    /// What the ids of replies are derived with: the token. Never the password: everybody in a room sees the ids, and
    /// what a person chose could be found by trying. A token is random, and worthless once it is given back.
    pub(super) fn id_secret(&self) -> &str {
        self.credentials.token().expose()
    }

    /// The first secret of a journal. It follows from the token, which never gets into a file; from then on it stays,
    /// whatever becomes of the token.
    pub(super) fn derived_secret(&self) -> Vec<u8> {
        crate::dispatch::secret_from(self.id_secret().as_bytes())
    }

    /// Gives a login token back.
    pub(super) async fn end(self, handle: &BotHandle) {
        self.login.end(handle).await;
    }
}

/// `None` where the bot was stopped before the server could be reached.
pub(super) async fn connect(settings: &BotBuilder, handle: &BotHandle) -> Result<Option<Session>, BotError> {
    let mut stop = handle.watch_stop();
    let mut login = Login::default();
    let result = tokio::select! {
        biased;
        () = reached(&mut stop, Stop::Gracefully) => Ok(None),
        session = connect_or_fail(settings, &mut login) => session.map(Some),
    };
    // A session has taken the login over.
    login.end(handle).await;
    result
}

/// Resolves when the bot is stopped, this far at least.
async fn reached(stop: &mut watch::Receiver<Stop>, least: Stop) {
    if stop.wait_for(|stop| *stop >= least).await.is_err() {
        // The handle lives longer than the bot.
        std::future::pending::<()>().await;
    }
}

async fn connect_or_fail(settings: &BotBuilder, login: &mut Login) -> Result<Session, BotError> {
    let url = settings.server_url()?;
    let connector = settings.make_connector()?;
    warn_of_plain_http(&url);
    // Each failure is counted and logged here, so the client does not try again by itself.
    let anonymous = Client::builder(url.clone(), connector.clone())
        .rest_api(settings.rest_api.clone())
        .two_factor_by(settings.two_factor.clone())
        .max_retries(0)
        .build();
    let mut backoff = Backoff::new(settings.backoff, Instant::now());
    let (client, me) = loop {
        let error = match log_in(settings, &anonymous, login).await? {
            Ok(logged_in) => break logged_in,
            Err(error) => error,
        };
        if !error.is_transient() {
            // An address that was right once is worth waiting for: a page of maintenance, a certificate that has expired.
            let is_about_the_account = matches!(
                error.kind(),
                RestErrorKind::Unauthorized | RestErrorKind::TwoFactorRequired
            ) && !is_blocked(&error);
            if is_about_the_account || !is_blocked(&error) && !settings.has_run_on(&url) {
                return Err(refusal(settings, error));
            }
            if !is_blocked(&error) {
                tracing::error!(%error, "the server is not as it was when the bot ran on it before: trying again");
            }
        }
        match backoff.failed(Instant::now(), fastrand::f64()) {
            RetryDecision::Retry(wait) => {
                let wait = match error.kind() {
                    RestErrorKind::RateLimited { retry_after } => wait.max(*retry_after),
                    _ if is_blocked(&error) => wait.max(BLOCKED_PAUSE),
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
    let Some(credentials) = client.credentials() else {
        return Err(BotError::configuration("the bot has no account"));
    };
    let known = ask(&client).await;
    let client = client.with_max_retries(None);
    let mut identity = Identity::new(credentials.user_id().clone(), me.username);
    if let Some(name) = me.name {
        identity = identity.with_name(name);
    }
    Ok(Session {
        site_url: known.site_url.unwrap_or_else(|| url.to_string()),
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
        login: std::mem::take(login),
    })
}

/// The outer error is the configuration's, the inner one the server's. A login that was made once is used again: each
/// leaves a token behind.
async fn log_in(
    settings: &BotBuilder,
    anonymous: &Client,
    login: &mut Login,
) -> Result<Result<(Client, MeReply), RestError>, BotError> {
    let client = match (settings.credentials()?, &settings.account, &login.0) {
        (Some(credentials), _, _) => anonymous.with_credentials(credentials),
        (None, Some(Account::Password { .. }), Some(client)) => client.clone(),
        (None, Some(Account::Password { user, password }), None) => {
            match anonymous.login(user, password).await {
                Ok(client) => login.0.insert(client).clone(),
                Err(error) => return Ok(Err(error)),
            }
        }
        (None, _, _) => return Err(BotError::configuration("the bot has no account")),
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
        (RestErrorKind::TwoFactorRequired, Some(Account::Password { user, .. })) => {
            let sentence = match settings.two_factor {
                None => format!(
                    "{url} wants a second factor for the user \"{user}\": set two_factor, or use a personal access token \
                     instead of the password"
                ),
                Some(_) => format!(
                    "{url} wants a second factor for the user \"{user}\", and there was no right one: {}",
                    error.message()
                ),
            };
            BotError::refused(sentence, error)
        }
        _ => error.into(),
    }
}

/// What is good to know and not worth failing or waiting for: some proxies block one or the other.
#[derive(Default)]
struct Known {
    version: Option<String>,
    rooms: Option<usize>,
    message_size_limit: Option<usize>,
    uses_real_names: bool,
    site_url: Option<String>,
}

const MESSAGE_SIZE: &str = "Message_MaxAllowedSize";
const REAL_NAMES: &str = "UI_Use_Real_Name";
const SITE_URL: &str = "Site_Url";
const SETTINGS: [&str; 3] = [MESSAGE_SIZE, REAL_NAMES, SITE_URL];

/// The client must not try again by itself.
async fn ask(client: &Client) -> Known {
    let subscriptions = Subscriptions { updated_since: None };
    let (info, settings, rooms) = tokio::join!(
        in_time(client.call(&Info {}), "version"),
        in_time(ask_settings(client), "settings"),
        in_time(client.call(&subscriptions), "rooms"),
    );
    let mut known = Known {
        version: info.and_then(|info| info.version().map(str::to_owned)),
        rooms: rooms.map(|rooms| rooms.update.len()),
        ..Known::default()
    };
    if let Some(settings) = settings {
        known.message_size_limit = settings
            .get(MESSAGE_SIZE)
            .and_then(serde_json::Value::as_u64)
            .and_then(|limit| usize::try_from(limit).ok())
            .filter(|limit| *limit > 0);
        known.uses_real_names = settings
            .get(REAL_NAMES)
            .and_then(serde_json::Value::as_bool)
            .unwrap_or_default();
        known.site_url = settings
            .get(SITE_URL)
            .and_then(serde_json::Value::as_str)
            .and_then(|url| url.parse::<ServerUrl>().ok())
            .map(|url| url.to_string());
    }
    known
}

/// All questions are asked at the same time, so that this is the time for all of them.
async fn in_time<T>(answer: impl Future<Output = Result<T, RestError>>, what: &str) -> Option<T> {
    let why = match tokio::time::timeout(ASK_TIMEOUT, answer).await {
        Ok(Ok(answer)) => return Some(answer),
        Ok(Err(error)) => error.to_string(),
        Err(_) => "no answer in time".to_owned(),
    };
    tracing::debug!(what, why, "the server does not tell what is good to know");
    None
}

async fn ask_settings(client: &Client) -> Result<SettingsReply, RestError> {
    let settings = client.call(&PublicSettings::of(SETTINGS)).await?;
    if SETTINGS.iter().all(|id| settings.get(id).is_some()) {
        return Ok(settings);
    }
    match client.call(&PublicSettings::query_of(SETTINGS)).await {
        Ok(more) if SETTINGS.iter().any(|id| more.get(id).is_some()) => Ok(more),
        // The first answer may hold some of them.
        _ => Ok(settings),
    }
}

fn warn_of_plain_http(url: &ServerUrl) {
    let host = url.host().trim_matches(['[', ']']);
    let is_local = host == "localhost" || host.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback());
    if !url.is_tls() && !is_local {
        tracing::warn!(%url, "the token goes over the network in plain text: use https");
    }
}

#[cfg(test)]
mod tests;
