//! What may go wrong while an outage is caught up, or while a room is slow, costs nothing that was said.
#![cfg(all(feature = "client", feature = "sandbox"))]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test ends by them")]

mod support;

use std::sync::Arc;
use std::time::Duration;

use rocketbotte::command::CommandLayer;
use rocketbotte::dispatch::Overflow;
use rocketbotte::extract::Args;
use rocketbotte::handler::route;
use rocketbotte::sandbox::{RestFault, Sandbox};
use rocketbotte::{BotBuilder, Request, Response, Router};
use support::after_secs;
use support::chat::{Chat, people};
use tokio::sync::watch;
use tower::{Service, ServiceBuilder};

/// Repeats what it is told, once the gate is open.
fn echo(
    gate: watch::Receiver<bool>,
) -> impl Service<Request, Response = Response, Error = rocketbotte::BoxError, Future: Send> + Send + 'static
{
    let echo = move |Args(text): Args<String>| {
        let mut gate = gate.clone();
        async move {
            gate.wait_for(|is_open| *is_open).await.unwrap();
            text
        }
    };
    let router = Router::new()
        .command("echo", echo)
        .command("stop", route(async || "stopped").control());
    ServiceBuilder::new()
        .layer(CommandLayer::new("!"))
        .service(router)
}

struct Talk {
    chat: Chat,
    gate: watch::Sender<bool>,
}

impl Talk {
    async fn with(is_open: bool, configure: impl FnOnce(BotBuilder) -> BotBuilder) -> Self {
        let (gate, open) = watch::channel(is_open);
        let configure = |bot: BotBuilder| configure(bot.route_timeout(None).hold(Duration::MAX));
        let chat = Chat::of(&people().start_in_memory(), "rocketbotte", configure, echo(open)).await;
        Self { chat, gate }
    }

    fn server(&self) -> &Sandbox {
        &self.chat.sandbox
    }

    async fn say(&self, numbers: std::ops::Range<usize>) {
        for number in numbers {
            self.server()
                .user("ann")
                .say("general", &format!("!echo {number}"))
                .await;
        }
    }

    async fn cut(&self) {
        self.server().refuse_connections(true);
        self.server().drop_connections();
        after_secs(1).await;
    }

    fn restore(&self) {
        self.server().refuse_connections(false);
    }

    /// Each number is answered once and in order; late answers quote.
    fn expect(&self, numbers: std::ops::Range<usize>) {
        let said = self.server().messages("general").into_iter();
        let said: Vec<String> = said
            .filter(|message| message.username == "rocketbotte")
            .map(|message| message.text.rsplit(' ').next().unwrap().to_owned())
            .collect();
        assert_eq!(said, numbers.map(|n| n.to_string()).collect::<Vec<_>>());
    }
}

#[tokio::test(start_paused = true)]
async fn after_a_long_outage_a_list_that_fails_at_first_loses_nothing_recent() {
    let talk = Talk::with(true, |bot| bot).await;
    talk.cut().await;
    after_secs(720).await;
    talk.say(0..5).await;
    let limited = RestFault::TooManyRequests {
        reset_after: Duration::from_secs(60),
    };
    talk.server().fail_next_calls("subscriptions.get", 3, limited);
    talk.restore();
    after_secs(400).await;
    talk.expect(0..5);
}

#[tokio::test(start_paused = true)]
async fn a_proxy_that_answers_for_a_server_that_starts_again_is_waited_for() {
    for status in [404, 403, 408, 425] {
        let talk = Talk::with(true, |bot| bot).await;
        talk.cut().await;
        talk.say(0..5).await;
        for endpoint in ["subscriptions.get", "rooms.get", "chat.syncMessages"] {
            talk.server()
                .fail_next_calls(endpoint, 8, RestFault::Proxy(status));
        }
        talk.restore();
        after_secs(180).await;
        talk.expect(0..5);
    }
}

#[tokio::test(start_paused = true)]
async fn a_list_that_takes_long_is_waited_for() {
    let talk = Talk::with(true, |bot| bot).await;
    talk.cut().await;
    talk.say(0..5).await;
    for endpoint in ["subscriptions.get", "rooms.get"] {
        talk.server()
            .fail_next_calls(endpoint, 1000, RestFault::Slow(Duration::from_secs(20)));
    }
    talk.restore();
    after_secs(300).await;
    talk.expect(0..5);
}

#[tokio::test(start_paused = true)]
async fn an_outage_does_not_make_old_what_a_slow_room_has_parked() {
    let talk = Talk::with(false, |bot| bot.lane_capacity(2, Overflow::Park).max_waiting(64)).await;
    talk.say(0..60).await;
    after_secs(900).await;
    talk.cut().await;
    talk.restore();
    after_secs(120).await;
    talk.gate.send_replace(true);
    after_secs(120).await;
    talk.expect(0..60);
}

#[tokio::test(start_paused = true)]
async fn a_safety_sync_that_fails_looks_for_the_same_the_next_time() {
    let talk = Talk::with(true, |bot| bot.safety_sync(Duration::from_secs(60))).await;
    talk.server().lose_frames(true);
    talk.say(0..3).await;
    talk.server().lose_frames(false);
    let limited = RestFault::TooManyRequests {
        reset_after: Duration::from_secs(30),
    };
    talk.server().fail_next_calls("subscriptions.get", 4, limited);
    after_secs(600).await;
    talk.expect(0..3);
}

/// While one fails, what is parked goes on all the same.
#[tokio::test(start_paused = true)]
async fn a_safety_sync_that_fails_strands_nothing() {
    let talk = Talk::with(false, |bot| {
        bot.lane_capacity(2, Overflow::Park)
            .max_waiting(64)
            .safety_sync(Duration::from_secs(3600))
    })
    .await;
    after_secs(3590).await;
    talk.say(0..60).await;
    let limited = RestFault::TooManyRequests {
        reset_after: Duration::from_secs(30),
    };
    talk.server().fail_next_calls("subscriptions.get", 2, limited);
    after_secs(20).await;
    talk.gate.send_replace(true);
    after_secs(300).await;
    talk.expect(0..60);
}

#[tokio::test(start_paused = true)]
async fn what_never_waits_passes_a_room_of_which_most_is_parked() {
    let talk = Talk::with(false, |bot| bot.lane_capacity(2, Overflow::Park).max_waiting(64)).await;
    talk.say(0..60).await;
    after_secs(5).await;
    talk.server().user("ann").say("general", "!stop").await;
    after_secs(5).await;
    let said = talk.chat.said("general");
    assert_eq!(said, ["stopped"]);
    talk.gate.send_replace(true);
    after_secs(120).await;
    assert_eq!(talk.chat.said("general").len(), 61);
}

#[tokio::test(start_paused = true)]
async fn a_handler_runs_once_for_each_command_though_much_is_fetched() {
    let runs = Arc::new(std::sync::Mutex::new(
        std::collections::HashMap::<String, u32>::new(),
    ));
    let count = Arc::clone(&runs);
    let router = Router::new().command("count", move |Args(text): Args<String>| {
        *count.lock().unwrap().entry(text).or_default() += 1;
        std::future::ready(())
    });
    let app = ServiceBuilder::new()
        .layer(CommandLayer::new("!"))
        .service(router);
    let rooms: Vec<String> = (0..12).map(|n| format!("room{n}")).collect();
    let server = rooms
        .iter()
        .fold(people(), |server, room| server.channel(room))
        .start_in_memory();
    let chat = Chat::on(&server, app).await;
    let say = async |from: usize, to: usize| {
        for room in &rooms {
            for n in from..to {
                chat.sandbox
                    .user("ann")
                    .say(room, &format!("!count {room}-{n}"))
                    .await;
            }
        }
        after_secs(2).await;
    };
    // So much just before, and so much in between, that it could be forgotten what was heard.
    say(0, 400).await;
    chat.sandbox.refuse_connections(true);
    chat.sandbox.drop_connections();
    after_secs(1).await;
    say(400, 1200).await;
    chat.sandbox.refuse_connections(false);
    after_secs(120).await;
    let runs = runs.lock().unwrap();
    let twice: Vec<_> = runs.iter().filter(|(_, times)| **times > 1).collect();
    assert_eq!(twice, []);
    assert_eq!(runs.len(), 14_400);
}
