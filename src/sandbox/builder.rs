//! Describing a server before it starts.

use std::{collections::BTreeMap, net::SocketAddr, sync::Arc, time::Duration};

use serde_json::{Map, Value, json};
use tokio::net::TcpListener;
use tokio_rustls::rustls;

use super::{
    Sandbox, SandboxError, Shared,
    scene::Past,
    server::{self, Site},
    state::{
        State,
        people::SecondFactor,
        rooms::{NewRoom, RoomKind},
    },
};

/// A user of a [`Sandbox`], for [`SandboxBuilder::user_with`].
#[derive(Debug, Clone)]
pub struct UserSpec {
    username: String,
    name: Option<String>,
    password: Option<String>,
    roles: Vec<String>,
    second: Option<SecondFactor>,
}

impl UserSpec {
    /// A human user: role `user`.
    pub fn new(username: impl Into<String>) -> Self {
        Self {
            username: username.into(),
            name: None,
            password: None,
            roles: vec!["user".to_owned()],
            second: None,
        }
    }

    /// A login with the password asks for this code, as where an app makes it; so do the few calls that want it of somebody
    /// who is logged in. Personal access tokens need none.
    #[must_use]
    pub fn two_factor(self, code: impl Into<String>) -> Self {
        self.second(code.into(), false)
    }

    /// The same with a code that the server sends by email. After five wrong ones it sends another, which is the same here.
    #[must_use]
    pub fn two_factor_by_email(self, code: impl Into<String>) -> Self {
        self.second(code.into(), true)
    }

    fn second(mut self, code: String, by_email: bool) -> Self {
        self.second = Some(SecondFactor {
            code,
            by_email,
            sent: None,
        });
        self
    }

    /// The name that people read; the username with a capital letter if not given.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// The password.
    #[must_use]
    pub fn password(mut self, password: impl Into<String>) -> Self {
        self.password = Some(password.into());
        self
    }

    /// The global roles, in place of `user`: `user`, `bot`, `admin`, `guest`.
    #[must_use]
    pub fn roles<R: Into<String>>(mut self, roles: impl IntoIterator<Item = R>) -> Self {
        self.roles = roles.into_iter().map(Into::into).collect();
        self
    }
}

#[derive(Debug, Clone)]
struct RoomSpec {
    kind: RoomKind,
    name: String,
    members: Option<Vec<String>>,
}

/// Makes a [`Sandbox`]. Without any user in it there are a human `ann` and a bot `rocketbotte`.
#[derive(Debug, Clone)]
#[must_use]
pub struct SandboxBuilder {
    port: u16,
    users: Vec<UserSpec>,
    rooms: Vec<RoomSpec>,
    pub(super) past: Vec<Past>,
    settings: BTreeMap<String, Value>,
    rate_limits: bool,
    tls: Option<Arc<rustls::ServerConfig>>,
    server_id_frame: bool,
    heartbeat: Option<Duration>,
    trusted_proxies: usize,
    emoji: Vec<String>,
    login_expiration: Option<Duration>,
    subpath: String,
    clock_offset: i64,
    version: Option<String>,
}

impl Default for SandboxBuilder {
    fn default() -> Self {
        let settings = json!({
            "API_Drupal_URL": "",
            "Message_MaxAllowedSize": 5000,
            "Message_ShowDeletedStatus": false,
            "UI_Use_Real_Name": false,
            "FileUpload_MaxFileSize": 104_857_600,
            "Site_Url": "",
            "API_Upper_Count_Limit": 100,
            "API_Allow_Infinite_Count": true,
        });
        let settings = match settings {
            Value::Object(settings) => settings,
            _ => Map::new(),
        };
        Self {
            port: 0,
            users: Vec::new(),
            rooms: Vec::new(),
            past: Vec::new(),
            settings: settings.into_iter().collect(),
            rate_limits: false,
            tls: None,
            server_id_frame: true,
            heartbeat: None,
            trusted_proxies: 0,
            emoji: Vec::new(),
            login_expiration: None,
            subpath: String::new(),
            clock_offset: 0,
            version: None,
        }
    }
}

impl SandboxBuilder {
    /// The port on the loopback interface; 0, the default, takes a free one.
    pub fn port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// Adds a human user.
    pub fn user(self, username: impl Into<String>) -> Self {
        self.user_with(UserSpec::new(username))
    }

    /// Adds a bot account: roles `user` and `bot`.
    pub fn bot(self, username: impl Into<String>) -> Self {
        self.user_with(UserSpec::new(username).roles(["user", "bot"]))
    }

    /// Adds a user.
    pub fn user_with(mut self, user: UserSpec) -> Self {
        self.users.push(user);
        self
    }

    /// Adds a public channel with every user in it. `general` is always there, owned by nobody.
    pub fn channel(self, name: impl Into<String>) -> Self {
        self.room(RoomKind::Channel, name.into(), None)
    }

    /// Adds a public channel with these users in it; the first one owns it.
    pub fn channel_with(self, name: impl Into<String>, members: &[&str]) -> Self {
        self.room(RoomKind::Channel, name.into(), Some(members))
    }

    /// Adds a private group with these users in it; the first one owns it.
    pub fn group_with(self, name: impl Into<String>, members: &[&str]) -> Self {
        self.room(RoomKind::Group, name.into(), Some(members))
    }

    fn room(mut self, kind: RoomKind, name: String, members: Option<&[&str]>) -> Self {
        let members = members.map(|list| list.iter().map(|&name| name.to_owned()).collect());
        self.rooms.push(RoomSpec { kind, name, members });
        self
    }

    /// Sets a public setting, such as `Message_MaxAllowedSize` or `UI_Use_Real_Name`.
    pub fn setting(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.settings.insert(name.into(), value.into());
        self
    }

    /// Adds an emoji of the server's own, by its short name: `"party_parrot"`. What is neither one of these nor one of the
    /// usual ones is refused as a reaction.
    pub fn emoji(mut self, name: impl Into<String>) -> Self {
        self.emoji.push(name.into().trim_matches(':').to_owned());
        self
    }

    /// Switches the limiters of REST and DDP on. Off by default, unlike on a real server.
    pub fn rate_limits(mut self, on: bool) -> Self {
        self.rate_limits = on;
        self
    }

    /// How many milliseconds the server's clock is ahead of this machine's, or behind it if negative.
    pub fn clock_offset(mut self, milliseconds: i64) -> Self {
        self.clock_offset = milliseconds;
        self
    }

    /// The version that the server says it has, such as `8.7.2`: `8.0.0` unless set. What differs by it is in
    /// the table of [the module](super#where-other-versions-differ). [`Sandbox::set_version`] changes it later.
    pub fn version(mut self, version: impl Into<String>) -> Self {
        self.version = Some(version.into());
        self
    }

    /// Serves `https` and `wss`.
    pub fn tls(mut self, config: Arc<rustls::ServerConfig>) -> Self {
        self.tls = Some(config);
        self
    }

    /// Whether `{"server_id":"0"}` comes before everything else, as from most servers. On by default.
    pub fn server_id_frame(mut self, on: bool) -> Self {
        self.server_id_frame = on;
        self
    }

    /// How often the server looks whether a realtime connection has sent anything since it last looked, and pings if not;
    /// and how long it then waits before it closes. 15 s as the server itself has it, unless set.
    pub fn heartbeat(mut self, interval: Duration) -> Self {
        self.heartbeat = Some(interval);
        self
    }

    /// How many proxies are believed: the limiter of REST counts by the address that the last but so many of
    /// `X-Forwarded-For` is, as with `HTTP_FORWARDED_COUNT` of the real server. 0, the default, believes none, and all callers
    /// share one address.
    pub fn trusted_proxies(mut self, count: usize) -> Self {
        self.trusted_proxies = count;
        self
    }

    /// How long the token of a login is valid: 90 days as on a server of which nobody set it, unless set.
    pub fn login_expiration(mut self, life: Duration) -> Self {
        self.login_expiration = Some(life);
        self
    }

    /// Serves below a path, such as `/chat`.
    pub fn subpath(mut self, path: &str) -> Self {
        let path = path.trim_matches('/');
        self.subpath = if path.is_empty() {
            String::new()
        } else {
            format!("/{path}")
        };
        self
    }

    /// Starts the server on the loopback interface, on the runtime of the caller.
    ///
    /// # Errors
    ///
    /// [`SandboxError::Bind`] if the port cannot be had.
    pub async fn start(self) -> Result<Sandbox, SandboxError> {
        let address = SocketAddr::from(([127, 0, 0, 1], self.port));
        let bind = |source| SandboxError::Bind { address, source };
        let listener = TcpListener::bind(address).await.map_err(bind)?;
        let bound = listener.local_addr().map_err(bind)?;
        let (sandbox, site) = self.build(Some(bound));
        tokio::spawn(server::listen(site, bound, listener));
        Ok(sandbox)
    }

    /// Starts the server without a socket; reach it by [`Sandbox::connect`].
    pub fn start_in_memory(self) -> Sandbox {
        self.build(None).0
    }

    fn build(self, address: Option<SocketAddr>) -> (Sandbox, Site) {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        let host = address.map_or_else(|| "localhost".to_owned(), |address| address.to_string());
        let url = format!("{scheme}://{host}{}", self.subpath);
        let mut settings = self.settings;
        settings.insert("Site_Url".to_owned(), json!(url));
        let mut state = State::new(settings, self.rate_limits, self.server_id_frame);
        state.own_emoji = self.emoji;
        state.set_clock_offset(self.clock_offset);
        state.trusted_proxies = self.trusted_proxies;
        if let Some(interval) = self.heartbeat {
            state.heartbeat = interval;
        }
        if let Some(life) = self.login_expiration {
            state.token_life = i64::try_from(life.as_millis()).unwrap_or(i64::MAX / 2);
        }
        if let Some(version) = self.version {
            state.server_version = version;
        }
        let mut users = self.users;
        if users.is_empty() {
            users.push(UserSpec::new("ann"));
            users.push(UserSpec::new("rocketbotte").roles(["user", "bot"]));
        }
        let mut everybody = Vec::new();
        for user in users {
            let name = user.name.unwrap_or_else(|| capitalized(&user.username));
            let password = user
                .password
                .unwrap_or_else(|| format!("{}-password", user.username));
            let uid = state.add_user(&user.username, &name, &password, user.roles);
            if let (Some(second), Some(user)) = (user.second, state.users.get_mut(&uid)) {
                user.second = Some(second);
            }
            if !everybody.contains(&uid) {
                everybody.push(uid);
            }
        }
        let general = NewRoom {
            id: Some("GENERAL".to_owned()),
            name: Some("general"),
            members: everybody.clone(),
            ..NewRoom::default()
        };
        // Cannot be refused: there is no room yet.
        let _ = state.create_room(RoomKind::Channel, general);
        // `general` is there already.
        for room in self.rooms.into_iter().filter(|room| room.name != "general") {
            let mut members = Vec::new();
            for name in room.members.iter().flatten() {
                match state.user_by_name(name) {
                    Some(user) => members.push(user.id.clone()),
                    None => tracing::warn!(room = room.name, user = name, "the sandbox has no such user"),
                }
            }
            if room.members.is_none() {
                members.clone_from(&everybody);
            }
            let creator = (!members.is_empty()).then(|| members.remove(0));
            let new = NewRoom {
                name: Some(&room.name),
                creator: creator.as_deref(),
                members,
                ..NewRoom::default()
            };
            if let Err(refused) = state.create_room(room.kind, new) {
                tracing::warn!(
                    room = room.name,
                    reason = refused.message(),
                    "the sandbox has not made a room"
                );
            }
        }
        for past in self.past {
            if let Err(refused) = past.clone().happen(&mut state) {
                tracing::warn!(
                    ?past,
                    reason = refused.message(),
                    "it has not happened in the sandbox"
                );
            }
        }
        let site = Site {
            shared: Arc::new(Shared::new(state, address.is_some())),
            router: server::router(&self.subpath),
            tls: self.tls,
        };
        (Sandbox::new(site.clone(), address, url), site)
    }
}

fn capitalized(text: &str) -> String {
    let mut characters = text.chars();
    characters
        .next()
        .map(|first| first.to_uppercase().chain(characters).collect())
        .unwrap_or_default()
}
