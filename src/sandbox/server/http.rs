//! The routes: REST, the websocket, and a page for everything else.

use std::sync::Arc;

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{Path, Request},
    http::{HeaderMap, HeaderValue, Response, StatusCode, header},
    middleware::{self, Next},
    response::{Html, IntoResponse},
    routing::{any, get},
};
use futures_util::StreamExt as _;
use hyper_util::rt::TokioIo;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use super::{Line, body};
use crate::sandbox::{Shared, Step, ddp, page, rest, state::history::http_date};

pub(crate) type HyperRequest = Request<hyper::body::Incoming>;

/// What a handler needs to know about the connection that it runs on.
#[derive(Debug, Clone)]
pub(crate) struct Context {
    pub(crate) shared: Arc<Shared>,
    pub(crate) line: Arc<Line>,
    /// Whether `Host` and `Origin` must be local: a page in somebody's browser must not reach us.
    pub(crate) guarded: bool,
}

/// The page that a real server answers unknown paths with is its web client.
const PAGE: &str = "<!DOCTYPE html>\n<html><head><title>Rocket.Chat</title></head><body></body></html>\n";

/// All routes, below the subpath if there is one.
pub(crate) fn router(subpath: &str) -> Router {
    let site = Router::new()
        .route("/websocket", get(websocket))
        .route("/websocket/", get(websocket))
        .route("/sockjs/websocket", get(websocket))
        .route(
            "/api/info",
            any(|context, request| api("info".to_owned(), context, request)),
        )
        .route(
            "/api/v1/{*endpoint}",
            any(|context, request: Request| {
                let path = request.uri().path();
                let endpoint = path.split_once("/api/v1/").map_or("", |(_, endpoint)| endpoint);
                api(endpoint.to_owned(), context, request)
            }),
        )
        .route("/file-upload/{id}/{name}", get(file))
        .merge(page::router(subpath))
        .fallback(web_client);
    let site = if subpath.is_empty() {
        site
    } else {
        Router::new()
            .nest(subpath, site)
            .fallback(|| async { StatusCode::NOT_FOUND })
    };
    site.layer(middleware::from_fn(body::bound))
        .layer(middleware::from_fn(guard))
}

pub(crate) type Connection = axum::Extension<Context>;

async fn web_client() -> Html<&'static str> {
    Html(PAGE)
}

fn is_local(authority: &str) -> bool {
    let host = match authority.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => authority.split(':').next().unwrap_or_default(),
    };
    matches!(host, "localhost" | "127.0.0.1" | "::1")
}

/// A page in somebody's browser that points here is kept out: its `Host` or `Origin` is not local.
fn is_welcome(request: &Request) -> bool {
    let guarded = request
        .extensions()
        .get::<Context>()
        .is_none_or(|context| context.guarded);
    let text = |name| {
        request
            .headers()
            .get(name)
            .map(|value: &HeaderValue| value.to_str().unwrap_or_default())
    };
    let host = text(header::HOST).is_none_or(is_local);
    let origin = text(header::ORIGIN).is_none_or(|origin| {
        origin
            .split_once("://")
            .is_some_and(|(_, authority)| is_local(authority))
    });
    !guarded || (host && origin)
}

async fn guard(request: Request, next: Next) -> Response<Body> {
    if !is_welcome(&request) {
        let text = "The sandbox answers only this machine: Host and Origin must be local.\n";
        return (StatusCode::FORBIDDEN, text).into_response();
    }
    next.run(request).await
}

async fn api(endpoint: String, axum::Extension(context): Connection, request: Request) -> Response<Body> {
    let (parts, body) = request.into_parts();
    // No JSON body of a client is larger.
    const BODY_MAX: usize = 8 * 1024 * 1024;
    let upload = rest::files::takes_form(&endpoint);
    let most = if upload {
        rest::files::body_max(&context.shared)
    } else {
        BODY_MAX
    };
    let name = endpoint.split('/').next().unwrap_or_default();
    if context.shared.lock().faults.take_cut(name) {
        read_half(&parts.headers, body).await;
        return context.line.hang_up().await;
    }
    let Ok(body) = axum::body::to_bytes(body, most).await else {
        if upload {
            return rest::files::too_large();
        }
        return (StatusCode::PAYLOAD_TOO_LARGE, Html("request entity too large")).into_response();
    };
    let called = page::traffic::Called::now(&context, &endpoint, &parts, &body);
    let mut response = rest::serve(&context, &endpoint, &parts, body).await;
    called.answered(response.status());
    let now = context.shared.lock().now();
    // The server's clock, which may differ from this machine's.
    if let Ok(date) = HeaderValue::from_str(&http_date(now)) {
        response.headers_mut().insert(header::DATE, date);
    }
    response
}

/// Reads about half of a body, and forgets it.
async fn read_half(headers: &HeaderMap, body: Body) {
    let length = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok());
    let half = length
        .and_then(|length| length.parse::<usize>().ok())
        .unwrap_or_default()
        / 2;
    let (mut body, mut read) = (body.into_data_stream(), 0);
    while read < half
        && let Some(Ok(bytes)) = body.next().await
    {
        read += bytes.len();
    }
}

async fn file(
    Path((id, _name)): Path<(String, String)>,
    axum::Extension(context): Connection,
    request: Request,
) -> Response<Body> {
    let (parts, _) = request.into_parts();
    rest::files::download(&context, &id, &parts).await
}

fn has_token(headers: &HeaderMap, name: header::HeaderName, token: &str) -> bool {
    let values = headers
        .get_all(name)
        .into_iter()
        .filter_map(|value| value.to_str().ok());
    values
        .flat_map(|value| value.split(','))
        .any(|part| part.trim().eq_ignore_ascii_case(token))
}

async fn websocket(axum::Extension(context): Connection, mut request: Request) -> Response<Body> {
    let headers = request.headers();
    let upgrade = has_token(headers, header::CONNECTION, "upgrade")
        && has_token(headers, header::UPGRADE, "websocket")
        && headers
            .get(header::SEC_WEBSOCKET_VERSION)
            .is_some_and(|version| version == "13");
    let key = headers
        .get(header::SEC_WEBSOCKET_KEY)
        .map(|key| derive_accept_key(key.as_bytes()));
    let (true, Some(accept)) = (upgrade, key) else {
        return (StatusCode::BAD_REQUEST, "Can \"Upgrade\" only to \"WebSocket\".").into_response();
    };
    let upgraded = hyper::upgrade::on(&mut request);
    let Context { shared, line, .. } = context;
    if shared.lock().faults.take_step(Step::Upgrade) {
        return line.hang_up().await;
    }
    tokio::spawn(async move {
        match upgraded.await {
            Ok(upgraded) => ddp::socket::serve(shared, TokioIo::new(upgraded), line).await,
            Err(error) => tracing::debug!(%error, "no upgrade to a websocket"),
        }
    });
    let answer = [
        (header::CONNECTION, "Upgrade".to_owned()),
        (header::UPGRADE, "websocket".to_owned()),
        (header::SEC_WEBSOCKET_ACCEPT, accept),
    ];
    (StatusCode::SWITCHING_PROTOCOLS, answer, Bytes::new()).into_response()
}
