//! The REST API: finding the endpoint, who calls, limits and faults, the form of the answer.

mod account;
mod answer;
mod chat;
mod rooms;
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
    state::State,
};

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
}

#[derive(Clone, Copy)]
struct Endpoint {
    name: &'static str,
    verb: &'static str,
    /// Whether a login is needed.
    closed: bool,
    run: fn(&mut Call<'_>) -> Outcome,
}

const fn get(name: &'static str, run: fn(&mut Call<'_>) -> Outcome) -> Endpoint {
    Endpoint {
        name,
        verb: "GET",
        closed: true,
        run,
    }
}

const fn post(name: &'static str, run: fn(&mut Call<'_>) -> Outcome) -> Endpoint {
    Endpoint {
        name,
        verb: "POST",
        closed: true,
        run,
    }
}

const fn open(endpoint: Endpoint) -> Endpoint {
    Endpoint {
        closed: false,
        ..endpoint
    }
}

const ENDPOINTS: &[Endpoint] = &[
    open(get("info", account::info)),
    open(post("login", account::login)),
    post("logout", account::logout),
    get("me", account::me),
    get("users.info", account::user_info),
    get("users.list", account::user_list),
    get("users.getPresence", account::presence),
    post("users.setStatus", account::set_status),
    open(get("settings.public", account::settings)),
    post("chat.sendMessage", chat::send),
    post("chat.postMessage", chat::post),
    get("chat.getMessage", chat::get),
    post("chat.update", chat::update),
    post("chat.delete", chat::delete),
    post("chat.react", chat::react),
    post("chat.pinMessage", chat::pin),
    post("chat.unPinMessage", chat::unpin),
    get("chat.syncMessages", sync::messages),
    get("chat.getThreadMessages", sync::thread),
    get("channels.history", sync::channel_history),
    get("groups.history", sync::group_history),
    get("im.history", sync::direct_history),
    get("rooms.get", sync::rooms),
    get("subscriptions.get", sync::subscriptions),
    get("subscriptions.getOne", sync::subscription),
    post("subscriptions.read", sync::read),
    get("rooms.info", rooms::info),
    get("channels.info", rooms::channel_info),
    get("groups.info", rooms::group_info),
    get("channels.members", rooms::channel_members),
    get("groups.members", rooms::group_members),
    get("channels.roles", rooms::channel_roles),
    get("groups.roles", rooms::group_roles),
    get("channels.list", rooms::channel_list),
    get("channels.list.joined", rooms::channel_list_joined),
    get("groups.list", rooms::group_list),
    get("im.list", rooms::direct_list),
    post("im.create", rooms::create_direct),
    post("channels.create", rooms::create_channel),
    post("groups.create", rooms::create_group),
    post("channels.join", rooms::join),
    post("channels.leave", rooms::leave_channel),
    post("groups.leave", rooms::leave_group),
    post("channels.invite", rooms::invite_channel),
    post("groups.invite", rooms::invite_group),
    post("channels.kick", rooms::kick_channel),
    post("groups.kick", rooms::kick_group),
    post("channels.setTopic", rooms::set_channel_topic),
    post("groups.setTopic", rooms::set_group_topic),
    post("rooms.createDiscussion", rooms::create_discussion),
];

impl Call<'_> {
    fn query(&self, key: &str) -> Option<&str> {
        self.query
            .iter()
            .find(|(name, _)| name == key)
            .map(|(_, value)| value.as_str())
            .filter(|v| !v.is_empty())
    }

    fn text(&self, key: &str) -> Option<&str> {
        self.body
            .get(key)
            .and_then(Value::as_str)
            .filter(|text| !text.is_empty())
    }

    fn need(&self, key: &str) -> Result<String, Refusal> {
        let missing = || Refusal::invalid_params(&format!("must have required property '{key}'"));
        self.text(key).map(str::to_owned).ok_or_else(missing)
    }

    /// `count` and `offset`, capped as the server caps them.
    fn page(&self) -> (usize, usize) {
        let number = |key| self.query(key).and_then(|text| text.parse::<usize>().ok());
        let most = self
            .state
            .settings
            .get("API_Upper_Count_Limit")
            .and_then(Value::as_u64)
            .unwrap_or(100);
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        (
            number("offset").unwrap_or(0),
            number("count").unwrap_or(50).min(most),
        )
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

fn header<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers
        .get(name)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
}

/// Answers one request below `/api`.
pub(crate) async fn serve(context: &HttpContext, name: &str, parts: &Parts, body: Bytes) -> Response<Body> {
    let endpoint = ENDPOINTS
        .iter()
        .find(|endpoint| endpoint.name == name && endpoint.verb == parts.method.as_str());
    let known = ENDPOINTS.iter().any(|endpoint| endpoint.name == name);
    let (fault, slow) = {
        let mut state = context.shared.lock();
        let path = parts.uri.path_and_query().map_or("", |path| path.as_str());
        let shown = if name == "login" {
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
        Some(RestFault::CloseBeforeActing) => return context.line.hang_up().await,
        Some(RestFault::Proxy(status)) => return answer::proxy(status),
        Some(RestFault::Html) => return Html("<html><body><h1>It works!</h1></body></html>").into_response(),
        Some(RestFault::Status(status)) => return answer::status(status),
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
            answer::status(404)
        };
    };
    let answer = run(context, endpoint, parts, &body);
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

fn run(context: &HttpContext, endpoint: &Endpoint, parts: &Parts, body: &Bytes) -> Response<Body> {
    let mut state = context.shared.lock();
    let token = header(&parts.headers, "x-auth-token").to_owned();
    let claimed = header(&parts.headers, "x-user-id");
    let now = state.now();
    let holder = state
        .user_by_token(&token)
        .filter(|(user, held)| user.id == claimed && held.expires.is_none_or(|at| at > now));
    let uid = holder.map(|(user, _)| user.id.clone());
    let bypass = uid
        .as_deref()
        .is_some_and(|uid| state.may(uid, "api-bypass-rate-limit", None));
    let verdict = if bypass {
        None
    } else {
        state.limits.rest(endpoint.name, endpoint.verb)
    };
    if let Some(verdict) = verdict.as_ref().filter(|verdict| !verdict.allowed) {
        let what = format!("the call {}", endpoint.name);
        state.note_refusal(uid.as_deref(), &what, "too many requests");
        return answer::limited(verdict, now);
    }
    if endpoint.closed && uid.is_none() {
        let (what, refusal) = (format!("the call {}", endpoint.name), Refusal::NotLoggedIn);
        state.note_refusal(None, &what, &refusal.message());
        return answer::refused(&refusal);
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
    let query = axum::extract::Query::<Vec<(String, String)>>::try_from_uri(&parts.uri);
    let query = query.map(|query| query.0).unwrap_or_default();
    let mut call = Call {
        state: &mut state,
        uid: uid.unwrap_or_default(),
        token,
        query,
        body,
    };
    let mut response = match (endpoint.run)(&mut call) {
        Ok(object) => answer::success(object),
        Err(refused) => {
            let what = format!("the call {}", endpoint.name);
            call.state
                .note_refusal(Some(&call.uid), &what, &refused.message());
            answer::refused(&refused)
        }
    };
    state.touch();
    if let Some(verdict) = verdict {
        answer::limit_headers(&mut response, &verdict, now);
    }
    response
}
