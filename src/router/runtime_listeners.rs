//! Listeners that are added and removed while the bot runs: a copy-on-write list.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, Weak};

use super::compile::listener_name;
use super::route::Entry;
use super::table::{Filter, Listener};
use crate::handler::{Handler, Hears};
use crate::response::{RouteKind, RouteName};

type List = Arc<[(u64, Listener)]>;

/// The list that the outermost router of a bot runs after its own listeners.
#[derive(Default)]
pub(crate) struct RuntimeListeners {
    list: Arc<RwLock<Option<List>>>,
    /// Read first, so that a bot without any pays nothing.
    is_used: AtomicBool,
    hear_bots: AtomicBool,
    hear_any_age: AtomicBool,
    next_id: AtomicU64,
}

impl RuntimeListeners {
    /// Whether there ever was one.
    pub(super) fn is_used(&self) -> bool {
        self.is_used.load(Ordering::Acquire)
    }

    pub(super) fn for_each(&self, mut run: impl FnMut(&Listener)) {
        // The lock is not held while a listener is started: it may add or remove one.
        let list = self.list.read().unwrap_or_else(PoisonError::into_inner).clone();
        for (_, listener) in list.iter().flat_map(|list| list.iter()) {
            run(listener);
        }
    }

    /// Whether any of them, or any before, asked for the messages of bots.
    pub(crate) fn hear_bots(&self) -> bool {
        self.hear_bots.load(Ordering::Acquire)
    }

    /// Whether any of them, or any before, hears events of any age.
    #[cfg(feature = "client")]
    pub(crate) fn hear_any_age(&self) -> bool {
        self.hear_any_age.load(Ordering::Acquire)
    }

    pub(crate) fn add<H, T>(&self, event: EventSelector, handler: H) -> ListenerHandle
    where
        H: Handler<T, ()>,
        T: 'static,
    {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let own = handler
            .options()
            .name
            .unwrap_or(std::borrow::Cow::Borrowed(H::name()));
        let name = format!("at run time/{}", listener_name(&event.0, &own));
        let entry = Entry::new(handler, u32::MAX);
        let mut list = self.list.write().unwrap_or_else(PoisonError::into_inner);
        // The ids of messages are derived from the name: of several with one name each needs another, and one that is
        // removed and added again gets its own back.
        let is_free = |name: &str| {
            !list
                .iter()
                .flat_map(|list| list.iter())
                .any(|(_, known)| known.route.name.as_str() == name)
        };
        let name = std::iter::once(name.clone())
            .chain((2_u64..).map(|ordinal| format!("{name}#{ordinal}")))
            .find(|name| is_free(name))
            .unwrap_or(name);
        let route = entry.instantiate(
            &Arc::new(()),
            &Weak::new(),
            RouteName::new(&name),
            RouteKind::Listener,
        );
        self.hear_bots
            .fetch_or(route.options.hears_bots, Ordering::Release);
        self.hear_any_age
            .fetch_or(route.options.hears == Hears::AnyAge, Ordering::Release);
        let listener = Listener {
            filter: event.0,
            route,
        };
        let longer = list
            .iter()
            .flat_map(|list| list.iter().cloned())
            .chain([(id, listener)])
            .collect();
        *list = Some(longer);
        self.is_used.store(true, Ordering::Release);
        ListenerHandle {
            id,
            list: Arc::downgrade(&self.list),
        }
    }
}

/// Which events a listener that is added at run time hears.
pub struct EventSelector(pub(super) Filter);

impl EventSelector {
    /// Every event of a kind.
    pub fn kind(kind: crate::event::EventKind) -> Self {
        Self(Filter::Kind(kind))
    }

    /// Every recognised command, known or not.
    pub fn command() -> Self {
        Self(Filter::Command)
    }

    /// The custom events of a name.
    pub fn custom(name: &str) -> Self {
        Self(Filter::Custom(name.into()))
    }

    /// The runs of a job.
    pub fn job(name: &str) -> Self {
        Self(Filter::Job(name.into(), None))
    }
}

impl From<crate::event::EventKind> for EventSelector {
    fn from(kind: crate::event::EventKind) -> Self {
        Self::kind(kind)
    }
}

impl fmt::Debug for EventSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventSelector").finish_non_exhaustive()
    }
}

/// Removes a listener that was added at run time. Dropping the handle leaves the listener where it is.
#[derive(Clone, Debug)]
pub struct ListenerHandle {
    id: u64,
    list: Weak<RwLock<Option<List>>>,
}

impl ListenerHandle {
    /// Removes the listener, from the next event on. `false` if it was removed before.
    pub fn remove(&self) -> bool {
        let Some(list) = self.list.upgrade() else {
            return false;
        };
        let mut list = list.write().unwrap_or_else(PoisonError::into_inner);
        let Some(listeners) = list.as_ref() else {
            return false;
        };
        let fewer: List = listeners
            .iter()
            .filter(|(id, _)| *id != self.id)
            .cloned()
            .collect();
        let was_there = fewer.len() < listeners.len();
        *list = Some(fewer);
        was_there
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listener")
            .field("route", &self.route.name)
            .finish_non_exhaustive()
    }
}
