//! Calls about one thing, by what they are about: a room of any kind, a message, a user, all rooms.

mod message;
mod room;
mod rooms;
mod user;

pub use self::message::MessageHandle;
pub use self::room::{RoomHandle, RoomRef};
pub use self::rooms::RoomsHandle;
pub use self::user::{UserHandle, UserRef};
