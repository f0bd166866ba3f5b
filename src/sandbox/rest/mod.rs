//! The REST API: finding the endpoint, who calls, limits and faults, the form of the answer.

mod account;
mod answer;
mod any_room;
mod bridge;
mod chat;
mod endpoints;
pub(crate) mod files;
mod looking;
mod marks;
mod people;
mod rooms;
mod schema;
mod settings;
mod sync;

use axum::{
    body::{Body, Bytes},
    http::{HeaderMap, Response, StatusCode, header, request::Parts},
    response::{Html, IntoResponse},
};
use serde_json::{Map, Value, json};

use super::{
    faults::RestFault,
    limits::RestVerdict,
    observe::{Inbound, cut},
    refusal::Refusal,
    server::HttpContext,
    state::{State, Stored},
};

use endpoints::{ENDPOINTS, Endpoint};

/// Entries of a page of which nobody says how long it is.
const PAGE: usize = 50;

/// What an endpoint answers: an object that gets `success: true`.
type Outcome = Result<Map<String, Value>, Refusal>;

/// One call of an endpoint.
struct Call<'a> {
    state: &'a mut State,
    /// Who calls; empty if the endpoint is open to anybody and nobody is logged in.
    uid: String,
    token: String,
    query: Vec<(String, String)>,
    body: Map<String, Value>,
    /// What stands in the path behind the name of the endpoint.
    args: Vec<String>,
    form: Option<Result<files::Form, Refusal>>,
    /// The second factor, if the headers have one, and what it is.
    code: Option<String>,
    code_method: Option<String>,
}

impl Call<'_> {
    fn query(&self, key: &str) -> Option<&str> {
        self.query
            .iter()
            .find(|(name, _)| name == key)
            .map(|(_, value)| value.as_str())
            .filter(|v| !v.is_empty())
    }

    /// All that a key of the query has, `key=one` and `key[]=two` alike.
    fn query_list(&self, key: &str) -> impl Iterator<Item = &str> {
        let all = self.query.iter().filter(move |(name, _)| name == key);
        all.map(|(_, value)| value.as_str())
            .filter(|value| !value.is_empty())
    }

    /// The query as JSON: lists are written `key[]=one&key[]=two`.
    fn query_object(&self) -> Map<String, Value> {
        let mut object = Map::new();
        for (key, value) in &self.query {
            match key.strip_suffix("[]") {
                Some(key) => match object.entry(key.to_owned()).or_insert_with(|| json!([])) {
                    Value::Array(list) => list.push(json!(value)),
                    other => *other = json!([value]),
                },
                None => {
                    object.insert(key.clone(), json!(value));
                }
            }
        }
        object
    }

    fn text(&self, key: &str) -> Option<&str> {
        self.body
            .get(key)
            .and_then(Value::as_str)
            .filter(|text| !text.is_empty())
    }

    /// A text that has to be there; it may be empty.
    fn need(&self, key: &str) -> Result<String, Refusal> {
        let missing = || Refusal::invalid_params(&format!("must have required property '{key}'"));
        let text = self.body.get(key).and_then(Value::as_str);
        text.map(str::to_owned).ok_or_else(missing)
    }

    /// The same for a query.
    fn asked(&self, key: &str) -> Result<String, Refusal> {
        let missing = || Refusal::invalid_params(&format!("must have required property '{key}'"));
        let found = self.query.iter().find(|(name, _)| name == key);
        found.map(|(_, text)| text.clone()).ok_or_else(missing)
    }

    /// A message as its reader gets it: of the stars only the own one.
    fn shown(&self, message: &Stored) -> Value {
        let mut doc = message.doc.clone();
        if let Some(Value::Array(stars)) = doc.get_mut("starred") {
            stars.retain(|star| star.get("_id").and_then(Value::as_str) == Some(self.uid.as_str()));
        }
        Value::Object(doc)
    }

    /// `count` and `offset`, capped as the server caps them: a count of zero is all, or the default where that is not allowed.
    fn page(&self) -> (usize, usize) {
        let number = |key| self.query(key).and_then(|text| text.parse::<usize>().ok());
        let most = self
            .state
            .settings
            .get("API_Upper_Count_Limit")
            .and_then(Value::as_u64)
            .unwrap_or(100);
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        let all = self.state.settings.get("API_Allow_Infinite_Count") != Some(&json!(false));
        let count = match number("count") {
            Some(0) if all => usize::MAX,
            None | Some(0) => PAGE.min(most),
            Some(count) => count.min(most),
        };
        (number("offset").unwrap_or(0), count)
    }
}

/// An object with these keys.
fn object<const N: usize>(fields: [(&str, Value); N]) -> Map<String, Value> {
    fields
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value))
        .collect()
}

/// One page of a list under `key`.
fn paged(call: &Call<'_>, key: &str, all: &[Value]) -> Map<String, Value> {
    let (offset, count) = call.page();
    let page: Vec<&Value> = all.iter().skip(offset).take(count).collect();
    object([
        ("count", json!(page.len())),
        ("offset", json!(offset)),
        ("total", json!(all.len())),
        (key, json!(page)),
    ])
}

/// The address that the proxies before the server say, if so many of them are believed; empty if none.
fn forwarded(headers: &HeaderMap, believed: usize) -> &str {
    let mut addresses = header(headers, "x-forwarded-for").rsplit(',').map(str::trim);
    let nth = believed.checked_sub(1).and_then(|before| addresses.nth(before));
    nth.unwrap_or_default()
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers
        .get(name)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
}

fn queries(parts: &Parts) -> Vec<(String, String)> {
    let query = axum::extract::Query::<Vec<(String, String)>>::try_from_uri(&parts.uri);
    query.map(|query| query.0).unwrap_or_default()
}

/// A query as it was made to fit.
fn pairs(asked: Map<String, Value>) -> Vec<(String, String)> {
    let mut pairs = Vec::new();
    let mut add = |key: &str, value: Value| match value {
        Value::String(text) => pairs.push((key.to_owned(), text)),
        Value::Null => {}
        // `5`, not `5.0`.
        Value::Number(number) => {
            pairs.push((key.to_owned(), number.as_f64().unwrap_or_default().to_string()))
        }
        other => pairs.push((key.to_owned(), other.to_string())),
    };
    for (key, value) in asked {
        match value {
            Value::Array(list) => list.into_iter().for_each(|one| add(&key, one)),
            one => add(&key, one),
        }
    }
    pairs
}

/// Answers one request below `/api`.
pub(crate) async fn serve(context: &HttpContext, path: &str, parts: &Parts, body: Bytes) -> Response<Body> {
    let mut segments = path.split('/');
    let name = segments.next().unwrap_or_default();
    // Cut before it is decoded: a slash in an argument is `%2F`.
    let decoded = |text: &str| {
        percent_encoding::percent_decode_str(text)
            .decode_utf8_lossy()
            .into_owned()
    };
    let args: Vec<String> = segments.map(decoded).collect();
    let version = context.shared.lock().version();
    let fits = |endpoint: &&Endpoint| {
        let there = (endpoint.since..endpoint.until).contains(&version);
        endpoint.name == name && endpoint.args == args.len() && there
    };
    let known = ENDPOINTS.iter().any(|endpoint| fits(&endpoint));
    let endpoint = ENDPOINTS
        .iter()
        .find(|endpoint| fits(endpoint) && endpoint.verb == parts.method.as_str());
    let (fault, slow) = {
        let mut state = context.shared.lock();
        let path = parts.uri.path_and_query().map_or("", |path| path.as_str());
        let login = name == "login" || args.first().is_some_and(|arg| arg == "login");
        let shown = if login || files::takes_form(name) {
            ""
        } else {
            &String::from_utf8_lossy(&body)
        };
        let inbound = Inbound::Request {
            method: parts.method.to_string(),
            path: cut(path),
            body: cut(shown),
        };
        state.log.push(inbound);
        state.log.count(if known { name } else { "(unknown)" });
        state.touch();
        (state.faults.take(name), state.faults.slowness())
    };
    let _under_way = UnderWay::begin(context, if known { name } else { "(unknown)" });
    // A pause of nothing would take a millisecond.
    if !slow.is_zero() {
        tokio::time::sleep(slow).await;
    }
    match fault {
        Some(RestFault::CloseBeforeActing | RestFault::CloseWhileReading) => {
            return context.line.hang_up().await;
        }
        Some(RestFault::Redirect(to)) => return answer::redirect(&to),
        Some(RestFault::Proxy(status)) => return answer::proxy(status),
        Some(RestFault::Html) => return Html("<html><body><h1>It works!</h1></body></html>").into_response(),
        Some(RestFault::Body(status, body)) => return answer::body(status, body),
        Some(RestFault::Status(status)) => return answer::status(status, version),
        Some(RestFault::TooManyRequests { reset_after }) => {
            let reset_ms = u64::try_from(reset_after.as_millis()).unwrap_or(u64::MAX);
            let verdict = RestVerdict {
                limit: 10,
                remaining: 0,
                reset_ms,
                allowed: false,
            };
            let now = context.shared.lock().now();
            return answer::limited(&verdict, now);
        }
        Some(RestFault::Slow(delay)) => tokio::time::sleep(delay).await,
        Some(RestFault::LoseReply | RestFault::HalfReply) | None => {}
    }
    let Some(endpoint) = endpoint else {
        return if known {
            answer::wrong_verb()
        } else {
            answer::status(404, version)
        };
    };
    let form = match files::takes_form(name) {
        true => Some(files::form(parts, body.clone()).await),
        false => None,
    };
    let answer = run(context, endpoint, parts, &body, args, form);
    match fault {
        Some(RestFault::LoseReply) => return context.line.hang_up().await,
        Some(RestFault::HalfReply) => context.line.halve_next_write(),
        _ => {}
    }
    answer
}

/// A call that is under way, until it is dropped.
struct UnderWay<'a> {
    context: &'a HttpContext,
    endpoint: &'a str,
}

impl<'a> UnderWay<'a> {
    fn begin(context: &'a HttpContext, endpoint: &'a str) -> Self {
        context.shared.lock().log.begin(endpoint);
        Self { context, endpoint }
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.context.shared.lock().log.end(self.endpoint);
    }
}

fn run(
    context: &HttpContext,
    endpoint: &Endpoint,
    parts: &Parts,
    body: &Bytes,
    args: Vec<String>,
    form: Option<Result<files::Form, Refusal>>,
) -> Response<Body> {
    let mut state = context.shared.lock();
    let version = state.version();
    let token = header(&parts.headers, "x-auth-token").to_owned();
    let claimed = header(&parts.headers, "x-user-id");
    let now = state.now();
    let uid = state.holder(claimed, &token);
    let bypass = uid
        .as_deref()
        .is_some_and(|uid| state.may(uid, "api-bypass-rate-limit", None));
    let unlimited = state.settings.get("API_Enable_Rate_Limiter") == Some(&json!(false));
    let verdict = if bypass || unlimited {
        None
    } else {
        let address = forwarded(&parts.headers, state.trusted_proxies);
        state.limits.rest(endpoint.name, endpoint.verb, address, version)
    };
    if let Some(verdict) = verdict.as_ref().filter(|verdict| !verdict.allowed) {
        let what = format!("the call {}", endpoint.name);
        state.note_refusal(uid.as_deref(), &what, "too many requests");
        return answer::limited(verdict, now);
    }
    if endpoint.closed && uid.is_none() {
        let (what, refusal) = (format!("the call {}", endpoint.name), Refusal::NotLoggedIn);
        state.note_refusal(None, &what, &refusal.message());
        return answer::refused(&refusal, version);
    }
    let json = header(&parts.headers, header::CONTENT_TYPE.as_str()).contains("json");
    let body = match serde_json::from_slice(body) {
        Ok(Value::Object(object)) if json => object,
        Err(_) if json && !body.is_empty() => {
            let text = "<!DOCTYPE html>\n<html><body><pre>Bad Request</pre></body></html>\n";
            return (StatusCode::BAD_REQUEST, Html(text)).into_response();
        }
        // Other content types are ignored, as is JSON that is no object.
        _ => Map::new(),
    };
    let mut call = Call {
        state: &mut state,
        uid: uid.unwrap_or_default(),
        token,
        query: queries(parts),
        body,
        args,
        form,
        code: Some(header(&parts.headers, "x-2fa-code").to_owned()).filter(|code| !code.is_empty()),
        code_method: Some(header(&parts.headers, "x-2fa-method").to_owned())
            .filter(|method| !method.is_empty()),
    };
    // Validated since 7; what those before took without a word is not imitated.
    let fitted = if endpoint.verb == "GET" {
        let mut asked = call.query_object();
        let fitted = schema::fit(endpoint.name, &mut asked);
        call.query = pairs(asked);
        fitted
    } else {
        schema::fit(endpoint.name, &mut call.body)
    };
    let outcome = match fitted {
        Ok(()) => (endpoint.run)(&mut call),
        Err(reason) => Err(Refusal::invalid_params(&reason)),
    };
    let mut response = match outcome {
        Ok(object) if matches!(endpoint.name, "login" | "logout") => answer::session(object, version),
        Ok(object) => answer::success(object),
        Err(refused) => {
            let what = format!("the call {}", endpoint.name);
            call.state
                .note_refusal(Some(&call.uid), &what, &refused.message());
            answer::refused(&refused, version)
        }
    };
    state.touch();
    if let Some(verdict) = verdict {
        answer::limit_headers(&mut response, &verdict, now);
    }
    response
}
