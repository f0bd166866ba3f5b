//! A user of the server, acting without a client.

use serde_json::{Map, Value, json};

use super::{Sandbox, SandboxRefusal, refusal::Refusal, state::State};

/// A user of a [`Sandbox`]: who it is, and what it can do.
///
/// The methods that say nothing about errors panic when the server refuses, with its reason, because that is
/// a mistake in the test. Use [`try_say`](Self::try_say) where a refusal is what you want to see.
#[derive(Debug, Clone)]
pub struct SandboxUser {
    sandbox: Sandbox,
    id: String,
    username: String,
}

impl Sandbox {
    /// A human user of this name.
    ///
    /// # Panics
    ///
    /// If there is no such user.
    #[track_caller]
    pub fn user(&self, username: &str) -> SandboxUser {
        let id = self.state().user_by_name(username).map(|user| user.id.clone());
        let Some(id) = id else {
            panic!("the sandbox has no user {username:?}: add it to the builder")
        };
        SandboxUser {
            sandbox: self.clone(),
            id,
            username: username.to_owned(),
        }
    }

    /// The bot account of this name; the same as [`Sandbox::user`], for the reader.
    ///
    /// # Panics
    ///
    /// If there is no such user.
    #[track_caller]
    pub fn bot(&self, username: &str) -> SandboxUser {
        self.user(username)
    }
}

/// Ends the test that asked for something the server refuses.
fn must<T>(what: &str, outcome: Result<T, Refusal>) -> T {
    match outcome {
        Ok(value) => value,
        Err(refused) => panic!("the sandbox refused to {what}: {}", refused.message()),
    }
}

impl SandboxUser {
    /// The user's id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The username.
    pub fn username(&self) -> &str {
        &self.username
    }

    /// The personal access token, the same for the whole run. Empty once it was revoked.
    pub fn token(&self) -> String {
        let state = self.sandbox.state();
        let tokens = state.users.get(&self.id).map(|user| &user.tokens);
        let token = tokens.and_then(|tokens| tokens.iter().find(|token| token.expires.is_none()));
        token.map(|token| token.text.clone()).unwrap_or_default()
    }

    /// All tokens that are good for this user now: the personal ones, and one of each login with the password.
    pub fn login_tokens(&self) -> Vec<String> {
        let state = self.sandbox.state();
        let tokens = state
            .users
            .get(&self.id)
            .into_iter()
            .flat_map(|user| &user.tokens);
        tokens.map(|token| token.text.clone()).collect()
    }

    /// The password.
    pub fn password(&self) -> String {
        self.sandbox
            .state()
            .users
            .get(&self.id)
            .map(|user| user.password.clone())
            .unwrap_or_default()
    }

    pub(super) fn sandbox(&self) -> &Sandbox {
        &self.sandbox
    }

    fn act<T>(&self, what: &str, act: impl FnOnce(&mut State) -> Result<T, Refusal>) -> T {
        let outcome = act(&mut self.sandbox.state());
        must(what, outcome)
    }

    fn send(&self, room: &str, mut draft: Map<String, Value>) -> Result<String, Refusal> {
        let mut state = self.sandbox.state();
        let rid = state
            .find_rid(room)
            .ok_or_else(|| Refusal::plain(format!("there is no room {room:?}")))?;
        draft.insert("rid".into(), json!(rid));
        let id = state.send_message(&self.id, draft)?;
        id.ok_or_else(|| Refusal::plain("the _id is known"))
    }

    /// Writes into a room, given by name or id. Returns the id of the message.
    pub async fn say(&self, room: &str, text: &str) -> String {
        must(
            "post",
            self.send(room, Map::from_iter([("msg".to_owned(), json!(text))])),
        )
    }

    /// Writes into a room and tells why if that is refused.
    ///
    /// # Errors
    ///
    /// What the server says no with.
    pub async fn try_say(&self, room: &str, text: &str) -> Result<String, SandboxRefusal> {
        Ok(self.send(room, Map::from_iter([("msg".to_owned(), json!(text))]))?)
    }

    /// Answers a message in its thread.
    pub async fn reply(&self, room: &str, thread_id: &str, text: &str) -> String {
        let draft = [
            ("msg".to_owned(), json!(text)),
            ("tmid".to_owned(), json!(thread_id)),
        ];
        must("reply", self.send(room, Map::from_iter(draft)))
    }

    /// Stores a message as it is, unchecked: `rid` (a name will do) and any other field, such as `alias`, `t`,
    /// `bot`, `attachments` or `u`. Returns its id.
    pub async fn post(&self, message: Value) -> String {
        self.act("post", |state| {
            let Value::Object(mut draft) = message else {
                return Err(Refusal::plain("a message is an object"));
            };
            let room = draft.get("rid").and_then(Value::as_str).unwrap_or("general");
            let rid = state
                .find_rid(room)
                .ok_or_else(|| Refusal::plain("there is no such room"))?;
            draft.insert("rid".into(), json!(rid));
            let known = draft
                .get("_id")
                .and_then(Value::as_str)
                .is_some_and(|id| state.messages.contains_key(id));
            if known {
                return Err(Refusal::plain("the _id is known"));
            }
            Ok(state.insert(&self.id, draft))
        })
    }

    /// Changes the text of a message.
    pub async fn edit(&self, message_id: &str, text: &str) {
        self.act("edit", |state| state.edit(&self.id, message_id, text, Map::new()));
    }

    /// Deletes a message.
    pub async fn delete(&self, message_id: &str) {
        self.act("delete", |state| state.delete(&self.id, message_id));
    }

    /// Adds a reaction, such as `:+1:`.
    pub async fn react(&self, message_id: &str, emoji: &str) {
        self.act("react", |state| {
            state.react(&self.id, message_id, emoji, Some(true))
        });
    }

    /// Takes a reaction back.
    pub async fn unreact(&self, message_id: &str, emoji: &str) {
        self.act("take a reaction back", |state| {
            state.react(&self.id, message_id, emoji, Some(false))
        });
    }

    /// Pins a message; this user must own the room.
    pub async fn pin(&self, message_id: &str) {
        self.act("pin", |state| state.pin(&self.id, message_id, true));
    }

    /// Stars a message, or takes the star away.
    pub async fn star(&self, message_id: &str, on: bool) {
        self.act("star", |state| {
            let entry = json!({ "_id": self.id });
            state.mark(message_id, "starred", &entry, on);
            Ok(())
        });
    }

    /// The direct room with these users, made if there is none. Returns its id.
    pub async fn direct(&self, usernames: &[&str]) -> String {
        self.act("open a direct room", |state| {
            state.direct_room(&self.id, usernames)
        })
    }

    /// Joins a public channel.
    pub async fn join(&self, room: &str) {
        self.act("join", |state| {
            let rid = state.find_rid(room).unwrap_or_default();
            state.join(&rid, &self.id, "joinRoom")
        });
    }

    /// Leaves a room.
    pub async fn leave(&self, room: &str) {
        self.act("leave", |state| {
            let rid = state.find_rid(room).unwrap_or_default();
            state.leave(&rid, &self.id)
        });
    }

    /// Shows, or no longer shows, that this user is typing.
    pub async fn typing(&self, room: &str, on: bool) {
        self.act("type", |state| {
            let rid = state
                .find_rid(room)
                .ok_or_else(|| Refusal::plain("there is no such room"))?;
            let activity = if on { json!(["user-typing"]) } else { json!([]) };
            let user = state
                .users
                .get(&self.id)
                .filter(|_| state.setting_on("UI_Use_Real_Name"));
            let name = user.map_or(&self.username, |user| &user.name);
            let args = json!([name, activity, {}]);
            state.emit("stream-notify-room", &format!("{rid}/user-activity"), &args);
            Ok(())
        });
    }
}
