//! The handles that travel with every request.

use std::fmt;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::time::Instant;
use tower::BoxError;

use crate::conversation::waiters::Waiters;
use crate::dispatch::Receipt;
use crate::dispatch::lane_exits::LaneExits;
use crate::dispatch::loops::LoopBreaker;
use crate::dispatch::stack_info::StackInfo;
use crate::dispatch::tasks::TaskPool;
use crate::event::{Message, MessageId, RoomId, RoomKind, User, UserId};
use crate::growing::registry::GrowingReplies;
use crate::growing::talks::ThreadTalks;
use crate::inspect::Inspector;
use crate::journal::Ledger;
use crate::response::{Action, AllowedMentions};
use crate::router::runtime_listeners::RuntimeListeners;
use crate::schedule::Schedules;
use crate::transport::Arrival;

/// Who the bot is.
///
/// ```
/// use rocketbotte::Identity;
///
/// let bot = Identity::new("uB", "rocketbotte");
/// assert_eq!(bot.username(), "rocketbotte");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    user: User,
}

impl Identity {
    /// The bot's id and user name.
    pub fn new(id: impl Into<UserId>, username: impl Into<String>) -> Self {
        Self {
            user: User::new(id, username),
        }
    }

    /// Adds the display name.
    #[must_use]
    pub fn with_name(self, name: impl Into<String>) -> Self {
        Self {
            user: self.user.with_name(name),
        }
    }

    /// The bot's user id.
    pub fn id(&self) -> &UserId {
        self.user.id()
    }

    /// The bot's user name, without `@`. Empty where nobody said who the bot is.
    pub fn username(&self) -> &str {
        self.user.username()
    }

    /// The bot's display name.
    pub fn name(&self) -> Option<&str> {
        self.user.name()
    }
}

/// Carries out resolved actions at once, for handlers that talk before they end.
pub(crate) trait Perform: Send + Sync {
    fn perform(&self, action: Action) -> BoxFuture<'static, Result<Receipt, BoxError>>;
}

/// Shows or hides that the bot is typing, best effort.
pub(crate) trait ShowTyping: Send + Sync {
    fn show_typing(&self, room_id: &RoomId, thread_id: Option<&MessageId>, is_typing: bool);
}

/// The server's own default for `Message_MaxAllowedSize`.
const DEFAULT_MESSAGE_SIZE_LIMIT: usize = 5000;

/// What all requests of one bot share.
pub(crate) struct Shared {
    pub(crate) identity: Identity,
    pub(crate) listeners: Arc<RuntimeListeners>,
    pub(crate) stack: StackInfo,
    pub(crate) schedules: Schedules,
    pub(crate) perform: Option<Arc<dyn Perform>>,
    pub(crate) typing: Option<Arc<dyn ShowTyping>>,
    pub(crate) ids: crate::dispatch::ids::IdSource,
    pub(crate) loops: LoopBreaker,
    pub(crate) lane_exits: LaneExits,
    pub(crate) tasks: Arc<TaskPool>,
    /// Who waits for what somebody says.
    pub(crate) conversations: Arc<Waiters>,
    /// Replies that grow at this moment.
    pub(crate) growing: Arc<GrowingReplies>,
    /// Who has written in the threads that the bot was asked in.
    pub(crate) talks: ThreadTalks,
    /// Who looks at what becomes of each event.
    pub(crate) inspector: Option<Inspector>,
    /// What is remembered of events that are on their way.
    pub(crate) ledger: Option<Arc<Ledger>>,
    /// Whether a route runs at most once for an event, unless it says otherwise.
    pub(crate) at_most_once: bool,
    /// Whether replies go in a thread below their question unless they say otherwise.
    pub(crate) always_in_thread: bool,
    /// Whom texts may mention unless they say otherwise.
    pub(crate) allowed_mentions: AllowedMentions,
    /// Whether a reply that is too long for the chat becomes a file.
    pub(crate) long_replies_as_files: bool,
    /// Whether messages of bots go through the pipeline, also where no route asked for them.
    pub(crate) hears_bots: bool,
    /// UTF-16 units of a message's text, by the server's settings.
    pub(crate) message_size_limit: usize,
    /// The server's own address, which links to messages begin with.
    pub(crate) site_url: Option<String>,
    #[cfg(feature = "client")]
    pub(crate) client: Option<crate::rest::Client>,
}

impl Shared {
    pub(crate) fn new(identity: Identity) -> Self {
        let ids = crate::dispatch::ids::IdSource::new(identity.id(), crate::random::id().as_bytes());
        Self {
            identity,
            listeners: Arc::default(),
            stack: StackInfo::default(),
            schedules: Schedules::default(),
            perform: None,
            typing: None,
            ids,
            loops: LoopBreaker::default(),
            lane_exits: LaneExits::default(),
            tasks: Arc::default(),
            conversations: Arc::default(),
            growing: Arc::default(),
            talks: ThreadTalks::default(),
            inspector: None,
            ledger: None,
            at_most_once: false,
            always_in_thread: false,
            allowed_mentions: AllowedMentions::default(),
            long_replies_as_files: false,
            hears_bots: false,
            message_size_limit: DEFAULT_MESSAGE_SIZE_LIMIT,
            site_url: None,
            #[cfg(feature = "client")]
            client: None,
        }
    }
}

impl Shared {
    /// Whether any route asked for the messages of bots.
    pub(crate) fn hears_bots(&self) -> bool {
        self.hears_bots || self.stack.hears_bots() || self.listeners.hear_bots()
    }

    /// Why the routes of the pipeline run for a request, or do not; empty where there is no router.
    #[cfg(feature = "test-util")]
    pub(crate) fn explain(&self, request: &crate::Request) -> String {
        let explanations = self.stack.explain(request).into_iter();
        let texts: Vec<String> = explanations.map(|why| why.to_string()).collect();
        texts.join("\n")
    }

    pub(crate) fn message_size_limit(&self) -> usize {
        self.message_size_limit
    }

    /// What a text begins with to quote a message.
    pub(crate) fn quote_of(&self, message: &Message) -> Option<String> {
        let site_url = self.site_url.as_deref()?;
        let room = message.room();
        let kind = match room.kind() {
            RoomKind::Channel => "channel",
            RoomKind::Private => "group",
            RoomKind::Direct => "direct",
            RoomKind::Livechat | RoomKind::Unknown => return None,
        };
        let name = if room.is_direct() {
            room.id().as_str()
        } else {
            room.name().unwrap_or_else(|| room.id().as_str())
        };
        // A name may hold anything; what would end the link is no name that a server allows.
        let is_plain = name
            .chars()
            .all(|character| character.is_alphanumeric() || "-_.".contains(character));
        is_plain.then(|| format!("[ ]({site_url}/{kind}/{name}?msg={}) ", message.id()))
    }
}

/// Handles that travel with every request: who the bot is, how the event arrived, the way to the server. Cheap to
/// clone.
#[derive(Clone)]
pub struct Context {
    shared: Arc<Shared>,
    arrival: Arrival,
    received_at: Option<Instant>,
    /// Where that was earlier than it reached the pipeline.
    happened_at: Option<Instant>,
    /// It happened so long ago that only the routes hear it that say so.
    is_too_old: bool,
    /// Who waits for an answer.
    #[cfg(feature = "webhook")]
    exchange: Option<Arc<crate::transport::webhook::Exchange>>,
}

impl Context {
    /// A context without a bot behind it, for tests of services.
    pub fn detached() -> Self {
        static DETACHED: LazyLock<Arc<Shared>> =
            LazyLock::new(|| Arc::new(Shared::new(Identity::new("", ""))));
        Self {
            shared: Arc::clone(&DETACHED),
            arrival: Arrival::Live,
            received_at: None,
            happened_at: None,
            is_too_old: false,
            #[cfg(feature = "webhook")]
            exchange: None,
        }
    }

    pub(crate) fn new(shared: Arc<Shared>, arrival: Arrival, received_at: Instant) -> Self {
        Self {
            shared,
            arrival,
            received_at: Some(received_at),
            happened_at: None,
            is_too_old: false,
            #[cfg(feature = "webhook")]
            exchange: None,
        }
    }

    pub(crate) fn happened_at(mut self, at: Option<Instant>) -> Self {
        self.happened_at = at;
        self
    }

    pub(crate) fn too_old(mut self, is_too_old: bool) -> Self {
        self.is_too_old = is_too_old;
        self
    }

    #[cfg(feature = "webhook")]
    pub(crate) fn answering(mut self, exchange: Option<Arc<crate::transport::webhook::Exchange>>) -> Self {
        self.exchange = exchange;
        self
    }

    #[cfg(feature = "webhook")]
    pub(crate) fn exchange(&self) -> Option<&Arc<crate::transport::webhook::Exchange>> {
        self.exchange.as_ref()
    }

    /// Whether an action is the answer that somebody waits for, so that nothing else has to be done with it.
    #[cfg(feature = "webhook")]
    pub(crate) fn answers(&self, action: &Action) -> bool {
        self.exchange
            .as_ref()
            .is_some_and(|exchange| exchange.takes(action))
    }

    #[cfg(not(feature = "webhook"))]
    #[expect(clippy::unused_self, reason = "nobody waits")]
    pub(crate) fn answers(&self, _action: &Action) -> bool {
        false
    }

    pub(crate) fn is_too_old(&self) -> bool {
        self.is_too_old
    }

    /// How long ago the event happened, as far as it is known.
    pub(crate) fn lateness(&self, now: Instant) -> Duration {
        let since = |at: Option<Instant>| at.map_or(Duration::ZERO, |at| now.saturating_duration_since(at));
        since(self.received_at).max(since(self.happened_at))
    }

    /// It waited for people so long, which is no lateness of its own.
    pub(crate) fn waited(&mut self, time: Duration) {
        let later = |at: Option<Instant>| at.and_then(|at| at.checked_add(time));
        self.received_at = later(self.received_at);
        self.happened_at = later(self.happened_at);
    }

    /// A context of a bot with this identity, for tests of services.
    pub fn for_bot(identity: Identity) -> Self {
        Self {
            shared: Arc::new(Shared::new(identity)),
            arrival: Arrival::Live,
            received_at: None,
            happened_at: None,
            is_too_old: false,
            #[cfg(feature = "webhook")]
            exchange: None,
        }
    }

    /// Who the bot is.
    pub fn identity(&self) -> &Identity {
        &self.shared.identity
    }

    /// How the event arrived.
    pub fn arrival(&self) -> Arrival {
        self.arrival
    }

    /// When the event reached the pipeline; `None` outside a served bot.
    pub fn received_at(&self) -> Option<Instant> {
        self.received_at
    }

    /// Shows, or stops to show, that the bot is typing in a room. Best effort: without a connection nothing happens.
    /// Clients forget it after 15 s, so a long job repeats it.
    pub fn typing(&self, room_id: &RoomId, thread_id: Option<&MessageId>, is_typing: bool) {
        if let Some(typing) = &self.shared.typing {
            typing.show_typing(room_id, thread_id, is_typing);
        }
    }

    /// The REST client of the bot's account; `None` outside a bot that is connected to a server.
    #[cfg(feature = "client")]
    pub fn client(&self) -> Option<&crate::rest::Client> {
        self.shared.client.as_ref()
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("identity", &self.shared.identity)
            .field("arrival", &self.arrival)
            .finish_non_exhaustive()
    }
}
