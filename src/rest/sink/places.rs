//! Rooms that actions know by something else than their id: looked up, and remembered for a while.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::event::RoomId;
use crate::response::Destination;
use crate::rest::endpoint::{CreateDirectMessage, RoomInfo, UserInfo};
use crate::rest::{Client, RestError, RestErrorKind};

/// Rooms that are remembered.
const MOST: usize = 1024;

/// A room may be given another name meanwhile.
const LIFETIME: Duration = Duration::from_secs(5 * 60);

/// Where messages went that said it by name. All clones remember the same.
#[derive(Clone, Debug, Default)]
pub(super) struct Places(Arc<Mutex<HashMap<Destination, Place>>>);

#[derive(Debug)]
struct Place {
    room_id: RoomId,
    until: Instant,
}

impl Places {
    fn lock(&self) -> MutexGuard<'_, HashMap<Destination, Place>> {
        // Nothing that is done under the lock leaves it half done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The room, if it was looked up not long ago.
    pub(super) fn known(&self, destination: &Destination, now: Instant) -> Option<RoomId> {
        let places = self.lock();
        let place = places.get(destination).filter(|place| now < place.until)?;
        Some(place.room_id.clone())
    }

    fn learn(&self, destination: &Destination, room_id: &RoomId, now: Instant) {
        let mut places = self.lock();
        if places.len() >= MOST && !places.contains_key(destination) {
            places.retain(|_, place| now < place.until);
            let oldest = places.iter().min_by_key(|(_, place)| place.until);
            if places.len() >= MOST
                && let Some(oldest) = oldest.map(|(destination, _)| destination.clone())
            {
                places.remove(&oldest);
            }
        }
        // A copy: the id is a slice of the answer, and would keep it.
        let room_id = RoomId::from(room_id.as_str());
        let until = now + LIFETIME;
        places.insert(destination.clone(), Place { room_id, until });
    }

    /// The server says that the room is not there.
    pub(super) fn forget(&self, destination: &Destination) {
        self.lock().remove(destination);
    }

    /// Asks the server.
    pub(super) async fn look_up(
        &self,
        client: &Client,
        destination: &Destination,
    ) -> Result<RoomId, RestError> {
        let room_id = match destination {
            Destination::User(username) => direct_room(client, username).await?,
            Destination::UserId(user_id) => {
                let found = client.call(&UserInfo::UserId(user_id.clone())).await?;
                let no_name = || unexpected("GET users.info", "the user has no name");
                direct_room(client, &found.user.username.ok_or_else(no_name)?).await?
            }
            Destination::RoomNamed(name) => client.call(&RoomInfo::RoomName(name.clone())).await?.room.id,
        };
        self.learn(destination, &room_id, Instant::now());
        Ok(room_id)
    }
}

async fn direct_room(client: &Client, username: &str) -> Result<RoomId, RestError> {
    let username = username.to_owned();
    let made = client.call(&CreateDirectMessage { username }).await?;
    let no_id = || unexpected("POST im.create", "the conversation has no id");
    made.room.id().cloned().ok_or_else(no_id)
}

fn unexpected(call: &str, what: &str) -> RestError {
    RestError::new(RestErrorKind::UnexpectedReply, call, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_bounded_number_is_remembered_for_a_while() {
        let places = Places::default();
        let named = |n: usize| Destination::RoomNamed(n.to_string());
        for n in 0..MOST + 10 {
            places.learn(&named(n), &RoomId::from("r"), Instant::now());
            tokio::time::advance(Duration::from_millis(1)).await;
        }
        assert_eq!(places.lock().len(), MOST);
        assert_eq!(places.known(&named(9), Instant::now()), None);
        assert_eq!(places.known(&named(10), Instant::now()), Some(RoomId::from("r")));
        places.forget(&named(10));
        assert_eq!(places.known(&named(10), Instant::now()), None);
        let last = named(MOST + 9);
        assert!(places.known(&last, Instant::now()).is_some());
        tokio::time::advance(LIFETIME).await;
        assert_eq!(places.known(&last, Instant::now()), None);
        places.learn(&named(0), &RoomId::from("r"), Instant::now());
        places.learn(&named(1), &RoomId::from("r"), Instant::now());
        assert_eq!(places.lock().len(), 2);
    }
}
