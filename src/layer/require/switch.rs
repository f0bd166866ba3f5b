//! Commands that are switched off and on while the bot runs.

use std::collections::HashSet;
use std::sync::{Arc, PoisonError, RwLock};

use super::{Condition, RequireLayer};
use crate::event::RoomId;
use crate::rejection::Rejection;
use crate::request::Request;

/// How many commands may be off at the same time, each room counted by itself.
const MOST: usize = 10_000;

/// Switches commands and groups off and on while the bot runs, everywhere or in a room.
///
/// [`Router::switched_by`](crate::Router::switched_by) says which commands it rules: what is off is answered with one
/// sentence, and the help does not list it. Commands are named by their paths, `ban` or `admin ban`, without regard to case
/// and whatever alias they are called by; `admin` is all of that group. Nobody checks that there is such a command. A clone
/// is the same switch.
///
/// ```
/// use rocketbotte::Router;
/// use rocketbotte::layer::require::CommandSwitch;
///
/// async fn deploy() -> &'static str { "deployed" }
///
/// let switch = CommandSwitch::new();
/// let router: Router = Router::new().command("deploy", deploy).switched_by(&switch);
/// switch.disable("deploy")?;
/// assert!(!switch.is_enabled("deploy", None));
/// switch.enable("deploy");
/// # Ok::<_, rocketbotte::Rejection>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct CommandSwitch {
    disabled: Arc<RwLock<HashSet<Disabled>>>,
}

/// What is off: a path, everywhere or in a room.
type Disabled = (Option<RoomId>, Box<str>);

impl CommandSwitch {
    /// A switch with everything on.
    pub fn new() -> Self {
        Self::default()
    }

    /// Switches a command or a group off everywhere.
    ///
    /// # Errors
    ///
    /// 10,000 are off already.
    pub fn disable(&self, path: &str) -> Result<(), Rejection> {
        self.insert((None, folded(path)))
    }

    /// Switches it off in a room.
    ///
    /// # Errors
    ///
    /// 10,000 are off already.
    pub fn disable_in(&self, room_id: impl Into<RoomId>, path: &str) -> Result<(), Rejection> {
        // A copy: the id of an event is a slice of its frame, and would keep it.
        let room_id = RoomId::from(room_id.into().as_str());
        self.insert((Some(room_id), folded(path)))
    }

    /// Switches it on again where it was switched off everywhere.
    pub fn enable(&self, path: &str) {
        self.remove(&(None, folded(path)));
    }

    /// Switches it on again where it was switched off in a room.
    pub fn enable_in(&self, room_id: impl Into<RoomId>, path: &str) {
        self.remove(&(Some(room_id.into()), folded(path)));
    }

    /// Whether it is on in a room: neither it nor a group that it is in is off, there or everywhere.
    pub fn is_enabled(&self, path: &str, room_id: Option<&RoomId>) -> bool {
        let disabled = self.disabled.read().unwrap_or_else(PoisonError::into_inner);
        if disabled.is_empty() {
            return true;
        }
        let path = &*folded(path);
        let ends = path.match_indices(' ').map(|(end, _)| end).chain([path.len()]);
        !ends.map(|end| &path[..end]).any(|path| {
            let is_off = |room_id: Option<RoomId>| disabled.contains(&(room_id, Box::from(path)));
            is_off(None) || room_id.is_some_and(|id| is_off(Some(id.clone())))
        })
    }

    /// What is off: with the room where it is off there only. To be kept, and set again at the next start.
    pub fn disabled(&self) -> Vec<(Option<RoomId>, String)> {
        let disabled = self.disabled.read().unwrap_or_else(PoisonError::into_inner);
        let mut all: Vec<_> = disabled
            .iter()
            .map(|(room_id, path)| (room_id.clone(), path.to_string()))
            .collect();
        all.sort_unstable_by(|(_, one), (_, other)| one.cmp(other));
        all
    }

    /// The layer for each of the routes that it rules: only around a route itself is it known which one it is.
    pub(crate) fn layer(&self) -> RequireLayer<Condition> {
        let switch = self.clone();
        let is_on = move |request: &Request| {
            let path = request.route().map(|route| route.as_str());
            path.is_none_or(|path| switch.is_enabled(path, request.event().room_id()))
        };
        RequireLayer::that(Condition::when(is_on)).message("That is switched off here.")
    }

    fn insert(&self, one: Disabled) -> Result<(), Rejection> {
        let mut disabled = self.disabled.write().unwrap_or_else(PoisonError::into_inner);
        if disabled.len() >= MOST && !disabled.contains(&one) {
            return Err(Rejection::new("Too many commands are switched off already."));
        }
        disabled.insert(one);
        Ok(())
    }

    fn remove(&self, one: &Disabled) {
        let mut disabled = self.disabled.write().unwrap_or_else(PoisonError::into_inner);
        disabled.remove(one);
    }
}

fn folded(path: &str) -> Box<str> {
    path.to_lowercase().into()
}
