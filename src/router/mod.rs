//! The router: which routes an event runs.

mod compile;
mod explain;
mod future;
mod help;
mod merge;
mod route;
mod run;
pub(crate) mod runtime_listeners;
pub(crate) mod table;
mod unknown;
mod visit;

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tower::{BoxError, Layer, Service};

use self::compile::Compiled;
pub use self::explain::{
    Explanation, FoundCommand, LeadsTo, NoCommand, RouteExplanation, RouteRole, RouterAnswer, Verdict,
};
pub use self::future::RouterFuture;
pub use self::help::{CommandInfo, HelpPage, markdown_of};
use self::help::{Help, HelpRenderer};
pub use self::merge::RouterError;
pub use self::route::Route;
use self::route::{Entry, RouteLayer, route_layer};
pub use self::runtime_listeners::{EventSelector, ListenerHandle};
use self::table::{Filter, fold};
use crate::command::is_invisible;
use crate::event::EventKind;
use crate::handler::{Handler, RouteOptions, service};
use crate::layer::require::CommandSwitch;
use crate::request::Request;
use crate::response::{IntoResponse, Response};
use crate::schedule::Schedule;

/// Which routes an event runs: one command, and every listener that hears it.
///
/// A command that is known runs exactly that one route; every matching listener runs too, also when a command ran. The
/// routes of one event start in the order in which they were registered and run side by side; one that fails, panics
/// or hangs takes nothing from the others.
///
/// A router is always ready and cheap to clone. A service with state, `Router<S>`, becomes a `tower::Service` when it
/// gets it from [`with_state`](Self::with_state).
///
/// ```
/// use std::sync::Arc;
/// use rocketbotte::Router;
/// use rocketbotte::event::Message;
/// use rocketbotte::extract::Args;
///
/// async fn echo(Args(text): Args<String>) -> String { text }
/// async fn hello(message: Arc<Message>) -> Option<&'static str> {
///     message.text().contains("hello").then_some("world")
/// }
///
/// let router: Router = Router::new()
///     .command("echo", echo).alias("say")
///     .on_message(hello)
///     .help();
/// ```
#[must_use]
pub struct Router<S = ()> {
    definition: Arc<Definition<S>>,
}

/// What was registered, and what was made of it.
struct Definition<S> {
    commands: Vec<CommandEntry<S>>,
    /// The names of the commands and groups, folded: so that the next one costs no look at all of them.
    names: HashSet<String>,
    listeners: Vec<(Filter, Entry<S>)>,
    fallback: Option<Entry<S>>,
    unknown_command: Option<Entry<S>>,
    layers: Vec<RouteLayer>,
    hold: Option<Duration>,
    suggests: bool,
    next_order: u32,
    /// Made at the first call, and shared by the clones.
    compiled: OnceLock<Compiled>,
}

/// A command or a group, by its names.
struct CommandEntry<S> {
    names: Vec<Box<str>>,
    /// Names that it is called by and not known by.
    hidden_names: Vec<Box<str>>,
    target: EntryTarget<S>,
}

enum EntryTarget<S> {
    Command(Entry<S>),
    Group {
        router: Router<S>,
        /// Where the orders of its commands begin.
        order: u32,
    },
}

impl<S: Send + Sync + 'static> Router<S> {
    /// A router without routes.
    pub fn new() -> Self {
        Self {
            definition: Arc::new(Definition::default()),
        }
    }

    /// Runs a handler for a command: the word behind the prefix, in any script, without white space. Names are compared
    /// without regard to case unless the [`CommandLayer`](crate::command::CommandLayer) says otherwise.
    ///
    /// # Panics
    ///
    /// The name is taken, empty, or has white space in it. [`try_command`](Self::try_command) returns the error.
    #[track_caller]
    pub fn command<H, T>(self, name: &str, handler: H) -> Self
    where
        H: Handler<T, S>,
        T: 'static,
    {
        unwrap(self.try_command(name, handler))
    }

    /// Like [`command`](Self::command), for names that are known only at run time.
    ///
    /// # Errors
    ///
    /// The name is taken, empty, or has white space in it.
    pub fn try_command<H, T>(mut self, name: &str, handler: H) -> Result<Self, RouterError>
    where
        H: Handler<T, S>,
        T: 'static,
    {
        let definition = self.edit();
        definition.take_name(name)?;
        let order = definition.take_order();
        let target = EntryTarget::Command(Entry::new(handler, order));
        definition.commands.push(CommandEntry {
            names: vec![name.into()],
            hidden_names: Vec::new(),
            target,
        });
        Ok(self)
    }

    /// Runs a `tower::Service` for a command.
    ///
    /// # Panics
    ///
    /// As [`command`](Self::command).
    #[track_caller]
    pub fn command_service<T>(self, name: &str, command: T) -> Self
    where
        T: Service<Request, Response = Response> + Clone + Send + Sync + 'static,
        T::Error: Into<BoxError>,
        T::Future: Send + 'static,
    {
        self.command(name, service(command))
    }

    /// Gives the command or group that was registered last another name.
    ///
    /// # Panics
    ///
    /// The name is taken, empty, or has white space in it, or nothing was registered before.
    #[track_caller]
    pub fn alias(self, alias: &str) -> Self {
        unwrap(self.try_alias(alias))
    }

    /// Like [`alias`](Self::alias), for names that are known only at run time.
    ///
    /// # Errors
    ///
    /// The name is taken, empty, or has white space in it, or nothing was registered before.
    pub fn try_alias(mut self, alias: &str) -> Result<Self, RouterError> {
        let definition = self.edit();
        definition.check_alias(alias)?;
        if let Some(command) = definition.commands.last_mut() {
            command.names.push(alias.into());
        }
        Ok(self)
    }

    /// Gives the command or group that was registered last another name that no list shows: for one that was renamed.
    ///
    /// # Panics
    ///
    /// The name is taken, empty, or has white space in it, or nothing was registered before.
    #[track_caller]
    pub fn hidden_alias(mut self, alias: &str) -> Self {
        let definition = self.edit();
        let result = definition.check_alias(alias);
        if let (Ok(()), Some(command)) = (&result, definition.commands.last_mut()) {
            command.hidden_names.push(alias.into());
        }
        unwrap(result.map(|()| self))
    }

    /// Runs a handler for every new message. The bot's own and other bots' are not heard unless the route
    /// [asks for them](crate::handler::Configured::from_bots).
    pub fn on_message<H, T>(self, handler: H) -> Self
    where
        H: Handler<T, S>,
        T: 'static,
    {
        self.on(EventKind::Message, handler)
    }

    /// Runs a handler for every recognised command, known or not.
    pub fn on_command<H, T>(self, handler: H) -> Self
    where
        H: Handler<T, S>,
        T: 'static,
    {
        self.add_listener(Filter::Command, handler)
    }

    /// Runs a handler once, when the bot is connected for the first time.
    pub fn on_ready<H, T>(self, handler: H) -> Self
    where
        H: Handler<T, S>,
        T: 'static,
    {
        self.on(EventKind::Ready, handler)
    }

    /// Runs a handler when the bot is about to stop.
    pub fn on_close<H, T>(self, handler: H) -> Self
    where
        H: Handler<T, S>,
        T: 'static,
    {
        self.on(EventKind::Close, handler)
    }

    /// Runs a handler for every event of a kind.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use rocketbotte::Router;
    /// use rocketbotte::event::{EventKind, Reaction};
    ///
    /// async fn thanks(reaction: Arc<Reaction>) -> Option<&'static str> {
    ///     (reaction.is_added() && reaction.emoji() == ":+1:").then_some("thanks")
    /// }
    ///
    /// let router: Router = Router::new().on(EventKind::Reaction, thanks);
    /// ```
    pub fn on<H, T>(self, kind: EventKind, handler: H) -> Self
    where
        H: Handler<T, S>,
        T: 'static,
    {
        self.add_listener(Filter::Kind(kind), handler)
    }

    /// Runs a handler for the custom events of a name.
    pub fn on_custom<H, T>(self, name: &str, handler: H) -> Self
    where
        H: Handler<T, S>,
        T: 'static,
    {
        self.add_listener(Filter::Custom(name.into()), handler)
    }

    /// Runs a handler by a [schedule](crate::schedule). It happens in no room, so the handler says where an answer goes:
    /// `route(handler).to(room)`.
    ///
    /// ```
    /// use std::time::Duration;
    /// use rocketbotte::{Router, handler::route, schedule::Schedule};
    ///
    /// async fn water() -> &'static str { "Drink some water" }
    ///
    /// let hourly = Schedule::every(Duration::from_secs(3600));
    /// let router: Router = Router::new().schedule("water", hourly, route(water).to("GENERAL"));
    /// ```
    ///
    /// # Panics
    ///
    /// There is another job of this name, or the name is empty or longer than 256 bytes.
    /// [`try_schedule`](Self::try_schedule) returns the error.
    #[track_caller]
    pub fn schedule<H, T>(self, job: &str, schedule: Schedule, handler: H) -> Self
    where
        H: Handler<T, S>,
        T: 'static,
    {
        unwrap(self.try_schedule(job, schedule, handler))
    }

    /// Like [`schedule`](Self::schedule), for names that are known only at run time.
    ///
    /// # Errors
    ///
    /// There is another job of this name, or the name is empty or longer than 256 bytes.
    pub fn try_schedule<H, T>(
        mut self,
        job: &str,
        schedule: Schedule,
        handler: H,
    ) -> Result<Self, RouterError>
    where
        H: Handler<T, S>,
        T: 'static,
    {
        self.edit().check_job(job)?;
        Ok(self.add_listener(Filter::Job(job.into(), Some(Box::new(schedule))), handler))
    }

    /// Runs a handler for the runs of a job that is planned elsewhere: by [`Schedules`](crate::schedule::Schedules) while the
    /// bot runs, or by another route.
    pub fn on_schedule<H, T>(self, job: &str, handler: H) -> Self
    where
        H: Handler<T, S>,
        T: 'static,
    {
        self.add_listener(Filter::Job(job.into(), None), handler)
    }

    /// Runs a handler for every event, of any kind, that a predicate picks.
    pub fn listen<H, T>(
        self,
        predicate: impl Fn(&Request) -> bool + Send + Sync + 'static,
        handler: H,
    ) -> Self
    where
        H: Handler<T, S>,
        T: 'static,
    {
        self.add_listener(Filter::Predicate(Arc::new(predicate)), handler)
    }

    /// Runs a `tower::Service` for every event of a kind.
    pub fn listener_service<T>(self, kind: EventKind, listener: T) -> Self
    where
        T: Service<Request, Response = Response> + Clone + Send + Sync + 'static,
        T::Error: Into<BoxError>,
        T::Future: Send + 'static,
    {
        self.on(kind, service(listener))
    }

    /// Runs a handler for an event that no route of this router took: no command, and no listener.
    pub fn fallback<H, T>(mut self, handler: H) -> Self
    where
        H: Handler<T, S>,
        T: 'static,
    {
        let definition = self.edit();
        let order = definition.take_order();
        definition.fallback = Some(Entry::new(handler, order));
        self
    }

    /// Runs a handler for a command that this router does not have, instead of what is said by default: nothing in a
    /// channel, since another bot may have the same prefix, and a hint to who speaks to this bot alone.
    pub fn unknown_command<H, T>(mut self, handler: H) -> Self
    where
        H: Handler<T, S>,
        T: 'static,
    {
        let definition = self.edit();
        let order = definition.take_order();
        definition.unknown_command = Some(Entry::new(handler, order));
        self
    }

    /// Answers a command that this router does not have with the nearest that it has, wherever it is asked: for a prefix
    /// that no other bot listens to. Without it, that is said only to who speaks to this bot alone.
    pub fn suggest_nearest(mut self) -> Self {
        self.edit().suggests = true;
        self
    }

    /// Registers the command `help`: the list of the commands that whoever asks may run there, with their arguments and
    /// descriptions, in pages; `help ban` tells all about one, `help admin` lists a group. Who may is asked of the
    /// [`RequireLayer`](crate::layer::RequireLayer)s around the commands and their groups, inside of the router.
    ///
    /// # Panics
    ///
    /// There is a command `help` already.
    #[track_caller]
    pub fn help(self) -> Self {
        self.add_help(Help::plain())
    }

    /// Like [`help`](Self::help), in words and with looks of one's own.
    ///
    /// ```
    /// use rocketbotte::Router;
    /// use rocketbotte::router::HelpPage;
    ///
    /// let router: Router = Router::new().help_with(|page: HelpPage| {
    ///     let paths: Vec<_> = page.commands.iter().map(|command| command.path()).collect();
    ///     format!("I can do: {}", paths.join(", "))
    /// });
    /// ```
    ///
    /// # Panics
    ///
    /// There is a command `help` already.
    #[track_caller]
    pub fn help_with<R: IntoResponse>(self, render: impl Fn(HelpPage) -> R + Send + Sync + 'static) -> Self {
        self.add_help(Arc::new(move |page| render(page).into_response()))
    }

    #[track_caller]
    fn add_help(mut self, renderer: HelpRenderer) -> Self {
        let definition = self.edit();
        if let Err(error) = definition.take_name("help") {
            panic!("{error}");
        }
        let target = EntryTarget::Command(Entry::help(definition.take_order(), renderer));
        definition.commands.push(CommandEntry {
            names: vec!["help".into()],
            hidden_names: Vec::new(),
            target,
        });
        self
    }

    /// Describes commands by their paths, where they are not described when they are registered: from a file, or in another
    /// language. Commands of groups are known here once they are nested.
    ///
    /// ```
    /// use rocketbotte::Router;
    ///
    /// async fn ping() -> &'static str { "pong" }
    ///
    /// let router: Router = Router::new().command("ping", ping).describe([("ping", "Answers")]);
    /// assert_eq!(router.commands()[0].description(), Some("Answers"));
    /// ```
    ///
    /// # Panics
    ///
    /// There is no such command.
    #[track_caller]
    pub fn describe<P, D>(mut self, descriptions: impl IntoIterator<Item = (P, D)>) -> Self
    where
        P: AsRef<str>,
        D: Into<Cow<'static, str>>,
    {
        let definition = self.edit();
        for (path, description) in descriptions {
            let path = path.as_ref();
            match definition.options_of(path) {
                Some(options) => options.description = Some(description.into()),
                None => panic!("{}", RouterError::unknown(path)),
            }
        }
        self
    }

    /// Makes a group of commands under one word: `!admin ban` runs the command `ban` of the router that is nested as
    /// `admin`. The [layers](Self::layer) of the nested router run only for its commands; its listeners become
    /// listeners of this one. Its [`unknown_command`](Self::unknown_command) takes the sub-commands that it does not
    /// have; its fallback is not used, since the events that nobody takes are this router's.
    ///
    /// # Panics
    ///
    /// The word is taken, empty, or has white space in it, or both have a job of the same name.
    #[track_caller]
    pub fn nest(self, word: &str, router: Self) -> Self {
        unwrap(self.try_nest(word, router))
    }

    /// Like [`nest`](Self::nest), for words that are known only at run time.
    ///
    /// # Errors
    ///
    /// The word is taken, empty, or has white space in it, or both have a job of the same name.
    pub fn try_nest(mut self, word: &str, mut router: Self) -> Result<Self, RouterError> {
        let definition = self.edit();
        definition.check_jobs(router.edit())?;
        definition.take_name(word)?;
        let order = definition.next_order;
        definition.take_listeners(router.edit());
        let target = EntryTarget::Group { router, order };
        definition.commands.push(CommandEntry {
            names: vec![word.into()],
            hidden_names: Vec::new(),
            target,
        });
        Ok(self)
    }

    /// Wraps the router as one service: the layer sees every event, also those that no route takes, and covers routes
    /// that are registered later too. The layer added last is the outermost. For a stack of several,
    /// `tower::ServiceBuilder` around the router reads better.
    pub fn layer<L>(mut self, layer: L) -> Self
    where
        L: Layer<Route> + Send + Sync + 'static,
        L::Service: Service<Request, Response = Response> + Clone + Send + Sync + 'static,
        <L::Service as Service<Request>>::Error: Into<BoxError>,
        <L::Service as Service<Request>>::Future: Send + 'static,
    {
        self.edit().layers.push(route_layer(layer));
        self
    }

    /// Wraps each route that is registered so far: the layer runs only when the route does.
    pub fn route_layer<L>(mut self, layer: L) -> Self
    where
        L: Layer<Route> + Send + Sync + 'static,
        L::Service: Service<Request, Response = Response> + Clone + Send + Sync + 'static,
        <L::Service as Service<Request>>::Error: Into<BoxError>,
        <L::Service as Service<Request>>::Future: Send + 'static,
    {
        self.edit().push_route_layer(&route_layer(layer));
        self
    }

    /// Has each route that is registered so far switched off and on by a switch, while the bot runs.
    pub fn switched_by(self, switch: &CommandSwitch) -> Self {
        self.route_layer(switch.layer())
    }

    /// How long finished replies of an event wait for the routes of the same event that have not finished: as long as
    /// the bot's own hold time (5 s) unless set. What is ready later is delivered when it is ready.
    pub fn hold(mut self, hold: Duration) -> Self {
        self.edit().hold = Some(hold);
        self
    }

    fn add_listener<H, T>(mut self, filter: Filter, handler: H) -> Self
    where
        H: Handler<T, S>,
        T: 'static,
    {
        let definition = self.edit();
        let mut entry = Entry::new(handler, definition.take_order());
        entry.options.name.get_or_insert(Cow::Borrowed(H::name()));
        definition.listeners.push((filter, entry));
        self
    }

    /// The definition, to change it: what was compiled of it is given up.
    fn edit(&mut self) -> &mut Definition<S> {
        let definition = Arc::make_mut(&mut self.definition);
        definition.compiled = OnceLock::new();
        definition
    }
}

impl<S: Send + Sync + 'static> Definition<S> {
    fn push_route_layer(&mut self, layer: &RouteLayer) {
        let listeners = self.listeners.iter_mut().map(|(_, entry)| entry);
        for entry in listeners
            .chain(&mut self.fallback)
            .chain(&mut self.unknown_command)
        {
            entry.push_layer(Arc::clone(layer));
        }
        for command in &mut self.commands {
            match &mut command.target {
                EntryTarget::Command(entry) => entry.push_layer(Arc::clone(layer)),
                EntryTarget::Group { router, .. } => router.edit().push_route_layer(layer),
            }
        }
    }

    /// The options of a command, by the words that call it.
    fn options_of(&mut self, path: &str) -> Option<&mut RouteOptions> {
        let (word, rest) = path.split_once(' ').unwrap_or((path, ""));
        let entry = self.commands.iter_mut().find(|entry| *entry.names[0] == *word)?;
        match &mut entry.target {
            EntryTarget::Command(entry) if rest.is_empty() => Some(&mut entry.options),
            EntryTarget::Command(_) => None,
            EntryTarget::Group { router, .. } => router.edit().options_of(rest),
        }
    }

    fn check_alias(&mut self, alias: &str) -> Result<(), RouterError> {
        check_word(alias)?;
        if self.commands.is_empty() {
            return Err(RouterError::alias_of_nothing(alias));
        }
        self.take_name(alias)
    }

    fn take_order(&mut self) -> u32 {
        let order = self.next_order;
        self.next_order += 1;
        order
    }

    fn take_name(&mut self, name: &str) -> Result<(), RouterError> {
        check_word(name)?;
        if self.names.insert(fold(name)) {
            Ok(())
        } else {
            Err(RouterError::taken(name))
        }
    }
}

fn check_word(name: &str) -> Result<(), RouterError> {
    // What nobody sees is taken off the ends of what people type.
    let is_trimmed = !name.starts_with(is_invisible) && !name.ends_with(is_invisible);
    if name.is_empty() || name.contains(char::is_whitespace) || !is_trimmed {
        return Err(RouterError::bad_name(name));
    }
    Ok(())
}

#[track_caller]
fn unwrap<S>(result: Result<Router<S>, RouterError>) -> Router<S> {
    match result {
        Ok(router) => router,
        Err(error) => panic!("{error}"),
    }
}

impl<S: Send + Sync + 'static> Default for Router<S> {
    fn default() -> Self {
        Self::new()
    }
}

impl<S> Clone for Router<S> {
    fn clone(&self) -> Self {
        Self {
            definition: Arc::clone(&self.definition),
        }
    }
}

impl<S> Default for Definition<S> {
    fn default() -> Self {
        Self {
            commands: Vec::new(),
            names: HashSet::new(),
            listeners: Vec::new(),
            fallback: None,
            unknown_command: None,
            layers: Vec::new(),
            hold: None,
            suggests: false,
            next_order: 0,
            compiled: OnceLock::new(),
        }
    }
}

impl<S> Clone for Definition<S> {
    fn clone(&self) -> Self {
        Self {
            commands: self.commands.clone(),
            names: self.names.clone(),
            listeners: self.listeners.clone(),
            fallback: self.fallback.clone(),
            unknown_command: self.unknown_command.clone(),
            layers: self.layers.clone(),
            hold: self.hold,
            suggests: self.suggests,
            next_order: self.next_order,
            compiled: OnceLock::new(),
        }
    }
}

impl<S> Clone for CommandEntry<S> {
    fn clone(&self) -> Self {
        Self {
            names: self.names.clone(),
            hidden_names: self.hidden_names.clone(),
            target: self.target.clone(),
        }
    }
}

impl<S> Clone for EntryTarget<S> {
    fn clone(&self) -> Self {
        match self {
            Self::Command(entry) => Self::Command(entry.clone()),
            Self::Group { router, order } => Self::Group {
                router: router.clone(),
                order: *order,
            },
        }
    }
}

impl<S> fmt::Debug for Router<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Router")
            .field(
                "commands",
                &self
                    .definition
                    .commands
                    .iter()
                    .map(|command| &command.names[0])
                    .collect::<Vec<_>>(),
            )
            .field("listeners", &self.definition.listeners.len())
            .finish_non_exhaustive()
    }
}
