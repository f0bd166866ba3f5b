//! The loop: events in, handlers started and watched, answers out.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::{Id, JoinError};
use tokio::time::{Instant, Interval, sleep_until};
use tower::{BoxError, Service};

use super::deliver::DeliveryEnded;
use super::dispatcher::{Dispatcher, Ended};
use super::handle::{Fired, Stop, Told};
use super::{ServeError, ShutdownReport};
use crate::error_chain::Chain;
use crate::event::{CustomEvent, Event};
use crate::request::Request;
use crate::response::Response;
use crate::transport::{ConnectionState, Delivery, Transport, TransportError};

/// The least time that the handlers of `Close` have.
const LEAST_TIME_TO_CLOSE: Duration = Duration::from_secs(1);

/// How long the transport may take to say goodbye.
const TIME_FOR_GOODBYE: Duration = Duration::from_secs(2);

/// Where the loop is told what happens.
pub(super) struct Sources<T> {
    pub(super) transport: Pin<Box<T>>,
    pub(super) fired: Fired,
    pub(super) stop: watch::Receiver<Stop>,
    /// The state of the transport's connection, if it has one.
    pub(super) connection: Option<watch::Receiver<ConnectionState>>,
    /// When a job may be due.
    pub(super) job_at: Option<Instant>,
    /// When the loop shows that it turns.
    pub(super) beat: Interval,
}

/// What the loop may do.
#[derive(Clone, Copy)]
struct Limits {
    /// Take new events.
    pulls: bool,
    /// Start handlers.
    starts: bool,
    until: Option<Instant>,
}

/// What happened.
#[expect(
    clippy::large_enum_variant,
    reason = "it is taken apart at once; a box would cost every event an allocation"
)]
enum Step {
    Event(Option<Result<Delivery, TransportError>>),
    Fired(CustomEvent),
    /// A job is due, or another one than before is the next.
    Jobs,
    Connection(Option<ConnectionState>),
    ServiceReady(Result<(), BoxError>),
    HandlerEnded(Result<(Id, Ended), JoinError>),
    DeliveryEnded(DeliveryEnded),
    HoldOver,
    LaneLeft,
    TasksEnded,
    Beat,
    Stop,
    TimeUp,
}

/// Why the loop gave up control.
enum Paused {
    /// Nothing is left to do.
    Idle,
    /// The source of events has ended by itself.
    SourceEnded,
    TimeUp,
    StopGracefully,
    StopAtOnce,
    Failed(ServeError),
}

pub(super) async fn run<S, T>(
    mut dispatcher: Dispatcher<S>,
    mut sources: Sources<T>,
    shutdown_timeout: Duration,
) -> Result<ShutdownReport, ServeError>
where
    S: Service<Request, Response = Response> + Send + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send + 'static,
    T: Transport,
{
    if sources.connection.is_none() {
        dispatcher.handle().set_state(ConnectionState::Ready);
    }
    let serving = Limits {
        pulls: true,
        starts: true,
        until: None,
    };
    let mut end = drive(&mut dispatcher, &mut sources, serving).await;
    if matches!(end, Paused::SourceEnded) {
        // What the source gave before it ended by itself is handled, however long it takes; but nobody answers any more.
        dispatcher.shared.conversations.shut_down();
        end = drive(
            &mut dispatcher,
            &mut sources,
            Limits {
                pulls: false,
                ..serving
            },
        )
        .await;
    }
    dispatcher.handle().set_state(ConnectionState::Closing);
    dispatcher.stopping();
    dispatcher.shared.schedules.stop();
    // What was fired before is handled with the rest; what is fired from here on is told that it is too late.
    for event in sources.fired.close() {
        dispatcher.accept(Delivery::live(Event::Custom(Arc::new(event))));
    }
    // The connection may break and come back while the bot stops: that does not make it ready again.
    sources.connection = None;

    let stopped_at = Instant::now();
    let mut failure = None;
    let mut may_start = true;
    let mut at_once = false;
    let mut note = |end: Paused, may_start: &mut bool, at_once: &mut bool| match end {
        Paused::Failed(error) => {
            *may_start &= !matches!(error, ServeError::Service(_));
            failure.get_or_insert(error);
        }
        Paused::StopAtOnce => *at_once = true,
        Paused::Idle | Paused::SourceEnded | Paused::TimeUp | Paused::StopGracefully => {}
    };
    note(end, &mut may_start, &mut at_once);
    // Handlers have four fifths of the time, replies all of it.
    for (starts, time) in [(true, shutdown_timeout / 5 * 4), (false, shutdown_timeout)] {
        if !at_once {
            let limits = Limits {
                pulls: false,
                starts: starts && may_start,
                until: stopped_at.checked_add(time),
            };
            let end = drive(&mut dispatcher, &mut sources, limits).await;
            note(end, &mut may_start, &mut at_once);
        }
        dispatcher.abort_handlers();
    }
    dispatcher.abort_deliveries().await;
    if may_start && !at_once {
        dispatcher.accept(Delivery::live(Event::Close));
        let time = (shutdown_timeout / 5).max(LEAST_TIME_TO_CLOSE);
        let limits = Limits {
            pulls: false,
            starts: true,
            until: Instant::now().checked_add(time),
        };
        let end = drive(&mut dispatcher, &mut sources, limits).await;
        note(end, &mut may_start, &mut at_once);
        dispatcher.abort_handlers();
        dispatcher.abort_deliveries().await;
    }
    dispatcher.publish();
    say_goodbye(sources.transport.as_mut()).await;
    // With this the bot has ended.
    drop(sources);
    match failure {
        Some(failure) => Err(failure),
        None => Ok(dispatcher.report()),
    }
}

/// Ends the transport and waits until it has said goodbye. What it still gives came after the stop.
async fn say_goodbye<T: Transport>(mut transport: Pin<&mut T>) {
    transport.as_mut().stop();
    let goodbye = async { while poll_fn(|cx| transport.as_mut().poll_next(cx)).await.is_some() {} };
    if tokio::time::timeout(TIME_FOR_GOODBYE, goodbye).await.is_err() {
        tracing::debug!("the transport did not end in time");
    }
}

/// Does what there is to do until something happens that this loop does not decide.
async fn drive<S, T>(dispatcher: &mut Dispatcher<S>, sources: &mut Sources<T>, limits: Limits) -> Paused
where
    S: Service<Request, Response = Response> + Send + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send + 'static,
    T: Transport,
{
    loop {
        if !limits.pulls && dispatcher.is_idle(limits.starts) {
            return Paused::Idle;
        }
        match step(dispatcher, sources, limits).await {
            Step::Event(Some(Ok(delivery))) => dispatcher.accept(delivery),
            Step::Event(Some(Err(error))) if !error.is_fatal() => {
                tracing::warn!(error = %Chain(&error), "an event could not be read");
            }
            Step::Event(Some(Err(error))) => return Paused::Failed(ServeError::Transport(error)),
            Step::Event(None) => return Paused::SourceEnded,
            Step::Fired(event) => dispatcher.accept(Delivery::live(Event::Custom(Arc::new(event)))),
            Step::Jobs => {
                for delivery in dispatcher.shared.schedules.take_due() {
                    dispatcher.accept(delivery);
                }
                sources.job_at = dispatcher.shared.schedules.wake_at();
            }
            // The bot is closed when it has said goodbye, which is later than the connection's end.
            Step::Connection(Some(ConnectionState::Closing | ConnectionState::Closed)) => {}
            Step::Connection(Some(state)) => dispatcher.handle().set_state(state),
            Step::Connection(None) => sources.connection = None,
            Step::ServiceReady(Ok(())) => dispatcher.start_next().await,
            Step::ServiceReady(Err(error)) => return Paused::Failed(ServeError::Service(error)),
            Step::HandlerEnded(ended) => dispatcher.handler_ended(ended),
            Step::DeliveryEnded(ended) => dispatcher.delivery_ended(ended),
            Step::HoldOver => dispatcher.detach_held(),
            Step::LaneLeft => dispatcher.lanes_left(),
            // It is to be seen whether anything is left to wait for.
            Step::TasksEnded => {}
            Step::Beat => dispatcher.beat(),
            Step::TimeUp => return Paused::TimeUp,
            Step::Stop => match *sources.stop.borrow_and_update() {
                Stop::No => {}
                Stop::Gracefully => return Paused::StopGracefully,
                Stop::AtOnce => return Paused::StopAtOnce,
            },
        }
        dispatcher.publish();
    }
}

async fn step<S, T>(dispatcher: &mut Dispatcher<S>, sources: &mut Sources<T>, limits: Limits) -> Step
where
    S: Service<Request, Response = Response> + Send + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send + 'static,
    T: Transport,
{
    let can_start = limits.starts && dispatcher.can_start();
    let hold_over_at = dispatcher.hold_over_at();
    let connection = &mut sources.connection;
    let job_at = sources.job_at.filter(|_| limits.pulls);
    let parts = dispatcher.parts();
    // In this order: what ends makes room for what begins, and what has begun goes before what is new.
    tokio::select! {
        biased;
        Ok(()) = sources.stop.changed() => Step::Stop,
        _ = sources.beat.tick() => Step::Beat,
        Some(state) = state_changed(connection) => Step::Connection(state),
        Some(ended) = parts.running.join_next_with_id() => Step::HandlerEnded(ended),
        ended = parts.deliveries.next() => Step::DeliveryEnded(ended),
        () = sleep_until(hold_over_at.unwrap_or_else(Instant::now)), if hold_over_at.is_some() => Step::HoldOver,
        () = parts.shared.lane_exits.any() => Step::LaneLeft,
        () = parts.shared.tasks.ended(), if !limits.pulls && !parts.shared.tasks.is_empty() => Step::TasksEnded,
        ready = poll_fn(|cx| parts.service.poll_ready(cx)), if can_start => Step::ServiceReady(ready),
        () = sleep_until(job_at.unwrap_or_else(Instant::now)), if job_at.is_some() => Step::Jobs,
        Some(told) = sources.fired.next(), if limits.pulls => match told {
            Told::Fired(event) => Step::Fired(event),
            Told::Planned => Step::Jobs,
        },
        event = poll_fn(|cx| sources.transport.as_mut().poll_next(cx)), if limits.pulls => Step::Event(event),
        () = sleep_until(limits.until.unwrap_or_else(Instant::now)), if limits.until.is_some() => Step::TimeUp,
    }
}

/// `None` where there is no connection to watch; the state is `None` once nobody tells it any more.
async fn state_changed(
    connection: &mut Option<watch::Receiver<ConnectionState>>,
) -> Option<Option<ConnectionState>> {
    let connection = connection.as_mut()?;
    let is_told = connection.changed().await.is_ok();
    Some(is_told.then(|| *connection.borrow_and_update()))
}
