//! The settings of a bot.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use super::Bot;
use super::error::BotError;
use crate::credentials::Credentials;
use crate::dispatch::{DeadLetter, DeadLetters, Overflow, Settings};
use crate::inspect::Inspector;
use crate::journal::{Journal, JournalSlot};
use crate::response::AllowedMentions;
use crate::rest::TwoFactorRequest;
use crate::rest::two_factor::TwoFactor;
use crate::schedule::WallClock;
use crate::secret::Secret;
use crate::server_url::ServerUrl;
use crate::transport::{BackoffConfig, Connector, PerRoom, Proxy, TlsSettings};

/// Settings of a [`Bot`].
///
/// ```no_run
/// use std::time::Duration;
/// use rocketbotte::Bot;
///
/// let bot = Bot::builder("https://chat.example.org")
///     .token("rKy9v9n4yYWWjyyx5", std::env::var("TOKEN")?)
///     .max_retry_time(Duration::from_secs(30))
///     .build()?;
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
#[must_use]
pub struct BotBuilder {
    pub(super) url: String,
    pub(super) account: Option<Account>,
    pub(super) two_factor: Option<TwoFactor>,
    pub(super) rest_api: String,
    pub(super) backoff: BackoffConfig,
    pub(super) ca_file: Option<PathBuf>,
    pub(super) accepts_invalid_certs: bool,
    pub(super) connector: Option<Connector>,
    pub(super) proxy: Option<Secret>,
    pub(super) no_proxy: Option<String>,
    pub(super) unjoined_rooms: bool,
    pub(super) handles_signals: bool,
    pub(super) hears_bots: bool,
    pub(super) always_in_thread: bool,
    pub(super) allowed_mentions: AllowedMentions,
    pub(super) long_replies_as_files: bool,
    pub(super) dispatch: Settings,
    pub(super) catches_up: bool,
    pub(super) catch_up_age: Option<Duration>,
    pub(super) safety_sync: Option<Duration>,
    pub(super) dead_letters: DeadLetters,
    pub(super) journal: Option<JournalSlot>,
    pub(super) max_crashes: Option<u8>,
    pub(super) at_most_once: bool,
    pub(super) inspector: Option<Inspector>,
    pub(super) wall_clock: Option<WallClock>,
    pub(super) per_room: PerRoom,
}

/// Whose account the bot uses.
#[derive(Clone, Debug)]
pub(super) enum Account {
    Token { user_id: String, token: Secret },
    Password { user: String, password: Secret },
}

impl BotBuilder {
    pub(super) fn new(url: String) -> Self {
        Self {
            url,
            account: None,
            two_factor: None,
            rest_api: "api/v1".to_owned(),
            backoff: BackoffConfig::default(),
            ca_file: None,
            accepts_invalid_certs: false,
            connector: None,
            proxy: None,
            no_proxy: None,
            unjoined_rooms: false,
            handles_signals: true,
            hears_bots: false,
            always_in_thread: false,
            allowed_mentions: AllowedMentions::default(),
            long_replies_as_files: false,
            dispatch: Settings::default(),
            catches_up: true,
            catch_up_age: None,
            safety_sync: None,
            dead_letters: DeadLetters::default(),
            journal: None,
            max_crashes: Some(3),
            at_most_once: false,
            inspector: None,
            wall_clock: None,
            per_room: PerRoom::new(),
        }
    }

    /// The account, by its user id and a personal access token (or a login token). The best way for a bot: such a token
    /// does not expire and needs no second factor.
    pub fn token(mut self, user_id: impl Into<String>, token: impl Into<Secret>) -> Self {
        self.account = Some(Account::Token {
            user_id: user_id.into(),
            token: token.into(),
        });
        self
    }

    /// The account, by user name (or email address) and password. The token that this makes is renewed a day before it
    /// expires (or in the last tenth of its time) and when the server refuses it, and given back when the bot stops. A
    /// password that is not right any more by then ends the bot. An account with a second factor needs
    /// [`two_factor`](Self::two_factor) too.
    ///
    /// The ids of replies follow from the token of the first login, or from the [journal](Self::journal): they stay the same
    /// while the bot runs, and without a journal are others after the next start.
    pub fn password(mut self, user: impl Into<String>, password: impl Into<Secret>) -> Self {
        self.account = Some(Account::Password {
            user: user.into(),
            password: password.into(),
        });
        self
    }

    /// Who is asked for a code where the account has a second factor, at the login and at each renewal of its token. It is
    /// asked three times at most, and has ten minutes each time; an error, or a third wrong code, ends the bot.
    ///
    /// A bot that has the secret of the account makes the codes itself, here with the crate `totp-rs`:
    ///
    /// ```
    /// use rocketbotte::{Bot, BoxError};
    /// use totp_rs::{Builder, Secret};
    ///
    /// let secret = Secret::try_from_base32("JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP")?;
    /// let totp = Builder::new().with_secret(secret).build()?;
    /// let bot = Bot::builder("https://chat.example.org")
    ///     .password("bot", "password")
    ///     .two_factor(move |_| {
    ///         let code = totp.generate_current().to_string();
    ///         async { Ok::<_, BoxError>(code) }
    ///     })
    ///     .build()?;
    /// # Ok::<_, BoxError>(())
    /// ```
    pub fn two_factor<F, Fut, C, E>(mut self, ask: F) -> Self
    where
        F: Fn(TwoFactorRequest) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<C, E>> + Send + 'static,
        C: Into<Secret>,
        E: Into<tower::BoxError>,
    {
        self.two_factor = Some(TwoFactor::new(ask));
        self
    }

    /// The path of the REST API below the server's address: `api/v1` unless set.
    pub fn rest_api(mut self, path: impl Into<String>) -> Self {
        self.rest_api = path.into();
        self
    }

    /// How often in a row it tries to connect before it gives up. Without end unless set.
    pub fn max_retry(mut self, attempts: u32) -> Self {
        self.backoff.max_retry = Some(attempts);
        self
    }

    /// The longest pause between two attempts: 60 s unless set. The first pause is under 50 ms, and each is picked by
    /// chance below a limit that doubles.
    pub fn max_retry_time(mut self, pause: Duration) -> Self {
        self.backoff.max_retry_time = pause;
        self
    }

    /// How long it goes on without a connection before it gives up. Without end unless set.
    pub fn max_off_time(mut self, time: Duration) -> Self {
        self.backoff.max_off_time = Some(time);
        self
    }

    /// How old a message may be, by the server's time, to be answered after an outage: ten minutes unless set. How much
    /// was left out tells [`Reconnected::skipped`](crate::event::Reconnected::skipped), and the log.
    pub fn catch_up_age(mut self, age: Duration) -> Self {
        self.catch_up_age = Some(age);
        self
    }

    /// Looks this often for events that did not arrive though the connection stood. Servers of several instances that do
    /// not reach each other lose some; with one instance there is nothing to find. Off unless set, since it costs the
    /// server two calls each time and one for each room where something was said; a minute is a good start.
    pub fn safety_sync(mut self, every: Duration) -> Self {
        self.safety_sync = Some(every);
        self
    }

    /// Leaves out what was said while there was no connection. Unless this is set, it is fetched and answered.
    pub fn no_catch_up(mut self) -> Self {
        self.catches_up = false;
        self
    }

    /// Where the bot remembers what it did, from one start to the next. With it, what was said while the bot was not
    /// running is answered at the next start, as after an outage; and whatever ends the process, no command is lost and
    /// none is answered twice. A bot that has never run answers nothing older than itself.
    /// Without [catching up](Self::no_catch_up) it only remembers what runs at most once and what could not be sent.
    ///
    /// A server on which the bot has run before is waited for at the start, also where it shows a page of maintenance or
    /// its certificate has expired: without a journal that is a wrong address, and the bot ends.
    ///
    /// It belongs to one account of one server, and one bot uses it at a time: clones of these settings share it, so a
    /// program can serve the bot again once it has ended. A file is free again when the last of them is gone, whoever
    /// still has a handle to the bot.
    ///
    /// ```
    /// use rocketbotte::Bot;
    /// use rocketbotte::journal::MemoryJournal;
    ///
    /// // Lost with the process; feature `journal` has `DiskJournal`, which is not.
    /// let journal = MemoryJournal::new();
    /// let bot = Bot::builder("https://chat.example.org").token("rKy9v9n4yYWWjyyx5", "token").journal(journal).build()?;
    /// # Ok::<_, rocketbotte::BotError>(())
    /// ```
    pub fn journal(mut self, journal: impl Journal) -> Self {
        self.journal = Some(JournalSlot::new(journal));
        self
    }

    /// Whether every route [runs at most once](crate::handler::Configured::at_most_once) for an event, unless it says
    /// otherwise. They do not unless switched on: what was not done when the process ended is done again.
    pub fn at_most_once(mut self, is_on: bool) -> Self {
        self.at_most_once = is_on;
        self
    }

    /// How often the process may end while an event that it recovered by its [`journal`](Self::journal) runs alone: then
    /// the event is given up, the log names it, and [`on_dead_letter`](Self::on_dead_letter) is told. Three times unless
    /// set. At the first such end an event runs together with others; from then on it runs alone, so that no other is
    /// taken for the cause. `None`: each is tried again for ever.
    pub fn max_crashes(mut self, crashes: impl Into<Option<u8>>) -> Self {
        self.max_crashes = crashes.into();
        self
    }

    /// Who looks at what becomes of each event: see [`inspect`](crate::inspect). None unless set.
    pub fn inspector(mut self, inspector: Inspector) -> Self {
        self.inspector = Some(inspector);
        self
    }

    /// A PEM file with the authority that signed the server's certificate, besides those that the system trusts.
    pub fn ca_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.ca_file = Some(path.into());
        self
    }

    /// Accepts any certificate. Whoever can reach the connection can then read the token: prefer
    /// [`ca_file`](Self::ca_file).
    pub fn danger_accept_invalid_certs(mut self, accept: bool) -> Self {
        self.accepts_invalid_certs = accept;
        self
    }

    /// An HTTP proxy for websocket and REST alike: `http://proxy.example.org:3128`, with `user:password@` before the host
    /// where it wants them. It has to allow `CONNECT` to the port of the server: see [`Proxy`]. None unless set;
    /// [`from_env`](Self::from_env) takes it from the environment.
    ///
    /// ```
    /// use rocketbotte::Bot;
    ///
    /// let bot = Bot::builder("https://chat.example.org")
    ///     .token("rKy9v9n4yYWWjyyx5", "token")
    ///     .proxy("http://proxy.example.org:3128")
    ///     .build()?;
    /// # Ok::<_, rocketbotte::BotError>(())
    /// ```
    pub fn proxy(mut self, url: impl Into<Secret>) -> Self {
        self.proxy = Some(url.into());
        self
    }

    /// Hosts that are reached without the [`proxy`](Self::proxy), separated by commas: see [`Proxy::except`].
    pub fn no_proxy(mut self, hosts: impl Into<String>) -> Self {
        self.no_proxy = Some(hosts.into());
        self
    }

    /// How connections are made, for websocket and REST alike: a server in memory, another kind of proxy, or one connector
    /// that several bots share. TLS and a proxy are then the connector's affair.
    pub fn connector(mut self, connector: Connector) -> Self {
        self.connector = Some(connector);
        self
    }

    /// Whether messages of public channels that the bot has not joined are events too. They are not unless switched on.
    pub fn unjoined_rooms(mut self, is_on: bool) -> Self {
        self.unjoined_rooms = is_on;
        self
    }

    /// What to ask the server for in each room, besides the messages: deletions and who is typing. Nothing unless set,
    /// since each is a subscription for every room.
    pub fn per_room(mut self, per_room: PerRoom) -> Self {
        self.per_room = per_room;
        self
    }

    /// Whether messages of the bot itself and of other bots go through the pipeline. They do not unless a route asks
    /// for them by [`from_bots`](crate::handler::Configured::from_bots); a pipeline without a router hears them by this.
    pub fn hear_bots(mut self, is_on: bool) -> Self {
        self.hears_bots = is_on;
        self
    }

    /// Whether replies always go in a thread, below the message that they answer. They go where they were asked for
    /// unless switched on.
    pub fn reply_in_thread(mut self, is_on: bool) -> Self {
        self.always_in_thread = is_on;
        self
    }

    /// Whom texts may mention that say nothing of it themselves: all users but no groups (`@all`, `@here`) unless set.
    ///
    /// ```
    /// use rocketbotte::{Bot, response::AllowedMentions};
    ///
    /// // It repeats much of what strangers say.
    /// let bot = Bot::builder("https://chat.example.org")
    ///     .token("rKy9v9n4yYWWjyyx5", "token")
    ///     .allow_mentions(AllowedMentions::author())
    ///     .build()?;
    /// # Ok::<_, rocketbotte::BotError>(())
    /// ```
    pub fn allow_mentions(mut self, allowed: AllowedMentions) -> Self {
        self.allowed_mentions = allowed;
        self
    }

    /// Whether a reply that would be more than three messages becomes a file, `reply.txt`, and a line that says so. It is
    /// cut with a note unless switched on here or by [`Send::as_file_if_long`](crate::response::Send::as_file_if_long).
    pub fn long_replies_as_files(mut self, is_on: bool) -> Self {
        self.long_replies_as_files = is_on;
        self
    }

    /// Whether SIGINT and SIGTERM stop the bot. They do unless switched off.
    pub fn handle_signals(mut self, is_on: bool) -> Self {
        self.handles_signals = is_on;
        self
    }

    /// How long an event waits for the one before it in its room or thread: 5 s unless set. A handler that takes
    /// longer goes on by itself, and its reply comes when it is ready.
    pub fn hold(mut self, hold: Duration) -> Self {
        self.dispatch.hold = hold;
        self
    }

    /// How many handlers run at once: 256 unless set, at least 1.
    pub fn max_running(mut self, handlers: usize) -> Self {
        self.dispatch.bounds.running = handlers.max(1);
        self
    }

    /// How many events wait in one room or thread (256 unless set, at least 1), and what happens to those above: they are
    /// [parked](Overflow::Park) unless set.
    pub fn lane_capacity(mut self, events: usize, overflow: Overflow) -> Self {
        self.dispatch.bounds.waiting_in_lane = events.max(1);
        self.dispatch.overflow = overflow;
        self
    }

    /// How many events wait in all rooms together: 8192 unless set, at least 1.
    pub fn max_waiting(mut self, events: usize) -> Self {
        self.dispatch.bounds.waiting = events.max(1);
        self
    }

    /// How long a route may take where no [`TimeoutLayer`](crate::layer::timeout::TimeoutLayer) says it: two minutes
    /// unless set, `None` for no limit.
    pub fn route_timeout(mut self, timeout: Option<Duration>) -> Self {
        self.dispatch.route_timeout = timeout;
        self
    }

    /// How long stopping may take: 10 s unless set. Handlers have four fifths of it, replies the rest.
    pub fn shutdown_timeout(mut self, timeout: Duration) -> Self {
        self.dispatch.shutdown_timeout = timeout;
        self
    }

    /// What is told of each action that was given up, besides the log: what the server refused, what could not be sent
    /// for ten minutes (with a [journal](Self::journal): for a day), and what was left when the bot stopped. It is called
    /// by the bot itself: it must not block, and puts aside what takes long.
    ///
    /// ```no_run
    /// use rocketbotte::Bot;
    ///
    /// let bot = Bot::builder("https://chat.example.org")
    ///     .token("rKy9v9n4yYWWjyyx5", std::env::var("TOKEN")?)
    ///     .on_dead_letter(|letter| eprintln!("{:?} was not done: {}", letter.action, letter.error))
    ///     .build()?;
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    pub fn on_dead_letter(mut self, hook: impl Fn(DeadLetter) + Send + Sync + 'static) -> Self {
        self.dead_letters = DeadLetters::to(hook);
        self
    }

    /// The clock by which [jobs](crate::schedule) run: the machine's unless set.
    pub fn wall_clock(mut self, clock: WallClock) -> Self {
        self.wall_clock = Some(clock);
        self
    }

    /// The bot.
    ///
    /// # Errors
    ///
    /// The address of the server or of a proxy is none, there is no account, or a certificate file can not be read.
    pub fn build(mut self) -> Result<Bot, BotError> {
        self.server_url()?;
        self.credentials()?;
        if self.connector.is_some() && self.proxy.is_some() {
            return Err(BotError::configuration(
                "both a connector and a proxy are set: keep one of them, or make the connector by Connector::tcp_through",
            ));
        }
        self.connector = Some(self.make_connector()?);
        Ok(Bot::new(self))
    }

    pub(super) fn server_url(&self) -> Result<ServerUrl, BotError> {
        self.url.parse().map_err(|error: crate::ServerUrlError| {
            BotError::configuration(error.to_string()).with_source(error)
        })
    }

    /// `None` where a password has to be exchanged for a token first.
    pub(super) fn credentials(&self) -> Result<Option<Credentials>, BotError> {
        match &self.account {
            Some(Account::Token { user_id, token }) => Credentials::new(user_id, token.expose())
                .map(Some)
                .map_err(|error| BotError::configuration(error.to_string()).with_source(error)),
            Some(Account::Password { .. }) => Ok(None),
            None => Err(BotError::configuration(
                "the bot has no account: give it a user id and a token, or a user and a password",
            )),
        }
    }

    pub(super) fn make_connector(&self) -> Result<Connector, BotError> {
        if let Some(connector) = &self.connector {
            return Ok(connector.clone());
        }
        let proxy = self.make_proxy()?;
        let speaks_tls = self.server_url()?.is_tls() || proxy.as_ref().is_some_and(Proxy::is_tls);
        let tls = TlsSettings::new()
            .danger_accept_invalid_certs(self.accepts_invalid_certs)
            .without_system_roots(!speaks_tls);
        let tls = match &self.ca_file {
            Some(path) => tls.ca_file(path),
            None => Ok(tls),
        };
        let connector = tls.and_then(|tls| match &proxy {
            Some(proxy) => Connector::tcp_through(proxy, &tls),
            None => Connector::tcp(&tls),
        });
        connector.map_err(|error| BotError::configuration(error.to_string()).with_source(error))
    }

    fn make_proxy(&self) -> Result<Option<Proxy>, BotError> {
        let Some(url) = &self.proxy else { return Ok(None) };
        let proxy = Proxy::new(url.clone())
            .map_err(|error| BotError::configuration(error.to_string()).with_source(error))?;
        Ok(Some(match &self.no_proxy {
            Some(hosts) => proxy.except(hosts),
            None => proxy,
        }))
    }
}

impl fmt::Debug for BotBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // An address with a password in it is refused later, and must not be shown before.
        let (userinfo, server) = self.url.rsplit_once('@').unwrap_or(("", &self.url));
        let hidden = if userinfo.is_empty() { "" } else { "***@" };
        f.debug_struct("BotBuilder")
            .field("url", &format_args!("{hidden}{server}"))
            .field("account", &self.account)
            .field("dispatch", &self.dispatch)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_no_password() {
        for url in [
            "https://bot:hunter2@example.org",
            "bot:hunter2@example.org/x@y",
            "https://bot:hunter2@",
        ] {
            let builder = BotBuilder::new(url.to_owned()).password("bot", "hunter2");
            assert!(!format!("{builder:?}").contains("hunter2"), "{builder:?}");
        }
        assert!(
            format!("{:?}", BotBuilder::new("https://example.org".to_owned()))
                .contains("https://example.org")
        );
    }
}
