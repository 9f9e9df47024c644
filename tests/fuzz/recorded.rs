//! What was read of a process, to be damaged; and memory that lies.

use std::{cell::RefCell, collections::BTreeMap};

use grtmon::go::{MemoryError, MemoryImage, ReadMemory};

use crate::random::Random;

/// Memory that remembers what was read of it.
pub(crate) struct Recorder<'m> {
    memory: &'m dyn ReadMemory,
    read: RefCell<BTreeMap<u64, Vec<u8>>>,
}

impl ReadMemory for Recorder<'_> {
    fn read(&self, addr: u64, buf: &mut [u8]) -> Result<(), MemoryError> {
        self.memory.read(addr, buf)?;
        let mut read = self.read.borrow_mut();
        if read.get(&addr).is_none_or(|known| known.len() < buf.len()) {
            read.insert(addr, buf.to_vec());
        }
        Ok(())
    }
}

impl<'m> Recorder<'m> {
    pub(crate) fn new(memory: &'m dyn ReadMemory) -> Self {
        Self {
            memory,
            read: RefCell::default(),
        }
    }

    /// All that was read.
    pub(crate) fn pieces(self) -> Pieces {
        let mut pieces: Vec<(u64, Vec<u8>)> = self.read.into_inner().into_iter().collect();
        // Pieces that overlap are mapped shortest first, so that the longest is found.
        pieces.sort_by_key(|(_, bytes)| bytes.len());
        pieces.retain(|(_, bytes)| !bytes.is_empty());
        Pieces(pieces)
    }
}

/// Pieces of memory with their addresses.
pub(crate) struct Pieces(Vec<(u64, Vec<u8>)>);

impl Pieces {
    /// How many bytes they have together.
    pub(crate) fn size(&self) -> usize {
        self.0.iter().map(|(_, bytes)| bytes.len()).sum()
    }

    /// A memory of them in which up to a thousand words are wrong.
    pub(crate) fn damaged(&self, random: &mut Random) -> MemoryImage {
        let mut pieces = self.0.clone();
        for _ in 0..1 << random.below(10) {
            let (other, bytes) = random.of(&self.0);
            let word = match random.below(4) {
                // An address of something else, most often: those are followed.
                0 | 1 => other + (random.below(bytes.len()) & !7) as u64,
                _ => random.odd(),
            };
            let place = random.below(pieces.len());
            let (_, bytes) = &mut pieces[place];
            if bytes.is_empty() {
                continue;
            }
            let at = random.below(bytes.len());
            if random.below(64) == 0 {
                bytes.truncate(at);
                continue;
            }
            let at = if random.below(8) == 0 { at } else { at & !7 };
            for (byte, wrong) in bytes[at..].iter_mut().zip(word.to_le_bytes()) {
                *byte = wrong;
            }
        }
        let mut memory = MemoryImage::new();
        for (addr, bytes) in pieces {
            memory.map(addr, bytes);
        }
        memory
    }
}

/// Memory in which everything can be read, and is a lie.
pub(crate) struct Liar {
    pub(crate) kind: u64,
}

impl ReadMemory for Liar {
    fn read(&self, addr: u64, buf: &mut [u8]) -> Result<(), MemoryError> {
        for (at, byte) in (addr..=u64::MAX).zip(buf) {
            let place = at & !7;
            let word = match self.kind {
                0 => 0,
                1 => 1,
                2 => u64::MAX,
                3 => place,
                4 => place.wrapping_add(64),
                5 => 1 << 24,
                6 => place % 7,
                _ => place.wrapping_mul(0x2545_f491_4f6c_dd1d),
            };
            *byte = word.to_le_bytes()[usize::try_from(at & 7).unwrap()];
        }
        Ok(())
    }

    fn held(&self) -> Option<u64> {
        Some(64 << 20)
    }
}
