//! Users, their tokens and their presence.

use std::collections::VecDeque;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{State, date};
use crate::sandbox::refusal::Refusal;

/// Login tokens kept for a user; the oldest goes first.
const TOKENS_KEPT: usize = 100;
/// Ninety days, the default of `Accounts_LoginExpiration`.
pub(crate) const TOKEN_LIFE_MS: i64 = 90 * 24 * 60 * 60 * 1000;
/// Wrong codes that one sent by email survives.
const EMAIL_CODE_ATTEMPTS: u32 = 5;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Presence {
    Offline,
    Online,
    Away,
    Busy,
}

impl Presence {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "offline" => Self::Offline,
            "online" => Self::Online,
            "away" => Self::Away,
            "busy" => Self::Busy,
            _ => return None,
        })
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Offline => "offline",
            Self::Online => "online",
            Self::Away => "away",
            Self::Busy => "busy",
        }
    }

    pub(crate) fn number(self) -> u8 {
        match self {
            Self::Offline => 0,
            Self::Online => 1,
            Self::Away => 2,
            Self::Busy => 3,
        }
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Token {
    pub(crate) text: String,
    /// Personal access tokens have none.
    pub(crate) expires: Option<i64>,
    /// What its owner calls it, if it is one that was asked for.
    pub(crate) name: Option<String>,
}

#[derive(Debug, Clone)]
pub(crate) struct User {
    pub(crate) id: String,
    pub(crate) username: String,
    pub(crate) name: String,
    pub(crate) password: String,
    pub(crate) roles: Vec<String>,
    pub(crate) tokens: VecDeque<Token>,
    pub(crate) presence: Presence,
    /// What the user chose to be while connected.
    pub(crate) chosen: Presence,
    pub(crate) status_text: String,
    /// Hours that the clock of the user's client is ahead; only clients that tell it have one.
    pub(crate) utc_offset: Option<f64>,
    pub(crate) created: i64,
    /// The second factor of logins with a password.
    pub(crate) second: Option<SecondFactor>,
}

/// How a user proves a second time who it is.
#[derive(Debug, Clone)]
pub(crate) struct SecondFactor {
    pub(crate) code: String,
    /// Whether the server sends the code by email, and an app does not make it.
    pub(crate) by_email: bool,
    /// Whether an email was sent that holds still, and how often a wrong code came for it.
    pub(crate) sent: Option<u32>,
}

impl User {
    pub(crate) fn email(&self) -> String {
        format!("{}@example.org", self.username)
    }

    pub(crate) fn author(&self) -> Value {
        json!({ "_id": self.id, "username": self.username, "name": self.name })
    }

    pub(crate) fn short(&self) -> Value {
        json!({ "_id": self.id, "username": self.username })
    }
}

/// Makes tokens that nobody can guess.
#[derive(Debug)]
pub(crate) struct Tokens {
    seed: [u8; 32],
    made: u64,
}

impl Tokens {
    pub(crate) fn new() -> Self {
        let mut seed = [0; 32];
        if getrandom::fill(&mut seed).is_err() {
            // Only loopback can reach the sandbox, so a weaker seed is better than no server.
            fastrand::fill(&mut seed);
        }
        Self { seed, made: 0 }
    }

    /// 43 characters of the URL-safe alphabet, as the real ones.
    pub(crate) fn make(&mut self) -> String {
        const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        self.made += 1;
        let half = |part: u8| {
            let mut hash = Sha256::new();
            hash.update(self.seed);
            hash.update(self.made.to_le_bytes());
            hash.update([part]);
            hash.finalize()
        };
        half(0)
            .into_iter()
            .chain(half(1))
            .take(43)
            .map(|b| char::from(ALPHABET[usize::from(b & 63)]))
            .collect()
    }
}

/// What a successful login answers with.
#[derive(Debug)]
pub(crate) struct Login {
    pub(crate) uid: String,
    pub(crate) token: String,
    pub(crate) expires: Option<i64>,
    pub(crate) kind: &'static str,
}

impl Login {
    pub(crate) fn to_ddp(&self) -> Value {
        let expires = self.expires.map_or_else(|| json!({ "$date": null }), date);
        json!({ "id": self.uid, "token": self.token, "tokenExpires": expires, "type": self.kind })
    }
}

impl State {
    pub(crate) fn user_by_name(&self, username: &str) -> Option<&User> {
        self.users.values().find(|user| user.username == username)
    }

    fn user_by_login(&self, login: &str) -> Option<&User> {
        self.users
            .values()
            .find(|user| user.username == login || user.email() == login)
    }

    /// Adds or replaces a user and returns the id.
    pub(crate) fn add_user(
        &mut self,
        username: &str,
        name: &str,
        password: &str,
        roles: Vec<String>,
    ) -> String {
        let id = self
            .user_by_name(username)
            .map_or_else(super::random_id, |user| user.id.clone());
        let token = Token {
            text: self.tokens.make(),
            expires: None,
            name: None,
        };
        let user = User {
            id: id.clone(),
            username: username.to_owned(),
            name: name.to_owned(),
            password: password.to_owned(),
            roles,
            tokens: VecDeque::from([token]),
            presence: Presence::Offline,
            chosen: Presence::Online,
            status_text: String::new(),
            utc_offset: None,
            created: self.now(),
            second: None,
        };
        self.users.insert(id.clone(), user);
        id
    }

    /// A personal access token of this name; `None` if there is one already.
    pub(crate) fn make_personal_token(&mut self, uid: &str, name: &str) -> Option<String> {
        let text = self.tokens.make();
        let user = self.users.get_mut(uid)?;
        if user
            .tokens
            .iter()
            .any(|token| token.name.as_deref() == Some(name))
        {
            return None;
        }
        if user.tokens.len() >= TOKENS_KEPT {
            user.tokens.remove(1);
        }
        user.tokens.push_back(Token {
            text: text.clone(),
            expires: None,
            name: Some(name.to_owned()),
        });
        Some(text)
    }

    /// Takes the token of this name away; false if there is none.
    pub(crate) fn remove_personal_token(&mut self, uid: &str, name: &str) -> bool {
        let found = self.users.get(uid).and_then(|user| {
            let mut tokens = user.tokens.iter();
            tokens.find(|token| token.name.as_deref() == Some(name))
        });
        let Some(text) = found.map(|token| token.text.clone()) else {
            return false;
        };
        self.revoke(&text, None);
        true
    }

    fn new_token(&mut self, uid: &str) -> Option<Token> {
        let token = Token {
            text: self.tokens.make(),
            expires: Some(self.now() + self.token_life),
            name: None,
        };
        let user = self.users.get_mut(uid)?;
        if user.tokens.len() >= TOKENS_KEPT {
            // The first one is the personal access token: it stays.
            user.tokens.remove(1);
        }
        user.tokens.push_back(token.clone());
        Some(token)
    }

    /// Who holds this token.
    pub(crate) fn user_by_token(&self, token: &str) -> Option<(&User, &Token)> {
        self.users
            .values()
            .find_map(|user| Some((user, user.tokens.iter().find(|t| t.text == token)?)))
    }

    /// The user of this id, if the token is one of theirs and still good.
    pub(crate) fn holder(&self, claimed: &str, token: &str) -> Option<String> {
        let now = self.now();
        self.user_by_token(token)
            .filter(|(user, held)| user.id == claimed && held.expires.is_none_or(|at| at > now))
            .map(|(user, _)| user.id.clone())
    }

    pub(crate) fn login_resume(&self, token: &str) -> Result<Login, Refusal> {
        let Some((user, held)) = self.user_by_token(token) else {
            let text = "You've been logged out by the server. Please log in again.";
            return Err(Refusal::coded(403, text));
        };
        if held.expires.is_some_and(|at| at <= self.now()) {
            return Err(Refusal::coded(
                403,
                "Your session has expired. Please log in again.",
            ));
        }
        let (uid, token, expires) = (user.id.clone(), held.text.clone(), held.expires);
        Ok(Login {
            uid,
            token,
            expires,
            kind: "resume",
        })
    }

    /// `password` is the text itself or `{digest, algorithm}`.
    pub(crate) fn login_password(
        &mut self,
        login: &str,
        password: &Value,
        code: Option<&str>,
    ) -> Result<Login, Refusal> {
        let unknown = || Refusal::coded(403, "User not found");
        let user = self.user_by_login(login).ok_or_else(unknown)?;
        let matches = match password {
            Value::String(text) => *text == user.password,
            Value::Object(object) => {
                if object.get("algorithm").and_then(Value::as_str) != Some("sha-256") {
                    return Err(Refusal::coded(500, "Internal server error"));
                }
                object.get("digest").and_then(Value::as_str) == Some(sha256_hex(&user.password).as_str())
            }
            _ => return Err(Refusal::coded(400, "Match failed")),
        };
        if !matches {
            return Err(unknown());
        }
        let uid = user.id.clone();
        self.prove(&uid, code, None)?;
        let token = self.new_token(&uid).ok_or_else(unknown)?;
        Ok(Login {
            uid,
            token: token.text,
            expires: token.expires,
            kind: "password",
        })
    }

    /// Checks the second factor of a user who has one. Without a method it is whichever the user has.
    pub(crate) fn prove(
        &mut self,
        uid: &str,
        code: Option<&str>,
        method: Option<&str>,
    ) -> Result<(), Refusal> {
        let Some(user) = self.users.get_mut(uid) else {
            return Ok(());
        };
        let login = user.username.clone();
        let Some(second) = &mut user.second else {
            return Ok(());
        };
        let name = if second.by_email { "email" } else { "totp" };
        let method_fits = method.is_none_or(|method| method == name);
        if method_fits && code == Some(&*second.code) {
            second.sent = None;
            return Ok(());
        }
        let (error, reason) = match code {
            Some(_) if method_fits => ("totp-invalid", "TOTP Invalid"),
            _ => ("totp-required", "TOTP Required"),
        };
        let mut is_sent = false;
        if second.by_email {
            let wrong = second
                .sent
                .map(|wrong| wrong + u32::from(error == "totp-invalid"));
            if wrong.is_some_and(|wrong| wrong >= EMAIL_CODE_ATTEMPTS) {
                second.sent = None;
                return Err(Refusal::coded(
                    "totp-max-attempts",
                    "TOTP Maximun Failed Attempts Reached",
                ));
            }
            is_sent = wrong.is_none();
            second.sent = Some(wrong.unwrap_or(0));
        }
        let details = json!({
            "method": name,
            "codeGenerated": is_sent,
            "availableMethods": [name],
            "emailOrUsername": login,
        });
        Err(Refusal::coded(error, reason).with_details(details))
    }

    /// Whether the token is one of a login: those that were asked for by name are never asked for more.
    pub(crate) fn is_of_login(&self, token: &str) -> bool {
        self.user_by_token(token)
            .is_some_and(|(_, held)| held.expires.is_some())
    }

    /// Ends the tokens of all logins of a user, as if their time were over.
    pub(crate) fn expire_tokens(&mut self, uid: &str) {
        let now = self.now();
        if let Some(user) = self.users.get_mut(uid) {
            for token in &mut user.tokens {
                token.expires = token.expires.map(|at| at.min(now));
            }
        }
        self.touch();
    }

    /// Takes the token away. Every connection that logged in with it is closed without a word.
    pub(crate) fn revoke(&mut self, token: &str, spare: Option<u64>) {
        for user in self.users.values_mut() {
            user.tokens.retain(|held| held.text != token);
        }
        let closing: Vec<u64> = self
            .sessions
            .values()
            .filter(|session| session.token.as_deref() == Some(token) && Some(session.id) != spare)
            .map(|session| session.id)
            .collect();
        for id in closing {
            self.close_session(id);
        }
        self.touch();
    }

    /// Online while a connection is logged in, else offline; tells everybody when it changes.
    pub(crate) fn refresh_presence(&mut self, uid: &str) {
        let connected = self
            .sessions
            .values()
            .any(|session| session.uid.as_deref() == Some(uid));
        let Some(user) = self.users.get_mut(uid) else {
            return;
        };
        let presence = if connected { user.chosen } else { Presence::Offline };
        if user.presence != presence {
            user.presence = presence;
            self.announce_presence(uid);
        }
    }

    pub(crate) fn set_status(&mut self, uid: &str, presence: Option<Presence>, text: Option<&str>) {
        let Some(user) = self.users.get_mut(uid) else {
            return;
        };
        if let Some(presence) = presence {
            user.chosen = presence;
            user.presence = presence;
        }
        if let Some(text) = text {
            // As the real server cuts it.
            user.status_text = text.chars().take(120).collect();
        }
        let mut diff = serde_json::Map::new();
        if let Some(presence) = presence {
            diff.insert("status".into(), json!(presence.name()));
            diff.insert("statusDefault".into(), json!(presence.name()));
        }
        if let Some(text) = text {
            diff.insert("statusText".into(), json!(text));
        }
        diff.insert("_updatedAt".into(), date(self.now()));
        self.notify_user(uid, "userData", |_| {
            Some(json!([{ "type": "updated", "id": uid, "diff": diff, "unset": {} }]))
        });
        self.announce_presence(uid);
    }

    fn announce_presence(&mut self, uid: &str) {
        let Some(user) = self.users.get(uid) else { return };
        let args = json!([[
            user.id,
            user.username,
            user.presence.number(),
            user.status_text,
            user.name,
            user.roles
        ]]);
        let about = json!([[user.username, user.presence.number(), user.status_text]]);
        let uid = user.id.clone();
        self.emit("stream-notify-logged", "user-status", &args);
        self.emit_presence(&uid, &about);
        self.touch();
    }
}

/// Lower-case hex of the SHA-256, the digest form of passwords.
pub(crate) fn sha256_hex(text: &str) -> String {
    Sha256::digest(text.as_bytes())
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
