//! Methods of DDP that come over REST.

use rocketbotte::sandbox::{Sandbox, SandboxUser};
use serde_json::{Value, json};

use crate::client::{get, request};

/// Calls a method over REST. Gives the status, the frame of the answer, and whether the limiter of REST said anything.
async fn call(
    sandbox: &Sandbox,
    user: Option<&SandboxUser>,
    method: &str,
    params: Value,
) -> (u16, Value, bool) {
    let endpoint = if user.is_some() {
        "method.call"
    } else {
        "method.callAnon"
    };
    let frame = json!({ "msg": "method", "id": "1", "method": method, "params": params });
    let body = json!({ "message": frame.to_string() }).to_string();
    let path = format!("/api/v1/{endpoint}/{}", method.replace('/', "%2F"));
    let answer = request(sandbox, user, "POST", &path, Some(&body)).await;
    let answer = answer.expect("answers");
    let counted = answer.headers.contains_key("x-ratelimit-limit");
    let frame = answer.json()["message"]
        .as_str()
        .map(|text| serde_json::from_str(text).expect("JSON"));
    (answer.status, frame.unwrap_or_else(|| answer.json()), counted)
}

#[tokio::test(start_paused = true)]
async fn the_limiter_of_methods_counts_them() {
    let sandbox = Sandbox::builder()
        .user("ann")
        .user("bob")
        .rate_limits(true)
        .start_in_memory();
    let (ann, bob) = (sandbox.user("ann"), sandbox.user("bob"));
    // Ten of one name in ten seconds, and they are not counted with those of another name or another user.
    for name in ["rooms/get", "subscriptions/get"] {
        for _ in 0..10 {
            let (status, frame, counted) = call(&sandbox, Some(&ann), name, json!([])).await;
            assert_eq!((status, counted), (200, false), "{frame}");
            assert!(frame["result"].is_array(), "{frame}");
        }
    }
    assert_eq!(sandbox.refused_by_limits(), 0);
    let (status, frame, counted) = call(&sandbox, Some(&ann), "rooms/get", json!([])).await;
    assert_eq!((status, counted), (200, false), "the refusal is inside");
    assert_eq!(frame["error"]["error"], "too-many-requests", "{frame}");
    assert!(frame["error"]["details"]["timeToReset"].is_u64(), "{frame}");
    let (_, frame, _) = call(&sandbox, Some(&bob), "rooms/get", json!([])).await;
    assert!(frame["result"].is_array(), "{frame}");
    assert_eq!(sandbox.refused_by_limits(), 1);
}

#[tokio::test]
async fn a_login_gives_an_account() {
    let sandbox = Sandbox::builder().user("ann").start_in_memory();
    let ann = sandbox.user("ann");
    let password = json!([{ "user": { "username": "ann" }, "password": "ann-password" }]);
    let (_, frame, _) = call(&sandbox, None, "login", password).await;
    let (id, token) = (&frame["result"]["id"], &frame["result"]["token"]);
    assert_eq!(id, ann.id(), "{frame}");
    let token = token.as_str().expect("a token");
    assert!(frame["result"]["tokenExpires"]["$date"].is_i64(), "{frame}");
    // Somebody has it.
    let (_, frame, _) = call(&sandbox, None, "login", json!([{ "resume": token }])).await;
    assert_eq!(frame["result"]["id"], ann.id(), "{frame}");
    let (status, me) = get(&sandbox, &ann, "me").await;
    assert_eq!((status, &me["_id"]), (200, &json!(ann.id())));
}
