//! What was said in a room, page by page from the newest on.

use std::collections::HashSet;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;

use super::endpoint::{Channel, Direct, Private, RoomHistory};
use super::error::RestError;
use super::handle::RoomHandle;
use super::paging::{Counted, CountedReply, Listing, PAGE, Pages, SHORT};
use crate::event::{Message, MessageId, Room, RoomKind, Timestamp};

/// Ids that are kept of one point of time.
const MAX_EDGE: usize = 1_000;

/// The messages of a room, the newest first, fetched by hundreds as they are asked for.
///
/// It goes by the time of the messages: what is written while it runs is not part of it, and moves nothing. At most a
/// page is held. An error is the last item. Dropping the future of a `next()` loses nothing.
///
/// ```no_run
/// # async fn example(client: rocketbotte::rest::Client, room: rocketbotte::event::Room) -> Result<(), rocketbotte::rest::RestError> {
/// use futures_util::StreamExt;
///
/// let mut history = client.room(&room).history().without_replies();
/// while let Some(message) = history.next().await.transpose()? {
///     println!("{}: {}", message.author().username(), message.text());
/// }
/// # Ok(())
/// # }
/// ```
#[must_use = "streams do nothing unless they are polled"]
pub struct History {
    /// Before the first poll.
    settings: Option<ByTime>,
    listing: Option<Listing<Message>>,
}

impl History {
    pub(super) fn of(room: RoomHandle) -> Self {
        Self {
            settings: Some(ByTime {
                room,
                oldest: None,
                latest: None,
                has_no_replies: false,
                skip: 0,
                edge: HashSet::new(),
                is_last: false,
            }),
            listing: None,
        }
    }

    fn set(mut self, set: impl FnOnce(&mut ByTime)) -> Self {
        if let Some(settings) = &mut self.settings {
            set(settings);
        }
        self
    }

    /// Only what was written then or later. Not once it is polled, like the others.
    pub fn since(self, oldest: Timestamp) -> Self {
        self.set(|settings| settings.oldest = Some(oldest))
    }

    /// Only what was written then or before.
    pub fn until(self, latest: Timestamp) -> Self {
        self.set(|settings| settings.latest = Some(latest))
    }

    /// Without what was said in threads, unless it was also shown in the room. Servers before 6.5 don't know this.
    pub fn without_replies(self) -> Self {
        self.set(|settings| settings.has_no_replies = true)
    }
}

impl Stream for History {
    type Item = Result<Message, RestError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        if let Some(settings) = this.settings.take() {
            this.listing = Some(Listing::new(settings));
        }
        match &mut this.listing {
            Some(listing) => Pin::new(listing).poll_next(cx),
            None => Poll::Ready(None),
        }
    }
}

impl fmt::Debug for History {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("History")
            .field("listing", &self.listing)
            .finish_non_exhaustive()
    }
}

/// Pages that end at a point of time, each at the last one of the page before: what has that very time comes again.
struct ByTime {
    room: RoomHandle,
    oldest: Option<Timestamp>,
    latest: Option<Timestamp>,
    has_no_replies: bool,
    /// Messages at `latest` that fill a page by themselves.
    skip: usize,
    /// What was told of those that were written at `latest`.
    edge: HashSet<MessageId>,
    is_last: bool,
}

impl ByTime {
    fn call<K>(&self) -> RoomHistory<K> {
        let mut call = RoomHistory::of(self.room.id().clone(), PAGE).skip(self.skip);
        if let Some(latest) = self.latest {
            call = call.until(latest);
        }
        if let Some(oldest) = self.oldest {
            call = call.since(oldest);
        }
        match self.has_no_replies {
            true => call.without_replies(),
            false => call,
        }
    }

    /// A page, and how many messages came: some may be none.
    async fn page(&self) -> Result<(Vec<Message>, usize), RestError> {
        let kind = self.room.known_kind().await?;
        let client = self.room.client();
        let CountedReply { reply, received } = match kind {
            RoomKind::Channel => client.call(&Counted(self.call::<Channel>())).await?,
            RoomKind::Private => client.call(&Counted(self.call::<Private>())).await?,
            RoomKind::Direct => client.call(&Counted(self.call::<Direct>())).await?,
            RoomKind::Livechat | RoomKind::Unknown => return Err(self.room.has_no("history")),
        };
        let room = self.room.id();
        let in_room = |message: Message| message.in_room(Room::new(room.clone(), kind));
        Ok((reply.messages.into_iter().map(in_room).collect(), received))
    }
}

impl Pages for ByTime {
    type Item = Message;

    async fn next(&mut self) -> Result<Option<Vec<Message>>, RestError> {
        if self.is_last {
            return Ok(None);
        }
        let (page, received) = self.page().await?;
        self.is_last = received < SHORT;
        let Some(earliest) = page.iter().map(Message::created_at).min() else {
            // Nobody knows of when they are: it goes on by their place.
            self.skip += received;
            return Ok(Some(page));
        };
        let fresh: Vec<Message> = page
            .iter()
            .filter(|message| !self.edge.contains(message.id()))
            .cloned()
            .collect();
        if self.latest == Some(earliest) {
            self.skip += received;
        } else {
            self.skip = 0;
            self.latest = Some(earliest);
            self.edge.clear();
        }
        if self.edge.len() > MAX_EDGE {
            self.edge.clear();
        }
        let at_edge = page
            .into_iter()
            .filter(|message| message.created_at() == earliest);
        self.edge.extend(at_edge.map(|message| message.id().clone()));
        Ok(Some(fresh))
    }
}
