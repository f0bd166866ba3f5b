//! Opening the websocket, and why that or the connection failed.

use std::time::Duration;

use http::{StatusCode, header};
use hyper_util::rt::TokioIo;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::error::{Error as WsError, ProtocolError};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tower::{BoxError, ServiceExt as _};

use super::output::CloseReason;
use crate::excerpt::excerpt;
use crate::server_url::ServerUrl;
use crate::transport::connect::{Connector, Io};
use crate::transport::connect_failure::ConnectFailure;
use crate::transport::{TransportError, TransportErrorKind};

/// The server has to answer the websocket handshake within this time.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(15);
/// A frame can hold a long message with its parsed form and attachments. The same one would come again after each new
/// connection, so the limit is far above what servers send.
const MAX_FRAME: usize = 64 << 20;

pub(super) type Socket = WebSocketStream<TokioIo<Io>>;

/// Why there is no connection (any more).
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) class: Class,
    message: String,
    source: Option<BoxError>,
}

/// What a failure means for the next attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    /// The server refuses us: no attempt can succeed.
    Refused,
    /// A setting is wrong, for all we know; after a first success it is more likely the server that changes.
    Configuration,
    /// It may work the next time.
    Passing,
    /// The token is not accepted: without another one, no attempt can succeed.
    TokenRefused,
    /// There is another token, and the connection was with the old one.
    NewToken,
}

impl Failure {
    pub(super) fn passing(message: impl Into<String>) -> Self {
        Self {
            class: Class::Passing,
            message: message.into(),
            source: None,
        }
    }

    pub(super) fn refused(message: impl Into<String>) -> Self {
        Self {
            class: Class::Refused,
            ..Self::passing(message)
        }
    }

    pub(super) fn new_token() -> Self {
        Self {
            class: Class::NewToken,
            ..Self::passing("the account has a new token")
        }
    }

    fn configuration(message: impl Into<String>) -> Self {
        Self {
            class: Class::Configuration,
            ..Self::passing(message)
        }
    }

    fn caused_by(mut self, source: impl Into<BoxError>) -> Self {
        self.source = Some(source.into());
        self
    }

    pub(super) fn message(&self) -> &str {
        &self.message
    }

    /// The error that ends the stream of events.
    pub(super) fn into_error(self) -> TransportError {
        let kind = match self.class {
            Class::Refused | Class::TokenRefused => TransportErrorKind::Refused,
            Class::Configuration => TransportErrorKind::Configuration,
            Class::Passing | Class::NewToken => TransportErrorKind::Broken,
        };
        let error = TransportError::new(kind, self.message);
        match self.source {
            Some(source) => error.with_source(source),
            None => error,
        }
    }

    /// The configured limit of attempts or time is reached.
    pub(super) fn give_up(self, url: &ServerUrl, attempts: u32, off: Duration) -> Self {
        let message = format!(
            "gave up on {url} after {attempts} failed attempts in {} s: {}",
            off.as_secs(),
            self.message
        );
        Self {
            class: Class::Passing,
            message,
            source: self.source,
        }
    }

    /// A session ended by itself.
    pub(super) fn of_session(url: &ServerUrl, user_id: &str, reason: CloseReason) -> Self {
        match reason {
            CloseReason::Timeout(what) => Self::passing(format!("{url} did not send {what}")),
            // It is the one that we offered: asking again may help.
            CloseReason::Version(version) if version == "1" => {
                Self::passing(format!("{url} refused the realtime session"))
            }
            CloseReason::Version(version) => Self::configuration(format!(
                "{url} speaks version {version:?} of the realtime protocol, this bot version 1; update one of them"
            )),
            CloseReason::TokenRefused(error) => Self {
                class: Class::TokenRefused,
                ..Self::passing(format!(
                    "{url} refused the token of user {user_id}: {error}; make a new token for this user"
                ))
            },
            CloseReason::OtherUser(other) => Self {
                class: Class::Refused,
                ..Self::passing(format!(
                    "the token belongs to user {other} and not to {user_id}; set the id and the token of one user"
                ))
            },
            CloseReason::LoginFailed(error) => Self::passing(format!("the login at {url} failed: {error}")),
            CloseReason::SubscriptionRefused { stream, error } => {
                let why = error
                    .as_ref()
                    .map_or_else(|| "no reason given".to_owned(), ToString::to_string);
                Self::configuration(format!(
                    "{url} refused the subscription to {stream}: {why}; check the permissions of user {user_id}"
                ))
            }
        }
    }

    /// The socket failed while it was in use.
    pub(super) fn of_socket(url: &ServerUrl, error: WsError) -> Self {
        Self::passing(format!("the connection to {url} was lost: {error}")).caused_by(error)
    }

    fn of_connect(url: &ServerUrl, error: BoxError) -> Self {
        let failure = ConnectFailure::of(&*error);
        let message = failure.sentence(&url.to_string(), url.host(), &*error);
        let class = if failure.is_permanent() {
            Class::Configuration
        } else {
            Class::Passing
        };
        Self {
            class,
            message,
            source: Some(error),
        }
    }

    fn of_handshake(url: &ServerUrl, error: WsError) -> Self {
        let failure = match &error {
            WsError::Http(response) => Self::of_response(url, response),
            WsError::Io(io) => {
                // TLS 1.3 tells about a refused connection only with the first bytes.
                let why = ConnectFailure::of(io);
                let message = why.sentence(&url.to_string(), url.host(), io);
                let class = if why.is_permanent() {
                    Class::Configuration
                } else {
                    Class::Passing
                };
                Self {
                    class,
                    message,
                    source: None,
                }
            }
            WsError::Protocol(ProtocolError::HandshakeIncomplete) | WsError::ConnectionClosed => {
                Self::passing(format!(
                    "{url} closed the connection before the websocket was open"
                ))
            }
            other => Self::configuration(format!(
                "{url}/websocket did not answer as a websocket ({other}); check the server address and its proxy"
            )),
        };
        failure.caused_by(error)
    }

    /// The server answered the upgrade with something else.
    fn of_response(url: &ServerUrl, response: &http::Response<Option<Vec<u8>>>) -> Self {
        let status = response.status();
        if status.is_server_error()
            || [
                StatusCode::REQUEST_TIMEOUT,
                StatusCode::TOO_EARLY,
                StatusCode::TOO_MANY_REQUESTS,
            ]
            .contains(&status)
        {
            return Self::passing(format!("{url}/websocket answered {status}"));
        }
        if status.is_redirection() {
            let location = response
                .headers()
                .get(header::LOCATION)
                .and_then(|value| value.to_str().ok());
            let target = excerpt(
                location.unwrap_or("another place").trim_end_matches("/websocket"),
                200,
            );
            return Self::configuration(format!(
                "{url}/websocket answered {status}: it redirects to {target}; write that as the server address"
            ));
        }
        let body = String::from_utf8_lossy(response.body().as_deref().unwrap_or_default());
        let body = match excerpt(&body, 80) {
            text if text.is_empty() => String::new(),
            text => format!(" and {text:?}"),
        };
        Self::configuration(format!(
            "{url}/websocket answered {status}{body} instead of opening a websocket; check that the address is that of \
             a Rocket.Chat and that a proxy before it passes websockets on"
        ))
    }
}

/// Opens the websocket.
pub(super) async fn open(url: &ServerUrl, connector: &Connector) -> Result<Socket, Failure> {
    let bad_uri = |error: http::Error| {
        Failure::configuration(format!("{url} gives no valid websocket address: {error}"))
    };
    let uri = url.websocket_uri().map_err(bad_uri)?;
    let io = connector
        .clone()
        .oneshot(uri)
        .await
        .map_err(|error| Failure::of_connect(url, error))?;
    let request = url
        .websocket_request_uri()
        .map_err(bad_uri)?
        .into_client_request()
        .map_err(|error| Failure::of_handshake(url, error))?;
    let config = WebSocketConfig::default()
        .max_message_size(Some(MAX_FRAME))
        .max_frame_size(Some(MAX_FRAME));
    let handshake = tokio_tungstenite::client_async_with_config(request, TokioIo::new(io), Some(config));
    match tokio::time::timeout(HANDSHAKE_TIMEOUT, handshake).await {
        Ok(Ok((socket, _))) => Ok(socket),
        Ok(Err(error)) => Err(Failure::of_handshake(url, error)),
        Err(_) => Err(Failure::passing(format!(
            "{url}/websocket did not answer within 15 s"
        ))),
    }
}
