//! People who number their commands, and what they were answered.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use rocketbotte::sandbox::Sandbox;
use tokio::sync::{mpsc, watch};

/// Numbers of each kind that a failure shows.
const SHOWN: usize = 10;

pub(crate) const BOT: &str = "rocketbotte";

/// Where commands are answered in order: a room, or a thread in it.
struct Lane {
    room: String,
    thread: Option<String>,
    people: Vec<&'static str>,
    /// How many commands were said.
    said: Mutex<usize>,
}

#[derive(Clone)]
pub(crate) struct People {
    sandbox: Sandbox,
    lanes: Arc<Vec<Lane>>,
    /// How many replies there were.
    answered: watch::Receiver<usize>,
}

impl People {
    pub(crate) async fn of(sandbox: &Sandbox) -> Self {
        let all = vec!["ann", "bob", "cat", "dan"];
        let mut rooms = vec![
            ("general".to_owned(), all.clone()),
            ("dev".to_owned(), all),
            ("ops".to_owned(), vec!["ann", "bob", "cat"]),
            ("lab".to_owned(), vec!["dan", "bob"]),
        ];
        for person in ["ann", "dan"] {
            rooms.push((sandbox.user(person).direct(&[BOT]).await, vec![person]));
        }
        let mut lanes = Vec::new();
        for (at, (room, people)) in rooms.into_iter().enumerate() {
            for _ in 0..at % 3 {
                let root = sandbox.user(people[0]).say(&room, "a thread").await;
                lanes.push(Lane {
                    room: room.clone(),
                    thread: Some(root),
                    people: people.clone(),
                    said: Mutex::default(),
                });
            }
            lanes.push(Lane {
                room,
                thread: None,
                people,
                said: Mutex::default(),
            });
        }
        let (count, answered) = watch::channel(0);
        let mut feed = sandbox.subscribe();
        tokio::spawn(async move {
            while let Some(message) = feed.next().await {
                count.send_modify(|count| *count += usize::from(message.username == BOT));
            }
        });
        Self {
            sandbox: sandbox.clone(),
            lanes: Arc::new(lanes),
            answered,
        }
    }

    /// Says so many commands whenever it is allowed to, by four people who know nothing of each other.
    pub(crate) async fn talk(self, seed: u64, mut allowed: mpsc::UnboundedReceiver<usize>) {
        let mut rng = fastrand::Rng::with_seed(seed ^ 0x7a1c);
        while let Some(commands) = allowed.recv().await {
            let mut left = commands;
            while left > 0 {
                let burst = rng.usize(1..=8).min(left);
                left -= burst;
                // Mostly here and there, sometimes all in one place.
                let place = rng.bool().then(|| rng.usize(..self.lanes.len()));
                for _ in 0..burst {
                    let lane = &self.lanes[place.unwrap_or_else(|| rng.usize(..self.lanes.len()))];
                    self.command(lane, &mut rng).await;
                }
                tokio::time::sleep(Duration::from_millis(rng.u64(0..4))).await;
            }
        }
    }

    async fn command(&self, lane: &Lane, rng: &mut fastrand::Rng) {
        let person = self.sandbox.user(lane.people[rng.usize(..lane.people.len())]);
        let n = {
            let mut said = lane.said.lock().unwrap();
            *said += 1;
            *said - 1
        };
        let text = format!("!echo {n}");
        let id = match &lane.thread {
            Some(thread) => person.reply(&lane.room, thread, &text).await,
            None => person.say(&lane.room, &text).await,
        };
        // What happens to a message makes it come again, and must not be taken for another command.
        match rng.u32(0..20) {
            0 => person.react(&id, ":eyes:").await,
            1 if lane.thread.is_none() => drop(person.reply(&lane.room, &id, "see here").await),
            2 => {
                let chatter = person.say(&lane.room, "just talk").await;
                person.edit(&chatter, "just talk, better put").await;
            }
            3 => {
                let chatter = person.say(&lane.room, "never mind").await;
                person.delete(&chatter).await;
            }
            _ => {}
        }
    }

    /// The numbers that the bot has said in a lane.
    fn replies(&self, lane: &Lane) -> Vec<usize> {
        let number = |text: &str| text.split_whitespace().last().and_then(|word| word.parse().ok());
        self.sandbox
            .messages(&lane.room)
            .into_iter()
            .filter(|message| message.username == BOT && message.thread_id == lane.thread)
            // A late one has a quote before it.
            .map(|message| number(&message.text).unwrap_or_else(|| panic!("it said {:?}", message.text)))
            .collect()
    }

    pub(crate) fn answered(&self) -> usize {
        *self.answered.borrow()
    }

    pub(crate) async fn answered_up_to(&self, count: usize) {
        let mut answered = self.answered.clone();
        answered.wait_for(|answered| *answered >= count).await.unwrap();
    }

    /// Each command has one reply, and they are in order.
    pub(crate) fn check(&self) {
        let mut wrong = Vec::new();
        for lane in self.lanes.iter() {
            let (said, replies) = (*lane.said.lock().unwrap(), self.replies(lane));
            if replies.iter().copied().eq(0..said) {
                continue;
            }
            let times = |n: &usize| replies.iter().filter(|reply| *reply == n).count();
            let missing: Vec<_> = (0..said).filter(|n| times(n) == 0).take(SHOWN).collect();
            let doubled: Vec<_> = (0..said).filter(|n| times(n) > 1).take(SHOWN).collect();
            let pairs = replies.windows(2);
            let disordered: Vec<_> = pairs.filter(|pair| pair[1] != pair[0] + 1).take(SHOWN).collect();
            wrong.push(format!(
                "{} {:?}: {said} commands, missing {missing:?}, doubled {doubled:?}, jumps {disordered:?}",
                lane.room, lane.thread
            ));
        }
        assert!(wrong.is_empty(), "{wrong:#?}");
    }

    pub(crate) fn lanes(&self) -> usize {
        self.lanes.len()
    }
}
