//! The page of the sandbox: in a real browser with real bots, and its own endpoints.
//!
//! The browser is Debian's `chromium` with `chromium-driver`. Without them these tests are left out, with a line that says
//! so; in CI (`CI=true`) they fail then, unless `ROCKETBOTTE_NO_BROWSER` is set. With `ROCKETBOTTE_SCREENSHOTS=folder` they
//! leave pictures there.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test ends by them")]

#[path = "../support/mod.rs"]
mod support;

mod chat;
mod endpoints;
mod faults;
mod inspector;
mod keyboard;
mod looks;
mod many;
mod orders;
mod webdriver;

use std::panic::{AssertUnwindSafe, resume_unwind};
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use rocketbotte::event::Message;
use rocketbotte::extract::Args;
use rocketbotte::inspect::Inspector;
use rocketbotte::layer::{CommandLayer, RateLimitLayer, TimeoutLayer, TraceLayer};
use rocketbotte::sandbox::{Sandbox, SandboxBuilder};
use rocketbotte::{BoxError, Request, Response, Router};
use tokio::sync::Semaphore;
use tower::{Service, ServiceBuilder};

use self::support::chat::people;
use self::support::live::{Live, bot_at};
use self::webdriver::{Browser, PATIENCE};

/// Browsers that run at once.
static PLACES: Semaphore = Semaphore::const_new(2);

/// A sandbox, and its page in a browser.
struct Scene {
    sandbox: Sandbox,
    browser: Browser,
}

impl Scene {
    /// Opens the page and waits until it is in the chat.
    async fn open(&self) {
        self.browser.go(&self.sandbox.page_url()).await;
        self.arrived().await;
    }

    async fn arrived(&self) {
        let ready = "return document.querySelector('#status').dataset.state === 'ready' && document.querySelector('#room-title').innerText.includes('general') && document.querySelector('#timeline .intro h2') !== null";
        self.browser.wait("the page is in the chat", ready).await;
    }

    /// Writes a message in the field that has the focus, and sends it.
    async fn say(&self, text: &str) {
        self.browser.keys(text).await;
        self.browser.keys(webdriver::key::ENTER).await;
    }

    /// The name of who has the page.
    async fn me(&self) -> String {
        let name = self
            .browser
            .js("return document.querySelector('#me .username').textContent.slice(1)")
            .await;
        name.as_str().unwrap().to_owned()
    }

    /// The id of the message with this text, once it is on the page and the server has it.
    async fn message(&self, text: &str) -> String {
        let script = format!(
            "return [...document.querySelectorAll('#timeline [data-id]:not(.pending)')].find((e) => e.querySelector('.text')?.innerText === {})?.dataset.id ?? null",
            serde_json::json!(text)
        );
        let id = self.browser.wait(&format!("the message {text:?}"), &script).await;
        id.as_str().unwrap().to_owned()
    }
}

/// Runs a scene, and closes the browser whatever comes of it. At the end the console must have nothing to complain of.
async fn scene(builder: SandboxBuilder, act: impl AsyncFnOnce(&Scene)) {
    played(builder, &[], act).await;
}

/// The same where the console may complain with one of these texts.
async fn played(builder: SandboxBuilder, tolerated: &[&str], act: impl AsyncFnOnce(&Scene)) {
    if std::env::var_os("ROCKETBOTTE_NO_BROWSER").is_some() {
        eprintln!("left out: ROCKETBOTTE_NO_BROWSER is set");
        return;
    }
    let _place = PLACES.acquire().await.unwrap();
    let Some(browser) = Browser::start().await else {
        assert!(
            std::env::var("CI").as_deref() != Ok("true"),
            "there is no chromedriver: apt-get install chromium chromium-driver"
        );
        eprintln!("left out: there is no chromedriver (apt-get install chromium chromium-driver)");
        return;
    };
    let sandbox = builder.start().await.unwrap();
    let scene = Scene { sandbox, browser };
    let played = AssertUnwindSafe(act(&scene)).catch_unwind().await;
    let complaints: Vec<String> = match &played {
        Ok(()) => scene.browser.log().await,
        Err(_) => Vec::new(),
    };
    let Scene { sandbox, browser } = scene;
    browser.quit().await;
    if let Err(panic) = played {
        resume_unwind(panic);
    }
    let complaints: Vec<String> = complaints
        .into_iter()
        .filter(|line| !tolerated.iter().any(|text| line.contains(text)))
        .collect();
    assert!(complaints.is_empty(), "the console complains: {complaints:#?}");
    sandbox.shutdown().await;
}

/// A bot of the kind that people write.
fn app() -> impl Service<Request, Response = Response, Error = BoxError, Future: Send> + Send + 'static {
    let router = Router::new()
        .command("ping", async |Args(text): Args<String>| format!("pong {text}"))
        .command("boom", async || {
            Err::<String, _>(BoxError::from("the boiler burst"))
        })
        .on_message(async |message: Arc<Message>| message.text().contains("hello").then_some("world"));
    ServiceBuilder::new()
        .layer(TraceLayer::new())
        .layer(CommandLayer::new("!"))
        .layer(RateLimitLayer::per_user(100, Duration::from_secs(10)))
        .layer(TimeoutLayer::new(Duration::from_secs(30)))
        .service(router)
}

/// The bot on the sandbox, which the page can look into.
async fn bot(sandbox: &Sandbox) -> Live {
    let inspector = Inspector::new();
    sandbox.inspect(&inspector);
    Live::of(
        sandbox,
        bot_at(sandbox, "rocketbotte").inspector(inspector),
        app(),
    )
    .await
}
