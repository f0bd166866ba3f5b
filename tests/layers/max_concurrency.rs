//! Commands that are still running, refused.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rocketbotte::event::{Message, Room, RoomKind, User};
use rocketbotte::handler::route;
use rocketbotte::layer::{CommandLayer, MaxConcurrencyLayer};
use rocketbotte::testing::{TestBot, events};
use rocketbotte::{BoxError, Request, Response, Router};
use tokio::sync::Semaphore;
use tower::{Layer, Service, ServiceBuilder};

const BUSY: &str = "That is already running: wait until it has ended, please.";

/// A command that runs until it is let go, and how many run.
#[derive(Clone)]
struct Slow {
    go: Arc<Semaphore>,
    running: Arc<AtomicUsize>,
}

impl Slow {
    fn new() -> Self {
        Self {
            go: Arc::new(Semaphore::new(0)),
            running: Arc::default(),
        }
    }

    fn router(&self) -> Router {
        let slow = self.clone();
        let handler = move || {
            let slow = slow.clone();
            async move {
                slow.running.fetch_add(1, Ordering::SeqCst);
                let permit = slow.go.acquire().await;
                permit.map(|permit| permit.forget()).ok();
                slow.running.fetch_sub(1, Ordering::SeqCst);
                "done"
            }
        };
        Router::new().command("slow", route(handler).concurrent().no_timeout())
    }
}

fn bot(
    router: Router,
) -> impl Service<Request, Response = Response, Error: Into<BoxError>, Future: Send> + Send + 'static {
    CommandLayer::new("!").layer(router)
}

/// `!slow` of a user in a room.
fn slow(user: &str, room: &str) -> Message {
    let room = Room::new(room, RoomKind::Channel).with_name(room);
    Message::builder(room, User::new(user, user), "!slow").build()
}

/// Asks for all at once; what each reads, once those that run were let go.
async fn answers(layer: MaxConcurrencyLayer, asked: &[(&str, &str)]) -> Vec<String> {
    let handler = Slow::new();
    let bot = TestBot::new(bot(handler.router().route_layer(layer)));
    let delivered: Vec<_> = asked
        .iter()
        .map(|(user, room)| bot.deliver(slow(user, room)))
        .collect();
    // Time moves on once everything waits.
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(handler.running.load(Ordering::SeqCst) > 0);
    handler.go.add_permits(asked.len() + 1);
    for one in delivered {
        one.settled().await;
    }
    bot.ask(slow("u0", "r0")).await.says(["done"]);
    let transcripts = asked
        .iter()
        .map(|(_, room)| *room)
        .collect::<std::collections::BTreeSet<_>>();
    transcripts
        .into_iter()
        .flat_map(|room| {
            let transcript = bot.transcript_of(room).to_string();
            let lines = transcript.lines().filter(|line| line.contains("rocketbotte"));
            lines.map(|line| line.trim().to_owned()).collect::<Vec<_>>()
        })
        .collect()
}

#[tokio::test(start_paused = true)]
async fn so_many_at_a_time_for_each_user_room_or_in_all() {
    let asked = [("u1", "r1"), ("u1", "r2"), ("u2", "r1")];
    let busy = |lines: &[String]| lines.iter().filter(|line| line.contains(BUSY)).count();
    for (layer, refused) in [
        (MaxConcurrencyLayer::global(1), 2),
        (MaxConcurrencyLayer::global(2), 1),
        (MaxConcurrencyLayer::per_user(1), 1),
        (MaxConcurrencyLayer::per_room(1), 1),
        (MaxConcurrencyLayer::per_user(2), 0),
        (MaxConcurrencyLayer::keyed_by(1, |_| None::<u8>), 0),
        (
            MaxConcurrencyLayer::keyed_by(1, |request| {
                Some((request.author()?.id().clone(), request.room()?.id().clone()))
            }),
            0,
        ),
    ] {
        let lines = answers(layer.clone(), &asked).await;
        assert_eq!(busy(&lines), refused, "{layer:?}: {lines:?}");
        let done = lines.iter().filter(|line| line.contains("done")).count();
        assert_eq!(done, 3 - refused, "{lines:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn it_counts_for_as_long_as_the_handler_runs_also_when_it_was_detached() {
    let handler = Slow::new();
    let router = handler
        .router()
        .on_message(async || ())
        .hold(Duration::from_secs(1));
    // Around the router: the listener is ready, and the command goes on behind it.
    let app = ServiceBuilder::new()
        .layer(CommandLayer::new("!"))
        .layer(MaxConcurrencyLayer::global(1).message("Busy."))
        .service(router);
    let bot = TestBot::new(app);
    let first = bot.deliver(slow("u1", "r1"));
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(handler.running.load(Ordering::SeqCst), 1);
    bot.ask(slow("u2", "r2")).await.says(["Busy."]);
    assert_eq!(handler.running.load(Ordering::SeqCst), 1);
    handler.go.add_permits(2);
    first.settled().await;
    bot.ask(slow("u2", "r2")).await.says(["done"]);
}

#[tokio::test(start_paused = true)]
async fn what_is_cancelled_or_panics_gives_its_place_back() {
    async fn panics() -> &'static str {
        panic!("on purpose")
    }
    async fn hangs() -> &'static str {
        std::future::pending().await
    }
    let router = Router::new()
        .command("slow", panics)
        .command("hang", route(hangs).timeout(Duration::from_secs(1)))
        .route_layer(MaxConcurrencyLayer::global(1));
    let bot = TestBot::new(bot(router));
    for text in ["!slow", "!hang", "!slow", "!hang"] {
        let answer = bot.ask(events::said(text)).await.texts().join("");
        assert!(answer.contains("Something went wrong"), "{text}: {answer}");
    }
}
