//! A server with a bot, and all that can be seen of what the bot does there.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use http::Method;
use rocketbotte::dispatch::Receipt;
use rocketbotte::extract::Outbox;
use rocketbotte::layer::CommandLayer;
use rocketbotte::response::Action;
use rocketbotte::rest::Client;
use rocketbotte::sandbox::{Sandbox, SandboxUser};
use rocketbotte::{BoxError, Credentials, Router};
use serde_json::{Map, Value, json};
use tower::Layer;

use crate::support::after_secs;
use crate::support::chat::{Chat, people, pipes};

/// What there is to do something to: ids of messages of `#general`.
pub(crate) struct Targets {
    pub(crate) hers: String,
    pub(crate) mine: String,
    pub(crate) pinned: String,
    /// The first message of a thread that the bot follows.
    pub(crate) followed: String,
    pub(crate) ann: SandboxUser,
    pub(crate) room_id: String,
}

/// A bot that answers `!do` with one action, by returning it or through its outbox.
pub(crate) struct World {
    pub(crate) sandbox: Sandbox,
    pub(crate) targets: Targets,
    pub(crate) receipts: Arc<Mutex<Vec<Result<Receipt, String>>>>,
    chat: Option<Chat>,
}

impl World {
    pub(crate) async fn new() -> Self {
        let sandbox = people()
            .channel_with("dev", &["bob", "rocketbotte"])
            .start_in_memory();
        for owner in ["ann", "rocketbotte"] {
            sandbox.set_room_role("general", owner, "owner").unwrap();
        }
        let (ann, bot) = (sandbox.user("ann"), sandbox.user("rocketbotte"));
        let targets = Targets {
            hers: ann.say("general", "hers").await,
            mine: bot.say("general", "mine").await,
            pinned: ann.say("general", "pinned").await,
            followed: ann.say("general", "followed").await,
            room_id: sandbox.room_id("general").unwrap(),
            ann: ann.clone(),
        };
        ann.pin(&targets.pinned).await;
        bot.reply("general", &targets.followed, "I am here").await;
        ann.react(&targets.mine, ":+1:").await;
        bot.react(&targets.pinned, ":+1:").await;
        Self {
            sandbox,
            targets,
            receipts: Arc::default(),
            chat: None,
        }
    }

    pub(crate) async fn serve(&mut self, action: Action, by_outbox: bool) {
        let receipts = Arc::clone(&self.receipts);
        let act = move |outbox: Outbox| {
            let (action, receipts) = (action.clone(), Arc::clone(&receipts));
            async move {
                if !by_outbox {
                    return Ok(Some(action));
                }
                let result = outbox.perform(action).await.map_err(|error| error.to_string());
                receipts.lock().unwrap().push(result);
                Ok::<_, BoxError>(None)
            }
        };
        let app = CommandLayer::new("!").layer(Router::new().command("do", act));
        self.chat = Some(Chat::on(&self.sandbox, app).await);
    }

    /// Ann asks for it, and it is done, however often it takes.
    pub(crate) async fn ask(&self) -> String {
        let id = self.targets.ann.say("general", "!do").await;
        after_secs(120).await;
        id
    }

    /// Everything that an action may change.
    pub(crate) async fn picture(&self) -> Map<String, Value> {
        let sandbox = &self.sandbox;
        let bot = sandbox.bot("rocketbotte");
        let mut picture = Map::new();
        let rooms = [
            ("general", Some("general".to_owned())),
            ("dev", Some("dev".to_owned())),
            ("direct", direct_room(sandbox)),
        ];
        for (name, room) in rooms {
            let messages = room.map(|room| sandbox.messages(&room)).unwrap_or_default();
            let lines = messages
                .into_iter()
                .filter(|message| message.username == "rocketbotte")
                .map(|message| {
                    let kind = message.raw["t"].as_str().map(|kind| format!("({kind})"));
                    let place = message.thread_id.map(|_| "in the thread: ".to_owned());
                    place.unwrap_or_default() + &kind.unwrap_or(message.text)
                });
            picture.insert(name.to_owned(), lines.collect());
        }
        let targets = [
            ("hers", &self.targets.hers),
            ("mine", &self.targets.mine),
            ("pinned", &self.targets.pinned),
            ("followed", &self.targets.followed),
        ];
        for (name, id) in targets {
            let message = sandbox.message(id).map(|message| message.raw);
            let seen = message.map(|message| {
                let reactions = message["reactions"].as_object().cloned().unwrap_or_default();
                let reactions: BTreeMap<String, Value> = reactions
                    .into_iter()
                    .map(|(emoji, who)| (emoji, who["usernames"].clone()))
                    .collect();
                let follows = message["replies"]
                    .as_array()
                    .is_some_and(|replies| replies.contains(&json!(bot.id())));
                json!({
                    "text": message["msg"],
                    "reactions": reactions,
                    "is_pinned": message["pinned"] == true,
                    "bot_follows": follows,
                })
            });
            picture.insert(name.to_owned(), json!(seen));
        }
        let client = Client::builder(sandbox.url().parse().unwrap(), pipes(sandbox))
            .credentials(Credentials::new(bot.id(), bot.token().as_str()).unwrap())
            .build();
        let get = async |path: &str, query: (&str, &str)| {
            client.call_raw(Method::GET, path, &[query], None).await.unwrap()
        };
        let room = get("subscriptions.getOne", ("roomId", &self.targets.room_id)).await;
        let has_unread = room["subscription"]["alert"].clone();
        picture.insert("has_unread".to_owned(), has_unread);
        let status = get("users.getStatus", ("userId", bot.id())).await;
        picture.insert("status".to_owned(), json!([status["status"], status["message"]]));
        picture
    }
}

/// The direct conversation of ann and the bot, if there is one.
fn direct_room(sandbox: &Sandbox) -> Option<String> {
    let mut ids = [
        sandbox.user("ann").id().to_owned(),
        sandbox.user("rocketbotte").id().to_owned(),
    ];
    ids.sort();
    sandbox.room_id(&ids.concat())
}
