//! The bot that is tried.

use std::future::ready;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rocketbotte::command::CommandLayer;
use rocketbotte::dispatch::{BotHandle, Overflow};
use rocketbotte::event::{EventKind, Message, Reconnected};
use rocketbotte::extract::Args;
use rocketbotte::handler::route;
use rocketbotte::sandbox::Sandbox;
use rocketbotte::transport::ConnectionState;
use rocketbotte::{Bot, BotBuilder, BoxError, Request, Response, Router};
use tower::{Service, ServiceBuilder};

use crate::PATIENCE;
use crate::book::{Book, Kind, Summary};
use crate::plan::Plan;
use crate::talk::BOT;

/// A bot that repeats what it is told.
pub(crate) struct Echo {
    pub(crate) handle: BotHandle,
    reconnects: Arc<AtomicU64>,
    skipped: Arc<AtomicU64>,
}

/// Repeats a number: at once, after some time, or at most once. `runs` is told for which message.
pub(crate) fn echoing(
    runs: impl Fn(&str) + Send + Sync + 'static,
) -> impl Service<Request, Response = Response, Error = BoxError, Future: Send> + Send + 'static {
    let runs = Arc::new(runs);
    let told = Arc::clone(&runs);
    let echo = move |message: Arc<Message>, Args(text): Args<String>| {
        told(message.id().as_str());
        ready(text)
    };
    let told = Arc::clone(&runs);
    let slow = move |message: Arc<Message>, Args((millis, number)): Args<(u64, String)>| {
        told(message.id().as_str());
        async move {
            tokio::time::sleep(Duration::from_millis(millis)).await;
            number
        }
    };
    let once = move |message: Arc<Message>, Args(text): Args<String>| {
        runs(message.id().as_str());
        ready(text)
    };
    let router = Router::new()
        .command(Kind::Echo.name(), echo)
        .command(Kind::Slow.name(), slow)
        .command(Kind::Once.name(), route(once).at_most_once());
    ServiceBuilder::new()
        .layer(CommandLayer::new("!"))
        .service(router)
}

/// What the bot is told here and in another process: it is quick to come back, and takes little at a time.
pub(crate) fn builder(
    url: &str,
    id: &str,
    token: &str,
    letter: impl Fn(&str) + Send + Sync + 'static,
) -> BotBuilder {
    Bot::builder(url)
        .token(id, token)
        .handle_signals(false)
        .max_retry_time(Duration::from_millis(50))
        .lane_capacity(16, Overflow::Park)
        .max_waiting(128)
        .on_dead_letter(move |dead| letter(&dead.event_key))
}

impl Echo {
    pub(crate) async fn start(sandbox: &Sandbox, plan: Plan, book: &Arc<Book>) -> Self {
        let account = sandbox.bot(BOT);
        let letters = Arc::clone(book);
        let mut bot = builder(&sandbox.url(), account.id(), &account.token(), move |event_key| {
            letters.letter(event_key);
        });
        if plan.loses_frames {
            bot = bot.safety_sync(Duration::from_secs(1));
        }
        let bot = bot.build().unwrap();
        let handle = bot.handle();
        let (reconnects, skipped) = (Arc::<AtomicU64>::default(), Arc::<AtomicU64>::default());
        let counts = (Arc::clone(&reconnects), Arc::clone(&skipped));
        handle.add_listener(EventKind::Reconnected, move |back: Reconnected| {
            counts.0.fetch_add(1, Ordering::Relaxed);
            counts.1.fetch_add(back.skipped(), Ordering::Relaxed);
            ready(())
        });
        let runs = Arc::clone(book);
        tokio::spawn(bot.serve(echoing(move |id| runs.runs(0, id))));
        let mut state = handle.watch_state();
        tokio::time::timeout(PATIENCE, state.wait_for(|state| *state == ConnectionState::Ready))
            .await
            .expect("in time")
            .unwrap();
        Self {
            handle,
            reconnects,
            skipped,
        }
    }

    /// Loses the connection once more, and waits until it is caught up.
    pub(crate) async fn reconnect(&self, sandbox: &Sandbox) {
        let before = self.reconnects.load(Ordering::Relaxed);
        sandbox.drop_connections();
        let back = async {
            while self.reconnects.load(Ordering::Relaxed) == before {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(PATIENCE, back).await.expect("in time");
    }

    /// Nothing was given up but what is known of.
    pub(crate) fn check(&self, summary: &Summary) {
        let counters = self.handle.counters();
        let reconnects = self.reconnects.load(Ordering::Relaxed);
        println!("  outages that were caught up: {reconnects}, {counters:?}");
        assert_eq!(self.skipped.load(Ordering::Relaxed), 0, "skipped");
        assert_eq!((counters.overflowed, counters.undelivered), (0, summary.reported));
        assert!(
            counters.withdrawn >= summary.withdrawn,
            "lost in silence: {} of {}",
            summary.withdrawn - counters.withdrawn,
            summary.withdrawn
        );
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        self.handle.shutdown();
    }
}
