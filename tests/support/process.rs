//! This test binary once more, as another process that can be killed; and folders of one's own.

#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    reason = "each test uses a part, and a test ends by them"
)]

use std::io::{BufRead as _, BufReader, Lines};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::thread::JoinHandle;
use std::time::{SystemTime, UNIX_EPOCH};

/// Says to a test which part it has in the other process.
const PART: &str = "ROCKETBOTTE_TEST_PART";

/// What the other process was started for; `None` in the test itself.
pub fn part() -> Option<Vec<String>> {
    Some(std::env::var(PART).ok()?.split('\n').map(str::to_owned).collect())
}

/// Another process that runs one test of this binary. It is killed when it is dropped.
pub struct Other {
    child: Child,
    lines: Option<Lines<BufReader<ChildStdout>>>,
}

impl Other {
    pub fn start(test: &str, part: &[&str]) -> Self {
        Self::spawn(Command::new(std::env::current_exe().unwrap()), test, part)
    }

    /// The same by a shell that is told something before.
    pub fn start_after(shell: &str, test: &str, part: &[&str]) -> Self {
        let mut command = Command::new("sh");
        command
            .arg("-c")
            .arg(format!("{shell}; exec \"$0\" \"$@\""))
            .arg(std::env::current_exe().unwrap());
        Self::spawn(command, test, part)
    }

    fn spawn(mut command: Command, test: &str, part: &[&str]) -> Self {
        let mut child = command
            .args(["--exact", test, "--nocapture", "--test-threads=1"])
            .env(PART, part.join("\n"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = child.stdout.take().map(|out| BufReader::new(out).lines());
        Self { child, lines }
    }

    /// The next thing it [said](say); `None` at its end.
    pub fn hear(&mut self) -> Option<String> {
        let lines = self.lines.as_mut()?;
        loop {
            let line = lines.next()?.ok()?;
            // The test harness speaks too, and may leave its line open.
            if let Some((_, said)) = line.split_once("say: ") {
                return Some(said.to_owned());
            }
        }
    }

    /// Everything it says is drained elsewhere.
    pub fn silence(&mut self) {
        self.hear_in_thread(|_| ());
    }

    /// What it says is heard elsewhere, up to its end.
    pub fn hear_in_thread(&mut self, mut hear: impl FnMut(&str) + Send + 'static) -> JoinHandle<()> {
        let lines = self.lines.take().unwrap();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                if let Some((_, said)) = line.split_once("say: ") {
                    hear(said);
                }
            }
        })
    }

    /// SIGKILL.
    pub fn kill(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        self.child.wait().unwrap();
    }

    pub fn end(&mut self) -> ExitStatus {
        self.child.wait().unwrap()
    }

    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        self.kill();
    }
}

/// In the other process: tells the test something.
pub fn say(what: impl std::fmt::Display) {
    println!("say: {what}");
}

/// A folder that goes with the test.
pub struct Folder(PathBuf);

impl Folder {
    pub fn new() -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos();
        let name = format!("rocketbotte-{}-{now}-{}", std::process::id(), fastrand::u32(..));
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

pub fn text(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}

/// A number that decides what chance decides: from the environment, so that a failure can be repeated.
pub fn seed() -> u64 {
    let given = std::env::var("ROCKETBOTTE_SEED")
        .ok()
        .map(|seed| seed.parse().unwrap());
    let seed = given.unwrap_or_else(|| fastrand::u64(..));
    println!("ROCKETBOTTE_SEED={seed}");
    seed
}
