//! What a new message counts up: threads, discussions, the unread numbers of the others.

use serde_json::{Value, json};

use super::{State, date, rooms::RoomKind};

impl State {
    /// The parent of a thread is sent again with its new counters.
    pub(super) fn count_reply(&mut self, parent: &str, author: &str, ts: i64) {
        let found = self.modify(parent, |doc| {
            let count = doc.get("tcount").and_then(Value::as_u64).unwrap_or(0) + 1;
            doc.insert("tcount".into(), json!(count));
            doc.insert("tlm".into(), date(ts));
            let replies = doc.entry("replies").or_insert_with(|| json!([]));
            if let Some(list) = replies.as_array_mut().filter(|l| !l.contains(&json!(author))) {
                list.push(json!(author));
            }
        });
        if found {
            self.publish(parent);
        }
    }

    /// The announcement of a discussion counts what is written there.
    pub(super) fn count_in_discussion(&mut self, rid: &str, ts: i64) {
        let Some(parent) = self.rooms.get(rid).and_then(|room| room.parent.clone()) else {
            return;
        };
        let announcement = self
            .room_messages(&parent)
            .find(|message| message.text("drid") == Some(rid))
            .map(|message| message.id.clone());
        let Some(announcement) = announcement else { return };
        self.modify(&announcement, |doc| {
            let count = doc.get("dcount").and_then(Value::as_u64).unwrap_or(0) + 1;
            doc.insert("dcount".into(), json!(count));
            doc.insert("dlm".into(), date(ts));
        });
        self.publish(&announcement);
    }

    /// Unread counters of everybody else in the room.
    pub(super) fn count_unread(&mut self, rid: &str, id: &str, author: &str) {
        let Some(message) = self.messages.get(id) else {
            return;
        };
        let mentioned: Vec<String> = message
            .doc
            .get("mentions")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(|mention| mention.get("_id")?.as_str().map(str::to_owned))
            .collect();
        let in_thread = message.doc.contains_key("tmid");
        let everybody = mentioned.iter().any(|id| matches!(id.as_str(), "all" | "here"));
        let Some(room) = self.rooms.get_mut(rid) else {
            return;
        };
        let direct = room.kind == RoomKind::Direct;
        let ts = room.last.unwrap_or_default();
        let mut changed = Vec::new();
        for (uid, member) in &mut room.members {
            if uid == author {
                member.alert = false;
                member.unread = 0;
                member.mentions = 0;
                member.group_mentions = 0;
                member.seen = Some(ts);
                if in_thread {
                    member.replied = Some(ts);
                }
            } else {
                let named = mentioned.contains(uid);
                member.alert = true;
                member.unread += u64::from(direct || named || everybody);
                member.mentions += u64::from(named);
                member.group_mentions += u64::from(everybody);
            }
            member.updated = ts.max(member.updated + 1);
            changed.push(uid.clone());
        }
        for uid in changed {
            self.notify_subscription(rid, &uid);
            if uid != author {
                self.notify_desktop(rid, &uid, id);
            }
        }
    }
}
