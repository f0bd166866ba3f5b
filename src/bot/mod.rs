//! A bot on a Rocket.Chat server: its settings, and the way from nothing to being served.

mod builder;
mod connect;
mod env;
mod error;
mod limits;
mod signals;
mod watch;

use std::fmt;
use std::process::ExitCode;
use std::sync::Arc;

use tower::{BoxError, Service, ServiceExt};

pub use self::builder::BotBuilder;
use self::connect::Session;
pub use self::error::{BotError, BotErrorKind};
use crate::dispatch::{BotHandle, Fired, OnReady, Overflow, Serve, ServeError, ShutdownReport, Sink};
use crate::journal::{Ledger, Owner};
use crate::request::Request;
use crate::response::Response;
use crate::rest::RestSink;
use crate::server_url::ServerUrl;
use crate::transport::DdpTransport;

/// A bot on a Rocket.Chat server.
///
/// ```no_run
/// use rocketbotte::{Bot, Router, command::CommandLayer};
/// use tower::ServiceBuilder;
///
/// async fn ping() -> &'static str { "pong" }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), rocketbotte::BoxError> {
/// let router = Router::new().command("ping", ping);
/// let app = ServiceBuilder::new().layer(CommandLayer::new("!")).service(router);
/// Bot::from_env()?.serve(app).await?;
/// # Ok(())
/// # }
/// ```
#[must_use = "a bot does nothing until it is served"]
pub struct Bot {
    settings: BotBuilder,
    handle: BotHandle,
    fired: Fired,
}

impl Bot {
    /// Settings for a bot on a server, by its address: `https://chat.example.org`, with a path if it lives below one.
    pub fn builder(url: impl Into<String>) -> BotBuilder {
        BotBuilder::new(url.into())
    }

    /// A bot by the environment: see [`BotBuilder::from_env`].
    ///
    /// # Errors
    ///
    /// A variable is missing, set twice or can not be read, or holds what can not be right.
    pub fn from_env() -> Result<Self, BotError> {
        BotBuilder::from_env()?.build()
    }

    fn new(settings: BotBuilder) -> Self {
        let (handle, fired) = BotHandle::new();
        Self {
            settings,
            handle,
            fired,
        }
    }

    /// A handle: to send, to fire events, to add listeners, to stop the bot.
    pub fn handle(&self) -> BotHandle {
        self.handle.clone()
    }

    /// Connects, and serves until a signal (SIGINT or SIGTERM), [`BotHandle::shutdown`] or a fatal error. A server that
    /// can not be reached is tried again, without end unless limited; a second signal ends at once.
    ///
    /// The service is any stack that takes requests and gives responses. What it does not guard is guarded here:
    /// errors and panics are answered, a route that hangs is given up after two minutes, and the bot does not hear
    /// itself nor other bots unless a route asks for it.
    ///
    /// # Errors
    ///
    /// The configuration is wrong, the server refuses the account, a limit of attempts was reached, or the service
    /// says that it takes no more requests.
    pub async fn serve<S>(self, service: S) -> Result<ShutdownReport, BotError>
    where
        S: Service<Request, Response = Response> + Send + 'static,
        S::Error: Into<BoxError>,
        S::Future: Send + 'static,
    {
        let Self {
            settings,
            handle,
            fired,
        } = self;
        let _signals = settings
            .handles_signals
            .then(|| signals::shut_down_on_signals(handle.clone()))
            .flatten();
        match connect::connect(&settings, &handle).await {
            Ok(Some(session)) => {
                let result = serve_session(&settings, &session, handle.clone(), fired, service).await;
                session.end(&handle).await;
                result
            }
            // It was stopped before the server could be reached.
            Ok(None) => Ok(ShutdownReport::default()),
            Err(error) => Err(error),
        }
    }

    /// Like [`serve`](Self::serve), as the last line of `main`: what fails is said on standard error, in one line, and
    /// the exit code tells a supervisor what to do.
    ///
    /// | code | meaning |
    /// |---|---|
    /// | 0 | stopped, nothing was cut off |
    /// | 75 | stopped, but handlers or replies were cut off; or another process has the journal |
    /// | 77 | the server refuses the account: starting again will not help |
    /// | 78 | the configuration is wrong: starting again will not help |
    /// | 70 | anything else |
    pub async fn run<S>(self, service: S) -> ExitCode
    where
        S: Service<Request, Response = Response> + Send + 'static,
        S::Error: Into<BoxError>,
        S::Future: Send + 'static,
    {
        match self.serve(service).await {
            Ok(report) if report.is_complete() => ExitCode::SUCCESS,
            Ok(report) => {
                eprintln!("rocketbotte: stopped before everything was done: {report}");
                ExitCode::from(error::EXIT_AGAIN)
            }
            Err(error) => {
                eprintln!("rocketbotte: {error}");
                error.exit_code()
            }
        }
    }
}

async fn serve_session<S>(
    settings: &BotBuilder,
    session: &Session,
    handle: BotHandle,
    fired: Fired,
    service: S,
) -> Result<ShutdownReport, BotError>
where
    S: Service<Request, Response = Response> + Send + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send + 'static,
{
    let ledger = settings.ledger(session)?;
    handle.set_dead_letters(settings.dead_letters.clone());
    let transport = settings
        .transport(session)
        .ledger(ledger.clone())
        .max_crashes(settings.max_crashes)
        .typing_as(session.typing_name())
        .hints(Arc::new(handle.clone()))
        .vitals(Arc::clone(handle.vitals()))
        .build();
    let id_secret = match &ledger {
        Some(ledger) => ledger.secret(|| session.derived_secret()),
        None => session.id_secret().as_bytes().to_vec(),
    };
    let connection = transport.handle();
    let _watch = watch::watch(session, handle.clone(), connection.state());
    let sink = RestSink::new(session.client.clone()).kept_in(ledger.clone());
    let sink = Sink::new(sink.map_err(Into::into));
    let report = Serve::with_handle(transport, sink, handle, fired)
        .identity(session.identity.clone())
        .id_secret(&id_secret)
        .configure(|shared, own| {
            shared.client = Some(session.client.clone());
            if let Some(ledger) = ledger.clone() {
                shared.ledger = Some(ledger);
            }
            shared.at_most_once = settings.at_most_once;
            shared.typing = Some(Arc::new(connection.clone()));
            shared.message_size_limit = session.message_size_limit;
            shared.hears_bots = settings.hears_bots;
            shared.inspector.clone_from(&settings.inspector);
            if let Some(clock) = settings.wall_clock.clone() {
                shared.schedules.set_clock(clock);
            }
            shared.always_in_thread = settings.always_in_thread;
            shared.allowed_mentions.clone_from(&settings.allowed_mentions);
            shared.long_replies_as_files = settings.long_replies_as_files;
            shared.site_url = Some(session.site_url.clone());
            *own = settings.dispatch;
            if settings.catches_up && own.overflow == Overflow::Park {
                own.bounds.waiting_in_lane = own.bounds.waiting_in_lane.saturating_add(UNCOUNTED);
                own.bounds.waiting = own.bounds.waiting.saturating_add(UNCOUNTED);
            }
        })
        .dead_letters(settings.dead_letters.clone())
        .connection(connection.state())
        .on_ready(log_ready(session))
        .run(service)
        .await;
    match report {
        Ok(report) => Ok(report),
        Err(ServeError::Transport(error)) => Err(error.into()),
        Err(ServeError::Service(error)) => Err(BotError::of_service(error)),
        Err(ServeError::Journal(error)) => Err(error.into()),
    }
}

/// One line when the bot is ready, and what its owner should know.
fn log_ready(session: &Session) -> OnReady {
    let name = session.identity.username().to_owned();
    let (version, rooms, roles) = (
        session.server_version.clone(),
        session.room_count,
        session.roles.clone(),
    );
    let limiter = session.client.limiter().clone();
    Box::new(move |stack| {
        let commands: Vec<_> = stack
            .commands()
            .iter()
            .map(|command| command.path().to_owned())
            .collect();
        tracing::info!(
            name,
            server = version.as_deref().unwrap_or("unknown"),
            rooms,
            prefix = stack.prefixes().join(" "),
            commands = commands.join(", "),
            "ready"
        );
        if rooms == Some(0) {
            tracing::warn!("the bot is in no room: invite it, or write to it directly");
        }
        if let Some(warning) = limits::warning(limiter.account(), &roles, version.as_deref()) {
            tracing::warn!("{warning}");
        }
    })
}

/// The transport hands over no more messages of a room than its lane takes, and parks the rest. What it does not count
/// (invitations, what a program fires) waits in the same lanes, and takes no message's place.
const UNCOUNTED: usize = 4096;

/// A server's name in the journal: without the scheme, since a server that gets a certificate is the same.
fn place_of(url: &ServerUrl) -> String {
    format!("{}{}", url.authority(), url.subpath()).to_ascii_lowercase()
}

impl BotBuilder {
    /// Whether the journal shows that the bot has run on this server.
    fn has_run_on(&self, url: &ServerUrl) -> bool {
        let journal = self.journal.as_ref();
        journal.is_some_and(|journal| Ledger::was_used_on(journal, &place_of(url)))
    }

    /// What the bot remembers, where it has a journal.
    fn ledger(&self, session: &Session) -> Result<Option<Arc<Ledger>>, BotError> {
        let Some(journal) = &self.journal else {
            return Ok(None);
        };
        let server = place_of(&session.url);
        let owner = Owner {
            id: session.identity.id().as_str(),
            server: Some(&server),
        };
        let ledger = Ledger::load(journal, Some(owner))?;
        Ok(Some(Arc::new(ledger)))
    }

    fn transport(&self, session: &Session) -> crate::transport::DdpTransportBuilder {
        let mut transport = DdpTransport::builder(
            session.url.clone(),
            session.credentials.clone(),
            session.connector.clone(),
        )
        .tokens(session.client.tokens())
        .unjoined_rooms(self.unjoined_rooms)
        .client(session.client.clone())
        .per_room(self.per_room)
        .max_retry_time(self.backoff.max_retry_time);
        if let Some(attempts) = self.backoff.max_retry {
            transport = transport.max_retry(attempts);
        }
        if let Some(time) = self.backoff.max_off_time {
            transport = transport.max_off_time(time);
        }
        if self.catches_up {
            let bounds = self.dispatch.bounds;
            transport = transport.catch_up(session.client.clone()).pipeline_takes(
                bounds.waiting_in_lane,
                bounds.waiting,
                self.dispatch.overflow == Overflow::Park,
            );
        }
        if let Some(every) = self.safety_sync {
            transport = transport.safety_sync(every);
        }
        if let Some(age) = self.catch_up_age {
            transport = transport.catch_up_age(age);
        }
        transport
    }
}

impl fmt::Debug for Bot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bot")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}
