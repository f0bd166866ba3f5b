//! Each run happens once, whatever is cut off and when.

use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Step {
    Pass(i64),
    Settle(usize, Settled),
    Restart,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (0..400_i64).prop_map(Step::Pass),
        4 => any::<usize>().prop_map(|index| Step::Settle(index, Settled::Done)),
        1 => any::<usize>().prop_map(|index| Step::Settle(index, Settled::Interrupted)),
        1 => any::<usize>().prop_map(|index| Step::Settle(index, Settled::Dropped)),
        1 => Just(Step::Restart),
    ];
    vec(step, 0..60)
}

/// What a journal would hold.
#[derive(Default)]
struct Kept {
    jobs: BTreeMap<String, JobState>,
    onces: BTreeMap<(String, String), StoredOnce>,
}

impl Kept {
    fn take(&mut self, changes: &mut Vec<Change>) {
        for change in changes.drain(..) {
            match change {
                Change::Job(name, state) => drop(self.jobs.insert(name, state)),
                Change::JobGone(name) => drop(self.jobs.remove(&name)),
                Change::Once(once) => drop(self.onces.insert((once.job.clone(), once.id.clone()), once)),
                Change::OnceGone { job, id } => drop(self.onces.remove(&(job, id))),
            }
        }
    }

    fn start(&self, overlap: Overlap, now: Timestamp) -> Timetable {
        let mut table = Timetable::default();
        let jobs = self
            .jobs
            .iter()
            .map(|(name, state)| (name.clone(), state.clone()));
        table.restore(jobs.collect(), self.onces.values().cloned().collect());
        let schedule = Schedule::every(Duration::from_secs(60))
            .missed(Missed::All(MOST_RUNS))
            .overlap(overlap);
        table.add("job", schedule, now).unwrap();
        table.start(now);
        table
    }
}

/// A run: of the job by its time, or a single one by its id.
type Which = (Option<String>, Timestamp);

fn check(overlap: Overlap, steps: Vec<Step>) -> Result<(), TestCaseError> {
    let mut now = Timestamp::from_millis(0);
    let mut kept = Kept::default();
    let mut table = kept.start(overlap, now);
    for id in 0..5 {
        let at = i64::from(id) * 100_000;
        let once = StoredOnce {
            starts: 0,
            ..StoredOnce::example("once".into(), id.to_string(), at)
        };
        table.plan(once).unwrap();
    }
    let mut begun = BTreeMap::<Which, u8>::new();
    let mut done = BTreeMap::<Which, u8>::new();
    let mut running = Vec::<Which>::new();
    // At the end all that is left is settled, for long enough that one after the other has its turn.
    let ends = (0..400).map(|_| Step::Settle(0, Settled::Done));
    for step in steps.into_iter().chain([Step::Restart]).chain(ends) {
        match step {
            Step::Pass(seconds) => now = Timestamp::from_millis(now.as_millis() + seconds * 1000),
            Step::Settle(index, how) if !running.is_empty() => {
                let which = running.remove(index % running.len());
                let job = if which.0.is_some() { "once" } else { "job" };
                table.settled(job, which.0.as_deref(), which.1, how, now);
                if how == Settled::Dropped {
                    // It has not begun after all.
                    *begun.entry(which.clone()).or_default() -= 1;
                }
                if how == Settled::Done {
                    *done.entry(which).or_default() += 1;
                }
            }
            Step::Settle(..) => {}
            Step::Restart => {
                kept.take(&mut table.changes);
                running.clear();
                table = kept.start(overlap, now);
            }
        }
        for run in table.take_due(now) {
            let which = (run.scheduled.id().map(str::to_owned), run.scheduled.due());
            prop_assert!(which.1 <= now);
            prop_assert!(!running.contains(&which), "{which:?} runs twice at a time");
            *begun.entry(which.clone()).or_default() += 1;
            running.push(which);
        }
        let jobs_running = running.iter().filter(|(id, _)| id.is_none()).count();
        prop_assert!(overlap == Overlap::Allow || jobs_running <= 1);
        kept.take(&mut table.changes);
    }
    let dues = (1..=now.as_millis() / 60_000).map(|n| (None, Timestamp::from_millis(n * 60_000)));
    let onces = (0..5_i64).map(|id| (Some(id.to_string()), Timestamp::from_millis(id * 100_000)));
    for which in dues.chain(onces.filter(|(_, at)| *at <= now)) {
        let (begun, done) = (begun.get(&which).copied(), done.get(&which).copied());
        let is_right = done == Some(1) || (done.is_none() && begun == Some(MOST_STARTS));
        prop_assert!(is_right, "{which:?} begun {begun:?} done {done:?}");
    }
    prop_assert!(kept.jobs["job"].open.is_empty());
    Ok(())
}

proptest! {
    #[test]
    fn each_run_is_done_once_or_given_up_after_three_starts(
        overlap in prop_oneof![Just(Overlap::Queue(MOST_RUNS)), Just(Overlap::Allow)],
        steps in steps(),
    ) {
        check(overlap, steps)?;
    }
}
