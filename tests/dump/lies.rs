//! Memory with wrong contents: whatever is read, grtmon neither fails nor works without end.

use std::cell::RefCell;

use grtmon::go::{MemoryError, MemoryImage, ReadMemory};

use crate::{
    common::{self, Build, Fixture},
    process::Subjected,
};

/// Notes everything that is read.
struct Recorder<'m> {
    memory: &'m dyn ReadMemory,
    read: RefCell<Vec<(u64, Vec<u8>)>>,
}

impl ReadMemory for Recorder<'_> {
    fn read(&self, addr: u64, buf: &mut [u8]) -> Result<(), MemoryError> {
        self.memory.read(addr, buf)?;
        self.read.borrow_mut().push((addr, buf.to_vec()));
        Ok(())
    }
}

/// Xorshift: the same numbers in every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }
}

#[test]
fn wrong_memory_is_no_danger() {
    let rounds = if common::full_matrix() { 3000 } else { 300 };
    let program = common::fixture(common::newest(), Build::DEFAULT);
    let target = Fixture::start(&program, &["dump"]);
    let process = Subjected::open(target.pid());
    let recorder = Recorder {
        memory: &process.memory,
        read: RefCell::default(),
    };
    let mut reader = process.reader(&recorder);
    let truth = reader.read(&recorder).unwrap();
    assert!(truth.goroutines.len() > 30);
    let mut regions = recorder.read.into_inner();
    regions.sort();
    regions.dedup();

    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let (mut readable, mut refused) = (0, 0);
    for round in 0..rounds {
        let mut memory = MemoryImage::new();
        for (addr, bytes) in &regions {
            memory.map(*addr, bytes.clone());
        }
        // From one wrong word to thousands.
        for _ in 0..1 << (round % 12) {
            let (addr, bytes) = &regions[random.below(regions.len())];
            let at = addr + random.below(bytes.len()) as u64;
            let at = if random.below(8) == 0 { at } else { at & !7 };
            let other = &regions[random.below(regions.len())];
            let word = match random.below(8) {
                0 => 0,
                1 => u64::MAX,
                2 => random.next(),
                3 => random.next() >> random.below(64),
                4 => other.0 + random.below(other.1.len()) as u64,
                5 => at,
                6 => memory.u64(at).unwrap_or(0).wrapping_add(8),
                _ => memory.u64(at).unwrap_or(0) ^ 1 << random.below(64),
            };
            memory.write_u64(at, word);
        }
        match reader.read(&memory) {
            Ok(dump) => {
                readable += 1;
                assert!(dump.goroutines.len() <= 1 << 20);
                assert!(dump.stacks.iter().all(|stack| stack.frames.len() < 100_000));
            }
            Err(why) => {
                refused += 1;
                assert!(!why.to_string().is_empty());
            }
        }
    }
    eprintln!("of {rounds} wrong memories {readable} were read, {refused} refused");
    assert!(readable > 0 && refused > 0);
    // Nothing of it is left in the reader.
    let again = reader.read(&process.memory).unwrap();
    assert_eq!(again.goroutines.len(), truth.goroutines.len());
    assert_eq!(again.stacks.len(), truth.stacks.len());
}
