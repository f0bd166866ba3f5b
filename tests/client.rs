//! REST client, sink and realtime transport against the sandbox over real sockets, plain and with TLS.
#![cfg(all(feature = "client", feature = "sandbox"))]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test ends by them")]

#[path = "support/log.rs"]
mod log;

use std::sync::Arc;
use std::time::Duration;

use self::log::Log;
use futures_util::StreamExt as _;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rocketbotte::event::Event;
use rocketbotte::response::Action;
use rocketbotte::rest::endpoint::{Channel, Info, Me, RoomInfo, RoomRoles, Subscriptions};
use rocketbotte::rest::{Client, RestErrorKind, RestSink};
use rocketbotte::sandbox::{RestFault, Sandbox, SandboxBuilder};
use rocketbotte::transport::{Connector, DdpTransport, TlsSettings, TransportError, TransportErrorKind};
use rocketbotte::{Credentials, Secret, ServerUrl};
use serde_json::json;
use tower::ServiceExt as _;

const PATIENCE: Duration = Duration::from_secs(20);

fn builder() -> SandboxBuilder {
    Sandbox::builder().user("ann").bot("rocketbotte")
}

fn credentials(sandbox: &Sandbox) -> Credentials {
    let bot = sandbox.bot("rocketbotte");
    Credentials::new(bot.id(), bot.token()).unwrap()
}

fn plain() -> Connector {
    Connector::tcp(&TlsSettings::new()).unwrap()
}

fn client(sandbox: &Sandbox, connector: Connector) -> Client {
    Client::builder(sandbox.url().parse().unwrap(), connector)
        .credentials(credentials(sandbox))
        .build()
}

fn transport(url: &str, credentials: Credentials, connector: Connector) -> DdpTransport {
    DdpTransport::builder(url.parse().unwrap(), credentials, connector)
        .max_retry_time(Duration::from_millis(20))
        .build()
}

async fn next(transport: &mut DdpTransport) -> Result<Event, TransportError> {
    let delivery = tokio::time::timeout(PATIENCE, transport.next())
        .await
        .expect("in time")
        .expect("not the end")?;
    Ok(delivery.into_parts().0)
}

/// The next event of a kind; what comes between is passed over.
async fn next_that<T>(transport: &mut DdpTransport, pick: impl Fn(&Event) -> Option<T>) -> T {
    loop {
        if let Some(found) = pick(&next(transport).await.expect("an event")) {
            return found;
        }
    }
}

fn text(event: &Event) -> Option<String> {
    match event {
        Event::Message(message) => Some(message.text().to_owned()),
        _ => None,
    }
}

fn action(value: serde_json::Value) -> Action {
    serde_json::from_value(value).expect("the stored form of an action")
}

fn send(room: &str, id: &str) -> Action {
    action(json!({"send": {"text": "hi", "room_id": room, "ids": {"first": id, "second": format!("{id}b")}}}))
}

#[tokio::test]
async fn messages_in_and_out() {
    let sandbox = builder().subpath("/chat").start().await.unwrap();
    let client = client(&sandbox, plain());
    assert!(client.call(&Info {}).await.unwrap().version().is_some());
    let me = client.call(&Me {}).await.unwrap();
    assert_eq!(
        (me.username.as_str(), me.roles.contains(&"bot".to_owned())),
        ("rocketbotte", true)
    );
    let rooms = client.call(&Subscriptions::default()).await.unwrap().update;
    assert!(rooms.iter().any(|room| room.name.as_deref() == Some("general")));
    let room = client
        .call(&RoomInfo::RoomName("general".to_owned()))
        .await
        .unwrap()
        .room;
    client
        .call(&RoomRoles::<Channel>::of(room.id.clone()))
        .await
        .unwrap();
    let error = client
        .call(&RoomInfo::RoomName("no such room".to_owned()))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), &RestErrorKind::NotFound, "{error}");

    let mut transport = transport(&sandbox.url(), credentials(&sandbox), plain());
    assert!(matches!(next(&mut transport).await.unwrap(), Event::Ready));
    let asked = sandbox.user("ann").say("general", "hello").await;
    assert_eq!(next_that(&mut transport, text).await, "hello");

    let sink = RestSink::new(client);
    let receipt = sink
        .clone()
        .oneshot(send(room.id.as_str(), "reply1"))
        .await
        .unwrap();
    assert_eq!(receipt.message_id().unwrap(), "reply1");
    // The answer is lost, or it is sent again later: the message is there once.
    sandbox.fail_next("chat.sendMessage", RestFault::LoseReply);
    for _ in 0..2 {
        let receipt = sink
            .clone()
            .oneshot(send(room.id.as_str(), "reply2"))
            .await
            .unwrap();
        assert_eq!(receipt.message_id().unwrap(), "reply2");
    }
    // Somebody else has the id.
    sandbox
        .user("ann")
        .post(json!({"_id": "reply3", "rid": room.id, "msg": "mine"}))
        .await;
    let receipt = sink
        .clone()
        .oneshot(send(room.id.as_str(), "reply3"))
        .await
        .unwrap();
    assert_eq!(receipt.message_id().unwrap(), "reply3b");
    for other in [
        json!({"edit": {"message_id": "reply1", "text": "new", "room_id": room.id}}),
        json!({"react": {"emoji": ":+1:", "is_added": true, "message_id": asked}}),
    ] {
        sink.clone().oneshot(action(other)).await.unwrap();
    }
    let ids: Vec<_> = sandbox
        .messages("general")
        .into_iter()
        .map(|message| message.id)
        .collect();
    assert_eq!(
        ids.iter().filter(|id| id.starts_with("reply")).count(),
        4,
        "{ids:?}"
    );
    assert_eq!(sandbox.message("reply1").unwrap().text, "new");
}

#[tokio::test]
async fn rooms_joined_later_come_by_themselves() {
    let sandbox = builder().start().await.unwrap();
    let mut transport = transport(&sandbox.url(), credentials(&sandbox), plain());
    assert!(matches!(next(&mut transport).await.unwrap(), Event::Ready));
    sandbox.create_group("ops", &["ann"]).unwrap();
    sandbox.invite("ops", "rocketbotte").unwrap();
    next_that(&mut transport, |event| {
        matches!(event, Event::RoomJoined(_)).then_some(())
    })
    .await;
    sandbox.user("ann").say("ops", "in the new room").await;
    assert_eq!(next_that(&mut transport, text).await, "in the new room");
    let direct = sandbox.user("ann").direct(&["rocketbotte"]).await;
    sandbox.user("ann").say(&direct, "in private").await;
    assert_eq!(next_that(&mut transport, text).await, "in private");
    // Not in the room: not heard.
    sandbox.create_channel("others", &["ann"]).unwrap();
    sandbox.user("ann").say("others", "elsewhere").await;
    sandbox.user("ann").say("general", "here").await;
    assert_eq!(next_that(&mut transport, text).await, "here");
}

#[tokio::test]
async fn fifty_drops_and_subscribed_once_after_each() {
    let sandbox = builder().start().await.unwrap();
    let mut transport = transport(&sandbox.url(), credentials(&sandbox), plain());
    assert!(matches!(next(&mut transport).await.unwrap(), Event::Ready));
    for round in 0..50 {
        match round % 3 {
            0 => sandbox.drop_connections(),
            1 => sandbox.close_connections(),
            _ => sandbox.reset_connections(),
        }
        assert!(matches!(
            next(&mut transport).await.unwrap(),
            Event::Reconnected(_)
        ));
        let messages = sandbox
            .subscriptions()
            .into_iter()
            .filter(|(_, _, event)| event == "__my_messages__")
            .count();
        assert_eq!((sandbox.connections(), messages), (1, 1));
        sandbox
            .user("ann")
            .say("general", &format!("round {round}"))
            .await;
        // The very next event, and no second one.
        assert_eq!(
            text(&next(&mut transport).await.unwrap()),
            Some(format!("round {round}"))
        );
    }
    sandbox.send_half_frame();
    assert!(matches!(
        next(&mut transport).await.unwrap(),
        Event::Reconnected(_)
    ));
    assert_eq!(transport.handle().overflowed(), 0);
}

#[tokio::test]
async fn refused_credentials() {
    let sandbox = builder().start().await.unwrap();
    let bot = sandbox.bot("rocketbotte");
    let wrong = Credentials::new(bot.id(), "not-the-token").unwrap();
    let error = next(&mut transport(&sandbox.url(), wrong.clone(), plain()))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), TransportErrorKind::Refused, "{error}");
    assert!(!format!("{error:?}").contains("not-the-token"));
    let client = Client::builder(sandbox.url().parse().unwrap(), plain())
        .credentials(wrong)
        .build();
    assert_eq!(
        client.call(&Me {}).await.unwrap_err().kind(),
        &RestErrorKind::Unauthorized
    );
    // A token of another user.
    let ann = Credentials::new(bot.id(), sandbox.user("ann").token()).unwrap();
    let error = next(&mut transport(&sandbox.url(), ann, plain()))
        .await
        .unwrap_err();
    assert!(
        error.to_string().contains("set the id and the token of one user"),
        "{error}"
    );
    // Refused later: the socket closes without a word, the next login tells.
    let mut served = transport(&sandbox.url(), credentials(&sandbox), plain());
    assert!(matches!(next(&mut served).await.unwrap(), Event::Ready));
    sandbox.revoke_token("rocketbotte");
    let error = next(&mut served).await.unwrap_err();
    assert_eq!(error.kind(), TransportErrorKind::Refused, "{error}");
}

#[tokio::test]
async fn login_with_a_password() {
    let sandbox = builder().start().await.unwrap();
    let anonymous = Client::builder(sandbox.url().parse().unwrap(), plain()).build();
    let error = anonymous
        .login("rocketbotte", &Secret::new("wrong"))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), &RestErrorKind::Unauthorized, "{error}");
    let password = Secret::new(sandbox.bot("rocketbotte").password());
    let client = anonymous.login("rocketbotte", &password).await.unwrap();
    let mut transport = transport(&sandbox.url(), client.credentials().unwrap(), plain());
    assert!(matches!(next(&mut transport).await.unwrap(), Event::Ready));
    client.logout().await.unwrap();
    assert_eq!(
        client.call(&Me {}).await.unwrap_err().kind(),
        &RestErrorKind::Unauthorized
    );
}

/// What a session with every call that has a secret logs at this level.
async fn logged(level: tracing::Level) -> (String, Vec<String>) {
    let (log, _guard) = Log::start(level);
    let sandbox = builder().start().await.unwrap();
    let password = sandbox.bot("rocketbotte").password();
    let anonymous = Client::builder(sandbox.url().parse().unwrap(), plain()).build();
    let client = anonymous
        .login("rocketbotte", &Secret::new(&*password))
        .await
        .unwrap();
    let mut transport = transport(&sandbox.url(), client.credentials().unwrap(), plain());
    assert!(matches!(next(&mut transport).await.unwrap(), Event::Ready));
    client.call(&Me {}).await.unwrap();
    sandbox.user("ann").say("general", "confidential words").await;
    assert_eq!(next_that(&mut transport, text).await, "confidential words");
    let room = client
        .call(&RoomInfo::RoomName("general".to_owned()))
        .await
        .unwrap()
        .room
        .id;
    RestSink::new(client.clone())
        .oneshot(send(room.as_str(), "id1"))
        .await
        .unwrap();
    sandbox.drop_connections();
    next_that(&mut transport, |event| {
        matches!(event, Event::Reconnected(_)).then_some(())
    })
    .await;
    let token = client.credentials().unwrap().token().expose().to_owned();
    client.logout().await.unwrap();
    (log.text(), vec![password, token])
}

#[tokio::test]
async fn no_secret_is_logged_at_any_level_and_no_text_above_trace() {
    let (log, secrets) = logged(tracing::Level::TRACE).await;
    assert!(
        log.contains("chat.sendMessage") && log.contains(r#""msg":"hi""#),
        "{log}"
    );
    for secret in secrets {
        assert!(!log.contains(&secret), "{log}");
    }
    let (log, _) = logged(tracing::Level::DEBUG).await;
    assert!(
        log.contains("chat.sendMessage") && !log.contains(r#""msg":"hi""#),
        "{log}"
    );
    assert!(!log.contains("confidential"), "{log}");
}

/// A sandbox with TLS, and the PEM of the authority that signed its certificate.
async fn with_tls(names: &[&str]) -> (Sandbox, String) {
    let mut ca = CertificateParams::new(Vec::new()).unwrap();
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca_key = KeyPair::generate().unwrap();
    let ca_pem = ca.self_signed(&ca_key).unwrap().pem();
    let key = KeyPair::generate().unwrap();
    let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
    let cert = CertificateParams::new(names)
        .unwrap()
        .signed_by(&key, &Issuer::new(ca, ca_key))
        .unwrap();
    let config =
        rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                vec![cert.der().clone()],
                rustls::pki_types::PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
            )
            .unwrap();
    (builder().tls(Arc::new(config)).start().await.unwrap(), ca_pem)
}

#[tokio::test]
async fn tls_with_an_authority_of_ones_own() {
    let (sandbox, ca) = with_tls(&["127.0.0.1"]).await;
    for settings in [
        TlsSettings::new().ca_pem(&ca).unwrap(),
        TlsSettings::new().danger_accept_invalid_certs(true),
    ] {
        let connector = Connector::tcp(&settings).unwrap();
        assert_eq!(
            client(&sandbox, connector.clone())
                .call(&Me {})
                .await
                .unwrap()
                .username,
            "rocketbotte"
        );
        let mut transport = transport(&sandbox.url(), credentials(&sandbox), connector);
        assert!(matches!(next(&mut transport).await.unwrap(), Event::Ready));
        sandbox.user("ann").say("general", "over TLS").await;
        assert_eq!(next_that(&mut transport, text).await, "over TLS");
    }
}

#[tokio::test]
async fn tls_failures_are_told_and_end_it() {
    let (sandbox, ca) = with_tls(&["127.0.0.1"]).await;
    let (misnamed, other_ca) = with_tls(&["chat.example.org"]).await;
    let no_tls = builder().start().await.unwrap();
    let trusting = |ca: &str| Connector::tcp(&TlsSettings::new().ca_pem(ca).unwrap()).unwrap();
    let https = no_tls.url().replace("http:", "https:");
    for (url, connector, part) in [
        (sandbox.url(), plain(), "name its authority with a CA file"),
        (
            sandbox.url(),
            trusting(&other_ca),
            "name its authority with a CA file",
        ),
        (misnamed.url(), trusting(&other_ca), "check the host name"),
        (https, trusting(&ca), "does not speak TLS; write http://"),
    ] {
        let url: ServerUrl = url.parse().unwrap();
        let rest = Client::builder(url.clone(), connector.clone())
            .max_retries(0)
            .build();
        let rest = rest.call(&Info {}).await.unwrap_err();
        assert_eq!(rest.kind(), &RestErrorKind::Configuration, "{rest}");
        let mut transport = transport(&url.to_string(), credentials(&sandbox), connector);
        let error = next(&mut transport).await.unwrap_err();
        assert_eq!(error.kind(), TransportErrorKind::Configuration, "{error}");
        for text in [error.to_string(), rest.to_string()] {
            assert!(text.contains(part) && text.contains(&url.to_string()), "{text}");
        }
    }
}

#[tokio::test]
async fn what_comes_twice_or_out_of_order_arrives_once() {
    const MESSAGES: usize = 40;
    let sandbox = builder().start().await.unwrap();
    let mut transport = transport(&sandbox.url(), credentials(&sandbox), plain());
    assert!(matches!(next(&mut transport).await.unwrap(), Event::Ready));
    sandbox.duplicate_frames(true);
    sandbox.reorder_frames(true);
    let ann = sandbox.user("ann");
    for n in 0..MESSAGES {
        let id = ann.say("general", &n.to_string()).await;
        // Its change may overtake it.
        if n % 3 == 0 {
            ann.react(&id, ":+1:").await;
        }
    }
    sandbox.reorder_frames(false);
    sandbox.duplicate_frames(false);
    ann.say("general", "the end").await;
    let mut heard = Vec::new();
    loop {
        match text(&next(&mut transport).await.unwrap()) {
            Some(text) if text == "the end" => break,
            Some(text) => heard.push(text.parse::<usize>().unwrap()),
            None => {}
        }
    }
    heard.sort_unstable();
    assert_eq!(heard, (0..MESSAGES).collect::<Vec<_>>());
}
