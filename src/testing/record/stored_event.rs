//! An event as a line holds it: messages as the server sent them, and beside them what the server said about the room.

use std::sync::Arc;
use std::time::Duration;

use bytestring::ByteString;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::event::{
    CustomEvent, Deleted, Edited, Event, EventKind, Membership, Message, Pinned, RawEvent, Reaction,
    Reconnected, Room, RoomKind, Scheduled, Starred, ThreadUpdate, Timestamp, Typing, Updated,
};

/// An event, complete enough to be delivered again.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct StoredEvent {
    /// As [`EventKind::name`] says it.
    pub(crate) kind: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) room: Option<StoredRoom>,
    /// The message object of the server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) message: Option<Value>,
    /// What the kind has besides.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub(crate) more: Map<String, Value>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct StoredRoom {
    pub(crate) id: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) kind: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) is_unjoined: bool,
}

impl StoredRoom {
    fn of(room: &Room) -> Self {
        Self {
            id: room.id().to_string(),
            kind: room.kind().letter().to_owned(),
            name: room.name().map(str::to_owned),
            is_unjoined: !room.is_member(),
        }
    }

    fn restore(&self) -> Room {
        let room = Room::new(self.id.clone(), RoomKind::from_letter(Some(&self.kind)));
        match &self.name {
            Some(name) => room.with_name(name.clone()),
            None => room,
        }
        .joined(!self.is_unjoined)
    }
}

/// What stands in `more`, by the name of the field.
const MESSAGE_ID: &str = "message_id";
const ROOM_ID: &str = "room_id";
const THREAD_ID: &str = "thread_id";
const BEFORE: &str = "before";
const IS_VERIFIED: &str = "is_verified";
const USER_ID: &str = "user_id";
const EMOJI: &str = "emoji";
const USERNAME: &str = "username";
const IS_ON: &str = "is_on";
const KEY: &str = "key";
const NAME: &str = "name";
pub(super) const PAYLOAD: &str = "payload";
const DUE_MS: &str = "due_ms";
const ID: &str = "id";
const GAP_MS: &str = "gap_ms";
const SKIPPED: &str = "skipped";
const COLLECTION: &str = "collection";
const EVENT_NAME: &str = "event_name";
const ARGS: &str = "args";
/// Of these, what holds ids and names.
pub(super) const OWN_IDS: &[&str] = &[MESSAGE_ID, ROOM_ID, THREAD_ID, USER_ID, EMOJI, USERNAME, KEY];

impl StoredEvent {
    pub(crate) fn of(event: &Event) -> Self {
        let more = match event {
            Event::Deleted(deleted) => json!({
                MESSAGE_ID: deleted.message_id(),
                ROOM_ID: deleted.room_id(),
                BEFORE: deleted.before(),
            }),
            Event::Edited(edited) => match edited.before() {
                Some(text) => json!({ BEFORE: text }),
                None => json!({}),
            },
            Event::System(message) if message.is_verified() => json!({ IS_VERIFIED: true }),
            Event::Starred(star) => json!({
                USER_ID: star.user_id(),
                IS_ON: star.is_starred(),
            }),
            Event::Reaction(reaction) => json!({
                EMOJI: reaction.emoji(),
                USERNAME: reaction.username(),
                IS_ON: reaction.is_added(),
            }),
            Event::RoomJoined(membership) | Event::RoomLeft(membership) => json!({
                KEY: membership.key(),
                IS_VERIFIED: membership.is_verified(),
            }),
            Event::Typing(typing) => json!({
                ROOM_ID: typing.room_id(),
                THREAD_ID: typing.thread_id(),
                USERNAME: typing.username(),
                IS_ON: typing.is_typing(),
            }),
            Event::Reconnected(reconnected) => json!({
                GAP_MS: u64::try_from(reconnected.gap().as_millis()).unwrap_or(u64::MAX),
                SKIPPED: reconnected.skipped(),
            }),
            Event::Custom(custom) => json!({
                NAME: custom.name(),
                KEY: custom.key(),
                ROOM_ID: custom.room_id(),
                PAYLOAD: payload(custom),
            }),
            Event::Scheduled(scheduled) => json!({
                NAME: scheduled.job(),
                DUE_MS: scheduled.due().as_millis(),
                ID: scheduled.id(),
                ROOM_ID: scheduled.room_id(),
                PAYLOAD: scheduled.payload(),
            }),
            Event::Raw(raw) => json!({
                COLLECTION: raw.collection(),
                EVENT_NAME: raw.event_name(),
                ARGS: serde_json::from_str::<Value>(raw.args()).unwrap_or_else(|_| json!(raw.args())),
                KEY: raw.key(),
            }),
            _ => json!({}),
        };
        Self {
            kind: event.kind().name().to_owned(),
            room: event.room().map(StoredRoom::of),
            message: event.message().map(|message| message_json(message)),
            more: match more {
                Value::Object(more) => more,
                _ => Map::new(),
            },
        }
    }

    /// The event again. `Err` says what is missing.
    pub(crate) fn restore(&self) -> Result<Event, String> {
        let kind = EventKind::ALL.into_iter().find(|kind| kind.name() == self.kind);
        let kind = kind.ok_or_else(|| format!("an event of the unknown kind {:?}", self.kind))?;
        Ok(match kind {
            EventKind::Message => Event::Message(self.message()?),
            EventKind::Livechat => Event::Livechat(self.message()?),
            EventKind::Encrypted => Event::Encrypted(self.message()?),
            EventKind::System => Event::System(self.message()?),
            EventKind::Edited => Event::Edited(Arc::new(match self.optional(BEFORE) {
                Some(text) => Edited::new(self.message()?).with_before(text),
                None => Edited::new(self.message()?),
            })),
            EventKind::Starred => Event::Starred(Arc::new(Starred::new(
                self.message()?,
                self.text(USER_ID)?,
                self.is_on()?,
            ))),
            EventKind::Pinned => Event::Pinned(Arc::new(Pinned::new(self.message()?))),
            EventKind::ThreadUpdate => Event::ThreadUpdate(Arc::new(ThreadUpdate::new(self.message()?))),
            EventKind::Updated => Event::Updated(Arc::new(Updated::new(self.message()?))),
            EventKind::Deleted => {
                let deleted = match &self.message {
                    Some(_) => Deleted::of_message(self.message()?),
                    None => Deleted::new(self.text(MESSAGE_ID)?.into(), self.text(ROOM_ID)?.into()),
                };
                Event::Deleted(Arc::new(match self.optional(BEFORE) {
                    Some(text) => deleted.with_before(text),
                    None => deleted,
                }))
            }
            EventKind::Reaction => Event::Reaction(Arc::new(Reaction::new(
                self.message()?,
                self.text(EMOJI)?,
                self.text(USERNAME)?,
                self.is_on()?,
            ))),
            EventKind::RoomJoined => Event::RoomJoined(self.membership()?),
            EventKind::RoomLeft => Event::RoomLeft(self.membership()?),
            EventKind::Typing => {
                let room_id = self.text(ROOM_ID)?.into();
                let typing = Typing::new(room_id, self.text(USERNAME)?, self.is_on()?);
                Event::Typing(Arc::new(match self.optional(THREAD_ID) {
                    Some(thread_id) => typing.in_thread(thread_id),
                    None => typing,
                }))
            }
            EventKind::Ready => Event::Ready,
            EventKind::Close => Event::Close,
            EventKind::Reconnected => {
                let gap = Duration::from_millis(self.number(GAP_MS)?);
                Event::Reconnected(Reconnected::new(gap).with_skipped(self.number(SKIPPED)?))
            }
            EventKind::Custom => self.custom()?,
            EventKind::Scheduled => self.scheduled()?,
            EventKind::Raw => {
                let args = self.more.get(ARGS).ok_or("a raw event without `args`")?;
                let [collection, event_name] =
                    [self.text(COLLECTION)?, self.text(EVENT_NAME)?].map(ByteString::from);
                let raw = RawEvent::from_slices(collection, event_name, args.to_string().into());
                Event::Raw(Arc::new(raw.with_key(self.text(KEY)?)))
            }
        })
    }

    /// Whether everything is there; a payload that is not recorded is no damage.
    pub(crate) fn check(&self) -> Result<(), String> {
        if self.kind == EventKind::Custom.name() {
            return self.text(NAME).and(self.text(KEY)).map(drop);
        }
        self.restore().map(drop)
    }

    fn field(&self, name: &str) -> Result<&Value, String> {
        let field = self.more.get(name);
        field.ok_or_else(|| format!("an event of the kind {:?} without `{name}`", self.kind))
    }

    fn text(&self, name: &str) -> Result<String, String> {
        let text = self.field(name)?.as_str();
        text.map(str::to_owned)
            .ok_or_else(|| format!("`{name}` is no text"))
    }

    fn optional(&self, name: &str) -> Option<&str> {
        self.more.get(name)?.as_str()
    }

    fn is_verified(&self) -> bool {
        self.more.get(IS_VERIFIED) == Some(&Value::Bool(true))
    }

    fn number(&self, name: &str) -> Result<u64, String> {
        let number = self.field(name)?.as_u64();
        number.ok_or_else(|| format!("`{name}` is no number"))
    }

    fn is_on(&self) -> Result<bool, String> {
        let is_on = self.field(IS_ON)?.as_bool();
        is_on.ok_or_else(|| format!("`{IS_ON}` is neither true nor false"))
    }

    fn message(&self) -> Result<Arc<Message>, String> {
        let json = self
            .message
            .as_ref()
            .ok_or_else(|| format!("an event of the kind {:?} without `message`", self.kind))?;
        let room = self.room.as_ref().map(StoredRoom::restore);
        let message = Message::from_json(&json.to_string()).map_err(|error| error.to_string())?;
        let message = match room {
            Some(room) => message.in_room(room),
            None => message,
        };
        Ok(Arc::new(match self.is_verified() {
            true => message.verified(),
            false => message,
        }))
    }

    fn membership(&self) -> Result<Arc<Membership>, String> {
        let room = self.room.as_ref().ok_or("a membership without `room`")?;
        let membership = Membership::with_key(room.restore(), self.text(KEY)?);
        Ok(Arc::new(match self.is_verified() {
            true => membership.verified(),
            false => membership,
        }))
    }

    fn scheduled(&self) -> Result<Event, String> {
        let due = self.field(DUE_MS)?.as_i64();
        let due = due.ok_or_else(|| format!("`{DUE_MS}` is no number"))?;
        let mut scheduled = Scheduled::new(self.text(NAME)?, Timestamp::from_millis(due))
            .with_payload(self.more.get(PAYLOAD).cloned().unwrap_or_default());
        if let Some(id) = self.more.get(ID).and_then(Value::as_str) {
            scheduled = scheduled.with_id(id);
        }
        if let Some(room_id) = self.more.get(ROOM_ID).and_then(Value::as_str) {
            scheduled = scheduled.in_room(room_id);
        }
        Ok(Event::Scheduled(Arc::new(scheduled)))
    }

    fn custom(&self) -> Result<Event, String> {
        let name = self.text(NAME)?;
        let Some(Value::Object(payload)) = self.more.get(PAYLOAD) else {
            return Err(format!(
                "the event {name:?} had a payload of a type that is not recorded: only texts, `serde_json::Value` and \
                 `()` are"
            ));
        };
        let event = match payload.iter().next() {
            Some((kind, Value::String(text))) if kind == "string" => CustomEvent::new(name, text.clone()),
            Some((kind, Value::String(text))) if kind == "str" => {
                // Handlers ask for `&'static str`: what a recording holds is read once, and is not much.
                let text: &'static str = Box::leak(text.clone().into_boxed_str());
                CustomEvent::new(name, text)
            }
            Some((kind, value)) if kind == "json" => CustomEvent::new(name, value.clone()),
            _ => CustomEvent::new(name, ()),
        };
        let event = event.with_key(self.text(KEY)?);
        Ok(Event::Custom(Arc::new(
            match self.more.get(ROOM_ID).and_then(Value::as_str) {
                Some(room_id) => event.in_room(room_id),
                None => event,
            },
        )))
    }
}

/// The payloads that can be stored, with their type; null for any other.
fn payload(event: &CustomEvent) -> Value {
    if let Some(text) = event.payload::<String>() {
        json!({ "string": text })
    } else if let Some(text) = event.payload::<&'static str>() {
        json!({ "str": text })
    } else if let Some(value) = event.payload::<Value>() {
        json!({ "json": value })
    } else if event.payload::<()>().is_some() {
        json!({ "nothing": null })
    } else {
        Value::Null
    }
}

/// The message object as the server sent it; of a message that a program made, as a server would have.
fn message_json(message: &Message) -> Value {
    let sent = serde_json::from_str::<Value>(message.json()).ok();
    if let Some(Value::Object(object)) = sent
        && object.contains_key("_id")
    {
        return Value::Object(object);
    }
    let date = |at: Timestamp| json!({ "$date": at.as_millis() });
    let author = message.author();
    let mut user = json!({ "_id": author.id(), "username": author.username() });
    if let (Some(name), Some(user)) = (author.name(), user.as_object_mut()) {
        user.insert("name".to_owned(), json!(name));
    }
    let mut object = Map::from_iter([
        ("_id".to_owned(), json!(message.id())),
        ("rid".to_owned(), json!(message.room().id())),
        ("msg".to_owned(), json!(message.text())),
        ("ts".to_owned(), date(message.created_at())),
        ("u".to_owned(), user),
    ]);
    let optional = [
        ("_updatedAt", message.updated_at().map(date)),
        ("editedAt", message.edited_at().map(date)),
        ("tmid", message.thread_id().map(|id| json!(id))),
        ("t", message.system_type().map(|kind| json!(kind))),
        ("alias", message.alias().map(|alias| json!(alias))),
        ("bot", message.is_bot().then(|| json!({ "i": "bot" }))),
        ("pinned", message.is_pinned().then_some(Value::Bool(true))),
        (
            "tcount",
            (message.reply_count() > 0).then(|| json!(message.reply_count())),
        ),
    ];
    object.extend(
        optional
            .into_iter()
            .filter_map(|(name, value)| Some((name.to_owned(), value?))),
    );
    Value::Object(object)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::events;

    fn all() -> Vec<Event> {
        let ann = events::ann();
        vec![
            events::message("hi"),
            events::direct_message("hi"),
            events::thread_message("m1", "hi"),
            events::bot_message("hi"),
            events::livechat("hi"),
            events::encrypted(),
            events::system("uj"),
            events::edited("hi"),
            events::deleted("m"),
            events::reaction(":+1:"),
            events::reaction_removed(":+1:"),
            events::pinned("hi"),
            events::starred("hi"),
            events::thread_update("hi"),
            events::updated("hi"),
            events::room_joined(events::general()),
            events::room_left(events::direct_room(&ann)),
            events::typing(true),
            events::ready(),
            events::reconnected(Duration::from_millis(1500)),
            events::close(),
            events::custom("deployed", "v1".to_owned()),
            events::custom("deployed", "v1"),
            events::custom("deployed", json!({ "version": 1 })),
            events::custom("deployed", ()),
            events::raw("stream-notify-logged", "user-status", r#"[{"a":1}]"#),
        ]
    }

    #[test]
    fn every_kind_of_event_comes_back_as_it_was() {
        for event in all() {
            let stored = StoredEvent::of(&event);
            let text = serde_json::to_string(&stored).unwrap();
            let read: StoredEvent = serde_json::from_str(&text).unwrap();
            assert_eq!(read, stored);
            let restored = read.restore().unwrap();
            assert_eq!(StoredEvent::of(&restored), stored);
            assert_eq!(restored.kind(), event.kind());
            assert_eq!(restored.own_key(), event.own_key());
            assert_eq!(restored.room(), event.room());
            assert_eq!(restored.author(), event.author());
            assert_eq!(restored.thread_id(), event.thread_id());
        }
    }

    #[test]
    fn payloads_keep_their_type() {
        let again = |event: Event| match StoredEvent::of(&event).restore() {
            Ok(Event::Custom(event)) => event,
            other => panic!("{other:?}"),
        };
        assert_eq!(
            again(events::custom("a", "v1".to_owned()))
                .payload::<String>()
                .unwrap(),
            "v1"
        );
        assert_eq!(
            again(events::custom("a", "v1")).payload::<&'static str>(),
            Some(&"v1")
        );
        assert_eq!(again(events::custom("a", ())).payload::<()>(), Some(&()));
        let other = StoredEvent::of(&events::custom("a", 7_u64)).restore();
        assert!(other.unwrap_err().contains("not recorded"));
    }

    #[test]
    fn what_the_server_sent_is_kept_whole() {
        let json = r#"{"_id":"m1","rid":"GENERAL","msg":"hi","u":{"_id":"uA","username":"ann"},"new":{"field":[1]}}"#;
        let event = Event::from(Message::from_json(json).unwrap());
        let restored = StoredEvent::of(&event).restore().unwrap();
        let field = restored.message().unwrap().field::<Value>("new").unwrap();
        assert_eq!(field, Some(json!({ "field": [1] })));
    }

    #[test]
    fn what_is_missing_is_named() {
        let mut stored = StoredEvent::of(&events::reaction(":+1:"));
        stored.more.remove("emoji");
        assert!(stored.restore().unwrap_err().contains("without `emoji`"));
        stored.message = None;
        assert!(stored.restore().unwrap_err().contains("without `message`"));
        stored.kind = "telepathy".to_owned();
        assert!(stored.restore().unwrap_err().contains("telepathy"));
    }
}
