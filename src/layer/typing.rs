//! Shows that the bot is typing while a handler works.

use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{self, Poll, ready};
use std::time::Duration;

use pin_project::pin_project;
use tokio::time::{Instant, Sleep, sleep_until};
use tower::{Layer, Service};

use crate::context::Context;
use crate::event::{MessageId, RoomId};
use crate::inspect::{Visit, enter};
use crate::request::Request;
use crate::response::{Response, RunningFuture};

/// A handler that is quicker shows nothing.
const DELAY: Duration = Duration::from_millis(300);

/// Clients forget it after 15 seconds.
const AGAIN: Duration = Duration::from_secs(10);

/// Shows that the bot is typing, where the event happened, while the service inside works: from 300 milliseconds on,
/// again and again, until it has answered, failed or was given up. Best effort: without a connection nothing is shown, and
/// the server's limit of such calls is kept.
///
/// Around the whole stack it goes for every slow handler, of commands and listeners; around a
/// [route](crate::Router::route_layer) or a group only for those. Events that happened in no room show nothing.
///
/// ```
/// use rocketbotte::{Router, layer::{CommandLayer, TypingLayer}};
/// use tower::ServiceBuilder;
///
/// async fn report() -> &'static str { "…" }
///
/// let app = ServiceBuilder::new()
///     .layer(CommandLayer::new("!"))
///     .layer(TypingLayer::new())
///     .service(Router::new().command("report", report));
/// # fn is_service(_: impl tower::Service<rocketbotte::Request>) {}
/// # is_service(app);
/// ```
#[derive(Clone)]
#[must_use]
pub struct TypingLayer {
    delay: Duration,
    places: Places,
}

impl TypingLayer {
    /// Shows it from 300 milliseconds on.
    pub fn new() -> Self {
        Self {
            delay: DELAY,
            places: Places::default(),
        }
    }

    /// From when on it is shown.
    pub fn delay(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }
}

impl Default for TypingLayer {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for TypingLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TypingLayer")
            .field("delay", &self.delay)
            .finish_non_exhaustive()
    }
}

impl<S> Layer<S> for TypingLayer {
    type Service = Typing<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Typing {
            inner,
            layer: self.clone(),
        }
    }
}

/// The service of a [`TypingLayer`].
#[derive(Clone, Debug)]
pub struct Typing<S> {
    inner: S,
    layer: TypingLayer,
}

super::accessors!(Typing);

impl<S> Service<Request> for Typing<S>
where
    S: Service<Request, Response = Response>,
{
    type Response = Response;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut task::Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request) -> Self::Future {
        let visit = enter(&mut request, || "TypingLayer");
        let indicator = Indicator::of(&request, &self.layer);
        ResponseFuture {
            inner: self.inner.call(request),
            indicator,
            visit,
        }
    }
}

/// The future of a [`Typing`].
#[pin_project]
pub struct ResponseFuture<F> {
    #[pin]
    inner: F,
    /// None where there is no place to show it.
    indicator: Option<Indicator>,
    visit: Visit,
}

impl<F, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response, E>>,
{
    type Output = Result<Response, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let Poll::Ready(mut result) = this.inner.poll(cx) else {
            if let Some(indicator) = this.indicator {
                indicator.poll(cx);
            }
            return Poll::Pending;
        };
        this.visit.leave(&result);
        if let (Ok(response), Some(indicator)) = (&mut result, this.indicator.take()) {
            response.wrap_running(|inner| {
                let indicator = indicator.another();
                Box::pin(Running { inner, indicator })
            });
        }
        Poll::Ready(result)
    }
}

impl<F> fmt::Debug for ResponseFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}

/// A route that goes on behind the response.
struct Running {
    inner: RunningFuture,
    indicator: Indicator,
}

impl Future for Running {
    type Output = Response;

    fn poll(mut self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<Response> {
        let Poll::Ready(mut response) = self.inner.as_mut().poll(cx) else {
            self.indicator.poll(cx);
            return Poll::Pending;
        };
        response.wrap_running(|inner| {
            let indicator = self.indicator.another();
            Box::pin(Self { inner, indicator })
        });
        Poll::Ready(response)
    }
}

/// Shows it at one place, when it is time and until it is dropped.
struct Indicator {
    places: Places,
    context: Context,
    place: Place,
    /// The first time, and then again.
    at: Instant,
    timer: Option<Pin<Box<Sleep>>>,
    is_shown: bool,
}

impl Indicator {
    fn of(request: &Request, layer: &TypingLayer) -> Option<Self> {
        let room_id = request.event().room_id()?.clone();
        request.author()?;
        Some(Self {
            places: Arc::clone(&layer.places),
            context: request.context().clone(),
            place: (room_id, request.event().thread_id().cloned()),
            at: Instant::now().checked_add(layer.delay)?,
            timer: None,
            is_shown: false,
        })
    }

    fn another(&self) -> Self {
        let mut another = Self {
            places: Arc::clone(&self.places),
            context: self.context.clone(),
            place: self.place.clone(),
            at: self.at,
            timer: None,
            is_shown: false,
        };
        if self.is_shown {
            another.begin();
        }
        another
    }

    fn poll(&mut self, cx: &mut task::Context<'_>) {
        // It asks to be woken for the next time.
        let _ = self.poll_timer(cx);
    }

    fn poll_timer(&mut self, cx: &mut task::Context<'_>) -> Poll<()> {
        loop {
            let at = self.at;
            let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(at)));
            ready!(timer.as_mut().poll(cx));
            self.at = Instant::now() + AGAIN;
            timer.as_mut().reset(self.at);
            self.begin();
            self.show(true);
        }
    }

    fn begin(&mut self) {
        if !std::mem::replace(&mut self.is_shown, true) {
            let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
            *places.entry(self.place.clone()).or_default() += 1;
        }
    }

    fn show(&self, is_typing: bool) {
        let (room_id, thread_id) = &self.place;
        self.context.typing(room_id, thread_id.as_ref(), is_typing);
    }
}

impl Drop for Indicator {
    fn drop(&mut self) {
        if !self.is_shown {
            return;
        }
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(count) = places.get_mut(&self.place) else {
            return;
        };
        *count -= 1;
        // Others may still work for this room.
        if *count == 0 {
            places.remove(&self.place);
            drop(places);
            self.show(false);
        }
    }
}

/// A room, or a thread in it.
type Place = (RoomId, Option<MessageId>);

/// How many handlers show it where. Those that run are bounded, so it is.
type Places = Arc<Mutex<HashMap<Place, usize>>>;
