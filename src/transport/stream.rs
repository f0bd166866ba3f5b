//! Any stream of events as a transport.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;
use pin_project::pin_project;

use super::{Delivery, Transport, TransportError};
use crate::event::Event;

/// Makes a transport of a stream: of events, or of deliveries that say how they arrived and are acknowledged.
///
/// The bot is ready at once, so [`Event::Ready`] comes first. When the stream ends, what it gave is handled to the end
/// and the bot stops. The receiving half of a channel makes an in-memory transport.
///
/// ```
/// use futures_util::stream;
/// use rocketbotte::event::{Event, Message, Room, RoomKind, User};
/// use rocketbotte::transport;
///
/// let message = Message::builder(Room::new("r", RoomKind::Channel), User::new("uA", "ann"), "hello").build();
/// let transport = transport::from_stream(stream::iter([Event::from(message)]));
/// # let _ = transport;
/// ```
pub fn from_stream<T>(stream: T) -> EventStream<T>
where
    T: Stream,
    T::Item: Into<Delivery>,
{
    EventStream {
        stream,
        was_ready: false,
        is_stopped: false,
    }
}

/// A stream of events as a transport, made by [`from_stream`].
#[pin_project]
pub struct EventStream<T> {
    #[pin]
    stream: T,
    was_ready: bool,
    is_stopped: bool,
}

impl<T> Stream for EventStream<T>
where
    T: Stream,
    T::Item: Into<Delivery>,
{
    type Item = Result<Delivery, TransportError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.project();
        if *this.is_stopped {
            return Poll::Ready(None);
        }
        if !std::mem::replace(this.was_ready, true) {
            return Poll::Ready(Some(Ok(Delivery::live(Event::Ready))));
        }
        this.stream
            .poll_next(cx)
            .map(|event| event.map(|event| Ok(event.into())))
    }
}

impl<T> Transport for EventStream<T>
where
    T: Stream + Send + 'static,
    T::Item: Into<Delivery>,
{
    fn stop(self: Pin<&mut Self>) {
        *self.project().is_stopped = true;
    }
}

impl<T> fmt::Debug for EventStream<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventStream")
            .field("is_stopped", &self.is_stopped)
            .finish_non_exhaustive()
    }
}
