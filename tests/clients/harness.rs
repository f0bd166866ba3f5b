//! Programs of others: where they are installed, how they are run, what they say.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use rocketbotte::sandbox::{Sandbox, SandboxUser};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncRead, BufReader},
    process::{Child, Command},
    sync::watch,
    task::JoinHandle,
    time::timeout,
};

/// How long a program may take for one thing. Python and Node start slowly on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
/// Lines kept of one program.
const LINES_KEPT: usize = 2_000;

/// Where the clients are; `None` where nobody installed them, which is said, and is a failure in CI.
pub(crate) fn installed() -> Option<PathBuf> {
    if let Some(dir) = std::env::var_os("ROCKETBOTTE_CLIENTS") {
        let dir = PathBuf::from(dir);
        assert!(
            dir.join("installed").is_file(),
            "ROCKETBOTTE_CLIENTS={} has no clients: run tests/clients/install.sh {0}",
            dir.display()
        );
        return Some(dir);
    }
    let how = "run tests/clients/install.sh DIR and set ROCKETBOTTE_CLIENTS=DIR";
    assert!(
        std::env::var_os("CI").is_none(),
        "the clients of others are not installed: {how}"
    );
    println!("skipped, as the clients of others are not installed: {how}");
    None
}

pub(crate) fn here() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients")
}

/// A program that runs, with all that it said. It is killed when it is dropped.
pub(crate) struct Program {
    name: String,
    child: Child,
    lines: watch::Receiver<Vec<String>>,
    readers: Vec<JoinHandle<()>>,
    heard: usize,
}

impl Program {
    /// A script of ours, run by the Python of the virtual environment.
    pub(crate) fn python(dir: &Path, script: &str, user: &SandboxUser, sandbox: &Sandbox) -> Self {
        let mut command = Command::new(dir.join("python/bin/python"));
        command.arg("-u").arg(here().join(script));
        Self::start(script, command, user, sandbox)
    }

    /// A script of ours, run by Node with the packages beside it.
    pub(crate) fn node(dir: &Path, script: &str, user: &SandboxUser, sandbox: &Sandbox) -> Self {
        let mut command = Command::new("node");
        command.arg(here().join(script));
        command.env("NODE_PATH", dir.join("node/node_modules"));
        Self::start(script, command, user, sandbox)
    }

    fn start(name: &str, mut command: Command, user: &SandboxUser, sandbox: &Sandbox) -> Self {
        let mut child = command
            .env("SERVER_URL", sandbox.url())
            .env("USERNAME", user.username())
            .env("PASSWORD", user.password())
            .env("USER_ID", user.id())
            .env("AUTH_TOKEN", user.token())
            // No proxy stands between this machine and itself.
            .env("NO_PROXY", "*")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("starts");
        let (say, lines) = watch::channel(Vec::new());
        let out = child.stdout.take().expect("piped");
        let err = child.stderr.take().expect("piped");
        let readers = vec![
            tokio::spawn(listen("", out, say.clone())),
            tokio::spawn(listen("stderr: ", err, say)),
        ];
        Self {
            name: name.to_owned(),
            child,
            lines,
            readers,
            heard: 0,
        }
    }

    /// The rest of the next line that begins with `word`. What comes before it is passed over.
    ///
    /// # Panics
    ///
    /// With all that the program said, if it takes too long or ends before.
    pub(crate) async fn says(&mut self, word: &str) -> String {
        let heard = self.heard;
        let find = |lines: &[String]| {
            let found = lines.iter().skip(heard).position(|line| line.starts_with(word))?;
            Some(heard + found)
        };
        let said = timeout(PATIENCE, async {
            self.lines.wait_for(|lines| find(lines).is_some()).await.is_ok()
        });
        let in_time = said.await;
        let found = find(&self.lines.borrow());
        let Some(at) = found else {
            let ended = if in_time.is_ok() { "it ended" } else { "time is up" };
            panic!(
                "{} never said `{word}` ({ended}):\n{}",
                self.name,
                self.transcript()
            );
        };
        self.heard = at + 1;
        self.lines.borrow()[at][word.len()..].trim().to_owned()
    }

    /// Waits until the program has ended by itself, well.
    pub(crate) async fn ends_well(mut self) {
        let Ok(status) = timeout(PATIENCE, self.child.wait()).await else {
            panic!("{} does not end:\n{}", self.name, self.transcript());
        };
        for reader in &mut self.readers {
            let _ = timeout(PATIENCE, reader).await;
        }
        let status = status.expect("a child");
        assert!(
            status.success(),
            "{} ended with {status}:\n{}",
            self.name,
            self.transcript()
        );
    }

    pub(crate) fn transcript(&self) -> String {
        self.lines.borrow().join("\n")
    }
}

async fn listen<R: AsyncRead + Unpin>(prefix: &str, from: R, say: watch::Sender<Vec<String>>) {
    let mut lines = BufReader::new(from).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        say.send_modify(|said| {
            if said.len() < LINES_KEPT {
                said.push(format!("{prefix}{line}"));
            }
        });
    }
}

/// Waits until the server sees what it should.
pub(crate) async fn sees(
    sandbox: &Sandbox,
    program: &Program,
    what: &str,
    predicate: impl FnMut(&Sandbox) -> bool,
) {
    if let Err(error) = sandbox.wait_until(predicate, PATIENCE).await {
        panic!(
            "the server never saw {what}: {error}\nthe program said:\n{}",
            program.transcript()
        );
    }
}
