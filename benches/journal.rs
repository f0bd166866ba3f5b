//! What a journal costs at 1,000 commands a second: `cargo bench --bench journal`.
//!
//! The changes are those that a bot makes for a command: that it came (how far its room is settled, up to when
//! everything was received), that it is done (the same, and its key), and that the key of half a minute ago goes. Ten
//! rooms take turns. Measured is the processor time of all threads, read from `/proc` (Linux), less that of the same
//! loop without a journal; and how long the two calls of one command take, which is what the dispatcher waits for.

#![allow(missing_docs, reason = "nothing here is public")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a bench fails by a panic")]

use std::path::PathBuf;
use std::time::{Duration, Instant};

use rocketbotte::journal::{Change, DiskJournal, Journal, MemoryJournal};

const PER_SECOND: u64 = 1000;
const ROOMS: u64 = 10;

/// The time that the server's copies of an event may differ by: as long a key is kept.
const KEPT: u64 = 30 * PER_SECOND;

/// Nanoseconds that all threads of this process have run.
fn processor_time() -> u64 {
    let tasks = std::fs::read_dir("/proc/self/task").expect("Linux");
    tasks
        .filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("schedstat")).ok())
        .filter_map(|stat| stat.split_whitespace().next()?.parse::<u64>().ok())
        .sum()
}

fn room_key(n: u64) -> Vec<u8> {
    format!("rroom{}aaaaaaaaaaa", n % ROOMS).into_bytes()
}

fn place(n: u64, is_open: bool) -> Vec<u8> {
    let mut place = n.to_be_bytes().to_vec();
    place.push(u8::from(is_open));
    place
}

/// The key of a finished event: room, revision and the message's id.
fn finished_key(n: u64) -> Vec<u8> {
    let mut key = format!("f0000room{}aaaaaaaaaaa", n % ROOMS).into_bytes();
    key.extend_from_slice(&n.to_be_bytes());
    key.extend_from_slice(format!("message{n:010}").as_bytes());
    key
}

fn command(journal: &dyn Journal, n: u64) {
    journal.write(vec![Change::put(room_key(n), place(n, true))]);
    journal.write(vec![Change::put(*b"a", n.to_be_bytes())]);
    let mut done = vec![
        Change::put(room_key(n), place(n, false)),
        Change::put(finished_key(n), []),
    ];
    if let Some(old) = n.checked_sub(KEPT) {
        done.push(Change::remove(finished_key(old)));
    }
    journal.write(done);
}

struct Measured {
    /// Processor time for one command.
    cpu: Duration,
    /// How long the calls of one command took, in order.
    calls: Vec<Duration>,
}

/// One thousand commands a second, for a while, on a journal that has been in use.
fn measure(journal: Option<&dyn Journal>, seconds: u64) -> Measured {
    let count = seconds * PER_SECOND;
    let mut calls = Vec::with_capacity(usize::try_from(count).unwrap());
    let (began, cpu_before) = (Instant::now(), processor_time());
    for n in 0..count {
        let due = began + Duration::from_micros(n * 1_000_000 / PER_SECOND);
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        let called_at = Instant::now();
        if let Some(journal) = journal {
            command(journal, KEPT + n);
        }
        calls.push(called_at.elapsed());
    }
    let cpu = Duration::from_nanos((processor_time() - cpu_before) / count);
    calls.sort_unstable();
    Measured { cpu, calls }
}

fn report(name: &str, measured: &Measured, without: &Measured) {
    let at = |share: f64| measured.calls[((measured.calls.len() - 1) as f64 * share) as usize];
    println!(
        "{name:8} {:>10.1?} {:>10.1?} {:>10.1?} {:>10.1?} {:>10.1?}",
        measured.cpu.saturating_sub(without.cpu),
        at(0.5),
        at(0.99),
        at(0.999),
        at(1.0)
    );
}

fn filled<J: Journal>(journal: J) -> J {
    (0..KEPT).for_each(|n| command(&journal, n));
    journal
}

/// How long something waits that has to be kept before it runs.
fn flushes(journal: &DiskJournal) -> Vec<Duration> {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let mut times: Vec<_> = (0..100)
        .map(|n| {
            command(journal, 10 * KEPT + n);
            let began = Instant::now();
            runtime.block_on(journal.flush()).unwrap();
            began.elapsed()
        })
        .collect();
    times.sort_unstable();
    times
}

fn main() {
    let seconds = std::env::var("SECONDS_EACH").map_or(10, |seconds| seconds.parse().unwrap());
    // `cargo test --benches` only wants to know that it runs.
    let seconds = if std::env::args().any(|argument| argument == "--bench") {
        seconds
    } else {
        1
    };
    let folder = std::env::var_os("JOURNAL_FOLDER").map_or_else(std::env::temp_dir, PathBuf::from);
    let path = folder.join(format!("rocketbotte-bench-{}", std::process::id()));
    let without = measure(None, seconds);
    println!("{PER_SECOND} commands a second for {seconds} s; for one command:");
    println!(
        "{:8} {:>10} {:>10} {:>10} {:>10} {:>10}",
        "", "CPU", "calls p50", "p99", "p99.9", "longest"
    );
    let memory = filled(MemoryJournal::new());
    report("memory", &measure(Some(&memory), seconds), &without);
    let disk = filled(DiskJournal::open(&path).unwrap());
    std::thread::sleep(Duration::from_secs(1));
    report("disk", &measure(Some(&disk), seconds), &without);
    let size = std::fs::metadata(&path).unwrap().len();
    let flushes = flushes(&disk);
    println!(
        "file: {:.1} MB; a flush: {:.1?} in the middle, {:.1?} at most",
        size as f64 / 1e6,
        flushes[flushes.len() / 2],
        flushes[flushes.len() - 1]
    );
    drop(disk);
    std::fs::remove_file(&path).unwrap();
}
