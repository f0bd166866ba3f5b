//! What a test of a bot looks like that its users write: two commands, a listener, and a server that goes away between
//! them. `TIMES=50 cargo test --release --test ten_lines -- --nocapture` prints how long one takes.
#![cfg(all(feature = "client", feature = "sandbox", feature = "test-util"))]
#![allow(clippy::unwrap_used, reason = "a test ends by a panic")]

use std::sync::Arc;
use std::time::Instant;

use rocketbotte::command::CommandLayer;
use rocketbotte::event::Message;
use rocketbotte::extract::Args;
use rocketbotte::sandbox::Sandbox;
use rocketbotte::{BoxError, Request, Response, Router, testing};
use tower::{Service, ServiceBuilder};

async fn ping(Args(text): Args<String>) -> String {
    format!("pong {text}")
}

async fn add(Args((a, b)): Args<(i64, i64)>) -> String {
    (a + b).to_string()
}

async fn hello(message: Arc<Message>) -> Option<&'static str> {
    message.text().contains("hello").then_some("world")
}

fn app() -> impl Service<Request, Response = Response, Error = BoxError, Future: Send> + Send + 'static {
    let router = Router::new()
        .command("ping", ping)
        .command("add", add)
        .on_message(hello);
    ServiceBuilder::new()
        .layer(CommandLayer::new("!"))
        .service(router)
}

#[tokio::test]
async fn a_bot_answers_before_and_after_a_restart_of_its_server() {
    let sandbox = Sandbox::start().await.unwrap();
    let bot = testing::serve(&sandbox, "rocketbotte", app()).await;
    let ann = sandbox.user("ann");
    assert_eq!(ann.ask("general", "!ping 7").await.text, "pong 7");
    assert_eq!(ann.ask("general", "hello").await.text, "world");
    sandbox.restart().await;
    assert_eq!(ann.ask("general", "!add 1 2").await.text, "3");
    assert!(bot.shutdown().await.is_complete());
}

/// The same, often, for the time that one takes.
#[test]
fn how_long_it_takes() {
    let times = std::env::var("TIMES").ok().and_then(|times| times.parse().ok());
    let times: u32 = times.unwrap_or(1);
    let mut took: Vec<_> = (0..times)
        .map(|_| {
            let began = Instant::now();
            a_bot_answers_before_and_after_a_restart_of_its_server();
            began.elapsed()
        })
        .collect();
    took.sort();
    let (middle, longest) = (took[took.len() / 2], took[took.len() - 1]);
    println!("{times} times: {middle:?} in the middle, {longest:?} at most");
}
