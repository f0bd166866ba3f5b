//! Who has which role in a room: asked for, remembered for a while, bounded.

use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_util::future::BoxFuture;
use pin_project::pin_project;
use tokio::time::Instant;
use tower::BoxError;

use super::check::Check;
use crate::event::{Room, RoomId, RoomKind, UserId};
use crate::request::Request;

/// The roles of the people in a room.
pub type Roles = HashMap<UserId, Vec<String>>;

/// Knows who has which role in a room.
///
/// A served bot asks its server, which tells room roles to every member of the room.
pub trait RoomRoles: Send + Sync + 'static {
    /// Everybody in the room who has a role, such as `owner`, `moderator` or `leader`.
    fn roles(&self, room: &Room) -> BoxFuture<'static, Result<Roles, BoxError>>;
}

/// How long an answer is believed.
const FRESH: Duration = Duration::from_secs(60);

/// How long a failure is, so that a server that does not answer is not asked with every command.
const FAILED: Duration = Duration::from_secs(10);

/// Of how many rooms the roles are remembered.
const MOST_ROOMS: usize = 1_000;

/// Asks whether the author has one of some roles in the room.
#[derive(Clone)]
pub struct RoomRolesCheck {
    roles: Arc<[String]>,
    source: Option<Arc<dyn RoomRoles>>,
    cache: Arc<Cache>,
}

#[derive(Default)]
struct Cache {
    rooms: Mutex<HashMap<RoomId, Known>>,
    has_warned: AtomicBool,
}

#[derive(Clone)]
struct Known {
    /// `None` where it could not be found out.
    roles: Option<Arc<Roles>>,
    until: Instant,
}

impl RoomRolesCheck {
    pub(super) fn new(roles: Vec<String>) -> Self {
        Self {
            roles: roles.into(),
            source: None,
            cache: Arc::default(),
        }
    }

    pub(super) fn roles(&self) -> &[String] {
        &self.roles
    }

    /// Whether who has which role in the request's room was found out, once it was asked. Elsewhere than in channels and
    /// private rooms it is known that nobody has any.
    pub(super) fn is_known(&self, request: &Request) -> bool {
        request.room().is_some_and(|room| match room.kind() {
            RoomKind::Channel | RoomKind::Private => self
                .cache
                .get(room.id(), Instant::now())
                .is_some_and(|known| known.roles.is_some()),
            RoomKind::Direct | RoomKind::Livechat => true,
            RoomKind::Unknown => false,
        })
    }

    pub(super) fn set_source(&mut self, source: Arc<dyn RoomRoles>) {
        self.source = Some(source);
        self.cache = Arc::default();
    }
}

impl Cache {
    fn get(&self, room_id: &RoomId, now: Instant) -> Option<Known> {
        let rooms = self.rooms.lock().unwrap_or_else(PoisonError::into_inner);
        rooms.get(room_id).filter(|known| known.until > now).cloned()
    }

    fn insert(&self, room_id: &RoomId, known: Known, now: Instant) {
        let mut rooms = self.rooms.lock().unwrap_or_else(PoisonError::into_inner);
        if rooms.len() >= MOST_ROOMS && !rooms.contains_key(room_id) {
            rooms.retain(|_, known| known.until > now);
            if rooms.len() >= MOST_ROOMS {
                let oldest = rooms.iter().min_by_key(|(_, known)| known.until);
                if let Some(oldest) = oldest.map(|(room_id, _)| room_id.clone()) {
                    rooms.remove(&oldest);
                }
            }
        }
        // A copy: the id of the request is a slice of its frame, and would keep it.
        rooms.insert(RoomId::from(room_id.as_str()), known);
    }

    /// Nobody is let through while it is not known who may, and once the log says what is missing.
    fn warn(&self, reason: &dyn fmt::Display) {
        if !self.has_warned.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                %reason,
                "who has which role in a room is not known, so nobody is let through by `RequireLayer::room_roles`; \
                 it is asked by `channels.roles` and `groups.roles`, and the bot has to be a member of the room"
            );
        }
    }
}

impl Check for RoomRolesCheck {
    type Future = RoomRolesFuture;

    fn check(&self, request: &Request) -> Self::Future {
        let (Some(room), Some(author)) = (request.room(), request.author()) else {
            return RoomRolesFuture::known(false);
        };
        // Direct conversations and livechat rooms have no roles.
        if !matches!(room.kind(), RoomKind::Channel | RoomKind::Private) {
            return RoomRolesFuture::known(false);
        }
        let asked = Asked {
            check: self.clone(),
            room_id: room.id().clone(),
            author_id: author.id().clone(),
        };
        if let Some(known) = self.cache.get(room.id(), Instant::now()) {
            return RoomRolesFuture::known(asked.holds(known.roles.as_deref()));
        }
        match self.source.as_deref().or_else(|| server_of(request)) {
            Some(source) => RoomRolesFuture {
                lookup: Some(source.roles(room)),
                asked: Some(asked),
                holds: false,
            },
            None => {
                self.cache
                    .warn(&"there is no server to ask: the bot is not connected to one");
                RoomRolesFuture::known(false)
            }
        }
    }
}

/// The server that the bot is connected to.
#[cfg(feature = "client")]
fn server_of(request: &Request) -> Option<&dyn RoomRoles> {
    request
        .context()
        .client()
        .map(|client| -> &dyn RoomRoles { client })
}

#[cfg(not(feature = "client"))]
fn server_of(_request: &Request) -> Option<&dyn RoomRoles> {
    None
}

/// Who is asked about.
struct Asked {
    check: RoomRolesCheck,
    room_id: RoomId,
    author_id: UserId,
}

impl Asked {
    fn holds(&self, roles: Option<&Roles>) -> bool {
        roles
            .and_then(|roles| roles.get(&self.author_id))
            .is_some_and(|own| own.iter().any(|role| self.check.roles.contains(role)))
    }

    fn learn(&self, result: Result<Roles, BoxError>) -> bool {
        let now = Instant::now();
        let (roles, lifetime) = match result {
            Ok(roles) => (Some(Arc::new(roles)), FRESH),
            Err(error) => {
                self.check.cache.warn(&error);
                (None, FAILED)
            }
        };
        let holds = self.holds(roles.as_deref());
        let known = Known {
            roles,
            until: now + lifetime,
        };
        self.check.cache.insert(&self.room_id, known, now);
        holds
    }
}

/// The answer of a [`RoomRolesCheck`].
#[pin_project]
pub struct RoomRolesFuture {
    #[pin]
    lookup: Option<BoxFuture<'static, Result<Roles, BoxError>>>,
    asked: Option<Asked>,
    /// Where nothing has to be looked up.
    holds: bool,
}

impl RoomRolesFuture {
    fn known(holds: bool) -> Self {
        Self {
            lookup: None,
            asked: None,
            holds,
        }
    }
}

impl Future for RoomRolesFuture {
    type Output = bool;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<bool> {
        let this = self.project();
        let Some(asked) = this.asked else {
            return Poll::Ready(*this.holds);
        };
        let Some(lookup) = this.lookup.as_pin_mut() else {
            return Poll::Ready(false);
        };
        let holds = asked.learn(ready!(lookup.poll(cx)));
        *this.asked = None;
        *this.holds = holds;
        Poll::Ready(holds)
    }
}

impl fmt::Debug for RoomRolesFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RoomRolesFuture").finish_non_exhaustive()
    }
}

impl fmt::Debug for RoomRolesCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RoomRolesCheck")
            .field("roles", &self.roles)
            .finish_non_exhaustive()
    }
}
