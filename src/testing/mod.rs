//! What bots and layers are tested with, without a server: events, a way to run a handler or a whole bot on them, and
//! comparisons that say why they fail.
//!
//! A test of real handlers:
//!
//! ```
//! # mod bot {
//! # use rocketbotte::{BoxError, Request, Response, Router, command::CommandLayer, extract::Args};
//! # use tower::{Layer, Service};
//! # async fn add(Args((a, b)): Args<(i64, i64)>) -> String { (a + b).to_string() }
//! # async fn hello(message: std::sync::Arc<rocketbotte::event::Message>) -> Option<&'static str> {
//! #     message.text().contains("hello").then_some("world")
//! # }
//! # pub fn app() -> impl Service<Request, Response = Response, Error = BoxError, Future: Send> + Clone + Send {
//! #     CommandLayer::new("!").layer(Router::new().command("add", add).on_message(hello))
//! # }
//! # }
//! # use bot::app;
//! use rocketbotte::testing::{self, events};
//!
//! # /*
//! #[tokio::test]
//! # */
//! async fn it_adds_and_greets() {
//!     let mut app = app();
//!     testing::ask(&mut app, events::message("!add 1 2")).await.says(["3"]);
//!     testing::ask(&mut app, events::message("hello there")).await.says(["world"]);
//!     testing::ask(&mut app, events::message("nothing")).await.is_silent();
//! }
//! # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(it_adds_and_greets());
//! ```
//!
//! When a reply does not come, the failure says why:
//!
//! ```text
//! it went otherwise: - was expected, + was there instead
//!   ann: !addd 1 2
//! - rocketbotte: 3
//!
//! why: message: the command `addd` behind `!`, which the router does not have
//! - command add                another command was asked for
//! + listener on_message/hello  runs
//! ```
//!
//! - [`ask`] runs any service on an event, as a served bot does, and gives an [`Answer`] to compare; [`call`] gives the
//!   bare response.
//! - [`TestBot`] is a whole bot without sockets: with its order in each room, its deadlines, its deliveries.
//! - [`events`] makes events of every kind.
//! - [`pass`] lets time pass where it is paused.
//! - `serve` (with the features `client` and `sandbox`) puts a bot on a server in the process, over real sockets.
//! - [`record`] writes down what a bot hears and answers, and [`replay`] tells what it would do otherwise now.
//! - [`contract`] checks a layer.

mod answer;
mod bot;
pub mod contract;
pub mod events;
mod lines;
#[cfg(all(feature = "client", feature = "sandbox"))]
mod live;
#[cfg(feature = "client")]
pub mod parse;
mod probe;
pub mod record;
pub mod replay;
mod said;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::{BoxFuture, ready};
use tokio::time::Instant;
use tower::{BoxError, Layer, Service, ServiceExt};

pub use self::answer::Answer;
pub use self::bot::{Delivered, TestBot, TestTransport};

#[cfg(all(feature = "client", feature = "sandbox"))]
pub use self::live::{LiveBot, serve, serve_with};
pub use self::probe::{Probe, ProbeFuture};
pub use self::said::Said;
use crate::context::{Context, Perform, Shared};
use crate::dispatch::Receipt;
use crate::event::Event;
use crate::layer::catch_panic::CatchPanicLayer;
use crate::layer::handle_error::{answer_error, answer_failures};
use crate::request::Request;
use crate::response::{Action, Outcome, Response};
pub use crate::transcript::{Transcript, TranscriptMismatch};
use crate::transport::Arrival;

/// Runs a service on an event as a bot does that is served: makes it ready, calls it, waits for the routes that take
/// longer than the hold time, and answers for what failed or panicked. What handlers send through an
/// [`Outbox`](crate::extract::Outbox) comes first in the answer. The bot is [`events::bot`]. For several events pass
/// `&mut service`.
///
/// ```
/// use rocketbotte::testing::{self, events};
/// use rocketbotte::{BoxError, Router, command::CommandLayer};
/// use tower::Layer;
///
/// async fn fails() -> Result<(), BoxError> { Err("no database".into()) }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let app = CommandLayer::new("!").layer(Router::new().command("report", fails));
/// let answer = testing::ask(app, events::message("!report")).await;
/// answer.says(["Something went wrong (ref …)."]);
/// assert!(answer.why().contains("no database"));
/// # }
/// ```
///
/// # Panics
///
/// The service says that it takes no more requests.
#[track_caller]
pub fn ask<S>(service: S, event: impl Into<Event>) -> impl Future<Output = Answer>
where
    S: Service<Request, Response = Response>,
    S::Error: Into<BoxError>,
{
    let (event, caller) = (event.into(), std::panic::Location::caller());
    async move {
        let sent = Collected::default();
        let mut shared = Shared::new(events::bot());
        shared.perform = Some(Arc::new(sent.clone()));
        let shared = Arc::new(shared);
        let context = Context::new(Arc::clone(&shared), Arrival::Live, Instant::now());
        let request = Request::with_context(event.clone(), context);
        let mut service = CatchPanicLayer::new().layer(service);
        if let Err(error) = service.ready().await {
            panic!("the service takes no requests: {error} (asked at {caller})");
        }
        let mut notes = Vec::new();
        let mut response = match service.call(request.clone()).await {
            Ok(response) => response.finish().await,
            Err(error) => {
                notes.push(format!("the service failed: {error}"));
                answer_error(error, &request)
            }
        };
        for outcome in response.outcomes() {
            let what = match outcome.outcome() {
                Outcome::Handled => continue,
                Outcome::Rejected(rejection) => format!("rejected: {}", rejection.text()),
                Outcome::Failed(error) => format!("failed: {error}"),
                Outcome::TimedOut(after) => format!("timed out after {after:?}"),
                Outcome::Panicked(message) => format!("panicked: {message}"),
            };
            notes.push(format!("the route {} {what}", outcome.route()));
        }
        answer_failures(&mut response, &request);
        let why = shared.explain(&request);
        notes.push(if why.is_empty() {
            why
        } else {
            format!("why: {why}")
        });
        let mut actions = sent.take();
        actions.extend(response.actions().cloned());
        Answer::new(event, events::bot().username(), actions, notes)
    }
}

/// Lets this much time pass in a test with paused time: everything that can happen by then has happened.
///
/// ```
/// use std::time::Duration;
/// use rocketbotte::testing::{self, TestBot, events};
/// use rocketbotte::{Router, extract::Outbox};
///
/// async fn later(outbox: Outbox) -> &'static str {
///     tokio::time::sleep(Duration::from_secs(60)).await;
///     "a minute is over"
/// }
///
/// # /*
/// #[tokio::test(start_paused = true)]
/// # */
/// async fn a_minute() {
///     let bot = TestBot::new(Router::new().on_message(later));
///     bot.deliver(events::message("wait"));
///     testing::pass(Duration::from_secs(59)).await;
///     assert!(bot.actions().is_empty());
///     testing::pass(Duration::from_secs(2)).await;
///     assert_eq!(bot.actions().len(), 1);
/// }
/// # tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap().block_on(a_minute());
/// ```
pub async fn pass(time: Duration) {
    tokio::time::sleep(time).await;
}

/// Collects what handlers send while they run.
#[derive(Clone, Default)]
struct Collected(Arc<Mutex<Vec<Action>>>);

impl Collected {
    fn take(&self) -> Vec<Action> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Perform for Collected {
    fn perform(&self, action: Action) -> BoxFuture<'static, Result<Receipt, BoxError>> {
        let receipt = bot::receipt_of(&action);
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(action);
        Box::pin(ready(Ok(receipt)))
    }
}

/// Runs a service on an event: makes it ready, calls it, and waits for the routes that take longer than the hold time.
/// The bot is [`events::bot`]. For several events pass `&mut service`.
///
/// # Errors
///
/// What the service fails with.
pub async fn call<S>(service: S, event: impl Into<Event>) -> Result<Response, BoxError>
where
    S: Service<Request, Response = Response>,
    S::Error: Into<BoxError>,
{
    call_request(service, request(event)).await
}

/// Like [`call`], for a request that is there already.
///
/// # Errors
///
/// What the service fails with.
pub async fn call_request<S>(mut service: S, request: Request) -> Result<Response, BoxError>
where
    S: Service<Request, Response = Response>,
    S::Error: Into<BoxError>,
{
    let service = service.ready().await.map_err(Into::into)?;
    let response = service.call(request).await.map_err(Into::into)?;
    Ok(response.finish().await)
}

/// A request to the bot [`events::bot`].
pub fn request(event: impl Into<Event>) -> Request {
    Request::with_context(event, Context::for_bot(events::bot()))
}
