//! The files of the page, and the headers that keep it from running or loading what is not its own.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::{Path, Request},
    http::{HeaderName, HeaderValue, Response, StatusCode, header},
    response::{Html, IntoResponse},
};

use super::token_of;
use crate::sandbox::server::Connection;

const PAGE: &str = include_str!("assets/index.html");
const NO_TOKEN: &str = include_str!("assets/no-token.html");

macro_rules! assets {
    ($($name:literal),* $(,)?) => {
        /// The files that the page loads.
        const ASSETS: &[(&str, &str)] = &[$(($name, include_str!(concat!("assets/", $name)))),*];
    };
}

assets!(
    "attachments.js",
    "base.css",
    "chat.css",
    "chat.js",
    "composer.js",
    "ddp.js",
    "dialogs.js",
    "dom.js",
    "emoji.js",
    "faults.js",
    "feed.js",
    "files.js",
    "icon.svg",
    "icons.js",
    "inspector.css",
    "inspector.js",
    "keyboard.js",
    "layout.css",
    "main.js",
    "markdown.js",
    "menu.js",
    "message.css",
    "message.js",
    "rest.js",
    "rooms.js",
    "rows.js",
    "session.js",
    "store.js",
    "theme.js",
    "thread.js",
    "time.js",
    "timeline.js",
    "tools.js",
    "traffic.js",
    "typing.js",
    "virtual.js",
);

/// Scripts, styles and connections are of this server. Pictures may come from anywhere: bots post their addresses.
/// No text can become HTML: nothing of the page makes it that way, and the browser refuses it.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
                      img-src 'self' data: blob: http: https:; manifest-src 'none'; base-uri 'none'; form-action 'none'; \
                      frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'";

fn guarded(kind: &'static str, body: impl Into<Body>) -> Response<Body> {
    let mut response = Response::new(body.into());
    let headers: [(HeaderName, &'static str); 7] = [
        (header::CONTENT_TYPE, kind),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::CACHE_CONTROL, "no-cache"),
        (
            HeaderName::from_static("cross-origin-resource-policy"),
            "same-origin",
        ),
    ];
    for (name, value) in headers {
        response
            .headers_mut()
            .insert(name, HeaderValue::from_static(value));
    }
    response
}

/// The page for who has the token; for others how to get it.
pub(super) async fn page(prefix: Arc<str>, context: Connection, request: Request) -> Response<Body> {
    let welcome = context.shared.page.is_token(&token_of(&request));
    let html = if welcome { PAGE } else { NO_TOKEN };
    let mut response = guarded("text/html; charset=utf-8", html.replace("{base}", &prefix));
    if !welcome && request.uri().query().is_some() {
        *response.status_mut() = StatusCode::UNAUTHORIZED;
    }
    response
}

pub(super) async fn asset(Path(name): Path<String>) -> Response<Body> {
    let Some((name, text)) = ASSETS.iter().find(|(known, _)| *known == name) else {
        return (StatusCode::NOT_FOUND, Html("There is no such file.\n")).into_response();
    };
    let kind = match name.rsplit_once('.') {
        Some((_, "css")) => "text/css; charset=utf-8",
        Some((_, "svg")) => "image/svg+xml",
        _ => "text/javascript; charset=utf-8",
    };
    guarded(kind, *text)
}
