//! Room roles as the server tells them.

use futures_util::future::BoxFuture;
use tower::BoxError;

use super::{Roles, RoomRoles};
use crate::event::{Room, RoomKind};
use crate::rest::Client;
use crate::rest::endpoint::{ChannelRoles, GroupRoles};

/// By `channels.roles` and `groups.roles`, which tell every member of a room. Other kinds of rooms have no roles.
impl RoomRoles for Client {
    fn roles(&self, room: &Room) -> BoxFuture<'static, Result<Roles, BoxError>> {
        let (client, kind, room_id) = (self.clone(), room.kind(), room.id().clone());
        Box::pin(async move {
            let reply = match kind {
                RoomKind::Channel => client.call(&ChannelRoles { room_id }).await?,
                RoomKind::Private => client.call(&GroupRoles { room_id }).await?,
                _ => return Ok(Roles::new()),
            };
            let holders = reply.roles.into_iter();
            Ok(holders.map(|holder| (holder.user.id, holder.roles)).collect())
        })
    }
}
