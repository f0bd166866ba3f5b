//! The example that people run first, as a program of its own: what it prints, and how it ends.
#![cfg(all(feature = "client", feature = "sandbox", feature = "test-util", unix))]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test ends by them")]

mod support;

use std::path::PathBuf;
use std::process::{Output, Stdio};
use std::sync::OnceLock;

use rocketbotte::sandbox::Sandbox;
use tokio::io::AsyncWriteExt as _;
use tokio::process::{Child, Command};

use self::support::chat::people;
use self::support::live::{PATIENCE, in_time};

const VARIABLES: [&str; 7] = [
    "ROCKETCHAT_URL",
    "ROCKETCHAT_USER_ID",
    "ROCKETCHAT_AUTH_TOKEN",
    "ROCKETCHAT_USER",
    "ROCKETCHAT_PASSWORD",
    "ROCKETCHAT_CA_FILE",
    "ROCKETCHAT_INSECURE",
];

/// `cargo test` builds the examples too; where only this test is built, it is built here.
fn program() -> PathBuf {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    let find = || {
        let mut path = std::env::current_exe().unwrap();
        path.pop();
        path.pop();
        path.join("examples").join("quickstart")
    };
    PROGRAM
        .get_or_init(|| {
            if !find().exists() {
                let mut build = std::process::Command::new(env!("CARGO"));
                build
                    .args(["build", "--quiet", "--example", "quickstart"])
                    .current_dir(env!("CARGO_MANIFEST_DIR"));
                // What is set for this package would have others built again.
                for (name, _) in std::env::vars_os() {
                    if name.to_string_lossy().starts_with("CARGO_PKG_") {
                        build.env_remove(name);
                    }
                }
                build
                    .env_remove("CARGO_MANIFEST_DIR")
                    .env_remove("CARGO_MANIFEST_PATH");
                assert!(build.status().unwrap().success());
            }
            find()
        })
        .clone()
}

fn start(variables: &[(&str, &str)]) -> Child {
    let mut command = Command::new(program());
    for name in VARIABLES {
        command.env_remove(name).env_remove(format!("{name}_FILE"));
    }
    command
        .env_remove("RUST_LOG")
        .envs(variables.iter().copied())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}

/// Says what is given, and ends its input.
async fn say(lines: &str) -> Output {
    let mut child = start(&[]);
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(lines.as_bytes()).await.unwrap();
    drop(stdin);
    in_time(child.wait_with_output()).await.unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

fn signal(child: &Child, name: &str) {
    let pid = child.id().unwrap().to_string();
    let sent = std::process::Command::new("kill")
        .args(["-s", name, &pid])
        .status();
    assert!(sent.unwrap().success());
}

/// The example as a bot of a server, once it is subscribed.
async fn serving(sandbox: &Sandbox) -> Child {
    let account = sandbox.bot("rocketbotte");
    let child = start(&[
        ("ROCKETCHAT_URL", &sandbox.url()),
        ("ROCKETCHAT_USER_ID", account.id()),
        ("ROCKETCHAT_AUTH_TOKEN", &account.token()),
    ]);
    sandbox
        .wait_until(|sandbox| sandbox.subscriptions().len() >= 2, PATIENCE)
        .await
        .unwrap();
    child
}

#[tokio::test]
async fn it_answers_the_lines_of_its_input_and_ends() {
    let output = say("!test hi\n!ping 7\nhello there\nnothing\n").await;
    assert_eq!(
        text(&output.stdout),
        "rocketbotte: response to hi\nrocketbotte: pong 7\nrocketbotte: world\n"
    );
    assert_eq!(output.status.code(), Some(0));
    let hints = text(&output.stderr);
    assert!(
        hints.contains("http://127.0.0.1:") && hints.contains("ann") && hints.contains("!ping"),
        "{hints}"
    );
    let page = hints
        .lines()
        .find_map(|line| line.strip_prefix("In the browser: "));
    let address = page.and_then(|page| page.strip_prefix("http://127.0.0.1:"));
    let (port, token) = address
        .and_then(|address| address.split_once("/?token="))
        .unwrap_or_default();
    assert!(port.parse::<u16>().is_ok() && token.len() >= 16, "{hints}");
}

#[tokio::test]
async fn input_without_a_line_break_or_without_anything_ends_it_too() {
    let output = say("!ping 7").await;
    assert_eq!(
        (text(&output.stdout), output.status.code()),
        ("rocketbotte: pong 7\n", Some(0))
    );
    let output = say("").await;
    assert_eq!((text(&output.stdout), output.status.code()), ("", Some(0)));
    let output = say("\n  \n!ping 7\n\n").await;
    assert_eq!(
        (text(&output.stdout), output.status.code()),
        ("rocketbotte: pong 7\n", Some(0))
    );
}

#[tokio::test]
async fn many_lines_are_answered_in_order() {
    let lines: String = (0..40).map(|number| format!("!test {number}\nhello\n")).collect();
    let output = say(&lines).await;
    let replies: Vec<_> = text(&output.stdout).lines().collect();
    // The example lets a person say twenty commands in ten seconds.
    assert_eq!(
        replies
            .iter()
            .filter(|reply| **reply == "rocketbotte: world")
            .count(),
        40
    );
    let numbered = (0..20).map(|number| format!("rocketbotte: response to {number}"));
    let said: Vec<_> = replies
        .iter()
        .filter(|reply| reply.contains("response to"))
        .collect();
    assert!(
        said.iter()
            .zip(numbered)
            .all(|(said, expected)| **said == expected),
        "{replies:?}"
    );
    assert_eq!(output.status.code(), Some(0));
}

#[tokio::test]
async fn a_missing_variable_is_named_and_no_sandbox_starts() {
    let url = ("ROCKETCHAT_URL", "https://chat.example.org");
    for (variables, missing) in [
        (vec![url], "ROCKETCHAT_USER_ID"),
        (vec![url, ("ROCKETCHAT_USER_ID", "uB")], "ROCKETCHAT_AUTH_TOKEN"),
        (
            vec![("ROCKETCHAT_USER_ID", "uB"), ("ROCKETCHAT_AUTH_TOKEN", "s3cret")],
            "ROCKETCHAT_URL",
        ),
        (
            vec![url, ("ROCKETCHAT_USER", "rocketbotte")],
            "ROCKETCHAT_PASSWORD",
        ),
        (
            vec![url, ("ROCKETCHAT_PASSWORD_FILE", "/no/such/file")],
            "/no/such/file",
        ),
    ] {
        let child = start(&variables);
        let output = in_time(child.wait_with_output()).await.unwrap();
        let said = text(&output.stderr);
        assert!(
            said.contains(missing) && said.lines().count() == 1,
            "{variables:?}: {said}"
        );
        assert!(!said.contains("s3cret") && !said.contains("127.0.0.1"), "{said}");
        assert_eq!(
            (text(&output.stdout), output.status.code()),
            ("", Some(78)),
            "{variables:?}"
        );
    }
}

#[tokio::test]
async fn a_refused_token_has_an_exit_code_of_its_own() {
    let sandbox = people().start().await.unwrap();
    let child = start(&[
        ("ROCKETCHAT_URL", &sandbox.url()),
        ("ROCKETCHAT_USER_ID", sandbox.bot("rocketbotte").id()),
        ("ROCKETCHAT_AUTH_TOKEN", "wr0ng"),
    ]);
    let output = in_time(child.wait_with_output()).await.unwrap();
    let said = text(&output.stderr);
    assert!(said.contains(&sandbox.url()) && !said.contains("wr0ng"), "{said}");
    assert_eq!(output.status.code(), Some(77));
}

#[tokio::test]
async fn with_the_variables_it_serves_that_server_until_a_signal() {
    for name in ["TERM", "INT"] {
        let sandbox = people().start().await.unwrap();
        let child = serving(&sandbox).await;
        let asked = sandbox.user("ann").say("general", "!ping 7").await;
        let reply = sandbox.wait_for_reply(&asked, PATIENCE).await.unwrap();
        assert_eq!(reply.text, "pong 7");
        signal(&child, name);
        let output = in_time(child.wait_with_output()).await.unwrap();
        assert_eq!(output.status.code(), Some(0), "{name}: {}", text(&output.stderr));
        assert_eq!((text(&output.stdout), text(&output.stderr)), ("", ""));
    }
}

#[tokio::test]
async fn a_signal_ends_it_also_while_the_server_can_not_be_reached() {
    let sandbox = people().start().await.unwrap();
    let child = serving(&sandbox).await;
    sandbox.refuse_connections(true);
    sandbox.drop_connections();
    let gone = sandbox.wait_until(|sandbox| sandbox.connections() == 0, PATIENCE);
    gone.await.unwrap();
    signal(&child, "TERM");
    let output = in_time(child.wait_with_output()).await.unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
}

#[tokio::test]
async fn a_signal_ends_it_before_it_was_connected() {
    let sandbox = people().start().await.unwrap();
    sandbox.refuse_connections(true);
    let mut child = start(&[
        ("ROCKETCHAT_URL", &sandbox.url()),
        ("ROCKETCHAT_USER_ID", sandbox.bot("rocketbotte").id()),
        ("ROCKETCHAT_AUTH_TOKEN", &sandbox.bot("rocketbotte").token()),
    ]);
    // It says that it tries again.
    let stderr = child.stderr.take().unwrap();
    let mut lines = tokio::io::AsyncBufReadExt::lines(tokio::io::BufReader::new(stderr));
    let line = in_time(lines.next_line()).await.unwrap().unwrap();
    assert!(
        line.contains("trying again") && line.contains(&sandbox.url()),
        "{line}"
    );
    signal(&child, "TERM");
    assert_eq!(in_time(child.wait()).await.unwrap().code(), Some(0));
}
