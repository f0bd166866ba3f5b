//! Replies as a server sent them, whole and damaged: no damage panics, and what only adds to a thing costs nothing but itself.
#![cfg(feature = "client")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test ends by them")]

use rocketbotte::event::Message;
use rocketbotte::rest::Endpoint;
use rocketbotte::rest::endpoint::*;
use serde_json::{Value, json};

/// What was read of each thing in a reply, field by field.
type Read = Vec<Vec<String>>;

macro_rules! fields {
    ($($field:expr),* $(,)?) => {
        vec![$(format!("{:?}", $field)),*]
    };
}

fn message(message: &Message) -> Vec<String> {
    fields!(
        message.id(),
        message.room().id(),
        message.author().id(),
        message.author().username(),
        message.author().name(),
        message.text(),
        message.created_at(),
        message.updated_at(),
        message.edited_at(),
        message.thread_id(),
        message.reply_count(),
        message.is_pinned(),
        message.system_type()
    )
}

fn user(user: &RestUser) -> Vec<String> {
    fields!(
        user.id,
        user.username,
        user.name,
        user.status,
        user.status_text,
        user.roles,
        user.kind,
        user.is_active,
        user.utc_offset,
        user.created_at,
        user.last_login
    )
}

fn room(room: &RestRoom) -> Vec<String> {
    fields!(
        room.id,
        room.kind,
        room.name,
        room.display_name,
        room.topic,
        room.announcement,
        room.description,
        room.usernames,
        room.uids,
        room.users_count,
        room.message_count,
        room.is_read_only,
        room.is_archived,
        room.is_encrypted,
        room.parent_id,
        room.created_at,
        room.last_message_at
    )
}

fn messages<E: Endpoint<Reply = MessagesReply>>(body: Value) -> Option<Read> {
    let reply = serde_json::from_value::<E::Reply>(body).ok()?;
    Some(reply.messages.iter().map(message).collect())
}

fn users<E: Endpoint<Reply = UsersReply>>(body: Value) -> Option<Read> {
    let reply = serde_json::from_value::<E::Reply>(body).ok()?;
    Some(reply.users.iter().map(user).collect())
}

fn rooms<E: Endpoint<Reply = RoomsReply>>(body: Value) -> Option<Read> {
    let reply = serde_json::from_value::<E::Reply>(body).ok()?;
    Some(reply.rooms.iter().map(room).collect())
}

fn one<E: Endpoint>(body: Value, read: impl Fn(&E::Reply) -> Vec<String>) -> Option<Read> {
    Some(vec![read(&serde_json::from_value::<E::Reply>(body).ok()?)])
}

/// Path, what of a body it can not do without, and how it is read. `*` is any entry of a list: without that, the entry is
/// left out, and no other.
struct Row {
    path: &'static str,
    needs: &'static [&'static str],
    read: fn(Value) -> Option<Read>,
}

const ROWS: &[Row] = &[
    Row {
        path: "me",
        needs: &["/_id"],
        read: |body| one::<Me>(body, |me| fields!(me.id, me.username, me.name, me.roles)),
    },
    Row {
        path: "users.info",
        needs: &["/user", "/user/_id"],
        read: |body| one::<UserInfo>(body, |reply| user(&reply.user)),
    },
    Row {
        path: "users.list",
        needs: &["/users", "/users/*", "/users/*/_id"],
        read: users::<Users>,
    },
    Row {
        path: "channels.members",
        needs: &["/members", "/members/*", "/members/*/_id"],
        read: users::<RoomMembers<Channel>>,
    },
    Row {
        path: "users.getPresence",
        needs: &[],
        read: |body| one::<UserPresence>(body, |reply| fields!(reply.presence)),
    },
    Row {
        path: "channels.list",
        needs: &["/channels", "/channels/*", "/channels/*/_id"],
        read: rooms::<RoomList<Channel>>,
    },
    Row {
        path: "groups.list",
        needs: &["/groups", "/groups/*", "/groups/*/_id"],
        read: rooms::<RoomList<Private>>,
    },
    Row {
        path: "im.list",
        needs: &["/ims", "/ims/*", "/ims/*/_id"],
        read: rooms::<RoomList<Direct>>,
    },
    Row {
        path: "rooms.info",
        needs: &["/room", "/room/_id"],
        read: |body| one::<RoomInfo>(body, |reply| room(&reply.room)),
    },
    Row {
        path: "im.create",
        needs: &["/room"],
        read: |body| one::<CreateDirectMessage>(body, |reply| fields!(reply.room.id())),
    },
    Row {
        path: "chat.getThreadMessages",
        needs: &["/messages", "/messages/*", "/messages/*/_id", "/messages/*/rid"],
        read: |body| {
            let reply = serde_json::from_value::<ThreadMessagesReply>(body).ok()?;
            let read = reply
                .messages
                .iter()
                .filter_map(|message| Message::from_json(&message.to_string()).ok());
            Some(read.map(|read| message(&read)).collect())
        },
    },
    Row {
        path: "channels.history",
        needs: &["/messages", "/messages/*", "/messages/*/_id", "/messages/*/rid"],
        read: messages::<RoomHistory<Channel>>,
    },
    Row {
        path: "groups.history",
        needs: &["/messages", "/messages/*", "/messages/*/_id", "/messages/*/rid"],
        read: messages::<RoomHistory<Private>>,
    },
    Row {
        path: "im.history",
        needs: &["/messages", "/messages/*", "/messages/*/_id", "/messages/*/rid"],
        read: messages::<RoomHistory<Direct>>,
    },
    Row {
        path: "rooms.get",
        needs: &["/update", "/update/*", "/update/*/_id"],
        read: |body| {
            let reply = serde_json::from_value::<ChangedRooms>(body).ok()?;
            Some(
                reply
                    .update
                    .iter()
                    .map(|room| fields!(room.id, room.last_message_at))
                    .collect(),
            )
        },
    },
    Row {
        path: "subscriptions.get",
        needs: &["/update", "/update/*", "/update/*/rid"],
        read: |body| {
            let reply = serde_json::from_value::<SubscriptionsReply>(body).ok()?;
            let read = |room: &Subscription| {
                fields!(
                    room.room_id,
                    room.kind,
                    room.name,
                    room.display_name,
                    room.roles,
                    room.joined_at,
                    room.updated_at
                )
            };
            Some(reply.update.iter().map(read).collect())
        },
    },
    Row {
        path: "chat.getMessage",
        needs: &["/message", "/message/_id", "/message/rid"],
        read: |body| one::<GetMessage>(body, |reply| message(&reply.message)),
    },
    Row {
        path: "settings.public",
        needs: &["/settings", "/settings/*", "/settings/*/_id"],
        read: |body| {
            let reply = serde_json::from_value::<SettingsReply>(body).ok()?;
            Some(
                reply
                    .settings
                    .iter()
                    .map(|setting| fields!(setting.id, setting.value))
                    .collect(),
            )
        },
    },
    Row {
        path: "/api/info",
        needs: &[],
        read: |body| one::<Info>(body, |info| fields!(info.version())),
    },
];

fn recorded() -> Vec<(&'static Row, Value)> {
    let lines = include_str!("replies/recorded.jsonl").lines();
    let recorded: Vec<_> = lines
        .map(|line| {
            let line: Value = serde_json::from_str(line).unwrap();
            let row = ROWS.iter().find(|row| row.path == line["path"]).expect("a row");
            (row, line["body"].clone())
        })
        .collect();
    assert_eq!(recorded.len(), ROWS.len(), "each row has a recording");
    recorded
}

/// The places of all fields and entries below a value.
fn places(value: &Value, at: &str, into: &mut Vec<String>) {
    let below: Vec<(String, &Value)> = match value {
        Value::Object(object) => object.iter().map(|(key, value)| (key.clone(), value)).collect(),
        Value::Array(list) => list
            .iter()
            .enumerate()
            .map(|(i, value)| (i.to_string(), value))
            .collect(),
        _ => return,
    };
    for (key, value) in below {
        let place = format!("{at}/{key}");
        places(value, &place, into);
        into.push(place);
    }
}

/// The place with `*` for each index.
fn pattern(place: &str) -> String {
    let parts = place.split('/').map(|part| match part.parse::<usize>() {
        Ok(_) => "*",
        Err(_) => part,
    });
    parts.collect::<Vec<_>>().join("/")
}

/// The body without a field, with the field under another name, and with other values in it.
fn damaged(body: &Value, place: &str) -> Vec<Value> {
    let (parent, key) = place.rsplit_once('/').unwrap();
    let mut all = Vec::new();
    let mut change = |change: &dyn Fn(&mut Value)| {
        let mut body = body.clone();
        change(body.pointer_mut(parent).unwrap());
        all.push(body);
    };
    change(&|parent| match parent {
        Value::Object(object) => drop(object.remove(key)),
        Value::Array(list) => drop(list.remove(key.parse().unwrap())),
        _ => unreachable!("a place is in an object or a list"),
    });
    change(&|parent| {
        if let Value::Object(object) = parent {
            let value = object.remove(key).unwrap();
            object.insert(format!("{key}2"), value);
        }
    });
    let values = [
        json!(null),
        json!(true),
        json!(-7),
        json!(1.5),
        json!(""),
        json!("x"),
        json!([]),
        json!([[1], {}]),
        json!({}),
        json!({"$date": 1}),
        json!({"$date": "x"}),
        json!({"_id": 7}),
        json!(u64::MAX),
    ];
    for value in values {
        change(&|parent| match parent {
            Value::Object(object) => drop(object.insert(key.to_owned(), value.clone())),
            Value::Array(list) => list[key.parse::<usize>().unwrap()] = value.clone(),
            _ => unreachable!("a place is in an object or a list"),
        });
    }
    all
}

#[test]
fn recorded_replies_are_read() {
    for (row, body) in recorded() {
        let read = (row.read)(body).expect(row.path);
        assert!(!read.is_empty(), "{}", row.path);
        println!("{} {read:?}", row.path);
        let first = read[0][0].trim_matches('"');
        assert!(!first.is_empty() && first != "None", "{}: {first}", row.path);
    }
}

#[test]
fn damage_costs_its_own_field_only() {
    let mut cases = 0;
    for (row, body) in recorded() {
        let whole = (row.read)(body.clone()).unwrap();
        let mut all = Vec::new();
        places(&body, "", &mut all);
        for place in all {
            let needed = row.needs.contains(&pattern(&place).as_str());
            let is_entry = pattern(&place).ends_with("/*");
            for damaged in damaged(&body, &place) {
                cases += 1;
                let read = (row.read)(damaged.clone());
                if needed {
                    // Nothing but that entry goes, or the reply as a whole.
                    let Some(read) = read else { continue };
                    assert!(read.len() <= whole.len());
                    continue;
                }
                let read = read.unwrap_or_else(|| panic!("{} {place}: {damaged}", row.path));
                assert_eq!(read.len(), whole.len(), "{} {place}: {damaged}", row.path);
                let changed: usize = read
                    .iter()
                    .zip(&whole)
                    .map(|(read, whole)| {
                        read.iter()
                            .zip(whole)
                            .filter(|(read, whole)| read != whole)
                            .count()
                    })
                    .sum();
                // An author has three fields, and without its own time a message has that of its last change.
                let most = if pattern(&place).ends_with("/u") { 3 } else { 1 };
                assert!(
                    is_entry || changed <= most,
                    "{} {place}: {damaged}: {read:?}",
                    row.path
                );
            }
        }
    }
    assert!(cases > 1_000, "{cases}");
}

/// Without what names it, an entry of a list is left out, and no other.
#[test]
fn an_entry_without_an_id_costs_no_other() {
    for (row, body) in recorded() {
        let Some(list) = row.needs.iter().find(|need| need.ends_with("/*")) else {
            continue;
        };
        let id = row.needs.last().unwrap().rsplit('/').next().unwrap();
        let list = list.trim_end_matches("/*");
        let whole = (row.read)(body.clone()).unwrap();
        let mut damaged = body.clone();
        let entries = damaged.pointer_mut(list).unwrap().as_array_mut().unwrap();
        entries.insert(0, json!("no object"));
        entries.push(json!({}));
        entries.push({
            let mut entry = entries[1].clone();
            entry[id] = json!(["x"]);
            entry
        });
        assert_eq!((row.read)(damaged), Some(whole), "{}", row.path);
    }
}
