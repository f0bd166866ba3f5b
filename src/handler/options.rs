//! How a router treats a route: everything about it that is not the function.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use tower::BoxError;

use super::Handler;
use crate::args::ArgsInfo;
use crate::event::RoomId;
use crate::request::Request;
use crate::response::{Action, Response, Thread};
use crate::router::Verdict;
use crate::transport::Arrival;

/// Wraps a handler to say how the router treats it.
///
/// ```
/// use std::time::Duration;
/// use rocketbotte::Router;
/// use rocketbotte::handler::route;
///
/// async fn deploy() -> &'static str { "deployed" }
/// async fn stop() -> &'static str { "stopped" }
///
/// let router: Router = Router::new()
///     .command("deploy", route(deploy).description("Deploys the main branch").timeout(Duration::from_secs(600)))
///     .command("stop", route(stop).control());
/// ```
pub fn route<H>(handler: H) -> Configured<H> {
    Configured {
        handler,
        options: RouteOptions::default(),
    }
}

/// A handler with what [`route`] said about it.
#[derive(Clone, Debug)]
#[must_use]
pub struct Configured<H> {
    handler: H,
    options: RouteOptions,
}

/// What a route says about itself.
#[derive(Clone, Debug, Default)]
pub struct RouteOptions {
    pub(crate) name: Option<Cow<'static, str>>,
    pub(crate) description: Option<Cow<'static, str>>,
    pub(crate) examples: Vec<Cow<'static, str>>,
    pub(crate) is_hidden: bool,
    pub(crate) deadline: RouteDeadline,
    pub(crate) lane: LaneUse,
    pub(crate) hears_bots: bool,
    pub(crate) hears: Hears,
    pub(crate) place: Option<Arc<Place>>,
    /// What it reads of the text behind its command.
    pub(crate) arguments: Option<Arc<ArgsInfo>>,
    /// `None` where the bot says it.
    pub(crate) at_most_once: Option<bool>,
}

/// Where the answers of a route go that say nothing of it themselves.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) room_id: Option<RoomId>,
    pub(crate) thread: Option<Thread>,
}

impl Place {
    pub(crate) fn apply(&self, action: &mut Action) {
        if let Some(room_id) = self.room_id.as_ref().filter(|_| action.lane().is_none()) {
            action.set_room_id(room_id.clone());
        }
        if let (Some(thread), Some(of_action)) = (&self.thread, action.thread_mut())
            && *of_action == Thread::AsAsked
        {
            *of_action = thread.clone();
        }
    }
}

/// How long a route may take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum RouteDeadline {
    /// What the layers around the router say.
    #[default]
    Inherited,
    After(Duration),
    Never,
}

/// Which events a route hears of those that happened while the bot was away.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Hears {
    /// None.
    Live,
    /// Those that are not too old.
    #[default]
    Recent,
    /// All that there are.
    AnyAge,
}

/// Whether an event waits for its turn in the room or thread.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum LaneUse {
    /// One at a time, in order.
    #[default]
    InOrder,
    /// Not in order, but within the bounds.
    Concurrent,
    /// At once, past every bound.
    Control,
}

/// What decides whether a route hears an event at all, besides what the event is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Circumstances {
    pub(crate) is_from_bot: bool,
    is_caught_up: bool,
    pub(crate) is_too_old: bool,
}

impl Circumstances {
    pub(crate) fn of(request: &Request) -> Self {
        let context = request.context();
        Self {
            is_from_bot: request.is_from_bot(),
            is_caught_up: context.arrival() == Arrival::CaughtUp,
            is_too_old: context.is_too_old(),
        }
    }
}

impl RouteOptions {
    /// Whether the route may run at all, or why not.
    #[inline]
    pub(crate) fn verdict(&self, circumstances: Circumstances) -> Verdict {
        match self.hears {
            Hears::Live if circumstances.is_caught_up => Verdict::CaughtUp,
            Hears::Recent if circumstances.is_too_old => Verdict::TooOld,
            _ if circumstances.is_from_bot && !self.hears_bots => Verdict::FromBot,
            _ => Verdict::Runs,
        }
    }
}

impl<H> Configured<H> {
    /// Says what it does, for the list of commands.
    pub fn description(mut self, description: impl Into<Cow<'static, str>>) -> Self {
        self.options.description = Some(description.into());
        self
    }

    /// Shows how it may be called, without a prefix: `ban @ann 2 hour`. Without any, one is made of the types of its
    /// arguments.
    pub fn example(mut self, example: impl Into<Cow<'static, str>>) -> Self {
        self.options.examples.push(example.into());
        self
    }

    /// Keeps it out of the list of commands. It can be run as any other, and the help knows it by its name.
    pub fn hidden(mut self) -> Self {
        self.options.is_hidden = true;
        self
    }

    /// Names a listener's route. The ids of its messages are derived from the name, so give one to a closure, or when
    /// the function is renamed. A command's route is named by the command.
    pub fn named(mut self, name: impl Into<Cow<'static, str>>) -> Self {
        self.options.name = Some(name.into());
        self
    }

    /// Gives it a deadline of its own, shorter or longer than that of the layers around the router.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.options.deadline = RouteDeadline::After(timeout);
        self
    }

    /// Lets it run for as long as it takes.
    pub fn no_timeout(mut self) -> Self {
        self.options.deadline = RouteDeadline::Never;
        self
    }

    /// Does not wait for its turn in the room or thread, nor let others wait. Its reply comes when it is ready.
    ///
    /// A listener's event skips the order only if all listeners of that kind of event are concurrent.
    pub fn concurrent(mut self) -> Self {
        self.options.lane = LaneUse::Concurrent;
        self
    }

    /// Runs at once, also when the room is busy and the bot is at its bounds: for `!stop`.
    pub fn control(mut self) -> Self {
        self.options.lane = LaneUse::Control;
        self
    }

    /// Also hears other bots, and the bot's own messages. Two bots that hear each other may talk for ever: a breaker
    /// ends it after ten replies in ten seconds, but say something only when it is needed.
    pub fn from_bots(mut self) -> Self {
        self.options.hears_bots = true;
        self
    }

    /// Runs at most once for an event, also where the process ends while it runs: that it begins is written to the
    /// journal first. For a handler that does something outside of the chat which must not be done twice: what the end
    /// of the process cuts off is not done again, and its answer may be missing.
    ///
    /// Where the journal can not keep that it begins (a full disk), it fails and does not begin; it may begin when the event
    /// comes back. That it has begun is remembered for as long as its event may come back, and of events that are not
    /// caught up for the next 99,000 such routes at least.
    ///
    /// Without a [journal](crate::journal) on disk the process is as far as this goes.
    ///
    /// ```
    /// use rocketbotte::Router;
    /// use rocketbotte::handler::route;
    ///
    /// async fn pay() -> &'static str { "paid" }
    ///
    /// let router: Router = Router::new().command("pay", route(pay).at_most_once());
    /// ```
    pub fn at_most_once(mut self) -> Self {
        self.options.at_most_once = Some(true);
        self
    }

    /// Runs again for an event that was not done when the process ended, also where the bot says
    /// [otherwise](Self::at_most_once): the default.
    pub fn at_least_once(mut self) -> Self {
        self.options.at_most_once = Some(false);
        self
    }

    /// Hears only what happens while the bot is connected, and nothing that is fetched after an outage: for what is of
    /// use at once or never.
    pub fn live_only(mut self) -> Self {
        self.options.hears = Hears::Live;
        self
    }

    /// Also hears what is older than the age up to which the bot answers after an outage (ten minutes unless
    /// set): for what has to be done however late. As many events as one outage may
    /// bring are a bound all the same.
    pub fn any_age(mut self) -> Self {
        self.options.hears = Hears::AnyAge;
        self
    }

    /// Sends what it answers to a room, instead of where the event happened: for events without a room, such as `Ready`
    /// and those the program fires.
    pub fn to(mut self, room_id: impl Into<RoomId>) -> Self {
        self.place().room_id = Some(room_id.into());
        self
    }

    /// Says in which thread its answers go, where they don't say it themselves: `Thread::Always` for one below each
    /// question.
    pub fn in_thread(mut self, thread: Thread) -> Self {
        self.place().thread = Some(thread);
        self
    }

    fn place(&mut self) -> &mut Place {
        Arc::make_mut(self.options.place.get_or_insert_default())
    }
}

#[diagnostic::do_not_recommend]
impl<H, T, S> Handler<T, S> for Configured<H>
where
    H: Handler<T, S>,
    S: Send + Sync + 'static,
{
    fn call(
        self,
        request: Request,
        state: Arc<S>,
    ) -> impl Future<Output = Result<Response, BoxError>> + Send + 'static {
        self.handler.call(request, state)
    }

    fn options(&self) -> RouteOptions {
        RouteOptions {
            arguments: self.handler.options().arguments,
            ..self.options.clone()
        }
    }

    fn name() -> &'static str {
        H::name()
    }
}
