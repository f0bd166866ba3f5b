//! What the pipeline tells about itself to what drives it: the user's stack is opaque, so its layers announce
//! themselves with the first request that reaches them.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use crate::command::{Address, Command, CommandParser};
use crate::handler::LaneUse;
use crate::request::Request;
#[cfg(feature = "client")]
use crate::router::CommandInfo;
use crate::router::NoCommand;
use crate::router::table::Table;

/// A stack has one or two of each; a program that makes them for each event is not followed.
const MOST_ANNOUNCED: usize = 16;

/// The prefix parsers and the routers of a stack.
#[derive(Default)]
pub(crate) struct StackInfo {
    parsers: Announced<CommandParser>,
    tables: Announced<Table>,
    hears_bots: AtomicBool,
    hears_any_age: AtomicBool,
    skips_lanes: AtomicBool,
}

struct Announced<T> {
    all: RwLock<Vec<Arc<T>>>,
    /// The address of the one announced last: nearly always that of the next one.
    last: AtomicUsize,
}

impl<T> Default for Announced<T> {
    fn default() -> Self {
        Self {
            all: RwLock::default(),
            last: AtomicUsize::new(0),
        }
    }
}

impl<T> Announced<T> {
    /// Whether it is announced for the first time.
    fn announce(&self, one: &Arc<T>) -> bool {
        let address = Arc::as_ptr(one).addr();
        // Read first: writing takes the line from the other cores, for each event.
        if self.last.load(Ordering::Relaxed) == address {
            return false;
        }
        self.last.store(address, Ordering::Relaxed);
        let is_known =
            |all: &[Arc<T>]| all.len() >= MOST_ANNOUNCED || all.iter().any(|known| Arc::ptr_eq(known, one));
        if is_known(&self.all.read().unwrap_or_else(PoisonError::into_inner)) {
            return false;
        }
        self.all
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .push(Arc::clone(one));
        true
    }

    fn get(&self) -> Vec<Arc<T>> {
        self.all.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl StackInfo {
    pub(crate) fn announce_parser(&self, parser: &Arc<CommandParser>) {
        self.parsers.announce(parser);
    }

    /// Whether it is announced for the first time.
    pub(crate) fn announce_table(&self, table: &Arc<Table>) -> bool {
        let is_new = self.tables.announce(table);
        if is_new {
            self.hears_bots.fetch_or(table.hears_bots(), Ordering::Relaxed);
            self.hears_any_age
                .fetch_or(table.hears_any_age(), Ordering::Relaxed);
            self.skips_lanes.fetch_or(table.skips_lanes(), Ordering::Relaxed);
        }
        is_new
    }

    /// Whether there is a router in the stack.
    pub(crate) fn has_router(&self) -> bool {
        self.tables.last.load(Ordering::Relaxed) != 0
    }

    /// Whether any route asked for the messages of bots.
    pub(crate) fn hears_bots(&self) -> bool {
        self.hears_bots.load(Ordering::Relaxed)
    }

    /// Whether any route hears events of any age.
    #[cfg(feature = "client")]
    pub(crate) fn hears_any_age(&self) -> bool {
        self.hears_any_age.load(Ordering::Relaxed)
    }

    pub(crate) fn prefixes(&self) -> Vec<String> {
        self.parsers
            .get()
            .iter()
            .flat_map(|parser| parser.prefixes().to_vec())
            .collect()
    }

    #[cfg(feature = "client")]
    pub(crate) fn commands(&self) -> Vec<CommandInfo> {
        self.tables
            .get()
            .iter()
            .flat_map(|table| table.commands())
            .collect()
    }

    /// Whether any route does not wait for its turn.
    #[cfg(feature = "client")]
    pub(crate) fn skips_lanes(&self) -> bool {
        self.skips_lanes.load(Ordering::Relaxed)
    }

    /// How an event waits for its turn in its room or thread.
    pub(crate) fn lane_use(&self, request: &Request) -> LaneUse {
        if !self.skips_lanes.load(Ordering::Relaxed) {
            return LaneUse::InOrder;
        }
        let command = self.parsers.get().iter().find_map(|parser| parser.parse(request));
        let tables = self.tables.get();
        tables
            .iter()
            .map(|table| table.lane_use(request, command.as_ref()))
            .max()
            .unwrap_or_default()
    }

    /// Whether an event is a command that never waits.
    pub(crate) fn is_control(&self, request: &Request) -> bool {
        if !self.skips_lanes.load(Ordering::Relaxed) {
            return false;
        }
        let parsers = self.parsers.get();
        let Some(command) = parsers.iter().find_map(|parser| parser.parse(request)) else {
            return false;
        };
        let tables = self.tables.get();
        tables
            .iter()
            .any(|table| table.lane_of(request, &command) == Some(LaneUse::Control))
    }

    /// The command of this stack that an event is, also where no `CommandLayer` has seen it yet.
    pub(crate) fn is_own_command(&self, request: &Request) -> bool {
        let tables = self.tables.get();
        let is_known = |command: &Command| {
            // Without a router, what is recognised is a command.
            (tables.is_empty() && command.address() != Address::Direct)
                || tables.iter().any(|table| table.knows(command))
        };
        if request.is_from_bot() && !self.hears_bots() {
            return false;
        }
        match request.command() {
            Some(command) => is_known(command),
            None => self
                .parsers
                .get()
                .iter()
                .filter_map(|parser| parser.parse(request))
                .any(|command| is_known(&command)),
        }
    }

    /// Whether the message of an event is a command whose arguments hold a secret, also where no `CommandLayer` has seen it
    /// yet.
    pub(crate) fn is_secret(&self, request: &Request) -> bool {
        let tables = self.tables.get();
        let is_secret = |command: &Command| tables.iter().any(|table| table.is_secret(command));
        if let Some(command) = request.command() {
            return is_secret(command);
        }
        let Some(message) = request.message() else {
            return false;
        };
        // The same message comes again with a reaction or an edit.
        let as_new = Request::with_context(Arc::clone(message), request.context().clone());
        let parsers = self.parsers.get();
        let mut commands = parsers.iter().filter_map(|parser| parser.parse(&as_new));
        commands.any(|command| is_secret(&command))
    }

    /// The command that the stack's parsers find in an event, or why the first of them finds none; `None` where there is
    /// no parser.
    pub(crate) fn find_command(&self, request: &Request) -> Option<Result<Command, NoCommand>> {
        let parsers = self.parsers.get();
        let mut found = parsers.iter().map(|parser| parser.find(request));
        let first = found.next()?;
        Some(first.or_else(|why| found.find_map(Result::ok).ok_or(why)))
    }

    /// Why each route of the stack runs for an event, or not; one for each router.
    #[cfg(feature = "test-util")]
    pub(crate) fn explain(&self, request: &Request) -> Vec<crate::router::Explanation> {
        let mut request = request.clone();
        if request.command().is_none() {
            request.set_command(self.find_command(&request).and_then(Result::ok));
        }
        let tables = self.tables.get();
        tables
            .iter()
            .map(|table| table.explain(&request, false))
            .collect()
    }

    /// Whether an event reads like a command.
    pub(crate) fn is_command(&self, text: &str) -> bool {
        self.prefixes()
            .iter()
            .any(|prefix| !prefix.is_empty() && text.starts_with(prefix.as_str()))
    }
}
