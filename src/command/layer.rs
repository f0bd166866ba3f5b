//! The layer that recognises commands.

use std::sync::Arc;
use std::task::{Context, Poll};

use tower::{Layer, Service};

use super::{Command, CommandParser};
use crate::event::Room;
use crate::inspect::trail_of;
use crate::request::Request;

/// Recognises commands: fills in [`Request::command`] and passes every request on.
///
/// A message is a command when it begins with a prefix and a word, or with a mention of the bot; in a direct
/// conversation with the bot alone a known command needs no prefix. White space, characters without width and the
/// link of a quoted message may stand in front. Messages of the bot itself, system messages, encrypted messages and
/// edits are no commands.
///
/// It goes outside of everything that asks for the command: rate limits, timeouts, the router.
///
/// ```
/// use rocketbotte::Router;
/// use rocketbotte::command::CommandLayer;
/// use tower::ServiceBuilder;
///
/// async fn ping() -> &'static str { "pong" }
///
/// let router: Router = Router::new().command("ping", ping);
/// let app = ServiceBuilder::new().layer(CommandLayer::new("!").or_prefix("bot ")).service(router);
/// # let _ = app;
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct CommandLayer {
    parser: Arc<CommandParser>,
}

impl CommandLayer {
    /// Recognises commands by a prefix. It is taken as it is: `.` and `+` mean themselves. A prefix that ends with a
    /// letter or a digit needs white space behind it. With an empty prefix the first word of every message is tried.
    ///
    /// Rocket.Chat's own clients take a `/` for themselves, so that as a prefix it reaches the bot only from other
    /// clients: it is accepted with a warning in the log.
    pub fn new(prefix: impl AsRef<str>) -> Self {
        let layer = Self {
            parser: Arc::new(CommandParser {
                prefixes: Vec::new(),
                room_prefix: None,
                mention: true,
                direct_without_prefix: true,
                folds_case: true,
                edits: false,
                own_messages: false,
                livechat: false,
            }),
        };
        layer.or_prefix(prefix)
    }

    /// Recognises another prefix too.
    pub fn or_prefix(self, prefix: impl AsRef<str>) -> Self {
        let prefix = prefix.as_ref();
        if prefix.starts_with('/') {
            tracing::warn!(
                prefix,
                "Rocket.Chat's clients keep what begins with `/` for themselves: choose another prefix"
            );
        }
        self.with(|parser| parser.add_prefix(prefix))
    }

    /// Gives some rooms a prefix of their own, which takes the place of the others there.
    ///
    /// ```
    /// use rocketbotte::command::CommandLayer;
    ///
    /// let layer = CommandLayer::new("!").prefix_of_room(|room| (room.name() == Some("ops")).then(|| "$".to_owned()));
    /// # let _ = layer;
    /// ```
    pub fn prefix_of_room(self, prefix_of: impl Fn(&Room) -> Option<String> + Send + Sync + 'static) -> Self {
        self.with(|parser| parser.room_prefix = Some(Arc::new(prefix_of)))
    }

    /// Whether `@bot deploy` is a command. On unless switched off.
    pub fn mention(self, is_on: bool) -> Self {
        self.with(|parser| parser.mention = is_on)
    }

    /// Whether a known command needs no prefix in a direct conversation with the bot alone. On unless switched off.
    pub fn direct_without_prefix(self, is_on: bool) -> Self {
        self.with(|parser| parser.direct_without_prefix = is_on)
    }

    /// Tells `Ping` from `ping`. Phones begin a message with a capital letter, so case is folded otherwise.
    pub fn case_sensitive(self) -> Self {
        self.with(|parser| parser.folds_case = false)
    }

    /// Whether an edited message is a command, again. Off unless switched on.
    pub fn edits(self, is_on: bool) -> Self {
        self.with(|parser| parser.edits = is_on)
    }

    /// Whether messages of the bot's own account are commands. Off unless switched on: a bot that hears itself may
    /// talk for ever.
    pub fn own_messages(self, is_on: bool) -> Self {
        self.with(|parser| parser.own_messages = is_on)
    }

    /// Whether messages in livechat rooms are commands. Off unless switched on.
    pub fn livechat(self, is_on: bool) -> Self {
        self.with(|parser| parser.livechat = is_on)
    }

    /// The command that a request is.
    pub fn parse(&self, request: &Request) -> Option<Command> {
        self.parser.parse(request)
    }

    fn with(mut self, change: impl FnOnce(&mut CommandParser)) -> Self {
        change(Arc::make_mut(&mut self.parser));
        self
    }
}

impl<S> Layer<S> for CommandLayer {
    type Service = CommandService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        CommandService {
            inner,
            parser: Arc::clone(&self.parser),
        }
    }
}

/// The service of a [`CommandLayer`].
#[derive(Clone, Debug)]
pub struct CommandService<S> {
    inner: S,
    parser: Arc<CommandParser>,
}

impl<S> CommandService<S> {
    /// The service inside.
    pub fn get_ref(&self) -> &S {
        &self.inner
    }

    /// The service inside, to change it.
    pub fn get_mut(&mut self) -> &mut S {
        &mut self.inner
    }

    /// The service inside, alone.
    pub fn into_inner(self) -> S {
        self.inner
    }
}

impl<S> Service<Request> for CommandService<S>
where
    S: Service<Request>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request) -> Self::Future {
        request.context().shared().stack.announce_parser(&self.parser);
        if let Some(command) = self.parser.parse(&request) {
            request.set_command(Some(command));
        }
        if let Some(trail) = trail_of(&request) {
            trail.looked_for_a_command(&request);
        }
        self.inner.call(request)
    }
}
