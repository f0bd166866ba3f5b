//! What only the page has, over HTTP: its token, joining, the faults.

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rocketbotte::sandbox::Sandbox;
use serde_json::{Value, json};

use super::{PATIENCE, people};

struct Http {
    client: Client<HttpConnector, Full<Bytes>>,
    url: String,
    token: String,
}

impl Http {
    fn new(sandbox: &Sandbox) -> Self {
        let page = sandbox.page_url();
        Self {
            client: Client::builder(TokioExecutor::new()).build_http(),
            url: sandbox.url(),
            token: page.split_once("?token=").unwrap().1.to_owned(),
        }
    }

    async fn raw(
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

    async fn own(&self, verb: &str, path: &str, body: &str) -> (StatusCode, Value) {
        let path = format!("/_sandbox/{path}");
        let (status, _, body) = self
            .raw(verb, &path, &[("X-Sandbox-Token", &self.token)], body)
            .await;
        (status, serde_json::from_str(&body).unwrap_or_default())
    }

    async fn fault(&self, order: Value) -> Value {
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
async fn faults_are_switched_over_http() {
    let sandbox = people().start().await.unwrap();
    let http = Http::new(&sandbox);
    let state = http.fault(json!({ "fault": "slow", "milliseconds": 20 })).await;
    assert_eq!(state["active"]["slow_ms"], 20);
    http.fault(json!({ "fault": "duplicate", "on": true })).await;
    http.fault(json!({ "fault": "reorder", "how": "rooms" })).await;
    http.fault(json!({ "fault": "lose", "on": true })).await;
    http.fault(json!({ "fault": "cut_at", "step": "login" })).await;
    http.fault(json!({ "fault": "silence", "seconds": 60 })).await;
    let rest = json!({ "fault": "rest", "kind": "status", "status": 503, "endpoint": "me", "calls": 2 });
    let state = http.fault(rest).await;
    assert_eq!(
        state["waiting"],
        json!({ "rest": [{ "endpoint": "me", "calls": 2, "next": "status" }], "steps": ["cut at login"] })
    );
    let active = json!({
        "silence": true, "gone": false, "refuse": false, "slow_ms": 20,
        "duplicate": true, "lose": true, "reorder": "rooms",
    });
    assert_eq!(state["active"], active);
    for expected in [503, 503, 401] {
        let (status, _, _) = http.raw("GET", "/api/v1/me", &[], "").await;
        assert_eq!(status, expected);
    }
    let (_, met) = http.own("GET", "faults", "").await;
    assert_eq!(met["faults"]["met"]["status"], 2);
    let (status, cleared) = http.own("DELETE", "faults", "").await;
    assert_eq!(status, StatusCode::OK);
    let active = json!({
        "silence": false, "gone": false, "refuse": false, "slow_ms": 0,
        "duplicate": false, "lose": false, "reorder": "off",
    });
    assert_eq!(cleared["faults"]["active"], active);
    assert_eq!(cleared["faults"]["waiting"], json!({ "rest": [], "steps": [] }));
}

#[tokio::test]
async fn every_kind_of_rest_fault_is_met() {
    let sandbox = people().start().await.unwrap();
    let http = Http::new(&sandbox);
    for (order, status) in [
        (
            json!({ "kind": "too_many_requests", "milliseconds": 1000 }),
            Some(429),
        ),
        (json!({ "kind": "status", "status": 500 }), Some(500)),
        (json!({ "kind": "proxy", "status": 502 }), Some(502)),
        (json!({ "kind": "html" }), Some(200)),
        (json!({ "kind": "slow", "milliseconds": 5 }), Some(401)),
        (json!({ "kind": "lose_reply" }), None),
        (json!({ "kind": "lose_call" }), None),
    ] {
        let mut whole = order.clone();
        whole["fault"] = json!("rest");
        http.fault(whole).await;
        let request = Request::builder()
            .uri(format!("{}/api/v1/me", http.url))
            .body(Full::default())
            .unwrap();
        let answer = http.client.request(request).await;
        assert_eq!(
            answer.ok().map(|answer| answer.status().as_u16()),
            status,
            "{order}"
        );
    }
}

#[tokio::test]
async fn the_server_is_gone_for_a_while_and_comes_back() {
    let sandbox = people().start().await.unwrap();
    let http = Http::new(&sandbox);
    http.fault(json!({ "fault": "gone", "seconds": 0.2 })).await;
    let met = |sandbox: &Sandbox| sandbox.faults_met().contains_key("server gone");
    sandbox.wait_until(met, PATIENCE).await.unwrap();
    let began = std::time::Instant::now();
    loop {
        let request = Request::builder()
            .uri(format!("{}/api/info", http.url))
            .body(Full::default())
            .unwrap();
        if http.client.request(request).await.is_ok() {
            break;
        }
        assert!(began.elapsed() < PATIENCE, "it did not come back");
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn a_fault_that_lasts_ends_by_itself_unless_a_later_order_says_otherwise() {
    let sandbox = people().start().await.unwrap();
    let http = Http::new(&sandbox);
    http.fault(json!({ "fault": "silence", "seconds": 0.05 })).await;
    http.fault(json!({ "fault": "silence", "seconds": 600 })).await;
    http.fault(json!({ "fault": "refuse", "seconds": 0.05 })).await;
    let began = std::time::Instant::now();
    // The connection of this client stays; the refusal ends, and the first silence does not end the second.
    loop {
        let (_, state) = http.own("GET", "faults", "").await;
        if state["faults"]["active"]["refuse"] == false {
            assert_eq!(state["faults"]["active"]["silence"], true);
            break;
        }
        assert!(began.elapsed() < PATIENCE, "{state}");
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn bad_orders_are_refused_with_their_reason() {
    let sandbox = people().start().await.unwrap();
    let http = Http::new(&sandbox);
    for (body, code) in [
        ("", "invalid-fault"),
        ("nonsense", "invalid-fault"),
        ("[]", "invalid-fault"),
        ("{}", "invalid-fault"),
        (r#"{"fault":"flood"}"#, "invalid-fault"),
        (r#"{"fault":"drop","seconds":1}"#, "invalid-fault"),
        (r#"{"fault":"gone"}"#, "invalid-fault"),
        (r#"{"fault":"gone","seconds":"5"}"#, "invalid-fault"),
        (r#"{"fault":"gone","seconds":0}"#, "out-of-range"),
        (r#"{"fault":"gone","seconds":-1}"#, "out-of-range"),
        (r#"{"fault":"silence","seconds":601}"#, "out-of-range"),
        (r#"{"fault":"slow","milliseconds":-1}"#, "invalid-fault"),
        (r#"{"fault":"slow","milliseconds":600001}"#, "out-of-range"),
        (r#"{"fault":"rest"}"#, "invalid-fault"),
        (r#"{"fault":"rest","kind":"status"}"#, "out-of-range"),
        (r#"{"fault":"rest","kind":"status","status":200}"#, "out-of-range"),
        (r#"{"fault":"rest","kind":"html","status":500}"#, "out-of-range"),
        (r#"{"fault":"rest","kind":"slow"}"#, "out-of-range"),
        (r#"{"fault":"rest","kind":"html","calls":0}"#, "out-of-range"),
        (r#"{"fault":"rest","kind":"html","calls":1001}"#, "out-of-range"),
        (r#"{"fault":"reorder","how":"sideways"}"#, "invalid-fault"),
        (r#"{"fault":"cut_at","step":"breakfast"}"#, "invalid-fault"),
    ] {
        let (status, answer) = http.own("POST", "faults", body).await;
        assert_eq!(
            (status, &answer["errorType"]),
            (StatusCode::BAD_REQUEST, &json!(code)),
            "{body}: {answer}"
        );
        assert!(
            answer["error"].as_str().is_some_and(|text| !text.is_empty()),
            "{body}"
        );
    }
    for _ in 0..10 {
        http.fault(json!({ "fault": "rest", "kind": "html", "calls": 1000 }))
            .await;
    }
    let (status, answer) = http
        .own("POST", "faults", r#"{"fault":"rest","kind":"html"}"#)
        .await;
    assert_eq!(
        (status, &answer["errorType"]),
        (StatusCode::BAD_REQUEST, &json!("out-of-range"))
    );
    let (status, _) = http.own("DELETE", "faults", "").await;
    assert_eq!(status, StatusCode::OK);
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
