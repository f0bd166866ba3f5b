//! What changed between two sightings of a message: the server sends how it is now, the difference is what happened.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::Events;
use crate::event::{Event, Message, Reaction, Starred, UserId};

/// Who reacts with what. An entry that can not be read has no users: nothing is known of it.
type Reactions = BTreeMap<String, Option<Vec<String>>>;

/// `None` where nothing can be read.
fn read_reactions(json: Option<&str>) -> Option<Reactions> {
    #[derive(Deserialize)]
    struct Users {
        #[serde(default)]
        usernames: Vec<String>,
    }
    let Some(json) = json else {
        return Some(Reactions::new());
    };
    let entries: BTreeMap<String, &RawValue> = serde_json::from_str(json).ok()?;
    let users = |raw: &RawValue| {
        serde_json::from_str::<Users>(raw.get())
            .ok()
            .map(|users| users.usernames)
    };
    Some(
        entries
            .into_iter()
            .map(|(emoji, raw)| (emoji, users(raw)))
            .collect(),
    )
}

/// The server sends who reacts with what now; the difference is what happened. What can not be read says nothing about
/// the rest, nor that anybody took a reaction back.
pub(super) fn reactions(
    message: &Arc<Message>,
    before: Option<&str>,
    now: Option<&str>,
    events: &mut Events,
) {
    let (Some(before), Some(now)) = (read_reactions(before), read_reactions(now)) else {
        return;
    };
    let is_unknown = |emoji: &String| {
        [&before, &now]
            .iter()
            .any(|reactions| reactions.get(emoji).is_some_and(Option::is_none))
    };
    let pairs = |reactions: &Reactions| -> BTreeSet<(String, String)> {
        reactions
            .iter()
            .filter(|(emoji, _)| !is_unknown(emoji))
            .flat_map(|(emoji, users)| users.iter().flatten().map(|user| (emoji.clone(), user.clone())))
            .collect()
    };
    let (before, now) = (pairs(&before), pairs(&now));
    let mut push = |(emoji, username): &(String, String), is_added| {
        events.push(Event::Reaction(Arc::new(Reaction::new(
            Arc::clone(message),
            emoji,
            username,
            is_added,
        ))));
    };
    for gone in before.difference(&now) {
        push(gone, false);
    }
    for new in now.difference(&before) {
        push(new, true);
    }
}

/// Who has starred it; `None` where that can not be read.
fn read_stars(json: Option<&str>) -> Option<BTreeSet<String>> {
    #[derive(Deserialize)]
    struct Star {
        #[serde(rename = "_id")]
        id: String,
    }
    let Some(json) = json else {
        return Some(BTreeSet::new());
    };
    let entries: Vec<&RawValue> = serde_json::from_str(json).ok()?;
    let read = |raw: &&RawValue| serde_json::from_str::<Star>(raw.get()).ok();
    entries.iter().map(|raw| read(raw).map(|star| star.id)).collect()
}

/// Stars that were given or taken away. Nothing where one of them can not be read.
pub(super) fn stars(message: &Arc<Message>, before: Option<&str>, now: Option<&str>, events: &mut Events) {
    let (Some(before), Some(now)) = (read_stars(before), read_stars(now)) else {
        return;
    };
    let mut push = |user_id: &String, is_starred| {
        let star = Starred::new(Arc::clone(message), UserId::from(user_id.as_str()), is_starred);
        events.push(Event::Starred(Arc::new(star)));
    };
    for gone in before.difference(&now) {
        push(gone, false);
    }
    for new in now.difference(&before) {
        push(new, true);
    }
}
