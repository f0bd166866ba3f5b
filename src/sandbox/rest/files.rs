//! Files over REST: sending one in one step or two, and having it back.

use std::{collections::BTreeMap, io, ops::RangeInclusive};

use axum::{
    body::{Body, Bytes, to_bytes},
    http::{HeaderMap, HeaderValue, Response, StatusCode, header, request::Parts},
    response::{Html, IntoResponse},
};
use futures_util::{StreamExt as _, stream};
use multer::{Constraints, Multipart, SizeLimit};
use serde_json::{Map, Value, json};

use super::{Call, Outcome, answer, endpoints::ALWAYS, object};
use crate::sandbox::{
    RestFault, Shared,
    observe::{Inbound, cut},
    refusal::Refusal,
    server::HttpContext,
    state::files::Upload,
};

/// Bytes of one text field, and of all that is read for an upload: the largest file and what is around it.
const FIELD_MAX: u64 = 1024 * 1024;
const AROUND: usize = 1024 * 1024;
/// The largest body of an upload whatever the settings say.
const BODY_MAX: usize = 128 * 1024 * 1024;

/// What a form held.
#[derive(Debug, Default)]
pub(super) struct Form {
    fields: BTreeMap<String, String>,
    file: Option<Upload>,
}

/// Whether these endpoints take a form.
pub(crate) fn takes_form(endpoint: &str) -> bool {
    let name = endpoint.split('/').next().unwrap_or_default();
    matches!(name, "rooms.media" | "rooms.upload")
}

/// How much of the body of an upload is read.
pub(crate) fn body_max(shared: &Shared) -> usize {
    let most = shared
        .lock()
        .settings
        .get("FileUpload_MaxFileSize")
        .and_then(Value::as_u64)
        .and_then(|most| usize::try_from(most).ok());
    most.map_or(BODY_MAX, |most| most.saturating_add(AROUND).min(BODY_MAX))
}

/// The answer to more than that.
pub(crate) fn too_large() -> Response<Body> {
    super::answer::refused(&Refusal::coded("error-file-too-large", ""), ALWAYS)
}

/// Reads the form of a request that has one.
pub(super) async fn form(parts: &Parts, body: Bytes) -> Result<Form, Refusal> {
    let kind = super::header(&parts.headers, header::CONTENT_TYPE.as_str());
    let boundary = multer::parse_boundary(kind).map_err(|_| match kind {
        "" => Refusal::plain("Missing Content-Type"),
        kind => Refusal::plain(format!("Unsupported content type: {kind}")),
    })?;
    let whole = stream::iter([Ok::<_, std::convert::Infallible>(body)]);
    let limits = SizeLimit::new()
        .for_field("file", BODY_MAX as u64)
        .per_field(FIELD_MAX);
    let mut parts = Multipart::with_constraints(whole, boundary, Constraints::new().size_limit(limits));
    let broken = |error: multer::Error| match error {
        multer::Error::FieldSizeExceeded { .. } => Refusal::coded("error-file-too-large", ""),
        _ => Refusal::plain("Unexpected end of form"),
    };
    let mut form = Form::default();
    while let Some(part) = parts.next_field().await.map_err(broken)? {
        let name = part.name().unwrap_or_default().to_owned();
        let Some(file) = part.file_name().map(str::to_owned) else {
            let text = part.text().await.map_err(broken)?;
            form.fields.insert(name, text);
            continue;
        };
        let kind = part
            .content_type()
            .map_or("application/octet-stream", |kind| kind.as_ref());
        let kind = kind.to_owned();
        let bytes = part.bytes().await.map_err(broken)?;
        // The first part of this name; others are passed over.
        if name == "file" && form.file.is_none() {
            form.file = Some(Upload {
                name: file,
                kind,
                bytes,
            });
        }
    }
    Ok(form)
}

/// The room of the path, which the caller may look into.
fn room(call: &Call<'_>) -> Result<String, Refusal> {
    let rid = call.args.first().cloned().unwrap_or_default();
    let room = call.state.rooms.get(&rid);
    let room =
        room.ok_or_else(|| Refusal::in_method("error-invalid-room", "Invalid room", "canAccessRoom"))?;
    match call.state.can_access(&call.uid, room) {
        true => Ok(rid),
        false => Err(Refusal::Forbidden),
    }
}

fn store(call: &mut Call<'_>, rid: &str) -> Result<(String, BTreeMap<String, String>), Refusal> {
    let form = call.form.take().unwrap_or_else(|| Ok(Form::default()))?;
    let upload = form.file.ok_or_else(|| Refusal::coded("invalid-field", ""))?;
    let uid = call.uid.clone();
    Ok((call.state.upload(&uid, rid, upload)?, form.fields))
}

pub(super) fn media(call: &mut Call<'_>) -> Outcome {
    let rid = room(call)?;
    let (id, _) = store(call, &rid)?;
    let path = call.state.files.get(&id).map(|file| file.path(&id));
    Ok(object([("file", json!({ "_id": id, "url": path }))]))
}

/// What of the request goes into the message.
const KEYS: &[&str] = &[
    "msg",
    "description",
    "tmid",
    "alias",
    "avatar",
    "emoji",
    "groupable",
    "customFields",
    "t",
    "content",
    "fileName",
];

fn shown(call: &mut Call<'_>, rid: &str, id: &str, draft: Map<String, Value>) -> Outcome {
    let uid = call.uid.clone();
    let message = call.state.show_file(&uid, rid, id, draft)?;
    Ok(object([("message", super::chat::message(call, &message))]))
}

pub(super) fn confirm(call: &mut Call<'_>) -> Outcome {
    let rid = room(call)?;
    let id = call.args.get(1).cloned().unwrap_or_default();
    let taken = |(key, _): &(String, Value)| KEYS.contains(&key.as_str());
    let draft = std::mem::take(&mut call.body).into_iter().filter(taken).collect();
    shown(call, &rid, &id, draft)
}

/// The one step that was there before version 8.
pub(super) fn upload(call: &mut Call<'_>) -> Outcome {
    let rid = room(call)?;
    let (id, fields) = store(call, &rid)?;
    let taken = |(key, _): &(String, String)| KEYS.contains(&key.as_str());
    let draft = fields
        .into_iter()
        .filter(taken)
        .map(|(key, text)| (key, json!(text)));
    let draft = draft.collect();
    shown(call, &rid, &id, draft)
}

fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let cookies = super::header(headers, header::COOKIE.as_str());
    cookies.split(';').find_map(|pair| {
        let (key, value) = pair.trim().split_once('=')?;
        (key == name).then_some(value)
    })
}

/// Answers `GET /file-upload/ID/NAME`. Who asks is told by headers, cookies or the query.
pub(crate) async fn download(context: &HttpContext, id: &str, parts: &Parts) -> Response<Body> {
    let (fault, slow, version) = {
        let mut state = context.shared.lock();
        let name = "file-upload";
        let path = parts.uri.path().to_owned();
        state.log.push(Inbound::Request {
            method: parts.method.to_string(),
            path: cut(&path),
            body: cut(""),
        });
        state.log.count(name);
        state.touch();
        (state.faults.take(name), state.faults.slowness(), state.version())
    };
    if !slow.is_zero() {
        tokio::time::sleep(slow).await;
    }
    match fault {
        Some(RestFault::CloseBeforeActing | RestFault::CloseWhileReading | RestFault::LoseReply) => {
            return context.line.hang_up().await;
        }
        Some(RestFault::Proxy(status)) => return answer::proxy(status),
        Some(RestFault::Html) => return Html("<html><body><h1>It works!</h1></body></html>").into_response(),
        Some(RestFault::Body(status, body)) => return answer::body(status, body),
        Some(RestFault::Status(status)) => return answer::status(status, version),
        Some(RestFault::Redirect(to)) => return answer::redirect(&to),
        // No limit is for files: a proxy's.
        Some(RestFault::TooManyRequests { .. }) => return answer::proxy(429),
        Some(RestFault::Slow(delay)) => tokio::time::sleep(delay).await,
        Some(RestFault::HalfReply) | None => {}
    }
    let response = found(&context.shared, id, parts);
    match fault {
        Some(RestFault::HalfReply) => halved(response).await,
        _ => response,
    }
}

/// The same answer, whose connection ends in the middle.
async fn halved(response: Response<Body>) -> Response<Body> {
    let (parts, body) = response.into_parts();
    let bytes = to_bytes(body, usize::MAX).await.unwrap_or_default();
    let half = bytes.slice(..bytes.len() / 2);
    // What is too much at once would leave with the end of the connection, or not.
    let pieces: Vec<_> = half.chunks(64 * 1024).map(Bytes::copy_from_slice).collect();
    let cut = stream::once(async {
        tokio::task::yield_now().await;
        Err(io::Error::from(io::ErrorKind::ConnectionReset))
    });
    let pieces = stream::iter(pieces).map(Ok).chain(cut);
    let mut response = Response::from_parts(parts, Body::from_stream(pieces));
    response
        .headers_mut()
        .insert(header::CONTENT_LENGTH, HeaderValue::from(bytes.len()));
    response
}

/// The part that is asked for, if that is one. As a real server reads it: both ends have to be there, and there is more than
/// one byte between them.
fn range(headers: &HeaderMap, size: usize) -> Option<Result<RangeInclusive<usize>, ()>> {
    let text = super::header(headers, header::RANGE.as_str());
    let (before, behind) = text.split_once('-')?;
    let digits = |part: &str| part.bytes().take_while(u8::is_ascii_digit).count();
    let start = before
        .rsplit(|c: char| !c.is_ascii_digit())
        .next()?
        .parse()
        .ok()?;
    let stop: usize = behind[..digits(behind)].parse().ok()?;
    let fits = start <= size && stop > start && stop <= size;
    Some(if fits { Ok(start..=stop) } else { Err(()) })
}

fn found(shared: &Shared, id: &str, parts: &Parts) -> Response<Body> {
    let state = shared.lock();
    let query = super::queries(parts);
    let asked = |name: &str| {
        query
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    };
    let given = |header: &str, other: &str| {
        let text = super::header(&parts.headers, header);
        let text = Some(text).filter(|text| !text.is_empty());
        text.or_else(|| cookie(&parts.headers, other))
            .or_else(|| asked(other))
    };
    let uid = given("x-user-id", "rc_uid").zip(given("x-auth-token", "rc_token"));
    let uid = uid.and_then(|(uid, token)| state.holder(uid, token));
    let Some(file) = state.files.get(id) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    if !state.may_download(uid.as_deref(), file) {
        return StatusCode::FORBIDDEN.into_response();
    }
    let bytes = &file.upload.bytes;
    let (mut response, range) = match range(&parts.headers, bytes.len()) {
        None => (bytes.clone().into_response(), None),
        Some(Ok(range)) => {
            let shown = format!("bytes {}-{}/{}", range.start(), range.end(), bytes.len());
            // It is one more than there is, if that is asked for.
            let end = bytes.len().min(range.end() + 1);
            let part = bytes.slice(*range.start()..end);
            ((StatusCode::PARTIAL_CONTENT, part).into_response(), Some(shown))
        }
        Some(Err(())) => {
            let size = format!("bytes */{}", bytes.len());
            return (StatusCode::RANGE_NOT_SATISFIABLE, [(header::CONTENT_RANGE, size)]).into_response();
        }
    };
    let headers = response.headers_mut();
    if let Some(Ok(range)) = range.map(|range| HeaderValue::from_str(&range)) {
        headers.insert(header::CONTENT_RANGE, range);
    }
    let kind = HeaderValue::from_str(&file.upload.kind);
    headers.insert(
        header::CONTENT_TYPE,
        kind.unwrap_or_else(|_| HeaderValue::from_static("application/octet-stream")),
    );
    let name = file.path(id).rsplit('/').next().unwrap_or_default().to_owned();
    if let Ok(shown) = HeaderValue::from_str(&format!("attachment; filename*=UTF-8''{name}")) {
        headers.insert(header::CONTENT_DISPOSITION, shown);
    }
    // Whatever was uploaded, a browser must not run it as a page of this server.
    headers.insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("default-src 'none'"),
    );
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}
