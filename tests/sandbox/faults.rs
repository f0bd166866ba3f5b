//! Faults on demand, limits of the realtime side, TLS, subpath, the life of the server.

use std::{io, sync::Arc, time::Duration};

use rocketbotte::sandbox::{Inbound, RestFault, Sandbox};
use serde_json::{Value, json};
use tokio::{io::AsyncReadExt, net::TcpStream};
use tokio_rustls::{TlsConnector, rustls};
use tokio_tungstenite::tungstenite::{Error, protocol::frame::coding::CloseCode};

use crate::client::{Ddp, PATIENCE, Received, get, post, request, request_over, send};

async fn sandbox() -> Sandbox {
    Sandbox::start().await.expect("starts")
}

#[tokio::test]
async fn connections_end_in_each_way() {
    let sandbox = sandbox().await;
    let bot = sandbox.bot("rocketbotte");

    let mut ddp = Ddp::login(&sandbox, &bot).await;
    sandbox.drop_connections();
    match ddp.receive().await {
        Received::Broken(Error::Protocol(_)) | Received::Ended => {}
        other => panic!("expected an end without a close frame, got {other:?}"),
    }

    let mut ddp = Ddp::login(&sandbox, &bot).await;
    sandbox.reset_connections();
    // Read below tungstenite, which tells a reset and an end of stream by one name.
    let mut rest = Vec::new();
    let error = ddp
        .socket
        .get_mut()
        .read_to_end(&mut rest)
        .await
        .expect_err("is reset");
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);

    let mut ddp = Ddp::login(&sandbox, &bot).await;
    sandbox.close_connections();
    match ddp.receive().await {
        Received::Closed(Some(frame)) => assert_eq!(frame.code, CloseCode::Normal),
        other => panic!("expected a close, got {other:?}"),
    }
    drop(ddp);

    let mut ddp = Ddp::login(&sandbox, &bot).await;
    sandbox.send_half_frame();
    match ddp.receive().await {
        Received::Broken(_) | Received::Ended => {}
        other => panic!("expected half a frame and the end, got {other:?}"),
    }
    sandbox
        .wait_until(|sandbox| sandbox.connections() == 0, PATIENCE)
        .await
        .expect("all are forgotten");
    assert!(sandbox.subscriptions().is_empty());
}

#[tokio::test]
async fn refused_connections_are_reset() {
    let sandbox = sandbox().await;
    sandbox.refuse_connections(true);
    let stream = TcpStream::connect(sandbox.addr().expect("is TCP")).await;
    if let Ok(stream) = stream {
        assert!(
            request_over(stream, None, "GET", "/api/info", None, &[])
                .await
                .is_err()
        );
    }
    assert!(request(&sandbox, None, "GET", "/api/info", None).await.is_err());
    sandbox.refuse_connections(false);
    Ddp::login(&sandbox, &sandbox.bot("rocketbotte")).await;
}

#[tokio::test]
async fn silence_holds_everything_back() {
    let sandbox = sandbox().await;
    let mut ddp = Ddp::login(&sandbox, &sandbox.bot("rocketbotte")).await;
    ddp.my_messages().await;
    sandbox.silence(true);
    sandbox.user("ann").say("general", "late").await;
    ddp.send(json!({ "msg": "ping", "id": "1" })).await;
    let nothing = tokio::time::timeout(Duration::from_millis(50), ddp.receive()).await;
    assert!(nothing.is_err(), "{nothing:?}");
    sandbox.silence(false);
    assert_eq!(ddp.event().await[0]["msg"], "late");
    ddp.find(|frame| *frame == json!({ "msg": "pong", "id": "1" }))
        .await;
}

#[tokio::test]
async fn frames_are_doubled_swapped_and_forged() {
    let sandbox = sandbox().await;
    let ann = sandbox.user("ann");
    let mut ddp = Ddp::login(&sandbox, &sandbox.bot("rocketbotte")).await;
    ddp.my_messages().await;
    sandbox.duplicate_frames(true);
    ann.say("general", "twice").await;
    assert_eq!(ddp.event().await, ddp.event().await);
    sandbox.duplicate_frames(false);
    sandbox.reorder_frames(true);
    ann.say("general", "first").await;
    ann.say("general", "second").await;
    assert_eq!(ddp.event().await[0]["msg"], "second");
    assert_eq!(ddp.event().await[0]["msg"], "first");
    ann.say("general", "alone").await;
    sandbox.reorder_frames(false);
    assert_eq!(ddp.event().await[0]["msg"], "alone");
    sandbox.send_raw(r#"{"msg":"changed","odd":true}"#);
    assert_eq!(ddp.next().await["odd"], true);
}

#[tokio::test]
async fn a_revoked_token_closes_without_a_frame_and_is_refused_next() {
    let sandbox = sandbox().await;
    let bot = sandbox.bot("rocketbotte");
    let token = bot.token();
    let mut ddp = Ddp::login(&sandbox, &bot).await;
    sandbox.revoke_token("rocketbotte");
    match ddp.receive().await {
        Received::Closed(Some(frame)) => {
            assert_eq!(
                (frame.code, frame.reason.as_str()),
                (CloseCode::Normal, "Normal closure")
            );
        }
        other => panic!("{other:?}"),
    }
    let mut ddp = Ddp::open(&sandbox).await;
    ddp.handshake().await;
    assert_eq!(
        ddp.call("login", json!([{ "resume": token }])).await["error"]["error"],
        403
    );
    assert_eq!(get(&sandbox, &bot, "me").await.0, 401);
}

#[tokio::test]
async fn rest_faults_come_in_turn() {
    let sandbox = sandbox().await;
    let bot = sandbox.bot("rocketbotte");
    let message = |id: &str| json!({ "message": { "_id": id, "rid": "GENERAL", "msg": id } });
    let send_it = "chat.sendMessage";
    let wait = Duration::from_secs(7);
    sandbox.fail_next(send_it, RestFault::TooManyRequests { reset_after: wait });
    sandbox.fail_next(send_it, RestFault::Status(503));
    sandbox.fail_next(send_it, RestFault::Html);
    sandbox.fail_next(send_it, RestFault::CloseBeforeActing);
    sandbox.fail_next(send_it, RestFault::LoseReply);
    let (status, body) = post(&sandbox, &bot, send_it, message("a")).await;
    assert_eq!(status, 429);
    assert!(
        body["error"]
            .as_str()
            .is_some_and(|text| text.contains("wait 7 seconds"))
    );
    assert_eq!(post(&sandbox, &bot, send_it, message("a")).await.0, 503);
    let path = "/api/v1/chat.sendMessage";
    let html = request(
        &sandbox,
        Some(&bot),
        "POST",
        path,
        Some(&message("a").to_string()),
    )
    .await
    .expect("answers");
    assert_eq!((html.status, html.text.starts_with("<html>")), (200, true));
    assert!(
        request(
            &sandbox,
            Some(&bot),
            "POST",
            path,
            Some(&message("a").to_string())
        )
        .await
        .is_err()
    );
    assert!(sandbox.messages("general").is_empty());
    // This one was done, though nobody heard of it.
    assert!(
        request(
            &sandbox,
            Some(&bot),
            "POST",
            path,
            Some(&message("a").to_string())
        )
        .await
        .is_err()
    );
    assert_eq!(sandbox.messages("general").len(), 1);
    assert_eq!(post(&sandbox, &bot, send_it, message("b")).await.0, 200);
    assert_eq!(sandbox.requests()[send_it], 6);
    sandbox.fail_next("*", RestFault::Status(500));
    sandbox.fail_next("me", RestFault::Status(502));
    sandbox.clear_faults();
    assert_eq!(get(&sandbox, &bot, "me").await.0, 200);
}

#[tokio::test(start_paused = true)]
async fn a_slow_answer_takes_its_time() {
    let sandbox = Sandbox::builder().start_in_memory();
    let bot = sandbox.bot("rocketbotte");
    sandbox.fail_next("me", RestFault::Slow(Duration::from_secs(3)));
    let began = tokio::time::Instant::now();
    assert_eq!(get(&sandbox, &bot, "me").await.0, 200);
    assert!(began.elapsed() >= Duration::from_secs(3));
}

#[tokio::test]
async fn realtime_limits_are_told_in_result_and_nosub() {
    let sandbox = Sandbox::builder()
        .rate_limits(true)
        .start()
        .await
        .expect("starts");
    let mut ddp = Ddp::login(&sandbox, &sandbox.bot("rocketbotte")).await;
    for _ in 0..10 {
        assert!(
            ddp.call("getRoomRoles", json!(["GENERAL"]))
                .await
                .get("error")
                .is_none()
        );
    }
    let refused = ddp.call("getRoomRoles", json!(["GENERAL"])).await;
    assert_eq!(refused["error"]["error"], "too-many-requests");
    assert!(
        refused["error"]["details"]["timeToReset"]
            .as_u64()
            .is_some_and(|ms| ms > 0 && ms <= 10_000)
    );
    for n in 0..40 {
        let id = n.to_string();
        assert_eq!(
            ddp.sub(&id, "stream-room-messages", json!(["GENERAL", false]))
                .await["msg"],
            "ready"
        );
    }
    let refused = ddp
        .sub("40", "stream-room-messages", json!(["GENERAL", false]))
        .await;
    assert_eq!(refused["error"]["error"], "too-many-requests");
    let reason = refused["error"]["reason"].as_str().expect("is text");
    assert!(reason.ends_with("seconds before trying again."), "{reason}");
}

#[tokio::test]
async fn what_clients_send_is_on_record() {
    let sandbox = sandbox().await;
    let bot = sandbox.bot("rocketbotte");
    let mut ddp = Ddp::open(&sandbox).await;
    let connect = r#"{"msg":"connect","version":"1","support":["1"]}"#;
    ddp.send_text(connect).await;
    ddp.find(|frame| frame["msg"] == "connected").await;
    send(&sandbox, &bot, json!({ "rid": "GENERAL", "msg": "hi" })).await;
    let login = json!({ "user": "ann", "password": "ann-password" }).to_string();
    request(&sandbox, None, "POST", "/api/v1/login", Some(&login))
        .await
        .expect("answers");
    let seen = sandbox.frames_from_clients();
    assert!(matches!(&seen[0], Inbound::Frame { text, .. } if text == connect));
    assert!(matches!(
        &seen[1],
        Inbound::Request { method, path, body, .. }
            if method == "POST" && path == "/api/v1/chat.sendMessage" && body.contains("\"hi\"")
    ));
    assert!(matches!(&seen[2], Inbound::Request { body, .. } if body.is_empty()));
    // Nor over the realtime API, however it is spelt, nor as a method over REST.
    let login = r#"{"msg":"method","id":"1","method":"l\u006fgin","params":[{"resume":"a-secret"}]}"#;
    ddp.send_text(login).await;
    ddp.find(|frame| frame["msg"] == "result").await;
    let body = json!({ "message": login }).to_string();
    request(
        &sandbox,
        None,
        "POST",
        "/api/v1/method.callAnon/login",
        Some(&body),
    )
    .await
    .expect("answers");
    let seen = sandbox.frames_from_clients();
    assert_eq!(seen.len(), 5);
    assert!(!format!("{seen:?}").contains("a-secret"), "{seen:?}");
}

#[tokio::test]
async fn whoever_waits_hears_of_frames_and_requests() {
    let sandbox = sandbox().await;
    let bot = sandbox.bot("rocketbotte");
    let mut ddp = Ddp::login(&sandbox, &bot).await;
    let before = sandbox.frames_from_clients().len();
    let more = |sandbox: &Sandbox| sandbox.frames_from_clients().len() > before;
    let (waited, ()) = tokio::join!(
        sandbox.wait_until(more, PATIENCE),
        ddp.send(json!({ "msg": "ping" }))
    );
    waited.expect("the frame is seen");
    let asked = |sandbox: &Sandbox| sandbox.requests().contains_key("me");
    let (waited, _) = tokio::join!(sandbox.wait_until(asked, PATIENCE), get(&sandbox, &bot, "me"));
    waited.expect("the request is seen");
}

#[tokio::test]
async fn fifty_drops_leave_one_subscription_each_time() {
    let sandbox = sandbox().await;
    let bot = sandbox.bot("rocketbotte");
    for _ in 0..50 {
        let mut ddp = Ddp::login(&sandbox, &bot).await;
        ddp.my_messages().await;
        assert_eq!((sandbox.connections(), sandbox.subscriptions().len()), (1, 1));
        sandbox.drop_connections();
        sandbox
            .wait_until(|sandbox| sandbox.connections() == 0, PATIENCE)
            .await
            .expect("is forgotten");
    }
}

#[tokio::test]
async fn raw_messages_carry_any_field() {
    let sandbox = sandbox().await;
    let mut feed = sandbox.subscribe();
    let raw =
        json!({ "rid": "general", "msg": "beep", "bot": { "i": "other" }, "alias": "Deploy", "t": "e2e" });
    let id = sandbox.user("ann").post(raw).await;
    let message = feed.next().await.expect("is announced");
    assert_eq!(
        (&message.id, &message.text, message.username.as_str()),
        (&id, &"beep".to_owned(), "ann")
    );
    assert_eq!(
        (&message.raw["bot"], &message.raw["rid"]),
        (&json!({ "i": "other" }), &json!("GENERAL"))
    );
}

#[tokio::test]
async fn a_wait_that_fails_explains_itself() {
    let sandbox = sandbox().await;
    let asked = sandbox.user("ann").say("general", "anybody?").await;
    let error = sandbox
        .wait_for_reply(&asked, Duration::from_millis(1))
        .await
        .expect_err("nobody answers");
    assert!(error.to_string().contains("#general ann: anybody?"), "{error}");
    let answer = sandbox.bot("rocketbotte").reply("general", &asked, "me").await;
    let reply = sandbox
        .wait_for_reply(&asked, PATIENCE)
        .await
        .expect("is answered");
    assert_eq!((reply.id, reply.thread_id), (answer, Some(asked)));
}

#[tokio::test]
async fn a_subpath_moves_everything() {
    let sandbox = Sandbox::builder().subpath("/chat").start().await.expect("starts");
    assert!(sandbox.url().ends_with("/chat"));
    Ddp::login(&sandbox, &sandbox.bot("rocketbotte")).await;
    let info = request(&sandbox, None, "GET", "/chat/api/info", None)
        .await
        .expect("answers");
    assert_eq!(info.json()["success"], true);
    let outside = request(&sandbox, None, "GET", "/api/info", None)
        .await
        .expect("answers");
    assert_eq!(outside.status, 404);
}

#[tokio::test]
async fn tls_serves_https_and_wss() {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("makes a certificate");
    let key = rustls::pki_types::PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let server = rustls::ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .expect("has versions")
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key.into())
        .expect("fits");
    let sandbox = Sandbox::builder()
        .tls(Arc::new(server))
        .start()
        .await
        .expect("starts");
    assert!(sandbox.url().starts_with("https://"));
    let mut roots = rustls::RootCertStore::empty();
    roots.add(made.cert.der().clone()).expect("is a certificate");
    let client = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("has versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let connector = TlsConnector::from(Arc::new(client));
    let connect = async || {
        let tcp = TcpStream::connect(sandbox.addr().expect("is TCP"))
            .await
            .expect("connects");
        let name = rustls::pki_types::ServerName::try_from("localhost").expect("is a name");
        connector.connect(name, tcp).await.expect("shakes hands")
    };
    let info = request_over(
        connect().await,
        None,
        "GET",
        "/api/info",
        None,
        &[("host", "localhost")],
    )
    .await;
    assert_eq!(info.expect("answers").status, 200);
    let mut ddp = Ddp::over("ws://localhost", connect().await).await;
    ddp.log_in(&sandbox.bot("rocketbotte")).await;
    ddp.my_messages().await;
    sandbox.user("ann").say("general", "secret").await;
    assert_eq!(ddp.event().await[0]["msg"], "secret");
}

#[tokio::test]
async fn the_server_stops_with_its_last_handle() {
    let sandbox = sandbox().await;
    let address = sandbox.addr().expect("is TCP");
    let mut ddp = Ddp::login(&sandbox, &sandbox.bot("rocketbotte")).await;
    drop(sandbox);
    assert!(matches!(
        ddp.receive().await,
        Received::Broken(_) | Received::Ended
    ));

    let other = Sandbox::start().await.expect("starts");
    let copy = other.clone();
    other.shutdown().await;
    assert!(TcpStream::connect(copy.addr().expect("is TCP")).await.is_err());
    // The port of the first one is free again, too.
    Sandbox::builder()
        .port(address.port())
        .start()
        .await
        .expect("takes the port");
}

#[tokio::test]
async fn a_flood_of_messages_arrives_in_order() {
    let sandbox = sandbox().await;
    let ann = sandbox.user("ann");
    let mut ddp = Ddp::login(&sandbox, &sandbox.bot("rocketbotte")).await;
    ddp.my_messages().await;
    for n in 0..2_000 {
        ann.say("general", &n.to_string()).await;
    }
    for n in 0..2_000 {
        let args: Vec<Value> = ddp.event().await;
        assert_eq!(args[0]["msg"], n.to_string().as_str());
    }
}
