//! A layer of one's own, written twice: as a type with a named future, and as an async function.
//!
//! Both count what passes through them: the type counts replies without an allocation, and works around services that
//! are not `Clone`; the function is shorter. Run it with `cargo run --example middleware`: it starts a server in this
//! program, says a few lines there, prints the chat and what was counted, and ends.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use pin_project::pin_project;
use rocketbotte::command::CommandLayer;
use rocketbotte::extract::Args;
use rocketbotte::layer::from_fn::{Next, from_fn_with_state};
use rocketbotte::sandbox::{Sandbox, SandboxUser};
use rocketbotte::transport::ConnectionState;
use rocketbotte::{Bot, BoxError, Rejection, Request, Response, Router};
use tower::{Layer, Service, ServiceBuilder};

/// Counts the replies that pass. This is all that a `ServiceBuilder` needs.
#[derive(Clone, Default)]
struct CountReplies {
    count: Arc<AtomicUsize>,
}

impl<S> Layer<S> for CountReplies {
    type Service = CountRepliesService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        CountRepliesService {
            inner,
            count: Arc::clone(&self.count),
        }
    }
}

/// The service that a `CountReplies` puts around another one.
#[derive(Clone)]
struct CountRepliesService<S> {
    inner: S,
    count: Arc<AtomicUsize>,
}

impl<S> Service<Request> for CountRepliesService<S>
where
    S: Service<Request, Response = Response>,
{
    type Response = Response;
    type Error = S::Error;
    type Future = CountRepliesFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        CountRepliesFuture {
            inner: self.inner.call(request),
            count: Arc::clone(&self.count),
        }
    }
}

/// The future of the service: a type with a name, so that nothing has to be boxed.
#[pin_project]
struct CountRepliesFuture<F> {
    #[pin]
    inner: F,
    count: Arc<AtomicUsize>,
}

impl<F, E> Future for CountRepliesFuture<F>
where
    F: Future<Output = Result<Response, E>>,
{
    type Output = Result<Response, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let result = ready!(this.inner.poll(cx));
        if let Ok(response) = &result {
            this.count
                .fetch_add(response.actions().count(), Ordering::Relaxed);
        }
        Poll::Ready(result)
    }
}

/// The same with an async function.
async fn count_replies(count: Arc<AtomicUsize>, request: Request, next: Next) -> Result<Response, BoxError> {
    let response = next.run(request).await?;
    count.fetch_add(response.actions().count(), Ordering::Relaxed);
    Ok(response)
}

/// A function may also answer by itself: here a command of more than 20 characters is refused, and the router never
/// sees it.
async fn refuse_long_commands(longest: usize, request: Request, next: Next) -> Result<Response, BoxError> {
    match request.command() {
        Some(command) if command.args().chars().count() > longest => {
            Err(Rejection::new(format!("At most {longest} characters, please.")).into())
        }
        _ => next.run(request).await,
    }
}

async fn echo(Args(text): Args<String>) -> String {
    text
}

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let by_type = CountReplies::default();
    let by_function = Arc::new(AtomicUsize::new(0));
    let app = ServiceBuilder::new()
        .layer(by_type.clone())
        .layer(from_fn_with_state(Arc::clone(&by_function), count_replies))
        .layer(CommandLayer::new("!"))
        .layer(from_fn_with_state(20, refuse_long_commands))
        .service(Router::new().command("echo", echo));

    let sandbox = Sandbox::start().await?;
    let (account, ann) = (sandbox.bot("rocketbotte"), sandbox.user("ann"));
    let bot = Bot::builder(sandbox.url())
        .token(account.id(), account.token())
        .build()?;
    let handle = bot.handle();
    let serving = tokio::spawn(bot.serve(app));
    let mut state = handle.watch_state();
    tokio::select! {
        ready = state.wait_for(|state| *state == ConnectionState::Ready) => drop(ready?),
        () = handle.ended() => {}
    }

    for text in [
        "!echo hello",
        "!echo once more",
        "!echo this goes on and on and on",
    ] {
        ask(&sandbox, &ann, text).await?;
    }

    handle.shutdown();
    serving.await??;
    sandbox.shutdown().await;
    println!(
        "replies counted by the type: {}",
        by_type.count.load(Ordering::Relaxed)
    );
    println!(
        "replies counted by the function: {}",
        by_function.load(Ordering::Relaxed)
    );
    Ok(())
}

/// Says something in #general, and prints it with the reply.
async fn ask(sandbox: &Sandbox, who: &SandboxUser, text: &str) -> Result<(), BoxError> {
    println!("{}: {text}", who.username());
    let id = who.say("general", text).await;
    let reply = sandbox.wait_for_reply(&id, Duration::from_secs(10)).await?;
    println!("{}: {}", reply.username, reply.text);
    Ok(())
}
