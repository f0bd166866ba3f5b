//! A bot that deploys: who may is decided by room roles and user ids, and the progress is told in the thread of the order.
//!
//! Run it with `cargo run --example deploy`: it starts a server in this program, has people order there, prints the chat,
//! and ends. To connect it to your own server set `ROCKETCHAT_URL`, `ROCKETCHAT_USER_ID` and `ROCKETCHAT_AUTH_TOKEN`, and
//! `ROLLBACK_USERS` to the ids of those who may roll back, with commas.

use std::process::ExitCode;
use std::time::Duration;

use rocketbotte::extract::{Args, Outbox, Tasks};
use rocketbotte::handler::route;
use rocketbotte::layer::require::RequireLayer;
use rocketbotte::layer::{CommandLayer, TimeoutLayer, TraceLayer};
use rocketbotte::response::Thread;
use rocketbotte::sandbox::{Sandbox, SandboxUser};
use rocketbotte::transport::ConnectionState;
use rocketbotte::{Bot, BotBuilder, BoxError, Request, Response, Router};
use tower::{Service, ServiceBuilder};

/// One step of the work: yours is longer.
async fn step() {
    tokio::time::sleep(Duration::from_millis(100)).await;
}

/// `!deploy v1.2`, for owners and moderators of the room.
async fn deploy(Args(version): Args<String>, outbox: Outbox, tasks: Tasks) -> Result<(), BoxError> {
    let progress = outbox.progress(format!("Deploying {version}: begins")).await?;
    for name in ["builds", "copies", "restarts"] {
        // It is shown as often as the server allows; the work does not wait for that.
        progress.set(format!("Deploying {version}: {name}"));
        step().await;
    }
    progress.finish(format!("{version} is live.")).await?;
    // What nobody waits for; a stop of the bot does.
    tasks.spawn("clean up", async move {
        step().await;
        if let Err(error) = outbox.send("Old versions are cleaned up.").await {
            tracing::warn!(%error, "nobody was told");
        }
    })?;
    Ok(())
}

/// `!rollback`, for a few people by their ids.
async fn rollback() -> &'static str {
    "Rolled back."
}

fn app<I>(
    may_roll_back: I,
) -> impl Service<Request, Response = Response, Error = BoxError, Future: Send> + Send + use<I>
where
    I: IntoIterator<Item = String>,
{
    let deploys = Router::new()
        .command(
            "deploy",
            route(deploy)
                .description("Deploys a version")
                .timeout(Duration::from_secs(600))
                .in_thread(Thread::Always)
                // What has begun is not begun again after a crash.
                .at_most_once(),
        )
        .route_layer(
            RequireLayer::room_roles(["owner", "moderator"]).message("Ask a moderator of this room."),
        );
    let rollbacks = Router::new()
        .command(
            "rollback",
            route(rollback).description("Brings the last version back"),
        )
        .route_layer(RequireLayer::users(may_roll_back));
    ServiceBuilder::new()
        .layer(TraceLayer::new())
        .layer(CommandLayer::new("!"))
        .layer(TimeoutLayer::new(Duration::from_secs(30)))
        .service(deploys.merge(rollbacks).help())
}

#[tokio::main]
async fn main() -> ExitCode {
    tracing_subscriber::fmt()
        .with_env_filter(
            tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "warn".into()),
        )
        .with_writer(std::io::stderr)
        .init();
    if BotBuilder::env_is_set() {
        let ids = std::env::var("ROLLBACK_USERS").unwrap_or_default();
        let ids: Vec<String> = ids.split(',').map(|id| id.trim().to_owned()).collect();
        return match Bot::from_env() {
            Ok(bot) => bot.run(app(ids)).await,
            Err(error) => {
                eprintln!("deploy: {error}");
                error.exit_code()
            }
        };
    }
    match releases().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("deploy: {error}");
            ExitCode::FAILURE
        }
    }
}

/// A room on a server in this program: it is ann's, and bob is in it.
async fn releases() -> Result<(), BoxError> {
    let sandbox = Sandbox::builder()
        .user("ann")
        .user("bob")
        .bot("rocketbotte")
        .channel_with("releases", &["ann", "bob", "rocketbotte"])
        .start()
        .await?;
    let account = sandbox.bot("rocketbotte");
    let (ann, bob) = (sandbox.user("ann"), sandbox.user("bob"));
    let bot = Bot::builder(sandbox.url())
        .token(account.id(), account.token())
        .build()?;
    let handle = bot.handle();
    let serving = tokio::spawn(bot.serve(app([bob.id().to_owned()])));
    let mut state = handle.watch_state();
    tokio::select! {
        ready = state.wait_for(|state| *state == ConnectionState::Ready) => drop(ready?),
        () = handle.ended() => {}
    }

    order(&sandbox, &bob, "!deploy v1.2", "Ask a moderator of this room.").await?;
    order(&sandbox, &ann, "!deploy v1.2", "v1.2 is live.").await?;
    order(
        &sandbox,
        &ann,
        "!rollback",
        "You are not allowed to do this here.",
    )
    .await?;
    order(&sandbox, &bob, "!rollback", "Rolled back.").await?;

    // It waits for what still cleans up.
    handle.shutdown();
    serving.await??;
    let said = sandbox.messages("releases");
    let clean = said.iter().find(|message| message.text.contains("cleaned up"));
    println!("{}", clean.map_or("not cleaned up", |message| &message.text));
    sandbox.shutdown().await;
    Ok(())
}

/// Somebody orders something; prints it with what the bot says in the end.
async fn order(sandbox: &Sandbox, who: &SandboxUser, text: &str, end: &str) -> Result<(), BoxError> {
    let id = who.say("releases", text).await;
    let find = |sandbox: &Sandbox| {
        let messages = sandbox.messages("releases").into_iter();
        messages
            .skip_while(|message| message.id != id)
            .find(|message| message.username == "rocketbotte" && message.text == end)
    };
    sandbox
        .wait_until(|sandbox| find(sandbox).is_some(), Duration::from_secs(30))
        .await?;
    let reply = find(sandbox).ok_or("the answer is gone")?;
    let place = if reply.thread_id.is_some() {
        "in the thread"
    } else {
        "in the room"
    };
    println!(
        "{}: {text}\n  {}, {place}: {}",
        who.username(),
        reply.username,
        reply.text
    );
    Ok(())
}
