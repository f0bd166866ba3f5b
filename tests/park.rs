//! A bot that is slower than its people: nothing is lost to it, memory stays bounded, other rooms go on, and what
//! never waits does not wait.
#![cfg(all(feature = "client", feature = "sandbox"))]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test ends by them")]

mod support;

use std::time::Duration;

use rocketbotte::command::CommandLayer;
use rocketbotte::dispatch::Overflow;
use rocketbotte::extract::Args;
use rocketbotte::handler::route;
use rocketbotte::sandbox::Sandbox;
use rocketbotte::{BotBuilder, Request, Response, Router};
use support::live::{Live, PATIENCE, bot_at, in_time};
use tokio::sync::watch;
use tower::{Service, ServiceBuilder};

/// Repeats what it is told; in `#general` only once the gate is open.
fn echo(
    gate: watch::Receiver<bool>,
) -> impl Service<Request, Response = Response, Error = rocketbotte::BoxError, Future: Send> + Send + 'static
{
    let echo = move |room: rocketbotte::event::Room, Args(text): Args<String>| {
        let mut gate = gate.clone();
        async move {
            if room.name() == Some("general") {
                gate.wait_for(|is_open| *is_open).await.unwrap();
            }
            text
        }
    };
    let stop = || async { "stopped" };
    let router = Router::new()
        .command("echo", echo)
        .command("stop", route(stop).control());
    ServiceBuilder::new()
        .layer(CommandLayer::new("!"))
        .service(router)
}

struct Slow {
    live: Live,
    gate: watch::Sender<bool>,
}

impl Slow {
    /// A bot that takes only few events at a time.
    async fn bot(configure: impl FnOnce(BotBuilder) -> BotBuilder) -> Self {
        let sandbox = Sandbox::builder()
            .user("ann")
            .bot("rocketbotte")
            .channel("dev")
            .start()
            .await
            .unwrap();
        let bot = configure(bot_at(&sandbox, "rocketbotte").route_timeout(None));
        let (gate, is_open) = watch::channel(false);
        let live = Live::of(&sandbox, bot, echo(is_open)).await;
        Self { live, gate }
    }

    async fn ask(&self, numbers: std::ops::Range<usize>) {
        let ann = self.live.sandbox.user("ann");
        for number in numbers {
            ann.say("general", &format!("!echo {number}")).await;
        }
    }

    /// Lets the handlers go on; then every number is said once, and in order.
    async fn expect(&self, count: usize) {
        let mut feed = self.live.sandbox.subscribe();
        self.gate.send_replace(true);
        let last = (count - 1).to_string();
        in_time(async {
            while let Some(message) = feed.next().await
                && (message.username != "rocketbotte" || message.text != last)
            {}
        })
        .await;
        let expected: Vec<String> = (0..count).map(|number| number.to_string()).collect();
        assert_eq!(said(&self.live.sandbox), expected);
    }
}

fn said(sandbox: &Sandbox) -> Vec<String> {
    let messages = sandbox.messages("general").into_iter();
    messages
        .filter(|message| message.username == "rocketbotte" && message.raw.get("t").is_none())
        .map(|message| message.text)
        .collect()
}

#[tokio::test]
async fn a_handler_that_is_slower_than_its_room_loses_nothing() {
    let slow = Slow::bot(|bot| {
        bot.lane_capacity(2, Overflow::Park)
            .max_waiting(64)
            .hold(Duration::MAX)
    })
    .await;
    slow.ask(0..100).await;
    // The other room is as quick as ever.
    assert_eq!(slow.live.ask_in("dev", "!echo here").await, "here");
    let counters = slow.live.handle.counters();
    assert!(counters.received <= 64, "the rest is parked: {counters:?}");
    assert_eq!(slow.live.handle.health().parked_rooms, 1);
    slow.expect(100).await;
    let handle = slow.live.handle.clone();
    let caught_up = slow
        .live
        .sandbox
        .wait_until(|_| handle.health().parked_rooms == 0, PATIENCE)
        .await;
    caught_up.unwrap();
    assert_eq!(slow.live.handle.counters().overflowed, 0);
}

/// With the bounds that a bot has by itself.
#[tokio::test]
async fn more_than_a_room_may_have_in_the_pipeline_is_kept() {
    let slow = Slow::bot(|bot| bot.hold(Duration::MAX)).await;
    slow.ask(0..600).await;
    slow.expect(600).await;
    assert_eq!(slow.live.handle.counters().overflowed, 0);
}

#[tokio::test]
async fn what_never_waits_passes_a_room_that_does() {
    let slow = Slow::bot(|bot| bot.lane_capacity(2, Overflow::Park).hold(Duration::MAX)).await;
    slow.ask(0..20).await;
    assert_eq!(slow.live.ask("!stop").await, "stopped");
    slow.gate.send_replace(true);
    let sandbox = &slow.live.sandbox;
    let answered = sandbox
        .wait_until(|sandbox| said(sandbox).len() == 21, PATIENCE)
        .await;
    answered.unwrap();
}

#[tokio::test]
async fn another_policy_drops_and_counts() {
    let slow = Slow::bot(|bot| bot.lane_capacity(2, Overflow::DropNewest).hold(Duration::MAX)).await;
    slow.ask(0..20).await;
    assert_eq!(slow.live.ask_in("dev", "!echo here").await, "here");
    slow.expect(3).await;
    assert_eq!(slow.live.handle.counters().overflowed, 17);
}

/// What the transport does not count, such as an invitation, waits in the lanes too.
#[tokio::test]
async fn what_is_not_counted_takes_nobodys_place() {
    let slow = Slow::bot(|bot| bot.lane_capacity(2, Overflow::Park).hold(Duration::MAX)).await;
    let sandbox = slow.live.sandbox.clone();
    slow.ask(0..1).await;
    let handle = slow.live.handle.clone();
    // One after the other: an event that is not so any more when the server is asked does not come.
    for received in 3..=10 {
        if received % 2 == 1 {
            sandbox.kick("general", "rocketbotte").unwrap();
        } else {
            sandbox.invite("general", "rocketbotte").unwrap();
        }
        let received = sandbox
            .wait_until(|_| handle.counters().received >= received, PATIENCE)
            .await;
        received.unwrap();
    }
    slow.ask(1..10).await;
    slow.expect(10).await;
    assert_eq!(slow.live.handle.counters().overflowed, 0);
}
