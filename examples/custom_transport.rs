//! A bot without a server: its events come out of a channel, and what it answers goes into a sink of one's own.
//!
//! Anything that gives a stream of events can drive a bot (a queue, a webhook, a recording), and any `tower` service of
//! actions can carry out what it answers. Run it with `cargo run --example custom_transport`: it prints what goes in,
//! what comes out, and the acknowledgements that a queue would be sent. It needs no feature of the crate.

use std::future::{Ready, ready};
use std::task::{Context, Poll};

use futures_util::stream;
use rocketbotte::command::CommandLayer;
use rocketbotte::dispatch::{Receipt, Serve};
use rocketbotte::event::{Event, Message, Room, RoomKind, User};
use rocketbotte::extract::{Args, Author};
use rocketbotte::response::Action;
use rocketbotte::transport::{Ack, Delivery, from_stream};
use rocketbotte::{BoxError, Identity, Router};
use tokio::sync::{mpsc, oneshot};
use tower::{Service, ServiceBuilder};

/// Prints what the bot would do. `Bot` has one in this place that calls the server.
#[derive(Clone)]
struct Printer;

impl Service<Action> for Printer {
    type Response = Receipt;
    type Error = BoxError;
    type Future = Ready<Result<Receipt, BoxError>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, action: Action) -> Self::Future {
        let room = action.room_id().map_or("nowhere", |room| room.as_str());
        match &action {
            Action::Send(send) => println!("out: {:?} to {room}", send.content()),
            other => println!("out: {} in {room}", other.name()),
        }
        ready(Ok(Receipt::default()))
    }
}

async fn add(Args((first, second)): Args<(i64, i64)>) -> String {
    format!("{}", first.saturating_add(second))
}

async fn greet(author: Author, message: std::sync::Arc<Message>) -> Option<String> {
    message
        .text()
        .contains("hello")
        .then(|| format!("hello {}", author.username()))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), BoxError> {
    let (sender, receiver) = mpsc::channel::<Delivery>(16);
    let deliveries = stream::unfold(receiver, |mut receiver| async move {
        let delivery = receiver.recv().await?;
        Some((delivery, receiver))
    });
    let router = Router::new().command("add", add).on_message(greet);
    let app = ServiceBuilder::new()
        .layer(CommandLayer::new("!"))
        .service(router);
    let serve = Serve::new(from_stream(deliveries), Printer).identity(Identity::new("uBot", "rocketbotte"));

    // When the sender is dropped the stream ends, and the bot with it.
    let (report, fed) = tokio::join!(serve.run(app), feed(sender));
    fed?;
    println!("{}", report?);
    Ok(())
}

/// Puts messages into the channel, each when the one before it was settled.
async fn feed(sender: mpsc::Sender<Delivery>) -> Result<(), BoxError> {
    for text in ["!add 2 40", "hello there", "nothing to see", "!add 2 apples"] {
        println!("in: {text:?}");
        let room = Room::new("GENERAL", RoomKind::Channel);
        let message = Message::builder(room, User::new("uAnn", "ann"), text).build();
        let (settled, outcome) = oneshot::channel();
        let ack = Ack::new(move |outcome| {
            // Nobody listens any more if the feed has ended.
            let _ = settled.send(outcome);
        });
        sender
            .send(Delivery::live(Event::from(message)).with_ack(ack))
            .await?;
        println!("acknowledged: {:?}", outcome.await?);
    }
    Ok(())
}
