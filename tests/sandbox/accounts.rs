//! Accounts as a raw client meets them: a second factor, tokens that expire, other passwords.

use std::time::Duration;

use rocketbotte::sandbox::{Sandbox, UserSpec};
use serde_json::{Value, json};

use crate::client::{Ddp, request_over};

async fn call(sandbox: &Sandbox, path: &str, body: Option<&Value>, headers: &[(&str, &str)]) -> (u16, Value) {
    let (body, method) = (
        body.map(Value::to_string),
        if body.is_some() { "POST" } else { "GET" },
    );
    let path = format!("/api/v1/{path}");
    let answer = request_over(sandbox.connect(), None, method, &path, body.as_deref(), headers).await;
    let answer = answer.expect("answers");
    (answer.status, answer.json())
}

/// The user id and the token of a login.
async fn log_in(sandbox: &Sandbox, body: Value) -> (String, String) {
    let (status, answer) = call(sandbox, "login", Some(&body), &[]).await;
    assert_eq!(status, 200, "{answer}");
    let text = |key: &str| answer["data"][key].as_str().expect("a text").to_owned();
    (text("userId"), text("authToken"))
}

#[tokio::test]
async fn a_code_that_comes_by_email() {
    let spec = UserSpec::new("carol")
        .password("secret")
        .two_factor_by_email("123456");
    let sandbox = Sandbox::builder().user_with(spec).start_in_memory();
    let login = async |code: Option<&str>| {
        let mut body = json!({ "user": "carol", "password": "secret" });
        if let Some(code) = code {
            body["code"] = json!(code);
        }
        call(&sandbox, "login", Some(&body), &[]).await
    };
    let (status, refused) = login(None).await;
    assert_eq!((status, &refused["error"]), (401, &json!("totp-required")));
    assert_eq!(
        refused["details"],
        json!({ "method": "email", "codeGenerated": true, "availableMethods": ["email"], "emailOrUsername": "carol" })
    );
    // The one that was sent holds still.
    assert_eq!(login(None).await.1["details"]["codeGenerated"], false);
    for _ in 0..4 {
        assert_eq!(login(Some("0")).await.1["error"], "totp-invalid");
    }
    assert_eq!(login(Some("0")).await.1["error"], "totp-max-attempts");
    assert_eq!(login(Some("0")).await.1["details"]["codeGenerated"], true);
    assert_eq!(login(Some("123456")).await.0, 200);

    let mut ddp = Ddp::in_memory(&sandbox).await;
    ddp.handshake().await;
    let inner = json!({ "user": { "username": "carol" }, "password": "secret" });
    let refused = ddp.call("login", json!([inner])).await;
    assert_eq!(refused["error"]["details"]["method"], "email");
}

#[tokio::test]
async fn some_calls_want_a_code_too() {
    let spec = UserSpec::new("carol").password("secret").two_factor("123456");
    let sandbox = Sandbox::builder().user("ann").user_with(spec).start_in_memory();
    let (id, token) = log_in(
        &sandbox,
        json!({ "user": "carol", "password": "secret", "code": "123456" }),
    )
    .await;
    for name in [
        "users.generatePersonalAccessToken",
        "users.regeneratePersonalAccessToken",
    ] {
        let body = json!({ "tokenName": "x" });
        let make = async |token: &str, more: &[(&str, &str)]| {
            let headers = [&[("x-user-id", id.as_str()), ("x-auth-token", token)][..], more].concat();
            call(&sandbox, name, Some(&body), &headers).await
        };
        let (status, refused) = make(&token, &[]).await;
        assert_eq!(
            (status, &refused["errorType"], &refused["success"]),
            (400, &json!("totp-required"), &json!(false))
        );
        assert_eq!(refused["details"]["method"], "totp");
        let (_, refused) = make(&token, &[("x-2fa-method", "totp"), ("x-2fa-code", "0")]).await;
        assert_eq!(refused["errorType"], "totp-invalid");
        let (_, refused) = make(&token, &[("x-2fa-method", "email"), ("x-2fa-code", "123456")]).await;
        assert_eq!(refused["errorType"], "totp-required");
        let made = make(&token, &[("x-2fa-method", "totp"), ("x-2fa-code", "123456")]).await;
        assert_eq!(made.0, 200, "{}", made.1);
        // A personal access token is asked for nothing more.
        let (_, answer) = make(&sandbox.user("carol").token(), &[]).await;
        assert_ne!(answer["errorType"], "totp-required");
    }
    // Who has no second factor is not asked for one.
    let (id, token) = log_in(&sandbox, json!({ "user": "ann", "password": "ann-password" })).await;
    let headers = [("x-user-id", id.as_str()), ("x-auth-token", token.as_str())];
    let body = json!({ "tokenName": "x" });
    assert_eq!(
        call(
            &sandbox,
            "users.generatePersonalAccessToken",
            Some(&body),
            &headers
        )
        .await
        .0,
        200
    );
}

#[tokio::test(start_paused = true)]
async fn the_token_of_a_login_expires() {
    let hour = Duration::from_secs(3600);
    let sandbox = Sandbox::builder()
        .user("ann")
        .login_expiration(hour)
        .start_in_memory();
    let ann = sandbox.user("ann");
    for by_hand in [false, true] {
        let (id, token) = log_in(&sandbox, json!({ "user": "ann", "password": "ann-password" })).await;
        let mut ddp = Ddp::in_memory(&sandbox).await;
        ddp.handshake().await;
        let result = ddp.call("login", json!([{ "resume": token }])).await;
        let expires = result["result"]["tokenExpires"]["$date"]
            .as_i64()
            .expect("a date");
        let me = async |token: &str| {
            let headers = [("x-user-id", id.as_str()), ("x-auth-token", token)];
            call(&sandbox, "me", None, &headers).await
        };
        assert_eq!(me(&token).await.0, 200);
        assert_eq!(sandbox.valid_logins("ann"), 1);
        match by_hand {
            true => sandbox.expire_tokens("ann"),
            false => {
                let (_, answer) = call(&sandbox, "login", Some(&json!({ "resume": token })), &[]).await;
                assert_eq!(
                    answer["data"]["authToken"],
                    json!(token),
                    "the same one, and its time goes on"
                );
                tokio::time::sleep(hour).await;
            }
        }
        assert!(expires > 0);
        let (status, refused) = me(&token).await;
        assert_eq!(
            (status, &refused["message"]),
            (401, &json!("You must be logged in to do this."))
        );
        assert_eq!(sandbox.valid_logins("ann"), 0);
        let mut next = Ddp::in_memory(&sandbox).await;
        next.handshake().await;
        let refused = next.call("login", json!([{ "resume": token }])).await;
        assert_eq!(refused["error"]["error"], 403);
        assert_eq!(
            refused["error"]["reason"],
            "Your session has expired. Please log in again."
        );
        assert_eq!(
            me(&ann.token()).await.0,
            200,
            "a personal access token does not expire"
        );
        if by_hand {
            // The connection is not looked at until the server sweeps.
            assert!(ddp.call("rooms/get", json!([])).await["result"].is_array());
        }
    }
}

#[tokio::test]
async fn another_password() {
    let sandbox = Sandbox::builder().user("ann").start_in_memory();
    let body = |password: &str| json!({ "user": "ann", "password": password });
    log_in(&sandbox, body("ann-password")).await;
    sandbox.set_password("ann", "another");
    let (status, refused) = call(&sandbox, "login", Some(&body("ann-password")), &[]).await;
    assert_eq!((status, &refused["error"]), (401, &json!("Unauthorized")));
    log_in(&sandbox, body("another")).await;
    assert_eq!(sandbox.valid_logins("ann"), 2, "the tokens stay");
}
