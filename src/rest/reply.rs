//! What an HTTP response means: the reply, or which error. Pure.

use bytes::Bytes;
use http::{Response, StatusCode, header};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::error::{RestError, RestErrorKind};
use super::limit;
use super::retry::{Transient, WEB_CLIENT};
use super::two_factor::TwoFactorMethod;
use crate::excerpt::excerpt;
use crate::server_url::ServerUrl;

/// Codes by which servers before 9.0 refuse with the status 400 what later ones refuse with 403.
const FORBIDDEN: [&str; 11] = [
    "error-not-allowed",
    "not-allowed",
    "not-authorized",
    "not_authorized",
    "no-permission",
    "error-forbidden",
    "error-unauthorized",
    "unauthorized",
    "error-action-not-allowed",
    "error-not-authorized-federation",
    "You_have_been_muted",
];

const NOT_FOUND: [&str; 8] = [
    "error-invalid-room",
    "error-room-not-found",
    "error-message-not-found",
    "error-invalid-message",
    "error-invalid-user",
    "error-user-not-found",
    "invalid-channel",
    "error-invalid-subscription",
];

/// The parts of an error's body. Every one of them may be missing or have another type.
#[derive(Deserialize)]
struct Body {
    success: Option<Value>,
    status: Option<Value>,
    error: Option<Value>,
    #[serde(rename = "errorType")]
    error_type: Option<Value>,
    message: Option<Value>,
    details: Option<Value>,
}

/// Reads the reply to `call` (`POST chat.sendMessage`). What a sensitive one holds gets into no error.
pub(crate) fn read<T: DeserializeOwned>(
    call: &str,
    url: &ServerUrl,
    response: &Response<Bytes>,
    is_sensitive: bool,
) -> Result<T, RestError> {
    let is_transient = response.extensions().get::<Transient>().is_some();
    decode(call, url, response, is_sensitive).map_err(|error| error.transient(is_transient))
}

/// Whether the server does not know the path. Those before 4.0 send their web client instead of a status.
pub(crate) fn is_unknown_route(response: &Response<Bytes>) -> bool {
    match response.status() {
        StatusCode::NOT_FOUND => serde_json::from_slice::<Body>(response.body()).is_ok_and(|body| {
            let text = body.error.as_ref().and_then(text_of);
            body.error_type.is_none() && text.is_none_or(|text| text == "Resource not found")
        }),
        StatusCode::OK => limit::contains(response.body(), WEB_CLIENT),
        _ => false,
    }
}

fn decode<T: DeserializeOwned>(
    call: &str,
    url: &ServerUrl,
    response: &Response<Bytes>,
    is_sensitive: bool,
) -> Result<T, RestError> {
    let status = response.status();
    let json = serde_json::from_slice::<Value>(response.body())
        .ok()
        .filter(Value::is_object);
    let is_html = limit::is_html(response);
    let Some(json) = json.filter(|_| !is_html) else {
        // A web page is no reply of the server.
        return Err(no_json(call, url, response, is_sensitive && !is_html));
    };
    let body = Body::deserialize(&json).ok();
    let failed = body.as_ref().is_some_and(|body| {
        body.success == Some(Value::Bool(false)) || body.status == Some(Value::from("error"))
    });
    if !status.is_success() || failed {
        return Err(refusal(call, response, body));
    }
    serde_json::from_value(json).map_err(|error| {
        let unexpected = RestError::new(
            RestErrorKind::UnexpectedReply,
            call,
            "the reply has not the expected form",
        )
        .with_status(status);
        match is_sensitive {
            // The reason may quote a value.
            true => unexpected,
            false => unexpected.with_source(error),
        }
    })
}

/// An answer without JSON: a proxy's, or the web client, which servers send for unknown paths.
fn no_json(call: &str, url: &ServerUrl, response: &Response<Bytes>, is_sensitive: bool) -> RestError {
    let status = response.status();
    if limit::is_limited(response) {
        let retry_after = limit::retry_after(response);
        return RestError::new(
            RestErrorKind::RateLimited { retry_after },
            call,
            "too many requests",
        )
        .with_status(status);
    }
    if status.is_redirection() {
        let location = response
            .headers()
            .get(header::LOCATION)
            .and_then(|value| value.to_str().ok());
        // A query may hold anything, also secrets.
        let target = location
            .and_then(|location| location.split(['?', '#']).next())
            .unwrap_or("another place");
        let message = format!(
            "{url} redirects to {}; write that as the server address",
            excerpt(target, 200)
        );
        return RestError::new(RestErrorKind::NotRocketChat, call, message).with_status(status);
    }
    let body = String::from_utf8_lossy(&response.body()[..response.body().len().min(400)]);
    let begins = match excerpt(&body, 80) {
        text if text.is_empty() => "nothing".to_owned(),
        _ if is_sensitive => format!("{} bytes", response.body().len()),
        text => format!("{text:?}"),
    };
    let kind = match status {
        StatusCode::UNAUTHORIZED => RestErrorKind::Unauthorized,
        StatusCode::PAYLOAD_TOO_LARGE => RestErrorKind::TooLarge,
        status if status.is_server_error() => RestErrorKind::Api,
        // Servers answer broken JSON and some forbidden downloads this way.
        StatusCode::BAD_REQUEST | StatusCode::FORBIDDEN => RestErrorKind::Api,
        _ => RestErrorKind::NotRocketChat,
    };
    let message = match kind {
        RestErrorKind::NotRocketChat => {
            format!(
                "{url} answered with {begins} instead of JSON; check that it is the address of a Rocket.Chat"
            )
        }
        _ => format!("{url} answered with {begins}"),
    };
    RestError::new(kind, call, message).with_status(status)
}

fn refusal(call: &str, response: &Response<Bytes>, body: Option<Body>) -> RestError {
    let status = response.status();
    let (error, error_type, message, details) = match body {
        Some(body) => (body.error, body.error_type, body.message, body.details),
        None => (None, None, None, None),
    };
    let error_text = error.as_ref().and_then(text_of);
    let message_text = message.as_ref().and_then(text_of);
    let text = match (&error_text, &message_text) {
        // Login: `error` is only a code, `message` says more.
        (Some(error), Some(message)) if is_code(error) || error.parse::<u16>().is_ok() => message,
        (Some(error), _) => error,
        (None, Some(message)) => message,
        (None, None) if is_bare(call, status) => "there is no such message, or the account may not see it",
        (None, None) => "no reason given",
    };
    let code = error_type
        .as_ref()
        .and_then(Value::as_str)
        .filter(|code| is_code(code))
        .or_else(|| error_text.as_deref().and_then(code_of));
    let is = |codes: &[&str]| code.is_some_and(|code| codes.contains(&code));
    let kind = if limit::is_limited(response) || is(&["error-too-many-requests", "too-many-requests"]) {
        RestErrorKind::RateLimited {
            retry_after: limit::retry_after(response),
        }
    } else if code.is_some_and(|code| code.starts_with("totp-")) {
        RestErrorKind::TwoFactorRequired
    } else if status == StatusCode::UNAUTHORIZED {
        RestErrorKind::Unauthorized
    } else if status == StatusCode::FORBIDDEN || is(&FORBIDDEN) {
        RestErrorKind::Forbidden
    } else if is(&["error-message-size-exceeded", "error-file-too-large"])
        || status == StatusCode::PAYLOAD_TOO_LARGE
    {
        RestErrorKind::TooLarge
    } else if is(&["error-invalid-file-type"]) {
        RestErrorKind::UnsupportedType
    } else if status == StatusCode::NOT_FOUND
        || is(&NOT_FOUND)
        || text.starts_with("No message found with the id")
        || text == "User not found."
        || error_text.is_none() && message_text.is_none() && is_bare(call, status)
    {
        RestErrorKind::NotFound
    } else {
        RestErrorKind::Api
    };
    let two_factor = (kind == RestErrorKind::TwoFactorRequired && code != Some("totp-max-attempts"))
        .then(|| TwoFactorMethod::in_details(details.as_ref()));
    RestError::new(kind, call, excerpt(text, 300))
        .with_status(status)
        .with_code(code)
        .with_two_factor(two_factor)
}

/// The one call whose refusal has no reason at all where the thing is not there.
fn is_bare(call: &str, status: StatusCode) -> bool {
    status == StatusCode::BAD_REQUEST && call == "GET chat.getMessage"
}

/// A string, a number, or the first text inside an object.
fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Object(object) => ["message", "reason", "error"]
            .iter()
            .find_map(|key| object.get(*key))
            .and_then(|value| match value {
                Value::String(text) => Some(text.clone()),
                _ => None,
            }),
        _ => None,
    }
}

/// `not-allowed` of "not-allowed" and of "Not allowed [not-allowed]".
fn code_of(text: &str) -> Option<&str> {
    if is_code(text) {
        return Some(text);
    }
    let (_, code) = text.strip_suffix(']')?.rsplit_once('[')?;
    is_code(code).then_some(code)
}

fn is_code(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 80
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
        && text.bytes().any(|b| b.is_ascii_alphabetic())
        // A single word such as "Unauthorized" is a sentence, not a code.
        && (text.contains(['-', '_']) || text.starts_with(|c: char| c.is_ascii_lowercase()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn failure(status: u16, body: &str) -> RestError {
        let url = "https://chat.example.org".parse().expect("an address");
        let response = Response::builder()
            .status(status)
            .header("content-type", "application/json")
            .body(Bytes::copy_from_slice(body.as_bytes()))
            .expect("a response");
        read::<Value>("POST x", &url, &response, false).expect_err("a failure")
    }

    #[test]
    fn what_is_sensitive_is_not_repeated() {
        use crate::rest::endpoint::LoginReply;

        let url = "https://chat.example.org".parse().expect("an address");
        for body in [
            r#"{"status":"success","data":{"userId":["hunter2"],"authToken":"hunter2"}}"#,
            r#"{"status":"success","data":"hunter2"}"#,
            r#"{"status":"success","data":{"authToken":"hunter2"#,
        ] {
            let response = Response::new(Bytes::from_static(body.as_bytes()));
            let error = read::<LoginReply>("POST login", &url, &response, true).expect_err("a failure");
            assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
        }
    }

    #[test]
    fn body_forms() {
        use RestErrorKind::{
            Api, Forbidden, NotFound, NotRocketChat, TooLarge, TwoFactorRequired, Unauthorized,
        };
        for (status, body, kind, code) in [
            (
                401,
                r#"{"status":"error","message":"You must be logged in to do this."}"#,
                Unauthorized,
                None,
            ),
            (
                401,
                r#"{"success":false,"status":"error","error":"You must be logged in to do this.","message":"You must be logged in to do this."}"#,
                Unauthorized,
                None,
            ),
            (
                401,
                r#"{"status":"error","error":"Unauthorized","message":"Unauthorized"}"#,
                Unauthorized,
                None,
            ),
            (
                401,
                r#"{"status":"error","error":403,"message":"You've been logged out by the server. Please log in again."}"#,
                Unauthorized,
                None,
            ),
            (
                401,
                r#"{"success":false,"error":"unauthorized"}"#,
                Unauthorized,
                Some("unauthorized"),
            ),
            (
                401,
                r#"{"status":"error","error":"totp-required","details":{"method":"email"},"message":"TOTP Required"}"#,
                TwoFactorRequired,
                Some("totp-required"),
            ),
            (
                400,
                r#"{"success":false,"error":"TOTP Required [totp-required]","errorType":"totp-required","details":{}}"#,
                TwoFactorRequired,
                Some("totp-required"),
            ),
            (
                403,
                r#"{"success":false,"error":"User does not have the permissions required for this action [error-unauthorized]"}"#,
                Forbidden,
                Some("error-unauthorized"),
            ),
            (
                403,
                r#"{"success":false,"error":"Not allowed","errorType":"error-forbidden"}"#,
                Forbidden,
                Some("error-forbidden"),
            ),
            (
                400,
                r#"{"success":false,"error":"error-not-allowed"}"#,
                Forbidden,
                Some("error-not-allowed"),
            ),
            (
                400,
                r#"{"success":false,"error":"not-allowed","errorType":"Not Allowed"}"#,
                Forbidden,
                Some("not-allowed"),
            ),
            (
                400,
                r#"{"success":false,"error":"error-invalid-room"}"#,
                NotFound,
                Some("error-invalid-room"),
            ),
            (
                400,
                r#"{"success":false,"error":"[invalid-channel]","errorType":"invalid-channel"}"#,
                NotFound,
                Some("invalid-channel"),
            ),
            (
                400,
                r#"{"success":false,"error":"No message found with the id of \"x\"."}"#,
                NotFound,
                None,
            ),
            (
                404,
                r#"{"success":false,"error":"Resource not found"}"#,
                NotFound,
                None,
            ),
            (
                400,
                r#"{"success":false,"error":"Message size exceeds Message_MaxAllowedSize [error-message-size-exceeded]","errorType":"error-message-size-exceeded"}"#,
                TooLarge,
                Some("error-message-size-exceeded"),
            ),
            (
                400,
                r#"{"success":false,"error":"Cannot read property 'starred' of undefined"}"#,
                Api,
                None,
            ),
            (
                400,
                r#"{"success":false,"error":"Cannot read properties of undefined (reading 'starred')"}"#,
                Api,
                None,
            ),
            (400, r#"{"success":false}"#, Api, None),
            (
                400,
                r#"{"success":false,"error":{"message":"something odd"}}"#,
                Api,
                None,
            ),
            (400, r#"{"success":false,"error":[1,2],"errorType":7}"#, Api, None),
            (
                405,
                r#"{"status":"error","message":"API endpoint does not exist"}"#,
                Api,
                None,
            ),
            (
                500,
                r#"{"success":false,"error":"Internal server error"}"#,
                Api,
                None,
            ),
            (200, r#"{"success":false,"error":"something odd"}"#, Api, None),
            (200, "<!DOCTYPE html>", NotRocketChat, None),
            (200, "", NotRocketChat, None),
            (200, "[]", NotRocketChat, None),
            (302, "", NotRocketChat, None),
            (502, "<html>", Api, None),
            (413, "<html>", TooLarge, None),
        ] {
            let error = failure(status, body);
            assert_eq!((error.kind(), error.code()), (&kind, code), "{status} {body}");
        }
    }

    #[test]
    fn limits() {
        let text = "Error, too many requests. Please slow down. You must wait 37 seconds before trying this endpoint \
                    again. [error-too-many-requests]";
        let error = failure(429, &format!(r#"{{"success":false,"error":"{text}"}}"#));
        assert_eq!(
            error.kind(),
            &RestErrorKind::RateLimited {
                retry_after: Duration::from_secs(37)
            }
        );
        assert!(error.is_transient());
        let error = failure(429, "slow down");
        assert_eq!(
            error.kind(),
            &RestErrorKind::RateLimited {
                retry_after: Duration::from_secs(60)
            }
        );
    }

    #[test]
    fn sentences() {
        assert_eq!(
            failure(400, r#"{"success":false,"error":"Not allowed [error-not-allowed]","errorType":"error-not-allowed"}"#)
                .to_string(),
            "POST x: 400: Not allowed [error-not-allowed]"
        );
        assert_eq!(
            failure(
                401,
                r#"{"status":"error","error":403,"message":"You've been logged out by the server."}"#
            )
            .to_string(),
            "POST x: 401: You've been logged out by the server."
        );
        assert_eq!(
            failure(200, "<!DOCTYPE html>\n<html>").to_string(),
            "POST x: 200: https://chat.example.org answered with \"<!DOCTYPE html> <html>\" instead of JSON; check that \
             it is the address of a Rocket.Chat"
        );
    }
}
