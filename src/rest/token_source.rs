//! The token that an account is used with: a given one, or that of a login, which is made again before and when it ends.
//! REST and the realtime connection share it.

use std::fmt;
use std::future::pending;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::HeaderValue;
use tokio::sync::watch;
use tokio::time::Instant;

use super::client::Client;
use super::error::{RestError, RestErrorKind};
use crate::credentials::Credentials;
use crate::event::UserId;
use crate::secret::Secret;

/// The longest pause between two logins that failed.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// The shortest after one that is blocked for too many attempts: the next attempt might prolong that.
pub(crate) const BLOCKED_PAUSE: Duration = Duration::from_secs(60);
/// A token that is refused sooner than this was taken back, and did not expire.
const SHORT_LIFE: Duration = Duration::from_secs(60);
/// So many tokens in a row may be taken back at once.
const MAX_SHORT_LIVES: u32 = 5;
/// A token is renewed so long before its end, or in the last tenth of its time.
const RENEW_BEFORE: Duration = Duration::from_secs(24 * 60 * 60);
/// Longer than any token lives, and no overflow.
const LONGEST_LIFE: Duration = Duration::from_secs(10 * 365 * 24 * 60 * 60);

/// The token of an account. Clones share it.
#[derive(Clone)]
pub(crate) struct TokenSource(Arc<Inner>);

struct Inner {
    user_id: UserId,
    user_id_header: HeaderValue,
    state: watch::Sender<State>,
    /// None for a token that was given: nothing can replace it.
    login: Option<LoginAgain>,
}

/// What a login is made with.
pub(super) struct LoginAgain {
    /// Without a token and without retries.
    pub(super) client: Client,
    pub(super) user: String,
    pub(super) password: Secret,
}

/// A token, and which one it is.
#[derive(Clone)]
pub(crate) struct Held {
    token: Secret,
    header: HeaderValue,
    serial: u64,
}

impl Held {
    pub(crate) fn token(&self) -> &Secret {
        &self.token
    }

    pub(crate) fn serial(&self) -> u64 {
        self.serial
    }
}

struct State {
    held: Held,
    /// Since when it is held, and since when it is refused.
    since: Instant,
    refused_at: Option<Instant>,
    /// When the next one is to be asked for.
    due: Option<Instant>,
    /// Whether a login is under way.
    is_busy: bool,
    /// How many logins have ended.
    ended: u64,
    /// How many failed in a row.
    failures: u32,
    /// How many tokens in a row were taken back at once.
    short_lives: u32,
    not_before: Option<Instant>,
    /// Why there will be no other.
    refusal: Option<Arc<str>>,
    /// Why there was no other the last time.
    trouble: Option<Arc<str>>,
    /// Tokens that are valid still, and not used any more.
    retired: Vec<Secret>,
    is_closed: bool,
}

impl State {
    /// Whether the token was refused long before it can have expired.
    fn was_taken_back(&self) -> bool {
        self.refused_at
            .is_some_and(|at| at.saturating_duration_since(self.since) < SHORT_LIFE)
    }
}

/// Why there is no other token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum NotRenewed {
    /// There never will be.
    Refused(Arc<str>),
    /// It may work later.
    Later(Arc<str>),
}

/// Tells when a token is replaced.
pub(crate) struct TokenNews(watch::Receiver<State>);

impl fmt::Debug for TokenNews {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenNews").finish_non_exhaustive()
    }
}

impl TokenSource {
    /// A token that can not be replaced.
    pub(crate) fn given(credentials: Credentials) -> Self {
        Self::with(credentials, None)
    }

    pub(super) fn of_login(credentials: Credentials, login: LoginAgain) -> Self {
        Self::with(credentials, Some(login))
    }

    fn with(credentials: Credentials, login: Option<LoginAgain>) -> Self {
        let (user_id, token) = credentials.into_parts();
        let state = State {
            held: held(token, 0),
            since: Instant::now(),
            refused_at: None,
            due: None,
            is_busy: false,
            ended: 0,
            failures: 0,
            short_lives: 0,
            not_before: None,
            refusal: None,
            trouble: None,
            retired: Vec::new(),
            is_closed: false,
        };
        Self(Arc::new(Inner {
            user_id_header: header(user_id.as_str()),
            user_id,
            state: watch::Sender::new(state),
            login,
        }))
    }

    pub(crate) fn user_id(&self) -> &UserId {
        &self.0.user_id
    }

    /// The token in use.
    pub(crate) fn held(&self) -> Held {
        self.0.state.borrow().held.clone()
    }

    pub(crate) fn credentials(&self) -> Option<Credentials> {
        Credentials::new(self.0.user_id.as_str(), self.held().token.expose()).ok()
    }

    /// The headers of a call, and with which token.
    pub(super) fn headers(&self) -> ([HeaderValue; 2], u64) {
        let state = self.0.state.borrow();
        let token = state.held.header.clone();
        ([self.0.user_id_header.clone(), token], state.held.serial)
    }

    /// Whether there can be another token.
    pub(crate) fn can_renew(&self) -> bool {
        let state = self.0.state.borrow();
        self.0.login.is_some() && !state.is_closed && state.refusal.is_none()
    }

    /// The password, where there was one.
    pub(super) fn password(&self) -> Option<&Secret> {
        self.0.login.as_ref().map(|login| &login.password)
    }

    pub(crate) fn news(&self) -> TokenNews {
        TokenNews(self.0.state.subscribe())
    }

    /// The server has refused this token: waits for another one. All who ask share one login.
    pub(crate) async fn renew(&self, refused: u64) -> Result<(), NotRenewed> {
        let mut news = self.0.state.subscribe();
        let mut ended_before = None;
        loop {
            {
                let state = news.borrow_and_update();
                if state.held.serial != refused {
                    return Ok(());
                }
                if let Some(why) = &state.refusal {
                    return Err(NotRenewed::Refused(Arc::clone(why)));
                }
                if *ended_before.get_or_insert(state.ended) != state.ended || state.is_closed {
                    let why = state.trouble.clone();
                    return Err(NotRenewed::Later(
                        why.unwrap_or_else(|| "the account is logged out".into()),
                    ));
                }
            }
            self.begin(refused, true);
            if news.changed().await.is_err() {
                // Not while `self` is there.
                pending::<()>().await;
            }
        }
    }

    /// Resolves when this token is not the one to use any more, and asks for another before it expires.
    pub(crate) async fn superseded(&self, news: &mut TokenNews, serial: u64) -> Result<(), NotRenewed> {
        if self.0.login.is_none() {
            return pending().await;
        }
        loop {
            let due = {
                let state = news.0.borrow_and_update();
                if let Some(why) = &state.refusal {
                    return Err(NotRenewed::Refused(Arc::clone(why)));
                }
                if state.held.serial != serial {
                    return Ok(());
                }
                state.due.filter(|_| !state.is_busy && !state.is_closed)
            };
            let timer = async {
                match due {
                    Some(due) => tokio::time::sleep_until(due).await,
                    None => pending().await,
                }
            };
            tokio::select! {
                changed = news.0.changed() => if changed.is_err() {
                    // Not while `self` is there.
                    pending::<()>().await;
                },
                () = timer => self.begin(serial, false),
            }
        }
    }

    /// The server tells when a token expires, in milliseconds since 1970 by its own clock.
    pub(crate) fn expires(&self, serial: u64, at: i64) {
        let Some(login) = &self.0.login else { return };
        let now = Instant::now();
        let server_now = login.client.clock().at(now).map_or_else(
            || {
                let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
                i64::try_from(since.unwrap_or_default().as_millis()).unwrap_or(i64::MAX)
            },
            // It is what the clock says at least: the answers are dated to the second.
            |now| now.as_millis().saturating_add(1000),
        );
        let Ok(left) = u64::try_from(at.saturating_sub(server_now)) else {
            return;
        };
        let left = Duration::from_millis(left).min(LONGEST_LIFE);
        let due = now + (left - RENEW_BEFORE.min(left / 10));
        self.0.state.send_if_modified(|state| {
            let is_it = state.held.serial == serial;
            if is_it {
                state.due = Some(due);
            }
            is_it
        });
    }

    /// Everything uses this token now: those before it are given back.
    pub(crate) fn in_use(&self, serial: u64) {
        let Some(login) = &self.0.login else { return };
        let mut retired = Vec::new();
        self.0.state.send_if_modified(|state| {
            if state.held.serial == serial {
                retired = std::mem::take(&mut state.retired);
            }
            false
        });
        if !retired.is_empty() {
            let (client, user_id) = (login.client.clone(), self.0.user_id.clone());
            tokio::spawn(async move { give_back(&client, &user_id, retired).await });
        }
    }

    /// There will be no other token, and none is in use any more. Waits for a login that is under way: all of its tokens
    /// are given back.
    pub(super) async fn close(&self) {
        let Some(login) = &self.0.login else { return };
        self.0.state.send_modify(|state| state.is_closed = true);
        let mut news = self.0.state.subscribe();
        // It ends only with `self`.
        let _ = news.wait_for(|state| !state.is_busy).await;
        let mut retired = Vec::new();
        self.0
            .state
            .send_modify(|state| retired = std::mem::take(&mut state.retired));
        give_back(&login.client, &self.0.user_id, retired).await;
    }

    /// Begins a login, unless one is under way or this token is replaced already. In a task of its own: it leaves a token
    /// behind, whoever waits for it.
    fn begin(&self, serial: u64, is_refused: bool) {
        let mut begins = false;
        self.0.state.send_if_modified(|state| {
            begins = state.held.serial == serial
                && !state.is_busy
                && !state.is_closed
                && state.refusal.is_none()
                && self.0.login.is_some();
            state.is_busy |= begins;
            if begins && is_refused {
                state.refused_at.get_or_insert_with(Instant::now);
            }
            begins
        });
        if begins {
            let source = self.clone();
            tokio::spawn(async move { source.log_in().await });
        }
    }

    async fn log_in(self) {
        let Some(login) = &self.0.login else { return };
        let (not_before, is_taken_back) = {
            let state = self.0.state.borrow();
            let is_taken_back = state.short_lives >= MAX_SHORT_LIVES && state.was_taken_back();
            (state.not_before, is_taken_back)
        };
        if is_taken_back {
            let why = format!(
                "{} takes back each token of the user \"{}\" at once: look who else logs this account out",
                login.client.url(),
                login.user
            );
            return self.end(Err(NotRenewed::Refused(why.into())), Duration::ZERO);
        }
        if let Some(not_before) = not_before {
            let mut news = self.0.state.subscribe();
            tokio::select! {
                () = tokio::time::sleep_until(not_before) => {}
                _ = news.wait_for(|state| state.is_closed) => {}
            }
        }
        if self.0.state.borrow().is_closed {
            let why = "the account is logged out".into();
            return self.end(Err(NotRenewed::Later(why)), Duration::ZERO);
        }
        tracing::debug!(user = login.user, "logging in again");
        let (result, pause) = match login.client.log_in(&login.user, &login.password).await {
            Ok(credentials) if *credentials.user_id() != self.0.user_id => {
                let why = format!(
                    "the user \"{}\" of {} is another account than before",
                    login.user,
                    login.client.url()
                );
                (Err(NotRenewed::Refused(why.into())), Duration::ZERO)
            }
            Ok(credentials) => (Ok(credentials.token().clone()), Duration::ZERO),
            Err(error) if is_final(&error) => {
                let why = format!(
                    "the token of the login is not valid any more, and {} refuses the user \"{}\" now: {}; check name and \
                     password",
                    login.client.url(),
                    login.user,
                    error.message()
                );
                (Err(NotRenewed::Refused(why.into())), Duration::ZERO)
            }
            Err(error) => {
                tracing::warn!(%error, "logging in again failed, it is tried later");
                let least = match error.kind() {
                    RestErrorKind::RateLimited { retry_after } => *retry_after,
                    _ if is_blocked(&error) => BLOCKED_PAUSE,
                    _ => Duration::ZERO,
                };
                (Err(NotRenewed::Later(error.to_string().into())), least)
            }
        };
        self.end(result, pause);
    }

    /// A login has ended.
    fn end(&self, result: Result<Secret, NotRenewed>, least_pause: Duration) {
        self.0.state.send_modify(|state| {
            let now = Instant::now();
            state.is_busy = false;
            state.ended += 1;
            let fails = match result {
                Ok(token) if state.is_closed => {
                    state.retired.push(token);
                    0
                }
                Ok(token) => {
                    let next = held(token, state.held.serial + 1);
                    let before = std::mem::replace(&mut state.held, next);
                    if state.refused_at.is_none() {
                        state.retired.push(before.token);
                    }
                    state.short_lives = match state.was_taken_back() {
                        true => state.short_lives + 1,
                        false => 0,
                    };
                    state.since = now;
                    state.refused_at = None;
                    state.due = None;
                    tracing::info!("the account has a new login token");
                    0
                }
                Err(NotRenewed::Refused(why)) => {
                    state.refusal = Some(why);
                    0
                }
                Err(NotRenewed::Later(why)) => {
                    state.trouble = Some(why);
                    state.failures + 1
                }
            };
            state.failures = fails;
            // What is taken back at once is renewed more slowly each time, too.
            let steps = fails.max(state.short_lives);
            let pause = match steps {
                0 => Duration::ZERO,
                steps => (Duration::from_millis(500) * 2_u32.pow(steps.min(10)))
                    .min(LONGEST_PAUSE)
                    .mul_f64(0.5 + fastrand::f64() / 2.0),
            };
            let not_before = now + pause.max(least_pause);
            state.not_before = Some(not_before);
            state.due = match state.refused_at {
                // It is tried again, whoever asks.
                Some(_) => Some(not_before),
                None => state.due.map(|due| due.max(not_before)),
            };
        });
    }
}

/// Whether only a person can cure it.
fn is_final(error: &RestError) -> bool {
    let is_refusal = matches!(
        error.kind(),
        RestErrorKind::Unauthorized | RestErrorKind::TwoFactorRequired | RestErrorKind::Forbidden
    );
    is_refusal && !error.is_transient() && !is_blocked(error)
}

/// A block by address or by attempts ends by itself.
pub(crate) fn is_blocked(error: &RestError) -> bool {
    error
        .code()
        .is_some_and(|code| code.starts_with("error-login-blocked"))
}

/// Ends the validity of tokens that a login made.
async fn give_back(client: &Client, user_id: &UserId, tokens: Vec<Secret>) {
    for token in tokens {
        let Ok(credentials) = Credentials::new(user_id.as_str(), token.expose()) else {
            continue;
        };
        if let Err(error) = client.with_credentials(credentials).log_out().await {
            tracing::debug!(%error, "a login token was not given back");
        }
    }
}

fn held(token: Secret, serial: u64) -> Held {
    Held {
        header: header(token.expose()),
        token,
        serial,
    }
}

/// Credentials are visible ASCII, which every header value may hold.
fn header(text: &str) -> HeaderValue {
    let mut header = HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static(""));
    header.set_sensitive(true);
    header
}

impl fmt::Debug for TokenSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenSource")
            .field("user_id", &self.0.user_id)
            .finish_non_exhaustive()
    }
}
