//! What a route hears of an outage: nothing, what is recent, or all.
#![cfg(all(feature = "client", feature = "sandbox"))]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test ends by them")]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rocketbotte::Router;
use rocketbotte::command::CommandLayer;
use rocketbotte::event::{Event, EventKind};
use rocketbotte::extract::Args;
use rocketbotte::handler::route;
use rocketbotte::sandbox::Sandbox;
use support::after_secs;
use support::chat::{Chat, people};
use tower::ServiceBuilder;

async fn echo(Args(text): Args<String>) -> String {
    text
}

struct Outage {
    chat: Chat,
    skipped: Arc<AtomicU64>,
}

impl Outage {
    /// The bot's commands `now`, `soon` and `ever`, and `later` in a group with a layer of its own.
    async fn of(sandbox: &Sandbox, router: Router) -> Self {
        let skipped = Arc::new(AtomicU64::new(0));
        let told = Arc::clone(&skipped);
        let router = router.on(EventKind::Reconnected, move |event: Event| {
            if let Event::Reconnected(reconnected) = event {
                told.fetch_add(reconnected.skipped(), Ordering::Relaxed);
            }
            std::future::ready(())
        });
        let app = ServiceBuilder::new()
            .layer(CommandLayer::new("!"))
            .service(router);
        let chat = Chat::on(sandbox, app).await;
        sandbox.refuse_connections(true);
        sandbox.drop_connections();
        after_secs(1).await;
        assert_eq!(sandbox.connections(), 0);
        Self { chat, skipped }
    }

    async fn say(&self, texts: &[&str]) {
        for text in texts {
            self.chat.sandbox.user("ann").say("general", text).await;
        }
    }

    /// What the bot says once it is back.
    async fn answers(self) -> (Vec<String>, u64) {
        self.chat.sandbox.refuse_connections(false);
        after_secs(180).await;
        let said = self.chat.sandbox.messages("general").into_iter();
        let said = said.filter(|message| message.username == "rocketbotte");
        // What comes so late quotes its question.
        let text = |message: rocketbotte::sandbox::SandboxMessage| match message.text.rsplit_once(") ") {
            Some((_, text)) => text.to_owned(),
            None => message.text,
        };
        (said.map(text).collect(), self.skipped.load(Ordering::Relaxed))
    }
}

fn commands() -> Router {
    let group = Router::new()
        .command("later", route(echo).any_age())
        .command("soon", echo)
        .layer(tower::layer::util::Identity::new());
    Router::new()
        .command("now", route(echo).live_only())
        .command("soon", echo)
        .command("ever", route(echo).any_age())
        .nest("group", group)
}

#[tokio::test(start_paused = true)]
async fn a_route_says_how_late_is_too_late() {
    let outage = Outage::of(&people().start_in_memory(), commands()).await;
    outage
        .say(&[
            "!now 1",
            "!soon 2",
            "!ever 3",
            "!group later 4",
            "!group soon 5",
            "@rocketbotte what",
        ])
        .await;
    after_secs(660).await;
    outage
        .say(&["!now 6", "!soon 7", "!ever 8", "!group later 9", "!group soon 10"])
        .await;
    let (answers, _) = outage.answers().await;
    assert_eq!(answers, ["3", "4", "7", "8", "9", "10"]);
}

#[tokio::test(start_paused = true)]
async fn without_such_a_route_what_is_old_is_skipped() {
    let outage = Outage::of(&people().start_in_memory(), Router::new().command("soon", echo)).await;
    outage.say(&["!soon 1", "!soon 2"]).await;
    after_secs(660).await;
    outage.say(&["!soon 3"]).await;
    assert_eq!(outage.answers().await, (vec!["3".to_owned()], 2));
}

#[tokio::test(start_paused = true)]
async fn a_listener_of_any_age_hears_what_commands_do_not() {
    let router = Router::new().command("soon", echo).on_message(
        route(|message: Arc<rocketbotte::event::Message>| async move { format!("heard {}", message.text()) })
            .any_age()
            .named("log"),
    );
    let outage = Outage::of(&people().start_in_memory(), router).await;
    outage.say(&["!soon 1"]).await;
    after_secs(660).await;
    assert_eq!(outage.answers().await.0, ["heard !soon 1"]);
}
