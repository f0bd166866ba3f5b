//! A bot without a user account: the server calls it by an outgoing webhook, and posts what it answers.
//!
//! Without a set-up a server inside this program calls it. With `WEBHOOK_TOKEN`, the token of an integration of the kind
//! `Outgoing WebHook`, it listens at `WEBHOOK_ADDR` (`127.0.0.1:8080` unless set) for yours, until Ctrl-C.

use std::sync::Arc;
use std::time::Duration;

use rocketbotte::extract::Args;
use rocketbotte::layer::{CommandLayer, TimeoutLayer, TraceLayer};
use rocketbotte::response::{Attachment, Send};
use rocketbotte::sandbox::{OutgoingWebhook, Sandbox};
use rocketbotte::transport::webhook::{Post, Webhook};
use rocketbotte::{BoxError, Request, Response, Router};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tower::{Service, ServiceBuilder};

async fn add(Args((first, second)): Args<(i64, i64)>) -> String {
    format!("{}", first.saturating_add(second))
}

/// The fields of the server's call are there besides the message.
async fn status(post: Arc<Post>) -> Send {
    let server = post.site_url().unwrap_or("a server").to_owned();
    let kind = if server.starts_with("http://127.0.0.1") {
        "this program"
    } else {
        &server
    };
    Send::text(format!(
        "{} asks, through {}",
        post.user_name().unwrap_or("somebody"),
        kind
    ))
    .attachment(Attachment::new().color("#2de0a5").title("All is well"))
}

fn app() -> impl Service<Request, Response = Response, Error = BoxError, Future: std::marker::Send>
+ std::marker::Send
+ 'static {
    let router = Router::new().command("add", add).command("status", status).help();
    ServiceBuilder::new()
        .layer(TraceLayer::new())
        .layer(CommandLayer::new("!"))
        // The server waits for 20 seconds.
        .layer(TimeoutLayer::new(Duration::from_secs(10)))
        .service(router)
}

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    tracing_subscriber::fmt()
        .with_env_filter("warn")
        .with_writer(std::io::stderr)
        .init();
    match std::env::var("WEBHOOK_TOKEN") {
        Ok(token) => {
            let address = std::env::var("WEBHOOK_ADDR").unwrap_or_else(|_| "127.0.0.1:8080".to_owned());
            let listener = TcpListener::bind(&address).await?;
            println!("listening at http://{}/", listener.local_addr()?);
            let webhook = Webhook::builder().token("server", token).build()?;
            let stop = async { drop(tokio::signal::ctrl_c().await) };
            println!("{}", webhook.serve(listener, app(), stop).await?);
            Ok(())
        }
        Err(_) => on_the_sandbox().await,
    }
}

async fn on_the_sandbox() -> Result<(), BoxError> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}/", listener.local_addr()?);
    let webhook = Webhook::builder().token("sandbox", "s3cr3t").build()?;
    let (stop, stopped) = oneshot::channel::<()>();
    let serving = tokio::spawn(webhook.serve(listener, app(), async { drop(stopped.await) }));

    let sandbox = Sandbox::start().await?;
    sandbox.add_outgoing_webhook(OutgoingWebhook::new(url, "s3cr3t").trigger_word("!"))?;
    let ann = sandbox.user("ann");
    let mut messages = sandbox.subscribe();
    for text in ["!add 2 40", "!status", "!add 2 apples"] {
        println!("ann: {text}");
        ann.say("general", text).await;
        let answer = async {
            loop {
                match messages.next().await {
                    Some(message) if message.username == "ann" => {}
                    message => return message,
                }
            }
        };
        let answer = tokio::time::timeout(Duration::from_secs(10), answer).await?;
        let answer = answer.ok_or("the server has ended")?;
        println!("{}: {}", answer.username, answer.text);
    }

    drop(stop);
    println!("{}", serving.await??);
    sandbox.shutdown().await;
    Ok(())
}
