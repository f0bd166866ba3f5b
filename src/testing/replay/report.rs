//! What is otherwise than it was recorded.

use std::collections::HashMap;
use std::fmt;

use super::Then;
use crate::dispatch::BotHandle;
use crate::event::Event;
use crate::request::Request;
use crate::testing::answer::without_reference;
use crate::testing::lines;
use crate::testing::record::Damage;
use crate::testing::record::format::{Header, StoredAction, StoredAnswer, StoredOutcome};
use crate::testing::record::job::EventName;
use crate::transcript::{Transcript, difference};

/// Differences that the text shows; the others are counted.
const SHOWN: usize = 20;

/// What a replay found: from [`Replay::run`](super::Replay::run). Its text shows each difference, and why the routes ran
/// or did not.
#[derive(Clone, Debug, Default)]
pub struct ReplayReport {
    compared: usize,
    differences: Vec<Difference>,
    skipped: Vec<String>,
    lost: u64,
    damages: Vec<Damage>,
}

impl ReplayReport {
    /// Whether the pipeline does now what it did then, in all that could be compared.
    pub fn is_same(&self) -> bool {
        self.differences.is_empty()
    }

    /// What is otherwise, in the order of the events.
    pub fn differences(&self) -> &[Difference] {
        &self.differences
    }

    /// Events that were compared.
    pub fn compared(&self) -> usize {
        self.compared
    }

    /// Events that were not compared, and why: their payload is not recorded, or the bot stopped before they were
    /// answered.
    pub fn skipped(&self) -> &[String] {
        &self.skipped
    }

    /// Events that the recording lost.
    pub fn lost(&self) -> u64 {
        self.lost
    }

    /// For a test.
    ///
    /// # Panics
    ///
    /// Something is otherwise; the message shows what.
    #[track_caller]
    pub fn assert_same(&self) {
        assert!(self.is_same(), "{self}");
    }
}

impl fmt::Display for ReplayReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (compared, different) = (self.compared, self.differences.len());
        write!(
            f,
            "{compared} events were replayed, {different} led to something else"
        )?;
        if !self.skipped.is_empty() {
            write!(f, ", {} could not be compared", self.skipped.len())?;
        }
        if self.lost > 0 {
            write!(f, ", {} were lost by the recording", self.lost)?;
        }
        for damage in &self.damages {
            write!(f, "\nleft out: {damage}")?;
        }
        for why in self.skipped.iter().take(SHOWN) {
            write!(f, "\nnot compared: {why}")?;
        }
        for difference in self.differences.iter().take(SHOWN) {
            write!(f, "\n\n{difference}")?;
        }
        if different > SHOWN {
            write!(f, "\n\nand {} more", different - SHOWN)?;
        }
        Ok(())
    }
}

/// An event to which the pipeline answers otherwise than it did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    number: u64,
    event: String,
    then: Transcript,
    now: Transcript,
    why: String,
}

impl Difference {
    /// Which event of the recording, from 1.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// What happened.
    pub fn event(&self) -> &str {
        &self.event
    }

    /// What it led to when it was recorded.
    pub fn then(&self) -> &Transcript {
        &self.then
    }

    /// What it leads to now.
    pub fn now(&self) -> &Transcript {
        &self.now
    }

    /// Why the routes run for it now, or do not.
    pub fn why(&self) -> &str {
        &self.why
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (then, now) = (self.then.to_string(), self.now.to_string());
        write!(
            f,
            "event {}, {}: - is what it led to then, + what it leads to now\n{}",
            self.number,
            self.event,
            difference(&then, &now)
        )?;
        if !self.why.is_empty() {
            write!(f, "\nwhy: {}", self.why.replace('\n', "\n     "))?;
        }
        Ok(())
    }
}

pub(super) fn compare(
    header: &Header,
    then: Then,
    mut now: HashMap<EventName, (Request, StoredAnswer)>,
    handle: &BotHandle,
    lost: u64,
    damages: Vec<Damage>,
) -> ReplayReport {
    let mut report = ReplayReport {
        skipped: then.skipped,
        lost,
        damages,
        ..ReplayReport::default()
    };
    for (name, event, line) in then.lines {
        let shown = shown(&event);
        if line.answer.is_cut_off {
            let why = "the bot stopped before it was answered";
            report
                .skipped
                .push(format!("event {}, {shown}: {why}", line.number));
            continue;
        }
        report.compared += 1;
        let room = event.room_id().map(|room| room.as_str());
        let before = transcript(&line.answer, &header.bot_username, room);
        let (after, why) = match now.remove(&name) {
            Some((request, answer)) => (
                transcript(&answer, &header.bot_username, room),
                handle.explain(&request),
            ),
            None => (
                Transcript::new(["(it did not reach the pipeline)"]),
                String::new(),
            ),
        };
        if before != after {
            report.differences.push(Difference {
                number: line.number,
                event: shown,
                then: before,
                now: after,
                why,
            });
        }
    }
    report
}

fn shown(event: &Event) -> String {
    let room = lines::room_label(event.room(), event.room_id().map(|room| room.as_str()));
    let line = lines::of_event(event);
    match room {
        Some(room) => format!("{line:?} in {room}"),
        None => format!("{line:?}"),
    }
}

/// What an event led to, route by route: those that run side by side end in any order.
fn transcript(answer: &StoredAnswer, bot: &str, room: Option<&str>) -> Transcript {
    fn by_route(actions: &[StoredAction]) -> Vec<&StoredAction> {
        let mut actions: Vec<&StoredAction> = actions.iter().collect();
        actions.sort_by_key(|stored| (stored.route.clone(), stored.position));
        actions
    }
    let line = |stored: &StoredAction, note: &str| {
        let route = stored.route.as_deref().map(|route| format!("[{route}] "));
        let line = without_reference(&lines::of_action(bot, &stored.action, room));
        format!("{}{note}{line}", route.unwrap_or_default())
    };
    let sent = by_route(&answer.sent)
        .into_iter()
        .map(|stored| line(stored, "while it runs, "));
    let actions = by_route(&answer.actions)
        .into_iter()
        .map(|stored| line(stored, ""));
    let mut outcomes: Vec<String> = answer.outcomes.iter().map(StoredOutcome::to_string).collect();
    outcomes.sort();
    Transcript::new(sent.chain(actions).chain(outcomes))
}

impl fmt::Display for StoredOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "[{}] {}",
            self.route.as_deref().unwrap_or("pipeline"),
            self.outcome
        )?;
        match &self.rejection {
            Some(why) => write!(f, ": {why}"),
            None => Ok(()),
        }
    }
}
