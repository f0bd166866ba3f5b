//! What was asked, and what became of it.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use std::ops::RangeInclusive;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use rocketbotte::sandbox::{Sandbox, SandboxMessage};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::PATIENCE;
use crate::talk::{BOT, name_of};

/// Mistakes that a failure shows.
const SHOWN: usize = 20;

/// Which route a command asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Echo,
    /// It takes its time.
    Slow,
    /// It runs at most once.
    Once,
}

impl Kind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Echo => "echo",
            Self::Slow => "slow",
            Self::Once => "once",
        }
    }
}

/// Why a command may have no reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Excuse {
    /// It was deleted.
    Deleted,
    /// The bot was not in the room. It must have none.
    Out,
    /// The bot was removed from the room before it had replied.
    Removed,
    /// The bot might not write, from before it had replied. It must be reported then.
    Silenced,
}

/// A room, or a thread in it.
pub(crate) type Place = (String, Option<String>);

#[derive(Debug)]
struct Command {
    kind: Kind,
    place: Place,
    /// Counts the commands of its place.
    number: usize,
    excuse: Option<Excuse>,
    /// The server may not have told it when it was said: it may come behind later ones.
    is_unordered: bool,
    /// The ids of what it was answered.
    replies: HashSet<String>,
    /// The processes in which it ran.
    runs: Vec<u32>,
    /// How often it was reported as not answered.
    letters: u32,
    /// When it was said, when its handler began first, and when its reply was heard first.
    said_at: Instant,
    ran_at: Option<Instant>,
    replied_at: Option<Instant>,
}

impl Command {
    /// Whether there is nothing to come: `process` is the one that runs now.
    fn is_settled(&self, process: u32) -> bool {
        let was_cut_off = self.runs.iter().max().is_some_and(|last| *last < process);
        !self.replies.is_empty()
            || self.letters > 0
            || match self.excuse {
                Some(Excuse::Deleted | Excuse::Out) => true,
                Some(Excuse::Removed) => self.runs.is_empty() || was_cut_off,
                Some(Excuse::Silenced) | None => self.kind == Kind::Once && was_cut_off,
            }
    }
}

#[derive(Debug, Default)]
struct Inner {
    commands: Vec<Command>,
    by_id: HashMap<String, usize>,
    places: HashMap<Place, Vec<usize>>,
    open: HashSet<usize>,
    /// How many processes of the bot were started behind the first.
    process: u32,
    /// What nobody asked for.
    wrong: Vec<String>,
}

/// The commands, and what is known of each.
#[derive(Debug)]
pub(crate) struct Book {
    inner: Mutex<Inner>,
    /// Whether the process of the bot is killed now and then.
    is_killed: bool,
    /// How many commands are open.
    open: watch::Sender<usize>,
}

impl Book {
    pub(crate) fn new(is_killed: bool) -> Self {
        Self {
            inner: Mutex::default(),
            is_killed,
            open: watch::channel(0).0,
        }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap()
    }

    fn change(&self, change: impl FnOnce(&mut Inner)) {
        let mut inner = self.inner();
        change(&mut inner);
        self.open.send_replace(inner.open.len());
    }

    /// The number of the next command in a place.
    pub(crate) fn next_number(&self, place: &Place) -> usize {
        self.inner().places.get(place).map_or(0, Vec::len)
    }

    /// A command will be said now.
    pub(crate) fn asks(&self, id: &str, kind: Kind, place: &Place, excuse: Option<Excuse>) {
        self.change(|inner| {
            let at = inner.commands.len();
            let commands = inner.places.entry(place.clone()).or_default();
            let number = commands.len();
            commands.push(at);
            inner.by_id.insert(id.to_owned(), at);
            inner.commands.push(Command {
                kind,
                place: place.clone(),
                number,
                excuse,
                is_unordered: false,
                replies: HashSet::new(),
                runs: Vec::new(),
                letters: 0,
                said_at: Instant::now(),
                ran_at: None,
                replied_at: None,
            });
            inner.touch(at);
        });
    }

    /// The server may not have told it.
    pub(crate) fn may_come_late(&self, id: &str) {
        let mut inner = self.inner();
        let at = inner.by_id[id];
        inner.commands[at].is_unordered = true;
    }

    /// From now on it may have no reply, unless it has one.
    pub(crate) fn excuse(&self, id: &str, excuse: Excuse) {
        self.change(|inner| inner.excuse(inner.by_id[id], excuse));
    }

    /// The same of all of a room.
    pub(crate) fn excuse_room(&self, room: &str, excuse: Excuse) {
        self.change(|inner| {
            let open: Vec<usize> = inner.open.iter().copied().collect();
            for at in open {
                if inner.commands[at].place.0 == room {
                    inner.excuse(at, excuse);
                }
            }
        });
    }

    /// A handler runs for a message.
    pub(crate) fn runs(&self, process: u32, id: &str) {
        self.change(|inner| match inner.by_id.get(id) {
            Some(&at) => {
                let command = &mut inner.commands[at];
                command.runs.push(process);
                command.ran_at.get_or_insert_with(Instant::now);
                inner.touch(at);
            }
            None => inner.wrong.push(format!("a run for {id:?}")),
        });
    }

    /// A reply is given up.
    pub(crate) fn letter(&self, event_key: &str) {
        self.change(|inner| match inner.by_id.get(event_key) {
            Some(&at) => {
                inner.commands[at].letters += 1;
                inner.touch(at);
            }
            None => inner.wrong.push(format!("a dead letter for {event_key:?}")),
        });
    }

    /// The bot said something.
    fn hears(&self, message: &SandboxMessage) {
        let Some(number) = number_in(message) else { return };
        let place = (message.room_id.clone(), message.thread_id.clone());
        self.change(
            |inner| match inner.places.get(&place).and_then(|all| all.get(number)) {
                Some(&at) => {
                    let command = &mut inner.commands[at];
                    command.replies.insert(message.id.clone());
                    command.replied_at.get_or_insert_with(Instant::now);
                    inner.touch(at);
                }
                None => inner
                    .wrong
                    .push(format!("it said {:?} in {place:?}", message.text)),
            },
        );
    }

    /// Listens to what the bot says.
    pub(crate) async fn listen(&self, sandbox: Sandbox) {
        let mut feed = sandbox.subscribe();
        while let Some(message) = feed.next().await {
            self.hears(&message);
        }
    }

    /// Reads what the bot said once more, as the server has it: who listens may miss something.
    pub(crate) fn read_again(&self, sandbox: &Sandbox) {
        let rooms: HashSet<String> = self.inner().places.keys().map(|(room, _)| room.clone()).collect();
        let messages: Vec<_> = rooms.iter().flat_map(|room| sandbox.messages(room)).collect();
        messages.iter().for_each(|message| self.hears(message));
    }

    /// Another process of the bot begins. Its number.
    pub(crate) fn next_process(&self) -> u32 {
        let mut process = 0;
        self.change(|inner| {
            inner.process += 1;
            process = inner.process;
            let open: Vec<usize> = inner.open.iter().copied().collect();
            open.into_iter().for_each(|at| inner.touch(at));
        });
        process
    }

    /// Waits until no more than so many commands are open.
    pub(crate) async fn settled_up_to(&self, sandbox: &Sandbox, open: usize) -> Result<(), Stuck> {
        self.wait(sandbox, |inner| inner.open.len() <= open).await
    }

    /// Waits until nothing is to come any more.
    pub(crate) async fn settled(&self, sandbox: &Sandbox) -> Result<(), Stuck> {
        self.wait(sandbox, |inner| {
            inner
                .open
                .iter()
                .all(|at| self.is_killed && inner.never_begins(*at))
        })
        .await
    }

    /// Waits until it is enough, while something happens.
    async fn wait(&self, sandbox: &Sandbox, is_enough: impl Fn(&Inner) -> bool) -> Result<(), Stuck> {
        let mut changes = self.open.subscribe();
        let (mut least, mut since) = (usize::MAX, Instant::now());
        loop {
            let open = *changes.borrow_and_update();
            if is_enough(&self.inner()) {
                return Ok(());
            }
            if open < least {
                (least, since) = (open, Instant::now());
            }
            if since.elapsed() > PATIENCE {
                return Err(Stuck);
            }
            if tokio::time::timeout(Duration::from_secs(5), changes.changed())
                .await
                .is_err()
            {
                self.read_again(sandbox);
            }
        }
    }

    pub(crate) fn is_replied(&self, id: &str) -> bool {
        let inner = self.inner();
        inner
            .by_id
            .get(id)
            .is_some_and(|at| !inner.commands[*at].replies.is_empty())
    }

    /// Every command has what it was promised: one reply, in order in its place, or its excuse.
    pub(crate) fn check(&self, sandbox: &Sandbox) -> Summary {
        self.read_again(sandbox);
        let inner = self.inner();
        let mut wrong = inner.wrong.clone();
        let mut summary = Summary::default();
        for (at, command) in inner.commands.iter().enumerate() {
            wrong.extend(summary.add(command, inner.process, self.is_killed).map(|what| {
                let id = inner.by_id.iter().find(|(_, found)| **found == at);
                let room = name_of(sandbox, &command.place.0);
                format!("{what} in {room:?}: {:?} {command:?}", id.map(|(id, _)| id))
            }));
        }
        for place in inner.places.keys() {
            let said = sandbox.messages(&place.0);
            let said = said.iter().filter(|message| message.thread_id == place.1);
            let numbers: Vec<usize> = said
                .filter_map(number_in)
                .filter(|number| !inner.commands[inner.places[place][*number]].is_unordered)
                .collect();
            let jumps = numbers.windows(2).filter(|pair| pair[0] >= pair[1]);
            wrong.extend(jumps.map(|pair| {
                let first = pair[0].min(pair[1]).saturating_sub(1);
                let about = inner.times(place, first..=pair[0].max(pair[1]) + 1);
                format!(
                    "in {:?} {place:?} {} is behind {}: {about}",
                    name_of(sandbox, &place.0),
                    pair[1],
                    pair[0]
                )
            }));
        }
        // Per kill one handler of a lane may be between the journal and its first line.
        let kills = u64::from(inner.process);
        if summary.cut_off_before > kills {
            wrong.push(format!(
                "{} never began, with {kills} kills",
                summary.cut_off_before
            ));
        }
        wrong.truncate(SHOWN);
        assert!(wrong.is_empty(), "{wrong:#?}\n{summary}");
        summary
    }
}

/// The bot has not replied for long.
#[derive(Debug)]
pub(crate) struct Stuck;

impl Inner {
    /// It runs at most once, and was cut off before its first line: what was asked behind it has a reply.
    fn never_begins(&self, at: usize) -> bool {
        let command = &self.commands[at];
        let later = self.places[&command.place].iter().skip(command.number + 1);
        command.kind == Kind::Once
            && command.runs.is_empty()
            && later.into_iter().any(|at| !self.commands[*at].replies.is_empty())
    }

    /// When some commands of a place were said, began to run and were answered: whether the bot heard them out of order,
    /// or answered them so.
    fn times(&self, place: &Place, numbers: RangeInclusive<usize>) -> String {
        let began = self.commands[0].said_at;
        let millis = |at: Instant| at.duration_since(began).as_millis();
        let all = &self.places[place];
        let known = numbers.filter_map(|number| Some((number, &self.commands[*all.get(number)?])));
        let times = known.map(|(number, command)| {
            format!(
                "{number} ({}) said {}, ran {:?}, replied {:?}",
                command.kind.name(),
                millis(command.said_at),
                command.ran_at.map(millis),
                command.replied_at.map(millis)
            )
        });
        times.collect::<Vec<_>>().join("; ")
    }

    fn touch(&mut self, at: usize) {
        match self.commands[at].is_settled(self.process) {
            true => self.open.remove(&at),
            false => self.open.insert(at),
        };
    }

    fn excuse(&mut self, at: usize, excuse: Excuse) {
        if self.commands[at].replies.is_empty() {
            self.commands[at].excuse.get_or_insert(excuse);
            self.touch(at);
        }
    }
}

/// The number in a reply, which may have a quote before it.
fn number_in(message: &SandboxMessage) -> Option<usize> {
    if message.username != BOT || message.raw.get("t").is_some() {
        return None;
    }
    let word = message.text.split_whitespace().last();
    Some(
        word.and_then(|word| word.parse().ok())
            .unwrap_or_else(|| panic!("it said {:?}", message.text)),
    )
}

/// What became of the commands, in numbers.
#[derive(Debug, Default)]
pub(crate) struct Summary {
    pub(crate) commands: BTreeMap<Kind, u64>,
    pub(crate) replies: u64,
    pub(crate) runs: BTreeMap<Kind, u64>,
    /// What may have no reply, and how many of these have none.
    excused: BTreeMap<Excuse, (u64, u64)>,
    /// Commands that were reported as not answered.
    pub(crate) reported: u64,
    reported_and_said: u64,
    /// Deleted commands without a reply whose handlers ran.
    pub(crate) withdrawn: u64,
    /// At most once: begun, and cut off by a kill.
    cut_off: u64,
    /// The same, before the first line of the handler.
    cut_off_before: u64,
}

impl Summary {
    /// Counts a command; what is wrong with it.
    fn add(&mut self, command: &Command, process: u32, is_killed: bool) -> Option<&'static str> {
        *self.commands.entry(command.kind).or_default() += 1;
        *self.runs.entry(command.kind).or_default() += command.runs.len() as u64;
        let replies = command.replies.len();
        self.replies += replies as u64;
        self.reported += u64::from(command.letters > 0);
        self.reported_and_said += u64::from(command.letters > 0 && replies > 0);
        let has_none = replies == 0;
        if let Some(excuse) = command.excuse {
            let (all, without) = self.excused.entry(excuse).or_default();
            *all += 1;
            *without += u64::from(has_none);
        }
        if has_none && command.letters == 0 {
            let is_deleted = command.excuse == Some(Excuse::Deleted);
            self.withdrawn += u64::from(is_deleted && !command.runs.is_empty());
            let was_cut_off = command.runs.iter().max().is_some_and(|last| *last < process);
            self.cut_off += u64::from(command.kind == Kind::Once && was_cut_off);
        }
        if replies > 1 {
            return Some("answered twice");
        }
        if command.excuse == Some(Excuse::Out) && replies > 0 {
            return Some("answered, and the bot was not there");
        }
        // What was said may be reported too, where the bot was thrown out before it heard that it was said.
        if command.letters > 0 && has_none && matches!(command.excuse, None | Some(Excuse::Out)) {
            return Some("given up");
        }
        if command.runs.len() > 1 && (!is_killed || command.kind == Kind::Once) {
            return Some("run twice");
        }
        if replies > 0 && command.runs.is_empty() {
            return Some("a reply without a run");
        }
        if !command.is_settled(process) {
            if is_killed && command.kind == Kind::Once && command.runs.is_empty() {
                self.cut_off_before += 1;
                return None;
            }
            return Some("lost");
        }
        None
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "  commands: {:?}, replies: {}", self.commands, self.replies)?;
        writeln!(f, "  handler runs: {:?}", self.runs)?;
        writeln!(f, "  excused (all, without a reply): {:?}", self.excused)?;
        writeln!(
            f,
            "  reported as not answered: {}, of which said all the same: {}; withdrawn: {}",
            self.reported, self.reported_and_said, self.withdrawn
        )?;
        write!(
            f,
            "  at most once, cut off by a kill: {} after their beginning, {} at it",
            self.cut_off, self.cut_off_before
        )
    }
}
