//! Subscriptions of single rooms: as rooms come and go, after an outage, and under the server's limit.

use std::time::Duration;

use rocketbotte::event::EventKind;
use rocketbotte::sandbox::Sandbox;
use rocketbotte::transport::PerRoom;

use super::listeners::listener;
use super::on_the_sandbox::Hearing;
use super::support::chat::{Chat, people};
use super::support::echo_bot::{cut, restore};
use super::support::live::in_time;

#[tokio::test]
async fn rooms_are_subscribed_to_as_they_come_and_go() {
    let sandbox = Sandbox::builder()
        .user("ann")
        .bot("rocketbotte")
        .start()
        .await
        .unwrap();
    let wanted = PerRoom::new().deletions().typing();
    let mut hearing = Hearing::of(&sandbox, listener(EventKind::Deleted), wanted).await;
    for event in ["deleteMessage", "user-activity", "deleteMessageBulk"] {
        hearing.subscribed("general", event, true).await;
    }
    sandbox.create_group("ops", &["ann", "rocketbotte"]).unwrap();
    hearing.subscribed("ops", "deleteMessage", true).await;
    let ann = sandbox.user("ann");
    let id = ann.say("ops", "oops").await;
    ann.delete(&id).await;
    assert_eq!(hearing.next().await, r#"Some("oops") is gone, with no trace"#);

    hearing.live.reconnect().await;
    for room in ["general", "ops"] {
        hearing.subscribed(room, "deleteMessage", true).await;
    }
    sandbox.kick("ops", "rocketbotte").unwrap();
    hearing.subscribed("ops", "deleteMessage", false).await;
    hearing.subscribed("ops", "user-activity", false).await;
    hearing.live.shut_down().await;
}

/// Deleted while nobody listened: told once.
#[tokio::test]
async fn a_deletion_of_an_outage_is_told_once() {
    let sandbox = Sandbox::builder()
        .user("ann")
        .bot("rocketbotte")
        .start()
        .await
        .unwrap();
    let wanted = PerRoom::new().deletions();
    let mut hearing = Hearing::of(&sandbox, listener(EventKind::Deleted), wanted).await;
    hearing.subscribed("general", "deleteMessage", true).await;
    let ann = sandbox.user("ann");
    let ids = [ann.say("general", "live").await, ann.say("general", "away").await];
    ann.delete(&ids[0]).await;
    assert_eq!(hearing.next().await, r#"Some("live") is gone, with no trace"#);
    let (back, mut is_back) = tokio::sync::watch::channel(false);
    let _listener = hearing.live.handle.add_listener(EventKind::Reconnected, move || {
        back.send_replace(true);
        std::future::ready(())
    });
    cut(&sandbox).await;
    ann.delete(&ids[1]).await;
    restore(&sandbox);
    assert_eq!(hearing.next().await, r#"Some("away") is gone, with no trace"#);
    in_time(is_back.wait_for(|is_back| *is_back)).await.unwrap();
    hearing.subscribed("general", "deleteMessage", true).await;
    let last = ann.say("general", "last").await;
    ann.delete(&last).await;
    assert_eq!(hearing.next().await, r#"Some("last") is gone, with no trace"#);
    hearing.live.shut_down().await;
}

#[tokio::test(start_paused = true)]
async fn a_hundred_rooms_are_subscribed_to_within_the_limit() {
    let sandbox = people().start_in_memory();
    for number in 0..100 {
        sandbox
            .create_channel(&format!("room{number}"), &["ann", "rocketbotte"])
            .unwrap();
    }
    let chat = Chat::of(
        &sandbox,
        "rocketbotte",
        |bot| bot.per_room(PerRoom::new().deletions()),
        listener(EventKind::Deleted),
    )
    .await;
    let count = |sandbox: &Sandbox, name: &str| {
        let of_rooms = sandbox.subscriptions().into_iter();
        of_rooms.filter(|(_, _, event)| event.ends_with(name)).count()
    };
    tokio::time::sleep(Duration::from_secs(130)).await;
    // General is one more.
    assert_eq!(count(&sandbox, "/deleteMessage"), 101);
    tokio::time::sleep(Duration::from_secs(130)).await;
    assert_eq!(count(&sandbox, "/deleteMessageBulk"), 101);
    assert_eq!(sandbox.refused_by_limits(), 0);
    drop(chat);
}
