//! A view of a file that can be written without changing the file: what is damaged is found out on it.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use redb::StorageBackend;

const BLOCK: usize = 4096;

#[derive(Debug)]
pub(super) struct Overlay {
    base: Arc<dyn StorageBackend>,
    base_len: u64,
    written: Mutex<Written>,
}

#[derive(Debug)]
struct Written {
    len: u64,
    blocks: BTreeMap<u64, Box<[u8]>>,
}

impl Overlay {
    pub(super) fn of(base: Arc<dyn StorageBackend>) -> io::Result<Self> {
        let base_len = base.len()?;
        Ok(Self {
            base,
            base_len,
            written: Mutex::new(Written {
                len: base_len,
                blocks: BTreeMap::new(),
            }),
        })
    }

    fn block(&self, written: &Written, number: u64) -> io::Result<Box<[u8]>> {
        if let Some(block) = written.blocks.get(&number) {
            return Ok(block.clone());
        }
        let mut block = vec![0; BLOCK];
        let start = number * BLOCK as u64;
        let there = self.base_len.saturating_sub(start).min(BLOCK as u64);
        let there = usize::try_from(there).unwrap_or(BLOCK);
        if there > 0 {
            block[..there].copy_from_slice(&self.base.read(start, there)?);
        }
        Ok(block.into())
    }
}

/// The blocks that some bytes lie in: number, where they begin in the block, and how many of them it holds.
fn blocks(offset: u64, len: usize) -> impl Iterator<Item = (u64, usize, usize)> {
    let (mut at, mut left) = (offset, len);
    std::iter::from_fn(move || {
        let within = usize::try_from(at % BLOCK as u64).unwrap_or(0);
        let count = left.min(BLOCK - within);
        let next = (count > 0).then_some((at / BLOCK as u64, within, count));
        at += count as u64;
        left -= count;
        next
    })
}

impl StorageBackend for Overlay {
    fn len(&self) -> Result<u64, io::Error> {
        Ok(self.written.lock().unwrap_or_else(PoisonError::into_inner).len)
    }

    fn read(&self, offset: u64, len: usize) -> Result<Vec<u8>, io::Error> {
        let written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        // A damaged file may say that it holds anything.
        if offset.checked_add(len as u64).is_none_or(|end| end > written.len) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let mut bytes = Vec::with_capacity(len);
        for (number, start, count) in blocks(offset, len) {
            bytes.extend_from_slice(&self.block(&written, number)?[start..start + count]);
        }
        Ok(bytes)
    }

    fn set_len(&self, len: u64) -> Result<(), io::Error> {
        self.written.lock().unwrap_or_else(PoisonError::into_inner).len = len;
        Ok(())
    }

    fn sync_data(&self, _: bool) -> Result<(), io::Error> {
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> Result<(), io::Error> {
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        let mut data = data;
        for (number, start, count) in blocks(offset, data.len()) {
            let mut block = self.block(&written, number)?;
            let (now, rest) = data.split_at(count);
            block[start..start + count].copy_from_slice(now);
            written.blocks.insert(number, block);
            data = rest;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use redb::backends::InMemoryBackend;

    use super::*;

    proptest! {
        /// It reads like a file that was written, and what lies below stays as it was.
        #[test]
        fn it_is_written_and_the_base_is_not(
            base in prop::collection::vec(any::<u8>(), 0..10_000),
            writes in prop::collection::vec((0usize..12_000, prop::collection::vec(any::<u8>(), 0..6000)), 0..8),
        ) {
            let below = Arc::new(InMemoryBackend::new());
            below.set_len(base.len() as u64).unwrap();
            below.write(0, &base).unwrap();
            let overlay = Overlay::of(Arc::clone(&below) as Arc<dyn StorageBackend>).unwrap();
            let mut model = base.clone();
            for (offset, data) in writes {
                let end = offset + data.len();
                if end > model.len() {
                    model.resize(end, 0);
                    overlay.set_len(end as u64).unwrap();
                }
                model[offset..end].copy_from_slice(&data);
                overlay.write(offset as u64, &data).unwrap();
            }
            prop_assert_eq!(overlay.read(0, model.len()).unwrap(), model.clone());
            prop_assert!(overlay.read(1, model.len()).is_err());
            prop_assert_eq!(below.read(0, base.len()).unwrap(), base);
        }
    }
}
