//! Memory of a program that does not change: types, tables of methods. It is read in pieces that are kept.

use std::collections::HashMap;

use crate::go::memory::{MemoryError, ReadMemory};

/// Bytes read at once; where they are not all there, a page.
const CHUNK: u64 = 64 << 10;
const PAGE: u64 = 4 << 10;

/// Chunks that are kept.
const KEPT: usize = 512;

/// Chunks that are read in all: no program has so many types.
const MOST: usize = 1 << 15;

/// Reads it.
pub(super) struct Chunks<'v> {
    memory: &'v dyn ReadMemory,
    kept: HashMap<u64, Box<[u8]>>,
    read: usize,
    /// Why nothing more can be read.
    pub(super) ended: Option<MemoryError>,
}

impl<'v> Chunks<'v> {
    pub(super) fn new(memory: &'v dyn ReadMemory) -> Self {
        Self {
            memory,
            kept: HashMap::new(),
            read: 0,
            ended: None,
        }
    }

    /// The word at an address; `None`: it cannot be read, or the address is none of a word.
    pub(super) fn word(&mut self, addr: u64) -> Option<u64> {
        if !addr.is_multiple_of(8) {
            return None;
        }
        let mut word = [0; 8];
        self.fill(addr, &mut word)?;
        Some(u64::from_le_bytes(word))
    }

    /// Bytes from an address on.
    pub(super) fn fill(&mut self, addr: u64, out: &mut [u8]) -> Option<()> {
        let mut at = addr;
        let mut rest = out;
        while !rest.is_empty() {
            let (start, chunk) = self.chunk(at)?;
            let from = usize::try_from(at - start).ok()?;
            let there = chunk.get(from..)?;
            let len = there.len().min(rest.len());
            if len == 0 {
                return None;
            }
            let (now, later) = rest.split_at_mut(len);
            now.copy_from_slice(there.get(..len)?);
            rest = later;
            at = at.checked_add(len as u64)?;
        }
        Some(())
    }

    /// The chunk, or else the page, with an address in it, and where it begins.
    fn chunk(&mut self, addr: u64) -> Option<(u64, &[u8])> {
        for size in [CHUNK, PAGE] {
            let start = addr - addr % size;
            let key = start | (size >> 12);
            if !self.kept.contains_key(&key) {
                let bytes = self.read(start, size)?;
                self.kept.insert(key, bytes);
            }
            if self.kept.get(&key).is_some_and(|bytes| !bytes.is_empty()) {
                return Some((start, self.kept.get(&key)?));
            }
        }
        None
    }

    /// Nothing where it is not all there; `None` if no more is read.
    fn read(&mut self, start: u64, size: u64) -> Option<Box<[u8]>> {
        if self.ended.is_some() || self.read >= MOST {
            return None;
        }
        self.read += 1;
        if self.kept.len() >= KEPT {
            self.kept.clear();
        }
        let mut bytes = vec![0; usize::try_from(size).ok()?];
        match self.memory.read(start, &mut bytes) {
            Ok(()) => {}
            Err(why) if why.is_final() => {
                self.ended = Some(why);
                return None;
            }
            Err(_) => bytes.clear(),
        }
        Some(bytes.into_boxed_slice())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::go::memory_image::MemoryImage;

    #[test]
    fn across_chunks_and_where_only_a_page_is_there() {
        let mut image = MemoryImage::new();
        let bytes: Vec<u8> = (0..CHUNK + PAGE).map(|it| (it / 8) as u8).collect();
        image.map(CHUNK, bytes);
        let mut chunks = Chunks::new(&image);
        let mut out = [0; 16];
        chunks.fill(2 * CHUNK - 8, &mut out).unwrap();
        let last = (CHUNK / 8 - 1) as u8;
        assert_eq!((out[0], out[8]), (last, last.wrapping_add(1)));
        assert!(chunks.word(2 * CHUNK + PAGE - 8).is_some());
        assert_eq!(chunks.word(2 * CHUNK + PAGE), None);
        assert_eq!(chunks.word(CHUNK + 4), None);
        assert_eq!(chunks.word(u64::MAX - 7), None);
    }
}
