//! What each listener hears of the frames that a server sent.

use rocketbotte::event::{
    AttachmentKind, Event, EventKind, MarkdownNode, MediaKind, Mention, Message, TeamId,
};
use rocketbotte::testing;

use super::listeners::listener;
use super::{DOCUMENTED, RECORDED, events};

/// All that the listener of this kind hears, and nothing else.
async fn heard(frames: &str, kind: EventKind) -> Vec<String> {
    let mut heard = Vec::new();
    for event in events(frames) {
        let response = testing::call(listener(kind), event).await.unwrap();
        heard.extend(response.texts().map(str::to_owned));
    }
    heard
}

#[tokio::test]
async fn the_recording_is_heard_as_it_was_meant() {
    let rows: [(EventKind, &[&str]); 12] = [
        (
            EventKind::Edited,
            &[
                r#"Some("hello plain") became "hello edited""#,
                r#"Some("hello edited") became "hello edited @botte""#,
            ],
        ),
        (
            EventKind::Reaction,
            &[
                "alice reacts :+1:",
                "botte reacts :tada:",
                "alice takes back :+1:",
            ],
        ),
        (
            EventKind::Pinned,
            &[
                r#""hello edited @botte" pinned: true"#,
                r#""hello edited @botte" pinned: false"#,
            ],
        ),
        (EventKind::Starred, &[r#""hello edited @botte" starred: true"#]),
        (
            EventKind::ThreadUpdate,
            &[r#""hello plain" has 1 replies"#, r#""hello plain" has 2 replies"#],
        ),
        (
            EventKind::Deleted,
            &[
                r#"Some("to be deleted 2") is gone, with a trace"#,
                "None is gone, with no trace",
            ],
        ),
        (
            EventKind::System,
            &[
                "MessagePinned by admin",
                r#"UserAdded { username: "botte" } by admin"#,
                r#"UserAdded { username: "botte" } by admin"#,
                r#"DiscussionCreated { room_id: Some("egX57qR2Rzyk9ej5R"), name: "Disc One" } by alice"#,
                r#"DiscussionCreated { room_id: Some("SR3KBtzKkfgDA2tTB"), name: "Disc Two" } by alice"#,
                r#"TopicChanged { topic: "new topic" } by admin"#,
                r#"RoomRenamed { name: "fresh1b" } by admin"#,
                "UserLeft by bob",
                "UserJoined by bob",
                r#"UserRemoved { username: "bob" } by admin"#,
                r#"UserAdded { username: "bob" } by admin"#,
                r#"RoleAdded { username: "alice", role: "owner" } by admin"#,
                r#"UserMuted { username: "bob" } by admin"#,
                r#"UserUnmuted { username: "bob" } by admin"#,
            ],
        ),
        (EventKind::RoomJoined, &["chan2 channel", "pg7404 private group"]),
        (EventKind::RoomLeft, &["a room unknown"]),
        (EventKind::Typing, &["alice types", "alice stops"]),
        (EventKind::Encrypted, &[]),
        (EventKind::Livechat, &[]),
    ];
    for (kind, expected) in rows {
        assert_eq!(heard(RECORDED, kind).await, expected, "{kind:?}");
    }
    let messages = heard(RECORDED, EventKind::Message).await;
    assert!(
        messages.contains(&"dm hi in a direct conversation".to_owned()),
        "{messages:?}"
    );
    assert!(
        messages.contains(&"private hi in a private group".to_owned()),
        "{messages:?}"
    );
    let raw = heard(RECORDED, EventKind::Raw).await;
    assert!(
        raw.contains(&"stream-notify-logged user-status".to_owned()),
        "{raw:?}"
    );
    assert!(raw.contains(&"stream-notify-user userData".to_owned()), "{raw:?}");
    assert!(raw.contains(&"stream-notify-user message".to_owned()), "{raw:?}");
}

#[tokio::test]
async fn what_later_versions_send_is_heard_as_it_was_meant() {
    let rows: [(EventKind, &[&str]); 7] = [
        (EventKind::Encrypted, &[" in a private group"]),
        (EventKind::Livechat, &["is anybody there? in a livechat"]),
        (EventKind::Typing, &["ann types in d1", "ann stops"]),
        (
            EventKind::Deleted,
            &[
                r#"Some("[ ](https://chat.example.org/channel/general?msg=d1) so it is") is gone, with no trace"#,
                r#"Some("@bot @here @crew look at #dev *now*") is gone, with no trace"#,
                "None is gone, with no trace",
            ],
        ),
        // An invitation is no membership yet.
        (EventKind::RoomJoined, &[]),
        (
            EventKind::Raw,
            &["stream-notify-room deleteMessageBulk", "stream-user-presence uA"],
        ),
        (
            EventKind::Message,
            &[
                "@bot @here @crew look at #dev *now* in a channel",
                " in a channel",
                "[ ](https://chat.example.org/channel/general?msg=d1) so it is in a channel",
            ],
        ),
    ];
    for (kind, expected) in rows {
        assert_eq!(heard(DOCUMENTED, kind).await, expected, "{kind:?}");
    }
}

fn message(frames: &str, is_it: impl Fn(&Message) -> bool) -> std::sync::Arc<Message> {
    let found = events(frames).into_iter().find_map(|event| match event {
        Event::Message(message) if is_it(&message) => Some(message),
        _ => None,
    });
    found.expect("there is one")
}

#[test]
fn whom_and_what_a_message_mentions() {
    let all = message(RECORDED, |message| message.text() == "@all hi @here");
    assert_eq!(all.mentions(), [Mention::All, Mention::Here]);
    let one = message(RECORDED, |message| message.text().starts_with("hi @botte"));
    assert_eq!(one.mentions()[0].user().unwrap().username(), "botte");
    assert_eq!(one.channels()[0].name.as_deref(), Some("chan2"));
    assert!(one.links()[0].url.starts_with("https://exampl"));
    assert_eq!(one.markdown(), None);

    let new = message(DOCUMENTED, |message| message.id() == "d1");
    let team = Mention::Team {
        id: TeamId::from("t1"),
        name: Some("crew".to_owned()),
    };
    assert_eq!(new.mentions()[1..], [Mention::Here, team]);
    assert_eq!(new.channels()[0].display_name.as_deref(), Some("Dev"));
    let link = new.links().remove(0);
    assert_eq!(
        (link.title(), link.description(), link.content_type.as_deref()),
        (Some("Example"), Some("An example"), Some("text/html"))
    );
    let tree = new.markdown().unwrap();
    assert_eq!(tree[0].plain_text(), "@bot look at #dev now");
    assert!(
        matches!(tree[0].children().last(), Some(MarkdownNode::Unknown(node)) if node["type"] == "HOLOGRAM")
    );
    assert_eq!(new.created_at().to_string(), "2026-11-22T08:00:00.000Z");
}

#[test]
fn what_is_attached_to_a_message() {
    let old = message(RECORDED, |message| message.text() == "upload msg");
    assert_eq!(old.files().len(), 1, "old versions name one");
    assert_eq!(old.attachments().len(), 1);

    let upload = message(DOCUMENTED, |message| message.id() == "d2");
    let [file, thumb] = &upload.files()[..] else {
        panic!("{upload:?}")
    };
    assert_eq!(
        (file.path().as_str(), file.size),
        ("/file-upload/f1/cat.png", Some(1234))
    );
    assert_eq!(thumb.content_type.as_deref(), Some("image/png"));
    let attachment = upload.attachments().remove(0);
    assert_eq!(attachment.kind(), AttachmentKind::File);
    assert_eq!(attachment.file_id().as_ref(), Some(&file.id));
    assert_eq!(attachment.title_link(), Some("/file-upload/f1/cat.png"));
    assert_eq!(attachment.description(), Some("a cat"));
    let media = attachment.media().unwrap();
    assert_eq!((media.kind, media.size), (MediaKind::Image, Some(1234)));

    let quote = message(DOCUMENTED, |message| message.id() == "d3");
    let [quoted, card] = &quote.attachments()[..] else {
        panic!("{quote:?}")
    };
    assert_eq!(quoted.kind(), AttachmentKind::Quote);
    assert_eq!(quoted.quoted_message_id().unwrap(), "d1");
    assert_eq!((quoted.author_name(), quoted.text()), (Some("bob"), Some("look")));
    assert_eq!(quoted.created_at().unwrap().as_millis(), 1_795_334_400_000);
    assert!(quoted.attachments().is_empty());
    assert_eq!(card.kind(), AttachmentKind::Other);
    assert_eq!(
        (card.title(), card.color(), card.pretext()),
        (Some("build"), Some("#0f0"), Some("it is done"))
    );
    assert_eq!(
        (card.fields()[0].title.as_str(), card.fields()[0].is_short),
        ("branch", true)
    );
    assert_eq!(card.actions()[0].message.as_deref(), Some("!build"));
    assert_eq!(card.get("title_link").unwrap(), "https://ci.example.org/7");
}

/// Each type of the list, with a role and a room where there is one.
#[test]
fn every_system_message_has_its_meaning() {
    let rows = [
        ("uj ujt ut", "UserJoined"),
        ("ul ult", "UserLeft"),
        ("au added-user-to-team", r#"UserAdded { username: "x" }"#),
        ("ru removed-user-from-team", r#"UserRemoved { username: "x" }"#),
        ("ui", r#"UserInvited { username: "x" }"#),
        ("uir", r#"InvitationRejected { username: "x" }"#),
        ("user-banned", r#"UserBanned { username: "x" }"#),
        ("user-unbanned", r#"UserUnbanned { username: "x" }"#),
        ("user-muted", r#"UserMuted { username: "x" }"#),
        ("user-unmuted", r#"UserUnmuted { username: "x" }"#),
        (
            "subscription-role-added new-owner",
            r#"RoleAdded { username: "x", role: "owner" }"#,
        ),
        (
            "subscription-role-removed owner-removed",
            r#"RoleRemoved { username: "x", role: "owner" }"#,
        ),
        (
            "new-moderator",
            r#"RoleAdded { username: "x", role: "moderator" }"#,
        ),
        (
            "moderator-removed",
            r#"RoleRemoved { username: "x", role: "moderator" }"#,
        ),
        ("new-leader", r#"RoleAdded { username: "x", role: "leader" }"#),
        (
            "leader-removed",
            r#"RoleRemoved { username: "x", role: "leader" }"#,
        ),
        ("r", r#"RoomRenamed { name: "x" }"#),
        ("room_changed_topic", r#"TopicChanged { topic: "x" }"#),
        (
            "room_changed_announcement",
            r#"AnnouncementChanged { announcement: "x" }"#,
        ),
        (
            "room_changed_description",
            r#"DescriptionChanged { description: "x" }"#,
        ),
        ("room_changed_privacy", r#"PrivacyChanged { privacy: "x" }"#),
        ("room_changed_avatar", "AvatarChanged"),
        ("room-archived", "RoomArchived"),
        ("room-unarchived", "RoomUnarchived"),
        ("room-set-read-only", "ReadOnlySet"),
        ("room-removed-read-only", "ReadOnlyRemoved"),
        ("room-allowed-reacting", "ReactingAllowed"),
        ("room-disallowed-reacting", "ReactingDisallowed"),
        ("room_e2e_enabled", "EncryptionEnabled"),
        ("room_e2e_disabled", "EncryptionDisabled"),
        ("message_pinned message_pinned_e2e", "MessagePinned"),
        (
            "discussion-created",
            r#"DiscussionCreated { room_id: Some("d"), name: "x" }"#,
        ),
        ("videoconf", "VideoCall"),
        ("rm", "Removed"),
        ("wm", r#"Other("wm")"#),
        ("livechat-started", r#"Other("livechat-started")"#),
        ("what-comes-next", r#"Other("what-comes-next")"#),
    ];
    for (types, expected) in rows {
        for system_type in types.split(' ') {
            let json = serde_json::json!({
                "_id": "m", "rid": "r", "t": system_type, "msg": "x", "role": "owner", "drid": "d",
                "u": { "_id": "uA", "username": "ann" },
            });
            let message = Message::from_json(&json.to_string()).unwrap();
            assert_eq!(
                format!("{:?}", message.system().unwrap()),
                expected,
                "{system_type}"
            );
        }
    }
    for person in [
        r#"{"_id":"m","rid":"r","msg":"x"}"#,
        r#"{"_id":"m","rid":"r","t":"e2e","msg":""}"#,
    ] {
        assert_eq!(Message::from_json(person).unwrap().system(), None);
    }
}
