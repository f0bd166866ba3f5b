//! The stored forms of actions: what a journal holds is read by every later version.

use super::*;
use crate::response::{Attachment, Status, Thread};

/// Each action with the form in which it is stored. These forms stay: whoever changes one loses what old journals hold.
fn rows() -> Vec<(Action, &'static str)> {
    vec![
        (
            Send::text("hi")
                .to("r")
                .in_thread(Thread::Of("m".into()))
                .allow_group_mentions()
                .into(),
            r#"{"send":{"text":"hi","room_id":"r","thread":{"of":"m"},"allows_group_mentions":true}}"#,
        ),
        (
            Send::text("hi").to_user("ann").into(),
            r#"{"send":{"text":"hi","thread":"as_asked","allows_group_mentions":false,"extras":{"destination":{"user":"ann"},"is_also_in_room":false,"is_quoting":false,"has_no_previews":false}}}"#,
        ),
        (
            Send::text("hi").to_user_id("uA").into(),
            r#"{"send":{"text":"hi","thread":"as_asked","allows_group_mentions":false,"extras":{"destination":{"user_id":"uA"},"is_also_in_room":false,"is_quoting":false,"has_no_previews":false}}}"#,
        ),
        (
            Send::text("hi")
                .to_room_named("dev")
                .alias("a")
                .attachment(Attachment::new().text("x"))
                .into(),
            r#"{"send":{"text":"hi","thread":"as_asked","allows_group_mentions":false,"extras":{"destination":{"room_named":"dev"},"attachments":[{"text":"x"}],"alias":"a","is_also_in_room":false,"is_quoting":false,"has_no_previews":false}}}"#,
        ),
        (
            Edit::new("m", "new").in_room("r").into(),
            r#"{"edit":{"message_id":"m","text":"new","room_id":"r"}}"#,
        ),
        (
            Edit::new("m", "new")
                .allow_mentions(AllowedMentions::users(["@ann"]).and_author().and_groups())
                .into(),
            r#"{"edit":{"message_id":"m","text":"new","allowed_mentions":{"users":["ann"],"author":true,"groups":true}}}"#,
        ),
        (
            Send::text("hi").allow_mentions(AllowedMentions::none()).into(),
            r#"{"send":{"text":"hi","thread":"as_asked","allows_group_mentions":false,"extras":{"allowed_mentions":{"users":[]},"is_also_in_room":false,"is_quoting":false,"has_no_previews":false}}}"#,
        ),
        (Delete::new("m").into(), r#"{"delete":{"message_id":"m"}}"#),
        (
            React::with(":+1:").to("m").into(),
            r#"{"react":{"emoji":":+1:","is_added":true,"message_id":"m"}}"#,
        ),
        (
            React::without(":+1:").into(),
            r#"{"react":{"emoji":":+1:","is_added":false}}"#,
        ),
        (
            Pin::new("m").in_room("r").into(),
            r#"{"pin":{"message_id":"m","room_id":"r"}}"#,
        ),
        (Unpin::new("m").into(), r#"{"unpin":{"message_id":"m"}}"#),
        (
            FollowThread::new().of("m").in_room("r").into(),
            r#"{"follow_thread":{"thread_id":"m","room_id":"r"}}"#,
        ),
        (
            UnfollowThread::new().of("m").into(),
            r#"{"unfollow_thread":{"thread_id":"m"}}"#,
        ),
        (
            MarkRead::new().in_room("r").into(),
            r#"{"mark_read":{"room_id":"r"}}"#,
        ),
        (
            SetStatus::to(Status::Busy).with_text("deploying").into(),
            r#"{"set_status":{"status":"busy","text":"deploying"}}"#,
        ),
        (
            Upload::from_bytes("a.txt", "hello")
                .to("r")
                .in_thread(Thread::Of("m".into()))
                .into(),
            r#"{"upload":{"source":{"bytes":"aGVsbG8="},"name":"a.txt","room_id":"r","thread":{"of":"m"},"allows_group_mentions":false}}"#,
        ),
        (
            Upload::from_path("/a/b.pdf")
                .named("c.pdf")
                .content_type("application/pdf")
                .message("here")
                .described("a file")
                .to_room_named("#dev")
                .into(),
            r#"{"upload":{"source":{"path":"/a/b.pdf"},"name":"c.pdf","content_type":"application/pdf","description":"a file","text":"here","destination":{"room_named":"dev"},"thread":"as_asked","allows_group_mentions":false}}"#,
        ),
        (SetStatus::text("").into(), r#"{"set_status":{"text":""}}"#),
    ]
}

#[test]
fn the_stored_form_stays_and_reads_back() {
    for (action, stored) in rows() {
        assert_eq!(serde_json::to_string(&action).unwrap(), stored);
        assert_eq!(serde_json::from_str::<Action>(stored).unwrap(), action);
    }
}

#[test]
fn what_the_first_version_stored_reads_back() {
    let stored = r#"{"send":{"text":"hi","room_id":"r","thread":"never","allows_group_mentions":false,"extras":{"alias":"a","is_also_in_room":true,"is_quoting":false,"has_no_previews":false},"ids":{"first":"a","second":"b"}}}"#;
    let Ok(Action::Send(send)) = serde_json::from_str::<Action>(stored) else {
        panic!("a message");
    };
    assert_eq!(send.room_id().unwrap(), &"r");
    assert_eq!(send.shown_name(), Some("a"));
    assert_eq!(send.ids().unwrap().first(), &"a");
}
