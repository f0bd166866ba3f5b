//! An assistant: it answers word by word what is said to it, and goes on in the thread of the question.
//!
//! Run it with `cargo run --example assistant`: it starts a server in this program, has a conversation there, prints the
//! chat, and ends. The answers come from `model`, which only repeats what it hears: put your model in its place. To
//! connect it to your own server set `ROCKETCHAT_URL`, `ROCKETCHAT_USER_ID` and `ROCKETCHAT_AUTH_TOKEN`; then mention
//! the bot, or write to it directly. `!stop`, the reaction :x: to the answer, the deletion of the question, or a newer
//! question stops it.

use std::process::ExitCode;
use std::time::Duration;

use futures_util::{Stream, StreamExt as _, stream};
use rocketbotte::extract::{DirectedAtMe, HistoryMessage, Outbox, ThreadHistory};
use rocketbotte::growing::{self, GrowOptions, Newer};
use rocketbotte::handler::route;
use rocketbotte::layer::{CommandLayer, TraceLayer};
use rocketbotte::response::Thread;
use rocketbotte::sandbox::{Sandbox, SandboxMessage};
use rocketbotte::transport::{ConnectionState, PerRoom};
use rocketbotte::{Bot, BotBuilder, BoxError, Request, Response, Router};
use tower::{Service, ServiceBuilder};

/// Asks the model: this is what you replace. It gets who said what, the question last, and gives words as they come. An
/// error ends the answer with a reference to the log.
fn model(history: &[HistoryMessage]) -> impl Stream<Item = Result<String, BoxError>> + Send + 'static {
    let asked = history.iter().filter(|message| !message.is_me()).count();
    let question = history.last().map(HistoryMessage::text).unwrap_or_default();
    let question = question.trim_start_matches("@rocketbotte").trim().to_owned();
    let answer = match question.strip_prefix("count to ") {
        Some(number) => (1..=number.parse().unwrap_or(3_u32))
            .map(|n| format!("{n} "))
            .collect(),
        None => format!("You said “{question}”, and that was your message number {asked} here."),
    };
    let words: Vec<String> = answer.split_inclusive(' ').map(str::to_owned).collect();
    stream::iter(words).then(|word| async move {
        tokio::time::sleep(Duration::from_millis(30)).await;
        Ok(word)
    })
}

/// Answers what is said to the bot: directly, by a mention, or in a thread that it has with somebody.
async fn assist(
    _: DirectedAtMe<true>,
    history: ThreadHistory<20, 8000>,
    outbox: Outbox,
) -> Result<(), BoxError> {
    let options = GrowOptions::new()
        .in_thread(Thread::Always)
        .newer(Newer::Cancels)
        .throttle(Duration::from_millis(500));
    outbox.grow_with(&options, model(history.messages())).await?;
    Ok(())
}

fn app() -> impl Service<Request, Response = Response, Error = BoxError, Future: Send> + Send + 'static {
    let router = Router::new()
        // However long the model thinks.
        .on_message(route(assist).no_timeout())
        .command("stop", growing::stop())
        // `@rocketbotte what is this` is no command `what`, but a question.
        .unknown_command(async || {})
        .help();
    ServiceBuilder::new()
        .layer(TraceLayer::new())
        .layer(CommandLayer::new("!"))
        .service(router)
}

/// Most servers tell the deletion of a message only those who ask for it in each room.
fn per_room() -> PerRoom {
    PerRoom::new().deletions()
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
        return match BotBuilder::from_env().and_then(|bot| bot.per_room(per_room()).build()) {
            Ok(bot) => bot.run(app()).await,
            Err(error) => {
                eprintln!("assistant: {error}");
                error.exit_code()
            }
        };
    }
    match converse().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("assistant: {error}");
            ExitCode::FAILURE
        }
    }
}

/// A conversation on a server in this program.
async fn converse() -> Result<(), BoxError> {
    let sandbox = Sandbox::start().await?;
    let (account, ann) = (sandbox.bot("rocketbotte"), sandbox.user("ann"));
    let bot = Bot::builder(sandbox.url())
        .token(account.id(), account.token())
        .per_room(per_room())
        .build()?;
    let handle = bot.handle();
    let serving = tokio::spawn(bot.serve(app()));
    let mut state = handle.watch_state();
    tokio::select! {
        ready = state.wait_for(|state| *state == ConnectionState::Ready) => drop(ready?),
        () = handle.ended() => {}
    }

    println!("ann: @rocketbotte what are you?");
    let root = ann.say("general", "@rocketbotte what are you?").await;
    println!("{}", answer(&sandbox, &root, "here.").await?);
    // In the thread no mention is needed.
    println!("ann: And what do you remember?");
    let second = ann.reply("general", &root, "And what do you remember?").await;
    println!("{}", answer(&sandbox, &second, "here.").await?);
    println!("ann: count to 100000");
    let third = ann.reply("general", &root, "count to 100000").await;
    answer(&sandbox, &third, "").await?;
    println!("ann: !stop");
    ann.reply("general", &root, "!stop").await;
    let stopped = answer(&sandbox, &third, "_Stopped._").await?;
    println!("{}", stopped.lines().last().unwrap_or_default());
    // In the room each question has its own thread, and a newer one cancels what is being answered.
    println!("ann: @rocketbotte count to 200000");
    let fourth = ann.say("general", "@rocketbotte count to 200000").await;
    answer(&sandbox, &fourth, "").await?;
    println!("ann: @rocketbotte and now?");
    let fifth = ann.say("general", "@rocketbotte and now?").await;
    let cancelled = answer(&sandbox, &fourth, "newer question._").await?;
    println!("{}", cancelled.lines().last().unwrap_or_default());
    println!("{}", answer(&sandbox, &fifth, "here.").await?);
    println!("ann: @rocketbotte count to 300000");
    let sixth = ann.say("general", "@rocketbotte count to 300000").await;
    let begun = answer_of(&sandbox, &sixth).await?;
    println!("ann deletes it");
    ann.delete(&sixth).await;
    let is_over = |sandbox: &Sandbox| {
        let said = sandbox.message(&begun).map(|message| message.text);
        said.is_some_and(|text| text.ends_with("deleted._"))
    };
    sandbox.wait_until(is_over, Duration::from_secs(30)).await?;
    let text = sandbox.message(&begun).ok_or("the answer is gone")?.text;
    println!("{}", text.lines().last().unwrap_or_default());

    handle.shutdown();
    serving.await??;
    sandbox.shutdown().await;
    Ok(())
}

/// The id of the bot's first message behind another.
async fn answer_of(sandbox: &Sandbox, behind: &str) -> Result<String, BoxError> {
    let find = |sandbox: &Sandbox| {
        let messages = sandbox.messages("general").into_iter();
        messages
            .skip_while(|message| message.id != behind)
            .find(|message| message.username == "rocketbotte")
    };
    let is_there = |sandbox: &Sandbox| find(sandbox).is_some();
    sandbox.wait_until(is_there, Duration::from_secs(30)).await?;
    Ok(find(sandbox).ok_or("the answer is gone")?.id)
}

/// What the bot says behind a message, once it ends like this.
async fn answer(sandbox: &Sandbox, behind: &str, end: &str) -> Result<String, BoxError> {
    let find = |sandbox: &Sandbox| -> Option<SandboxMessage> {
        let messages = sandbox.messages("general").into_iter();
        messages
            .skip_while(|message| message.id != behind)
            .find(|message| message.username == "rocketbotte" && message.text.ends_with(end))
    };
    let is_there = |sandbox: &Sandbox| find(sandbox).is_some();
    sandbox.wait_until(is_there, Duration::from_secs(30)).await?;
    let message = find(sandbox).ok_or("the answer is gone")?;
    Ok(format!("  {}: {}", message.username, message.text))
}
