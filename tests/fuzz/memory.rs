//! The memory of a process: its goroutines and their stacks. (The runtime's counters are in tests/counters/damaged.rs.)

use std::{cell::RefCell, collections::BTreeMap};

use grtmon::{
    go::{
        Anatomy, Binary, MemoryError, MemoryImage, ReadError, ReadMemory, Subject,
        process::goroutines::GoroutineReader,
    },
    model::dump::Dump,
    target::{live::Live, process::ProcessId},
};

use crate::common::{Build, Fixture, fixture, newest};
use crate::fuzz;
use crate::random::Random;

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

/// A program, and all that was read of a process that ran it.
struct Recorded {
    binary: Binary,
    anatomy: Anatomy,
    /// The same, of which nothing has been held against a process.
    unchecked: Anatomy,
    bias: u64,
    pieces: Vec<(u64, Vec<u8>)>,
    goroutines: usize,
}

fn read(
    binary: &Binary,
    anatomy: &Anatomy,
    bias: u64,
    memory: &dyn ReadMemory,
) -> Result<Dump, ReadError> {
    let subject = Subject {
        memory,
        anatomy,
        bias,
    };
    GoroutineReader::new(binary, &subject)?.read(memory)
}

fn record() -> Recorded {
    let program = fixture(newest(), Build::STRIPPED_PIE);
    let binary = Binary::parse(std::fs::read(&program).unwrap()).unwrap();
    let target = Fixture::start(&program, &["dump"]);
    let process = ProcessId::of(target.pid().cast_signed()).unwrap();
    let Live {
        memory,
        anatomy,
        bias,
        ..
    } = Live::checked(&process, &Anatomy::of(&binary)).unwrap();
    let recorder = Recorder {
        memory: &memory,
        read: RefCell::default(),
    };
    let unchecked = Anatomy::of(&binary);
    unchecked.clone().settle(&recorder, bias);
    let dump = read(&binary, &anatomy, bias, &recorder).unwrap();
    let mut pieces: Vec<(u64, Vec<u8>)> = recorder.read.into_inner().into_iter().collect();
    // Pieces that overlap are mapped shortest first, so that the longest is found.
    pieces.sort_by_key(|(_, bytes)| bytes.len());
    pieces.retain(|(_, bytes)| !bytes.is_empty());
    let goroutines = dump.goroutines.len();
    assert!(goroutines > 10, "{goroutines}");
    Recorded {
        binary,
        anatomy,
        unchecked,
        bias,
        pieces,
        goroutines,
    }
}

impl Recorded {
    fn damaged(&self, random: &mut Random) -> MemoryImage {
        let mut pieces = self.pieces.clone();
        for _ in 0..1 << random.below(10) {
            let (other, bytes) = random.of(&self.pieces);
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

#[test]
fn memory() {
    let recorded = record();
    let size: usize = recorded.pieces.iter().map(|(_, bytes)| bytes.len()).sum();
    let (tried, well) = fuzz("memory", 8 * size + (64 << 20), |random| {
        let memory = recorded.damaged(random);
        let report = recorded.unchecked.clone().settle(&memory, recorded.bias);
        assert!(!report.to_string().contains('\n'));
        match read(&recorded.binary, &recorded.anatomy, recorded.bias, &memory) {
            Ok(dump) => {
                assert!(dump.goroutines.len() <= 2 * recorded.goroutines + 64);
                true
            }
            Err(why) => {
                assert!(!why.to_string().contains('\n'));
                false
            }
        }
    });
    assert!(well > 0 && well < tried, "{well} of {tried} were read");
}

/// Memory in which everything can be read, and is a lie.
struct Liar {
    kind: u64,
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

#[test]
fn memory_full_of_lies_is_refused() {
    let recorded = record();
    for kind in 0..8 {
        crate::limits::begin();
        let dump = read(
            &recorded.binary,
            &recorded.anatomy,
            recorded.bias,
            &Liar { kind },
        );
        assert!(dump.is_err(), "kind {kind}: {dump:?}");
        let taken = crate::limits::most_taken();
        assert!(taken < 64 << 20, "kind {kind}: {taken} bytes");
    }
}
