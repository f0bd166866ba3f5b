//! The layer that adds the credentials, and only to requests for the configured origin.

use std::task::{Context, Poll};

use http::{HeaderName, HeaderValue, Request};
use tower::{Layer, Service};

use super::call::Meta;
use crate::credentials::Credentials;
use crate::server_url::ServerUrl;

const USER_ID: HeaderName = HeaderName::from_static("x-user-id");
const AUTH_TOKEN: HeaderName = HeaderName::from_static("x-auth-token");

#[derive(Debug, Clone)]
pub(crate) struct AuthLayer {
    origin: ServerUrl,
    /// User id and token.
    headers: Option<(HeaderValue, HeaderValue)>,
}

impl AuthLayer {
    pub(crate) fn new(origin: ServerUrl, credentials: Option<&Credentials>) -> Self {
        let headers = credentials.and_then(|credentials| {
            // Credentials are visible ASCII, which every header value may hold.
            let user_id = HeaderValue::from_str(credentials.user_id().as_str()).ok()?;
            let mut token = HeaderValue::from_str(credentials.token().expose()).ok()?;
            token.set_sensitive(true);
            Some((user_id, token))
        });
        Self { origin, headers }
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

impl<S, B> Service<Request<B>> for Auth<S>
where
    S: Service<Request<B>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> S::Future {
        let anonymous = request
            .extensions()
            .get::<Meta>()
            .is_some_and(|meta| meta.anonymous);
        if let Some((user_id, token)) = &self.config.headers
            && !anonymous
            && self.config.origin.is_origin_of(request.uri())
        {
            request.headers_mut().insert(USER_ID, user_id.clone());
            request.headers_mut().insert(AUTH_TOKEN, token.clone());
        }
        self.inner.call(request)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tower::ServiceExt as _;

    #[tokio::test]
    async fn only_the_configured_origin_gets_the_token() {
        let credentials = Credentials::new("uB", "s3cret").expect("good");
        let layer = AuthLayer::new(
            "https://chat.example.org".parse().expect("an address"),
            Some(&credentials),
        );
        assert!(!format!("{layer:?}").contains("s3cret"));
        let service = layer.layer(tower::service_fn(|request: Request<()>| async move {
            Ok::<_, std::convert::Infallible>(request.headers().contains_key(AUTH_TOKEN))
        }));
        for (uri, expected) in [
            ("https://chat.example.org/api/v1/me", true),
            ("https://evil.example.org/api/v1/me", false),
            ("http://chat.example.org/api/v1/me", false),
            ("https://chat.example.org:8443/api/v1/me", false),
        ] {
            let request = Request::get(uri).body(()).expect("a request");
            assert_eq!(service.clone().oneshot(request).await, Ok(expected), "{uri}");
        }
        let meta = Meta {
            idempotent: false,
            anonymous: true,
            sensitive: true,
        };
        let request = Request::post("https://chat.example.org/api/v1/login")
            .extension(meta)
            .body(());
        assert_eq!(service.oneshot(request.expect("a request")).await, Ok(false));
    }
}
