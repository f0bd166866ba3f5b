//! A bot that repeats what it is told, on a server that goes away and comes back.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rocketbotte::command::CommandLayer;
use rocketbotte::dispatch::BotHandle;
use rocketbotte::extract::Args;
use rocketbotte::sandbox::{Sandbox, SandboxBuilder};
use rocketbotte::transport::ConnectionState;
use rocketbotte::{Bot, BotBuilder, Router};
use tokio::sync::Notify;
use tower::ServiceBuilder;

use super::live::PATIENCE;

pub async fn server() -> Sandbox {
    people().start().await.unwrap()
}

pub fn people() -> SandboxBuilder {
    Sandbox::builder()
        .user("ann")
        .user("bob")
        .bot("rocketbotte")
        .channel("dev")
        .group_with("ops", &["ann", "rocketbotte"])
}

pub async fn pause(millis: u64) {
    tokio::time::sleep(Duration::from_millis(millis)).await;
}

/// Nothing reaches the server any more.
pub async fn cut(sandbox: &Sandbox) {
    sandbox.refuse_connections(true);
    sandbox.drop_connections();
    let gone = sandbox
        .wait_until(|sandbox| sandbox.connections() == 0, PATIENCE)
        .await;
    gone.unwrap();
}

pub fn restore(sandbox: &Sandbox) {
    sandbox.refuse_connections(false);
}

/// What the bot said in a room, outside of threads.
pub fn said(sandbox: &Sandbox, room: &str) -> Vec<String> {
    said_in(sandbox, room, None)
}

pub fn said_in(sandbox: &Sandbox, room: &str, thread: Option<&str>) -> Vec<String> {
    sandbox
        .messages(room)
        .into_iter()
        .filter(|message| message.username == "rocketbotte" && message.thread_id.as_deref() == thread)
        .map(|message| message.text)
        .collect()
}

pub fn numbers(range: std::ops::Range<usize>) -> Vec<String> {
    range.map(|n| n.to_string()).collect()
}

/// A bot that repeats what it is told, and counts how often its handler ran.
pub struct Echo {
    pub sandbox: Sandbox,
    pub handle: BotHandle,
    pub runs: Arc<AtomicUsize>,
}

impl Echo {
    pub async fn on(sandbox: &Sandbox) -> Self {
        Self::with(sandbox, |bot| bot, None).await
    }

    pub async fn with(
        sandbox: &Sandbox,
        configure: impl FnOnce(BotBuilder) -> BotBuilder,
        gate: Option<Arc<Notify>>,
    ) -> Self {
        let account = sandbox.bot("rocketbotte");
        let bot = Bot::builder(sandbox.url())
            .token(account.id(), account.token())
            .handle_signals(false)
            .max_retry_time(Duration::from_millis(20));
        let bot = configure(bot).build().unwrap();
        let runs = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&runs);
        let echo = move |Args(text): Args<String>| {
            let (counter, gate) = (Arc::clone(&counter), gate.clone());
            async move {
                counter.fetch_add(1, Ordering::Relaxed);
                if let (Some(gate), "wait") = (gate, text.as_str()) {
                    gate.notified().await;
                }
                text
            }
        };
        let app = ServiceBuilder::new()
            .layer(CommandLayer::new("!"))
            .service(Router::new().command("echo", echo));
        let handle = bot.handle();
        tokio::spawn(bot.serve(app));
        let mut state = handle.watch_state();
        tokio::time::timeout(PATIENCE, state.wait_for(|state| *state == ConnectionState::Ready))
            .await
            .expect("in time")
            .unwrap();
        Self {
            sandbox: sandbox.clone(),
            handle,
            runs,
        }
    }

    /// Ann has the bot say something.
    pub async fn ask(&self, room: &str, text: impl std::fmt::Display) -> String {
        self.sandbox.user("ann").say(room, &format!("!echo {text}")).await
    }

    /// Whatever was asked in the room before has been answered.
    pub async fn settled(&self, room: &str) {
        self.ask(room, "end").await;
        let result = self
            .sandbox
            .wait_until(
                |sandbox| said(sandbox, room).last().is_some_and(|text| text == "end"),
                PATIENCE,
            )
            .await;
        result.unwrap();
        // A second answer would come now.
        pause(50).await;
    }

    pub async fn expect(&self, room: &str, mut answers: Vec<String>) {
        self.settled(room).await;
        answers.push("end".to_owned());
        assert_eq!(said(&self.sandbox, room), answers, "in {room}");
    }

    pub async fn back(&self) {
        restore(&self.sandbox);
        let result = self
            .sandbox
            .wait_until(
                |sandbox| {
                    sandbox
                        .subscriptions()
                        .iter()
                        .any(|(_, _, event)| event == "__my_messages__")
                },
                PATIENCE,
            )
            .await;
        result.unwrap();
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        self.handle.shutdown();
    }
}
