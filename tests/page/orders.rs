//! The faults, ordered over HTTP.

use http::{Request, StatusCode};
use http_body_util::Full;
use rocketbotte::sandbox::Sandbox;
use serde_json::json;

use super::endpoints::Http;
use super::{PATIENCE, bot, people};

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
        json!({ "rest": [{ "endpoint": "me", "calls": 2, "next": "503" }], "steps": ["cut at login"] })
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
async fn every_end_of_a_connection_is_ordered_and_met() {
    let sandbox = people().start().await.unwrap();
    let http = Http::new(&sandbox);
    let bot = bot(&sandbox).await;
    for (fault, met) in [
        ("drop", "cut by an end of stream"),
        ("reset", "cut by a reset"),
        ("close", "closed"),
        ("half_frame", "half a frame"),
    ] {
        let state = http.fault(json!({ "fault": fault })).await;
        assert_eq!(state["met"][met], 1, "{fault}: {state}");
        // It comes back, and hears what was said meanwhile.
        assert_eq!(bot.ask(&format!("!ping {fault}")).await, format!("pong {fault}"));
    }
    bot.shut_down().await;
}

#[tokio::test]
async fn a_server_that_is_about_to_be_gone_is_not_ordered_away_again() {
    let sandbox = people().start().await.unwrap();
    let http = Http::new(&sandbox);
    http.fault(json!({ "fault": "gone", "seconds": 0.2 })).await;
    let again = json!({ "fault": "gone", "seconds": 60 }).to_string();
    let (status, answer) = http.own("POST", "faults", &again).await;
    assert_eq!(
        (status, &answer["errorType"]),
        (StatusCode::CONFLICT, &json!("already-gone"))
    );
}
