//! Settings of rooms over REST, members by role, discussions, and marking a room as unread.

use rocketbotte::sandbox::{Sandbox, UserSpec};
use serde_json::{Value, json};

use crate::client::{get, post};

fn stage(version: &str) -> Sandbox {
    let sandbox = Sandbox::builder()
        .version(version)
        .user("ann")
        .user("bob")
        .user_with(UserSpec::new("root").roles(["user", "admin"]))
        .channel_with("ops", &["ann", "bob"])
        .group_with("secret", &["ann"])
        .start_in_memory();
    for room in ["ops", "secret"] {
        sandbox.set_room_role(room, "ann", "owner").expect("is there");
    }
    sandbox
}

#[tokio::test]
async fn lines_of_a_room_and_who_may_change_them() {
    let sandbox = stage("9.0.0");
    let (ann, bob) = (sandbox.user("ann"), sandbox.user("bob"));
    for (endpoint, room, key) in [
        ("channels.setTopic", "ops", "topic"),
        ("channels.setAnnouncement", "ops", "announcement"),
        ("channels.setDescription", "ops", "description"),
        ("groups.setTopic", "secret", "topic"),
        ("groups.setAnnouncement", "secret", "announcement"),
        ("groups.setDescription", "secret", "description"),
    ] {
        let id = sandbox.room_id(room).expect("is there");
        let (status, answer) = post(&sandbox, &ann, endpoint, json!({ "roomId": id, key: "new" })).await;
        assert_eq!(
            (status, &answer[key]),
            (200, &json!("new")),
            "{endpoint} {answer}"
        );
        let (_, info) = get(&sandbox, &ann, &format!("rooms.info?roomId={id}")).await;
        assert_eq!(info["room"][key], "new", "{endpoint}");
        let said = sandbox.messages(room).pop().expect("a line of the server");
        assert_eq!(said.text, "new");
        assert_eq!(said.raw["t"], format!("room_changed_{key}"));
        let (status, _) = post(&sandbox, &ann, endpoint, json!({ "roomId": id })).await;
        assert_eq!(status, 400, "{endpoint} without a text");
    }
    let id = sandbox.room_id("ops").expect("is there");
    let refused = post(
        &sandbox,
        &bob,
        "channels.setAnnouncement",
        json!({ "roomId": id, "announcement": "mine" }),
    )
    .await;
    assert_eq!(
        (refused.0, &refused.1["errorType"]),
        (400, &json!("error-action-not-allowed"))
    );
}

#[tokio::test]
async fn several_settings_at_once() {
    let sandbox = stage("8.8.1");
    let (ann, bob) = (sandbox.user("ann"), sandbox.user("bob"));
    let id = sandbox.room_id("ops").expect("is there");
    let before = sandbox.messages("ops").len();
    let all = json!({ "rid": id, "roomName": "operations", "roomTopic": "t", "roomAnnouncement": "a", "roomDescription": "d", "readOnly": true });
    let (status, answer) = post(&sandbox, &ann, "rooms.saveRoomSettings", all.clone()).await;
    assert_eq!((status, &answer["rid"]), (200, &json!(id)));
    let (_, info) = get(&sandbox, &ann, &format!("rooms.info?roomId={id}")).await;
    let told = ["name", "topic", "announcement", "description"].map(|key| info["room"][key].clone());
    assert_eq!(told, ["operations", "t", "a", "d"].map(Value::from));
    assert_eq!(info["room"]["ro"], true);
    assert_eq!(sandbox.messages("operations").len(), before + 5);
    // What is as it was is told to nobody.
    let (status, _) = post(&sandbox, &ann, "rooms.saveRoomSettings", all).await;
    assert_eq!((status, sandbox.messages("operations").len()), (200, before + 5));
    for (who, body, code) in [
        (
            &bob,
            json!({ "rid": id, "roomTopic": "mine" }),
            "error-action-not-allowed",
        ),
        (
            &ann,
            json!({ "rid": "nowhere", "roomTopic": "x" }),
            "error-invalid-room",
        ),
        (&ann, json!({ "roomId": id, "roomTopic": "x" }), "invalid-params"),
        (&ann, json!({ "rid": id, "color": "red" }), "invalid-params"),
    ] {
        let (status, refused) = post(&sandbox, who, "rooms.saveRoomSettings", body).await;
        assert_eq!((status, &refused["errorType"]), (400, &json!(code)), "{refused}");
    }
    let old = stage("3.12.0");
    let id = old.room_id("ops").expect("is there");
    let (status, _) = post(
        &old,
        &old.user("ann"),
        "rooms.saveRoomSettings",
        json!({ "rid": id }),
    )
    .await;
    assert_eq!(status, 404);
}

#[tokio::test]
async fn members_by_role() {
    let sandbox = stage("9.0.0");
    sandbox.invite("ops", "root").expect("is there");
    sandbox
        .set_room_role("ops", "root", "moderator")
        .expect("is there");
    let id = sandbox.room_id("ops").expect("is there");
    let bob = sandbox.user("bob");
    let (_, list) = get(&sandbox, &bob, &format!("rooms.membersOrderedByRole?roomId={id}")).await;
    let told: Vec<_> = list["members"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|m| (&m["username"], &m["roles"]))
        .collect();
    assert_eq!(
        told,
        [
            (&json!("ann"), &json!(["owner"])),
            (&json!("root"), &json!(["moderator"])),
            (&json!("bob"), &json!([]))
        ]
    );
    assert_eq!((&list["count"], &list["total"]), (&json!(3), &json!(3)));
    let (_, page) = get(
        &sandbox,
        &bob,
        &format!("rooms.membersOrderedByRole?roomId={id}&count=1&offset=1"),
    )
    .await;
    assert_eq!(page["members"][0]["username"], "root");
    let (status, _) = get(
        &sandbox,
        &bob,
        &format!("rooms.membersOrderedByRole?roomId={id}&count=1.5"),
    )
    .await;
    assert_eq!(status, 400);
    let secret = sandbox.room_id("secret").expect("is there");
    let (status, _) = get(
        &sandbox,
        &bob,
        &format!("rooms.membersOrderedByRole?roomId={secret}"),
    )
    .await;
    assert_eq!(status, 400);
}

#[tokio::test]
async fn discussions_beside_a_room() {
    let sandbox = stage("9.0.0");
    let (ann, bob) = (sandbox.user("ann"), sandbox.user("bob"));
    let id = sandbox.room_id("secret").expect("is there");
    let (_, made) = post(
        &sandbox,
        &ann,
        "rooms.createDiscussion",
        json!({ "prid": id, "t_name": "Plans" }),
    )
    .await;
    let (_, list) = get(&sandbox, &ann, &format!("rooms.getDiscussions?roomId={id}")).await;
    assert_eq!(
        (&list["discussions"][0]["_id"], &list["total"]),
        (&made["discussion"]["rid"], &json!(1))
    );
    assert_eq!(list["discussions"][0]["prid"], json!(id));
    let (status, _) = get(&sandbox, &bob, &format!("rooms.getDiscussions?roomId={id}")).await;
    assert_eq!(status, 400);
}

#[tokio::test]
async fn a_room_is_marked_as_unread() {
    let sandbox = stage("9.0.0");
    let (ann, bob) = (sandbox.user("ann"), sandbox.user("bob"));
    let id = sandbox.room_id("ops").expect("is there");
    let unread = json!({ "roomId": id });
    let (status, refused) = post(&sandbox, &bob, "subscriptions.unread", unread.clone()).await;
    assert_eq!(
        (status, &refused["errorType"]),
        (400, &json!("error-no-message-for-unread"))
    );
    let said = ann.say("ops", "later").await;
    let alert = async || {
        get(&sandbox, &bob, &format!("subscriptions.getOne?roomId={id}"))
            .await
            .1["subscription"]["alert"]
            .clone()
    };
    for body in [unread, json!({ "firstUnreadMessage": { "_id": said } })] {
        post(&sandbox, &bob, "subscriptions.read", json!({ "rid": id })).await;
        assert_eq!(alert().await, false);
        let (status, _) = post(&sandbox, &bob, "subscriptions.unread", body).await;
        assert_eq!((status, alert().await), (200, json!(true)));
    }
    let root = sandbox.user("root");
    let (status, _) = post(&sandbox, &root, "subscriptions.unread", json!({ "roomId": id })).await;
    assert_eq!(status, 400, "who is not in the room");
}
