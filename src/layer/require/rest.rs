//! Room roles as the server tells them.

use futures_util::future::BoxFuture;
use tower::BoxError;

use super::Roles;
use crate::event::{Room, RoomKind};
use crate::rest::Client;
use crate::rest::endpoint::{Channel, Private, RoomRoles};

/// By `channels.roles` and `groups.roles`, which tell every member of a room. Other kinds of rooms have no roles.
impl super::RoomRoles for Client {
    fn roles(&self, room: &Room) -> BoxFuture<'static, Result<Roles, BoxError>> {
        let (client, kind, room_id) = (self.clone(), room.kind(), room.id().clone());
        Box::pin(async move {
            let reply = match kind {
                RoomKind::Channel => client.call(&RoomRoles::<Channel>::of(room_id)).await?,
                RoomKind::Private => client.call(&RoomRoles::<Private>::of(room_id)).await?,
                _ => return Ok(Roles::new()),
            };
            let holders = reply.roles.into_iter();
            Ok(holders.map(|holder| (holder.user.id, holder.roles)).collect())
        })
    }
}
