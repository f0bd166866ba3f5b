//! What an earlier process told of a message: not how the message was, but which of its events are done.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::{Content, NEW_MESSAGE_AGE};
use crate::event::wire::{self, Field, Shape, Wire};
use crate::event::{EventKind, Message, Timestamp};

/// The events of a message that are done.
#[derive(Debug)]
pub(super) struct Recalled {
    /// As the message was given first.
    announced: Timestamp,
    edited: Timestamp,
    pinned: Timestamp,
    replied: Timestamp,
    /// Who reacted with what. Nobody, unless it was told.
    reactions: BTreeMap<String, BTreeSet<String>>,
    /// Who has starred it.
    stars: BTreeSet<String>,
    /// Something was told of which the key does not say what it was.
    is_vague: bool,
}

impl Recalled {
    pub(super) fn new(announced: Timestamp) -> Self {
        Self {
            announced,
            edited: announced,
            pinned: announced,
            replied: announced,
            reactions: BTreeMap::new(),
            stars: BTreeSet::new(),
            is_vague: false,
        }
    }

    /// What follows the message's id in the key of an event that is done.
    pub(super) fn note(&mut self, change: &str, revision: Timestamp) {
        let (kind, rest) = change.split_once('/').unwrap_or((change, ""));
        let named = rest.rsplit_once('/').map(|(named, _revision)| named);
        match (kind, named) {
            ("react" | "unreact", Some(named)) => {
                let Some((username, emoji)) = named.rsplit_once('/') else {
                    self.is_vague = true;
                    return;
                };
                let users = self.reactions.entry(emoji.to_owned()).or_default();
                match kind {
                    "react" => users.insert(username.to_owned()),
                    _ => users.remove(username),
                };
            }
            ("star", Some(user_id)) => {
                self.stars.insert(user_id.to_owned());
            }
            ("unstar", Some(user_id)) => {
                self.stars.remove(user_id);
            }
            _ if kind == EventKind::Edited.name() => self.edited = self.edited.max(revision),
            _ if kind == EventKind::Pinned.name() => self.pinned = self.pinned.max(revision),
            _ if kind == EventKind::ThreadUpdate.name() => self.replied = self.replied.max(revision),
            _ if kind == EventKind::Deleted.name() => {}
            _ => self.is_vague = true,
        }
    }

    /// How the message was, as far as it matters for what changed since. Where neither the message nor what was told of
    /// it says when something came about, it was so before.
    pub(super) fn before(&self, message: &Message, now: &Content, is_deleted: bool) -> Content {
        let times: Times<'_> = wire::read(message.json()).unwrap_or_default();
        let is_later = |at: Option<Timestamp>, told: Timestamp| at.is_some_and(|at| at > told);
        // Old versions set `editedAt` when a message is pinned.
        let is_edited = is_later(now.edited_at, self.edited.max(self.pinned));
        let is_pinned_since = is_later(times.pinned_at.timestamp(), self.pinned);
        let has_reply = is_later(times.tlm.timestamp(), self.replied);
        // What was there when the message was given was not told by itself.
        let is_known =
            !self.is_vague && self.announced.saturating_since(message.created_at()) <= NEW_MESSAGE_AGE;
        Content {
            edited_at: now.edited_at.filter(|_| !is_edited),
            reactions: match is_known {
                true => self.reactions(),
                false => now.reactions.clone(),
            },
            is_pinned: now.is_pinned != is_pinned_since,
            starred: match is_known {
                true => self.starred(),
                false => now.starred.clone(),
            },
            is_deleted,
            reply_count: match has_reply {
                true => now.reply_count.wrapping_sub(1),
                false => now.reply_count,
            },
            discussion_count: now.discussion_count,
        }
    }

    fn reactions(&self) -> Option<Box<str>> {
        let some = self.reactions.iter().filter(|(_, users)| !users.is_empty());
        let entries: serde_json::Map<_, _> = some
            .map(|(emoji, users)| (emoji.clone(), serde_json::json!({ "usernames": users })))
            .collect();
        (!entries.is_empty()).then(|| serde_json::Value::from(entries).to_string().into())
    }

    fn starred(&self) -> Option<Box<str>> {
        let entries: Vec<_> = self
            .stars
            .iter()
            .map(|user_id| serde_json::json!({ "_id": user_id }))
            .collect();
        (!entries.is_empty()).then(|| serde_json::Value::from(entries).to_string().into())
    }
}

/// When what happened to a message.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Times<'a> {
    #[serde(borrow, rename = "pinnedAt")]
    pinned_at: Shape<'a>,
    /// The last reply in its thread.
    #[serde(borrow)]
    tlm: Shape<'a>,
}

impl<'a> Wire<'a> for Times<'a> {
    fn field(&mut self, name: &str) -> Option<Field<'_, 'a>> {
        Some(Field::Shape(match name {
            "pinnedAt" => &mut self.pinned_at,
            "tlm" => &mut self.tlm,
            _ => return None,
        }))
    }
}
