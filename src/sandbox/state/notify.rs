//! Stream frames: who gets what when something changes.

use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Utf8Bytes;

use super::{
    State, date, random_id,
    session::{StreamFrame, Subscription},
};
use crate::sandbox::{ddp::frame, observe::SandboxMessage};

/// The event that carries the messages of every room that the user may read.
pub(crate) const MY_MESSAGES: &str = "__my_messages__";
const ROOM_MESSAGES: &str = "stream-room-messages";
const NOTIFY_USER: &str = "stream-notify-user";

impl State {
    fn has_listener(&self, stream: &str, event: &str) -> bool {
        let fits = |sub: &Subscription| sub.stream == stream && sub.event == event;
        self.sessions
            .values()
            .any(|session| session.subs.iter().any(fits))
    }

    /// One event to every subscription of it.
    pub(crate) fn emit(&mut self, stream: &str, event: &str, args: &Value) {
        self.emit_except(stream, event, args, None);
    }

    pub(crate) fn emit_except(&mut self, stream: &str, event: &str, args: &Value, except: Option<u64>) {
        if !self.has_listener(stream, event) {
            return;
        }
        let frame = frame::changed(stream, event, args);
        let mut deliveries = Vec::new();
        for session in self
            .sessions
            .values()
            .filter(|session| Some(session.id) != except)
        {
            let fits = |sub: &&Subscription| sub.stream == stream && sub.event == event;
            let times = session.subs.iter().filter(fits).count();
            deliveries.extend(std::iter::repeat_n((session.id, frame.clone()), times));
        }
        self.stream(None, deliveries);
    }

    /// The presence of a user, to those who watch it.
    pub(crate) fn emit_presence(&mut self, uid: &str, args: &Value) {
        const STREAM: &str = "stream-user-presence";
        let watches = |session: &&super::session::Session| {
            session.watched.contains(uid) && session.subs.iter().any(|sub| sub.stream == STREAM)
        };
        let watching: Vec<u64> = self
            .sessions
            .values()
            .filter(watches)
            .map(|session| session.id)
            .collect();
        if watching.is_empty() {
            return;
        }
        // Here the id is that of the user, unlike in all other streams.
        let fields = json!({ "uid": uid, "eventName": uid, "args": args });
        let frame = json!({ "msg": "changed", "collection": STREAM, "id": uid, "fields": fields });
        let frame = frame::text(&frame);
        self.stream(None, watching.into_iter().map(|id| (id, frame.clone())).collect());
    }

    /// The whole message, without saying why, to everybody who may read it.
    pub(crate) fn publish(&mut self, id: &str) {
        let Some(message) = self.messages.get(id) else {
            return;
        };
        let Some(room) = self.rooms.get(&message.rid) else {
            return;
        };
        let doc = Value::Object(message.doc.clone());
        let mut by_room: Option<Utf8Bytes> = None;
        let mut mine: [Option<Utf8Bytes>; 2] = [None, None];
        let mut deliveries: Vec<(u64, Utf8Bytes)> = Vec::new();
        for session in self.sessions.values() {
            let Some(uid) = session.uid.as_deref() else {
                continue;
            };
            for sub in session.subs.iter().filter(|sub| sub.stream == ROOM_MESSAGES) {
                if sub.event == room.id && self.can_preview(uid, room) {
                    let frame =
                        by_room.get_or_insert_with(|| frame::changed(ROOM_MESSAGES, &room.id, &json!([doc])));
                    deliveries.push((session.id, frame.clone()));
                } else if sub.event == MY_MESSAGES && self.can_access(uid, room) {
                    let member = room.members.contains_key(uid);
                    let frame = mine[usize::from(member)].get_or_insert_with(|| {
                        let mut about = json!({ "roomParticipant": member, "roomType": room.kind.letter() });
                        if let (Some(name), Some(object)) = (&room.name, about.as_object_mut()) {
                            object.insert("roomName".into(), json!(name));
                        }
                        frame::changed(ROOM_MESSAGES, MY_MESSAGES, &json!([doc, about]))
                    });
                    deliveries.push((session.id, frame.clone()));
                }
            }
        }
        let room = room.id.clone();
        self.stream(Some(&room), deliveries);
    }

    /// Sends stream frames to connections, with the faults that are switched on.
    fn stream(&mut self, room: Option<&str>, deliveries: Vec<(u64, Utf8Bytes)>) {
        if self.faults.lose {
            self.faults.count("frame lost", deliveries.len());
            return;
        }
        let times = if self.faults.duplicate { 2 } else { 1 };
        for (id, text) in deliveries {
            self.show_frame(id, "out", &text);
            let Some(session) = self.sessions.get_mut(&id) else {
                continue;
            };
            let room = room.map(str::to_owned);
            let overtakes = session.stream(StreamFrame { text, room, times }, self.faults.reorder);
            self.faults.count("frame doubled", times - 1);
            self.faults.count("frame out of order", usize::from(overtakes));
        }
    }

    /// Tells the observers of the sandbox about a new message.
    pub(crate) fn announce(&self, id: &str) {
        if let Some(message) = self.messages.get(id) {
            // Nobody may be listening; that is no fault.
            let _ = self.feed.send(SandboxMessage::new(message));
        }
        self.touch();
    }

    pub(crate) fn notify_user(&mut self, uid: &str, event: &str, args: impl FnOnce(&Self) -> Option<Value>) {
        let event = format!("{uid}/{event}");
        let args = if self.has_listener(NOTIFY_USER, &event) {
            args(self)
        } else {
            None
        };
        if let Some(args) = args {
            self.emit(NOTIFY_USER, &event, &args);
        }
    }

    /// A message that only one user sees and nobody stores: errors mostly.
    pub(crate) fn ephemeral(&mut self, uid: &str, rid: &str, text: &str) {
        self.notify_user(uid, "message", |state| {
            Some(json!([{
                "_id": random_id(),
                "rid": rid,
                "ts": date(state.now()),
                "msg": text,
                "u": { "_id": "rocket.cat", "username": "rocket.cat" },
                "private": true,
            }]))
        });
    }

    fn room_args(&self, rid: &str, action: &str) -> Option<Value> {
        Some(json!([action, self.room_in_list(self.rooms.get(rid)?)]))
    }

    fn subscription_args(&self, rid: &str, uid: &str, action: &str) -> Option<Value> {
        let room = self.rooms.get(rid)?;
        Some(json!([
            action,
            self.subscription_json(room, uid, room.members.get(uid)?)
        ]))
    }

    /// The room changed: every member hears it.
    pub(crate) fn notify_room(&mut self, rid: &str) {
        let Some(room) = self.rooms.get(rid) else { return };
        let members: Vec<String> = room.members.keys().cloned().collect();
        for uid in members {
            self.notify_user(&uid, "rooms-changed", |state| state.room_args(rid, "updated"));
        }
        let listened = self.has_listener("stream-room-data", rid);
        let room = self
            .rooms
            .get(rid)
            .filter(|_| listened)
            .map(|room| self.room_json(room));
        if let Some(room) = room {
            self.emit("stream-room-data", rid, &json!([room]));
        }
    }

    pub(crate) fn notify_subscription(&mut self, rid: &str, uid: &str) {
        self.notify_user(uid, "subscriptions-changed", |state| {
            state.subscription_args(rid, uid, "updated")
        });
    }

    pub(crate) fn notify_membership(&mut self, rid: &str, uid: &str, action: &str) {
        self.notify_user(uid, "subscriptions-changed", |state| {
            state.subscription_args(rid, uid, action)
        });
        // New to this user: all of the room.
        self.notify_user(uid, "rooms-changed", |state| {
            Some(json!([action, state.room_json(state.rooms.get(rid)?)]))
        });
    }

    pub(crate) fn notify_removal(&mut self, rid: &str, uid: &str, sub: &str) {
        self.notify_user(uid, "subscriptions-changed", |state| {
            let room = state.rooms.get(rid)?;
            let user = state.users.get(uid)?.author();
            Some(json!(["removed", { "_id": sub, "rid": rid, "u": user, "t": room.kind.letter() }]))
        });
        // Nothing about the room, which is still there.
    }

    /// The desktop notification, sent for every message in the default set-up.
    pub(crate) fn notify_desktop(&mut self, rid: &str, uid: &str, id: &str) {
        self.notify_user(uid, "notification", |state| {
            let (room, message) = (state.rooms.get(rid)?, state.messages.get(id)?);
            let sender = state.users.get(message.author())?;
            let msg = message.text("msg").unwrap_or_default();
            let (title, text) = match &room.name {
                Some(name) => (format!("#{name}"), format!("{}: {msg}", sender.username)),
                None => (sender.username.clone(), msg.to_owned()),
            };
            let mut payload = json!({
                "_id": id,
                "rid": rid,
                "sender": sender.author(),
                "type": room.kind.letter(),
                "message": { "msg": msg },
            });
            if let Some(object) = payload.as_object_mut() {
                if let Some(name) = &room.name {
                    object.insert("name".into(), json!(name));
                }
                if let Some(tmid) = message.text("tmid") {
                    object.insert("tmid".into(), json!(tmid));
                }
            }
            Some(json!([{ "title": title, "text": text, "payload": payload }]))
        });
    }
}
