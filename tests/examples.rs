//! Each example, run as a person would: it ends by itself and prints what it says it prints.
//!
//! Cargo builds the examples before the tests, but only where no test is named: with `cargo test --test examples` they
//! are built here if their file is newer than what is there.

#![allow(clippy::expect_used, reason = "a test fails by a panic")]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::SystemTime;

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

fn output_of(example: &str) -> String {
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
    let output = Command::new(path)
        .stdin(Stdio::null())
        .env_remove("ROCKETCHAT_URL")
        .env_remove("ROCKETCHAT_USER_ID")
        .env_remove("ROCKETCHAT_AUTH_TOKEN")
        .env_remove("RUST_LOG")
        .output()
        .expect("the example starts");
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
