//! A first bot, in a chat that runs inside this program.
//!
//! Run it with `cargo run --example quickstart` and type: `!test it`, `!ping 7`, `hello there`. It prints the address of a
//! page, where the same chat is to be had in the browser, with a look into the bot.
//! To connect it to your own server set `ROCKETCHAT_URL`, `ROCKETCHAT_USER_ID` and `ROCKETCHAT_AUTH_TOKEN`.

use std::io::IsTerminal;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use rocketbotte::event::{EventKind, Message};
use rocketbotte::extract::Args;
use rocketbotte::handler::route;
use rocketbotte::inspect::Inspector;
use rocketbotte::layer::{CommandLayer, RateLimitLayer, TimeoutLayer, TraceLayer};
use rocketbotte::sandbox::{MessageFeed, Sandbox, SandboxUser};
use rocketbotte::transport::ConnectionState;
use rocketbotte::{Bot, BotBuilder, BoxError, Request, Response, Router};
use tokio::sync::{mpsc, watch};
use tower::{Service, ServiceBuilder};

async fn test(Args(text): Args<String>) -> String {
    format!("response to {text}")
}

async fn ping(Args(text): Args<String>) -> String {
    format!("pong {text}")
}

async fn hello(message: Arc<Message>) -> Option<&'static str> {
    message.text().contains("hello").then_some("world")
}

/// The bot: a stack of tower layers around a router.
fn app() -> impl Service<Request, Response = Response, Error = BoxError, Future: Send> + Send + 'static {
    let router = Router::new()
        .command("test", route(test).description("Answers what you write"))
        .command("ping", route(ping).description("Answers at once"))
        .on_message(hello)
        .help();
    ServiceBuilder::new()
        .layer(TraceLayer::new())
        .layer(CommandLayer::new("!"))
        .layer(RateLimitLayer::per_user(100, Duration::from_secs(10)))
        .layer(TimeoutLayer::new(Duration::from_secs(30)))
        .service(router)
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
        return match Bot::from_env() {
            Ok(bot) => bot.run(app()).await,
            Err(error) => {
                eprintln!("quickstart: {error}");
                error.exit_code()
            }
        };
    }
    match chat_in_the_terminal().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("quickstart: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Starts a server in this program and the bot on it, and makes the terminal the chat.
async fn chat_in_the_terminal() -> Result<(), BoxError> {
    let sandbox = Sandbox::start().await?;
    let (bot_account, ann) = (sandbox.bot("rocketbotte"), sandbox.user("ann"));
    let replies = sandbox.subscribe();
    let inspector = Inspector::new();
    sandbox.inspect(&inspector);

    let bot = Bot::builder(sandbox.url())
        .token(bot_account.id(), bot_account.token())
        .inspector(inspector)
        .build()?;
    let handle = bot.handle();
    let (heard, mut heard_count) = watch::channel(0_u64);
    handle.add_listener(EventKind::Message, move || {
        heard.send_modify(|count| *count += 1);
        std::future::ready(())
    });
    let serving = tokio::spawn(bot.serve(app()));
    let printing = tokio::spawn(print_replies(replies, bot_account.username().to_owned()));

    eprintln!(
        "A Rocket.Chat runs at {} inside this program; you are ann, in #general.",
        sandbox.url()
    );
    eprintln!("In the browser: {}", sandbox.page_url());
    eprintln!("Try: !test it   !ping 7   hello there   !help");
    if std::io::stdin().is_terminal() {
        eprintln!("End with Ctrl-D or Ctrl-C.");
    }
    let mut state = handle.watch_state();
    tokio::select! {
        ready = state.wait_for(|state| *state == ConnectionState::Ready) => drop(ready?),
        // The bot ends here only if it fails; below it says why.
        () = handle.ended() => {}
    }
    let said = tokio::select! {
        said = say_lines(&ann) => said,
        () = handle.ended() => 0,
    };
    tokio::select! {
        all_heard = heard_count.wait_for(|heard| *heard >= said) => drop(all_heard?),
        () = handle.ended() => {}
    }
    // Stops gracefully: what runs ends first, and its replies go out.
    handle.shutdown();
    serving.await??;
    sandbox.shutdown().await;
    printing.await?;
    Ok(())
}

/// Says each line of standard input, and returns how many there were.
async fn say_lines(ann: &SandboxUser) -> u64 {
    // A thread of its own: a read of the terminal can not be cancelled, and would hold up the end of the program.
    let (sender, mut lines) = mpsc::channel(16);
    std::thread::spawn(move || {
        std::io::stdin()
            .lines()
            .map_while(Result::ok)
            .try_for_each(|line| sender.blocking_send(line))
    });
    let mut said = 0;
    while let Some(line) = lines.recv().await {
        if !line.trim().is_empty() {
            ann.say("general", &line).await;
            said += 1;
        }
    }
    said
}

async fn print_replies(mut replies: MessageFeed, bot: String) {
    while let Some(message) = replies.next().await {
        if message.username == bot {
            println!("{bot}: {}", message.text);
        }
    }
}
