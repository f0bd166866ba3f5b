//! A file of 100 MB up and down, in a process that does nothing else and never holds more than a little of it.

use rocketbotte::Credentials;
use rocketbotte::response::Upload;
use rocketbotte::rest::Client;
use rocketbotte::sandbox::Sandbox;
use rocketbotte::transport::{Connector, TlsSettings};

use crate::files_in;
use crate::process::{Folder, Other, part, say, text};

const LENGTH: u64 = 100_000_000;

/// The most memory that this process ever had, in KiB.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// Bytes that do not repeat within a file.
fn pieces() -> impl Iterator<Item = Vec<u8>> {
    (0..LENGTH / 1_000_000).map(|number| {
        let mut random = fastrand::Rng::with_seed(number);
        std::iter::repeat_with(|| random.u8(..)).take(1_000_000).collect()
    })
}

async fn up_and_down(url: &str, id: &str, token: &str, source: &str, copy: &str) {
    let client = Client::builder(url.parse().unwrap(), Connector::tcp(&TlsSettings::new()).unwrap())
        .credentials(Credentials::new(id, token).unwrap())
        .build();
    let sent = client
        .upload("GENERAL", Upload::from_path(source).named("large.bin"))
        .await
        .unwrap();
    say(format!("up {}", peak()));
    let saved = client
        .download(sent.path())
        .await
        .unwrap()
        .save_to(copy)
        .await
        .unwrap();
    assert_eq!(saved, LENGTH);
    say(format!("down {}", peak()));
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_megabytes_in_little_memory() {
    if let Some(part) = part() {
        let [url, id, token, source, copy] = &part[..] else {
            panic!("another part");
        };
        return up_and_down(url, id, token, source, copy).await;
    }
    let folder = Folder::new();
    let (source, copy) = (folder.path("source"), folder.path("copy"));
    {
        use std::io::Write as _;
        let mut file = std::fs::File::create(&source).unwrap();
        pieces().for_each(|piece| file.write_all(&piece).unwrap());
    }
    let sandbox = Sandbox::builder().bot("rocketbotte").start().await.unwrap();
    let bot = sandbox.bot("rocketbotte");
    let (url, token) = (sandbox.url(), bot.token());
    let said = tokio::task::spawn_blocking(move || {
        let part = [&url, bot.id(), &token, &text(&source), &text(&copy)];
        let mut other = Other::start("large::a_hundred_megabytes_in_little_memory", &part);
        let said: Vec<_> = std::iter::from_fn(|| other.hear()).collect();
        assert!(other.end().success());
        let copied = std::fs::read(&copy).unwrap();
        assert!(copied.chunks(1_000_000).eq(pieces()), "the copy is another file");
        said
    });
    let said = said.await.unwrap();
    println!("{said:?} KiB");
    assert_eq!(said.len(), 2, "{said:?}");
    for line in &said {
        let peak: u64 = line.split(' ').nth(1).unwrap().parse().unwrap();
        assert!(peak < 32 * 1024, "{line} KiB");
    }
    assert_eq!(files_in(&sandbox, "general")[0].raw["file"]["size"], LENGTH);
}
