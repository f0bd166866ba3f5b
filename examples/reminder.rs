//! Reminders: `!remind 10m tea` is answered ten minutes later by a direct message, and everybody is told to drink some
//! water on working days at ten.
//!
//! Without a set-up it talks to a server inside this program: ann asks to be reminded, and is. With `ROCKETCHAT_URL`
//! and the other variables of the README it is a bot on yours, and with `ROCKETBOTTE_JOURNAL=…` reminders outlive it.
//! `WATER_ROOM` names the room for the water: `GENERAL` unless set.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use rocketbotte::event::{Message, Scheduled};
use rocketbotte::extract::Args;
use rocketbotte::handler::route;
use rocketbotte::layer::{CommandLayer, RateLimitLayer, TraceLayer};
use rocketbotte::response::Send;
use rocketbotte::sandbox::Sandbox;
use rocketbotte::schedule::{Once, Schedule, ScheduleErrorKind, Schedules};
use rocketbotte::transport::ConnectionState;
use rocketbotte::{Bot, BoxError, Rejection, Request, Response, Router};
use serde::{Deserialize, Serialize};
use tower::{Service, ServiceBuilder};

/// What a reminder has to know when its time has come. With a journal it is kept in this form.
#[derive(Serialize, Deserialize)]
struct Reminder {
    user: String,
    text: String,
}

/// Nobody plans for longer.
const LONGEST: Duration = Duration::from_secs(366 * 24 * 3600);

async fn remind(
    Args((time, text)): Args<(String, String)>,
    message: Arc<Message>,
    schedules: Schedules,
) -> Result<String, BoxError> {
    let Some(time) = humantime::parse_duration(&time)
        .ok()
        .filter(|time| *time <= LONGEST)
    else {
        return Err(Rejection::new("When? For example `!remind 10m tea` or `!remind 2days report`.").into());
    };
    let reminder = Reminder {
        user: message.author().username().to_owned(),
        text,
    };
    // The command may run again after a crash: with the id of its message it plans once.
    let once = Once::after("remind", time)
        .payload(&reminder)?
        .id(message.id().as_str());
    match schedules.once(once).await {
        Ok(_) => Ok(format!(
            "I will remind you in {}.",
            humantime::format_duration(time)
        )),
        Err(error) if error.kind() == ScheduleErrorKind::Full => {
            Err(Rejection::new("I have too much to remember already.").into())
        }
        Err(error) => Err(error.into()),
    }
}

/// A reminder's time has come. The event happened in no room, so it says where it goes.
async fn due(run: Arc<Scheduled>) -> Result<Send, BoxError> {
    let reminder: Reminder = run.payload_as()?;
    Ok(Send::text(format!("You wanted to be reminded: {}", reminder.text)).to_user(reminder.user))
}

async fn water() -> &'static str {
    "It is ten o'clock: drink some water."
}

fn app(
    water_room: &str,
) -> Result<
    impl Service<Request, Response = Response, Error = BoxError, Future: std::marker::Send> + use<>,
    BoxError,
> {
    let ten_oclock = Schedule::cron("0 10 * * Mon-Fri")?.in_zone("Europe/Berlin")?;
    let router = Router::new()
        .command(
            "remind",
            route(remind).description("Reminds you, after some time"),
        )
        .on_schedule("remind", due)
        .schedule("water", ten_oclock, route(water).to(water_room))
        .help();
    Ok(ServiceBuilder::new()
        .layer(TraceLayer::new())
        .layer(CommandLayer::new("!"))
        .layer(RateLimitLayer::per_user(5, Duration::from_secs(60)))
        .service(router))
}

#[tokio::main]
async fn main() -> ExitCode {
    tracing_subscriber::fmt()
        .with_env_filter("warn")
        .with_writer(std::io::stderr)
        .init();
    let result = match std::env::var_os("ROCKETCHAT_URL") {
        Some(_) => on_a_server().await,
        None => on_the_sandbox().await.map(|()| ExitCode::SUCCESS),
    };
    result.unwrap_or_else(|error| {
        eprintln!("reminder: {error}");
        ExitCode::FAILURE
    })
}

async fn on_a_server() -> Result<ExitCode, BoxError> {
    let room = std::env::var("WATER_ROOM").unwrap_or_else(|_| "GENERAL".to_owned());
    let app = app(&room)?;
    Ok(Bot::from_env()?.run(app).await)
}

async fn on_the_sandbox() -> Result<(), BoxError> {
    let sandbox = Sandbox::start().await?;
    let (account, ann) = (sandbox.bot("rocketbotte"), sandbox.user("ann"));
    let bot = Bot::builder(sandbox.url())
        .token(account.id(), account.token())
        .build()?;
    let handle = bot.handle();
    let serving = tokio::spawn(bot.serve(app("GENERAL")?));
    let mut state = handle.watch_state();
    tokio::select! {
        ready = state.wait_for(|state| *state == ConnectionState::Ready) => drop(ready?),
        () = handle.ended() => {}
    }

    for text in ["!remind soon tea", "!remind 1s tea"] {
        println!("ann in #general: {text}");
        let asked = ann.say("general", text).await;
        let reply = sandbox.wait_for_reply(&asked, Duration::from_secs(10)).await?;
        println!("{} in #general: {}", reply.username, reply.text);
    }
    let is_reminder = |message: &rocketbotte::sandbox::SandboxMessage| message.text.starts_with("You wanted");
    let reminder = sandbox.wait_for(is_reminder, Duration::from_secs(10)).await?;
    println!("{} to ann alone: {}", reminder.username, reminder.text);

    handle.shutdown();
    serving.await??;
    sandbox.shutdown().await;
    Ok(())
}
