//! Sending while a handler runs.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use futures_util::{Stream, StreamExt as _};
use tokio::time::Instant;
use tower::BoxError;

use super::{FromRequest, MissingPart};
use crate::dispatch::Receipt;
use crate::dispatch::resolve::Resolver;
use crate::growing::{self, GrowOptions, Grown, IntoText, Progress};
use crate::inspect::{scope, trail_of};
use crate::request::Request;
use crate::response::{Action, Send};

/// Sends while the handler runs, for long jobs that talk before they end.
///
/// What goes through it is carried out at once and is not undone by a later error, panic or timeout. For everything
/// else return a value: that is delivered as a whole or not at all.
///
/// ```
/// use rocketbotte::{BoxError, extract::Outbox};
///
/// async fn deploy(outbox: Outbox) -> Result<&'static str, BoxError> {
///     outbox.send("building").await?;
///     // … the work …
///     Ok("deployed")
/// }
/// # let _ = rocketbotte::Router::<()>::new().command("deploy", deploy);
/// ```
#[derive(Clone)]
pub struct Outbox {
    request: Request,
    place: Arc<OutboxPlace>,
}

/// How far a route has got with what it sends while it runs.
#[derive(Debug, Default)]
pub(crate) struct OutboxPlace {
    position: AtomicU32,
    /// In milliseconds.
    waited: AtomicU64,
}

impl OutboxPlace {
    fn next(&self) -> u32 {
        self.position.fetch_add(1, Ordering::Relaxed)
    }

    /// The route waited for people.
    pub(crate) fn waited(&self, time: Duration) {
        let millis = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        self.waited.fetch_add(millis, Ordering::Relaxed);
    }

    pub(crate) fn time_waited(&self) -> Duration {
        Duration::from_millis(self.waited.load(Ordering::Relaxed))
    }
}

impl Outbox {
    pub(crate) fn of(request: &Request) -> Self {
        let place = Arc::clone(request.outbox_place());
        Self {
            request: request.clone(),
            place,
        }
    }

    /// Posts a text where the event happened.
    ///
    /// # Errors
    ///
    /// The server refused it, or could not be reached for too long.
    pub async fn send(&self, text: impl Into<String>) -> Result<Receipt, BoxError> {
        self.perform(Send::text(text)).await
    }

    /// Carries out an action. A text of several parts is posted as several messages; the receipt is the last one's.
    ///
    /// # Errors
    ///
    /// The server refused it, could not be reached for too long, or the event has no room and the action names none; or
    /// the author is a bot that had ten replies in ten seconds.
    pub async fn perform(&self, action: impl Into<Action>) -> Result<Receipt, BoxError> {
        let shared = self.request.context().shared();
        let perform = shared.perform.clone().ok_or("this bot has no way to send")?;
        let now = Instant::now();
        if !shared.loops.may_reply(&self.request, now) {
            return Err("this bot and another seem to answer each other".into());
        }
        let position = self.place.next();
        let mut action = action.into();
        if let Some(place) = self.request.place() {
            place.apply(&mut action);
        }
        let delay = self.request.lateness(now);
        let resolver = Resolver::of_outbox(&self.request).late_by(delay, &self.request);
        #[cfg(feature = "test-util")]
        let asked = self.tap().map(|tap| (tap, action.clone()));
        let result = async {
            let mut receipt = Receipt::default();
            for action in resolver.resolve(action, self.request.route(), position)? {
                let visit = trail_of(&self.request).and_then(|trail| trail.acts(&action));
                if self.request.context().answers(&action) {
                    if let Some(visit) = visit {
                        visit.done();
                    }
                    continue;
                }
                receipt = scope(visit, perform.perform(action)).await?;
            }
            Ok(receipt)
        };
        let result = result.await;
        #[cfg(feature = "test-util")]
        if let Some((tap, action)) = asked {
            let receipt = tap.sent(
                self.request.route(),
                position,
                action,
                result.as_ref().ok().cloned(),
            );
            return result.map(|made| receipt.unwrap_or(made));
        }
        result
    }

    /// Writes a stream of text as a reply that grows: the first words as soon as they come, and edits as more do. It ends
    /// when the stream does, or when something [ends it before](crate::growing).
    ///
    /// # Errors
    ///
    /// The server refused to have it posted, or could not be reached for too long. A stream that fails is no error here:
    /// the reply says so itself, and [`Grown::ending`] tells.
    pub async fn grow<T>(&self, stream: T) -> Result<Grown, BoxError>
    where
        T: Stream<Item: IntoText> + std::marker::Send + 'static,
    {
        self.grow_with(&GrowOptions::new(), stream).await
    }

    /// The same with options.
    ///
    /// # Errors
    ///
    /// As [`grow`](Self::grow).
    pub async fn grow_with<T>(&self, options: &GrowOptions, stream: T) -> Result<Grown, BoxError>
    where
        T: Stream<Item: IntoText> + std::marker::Send + 'static,
    {
        let position = self.place.next();
        let stream = stream.map(IntoText::into_text).boxed();
        growing::grow(&self.request, position, options.clone(), stream).await
    }

    /// Posts a message that tells how a long job gets on, to be edited.
    ///
    /// # Errors
    ///
    /// As [`perform`](Self::perform).
    pub async fn progress(&self, text: impl Into<String>) -> Result<Progress, BoxError> {
        let position = self.place.next();
        Progress::begin(&self.request, position, text.into()).await
    }

    /// Posts a file while it is read: from a stream, or with its progress told. The receipt is that of its message. It goes
    /// up as [`Client::upload`](crate::rest::Client::upload) says, and where the bot has a journal it is posted at most once,
    /// also when the process ends in between. What is a value may also be [performed](Self::perform) or returned.
    ///
    /// ```
    /// use rocketbotte::{BoxError, extract::Outbox, response::Upload};
    ///
    /// async fn backup(outbox: Outbox) -> Result<&'static str, BoxError> {
    ///     let dump = tokio::fs::File::open("/srv/backup.sql").await?;
    ///     outbox.upload(Upload::from_reader("backup.sql", dump).message("The backup")).await?;
    ///     Ok("That was all of it.")
    /// }
    /// # let _ = rocketbotte::Router::<()>::new().command("backup", backup);
    /// ```
    ///
    /// # Errors
    ///
    /// As [`perform`](Self::perform); the [`RestError`](crate::rest::RestError) tells why. A bot that is connected to no
    /// server has nowhere to stream to.
    #[cfg(feature = "client")]
    pub async fn upload(
        &self,
        upload: impl Into<crate::response::Upload<crate::rest::file::Transfer>>,
    ) -> Result<Receipt, BoxError> {
        let shared = self.request.context().shared();
        let client = shared
            .client
            .as_ref()
            .ok_or("this bot is connected to no server")?;
        let now = Instant::now();
        if !shared.loops.may_reply(&self.request, now) {
            return Err("this bot and another seem to answer each other".into());
        }
        let position = self.place.position.fetch_add(1, Ordering::Relaxed);
        let mut upload = upload.into();
        if let Some(place) = self.request.place() {
            place.apply_to_upload(&mut upload.fields);
        }
        let delay = self.request.context().lateness(now);
        let resolver = Resolver::of_outbox(&self.request).late_by(delay, &self.request);
        resolver.place_upload(&mut upload.fields, self.request.route(), position)?;
        let performed = crate::rest::file::perform(client, shared.ledger.as_ref(), upload);
        // The future of an upload is large, and few handlers have one.
        Ok(Box::pin(performed).await?)
    }

    /// Whether the request is recorded.
    #[cfg(feature = "test-util")]
    fn tap(&self) -> Option<crate::testing::record::tap::Tap> {
        self.request.extensions().get().cloned()
    }
}

impl fmt::Debug for Outbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outbox")
            .field("place", &self.place)
            .finish_non_exhaustive()
    }
}

impl<S: Sync> FromRequest<S> for Outbox {
    type Rejection = MissingPart;

    async fn from_request(request: &Request, _state: &S) -> Result<Self, Self::Rejection> {
        Ok(Self::of(request))
    }
}
