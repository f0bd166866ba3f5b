//! The REST client and the sink against a server that answers by script.
#![cfg(feature = "client")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test ends by them")]

#[path = "support/pipes.rs"]
mod pipes;

use std::time::Duration;

use http::Method;
use rocketbotte::response::Action;
use rocketbotte::rest::endpoint::{Info, Me, PublicSettings, Subscriptions};
use rocketbotte::rest::{Client, Endpoint, RestErrorKind, RestSink, Version};
use rocketbotte::transport::Connector;
use rocketbotte::{Credentials, Secret};
use serde_json::{Value, json};
use tokio::time::Instant;
use tower::ServiceExt as _;

use pipes::{Reply, Request, http, json_response, response};

fn client(connector: Connector) -> Client {
    Client::builder("https://chat.example.org/sub".parse().unwrap(), connector)
        .credentials(Credentials::new("uB", "s3cret").unwrap())
        .build()
}

fn ok(body: &Value) -> Reply {
    json_response("200 OK", body)
}

fn send_action() -> Action {
    serde_json::from_value(json!({"send": {
        "text": "hi", "room_id": "GENERAL", "thread": {"of": "t1"}, "ids": {"first": "id1", "second": "id2"},
    }}))
    .expect("the stored form of an action")
}

fn posted(requests: &[Request]) -> Vec<String> {
    let sends = requests
        .iter()
        .filter(|request| request.line().contains("chat.sendMessage"));
    sends
        .map(|request| request.json()["message"]["_id"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn requests_carry_path_query_and_credentials() {
    let (connector, requests) = http(|request| match request.line() {
        line if line.contains("/api/info") => ok(&json!({"version": "8.8", "success": true})),
        line if line.contains("settings") => {
            ok(&json!({"settings": [{"_id": "Message_MaxAllowedSize", "value": 5000}], "success": true}))
        }
        line if line.contains("subscriptions") => ok(&json!({
            "update": [{"_id": "s1", "rid": "GENERAL", "t": "c", "name": "general", "roles": null}], "remove": [],
        })),
        _ => ok(&json!({"_id": "uB", "username": "bot", "roles": ["user", "bot"], "success": true})),
    });
    let client = client(connector);
    assert_eq!(client.call(&Info {}).await.unwrap().version(), Some("8.8"));
    let settings = client
        .call(&PublicSettings::of(["Message_MaxAllowedSize"]))
        .await
        .unwrap();
    assert_eq!(settings.get("Message_MaxAllowedSize"), Some(&json!(5000)));
    assert_eq!(
        client.call(&Subscriptions::default()).await.unwrap().update[0].room_id,
        "GENERAL"
    );
    assert_eq!(client.call(&Me {}).await.unwrap().roles, ["user", "bot"]);
    client
        .call_raw(Method::GET, "rooms.info", &[("roomName", "a/../b?c&d")], None)
        .await
        .unwrap();
    assert!(client.call_raw(Method::GET, "../admin", &[], None).await.is_err());

    let requests = requests.lock().unwrap();
    let lines: Vec<_> = requests.iter().map(Request::line).collect();
    assert_eq!(
        lines,
        [
            "GET /sub/api/info HTTP/1.1",
            "GET /sub/api/v1/settings.public?_id=Message_MaxAllowedSize&count=1 HTTP/1.1",
            "GET /sub/api/v1/subscriptions.get HTTP/1.1",
            "GET /sub/api/v1/me HTTP/1.1",
            "GET /sub/api/v1/rooms.info?roomName=a%2F..%2Fb%3Fc%26d HTTP/1.1",
        ]
    );
    assert_eq!(requests[0].header("x-auth-token"), None);
    assert_eq!(
        (
            requests[3].header("x-user-id"),
            requests[3].header("x-auth-token")
        ),
        (Some("uB"), Some("s3cret"))
    );
    assert_eq!(requests[3].header("host"), Some("chat.example.org"));
}

#[tokio::test]
async fn login_gives_a_client_with_the_token() {
    let (connector, requests) = http(|request| match request.line() {
        line if line.contains("login") && request.body.contains("right") => {
            ok(&json!({"status": "success", "data": {"userId": "uB", "authToken": "t0ken", "me": {}}}))
        }
        line if line.contains("login") => json_response(
            "401 Unauthorized",
            &json!({"status": "error", "error": "Unauthorized", "message": "Unauthorized"}),
        ),
        _ => ok(&json!({"status": "success"})),
    });
    let anonymous = Client::builder("http://localhost".parse().unwrap(), connector).build();
    let error = anonymous.login("bot", &Secret::new("wrong")).await.unwrap_err();
    assert_eq!(error.kind(), &RestErrorKind::Unauthorized);
    assert!(!format!("{error:?}").contains("wrong"));
    let client = anonymous.login("bot", &Secret::new("right")).await.unwrap();
    assert_eq!(client.credentials().unwrap().user_id(), &"uB");
    assert!(!format!("{client:?}").contains("t0ken"));
    client.logout().await.unwrap();
    assert_eq!(
        requests.lock().unwrap().last().unwrap().header("x-auth-token"),
        Some("t0ken")
    );
}

#[tokio::test(start_paused = true)]
async fn a_limit_is_waited_for() {
    let mut first = true;
    let (connector, _) = http(move |_| {
        if std::mem::take(&mut first) {
            response(
                "429 Too Many Requests",
                &[
                    ("content-type", "application/json"),
                    ("date", "Sun, 22 Nov 2026 08:00:45 GMT"),
                    ("x-ratelimit-reset", "1795334482000"),
                ],
                r#"{"success":false,"error":"Error, too many requests. [error-too-many-requests]"}"#,
            )
        } else {
            ok(&json!({"success": true}))
        }
    });
    let start = Instant::now();
    client(connector)
        .call_raw(Method::POST, "chat.postMessage", &[], Some(&json!({})))
        .await
        .unwrap();
    assert!(
        (37.0..37.5).contains(&start.elapsed().as_secs_f64()),
        "{:?}",
        start.elapsed()
    );
}

#[tokio::test(start_paused = true)]
async fn a_lost_connection_is_retried_with_the_same_id() {
    let mut attempts = 0;
    let (connector, requests) = http(move |_| {
        attempts += 1;
        match attempts {
            1 => Reply::Drop,
            2 => response(
                "503 Service Unavailable",
                &[("content-type", "text/html")],
                "<html>",
            ),
            3 => Reply::Hang,
            _ => ok(&json!({"success": true, "message": {"_id": "id1"}})),
        }
    });
    let receipt = RestSink::new(client(connector))
        .oneshot(send_action())
        .await
        .unwrap();
    assert_eq!(receipt.message_id().unwrap(), "id1");
    let requests = requests.lock().unwrap();
    assert_eq!(posted(&requests), ["id1", "id1", "id1", "id1"]);
    assert_eq!(
        requests[0].json(),
        json!({"message": {"_id": "id1", "rid": "GENERAL", "msg": "hi", "tmid": "t1", "bot": {"i": "rocketbotte"}}})
    );
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_breaks_off_and_a_proxy_s_page_are_retried_with_the_same_id() {
    let mut attempts = 0;
    let (connector, requests) = http(move |request| {
        let page = |status| response(status, &[("content-type", "text/html")], "<h1>Back soon</h1>");
        if request.line().contains("/me ") {
            return ok(&json!({"_id": "uB", "username": "bot", "success": true}));
        }
        attempts += 1;
        match attempts {
            1 => Reply::Half(
                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 900\r\n\r\n{\"suc"
                    .to_owned(),
            ),
            2 => page("200 OK"),
            3 => page("520 Web Server Returned an Unknown Error"),
            4 => page("502 Bad Gateway"),
            5 => json_response("504 Gateway Timeout", &json!({})),
            _ => ok(&json!({"success": true, "message": {"_id": "id1"}})),
        }
    });
    let client = client(connector);
    client.call(&Me {}).await.unwrap();
    let receipt = RestSink::new(client).oneshot(send_action()).await.unwrap();
    assert_eq!(receipt.message_id().unwrap(), "id1");
    assert_eq!(posted(&requests.lock().unwrap()), ["id1"; 6]);
}

#[tokio::test(start_paused = true)]
async fn the_server_s_word_is_not_asked_for_again() {
    for status in ["400 Bad Request", "403 Forbidden", "404 Not Found"] {
        let (connector, requests) = http(move |request| match request.line() {
            line if line.contains("chat.getMessage") => {
                json_response("400 Bad Request", &json!({"success": false}))
            }
            _ => json_response(
                status,
                &json!({"success": false, "error": "no [error-of-some-kind]", "errorType": "error-of-some-kind"}),
            ),
        });
        let start = Instant::now();
        let sink = RestSink::new(client(connector));
        let error = sink.oneshot(send_action()).await.unwrap_err();
        assert_eq!(error.code(), Some("error-of-some-kind"), "{status}");
        assert_eq!(posted(&requests.lock().unwrap()), ["id1"], "{status}");
        assert_eq!(start.elapsed(), Duration::ZERO, "{status}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_dead_server_is_not_hammered() {
    let (connector, requests) = http(|_| Reply::Drop);
    let client = Client::builder("https://chat.example.org".parse().unwrap(), connector)
        .concurrency(1000)
        .build();
    let start = Instant::now();
    let calls = (0..200).map(|_| client.call(&Info {}));
    let results = futures_util::future::join_all(calls).await;
    for result in results {
        assert_eq!(result.unwrap_err().kind(), &RestErrorKind::Transport);
    }
    assert!(start.elapsed() <= Duration::from_secs(10 * 60));
    // One each, twenty at once, and two a second.
    let attempts = requests.lock().unwrap().len();
    assert!((800..=200 + 20 + 1200).contains(&attempts), "{attempts}");
}

#[tokio::test(start_paused = true)]
async fn a_refusal_of_one_call_holds_back_the_others_of_its_kind() {
    let began = Instant::now();
    let (connector, requests) = http(move |request| {
        let seconds = began.elapsed().as_secs();
        match request.line() {
            line if line.contains("rooms.info") && seconds < 37 => response(
                "429 Too Many Requests",
                &[
                    ("content-type", "application/json"),
                    ("date", "Sun, 22 Nov 2026 08:00:45 GMT"),
                    ("x-ratelimit-limit", "10"),
                    ("x-ratelimit-remaining", "0"),
                    ("x-ratelimit-reset", "1795334482000"),
                ],
                r#"{"success":false,"error":"Error, too many requests. [error-too-many-requests]"}"#,
            ),
            _ => ok(&json!({"success": true})),
        }
    });
    let client = client(connector);
    let info = |room: &'static str| {
        let client = client.clone();
        async move {
            let query = [("roomName", room)];
            client
                .call_raw(Method::GET, "rooms.info", &query, None)
                .await
                .unwrap();
            began.elapsed().as_secs()
        }
    };
    let later = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        futures_util::future::join_all((0..5).map(|_| info("later"))).await
    };
    let (first, others) = tokio::join!(info("first"), later);
    assert_eq!((first, others), (37, vec![37; 5]));
    let requests = requests.lock().unwrap();
    // The first was refused once; the others asked when they were let.
    assert_eq!(requests.len(), 7);
    assert!(
        requests[..2]
            .iter()
            .all(|request| request.line().contains("first"))
    );
}

#[tokio::test(start_paused = true)]
async fn what_may_have_been_done_is_not_done_again() {
    for reply in ["drop", "hang", "503"] {
        let (connector, requests) = http(move |_| match reply {
            "drop" => Reply::Drop,
            "hang" => Reply::Hang,
            _ => response("503 Service Unavailable", &[], ""),
        });
        let client = client(connector);
        let error = client
            .call_raw(Method::POST, "chat.postMessage", &[], Some(&json!({})))
            .await
            .unwrap_err();
        assert!(error.is_transient(), "{error}");
        assert_eq!(requests.lock().unwrap().len(), 1, "{reply}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_refused_connection_is_tried_again_for_every_call() {
    let (connector, requests) = http(|_| ok(&json!({"success": true})));
    let attempts = std::sync::Arc::new(std::sync::atomic::AtomicU32::new(0));
    let counted = std::sync::Arc::clone(&attempts);
    let flaky = Connector::from_service(tower::service_fn(move |uri: http::Uri| {
        let refused = counted.fetch_add(1, std::sync::atomic::Ordering::Relaxed) < 3;
        let connector = connector.clone();
        async move {
            match refused {
                true => Err(std::io::Error::from(std::io::ErrorKind::ConnectionRefused).into()),
                false => connector.oneshot(uri).await,
            }
        }
    }));
    client(flaky)
        .call_raw(Method::POST, "chat.postMessage", &[], Some(&json!({})))
        .await
        .unwrap();
    assert_eq!(requests.lock().unwrap().len(), 1);

    // Nor does it give up where a host is unknown for a while.
    let (connector, requests) = http(|_| ok(&json!({"success": true})));
    let lookups = std::sync::Arc::new(std::sync::atomic::AtomicU32::new(0));
    let lost = Connector::from_service(tower::service_fn(move |uri: http::Uri| {
        let before = lookups.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let found = (before >= 3).then(|| connector.clone());
        async move {
            match found {
                Some(connector) => connector.oneshot(uri).await,
                None => Err(std::io::Error::other(
                    "failed to lookup address information: Name or service not known",
                )
                .into()),
            }
        }
    }));
    client(lost)
        .call_raw(Method::POST, "chat.postMessage", &[], Some(&json!({})))
        .await
        .unwrap();
    assert_eq!(requests.lock().unwrap().len(), 1);

    let refusing = Connector::from_fn(|_| async {
        Err::<tokio::io::DuplexStream, _>(std::io::Error::from(std::io::ErrorKind::ConnectionRefused))
    });
    let error = client(refusing).call(&Me {}).await.unwrap_err();
    assert_eq!(error.kind(), &RestErrorKind::Transport);
    assert_eq!(
        error.to_string(),
        "GET me: the connection to https://chat.example.org/sub was refused; check that the server runs and the port \
         is right"
    );
}

#[tokio::test]
async fn what_is_no_rocketchat_is_told() {
    for (reply, part) in [
        (
            (
                "200 OK",
                "text/html; charset=utf-8",
                "<!DOCTYPE html>\n<title>Home</title>",
            ),
            "<!DOCTYPE html>",
        ),
        (("404 Not Found", "text/plain", "nothing here"), "nothing here"),
        (
            (
                "301 Moved Permanently\r\nlocation: https://other.example.org/?token=x",
                "text/plain",
                "",
            ),
            "redirects to https://other.example.org/;",
        ),
    ] {
        let (connector, requests) = http(move |_| response(reply.0, &[("content-type", reply.1)], reply.2));
        let error = client(connector).call(&Info {}).await.unwrap_err();
        assert_eq!(error.kind(), &RestErrorKind::NotRocketChat, "{error}");
        assert!(error.to_string().contains(part), "{error}");
        assert!(!error.to_string().contains("token=x"), "{error}");
        // A redirect is not followed.
        assert_eq!(requests.lock().unwrap().len(), 1);
    }
}

#[tokio::test]
async fn a_reply_without_end_is_cut_off() {
    let body = "x".repeat((16 << 20) + 1);
    let (connector, _) = http(move |_| response("200 OK", &[], &body));
    let error = client(connector).call(&Me {}).await.unwrap_err();
    assert_eq!(error.kind(), &RestErrorKind::UnexpectedReply, "{error}");
}

const KNOWN_ID: &str =
    r#"{"success":false,"error":"Cannot read properties of undefined (reading 'starred')"}"#;

/// A server that knows `id1` already; `holder` answers `chat.getMessage`.
fn with_known_id(holder: &'static str) -> (Connector, std::sync::Arc<std::sync::Mutex<Vec<Request>>>) {
    http(move |request| match request.line() {
        line if line.contains("chat.getMessage") => match holder {
            "nobody" => json_response("400 Bad Request", &json!({"success": false})),
            "hidden" => json_response(
                "400 Bad Request",
                &json!({"success": false, "error": "Not allowed [error-not-allowed]", "errorType": "error-not-allowed"}),
            ),
            _ => {
                let parts: Vec<_> = holder.split('/').collect();
                ok(&json!({"success": true, "message": {
                    "_id": "id1", "rid": parts[1], "msg": "x", "u": {"_id": parts[0]}, "tmid": parts.get(2),
                }}))
            }
        },
        _ if request.body.contains("id1") => response(
            "400 Bad Request",
            &[("content-type", "application/json")],
            KNOWN_ID,
        ),
        _ => ok(&json!({"message": {"_id": "id2"}, "success": true})),
    })
}

#[tokio::test]
async fn an_id_that_is_ours_was_sent() {
    // The server moves a reply to the room of its thread, and below the thread's root.
    for holder in ["uB/GENERAL/t1", "uB/another/t1", "uB/GENERAL/root", "uB/GENERAL"] {
        let (connector, requests) = with_known_id(holder);
        let receipt = RestSink::new(client(connector))
            .oneshot(send_action())
            .await
            .unwrap();
        assert_eq!(receipt.message_id().unwrap(), "id1");
        assert_eq!(posted(&requests.lock().unwrap()), ["id1"], "{holder}");
    }
}

#[tokio::test]
async fn an_id_that_another_holds_gives_way_to_the_second() {
    for holder in ["uX/GENERAL/t1", "uB/another", "hidden"] {
        let (connector, requests) = with_known_id(holder);
        let receipt = RestSink::new(client(connector))
            .oneshot(send_action())
            .await
            .unwrap();
        assert_eq!(receipt.message_id().unwrap(), "id2", "{holder}");
        assert_eq!(posted(&requests.lock().unwrap()), ["id1", "id2"], "{holder}");
    }
}

#[tokio::test]
async fn when_both_ids_are_refused_the_first_reason_is_told() {
    let mut refusals = ["the first reason", "the second reason"].into_iter();
    let (connector, requests) = http(move |request| match request.line() {
        line if line.contains("chat.getMessage") => json_response(
            "400 Bad Request",
            &json!({"success": false, "error": "Not allowed [error-not-allowed]", "errorType": "error-not-allowed"}),
        ),
        _ => json_response(
            "400 Bad Request",
            &json!({"success": false, "error": refusals.next()}),
        ),
    });
    let error = RestSink::new(client(connector))
        .oneshot(send_action())
        .await
        .unwrap_err();
    assert!(error.to_string().contains("the first reason"), "{error}");
    assert_eq!(posted(&requests.lock().unwrap()), ["id1", "id2"]);
}

#[tokio::test]
async fn a_refusal_that_only_looks_like_a_known_id_is_told() {
    let (connector, requests) = with_known_id("nobody");
    let error = RestSink::new(client(connector))
        .oneshot(send_action())
        .await
        .unwrap_err();
    assert!(error.to_string().contains("Cannot read properties"), "{error}");
    assert_eq!(posted(&requests.lock().unwrap()), ["id1"]);
}

#[tokio::test]
async fn other_actions() {
    let (connector, requests) = http(|request| match request.line() {
        line if line.contains("chat.delete") => json_response(
            "400 Bad Request",
            &json!({"success": false, "error": "No message found with the id of \"m1\"."}),
        ),
        _ => ok(&json!({"success": true})),
    });
    let sink = RestSink::new(client(connector));
    for action in [
        json!({"edit": {"message_id": "m1", "text": "new", "room_id": "r"}}),
        json!({"delete": {"message_id": "m1", "room_id": "r"}}),
        json!({"react": {"emoji": ":+1:", "is_added": true, "message_id": "m1"}}),
    ] {
        let action: Action = serde_json::from_value(action).unwrap();
        assert_eq!(
            sink.clone().oneshot(action).await.unwrap().message_id().unwrap(),
            "m1"
        );
    }
    let unresolved: Action = serde_json::from_value(json!({"send": {"text": "hi"}})).unwrap();
    assert_eq!(
        sink.oneshot(unresolved).await.unwrap_err().kind(),
        &RestErrorKind::InvalidCall
    );
    let requests = requests.lock().unwrap();
    assert_eq!(
        requests[0].json(),
        json!({"roomId": "r", "msgId": "m1", "text": "new"})
    );
    assert_eq!(requests[1].json(), json!({"roomId": "r", "msgId": "m1"}));
    assert_eq!(
        requests[2].json(),
        json!({"messageId": "m1", "emoji": ":+1:", "shouldReact": true})
    );
    assert_eq!(requests.len(), 3);
}

#[tokio::test(start_paused = true)]
async fn calls_over_the_concurrency_limit_wait() {
    let (connector, requests) = http(|_| Reply::Hang);
    let client = Client::builder("http://localhost".parse().unwrap(), connector)
        .concurrency(2)
        .timeout(Duration::from_secs(5))
        .max_retries(0)
        .build();
    let start = Instant::now();
    let calls = (0..4).map(|_| client.call(&Me {}));
    let results = futures_util::future::join_all(calls).await;
    assert!(
        results
            .iter()
            .all(|result| *result.as_ref().unwrap_err().kind() == RestErrorKind::Transport)
    );
    assert_eq!(
        (start.elapsed(), requests.lock().unwrap().len()),
        (Duration::from_secs(10), 4)
    );
}

/// A call that came with a version and went with another.
#[derive(serde::Serialize)]
struct Passing {}

impl Endpoint for Passing {
    const METHOD: Method = Method::GET;
    const PATH: &'static str = "rooms.passing";
    const IDEMPOTENT: bool = true;
    const SINCE: Option<Version> = Some(Version::new(8, 0));
    const UNTIL: Option<Version> = Some(Version::new(9, 0));
    type Reply = Value;
}

#[tokio::test(start_paused = true)]
async fn a_call_that_the_server_does_not_have_names_the_versions_that_do() {
    let page = || {
        response(
            "200 OK",
            &[("content-type", "text/html")],
            "<html>__meteor_runtime_config__",
        )
    };
    let missing = || {
        json_response(
            "404 Not Found",
            &json!({"success": false, "error": "Resource not found"}),
        )
    };
    let no_room = || {
        json_response(
            "404 Not Found",
            &json!({"success": false, "error": "No room", "errorType": "error-room-not-found"}),
        )
    };
    let unsupported = || RestErrorKind::Unsupported {
        since: Some(Version::new(8, 0)),
        until: Some(Version::new(9, 0)),
    };

    // What the server says to be, what it answers, what the error is, and how often it was asked.
    let rows: [(Option<&str>, fn() -> Reply, RestErrorKind, usize); 7] = [
        (Some("7.13"), missing, unsupported(), 0),
        (Some("9.0"), missing, unsupported(), 0),
        (None, missing, unsupported(), 1),
        (None, page, unsupported(), 1),
        (None, no_room, RestErrorKind::NotFound, 1),
        (Some("8.9"), missing, RestErrorKind::NotFound, 1),
        (Some("8.0"), no_room, RestErrorKind::NotFound, 1),
    ];
    for (version, answer, kind, asked) in rows {
        let (connector, requests) = http(move |request| match request.line() {
            line if line.contains("info") => ok(&json!({"version": version, "success": true})),
            _ => answer(),
        });
        let client = client(connector);
        client.call(&Info {}).await.unwrap();
        let error = client.call(&Passing {}).await.unwrap_err();
        assert_eq!(error.kind(), &kind, "{version:?}: {error}");
        if matches!(kind, RestErrorKind::Unsupported { .. }) {
            assert!(error.to_string().contains("8.0 or later"), "{error}");
        }
        assert!(!error.is_transient());
        assert_eq!(requests.lock().unwrap().len(), 1 + asked, "{version:?}");
        // What is not typed goes out all the same.
        assert!(
            client
                .call_raw(Method::GET, "rooms.passing", &[], None)
                .await
                .is_err()
        );
        assert_eq!(requests.lock().unwrap().len(), 2 + asked);
    }
}

#[tokio::test(start_paused = true)]
async fn an_upgrade_is_noticed_by_those_who_never_ask_again() {
    let (connector, _) = http(|request| match request.line() {
        line if line.contains("info") => ok(&json!({"version": "7.13", "success": true})),
        _ => ok(&json!({"success": true})),
    });
    let client = client(connector);
    client.call(&Info {}).await.unwrap();
    client.call(&Passing {}).await.unwrap_err();
    tokio::time::sleep(Duration::from_secs(11 * 60)).await;
    client.call(&Passing {}).await.unwrap();
}
