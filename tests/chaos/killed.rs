//! The bot as another process, which is killed and goes on with its journal.

use std::sync::Arc;
use std::thread::JoinHandle;

use rocketbotte::journal::DiskJournal;
use rocketbotte::sandbox::Sandbox;

use crate::PATIENCE;
use crate::book::Book;
use crate::bot::{builder, echoing};
use crate::process::{Folder, Other, say, text};
use crate::storm::Storm;
use crate::talk::BOT;

/// The bot in the other process.
pub(crate) struct Elsewhere {
    process: Other,
    part: Vec<String>,
    book: Arc<Book>,
    hearing: Vec<JoinHandle<()>>,
    kills: usize,
    ends: usize,
    _folder: Folder,
}

/// In the other process: the bot, until it is killed.
pub(crate) fn serve(part: &[String]) {
    let [url, id, token, journal] = part else {
        panic!("what for?")
    };
    crate::log();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let bot = builder(url, id, token, |event_key| {
            say(format_args!("letter {event_key}"))
        })
        .journal(DiskJournal::open(journal).unwrap())
        // It is killed for no fault of an event, a hundred times and often within the same second: what is innocent
        // runs alone at three of these ends now and then, and would be given up, as is promised.
        .max_crashes(None)
        .build()
        .unwrap();
        bot.serve(echoing(|id| say(format_args!("runs {id}"))))
            .await
            .unwrap();
    });
}

impl Elsewhere {
    pub(crate) async fn start(sandbox: &Sandbox, book: &Arc<Book>) -> Self {
        let folder = Folder::new();
        let account = sandbox.bot(BOT);
        let part = vec![
            sandbox.url(),
            account.id().to_owned(),
            account.token(),
            text(&folder.path("journal")),
        ];
        let (process, hearing) = other(&part, book, 0);
        is_there(sandbox).await;
        Self {
            process,
            part,
            book: Arc::clone(book),
            hearing: vec![hearing],
            kills: 0,
            ends: 0,
            _folder: folder,
        }
    }

    fn next_process(&mut self) {
        let (process, hearing) = other(&self.part, &self.book, self.book.next_process());
        self.process = process;
        self.hearing.push(hearing);
    }

    pub(crate) async fn kill(&mut self, storm: &mut Storm) {
        self.process.kill();
        self.kills += 1;
        storm.pause(0..100).await;
        self.next_process();
        // Sometimes it is killed again before it is connected.
        storm.pause(0..1000).await;
    }

    /// Like a supervisor: a page of HTML instead of the very first answer ends the bot, since the address seems wrong.
    pub(crate) fn keep_running(&mut self) {
        if self.process.has_ended() {
            self.ends += 1;
            self.next_process();
        }
    }

    pub(crate) async fn start_again(&mut self, sandbox: &Sandbox) {
        self.process.kill();
        let gone = sandbox
            .wait_until(|sandbox| sandbox.connections() == 0, PATIENCE)
            .await;
        gone.unwrap();
        // All that was said is heard.
        for hearing in self.hearing.drain(..) {
            hearing.join().unwrap();
        }
        self.next_process();
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

/// The bot once more, and the thread that writes down what it says.
fn other(part: &[String], book: &Arc<Book>, number: u32) -> (Other, JoinHandle<()>) {
    let part: Vec<&str> = part.iter().map(String::as_str).collect();
    let mut process = Other::start("storm_with_kills", &part);
    let book = Arc::clone(book);
    let hearing = process.hear_in_thread(move |said| match said.split_once(' ') {
        Some(("runs", id)) => book.runs(number, id),
        Some(("letter", event_key)) => book.letter(event_key),
        _ => panic!("it says {said:?}"),
    });
    (process, hearing)
}

async fn is_there(sandbox: &Sandbox) {
    let is_there = |sandbox: &Sandbox| sandbox.subscriptions().len() >= 2;
    sandbox.wait_until(is_there, PATIENCE).await.unwrap();
}
