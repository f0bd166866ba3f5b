//! The client: builds the stack, and makes calls through it.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response};
use hyper_util::client::legacy;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use serde_json::Value;
use tokio::time::Instant;
use tower::util::BoxCloneSyncService;
use tower::{BoxError, ServiceBuilder, ServiceExt as _};

use super::account_policy::AccountPolicy;
use super::auth::AuthLayer;
use super::body::Body;
use super::call::{Call, EncodeLayer, Meta};
use super::clock::ServerClock;
use super::collect::{Collect, HttpClient};
use super::endpoint::{self, Endpoint, Info, InfoReply, Login, Logout, RateLimit};
use super::error::{RestError, RestErrorKind};
use super::file::limits::FileLimits;
use super::limit_layer::LimitLayer;
use super::limiter::{Estimate, LONGEST_WAIT, Limiter, route_of};
use super::reply;
use super::retry::{Retries, RetryPolicy};
use super::timeout::TimeoutLayer;
use super::token_source::{LoginAgain, TokenSource};
use super::trace::TraceLayer;
use super::two_factor::{self, MAX_CODES, TwoFactor, TwoFactorRequest};
use super::version::{ServerVersion, Version};
use crate::credentials::Credentials;
use crate::event::UserId;
use crate::secret::Secret;
use crate::server_url::ServerUrl;
use crate::transport::Connector;

/// Proxies close idle connections after a minute; we close them before.
const POOL_IDLE: Duration = Duration::from_secs(50);

type Stack = BoxCloneSyncService<Call, Response<Bytes>, BoxError>;

/// The same below what turns a call into a request.
type RequestStack = BoxCloneSyncService<Request<Body>, Response<Bytes>, BoxError>;

/// A REST client. Cheap to clone; all clones share their connections and limits.
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use rocketbotte::Credentials;
/// use rocketbotte::rest::{Client, endpoint::Me};
/// use rocketbotte::transport::{Connector, TlsSettings};
///
/// let url = "https://chat.example.org".parse()?;
/// let client = Client::builder(url, Connector::tcp(&TlsSettings::new())?)
///     .credentials(Credentials::new("rKy9v9n4yYWWjyyx5", std::env::var("TOKEN")?)?)
///     .build();
/// let me = client.call(&Me {}).await?;
/// println!("I am {}", me.username);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Client {
    stack: Stack,
    requests: RequestStack,
    config: Arc<ClientBuilder>,
    http: HttpClient,
    shared: Shared,
    tokens: Option<TokenSource>,
}

/// What all clones learn from each answer.
#[derive(Clone, Default)]
struct Shared {
    clock: ServerClock,
    limiter: Limiter,
    retries: Retries,
    version: ServerVersion,
    file_limits: FileLimits,
}

impl Client {
    /// Begins to build a client.
    pub fn builder(url: ServerUrl, connector: Connector) -> ClientBuilder {
        ClientBuilder {
            url,
            connector,
            credentials: None,
            two_factor: None,
            api: Cow::Borrowed("api/v1"),
            timeout: Duration::from_secs(30),
            concurrency: 32,
            max_file_size: None,
            max_retries: None,
            longest_wait: LONGEST_WAIT,
            is_in_a_hurry: false,
        }
    }

    /// The server.
    pub fn url(&self) -> &ServerUrl {
        &self.config.url
    }

    /// Whose account it uses, if any, with the token in use: that of a [`login`](Self::login) may be another one later.
    pub fn credentials(&self) -> Option<Credentials> {
        self.tokens.as_ref().and_then(TokenSource::credentials)
    }

    /// Whose account it uses.
    pub(crate) fn user_id(&self) -> Option<&UserId> {
        self.tokens.as_ref().map(TokenSource::user_id)
    }

    /// The token in use, and those after it.
    pub(crate) fn tokens(&self) -> Option<&TokenSource> {
        self.tokens.as_ref()
    }

    /// A client for another account over the same connections. The server's limits are not the same for all accounts,
    /// so it learns them anew.
    #[must_use]
    pub fn with_credentials(&self, credentials: Credentials) -> Self {
        self.with_tokens(TokenSource::given(credentials))
    }

    fn with_tokens(&self, tokens: TokenSource) -> Self {
        let shared = Shared {
            limiter: Limiter::default(),
            ..self.shared.clone()
        };
        (*self.config)
            .clone()
            .stack_over(self.http.clone(), shared, Some(tokens))
    }

    /// A client over the same connections that tries so often again: for calls that something waits for.
    pub(crate) fn with_max_retries(&self, retries: Option<u32>) -> Self {
        let config = ClientBuilder {
            max_retries: retries,
            ..(*self.config).clone()
        };
        config.stack_over(self.http.clone(), self.shared.clone(), self.tokens.clone())
    }

    /// A client over the same connections that does not try again, and fails where a limit would hold a call up longer
    /// than this.
    pub(crate) fn in_a_hurry(&self, longest_wait: Duration) -> Self {
        let config = ClientBuilder {
            max_retries: Some(0),
            longest_wait,
            is_in_a_hurry: true,
            ..(*self.config).clone()
        };
        config.stack_over(self.http.clone(), self.shared.clone(), self.tokens.clone())
    }

    /// The server's clock, as the answers to the calls so far tell it.
    pub(crate) fn clock(&self) -> &ServerClock {
        &self.shared.clock
    }

    /// The server's version, once anybody asked for it.
    pub(crate) fn version(&self) -> &ServerVersion {
        &self.shared.version
    }

    /// What is known of the server's limits for files.
    pub(super) fn file_limits(&self) -> &FileLimits {
        &self.shared.file_limits
    }

    /// The builder's own limit for files, in bytes.
    pub(super) fn max_file_size(&self) -> Option<u64> {
        self.config.max_file_size
    }

    /// How long an attempt, or a part of a file, may take.
    pub(super) fn timeout(&self) -> Duration {
        self.config.timeout
    }

    /// The path of the API.
    pub(super) fn api(&self) -> &str {
        &self.config.api
    }

    /// Sends a request that is no call with a JSON body.
    pub(super) async fn request(
        &self,
        name: &str,
        request: Request<Body>,
    ) -> Result<Response<Bytes>, RestError> {
        let requests = self.requests.clone();
        let response = requests
            .oneshot(request)
            .await
            .map_err(|error| RestError::from_stack(name, &self.config.url, error))?;
        Ok(response)
    }

    /// What is known of the server's limits.
    pub(crate) fn limiter(&self) -> &Limiter {
        &self.shared.limiter
    }

    /// Makes a call.
    ///
    /// # Errors
    ///
    /// See [`RestErrorKind`].
    pub async fn call<E: Endpoint>(&self, endpoint: &E) -> Result<E::Reply, RestError> {
        self.call_at(Cow::Borrowed(E::PATH), endpoint).await
    }

    /// The same for a call with more in its path.
    pub(super) async fn call_at<E: Endpoint>(
        &self,
        path: Cow<'static, str>,
        endpoint: &E,
    ) -> Result<E::Reply, RestError> {
        let name = format!("{} {}", E::METHOD, E::PATH);
        self.is_there::<E>(&name)?;
        let invalid = |error: serde_json::Error| {
            RestError::new(RestErrorKind::InvalidCall, &name, "it does not fit into JSON").with_source(error)
        };
        let (query, body) = if E::METHOD == Method::GET {
            (query_of(serde_json::to_value(endpoint).map_err(invalid)?), None)
        } else {
            (
                Vec::new(),
                Some(Bytes::from(serde_json::to_vec(endpoint).map_err(invalid)?)),
            )
        };
        let meta = Meta {
            idempotent: E::IDEMPOTENT,
            anonymous: E::ANONYMOUS,
            sensitive: E::SENSITIVE,
        };
        let call = Call {
            method: E::METHOD,
            path,
            query,
            body,
            meta,
            order: self.shared.limiter.next_order(),
            limit: self.estimate(E::LIMIT),
        };
        let response = self.send(&name, call).await?;
        let reply = reply::read(&name, &self.config.url, &response, E::SENSITIVE);
        let reply = reply.map_err(|error| match reply::is_unknown_route(&response) {
            true => self.unknown_route::<E>(error),
            false => error,
        })?;
        if E::PATH == Info::PATH
            && let Ok(info) = serde_json::from_slice::<InfoReply>(response.body())
            && let Some(version) = info.version()
        {
            self.shared.version.learn(version);
        }
        Ok(reply)
    }

    /// Makes a call that has no type of its own. `path` is such as `channels.setTopic`; one that begins with a slash does
    /// not get the API's path before it. Its bodies are not logged.
    ///
    /// A `GET` may be repeated when the connection is lost; anything else only if it was surely not done.
    ///
    /// ```no_run
    /// # async fn example(client: rocketbotte::rest::Client) -> Result<(), rocketbotte::rest::RestError> {
    /// let body = serde_json::json!({"roomId": "GENERAL", "topic": "Release day"});
    /// client.call_raw(http::Method::POST, "channels.setTopic", &[], Some(&body)).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// See [`RestErrorKind`].
    pub async fn call_raw(
        &self,
        method: Method,
        path: &str,
        query: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Result<Value, RestError> {
        let name = format!("{method} {}", crate::excerpt::excerpt(path, 80));
        let call = Call {
            meta: Meta {
                idempotent: method == Method::GET,
                anonymous: false,
                sensitive: true,
            },
            path: Cow::Owned(path.to_owned()),
            query: query
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
            body: body.map(|body| Bytes::from(body.to_string())),
            order: self.shared.limiter.next_order(),
            limit: self.estimate(endpoint::limit_of(&method, route_of(path))),
            method,
        };
        let response = self.send(&name, call).await?;
        reply::read(&name, &self.config.url, &response, true)
    }

    /// Logs in with a password: a client with the token. When that expires or is revoked, the client logs in again, and the
    /// calls that were refused meanwhile are made again. An account with a second factor is asked for a code: see
    /// [`two_factor`](ClientBuilder::two_factor). [`logout`](Self::logout) ends it, else the token stays valid for 90 days.
    ///
    /// # Errors
    ///
    /// [`RestErrorKind::Unauthorized`] for a wrong name or password, [`RestErrorKind::TwoFactorRequired`] if the account
    /// wants a second factor and there was no code, or no right one, and the others of [`RestErrorKind`].
    pub async fn login(&self, user: &str, password: &Secret) -> Result<Self, RestError> {
        let credentials = self.log_in(user, password).await?;
        let again = LoginAgain {
            client: self.anonymous(),
            user: user.to_owned(),
            password: password.clone(),
        };
        Ok(self.with_tokens(TokenSource::of_login(credentials, again)))
    }

    /// The same without a token. It does not try again by itself.
    fn anonymous(&self) -> Self {
        let config = ClientBuilder {
            max_retries: Some(0),
            is_in_a_hurry: false,
            longest_wait: LONGEST_WAIT,
            ..(*self.config).clone()
        };
        config.stack_over(self.http.clone(), self.shared.clone(), None)
    }

    /// A token for a password, with a code where one is asked for.
    pub(super) async fn log_in(&self, user: &str, password: &Secret) -> Result<Credentials, RestError> {
        let mut login = Login {
            user: user.to_owned(),
            password: password.clone(),
            code: None,
        };
        let mut attempt = 0;
        let reply = loop {
            let error = match self.call(&login).await {
                Ok(reply) => break reply,
                Err(error) => error,
            };
            attempt += 1;
            let (Some(method), Some(two_factor)) = (error.two_factor(), &self.config.two_factor) else {
                return Err(error);
            };
            if attempt > MAX_CODES {
                return Err(error);
            }
            let code = two_factor.ask(method, attempt, login.code.as_ref()).await;
            login.code = Some(code.map_err(|error| two_factor::no_code("POST login", error))?);
        };
        Credentials::new(reply.user_id, reply.auth_token)
            .map_err(|error| RestError::new(RestErrorKind::UnexpectedReply, "POST login", error.to_string()))
    }

    /// Ends the validity of the token in use. Only for tokens from [`login`](Self::login): a personal access token is
    /// deleted by this.
    ///
    /// # Errors
    ///
    /// See [`RestErrorKind`].
    pub async fn logout(&self) -> Result<(), RestError> {
        if let Some(tokens) = &self.tokens {
            tokens.close().await;
        }
        self.log_out().await
    }

    pub(super) async fn log_out(&self) -> Result<(), RestError> {
        self.call(&Logout {}).await.map(drop)
    }

    /// Whether the server has this call, as far as that is sure.
    fn is_there<E: Endpoint>(&self, name: &str) -> Result<(), RestError> {
        match self.shared.version.sure() {
            Some(version) if !has::<E>(version) => {
                let message = format!("the server has version {version}; {}", needs::<E>());
                let (since, until) = (E::SINCE, E::UNTIL);
                Err(RestError::new(
                    RestErrorKind::Unsupported { since, until },
                    name,
                    message,
                ))
            }
            _ => Ok(()),
        }
    }

    /// What it means that the server does not know the path of a call.
    pub(super) fn unknown_route<E: Endpoint>(&self, error: RestError) -> RestError {
        let (since, until) = (E::SINCE, E::UNTIL);
        let has_it = self.shared.version.sure().is_some_and(has::<E>);
        if has_it || (since, until) == (None, None) {
            return error;
        }
        let message = format!("the server does not have it; {}", needs::<E>());
        error.into_kind(RestErrorKind::Unsupported { since, until }, message)
    }

    pub(super) fn estimate(&self, limit: RateLimit) -> Estimate {
        Estimate {
            limit,
            version: self.shared.version.known(),
        }
    }

    async fn send(&self, name: &str, call: Call) -> Result<Response<Bytes>, RestError> {
        let stack = self.stack.clone();
        let response = stack
            .oneshot(call)
            .await
            .map_err(|error| RestError::from_stack(name, &self.config.url, error))?;
        self.shared.clock.learn(response.headers(), Instant::now());
        Ok(response)
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

fn has<E: Endpoint>(version: Version) -> bool {
    E::SINCE.is_none_or(|since| version >= since) && E::UNTIL.is_none_or(|until| version < until)
}

/// Which servers have a call that not all of them have.
fn needs<E: Endpoint>() -> String {
    match (E::SINCE, E::UNTIL) {
        (Some(since), None) => format!("the call needs {since} or later"),
        (None, Some(until)) => format!("the call was removed in {until}"),
        (Some(since), Some(until)) => format!("the call needs {since} or later, and was removed in {until}"),
        (None, None) => "all versions that are known have the call".to_owned(),
    }
}

/// The fields of a flat object as query parameters.
fn query_of(value: Value) -> Vec<(String, String)> {
    let Value::Object(object) = value else {
        return Vec::new();
    };
    let text = |value| match value {
        Value::Null => None,
        Value::String(text) => Some(text),
        other => Some(other.to_string()),
    };
    object
        .into_iter()
        .filter_map(|(name, value)| Some((name, text(value)?)))
        .collect()
}

/// Settings of a [`Client`].
#[derive(Debug, Clone)]
#[must_use]
pub struct ClientBuilder {
    url: ServerUrl,
    connector: Connector,
    credentials: Option<Credentials>,
    two_factor: Option<TwoFactor>,
    api: Cow<'static, str>,
    timeout: Duration,
    concurrency: usize,
    /// Bytes.
    max_file_size: Option<u64>,
    max_retries: Option<u32>,
    /// For a limit.
    longest_wait: Duration,
    is_in_a_hurry: bool,
}

impl ClientBuilder {
    /// The account to use.
    pub fn credentials(mut self, credentials: Credentials) -> Self {
        self.credentials = Some(credentials);
        self
    }

    /// Who is asked for a code where the account has a second factor: at a [`login`](Client::login), and for the few calls
    /// that want one. It is asked three times at most, and has ten minutes each time.
    ///
    /// ```no_run
    /// # async fn example(url: rocketbotte::ServerUrl) -> Result<(), Box<dyn std::error::Error>> {
    /// use rocketbotte::Secret;
    /// use rocketbotte::rest::Client;
    /// use rocketbotte::transport::{Connector, TlsSettings};
    ///
    /// let client = Client::builder(url, Connector::tcp(&TlsSettings::new())?)
    ///     .two_factor(async |request| {
    ///         println!("the code of the {}, please", request.method().as_str());
    ///         tokio::task::spawn_blocking(|| std::io::stdin().lines().next().unwrap_or(Ok(String::new()))).await?
    ///     })
    ///     .build();
    /// let client = client.login("ann", &Secret::new(std::env::var("PASSWORD")?)).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn two_factor<F, Fut, C, E>(mut self, ask: F) -> Self
    where
        F: Fn(TwoFactorRequest) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<C, E>> + Send + 'static,
        C: Into<Secret>,
        E: Into<BoxError>,
    {
        self.two_factor = Some(TwoFactor::new(ask));
        self
    }

    pub(crate) fn two_factor_by(mut self, two_factor: Option<TwoFactor>) -> Self {
        self.two_factor = two_factor;
        self
    }

    /// The path of the API below the server's address: `api/v1` by default.
    pub fn rest_api(mut self, path: impl Into<String>) -> Self {
        self.api = Cow::Owned(path.into().trim_matches('/').to_owned());
        self
    }

    /// How long one attempt may take: 30 seconds by default. While a file goes up or comes down it is the longest time in
    /// which nothing of it moves.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// How many calls may be under way at the same time: 32 by default, at least 1.
    pub fn concurrency(mut self, calls: usize) -> Self {
        self.concurrency = calls.max(1);
        self
    }

    /// How large a file may be that goes up or comes down, in bytes: by default what the server takes, and any that it
    /// has. Never more than the server takes.
    pub fn max_file_size(mut self, bytes: u64) -> Self {
        self.max_file_size = Some(bytes);
        self
    }

    /// How often a call is tried again at most: by default as often as fits into ten minutes, with pauses that grow to 30
    /// seconds. What can not be done twice is tried again only where the server surely did nothing. Waiting for a limit
    /// before the call is sent does not count.
    pub fn max_retries(mut self, retries: u32) -> Self {
        self.max_retries = Some(retries);
        self
    }

    /// The client. Nothing is connected before the first call.
    pub fn build(self) -> Client {
        let http = legacy::Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(POOL_IDLE)
            .build(self.connector.clone());
        let tokens = self.credentials.clone().map(TokenSource::given);
        self.stack_over(http, Shared::default(), tokens)
    }

    fn stack_over(self, http: HttpClient, shared: Shared, tokens: Option<TokenSource>) -> Client {
        let requests = ServiceBuilder::new()
            .retry(RetryPolicy::new(self.max_retries, shared.retries.clone()))
            .retry(AccountPolicy::new(
                tokens.clone(),
                self.two_factor.clone(),
                self.is_in_a_hurry || self.max_retries == Some(0),
            ))
            .layer(LimitLayer {
                limiter: shared.limiter.clone(),
                longest_wait: self.longest_wait,
                is_in_a_hurry: self.is_in_a_hurry,
            })
            .layer(AuthLayer::new(self.url.clone(), tokens.clone()))
            .layer(TimeoutLayer(self.timeout))
            .concurrency_limit(self.concurrency)
            .service(Collect(http.clone()));
        let stack = ServiceBuilder::new()
            .layer(TraceLayer)
            .layer(EncodeLayer {
                url: self.url.clone(),
                api: self.api.clone(),
            })
            .service(requests.clone());
        Client {
            stack: BoxCloneSyncService::new(stack),
            requests: BoxCloneSyncService::new(requests),
            config: Arc::new(self),
            http,
            shared,
            tokens,
        }
    }
}
