//! What only the page has, over HTTP: its token, its files, joining, what happens.

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rocketbotte::sandbox::Sandbox;
use serde_json::{Value, json};

use super::{PATIENCE, people};

pub(crate) struct Http {
    pub(crate) client: Client<HttpConnector, Full<Bytes>>,
    pub(crate) url: String,
    token: String,
}

impl Http {
    pub(crate) fn new(sandbox: &Sandbox) -> Self {
        let page = sandbox.page_url();
        Self {
            client: Client::builder(TokioExecutor::new()).build_http(),
            url: sandbox.url(),
            token: page.split_once("?token=").unwrap().1.to_owned(),
        }
    }

    pub(crate) async fn raw(
        &self,
        verb: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> (StatusCode, http::HeaderMap, String) {
        let mut request = Request::builder().method(verb).uri(format!("{}{path}", self.url));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::from(body.to_owned())).unwrap();
        let (parts, body) = self.client.request(request).await.unwrap().into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        (
            parts.status,
            parts.headers,
            String::from_utf8(body.to_vec()).unwrap(),
        )
    }

    pub(crate) async fn own(&self, verb: &str, path: &str, body: &str) -> (StatusCode, Value) {
        let path = format!("/_sandbox/{path}");
        let (status, _, body) = self
            .raw(verb, &path, &[("X-Sandbox-Token", &self.token)], body)
            .await;
        (status, serde_json::from_str(&body).unwrap_or_default())
    }

    pub(crate) async fn fault(&self, order: Value) -> Value {
        let (status, answer) = self.own("POST", "faults", &order.to_string()).await;
        assert_eq!(
            (status, &answer["success"]),
            (StatusCode::OK, &json!(true)),
            "{order}: {answer}"
        );
        answer["faults"].clone()
    }
}

#[tokio::test]
async fn the_page_opens_by_its_token_only() {
    let sandbox = people().start().await.unwrap();
    let http = Http::new(&sandbox);
    let (status, headers, body) = http.raw("GET", &format!("/?token={}", http.token), &[], "").await;
    assert_eq!(status, StatusCode::OK);
    assert!(body.contains("id=\"timeline\""), "{body}");
    let policy = headers["content-security-policy"].to_str().unwrap();
    assert!(
        policy.contains("default-src 'none'") && !policy.contains("unsafe"),
        "{policy}"
    );
    assert!(policy.contains("require-trusted-types-for 'script'"), "{policy}");
    assert_eq!(headers["referrer-policy"], "no-referrer");
    assert!(!body.contains("<script>") && !body.contains(" style="), "{body}");
    let (status, _, body) = http.raw("GET", "/", &[], "").await;
    assert_eq!(status, StatusCode::OK);
    assert!(
        body.contains("page_url()") && body.contains("Rocket.Chat") && !body.contains(&http.token),
        "{body}"
    );
    let (status, _, body) = http.raw("GET", "/?token=wrong", &[], "").await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    assert!(!body.contains("id=\"timeline\""));
}

#[tokio::test]
async fn everything_of_the_page_is_in_the_crate() {
    let sandbox = people().start().await.unwrap();
    let http = Http::new(&sandbox);
    let (_, _, page) = http.raw("GET", &format!("/?token={}", http.token), &[], "").await;
    let mut wanted: Vec<String> = page
        .split("/_sandbox/assets/")
        .skip(1)
        .map(|rest| rest.split('"').next().unwrap().to_owned())
        .collect();
    let mut seen = Vec::new();
    while let Some(name) = wanted.pop() {
        if seen.contains(&name) {
            continue;
        }
        let (status, headers, text) = http
            .raw("GET", &format!("/_sandbox/assets/{name}"), &[], "")
            .await;
        assert_eq!(status, StatusCode::OK, "{name}");
        assert_eq!(headers["x-content-type-options"], "nosniff");
        assert!(
            !text.contains("innerHTML") && !text.contains("insertAdjacentHTML"),
            "{name}"
        );
        let imports = text
            .split("from \"./")
            .skip(1)
            .map(|rest| rest.split('"').next().unwrap().to_owned());
        wanted.extend(imports);
        // Nothing comes from elsewhere.
        let elsewhere = text.replace("http://www.w3.org/2000/svg", "");
        assert!(
            !elsewhere.contains("url(http") && !elsewhere.contains("import(\"http"),
            "{name}"
        );
        seen.push(name);
    }
    assert!(seen.len() > 20, "{seen:?}");
    let (status, _, _) = http.raw("GET", "/_sandbox/assets/..%2fmod.rs", &[], "").await;
    assert_eq!(status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn below_a_subpath_it_works_the_same() {
    let sandbox = people().subpath("/chat").start().await.unwrap();
    let url = sandbox.page_url();
    assert!(url.starts_with(&format!("{}?token=", sandbox.url())), "{url}");
    let http = Http::new(&sandbox);
    let (status, _, page) = http.raw("GET", &format!("?token={}", http.token), &[], "").await;
    assert_eq!(status, StatusCode::OK);
    assert!(page.contains("\"/chat/_sandbox/assets/main.js\""), "{page}");
    let (status, _, _) = http.raw("GET", "/_sandbox/assets/main.js", &[], "").await;
    assert_eq!(status, StatusCode::OK);
}

#[tokio::test]
async fn without_the_token_or_from_elsewhere_nothing_is_done() {
    let sandbox = people().start().await.unwrap();
    let http = Http::new(&sandbox);
    for (verb, path) in [
        ("POST", "/_sandbox/join"),
        ("GET", "/_sandbox/inspector"),
        ("GET", "/_sandbox/faults"),
        ("POST", "/_sandbox/faults"),
        ("DELETE", "/_sandbox/faults"),
    ] {
        for headers in [
            vec![],
            vec![("X-Sandbox-Token", "wrong")],
            vec![("X-Sandbox-Token", "")],
        ] {
            let (status, _, body) = http.raw(verb, path, &headers, "{\"fault\":\"drop\"}").await;
            let body: Value = serde_json::from_str(&body).unwrap();
            assert_eq!(status, StatusCode::UNAUTHORIZED, "{verb} {path}");
            assert_eq!(body["errorType"], "unauthorized");
        }
        // A page in somebody's browser, or a name that was made to point here.
        let token = ("X-Sandbox-Token", http.token.as_str());
        for foreign in [("Origin", "https://example.org"), ("Host", "example.org")] {
            let (status, _, _) = http
                .raw(verb, path, &[token, foreign], "{\"fault\":\"drop\"}")
                .await;
            assert_eq!(status, StatusCode::FORBIDDEN, "{verb} {path} {foreign:?}");
        }
    }
    let (status, _, _) = http
        .raw(
            "GET",
            &format!("/?token={}", http.token),
            &[("Host", "example.org")],
            "",
        )
        .await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    assert!(sandbox.faults_met().is_empty());
}

#[tokio::test]
async fn people_join_with_a_name_or_without() {
    let sandbox = people().channel_with("ops", &["bob"]).start().await.unwrap();
    let http = Http::new(&sandbox);
    let (status, first) = http.own("POST", "join", "").await;
    assert_eq!((status, &first["username"]), (StatusCode::OK, &json!("ada")));
    let (_, named) = http.own("POST", "join", "{\"name\":\"Ann Lee\"}").await;
    assert_eq!(
        (&named["username"], &named["name"]),
        (&json!("ann.lee"), &json!("Ann Lee"))
    );
    let (_, taken) = http.own("POST", "join", "{\"name\":\"ann\"}").await;
    assert_eq!(taken["username"], "ann2");
    // The account is one like any other.
    let headers = [
        ("X-User-Id", first["userId"].as_str().unwrap()),
        ("X-Auth-Token", first["authToken"].as_str().unwrap()),
    ];
    let (status, _, me) = http.raw("GET", "/api/v1/me", &headers, "").await;
    let me: Value = serde_json::from_str(&me).unwrap();
    assert_eq!(
        (status, &me["username"], &me["roles"]),
        (StatusCode::OK, &json!("ada"), &json!(["user"]))
    );
    // It is where everybody is, and only there.
    let (_, _, rooms) = http.raw("GET", "/api/v1/subscriptions.get", &headers, "").await;
    let rooms: Value = serde_json::from_str(&rooms).unwrap();
    let names: Vec<&Value> = rooms["update"]
        .as_array()
        .unwrap()
        .iter()
        .map(|room| &room["name"])
        .collect();
    assert_eq!(names, ["general"]);
    for bad in [
        "{\"name\":\"\"}",
        "{\"name\":\"@all\"}",
        "{\"name\":\"all\"}",
        "{\"name\":7}",
        "{\"nane\":\"x\"}",
        "nonsense",
        "[]",
    ] {
        let (status, answer) = http.own("POST", "join", bad).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{bad}: {answer}");
        assert!(
            answer["errorType"].is_string() && answer["error"].is_string(),
            "{bad}: {answer}"
        );
    }
    let (status, _) = http
        .own("POST", "join", &json!({ "name": "x".repeat(31) }).to_string())
        .await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn there_is_a_bound_for_people() {
    let sandbox = people().start().await.unwrap();
    let http = Http::new(&sandbox);
    for number in 0..100 {
        let (status, answer) = http.own("POST", "join", "").await;
        assert_eq!(status, StatusCode::OK, "{number}: {answer}");
    }
    let (status, answer) = http.own("POST", "join", "").await;
    assert_eq!(
        (status, &answer["errorType"]),
        (StatusCode::CONFLICT, &json!("too-many-people"))
    );
}

#[tokio::test]
async fn the_traffic_of_any_client_is_told_without_its_secrets() {
    let sandbox = people().start().await.unwrap();
    let http = Http::new(&sandbox);
    let bot = sandbox.bot("rocketbotte");
    let login = json!({ "user": "rocketbotte", "password": bot.password() }).to_string();
    let kind = ("Content-Type", "application/json");
    let (status, _, _) = http.raw("POST", "/api/v1/login", &[kind], &login).await;
    assert_eq!(status, StatusCode::OK);
    let live = super::bot(&sandbox).await;
    let asked = sandbox.user("ann").say("general", "!ping 7").await;
    sandbox.wait_for_reply(&asked, PATIENCE).await.unwrap();
    let request = Request::builder()
        .uri(format!("{}/_sandbox/inspector?token={}", http.url, http.token))
        .body(Full::default())
        .unwrap();
    let answer = http.client.request(request).await.unwrap();
    assert_eq!(answer.headers()["content-type"], "text/event-stream");
    let mut body = answer.into_body();
    let mut text = String::new();
    let wanted = [
        "event: begin",
        "pong 7",
        "\"outcome\":\"answered\"",
        "POST chat.sendMessage",
        "POST login",
        "method login",
        "sub stream-room-messages __my_messages__",
        "event: faults",
    ];
    while !wanted.iter().all(|said| text.contains(said)) {
        let frame = super::support::live::in_time(body.frame())
            .await
            .unwrap()
            .unwrap();
        text.push_str(std::str::from_utf8(frame.data_ref().unwrap()).unwrap());
    }
    for secret in [bot.token(), bot.password()] {
        assert!(!text.contains(&secret));
    }
    live.shut_down().await;
}

#[tokio::test]
async fn who_comes_later_is_told_once_of_each_event() {
    let sandbox = people().start().await.unwrap();
    let http = Http::new(&sandbox);
    let live = super::bot(&sandbox).await;
    for number in 0..3 {
        let asked = sandbox
            .user("ann")
            .say("general", &format!("!ping {number}"))
            .await;
        sandbox.wait_for_reply(&asked, PATIENCE).await.unwrap();
    }
    let request = Request::builder()
        .uri(format!("{}/_sandbox/inspector?token={}", http.url, http.token))
        .body(Full::default())
        .unwrap();
    let mut body = http.client.request(request).await.unwrap().into_body();
    let mut text = String::new();
    // What is remembered ends with the faults.
    while !text.contains("event: faults\n") {
        let frame = super::support::live::in_time(body.frame())
            .await
            .unwrap()
            .unwrap();
        text.push_str(std::str::from_utf8(frame.data_ref().unwrap()).unwrap());
    }
    let remembered = text.split("event: faults\n").next().unwrap();
    let told: Vec<Value> = remembered
        .split("event: inspection\ndata: ")
        .skip(1)
        .map(|rest| serde_json::from_str(rest.split('\n').next().unwrap()).unwrap())
        .collect();
    for number in 0..3 {
        let said = json!(format!("!ping {number}"));
        let about: Vec<&Value> = told
            .iter()
            .map(|note| &note["record"])
            .filter(|record| record["event"]["text"] == said)
            .collect();
        assert_eq!(about.len(), 1, "{told:#?}");
        assert!(about[0]["explanation"]["routes"].is_array(), "{about:?}");
        // It is said once.
        assert_eq!(about[0]["explanation_text"], Value::Null);
    }
    assert!(told.iter().all(|note| note["source"] == 1));
    // And of what comes then.
    let asked = sandbox.user("ann").say("general", "!ping later").await;
    sandbox.wait_for_reply(&asked, PATIENCE).await.unwrap();
    while !text.contains("pong later") {
        let frame = super::support::live::in_time(body.frame())
            .await
            .unwrap()
            .unwrap();
        text.push_str(std::str::from_utf8(frame.data_ref().unwrap()).unwrap());
    }
    live.shut_down().await;
}
