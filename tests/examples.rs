//! Each example, run as a person would: it ends by itself and prints what it says it prints.
//!
//! Cargo builds the examples before the tests, but only where no test is named: with `cargo test --test examples` they
//! are built here if their file is newer than what is there.

#![allow(clippy::expect_used, reason = "a test fails by a panic")]
#![cfg_attr(
    not(unix),
    allow(dead_code, unused_imports, reason = "there are no signals to send")
)]

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rocketbotte::event::Message;
use rocketbotte::handler::route;
use rocketbotte::layer::CommandLayer;
use rocketbotte::rest::Client;
use rocketbotte::sandbox::Sandbox;
use rocketbotte::transport::{ConnectionState, Connector, TlsSettings};
use rocketbotte::{Bot, Credentials, Router};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tower::Layer as _;

/// How long something may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// Where cargo puts an example, from where it put this test.
fn path_of(example: &str) -> PathBuf {
    let test = std::env::current_exe().expect("the path of this test");
    let profile = test
        .parent()
        .and_then(|deps| deps.parent())
        .expect("a folder of the profile");
    profile
        .join("examples")
        .join(format!("{example}{}", std::env::consts::EXE_SUFFIX))
}

fn changed_at(path: &Path) -> Option<SystemTime> {
    path.metadata().ok()?.modified().ok()
}

/// Where an example is, built anew if its source is newer.
fn built(example: &str) -> PathBuf {
    let path = path_of(example);
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("examples/{example}.rs"));
    if changed_at(&path).is_none_or(|built_at| Some(built_at) < changed_at(&source)) {
        let is_release = path.iter().any(|part| part == "release");
        let status = Command::new(env!("CARGO"))
            .args(["build", "--quiet", "--example", example])
            .args(is_release.then_some("--release"))
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .status()
            .expect("cargo starts");
        assert!(status.success(), "{example} does not build");
    }
    path
}

/// An example as a person starts it, who has set nothing.
fn command(example: &str) -> Command {
    let mut command = Command::new(built(example));
    command.stdin(Stdio::null());
    for name in [
        "ROCKETCHAT_URL",
        "ROCKETCHAT_USER_ID",
        "ROCKETCHAT_AUTH_TOKEN",
        "WEBHOOK_TOKEN",
        "RUST_LOG",
        "http_proxy",
        "HTTP_PROXY",
        "all_proxy",
        "ALL_PROXY",
    ] {
        command.env_remove(name);
    }
    command
}

fn output_of(example: &str) -> String {
    let output = command(example).output().expect("the example starts");
    assert!(
        output.status.success(),
        "{}: {}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).expect("UTF-8")
}

#[test]
fn middleware() {
    assert_eq!(
        output_of("middleware"),
        "\
ann: !echo hello
rocketbotte: hello
ann: !echo once more
rocketbotte: once more
ann: !echo this goes on and on and on
rocketbotte: At most 20 characters, please.
replies counted by the type: 2
replies counted by the function: 2
"
    );
}

#[test]
fn moderator() {
    assert_eq!(
        output_of("moderator"),
        "\
#general
  ann: good morning
  moderator: @bob, not in these words, please.
  moderator: @bob, not in these words, please.
#moderation
  moderator: removed, written by bob: Darn this weather
  moderator: removed, edited (before: what a day) by bob: what a blast of a day
  moderator: ann flags what bob wrote: you are all fools
  moderator: deleted by its author or a moderator: you are all fools
"
    );
}

#[test]
fn two_bots() {
    assert_eq!(
        output_of("two_bots"),
        "\
ann: hello everybody
front: hello to you
ops: hello to you
ann: !status
front: all is well
ann: ?load
ops: 0.42
ann: !deploy v1.2
front: ops does that
ops: v1.2 is deployed, as ann asked
ann: hello again
ops: hello to you
front said 3, ops said 4
"
    );
}

#[test]
fn files() {
    assert_eq!(
        output_of("files"),
        "\
ann sends 38 bytes of 38
ann: Have a look at this.
rocketbotte: 3 lines, 3 words
  cities.csv.summary.txt
  | 3 lines, 3 words
  | people: 306000
ann: !report
rocketbotte: What I have read so far.
  report.csv
  | who,files
  | ann,1
"
    );
}

#[test]
fn tower_layers() {
    assert_eq!(
        output_of("tower_layers"),
        "\
ann: !version
rocketbotte: version 1.2.3
ann: !deploy
rocketbotte: deployed by ann
bob: !deploy
rocketbotte: Only ann deploys.
ann: !slow
bob: !version
rocketbotte: I'm busy right now, please try again in a moment.
rocketbotte: That takes too long, I gave up.
bob: !version
rocketbotte: version 1.2.3
"
    );
}

#[test]
fn reminder() {
    assert_eq!(
        output_of("reminder"),
        "\
ann in #general: !remind soon tea
rocketbotte in #general: When? For example `!remind 10m tea` or `!remind 2days report`.
ann in #general: !remind 1s tea
rocketbotte in #general: I will remind you in 1s.
rocketbotte to ann alone: You wanted to be reminded: tea
"
    );
}

#[test]
fn webhook() {
    assert_eq!(
        output_of("webhook"),
        "\
ann: !add 2 40
rocketbotte: 42
ann: !status
rocketbotte: ann asks, through this program
ann: !add 2 apples
rocketbotte: Argument 2 should be a number, but `apples` is none.
Usage: `!add <number> <number>`
5 events done, 0 handlers aborted, 0 events not started, 0 replies undelivered
"
    );
}

#[test]
fn custom_transport() {
    assert_eq!(
        output_of("custom_transport"),
        "\
in: \"!add 2 40\"
out: \"42\" to GENERAL
acknowledged: Done
in: \"hello there\"
out: \"hello ann\" to GENERAL
acknowledged: Done
in: \"nothing to see\"
acknowledged: Done
in: \"!add 2 apples\"
out: \"Argument 2 should be a number, but `apples` is none.\\nUsage: `!add <number> <number>`\" to GENERAL
acknowledged: Done
6 events done, 0 handlers aborted, 0 events not started, 0 replies undelivered
"
    );
}

#[test]
fn assistant() {
    let printed = output_of("assistant");
    let (answered, stopped) = printed
        .split_once("ann: count to 100000\n")
        .expect("three questions");
    assert_eq!(
        answered,
        "\
ann: @rocketbotte what are you?
  rocketbotte: You said “what are you?”, and that was your message number 1 here.
ann: And what do you remember?
  rocketbotte: You said “And what do you remember?”, and that was your message number 2 here.
"
    );
    assert_eq!(
        stopped,
        "\
ann: !stop
_Stopped._
ann: @rocketbotte count to 200000
ann: @rocketbotte and now?
_Stopped: there is a newer question._
  rocketbotte: You said “and now?”, and that was your message number 1 here.
ann: @rocketbotte count to 300000
ann deletes it
_Stopped: the question was deleted._
"
    );
}

#[test]
fn deploy() {
    assert_eq!(
        output_of("deploy"),
        "\
bob: !deploy v1.2
  rocketbotte, in the room: Ask a moderator of this room.
ann: !deploy v1.2
  rocketbotte, in the thread: v1.2 is live.
ann: !rollback
  rocketbotte, in the room: You are not allowed to do this here.
bob: !rollback
  rocketbotte, in the room: Rolled back.
Old versions are cleaned up.
"
    );
}

async fn fetch(address: &str, path: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).await.expect("it listens");
    let request = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.expect("it reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("it answers");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    (status.expect("a status"), body.to_owned())
}

/// A bot in another process that answers probes. It is killed when it is dropped.
struct Probed {
    child: Child,
    address: String,
}

impl Probed {
    fn start(settings: &[(&str, &str)]) -> Self {
        let mut child = command("health")
            .env("HEALTH_ADDR", "127.0.0.1:0")
            .envs(settings.iter().copied())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the example starts");
        let mut line = String::new();
        let mut output = BufReader::new(child.stdout.take().expect("it is piped"));
        output.read_line(&mut line).expect("a line");
        let address = line
            .strip_prefix("http://")
            .and_then(|line| line.strip_suffix("/readyz\n"));
        let address = address
            .unwrap_or_else(|| panic!("no address in {line:?}"))
            .to_owned();
        Self { child, address }
    }

    async fn ask(&self, path: &str) -> (u16, String) {
        fetch(&self.address, path).await
    }

    /// Asks until the answer is this.
    async fn wait_for(&self, path: &str, status: u16) {
        let asked = async {
            while self.ask(path).await.0 != status {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(PATIENCE, asked).await.expect("in time");
    }

    /// Sends a signal, and waits for the end.
    fn end(&mut self, signal: &str) -> ExitStatus {
        let kill = Command::new("kill")
            .args([signal, &self.child.id().to_string()])
            .status();
        assert!(kill.expect("there is a kill").success());
        self.child.wait().expect("it ends")
    }
}

impl Drop for Probed {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn health() {
    let sandbox = Sandbox::start().await.expect("a port");
    let account = sandbox.bot("rocketbotte");
    let (url, id, token) = (sandbox.url(), account.id(), account.token());
    let mut bot = Probed::start(&[
        ("ROCKETCHAT_URL", &url),
        ("ROCKETCHAT_USER_ID", id),
        ("ROCKETCHAT_AUTH_TOKEN", &token),
    ]);
    bot.wait_for("/readyz", 200).await;
    assert_eq!(bot.ask("/healthz").await, (200, "READY\n".to_owned()));
    let ping = sandbox.user("ann").say("general", "!ping").await;
    let pong = sandbox.wait_for_reply(&ping, PATIENCE).await.expect("an answer");
    assert_eq!(pong.text, "pong");

    sandbox.go_down().await;
    bot.wait_for("/readyz", 503).await;
    assert_eq!(bot.ask("/healthz").await, (200, "OFF, catching up\n".to_owned()));
    let ping = sandbox.user("ann").say("general", "!ping").await;
    sandbox.come_back().await;
    bot.wait_for("/readyz", 200).await;
    sandbox.wait_for_reply(&ping, PATIENCE).await.expect("an answer");
    let (status, text) = bot.ask("/status").await;
    assert_eq!(status, 200);
    // The bot may have missed its own answer of before too.
    assert!(
        text.contains("reconnects: 1") && !text.contains("last_caught_up: 0"),
        "{text}"
    );
    assert!(!text.contains(&*token), "{text}");

    assert_eq!(bot.end("-TERM").code(), Some(0));
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn health_without_a_server() {
    let mut bot = Probed::start(&[]);
    bot.wait_for("/readyz", 200).await;
    assert_eq!(bot.ask("/healthz").await.0, 200);
    assert_eq!(bot.end("-INT").code(), Some(0));
}

/// A process that does not outlive its test.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The word behind another one, anywhere in a text.
fn behind<'a>(text: &'a str, word: &str) -> &'a str {
    let (_, rest) = text.split_once(word).expect("the word is there");
    rest.split_whitespace().next().expect("another word behind it")
}

async fn ping() -> &'static str {
    "pong"
}

/// The server alone: a bot and a person connect with what it printed, as programs of other people would.
#[tokio::test]
async fn sandbox() {
    let mut server = command("sandbox");
    let mut server = Killed(server.stdout(Stdio::piped()).spawn().expect("the example starts"));
    let mut lines = BufReader::new(server.0.stdout.take().expect("its output")).lines();
    let mut printed = String::new();
    while !printed.contains("/api/v1/chat.postMessage") {
        let line = lines.next().expect("more is to come").expect("UTF-8");
        printed.push_str(&line);
        printed.push('\n');
    }
    let url = behind(&printed, "ROCKETCHAT_URL=");
    let page = behind(&printed, "break things:");
    let path = page.strip_prefix(url).expect("the page is on the server");
    let (status, html) = fetch(url.strip_prefix("http://").expect("without TLS"), path).await;
    assert_eq!(status, 200);
    assert!(html.contains("<html"), "{html}");
    let account = printed
        .lines()
        .find(|line| line.starts_with("  ann "))
        .expect("ann");
    let (ann_id, ann_token) = (behind(account, " id "), behind(account, " token "));

    let bot = Bot::builder(url)
        .token(
            behind(&printed, "ROCKETCHAT_USER_ID="),
            behind(&printed, "ROCKETCHAT_AUTH_TOKEN="),
        )
        .build()
        .expect("a bot");
    let ann = Bot::builder(url)
        .token(ann_id, ann_token)
        .build()
        .expect("a person");
    let (heard, mut answers) = mpsc::channel(16);
    let listens = move |message: Arc<Message>| {
        let heard = heard.clone();
        async move {
            let said = (message.author().username().to_owned(), message.text().to_owned());
            heard.send(said).await.expect("the test listens");
        }
    };
    let people = Router::new().on_message(route(listens).named("listens").from_bots());
    let handles = [bot.handle(), ann.handle()];
    let app = CommandLayer::new("!").layer(Router::new().command("ping", ping));
    let serving = [tokio::spawn(bot.serve(app)), tokio::spawn(ann.serve(people))];

    let answer = async {
        for handle in &handles {
            let mut state = handle.watch_state();
            state
                .wait_for(|state| *state == ConnectionState::Ready)
                .await
                .expect("it connects");
        }
        // As the command line that was printed: what our own bots say is marked as a bot's.
        let connector = Connector::tcp(&TlsSettings::new()).expect("a way there");
        let client = Client::builder(url.parse().expect("a URL"), connector)
            .credentials(Credentials::new(ann_id, ann_token).expect("what was printed"))
            .build();
        let body = serde_json::json!({"channel": "#general", "text": "!ping"});
        let posted = client
            .call_raw(http::Method::POST, "chat.postMessage", &[], Some(&body))
            .await;
        posted.expect("ann may write");
        loop {
            let (name, text) = answers.recv().await.expect("an answer");
            if name == "rocketbotte" {
                return text;
            }
        }
    };
    let answer = tokio::time::timeout(PATIENCE, answer).await;
    assert_eq!(answer.expect("the bot answers in time"), "pong");
    for (handle, serving) in handles.iter().zip(serving) {
        handle.shutdown();
        serving.await.expect("no panic").expect("no error");
    }

    // Ctrl-C ends it, and it says that all is well.
    #[cfg(unix)]
    {
        let status = Command::new("kill")
            .args(["-INT", &server.0.id().to_string()])
            .status()
            .expect("kill starts");
        assert!(status.success());
        assert!(server.0.wait().expect("it ends").success());
    }
}

#[test]
fn sandbox_refuses_what_is_no_port() {
    let output = command("sandbox")
        .arg("http")
        .output()
        .expect("the example starts");
    assert_eq!(output.status.code(), Some(2));
    assert!(output.stdout.is_empty());
    let said = String::from_utf8(output.stderr).expect("UTF-8");
    assert!(said.starts_with("sandbox: `http` is no port"), "{said}");
}
