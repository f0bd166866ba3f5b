//! The bot that is tried.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rocketbotte::command::CommandLayer;
use rocketbotte::dispatch::BotHandle;
use rocketbotte::event::{EventKind, Reconnected};
use rocketbotte::extract::Args;
use rocketbotte::sandbox::Sandbox;
use rocketbotte::transport::ConnectionState;
use rocketbotte::{Bot, BoxError, Request, Response, Router};
use tower::{Service, ServiceBuilder};

use crate::PATIENCE;
use crate::talk::BOT;

/// A bot that repeats what it is told.
pub(crate) struct Echo {
    pub(crate) handle: BotHandle,
    reconnects: Arc<AtomicU64>,
    skipped: Arc<AtomicU64>,
}

async fn echo(Args(text): Args<String>) -> String {
    text
}

pub(crate) fn echoing()
-> impl Service<Request, Response = Response, Error = BoxError, Future: Send> + Send + 'static {
    ServiceBuilder::new()
        .layer(CommandLayer::new("!"))
        .service(Router::new().command("echo", echo))
}

impl Echo {
    pub(crate) async fn start(sandbox: &Sandbox) -> Self {
        let account = sandbox.bot(BOT);
        let bot = Bot::builder(sandbox.url())
            .token(account.id(), account.token())
            .handle_signals(false)
            .max_retry_time(Duration::from_millis(50))
            .build()
            .unwrap();
        let handle = bot.handle();
        let (reconnects, skipped) = (Arc::<AtomicU64>::default(), Arc::<AtomicU64>::default());
        let counts = (Arc::clone(&reconnects), Arc::clone(&skipped));
        handle.add_listener(EventKind::Reconnected, move |back: Reconnected| {
            counts.0.fetch_add(1, Ordering::Relaxed);
            counts.1.fetch_add(back.skipped(), Ordering::Relaxed);
            std::future::ready(())
        });
        tokio::spawn(bot.serve(echoing()));
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

    /// Nothing was given up.
    pub(crate) fn check(&self) {
        let counters = self.handle.counters();
        let reconnects = self.reconnects.load(Ordering::Relaxed);
        println!("  outages that were caught up: {reconnects}, {counters:?}");
        assert_eq!(self.skipped.load(Ordering::Relaxed), 0, "skipped");
        assert_eq!((counters.overflowed, counters.undelivered), (0, 0));
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        self.handle.shutdown();
    }
}
