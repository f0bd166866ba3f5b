//! The handle to what is planned, and what wakes the bot for it.

use std::convert::Infallible;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;

use super::once::{LONGEST_NAME, StoredOnce, When};
use super::timetable::{Change, Run, Timetable};
use super::{Once, Schedule, ScheduleError, ScheduleErrorKind, WallClock};
use crate::event::{Event, Timestamp};
use crate::extract::FromRequest;
use crate::journal::Ledger;
use crate::request::Request;
use crate::transport::{Ack, Arrival, Delivery, Settled};

/// The clock on the wall may be put while nothing else happens.
const LOOK_EVERY: Duration = Duration::from_secs(60);

/// The jobs of a bot: to plan single runs, and to add and remove jobs while it runs. Cheap to clone; handlers take it as
/// an argument, and [`BotHandle::schedules`](crate::dispatch::BotHandle::schedules) gives it to the program.
///
/// What is planned is heard by [`Router::on_schedule`](crate::Router::on_schedule).
///
/// ```
/// use std::sync::Arc;
/// use std::time::Duration;
/// use rocketbotte::event::{Message, RoomId, Scheduled};
/// use rocketbotte::extract::Args;
/// use rocketbotte::schedule::{Once, Schedules};
/// use rocketbotte::{BoxError, Router};
///
/// async fn remind(
///     Args((minutes, text)): Args<(u64, String)>,
///     message: Arc<Message>,
///     room: RoomId,
///     schedules: Schedules,
/// ) -> Result<&'static str, BoxError> {
///     let once = Once::after("remind", Duration::from_secs(minutes * 60));
///     schedules.once(once.payload(&text)?.id(message.id().as_str()).in_room(room)).await?;
///     Ok("I will")
/// }
///
/// async fn due(scheduled: Arc<Scheduled>) -> Result<String, BoxError> {
///     Ok(scheduled.payload_as()?)
/// }
///
/// let router: Router = Router::new().command("remind", remind).on_schedule("remind", due);
/// ```
#[derive(Clone)]
pub struct Schedules {
    inner: Arc<Inner>,
}

struct Inner {
    state: Mutex<State>,
    wake: mpsc::Sender<()>,
}

struct State {
    timetable: Timetable,
    clock: WallClock,
    ledger: Option<Arc<Ledger>>,
    has_ended: bool,
}

/// Tells the bot that something was planned or has ended.
pub(crate) struct Wakes(mpsc::Receiver<()>);

impl Wakes {
    pub(crate) async fn next(&mut self) -> Option<()> {
        self.0.recv().await
    }
}

impl Schedules {
    pub(crate) fn new() -> (Self, Wakes) {
        let (wake, wakes) = mpsc::channel(1);
        let state = State {
            timetable: Timetable::default(),
            clock: WallClock::system(),
            ledger: None,
            has_ended: false,
        };
        let inner = Inner {
            state: Mutex::new(state),
            wake,
        };
        let schedules = Self {
            inner: Arc::new(inner),
        };
        (schedules, Wakes(wakes))
    }

    /// Plans a single run, and returns its id. With a journal it is kept when this returns, and outlives the process.
    /// Without one it lives as long as the bot. At most 10,000 are planned.
    ///
    /// A run that is due while the bot is not running begins with its next start, however late:
    /// [`Scheduled::due`](crate::event::Scheduled::due) says when it was meant. One for which there is no room, as too many
    /// events wait in its place, is tried again every five seconds.
    ///
    /// # Errors
    ///
    /// Something about it is too long, too many are planned, the journal can not keep it (a full disk), or the bot has
    /// ended.
    pub async fn once(&self, once: Once) -> Result<String, ScheduleError> {
        once.check()?;
        let id = once.id.unwrap_or_else(crate::random::id);
        let ledger = {
            let mut state = self.lock();
            if state.has_ended {
                return Err(ScheduleError::not_running());
            }
            let at = match once.when {
                When::At(at) => at,
                When::After(time) => state.clock.now().saturating_add(time),
            };
            state.timetable.plan(StoredOnce {
                job: once.job.clone(),
                id: id.clone(),
                at: at.as_millis(),
                payload: once.payload,
                room_id: once.room_id,
                starts: 0,
                then: None,
            })?;
            state.keep();
            state.ledger.clone()
        };
        self.wake();
        if let Some(ledger) = ledger
            && let Err(error) = ledger.kept().await
        {
            self.cancel(&once.job, &id);
            let message = format!("the journal does not keep what is planned: {error}");
            return Err(ScheduleError::new(ScheduleErrorKind::NotKept, message).with_source(error));
        }
        Ok(id)
    }

    /// Takes a single run back, also one that waits behind the one that runs. `false` if there is none, or it has begun.
    pub fn cancel(&self, job: &str, id: &str) -> bool {
        let mut state = self.lock();
        let was_planned = state.timetable.cancel(job, id);
        state.keep();
        was_planned
    }

    /// The single runs of a job that wait, in order: their ids, and when they are due.
    pub fn planned(&self, job: &str) -> Vec<(String, Timestamp)> {
        let state = self.lock();
        let of_job = state
            .timetable
            .planned()
            .into_iter()
            .filter(|once| once.job == job);
        of_job.map(|once| (once.id.clone(), once.due())).collect()
    }

    /// Adds a job that runs again and again, until it is removed or the bot ends. A program adds it again with each
    /// start; where it goes on is kept. At most 1000.
    ///
    /// # Errors
    ///
    /// There is another job of this name, there are too many, or the bot has ended.
    pub fn add(&self, job: &str, schedule: Schedule) -> Result<(), ScheduleError> {
        if job.len() > LONGEST_NAME {
            let message = format!("the name of a job is longer than {LONGEST_NAME} bytes");
            return Err(ScheduleError::new(ScheduleErrorKind::TooLong, message));
        }
        let mut state = self.lock();
        if state.has_ended {
            return Err(ScheduleError::not_running());
        }
        let now = state.clock.now();
        state.timetable.add(job, schedule, now)?;
        state.keep();
        drop(state);
        self.wake();
        Ok(())
    }

    /// Removes a job, and what is kept of it. A run that has begun goes on. `false` if there is none.
    pub fn remove(&self, job: &str) -> bool {
        let mut state = self.lock();
        let was_there = state.timetable.remove(job);
        state.keep();
        was_there
    }

    /// Adds the jobs of a router.
    pub(crate) fn declare<'a>(&self, jobs: impl Iterator<Item = (&'a str, &'a Schedule)>) {
        for (job, schedule) in jobs {
            if let Err(error) = self.add(job, schedule.clone()) {
                tracing::error!(job, %error, "a router's job does not run");
            }
        }
    }

    pub(crate) fn set_clock(&self, clock: WallClock) {
        self.lock().clock = clock;
    }

    /// The bot begins, with what it remembers.
    pub(crate) fn begin(&self, ledger: Option<&Arc<Ledger>>) {
        let mut state = self.lock();
        state.ledger = ledger.filter(|ledger| ledger.is_kept()).cloned();
        if let Some(ledger) = state.ledger.clone() {
            let (jobs, onces) = ledger.take_schedules();
            state.timetable.restore(jobs, onces);
        }
        // What was planned before.
        state.timetable.keep_all_planned();
        state.keep();
    }

    /// The bot is ready: from here on jobs run.
    pub(crate) fn start(&self) {
        let mut state = self.lock();
        let now = state.clock.now();
        state.timetable.start(now);
        state.keep();
        drop(state);
        self.wake();
    }

    /// Nothing begins any more.
    pub(crate) fn stop(&self) {
        self.lock().timetable.stop();
    }

    /// The bot has ended.
    pub(crate) fn end(&self) {
        let mut state = self.lock();
        state.timetable.stop();
        state.has_ended = true;
        state.ledger = None;
    }

    /// When something may be due next; `None` where nothing is planned.
    pub(crate) fn wake_at(&self) -> Option<Instant> {
        let state = self.lock();
        let next = state.timetable.next_at()?;
        let wait = next.saturating_since(state.clock.now()).min(LOOK_EVERY);
        Some(Instant::now() + wait)
    }

    /// The runs that begin now.
    pub(crate) fn take_due(&self) -> Vec<Delivery> {
        let mut state = self.lock();
        let now = state.clock.now();
        let runs = state.timetable.take_due(now);
        state.keep();
        drop(state);
        runs.into_iter().map(|run| self.delivery(run)).collect()
    }

    fn delivery(&self, run: Run) -> Delivery {
        let arrival = if run.is_missed() {
            Arrival::CaughtUp
        } else {
            Arrival::Live
        };
        let lateness = run.lateness;
        let scheduled = Arc::new(run.scheduled);
        let (schedules, of_run) = (self.clone(), Arc::clone(&scheduled));
        let ack = Ack::new(move |settled| schedules.settled(&of_run, settled));
        Delivery::live(Event::Scheduled(scheduled))
            .arrived(arrival)
            .happened_ago(lateness)
            .with_ack(ack)
    }

    fn settled(&self, run: &crate::event::Scheduled, how: Settled) {
        let mut state = self.lock();
        let now = state.clock.now();
        state.timetable.settled(run.job(), run.id(), run.due(), how, now);
        state.keep();
        drop(state);
        self.wake();
    }

    fn wake(&self) {
        // One is enough.
        let _ = self.inner.wake.try_send(());
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.inner.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Writes down what has changed; what changes before the bot begins is written with its begin.
    fn keep(&mut self) {
        let Some(ledger) = &self.ledger else {
            return self.timetable.changes.clear();
        };
        for change in self.timetable.changes.drain(..) {
            match change {
                Change::Job(name, state) => ledger.keep_job(&name, state),
                Change::JobGone(name) => ledger.forget_job(&name),
                Change::Once(once) => ledger.keep_once(once),
                Change::OnceGone { job, id } => ledger.forget_once(&job, &id),
            }
        }
    }
}

impl Default for Schedules {
    /// For tests of handlers: what is planned waits, and nothing runs it.
    fn default() -> Self {
        Self::new().0
    }
}

/// The jobs of the bot that serves the request.
impl<S: Sync> FromRequest<S> for Schedules {
    type Rejection = Infallible;

    async fn from_request(request: &Request, _state: &S) -> Result<Self, Self::Rejection> {
        Ok(request.context().shared().schedules.clone())
    }
}

impl fmt::Debug for Schedules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Schedules").finish_non_exhaustive()
    }
}
