//! Room roles, as a server tells them.
#![cfg(all(feature = "client", feature = "sandbox", feature = "test-util"))]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test ends by them")]

use rocketbotte::command::CommandLayer;
use rocketbotte::event::{Room, RoomKind, User};
use rocketbotte::layer::handle_error::HandleErrorLayer;
use rocketbotte::layer::require::{RequireLayer, RoomRoles};
use rocketbotte::rest::Client;
use rocketbotte::sandbox::Sandbox;
use rocketbotte::testing::{self, events};
use rocketbotte::transport::{Connector, TlsSettings};
use rocketbotte::{Credentials, Router};
use tower::ServiceBuilder;

#[tokio::test]
async fn who_owns_a_room_is_asked_of_the_server() {
    let sandbox = Sandbox::builder()
        .user("ann")
        .user("bob")
        .bot("robot")
        .group_with("ops", &["ann", "bob", "robot"])
        .channel_with("lounge", &["ann", "bob", "robot"])
        .start()
        .await
        .expect("starts");
    let (ann, bob, bot) = (sandbox.user("ann"), sandbox.user("bob"), sandbox.bot("robot"));
    for room in ["ops", "lounge"] {
        sandbox.set_room_role(room, "ann", "moderator").expect("a member");
    }
    let connector = Connector::tcp(&TlsSettings::default()).unwrap();
    let client = Client::builder(sandbox.url().parse().unwrap(), connector)
        .credentials(Credentials::new(bot.id(), bot.token().as_str()).unwrap())
        .build();
    let layer = RequireLayer::room_roles(["moderator"]).looked_up_by(client.clone());
    let app = ServiceBuilder::new()
        .layer(HandleErrorLayer::new())
        .layer(CommandLayer::new("!"))
        .layer(layer)
        .service(Router::new().command("do", async || "done"));
    for (name, kind) in [("ops", RoomKind::Private), ("lounge", RoomKind::Channel)] {
        let room = Room::new(sandbox.room_id(name).unwrap(), kind);
        for (user, is_allowed) in [(&ann, true), (&bob, false)] {
            let author = User::new(user.id(), user.username());
            let event = events::message_of(author, room.clone(), "!do");
            let response = testing::call(app.clone(), event).await.unwrap();
            assert_eq!(
                response.texts().any(|text| text == "done"),
                is_allowed,
                "{name}, {}",
                user.username()
            );
        }
    }
    let elsewhere = Room::new("no such room", RoomKind::Channel);
    assert!(client.roles(&elsewhere).await.is_err());
}
