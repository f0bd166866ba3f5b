//! One listener for each event, with its extractor: what it hears it says in one line.

use std::sync::Arc;

use rocketbotte::Router;
use rocketbotte::event::{
    Deleted, Edited, EventKind, Membership, Message, Pinned, RawEvent, Reaction, Starred, SystemMessage,
    ThreadUpdate, Typing, Updated,
};
use rocketbotte::extract::Author;
use rocketbotte::handler::route;

async fn message(message: Arc<Message>) -> String {
    format!("{} in a {}", message.text(), message.room().kind())
}

async fn system(system: SystemMessage, author: Author) -> String {
    format!("{system:?} by {}", author.username())
}

async fn edited(edit: Arc<Edited>) -> String {
    format!("{:?} became {:?}", edit.before(), edit.message().text())
}

async fn deleted(deletion: Arc<Deleted>) -> String {
    let trace = deletion.message().map_or("no trace", |_| "a trace");
    format!("{:?} is gone, with {trace}", deletion.before())
}

async fn reaction(reaction: Arc<Reaction>) -> String {
    let verb = if reaction.is_added() {
        "reacts"
    } else {
        "takes back"
    };
    format!("{} {verb} {}", reaction.username(), reaction.emoji())
}

async fn pinned(pin: Arc<Pinned>) -> String {
    format!("{:?} pinned: {}", pin.message().text(), pin.is_pinned())
}

async fn starred(star: Arc<Starred>) -> String {
    format!("{:?} starred: {}", star.message().text(), star.is_starred())
}

async fn thread(update: Arc<ThreadUpdate>) -> String {
    format!(
        "{:?} has {} replies",
        update.message().text(),
        update.reply_count()
    )
}

async fn updated(update: Arc<Updated>) -> String {
    format!("{:?} changed", update.message().text())
}

async fn membership(membership: Arc<Membership>) -> String {
    let room = membership.room();
    format!("{} {}", room.name().unwrap_or("a room"), room.kind())
}

async fn typing(typing: Arc<Typing>) -> String {
    let verb = if typing.is_typing() { "types" } else { "stops" };
    let place = typing
        .thread_id()
        .map_or_else(String::new, |id| format!(" in {id}"));
    format!("{} {verb}{place}", typing.username())
}

async fn raw(event: Arc<RawEvent>) -> String {
    let name = event.event_name();
    let name = name.rsplit_once('/').map_or(name, |(_, name)| name);
    format!("{} {name}", event.collection())
}

/// The listener for a kind of event.
pub(crate) fn listener(kind: EventKind) -> Router {
    let router = Router::new();
    match kind {
        EventKind::Message => router.on(kind, route(message).from_bots()),
        EventKind::Livechat | EventKind::Encrypted => router.on(kind, message),
        // The sandbox says in the bot's name what nobody else could have done.
        EventKind::System => router.on(kind, route(system).from_bots()),
        EventKind::Edited => router.on(kind, edited),
        EventKind::Deleted => router.on(kind, deleted),
        EventKind::Reaction => router.on(kind, reaction),
        EventKind::Pinned => router.on(kind, pinned),
        EventKind::Starred => router.on(kind, starred),
        EventKind::ThreadUpdate => router.on(kind, thread),
        EventKind::Updated => router.on(kind, updated),
        EventKind::RoomJoined | EventKind::RoomLeft => router.on(kind, membership),
        EventKind::Typing => router.on(kind, typing),
        EventKind::Raw => router.on(kind, raw),
        other => panic!("{other:?} comes from no frame"),
    }
}
