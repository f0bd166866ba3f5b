//! What anybody may write on an old server is not believed.

use std::sync::Arc;

use http::Method;
use rocketbotte::event::{EventKind, Message, SystemMessage};
use rocketbotte::handler::route;
use rocketbotte::rest::{Client, Endpoint};
use rocketbotte::sandbox::{RestFault, Sandbox};
use rocketbotte::transport::{Connector, PerRoom, TlsSettings};
use rocketbotte::{Credentials, Router};
use serde_json::{Value, json};

use super::listeners::listener;
use super::on_the_sandbox::Hearing;

/// A method of the realtime API, called over REST.
#[derive(Debug, serde::Serialize)]
struct Write {
    message: String,
}

impl Endpoint for Write {
    const METHOD: Method = Method::POST;
    const PATH: &'static str = "method.call/stream-notify-user";
    const IDEMPOTENT: bool = true;
    type Reply = Value;
}

fn client(sandbox: &Sandbox, name: &str) -> Client {
    let user = sandbox.user(name);
    Client::builder(
        sandbox.url().parse().unwrap(),
        Connector::tcp(&TlsSettings::new()).unwrap(),
    )
    .credentials(Credentials::new(user.id(), user.token()).unwrap())
    .build()
}

/// Mallory tells the bot what is not so.
async fn tell(sandbox: &Sandbox, action: &str, room: &str) {
    tell_with(sandbox, action, room, None).await;
}

async fn tell_with(sandbox: &Sandbox, action: &str, room: &str, status: Option<&str>) {
    let bot = sandbox.bot("rocketbotte");
    let room_id = sandbox.room_id(room).unwrap();
    let mut subscription =
        json!({ "_id": "s1", "rid": room_id, "t": "c", "name": "general", "u": { "_id": bot.id() } });
    if let Some(status) = status {
        subscription["status"] = status.into();
    }
    let params = json!([
        format!("{}/subscriptions-changed", bot.id()),
        action,
        subscription
    ]);
    let message = json!({ "msg": "method", "id": "1", "method": "stream-notify-user", "params": params });
    let write = Write {
        message: message.to_string(),
    };
    client(sandbox, "mallory").call(&write).await.unwrap();
}

fn server() -> rocketbotte::sandbox::SandboxBuilder {
    Sandbox::builder()
        .user("ann")
        .user("mallory")
        .bot("rocketbotte")
        .channel_with("theirs", &["ann"])
        .channel_with("later", &["ann"])
}

#[tokio::test]
async fn the_server_is_asked_whether_the_bot_is_in_a_room() {
    let sandbox = server().start().await.unwrap();
    let router = Router::new()
        .merge(listener(EventKind::RoomJoined))
        .merge(listener(EventKind::RoomLeft));
    let mut hearing = Hearing::of(&sandbox, router, PerRoom::new().deletions()).await;
    hearing.subscribed("general", "deleteMessage", true).await;
    tell(&sandbox, "inserted", "theirs").await;
    tell(&sandbox, "removed", "general").await;
    sandbox.invite("later", "rocketbotte").unwrap();
    assert_eq!(hearing.next().await, "later channel");
    // Who was told that it left is subscribed still; who was told that it came is not.
    hearing.subscribed("later", "deleteMessage", true).await;
    hearing.subscribed("general", "deleteMessage", true).await;
    hearing.subscribed("theirs", "deleteMessage", false).await;
    sandbox.kick("later", "rocketbotte").unwrap();
    assert_eq!(hearing.next().await, "a room channel");
    hearing.subscribed("later", "deleteMessage", false).await;
    hearing.live.shut_down().await;
}

#[tokio::test]
async fn what_can_not_be_asked_is_raw() {
    let sandbox = server().start().await.unwrap();
    let router = Router::new()
        .merge(listener(EventKind::RoomJoined))
        .merge(listener(EventKind::Raw));
    let mut hearing = Hearing::of(&sandbox, router, PerRoom::new()).await;
    for (action, status, body) in [
        // Something in the server's place, which knows nothing of rooms.
        ("inserted", 200, r#"{"success":true,"subscription":7}"#),
        // What says nothing of the membership.
        ("removed", 403, r#"{"success":false,"error":"unauthorized"}"#),
        (
            "removed",
            403,
            r#"{"success":false,"error":"User does not have the permissions required for this action [error-unauthorized]","errorType":"error-unauthorized"}"#,
        ),
        (
            "removed",
            400,
            r#"{"success":false,"errorType":"invalid-params","error":"must NOT have additional properties [invalid-params]"}"#,
        ),
        (
            "removed",
            400,
            r#"{"success":false,"errorType":"error-not-allowed","error":"Not allowed [error-not-allowed]"}"#,
        ),
    ] {
        sandbox.fail_next("subscriptions.getOne", RestFault::Body(status, body.to_owned()));
        tell(&sandbox, action, "general").await;
        assert_eq!(
            hearing.next().await,
            "stream-notify-user subscriptions-changed",
            "{body}"
        );
    }
    hearing.live.shut_down().await;
}

#[tokio::test]
async fn a_room_that_is_gone_is_left() {
    let sandbox = server().start().await.unwrap();
    let router = Router::new()
        .merge(listener(EventKind::RoomLeft))
        .merge(listener(EventKind::Raw));
    let mut hearing = Hearing::of(&sandbox, router, PerRoom::new()).await;
    let gone = r#"{"success":false,"errorType":"error-room-not-found","error":"No such room [error-room-not-found]"}"#;
    for (status, body) in [(200, r#"{"success":true,"subscription":null}"#), (400, gone)] {
        sandbox.fail_next("subscriptions.getOne", RestFault::Body(status, body.to_owned()));
        tell(&sandbox, "removed", "general").await;
        assert_eq!(hearing.next().await, "general channel", "{body}");
    }
    hearing.live.shut_down().await;
}

#[tokio::test]
async fn an_invitation_that_is_accepted_is_a_membership() {
    let sandbox = server().start().await.unwrap();
    let router = Router::new()
        .merge(listener(EventKind::RoomJoined))
        .merge(listener(EventKind::RoomLeft));
    let mut hearing = Hearing::of(&sandbox, router, PerRoom::new()).await;
    let tell = async |action: &str, room: &str, status: Option<&str>| {
        tell_with(&sandbox, action, room, status).await;
    };
    tell("updated", "general", None).await;
    tell("inserted", "general", Some("INVITED")).await;
    tell("updated", "general", Some("INVITED")).await;
    tell("updated", "general", None).await;
    tell("updated", "general", None).await;
    assert_eq!(hearing.next().await, "general channel");
    sandbox.invite("later", "rocketbotte").unwrap();
    assert_eq!(hearing.next().await, "later channel", "once");
    hearing.live.shut_down().await;
}

/// A message of any type, which old servers take.
#[derive(Debug, serde::Serialize)]
struct Forge {
    message: Value,
}

impl Endpoint for Forge {
    const METHOD: Method = Method::POST;
    const PATH: &'static str = "chat.sendMessage";
    const IDEMPOTENT: bool = true;
    type Reply = Value;
}

#[tokio::test]
async fn a_forged_system_message_is_not_verified() {
    let sandbox = server().version("3.4.0").start().await.unwrap();
    let verified = |message: Arc<Message>, system: SystemMessage| async move {
        format!("{system:?}, verified: {}", message.is_verified())
    };
    let router = Router::new().on(EventKind::System, route(verified).from_bots());
    let mut hearing = Hearing::of(&sandbox, router, PerRoom::new()).await;
    let rid = sandbox.room_id("general").unwrap();
    let message = json!({ "rid": rid, "t": "subscription-role-added", "msg": "mallory", "role": "owner" });
    let forge = Forge { message };
    client(&sandbox, "mallory").call(&forge).await.unwrap();
    assert_eq!(
        hearing.next().await,
        r#"RoleAdded { username: "mallory", role: "owner" }, verified: false"#
    );
    sandbox.set_version("8.0.0");
    let refused = client(&sandbox, "mallory").call(&forge).await.unwrap_err();
    assert!(
        refused.to_string().contains("Cannot send system messages"),
        "{refused}"
    );
    hearing.live.shut_down().await;
}

#[tokio::test]
async fn a_system_message_is_verified_by_the_servers_version() {
    for (version, expected) in [
        ("3.4.0", "false"),
        ("7.1.0", "false"),
        ("7.2.0", "true"),
        ("9.0.0", "true"),
    ] {
        let sandbox = server().version(version).start().await.unwrap();
        let verified = |message: Arc<Message>| async move { message.is_verified().to_string() };
        let router = Router::new().on(EventKind::System, route(verified).from_bots());
        let mut hearing = Hearing::of(&sandbox, router, PerRoom::new()).await;
        sandbox.set_room_role("general", "ann", "owner").unwrap();
        assert_eq!(hearing.next().await, expected, "{version}");
        hearing.live.shut_down().await;
    }
}
