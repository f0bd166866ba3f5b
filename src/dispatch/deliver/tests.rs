//! Tests of deliveries, on a server that takes what it is told to take.

#![allow(clippy::unwrap_used, reason = "a test ends by them")]

use std::sync::Mutex;
use std::time::Duration;

use super::*;
use crate::context::Identity;
use crate::context::{Context, Shared};
use crate::journal::{JournalSlot, MemoryJournal};
use crate::response::Send;
use crate::rest::{RestError, RestErrorKind};
use crate::transport::{Ack, Arrival, Settled};

/// What a server makes of a text; none where it takes it.
type Refuses = Arc<Mutex<HashMap<String, RestErrorKind>>>;

type Log = Arc<Mutex<Vec<String>>>;

struct Server {
    refuses: Refuses,
    posted: Log,
    letters: Log,
    journal: MemoryJournal,
    deliveries: Deliveries,
    counters: Counters,
    shared: Arc<Shared>,
    settled: Arc<Mutex<Vec<Settled>>>,
}

fn server(journal: Option<&MemoryJournal>) -> Server {
    let (refuses, posted, letters) = (Refuses::default(), Log::default(), Log::default());
    let (refuses_it, log, told) = (Arc::clone(&refuses), Arc::clone(&posted), Arc::clone(&letters));
    let sink = tower::service_fn(move |action: Action| {
        let Action::Send(send) = action else {
            unreachable!("only texts are sent here");
        };
        let text = send.content().to_owned();
        let refused = refuses_it.lock().unwrap().get(&text).cloned();
        let text_hangs = text.starts_with("hangs");
        if refused.is_none() && !text_hangs {
            log.lock().unwrap().push(text);
        }
        let result = refused.map(|kind| {
            let is_transient = kind == RestErrorKind::Api;
            RestError::new(kind, "POST chat.sendMessage", "no").transient(is_transient)
        });
        async move {
            if text_hangs {
                std::future::pending::<()>().await;
            }
            result.map_or(Ok(Receipt::default()), Err)
        }
    });
    let sink = tower::util::MapErr::new(sink, BoxError::from);
    let dead_letters = DeadLetters::to(move |letter| match letter.action {
        Some(Action::Send(send)) => told.lock().unwrap().push(send.content().to_owned()),
        action => unreachable!("only texts are sent here: {action:?}"),
    });
    let mut shared = Shared::new(Identity::new("bot", "rocketbotte"));
    shared.ledger = Some(Arc::new(match journal {
        Some(journal) => Ledger::load(&JournalSlot::new(journal.clone()), None).unwrap(),
        None => Ledger::in_memory(),
    }));
    let sink = Sink::new(sink);
    let deliveries = Deliveries::new(sink, dead_letters, shared.ledger.clone());
    Server {
        refuses,
        posted,
        letters,
        journal: journal.cloned().unwrap_or_default(),
        deliveries,
        counters: Counters::default(),
        shared: Arc::new(shared),
        settled: Arc::default(),
    }
}

impl Server {
    fn refuse(&self, text: &str, kind: RestErrorKind) {
        self.refuses.lock().unwrap().insert(text.to_owned(), kind);
    }

    fn say(&mut self, room: &str, texts: &[&str]) {
        let context = Context::new(Arc::clone(&self.shared), Arrival::Live, Instant::now());
        let settled = Arc::clone(&self.settled);
        let ack = Ack::new(move |outcome| settled.lock().unwrap().push(outcome));
        let batch = Batch {
            room_id: RoomId::from(room),
            actions: texts
                .iter()
                .map(|text| RoutedAction {
                    route: None,
                    action: Send::text(*text).to(room).into(),
                })
                .collect(),
            request: Request::with_context(Event::Ready, context),
            piece: Some(Piece::of(ack)),
        };
        self.deliveries.push(batch, &mut self.counters);
    }

    /// Until nothing moves any more.
    async fn settle(&mut self) {
        while !self.deliveries.is_idle() {
            let ended = self.deliveries.next().await;
            self.deliveries.ended(ended, &mut self.counters);
        }
    }

    fn posted(&self) -> Vec<String> {
        std::mem::take(&mut self.posted.lock().unwrap())
    }

    /// The loop turns so much later.
    async fn later(&mut self, seconds: u64) {
        tokio::time::advance(Duration::from_secs(seconds)).await;
        self.deliveries.resend(false, &mut self.counters);
        self.settle().await;
    }

    /// Another process with the same journal.
    fn restarted(self) -> Server {
        server(Some(&self.journal))
    }
}

#[tokio::test(start_paused = true)]
async fn what_could_not_be_sent_goes_before_what_came_later() {
    let mut bot = server(Some(&MemoryJournal::new()));
    bot.refuse("a2", RestErrorKind::Transport);
    bot.say("a", &["a1", "a2", "a3"]);
    bot.say("a", &["a4"]);
    bot.say("b", &["b1"]);
    bot.settle().await;
    // Other rooms are not held up, and the events are done: the journal has what is left of them.
    assert_eq!(bot.posted(), ["a1", "b1"]);
    assert_eq!(*bot.settled.lock().unwrap(), [Settled::Done; 3]);
    assert_eq!((bot.counters.delivered, bot.counters.undelivered), (2, 0));
    bot.say("a", &["a5"]);
    bot.say("b", &["b2"]);
    bot.settle().await;
    assert_eq!(bot.posted(), ["b2"]);
    let mut bot = bot.restarted();
    bot.say("a", &["a6"]);
    bot.settle().await;
    assert_eq!(bot.posted(), ["a2", "a3", "a4", "a5", "a6"]);
    assert!(bot.letters.lock().unwrap().is_empty());
    bot.say("a", &["a7"]);
    bot.settle().await;
    assert_eq!(bot.posted(), ["a7"]);
    assert!(!bot.restarted().deliveries.kept.holds(&RoomId::from("a")));
}

#[tokio::test(start_paused = true)]
async fn what_is_refused_for_good_holds_nothing_up() {
    let mut bot = server(Some(&MemoryJournal::new()));
    bot.refuse("a1", RestErrorKind::Transport);
    bot.say("a", &["a1", "a2"]);
    bot.settle().await;
    bot.refuse("a1", RestErrorKind::Forbidden);
    bot.later(60).await;
    assert_eq!(bot.posted(), ["a2"]);
    assert_eq!(*bot.letters.lock().unwrap(), ["a1"]);
    assert_eq!(bot.counters.undelivered, 1);
    assert!(!bot.restarted().deliveries.kept.holds(&RoomId::from("a")));
}

#[tokio::test(start_paused = true)]
async fn without_a_journal_the_next_one_goes_out() {
    let mut bot = server(None);
    bot.refuse("a1", RestErrorKind::Transport);
    bot.say("a", &["a1", "a2"]);
    bot.settle().await;
    assert_eq!(bot.posted(), ["a2"]);
    assert_eq!(*bot.letters.lock().unwrap(), ["a1"]);
    assert_eq!(*bot.settled.lock().unwrap(), [Settled::Interrupted]);
}

#[tokio::test(start_paused = true)]
async fn nobody_has_to_say_anything_for_another_attempt() {
    let mut bot = server(Some(&MemoryJournal::new()));
    for text in ["a1", "b1"] {
        bot.refuse(text, RestErrorKind::Transport);
    }
    bot.say("a", &["a1"]);
    bot.say("b", &["b1"]);
    bot.settle().await;
    bot.refuses.lock().unwrap().remove("a1");
    bot.later(29).await;
    assert!(bot.posted().is_empty());
    bot.later(1).await;
    assert_eq!(bot.posted(), ["a1"]);
    // Pauses grow to five minutes, and what is taken elsewhere cuts them short.
    for pause in [60, 120, 240, 300, 300] {
        bot.later(pause - 1).await;
        bot.later(1).await;
        assert!(bot.deliveries.kept.holds(&RoomId::from("b")));
    }
    bot.refuses.lock().unwrap().clear();
    tokio::time::advance(LEAST).await;
    bot.say("a", &["a2"]);
    bot.settle().await;
    assert_eq!(bot.posted(), ["a2", "b1"]);
}

const LEAST: Duration = Duration::from_secs(5);

#[tokio::test(start_paused = true)]
async fn what_waits_behind_it_at_the_stop_is_kept_too() {
    let mut bot = server(Some(&MemoryJournal::new()));
    bot.refuse("a1", RestErrorKind::Transport);
    bot.say("a", &["a1"]);
    bot.settle().await;
    bot.refuses.lock().unwrap().clear();
    tokio::time::advance(LEAST).await;
    // They are on their way, and behind them, when it stops.
    bot.say("a", &["a2"]);
    bot.say("a", &["a3"]);
    bot.deliveries.abort(&mut bot.counters).await;
    assert_eq!(*bot.settled.lock().unwrap(), [Settled::Done; 3]);
    assert!(bot.posted().is_empty() && bot.letters.lock().unwrap().is_empty());
    let mut bot = bot.restarted();
    bot.later(30).await;
    assert_eq!(bot.posted(), ["a1", "a2", "a3"]);
}

#[tokio::test(start_paused = true)]
async fn no_more_than_a_thousand_are_kept_and_the_oldest_goes_first() {
    let mut bot = server(Some(&MemoryJournal::new()));
    bot.refuse("0", RestErrorKind::Transport);
    for n in 0..1010 {
        bot.say("a", &[&n.to_string()]);
        bot.settle().await;
    }
    let oldest: Vec<_> = (0..10).map(|n| n.to_string()).collect();
    assert_eq!(*bot.letters.lock().unwrap(), oldest);
    assert_eq!(bot.counters.undelivered, 10);
    bot.later(30).await;
    assert_eq!(bot.posted().len(), 1000);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_sent_that_is_a_day_old() {
    let mut bot = server(Some(&MemoryJournal::new()));
    bot.refuse("a1", RestErrorKind::Transport);
    bot.say("a", &["a1"]);
    bot.settle().await;
    tokio::time::advance(Duration::from_secs(23 * 60 * 60)).await;
    bot.say("a", &["a2"]);
    bot.settle().await;
    bot.later(60 * 60).await;
    assert_eq!(*bot.letters.lock().unwrap(), ["a1"]);
    assert_eq!(bot.posted(), ["a2"]);
}

#[tokio::test(start_paused = true)]
async fn what_fails_again_and_again_while_others_pass_holds_its_room_no_longer() {
    let mut bot = server(Some(&MemoryJournal::new()));
    bot.refuse("poison", RestErrorKind::Transport);
    bot.say("a", &["poison", "a1"]);
    bot.settle().await;
    // As long as nothing passes it is the server.
    for _ in 0..20 {
        bot.later(300).await;
    }
    assert!(bot.letters.lock().unwrap().is_empty());
    for n in 0..5 {
        assert!(bot.letters.lock().unwrap().is_empty(), "{n}");
        tokio::time::advance(LEAST).await;
        bot.say("b", &["b"]);
        bot.settle().await;
        bot.later(300).await;
    }
    assert_eq!(*bot.letters.lock().unwrap(), ["poison"]);
    assert!(bot.posted().contains(&"a1".to_owned()));
    assert_eq!(bot.counters.undelivered, 1);
}

#[tokio::test(start_paused = true)]
async fn a_day_is_over_behind_a_restart_too() {
    let bot = server(Some(&MemoryJournal::new()));
    let ledger = bot.shared.ledger.clone().unwrap();
    let hours_ago = |hours: u64| super::super::kept::unix_millis() - hours * 60 * 60 * 1000;
    for (text, kept_at) in [
        ("old", Some(hours_ago(25))),
        ("new", Some(hours_ago(23))),
        ("unknown", None),
    ] {
        ledger.keep_undelivered(crate::journal::Undelivered {
            action: Send::text(text).to("a").into(),
            event_key: "m".to_owned(),
            route: None,
            kept_at,
        });
    }
    let mut bot = bot.restarted();
    bot.refuse("new", RestErrorKind::Transport);
    bot.later(60).await;
    assert_eq!(*bot.letters.lock().unwrap(), ["old"]);
    for _ in 0..13 {
        bot.later(300).await;
    }
    assert_eq!(*bot.letters.lock().unwrap(), ["old", "new"]);
    assert_eq!(bot.posted(), ["unknown"]);
}

#[tokio::test(start_paused = true)]
async fn what_the_server_can_not_digest_holds_up_its_only_room_for_an_hour() {
    let mut bot = server(Some(&MemoryJournal::new()));
    bot.refuse("poison", RestErrorKind::Api);
    bot.say("a", &["poison", "a1"]);
    bot.settle().await;
    let began = Instant::now();
    while bot.letters.lock().unwrap().is_empty() {
        bot.later(10).await;
    }
    let minutes = began.elapsed().as_secs() / 60;
    assert!((40..60).contains(&minutes), "{minutes}");
    assert_eq!(*bot.letters.lock().unwrap(), ["poison"]);
    bot.later(300).await;
    assert_eq!(bot.posted(), ["a1"]);
}

#[tokio::test(start_paused = true)]
async fn what_is_not_sent_at_the_stop_is_kept_in_order() {
    let mut bot = server(Some(&MemoryJournal::new()));
    bot.say("a", &["a1", "hangs", "a2"]);
    bot.say("a", &["a3"]);
    tokio::task::yield_now().await;
    bot.deliveries.abort(&mut bot.counters).await;
    assert_eq!(bot.posted(), ["a1"]);
    assert_eq!(*bot.settled.lock().unwrap(), [Settled::Done; 2]);
    assert_eq!(bot.counters.undelivered, 0);
    let journal = bot.journal.clone();
    let kept = Ledger::load(&JournalSlot::new(journal), None)
        .unwrap()
        .take_undelivered();
    let texts = kept.into_iter().map(|(_, kept)| match kept.action {
        Action::Send(send) => send.content().to_owned(),
        action => unreachable!("only texts are sent here: {action:?}"),
    });
    assert_eq!(texts.collect::<Vec<_>>(), ["hangs", "a2", "a3"]);
}

#[tokio::test(start_paused = true)]
async fn the_answer_of_what_runs_once_is_kept_before_it_is_sent() {
    let mut bot = server(Some(&MemoryJournal::new()));
    let request = Request::with_context(
        Event::Ready,
        Context::new(Arc::clone(&bot.shared), Arrival::Live, Instant::now()),
    );
    let ledger = bot.shared.ledger.clone().unwrap();
    for (route, kept) in [("often", 0), ("once", 1)] {
        if route == "once" {
            assert!(
                ledger
                    .claim(request.event(), &request.key(), route)
                    .await
                    .unwrap()
            );
        }
        let batch = Batch {
            room_id: RoomId::from(route),
            actions: [RoutedAction {
                route: Some(crate::response::RouteName::new(route)),
                action: Send::text("hangs").to(route).into(),
            }]
            .into_iter()
            .collect(),
            request: request.clone(),
            piece: None,
        };
        bot.deliveries.push(batch, &mut bot.counters);
        tokio::task::yield_now().await;
        assert_eq!(ledger.undelivered(), kept, "{route}");
    }
}
