//! One REST call as a value, and the layer that turns it into an HTTP request.

use std::borrow::Cow;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, header};
use pin_project::pin_project;
use tower::{BoxError, Layer, Service};

use super::body::Body;
use super::limiter::{Estimate, Turn};
use crate::server_url::{ServerUrl, is_plain_path};

/// Who calls.
pub(super) const USER_AGENT: HeaderValue =
    HeaderValue::from_static(concat!("rocketbotte/", env!("CARGO_PKG_VERSION")));

/// One REST call.
#[derive(Clone)]
pub(crate) struct Call {
    pub(crate) method: Method,
    /// `chat.sendMessage`; one that begins with a slash does not get the API's path before it.
    pub(crate) path: Cow<'static, str>,
    pub(crate) query: Vec<(String, String)>,
    pub(crate) body: Option<Bytes>,
    pub(crate) meta: Meta,
    /// Calls that wait for a limit go in this order, lower first.
    pub(crate) order: u64,
    /// The limit that counts before the server tells its own.
    pub(crate) limit: Estimate,
}

/// What the layers know about a call. It travels in the request's extensions.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Meta {
    /// Doing it twice is doing it once, so it may be repeated when nobody knows whether it was done.
    pub(crate) idempotent: bool,
    /// Without credentials.
    pub(crate) anonymous: bool,
    /// Request or response hold secrets: never logged.
    pub(crate) sensitive: bool,
}

/// A call that cannot be put into a request.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is not the path of an API call; write one such as chat.sendMessage")]
pub(crate) struct InvalidPath(pub(crate) String);

#[derive(Debug, Clone)]
pub(crate) struct EncodeLayer {
    pub(crate) url: ServerUrl,
    /// `api/v1`
    pub(crate) api: Cow<'static, str>,
}

impl<S> Layer<S> for EncodeLayer {
    type Service = Encode<S>;

    fn layer(&self, inner: S) -> Encode<S> {
        Encode {
            inner,
            config: self.clone(),
        }
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Encode<S> {
    inner: S,
    config: EncodeLayer,
}

impl EncodeLayer {
    fn encode(&self, call: Call) -> Result<Request<Body>, BoxError> {
        if !is_plain_path(&call.path) || call.path.contains('%') {
            return Err(InvalidPath(call.path.into_owned()).into());
        }
        let path = match call.path.strip_prefix('/') {
            Some(path) => Cow::Borrowed(path),
            None => Cow::Owned(format!("{}/{}", self.api, call.path)),
        };
        let query: Vec<_> = call
            .query
            .iter()
            .map(|(name, value)| (&**name, &**value))
            .collect();
        let mut request = Request::builder()
            .method(call.method)
            .uri(self.url.rest_uri(&path, &query)?)
            .header(header::ACCEPT, HeaderValue::from_static("application/json"))
            .header(header::USER_AGENT, USER_AGENT);
        if call.body.is_some() {
            request = request.header(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        Ok(request
            .extension(call.meta)
            .extension(Turn::new(call.path, call.order, call.limit))
            .body(Body::from(call.body.unwrap_or_default()))?)
    }
}

impl<S> Service<Call> for Encode<S>
where
    S: Service<Request<Body>>,
    S::Error: Into<BoxError>,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = EncodeFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, call: Call) -> Self::Future {
        EncodeFuture(match self.config.encode(call) {
            Ok(request) => State::Inner(self.inner.call(request)),
            Err(error) => State::Failed(Some(error)),
        })
    }
}

#[pin_project]
#[derive(Debug)]
pub(crate) struct EncodeFuture<F>(#[pin] State<F>);

#[pin_project(project = StateProj)]
#[derive(Debug)]
enum State<F> {
    Inner(#[pin] F),
    Failed(Option<BoxError>),
}

impl<F, T, E> Future for EncodeFuture<F>
where
    F: Future<Output = Result<T, E>>,
    E: Into<BoxError>,
{
    type Output = Result<T, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().0.project() {
            StateProj::Inner(inner) => Poll::Ready(ready!(inner.poll(cx)).map_err(Into::into)),
            StateProj::Failed(error) => match error.take() {
                Some(error) => Poll::Ready(Err(error)),
                // Polled after it was ready: there is nothing to wait for.
                None => Poll::Pending,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encode(path: &'static str, query: &[(&str, &str)]) -> Result<Request<Body>, BoxError> {
        let layer = EncodeLayer {
            url: "https://example.org/chat".parse().expect("an address"),
            api: "api/v1".into(),
        };
        layer.encode(Call {
            method: Method::GET,
            path: path.into(),
            query: query
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
            body: None,
            meta: Meta {
                idempotent: true,
                anonymous: false,
                sensitive: false,
            },
            order: 0,
            limit: Estimate::default(),
        })
    }

    #[test]
    fn paths() {
        let uri = |path, query: &[_]| encode(path, query).expect("valid").uri().to_string();
        assert_eq!(uri("me", &[]), "https://example.org/chat/api/v1/me");
        assert_eq!(uri("/api/info", &[]), "https://example.org/chat/api/info");
        assert_eq!(
            uri("rooms.info", &[("roomName", "../../admin?x=1#\r\nX: y")]),
            "https://example.org/chat/api/v1/rooms.info?roomName=..%2F..%2Fadmin%3Fx%3D1%23%0D%0AX%3A%20y"
        );
        for bad in ["../login", "me?x=1", "me#x", "a b", "%2e%2e/x", "me\r\nX: y"] {
            assert!(encode(bad, &[]).is_err(), "{bad}");
        }
    }
}
