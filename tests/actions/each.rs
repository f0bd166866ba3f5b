//! Each action: what is seen of it in the chat, whichever way it takes, also where an answer of the server is lost.

use std::collections::BTreeMap;
use std::time::Duration;

use rocketbotte::response::{
    Action, Delete, Edit, FollowThread, MarkRead, Pin, React, Send, SetStatus, Status, Thread,
    UnfollowThread, Unpin,
};
use rocketbotte::sandbox::RestFault;
use serde_json::{Value, json};

use crate::world::{Targets, World};

struct Row {
    act: fn(&Targets) -> Action,
    /// The calls that it becomes.
    calls: &'static [&'static str],
    /// What is different by that, in a [picture](World::picture): the changed fields, and what is added to lists.
    becomes: fn() -> Value,
    /// Whether it posts or changes a message, which the receipt names.
    has_message: bool,
}

const SEND: &[&str] = &["chat.sendMessage"];

fn rows() -> Vec<Row> {
    let row = |act, calls, becomes, has_message| Row {
        act,
        calls,
        becomes,
        has_message,
    };
    vec![
        row(
            |_| Send::text("hi").into(),
            SEND,
            || json!({"general": ["hi"], "has_unread": false}),
            true,
        ),
        row(
            |targets| {
                Send::text("hi")
                    .in_thread(Thread::Of(targets.hers.as_str().into()))
                    .into()
            },
            SEND,
            || json!({"general": ["in the thread: hi"], "has_unread": false, "hers": {"bot_follows": true}}),
            true,
        ),
        row(
            |_| Send::text("hi").to_user("ann").into(),
            &["im.create", "chat.sendMessage"],
            || json!({"direct": ["hi"]}),
            true,
        ),
        row(
            |_| Send::text("hi").to_user("@ann").into(),
            &["im.create", "chat.sendMessage"],
            || json!({"direct": ["hi"]}),
            true,
        ),
        row(
            |targets| Send::text("hi").to_user_id(targets.ann.id()).into(),
            &["users.info", "im.create", "chat.sendMessage"],
            || json!({"direct": ["hi"]}),
            true,
        ),
        row(
            |_| Send::text("hi").to_room_named("dev").into(),
            &["rooms.info", "chat.sendMessage"],
            || json!({"dev": ["hi"]}),
            true,
        ),
        row(
            |targets| Edit::new(targets.mine.as_str(), "edited").into(),
            &["chat.update"],
            || json!({"mine": {"text": "edited"}, "general": {"mine": "edited"}}),
            true,
        ),
        row(
            |targets| Delete::new(targets.mine.as_str()).into(),
            &["chat.delete"],
            || json!({"mine": null, "general": {"mine": null}}),
            true,
        ),
        row(
            |targets| React::with(":tada:").to(targets.hers.as_str()).into(),
            &["chat.react"],
            || json!({"hers": {"reactions": {":tada:": ["rocketbotte"]}}}),
            true,
        ),
        row(
            |targets| React::without("+1").to(targets.pinned.as_str()).into(),
            &["chat.react"],
            || json!({"pinned": {"reactions": {}}}),
            true,
        ),
        row(
            |targets| Pin::new(targets.hers.as_str()).into(),
            &["chat.getMessage", "chat.pinMessage"],
            || json!({"hers": {"is_pinned": true}, "general": ["(message_pinned)"]}),
            true,
        ),
        row(
            |targets| Pin::new(targets.pinned.as_str()).into(),
            &["chat.getMessage"],
            || json!({}),
            true,
        ),
        row(
            |targets| Unpin::new(targets.pinned.as_str()).into(),
            &["chat.unPinMessage"],
            || json!({"pinned": {"is_pinned": false}}),
            true,
        ),
        row(
            |_| Unpin::new("gone").into(),
            &["chat.unPinMessage"],
            || json!({}),
            true,
        ),
        row(
            |targets| FollowThread::new().of(targets.hers.as_str()).into(),
            &["chat.followMessage"],
            || json!({"hers": {"bot_follows": true}}),
            false,
        ),
        row(
            |targets| UnfollowThread::new().of(targets.followed.as_str()).into(),
            &["chat.unfollowMessage"],
            || json!({"followed": {"bot_follows": false}}),
            false,
        ),
        row(
            |_| UnfollowThread::new().of("gone").into(),
            &["chat.unfollowMessage"],
            || json!({}),
            false,
        ),
        row(
            |_| MarkRead::new().into(),
            &["subscriptions.read"],
            || json!({"has_unread": false}),
            false,
        ),
        row(
            |_| SetStatus::to(Status::Busy).with_text("deploying").into(),
            &["users.setStatus"],
            || json!({"status": ["busy", "deploying"]}),
            false,
        ),
        row(
            |_| SetStatus::text("deploying").into(),
            &["users.setStatus"],
            || json!({"status": ["online", "deploying"]}),
            false,
        ),
    ]
}

/// Changes a picture as a row says: a list grows, fields are set, and an object changes the lines of a list.
fn change(picture: &mut Value, by: &Value) {
    match (picture, by) {
        (Value::Object(fields), Value::Object(by)) => {
            for (name, by) in by {
                match fields.get_mut(name) {
                    // What is gone is not looked into.
                    Some(field) if name != "reactions" => change(field, by),
                    _ => drop(fields.insert(name.clone(), by.clone())),
                }
            }
        }
        (Value::Array(lines), Value::Array(more))
            if lines.iter().all(|line| !line.is_null()) && more.len() == 1 =>
        {
            lines.extend(more.iter().cloned());
        }
        (Value::Array(lines), Value::Object(by)) => {
            for (line, becomes) in by {
                let at = lines.iter().position(|known| known == line).unwrap();
                match becomes {
                    Value::Null => drop(lines.remove(at)),
                    becomes => lines[at] = becomes.clone(),
                }
            }
        }
        (picture, by) => *picture = by.clone(),
    }
}

/// Does the action of a row on a server of its own.
async fn check(row: &Row, by_outbox: bool, fault: Option<(&str, RestFault)>) {
    let mut world = World::new().await;
    let action = (row.act)(&world.targets);
    let what = format!("{action:?} by outbox {by_outbox} with {fault:?}");
    // The way that it takes through a journal.
    let stored = serde_json::to_string(&action).unwrap();
    assert_eq!(serde_json::from_str::<Action>(&stored).unwrap(), action);
    world.serve(action, by_outbox).await;
    // The question alone makes the room unread.
    world.targets.ann.say("general", "to be read").await;
    let mut expected = Value::Object(world.picture().await);
    change(&mut expected, &(row.becomes)());
    if let Some((call, fault)) = &fault {
        world.sandbox.fail_next(call, fault.clone());
    }
    let before = world.sandbox.requests();
    world.ask().await;
    for call in row.calls {
        let calls = |requests: &BTreeMap<String, u64>| requests.get(*call).copied().unwrap_or_default();
        let made = calls(&world.sandbox.requests()) - calls(&before);
        assert!(made > 0, "{what}: {call} was not called");
    }
    assert_eq!(Value::Object(world.picture().await), expected, "{what}");
    let receipts = world.receipts.lock().unwrap();
    if by_outbox {
        let [Ok(receipt)] = &receipts[..] else {
            panic!("{what}: {receipts:?}");
        };
        assert_eq!(receipt.message_id().is_some(), row.has_message, "{what}");
    }
}

#[tokio::test(start_paused = true)]
async fn is_seen_as_the_handler_returned_it() {
    for row in rows() {
        check(&row, false, None).await;
    }
}

#[tokio::test(start_paused = true)]
async fn is_seen_as_it_went_through_the_outbox() {
    for row in rows() {
        check(&row, true, None).await;
    }
}

/// Each call of each row meets the fault once.
async fn check_with(fault: &RestFault, by_outbox: bool) {
    for row in rows() {
        for call in row.calls {
            check(&row, by_outbox, Some((call, fault.clone()))).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn is_done_once_where_the_answer_is_lost() {
    check_with(&RestFault::LoseReply, false).await;
}

#[tokio::test(start_paused = true)]
async fn is_done_once_by_the_outbox_where_the_answer_is_lost() {
    check_with(&RestFault::HalfReply, true).await;
}

#[tokio::test(start_paused = true)]
async fn is_done_once_where_nothing_was_done_before() {
    check_with(&RestFault::CloseBeforeActing, false).await;
}

#[tokio::test(start_paused = true)]
async fn waits_for_a_limit() {
    let reset_after = Duration::from_secs(30);
    check_with(&RestFault::TooManyRequests { reset_after }, false).await;
}
