//! The bot as another process, which is killed and goes on with its journal.

use std::time::Duration;

use rocketbotte::Bot;
use rocketbotte::journal::DiskJournal;
use rocketbotte::sandbox::Sandbox;

use crate::PATIENCE;
use crate::bot::echoing;
use crate::process::{Folder, Other, text};
use crate::storm::Storm;
use crate::talk::BOT;

/// The bot in the other process.
pub(crate) struct Elsewhere {
    process: Other,
    part: Vec<String>,
    kills: usize,
    ends: usize,
    _folder: Folder,
}

/// In the other process: the bot, until it is killed.
pub(crate) fn serve(part: &[String]) {
    let [url, id, token, journal] = part else {
        panic!("what for?")
    };
    // `RUST_LOG` shows what it does.
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
        .with_ansi(false)
        .with_writer(std::io::stderr)
        .init();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let bot = Bot::builder(url.as_str())
            .token(id.as_str(), token.as_str())
            .handle_signals(false)
            .max_retry_time(Duration::from_millis(50))
            .journal(DiskJournal::open(journal).unwrap())
            // It is killed on purpose, and for no fault of an event.
            .max_crashes(None)
            .build()
            .unwrap();
        bot.serve(echoing()).await.unwrap();
    });
}

impl Elsewhere {
    pub(crate) async fn start(sandbox: &Sandbox) -> Self {
        let folder = Folder::new();
        let account = sandbox.bot(BOT);
        let part = vec![
            sandbox.url(),
            account.id().to_owned(),
            account.token(),
            text(&folder.path("journal")),
        ];
        let bot = Self {
            process: other(&part),
            part,
            kills: 0,
            ends: 0,
            _folder: folder,
        };
        is_there(sandbox).await;
        bot
    }

    pub(crate) async fn kill(&mut self, storm: &mut Storm) {
        self.process.kill();
        self.kills += 1;
        storm.pause(0..100).await;
        self.process = other(&self.part);
        // Sometimes it is killed again before it is connected.
        storm.pause(0..1000).await;
    }

    /// Like a supervisor: a page of HTML instead of the very first answer ends the bot, since the address seems wrong.
    pub(crate) fn keep_running(&mut self) {
        if self.process.has_ended() {
            self.ends += 1;
            self.process = other(&self.part);
        }
    }

    pub(crate) async fn start_again(&mut self, sandbox: &Sandbox) {
        self.process.kill();
        let gone = sandbox
            .wait_until(|sandbox| sandbox.connections() == 0, PATIENCE)
            .await;
        gone.unwrap();
        self.process = other(&self.part);
        is_there(sandbox).await;
    }

    pub(crate) fn check(&self) {
        println!(
            "  killed {} times, ended {} times by itself",
            self.kills, self.ends
        );
        assert!(self.kills > 0);
    }
}

fn other(part: &[String]) -> Other {
    let part: Vec<&str> = part.iter().map(String::as_str).collect();
    let mut process = Other::start("storm_with_kills", &part);
    process.silence();
    process
}

async fn is_there(sandbox: &Sandbox) {
    let is_there = |sandbox: &Sandbox| sandbox.subscriptions().len() >= 2;
    sandbox.wait_until(is_there, PATIENCE).await.unwrap();
}
