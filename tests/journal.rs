//! The journal in a file: what it keeps, whatever happens to the process, the disk and the file.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test ends by them")]

#[path = "support/process.rs"]
mod process;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use futures_util::FutureExt as _;
use process::{Folder, Other, say, text};
use proptest::prelude::*;
use redb::TableDefinition;
use rocketbotte::journal::{Change, DiskJournal, Journal, JournalErrorKind};

type Entries = BTreeMap<Vec<u8>, Vec<u8>>;

fn entries(journal: &impl Journal) -> Entries {
    journal.load().unwrap().into_iter().collect()
}

fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(future)
}

fn refused(path: &Path) -> JournalErrorKind {
    let error = DiskJournal::open(path).expect_err("it is not opened");
    assert!(error.to_string().contains(&text(path)), "{error}");
    error.kind()
}

/// A journal of some size, closed in order.
fn filled(path: &Path, count: u32) -> Entries {
    let journal = DiskJournal::open(path).unwrap();
    for n in 0..count {
        journal.write(vec![Change::put(n.to_be_bytes(), vec![b'v'; n as usize % 300])]);
    }
    drop(journal);
    entries(&DiskJournal::open(path).unwrap())
}

#[test]
fn it_is_there_again_and_nobody_else_may_read_it() {
    let folder = Folder::new();
    let path = folder.path("journal");
    let journal = DiskJournal::open(&path).unwrap();
    assert!(entries(&journal).is_empty());
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    journal.write(vec![Change::put(*b"a", *b"1"), Change::put(*b"b", *b"2")]);
    journal.write(vec![Change::remove(*b"a")]);
    block_on(journal.flush()).unwrap();
    assert!(
        journal.flush().now_or_never().is_some(),
        "there is nothing to wait for"
    );
    drop(journal);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    let journal = DiskJournal::open(&path).unwrap();
    assert_eq!(entries(&journal), Entries::from([(b"b".to_vec(), b"2".to_vec())]));
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let names: Vec<_> = fs::read_dir(path.parent().unwrap()).unwrap().collect();
    assert_eq!(names.len(), 1, "what it was made with is gone: {names:?}");
}

#[test]
fn it_can_be_read_again() {
    let folder = Folder::new();
    let path = folder.path("journal");
    let whole = filled(&path, 3);
    let journal = DiskJournal::open(&path).unwrap();
    for _ in 0..2 {
        assert_eq!(entries(&journal), whole);
    }
    // Whether the disk has it already or not.
    journal.write(vec![Change::put(*b"a", *b"1")]);
    let mut expected = whole.clone();
    expected.insert(b"a".to_vec(), b"1".to_vec());
    assert_eq!(entries(&journal), expected);
    block_on(journal.flush()).unwrap();
    journal.write(vec![Change::remove(*b"a")]);
    assert_eq!(entries(&journal), whole);
    drop(journal);
    // Nor does it matter when it is read first.
    let journal = DiskJournal::open(&path).unwrap();
    journal.write(vec![Change::put(*b"a", *b"1")]);
    assert_eq!(entries(&journal), expected);
}

#[derive(Clone, Debug)]
enum Step {
    Put(u8, Vec<u8>),
    Remove(u8),
    Flush,
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (0u8..20, prop::collection::vec(any::<u8>(), 0..200)).prop_map(|(key, value)| Step::Put(key, value)),
        4 => (0u8..20).prop_map(Step::Remove),
        1 => Just(Step::Flush),
        1 => Just(Step::Reopen),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn it_keeps_what_a_map_keeps(steps in prop::collection::vec(step(), 0..80)) {
        let folder = Folder::new();
        let path = folder.path("journal");
        let mut model = Entries::new();
        let mut journal = DiskJournal::open(&path).unwrap();
        for step in steps {
            match step {
                Step::Put(key, value) => {
                    model.insert(vec![key], value.clone());
                    journal.write(vec![Change::put([key], value)]);
                }
                Step::Remove(key) => {
                    model.remove(&vec![key]);
                    journal.write(vec![Change::remove([key])]);
                }
                Step::Flush => block_on(journal.flush()).unwrap(),
                Step::Reopen => {
                    drop(journal);
                    journal = DiskJournal::open(&path).unwrap();
                    prop_assert_eq!(&entries(&journal), &model);
                }
            }
        }
        drop(journal);
        prop_assert_eq!(&entries(&DiskJournal::open(&path).unwrap()), &model);
    }
}

/// In the other process: writes ever higher numbers, and tells which are flushed.
fn write_numbers(path: &str) {
    let journal = DiskJournal::open(path).unwrap();
    let last = entries(&journal).remove(b"last".as_slice());
    let first = last.map_or(0, |last| u64::from_be_bytes(last.try_into().unwrap()) + 1);
    say("open");
    block_on(async {
        for n in first.. {
            let value = vec![b'x'; fastrand::usize(..2000)];
            journal.write(vec![
                Change::put(n.to_be_bytes(), value),
                Change::put(*b"last", n.to_be_bytes()),
            ]);
            if fastrand::u8(..).is_multiple_of(16) {
                journal.flush().await.unwrap();
                say(n);
            }
        }
    });
}

#[test]
fn killed_at_any_moment_it_has_what_was_flushed() {
    if let Some(part) = process::part() {
        return write_numbers(&part[0]);
    }
    let mut random = fastrand::Rng::with_seed(process::seed());
    let folder = Folder::new();
    let path = folder.path("journal");
    let mut flushed = None;
    for round in 0..25 {
        let mut other = Other::start("killed_at_any_moment_it_has_what_was_flushed", &[&text(&path)]);
        if round > 0 {
            assert_eq!(other.hear().unwrap(), "open");
        }
        std::thread::sleep(Duration::from_micros(random.u64(0..40_000)));
        other.kill();
        while let Some(line) = other.hear() {
            flushed = line.parse::<u64>().ok().or(flushed);
        }
        if !path.exists() {
            continue;
        }
        let mut entries = entries(&DiskJournal::open(&path).unwrap());
        let last = entries.remove(b"last".as_slice());
        let last = last.map(|last| u64::from_be_bytes(last.try_into().unwrap()));
        assert!(last >= flushed, "flushed to {flushed:?}, there to {last:?}");
        // What was written first is there if anything is, and nothing is there by half.
        let numbers: Vec<_> = entries
            .keys()
            .map(|key| u64::from_be_bytes(key.clone().try_into().unwrap()))
            .collect();
        let expected: Vec<_> = last.map_or(Vec::new(), |last| (0..=last).collect());
        assert_eq!(numbers, expected);
    }
    assert!(flushed.is_some());
}

#[test]
fn one_process_has_it_and_the_next_can_wait() {
    if let Some(part) = process::part() {
        let _journal = DiskJournal::open(&part[0]).unwrap();
        say("open");
        std::thread::sleep(Duration::from_secs(60));
        return;
    }
    let folder = Folder::new();
    let path = folder.path("journal");
    let mut other = Other::start("one_process_has_it_and_the_next_can_wait", &[&text(&path)]);
    assert_eq!(other.hear().unwrap(), "open");
    assert_eq!(refused(&path), JournalErrorKind::Locked);
    let began = Instant::now();
    let builder = DiskJournal::builder(&path);
    let error = builder
        .clone()
        .wait_for_lock(Duration::from_millis(200))
        .open()
        .unwrap_err();
    assert_eq!(error.kind(), JournalErrorKind::Locked);
    assert!(began.elapsed() >= Duration::from_millis(200));
    let waiting = std::thread::spawn(move || builder.wait_for_lock(Duration::from_secs(60)).open());
    std::thread::sleep(Duration::from_millis(100));
    assert!(!waiting.is_finished());
    other.kill();
    let journal = waiting.join().unwrap().unwrap();
    // The same goes for two of one process.
    assert_eq!(refused(&path), JournalErrorKind::Locked);
    drop(journal);
    DiskJournal::open(&path).unwrap();
}

#[test]
fn many_who_make_it_at_once_make_one() {
    let folder = Folder::new();
    let path = folder.path("journal");
    let opening: Vec<_> = (0u8..8)
        .map(|n| {
            let builder = DiskJournal::builder(&path).wait_for_lock(Duration::from_secs(60));
            std::thread::spawn(move || {
                let journal = builder.open().unwrap();
                journal.write(vec![Change::put([n], *b"")]);
            })
        })
        .collect();
    opening.into_iter().for_each(|thread| thread.join().unwrap());
    assert_eq!(entries(&DiskJournal::open(&path).unwrap()).len(), 8);
}

#[test]
fn what_is_no_journal_is_left_as_it_is() {
    let folder = Folder::new();
    for content in [&b""[..], b"r", b"redb", b"hello, world", &[0; 10_000]] {
        let path = folder.path("file");
        fs::write(&path, content).unwrap();
        assert_eq!(refused(&path), JournalErrorKind::Foreign);
        assert_eq!(fs::read(&path).unwrap(), content);
    }
    let path = folder.path("database");
    let database = redb::Database::create(&path).unwrap();
    let transaction = database.begin_write().unwrap();
    let table = TableDefinition::<&str, u64>::new("prices");
    transaction.open_table(table).unwrap().insert("tea", 3).unwrap();
    transaction.commit().unwrap();
    drop(database);
    let before = fs::read(&path).unwrap();
    assert_eq!(refused(&path), JournalErrorKind::Foreign);
    assert_eq!(fs::read(&path).unwrap(), before);
    assert_eq!(refused(&folder.path("")), JournalErrorKind::Io);
    assert_eq!(refused(&folder.path("missing/journal")), JournalErrorKind::Io);
}

#[test]
fn a_later_format_is_left_as_it_is() {
    let folder = Folder::new();
    let path = folder.path("journal");
    filled(&path, 3);
    let database = redb::Database::create(&path).unwrap();
    let transaction = database.begin_write().unwrap();
    let meta = TableDefinition::<&str, u64>::new("rocketbotte");
    transaction
        .open_table(meta)
        .unwrap()
        .insert("format", 1000)
        .unwrap();
    transaction.commit().unwrap();
    drop(database);
    let before = fs::read(&path).unwrap();
    assert_eq!(refused(&path), JournalErrorKind::NewerFormat);
    assert_eq!(fs::read(&path).unwrap(), before);
}

/// Opened, or refused and left as it is.
fn is_whole_or_left_alone(path: &Path, bytes: &[u8], whole: &Entries, what: &str) -> bool {
    fs::write(path, bytes).unwrap();
    match DiskJournal::open(path) {
        Ok(journal) => {
            assert_eq!(&entries(&journal), whole, "{what}");
            true
        }
        Err(error) => {
            let kind = error.kind();
            assert!(
                matches!(kind, JournalErrorKind::Damaged | JournalErrorKind::Foreign),
                "{what}: {kind:?} {error}"
            );
            assert!(fs::read(path).unwrap() == bytes, "{what}");
            false
        }
    }
}

#[test]
fn what_is_damaged_is_refused_and_left_as_it_is() {
    let seed = process::seed();
    let mut random = fastrand::Rng::with_seed(seed);
    let folder = Folder::new();
    let path = folder.path("journal");
    let whole = filled(&path, 400);
    let good = fs::read(&path).unwrap();
    assert!(is_whole_or_left_alone(&path, &good, &whole, "nothing"));
    // Each takes a while: more of them on demand.
    let many = if std::env::var_os("ROCKETBOTTE_LONG").is_some() {
        10
    } else {
        1
    };
    let mut refused = 0;
    for _ in 0..6 * many {
        let len = random.usize(..good.len());
        let is_whole = is_whole_or_left_alone(&path, &good[..len], &whole, &format!("cut at {len}"));
        refused += usize::from(!is_whole);
    }
    assert_eq!(refused, 6 * many, "a file that is cut off is never whole");
    // The header, where the checksums are, and what lies behind it.
    let mut changes: Vec<_> = (0..32 * many)
        .map(|_| (random.usize(..320), 1u8 << random.u8(..8)))
        .collect();
    changes.extend((0..20 * many).map(|_| (random.usize(..good.len()), random.u8(1..))));
    let count = changes.len();
    let mut refused = 0;
    for (at, flip) in changes {
        let mut bytes = good.clone();
        bytes[at] ^= flip;
        refused += usize::from(!is_whole_or_left_alone(
            &path,
            &bytes,
            &whole,
            &format!("{flip:#x} at {at}"),
        ));
    }
    println!("{refused} of {count} changed bytes were found, the others are not used");
    assert!(refused > count / 10, "{refused} of {count}");
}

/// In the other process, which may write files of a few MB at most.
fn fill_the_disk(path: &str) {
    let journal = DiskJournal::open(path).unwrap();
    block_on(async {
        journal.write(vec![Change::put(*b"first", *b"1")]);
        journal.flush().await.unwrap();
        for n in 0..160_u8 {
            journal.write(vec![Change::put([n], vec![n; 64 << 10])]);
        }
        let error = journal.flush().await.unwrap_err();
        assert_eq!(error.kind(), JournalErrorKind::Io, "{error}");
        assert!(journal.failing_for().is_some());
        // It goes on, and nobody waits long for a disk that is full.
        let began = Instant::now();
        for n in 0..100_u8 {
            journal.write(vec![Change::put([n, n], *b"x")]);
            assert!(journal.flush().await.is_err());
        }
        assert!(began.elapsed() < Duration::from_secs(10));
        assert_eq!(
            entries(&journal).len(),
            261,
            "what the disk does not take is there"
        );
        // There is room again.
        for n in 0..160_u8 {
            journal.write(vec![Change::remove([n])]);
        }
        while journal.flush().await.is_err() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        assert_eq!(journal.failing_for(), None);
    });
    say("written again");
}

#[test]
fn with_a_full_disk_it_goes_on_in_memory() {
    if let Some(part) = process::part() {
        return fill_the_disk(&part[0]);
    }
    let folder = Folder::new();
    let path = folder.path("journal");
    let mut other = Other::start_after(
        "trap '' XFSZ; ulimit -f 8192",
        "with_a_full_disk_it_goes_on_in_memory",
        &[&text(&path)],
    );
    assert_eq!(other.hear().as_deref(), Some("written again"));
    assert!(other.end().success());
    let entries = entries(&DiskJournal::open(&path).unwrap());
    assert_eq!(entries.len(), 101, "{:?}", entries.keys());
    assert_eq!(entries[b"first".as_slice()], b"1");
}
