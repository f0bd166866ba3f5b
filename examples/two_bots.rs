//! Two bots in one program, in the same room: each with its account, its state and its own prefix.
//!
//! Both greet whoever says hello, and neither hears the other: a message of a bot is no message for a bot, unless a route asks
//! for it. What `front` is asked and does not do itself it hands over to `ops`, inside the program. They share one connector,
//! and with it their TLS settings.
//!
//! Run it with `cargo run --example two_bots`: it starts a server in this program, says a few lines there, prints the chat and
//! ends.

use std::sync::Arc;
use std::time::Duration;

use rocketbotte::command::CommandLayer;
use rocketbotte::dispatch::BotHandle;
use rocketbotte::event::{CustomEvent, Message};
use rocketbotte::extract::{Args, Payload, State};
use rocketbotte::sandbox::{Sandbox, SandboxUser};
use rocketbotte::transport::{ConnectionState, Connector, TlsSettings};
use rocketbotte::{Bot, BoxError, Router};
use tower::ServiceBuilder;

/// What `front` hands over.
struct Order {
    version: String,
    by: String,
}

async fn status() -> &'static str {
    "all is well"
}

/// Tells the other bot. Fired with the key of the message, an order is carried out once, however often this runs.
async fn deploy(
    Args(version): Args<String>,
    message: Arc<Message>,
    State(ops): State<BotHandle>,
) -> Result<&'static str, BoxError> {
    let order = Order {
        version,
        by: message.author().username().to_owned(),
    };
    let event = CustomEvent::new("deploy", order)
        .in_room(message.room().id().clone())
        .with_key(message.id().as_str());
    ops.fire(event).await?;
    Ok("ops does that")
}

/// In the other bot: what this returns is said by `ops`, in the room of the order.
async fn carry_out(Payload(order): Payload<Order>) -> String {
    format!("{} is deployed, as {} asked", order.version, order.by)
}

async fn load() -> &'static str {
    "0.42"
}

async fn hello(message: Arc<Message>) -> Option<&'static str> {
    message.text().contains("hello").then_some("hello to you")
}

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let sandbox = Sandbox::builder()
        .user("ann")
        .bot("front")
        .bot("ops")
        .start()
        .await?;
    let connector = Connector::tcp(&TlsSettings::new())?;
    let bot = |name: &str| {
        let account = sandbox.bot(name);
        Bot::builder(sandbox.url())
            .token(account.id(), account.token())
            .connector(connector.clone())
            .build()
    };
    let (front, ops) = (bot("front")?, bot("ops")?);
    let handles = [front.handle(), ops.handle()];

    let router = Router::new()
        .command("status", status)
        .command("deploy", deploy)
        .on_message(hello)
        .with_state(ops.handle());
    let app = ServiceBuilder::new()
        .layer(CommandLayer::new("!"))
        .service(router);
    let front = tokio::spawn(front.serve(app));

    let router = Router::new()
        .command("load", load)
        .on_message(hello)
        .on_custom("deploy", carry_out);
    let app = ServiceBuilder::new()
        .layer(CommandLayer::new("?"))
        .service(router);
    let ops = tokio::spawn(ops.serve(app));

    for handle in &handles {
        let mut state = handle.watch_state();
        tokio::select! {
            ready = state.wait_for(|state| *state == ConnectionState::Ready) => drop(ready?),
            () = handle.ended() => {}
        }
    }

    let ann = sandbox.user("ann");
    ask(&sandbox, &ann, "hello everybody", &["front", "ops"]).await?;
    ask(&sandbox, &ann, "!status", &["front"]).await?;
    ask(&sandbox, &ann, "?load", &["ops"]).await?;
    ask(&sandbox, &ann, "!deploy v1.2", &["front", "ops"]).await?;

    // The one ends, and the other goes on.
    handles[0].shutdown();
    front.await??;
    ask(&sandbox, &ann, "hello again", &["ops"]).await?;
    handles[1].shutdown();
    ops.await??;
    let said_by = |name: &str| {
        let messages = sandbox.messages("general").into_iter();
        messages.filter(|message| message.username == name).count()
    };
    println!("front said {}, ops said {}", said_by("front"), said_by("ops"));
    sandbox.shutdown().await;
    Ok(())
}

/// Says something in #general, and prints it with what each of these bots says to it.
async fn ask(sandbox: &Sandbox, who: &SandboxUser, text: &str, bots: &[&str]) -> Result<(), BoxError> {
    println!("{}: {text}", who.username());
    let asked = who.say("general", text).await;
    for bot in bots {
        let reply = |sandbox: &Sandbox| {
            let messages = sandbox.messages("general").into_iter();
            let later = messages.skip_while(|message| message.id != asked);
            later.into_iter().find(|message| message.username == *bot)
        };
        sandbox
            .wait_until(|sandbox| reply(sandbox).is_some(), Duration::from_secs(10))
            .await?;
        println!(
            "{bot}: {}",
            reply(sandbox).map(|message| message.text).unwrap_or_default()
        );
    }
    Ok(())
}
