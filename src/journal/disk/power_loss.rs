//! What is left of a journal's file where the power goes: whatever was synced, and by chance parts of what was not.

#![allow(clippy::unwrap_used, reason = "a test ends by them")]

use std::io;
use std::path::Path;
use std::sync::{Arc, LazyLock, Mutex};

use proptest::prelude::*;
use redb::StorageBackend;

use super::file::{self, Bytes, ENTRIES};

/// Disks write so much at once or not at all.
const SECTOR: usize = 512;

/// What was asked of the disk.
#[derive(Clone, Debug)]
enum Asked {
    Write(u64, Vec<u8>),
    SetLen(u64),
    Sync,
}

/// A disk in memory that remembers what it was asked.
#[derive(Debug, Default)]
struct Disk {
    bytes: Mutex<Vec<u8>>,
    log: Mutex<Vec<Asked>>,
}

impl Disk {
    fn of(bytes: Vec<u8>) -> Arc<Self> {
        Arc::new(Self {
            bytes: Mutex::new(bytes),
            log: Mutex::default(),
        })
    }

    fn note(&self, asked: Asked) {
        apply(&mut self.bytes.lock().unwrap(), &asked);
        self.log.lock().unwrap().push(asked);
    }
}

fn apply(bytes: &mut Vec<u8>, asked: &Asked) {
    match asked {
        Asked::Write(offset, data) => {
            let offset = usize::try_from(*offset).unwrap();
            let end = offset + data.len();
            if bytes.len() < end {
                bytes.resize(end, 0);
            }
            bytes[offset..end].copy_from_slice(data);
        }
        Asked::SetLen(len) => bytes.resize(usize::try_from(*len).unwrap(), 0),
        Asked::Sync => {}
    }
}

impl StorageBackend for Disk {
    fn len(&self) -> Result<u64, io::Error> {
        Ok(self.bytes.lock().unwrap().len() as u64)
    }

    fn read(&self, offset: u64, len: usize) -> Result<Vec<u8>, io::Error> {
        let offset = usize::try_from(offset).unwrap();
        let bytes = self.bytes.lock().unwrap();
        let read = bytes.get(offset..offset + len);
        read.map(<[u8]>::to_vec)
            .ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }

    fn set_len(&self, len: u64) -> Result<(), io::Error> {
        self.note(Asked::SetLen(len));
        Ok(())
    }

    fn sync_data(&self, _eventual: bool) -> Result<(), io::Error> {
        self.note(Asked::Sync);
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> Result<(), io::Error> {
        self.note(Asked::Write(offset, data.to_vec()));
        Ok(())
    }
}

/// A disk's life: what it held at first, what it was asked since, and how much of that when each step was written.
struct Life {
    first: Vec<u8>,
    log: Vec<Asked>,
    written: Vec<usize>,
}

/// Writes steps as the journal does: each puts its number under some keys, and takes others away.
fn live(steps: u32) -> Life {
    let disk = Disk::of(Vec::new());
    let bytes: Bytes = disk.clone();
    let database = file::database(&bytes).unwrap();
    file::initialize(&database).unwrap();
    let first = disk.bytes.lock().unwrap().clone();
    disk.log.lock().unwrap().clear();
    let mut written = Vec::new();
    for step in 1..=steps {
        let transaction = file::begin(&database).unwrap();
        {
            let mut table = transaction.open_table(ENTRIES).unwrap();
            for (key, value) in state_of(step) {
                table.insert(&*key, &*value).unwrap();
            }
            let gone = step.saturating_sub(20).to_be_bytes();
            table.remove(&gone[..]).unwrap();
        }
        transaction.commit().unwrap();
        written.push(disk.log.lock().unwrap().len());
    }
    let log = disk.log.lock().unwrap().clone();
    Life { first, log, written }
}

/// What a step puts.
fn state_of(step: u32) -> [(Vec<u8>, Vec<u8>); 2] {
    let own = (
        step.to_be_bytes().to_vec(),
        vec![0x5a; (step as usize * 97) % 3000],
    );
    [own, (b"last".to_vec(), step.to_be_bytes().to_vec())]
}

/// Everything that is there behind a step.
fn all_behind(step: u32) -> Vec<(Vec<u8>, Vec<u8>)> {
    let kept = step.saturating_sub(19).max(1)..=step;
    let mut all: Vec<_> = kept.map(|step| state_of(step)[0].clone()).collect();
    if step > 0 {
        all.push(state_of(step)[1].clone());
    }
    all.sort();
    all
}

/// The file where the power went before `end`: of what was asked behind the last sync any part was done.
fn left(life: &Life, end: usize, chance: &mut impl FnMut() -> bool) -> Vec<u8> {
    let synced = life.log[..end]
        .iter()
        .rposition(|asked| matches!(asked, Asked::Sync))
        .map_or(0, |sync| sync + 1);
    let mut bytes = life.first.clone();
    for asked in &life.log[..synced] {
        apply(&mut bytes, asked);
    }
    for asked in &life.log[synced..end] {
        match asked {
            Asked::Write(offset, data) => {
                for (index, sector) in data.chunks(SECTOR).enumerate() {
                    if chance() {
                        apply(
                            &mut bytes,
                            &Asked::Write(offset + (index * SECTOR) as u64, sector.to_vec()),
                        );
                    }
                }
            }
            asked if chance() => apply(&mut bytes, asked),
            _ => {}
        }
    }
    bytes
}

static LIFE: LazyLock<Life> = LazyLock::new(|| live(60));

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if std::env::var_os("ROCKETBOTTE_LONG").is_some() { 20_000 } else { 30 }))]

    #[test]
    fn whatever_was_written_is_there_and_nothing_else(seed in any::<u64>()) {
        let mut random = fastrand::Rng::with_seed(seed);
        let end = random.usize(0..=LIFE.log.len());
        let bytes = left(&LIFE, end, &mut || random.bool());
        let before = u32::try_from(LIFE.written.iter().filter(|written| **written <= end).count()).unwrap();

        let disk: Bytes = Disk::of(bytes);
        file::inspect(Path::new("journal"), &disk).unwrap();
        let found = file::read_entries(&file::database(&disk).unwrap()).unwrap();
        let (last, next) = (all_behind(before), all_behind(before + 1));
        prop_assert!(found == last || found == next, "{before} were written, found {} entries", found.len());
    }
}
