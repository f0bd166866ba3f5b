//! An account without the permission to bypass the limits: ten calls of an endpoint in a minute. In paused time.
#![cfg(all(feature = "client", feature = "sandbox"))]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test ends by them")]

mod support;

use std::sync::{Arc, Mutex};

use rocketbotte::Router;
use rocketbotte::event::{EventKind, Message};
use rocketbotte::sandbox::{Sandbox, SandboxBuilder, UserSpec};
use support::chat::{Chat, ask, said};
use support::{Log, after_secs, echo};
use tokio::time::Instant;

fn limited() -> SandboxBuilder {
    Sandbox::builder()
        .user("ann")
        .user_with(UserSpec::new("rocketbotte").roles(["user"]))
        .rate_limits(true)
}

/// What was heard, and in which second.
#[derive(Clone)]
struct Heard {
    began: Instant,
    messages: Arc<Mutex<Vec<(u64, String)>>>,
}

impl Heard {
    fn new() -> Self {
        Self {
            began: Instant::now(),
            messages: Arc::default(),
        }
    }

    fn second(&self) -> u64 {
        self.began.elapsed().as_secs()
    }

    fn router(&self) -> Router {
        let heard = self.clone();
        Router::new().on_message(move |message: Arc<Message>| {
            let text = message.text().to_owned();
            heard.messages.lock().unwrap().push((heard.second(), text));
            std::future::ready(())
        })
    }

    fn with(&self, part: &str) -> Vec<(u64, String)> {
        let messages = self.messages.lock().unwrap();
        messages
            .iter()
            .filter(|(_, text)| text.contains(part))
            .cloned()
            .collect()
    }
}

/// A bot whose connection is back after a second, in which something was said in many rooms.
struct Outage {
    sandbox: Sandbox,
    _chat: Chat,
    heard: Heard,
    /// What `Reconnected` said about what was skipped, each time.
    told: Arc<Mutex<Vec<u64>>>,
}

impl Outage {
    /// In each room so many messages: `missed 3 0` is the first in the third.
    async fn in_rooms(rooms: usize, messages: usize) -> Self {
        let mut sandbox = limited();
        for room in 0..rooms {
            sandbox = sandbox.channel(format!("room{room}"));
        }
        let sandbox = sandbox.start_in_memory();
        let heard = Heard::new();
        let chat = Chat::on(&sandbox, heard.router()).await;
        let told = Arc::<Mutex<Vec<u64>>>::default();
        let tells = Arc::clone(&told);
        chat.handle.add_listener(
            EventKind::Reconnected,
            move |back: rocketbotte::event::Reconnected| {
                tells.lock().unwrap().push(back.skipped());
                std::future::ready(())
            },
        );
        let ann = sandbox.user("ann");
        sandbox.go_down().await;
        after_secs(1).await;
        for room in 0..rooms {
            for n in 0..messages {
                ann.say(&format!("room{room}"), &format!("missed {room} {n}"))
                    .await;
            }
        }
        sandbox.come_back().await;
        Self {
            sandbox,
            _chat: chat,
            heard,
            told,
        }
    }

    /// That each room was heard once.
    fn assert_all_heard(&self, rooms: usize) {
        for room in 0..rooms {
            let missed = self.heard.with(&format!("missed {room} "));
            assert_eq!(missed.len(), 1, "room {room}");
        }
    }
}

/// A hundred rooms: the account may fetch ten in a minute, so it takes ten minutes. Live messages go on meanwhile, nothing
/// is lost, also not for being too old by then, and the log says how far it is.
#[tokio::test(start_paused = true)]
async fn catching_up_takes_the_minutes_that_the_limit_forces() {
    const ROOMS: usize = 100;
    const MINUTES: u64 = ROOMS as u64 / 10;
    let (log, _guard) = Log::start(tracing::Level::INFO);
    let outage = Outage::in_rooms(ROOMS, 3).await;
    let Outage { sandbox, heard, .. } = &outage;
    let ann = sandbox.user("ann");
    // Also the longest pause before the next attempt is over.
    after_secs(60).await;
    let back_at = heard.second();
    // Every ten seconds somebody speaks where nothing was missed, and once where it is not fetched yet.
    let (mut live, mut n) = (Vec::new(), 0);
    let last = heard.with("missed").len();
    assert!(last < 3 * ROOMS, "it takes longer than that: {last}");
    let not_yet = (0..ROOMS).find(|room| heard.with(&format!("missed {room} ")).is_empty());
    let not_yet = not_yet.unwrap();
    ann.say(&format!("room{not_yet}"), "live in a room that waits")
        .await;
    while heard.with("missed").len() < 3 * ROOMS {
        assert!(n < 6 * (MINUTES + 2), "it takes too long");
        live.push((heard.second(), format!("live {n} in general")));
        ann.say("general", &live.last().unwrap().1).await;
        after_secs(10).await;
        n += 1;
    }
    let took = (heard.second() - back_at).div_ceil(60);
    println!("a hundred rooms without the permission to bypass the limits: {took} minutes");
    assert!((MINUTES - 2..=MINUTES + 1).contains(&took), "{took} minutes");
    after_secs(60).await;
    for (said_at, text) in &live {
        let heard = heard.with(text);
        assert_eq!(heard.len(), 1, "{text}");
        assert!(
            heard[0].0 <= said_at + 5,
            "{text}, said at {said_at}, heard at {}",
            heard[0].0
        );
    }
    // A room in which somebody waits is fetched next.
    let awaited = heard.with("live in a room that waits");
    assert_eq!(awaited.len(), 1);
    assert!(awaited[0].0 <= back_at + 62, "{awaited:?}, said at {back_at}");
    for room in 0..ROOMS {
        let texts: Vec<_> = heard
            .with(&format!("missed {room} "))
            .into_iter()
            .map(|(_, text)| text)
            .collect();
        let expected: Vec<_> = (0..3).map(|n| format!("missed {room} {n}")).collect();
        assert_eq!(texts, expected);
    }
    assert_eq!(*outage.told.lock().unwrap(), [0]);
    assert_eq!(sandbox.refused_by_limits(), 0);
    let log = log.text();
    assert!(log.contains("calls wait for the server's limit"), "{log}");
    // How far it is: told in every minute in which something came.
    let left: Vec<usize> = log
        .lines()
        .filter(|line| line.contains("catching up"))
        .filter_map(|line| line.split_once(" left=")?.1.trim().parse().ok())
        .collect();
    println!("rooms left, as the log says: {left:?}");
    assert!(left.len() as u64 >= MINUTES - 2, "{log}");
    assert!(left.is_sorted_by(|before, after| before > after), "{left:?}");
    let end = log.lines().find(|line| line.contains("caught up")).unwrap();
    assert!(end.contains("skipped=0"), "{end}");
}

/// The minutes that the limit forces do not make anything too old, also where the connection is lost in the middle.
#[tokio::test(start_paused = true)]
async fn a_cut_does_not_make_old_what_waits_for_the_limit() {
    const ROOMS: usize = 150;
    let outage = Outage::in_rooms(ROOMS, 1).await;
    after_secs(11 * 60).await;
    outage.sandbox.drop_connections();
    after_secs(40 * 60).await;
    outage.assert_all_heard(ROOMS);
    assert_eq!(*outage.told.lock().unwrap(), [0]);
}

/// The connection lives for less than a minute each time, and only ten rooms can be fetched in a minute: every room has
/// its turn, and somebody who speaks in one that has not is heard all the same.
#[tokio::test(start_paused = true)]
async fn cuts_in_the_middle_of_a_catch_up_starve_no_room() {
    const ROOMS: usize = 40;
    let outage = Outage::in_rooms(ROOMS, 1).await;
    let Outage {
        sandbox, heard, told, ..
    } = &outage;
    let ann = sandbox.user("ann");
    for cut in 0..40 {
        after_secs(25).await;
        // In a few of the rooms somebody speaks all the time.
        for room in 0..12 {
            ann.say(&format!("room{room}"), &format!("live {cut} in {room} "))
                .await;
        }
        after_secs(25).await;
        if cut == 12 {
            let deaf: Vec<_> = (0..ROOMS)
                .filter(|room| heard.with(&format!("missed {room} ")).is_empty())
                .collect();
            assert_eq!(deaf, [0; 0], "not heard for ten minutes");
        }
        sandbox.drop_connections();
    }
    let back_at = heard.second();
    while told.lock().unwrap().is_empty() {
        assert!(
            heard.second() < back_at + 8 * 60,
            "it takes too long to be caught up"
        );
        after_secs(10).await;
    }
    outage.assert_all_heard(ROOMS);
    for cut in 0..40 {
        for room in 0..12 {
            let live = heard.with(&format!("live {cut} in {room} "));
            assert_eq!(live.len(), 1, "cut {cut}, room {room}");
        }
    }
    assert!(told.lock().unwrap().iter().all(|skipped| *skipped == 0));
}

/// Here the replies are limited too.
#[tokio::test(start_paused = true)]
async fn an_account_with_limits_takes_its_time_and_loses_nothing() {
    let sandbox = limited()
        .channel("dev")
        .group_with("ops", &["ann", "rocketbotte"])
        .start_in_memory();
    let chat = Chat::on(&sandbox, echo()).await;
    sandbox.go_down().await;
    for n in 0..10 {
        for room in ["general", "dev", "ops"] {
            ask(&sandbox, room, n).await;
        }
    }
    sandbox.come_back().await;
    for n in 10..12 {
        after_secs(30).await;
        for room in ["general", "dev", "ops"] {
            ask(&sandbox, room, n).await;
        }
    }
    after_secs(600).await;
    for room in ["general", "dev", "ops"] {
        assert_eq!(said(&sandbox, room), (0..12).collect::<Vec<_>>(), "{room}");
    }
    assert_eq!(chat.handle.counters().undelivered, 0);
}
