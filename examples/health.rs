//! A bot that a supervisor can ask how it is doing: `/healthz`, `/readyz`, and `/status` for people.
//!
//! Run it with `cargo run --example health` and ask: `curl -i http://127.0.0.1:8080/readyz`. The address is another with
//! `HEALTH_ADDR=0.0.0.0:9000`. Its server is one inside this program; to connect it to your own set `ROCKETCHAT_URL`,
//! `ROCKETCHAT_USER_ID` and `ROCKETCHAT_AUTH_TOKEN`. It ends with Ctrl-C.

use std::process::ExitCode;

use axum::Router as Http;
use axum::http::StatusCode;
use axum::routing::get;
use rocketbotte::dispatch::BotHandle;
use rocketbotte::layer::{CommandLayer, TraceLayer};
use rocketbotte::sandbox::Sandbox;
use rocketbotte::{Bot, BotBuilder, BoxError, Router};
use tokio::net::TcpListener;
use tower::ServiceBuilder;

async fn ping() -> &'static str {
    "pong"
}

/// The answer to a probe: supervisors read the status, people the text.
fn verdict(is_well: bool, bot: &BotHandle) -> (StatusCode, String) {
    let status = match is_well {
        true => StatusCode::OK,
        false => StatusCode::SERVICE_UNAVAILABLE,
    };
    let health = bot.health();
    let behind = if health.is_behind { ", catching up" } else { "" };
    (status, format!("{}{behind}\n", health.state))
}

/// What the bot answers over HTTP. It serves nothing else, so nothing of the chat is to be had here.
fn probes(bot: BotHandle) -> Http {
    let (live, ready, status) = (bot.clone(), bot.clone(), bot);
    Http::new()
        // Not well: start it again.
        .route(
            "/healthz",
            get(async move || verdict(live.health().is_live(), &live)),
        )
        // Not well: it does not answer in the chat at the moment.
        .route(
            "/readyz",
            get(async move || verdict(ready.health().is_ready(), &ready)),
        )
        .route("/status", get(async move || format!("{:#?}\n", status.health())))
}

async fn serve() -> Result<ExitCode, BoxError> {
    // Kept until the end: the server stops with it.
    let (sandbox, settings) = if BotBuilder::env_is_set() {
        (None, BotBuilder::from_env()?)
    } else {
        let sandbox = Sandbox::start().await?;
        let account = sandbox.bot("rocketbotte");
        let settings = Bot::builder(sandbox.url()).token(account.id(), account.token());
        (Some(sandbox), settings)
    };
    let bot = settings.build()?;

    // The probes are answered before the bot is connected, and until it has ended.
    let address = std::env::var("HEALTH_ADDR").unwrap_or_else(|_| "127.0.0.1:8080".to_owned());
    let listener = TcpListener::bind(&address)
        .await
        .map_err(|error| format!("{address}: {error}"))?;
    println!("http://{}/readyz", listener.local_addr()?);
    tokio::spawn(axum::serve(listener, probes(bot.handle())).into_future());

    let app = ServiceBuilder::new()
        .layer(TraceLayer::new())
        .layer(CommandLayer::new("!"))
        .service(Router::new().command("ping", ping).help());
    let exit_code = bot.run(app).await;
    drop(sandbox);
    Ok(exit_code)
}

// Two threads at least: a handler that blocks one of them does not keep the probes from being answered.
#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> ExitCode {
    tracing_subscriber::fmt()
        .with_env_filter(
            tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "info".into()),
        )
        .with_writer(std::io::stderr)
        .init();
    serve().await.unwrap_or_else(|error| {
        eprintln!("health: {error}");
        // A mistake in the settings: starting again does not help.
        ExitCode::from(78)
    })
}
