//! Layers that come with `tower`, around a bot's router: they work as they are.
//!
//! Run it with `cargo run --example tower_layers`: it starts a server in this program, lets two people ask the bot, and
//! prints the chat. `load_shed` over `concurrency_limit` turns away who comes while the bot is busy, `timeout` gives up
//! on a slow command, `map_err` says so in the bot's words, `filter` refuses, and `map_request` leaves something for
//! the handlers.

use std::sync::Arc;
use std::time::Duration;

use rocketbotte::command::CommandLayer;
use rocketbotte::extract::{Author, Extension, State};
use rocketbotte::sandbox::{Sandbox, SandboxUser};
use rocketbotte::transport::ConnectionState;
use rocketbotte::{Bot, BoxError, Rejection, Request, Response, Router};
use tokio::sync::Notify;
use tower::timeout::error::Elapsed;
use tower::{Service, ServiceBuilder};

/// What `map_request` leaves in every request.
#[derive(Clone)]
struct Version(&'static str);

async fn version(Extension(Version(version)): Extension<Version>) -> String {
    format!("version {version}")
}

async fn deploy(author: Author) -> String {
    format!("deployed by {}", author.username())
}

/// Takes much longer than the bot waits.
async fn slow(State(started): State<Arc<Notify>>) -> &'static str {
    started.notify_one();
    tokio::time::sleep(Duration::from_secs(3600)).await;
    "done at last"
}

/// Only ann deploys. Every event comes along here, so all but that command passes.
fn only_ann_deploys(request: Request) -> Result<Request, Rejection> {
    let is_deploy = request
        .command()
        .is_some_and(|command| command.name() == "deploy");
    if is_deploy && request.author().is_none_or(|author| author.username() != "ann") {
        return Err(Rejection::new("Only ann deploys."));
    }
    Ok(request)
}

/// The errors of layers are errors of the bot: what the person should read becomes a `Rejection`.
fn in_words(error: BoxError) -> BoxError {
    if error.is::<Elapsed>() {
        return Rejection::new("That takes too long, I gave up.").into();
    }
    error
}

/// The bot: the outermost layer comes first.
fn app(
    started: Arc<Notify>,
) -> impl Service<Request, Response = Response, Error = BoxError, Future: Send> + Send + 'static {
    let router = Router::new()
        .command("version", version)
        .command("deploy", deploy)
        .command("slow", slow)
        .with_state(started);
    ServiceBuilder::new()
        .map_err(in_words)
        .load_shed()
        .concurrency_limit(1)
        .layer(CommandLayer::new("!"))
        .timeout(Duration::from_secs(2))
        .filter(only_ann_deploys)
        .map_request(|mut request: Request| {
            request.extensions_mut().insert(Version("1.2.3"));
            request
        })
        .service(router)
}

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let sandbox = Sandbox::builder()
        .bot("rocketbotte")
        .user("ann")
        .user("bob")
        .start()
        .await?;
    let account = sandbox.bot("rocketbotte");
    let (ann, bob) = (sandbox.user("ann"), sandbox.user("bob"));
    let bobs_room = bob.direct(&[account.username()]).await;
    let started = Arc::new(Notify::new());

    let bot = Bot::builder(sandbox.url())
        .token(account.id(), account.token())
        .build()?;
    let handle = bot.handle();
    let serving = tokio::spawn(bot.serve(app(Arc::clone(&started))));
    let mut state = handle.watch_state();
    tokio::select! {
        ready = state.wait_for(|state| *state == ConnectionState::Ready) => drop(ready?),
        () = handle.ended() => {}
    }

    ask(&sandbox, &ann, "general", "!version").await?;
    ask(&sandbox, &ann, "general", "!deploy").await?;
    ask(&sandbox, &bob, "general", "!deploy").await?;
    // While the bot is busy with ann's question there is no place for bob's.
    let question = say(&ann, "general", "!slow").await;
    started.notified().await;
    ask(&sandbox, &bob, &bobs_room, "!version").await?;
    print_reply(&sandbox, &question).await?;
    ask(&sandbox, &bob, &bobs_room, "!version").await?;

    handle.shutdown();
    serving.await??;
    sandbox.shutdown().await;
    Ok(())
}

async fn ask(sandbox: &Sandbox, who: &SandboxUser, room: &str, text: &str) -> Result<(), BoxError> {
    let question = say(who, room, text).await;
    print_reply(sandbox, &question).await
}

async fn say(who: &SandboxUser, room: &str, text: &str) -> String {
    println!("{}: {text}", who.username());
    who.say(room, text).await
}

async fn print_reply(sandbox: &Sandbox, question: &str) -> Result<(), BoxError> {
    let reply = sandbox.wait_for_reply(question, Duration::from_secs(10)).await?;
    println!("{}: {}", reply.username, reply.text);
    Ok(())
}
