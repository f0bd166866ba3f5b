//! The bodies and headers of REST answers.

use axum::{
    body::Body,
    http::{HeaderValue, Response, StatusCode, header},
    response::{Html, IntoResponse},
};
use serde_json::{Map, Value, json};

use crate::sandbox::{limits::RestVerdict, refusal::Refusal, state::history::iso};

/// EJSON dates become ISO text, at any depth.
fn with_iso_dates(value: Value) -> Value {
    match value {
        Value::Object(object) => {
            if let (1, Some(date)) = (object.len(), object.get("$date")) {
                return date.as_i64().map_or(Value::Null, |ms| json!(iso(ms)));
            }
            Value::Object(
                object
                    .into_iter()
                    .map(|(key, value)| (key, with_iso_dates(value)))
                    .collect(),
            )
        }
        Value::Array(list) => Value::Array(list.into_iter().map(with_iso_dates).collect()),
        other => other,
    }
}

fn json_response(status: u16, body: Value) -> Response<Body> {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let kind = (header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    (status, [kind], with_iso_dates(body).to_string()).into_response()
}

/// Codes that are a status of their own since 9.
const FORBIDDEN: &[&str] = &[
    "error-not-allowed",
    "not-allowed",
    "not-authorized",
    "not_authorized",
    "no-permission",
];

pub(super) fn success(mut object: Map<String, Value>) -> Response<Body> {
    object.insert("success".into(), json!(true));
    json_response(200, Value::Object(object))
}

/// The success of a login or logout, which says so since 8.
pub(super) fn session(object: Map<String, Value>, version: (u32, u32)) -> Response<Body> {
    if version < (8, 0) {
        return json_response(200, Value::Object(object));
    }
    success(object)
}

/// A refusal as a server of this version says it.
pub(super) fn refused(refusal: &Refusal, version: (u32, u32)) -> Response<Body> {
    let (mut status, mut body) = refusal.to_rest();
    if let Some(object) = body.as_object_mut() {
        if status == 401 && version < (8, 0) {
            object.remove("success");
            // Only a failed login has an error beside its message.
            if *refusal == Refusal::NotLoggedIn {
                object.remove("error");
            }
        }
        let code = match refusal {
            Refusal::Plain(text) => Some(text.clone()),
            other => other.code(),
        };
        let forbidden = code.is_some_and(|code| FORBIDDEN.contains(&code.as_str()));
        if version >= (9, 0) && status == 400 && forbidden {
            status = 403;
            object.insert("errorType".into(), json!("error-forbidden"));
            object.remove("details");
        }
    }
    json_response(status, body)
}

/// What the server says with a status that no endpoint chose.
pub(super) fn status(status: u16, version: (u32, u32)) -> Response<Body> {
    let text = match status {
        401 => return refused(&Refusal::NotLoggedIn, version),
        403 => "User does not have the permissions required for this action [error-unauthorized]",
        404 => "Resource not found",
        500.. => "Internal server error",
        _ => {
            let refusal = Refusal::coded("error-sandbox", "Refused on demand").with_status(status);
            return refused(&refusal, version);
        }
    };
    json_response(status, json!({ "success": false, "error": text }))
}

/// What a proxy says for a server that it cannot reach.
pub(super) fn proxy(status: u16) -> Response<Body> {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY);
    let page = format!(
        "<html>\r\n<head><title>{status}</title></head>\r\n<body>\r\n<center><h1>{status}</h1></center>\r\n\
         <hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"
    );
    (status, Html(page)).into_response()
}

/// What something else says in the server's place.
pub(super) fn body(status: u16, json: String) -> Response<Body> {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY);
    (status, [(header::CONTENT_TYPE, "application/json")], json).into_response()
}

pub(super) fn redirect(to: &str) -> Response<Body> {
    let to = HeaderValue::from_str(to).unwrap_or_else(|_| HeaderValue::from_static("/"));
    (StatusCode::FOUND, [(header::LOCATION, to)]).into_response()
}

pub(super) fn wrong_verb() -> Response<Body> {
    let text = "API endpoint does not exist";
    json_response(
        405,
        json!({ "success": false, "status": "error", "message": text }),
    )
}

pub(super) fn limited(verdict: &RestVerdict, now: i64) -> Response<Body> {
    let seconds = verdict.reset_ms.div_ceil(1000);
    let text = format!(
        "Error, too many requests. Please slow down. You must wait {seconds} seconds before trying this endpoint \
         again. [error-too-many-requests]"
    );
    let mut response = json_response(429, json!({ "success": false, "error": text }));
    limit_headers(&mut response, verdict, now);
    response
}

pub(super) fn limit_headers(response: &mut Response<Body>, verdict: &RestVerdict, now: i64) {
    let headers = response.headers_mut();
    headers.insert("x-ratelimit-limit", HeaderValue::from(verdict.limit));
    headers.insert("x-ratelimit-remaining", HeaderValue::from(verdict.remaining));
    // Milliseconds, not seconds.
    let reset = now.saturating_add_unsigned(verdict.reset_ms);
    headers.insert("x-ratelimit-reset", HeaderValue::from(reset));
}
