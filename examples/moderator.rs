//! A moderator: removes what holds a forbidden word, also if it gets there by an edit, and writes into a log room what was
//! removed, what people deleted themselves, and what somebody flagged with a reaction.
//!
//! Run it with `cargo run --example moderator`: it starts a server in this program, lets three people talk there, prints
//! both rooms, and ends. With `ROCKETCHAT_URL`, `ROCKETCHAT_USER_ID`, `ROCKETCHAT_AUTH_TOKEN` and `MODERATION_ROOM` (the id
//! of the log room) it moderates the rooms of that account, which has to be a moderator in them.

use std::collections::HashSet;
use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rocketbotte::event::{Deleted, Edited, EventKind, Message, MessageId, Reaction, RoomId};
use rocketbotte::extract::State;
use rocketbotte::response::{Delete, Send};
use rocketbotte::sandbox::Sandbox;
use rocketbotte::transport::{ConnectionState, PerRoom};
use rocketbotte::{Bot, BotBuilder, BoxError, Response, Router};
use tower::Service;

/// Who reacts with it asks the moderators to look.
const FLAG: &str = ":triangular_flag_on_post:";

/// Of so many removals it is remembered that they were the bot's own.
const REMEMBERED: usize = 1_000;

#[derive(Clone)]
struct Moderator {
    forbidden: Arc<[&'static str]>,
    log: RoomId,
    /// What the bot removes itself, until the server says that it is gone.
    removed: Arc<Mutex<HashSet<MessageId>>>,
}

impl Moderator {
    fn new(forbidden: &[&'static str], log: impl Into<RoomId>) -> Self {
        Self {
            forbidden: forbidden.into(),
            log: log.into(),
            removed: Arc::default(),
        }
    }

    fn is_forbidden(&self, text: &str) -> bool {
        let text = text.to_lowercase();
        text.split(|c: char| !c.is_alphanumeric())
            .any(|word| self.forbidden.contains(&word))
    }

    fn log(&self, line: String) -> Send {
        Send::text(line).to(self.log.clone())
    }

    fn with_removed<T>(&self, act: impl FnOnce(&mut HashSet<MessageId>) -> T) -> T {
        act(&mut self.removed.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Removes a message, says so, and writes it down; nothing for one that may stay.
    fn judge(&self, message: &Message, how: &str) -> Response {
        if !self.is_forbidden(message.text()) || message.room().id() == &self.log {
            return Response::empty();
        }
        let (room, author) = (message.room().id(), message.author());
        self.with_removed(|removed| {
            if removed.len() >= REMEMBERED {
                removed.clear();
            }
            removed.insert(message.id().clone());
        });
        Response::empty()
            .and(Delete::new(message.id().clone()).in_room(room.clone()))
            .and(Send::text(format!("{}, not in these words, please.", author.mention())).to(room.clone()))
            .and(self.log(format!(
                "removed, {how} by {}: {}",
                author.username(),
                message.text()
            )))
    }
}

async fn on_message(message: Arc<Message>, State(moderator): State<Moderator>) -> Response {
    moderator.judge(&message, "written")
}

async fn on_edit(edit: Arc<Edited>, State(moderator): State<Moderator>) -> Response {
    let before = edit.before().unwrap_or("unknown");
    moderator.judge(edit.message(), &format!("edited (before: {before})"))
}

/// Most servers tell of deletions only those who ask for it in each room: see `per_room` below.
async fn on_deletion(deletion: Arc<Deleted>, State(moderator): State<Moderator>) -> Option<Send> {
    let is_own = moderator.with_removed(|removed| removed.remove(deletion.message_id()));
    let text = deletion.before().filter(|_| !is_own)?;
    Some(moderator.log(format!("deleted by its author or a moderator: {text}")))
}

async fn on_reaction(reaction: Arc<Reaction>, State(moderator): State<Moderator>) -> Option<Send> {
    let message = reaction.message();
    let is_flag = reaction.is_added() && reaction.emoji() == FLAG;
    is_flag.then(|| {
        let (who, author) = (reaction.username(), message.author().username());
        moderator.log(format!("{who} flags what {author} wrote: {}", message.text()))
    })
}

fn app(
    moderator: Moderator,
) -> impl Service<rocketbotte::Request, Response = Response, Error = BoxError, Future: std::marker::Send>
+ std::marker::Send
+ 'static {
    Router::new()
        .on_message(on_message)
        .on(EventKind::Edited, on_edit)
        .on(EventKind::Deleted, on_deletion)
        .on(EventKind::Reaction, on_reaction)
        .with_state(moderator)
}

fn per_room() -> PerRoom {
    PerRoom::new().deletions()
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let forbidden = ["blast", "darn"];
    if BotBuilder::env_is_set() {
        let log = std::env::var("MODERATION_ROOM")?;
        let bot = BotBuilder::from_env()?.per_room(per_room()).build()?;
        bot.serve(app(Moderator::new(&forbidden, log))).await?;
        return Ok(());
    }
    let sandbox = Sandbox::builder()
        .user("ann")
        .user("bob")
        .bot("moderator")
        .group_with("moderation", &["ann", "moderator"])
        .start()
        .await?;
    // Who may delete what others wrote.
    sandbox.set_room_role("general", "moderator", "moderator")?;
    let log = sandbox.room_id("moderation").ok_or("there is a log room")?;
    let account = sandbox.bot("moderator");
    let bot = Bot::builder(sandbox.url())
        .token(account.id(), account.token())
        .per_room(per_room())
        .build()?;
    let handle = bot.handle();
    let serving = tokio::spawn(bot.serve(app(Moderator::new(&forbidden, log))));
    let mut state = handle.watch_state();
    tokio::select! {
        ready = state.wait_for(|state| *state == ConnectionState::Ready) => drop(ready?),
        () = handle.ended() => {}
    }
    talk(&sandbox).await?;
    handle.shutdown();
    serving.await??;
    for room in ["general", "moderation"] {
        println!("#{room}");
        for message in sandbox.messages(room) {
            // What the server itself says is left out.
            if message.raw.get("t").is_none() {
                println!("  {}: {}", message.username, message.text);
            }
        }
    }
    sandbox.shutdown().await;
    Ok(())
}

/// Three people, and what the moderator writes down of it.
async fn talk(sandbox: &Sandbox) -> Result<(), Box<dyn Error>> {
    let (ann, bob) = (sandbox.user("ann"), sandbox.user("bob"));
    wait(sandbox, |sandbox| {
        let mut events = sandbox.subscriptions().into_iter();
        events.any(|(_, _, event)| event == "GENERAL/deleteMessage")
    })
    .await?;
    ann.say("general", "good morning").await;
    bob.say("general", "Darn this weather").await;
    noted(sandbox, 1).await?;
    let id = bob.say("general", "what a day").await;
    bob.edit(&id, "what a blast of a day").await;
    noted(sandbox, 2).await?;
    let id = bob.say("general", "you are all fools").await;
    ann.react(&id, FLAG).await;
    noted(sandbox, 3).await?;
    bob.delete(&id).await;
    noted(sandbox, 4).await
}

async fn noted(sandbox: &Sandbox, lines: usize) -> Result<(), Box<dyn Error>> {
    wait(sandbox, move |sandbox| {
        let log = sandbox.messages("moderation").into_iter();
        log.filter(|message| message.username == "moderator").count() == lines
    })
    .await
}

async fn wait(sandbox: &Sandbox, holds: impl Fn(&Sandbox) -> bool) -> Result<(), Box<dyn Error>> {
    Ok(sandbox.wait_until(holds, Duration::from_secs(30)).await?)
}
