//! Memory that is damaged in any way: read or refused, never a panic, without end, or out of proportion.

use std::{cell::RefCell, collections::BTreeMap};

use grtmon::go::{MemoryError, MemoryImage, ReadMemory, Subject};

use crate::{
    anatomy,
    common::{Build, Fixture, fixture, newest},
    look, open,
};

/// Memory that remembers what was read of it.
struct Recorder<'m> {
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

/// xorshift64*.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end as u64).unwrap()
    }
}

#[test]
fn damaged_memory_is_refused_or_read_but_never_fatal() {
    let toolchain = newest();
    let program = fixture(toolchain, Build::DEFAULT);
    let anatomy = anatomy(&program);
    let mut target = Fixture::start(&program, &["counters"]);
    target.go_until("quiet");
    let live = open(&target, &anatomy);
    let recorder = Recorder {
        memory: &live.memory,
        read: RefCell::default(),
    };
    look(Subject {
        memory: &recorder,
        ..live.subject()
    })
    .unwrap();
    let pieces: Vec<(u64, Vec<u8>)> = recorder.read.into_inner().into_iter().collect();
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let (mut refused, mut read) = (0, 0);
    for _ in 0..300 {
        let mut memory = MemoryImage::new();
        let mut damaged = pieces.clone();
        for _ in 0..=random.below(6) {
            let piece = random.below(damaged.len());
            let bytes = &mut damaged[piece].1;
            if bytes.is_empty() {
                continue;
            }
            let at = random.below(bytes.len());
            match random.below(3) {
                0 => bytes[at] = random.next().to_le_bytes()[0],
                1 => bytes[at..].fill(0xff),
                _ => bytes.truncate(at),
            }
        }
        // Pieces that overlap are mapped shortest first, so that the longest is found.
        damaged.sort_by_key(|(_, bytes)| bytes.len());
        for (addr, bytes) in damaged {
            memory.map(addr, bytes);
        }
        match look(Subject {
            memory: &memory,
            ..live.subject()
        }) {
            Ok(_) => read += 1,
            Err(_) => refused += 1,
        }
    }
    assert!(
        refused > 10 && read > 10,
        "{refused} refused, {read} read: not much of a test"
    );
}
