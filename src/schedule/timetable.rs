//! Which runs are due, which wait and which are on their way. Pure: it is told what time it is.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{MOST_RUNS, Missed, Overlap, Schedule, ScheduleError, ScheduleErrorKind, StoredOnce};
use crate::event::{Scheduled, Timestamp};
use crate::transport::Settled;

/// What begins later than this was missed.
const GRACE: Duration = Duration::from_secs(60);

/// A run that was on its way at so many ends of the process is given up.
const MOST_STARTS: u8 = 3;

/// A clock that goes back by less than this does not make a job begin anew.
const TURNED_BACK: Duration = Duration::from_secs(3600);

/// A run for which there was no room begins again after this.
const TRY_AGAIN: Duration = Duration::from_secs(5);

/// Single runs that are planned.
const MOST_ONCES: usize = 10_000;

/// Jobs, those of routers and those that were added at run time.
const MOST_JOBS: usize = 1000;

/// How far a job has come, as it is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct JobState {
    /// About each run that was due up to here it is decided.
    pub(super) seen: i64,
    /// Those that are not done, and how often each was begun.
    pub(super) open: BTreeMap<i64, u8>,
}

impl JobState {
    #[cfg(test)]
    pub(crate) fn example(seen: i64, open: impl IntoIterator<Item = (i64, u8)>) -> Self {
        Self {
            seen,
            open: open.into_iter().collect(),
        }
    }
}

/// What is to be kept.
#[derive(Debug, PartialEq)]
pub(super) enum Change {
    Job(String, JobState),
    JobGone(String),
    Once(StoredOnce),
    OnceGone { job: String, id: String },
}

/// A run that begins now.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) scheduled: Scheduled,
    pub(super) lateness: Duration,
}

impl Run {
    /// Whether it was due too long ago to be as it was meant.
    pub(super) fn is_missed(&self) -> bool {
        self.lateness > GRACE
    }
}

#[derive(Default)]
pub(super) struct Timetable {
    jobs: BTreeMap<String, Job>,
    onces: BTreeMap<(String, String), PlannedOnce>,
    /// The single runs that wait, in order.
    agenda: BTreeSet<(Timestamp, String, String)>,
    /// What was kept of jobs that nobody has named yet.
    restored: HashMap<String, JobState>,
    is_started: bool,
    pub(super) changes: Vec<Change>,
}

struct PlannedOnce {
    once: StoredOnce,
    is_running: bool,
    /// Its place in the agenda: when it is due, or is tried again.
    at: Timestamp,
}

struct Job {
    schedule: Schedule,
    state: JobState,
    /// The next run, and how much later it begins; none before the bot is ready.
    next: Option<(Timestamp, Duration)>,
    waiting: VecDeque<Timestamp>,
    running: BTreeSet<Timestamp>,
    /// There was no room for what waits: it begins no earlier.
    not_before: Option<Timestamp>,
}

impl Timetable {
    /// What an earlier run of the bot has kept.
    pub(super) fn restore(&mut self, jobs: Vec<(String, JobState)>, onces: Vec<StoredOnce>) {
        self.restored.extend(jobs);
        for once in onces {
            let key = (once.job.clone(), once.id.clone());
            if self.onces.contains_key(&key) {
                continue;
            }
            self.place(once);
        }
    }

    fn place(&mut self, once: StoredOnce) {
        let (at, key) = (once.due(), (once.job.clone(), once.id.clone()));
        self.agenda.insert((at, key.0.clone(), key.1.clone()));
        let is_running = false;
        self.onces.insert(key, PlannedOnce { once, is_running, at });
    }

    /// For a journal that knows nothing of them yet.
    pub(super) fn keep_all_planned(&mut self) {
        let onces = self.onces.values().map(|known| Change::Once(known.once.clone()));
        self.changes.extend(onces);
    }

    /// Adds a job. It begins with the bot, or now if that has begun.
    pub(super) fn add(
        &mut self,
        name: &str,
        schedule: Schedule,
        now: Timestamp,
    ) -> Result<(), ScheduleError> {
        if let Some(known) = self.jobs.get(name) {
            if known.schedule == schedule {
                return Ok(());
            }
            return Err(ScheduleError::new(
                ScheduleErrorKind::Taken,
                format!("there is another job `{name}`"),
            ));
        }
        if self.jobs.len() >= MOST_JOBS {
            return Err(ScheduleError::new(
                ScheduleErrorKind::Full,
                format!("there are {MOST_JOBS} jobs already"),
            ));
        }
        let mut job = Job {
            schedule,
            state: JobState::default(),
            next: None,
            waiting: VecDeque::new(),
            running: BTreeSet::new(),
            not_before: None,
        };
        if self.is_started {
            job.begin(name, self.restored.remove(name), now);
            self.changes.push(Change::Job(name.to_owned(), job.state.clone()));
        }
        self.jobs.insert(name.to_owned(), job);
        Ok(())
    }

    /// Whether there was such a job.
    pub(super) fn remove(&mut self, name: &str) -> bool {
        let was_there = self.jobs.remove(name).is_some();
        if was_there {
            self.changes.push(Change::JobGone(name.to_owned()));
        }
        was_there
    }

    /// The bot is ready.
    pub(super) fn start(&mut self, now: Timestamp) {
        if std::mem::replace(&mut self.is_started, true) {
            return;
        }
        for (name, job) in &mut self.jobs {
            job.begin(name, self.restored.remove(name), now);
            self.changes.push(Change::Job(name.clone(), job.state.clone()));
        }
    }

    /// The bot stops: nothing begins any more.
    pub(super) fn stop(&mut self) {
        self.is_started = false;
    }

    /// Plans a single run; behind the one of its id that runs, instead of the one that waits.
    pub(super) fn plan(&mut self, once: StoredOnce) -> Result<(), ScheduleError> {
        let key = (once.job.clone(), once.id.clone());
        let is_full = self.onces.len() >= MOST_ONCES;
        match self.onces.get_mut(&key) {
            Some(known) if known.is_running || known.once.then.is_some() => {
                // It is what was asked for.
                if !(known.is_running && known.once.is_same(&once)) {
                    known.once.then = Some(Box::new(once));
                    self.changes.push(Change::Once(known.once.clone()));
                }
                return Ok(());
            }
            Some(known) => {
                self.agenda.remove(&(known.at, key.0, key.1));
            }
            None if is_full => {
                return Err(ScheduleError::new(
                    ScheduleErrorKind::Full,
                    format!("{MOST_ONCES} single runs are planned already"),
                ));
            }
            None => {}
        }
        self.changes.push(Change::Once(once.clone()));
        self.place(once);
        Ok(())
    }

    /// Whether it was planned and has not begun.
    pub(super) fn cancel(&mut self, job: &str, id: &str) -> bool {
        let key = (job.to_owned(), id.to_owned());
        let Some(known) = self.onces.get_mut(&key) else {
            return false;
        };
        if known.is_running {
            let was_planned = known.once.then.take().is_some();
            if was_planned {
                self.changes.push(Change::Once(known.once.clone()));
            }
            return was_planned;
        }
        self.agenda.remove(&(known.at, key.0.clone(), key.1.clone()));
        self.onces.remove(&key);
        self.changes.push(Change::OnceGone {
            job: key.0,
            id: key.1,
        });
        true
    }

    /// The single runs that wait, in order.
    pub(super) fn planned(&self) -> Vec<&StoredOnce> {
        let waits = self.onces.values().flat_map(|known| {
            let itself = (!known.is_running).then_some(&known.once);
            itself.into_iter().chain(known.once.then.as_deref())
        });
        let mut planned: Vec<_> = waits.collect();
        planned.sort_by_key(|once| once.due());
        planned
    }

    /// When something is due next. Without anything that could be, and before the bot is ready, `None`.
    pub(super) fn next_at(&self) -> Option<Timestamp> {
        if !self.is_started {
            return None;
        }
        let jobs = self.jobs.values().filter_map(Job::next_at);
        jobs.chain(self.agenda.first().map(|(at, ..)| *at)).min()
    }

    /// The runs that begin now.
    pub(super) fn take_due(&mut self, now: Timestamp) -> Vec<Run> {
        let mut runs = Vec::new();
        if !self.is_started {
            return runs;
        }
        for (name, job) in &mut self.jobs {
            let before = job.state.clone();
            job.pass(name, now);
            job.start(name, now, &mut runs);
            if job.state != before {
                self.changes.push(Change::Job(name.clone(), job.state.clone()));
            }
        }
        while let Some((at, job, id)) = self.agenda.pop_first() {
            if at > now {
                self.agenda.insert((at, job, id));
                break;
            }
            self.start_once((job, id), now, &mut runs);
        }
        runs
    }

    fn start_once(&mut self, key: (String, String), now: Timestamp, runs: &mut Vec<Run>) {
        let Some(known) = self.onces.get_mut(&key) else {
            return;
        };
        if known.once.starts >= MOST_STARTS {
            tracing::error!(job = key.0, due = %known.once.due(), "the process ended so often while this ran: given up");
            return self.end_once(key, Settled::Done);
        }
        known.is_running = true;
        known.once.starts += 1;
        let once = known.once.clone();
        let mut scheduled = Scheduled::new(&*once.job, once.due())
            .with_id(once.id.clone())
            .with_payload(once.payload.clone());
        if let Some(room_id) = once.room_id.clone() {
            scheduled = scheduled.in_room(room_id);
        }
        runs.push(Run {
            scheduled,
            lateness: now.saturating_since(once.due()),
        });
        self.changes.push(Change::Once(once));
    }

    /// A run has ended, was cut off, or there was no room for it.
    pub(super) fn settled(
        &mut self,
        job: &str,
        id: Option<&str>,
        due: Timestamp,
        how: Settled,
        now: Timestamp,
    ) {
        if let Some(id) = id {
            let key = (job.to_owned(), id.to_owned());
            return match how {
                Settled::Dropped => self.try_once_again(key, now),
                Settled::Done | Settled::Interrupted => self.end_once(key, how),
            };
        }
        let Some(known) = self.jobs.get_mut(job) else {
            return;
        };
        known.running.remove(&due);
        let has_changed = match how {
            Settled::Done => known.state.open.remove(&due.as_millis()).is_some(),
            Settled::Dropped => known.try_again(due, now),
            Settled::Interrupted => false,
        };
        if has_changed {
            self.changes
                .push(Change::Job(job.to_owned(), known.state.clone()));
        }
    }

    /// It has not begun after all.
    fn try_once_again(&mut self, key: (String, String), now: Timestamp) {
        let Some(known) = self.onces.get_mut(&key).filter(|known| known.is_running) else {
            return;
        };
        known.is_running = false;
        known.once.starts = known.once.starts.saturating_sub(1);
        known.at = now.saturating_add(TRY_AGAIN);
        self.agenda.insert((known.at, key.0, key.1));
        self.changes.push(Change::Once(known.once.clone()));
    }

    fn end_once(&mut self, key: (String, String), how: Settled) {
        let Some(known) = self.onces.remove(&key) else {
            return;
        };
        // What was cut off begins again with the next start, where it is kept until then.
        let is_over = how != Settled::Interrupted || known.once.starts >= MOST_STARTS;
        match known.once.then {
            Some(next) => {
                if is_over {
                    self.changes.push(Change::Once((*next).clone()));
                }
                self.place(*next);
            }
            None if is_over => self.changes.push(Change::OnceGone {
                job: key.0,
                id: key.1,
            }),
            None => {}
        }
    }
}

impl Job {
    fn next_at(&self) -> Option<Timestamp> {
        let at_once = Timestamp::from_millis(i64::MIN);
        let may_start = !self.waiting.is_empty() && self.may_start();
        let waits = may_start.then(|| self.not_before.unwrap_or(at_once));
        let next = self.next.map(|(due, jitter)| due.saturating_add(jitter));
        waits.into_iter().chain(next).min()
    }

    /// Puts a run back that has not begun after all. Whether it was one.
    fn try_again(&mut self, due: Timestamp, now: Timestamp) -> bool {
        let Some(starts) = self.state.open.get_mut(&due.as_millis()) else {
            return false;
        };
        *starts = starts.saturating_sub(1);
        self.waiting.push_back(due);
        self.waiting.make_contiguous().sort_unstable();
        self.not_before = Some(now.saturating_add(TRY_AGAIN));
        true
    }

    fn may_start(&self) -> bool {
        self.schedule.overlap == Overlap::Allow || self.running.is_empty()
    }

    /// Where it goes on, and what of the time before is made up for.
    fn begin(&mut self, name: &str, restored: Option<JobState>, now: Timestamp) {
        let mut state = restored.unwrap_or_else(|| JobState {
            seen: now.as_millis(),
            open: BTreeMap::new(),
        });
        if Timestamp::from_millis(state.seen).saturating_since(now) > TURNED_BACK {
            state.seen = now.as_millis();
        }
        let cut_off = std::mem::take(&mut state.open);
        self.state = state;
        let (mut due, mut more) = self.times_until(now);
        for (at, starts) in cut_off {
            if starts >= MOST_STARTS {
                let due = Timestamp::from_millis(at);
                tracing::error!(job = name, %due, "the process ended so often while this ran: given up");
                continue;
            }
            self.state.open.insert(at, starts);
            due.push(Timestamp::from_millis(at));
        }
        due.sort_unstable();
        due.dedup();
        self.state.seen = self
            .state
            .seen
            .max(due.last().map_or(i64::MIN, |due| due.as_millis()));
        more |= self.keep_of_missed(&mut due, now);
        if more {
            tracing::warn!(job = name, missed = ?self.schedule.missed, "runs were missed");
        }
        self.state.open = due
            .iter()
            .map(|due| {
                (
                    due.as_millis(),
                    self.state.open.get(&due.as_millis()).copied().unwrap_or(0),
                )
            })
            .collect();
        self.waiting.extend(due);
        self.plan_next();
    }

    fn times_until(&self, now: Timestamp) -> (Vec<Timestamp>, bool) {
        let seen = Timestamp::from_millis(self.state.seen);
        self.schedule.times_between(seen, now, self.most_kept())
    }

    fn most_kept(&self) -> usize {
        match self.schedule.missed {
            Missed::Skip | Missed::Once => 1,
            Missed::All(most) => most.clamp(1, MOST_RUNS),
        }
    }

    /// Leaves of what is due what runs. Whether something was left out.
    fn keep_of_missed(&self, due: &mut Vec<Timestamp>, now: Timestamp) -> bool {
        let before = due.len();
        let most = match (self.schedule.missed, due.last()) {
            (Missed::All(0) | Missed::Skip, Some(last)) if now.saturating_since(*last) > GRACE => 0,
            _ => self.most_kept(),
        };
        due.drain(..before.saturating_sub(most));
        due.len() < before
    }

    /// Decides about all that is due by now.
    fn pass(&mut self, name: &str, now: Timestamp) {
        if Timestamp::from_millis(self.state.seen).saturating_since(now) > TURNED_BACK {
            tracing::warn!(job = name, "the clock was put back: the job begins anew");
            self.state.seen = now.as_millis();
            self.plan_next();
        }
        let Some((next, jitter)) = self.next else { return };
        let until = now.saturating_sub(jitter);
        if until < next {
            return;
        }
        let (mut due, mut more) = self.times_until(until);
        if let Some(last) = due.last() {
            self.state.seen = last.as_millis();
        }
        let is_one = due.len() == 1 && !more;
        more |= self.keep_of_missed(&mut due, now);
        if more {
            tracing::warn!(job = name, missed = ?self.schedule.missed, "runs were missed");
        }
        for due in due {
            let is_busy = !self.running.is_empty() || !self.waiting.is_empty();
            let has_room = match self.schedule.overlap {
                Overlap::Allow => true,
                // Of several that were missed, those that are made up for run one after the other.
                Overlap::Skip => !is_busy || !is_one,
                Overlap::Queue(most) => !is_busy || !is_one || self.waiting.len() < most.min(MOST_RUNS),
            };
            if has_room && self.waiting.len() < MOST_RUNS {
                self.state.open.insert(due.as_millis(), 0);
                self.waiting.push_back(due);
            } else {
                tracing::warn!(job = name, %due, "the run before it has not ended: it is left out");
            }
        }
        self.plan_next();
    }

    fn plan_next(&mut self) {
        let seen = Timestamp::from_millis(self.state.seen);
        let next = self.schedule.next_after(seen);
        let jitter = u64::try_from(self.schedule.jitter.as_millis()).unwrap_or(u64::MAX);
        let jitter = if jitter == 0 { 0 } else { fastrand::u64(..jitter) };
        self.next = next.map(|next| (next, Duration::from_millis(jitter)));
    }

    fn start(&mut self, name: &str, now: Timestamp, runs: &mut Vec<Run>) {
        // Further away it is only where the clock was put back.
        let is_early = |at: Timestamp| at > now && at.saturating_since(now) <= TRY_AGAIN;
        if self.not_before.is_some_and(is_early) {
            return;
        }
        self.not_before = None;
        while self.may_start()
            && let Some(due) = self.waiting.pop_front()
        {
            let starts = self.state.open.entry(due.as_millis()).or_default();
            *starts = starts.saturating_add(1);
            self.running.insert(due);
            runs.push(Run {
                scheduled: Scheduled::new(name, due),
                lateness: now.saturating_since(due),
            });
        }
    }
}

#[cfg(test)]
mod tests;
