//! Room roles, asked from the server.

use futures_util::future::BoxFuture;
use tower::BoxError;

use super::Client;
use super::endpoint::{ChannelRoles, GroupRoles};
use crate::event::{Room, RoomKind};
use crate::layer::require::{Roles, RoomRoles};

/// The server tells them to every member of the room.
impl RoomRoles for Client {
    fn roles(&self, room: &Room) -> BoxFuture<'static, Result<Roles, BoxError>> {
        let (client, room_id, kind) = (self.clone(), room.id().clone(), room.kind());
        Box::pin(async move {
            let reply = match kind {
                RoomKind::Private => client.call(&GroupRoles { room_id }).await?,
                _ => client.call(&ChannelRoles { room_id }).await?,
            };
            Ok(reply
                .roles
                .into_iter()
                .map(|holder| (holder.user.id, holder.roles))
                .collect())
        })
    }
}
