//! What the server tells only those who ask for it room by room.

/// What the transport asks for in each room that the bot is in, besides the messages: the server tells it nobody who has
/// not subscribed to the room.
///
/// Each is a subscription of its own for every room, and servers take 40 of them in 40 seconds: a bot in 100 rooms has
/// all after two minutes for the deletions alone, after each new connection. Rooms that the bot comes into later are
/// subscribed then, those that it leaves are given up. Whatever is asked for, messages come at once.
///
/// ```
/// use rocketbotte::{Bot, transport::PerRoom};
///
/// let bot = Bot::builder("https://chat.example.org")
///     .token("rKy9v9n4yYWWjyyx5", "token")
///     .per_room(PerRoom::new().deletions().typing())
///     .build()?;
/// # Ok::<_, rocketbotte::BotError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct PerRoom {
    pub(in crate::transport) has_deletions: bool,
    pub(in crate::transport) has_typing: bool,
    pub(in crate::transport) most_rooms: usize,
}

impl PerRoom {
    /// Nothing yet, of at most 1,000 rooms.
    pub const fn new() -> Self {
        Self {
            has_deletions: false,
            has_typing: false,
            most_rooms: 1_000,
        }
    }

    /// Deletions, as [`Event::Deleted`](crate::event::Event::Deleted). Without this they are told only where the server
    /// shows that there was a message (its setting `Message_ShowDeletedStatus`), and after an outage. Of messages that an
    /// administrator prunes by time or author the server does not say which they were: that is a
    /// [raw event](crate::event::Event::Raw), `deleteMessageBulk`.
    pub const fn deletions(mut self) -> Self {
        self.has_deletions = true;
        self
    }

    /// Who is typing, as [`Event::Typing`](crate::event::Event::Typing).
    pub const fn typing(mut self) -> Self {
        self.has_typing = true;
        self
    }

    /// In how many rooms at most; the log says when there are more.
    pub const fn max_rooms(mut self, rooms: usize) -> Self {
        self.most_rooms = rooms;
        self
    }

    pub(in crate::transport) const fn is_empty(self) -> bool {
        !self.has_deletions && !self.has_typing || self.most_rooms == 0
    }
}

impl Default for PerRoom {
    fn default() -> Self {
        Self::new()
    }
}
