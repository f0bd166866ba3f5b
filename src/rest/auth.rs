//! The layer that adds the credentials, and only to requests for the configured origin.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::{HeaderName, Request, Response};
use pin_project::pin_project;
use tower::{Layer, Service};

use super::account_policy::CodeSlot;
use super::call::Meta;
use super::token_source::TokenSource;
use crate::server_url::ServerUrl;

const USER_ID: HeaderName = HeaderName::from_static("x-user-id");
const AUTH_TOKEN: HeaderName = HeaderName::from_static("x-auth-token");
const TWO_FACTOR_METHOD: HeaderName = HeaderName::from_static("x-2fa-method");
const TWO_FACTOR_CODE: HeaderName = HeaderName::from_static("x-2fa-code");

/// Marks an answer: which token the call was sent with.
#[derive(Debug, Clone, Copy)]
pub(super) struct SentWith(pub(super) u64);

#[derive(Debug, Clone)]
pub(crate) struct AuthLayer {
    origin: ServerUrl,
    tokens: Option<TokenSource>,
}

impl AuthLayer {
    pub(super) fn new(origin: ServerUrl, tokens: Option<TokenSource>) -> Self {
        Self { origin, tokens }
    }
}

impl<S> Layer<S> for AuthLayer {
    type Service = Auth<S>;

    fn layer(&self, inner: S) -> Auth<S> {
        Auth {
            inner,
            config: self.clone(),
        }
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Auth<S> {
    inner: S,
    config: AuthLayer,
}

impl<S, B, R> Service<Request<B>> for Auth<S>
where
    S: Service<Request<B>, Response = Response<R>>,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = AuthFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> AuthFuture<S::Future> {
        let anonymous = request
            .extensions()
            .get::<Meta>()
            .is_some_and(|meta| meta.anonymous);
        let mut serial = None;
        if let Some(tokens) = &self.config.tokens
            && !anonymous
            && self.config.origin.is_origin_of(request.uri())
        {
            let code = request.extensions().get::<CodeSlot>().and_then(CodeSlot::headers);
            let ([user_id, token], sent_with) = tokens.headers();
            let headers = request.headers_mut();
            headers.insert(USER_ID, user_id);
            headers.insert(AUTH_TOKEN, token);
            if let Some((method, code)) = code {
                headers.insert(TWO_FACTOR_METHOD, method);
                headers.insert(TWO_FACTOR_CODE, code);
            }
            serial = Some(SentWith(sent_with));
        }
        AuthFuture {
            inner: self.inner.call(request),
            serial,
        }
    }
}

#[pin_project]
#[derive(Debug)]
pub(crate) struct AuthFuture<F> {
    #[pin]
    inner: F,
    serial: Option<SentWith>,
}

impl<F, R, E> Future for AuthFuture<F>
where
    F: Future<Output = Result<Response<R>, E>>,
{
    type Output = Result<Response<R>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let mut result = ready!(this.inner.poll(cx));
        if let (Ok(response), Some(serial)) = (&mut result, *this.serial) {
            response.extensions_mut().insert(serial);
        }
        Poll::Ready(result)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::credentials::Credentials;
    use tower::ServiceExt as _;

    #[tokio::test]
    async fn only_the_configured_origin_gets_the_token() {
        let credentials = Credentials::new("uB", "s3cret").expect("good");
        let layer = AuthLayer::new(
            "https://chat.example.org".parse().expect("an address"),
            Some(TokenSource::given(credentials)),
        );
        assert!(!format!("{layer:?}").contains("s3cret"));
        let service = layer.layer(tower::service_fn(|request: Request<()>| async move {
            let has_token = request.headers().contains_key(AUTH_TOKEN);
            Ok::<_, std::convert::Infallible>(Response::new(has_token))
        }));
        for (uri, expected) in [
            ("https://chat.example.org/api/v1/me", true),
            ("https://evil.example.org/api/v1/me", false),
            ("http://chat.example.org/api/v1/me", false),
            ("https://chat.example.org:8443/api/v1/me", false),
        ] {
            let request = Request::get(uri).body(()).expect("a request");
            let response = service.clone().oneshot(request).await.expect("infallible");
            assert_eq!(*response.body(), expected, "{uri}");
        }
        let meta = Meta {
            idempotent: false,
            anonymous: true,
            sensitive: true,
        };
        let request = Request::post("https://chat.example.org/api/v1/login")
            .extension(meta)
            .body(());
        let response = service
            .oneshot(request.expect("a request"))
            .await
            .expect("infallible");
        assert!(!response.body());
    }
}
